#include "py.h"

void *gm_py_alloc(size_t count, size_t size)
{
    void *memory = PyMem_RawCalloc(count ? count : 1, size);
    if (!memory)
        PyErr_NoMemory();
    return memory;
}

PyObject *gm_py_random_failed(void)
{
    PyErr_SetString(PyExc_OSError, "the system's random source failed or did not pass its health tests");
    return NULL;
}

void batch_release(struct batch *b)
{
    while (b->held)
        PyBuffer_Release(&b->views[--b->held]);
    PyMem_RawFree(b->views);
    PyMem_RawFree(b->bytes);
    b->views = NULL;
    b->bytes = NULL;
}

static int hold_one(struct batch *b, PyObject *object)
{
    Py_buffer *view = &b->views[b->held];
    if (PyObject_GetBuffer(object, view, PyBUF_SIMPLE))
        return -1;
    b->bytes[b->held].data = view->buf;
    b->bytes[b->held].size = (size_t)view->len;
    b->total += (size_t)view->len;
    b->held++;
    return 0;
}

int batch_hold(struct batch *b, PyObject *sequence, size_t width)
{
    memset(b, 0, sizeof *b);
    PyObject *fast = PySequence_Fast(sequence, "a sequence is expected");
    if (!fast)
        return -1;
    b->count = (size_t)PySequence_Fast_GET_SIZE(fast);
    b->width = width;
    b->views = gm_py_alloc(b->count * width, sizeof *b->views);
    b->bytes = gm_py_alloc(b->count * width, sizeof *b->bytes);
    int failed = !b->views || !b->bytes;
    for (size_t i = 0; i < b->count && !failed; i++) {
        PyObject *item = PySequence_Fast_GET_ITEM(fast, (Py_ssize_t)i);
        if (width == 1) {
            failed = hold_one(b, item);
            continue;
        }
        if (!PyTuple_Check(item) || (size_t)PyTuple_GET_SIZE(item) != width) {
            PyErr_SetString(PyExc_TypeError, "each item must be a tuple of byte strings");
            failed = 1;
        }
        for (size_t j = 0; j < width && !failed; j++)
            failed = hold_one(b, PyTuple_GET_ITEM(item, (Py_ssize_t)j));
    }
    Py_DECREF(fast);
    if (failed) {
        batch_release(b);
        return -1;
    }
    return 0;
}

static PyObject *engine_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    const char *name, *why;
    (void)keywords;
    if (!PyArg_ParseTuple(arguments, "s", &name))
        return NULL;
    const struct gm_engine *engine = gm_engine_named(name, &why);
    if (!engine) {
        PyErr_SetString(PyExc_LookupError, why ? why : "no such engine");
        return NULL;
    }
    gm_point_setup();
    EngineObject *self = PyObject_New(EngineObject, type);
    if (self)
        self->engine = engine;
    return (PyObject *)self;
}

static PyTypeObject engine_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "miyun.gm._native.Engine",
    .tp_doc = "One engine of the native core: portable, ipp or ipp-mb.",
    .tp_basicsize = sizeof(EngineObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = engine_new,
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_native", .m_doc = "The native core of the GM algorithms.", .m_size = -1,
    .m_methods = gm_py_module_methods};

static PyMethodDef all_methods[64];

static void collect(PyMethodDef *methods)
{
    size_t used = 0;
    while (all_methods[used].ml_name)
        used++;
    for (; methods->ml_name; methods++) {
        if (used + 1 == sizeof all_methods / sizeof *all_methods)
            Py_FatalError("all_methods is too short");
        all_methods[used++] = *methods;
    }
}

PyMODINIT_FUNC PyInit__native(void)
{
    if (!engine_type.tp_methods) {
        collect(gm_py_sm2_methods);
        collect(gm_py_sm2_sign_methods);
        collect(gm_py_sm2_cipher_methods);
        collect(gm_py_sm3_methods);
        collect(gm_py_sm4_methods);
        collect(gm_py_gcm_methods);
        collect(gm_py_sm4_modes_methods);
        collect(gm_py_zuc_methods);
        collect(gm_py_sm9_methods);
        engine_type.tp_methods = all_methods;
    }
    PyObject *module = PyModule_Create(&definition);
    if (!module || PyModule_AddType(module, &engine_type) || PyModule_AddType(module, &gm_py_sm3_type) ||
        PyModule_AddType(module, &gm_py_sm2_signer_type) || PyModule_AddType(module, &gm_py_gcm_type) ||
        PyModule_AddType(module, &gm_py_drbg_type)) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
