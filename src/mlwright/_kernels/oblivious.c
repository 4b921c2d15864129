/* Rows through symmetric (oblivious) trees, as CatBoost grows them: every level of a tree asks one question of all rows.
 *
 * A row is first turned into small numbers ("bins", one byte a column), each computed once however many trees ask for it:
 *   - a number: how many of its borders lie below it, compared as float32;
 *   - a level of a category: 1 if it is the level that the column is about;
 *   - a statistic of a level or of a combination: looked up by hash, its bin worked out when the table was made.
 * A question is then `bins[column] >= least`, and the answers of a tree are the bits of its leaf's number.
 *
 * All indices are checked when the object is made; afterwards nothing is read outside what was given.
 */
#include "common.h"

/* Bytes are compared, so the answer is the same however many of them the processor takes at a time. */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_WIDE_VECTORS __attribute__((target_clones("avx2", "default")))
#else
#define FOR_WIDE_VECTORS
#endif

#define BLOCK 128
#define MOST_DEPTH 16
#define MOST_BORDERS 255

typedef enum { VALUES, SIGMOID, SOFTMAX } Answer;

typedef struct {
    uint64_t hash;
    uint32_t entry; /* 0: empty */
} Slot;

typedef struct {
    const int32_t *categories;
    const uint32_t *questions;
    int32_t n_categories, n_questions;
    int32_t width; /* columns that it fills */
    const uint8_t *bins; /* entry 0: the combination is not in the table */
    const Slot *slots;
    int shift; /* the upper bits of a hash are its slot */
    uint64_t mask;
} Table;

/* One array of the object that the kernel is made from. */
typedef struct {
    void *data;
    Py_ssize_t n;
} Array;

/* clang-format off */
enum {
    NUMBER_FEATURES, NUMBER_MISSING_LAST, BORDER_STARTS, BORDERS, CATEGORY_FEATURES, LEVEL_CATEGORIES, LEVEL_HASHES,
    TABLE_CATEGORY_STARTS, TABLE_CATEGORIES, TABLE_QUESTION_STARTS, TABLE_QUESTIONS, TABLE_WIDTHS, TABLE_KEY_STARTS,
    TABLE_KEYS, TABLE_BINS, DEPTHS, QUESTIONS, LEAVES, BIASES, N_ARRAYS
};
static const struct { const char *name; char kind; int size; } ARRAYS[N_ARRAYS] = {
    {"number_features", 'i', 4}, {"number_missing_last", 'u', 1}, {"border_starts", 'i', 4}, {"borders", 'f', 4},
    {"category_features", 'i', 4}, {"level_categories", 'i', 4}, {"level_hashes", 'i', 4},
    {"table_category_starts", 'i', 4}, {"table_categories", 'i', 4}, {"table_question_starts", 'i', 4},
    {"table_questions", 'u', 4}, {"table_widths", 'i', 4}, {"table_key_starts", 'i', 8}, {"table_keys", 'u', 8},
    {"table_bins", 'u', 1}, {"depths", 'u', 1}, {"questions", 'u', 4}, {"leaves", 'f', 8}, {"biases", 'f', 8},
};
/* clang-format on */

typedef struct {
    PyObject_HEAD
    Array arrays[N_ARRAYS];
    Table *tables;
    Slot *slots;
    Py_ssize_t n_features, n_numbers, n_categories, n_levels, n_tables, n_columns, n_trees, n_outputs;
    double scale;
    Answer answer;
} Oblivious;

#define I32(self, which) ((const int32_t *)(self)->arrays[which].data)
#define I64(self, which) ((const int64_t *)(self)->arrays[which].data)
#define U8(self, which) ((const uint8_t *)(self)->arrays[which].data)
#define U32(self, which) ((const uint32_t *)(self)->arrays[which].data)
#define U64(self, which) ((const uint64_t *)(self)->arrays[which].data)
#define F32(self, which) ((const float *)(self)->arrays[which].data)
#define F64(self, which) ((const double *)(self)->arrays[which].data)

/* --- hashes -------------------------------------------------------------------------------------------------------- */

static uint64_t load64(const char *at)
{
    uint64_t value;
    memcpy(&value, at, 8);
    return value;
}

