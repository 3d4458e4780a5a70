/* Intel ipp-crypto, single buffer: start, limits, and what the linker wants. Its SM3 and SM4 are slower than ours. */
#include "gm.h"

#include <ippcp.h>
#include <pthread.h>

static const char *setup_failed;

/* Its own choice of a branch knows nothing of MIYUN_GM_ISA. */
static int limited(void)
{
    return !gm_cpu_limited() ||
           ippcpSetCpuFeatures(ippCPUID_MMX | ippCPUID_SSE | ippCPUID_SSE2 | ippCPUID_SSE3 | ippCPUID_SSSE3 |
                               ippCPUID_MOVBE | ippCPUID_SSE41 | ippCPUID_SSE42 | ippCPUID_AVX |
                               ippAVX_ENABLEDBYOS | ippCPUID_AES | ippCPUID_CLMUL | ippCPUID_RDRAND | ippCPUID_F16C |
                               ippCPUID_AVX2 | ippCPUID_ADCOX | ippCPUID_RDSEED) >= ippStsNoErr;
}

static void setup(void)
{
    if (!gm_cpu_has(GM_AVX2))
        setup_failed = "this CPU has no AVX2";
    else if (ippcpInit() != ippStsNoErr || !limited())
        setup_failed = "ipp-crypto does not start on this CPU";
    else
        gm_sm4_choose(&gm_ipp);
}

const char *gm_ipp_setup(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, setup);
    return setup_failed;
}

struct gm_engine gm_ipp = {
    .name = "ipp",
    .sm3_many = gm_sm3_many,
    .base_many = gm_portable_base_many,
    .multiply_many = gm_ipp_multiply_many,
    .verify_many = gm_ipp_verify_many,
};
