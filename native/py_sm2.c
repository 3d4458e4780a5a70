#include "py.h"

int gm_py_wants(size_t size, size_t expected, const char *what)
{
    if (size == expected)
        return 0;
    PyErr_Format(PyExc_ValueError, "%s must be %zu bytes", what, expected);
    return -1;
}

int gm_py_scalar(sc *out, const uint8_t *data, size_t size, int is_key)
{
    if (gm_py_wants(size, 32, "a scalar"))
        return -1;
    if (sc_decode(out, data) && !(is_key && sc_is_n_minus_1(out)))
        return 0;
    PyErr_SetString(PyExc_ValueError, "the scalar is out of range");
    return -1;
}

/* 04 x y */
static PyObject *point_bytes(const uint8_t xy[64])
{
    PyObject *out = PyBytes_FromStringAndSize(NULL, 65);
    if (out) {
        PyBytes_AS_STRING(out)[0] = 4;
        memcpy(PyBytes_AS_STRING(out) + 1, xy, 64);
    }
    return out;
}

static PyObject *engine_public_key(PyObject *self, PyObject *argument)
{
    const struct gm_engine *engine = ((EngineObject *)self)->engine;
    Py_buffer view;
    uint8_t public_key[1][64];
    sc d;
    if (PyObject_GetBuffer(argument, &view, PyBUF_SIMPLE))
        return NULL;
    int failed = gm_py_scalar(&d, view.buf, (size_t)view.len, 0); /* also k*G of a nonce in tests */
    PyBuffer_Release(&view);
    if (failed)
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    engine->base_many(1, &d, public_key);
    gm_wipe(&d, sizeof d);
    Py_END_ALLOW_THREADS;
    return point_bytes(public_key[0]);
}

static PyObject *engine_generate(PyObject *self, PyObject *argument)
{
    const struct gm_engine *engine = ((EngineObject *)self)->engine;
    Py_ssize_t count = PyLong_AsSsize_t(argument);
    if (count < 0)
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "a negative count");
    sc *d = gm_py_alloc((size_t)count, sizeof *d);
    uint8_t(*points)[64] = gm_py_alloc((size_t)count, sizeof *points);
    PyObject *list = NULL;
    if (d && points) {
        int status;
        Py_BEGIN_ALLOW_THREADS;
        status = gm_scalar_random(d, (size_t)count, 1);
        if (!status)
            engine->base_many((size_t)count, d, points);
        Py_END_ALLOW_THREADS;
        list = status ? gm_py_random_failed() : PyList_New(count);
    }
    for (Py_ssize_t i = 0; list && i < count; i++) {
        uint8_t secret[32];
        sc_encode(secret, &d[i]);
        PyObject *pair = Py_BuildValue("(y#N)", secret, (Py_ssize_t)32, point_bytes(points[i]));
        gm_wipe(secret, sizeof secret);
        if (!pair)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, pair);
    }
    if (d)
        gm_wipe(d, sizeof *d * (size_t)count);
    PyMem_RawFree(d);
    PyMem_RawFree(points);
    return list;
}

static PyObject *engine_on_curve(PyObject *self, PyObject *argument)
{
    Py_buffer view;
    affine p;
    (void)self;
    if (PyObject_GetBuffer(argument, &view, PyBUF_SIMPLE))
        return NULL;
    int good = view.len == 65 && gm_point_decode(&p, view.buf);
    PyBuffer_Release(&view);
    return PyBool_FromLong(good);
}

/* d*P; None when P is not a point of the curve */
static PyObject *engine_multiply(PyObject *self, PyObject *arguments)
{
    const struct gm_engine *engine = ((EngineObject *)self)->engine;
    Py_buffer scalar, public_key;
    sc d;
    affine p;
    PyObject *out = NULL;
    if (!PyArg_ParseTuple(arguments, "y*y*", &scalar, &public_key))
        return NULL;
    if (!gm_py_scalar(&d, scalar.buf, (size_t)scalar.len, 0)) {
        if (public_key.len != 65 || !gm_point_decode(&p, public_key.buf)) {
            out = Py_NewRef(Py_None);
        } else {
            uint8_t product[1][64];
            Py_BEGIN_ALLOW_THREADS;
            engine->multiply_many(1, &d, &p, product);
            Py_END_ALLOW_THREADS;
            out = point_bytes(product[0]);
            gm_wipe(product, sizeof product);
        }
        gm_wipe(&d, sizeof d);
    }
    PyBuffer_Release(&scalar);
    PyBuffer_Release(&public_key);
    return out;
}

