/* SM4 by AES-NI on AVX2, for machines without GFNI: eight blocks in four vectors; constant time, no table in memory is
 * read at a secret place.
 *
 * As in sm4_gfni.c the words are kept multiplied by T and a round is one inversion in the AES field, here inside
 * AESENCLAST, with the linear step in two maps P and Q and their sum. The maps also take back AES's own affine step; each
 * is two lookups of a nibble in a register. */
#include "gm.h"

#ifdef GM_X86
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,aes,bmi2")))
#define INLINE TARGET __attribute__((always_inline)) static inline

struct nibbles {
    uint8_t low[16], high[16];
} __attribute__((aligned(16)));

static const struct nibbles map_t = {
    {0x00, 0x8c, 0x30, 0xbc, 0x85, 0x09, 0xb5, 0x39, 0x9f, 0x13, 0xaf, 0x23, 0x1a, 0x96, 0x2a, 0xa6},
    {0x00, 0xdc, 0x2e, 0xf2, 0xc5, 0x19, 0xeb, 0x37, 0x08, 0xd4, 0x26, 0xfa, 0xcd, 0x11, 0xe3, 0x3f}};
static const struct nibbles map_t_inverse = {
    {0x00, 0x85, 0xd9, 0x5c, 0x2e, 0xab, 0xf7, 0x72, 0x80, 0x05, 0x59, 0xdc, 0xae, 0x2b, 0x77, 0xf2},
    {0x00, 0x55, 0x57, 0x02, 0x44, 0x11, 0x13, 0x46, 0xaf, 0xfa, 0xf8, 0xad, 0xeb, 0xbe, 0xbc, 0xe9}};
/* P carries the constants of both S-boxes; in P + Q, which is added twice, they vanish */
static const struct nibbles map_p = {
    {0x76, 0xf0, 0xa5, 0x23, 0x0e, 0x88, 0xdd, 0x5b, 0x6a, 0xec, 0xb9, 0x3f, 0x12, 0x94, 0xc1, 0x47},
    {0x00, 0xeb, 0xdc, 0x37, 0xf0, 0x1b, 0x2c, 0xc7, 0xcd, 0x26, 0x11, 0xfa, 0x3d, 0xd6, 0xe1, 0x0a}};
static const struct nibbles map_q = {
    {0x00, 0x55, 0xde, 0x8b, 0xd8, 0x8d, 0x06, 0x53, 0x5e, 0x0b, 0x80, 0xd5, 0x86, 0xd3, 0x58, 0x0d},
    {0x00, 0x5f, 0x95, 0xca, 0x72, 0x2d, 0xe7, 0xb8, 0x71, 0x2e, 0xe4, 0xbb, 0x03, 0x5c, 0x96, 0xc9}};
static const struct nibbles map_s = { /* from AES's S-box to that of SM4 */
    {0x6c, 0xd4, 0xa6, 0x1e, 0x52, 0xea, 0x98, 0x20, 0x0b, 0xb3, 0xc1, 0x79, 0x35, 0x8d, 0xff, 0x47},
    {0x00, 0xe0, 0x50, 0xb0, 0x9d, 0x7d, 0xcd, 0x2d, 0xc0, 0x20, 0x90, 0x70, 0x5d, 0xbd, 0x0d, 0xed}};
#define CONSTANT_IN 0x3e

/* Bytes 1, 2, 3, 0 of each word and so on: the word rotated by 8, 16 and 24 bits */
#define ROTATE_8 0x0c0f0e0d, 0x080b0a09, 0x04070605, 0x00030201
#define ROTATE_16 0x0d0c0f0e, 0x09080b0a, 0x05040706, 0x01000302
#define ROTATE_24 0x0e0d0c0f, 0x0a09080b, 0x06050407, 0x02010003
#define SWAP_WORDS 0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203
#define UNSHIFT 0x0306090c, 0x0f020508, 0x0b0e0104, 0x070a0d00 /* takes ShiftRows back */

/* ---- one block, each word in all four places of a register, so that ShiftRows changes nothing ---- */

INLINE __m128i xor3_one(__m128i a, __m128i b, __m128i c) { return _mm_xor_si128(_mm_xor_si128(a, b), c); }

INLINE __m128i map_one(const struct nibbles *map, __m128i x)
{
    const __m128i mask = _mm_set1_epi8(15);
    __m128i low = _mm_shuffle_epi8(_mm_load_si128((const __m128i *)map->low), _mm_and_si128(x, mask));
    __m128i high = _mm_and_si128(_mm_srli_epi32(x, 4), mask);
    return _mm_xor_si128(low, _mm_shuffle_epi8(_mm_load_si128((const __m128i *)map->high), high));
}

