/* GHASH of NIST SP 800-38D, constant time: carry-less multiplication by PCLMULQDQ, else by integers with holes. */
#include "gm.h"

#ifdef GM_X86
#include "clmul.h"
#endif

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

static void integer_blocks(const struct gm_ghash *g, uint8_t y[16], const uint8_t *data, size_t blocks)
{
    uint64_t h1 = gm_load64(g->h), h0 = gm_load64(g->h + 8);
    uint64_t y1 = gm_load64(y), y0 = gm_load64(y + 8);
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
    gm_store64(y, y1);
    gm_store64(y + 8, y0);
}

#ifdef GM_X86

/* ---- PCLMULQDQ; powers[64 - i] holds H^i times x, so that the powers of n blocks lie in their order ---- */

#define TARGET __attribute__((target("pclmul,ssse3,sse4.1")))
#define MOST GM_GHASH_POWERS

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
    return gm_clmul_reduce(low, middle, high);
}

TARGET static void pclmul_init(struct gm_ghash *g, unsigned count)
{
    uint64_t high = gm_load64(g->h), low = gm_load64(g->h + 8), carry = 0 - (high >> 63);
    high = high << 1 | low >> 63;
    __m128i first = _mm_set_epi64x((long long)(high ^ (carry & 0xc200000000000000ULL)),
                                   (long long)((low << 1) ^ (carry & 1)));
    __m128i power = first;
    for (unsigned i = 1; i <= count; i++) {
        _mm_store_si128((__m128i *)g->powers[MOST - i], power);
        power = multiply(power, first);
    }
    g->count = count;
}

TARGET static void pclmul_blocks(const struct gm_ghash *g, uint8_t sum[16], const uint8_t *data, size_t blocks)
{
    __m128i y = gm_swap_bytes(_mm_loadu_si128((const __m128i *)sum));
    while (blocks) {
        size_t take = blocks < g->count ? blocks : g->count;
        __m128i low = _mm_setzero_si128(), middle = low, high = low;
        for (size_t i = 0; i < take; i++, data += 16) {
            __m128i x = gm_swap_bytes(_mm_loadu_si128((const __m128i *)data));
            if (i == 0)
                x = _mm_xor_si128(x, y);
            accumulate(&low, &middle, &high, x, _mm_load_si128((const __m128i *)g->powers[MOST - take + i]));
        }
        y = gm_clmul_reduce(low, middle, high);
        blocks -= take;
    }
    _mm_storeu_si128((__m128i *)sum, gm_swap_bytes(y));
}
#undef TARGET

/* ---- VPCLMULQDQ: four blocks an instruction ---- */

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,vpclmulqdq,pclmul,ssse3,sse4.1")))

TARGET static inline __m512i multiply_wide(__m512i x, __m512i h)
{
    const __m512i polynomial = _mm512_broadcast_i32x4(_mm_set_epi64x((long long)0xc200000000000000ULL, 1));
    struct gm_wide p = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    gm_wide_add(&p, x, h);
    p.low = _mm512_xor_si512(p.low, _mm512_bslli_epi128(p.middle, 8));
    p.high = _mm512_xor_si512(p.high, _mm512_bsrli_epi128(p.middle, 8));
    for (int i = 0; i < 2; i++)
        p.low = _mm512_xor_si512(_mm512_shuffle_epi32(p.low, 0x4e), _mm512_clmulepi64_epi128(p.low, polynomial, 0x10));
    return _mm512_xor_si512(p.high, p.low);
}

/* Doubles what there is until it suffices; four at least */
TARGET static void vpclmul_init(struct gm_ghash *g, unsigned count)
{
    pclmul_init(g, 4);
    while (g->count < count) {
        __m512i top = _mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)g->powers[MOST - g->count]));
        for (unsigned i = 4; i <= g->count; i += 4)
            _mm512_store_si512(g->powers[MOST - g->count - i],
                               multiply_wide(_mm512_load_si512(g->powers[MOST - i]), top));
        g->count *= 2;
    }
}

TARGET static void vpclmul_blocks(const struct gm_ghash *g, uint8_t y[16], const uint8_t *data, size_t blocks)
{
    __m512i carried = _mm512_zextsi128_si512(gm_swap_bytes(_mm_loadu_si128((const __m128i *)y)));
    while (blocks) {
        size_t take = blocks < g->count ? blocks : g->count;
        const uint8_t(*power)[16] = g->powers + MOST - take;
        struct gm_wide sum = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
        blocks -= take;
        for (; take >= 4; take -= 4, data += 64, power += 4) {
            gm_wide_add(&sum, _mm512_xor_si512(carried, gm_swap_wide(_mm512_loadu_si512(data))),
                        _mm512_loadu_si512(power));
            carried = _mm512_setzero_si512();
        }
        if (take) {
            __mmask8 present = (__mmask8)((1 << 2 * take) - 1);
            __m512i x = gm_swap_wide(_mm512_maskz_loadu_epi64(present, data));
            gm_wide_add(&sum, _mm512_xor_si512(carried, x), _mm512_maskz_loadu_epi64(present, power));
            data += 16 * take;
        }
        carried = _mm512_zextsi128_si512(gm_wide_reduce(&sum));
    }
    _mm_storeu_si128((__m128i *)y, gm_swap_bytes(_mm512_castsi512_si128(carried)));
}
#undef TARGET
#endif

void gm_ghash_init(struct gm_ghash *g, const uint8_t h[16], size_t blocks)
{
    memcpy(g->h, h, 16);
#ifdef GM_X86
    unsigned most = blocks < MOST ? (unsigned)blocks : MOST;
    if (gm_cpu_has(GM_VPCLMUL))
        vpclmul_init(g, most);
    else if (gm_cpu_has(GM_PCLMUL))
        pclmul_init(g, most < 1 ? 1 : most < 8 ? most : 8);
#else
    (void)blocks;
#endif
}

void gm_ghash_blocks(const struct gm_ghash *g, uint8_t y[16], const uint8_t *data, size_t blocks)
{
#ifdef GM_X86
    if (gm_cpu_has(GM_VPCLMUL)) {
        vpclmul_blocks(g, y, data, blocks);
        return;
    }
    if (gm_cpu_has(GM_PCLMUL)) {
        pclmul_blocks(g, y, data, blocks);
        return;
    }
#endif
    integer_blocks(g, y, data, blocks);
}

void gm_ghash_padded(const struct gm_ghash *g, uint8_t y[16], const uint8_t *data, size_t size)
{
    uint8_t last[16] = {0};
    gm_ghash_blocks(g, y, data, size / 16);
    if (size % 16) {
        memcpy(last, data + size / 16 * 16, size % 16);
        gm_ghash_blocks(g, y, last, 1);
    }
}
