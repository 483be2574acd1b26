// Declarations at the prompt: replaced in place, checked together.
#include "compiler/repl/repl.h"
#include "compiler/driver/sample.h"
#include "runtime/files/file.h"
#include <stdlib.h>
#include <string.h>

typedef struct Fresh { // the declarations that are being added
  Decl *const *v;
  int n;
} Fresh;

static const char *decl_key(const Decl *d) {
  switch (d->kind) {
  case DECL_DIM: return d->dims.v[0].name.s;
  case DECL_LET: return d->lets.v[0].name.s;
  case DECL_USE: return d->path.s;
  case DECL_FN:
  case DECL_MODULE: return d->name.s;
  default: return "";
  }
}

// Dims and lets are one kind of name.
static DeclKind decl_class(const Decl *d) {
  return d->kind == DECL_LET ? DECL_DIM : d->kind;
}

static int find_decl(const DeclList *l, const Decl *d) {
  for (int i = 0; i < l->n; i++)
    if (decl_class(l->v[i].decl) == decl_class(d) && !strcmp(decl_key(l->v[i].decl), decl_key(d)))
      return i;
  return -1;
}

static void put_decl(Repl *r, DeclList *l, Decl *d) {
  int i = find_decl(l, d);
  if (i >= 0)
    l->v[i] = (Known){.decl = d};
  else
    vec_push(r->arena, l, (Known){.decl = d});
}

static bool is_constant(const DeclList *l, const char *name) {
  for (int i = 0; i < l->n; i++)
    if (decl_class(l->v[i].decl) == DECL_DIM && !strcmp(decl_key(l->v[i].decl), name))
      return true;
  return false;
}

static Model *check(Repl *r, Arena *a, const DeclList *l, const Defines *sets, Diags *diags) {
  File *f = NEW(a, File);
  Defines defs = {0};
  ModelOptions *opt = NEW(a, ModelOptions);
  f->src = source_new(a, r->source, "", 0);
  for (int i = 0; i < l->n; i++)
    if (!l->v[i].broken)
      vec_push(a, &f->decls, l->v[i].decl);
  for (int i = 0; i < sets->n; i++)
    if (is_constant(l, sets->v[i].name))
      vec_push(a, &defs, sets->v[i]);
  *opt = repl_options(r, &defs, true);
  *diags = (Diags){.arena = a};
  return model_load_tree(a, r->names, diags, f, opt);
}

// The older declaration that a diagnostic is about; -1: it is about something else.
static int culprit(const DeclList *l, const Diag *g, Fresh fresh) {
  for (int i = 0; i < l->n; i++) {
    const Decl *d = l->v[i].decl;
    if (d->span.src != g->span.src || g->span.lo < d->span.lo || g->span.lo >= d->span.hi)
      continue;
    for (int k = 0; k < fresh.n; k++)
      if (fresh.v[k] == d)
        return -1;
    return i;
  }
  return -1;
}

static bool was_broken(const Repl *r, const Decl *d) {
  for (int i = 0; i < r->decls.n; i++)
    if (r->decls.v[i].decl == d)
      return r->decls.v[i].broken;
  return false;
}

// Errors in older declarations: these are left out from now on.  False: an error is about something
// else.
static bool leave_out(Repl *r, DeclList *l, Diags *d, Fresh fresh) {
  Diags news = {.arena = d->arena};
  const char *names = "";
  for (int i = 0; i < d->list.n; i++) {
    Diag *g = d->list.v[i];
    int k = culprit(l, g, fresh);
    if (g->severity != SEV_ERROR)
      continue;
    if (k < 0)
      return false;
    if (was_broken(r, l->v[k].decl) || l->v[k].broken)
      continue;
    vec_push(d->arena, &news.list, g);
    names = arena_printf(d->arena, "%s%s`%s`", names, *names ? ", " : "", decl_key(l->v[k].decl));
  }
  for (int i = 0; i < d->list.n; i++)
    if (d->list.v[i]->severity == SEV_ERROR)
      l->v[culprit(l, d->list.v[i], fresh)].broken = true;
  if (*names) {
    diags_print(r->err, &news, options_format(r->o), r->color);
    repl_note(r, "%s no longer fits: left out until declared again", names);
  }
  return true;
}

