// Inputs of the REPL: their items one after the other, until one fails.
#include "compiler/repl/repl.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int count_lines(const char *text) {
  int n = 0;
  for (; *text; text++)
    n += *text == '\n';
  return n;
}

// Lines before it in the session are empty lines of the text, so that places are right, but for the comment right above.
Source *repl_source(Repl *r, const char *text) {
  const char *above = r->above ? r->above : "";
  size_t before = (size_t)(r->line - 1 - count_lines(above));
  char *blank = arena_alloc(r->arena, before + 1);
  memset(blank, '\n', before);
  blank[before] = 0;
  const char *all = arena_printf(r->arena, "%s%s%s", blank, above, text);
  return source_new(r->arena, r->source, all, strlen(all));
}

// An input that is a comment is that of the declaration in the next one.
static void keep_comment(Repl *r, const char *text) {
  bool comment =
      text[strspn(text, " \t")] == '#' && text[strlen(text) - 1] == '\n' && count_lines(text) == 1;
  r->above = !comment   ? NULL
             : r->above ? arena_printf(r->arena, "%s%s", r->above, text)
                        : arena_strdup(r->arena, text);
}

static void tell_type(Repl *r, const char *name, const Ready *e) {
  if (!r->o->quiet)
    fprintf(r->out, "%s : %s\n", name, array_type(e->arena, e->dtype, e->axes, e->nax));
}

static Array *compute(Ready *e, Repl *r, Expr *value) {
  bool ok = ready_elaborate(e, r, value, NULL) && ready_build(e, false) && ready_run(e);
  return ok ? ready_take(e, 0) : NULL;
}

Array *repl_compute(Repl *r, Expr *value) {
  Ready e;
  Array *x = compute(&e, r, value);
  ready_free(&e);
  return x;
}

static void show(Repl *r, const Array *x) {
  Arena *a = arena_new();
  array_print(r->out, a, x);
  arena_free(a);
}

void repl_keep(Repl *r, Name name, Array *x, bool tell) {
  const char *path = repl_assigned(r, name.s);
  Arena *a = arena_new();
  if (path) {
    if (repl_assign(r, path, x))
      repl_paths_again(r, path);
    array_free(x);
  } else {
    repl_value(r, repl_put(r, name.s, ITEM_VALUE, name.span), x);
    if (!tell)
      array_print(r->out, a, x);
    else if (!r->o->quiet)
      fprintf(r->out, "%s : %s\n", name.s, array_type(a, x->dtype, x->axis, x->rank));
  }
  arena_free(a);
}

static Stmt *binding(Repl *r, Name name, Expr *value) {
  Stmt *s = NEW(r->arena, Stmt);
  *s = (Stmt){.kind = ST_BIND, .span = value->span, .value = value};
  vec_push(r->arena, &s->names, name);
  return s;
}

// What a value was computed from, where that is no random number and no name that means something in this input alone.
static void keep_origin(Repl *r, const char *name, bool drawn, Stmt *s) {
  Item *it = drawn || r->aliases.n ? NULL : repl_item(r, name);
  if (it)
    it->origin = s;
}

static void bind_value(Repl *r, Name name, Expr *value, bool tell) {
  Ready e;
  Array *x = compute(&e, r, value);
  if (x) {
    repl_keep(r, name, x, tell);
    keep_origin(r, name.s, e.draws.n > 0, binding(r, name, value));
  }
  ready_free(&e);
}

Expr *repl_name(Repl *r, Name name) {
  Expr *e = NEW(r->arena, Expr);
  *e = (Expr){.kind = EX_NAME, .span = name.span, .op = name.span, .height = 1, .name = name};
  return e;
}

Expr *repl_zero(Repl *r, Span at) {
  Expr *e = NEW(r->arena, Expr);
  *e = (Expr){
      .kind = EX_NUM, .span = at, .op = at, .height = 1, .num = {.kind = NUM_WHOLE, .exact = true}};
  return e;
}

// ---- y, aux = m(x)

// The result that no name has yet: what the value says is said of the old ones.
static Expr *result_expr(Repl *r, const Stmt *s, int i) {
  Stmt *one = repl_alone(r, s, i);
  Name name = {intern(r->names, "(a result)"), s->names.v[i].span};
  one->names.v[i] = name;
  repl_put(r, name.s, ITEM_LATER, name.span)->stmt = one;
  return repl_name(r, name);
}

