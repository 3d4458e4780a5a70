/* SM3 of many messages side by side: sixteen lanes of AVX-512, eight of AVX2. A lane that is done takes the next message,
 * so that lengths may differ. */
#include "gm.h"

#ifdef GM_X86
#include "sm3_constants.h"

#include <immintrin.h>

#define MOST 16

/* ---- sixteen lanes ---- */

#define T16 __attribute__((target("avx512f,avx512bw")))

/* Word i of all lanes from the 64 bytes of each; the data moves on */
T16 static inline __attribute__((always_inline)) void sixteen_words(__m512i w[16], const uint8_t *data[16])
{
    const __m512i swap = _mm512_broadcast_i32x4(_mm_set_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203));
    __m512i t[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        w[i] = _mm512_loadu_si512(data[i]);
        data[i] += 64;
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) { /* four lanes: t[i + k] holds words k, k + 4, k + 8, k + 12 of each */
        __m512i a = _mm512_unpacklo_epi32(w[i], w[i + 1]), b = _mm512_unpackhi_epi32(w[i], w[i + 1]);
        __m512i c = _mm512_unpacklo_epi32(w[i + 2], w[i + 3]), d = _mm512_unpackhi_epi32(w[i + 2], w[i + 3]);
        t[i] = _mm512_shuffle_epi8(_mm512_unpacklo_epi64(a, c), swap);
        t[i + 1] = _mm512_shuffle_epi8(_mm512_unpackhi_epi64(a, c), swap);
        t[i + 2] = _mm512_shuffle_epi8(_mm512_unpacklo_epi64(b, d), swap);
        t[i + 3] = _mm512_shuffle_epi8(_mm512_unpackhi_epi64(b, d), swap);
    }
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        __m512i a = _mm512_shuffle_i32x4(t[k], t[k + 4], 0x88), b = _mm512_shuffle_i32x4(t[k], t[k + 4], 0xdd);
        __m512i c = _mm512_shuffle_i32x4(t[k + 8], t[k + 12], 0x88), d = _mm512_shuffle_i32x4(t[k + 8], t[k + 12], 0xdd);
        w[k] = _mm512_shuffle_i32x4(a, c, 0x88);
        w[k + 8] = _mm512_shuffle_i32x4(a, c, 0xdd);
        w[k + 4] = _mm512_shuffle_i32x4(b, d, 0x88);
        w[k + 12] = _mm512_shuffle_i32x4(b, d, 0xdd);
    }
}

#define V __m512i
#define LANES 16
#define NAME(x) sixteen_##x
#define TARGET T16
#define ADD(x, y) _mm512_add_epi32(x, y)
#define XOR(x, y) _mm512_xor_si512(x, y)
#define XOR3(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0x96)
#define MAJORITY(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0xe8)
#define CHOOSE(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0xca)
#define ROTATE(x, n) _mm512_rol_epi32(x, n)
#define ALL(x) _mm512_set1_epi32((int)(x))
#define LOAD(p) _mm512_loadu_si512(p)
#define STORE(p, x) _mm512_storeu_si512(p, x)
#include "sm3_lanes.h"

/* ---- eight lanes ---- */

#define T8 __attribute__((target("avx2")))

