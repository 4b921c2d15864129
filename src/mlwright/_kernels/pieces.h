/* A piece of an Arrow column of numbers: read into float64 without what is missing, counted and summed on the way. */
#ifndef MLWRIGHT_PIECES_H
#define MLWRIGHT_PIECES_H

#include "counting.h"

#include <float.h>

/* Values that are in the nearest cache together. */
#define BLOCK 1024
/* Sums that run side by side; the same on every machine, since their order is in the result. */
#define LANES 16

/* ---- reading ---- */

typedef struct {
    const uint8_t *values, *validity;
    Py_ssize_t offset, length;
    char type;             /* as Arrow's C data interface writes it */
    int64_t times, parts;  /* of moments: what makes microseconds of them; 0 for other numbers */
} Column;

typedef struct {
    double *values; /* that are finite */
    Py_ssize_t n;
    int64_t infinite, whole, zeros, negative;
    double sum, low, high, mean, m2, m3, m4;
} Piece;

static int bits_of(char type) {
    switch (type) {
    case 'b':
        return 1;
    case 'c':
    case 'C':
        return 8;
    case 's':
    case 'S':
        return 16;
    case 'i':
    case 'I':
    case 'f':
        return 32;
    case 'l':
    case 'L':
    case 'g':
        return 64;
    default:
        return 0;
    }
}

/* Arrow's buffers need not be aligned, so that each value is copied; the compiler makes vectors of it all the same. */
#define READ(NAME, TYPE)                                                                                               \
    FOR_WIDE_VECTORS static void NAME(const uint8_t *restrict from, double *restrict to, int n) {                      \
        for (int i = 0; i < n; i++) {                                                                                  \
            TYPE one;                                                                                                  \
            memcpy(&one, from + (size_t)i * sizeof one, sizeof one);                                                   \
            to[i] = (double)one;                                                                                       \
        }                                                                                                              \
    }

READ(read_int8, int8_t)
READ(read_uint8, uint8_t)
READ(read_int16, int16_t)
READ(read_uint16, uint16_t)
READ(read_int32, int32_t)
READ(read_uint32, uint32_t)
READ(read_int64, int64_t)
READ(read_uint64, uint64_t)
READ(read_float, float)

/* Moments as seconds, by way of whole microseconds; what is too large for them runs over, as in Arrow's own cast. */
static void read_moments(const Column *column, const uint8_t *from, double *to, int n) {
    for (int i = 0; i < n; i++) {
        int64_t one;
        if (column->type == 'i') {
            int32_t narrow;
            memcpy(&narrow, from + (size_t)i * sizeof narrow, sizeof narrow);
            one = narrow;
        } else
            memcpy(&one, from + (size_t)i * sizeof one, sizeof one);
        int64_t micros = (int64_t)((uint64_t)one * (uint64_t)column->times) / column->parts;
        to[i] = (double)micros / 1e6;
    }
}

/* Up to BLOCK values as they are stored, those of missing ones too; `room` where they must be turned into float64. */
static const double *read_values(const Column *column, Py_ssize_t first, double *room, int n) {
    if (column->type == 'b') {
        for (int i = 0; i < n; i++)
            room[i] = is_set(column->values, first + i);
        return room;
    }
    const uint8_t *from = column->values + first * (bits_of(column->type) / 8);
    if (column->times) {
        read_moments(column, from, room, n);
        return room;
    }
    switch (column->type) {
    case 'c':
        read_int8(from, room, n);
        break;
    case 'C':
        read_uint8(from, room, n);
        break;
    case 's':
        read_int16(from, room, n);
        break;
    case 'S':
        read_uint16(from, room, n);
        break;
    case 'i':
        read_int32(from, room, n);
        break;
    case 'I':
        read_uint32(from, room, n);
        break;
    case 'l':
        read_int64(from, room, n);
        break;
    case 'L':
        read_uint64(from, room, n);
        break;
    case 'f':
        read_float(from, room, n);
        break;
    default:
        if ((uintptr_t)from % sizeof *room == 0)
            return (const double *)from;
        memcpy(room, from, (size_t)n * sizeof *room);
    }
    return room;
}

/* Copies the values that there are, 8 by 8 where none of them is missing; how many. */
static int copy_known(const Column *column, Py_ssize_t first, const double *restrict from, double *restrict to, int n) {
    if (column->validity == NULL) {
        memcpy(to, from, (size_t)n * sizeof *to);
        return n;
    }
    int kept = 0;
    for (int start = 0; start < n; start += 64) {
        int here = n - start < 64 ? n - start : 64;
        uint64_t valid = bits_from(column->validity, first + start, here);
        for (int i = start; i < start + here; valid >>= 8) {
            if ((valid & 255) == 255) {
                memcpy(to + kept, from + i, 8 * sizeof *to);
                kept += 8;
                i += 8;
            } else
                for (int last = i + 8 < n ? i + 8 : n, bit = 0; i < last; i++, bit++) {
                    to[kept] = from[i];
                    kept += (int)(valid >> bit & 1);
                }
        }
    }
    return kept;
}

