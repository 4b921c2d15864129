/* Walks rows through the trees of a fitted forest.
 *
 * What a split asks ("is column 3 above 4.5?", "is level 7 on the right?") is asked by many nodes of many trees. So each
 * row first answers every question there is, into one byte each: for a number, a search for its place among the column's
 * thresholds; for a category, a copy of what its level answers. A node is then 8 bytes, the number of its question and of
 * its left child, whose neighbour is the right one, and a step down is `left + answer`: nothing is compared and no branch
 * is guessed, whatever the kind of split. A leaf asks question 0, whose answer is always no, and is its own left child,
 * so that trees of different depth take their steps side by side while the processor waits for memory.
 *
 * Values are summed in the order of the trees and in the precision that the library sums in, so that the answer is the
 * library's own. Every index is checked once, when the table is made: no row can lead outside it.
 */
#include "common.h"

/* Trees, or rows, that take their steps side by side: enough to hide the time of a load, few enough for the registers. */
#define LANES 12
/* Rows that meet a tree while it is in the nearest cache. */
#define BLOCK 60
/* Largest number of bytes in which the rows of a block keep their answers; forests of many questions take fewer rows. */
#define ANSWERS 262144

enum { AS_THEY_ARE, TINY_IS_ZERO, SINGLE };                /* how numbers are read */
enum { IDENTITY, SIGMOID, SOFTMAX, SHARES, N_LINKS };      /* what the sums become */

typedef struct {
    uint32_t question, left;
} Node;

/* A column of numbers as questions "more than this threshold?", in ascending order. */
typedef struct {
    int32_t feature, n_thresholds, rank_of_missing;
} Ranked;

/* A column of levels; a row of answers serves all levels that answer alike. After the levels come "another" and "missing". */
typedef struct {
    int32_t feature, n_questions, n_rows, n_levels;
} Levelled;

typedef struct {
    PyObject_HEAD
    Py_ssize_t n_features, n_questions, n_ranked, n_levelled, n_trees, n_sums, n_values, n_answers, n_shares;
    int reading, single, link;
    double divisor, n_rows;
    Ranked *ranked;
    Levelled *levelled;
    double *thresholds;
    int32_t *row_of_level;
    uint8_t *answers;      /* of the levels, row by row */
    uint8_t *thermometer;  /* ones, then as many zeros */
    Py_ssize_t most;       /* thresholds of a column */
    Node *nodes;
    int32_t *roots, *depths, *sum_of_tree;
    double *values, *start, *shares;
} Forest;

/* -- Answers of a row ------------------------------------------------------------------------------------------------ */

static inline double as_read(int reading, double value) {
    if (reading == SINGLE)
        return (double)(float)value;
    /* LightGBM drops numbers this near to 0 before it looks at them; the bound is a float there. */
    return reading == TINY_IS_ZERO && fabs(value) <= (double)1e-35f ? 0.0 : value;
}

/* How many thresholds are less than the value. */
static inline Py_ssize_t rank_of(const double *thresholds, Py_ssize_t n, double value) {
    const double *from = thresholds;
    while (n > 1) {
        Py_ssize_t half = n / 2;
        from += (from[half - 1] < value) * half;
        n -= half;
    }
    return from - thresholds + (*from < value);
}

/* Which row of answers a level has: libraries cut a fraction off, and LightGBM does so before it refuses what is below 0. */
static inline Py_ssize_t place_of(const Levelled *column, int reading, double value) {
    if (isnan(value))
        return (Py_ssize_t)column->n_levels + 1;
    int known = (reading == SINGLE ? value >= 0.0 : value > -1.0) && value < (double)column->n_levels;
    return known ? (Py_ssize_t)value : column->n_levels;
}

