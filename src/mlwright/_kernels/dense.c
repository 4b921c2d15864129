/* Layers of matrices for one row: linear models and small networks.
 *
 * A layer is y = activation(x W + b). Vectors run across the outputs, and each output adds up its inputs in the same
 * order however wide they are: the answer does not depend on the machine. An input of 0 is passed over, since most
 * columns that stand for levels are 0 in a row; the weights are finite, so that nothing is lost by it. Weights that
 * single precision can hold are kept in it: half the memory to walk through, and the arithmetic is in double precision
 * all the same.
 */
#include "common.h"

#include <structmember.h>

/* The same loops for each width of vectors, chosen where they run; the linker of glibc can do that. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_WIDE_VECTORS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_WIDE_VECTORS
#endif

typedef enum { PLAIN, SELU, MISH } Activation;
typedef enum { VALUES, SIGMOID, SOFTMAX } Answer;

static const char *const ACTIVATIONS[] = {"none", "selu", "mish", NULL};
static const char *const ANSWERS[] = {"values", "sigmoid", "softmax", NULL};

/* Weights with the outputs of one input side by side, in one of two precisions; the other one is NULL. */
typedef struct {
    Py_ssize_t inputs, outputs;
    float *single;
    double *full;
    double *bias;
} Layer;

typedef struct {
    PyObject_HEAD
    Py_ssize_t n_features, n_layers;
    Layer *layers;
    Activation activation;
    Answer answer;
    double bend, low, high;
    /* Of all layers, inputs and outputs. */
    Py_ssize_t widest;
} Dense;

/* Where one row is worked out: what goes into a layer and what comes out, and the inputs that are not 0. Each call has
 * its own, so that calls in several threads do not meet. */
typedef struct {
    double *from, *to, *kept;
    Py_ssize_t *places;
} Room;

/* ---- arithmetic ---- */

/* e to the power of x from -708 to 709 to about one unit in the last place, in a form that becomes vector code; NaN
 * stays. x = k log 2 + r: adding 1.5 2^52 leaves k in the lowest bits of the sum, and the Taylor series of e^r for
 * |r| <= log(2) / 2 is exact enough after the power 13. */
static inline double power_of_e(double x) {
    static const double SHIFT = 0x1.8p52;
    double k = x * 0x1.71547652b82fep0 + SHIFT;
    int64_t bits;
    memcpy(&bits, &k, sizeof bits);
    k -= SHIFT;
    double r = (x - k * 0x1.62e42fee00000p-1) - k * 0x1.a39ef35793c76p-33;
    double sum = 1.0 / 6227020800;
    sum = sum * r + 1.0 / 479001600;
    sum = sum * r + 1.0 / 39916800;
    sum = sum * r + 1.0 / 3628800;
    sum = sum * r + 1.0 / 362880;
    sum = sum * r + 1.0 / 40320;
    sum = sum * r + 1.0 / 5040;
    sum = sum * r + 1.0 / 720;
    sum = sum * r + 1.0 / 120;
    sum = sum * r + 1.0 / 24;
    sum = sum * r + 1.0 / 6;
    sum = sum * r + 0.5;
    sum = sum * r + 1.0;
    sum = sum * r + 1.0;
    uint64_t scale = ((uint64_t)bits + 1023) << 52;
    double power;
    memcpy(&power, &scale, sizeof power);
    return sum * power;
}

/* Within -700 and `most`, into `below`; NaN stays. A loop of its own, since the compiler makes vectors of it only so. */
FOR_WIDE_VECTORS
static void within(const double *restrict z, double *restrict below, Py_ssize_t n, double most) {
    for (Py_ssize_t i = 0; i < n; i++)
        below[i] = z[i] > most ? most : z[i];
    for (Py_ssize_t i = 0; i < n; i++)
        below[i] = below[i] < -700 ? -700 : below[i];
}

