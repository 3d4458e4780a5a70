/* Points of sm2p256v1 on eight lanes, Jacobian: (X/Z^2, Y/Z^3). Coordinates are tight; X and Y are below 2.01, Z below 2.6.
 * The sums fail when both addends are equal or opposite: then Z becomes zero and stays so, which marks the lane. */
#ifndef GM_IFMA_POINT_H
#define GM_IFMA_POINT_H

#include "ifma_field.h"

typedef struct {
    fe8 x, y, z;
} point8;
typedef struct {
    fe8 x, y; /* limbs and value of a canonical number */
} affine8;

/* dbl-2001-b for a = -3, with Z = 2YZ */
INLINE void double8(point8 *p)
{
    fe8 delta, gamma, beta, alpha, t, u;
    sqr8(&delta, &p->z);
    sqr8(&gamma, &p->y);
    mul_raw(&t, &p->y, &p->z);
    add8(&p->z, &t, &t);
    carry8(&p->z);
    difference8(&t, &p->x, &delta, 2);
    add8(&u, &p->x, &delta);
    carry8(&u);
    mul_raw(&beta, &p->x, &gamma);
    mul_raw(&t, &t, &u);
    add8(&alpha, &t, &t);
    add8(&alpha, &alpha, &t);
    carry8(&alpha); /* 5.5 */
    sqr_raw(&t, &alpha);
    add8(&beta, &beta, &beta);
    add8(&beta, &beta, &beta);
    sub8(&t, &t, &beta);
    sub8(&p->x, &t, &beta);
    settle8(&p->x);
    difference8(&u, &beta, &p->x, 3); /* 7.7 */
    mul_raw(&t, &u, &alpha);
    sqr_raw(&gamma, &gamma);
    UNROLL
    for (int i = 0; i < 5; i++)
        p->y.v[i] = _mm512_sub_epi64(t.v[i], _mm512_slli_epi64(gamma.v[i], 3));
    settle8(&p->y);
}

/* tight r = (negative ? -a : a) - b + 5 p or 3 p, for a raw */
INLINE void signed_difference8(fe8 *r, const fe8 *a, __mmask8 negative, const fe8 *b)
{
    UNROLL
    for (int i = 0; i < 5; i++) {
        __m512i base = _mm512_mask_mov_epi64(spread(3, 53, i), negative, spread(5, 58, i));
        __m512i sum = _mm512_add_epi64(base, a->v[i]);
        sum = _mm512_mask_sub_epi64(sum, negative, base, a->v[i]);
        r->v[i] = _mm512_sub_epi64(sum, b->v[i]);
    }
    carry8(r);
}

/* p = p + q, with q negated in those lanes; *ratio, when asked for, is new Z / old Z */
INLINE void add_affine8(point8 *p, const affine8 *q, __mmask8 negative, fe8 *ratio)
{
    fe8 zz, zzz, h, hh, hhh, v, s, t;
    sqr8(&zz, &p->z);
    mul_raw(&h, &q->x, &zz);
    difference8(&h, &h, &p->x, 3); /* 4.3 */
    if (ratio)
        *ratio = h;
    mul8(&zzz, &p->z, &zz);
    mul_raw(&s, &q->y, &zzz);
    signed_difference8(&s, &s, negative, &p->y); /* 5 */
    mul8(&p->z, &p->z, &h);
    sqr8(&hh, &h);
    mul8(&hhh, &hh, &h);
    mul_raw(&v, &p->x, &hh);
    sqr_raw(&t, &s);
    sub8(&t, &t, &hhh);
    sub8(&t, &t, &v);
    sub8(&p->x, &t, &v);
    settle8(&p->x);
    difference8(&t, &v, &p->x, 3);
    mul_raw(&t, &t, &s);
    mul_raw(&v, &p->y, &hhh);
    sub8(&p->y, &t, &v);
    settle8(&p->y);
}

/* ---- scalars in signed digits: an odd k below 2^256 is the sum of b_i 2^i, b_i = 1 or -1, and `width` of these at a time
 * are a digit, odd and never zero. Even scalars are replaced by n - k, and what comes out by its negative. ---- */