TARGET void gm_aesni_set_key(struct gm_sm4 *c, const uint8_t key[16])
{
    uint32_t *rk = c->schedule.words;
    __m128i k[4];
    for (int i = 0; i < 4; i++)
        k[i] = _mm_set1_epi32((int)(gm_load32(key + 4 * i) ^ gm_sm4_fk[i]));
#pragma GCC unroll 4
    for (int i = 0; i < 32; i++) {
        __m128i b = xor3_one(k[(i + 1) & 3], k[(i + 2) & 3], k[(i + 3) & 3]);
        b = map_one(&map_t, _mm_xor_si128(b, _mm_set1_epi32((int)gm_sm4_ck(i))));
        b = _mm_aesenclast_si128(_mm_xor_si128(b, _mm_set1_epi8(CONSTANT_IN)), _mm_setzero_si128());
        b = map_one(&map_s, b);
        b = xor3_one(b, _mm_or_si128(_mm_slli_epi32(b, 13), _mm_srli_epi32(b, 19)),
                     _mm_or_si128(_mm_slli_epi32(b, 23), _mm_srli_epi32(b, 9)));
        k[i & 3] = _mm_xor_si128(k[i & 3], b);
        rk[i] = (uint32_t)_mm_cvtsi128_si32(k[i & 3]);
    }
    for (int i = 0; i < 32; i += 4) {
        __m128i words = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(rk + i)), _mm_set_epi32(SWAP_WORDS));
        words = _mm_xor_si128(map_one(&map_t, words), _mm_set1_epi8(CONSTANT_IN));
        _mm_storeu_si128((__m128i *)(rk + i), words);
    }
    gm_wipe(k, sizeof k);
}

INLINE void spread(__m128i x[4], __m128i block)
{
    block = map_one(&map_t, block);
    x[0] = _mm_shuffle_epi32(block, 0x00);
    x[1] = _mm_shuffle_epi32(block, 0x55);
    x[2] = _mm_shuffle_epi32(block, 0xaa);
    x[3] = _mm_shuffle_epi32(block, 0xff);
}

INLINE __m128i gathered(const __m128i x[4])
{
    return map_one(&map_t_inverse,
                   _mm_unpacklo_epi64(_mm_unpacklo_epi32(x[3], x[2]), _mm_unpacklo_epi32(x[1], x[0])));
}

INLINE void rounds_one(__m128i x[4], const uint32_t *rk, int step)
{
#pragma GCC unroll 4
    for (int i = 0; i < 32; i++, rk += step) {
        __m128i t = xor3_one(x[(i + 1) & 3], x[(i + 2) & 3], _mm_set1_epi32((int)*rk));
        t = _mm_aesenclast_si128(_mm_xor_si128(t, x[(i + 3) & 3]), _mm_setzero_si128());
        __m128i p = map_one(&map_p, t), q = map_one(&map_q, t), pq = _mm_xor_si128(p, q);
        p = xor3_one(p, x[i & 3], _mm_shuffle_epi8(q, _mm_set_epi32(ROTATE_24)));
        pq = _mm_xor_si128(_mm_shuffle_epi8(pq, _mm_set_epi32(ROTATE_8)),
                           _mm_shuffle_epi8(pq, _mm_set_epi32(ROTATE_16)));
        x[i & 3] = _mm_xor_si128(p, pq);
    }
}

TARGET static void ecb_one(const struct gm_sm4 *c, const uint8_t *in, uint8_t *out, int encrypt)
{
    __m128i x[4];
    spread(x, _mm_loadu_si128((const __m128i *)in));
    rounds_one(x, c->schedule.words + (encrypt ? 0 : 31), encrypt ? 1 : -1);
    _mm_storeu_si128((__m128i *)out, gathered(x));
}

TARGET static void cbc_encrypt(const struct gm_sm4 *c, uint8_t iv[16], const uint8_t *in, uint8_t *out, size_t blocks)
{
    __m128i x[4], next[4], last = _mm_loadu_si128((const __m128i *)iv);
    spread(x, last);
    __m128i swapped[4] = {x[3], x[2], x[1], x[0]};
    for (; blocks; blocks--, in += 16, out += 16) {
        spread(next, _mm_loadu_si128((const __m128i *)in));
        for (int i = 0; i < 4; i++)
            x[i] = _mm_xor_si128(next[i], swapped[3 - i]);
        rounds_one(x, c->schedule.words, 1);
        for (int i = 0; i < 4; i++)
            swapped[i] = x[i];
        last = gathered(x);
        _mm_storeu_si128((__m128i *)out, last);
    }
    _mm_storeu_si128((__m128i *)iv, last);
}

/* ---- eight blocks in four registers, word w of block 2e + l in element e of lane l of row w ---- */

