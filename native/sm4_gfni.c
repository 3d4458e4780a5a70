/* SM4 by GFNI on AVX-512: sixteen blocks in four vectors, four of those at a time; constant time, no table.
 *
 * The S-box is A*inv(A*x + c) + c in GF(2^8)/(x^8+x^7+x^6+x^5+x^4+x^2+1). With M the map of that field to the AES field,
 * which GFNI inverts in, all words are kept multiplied by T = M*A byte by byte, and the round keys as T*rk + M*c. A round
 * is then one inversion with the linear step merged in: L on bytes b0..b3 is
 *   b_i + b_i*4 + (b_{i+1} + b_{i+2})*(4 + 1/64) + b_{i+3} + b_{i+3}/64, products as shifts without carry,
 * so with P = T(1 + <<2)A/M, Q = T(1 + >>6)A/M and P + Q applied by the inversion itself only rotations by bytes remain.
 * Rotating a word by bytes commutes with T. Words stay in memory order, so nothing is swapped. */
#include "gm.h"

#ifdef GM_X86
#include "clmul.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,gfni,vpclmulqdq,pclmul,ssse3,sse4.1")))
#define INLINE TARGET __attribute__((always_inline)) static inline

#define MATRIX_T 0x4c287db91a22505dLL
#define MATRIX_T_INVERSE ((long long)0xb3a4f5863284728bULL)
#define MATRIX_P 0x040db891e9a481b7LL
#define MATRIX_Q 0x280fbcb4ff84c11aLL
#define MATRIX_PQ 0x2c020425162040adLL
#define MATRIX_S ((long long)0xf3ab34a974a6b589ULL) /* A/M, for the key schedule */
#define CONSTANT_IN 0x3e
#define CONSTANT_OUT 0x63
#define CONSTANT_S 0xd3


/* Bytes 1, 2, 3, 0 of each word and so on: the word rotated by 8, 16 and 24 bits */
#define ROTATE_8 0x0c0f0e0d, 0x080b0a09, 0x04070605, 0x00030201
#define ROTATE_16 0x0d0c0f0e, 0x09080b0a, 0x05040706, 0x01000302
#define ROTATE_24 0x0e0d0c0f, 0x0a09080b, 0x06050407, 0x02010003

/* ---- one word in a 128-bit register: key schedule, and modes whose blocks depend on one another ---- */

INLINE __m128i xor3_one(__m128i a, __m128i b, __m128i c) { return _mm_ternarylogic_epi32(a, b, c, 0x96); }

TARGET void gm_gfni_set_key(struct gm_sm4 *c, const uint8_t key[16])
{
    uint32_t *rk = c->schedule.words;
    __m128i k[4];
    for (int i = 0; i < 4; i++)
        k[i] = _mm_cvtsi32_si128((int)(gm_load32(key + 4 * i) ^ gm_sm4_fk[i]));
#pragma GCC unroll 32
    for (int i = 0; i < 32; i++) {
        __m128i b = xor3_one(k[(i + 1) & 3], k[(i + 2) & 3], k[(i + 3) & 3]);
        b = _mm_xor_si128(b, _mm_cvtsi32_si128((int)gm_sm4_ck(i)));
        b = _mm_gf2p8affine_epi64_epi8(b, _mm_set1_epi64x(MATRIX_T), CONSTANT_IN);
        b = _mm_gf2p8affineinv_epi64_epi8(b, _mm_set1_epi64x(MATRIX_S), CONSTANT_S);
        k[i & 3] = _mm_xor_si128(k[i & 3], xor3_one(b, _mm_rol_epi32(b, 13), _mm_rol_epi32(b, 23)));
        rk[i] = (uint32_t)_mm_cvtsi128_si32(k[i & 3]);
    }
    const __m512i swap = _mm512_broadcast_i32x4(_mm_set_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203));
    for (int i = 0; i < 32; i += 16) {
        __m512i words = _mm512_shuffle_epi8(_mm512_loadu_si512(rk + i), swap);
        words = _mm512_gf2p8affine_epi64_epi8(words, _mm512_set1_epi64(MATRIX_T), CONSTANT_IN);
        _mm512_storeu_si512(rk + i, words);
    }
    gm_wipe(k, sizeof k);
}

/* A block of the message in four registers, multiplied by T */
INLINE void spread(__m128i x[4], __m128i block)
{
    x[0] = _mm_gf2p8affine_epi64_epi8(block, _mm_set1_epi64x(MATRIX_T), 0);
    x[1] = _mm_shuffle_epi32(x[0], 0x55);
    x[2] = _mm_shuffle_epi32(x[0], 0xaa);
    x[3] = _mm_shuffle_epi32(x[0], 0xff);
}