FOR_WIDE_VECTORS
static void selu(double *restrict z, double *restrict below, Py_ssize_t n) {
    const double scale = 1.0507009873554805, alpha = 1.6732632423543772;
    within(z, below, n, 0);
    for (Py_ssize_t i = 0; i < n; i++)
        z[i] = z[i] < 0 ? 0 : z[i];
    for (Py_ssize_t i = 0; i < n; i++)
        z[i] = scale * (z[i] + alpha * (power_of_e(below[i]) - 1));
}

FOR_WIDE_VECTORS
static void mish(double *restrict z, double *restrict below, Py_ssize_t n) {
    within(z, below, n, 20);
    for (Py_ssize_t i = 0; i < n; i++) {
        double e = power_of_e(below[i]), m = e * (e + 2);
        z[i] = z[i] * (m / (m + 2));
    }
}

/* Smoothly so that none is farther out than `bend`. */
static void bend_inputs(double *restrict x, Py_ssize_t n, double bend) {
    double inverse = 1 / bend;
    for (Py_ssize_t i = 0; i < n; i++) {
        double share = x[i] * inverse;
        x[i] = x[i] / sqrt(share * share + 1);
    }
}

/* y += x W for the `kept` inputs at `places`, four of them at a time. */
#define ADD_INPUTS(NAME, NUMBER)                                                                                      \
    FOR_WIDE_VECTORS                                                                                                  \
    static void NAME(double *restrict y, Py_ssize_t outputs, const NUMBER *restrict weights,                          \
                     const double *restrict kept, const Py_ssize_t *restrict places, Py_ssize_t n) {                  \
        Py_ssize_t i = 0;                                                                                             \
        for (; i + 4 <= n; i += 4) {                                                                                  \
            const NUMBER *a = weights + places[i] * outputs, *b = weights + places[i + 1] * outputs;                  \
            const NUMBER *c = weights + places[i + 2] * outputs, *d = weights + places[i + 3] * outputs;              \
            double p = kept[i], q = kept[i + 1], r = kept[i + 2], s = kept[i + 3];                                    \
            for (Py_ssize_t j = 0; j < outputs; j++)                                                                  \
                y[j] += (p * (double)a[j] + q * (double)b[j]) + (r * (double)c[j] + s * (double)d[j]);                \
        }                                                                                                             \
        for (; i < n; i++) {                                                                                          \
            const NUMBER *a = weights + places[i] * outputs;                                                          \
            for (Py_ssize_t j = 0; j < outputs; j++)                                                                  \
                y[j] += kept[i] * (double)a[j];                                                                       \
        }                                                                                                             \
    }

ADD_INPUTS(add_single, float)
ADD_INPUTS(add_full, double)

static void multiply(const Layer *layer, const Room *room) {
    Py_ssize_t n = 0;
    for (Py_ssize_t i = 0; i < layer->inputs; i++) {
        room->kept[n] = room->from[i];
        room->places[n] = i;
        n += room->from[i] != 0;
    }
    memcpy(room->to, layer->bias, (size_t)layer->outputs * sizeof(double));
    if (layer->single)
        add_single(room->to, layer->outputs, layer->single, room->kept, room->places, n);
    else
        add_full(room->to, layer->outputs, layer->full, room->kept, room->places, n);
}

static void finish(const Dense *self, double *z, Py_ssize_t n) {
    if (self->answer == SOFTMAX) {
        softmax(z, n);
        return;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (self->answer == SIGMOID)
            z[i] = sigmoid(z[i]);
        /* Comparisons that let NaN through. */
        z[i] = z[i] < self->low ? self->low : z[i];
        z[i] = z[i] > self->high ? self->high : z[i];
    }
}

/* The outputs for the row in `from`. */
static const double *run(const Dense *self, Room *room) {
    if (self->bend > 0)
        bend_inputs(room->from, self->n_features, self->bend);
    for (Py_ssize_t i = 0; i < self->n_layers; i++) {
        const Layer *layer = self->layers + i;
        multiply(layer, room);
        if (i + 1 == self->n_layers)
            finish(self, room->to, layer->outputs);
        else if (self->activation == SELU)
            selu(room->to, room->kept, layer->outputs);
        else if (self->activation == MISH)
            mish(room->to, room->kept, layer->outputs);
        double *out = room->to;
        room->to = room->from;
        room->from = out;
    }
    return room->from;
}

