/* What the processor can do, as far as MIYUN_GM_ISA lets the kernels use it. */
#include "gm.h"

#include <stdlib.h>

#define READ_BEFORE 0x80000000u
#define MISNAMED 0x40000000u
#define LIMITED 0x20000000u

static unsigned detect(void)
{
    const char *limit = getenv("MIYUN_GM_ISA");
    unsigned found = READ_BEFORE | (limit && *limit ? LIMITED : 0);
    if (found & LIMITED && strcmp(limit, "baseline") == 0)
        return found;
    if (found & LIMITED && strcmp(limit, "avx2") != 0)
        return found | MISNAMED;
#ifdef GM_X86
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
    int avx512 = !(found & LIMITED) && avx2 && __builtin_cpu_supports("avx512f") &&
                 __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                 __builtin_cpu_supports("avx512vl");
    int pclmul = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("ssse3") &&
                 __builtin_cpu_supports("sse4.1");
    const struct {
        enum gm_cpu_feature feature;
        int present;
    } features[] = {
        {GM_PCLMUL, pclmul},
        {GM_AVX2, avx2},
        {GM_AESNI, avx2 && __builtin_cpu_supports("aes")},
        {GM_ADX, avx2 && __builtin_cpu_supports("adx")},
        {GM_AVX512, avx512},
        {GM_GFNI, avx512 && __builtin_cpu_supports("gfni")},
        {GM_VPCLMUL, avx512 && pclmul && __builtin_cpu_supports("vpclmulqdq")},
        {GM_IFMA, avx512 && __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512vbmi")},
    };
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        found |= features[i].present ? 1u << features[i].feature : 0;
#endif
    return found;
}

/* The environment is read once: a process keeps to what it started with. */
static unsigned known(void)
{
    static unsigned once;
    unsigned found = __atomic_load_n(&once, __ATOMIC_RELAXED);
    if (!found) {
        found = detect();
        __atomic_store_n(&once, found, __ATOMIC_RELAXED);
    }
    return found;
}

int gm_cpu_has(enum gm_cpu_feature feature) { return known() >> feature & 1; }

int gm_cpu_limited(void) { return (known() & LIMITED) != 0; }

const char *gm_cpu_misnamed(void) { return known() & MISNAMED ? "MIYUN_GM_ISA can only be avx2 or baseline" : NULL; }
