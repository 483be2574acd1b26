// :cost and :compare: what computing a value takes.
#include "base/clock.h"
#include "base/error.h"
#include "compiler/repl/repl.h"
#include "runtime/exec/exec.h"
#include "runtime/files/file.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_TIMES = 50 };
static const double CHEAP = 0.3,
                    SLOW = 2; // seconds for all runs; of one after which there is no other

typedef struct Cost {
  const char *of, *type;
  const char *interpreted; // why; NULL: it is compiled
  double parameters, flops, bytes, memory, seconds, value, loss;
  bool scalar; // has one value
  bool loses;  // `loss` is one on data
  Array *all;  // else its values
} Cost;

// ---- counting

static double parameters_of(const Ready *e) {
  int n;
  double sum = 0;
  Node **live = graph_reachable(e->graph, &e->outs.v[0].node, 1, &n);
  for (int i = 0; i < n; i++) {
    double own = live[i]->op == OP_PARAM && !ready_draws(e, live[i]);
    for (int k = 0; k < live[i]->nax; k++)
      own *= (double)poly_eval(&live[i]->ax[k]->extent, NULL);
    sum += own;
  }
  return sum;
}

static void count_steps(const Ready *e, Cost *c) {
  const BigsProgram *p = &e->module->program[0];
  for (int i = 0; i < p->nstep; i++) {
    c->flops += step_flops(e->module, &p->step[i], (const int64_t[MAX_SYMS]){0});
    c->bytes += (double)poly_eval(module_poly(e->module, p->step[i].bytes), NULL);
  }
  c->memory = (double)model_peak_bytes(e->handle);
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// The first run binds to sizes: it does not count.  false: failed, reported.
static bool time_runs(Ready *e, Cost *c) {
  double t[MOST_TIMES], start = clock_seconds();
  int n = 0;
  if (!ready_run(e))
    return false;
  c->seconds = clock_seconds() - start;
  start = clock_seconds();
  while (e->handle && c->seconds < SLOW && n < MOST_TIMES &&
         (!n || clock_seconds() - start < CHEAP)) {
    double begin = clock_seconds();
    if (!ready_run(e))
      return false;
    t[n++] = clock_seconds() - begin;
  }
  qsort(t, (size_t)n, sizeof *t, ascending);
  c->seconds = n ? t[n / 2] : c->seconds;
  return true;
}

static bool cost_of(Repl *r, Expr *x, const char *text, Cost *c) {
  Ready e;
  *c = (Cost){.of = text};
  bool ok = ready_elaborate(&e, r, x, NULL) && ready_build(&e, false) && time_runs(&e, c);
  if (ok) {
    c->type = arena_strdup(r->arena, array_type(e.arena, e.dtype, e.axes, e.nax));
    c->parameters = parameters_of(&e);
    c->interpreted = e.handle ? NULL : arena_strdup(r->arena, e.why);
    c->scalar = !e.nax && !dtype_is_complex(e.dtype);
    c->value = array_number(e.results[0], 0);
    c->all = c->scalar ? NULL : ready_take(&e, 0);
    if (e.handle)
      count_steps(&e, c);
  }
  ready_free(&e);
  return ok;
}

// ---- in words

static const char *scaled(Arena *a, double x, double base, const char *const *unit, int n) {
  int i = 0;
  while (x >= base && i < n - 1) {
    x /= base;
    i++;
  }
  return arena_printf(a, i ? "%.3g %s" : "%.0f %s", x, unit[i]);
}

static const char *flops_text(Arena *a, double x) {
  static const char *const unit[] = {"FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP"};
  return scaled(a, x, 1000, unit, COUNT(unit));
}

static const char *bytes_text(Arena *a, double x) {
  static const char *const unit[] = {"bytes", "KiB", "MiB", "GiB"};
  return scaled(a, x, 1024, unit, COUNT(unit));
}

static const char *cost_line(Arena *a, const Cost *c, int row) {
  switch (row) {
  case 0: return arena_printf(a, "%.0f", c->parameters);
  case 1: return c->interpreted ? "" : flops_text(a, c->flops);
  case 2: return c->interpreted ? "" : bytes_text(a, c->bytes);
  case 3: return c->interpreted ? "" : bytes_text(a, c->memory);
  case 4:
    return arena_printf(a, "%s%s", repl_duration(a, c->seconds),
                        c->interpreted ? " (interpreted)" : "");
  case 5: return c->scalar && !c->loses ? arena_printf(a, "%.6g", bigs_shown(c->value)) : "";
  default: return c->loses ? arena_printf(a, "%.6g", bigs_shown(c->loss)) : "";
  }
}

static const char *const row_names[] = {"parameters", "arithmetic", "reads and writes", "memory",
                                        "time",       "value",      "loss on data"};

static void print_cost(Repl *r, Arena *a, const Cost *c) {
  fprintf(r->out, "%s : %s\n", c->of, c->type);
  for (int i = 0; i < COUNT(row_names) - 2; i++)
    if (*cost_line(a, c, i))
      fprintf(r->out, "  %-17s %s\n", row_names[i], cost_line(a, c, i));
  if (c->flops > 0)
    fprintf(r->out, "  %-17s %.1f GFLOP/s\n", "speed", c->flops / c->seconds / 1e9);
}

void repl_cost(Repl *r, const char *text) {
  Cost c;
  Expr *x = repl_argument(r, text);
  if (x && cost_of(r, x, text, &c)) {
    print_cost(r, r->arena, &c);
    array_free(c.all);
  }
}

// ---- :compare

static int wider(int width, const char *text) {
  int n = (int)strlen(text);
  return n > width ? n : width;
}

static void print_both(Repl *r, const Cost *a, const Cost *b) {
  Arena *m = r->arena;
  int width = wider(8, a->of);
  for (int i = 0; i < COUNT(row_names); i++)
    width = wider(width, cost_line(m, a, i));
  fprintf(r->out, "  %-17s %-*s  %s\n", "", width, a->of, b->of);
  for (int i = 0; i < COUNT(row_names); i++)
    if (*cost_line(m, a, i) || *cost_line(m, b, i))
      fprintf(r->out, "  %-17s %-*s  %s\n", row_names[i], width, cost_line(m, a, i),
              cost_line(m, b, i));
}

// ---- the values of two, element by element: axes meet by their names

typedef struct Apart {
  double most;
  int64_t at, differ; // an element of the first; how many are not the same
} Apart;

static int axis_of(const Array *x, const char *name) {
  for (int i = 0; i < x->rank; i++)
    if (!strcmp(x->axis[i].name, name))
      return i;
  return -1;
}

static bool same_axes(const Array *x, const Array *y) {
  bool same = x->rank == y->rank && dtype_is_complex(x->dtype) == dtype_is_complex(y->dtype);
  for (int i = 0; same && i < x->rank; i++) {
    int k = axis_of(y, x->axis[i].name);
    same = k >= 0 && y->axis[k].extent == x->axis[i].extent;
  }
  return same;
}

// The element of y that is that of x.
static int64_t meets(const Array *x, int64_t element, const Array *y) {
  int64_t at = 0;
  for (int i = x->rank - 1; i >= 0; i--) {
    int64_t stride = 1, n = x->axis[i].extent;
    for (int k = axis_of(y, x->axis[i].name) + 1; k < y->rank; k++)
      stride *= y->axis[k].extent;
    at += element % n * stride;
    element /= n;
  }
  return at;
}

// What is no number, or the same infinite one, in both does not differ.
static double apart(double a, double b) {
  return a == b || (isnan(a) && isnan(b)) ? 0 : fabs(a - b);
}

static double elements_apart(const Array *x, int64_t i, const Array *y, int64_t k) {
  if (!dtype_is_complex(x->dtype))
    return apart(array_number(x, i), array_number(y, k));
  return hypot(apart(array_number(x, 2 * i), array_number(y, 2 * k)),
               apart(array_number(x, 2 * i + 1), array_number(y, 2 * k + 1)));
}

static int64_t elements(const Array *x) {
  return dtype_is_complex(x->dtype) ? x->n / 2 : x->n;
}

static Apart difference(const Array *x, const Array *y) {
  Apart d = {0};
  for (int64_t i = 0; i < elements(x); i++) {
    double now = elements_apart(x, i, y, meets(x, i, y));
    d.differ += now != 0;
    if (now > d.most || (isnan(now) && !isnan(d.most))) {
      d.most = now;
      d.at = i;
    }
  }
  return d;
}

static const char *place_text(Arena *a, const Array *x, int64_t element) {
  const char *text = "";
  for (int i = x->rank - 1; i >= 0; i--) {
    text = arena_printf(a, "%s = %lld%s%s", x->axis[i].name,
                        (long long)(element % x->axis[i].extent), *text ? ", " : "", text);
    element /= x->axis[i].extent;
  }
  return text;
}

static void print_difference(Repl *r, const Array *x, const Array *y) {
  if (!same_axes(x, y)) {
    fprintf(r->out, "  %-17s of other axes: they do not meet element by element\n", "values");
    return;
  }
  Apart d = difference(x, y);
  if (!d.differ)
    fprintf(r->out, "  %-17s the same\n", "values");
  else
    fprintf(r->out, "  %-17s %lld of %lld differ, most by %.6g%s%s\n", "values",
            (long long)d.differ, (long long)elements(x), bigs_shown(d.most), x->rank ? " at " : "",
            place_text(r->arena, x, d.at));
}

// "a.mdl", or the text in a training folder; NULL: an expression.
static const char *model_file(Repl *r, const char *text) {
  const char *inside = arena_printf(r->arena, "%s/model.mdl", text);
  return file_has_suffix(text, ".mdl") ? text : !access(inside, R_OK) ? inside : NULL;
}

// The value of a model that is looked at: the loss of its only train block, else its first entry.
static const char *value_of_model(const Repl *r) {
  for (int i = 0; i < r->items.n; i++)
    if (r->items.v[i]->loss)
      return r->items.v[i]->name;
  for (int i = 0; i < r->items.n; i++)
    if (r->items.v[i]->stmt && r->items.v[i]->stmt->kind == ST_ENTRY)
      return r->items.v[i]->name;
  return NULL;
}

// A prompt of its own: NULL, reported.
static Repl *prompt_of(Repl *r, const char *path, const char *folder) {
  const char *error = NULL;
  Options *o = NEW(r->arena, Options);
  *o = *r->o;
  o->weights = folder;
  Repl *own = repl_new(o, r->out, r->err, path, &error);
  if (!own) {
    repl_fail(r, "%s", error);
    return NULL;
  }
  own->cancel = r->cancel;
  own->vocab = r->vocab;
  for (int i = 0; i < r->data.n; i++)
    vec_push(own->arena, &own->data, r->data.v[i]);
  return own;
}

static bool load_model(Repl *own, const char *path, const char *folder) {
  if (!repl_load(own, path))
    return false;
  if (folder)
    repl_load_weights(own, arena_printf(own->arena, "%s/model.safetensors", folder));
  return !own->failures;
}

// Inputs that nobody gives are random by their names, and so the same in both; so are rows of the same data.
static bool cost_of_model(Repl *own, const char *text, Cost *c) {
  const char *name = value_of_model(own);
  Expr *x = name ? repl_argument(own, name) : NULL;
  if (!name)
    repl_fail(own, "%s: a model without an entry and without a loss", text);
  if (!x || !cost_of(own, x, name, c))
    return false;
  c->loses = repl_data_loss(own, &c->loss);
  return !own->failures;
}

// Those of the axes outlive the prompt that they are of.
static void keep_names(Repl *r, Cost *c) {
  for (int i = 0; c->all && i < c->all->rank; i++)
    c->all->axis[i].name = intern(r->names, c->all->axis[i].name);
}

static bool cost_of_file(Repl *r, const char *text, const char *path, Cost *c) {
  const char *folder = path == text ? NULL : text;
  Repl *own = prompt_of(r, path, folder);
  bool ok = own && load_model(own, path, folder) && cost_of_model(own, text, c);
  if (ok) {
    c->of = arena_printf(r->arena, "%s: %s", text, c->of);
    c->type = NULL;
  }
  r->failures += own ? own->failures : 0;
  keep_names(r, c);
  repl_free(own);
  return ok;
}

static bool cost_of_one(Repl *r, const char *text, Cost *c) {
  const char *path = model_file(r, text);
  if (path)
    return cost_of_file(r, text, path, c);
  Expr *x = repl_argument(r, text);
  return x && cost_of(r, x, text, c);
}

// Cuts "A, B" or, where neither has a blank, "A B".  NULL: it is one.
static char *second_of(char *text) {
  int depth = 0;
  for (char *s = text; *s; s++) {
    depth += (*s == '(' || *s == '[') - (*s == ')' || *s == ']');
    if (*s == ',' && !depth) {
      *s++ = 0;
      return s + strspn(s, " \t\n");
    }
  }
  char *blank = text + strcspn(text, " \t\n"), *second = blank + strspn(blank, " \t\n");
  if (!*second || second[strcspn(second, " \t\n")])
    return NULL;
  *blank = 0;
  return second;
}

void repl_compare(Repl *r, char *text) {
  Cost a = {0}, b = {0};
  char *second = second_of(text);
  if (!second || !*second || !*text)
    repl_fail(r,
              "which two? `:compare a(x), b(x)`, two losses, or two files: `:compare a.mdl b.mdl`");
  else if (cost_of_one(r, text, &a) && cost_of_one(r, second, &b)) {
    print_both(r, &a, &b);
    if (a.all && b.all)
      print_difference(r, a.all, b.all);
  }
  array_free(a.all);
  array_free(b.all);
}
