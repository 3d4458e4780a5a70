/* What the drivers of this folder do with secrets, over the interface that gm.h declares. */
#include "gm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN 48
#define CIPHER (97 + PLAIN)

struct pair {
    sc d;
    uint8_t ciphertext[CIPHER];
};

static inline const struct gm_engine *engine_of(const char *name)
{
    const char *why = NULL;
    gm_point_setup();
    const struct gm_engine *engine = gm_engine_named(name, &why);
    if (!engine) {
        fprintf(stderr, "%s: %s\n", name, why);
        exit(77);
    }
    return engine;
}

static inline void need(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "%s failed\n", what);
        exit(2);
    }
}

/* Raw 04 x y C3 C2 for the public key of d */
static inline void encrypt_to(const struct gm_engine *engine, const sc *d, const uint8_t *plain, size_t size, uint8_t *out)
{
    uint8_t xy[1][64], public_key[65] = {4}, *c2 = out + 97;
    struct gm_bytes in = {plain, size};
    struct gm_ciphertext c;
    affine p;
    engine->base_many(1, d, xy);
    memcpy(public_key + 1, xy[0], 64);
    need(gm_point_decode(&p, public_key), "gm_point_decode");
    need(!gm_sm2_encrypt_many(engine, 1, &p, NULL, &in, &c, &c2), "gm_sm2_encrypt_many");
    memcpy(out, c.c1, 65);
    memcpy(out + 65, c.c3, 32);
}

/* Whether the raw ciphertext was right */
static inline int decrypt_raw(const struct gm_engine *engine, const sc *d, const uint8_t *in, size_t size, uint8_t *out)
{
    struct gm_bytes c2 = {in + 97, size - 97};
    struct gm_ciphertext c;
    uint8_t good = 1;
    memcpy(c.c1, in, 65);
    memcpy(c.c3, in + 65, 32);
    gm_sm2_decrypt_many(engine, 1, d, &c, &c2, &out, &good);
    return good;
}

/* A key pair and something encrypted to it */
static inline void fill_pair(const struct gm_engine *engine, struct pair *p)
{
    uint8_t plain[PLAIN] = {0};
    need(!gm_scalar_random(&p->d, 1, 1), "gm_scalar_random");
    encrypt_to(engine, &p->d, plain, PLAIN, p->ciphertext);
}
