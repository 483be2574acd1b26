// The interpreter: float64 values of nodes, computed once each, by the evaluators of the op_*.c
// files.  Nothing is rounded to f32 or bf16 (unless eval_narrow asks for it), and nothing is clever:
// every backend is tested against it.
#include "graph/op.h"
#include "base/rng.h"
#include <inttypes.h>
#include <string.h>

// clang-format off
static EvalRule *const rules[OP_COUNT] = {
#define OP(id, name, arity, flags, family) id##_eval,
#include "graph/ops.def"
#undef OP
};
// clang-format on

typedef struct ScanBody {
  const Scan *scan;
  Node **nodes;
  int n;
} ScanBody;
struct Eval {
  Arena *arena;
  const Graph *g;
  int64_t syms[MAX_SYMS];
  uint64_t seed, step;
  const double **value, **bound; // by id; NULL: not yet, none
  double **buffer;               // by id: where a value is computed
  int cap;
  VEC(ScanBody) bodies;
  const char *error;
  const volatile sig_atomic_t *cancel;
  bool narrow;
  EvalStore *store; // NULL: nothing is stored narrower
  void *stored;
};

Eval *eval_new(Arena *a, const Graph *g, const int64_t *syms, uint64_t seed, uint64_t step) {
  Eval *e = NEW(a, Eval);
  e->arena = a;
  e->g = g;
  e->seed = seed;
  e->step = step;
  if (syms && g->syms.n) // first values of parameters need none
    memcpy(e->syms, syms, (size_t)g->syms.n * sizeof *syms);
  sizes_complete(&g->syms, e->syms);
  return e;
}

// Nodes may be made after the Eval.
static void make_room(Eval *e, int id) {
  if (id < e->cap)
    return;
  size_t old = (size_t)e->cap * sizeof(void *);
  e->cap = 2 * id > e->g->nodes.n ? 2 * id : e->g->nodes.n;
  size_t size = (size_t)e->cap * sizeof(void *);
  e->value = arena_grow(e->arena, e->value, old, size);
  e->bound = arena_grow(e->arena, e->bound, old, size);
  e->buffer = arena_grow(e->arena, e->buffer, old, size);
}

void eval_bind(Eval *e, const Node *leaf, const double *data) {
  make_room(e, leaf->id);
  e->bound[leaf->id] = data;
}

void eval_cancel(Eval *e, const volatile sig_atomic_t *flag) {
  e->cancel = flag;
}

void eval_narrow(Eval *e) {
  e->narrow = true;
}

void eval_store(Eval *e, EvalStore *store, void *ctx) {
  e->store = store;
  e->stored = ctx;
}

// ---- what evaluators ask

Arena *eval_arena(Eval *e) {
  return e->arena;
}

int64_t eval_poly(const Eval *e, const Poly *p) {
  return poly_eval(p, e->syms);
}

int64_t eval_extent(const Eval *e, const Axis *a) {
  return poly_eval(&a->extent, e->syms);
}

int64_t eval_size(const Eval *e, Axis *const *ax, int nax) {
  int64_t size = 1;
  for (int i = 0; i < nax; i++)
    size *= eval_extent(e, ax[i]);
  return size;
}

int64_t eval_stride(const Eval *e, const Node *n, const Axis *a) {
  int64_t stride = 1;
  for (int i = n->nax - 1; i >= 0; i--) {
    if (n->ax[i] == a)
      return stride;
    stride *= eval_extent(e, n->ax[i]);
  }
  return 0;
}

const double *eval_leaf(const Eval *e, const Node *n) {
  return e->bound[n->id];
}

void eval_site(const Eval *e, uint64_t site, uint32_t key[2]) {
  rng_site_keys(e->seed, e->step, site, key);
}

double eval_uniform(const uint32_t key[2], int64_t element) {
  return rng_uniform(rng_element(key[0], key[1], (uint64_t)element));
}

