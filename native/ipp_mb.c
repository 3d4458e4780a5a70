/* Intel crypto_mb: SM3 on 16 lanes of AVX-512. SM2 is by the own kernels for AVX-512 IFMA. */
#include "gm.h"

#include <limits.h>
#include <pthread.h>

#include <crypto_mb/cpu_features.h>
#include <crypto_mb/sm3.h>
#include <crypto_mb/status.h>

#define SM3_LANES 16

static const char *setup_failed;

static void setup(void)
{
    const char *why = gm_ipp_setup();
    if (why)
        setup_failed = why;
    else if (mbx_is_crypto_mb_applicable(mbx_get_cpu_features()) != 1 || !gm_cpu_has(GM_IFMA))
        setup_failed = "this CPU has no AVX-512 IFMA and VBMI";
    else {
        gm_ifma_setup();
        gm_sm4_choose(&gm_ipp_mb);
    }
}

const char *gm_ipp_mb_setup(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, setup);
    return setup_failed;
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

struct gm_engine gm_ipp_mb = {
    .name = "ipp-mb",
    .lanes = 1,
    .sm3_many = sm3_many,
    .base_many = gm_ifma_base_many,
    .multiply_many = gm_ifma_multiply_many,
    .verify_many = gm_ifma_verify_many,
};
