/* Carry-less products of GHASH for the kernels that share them. Blocks are byte-reversed; one factor, a power of H, is
 * kept multiplied by x, so that the product needs no shift. */
#ifndef GM_CLMUL_H
#define GM_CLMUL_H

#include <immintrin.h>

#define CLMUL_TARGET __attribute__((target("pclmul,ssse3,sse4.1"), always_inline)) static inline
#define VPCLMUL_TARGET                                                                                                \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,vpclmulqdq,pclmul,ssse3,sse4.1"), always_inline))      \
    static inline

CLMUL_TARGET __m128i gm_swap_bytes(__m128i x)
{
    return _mm_shuffle_epi8(x, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

/* The 256-bit sum low + middle * x^64 + high * x^128, mod the polynomial */
CLMUL_TARGET __m128i gm_clmul_reduce(__m128i low, __m128i middle, __m128i high)
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

/* Four sums of products side by side */
struct gm_wide {
    __m512i low, middle, high;
};

VPCLMUL_TARGET __m512i gm_swap_wide(__m512i x)
{
    return _mm512_shuffle_epi8(
        x, _mm512_broadcast_i32x4(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)));
}

VPCLMUL_TARGET void gm_wide_add(struct gm_wide *sum, __m512i x, __m512i h)
{
    sum->low = _mm512_xor_si512(sum->low, _mm512_clmulepi64_epi128(x, h, 0x00));
    sum->high = _mm512_xor_si512(sum->high, _mm512_clmulepi64_epi128(x, h, 0x11));
    sum->middle = _mm512_ternarylogic_epi64(sum->middle, _mm512_clmulepi64_epi128(x, h, 0x01),
                                            _mm512_clmulepi64_epi128(x, h, 0x10), 0x96);
}

VPCLMUL_TARGET __m128i gm_fold(__m512i x)
{
    __m256i half = _mm256_xor_si256(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
    return _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

VPCLMUL_TARGET __m128i gm_wide_reduce(const struct gm_wide *sum)
{
    return gm_clmul_reduce(gm_fold(sum->low), gm_fold(sum->middle), gm_fold(sum->high));
}

#endif
