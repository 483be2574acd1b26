// See fitted.h.
#include "compiler/commands/fitted.h"
#include "base/int8.h"
#include "runtime/exec/weights.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Of element i of the parameter: its column, and which of that it is, both in the order of the axes.
static void place_in_column(const BigsParam *p, int64_t i, int64_t *n, int64_t *k) {
  int64_t nstep = 1, kstep = 1;
  *n = *k = 0;
  for (int a = p->rank - 1; a >= 0; a--) {
    int64_t at = i % p->extent[a];
    i /= p->extent[a];
    *(p->nstep[a] ? n : k) += at * (p->nstep[a] ? nstep : kstep);
    *(p->nstep[a] ? &nstep : &kstep) *= p->extent[a];
  }
}

static int get_columns(Session *s, const BigsParam *p, int64_t K, float *columns) {
  int64_t count = param_count(p);
  int at = bigs_model_parameter(s->module, p->name);
  float *dense = malloc((size_t)count * sizeof *dense);
  if (!dense)
    return session_error(s, EXIT_MODEL, "out of memory for %s", p->name);
  int err = bigs_model_get(s->handle, BIGS_THE_WEIGHT, at, dense);
  for (int64_t i = 0; i < count && !err; i++) {
    int64_t n, k;
    place_in_column(p, i, &n, &k);
    columns[n * K + k] = dense[i];
  }
  free(dense);
  return err ? session_error(s, err, "%s", bigs_model_error(s->handle)) : 0;
}

static int fit_param(Fitted *f, Session *s, const Int8Fit *fit, int param) {
  const BigsParam *p = &f->module->param[param];
  FittedParam *x = &f->param[param];
  Arena *a = arena_new();
  x->K = fit->K;
  x->N = param_count(p) / fit->K;
  float *columns = NEWN(a, float, x->N * x->K + 1);
  int status = get_columns(s, p, x->K, columns);
  if (!status) {
    x->q = NEWN(f->a, int8_t, x->N * x->K + 1);
    x->most = NEWN(f->a, uint32_t, x->N + 1);
    x->error = int8_fit_columns(fit, s->handle->pool, columns, x->N, x->q, x->most);
  }
  arena_free(a);
  return status;
}

static void show_progress(const Session *s, const char *name) {
  if (!s->o->quiet && isatty(2))
    fprintf(stderr, "\rrounding %s\033[K", name);
}

static int take_entering(void *ctx, Session *s, const Entering *x) {
  Fitted *f = ctx;
  Arena *a = arena_new();
  Int8Fit fit;
  int status = 0;
  show_progress(s, f->module->param[x->param[0]].name);
  int8_fit_open(&fit, a, s->handle->pool, x->moment, x->noise, x->K);
  for (int i = 0; i < x->nparam && !status; i++)
    status = fit_param(f, s, &fit, x->param[i]);
  arena_free(a);
  return status;
}

// ---- errors

// Of the results, of which `part` is off.
static double share(const Int8Error *e, double part) {
  return e->whole > 0 ? sqrt((part > 0 ? part : 0) / e->whole) : part > 0 ? INFINITY : 0;
}

static double error_of(const Int8Error *e) {
  return share(e, e->fitted + e->rows);
}

// What is multiplied as one product stays together: all of it has to be within the bound.  Of what no text reached nothing is known.
static void decide(Fitted *f, double bound) {
  const BigsModule *m = f->module;
  for (int i = 0; i < m->nparam; i++)
    f->param[i].int8 = f->of[i].wanted;
  for (int i = 0; i < m->nparam && bound > 0; i++) {
    bool within = !f->of[i].wanted || (f->param[i].q && error_of(&f->param[i].error) <= bound);
    for (int k = 0; k < m->nparam && !within; k++)
      f->param[k].int8 &= m->param[k].storage != m->param[i].storage;
  }
}

int fitted_open(Fitted *f, Session *s, const CalibrateParam *of, double bound) {
  *f = (Fitted){.a = arena_new(), .module = s->module, .of = of};
  f->param = NEWN(f->a, FittedParam, s->module->nparam + 1);
  int status = calibrate(s, of, take_entering, f);
  if (!status)
    decide(f, bound);
  return status;
}

void fitted_close(Fitted *f) {
  if (f->a)
    arena_free(f->a);
}

static void print_param(const Fitted *f, int i, int width, FILE *to) {
  const FittedParam *x = &f->param[i];
  const Int8Error *e = &x->error;
  const char *as = x->int8 ? "int8" : "float32";
  fprintf(to, "%-*s", width, f->module->param[i].name);
  if (x->q)
    fprintf(to, "  %6lld x %-6lld %8.3f %% %8.3f %% %8.3f %% %8.3f %%  %s\n", (long long)x->K,
            (long long)x->N, 100 * share(e, e->nearest), 100 * share(e, e->fitted),
            100 * share(e, e->rows), 100 * error_of(e), as);
  else
    fprintf(to, "  no text reaches it %42s  %s\n", "", as);
}

void fitted_print(const Fitted *f, FILE *to) {
  int width = 7;
  for (int i = 0; i < f->module->nparam; i++) {
    int n = f->of[i].wanted ? (int)strlen(f->module->param[i].name) : 0;
    width = n > width ? n : width;
  }
  fprintf(to, "%-*s  %6s   %-6s %10s %10s %10s %10s  %s\n", width, "off by", "sums", "into",
          "nearest", "fitted", "rows", "both", "is");
  for (int i = 0; i < f->module->nparam; i++)
    if (f->of[i].wanted)
      print_param(f, i, width, to);
}

// ---- what stays int8

const char *fitted_names(const Fitted *f) {
  const char *text = "";
  for (int i = 0; i < f->module->nparam; i++)
    if (f->param[i].int8)
      text = arena_printf(f->a, "%s%s%s", text, *text ? " " : "", f->module->param[i].name);
  return text;
}

bool fitted_get(const Fitted *f, const BigsParam *p, int param, float *dense) {
  const FittedParam *x = &f->param[param];
  int64_t count = param_count(p), n, k;
  for (int64_t i = 0; x->q && x->int8 && i < count; i++) {
    place_in_column(p, i, &n, &k);
    dense[i] = (float)x->q[n * x->K + k] * int8_scale(x->most[n]);
  }
  return x->q && x->int8;
}
