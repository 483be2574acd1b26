// Commands of the REPL, which start with a colon: see repl_commands.def.
#include "base/error.h"
#include "compiler/repl/repl.h"
#include "compiler/driver/shipped.h"
#include "base/edit.h"
#include "base/clock.h"
#include "runtime/files/file.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static Expr *parse_argument(Repl *r, const char *text, Diags *d) {
  *d = (Diags){.arena = r->arena};
  if (!*text) {
    diag_error(d, 110, (Span){0}, "an expression is missing");
    return NULL;
  }
  return parse_expr_text(r->arena, r->names, d, repl_source(r, text));
}

// The expression; NULL when reported.
Expr *repl_argument(Repl *r, const char *text) {
  Diags d;
  Expr *e = parse_argument(r, text, &d);
  if (!e || d.errors) {
    repl_diags(r, &d);
    return NULL;
  }
  return e;
}

static void run_type(Repl *r, char *text) {
  Expr *x = repl_argument(r, text);
  Ready e;
  if (!x)
    return;
  if (ready_elaborate(&e, r, x, NULL))
    fprintf(r->out, "%s\n", array_type(e.arena, e.dtype, e.axes, e.nax));
  ready_free(&e);
}

static void run_shape(Repl *r, char *text) {
  run_type(r, text);
}

static void run_doc(Repl *r, char *text) {
  repl_doc(r, text);
}

static void run_info(Repl *r, char *text) {
  repl_info(r, text);
}

// ---- gradients

// `EXPR NAME`: cuts the name off.  NULL: there is none.
const char *repl_trailing_name(char *text) {
  char *end = text + strlen(text), *start = end;
  while (start > text && (isalnum((unsigned char)start[-1]) || strchr("_.[]", start[-1])))
    start--;
  if (start == end || start == text || !isspace((unsigned char)start[-1]) ||
      !isalpha((unsigned char)*start))
    return NULL;
  start[-1] = 0;
  return start;
}

static void grad_row(Repl *r, Ready *e, int i, int width) {
  const Array *g = e->results[i + 1];
  double sum = 0, most = 0;
  for (int64_t k = 0; k < g->n; k++) {
    double x = array_number(g, k);
    sum += x * x;
    most = fabs(x) > most || isnan(x) ? fabs(x) : most;
  }
  fprintf(r->out, "  %-*s  norm %-11.5g largest %-11.5g %s\n", width, e->wrt.v[i]->attr.name,
          bigs_shown(sqrt(sum)), most, array_type(e->arena, g->dtype, g->axis, g->rank));
}

static void grad_all(Repl *r, Ready *e) {
  int width = 0;
  array_print(r->out, e->arena, e->results[0]);
  for (int i = 0; i < e->wrt.n; i++)
    width =
        (int)strlen(e->wrt.v[i]->attr.name) > width ? (int)strlen(e->wrt.v[i]->attr.name) : width;
  for (int i = 0; i < e->wrt.n; i++)
    grad_row(r, e, i, width);
  if (!e->wrt.n)
    repl_note(r, "it depends on no parameter and on no value of floating-point numbers");
}

static void grad_one(Repl *r, Ready *e, const char *name) {
  for (int i = 0; i < e->wrt.n; i++)
    if (!strcmp(e->wrt.v[i]->attr.name, name)) {
      array_print(r->out, e->arena, e->results[i + 1]);
      const char *it = intern(r->names, "it");
      repl_value(r, repl_put(r, it, ITEM_VALUE, (Span){0}), ready_take(e, i + 1));
      return;
    }
  const char *text = "";
  for (int i = 0; i < e->wrt.n; i++)
    text = arena_printf(e->arena, "%s%s%s", text, i ? ", " : "", e->wrt.v[i]->attr.name);
  repl_fail(r, "the expression does not depend on `%s`; it does on: %s", name,
            *text ? text : "nothing");
}

static void grad(Repl *r, Expr *x, const char *name) {
  Ready e;
  if (ready_elaborate(&e, r, x, NULL) && ready_build(&e, true) && ready_run(&e)) {
    if (name)
      grad_one(r, &e, name);
    else
      grad_all(r, &e);
  }
  ready_free(&e);
}

