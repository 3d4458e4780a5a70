/* Signing from Python, and private keys made ready for it. */
#include "py.h"

/* (1 + d)^-1 of a private key. It cannot be read from Python, copied or pickled, and is wiped with the object. */
typedef struct {
    PyObject_HEAD struct gm_signer signer;
} SignerObject;

static PyObject *signer_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    Py_buffer key;
    sc d;
    (void)keywords;
    if (!PyArg_ParseTuple(arguments, "y*", &key))
        return NULL;
    int failed = gm_py_scalar(&d, key.buf, (size_t)key.len, 1);
    PyBuffer_Release(&key);
    if (failed)
        return NULL;
    SignerObject *self = PyObject_New(SignerObject, type);
    if (self)
        gm_sm2_signers(&self->signer, &d, 1);
    gm_wipe(&d, sizeof d);
    return (PyObject *)self;
}

static void signer_dealloc(PyObject *self)
{
    gm_wipe(&((SignerObject *)self)->signer, sizeof(struct gm_signer));
    PyObject_Free(self);
}

static PyObject *signer_reduce(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    PyErr_SetString(PyExc_TypeError, "a private key is not pickled");
    return NULL;
}

static PyMethodDef signer_methods[] = {
    {"__reduce__", signer_reduce, METH_NOARGS, "Refused"},
    {NULL, NULL, 0, NULL},
};

PyTypeObject gm_py_sm2_signer_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "miyun.gm._native.Sm2Signer",
    .tp_doc = "A private key made ready to sign.",
    .tp_basicsize = sizeof(SignerObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = signer_new,
    .tp_dealloc = signer_dealloc,
    .tp_methods = signer_methods,
};

/* Copies `size` octets of a bytes-like object */
static int copy_octets(uint8_t *out, PyObject *object, size_t size, const char *what)
{
    Py_buffer view;
    if (PyBytes_CheckExact(object)) {
        if (gm_py_wants((size_t)PyBytes_GET_SIZE(object), size, what))
            return -1;
        memcpy(out, PyBytes_AS_STRING(object), size);
        return 0;
    }
    if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE))
        return -1;
    int failed = gm_py_wants((size_t)view.len, size, what);
    if (!failed)
        memcpy(out, view.buf, size);
    PyBuffer_Release(&view);
    return failed;
}

static int scalar_of(sc *d, PyObject *object)
{
    octets bytes;
    int failed = copy_octets(bytes, object, 32, "a scalar") || gm_py_scalar(d, bytes, 32, 1);
    gm_wipe(bytes, sizeof bytes);
    return failed;
}

static PyObject *signature_list(size_t count, const octets *r, const octets *s)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    uint8_t der[GM_DER_MAX];
    for (size_t i = 0; list && i < count; i++) {
        size_t size = gm_signature_encode(der, r[i], s[i]);
        PyObject *item = PyBytes_FromStringAndSize((const char *)der, (Py_ssize_t)size);
        if (!item)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
    }
    return list;
}

/* Which of the plain keys an item has; its signer is ready already when it has none */
#define READY SIZE_MAX

/* sm2_sign([(d or Sm2Signer, e)]) */
static PyObject *engine_sign(PyObject *self, PyObject *items)
{
    const struct gm_engine *engine = ((EngineObject *)self)->engine;
    PyObject *fast = PySequence_Fast(items, "a sequence is expected"), *list = NULL, *last = NULL;
    if (!fast)
        return NULL;
    size_t count = (size_t)PySequence_Fast_GET_SIZE(fast), plain = 0;
    struct gm_signer *signers = gm_py_alloc(count, sizeof *signers), *made = gm_py_alloc(count, sizeof *made);
    sc *d = gm_py_alloc(count, sizeof *d);
    size_t *which = gm_py_alloc(count, sizeof *which);
    struct work w;
    int failed = gm_py_work_alloc(&w, count) || !signers || !made || !d || !which;
    for (size_t i = 0; i < count && !failed; i++) {
        PyObject *item = PySequence_Fast_GET_ITEM(fast, (Py_ssize_t)i);
        if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2) {
            PyErr_SetString(PyExc_TypeError, "each item must be a pair of key and digest");
            failed = 1;
            break;
        }
        PyObject *key = PyTuple_GET_ITEM(item, 0);
        which[i] = READY;
        if (Py_IS_TYPE(key, &gm_py_sm2_signer_type))
            signers[i] = ((SignerObject *)key)->signer;
        else if (key == last && (PyBytes_CheckExact(key) || PyByteArray_CheckExact(key))) /* neighbours share the work */
            which[i] = plain - 1;
        else if (!(failed = scalar_of(&d[plain], key)))
            which[i] = plain++;
        last = which[i] == READY ? NULL : key;
        failed = failed || copy_octets(w.e[i], PyTuple_GET_ITEM(item, 1), 32, "e");
    }
    if (!failed) {
        int status;
        Py_BEGIN_ALLOW_THREADS;
        gm_sm2_signers(made, d, plain);
        for (size_t i = 0; i < count; i++)
            if (which[i] != READY)
                signers[i] = made[which[i]];
        status = gm_sm2_sign_many(engine, count, signers, 0, (const octets *)w.e, w.r, w.s);
        Py_END_ALLOW_THREADS;
        list = status ? gm_py_random_failed() : signature_list(count, (const octets *)w.r, (const octets *)w.s);
    }
    if (d)
        gm_wipe(d, sizeof *d * count);
    if (signers)
        gm_wipe(signers, sizeof *signers * count);
    if (made)
        gm_wipe(made, sizeof *made * count);
    PyMem_RawFree(d);
    PyMem_RawFree(signers);
    PyMem_RawFree(made);
    PyMem_RawFree(which);
    gm_py_work_free(&w);
    Py_DECREF(fast);
    return list;
}

