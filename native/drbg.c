/* Random bytes: CTR_DRBG of NIST SP 800-90A with SM4 and its derivation function (the SM4 generator of GM/T 0105 is of
 * this construction), seeded from the operating system behind the health tests of NIST SP 800-90B. */
#include "gm.h"

#include <errno.h>
#include <pthread.h>
#include <sys/random.h>
#include <time.h>

#define SEED GM_DRBG_SEED

/* The fastest SM4 of this machine, chosen once */
static struct gm_engine cipher;
static void choose(void) { gm_sm4_choose(&cipher); }

/* ---- the construction ---- */

static void mix(uint8_t *out, const uint8_t *in, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] ^= in[i];
}

/* 10.2.1.2: key and counter from the next two blocks and 32 bytes; NULL counts as zeros */
static void update(struct gm_drbg *d, const uint8_t *provided)
{
    struct gm_sm4 c;
    uint8_t temp[SEED] = {0};
    cipher.sm4_set_key(&c, d->key);
    gm_sm4_count(d->v, 128, 1);
    cipher.sm4_ctr(&c, d->v, 128, temp, temp, SEED);
    if (provided)
        mix(temp, provided, SEED);
    memcpy(d->key, temp, 16);
    memcpy(d->v, temp + 16, 16);
    gm_wipe(temp, sizeof temp);
    gm_wipe(&c, sizeof c);
}

struct chain {
    struct gm_sm4 c;
    uint8_t block[16], value[16];
    size_t held;
};

static void absorb(struct chain *x, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        x->block[x->held++] = data[i];
        if (x->held == 16) {
            mix(x->value, x->block, 16);
            cipher.sm4_ecb(&x->c, x->value, x->value, 1, 1);
            x->held = 0;
        }
    }
}

/* 10.3.2, for an output of 32 bytes */
static void derive(uint8_t out[SEED], const struct gm_bytes *parts, size_t count)
{
    static const uint8_t zeros[16] = {0}, end = 0x80;
    uint8_t key[16], temp[SEED], lengths[8];
    struct chain x;
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += parts[i].size;
    gm_store32(lengths, (uint32_t)total);
    gm_store32(lengths + 4, SEED);
    for (int i = 0; i < 16; i++)
        key[i] = (uint8_t)i;
    cipher.sm4_set_key(&x.c, key);
    for (uint32_t i = 0; i < 2; i++) {
        uint8_t iv[16] = {0};
        gm_store32(iv, i);
        memset(x.value, 0, 16);
        x.held = 0;
        absorb(&x, iv, 16);
        absorb(&x, lengths, 8);
        for (size_t j = 0; j < count; j++)
            absorb(&x, parts[j].data, parts[j].size);
        absorb(&x, &end, 1);
        if (x.held)
            absorb(&x, zeros, 16 - x.held);
        memcpy(temp + 16 * i, x.value, 16);
    }
    cipher.sm4_set_key(&x.c, temp);
    cipher.sm4_ecb(&x.c, temp + 16, out, 1, 1);
    cipher.sm4_ecb(&x.c, out, out + 16, 1, 1);
    gm_wipe(temp, sizeof temp);
    gm_wipe(&x, sizeof x);
}

void gm_drbg_instantiate(struct gm_drbg *d, struct gm_bytes entropy, struct gm_bytes nonce, struct gm_bytes personal)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const struct gm_bytes parts[3] = {entropy, nonce, personal};
    uint8_t seed[SEED];
    pthread_once(&once, choose);
    memset(d, 0, sizeof *d);
    derive(seed, parts, 3);
    update(d, seed);
    gm_wipe(seed, sizeof seed);
}

void gm_drbg_reseed(struct gm_drbg *d, struct gm_bytes entropy, struct gm_bytes additional)
{
    const struct gm_bytes parts[2] = {entropy, additional};
    uint8_t seed[SEED];
    derive(seed, parts, 2);
    update(d, seed);
    gm_wipe(seed, sizeof seed);
}

void gm_drbg_generate(struct gm_drbg *d, struct gm_bytes additional, uint8_t *out, size_t size)
{
    struct gm_sm4 c;
    uint8_t extra[SEED], *given = additional.size ? extra : NULL;
    if (given) {
        derive(extra, &additional, 1);
        update(d, extra);
    }
    uint8_t counter[16];
    memcpy(counter, d->v, 16);
    gm_sm4_count(counter, 128, 1);
    cipher.sm4_set_key(&c, d->key);
    memset(out, 0, size);
    cipher.sm4_ctr(&c, counter, 128, out, out, size);
    gm_sm4_count(d->v, 128, (size + 15) / 16);
    update(d, given);
    gm_wipe(extra, sizeof extra);
    gm_wipe(&c, sizeof c);
}

/* ---- the source: bytes of the operating system as samples; less entropy is asked of them, 4 bits each, than they have,
 * so that a false alarm (2^-40 under that assumption) does not happen in practice ---- */

