/* SM2 encryption from Python. */
#include "py.h"

static int encoding_of(PyObject *name, enum gm_encoding *encoding)
{
    static const char *const names[] = {"asn1", "c1c3c2", "c1c2c3"};
    const char *text = PyUnicode_AsUTF8(name);
    for (int i = 0; text && i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
            *encoding = (enum gm_encoding)i;
            return 0;
        }
    if (text)
        PyErr_SetString(PyExc_ValueError, "no such encoding");
    return -1;
}

static PyObject *encoded(const struct gm_ciphertext *c, struct gm_bytes c2, enum gm_encoding encoding)
{
    PyObject *out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)gm_ciphertext_size(c, c2.size, encoding));
    if (out)
        gm_ciphertext_encode((uint8_t *)PyBytes_AS_STRING(out), c, c2, encoding);
    return out;
}

/* (public, plaintext) pairs; None where the point is not on the curve */
static PyObject *encrypt(const struct gm_engine *engine, const struct batch *b, const sc *nonce, enum gm_encoding encoding)
{
    size_t count = b->count, fine = 0;
    affine *p = gm_py_alloc(count, sizeof *p);
    struct gm_bytes *in = gm_py_alloc(count, sizeof *in);
    struct gm_ciphertext *out = gm_py_alloc(count, sizeof *out);
    uint8_t **c2 = gm_py_alloc(count, sizeof *c2);
    uint8_t *room = gm_py_alloc(b->total, 1), *at = room;
    size_t *item = gm_py_alloc(count, sizeof *item);
    PyObject *list = NULL;
    if (p && in && out && c2 && room && item) {
        int status;
        Py_BEGIN_ALLOW_THREADS;
        for (size_t i = 0; i < count; i++)
            if (b->bytes[2 * i].size == 65 && gm_point_decode(&p[fine], b->bytes[2 * i].data)) {
                in[fine] = b->bytes[2 * i + 1];
                c2[fine] = at;
                at += in[fine].size;
                item[fine++] = i;
            }
        status = gm_sm2_encrypt_many(engine, fine, p, nonce, in, out, c2);
        Py_END_ALLOW_THREADS;
        list = status ? gm_py_random_failed() : PyList_New((Py_ssize_t)count);
        for (size_t i = 0, next = 0; list && i < count; i++) {
            PyObject *entry = Py_NewRef(Py_None);
            if (next < fine && item[next] == i) {
                Py_SETREF(entry, encoded(&out[next], (struct gm_bytes){c2[next], in[next].size}, encoding));
                next++;
            }
            if (entry)
                PyList_SET_ITEM(list, (Py_ssize_t)i, entry);
            else
                Py_CLEAR(list);
        }
    }
    PyMem_RawFree(p);
    PyMem_RawFree(in);
    PyMem_RawFree(out);
    PyMem_RawFree(c2);
    PyMem_RawFree(room);
    PyMem_RawFree(item);
    return list;
}

/* sm2_encrypt([(public, plaintext)], encoding) */
static PyObject *engine_encrypt(PyObject *self, PyObject *arguments)
{
    PyObject *items, *name, *list;
    enum gm_encoding encoding;
    struct batch b;
    if (!PyArg_ParseTuple(arguments, "OU", &items, &name) || encoding_of(name, &encoding) || batch_hold(&b, items, 2))
        return NULL;
    list = encrypt(((EngineObject *)self)->engine, &b, NULL, encoding);
    batch_release(&b);
    return list;
}

/* sm2_encrypt_kat([(public, plaintext)], k) */
static PyObject *engine_encrypt_kat(PyObject *self, PyObject *arguments)
{
    PyObject *items, *list = NULL;
    Py_buffer nonce;
    struct batch b;
    sc k;
    if (!PyArg_ParseTuple(arguments, "Oy*", &items, &nonce))
        return NULL;
    if (!gm_py_scalar(&k, nonce.buf, (size_t)nonce.len, 0) && !batch_hold(&b, items, 2)) {
        if (b.count == 1)
            list = encrypt(((EngineObject *)self)->engine, &b, &k, GM_C1C3C2);
        else
            PyErr_SetString(PyExc_ValueError, "one nonce is for one message");
        batch_release(&b);
    }
    gm_wipe(&k, sizeof k);
    PyBuffer_Release(&nonce);
    return list;
}

/* sm2_decrypt([(d, ciphertext)], encoding) */
static PyObject *engine_decrypt(PyObject *self, PyObject *arguments)
{
    const struct gm_engine *engine = ((EngineObject *)self)->engine;
    PyObject *items, *name;
    enum gm_encoding encoding;
    struct batch b;
    if (!PyArg_ParseTuple(arguments, "OU", &items, &name) || encoding_of(name, &encoding) || batch_hold(&b, items, 2))
        return NULL;
    PyObject *list = PyList_New((Py_ssize_t)b.count);
    sc *d = gm_py_alloc(b.count, sizeof *d);
    struct gm_ciphertext *in = gm_py_alloc(b.count, sizeof *in);
    struct gm_bytes *c2 = gm_py_alloc(b.count, sizeof *c2);
    uint8_t **out = gm_py_alloc(b.count, sizeof *out);
    uint8_t *good = gm_py_alloc(b.count, 1);
    int failed = !list || !d || !in || !c2 || !out || !good;
    for (size_t i = 0; i < b.count && !failed; i++) {
        PyObject *entry = NULL;
        if (!(failed = gm_py_scalar(&d[i], b.bytes[2 * i].data, b.bytes[2 * i].size, 1))) {
            good[i] = (uint8_t)gm_ciphertext_decode(&in[i], &c2[i], b.bytes[2 * i + 1], encoding);
            entry = good[i] ? PyBytes_FromStringAndSize(NULL, (Py_ssize_t)c2[i].size) : Py_NewRef(Py_None);
            failed = !entry;
        }
        if (!failed) {
            PyList_SET_ITEM(list, (Py_ssize_t)i, entry);
            out[i] = good[i] ? (uint8_t *)PyBytes_AS_STRING(entry) : NULL;
        }
    }
    if (!failed) {
        Py_BEGIN_ALLOW_THREADS;
        gm_sm2_decrypt_many(engine, b.count, d, in, c2, out, good);
        Py_END_ALLOW_THREADS;
        for (size_t i = 0; i < b.count; i++)
            if (!good[i])
                PyList_SetItem(list, (Py_ssize_t)i, Py_NewRef(Py_None));
    }
    if (d)
        gm_wipe(d, sizeof *d * b.count);
    PyMem_RawFree(d);
    PyMem_RawFree(in);
    PyMem_RawFree(c2);
    PyMem_RawFree(out);
    PyMem_RawFree(good);
    batch_release(&b);
    if (failed)
        Py_CLEAR(list);
    return list;
}

PyMethodDef gm_py_sm2_cipher_methods[] = {
    {"sm2_encrypt", engine_encrypt, METH_VARARGS, "sm2_encrypt([(public, plaintext)], encoding) -> [ciphertext or None]"},
    {"sm2_decrypt", engine_decrypt, METH_VARARGS, "sm2_decrypt([(d, ciphertext)], encoding) -> [plaintext or None]"},
    {"sm2_encrypt_kat", engine_encrypt_kat, METH_VARARGS, "sm2_encrypt_kat([(public, plaintext)], k) -> [raw or None]"},
    {NULL, NULL, 0, NULL},
};
