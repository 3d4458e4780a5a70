/* SM9 (GB/T 38635, GM/T 0044): the groups G1, G2 and GT, the pairing, and the operations for one provider of all.
 *
 * Constant time in secret data unless a comment says "public data". An element of GT is 384 bytes, a point of G1 65, one
 * of G2 129 (of each coordinate the coefficient of u first), all as in the standard. */
#ifndef SM9_H
#define SM9_H

#include "sm9_fp.h"

/* ---- sm9_gt.c: F_p12 by the powers of w, w^6 = u ---- */
typedef struct {
    fp2 c[6];
} fp12;

extern const fp12 fp12_one;
void fp12_mul(fp12 *r, const fp12 *x, const fp12 *y);
void fp12_sqr(fp12 *r, const fp12 *x);
/* times c0 + c2*w^2 + c3*w^3: a line of the pairing */
void fp12_mul_line(fp12 *r, const fp12 *x, const fp2 *c0, const fp2 *c2, const fp2 *c3);
void fp12_conjugate(fp12 *r, const fp12 *x); /* the inverse in GT */
void fp12_inv(fp12 *r, const fp12 *x);
void fp12_frobenius(fp12 *r, const fp12 *x, int times); /* x^(p^times) for 1, 2 or 3 */
void gt_sqr(fp12 *r, const fp12 *x);                    /* of the cyclotomic subgroup only */
void gt_encode(uint8_t out[384], const fp12 *x);

/* ---- sm9_scalar.c: mod N, plain numbers ---- */
typedef struct {
    uint64_t v[4];
} zn;

#define SM9_WIDTH 16 /* windows of five bits, signed: digits from -16 to 16 */
int zn_decode(zn *r, const uint8_t in[32]); /* 1 when in 1 .. N-1 */
void zn_encode(uint8_t out[32], const zn *k);
void zn_add(zn *r, const zn *a, const zn *b);
void zn_sub(zn *r, const zn *a, const zn *b);
void zn_mul(zn *r, const zn *a, const zn *b);
void zn_inv(zn *r, const zn *a);
int zn_is_zero(const zn *a);
int zn_random(zn *r); /* in 1 .. N-1; -1 without randomness */
/* H1 and H2: what `hash` holds already, then ct; in 1 .. N-1 */
void zn_hash(zn *r, const struct gm_sm3 *hash);
void zn_digit(const zn *k, int window, uint64_t *magnitude, uint64_t *negative); /* negative: all ones, or 0 */
/* k = sum of parts[i] * l^i mod N, each part a magnitude and a sign (all ones, or 0): of at most 65 bits for l = p, and of
 * at most 128 for the l of the endomorphism of G1 */
void zn_split4(zn parts[4], uint64_t negative[4], const zn *k);
void zn_split2(zn parts[2], uint64_t negative[2], const zn *k);

static inline uint64_t sm9_equal_mask(uint64_t a, uint64_t b)
{
    uint64_t x = a ^ b;
    return ((x | (0 - x)) >> 63) - 1;
}

/* ---- sm9_g1.c, sm9_g2.c: y^2 = x^3 + 5 over F_p, y^2 = x^3 + 5u over F_p2; homogeneous, (0 : 1 : 0) is infinity ---- */
typedef struct {
    fp x, y, z;
} g1;
typedef struct {
    fp x, y;
} g1_affine;
typedef struct {
    fp2 x, y, z;
} g2;
typedef struct {
    fp2 x, y;
} g2_affine;

extern const g1_affine g1_base;
extern const g2_affine g2_base;
void g1_mul(g1 *r, const zn *k, const g1_affine *p);
void g1_mul_base(g1 *r, const zn *k);
void g1_add_affine(g1 *r, const g1 *p, const g1_affine *q);
int g1_to_affine(g1_affine *r, const g1 *p); /* 0 at infinity */
int g1_decode(g1_affine *r, const uint8_t in[65]); /* 0 unless of the group */
void g1_encode(uint8_t out[65], const g1_affine *p);
void g2_mul_base(g2 *r, const zn *k);
void g2_add_affine(g2 *r, const g2 *p, const g2_affine *q);
int g2_to_affine(g2_affine *r, const g2 *p);
int g2_decode(g2_affine *r, const uint8_t in[129]);
void g2_encode(uint8_t out[129], const g2_affine *p);
void g2_frobenius(g2_affine *r, const g2_affine *p); /* the p-power map on the twist */
void g1_setup(void); /* the tables of multiples of P1 and P2 */
void g2_setup(void);
/* whether the tables hold what multiplication without them gives; for self-tests */
int g1_table_holds(void);
int g2_table_holds(void);

/* ---- sm9_pairing.c ---- */
void sm9_pairing(fp12 *r, const g1_affine *p, const g2_affine *q);
/* Powers of an element of GT by its table: [i][j] = x^((j+1) * p^i) */
typedef struct {
    fp12 power[4][SM9_WIDTH];
} gt_table;
void gt_prepare(gt_table *table, const fp12 *x);
void gt_power(fp12 *r, const gt_table *table, const zn *k);

/* ---- sm9.c: points and GT elements in their encodings; an identity is the user's ID then hid ---- */
#define SM9_G1 65
#define SM9_G2 129
#define SM9_GT 384
#define SM9_SIGNATURE (32 + SM9_G1) /* h, S */
void sm9_setup(void); /* call once before the others */
/* What each returns: 1; 0 when a point is not of its group or a number out of range; -1 without randomness. A NULL
 * nonce means a random one; one is given by known-answer tests only. */
int sm9_master(int group, const uint8_t *s_in, uint8_t s[32], uint8_t *master_public);
int sm9_extract(int group, const uint8_t s[32], struct gm_bytes identity, uint8_t *key);
int sm9_valid(const uint8_t *point, size_t size);
int sm9_sign(const uint8_t master_public[SM9_G2], const uint8_t key[SM9_G1], struct gm_bytes message, const uint8_t *nonce,
             uint8_t signature[SM9_SIGNATURE]);
int sm9_verify(const uint8_t master_public[SM9_G2], struct gm_bytes identity, struct gm_bytes message,
               const uint8_t signature[SM9_SIGNATURE]);
/* r and [r]Q of an identity; w = e(Ppub-e, P2)^r too unless NULL */
int sm9_ephemeral(const uint8_t master_public[SM9_G1], struct gm_bytes identity, const uint8_t *nonce, uint8_t r[32],
                  uint8_t point[SM9_G1], uint8_t *w);
int sm9_decapsulate(const uint8_t key[SM9_G2], const uint8_t c[SM9_G1], uint8_t w[SM9_GT]);
/* e(peer, key), e(Ppub-e, P2)^r, e(peer, key)^r */
int sm9_agree(const uint8_t master_public[SM9_G1], const uint8_t key[SM9_G2], const uint8_t r[32],
              const uint8_t peer[SM9_G1], uint8_t paired[SM9_GT], uint8_t own[SM9_GT], uint8_t both[SM9_GT]);
int sm9_tables_hold(void);

#endif
