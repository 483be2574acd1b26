// Members of `forms`: the model elaborated with each of them must give the same values and the same
// gradients as with the one that is taken.
#include "base/error.h"
#include "compiler/commands/check.h"
#include <math.h>
#include <string.h>

static const double TOLERANCE = 1e-6;

static int compare_values(CheckModel *x, CheckModel *y, const CheckData *d, Arena *a,
                          Difference *out) {
  int n = x->entries.n;
  const double **p = NEWN(a, const double *, n + 1), **q = NEWN(a, const double *, n + 1);
  int status = check_values(x, d, a, x->entries.v, n, p);
  status = status ? status : check_values(y, d, a, y->entries.v, n, q);
  for (int i = 0; i < n && !status; i++) {
    const Output *e = &x->entries.v[i];
    int64_t size = check_elements(e->ax, e->nax);
    check_worse_value(out, q[i], p[i], size, e->name);
  }
  for (int i = 0; i < x->subjects.n && !status; i++) {
    double loss[2];
    status = check_loss(x, d, &x->subjects.v[i], (Shift){0}, &loss[0]);
    status = status ? status : check_loss(y, d, &y->subjects.v[i], (Shift){0}, &loss[1]);
    if (!status)
      check_worse_value(out, &loss[1], &loss[0], 1, x->subjects.v[i].name);
  }
  return status;
}

static int find_param(const Subject *j, int index) {
  for (int i = 0; i < j->n; i++)
    if (j->param[i]->index == index)
      return i;
  return -1;
}

static int compare_gradients(CheckModel *x, CheckModel *y, const CheckData *d, int k, Arena *a,
                             Difference *out) {
  const Subject *j = &x->subjects.v[k], *l = &y->subjects.v[k];
  const double **p = NEWN(a, const double *, j->n + 1), **q = NEWN(a, const double *, l->n + 1);
  double most = 0;
  int status = check_values(x, d, a, j->grad, j->n, p);
  status = status ? status : check_values(y, d, a, l->grad, l->n, q);
  for (int i = 0; i < j->n && !status; i++)
    most = check_largest(most, p[i], d->params.v[j->param[i]->index].n);
  for (int i = 0; i < d->params.n && !status; i++) {
    // A form that does not reach a parameter has no gradient of it: zero.
    int u = find_param(j, i), v = find_param(l, i);
    int64_t n = d->params.v[i].n;
    const double *zero = u < 0 || v < 0 ? NEWN(a, double, n + 1) : NULL;
    const double *gu = u < 0 ? zero : p[u], *gv = v < 0 ? zero : q[v];
    check_worse_gradient(out, gv, gu, n, 1e-3 * most, d->params.v[i].name);
  }
  return status;
}

static int compare(CheckModel *x, CheckModel *y, const CheckData *d, Difference *out) {
  int status = 0;
  Arena *a = arena_new();
  *out = (Difference){0};
  status = compare_values(x, y, d, a, out);
  for (int i = 0; i < x->subjects.n && !status; i++)
    status = compare_gradients(x, y, d, i, a, out);
  arena_free(a);
  return status;
}

// ---- names of members

// Of that name, and not the one that is taken; NULL: none.
static const Bind *other_member(const CheckModel *c, const Stmt *f, const char *name) {
  for (int i = 0; i < f->forms.n; i++)
    if (!strcmp(f->forms.v[i].name.s, name) && &f->forms.v[i] != model_form(c->model, f))
      return &f->forms.v[i];
  return NULL;
}

// Of the members that are not taken, each once.
static int member_names(CheckModel *c, const char ***out) {
  const Stmt *const *forms;
  VEC(const char *) names = {0};
  for (int i = 0, n = model_forms(c->model, &forms); i < n; i++)
    for (int k = 0; k < forms[i]->forms.n; k++) {
      bool known = &forms[i]->forms.v[k] == model_form(c->model, forms[i]);
      for (int j = 0; j < names.n; j++)
        known |= !strcmp(names.v[j], forms[i]->forms.v[k].name.s);
      if (!known)
        vec_push(c->s->arena, &names, forms[i]->forms.v[k].name.s);
    }
  *out = names.v;
  return names.n;
}

bool check_has_forms(CheckModel *c) {
  const char **names;
  return member_names(c, &names) > 0;
}

static void report(CheckModel *c, const char *name, const Difference *f, bool wrong) {
  const Stmt *const *forms;
  Session *s = c->s;
  for (int i = 0, n = model_forms(c->model, &forms); i < n; i++) {
    const Bind *m = other_member(c, forms[i], name);
    if (m)
      printf("%s: `%s` of forms `%s`, against `%s`\n", check_place(s, m->span), name,
             forms[i]->names.v[0].s, model_form(c->model, forms[i])->name.s);
  }
  printf("  values differ by %.1e, gradients by %.1e%s\n", bigs_shown(f->value),
         bigs_shown(f->gradient), wrong ? "  WRONG" : "");
  if (wrong && !(f->value <= TOLERANCE))
    printf("    `%s` differs\n", f->where_value);
  if (wrong && !(f->gradient <= TOLERANCE))
    printf("    the gradient of `%s` differs\n", f->where_gradient);
}

int check_forms(CheckModel *c, const CheckData *d, Reload *reload, void *ctx, Checked *sum) {
  const char **names;
  int n = member_names(c, &names), status = 0;
  for (int i = 0; i < n && !status; i++) {
    CheckModel other;
    Difference f;
    check_progress(c->s, "form %s", names[i]);
    status = reload(ctx, names[i], &other);
    status = status ? status : compare(c, &other, d, &f);
    check_progress_end(c->s);
    if (status)
      return status;
    bool wrong = !(f.value <= TOLERANCE && f.gradient <= TOLERANCE);
    sum->forms++;
    sum->wrong += wrong;
    if (!c->s->o->quiet || wrong)
      report(c, names[i], &f, wrong);
  }
  return status;
}
