/* G1 of SM9: y^2 = x^3 + 5 over F_p, of prime order N. */
#include "sm9.h"

const g1_affine g1_base = {
    {{0x22e935e29860501bULL, 0xa946fd5e0073282cULL, 0xefd0cec817a649beULL, 0x5129787c869140b5ULL}},
    {{0xee779649eb87f7c7ULL, 0x15563cbdec30a576ULL, 0x326353912824efbfULL, 0x7215717763c39828ULL}}};
static const fp five = {{0xb9f2c1e8c8c71995ULL, 0x125df8f246a377fcULL, 0x25e650d049188d1cULL, 0x043fffffed866f63ULL}};
/* a cube root of 1: (x, y) -> (beta*x, y) multiplies by the l of zn_split2 */
static const fp beta = {{0x2f4981aa150a0eb3ULL, 0x19c92815c28ded55ULL, 0x39934d9cf7fd761bULL, 0x99cac18b7ca1dd5fULL}};
static const g1 g1_infinity = {
    {{0}}, {{0x1a9064d81caeba83ULL, 0xde0d6cb4e5851124ULL, 0x29fc54b00a7138baULL, 0x49bffffffd5c590eULL}}, {{0}}};

/* 15a = 16a - a */
static inline void times_15(fp *r, const fp *a)
{
    fp t = *a;
    for (int i = 0; i < 4; i++)
        fp_add(&t, &t, &t);
    fp_sub(r, &t, a);
}

#define FE fp
#define F(x) fp_##x
#define TIMES_3B times_15
#define GROUP g1
#define AFFINE g1_affine
#define NAME(x) g1_##x
#include "sm9_complete.h"

#define PART_WINDOWS 26 /* 130 bits for parts of 128 */

void g1_mul(g1 *r, const zn *k, const g1_affine *p)
{
    zn parts[2];
    uint64_t negative[2], magnitude, sign;
    g1 table[SM9_WIDTH], acc = g1_infinity, entry;
    zn_split2(parts, negative, k);
    g1_multiples(table, p);
    for (int i = PART_WINDOWS - 1; i >= 0; i--) {
        for (int j = 0; j < 5 && i < PART_WINDOWS - 1; j++)
            g1_double(&acc, &acc);
        for (int part = 0; part < 2; part++) {
            zn_digit(&parts[part], i, &magnitude, &sign);
            g1_look_up(&entry, table, sizeof entry, magnitude);
            g1_select(&entry, &g1_infinity, &entry, sm9_equal_mask(magnitude, 0));
            g1_negate_where(&entry.y, sign ^ negative[part]);
            if (part)
                fp_mul(&entry.x, &entry.x, &beta);
            g1_add(&acc, &acc, &entry);
        }
    }
    *r = acc;
    gm_wipe(parts, sizeof parts);
    gm_wipe(negative, sizeof negative);
    gm_wipe(table, sizeof table);
    gm_wipe(&acc, sizeof acc);
    gm_wipe(&entry, sizeof entry);
}

int g1_decode(g1_affine *r, const uint8_t in[65])
{
    fp left, right;
    int good = in[0] == 4 && fp_decode(&r->x, in + 1);
    good = good && fp_decode(&r->y, in + 33);
    if (!good)
        return 0;
    fp_sqr(&left, &r->y);
    fp_sqr(&right, &r->x);
    fp_mul(&right, &right, &r->x);
    fp_add(&right, &right, &five);
    fp_sub(&left, &left, &right);
    return fp_is_zero(&left);
}

void g1_encode(uint8_t out[65], const g1_affine *p)
{
    out[0] = 4;
    fp_encode(out + 1, &p->x);
    fp_encode(out + 33, &p->y);
}
