/* The portable core of the GM algorithms and the engines that speed it up.
 *
 * Everything here is constant time in secret data unless a comment says "public data". Byte strings are big-endian as
 * in the standards; numbers are four 64-bit limbs, least significant first. */
#ifndef GM_H
#define GM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#define GM_X86 1
#endif

typedef unsigned __int128 u128;

struct gm_bytes {
    const uint8_t *data;
    size_t size;
};

/* ---- cpu.c: all from GM_AVX512 on need AVX-512 F, BW, DQ and VL, GM_IFMA also VBMI; MIYUN_GM_ISA=avx2 hides
 * those, MIYUN_GM_ISA=baseline hides all ---- */
enum gm_cpu_feature { GM_PCLMUL, GM_AVX2, GM_AESNI, GM_ADX, GM_AVX512, GM_GFNI, GM_VPCLMUL, GM_IFMA };
int gm_cpu_has(enum gm_cpu_feature feature);
int gm_cpu_limited(void);
const char *gm_cpu_misnamed(void); /* why MIYUN_GM_ISA cannot be followed, or NULL */

/* ---- memory.c ---- */
void gm_wipe(void *data, size_t size);
/* 1 when equal, in time that depends on the size only */
int gm_equal(const uint8_t *a, const uint8_t *b, size_t size);

/* ---- drbg.c ---- */
#define GM_DRBG_SEED 32
#define GM_DRBG_ENTROPY 48 /* bytes of the source a seed takes: 256 bits and a nonce of 128 */

/* 0, or -1 when the system's source fails or did not pass a health test; then for ever */
int gm_random(uint8_t *out, size_t size);

static inline uint64_t gm_load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static inline void gm_store64(uint8_t *p, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(p, &v, 8);
}

static inline uint32_t gm_load32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void gm_store32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

/* ---- sm3.c ---- */
struct gm_sm3 {
    uint32_t state[8];
    uint64_t length;
    uint8_t block[64];
};

struct gm_hmac {
    struct gm_sm3 inner, outer;
};

void gm_sm3_init(struct gm_sm3 *h);
void gm_sm3_update(struct gm_sm3 *h, const uint8_t *data, size_t size);
void gm_sm3_final(struct gm_sm3 *h, uint8_t out[32]);
void gm_hmac_init(struct gm_hmac *h, const uint8_t *key, size_t size);
void gm_hmac_pads(uint8_t inner[64], uint8_t outer[64], const uint8_t *key, size_t size);
void gm_hmac_once(const struct gm_hmac *keyed, const uint8_t *data, size_t size, uint8_t out[32]);
void gm_pbkdf2(const uint8_t *password, size_t password_size, const uint8_t *salt, size_t salt_size,
               uint64_t iterations, uint8_t *out, size_t size);
/* The KDF of GB/T 32918.4; returns 1 when the output is all zero */
int gm_sm2_kdf(const uint8_t *z, size_t z_size, uint8_t *out, size_t size);

/* ---- sm3_avx2.c: needs GM_AVX2; whole blocks into the state ---- */
void gm_avx2_sm3(uint32_t v[8], const uint8_t *data, size_t blocks);

/* ---- sm4.c: 8 bit slices of each round key, or the words of an own schedule ---- */
struct gm_sm4 {
    union {
        uint64_t slices[32][8];
        uint32_t words[32];
    } schedule __attribute__((aligned(64)));
};

extern const uint32_t gm_sm4_fk[4];
/* CK of GB/T 32907, 7.3: byte j of word i is 7(4i + j) mod 256 */
static inline uint32_t gm_sm4_ck(int i)
{
    uint32_t word = 0;
    for (int j = 0; j < 4; j++)
        word = word << 8 | ((7 * (4 * i + j)) & 0xff);
    return word;
}

/* Moves a counter of 32 or 128 bits on */
void gm_sm4_count(uint8_t counter[16], int bits, uint64_t blocks);
void gm_sm4_set_key(struct gm_sm4 *c, const uint8_t key[16]);
void gm_sm4_ecb(const struct gm_sm4 *c, const uint8_t *in, uint8_t *out, size_t blocks, int encrypt);
void gm_sm4_ctr(const struct gm_sm4 *c, uint8_t counter[16], int bits, const uint8_t *in, uint8_t *out, size_t size);
void gm_sm4_cbc(const struct gm_sm4 *c, uint8_t iv[16], const uint8_t *in, uint8_t *out, size_t blocks, int encrypt);

