/* SM9 for Python. It is the same on every engine. */
#include "py.h"
#include "sm9.h"

#define ARGUMENTS 5

/* the arguments whose memory is held until `release` */
struct held {
    Py_buffer views[ARGUMENTS];
    int count;
};

static void release(struct held *held)
{
    while (held->count)
        PyBuffer_Release(&held->views[--held->count]);
}

/* the bytes of an argument of that size, 0 for any; NULL with an exception */
static const uint8_t *hold(struct held *held, PyObject *object, size_t size)
{
    Py_buffer *view = &held->views[held->count];
    if (PyObject_GetBuffer(object, view, PyBUF_SIMPLE))
        return NULL;
    held->count++;
    if (size && (size_t)view->len != size) {
        PyErr_Format(PyExc_ValueError, "this SM9 argument must be %zu bytes", size);
        return NULL;
    }
    return view->buf ? view->buf : (const uint8_t *)""; /* an empty view may have no memory */
}

static struct gm_bytes bytes_of(struct held *held, PyObject *object)
{
    const uint8_t *data = hold(held, object, 0);
    return (struct gm_bytes){data, data ? (size_t)held->views[held->count - 1].len : 0};
}

static size_t point_size(int group)
{
    if (group == 1 || group == 2)
        return group == 1 ? SM9_G1 : SM9_G2;
    PyErr_SetString(PyExc_ValueError, "the groups of SM9 are 1 and 2");
    return 0;
}

static PyObject *octet_string(const uint8_t *data, size_t size)
{
    return PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)size);
}

/* the result when the status is 1, None when it is 0 */
static PyObject *answer(int status, PyObject *result)
{
    if (status == 1 || !result)
        return result;
    Py_DECREF(result);
    return status ? gm_py_random_failed() : Py_NewRef(Py_None);
}

static PyObject *engine_master(PyObject *self, PyObject *arguments)
{
    struct held held = {.count = 0};
    int group, status;
    size_t size;
    PyObject *given, *result = NULL;
    uint8_t s[32] = {0}, point[SM9_G2] = {0};
    const uint8_t *in = NULL;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "iO", &group, &given) || !(size = point_size(group)))
        return NULL;
    if (given == Py_None || (in = hold(&held, given, 32))) {
        Py_BEGIN_ALLOW_THREADS;
        sm9_setup();
        status = sm9_master(group, in, s, point);
        Py_END_ALLOW_THREADS;
        result = answer(status, Py_BuildValue("(y#y#)", s, (Py_ssize_t)32, point, (Py_ssize_t)size));
    }
    gm_wipe(s, sizeof s);
    release(&held);
    return result;
}

static PyObject *engine_extract(PyObject *self, PyObject *arguments)
{
    struct held held = {.count = 0};
    int group, status;
    size_t size;
    PyObject *secret, *identity, *result = NULL;
    uint8_t key[SM9_G2] = {0};
    (void)self;
    if (!PyArg_ParseTuple(arguments, "iOO", &group, &secret, &identity) || !(size = point_size(group)))
        return NULL;
    const uint8_t *s = hold(&held, secret, 32);
    struct gm_bytes id = s ? bytes_of(&held, identity) : (struct gm_bytes){NULL, 0};
    if (id.data) {
        Py_BEGIN_ALLOW_THREADS;
        sm9_setup();
        status = sm9_extract(group, s, id, key);
        Py_END_ALLOW_THREADS;
        result = answer(status, octet_string(key, size));
    }
    gm_wipe(key, sizeof key);
    release(&held);
    return result;
}

static PyObject *engine_valid(PyObject *self, PyObject *point)
{
    struct held held = {.count = 0};
    (void)self;
    struct gm_bytes in = bytes_of(&held, point);
    int good = in.data && sm9_valid(in.data, in.size);
    release(&held);
    return PyErr_Occurred() ? NULL : PyBool_FromLong(good);
}

static PyObject *engine_sign(PyObject *self, PyObject *arguments)
{
    struct held held = {.count = 0};
    PyObject *master, *secret, *text, *given, *result = NULL;
    uint8_t signature[SM9_SIGNATURE];
    const uint8_t *key = NULL, *nonce = NULL;
    struct gm_bytes message = {NULL, 0};
    int status;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "OOOO", &master, &secret, &text, &given))
        return NULL;
    const uint8_t *public_key = hold(&held, master, SM9_G2);
    if (public_key && (key = hold(&held, secret, SM9_G1)))
        message = bytes_of(&held, text);
    if (message.data && (given == Py_None || (nonce = hold(&held, given, 32)))) {
        Py_BEGIN_ALLOW_THREADS;
        sm9_setup();
        status = sm9_sign(public_key, key, message, nonce, signature);
        Py_END_ALLOW_THREADS;
        result = answer(status, octet_string(signature, sizeof signature));
    }
    release(&held);
    return result;
}

static PyObject *engine_verify(PyObject *self, PyObject *arguments)
{
    struct held held = {.count = 0};
    PyObject *master, *id, *text, *given;
    struct gm_bytes identity = {NULL, 0}, message = {NULL, 0};
    const uint8_t *signature = NULL;
    int good = 0;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "OOOO", &master, &id, &text, &given))
        return NULL;
    const uint8_t *public_key = hold(&held, master, SM9_G2);
    if (public_key && (signature = hold(&held, given, SM9_SIGNATURE)))
        identity = bytes_of(&held, id);
    if (identity.data)
        message = bytes_of(&held, text);
    if (message.data) {
        Py_BEGIN_ALLOW_THREADS;
        sm9_setup();
        good = sm9_verify(public_key, identity, message, signature);
        Py_END_ALLOW_THREADS;
    }
    release(&held);
    return PyErr_Occurred() ? NULL : PyBool_FromLong(good);
}

