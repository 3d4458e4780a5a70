/* Arithmetic of SM9 (GB/T 38635.1) in four limbs: mod p in Montgomery form with R = 2^256, and F_p2 = F_p[u]/(u^2 + 2).
 * Results are below p. */
#ifndef SM9_FP_H
#define SM9_FP_H

#include "gm.h"

typedef struct {
    uint64_t v[4];
} fp;
typedef struct {
    fp a, b; /* a + b*u */
} fp2;

#define SM9_P0 0xe56f9b27e351457dULL
#define SM9_P1 0x21f2934b1a7aeedbULL
#define SM9_P2 0xd603ab4ff58ec745ULL
#define SM9_P3 0xb640000002a3a6f1ULL
#define SM9_P_INVERSE 0x892bc42c2f2ee42bULL /* -1/p mod 2^64 */
static const uint64_t sm9_p[4] = {SM9_P0, SM9_P1, SM9_P2, SM9_P3};
static const fp fp_one = {{0x1a9064d81caeba83ULL, 0xde0d6cb4e5851124ULL, 0x29fc54b00a7138baULL, 0x49bffffffd5c590eULL}};

#define UNROLL _Pragma("GCC unroll 8")

/* t + carry * 2^256, less p if it is not below p */
static inline void fp_reduce_once(uint64_t r[4], const uint64_t t[4], uint64_t carry)
{
    uint64_t s[4], borrow = 0;
    UNROLL
    for (int i = 0; i < 4; i++) {
        u128 d = (u128)t[i] - sm9_p[i] - borrow;
        s[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    uint64_t keep = 0 - (borrow & (carry ^ 1));
    UNROLL
    for (int i = 0; i < 4; i++)
        r[i] = (t[i] & keep) | (s[i] & ~keep);
}

static inline void fp_add(fp *r, const fp *a, const fp *b)
{
    uint64_t t[4], carry = 0;
    UNROLL
    for (int i = 0; i < 4; i++) {
        u128 c = (u128)a->v[i] + b->v[i] + carry;
        t[i] = (uint64_t)c;
        carry = (uint64_t)(c >> 64);
    }
    fp_reduce_once(r->v, t, carry);
}

static inline void fp_sub(fp *r, const fp *a, const fp *b)
{
    uint64_t t[4], borrow = 0, carry = 0;
    UNROLL
    for (int i = 0; i < 4; i++) {
        u128 d = (u128)a->v[i] - b->v[i] - borrow;
        t[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        u128 c = (u128)t[i] + (sm9_p[i] & (0 - borrow)) + carry;
        r->v[i] = (uint64_t)c;
        carry = (uint64_t)(c >> 64);
    }
}

/* t[0..5] += a * b */
static inline void fp_row(uint64_t t[6], uint64_t a, const uint64_t b[4])
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

/* t = (t + m*p) / 2^64 with the m that makes it whole */
static inline void fp_shift(uint64_t t[6])
{
    uint64_t m = t[0] * SM9_P_INVERSE;
    u128 c = (u128)m * sm9_p[0] + t[0];
    UNROLL
    for (int j = 1; j < 4; j++) {
        c = (u128)m * sm9_p[j] + t[j] + (uint64_t)(c >> 64);
        t[j - 1] = (uint64_t)c;
    }
    c = (u128)t[4] + (uint64_t)(c >> 64);
    t[3] = (uint64_t)c;
    t[4] = t[5] + (uint64_t)(c >> 64);
    t[5] = 0;
}

/* a*b / R */
static inline void fp_mul(fp *r, const fp *a, const fp *b)
{
    uint64_t t[6] = {0};
    UNROLL
    for (int i = 0; i < 4; i++) {
        fp_row(t, b->v[i], a->v);
        fp_shift(t);
    }
    fp_reduce_once(r->v, t, t[4]);
}

/* (a*b + c*d) / R with one reduction: below 2.5 p before it ends */
static inline void fp_mul_add(fp *r, const fp *a, const fp *b, const fp *c, const fp *d)
{
    uint64_t t[6] = {0}, s[4];
    UNROLL
    for (int i = 0; i < 4; i++) {
        fp_row(t, b->v[i], a->v);
        fp_row(t, d->v[i], c->v);
        fp_shift(t);
    }
    /* once where it is 2^256 or more, and once where it is p or more */
    uint64_t borrow = 0, mask = 0 - t[4];
    UNROLL
    for (int i = 0; i < 4; i++) {
        u128 x = (u128)t[i] - (sm9_p[i] & mask) - borrow;
        s[i] = (uint64_t)x;
        borrow = (uint64_t)(x >> 64) & 1;
    }
    fp_reduce_once(r->v, s, t[4] ^ borrow);
}

static inline void fp_sqr(fp *r, const fp *a) { fp_mul(r, a, a); }

static inline void fp_neg(fp *r, const fp *a)
{
    const fp zero = {{0}};
    fp_sub(r, &zero, a);
}

/* ---- sm9_fp.c ---- */
void fp_inv(fp *r, const fp *a);
int fp_decode(fp *r, const uint8_t in[32]); /* 0 when not below p */
void fp_encode(uint8_t out[32], const fp *a);

static inline void fp_select(fp *r, const fp *a, const fp *b, uint64_t mask) /* a where the mask is ones, else b */
{
    for (int i = 0; i < 4; i++)
        r->v[i] = (a->v[i] & mask) | (b->v[i] & ~mask);
}

static inline int fp_is_zero(const fp *a) { return (a->v[0] | a->v[1] | a->v[2] | a->v[3]) == 0; }

static inline void fp2_add(fp2 *r, const fp2 *x, const fp2 *y)
{
    fp_add(&r->a, &x->a, &y->a);
    fp_add(&r->b, &x->b, &y->b);
}

static inline void fp2_sub(fp2 *r, const fp2 *x, const fp2 *y)
{
    fp_sub(&r->a, &x->a, &y->a);
    fp_sub(&r->b, &x->b, &y->b);
}

static inline void fp2_neg(fp2 *r, const fp2 *x)
{
    fp_neg(&r->a, &x->a);
    fp_neg(&r->b, &x->b);
}

static inline void fp2_conjugate(fp2 *r, const fp2 *x)
{
    r->a = x->a;
    fp_neg(&r->b, &x->b);
}

static inline void fp2_select(fp2 *r, const fp2 *x, const fp2 *y, uint64_t mask)
{
    fp_select(&r->a, &x->a, &y->a, mask);
    fp_select(&r->b, &x->b, &y->b, mask);
}

static inline int fp2_is_zero(const fp2 *x) { return fp_is_zero(&x->a) & fp_is_zero(&x->b); }

void fp2_mul(fp2 *r, const fp2 *x, const fp2 *y);
void fp2_sqr(fp2 *r, const fp2 *x);
void fp2_mul_fp(fp2 *r, const fp2 *x, const fp *k);
void fp2_mul_u(fp2 *r, const fp2 *x); /* times u, the non-residue of the tower */
void fp2_inv(fp2 *r, const fp2 *x);

#endif
