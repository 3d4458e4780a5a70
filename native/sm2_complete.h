/* Complete formulas of Renes, Costello and Batina (2015) for y^2 = x^3 - 3x + b of prime order: no exceptional case, so no
 * branch. Include with FE, MUL(r,a,b), SQR(r,a), ADD(r,a,b), SUB(r,a,b), CURVE_B, POINT, AFFINE, NAME(x) and TARGET defined.
 */

/* r = p + (x2 : y2 : z2); z2 NULL means 1 (algorithms 4 and 5 of the paper) */
TARGET static inline __attribute__((always_inline)) void NAME(add_coordinates)(POINT *r, const POINT *p, const FE *x2,
                                                                               const FE *y2, const FE *z2)
{
    FE t0, t1, t2, t3, t4, x3, y3, z3;
    MUL(&t0, &p->x, x2);
    MUL(&t1, &p->y, y2);
    ADD(&t3, &p->x, &p->y);
    ADD(&t4, x2, y2);
    MUL(&t3, &t3, &t4);
    ADD(&t4, &t0, &t1);
    SUB(&t3, &t3, &t4); /* x1*y2 + x2*y1 */
    if (z2) {
        MUL(&t2, &p->z, z2);
        ADD(&t4, &p->y, &p->z);
        ADD(&x3, y2, z2);
        MUL(&t4, &t4, &x3);
        ADD(&x3, &t1, &t2);
        SUB(&t4, &t4, &x3);
        ADD(&x3, &p->x, &p->z);
        ADD(&y3, x2, z2);
        MUL(&x3, &x3, &y3);
        ADD(&y3, &t0, &t2);
        SUB(&y3, &x3, &y3);
    } else {
        t2 = p->z;
        MUL(&t4, y2, &p->z);
        ADD(&t4, &t4, &p->y);
        MUL(&y3, x2, &p->z);
        ADD(&y3, &y3, &p->x);
    }
    MUL(&z3, &CURVE_B, &t2);
    SUB(&x3, &y3, &z3);
    ADD(&z3, &x3, &x3);
    ADD(&x3, &x3, &z3);
    SUB(&z3, &t1, &x3);
    ADD(&x3, &t1, &x3);
    MUL(&y3, &CURVE_B, &y3);
    ADD(&t1, &t2, &t2);
    ADD(&t2, &t1, &t2);
    SUB(&y3, &y3, &t2);
    SUB(&y3, &y3, &t0);
    ADD(&t1, &y3, &y3);
    ADD(&y3, &t1, &y3);
    ADD(&t1, &t0, &t0);
    ADD(&t0, &t1, &t0);
    SUB(&t0, &t0, &t2);
    MUL(&t1, &t4, &y3);
    MUL(&t2, &t0, &y3);
    MUL(&y3, &x3, &z3);
    ADD(&r->y, &y3, &t2);
    MUL(&x3, &t3, &x3);
    SUB(&r->x, &x3, &t1);
    MUL(&z3, &t4, &z3);
    MUL(&t1, &t3, &t0);
    ADD(&r->z, &z3, &t1);
}

TARGET static void NAME(add)(POINT *r, const POINT *p, const POINT *q)
{
    NAME(add_coordinates)(r, p, &q->x, &q->y, &q->z);
}

TARGET static void NAME(add_affine)(POINT *r, const POINT *p, const AFFINE *q)
{
    NAME(add_coordinates)(r, p, &q->x, &q->y, NULL);
}

/* Algorithm 6 */
TARGET static void NAME(double)(POINT *r, const POINT *p)
{
    FE t0, t1, t2, t3, x3, y3, z3;
    SQR(&t0, &p->x);
    SQR(&t1, &p->y);
    SQR(&t2, &p->z);
    MUL(&t3, &p->x, &p->y);
    ADD(&t3, &t3, &t3);
    MUL(&z3, &p->x, &p->z);
    ADD(&z3, &z3, &z3);
    MUL(&y3, &CURVE_B, &t2);
    SUB(&y3, &y3, &z3);
    ADD(&x3, &y3, &y3);
    ADD(&y3, &x3, &y3);
    SUB(&x3, &t1, &y3);
    ADD(&y3, &t1, &y3);
    MUL(&y3, &x3, &y3);
    MUL(&x3, &x3, &t3);
    ADD(&t3, &t2, &t2);
    ADD(&t2, &t2, &t3);
    MUL(&z3, &CURVE_B, &z3);
    SUB(&z3, &z3, &t2);
    SUB(&z3, &z3, &t0);
    ADD(&t3, &z3, &z3);
    ADD(&z3, &z3, &t3);
    ADD(&t3, &t0, &t0);
    ADD(&t0, &t3, &t0);
    SUB(&t0, &t0, &t2);
    MUL(&t0, &t0, &z3);
    ADD(&y3, &y3, &t0);
    MUL(&t0, &p->y, &p->z);
    ADD(&t0, &t0, &t0);
    MUL(&z3, &t0, &z3);
    SUB(&r->x, &x3, &z3);
    MUL(&z3, &t0, &t1);
    ADD(&z3, &z3, &z3);
    ADD(&r->z, &z3, &z3);
    r->y = y3;
}
