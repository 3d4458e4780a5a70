/* GHASH of NIST SP 800-38D, constant time: carry-less multiplication by PCLMULQDQ, else by integers with holes. */
#include "gm.h"

#ifdef GM_X86
#include <immintrin.h>
#endif

enum { INTEGER, PCLMUL, VPCLMUL };

/* ---- integers with holes: every fourth bit kept, so carries never reach a kept bit ---- */

static uint64_t reverse64(uint64_t x)
{
    static const uint64_t masks[3] = {0x5555555555555555ULL, 0x3333333333333333ULL, 0x0f0f0f0f0f0f0f0fULL};
    for (int i = 0; i < 3; i++)
        x = (x & masks[i]) << (1 << i) | (x >> (1 << i) & masks[i]);
    return __builtin_bswap64(x);
}

/* The low 64 bits of the carry-less product */
static uint64_t product_low(uint64_t x, uint64_t y)
{
    const uint64_t holes = 0x1111111111111111ULL;
    uint64_t result = 0, xs[4], ys[4];
    for (int i = 0; i < 4; i++) {
        xs[i] = x & holes << i;
        ys[i] = y & holes << i;
    }
    for (int residue = 0; residue < 4; residue++) {
        uint64_t sum = 0;
        for (int i = 0; i < 4; i++)
            sum ^= xs[i] * ys[(residue - i) & 3];
        result |= sum & holes << residue;
    }
    return result;
}

struct wide {
    uint64_t low, high;
};

/* All 127 bits: the high half is the low half of the reversed product */
static struct wide product(uint64_t x, uint64_t y)
{
    return (struct wide){product_low(x, y), reverse64(product_low(reverse64(x), reverse64(y))) >> 1};
}

static void integer_blocks(struct gm_ghash *g, const uint8_t *data, size_t blocks)
{
    uint64_t h1 = gm_load64(g->h), h0 = gm_load64(g->h + 8);
    uint64_t y1 = gm_load64(g->y), y0 = gm_load64(g->y + 8);
    for (; blocks; blocks--, data += 16) {
        y1 ^= gm_load64(data);
        y0 ^= gm_load64(data + 8);
        struct wide low = product(y0, h0), high = product(y1, h1), middle = product(y0 ^ y1, h0 ^ h1);
        middle.low ^= low.low ^ high.low;
        middle.high ^= low.high ^ high.high;
        uint64_t v[4] = {low.low, low.high ^ middle.low, high.low ^ middle.high, high.high};
        /* Bits are reflected in GCM: the 255-bit product moves up by one. */
        for (int i = 3; i; i--)
            v[i] = v[i] << 1 | v[i - 1] >> 63;
        v[0] <<= 1;
        for (int i = 0; i < 2; i++) {
            v[i + 2] ^= v[i] ^ v[i] >> 1 ^ v[i] >> 2 ^ v[i] >> 7;
            v[i + 1] ^= v[i] << 63 ^ v[i] << 62 ^ v[i] << 57;
        }
        y0 = v[2];
        y1 = v[3];
    }
    gm_store64(g->y, y1);
    gm_store64(g->y + 8, y0);
}

#ifdef GM_X86

/* ---- PCLMULQDQ: byte-reversed blocks, powers of H kept multiplied by x, so that no shift is needed ---- */

#define TARGET __attribute__((target("pclmul,ssse3,sse4.1")))

