// Names in syntax, and draws of random numbers in expressions.
#include "compiler/repl/repl.h"
#include <string.h>

typedef struct NameWalk {
  NameVisit *visit;
  void *ctx;
} NameWalk;
static void walk_body(const NameWalk *w, const Body *b);

static void walk_name(const NameWalk *w, const Name *n) {
  if (n->s)
    w->visit(w->ctx, n->s);
}

static void walk_type(const NameWalk *w, const Type *t) {
  for (int i = 0; t && i < t->dims.n; i++)
    walk_name(w, &t->dims.v[i].name);
}

static void walk_axes(const NameWalk *w, const AxisNames *l) {
  for (int i = 0; i < l->n; i++)
    walk_name(w, &l->v[i].name);
}

static void walk_expr(const NameWalk *w, const Expr *e);

static void walk_formals(const NameWalk *w, const Formals *f) {
  for (int i = 0; i < f->n; i++) {
    walk_type(w, f->v[i].type);
    walk_expr(w, f->v[i].preset);
  }
}

static void walk_op(const NameWalk *w, const DimOp *op) {
  for (int i = 0; i < op->from.n; i++)
    walk_name(w, &op->from.v[i]);
  for (int i = 0; i < op->to.n; i++)
    walk_name(w, &op->to.v[i]);
  walk_expr(w, op->lo);
  walk_expr(w, op->hi);
}

static void walk_expr(const NameWalk *w, const Expr *e) {
  if (!e)
    return;
  walk_expr(w, e->a);
  walk_expr(w, e->b);
  switch (e->kind) {
  case EX_NAME: walk_name(w, &e->name); break;
  case EX_AXES:
  case EX_CONTRACT: walk_axes(w, &e->axes); break;
  case EX_OPS:
    for (int i = 0; i < e->ops.n; i++)
      walk_op(w, &e->ops.v[i]);
    break;
  case EX_CALL:
    for (int i = 0; i < e->args.n; i++)
      walk_expr(w, e->args.v[i].value);
    break;
  case EX_TUPLE:
  case EX_THEN:
    for (int i = 0; i < e->items.n; i++)
      walk_expr(w, e->items.v[i]);
    break;
  case EX_FOREIGN:
    for (int i = 0; i < e->foreign->items.n; i++)
      walk_expr(w, e->foreign->items.v[i]);
    break;
  case EX_SCAN:
    walk_name(w, &e->scan->axis);
    walk_formals(w, &e->scan->states);
    walk_body(w, e->scan->body);
    break;
  default: break;
  }
}

// The number of a layer is a name of its own.
typedef struct Outside {
  const NameWalk *around;
  const char *index;
} Outside;

static void visit_outside(void *ctx, const char *name) {
  const Outside *o = ctx;
  if (name != o->index)
    o->around->visit(o->around->ctx, name);
}

static void walk_stmt(const NameWalk *around, const Stmt *s) {
  if (!s)
    return;
  Outside outside = {around, s->index.s};
  const NameWalk mine = {visit_outside, &outside}, *w = s->index.s ? &mine : around;
  walk_type(w, s->type);
  walk_expr(w, s->value);
  walk_expr(w, s->cond);
  walk_expr(w, s->absent);
  walk_stmt(w, s->other);
  walk_name(w, &s->count);
  walk_name(w, &s->module);
  if (s->generics) {
    walk_axes(w, &s->generics->in);
    walk_axes(w, &s->generics->out);
  }
  for (int i = 0; i < s->args.n; i++)
    walk_expr(w, s->args.v[i].value);
  for (int i = 0; i < s->forms.n; i++)
    walk_expr(w, s->forms.v[i].value);
}

static void walk_body(const NameWalk *w, const Body *b) {
  for (int i = 0; b && i < b->stmts.n; i++)
    walk_stmt(w, b->stmts.v[i]);
}

// But not what is declared.
static void walk_decl(const NameWalk *w, const Decl *d) {
  for (int i = 0; i < d->dims.n; i++)
    walk_expr(w, d->dims.v[i].value);
  for (int i = 0; i < d->lets.n; i++)
    walk_expr(w, d->lets.v[i].value);
  walk_formals(w, &d->formals);
  walk_type(w, d->type);
  for (int i = 0; i < d->more.n; i++)
    walk_type(w, d->more.v[i]);
  walk_body(w, d->body);
}

