/* What the kernels of summaries share: Arrow's bitmaps, tables of counts, sorting.
 *
 * Memory comes from malloc, since they work while other threads have the interpreter.
 */
#ifndef MLWRIGHT_COUNTING_H
#define MLWRIGHT_COUNTING_H

#include "common.h"

#include <stdlib.h>

/* The same loops for each width of vectors, chosen where they run; the linker of glibc can do that. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_WIDE_VECTORS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_WIDE_VECTORS
#endif

/* How a function without the interpreter ends; `raise_failure` says so in Python. */
typedef enum { DONE, NO_MEMORY, TEXT_OUTSIDE, CODE_OUTSIDE, LEVEL_OUTSIDE } Ending;

static inline PyObject *raise_failure(Ending ending) {
    static const char *const WHY[] = {"", "", "a text lies outside its buffer", "a code has no level in the dictionary",
                                      "a level is asked for that is not there"};
    if (ending == NO_MEMORY)
        return PyErr_NoMemory();
    PyErr_SetString(PyExc_ValueError, WHY[ending]);
    return NULL;
}

/* ---- buffers of Arrow ---- */

/* The bytes of an object, or none for None. 0, or -1 with an exception set and nothing to release. */
static inline int read_bytes(PyObject *object, Py_buffer *view) {
    memset(view, 0, sizeof *view);
    return object == Py_None ? 0 : PyObject_GetBuffer(object, view, PyBUF_SIMPLE);
}

/* Several of them, all or none. */
static inline int read_all_bytes(PyObject *const *objects, Py_buffer *views, int n) {
    for (int i = 0; i < n; i++)
        if (read_bytes(objects[i], views + i) < 0) {
            while (i-- > 0)
                PyBuffer_Release(views + i);
            return -1;
        }
    return 0;
}

static inline void release_all(Py_buffer *views, int n) {
    while (n-- > 0)
        PyBuffer_Release(views + n);
}

/* Whether `view` holds the values from `offset` on, `bits` of them each; a bitmap may be left out. */
static inline int holds(const Py_buffer *view, Py_ssize_t offset, Py_ssize_t length, int bits) {
    const Py_ssize_t most = PY_SSIZE_T_MAX / 64;
    if (offset < 0 || length < 0 || offset > most || length > most || length > INT32_MAX)
        return 0;
    return ((offset + length) * bits + 7) / 8 <= view->len;
}

static inline int holds_bitmap(const Py_buffer *view, Py_ssize_t offset, Py_ssize_t length) {
    return view->buf == NULL || holds(view, offset, length, 1);
}

/* Up to 64 bits of a bitmap; only bytes that hold one of them are read. */
static inline uint64_t bits_from(const uint8_t *bitmap, Py_ssize_t first, int n) {
    const uint8_t *from = bitmap + first / 8;
    int skip = (int)(first % 8), bytes = (skip + n + 7) / 8;
    uint64_t word = 0;
    memcpy(&word, from, (size_t)(bytes < 8 ? bytes : 8));
    word >>= skip;
    if (bytes > 8)
        word |= (uint64_t)from[8] << (64 - skip);
    return n < 64 ? word & (((uint64_t)1 << n) - 1) : word;
}

static inline int all_set(uint64_t word, int n) { return word == (n < 64 ? ((uint64_t)1 << n) - 1 : UINT64_MAX); }

static inline int is_set(const uint8_t *bitmap, Py_ssize_t at) {
    return bitmap == NULL || (bitmap[at / 8] >> (at % 8) & 1);
}

/* A bytearray of `n` numbers of 8 bytes; numpy can write to what it makes of it. */
static inline PyObject *as_bytes(const void *numbers, size_t n) {
    return PyByteArray_FromStringAndSize(numbers, (Py_ssize_t)(n * 8));
}

/* ---- hashes and sorting ---- */

#define GOLDEN 0x9E3779B97F4A7C15u
#define MIX_1 0xBF58476D1CE4E5B9u
#define MIX_2 0x94D049BB133111EBu

/* Spreads integers evenly over 64 bits (SplitMix64, Steele, Lea and Flood 2014), as hashing.py does. */
static inline uint64_t mixed(uint64_t h) {
    h ^= h >> 30;
    h *= MIX_1;
    h ^= h >> 27;
    h *= MIX_2;
    return h ^ h >> 31;
}

typedef struct {
    uint64_t key;
    int64_t count;
} Pair;

/* By key, ascending: a byte at a time from the lowest; bytes that are the same everywhere are passed over. */
static inline Ending sort_pairs(Pair *pairs, size_t n) {
    if (n < 48) {
        for (size_t i = 1; i < n; i++) {
            Pair one = pairs[i];
            size_t at = i;
            for (; at > 0 && pairs[at - 1].key > one.key; at--)
                pairs[at] = pairs[at - 1];
            pairs[at] = one;
        }
        return DONE;
    }
    Pair *other = malloc(n * sizeof *other), *from = pairs, *to = other;
    if (!other)
        return NO_MEMORY;
    for (int shift = 0; shift < 64; shift += 8) {
        size_t starts[256] = {0}, start = 0;
        for (size_t i = 0; i < n; i++)
            starts[from[i].key >> shift & 255]++;
        if (starts[from[0].key >> shift & 255] == n)
            continue;
        for (int byte = 0; byte < 256; byte++) {
            size_t here = starts[byte];
            starts[byte] = start;
            start += here;
        }
        for (size_t i = 0; i < n; i++)
            to[starts[from[i].key >> shift & 255]++] = from[i];
        Pair *swap = from;
        from = to;
        to = swap;
    }
    if (from != pairs)
        memcpy(pairs, from, n * sizeof *pairs);
    free(other);
    return DONE;
}

