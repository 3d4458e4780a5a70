/* SM2 verification on eight lanes of AVX-512 IFMA. Public data only: not constant time.
 *
 * t*P comes from the key's own table when it is used often, else by doubling; s*G from the table of multiples of G, in
 * either case without an inversion. Sums fail when both addends are equal or opposite, as with keys that are related to G:
 * then Z is zero, and the lane is verified by the complete portable code. */
#include "gm.h"

#ifdef GM_X86
#include "ifma_point.h"

/* Signatures that wait for full lanes: those whose key has a table, or those whose key has none */
struct waiting {
    size_t count, item[GROUPS * LANES];
    const struct key_table *table[GROUPS * LANES];
    sc s[GROUPS * LANES], t[GROUPS * LANES];
    affine p[GROUPS * LANES];
};

/* t*P from the tables of the keys: the sum of an entry of each window */
TARGET static void multiply_known(point8 *sum, const struct waiting *w, size_t groups)
{
    for (size_t g = 0; g < groups; g++) {
        uint64_t address[LANES];
        bits8 bits;
        size_t left = w->count - LANES * g;
        __mmask8 even = recode8(&bits, w->t + LANES * g, left, WINDOW * WINDOWS);
        for (size_t lane = 0; lane < LANES; lane++)
            address[lane] = (uint64_t)(uintptr_t)w->table[LANES * g + (lane < left ? lane : 0)]->entries;
        __m512i tables = _mm512_loadu_si512(address);
        for (unsigned window = 0; window < WINDOWS; window++) {
            __m512i index;
            affine8 entry;
            fe8 *coordinate = &entry.x;
            __mmask8 negative = even ^ digit8(&index, &bits, WINDOW * window, WINDOW);
            index = _mm512_add_epi64(_mm512_slli_epi64(index, 4), _mm512_slli_epi64(index, 6)); /* of 80 octets each */
            index = _mm512_add_epi64(_mm512_add_epi64(index, tables), all_lanes(WINDOW_ENTRIES * 80 * window));
            UNROLL
            for (int i = 0; i < 10; i++)
                coordinate[i / 5].v[i % 5] = _mm512_i64gather_epi64(index, (const long long *)(uintptr_t)(8 * i), 1);
            if (window) {
                add_affine8(&sum[g], &entry, negative, NULL);
            } else {
                gm_ifma_negate_y(&entry, negative);
                sum[g].x = entry.x;
                sum[g].y = entry.y;
                constant8(&sum[g].z, one52);
            }
        }
    }
}

/* Adds s*G */
TARGET static void add_base(point8 *sum, const struct waiting *w, size_t groups)
{
    bits8 bits[GROUPS];
    __mmask8 even[GROUPS];
    for (size_t g = 0; g < groups; g++)
        even[g] = recode8(&bits[g], w->s + LANES * g, w->count - LANES * g, GM_COMB * GM_COMB_WINDOWS);
    for (unsigned window = 0; window < GM_COMB_WINDOWS; window++)
        for (size_t g = 0; g < groups; g++) {
            __m512i index;
            affine8 entry;
            fe8 *coordinate = &entry.x;
            __mmask8 negative = even[g] ^ digit8(&index, &bits[g], GM_COMB * window, GM_COMB);
            UNROLL
            for (int i = 0; i < 10; i++)
                coordinate[i / 5].v[i % 5] = _mm512_i64gather_epi64(index, (const long long *)gm_ifma_comb[window][i], 8);
            add_affine8(&sum[g], &entry, negative, NULL);
        }
}

/* The lanes with X = x * Z^2 for the number x = r - e mod n; *failed: those to be asked elsewhere */
TARGET static __mmask8 matches(const point8 *sum, const size_t *item, size_t take, const uint8_t (*e)[32],
                               const uint8_t (*r)[32], __mmask8 *failed)
{
    uint64_t limbs[4][LANES] = {{0}};
    fe8 x, zz;
    *failed = is_zero8(&sum->z);
    for (size_t lane = 0; lane < take; lane++) {
        sc number, minus;
        sc_decode(&number, r[item[lane]]);
        sc_decode(&minus, e[item[lane]]);
        sc_sub(&number, &number, &minus);
        for (int i = 0; i < 4; i++)
            limbs[i][lane] = number.v[i];
        /* x + n may be a coordinate too, when it is below p; p - n is below 2^128 */
        *failed |= (__mmask8)(((number.v[2] | number.v[3]) == 0) << lane);
    }
    load8(&x, (const uint64_t(*)[LANES])limbs, enter_plain);
    sqr8(&zz, &sum->z);
    mul_raw(&x, &x, &zz);
    difference8(&x, &x, &sum->x, 3);
    return is_zero8(&x);
}

TARGET static void flush(struct waiting *w, const uint8_t (*e)[32], const uint8_t (*r)[32], const uint8_t (*s)[32],
                         uint8_t *good)
{
    size_t groups = (w->count + LANES - 1) / LANES;
    point8 sum[GROUPS];
    if (w->table[0])
        multiply_known(sum, w, groups);
    else
        gm_ifma_multiply_public(sum, w->count, w->t, w->p);
    add_base(sum, w, groups);
    for (size_t g = 0; g < groups; g++) {
        size_t take = w->count - LANES * g < LANES ? w->count - LANES * g : LANES;
        __mmask8 failed, same = matches(&sum[g], w->item + LANES * g, take, e, r, &failed);
        for (size_t lane = 0; lane < take; lane++) {
            size_t item = w->item[LANES * g + lane];
            good[item] = same >> lane & 1;
            if (failed >> lane & 1) {
                good[item] = 1;
                gm_portable_verify_many(1, &w->p[LANES * g + lane], &e[item], &r[item], &s[item], &good[item]);
            }
            if (w->table[LANES * g + lane])
                gm_ifma_key_release(w->table[LANES * g + lane]);
        }
    }
    w->count = 0;
}

void gm_ifma_verify_many(size_t count, const affine *p, const uint8_t (*e)[32], const uint8_t (*r)[32],
                         const uint8_t (*s)[32], uint8_t *good)
{
    struct waiting known, other;
    known.count = other.count = 0;
    for (size_t i = 0; i < count; i++) {
        sc number, t;
        good[i] = good[i] && gm_sm2_verify_scalars(&number, &t, r[i], s[i]);
        if (!good[i])
            continue;
        const struct key_table *table = gm_ifma_key_table(&p[i]);
        struct waiting *w = table ? &known : &other;
        w->item[w->count] = i;
        w->table[w->count] = table;
        w->s[w->count] = number;
        w->t[w->count] = t;
        w->p[w->count++] = p[i];
        if (w->count == GROUPS * LANES)
            flush(w, e, r, s, good);
    }
    if (known.count)
        flush(&known, e, r, s, good);
    if (other.count)
        flush(&other, e, r, s, good);
}
#endif
