/* SM3 (GB/T 32905), HMAC, PBKDF2 and the KDF of GB/T 32918.4. */
#include "gm.h"
#include "sm3_constants.h"

static inline uint32_t rotl(uint32_t x, unsigned n) { return x << (n & 31) | x >> (-n & 31); }
static inline uint32_t p0(uint32_t x) { return x ^ rotl(x, 9) ^ rotl(x, 17); }
static inline uint32_t p1(uint32_t x) { return x ^ rotl(x, 15) ^ rotl(x, 23); }

static const uint32_t initial[8] = {0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600,
                                    0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e};

#define FF0(x, y, z) ((x) ^ (y) ^ (z))
#define GG0(x, y, z) ((x) ^ (y) ^ (z))
#define FF1(x, y, z) (((x) & (y)) | (((x) | (y)) & (z)))
#define GG1(x, y, z) ((((y) ^ (z)) & (x)) ^ (z))

/* One round; the roles of the eight registers rotate with the calls, so nothing is moved. */
#define ROUND(A, B, C, D, E, F, G, H, FF, GG, j)                                                                      \
    do {                                                                                                              \
        uint32_t a12 = rotl(A, 12);                                                                                   \
        uint32_t ss1 = rotl(a12 + E + gm_sm3_constants[j], 7);                                                               \
        D += FF(A, B, C) + (ss1 ^ a12) + (w[(j) & 15] ^ w[((j) + 4) & 15]);                                           \
        H += GG(E, F, G) + ss1 + w[(j) & 15];                                                                         \
        B = rotl(B, 9);                                                                                               \
        F = rotl(F, 19);                                                                                              \
        H = p0(H);                                                                                                    \
        (void)0;                                                                                                      \
    } while (0)

/* W_j is no longer needed once round j is done: its place takes W_{j+16}. */
#define EXPAND(j)                                                                                                     \
    (w[(j) & 15] = p1(w[(j) & 15] ^ w[((j) + 7) & 15] ^ rotl(w[((j) + 13) & 15], 15)) ^ rotl(w[((j) + 3) & 15], 7) ^  \
                   w[((j) + 10) & 15])

#define FOUR(FF, GG, j, EX)                                                                                           \
    ROUND(a, b, c, d, e, f, g, h, FF, GG, j);                                                                         \
    EX(j);                                                                                                            \
    ROUND(d, a, b, c, h, e, f, g, FF, GG, j + 1);                                                                     \
    EX(j + 1);                                                                                                        \
    ROUND(c, d, a, b, g, h, e, f, FF, GG, j + 2);                                                                     \
    EX(j + 2);                                                                                                        \
    ROUND(b, c, d, a, f, g, h, e, FF, GG, j + 3);                                                                     \
    EX(j + 3)
#define NOTHING(j) (void)0

static void portable_compress(uint32_t v[8], const uint8_t *data, size_t blocks)
{
    uint32_t w[16];
    for (; blocks; blocks--, data += 64) {
        uint32_t a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], f = v[5], g = v[6], h = v[7];
        for (int i = 0; i < 16; i++)
            w[i] = gm_load32(data + 4 * i);
        FOUR(FF0, GG0, 0, EXPAND);
        FOUR(FF0, GG0, 4, EXPAND);
        FOUR(FF0, GG0, 8, EXPAND);
        FOUR(FF0, GG0, 12, EXPAND);
        for (int j = 16; j < 48; j += 16) {
            FOUR(FF1, GG1, j, EXPAND);
            FOUR(FF1, GG1, j + 4, EXPAND);
            FOUR(FF1, GG1, j + 8, EXPAND);
            FOUR(FF1, GG1, j + 12, EXPAND);
        }
        FOUR(FF1, GG1, 48, EXPAND);
        FOUR(FF1, GG1, 52, NOTHING);
        FOUR(FF1, GG1, 56, NOTHING);
        FOUR(FF1, GG1, 60, NOTHING);
        v[0] ^= a, v[1] ^= b, v[2] ^= c, v[3] ^= d, v[4] ^= e, v[5] ^= f, v[6] ^= g, v[7] ^= h;
    }
    gm_wipe(w, sizeof w);
}

static void compress(uint32_t v[8], const uint8_t *data, size_t blocks)
{
#ifdef GM_X86
    if (gm_cpu_has(GM_AVX2)) {
        gm_avx2_sm3(v, data, blocks);
        return;
    }
#endif
    portable_compress(v, data, blocks);
}

void gm_sm3_init(struct gm_sm3 *h)
{
    memcpy(h->state, initial, sizeof initial);
    h->length = 0;
}

void gm_sm3_update(struct gm_sm3 *h, const uint8_t *data, size_t size)
{
    size_t used = h->length & 63;
    h->length += size;
    if (used) {
        size_t take = 64 - used < size ? 64 - used : size;
        memcpy(h->block + used, data, take);
        if (used + take < 64)
            return;
        compress(h->state, h->block, 1);
        data += take;
        size -= take;
    }
    compress(h->state, data, size / 64);
    if (size & 63)
        memcpy(h->block, data + (size & ~(size_t)63), size & 63);
}