TARGET static inline __m128i swap_bytes(__m128i x)
{
    return _mm_shuffle_epi8(x, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

/* x*y mod the polynomial, where one factor carries the extra x */
TARGET static inline __m128i reduce(__m128i low, __m128i middle, __m128i high)
{
    const __m128i polynomial = _mm_set_epi64x((long long)0xc200000000000000ULL, 1);
    low = _mm_xor_si128(low, _mm_slli_si128(middle, 8));
    high = _mm_xor_si128(high, _mm_srli_si128(middle, 8));
    for (int i = 0; i < 2; i++) {
        __m128i t = _mm_clmulepi64_si128(low, polynomial, 0x10);
        low = _mm_xor_si128(_mm_shuffle_epi32(low, 0x4e), t);
    }
    return _mm_xor_si128(high, low);
}

TARGET static inline void accumulate(__m128i *low, __m128i *middle, __m128i *high, __m128i x, __m128i h)
{
    *low = _mm_xor_si128(*low, _mm_clmulepi64_si128(x, h, 0x00));
    *high = _mm_xor_si128(*high, _mm_clmulepi64_si128(x, h, 0x11));
    *middle = _mm_xor_si128(*middle, _mm_clmulepi64_si128(x, h, 0x01));
    *middle = _mm_xor_si128(*middle, _mm_clmulepi64_si128(x, h, 0x10));
}

TARGET static __m128i multiply(__m128i x, __m128i h)
{
    __m128i low = _mm_setzero_si128(), middle = low, high = low;
    accumulate(&low, &middle, &high, x, h);
    return reduce(low, middle, high);
}

/* powers[i] holds H^(i+1), each times x */
TARGET static void pclmul_init(struct gm_ghash *g)
{
    __m128i h = swap_bytes(_mm_loadu_si128((const __m128i *)g->h));
    uint64_t v[2];
    _mm_storeu_si128((__m128i *)v, h);
    uint64_t carry = v[1] >> 63;
    v[1] = v[1] << 1 | v[0] >> 63;
    v[0] = v[0] << 1;
    v[0] ^= carry;
    v[1] ^= 0xc200000000000000ULL & (0 - carry);
    __m128i first = _mm_loadu_si128((const __m128i *)v), power = first;
    for (int i = 0; i < 16; i++) {
        _mm_storeu_si128((__m128i *)g->powers[i], power);
        power = multiply(power, first);
    }
    gm_wipe(v, sizeof v);
}

TARGET static void pclmul_blocks(struct gm_ghash *g, const uint8_t *data, size_t blocks)
{
    __m128i y = swap_bytes(_mm_loadu_si128((const __m128i *)g->y));
    const __m128i *powers = (const __m128i *)g->powers;
    while (blocks) {
        size_t take = blocks < 8 ? blocks : 8;
        __m128i low = _mm_setzero_si128(), middle = low, high = low;
        for (size_t i = 0; i < take; i++) {
            __m128i x = swap_bytes(_mm_loadu_si128((const __m128i *)data + i));
            if (i == 0)
                x = _mm_xor_si128(x, y);
            accumulate(&low, &middle, &high, x, _mm_load_si128(powers + take - 1 - i));
        }
        y = reduce(low, middle, high);
        data += 16 * take, blocks -= take;
    }
    _mm_storeu_si128((__m128i *)g->y, swap_bytes(y));
}
#undef TARGET

/* ---- VPCLMULQDQ: sixteen blocks a step ---- */

#define TARGET __attribute__((target("avx512f,avx512bw,vpclmulqdq,pclmul,ssse3,sse4.1")))

TARGET static inline __m128i fold(__m512i x)
{
    __m256i half = _mm256_xor_si256(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
    return _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

TARGET static void vpclmul_blocks(struct gm_ghash *g, const uint8_t *data, size_t blocks)
{
    const __m512i swap = _mm512_broadcast_i32x4(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    __m512i h[4];
    for (int i = 0; i < 4; i++) /* H^16 .. H^13, then H^12 .. */
        h[i] = _mm512_shuffle_i64x2(_mm512_load_si512(g->powers[12 - 4 * i]),
                                    _mm512_load_si512(g->powers[12 - 4 * i]), 0x1b);
    __m128i y = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)g->y), _mm512_castsi512_si128(swap));
    for (; blocks >= 16; blocks -= 16, data += 256) {
        __m512i low = _mm512_setzero_si512(), middle = low, high = low;
        for (int i = 0; i < 4; i++) {
            __m512i x = _mm512_shuffle_epi8(_mm512_loadu_si512(data + 64 * i), swap);
            if (i == 0)
                x = _mm512_xor_si512(x, _mm512_zextsi128_si512(y));
            low = _mm512_xor_si512(low, _mm512_clmulepi64_epi128(x, h[i], 0x00));
            high = _mm512_xor_si512(high, _mm512_clmulepi64_epi128(x, h[i], 0x11));
            middle = _mm512_ternarylogic_epi64(middle, _mm512_clmulepi64_epi128(x, h[i], 0x01),
                                               _mm512_clmulepi64_epi128(x, h[i], 0x10), 0x96);
        }
        y = reduce(fold(low), fold(middle), fold(high));
    }
    _mm_storeu_si128((__m128i *)g->y, _mm_shuffle_epi8(y, _mm512_castsi512_si128(swap)));
    gm_wipe(h, sizeof h);
    pclmul_blocks(g, data, blocks);
}
#undef TARGET

static int best_kernel(void)
{
    return gm_cpu_has(GM_VPCLMUL) ? VPCLMUL : gm_cpu_has(GM_PCLMUL) ? PCLMUL : INTEGER;
}
#endif

void gm_ghash_init(struct gm_ghash *g, const uint8_t h[16])
{
    memcpy(g->h, h, 16);
    memset(g->y, 0, 16);
    g->kernel = INTEGER;
#ifdef GM_X86
    g->kernel = best_kernel();
    if (g->kernel != INTEGER)
        pclmul_init(g);
#endif
}

void gm_ghash_blocks(struct gm_ghash *g, const uint8_t *data, size_t blocks)
{
#ifdef GM_X86
    if (g->kernel == VPCLMUL && blocks >= 16) {
        vpclmul_blocks(g, data, blocks);
        return;
    }
    if (g->kernel != INTEGER) {
        pclmul_blocks(g, data, blocks);
        return;
    }
#endif
    integer_blocks(g, data, blocks);
}

void gm_ghash_padded(struct gm_ghash *g, const uint8_t *data, size_t size)
{
    uint8_t last[16] = {0};
    gm_ghash_blocks(g, data, size / 16);
    if (size % 16) {
        memcpy(last, data + size / 16 * 16, size % 16);
        gm_ghash_blocks(g, last, 1);
    }
}