/* The last four words, in reverse */
INLINE __m128i gathered(const __m128i x[4])
{
    __m128i block = _mm_unpacklo_epi64(_mm_unpacklo_epi32(x[3], x[2]), _mm_unpacklo_epi32(x[1], x[0]));
    return _mm_gf2p8affine_epi64_epi8(block, _mm_set1_epi64x(MATRIX_T_INVERSE), 0);
}

/* `next`, what the coming round inverts, is summed from what is known before the newest word, to which it adds `late` */
INLINE void rounds_one(__m128i x[4], const uint32_t *rk, int step)
{
    const __m128i r8 = _mm_set_epi32(ROTATE_8), r16 = _mm_set_epi32(ROTATE_16), r24 = _mm_set_epi32(ROTATE_24);
    __m128i next = _mm_xor_si128(xor3_one(x[1], x[2], _mm_set1_epi32((int)*rk)), x[3]);
#pragma GCC unroll 32
    for (int i = 0; i < 32; i++) {
        __m128i pq = _mm_gf2p8affineinv_epi64_epi8(next, _mm_set1_epi64x(MATRIX_PQ), 0);
        __m128i q = _mm_gf2p8affineinv_epi64_epi8(next, _mm_set1_epi64x(MATRIX_Q), 0);
        __m128i p = _mm_gf2p8affineinv_epi64_epi8(next, _mm_set1_epi64x(MATRIX_P), CONSTANT_OUT);
        __m128i late = xor3_one(_mm_shuffle_epi8(pq, r8), _mm_shuffle_epi8(pq, r16), _mm_shuffle_epi8(q, r24));
        if (i < 31) {
            rk += step;
            next = xor3_one(x[(i + 2) & 3], x[(i + 3) & 3], _mm_set1_epi32((int)*rk));
            next = _mm_xor_si128(xor3_one(next, x[i & 3], p), late);
        }
        x[i & 3] = xor3_one(x[i & 3], p, late);
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

/* ---- sixteen blocks in four 512-bit registers, word w of block 4e + l in element e of lane l of row w ---- */

#define CHAINS 4 /* groups of sixteen whose rounds interleave */
#define WIDE (16 * CHAINS)

struct group {
    __m512i x[4];
};

INLINE __m512i xor3(__m512i a, __m512i b, __m512i c) { return _mm512_ternarylogic_epi32(a, b, c, 0x96); }
INLINE __m512i lanes(__m128i x) { return _mm512_broadcast_i32x4(x); }

INLINE __m512i mixed(__m512i own, __m512i t)
{
    __m512i p = _mm512_gf2p8affineinv_epi64_epi8(t, _mm512_set1_epi64(MATRIX_P), CONSTANT_OUT);
    __m512i q = _mm512_gf2p8affineinv_epi64_epi8(t, _mm512_set1_epi64(MATRIX_Q), 0);
    __m512i pq = _mm512_gf2p8affineinv_epi64_epi8(t, _mm512_set1_epi64(MATRIX_PQ), 0);
    own = xor3(own, p, _mm512_shuffle_epi8(q, lanes(_mm_set_epi32(ROTATE_24))));
    return xor3(own, _mm512_shuffle_epi8(pq, lanes(_mm_set_epi32(ROTATE_8))),
                _mm512_shuffle_epi8(pq, lanes(_mm_set_epi32(ROTATE_16))));
}

INLINE void two_rounds(struct group *g, int chains, int i, const uint32_t *rk, int step)
{
    const __m512i first = _mm512_set1_epi32((int)rk[i * step]), second = _mm512_set1_epi32((int)rk[(i + 1) * step]);
    __m512i shared[CHAINS];
#pragma GCC unroll 4
    for (int j = 0; j < chains; j++)
        shared[j] = _mm512_xor_si512(g[j].x[(i + 2) & 3], g[j].x[(i + 3) & 3]);
#pragma GCC unroll 4
    for (int j = 0; j < chains; j++)
        g[j].x[i] = mixed(g[j].x[i], xor3(shared[j], g[j].x[i + 1], first));
#pragma GCC unroll 4
    for (int j = 0; j < chains; j++)
        g[j].x[i + 1] = mixed(g[j].x[i + 1], xor3(shared[j], g[j].x[i], second));
}

INLINE void four_rounds(struct group *g, int chains, const uint32_t *rk, int step)
{
    two_rounds(g, chains, 0, rk, step);
    two_rounds(g, chains, 2, rk, step);
}

INLINE void transpose(__m512i x[4])
{
    __m512i a = _mm512_unpacklo_epi32(x[0], x[1]), b = _mm512_unpackhi_epi32(x[0], x[1]);
    __m512i c = _mm512_unpacklo_epi32(x[2], x[3]), d = _mm512_unpackhi_epi32(x[2], x[3]);
    x[0] = _mm512_unpacklo_epi64(a, c);
    x[1] = _mm512_unpackhi_epi64(a, c);
    x[2] = _mm512_unpacklo_epi64(b, d);
    x[3] = _mm512_unpackhi_epi64(b, d);
}

/* From the last rows, in reverse, to four vectors of four blocks each */
INLINE void finish(struct group *g)
{
    __m512i rows[4] = {g->x[3], g->x[2], g->x[1], g->x[0]};
    transpose(rows);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        g->x[i] = _mm512_gf2p8affine_epi64_epi8(rows[i], _mm512_set1_epi64(MATRIX_T_INVERSE), 0);
}

/* The bytes of vector i that lie below the size */
INLINE __mmask64 part(size_t size, int i)
{
    size_t from = 64 * (size_t)i;
    return size >= from + 64 ? ~(__mmask64)0 : size > from ? ~(~(__mmask64)0 << (size - from)) : 0;
}

/* A batch of `chains` groups, the last of which may be partial; the output is added to `mask` when there is one */
INLINE void ecb_groups(const struct gm_sm4 *c, const uint8_t *in, uint8_t *out, size_t size, int encrypt,
                       const uint8_t *mask, int chains)
{
    const uint32_t *rk = c->schedule.words + (encrypt ? 0 : 31);
    int step = encrypt ? 1 : -1;
    struct group g[CHAINS];
#pragma GCC unroll 4
    for (int j = 0; j < chains; j++) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            g[j].x[i] = _mm512_gf2p8affine_epi64_epi8(
                _mm512_maskz_loadu_epi8(part(size, 4 * j + i), in + 256 * j + 64 * i), _mm512_set1_epi64(MATRIX_T), 0);
        transpose(g[j].x);
    }
    for (int i = 0; i < 8; i++, rk += 4 * step)
        four_rounds(g, chains, rk, step);
#pragma GCC unroll 4
    for (int j = 0; j < chains; j++) {
        finish(&g[j]);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            __mmask64 present = part(size, 4 * j + i);
            if (mask)
                g[j].x[i] = _mm512_xor_si512(g[j].x[i], _mm512_maskz_loadu_epi8(present, mask + 256 * j + 64 * i));
            _mm512_mask_storeu_epi8(out + 256 * j + 64 * i, present, g[j].x[i]);
        }
    }
}

