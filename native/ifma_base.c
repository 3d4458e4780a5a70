/* Multiples of G on eight lanes of AVX-512 IFMA, constant time: signed digits of seven bits, each with its own 64 odd
 * multiples, which are selected inside registers. No doublings; one inversion for 64 scalars.
 *
 * A sum meets its addend only in the last addition, and only for k or n - k = 30 * 2^252 - n: Z is zero then, and that lane
 * is computed by the portable code. */
#include "gm.h"

#ifdef GM_X86
#include "ifma_point.h"

#include <pthread.h>
#include <stdlib.h>

uint64_t (*gm_ifma_comb)[10][GM_COMB_ENTRIES];

static void build(void)
{
    gm_ifma_keys_setup();
    size_t groups = (GM_COMB_WINDOWS + LANES - 1) / LANES;
    affine8 *table = aligned_alloc(64, sizeof *table * GM_COMB_ENTRIES * groups), bases[GROUPS];
    fe8 *ratio = aligned_alloc(64, sizeof *ratio * GM_COMB_ENTRIES * groups);
    gm_ifma_comb = aligned_alloc(64, sizeof *gm_ifma_comb * GM_COMB_WINDOWS);
    if (!table || !ratio || !gm_ifma_comb)
        abort();
    for (size_t g = 0; g < groups; g++) {
        affine base[LANES];
        for (size_t lane = 0; lane < LANES; lane++) { /* 2^(7i) = 2^(5q + r) */
            size_t bit = GM_COMB * (LANES * g + lane < GM_COMB_WINDOWS ? LANES * g + lane : 0);
            base[lane] = gm_base_table[bit / 5][(1 << bit % 5) - 1];
        }
        gm_ifma_load(&bases[g], base, LANES);
    }
    gm_ifma_odd_multiples(table, ratio, GM_COMB_ENTRIES, bases, groups);
    for (size_t window = 0; window < GM_COMB_WINDOWS; window++)
        for (size_t j = 0; j < GM_COMB_ENTRIES; j++) {
            const uint64_t *limbs = (const uint64_t *)&table[GM_COMB_ENTRIES * (window / LANES) + j];
            for (size_t i = 0; i < 10; i++)
                gm_ifma_comb[window][i][j] = limbs[LANES * i + window % LANES];
        }
    free(table);
    free(ratio);
}

void gm_ifma_setup(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    gm_point_setup();
    pthread_once(&once, build);
}

/* Entry `index` of the window, without a secret in an address */
INLINE void select_entry(affine8 *r, const uint64_t window[10][GM_COMB_ENTRIES], __m512i index)
{
    const __mmask8 bit4 = _mm512_test_epi64_mask(index, all_lanes(16)), bit5 = _mm512_test_epi64_mask(index, all_lanes(32));
    fe8 *coordinate = &r->x;
    UNROLL
    for (int i = 0; i < 10; i++) {
        __m512i quarter[4];
        UNROLL
        for (int j = 0; j < 4; j++)
            quarter[j] = _mm512_permutex2var_epi64(_mm512_load_si512(window[i] + 16 * j), index,
                                                   _mm512_load_si512(window[i] + 16 * j + 8));
        quarter[0] = _mm512_mask_mov_epi64(quarter[0], bit4, quarter[1]);
        quarter[2] = _mm512_mask_mov_epi64(quarter[2], bit4, quarter[3]);
        coordinate[i / 5].v[i % 5] = _mm512_mask_mov_epi64(quarter[0], bit5, quarter[2]);
    }
}

TARGET static void chunk(size_t count, const sc *k, uint8_t (*out)[64])
{
    size_t groups = (count + LANES - 1) / LANES;
    point8 acc[GROUPS];
    bits8 bits[GROUPS];
    __mmask8 even[GROUPS], failed[GROUPS];
    for (size_t g = 0; g < groups; g++)
        even[g] = recode8(&bits[g], k + LANES * g, count - LANES * g, GM_COMB * GM_COMB_WINDOWS);
    for (unsigned window = 0; window < GM_COMB_WINDOWS; window++)
        for (size_t g = 0; g < groups; g++) {
            __m512i index;
            affine8 entry;
            __mmask8 negative = digit8(&index, &bits[g], GM_COMB * window, GM_COMB);
            select_entry(&entry, (const uint64_t(*)[GM_COMB_ENTRIES])gm_ifma_comb[window], index);
            if (window) {
                add_affine8(&acc[g], &entry, negative, NULL);
            } else {
                gm_ifma_negate_y(&entry, negative);
                acc[g].x = entry.x;
                acc[g].y = entry.y;
                constant8(&acc[g].z, one52);
            }
        }
    gm_ifma_store(out, count, acc, even, failed);
    for (size_t i = 0; i < count; i++)
        if (failed[i / LANES] >> i % LANES & 1)
            gm_portable_base_many(1, &k[i], &out[i]);
    gm_wipe(acc, sizeof acc);
    gm_wipe(bits, sizeof bits);
}

void gm_ifma_base_many(size_t count, const sc *k, uint8_t (*out)[64])
{
    while (count) {
        size_t take = count < GROUPS * LANES ? count : GROUPS * LANES;
        chunk(take, k, out);
        k += take, out += take, count -= take;
    }
}

TARGET int gm_ifma_comb_sums(affine out[GM_COMB_WINDOWS])
{
    enum { groups = (GM_COMB_WINDOWS + LANES - 1) / LANES };
    static const __mmask8 none[GROUPS] = {0};
    uint8_t bytes[GM_COMB_WINDOWS][64];
    __mmask8 failed[GROUPS];
    point8 sum[groups];
    uint64_t above = 0;
    for (unsigned g = 0; g < groups; g++)
        for (unsigned j = 0; j < GM_COMB_ENTRIES; j++) {
            uint64_t limbs[10][LANES];
            affine8 entry;
            for (unsigned i = 0; i < 10; i++)
                for (unsigned lane = 0; lane < LANES; lane++)
                    above |= limbs[i][lane] = gm_ifma_comb[(LANES * g + lane) % GM_COMB_WINDOWS][i][j];
            memcpy(&entry, limbs, sizeof entry);
            if (j) {
                add_affine8(&sum[g], &entry, 0, NULL);
            } else {
                sum[g].x = entry.x;
                sum[g].y = entry.y;
                constant8(&sum[g].z, one52);
            }
        }
    gm_ifma_store(bytes, GM_COMB_WINDOWS, sum, none, failed);
    for (unsigned window = 0; window < GM_COMB_WINDOWS; window++) {
        fe_decode(&out[window].x, bytes[window]);
        fe_decode(&out[window].y, bytes[window] + 32);
    }
    return above <= MASK52;
}
#endif
