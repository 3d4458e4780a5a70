/* Sums of products mod p, reduced once (Longa 2022): the whole work of SM9. The rows of the multiplication are portable C,
 * or, where the CPU has them, MULX with the two carry chains of ADX. */
#include "sm9_fp.h"

#define INLINE static inline __attribute__((always_inline))

typedef void row(uint64_t t[6], uint64_t a, const uint64_t b[4]);

/* t += a * b */
INLINE void row_portable(uint64_t t[6], uint64_t a, const uint64_t b[4])
{
    uint64_t carry = 0;
    UNROLL
    for (int j = 0; j < 4; j++) {
        u128 c = (u128)a * b[j] + t[j] + carry;
        t[j] = (uint64_t)c;
        carry = (uint64_t)(c >> 64);
    }
    u128 c = (u128)t[4] + carry;
    t[4] = (uint64_t)c;
    t[5] += (uint64_t)(c >> 64);
}

#if GM_X86
INLINE void row_adx(uint64_t t[6], uint64_t a, const uint64_t b[4])
{
    uint64_t low, high, zero;
    __asm__("xorl %k[zero], %k[zero]\n\t"
            "mulxq %[b0], %[low], %[high]\n\tadcxq %[low], %[t0]\n\tadoxq %[high], %[t1]\n\t"
            "mulxq %[b1], %[low], %[high]\n\tadcxq %[low], %[t1]\n\tadoxq %[high], %[t2]\n\t"
            "mulxq %[b2], %[low], %[high]\n\tadcxq %[low], %[t2]\n\tadoxq %[high], %[t3]\n\t"
            "mulxq %[b3], %[low], %[high]\n\tadcxq %[low], %[t3]\n\tadoxq %[high], %[t4]\n\t"
            "adcxq %[zero], %[t4]\n\tadoxq %[zero], %[t5]\n\tadcxq %[zero], %[t5]"
            : [t0] "+&r"(t[0]), [t1] "+&r"(t[1]), [t2] "+&r"(t[2]), [t3] "+&r"(t[3]), [t4] "+&r"(t[4]), [t5] "+&r"(t[5]),
              [low] "=&r"(low), [high] "=&r"(high), [zero] "=&r"(zero)
            : "d"(a), [b0] "m"(b[0]), [b1] "m"(b[1]), [b2] "m"(b[2]), [b3] "m"(b[3])
            : "cc");
}
#endif