static bool open_dim(const DeclList *l, const char *name) {
  for (int i = 0; i < l->n; i++)
    if (l->v[i].decl->kind == DECL_DIM && l->v[i].decl->dims.v[0].name.s == name)
      return l->v[i].decl->dims.v[0].bind != DIM_EQUAL;
  return false;
}

// One that was here keeps its extent, wherever it stands now.
static int64_t open_extent(const Repl *r, const ModelDim *dim, int index) {
  const DimNow *old = repl_dim(r, dim->name);
  bool fits = old && old->open && (!dim->bound || old->extent <= dim->bound);
  return fits ? old->extent : sample_extent(index, dim->bound);
}

static void take(Repl *r, const DeclList *l, const Model *m) {
  const ModelDim *dims;
  VEC(DimNow) now = {0};
  int64_t sym[MAX_SYMS] = {0};
  int n = model_dims(m, &dims), open = 0;
  for (int i = 0; i < n; i++) {
    DimNow d = {dims[i].name, dims[i].extent, dims[i].bound, open_dim(l, dims[i].name)};
    if (dim_is_given(&dims[i]))
      sym[dims[i].sym] = d.extent = open_extent(r, &dims[i], open);
    else if (dims[i].formula) {
      model_complete_sizes(m, sym);
      d.extent = poly_eval(&dims[i].size, sym);
    }
    open += d.open;
    vec_push(r->arena, &now, d);
  }
  r->dims.n = 0;
  for (int i = 0; i < n; i++)
    vec_push(r->arena, &r->dims, now.v[i]);
  r->decls.n = 0;
  for (int i = 0; i < l->n; i++)
    vec_push(r->arena, &r->decls, l->v[i]);
  r->changes++;
}

// Takes `l` over when it checks, perhaps without older declarations.  Else the errors are in *d, in
// the arena *a.
static bool settle(Repl *r, DeclList *l, Fresh fresh, const Defines *sets, Arena **a, Diags *d) {
  for (int i = 0; i < l->n; i++)
    l->v[i].broken = false;
  for (int round = 0; round <= l->n; round++) {
    arena_free(*a);
    *a = arena_new();
    Model *m = check(r, *a, l, sets, d);
    if (model_ok(m)) {
      take(r, l, m);
      return true;
    }
    if (!leave_out(r, l, d, fresh))
      return false;
  }
  return false;
}

static DeclList edited(Repl *r, Fresh fresh) {
  DeclList l = {0};
  for (int i = 0; i < r->decls.n; i++)
    vec_push(r->arena, &l, r->decls.v[i]);
  for (int i = 0; i < fresh.n; i++)
    put_decl(r, &l, fresh.v[i]);
  return decls_in_order(r, &l);
}

// One dim or let a declaration, so that each can be replaced by itself.
static Fresh split(Repl *r, Decl *const *decl, int n) {
  VEC(Decl *) out = {0};
  for (int i = 0; i < n; i++) {
    const Decl *d = decl[i];
    for (int k = 0; k < d->dims.n + d->lets.n; k++) {
      Decl *one = NEW(r->arena, Decl);
      *one = *d;
      memset(&one->dims, 0, sizeof one->dims);
      memset(&one->lets, 0, sizeof one->lets);
      if (k < d->dims.n)
        vec_push(r->arena, &one->dims, d->dims.v[k]);
      else
        vec_push(r->arena, &one->lets, d->lets.v[k - d->dims.n]);
      one->span = k < d->dims.n ? d->dims.v[k].span : d->lets.v[k - d->dims.n].span;
      vec_push(r->arena, &out, one);
    }
    if (!d->dims.n && !d->lets.n)
      vec_push(r->arena, &out, (Decl *)d);
  }
  return (Fresh){out.v, out.n};
}

