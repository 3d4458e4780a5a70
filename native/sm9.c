/* The operations of SM9 (GB/T 38635.2, GM/T 0044.2 to 0044.4). */
#include "sm9.h"

#include <pthread.h>

/* What is known of a master public key: its point, and the powers of e(P1, Ppub-s) or e(Ppub-e, P2). Public data. */
struct known {
    size_t size; /* SM9_G1, SM9_G2, or 0 for an empty place */
    uint8_t encoded[SM9_G2];
    g1_affine p1;
    g2_affine p2;
    gt_table powers;
};

#define PLACES 16
static struct known places[PLACES];
static size_t next_place;
static pthread_mutex_t places_lock = PTHREAD_MUTEX_INITIALIZER;

static void set_up(void)
{
    g1_setup();
    g2_setup();
}

void sm9_setup(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up);
}

static int recall(struct known *out, const uint8_t *master_public, size_t size)
{
    int found = 0;
    pthread_mutex_lock(&places_lock);
    for (size_t i = 0; i < PLACES && !found; i++) {
        if (places[i].size == size && memcmp(places[i].encoded, master_public, size) == 0) {
            *out = places[i];
            found = 1;
        }
    }
    pthread_mutex_unlock(&places_lock);
    return found;
}

static int know(struct known *out, const uint8_t *master_public, size_t size)
{
    fp12 base;
    if (recall(out, master_public, size))
        return 1;
    if (size == SM9_G2) {
        if (!g2_decode(&out->p2, master_public))
            return 0;
        sm9_pairing(&base, &g1_base, &out->p2);
    } else {
        if (!g1_decode(&out->p1, master_public))
            return 0;
        sm9_pairing(&base, &out->p1, &g2_base);
    }
    gt_prepare(&out->powers, &base);
    out->size = size;
    memcpy(out->encoded, master_public, size);
    pthread_mutex_lock(&places_lock);
    places[next_place] = *out;
    next_place = (next_place + 1) % PLACES;
    pthread_mutex_unlock(&places_lock);
    return 1;
}

/* 1; 0 for a given number out of range; -1 without randomness */
static int draw(zn *r, const uint8_t *given)
{
    if (given)
        return zn_decode(r, given);
    return zn_random(r) ? -1 : 1;
}

/* H1(identity); Q = [H1]base + Ppub follows from it */
static void hash_identity(zn *h, struct gm_bytes identity)
{
    struct gm_sm3 hash;
    gm_sm3_init(&hash);
    gm_sm3_update(&hash, (const uint8_t *)"\1", 1);
    gm_sm3_update(&hash, identity.data, identity.size);
    zn_hash(h, &hash);
}

/* H2(message, w) */
static void hash_message(zn *h, struct gm_bytes message, const fp12 *w)
{
    struct gm_sm3 hash;
    uint8_t octets[SM9_GT];
    gt_encode(octets, w);
    gm_sm3_init(&hash);
    gm_sm3_update(&hash, (const uint8_t *)"\2", 1);
    gm_sm3_update(&hash, message.data, message.size);
    gm_sm3_update(&hash, octets, sizeof octets);
    zn_hash(h, &hash);
    gm_wipe(&hash, sizeof hash);
    gm_wipe(octets, sizeof octets);
}

/* [k]P1 or [k]P2, encoded */
static int multiple(int group, const zn *k, uint8_t *out)
{
    int good;
    if (group == 1) {
        g1 p;
        g1_affine a;
        g1_mul_base(&p, k);
        if ((good = g1_to_affine(&a, &p)))
            g1_encode(out, &a);
        gm_wipe(&p, sizeof p);
        gm_wipe(&a, sizeof a);
    } else {
        g2 p;
        g2_affine a;
        g2_mul_base(&p, k);
        if ((good = g2_to_affine(&a, &p)))
            g2_encode(out, &a);
        gm_wipe(&p, sizeof p);
        gm_wipe(&a, sizeof a);
    }
    return good;
}

int sm9_master(int group, const uint8_t *s_in, uint8_t s[32], uint8_t *master_public)
{
    zn k;
    int status = draw(&k, s_in);
    if (status == 1) {
        zn_encode(s, &k);
        multiple(group, &k, master_public);
    }
    gm_wipe(&k, sizeof k);
    return status;
}

int sm9_extract(int group, const uint8_t s[32], struct gm_bytes identity, uint8_t *key)
{
    zn k, t;
    int good = zn_decode(&k, s);
    hash_identity(&t, identity);
    zn_add(&t, &t, &k);
    good = good && !zn_is_zero(&t);
    if (good) {
        zn_inv(&t, &t);
        zn_mul(&t, &t, &k);
        good = multiple(group, &t, key);
    }
    gm_wipe(&k, sizeof k);
    gm_wipe(&t, sizeof t);
    return good;
}

