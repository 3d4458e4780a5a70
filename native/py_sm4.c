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

PyMethodDef gm_py_sm4_methods[] = {
    {"sm4_ecb", engine_sm4_ecb, METH_VARARGS, "sm4_ecb(key, data, encrypt)"},
    {"sm4_cbc", engine_sm4_cbc, METH_VARARGS, "sm4_cbc(key, iv, data, encrypt)"},
    {"sm4_ctr", engine_sm4_ctr, METH_VARARGS, "sm4_ctr(key, iv, data)"},
    {NULL, NULL, 0, NULL},
};
