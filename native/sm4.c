/* SM4 (GB/T 32907) without tables: bit-sliced, constant time. */
#include "gm.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the bit-sliced SM4 is written for little-endian machines"
#endif

typedef uint64_t lane1;
typedef uint64_t lane2 __attribute__((vector_size(16)));
typedef uint64_t lane4 __attribute__((vector_size(32)));

#define V lane2
#define NAME(x) plain_##x
#define TARGET
#include "sm4_slices.h"

#define V lane1
#define NAME(x) word_##x
#define TARGET
#include "sm4_slices.h"

#ifdef GM_X86
#define V lane4
#define NAME(x) avx2_##x
#define TARGET __attribute__((target("avx2")))
#include "sm4_slices.h"
#endif

const uint32_t gm_sm4_fk[4] = {0xa3b1bac6, 0x56aa3350, 0x677d9197, 0xb27022dc};

static inline uint32_t rotl(uint32_t x, int n) { return x << n | x >> (32 - n); }

/* The S-box on the four bytes of a word, by the same circuit */
static uint32_t tau(uint32_t a)
{
    uint64_t slices[8];
    for (int i = 0; i < 8; i++)
        slices[i] = a >> i & 0x01010101;
    word_sbox(slices);
    a = 0;
    for (int i = 0; i < 8; i++)
        a |= ((uint32_t)slices[i] & 0x01010101) << i;
    return a;
}

void gm_sm4_set_key(struct gm_sm4 *c, const uint8_t key[16])
{
    uint32_t k[4];
    for (int i = 0; i < 4; i++)
        k[i] = gm_load32(key + 4 * i) ^ gm_sm4_fk[i];
    for (int i = 0; i < 32; i++) {
        uint32_t b = tau(k[(i + 1) & 3] ^ k[(i + 2) & 3] ^ k[(i + 3) & 3] ^ gm_sm4_ck(i));
        uint32_t rk = k[i & 3] ^= b ^ rotl(b, 13) ^ rotl(b, 23);
        for (int bit = 0; bit < 8; bit++) {
            uint64_t slice = 0;
            for (int p = 0; p < 4; p++)
                slice |= ((uint64_t)0 - (rk >> (24 - 8 * p + bit) & 1)) >> 48 << 16 * p;
            c->schedule.slices[i][bit] = slice;
        }
    }
    gm_wipe(k, sizeof k);
}

void gm_sm4_ecb(const struct gm_sm4 *c, const uint8_t *in, uint8_t *out, size_t blocks, int encrypt)
{
    if (blocks <= 16) {
        word_ecb(c->schedule.slices, in, out, blocks, encrypt);
        return;
    }
#ifdef GM_X86
    if (gm_cpu_has(GM_AVX2)) {
        avx2_ecb(c->schedule.slices, in, out, blocks, encrypt);
        return;
    }
#endif
    plain_ecb(c->schedule.slices, in, out, blocks, encrypt);
}

void gm_sm4_count(uint8_t counter[16], int bits, uint64_t blocks)
{
    uint64_t high = gm_load64(counter), low = gm_load64(counter + 8), sum = low + blocks;
    if (bits == 32)
        sum = (low & ~(uint64_t)0xffffffff) | (uint32_t)sum;
    else
        gm_store64(counter, high + (sum < low));
    gm_store64(counter + 8, sum);
}

#define STEP 64 /* blocks: four lanes full */

void gm_sm4_ctr(const struct gm_sm4 *c, uint8_t counter[16], int bits, const uint8_t *in, uint8_t *out, size_t size)
{
    uint8_t stream[16 * STEP];
    uint64_t high = gm_load64(counter), low = gm_load64(counter + 8);
    while (size) {
        size_t take = size < sizeof stream ? size : sizeof stream;
        size_t blocks = (take + 15) / 16;
        for (size_t i = 0; i < blocks; i++) {
            gm_store64(stream + 16 * i, high);
            gm_store64(stream + 16 * i + 8, low);
            if (bits == 32)
                low = (low & ~(uint64_t)0xffffffff) | (uint32_t)(low + 1);
            else
                high += ++low == 0;
        }
        gm_sm4_ecb(c, stream, stream, blocks, 1);
        for (size_t i = 0; i < take; i++)
            out[i] = in[i] ^ stream[i];
        in += take, out += take, size -= take;
    }
    gm_store64(counter, high);
    gm_store64(counter + 8, low);
    gm_wipe(stream, sizeof stream);
}

void gm_sm4_cbc(const struct gm_sm4 *c, uint8_t iv[16], const uint8_t *in, uint8_t *out, size_t blocks, int encrypt)
{
    uint8_t work[16 * STEP];
    if (encrypt) {
        for (; blocks; blocks--, in += 16, out += 16) {
            for (int i = 0; i < 16; i++)
                iv[i] ^= in[i];
            gm_sm4_ecb(c, iv, iv, 1, 1);
            memcpy(out, iv, 16);
        }
        return;
    }
    while (blocks) {
        size_t take = blocks < STEP ? blocks : STEP;
        gm_sm4_ecb(c, in, work, take, 0);
        for (size_t i = 0; i < 16; i++)
            work[i] ^= iv[i];
        for (size_t i = 16; i < 16 * take; i++)
            work[i] ^= in[i - 16];
        memcpy(iv, in + 16 * (take - 1), 16);
        memcpy(out, work, 16 * take);
        in += 16 * take, out += 16 * take, blocks -= take;
    }
    gm_wipe(work, sizeof work);
}
