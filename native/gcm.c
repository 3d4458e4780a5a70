/* SM4-GCM (GB/T 36624, NIST SP 800-38D): an engine's counter mode with GHASH, step by step while data is in cache. */
#include "gm.h"

#define STEP 8192

void gm_gcm_set_key(struct gm_gcm *g, const struct gm_engine *engine, const uint8_t key[16], size_t blocks)
{
    uint8_t h[16] = {0};
    g->engine = engine;
    engine->sm4_set_key(&g->cipher, key);
    engine->sm4_ecb(&g->cipher, h, h, 1, 1);
    gm_ghash_init(&g->hash, h, blocks);
    gm_wipe(h, sizeof h);
}

static void begin(const struct gm_gcm *g, struct gm_bytes nonce, struct gm_bytes aad, uint8_t counter[16],
                  uint8_t mask[16], uint8_t y[16])
{
    memset(y, 0, 16);
    if (nonce.size == 12) {
        memcpy(counter, nonce.data, 12);
        gm_store32(counter + 12, 1);
    } else {
        uint8_t lengths[16] = {0};
        gm_store64(lengths + 8, (uint64_t)nonce.size * 8);
        gm_ghash_padded(&g->hash, y, nonce.data, nonce.size);
        gm_ghash_blocks(&g->hash, y, lengths, 1);
        memcpy(counter, y, 16);
        memset(y, 0, 16);
    }
    g->engine->sm4_ecb(&g->cipher, counter, mask, 1, 1);
    gm_sm4_count(counter, 32, 1);
    gm_ghash_padded(&g->hash, y, aad.data, aad.size);
}

static void stream(const struct gm_gcm *g, uint8_t counter[16], uint8_t y[16], struct gm_bytes in, uint8_t *out,
                   int encrypt)
{
    const struct gm_engine *engine = g->engine;
    size_t done = engine->sm4_gcm ? engine->sm4_gcm(&g->cipher, &g->hash, counter, y, in.data, out, in.size, encrypt) : 0;
    while (done < in.size) {
        size_t take = in.size - done < STEP ? in.size - done : STEP;
        if (!encrypt)
            gm_ghash_padded(&g->hash, y, in.data + done, take);
        engine->sm4_ctr(&g->cipher, counter, 32, in.data + done, out + done, take);
        if (encrypt)
            gm_ghash_padded(&g->hash, y, out + done, take);
        done += take;
    }
}

static void finish(const struct gm_gcm *g, uint8_t y[16], size_t aad_size, size_t size, const uint8_t mask[16],
                   uint8_t tag[16])
{
    uint8_t lengths[16];
    gm_store64(lengths, (uint64_t)aad_size * 8);
    gm_store64(lengths + 8, (uint64_t)size * 8);
    gm_ghash_blocks(&g->hash, y, lengths, 1);
    for (int i = 0; i < 16; i++)
        tag[i] = y[i] ^ mask[i];
}

void gm_gcm_encrypt(const struct gm_gcm *g, struct gm_bytes nonce, struct gm_bytes aad, struct gm_bytes in,
                    uint8_t *out, uint8_t tag[16])
{
    uint8_t counter[16], mask[16], y[16];
    begin(g, nonce, aad, counter, mask, y);
    stream(g, counter, y, in, out, 1);
    finish(g, y, aad.size, in.size, mask, tag);
}

int gm_gcm_decrypt(const struct gm_gcm *g, struct gm_bytes nonce, struct gm_bytes aad, struct gm_bytes in,
                   uint8_t *out, const uint8_t *tag, size_t tag_size)
{
    uint8_t counter[16], mask[16], y[16], expected[16];
    begin(g, nonce, aad, counter, mask, y);
    stream(g, counter, y, in, out, 0);
    finish(g, y, aad.size, in.size, mask, expected);
    int good = gm_equal(expected, tag, tag_size);
    gm_wipe(expected, sizeof expected);
    if (!good)
        gm_wipe(out, in.size);
    return good;
}
