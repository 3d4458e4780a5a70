/* Arithmetic mod p of sm2p256v1 on eight lanes of AVX-512 IFMA, constant time.
 *
 * A number is five limbs of 52 bits in Montgomery form with R = 2^260. In the comments on bounds a number stands for its
 * multiple of p: operands of a product are "tight", that is have limbs below 2^52 and so a value below 16 p; the product
 * of a and b is below a*b/16 + 1. Products come out "raw", with limbs from 0 to below 1.4 * 2^57, so that sums can be taken
 * before the one chain of carries. Shifts are done by byte selection where that serves: it leaves the multiplier's port
 * alone. */
#ifndef GM_IFMA_FIELD_H
#define GM_IFMA_FIELD_H

#include <immintrin.h>

#include "gm.h"

#define LANES 8
#define TARGET __attribute__((target("avx512f,avx512dq,avx512bw,avx512ifma,avx512vbmi")))
#define INLINE TARGET static inline __attribute__((always_inline))
#define MASK52 ((1ULL << 52) - 1)
#define UNROLL _Pragma("GCC unroll 16")

typedef struct {
    __m512i v[5];
} fe8;

static const uint64_t prime52[5] = {MASK52, 0xff00000000fffULL, MASK52, MASK52, 0xfffffffeffffULL};

INLINE __m512i all_lanes(uint64_t value) { return _mm512_set1_epi64((long long)value); }

/* value >> 52 for 0 <= value < 2^60 */
INLINE __m512i over52(__m512i value)
{
    return _mm512_maskz_multishift_epi64_epi8(0x0101010101010101ULL, all_lanes(52), value);
}

/* 16 * value for 0 <= value < 2^60 */
INLINE __m512i times16(__m512i value) { return _mm512_multishift_epi64_epi8(all_lanes(0x342c241c140c043cULL), value); }

/* Montgomery's reduction. The quotient of each step is the lowest limb itself since p = -1 mod 2^52; with
 * u = m * (2^44 - 2^12), m*p = 16 u * 2^208 - u * 2^52 - m. Limbs 1 to 8 come with the bias of `START`, which keeps them
 * from getting below zero. */
INLINE void reduce8(fe8 *r, __m512i t[10])
{
    const __m512i zero = _mm512_setzero_si512(), factor = all_lanes((1ULL << 44) - (1ULL << 12));
    __m512i w[7] = {zero, zero, zero, zero, zero, zero, zero};
    UNROLL
    for (int i = 0; i < 5; i++) {
        w[i + 1] = _mm512_madd52lo_epu64(w[i + 1], t[i], factor);
        w[i + 2] = _mm512_madd52hi_epu64(w[i + 2], t[i], factor);
        t[i + 1] = _mm512_sub_epi64(_mm512_add_epi64(t[i + 1], over52(t[i])), w[i + 1]);
        t[i + 4] = _mm512_add_epi64(t[i + 4], times16(w[i + 1]));
    }
    t[6] = _mm512_sub_epi64(t[6], w[6]);
    t[9] = _mm512_add_epi64(t[9], times16(w[6]));
    UNROLL
    for (int i = 0; i < 5; i++)
        r->v[i] = t[i + 5];
}

/* Zero, written so that limbs 1 to 8 hold at least 2 * half - 2, when they are doubled if `half` is 2^52 */
#define BIAS(bias)                                                                                                     \
    {_mm512_setzero_si512(),       all_lanes(bias),               all_lanes(bias - (bias >> 52)),                      \
     all_lanes(bias - (bias >> 52)), all_lanes(bias - (bias >> 52)), all_lanes(bias - (bias >> 52)),                   \
     all_lanes(bias - (bias >> 52)), all_lanes(bias - (bias >> 52)), all_lanes(bias - (bias >> 52)), all_lanes(0 - 2ULL)}

INLINE void mul_raw(fe8 *r, const fe8 *a, const fe8 *b)
{
    __m512i t[10] = BIAS((1ULL << 53));
    UNROLL
    for (int i = 0; i < 5; i++)
        UNROLL
        for (int j = 0; j < 5; j++) {
            t[i + j] = _mm512_madd52lo_epu64(t[i + j], a->v[i], b->v[j]);
            t[i + j + 1] = _mm512_madd52hi_epu64(t[i + j + 1], a->v[i], b->v[j]);
        }
    reduce8(r, t);
}

