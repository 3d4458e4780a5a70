/* Arithmetic mod p = 2^256 - 2^224 - 2^96 + 2^64 - 1, in Montgomery form with R = 2^256. Results are below p. */
#include "gm.h"

static const uint64_t prime[4] = {0xffffffffffffffffULL, 0xffffffff00000000ULL, 0xffffffffffffffffULL,
                                  0xfffffffeffffffffULL};
const fe fe_one = {{0x0000000000000001ULL, 0x00000000ffffffffULL, 0x0000000000000000ULL, 0x0000000100000000ULL}}; /* R mod p */
static const fe r_squared = {{0x0000000200000003ULL, 0x00000002ffffffffULL, 0x0000000100000001ULL, 0x0000000400000002ULL}};
const fe fe_b = {{0x90d230632bc0dd42ULL, 0x71cf379ae9b537abULL, 0x527981505ea51c3cULL, 0x240fe188ba20e2c8ULL}};

/* The loops below have four steps; unrolled, their carries stay in flags and registers. */
#define UNROLL _Pragma("GCC unroll 8")

/* r = a - p if that is not negative (or there is a carry above a), else a */
static inline void reduce_once(uint64_t r[4], const uint64_t a[4], uint64_t carry)
{
    uint64_t t[4], borrow = 0;
    UNROLL
    for (int i = 0; i < 4; i++) {
        u128 d = (u128)a[i] - prime[i] - borrow;
        t[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    uint64_t keep = 0 - (borrow & (carry ^ 1));
    UNROLL
    for (int i = 0; i < 4; i++)
        r[i] = (a[i] & keep) | (t[i] & ~keep);
}

/* t / R mod p. The lowest limb of p is 2^64 - 1, so each step's quotient is the limb itself, and the multiple of p is
 * made of shifts: m*p = m*(2^256 - 2^224 - 2^96 + 2^64) - m. */
static inline void montgomery_reduce(fe *r, uint64_t t[8])
{
    uint64_t above = 0;
    UNROLL
    for (int i = 0; i < 4; i++) {
        uint64_t m = t[i], up = m << 32, over = m >> 32;
        /* a = m*(2^192 - 2^160 - 2^32 + 1), never negative */
        u128 d = (u128)m - up;
        uint64_t a0 = (uint64_t)d;
        d = (u128)0 - over - ((uint64_t)(d >> 64) & 1);
        uint64_t a1 = (uint64_t)d;
        d = (u128)0 - up - ((uint64_t)(d >> 64) & 1);
        uint64_t a2 = (uint64_t)d;
        uint64_t a3 = m - over - ((uint64_t)(d >> 64) & 1);
        u128 c = (u128)t[i + 1] + a0;
        t[i + 1] = (uint64_t)c;
        c = (u128)t[i + 2] + a1 + (uint64_t)(c >> 64);
        t[i + 2] = (uint64_t)c;
        c = (u128)t[i + 3] + a2 + (uint64_t)(c >> 64);
        t[i + 3] = (uint64_t)c;
        c = (u128)t[i + 4] + a3 + (uint64_t)(c >> 64) + above;
        t[i + 4] = (uint64_t)c;
        above = (uint64_t)(c >> 64);
    }
    reduce_once(r->v, t + 4, above);
}

void fe_mul(fe *r, const fe *a, const fe *b)
{
    uint64_t t[8] = {0};
    UNROLL
    for (int i = 0; i < 4; i++) {
        uint64_t carry = 0;
        UNROLL
        for (int j = 0; j < 4; j++) {
            u128 c = (u128)a->v[i] * b->v[j] + t[i + j] + carry;
            t[i + j] = (uint64_t)c;
            carry = (uint64_t)(c >> 64);
        }
        t[i + 4] = carry;
    }
    montgomery_reduce(r, t);
}

void fe_sqr(fe *r, const fe *a) { fe_mul(r, a, a); }

void fe_add(fe *r, const fe *a, const fe *b)
{
    uint64_t t[4], carry = 0;
    UNROLL
    for (int i = 0; i < 4; i++) {
        u128 c = (u128)a->v[i] + b->v[i] + carry;
        t[i] = (uint64_t)c;
        carry = (uint64_t)(c >> 64);
    }
    reduce_once(r->v, t, carry);
}

void fe_sub(fe *r, const fe *a, const fe *b)
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
        u128 c = (u128)t[i] + (prime[i] & (0 - borrow)) + carry;
        r->v[i] = (uint64_t)c;
        carry = (uint64_t)(c >> 64);
    }
}

