/* SM2 verification on eight lanes of AVX-512 IFMA. Public data only: not constant time.
 *
 * A number is five limbs of 52 bits, in Montgomery form with R = 2^260. Sums and differences stay lazy (signed limbs of up
 * to 64 bits) until `settle` brings them to limbs below 2^52 and a value below 2.01 p; a product of two settled numbers is
 * settled and below 1.3 p. Points are Jacobian. The formulas fail when both addends are equal or opposite; then Z becomes 0
 * and stays 0 to the end, which marks the lane for the complete portable code. */
#include "gm.h"

#ifdef GM_X86
#include <immintrin.h>
#include <pthread.h>
#include <stdlib.h>

#define LANES 8
#define TARGET __attribute__((target("avx512f,avx512dq,avx512ifma")))
#define INLINE TARGET static inline __attribute__((always_inline))
#define MASK52 ((1ULL << 52) - 1)
#define UNROLL _Pragma("GCC unroll 8")

typedef struct {
    __m512i v[5];
} fe8;
typedef struct {
    fe8 x, y, z;
} point8;

/* Multiples of G as in gm_base_table, 5 + 5 limbs each */
static uint64_t (*table52)[GM_WIDTH][10];

INLINE __m512i constant(uint64_t value) { return _mm512_set1_epi64((long long)value); }

INLINE void carry(fe8 *r)
{
    __m512i mask = constant(MASK52);
    UNROLL
    for (int i = 0; i < 4; i++) {
        r->v[i + 1] = _mm512_add_epi64(r->v[i + 1], _mm512_srai_epi64(r->v[i], 52));
        r->v[i] = _mm512_and_si512(r->v[i], mask);
    }
}