// Of a name that is computed where it is used; NULL: it is another, or that was reported.
static Array *later_value(Repl *r, const char *name) {
  const Item *it = repl_item(r, intern(r->names, name));
  return it && it->kind == ITEM_LATER ? repl_compute(r, repl_name(r, (Name){it->name, it->span}))
                                      : NULL;
}

static void run_grad(Repl *r, char *text) {
  Diags d;
  const char *name = NULL;
  Expr *x = parse_argument(r, text, &d);
  if ((!x || d.errors) && (name = repl_trailing_name(text)))
    x = parse_argument(r, text, &d);
  if (!x || d.errors) {
    repl_diags(r, &d);
    return;
  }
  name = name ? repl_native_path(r, name, strlen(name)) : NULL;
  Array *at = name ? later_value(r, name) : NULL;
  Item *pinned = at ? repl_pin(r, name, at) : NULL;
  grad(r, x, name);
  repl_unpin(pinned);
  array_free(at);
}

// ---- time

enum { MIN_RUNS = 5, MAX_RUNS = 10000 };
static const double SECONDS = 0.5;

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

const char *repl_duration(Arena *a, double s) {
  return s >= 1      ? arena_printf(a, "%.3f s", s)
         : s >= 1e-3 ? arena_printf(a, "%.3f ms", s * 1e3)
                     : arena_printf(a, "%.2f us", s * 1e6);
}

static void report_time(Repl *r, Ready *e, double *t, int n) {
  double flops = ready_flops(e);
  qsort(t, (size_t)n, sizeof *t, compare);
  fprintf(r->out, "%s median, %s least of %d runs", repl_duration(e->arena, t[n / 2]),
          repl_duration(e->arena, t[0]), n);
  if (flops > 0)
    fprintf(r->out, ", %.1f GFLOP/s", flops / t[n / 2] / 1e9);
  fprintf(r->out, "%s\n", e->handle ? "" : " (interpreted)");
}

static void measure(Repl *r, Ready *e) {
  double *t = NEWN(e->arena, double, MAX_RUNS), start = clock_seconds();
  int n = 0;
  for (int warm = 0; warm < 2 && e->handle; warm++)
    if (!ready_run(e))
      return;
  start = clock_seconds();
  while (n < MAX_RUNS &&
         (n < (e->handle ? MIN_RUNS : 1) || (e->handle && clock_seconds() - start < SECONDS))) {
    double begin = clock_seconds();
    if (!ready_run(e))
      return;
    t[n++] = clock_seconds() - begin;
  }
  report_time(r, e, t, n);
}

static void run_time(Repl *r, char *text) {
  Expr *x = repl_argument(r, text);
  Ready e;
  if (!x)
    return;
  if (ready_elaborate(&e, r, x, NULL) && ready_build(&e, false))
    measure(r, &e);
  ready_free(&e);
}

// ---- the others

static void run_cost(Repl *r, char *text) {
  repl_cost(r, text);
}

static void run_compare(Repl *r, char *text) {
  repl_compare(r, text);
}

static void run_why(Repl *r, char *text) {
  repl_why(r, text);
}

static void run_data(Repl *r, char *text) {
  repl_data(r, text);
}

static void run_train(Repl *r, char *text) {
  repl_train_steps(r, text);
}

static void run_reload(Repl *r, char *text) {
  (void)text;
  repl_reload(r);
}

static void run_plot(Repl *r, char *text) {
  repl_plot(r, text);
}

// A path may stand in quotes.
static char *unquoted(char *text) {
  size_t n = strlen(text);
  if (n < 2 || *text != '"' || text[n - 1] != '"')
    return text;
  text[n - 1] = 0;
  return text + 1;
}

// Weights by what they are called as: a model is a text.
static bool is_weights(const char *path) {
  static const char *const suffixes[] = {".safetensors", ".bin",     ".pt",
                                         ".pth",         ".msgpack", ".index.json"};
  for (int i = 0; i < COUNT(suffixes); i++)
    if (file_has_suffix(path, suffixes[i]))
      return true;
  return false;
}

