/* The engine of processors with AVX-512 IFMA: SM2 on 8 lanes, SM3 on 16, all by own kernels. */
#include "gm.h"

#include <pthread.h>

static const char *setup_failed;

static void setup(void)
{
    const char *why = gm_ipp_setup();
    if (why)
        setup_failed = why;
    else if (!gm_cpu_has(GM_IFMA))
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

struct gm_engine gm_ipp_mb = {
    .name = "ipp-mb",
    .lanes = 1,
    .sm3_many = gm_sm3_many,
    .base_many = gm_ifma_base_many,
    .multiply_many = gm_ifma_multiply_many,
    .verify_many = gm_ifma_verify_many,
};