#ifndef CHAINS
#define CHAINS 4 /* groups of eight whose rounds interleave */
#endif
#define WIDE (8 * CHAINS)

struct group {
    __m256i x[4];
};

INLINE __m256i both(__m128i x) { return _mm256_broadcastsi128_si256(x); }
INLINE __m256i table(const uint8_t t[16]) { return both(_mm_load_si128((const __m128i *)t)); }
INLINE __m256i xor3(__m256i a, __m256i b, __m256i c) { return _mm256_xor_si256(_mm256_xor_si256(a, b), c); }

INLINE __m256i map(const struct nibbles *map, __m256i x)
{
    const __m256i mask = _mm256_set1_epi8(15);
    __m256i high = _mm256_and_si256(_mm256_srli_epi32(x, 4), mask);
    return _mm256_xor_si256(_mm256_shuffle_epi8(table(map->low), _mm256_and_si256(x, mask)),
                            _mm256_shuffle_epi8(table(map->high), high));
}

INLINE __m256i mixed(__m256i own, __m256i t)
{
    const __m128i zero = _mm_setzero_si128();
    __m128i low = _mm_aesenclast_si128(_mm256_castsi256_si128(t), zero);
    __m128i high = _mm_aesenclast_si128(_mm256_extracti128_si256(t, 1), zero);
    t = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    t = _mm256_shuffle_epi8(t, both(_mm_set_epi32(UNSHIFT)));
    __m256i p = map(&map_p, t), q = map(&map_q, t), pq = _mm256_xor_si256(p, q);
    own = xor3(own, p, _mm256_shuffle_epi8(q, both(_mm_set_epi32(ROTATE_24))));
    return xor3(own, _mm256_shuffle_epi8(pq, both(_mm_set_epi32(ROTATE_8))),
                _mm256_shuffle_epi8(pq, both(_mm_set_epi32(ROTATE_16))));
}

INLINE void rounds(struct group *g, int chains, const uint32_t *rk, int step)
{
    for (int turn = 0; turn < 8; turn++)
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++, rk += step) {
            const __m256i key = _mm256_set1_epi32((int)*rk);
#pragma GCC unroll 4
            for (int j = 0; j < chains; j++) {
                __m256i t = _mm256_xor_si256(xor3(g[j].x[(i + 1) & 3], g[j].x[(i + 2) & 3], g[j].x[(i + 3) & 3]), key);
                g[j].x[i] = mixed(g[j].x[i], t);
            }
        }
}

INLINE void transpose(__m256i x[4])
{
    __m256i a = _mm256_unpacklo_epi32(x[0], x[1]), b = _mm256_unpackhi_epi32(x[0], x[1]);
    __m256i c = _mm256_unpacklo_epi32(x[2], x[3]), d = _mm256_unpackhi_epi32(x[2], x[3]);
    x[0] = _mm256_unpacklo_epi64(a, c);
    x[1] = _mm256_unpackhi_epi64(a, c);
    x[2] = _mm256_unpacklo_epi64(b, d);
    x[3] = _mm256_unpackhi_epi64(b, d);
}

/* From the last rows, in reverse, to four vectors of two blocks each, added to `mask` if there is one */
INLINE void finish(struct group *g, const uint8_t *mask, uint8_t *out)
{
    __m256i rows[4] = {g->x[3], g->x[2], g->x[1], g->x[0]};
    transpose(rows);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m256i blocks = map(&map_t_inverse, rows[i]);
        if (mask)
            blocks = _mm256_xor_si256(blocks, _mm256_loadu_si256((const __m256i *)(mask + 32 * i)));
        _mm256_storeu_si256((__m256i *)(out + 32 * i), blocks);
    }
}

INLINE void ecb_groups(const struct gm_sm4 *c, const uint8_t *in, uint8_t *out, int encrypt, const uint8_t *mask,
                       int chains)
{
    struct group g[CHAINS];
#pragma GCC unroll 4
    for (int j = 0; j < chains; j++) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            g[j].x[i] = map(&map_t, _mm256_loadu_si256((const __m256i *)(in + 128 * j + 32 * i)));
        transpose(g[j].x);
    }
    rounds(g, chains, c->schedule.words + (encrypt ? 0 : 31), encrypt ? 1 : -1);
#pragma GCC unroll 4
    for (int j = 0; j < chains; j++)
        finish(&g[j], mask ? mask + 128 * j : NULL, out + 128 * j);
}

TARGET static void ecb_whole(const struct gm_sm4 *c, const uint8_t *in, uint8_t *out, size_t *groups, int encrypt,
                             const uint8_t *mask)
{
    for (; *groups >= CHAINS; *groups -= CHAINS, in += 16 * WIDE, out += 16 * WIDE, mask += mask ? 16 * WIDE : 0)
        ecb_groups(c, in, out, encrypt, mask, CHAINS);
    for (; *groups; --*groups, in += 128, out += 128, mask += mask ? 128 : 0)
        ecb_groups(c, in, out, encrypt, mask, 1);
}