static Array *compute_result(Repl *r, const Stmt *s, int i) {
  int before = r->items.n;
  Ready e;
  Array *x = compute(&e, r, result_expr(r, s, i));
  r->items.n = before;
  ready_free(&e);
  return x;
}

static void bind_results(Repl *r, const Stmt *s) {
  Array **x = NEWN(r->arena, Array *, s->names.n);
  uint64_t draws = r->draws;
  bool ok = true;
  for (int i = 0; i < s->names.n && ok; i++) {
    r->draws = draws; // all are of the same numbers
    ok = is_no_name(s, i) || (x[i] = compute_result(r, s, i));
  }
  for (int i = 0; i < s->names.n; i++)
    if (!ok)
      array_free(x[i]);
    else if (x[i]) {
      repl_keep(r, s->names.v[i], x[i], true);
      keep_origin(r, s->names.v[i].s, r->draws != draws, repl_alone(r, s, i));
    }
}

// ---- what is elaborated later

const char *repl_child_text(Arena *a, const Item *it) {
  const Span s = it->stmt->span;
  const char *text = arena_strndup(a, s.src->text + s.lo, s.hi - s.lo), *colon = strchr(text, ':');
  while (colon && isspace((unsigned char)*++colon))
    ;
  return colon ? colon : it->stmt->module.s;
}

static void tell_child(Repl *r, const Item *it, const Ready *e) {
  const ModelParam *p;
  int64_t numbers = 0;
  int n = model_params(e->model, &p), own = 0;
  size_t len = strlen(it->name);
  for (int i = 0; i < n; i++)
    if (!strncmp(p[i].path, it->name, len) && p[i].path[len] == '.') {
      own++;
      numbers += p[i].elements;
    }
  if (!r->o->quiet)
    fprintf(r->out, "%s : %s, %lld numbers in %d parameter%s\n", it->name,
            repl_child_text(e->arena, it), (long long)numbers, own, own == 1 ? "" : "s");
}

// Puts the item, and takes it back when it does not check.
static void put_later(Repl *r, const Stmt *s, int i, ItemKind kind) {
  Name name = s->names.v[i];
  Item *old = repl_item(r, name.s), kept = old ? *old : (Item){0};
  Ready e;
  if (old)
    old->value = NULL; // not freed: it may come back
  Item *it = repl_put(r, name.s, kind, name.span);
  it->stmt = repl_alone(r, s, i);
  bool child = kind == ITEM_CHILD;
  bool ok = ready_elaborate(&e, r, child ? repl_zero(r, name.span) : repl_name(r, name),
                            child ? it : NULL);
  if (ok) {
    array_free(kept.value);
    if (kind != ITEM_LATER)
      repl_drop_weights(r, name.s);
    if (child)
      tell_child(r, it, &e);
    else
      tell_type(r, name.s, &e);
  } else if (old)
    *it = kept;
  else
    r->items.n--;
  ready_free(&e);
}

// Parameters are floating-point or complex; at the prompt i32 ones are values that start so, cut to
// whole numbers.
static void put_whole_numbers(Repl *r, const Stmt *s, int i) {
  Expr *draw = NEW(r->arena, Expr), *axes = NEW(r->arena, Expr), *cast = NEW(r->arena, Expr),
       *call = NEW(r->arena, Expr);
  if (!s->value || s->value->kind != EX_CALL || s->value->a->kind != EX_NAME) {
    repl_fail(r, "`%s` : i32 needs what it starts at: `~ uniform(0, V)`", s->names.v[i].s);
    return;
  }
  *axes = (Expr){.kind = EX_AXES,
                 .span = s->value->a->span,
                 .op = s->type->span,
                 .height = 2,
                 .a = s->value->a};
  for (int k = 0; k < s->type->dims.n; k++) {
    const TDim *d = &s->type->dims.v[k];
    AxisName x = {.name = d->name, .pack = d->pack, .span = d->span};
    vec_push(r->arena, &axes->axes, x);
  }
  *draw = *s->value;
  draw->a = axes;
  *cast = (Expr){.kind = EX_DTYPE,
                 .span = s->type->dtype_span,
                 .op = s->type->dtype_span,
                 .height = 1,
                 .dtype = DT_I32};
  *call = (Expr){.kind = EX_CALL, .span = s->span, .op = s->span, .height = 5, .a = cast};
  Arg arg = {.span = draw->span, .value = draw};
  vec_push(r->arena, &call->args, arg);
  bind_value(r, s->names.v[i], call, true);
}

