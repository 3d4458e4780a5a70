/* Random bytes for Python, and the generator and the health tests alone, for known answers. */
#include "py.h"

typedef struct {
    PyObject_HEAD struct gm_drbg state;
} DrbgObject;

static PyObject *drbg_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    Py_buffer entropy, nonce, personal;
    (void)keywords;
    if (!PyArg_ParseTuple(arguments, "y*y*y*", &entropy, &nonce, &personal))
        return NULL;
    DrbgObject *self = PyObject_New(DrbgObject, type);
    if (self)
        gm_drbg_instantiate(&self->state, (struct gm_bytes){entropy.buf, (size_t)entropy.len},
                            (struct gm_bytes){nonce.buf, (size_t)nonce.len},
                            (struct gm_bytes){personal.buf, (size_t)personal.len});
    PyBuffer_Release(&entropy);
    PyBuffer_Release(&nonce);
    PyBuffer_Release(&personal);
    return (PyObject *)self;
}

static void drbg_dealloc(PyObject *self)
{
    gm_wipe(&((DrbgObject *)self)->state, sizeof(struct gm_drbg));
    PyObject_Free(self);
}

static PyObject *drbg_reseed(PyObject *self, PyObject *arguments)
{
    Py_buffer entropy, additional;
    if (!PyArg_ParseTuple(arguments, "y*y*", &entropy, &additional))
        return NULL;
    gm_drbg_reseed(&((DrbgObject *)self)->state, (struct gm_bytes){entropy.buf, (size_t)entropy.len},
                   (struct gm_bytes){additional.buf, (size_t)additional.len});
    PyBuffer_Release(&entropy);
    PyBuffer_Release(&additional);
    Py_RETURN_NONE;
}

static PyObject *drbg_generate(PyObject *self, PyObject *arguments)
{
    Py_ssize_t size;
    Py_buffer additional;
    PyObject *out = NULL;
    if (!PyArg_ParseTuple(arguments, "ny*", &size, &additional))
        return NULL;
    if (size < 0 || size > 1 << 16)
        PyErr_SetString(PyExc_ValueError, "a generation gives 0 to 65536 bytes");
    else if ((out = PyBytes_FromStringAndSize(NULL, size)))
        gm_drbg_generate(&((DrbgObject *)self)->state, (struct gm_bytes){additional.buf, (size_t)additional.len},
                         (uint8_t *)PyBytes_AS_STRING(out), (size_t)size);
    PyBuffer_Release(&additional);
    return out;
}

static PyMethodDef drbg_methods[] = {
    {"reseed", drbg_reseed, METH_VARARGS, "reseed(entropy, additional)"},
    {"generate", drbg_generate, METH_VARARGS, "generate(size, additional) -> bytes"},
    {NULL, NULL, 0, NULL},
};

PyTypeObject gm_py_drbg_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "miyun.gm._native.Drbg",
    .tp_doc = "A generator with known seeds; nothing but tests should use one.",
    .tp_basicsize = sizeof(DrbgObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = drbg_new,
    .tp_dealloc = drbg_dealloc,
    .tp_methods = drbg_methods,
};

static PyObject *module_random(PyObject *module, PyObject *argument)
{
    Py_ssize_t size = PyLong_AsSsize_t(argument);
    (void)module;
    if (size < 0) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "the size is negative");
        return NULL;
    }
    PyObject *out = PyBytes_FromStringAndSize(NULL, size);
    if (!out)
        return NULL;
    PyThreadState *state = size >= BULK ? PyEval_SaveThread() : NULL;
    int failed = gm_random((uint8_t *)PyBytes_AS_STRING(out), (size_t)size);
    if (state)
        PyEval_RestoreThread(state);
    if (failed) {
        Py_DECREF(out);
        return gm_py_random_failed();
    }
    return out;
}

static PyObject *module_health(PyObject *module, PyObject *samples)
{
    struct gm_health h = {0};
    Py_buffer view;
    (void)module;
    if (PyObject_GetBuffer(samples, &view, PyBUF_SIMPLE))
        return NULL;
    int healthy = gm_health(&h, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return PyBool_FromLong(healthy);
}

PyMethodDef gm_py_module_methods[] = {
    {"random", module_random, METH_O, "random(size) -> bytes; OSError once the source has failed"},
    {"healthy", module_health, METH_O, "healthy(samples): whether the health tests of the source let them pass"},
    {NULL, NULL, 0, NULL},
};