/* ---- what Python gives ---- */

static int index_of(const char *const *names, const char *name, const char *what) {
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    PyErr_Format(PyExc_ValueError, "unknown %s '%s'", what, name);
    return -1;
}

static int all_finite(const double *values, Py_ssize_t n) {
    for (Py_ssize_t i = 0; i < n; i++)
        if (!isfinite(values[i])) {
            PyErr_SetString(PyExc_ValueError, "weights and biases must be finite");
            return 0;
        }
    return 1;
}

/* A copy of the weights, in single precision where that loses nothing. */
static int keep_weights(Layer *layer, const double *weights, Py_ssize_t n) {
    Py_ssize_t exact = 0;
    while (exact < n && (double)(float)weights[exact] == weights[exact])
        exact++;
    size_t room = n ? (size_t)n : 1;
    if (exact < n) {
        layer->full = PyMem_Malloc(room * sizeof(double));
        if (layer->full)
            memcpy(layer->full, weights, (size_t)n * sizeof(double));
    } else {
        layer->single = PyMem_Malloc(room * sizeof(float));
        for (Py_ssize_t i = 0; layer->single && i < n; i++)
            layer->single[i] = (float)weights[i];
    }
    if (layer->full || layer->single)
        return 0;
    PyErr_NoMemory();
    return -1;
}

/* `inputs` is -1 for the first layer, which takes as many as it has. */
static int fill_layer(Layer *layer, Py_ssize_t inputs, const Py_buffer *matrix, const Py_buffer *bias) {
    Py_ssize_t outputs = bias->len / (Py_ssize_t)sizeof(double);
    int fits = matrix->ndim == 2 && matrix->itemsize == sizeof(double) && outputs > 0 && matrix->shape[1] == outputs;
    if (!fits || (inputs >= 0 && matrix->shape[0] != inputs)) {
        PyErr_SetString(PyExc_ValueError, "a matrix does not fit its bias or the layer before it");
        return -1;
    }
    layer->inputs = matrix->shape[0];
    layer->outputs = outputs;
    Py_ssize_t n = layer->inputs * outputs;
    if (!all_finite(matrix->buf, n) || !all_finite(bias->buf, outputs) || keep_weights(layer, matrix->buf, n) < 0)
        return -1;
    layer->bias = PyMem_Malloc((size_t)outputs * sizeof(double));
    if (!layer->bias) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(layer->bias, bias->buf, (size_t)outputs * sizeof(double));
    return 0;
}

static int read_layer(Layer *layer, Py_ssize_t inputs, PyObject *matrix, PyObject *bias) {
    Py_buffer weights, biases;
    if (read_doubles(matrix, &weights, -1, 0) < 0)
        return -1;
    if (read_doubles(bias, &biases, -1, 0) < 0) {
        PyBuffer_Release(&weights);
        return -1;
    }
    int result = fill_layer(layer, inputs, &weights, &biases);
    PyBuffer_Release(&biases);
    PyBuffer_Release(&weights);
    return result;
}

static int read_layers(Dense *self, PyObject *matrices, PyObject *biases) {
    Py_ssize_t n = PyTuple_Size(matrices);
    if (n < 1 || n != PyTuple_Size(biases)) {
        PyErr_SetString(PyExc_ValueError, "there must be as many biases as matrices, and one at least");
        return -1;
    }
    self->layers = PyMem_Calloc((size_t)n, sizeof(Layer));
    if (!self->layers) {
        PyErr_NoMemory();
        return -1;
    }
    self->n_layers = n;
    Py_ssize_t inputs = -1;
    for (Py_ssize_t i = 0; i < n; i++) {
        Layer *layer = self->layers + i;
        if (read_layer(layer, inputs, PyTuple_GetItem(matrices, i), PyTuple_GetItem(biases, i)) < 0)
            return -1;
        self->widest = layer->inputs > self->widest ? layer->inputs : self->widest;
        self->widest = layer->outputs > self->widest ? layer->outputs : self->widest;
        inputs = layer->outputs;
    }
    self->n_features = self->layers[0].inputs;
    return 0;
}

