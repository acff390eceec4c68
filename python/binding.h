/* SPDX-License-Identifier: Apache-2.0
 *
 * The C half of the Python package `moaoff`, over the library's public headers alone. It turns
 * objects into arguments and results into objects; what is convenient is Python (moaoff/).
 * Python's limited API: one file for every Python from 3.11 on. Python.h comes before all else.
 */
#ifndef MOAOFF_PYTHON_BINDING_H
#define MOAOFF_PYTHON_BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <moaoff/moaoff.h>

/** Raises moaoff.Error (MemoryError for MOA_ERR_MEMORY) and returns NULL. */
PyObject *binding_fail(PyObject *module, enum moa_err err, const char *words, size_t offset);

/* The functions of the module, as METH_VARARGS; moaoff/_binding.pyi has their types. */
PyObject *binding_score_file(PyObject *module, PyObject *args);
PyObject *binding_score_text(PyObject *module, PyObject *args);
PyObject *binding_policies(PyObject *module, PyObject *args);
PyObject *binding_decide(PyObject *module, PyObject *args);

#endif
