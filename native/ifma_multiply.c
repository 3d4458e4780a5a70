/* Multiples of any points on eight lanes of AVX-512 IFMA: signed digits of five bits from the top, with the sixteen odd
 * multiples of each point. `gm_ifma_multiply_many` is constant time; verification is of public data.
 *
 * A sum meets its addend only in the last addition, for k or n - k = 6: Z is zero then, and that lane is computed by the
 * portable code. In verification Z may become zero for points that are related to G; it is treated alike. */
#include "gm.h"

#ifdef GM_X86
#include "ifma_point.h"

#define ENTRIES 16
#define WIDTH 5
#define WINDOWS 52

struct room {
    affine8 table[GROUPS][ENTRIES], points[GROUPS];
    fe8 ratio[GROUPS][ENTRIES];
    point8 sum[GROUPS];
    bits8 bits[GROUPS];
    __mmask8 even[GROUPS];
};

/* Reads the whole table */
INLINE void scan(affine8 *r, const affine8 table[ENTRIES], __m512i index)
{
    *r = table[0];
    UNROLL
    for (int j = 1; j < ENTRIES; j++) {
        __mmask8 here = _mm512_cmpeq_epi64_mask(index, all_lanes((uint64_t)j));
        select8(&r->x, here, &table[j].x);
        select8(&r->y, here, &table[j].y);
    }
}

INLINE void gather(affine8 *r, const affine8 table[ENTRIES], __m512i index)
{
    const __m512i lane = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    __m512i at = _mm512_add_epi64(_mm512_mullo_epi64(index, all_lanes(10 * LANES)), lane);
    fe8 *coordinate = &r->x;
    UNROLL
    for (int i = 0; i < 10; i++)
        coordinate[i / 5].v[i % 5] = _mm512_i64gather_epi64(at, (const long long *)table + LANES * i, 8);
}

/* The points were loaded and the scalars recoded; the highest digit is always 1 */
INLINE void ladder(struct room *r, size_t groups, int secret)
{
    for (size_t g = 0; g < groups; g++)
        gm_ifma_negate_y(&r->points[g], r->even[g]);
    gm_ifma_odd_multiples(r->table[0], r->ratio[0], ENTRIES, r->points, groups);
    for (size_t g = 0; g < groups; g++) {
        point8 *sum = &r->sum[g];
        sum->x = r->points[g].x;
        sum->y = r->points[g].y;
        constant8(&sum->z, one52);
        for (unsigned window = WINDOWS - 1; window--;) {
            __m512i index;
            affine8 entry;
            for (int i = 0; i < WIDTH; i++)
                double8(sum);
            __mmask8 negative = digit8(&index, &r->bits[g], WIDTH * window, WIDTH);
            if (secret)
                scan(&entry, r->table[g], index);
            else
                gather(&entry, r->table[g], index);
            add_affine8(sum, &entry, negative, NULL);
        }
    }
}

TARGET static void secret_ladder(struct room *r, size_t groups) { ladder(r, groups, 1); }
TARGET static void public_ladder(struct room *r, size_t groups) { ladder(r, groups, 0); }

TARGET static void multiply_chunk(struct room *r, size_t count, const sc *k, const affine *p, uint8_t (*out)[64])
{
    size_t groups = (count + LANES - 1) / LANES;
    __mmask8 no[GROUPS] = {0}, failed[GROUPS];
    for (size_t g = 0; g < groups; g++) {
        sc lanes[LANES];
        size_t left = count - LANES * g;
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] = k[LANES * g + (lane < left ? lane : 0)];
        gm_ifma_load(&r->points[g], p + LANES * g, left);
        r->even[g] = recode8(&r->bits[g], lanes, WIDTH * WINDOWS);
        gm_wipe(lanes, sizeof lanes);
    }
    secret_ladder(r, groups);
    gm_ifma_store(out, count, r->sum, no, failed);
    for (size_t i = 0; i < count; i++)
        if (failed[i / LANES] >> i % LANES & 1)
            gm_portable_multiply_many(1, &k[i], &p[i], &out[i]);
}

void gm_ifma_multiply_many(size_t count, const sc *k, const affine *p, uint8_t (*out)[64])
{
    struct room r;
    while (count) {
        size_t take = count < GROUPS * LANES ? count : GROUPS * LANES;
        multiply_chunk(&r, take, k, p, out);
        k += take, p += take, out += take, count -= take;
    }
    gm_wipe(&r, sizeof r);
}