// A child by itself: what it is, and its parameters.
void repl_describe_child(Repl *r, Item *it) {
  Ready e;
  const ModelParam *p;
  size_t len = strlen(it->name);
  if (ready_elaborate(&e, r, repl_zero(r, it->span), it)) {
    tell_child(r, it, &e);
    for (int i = 0, n = model_params(e.model, &p); i < n; i++) {
      const char *axes = "";
      if (strncmp(p[i].path, it->name, len) || p[i].path[len] != '.')
        continue;
      for (int k = 0; k < p[i].nax; k++)
        axes = arena_printf(e.arena, "%s%s%s = %lld", axes, k ? ", " : "[", p[i].axes[k],
                            (long long)p[i].extent[k]);
      fprintf(r->out, "  %s : %s%s%s\n", p[i].path, axes, *axes ? "] " : "",
              dtype_name(p[i].dtype));
    }
  }
  ready_free(&e);
}

// "layer.weight": a parameter inside a child.  Empty: something else.
static const char *param_path(Repl *r, const Expr *e) {
  if (e->kind == EX_NAME) {
    const Item *it = repl_item(r, e->name.s);
    return it && it->kind == ITEM_CHILD ? it->name : "";
  }
  const char *in = e->kind == EX_DOT ? param_path(r, e->a) : "";
  return *in ? arena_printf(r->arena, "%s.%s", in, e->name.s) : "";
}

static bool has_axis_twice(const Array *x) {
  for (int i = 0; i < x->rank; i++)
    for (int k = 0; k < i; k++)
      if (x->axis[i].name == x->axis[k].name)
        return true;
  return false;
}

// A square parameter is no value of the language, which has no axis twice, but can be looked at.
static bool shown_as_stored(Repl *r, const Expr *value) {
  const char *path = value->kind == EX_DOT ? param_path(r, value) : "";
  int before = r->failures;
  Array *x = *path && repl_has_param(r, path) ? repl_param(r, path) : NULL;
  bool twice = x && has_axis_twice(x);
  if (twice)
    show(r, x);
  array_free(x);
  return twice || r->failures > before;
}

// `layer.0.weight` alone: see repl_paths.c.
static bool shown_by_path(Repl *r, const Stmt *s) {
  Item *it =
      s->kind == ST_EXPR && s->value->kind == EX_NAME ? repl_item(r, s->value->name.s) : NULL;
  if (!it || !it->value || !repl_is_alias(r, it->name) || !has_axis_twice(it->value))
    return false;
  show(r, it->value);
  return true;
}

static void repl_statement(Repl *r, Stmt *s) {
  int before = r->failures;
  Name it = {intern(r->names, "it"), s->span};
  Item *named =
      s->kind == ST_EXPR && s->value->kind == EX_NAME ? repl_item(r, s->value->name.s) : NULL;
  if (named && named->kind == ITEM_CHILD) {
    repl_describe_child(r, named);
    return;
  }
  if (shown_by_path(r, s) || (s->kind == ST_EXPR && shown_as_stored(r, s->value)))
    return;
  switch (s->kind) {
  case ST_EXPR: bind_value(r, it, s->value, false); return;
  case ST_BIND:
    if (s->names.n == 1)
      bind_value(r, s->names.v[0], s->value, true);
    else
      bind_results(r, s);
    return;
  case ST_BAD: return;
  default: break;
  }
  for (int i = 0; i < s->names.n && r->failures == before; i++)
    if (s->kind == ST_PARAM && s->type->dtype == DT_I32)
      put_whole_numbers(r, s, i);
    else
      put_later(r, s, i,
                s->kind == ST_PARAM   ? ITEM_PARAM
                : s->kind == ST_CHILD ? ITEM_CHILD
                                      : ITEM_LATER);
}

// ---- inputs

static void declare_model(Repl *r, Decl *d) {
  VEC(Decl *) file = {0};
  if (d->kind == DECL_CHECKPOINT) {
    repl_fail(r, "a checkpoint block belongs to a file: see :load");
    return;
  }
  if (d->kind == DECL_TRAIN) {
    repl_train(r, d);
    return;
  }
  // By the rules for files, then its parts become names.
  File *f = NEW(r->arena, File);
  Diags diags = {.arena = r->arena};
  Defines defs = {0};
  for (int i = 0; i < r->decls.n; i++)
    if (!r->decls.v[i].broken)
      vec_push(r->arena, &file, r->decls.v[i].decl);
  vec_push(r->arena, &file, d);
  f->src = d->span.src;
  for (int i = 0; i < file.n; i++)
    vec_push(r->arena, &f->decls, file.v[i]);
  for (int i = 0; i < r->sets.n; i++)
    if (repl_dim(r, r->sets.v[i].name))
      vec_push(r->arena, &defs, r->sets.v[i]);
  ModelOptions opt = repl_options(r, &defs, false);
  if (model_ok(model_load_tree(r->arena, r->names, &diags, f, &opt)))
    repl_model(r, d);
  else
    repl_diags(r, &diags);
}

