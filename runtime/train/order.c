// See order.h.
#include "runtime/train/order.h"
#include "base/rng.h"
#include "runtime/train/data_internal.h"

enum { HELD_OUT_GROUP = 50 };

RowSplit row_split(int64_t rows, bool hold_out) {
  return (RowSplit){rows, hold_out && rows > 1 ? (rows + HELD_OUT_GROUP - 1) / HELD_OUT_GROUP : 0};
}

int64_t split_count(const RowSplit *s, bool held) {
  return held ? s->groups : s->rows - s->groups;
}

// Group g is the rows from here on, as far as the next one's.
static int64_t group_start(const RowSplit *s, int64_t g) {
  return s->rows / s->groups * g + s->rows % s->groups * g / s->groups;
}

static int64_t held_row(const RowSplit *s, int64_t g) {
  int64_t from = group_start(s, g), size = group_start(s, g + 1) - from;
  return from + rng_below(rng_element(0, SITE_EVAL, (uint64_t)g + 1), (uint32_t)size);
}

// The group that training row i is of: the last one before which there are no more than i of them.
static int64_t group_of(const RowSplit *s, int64_t i) {
  int64_t low = 0, high = s->groups - 1;
  while (low < high) {
    int64_t g = low + (high - low + 1) / 2;
    if (group_start(s, g) - g <= i)
      low = g;
    else
      high = g - 1;
  }
  return low;
}

int64_t split_row(const RowSplit *s, bool held, int64_t i) {
  if (held)
    return held_row(s, i);
  if (!s->groups)
    return i;
  int64_t g = group_of(s, i), row = i + g;
  return row + (row >= held_row(s, g));
}

// A Feistel network (Luby, Rackoff, 1988) over the next larger even number of bits, walked until it falls into [0, n).
uint64_t permuted(const uint32_t key[2], uint64_t i, uint64_t n) {
  int half = 1;
  while (half < 31 && (uint64_t)1 << (2 * half) < n)
    half++;
  uint32_t mask = ((uint32_t)1 << half) - 1;
  do {
    uint32_t left = (uint32_t)(i >> half), right = (uint32_t)i & mask;
    for (uint64_t round = 0; round < 6; round++) {
      uint32_t next = left ^ (rng_element(key[0], key[1], round << 32 | right) & mask);
      left = right;
      right = next;
    }
    i = (uint64_t)left << half | right;
  } while (i >= n);
  return i;
}