static void answer_questions(const Forest *forest, const double *row, uint8_t *said) {
    *said++ = 0;
    const double *thresholds = forest->thresholds;
    for (Py_ssize_t s = 0; s < forest->n_ranked; s++) {
        const Ranked *column = forest->ranked + s;
        const double value = as_read(forest->reading, row[column->feature]);
        const Py_ssize_t n = column->n_thresholds;
        const Py_ssize_t rank = isnan(value) ? column->rank_of_missing : rank_of(thresholds, n, value);
        memcpy(said, forest->thermometer + forest->most - rank, (size_t)n);
        said += n;
        thresholds += n;
    }
    const int32_t *row_of_level = forest->row_of_level;
    const uint8_t *answers = forest->answers;
    for (Py_ssize_t s = 0; s < forest->n_levelled; s++) {
        const Levelled *column = forest->levelled + s;
        const double value = as_read(forest->reading, row[column->feature]);
        const size_t n = (size_t)column->n_questions;
        memcpy(said, answers + n * (size_t)row_of_level[place_of(column, forest->reading, value)], n);
        said += n;
        row_of_level += column->n_levels + 2;
        answers += n * (size_t)column->n_rows;
    }
}

/* -- Walking --------------------------------------------------------------------------------------------------------- */

static inline uint32_t step(const Node *nodes, uint32_t at, const uint8_t *said) {
    return nodes[at].left + said[nodes[at].question];
}

static inline void add(const Forest *forest, Py_ssize_t tree, uint32_t leaf, double *sums) {
    double *sum = sums + forest->sum_of_tree[tree];
    const double *value = forest->values + (Py_ssize_t)leaf * forest->n_values;
    for (Py_ssize_t j = 0; j < forest->n_values; j++)
        sum[j] = forest->single ? (double)((float)sum[j] + (float)value[j]) : sum[j] + value[j];
}

/* One row through all trees, several trees side by side. */
static void walk_trees(const Forest *forest, const uint8_t *said, double *sums) {
    const Node *nodes = forest->nodes;
    Py_ssize_t tree = 0;
    for (; tree + LANES <= forest->n_trees; tree += LANES) {
        uint32_t at[LANES];
        int32_t depth = 0;
        for (int k = 0; k < LANES; k++) {
            at[k] = (uint32_t)forest->roots[tree + k];
            depth = forest->depths[tree + k] > depth ? forest->depths[tree + k] : depth;
        }
        for (; depth > 0; depth--)
            for (int k = 0; k < LANES; k++)
                at[k] = step(nodes, at[k], said);
        for (int k = 0; k < LANES; k++)
            add(forest, tree + k, at[k], sums);
    }
    for (; tree < forest->n_trees; tree++) {
        uint32_t at = (uint32_t)forest->roots[tree];
        for (int32_t depth = forest->depths[tree]; depth > 0; depth--)
            at = step(nodes, at, said);
        add(forest, tree, at, sums);
    }
}

/* Several rows through all trees, tree by tree, several rows side by side. */
static void walk_rows(const Forest *forest, const uint8_t *said, Py_ssize_t n_rows, double *sums) {
    const Node *nodes = forest->nodes;
    const Py_ssize_t width = forest->n_questions;
    for (Py_ssize_t tree = 0; tree < forest->n_trees; tree++) {
        const uint32_t root = (uint32_t)forest->roots[tree];
        Py_ssize_t r = 0;
        for (; r + LANES <= n_rows; r += LANES) {
            const uint8_t *first = said + r * width;
            uint32_t at[LANES];
            for (int k = 0; k < LANES; k++)
                at[k] = root;
            for (int32_t depth = forest->depths[tree]; depth > 0; depth--)
                for (int k = 0; k < LANES; k++)
                    at[k] = step(nodes, at[k], first + k * width);
            for (int k = 0; k < LANES; k++)
                add(forest, tree, at[k], sums + (r + k) * forest->n_sums);
        }
        for (; r < n_rows; r++) {
            uint32_t at = root;
            for (int32_t depth = forest->depths[tree]; depth > 0; depth--)
                at = step(nodes, at, said + r * width);
            add(forest, tree, at, sums + r * forest->n_sums);
        }
    }
}

