#include "channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FRAME (2u << 20)
#define FIRST_ROOM 256

struct link {
    int descriptor;
    int dead;
    pid_t owner;
    unsigned references;
    pthread_mutex_t turn;
};

void wipe_free(void *octets, size_t size) {
    if (octets != NULL) {
        explicit_bzero(octets, size);
        free(octets);
    }
}

/* --- links ------------------------------------------------------------------------------------------------------- */

struct link *link_new(int descriptor) {
    struct link *link = calloc(1, sizeof *link);
    if (link == NULL || pthread_mutex_init(&link->turn, NULL) != 0) {
        free(link);
        return NULL;
    }
    link->descriptor = descriptor;
    link->owner = getpid();
    link->references = 1;
    return link;
}

void link_hold(struct link *link) { __atomic_add_fetch(&link->references, 1, __ATOMIC_RELAXED); }

void link_release(struct link *link) {
    if (link != NULL && __atomic_sub_fetch(&link->references, 1, __ATOMIC_ACQ_REL) == 0) {
        close(link->descriptor);
        pthread_mutex_destroy(&link->turn);
        free(link);
    }
}

static int send_all(int descriptor, const uint8_t *octets, size_t size) {
    while (size > 0) {
        ssize_t sent = send(descriptor, octets, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return -1;
        octets += sent;
        size -= (size_t)sent;
    }
    return 0;
}

static int receive_all(int descriptor, uint8_t *octets, size_t size) {
    while (size > 0) {
        ssize_t received = recv(descriptor, octets, size, 0);
        if (received < 0 && errno == EINTR) continue;
        if (received <= 0) return -1;
        octets += received;
        size -= (size_t)received;
    }
    return 0;
}

static ULONG exchange(struct link *link, const uint8_t *frame, size_t size, uint8_t **answer, size_t *answer_size) {
    uint32_t length;
    if (send_all(link->descriptor, frame, size) != 0 ||
        receive_all(link->descriptor, (uint8_t *)&length, sizeof length) != 0)
        return SAR_DEVICE_REMOVED;
    *answer_size = ntohl(length);
    if (*answer_size < sizeof length || *answer_size > MAX_FRAME) return SAR_UNKNOWNERR;
    *answer = malloc(*answer_size);
    if (*answer == NULL) return SAR_MEMORYERR;
    return receive_all(link->descriptor, *answer, *answer_size) == 0 ? SAR_OK : SAR_DEVICE_REMOVED;
}

ULONG link_exchange(struct link *link, const uint8_t *frame, size_t size, uint8_t **answer, size_t *answer_size) {
    ULONG code = SAR_DEVICE_REMOVED;
    if (link->owner != getpid()) return code; /* a child does not speak in its parent's name */
    pthread_mutex_lock(&link->turn);
    if (!link->dead) {
        code = exchange(link, frame, size, answer, answer_size);
        link->dead = code != SAR_OK; /* what comes next on the socket is no longer known */
    }
    pthread_mutex_unlock(&link->turn);
    return code;
}

/* --- reading an answer ------------------------------------------------------------------------------------------- */

static uint32_t number_at(const uint8_t *octets) {
    uint32_t value;
    memcpy(&value, octets, sizeof value);
    return ntohl(value);
}

ULONG reader_start(struct reader *reader, const uint8_t *answer, size_t size) {
    reader->malformed = size < 4;
    if (reader->malformed) {
        reader->left = 0;
        return SAR_UNKNOWNERR;
    }
    reader->at = answer + 4;
    reader->left = size - 4;
    return number_at(answer);
}

int reader_more(const struct reader *reader) { return !reader->malformed && reader->left > 0; }

const uint8_t *reader_octets(struct reader *reader, size_t *size) {
    if (reader->malformed || reader->left < 4 || number_at(reader->at) > reader->left - 4) {
        reader->malformed = 1;
        *size = 0;
        return NULL;
    }
    const uint8_t *octets = reader->at + 4;
    *size = number_at(reader->at);
    reader->at = octets + *size;
    reader->left -= 4 + *size;
    return octets;
}

const uint8_t *reader_exactly(struct reader *reader, size_t size) {
    size_t found;
    const uint8_t *octets = reader_octets(reader, &found);
    if (octets != NULL && found == size) return octets;
    reader->malformed = 1;
    return NULL;
}

uint32_t reader_number(struct reader *reader) {
    const uint8_t *octets = reader_exactly(reader, 4);
    return octets == NULL ? 0 : number_at(octets);
}

/* --- calls ------------------------------------------------------------------------------------------------------- */

static void append(struct call *call, const void *octets, size_t size) {
    if (call->code != SAR_OK) return;
    if (size > MAX_FRAME - call->used) {
        call->code = SAR_INDATALENERR;
        return;
    }
    if (call->used + size > call->room) {
        size_t room = call->room ? call->room : FIRST_ROOM;
        while (room < call->used + size) room *= 2;
        uint8_t *grown = malloc(room);
        if (grown == NULL) {
            call->code = SAR_MEMORYERR;
            return;
        }
        if (call->used) memcpy(grown, call->frame, call->used);
        wipe_free(call->frame, call->room);
        call->frame = grown;
        call->room = room;
    }
    if (size) memcpy(call->frame + call->used, octets, size);
    call->used += size;
}

void call_begin(struct call *call, HANDLE handle, int kinds, enum function function) {
    uint32_t remote = 0;
    uint8_t head[5] = {0, 0, 0, 0, (uint8_t)function};
    memset(call, 0, sizeof *call);
    call->link = handle_find(handle, kinds, &remote);
    if (call->link == NULL) {
        call->code = SAR_INVALIDHANDLEERR;
        return;
    }
    append(call, head, sizeof head);
    if (kinds != KIND_DEVICE) call_number(call, remote);
}

void call_number(struct call *call, uint32_t value) {
    uint32_t octets = htonl(value);
    call_octets(call, &octets, sizeof octets);
}

void call_octets(struct call *call, const void *octets, size_t size) {
    if (octets == NULL && size > 0) {
        if (call->code == SAR_OK) call->code = SAR_INVALIDPARAMERR;
        return;
    }
    if (size > MAX_FRAME) size = MAX_FRAME; /* too much, as append will say */
    uint32_t length = htonl((uint32_t)size);
    append(call, &length, sizeof length);
    append(call, octets, size);
}

void call_text(struct call *call, const char *text) {
    if (text != NULL)
        call_octets(call, text, strnlen(text, MAX_FRAME));
    else if (call->code == SAR_OK)
        call->code = SAR_INVALIDPARAMERR;
}

ULONG call_send(struct call *call) {
    if (call->code != SAR_OK) return call->code;
    uint32_t length = htonl((uint32_t)(call->used - 4));
    memcpy(call->frame, &length, sizeof length);
    call->code = link_exchange(call->link, call->frame, call->used, &call->answer, &call->answer_size);
    if (call->code == SAR_OK) call->code = reader_start(&call->reader, call->answer, call->answer_size);
    return call->code;
}

ULONG call_end(struct call *call) {
    if (call->code == SAR_OK && call->reader.malformed) call->code = SAR_UNKNOWNERR;
    wipe_free(call->frame, call->room);
    wipe_free(call->answer, call->answer_size);
    link_release(call->link);
    return call->code;
}

ULONG call_end_with_tries(struct call *call, ULONG *tries) {
    if (tries != NULL && call->code != SAR_OK && reader_more(&call->reader)) *tries = reader_number(&call->reader);
    return call_end(call);
}

void call_give_handle(struct call *call, enum kind kind, HANDLE *handle) {
    if (call->code != SAR_OK) return;
    uint32_t remote = reader_number(&call->reader);
    if (!call->reader.malformed) call->code = handle_new(call->link, kind, remote, handle);
}

void call_give_octets(struct call *call, BYTE *octets, ULONG *size) {
    size_t found;
    if (call->code != SAR_OK) return;
    const uint8_t *from = reader_octets(&call->reader, &found);
    if (from != NULL) call->code = give(from, found, octets, size);
}

void call_give_names(struct call *call, LPSTR list, ULONG *size) {
    if (call->code != SAR_OK) return;
    size_t room = call->reader.left + 1, used = 0, found; /* a name's length field is longer than its zero octet */
    char *names = calloc(1, room);
    if (names == NULL) {
        call->code = SAR_MEMORYERR;
        return;
    }
    while (reader_more(&call->reader)) {
        const uint8_t *name = reader_octets(&call->reader, &found);
        if (name == NULL) break;
        memcpy(names + used, name, found);
        used += found + 1;
    }
    if (!call->reader.malformed) call->code = give(names, used + 1, list, size);
    free(names);
}

ULONG give(const void *from, size_t size, void *to, ULONG *room) {
    if (room == NULL) return SAR_INVALIDPARAMERR;
    ULONG had = *room;
    *room = (ULONG)size;
    if (to == NULL) return SAR_OK;
    if (had < size) return SAR_BUFFER_TOO_SMALL;
    memcpy(to, from, size);
    return SAR_OK;
}
