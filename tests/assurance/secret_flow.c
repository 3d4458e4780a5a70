/* Runs operations with their secrets marked as undefined: valgrind then reports every branch and every address that
 * depends on them.
 *
 *     secret_flow <operation> ...
 *
 * What is published (signatures, public keys, ciphertexts, whether a tag was right) is marked as defined again where it
 * is used. The leaky operations show that the check can fail. */
#include "operations.h"

#include <valgrind/memcheck.h>

static void hide(void *data, size_t size) { VALGRIND_MAKE_MEM_UNDEFINED(data, size); }
static void publish(void *data, size_t size) { VALGRIND_MAKE_MEM_DEFINED(data, size); }

static int prepared;

/* Linked with --wrap=gm_random: nonces and new keys are secret too */
int __real_gm_random(uint8_t *out, size_t size);
int __wrap_gm_random(uint8_t *out, size_t size)
{
    int failed = __real_gm_random(out, size);
    if (prepared)
        hide(out, size);
    return failed;
}

static const struct gm_engine *engine;
static uint8_t key[32], message[200], out[400], tag[32];
static struct pair pair;

static void generate(void)
{
    sc d[3];
    uint8_t q[3][64];
    need(!gm_scalar_random(d, 3, 1), "gm_scalar_random");
    engine->base_many(3, d, q);
    publish(q, sizeof q);
}

static void sign(void)
{
    uint8_t e[3][32] = {{1}, {2}, {3}}, r[3][32], s[3][32];
    sc d[3];
    for (int i = 0; i < 3; i++)
        d[i] = pair.d;
    hide(d, sizeof d);
    struct gm_signer signers[3];
    gm_sm2_signers(signers, d, 3);
    need(!gm_sm2_sign_many(engine, 3, signers, 1, e, r, s), "gm_sm2_sign_many");
    need(!gm_sm2_sign_many(engine, 3, signers, 0, e, r, s), "gm_sm2_sign_many");
    publish(r, sizeof r);
    publish(s, sizeof s);
}

static void decrypt(void)
{
    hide(&pair.d, sizeof pair.d);
    int good = decrypt_raw(engine, &pair.d, pair.ciphertext, CIPHER, out);
    publish(&good, sizeof good);
    need(good, "gm_sm2_decrypt_many");
    uint8_t wrong[CIPHER];
    memcpy(wrong, pair.ciphertext, CIPHER);
    wrong[70] ^= 1;
    good = decrypt_raw(engine, &pair.d, wrong, CIPHER, out);
    publish(&good, sizeof good);
    need(!good, "the refusal of a wrong ciphertext");
}

static void encrypt(void)
{
    hide(message, sizeof message);
    encrypt_to(engine, &pair.d, message, 100, out);
}

static void sm4(void)
{
    struct gm_sm4 cipher;
    uint8_t iv[16] = {0}, counter[16] = {0};
    hide(key, 16);
    hide(message, sizeof message);
    engine->sm4_set_key(&cipher, key);
    engine->sm4_ecb(&cipher, message, out, 12, 1);
    engine->sm4_ecb(&cipher, message, out, 12, 0);
    engine->sm4_cbc(&cipher, iv, message, out, 12, 1);
    memset(iv, 0, 16);
    engine->sm4_cbc(&cipher, iv, message, out, 12, 0);
    engine->sm4_ctr(&cipher, counter, 128, message, out, sizeof message);
}

static void gcm(void)
{
    struct gm_gcm g;
    uint8_t nonce[12] = {0};
    hide(key, 16);
    hide(message, sizeof message);
    gm_gcm_set_key(&g, engine, key, 1);
    struct gm_gcm_item item = {{nonce, 12}, {nonce, 5}, {message, sizeof message}, out, {0}, 0};
    gm_gcm_encrypt(&g, &item, 1);
    publish(out, sizeof message);
    publish(item.tag, 16);
    item.in.data = out;
    item.out = message;
    for (int wrong = 0; wrong < 2; wrong++) {
        item.tag[3] ^= (uint8_t)wrong;
        gm_gcm_decrypt(&g, &item, 1, 16);
        publish(&item.good, sizeof item.good);
        need(item.good == !wrong, "the verdict on a tag");
    }
}

static void ghash(void)
{
    struct gm_ghash g;
    uint8_t h[16] = {7}, y[16] = {0};
    hide(h, 16);
    hide(message, sizeof message);
    gm_ghash_init(&g, h, 12);
    gm_ghash_blocks(&g, y, message, 12);
    gm_ghash_padded(&g, y, message, 77);
}

static void hmac(void)
{
    struct gm_hmac h;
    hide(key, sizeof key);
    hide(message, sizeof message);
    gm_hmac_init(&h, key, sizeof key);
    gm_hmac_once(&h, message, sizeof message, out);
    int good = gm_equal(out, tag, 32);
    publish(&good, sizeof good);
}

static void kdf(void)
{
    hide(message, 64);
    int zero = gm_sm2_kdf(message, 64, out, 100);
    publish(&zero, sizeof zero);
}

static void zuc(void)
{
    uint8_t iv[16] = {0};
    hide(key, 16);
    hide(message, sizeof message);
    gm_zuc_xor(key, iv, message, out, sizeof message);
    gm_zuc_mac(key, iv, message, 8 * 100 + 3, tag);
}

static void leaky_branch(void)
{
    hide(key, sizeof key);
    for (int i = 0; i < 32; i++)
        if (key[i] == tag[i])
            fputs("=", stderr);
}

static void leaky_address(void)
{
    hide(key, sizeof key);
    out[0] = message[key[0] % 200];
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } operations[] = {{"generate", generate}, {"sign", sign},   {"decrypt", decrypt},
                      {"encrypt", encrypt},   {"sm4", sm4},     {"gcm", gcm},
                      {"ghash", ghash},       {"hmac", hmac},   {"kdf", kdf},
                      {"zuc", zuc},           {"leaky branch", leaky_branch}, {"leaky address", leaky_address}};
    engine = engine_of("portable");
    fill_pair(engine, &pair);
    for (int j = 1; j < argc; j++) {
        size_t i = 0, count = sizeof operations / sizeof *operations;
        while (i < count && strcmp(argv[j], operations[i].name) != 0)
            i++;
        need(i < count, argv[j]);
        prepared = 1;
        operations[i].run();
        prepared = 0;
        publish(&pair, sizeof pair);
        publish(key, sizeof key);
        publish(message, sizeof message);
        publish(out, sizeof out);
        publish(tag, sizeof tag);
    }
    return 0;
}
