#include "py.h"

typedef struct {
    PyObject_HEAD struct gm_sm3 state;
} Sm3Object;

static PyObject *bytes32(const uint8_t *digest) { return PyBytes_FromStringAndSize((const char *)digest, 32); }

static PyObject *sm3_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    (void)keywords;
    if (!PyArg_ParseTuple(arguments, ""))
        return NULL;
    Sm3Object *self = PyObject_New(Sm3Object, type);
    if (self)
        gm_sm3_init(&self->state);
    return (PyObject *)self;
}

static void sm3_dealloc(PyObject *self)
{
    gm_wipe(&((Sm3Object *)self)->state, sizeof(struct gm_sm3));
    PyObject_Free(self);
}

/* The state is worked on as a copy, so that another thread never sees it half done while the GIL is released. */
static PyObject *sm3_update(PyObject *self, PyObject *data)
{
    struct gm_sm3 *state = &((Sm3Object *)self)->state;
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE))
        return NULL;
    if (view.len < BULK) {
        gm_sm3_update(state, view.buf, (size_t)view.len);
    } else {
        struct gm_sm3 work = *state;
        Py_BEGIN_ALLOW_THREADS;
        gm_sm3_update(&work, view.buf, (size_t)view.len);
        Py_END_ALLOW_THREADS;
        *state = work;
        gm_wipe(&work, sizeof work);
    }
    PyBuffer_Release(&view);
    Py_RETURN_NONE;
}

static PyObject *sm3_digest(PyObject *self, PyObject *unused)
{
    struct gm_sm3 work = ((Sm3Object *)self)->state;
    uint8_t digest[32];
    (void)unused;
    gm_sm3_final(&work, digest);
    return bytes32(digest);
}

static PyObject *sm3_copy(PyObject *self, PyObject *unused)
{
    (void)unused;
    Sm3Object *copy = PyObject_New(Sm3Object, Py_TYPE(self));
    if (copy)
        copy->state = ((Sm3Object *)self)->state;
    return (PyObject *)copy;
}

static PyMethodDef sm3_methods[] = {
    {"update", sm3_update, METH_O, "Feed more data."},
    {"digest", sm3_digest, METH_NOARGS, "The digest of the data fed so far."},
    {"copy", sm3_copy, METH_NOARGS, "An independent computation from here."},
    {NULL, NULL, 0, NULL},
};

static PyObject *constant(PyObject *self, void *value)
{
    (void)self;
    return PyLong_FromVoidPtr(value);
}

static PyObject *name_of(PyObject *self, void *value)
{
    (void)self;
    return PyUnicode_FromString(value);
}

static PyGetSetDef sm3_attributes[] = {
    {"digest_size", constant, NULL, NULL, (void *)32},
    {"block_size", constant, NULL, NULL, (void *)64},
    {"name", name_of, NULL, NULL, "sm3"},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject gm_py_sm3_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "miyun.gm._native.Sm3",
    .tp_doc = "An SM3 computation.",
    .tp_basicsize = sizeof(Sm3Object),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = sm3_new,
    .tp_dealloc = sm3_dealloc,
    .tp_methods = sm3_methods,
    .tp_getset = sm3_attributes,
};

static PyObject *engine_sm3(PyObject *self, PyObject *data)
{
    Py_buffer view;
    struct gm_sm3 h;
    uint8_t digest[32];
    (void)self;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE))
        return NULL;
    PyThreadState *state = view.len >= BULK ? PyEval_SaveThread() : NULL;
    gm_sm3_init(&h);
    gm_sm3_update(&h, view.buf, (size_t)view.len);
    gm_sm3_final(&h, digest);
    if (state)
        PyEval_RestoreThread(state);
    PyBuffer_Release(&view);
    return bytes32(digest);
}

static PyObject *digest_list(const uint8_t (*digests)[32], size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list && i < count; i++) {
        PyObject *item = bytes32(digests[i]);
        if (!item)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
    }
    return list;
}