struct waiting {
    size_t count, item[GROUPS * LANES];
    sc s[GROUPS * LANES], t[GROUPS * LANES];
    affine p[GROUPS * LANES];
};

/* Adds s*G by the table of multiples of G */
TARGET static void add_base(point8 *sum, const bits8 *bits, const __mmask8 *even, size_t groups)
{
    for (unsigned window = 0; window < GM_COMB_WINDOWS; window++)
        for (size_t g = 0; g < groups; g++) {
            __m512i index;
            affine8 entry;
            fe8 *coordinate = &entry.x;
            __mmask8 negative = digit8(&index, &bits[g], 7 * window, 7);
            UNROLL
            for (int i = 0; i < 10; i++)
                coordinate[i / 5].v[i % 5] = _mm512_i64gather_epi64(index, (const long long *)gm_ifma_comb[window][i], 8);
            add_affine8(&sum[g], &entry, negative ^ even[g], NULL);
        }
}

/* The lanes with X = x * Z^2 for the number x = r - e mod n; *failed: those to be asked elsewhere */
TARGET static __mmask8 matches(const point8 *sum, const struct waiting *w, size_t first, const uint8_t (*e)[32],
                               const uint8_t (*r)[32], __mmask8 *failed)
{
    uint64_t limbs[4][LANES] = {{0}};
    fe8 x, zz;
    *failed = is_zero8(&sum->z);
    for (size_t lane = 0; lane < LANES && first + lane < w->count; lane++) {
        sc number, minus;
        sc_decode(&number, r[w->item[first + lane]]);
        sc_decode(&minus, e[w->item[first + lane]]);
        sc_sub(&number, &number, &minus);
        for (int i = 0; i < 4; i++)
            limbs[i][lane] = number.v[i];
        /* x + n may be a coordinate too, when it is below p: p - n is below 2^128 */
        *failed |= (__mmask8)((number.v[2] | number.v[3]) == 0) << lane;
    }
    load8(&x, (const uint64_t(*)[LANES])limbs, enter_plain);
    sqr8(&zz, &sum->z);
    mul_raw(&x, &x, &zz);
    difference8(&x, &x, &sum->x, 3);
    return is_zero8(&x);
}

TARGET static void verify_chunk(struct room *room, const struct waiting *w, const uint8_t (*e)[32], const uint8_t (*r)[32],
                                const uint8_t (*s)[32], uint8_t *good)
{
    size_t groups = (w->count + LANES - 1) / LANES;
    for (size_t g = 0; g < groups; g++) {
        gm_ifma_load(&room->points[g], w->p + LANES * g, w->count - LANES * g);
        room->even[g] = recode8(&room->bits[g], w->t + LANES * g, WIDTH * WINDOWS);
    }
    public_ladder(room, groups);
    for (size_t g = 0; g < groups; g++)
        room->even[g] = recode8(&room->bits[g], w->s + LANES * g, 7 * GM_COMB_WINDOWS);
    add_base(room->sum, room->bits, room->even, groups);
    for (size_t g = 0; g < groups; g++) {
        __mmask8 failed, same = matches(&room->sum[g], w, LANES * g, e, r, &failed);
        for (size_t lane = 0; lane < LANES && LANES * g + lane < w->count; lane++) {
            size_t item = w->item[LANES * g + lane];
            good[item] = same >> lane & 1;
            if (failed >> lane & 1) {
                good[item] = 1;
                gm_portable_verify_many(1, &w->p[LANES * g + lane], &e[item], &r[item], &s[item], &good[item]);
            }
        }
    }
}

void gm_ifma_verify_many(size_t count, const affine *p, const uint8_t (*e)[32], const uint8_t (*r)[32],
                         const uint8_t (*s)[32], uint8_t *good)
{
    struct room room;
    struct waiting w;
    memset(&w, 0, sizeof w);
    for (size_t i = 0; i < count; i++) {
        if (good[i] && gm_sm2_verify_scalars(&w.s[w.count], &w.t[w.count], r[i], s[i])) {
            w.p[w.count] = p[i];
            w.item[w.count++] = i;
        } else {
            good[i] = 0;
        }
        if (w.count == GROUPS * LANES || (w.count && i + 1 == count)) {
            verify_chunk(&room, &w, e, r, s, good);
            w.count = 0;
        }
    }
}
#endif
