/* The Python face of the core: module miyun.gm._native. */
#ifndef GM_PY_H
#define GM_PY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "gm.h"

typedef struct {
    PyObject_HEAD const struct gm_engine *engine;
} EngineObject;

/* `count` items of `width` byte strings each, held until batch_release */
struct batch {
    size_t count, width, held;
    Py_buffer *views;
    struct gm_bytes *bytes; /* bytes[width * i + j] */
    size_t total;           /* bytes of all items */
};

int batch_hold(struct batch *b, PyObject *sequence, size_t width);
void batch_release(struct batch *b);
/* memory of count * size that may be of length zero; NULL and MemoryError when there is none */
void *gm_py_alloc(size_t count, size_t size);
PyObject *gm_py_random_failed(void);

typedef uint8_t octets[32];

/* ---- py_sm2.c: 0, or -1 and ValueError ---- */
int gm_py_wants(size_t size, size_t expected, const char *what);
int gm_py_scalar(sc *out, const uint8_t *data, size_t size, int is_key); /* 1..n-1, a key 1..n-2 */
struct work {
    octets *e, *r, *s;
};
int gm_py_work_alloc(struct work *w, size_t count);
void gm_py_work_free(struct work *w);

#define BULK 2048 /* bytes of work that pay for releasing the GIL */

extern PyTypeObject gm_py_sm3_type, gm_py_sm2_signer_type, gm_py_gcm_type, gm_py_drbg_type;
extern PyMethodDef gm_py_sm3_methods[], gm_py_sm2_methods[], gm_py_sm2_sign_methods[], gm_py_sm2_cipher_methods[];
extern PyMethodDef gm_py_sm4_methods[], gm_py_sm4_modes_methods[], gm_py_gcm_methods[], gm_py_zuc_methods[];
extern PyMethodDef gm_py_module_methods[], gm_py_sm9_methods[];

#endif
