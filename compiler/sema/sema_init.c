// Where parameters start: `~ e`, the file's `init`, or normal(0.02), as graphs over RANDOM and
// TABLE leaves.
//
// A draw's site is a hash of the parameter's native path and the draw's number in the initializer,
// so that its numbers depend on the seed, the path and the element only.
#include "compiler/sema/blas.h"
#include "base/hash.h"
#include "compiler/sema/sema_check.h"
#include "compiler/sema/sema_eval.h"
#include <complex.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double pi = 3.14159265358979323846;
static const double default_std = 0.02;

// ---- draws, all in f32
static Node *uniform01(Sema *s) {
  Axis *ax[MAX_AXES];
  Frame *f = s->frame;
  ax_graphs(s, &f->init.ax, ax);
  uint64_t site = hash_mix(hash_str(f->path), (uint64_t)f->ndraws++);
  return g_random(s->g, site, ax, f->init.ax.n);
}

static Node *num(Graph *g, double v) {
  return g_const(g, DT_F32, v);
}

static Node *mul(Graph *g, Node *a, Node *b) {
  return g_binary(g, OP_MUL, a, b);
}

static Node *add(Graph *g, Node *a, Node *b) {
  return g_binary(g, OP_ADD, a, b);
}

// Box and Muller: sqrt(-2 log u) cos(2 pi v)
Node *draw_normal(Graph *g, Node *const *uniform, const double *std) {
  Node *r = g_unary(g, OP_SQRT, mul(g, num(g, -2), g_unary(g, OP_LOG, uniform[0])));
  return mul(g, num(g, *std), mul(g, r, g_unary(g, OP_COS, mul(g, num(g, 2 * pi), uniform[1]))));
}

static Node *NORMAL_draw(Sema *s, const double *std) {
  Node *u = uniform01(s), *v = uniform01(s);
  return draw_normal(s->g, (Node *[]){u, v}, std);
}

// A normal distribution cut at two standard deviations, by its inverse: x = sqrt(2) erfinv(y) with
// y uniform within erf(sqrt(2)) of 0.  erfinv starts from its Taylor series; with r = (erf(t) - y)
// / erf'(t), Halley's step is t - r / (1 + t r), and three of them reach f32 from there (the start
// is 0.1 off at worst).
static Node *TRUNC_NORMAL_draw(Sema *s, const double *std) {
  static const double series[] = {1, 1. / 12, 7. / 480, 127. / 40320, 4369. / 5806080};
  Graph *g = s->g;
  double k = erf(sqrt(2));
  Node *y = mul(g, num(g, k), add(g, mul(g, num(g, 2), uniform01(s)), num(g, -1)));
  Node *y2 = mul(g, y, y), *t = num(g, 0);
  for (int i = COUNT(series) - 1; i >= 0; i--)
    t = add(g, mul(g, t, y2), num(g, series[i] * pow(pi, i)));
  t = mul(g, mul(g, num(g, sqrt(pi) / 2), y), t);
  for (int i = 0; i < 3; i++) {
    Node *miss = g_binary(g, OP_SUB, g_unary(g, OP_ERF, t), y);
    Node *r = mul(g, mul(g, num(g, sqrt(pi) / 2), miss), g_unary(g, OP_EXP, mul(g, t, t)));
    t = g_binary(g, OP_SUB, t, g_binary(g, OP_DIV, r, add(g, num(g, 1), mul(g, t, r))));
  }
  Node *limit = num(g, sqrt(2)); // rounding may pass it
  t = g_binary(g, OP_MAX, g_binary(g, OP_MIN, t, limit), g_unary(g, OP_NEG, limit));
  return mul(g, num(g, sqrt(2) * *std), t);
}

Node *draw_uniform(Graph *g, Node *const *uniform, const double *range) {
  return add(g, num(g, range[0]), mul(g, num(g, range[1] - range[0]), *uniform));
}

static Node *UNIFORM_draw(Sema *s, const double *range) {
  return draw_uniform(s->g, (Node *[]){uniform01(s)}, range);
}

