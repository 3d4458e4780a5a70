/* The larger pieces of the fields of SM9: inversion, encoding, products in F_p2. */
#include "sm9_fp.h"

static const fp r_squared = {{0x27dea312b417e2d2ULL, 0x88f8105fae1a5d3fULL, 0xe479b522d6706e7bULL, 0x2ea795a656f62fbdULL}};

/* a^(p-2), four bits of the public exponent at a time */
void fp_inv(fp *r, const fp *a)
{
    fp powers[16], t = fp_one;
    powers[0] = fp_one;
    for (int i = 1; i < 16; i++)
        fp_mul(&powers[i], &powers[i - 1], a);
    for (int i = 63; i >= 0; i--) {
        uint64_t limb = sm9_p[i / 16] - (i < 16 ? 2 : 0);
        for (int j = 0; j < 4; j++)
            fp_sqr(&t, &t);
        fp_mul(&t, &t, &powers[limb >> 4 * (i % 16) & 15]);
    }
    *r = t;
    gm_wipe(powers, sizeof powers);
}

int fp_decode(fp *r, const uint8_t in[32])
{
    fp plain;
    uint64_t borrow = 0;
    for (int i = 0; i < 4; i++) {
        plain.v[i] = gm_load64(in + 24 - 8 * i);
        u128 d = (u128)plain.v[i] - sm9_p[i] - borrow;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    fp_mul(r, &plain, &r_squared);
    return (int)borrow;
}

void fp_encode(uint8_t out[32], const fp *a)
{
    const fp one = {{1, 0, 0, 0}};
    fp plain;
    fp_mul(&plain, a, &one);
    for (int i = 0; i < 4; i++)
        gm_store64(out + 24 - 8 * i, plain.v[i]);
}

static void minus_twice(fp *r, const fp *a)
{
    fp_add(r, a, a);
    fp_neg(r, r);
}

void fp2_factor_of(fp2_factor *r, const fp2 *x)
{
    r->a = x->a;
    r->b = x->b;
    minus_twice(&r->minus, &x->b);
}

void fp2_factor_times_u(fp2_factor *r, const fp2_factor *y)
{
    r->a = y->minus;
    r->b = y->a;
    minus_twice(&r->minus, &y->a);
}

void fp2_mul_fp(fp2 *r, const fp2 *x, const fp *k)
{
    fp_mul(&r->a, &x->a, k);
    fp_mul(&r->b, &x->b, k);
}

void fp2_mul_u(fp2 *r, const fp2 *x)
{
    fp t;
    fp_add(&t, &x->b, &x->b);
    r->b = x->a;
    fp_neg(&r->a, &t);
}

void fp2_inv(fp2 *r, const fp2 *x)
{
    fp norm, t;
    fp_sqr(&t, &x->b);
    fp_add(&t, &t, &t);
    fp_sqr(&norm, &x->a);
    fp_add(&norm, &norm, &t);
    fp_inv(&norm, &norm);
    fp_mul(&r->a, &x->a, &norm);
    fp_neg(&t, &x->b);
    fp_mul(&r->b, &t, &norm);
}