static void square_times(fe *r, const fe *a, int times)
{
    *r = *a;
    while (times--)
        fe_sqr(r, r);
}

/* a^(p-2); p - 2 = fffffffe ffffffff ffffffff ffffffff ffffffff 00000000 ffffffff fffffffd */
void fe_inv(fe *r, const fe *a)
{
    fe x2, x4, x8, x16, x30, x31, x32, t;
    square_times(&t, a, 1);
    fe_mul(&x2, &t, a);
    square_times(&t, &x2, 2);
    fe_mul(&x4, &t, &x2);
    square_times(&t, &x4, 4);
    fe_mul(&x8, &t, &x4);
    square_times(&t, &x8, 8);
    fe_mul(&x16, &t, &x8);
    square_times(&t, &x16, 8);
    fe_mul(&t, &t, &x8);
    square_times(&t, &t, 4);
    fe_mul(&t, &t, &x4);
    square_times(&t, &t, 2);
    fe_mul(&x30, &t, &x2);
    square_times(&t, &x30, 1);
    fe_mul(&x31, &t, a);
    square_times(&t, &x31, 1);
    fe_mul(&x32, &t, a);
    square_times(&t, &x31, 1 + 32); /* fffffffe, then ffffffff four times */
    fe_mul(&t, &t, &x32);
    for (int i = 0; i < 3; i++) {
        square_times(&t, &t, 32);
        fe_mul(&t, &t, &x32);
    }
    square_times(&t, &t, 64); /* 00000000 ffffffff */
    fe_mul(&t, &t, &x32);
    square_times(&t, &t, 30); /* fffffffd = thirty ones, 0, 1 */
    fe_mul(&t, &t, &x30);
    square_times(&t, &t, 2);
    fe_mul(r, &t, a);
}

void fe_select(fe *r, const fe *a, const fe *b, uint64_t mask)
{
    for (int i = 0; i < 4; i++)
        r->v[i] = (a->v[i] & mask) | (b->v[i] & ~mask);
}

int fe_is_zero(const fe *a) { return (a->v[0] | a->v[1] | a->v[2] | a->v[3]) == 0; }

void fe_from_limbs(fe *r, const uint64_t limbs[4])
{
    fe plain;
    memcpy(plain.v, limbs, 32);
    fe_mul(r, &plain, &r_squared);
}

void fe_to_limbs(uint64_t limbs[4], const fe *a)
{
    uint64_t t[8] = {a->v[0], a->v[1], a->v[2], a->v[3], 0, 0, 0, 0};
    fe plain;
    montgomery_reduce(&plain, t);
    memcpy(limbs, plain.v, 32);
}

int fe_decode(fe *r, const uint8_t in[32])
{
    uint64_t plain[4], borrow = 0;
    for (int i = 0; i < 4; i++) {
        plain[i] = gm_load64(in + 24 - 8 * i);
        u128 d = (u128)plain[i] - prime[i] - borrow;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    fe_from_limbs(r, plain);
    return (int)borrow;
}

void fe_encode(uint8_t out[32], const fe *a)
{
    uint64_t plain[4];
    fe_to_limbs(plain, a);
    for (int i = 0; i < 4; i++)
        gm_store64(out + 24 - 8 * i, plain[i]);
}