/* ---- sm4_gfni.c: needs GM_GFNI; the mode of GCM besides GM_VPCLMUL ---- */
void gm_gfni_set_key(struct gm_sm4 *c, const uint8_t key[16]);
void gm_gfni_ecb(const struct gm_sm4 *c, const uint8_t *in, uint8_t *out, size_t blocks, int encrypt);
void gm_gfni_ctr(const struct gm_sm4 *c, uint8_t counter[16], int bits, const uint8_t *in, uint8_t *out, size_t size);
void gm_gfni_cbc(const struct gm_sm4 *c, uint8_t iv[16], const uint8_t *in, uint8_t *out, size_t blocks, int encrypt);

/* ---- sm4_aesni.c: needs GM_AESNI ---- */
void gm_aesni_set_key(struct gm_sm4 *c, const uint8_t key[16]);
void gm_aesni_ecb(const struct gm_sm4 *c, const uint8_t *in, uint8_t *out, size_t blocks, int encrypt);
void gm_aesni_ctr(const struct gm_sm4 *c, uint8_t counter[16], int bits, const uint8_t *in, uint8_t *out, size_t size);
void gm_aesni_cbc(const struct gm_sm4 *c, uint8_t iv[16], const uint8_t *in, uint8_t *out, size_t blocks, int encrypt);

struct gm_ghash;
size_t gm_gfni_gcm(const struct gm_sm4 *c, const struct gm_ghash *h, uint8_t counter[16], uint8_t y[16],
                   const uint8_t *in, uint8_t *out, size_t size, int encrypt);

/* ---- ghash.c ---- */
#define GM_GHASH_POWERS 64
struct gm_ghash {
    uint8_t powers[GM_GHASH_POWERS][16] __attribute__((aligned(64))); /* the last `count` of them, in the kernel's form */
    uint8_t h[16];
    unsigned count;
};

/* Ready for any data; fast for runs of so many blocks */
void gm_ghash_init(struct gm_ghash *g, const uint8_t h[16], size_t blocks);
/* y is the sum so far, at first zero */
void gm_ghash_blocks(const struct gm_ghash *g, uint8_t y[16], const uint8_t *data, size_t blocks);
/* pads the data with zeros to whole blocks */
void gm_ghash_padded(const struct gm_ghash *g, uint8_t y[16], const uint8_t *data, size_t size);

/* ---- drbg.c: the construction and the tests of the source, for known answers ---- */
struct gm_drbg {
    uint8_t key[16], v[16];
};

void gm_drbg_instantiate(struct gm_drbg *d, struct gm_bytes entropy, struct gm_bytes nonce, struct gm_bytes personal);
void gm_drbg_reseed(struct gm_drbg *d, struct gm_bytes entropy, struct gm_bytes additional);
/* at most 2^16 bytes */
void gm_drbg_generate(struct gm_drbg *d, struct gm_bytes additional, uint8_t *out, size_t size);

struct gm_health {
    unsigned repeats, window, occurrences;
    uint8_t last, first;
    int failed;
};

/* Repetition count and adaptive proportion; 0 once one has failed */
int gm_health(struct gm_health *h, const uint8_t *samples, size_t count);

/* ---- sm2_field.c: mod p in Montgomery form; sm2_scalar.c: mod n ---- */
typedef struct {
    uint64_t v[4];
} fe;
typedef struct {
    uint64_t v[4];
} sc;

typedef struct {
    fe x, y, z;
} point; /* homogeneous: (X/Z, Y/Z); (0 : 1 : 0) is infinity */
typedef struct {
    fe x, y;
} affine;

extern const fe fe_one, fe_b;
void fe_mul(fe *r, const fe *a, const fe *b);
void fe_sqr(fe *r, const fe *a);
void fe_add(fe *r, const fe *a, const fe *b);
void fe_sub(fe *r, const fe *a, const fe *b);
void fe_inv(fe *r, const fe *a);
void fe_select(fe *r, const fe *a, const fe *b, uint64_t mask); /* a where the mask is ones, else b */
int fe_is_zero(const fe *a);
int fe_decode(fe *r, const uint8_t in[32]); /* 0 when not below p */
void fe_encode(uint8_t out[32], const fe *a);
void fe_from_limbs(fe *r, const uint64_t limbs[4]); /* below p */
void fe_to_limbs(uint64_t limbs[4], const fe *a);

int sc_decode(sc *r, const uint8_t in[32]);         /* plain; 1 when in 1 .. n-1, reduced in any case */
void sc_encode(uint8_t out[32], const sc *a);
int sc_is_zero(const sc *a);
void sc_add(sc *r, const sc *a, const sc *b);
void sc_sub(sc *r, const sc *a, const sc *b);
void sc_enter(sc *r, const sc *a);                  /* into Montgomery form */
void sc_mul_entered(sc *r, const sc *a, const sc *b); /* one factor entered: the product plain; both: entered */
void sc_inv_entered(sc *r, const sc *a);
void sc_add_one(sc *r, const sc *a);
int sc_is_n_minus_1(const sc *a);

