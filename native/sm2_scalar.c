/* Arithmetic mod n, the order of G. Numbers are kept plain; products go through Montgomery form. */
#include "gm.h"

static const uint64_t order[4] = {0x53bbf40939d54123ULL, 0x7203df6b21c6052bULL, 0xffffffffffffffffULL,
                                  0xfffffffeffffffffULL};
#define N_INVERSE 0x327f9e8872350975ULL /* -1/n mod 2^64 */
static const sc r_squared = {{0x901192af7c114f20ULL, 0x3464504ade6fa2faULL, 0x620fc84c3affe0d4ULL, 0x1eb5e412a22b3d3bULL}};
static const sc one = {{1, 0, 0, 0}};

/* The loops below have four steps; unrolled, their carries stay in flags and registers. */
#define UNROLL _Pragma("GCC unroll 8")

static inline void reduce_once(uint64_t r[4], const uint64_t a[4], uint64_t carry)
{
    uint64_t t[4], borrow = 0;
    UNROLL
    for (int i = 0; i < 4; i++) {
        u128 d = (u128)a[i] - order[i] - borrow;
        t[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    uint64_t keep = 0 - (borrow & (carry ^ 1));
    UNROLL
    for (int i = 0; i < 4; i++)
        r[i] = (a[i] & keep) | (t[i] & ~keep);
}

/* a*b/R mod n */
static void montgomery(sc *r, const sc *a, const sc *b)
{
    uint64_t t[6] = {0};
    UNROLL
    for (int i = 0; i < 4; i++) {
        u128 c = 0;
        UNROLL
        for (int j = 0; j < 4; j++) {
            c = (u128)a->v[j] * b->v[i] + t[j] + (uint64_t)(c >> 64);
            t[j] = (uint64_t)c;
        }
        c = (u128)t[4] + (uint64_t)(c >> 64);
        t[4] = (uint64_t)c;
        t[5] = (uint64_t)(c >> 64);
        uint64_t m = t[0] * N_INVERSE;
        c = (u128)m * order[0] + t[0];
        UNROLL
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

int sc_decode(sc *r, const uint8_t in[32])
{
    uint64_t plain[4], borrow = 0;
    UNROLL
    for (int i = 0; i < 4; i++) {
        plain[i] = gm_load64(in + 24 - 8 * i);
        u128 d = (u128)plain[i] - order[i] - borrow;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    reduce_once(r->v, plain, 0);
    return (int)borrow & !sc_is_zero(r);
}

void sc_encode(uint8_t out[32], const sc *a)
{
    UNROLL
    for (int i = 0; i < 4; i++)
        gm_store64(out + 24 - 8 * i, a->v[i]);
}

int sc_is_zero(const sc *a) { return (a->v[0] | a->v[1] | a->v[2] | a->v[3]) == 0; }

int sc_is_n_minus_1(const sc *a)
{
    return ((a->v[0] ^ (order[0] - 1)) | (a->v[1] ^ order[1]) | (a->v[2] ^ order[2]) | (a->v[3] ^ order[3])) == 0;
}

void sc_add(sc *r, const sc *a, const sc *b)
{
    uint64_t t[4], carry = 0;
    UNROLL
    for (int i = 0; i < 4; i++) {
        u128 c = (u128)a->v[i] + b->v[i] + carry;
        t[i] = (uint64_t)c;
        carry = (uint64_t)(c >> 64);
    }
    reduce_once(r->v, t, carry);
}

void sc_add_one(sc *r, const sc *a) { sc_add(r, a, &one); }

void sc_sub(sc *r, const sc *a, const sc *b)
{
    uint64_t t[4], borrow = 0, carry = 0;
    UNROLL
    for (int i = 0; i < 4; i++) {
        u128 d = (u128)a->v[i] - b->v[i] - borrow;
        t[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        u128 c = (u128)t[i] + (order[i] & (0 - borrow)) + carry;
        r->v[i] = (uint64_t)c;
        carry = (uint64_t)(c >> 64);
    }
}

void sc_enter(sc *r, const sc *a) { montgomery(r, a, &r_squared); }

void sc_mul_entered(sc *r, const sc *a, const sc *b) { montgomery(r, a, b); }

/* a^(n-2) by windows of four bits of the public exponent */
void sc_inv_entered(sc *r, const sc *a)
{
    sc table[16], acc;
    montgomery(&table[0], &one, &r_squared);
    table[1] = *a;
    for (int i = 2; i < 16; i++)
        montgomery(&table[i], &table[i - 1], &table[1]);
    acc = table[0];
    for (int i = 63; i >= 0; i--) {
        uint64_t limb = order[i / 16] - (i / 16 == 0 ? 2 : 0);
        UNROLL
        for (int j = 0; j < 4; j++)
            montgomery(&acc, &acc, &acc);
        montgomery(&acc, &acc, &table[limb >> 4 * (i % 16) & 15]);
    }
    *r = acc;
    gm_wipe(table, sizeof table);
    gm_wipe(&acc, sizeof acc);
}
