/* Points of sm2p256v1 (GB/T 32918.5) and their multiples. */
#include "gm.h"

#include <pthread.h>
#include <stdlib.h>

#define FE fe
#define MUL fe_mul
#define SQR fe_sqr
#define ADD fe_add
#define SUB fe_sub
#define CURVE_B fe_b
#define POINT point
#define AFFINE affine
#define NAME(x) point_##x
#define TARGET
#include "sm2_complete.h"

static const affine generator = {
    {{0x61328990f418029eULL, 0x3e7981eddca6c050ULL, 0xd6a1ed99ac24c3c3ULL, 0x91167a5ee1c13b05ULL}},
    {{0xc1354e593c2d0dddULL, 0xc1f5e5788d3295faULL, 0x8d4cfb066e2a48f8ULL, 0x63cd65d481d735bdULL}}};
static const point infinity = {{{0}}, {{1, 0xffffffff, 0, 0x100000000ULL}}, {{0}}};

affine (*gm_base_table)[GM_WIDTH];

void gm_digit(const sc *k, int window, uint64_t *magnitude, uint64_t *negative)
{
    int low = 5 * window - 1; /* six bits from here; the lowest belongs to the window below */
    uint64_t bits;
    if (low < 0) {
        bits = k->v[0] << 1;
    } else {
        bits = k->v[low / 64] >> low % 64;
        if (low % 64 > 58 && low / 64 < 3)
            bits |= k->v[low / 64 + 1] << (64 - low % 64);
    }
    bits &= 63;
    uint64_t sign = bits >> 5;
    uint64_t value = (bits >> 1) + (bits & 1); /* 0..32 */
    *negative = 0 - sign;
    *magnitude = (value ^ (0 - sign)) + (sign * 33); /* value, or 32 - value */
}

static inline uint64_t equal_mask(uint64_t a, uint64_t b)
{
    uint64_t x = a ^ b;
    return ((x | (0 - x)) >> 63) - 1;
}

static void select_affine(affine *r, const affine table[GM_WIDTH], uint64_t magnitude)
{
    memset(r, 0, sizeof *r);
    uint64_t *out = (uint64_t *)r;
    for (uint64_t j = 0; j < GM_WIDTH; j++) {
        uint64_t mask = equal_mask(j + 1, magnitude);
        const uint64_t *entry = (const uint64_t *)&table[j];
        for (int i = 0; i < 8; i++)
            out[i] |= entry[i] & mask;
    }
}

static void select_point(point *r, const point table[GM_WIDTH], uint64_t magnitude)
{
    memset(r, 0, sizeof *r);
    uint64_t *out = (uint64_t *)r;
    for (uint64_t j = 0; j < GM_WIDTH; j++) {
        uint64_t mask = equal_mask(j + 1, magnitude);
        const uint64_t *entry = (const uint64_t *)&table[j];
        for (int i = 0; i < 12; i++)
            out[i] |= entry[i] & mask;
    }
}

static void negate_where(fe *y, uint64_t mask)
{
    fe zero = {{0}}, negated;
    fe_sub(&negated, &zero, y);
    fe_select(y, &negated, y, mask);
}

static void point_select(point *r, const point *a, const point *b, uint64_t mask)
{
    fe_select(&r->x, &a->x, &b->x, mask);
    fe_select(&r->y, &a->y, &b->y, mask);
    fe_select(&r->z, &a->z, &b->z, mask);
}

void gm_point_mul_base(point *r, const sc *k)
{
    point acc = infinity, sum;
    affine entry;
    uint64_t magnitude, negative;
    for (int i = 0; i < GM_WINDOWS; i++) {
        gm_digit(k, i, &magnitude, &negative);
        select_affine(&entry, gm_base_table[i], magnitude);
        negate_where(&entry.y, negative);
        point_add_affine(&sum, &acc, &entry);
        point_select(&acc, &acc, &sum, equal_mask(magnitude, 0)); /* digit 0 has no affine point */
    }
    *r = acc;
    gm_wipe(&acc, sizeof acc);
    gm_wipe(&sum, sizeof sum);
    gm_wipe(&entry, sizeof entry);
}

static void multiples(point table[GM_WIDTH], const affine *p)
{
    table[0].x = p->x;
    table[0].y = p->y;
    table[0].z = fe_one;
    for (int j = 1; j < GM_WIDTH; j++)
        if (j & 1)
            point_double(&table[j], &table[j / 2]);
        else
            point_add_affine(&table[j], &table[j - 1], p);
}

