/* Multiples of any points on eight lanes of AVX-512 IFMA: signed digits of five bits from the top, with the sixteen odd
 * multiples of each point. Constant time, but for the form that is named public.
 *
 * A sum meets its addend only in the last addition, for k or n - k = 6: Z is zero then, and that lane is computed by the
 * portable code. */
#include "gm.h"

#ifdef GM_X86
#include "ifma_point.h"

struct room {
    affine8 table[GROUPS][WINDOW_ENTRIES];
    fe8 ratio[GROUPS][WINDOW_ENTRIES];
    bits8 bits[GROUPS];
    __mmask8 even[GROUPS];
};

/* Reads the whole table */
INLINE void scan(affine8 *r, const affine8 table[WINDOW_ENTRIES], __m512i index)
{
    *r = table[0];
    UNROLL
    for (int j = 1; j < WINDOW_ENTRIES; j++) {
        __mmask8 here = _mm512_cmpeq_epi64_mask(index, all_lanes((uint64_t)j));
        select8(&r->x, here, &table[j].x);
        select8(&r->y, here, &table[j].y);
    }
}

INLINE void gather(affine8 *r, const affine8 table[WINDOW_ENTRIES], __m512i index)
{
    const __m512i lane = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    __m512i at = _mm512_add_epi64(_mm512_mullo_epi64(index, all_lanes(10 * LANES)), lane);
    fe8 *coordinate = &r->x;
    UNROLL
    for (int i = 0; i < 10; i++)
        coordinate[i / 5].v[i % 5] = _mm512_i64gather_epi64(at, (const long long *)table + LANES * i, 8);
}

/* k*P; the highest digit is always 1 */
INLINE void ladder(point8 *sum, struct room *r, size_t count, const sc *k, const affine *p, int secret)
{
    size_t groups = (count + LANES - 1) / LANES;
    affine8 points[GROUPS];
    memset(points, 0, sizeof points);
    for (size_t g = 0; g < groups; g++) {
        r->even[g] = recode8(&r->bits[g], k + LANES * g, count - LANES * g, WINDOW * WINDOWS);
        gm_ifma_load(&points[g], p + LANES * g, count - LANES * g);
        gm_ifma_negate_y(&points[g], r->even[g]);
    }
    gm_ifma_odd_multiples(r->table[0], r->ratio[0], WINDOW_ENTRIES, points, groups);
    for (size_t g = 0; g < groups; g++) {
        sum[g].x = points[g].x;
        sum[g].y = points[g].y;
        constant8(&sum[g].z, one52);
        for (unsigned window = WINDOWS - 1; window--;) {
            __m512i index;
            affine8 entry;
            for (int i = 0; i < WINDOW; i++)
                double8(&sum[g]);
            __mmask8 negative = digit8(&index, &r->bits[g], WINDOW * window, WINDOW);
            if (secret)
                scan(&entry, r->table[g], index);
            else
                gather(&entry, r->table[g], index);
            add_affine8(&sum[g], &entry, negative, NULL);
        }
    }
    gm_wipe(points, sizeof points);
}

TARGET static void multiply_chunk(struct room *r, size_t count, const sc *k, const affine *p, uint8_t (*out)[64])
{
    static const __mmask8 none[GROUPS] = {0};
    point8 sum[GROUPS];
    __mmask8 failed[GROUPS];
    ladder(sum, r, count, k, p, 1);
    gm_ifma_store(out, count, sum, none, failed);
    for (size_t i = 0; i < count; i++)
        if (failed[i / LANES] >> i % LANES & 1)
            gm_portable_multiply_many(1, &k[i], &p[i], &out[i]);
    gm_wipe(sum, sizeof sum);
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

TARGET void gm_ifma_multiply_public(point8 *sum, size_t count, const sc *k, const affine *p)
{
    struct room r;
    ladder(sum, &r, count, k, p, 0);
}
#endif