/* r = r - q*p with q one less than the multiple of 2^256 in r; 2^256 - p = 2^224 + 2^96 - 2^64 + 1 */
INLINE void settle(fe8 *r)
{
    __m512i q = _mm512_sub_epi64(_mm512_srai_epi64(r->v[4], 48), constant(1));
    r->v[0] = _mm512_add_epi64(r->v[0], q);
    r->v[1] = _mm512_add_epi64(r->v[1], _mm512_sub_epi64(_mm512_slli_epi64(q, 44), _mm512_slli_epi64(q, 12)));
    r->v[4] = _mm512_add_epi64(r->v[4], _mm512_sub_epi64(_mm512_slli_epi64(q, 16), _mm512_slli_epi64(q, 48)));
    carry(r);
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

INLINE void shift8(fe8 *r, const fe8 *a, unsigned bits)
{
    UNROLL
    for (int i = 0; i < 5; i++)
        r->v[i] = _mm512_slli_epi64(a->v[i], bits);
}

/* a*b/R. The quotient of each step is the lowest limb itself since p = -1 mod 2^52, and p + 1 has a zero limb. */
INLINE void mul8(fe8 *r, const fe8 *a, const fe8 *b)
{
    const __m512i mask = constant(MASK52), zero = _mm512_setzero_si512();
    const __m512i p1[5] = {zero, constant(0xff00000001000ULL), constant(MASK52), constant(MASK52),
                           constant(0xfffffffeffffULL)};
    __m512i t[6] = {zero, zero, zero, zero, zero, zero};
    UNROLL
    for (int i = 0; i < 5; i++) {
        UNROLL
        for (int j = 0; j < 5; j++)
            t[j] = _mm512_madd52lo_epu64(t[j], a->v[i], b->v[j]);
        __m512i m = _mm512_and_si512(t[0], mask);
        t[1] = _mm512_add_epi64(t[1], _mm512_srli_epi64(t[0], 52));
        UNROLL
        for (int j = 0; j < 5; j++)
            t[j + 1] = _mm512_madd52hi_epu64(t[j + 1], a->v[i], b->v[j]);
        UNROLL
        for (int j = 1; j < 5; j++) {
            t[j] = _mm512_madd52lo_epu64(t[j], m, p1[j]);
            t[j + 1] = _mm512_madd52hi_epu64(t[j + 1], m, p1[j]);
        }
        UNROLL
        for (int j = 0; j < 5; j++)
            t[j] = t[j + 1];
        t[5] = zero;
    }
    UNROLL
    for (int i = 0; i < 5; i++)
        r->v[i] = t[i];
    carry(r);
}

INLINE void select8(fe8 *r, __mmask8 lanes, const fe8 *a) /* r = a in those lanes */
{
    UNROLL
    for (int i = 0; i < 5; i++)
        r->v[i] = _mm512_mask_mov_epi64(r->v[i], lanes, a->v[i]);
}

/* dbl-2001-b for a = -3 */
TARGET static void double8(point8 *p)
{
    fe8 delta, gamma, beta, alpha, t, u;
    mul8(&delta, &p->z, &p->z);
    mul8(&gamma, &p->y, &p->y);
    mul8(&beta, &p->x, &gamma);
    sub8(&t, &p->x, &delta);
    settle(&t);
    add8(&u, &p->x, &delta);
    settle(&u);
    mul8(&alpha, &t, &u);
    shift8(&t, &alpha, 1);
    add8(&alpha, &alpha, &t);
    settle(&alpha);
    add8(&t, &p->y, &p->z);
    settle(&t);
    mul8(&t, &t, &t);
    sub8(&t, &t, &gamma);
    sub8(&p->z, &t, &delta);
    settle(&p->z);
    mul8(&t, &alpha, &alpha);
    shift8(&u, &beta, 3);
    sub8(&p->x, &t, &u);
    settle(&p->x);
    shift8(&t, &beta, 2);
    sub8(&t, &t, &p->x);
    settle(&t);
    mul8(&t, &t, &alpha);
    mul8(&gamma, &gamma, &gamma);
    shift8(&u, &gamma, 3);
    sub8(&p->y, &t, &u);
    settle(&p->y);
}

/* p + q in the lanes given; q->z is 1 when `mixed` */
INLINE void add_points(point8 *p, const point8 *q, __mmask8 lanes, int mixed)
{
    fe8 zz1, zz2, u1, u2, s1, s2, h, hh, hhh, v, t;
    point8 r;
    mul8(&zz1, &p->z, &p->z);
    mul8(&u2, &q->x, &zz1);
    mul8(&s2, &p->z, &zz1);
    mul8(&s2, &s2, &q->y);
    if (mixed) {
        u1 = p->x;
        s1 = p->y;
    } else {
        mul8(&zz2, &q->z, &q->z);
        mul8(&u1, &p->x, &zz2);
        mul8(&s1, &q->z, &zz2);
        mul8(&s1, &s1, &p->y);
    }
    sub8(&h, &u2, &u1);
    settle(&h);
    sub8(&s2, &s2, &s1);
    settle(&s2);
    mul8(&r.z, &p->z, &h);
    if (!mixed)
        mul8(&r.z, &r.z, &q->z);
    mul8(&hh, &h, &h);
    mul8(&hhh, &hh, &h);
    mul8(&v, &u1, &hh);
    mul8(&t, &s2, &s2);
    sub8(&t, &t, &hhh);
    sub8(&t, &t, &v);
    sub8(&r.x, &t, &v);
    settle(&r.x);
    sub8(&t, &v, &r.x);
    settle(&t);
    mul8(&t, &t, &s2);
    mul8(&s1, &s1, &hhh);
    sub8(&r.y, &t, &s1);
    settle(&r.y);
    select8(&p->x, lanes, &r.x);
    select8(&p->y, lanes, &r.y);
    select8(&p->z, lanes, &r.z);
}

TARGET static void add_jacobian(point8 *p, const point8 *q, __mmask8 lanes) { add_points(p, q, lanes, 0); }
TARGET static void add_mixed(point8 *p, const point8 *q, __mmask8 lanes) { add_points(p, q, lanes, 1); }

/* From Montgomery form with 2^256 to five limbs with 2^260 */
static void to_limbs(uint64_t out[5], size_t stride, const fe *a)
{
    fe t = *a;
    for (int i = 0; i < 4; i++)
        fe_add(&t, &t, &t);
    out[0] = t.v[0] & MASK52;
    out[stride] = (t.v[0] >> 52 | t.v[1] << 12) & MASK52;
    out[2 * stride] = (t.v[1] >> 40 | t.v[2] << 24) & MASK52;
    out[3 * stride] = (t.v[2] >> 28 | t.v[3] << 36) & MASK52;
    out[4 * stride] = t.v[3] >> 16;
}

/* 16 times the number, in Montgomery form with 2^256 */
static void from_limbs(fe *r, const uint64_t in[5][LANES], int lane)
{
    uint64_t l[5], top;
    fe zero = {{0}};
    for (int i = 0; i < 5; i++)
        l[i] = in[i][lane];
    r->v[0] = l[0] | l[1] << 52;
    r->v[1] = l[1] >> 12 | l[2] << 40;
    r->v[2] = l[2] >> 24 | l[3] << 28;
    r->v[3] = l[3] >> 36 | l[4] << 16;
    /* the value is below 3 p: fold what stands above 2^256, then let the subtraction of zero reduce */
    for (top = l[4] >> 48; top; top--) {
        static const fe wrap = {{1, 0xffffffff, 0, 0x100000000ULL}}; /* 2^256 mod p */
        u128 c = 0;
        for (int i = 0; i < 4; i++) {
            c = (u128)r->v[i] + wrap.v[i] + (uint64_t)(c >> 64);
            r->v[i] = (uint64_t)c;
        }
        top += (uint64_t)(c >> 64);
    }
    fe_add(r, r, &zero);
}

static void build(void)
{
    table52 = aligned_alloc(64, sizeof *table52 * GM_WINDOWS);
    if (!table52)
        abort();
    for (int i = 0; i < GM_WINDOWS; i++)
        for (int j = 0; j < GM_WIDTH; j++) {
            to_limbs(table52[i][j], 1, &gm_base_table[i][j].x);
            to_limbs(table52[i][j] + 5, 1, &gm_base_table[i][j].y);
        }
}

void gm_ifma_setup(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    gm_point_setup();
    pthread_once(&once, build);
}

INLINE void negate(fe8 *y, __mmask8 lanes)
{
    UNROLL
    for (int i = 0; i < 5; i++)
        y->v[i] = _mm512_mask_sub_epi64(y->v[i], lanes, _mm512_setzero_si512(), y->v[i]);
    settle(y);
}

struct digits {
    __m512i index; /* magnitude - 1, and 0 where there is none */
    __mmask8 some, negative;
};

INLINE struct digits digits_of(const sc k[LANES], int window)
{
    uint64_t magnitude[LANES], negative[LANES];
    for (int i = 0; i < LANES; i++)
        gm_digit(&k[i], window, &magnitude[i], &negative[i]);
    __m512i m = _mm512_loadu_si512(magnitude);
    struct digits d;
    d.some = _mm512_test_epi64_mask(m, m);
    d.negative = _mm512_movepi64_mask(_mm512_loadu_si512(negative));
    d.index = _mm512_maskz_sub_epi64(d.some, m, constant(1));
    return d;
}

/* s*G + t*P on all lanes */
TARGET static void mul_add8(uint64_t x[5][LANES], uint64_t z[5][LANES], const sc s[LANES], const sc t[LANES],
                            const affine p[LANES])
{
    point8 table[GM_WIDTH], acc, entry;
    uint64_t limbs[2][5][LANES], one[5];
    to_limbs(one, 1, &fe_one);
    for (int lane = 0; lane < LANES; lane++) {
        to_limbs(&limbs[0][0][lane], LANES, &p[lane].x);
        to_limbs(&limbs[1][0][lane], LANES, &p[lane].y);
    }
    for (int i = 0; i < 5; i++) {
        table[0].x.v[i] = _mm512_loadu_si512(limbs[0][i]);
        table[0].y.v[i] = _mm512_loadu_si512(limbs[1][i]);
        table[0].z.v[i] = constant(one[i]);
    }
    for (int j = 1; j < GM_WIDTH; j++)
        if (j & 1) {
            table[j] = table[j / 2];
            double8(&table[j]);
        } else {
            table[j] = table[j - 1];
            add_mixed(&table[j], &table[0], 0xff);
        }
    const __m512i lane = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    __mmask8 empty = 0xff;
    acc = table[0];
    for (int window = GM_WINDOWS - 1; window >= 0; window--) {
        if (empty != 0xff)
            for (int i = 0; i < 5; i++)
                double8(&acc);
        struct digits d = digits_of(t, window);
        __m512i index = _mm512_add_epi64(_mm512_mullo_epi64(d.index, constant(15 * LANES)), lane);
        fe8 *coordinates = &entry.x;
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 5; j++)
                coordinates[i].v[j] =
                    _mm512_i64gather_epi64(index, (const long long *)table + LANES * (5 * i + j), 8);
        negate(&entry.y, d.negative);
        point8 first = entry;
        add_jacobian(&acc, &entry, d.some & (__mmask8)~empty);
        select8(&acc.x, d.some & empty, &first.x);
        select8(&acc.y, d.some & empty, &first.y);
        select8(&acc.z, d.some & empty, &first.z);
        empty &= (__mmask8)~d.some;
    }
    for (int window = 0; window < GM_WINDOWS; window++) {
        struct digits d = digits_of(s, window);
        __m512i index = _mm512_mullo_epi64(d.index, constant(10));
        for (int j = 0; j < 5; j++) {
            entry.x.v[j] = _mm512_i64gather_epi64(index, (const long long *)table52[window] + j, 8);
            entry.y.v[j] = _mm512_i64gather_epi64(index, (const long long *)table52[window] + 5 + j, 8);
        }
        negate(&entry.y, d.negative);
        add_mixed(&acc, &entry, d.some);
    }
    mul8(&acc.z, &acc.z, &acc.z);
    for (int i = 0; i < 5; i++) {
        _mm512_storeu_si512(x[i], acc.x.v[i]);
        _mm512_storeu_si512(z[i], acc.z.v[i]);
    }
}