/* (r, [r]Q), or with w ([r]Q, w) */
static PyObject *ephemeral(PyObject *arguments, int with_w)
{
    struct held held = {.count = 0};
    PyObject *master, *id, *given, *result = NULL;
    struct gm_bytes identity = {NULL, 0};
    uint8_t r[32] = {0}, point[SM9_G1] = {0}, w[SM9_GT] = {0};
    const uint8_t *nonce = NULL;
    int status;
    if (!PyArg_ParseTuple(arguments, "OOO", &master, &id, &given))
        return NULL;
    const uint8_t *public_key = hold(&held, master, SM9_G1);
    if (public_key)
        identity = bytes_of(&held, id);
    if (identity.data && (given == Py_None || (nonce = hold(&held, given, 32)))) {
        Py_BEGIN_ALLOW_THREADS;
        sm9_setup();
        status = sm9_ephemeral(public_key, identity, nonce, r, point, with_w ? w : NULL);
        Py_END_ALLOW_THREADS;
        PyObject *pair = with_w ? Py_BuildValue("(y#y#)", point, (Py_ssize_t)SM9_G1, w, (Py_ssize_t)SM9_GT)
                                : Py_BuildValue("(y#y#)", r, (Py_ssize_t)32, point, (Py_ssize_t)SM9_G1);
        result = answer(status, pair);
    }
    gm_wipe(r, sizeof r);
    gm_wipe(w, sizeof w);
    release(&held);
    return result;
}

static PyObject *engine_ephemeral(PyObject *self, PyObject *arguments)
{
    (void)self;
    return ephemeral(arguments, 0);
}

static PyObject *engine_encapsulate(PyObject *self, PyObject *arguments)
{
    (void)self;
    return ephemeral(arguments, 1);
}

static PyObject *engine_decapsulate(PyObject *self, PyObject *arguments)
{
    struct held held = {.count = 0};
    PyObject *secret, *given, *result = NULL;
    uint8_t w[SM9_GT] = {0};
    int status;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "OO", &secret, &given))
        return NULL;
    const uint8_t *key = hold(&held, secret, SM9_G2), *c = key ? hold(&held, given, SM9_G1) : NULL;
    if (c) {
        Py_BEGIN_ALLOW_THREADS;
        status = sm9_decapsulate(key, c, w);
        Py_END_ALLOW_THREADS;
        result = answer(status, octet_string(w, sizeof w));
    }
    gm_wipe(w, sizeof w);
    release(&held);
    return result;
}

static PyObject *engine_agree(PyObject *self, PyObject *arguments)
{
    struct held held = {.count = 0};
    PyObject *objects[4], *result = NULL;
    static const size_t sizes[4] = {SM9_G1, SM9_G2, 32, SM9_G1};
    const uint8_t *in[4] = {NULL};
    uint8_t out[3][SM9_GT] = {{0}};
    int status;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "OOOO", &objects[0], &objects[1], &objects[2], &objects[3]))
        return NULL;
    for (int i = 0; i < 4 && (!i || in[i - 1]); i++)
        in[i] = hold(&held, objects[i], sizes[i]);
    if (in[3]) {
        Py_BEGIN_ALLOW_THREADS;
        sm9_setup();
        status = sm9_agree(in[0], in[1], in[2], in[3], out[0], out[1], out[2]);
        Py_END_ALLOW_THREADS;
        result = answer(status, Py_BuildValue("(y#y#y#)", out[0], (Py_ssize_t)SM9_GT, out[1], (Py_ssize_t)SM9_GT, out[2],
                                              (Py_ssize_t)SM9_GT));
    }
    gm_wipe(out, sizeof out);
    release(&held);
    return result;
}

static PyObject *engine_tables_hold(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    sm9_setup();
    return PyBool_FromLong(sm9_tables_hold());
}

PyMethodDef gm_py_sm9_methods[] = {
    {"sm9_master", engine_master, METH_VARARGS, "sm9_master(group, s or None) -> (s, public)"},
    {"sm9_extract", engine_extract, METH_VARARGS, "sm9_extract(group, s, identity) -> key, or None"},
    {"sm9_valid", engine_valid, METH_O, "sm9_valid(point) -> bool"},
    {"sm9_sign", engine_sign, METH_VARARGS, "sm9_sign(public, key, message, r or None) -> h S, or None"},
    {"sm9_verify", engine_verify, METH_VARARGS, "sm9_verify(public, identity, message, signature) -> bool"},
    {"sm9_encapsulate", engine_encapsulate, METH_VARARGS, "sm9_encapsulate(public, identity, r or None) -> (C, w)"},
    {"sm9_decapsulate", engine_decapsulate, METH_VARARGS, "sm9_decapsulate(key, C) -> w, or None"},
    {"sm9_ephemeral", engine_ephemeral, METH_VARARGS, "sm9_ephemeral(public, identity, r or None) -> (r, R)"},
    {"sm9_agree", engine_agree, METH_VARARGS, "sm9_agree(public, key, r, R) -> (paired, own, both), or None"},
    {"sm9_tables_hold", engine_tables_hold, METH_NOARGS, "sm9_tables_hold() -> bool"},
    {NULL, NULL, 0, NULL},
};
