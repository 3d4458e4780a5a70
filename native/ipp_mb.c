/* Intel crypto_mb: SM2 on 8 and SM3 on 16 lanes of AVX-512 IFMA. */
#include "gm.h"

#include <limits.h>
#include <pthread.h>

#include <crypto_mb/cpu_features.h>
#include <crypto_mb/ec_sm2.h>
#include <crypto_mb/sm3.h>
#include <crypto_mb/status.h>

#define SM2_LANES 8
#define SM3_LANES 16

static const char *setup_failed;

static void setup(void)
{
    const char *why = gm_ipp_setup();
    if (why)
        setup_failed = why;
    else if (mbx_is_crypto_mb_applicable(mbx_get_cpu_features()) != 1 || !__builtin_cpu_supports("avx512ifma"))
        setup_failed = "this CPU has no AVX-512 IFMA";
    else {
        gm_ifma_setup();
        gm_ipp_mb.sm4_set_key = gm_ipp.sm4_set_key;
        gm_ipp_mb.sm4_ecb = gm_ipp.sm4_ecb;
        gm_ipp_mb.sm4_ctr = gm_ipp.sm4_ctr;
        gm_ipp_mb.sm4_cbc = gm_ipp.sm4_cbc;
    }
}

const char *gm_ipp_mb_setup(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, setup);
    return setup_failed;
}

static void base_many(size_t count, const sc *k, affine *out)
{
    uint64_t x[SM2_LANES][4], y[SM2_LANES][4];
    while (count) {
        size_t take = count < SM2_LANES ? count : SM2_LANES;
        int64u *px[SM2_LANES], *py[SM2_LANES];
        const int64u *pk[SM2_LANES];
        for (size_t i = 0; i < SM2_LANES; i++) {
            px[i] = (int64u *)x[i];
            py[i] = (int64u *)y[i];
            pk[i] = (const int64u *)k[i < take ? i : 0].v; /* unused lanes repeat the first */
        }
        mbx_status status = mbx_sm2_ecpublic_key_mb8(px, py, NULL, pk, NULL);
        for (size_t i = 0; i < take; i++) {
            if (MBX_GET_STS(status, (int)i) != MBX_STATUS_OK) {
                gm_portable_base_many(1, &k[i], &out[i]);
                continue;
            }
            fe_from_limbs(&out[i].x, x[i]);
            fe_from_limbs(&out[i].y, y[i]);
        }
        k += take, out += take, count -= take;
    }
    gm_wipe(x, sizeof x);
    gm_wipe(y, sizeof y);
}

static int lane_digests(size_t take, const struct gm_bytes *prefix, int prefix_each, const struct gm_bytes *items,
                        uint8_t (*out)[32])
{
    static const uint8_t nothing[1] = {0};
    SM3_CTX_mb16 context;
    uint8_t spare[32];
    const int8u *before[SM3_LANES], *data[SM3_LANES];
    int before_size[SM3_LANES], size[SM3_LANES];
    int8u *digest[SM3_LANES];
    for (size_t i = 0; i < SM3_LANES; i++) {
        const struct gm_bytes *p = prefix ? &prefix[prefix_each && i < take ? i : 0] : NULL;
        before[i] = p ? p->data : nothing;
        before_size[i] = p && i < take ? (int)p->size : 0;
        data[i] = i < take && items[i].size ? items[i].data : nothing;
        size[i] = i < take ? (int)items[i].size : 0;
        digest[i] = i < take ? out[i] : spare;
    }
    mbx_status16 status = mbx_sm3_init_mb16(&context);
    if (prefix)
        status |= mbx_sm3_update_mb16(before, before_size, &context);
    status |= mbx_sm3_update_mb16(data, size, &context);
    status |= mbx_sm3_final_mb16(digest, &context);
    gm_wipe(&context, sizeof context);
    return status == 0;
}

static void sm3_many(size_t count, const struct gm_bytes *prefix, int prefix_each, const struct gm_bytes *items,
                     uint8_t (*out)[32])
{
    while (count) {
        size_t take = count < SM3_LANES ? count : SM3_LANES, largest = 0, sum = 0;
        for (size_t i = 0; i < take; i++) {
            largest = items[i].size > largest ? items[i].size : largest;
            sum += items[i].size + 64;
        }
        /* All lanes run as long as the longest: worth it only when the work is spread over at least two or so. */
        int spread = largest < INT_MAX && 2 * (largest + 64) <= sum;
        if (!spread || !lane_digests(take, prefix, prefix_each, items, out))
            gm_portable_sm3_many(take, prefix, prefix_each, items, out);
        prefix += prefix && prefix_each ? take : 0;
        items += take, out += take, count -= take;
    }
}

static void verify_many(size_t count, const affine *p, const uint8_t (*e)[32], const uint8_t (*r)[32],
                        const uint8_t (*s)[32], uint8_t *good)
{
    /* A round of eight lanes takes a little longer than one single verification. */
    (count == 1 ? gm_ipp_verify_many : gm_ifma_verify_many)(count, p, e, r, s, good);
}

struct gm_engine gm_ipp_mb = {
    .name = "ipp-mb",
    .sm3_many = sm3_many,
    .base_many = base_many,
    .multiply = gm_ipp_multiply,
    .verify_many = verify_many,
};
