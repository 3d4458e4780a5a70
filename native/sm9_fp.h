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

static inline void fp_add(fp *r, const fp *a, const fp *b)
{
#if GM_X86
    uint64_t t0 = a->v[0], t1 = a->v[1], t2 = a->v[2], t3 = a->v[3], s0, s1, s2, s3, carry = 0;
    __asm__("addq %[b0], %[t0]\n\tadcq %[b1], %[t1]\n\tadcq %[b2], %[t2]\n\tadcq %[b3], %[t3]\n\tadcq $0, %[carry]\n\t"
            "movq %[t0], %[s0]\n\tmovq %[t1], %[s1]\n\tmovq %[t2], %[s2]\n\tmovq %[t3], %[s3]\n\t"
            "subq %[p0], %[s0]\n\tsbbq %[p1], %[s1]\n\tsbbq %[p2], %[s2]\n\tsbbq %[p3], %[s3]\n\tsbbq $0, %[carry]\n\t"
            "cmovncq %[s0], %[t0]\n\tcmovncq %[s1], %[t1]\n\tcmovncq %[s2], %[t2]\n\tcmovncq %[s3], %[t3]"
            : [t0] "+&r"(t0), [t1] "+&r"(t1), [t2] "+&r"(t2), [t3] "+&r"(t3), [carry] "+&r"(carry), [s0] "=&r"(s0),
              [s1] "=&r"(s1), [s2] "=&r"(s2), [s3] "=&r"(s3)
            : [b0] "m"(b->v[0]), [b1] "m"(b->v[1]), [b2] "m"(b->v[2]), [b3] "m"(b->v[3]), [p0] "m"(sm9_p[0]),
              [p1] "m"(sm9_p[1]), [p2] "m"(sm9_p[2]), [p3] "m"(sm9_p[3])
            : "cc");
    r->v[0] = t0;
    r->v[1] = t1;
    r->v[2] = t2;
    r->v[3] = t3;
#else
    uint64_t t[4], s[4], carry = 0, borrow = 0;
    UNROLL
    for (int i = 0; i < 4; i++) {
        u128 c = (u128)a->v[i] + b->v[i] + carry;
        t[i] = (uint64_t)c;
        carry = (uint64_t)(c >> 64);
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        u128 d = (u128)t[i] - sm9_p[i] - borrow;
        s[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    uint64_t keep = 0 - (borrow & (carry ^ 1));
    UNROLL
    for (int i = 0; i < 4; i++)
        r->v[i] = (t[i] & keep) | (s[i] & ~keep);
#endif
}

static inline void fp_sub(fp *r, const fp *a, const fp *b)
{
#if GM_X86
    uint64_t t0 = a->v[0], t1 = a->v[1], t2 = a->v[2], t3 = a->v[3], s0 = SM9_P0, s1 = SM9_P1, s2 = SM9_P2, s3 = SM9_P3;
    uint64_t zero = 0;
    __asm__("subq %[b0], %[t0]\n\tsbbq %[b1], %[t1]\n\tsbbq %[b2], %[t2]\n\tsbbq %[b3], %[t3]\n\t"
            "cmovncq %[zero], %[s0]\n\tcmovncq %[zero], %[s1]\n\tcmovncq %[zero], %[s2]\n\tcmovncq %[zero], %[s3]\n\t"
            "addq %[s0], %[t0]\n\tadcq %[s1], %[t1]\n\tadcq %[s2], %[t2]\n\tadcq %[s3], %[t3]"
            : [t0] "+&r"(t0), [t1] "+&r"(t1), [t2] "+&r"(t2), [t3] "+&r"(t3), [s0] "+&r"(s0), [s1] "+&r"(s1), [s2] "+&r"(s2),
              [s3] "+&r"(s3)
            : [b0] "m"(b->v[0]), [b1] "m"(b->v[1]), [b2] "m"(b->v[2]), [b3] "m"(b->v[3]), [zero] "r"(zero)
            : "cc");
    r->v[0] = t0;
    r->v[1] = t1;
    r->v[2] = t2;
    r->v[3] = t3;
#else
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
#endif
}

static inline void fp_neg(fp *r, const fp *a)
{
    const fp zero = {{0}};
    fp_sub(r, &zero, a);
}

/* ---- sm9_dot.c: sums of products, each with one reduction ---- */
/* A factor in F_p2 as the sums want it: `minus` is -2b, since (a + bu)(c + du) = ac - 2bd + (ad + bc)u */
typedef struct {
    fp a, b, minus;
} fp2_factor;

void fp_mul(fp *r, const fp *a, const fp *b); /* a*b / R */
void fp2_mul(fp2 *r, const fp2 *x, const fp2 *y);
void fp2_sqr(fp2 *r, const fp2 *x);
/* (a + b*v)^2 with v^2 = u; no output may be an input */
void fp4_sqr(fp2 *ra, fp2 *rb, const fp2 *a, const fp2 *b);
/* x0*y0 + x1*y1 + x2*y2; r may be none of the x */
void fp2_dot(fp2 *r, const fp2 *x0, const fp2_factor *y0, const fp2 *x1, const fp2_factor *y1, const fp2 *x2,
             const fp2_factor *y2);
/* whether the CPU has the instructions that speed these up, and uses them; for tests of both ways */
int sm9_use_adx(int wanted);

static inline void fp_sqr(fp *r, const fp *a) { fp_mul(r, a, a); }

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

void fp2_factor_of(fp2_factor *r, const fp2 *x);
void fp2_factor_times_u(fp2_factor *r, const fp2_factor *y);
void fp2_mul_fp(fp2 *r, const fp2 *x, const fp *k);
void fp2_mul_u(fp2 *r, const fp2 *x); /* times u, the non-residue of the tower */
void fp2_inv(fp2 *r, const fp2 *x);

#endif
