// Placement of buffers with known lifetimes in one piece of memory.
#ifndef BIGSC_RUNTIME_PLACE_H
#define BIGSC_RUNTIME_PLACE_H
#include <stdint.h>

typedef struct PlaceItem {
  int64_t bytes;       // 0: takes no room
  int32_t first, last; // lives in these steps, both included
  int64_t offset;      // result, a multiple of PLACE_ALIGN
} PlaceItem;
enum { PLACE_ALIGN = 64 };

// Places the items so that no two that live at once overlap: largest first, each in the smallest
// gap among those already placed that holds it (Pisarchyk and Lee, "Efficient memory management for
// deep neural net inference", 2020, greedy by size).  `order` is room for n numbers.  Returns the
// bytes needed, or -1 when they overflow.
int64_t place_items(PlaceItem *item, int n, int32_t *order);
// The most bytes that live at once: no placement needs less.
int64_t place_live(const PlaceItem *item, int n);
#endif
