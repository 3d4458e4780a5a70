/* Points on eight lanes: what is done once or twice a scalar. */
#include "gm.h"

#ifdef GM_X86
#include "ifma_point.h"


TARGET void gm_ifma_load(affine8 *r, const affine *p, size_t take)
{
    uint64_t limbs[2][4][LANES];
    for (size_t lane = 0; lane < LANES; lane++)
        for (int i = 0; i < 4; i++) {
            limbs[0][i][lane] = p[lane < take ? lane : 0].x.v[i];
            limbs[1][i][lane] = p[lane < take ? lane : 0].y.v[i];
        }
    load8(&r->x, (const uint64_t(*)[LANES])limbs[0], enter_fe);
    load8(&r->y, (const uint64_t(*)[LANES])limbs[1], enter_fe);
}

TARGET void gm_ifma_negate_y(affine8 *p, __mmask8 lanes)
{
    fe8 zero, negated;
    for (int i = 0; i < 5; i++)
        zero.v[i] = _mm512_setzero_si512();
    difference8(&negated, &zero, &p->y, 2);
    select8(&p->y, lanes, &negated);
}

TARGET static void square_times(fe8 *r, const fe8 *a, int times)
{
    fe8 t = *a;
    while (times--)
        sqr8(&t, &t);
    *r = t;
}

/* a^(p-2); p - 2 = fffffffe ffffffff ffffffff ffffffff ffffffff 00000000 ffffffff fffffffd */
TARGET static void inverse(fe8 *r, const fe8 *a)
{
    fe8 x2, x4, x8, x16, x30, x31, x32, t;
    square_times(&t, a, 1);
    mul8(&x2, &t, a);
    square_times(&t, &x2, 2);
    mul8(&x4, &t, &x2);
    square_times(&t, &x4, 4);
    mul8(&x8, &t, &x4);
    square_times(&t, &x8, 8);
    mul8(&x16, &t, &x8);
    square_times(&t, &x16, 8);
    mul8(&t, &t, &x8);
    square_times(&t, &t, 4);
    mul8(&t, &t, &x4);
    square_times(&t, &t, 2);
    mul8(&x30, &t, &x2);
    square_times(&t, &x30, 1);
    mul8(&x31, &t, a);
    square_times(&t, &x31, 1);
    mul8(&x32, &t, a);
    square_times(&t, &x31, 1 + 32); /* fffffffe, then ffffffff four times */
    mul8(&t, &t, &x32);
    for (int i = 0; i < 3; i++) {
        square_times(&t, &t, 32);
        mul8(&t, &t, &x32);
    }
    square_times(&t, &t, 64); /* 00000000 ffffffff */
    mul8(&t, &t, &x32);
    square_times(&t, &t, 30); /* fffffffd = thirty ones, 0, 1 */
    mul8(&t, &t, &x30);
    square_times(&t, &t, 2);
    mul8(r, &t, a);
}

/* Montgomery's trick over the groups of each lane */
TARGET void gm_ifma_inverses(fe8 *z, size_t groups)
{
    fe8 product[GROUPS], rest, t;
    product[0] = z[0];
    for (size_t g = 1; g < groups; g++)
        mul8(&product[g], &product[g - 1], &z[g]);
    inverse(&rest, &product[groups - 1]);
    for (size_t g = groups - 1; g; g--) {
        mul8(&t, &rest, &product[g - 1]);
        mul8(&rest, &rest, &z[g]);
        z[g] = t;
    }
    z[0] = rest;
    gm_wipe(product, sizeof *product * groups);
}

/* On the curve where 2P is affine (x and y times Z^2 and Z^3 of 2P) each sum is of the affine 2P; the formula does not
 * know the curve's constants. Every sum tells by what its Z grew, so one inversion at the end serves all. */
TARGET void gm_ifma_odd_multiples(affine8 *table, fe8 *ratio, size_t entries, const affine8 *p, size_t groups)
{
    fe8 z[GROUPS], t;
    for (size_t g = 0; g < groups; g++) {
        affine8 *entry = table + entries * g, twice;
        point8 sum = {p[g].x, p[g].y, p[g].y};
        constant8(&sum.z, one52);
        double8(&sum);
        z[g] = sum.z;
        twice.x = sum.x;
        twice.y = sum.y;
        sqr8(&t, &z[g]);
        mul8(&sum.x, &p[g].x, &t);
        mul8(&t, &t, &z[g]);
        mul8(&sum.y, &p[g].y, &t);
        constant8(&sum.z, one52);
        entry[0] = p[g];
        for (size_t j = 1; j < entries; j++) {
            add_affine8(&sum, &twice, 0, &ratio[entries * g + j]);
            entry[j].x = sum.x;
            entry[j].y = sum.y;
        }
        mul8(&z[g], &z[g], &sum.z);
    }
    gm_ifma_inverses(z, groups);
    for (size_t g = 0; g < groups; g++)
        for (size_t j = entries - 1; j; j--) {
            affine8 *entry = table + entries * g + j;
            sqr8(&t, &z[g]);
            mul8(&entry->x, &entry->x, &t);
            mul8(&t, &t, &z[g]);
            mul8(&entry->y, &entry->y, &t);
            mul8(&z[g], &z[g], &ratio[entries * g + j]);
        }
    gm_wipe(z, sizeof z);
}

TARGET void gm_ifma_store(uint8_t (*out)[64], size_t count, const point8 *p, const __mmask8 *negative, __mmask8 *failed)
{
    fe8 z[GROUPS], one, t;
    size_t groups = (count + LANES - 1) / LANES;
    uint64_t limbs[2][4][LANES];
    constant8(&one, one52);
    for (size_t g = 0; g < groups; g++) {
        z[g] = p[g].z;
        failed[g] = is_zero8(&z[g]);
        select8(&z[g], failed[g], &one);
    }
    gm_ifma_inverses(z, groups);
    for (size_t g = 0; g < groups; g++) {
        affine8 point;
        sqr8(&t, &z[g]);
        mul8(&point.x, &p[g].x, &t);
        mul8(&t, &t, &z[g]);
        mul8(&point.y, &p[g].y, &t);
        gm_ifma_negate_y(&point, negative[g]);
        store8(limbs[0], &point.x);
        store8(limbs[1], &point.y);
        for (size_t lane = 0; lane < LANES && LANES * g + lane < count; lane++)
            for (int i = 0; i < 4; i++) {
                gm_store64(out[LANES * g + lane] + 24 - 8 * i, limbs[0][i][lane]);
                gm_store64(out[LANES * g + lane] + 56 - 8 * i, limbs[1][i][lane]);
            }
    }
    gm_wipe(z, sizeof z);
    gm_wipe(limbs, sizeof limbs);
}
#endif