#define REPEATS 11    /* SP 800-90B 4.4.1: 1 + 40/4 */
#define WINDOW 512    /* 4.4.2 */
#define OCCURRENCES 78 /* 1 + the 1 - 2^-40 quantile of the binomial distribution for 512 and 1/16 */

int gm_health(struct gm_health *h, const uint8_t *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        h->repeats = h->repeats && samples[i] == h->last ? h->repeats + 1 : 1;
        h->last = samples[i];
        if (h->window == 0) {
            h->first = samples[i];
            h->occurrences = 0;
        }
        h->occurrences += samples[i] == h->first;
        h->window = (h->window + 1) % WINDOW;
        h->failed |= h->repeats >= REPEATS || h->occurrences >= OCCURRENCES;
    }
    return !h->failed;
}

static struct gm_health health;
static uint8_t probe[16]; /* the last of the draws that are kept for comparison and never used */

static int draw(uint8_t *out, size_t size)
{
    for (size_t got = 0; got < size;) {
        ssize_t more = getrandom(out + got, size - got, 0);
        if (more <= 0 && errno != EINTR)
            return -1;
        got += more > 0 ? (size_t)more : 0;
    }
    return gm_health(&health, out, size) ? 0 : -1;
}

/* One draw never resembles the one before: a source that is stuck on more than a byte */
static int fresh(uint8_t out[GM_DRBG_ENTROPY])
{
    uint8_t next[16];
    if (draw(next, 16) || draw(out, GM_DRBG_ENTROPY))
        return -1;
    health.failed |= gm_equal(next, probe, 16) || gm_equal(out, out + 16, 16) || gm_equal(out, next, 16);
    memcpy(probe, next, 16);
    return health.failed ? -1 : 0;
}

/* ---- the generator of this process ---- */

#define INTERVAL 1024       /* generations between seeds */
#define SECONDS 60          /* and time */
#define MOST ((size_t)1 << 16) /* bytes a generation, SP 800-90A table 3 */
#define STOCK 4096
#define FROM_STOCK 512 /* requests up to that size are served from what is there already */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct gm_drbg drbg;
static uint64_t generations;
static time_t seeded;
static int ready;
static uint8_t stock[STOCK];
static size_t left; /* the last bytes of the stock; those given out are wiped */

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void in_parent(void) { pthread_mutex_unlock(&lock); }

/* The child must not repeat what its parent will say. */
static void in_child(void)
{
    ready = 0;
    left = 0;
    gm_wipe(stock, sizeof stock);
    pthread_mutex_unlock(&lock);
}

static void watch_forks(void) { pthread_atfork(before_fork, in_parent, in_child); }

static time_t now(void)
{
    struct timespec t;
    return clock_gettime(CLOCK_MONOTONIC_COARSE, &t) ? 0 : t.tv_sec;
}

static int start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static int tested;
    uint8_t samples[1024], entropy[GM_DRBG_ENTROPY], moment[sizeof(struct timespec)];
    pthread_once(&once, watch_forks);
    if (!tested && draw(samples, sizeof samples)) /* SP 800-90B 4.3: 1024 samples before the first use */
        return -1;
    tested = 1;
    if (fresh(entropy))
        return -1;
    struct timespec t = {0, 0};
    clock_gettime(CLOCK_REALTIME, &t);
    memcpy(moment, &t, sizeof moment);
    gm_drbg_instantiate(&drbg, (struct gm_bytes){entropy, 32}, (struct gm_bytes){entropy + 32, 16},
                        (struct gm_bytes){moment, sizeof moment});
    gm_wipe(entropy, sizeof entropy);
    generations = 0;
    seeded = now();
    ready = 1;
    return 0;
}

static int generate(uint8_t *out, size_t size)
{
    if (health.failed || (!ready && start()))
        return -1;
    if (generations >= INTERVAL || now() - seeded >= SECONDS) {
        uint8_t entropy[GM_DRBG_ENTROPY];
        if (fresh(entropy))
            return -1;
        gm_drbg_reseed(&drbg, (struct gm_bytes){entropy, sizeof entropy}, (struct gm_bytes){NULL, 0});
        gm_wipe(entropy, sizeof entropy);
        generations = 0;
        seeded = now();
    }
    generations++;
    gm_drbg_generate(&drbg, (struct gm_bytes){NULL, 0}, out, size);
    return 0;
}

static int from_stock(uint8_t *out, size_t size)
{
    if (size > left) {
        if (generate(stock, STOCK))
            return -1;
        left = STOCK;
    }
    uint8_t *from = stock + STOCK - left;
    if (size)
        memcpy(out, from, size);
    gm_wipe(from, size);
    left -= size;
    return 0;
}

int gm_random(uint8_t *out, size_t size)
{
    int failed = 0;
    pthread_mutex_lock(&lock);
    if (size <= FROM_STOCK)
        failed = from_stock(out, size);
    for (size_t done = 0; size > FROM_STOCK && done < size && !failed; done += MOST)
        failed = generate(out + done, size - done < MOST ? size - done : MOST);
    pthread_mutex_unlock(&lock);
    return failed ? -1 : 0;
}
