/* SM4 in the further modes of GB/T 17964-2021: CFB, OFB, BC, OFBNLF, XTS and HCTR, over an engine's blocks. */
#include "gm.h"

#define STEP 64 /* blocks at a time, where they do not depend on one another */

static void mix(uint8_t *out, const uint8_t *a, const uint8_t *b, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = a[i] ^ b[i];
}

void gm_sm4_cfb(const struct gm_engine *engine, const uint8_t key[16], const uint8_t iv[16], const uint8_t *in,
                uint8_t *out, size_t size, int encrypt)
{
    struct gm_sm4 cipher;
    uint8_t stream[16 * STEP], last[16];
    engine->sm4_set_key(&cipher, key);
    memcpy(last, iv, 16);
    while (size) {
        size_t most = encrypt ? 16 : sizeof stream, take = size < most ? size : most, blocks = (take + 15) / 16;
        memcpy(stream, last, 16);
        if (blocks > 1)
            memcpy(stream + 16, in, 16 * (blocks - 1));
        if (!encrypt && take == 16 * blocks)
            memcpy(last, in + take - 16, 16);
        engine->sm4_ecb(&cipher, stream, stream, blocks, 1);
        mix(out, in, stream, take);
        if (encrypt && take == 16)
            memcpy(last, out, 16);
        in += take, out += take, size -= take;
    }
    gm_wipe(stream, sizeof stream);
    gm_wipe(&cipher, sizeof cipher);
}

void gm_sm4_ofb(const struct gm_engine *engine, const uint8_t key[16], const uint8_t iv[16], const uint8_t *in,
                uint8_t *out, size_t size)
{
    struct gm_sm4 cipher;
    uint8_t stream[16];
    engine->sm4_set_key(&cipher, key);
    memcpy(stream, iv, 16);
    while (size) {
        size_t take = size < 16 ? size : 16;
        engine->sm4_ecb(&cipher, stream, stream, 1, 1);
        mix(out, in, stream, take);
        in += take, out += take, size -= take;
    }
    gm_wipe(stream, sizeof stream);
    gm_wipe(&cipher, sizeof cipher);
}

/* Block chaining: the sum of the IV and all ciphertext blocks so far goes into the next block */
void gm_sm4_bc(const struct gm_engine *engine, const uint8_t key[16], const uint8_t iv[16], const uint8_t *in,
               uint8_t *out, size_t blocks, int encrypt)
{
    struct gm_sm4 cipher;
    uint8_t work[16 * STEP], sum[16];
    engine->sm4_set_key(&cipher, key);
    memcpy(sum, iv, 16);
    while (blocks) {
        size_t take = encrypt ? 1 : blocks < STEP ? blocks : STEP;
        if (encrypt) {
            mix(work, in, sum, 16);
            engine->sm4_ecb(&cipher, work, out, 1, 1);
            mix(sum, sum, out, 16);
        } else {
            engine->sm4_ecb(&cipher, in, work, take, 0);
            for (size_t i = 0; i < take; i++) {
                mix(out + 16 * i, work + 16 * i, sum, 16);
                mix(sum, sum, in + 16 * i, 16);
            }
        }
        in += 16 * take, out += 16 * take, blocks -= take;
    }
    gm_wipe(work, sizeof work);
    gm_wipe(&cipher, sizeof cipher);
}

/* Output feedback with a nonlinear function: every block has its own key, the next output of OFB */
void gm_sm4_ofbnlf(const struct gm_engine *engine, const uint8_t key[16], const uint8_t iv[16], const uint8_t *in,
                   uint8_t *out, size_t blocks, int encrypt)
{
    struct gm_sm4 cipher, once;
    uint8_t next[16];
    engine->sm4_set_key(&cipher, key);
    memcpy(next, iv, 16);
    for (; blocks; blocks--, in += 16, out += 16) {
        engine->sm4_ecb(&cipher, next, next, 1, 1);
        engine->sm4_set_key(&once, next);
        engine->sm4_ecb(&once, in, out, 1, encrypt);
    }
    gm_wipe(next, sizeof next);
    gm_wipe(&once, sizeof once);
    gm_wipe(&cipher, sizeof cipher);
}

/* Times x in GF(2^128): GB/T 17964 takes the first bit of a block as the coefficient of 1, IEEE 1619 the lowest bit
 * of the first byte */
static void twice(uint8_t t[16], int gb)
{
    if (gb) {
        uint64_t high = gm_load64(t), low = gm_load64(t + 8), carry = 0 - (low & 1);
        gm_store64(t + 8, low >> 1 | high << 63);
        gm_store64(t, high >> 1 ^ (carry & (uint64_t)0xe1 << 56));
        return;
    }
    uint8_t carry = 0;
    for (int i = 0; i < 16; i++) {
        uint8_t out = t[i] >> 7;
        t[i] = (uint8_t)(t[i] << 1 | carry);
        carry = out;
    }
    t[0] ^= (uint8_t)(0 - carry) & 0x87;
}