int sm9_valid(const uint8_t *point, size_t size)
{
    g1_affine p;
    g2_affine q;
    if (size == SM9_G1)
        return g1_decode(&p, point);
    return size == SM9_G2 && g2_decode(&q, point);
}

int sm9_sign(const uint8_t master_public[SM9_G2], const uint8_t key[SM9_G1], struct gm_bytes message, const uint8_t *nonce,
             uint8_t signature[SM9_SIGNATURE])
{
    struct known known;
    g1_affine d;
    g1 s;
    zn r, h;
    fp12 w;
    int status = know(&known, master_public, SM9_G2) && g1_decode(&d, key);
    while (status == 1) {
        if ((status = draw(&r, nonce)) != 1)
            break;
        gt_power(&w, &known.powers, &r);
        hash_message(&h, message, &w);
        zn_sub(&r, &r, &h);
        if (!zn_is_zero(&r)) {
            g1_mul(&s, &r, &d);
            zn_encode(signature, &h);
            status = g1_to_affine(&d, &s);
            g1_encode(signature + 32, &d);
            break;
        }
        status = nonce ? 0 : 1;
    }
    gm_wipe(&d, sizeof d);
    gm_wipe(&s, sizeof s);
    gm_wipe(&r, sizeof r);
    gm_wipe(&w, sizeof w);
    return status;
}

int sm9_verify(const uint8_t master_public[SM9_G2], struct gm_bytes identity, struct gm_bytes message,
               const uint8_t signature[SM9_SIGNATURE])
{
    struct known known;
    g1_affine s;
    g2_affine p;
    g2 sum;
    zn h, k;
    fp12 w, t;
    if (!zn_decode(&h, signature) || !g1_decode(&s, signature + 32) || !know(&known, master_public, SM9_G2))
        return 0;
    hash_identity(&k, identity);
    g2_mul_base(&sum, &k);
    g2_add_affine(&sum, &sum, &known.p2);
    if (!g2_to_affine(&p, &sum))
        return 0;
    sm9_pairing(&w, &s, &p);
    gt_power(&t, &known.powers, &h);
    fp12_mul(&w, &w, &t);
    hash_message(&k, message, &w);
    return memcmp(&k, &h, sizeof k) == 0;
}

int sm9_ephemeral(const uint8_t master_public[SM9_G1], struct gm_bytes identity, const uint8_t *nonce, uint8_t r[32],
                  uint8_t point[SM9_G1], uint8_t *w)
{
    struct known known;
    g1_affine q;
    g1 p;
    zn k;
    fp12 power;
    int status = know(&known, master_public, SM9_G1);
    if (status) {
        hash_identity(&k, identity);
        g1_mul_base(&p, &k);
        g1_add_affine(&p, &p, &known.p1);
        status = g1_to_affine(&q, &p); /* infinity when the identity's hash meets the master key */
    }
    if (status && (status = draw(&k, nonce)) == 1) {
        g1_mul(&p, &k, &q);
        g1_to_affine(&q, &p);
        g1_encode(point, &q);
        zn_encode(r, &k);
        if (w) {
            gt_power(&power, &known.powers, &k);
            gt_encode(w, &power);
        }
    }
    gm_wipe(&k, sizeof k);
    gm_wipe(&p, sizeof p);
    gm_wipe(&power, sizeof power);
    return status;
}

static int paired_with(fp12 *w, const uint8_t key[SM9_G2], const uint8_t point[SM9_G1])
{
    g1_affine p;
    g2_affine q;
    int good = g1_decode(&p, point) && g2_decode(&q, key);
    if (good)
        sm9_pairing(w, &p, &q);
    gm_wipe(&q, sizeof q);
    return good;
}

int sm9_decapsulate(const uint8_t key[SM9_G2], const uint8_t c[SM9_G1], uint8_t w[SM9_GT])
{
    fp12 x;
    int good = paired_with(&x, key, c);
    if (good)
        gt_encode(w, &x);
    gm_wipe(&x, sizeof x);
    return good;
}

int sm9_agree(const uint8_t master_public[SM9_G1], const uint8_t key[SM9_G2], const uint8_t r[32],
              const uint8_t peer[SM9_G1], uint8_t paired[SM9_GT], uint8_t own[SM9_GT], uint8_t both[SM9_GT])
{
    struct known known;
    gt_table table;
    zn k;
    fp12 x;
    int good = zn_decode(&k, r) && know(&known, master_public, SM9_G1) && paired_with(&x, key, peer);
    if (good) {
        gt_encode(paired, &x);
        gt_prepare(&table, &x);
        gt_power(&x, &table, &k);
        gt_encode(both, &x);
        gt_power(&x, &known.powers, &k);
        gt_encode(own, &x);
        gm_wipe(&table, sizeof table);
    }
    gm_wipe(&k, sizeof k);
    gm_wipe(&x, sizeof x);
    return good;
}

int sm9_tables_hold(void) { return g1_table_holds() & g2_table_holds(); }