typedef struct {
    uint64_t v[5][LANES];
} bits8; /* bit i of a lane set: b_i = 1 */

/* total: width times windows, 256 to 319. Lanes from `take` on repeat the first. Returns the lanes whose k was even. */
static inline __mmask8 recode8(bits8 *r, const sc *k, size_t take, unsigned total)
{
    static const sc zero = {{0}};
    unsigned even = 0;
    for (size_t lane = 0; lane < LANES; lane++) {
        const sc *number = &k[lane < take ? lane : 0];
        sc negated;
        uint64_t keep = 0 - (number->v[0] & 1), odd[5];
        sc_sub(&negated, &zero, number);
        for (int i = 0; i < 4; i++)
            odd[i] = (number->v[i] & keep) | (negated.v[i] & ~keep);
        odd[4] = 0;
        for (int i = 0; i < 4; i++)
            r->v[i][lane] = odd[i] >> 1 | odd[i + 1] << 63;
        r->v[4][lane] = 0;
        r->v[(total - 1) / 64][lane] |= 1ULL << (total - 1) % 64;
        even |= (unsigned)(~keep & 1) << lane;
        gm_wipe(&negated, sizeof negated);
        gm_wipe(odd, sizeof odd);
    }
    return (__mmask8)even;
}

/* The digit of `width` bits from `low`: (2 * index + 1), negative in the lanes returned */
INLINE __mmask8 digit8(__m512i *index, const bits8 *k, unsigned low, unsigned width)
{
    __m512i u = _mm512_srl_epi64(_mm512_loadu_si512(k->v[low / 64]), _mm_cvtsi32_si128((int)(low % 64)));
    if (low % 64 + width > 64)
        u = _mm512_or_si512(u, _mm512_sll_epi64(_mm512_loadu_si512(k->v[low / 64 + 1]),
                                                _mm_cvtsi32_si128((int)(64 - low % 64))));
    __mmask8 negative = _mm512_testn_epi64_mask(u, all_lanes(1ULL << (width - 1)));
    u = _mm512_mask_xor_epi64(u, negative, u, all_lanes(~0ULL));
    *index = _mm512_and_si512(u, all_lanes((1ULL << (width - 1)) - 1));
    return negative;
}

/* ---- ifma_point.c ---- */
#define GROUPS 8 /* of eight lanes, whose inversions are shared */

/* Lanes from `take` on repeat the first */
void gm_ifma_load(affine8 *r, const affine *p, size_t take);
void gm_ifma_negate_y(affine8 *p, __mmask8 lanes);
void gm_ifma_inverses(fe8 *z, size_t groups); /* in place; none may be zero */
/* P, 3P, 5P, ... of every group, affine; table and ratio have `entries` for each. P must not be infinity. */
void gm_ifma_odd_multiples(affine8 *table, fe8 *ratio, size_t entries, const affine8 *p, size_t groups);
/* The coordinates x and y of up to GROUPS groups, y negated in those lanes; failed: Z is zero, the answer is not right */
void gm_ifma_store(uint8_t (*out)[64], size_t count, const point8 *p, const __mmask8 *negative, __mmask8 *failed);

/* ---- ifma_multiply.c, ifma_keys.c: 52 signed digits of five bits ---- */
#define WINDOW 5
#define WINDOWS 52
#define WINDOW_ENTRIES 16

/* k*P for up to GROUPS groups; public data, not constant time */
void gm_ifma_multiply_public(point8 *sum, size_t count, const sc *k, const affine *p);

/* Multiples of a public key that is used often: [i][j] of (2j+1) * 2^(5i) * P, ten limbs each; 67 KB */
struct key_table {
    uint64_t entries[WINDOWS][WINDOW_ENTRIES][10];
    affine p;
    struct key_table *next; /* in its bucket */
    uint64_t used;
    size_t holders;
};

/* The table of this key, held until it is released; NULL for a key that is not used often */
const struct key_table *gm_ifma_key_table(const affine *p);
void gm_ifma_key_release(const struct key_table *table);

#endif