/* Ascending pairs of two lists in one, the counts of a key added; returns how many. `into` has room for both. */
static inline size_t merge_pairs(const Pair *a, size_t n_a, const Pair *b, size_t n_b, Pair *into) {
    size_t n = 0;
    for (size_t i = 0, j = 0; i < n_a || j < n_b;) {
        Pair next = j == n_b || (i < n_a && a[i].key <= b[j].key) ? a[i++] : b[j++];
        if (n > 0 && into[n - 1].key == next.key)
            into[n - 1].count += next.count;
        else
            into[n++] = next;
    }
    return n;
}

/* ---- a table of counts ---- */

/* Counts by key, in pages: 2^page_bits keys that follow each other lie side by side, so that keys that are close use
 * few lines of the cache. Open addressing finds the page. */
typedef struct {
    uint64_t tag;  /* key >> page_bits */
    uint32_t page; /* from 1; 0 is an empty slot */
} Slot;

typedef struct {
    Slot *slots;
    uint64_t *tags;   /* by page */
    uint32_t *counts; /* by page and place in it */
    uint32_t n_pages, most_pages;
    int slot_bits, page_bits;
} Table;

static inline void free_table(Table *table) {
    free(table->slots);
    free(table->tags);
    free(table->counts);
    memset(table, 0, sizeof *table);
}

/* Room for `most_pages`, a power of two, of up to 2^most_bits keys. */
static inline Ending make_table(Table *table, uint32_t most_pages, int most_bits) {
    memset(table, 0, sizeof *table);
    table->most_pages = most_pages;
    table->slot_bits = 1;
    while (((uint32_t)1 << table->slot_bits) < 2 * most_pages)
        table->slot_bits++;
    table->slots = calloc((size_t)1 << table->slot_bits, sizeof *table->slots);
    table->tags = malloc(((size_t)most_pages + 1) * sizeof *table->tags);
    table->counts = malloc((((size_t)most_pages + 1) << most_bits) * sizeof *table->counts);
    if (table->slots && table->tags && table->counts)
        return DONE;
    free_table(table);
    return NO_MEMORY;
}

static inline void clear_table(Table *table, int page_bits) {
    memset(table->slots, 0, sizeof *table->slots << table->slot_bits);
    table->n_pages = 0;
    table->page_bits = page_bits;
}

/* Where a page is or would be. */
static inline Slot *slot_of(const Table *table, uint64_t tag) {
    size_t last = ((size_t)1 << table->slot_bits) - 1;
    size_t at = (size_t)(tag * GOLDEN >> (64 - table->slot_bits));
    while (table->slots[at].page != 0 && table->slots[at].tag != tag)
        at = (at + 1) & last;
    return table->slots + at;
}

/* The number of a page, which is made where it is new; 0 if there is no room for it. */
static inline uint32_t page_of(Table *table, uint64_t tag) {
    Slot *slot = slot_of(table, tag);
    if (slot->page == 0 && table->n_pages < table->most_pages) {
        slot->tag = tag;
        slot->page = ++table->n_pages;
        table->tags[slot->page] = tag;
        memset(table->counts + ((size_t)slot->page << table->page_bits), 0, sizeof *table->counts << table->page_bits);
    }
    return slot->page;
}

static inline uint32_t *count_in(const Table *table, uint32_t page, uint64_t key) {
    uint64_t within = key & (((uint64_t)1 << table->page_bits) - 1);
    return table->counts + (((size_t)page << table->page_bits) | within);
}

/* Twice the pages, for tables of one key a page. */
static inline Ending grow_table(Table *table) {
    Table larger;
    if (make_table(&larger, 2 * table->most_pages, 0) != DONE)
        return NO_MEMORY;
    for (uint32_t page = 1; page <= table->n_pages; page++)
        larger.counts[page_of(&larger, table->tags[page])] = table->counts[page];
    free_table(table);
    *table = larger;
    return DONE;
}

/* All keys with a count, ascending; to be freed. NULL where there is no memory. */
static inline Pair *sorted_pairs(const Table *table, size_t *n) {
    size_t width = (size_t)1 << table->page_bits, found = 0;
    Pair *pages = malloc(((size_t)table->n_pages + 1) * sizeof *pages);
    Pair *pairs = malloc((((size_t)table->n_pages + 1) << table->page_bits) * sizeof *pairs);
    if (pages && pairs) {
        for (uint32_t page = 1; page <= table->n_pages; page++)
            pages[page - 1] = (Pair){table->tags[page], page};
        if (sort_pairs(pages, table->n_pages) == DONE) {
            for (uint32_t i = 0; i < table->n_pages; i++)
                for (size_t within = 0; within < width; within++) {
                    uint32_t count = table->counts[((size_t)pages[i].count << table->page_bits) | within];
                    if (count > 0)
                        pairs[found++] = (Pair){pages[i].key << table->page_bits | within, count};
                }
            free(pages);
            *n = found;
            return pairs;
        }
    }
    free(pages);
    free(pairs);
    return NULL;
}

#endif