const char *draw_normal_fault(const double *std) {
  return *std < 0 ? "a standard deviation is not negative" : NULL;
}

static const char *NORMAL_fault(const double *std) {
  return draw_normal_fault(std);
}

static const char *UNIFORM_fault(const double *range) {
  return draw_uniform_fault(range);
}

static const char *TRUNC_NORMAL_fault(const double *std) {
  return draw_normal_fault(std);
}

const char *draw_uniform_fault(const double *range) {
  return range[0] > range[1] ? "an empty range" : NULL;
}

// ---- hippo
// Ascending eigenvalues of the Hermitian -iK, K[n,k] = sqrt((2n+1)(2k+1))/2 for n < k and minus
// that for n > k: the frequencies of HiPPO-LegS in diagonal form (Gu, Dao, Ermon, Rudra, Re 2020).
// NULL: LAPACK failed, *why says how.
static double *hippo_table(Arena *a, int n, const char **why) {
  double complex *m = calloc((size_t)n * (size_t)n, sizeof *m),
                 *work = calloc((size_t)n * 64, sizeof *work);
  double *w = NEWN(a, double, n), *rwork = calloc((size_t)n * 3, sizeof *rwork);
  int lwork = n * 64, info = -1;
  Blas blas;
  *why = "they did not converge";
  if (!m || !work || !rwork)
    out_of_memory();
  if (blas_load(&blas, 1, why)) {
    for (int c = 0; c < n; c++)
      for (int r = 0; r < c; r++) // the upper triangle, column-major: -i K[r][c]
        m[(size_t)c * (size_t)n + (size_t)r] = -I * (sqrt((2. * r + 1) * (2. * c + 1)) / 2);
    blas.zheev("N", "U", &n, m, &n, w, work, &lwork, rwork, &info);
  }
  free(m);
  free(work);
  free(rwork);
  return info ? NULL : w;
}

static Value *HIPPO_value(Sema *s, Span at) {
  enum { LIMIT = 4096 };
  Frame *f = s->frame;
  int64_t n;
  if (!f->init.ax.n)
    return sema_fail(s, ERR_BAD_INITIALIZER, at,
                     "`hippo` needs a parameter with an axis to lie along");
  if (dtype_is_complex(f->init.dtype))
    return sema_fail(s, ERR_BAD_INITIALIZER, at, "`hippo` is real, and the parameter is %s",
                     dtype_name(f->init.dtype));
  Ax *a = f->init.ax.v[f->init.ax.n - 1];
  if (ax_const(a, &n) && n > LIMIT)
    return sema_fail(s, ERR_BAD_INITIALIZER, at, "`hippo` of %lld frequencies: at most %d",
                     (long long)n, LIMIT);
  Value *v = v_tensor(s, f->init.dtype, ax_list(s, &a, 1));
  if (checking(s))
    return v;
  const char *why;
  double *w = NULL;
  for (int i = 0; i < s->m->hippo.n && !w; i++)
    if (s->m->hippo.v[i].n == n)
      w = s->m->hippo.v[i].w;
  if (!w && (w = hippo_table(s->a, (int)n, &why)))
    vec_push(s->a, &s->m->hippo, (Hippo){(int)n, w});
  if (!w)
    return sema_fail(s, ERR_BAD_INITIALIZER, at, "the eigenvalues of `hippo` are not to be had: %s",
                     why);
  v->re = g_cast(s->g, g_table(s->g, DT_F64, ax_graph(s, a), w), f->init.dtype);
  return v;
}

