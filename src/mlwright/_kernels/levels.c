/* What is kept of a column of texts, from one piece of it: counts of dictionary codes or of the texts themselves, then
 * the lengths, hashes and shapes of the levels that were found. See data/summaries/README.md.
 */
#include "counting.h"

/* As in hashing.py and counted.py; the tests compare what comes out. */
#define MULTIPLIERS 512
#define SHAPE_BYTES 40
/* Groups that there is room for at first. */
#define GROUPS 1024

static uint64_t multipliers[MULTIPLIERS];
static uint8_t shapes[256];

static void fill_tables(void) {
    for (uint64_t i = 0; i < MULTIPLIERS; i++)
        multipliers[i] = mixed((i + 1) * GOLDEN) | 1;
    for (int byte = 0; byte < 256; byte++) {
        /* A letter of another alphabet becomes one `a` a byte. */
        int letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte >= 128;
        shapes[byte] = (uint8_t)(letter ? 'a' : byte >= '0' && byte <= '9' ? '9' : byte == '\t' ? ' ' : byte);
    }
}

/* ---- texts ---- */

/* An Arrow array of strings; offsets of 8 bytes where `wide`, of 4 where not. */
typedef struct {
    const uint8_t *offsets, *data;
    Py_ssize_t n_bytes, offset, length;
    int wide;
} Texts;

typedef struct {
    const uint8_t *bytes;
    size_t n;
} Text;

static int64_t offset_at(const Texts *texts, Py_ssize_t i) {
    const uint8_t *from = texts->offsets + (texts->offset + i) * (texts->wide ? 8 : 4);
    if (texts->wide) {
        int64_t wide;
        memcpy(&wide, from, sizeof wide);
        return wide;
    }
    int32_t narrow;
    memcpy(&narrow, from, sizeof narrow);
    return narrow;
}

static int find_text(const Texts *texts, Py_ssize_t i, Text *text) {
    int64_t start = offset_at(texts, i), end = offset_at(texts, i + 1);
    if (start < 0 || end < start || end > texts->n_bytes)
        return 0;
    *text = (Text){texts->data + start, (size_t)(end - start)};
    return 1;
}

/* Of texts that were found before. */
static Text known_text(const Texts *texts, Py_ssize_t i) {
    Text text = {NULL, 0};
    find_text(texts, i, &text);
    return text;
}

/* The hash that a distinct sketch keeps: the same on every machine and in every version. */
static uint64_t kept_hash(Text text) {
    uint64_t sum = (uint64_t)text.n * MIX_1;
    for (size_t i = 0; i < text.n; i++)
        sum += ((uint64_t)text.bytes[i] + 1) * (multipliers[i % MULTIPLIERS] + (uint64_t)(i / MULTIPLIERS) * 2 * MIX_2);
    return mixed(sum);
}

/* In characters: bytes that go on with one are passed over. */
static double characters(Text text) {
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += (text.bytes[i] & 0xC0) != 0x80;
    return (double)n;
}

/* ---- groups ---- */

/* Rows that are alike, in the order in which their firsts come. */
typedef struct {
    Table table;
    int64_t *firsts;
    size_t n;
} Groups;

static Ending make_groups(Groups *groups) {
    memset(groups, 0, sizeof *groups);
    groups->firsts = malloc(GROUPS * sizeof *groups->firsts);
    return groups->firsts && make_table(&groups->table, GROUPS, 0) == DONE ? DONE : NO_MEMORY;
}

static void free_groups(Groups *groups) {
    free_table(&groups->table);
    free(groups->firsts);
}

static Ending grow_groups(Groups *groups) {
    int64_t *more = realloc(groups->firsts, 2 * (size_t)groups->table.most_pages * sizeof *more);
    if (!more)
        return NO_MEMORY;
    groups->firsts = more;
    return grow_table(&groups->table);
}

typedef int Alike(const Texts *texts, int64_t a, int64_t b);

/* Adds `count` times row `at` to the group of the rows alike. Another hash is tried where two that are not share one. */
static inline Ending add_to_group(Groups *groups, const Texts *texts, int64_t at, uint64_t hash, uint32_t count, Alike alike) {
    for (;; hash = mixed(hash + GOLDEN)) {
        uint32_t page;
        while ((page = page_of(&groups->table, hash)) == 0)
            if (grow_groups(groups) != DONE)
                return NO_MEMORY;
        if (page > groups->n)
            groups->firsts[groups->n++] = at;
        else if (!alike(texts, groups->firsts[page - 1], at))
            continue;
        groups->table.counts[page] += count;
        return DONE;
    }
}

