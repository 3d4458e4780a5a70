/* SM4-GCM for Python: many messages a call under a key given with them, or under a key prepared before. */
#include "py.h"

#include <stdlib.h>

typedef struct {
    PyObject_HEAD struct gm_gcm *key; /* apart, for its alignment */
} GcmObject;

/* Results, tags and sizes for the held (nonce, data, aad); the memory must be freed, the list is NULL after an error */
static struct gm_gcm_item *prepare(const struct batch *b, size_t tag_size, int encrypt, PyObject **list)
{
    struct gm_gcm_item *items = gm_py_alloc(b->count, sizeof *items);
    *list = items ? PyList_New((Py_ssize_t)b->count) : NULL;
    for (size_t i = 0; *list && i < b->count; i++) {
        struct gm_gcm_item *item = &items[i];
        item->nonce = b->bytes[3 * i], item->in = b->bytes[3 * i + 1], item->aad = b->bytes[3 * i + 2];
        if (!encrypt && item->in.size < tag_size) {
            item->in.size = 0; /* judged by its length in the end */
        } else if (!encrypt) {
            item->in.size -= tag_size;
            memcpy(item->tag, item->in.data + item->in.size, tag_size);
        }
        PyObject *out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(item->in.size + (encrypt ? tag_size : 0)));
        if (out) {
            PyList_SET_ITEM(*list, (Py_ssize_t)i, out);
            item->out = (uint8_t *)PyBytes_AS_STRING(out);
        } else {
            Py_CLEAR(*list);
        }
    }
    return items;
}

static void conclude(PyObject *list, const struct gm_gcm_item *items, const struct batch *b, size_t tag_size,
                     int encrypt)
{
    for (size_t i = 0; i < b->count; i++) {
        if (encrypt)
            memcpy(items[i].out + items[i].in.size, items[i].tag, tag_size);
        else if (!items[i].good || b->bytes[3 * i + 1].size < tag_size)
            PyList_SetItem(list, (Py_ssize_t)i, Py_NewRef(Py_None));
    }
}

/* `prepared`, or else the engine with the key, does the work */
static PyObject *many(const struct gm_gcm *prepared, const struct gm_engine *engine, const uint8_t *key,
                      PyObject *sequence, Py_ssize_t tag_size, int encrypt)
{
    struct batch b;
    PyObject *list;
    if (tag_size < 1 || tag_size > 16) {
        PyErr_SetString(PyExc_ValueError, "a tag has 1 to 16 bytes");
        return NULL;
    }
    if (batch_hold(&b, sequence, 3))
        return NULL;
    struct gm_gcm_item *items = prepare(&b, (size_t)tag_size, encrypt, &list);
    if (list) {
        PyThreadState *state = b.total >= BULK ? PyEval_SaveThread() : NULL;
        struct gm_gcm once;
        if (!prepared)
            gm_gcm_set_key(&once, engine, key, b.total / 16 + 1);
        if (encrypt)
            gm_gcm_encrypt(prepared ? prepared : &once, items, b.count);
        else
            gm_gcm_decrypt(prepared ? prepared : &once, items, b.count, (size_t)tag_size);
        if (!prepared)
            gm_wipe(&once, sizeof once);
        if (state)
            PyEval_RestoreThread(state);
        conclude(list, items, &b, (size_t)tag_size, encrypt);
    }
    PyMem_RawFree(items);
    batch_release(&b);
    return list;
}

static PyObject *engine_gcm(PyObject *self, PyObject *arguments, int encrypt)
{
    PyObject *items, *list = NULL;
    Py_buffer key;
    Py_ssize_t tag_size;
    if (!PyArg_ParseTuple(arguments, "y*On", &key, &items, &tag_size))
        return NULL;
    if (key.len != 16)
        PyErr_SetString(PyExc_ValueError, "the key must be 16 bytes");
    else
        list = many(NULL, ((EngineObject *)self)->engine, key.buf, items, tag_size, encrypt);
    PyBuffer_Release(&key);
    return list;
}

static PyObject *engine_encrypt(PyObject *self, PyObject *arguments) { return engine_gcm(self, arguments, 1); }
static PyObject *engine_decrypt(PyObject *self, PyObject *arguments) { return engine_gcm(self, arguments, 0); }

static PyObject *engine_key(PyObject *self, PyObject *argument)
{
    Py_buffer key;
    if (PyObject_GetBuffer(argument, &key, PyBUF_SIMPLE))
        return NULL;
    GcmObject *made = NULL;
    if (key.len != 16) {
        PyErr_SetString(PyExc_ValueError, "the key must be 16 bytes");
    } else if ((made = PyObject_New(GcmObject, &gm_py_gcm_type))) {
        made->key = aligned_alloc(64, (sizeof *made->key + 63) & ~(size_t)63);
        if (made->key) {
            gm_gcm_set_key(made->key, ((EngineObject *)self)->engine, key.buf, GM_GHASH_POWERS);
        } else {
            Py_CLEAR(made);
            PyErr_NoMemory();
        }
    }
    PyBuffer_Release(&key);
    return (PyObject *)made;
}

static void key_dealloc(PyObject *self)
{
    struct gm_gcm *key = ((GcmObject *)self)->key;
    if (key)
        gm_wipe(key, sizeof *key);
    free(key);
    PyObject_Free(self);
}

static PyObject *key_many(PyObject *self, PyObject *const *arguments, Py_ssize_t count, int encrypt)
{
    Py_ssize_t tag_size = count == 2 ? PyLong_AsSsize_t(arguments[1]) : 16;
    if (count < 1 || count > 2)
        PyErr_SetString(PyExc_TypeError, "items and the size of the tags are expected");
    if (PyErr_Occurred())
        return NULL;
    return many(((GcmObject *)self)->key, NULL, NULL, arguments[0], tag_size, encrypt);
}

static PyObject *key_encrypt(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    return key_many(self, arguments, count, 1);
}

static PyObject *key_decrypt(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    return key_many(self, arguments, count, 0);
}

static PyMethodDef key_methods[] = {
    {"encrypt", (PyCFunction)(void (*)(void))key_encrypt, METH_FASTCALL, "encrypt([(nonce, data, aad)], tag_size)"},
    {"decrypt", (PyCFunction)(void (*)(void))key_decrypt, METH_FASTCALL, "decrypt([(nonce, data, aad)], tag_size)"},
    {NULL, NULL, 0, NULL},
};

PyTypeObject gm_py_gcm_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "miyun.gm._native.GcmKey",
    .tp_doc = "A key of SM4-GCM with its schedule and the powers of its hash; wiped in the end.",
    .tp_basicsize = sizeof(GcmObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = key_dealloc,
    .tp_methods = key_methods,
};

PyMethodDef gm_py_gcm_methods[] = {
    {"sm4_gcm_encrypt", engine_encrypt, METH_VARARGS, "sm4_gcm_encrypt(key, [(nonce, data, aad)], tag_size)"},
    {"sm4_gcm_decrypt", engine_decrypt, METH_VARARGS, "sm4_gcm_decrypt(key, [(nonce, data, aad)], tag_size)"},
    {"sm4_gcm_key", engine_key, METH_O, "sm4_gcm_key(key) -> GcmKey"},
    {NULL, NULL, 0, NULL},
};
