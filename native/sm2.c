/* SM2 (GB/T 32918): nonces, signatures, verification, encryption. */
#include "gm.h"

int gm_scalar_random(sc *out, size_t count, int below_n_minus_1)
{
    uint8_t pool[32 * GM_BATCH];
    size_t left = 0;
    int failed = 0;
    for (size_t i = 0; i < count && !failed;) {
        if (!left) {
            left = count - i < GM_BATCH ? count - i : GM_BATCH;
            failed = gm_random(pool, 32 * left);
            if (failed)
                break;
        }
        /* Rejection keeps the draw uniform; about one in 2^32 is refused. */
        int good = sc_decode(&out[i], pool + 32 * --left);
        if (good && !(below_n_minus_1 && sc_is_n_minus_1(&out[i])))
            i++;
    }
    gm_wipe(pool, sizeof pool);
    if (failed)
        gm_wipe(out, sizeof *out * count);
    return failed ? -1 : 0;
}

static const uint8_t parameters[128] = {
    /* a */
    0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfc,
    /* b */
    0x28, 0xe9, 0xfa, 0x9e, 0x9d, 0x9f, 0x5e, 0x34, 0x4d, 0x5a, 0x9e, 0x4b, 0xcf, 0x65, 0x09, 0xa7, 0xf3, 0x97, 0x89, 0xf5,
    0x15, 0xab, 0x8f, 0x92, 0xdd, 0xbc, 0xbd, 0x41, 0x4d, 0x94, 0x0e, 0x93,
    /* xG */
    0x32, 0xc4, 0xae, 0x2c, 0x1f, 0x19, 0x81, 0x19, 0x5f, 0x99, 0x04, 0x46, 0x6a, 0x39, 0xc9, 0x94, 0x8f, 0xe3, 0x0b, 0xbf,
    0xf2, 0x66, 0x0b, 0xe1, 0x71, 0x5a, 0x45, 0x89, 0x33, 0x4c, 0x74, 0xc7,
    /* yG */
    0xbc, 0x37, 0x36, 0xa2, 0xf4, 0xf6, 0x77, 0x9c, 0x59, 0xbd, 0xce, 0xe3, 0x6b, 0x69, 0x21, 0x53, 0xd0, 0xa9, 0x87, 0x7c,
    0xc6, 0x2a, 0x47, 0x40, 0x02, 0xdf, 0x32, 0xe5, 0x21, 0x39, 0xf0, 0xa0};

size_t gm_sm2_za_prefix(uint8_t *out, const uint8_t *id, size_t id_size)
{
    out[0] = (uint8_t)(id_size * 8 >> 8);
    out[1] = (uint8_t)(id_size * 8);
    memcpy(out + 2, id, id_size);
    memcpy(out + 2 + id_size, parameters, sizeof parameters);
    return 2 + id_size + sizeof parameters;
}

/* GB/T 32918.2, 6.1, steps A4 to A6 from a nonce; 0 when the nonce must be drawn again */
static int sign_with(uint8_t r_out[32], uint8_t s_out[32], const uint8_t e[32], const struct gm_nonce *nonce,
                     const struct gm_signer *signer)
{
    sc number, r, s, t;
    sc_decode(&r, nonce->x1);
    sc_decode(&number, e);
    sc_add(&r, &r, &number);
    sc_add(&t, &r, &nonce->k); /* r + k = n is refused */
    /* s = (k - r*d) / (1 + d) = (k + r) / (1 + d) - r */
    sc_mul_entered(&s, &t, &signer->inverse);
    sc_sub(&s, &s, &r);
    int good = !sc_is_zero(&r) & !sc_is_zero(&t) & !sc_is_zero(&s);
    sc_encode(r_out, &r);
    sc_encode(s_out, &s);
    gm_wipe(&t, sizeof t);
    return good;
}

/* Montgomery's trick; d lies in 1..n-2, so no factor is zero */
void gm_sm2_signers(struct gm_signer *out, const sc *d, size_t count)
{
    sc sums[GM_BATCH], inverse;
    while (count) {
        size_t take = count < GM_BATCH ? count : GM_BATCH;
        for (size_t i = 0; i < take; i++) {
            sc_add_one(&sums[i], &d[i]);
            sc_enter(&sums[i], &sums[i]);
            if (i)
                sc_mul_entered(&out[i].inverse, &out[i - 1].inverse, &sums[i]);
            else
                out[i].inverse = sums[i];
        }
        sc_inv_entered(&inverse, &out[take - 1].inverse);
        for (size_t i = take - 1; i; i--) {
            sc_mul_entered(&out[i].inverse, &inverse, &out[i - 1].inverse);
            sc_mul_entered(&inverse, &inverse, &sums[i]);
        }
        out[0].inverse = inverse;
        d += take, out += take, count -= take;
    }
    gm_wipe(sums, sizeof sums);
    gm_wipe(&inverse, sizeof inverse);
}