static void verify_lanes(size_t lanes, const affine *p, const uint8_t (*e)[32], const uint8_t (*r)[32],
                         const uint8_t (*s)[32], const size_t which[LANES], uint8_t *good)
{
    sc scalars[LANES], ts[LANES];
    affine points[LANES];
    uint64_t x[5][LANES], z[5][LANES];
    for (size_t i = 0; i < LANES; i++) {
        size_t item = which[i < lanes ? i : 0]; /* unused lanes repeat the first */
        gm_sm2_verify_scalars(&scalars[i], &ts[i], r[item], s[item]);
        points[i] = p[item];
    }
    mul_add8(x, z, scalars, ts, points);
    for (size_t i = 0; i < lanes; i++) {
        size_t item = which[i];
        point sum; /* x = X/Z^2; both sides came out 16 times too large, Z^2 only once */
        from_limbs(&sum.x, (const uint64_t(*)[LANES])x, (int)i);
        from_limbs(&sum.z, (const uint64_t(*)[LANES])z, (int)i);
        if (fe_is_zero(&sum.z))
            gm_point_mul_add(&sum, &scalars[i], &ts[i], &p[item]);
        good[item] = (uint8_t)gm_sm2_verify_point(&sum, r[item], e[item]);
    }
}

void gm_ifma_verify_many(size_t count, const affine *p, const uint8_t (*e)[32], const uint8_t (*r)[32],
                         const uint8_t (*s)[32], uint8_t *good)
{
    size_t which[LANES], lanes = 0;
    for (size_t i = 0; i < count; i++) {
        sc number, t;
        if (good[i] && gm_sm2_verify_scalars(&number, &t, r[i], s[i]))
            which[lanes++] = i;
        else
            good[i] = 0;
        if (lanes == LANES || (lanes && i + 1 == count)) {
            verify_lanes(lanes, p, e, r, s, which, good);
            lanes = 0;
        }
    }
}
#endif
