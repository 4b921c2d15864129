/* Counts of an Arrow column of numbers in the cells of a fixed grid, and its sums: see monitoring/counting.py.
 *
 * Cell 0 is below the grid and the last one above it. Where the scale is that of the logarithm, the bits of a float64 stand
 * for its value: they are in its order and, between two powers of two, linear in it.
 */
#include "pieces.h"

/* Several counts of each cell, so that one that comes twice in a row need not wait for itself. */
#define WAYS 4
#define MOST_CELLS 65536

typedef struct {
    double low, inverse, centre;
    Py_ssize_t cells;
    int by_bits;
} Grid;

typedef struct {
    int64_t n, infinite;
    double sum, squares, low, high;
} Sums;

FOR_WIDE_VECTORS
static void note_sums(const double *restrict values, int n, double centre, Sums *sums) {
    double sum[LANES] = {0}, squares[LANES] = {0}, low[LANES], high[LANES];
    for (int j = 0; j < LANES; j++) {
        low[j] = INFINITY;
        high[j] = -INFINITY;
    }
    int whole = n - n % LANES;
    for (int i = 0; i < whole; i += LANES)
        for (int j = 0; j < LANES; j++) {
            double one = values[i + j], distance = one - centre;
            sum[j] += distance;
            squares[j] += distance * distance;
            low[j] = one < low[j] ? one : low[j];
            high[j] = one > high[j] ? one : high[j];
        }
    for (int i = whole; i < n; i++) {
        double one = values[i], distance = one - centre;
        sum[i - whole] += distance;
        squares[i - whole] += distance * distance;
        low[0] = one < low[0] ? one : low[0];
        high[0] = one > high[0] ? one : high[0];
    }
    for (int j = 0; j < LANES; j++) {
        sums->low = low[j] < sums->low ? low[j] : sums->low;
        sums->high = high[j] > sums->high ? high[j] : sums->high;
    }
    sums->sum += add_lanes(sum);
    sums->squares += add_lanes(squares);
}

/* The bits as a number; negative values are below all of them. */
FOR_WIDE_VECTORS
static void bits_as_numbers(const double *restrict values, double *restrict numbers, int n) {
    for (int i = 0; i < n; i++) {
        int64_t bits;
        double one = values[i] + 0.0;
        memcpy(&bits, &one, sizeof bits);
        numbers[i] = (double)bits;
    }
}

FOR_WIDE_VECTORS
static void find_cells(const double *restrict numbers, int32_t *restrict cells, int n, double low, double inverse, double last) {
    for (int i = 0; i < n; i++) {
        double place = (numbers[i] - low) * inverse;
        place = place < -1.0 ? -1.0 : place;
        place = place > last ? last : place;
        cells[i] = (int32_t)(place + 1.0);
    }
}

static void count_block(const Grid *grid, const double *values, int n, uint32_t *ways) {
    double room[BLOCK];
    int32_t cells[BLOCK];
    const double *numbers = values;
    size_t size = (size_t)grid->cells + 2;
    if (grid->by_bits) {
        bits_as_numbers(values, room, n);
        numbers = room;
    }
    find_cells(numbers, cells, n, grid->low, grid->inverse, (double)grid->cells);
    for (int i = 0; i < n; i++)
        ways[((size_t)i & (WAYS - 1)) * size + (size_t)cells[i]]++;
}

static Ending count_column(const Column *column, const Grid *grid, int64_t *counts, Sums *sums) {
    size_t size = (size_t)grid->cells + 2;
    uint32_t *ways = calloc(WAYS * size, sizeof *ways);
    if (!ways)
        return NO_MEMORY;
    double room[BLOCK], values[BLOCK + 8];
    Piece odd = {0};
    for (Py_ssize_t start = 0; start < column->length; start += BLOCK) {
        int n = block_at(start, column->length);
        const double *from = read_values(column, column->offset + start, room, n);
        n = copy_known(column, column->offset + start, from, values, n);
        if (column->type == 'g' || column->type == 'f')
            n = drop_odd(&odd, values, n);
        note_sums(values, n, grid->centre, sums);
        count_block(grid, values, n, ways);
        sums->n += n;
    }
    sums->infinite = odd.infinite;
    for (size_t i = 0; i < size; i++)
        for (size_t way = 0; way < WAYS; way++)
            counts[i] += ways[way * size + i];
    free(ways);
    return DONE;
}

/* ---- what Python gives and gets ---- */

static int refuse(const char *why) {
    PyErr_SetString(PyExc_ValueError, why);
    return -1;
}

static int check(const Column *column, const Grid *grid, const Py_buffer *values, const Py_buffer *validity) {
    int bits = bits_of(column->type), moment = column->times != 0;
    if (bits == 0)
        return refuse("no such type of numbers");
    if (column->parts < 1 || (moment && column->type != 'i' && column->type != 'l'))
        return refuse("moments are 32 or 64 bit integers, and whole parts of a microsecond");
    if (!holds(values, column->offset, column->length, bits) || !holds_bitmap(validity, column->offset, column->length))
        return refuse("the column is longer than its buffers");
    if (grid->cells < 1 || grid->cells > MOST_CELLS || !isfinite(grid->low) || !isfinite(grid->centre) ||
        !(grid->inverse > 0) || !isfinite(grid->inverse))
        return refuse("a grid has cells of a finite width");
    return 0;
}

static PyObject *py_count(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *given[2], *result = NULL;
    Py_buffer views[2];
    Column column = {0};
    Grid grid = {0};
    Sums sums = {.low = INFINITY, .high = -INFINITY};
    int type;
    long long times, parts;
    if (!PyArg_ParseTuple(args, "OOnnCLLpddnd", given, given + 1, &column.offset, &column.length, &type, &times, &parts,
                          &grid.by_bits, &grid.low, &grid.inverse, &grid.cells, &grid.centre) ||
        read_all_bytes(given, views, 2) < 0)
        return NULL;
    column.values = views[0].buf;
    column.validity = views[1].buf;
    column.type = type < 128 ? (char)type : 0;
    column.times = times;
    column.parts = parts;
    int64_t *counts = NULL;
    if (check(&column, &grid, views, views + 1) == 0 && (counts = calloc((size_t)grid.cells + 2, sizeof *counts)) == NULL)
        PyErr_NoMemory();
    if (counts != NULL) {
        Ending ending;
        Py_BEGIN_ALLOW_THREADS
        ending = count_column(&column, &grid, counts, &sums);
        Py_END_ALLOW_THREADS
        result = ending != DONE ? raise_failure(ending)
                                : Py_BuildValue("(N(LLdddd))", as_bytes(counts, (size_t)grid.cells + 2), (long long)sums.n,
                                                (long long)sums.infinite, sums.sum, sums.squares, sums.low, sums.high);
    }
    free(counts);
    release_all(views, 2);
    return result;
}

static PyMethodDef methods[] = {
    {"count", py_count, METH_VARARGS,
     "count(values, validity, offset, length, letter, times, parts, by_bits, low, inverse, cells, centre)\n\n"
     "Counts of an Arrow column of numbers in the cells of a grid; how many numbers, how many infinite ones, sum and squares\n"
     "of the distances to the centre, lowest, highest."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {{0, NULL}};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_grid",
    .m_doc = "Counts of a column of numbers in a fixed grid.",
    .m_methods = methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__grid(void) {
    return PyModuleDef_Init(&module);
}
