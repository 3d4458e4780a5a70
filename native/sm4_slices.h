/* SM4 on bit slices, for one vector type. Include with V (the vector), NAME(x) and TARGET defined.
 *
 * A vector of L 64-bit lanes carries 16*L blocks. Slice i of a state word holds bit i of every byte: in lane j, bit
 * 16*p + b belongs to byte p (0 = most significant) of that word of block 16*j + b. A byte rotation of the word is then a
 * rotation of each lane by 16 bits, and the S-box is one circuit of 32 AND gates over whole vectors: no table, no branch.
 *
 * The circuit: SM4's S-box is inversion in GF(2^8)/(x^8+x^7+x^6+x^5+x^4+x^2+1) between affine maps. That field is mapped
 * to the AES field, where Boyar and Peralta's inversion core serves; the affine maps on both sides are merged with the
 * field change and reduced by common-subexpression search. */

#define LANES (sizeof(V) / 8)
#define BLOCKS (16 * LANES)

TARGET static inline __attribute__((always_inline)) void NAME(sbox)(V x[8])
{
    V x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3], x4 = x[4], x5 = x[5], x6 = x[6], x7 = x[7];
    V a0 = x2 ^ x4, a1 = x0 ^ x3, a2 = a1 ^ x1, a3 = a0 ^ x5, a4 = x6 ^ x7, a5 = a2 ^ x5, a6 = x2 ^ x6;
    V a7 = a0 ^ x7, a8 = a2 ^ x7, a9 = a3 ^ a4, a10 = a4 ^ x4, a11 = x1 ^ x7, a12 = a0 ^ a1, a13 = a0 ^ a2;
    V a14 = a1 ^ a3, a15 = a10 ^ a5, a16 = a10 ^ x0, a17 = a11 ^ a3, a18 = a11 ^ x3, a19 = a12 ^ a4;
    V a20 = a16 ^ x1, a21 = a2 ^ a3, a22 = a3 ^ x3, a23 = a5 ^ a6, a24 = a6 ^ x1, a25 = a7 ^ x0;
    V a26 = a8 ^ x4, a27 = a9 ^ x1, a28 = x2 ^ x7, a29 = x3 ^ x5, a30 = a29 ^ x7, y1 = a6, y2 = ~a25;
    V y3 = ~a22, y4 = a18, y5 = ~a30, y6 = a5, y7 = a24, y8 = a7, y9 = ~a13, y10 = a23, y11 = a26;
    V y12 = ~a17, y13 = a14, y14 = ~a8, y15 = a27, y16 = x1, y17 = a9, y18 = ~a20, y19 = a15, y20 = ~a28;
    V y21 = a21, y0 = a19;
    V t2 = y12 & y15, t4 = (y3 & y6) ^ t2, t6 = (y4 & y0) ^ t2;
    V t7 = y13 & y16, t9 = (y5 & y1) ^ t7, t11 = (y2 & y7) ^ t7;
    V t12 = y9 & y11, t14 = (y14 & y17) ^ t12, t16 = (y8 & y10) ^ t12;
    V t21 = t4 ^ t14 ^ y20, t22 = t6 ^ t16 ^ y19, t23 = t9 ^ t14 ^ y21, t24 = t11 ^ t16 ^ y18;
    V t25 = t21 ^ t22, t26 = t21 & t23, t27 = t24 ^ t26, t29 = (t25 & t27) ^ t22;
    V t33 = ((t22 ^ t26) & (t23 ^ t24)) ^ t24;
    V t36 = t24 & (t27 ^ t33), t37 = t36 ^ t23 ^ t33, t40 = t25 ^ (t29 & (t27 ^ t36));
    V t41 = t40 ^ t37, t42 = t29 ^ t33, t43 = t29 ^ t40, t44 = t33 ^ t37, t45 = t42 ^ t41;
    V z00 = t44 & y15, z01 = t37 & y6, z02 = t33 & y0, z03 = t43 & y16, z04 = t40 & y1, z05 = t29 & y7;
    V z06 = t42 & y11, z07 = t45 & y17, z08 = t41 & y10, z09 = t44 & y12, z10 = t37 & y3, z11 = t33 & y4;
    V z12 = t43 & y13, z13 = t40 & y5, z14 = t29 & y2, z15 = t42 & y9, z16 = t45 & y14, z17 = t41 & y8;
    V b0 = z00 ^ z06, b1 = z01 ^ z09, b2 = b1 ^ z10, b3 = z04 ^ z05, b4 = b3 ^ z15, b5 = b0 ^ b2;
    V b6 = b4 ^ z13, b7 = z14 ^ z17, b8 = b0 ^ z08, b9 = b5 ^ b7, b10 = b6 ^ z02, b11 = b9 ^ z07;
    V b12 = z12 ^ z16, b13 = b1 ^ b10, b14 = b10 ^ b2, b15 = b11 ^ b12, b16 = b11 ^ z13, b17 = b12 ^ b6;
    V b18 = b13 ^ z11, b19 = b14 ^ b7, b20 = b16 ^ z15, b21 = b17 ^ b8, b22 = b18 ^ z14, b23 = b21 ^ z01;
    V b24 = b22 ^ z16, b25 = b4 ^ b5, b26 = b25 ^ z08, b27 = b26 ^ z16, b28 = b8 ^ z02, b29 = z03 ^ z04;
    V b30 = b29 ^ z06, b31 = b30 ^ z07;
    x[0] = ~b15; x[1] = ~b19; x[2] = b23; x[3] = b28;
    x[4] = ~b20; x[5] = b27; x[6] = ~b24; x[7] = ~b31;
}

