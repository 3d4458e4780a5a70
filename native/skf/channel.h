/* How this library talks to a token's process: frames over its Unix socket (src/miyun/hsm/token/frames.py). */
#ifndef MIYUN_SKF_CHANNEL_H
#define MIYUN_SKF_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#define DEVAPI __attribute__((visibility("default")))
#include "skf.h"

enum function {
    FN_SET_LABEL = 1,
    FN_GET_DEV_INFO,
    FN_LOCK_DEV,
    FN_UNLOCK_DEV,
    FN_TRANSMIT,
    FN_CHANGE_DEV_AUTH_KEY,
    FN_DEV_AUTH,
    FN_CHANGE_PIN,
    FN_GET_PIN_INFO,
    FN_VERIFY_PIN,
    FN_UNBLOCK_PIN,
    FN_CLEAR_SECURE_STATE,
    FN_CREATE_APPLICATION,
    FN_ENUM_APPLICATION,
    FN_DELETE_APPLICATION,
    FN_OPEN_APPLICATION,
    FN_CREATE_FILE,
    FN_DELETE_FILE,
    FN_ENUM_FILES,
    FN_GET_FILE_INFO,
    FN_READ_FILE,
    FN_WRITE_FILE,
    FN_CREATE_CONTAINER,
    FN_DELETE_CONTAINER,
    FN_OPEN_CONTAINER,
    FN_ENUM_CONTAINER,
    FN_GET_CONTAINER_TYPE,
    FN_IMPORT_CERTIFICATE,
    FN_EXPORT_CERTIFICATE,
    FN_GEN_RANDOM,
    FN_GEN_ECC_KEY_PAIR,
    FN_IMPORT_ECC_KEY_PAIR,
    FN_ECC_SIGN_DATA,
    FN_ECC_VERIFY,
    FN_ECC_DECRYPT,
    FN_ECC_EXPORT_SESSION_KEY,
    FN_EXT_ECC_ENCRYPT,
    FN_EXT_ECC_DECRYPT,
    FN_EXT_ECC_SIGN,
    FN_AGREEMENT_START,
    FN_AGREEMENT_ANSWER,
    FN_AGREEMENT_FINISH,
    FN_EXPORT_PUBLIC_KEY,
    FN_IMPORT_SESSION_KEY,
    FN_SET_SYMM_KEY,
    FN_CIPHER_INIT,
    FN_CIPHER_UPDATE,
    FN_CIPHER_FINAL,
    FN_DIGEST_INIT,
    FN_DIGEST_UPDATE,
    FN_DIGEST_FINAL,
    FN_MAC_INIT,
    FN_MAC_UPDATE,
    FN_MAC_FINAL,
    FN_CLOSE_HANDLE,
};

/* What a handle stands for; a function says which of them it takes. */
enum kind {
    KIND_DEVICE = 1,
    KIND_APPLICATION = 2,
    KIND_CONTAINER = 4,
    KIND_KEY = 8,
    KIND_HASH = 16,
    KIND_MAC = 32,
    KIND_AGREEMENT = 64,
};

#define POINT_LEN 64
#define COORDINATE_LEN 32
#define DIGEST_LEN 32
#define BLOCK_LEN 16

/* A socket to a token, shared by the handles of one connected device. */
struct link;

/* Opens a token's socket by the token's name. -1 when it is not there. */
int link_open(const char *name);
struct link *link_new(int descriptor);
void link_hold(struct link *link);
void link_release(struct link *link);
/* Sends a whole frame and reads the whole answer, which is the caller's to wipe and free. SAR_OK or why not. */
ULONG link_exchange(struct link *link, const uint8_t *frame, size_t size, uint8_t **answer, size_t *answer_size);

/* Octets that are wiped when they are dropped. */
void wipe_free(void *octets, size_t size);

/* An answer being read: every field that is not there, or not as it should be, makes it malformed. */
struct reader {
    const uint8_t *at;
    size_t left;
    int malformed;
};

ULONG reader_start(struct reader *reader, const uint8_t *answer, size_t size);
int reader_more(const struct reader *reader);
uint32_t reader_number(struct reader *reader);
const uint8_t *reader_octets(struct reader *reader, size_t *size);
/* Octets of one length only; NULL otherwise. */
const uint8_t *reader_exactly(struct reader *reader, size_t size);

/* One call of the token: begin, arguments, send, fields, end. After a failure the steps that follow do nothing, and
 * call_end says why. */
struct call {
    struct link *link;
    uint8_t *frame;
    size_t used, room;
    uint8_t *answer;
    size_t answer_size;
    struct reader reader;
    ULONG code;
};

void call_begin(struct call *call, HANDLE handle, int kinds, enum function function);
void call_number(struct call *call, uint32_t value);
void call_octets(struct call *call, const void *octets, size_t size);
void call_text(struct call *call, const char *text);
ULONG call_send(struct call *call);
ULONG call_end(struct call *call);
/* Makes a handle for the number that comes next in the answer. */
void call_give_handle(struct call *call, enum kind kind, HANDLE *handle);
/* The rest of the answer as names that each end in a zero octet, with one more zero at the end. */
void call_give_names(struct call *call, LPSTR list, ULONG *size);
/* The octets that come next in the answer. */
void call_give_octets(struct call *call, BYTE *octets, ULONG *size);
void call_point(struct call *call, const ECCPUBLICKEYBLOB *blob);
/* The tries left that may come with a refused PIN. */
ULONG call_end_with_tries(struct call *call, ULONG *tries);

/* The caller's buffer convention: no buffer asks for the size, a small one is told it. */
ULONG give(const void *from, size_t size, void *to, ULONG *room);

/* Handles (handles.c). The looked up link is held for the caller. */
struct link *handle_find(HANDLE handle, int kinds, uint32_t *remote);
ULONG handle_new(struct link *link, enum kind kind, uint32_t remote, HANDLE *handle);
void handle_drop(HANDLE handle);
void handle_drop_all(struct link *link);

#endif
