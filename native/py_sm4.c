#include "py.h"

static int wants(const Py_buffer *view, Py_ssize_t size, const char *what)
{
    if (view->len == size)
        return 0;
    PyErr_Format(PyExc_ValueError, "%s must be %zd bytes", what, size);
    return -1;
}

enum mode { ECB, CBC, CTR };

/* key, iv (unused in ECB), data; whole blocks except in CTR */
static PyObject *run(PyObject *self, enum mode mode, Py_buffer *key, Py_buffer *iv, Py_buffer *data, int encrypt)
{
    const struct gm_engine *engine = ((EngineObject *)self)->engine;
    struct gm_sm4 cipher;
    uint8_t chain[16];
    if (wants(key, 16, "the key") || (iv && wants(iv, 16, "the iv")))
        return NULL;
    if (mode != CTR && data->len % 16) {
        PyErr_SetString(PyExc_ValueError, "the data must be whole blocks");
        return NULL;
    }
    PyObject *out = PyBytes_FromStringAndSize(NULL, data->len);
    if (!out)
        return NULL;
    uint8_t *to = (uint8_t *)PyBytes_AS_STRING(out);
    PyThreadState *state = data->len >= BULK ? PyEval_SaveThread() : NULL;
    if (iv)
        memcpy(chain, iv->buf, 16);
    engine->sm4_set_key(&cipher, key->buf);
    if (mode == ECB)
        engine->sm4_ecb(&cipher, data->buf, to, (size_t)data->len / 16, encrypt);
    else if (mode == CBC)
        engine->sm4_cbc(&cipher, chain, data->buf, to, (size_t)data->len / 16, encrypt);
    else
        engine->sm4_ctr(&cipher, chain, 128, data->buf, to, (size_t)data->len);
    gm_wipe(&cipher, sizeof cipher);
    if (state)
        PyEval_RestoreThread(state);
    return out;
}

static PyObject *engine_sm4_ecb(PyObject *self, PyObject *arguments)
{
    Py_buffer key, data;
    int encrypt;
    if (!PyArg_ParseTuple(arguments, "y*y*p", &key, &data, &encrypt))
        return NULL;
    PyObject *out = run(self, ECB, &key, NULL, &data, encrypt);
    PyBuffer_Release(&key);
    PyBuffer_Release(&data);
    return out;
}

static PyObject *engine_sm4_cbc(PyObject *self, PyObject *arguments)
{
    Py_buffer key, iv, data;
    int encrypt;
    if (!PyArg_ParseTuple(arguments, "y*y*y*p", &key, &iv, &data, &encrypt))
        return NULL;
    PyObject *out = run(self, CBC, &key, &iv, &data, encrypt);
    PyBuffer_Release(&key);
    PyBuffer_Release(&iv);
    PyBuffer_Release(&data);
    return out;
}

static PyObject *engine_sm4_ctr(PyObject *self, PyObject *arguments)
{
    Py_buffer key, iv, data;
    if (!PyArg_ParseTuple(arguments, "y*y*y*", &key, &iv, &data))
        return NULL;
    PyObject *out = run(self, CTR, &key, &iv, &data, 1);
    PyBuffer_Release(&key);
    PyBuffer_Release(&iv);
    PyBuffer_Release(&data);
    return out;
}

/* One result object per item of (nonce, data, aad), sized before the GIL is released */
static int outputs(PyObject **list, uint8_t ***to, const struct batch *b, Py_ssize_t change)
{
    *list = PyList_New((Py_ssize_t)b->count);
    *to = gm_py_alloc(b->count, sizeof **to);
    if (!*list || !*to)
        return -1;
    for (size_t i = 0; i < b->count; i++) {
        Py_ssize_t size = (Py_ssize_t)b->bytes[3 * i + 1].size + change;
        PyObject *item = PyBytes_FromStringAndSize(NULL, size < 0 ? 0 : size);
        if (!item)
            return -1;
        PyList_SET_ITEM(*list, (Py_ssize_t)i, item);
        (*to)[i] = (uint8_t *)PyBytes_AS_STRING(item);
    }
    return 0;
}

static PyObject *gcm(PyObject *self, PyObject *arguments, int encrypt)
{
    const struct gm_engine *engine = ((EngineObject *)self)->engine;
    PyObject *items, *list = NULL;
    Py_buffer key;
    Py_ssize_t tag_size;
    struct batch b;
    struct gm_gcm g;
    uint8_t **to = NULL, *good = NULL;
    if (!PyArg_ParseTuple(arguments, "y*On", &key, &items, &tag_size))
        return NULL;
    if (tag_size < 1 || tag_size > 16)
        PyErr_SetString(PyExc_ValueError, "a tag has 1 to 16 bytes");
    else if (!wants(&key, 16, "the key") && !batch_hold(&b, items, 3)) {
        size_t tail = (size_t)tag_size;
        int ready = !outputs(&list, &to, &b, encrypt ? tag_size : -tag_size) && (good = gm_py_alloc(b.count, 1));
        if (ready) {
            PyThreadState *state = b.total >= BULK ? PyEval_SaveThread() : NULL;
            gm_gcm_set_key(&g, engine, key.buf, b.total / 16 + 1);
            for (size_t i = 0; i < b.count; i++) {
                struct gm_bytes nonce = b.bytes[3 * i], data = b.bytes[3 * i + 1], aad = b.bytes[3 * i + 2];
                uint8_t tag[16];
                if (encrypt) {
                    gm_gcm_encrypt(&g, nonce, aad, data, to[i], tag);
                    memcpy(to[i] + data.size, tag, tail);
                } else if (data.size >= tail) {
                    data.size -= tail;
                    good[i] = (uint8_t)gm_gcm_decrypt(&g, nonce, aad, data, to[i], data.data + data.size, tail);
                }
            }
            gm_wipe(&g, sizeof g);
            if (state)
                PyEval_RestoreThread(state);
            for (size_t i = 0; !encrypt && i < b.count; i++)
                if (!good[i])
                    PyList_SetItem(list, (Py_ssize_t)i, Py_NewRef(Py_None));
        } else {
            Py_CLEAR(list);
        }
        PyMem_RawFree(to);
        PyMem_RawFree(good);
        batch_release(&b);
    }
    PyBuffer_Release(&key);
    return list;
}

static PyObject *engine_gcm_encrypt(PyObject *self, PyObject *arguments) { return gcm(self, arguments, 1); }
static PyObject *engine_gcm_decrypt(PyObject *self, PyObject *arguments) { return gcm(self, arguments, 0); }

PyMethodDef gm_py_sm4_methods[] = {
    {"sm4_ecb", engine_sm4_ecb, METH_VARARGS, "sm4_ecb(key, data, encrypt)"},
    {"sm4_cbc", engine_sm4_cbc, METH_VARARGS, "sm4_cbc(key, iv, data, encrypt)"},
    {"sm4_ctr", engine_sm4_ctr, METH_VARARGS, "sm4_ctr(key, iv, data)"},
    {"sm4_gcm_encrypt", engine_gcm_encrypt, METH_VARARGS, "sm4_gcm_encrypt(key, [(nonce, data, aad)], tag_size)"},
    {"sm4_gcm_decrypt", engine_gcm_decrypt, METH_VARARGS, "sm4_gcm_decrypt(key, [(nonce, data, aad)], tag_size)"},
    {NULL, NULL, 0, NULL},
};
