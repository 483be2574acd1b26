// bigsc repl: statements and expressions of the language at a prompt, or from a pipe.
#include "compiler/commands/cmd.h"
#include "compiler/repl/repl.h"
#include "compiler/repl/repl_line.h"
#include "compiler/driver/session.h"
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t interrupts;

static void on_interrupt(int signal_number) {
  (void)signal_number;
  interrupts = 1;
}

// Without SA_RESTART, so that a read returns.
static void catch_interrupts(void) {
  struct sigaction sa = {.sa_handler = on_interrupt};
  sigaction(SIGINT, &sa, NULL);
}

// ---- MODEL and --weights

static bool take_weight(Repl *r, bigs_model *m, const BigsModule *module, int i) {
  const BigsParam *p = &module->param[i];
  TypedAxis axis[BIGS_MAX_RANK];
  for (int k = 0; k < p->rank; k++)
    axis[k] = (TypedAxis){intern(r->names, p->axis[k] ? p->axis[k] : ""), p->extent[k], TYPED_DIM};
  Array *x = array_new((DType)p->dtype, axis, p->rank);
  Weight *w = NEW(r->arena, Weight);
  if (!x || bigs_model_get(m, BIGS_THE_WEIGHT, i, x->data)) {
    array_free(x);
    repl_fail(r, "out of memory for `%s`", p->name);
    return false;
  }
  *w = (Weight){.path = arena_strdup(r->arena, p->name), .value = x};
  vec_push(r->arena, &r->weights, w);
  return true;
}

static void set_again(Repl *r, const char *name, int64_t extent) {
  Define d = {arena_strdup(r->arena, name), arena_printf(r->arena, "%lld", (long long)extent)};
  for (int i = 0; i < r->sets.n; i++)
    if (!strcmp(r->sets.v[i].name, name)) {
      r->sets.v[i] = d;
      return;
    }
  vec_push(r->arena, &r->sets, d);
}

// Dims that the weights' config.json set are set here, too.
static void take_dims(Repl *r, Session *s, const char *path) {
  const ModelDim *now, *plain;
  Diags quiet = {.arena = s->arena};
  ModelOptions none = {0};
  Model *m = model_load(s->arena, s->names, &quiet, path, NULL, &none);
  int n = model_dims(s->model, &now), k = model_ok(m) ? model_dims(m, &plain) : 0;
  for (int i = 0; i < n && i < k; i++)
    if (now[i].fixed &&
        (dim_is_given(&plain[i]) || (plain[i].fixed && plain[i].extent != now[i].extent)))
      set_again(r, now[i].name, now[i].extent);
}

static int read_weights(Repl *r, const char *path) {
  Session s;
  BuildWant want = {0};
  int status = session_load(&s, r->o, path, false);
  if (!status && !s.model)
    status = session_error(&s, EXIT_USAGE, "the REPL takes a model's text, a .mdl");
  status = status ? status : session_compile(&s, &want);
  status = status ? status : session_open(&s);
  if (!status)
    take_dims(r, &s, path);
  for (int i = 0; !status && i < s.module->nparam; i++)
    status = take_weight(r, s.handle, s.module, i) ? 0 : EXIT_MODEL;
  session_close(&s);
  return status;
}

// --form names members of this file.
static int check_forms_asked(Repl *r, const char *path) {
  Session s;
  int status = session_load(&s, r->o, path, false);
  session_close(&s);
  return status;
}

int repl_open(Repl *r, const char *path, const char *weights) {
  VEC(Weight *) read = {0};
  if (access(path, R_OK)) {
    repl_fail(r, "%s: cannot read it", path);
    return EXIT_FILE;
  }
  int status = weights ? read_weights(r, path) : r->o->forms.n ? check_forms_asked(r, path) : 0;
  for (int i = 0; i < r->weights.n; i++)
    vec_push(r->arena, &read, r->weights.v[i]);
  r->weights.n = 0; // put back below: loading a file forgets those of its names
  if (!status && !repl_load(r, path))
    status = EXIT_MODEL;
  for (int i = 0; i < read.n; i++)
    vec_push(r->arena, &r->weights, read.v[i]);
  return status;
}

// ---- the terminal

static void append(char **text, size_t *n, const char *line) {
  size_t len = strlen(line);
  char *grown = realloc(*text, *n + len + 1);
  if (!grown)
    out_of_memory();
  memcpy(grown + *n, line, len + 1);
  *text = grown;
  *n += len;
}

static void converse(Repl *r, Editor *e) {
  char *text = NULL;
  size_t n = 0;
  while (!r->quit) {
    bool interrupted;
    interrupts = 0;
    const char *line = editor_line(e, n > 0, &interrupted);
    if (interrupted) {
      n = 0;
      continue;
    }
    if (!line)
      break;
    interrupts = 0;
    append(&text, &n, line);
    // An empty line ends an input that cannot become complete.
    if (repl_input(r, text, line[0] == '\n' && n > 1)) {
      editor_remember(e, text);
      n = 0;
    }
  }
  if (!r->quit)
    fprintf(r->out, "\n");
  free(text);
}

static int at_terminal(Repl *r) {
  Editor *e = editor_new(r->out, &interrupts, repl_complete, r, editor_history_path(r->arena));
  if (!e) {
    repl_script(r, stdin);
    return 0;
  }
  if (!r->o->quiet)
    fprintf(r->out, "bigsc, :help for help, :quit to end\n");
  converse(r, e);
  editor_free(e);
  return 0;
}

int cmd_REPL(const Options *given) {
  const char *error = NULL;
  Options own = *given, *o = &own;
  if (o->args.n > 1 || (o->weights && !o->args.n)) {
    fprintf(stderr, "bigsc repl: %s; see `bigsc repl --help`\n",
            o->args.n ? "too many arguments" : "--weights of which model?");
    return EXIT_USAGE;
  }
  setlocale(LC_CTYPE, "");
  bool terminal = isatty(STDIN_FILENO);
  Repl *r = repl_new(o, stdout, stderr, terminal ? "<prompt>" : "<stdin>", &error);
  if (!r) {
    fprintf(stderr, "bigsc: %s\n", error);
    return target_missing() ? EXIT_FILE : EXIT_MODEL;
  }
  r->color = options_color(o);
  r->cancel = &interrupts;
  catch_interrupts();
  int status = o->args.n ? repl_open(r, o->args.v[0], o->weights) : 0;
  if (!status && terminal)
    status = at_terminal(r);
  else if (!status)
    repl_script(r, stdin);
  if (!status && !terminal)
    status = interrupts ? EXIT_INTERRUPTED : r->failures ? EXIT_MODEL : 0;
  repl_free(r);
  return status;
}
