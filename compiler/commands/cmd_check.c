// bigsc check: gradients against finite differences and members of `forms` against each other in the
// float64 interpreter, large inputs in float32; with --target, compiled code against the interpreter.
#include "compiler/commands/check.h"
#include "compiler/commands/cmd.h"
#include "compiler/driver/sample.h"
#include "runtime/files/file.h"
#include <string.h>
#include <unistd.h>

typedef struct Check {
  Session s;
  Options o; // with small values for the run-time dims
  const char *path;
} Check;

static Model *look(const Check *c, Arena *a, const Defines *d) {
  Diags quiet = {.arena = a};
  ModelOptions opt = {.defs = d->v, .ndefs = d->n};
  return model_load(a, intern_new(a), &quiet, c->path, c->o.text, &opt);
}

// The least size of one dim that the model takes.
static bool find_size(const Check *c, Arena *a, Defines *d, int i) {
  enum { MOST = 32 };
  const char *was = d->v[i].value;
  for (int size = 1; size <= MOST; size++) {
    d->v[i].value = arena_printf(a, "%d", size);
    if (model_ok(look(c, a, d)))
      return true;
  }
  d->v[i].value = was;
  return false;
}

// A first, silent look at the model tells which dims need a value.  Where it does not take the values of others (`x[L = 6]`, `dim S = 2 - B`),
// one of them is changed; if that does not help, the message of the compilation says why.
static void fix_dims(Check *c, Arena *a) {
  Model *m = look(c, a, &c->o.defs);
  if (model_ok(m)) {
    Defines all = {0};
    for (int i = 0; i < c->o.defs.n; i++)
      vec_push(a, &all, c->o.defs.v[i]);
    sample_defines(a, m, &all);
    bool fits = model_ok(look(c, a, &all));
    for (int i = c->o.defs.n; i < all.n && !fits; i++)
      fits = find_size(c, a, &all, i);
    c->o.defs = all;
  }
}

static int reload(void *ctx, const char *form, CheckModel *out) {
  Check *c = ctx;
  Session *s = &c->s;
  Defines forms = {0};
  for (int i = 0; i < s->forms.n; i++)
    vec_push(s->arena, &forms, s->forms.v[i]);
  vec_push(s->arena, &forms, ((Define){NULL, form}));
  ModelOptions opt = {
      .defs = c->o.defs.v, .ndefs = c->o.defs.n, .forms = forms.v, .nforms = forms.n};
  Model *m = model_load(s->arena, s->names, s->diags, c->path, c->o.text, &opt);
  int status = session_diags(s, EXIT_MODEL);
  return status ? status : check_build(out, s, m);
}

static void print_dims(Session *s) {
  const ModelDim *dims;
  const char *text = "";
  for (int i = 0, n = model_dims(s->model, &dims); i < n; i++)
    text = session_text(s, "%s%s%s = %lld", text, i ? ", " : "", dims[i].name,
                        (long long)dims[i].extent);
  printf("%s in float64, %s\n", model_name(s->model), text);
}

static double physical_memory(void) {
  return (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGE_SIZE);
}

// The largest dims that a -D can change.
static const char *advice(Session *s) {
  const ModelDim *dims;
  int n = model_dims(s->model, &dims);
  int64_t below = INT64_MAX;
  const char *text = "";
  for (int k = 0; k < 3; k++) {
    int64_t most = 8;
    const char *name = NULL;
    for (int i = 0; i < n; i++)
      if (dims[i].extent > most && dims[i].extent < below) {
        most = dims[i].extent;
        name = dims[i].name;
      }
    if (!name)
      break;
    text = session_text(s, "%s -D %s=...", text, name);
    below = most;
  }
  return text;
}

enum { WORK_PER_SECOND = 150000000, LONGEST = 600 };

static int hopeless(CheckModel *c) {
  Session *s = c->s;
  for (int i = 0; i < c->subjects.n; i++) {
    double bytes, grad_bytes, work = check_work(c, &c->subjects.v[i].loss, 1, &bytes);
    const Subject *j = &c->subjects.v[i];
    int n = j->n + j->ninputs;
    Node **roots = NEWN(s->arena, Node *, n + 1);
    for (int k = 0; k < n; k++)
      roots[k] = j->grad[k].node;
    work += check_work(c, roots, n, &grad_bytes);
    if (bytes + grad_bytes > 0.7 * physical_memory())
      return session_error(s, EXIT_MODEL,
                           "`%s` needs %.0f GB in the interpreter: make the model smaller, with%s",
                           j->name, (bytes + grad_bytes) / 1e9, advice(s));
    if (work > (double)WORK_PER_SECOND * LONGEST)
      return session_error(s, EXIT_MODEL,
                           "one evaluation of `%s` and its gradients would take about %.0f "
                           "minutes: make the model smaller, with%s",
                           j->name, work / WORK_PER_SECOND / 60, advice(s));
  }
  return 0;
}

static const char *count(Session *s, int n, const char *what) {
  return session_text(s, "%d %s%s", n, what, n == 1 ? "" : "s");
}

static int verdict(Session *s, const Checked *sum) {
  const char *what = session_text(s, "%s%s, %s%s", count(s, sum->gradients, "gradient"),
                                  sum->sampled ? " (a sample)" : "", count(s, sum->forms, "form"),
                                  sum->compiled ? ", compiled code" : "");
  if (sum->wrong)
    printf("%d WRONG of %s\n", sum->wrong, what);
  else
    printf("all agree: %s\n", what);
  return sum->wrong ? EXIT_MODEL : 0;
}

static int check(Check *c) {
  CheckModel m;
  CheckData d = {0};
  Checked sum = {0};
  Session *s = &c->s;
  int status = check_build(&m, s, s->model);
  if (!status && !m.subjects.n && !check_has_forms(&m))
    status = session_error(s, EXIT_MODEL,
                           "%s has no loss, no entry of floating-point numbers and no `forms`: "
                           "there is nothing to check",
                           c->o.args.v[0]);
  status = status ? status : hopeless(&m);
  if (!status && !s->o->quiet)
    print_dims(s);
  status = status ? status : check_data(&m, &d);
  status = status ? status : check_gradients(&m, &d, &sum);
  status = status ? status : check_large(&m, &d, &sum);
  status = status ? status : check_forms(&m, &d, reload, c, &sum);
  status = status ? status : check_compiled(&m, &d, &sum);
  return status ? status : verdict(s, &sum);
}

int cmd_CHECK(const Options *o) {
  Check c = {.o = *o};
  if (o->args.n != 1 || file_has_suffix(o->args.v[0], ".so")) {
    fprintf(stderr, "bigsc check: %s; see `bigsc check --help`\n",
            !o->args.n      ? "which model?"
            : o->args.n > 1 ? "too many arguments"
                            : "it takes the model's text, a .mdl");
    return EXIT_USAGE;
  }
  Arena *a = arena_new();
  c.path = strcmp(o->args.v[0], "-") ? o->args.v[0] : "<stdin>";
  // The text is loaded several times.
  int status = session_source(&(Session){.o = o, .arena = a}, o->args.v[0], &c.o.text);
  if (status) {
    arena_free(a);
    return status;
  }
  fix_dims(&c, a);
  status = session_load(&c.s, &c.o, o->args.v[0], true);
  status = status ? status : session_needs_model(&c.s);
  status = status ? status : check(&c);
  session_close(&c.s);
  arena_free(a);
  return status;
}