static void ecb_run(const struct gm_sm4 *c, const uint8_t *in, uint8_t *out, size_t size, int encrypt,
                    const uint8_t *mask)
{
    uint8_t last[128], last_mask[128];
    size_t groups = size / 128, tail = size % 128;
    if (size == 16 && !mask) {
        ecb_one(c, in, out, encrypt);
        return;
    }
    ecb_whole(c, in, out, &groups, encrypt, mask);
    if (!tail)
        return;
    groups = 1;
    memset(last, 0, sizeof last);
    memset(last_mask, 0, sizeof last_mask);
    memcpy(last, in + size - tail, tail);
    if (mask)
        memcpy(last_mask, mask + size - tail, tail);
    ecb_whole(c, last, last, &groups, encrypt, mask ? last_mask : NULL);
    memcpy(out + size - tail, last, tail);
    gm_wipe(last, sizeof last);
}

void gm_aesni_ecb(const struct gm_sm4 *c, const uint8_t *in, uint8_t *out, size_t blocks, int encrypt)
{
    ecb_run(c, in, out, 16 * blocks, encrypt, NULL);
}

void gm_aesni_cbc(const struct gm_sm4 *c, uint8_t iv[16], const uint8_t *in, uint8_t *out, size_t blocks, int encrypt)
{
    if (encrypt) {
        cbc_encrypt(c, iv, in, out, blocks);
    } else if (blocks) {
        ecb_one(c, in, out, 0);
        for (int i = 0; i < 16; i++)
            out[i] ^= iv[i];
        ecb_run(c, in + 16, out + 16, 16 * (blocks - 1), 0, in);
        memcpy(iv, in + 16 * (blocks - 1), 16);
    }
}

/* Groups of counters from `low` on, which may not pass 2^32 within them; without a mask the bare stream comes out */
INLINE void ctr_groups(const struct gm_sm4 *c, const __m256i high[3], uint32_t low, const uint8_t *in, uint8_t *out,
                       int chains)
{
    const __m256i order = _mm256_set_epi32(7, 5, 3, 1, 6, 4, 2, 0);
    struct group g[CHAINS];
#pragma GCC unroll 4
    for (int j = 0; j < chains; j++) {
        __m256i counters = _mm256_add_epi32(order, _mm256_set1_epi32((int)(low + 8 * (uint32_t)j)));
        g[j].x[3] = map(&map_t, _mm256_shuffle_epi8(counters, both(_mm_set_epi32(SWAP_WORDS))));
#pragma GCC unroll 3
        for (int i = 0; i < 3; i++)
            g[j].x[i] = high[i];
    }
    rounds(g, chains, c->schedule.words, 1);
#pragma GCC unroll 4
    for (int j = 0; j < chains; j++)
        finish(&g[j], in ? in + 128 * j : NULL, out + 128 * j);
}

/* Counters that do not pass 2^32 */
TARGET static void ctr_run(const struct gm_sm4 *c, const uint8_t counter[16], const uint8_t *in, uint8_t *out,
                           size_t size)
{
    uint8_t stream[128];
    uint32_t low = gm_load32(counter + 12);
    __m256i high[3];
    for (int i = 0; i < 3; i++) {
        int word;
        memcpy(&word, counter + 4 * i, 4);
        high[i] = map(&map_t, _mm256_set1_epi32(word));
    }
    for (; size >= 16 * WIDE; size -= 16 * WIDE, in += 16 * WIDE, out += 16 * WIDE, low += WIDE)
        ctr_groups(c, high, low, in, out, CHAINS);
    while (size) {
        size_t take = size < sizeof stream ? size : sizeof stream;
        ctr_groups(c, high, low, NULL, stream, 1);
        for (size_t i = 0; i < take; i++)
            out[i] = in[i] ^ stream[i];
        in += take, out += take, size -= take, low += 8;
    }
    gm_wipe(stream, sizeof stream);
}

void gm_aesni_ctr(const struct gm_sm4 *c, uint8_t counter[16], int bits, const uint8_t *in, uint8_t *out, size_t size)
{
    while (size) {
        uint64_t left = ((uint64_t)1 << 32) - gm_load32(counter + 12);
        size_t take = (size + 15) / 16 <= left ? size : 16 * (size_t)left;
        ctr_run(c, counter, in, out, take);
        gm_sm4_count(counter, bits, (take + 15) / 16);
        in += take, out += take, size -= take;
    }
}
#endif