static PyObject *groups_as_bytes(const Groups *groups) {
    int64_t *counts = malloc((groups->n + 1) * sizeof *counts);
    if (!counts)
        return PyErr_NoMemory();
    for (size_t i = 0; i < groups->n; i++)
        counts[i] = groups->table.counts[i + 1];
    PyObject *both = Py_BuildValue("(NN)", as_bytes(groups->firsts, groups->n), as_bytes(counts, groups->n));
    free(counts);
    return both;
}

/* ---- equal texts ---- */

/* Only to find groups, so that it need not be the same everywhere: 8 bytes at once. */
static uint64_t quick_hash(Text text) {
    uint64_t hash = (uint64_t)text.n * GOLDEN, word = 0;
    size_t i = 0;
    for (; i + 8 <= text.n; i += 8) {
        memcpy(&word, text.bytes + i, 8);
        hash = (hash ^ word) * MIX_1;
        hash ^= hash >> 29;
    }
    word = 0;
    for (int shift = 0; i < text.n; i++, shift += 8)
        word |= (uint64_t)text.bytes[i] << shift;
    return mixed(hash ^ word);
}

static int same_text(const Texts *texts, int64_t a, int64_t b) {
    Text one = known_text(texts, a), other = known_text(texts, b);
    return one.n == other.n && (one.n == 0 || memcmp(one.bytes, other.bytes, one.n) == 0);
}

static Ending group_rows(const Texts *texts, const uint8_t *validity, Groups *groups, Py_ssize_t *nulls) {
    for (Py_ssize_t i = 0; i < texts->length; i++) {
        Text text;
        if (!is_set(validity, texts->offset + i))
            ++*nulls;
        else if (!find_text(texts, i, &text))
            return TEXT_OUTSIDE;
        else if (add_to_group(groups, texts, i, quick_hash(text), 1, same_text) != DONE)
            return NO_MEMORY;
    }
    return DONE;
}

/* ---- levels ---- */

static size_t shape_bytes(Text text) { return text.n < SHAPE_BYTES ? text.n : SHAPE_BYTES; }

static int same_shape(const Texts *texts, int64_t a, int64_t b) {
    Text one = known_text(texts, a), other = known_text(texts, b);
    size_t n = shape_bytes(one);
    if (n != shape_bytes(other))
        return 0;
    for (size_t i = 0; i < n; i++)
        if (shapes[one.bytes[i]] != shapes[other.bytes[i]])
            return 0;
    return 1;
}

static uint64_t shape_hash(Text text) {
    uint8_t shape[SHAPE_BYTES];
    size_t n = shape_bytes(text);
    for (size_t i = 0; i < n; i++)
        shape[i] = shapes[text.bytes[i]];
    return quick_hash((Text){shape, n});
}

/* Levels, as positions among the texts, and how often each was found. */
typedef struct {
    const int64_t *at, *counts;
    size_t n;
} Levels;

typedef struct {
    int64_t count;
    double mean, m2, m3, m4, low, high;
} Lengths;

typedef struct {
    Groups shapes;
    uint64_t *hashes;
    double *characters;
    Lengths lengths;
} Described;

static void note_lengths(const Levels *levels, const double *characters, Lengths *lengths) {
    double sum = 0;
    for (size_t i = 0; i < levels->n; i++) {
        lengths->count += levels->counts[i];
        sum += characters[i] * (double)levels->counts[i];
        lengths->low = i == 0 || characters[i] < lengths->low ? characters[i] : lengths->low;
        lengths->high = i == 0 || characters[i] > lengths->high ? characters[i] : lengths->high;
    }
    lengths->mean = sum / (double)lengths->count;
    for (size_t i = 0; i < levels->n; i++) {
        double distance = characters[i] - lengths->mean, weighted = (double)levels->counts[i] * distance * distance;
        lengths->m2 += weighted;
        lengths->m3 += weighted * distance;
        lengths->m4 += weighted * distance * distance;
    }
}

static Ending describe_levels(const Texts *texts, const Levels *levels, Described *described) {
    if (make_groups(&described->shapes) != DONE)
        return NO_MEMORY;
    described->hashes = malloc((levels->n + 1) * sizeof *described->hashes);
    described->characters = malloc((levels->n + 1) * sizeof *described->characters);
    if (!described->hashes || !described->characters)
        return NO_MEMORY;
    for (size_t i = 0; i < levels->n; i++) {
        int64_t at = levels->at[i], count = levels->counts[i];
        Text text;
        if (at < 0 || at >= texts->length || count < 1 || count > UINT32_MAX)
            return LEVEL_OUTSIDE;
        if (!find_text(texts, at, &text))
            return TEXT_OUTSIDE;
        described->hashes[i] = kept_hash(text);
        described->characters[i] = characters(text);
        if (add_to_group(&described->shapes, texts, at, shape_hash(text), (uint32_t)count, same_shape) != DONE)
            return NO_MEMORY;
    }
    note_lengths(levels, described->characters, &described->lengths);
    return DONE;
}