T8 static inline __attribute__((always_inline)) void eight_words(__m256i w[16], const uint8_t *data[8])
{
    const __m256i swap = _mm256_broadcastsi128_si256(_mm_set_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203));
    for (int half = 0; half < 2; half++) {
        __m256i t[8];
#pragma GCC unroll 2
        for (int i = 0; i < 8; i += 4) {
            __m256i row[4];
#pragma GCC unroll 4
            for (int k = 0; k < 4; k++)
                row[k] = _mm256_loadu_si256((const __m256i *)(data[i + k] + 32 * half));
            __m256i a = _mm256_unpacklo_epi32(row[0], row[1]), b = _mm256_unpackhi_epi32(row[0], row[1]);
            __m256i c = _mm256_unpacklo_epi32(row[2], row[3]), d = _mm256_unpackhi_epi32(row[2], row[3]);
            t[i] = _mm256_shuffle_epi8(_mm256_unpacklo_epi64(a, c), swap);
            t[i + 1] = _mm256_shuffle_epi8(_mm256_unpackhi_epi64(a, c), swap);
            t[i + 2] = _mm256_shuffle_epi8(_mm256_unpacklo_epi64(b, d), swap);
            t[i + 3] = _mm256_shuffle_epi8(_mm256_unpackhi_epi64(b, d), swap);
        }
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) {
            w[8 * half + k] = _mm256_permute2x128_si256(t[k], t[k + 4], 0x20);
            w[8 * half + k + 4] = _mm256_permute2x128_si256(t[k], t[k + 4], 0x31);
        }
    }
    for (int i = 0; i < 8; i++)
        data[i] += 64;
}

#define V __m256i
#define LANES 8
#define NAME(x) eight_##x
#define TARGET T8
#define ADD(x, y) _mm256_add_epi32(x, y)
#define XOR(x, y) _mm256_xor_si256(x, y)
#define XOR3(x, y, z) XOR(XOR(x, y), z)
#define MAJORITY(x, y, z) _mm256_or_si256(_mm256_and_si256(x, y), _mm256_and_si256(_mm256_or_si256(x, y), z))
#define CHOOSE(x, y, z) XOR(_mm256_and_si256(XOR(y, z), x), z)
#define ROTATE(x, n) _mm256_or_si256(_mm256_slli_epi32(x, n), _mm256_srli_epi32(x, 32 - (n)))
#define ALL(x) _mm256_set1_epi32((int)(x))
#define LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define STORE(p, x) _mm256_storeu_si256((__m256i *)(p), x)
#include "sm3_lanes.h"

/* ---- which message goes where ---- */

#define ENDS 192 /* bytes for a short message, or for an end, with its padding */

struct lane {
    const uint8_t *data;
    size_t blocks; /* whole ones from there */
    struct gm_bytes rest;
    int padded; /* whether those blocks are the last */
    size_t item;
    uint64_t size; /* with the prefix */
    uint8_t copy[ENDS];
};

struct work {
    size_t count, next;
    const struct gm_bytes *prefix, *items;
    int prefix_each;
    struct gm_sm3 start; /* after a prefix that all share */
    struct lane lanes[MOST];
    uint32_t state[8 * MOST]; /* [word][lane] */
    uint8_t (*out)[32];
};

static void from_copy(struct lane *l, size_t held, int end)
{
    size_t size = 64;
    if (end) {
        size = held < 56 ? 64 : held < 120 ? 128 : ENDS;
        memset(l->copy + held, 0, size - held);
        l->copy[held] = 0x80;
        gm_store64(l->copy + size - 8, 8 * l->size);
    }
    l->data = l->copy;
    l->blocks = size / 64;
    l->padded = end;
}

static void begin(struct work *k, size_t width, size_t i)
{
    struct lane *l = &k->lanes[i];
    struct gm_sm3 own, *start = &k->start;
    struct gm_bytes item = k->items[k->next];
    if (k->prefix_each) {
        gm_sm3_init(start = &own);
        gm_sm3_update(&own, k->prefix[k->next].data, k->prefix[k->next].size);
    }
    size_t held = start->length & 63;
    for (int word = 0; word < 8; word++)
        k->state[word * width + i] = start->state[word];
    l->item = k->next++;
    l->size = start->length + item.size;
    l->rest = item;
    l->blocks = 0;
    l->padded = 0;
    if (held + item.size < ENDS - 8) {
        memcpy(l->copy, start->block, held);
        if (item.size)
            memcpy(l->copy + held, item.data, item.size);
        from_copy(l, held + item.size, 1);
    } else if (held) {
        memcpy(l->copy, start->block, held);
        memcpy(l->copy + held, item.data, 64 - held);
        from_copy(l, 64, 0);
        l->rest.data += 64 - held;
        l->rest.size -= 64 - held;
    }
}