static uint64_t load32(const char *at)
{
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

static uint64_t mixed(uint64_t value)
{
    return value ^ (value >> 47);
}

static uint64_t of_two(uint64_t low, uint64_t high)
{
    const uint64_t multiplier = 0x9ddfea08eb382d69ULL;
    uint64_t first = mixed((low ^ high) * multiplier);
    return mixed((high ^ first) * multiplier) * multiplier;
}

/* CityHash64 1.0 (Pike and Alakuijala, 2011) of 1 to 16 bytes. */
static uint64_t city_hash(const char *text, size_t length)
{
    if (length > 8) {
        uint64_t first = load64(text), last = load64(text + length - 8), sum = last + length;
        return of_two(first, (sum >> length) | (sum << (64 - length))) ^ last;
    }
    if (length >= 4)
        return of_two(length + (load32(text) << 3), load32(text + length - 4));
    const unsigned char *bytes = (const unsigned char *)text;
    uint32_t front = (uint32_t)bytes[0] + ((uint32_t)bytes[length >> 1] << 8);
    uint32_t back = (uint32_t)length + ((uint32_t)bytes[length - 1] << 2);
    return mixed((front * 0x9ae16a3b2f90404fULL) ^ (back * 0xc949d7c7509e6557ULL)) * 0x9ae16a3b2f90404fULL;
}

/* CatBoost hashes a whole number as its decimal digits and keeps 32 bits, which it extends as a signed number. */
static uint64_t level_hash(double value)
{
    char digits[12];
    size_t at = sizeof digits;
    int64_t level = -1; /* missing */
    if (value == value)
        level = value > -2147483649.0 && value < 2147483648.0 ? (int64_t)value : INT32_MIN;
    uint64_t rest = (uint64_t)(level < 0 ? -level : level);
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (level < 0)
        digits[--at] = '-';
    return (uint64_t)(int64_t)(int32_t)(uint32_t)city_hash(digits + at, sizeof digits - at);
}

static uint64_t combined(uint64_t hash, uint64_t next)
{
    const uint64_t multiplier = 0x4906ba494954cb65ULL;
    return multiplier * (hash + multiplier * next);
}

static uint32_t entry_of(const Table *table, uint64_t hash)
{
    uint64_t at = hash >> table->shift;
    while (table->slots[at].entry && table->slots[at].hash != hash)
        at = (at + 1) & table->mask;
    return table->slots[at].entry;
}

/* --- one row, or a block of rows ----------------------------------------------------------------------------------- */

static int32_t borders_below(const float *borders, int32_t n, float value)
{
    int32_t below = 0;
    if (!n)
        return 0;
    while (n > 1) {
        int32_t half = n / 2;
        below += borders[below + half - 1] < value ? half : 0;
        n -= half;
    }
    return below + (borders[below] < value);
}

static inline int holds(const uint8_t *bins, Py_ssize_t stride, uint32_t question)
{
    return bins[(Py_ssize_t)(question >> 8) * stride] >= (question & 255);
}

static void fill_numbers(const Oblivious *self, const double *rows, Py_ssize_t n, Py_ssize_t stride, uint8_t *column)
{
    const int32_t *starts = I32(self, BORDER_STARTS), *features = I32(self, NUMBER_FEATURES);
    for (Py_ssize_t c = 0; c < self->n_numbers; c++, column += stride) {
        const float *borders = F32(self, BORDERS) + starts[c];
        int32_t n_borders = starts[c + 1] - starts[c];
        uint8_t missing = U8(self, NUMBER_MISSING_LAST)[c] ? (uint8_t)n_borders : 0;
        for (Py_ssize_t r = 0; r < n; r++) {
            float value = (float)rows[r * self->n_features + features[c]];
            column[r] = value != value ? missing : (uint8_t)borders_below(borders, n_borders, value);
        }
    }
}

static void fill_levels(const Oblivious *self, const uint64_t *hashes, Py_ssize_t n, Py_ssize_t stride, uint8_t *column)
{
    for (Py_ssize_t c = 0; c < self->n_levels; c++, column += stride) {
        const uint64_t *given = hashes + I32(self, LEVEL_CATEGORIES)[c] * stride;
        for (Py_ssize_t r = 0; r < n; r++)
            column[r] = (int32_t)(uint32_t)given[r] == I32(self, LEVEL_HASHES)[c];
    }
}

/* The rows take each step together, so that the processor works on several of them at once. */
static void fill_table(const Table *table, const uint64_t *hashes, const uint8_t *bins, Py_ssize_t n, Py_ssize_t stride,
                       uint8_t *column)
{
    uint64_t hash[BLOCK];
    const uint8_t *entry[BLOCK];
    memset(hash, 0, (size_t)n * sizeof *hash);
    for (int32_t i = 0; i < table->n_categories; i++) {
        const uint64_t *given = hashes + table->categories[i] * stride;
        for (Py_ssize_t r = 0; r < n; r++)
            hash[r] = combined(hash[r], given[r]);
    }
    for (int32_t i = 0; i < table->n_questions; i++)
        for (Py_ssize_t r = 0; r < n; r++)
            hash[r] = combined(hash[r], (uint64_t)holds(bins + r, stride, table->questions[i]));
    for (Py_ssize_t r = 0; r < n; r++)
        entry[r] = table->bins + (size_t)entry_of(table, hash[r]) * table->width;
    for (int32_t i = 0; i < table->width; i++)
        for (Py_ssize_t r = 0; r < n; r++)
            column[i * stride + r] = entry[r][i];
}

/* The bins of `n` rows, no more than a block; those of a column lie side by side, `stride` from those of the next. */
static void fill_bins(const Oblivious *self, const double *rows, Py_ssize_t n, Py_ssize_t stride, uint64_t *hashes,
                      uint8_t *bins)
{
    for (Py_ssize_t c = 0; c < self->n_categories; c++)
        for (Py_ssize_t r = 0; r < n; r++)
            hashes[c * stride + r] = level_hash(rows[r * self->n_features + I32(self, CATEGORY_FEATURES)[c]]);
    uint8_t *column = bins;
    fill_numbers(self, rows, n, stride, column);
    column += self->n_numbers * stride;
    fill_levels(self, hashes, n, stride, column);
    column += self->n_levels * stride;
    for (Py_ssize_t t = 0; t < self->n_tables; t++) {
        fill_table(self->tables + t, hashes, bins, n, stride, column);
        column += self->tables[t].width * stride;
    }
}

static void add_trees(const Oblivious *self, const uint8_t *bins, double *sums)
{
    const uint32_t *question = U32(self, QUESTIONS);
    const double *leaves = F64(self, LEAVES);
    for (Py_ssize_t t = 0; t < self->n_trees; t++) {
        int depth = U8(self, DEPTHS)[t];
        uint32_t leaf = 0;
        for (int d = 0; d < depth; d++)
            leaf |= (uint32_t)holds(bins, 1, question[d]) << d;
        for (Py_ssize_t k = 0; k < self->n_outputs; k++)
            sums[k] += leaves[leaf * self->n_outputs + k];
        question += depth;
        leaves += ((Py_ssize_t)1 << depth) * self->n_outputs;
    }
}

/* All rows of a block answer one question: a loop over bytes of fixed length, which compilers turn into vectors. */
FOR_WIDE_VECTORS
static void ask(const uint8_t *restrict column, uint8_t least, uint8_t bit, uint8_t *restrict leaf)
{
    for (int r = 0; r < BLOCK; r++)
        leaf[r] |= (uint8_t)(bit & -(column[r] >= least)); /* no branch */
}

static void ask_all(const uint8_t *bins, const uint32_t *questions, int n, uint8_t *leaf)
{
    memset(leaf, 0, BLOCK);
    for (int d = 0; d < n; d++)
        ask(bins + (Py_ssize_t)(questions[d] >> 8) * BLOCK, (uint8_t)(questions[d] & 255), (uint8_t)(1u << d), leaf);
}

static void add_trees_to_block(const Oblivious *self, const uint8_t *bins, double *sums)
{
    uint8_t low[BLOCK], high[BLOCK] = {0};
    const uint32_t *question = U32(self, QUESTIONS);
    const double *leaves = F64(self, LEAVES);
    for (Py_ssize_t t = 0; t < self->n_trees; t++) {
        int depth = U8(self, DEPTHS)[t];
        ask_all(bins, question, depth < 8 ? depth : 8, low);
        if (depth > 8)
            ask_all(bins, question + 8, depth - 8, high);
        if (self->n_outputs == 1 && depth <= 8) {
            for (int r = 0; r < BLOCK; r++)
                sums[r] += leaves[low[r]];
        } else {
            for (int r = 0; r < BLOCK; r++) {
                const double *leaf = leaves + (low[r] | (depth > 8 ? high[r] << 8 : 0)) * self->n_outputs;
                for (Py_ssize_t k = 0; k < self->n_outputs; k++)
                    sums[r * self->n_outputs + k] += leaf[k];
            }
        }
        question += depth;
        leaves += ((Py_ssize_t)1 << depth) * self->n_outputs;
    }
}

/* From sums of leaves to what is answered, in place. */
static void finish(const Oblivious *self, double *sums)
{
    Py_ssize_t n = self->n_outputs;
    for (Py_ssize_t k = 0; k < n; k++)
        sums[k] = sums[k] * self->scale + F64(self, BIASES)[k];
    if (self->answer == SIGMOID)
        sums[0] = sigmoid(sums[0]);
    else if (self->answer == SOFTMAX)
        softmax(sums, n);
}

/* Room for the hashes, sums and bins of so many rows. */
static size_t room(const Oblivious *self, size_t n_rows)
{
    return n_rows * (8 * ((size_t)self->n_categories + (size_t)self->n_outputs) + (size_t)self->n_columns);
}

/* --- what Python sees ---------------------------------------------------------------------------------------------- */

static PyObject *one(PyObject *object, PyObject *row)
{
    Oblivious *self = (Oblivious *)object;
    uint64_t few[1024], *space = few;
    Py_buffer view;
    if (read_doubles(row, &view, self->n_features, 0) < 0)
        return NULL;
    size_t needed = room(self, 1);
    if (needed > sizeof few && !(space = PyMem_Malloc(needed))) {
        PyBuffer_Release(&view);
        return PyErr_NoMemory();
    }
    double *sums = (double *)(space + self->n_categories);
    uint8_t *bins = (uint8_t *)(sums + self->n_outputs);
    fill_bins(self, view.buf, 1, 1, space, bins);
    PyBuffer_Release(&view);
    memset(sums, 0, (size_t)self->n_outputs * 8);
    add_trees(self, bins, sums);
    finish(self, sums);
    PyObject *answer = as_tuple(sums, self->n_outputs);
    if (space != few)
        PyMem_Free(space);
    return answer;
}

static void answer_rows(const Oblivious *self, const double *rows, Py_ssize_t n, double *answers, uint64_t *space)
{
    double *sums = (double *)(space + BLOCK * self->n_categories);
    uint8_t *bins = (uint8_t *)(sums + BLOCK * self->n_outputs);
    memset(bins, 0, (size_t)(BLOCK * self->n_columns)); /* the last block may be short */
    for (Py_ssize_t first = 0; first < n; first += BLOCK) {
        Py_ssize_t count = n - first < BLOCK ? n - first : BLOCK;
        fill_bins(self, rows + first * self->n_features, count, BLOCK, space, bins);
        memset(sums, 0, (size_t)(BLOCK * self->n_outputs) * 8);
        add_trees_to_block(self, bins, sums);
        for (Py_ssize_t r = 0; r < count; r++)
            finish(self, sums + r * self->n_outputs);
        memcpy(answers + first * self->n_outputs, sums, (size_t)(count * self->n_outputs) * 8);
    }
}

static PyObject *many(PyObject *object, PyObject *arguments)
{
    Oblivious *self = (Oblivious *)object;
    PyObject *given, *wanted;
    Py_buffer values, answers;
    if (!PyArg_ParseTuple(arguments, "OO:many", &given, &wanted) || read_doubles(given, &values, -1, 0) < 0)
        return NULL;
    Py_ssize_t n = values.len / 8 / self->n_features;
    if (values.len != n * self->n_features * 8) {
        PyErr_Format(PyExc_ValueError, "values: expected rows of %zd float64", self->n_features);
        PyBuffer_Release(&values);
        return NULL;
    }
    if (read_doubles(wanted, &answers, n * self->n_outputs, 1) < 0) {
        PyBuffer_Release(&values);
        return NULL;
    }
    uint64_t *space = PyMem_Malloc(room(self, BLOCK) + 8);
    if (space) {
        Py_BEGIN_ALLOW_THREADS
        answer_rows(self, values.buf, n, answers.buf, space);
        Py_END_ALLOW_THREADS
        PyMem_Free(space);
    }
    PyBuffer_Release(&values);
    PyBuffer_Release(&answers);
    if (!space)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

/* --- taking and checking the arrays -------------------------------------------------------------------------------- */

static int refuse(const char *what)
{
    PyErr_Format(PyExc_ValueError, "the tables do not fit together: %s", what);
    return -1;
}

static char kind_of(const char *format)
{
    char code = format ? format[strspn(format, "<=@")] : 'B';
    return strchr("bhilq", code) ? 'i' : strchr("BHILQ?", code) ? 'u' : strchr("fd", code) ? 'f' : 0;
}

static int take_array(Oblivious *self, int which, PyObject *tables)
{
    Py_buffer view;
    PyObject *array = PyObject_GetAttrString(tables, ARRAYS[which].name);
    if (!array)
        return -1;
    int found = PyObject_GetBuffer(array, &view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT);
    Py_DECREF(array);
    if (found < 0)
        return -1;
    int status = -1;
    if (view.itemsize != ARRAYS[which].size || kind_of(view.format) != ARRAYS[which].kind) {
        refuse(ARRAYS[which].name);
    } else if (!(self->arrays[which].data = PyMem_Malloc((size_t)view.len + 1))) {
        PyErr_NoMemory();
    } else {
        memcpy(self->arrays[which].data, view.buf, (size_t)view.len);
        self->arrays[which].n = view.len / view.itemsize;
        status = 0;
    }
    PyBuffer_Release(&view);
    return status;
}

static int take_size(PyObject *tables, const char *name, Py_ssize_t *size)
{
    PyObject *number = PyObject_GetAttrString(tables, name);
    if (!number)
        return -1;
    *size = PyLong_AsSsize_t(number);
    Py_DECREF(number);
    if (*size == -1 && PyErr_Occurred())
        return -1;
    return *size < 1 || *size > INT32_MAX ? refuse(name) : 0;
}

/* Whether all are at least 0 and below a bound. */
static int all_below(const Oblivious *self, int which, Py_ssize_t bound)
{
    for (Py_ssize_t i = 0; i < self->arrays[which].n; i++)
        if (I32(self, which)[i] < 0 || I32(self, which)[i] >= bound)
            return 0;
    return 1;
}

/* Whether these are starts of `n` slices that together are `total` long, none longer than `most`. */
static int are_starts(const Oblivious *self, int which, Py_ssize_t n, Py_ssize_t total, int64_t most)
{
    const Array *array = self->arrays + which;
    if (array->n != n + 1)
        return 0;
    int64_t last = 0;
    for (Py_ssize_t i = 0; i <= n; i++) {
        int64_t at = ARRAYS[which].size == 8 ? I64(self, which)[i] : I32(self, which)[i];
        if (at < last || at > total || at - last > most || (i == 0 && at != 0))
            return 0;
        last = at;
    }
    return last == total;
}

static int questions_are_about(const Oblivious *self, int which, Py_ssize_t n_columns)
{
    for (Py_ssize_t i = 0; i < self->arrays[which].n; i++)
        if ((Py_ssize_t)(U32(self, which)[i] >> 8) >= n_columns)
            return 0;
    return 1;
}

static int check_columns(Oblivious *self)
{
    const Array *arrays = self->arrays;
    self->n_numbers = arrays[NUMBER_FEATURES].n;
    self->n_categories = arrays[CATEGORY_FEATURES].n;
    self->n_levels = arrays[LEVEL_CATEGORIES].n;
    self->n_tables = arrays[TABLE_WIDTHS].n;
    Py_ssize_t first = self->n_numbers + self->n_levels;
    if (!all_below(self, NUMBER_FEATURES, self->n_features) || !all_below(self, CATEGORY_FEATURES, self->n_features))
        return refuse("a column is about a feature that is not there");
    if (arrays[NUMBER_MISSING_LAST].n != self->n_numbers)
        return refuse("number_missing_last");
    if (!are_starts(self, BORDER_STARTS, self->n_numbers, arrays[BORDERS].n, MOST_BORDERS))
        return refuse("border_starts");
    if (!all_below(self, LEVEL_CATEGORIES, self->n_categories) || arrays[LEVEL_HASHES].n != self->n_levels)
        return refuse("a level is about a category that is not there");
    if (!are_starts(self, TABLE_CATEGORY_STARTS, self->n_tables, arrays[TABLE_CATEGORIES].n, INT32_MAX) ||
        !are_starts(self, TABLE_QUESTION_STARTS, self->n_tables, arrays[TABLE_QUESTIONS].n, INT32_MAX) ||
        !are_starts(self, TABLE_KEY_STARTS, self->n_tables, arrays[TABLE_KEYS].n, (int64_t)1 << 30))
        return refuse("table starts");
    if (!all_below(self, TABLE_CATEGORIES, self->n_categories) || !questions_are_about(self, TABLE_QUESTIONS, first))
        return refuse("a table is about a category or a column that is not there");
    return 0;
}

static int check_trees(Oblivious *self)
{
    const Array *arrays = self->arrays;
    Py_ssize_t n_questions = 0, n_leaves = 0;
    self->n_trees = arrays[DEPTHS].n;
    self->n_outputs = arrays[BIASES].n;
    if (self->n_outputs < 1 || (self->answer == SIGMOID && self->n_outputs != 1))
        return refuse("biases");
    for (Py_ssize_t t = 0; t < self->n_trees; t++) {
        if (U8(self, DEPTHS)[t] > MOST_DEPTH)
            return refuse("a tree is too deep");
        n_questions += U8(self, DEPTHS)[t];
        n_leaves += (Py_ssize_t)1 << U8(self, DEPTHS)[t];
    }
    if (arrays[QUESTIONS].n != n_questions || arrays[LEAVES].n % self->n_outputs ||
        arrays[LEAVES].n / self->n_outputs != n_leaves)
        return refuse("questions, leaves and depths");
    if (!questions_are_about(self, QUESTIONS, self->n_columns))
        return refuse("a question is about a column that is not there");
    return 0;
}

static int slot_bits(int64_t n_keys)
{
    int bits = 2;
    while (((int64_t)1 << bits) < 2 * n_keys)
        bits++;
    return bits;
}

static void fill_slots(Table *table, Slot *slots, const uint64_t *keys, int64_t n)
{
    table->slots = slots;
    for (int64_t i = 0; i < n; i++) {
        uint64_t at = keys[i] >> table->shift;
        while (slots[at].entry && slots[at].hash != keys[i])
            at = (at + 1) & table->mask;
        slots[at] = (Slot){keys[i], (uint32_t)(i + 1)};
    }
}

static int make_tables(Oblivious *self)
{
    const int64_t *starts = I64(self, TABLE_KEY_STARTS);
    Py_ssize_t n_bins = 0, n_slots = 0, n_columns = self->n_numbers + self->n_levels;
    if (!(self->tables = PyMem_Calloc((size_t)self->n_tables + 1, sizeof(Table))))
        return PyErr_NoMemory(), -1;
    for (Py_ssize_t t = 0; t < self->n_tables; t++) {
        Table *table = self->tables + t;
        const int32_t *categories = I32(self, TABLE_CATEGORY_STARTS) + t;
        const int32_t *questions = I32(self, TABLE_QUESTION_STARTS) + t;
        int bits = slot_bits(starts[t + 1] - starts[t]);
        int32_t width = I32(self, TABLE_WIDTHS)[t];
        if (width < 0 || width > (1 << 20) || n_columns > (1 << 24))
            return refuse("table_widths");
        *table = (Table){
            .categories = I32(self, TABLE_CATEGORIES) + categories[0], .n_categories = categories[1] - categories[0],
            .questions = U32(self, TABLE_QUESTIONS) + questions[0], .n_questions = questions[1] - questions[0],
            .width = width, .bins = U8(self, TABLE_BINS) + n_bins,
            .shift = 64 - bits, .mask = ((uint64_t)1 << bits) - 1,
        };
        n_columns += width;
        n_bins += (Py_ssize_t)(starts[t + 1] - starts[t] + 1) * width;
        n_slots += (Py_ssize_t)1 << bits;
        if (n_bins > self->arrays[TABLE_BINS].n)
            return refuse("table_bins");
    }
    if (n_bins != self->arrays[TABLE_BINS].n || n_columns > (1 << 24))
        return refuse("table_bins");
    self->n_columns = n_columns;
    if (!(self->slots = PyMem_Calloc((size_t)n_slots + 1, sizeof(Slot))))
        return PyErr_NoMemory(), -1;
    Slot *slots = self->slots;
    for (Py_ssize_t t = 0; t < self->n_tables; t++) {
        fill_slots(self->tables + t, slots, U64(self, TABLE_KEYS) + starts[t], starts[t + 1] - starts[t]);
        slots += self->tables[t].mask + 1;
    }
    PyMem_Free(self->arrays[TABLE_KEYS].data); /* the slots have them now */
    self->arrays[TABLE_KEYS] = (Array){NULL, 0};
    return 0;
}

static int take_all(Oblivious *self, PyObject *tables, const char *answer)
{
    static const char *const answers[] = {"values", "sigmoid", "softmax"};
    int which = 0;
    while (which < 3 && strcmp(answer, answers[which]) != 0)
        which++;
    if (which == 3) {
        PyErr_Format(PyExc_ValueError, "an answer is values, sigmoid or softmax, not %s", answer);
        return -1;
    }
    self->answer = (Answer)which;
    if (take_size(tables, "n_features", &self->n_features) < 0)
        return -1;
    for (int i = 0; i < N_ARRAYS; i++)
        if (take_array(self, i, tables) < 0)
            return -1;
    PyObject *scale = PyObject_GetAttrString(tables, "scale");
    if (!scale)
        return -1;
    self->scale = PyFloat_AsDouble(scale);
    Py_DECREF(scale);
    if (PyErr_Occurred())
        return -1;
    return check_columns(self) < 0 || make_tables(self) < 0 || check_trees(self) < 0 ? -1 : 0;
}

static PyObject *create(PyTypeObject *type, PyObject *arguments, PyObject *named)
{
    static char *names[] = {"tables", "answer", NULL};
    PyObject *tables;
    const char *answer;
    if (!PyArg_ParseTupleAndKeywords(arguments, named, "Os:Oblivious", names, &tables, &answer))
        return NULL;
    PyObject *self = PyType_GenericAlloc(type, 0);
    if (self && take_all((Oblivious *)self, tables, answer) < 0)
        Py_CLEAR(self);
    return self;
}

static void destroy(PyObject *object)
{
    Oblivious *self = (Oblivious *)object;
    PyTypeObject *type = Py_TYPE(object);
    for (int i = 0; i < N_ARRAYS; i++)
        PyMem_Free(self->arrays[i].data);
    PyMem_Free(self->tables);
    PyMem_Free(self->slots);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyObject *get_n_features(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(((Oblivious *)self)->n_features);
}

static PyObject *get_n_outputs(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(((Oblivious *)self)->n_outputs);
}

static PyMethodDef methods[] = {
    {"one", one, METH_O, "The answer for one row, a buffer of `n_features` float64."},
    {"many", many, METH_VARARGS, "Write the answers for rows into a second buffer; other threads go on meanwhile."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"n_features", get_n_features, NULL, "How many numbers a row has.", NULL},
    {"n_outputs", get_n_outputs, NULL, "How many numbers an answer has.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, create},         {Py_tp_dealloc, destroy}, {Py_tp_methods, methods},
    {Py_tp_getset, properties},  {Py_tp_doc, "Symmetric trees over numbers, levels and statistics of levels."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "mlwright._kernels._oblivious.Oblivious",
    .basicsize = sizeof(Oblivious),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

static int fill_module(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    if (!type)
        return -1;
    int status = PyModule_AddObjectRef(module, "Oblivious", type);
    Py_DECREF(type);
    return status;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, fill_module}, {0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "mlwright._kernels._oblivious",
    .m_doc = "Rows through symmetric trees.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__oblivious(void)
{
    return PyModuleDef_Init(&module);
}