/* ---- dictionary codes ---- */

/* Several counts of each level where they are few, so that one that comes twice in a row need not wait for itself. */
#define WAYS 4
#define FEW 4096

static int code_bytes(int type) {
    switch (type) {
    case 'c':
    case 'C':
        return 1;
    case 's':
    case 'S':
        return 2;
    case 'i':
    case 'I':
        return 4;
    case 'l':
    case 'L':
        return 8;
    default:
        return 0;
    }
}

/* The place of each code among the counts: missing ones are counted after the levels, those outside after that. */
#define PLACES(NAME, TYPE)                                                                                             \
    static void NAME(const uint8_t *from, const uint8_t *validity, Py_ssize_t first, uint32_t n, uint32_t *to, int here) { \
        uint64_t valid = validity ? bits_from(validity, first, here) : UINT64_MAX;                                     \
        for (int i = 0; i < here; i++) {                                                                               \
            TYPE code;                                                                                                 \
            memcpy(&code, from + (size_t)(first + i) * sizeof code, sizeof code);                                      \
            uint32_t place = (uint64_t)code < n ? (uint32_t)code : n + 1;                                              \
            to[i] = valid >> i & 1 ? place : n;                                                                        \
        }                                                                                                              \
    }

PLACES(places_int8, int8_t)
PLACES(places_uint8, uint8_t)
PLACES(places_int16, int16_t)
PLACES(places_uint16, uint16_t)
PLACES(places_int32, int32_t)
PLACES(places_uint32, uint32_t)
PLACES(places_int64, int64_t)
PLACES(places_uint64, uint64_t)

typedef void Places(const uint8_t *from, const uint8_t *validity, Py_ssize_t first, uint32_t n, uint32_t *to, int here);

static Places *places_of(int type) {
    switch (type) {
    case 'c':
        return places_int8;
    case 'C':
        return places_uint8;
    case 's':
        return places_int16;
    case 'S':
        return places_uint16;
    case 'i':
        return places_int32;
    case 'I':
        return places_uint32;
    case 'l':
        return places_int64;
    default:
        return places_uint64;
    }
}

/* Into `counts`, which has a place for each of `n` levels, one for missing codes and one for those outside. */
static Ending count_codes(const uint8_t *codes, const uint8_t *validity, Py_ssize_t first, Py_ssize_t length, int type,
                          uint32_t n, int64_t *counts) {
    Places *find = places_of(type);
    size_t size = (size_t)n + 2, n_ways = n < FEW ? WAYS : 1;
    uint32_t *ways = calloc(n_ways * size, sizeof *ways), places[64];
    if (!ways)
        return NO_MEMORY;
    for (Py_ssize_t start = 0; start < length; start += 64) {
        int here = length - start < 64 ? (int)(length - start) : 64;
        find(codes, validity, first + start, n, places, here);
        for (int i = 0; i < here; i++)
            ways[((n_ways - 1) & (size_t)i) * size + places[i]]++;
    }
    for (size_t i = 0; i < size; i++)
        for (size_t way = 0; way < n_ways; way++)
            counts[i] += ways[way * size + i];
    free(ways);
    return counts[n + 1] ? CODE_OUTSIDE : DONE;
}

/* ---- what Python gives and gets ---- */

static int refuse(const char *why) {
    PyErr_SetString(PyExc_ValueError, why);
    return -1;
}

static int check_texts(const Texts *texts, const Py_buffer *offsets) {
    if (texts->length < 0 || texts->length >= INT32_MAX || !holds(offsets, texts->offset, texts->length + 1, texts->wide ? 64 : 32))
        return refuse("the column is longer than its buffers");
    return 0;
}

static PyObject *py_count_codes(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *given[2], *result = NULL;
    Py_buffer views[2];
    Py_ssize_t offset, length, n;
    int type;
    if (!PyArg_ParseTuple(args, "OOnnCn", given, given + 1, &offset, &length, &type, &n) || read_all_bytes(given, views, 2) < 0)
        return NULL;
    int64_t *counts = NULL;
    if (code_bytes(type) == 0 || n < 0 || n > INT32_MAX - 2)
        refuse("codes are integers, of a dictionary of less than 2^31 levels");
    else if (!holds(views, offset, length, 8 * code_bytes(type)) || !holds_bitmap(views + 1, offset, length))
        refuse("the column is longer than its buffers");
    else if ((counts = calloc((size_t)n + 2, sizeof *counts)) == NULL)
        PyErr_NoMemory();
    else {
        Ending ending;
        Py_BEGIN_ALLOW_THREADS
        ending = count_codes(views[0].buf, views[1].buf, offset, length, type, (uint32_t)n, counts);
        Py_END_ALLOW_THREADS
        result = ending == DONE ? as_bytes(counts, (size_t)n) : raise_failure(ending);
    }
    free(counts);
    release_all(views, 2);
    return result;
}

