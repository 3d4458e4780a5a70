/* Handles are numbers: index and generation of a slot, so that a stale or invented one finds nothing. */
#include "channel.h"

#include <pthread.h>
#include <stdlib.h>

#define INDEX_BITS 12
#define SLOTS (1u << INDEX_BITS)
#define GENERATIONS 0x7FFFFu /* keeps a handle positive in 32 bits */

struct slot {
    struct link *link;
    enum kind kind;
    uint32_t remote;
    uint32_t generation;
};

static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;
static struct slot slots[SLOTS];
static unsigned next;

static struct slot *find(HANDLE handle) {
    uintptr_t value = (uintptr_t)handle;
    struct slot *slot = &slots[value % SLOTS];
    return slot->link != NULL && slot->generation == value >> INDEX_BITS ? slot : NULL;
}

struct link *handle_find(HANDLE handle, int kinds, uint32_t *remote) {
    struct link *link = NULL;
    pthread_mutex_lock(&table);
    struct slot *slot = find(handle);
    if (slot != NULL && (slot->kind & kinds) != 0) {
        link = slot->link;
        *remote = slot->remote;
        link_hold(link);
    }
    pthread_mutex_unlock(&table);
    return link;
}

ULONG handle_new(struct link *link, enum kind kind, uint32_t remote, HANDLE *handle) {
    ULONG code = SAR_MEMORYERR;
    if (handle == NULL) return SAR_INVALIDPARAMERR;
    pthread_mutex_lock(&table);
    for (unsigned tried = 0; tried < SLOTS && code != SAR_OK; tried++) {
        unsigned index = next++ % SLOTS;
        struct slot *slot = &slots[index];
        if (slot->link != NULL) continue;
        slot->generation = slot->generation % GENERATIONS + 1;
        slot->link = link;
        slot->kind = kind;
        slot->remote = remote;
        link_hold(link);
        *handle = (HANDLE)((uintptr_t)slot->generation << INDEX_BITS | index);
        code = SAR_OK;
    }
    pthread_mutex_unlock(&table);
    return code;
}

void handle_drop(HANDLE handle) {
    pthread_mutex_lock(&table);
    struct slot *slot = find(handle);
    if (slot != NULL) {
        link_release(slot->link);
        slot->link = NULL;
    }
    pthread_mutex_unlock(&table);
}

void handle_drop_all(struct link *link) {
    pthread_mutex_lock(&table);
    for (unsigned index = 0; index < SLOTS; index++)
        if (slots[index].link == link) {
            link_release(link);
            slots[index].link = NULL;
        }
    pthread_mutex_unlock(&table);
}