// A run, or a folder of the hub: its model with its weights, as for `bigsc repl FOLDER`.
static void load_folder(Repl *r, const char *path) {
  const Options *before = r->o;
  Options *own = NEW(r->arena, Options);
  BigsError e = {0};
  *own = *before;
  memset(&own->args, 0, sizeof own->args);
  vec_push(r->arena, &own->args, path);
  own->weights = NULL;
  int status = shipped_folder(r->arena, own, &e);
  if (status)
    repl_fail(r, "%s", e.text);
  else if (!own->weights)
    repl_fail(r, "%s: a folder without a model: it has no model.mdl and no config.json", path);
  int failures = r->failures;
  r->o = status || !own->weights ? before : own;
  if (r->o == own && repl_open(r, own->args.v[0], own->weights)) {
    r->o = before;
    r->failures += r->failures == failures;
  }
}

static void run_load(Repl *r, char *text) {
  char *path = unquoted(text);
  if (!*path)
    repl_fail(r, "which file? `:load model.mdl`");
  else if (file_is_folder(path))
    load_folder(r, path);
  else if (is_weights(path))
    repl_load_weights(r, path);
  else
    repl_load(r, path);
}

static void run_save(Repl *r, char *text) {
  repl_save(r, unquoted(text));
}

static void show_dims(Repl *r) {
  for (int i = 0; i < r->dims.n; i++) {
    const DimNow *d = &r->dims.v[i];
    fprintf(r->out, "  %s = %lld", d->name, (long long)d->extent);
    if (d->open && d->bound)
      fprintf(r->out, "  (at run time, at most %lld)", (long long)d->bound);
    else if (d->open)
      fprintf(r->out, "  (at run time)");
    fprintf(r->out, "\n");
  }
}

static void run_set(Repl *r, char *text) {
  char *save = NULL;
  if (!*text)
    show_dims(r);
  for (char *word = strtok_r(text, " \t\n", &save); word; word = strtok_r(NULL, " \t\n", &save)) {
    char *equal = strchr(word, '=');
    if (!equal || equal == word || !equal[1]) {
      repl_fail(r, "`%s` is not NAME=VALUE: `:set B=4 L=16`", word);
      return;
    }
    *equal = 0;
    if (!repl_set(r, word, equal + 1))
      return;
  }
}

static void show_item(Repl *r, Arena *a, const Item *it) {
  fprintf(r->out, "  %s : ", it->name);
  if (it->value)
    fprintf(r->out, "%s", array_type(a, it->value->dtype, it->value->axis, it->value->rank));
  else if (it->kind == ITEM_CHILD)
    fprintf(r->out, "%s", repl_child_text(a, it));
  else
    fprintf(r->out, "%s",
            it->formal       ? ast_print_type(a, it->formal->type)
            : it->stmt->type ? ast_print_type(a, it->stmt->type)
                             : "a value");
  static const char *const what[] = {[ITEM_VALUE] = "",
                                     [ITEM_INPUT] = "  input",
                                     [ITEM_PARAM] = "  parameter",
                                     [ITEM_CHILD] = "",
                                     [ITEM_LATER] = "  computed when used"};
  fprintf(r->out, "%s%s\n", what[it->kind],
          it->kind != ITEM_INPUT || it->value ? ""
          : it->formal->preset                ? ", its default"
                                              : ", no value yet");
}

static void list_decls(Repl *r, DeclKind kind, const char *what) {
  int n = 0;
  for (int i = 0; i < r->decls.n; i++) {
    const Decl *d = r->decls.v[i].decl;
    if (d->kind != kind)
      continue;
    const char *name = kind == DECL_LET   ? d->lets.v[0].name.s
                       : kind == DECL_USE ? d->path.s
                                          : d->name.s;
    fprintf(r->out, "%s%s%s", n++ ? ", " : what, name,
            r->decls.v[i].broken ? " (does not check)" : "");
  }
  if (n)
    fprintf(r->out, "\n");
}

static void run_vars(Repl *r, char *text) {
  Arena *a = arena_new();
  (void)text;
  show_dims(r);
  list_decls(r, DECL_LET, "  lets: ");
  list_decls(r, DECL_FN, "  fns: ");
  list_decls(r, DECL_MODULE, "  modules: ");
  for (int i = 0; i < r->items.n; i++)
    show_item(r, a, r->items.v[i]);
  arena_free(a);
}