TARGET static void ecb_run(const struct gm_sm4 *c, const uint8_t *in, uint8_t *out, size_t size, int encrypt,
                           const uint8_t *mask)
{
    while (size > 8 * WIDE) {
        size_t take = size < 16 * WIDE ? size : 16 * WIDE;
        ecb_groups(c, in, out, take, encrypt, mask, 4);
        in += take, out += take, size -= take;
        mask += mask ? take : 0;
    }
    if (size > 4 * WIDE)
        ecb_groups(c, in, out, size, encrypt, mask, 2);
    else if (size > 16)
        ecb_groups(c, in, out, size, encrypt, mask, 1);
    else if (size && !mask)
        ecb_one(c, in, out, encrypt);
    else if (size)
        ecb_groups(c, in, out, size, encrypt, mask, 1);
}

void gm_gfni_ecb(const struct gm_sm4 *c, const uint8_t *in, uint8_t *out, size_t blocks, int encrypt)
{
    ecb_run(c, in, out, 16 * blocks, encrypt, NULL);
}

void gm_gfni_cbc(const struct gm_sm4 *c, uint8_t iv[16], const uint8_t *in, uint8_t *out, size_t blocks, int encrypt)
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

/* Groups of counters from `low` on, whose last 32 bits wrap, as GCM wants it */
INLINE void count(struct group *g, int chains, __m512i high[3], uint32_t low)
{
    const __m512i order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    const __m512i swap = lanes(_mm_set_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203));
#pragma GCC unroll 4
    for (int j = 0; j < chains; j++) {
        __m512i counters = _mm512_add_epi32(order, _mm512_set1_epi32((int)(low + 16 * (uint32_t)j)));
        g[j].x[3] = _mm512_gf2p8affine_epi64_epi8(_mm512_shuffle_epi8(counters, swap), _mm512_set1_epi64(MATRIX_T), 0);
#pragma GCC unroll 3
        for (int i = 0; i < 3; i++)
            g[j].x[i] = high[i];
    }
}

INLINE void set_high(__m512i high[3], const uint8_t counter[16])
{
    for (int i = 0; i < 3; i++) {
        int word;
        memcpy(&word, counter + 4 * i, 4);
        high[i] = _mm512_gf2p8affine_epi64_epi8(_mm512_set1_epi32(word), _mm512_set1_epi64(MATRIX_T), 0);
    }
}

