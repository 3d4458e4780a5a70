/* G2 of SM9: the points of order N on the twist y^2 = x^3 + 5u over F_p2. */
#include "sm9.h"

const g2_affine g2_base = {
    {{{0x260226a68ce2da8fULL, 0x7ee5645edbf6c06bULL, 0xf8f57c82b1495444ULL, 0x61fcf018bc47c4d1ULL}},
     {{0xdb6db4822750a8a6ULL, 0x84c6135a5121f134ULL, 0x1874032f88791d41ULL, 0x905112f2b85f3a37ULL}}},
    {{{0xc03f138f9171c24aULL, 0x92fbab45a15a3ca7ULL, 0x2445561e2ff77cdbULL, 0x108495e0c0f62eceULL}},
     {{0xf7b82dac4c89bfbbULL, 0x3706f3f6a49dc12fULL, 0x1e29de93d3eef769ULL, 0x81e448c3c76a5d53ULL}}}};
static const fp five = {{0xb9f2c1e8c8c71995ULL, 0x125df8f246a377fcULL, 0x25e650d049188d1cULL, 0x043fffffed866f63ULL}};
static const g2 g2_infinity = {
    {{{0}}, {{0}}},
    {{{0x1a9064d81caeba83ULL, 0xde0d6cb4e5851124ULL, 0x29fc54b00a7138baULL, 0x49bffffffd5c590eULL}}, {{0}}},
    {{{0}}, {{0}}}};

/* 15ua = (16a - a)u */
static inline void times_15u(fp2 *r, const fp2 *a)
{
    fp2 t = *a;
    for (int i = 0; i < 4; i++)
        fp2_add(&t, &t, &t);
    fp2_sub(&t, &t, a);
    fp2_mul_u(r, &t);
}

#define FE fp2
#define F(x) fp2_##x
#define TIMES_3B times_15u
#define GROUP g2
#define AFFINE g2_affine
#define NAME(x) g2_##x
#include "sm9_complete.h"

void g2_frobenius(g2_affine *r, const g2_affine *p)
{
    /* w^(2 - 2p), w^(3 - 3p) */
    static const fp x = {{0x646a4b5a4e6783b9ULL, 0xd5e4017f8d980f9dULL, 0x8d8bf6fd0cdfe790ULL, 0x2d4ac18b775a8f7bULL}};
    static const fp y = {{0xabbaac18a46a2054ULL, 0x46ee57561222c759ULL, 0x1dae609fa0e23561ULL, 0x1df7113dae0adc3cULL}};
    fp2_conjugate(&r->x, &p->x);
    fp2_mul_fp(&r->x, &r->x, &x);
    fp2_conjugate(&r->y, &p->y);
    fp2_mul_fp(&r->y, &r->y, &y);
}

/* [t]p for the curve's parameter, the same steps for every point */
static void times_t(g2 *r, const g2 *p)
{
    g2 acc = *p;
    for (int i = 61; i >= 0; i--) {
        g2_double(&acc, &acc);
        if (0x600000000058f98aULL >> i & 1)
            g2_add(&acc, &acc, p);
    }
    *r = acc;
}

/* Whether the p-power map is the multiplication by 6t^2. Every point q of the twist satisfies
 * F(F(q)) - [6t^2 + 1]F(q) + [p]q = 0, so this gives [36t^4 - 6t^2(6t^2 + 1) + p]q = [N]q = 0; and those of G2 pass. */
static int of_order_n(const g2_affine *p)
{
    g2 q, twice;
    g2_affine image;
    fp2 x, y;
    g2_from_affine(&q, p);
    times_t(&q, &q);
    times_t(&q, &q);
    g2_double(&twice, &q);
    g2_add(&q, &twice, &q);
    g2_double(&q, &q);
    g2_frobenius(&image, p);
    fp2_mul(&x, &image.x, &q.z);
    fp2_mul(&y, &image.y, &q.z);
    fp2_sub(&x, &x, &q.x);
    fp2_sub(&y, &y, &q.y);
    return fp2_is_zero(&x) & fp2_is_zero(&y) & !fp2_is_zero(&q.z);
}

int g2_decode(g2_affine *r, const uint8_t in[129])
{
    fp2 left, right;
    int good = in[0] == 4;
    good = good && fp_decode(&r->x.b, in + 1) && fp_decode(&r->x.a, in + 33);
    good = good && fp_decode(&r->y.b, in + 65) && fp_decode(&r->y.a, in + 97);
    if (!good)
        return 0;
    fp2_sqr(&left, &r->y);
    fp2_sqr(&right, &r->x);
    fp2_mul(&right, &right, &r->x);
    fp_add(&right.b, &right.b, &five);
    fp2_sub(&left, &left, &right);
    return fp2_is_zero(&left) && of_order_n(r);
}

void g2_encode(uint8_t out[129], const g2_affine *p)
{
    out[0] = 4;
    fp_encode(out + 1, &p->x.b);
    fp_encode(out + 33, &p->x.a);
    fp_encode(out + 65, &p->y.b);
    fp_encode(out + 97, &p->y.a);
}
