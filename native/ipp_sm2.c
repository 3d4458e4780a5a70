/* Intel ipp-crypto, single buffer: multiples of points and verification. Its multiples of G are slower than the portable
 * ones as called from here. */
#include "gm.h"

#include <ippcp.h>
#include <pthread.h>
#include <stdlib.h>

/* The library keeps working memory inside its curve context, so every thread has its own. */
struct curve {
    IppsGFpState *field;
    IppsGFpECState *curve;
    IppsGFpECPoint *point, *product;
    IppsBigNumState *number[3];
    Ipp8u *scratch;
    int scratch_size;
};

static pthread_key_t key;
static __thread struct curve *mine;

static void dispose(void *data)
{
    struct curve *c = data;
    if (c->scratch)
        gm_wipe(c->scratch, (size_t)c->scratch_size);
    free(c->field), free(c->curve), free(c->point), free(c->product), free(c->scratch);
    for (int i = 0; i < 3; i++)
        free(c->number[i]);
    free(c);
}

static void make_key(void) { (void)pthread_key_create(&key, dispose); }

static void *room(int size) { return aligned_alloc(64, ((size_t)size + 63) / 64 * 64); }

static int fill(struct curve *c)
{
    int size = 0;
    if (ippsGFpGetSize(256, &size) || !(c->field = room(size)) ||
        ippsGFpInitFixed(256, ippsGFpMethod_p256sm2(), c->field))
        return -1;
    if (ippsGFpECGetSize(c->field, &size) || !(c->curve = room(size)) || ippsGFpECInitStdSM2(c->field, c->curve) ||
        ippsGFpECBindGxyTblStdSM2(c->curve))
        return -1;
    if (ippsGFpECPointGetSize(c->curve, &size) || !(c->point = room(size)) || !(c->product = room(size)) ||
        ippsGFpECPointInit(NULL, NULL, c->point, c->curve) || ippsGFpECPointInit(NULL, NULL, c->product, c->curve))
        return -1;
    if (ippsGFpECScratchBufferSize(2, c->curve, &c->scratch_size) || !(c->scratch = room(c->scratch_size)) ||
        ippsBigNumGetSize(8, &size))
        return -1;
    for (int i = 0; i < 3; i++)
        if (!(c->number[i] = room(size)) || ippsBigNumInit(8, c->number[i]))
            return -1;
    return 0;
}

static struct curve *curve(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!mine) {
        pthread_once(&once, make_key);
        struct curve *c = calloc(1, sizeof *c);
        if (!c)
            return NULL;
        if (fill(c)) {
            dispose(c);
            return NULL;
        }
        mine = c;
        (void)pthread_setspecific(key, c);
    }
    return mine;
}

static int set_bytes(IppsBigNumState *n, const uint8_t bytes[32]) { return ippsSetOctString_BN(bytes, 32, n); }

static int set_scalar(IppsBigNumState *n, const sc *k)
{
    uint8_t bytes[32];
    sc_encode(bytes, k);
    int status = set_bytes(n, bytes);
    gm_wipe(bytes, sizeof bytes);
    return status;
}

static int set_point(struct curve *c, const affine *p)
{
    uint8_t xy[65];
    gm_point_encode(xy, p);
    return set_bytes(c->number[1], xy + 1) || set_bytes(c->number[2], xy + 33) ||
           ippsGFpECSetPointRegular(c->number[1], c->number[2], c->point, c->curve);
}

static int get_product(struct curve *c, uint8_t out[64])
{
    return ippsGFpECGetPointRegular(c->product, c->number[1], c->number[2], c->curve) != ippStsNoErr ||
           ippsGetOctString_BN(out, 32, c->number[1]) || ippsGetOctString_BN(out + 32, 32, c->number[2]);
}

/* The numbers and the scratch hold secrets between the calls. */
static void forget(struct curve *c)
{
    static const uint8_t zeros[32] = {0};
    for (int i = 0; i < 3; i++)
        (void)set_bytes(c->number[i], zeros);
    gm_wipe(c->scratch, (size_t)c->scratch_size);
}

void gm_ipp_multiply_many(size_t count, const sc *k, const affine *p, uint8_t (*out)[64])
{
    struct curve *c = curve();
    for (size_t i = 0; i < count; i++)
        if (!c || set_point(c, &p[i]) || set_scalar(c->number[0], &k[i]) ||
            ippsGFpECMulPoint(c->point, c->number[0], c->product, c->curve, c->scratch) || get_product(c, out[i]))
            gm_portable_multiply_many(1, &k[i], &p[i], &out[i]);
    if (c)
        forget(c);
}

static int verify_one(struct curve *c, const affine *p, const uint8_t e[32], const uint8_t r[32], const uint8_t s[32],
                      uint8_t *good)
{
    IppECResult result = ippECInvalidSignature;
    uint8_t reduced[32];
    sc number;
    sc_decode(&number, e); /* reduces mod n */
    sc_encode(reduced, &number);
    /* The library takes infinity for a point with x = 0, that is r = e: such a signature is not its to judge. */
    if (memcmp(reduced, r, 32) == 0)
        return -1;
    if (set_point(c, p) || set_bytes(c->number[0], reduced) || set_bytes(c->number[1], r) ||
        set_bytes(c->number[2], s) ||
        ippsGFpECVerifySM2(c->number[0], c->point, c->number[1], c->number[2], &result, c->curve, c->scratch))
        return -1;
    *good = result == ippECValid;
    return 0;
}

void gm_ipp_verify_many(size_t count, const affine *p, const uint8_t (*e)[32], const uint8_t (*r)[32],
                        const uint8_t (*s)[32], uint8_t *good)
{
    struct curve *c = curve();
    for (size_t i = 0; i < count; i++) {
        sc number, t;
        good[i] = good[i] && gm_sm2_verify_scalars(&number, &t, r[i], s[i]);
        if (good[i] && (!c || verify_one(c, &p[i], e[i], r[i], s[i], &good[i])))
            gm_portable_verify_many(1, &p[i], &e[i], &r[i], &s[i], &good[i]);
    }
}
