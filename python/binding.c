/* SPDX-License-Identifier: Apache-2.0
 *
 * The module moaoff._binding itself: its functions, its one exception.
 */
#include "binding.h"

#include <stddef.h>

struct binding {
    PyObject *error; /* moaoff.Error */
};

static const char *code_name(enum moa_err err)
{
    static const char *const names[] = {
        [MOA_ERR_ARGUMENT] = "argument",       [MOA_ERR_FORMAT] = "format",
        [MOA_ERR_CORRUPT] = "corrupt",         [MOA_ERR_TRUNCATED] = "truncated",
        [MOA_ERR_UNSUPPORTED] = "unsupported", [MOA_ERR_LIMIT] = "limit",
    };
    const size_t i = (size_t)err;
    return i < sizeof(names) / sizeof(names[0]) && names[i] ? names[i] : "unknown";
}

PyObject *binding_fail(PyObject *module, enum moa_err err, const char *words, size_t offset)
{
    const struct binding *binding = PyModule_GetState(module);
    if (err == MOA_ERR_MEMORY)
        return PyErr_NoMemory();
    PyObject *arguments = Py_BuildValue("ssn", words, code_name(err), (Py_ssize_t)offset);
    if (arguments)
        PyErr_SetObject(binding->error, arguments);
    Py_XDECREF(arguments);
    return NULL;
}

static PyObject *version(PyObject *module, PyObject *args)
{
    (void)module, (void)args;
    return PyUnicode_FromString(moa_version());
}

/* ---- the module ---- */

static int set_up(PyObject *module)
{
    struct binding *binding = PyModule_GetState(module);
    PyObject *errors = PyImport_ImportModule("moaoff._error");
    if (!errors)
        return -1;
    binding->error = PyObject_GetAttrString(errors, "Error");
    Py_DECREF(errors);
    return binding->error ? 0 : -1;
}

static int visit_all(PyObject *module, visitproc visit, void *arg)
{
    const struct binding *binding = PyModule_GetState(module);
    if (binding)
        Py_VISIT(binding->error);
    return 0;
}

static int clear(PyObject *module)
{
    struct binding *binding = PyModule_GetState(module);
    if (binding)
        Py_CLEAR(binding->error);
    return 0;
}

static void done(void *module)
{
    clear(module);
}

static PyMethodDef functions[] = {
    {"version", version, METH_NOARGS, NULL},
    {"score_file", binding_score_file, METH_VARARGS, NULL},
    {"score_text", binding_score_text, METH_VARARGS, NULL},
    {"policies", binding_policies, METH_NOARGS, NULL},
    {"decide", binding_decide, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

/* ISO C has no pointer to a function in a void *; POSIX and Python do. */
static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)(uintptr_t)set_up},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "moaoff._binding",
    .m_size = sizeof(struct binding),
    .m_methods = functions,
    .m_slots = slots,
    .m_traverse = visit_all,
    .m_clear = clear,
    .m_free = done,
};

PyMODINIT_FUNC PyInit__binding(void);

PyMODINIT_FUNC PyInit__binding(void)
{
    return PyModuleDef_Init(&definition);
}