// Extents of the dims that are new and known at run time only, until :set changes them.
static void tell_dims(Repl *r, Fresh fresh) {
  const char *text = "";
  for (int i = 0; i < fresh.n; i++) {
    const DimNow *d = fresh.v[i]->kind == DECL_DIM ? repl_dim(r, decl_key(fresh.v[i])) : NULL;
    if (d && d->open)
      text = arena_printf(r->arena, "%s%s%s = %lld", text, *text ? ", " : "", d->name,
                          (long long)d->extent);
  }
  if (*text)
    repl_note(r, "%s for now; :set changes them", text);
}

// A number declared again: a dim without one keeps what it was set to, and `-D` counts for the first.
static bool says_number(const Repl *r, Fresh fresh, const char *name) {
  for (int i = 0; i < fresh.n; i++) {
    const Decl *d = fresh.v[i];
    bool number = d->kind == DECL_LET || (d->kind == DECL_DIM && d->dims.v[0].bind == DIM_EQUAL);
    if (number && !strcmp(decl_key(d), name))
      return is_constant(&r->decls, name);
  }
  return false;
}

static Defines kept_sets(Repl *r, Fresh fresh) {
  Defines sets = {0};
  for (int i = 0; i < r->sets.n; i++)
    if (!says_number(r, fresh, r->sets.v[i].name))
      vec_push(r->arena, &sets, r->sets.v[i]);
  return sets;
}

bool repl_declare(Repl *r, Decl *const *decl, int n, bool typed) {
  Fresh fresh = split(r, decl, n);
  Arena *a = NULL;
  Diags d;
  DeclList l = edited(r, fresh);
  Defines sets = typed ? kept_sets(r, fresh) : r->sets;
  bool ok = settle(r, &l, fresh, &sets, &a, &d);
  if (ok) {
    r->sets = sets;
    tell_dims(r, fresh);
  } else
    repl_diags(r, &d);
  arena_free(a);
  return ok;
}

bool repl_set(Repl *r, const char *name, const char *value) {
  Defines sets = {0};
  Arena *a = NULL;
  Diags d;
  DeclList l = edited(r, (Fresh){0});
  if (!is_constant(&l, name)) {
    repl_fail(r, "there is no dim and no let `%s`", name);
    return false;
  }
  for (int i = 0; i < r->sets.n; i++)
    if (strcmp(r->sets.v[i].name, name))
      vec_push(r->arena, &sets, r->sets.v[i]);
  vec_push(r->arena, &sets, (Define){arena_strdup(r->arena, name), arena_strdup(r->arena, value)});
  // With this value everything that checked must still do.
  Fresh all = {NEWN(r->arena, Decl *, l.n + 1), l.n};
  for (int i = 0; i < l.n; i++)
    ((Decl **)all.v)[i] = l.v[i].decl;
  bool ok = settle(r, &l, all, &sets, &a, &d);
  r->changes += ok;
  if (ok)
    r->sets = sets;
  else if (a)
    repl_diags(r, &d);
  arena_free(a);
  return ok;
}

// ---- models

Stmt *repl_alone(Repl *r, const Stmt *s, int i) {
  Stmt *one = NEW(r->arena, Stmt);
  *one = *s;
  memset(&one->names, 0, sizeof one->names);
  for (int k = 0; k < s->names.n; k++)
    if (k == i)
      vec_push(r->arena, &one->names, s->names.v[k]);
    else if (s->kind == ST_BIND)
      vec_push(r->arena, &one->names, (Name){intern(r->names, "_"), s->names.v[k].span});
  return one;
}

static void put_stmts(Repl *r, const Stmts *l) {
  for (int i = 0; i < l->n; i++)
    for (int k = 0; k < l->v[i]->names.n; k++) {
      const Stmt *s = l->v[i];
      if (is_no_name(s, k))
        continue;
      ItemKind kind = s->kind == ST_PARAM   ? ITEM_PARAM
                      : s->kind == ST_CHILD ? ITEM_CHILD
                                            : ITEM_LATER;
      Item *it = repl_put(r, s->names.v[k].s, kind, s->names.v[k].span);
      it->draw = 0; // as `bigsc init` draws them
      it->stmt = repl_alone(r, s, k);
      repl_drop_weights(r, it->name);
    }
}

static void put_input(Repl *r, Name name, Type *type, Expr *preset) {
  Formal *f = NEW(r->arena, Formal);
  *f = (Formal){.span = name.span, .name = name, .type = type, .preset = preset};
  repl_put(r, name.s, ITEM_INPUT, name.span)->formal = f;
}

