/* SM3 of one message on AVX2 and BMI2: the message is expanded four words at a time in vectors beside the rounds, which
 * wait for one another in general registers. */
#include "gm.h"
#include "sm3_constants.h"

#ifdef GM_X86
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,bmi,bmi2")))
#define INLINE TARGET __attribute__((always_inline)) static inline

INLINE uint32_t rotl(uint32_t x, unsigned n) { return x << n | x >> (32 - n); }
INLINE __m128i rotate(__m128i x, int n) { return _mm_or_si128(_mm_slli_epi32(x, n), _mm_srli_epi32(x, 32 - n)); }
INLINE __m128i xor3(__m128i a, __m128i b, __m128i c) { return _mm_xor_si128(_mm_xor_si128(a, b), c); }

/* W_16 .. W_19 from W_0 .. W_15. The last of them needs the first: it is completed by what that one adds, as P1 is
 * linear. */
INLINE __m128i expand(const __m128i x[4])
{
    __m128i t = xor3(x[0], _mm_alignr_epi8(x[2], x[1], 12), rotate(_mm_srli_si128(x[3], 4), 15));
    t = xor3(t, rotate(t, 15), rotate(t, 23));
    t = xor3(t, rotate(_mm_alignr_epi8(x[1], x[0], 12), 7), _mm_alignr_epi8(x[3], x[2], 8));
    __m128i first = _mm_slli_si128(t, 12);
    return xor3(t, rotate(first, 15), _mm_xor_si128(rotate(first, 30), rotate(first, 6)));
}

#define FF0(sum, x, y, z)                                                                                             \
    sum += (x) ^ ((y) ^ (z));                                                                                         \
    SETTLE(sum)
#define GG0 FF0
/* The two terms have no bit in common: their sum is what the standard combines by OR */
#define FF1(sum, x, y, z)                                                                                             \
    sum += (y) & (z);                                                                                                 \
    SETTLE(sum);                                                                                                      \
    sum += ((y) ^ (z)) & (x);                                                                                         \
    SETTLE(sum)
#define GG1(sum, x, y, z)                                                                                             \
    sum += (x) & (y);                                                                                                 \
    SETTLE(sum);                                                                                                      \
    sum += _andn_u32(x, z);                                                                                              \
    SETTLE(sum)

/* Keeps the compiler from summing in another order, in which the rounds would wait longer */
#define SETTLE(x) __asm__("" : "+r"(x))

#define ROUND(A, B, C, D, E, F, G, H, FF, GG, j)                                                                      \
    do {                                                                                                              \
        uint32_t ready = E + gm_sm3_constants[j], a12 = rotl(A, 12);                                                  \
        SETTLE(ready);                                                                                                \
        uint32_t ss1 = rotl(a12 + ready, 7);                                                                          \
        D += sums[(j) & 3];                                                                                           \
        H += words[(j) & 3];                                                                                          \
        FF(D, A, B, C);                                                                                               \
        GG(H, E, F, G);                                                                                               \
        H += ss1;                                                                                                     \
        D += ss1 ^ a12;                                                                                               \
        B = rotl(B, 9);                                                                                               \
        F = rotl(F, 19);                                                                                              \
        H = H ^ rotl(H, 9) ^ rotl(H, 17);                                                                             \
    } while (0)

/* Four rounds with x[0] and x[0] ^ x[1]; then the vectors move on */
#define FOUR(FF, GG, j)                                                                                               \
    do {                                                                                                              \
        uint32_t words[4], sums[4];                                                                                   \
        _mm_storeu_si128((__m128i *)words, x[0]);                                                                     \
        _mm_storeu_si128((__m128i *)sums, _mm_xor_si128(x[0], x[1]));                                                 \
        __asm__("" : "+m"(words), "+m"(sums)); /* one load each is less than taking vectors apart */                   \
        __m128i next = (j) < 52 ? expand(x) : x[3];                                                                   \
        ROUND(a, b, c, d, e, f, g, h, FF, GG, j);                                                                     \
        ROUND(d, a, b, c, h, e, f, g, FF, GG, j + 1);                                                                 \
        ROUND(c, d, a, b, g, h, e, f, FF, GG, j + 2);                                                                 \
        ROUND(b, c, d, a, f, g, h, e, FF, GG, j + 3);                                                                 \
        x[0] = x[1], x[1] = x[2], x[2] = x[3], x[3] = next;                                                           \
    } while (0)

TARGET void gm_avx2_sm3(uint32_t v[8], const uint8_t *data, size_t blocks)
{
    const __m128i swap = _mm_set_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203);
    for (; blocks; blocks--, data += 64) {
        uint32_t a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], f = v[5], g = v[6], h = v[7];
        __m128i x[4];
        for (int i = 0; i < 4; i++)
            x[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)data + i), swap);
        FOUR(FF0, GG0, 0);
        FOUR(FF0, GG0, 4);
        FOUR(FF0, GG0, 8);
        FOUR(FF0, GG0, 12);
        FOUR(FF1, GG1, 16);
        FOUR(FF1, GG1, 20);
        FOUR(FF1, GG1, 24);
        FOUR(FF1, GG1, 28);
        FOUR(FF1, GG1, 32);
        FOUR(FF1, GG1, 36);
        FOUR(FF1, GG1, 40);
        FOUR(FF1, GG1, 44);
        FOUR(FF1, GG1, 48);
        FOUR(FF1, GG1, 52);
        FOUR(FF1, GG1, 56);
        FOUR(FF1, GG1, 60);
        v[0] ^= a, v[1] ^= b, v[2] ^= c, v[3] ^= d, v[4] ^= e, v[5] ^= f, v[6] ^= g, v[7] ^= h;
    }
}
#endif
