/* SPDX-License-Identifier: Apache-2.0
 *
 * The library's policies and their parameters, and one decision by one of them. Names are checked
 * and filled in by Python (moaoff/_decide.py); what it lets through the library checks again.
 */
#include "binding.h"

#include <math.h>

/* ---- policies ---- */

static PyObject *choices_of(const struct moa_policy_param *param)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && param->choices && param->choices[i]; i++) {
        PyObject *name = PyUnicode_FromString(param->choices[i]);
        if (!name || PyList_Append(list, name))
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

static PyObject *params_of(const char *policy)
{
    const struct moa_policy_param *param;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && (param = moa_policy_param(policy, i)) != NULL; i++) {
        PyObject *row = Py_BuildValue("(sssdddN)", param->key, param->help, param->unit, param->min,
                                      param->max, param->fallback, choices_of(param));
        if (!row || PyList_Append(list, row))
            Py_CLEAR(list);
        Py_XDECREF(row);
    }
    return list;
}

PyObject *binding_policies(PyObject *module, PyObject *args)
{
    const char *name;
    PyObject *list = PyList_New(0);
    (void)module, (void)args;
    for (size_t i = 0; list && (name = moa_policy_name(i)) != NULL; i++) {
        PyObject *row =
            Py_BuildValue("(ssNN)", name, moa_policy_summary(name),
                          PyBool_FromLong(moa_policy_is_research(name)), params_of(name));
        if (!row || PyList_Append(list, row))
            Py_CLEAR(list);
        Py_XDECREF(row);
    }
    return list;
}

/* ---- a decision ---- */

/* One of them; done() frees what it points to. */
struct asked {
    struct moa_policy_setting *settings;
    struct moa_modality *modalities;
    struct moa_choice *choices;
    struct moa_policy *policy;
    struct moa_request request;
    struct moa_state state;
    struct moa_decision decision;
};

static void done(struct asked *a)
{
    moa_policy_free(a->policy);
    PyMem_Free(a->settings);
    PyMem_Free(a->modalities);
    PyMem_Free(a->choices);
}

/* `rows`: a tuple of (key, value), which keeps the keys. */
static int read_settings(struct asked *a, PyObject *rows)
{
    const Py_ssize_t n = PyTuple_Size(rows);
    a->settings = PyMem_Calloc((size_t)n + 1, sizeof(*a->settings));
    if (!a->settings) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        struct moa_policy_setting *s = &a->settings[i];
        if (!PyArg_ParseTuple(PyTuple_GetItem(rows, i), "sd", &s->key, &s->value))
            return -1;
    }
    return 0;
}

/* `rows`: a tuple of (kind, complexity, bytes, tokens, duration_s, pinned, refused by the edge, by
 * the cloud). */
static int read_modalities(struct asked *a, PyObject *rows)
{
    const Py_ssize_t n = PyTuple_Size(rows);
    a->modalities = PyMem_Calloc((size_t)n + 1, sizeof(*a->modalities));
    a->choices = PyMem_Calloc((size_t)n + 1, sizeof(*a->choices));
    if (!a->modalities || !a->choices) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        struct moa_modality *m = &a->modalities[i];
        unsigned long long bytes;
        int kind, pinned, edge, cloud;
        if (!PyArg_ParseTuple(PyTuple_GetItem(rows, i), "idKddppp", &kind, &m->complexity, &bytes,
                              &m->tokens, &m->duration_s, &pinned, &edge, &cloud))
            return -1;
        m->kind = (enum moa_kind)kind;
        m->bytes = bytes;
        m->pinned = pinned;
        m->refused[MOA_EDGE] = edge;
        m->refused[MOA_CLOUD] = cloud;
    }
    a->request.n = a->decision.n = (size_t)n;
    a->request.modalities = a->modalities;
    a->decision.choices = a->choices;
    return 0;
}

static PyObject *choices_tuple(const struct asked *a)
{
    PyObject *list = PyList_New(0);
    char why[512];
    for (size_t i = 0; list && i < a->decision.n; i++) {
        const struct moa_choice *choice = &a->choices[i];
        moa_explain(a->policy, &a->request, &a->state, &a->decision, i, why, sizeof(why));
        PyObject *row = Py_BuildValue(
            "{s:s,s:s,s:s,s:s}", "kind", moa_kind_name(a->modalities[i].kind), "tier",
            moa_tier_name(choice->tier), "reason", moa_reason_name(choice->reason), "why", why);
        if (!row || PyList_Append(list, row))
            Py_CLEAR(list);
        Py_XDECREF(row);
    }
    return list;
}

static PyObject *decide(PyObject *module, const char *policy, struct asked *a)
{
    enum moa_err err = moa_policy_new(policy, a->settings, &a->policy);
    if (!err)
        err = moa_decide(a->policy, &a->request, &a->state, &a->decision);
    if (err)
        return binding_fail(module, err, moa_strerror(err), 0);
    const double threshold =
        a->decision.plan == MOA_PLAN_EDGE_FIRST ? a->decision.threshold : (double)NAN;
    return Py_BuildValue("(sdN)", moa_plan_name(a->decision.plan), threshold, choices_tuple(a));
}

PyObject *binding_decide(PyObject *module, PyObject *args)
{
    struct asked a = {.settings = NULL};
    const char *policy;
    PyObject *settings, *modalities, *decided = NULL;
    int edge_up, cloud_up, spent, pinned;
    if (!PyArg_ParseTuple(args, "sO!O!ddppppd", &policy, &PyTuple_Type, &settings, &PyTuple_Type,
                          &modalities, &a.state.edge_load, &a.state.uplink_mbps, &edge_up,
                          &cloud_up, &spent, &pinned, &a.request.deadline_s))
        return NULL;
    a.state.edge_up = edge_up;
    a.state.cloud_up = cloud_up;
    a.state.cloud_spent = spent;
    a.request.pinned = pinned;
    if (!read_settings(&a, settings) && !read_modalities(&a, modalities))
        decided = decide(module, policy, &a);
    done(&a);
    return decided;
}