bool repl_model(Repl *r, const Decl *model) {
  for (int i = 0; i < model->formals.n; i++)
    put_input(r, model->formals.v[i].name, model->formals.v[i].type, model->formals.v[i].preset);
  put_stmts(r, &model->body->stmts);
  r->model = model;
  return true;
}

// Again: in the place of the one of its name.
static void put_train(Repl *r, const Decl *train) {
  for (int i = 0; i < r->trains.n; i++)
    if (r->trains.v[i]->name.s == train->name.s) {
      r->trains.v[i] = train;
      return;
    }
  vec_push(r->arena, &r->trains, train);
}

bool repl_train(Repl *r, const Decl *train) {
  put_train(r, train);
  r->changes++;
  for (int i = 0; i < train->train.n; i++) {
    const TrItem *t = &train->train.v[i];
    for (int k = 0; t->kind == TR_DATA && k < t->fields.n; k++)
      if (t->fields.v[k].type)
        put_input(r, t->fields.v[k].name, t->fields.v[k].type, NULL);
    if (t->kind != TR_SETTING || strcmp(t->setting.name.s, "loss"))
      continue;
    Stmt *s = NEW(r->arena, Stmt);
    *s = (Stmt){.kind = ST_BIND, .span = t->setting.span, .value = t->setting.value};
    vec_push(r->arena, &s->names, train->name);
    Item *it = repl_put(r, train->name.s, ITEM_LATER, train->name.span);
    it->stmt = s;
    it->loss = true;
  }
  return true;
}

// ---- files

static File *read_file(Repl *r, const char *path) {
  size_t size;
  BigsError e = {0};
  char *text = file_read(path, 4 << 20, &size, &e);
  if (!text) {
    repl_fail(r, "%s", e.text);
    return NULL;
  }
  Diags d = {.arena = r->arena};
  Source *src =
      source_new(r->arena, arena_strdup(r->arena, path), arena_strndup(r->arena, text, size), size);
  free(text);
  File *f = parse_file(r->arena, r->names, &d, src);
  if (f->bad)
    repl_diags(r, &d);
  return f->bad ? NULL : f;
}

// The file by itself, by the rules for files.
static bool file_checks(Repl *r, File *f) {
  Arena *a = arena_new();
  Diags d = {.arena = a};
  Defines defs = {0};
  DeclList own = {0};
  for (int i = 0; i < f->decls.n; i++) {
    Fresh parts = split(r, &f->decls.v[i], 1);
    for (int k = 0; k < parts.n; k++)
      vec_push(r->arena, &own, (Known){.decl = parts.v[k]});
  }
  for (int i = 0; i < r->sets.n; i++)
    if (is_constant(&own, r->sets.v[i].name))
      vec_push(a, &defs, r->sets.v[i]);
  ModelOptions opt = repl_options(r, &defs, false);
  bool ok = model_ok(model_load_tree(a, r->names, &d, f, &opt));
  if (d.list.n)
    repl_diags(r, &d);
  arena_free(a);
  return ok;
}

bool repl_load(Repl *r, const char *path) {
  VEC(Decl *) decls = {0};
  File *f = read_file(r, path);
  Diags none = {.arena = r->arena};
  if (!f || !file_checks(r, f))
    return false;
  f = model_join(r->arena, r->names, &none, f);
  for (int i = 0; i < f->decls.n; i++)
    if (f->decls.v[i]->kind < DECL_MODEL)
      vec_push(r->arena, &decls, f->decls.v[i]);
  if (!repl_declare(r, decls.v, decls.n, false))
    return false;
  r->loaded = arena_strdup(r->arena, path);
  r->trains.n = 0;
  for (int i = 0; i < f->decls.n; i++)
    if (f->decls.v[i]->kind == DECL_MODEL)
      repl_model(r, f->decls.v[i]);
  for (int i = 0; i < f->decls.n; i++)
    if (f->decls.v[i]->kind == DECL_TRAIN)
      repl_train(r, f->decls.v[i]);
  return true;
}