int gm_py_work_alloc(struct work *w, size_t count)
{
    w->e = gm_py_alloc(count, 32);
    w->r = gm_py_alloc(count, 32);
    w->s = gm_py_alloc(count, 32);
    return w->e && w->r && w->s ? 0 : -1;
}

void gm_py_work_free(struct work *w)
{
    PyMem_RawFree(w->e);
    PyMem_RawFree(w->r);
    PyMem_RawFree(w->s);
}

static PyObject *verdicts(const uint8_t *good, size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list && i < count; i++)
        PyList_SET_ITEM(list, (Py_ssize_t)i, Py_NewRef(good[i] ? Py_True : Py_False));
    return list;
}

/* e of every item; neighbours with one key share its Z. Public data. Returns 0, or -1 without memory. */
static int digests(const struct gm_engine *engine, const struct batch *b, const Py_buffer *id, octets *e)
{
    size_t distinct = 0;
    uint8_t *before = PyMem_RawMalloc((size_t)id->len + GM_ZA_PREFIX);
    octets *za = PyMem_RawMalloc(32 * b->count + 1);
    struct gm_bytes *keys = PyMem_RawMalloc(sizeof *keys * b->count + 1);
    struct gm_bytes *prefix = PyMem_RawMalloc(sizeof *prefix * b->count + 1);
    struct gm_bytes *messages = PyMem_RawMalloc(sizeof *messages * b->count + 1);
    int failed = !before || !za || !keys || !prefix || !messages;
    for (size_t i = 0; i < b->count && !failed; i++) {
        struct gm_bytes key = b->bytes[3 * i];
        key = key.size == 65 ? (struct gm_bytes){key.data + 1, 64} : (struct gm_bytes){(const uint8_t *)"", 0};
        struct gm_bytes last = distinct ? keys[distinct - 1] : key;
        if (!distinct || last.size != key.size || memcmp(last.data, key.data, key.size))
            keys[distinct++] = key;
        prefix[i] = (struct gm_bytes){za[distinct - 1], 32};
        messages[i] = b->bytes[3 * i + 1];
    }
    if (!failed) {
        struct gm_bytes shared = {before, gm_sm2_za_prefix(before, id->buf, (size_t)id->len)};
        engine->sm3_many(distinct, &shared, 0, keys, za);
        engine->sm3_many(b->count, prefix, 1, messages, e);
    }
    PyMem_RawFree(before);
    PyMem_RawFree(za);
    PyMem_RawFree(keys);
    PyMem_RawFree(prefix);
    PyMem_RawFree(messages);
    return failed ? -1 : 0;
}

/* (public, e, signature) triples, or (public, message, signature) with a user ID */
static PyObject *verify(const struct gm_engine *engine, PyObject *items, const Py_buffer *id)
{
    struct batch b;
    struct work w;
    PyObject *list = NULL;
    if (batch_hold(&b, items, 3))
        return NULL;
    uint8_t *good = gm_py_alloc(b.count, 1);
    affine *points = gm_py_alloc(b.count, sizeof *points);
    if (!gm_py_work_alloc(&w, b.count) && good && points) {
        int failed;
        Py_BEGIN_ALLOW_THREADS;
        failed = id && digests(engine, &b, id, w.e);
        for (size_t i = 0; i < b.count; i++) {
            struct gm_bytes key = b.bytes[3 * i], middle = b.bytes[3 * i + 1], der = b.bytes[3 * i + 2];
            good[i] = (id || middle.size == 32) && gm_signature_decode(w.r[i], w.s[i], der.data, der.size) &&
                      key.size == 65;
            if (!good[i])
                continue;
            /* neighbours with one key share its point */
            if (i && good[i - 1] && memcmp(key.data, b.bytes[3 * i - 3].data, 65) == 0)
                points[i] = points[i - 1];
            else
                good[i] = (uint8_t)gm_point_decode(&points[i], key.data);
            if (good[i] && !id)
                memcpy(w.e[i], middle.data, 32);
        }
        engine->verify_many(b.count, points, (const octets *)w.e, (const octets *)w.r, (const octets *)w.s, good);
        Py_END_ALLOW_THREADS;
        list = failed ? PyErr_NoMemory() : verdicts(good, b.count);
    }
    PyMem_RawFree(good);
    PyMem_RawFree(points);
    gm_py_work_free(&w);
    batch_release(&b);
    return list;
}