/* Turns the sums of a row into its answer, which may be written over them. */
static void answer_of(const Forest *forest, double *sums, double *answer) {
    const Py_ssize_t n = forest->n_sums;
    for (Py_ssize_t k = 0; k < n; k++)
        sums[k] /= forest->divisor;
    if (forest->link == SOFTMAX)
        softmax(sums, n);
    if (forest->link != SHARES) {
        for (Py_ssize_t k = 0; k < n; k++)
            answer[k] = forest->link == SIGMOID ? sigmoid(sums[k]) : sums[k];
        return;
    }
    /* The shares of the classes among the training rows count as one more row; of two classes only the second is told. */
    double total = n == 1 ? 1.0 : 0.0;
    for (Py_ssize_t k = 0; n > 1 && k < n; k++)
        total += sums[k];
    const double *shares = forest->shares + (forest->n_shares - forest->n_answers);
    const double *means = sums + (n - forest->n_answers);
    for (Py_ssize_t k = 0; k < forest->n_answers; k++)
        answer[k] = (forest->n_rows * means[k] / total + shares[k]) / (forest->n_rows + 1.0);
}

/* -- Methods --------------------------------------------------------------------------------------------------------- */

/* Where rows are worked out: the sums of each, and what it answers. Each call has its own, so that calls in several
 * threads do not meet. */
typedef struct {
    double *sums;
    uint8_t *said;
} Room;

static int make_room(const Forest *forest, Py_ssize_t n_rows, Room *room) {
    const size_t sums = (size_t)(n_rows * forest->n_sums) * sizeof(double);
    room->sums = PyMem_Malloc(sums + (size_t)(n_rows * forest->n_questions));
    if (room->sums == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    room->said = (uint8_t *)room->sums + sums;
    return 0;
}

static PyObject *forest_one(Forest *self, PyObject *row) {
    Py_buffer view;
    Room room;
    if (read_doubles(row, &view, self->n_features, 0) < 0)
        return NULL;
    if (make_room(self, 1, &room) < 0) {
        PyBuffer_Release(&view);
        return NULL;
    }
    answer_questions(self, view.buf, room.said);
    PyBuffer_Release(&view);
    memcpy(room.sums, self->start, (size_t)self->n_sums * sizeof(double));
    walk_trees(self, room.said, room.sums);
    answer_of(self, room.sums, room.sums);
    PyObject *answer = as_tuple(room.sums, self->n_answers);
    PyMem_Free(room.sums);
    return answer;
}

static void score_rows(const Forest *forest, const double *rows, Py_ssize_t n, double *out, int raw, Room room,
                       Py_ssize_t block) {
    for (Py_ssize_t from = 0; from < n; from += block) {
        const Py_ssize_t m = n - from < block ? n - from : block;
        for (Py_ssize_t r = 0; r < m; r++) {
            answer_questions(forest, rows + (from + r) * forest->n_features, room.said + r * forest->n_questions);
            memcpy(room.sums + r * forest->n_sums, forest->start, (size_t)forest->n_sums * sizeof(double));
        }
        walk_rows(forest, room.said, m, room.sums);
        if (raw)
            memcpy(out + from * forest->n_sums, room.sums, (size_t)(m * forest->n_sums) * sizeof(double));
        for (Py_ssize_t r = 0; !raw && r < m; r++)
            answer_of(forest, room.sums + r * forest->n_sums, out + (from + r) * forest->n_answers);
    }
}

static PyObject *forest_many(Forest *self, PyObject *arguments) {
    PyObject *values, *out, *result = NULL;
    Py_ssize_t n_rows;
    int raw;
    Py_buffer rows, written;
    if (!PyArg_ParseTuple(arguments, "OnOp:many", &values, &n_rows, &out, &raw))
        return NULL;
    const Py_ssize_t width = raw ? self->n_sums : self->n_answers;
    if (n_rows < 0 || n_rows > PY_SSIZE_T_MAX / 8 / (self->n_features + 1) || n_rows > PY_SSIZE_T_MAX / 8 / width) {
        PyErr_SetString(PyExc_ValueError, "no such number of rows");
        return NULL;
    }
    if (read_doubles(values, &rows, n_rows * self->n_features, 0) < 0)
        return NULL;
    if (read_doubles(out, &written, n_rows * width, 1) < 0) {
        PyBuffer_Release(&rows);
        return NULL;
    }
    Py_ssize_t block = ANSWERS / self->n_questions;
    block = block > BLOCK ? BLOCK : block < LANES ? LANES : block - block % LANES;
    Room room;
    if (make_room(self, block, &room) == 0) {
        Py_BEGIN_ALLOW_THREADS;
        score_rows(self, rows.buf, n_rows, written.buf, raw, room, block);
        Py_END_ALLOW_THREADS;
        PyMem_Free(room.sums);
        result = Py_NewRef(Py_None);
    }
    PyBuffer_Release(&rows);
    PyBuffer_Release(&written);
    return result;
}

/* -- Making a table -------------------------------------------------------------------------------------------------- */

static int refuse(const char *why) {
    PyErr_Format(PyExc_ValueError, "not a forest: %s", why);
    return -1;
}

/* A copy of a buffer's bytes, whose length must be a multiple of `size`; `n` is how many there are. */
static void *copy_of(const Py_buffer *view, Py_ssize_t size, Py_ssize_t *n) {
    if (view->len % size != 0) {
        refuse("an array has the wrong length");
        return NULL;
    }
    *n = view->len / size;
    void *copy = PyMem_Malloc((size_t)view->len + 1);
    if (copy == NULL)
        PyErr_NoMemory();
    else
        memcpy(copy, view->buf, (size_t)view->len);
    return copy;
}

static double *copied_doubles(PyObject *object, Py_ssize_t *n) {
    Py_buffer view;
    if (read_doubles(object, &view, -1, 0) < 0)
        return NULL;
    double *copy = copy_of(&view, sizeof(double), n);
    PyBuffer_Release(&view);
    return copy;
}

static void *copied_ints(PyObject *object, Py_ssize_t columns, Py_ssize_t *n) {
    Py_buffer view;
    if (read_ints(object, &view, -1) < 0)
        return NULL;
    void *copy = copy_of(&view, columns * (Py_ssize_t)sizeof(int32_t), n);
    PyBuffer_Release(&view);
    return copy;
}

static uint8_t *copied_bytes(PyObject *object, Py_ssize_t *n) {
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_C_CONTIGUOUS) < 0)
        return NULL;
    uint8_t *copy = copy_of(&view, 1, n);
    PyBuffer_Release(&view);
    return copy;
}