void gm_sm3_final(struct gm_sm3 *h, uint8_t out[32])
{
    size_t used = h->length & 63;
    h->block[used++] = 0x80;
    if (used > 56) {
        memset(h->block + used, 0, 64 - used);
        compress(h->state, h->block, 1);
        used = 0;
    }
    memset(h->block + used, 0, 56 - used);
    gm_store64(h->block + 56, h->length * 8);
    compress(h->state, h->block, 1);
    for (int i = 0; i < 8; i++)
        gm_store32(out + 4 * i, h->state[i]);
    gm_wipe(h, sizeof *h);
}

void gm_portable_sm3_many(size_t count, const struct gm_bytes *prefix, int prefix_each, const struct gm_bytes *items,
                          uint8_t (*out)[32])
{
    struct gm_sm3 h;
    for (size_t i = 0; i < count; i++) {
        gm_sm3_init(&h);
        if (prefix)
            gm_sm3_update(&h, prefix[prefix_each ? i : 0].data, prefix[prefix_each ? i : 0].size);
        gm_sm3_update(&h, items[i].data, items[i].size);
        gm_sm3_final(&h, out[i]);
    }
}

void gm_hmac_pads(uint8_t inner[64], uint8_t outer[64], const uint8_t *key, size_t size)
{
    uint8_t short_key[64] = {0};
    if (size > 64) {
        struct gm_sm3 h;
        gm_sm3_init(&h);
        gm_sm3_update(&h, key, size);
        gm_sm3_final(&h, short_key);
    } else if (size) {
        memcpy(short_key, key, size);
    }
    for (int i = 0; i < 64; i++) {
        inner[i] = short_key[i] ^ 0x36;
        outer[i] = short_key[i] ^ 0x5c;
    }
    gm_wipe(short_key, sizeof short_key);
}

void gm_hmac_init(struct gm_hmac *h, const uint8_t *key, size_t size)
{
    uint8_t inner[64], outer[64];
    gm_hmac_pads(inner, outer, key, size);
    gm_sm3_init(&h->inner);
    gm_sm3_update(&h->inner, inner, 64);
    gm_sm3_init(&h->outer);
    gm_sm3_update(&h->outer, outer, 64);
    gm_wipe(inner, sizeof inner);
    gm_wipe(outer, sizeof outer);
}

void gm_hmac_once(const struct gm_hmac *keyed, const uint8_t *data, size_t size, uint8_t out[32])
{
    struct gm_hmac h = *keyed;
    gm_sm3_update(&h.inner, data, size);
    gm_sm3_final(&h.inner, out);
    gm_sm3_update(&h.outer, out, 32);
    gm_sm3_final(&h.outer, out);
}

void gm_pbkdf2(const uint8_t *password, size_t password_size, const uint8_t *salt, size_t salt_size,
               uint64_t iterations, uint8_t *out, size_t size)
{
    struct gm_hmac keyed, first;
    uint8_t u[32], t[32], counter[4];
    gm_hmac_init(&keyed, password, password_size);
    for (uint32_t block = 1; size; block++) {
        first = keyed;
        gm_store32(counter, block);
        gm_sm3_update(&first.inner, salt, salt_size);
        gm_sm3_update(&first.inner, counter, 4);
        gm_sm3_final(&first.inner, u);
        gm_sm3_update(&first.outer, u, 32);
        gm_sm3_final(&first.outer, u);
        memcpy(t, u, 32);
        for (uint64_t i = 1; i < iterations; i++) {
            gm_hmac_once(&keyed, u, 32, u);
            for (int j = 0; j < 32; j++)
                t[j] ^= u[j];
        }
        size_t take = size < 32 ? size : 32;
        memcpy(out, t, take);
        out += take;
        size -= take;
    }
    gm_wipe(&keyed, sizeof keyed);
    gm_wipe(u, sizeof u);
    gm_wipe(t, sizeof t);
}

int gm_sm2_kdf(const uint8_t *z, size_t z_size, uint8_t *out, size_t size)
{
    struct gm_sm3 seeded, h;
    uint8_t digest[32], counter[4], any = 0;
    gm_sm3_init(&seeded);
    gm_sm3_update(&seeded, z, z_size);
    for (uint32_t i = 1; size; i++) {
        size_t take = size < 32 ? size : 32;
        h = seeded;
        gm_store32(counter, i);
        gm_sm3_update(&h, counter, 4);
        gm_sm3_final(&h, digest);
        memcpy(out, digest, take);
        for (size_t j = 0; j < take; j++)
            any |= digest[j];
        out += take;
        size -= take;
    }
    gm_wipe(&seeded, sizeof seeded);
    gm_wipe(digest, sizeof digest);
    return any == 0;
}