FOR_WIDE_VECTORS
static int64_t count_finite(const double *values, int n) {
    int64_t finite = 0;
    for (int i = 0; i < n; i++)
        finite += fabs(values[i]) <= DBL_MAX;
    return finite;
}

/* Moves finite values to the front and counts those that are infinite; how many are left. */
static int drop_odd(Piece *piece, double *values, int n) {
    if (count_finite(values, n) == n)
        return n;
    int kept = 0;
    for (int i = 0; i < n; i++) {
        double one = values[i];
        piece->infinite += isinf(one) ? 1 : 0;
        values[kept] = one;
        kept += fabs(one) <= DBL_MAX;
    }
    return kept;
}

/* ---- sums ---- */

static double add_lanes(double *sums) {
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int j = 0; j < width; j++)
            sums[j] += sums[j + width];
    return sums[0];
}

FOR_WIDE_VECTORS
static void note_block(Piece *piece, const double *restrict values, int n) {
    double sums[LANES] = {0}, low[LANES], high[LANES];
    for (int j = 0; j < LANES; j++) {
        low[j] = INFINITY;
        high[j] = -INFINITY;
    }
    int whole_lanes = n - n % LANES;
    for (int i = 0; i < whole_lanes; i += LANES)
        for (int j = 0; j < LANES; j++) {
            double one = values[i + j];
            sums[j] += one;
            low[j] = one < low[j] ? one : low[j];
            high[j] = one > high[j] ? one : high[j];
        }
    for (int i = whole_lanes; i < n; i++) {
        double one = values[i];
        sums[i - whole_lanes] += one;
        low[0] = one < low[0] ? one : low[0];
        high[0] = one > high[0] ? one : high[0];
    }
    for (int j = 0; j < LANES; j++) {
        piece->low = low[j] < piece->low ? low[j] : piece->low;
        piece->high = high[j] > piece->high ? high[j] : piece->high;
    }
    piece->sum += add_lanes(sums);
    int64_t whole = 0, zeros = 0, negative = 0;
    for (int i = 0; i < n; i++) {
        /* From 2^52 on every float64 is whole; below, the sum is rounded to a whole number. */
        double size = fabs(values[i]);
        whole += (size >= 0x1p52) | ((size + 0x1p52) - 0x1p52 == size);
        zeros += values[i] == 0;
        negative += values[i] < 0;
    }
    piece->whole += whole;
    piece->zeros += zeros;
    piece->negative += negative;
}

FOR_WIDE_VECTORS
static void note_spread(Piece *piece, const double *restrict values, int n) {
    double second[LANES] = {0}, third[LANES] = {0}, fourth[LANES] = {0}, mean = piece->mean;
    int whole_lanes = n - n % LANES;
    for (int i = 0; i < whole_lanes; i += LANES)
        for (int j = 0; j < LANES; j++) {
            double distance = values[i + j] - mean, squared = distance * distance;
            second[j] += squared;
            third[j] += squared * distance;
            fourth[j] += squared * squared;
        }
    for (int i = whole_lanes; i < n; i++) {
        double distance = values[i] - mean, squared = distance * distance;
        second[i - whole_lanes] += squared;
        third[i - whole_lanes] += squared * distance;
        fourth[i - whole_lanes] += squared * squared;
    }
    piece->m2 += add_lanes(second);
    piece->m3 += add_lanes(third);
    piece->m4 += add_lanes(fourth);
}

/* How many values the block has that begins at `start`. */
static inline int block_at(Py_ssize_t start, Py_ssize_t n) { return (int)(n - start < BLOCK ? n - start : BLOCK); }

/* Fills `piece`, whose values have room for the column, but for what `note_spread` adds. */
static void read_piece(const Column *column, Piece *piece) {
    piece->low = INFINITY;
    piece->high = -INFINITY;
    double room[BLOCK];
    for (Py_ssize_t start = 0; start < column->length; start += BLOCK) {
        int n = block_at(start, column->length);
        double *values = piece->values + piece->n;
        const double *from = read_values(column, column->offset + start, room, n);
        n = copy_known(column, column->offset + start, from, values, n);
        if (column->type == 'g' || column->type == 'f')
            n = drop_odd(piece, values, n);
        note_block(piece, values, n);
        piece->n += n;
    }
    piece->mean = piece->n ? piece->sum / (double)piece->n : 0.0;
}

#endif