#define RIGHT16(v) ((v) >> 16 | (v) << 48)

/* L(B) = B ^ B<<<2 ^ B<<<10 ^ B<<<18 ^ B<<<24 */
TARGET static inline __attribute__((always_inline)) void NAME(linear)(V out[8], const V b[8])
{
    for (int i = 0; i < 8; i++) {
        V c = i < 2 ? RIGHT16(b[i + 6]) : b[i - 2];
        V inner = c ^ RIGHT16(b[i]);
        inner = c ^ RIGHT16(inner);
        out[i] ^= b[i] ^ c ^ RIGHT16(inner);
    }
}

#define SWAP(a, b, shift, mask)                                                                                       \
    do {                                                                                                              \
        V moved = ((a) >> (shift) ^ (b)) & (mask);                                                                    \
        (b) ^= moved;                                                                                                 \
        (a) ^= moved << (shift);                                                                                      \
    } while (0)

/* Eight words of eight bytes to eight slices and back: bit 8c + m of slice i is bit i of byte c of word m */
TARGET static inline __attribute__((always_inline)) void NAME(transpose)(V q[8])
{
    for (int i = 0; i < 8; i += 2)
        SWAP(q[i], q[i + 1], 1, 0x5555555555555555ULL);
    for (int i = 0; i < 8; i += 4)
        for (int j = i; j < i + 2; j++)
            SWAP(q[j], q[j + 2], 2, 0x3333333333333333ULL);
    for (int i = 0; i < 4; i++)
        SWAP(q[i], q[i + 4], 4, 0x0f0f0f0f0f0f0f0fULL);
}

/* Bytes a0..a3 b0..b3 to a0 b0 a1 b1 a2 b2 a3 b3, and back */
TARGET static inline __attribute__((always_inline)) V NAME(interleave)(V x, int forward)
{
    V t;
    for (int step = 0; step < 2; step++) {
        if ((step == 0) == forward) {
            t = (x ^ x >> 16) & 0x00000000ffff0000ULL;
            x ^= t ^ t << 16;
        } else {
            t = (x ^ x >> 8) & 0x0000ff000000ff00ULL;
            x ^= t ^ t << 8;
        }
    }
    return x;
}

TARGET static void NAME(blocks)(const uint64_t key[32][8], const uint8_t *in, uint8_t *out, int encrypt)
{
    V s[4][8];
    union {
        V v;
        uint64_t lane[LANES];
    } u;
    for (int w = 0; w < 4; w++) {
        for (int m = 0; m < 8; m++) {
            for (size_t j = 0; j < LANES; j++) {
                uint32_t low, high;
                memcpy(&low, in + 16 * (16 * j + m) + 4 * w, 4);
                memcpy(&high, in + 16 * (16 * j + m + 8) + 4 * w, 4);
                u.lane[j] = low | (uint64_t)high << 32;
            }
            s[w][m] = NAME(interleave)(u.v, 1);
        }
        NAME(transpose)(s[w]);
    }
    for (int round = 0; round < 32; round += 4)
        for (int r = 0; r < 4; r++) {
            const uint64_t *rk = key[encrypt ? round + r : 31 - round - r];
            V b[8];
            for (int i = 0; i < 8; i++)
                b[i] = s[(r + 1) & 3][i] ^ s[(r + 2) & 3][i] ^ s[(r + 3) & 3][i] ^ rk[i];
            NAME(sbox)(b);
            NAME(linear)(s[r], b);
        }
    for (int w = 0; w < 4; w++) {
        NAME(transpose)(s[w]);
        for (int m = 0; m < 8; m++) {
            u.v = NAME(interleave)(s[w][m], 0);
            for (size_t j = 0; j < LANES; j++) {
                uint32_t low = (uint32_t)u.lane[j], high = (uint32_t)(u.lane[j] >> 32);
                memcpy(out + 16 * (16 * j + m) + 4 * (3 - w), &low, 4);
                memcpy(out + 16 * (16 * j + m + 8) + 4 * (3 - w), &high, 4);
            }
        }
    }
    gm_wipe(s, sizeof s);
}

TARGET static void NAME(ecb)(const uint64_t key[32][8], const uint8_t *in, uint8_t *out, size_t blocks, int encrypt)
{
    uint8_t last[16 * BLOCKS] __attribute__((aligned(64)));
    for (; blocks >= BLOCKS; blocks -= BLOCKS, in += 16 * BLOCKS, out += 16 * BLOCKS)
        NAME(blocks)(key, in, out, encrypt);
    if (blocks) {
        memset(last, 0, sizeof last);
        memcpy(last, in, 16 * blocks);
        NAME(blocks)(key, last, last, encrypt);
        memcpy(out, last, 16 * blocks);
        gm_wipe(last, sizeof last);
    }
}

#undef V
#undef NAME
#undef TARGET
#undef LANES
#undef BLOCKS
#undef RIGHT16
#undef SWAP