static int check_ranked(Forest *self, Py_ssize_t n_thresholds) {
    Py_ssize_t total = 0;
    for (Py_ssize_t s = 0; s < self->n_ranked; s++) {
        const Ranked *column = self->ranked + s;
        if (column->feature < 0 || column->feature >= self->n_features)
            return refuse("a split is on a column that is not there");
        if (column->n_thresholds < 1 || column->n_thresholds > n_thresholds - total)
            return refuse("thresholds are missing");
        if (column->rank_of_missing < 0 || column->rank_of_missing > column->n_thresholds)
            return refuse("missing values have no place");
        for (Py_ssize_t t = total + 1; t < total + column->n_thresholds; t++)
            if (!(self->thresholds[t - 1] < self->thresholds[t]))
                return refuse("thresholds do not ascend");
        total += column->n_thresholds;
        self->most = column->n_thresholds > self->most ? column->n_thresholds : self->most;
    }
    if (total != n_thresholds)
        return refuse("there are thresholds that belong to no column");
    self->n_questions = 1 + total;
    self->thermometer = PyMem_Calloc((size_t)self->most * 2 + 1, 1);
    if (self->thermometer == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memset(self->thermometer, 1, (size_t)self->most);
    return 0;
}

static int check_levelled(Forest *self, Py_ssize_t n_places, Py_ssize_t n_answers) {
    const int32_t *place = self->row_of_level;
    for (Py_ssize_t s = 0; s < self->n_levelled; s++) {
        const Levelled *column = self->levelled + s;
        if (column->feature < 0 || column->feature >= self->n_features)
            return refuse("a split is on a column that is not there");
        if (column->n_levels < 0 || n_places - 2 < column->n_levels)
            return refuse("levels are missing");
        if (column->n_questions < 1 || column->n_rows < 1 || column->n_rows > n_answers / column->n_questions)
            return refuse("answers of levels are missing");
        const int32_t *end = place + column->n_levels + 2;
        for (n_places -= end - place; place < end; place++)
            if (*place < 0 || *place >= column->n_rows)
                return refuse("a level has no answers");
        n_answers -= (Py_ssize_t)column->n_rows * column->n_questions;
        self->n_questions += column->n_questions;
    }
    return n_places == 0 && n_answers == 0 ? 0 : refuse("there are levels that belong to no column");
}

/* Children come after their parent, so that a walk ends; going backwards, both depths are known before their parent's. */
static int check_nodes(Forest *self, const int32_t *questions, const int32_t *lefts, Py_ssize_t n_nodes) {
    if (n_nodes < 1 || n_nodes > INT32_MAX || self->n_questions > INT32_MAX)
        return refuse("too few or too many nodes");
    self->nodes = PyMem_Malloc((size_t)n_nodes * sizeof(Node));
    self->depths = PyMem_Malloc((size_t)self->n_trees * sizeof(int32_t) + 1);
    int32_t *depth = PyMem_Malloc((size_t)n_nodes * sizeof(int32_t));
    int checked = -1;
    if (self->nodes == NULL || self->depths == NULL || depth == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t i = n_nodes - 1; i >= 0; i--) {
        const int32_t question = questions[i], left = lefts[i];
        const int leaf = left == i && question == 0;
        if (!leaf && (left <= i || left >= n_nodes - 1 || question < 1 || question >= self->n_questions)) {
            refuse("a node leads outside");
            goto done;
        }
        depth[i] = leaf ? 0 : 1 + (depth[left] > depth[left + 1] ? depth[left] : depth[left + 1]);
        self->nodes[i] = (Node){(uint32_t)question, (uint32_t)left};
    }
    for (Py_ssize_t tree = 0; tree < self->n_trees; tree++) {
        const int32_t root = self->roots[tree], sum = self->sum_of_tree[tree];
        if (root < 0 || root >= n_nodes || sum < 0 || sum > self->n_sums - self->n_values) {
            refuse("a tree leads outside");
            goto done;
        }
        self->depths[tree] = depth[root];
    }
    checked = 0;
done:
    PyMem_Free(depth);
    return checked;
}

static int check_link(Forest *self) {
    const Py_ssize_t n = self->n_sums;
    self->n_answers = n;
    if (n < 1)
        return refuse("it has no sums");
    if (self->link < 0 || self->link >= N_LINKS || self->reading < AS_THEY_ARE || self->reading > SINGLE)
        return refuse("an unknown link or reading");
    if (self->link == SHARES) {
        if (self->n_shares < 2 || (n != self->n_shares && !(n == 1 && self->n_shares == 2)))
            return refuse("the shares are not those of the classes");
        self->n_answers = self->n_shares == 2 ? 1 : self->n_shares;
    }
    return 0;
}

static int fill(Forest *self, PyObject *arguments, PyObject *named) {
    static char *names[] = {"n_features", "ranked", "thresholds", "levelled", "row_of_level", "answers", "questions", "lefts",
                            "values", "roots", "sum_of_tree", "start", "shares", "reading", "single", "link", "divisor",
                            "n_rows", NULL};
    PyObject *ranked, *thresholds, *levelled, *row_of_level, *answers, *questions, *lefts, *values, *roots, *sum_of_tree;
    PyObject *start, *shares;
    Py_ssize_t n_thresholds, n_places, n_answers, n_questions, n_lefts, n_values, n_sums_of;
    if (!PyArg_ParseTupleAndKeywords(arguments, named, "nOOOOOOOOOOOOipidd:Forest", names, &self->n_features, &ranked,
                                     &thresholds, &levelled, &row_of_level, &answers, &questions, &lefts, &values, &roots,
                                     &sum_of_tree, &start, &shares, &self->reading, &self->single, &self->link,
                                     &self->divisor, &self->n_rows))
        return -1;
    if (self->n_features < 0 || self->n_features > INT32_MAX)
        return refuse("no such number of columns");
    if ((self->ranked = copied_ints(ranked, 3, &self->n_ranked)) == NULL ||
        (self->thresholds = copied_doubles(thresholds, &n_thresholds)) == NULL ||
        (self->levelled = copied_ints(levelled, 4, &self->n_levelled)) == NULL ||
        (self->row_of_level = copied_ints(row_of_level, 1, &n_places)) == NULL ||
        (self->answers = copied_bytes(answers, &n_answers)) == NULL ||
        (self->values = copied_doubles(values, &n_values)) == NULL ||
        (self->roots = copied_ints(roots, 1, &self->n_trees)) == NULL ||
        (self->sum_of_tree = copied_ints(sum_of_tree, 1, &n_sums_of)) == NULL ||
        (self->start = copied_doubles(start, &self->n_sums)) == NULL ||
        (self->shares = copied_doubles(shares, &self->n_shares)) == NULL)
        return -1;
    for (Py_ssize_t i = 0; i < n_answers; i++)
        if (self->answers[i] > 1)
            return refuse("an answer is neither yes nor no");
    if (check_ranked(self, n_thresholds) < 0 || check_levelled(self, n_places, n_answers) < 0)
        return -1;
    int32_t *question = copied_ints(questions, 1, &n_questions), *left = NULL;
    int checked = -1;
    if (question != NULL && (left = copied_ints(lefts, 1, &n_lefts)) != NULL) {
        self->n_values = n_questions > 0 ? n_values / n_questions : 0;
        if (n_lefts != n_questions || self->n_values < 1 || n_values % n_questions != 0 || n_sums_of != self->n_trees)
            refuse("its arrays differ in length");
        else
            checked = check_nodes(self, question, left, n_questions);
    }
    PyMem_Free(question);
    PyMem_Free(left);
    return checked < 0 ? -1 : check_link(self);
}

static void forest_free(Forest *self) {
    void *held[] = {self->ranked, self->levelled, self->thresholds, self->row_of_level, self->answers, self->thermometer,
                    self->nodes, self->roots, self->depths, self->sum_of_tree, self->values, self->start, self->shares};
    for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++)
        PyMem_Free(held[i]);
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *forest_new(PyTypeObject *type, PyObject *arguments, PyObject *named) {
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Forest *self = (Forest *)allocate(type, 0); /* filled with zeros, so that it can be freed at any point */
    if (self != NULL && fill(self, arguments, named) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static PyObject *forest_n_answers(Forest *self, void *unused) {
    (void)unused;
    return PyLong_FromSsize_t(self->n_answers);
}

static PyObject *forest_n_sums(Forest *self, void *unused) {
    (void)unused;
    return PyLong_FromSsize_t(self->n_sums);
}

static PyMethodDef methods[] = {
    {"one", (PyCFunction)forest_one, METH_O, "one(row): the answer for one row, a buffer of n_features float64."},
    {"many", (PyCFunction)forest_many, METH_VARARGS,
     "many(values, n_rows, out, raw): writes the answers for rows, or the sums they come from; other threads run meanwhile."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"n_answers", (getter)forest_n_answers, NULL, "How many numbers an answer has.", NULL},
    {"n_sums", (getter)forest_n_sums, NULL, "How many sums it comes from.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The trees of a fitted forest as one checked table."},
    {Py_tp_new, forest_new},
    {Py_tp_dealloc, forest_free},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "mlwright._kernels._forest.Forest",
    .basicsize = sizeof(Forest),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

static int execute(PyObject *module) {
    PyObject *type = PyType_FromSpec(&spec);
    int added = type == NULL ? -1 : PyModule_AddObjectRef(module, "Forest", type);
    Py_XDECREF(type);
    return added;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, execute}, {0, NULL}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_forest",
    .m_doc = "Walks rows through the trees of a fitted forest.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__forest(void) { return PyModuleDef_Init(&definition); }
