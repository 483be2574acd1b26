// Greedy placement: see place.h.
#include "runtime/exec/place.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int64_t round_up(int64_t bytes) {
  return (bytes + PLACE_ALIGN - 1) / PLACE_ALIGN * PLACE_ALIGN;
}

static bool live_together(const PlaceItem *a, const PlaceItem *b) {
  return a->first <= b->last && b->first <= a->last;
}

// Does a come before b?  Total order, so that the placement is the same everywhere.
static bool larger(const PlaceItem *item, int32_t a, int32_t b) {
  if (item[a].bytes != item[b].bytes)
    return item[a].bytes > item[b].bytes;
  if (item[a].first != item[b].first)
    return item[a].first < item[b].first;
  return a < b;
}

// Heap sort: qsort has no context argument in C11.
static void sift(const PlaceItem *item, int32_t *v, int i, int n) {
  for (int child; (child = 2 * i + 1) < n; i = child) {
    if (child + 1 < n && larger(item, v[child], v[child + 1]))
      child++;
    if (!larger(item, v[i], v[child]))
      return;
    int32_t t = v[i];
    v[i] = v[child];
    v[child] = t;
  }
}
static void sort_by_size(const PlaceItem *item, int32_t *v, int n) {
  for (int i = n / 2 - 1; i >= 0; i--)
    sift(item, v, i, n);
  for (int end = n - 1; end > 0; end--) {
    int32_t t = v[0];
    v[0] = v[end];
    v[end] = t;
    sift(item, v, 0, end);
  }
}

// The offset of the tightest gap for `x` among the placed ones, which are in ascending order of
// offset.
static int64_t find_gap(const PlaceItem *item, const PlaceItem *x, const int32_t *placed, int n) {
  int64_t end = 0, best = -1, best_room = INT64_MAX, need = round_up(x->bytes);
  for (int i = 0; i < n; i++) {
    const PlaceItem *p = &item[placed[i]];
    if (!live_together(p, x))
      continue;
    int64_t room = p->offset - end;
    if (room >= need && room < best_room) {
      best = end;
      best_room = room;
    }
    if (p->offset + round_up(p->bytes) > end)
      end = p->offset + round_up(p->bytes);
  }
  return best >= 0 ? best : end;
}

int64_t place_items(PlaceItem *item, int n, int32_t *order) {
  int64_t total = 0;
  for (int i = 0; i < n; i++)
    order[i] = i;
  sort_by_size(item, order, n);
  // order[0, i) is turned, one by one, into the placed ones by ascending offset.
  for (int i = 0; i < n; i++) {
    int32_t id = order[i];
    PlaceItem *x = &item[id];
    x->offset = 0;
    if (x->bytes == 0)
      continue; // stays where it is in `order`: it overlaps nothing, and its size 0 makes no end
    if (x->bytes > INT64_MAX - PLACE_ALIGN)
      return -1;
    x->offset = find_gap(item, x, order, i);
    if (x->offset > INT64_MAX - PLACE_ALIGN - x->bytes)
      return -1;
    int k = i;
    for (; k > 0 && item[order[k - 1]].offset > x->offset; k--)
      order[k] = order[k - 1];
    order[k] = id;
    if (x->offset + round_up(x->bytes) > total)
      total = x->offset + round_up(x->bytes);
  }
  return total;
}

int64_t place_live(const PlaceItem *item, int n) {
  int64_t most = 0;
  for (int i = 0; i < n; i++) { // the maximum is reached where some item begins
    int64_t sum = 0;
    for (int k = 0; k < n; k++)
      if (item[k].first <= item[i].first && item[i].first <= item[k].last)
        sum += round_up(item[k].bytes);
    if (sum > most)
      most = sum;
  }
  return most;
}