static const struct {
  const char *name, *args, *help;
} commands[] = {
#define COMMAND(id, name, args, help) {name, args, help},
#include "compiler/repl/repl_commands.def"
#undef COMMAND
};

static void run_help(Repl *r, char *text) {
  (void)text;
  fprintf(
      r->out,
      "Declarations (dim, let, fn, module, ...), statements and expressions of the language:\n"
      "  dim B, L, H = 4                      dims; those known at run time only have a value "
      "here: :set\n"
      "  x = normal[B, L, H](1)               a value; also trunc_normal[..](std), "
      "uniform[..](a, b)\n"
      "  ids = i32(uniform[B, L](0, 100))     whole numbers\n"
      "  x = [[1, 2], [3, 4.5]] : [A, B]      numbers that are written down\n"
      "  w = load(\"x.npy\") : [V, H]         a tensor of a file; of several: "
      "load(\"x.safetensors\", \"w\")\n"
      "  l : Linear[H -> H]                   a child: parameters with fresh values\n"
      "  layer.0.up.weight = 0                a parameter by its name: shown alone, assigned so\n"
      "  x |> l |> gelu                       its value is shown, and named `it`\n"
      "Declaring a name again replaces it; parameters keep their values while path and shape "
      "stay.\nCommands:\n");
  for (int i = 0; i < COUNT(commands); i++) {
    int n = fprintf(r->out, "  :%s %s", commands[i].name, commands[i].args);
    fprintf(r->out, "%*s%s\n", n < 39 ? 39 - n : 1, "", commands[i].help);
  }
}

static void run_quit(Repl *r, char *text) {
  (void)text;
  r->quit = true;
}

static void (*const run[])(Repl *, char *) = {
#define COMMAND(id, name, args, help) run_##id,
#include "compiler/repl/repl_commands.def"
#undef COMMAND
};

// How many commands a name or its start may mean; *which: one of them.
static int find_command(const char *name, size_t n, int *which) {
  int many = 0;
  for (int i = 0; n && i < COUNT(commands); i++)
    if (!strncmp(commands[i].name, name, n)) {
      *which = i;
      if (!commands[i].name[n])
        return 1;
      many++;
    }
  return many;
}

bool repl_command_doc(Repl *r, const char *name) {
  int i = -1;
  name += *name == ':';
  if (find_command(name, strlen(name), &i) != 1)
    return false;
  fprintf(r->out, ":%s %s\n  %s\n", commands[i].name, commands[i].args, commands[i].help);
  return true;
}

static void no_command(Repl *r, const char *name, size_t n, int many) {
  const char *some = "";
  Nearest near = {.wanted = arena_strndup(r->arena, name, n)};
  for (int i = 0; n && i < COUNT(commands); i++)
    nearest_add(&near, commands[i].name);
  for (int i = 0; many && i < COUNT(commands); i++)
    if (!strncmp(commands[i].name, name, n))
      some = arena_printf(r->arena, "%s%s:%s", some, *some ? ", " : "", commands[i].name);
  if (many)
    repl_fail(r, "`:%.*s` may be %s", (int)n, name, some);
  else if (near.best)
    repl_fail(r, "there is no command `:%.*s`; did you mean `:%s`?", (int)n, name, near.best);
  else
    repl_fail(r, "there is no command `:%.*s`; see :help", (int)n, name);
}

void repl_command(Repl *r, const char *text) {
  const char *name = text + 1;
  size_t n = 0, end = strlen(name);
  int found = -1;
  while (end && isspace((unsigned char)name[end - 1]))
    end--;
  while (isalpha((unsigned char)name[n]))
    n++;
  size_t at = n;
  while (at < end && isspace((unsigned char)name[at]))
    at++;
  int many = find_command(name, n, &found);
  if (many == 1)
    run[found](r, arena_strndup(r->arena, name + at, end > at ? end - at : 0));
  else
    no_command(r, name, n, many);
  fflush(r->out);
}
