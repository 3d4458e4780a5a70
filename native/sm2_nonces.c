/* Nonces of SM2 signatures, made in batches so that the lanes are full even when signatures come one by one.
 *
 * Each thread has a pool of its own: no lock, and no two threads meet a nonce. The pool lies in a mapping that the kernel
 * empties in a child of fork, so parent and child share none; it stays out of core dumps. A nonce is wiped as it is taken,
 * the rest when the thread ends. Where the kernel cannot promise this, no nonce is made before it is needed. */
#include "gm.h"

#include <pthread.h>
#include <sys/mman.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

struct pool {
    const struct gm_engine *engine; /* that made them */
    size_t left, next;              /* how many there are, and how many to make the next time */
    struct gm_nonce nonces[GM_BATCH];
};

static pthread_key_t key;
static __thread struct pool *mine;

static void dispose(void *data)
{
    gm_wipe(data, sizeof(struct pool));
    (void)munmap(data, sizeof(struct pool));
    mine = NULL;
}

static void make_key(void) { (void)pthread_key_create(&key, dispose); }

/* NULL where the kernel lacks something */
static struct pool *pool(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!mine) {
        pthread_once(&once, make_key);
        void *memory = mmap(NULL, sizeof(struct pool), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            return NULL;
        if (madvise(memory, sizeof(struct pool), MADV_WIPEONFORK) || pthread_setspecific(key, memory)) {
            (void)munmap(memory, sizeof(struct pool));
            return NULL;
        }
        (void)madvise(memory, sizeof(struct pool), MADV_DONTDUMP);
        (void)mlock(memory, sizeof(struct pool));
        mine = memory;
    }
    return mine;
}

static int make(const struct gm_engine *engine, struct gm_nonce *out, size_t count)
{
    sc k[GM_BATCH];
    uint8_t points[GM_BATCH][64];
    int status = gm_scalar_random(k, count, 0);
    if (!status) {
        engine->base_many(count, k, points);
        for (size_t i = 0; i < count; i++) {
            out[i].k = k[i];
            memcpy(out[i].x1, points[i], 32);
        }
    }
    gm_wipe(k, sizeof *k * count);
    gm_wipe(points, sizeof *points * count);
    return status;
}

/* `soon` nonces will be taken at once. Beyond that as many are made as were made the last time and again as many. */
int gm_nonce_take(const struct gm_engine *engine, struct gm_nonce *out, size_t soon)
{
    struct pool *p = pool();
    if (!p)
        return make(engine, out, 1);
    if (!p->left || p->engine != engine) {
        size_t count = soon;
        gm_wipe(p->nonces, sizeof p->nonces);
        p->left = 0;
        p->engine = engine;
        if (engine->lanes) {
            p->next = p->next ? 2 * p->next : 8;
            count = soon > p->next ? soon : p->next;
        }
        if (count > GM_BATCH)
            count = p->next = GM_BATCH;
        if (make(engine, p->nonces, count))
            return -1;
        p->left = count;
    }
    *out = p->nonces[--p->left];
    gm_wipe(&p->nonces[p->left], sizeof *out);
    return 0;
}