/* t less multiple * p, if that is not negative */
INLINE void less(uint64_t t[5], const uint64_t multiple[5])
{
    uint64_t s[5], borrow = 0;
    UNROLL
    for (int i = 0; i < 5; i++) {
        u128 d = (u128)t[i] - multiple[i] - borrow;
        s[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    uint64_t keep = 0 - borrow;
    UNROLL
    for (int i = 0; i < 5; i++)
        t[i] = (t[i] & keep) | (s[i] & ~keep);
}

static const uint64_t p1[5] = {SM9_P0, SM9_P1, SM9_P2, SM9_P3, 0};
static const uint64_t p2[5] = {SM9_P0 << 1, SM9_P1 << 1 | SM9_P0 >> 63, SM9_P2 << 1 | SM9_P1 >> 63,
                               SM9_P3 << 1 | SM9_P2 >> 63, SM9_P3 >> 63};
static const uint64_t p4[5] = {SM9_P0 << 2, SM9_P1 << 2 | SM9_P0 >> 62, SM9_P2 << 2 | SM9_P1 >> 62,
                               SM9_P3 << 2 | SM9_P2 >> 62, SM9_P3 >> 62};

/* r = (x[0]*y[0] + ... + x[count-1]*y[count-1]) / R. As p < 0.72 R this is below (0.72*count + 1)p before the end: 5.4p for
 * the six of fp2_dot. */
INLINE void dot(fp *r, int count, const fp *const x[], const fp *const y[], row *add_row)
{
    uint64_t t[6] = {0};
    UNROLL
    for (int i = 0; i < 4; i++) {
        UNROLL
        for (int k = 0; k < count; k++)
            add_row(t, x[k]->v[i], y[k]->v);
        add_row(t, t[0] * SM9_P_INVERSE, sm9_p); /* makes the lowest limb zero */
        UNROLL
        for (int j = 0; j < 5; j++)
            t[j] = t[j + 1];
        t[5] = 0;
    }
    if (count > 4)
        less(t, p4);
    if (count > 1)
        less(t, p2);
    less(t, p1);
    memcpy(r->v, t, sizeof r->v);
}

INLINE void mul(fp *r, const fp *a, const fp *b, row *add_row)
{
    dot(r, 1, (const fp *const[]){a}, (const fp *const[]){b}, add_row);
}

INLINE void mul2(fp2 *r, const fp2 *x, const fp2 *y, row *add_row)
{
    fp minus, a;
    fp_add(&minus, &y->b, &y->b);
    fp_neg(&minus, &minus);
    dot(&a, 2, (const fp *const[]){&x->a, &x->b}, (const fp *const[]){&y->a, &minus}, add_row);
    dot(&r->b, 2, (const fp *const[]){&x->a, &x->b}, (const fp *const[]){&y->b, &y->a}, add_row);
    r->a = a;
}

INLINE void sqr2(fp2 *r, const fp2 *x, row *add_row)
{
    fp minus, twice, a;
    fp_add(&minus, &x->b, &x->b);
    fp_neg(&minus, &minus);
    fp_add(&twice, &x->a, &x->a);
    dot(&a, 2, (const fp *const[]){&x->a, &x->b}, (const fp *const[]){&x->a, &minus}, add_row);
    mul(&r->b, &twice, &x->b, add_row);
    r->a = a;
}

/* (a + bv)^2 = a^2 + u*b^2 + 2ab v */
INLINE void sqr4(fp2 *ra, fp2 *rb, const fp2 *a, const fp2 *b, row *add_row)
{
    fp twice_a, twice_b, minus_a, minus_b, minus_4b;
    fp2 square;
    fp_add(&twice_a, &a->a, &a->a);
    fp_add(&twice_b, &a->b, &a->b);
    fp_neg(&minus_a, &twice_b);
    fp_add(&minus_b, &b->b, &b->b);
    fp_neg(&minus_b, &minus_b);
    fp_add(&minus_4b, &minus_b, &minus_b);
    dot(&square.a, 3, (const fp *const[]){&a->a, &a->b, &b->a}, (const fp *const[]){&a->a, &minus_a, &minus_4b}, add_row);
    dot(&square.b, 3, (const fp *const[]){&twice_a, &b->a, &b->b}, (const fp *const[]){&a->b, &b->a, &minus_b}, add_row);
    dot(&rb->a, 2, (const fp *const[]){&twice_a, &twice_b}, (const fp *const[]){&b->a, &minus_b}, add_row);
    dot(&rb->b, 2, (const fp *const[]){&twice_a, &twice_b}, (const fp *const[]){&b->b, &b->a}, add_row);
    *ra = square;
}

INLINE void dot2(fp2 *r, const fp2 *const x[3], const fp2_factor *const y[3], row *add_row)
{
    const fp *const factors[6] = {&x[0]->a, &x[0]->b, &x[1]->a, &x[1]->b, &x[2]->a, &x[2]->b};
    const fp *const to_a[6] = {&y[0]->a, &y[0]->minus, &y[1]->a, &y[1]->minus, &y[2]->a, &y[2]->minus};
    const fp *const to_b[6] = {&y[0]->b, &y[0]->a, &y[1]->b, &y[1]->a, &y[2]->b, &y[2]->a};
    dot(&r->a, 6, factors, to_a, add_row);
    dot(&r->b, 6, factors, to_b, add_row);
}

#if GM_X86
static int adx;

__attribute__((constructor)) static void detect(void) { sm9_use_adx(1); }

int sm9_use_adx(int wanted)
{
    adx = wanted && gm_cpu_has(GM_ADX);
    return adx;
}

#define EITHER(call, ...) (adx ? call(__VA_ARGS__, row_adx) : call(__VA_ARGS__, row_portable))
#else
int sm9_use_adx(int wanted)
{
    (void)wanted;
    return 0;
}

#define EITHER(call, ...) call(__VA_ARGS__, row_portable)
#endif

void fp_mul(fp *r, const fp *a, const fp *b) { EITHER(mul, r, a, b); }

void fp2_mul(fp2 *r, const fp2 *x, const fp2 *y) { EITHER(mul2, r, x, y); }

void fp2_sqr(fp2 *r, const fp2 *x) { EITHER(sqr2, r, x); }

void fp4_sqr(fp2 *ra, fp2 *rb, const fp2 *a, const fp2 *b) { EITHER(sqr4, ra, rb, a, b); }

void fp2_dot(fp2 *r, const fp2 *x0, const fp2_factor *y0, const fp2 *x1, const fp2_factor *y1, const fp2 *x2,
             const fp2_factor *y2)
{
    const fp2 *const x[3] = {x0, x1, x2};
    const fp2_factor *const y[3] = {y0, y1, y2};
    EITHER(dot2, r, x, y);
}
