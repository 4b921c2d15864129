/* What every kernel needs: reading buffers of numbers, and turning raw scores into probabilities.
 * Include it first: it chooses the stable interface of Python, so that one build serves 3.11 and all later ones.
 */
#ifndef MLWRIGHT_COMMON_H
#define MLWRIGHT_COMMON_H

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

/* A view of C-contiguous float64 numbers, exactly `count` of them, or as many as there are where `count` is negative.
 * Plain bytes that were packed as float64 are taken too. 0, or -1 with an exception set and nothing to release. */
static inline int read_doubles(PyObject *object, Py_buffer *view, Py_ssize_t count, int writable) {
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object, view, flags) < 0)
        return -1;
    const char *format = view->format;
    int packed = format == NULL || strcmp(format, "B") == 0 || strcmp(format, "d") == 0;
    if (!packed || (uintptr_t)view->buf % sizeof(double) != 0)
        PyErr_SetString(PyExc_TypeError, "a buffer of aligned float64 is needed");
    else if (view->len % (Py_ssize_t)sizeof(double) != 0 || (count >= 0 && view->len / (Py_ssize_t)sizeof(double) != count))
        PyErr_Format(PyExc_ValueError, "a buffer of %zd float64 is needed, this one has %zd bytes", count, view->len);
    else
        return 0;
    PyBuffer_Release(view);
    return -1;
}

/* The same for int32 numbers: indices, shapes, codes. Only what is typed as such is taken. */
static inline int read_ints(PyObject *object, Py_buffer *view, Py_ssize_t count) {
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0)
        return -1;
    int typed = view->format != NULL && view->itemsize == 4 && (strcmp(view->format, "i") == 0 || strcmp(view->format, "l") == 0);
    if (!typed)
        PyErr_SetString(PyExc_TypeError, "a buffer of int32 is needed");
    else if (count >= 0 && view->len / 4 != count)
        PyErr_Format(PyExc_ValueError, "a buffer of %zd int32 is needed, this one has %zd", count, view->len / 4);
    else
        return 0;
    PyBuffer_Release(view);
    return -1;
}

static inline double sigmoid(double raw) { return 1.0 / (1.0 + exp(-raw)); }

/* In place; the largest is taken off first, so that nothing overflows. */
static inline void softmax(double *raw, Py_ssize_t n) {
    double largest = raw[0], sum = 0.0;
    for (Py_ssize_t k = 1; k < n; k++)
        largest = raw[k] > largest ? raw[k] : largest;
    for (Py_ssize_t k = 0; k < n; k++)
        sum += raw[k] = exp(raw[k] - largest);
    for (Py_ssize_t k = 0; k < n; k++)
        raw[k] /= sum;
}

/* A tuple of Python floats; NULL with an exception set. */
static inline PyObject *as_tuple(const double *numbers, Py_ssize_t n) {
    PyObject *tuple = PyTuple_New(n);
    for (Py_ssize_t k = 0; tuple != NULL && k < n; k++) {
        PyObject *number = PyFloat_FromDouble(numbers[k]);
        if (number == NULL || PyTuple_SetItem(tuple, k, number) < 0)
            Py_CLEAR(tuple); /* SetItem took the number even where it failed */
    }
    return tuple;
}

#endif
