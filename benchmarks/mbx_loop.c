/* Intel's crypto_mb signing and verifying SM2 in a plain C loop: the peer that our calls from Python are measured against.
 *
 *     mbx_loop <seconds>     prints {"sm2.sign.batch": x, "sm2.verify.batch": y}, operations per CPU second
 *
 * Each lane has a key of its own, the default user ID and a message of 32 bytes. The nonces are drawn before the clock
 * starts, so that the library alone is timed. Build against the archives of the PyPI package ipp-crypto-static; its forms
 * that take OpenSSL's numbers are not called, so what they lack may stay unresolved:
 *
 *     gcc -O2 -static -DBN_OPENSSL_DISABLE -I include -I include/aggregator mbx_loop.c libcrypto_mb.a \
 *         -Wl,--unresolved-symbols=ignore-all -o mbx_loop
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <crypto_mb/cpu_features.h>
#include <crypto_mb/ec_sm2.h>
#include <crypto_mb/status.h>

#define LANES 8
#define ROUNDS 3

struct lanes {
    uint64_t d[LANES][4], k[LANES][4], x[LANES][4], y[LANES][4];
    uint8_t message[LANES][32], r[LANES][32], s[LANES][32];
    const int64u *pd[LANES], *pk[LANES], *px[LANES], *py[LANES];
    const int8u *pid[LANES], *pm[LANES], *pr[LANES], *ps[LANES];
    int8u *out_r[LANES], *out_s[LANES];
    int id_size[LANES], message_size[LANES];
};

static struct lanes lanes;

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int sign(void)
{
    return mbx_sm2_ecdsa_sign_mb8(lanes.out_r, lanes.out_s, lanes.pid, lanes.id_size, lanes.pm, lanes.message_size,
                                  lanes.pk, lanes.pd, lanes.px, lanes.py, NULL, NULL) == 0;
}

static int verify(void)
{
    return mbx_sm2_ecdsa_verify_mb8(lanes.pr, lanes.ps, lanes.pid, lanes.id_size, lanes.pm, lanes.message_size, lanes.px,
                                    lanes.py, NULL, NULL) == 0;
}

/* Keys, nonces below 2^255 and messages; what a secret is made of does not change the time */
static int prepare(void)
{
    static const int8u id[] = "1234567812345678";
    int64u *x[LANES], *y[LANES];
    struct lanes *l = &lanes;
    if (getrandom(l->d, sizeof l->d, 0) != sizeof l->d || getrandom(l->k, sizeof l->k, 0) != sizeof l->k ||
        getrandom(l->message, sizeof l->message, 0) != sizeof l->message)
        return 0;
    for (int i = 0; i < LANES; i++) {
        l->d[i][3] >>= 1, l->k[i][3] >>= 1;
        l->pd[i] = (const int64u *)l->d[i], l->pk[i] = (const int64u *)l->k[i];
        l->px[i] = x[i] = (int64u *)l->x[i], l->py[i] = y[i] = (int64u *)l->y[i];
        l->pid[i] = id, l->id_size[i] = sizeof id - 1;
        l->pm[i] = l->message[i], l->message_size[i] = 32;
        l->pr[i] = l->out_r[i] = l->r[i], l->ps[i] = l->out_s[i] = l->s[i];
    }
    return mbx_sm2_ecpublic_key_mb8(x, y, NULL, l->pd, NULL) == 0;
}

/* The best of some rounds; below zero when an operation failed */
static double rate(int (*operation)(void), double seconds)
{
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = cpu_seconds(), spent;
        long count = 0;
        do {
            for (int i = 0; i < 64; i++)
                if (!operation())
                    return -1;
            count += 64 * LANES;
            spent = cpu_seconds() - start;
        } while (spent < seconds / ROUNDS);
        if ((double)count / spent > best)
            best = (double)count / spent;
    }
    return best;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 1;
    if (mbx_is_crypto_mb_applicable(mbx_get_cpu_features()) != 1) {
        fputs("mbx_loop: this CPU has no AVX-512 IFMA\n", stderr);
        return 2;
    }
    double sign_rate = prepare() ? rate(sign, seconds) : -1, verify_rate = rate(verify, seconds);
    if (sign_rate < 0 || verify_rate < 0) {
        fputs("mbx_loop: an operation failed\n", stderr);
        return 1;
    }
    printf("{\"sm2.sign.batch\": %.0f, \"sm2.verify.batch\": %.0f}\n", sign_rate, verify_rate);
    return 0;
}
