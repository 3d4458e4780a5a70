/* Complete formulas of Renes, Costello and Batina (2015) for y^2 = x^3 + b (algorithms 7 to 9 of the paper), and the
 * multiplications built on them: neither curve of SM9 has points of order two, so there is no exceptional case and no branch.
 * Include with FE, F(x), TIMES_3B(r,a), GROUP, AFFINE and NAME(x) defined.
 */

static inline void NAME(select)(GROUP *r, const GROUP *a, const GROUP *b, uint64_t mask)
{
    F(select)(&r->x, &a->x, &b->x, mask);
    F(select)(&r->y, &a->y, &b->y, mask);
    F(select)(&r->z, &a->z, &b->z, mask);
}

/* r = p + (x2 : y2 : z2); z2 NULL means 1 */
static inline __attribute__((always_inline)) void NAME(add_coordinates)(GROUP *r, const GROUP *p, const FE *x2,
                                                                        const FE *y2, const FE *z2)
{
    FE t0, t1, t2, t3, t4, x3, y3, z3;
    F(mul)(&t0, &p->x, x2);
    F(mul)(&t1, &p->y, y2);
    F(add)(&t3, &p->x, &p->y);
    F(add)(&t4, x2, y2);
    F(mul)(&t3, &t3, &t4);
    F(add)(&t4, &t0, &t1);
    F(sub)(&t3, &t3, &t4); /* x1*y2 + x2*y1 */
    if (z2) {
        F(mul)(&t2, &p->z, z2);
        F(add)(&t4, &p->y, &p->z);
        F(add)(&x3, y2, z2);
        F(mul)(&t4, &t4, &x3);
        F(add)(&x3, &t1, &t2);
        F(sub)(&t4, &t4, &x3);
        F(add)(&x3, &p->x, &p->z);
        F(add)(&y3, x2, z2);
        F(mul)(&x3, &x3, &y3);
        F(add)(&y3, &t0, &t2);
        F(sub)(&y3, &x3, &y3);
    } else {
        t2 = p->z;
        F(mul)(&t4, y2, &p->z);
        F(add)(&t4, &t4, &p->y);
        F(mul)(&y3, x2, &p->z);
        F(add)(&y3, &y3, &p->x);
    }
    F(add)(&x3, &t0, &t0);
    F(add)(&t0, &x3, &t0);
    TIMES_3B(&t2, &t2);
    F(add)(&z3, &t1, &t2);
    F(sub)(&t1, &t1, &t2);
    TIMES_3B(&y3, &y3);
    F(mul)(&x3, &t4, &y3);
    F(mul)(&t2, &t3, &t1);
    F(sub)(&r->x, &t2, &x3);
    F(mul)(&y3, &y3, &t0);
    F(mul)(&t1, &t1, &z3);
    F(add)(&r->y, &t1, &y3);
    F(mul)(&t0, &t0, &t3);
    F(mul)(&z3, &z3, &t4);
    F(add)(&r->z, &z3, &t0);
}

static void NAME(add)(GROUP *r, const GROUP *p, const GROUP *q) { NAME(add_coordinates)(r, p, &q->x, &q->y, &q->z); }

void NAME(add_affine)(GROUP *r, const GROUP *p, const AFFINE *q) { NAME(add_coordinates)(r, p, &q->x, &q->y, NULL); }

static void NAME(double)(GROUP *r, const GROUP *p)
{
    FE t0, t1, t2, x3, y3, z3;
    F(sqr)(&t0, &p->y);
    F(add)(&z3, &t0, &t0);
    F(add)(&z3, &z3, &z3);
    F(add)(&z3, &z3, &z3);
    F(mul)(&t1, &p->y, &p->z);
    F(sqr)(&t2, &p->z);
    TIMES_3B(&t2, &t2);
    F(mul)(&x3, &t2, &z3);
    F(add)(&y3, &t0, &t2);
    F(mul)(&z3, &t1, &z3);
    F(add)(&t1, &t2, &t2);
    F(add)(&t2, &t1, &t2);
    F(sub)(&t0, &t0, &t2);
    F(mul)(&y3, &t0, &y3);
    F(add)(&y3, &x3, &y3);
    F(mul)(&t1, &p->x, &p->y);
    F(mul)(&x3, &t0, &t1);
    F(add)(&r->x, &x3, &x3);
    r->y = y3;
    r->z = z3;
}

static void NAME(from_affine)(GROUP *r, const AFFINE *p)
{
    r->x = p->x;
    r->y = p->y;
    r->z = NAME(infinity).y; /* 1 */
}

