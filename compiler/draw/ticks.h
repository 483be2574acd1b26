// Where an axis has its marks: at round numbers.
#ifndef BIGSC_TICKS_H
#define BIGSC_TICKS_H
#include <stdbool.h>
#include <stddef.h>

enum { TICKS_MAX = 16 };
typedef struct Ticks {
  int n;
  double at[TICKS_MAX]; // ascending, within the axis
  double step;          // between them; 0 on a logarithmic axis
} Ticks;

// What an axis shows: lo < hi, and both above 0 where it is logarithmic.
typedef struct AxisRange {
  double lo, hi;
  bool log;
} AxisRange;
// The range with room for n values (those that are not finite, or on a logarithmic axis not above 0, do not count; one value alone
// gets room on both sides).  False: none of them counts.
typedef struct RangeFinder {
  AxisRange range;
  bool any;
} RangeFinder;
void range_take(RangeFinder *f, double x);
bool range_done(RangeFinder *f);
bool range_shows(const AxisRange *r, double x);   // can the axis show such a value?
double range_share(const AxisRange *r, double x); // 0 at lo, 1 at hi

// At multiples of 1, 2 or 5 times a power of ten, about `want` of them (2 to TICKS_MAX).  Logarithmic: at powers of ten, or where
// those are few at 1, 2 and 5 times them, or where they are few, too, as on a linear axis.
Ticks ticks_of(const AxisRange *r, int want);
// "250", "1.5k", "20M", "0.001", "1e-05"; size 32 and more.
void tick_text(const Ticks *t, double x, char *text, size_t size);
#endif
