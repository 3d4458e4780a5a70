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

/* The tag that belongs to the ciphertext; `encrypt`: which of in and out that is */
static void one(const struct gm_gcm *g, const struct gm_gcm_item *item, int encrypt, uint8_t tag[16])
{
    uint8_t counter[16], mask[16], y[16];
    begin(g, item->nonce, item->aad, counter, mask, y);
    stream(g, counter, y, item->in, item->out, encrypt);
    finish(g, y, item->aad.size, item->in.size, mask, tag);
}

/* ---- many small messages: their counters fill the cipher's lanes, and each is hashed in one sum ---- */

#define LANES 64
#define SMALL 240 /* bytes of data, and of associated data: 15 blocks */

static int is_small(const struct gm_gcm_item *item)
{
    return item->nonce.size == 12 && item->in.size <= SMALL && item->aad.size <= SMALL;
}

static size_t blocks_of(size_t size) { return (size + 15) / 16; }

static void copy_padded(uint8_t *to, struct gm_bytes from)
{
    if (from.size % 16)
        memset(to + from.size / 16 * 16, 0, 16);
    if (from.size)
        memcpy(to, from.data, from.size);
}

static void mix(uint8_t *out, const uint8_t *in, const uint8_t *mask, size_t size)
{
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t a, b;
        memcpy(&a, in + i, 8);
        memcpy(&b, mask + i, 8);
        a ^= b;
        memcpy(out + i, &a, 8);
    }
    for (; i < size; i++)
        out[i] = in[i] ^ mask[i];
}

/* stream: the block that masks the tag, then those for the data */
static void small(const struct gm_gcm *g, const struct gm_gcm_item *item, int encrypt, const uint8_t *stream,
                  uint8_t tag[16])
{
    uint8_t text[2 * SMALL + 16], *end = text;
    copy_padded(text, item->aad);
    end += 16 * blocks_of(item->aad.size);
    mix(item->out, item->in.data, stream + 16, item->in.size);
    copy_padded(end, encrypt ? (struct gm_bytes){item->out, item->in.size} : item->in);
    end += 16 * blocks_of(item->in.size);
    gm_store64(end, 8 * (uint64_t)item->aad.size);
    gm_store64(end + 8, 8 * (uint64_t)item->in.size);
    memset(tag, 0, 16);
    gm_ghash_blocks(&g->hash, tag, text, (size_t)(end - text) / 16 + 1);
    mix(tag, tag, stream, 16);
}

/* Tags for as many items from the first on as one filling of the lanes takes; how many that were */
static size_t some(const struct gm_gcm *g, const struct gm_gcm_item *items, size_t count, int encrypt,
                   uint8_t (*tags)[16])
{
    uint8_t counters[16 * LANES], streams[16 * LANES];
    size_t filled = 0, taken = 0;
    for (; taken < count && is_small(&items[taken]); taken++) {
        size_t blocks = 1 + blocks_of(items[taken].in.size);
        if (filled + blocks > LANES)
            break;
        for (size_t i = 0; i < blocks; i++, filled++) {
            memcpy(counters + 16 * filled, items[taken].nonce.data, 12);
            gm_store32(counters + 16 * filled + 12, (uint32_t)i + 1);
        }
    }
    if (!taken) {
        one(g, items, encrypt, tags[0]);
        return 1;
    }
    g->engine->sm4_ecb(&g->cipher, counters, streams, filled, 1);
    const uint8_t *stream = streams;
    for (size_t i = 0; i < taken; i++) {
        small(g, &items[i], encrypt, stream, tags[i]);
        stream += 16 * (1 + blocks_of(items[i].in.size));
    }
    gm_wipe(streams, 16 * filled);
    return taken;
}

void gm_gcm_encrypt(const struct gm_gcm *g, struct gm_gcm_item *items, size_t count)
{
    uint8_t tags[LANES][16];
    while (count) {
        size_t done = some(g, items, count, 1, tags);
        for (size_t i = 0; i < done; i++)
            memcpy(items[i].tag, tags[i], 16);
        items += done, count -= done;
    }
}

void gm_gcm_decrypt(const struct gm_gcm *g, struct gm_gcm_item *items, size_t count, size_t tag_size)
{
    uint8_t tags[LANES][16];
    while (count) {
        size_t done = some(g, items, count, 0, tags);
        for (size_t i = 0; i < done; i++) {
            items[i].good = gm_equal(tags[i], items[i].tag, tag_size);
            if (!items[i].good)
                gm_wipe(items[i].out, items[i].in.size);
        }
        items += done, count -= done;
    }
    gm_wipe(tags, sizeof tags);
}
