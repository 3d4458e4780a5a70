/* The R-ate pairing of SM9 (GB/T 38635.1) and powers in GT. The steps do not depend on the points. */
#include "sm9.h"

/* 6t + 2 and t in digits 0, 1 and -1, without the highest 1; least significant first */
static const int8_t ate[65] = {0, -1, 0, 0, 0, 0, 1, 0, 1, 0, 0, -1, 0, -1, 0, 0, 0, -1, 0, -1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0,
                               0, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0, 0,  0, 0, 0, 0,  0, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                               0, 0,  1, 0, 0};
static const int8_t parameter[63] = {0, 1, 0, 1, 0, 0, 0, -1, 0, 1, 0, -1, 0, 0, 0, 0, 1, 0, 0, -1, 0,
                                     -1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                     0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, 0};

static void halve(fp *a)
{
    uint64_t odd = 0 - (a->v[0] & 1), t[4], carry = 0;
    for (int i = 0; i < 4; i++) {
        u128 c = (u128)a->v[i] + (sm9_p[i] & odd) + carry;
        t[i] = (uint64_t)c;
        carry = (uint64_t)(c >> 64);
    }
    for (int i = 0; i < 3; i++)
        a->v[i] = t[i] >> 1 | t[i + 1] << 63;
    a->v[3] = t[3] >> 1 | carry << 63;
}

static void fp2_halve(fp2 *x)
{
    halve(&x->a);
    halve(&x->b);
}

/* f times the tangent at t, at p; t doubles (Costello, Lange and Naehrig 2010) */
static void double_step(fp12 *f, g2 *t, const g1_affine *p)
{
    fp2 a, b, c, e, g, h, i, j, s;
    fp2_mul(&a, &t->x, &t->y);
    fp2_halve(&a);
    fp2_sqr(&b, &t->y);
    fp2_sqr(&c, &t->z);
    fp2_add(&s, &t->y, &t->z);
    fp2_sqr(&h, &s);
    fp2_sub(&h, &h, &b);
    fp2_sub(&h, &h, &c); /* 2yz */
    e = c;               /* 3b'z^2 = 15u z^2 */
    for (int k = 0; k < 4; k++)
        fp2_add(&e, &e, &e);
    fp2_sub(&e, &e, &c);
    fp2_mul_u(&e, &e);
    fp2_sqr(&j, &t->x);
    fp2_add(&s, &e, &e);
    fp2_add(&s, &s, &e); /* 9b'z^2 */
    fp2_add(&g, &b, &s);
    fp2_halve(&g);
    fp2_sub(&s, &b, &s);
    fp2_mul(&t->x, &a, &s);
    fp2_sqr(&g, &g);
    fp2_sqr(&s, &e);
    fp2_sub(&g, &g, &s);
    fp2_add(&s, &s, &s);
    fp2_sub(&t->y, &g, &s);
    fp2_mul(&t->z, &b, &h);
    fp2_sub(&i, &e, &b);
    fp2_add(&s, &j, &j);
    fp2_add(&j, &s, &j);
    fp2_mul_fp(&j, &j, &p->x);
    fp2_neg(&h, &h);
    fp2_mul_fp(&h, &h, &p->y);
    fp12_mul_line(f, f, &i, &j, &h);
}

/* f times the line through t and q, at p; t becomes t + q */
static void add_step(fp12 *f, g2 *t, const g2_affine *q, const g1_affine *p)
{
    fp2 o, l, c, d, e, g, h, s;
    fp2_mul(&s, &q->y, &t->z);
    fp2_sub(&o, &t->y, &s);
    fp2_mul(&s, &q->x, &t->z);
    fp2_sub(&l, &t->x, &s);
    fp2_sqr(&c, &o);
    fp2_sqr(&d, &l);
    fp2_mul(&e, &l, &d);
    fp2_mul(&c, &t->z, &c);
    fp2_mul(&g, &t->x, &d);
    fp2_add(&h, &e, &c);
    fp2_sub(&h, &h, &g);
    fp2_sub(&h, &h, &g);
    fp2_mul(&s, &t->y, &e);
    fp2_mul(&t->x, &l, &h);
    fp2_sub(&g, &g, &h);
    fp2_mul(&g, &g, &o);
    fp2_sub(&t->y, &g, &s);
    fp2_mul(&t->z, &e, &t->z);
    fp2_mul(&s, &l, &q->y);
    fp2_mul(&g, &q->x, &o);
    fp2_sub(&g, &g, &s);
    fp2_neg(&o, &o);
    fp2_mul_fp(&o, &o, &p->x);
    fp2_mul_fp(&l, &l, &p->y);
    fp12_mul_line(f, f, &g, &o, &l);
}

static void miller(fp12 *f, const g1_affine *p, const g2_affine *q)
{
    g2 t = {q->x, q->y, {fp_one, {{0}}}};
    g2_affine minus = *q, image;
    fp2_neg(&minus.y, &q->y);
    *f = fp12_one;
    for (int i = 64; i >= 0; i--) {
        fp12_sqr(f, f);
        double_step(f, &t, p);
        if (ate[i])
            add_step(f, &t, ate[i] > 0 ? q : &minus, p);
    }
    g2_frobenius(&image, q);
    add_step(f, &t, &image, p);
    g2_frobenius(&image, &image);
    fp2_neg(&image.y, &image.y);
    add_step(f, &t, &image, p);
    gm_wipe(&t, sizeof t);
    gm_wipe(&minus, sizeof minus);
    gm_wipe(&image, sizeof image);
}