static void run_item(Repl *r, const ReplItem *item) {
  if (item->decl)
    declare_model(r, item->decl);
  else if (item->literal)
    repl_literal(r, item->literal, item->type);
  else if (is_load(r, item->stmt))
    repl_load_tensor(r, item->stmt, item->type);
  else if (item->type)
    repl_fail(r,
              "a type stands behind a list of numbers or `load(...)`; a value has the type it has");
  else
    repl_statement(r, item->stmt);
}

static void run_items(Repl *r, const ReplInput *in) {
  int before = r->failures;
  for (int i = 0; i < in->items.n && r->failures == before;) {
    VEC(Decl *) decls = {0};
    while (i < in->items.n && in->items.v[i].decl && in->items.v[i].decl->kind < DECL_MODEL)
      vec_push(r->arena, &decls, in->items.v[i++].decl);
    if (decls.n) {
      repl_declare(r, decls.v, decls.n, true);
      continue;
    }
    run_item(r, &in->items.v[i++]);
  }
}

// Other programs' words for :quit, where they mean nothing else.
static bool is_farewell(const Repl *r, const char *start) {
  static const char *const words[] = {"exit", "quit"};
  for (int i = 0; i < COUNT(words); i++) {
    size_t n = strlen(words[i]);
    if (!strncmp(start, words[i], n) && !start[n + strspn(start + n, " \t\n()")])
      return !repl_item(r, intern(r->names, words[i]));
  }
  return false;
}

// `x @ w` was read as what it means: the checker knows its axes.
static void explain_text(Repl *r, const ReplInput *in, Diags *d) {
  Stmt *s = in->items.n == 1 ? in->items.v[0].stmt : NULL;
  if (s && s->kind != ST_BAD && s->value)
    ready_explain(r, s->value, d);
  else
    repl_diags(r, d);
}

// False: it is incomplete.
static bool run_text(Repl *r, const char *text, bool last) {
  Diags d = {.arena = r->arena};
  const char *own = repl_paths(r, text);
  ReplInput *in = own ? parse_repl(r->arena, r->names, &d, repl_source(r, own)) : NULL;
  if (in && in->incomplete && !last)
    return false;
  if (in && in->incomplete)
    repl_fail(r, "the input ends inside a bracket, or after an operator");
  else if (in && (in->bad || d.errors))
    explain_text(r, in, &d);
  else if (in && repl_paths_begin(r))
    run_items(r, in);
  repl_paths_end(r);
  return true;
}

bool repl_input(Repl *r, const char *text, bool last) {
  const char *start = text;
  while (isspace((unsigned char)*start))
    start++;
  if (is_farewell(r, start))
    r->quit = true;
  else if (*start == ':')
    repl_command(r, start);
  else if (!run_text(r, text, last))
    return false;
  keep_comment(r, text);
  r->line += count_lines(text);
  fflush(r->out);
  return true;
}

void repl_script(Repl *r, FILE *f) {
  char *line = NULL, *text = NULL;
  size_t cap = 0, n = 0, room = 0;
  ssize_t got;
  while (!r->quit && (got = getline(&line, &cap, f)) >= 0) {
    if (n + (size_t)got + 1 > room) {
      room = 2 * (n + (size_t)got + 1);
      char *grown = realloc(text, room);
      if (!grown)
        out_of_memory();
      text = grown;
    }
    if (strlen(line) != (size_t)got) { // the rest would be lost without a word
      repl_fail(r, "a line with a zero byte is left out");
      continue;
    }
    memcpy(text + n, line, (size_t)got + 1);
    n += (size_t)got;
    // An empty line ends an input that cannot become complete, as at a terminal.
    if (repl_input(r, text, line[strspn(line, " \t\r")] == '\n' && n > (size_t)got))
      n = 0;
  }
  if (n && !r->quit)
    repl_input(r, text, true);
  free(line);
  free(text);
}
