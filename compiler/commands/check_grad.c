// Gradients against finite differences: central differences at h and h/2, combined by Richardson's
// extrapolation (4 D(h/2) - D(h)) / 3, along random directions of one parameter each.
#include "base/error.h"
#include "compiler/commands/check.h"
#include "base/hash.h"
#include "base/clock.h"
#include "compiler/driver/sample.h"
#include <math.h>
#include <string.h>

// A wrong gradient is wrong at every step size; a kink or a fast phase only at large ones.
enum { ATTEMPTS = 5 };
static const double FIRST_STEP = 1e-3, STEP_FACTOR = 1.0 / 8;
static const double TOLERANCE = 1e-5;
static const double BUDGET = 60; // seconds for one loss; past it directions are joined

typedef struct Trial { // one loss under test
  CheckModel *c;
  const CheckData *d;
  const Subject *j;
  double loss, seconds;  // of one evaluation
  const double **grad;   // per parameter of the subject, in the order of its node
  int *index;            // in Data.params
  double **along;        // per parameter of the model: the direction, or NULL
  const double **moving; // the same for the evaluation under way
  Node **frozen;         // stop_gradient's, as they are computed, and their values
  const double **kept;
  int nfrozen;
} Trial;

// d(loss)/dh along the parameters that move, by differences with step h.
static int difference(Trial *w, double h, double *out) {
  double up = 0, down = 0;
  Shift shift = {h, w->moving, w->frozen, w->kept, w->nfrozen};
  int status = check_loss(w->c, w->d, w->j, shift, &up);
  shift.h = -h;
  if (!status)
    status = check_loss(w->c, w->d, w->j, shift, &down);
  *out = (up - down) / (2 * h);
  return status;
}

typedef struct Verdict {
  double analytic, numeric, error; // error: relative, of the best step size
  bool blurred;                    // both are so small that rounding hides them
} Verdict;

// Analytic derivative along what moves, and the length of gradient times direction.
static double analytic(const Trial *w, double *length) {
  double sum = 0, squares = 0;
  for (int i = 0; i < w->j->n; i++) {
    const double *along = w->moving[w->index[i]];
    for (int64_t k = 0; along && k < w->d->params.v[w->index[i]].n; k++) {
      double term = w->grad[i][k] * along[k];
      sum += term;
      squares += term * term;
    }
  }
  *length = sqrt(squares);
  return sum;
}

static int compare(Trial *w, Verdict *v) {
  double length, h = FIRST_STEP;
  *v = (Verdict){.analytic = analytic(w, &length), .error = HUGE_VAL};
  for (int i = 0; i < ATTEMPTS && v->error > TOLERANCE; i++, h *= STEP_FACTOR) {
    double coarse, fine;
    int status = difference(w, h, &coarse);
    status = status ? status : difference(w, h / 2, &fine);
    if (status)
      return status;
    double numeric = (4 * fine - coarse) / 3;
    // Below this a difference of two losses is rounding.
    double noise = 64 * 0x1p-52 * fabs(w->loss) / h / TOLERANCE;
    double scale = fmax(fmax(fabs(v->analytic), fabs(numeric)), fmax(1e-3 * length, noise));
    double error = scale > 0 ? fabs(v->analytic - numeric) / scale : 0;
    if (!(error >= v->error)) {
      v->error = error;
      v->numeric = numeric;
      v->blurred = fmax(fabs(v->analytic), fabs(numeric)) < 10 * TOLERANCE * noise;
    }
  }
  return 0;
}

// ---- directions

static void make_direction(Trial *w, Arena *a, int param) {
  const Datum *p = &w->d->params.v[param];
  double scale = p->rms > 0 ? p->rms : 0.02;
  uint64_t seed = hash_mix(hash_str(p->name), 77);
  w->along[param] = NEWN(a, double, p->n + 1);
  for (int64_t k = 0; k < p->n; k++)
    w->along[param][k] = scale * sample_normal(seed, (uint64_t)k);
}

// What stop_gradient lets through is a constant to the differences as it is to the gradient.
static int freeze(Trial *w, Arena *a) {
  int count;
  Node **live = graph_reachable(w->c->graph, &w->j->computed, 1, &count);
  Output *out = NEWN(a, Output, count + 1);
  w->frozen = NEWN(a, Node *, count + 1);
  w->kept = NEWN(a, const double *, count + 1);
  for (int i = 0; i < count; i++)
    if (node_is(live[i], OP_STOP)) {
      out[w->nfrozen] = (Output){.node = live[i], .nax = live[i]->nax, .ax = live[i]->ax};
      w->frozen[w->nfrozen++] = live[i];
    }
  return check_values(w->c, w->d, a, out, w->nfrozen, w->kept);
}

