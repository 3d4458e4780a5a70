/* ZUC for Python. It is the same on every engine. */
#include "py.h"

static PyObject *engine_zuc_xor(PyObject *self, PyObject *arguments)
{
    Py_buffer key, iv, data;
    PyObject *result = NULL;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "y*y*y*", &key, &iv, &data))
        return NULL;
    if (key.len != 16 || iv.len != 16)
        PyErr_SetString(PyExc_ValueError, "the key and the iv must be 16 bytes");
    else if ((result = PyBytes_FromStringAndSize(NULL, data.len))) {
        PyThreadState *state = data.len >= BULK ? PyEval_SaveThread() : NULL;
        gm_zuc_xor(key.buf, iv.buf, data.buf, (uint8_t *)PyBytes_AS_STRING(result), (size_t)data.len);
        if (state)
            PyEval_RestoreThread(state);
    }
    PyBuffer_Release(&key);
    PyBuffer_Release(&iv);
    PyBuffer_Release(&data);
    return result;
}

static PyObject *engine_zuc_mac(PyObject *self, PyObject *arguments)
{
    Py_buffer key, iv, data;
    Py_ssize_t bits;
    PyObject *result = NULL;
    uint8_t mac[4];
    (void)self;
    if (!PyArg_ParseTuple(arguments, "y*y*y*n", &key, &iv, &data, &bits))
        return NULL;
    if (key.len != 16 || iv.len != 16 || bits < 0 || bits / 8 + (bits % 8 != 0) > data.len)
        PyErr_SetString(PyExc_ValueError, "the key, the iv or the count of bits has a wrong size");
    else {
        PyThreadState *state = data.len >= BULK ? PyEval_SaveThread() : NULL;
        gm_zuc_mac(key.buf, iv.buf, data.buf, (size_t)bits, mac);
        if (state)
            PyEval_RestoreThread(state);
        result = PyBytes_FromStringAndSize((const char *)mac, sizeof mac);
        gm_wipe(mac, sizeof mac);
    }
    PyBuffer_Release(&key);
    PyBuffer_Release(&iv);
    PyBuffer_Release(&data);
    return result;
}

PyMethodDef gm_py_zuc_methods[] = {
    {"zuc_xor", engine_zuc_xor, METH_VARARGS, "zuc_xor(key, iv, data)"},
    {"zuc_mac", engine_zuc_mac, METH_VARARGS, "zuc_mac(key, iv, data, bits)"},
    {NULL, NULL, 0, NULL},
};
