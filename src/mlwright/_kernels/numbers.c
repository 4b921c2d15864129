/* What is kept of a column of numbers, from one piece of it: see data/summaries/README.md for the state.
 *
 * A piece is first read into float64 without what is missing, and counted and summed on the way. Its values are then
 * counted by the cells of the grid. Where each cell is one value, that is all; where not, the values are hashed for the
 * sketch of distinct ones, and those in cells that hold much are counted by themselves.
 */
#include "cells.h"

/* As in distinct.py and numbers.py; a test compares them. */
#define KEPT 1024
#define FREQUENT 0.01
/* Hashes that are compared with the bound together. */
#define GROUP 64

/* ---- distinct values ---- */

typedef struct {
    Table *table;
    uint64_t bound; /* nothing above it is kept */
} Distinct;

FOR_WIDE_VECTORS
static void hash_values(const double *restrict values, uint64_t *restrict hashes, int n) {
    for (int i = 0; i < n; i++) {
        uint64_t bits;
        double value = values[i] + 0.0;
        memcpy(&bits, &value, sizeof bits);
        hashes[i] = mixed(bits + GOLDEN);
    }
}

/* Keeps the smallest hashes. */
static Ending prune(Distinct *distinct) {
    size_t n;
    Pair *pairs = sorted_pairs(distinct->table, &n);
    if (!pairs)
        return NO_MEMORY;
    clear_table(distinct->table, 0);
    for (size_t i = 0; i < n && i < KEPT; i++) {
        distinct->table->counts[page_of(distinct->table, pairs[i].key)] = (uint32_t)pairs[i].count;
        distinct->bound = pairs[i].key;
    }
    free(pairs);
    return DONE;
}

static Ending note_hash(Distinct *distinct, uint64_t hash, uint32_t count) {
    while (hash <= distinct->bound) {
        uint32_t page = page_of(distinct->table, hash);
        if (page) {
            distinct->table->counts[page] += count;
            break;
        }
        if (prune(distinct) != DONE)
            return NO_MEMORY;
    }
    return DONE;
}

FOR_WIDE_VECTORS
static int any_within(const uint64_t *hashes, int n, uint64_t bound) {
    int within = 0;
    for (int i = 0; i < n; i++)
        within |= hashes[i] <= bound;
    return within;
}

static Ending note_distinct(Distinct *distinct, const double *values, int n) {
    uint64_t hashes[BLOCK];
    hash_values(values, hashes, n);
    /* Soon few hashes are small enough, and most groups have none. */
    for (int group = 0; group < n; group += GROUP) {
        int here = n - group < GROUP ? n - group : GROUP;
        if (!any_within(hashes + group, here, distinct->bound))
            continue;
        for (int i = group; i < group + here; i++)
            if (note_hash(distinct, hashes[i], 1) != DONE)
                return NO_MEMORY;
    }
    return DONE;
}

/* The same where each cell is one value. */
static Ending note_distinct_cells(Distinct *distinct, const Pairs *cells) {
    for (size_t i = 0; i < cells->n; i++) {
        double value = value_of(cells->pairs[i].key);
        uint64_t hash;
        hash_values(&value, &hash, 1);
        if (note_hash(distinct, hash, (uint32_t)cells->pairs[i].count) != DONE)
            return NO_MEMORY;
    }
    return DONE;
}

/* ---- frequent values ---- */

/* The values in cells that hold more than `least`, counted by themselves. */
static Ending count_within(const Cells *cells, const Piece *piece, int64_t least, Table *found) {
    uint64_t before = 0, room[BLOCK];
    uint32_t place = 0;
    for (Py_ssize_t start = 0; start < piece->n; start += BLOCK) {
        int n = block_at(start, piece->n);
        find_cells(piece->values + start, room, n, cells->shift);
        for (int i = 0; i < n; i++) {
            const Slot *slot = slot_of(cells->table, room[i] >> cells->table->page_bits);
            if (*count_in(cells->table, slot->page, room[i]) <= least)
                continue;
            /* What is frequent often comes twice in a row. */
            uint64_t key = key_of(piece->values[start + i]);
            while (place == 0 || key != before) {
                before = key;
                if ((place = page_of(found, key)) == 0 && grow_table(found) != DONE)
                    return NO_MEMORY;
            }
            found->counts[place]++;
        }
    }
    return DONE;
}