int gm_sm2_sign_many(const struct gm_engine *engine, size_t count, const struct gm_signer *signer, int one_key,
                     const uint8_t (*e)[32], uint8_t (*r)[32], uint8_t (*s)[32])
{
    int status = 0;
    for (size_t i = 0; i < count && !status; i++) {
        struct gm_nonce nonce;
        do
            status = gm_nonce_take(engine, &nonce, count - i);
        while (!status && !sign_with(r[i], s[i], e[i], &nonce, &signer[one_key ? 0 : i]));
        gm_wipe(&nonce, sizeof nonce);
    }
    return status;
}

int gm_sm2_sign_with_nonce(const struct gm_engine *engine, const sc *d, const sc *k, const uint8_t e[32],
                           uint8_t r[32], uint8_t s[32])
{
    struct gm_signer signer;
    struct gm_nonce nonce = {.k = *k};
    uint8_t kg[1][64];
    gm_sm2_signers(&signer, d, 1);
    engine->base_many(1, k, kg);
    memcpy(nonce.x1, kg[0], 32);
    int good = sign_with(r, s, e, &nonce, &signer);
    gm_wipe(&signer, sizeof signer);
    gm_wipe(&nonce, sizeof nonce);
    gm_wipe(kg, sizeof kg);
    return good;
}

int gm_sm2_verify_scalars(sc *s, sc *t, const uint8_t r_in[32], const uint8_t s_in[32])
{
    sc r;
    if (!sc_decode(&r, r_in) || !sc_decode(s, s_in))
        return 0;
    sc_add(t, &r, s);
    return !sc_is_zero(t);
}

/* r = e + x1 mod n, asked as X = x*Z for the one or two x below p with x = r - e mod n: no inversion */
int gm_sm2_verify_point(const point *p, const uint8_t r_in[32], const uint8_t e[32])
{
    static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0x72, 0x03, 0xdf, 0x6b, 0x21, 0xc6,
                                      0x05, 0x2b, 0x53, 0xbb, 0xf4, 0x09, 0x39, 0xd5, 0x41, 0x23};
    sc r, number;
    fe x, n, product;
    uint8_t bytes[32];
    if (fe_is_zero(&p->z))
        return 0;
    sc_decode(&r, r_in);
    sc_decode(&number, e);
    sc_sub(&r, &r, &number);
    sc_encode(bytes, &r);
    fe_decode(&x, bytes);
    fe_mul(&product, &x, &p->z);
    fe_sub(&product, &product, &p->x);
    if (fe_is_zero(&product))
        return 1;
    /* x + n is a coordinate only when it is below p, that is x below p - n */
    uint16_t carry = 0;
    for (int i = 31; i >= 0; i--) {
        carry = (uint16_t)(bytes[i] + order[i] + (carry >> 8));
        bytes[i] = (uint8_t)carry;
    }
    if (carry >> 8 || !fe_decode(&n, bytes))
        return 0;
    fe_mul(&product, &n, &p->z);
    fe_sub(&product, &product, &p->x);
    return fe_is_zero(&product);
}

static void encode_many(uint8_t (*out)[64], const point *points, size_t count)
{
    affine coordinates[GM_BATCH];
    gm_point_to_affine(coordinates, points, count);
    for (size_t i = 0; i < count; i++) {
        fe_encode(out[i], &coordinates[i].x);
        fe_encode(out[i] + 32, &coordinates[i].y);
    }
    gm_wipe(coordinates, sizeof *coordinates * count);
}

void gm_portable_base_many(size_t count, const sc *k, uint8_t (*out)[64])
{
    point points[GM_BATCH];
    while (count) {
        size_t take = count < GM_BATCH ? count : GM_BATCH;
        for (size_t i = 0; i < take; i++)
            gm_point_mul_base(&points[i], &k[i]);
        encode_many(out, points, take);
        gm_wipe(points, sizeof *points * take);
        k += take, out += take, count -= take;
    }
}

void gm_portable_multiply_many(size_t count, const sc *k, const affine *p, uint8_t (*out)[64])
{
    point points[GM_BATCH];
    while (count) {
        size_t take = count < GM_BATCH ? count : GM_BATCH;
        for (size_t i = 0; i < take; i++)
            gm_point_mul(&points[i], &k[i], &p[i]);
        encode_many(out, points, take);
        gm_wipe(points, sizeof *points * take);
        k += take, p += take, out += take, count -= take;
    }
}

void gm_portable_verify_many(size_t count, const affine *p, const uint8_t (*e)[32], const uint8_t (*r)[32],
                             const uint8_t (*s)[32], uint8_t *good)
{
    for (size_t i = 0; i < count; i++) {
        sc s_number, t;
        point sum;
        if (!good[i])
            continue;
        good[i] = 0;
        if (!gm_sm2_verify_scalars(&s_number, &t, r[i], s[i]))
            continue;
        gm_point_mul_add(&sum, &s_number, &t, &p[i]);
        good[i] = (uint8_t)gm_sm2_verify_point(&sum, r[i], e[i]);
    }
}
