/* The portable engine, and which engines can run here. */
#include "gm.h"

const struct gm_engine gm_portable = {
    .name = "portable",
    .sm3_many = gm_portable_sm3_many,
    .base_many = gm_portable_base_many,
    .multiply_many = gm_portable_multiply_many,
    .verify_many = gm_portable_verify_many,
    .sm4_set_key = gm_sm4_set_key,
    .sm4_ecb = gm_sm4_ecb,
    .sm4_ctr = gm_sm4_ctr,
    .sm4_cbc = gm_sm4_cbc,
};

void gm_sm4_choose(struct gm_engine *engine)
{
    engine->sm4_set_key = gm_sm4_set_key;
    engine->sm4_ecb = gm_sm4_ecb;
    engine->sm4_ctr = gm_sm4_ctr;
    engine->sm4_cbc = gm_sm4_cbc;
#ifdef GM_X86
    if (gm_cpu_has(GM_GFNI)) {
        engine->sm4_set_key = gm_gfni_set_key;
        engine->sm4_ecb = gm_gfni_ecb;
        engine->sm4_ctr = gm_gfni_ctr;
        engine->sm4_cbc = gm_gfni_cbc;
        engine->sm4_gcm = gm_cpu_has(GM_VPCLMUL) ? gm_gfni_gcm : NULL;
    } else if (gm_cpu_has(GM_AESNI)) {
        engine->sm4_set_key = gm_aesni_set_key;
        engine->sm4_ecb = gm_aesni_ecb;
        engine->sm4_ctr = gm_aesni_ctr;
        engine->sm4_cbc = gm_aesni_cbc;
    }
#endif
}

const struct gm_engine *gm_engine_named(const char *name, const char **why)
{
    *why = gm_cpu_misnamed();
    if (*why)
        return NULL;
    if (strcmp(name, "portable") == 0)
        return &gm_portable;
#ifdef GM_WITH_IPP
    if (strcmp(name, "ipp") == 0)
        return (*why = gm_ipp_setup()) ? NULL : &gm_ipp;
    if (strcmp(name, "ipp-mb") == 0)
        return (*why = gm_ipp_mb_setup()) ? NULL : &gm_ipp_mb;
    *why = "no such engine";
#else
    *why = "the extension was built without ipp-crypto";
#endif
    return NULL;
}