int NAME(to_affine)(AFFINE *r, const GROUP *p)
{
    FE z;
    F(inv)(&z, &p->z);
    F(mul)(&r->x, &p->x, &z);
    F(mul)(&r->y, &p->y, &z);
    return !F(is_zero)(&p->z);
}

/* entry `magnitude` of 1 .. SM9_WIDTH, zeros for 0; looks at all of them */
static void NAME(look_up)(void *r, const void *table, size_t size, uint64_t magnitude)
{
    uint64_t *out = r;
    const uint64_t *entry = table;
    memset(r, 0, size);
    for (uint64_t j = 0; j < SM9_WIDTH; j++) {
        uint64_t mask = sm9_equal_mask(j + 1, magnitude);
        for (size_t i = 0; i < size / 8; i++)
            out[i] |= *entry++ & mask;
    }
}

static void NAME(negate_where)(FE *y, uint64_t mask)
{
    FE negated;
    F(neg)(&negated, y);
    F(select)(y, &negated, y, mask);
}

/* p, 2p, ... */
static void NAME(multiples)(GROUP table[SM9_WIDTH], const AFFINE *p)
{
    NAME(from_affine)(&table[0], p);
    for (int j = 1; j < SM9_WIDTH; j++)
        NAME(add_affine)(&table[j], &table[j - 1], p);
}

/* ---- multiples of the base point: [i][j] = (j+1) * 2^(5i) * base ---- */
#define BASE_WINDOWS 52
static AFFINE NAME(table)[BASE_WINDOWS][SM9_WIDTH];

void NAME(mul_base)(GROUP *r, const zn *k)
{
    GROUP acc = NAME(infinity), sum;
    AFFINE entry;
    uint64_t magnitude, negative;
    for (int i = 0; i < BASE_WINDOWS; i++) {
        zn_digit(k, i, &magnitude, &negative);
        NAME(look_up)(&entry, NAME(table)[i], sizeof entry, magnitude);
        NAME(negate_where)(&entry.y, negative);
        NAME(add_affine)(&sum, &acc, &entry);
        NAME(select)(&acc, &acc, &sum, sm9_equal_mask(magnitude, 0)); /* digit 0 has no affine point */
    }
    *r = acc;
    gm_wipe(&acc, sizeof acc);
    gm_wipe(&sum, sizeof sum);
    gm_wipe(&entry, sizeof entry);
}

/* To affine all at once: one inversion of the product of all z. Public data. */
static void NAME(row_to_affine)(AFFINE r[SM9_WIDTH], const GROUP p[SM9_WIDTH])
{
    FE products[SM9_WIDTH], inverse, z;
    products[0] = p[0].z;
    for (int j = 1; j < SM9_WIDTH; j++)
        F(mul)(&products[j], &products[j - 1], &p[j].z);
    F(inv)(&inverse, &products[SM9_WIDTH - 1]);
    for (int j = SM9_WIDTH - 1; j >= 0; j--) {
        z = inverse;
        if (j)
            F(mul)(&z, &inverse, &products[j - 1]);
        F(mul)(&inverse, &inverse, &p[j].z);
        F(mul)(&r[j].x, &p[j].x, &z);
        F(mul)(&r[j].y, &p[j].y, &z);
    }
}

void NAME(setup)(void)
{
    AFFINE unit = NAME(base);
    GROUP row[SM9_WIDTH], next;
    for (int i = 0; i < BASE_WINDOWS; i++) {
        NAME(multiples)(row, &unit);
        NAME(row_to_affine)(NAME(table)[i], row);
        NAME(double)(&next, &row[SM9_WIDTH - 1]);
        NAME(to_affine)(&unit, &next);
    }
}

/* Each entry is the sum of its neighbour and the first of its row, and each row begins with twice the end of the row above */
int NAME(table_holds)(void)
{
    AFFINE expected = NAME(base);
    GROUP p;
    int good = 1;
    for (int i = 0; i < BASE_WINDOWS; i++) {
        GROUP row[SM9_WIDTH];
        good &= memcmp(&NAME(table)[i][0], &expected, sizeof expected) == 0;
        NAME(multiples)(row, &expected);
        for (int j = 1; j < SM9_WIDTH; j++) { /* x*z and y*z of the entry are what the row says */
            FE x, y;
            F(mul)(&x, &NAME(table)[i][j].x, &row[j].z);
            F(mul)(&y, &NAME(table)[i][j].y, &row[j].z);
            good &= memcmp(&x, &row[j].x, sizeof x) == 0 && memcmp(&y, &row[j].y, sizeof y) == 0;
        }
        NAME(double)(&p, &row[SM9_WIDTH - 1]);
        NAME(to_affine)(&expected, &p);
    }
    return good;
}
