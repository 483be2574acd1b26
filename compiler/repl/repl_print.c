// Arrays as text: the type, then the elements in nested brackets; long axes show their ends only.
#include "base/error.h"
#include "compiler/repl/repl.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// Elements shown at each end of a long axis; arrays of at most so many numbers, in rows of at most
// so many columns, are shown whole.
enum { EDGE = 3, WHOLE = 1000, COLUMNS = 120 };

// Of the numbers in memory.
static DType array_real(DType t) {
  return t == DT_C64 ? DT_F32 : t == DT_C128 ? DT_F64 : t;
}

Array *array_new(DType dtype, const TypedAxis *axis, int rank) {
  int64_t n = dtype_is_complex(dtype) ? 2 : 1;
  for (int i = 0; i < rank; i++)
    n *= axis[i].extent;
  size_t head = sizeof(Array) + (size_t)rank * sizeof *axis,
         size = (size_t)n * (size_t)dtype_size(array_real(dtype));
  head = (head + 63) / 64 * 64;
  Array *a = aligned_alloc(64, (head + size + 127) / 64 * 64);
  if (!a)
    return NULL;
  memset(a, 0, head + size);
  *a = (Array){
      .dtype = dtype, .rank = rank, .axis = (TypedAxis *)(a + 1), .n = n, .data = (char *)a + head};
  if (rank)
    memcpy(a->axis, axis, (size_t)rank * sizeof *axis);
  return a;
}

void array_free(Array *a) {
  free(a);
}

Array *array_copy(const Array *a) {
  Array *x = array_new(a->dtype, a->axis, a->rank);
  if (x)
    memcpy(x->data, a->data, (size_t)array_bytes(a));
  return x;
}

int64_t array_bytes(const Array *a) {
  return a->n * dtype_size(array_real(a->dtype));
}

double array_number(const Array *a, int64_t i) {
  return dtype_get(array_real(a->dtype), a->data, i);
}

void array_set(Array *a, int64_t i, double v) {
  dtype_put(array_real(a->dtype), a->data, i, v);
}

char *array_type(Arena *a, DType dtype, const TypedAxis *axis, int rank) {
  char *text = arena_strdup(a, "");
  for (int i = 0; i < rank; i++)
    text = arena_printf(a, "%s%s%s = %" PRId64, text, i ? ", " : "[", axis[i].name, axis[i].extent);
  return arena_printf(a, "%s%s%s", text, rank ? "] " : "", dtype_name(dtype));
}

// ---- elements

typedef struct ReplPrinter {
  FILE *f;
  const Array *x;
  bool shorten, scientific;
  double largest;
  int width;
} ReplPrinter;

static int number_text(const ReplPrinter *p, double v, bool with_sign, char *buf, size_t size) {
  DType t = array_real(p->x->dtype);
  v = bigs_shown(v);
  if (t == DT_BOOL)
    return snprintf(buf, size, "%s", v != 0 ? "true" : "false");
  if (t == DT_I32)
    return snprintf(buf, size, "%.0f", v);
  if (with_sign)
    return snprintf(buf, size, p->scientific ? "%+.4e" : "%+.4f", v);
  return snprintf(buf, size, p->scientific ? "%.4e" : "%.4f", v);
}

static int element_text(const ReplPrinter *p, int64_t i, char *buf, size_t size) {
  if (!dtype_is_complex(p->x->dtype))
    return number_text(p, array_number(p->x, i), false, buf, size);
  int n = number_text(p, array_number(p->x, 2 * i), false, buf, size);
  n += number_text(p, array_number(p->x, 2 * i + 1), true, buf + n, size - (size_t)n);
  return n + snprintf(buf + n, size - (size_t)n, "i");
}

// Calls visit on the number of every element that is shown, in order.
typedef void Visit(ReplPrinter *p, int64_t element);
static void each_shown(ReplPrinter *p, int axis, int64_t at, Visit *visit) {
  const Array *x = p->x;
  if (axis == x->rank) {
    visit(p, at);
    return;
  }
  int64_t n = x->axis[axis].extent;
  for (int64_t i = 0; i < n; i++) {
    if (p->shorten && n > 2 * EDGE && i == EDGE)
      i = n - EDGE;
    each_shown(p, axis + 1, at * n + i, visit);
  }
}

static void measure(ReplPrinter *p, int64_t i) {
  char buf[128];
  int n = element_text(p, i, buf, sizeof buf);
  p->width = n > p->width ? n : p->width;
}

static void find_largest(ReplPrinter *p, int64_t i) {
  int parts = dtype_is_complex(p->x->dtype) ? 2 : 1;
  for (int k = 0; k < parts; k++) {
    double v = fabs(array_number(p->x, parts * i + k));
    p->largest = isfinite(v) && v > p->largest ? v : p->largest;
  }
}

static void print_axis(ReplPrinter *p, int axis, int64_t at, int indent) {
  const Array *x = p->x;
  char buf[128];
  if (axis == x->rank) {
    element_text(p, at, buf, sizeof buf);
    fprintf(p->f, "%*s", p->width, buf);
    return;
  }
  int64_t n = x->axis[axis].extent;
  bool inner = axis == x->rank - 1;
  fputc('[', p->f);
  for (int64_t i = 0; i < n; i++) {
    if (i && inner)
      fputc(' ', p->f);
    else if (i)
      fprintf(p->f, "%s%*s", axis + 2 < x->rank ? "\n\n" : "\n", indent + 1, "");
    if (p->shorten && n > 2 * EDGE && i == EDGE) {
      fprintf(p->f, inner ? "... " : "...\n%*s", indent + 1, "");
      i = n - EDGE;
    }
    print_axis(p, axis + 1, at * n + i, indent + 1);
  }
  fputc(']', p->f);
}

void array_print(FILE *f, Arena *scratch, const Array *x) {
  ReplPrinter p = {.f = f, .x = x, .shorten = x->n > WHOLE};
  if (dtype_is_float(array_real(x->dtype)))
    each_shown(&p, 0, 0, find_largest);
  // Fixed point would be long, or show nothing.
  p.scientific = p.largest >= 1e5 || (p.largest > 0 && p.largest < 1e-3);
  each_shown(&p, 0, 0, measure);
  if (x->rank && !p.shorten && x->axis[x->rank - 1].extent * (p.width + 1) > COLUMNS) {
    p.shorten = true;
    p.width = 0;
    each_shown(&p, 0, 0, measure);
  }
  if (!x->rank) {
    print_axis(&p, 0, 0, 0);
    fprintf(f, "  %s\n", array_type(scratch, x->dtype, x->axis, 0));
    return;
  }
  fprintf(f, "%s\n", array_type(scratch, x->dtype, x->axis, x->rank));
  print_axis(&p, 0, 0, 0);
  fputc('\n', f);
}
