/* Intel ipp-crypto, single buffer: SM4 on AVX2 or AVX-512 with GFNI. Its SM3 is slower than the portable one. */
#include "gm.h"

#include <ippcp.h>
#include <pthread.h>
#include <stdlib.h>

#define CHUNK ((size_t)1 << 30) /* lengths are int in this library */

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
    int size = 0;
    if (!gm_cpu_has(GM_AVX2))
        setup_failed = "this CPU has no AVX2";
    else if (ippcpInit() != ippStsNoErr || !limited())
        setup_failed = "ipp-crypto does not start on this CPU";
    else if (ippsSMS4GetSize(&size) != ippStsNoErr || size > (int)sizeof(struct gm_sm4))
        setup_failed = "the SM4 context of this ipp-crypto has an unexpected size";
}

const char *gm_ipp_setup(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, setup);
    return setup_failed;
}

/* A failure here can only be a programming error; going on would give out wrong ciphertext. */
static void must(IppStatus status)
{
    if (status != ippStsNoErr)
        abort();
}

static IppsSMS4Spec *spec(const struct gm_sm4 *c) { return (IppsSMS4Spec *)(uintptr_t)c->schedule.opaque; }

static void set_key(struct gm_sm4 *c, const uint8_t key[16]) { must(ippsSMS4Init(key, 16, spec(c), sizeof *c)); }

static void ecb(const struct gm_sm4 *c, const uint8_t *in, uint8_t *out, size_t blocks, int encrypt)
{
    for (size_t left = 16 * blocks; left;) {
        size_t take = left < CHUNK ? left : CHUNK;
        must((encrypt ? ippsSMS4EncryptECB : ippsSMS4DecryptECB)(in, out, (int)take, spec(c)));
        in += take, out += take, left -= take;
    }
}

static void ctr(const struct gm_sm4 *c, uint8_t counter[16], int bits, const uint8_t *in, uint8_t *out, size_t size)
{
    while (size) {
        size_t take = size < CHUNK ? size : CHUNK;
        must(ippsSMS4EncryptCTR(in, out, (int)take, spec(c), counter, bits));
        in += take, out += take, size -= take;
    }
}

static void cbc(const struct gm_sm4 *c, uint8_t iv[16], const uint8_t *in, uint8_t *out, size_t blocks, int encrypt)
{
    uint8_t next[16];
    for (size_t left = 16 * blocks; left;) {
        size_t take = left < CHUNK ? left : CHUNK;
        if (!encrypt)
            memcpy(next, in + take - 16, 16);
        must((encrypt ? ippsSMS4EncryptCBC : ippsSMS4DecryptCBC)(in, out, (int)take, spec(c), iv));
        memcpy(iv, encrypt ? out + take - 16 : next, 16);
        in += take, out += take, left -= take;
    }
}

struct gm_engine gm_ipp = {
    .name = "ipp",
    .sm3_many = gm_portable_sm3_many,
    .base_many = gm_portable_base_many,
    .multiply_many = gm_ipp_multiply_many,
    .verify_many = gm_ipp_verify_many,
    .sm4_set_key = set_key,
    .sm4_ecb = ecb,
    .sm4_ctr = ctr,
    .sm4_cbc = cbc,
};

/* The archives' twins for OpenSSL types are never called; these names only satisfy the linker. */
#define UNREACHABLE(name)                                                                                             \
    void name(void);                                                                                                  \
    void name(void) { abort(); }
UNREACHABLE(BN_bin2bn)
UNREACHABLE(BN_bn2lebinpad)
UNREACHABLE(BN_is_word)
UNREACHABLE(BN_num_bits)
UNREACHABLE(ECDSA_SIG_get0)
