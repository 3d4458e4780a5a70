/* Numbers mod N, the order of the groups of SM9. They are kept plain; products go through Montgomery form. */
#include "sm9.h"

static const uint64_t order[4] = {0xe56ee19cd69ecf25ULL, 0x49f2934b18ea8beeULL, 0xd603ab4ff58ec744ULL,
                                  0xb640000002a3a6f1ULL};
#define N_INVERSE 0x1d02662351974b53ULL /* -1/N mod 2^64 */
static const zn r_squared = {{0x7598cd79cd750c35ULL, 0xe4a08110bb6daeabULL, 0xbfee4bae7d78a1f9ULL, 0x8894f5d163695d0eULL}};
static const zn one = {{1, 0, 0, 0}};

/* a, less N if it is not below N */
static void reduce_once(uint64_t r[4], const uint64_t a[4], uint64_t carry)
{
    uint64_t t[4], borrow = 0;
    for (int i = 0; i < 4; i++) {
        u128 d = (u128)a[i] - order[i] - borrow;
        t[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    uint64_t keep = 0 - (borrow & (carry ^ 1));
    for (int i = 0; i < 4; i++)
        r[i] = (a[i] & keep) | (t[i] & ~keep);
}

/* a*b/R mod N */
static void montgomery(zn *r, const zn *a, const zn *b)
{
    uint64_t t[6] = {0};
    for (int i = 0; i < 4; i++) {
        u128 c = 0;
        for (int j = 0; j < 4; j++) {
            c = (u128)a->v[j] * b->v[i] + t[j] + (uint64_t)(c >> 64);
            t[j] = (uint64_t)c;
        }
        c = (u128)t[4] + (uint64_t)(c >> 64);
        t[4] = (uint64_t)c;
        t[5] = (uint64_t)(c >> 64);
        uint64_t m = t[0] * N_INVERSE;
        c = (u128)m * order[0] + t[0];
        for (int j = 1; j < 4; j++) {
            c = (u128)m * order[j] + t[j] + (uint64_t)(c >> 64);
            t[j - 1] = (uint64_t)c;
        }
        c = (u128)t[4] + (uint64_t)(c >> 64);
        t[3] = (uint64_t)c;
        t[4] = t[5] + (uint64_t)(c >> 64);
    }
    reduce_once(r->v, t, t[4]);
}

int zn_is_zero(const zn *a) { return (a->v[0] | a->v[1] | a->v[2] | a->v[3]) == 0; }

int zn_decode(zn *r, const uint8_t in[32])
{
    uint64_t borrow = 0;
    for (int i = 0; i < 4; i++) {
        r->v[i] = gm_load64(in + 24 - 8 * i);
        u128 d = (u128)r->v[i] - order[i] - borrow;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    return (int)borrow & !zn_is_zero(r);
}

void zn_encode(uint8_t out[32], const zn *k)
{
    for (int i = 0; i < 4; i++)
        gm_store64(out + 24 - 8 * i, k->v[i]);
}

static uint64_t add(uint64_t r[4], const uint64_t a[4], const uint64_t b[4])
{
    uint64_t carry = 0;
    for (int i = 0; i < 4; i++) {
        u128 c = (u128)a[i] + b[i] + carry;
        r[i] = (uint64_t)c;
        carry = (uint64_t)(c >> 64);
    }
    return carry;
}

void zn_add(zn *r, const zn *a, const zn *b)
{
    uint64_t t[4], carry = add(t, a->v, b->v);
    reduce_once(r->v, t, carry);
}

void zn_sub(zn *r, const zn *a, const zn *b)
{
    uint64_t t[4], borrow = 0, back[4];
    for (int i = 0; i < 4; i++) {
        u128 d = (u128)a->v[i] - b->v[i] - borrow;
        t[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    for (int i = 0; i < 4; i++)
        back[i] = order[i] & (0 - borrow);
    add(r->v, t, back);
}

void zn_mul(zn *r, const zn *a, const zn *b)
{
    zn t;
    montgomery(&t, a, &r_squared);
    montgomery(r, &t, b);
}

/* a^(N-2), bit by bit of the public exponent */
void zn_inv(zn *r, const zn *a)
{
    zn base, t;
    montgomery(&base, a, &r_squared);
    montgomery(&t, &one, &r_squared);
    for (int i = 255; i >= 0; i--) {
        uint64_t limb = order[i / 64] - (i < 64 ? 2 : 0);
        montgomery(&t, &t, &t);
        if (limb >> i % 64 & 1)
            montgomery(&t, &t, &base);
    }
    montgomery(r, &t, &one);
    gm_wipe(&base, sizeof base);
    gm_wipe(&t, sizeof t);
}

int zn_random(zn *r)
{
    uint8_t octets[32];
    int good = 0;
    do {
        if (gm_random(octets, sizeof octets))
            return -1;
        good = zn_decode(r, octets);
    } while (!good);
    gm_wipe(octets, sizeof octets);
    return 0;
}

/* The first 320 bits of two digests, mod N - 1, plus 1: GB/T 38635.2, H1 and H2 */
void zn_hash(zn *r, const struct gm_sm3 *hash)
{
    static const uint8_t count[2][4] = {{0, 0, 0, 1}, {0, 0, 0, 2}};
    uint8_t octets[64];
    for (int i = 0; i < 2; i++) {
        struct gm_sm3 h = *hash;
        gm_sm3_update(&h, count[i], 4);
        gm_sm3_final(&h, octets + 32 * i);
    }
    /* division by N - 1, one bit of the 320 at a time */
    uint64_t modulus[4] = {order[0] - 1, order[1], order[2], order[3]}, t[4] = {0};
    for (int i = 0; i < 320; i++) {
        uint64_t bit = octets[i / 8] >> (7 - i % 8) & 1, s[4], borrow = 0;
        uint64_t carry = t[3] >> 63;
        for (int j = 3; j > 0; j--)
            t[j] = t[j] << 1 | t[j - 1] >> 63;
        t[0] = t[0] << 1 | bit;
        for (int j = 0; j < 4; j++) {
            u128 d = (u128)t[j] - modulus[j] - borrow;
            s[j] = (uint64_t)d;
            borrow = (uint64_t)(d >> 64) & 1;
        }
        uint64_t keep = 0 - (borrow & (carry ^ 1));
        for (int j = 0; j < 4; j++)
            t[j] = (t[j] & keep) | (s[j] & ~keep);
    }
    add(r->v, t, one.v);
}

void zn_digit(const zn *k, int window, uint64_t *magnitude, uint64_t *negative)
{
    int low = 5 * window - 1; /* six bits from here; the lowest belongs to the window below */
    uint64_t bits;
    if (low < 0) {
        bits = k->v[0] << 1;
    } else {
        bits = k->v[low / 64] >> low % 64;
        if (low % 64 > 58 && low / 64 < 3)
            bits |= k->v[low / 64 + 1] << (64 - low % 64);
    }
    bits &= 63;
    uint64_t sign = bits >> 5, value = (bits >> 1) + (bits & 1);
    *negative = 0 - sign;
    *magnitude = (value ^ (0 - sign)) + sign * 33; /* value, or 32 - value */
}

/* (k * g) >> 320 */
static void quotient(uint64_t r[4], const zn *k, const uint64_t g[4])
{
    uint64_t t[8] = {0};
    for (int i = 0; i < 4; i++) {
        u128 c = 0;
        for (int j = 0; j < 4; j++) {
            c = (u128)k->v[i] * g[j] + t[i + j] + (uint64_t)(c >> 64);
            t[i + j] = (uint64_t)c;
        }
        t[i + 4] = (uint64_t)(c >> 64);
    }
    memcpy(r, t + 5, 24);
    r[3] = 0;
}

/* r += c * row mod 2^256, where a negative row is a two's complement */
static void accumulate(uint64_t r[4], const uint64_t c[4], const uint64_t row[4])
{
    for (int i = 0; i < 4; i++) {
        u128 carry = 0;
        for (int j = 0; i + j < 4; j++) {
            carry = (u128)c[i] * row[j] + r[i + j] + (uint64_t)(carry >> 64);
            r[i + j] = (uint64_t)carry;
        }
    }
}

/* Babai's rounding: `g` are 2^320 / N times the coordinates of (1, 0, ...) in a short basis of the lattice of relations,
 * and `rows` the basis vectors with the signs that subtract */
static void split(zn *parts, uint64_t *negative, const zn *k, int count, const uint64_t (*g)[4], const uint64_t (*rows)[4])
{
    uint64_t c[4];
    memset(parts, 0, sizeof *parts * (size_t)count);
    parts[0] = *k;
    for (int j = 0; j < count; j++) {
        quotient(c, k, g[j]);
        for (int i = 0; i < count; i++)
            accumulate(parts[i].v, c, rows[count * j + i]);
    }
    for (int i = 0; i < count; i++) {
        uint64_t sign = 0 - (parts[i].v[3] >> 63), flip[4], plus[4] = {sign & 1, 0, 0, 0};
        for (int j = 0; j < 4; j++)
            flip[j] = parts[i].v[j] ^ sign;
        add(parts[i].v, flip, plus);
        negative[i] = sign;
    }
    gm_wipe(c, sizeof c);
}

#define SMALL(x) {x, 0, 0, 0}
#define MINUS(x) {0 - (x), ~0ULL, ~0ULL, ~0ULL}
#define T 0x600000000058f98aULL /* the curve's parameter t */

/* Short relations of 1, p, p^2, p^3 mod N on a curve of Barreto and Naehrig (Galbraith and Scott 2008) */
void zn_split4(zn parts[4], uint64_t negative[4], const zn *k)
{
    static const uint64_t g[4][4] = {
        {0x31f11fd42d3e5522ULL, 0xb75007c94834b92cULL, 0x6522c3f35aec0966ULL, 0},
        {0x270da8e804088c6cULL, 0x23b75c82da83d57fULL, 0x48b1c04f120060bdULL, 0xe38e38e38d65fc59ULL},
        {0x8c8237ae0da6d490ULL, 0xd54830e3a9a0c8f3ULL, 0xa458e0278900305eULL, 0x71c71c71c6b2fe2cULL},
        {0xe66b84e0135cc212ULL, 0xa99dfd4056b9405aULL, 0x6522c3f35aec0965ULL, 0},
    };
    static const uint64_t rows[16][4] = {
        MINUS(T + 1),     MINUS(T),                      MINUS(T),         SMALL(2 * T),
        MINUS(2 * T + 1), SMALL(T),                      SMALL(T + 1),     SMALL(T),
        MINUS(2 * T),     MINUS(2 * T + 1),              MINUS(2 * T + 1), MINUS(2 * T + 1),
        SMALL(T - 1),     {4 * T + 2, 1, 0, 0}, MINUS(2 * T - 1), SMALL(T - 1),
    };
    split(parts, negative, k, 4, g, rows);
}

/* The same for 1 and a cube root of 1 */
void zn_split2(zn parts[2], uint64_t negative[2], const zn *k)
{
    static const uint64_t g[2][4] = {{0x0cd163203cb2bc92ULL, 0x83b2fd057ce97d7aULL, 0x2f684bda10c41c31ULL, 1},
                                     {0x4b859af419e19310ULL, 0x0db20a88f17b78d1ULL, 1, 0}};
    static const uint64_t rows[4][4] = {
        {0x3fff4674f29b9694ULL, 0x27fffffffe6f9d12ULL, ~0ULL, ~0ULL},
        SMALL(2 * T + 1),
        MINUS(2 * T + 1),
        {0x7fff4674f1e9a37fULL, 0x27fffffffe6f9d11ULL, ~0ULL, ~0ULL},
    };
    split(parts, negative, k, 2, g, rows);
}