void names_of_expr(const Expr *e, NameVisit *visit, void *ctx) {
  walk_expr(&(NameWalk){visit, ctx}, e);
}

void names_of_stmt(const Stmt *s, NameVisit *visit, void *ctx) {
  walk_stmt(&(NameWalk){visit, ctx}, s);
}

void names_of_decl(const Decl *d, NameVisit *visit, void *ctx) {
  walk_decl(&(NameWalk){visit, ctx}, d);
}

// ---- draws

static bool is_draw(const Expr *e) {
  static const char *const kinds[] = {
#define DRAW(id, name, with, ...) name,
#define INITIALIZER(id, name)
#include "compiler/sema/initializers.def"
  };
  if (e->kind != EX_CALL || e->a->kind != EX_AXES || e->a->a->kind != EX_NAME)
    return false;
  for (int i = 0; i < COUNT(kinds); i++)
    if (!strcmp(e->a->a->name.s, kinds[i]))
      return true;
  return false;
}

// A parameter of a name that nobody can write.
static Expr *draw(Draws *d, Expr *e) {
  const AxisNames *axes = &e->a->axes;
  Stmt *s = NEW(d->arena, Stmt);
  Type *t = NEW(d->arena, Type);
  Expr *init = NEW(d->arena, Expr), *use = NEW(d->arena, Expr);
  Name name = {intern(d->names, arena_printf(d->arena, "%s %d", e->a->a->name.s, d->params.n + 1)),
               e->span};
  *t = (Type){.span = e->a->op, .dtype = DT_F32, .dtype_span = e->a->op, .has_axes = true};
  for (int i = 0; i < axes->n; i++) {
    TDim dim = {.span = axes->v[i].span, .name = axes->v[i].name, .pack = axes->v[i].pack};
    vec_push(d->arena, &t->dims, dim);
  }
  *init = *e;
  init->a = e->a->a;
  *s = (Stmt){.kind = ST_PARAM, .span = e->span, .type = t, .value = init};
  vec_push(d->arena, &s->names, name);
  vec_push(d->arena, &d->params, s);
  *use = (Expr){.kind = EX_NAME, .span = e->span, .op = e->span, .height = 1, .name = name};
  return use;
}

static Expr *copy_expr(Draws *d, const Expr *e) {
  Expr *c = NEW(d->arena, Expr);
  *c = *e;
  return c;
}

static Expr *extract_call(Draws *d, Expr *e) {
  Expr *out = e;
  for (int i = 0; i < e->args.n; i++) {
    Expr *value = draws_extract(d, e->args.v[i].value);
    if (value == e->args.v[i].value)
      continue;
    if (out == e) {
      out = copy_expr(d, e);
      out->args = (Args){0};
      for (int k = 0; k < e->args.n; k++)
        vec_push(d->arena, &out->args, e->args.v[k]);
    }
    out->args.v[i].value = value;
  }
  return out;
}

static Expr *extract_items(Draws *d, Expr *e) {
  Expr *out = e;
  for (int i = 0; i < e->items.n; i++) {
    Expr *value = draws_extract(d, e->items.v[i]);
    if (value == e->items.v[i])
      continue;
    if (out == e) {
      out = copy_expr(d, e);
      memset(&out->items, 0, sizeof out->items);
      for (int k = 0; k < e->items.n; k++)
        vec_push(d->arena, &out->items, e->items.v[k]);
    }
    out->items.v[i] = value;
  }
  return out;
}

Expr *draws_extract(Draws *d, Expr *e) {
  if (!e)
    return e;
  if (is_draw(e))
    return draw(d, e);
  Expr *a = draws_extract(d, e->a), *b = draws_extract(d, e->b), *out = e;
  if (e->kind == EX_CALL)
    out = extract_call(d, e);
  else if (e->kind == EX_TUPLE || e->kind == EX_THEN)
    out = extract_items(d, e);
  if (a != e->a || b != e->b) {
    out = out == e ? copy_expr(d, e) : out;
    out->a = a;
    out->b = b;
  }
  return out;
}