static PyObject *engine_sm3_many(PyObject *self, PyObject *items)
{
    const struct gm_engine *engine = ((EngineObject *)self)->engine;
    struct batch b;
    PyObject *list = NULL;
    if (batch_hold(&b, items, 1))
        return NULL;
    uint8_t(*digests)[32] = gm_py_alloc(b.count, 32);
    if (digests) {
        Py_BEGIN_ALLOW_THREADS;
        engine->sm3_many(b.count, NULL, 0, b.bytes, digests);
        Py_END_ALLOW_THREADS;
        list = digest_list(digests, b.count);
    }
    PyMem_RawFree(digests);
    batch_release(&b);
    return list;
}

static PyObject *engine_hmac_many(PyObject *self, PyObject *arguments)
{
    const struct gm_engine *engine = ((EngineObject *)self)->engine;
    struct batch b;
    Py_buffer key;
    PyObject *items, *list = NULL;
    if (!PyArg_ParseTuple(arguments, "y*O", &key, &items))
        return NULL;
    if (batch_hold(&b, items, 1)) {
        PyBuffer_Release(&key);
        return NULL;
    }
    uint8_t pads[2][64];
    uint8_t(*digests)[32] = gm_py_alloc(b.count, 32);
    if (digests) {
        struct gm_bytes inner = {pads[0], 64}, outer = {pads[1], 64};
        Py_BEGIN_ALLOW_THREADS;
        gm_hmac_pads(pads[0], pads[1], key.buf, (size_t)key.len);
        engine->sm3_many(b.count, &inner, 0, b.bytes, digests);
        for (size_t i = 0; i < b.count; i++)
            b.bytes[i] = (struct gm_bytes){digests[i], 32};
        engine->sm3_many(b.count, &outer, 0, b.bytes, digests);
        gm_wipe(pads, sizeof pads);
        Py_END_ALLOW_THREADS;
        list = digest_list(digests, b.count);
    }
    PyMem_RawFree(digests);
    batch_release(&b);
    PyBuffer_Release(&key);
    return list;
}

static PyObject *engine_hmac(PyObject *self, PyObject *arguments)
{
    Py_buffer key, data;
    struct gm_hmac h;
    uint8_t tag[32];
    (void)self;
    if (!PyArg_ParseTuple(arguments, "y*y*", &key, &data))
        return NULL;
    PyThreadState *state = data.len >= BULK ? PyEval_SaveThread() : NULL;
    gm_hmac_init(&h, key.buf, (size_t)key.len);
    gm_hmac_once(&h, data.buf, (size_t)data.len, tag);
    gm_wipe(&h, sizeof h);
    if (state)
        PyEval_RestoreThread(state);
    PyBuffer_Release(&key);
    PyBuffer_Release(&data);
    return bytes32(tag);
}

static PyObject *engine_pbkdf2(PyObject *self, PyObject *arguments)
{
    Py_buffer password, salt;
    unsigned long long iterations;
    Py_ssize_t size;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "y*y*Kn", &password, &salt, &iterations, &size))
        return NULL;
    PyObject *out = PyBytes_FromStringAndSize(NULL, size);
    if (out) {
        uint8_t *derived = (uint8_t *)PyBytes_AS_STRING(out);
        Py_BEGIN_ALLOW_THREADS;
        gm_pbkdf2(password.buf, (size_t)password.len, salt.buf, (size_t)salt.len, iterations, derived, (size_t)size);
        Py_END_ALLOW_THREADS;
    }
    PyBuffer_Release(&password);
    PyBuffer_Release(&salt);
    return out;
}

PyMethodDef gm_py_sm3_methods[] = {
    {"sm3", engine_sm3, METH_O, "sm3(data) -> digest"},
    {"sm3_many", engine_sm3_many, METH_O, "sm3_many(items) -> digests"},
    {"hmac", engine_hmac, METH_VARARGS, "hmac(key, data) -> tag"},
    {"hmac_many", engine_hmac_many, METH_VARARGS, "hmac_many(key, items) -> tags"},
    {"pbkdf2", engine_pbkdf2, METH_VARARGS, "pbkdf2(password, salt, iterations, length) -> key"},
    {NULL, NULL, 0, NULL},
};
