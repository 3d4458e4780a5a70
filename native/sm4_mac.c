/* MACs of GB/T 15852.1 over SM4, and SM4-CCM (GB/T 36624, NIST SP 800-38C, RFC 8998). */
#include "gm.h"

#define STEP 1024

/* Chains whole blocks into y, keeping no ciphertext */
static void chain(const struct gm_engine *engine, const struct gm_sm4 *cipher, uint8_t y[16], const uint8_t *data,
                  size_t blocks)
{
    uint8_t work[STEP];
    while (blocks) {
        size_t take = blocks < STEP / 16 ? blocks : STEP / 16;
        engine->sm4_cbc(cipher, y, data, work, take, 1);
        data += 16 * take, blocks -= take;
    }
    gm_wipe(work, sizeof work);
}

static void chain_padded(const struct gm_engine *engine, const struct gm_sm4 *cipher, uint8_t y[16],
                         const uint8_t *data, size_t size)
{
    uint8_t last[16] = {0};
    chain(engine, cipher, y, data, size / 16);
    if (size % 16) {
        memcpy(last, data + size - size % 16, size % 16);
        chain(engine, cipher, y, last, 1);
        gm_wipe(last, sizeof last);
    }
}

void gm_sm4_cbc_mac(const struct gm_engine *engine, const uint8_t key[16], const uint8_t *data, size_t blocks,
                    uint8_t mac[16])
{
    struct gm_sm4 cipher;
    engine->sm4_set_key(&cipher, key);
    memset(mac, 0, 16);
    chain(engine, &cipher, mac, data, blocks);
    gm_wipe(&cipher, sizeof cipher);
}

/* Times x in GF(2^128), most significant bit first */
static void twice(uint8_t t[16])
{
    uint64_t high = gm_load64(t), low = gm_load64(t + 8), carry = 0 - (high >> 63);
    gm_store64(t, high << 1 | low >> 63);
    gm_store64(t + 8, low << 1 ^ (carry & 0x87));
}

void gm_sm4_cmac(const struct gm_engine *engine, const uint8_t key[16], const uint8_t *data, size_t size,
                 uint8_t mac[16])
{
    struct gm_sm4 cipher;
    uint8_t subkey[16] = {0}, last[16] = {0};
    size_t tail = size ? (size - 1) % 16 + 1 : 0;
    engine->sm4_set_key(&cipher, key);
    engine->sm4_ecb(&cipher, subkey, subkey, 1, 1);
    twice(subkey);
    if (tail)
        memcpy(last, data + size - tail, tail);
    if (tail < 16) {
        last[tail] = 0x80;
        twice(subkey);
    }
    for (int i = 0; i < 16; i++)
        last[i] ^= subkey[i];
    memset(mac, 0, 16);
    chain(engine, &cipher, mac, data, (size - tail) / 16);
    chain(engine, &cipher, mac, last, 1);
    gm_wipe(last, sizeof last);
    gm_wipe(subkey, sizeof subkey);
    gm_wipe(&cipher, sizeof cipher);
}

/* The head of the associated data: its length, then as much of it as the block still takes */
static void associate(const struct gm_engine *engine, const struct gm_sm4 *cipher, uint8_t y[16], struct gm_bytes aad)
{
    uint8_t head[16] = {0};
    size_t used;
    if (!aad.size)
        return;
    if (aad.size < 0xff00) {
        head[0] = (uint8_t)(aad.size >> 8);
        head[1] = (uint8_t)aad.size;
        used = 2;
    } else if ((uint64_t)aad.size >> 32 == 0) {
        head[0] = 0xff, head[1] = 0xfe;
        gm_store32(head + 2, (uint32_t)aad.size);
        used = 6;
    } else {
        head[0] = head[1] = 0xff;
        gm_store64(head + 2, aad.size);
        used = 10;
    }
    size_t take = aad.size < 16 - used ? aad.size : 16 - used;
    memcpy(head + used, aad.data, take);
    chain(engine, cipher, y, head, 1);
    chain_padded(engine, cipher, y, aad.data + take, aad.size - take);
}

static void ccm_tag(const struct gm_engine *engine, const struct gm_sm4 *cipher, struct gm_bytes nonce,
                    struct gm_bytes aad, const uint8_t *plaintext, size_t size, size_t tag_size, uint8_t tag[16])
{
    uint8_t b0[16] = {0}, mask[16] = {0};
    gm_store64(b0 + 8, size);
    memcpy(b0 + 1, nonce.data, nonce.size);
    b0[0] = (uint8_t)((aad.size ? 0x40 : 0) | (tag_size - 2) / 2 << 3 | (14 - nonce.size));
    memset(tag, 0, 16);
    chain(engine, cipher, tag, b0, 1);
    associate(engine, cipher, tag, aad);
    chain_padded(engine, cipher, tag, plaintext, size);
    mask[0] = (uint8_t)(14 - nonce.size);
    memcpy(mask + 1, nonce.data, nonce.size);
    engine->sm4_ecb(cipher, mask, mask, 1, 1);
    for (int i = 0; i < 16; i++)
        tag[i] ^= mask[i];
    gm_wipe(mask, sizeof mask);
}

static void ccm_stream(const struct gm_engine *engine, const struct gm_sm4 *cipher, struct gm_bytes nonce,
                       const uint8_t *in, uint8_t *out, size_t size)
{
    uint8_t counter[16] = {0};
    counter[0] = (uint8_t)(14 - nonce.size);
    memcpy(counter + 1, nonce.data, nonce.size);
    counter[15] = 1;
    engine->sm4_ctr(cipher, counter, 128, in, out, size);
}

void gm_ccm_encrypt(const struct gm_engine *engine, const struct gm_sm4 *cipher, struct gm_bytes nonce,
                    struct gm_bytes aad, struct gm_bytes in, uint8_t *out, size_t tag_size)
{
    uint8_t tag[16];
    ccm_tag(engine, cipher, nonce, aad, in.data, in.size, tag_size, tag);
    ccm_stream(engine, cipher, nonce, in.data, out, in.size);
    memcpy(out + in.size, tag, tag_size);
    gm_wipe(tag, sizeof tag);
}

int gm_ccm_decrypt(const struct gm_engine *engine, const struct gm_sm4 *cipher, struct gm_bytes nonce,
                   struct gm_bytes aad, struct gm_bytes in, uint8_t *out, const uint8_t *tag, size_t tag_size)
{
    uint8_t expected[16];
    ccm_stream(engine, cipher, nonce, in.data, out, in.size);
    ccm_tag(engine, cipher, nonce, aad, out, in.size, tag_size, expected);
    int good = gm_equal(expected, tag, tag_size);
    gm_wipe(expected, sizeof expected);
    if (!good)
        gm_wipe(out, in.size);
    return good;
}