INLINE void sqr_raw(fe8 *r, const fe8 *a)
{
    __m512i t[10] = BIAS((1ULL << 52));
    UNROLL
    for (int i = 0; i < 4; i++)
        UNROLL
        for (int j = i + 1; j < 5; j++) {
            t[i + j] = _mm512_madd52lo_epu64(t[i + j], a->v[i], a->v[j]);
            t[i + j + 1] = _mm512_madd52hi_epu64(t[i + j + 1], a->v[i], a->v[j]);
        }
    UNROLL
    for (int i = 1; i < 9; i++)
        t[i] = _mm512_add_epi64(t[i], t[i]);
    UNROLL
    for (int i = 0; i < 5; i++) {
        t[2 * i] = _mm512_madd52lo_epu64(t[2 * i], a->v[i], a->v[i]);
        t[2 * i + 1] = _mm512_madd52hi_epu64(t[2 * i + 1], a->v[i], a->v[i]);
    }
    reduce8(r, t);
}

/* From limbs in 0 .. 2^60 to tight; the value is between 0 and 16 */
INLINE void carry8(fe8 *r)
{
    UNROLL
    for (int i = 0; i < 4; i++) {
        r->v[i + 1] = _mm512_add_epi64(r->v[i + 1], over52(r->v[i]));
        r->v[i] = _mm512_and_si512(r->v[i], all_lanes(MASK52));
    }
}

/* From signed limbs and any value that they hold to tight, between 0 and 2.01: takes away one less than the multiple of
 * 2^256 in it, by 2^256 - p = 2^224 + 2^96 - 2^64 + 1 */
INLINE void settle8(fe8 *r)
{
    __m512i q = _mm512_sub_epi64(_mm512_srai_epi64(r->v[4], 48), all_lanes(1));
    r->v[0] = _mm512_add_epi64(r->v[0], q);
    r->v[1] = _mm512_add_epi64(r->v[1], _mm512_sub_epi64(_mm512_slli_epi64(q, 44), _mm512_slli_epi64(q, 12)));
    r->v[4] = _mm512_add_epi64(r->v[4], _mm512_sub_epi64(_mm512_slli_epi64(q, 16), _mm512_slli_epi64(q, 48)));
    UNROLL
    for (int i = 0; i < 4; i++) {
        r->v[i + 1] = _mm512_add_epi64(r->v[i + 1], _mm512_srai_epi64(r->v[i], 52));
        r->v[i] = _mm512_and_si512(r->v[i], all_lanes(MASK52));
    }
}

INLINE void mul8(fe8 *r, const fe8 *a, const fe8 *b)
{
    mul_raw(r, a, b);
    carry8(r);
}

INLINE void sqr8(fe8 *r, const fe8 *a)
{
    sqr_raw(r, a);
    carry8(r);
}

INLINE void add8(fe8 *r, const fe8 *a, const fe8 *b)
{
    UNROLL
    for (int i = 0; i < 5; i++)
        r->v[i] = _mm512_add_epi64(a->v[i], b->v[i]);
}

INLINE void sub8(fe8 *r, const fe8 *a, const fe8 *b)
{
    UNROLL
    for (int i = 0; i < 5; i++)
        r->v[i] = _mm512_sub_epi64(a->v[i], b->v[i]);
}

/* Limb i of k*p, each written at least 2^bits above what it would be, so that a difference stays above zero */
INLINE __m512i spread(unsigned k, unsigned bits, int i)
{
    uint64_t up = i < 4 ? 1ULL << bits : 0, down = i ? 1ULL << (bits - 52) : 0;
    return all_lanes(k * prime52[i] + up - down);
}

/* tight r = a - b + k*p for a with limbs below 2^59.5, b tight and below k */
INLINE void difference8(fe8 *r, const fe8 *a, const fe8 *b, unsigned k)
{
    UNROLL
    for (int i = 0; i < 5; i++)
        r->v[i] = _mm512_sub_epi64(_mm512_add_epi64(a->v[i], spread(k, 53, i)), b->v[i]);
    carry8(r);
}

