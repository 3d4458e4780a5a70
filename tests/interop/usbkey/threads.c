/* Many threads, each with a device of its own and all with one that they share; ends with "passed". */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "skf.h"

#define THREADS 8
#define ROUNDS 40

static DEVHANDLE shared;
static char name[256];

static void *work(void *number) {
    for (int round = 0; round < ROUNDS; round++) {
        DEVHANDLE own;
        HANDLE hash;
        BYTE digest[32], expected[32], random[64];
        ULONG size = sizeof digest;
        memset(random, (int)(size_t)number + round, sizeof random);
        if (SKF_ConnectDev(name, &own) != SAR_OK) return "connect";
        for (int way = 0; way < 2; way++) {
            if (SKF_DigestInit(way ? shared : own, SGD_SM3, NULL, NULL, 0, &hash) != SAR_OK) return "init";
            if (SKF_Digest(hash, random, sizeof random, way ? digest : expected, &size) != SAR_OK) return "digest";
            if (SKF_CloseHandle(hash) != SAR_OK) return "close";
        }
        if (memcmp(digest, expected, sizeof digest) != 0) return "mixed up";
        if (SKF_DisConnectDev(own) != SAR_OK) return "disconnect";
        if (SKF_GenRandom(own, random, 8) != SAR_INVALIDHANDLEERR) return "stale";
    }
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    ULONG size = sizeof name;
    int failed = SKF_EnumDev(TRUE, name, &size) != SAR_OK || SKF_ConnectDev(name, &shared) != SAR_OK;
    for (size_t number = 0; number < THREADS && !failed; number++)
        failed = pthread_create(&threads[number], NULL, work, (void *)number) != 0;
    for (size_t number = 0; number < THREADS && !failed; number++) {
        void *wrong;
        pthread_join(threads[number], &wrong);
        if (wrong != NULL) {
            printf("%s\n", (char *)wrong);
            failed = 1;
        }
    }
    if (!failed) printf("passed\n");
    return failed;
}