static PyObject *py_group(PyObject *Py_UNUSED(module), PyObject *args) {
    enum { OFFSETS, DATA, VALIDITY, N };
    PyObject *given[N], *result = NULL;
    Py_buffer views[N];
    Texts texts;
    if (!PyArg_ParseTuple(args, "OOOnnp", given, given + DATA, given + VALIDITY, &texts.offset, &texts.length, &texts.wide) ||
        read_all_bytes(given, views, N) < 0)
        return NULL;
    texts.offsets = views[OFFSETS].buf;
    texts.data = views[DATA].buf;
    texts.n_bytes = views[DATA].len;
    if (check_texts(&texts, views + OFFSETS) == 0) {
        Groups groups;
        Py_ssize_t nulls = 0;
        Ending ending;
        if (!holds_bitmap(views + VALIDITY, texts.offset, texts.length))
            refuse("the column is longer than its buffers");
        else {
            Py_BEGIN_ALLOW_THREADS
            ending = make_groups(&groups);
            if (ending == DONE)
                ending = group_rows(&texts, views[VALIDITY].buf, &groups, &nulls);
            Py_END_ALLOW_THREADS
            result = ending == DONE ? groups_as_bytes(&groups) : raise_failure(ending);
            free_groups(&groups);
        }
    }
    release_all(views, N);
    return result;
}

static PyObject *result_of(const Described *described, size_t n) {
    const Lengths *lengths = &described->lengths;
    return Py_BuildValue("((Ldddddd)NN)", (long long)lengths->count, lengths->mean, lengths->m2, lengths->m3, lengths->m4,
                         lengths->low, lengths->high, as_bytes(described->hashes, n), groups_as_bytes(&described->shapes));
}

static PyObject *py_describe(PyObject *Py_UNUSED(module), PyObject *args) {
    enum { OFFSETS, DATA, AT, COUNTS, N };
    PyObject *given[N], *result = NULL;
    Py_buffer views[N];
    Texts texts;
    if (!PyArg_ParseTuple(args, "OOnnpOO", given, given + DATA, &texts.offset, &texts.length, &texts.wide, given + AT,
                          given + COUNTS) ||
        read_all_bytes(given, views, N) < 0)
        return NULL;
    texts.offsets = views[OFFSETS].buf;
    texts.data = views[DATA].buf;
    texts.n_bytes = views[DATA].len;
    Levels levels = {views[AT].buf, views[COUNTS].buf, (size_t)views[AT].len / 8};
    if (views[AT].len != views[COUNTS].len || views[AT].len % 8 != 0 || levels.n == 0 ||
        (uintptr_t)levels.at % 8 != 0 || (uintptr_t)levels.counts % 8 != 0)
        refuse("there must be as many counts as levels, and one at least");
    else if (check_texts(&texts, views + OFFSETS) == 0) {
        Described described = {0};
        Ending ending;
        Py_BEGIN_ALLOW_THREADS
        ending = describe_levels(&texts, &levels, &described);
        Py_END_ALLOW_THREADS
        result = ending == DONE ? result_of(&described, levels.n) : raise_failure(ending);
        free_groups(&described.shapes);
        free(described.hashes);
        free(described.characters);
    }
    release_all(views, N);
    return result;
}

static PyMethodDef methods[] = {
    {"count_codes", py_count_codes, METH_VARARGS,
     "count_codes(codes, validity, offset, length, letter, n_levels)\n\nHow often each level of a dictionary occurs."},
    {"group", py_group, METH_VARARGS,
     "group(offsets, data, validity, offset, length, wide)\n\nThe first row of each text, and how often the text occurs."},
    {"describe", py_describe, METH_VARARGS,
     "describe(offsets, data, offset, length, wide, at, counts)\n\n"
     "Moments of the lengths of counted texts, their hashes, and the first text of each shape with its count."},
    {NULL, NULL, 0, NULL},
};

static int prepare(PyObject *Py_UNUSED(module)) {
    fill_tables();
    return 0;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, prepare}, {0, NULL}};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_levels",
    .m_doc = "Counts, lengths, hashes and shapes of a column of texts.",
    .m_methods = methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__levels(void) {
    return PyModuleDef_Init(&module);
}
