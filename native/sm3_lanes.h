/* One block of SM3 in every lane of a vector. Include with V (the vector), LANES, NAME(x), TARGET, and on vectors of 32-bit
 * words ADD, XOR, XOR3, MAJORITY, CHOOSE, ROTATE(x, n), ALL(word), LOAD(p), STORE(p, x) and NAME(words), which fills
 * W_0..W_15 of all lanes from their data. */

#define ROUND(A, B, C, D, E, F, G, H, FF, GG, j)                                                                      \
    do {                                                                                                              \
        V a12 = ROTATE(A, 12), ss1 = ROTATE(ADD(a12, ADD(E, ALL(gm_sm3_constants[j]))), 7);                           \
        V word = w[(j) & 15];                                                                                         \
        D = ADD(ADD(FF(A, B, C), ADD(D, XOR(word, w[((j) + 4) & 15]))), XOR(ss1, a12));                               \
        H = ADD(ADD(GG(E, F, G), ADD(H, word)), ss1);                                                                 \
        B = ROTATE(B, 9);                                                                                             \
        F = ROTATE(F, 19);                                                                                            \
        H = XOR3(H, ROTATE(H, 9), ROTATE(H, 17));                                                                     \
    } while (0)

/* W_j is no longer needed once round j is done: its place takes W_{j+16}. */
#define EXPAND(j)                                                                                                     \
    do {                                                                                                              \
        V sum = XOR3(w[(j) & 15], w[((j) + 7) & 15], ROTATE(w[((j) + 13) & 15], 15));                                 \
        sum = XOR3(sum, ROTATE(sum, 15), ROTATE(sum, 23));                                                            \
        w[(j) & 15] = XOR3(sum, ROTATE(w[((j) + 3) & 15], 7), w[((j) + 10) & 15]);                                    \
    } while (0)

#define FOUR(FF, GG, j, EX)                                                                                           \
    ROUND(a, b, c, d, e, f, g, h, FF, GG, j);                                                                         \
    EX(j);                                                                                                            \
    ROUND(d, a, b, c, h, e, f, g, FF, GG, j + 1);                                                                     \
    EX(j + 1);                                                                                                        \
    ROUND(c, d, a, b, g, h, e, f, FF, GG, j + 2);                                                                     \
    EX(j + 2);                                                                                                        \
    ROUND(b, c, d, a, f, g, h, e, FF, GG, j + 3);                                                                     \
    EX(j + 3)
#define NOTHING(j) (void)0

TARGET static void NAME(blocks)(uint32_t state[8][LANES], const uint8_t *data[LANES], size_t blocks)
{
    V v[8], w[16];
    for (int i = 0; i < 8; i++)
        v[i] = LOAD(state[i]);
    for (; blocks; blocks--) {
        V a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], f = v[5], g = v[6], h = v[7];
        NAME(words)(w, data);
        FOUR(XOR3, XOR3, 0, EXPAND);
        FOUR(XOR3, XOR3, 4, EXPAND);
        FOUR(XOR3, XOR3, 8, EXPAND);
        FOUR(XOR3, XOR3, 12, EXPAND);
        for (int j = 16; j < 48; j += 16) {
            FOUR(MAJORITY, CHOOSE, j, EXPAND);
            FOUR(MAJORITY, CHOOSE, j + 4, EXPAND);
            FOUR(MAJORITY, CHOOSE, j + 8, EXPAND);
            FOUR(MAJORITY, CHOOSE, j + 12, EXPAND);
        }
        FOUR(MAJORITY, CHOOSE, 48, EXPAND);
        FOUR(MAJORITY, CHOOSE, 52, NOTHING);
        FOUR(MAJORITY, CHOOSE, 56, NOTHING);
        FOUR(MAJORITY, CHOOSE, 60, NOTHING);
        V sums[8] = {a, b, c, d, e, f, g, h};
        for (int i = 0; i < 8; i++)
            v[i] = XOR(v[i], sums[i]);
    }
    for (int i = 0; i < 8; i++)
        STORE(state[i], v[i]);
    gm_wipe(w, sizeof w);
}

#undef V
#undef LANES
#undef NAME
#undef TARGET
#undef ADD
#undef XOR
#undef XOR3
#undef MAJORITY
#undef CHOOSE
#undef ROTATE
#undef ALL
#undef LOAD
#undef STORE
#undef ROUND
#undef EXPAND
#undef FOUR
#undef NOTHING