/* sm2_sign_messages(d or Sm2Signer, za, messages) */
static PyObject *engine_sign_messages(PyObject *self, PyObject *arguments)
{
    const struct gm_engine *engine = ((EngineObject *)self)->engine;
    PyObject *key, *za, *messages, *list = NULL;
    struct batch b;
    struct work w;
    struct gm_signer signer;
    octets z;
    sc d;
    if (!PyArg_ParseTuple(arguments, "OOO", &key, &za, &messages) || copy_octets(z, za, 32, "Z"))
        return NULL;
    int ready = Py_IS_TYPE(key, &gm_py_sm2_signer_type);
    if (ready)
        signer = ((SignerObject *)key)->signer;
    else if (scalar_of(&d, key))
        return NULL;
    if (!batch_hold(&b, messages, 1)) {
        if (!gm_py_work_alloc(&w, b.count)) {
            struct gm_bytes prefix = {z, 32};
            int status;
            Py_BEGIN_ALLOW_THREADS;
            if (!ready)
                gm_sm2_signers(&signer, &d, 1);
            engine->sm3_many(b.count, &prefix, 0, b.bytes, w.e);
            status = gm_sm2_sign_many(engine, b.count, &signer, 1, (const octets *)w.e, w.r, w.s);
            Py_END_ALLOW_THREADS;
            list = status ? gm_py_random_failed() : signature_list(b.count, (const octets *)w.r, (const octets *)w.s);
        }
        gm_py_work_free(&w);
        batch_release(&b);
    }
    gm_wipe(&signer, sizeof signer);
    gm_wipe(&d, sizeof d);
    return list;
}

static PyObject *engine_sign_kat(PyObject *self, PyObject *arguments)
{
    Py_buffer key, digest, nonce;
    PyObject *list = NULL;
    sc d, k;
    octets r, s;
    if (!PyArg_ParseTuple(arguments, "y*y*y*", &key, &digest, &nonce))
        return NULL;
    if (!gm_py_scalar(&d, key.buf, (size_t)key.len, 1) && !gm_py_scalar(&k, nonce.buf, (size_t)nonce.len, 0) &&
        !gm_py_wants((size_t)digest.len, 32, "e")) {
        if (gm_sm2_sign_with_nonce(((EngineObject *)self)->engine, &d, &k, digest.buf, r, s))
            list = signature_list(1, (const octets *)&r, (const octets *)&s);
        else
            PyErr_SetString(PyExc_ValueError, "this nonce does not serve");
    }
    gm_wipe(&d, sizeof d);
    gm_wipe(&k, sizeof k);
    PyBuffer_Release(&key);
    PyBuffer_Release(&digest);
    PyBuffer_Release(&nonce);
    return list;
}

PyMethodDef gm_py_sm2_sign_methods[] = {
    {"sm2_sign", engine_sign, METH_O, "sm2_sign([(d or Sm2Signer, e)]) -> [DER]"},
    {"sm2_sign_messages", engine_sign_messages, METH_VARARGS, "sm2_sign_messages(d or Sm2Signer, za, messages) -> [DER]"},
    {"sm2_sign_kat", engine_sign_kat, METH_VARARGS, "sm2_sign_kat(d, e, k) -> [DER], known-answer tests only"},
    {NULL, NULL, 0, NULL},
};