void gm_point_mul(point *r, const sc *k, const affine *p)
{
    point table[GM_WIDTH], acc = infinity, entry;
    uint64_t magnitude, negative;
    multiples(table, p);
    for (int i = GM_WINDOWS - 1; i >= 0; i--) {
        if (i != GM_WINDOWS - 1)
            for (int j = 0; j < 5; j++)
                point_double(&acc, &acc);
        gm_digit(k, i, &magnitude, &negative);
        select_point(&entry, table, magnitude);
        point_select(&entry, &infinity, &entry, equal_mask(magnitude, 0));
        negate_where(&entry.y, negative);
        point_add(&acc, &acc, &entry);
    }
    *r = acc;
    gm_wipe(&acc, sizeof acc);
    gm_wipe(&entry, sizeof entry);
}

void gm_point_mul_add(point *r, const sc *s, const sc *t, const affine *p)
{
    point table[GM_WIDTH], acc = infinity, entry;
    affine fixed;
    uint64_t magnitude, negative;
    multiples(table, p);
    for (int i = GM_WINDOWS - 1; i >= 0; i--) {
        if (i != GM_WINDOWS - 1)
            for (int j = 0; j < 5; j++)
                point_double(&acc, &acc);
        gm_digit(t, i, &magnitude, &negative);
        if (magnitude) {
            entry = table[magnitude - 1];
            negate_where(&entry.y, negative);
            point_add(&acc, &acc, &entry);
        }
    }
    for (int i = 0; i < GM_WINDOWS; i++) {
        gm_digit(s, i, &magnitude, &negative);
        if (magnitude) {
            fixed = gm_base_table[i][magnitude - 1];
            negate_where(&fixed.y, negative);
            point_add_affine(&acc, &acc, &fixed);
        }
    }
    *r = acc;
}

void gm_point_sum(point *r, const affine *p, size_t count)
{
    *r = infinity;
    while (count--)
        point_add_affine(r, r, p++);
}

/* Montgomery's trick: one inversion for all */
void gm_point_to_affine(affine *r, const point *p, size_t count)
{
    fe products[GM_BATCH], inverse, z;
    for (; count; p += GM_BATCH, r += GM_BATCH) {
        size_t take = count < GM_BATCH ? count : GM_BATCH;
        products[0] = p[0].z;
        for (size_t i = 1; i < take; i++)
            fe_mul(&products[i], &products[i - 1], &p[i].z);
        fe_inv(&inverse, &products[take - 1]);
        for (size_t i = take; i-- > 0;) {
            if (i)
                fe_mul(&z, &inverse, &products[i - 1]);
            else
                z = inverse;
            fe_mul(&inverse, &inverse, &p[i].z);
            fe_mul(&r[i].x, &p[i].x, &z);
            fe_mul(&r[i].y, &p[i].y, &z);
        }
        count -= take;
    }
    gm_wipe(products, sizeof products);
    gm_wipe(&inverse, sizeof inverse);
    gm_wipe(&z, sizeof z);
}

int gm_point_decode(affine *r, const uint8_t public_key[65])
{
    fe left, right, t;
    if (public_key[0] != 4 || !fe_decode(&r->x, public_key + 1) || !fe_decode(&r->y, public_key + 33))
        return 0;
    fe_sqr(&left, &r->y);
    fe_sqr(&right, &r->x);
    for (int i = 0; i < 3; i++)
        fe_sub(&right, &right, &fe_one);
    fe_mul(&right, &right, &r->x);
    fe_add(&right, &right, &fe_b);
    fe_sub(&t, &left, &right);
    return fe_is_zero(&t);
}

void gm_point_encode(uint8_t public_key[65], const affine *a)
{
    public_key[0] = 4;
    fe_encode(public_key + 1, &a->x);
    fe_encode(public_key + 33, &a->y);
}

static void build_table(void)
{
    point *all = malloc(sizeof *all * GM_WINDOWS * GM_WIDTH);
    gm_base_table = aligned_alloc(64, sizeof *gm_base_table * GM_WINDOWS);
    if (!all || !gm_base_table)
        abort();
    affine first = generator;
    for (int i = 0; i < GM_WINDOWS; i++) {
        multiples(all + i * GM_WIDTH, &first);
        point next;
        point_double(&next, &all[i * GM_WIDTH + GM_WIDTH - 1]); /* 32 times */
        gm_point_to_affine(&first, &next, 1);
    }
    gm_point_to_affine(gm_base_table[0], all, GM_WINDOWS * GM_WIDTH);
    free(all);
}

void gm_point_setup(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, build_table);
}
