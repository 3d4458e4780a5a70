/* What known answers do not reach: every entry of the tables, every lane, the edges. Compares an engine with the portable
 * code, and the tables with multiplications that do not use them. */
#include "gm.h"

#define COUNT 17 /* two groups of lanes and one more */

/* Numbers 1..n-1 of no meaning */
static void numbers(sc *out, size_t count, uint8_t seed)
{
    uint8_t bytes[32];
    for (size_t i = 0; i < count; i++) {
        struct gm_sm3 h;
        uint8_t name[2] = {seed, (uint8_t)i};
        gm_sm3_init(&h);
        gm_sm3_update(&h, name, 2);
        gm_sm3_final(&h, bytes);
        sc_decode(&out[i], bytes);
    }
}

/* factor * (1 + 2^width + 2^(2 width) + ...), `windows` terms */
static void repeated(sc *r, uint64_t factor, unsigned width, unsigned windows)
{
    sc term = {{factor, 0, 0, 0}};
    memset(r, 0, sizeof *r);
    while (windows--) {
        sc_add(r, r, &term);
        for (unsigned i = 0; i < width; i++)
            sc_add(&term, &term, &term);
    }
}

static int is_multiple(const point *sum, const sc *k)
{
    point product;
    affine expected, got;
    gm_point_mul(&product, k, &gm_base_table[0][0]);
    if (fe_is_zero(&sum->z))
        return 0;
    gm_point_to_affine(&expected, &product, 1);
    gm_point_to_affine(&got, sum, 1);
    return memcmp(&expected, &got, sizeof got) == 0;
}

/* The entries of the two tables of multiples of G, added up */
static const char *table_fault(int lanes)
{
    sc k;
    point sum;
    gm_point_sum(&sum, gm_base_table[0], GM_WINDOWS * GM_WIDTH);
    repeated(&k, GM_WIDTH * (GM_WIDTH + 1) / 2, 5, GM_WINDOWS);
    if (!is_multiple(&sum, &k))
        return "SM2: the table of multiples of G";
#ifdef GM_X86
    if (lanes) {
        affine sums[GM_COMB_WINDOWS];
        if (!gm_ifma_comb_sums(sums))
            return "SM2: the table of multiples of G for the lanes";
        gm_point_sum(&sum, sums, GM_COMB_WINDOWS);
        repeated(&k, GM_COMB_ENTRIES * GM_COMB_ENTRIES, GM_COMB, GM_COMB_WINDOWS);
        if (!is_multiple(&sum, &k))
            return "SM2: the table of multiples of G for the lanes";
    }
#endif
    (void)lanes;
    return NULL;
}

static int verifies(const struct gm_engine *engine, size_t count, const affine *p, const uint8_t (*e)[32],
                    const uint8_t (*r)[32], const uint8_t (*s)[32], const uint8_t *expected)
{
    uint8_t good[COUNT];
    memset(good, 1, sizeof good);
    engine->verify_many(count, p, e, r, s, good);
    return memcmp(good, expected, count) == 0;
}

const char *gm_sm2_fault(const struct gm_engine *engine)
{
    sc d[COUNT], k[COUNT];
    struct gm_signer signers[COUNT];
    uint8_t mine[COUNT][64], theirs[COUNT][64], e[COUNT][32], r[COUNT][32], s[COUNT][32], expected[COUNT];
    affine p[COUNT], same[COUNT];
    const char *fault = table_fault(engine->lanes);
    if (fault || engine == &gm_portable)
        return fault;
    numbers(d, COUNT, 1);
    numbers(k, COUNT, 2);
    /* 1 and n - 1, and the multiples that the sums of the lanes cannot form */
    const sc one = {{1, 0, 0, 0}}, six = {{6, 0, 0, 0}}, high = {{0, 0, 0, 30ULL << 59}}, zero = {{0}};
    k[0] = one;
    sc_sub(&k[1], &zero, &one);
    k[2] = six;
    sc_sub(&k[3], &zero, &six);
    sc_add(&k[4], &high, &high);
    sc_sub(&k[5], &zero, &k[4]);
    engine->base_many(COUNT, k, mine);
    gm_portable_base_many(COUNT, k, theirs);
    if (memcmp(mine, theirs, sizeof mine))
        return "SM2: multiples of G";
    gm_portable_base_many(COUNT, d, theirs);
    for (size_t i = 0; i < COUNT; i++)
        if (!fe_decode(&p[i].x, theirs[i]) || !fe_decode(&p[i].y, theirs[i] + 32))
            return "SM2: multiples of G";
    engine->multiply_many(COUNT, k, p, mine);
    gm_portable_multiply_many(COUNT, k, p, theirs);
    if (memcmp(mine, theirs, sizeof mine))
        return "SM2: multiples of a point";
    gm_sm2_signers(signers, d, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        sc_encode(e[i], &k[i]);
        expected[i] = i % 3 != 2;
    }
    /* Each key's own signature; then one key, often enough for it to be met as known */
    for (int known = 0; known < 2; known++) {
        if (gm_sm2_sign_many(engine, COUNT, signers, known, (const uint8_t(*)[32])e, r, s))
            return "SM2: no randomness";
        for (size_t i = 0; i < COUNT; i++) {
            same[i] = p[known ? 0 : i];
            if (!expected[i])
                s[i][31 - i % 32] ^= 1;
        }
        for (int time = 0; time <= known; time++)
            if (!verifies(engine, COUNT, same, (const uint8_t(*)[32])e, (const uint8_t(*)[32])r,
                          (const uint8_t(*)[32])s, expected))
                return "SM2: verification";
        if (!verifies(&gm_portable, 2, same, (const uint8_t(*)[32])e, (const uint8_t(*)[32])r, (const uint8_t(*)[32])s,
                      expected))
            return "SM2: signatures";
    }
    return NULL;
}