static int prepare(Trial *w, Arena *a) {
  const Subject *j = w->j;
  Session *s = w->c->s;
  int n = w->d->params.n;
  w->grad = NEWN(a, const double *, j->n + 1);
  w->index = NEWN(a, int, j->n + 1);
  w->along = NEWN(a, double *, n + 1);
  w->moving = NEWN(a, const double *, n + 1);
  double start = clock_seconds();
  int status = check_loss(w->c, w->d, j, (Shift){0}, &w->loss);
  w->seconds = clock_seconds() - start;
  if (!status && !isfinite(w->loss))
    status = session_error(s, EXIT_NUMERIC, "`%s` is %g with random parameters and inputs", j->name,
                           bigs_shown(w->loss));
  check_progress(s, "%s: gradients of %d parameters", j->name, j->n);
  status = status ? status : check_values(w->c, w->d, a, j->grad, j->n, w->grad);
  status = status ? status : freeze(w, a);
  for (int i = 0; i < j->n && !status; i++) {
    w->index[i] = j->param[i]->index;
    make_direction(w, a, w->index[i]);
  }
  return status;
}

// ---- the table

static double norm(const double *v, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++)
    sum += v[i] * v[i];
  return sqrt(sum);
}

// One line: a parameter, or (which -1) all of them together.
static int row(Trial *w, int which, int width, Checked *sum) {
  Session *s = w->c->s;
  const Subject *j = w->j;
  Verdict v;
  for (int i = 0; i < j->n; i++)
    w->moving[w->index[i]] = which < 0 || which == i ? w->along[w->index[i]] : NULL;
  int status = compare(w, &v);
  if (status)
    return status;
  bool wrong = !(v.error <= TOLERANCE);
  sum->gradients += which >= 0;
  sum->wrong += wrong;
  check_progress_end(s);
  const Param *p = which < 0 ? NULL : j->param[which];
  const char *size =
      p ? session_text(s, "%.4g", bigs_shown(norm(w->grad[which], w->d->params.v[p->index].n)))
        : "";
  const char *note = wrong ? "  WRONG" : v.blurred && v.analytic != 0 ? "  too small to tell" : "";
  if (!s->o->quiet || wrong)
    printf("  %-*s %12s %10.1e%s\n", width, p ? p->path : "(all together)", size,
           bigs_shown(v.error), note);
  if (wrong)
    printf("    %s%sthe gradient along a random direction is %.9g, finite differences give %.9g\n",
           p ? check_place(s, p->span) : "", p ? ": " : "", bigs_shown(v.analytic),
           bigs_shown(v.numeric));
  fflush(stdout);
  return 0;
}

static int rows(Trial *w, Checked *sum) {
  const Subject *j = w->j;
  Session *s = w->c->s;
  int width = 14, status = 0;
  for (int i = 0; i < j->n; i++)
    width = (int)strlen(j->param[i]->path) > width ? (int)strlen(j->param[i]->path) : width;
  double each = 4 * w->seconds, afford = each > 0 ? BUDGET / each : 1e9;
  int take = j->n;
  if (afford < j->n) {
    take = afford < 4 ? 3 : (int)afford;
    take = take < j->n ? take : j->n;
    sum->sampled = true;
    printf("  one evaluation takes %.1f s: all parameters along one direction, then %d of %d by "
           "themselves\n",
           w->seconds, take, j->n);
  }
  if (!s->o->quiet)
    printf("  %-*s %12s %10s\n", width, "parameter", "|gradient|", "error");
  if (j->n > 1)
    status = row(w, -1, width, sum);
  double start = clock_seconds();
  for (int k = 0; k < take && !status; k++) {
    int i = (int)((int64_t)k * j->n / take);
    if (w->seconds > 0.05)
      check_progress(s, "%s: %d of %d, %s, %.0f s", j->name, k + 1, take, j->param[i]->path,
                     clock_seconds() - start);
    status = row(w, i, width, sum);
  }
  return status;
}

int check_gradients(CheckModel *c, const CheckData *d, Checked *sum) {
  Session *s = c->s;
  int status = 0;
  for (int i = 0; i < c->subjects.n && !status; i++) {
    Trial w = {.c = c, .d = d, .j = &c->subjects.v[i]};
    Arena *a = arena_new();
    check_progress(s, "%s", w.j->name);
    status = prepare(&w, a);
    check_progress_end(s);
    if (!status) {
      if (!s->o->quiet)
        printf("%s `%s` = %.9g\n", w.j->is_entry ? "random projection of" : "loss of", w.j->name,
               w.loss);
      fflush(stdout);
      status = rows(&w, sum);
    }
    arena_free(a);
  }
  return status;
}
