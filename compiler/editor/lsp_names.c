// Which names a place sees, and where they are declared.  By the text alone: it need not be right elsewhere.
#include "compiler/editor/lsp_internal.h"
#include "compiler/syntax/parse.h"
#include "runtime/files/file.h"
#include <stdlib.h>
#include <string.h>

enum { USE_DEPTH = 8 }; // files that use files

typedef struct Sight {
  LspDoc *d;
  uint32_t at;
  LspNames *out;
} Sight;

static void add(Sight *v, LspName n) {
  if (n.name && *n.name)
    vec_push(v->d->a, v->out, n);
}

static bool covers(Span s, uint32_t at) {
  return s.src && s.lo <= at && at <= s.hi;
}

// ---- bodies
static void add_formals(Sight *v, const Formals *f) {
  for (int i = 0; i < f->n; i++)
    add(v, (LspName){.name = f->v[i].name.s, .span = f->v[i].name.span, .formal = &f->v[i]});
}

static void add_body(Sight *v, const Body *b);

// The scans around the place, inner ones first.
static void in_expr(Sight *v, const Expr *e) {
  if (!e || !covers(e->span, v->at))
    return;
  in_expr(v, e->a);
  in_expr(v, e->b);
  for (int i = 0; e->kind == EX_CALL && i < e->args.n; i++)
    in_expr(v, e->args.v[i].value);
  for (int i = 0; (e->kind == EX_TUPLE || e->kind == EX_THEN) && i < e->items.n; i++)
    in_expr(v, e->items.v[i]);
  if (e->kind == EX_SCAN && e->scan->body) {
    add_body(v, e->scan->body);
    add_formals(v, &e->scan->states);
  }
}

static void in_stmt(Sight *v, const Stmt *st) {
  in_expr(v, st->value);
  for (int i = 0; i < st->forms.n; i++)
    in_expr(v, st->forms.v[i].value);
}

static void add_body(Sight *v, const Body *b) {
  for (int i = 0; i < b->stmts.n; i++)
    in_stmt(v, b->stmts.v[i]);
  for (int i = 0; i < b->stmts.n; i++) {
    const Stmt *st = b->stmts.v[i];
    for (int k = 0; k < st->names.n; k++)
      add(v, (LspName){.name = st->names.v[k].s, .span = st->names.v[k].span, .stmt = st});
  }
}

static void add_axes(Sight *v, const AxisNames *n) {
  for (int i = 0; i < n->n; i++)
    add(v, (LspName){.name = n->v[i].name.s, .span = n->v[i].span});
}

static void add_inside(Sight *v, const Decl *d) {
  if (d->body)
    add_body(v, d->body);
  add_formals(v, &d->formals);
  if (d->generics) {
    add_axes(v, &d->generics->in);
    add_axes(v, &d->generics->out);
  }
  for (int i = 0; i < d->train.n; i++)
    for (int k = 0; k < d->train.v[i].fields.n; k++)
      add(v, (LspName){.name = d->train.v[i].fields.v[k].name.s,
                       .span = d->train.v[i].fields.v[k].span});
}

// ---- files
static void add_decl(Sight *v, const Decl *d) {
  for (int i = 0; i < d->dims.n; i++)
    add(v, (LspName){.name = d->dims.v[i].name.s, .span = d->dims.v[i].name.span, .decl = d});
  for (int i = 0; i < d->lets.n; i++)
    add(v, (LspName){.name = d->lets.v[i].name.s, .span = d->lets.v[i].name.span, .decl = d});
  if (d->name.s)
    add(v, (LspName){.name = d->name.s, .span = d->name.span, .decl = d});
}

File *lsp_used_file(LspDoc *d, const Decl *use) {
  const char *from = use->span.src->path, *slash = strrchr(from, '/');
  const char *path = use->path.s;
  BigsError none = {0};
  Diags quiet = {.arena = d->a};
  size_t n;
  if (!path)
    return NULL;
  if (path[0] != '/' && slash)
    path = arena_printf(d->a, "%.*s%s", (int)(slash - from + 1), from, path);
  char *text = file_read(path, SOURCE_MAX, &n, &none);
  File *f = text ? parse_file(d->a, d->names, &quiet, source_new(d->a, path, text, n)) : NULL;
  free(text);
  return f;
}

// Of a file and of those that it uses: what it declares, and, for blocks that go with a model, what stands in models.
static void add_file(Sight *v, const File *f, bool models, int depth) {
  for (int i = 0; f && i < f->decls.n; i++) {
    const Decl *d = f->decls.v[i];
    if (models && d->kind == DECL_MODEL)
      add_inside(v, d);
    add_decl(v, d);
  }
  for (int i = 0; f && depth < USE_DEPTH && i < f->decls.n; i++)
    if (f->decls.v[i]->kind == DECL_USE)
      add_file(v, lsp_used_file(v->d, f->decls.v[i]), models, depth + 1);
}

static bool goes_with_model(const Decl *d) {
  return d->kind == DECL_TRAIN || d->kind == DECL_CHECKPOINT ||
         (d->kind == DECL_MODEL && d->from.s);
}