/* Only the pairs that hold more than `least`. */
static void keep_frequent(Pairs *pairs, int64_t least) {
    size_t kept = 0;
    for (size_t i = 0; i < pairs->n; i++)
        if (pairs->pairs[i].count > least)
            pairs->pairs[kept++] = pairs->pairs[i];
    pairs->n = kept;
}

/* ---- all of it ---- */

/* Memory that a call needs only while it runs. One is kept for the next call, since asking the system for fresh memory
 * takes a third as long as the work; it changes hands only while this thread has the interpreter. */
typedef struct {
    Table cells, hashes;
    double *values;
    Py_ssize_t room;
} Scratch;

static Scratch *idle = NULL;
/* Values for which memory is kept. */
#define MOST_ROOM 262144

static void free_scratch(Scratch *scratch) {
    free_table(&scratch->cells);
    free_table(&scratch->hashes);
    free(scratch->values);
    free(scratch);
}

static void give_scratch(Scratch *scratch) {
    if (idle == NULL && scratch->room <= MOST_ROOM)
        idle = scratch;
    else
        free_scratch(scratch);
}

/* With room for `n` values; NULL with an exception set. */
static Scratch *take_scratch(Py_ssize_t n) {
    Scratch *scratch = idle;
    idle = NULL;
    if (!scratch && (scratch = calloc(1, sizeof *scratch)) != NULL &&
        (make_table(&scratch->cells, PAGES, PAGE_BITS) != DONE || make_table(&scratch->hashes, PAGES, 0) != DONE)) {
        free_scratch(scratch);
        scratch = NULL;
    }
    if (scratch && scratch->room <= n) {
        free(scratch->values);
        scratch->room = n + 1;
        scratch->values = malloc((size_t)scratch->room * sizeof *scratch->values);
        if (!scratch->values) {
            free_scratch(scratch);
            scratch = NULL;
        }
    }
    if (!scratch)
        PyErr_NoMemory();
    return scratch;
}

typedef struct {
    Scratch *scratch;
    Piece piece;
    int shift;
    Pairs grid, distinct, frequent;
} Work;

static Pair *new_pairs(size_t n) { return malloc((n + 1) * sizeof(Pair)); }

static void free_work(Work *work) {
    if (work->scratch)
        give_scratch(work->scratch);
    free(work->grid.pairs);
    free(work->distinct.pairs);
    free(work->frequent.pairs);
}

/* Adds the cells of the piece to those before it. */
static Ending add_cells(Work *work, const Pairs *found, int shift) {
    Pairs *grid = &work->grid;
    Pair *both = new_pairs(grid->n + found->n);
    if (!both)
        return NO_MEMORY;
    for (size_t i = 0; i < grid->n; i++)
        grid->pairs[i].key >>= shift - work->shift;
    size_t n = merge_pairs(grid->pairs, grid->n, found->pairs, found->n, both);
    free(grid->pairs);
    *grid = (Pairs){both, n};
    work->shift = shift + coarsen_pairs(both, &grid->n);
    return DONE;
}

static Ending add_distinct(Work *work, const Table *table) {
    size_t n;
    Pair *found = sorted_pairs(table, &n), *both = found ? new_pairs(work->distinct.n + n) : NULL;
    if (both) {
        size_t all = merge_pairs(work->distinct.pairs, work->distinct.n, found, n, both);
        free(work->distinct.pairs);
        work->distinct = (Pairs){both, all < KEPT ? all : KEPT};
    }
    free(found);
    return both ? DONE : NO_MEMORY;
}