void eval_fail(Eval *e, const Node *n, const char *fmt, ...) {
  va_list ap;
  int line, col;
  if (e->error)
    return;
  va_start(ap, fmt);
  e->error = arena_vprintf(e->arena, fmt, ap);
  va_end(ap);
  if (n->span.src) {
    span_pos(n->span, &line, &col);
    e->error = arena_printf(e->arena, "%s:%d:%d: %s", n->span.src->path, line, col, e->error);
  }
}

Node **eval_body(Eval *e, const Scan *s, int *count) {
  int i = 0;
  while (i < e->bodies.n && e->bodies.v[i].scan != s)
    i++;
  if (i == e->bodies.n) {
    ScanBody b = {.scan = s};
    b.nodes = s->result ? scan_body(e->g, e->arena, s, &b.n) : loop_region(e->g, e->arena, s, &b.n);
    vec_push(e->arena, &e->bodies, b);
  }
  *count = e->bodies.v[i].n;
  return e->bodies.v[i].nodes;
}

// ---- walks

void walk_init(AxisWalk *w, const Eval *e, Axis *const *ax, int nax) {
  w->e = e;
  w->n = w->nop = 0;
  for (int i = 0; i < nax; i++)
    walk_axis(w, ax[i]);
}

void walk_axis(AxisWalk *w, Axis *a) {
  if (axis_in(w->ax, w->n, a))
    return;
  CHECK(w->n < WALK_AXES && !w->nop);
  w->ext[w->n] = eval_extent(w->e, a);
  w->ax[w->n++] = a;
}

int walk_operand(AxisWalk *w, const Node *x) {
  int k = w->nop++;
  CHECK(k < WALK_OPERANDS);
  w->base[k] = 0;
  for (int i = 0; i < w->n; i++)
    w->stride[k][i] = eval_stride(w->e, x, w->ax[i]);
  return k;
}

void walk_bind(AxisWalk *w, int k, const Axis *a, int64_t stride) {
  for (int i = 0; i < w->n; i++)
    if (w->ax[i] == a)
      w->stride[k][i] = stride;
}

void walk_start(AxisWalk *w) {
  w->more = true;
  for (int i = 0; i < w->n; i++) {
    w->at[i] = 0;
    w->more &= w->ext[i] > 0;
  }
  w->inner = w->n ? w->ext[w->n - 1] : 1;
  for (int k = 0; k < w->nop; k++) {
    w->off[k] = w->base[k];
    w->step[k] = w->n ? w->stride[k][w->n - 1] : 0;
  }
}

void walk_row(AxisWalk *w) {
  for (int i = w->n - 2; i >= 0; i--) {
    bool wraps = ++w->at[i] == w->ext[i];
    for (int k = 0; k < w->nop; k++)
      w->off[k] += wraps ? -(w->ext[i] - 1) * w->stride[k][i] : w->stride[k][i];
    if (!wraps)
      return;
    w->at[i] = 0;
  }
  w->more = false;
}

// ---- the driver

enum { MAX_ELEMENTS = 1 << 30 };

static bool sizes_fit(Eval *e, const Node *n, int64_t *size) {
  *size = 1;
  for (int i = 0; i < n->nax; i++) {
    int64_t extent = eval_extent(e, n->ax[i]);
    if (extent < axis_least(n->ax[i]))
      eval_fail(e, n, "%s", axis_need(e->arena, e->g, n->ax[i]));
    else if (__builtin_mul_overflow(*size, extent, size) || *size > MAX_ELEMENTS)
      eval_fail(e, n, "too large for the interpreter");
    if (e->error)
      return false;
  }
  return true;
}

static bool is_filled(Eval *e, const Node *n) {
  int count;
  Axis *const *ax = node_filled(n, &count);
  for (int i = 0; i < count; i++)
    if (eval_extent(e, ax[i]) < 1)
      eval_fail(e, n, "%s has no elements", ax[i]->name);
  return !e->error;
}