INLINE void select8(fe8 *r, __mmask8 lanes, const fe8 *a) /* r = a in those lanes */
{
    UNROLL
    for (int i = 0; i < 5; i++)
        r->v[i] = _mm512_mask_mov_epi64(r->v[i], lanes, a->v[i]);
}

/* ---- between eight numbers of four 64-bit limbs, number by number, and lanes ---- */

INLINE void constant8(fe8 *r, const uint64_t limbs[5])
{
    UNROLL
    for (int i = 0; i < 5; i++)
        r->v[i] = all_lanes(limbs[i]);
}

static const uint64_t one52[5] = {0x10, 0xffffffff0000ULL, 0, 0, 0x100000};          /* 2^260 mod p */
static const uint64_t enter_plain[5] = {0x20000000300ULL, 0xffffffff00000ULL, 0x100000002ULL, 0x200000001000ULL,
                                        0x4000000ULL};                               /* 2^520 mod p */
static const uint64_t enter_fe[5] = {0x100ULL, 0xffffffff00000ULL, 0, 0, 0x1000000ULL}; /* 2^264 mod p */

/* limbs[i][lane] below 2^256, times the constant / 2^260: `enter_plain` for a plain number, `enter_fe` for one in the form
 * of sm2_field.c */
INLINE void load8(fe8 *r, const uint64_t limbs[4][LANES], const uint64_t factor[5])
{
    __m512i in[4], mask = all_lanes(MASK52);
    fe8 f;
    for (int i = 0; i < 4; i++)
        in[i] = _mm512_loadu_si512(limbs[i]);
    r->v[0] = _mm512_and_si512(in[0], mask);
    r->v[1] = _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi64(in[0], 52), _mm512_slli_epi64(in[1], 12)), mask);
    r->v[2] = _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi64(in[1], 40), _mm512_slli_epi64(in[2], 24)), mask);
    r->v[3] = _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi64(in[2], 28), _mm512_slli_epi64(in[3], 36)), mask);
    r->v[4] = _mm512_srli_epi64(in[3], 16);
    constant8(&f, factor);
    mul8(r, r, &f);
}

/* a/R, from 0 to p: p only when a is a multiple of it */
INLINE void leave8(fe8 *r, const fe8 *a)
{
    __m512i t[10] = BIAS((1ULL << 53));
    UNROLL
    for (int i = 0; i < 5; i++)
        t[i] = _mm512_add_epi64(t[i], a->v[i]);
    reduce8(r, t);
    carry8(r);
}

INLINE __mmask8 is_prime8(const fe8 *a)
{
    __mmask8 same = 0xff;
    UNROLL
    for (int i = 0; i < 5; i++)
        same &= _mm512_cmpeq_epi64_mask(a->v[i], all_lanes(prime52[i]));
    return same;
}

/* the lanes that hold a multiple of p */
INLINE __mmask8 is_zero8(const fe8 *a)
{
    fe8 t;
    leave8(&t, a);
    __m512i any = _mm512_or_si512(t.v[0], t.v[1]);
    any = _mm512_or_si512(_mm512_or_si512(any, t.v[2]), _mm512_or_si512(t.v[3], t.v[4]));
    return _mm512_testn_epi64_mask(any, any) | is_prime8(&t);
}

/* the plain number, below p */
INLINE void store8(uint64_t limbs[4][LANES], const fe8 *a)
{
    fe8 t;
    leave8(&t, a);
    __mmask8 keep = (__mmask8)~is_prime8(&t);
    UNROLL
    for (int i = 0; i < 5; i++)
        t.v[i] = _mm512_maskz_mov_epi64(keep, t.v[i]);
    _mm512_storeu_si512(limbs[0], _mm512_or_si512(t.v[0], _mm512_slli_epi64(t.v[1], 52)));
    _mm512_storeu_si512(limbs[1], _mm512_or_si512(_mm512_srli_epi64(t.v[1], 12), _mm512_slli_epi64(t.v[2], 40)));
    _mm512_storeu_si512(limbs[2], _mm512_or_si512(_mm512_srli_epi64(t.v[2], 24), _mm512_slli_epi64(t.v[3], 28)));
    _mm512_storeu_si512(limbs[3], _mm512_or_si512(_mm512_srli_epi64(t.v[3], 36), _mm512_slli_epi64(t.v[4], 16)));
}

#endif