/* ---- the type ---- */

static void dense_dealloc(PyObject *given) {
    Dense *self = (Dense *)given;
    for (Py_ssize_t i = 0; i < self->n_layers; i++) {
        PyMem_Free(self->layers[i].single);
        PyMem_Free(self->layers[i].full);
        PyMem_Free(self->layers[i].bias);
    }
    PyMem_Free(self->layers);
    PyTypeObject *type = Py_TYPE(given);
    freefunc release = PyType_GetSlot(type, Py_tp_free);
    release(given);
    Py_DECREF(type);
}

static PyObject *dense_new(PyTypeObject *type, PyObject *args, PyObject *options) {
    static char *names[] = {"matrices", "biases", "activation", "answer", "bend", "low", "high", NULL};
    PyObject *matrices, *biases;
    const char *activation = "none", *answer = "values";
    double bend = 0, low = -INFINITY, high = INFINITY;
    if (!PyArg_ParseTupleAndKeywords(args, options, "O!O!|ssddd", names, &PyTuple_Type, &matrices, &PyTuple_Type,
                                     &biases, &activation, &answer, &bend, &low, &high))
        return NULL;
    int activated = index_of(ACTIVATIONS, activation, "activation"), answered = index_of(ANSWERS, answer, "answer");
    if (activated < 0 || answered < 0)
        return NULL;
    allocfunc allocate = PyType_GetSlot(type, Py_tp_alloc);
    Dense *self = (Dense *)allocate(type, 0);
    if (!self)
        return NULL;
    self->activation = (Activation)activated;
    self->answer = (Answer)answered;
    self->bend = bend;
    self->low = low;
    self->high = high;
    if (read_layers(self, matrices, biases) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static PyObject *dense_one(PyObject *given, PyObject *row) {
    const Dense *self = (const Dense *)given;
    Py_buffer view;
    if (read_doubles(row, &view, self->n_features, 0) < 0)
        return NULL;
    size_t widest = (size_t)self->widest;
    double *memory = PyMem_Malloc(widest * (3 * sizeof(double) + sizeof(Py_ssize_t)));
    PyObject *result = NULL;
    if (memory) {
        Room room = {memory, memory + widest, memory + 2 * widest, (Py_ssize_t *)(memory + 3 * widest)};
        memcpy(room.from, view.buf, (size_t)view.len);
        result = as_tuple(run(self, &room), self->layers[self->n_layers - 1].outputs);
        PyMem_Free(memory);
    } else
        PyErr_NoMemory();
    PyBuffer_Release(&view);
    return result;
}

static PyMethodDef dense_methods[] = {
    {"one", dense_one, METH_O, "The outputs for one row, a buffer of n_features float64."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef dense_members[] = {
    {"n_features", T_PYSSIZET, offsetof(Dense, n_features), READONLY, "How many numbers a row has."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot dense_slots[] = {
    {Py_tp_doc, "Layers of matrices that answer one row at a time."},
    {Py_tp_new, dense_new},
    {Py_tp_dealloc, dense_dealloc},
    {Py_tp_methods, dense_methods},
    {Py_tp_members, dense_members},
    {0, NULL},
};

static PyType_Spec dense_spec = {"mlwright._kernels._dense.Dense", sizeof(Dense), 0, Py_TPFLAGS_DEFAULT, dense_slots};

static int add_types(PyObject *module) {
    PyObject *type = PyType_FromModuleAndSpec(module, &dense_spec, NULL);
    if (!type)
        return -1;
    int result = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return result;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, add_types}, {0, NULL}};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_dense",
    .m_doc = "Linear models and small networks, one row at a time.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__dense(void) {
    return PyModuleDef_Init(&module);
}
