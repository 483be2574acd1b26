// Large inputs in float32: a formula that float64 and numbers near 1 let pass, log(1 + exp(x)), may
// overflow on its way to a value or a gradient that is itself an ordinary number.  The interpreter
// runs twice, in float64 and with every result rounded to its dtype; where the first is finite and
// fits, so must be the second.
#include "base/error.h"
#include "compiler/commands/check.h"
#include "base/hash.h"
#include "base/clock.h"
#include "compiler/driver/sample.h"
#include "graph/ir.h"
#include <float.h>
#include <math.h>

// exp overflows at 88.7, its square at half of that.  A finite gradient is wrong where it is another
// number altogether; of the largest inputs none is, their phases and differences have no digits left.
typedef struct LargeSize {
  double size, tolerance;
} LargeSize;
static const LargeSize SIZES[] = {{100, 0.5}, {50, 0.5}, {1000, HUGE_VAL}};
static const double BUDGET = 60; // seconds for one loss; past it no further size is tried

typedef struct LargePair { // one point, evaluated twice
  CheckModel *c;
  const Subject *j;
  CheckData d;
  LargeSize of; // the inputs
  Arena *arena;
  Eval *wide, *narrow;
} LargePair;

typedef struct LargeFault {
  const char *name; // whose gradient; NULL: the value itself
  double wide, narrow;
} LargeFault;

// Of both signs; not all alike, which differences and normalizations make 0.
static void enlarge(LargePair *p, Datum *x, double sign) {
  uint64_t seed = hash_mix(hash_str(x->name), 5);
  double *v = NEWN(p->arena, double, x->n + 1);
  for (int64_t i = 0; i < x->n; i++)
    v[i] = copysign(p->of.size, sign * x->data[i]) * (1 - 0.05 * sample_uniform(seed, (uint64_t)i));
  x->data = v;
}

static void prepare(LargePair *p, const CheckData *d, double sign) {
  const Graph *g = p->c->graph;
  p->d = (CheckData){.params = d->params};
  for (int i = 0; i < d->inputs.n; i++) {
    vec_push(p->arena, &p->d.inputs, d->inputs.v[i]);
    if (check_is_large(p->c, g->inputs.v[i]->node))
      enlarge(p, &p->d.inputs.v[i], sign);
  }
  p->wide = check_bound(p->c, &p->d, p->arena);
  p->narrow = check_bound(p->c, &p->d, p->arena);
  eval_narrow(p->narrow);
}

static double largest(const double *v, int64_t n) {
  double most = 0;
  for (int64_t i = 0; i < n; i++)
    most = fabs(v[i]) <= most ? most : fabs(v[i]);
  return most;
}

static bool is_wrong(double wide, double narrow, double allowed) {
  return fabs(wide) <= FLT_MAX && !(isfinite(narrow) && fabs(narrow - wide) <= allowed);
}

// Whether an element of n is a number of float32, but not computed as such; the first one.  What
// cannot be evaluated there (an index that a large input makes) is right.
static bool wrong(LargePair *p, Node *n, double allowed, LargeFault *f) {
  const double *w = eval_node(p->wide, n, NULL), *x = w ? eval_node(p->narrow, n, NULL) : NULL;
  int64_t size = x ? check_elements(n->ax, n->nax) : 0, i = 0;
  while (i < size && !is_wrong(w[i], x[i], allowed))
    i++;
  if (i < size)
    *f = (LargeFault){.wide = w[i], .narrow = x[i]};
  return i < size;
}

static double size_of(LargePair *p, Node *n) {
  const double *w = eval_node(p->wide, n, NULL);
  return w ? largest(w, check_elements(n->ax, n->nax)) : 0;
}

static bool find_fault(LargePair *p, LargeFault *f) {
  const Subject *j = p->j;
  double least = 1e-3; // smaller ones may vanish
  if (wrong(p, j->computed, HUGE_VAL, f))
    return true;
  if (!(size_of(p, j->computed) <= FLT_MAX))
    return false; // nor need its gradients fit
  for (int i = 0; i < j->n + j->ninputs; i++)
    least = fmax(least, 1e-3 * size_of(p, j->grad[i].node));
  for (int i = 0; i < j->n + j->ninputs; i++)
    if (wrong(p, j->grad[i].node, p->of.tolerance * fmax(size_of(p, j->grad[i].node), least), f)) {
      f->name = j->grad[i].name;
      return true;
    }
  return false;
}

// The first op that is no number in float32 alone.
static const Node *culprit(LargePair *p) {
  const Subject *j = p->j;
  int n = 1, count;
  Node **roots = NEWN(p->arena, Node *, j->n + j->ninputs + 1);
  roots[0] = j->computed;
  for (int i = 0; i < j->n + j->ninputs; i++)
    roots[n++] = j->grad[i].node;
  Node **live = graph_reachable(p->c->graph, roots, n, &count);
  for (int i = 0; i < count; i++) {
    const double *w = eval_node(p->wide, live[i], NULL), *x = eval_node(p->narrow, live[i], NULL);
    for (int64_t k = 0; w && x && k < check_elements(live[i]->ax, live[i]->nax); k++)
      if (isfinite(w[k]) && !isfinite(x[k]))
        return live[i];
  }
  return NULL;
}

static void report(LargePair *p, const LargeFault *f) {
  Session *s = p->c->s;
  const char *what = f->name ? session_text(s, "the gradient of `%s`", f->name) : "its value";
  const Node *n = isfinite(f->narrow) ? NULL : culprit(p);
  check_progress_end(s);
  printf("`%s` in float32 with inputs of size %g  WRONG\n", p->j->name, p->of.size);
  printf("    %s is %g in float32 and %g in float64\n", what, bigs_shown(f->narrow),
         bigs_shown(f->wide));
  if (n)
    printf("    %s: `%s` is the first that float32 cannot hold\n", check_place(s, n->span),
           op_name(n->op));
}

static int try_size(CheckModel *c, const Subject *j, const CheckData *d, LargeSize of, double sign,
                    bool *bad) {
  LargePair p = {.c = c, .j = j, .of = of, .arena = arena_new()};
  LargeFault f;
  prepare(&p, d, sign);
  *bad = find_fault(&p, &f);
  if (*bad)
    report(&p, &f);
  arena_free(p.arena);
  return 0;
}

static int subject(CheckModel *c, const Subject *j, const CheckData *d, bool *bad) {
  int status = 0, k = 0;
  const char *tried = "";
  double start = clock_seconds();
  for (; k < 2 * COUNT(SIZES) && !*bad && !status && clock_seconds() - start < BUDGET; k++) {
    LargeSize of = SIZES[k / 2];
    check_progress(c->s, "%s: inputs of size %g", j->name, of.size);
    status = try_size(c, j, d, of, k % 2 ? -1 : 1, bad);
    check_progress_end(c->s);
    if (k % 2 == 0)
      tried = session_text(c->s, "%s%s%g", tried, k ? ", " : "", of.size);
  }
  if (!status && !*bad && !c->s->o->quiet)
    printf("`%s` in float32 with inputs of size %s: finite\n", j->name, tried);
  return status;
}

int check_large(CheckModel *c, const CheckData *d, Checked *sum) {
  int status = 0;
  for (int i = 0; i < c->subjects.n && !status; i++) {
    bool bad = false;
    if (c->subjects.v[i].ninputs)
      status = subject(c, &c->subjects.v[i], d, &bad);
    sum->wrong += bad;
  }
  return status;
}
