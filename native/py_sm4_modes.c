/* SM4 in the further modes, and its MACs, for Python. The modules above have checked all sizes but those that would
 * make a read or write go wrong, which are checked here again. */
#include "py.h"

enum mode { CFB, OFB, BC, OFBNLF, XTS, HCTR };

static PyObject *refuse(const char *what)
{
    PyErr_SetString(PyExc_ValueError, what);
    return NULL;
}

static PyObject *run(PyObject *self, enum mode mode, const Py_buffer *key, const Py_buffer *hash_key,
                     const Py_buffer *iv, const Py_buffer *data, int gb, int encrypt)
{
    const struct gm_engine *engine = ((EngineObject *)self)->engine;
    size_t size = (size_t)data->len;
    if (key->len != (mode == XTS ? 32 : 16) || iv->len != 16 || (hash_key && hash_key->len != 16))
        return refuse("the key or the iv has a wrong size");
    if ((mode == BC || mode == OFBNLF) && size % 16)
        return refuse("the data must be whole blocks");
    if ((mode == XTS || mode == HCTR) && size < 16)
        return refuse("the data must be a block or more");
    PyObject *result = PyBytes_FromStringAndSize(NULL, data->len);
    if (!result)
        return NULL;
    uint8_t *out = (uint8_t *)PyBytes_AS_STRING(result);
    PyThreadState *state = size >= BULK ? PyEval_SaveThread() : NULL;
    switch (mode) {
    case CFB:
        gm_sm4_cfb(engine, key->buf, iv->buf, data->buf, out, size, encrypt);
        break;
    case OFB:
        gm_sm4_ofb(engine, key->buf, iv->buf, data->buf, out, size);
        break;
    case BC:
        gm_sm4_bc(engine, key->buf, iv->buf, data->buf, out, size / 16, encrypt);
        break;
    case OFBNLF:
        gm_sm4_ofbnlf(engine, key->buf, iv->buf, data->buf, out, size / 16, encrypt);
        break;
    case XTS:
        gm_sm4_xts(engine, key->buf, iv->buf, data->buf, out, size, gb, encrypt);
        break;
    case HCTR:
        gm_sm4_hctr(engine, key->buf, hash_key->buf, iv->buf, data->buf, out, size, encrypt);
        break;
    }
    if (state)
        PyEval_RestoreThread(state);
    return result;
}

static PyObject *plain(PyObject *self, PyObject *arguments, enum mode mode)
{
    Py_buffer key, iv, data;
    int gb = 0, encrypt = 1;
    int parsed = mode == OFB   ? PyArg_ParseTuple(arguments, "y*y*y*", &key, &iv, &data)
                 : mode == XTS ? PyArg_ParseTuple(arguments, "y*y*y*pp", &key, &iv, &data, &gb, &encrypt)
                               : PyArg_ParseTuple(arguments, "y*y*y*p", &key, &iv, &data, &encrypt);
    if (!parsed)
        return NULL;
    PyObject *out = run(self, mode, &key, NULL, &iv, &data, gb, encrypt);
    PyBuffer_Release(&key);
    PyBuffer_Release(&iv);
    PyBuffer_Release(&data);
    return out;
}

static PyObject *engine_cfb(PyObject *self, PyObject *arguments) { return plain(self, arguments, CFB); }
static PyObject *engine_ofb(PyObject *self, PyObject *arguments) { return plain(self, arguments, OFB); }
static PyObject *engine_bc(PyObject *self, PyObject *arguments) { return plain(self, arguments, BC); }
static PyObject *engine_ofbnlf(PyObject *self, PyObject *arguments) { return plain(self, arguments, OFBNLF); }
static PyObject *engine_xts(PyObject *self, PyObject *arguments) { return plain(self, arguments, XTS); }

static PyObject *engine_hctr(PyObject *self, PyObject *arguments)
{
    Py_buffer key, hash_key, tweak, data;
    int encrypt;
    if (!PyArg_ParseTuple(arguments, "y*y*y*y*p", &key, &hash_key, &tweak, &data, &encrypt))
        return NULL;
    PyObject *out = run(self, HCTR, &key, &hash_key, &tweak, &data, 0, encrypt);
    PyBuffer_Release(&key);
    PyBuffer_Release(&hash_key);
    PyBuffer_Release(&tweak);
    PyBuffer_Release(&data);
    return out;
}

