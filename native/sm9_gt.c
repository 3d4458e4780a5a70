/* F_p12 as F_p6[w]/(w^2 - s) over F_p6 = F_p2[s]/(s^3 - u), which is the standard's tower with other names: the
 * coefficients stand by the powers of w. The even ones make one element of F_p6, the odd ones the other. */
#include "sm9.h"

typedef struct {
    fp2 c[3];
} fp6;

const fp12 fp12_one = {{{{{0x1a9064d81caeba83ULL, 0xde0d6cb4e5851124ULL, 0x29fc54b00a7138baULL, 0x49bffffffd5c590eULL}},
                         {{0}}}}};
/* w^(p*i) / w^i, i = 1 .. 5 */
static const fp frobenius[5] = {
    {{0x1a98dfbd4575299fULL, 0x9ec8547b245c54fdULL, 0xf51f5eac13df846cULL, 0x9ef74015d5a16393ULL}},
    {{0xb626197dce4736caULL, 0x08296b3557ed0186ULL, 0x9c705db2fd91512aULL, 0x1c753e748601c992ULL}},
    {{0x39b4ef0f3ee72529ULL, 0xdb043bf508582782ULL, 0xb8554ab054ac91e3ULL, 0x9848eec25498cab5ULL}},
    {{0x81054fcd94e9c1c4ULL, 0x4c0e91cb8ce2df3eULL, 0x4877b452e8aedfb4ULL, 0x88f53e748b491776ULL}},
    {{0x048baa79dcc34107ULL, 0x5e2e7ac4fe76c161ULL, 0x99399754365bd4bcULL, 0xaf91aeac819b0e13ULL}},
};

static void fp6_add(fp6 *r, const fp6 *x, const fp6 *y)
{
    for (int i = 0; i < 3; i++)
        fp2_add(&r->c[i], &x->c[i], &y->c[i]);
}

static void fp6_sub(fp6 *r, const fp6 *x, const fp6 *y)
{
    for (int i = 0; i < 3; i++)
        fp2_sub(&r->c[i], &x->c[i], &y->c[i]);
}

static void fp6_mul_s(fp6 *r, const fp6 *x)
{
    fp2 t = x->c[2];
    r->c[2] = x->c[1];
    r->c[1] = x->c[0];
    fp2_mul_u(&r->c[0], &t);
}

static void fp6_mul(fp6 *r, const fp6 *x, const fp6 *y)
{
    fp2_factor y0, y1, y2, uy1, uy2;
    fp6 t;
    fp2_factor_of(&y0, &y->c[0]);
    fp2_factor_of(&y1, &y->c[1]);
    fp2_factor_of(&y2, &y->c[2]);
    fp2_factor_times_u(&uy1, &y1);
    fp2_factor_times_u(&uy2, &y2);
    fp2_dot(&t.c[0], &x->c[0], &y0, &x->c[1], &uy2, &x->c[2], &uy1);
    fp2_dot(&t.c[1], &x->c[0], &y1, &x->c[1], &y0, &x->c[2], &uy2);
    fp2_dot(&t.c[2], &x->c[0], &y2, &x->c[1], &y1, &x->c[2], &y0);
    *r = t;
}

static void halves(fp6 *even, fp6 *odd, const fp12 *x)
{
    for (int i = 0; i < 3; i++) {
        even->c[i] = x->c[2 * i];
        odd->c[i] = x->c[2 * i + 1];
    }
}

static void join(fp12 *x, const fp6 *even, const fp6 *odd)
{
    for (int i = 0; i < 3; i++) {
        x->c[2 * i] = even->c[i];
        x->c[2 * i + 1] = odd->c[i];
    }
}

void fp12_mul(fp12 *r, const fp12 *x, const fp12 *y)
{
    fp6 a, b, c, d, ac, bd;
    halves(&a, &b, x);
    halves(&c, &d, y);
    fp6_mul(&ac, &a, &c);
    fp6_mul(&bd, &b, &d);
    fp6_add(&a, &a, &b);
    fp6_add(&c, &c, &d);
    fp6_mul(&a, &a, &c);
    fp6_sub(&a, &a, &ac);
    fp6_sub(&a, &a, &bd);
    fp6_mul_s(&bd, &bd);
    fp6_add(&ac, &ac, &bd);
    join(r, &ac, &a);
}

/* (a + bw)^2 = (a + b)(a + bs) - ab - abs + 2ab w */
void fp12_sqr(fp12 *r, const fp12 *x)
{
    fp6 a, b, ab, t;
    halves(&a, &b, x);
    fp6_mul(&ab, &a, &b);
    fp6_mul_s(&t, &b);
    fp6_add(&t, &t, &a);
    fp6_add(&a, &a, &b);
    fp6_mul(&a, &a, &t);
    fp6_sub(&a, &a, &ab);
    fp6_mul_s(&t, &ab);
    fp6_sub(&a, &a, &t);
    fp6_add(&b, &ab, &ab);
    join(r, &a, &b);
}