// ---- by name
typedef struct Initializer {
  const char *name;
  Value *(*value)(Sema *, Span); // without arguments; else
  Node *(*draw)(Sema *, const double *x);
  const char *(*fault)(const double *x); // of the arguments, or NULL
  const char *with;
  const char *formal[2]; // the second may be NULL
} Initializer;
#define INITIALIZER(id, name)                                                                      \
  static const Initializer id = {name, id##_value, NULL, NULL, NULL, {NULL}};
#define DRAW(id, name, with, ...)                                                                  \
  static const Initializer id = {name, NULL, id##_draw, id##_fault, with, {__VA_ARGS__}};
#include "compiler/sema/initializers.def"

static const Initializer *const initializers[] = {
#define INITIALIZER(id, name) &id,
#include "compiler/sema/initializers.def"
};

const char *initializer_name(int i) {
  return i < COUNT(initializers) ? initializers[i]->name : NULL;
}

static const Initializer *initializer(const char *name) {
  for (int i = 0; i < COUNT(initializers); i++)
    if (!strcmp(initializers[i]->name, name))
      return initializers[i];
  return NULL;
}

static bool init_args(Sema *s, const Expr *e, const char *name, const char *const *formal, int n,
                      double *out) {
  bool ok = true, got[2] = {false, false};
  for (int i = 0; i < e->args.n && ok; i++) {
    const Arg *a = &e->args.v[i];
    int k = i;
    if (a->name.s)
      for (k = 0; k < n && strcmp(formal[k], a->name.s); k++) {
      }
    if (k >= n || got[k]) {
      if (a->name.s)
        sema_error(s, ERR_WRONG_ARGUMENTS, a->span, "`%s` has no argument `%s`%s", name, a->name.s,
                   k < n ? " any more" : "");
      else
        sema_error(s, ERR_WRONG_ARGUMENTS, e->span, "`%s` takes %d argument%s", name, n,
                   n == 1 ? "" : "s");
      return false;
    }
    Value *v = sema_value(s, a->value);
    got[k] = true;
    if (is_poison(v) || !v_const(v, &out[k])) {
      if (!is_poison(v))
        sema_error(s, ERR_OUT_OF_RANGE, a->value->span, "`%s` of `%s` is a constant number",
                   formal[k], name);
      ok = false;
    }
  }
  for (int k = 0; k < n && ok; k++)
    if (!got[k]) {
      sema_error(s, ERR_WRONG_ARGUMENTS, e->span, "`%s` is called without its argument `%s`", name,
                 formal[k]);
      ok = false;
    }
  return ok;
}

static Value *draws(Sema *s, const Initializer *t, const double *x) {
  Frame *f = s->frame;
  Value *v = v_tensor(s, f->init.dtype, f->init.ax);
  if (checking(s))
    return v;
  Node *part[2] = {NULL, NULL};
  for (int i = 0; i < (dtype_is_complex(f->init.dtype) ? 2 : 1); i++) {
    Node *d = t->draw(s, x);
    part[i] = g_cast(s->g, d, dtype_real(f->init.dtype));
  }
  pair_set(s, v, (NodePair){part[0], part[1]});
  return v;
}

static Value *call_draw(Sema *s, const Expr *e, const Initializer *t) {
  double x[2] = {0, 0};
  if (e->kind != EX_CALL)
    return sema_fail(s, ERR_FUNCTION_OR_VALUE, e->span, "`%s` is called with %s", t->name, t->with);
  if (!init_args(s, e, t->name, t->formal, t->formal[1] ? 2 : 1, x))
    return v_poison(s);
  const char *fault = t->fault(x);
  return fault ? sema_fail(s, ERR_OUT_OF_RANGE, e->span, "%s", fault) : draws(s, t, x);
}

Value *sema_call_init(Sema *s, const Expr *e) {
  const Expr *callee = e->kind == EX_CALL ? e->a : e;
  const Initializer *t = callee->kind == EX_NAME ? initializer(callee->name.s) : NULL;
  if (!t || !t->value)
    return t ? call_draw(s, e, t) : NULL;
  return e->kind == EX_CALL && e->args.n
             ? sema_fail(s, ERR_WRONG_ARGUMENTS, e->span, "`%s` takes no arguments", t->name)
             : t->value(s, e->span);
}

// ---- parameters
static Frame *init_frame(Sema *s, const Ty *t, const char *path, bool of_file) {
  Frame *mod = s->frame;
  const Scope *around = of_file ? NULL : s->scope;
  Frame *f = frame_push(s, FR_INIT, "init", (Span){0});
  f->seq = of_file || !mod ? s->m->init_seq : mod->seq;
  f->init = *t;
  f->init_of_file = of_file;
  f->around = around;
  f->path = path;
  if (!of_file && mod) {
    f->generics = mod->generics;
    f->ngenerics = mod->ngenerics;
    f->map = mod->map;
    f->prelude = mod->prelude;
    f->depth = mod->depth;
  }
  return f;
}

static bool init_fits(Sema *s, const Expr *e, const Value *v, const Ty *t) {
  if (is_poison(v) || t->bad)
    return false;
  if (is_number(v)) {
    if (!v->num->is_complex || dtype_is_complex(t->dtype))
      return true;
    sema_error(s, ERR_OTHER_DTYPE, e->span, "the parameter is %s, and this is a complex number",
               dtype_name(t->dtype));
    return false;
  }
  bool of_file = s->frame->init_of_file;
  for (int i = 0; i < v->ax.n; i++)
    if (!ax_in(&t->ax, v->ax.v[i]) && of_file) {
      sema_error(s, ERR_OTHER_DIMS, e->span,
                 "`init` starts parameters of any dimensions, and this value has `%s`",
                 ax_str(s, v->ax.v[i]));
      return false;
    } else if (!ax_in(&t->ax, v->ax.v[i])) {
      Diag *g = sema_error(s, ERR_OTHER_DIMS, e->span,
                           "the first value has `%s`, but the parameter is %s",
                           ax_str(s, v->ax.v[i]), dtype_axes_str(s, t->dtype, &t->ax));
      sema_label_type(s, g, e->span, v);
      return false;
    }
  if (v->dtype != DT_BOOL && dtype_promote(v->dtype, t->dtype) == t->dtype)
    return true;
  sema_error(s, ERR_OTHER_DTYPE, e->span, "the first value is %s, and the parameter %s",
             dtype_name(v->dtype), dtype_name(t->dtype));
  return false;
}

// Check mode, in the module's frame.
void sema_check_init(Sema *s, const Stmt *st, const Ty *t) {
  if (!st->value || t->bad)
    return;
  Saved old = frame_save(s);
  init_frame(s, t, "", false);
  init_fits(s, st->value, sema_value(s, st->value), t);
  frame_restore(s, old);
}

void sema_check_file_init(Sema *s) {
  if (!s->m->init)
    return;
  Saved old = frame_save(s);
  s->frame = NULL;
  Ax *any = ax_new(s, AX_GENERIC, "any", poly_sym(SYM_GENERIC), (Span){0});
  Ty t = {.dtype = DT_F32, .ax = ax_list(s, &any, 1)};
  init_frame(s, &t, "", true);
  init_fits(s, s->m->init, sema_value(s, s->m->init), &t);
  frame_restore(s, old);
}

// Build mode, in a frame of the parameter's instance.  A graph with the axes of the PARAM leaf.
Node *sema_param_init(Sema *s, const ParamDecl *p) {
  Ty t = {.dtype = p->info.dtype, .ax = p->ax};
  const Expr *e = p->stmt->value ? p->stmt->value : s->m->init;
  Saved old = frame_save(s);
  init_frame(s, &t, p->info.path, !p->stmt->value);
  sema_mark(s, e ? e->span : p->info.span);
  Value *v = e ? sema_value(s, e) : draws(s, &NORMAL, &default_std);
  if (is_poison(v)) {
    frame_restore(s, old);
    return NULL;
  }
  NodePair q = pair_of(s, v, t.dtype);
  Value *full = v_tensor(s, t.dtype, t.ax);
  if (is_number(v)) {
    Axis *ax[MAX_AXES];
    ax_graphs(s, &t.ax, ax);
    q.re = g_full(s->g, dtype_real(t.dtype), v->num->re, ax, t.ax.n);
  }
  pair_set(s, full, q);
  Node *n = dtype_is_complex(t.dtype) ? pair_join(s, full->re, full->im) : full->re;
  frame_restore(s, old);
  return g_cast(s->g, n, param_storage(t.dtype));
}