static void xts_block(const struct gm_engine *engine, const struct gm_sm4 *cipher, const uint8_t t[16],
                      const uint8_t in[16], uint8_t out[16], int encrypt)
{
    uint8_t work[16];
    mix(work, in, t, 16);
    engine->sm4_ecb(cipher, work, work, 1, encrypt);
    mix(out, work, t, 16);
    gm_wipe(work, sizeof work);
}

void gm_sm4_xts(const struct gm_engine *engine, const uint8_t key[32], const uint8_t tweak[16], const uint8_t *in,
                uint8_t *out, size_t size, int gb, int encrypt)
{
    struct gm_sm4 cipher;
    uint8_t t[16], tweaks[16 * STEP], work[16 * STEP];
    size_t tail = size % 16, blocks = size / 16 - (tail != 0);
    engine->sm4_set_key(&cipher, key + 16);
    engine->sm4_ecb(&cipher, tweak, t, 1, 1);
    engine->sm4_set_key(&cipher, key);
    while (blocks) {
        size_t take = blocks < STEP ? blocks : STEP;
        for (size_t i = 0; i < take; i++) {
            memcpy(tweaks + 16 * i, t, 16);
            twice(t, gb);
        }
        mix(work, in, tweaks, 16 * take);
        engine->sm4_ecb(&cipher, work, work, take, encrypt);
        mix(out, work, tweaks, 16 * take);
        in += 16 * take, out += 16 * take, blocks -= take;
    }
    if (tail) {
        /* Ciphertext stealing: the last whole block and the tail, whose tweaks decryption takes in the other order */
        uint8_t after[16], whole[16], last[16];
        memcpy(after, t, 16);
        twice(after, gb);
        xts_block(engine, &cipher, encrypt ? t : after, in, whole, encrypt);
        memcpy(last, in + 16, tail);
        memcpy(last + tail, whole + tail, 16 - tail);
        memcpy(out + 16, whole, tail);
        xts_block(engine, &cipher, encrypt ? after : t, last, out, encrypt);
        gm_wipe(whole, sizeof whole);
        gm_wipe(last, sizeof last);
        gm_wipe(after, sizeof after);
    }
    gm_wipe(t, sizeof t);
    gm_wipe(tweaks, sizeof tweaks);
    gm_wipe(work, sizeof work);
    gm_wipe(&cipher, sizeof cipher);
}

/* The universal hash of HCTR: GHASH over data||tweak, padded with zeros, then its length in bits */
static void hctr_hash(const struct gm_ghash *g, const uint8_t *data, size_t size, const uint8_t tweak[16],
                      uint8_t out[16])
{
    uint8_t rest[48] = {0};
    size_t tail = size % 16;
    memset(out, 0, 16);
    gm_ghash_blocks(g, out, data, size / 16);
    if (tail)
        memcpy(rest, data + size - tail, tail);
    memcpy(rest + tail, tweak, 16);
    size_t blocks = tail ? 2 : 1;
    gm_store64(rest + 16 * blocks + 8, ((uint64_t)size + 16) * 8);
    gm_ghash_blocks(g, out, rest, blocks + 1);
    gm_wipe(rest, sizeof rest);
}

/* Counter mode of HCTR: block i of the stream is E(s XOR i), i from 1 */
static void hctr_stream(const struct gm_engine *engine, const struct gm_sm4 *cipher, const uint8_t s[16],
                        const uint8_t *in, uint8_t *out, size_t size)
{
    uint8_t stream[16 * STEP];
    uint64_t low = gm_load64(s + 8);
    for (uint64_t counter = 1; size;) {
        size_t take = size < sizeof stream ? size : sizeof stream, blocks = (take + 15) / 16;
        for (size_t i = 0; i < blocks; i++, counter++) {
            memcpy(stream + 16 * i, s, 8);
            gm_store64(stream + 16 * i + 8, low ^ counter);
        }
        engine->sm4_ecb(cipher, stream, stream, blocks, 1);
        mix(out, in, stream, take);
        in += take, out += take, size -= take;
    }
    gm_wipe(stream, sizeof stream);
}

void gm_sm4_hctr(const struct gm_engine *engine, const uint8_t key[16], const uint8_t hash_key[16],
                 const uint8_t tweak[16], const uint8_t *in, uint8_t *out, size_t size, int encrypt)
{
    struct gm_sm4 cipher;
    struct gm_ghash hash;
    uint8_t before[16], after[16], s[16];
    engine->sm4_set_key(&cipher, key);
    gm_ghash_init(&hash, hash_key, size / 16);
    hctr_hash(&hash, in + 16, size - 16, tweak, before);
    mix(before, before, in, 16);
    engine->sm4_ecb(&cipher, before, after, 1, encrypt);
    mix(s, before, after, 16);
    hctr_stream(engine, &cipher, s, in + 16, out + 16, size - 16);
    hctr_hash(&hash, out + 16, size - 16, tweak, before);
    mix(out, after, before, 16);
    gm_wipe(before, sizeof before);
    gm_wipe(after, sizeof after);
    gm_wipe(s, sizeof s);
    gm_wipe(&hash, sizeof hash);
    gm_wipe(&cipher, sizeof cipher);
}
