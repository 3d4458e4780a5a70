/* 7.1: the tokens of this user, which lie where src/miyun/hsm/token/place.py says. */
#include "channel.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_NAMES 64
#define NAME_LEN 256
#define LOOK_EVERY_NS 100000000L

struct names {
    unsigned count;
    char name[MAX_NAMES][NAME_LEN];
};

static int open_folder(void) {
    char path[4096];
    const char *tokens = secure_getenv("MIYUN_TOKENS"), *home = secure_getenv("HOME");
    int written = tokens != NULL && *tokens ? snprintf(path, sizeof path, "%s", tokens)
                                            : snprintf(path, sizeof path, "%s/.miyun/tokens", home ? home : "");
    if (written < 0 || (size_t)written >= sizeof path) return -1;
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int link_open(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (name == NULL || *name == '.' || *name == 0 || strchr(name, '/') != NULL) return -1;
    int connection = -1, folder = open_folder();
    int token = folder < 0 ? -1 : openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (token >= 0) {
        snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/token.sock", token);
        connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connection >= 0 && connect(connection, (struct sockaddr *)&address, sizeof address) != 0) {
            close(connection);
            connection = -1;
        }
        close(token);
    }
    if (folder >= 0) close(folder);
    return connection;
}

static int is_present(const char *name) {
    int connection = link_open(name);
    if (connection < 0) return 0;
    close(connection);
    return 1;
}

static int by_name(const void *one, const void *other) { return strcmp(one, other); }

static void list_names(struct names *names, int present) {
    struct dirent *entry;
    names->count = 0;
    int folder = open_folder();
    DIR *entries = folder < 0 ? NULL : fdopendir(folder);
    if (entries == NULL) {
        if (folder >= 0) close(folder);
        return;
    }
    while (names->count < MAX_NAMES && (entry = readdir(entries)) != NULL) {
        int inside = entry->d_name[0] == '.' ? -1 : openat(folder, entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (inside < 0) continue;
        close(inside);
        if (present && !is_present(entry->d_name)) continue;
        snprintf(names->name[names->count++], NAME_LEN, "%s", entry->d_name);
    }
    closedir(entries);
    qsort(names->name, names->count, NAME_LEN, by_name);
}

ULONG DEVAPI SKF_EnumDev(BOOL bPresent, LPSTR szNameList, ULONG *pulSize) {
    struct names *names = malloc(sizeof *names);
    char *list = malloc(MAX_NAMES * NAME_LEN + 1);
    ULONG code = SAR_MEMORYERR;
    if (names != NULL && list != NULL) {
        size_t used = 0;
        list_names(names, bPresent);
        for (unsigned index = 0; index < names->count; index++) {
            size_t length = strlen(names->name[index]) + 1;
            memcpy(list + used, names->name[index], length);
            used += length;
        }
        list[used] = 0;
        code = give(list, used + 1, szNameList, pulSize);
    }
    free(names);
    free(list);
    return code;
}

/* --- plugging in and pulling out --------------------------------------------------------------------------------- */

static pthread_mutex_t waiting = PTHREAD_MUTEX_INITIALIZER;
static unsigned cancelled;

static unsigned cancellations(void) {
    pthread_mutex_lock(&waiting);
    unsigned count = cancelled;
    pthread_mutex_unlock(&waiting);
    return count;
}

/* A name of one list that the other does not have. */
static const char *missing(const struct names *from, const struct names *in) {
    for (unsigned index = 0; index < from->count; index++)
        if (bsearch(from->name[index], in->name, in->count, NAME_LEN, by_name) == NULL) return from->name[index];
    return NULL;
}

ULONG DEVAPI SKF_WaitForDevEvent(LPSTR szDevName, ULONG *pulDevNameLen, ULONG *pulEvent) {
    struct names *before = malloc(sizeof *before), *now = malloc(sizeof *now);
    ULONG code = SAR_MEMORYERR;
    if (szDevName == NULL || pulDevNameLen == NULL || pulEvent == NULL) {
        code = SAR_INVALIDPARAMERR;
    } else if (before != NULL && now != NULL) {
        const unsigned started = cancellations();
        const char *name = NULL;
        list_names(before, 1);
        while (name == NULL && cancellations() == started) {
            nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_NS}, NULL);
            list_names(now, 1);
            *pulEvent = DEV_EVENT_INSERTED;
            if ((name = missing(now, before)) == NULL) {
                *pulEvent = DEV_EVENT_REMOVED;
                name = missing(before, now);
            }
        }
        code = name == NULL ? SAR_NOT_EVENTERR : give(name, strlen(name) + 1, szDevName, pulDevNameLen);
    }
    free(before);
    free(now);
    return code;
}

ULONG DEVAPI SKF_CancelWaitForDevEvent(void) {
    pthread_mutex_lock(&waiting);
    cancelled++;
    pthread_mutex_unlock(&waiting);
    return SAR_OK;
}

