/* Sums of curves for one row: additive models.
 *
 * A curve says what one feature adds to each output: of a number, by the cell between its points that the number lies
 * in; of a category, by its level. All curves lie one after the other in the same arrays: curve c has the points from
 * ends[c - 1] to ends[c], and one cell more than points, so that its cells begin at row ends[c - 1] + c.
 */
#include "common.h"

#include <structmember.h>

typedef enum { VALUES, SIGMOID, SOFTMAX } Answer;

static const char *const ANSWERS[] = {"values", "sigmoid", "softmax", NULL};

typedef struct {
    PyObject_HEAD
    Py_ssize_t n_features, n_curves, n_outputs;
    Answer answer;
    int32_t *features, *categorical, *ends;
    /* One after the other in one piece of memory, which begins at `intercept`. */
    double *intercept, *points, *cells, *missing;
} Curves;

/* ---- arithmetic ---- */

/* The first of the ascending points that the value does not exceed, or their number. */
static Py_ssize_t cell_of(const double *points, Py_ssize_t n, double value) {
    const double *low = points;
    while (n > 0) {
        Py_ssize_t half = n / 2;
        int above = low[half] < value;
        low = above ? low + half + 1 : low;
        n = above ? n - half - 1 : half;
    }
    return low - points;
}

/* Of a category: its level by its whole part, or the last cell for levels that the curve does not know. */
static Py_ssize_t cell_of_level(const double *points, Py_ssize_t n, double value) {
    double level = trunc(value);
    Py_ssize_t cell = cell_of(points, n, level);
    return cell < n && points[cell] == level ? cell : n;
}

static void add_up(const Curves *self, const double *row, double *sums) {
    memcpy(sums, self->intercept, (size_t)self->n_outputs * sizeof *sums);
    Py_ssize_t start = 0;
    for (Py_ssize_t c = 0; c < self->n_curves; c++) {
        const double *points = self->points + start, *added;
        Py_ssize_t n = self->ends[c] - start;
        double value = row[self->features[c]];
        if (isnan(value))
            added = self->missing + c * self->n_outputs;
        else {
            Py_ssize_t cell = self->categorical[c] ? cell_of_level(points, n, value) : cell_of(points, n, value);
            added = self->cells + (start + c + cell) * self->n_outputs;
        }
        for (Py_ssize_t k = 0; k < self->n_outputs; k++)
            sums[k] += added[k];
        start = self->ends[c];
    }
    if (self->answer == SIGMOID)
        for (Py_ssize_t k = 0; k < self->n_outputs; k++)
            sums[k] = sigmoid(sums[k]);
    else if (self->answer == SOFTMAX)
        softmax(sums, self->n_outputs);
}

/* ---- what Python gives ---- */

/* The views of the arrays that describe the curves. */
enum { FEATURES, CATEGORICAL, ENDS, N_INTS };
enum { INTERCEPT, POINTS, CELLS, MISSING, N_DOUBLES };

static int refuse(const char *why) {
    PyErr_SetString(PyExc_ValueError, why);
    return -1;
}

static int fits(const Curves *self, const Py_buffer *ints, const Py_buffer *doubles) {
    Py_ssize_t n = self->n_curves, outputs = self->n_outputs, size = sizeof(double);
    Py_ssize_t n_points = doubles[POINTS].len / size;
    if (outputs < 1 || self->n_features < 0)
        return refuse("there must be an output at least, and no number of features below 0");
    if (ints[CATEGORICAL].len != ints[FEATURES].len || ints[ENDS].len != ints[FEATURES].len)
        return refuse("features, categorical and ends must be equally long");
    /* Divisions, since products of sizes could run over. */
    if (doubles[CELLS].len / size % outputs || doubles[CELLS].len / size / outputs != n_points + n ||
        doubles[MISSING].len / size % outputs || doubles[MISSING].len / size / outputs != n)
        return refuse("each curve needs a cell more than it has points, and one for missing values, for each output");
    const int32_t *features = ints[FEATURES].buf, *ends = ints[ENDS].buf;
    const double *points = doubles[POINTS].buf;
    Py_ssize_t start = 0;
    for (Py_ssize_t c = 0; c < n; c++) {
        if (features[c] < 0 || features[c] >= self->n_features)
            return refuse("a curve is of a feature that a row does not have");
        if (ends[c] < start || ends[c] > n_points)
            return refuse("the points of a curve do not lie after those of the one before it");
        for (Py_ssize_t i = start; i < ends[c]; i++)
            if (isnan(points[i]) || (i > start && !(points[i - 1] < points[i])))
                return refuse("the points of a curve must ascend");
        start = ends[c];
    }
    return start == n_points ? 0 : refuse("some points belong to no curve");
}

