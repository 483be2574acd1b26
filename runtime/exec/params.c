// Parameters between their place in the arena and dense row-major arrays.
#include "runtime/exec/exec.h"
#include "base/dtype.h"
#include "base/int8.h"
#include <string.h>

int64_t param_count(const BigsParam *p) {
  int64_t n = 1;
  for (int a = 0; a < p->rank; a++)
    n *= p->extent[a];
  return n;
}

int param_elem(const BigsParam *p) {
  return p->dtype == DT_F64 || p->dtype == DT_C128 ? 8 : 4;
}

// As it is stored.
static int arena_elem(const BigsParam *p) {
  return p->pairs ? dtype_size(DT_BF16) : param_elem(p);
}

static void dense_strides(const BigsParam *p, int64_t *stride) {
  int64_t s = 1;
  for (int a = p->rank - 1; a >= 0; a--) {
    stride[a] = s;
    s *= p->extent[a];
  }
}

// Of the columns of a panel.
static int64_t column_of(const BigsParam *p, int64_t n) {
  return p->offset + n / p->width * p->panel + n % p->width * (p->pairs ? 2 : 1);
}

static int64_t row_of(const BigsParam *p, int64_t k) {
  return p->pairs ? (k - k % 2) * p->kstride + k % 2 : k * p->kstride;
}

static int64_t place_of(const BigsParam *p, int64_t k, int64_t n) {
  return p->width > 0 ? column_of(p, n) + row_of(p, k) : p->offset + k;
}

// Calls move for every element, as runs along the last axis: place(i) in the arena, i * stride in
// the dense side.
typedef struct ParamWalk {
  const BigsParam *p;
  char *arena, *dense;
  const int64_t *stride;
  bool to_arena;
  int elem;
} ParamWalk;

static void copy_strided(char *to, int64_t to_step, const char *from, int64_t from_step, int elem,
                         int64_t n) {
  if (elem == 4)
    for (int64_t i = 0; i < n; i++)
      memcpy(to + i * to_step, from + i * from_step, 4);
  else
    for (int64_t i = 0; i < n; i++)
      memcpy(to + i * to_step, from + i * from_step, 8);
}

static void move_rounded(bool to_arena, uint16_t *s, float *d) {
  if (to_arena)
    *s = bf16_of_float(*d);
  else
    *d = bf16_to_float(*s);
}

// A row of what is stored as pairs of bf16: an axis has steps along k or along the columns.
static void move_pairs(const ParamWalk *w, int64_t k, int64_t n, int64_t at) {
  const BigsParam *p = w->p;
  int a = p->rank - 1;
  uint16_t *arena = (uint16_t *)(void *)w->arena;
  float *d = (float *)(void *)w->dense + at;
  int64_t column = column_of(p, n), row = row_of(p, k);
  for (int64_t i = 0; i < p->extent[a]; i++, d += w->stride[a]) {
    if (p->kstep[a])
      row = row_of(p, k + i * p->kstep[a]);
    else
      column = column_of(p, n + i * p->nstep[a]);
    move_rounded(w->to_arena, &arena[row + column], d);
  }
}

static void move_row(const ParamWalk *w, int64_t k, int64_t n, int64_t at) {
  const BigsParam *p = w->p;
  int a = p->rank - 1, elem = w->elem;
  int64_t count = a >= 0 ? p->extent[a] : 1, kstep = a >= 0 ? p->kstep[a] : 0,
          nstep = a >= 0 ? p->nstep[a] : 0;
  int64_t step = (a >= 0 ? w->stride[a] : 1) * elem;
  char *d = w->dense + at * elem;
  for (int64_t i = 0; i < count;) {
    char *s = w->arena + place_of(p, k + i * kstep, n + i * nstep) * elem;
    int64_t run = 1; // elements that are neighbours in the arena
    if (p->width > 0 && kstep == 0 && nstep == 1)
      run = p->width - (n + i) % p->width;
    else if (p->width == 0 && kstep == 1)
      run = count;
    if (run > count - i)
      run = count - i;
    if (step == elem)
      memcpy(w->to_arena ? s : d, w->to_arena ? d : s, (size_t)(run * elem));
    else if (w->to_arena)
      copy_strided(s, elem, d, step, elem, run);
    else
      copy_strided(d, step, s, elem, elem, run);
    d += run * step;
    i += run;
  }
}

// ---- quads of int8

enum { QUAD_WORDS = 4 }; // bytes of a word

// Where a column's words are.
typedef struct QuadColumn {
  char *scale, *sum, *bytes;
} QuadColumn;

static QuadColumn quad_column(const BigsParam *p, char *arena, int64_t n) {
  char *panel = arena + (p->offset + n / p->width * p->panel) * QUAD_WORDS;
  int64_t in = n % p->width * QUAD_WORDS, row = p->width * QUAD_WORDS;
  return (QuadColumn){panel + in, panel + row + in, panel + 2 * row + in};
}

static int8_t *quad_byte(const BigsParam *p, const QuadColumn *c, int64_t k) {
  return (int8_t *)c->bytes + k / 4 * p->width * QUAD_WORDS + k % 4;
}

// What is done with every k of a column, x being its number.
typedef struct QuadWork {
  QuadColumn at;
  uint32_t most;
  int32_t sum;
  float factor; // the scale, or 1 / it
} QuadWork;
typedef void QuadFn(const BigsParam *p, QuadWork *q, int64_t k, float *x);

static void look(const BigsParam *p, QuadWork *q, int64_t k, float *x) {
  (void)p, (void)k;
  uint32_t is = int8_magnitude(*x);
  q->most = is > q->most ? is : q->most;
}