void eval_set(Eval *e, const Node *n, const double *value) {
  make_room(e, n->id);
  e->value[n->id] = value;
}

static void narrow(DType t, double *v, int64_t n) {
  for (int64_t i = 0; dtype_is_float(t) && i < n; i++)
    v[i] = dtype_round(t, v[i]);
}

static EvalForm stored_form(const Eval *e, const Node *n, int operand) {
  return e->store ? e->store(e->stored, n, operand) : EVAL_WHOLE;
}

static const double *operand_value(Eval *e, const Node *n, int i) {
  const double *v = eval_value(e, n->in[i]);
  EvalForm form = v ? stored_form(e, n, i) : EVAL_WHOLE;
  if (form == EVAL_WHOLE)
    return v;
  int64_t size = eval_size(e, n->in[i]->ax, n->in[i]->nax);
  double *rounded = NEWN(e->arena, double, size);
  memcpy(rounded, v, (size_t)size * sizeof *v);
  if (form != EVAL_BF16)
    eval_int8(e, n, i, form == EVAL_INT8_ROWS, rounded);
  else
    narrow(DT_BF16, rounded, size);
  return rounded;
}

bool eval_compute(Eval *e, Node *n) {
  const double *few[8] = {0},
               **in = n->nin <= COUNT(few) ? few : NEWN(e->arena, const double *, n->nin);
  EvalOp o = {.e = e, .n = n, .in = in};
  make_room(e, n->id);
  if (e->cancel && *e->cancel)
    e->error = "interrupted";
  for (int i = 0; i < n->nin; i++)
    if (!(in[i] = operand_value(e, n, i)))
      return false;
  if (!sizes_fit(e, n, &o.size) || !is_filled(e, n))
    return false;
  double **buffer = &e->buffer[n->id];
  if (!*buffer)
    *buffer = NEWN(e->arena, double, o.size);
  else
    memset(*buffer, 0, (size_t)o.size * sizeof **buffer);
  o.out = *buffer;
  rules[n->op](&o);
  if (e->error)
    return false;
  if (e->narrow)
    narrow((DType)n->dtype, o.out, o.size);
  if (stored_form(e, n, -1) == EVAL_BF16)
    narrow(DT_BF16, o.out, o.size);
  e->value[n->id] = o.out;
  return true;
}

// By ascending id and not by recursion: graphs are deep.
static void compute_all(Eval *e, Node *n) {
  bool *wanted = NEWN(e->arena, bool, n->id + 1);
  int low = n->id;
  wanted[n->id] = true;
  for (int id = n->id; id >= 0; id--)
    if (wanted[id]) {
      const Node *x = e->g->nodes.v[id];
      low = id;
      for (int i = 0; i < x->nin; i++)
        wanted[x->in[i]->id] |= !e->value[x->in[i]->id];
    }
  for (int id = low; id <= n->id && !e->error; id++)
    if (wanted[id])
      eval_compute(e, e->g->nodes.v[id]);
}

const double *eval_value(Eval *e, Node *n) {
  make_room(e, n->id);
  if (!e->value[n->id] && !e->error)
    compute_all(e, n);
  return e->value[n->id];
}

const double *eval_node(Eval *e, Node *n, const char **error) {
  e->error = NULL;
  const double *value = eval_value(e, n);
  if (error)
    *error = e->error;
  return e->error ? NULL : value;
}

const double *eval_in_order(Eval *e, Node *n, Axis *const *ax, int nax, const char **error) {
  const double *from = eval_node(e, n, error);
  if (!from)
    return NULL;
  double *out = NEWN(e->arena, double, eval_size(e, ax, nax)), *to = out;
  AxisWalk w;
  walk_init(&w, e, ax, nax);
  walk_operand(&w, n);
  for (walk_start(&w); w.more; walk_row(&w))
    for (int64_t i = 0; i < w.inner; i++)
      *to++ = from[w.off[0] + i * w.step[0]];
  return out;
}