/* ---- sm2_point.c ---- */
/* Signed windows of five bits: digit i of k, from -16 to 16, counts 2^(5i) */
#define GM_WINDOWS 52
#define GM_WIDTH 16
void gm_digit(const sc *k, int window, uint64_t *magnitude, uint64_t *negative); /* negative: all ones, or 0 */
extern affine (*gm_base_table)[GM_WIDTH]; /* [i][j] = (j+1) * 2^(5i) * G; 53 KB */
void gm_point_setup(void); /* builds the table of multiples of G; call once before the others */
int gm_point_decode(affine *r, const uint8_t public_key[65]); /* 0 unless on the curve */
void gm_point_encode(uint8_t public_key[65], const affine *a);
void gm_point_mul_base(point *r, const sc *k);
void gm_point_mul(point *r, const sc *k, const affine *p);
void gm_point_to_affine(affine *r, const point *p, size_t count); /* none of them infinity */
void gm_point_sum(point *r, const affine *p, size_t count);
/* s*G + t*P; public data, not constant time */
void gm_point_mul_add(point *r, const sc *s, const sc *t, const affine *p);

/* ---- sm2.c ---- */
#define GM_BATCH 64
struct gm_engine;

/* 32-byte scalars in 1..n-1; returns 0, or -1 without randomness. */
int gm_scalar_random(sc *out, size_t count, int below_n_minus_1);
/* What Z hashes before the coordinates of the key; id_size + GM_ZA_PREFIX octets, which is returned */
#define GM_ZA_PREFIX 130
size_t gm_sm2_za_prefix(uint8_t *out, const uint8_t *id, size_t id_size);
/* What signing needs of a private key: (1 + d)^-1, in Montgomery form */
struct gm_signer {
    sc inverse;
};
void gm_sm2_signers(struct gm_signer *out, const sc *d, size_t count); /* d in 1..n-2; one inversion for each 64 */
/* one signer for all or one each; e as given; -1 without randomness */
int gm_sm2_sign_many(const struct gm_engine *engine, size_t count, const struct gm_signer *signer, int one_key,
                     const uint8_t (*e)[32], uint8_t (*r)[32], uint8_t (*s)[32]);
/* For known-answer tests; 0 when the nonce does not serve */
int gm_sm2_sign_with_nonce(const struct gm_engine *engine, const sc *d, const sc *k, const uint8_t e[32],
                           uint8_t r[32], uint8_t s[32]);
/* The range checks of verification: fills s and t = r+s; 0 when the signature cannot be valid */
int gm_sm2_verify_scalars(sc *s, sc *t, const uint8_t r_in[32], const uint8_t s_in[32]);
/* Whether x(R) + e = r, mod n, for R = s*G + t*P in homogeneous coordinates */
int gm_sm2_verify_point(const point *p, const uint8_t r_in[32], const uint8_t e[32]);

/* ---- sm2_nonces.c: nonces k with x1 of k*G, made for many signatures at once ---- */
struct gm_nonce {
    sc k;
    uint8_t x1[32];
};
/* A nonce that nobody has had or will have; `soon` will be taken at once; -1 without randomness */
int gm_nonce_take(const struct gm_engine *engine, struct gm_nonce *out, size_t soon);

/* ---- sm2_cipher.c ---- */
struct gm_ciphertext {
    uint8_t c1[65], c3[32]; /* C1 as 04 x y */
};
/* One nonce for one message in known-answer tests, else NULL; -1 without randomness, or when that nonce does not serve */
int gm_sm2_encrypt_many(const struct gm_engine *engine, size_t count, const affine *p, const sc *nonce,
                        const struct gm_bytes *in, struct gm_ciphertext *out, uint8_t *const *c2);
/* good[i] tells which are to be tried, and then which were right; the plaintext has the size of C2 */
void gm_sm2_decrypt_many(const struct gm_engine *engine, size_t count, const sc *d, const struct gm_ciphertext *in,
                         const struct gm_bytes *c2, uint8_t *const *out, uint8_t *good);

/* ---- sm2_check.c: NULL, or what is wrong with the engine's SM2; some milliseconds ---- */
const char *gm_sm2_fault(const struct gm_engine *engine);