/* The values that fill more than FREQUENT of the piece, with their exact counts. */
static Ending find_frequent(Work *work, const Cells *cells, const Pairs *found) {
    int64_t least = (int64_t)((double)work->piece.n * FREQUENT);
    Pairs *frequent = &work->frequent;
    *frequent = (Pairs){new_pairs(found->n), found->n};
    if (!frequent->pairs)
        return NO_MEMORY;
    memcpy(frequent->pairs, found->pairs, found->n * sizeof *found->pairs);
    keep_frequent(frequent, least);
    if (cells->shift == 0 || frequent->n == 0)
        return DONE;
    Table values;
    if (make_table(&values, PAGES, 0) != DONE)
        return NO_MEMORY;
    Ending ending = count_within(cells, &work->piece, least, &values);
    if (ending == DONE) {
        free(frequent->pairs);
        frequent->pairs = sorted_pairs(&values, &frequent->n);
        ending = frequent->pairs ? DONE : NO_MEMORY;
    }
    if (ending == DONE)
        keep_frequent(frequent, least);
    free_table(&values);
    return ending;
}

/* One walk over the values, as long as a block of them is in the nearest cache. They are hashed where a cell is known to
 * be more than one value. */
static Ending walk(Work *work, Cells *cells, Distinct *distinct) {
    Piece *piece = &work->piece;
    int hashed = cells->shift > 0;
    Ending ending = DONE;
    for (Py_ssize_t start = 0; ending == DONE && start < piece->n; start += BLOCK) {
        const double *values = piece->values + start;
        int n = block_at(start, piece->n);
        note_spread(piece, values, n);
        ending = count_values(cells, values, n);
        if (ending == DONE && hashed)
            ending = note_distinct(distinct, values, n);
    }
    if (!hashed && cells->shift > 0)
        for (Py_ssize_t start = 0; ending == DONE && start < piece->n; start += BLOCK)
            ending = note_distinct(distinct, piece->values + start, block_at(start, piece->n));
    return ending;
}

static Ending summarise(const Column *column, Work *work) {
    Cells cells = {.table = &work->scratch->cells};
    Distinct distinct = {.table = &work->scratch->hashes, .bound = UINT64_MAX};
    if (work->distinct.n >= KEPT)
        distinct.bound = work->distinct.pairs[KEPT - 1].key;
    clear_table(distinct.table, 0);
    work->piece.values = work->scratch->values;
    read_piece(column, &work->piece);
    Pairs found = {NULL, 0};
    Ending ending = start_cells(&cells, &work->piece, work->shift);
    if (ending == DONE)
        ending = walk(work, &cells, &distinct);
    if (ending == DONE && (found.pairs = sorted_pairs(cells.table, &found.n)) == NULL)
        ending = NO_MEMORY;
    if (ending == DONE && cells.shift == 0)
        ending = note_distinct_cells(&distinct, &found);
    if (ending == DONE)
        ending = add_distinct(work, distinct.table);
    if (ending == DONE)
        ending = find_frequent(work, &cells, &found);
    if (ending == DONE)
        ending = add_cells(work, &found, cells.shift);
    free(found.pairs);
    return ending;
}

/* ---- what Python gives and gets ---- */

static int refuse(const char *why) {
    PyErr_SetString(PyExc_ValueError, why);
    return -1;
}

/* Counts by ascending key, as two buffers of 64-bit integers; `turn` is added to each key, which must then be at most `last`. */
static int read_pairs(Pairs *pairs, const Py_buffer *keys, const Py_buffer *counts, uint64_t turn, uint64_t last) {
    if (keys->len != counts->len || keys->len % 8 != 0)
        return refuse("there must be as many counts as keys");
    pairs->n = (size_t)keys->len / 8;
    pairs->pairs = new_pairs(pairs->n);
    if (!pairs->pairs) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < pairs->n; i++) {
        Pair *pair = pairs->pairs + i;
        memcpy(&pair->key, (const uint8_t *)keys->buf + 8 * i, 8);
        memcpy(&pair->count, (const uint8_t *)counts->buf + 8 * i, 8);
        pair->key += turn;
        if (pair->key > last || (i > 0 && pair->key <= pair[-1].key))
            return refuse("the keys of a state must ascend and fit its shift");
    }
    return 0;
}

static int check_column(const Column *column, const Py_buffer *values, const Py_buffer *validity) {
    int bits = bits_of(column->type), moment = column->times != 0;
    if (bits == 0)
        return refuse("no such type of numbers");
    if (column->parts < 1 || (moment && column->type != 'i' && column->type != 'l'))
        return refuse("moments are 32 or 64 bit integers, and whole parts of a microsecond");
    if (!holds(values, column->offset, column->length, bits) || !holds_bitmap(validity, column->offset, column->length))
        return refuse("the column is longer than its buffers");
    return 0;
}