/* x^t */
static void power_t(fp12 *r, const fp12 *x)
{
    fp12 acc = *x, inverse;
    fp12_conjugate(&inverse, x);
    for (int i = 62; i >= 0; i--) {
        gt_sqr(&acc, &acc);
        if (parameter[i])
            fp12_mul(&acc, &acc, parameter[i] > 0 ? x : &inverse);
    }
    *r = acc;
}

/* f^((p^12 - 1)/N); the hard part by the addition chain of Scott and others (2009) */
static void final_power(fp12 *r, const fp12 *f)
{
    fp12 x, x1, x2, x3, a, b, s, t;
    fp12_inv(&s, f);
    fp12_conjugate(&t, f);
    fp12_mul(&x, &t, &s);
    fp12_frobenius(&t, &x, 2);
    fp12_mul(&x, &t, &x);
    power_t(&x1, &x);
    power_t(&x2, &x1);
    power_t(&x3, &x2);
    fp12_frobenius(&t, &x3, 1);
    fp12_mul(&a, &x3, &t);
    fp12_conjugate(&a, &a);
    gt_sqr(&a, &a); /* y6^2 */
    fp12_frobenius(&t, &x2, 1);
    fp12_mul(&s, &x1, &t);
    fp12_conjugate(&s, &s); /* y4 */
    fp12_mul(&a, &a, &s);
    fp12_conjugate(&s, &x2); /* y5 */
    fp12_mul(&a, &a, &s);
    fp12_frobenius(&t, &x1, 1);
    fp12_conjugate(&t, &t); /* y3 */
    fp12_mul(&b, &t, &s);
    fp12_mul(&b, &b, &a);
    fp12_frobenius(&t, &x2, 2); /* y2 */
    fp12_mul(&a, &a, &t);
    gt_sqr(&b, &b);
    fp12_mul(&b, &b, &a);
    gt_sqr(&b, &b);
    fp12_conjugate(&t, &x); /* y1 */
    fp12_mul(&a, &b, &t);
    fp12_frobenius(&t, &x, 1);
    fp12_frobenius(&s, &t, 1);
    fp12_mul(&t, &t, &s);
    fp12_frobenius(&s, &s, 1);
    fp12_mul(&t, &t, &s); /* y0 */
    fp12_mul(&b, &b, &t);
    gt_sqr(&a, &a);
    fp12_mul(r, &a, &b);
    fp12 *used[] = {&x, &x1, &x2, &x3, &a, &b, &s, &t};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        gm_wipe(used[i], sizeof *used[i]);
}

void sm9_pairing(fp12 *r, const g1_affine *p, const g2_affine *q)
{
    fp12 f;
    miller(&f, p, q);
    final_power(r, &f);
    gm_wipe(&f, sizeof f);
}

void gt_prepare(gt_table *table, const fp12 *x)
{
    fp12 *row = table->power[0];
    row[0] = *x;
    for (int j = 1; j < SM9_WIDTH; j++) {
        if (j & 1)
            gt_sqr(&row[j], &row[j / 2]);
        else
            fp12_mul(&row[j], &row[j - 1], x);
    }
    for (int i = 1; i < 4; i++)
        for (int j = 0; j < SM9_WIDTH; j++)
            fp12_frobenius(&table->power[i][j], &table->power[i - 1][j], 1);
}

/* entry `magnitude`, or 1 for 0; looks at all of them */
static void look_up(fp12 *r, const fp12 row[SM9_WIDTH], uint64_t magnitude, uint64_t negative)
{
    uint64_t *out = (uint64_t *)r, mask = sm9_equal_mask(magnitude, 0);
    const uint64_t *entry = (const uint64_t *)&fp12_one;
    for (size_t i = 0; i < sizeof *r / 8; i++)
        out[i] = entry[i] & mask;
    entry = (const uint64_t *)row;
    for (uint64_t j = 0; j < SM9_WIDTH; j++) {
        mask = sm9_equal_mask(j + 1, magnitude);
        for (size_t i = 0; i < sizeof *r / 8; i++)
            out[i] |= *entry++ & mask;
    }
    for (int i = 1; i < 6; i += 2) {
        fp2 minus;
        fp2_neg(&minus, &r->c[i]);
        fp2_select(&r->c[i], &minus, &r->c[i], negative);
    }
}

#define PART_WINDOWS 14 /* 70 bits for parts of 65 */

void gt_power(fp12 *r, const gt_table *table, const zn *k)
{
    zn parts[4];
    uint64_t negative[4], magnitude, sign;
    fp12 acc = fp12_one, entry;
    zn_split4(parts, negative, k);
    for (int i = PART_WINDOWS - 1; i >= 0; i--) {
        for (int j = 0; j < 5 && i < PART_WINDOWS - 1; j++)
            gt_sqr(&acc, &acc);
        for (int part = 0; part < 4; part++) {
            zn_digit(&parts[part], i, &magnitude, &sign);
            look_up(&entry, table->power[part], magnitude, sign ^ negative[part]);
            fp12_mul(&acc, &acc, &entry);
        }
    }
    *r = acc;
    gm_wipe(parts, sizeof parts);
    gm_wipe(negative, sizeof negative);
    gm_wipe(&acc, sizeof acc);
    gm_wipe(&entry, sizeof entry);
}