/* ---- sm2_der.c ---- */
#define GM_DER_MAX 72
size_t gm_signature_encode(uint8_t *out, const uint8_t r[32], const uint8_t s[32]);
int gm_signature_decode(uint8_t r[32], uint8_t s[32], const uint8_t *der, size_t size);
enum gm_encoding { GM_ASN1, GM_C1C3C2, GM_C1C2C3 }; /* GM/T 0009; raw, as in GB/T 32918.4 and in its draft */
size_t gm_ciphertext_size(const struct gm_ciphertext *c, size_t size, enum gm_encoding encoding); /* of C2: `size` */
void gm_ciphertext_encode(uint8_t *out, const struct gm_ciphertext *c, struct gm_bytes c2, enum gm_encoding encoding);
/* 0 when malformed. The raw encodings come with the prefix 04 or without; c2 points into the data. */
int gm_ciphertext_decode(struct gm_ciphertext *c, struct gm_bytes *c2, struct gm_bytes data, enum gm_encoding encoding);

/* ---- engine.c: what a provider does in its own way ---- */
struct gm_engine {
    const char *name;
    int lanes; /* whether SM2 works on many scalars for the price of one */
    /* digests of prefix(+)message; the prefix (Z, or the HMAC pad) is the same for all or one per item */
    void (*sm3_many)(size_t count, const struct gm_bytes *prefix, int prefix_each, const struct gm_bytes *items,
                     uint8_t (*out)[32]);
    /* x and y of k*G, and of k*P, for many secret k in 1..n-1 */
    void (*base_many)(size_t count, const sc *k, uint8_t (*out)[64]);
    void (*multiply_many)(size_t count, const sc *k, const affine *p, uint8_t (*out)[64]);
    /* s*G + t*P == r - e for many; public data */
    void (*verify_many)(size_t count, const affine *p, const uint8_t (*e)[32], const uint8_t (*r)[32],
                        const uint8_t (*s)[32], uint8_t *good);
    void (*sm4_set_key)(struct gm_sm4 *c, const uint8_t key[16]);
    void (*sm4_ecb)(const struct gm_sm4 *c, const uint8_t *in, uint8_t *out, size_t blocks, int encrypt);
    void (*sm4_ctr)(const struct gm_sm4 *c, uint8_t counter[16], int bits, const uint8_t *in, uint8_t *out,
                    size_t size);
    void (*sm4_cbc)(const struct gm_sm4 *c, uint8_t iv[16], const uint8_t *in, uint8_t *out, size_t blocks,
                    int encrypt);
    /* Counter mode of 32 bits and GHASH of the ciphertext over as many bytes as it likes, or NULL; how many it did */
    size_t (*sm4_gcm)(const struct gm_sm4 *c, const struct gm_ghash *h, uint8_t counter[16], uint8_t y[16],
                      const uint8_t *in, uint8_t *out, size_t size, int encrypt);
};

/* The fastest SM4 of this machine */
void gm_sm4_choose(struct gm_engine *engine);
/* NULL when this machine or this build cannot run it; *why then says so */
const struct gm_engine *gm_engine_named(const char *name, const char **why);
extern const struct gm_engine gm_portable;
#ifdef GM_WITH_IPP
extern struct gm_engine gm_ipp, gm_ipp_mb;
const char *gm_ipp_setup(void);
const char *gm_ipp_mb_setup(void);
void gm_ipp_multiply_many(size_t count, const sc *k, const affine *p, uint8_t (*out)[64]);
void gm_ipp_verify_many(size_t count, const affine *p, const uint8_t (*e)[32], const uint8_t (*r)[32],
                        const uint8_t (*s)[32], uint8_t *good);
#endif

void gm_portable_sm3_many(size_t count, const struct gm_bytes *prefix, int prefix_each, const struct gm_bytes *items,
                          uint8_t (*out)[32]);
/* the same, in lanes where the processor has them */
void gm_sm3_many(size_t count, const struct gm_bytes *prefix, int prefix_each, const struct gm_bytes *items,
                 uint8_t (*out)[32]);
void gm_portable_base_many(size_t count, const sc *k, uint8_t (*out)[64]);
void gm_portable_multiply_many(size_t count, const sc *k, const affine *p, uint8_t (*out)[64]);
void gm_portable_verify_many(size_t count, const affine *p, const uint8_t (*e)[32], const uint8_t (*r)[32],
                             const uint8_t (*s)[32], uint8_t *good);

