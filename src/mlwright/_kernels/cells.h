/* The cells of a grid of quantiles, counted for a piece of a column of numbers: see data/summaries/README.md.
 *
 * Numbers are ordered as unsigned integers here: the bits of a float64 with the sign turned for those above 0 and all
 * turned for those below. The cell at a shift is that integer shifted to the right.
 */
#ifndef MLWRIGHT_CELLS_H
#define MLWRIGHT_CELLS_H

#include "pieces.h"

/* As in grid.py, which a test compares. */
#define CAPACITY 2048
/* Values that choose the first grid. */
#define SAMPLE 4096
/* Pages of a table of cells: more than the grid may fill, so that it is not made coarser for each new cell. */
#define PAGES 4096
/* Cells side by side, as a power of two, where a cell is more than one value. */
#define PAGE_BITS 5

typedef struct {
    Pair *pairs;
    size_t n;
} Pairs;

static inline uint64_t key_of(double value) {
    uint64_t bits;
    value += 0.0; /* -0.0 and 0.0 are one value */
    memcpy(&bits, &value, sizeof bits);
    return bits ^ ((uint64_t)-(int64_t)(bits >> 63) | (uint64_t)1 << 63);
}

static inline double value_of(uint64_t key) {
    uint64_t bits = key >> 63 ? key ^ (uint64_t)1 << 63 : ~key;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* What a cell of grid.py, which has a sign, is here, and back. */
static inline uint64_t origin(int shift) { return (uint64_t)1 << (63 - shift); }

/* Makes ascending cells the finest that are CAPACITY at most; by how many bits they became coarser. */
static int coarsen_pairs(Pair *cells, size_t *n) {
    if (*n <= CAPACITY)
        return 0;
    /* Two neighbours share a cell once the shift passes the highest bit in which they differ. */
    size_t apart[65] = {0}, filled = 1;
    for (size_t i = 1; i < *n; i++) {
        int highest = 0;
        for (uint64_t differing = cells[i].key ^ cells[i - 1].key; differing; differing >>= 1)
            highest++;
        apart[highest]++;
    }
    int shift = 64;
    while (filled + apart[shift] <= CAPACITY)
        filled += apart[shift--];
    for (size_t i = 0; i < *n; i++)
        cells[i].key >>= shift;
    *n = merge_pairs(cells, *n, NULL, 0, cells);
    return shift;
}

typedef struct {
    Table *table;
    int shift;
} Cells;

static void clear_cells(Cells *cells, int shift) {
    cells->shift = shift;
    clear_table(cells->table, shift ? PAGE_BITS : 0);
}

static Ending coarsen_cells(Cells *cells) {
    size_t n;
    Pair *pairs = sorted_pairs(cells->table, &n);
    if (!pairs)
        return NO_MEMORY;
    int more = coarsen_pairs(pairs, &n);
    if (more) {
        clear_cells(cells, cells->shift + more);
        for (size_t i = 0; i < n; i++)
            *count_in(cells->table, page_of(cells->table, pairs[i].key >> PAGE_BITS), pairs[i].key) +=
                (uint32_t)pairs[i].count;
    }
    free(pairs);
    return DONE;
}

FOR_WIDE_VECTORS
static void find_cells(const double *restrict values, uint64_t *restrict cells, int n, int shift) {
    for (int i = 0; i < n; i++)
        cells[i] = key_of(values[i]) >> shift;
}

/* Counts the cells whose page there is, up to the first without one; how many. */
static int count_known(const Table *table, const uint64_t *cells, int n) {
    const Slot *slots = table->slots;
    uint32_t *counts = table->counts;
    const int page_bits = table->page_bits, drop = 64 - table->slot_bits;
    const size_t last = ((size_t)1 << table->slot_bits) - 1, within = ((size_t)1 << page_bits) - 1;
    for (int i = 0; i < n; i++) {
        uint64_t tag = cells[i] >> page_bits;
        const Slot *slot = slots + (tag * GOLDEN >> drop);
        while (slot->tag != tag && slot->page)
            slot = slots + ((size_t)(slot - slots + 1) & last);
        if (slot->page == 0)
            return i;
        counts[((size_t)slot->page << page_bits) | (cells[i] & within)]++;
    }
    return n;
}

/* Counts a block of values, in cells that become coarser where they are too many. */
static Ending count_values(Cells *cells, const double *values, int n) {
    uint64_t found[BLOCK];
    for (int start = 0; start < n;) {
        find_cells(values + start, found, n - start, cells->shift);
        int done = 0;
        while ((done += count_known(cells->table, found + done, n - start - done)) < n - start)
            if (page_of(cells->table, found[done] >> cells->table->page_bits) == 0)
                break;
        start += done;
        /* Each page holds a cell at least, so that a table without room has more than CAPACITY. */
        if (start < n && coarsen_cells(cells) != DONE)
            return NO_MEMORY;
    }
    return DONE;
}

/* Empty cells that are not too coarse for the piece: a sample of the values is a subset of them. */
static Ending start_cells(Cells *cells, const Piece *piece, int shift) {
    clear_cells(cells, shift);
    if (shift > 0 || piece->n < 2 * SAMPLE)
        return DONE;
    double sample[BLOCK];
    Py_ssize_t step = piece->n / SAMPLE;
    for (Py_ssize_t start = 0; start < SAMPLE; start += BLOCK) {
        for (int i = 0; i < BLOCK; i++)
            sample[i] = piece->values[step * (start + i)];
        if (count_values(cells, sample, BLOCK) != DONE)
            return NO_MEMORY;
    }
    if (coarsen_cells(cells) != DONE)
        return NO_MEMORY;
    clear_cells(cells, cells->shift);
    return DONE;
}

#endif