static PyObject *mac(PyObject *self, PyObject *arguments, int cmac)
{
    const struct gm_engine *engine = ((EngineObject *)self)->engine;
    Py_buffer key, data;
    PyObject *result = NULL;
    uint8_t out[16];
    if (!PyArg_ParseTuple(arguments, "y*y*", &key, &data))
        return NULL;
    if (key.len != 16)
        refuse("the key must be 16 bytes");
    else if (!cmac && data.len % 16)
        refuse("the data must be whole blocks");
    else {
        PyThreadState *state = data.len >= BULK ? PyEval_SaveThread() : NULL;
        if (cmac)
            gm_sm4_cmac(engine, key.buf, data.buf, (size_t)data.len, out);
        else
            gm_sm4_cbc_mac(engine, key.buf, data.buf, (size_t)data.len / 16, out);
        if (state)
            PyEval_RestoreThread(state);
        result = PyBytes_FromStringAndSize((const char *)out, 16);
        gm_wipe(out, sizeof out);
    }
    PyBuffer_Release(&key);
    PyBuffer_Release(&data);
    return result;
}

static PyObject *engine_cbc_mac(PyObject *self, PyObject *arguments) { return mac(self, arguments, 0); }
static PyObject *engine_cmac(PyObject *self, PyObject *arguments) { return mac(self, arguments, 1); }

/* One message: key, nonce, data (with the tag when decrypting), aad, size of the tag */
static PyObject *ccm(PyObject *self, PyObject *arguments, int encrypt)
{
    const struct gm_engine *engine = ((EngineObject *)self)->engine;
    Py_buffer key, nonce, data, aad;
    Py_ssize_t tag_size;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(arguments, "y*y*y*y*n", &key, &nonce, &data, &aad, &tag_size))
        return NULL;
    if (key.len != 16 || nonce.len < 7 || nonce.len > 13 || tag_size < 4 || tag_size > 16 || tag_size % 2)
        refuse("the key, the nonce or the tag has a wrong size");
    else if (!encrypt && data.len < tag_size)
        result = Py_NewRef(Py_None);
    else if ((result = PyBytes_FromStringAndSize(NULL, data.len + (encrypt ? tag_size : -tag_size)))) {
        struct gm_bytes n = {nonce.buf, (size_t)nonce.len}, a = {aad.buf, (size_t)aad.len};
        struct gm_bytes in = {data.buf, (size_t)(encrypt ? data.len : data.len - tag_size)};
        uint8_t *out = (uint8_t *)PyBytes_AS_STRING(result);
        struct gm_sm4 cipher;
        int good = 1;
        PyThreadState *state = data.len + aad.len >= BULK ? PyEval_SaveThread() : NULL;
        engine->sm4_set_key(&cipher, key.buf);
        if (encrypt)
            gm_ccm_encrypt(engine, &cipher, n, a, in, out, (size_t)tag_size);
        else
            good = gm_ccm_decrypt(engine, &cipher, n, a, in, out, in.data + in.size, (size_t)tag_size);
        gm_wipe(&cipher, sizeof cipher);
        if (state)
            PyEval_RestoreThread(state);
        if (!good)
            Py_SETREF(result, Py_NewRef(Py_None));
    }
    PyBuffer_Release(&key);
    PyBuffer_Release(&nonce);
    PyBuffer_Release(&data);
    PyBuffer_Release(&aad);
    return result;
}

static PyObject *engine_ccm_encrypt(PyObject *self, PyObject *arguments) { return ccm(self, arguments, 1); }
static PyObject *engine_ccm_decrypt(PyObject *self, PyObject *arguments) { return ccm(self, arguments, 0); }

PyMethodDef gm_py_sm4_modes_methods[] = {
    {"sm4_cfb", engine_cfb, METH_VARARGS, "sm4_cfb(key, iv, data, encrypt)"},
    {"sm4_ofb", engine_ofb, METH_VARARGS, "sm4_ofb(key, iv, data)"},
    {"sm4_bc", engine_bc, METH_VARARGS, "sm4_bc(key, iv, data, encrypt)"},
    {"sm4_ofbnlf", engine_ofbnlf, METH_VARARGS, "sm4_ofbnlf(key, iv, data, encrypt)"},
    {"sm4_xts", engine_xts, METH_VARARGS, "sm4_xts(key, tweak, data, gb, encrypt)"},
    {"sm4_hctr", engine_hctr, METH_VARARGS, "sm4_hctr(key, hash_key, tweak, data, encrypt)"},
    {"sm4_cbc_mac", engine_cbc_mac, METH_VARARGS, "sm4_cbc_mac(key, data)"},
    {"sm4_cmac", engine_cmac, METH_VARARGS, "sm4_cmac(key, data)"},
    {"sm4_ccm_encrypt", engine_ccm_encrypt, METH_VARARGS, "sm4_ccm_encrypt(key, nonce, data, aad, tag_size)"},
    {"sm4_ccm_decrypt", engine_ccm_decrypt, METH_VARARGS, "sm4_ccm_decrypt(key, nonce, data, aad, tag_size)"},
    {NULL, NULL, 0, NULL},
};
