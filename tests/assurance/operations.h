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

/* A key pair and something encrypted to it */
static inline void fill_pair(const struct gm_engine *engine, struct pair *p)
{
    affine q;
    uint8_t public_key[65], plain[PLAIN] = {0};
    need(!gm_scalar_random(&p->d, 1, 1), "gm_scalar_random");
    engine->base_many(1, &p->d, &q);
    gm_point_encode(public_key, &q);
    need(!gm_sm2_encrypt(engine, public_key, plain, PLAIN, NULL, p->ciphertext), "gm_sm2_encrypt");
}
