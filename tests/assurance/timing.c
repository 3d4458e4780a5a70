/* Leaks of time (Reparaz, Balasch, Verbauwhede: "dude, is my code constant time?", 2017): cycles of one operation for
 * two classes of secrets, in random order, compared by Welch's t-test, raw and cropped at 100 percentiles.
 *
 *     timing <test> <traces> [engine]     prints {"traces": n, "t": greatest |t|}
 *
 * Both classes are read from pools of one size and form, copied into one place before the clock starts. */
#include "operations.h"

#include <math.h>
#include <stdint.h>
#include <x86intrin.h>

#define POOL 256
#define CROPS 100
#define FIRST 10000 /* traces that set the percentiles, and count for nothing else */

struct input {
    struct pair pair;
    sc nonce;
    uint8_t tag[32];
};

static const struct gm_engine *engine;
static struct input pools[2][POOL], input;
static uint8_t e[1][32] = {{1, 2, 3}}, r[1][32], s[1][32], out[400], right[32], sealed[64], plain[64];
static struct gm_gcm gcm;
static volatile int sink;

static void sign_key(void)
{
    struct gm_signer signer;
    gm_sm2_signers(&signer, &input.pair.d, 1);
    sink = gm_sm2_sign_many(engine, 1, &signer, 1, e, r, s);
}

static void sign_nonce(void) { sink = gm_sm2_sign_with_nonce(engine, &pools[0][0].pair.d, &input.nonce, e[0], r[0], s[0]); }

static void decrypt(void) { sink = decrypt_raw(engine, &input.pair.d, input.pair.ciphertext, CIPHER, out); }

static void mac(void) { sink = gm_equal(right, input.tag, 32); }

static void gcm_tag(void)
{
    struct gm_gcm_item item = {{e[0], 12}, {NULL, 0}, {sealed, sizeof sealed}, plain, {0}, 0};
    memcpy(item.tag, input.tag, 16);
    gm_gcm_decrypt(&gcm, &item, 1, 16);
    sink = item.good;
}

/* The first difference ends it */
static void leaky_mac(void)
{
    int i = 0;
    while (i < 32 && *(volatile uint8_t *)&right[i] == input.tag[i])
        i++;
    sink = i == 32;
}

/* One inversion in the field more for a key whose lowest bit is set */
static void leaky_sign(void)
{
    fe inverse;
    sign_key();
    if (input.pair.d.v[0] & 1)
        fe_inv(&inverse, &fe_b);
}

static uint64_t now(void)
{
    unsigned core;
    _mm_lfence();
    uint64_t cycles = __rdtscp(&core);
    _mm_lfence();
    return cycles;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

struct welch {
    double count[2], mean[2], square[2];
};

static void add(struct welch *w, int class, double x)
{
    w->count[class]++;
    double delta = x - w->mean[class];
    w->mean[class] += delta / w->count[class];
    w->square[class] += delta * (x - w->mean[class]);
}

static double t_of(const struct welch *w)
{
    if (w->count[0] < 1000 || w->count[1] < 1000)
        return 0;
    double a = w->square[0] / (w->count[0] - 1) / w->count[0], b = w->square[1] / (w->count[1] - 1) / w->count[1];
    return a + b > 0 ? fabs(w->mean[0] - w->mean[1]) / sqrt(a + b) : 0;
}

static void prepare(void)
{
    uint8_t key[16] = {9}, random[32];
    struct gm_gcm_item item = {{e[0], 12}, {NULL, 0}, {plain, sizeof plain}, sealed, {0}, 0};
    gm_gcm_set_key(&gcm, engine, key, 1);
    gm_gcm_encrypt(&gcm, &item, 1);
    memcpy(right, item.tag, 16);
    do
        fill_pair(engine, &pools[0][0].pair);
    while (pools[0][0].pair.d.v[0] & 1); /* so that the leaky signature tells it from random keys */
    for (int i = 0; i < POOL; i++) {
        pools[0][i].pair = pools[0][0].pair;
        fill_pair(engine, &pools[1][i].pair);
        /* a nonce of one bit against random ones; tags that differ in the last byte against such that differ at once */
        memset(&pools[0][i].nonce, 0, sizeof(sc));
        pools[0][i].nonce.v[3] = 1ULL << 40;
        need(!gm_scalar_random(&pools[1][i].nonce, 1, 0), "gm_scalar_random");
        need(!gm_random(random, 32), "gm_random");
        memcpy(pools[0][i].tag, right, 32);
        memcpy(pools[1][i].tag, right, 32);
        pools[0][i].tag[15] ^= 1;
        pools[1][i].tag[0] ^= (uint8_t)(random[0] | 1);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {{"sign key", sign_key}, {"sign nonce", sign_nonce}, {"decrypt", decrypt},       {"mac", mac},
                 {"gcm tag", gcm_tag},   {"leaky mac", leaky_mac},   {"leaky sign", leaky_sign}};
    void (*run)(void) = NULL;
    for (size_t i = 0; argc > 2 && i < sizeof tests / sizeof *tests; i++)
        if (strcmp(argv[1], tests[i].name) == 0)
            run = tests[i].run;
    need(run != NULL, "the choice of the test");
    engine = engine_of(argc > 3 ? argv[3] : "portable");
    prepare();
    long traces = atol(argv[2]) + FIRST;
    static uint64_t first[FIRST];
    double limits[CROPS];
    static struct welch tests_of[CROPS + 1];
    uint8_t choices[1024];
    for (long i = 0; i < traces; i++) {
        if (i % 1024 == 0)
            for (int j = 0; j < 4; j++)
                need(!gm_random(choices + 256 * j, 256), "gm_random");
        int class = choices[i % 1024] >> 7;
        input = pools[class][i % POOL];
        uint64_t before = now();
        run();
        uint64_t cycles = now() - before;
        if (i < FIRST) {
            first[i] = cycles;
            if (i == FIRST - 1) {
                qsort(first, FIRST, sizeof *first, compare);
                for (int j = 0; j < CROPS; j++)
                    limits[j] = (double)first[(size_t)(FIRST * (1 - pow(0.5, 10.0 * (j + 1) / CROPS)))];
            }
            continue;
        }
        add(&tests_of[CROPS], class, (double)cycles);
        for (int j = 0; j < CROPS; j++)
            if ((double)cycles < limits[j])
                add(&tests_of[j], class, (double)cycles);
    }
    double greatest = 0;
    for (int j = 0; j <= CROPS; j++)
        greatest = fmax(greatest, t_of(&tests_of[j]));
    printf("{\"traces\": %ld, \"t\": %.2f}\n", traces - FIRST, greatest);
    return 0;
}