/* ---- ifma_base.c, ifma_multiply.c, ifma_verify.c, ifma_keys.c: need AVX-512 IFMA and VBMI ---- */
#define GM_COMB 7
#define GM_COMB_WINDOWS 37
#define GM_COMB_ENTRIES 64
extern uint64_t (*gm_ifma_comb)[10][GM_COMB_ENTRIES]; /* [i][limb][j] of (2j+1) * 2^(7i) * G; 189 KB */
void gm_ifma_setup(void);
int gm_ifma_comb_sums(affine out[GM_COMB_WINDOWS]); /* the sum of each window's entries; 0 when one is malformed */
void gm_ifma_keys_setup(void);
size_t gm_ifma_key_tables(size_t bytes); /* bounds the memory for tables of keys; how many there are */
void gm_ifma_base_many(size_t count, const sc *k, uint8_t (*out)[64]);
void gm_ifma_multiply_many(size_t count, const sc *k, const affine *p, uint8_t (*out)[64]);
void gm_ifma_verify_many(size_t count, const affine *p, const uint8_t (*e)[32], const uint8_t (*r)[32],
                         const uint8_t (*s)[32], uint8_t *good);

/* ---- gcm.c ---- */
struct gm_gcm {
    const struct gm_engine *engine;
    struct gm_sm4 cipher;
    struct gm_ghash hash;
};

struct gm_gcm_item {
    struct gm_bytes nonce, aad, in;
    uint8_t *out; /* as long as in */
    uint8_t tag[16];
    int good; /* when decrypting: whether the tag, as far as it was given, was right; else out is wiped */
};

/* Ready for any message; fast for those of so many blocks */
void gm_gcm_set_key(struct gm_gcm *g, const struct gm_engine *engine, const uint8_t key[16], size_t blocks);
/* Puts out the tags */
void gm_gcm_encrypt(const struct gm_gcm *g, struct gm_gcm_item *items, size_t count);
/* Takes tags of that size */
void gm_gcm_decrypt(const struct gm_gcm *g, struct gm_gcm_item *items, size_t count, size_t tag_size);

/* ---- sm4_modes.c: one message each; out may not overlap in ---- */
void gm_sm4_cfb(const struct gm_engine *engine, const uint8_t key[16], const uint8_t iv[16], const uint8_t *in,
                uint8_t *out, size_t size, int encrypt);
void gm_sm4_ofb(const struct gm_engine *engine, const uint8_t key[16], const uint8_t iv[16], const uint8_t *in,
                uint8_t *out, size_t size);
void gm_sm4_bc(const struct gm_engine *engine, const uint8_t key[16], const uint8_t iv[16], const uint8_t *in,
               uint8_t *out, size_t blocks, int encrypt);
void gm_sm4_ofbnlf(const struct gm_engine *engine, const uint8_t key[16], const uint8_t iv[16], const uint8_t *in,
                   uint8_t *out, size_t blocks, int encrypt);
/* a block or more; gb: the tweak doubles as in GB/T 17964, else as in IEEE 1619 */
void gm_sm4_xts(const struct gm_engine *engine, const uint8_t key[32], const uint8_t tweak[16], const uint8_t *in,
                uint8_t *out, size_t size, int gb, int encrypt);
/* a block or more */
void gm_sm4_hctr(const struct gm_engine *engine, const uint8_t key[16], const uint8_t hash_key[16],
                 const uint8_t tweak[16], const uint8_t *in, uint8_t *out, size_t size, int encrypt);

/* ---- sm4_mac.c ---- */
void gm_sm4_cbc_mac(const struct gm_engine *engine, const uint8_t key[16], const uint8_t *data, size_t blocks,
                    uint8_t mac[16]);
void gm_sm4_cmac(const struct gm_engine *engine, const uint8_t key[16], const uint8_t *data, size_t size,
                 uint8_t mac[16]);
/* nonce of 7 to 13 bytes, even tag of 4 to 16 bytes, data that the counter suffices for; out takes the tag too */
void gm_ccm_encrypt(const struct gm_engine *engine, const struct gm_sm4 *cipher, struct gm_bytes nonce,
                    struct gm_bytes aad, struct gm_bytes in, uint8_t *out, size_t tag_size);
/* 0 when the tag is wrong; then out is wiped */
int gm_ccm_decrypt(const struct gm_engine *engine, const struct gm_sm4 *cipher, struct gm_bytes nonce,
                   struct gm_bytes aad, struct gm_bytes in, uint8_t *out, const uint8_t *tag, size_t tag_size);

/* ---- zuc.c ---- */
void gm_zuc_xor(const uint8_t key[16], const uint8_t iv[16], const uint8_t *in, uint8_t *out, size_t size);
/* 128-EIA3 of the first bits of the data */
void gm_zuc_mac(const uint8_t key[16], const uint8_t iv[16], const uint8_t *data, size_t bits, uint8_t mac[4]);

#endif