/* Keys and counts as a pair of bytearrays; `turn` is taken off each key. */
static PyObject *pairs_as_bytes(const Pairs *pairs, uint64_t turn) {
    uint64_t *keys = malloc((2 * pairs->n + 1) * sizeof *keys), *counts = keys + pairs->n;
    if (!keys)
        return PyErr_NoMemory();
    for (size_t i = 0; i < pairs->n; i++) {
        keys[i] = pairs->pairs[i].key - turn;
        counts[i] = (uint64_t)pairs->pairs[i].count;
    }
    PyObject *both = Py_BuildValue("(NN)", as_bytes(keys, pairs->n), as_bytes(counts, pairs->n));
    free(keys);
    return both;
}

static PyObject *result_of(Work *work) {
    const Piece *piece = &work->piece;
    for (size_t i = 0; i < work->frequent.n; i++) {
        double value = value_of(work->frequent.pairs[i].key);
        memcpy(&work->frequent.pairs[i].key, &value, sizeof value);
    }
    return Py_BuildValue("((ndddddd)(LLLL)iNNN)", piece->n, piece->mean, piece->m2, piece->m3, piece->m4, piece->low,
                         piece->high, (long long)piece->infinite, (long long)piece->whole, (long long)piece->zeros,
                         (long long)piece->negative, work->shift, pairs_as_bytes(&work->grid, origin(work->shift)),
                         pairs_as_bytes(&work->distinct, 0), pairs_as_bytes(&work->frequent, 0));
}

enum { VALUES, VALIDITY, KEYS, COUNTS, HASHES, HASH_COUNTS, N_BUFFERS };

static PyObject *summarise_numbers(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *given[N_BUFFERS];
    Py_buffer views[N_BUFFERS];
    Column column = {0};
    Work work = {0};
    int type;
    long long times, parts;
    if (!PyArg_ParseTuple(args, "OOnnCLLiOOOO", given + VALUES, given + VALIDITY, &column.offset, &column.length, &type,
                          &times, &parts, &work.shift, given + KEYS, given + COUNTS, given + HASHES, given + HASH_COUNTS))
        return NULL;
    if (read_all_bytes(given, views, N_BUFFERS) < 0)
        return NULL;
    column.values = views[VALUES].buf;
    column.validity = views[VALIDITY].buf;
    column.type = type < 128 ? (char)type : 0;
    column.times = times;
    column.parts = parts;
    PyObject *result = NULL;
    if (work.shift < 0 || work.shift > 63)
        refuse("a shift is from 0 to 63");
    else if (check_column(&column, views + VALUES, views + VALIDITY) == 0 &&
             read_pairs(&work.grid, views + KEYS, views + COUNTS, origin(work.shift), UINT64_MAX >> work.shift) == 0 &&
             read_pairs(&work.distinct, views + HASHES, views + HASH_COUNTS, 0, UINT64_MAX) == 0 &&
             (work.scratch = take_scratch(column.length)) != NULL) {
        Ending ending;
        Py_BEGIN_ALLOW_THREADS
        ending = summarise(&column, &work);
        Py_END_ALLOW_THREADS
        result = ending == DONE ? result_of(&work) : raise_failure(ending);
    }
    free_work(&work);
    release_all(views, N_BUFFERS);
    return result;
}

static PyMethodDef methods[] = {
    {"summarise", summarise_numbers, METH_VARARGS,
     "summarise(values, validity, offset, length, letter, times, parts, shift, keys, counts, hashes, hash_counts)\n\n"
     "A piece of an Arrow column of numbers, added to the grid and the distinct values of those before it."},
    {NULL, NULL, 0, NULL},
};

static int add_constants(PyObject *module) {
    if (PyModule_AddIntConstant(module, "CAPACITY", CAPACITY) < 0)
        return -1;
    return PyModule_AddIntConstant(module, "KEPT", KEPT);
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, add_constants}, {0, NULL}};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_numbers",
    .m_doc = "Moments, grid, distinct and frequent values of a column of numbers.",
    .m_methods = methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__numbers(void) {
    return PyModuleDef_Init(&module);
}
