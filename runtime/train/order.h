// Which rows are held out, and the order of the others: functions of numbers alone, without a table of rows.
#ifndef BIGSC_RUNTIME_ORDER_H
#define BIGSC_RUNTIME_ORDER_H
#include <stdbool.h>
#include <stdint.h>

// Rows lie in groups of nearly equal size, at most 50; a hash of a group's number picks the one of it that is held out.  A single
// row is for training.
typedef struct RowSplit {
  int64_t rows, groups; // of each group one is held out
} RowSplit;
RowSplit row_split(int64_t rows, bool hold_out);
int64_t split_count(const RowSplit *s, bool held);
// Row i, from 0, of those that are held out, or of the others; ascending.
int64_t split_row(const RowSplit *s, bool held, int64_t i);

// Place i of [0, n) in the permutation of this key: another one for every key.
uint64_t permuted(const uint32_t key[2], uint64_t i, uint64_t n);
#endif
