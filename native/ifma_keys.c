/* Tables of multiples of the public keys that are met again and again, for verification. Public data.
 *
 * A key gets its table at its sixteenth use, since building it costs as much as about ten verifications. Together the
 * tables keep below a bound of memory; the one that was not used for longest goes first. */
#include "gm.h"

#ifdef GM_X86
#include "ifma_point.h"

#include <pthread.h>
#include <stdlib.h>

#define SIGHTINGS 4096
#define ENOUGH 16
#define BUCKETS 1024

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct key_table *buckets[BUCKETS];
static size_t tables, limit = (size_t)64 << 20;
static uint64_t clock_tick;
static struct {
    uint64_t key;
    unsigned count;
} sightings[SIGHTINGS]; /* of keys without a table; another key of the same place forgets the first */

/* Does not resist an adversary's choice of keys: that costs speed only */
static uint64_t mix(const affine *p)
{
    uint64_t h = p->x.v[0] ^ p->x.v[1] * 0x9e3779b97f4a7c15ULL ^ p->y.v[2] * 0xc2b2ae3d27d4eb4fULL;
    return (h ^ h >> 29) * 0xbf58476d1ce4e5b9ULL;
}

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }

/* With the lock held: frees until `room` more tables fit */
static void make_room(size_t room)
{
    while (tables && (tables + room) * sizeof(struct key_table) > limit) {
        struct key_table **oldest = NULL;
        for (size_t i = 0; i < BUCKETS; i++)
            for (struct key_table **at = &buckets[i]; *at; at = &(*at)->next)
                if (!(*at)->holders && (!oldest || (*at)->used < (*oldest)->used))
                    oldest = at;
        if (!oldest)
            return; /* all are being used */
        struct key_table *gone = *oldest;
        *oldest = gone->next;
        free(gone);
        tables--;
    }
}

TARGET static void build(struct key_table *table, const affine *p)
{
    enum { groups = (WINDOWS + LANES - 1) / LANES };
    struct {
        affine8 entries[groups][WINDOW_ENTRIES], bases[groups];
        fe8 ratio[groups][WINDOW_ENTRIES], z[groups];
    } *r = aligned_alloc(64, (sizeof *r + 63) / 64 * 64);
    affine8 start;
    fe8 t;
    if (!r)
        abort();
    gm_ifma_load(&start, p, 1);
    point8 base = {start.x, start.y, start.y};
    constant8(&base.z, one52);
    for (unsigned window = 0; window < groups * LANES; window++) { /* 2^(5i) * P into its lane */
        __mmask8 lane = (__mmask8)(1 << window % LANES);
        select8(&r->bases[window / LANES].x, lane, &base.x);
        select8(&r->bases[window / LANES].y, lane, &base.y);
        select8(&r->z[window / LANES], lane, &base.z);
        for (int i = 0; i < WINDOW; i++)
            double8(&base);
    }
    gm_ifma_inverses(r->z, groups);
    for (int g = 0; g < groups; g++) {
        sqr8(&t, &r->z[g]);
        mul8(&r->bases[g].x, &r->bases[g].x, &t);
        mul8(&t, &t, &r->z[g]);
        mul8(&r->bases[g].y, &r->bases[g].y, &t);
    }
    gm_ifma_odd_multiples(r->entries[0], r->ratio[0], WINDOW_ENTRIES, r->bases, groups);
    for (unsigned window = 0; window < WINDOWS; window++)
        for (unsigned j = 0; j < WINDOW_ENTRIES; j++) {
            const uint64_t *limbs = (const uint64_t *)&r->entries[window / LANES][j];
            for (unsigned i = 0; i < 10; i++)
                table->entries[window][j][i] = limbs[LANES * i + window % LANES];
        }
    free(r);
    table->p = *p;
}

/* With the lock held */
static struct key_table *find(const affine *p, uint64_t hash)
{
    struct key_table *table = buckets[hash % BUCKETS];
    while (table && memcmp(&table->p, p, sizeof *p))
        table = table->next;
    if (table) {
        table->used = ++clock_tick;
        table->holders++;
    }
    return table;
}

/* Whether this use makes the key worth a table */
static int sighted(uint64_t hash)
{
    size_t at = hash / BUCKETS % SIGHTINGS;
    if (sightings[at].key != hash) {
        sightings[at].key = hash;
        sightings[at].count = 0;
    }
    return ++sightings[at].count == ENOUGH && limit >= sizeof(struct key_table);
}

const struct key_table *gm_ifma_key_table(const affine *p)
{
    uint64_t hash = mix(p);
    pthread_mutex_lock(&lock);
    struct key_table *table = find(p, hash);
    int wanted = !table && sighted(hash);
    pthread_mutex_unlock(&lock);
    if (!wanted)
        return table;
    struct key_table *fresh = aligned_alloc(64, (sizeof *fresh + 63) / 64 * 64);
    if (!fresh)
        return NULL;
    build(fresh, p);
    pthread_mutex_lock(&lock);
    table = find(p, hash); /* another thread may have been faster */
    if (!table) {
        make_room(1);
        fresh->next = buckets[hash % BUCKETS];
        fresh->used = ++clock_tick;
        fresh->holders = 1;
        table = buckets[hash % BUCKETS] = fresh;
        fresh = NULL;
        tables++;
    }
    pthread_mutex_unlock(&lock);
    free(fresh);
    return table;
}

void gm_ifma_key_release(const struct key_table *table)
{
    pthread_mutex_lock(&lock);
    ((struct key_table *)(uintptr_t)table)->holders--;
    pthread_mutex_unlock(&lock);
}

size_t gm_ifma_key_tables(size_t bytes)
{
    pthread_mutex_lock(&lock);
    limit = bytes;
    make_room(0);
    memset(sightings, 0, sizeof sightings);
    size_t count = tables;
    pthread_mutex_unlock(&lock);
    return count;
}

void gm_ifma_keys_setup(void) { (void)pthread_atfork(before_fork, after_fork, after_fork); }
#endif