static PyObject *engine_verify(PyObject *self, PyObject *items)
{
    return verify(((EngineObject *)self)->engine, items, NULL);
}

static PyObject *engine_verify_messages(PyObject *self, PyObject *arguments)
{
    PyObject *items;
    Py_buffer id;
    if (!PyArg_ParseTuple(arguments, "Oy*", &items, &id))
        return NULL;
    PyObject *list = verify(((EngineObject *)self)->engine, items, &id);
    PyBuffer_Release(&id);
    return list;
}

static PyObject *engine_fault(PyObject *self, PyObject *unused)
{
    const char *fault;
    (void)unused;
    Py_BEGIN_ALLOW_THREADS;
    fault = gm_sm2_fault(((EngineObject *)self)->engine);
    Py_END_ALLOW_THREADS;
    return fault ? PyUnicode_FromString(fault) : Py_NewRef(Py_None);
}

/* The tables of multiples of G: where they are, for tests that damage them */
static PyObject *engine_tables(PyObject *self, PyObject *unused)
{
    (void)unused;
    PyObject *list = Py_BuildValue("[(Kn)]", (unsigned long long)(uintptr_t)gm_base_table,
                                   (Py_ssize_t)(sizeof *gm_base_table * GM_WINDOWS));
#ifdef GM_X86
    if (list && ((EngineObject *)self)->engine->lanes) {
        PyObject *comb = Py_BuildValue("(Kn)", (unsigned long long)(uintptr_t)gm_ifma_comb,
                                       (Py_ssize_t)(sizeof *gm_ifma_comb * GM_COMB_WINDOWS));
        if (!comb || PyList_Append(list, comb))
            Py_CLEAR(list);
        Py_XDECREF(comb);
    }
#endif
    (void)self;
    return list;
}

/* sm2_key_tables(bytes): how many there are */
static PyObject *engine_key_tables(PyObject *self, PyObject *argument)
{
    size_t bytes = PyLong_AsSize_t(argument), count = 0;
    if (PyErr_Occurred())
        return NULL;
#ifdef GM_X86
    if (((EngineObject *)self)->engine->lanes)
        count = gm_ifma_key_tables(bytes);
#endif
    (void)self, (void)bytes;
    return PyLong_FromSize_t(count);
}

PyMethodDef gm_py_sm2_methods[] = {
    {"sm2_fault", engine_fault, METH_NOARGS, "sm2_fault() -> what is wrong with SM2, or None"},
    {"sm2_tables", engine_tables, METH_NOARGS, "sm2_tables() -> [(address, size)], for tests"},
    {"sm2_key_tables", engine_key_tables, METH_O, "sm2_key_tables(bytes): bounds their memory, tells how many there are"},
    {"sm2_public_key", engine_public_key, METH_O, "sm2_public_key(d) -> 04 x y"},
    {"sm2_generate", engine_generate, METH_O, "sm2_generate(n) -> [(d, public)]"},
    {"sm2_on_curve", engine_on_curve, METH_O, "sm2_on_curve(public) -> bool"},
    {"sm2_multiply", engine_multiply, METH_VARARGS, "sm2_multiply(d, public) -> d*P, or None off the curve"},
    {"sm2_verify", engine_verify, METH_O, "sm2_verify([(public, e, DER)]) -> [bool]"},
    {"sm2_verify_messages", engine_verify_messages, METH_VARARGS, "sm2_verify_messages([(public, m, DER)], id)"},
    {NULL, NULL, 0, NULL},
};