void lsp_visible(LspDoc *d, uint32_t at, LspNames *out) {
  Sight v = {d, at, out};
  bool models = false;
  for (int i = 0; i < d->file->decls.n; i++) {
    const Decl *in = d->file->decls.v[i];
    if (!covers(in->span, at))
      continue;
    add_inside(&v, in);
    models |= goes_with_model(in);
  }
  add_file(&v, d->file, models, 0);
  add_file(&v, prelude_file(d->a, d->names, &d->prelude), false, USE_DEPTH);
}

// ---- parts of a child
static const LspName *among(const LspNames *n, const char *name) {
  for (int i = 0; i < n->n; i++)
    if (!strcmp(n->v[i].name, name))
      return &n->v[i];
  return NULL;
}

static const Decl *module_named(LspDoc *d, const char *name) {
  LspNames all = {0};
  lsp_visible(d, 0, &all);
  for (int i = 0; i < all.n; i++)
    if (all.v[i].decl && all.v[i].decl->kind == DECL_MODULE && !strcmp(all.v[i].name, name))
      return all.v[i].decl;
  return NULL;
}

// The token that the `.` stands behind: before `{i}` of a rule is another dot.
static int before_dot(const LspDoc *d, int dot) {
  const Token *t = d->tokens->list.v;
  if (dot >= 4 && t[dot - 1].kind == T_RBRACE && t[dot - 3].kind == T_LBRACE &&
      t[dot - 4].kind == T_DOT)
    return dot - 5;
  return dot - 1;
}

static void parts_of(LspDoc *d, int base, LspNames *out) {
  LspName child;
  Sight v = {d, 0, out};
  if (base < 0 || !lsp_find(d, base, &child) || !child.stmt || child.stmt->kind != ST_CHILD ||
      !child.stmt->module.s)
    return;
  const Decl *m = module_named(d, child.stmt->module.s);
  for (int i = 0; m && m->body && i < m->body->stmts.n; i++) {
    const Stmt *st = m->body->stmts.v[i];
    bool part = st->kind == ST_PARAM || st->kind == ST_CHILD;
    for (int k = 0; part && k < st->names.n; k++)
      add(&v, (LspName){.name = st->names.v[k].s, .span = st->names.v[k].span, .stmt = st});
  }
}

void lsp_parts(LspDoc *d, int dot, LspNames *out) {
  parts_of(d, before_dot(d, dot), out);
}

// ---- rules within rules of a checkpoint block: their names are parts of what the rule around them is about
static const CkRule *rule_around(const CkRules *l, uint32_t at, const CkRule *around) {
  for (int i = 0; i < l->n; i++)
    if (covers(l->v[i]->span, at))
      return rule_around(&l->v[i]->rules, at,
                         l->v[i]->rules.n && at > l->v[i]->to.span.hi ? l->v[i] : around);
  return around;
}

static const CkItem *rules_at(const LspDoc *d, uint32_t at) {
  for (int i = 0; i < d->file->decls.n; i++)
    for (int k = 0; k < d->file->decls.v[i]->checkpoint.n; k++) {
      const CkItem *x = &d->file->decls.v[i]->checkpoint.v[k];
      if (x->kind == CK_RULE && covers(x->span, at))
        return x;
    }
  return NULL;
}

static const CkRule *rule_at(const LspDoc *d, uint32_t at) {
  const CkItem *x = rules_at(d, at);
  return x ? rule_around(&(CkRules){.v = (CkRule **)&x->rule, .n = 1}, at, NULL) : NULL;
}

// The token of the last name in front of `<->`; -1: there is none.
static int subject_of(const LspDoc *d, const CkRule *r) {
  int found = -1;
  for (int k = 0; k < r->segs.n; k++)
    for (int i = 0; r->segs.v[k].kind == SEG_NAME && i < d->tokens->list.n; i++)
      found = d->tokens->list.v[i].lo == r->segs.v[k].names.v[0].span.lo ? i : found;
  return found;
}

// The `.` before token i, or before the group that it stands in: `attention.(query, key)`; -1: there is none.
static int dot_of(const LspDoc *d, int i, bool rule) {
  const Token *t = d->tokens->list.v;
  int k = i - 1;
  while (rule && k > 0 && (t[k].kind == T_COMMA || t[k].kind == T_NAME))
    k--;
  k = rule && k > 0 && t[k].kind == T_LPAREN ? k - 1 : i - 1;
  return k >= 0 && t[k].kind == T_DOT ? k : -1;
}

bool lsp_find(LspDoc *d, int i, LspName *out) {
  const Token *t = &d->tokens->list.v[i];
  LspNames all = {0};
  if (t->kind != T_NAME)
    return false;
  bool rule = rules_at(d, t->lo) != NULL;
  const CkRule *around = rule_at(d, t->lo);
  int dot = dot_of(d, i, rule);
  if (dot >= 0)
    lsp_parts(d, dot, &all);
  else if (around)
    parts_of(d, subject_of(d, around), &all);
  else
    lsp_visible(d, t->lo, &all);
  const LspName *n = among(&all, t->s);
  if (n)
    *out = *n;
  return n != NULL;
}