static int copy_arrays(Curves *self, const Py_buffer *ints, const Py_buffer *doubles) {
    size_t curves = (size_t)self->n_curves, total = 0;
    for (int i = 0; i < N_DOUBLES; i++)
        total += (size_t)doubles[i].len;
    self->features = PyMem_Malloc(N_INTS * curves * sizeof(int32_t) + 1);
    self->intercept = PyMem_Malloc(total);
    if (!self->features || !self->intercept) {
        PyErr_NoMemory();
        return -1;
    }
    self->categorical = self->features + curves;
    self->ends = self->categorical + curves;
    self->points = self->intercept + self->n_outputs;
    self->cells = self->points + doubles[POINTS].len / (Py_ssize_t)sizeof(double);
    self->missing = self->cells + doubles[CELLS].len / (Py_ssize_t)sizeof(double);
    int32_t *whole[] = {self->features, self->categorical, self->ends};
    double *real[] = {self->intercept, self->points, self->cells, self->missing};
    for (int i = 0; i < N_INTS; i++)
        memcpy(whole[i], ints[i].buf, (size_t)ints[i].len);
    for (int i = 0; i < N_DOUBLES; i++)
        memcpy(real[i], doubles[i].buf, (size_t)doubles[i].len);
    return 0;
}

static int read_curves(Curves *self, PyObject **given_ints, PyObject **given_doubles) {
    Py_buffer ints[N_INTS], doubles[N_DOUBLES];
    int n_ints = 0, n_doubles = 0, result = -1;
    while (n_ints < N_INTS && read_ints(given_ints[n_ints], ints + n_ints, -1) == 0)
        n_ints++;
    while (n_ints == N_INTS && n_doubles < N_DOUBLES &&
           read_doubles(given_doubles[n_doubles], doubles + n_doubles, -1, 0) == 0)
        n_doubles++;
    if (n_doubles == N_DOUBLES) {
        self->n_curves = ints[FEATURES].len / (Py_ssize_t)sizeof(int32_t);
        self->n_outputs = doubles[INTERCEPT].len / (Py_ssize_t)sizeof(double);
        result = fits(self, ints, doubles) < 0 ? -1 : copy_arrays(self, ints, doubles);
    }
    while (n_doubles > 0)
        PyBuffer_Release(doubles + --n_doubles);
    while (n_ints > 0)
        PyBuffer_Release(ints + --n_ints);
    return result;
}

/* ---- the type ---- */

static void curves_dealloc(PyObject *given) {
    Curves *self = (Curves *)given;
    PyMem_Free(self->features);
    PyMem_Free(self->intercept);
    PyTypeObject *type = Py_TYPE(given);
    freefunc release = PyType_GetSlot(type, Py_tp_free);
    release(given);
    Py_DECREF(type);
}

static PyObject *curves_new(PyTypeObject *type, PyObject *args, PyObject *options) {
    static char *names[] = {"n_features", "features", "categorical", "ends",   "intercept",
                            "points",     "cells",    "missing",     "answer", NULL};
    PyObject *ints[N_INTS], *doubles[N_DOUBLES];
    Py_ssize_t n_features;
    const char *name = "values";
    if (!PyArg_ParseTupleAndKeywords(args, options, "nOOOOOOO|s", names, &n_features, &ints[FEATURES],
                                     &ints[CATEGORICAL], &ints[ENDS], &doubles[INTERCEPT], &doubles[POINTS],
                                     &doubles[CELLS], &doubles[MISSING], &name))
        return NULL;
    int answer = 0;
    while (ANSWERS[answer] && strcmp(ANSWERS[answer], name) != 0)
        answer++;
    if (!ANSWERS[answer])
        return PyErr_Format(PyExc_ValueError, "unknown answer '%s'", name);
    allocfunc allocate = PyType_GetSlot(type, Py_tp_alloc);
    Curves *self = (Curves *)allocate(type, 0);
    if (!self)
        return NULL;
    self->n_features = n_features;
    self->answer = (Answer)answer;
    if (read_curves(self, ints, doubles) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static PyObject *curves_one(PyObject *given, PyObject *row) {
    const Curves *self = (const Curves *)given;
    Py_buffer view;
    if (read_doubles(row, &view, self->n_features, 0) < 0)
        return NULL;
    double *sums = PyMem_Malloc((size_t)self->n_outputs * sizeof *sums);
    PyObject *result = NULL;
    if (sums) {
        add_up(self, view.buf, sums);
        result = as_tuple(sums, self->n_outputs);
        PyMem_Free(sums);
    } else
        PyErr_NoMemory();
    PyBuffer_Release(&view);
    return result;
}

static PyMethodDef curves_methods[] = {
    {"one", curves_one, METH_O, "The outputs for one row, a buffer of n_features float64."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef curves_members[] = {
    {"n_features", T_PYSSIZET, offsetof(Curves, n_features), READONLY, "How many numbers a row has."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot curves_slots[] = {
    {Py_tp_doc, "Curves of single features, added up for one row at a time."},
    {Py_tp_new, curves_new},
    {Py_tp_dealloc, curves_dealloc},
    {Py_tp_methods, curves_methods},
    {Py_tp_members, curves_members},
    {0, NULL},
};

static PyType_Spec curves_spec = {
    "mlwright._kernels._curves.Curves", sizeof(Curves), 0, Py_TPFLAGS_DEFAULT, curves_slots,
};

static int add_types(PyObject *module) {
    PyObject *type = PyType_FromModuleAndSpec(module, &curves_spec, NULL);
    if (!type)
        return -1;
    int result = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return result;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, add_types}, {0, NULL}};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_curves",
    .m_doc = "Additive models, one row at a time.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__curves(void) {
    return PyModuleDef_Init(&module);
}