ULONG DEVAPI SKF_GetDevState(LPSTR szDevName, ULONG *pulDevState) {
    if (szDevName == NULL || pulDevState == NULL) return SAR_INVALIDPARAMERR;
    *pulDevState = is_present(szDevName) ? DEV_PRESENT_STATE : DEV_ABSENT_STATE;
    return SAR_OK;
}

/* --- a connected device ------------------------------------------------------------------------------------------ */

ULONG DEVAPI SKF_ConnectDev(LPSTR szName, DEVHANDLE *phDev) {
    if (szName == NULL || phDev == NULL) return SAR_INVALIDPARAMERR;
    int connection = link_open(szName);
    if (connection < 0) return SAR_DEVICE_REMOVED;
    struct link *link = link_new(connection);
    if (link == NULL) {
        close(connection);
        return SAR_MEMORYERR;
    }
    ULONG code = handle_new(link, KIND_DEVICE, 0, phDev);
    link_release(link);
    return code;
}

ULONG DEVAPI SKF_DisConnectDev(DEVHANDLE hDev) {
    uint32_t remote;
    struct link *link = handle_find(hDev, KIND_DEVICE, &remote);
    if (link == NULL) return SAR_INVALIDHANDLEERR;
    handle_drop_all(link);
    link_release(link);
    return SAR_OK;
}

ULONG DEVAPI SKF_SetLabel(DEVHANDLE hDev, LPSTR szLabel) {
    struct call call;
    call_begin(&call, hDev, KIND_DEVICE, FN_SET_LABEL);
    call_text(&call, szLabel);
    call_send(&call);
    return call_end(&call);
}

static void copy_text(struct call *call, char *to, size_t room) {
    size_t size;
    const uint8_t *text = reader_octets(&call->reader, &size);
    if (text != NULL) memcpy(to, text, size < room ? size : room - 1);
}

ULONG DEVAPI SKF_GetDevInfo(DEVHANDLE hDev, DEVINFO *pDevInfo) {
    struct call call;
    if (pDevInfo == NULL) return SAR_INVALIDPARAMERR;
    call_begin(&call, hDev, KIND_DEVICE, FN_GET_DEV_INFO);
    if (call_send(&call) == SAR_OK) {
        memset(pDevInfo, 0, sizeof *pDevInfo);
        pDevInfo->Version.major = 1;
        strcpy(pDevInfo->Manufacturer, "Miyun");
        strcpy(pDevInfo->Issuer, "Miyun");
        copy_text(&call, pDevInfo->Label, sizeof pDevInfo->Label);
        copy_text(&call, pDevInfo->SerialNumber, sizeof pDevInfo->SerialNumber);
        pDevInfo->HWVersion.major = 1;
        pDevInfo->FirmwareVersion.major = 1;
        pDevInfo->AlgSymCap = SGD_SM4_ECB | SGD_SM4_CBC | SGD_SM4_CFB | SGD_SM4_OFB | SGD_SM4_MAC;
        pDevInfo->AlgAsymCap = SGD_SM2_1 | SGD_SM2_2 | SGD_SM2_3;
        pDevInfo->AlgHashCap = SGD_SM3;
        pDevInfo->DevAuthAlgId = SGD_SM4_ECB;
        pDevInfo->TotalSpace = reader_number(&call.reader);
        pDevInfo->FreeSpace = reader_number(&call.reader);
        pDevInfo->MaxECCBufferSize = 1u << 16;
        pDevInfo->MaxBufferSize = 1u << 20;
    }
    return call_end(&call);
}

ULONG DEVAPI SKF_LockDev(DEVHANDLE hDev, ULONG ulTimeOut) {
    struct call call;
    call_begin(&call, hDev, KIND_DEVICE, FN_LOCK_DEV);
    call_number(&call, ulTimeOut);
    call_send(&call);
    return call_end(&call);
}

ULONG DEVAPI SKF_UnlockDev(DEVHANDLE hDev) {
    struct call call;
    call_begin(&call, hDev, KIND_DEVICE, FN_UNLOCK_DEV);
    call_send(&call);
    return call_end(&call);
}

ULONG DEVAPI SKF_Transmit(DEVHANDLE hDev, BYTE *pbCommand, ULONG ulCommandLen, BYTE *pbData, ULONG *pulDataLen) {
    struct call call;
    if (pbData == NULL || pulDataLen == NULL) return SAR_INVALIDPARAMERR; /* a command is not sent twice for its size */
    call_begin(&call, hDev, KIND_DEVICE, FN_TRANSMIT);
    call_octets(&call, pbCommand, ulCommandLen);
    call_send(&call);
    call_give_octets(&call, pbData, pulDataLen);
    return call_end(&call);
}