INLINE void ctr_groups(const struct gm_sm4 *c, __m512i high[3], uint32_t low, const uint8_t *in, uint8_t *out,
                       size_t size, int chains)
{
    const uint32_t *rk = c->schedule.words;
    struct group g[CHAINS];
    count(g, chains, high, low);
    for (int i = 0; i < 8; i++, rk += 4)
        four_rounds(g, chains, rk, 1);
#pragma GCC unroll 4
    for (int j = 0; j < chains; j++) {
        finish(&g[j]);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            __mmask64 mask = part(size, 4 * j + i);
            __m512i data = _mm512_maskz_loadu_epi8(mask, in + 256 * j + 64 * i);
            _mm512_mask_storeu_epi8(out + 256 * j + 64 * i, mask, _mm512_xor_si512(data, g[j].x[i]));
        }
    }
}

/* Counters that do not pass 2^32 */
TARGET static void ctr_run(const struct gm_sm4 *c, const uint8_t counter[16], const uint8_t *in, uint8_t *out,
                           size_t size)
{
    uint32_t low = gm_load32(counter + 12);
    __m512i high[3];
    set_high(high, counter);
    for (; size >= 16 * WIDE; size -= 16 * WIDE, in += 16 * WIDE, out += 16 * WIDE, low += WIDE)
        ctr_groups(c, high, low, in, out, 16 * WIDE, 4);
    if (size > 8 * WIDE)
        ctr_groups(c, high, low, in, out, size, 4);
    else if (size > 4 * WIDE)
        ctr_groups(c, high, low, in, out, size, 2);
    else if (size)
        ctr_groups(c, high, low, in, out, size, 1);
}

void gm_gfni_ctr(const struct gm_sm4 *c, uint8_t counter[16], int bits, const uint8_t *in, uint8_t *out, size_t size)
{
    while (size) {
        uint64_t left = ((uint64_t)1 << 32) - gm_load32(counter + 12);
        size_t take = (size + 15) / 16 <= left ? size : 16 * (size_t)left;
        ctr_run(c, counter, in, out, take);
        gm_sm4_count(counter, bits, (take + 15) / 16);
        in += take, out += take, size -= take;
    }
}

/* Counter mode and GHASH in one pass, a batch of WIDE blocks a turn: `hashed`, the batch before when encrypting or the one
 * read when decrypting, is multiplied in while the rounds run. */
INLINE void gcm_turn(const struct gm_sm4 *c, __m512i high[3], uint32_t low, const uint8_t *in, uint8_t *out,
                     const uint8_t *hashed, const uint8_t (*powers)[16], __m128i *y)
{
    const uint32_t *rk = c->schedule.words;
    struct gm_wide sum = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    __m512i carried = _mm512_zextsi128_si512(*y);
    struct group g[CHAINS];
    count(g, CHAINS, high, low);
    for (int i = 0; i < 8; i++, rk += 4, hashed += 128, powers += 8) {
        gm_wide_add(&sum, _mm512_xor_si512(carried, gm_swap_wide(_mm512_loadu_si512(hashed))),
                    _mm512_loadu_si512(powers));
        carried = _mm512_setzero_si512();
        two_rounds(g, CHAINS, 0, rk, 1);
        gm_wide_add(&sum, gm_swap_wide(_mm512_loadu_si512(hashed + 64)), _mm512_loadu_si512(powers + 4));
        two_rounds(g, CHAINS, 2, rk, 1);
    }
    *y = gm_wide_reduce(&sum);
#pragma GCC unroll 4
    for (int j = 0; j < CHAINS; j++) {
        finish(&g[j]);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            __m512i data = _mm512_loadu_si512(in + 256 * j + 64 * i);
            _mm512_storeu_si512(out + 256 * j + 64 * i, _mm512_xor_si512(data, g[j].x[i]));
        }
    }
}

TARGET size_t gm_gfni_gcm(const struct gm_sm4 *c, const struct gm_ghash *h, uint8_t counter[16], uint8_t y[16],
                          const uint8_t *in, uint8_t *out, size_t size, int encrypt)
{
    const size_t turn = 16 * WIDE;
    uint32_t low = gm_load32(counter + 12);
    size_t turns = size / turn, done = 0;
    if (turns < 2 || h->count < WIDE)
        return 0;
    __m128i sum = gm_swap_bytes(_mm_loadu_si128((const __m128i *)y));
    __m512i high[3];
    set_high(high, counter);
    if (encrypt) {
        ctr_groups(c, high, low, in, out, turn, CHAINS);
        done = turn, low += WIDE;
    }
    for (; done < turns * turn; done += turn, low += WIDE)
        gcm_turn(c, high, low, in + done, out + done, encrypt ? out + done - turn : in + done, h->powers, &sum);
    _mm_storeu_si128((__m128i *)y, gm_swap_bytes(sum));
    if (encrypt)
        gm_ghash_blocks(h, y, out + done - turn, WIDE);
    gm_store32(counter + 12, low);
    return done;
}
#endif