void fp12_mul_line(fp12 *r, const fp12 *x, const fp2 *c0, const fp2 *c2, const fp2 *c3)
{
    fp2_factor y0, y2, y3, uy2, uy3;
    fp12 t;
    fp2_factor_of(&y0, c0);
    fp2_factor_of(&y2, c2);
    fp2_factor_of(&y3, c3);
    fp2_factor_times_u(&uy2, &y2);
    fp2_factor_times_u(&uy3, &y3);
    for (int i = 0; i < 6; i++)
        fp2_dot(&t.c[i], &x->c[i], &y0, &x->c[(i + 4) % 6], i < 2 ? &uy2 : &y2, &x->c[(i + 3) % 6], i < 3 ? &uy3 : &y3);
    *r = t;
}

void fp12_conjugate(fp12 *r, const fp12 *x)
{
    for (int i = 0; i < 6; i++) {
        if (i & 1)
            fp2_neg(&r->c[i], &x->c[i]);
        else
            r->c[i] = x->c[i];
    }
}

static void fp6_inv(fp6 *r, const fp6 *x)
{
    fp2 a, b, c, t;
    fp2_mul(&t, &x->c[1], &x->c[2]);
    fp2_mul_u(&t, &t);
    fp2_sqr(&a, &x->c[0]);
    fp2_sub(&a, &a, &t);
    fp2_mul(&t, &x->c[0], &x->c[1]);
    fp2_sqr(&b, &x->c[2]);
    fp2_mul_u(&b, &b);
    fp2_sub(&b, &b, &t);
    fp2_mul(&t, &x->c[0], &x->c[2]);
    fp2_sqr(&c, &x->c[1]);
    fp2_sub(&c, &c, &t);
    fp2 norm, s;
    fp2_mul(&s, &x->c[2], &b);
    fp2_mul(&t, &x->c[1], &c);
    fp2_add(&s, &s, &t);
    fp2_mul_u(&s, &s);
    fp2_mul(&norm, &x->c[0], &a);
    fp2_add(&norm, &norm, &s);
    fp2_inv(&norm, &norm);
    fp2_mul(&r->c[0], &a, &norm);
    fp2_mul(&r->c[1], &b, &norm);
    fp2_mul(&r->c[2], &c, &norm);
}

/* (a - bw) / (a^2 - b^2 s) */
void fp12_inv(fp12 *r, const fp12 *x)
{
    fp6 a, b, s, t;
    halves(&a, &b, x);
    fp6_mul(&t, &b, &b);
    fp6_mul_s(&t, &t);
    fp6_mul(&s, &a, &a);
    fp6_sub(&s, &s, &t);
    fp6_inv(&s, &s);
    fp6_mul(&a, &a, &s);
    fp6_mul(&b, &b, &s);
    join(r, &a, &b);
    fp12_conjugate(r, r);
}

void fp12_frobenius(fp12 *r, const fp12 *x, int times)
{
    *r = *x;
    while (times--) {
        for (int i = 0; i < 6; i++) {
            fp2_conjugate(&r->c[i], &r->c[i]);
            if (i)
                fp2_mul_fp(&r->c[i], &r->c[i], &frobenius[i - 1]);
        }
    }
}

static void three_less_two(fp2 *r, const fp2 *t, const fp2 *x) /* 3t - 2x */
{
    fp2 d;
    fp2_sub(&d, t, x);
    fp2_add(&d, &d, &d);
    fp2_add(r, &d, t);
}

static void three_and_two(fp2 *r, const fp2 *t, const fp2 *x) /* 3t + 2x */
{
    fp2 d;
    fp2_add(&d, t, x);
    fp2_add(&d, &d, &d);
    fp2_add(r, &d, t);
}

/* Granger and Scott (2010) */
void gt_sqr(fp12 *r, const fp12 *x)
{
    fp2 a0, a1, b0, b1, c0, c1;
    fp4_sqr(&a0, &a1, &x->c[0], &x->c[3]);
    fp4_sqr(&b0, &b1, &x->c[1], &x->c[4]);
    fp4_sqr(&c0, &c1, &x->c[2], &x->c[5]);
    fp2_mul_u(&c1, &c1);
    three_less_two(&r->c[0], &a0, &x->c[0]);
    three_and_two(&r->c[3], &a1, &x->c[3]);
    three_less_two(&r->c[2], &b0, &x->c[2]);
    three_and_two(&r->c[5], &b1, &x->c[5]);
    three_less_two(&r->c[4], &c0, &x->c[4]);
    three_and_two(&r->c[1], &c1, &x->c[1]);
}

/* The tower 1-2-4-12, highest first */
void gt_encode(uint8_t out[384], const fp12 *x)
{
    static const uint8_t order[6] = {5, 2, 4, 1, 3, 0};
    for (int i = 0; i < 6; i++) {
        fp_encode(out + 64 * i, &x->c[order[i]].b);
        fp_encode(out + 64 * i + 32, &x->c[order[i]].a);
    }
}
