/* SM2 encryption (GB/T 32918.4). */
#include "gm.h"

#define SHORT 32 /* one block of the KDF: keys, mostly; these are hashed together in lanes */

/* C3 = SM3(x2 || M || y2) */
static void check_value(uint8_t out[32], const uint8_t xy[64], const uint8_t *message, size_t size)
{
    struct gm_sm3 h;
    gm_sm3_init(&h);
    gm_sm3_update(&h, xy, 32);
    gm_sm3_update(&h, message, size);
    gm_sm3_update(&h, xy + 32, 32);
    gm_sm3_final(&h, out);
}

struct room {
    sc k[GM_BATCH];
    affine p[GM_BATCH];
    uint8_t c1[GM_BATCH][64], shared[GM_BATCH][64], stream[GM_BATCH][32], c3[GM_BATCH][32];
    uint8_t blocks[GM_BATCH][64 + SHORT];
    struct gm_bytes items[GM_BATCH];
};

/* out = in ^ KDF(x2 || y2), and C3 over the message, which is `out` or, when `hash_in`, `in`. Returns 0 and leaves stream and
 * out unusable for an item whose key stream is all zero. */
static void cover(const struct gm_engine *engine, struct room *r, size_t count, const struct gm_bytes *in,
                  uint8_t *const *out, int hash_in, uint8_t *good)
{
    for (size_t i = 0; i < count; i++) {
        memcpy(r->blocks[i], r->shared[i], 64);
        gm_store32(r->blocks[i] + 64, 1);
        r->items[i] = (struct gm_bytes){r->blocks[i], in[i].size <= SHORT ? 68 : 0};
    }
    engine->sm3_many(count, NULL, 0, r->items, r->stream);
    for (size_t i = 0; i < count; i++) {
        uint8_t any = 0;
        if (in[i].size > SHORT) {
            good[i] = !gm_sm2_kdf(r->shared[i], 64, out[i], in[i].size);
        } else {
            for (size_t j = 0; j < in[i].size; j++)
                any |= out[i][j] = r->stream[i][j];
            good[i] = any != 0;
        }
        for (size_t j = 0; j < in[i].size; j++)
            out[i][j] ^= in[i].data[j];
        const uint8_t *message = hash_in ? in[i].data : out[i];
        if (in[i].size > SHORT) {
            check_value(r->c3[i], r->shared[i], message, in[i].size);
        } else {
            memcpy(r->blocks[i] + 32, message, in[i].size);
            memcpy(r->blocks[i] + 32 + in[i].size, r->shared[i] + 32, 32);
            r->items[i].size = 64 + in[i].size;
        }
    }
    engine->sm3_many(count, NULL, 0, r->items, r->stream);
    for (size_t i = 0; i < count; i++)
        if (in[i].size <= SHORT)
            memcpy(r->c3[i], r->stream[i], 32);
}

int gm_sm2_encrypt_many(const struct gm_engine *engine, size_t count, const affine *p, const sc *nonce,
                        const struct gm_bytes *in, struct gm_ciphertext *out, uint8_t *const *c2)
{
    struct room r;
    uint8_t good[GM_BATCH];
    int status = 0;
    while (count && !status) {
        size_t take = count < GM_BATCH ? count : GM_BATCH;
        if (nonce)
            r.k[0] = *nonce;
        else if ((status = gm_scalar_random(r.k, take, 0)))
            break;
        engine->base_many(take, r.k, r.c1);
        engine->multiply_many(take, r.k, p, r.shared);
        cover(engine, &r, take, in, c2, 1, good);
        for (size_t i = 0; i < take && !status; i++) {
            out[i].c1[0] = 4;
            memcpy(out[i].c1 + 1, r.c1[i], 64);
            memcpy(out[i].c3, r.c3[i], 32);
            if (!good[i]) /* draw again: one in 256 for messages of one octet */
                status = nonce ? -1 : gm_sm2_encrypt_many(engine, 1, &p[i], NULL, &in[i], &out[i], &c2[i]);
        }
        p += take, in += take, out += take, c2 += take, count -= take;
    }
    gm_wipe(&r, sizeof r);
    return status;
}

void gm_sm2_decrypt_many(const struct gm_engine *engine, size_t count, const sc *d, const struct gm_ciphertext *in,
                         const struct gm_bytes *c2, uint8_t *const *out, uint8_t *good)
{
    struct room r;
    struct gm_bytes covered[GM_BATCH];
    uint8_t *plain[GM_BATCH], fine[GM_BATCH];
    size_t item[GM_BATCH], waiting = 0;
    for (size_t i = 0; i < count; i++) {
        if (good[i] && (good[i] = (uint8_t)gm_point_decode(&r.p[waiting], in[i].c1))) {
            r.k[waiting] = d[i];
            covered[waiting] = c2[i];
            plain[waiting] = out[i];
            item[waiting++] = i;
        }
        if (waiting == GM_BATCH || (waiting && i + 1 == count)) {
            engine->multiply_many(waiting, r.k, r.p, r.shared);
            cover(engine, &r, waiting, covered, plain, 0, fine);
            for (size_t j = 0; j < waiting; j++) {
                good[item[j]] = (uint8_t)(gm_equal(r.c3[j], in[item[j]].c3, 32) & fine[j]);
                if (!good[item[j]])
                    gm_wipe(plain[j], covered[j].size);
            }
            waiting = 0;
        }
    }
    gm_wipe(&r, sizeof r);
}