/* More blocks of the lane's message; 0 when there are none */
static int proceed(struct lane *l)
{
    if (l->padded)
        return 0;
    size_t whole = l->rest.size & ~(size_t)63;
    if (whole) {
        l->data = l->rest.data;
        l->blocks = whole / 64;
        l->rest.data += whole;
        l->rest.size -= whole;
    } else {
        if (l->rest.size)
            memcpy(l->copy, l->rest.data, l->rest.size);
        from_copy(l, l->rest.size, 1);
    }
    return 1;
}

static void end(struct work *k, size_t width, size_t i)
{
    for (int word = 0; word < 8; word++)
        gm_store32(k->out[k->lanes[i].item] + 4 * word, k->state[word * width + i]);
}

/* One lane alone is faster outside of the vectors. */
static void alone(struct work *k, size_t width, size_t i)
{
    uint32_t v[8];
    struct lane *l = &k->lanes[i];
    for (int word = 0; word < 8; word++)
        v[word] = k->state[word * width + i];
    do
        gm_avx2_sm3(v, l->data, l->blocks);
    while (proceed(l));
    for (int word = 0; word < 8; word++)
        k->state[word * width + i] = v[word];
}

/* Lets all busy lanes run as far as the first that needs something new */
static void run(struct work *k, size_t width, size_t busy, const size_t at[MOST])
{
    const uint8_t *data[MOST];
    size_t blocks = k->lanes[at[0]].blocks;
    for (size_t i = 0; i < width; i++)
        data[i] = k->lanes[at[0]].data; /* what idle lanes compute is thrown away */
    for (size_t i = 0; i < busy; i++) {
        data[at[i]] = k->lanes[at[i]].data;
        blocks = k->lanes[at[i]].blocks < blocks ? k->lanes[at[i]].blocks : blocks;
    }
    if (width == 16)
        sixteen_blocks((uint32_t(*)[16])k->state, data, blocks);
    else
        eight_blocks((uint32_t(*)[8])k->state, data, blocks);
    for (size_t i = 0; i < busy; i++) {
        k->lanes[at[i]].data += 64 * blocks;
        k->lanes[at[i]].blocks -= blocks;
    }
}

static void digests(struct work *k, size_t width)
{
    size_t at[MOST], busy = 0; /* the busy lanes */
    while (busy < width && k->next < k->count) {
        begin(k, width, busy);
        at[busy] = busy;
        busy++;
    }
    while (busy) {
        for (size_t i = 0; i < busy;) {
            struct lane *l = &k->lanes[at[i]];
            if (l->blocks || proceed(l)) {
                i++;
                continue;
            }
            end(k, width, at[i]);
            if (k->next < k->count)
                begin(k, width, at[i]);
            else
                at[i] = at[--busy];
        }
        if (busy == 1) {
            alone(k, width, at[0]);
            end(k, width, at[0]);
            busy = 0;
        } else if (busy) {
            run(k, width, busy, at);
        }
    }
}
#endif

void gm_sm3_many(size_t count, const struct gm_bytes *prefix, int prefix_each, const struct gm_bytes *items,
                 uint8_t (*out)[32])
{
#ifdef GM_X86
    if (count > 1 && gm_cpu_has(GM_AVX2)) {
        struct work k;
        k.count = count, k.next = 0, k.prefix = prefix, k.items = items, k.out = out;
        k.prefix_each = prefix && prefix_each;
        gm_sm3_init(&k.start);
        if (prefix && !prefix_each)
            gm_sm3_update(&k.start, prefix->data, prefix->size);
        digests(&k, gm_cpu_has(GM_AVX512) ? 16 : 8);
        gm_wipe(&k, sizeof k);
        return;
    }
#endif
    gm_portable_sm3_many(count, prefix, prefix_each, items, out);
}