static void put(const BigsParam *p, QuadWork *q, int64_t k, float *x) {
  int8_t is = int8_round(*x, q->factor);
  *quad_byte(p, &q->at, k) = is;
  q->sum += is;
}

static void get(const BigsParam *p, QuadWork *q, int64_t k, float *x) {
  *x = (float)*quad_byte(p, &q->at, k) * q->factor;
}

static void each_k(const ParamWalk *w, QuadWork *q, QuadFn *f, int axis, int64_t k, float *x) {
  const BigsParam *p = w->p;
  if (axis == p->rank) {
    f(p, q, k, x);
    return;
  }
  int64_t count = p->nstep[axis] ? 1 : p->extent[axis];
  for (int64_t i = 0; i < count; i++)
    each_k(w, q, f, axis + 1, k + i * p->kstep[axis], x + i * w->stride[axis]);
}

static void move_column(const ParamWalk *w, int64_t n, float *x) {
  QuadWork q = {.at = quad_column(w->p, w->arena, n)};
  if (!w->to_arena) {
    memcpy(&q.factor, q.at.scale, sizeof q.factor);
    each_k(w, &q, get, 0, 0, x);
    return;
  }
  each_k(w, &q, look, 0, 0, x);
  float scale = int8_scale(q.most);
  q.factor = int8_inverse(q.most);
  each_k(w, &q, put, 0, 0, x);
  q.sum = -q.sum;
  memcpy(q.at.scale, &scale, sizeof scale);
  memcpy(q.at.sum, &q.sum, sizeof q.sum);
}

static void move_columns(const ParamWalk *w, int axis, int64_t n, float *x) {
  const BigsParam *p = w->p;
  if (axis == p->rank) {
    move_column(w, n, x);
    return;
  }
  int64_t count = p->nstep[axis] ? p->extent[axis] : 1;
  for (int64_t i = 0; i < count; i++)
    move_columns(w, axis + 1, n + i * p->nstep[axis], x + i * w->stride[axis]);
}

static void walk(const ParamWalk *w, int axis, int64_t k, int64_t n, int64_t at) {
  const BigsParam *p = w->p;
  if (axis >= p->rank - 1) {
    (p->pairs ? move_pairs : move_row)(w, k, n, at);
    return;
  }
  for (int64_t i = 0; i < p->extent[axis]; i++)
    walk(w, axis + 1, k + i * p->kstep[axis], n + i * p->nstep[axis], at + i * w->stride[axis]);
}

static void move(const BigsParam *p, char *arena, char *dense, const int64_t *stride,
                 bool to_arena) {
  ParamWalk w = {.p = p,
                 .arena = arena,
                 .dense = dense,
                 .stride = stride,
                 .to_arena = to_arena,
                 .elem = param_elem(p)};
  if (p->quads)
    move_columns(&w, 0, p->nlo, (float *)(void *)dense);
  else
    walk(&w, 0, 0, p->nlo, 0);
}

// The arena is only read here, and the dense side below: `move` has one form for both directions.
void param_get_strided(const BigsParam *p, const char *arena, void *out, const int64_t *stride) {
  move(p, (char *)(uintptr_t)arena, (char *)out, stride, false);
}
void param_set_strided(const BigsParam *p, char *arena, const void *in, const int64_t *stride) {
  move(p, arena, (char *)(uintptr_t)in, stride, true);
}
void param_get(const BigsParam *p, const char *arena, void *dense) {
  int64_t stride[BIGS_MAX_RANK];
  dense_strides(p, stride);
  param_get_strided(p, arena, dense, stride);
}
void param_set(const BigsParam *p, char *arena, const void *dense) {
  int64_t stride[BIGS_MAX_RANK];
  dense_strides(p, stride);
  param_set_strided(p, arena, dense, stride);
}

static bool quads_within(const BigsModule *module, const BigsParam *p, int64_t k, int64_t n) {
  const BigsStorage *s = &module->storage[p->storage];
  int64_t first = p->offset * QUAD_WORDS, panels = n / p->width + 1;
  return p->panel >= (k / 4 + 3) * p->width && first >= s->offset && s->offset >= 0 &&
         first + panels * p->panel * QUAD_WORDS <= s->offset + s->bytes &&
         s->offset <= module->param_bytes - s->bytes;
}

static bool lies_within(const BigsModule *module, const BigsParam *p) {
  if (p->storage < 0 || p->storage >= module->nstorage || p->rank > BIGS_MAX_RANK)
    return false;
  const BigsStorage *s = &module->storage[p->storage];
  int64_t k = 0, n = p->nlo, elem = arena_elem(p);
  for (int a = 0; a < p->rank; a++) {
    if (p->extent[a] < 1 || p->kstep[a] < 0 || p->nstep[a] < 0)
      return false;
    k += (p->extent[a] - 1) * p->kstep[a];
    n += (p->extent[a] - 1) * p->nstep[a];
  }
  if ((p->pairs || p->quads) && (p->width <= 0 || !p->rank || p->dtype != DT_F32))
    return false;
  if (p->quads)
    return quads_within(module, p, k, n);
  // Within a panel columns ascend to width - 1: the last panel's end bounds them all.
  int64_t last =
      p->width > 0 ? place_of(p, k, n / p->width * p->width + p->width - 1) : place_of(p, k, n);
  return place_of(p, 0, p->nlo) * elem >= s->offset && (last + 1) * elem <= s->offset + s->bytes &&
         s->offset >= 0 && s->bytes >= 0 && s->offset <= module->param_bytes - s->bytes;
}

const char *params_verify(const BigsModule *module) {
  for (int i = 0; i < module->nparam; i++)
    if (!lies_within(module, &module->param[i]))
      return module->param[i].name;
  return NULL;
}
