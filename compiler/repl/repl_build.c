// From an expression at the prompt to a checked model and its graph.
#include "compiler/repl/repl.h"
#include <string.h>

#define RESULT "(value)" // the entry's name: nobody can write it

// ---- which items the expression reaches

static bool is_used(const Ready *e, const Item *it) {
  for (int i = 0; i < e->used.n; i++)
    if (e->used.v[i] == it)
      return true;
  return false;
}

static void use_name(void *ctx, const char *name) {
  Ready *e = ctx;
  Item *it = repl_item(e->r, name);
  if (!it || is_used(e, it))
    return;
  vec_push(e->arena, &e->used, it);
  if (repl_unfolds(e->r, it))
    names_of_expr(it->origin->value, use_name, e);
  if (it->stmt)
    names_of_stmt(it->stmt, use_name, e);
}

typedef struct Mentions {
  const Decl *decl;
  bool found;
} Mentions;

static void match_name(void *ctx, const char *name) {
  Mentions *m = ctx;
  const Decl *d = m->decl;
  m->found |= d->name.s == name;
  for (int i = 0; i < d->dims.n; i++)
    m->found |= d->dims.v[i].name.s == name;
  for (int i = 0; i < d->lets.n; i++)
    m->found |= d->lets.v[i].name.s == name;
}

// A declaration that no longer checks is left out unless it is asked for.
static bool wanted(const Ready *e, const Known *k, const Expr *value) {
  Mentions m = {.decl = k->decl};
  if (!k->broken)
    return true;
  names_of_expr(value, match_name, &m);
  for (int i = 0; i < e->used.n; i++)
    if (e->used.v[i]->stmt)
      names_of_stmt(e->used.v[i]->stmt, match_name, &m);
  return m.found;
}

// ---- the model around it

static Type *type_of(Ready *e, const Array *x, Span at) {
  Type *t = NEW(e->arena, Type);
  *t = (Type){.span = at, .dtype = x->dtype, .has_dtype = true, .dtype_span = at, .has_axes = true};
  for (int i = 0; i < x->rank; i++) {
    TDim d = {.span = at,
              .name = {x->axis[i].name, at},
              .extent = x->axis[i].extent,
              .slice = x->axis[i].kind == TYPED_SLICE};
    vec_push(e->arena, &t->dims, d);
  }
  return t;
}

// ---- train blocks

bool train_has_data(const Decl *block) {
  for (int i = 0; i < block->train.n; i++)
    if (block->train.v[i].kind == TR_DATA)
      return true;
  return false;
}

// A field with a type is the block's own.
static bool is_field(const Decl *block, const char *name) {
  for (int i = 0; i < block->train.n; i++)
    for (int k = 0; k < block->train.v[i].fields.n; k++)
      if (block->train.v[i].fields.v[k].type && block->train.v[i].fields.v[k].name.s == name)
        return true;
  return false;
}

static bool is_formal(const Decl *model, const char *name) {
  for (int i = 0; model && i < model->formals.n; i++)
    if (model->formals.v[i].name.s == name)
      return true;
  return false;
}

bool ready_is_fed(const Ready *e, const Item *it) {
  return e->train && train_has_data(e->train) &&
         (is_field(e->train, it->name) || is_formal(e->r->model, it->name));
}

static void add_item(Ready *e, Decl *model, Draws *draws, const Item *it) {
  if (ready_is_fed(e, it))
    return;
  if (repl_unfolds(e->r, it)) {
    vec_push(e->arena, &model->body->stmts, it->origin);
    return;
  }
  if (it->value || it->kind == ITEM_INPUT) {
    Formal f = it->formal ? *it->formal : (Formal){.span = it->span, .name = {it->name, it->span}};
    if (it->value)
      f.type = type_of(e, it->value, it->span);
    vec_push(e->arena, &model->formals, f);
    return;
  }
  Stmt *s = it->stmt;
  if (it->kind == ITEM_LATER && s->value && !e->train) { // steps draw anew each time
    s = NEW(e->arena, Stmt);
    *s = *it->stmt;
    s->value = draws_extract(draws, s->value);
  }
  vec_push(e->arena, &model->body->stmts, s);
}

static Decl *model_around(Ready *e, Expr *value, bool everything) {
  Repl *r = e->r;
  Decl *d = NEW(e->arena, Decl);
  Stmt *entry = NEW(e->arena, Stmt);
  Draws draws = {.arena = e->arena, .names = r->names};
  Name model = {intern(r->names, "Prompt"), value->span},
       name = {intern(r->names, RESULT), value->span};
  *d = (Decl){.kind = DECL_MODEL, .span = value->span, .keyword = value->span, .name = model};
  d->body = NEW(e->arena, Body);
  d->body->span = value->span;
  *entry = (Stmt){.kind = ST_ENTRY, .span = value->span, .value = draws_extract(&draws, value)};
  vec_push(e->arena, &entry->names, name);
  if (e->train && train_has_data(e->train) && r->model)
    for (int i = 0; i < r->model->formals.n; i++)
      vec_push(e->arena, &d->formals, r->model->formals.v[i]);
  ItemList items = items_in_order(e->arena, r);
  for (int i = 0; i < items.n; i++)
    if (everything || is_used(e, items.v[i]))
      add_item(e, d, &draws, items.v[i]);
  e->draws = draws.params;
  Stmts rest = d->body->stmts;
  d->body->stmts = (Stmts){0};
  for (int i = 0; i < draws.params.n; i++)
    vec_push(e->arena, &d->body->stmts, draws.params.v[i]);
  for (int i = 0; i < rest.n; i++)
    vec_push(e->arena, &d->body->stmts, rest.v[i]);
  vec_push(e->arena, &d->body->stmts, entry);
  return d;
}

static bool is_given(const Repl *r, const char *name) {
  for (int i = 0; i < r->o->defs.n; i++)
    if (!strcmp(r->o->defs.v[i].name, name))
      return true;
  return false;
}

// Dims that are known at run time only stay so where files give the data, but for those of -D, as for `bigsc train`.
static void add_defines(Ready *e, const File *f, Defines *out) {
  const Repl *r = e->r;
  bool open = e->train && train_has_data(e->train);
  for (int i = 0; i < f->decls.n; i++)
    for (int k = 0; k < f->decls.v[i]->dims.n; k++) {
      const DimNow *d = repl_dim(r, f->decls.v[i]->dims.v[k].name.s);
      if (d && d->open && !open)
        vec_push(e->arena, out,
                 (Define){d->name, arena_printf(e->arena, "%lld", (long long)d->extent)});
    }
  for (int i = 0; i < r->sets.n; i++) {
    const DimNow *d = repl_dim(r, intern(r->names, r->sets.v[i].name));
    if (!d || !d->open || (open && is_given(r, d->name)))
      vec_push(e->arena, out, r->sets.v[i]);
  }
}

static Model *load(Ready *e, Expr *value, bool everything, Diags *diags) {
  Repl *r = e->r;
  File *f = NEW(e->arena, File);
  ModelOptions *opt = NEW(e->arena, ModelOptions);
  Defines defs = {0};
  f->src = value->span.src;
  for (int i = 0; i < r->decls.n; i++)
    if (wanted(e, &r->decls.v[i], value))
      vec_push(e->arena, &f->decls, r->decls.v[i].decl);
  add_defines(e, f, &defs);
  vec_push(e->arena, &f->decls,
           model_around(e, e->train ? repl_zero(r, value->span) : value, everything));
  if (e->train)
    vec_push(e->arena, &f->decls, (Decl *)e->train);
  *opt = repl_options(r, &defs, true);
  diags->arena = e->arena;
  return model_load_tree(e->arena, r->names, diags, f, opt);
}

// ---- do the arrays fit the dims and each other?

static bool fits_dims(Ready *e, const Item *it) {
  Repl *r = e->r;
  for (int i = 0; i < it->value->rank; i++) {
    const TypedAxis *x = &it->value->axis[i];
    const DimNow *d = x->kind == TYPED_SLICE ? NULL : repl_dim(r, x->name);
    if (d && d->extent != x->extent) {
      repl_fail(r, "`%s` has %s = %lld, and %s is %lld now: bind `%s` again", it->name, x->name,
                (long long)x->extent, x->name, (long long)d->extent, it->name);
      return false;
    }
  }
  return true;
}

static bool fit_each_other(Ready *e, const Item *a, const Item *b) {
  for (int i = 0; i < a->value->rank; i++)
    for (int k = 0; k < b->value->rank; k++) {
      const TypedAxis *x = &a->value->axis[i], *y = &b->value->axis[k];
      if (x->name != y->name || x->kind != TYPED_LOCAL || y->kind != TYPED_LOCAL ||
          x->extent == y->extent)
        continue;
      repl_fail(e->r, "the axis `%s` is %lld in `%s` and %lld in `%s`: rename one of them", x->name,
                (long long)x->extent, a->name, (long long)y->extent, b->name);
      return false;
    }
  return true;
}

// A random value of an input that no longer fits makes room for another.
static void forget_samples(Ready *e) {
  for (int i = 0; i < e->used.n; i++) {
    Item *it = e->used.v[i];
    for (int k = 0; it->sampled && it->value && k < it->value->rank; k++) {
      const DimNow *d = repl_dim(e->r, it->value->axis[k].name);
      if (d && d->extent != it->value->axis[k].extent)
        repl_value(e->r, it, NULL);
    }
  }
}

static bool arrays_fit(Ready *e) {
  forget_samples(e);
  for (int i = 0; i < e->used.n; i++) {
    if (!e->used.v[i]->value)
      continue;
    if (!fits_dims(e, e->used.v[i]))
      return false;
    for (int k = 0; k < i; k++)
      if (e->used.v[k]->value && !fit_each_other(e, e->used.v[i], e->used.v[k]))
        return false;
  }
  return true;
}

// With every item in scope, suggestions know all names.
static void report(Ready *e, Expr *value) {
  Diags all = {0};
  int used = e->used.n;
  for (int i = 0; i < e->r->items.n; i++)
    if (!is_used(e, e->r->items.v[i]))
      vec_push(e->arena, &e->used, e->r->items.v[i]);
  load(e, value, true, &all);
  e->used.n = used;
  repl_diags(e->r, all.errors ? &all : &e->diags);
}

static bool all_dropped(const Diags *d) {
  for (int i = 0; i < d->list.n; i++)
    if (!d->list.v[i]->dropped)
      return false;
  return true;
}

void ready_explain(Repl *r, Expr *value, Diags *d) {
  Ready e = {.r = r, .arena = arena_new()};
  Diags all = {0};
  names_of_expr(value, use_name, &e);
  for (int i = 0; i < r->items.n; i++)
    if (!is_used(&e, r->items.v[i]))
      vec_push(e.arena, &e.used, r->items.v[i]);
  load(&e, value, true, &all);
  if (!all_dropped(d))
    repl_diags(r, d);
  if (all.errors)
    repl_diags(r, &all);
  ready_free(&e);
}

bool ready_elaborate(Ready *e, Repl *r, Expr *value, Item *also) {
  *e = (Ready){.r = r, .arena = arena_new()};
  if (also)
    use_name(e, also->name);
  names_of_expr(value, use_name, e);
  if (!arrays_fit(e))
    return false;
  e->model = load(e, value, false, &e->diags);
  if (!model_ok(e->model)) {
    report(e, value);
    return false;
  }
  if (!model_entry_type(e->arena, e->model, RESULT, &e->dtype, &e->axes, &e->nax)) {
    repl_fail(r, "the value has no type");
    return false;
  }
  for (int i = 0; i < e->nax; i++) // names of local axes outlive the model's arena
    e->axes[i].name = intern(r->names, e->axes[i].name);
  return true;
}

// The loss; NULL: it has none.
Expr *train_loss(const Decl *block) {
  for (int i = 0; i < block->train.n; i++)
    if (block->train.v[i].kind == TR_SETTING && !strcmp(block->train.v[i].setting.name.s, "loss"))
      return block->train.v[i].setting.value;
  return NULL;
}

// What the loss, the data and the states of the block name.
static void use_block(Ready *e, const Decl *block) {
  names_of_expr(train_loss(block), use_name, e);
  for (int i = 0; i < block->train.n; i++) {
    const TrItem *t = &block->train.v[i];
    for (int k = 0; k < t->fields.n; k++)
      use_name(e, t->fields.v[k].name.s);
    names_of_expr(t->state, use_name, e);
    names_of_expr(t->next, use_name, e);
  }
}

bool ready_train_model(Ready *e, Repl *r, const Decl *block) {
  Expr *loss = train_loss(block);
  *e = (Ready){.r = r, .arena = arena_new(), .train = block};
  if (!loss) {
    repl_fail(r, "the block `%s` has no loss", block->name.s);
    return false;
  }
  use_block(e, block);
  if (!train_has_data(block) && !arrays_fit(e))
    return false;
  e->model = load(e, loss, false, &e->diags);
  if (!model_ok(e->model))
    repl_diags(r, &e->diags);
  return model_ok(e->model);
}

// ---- the graph

bool ready_draws(const Ready *e, const Node *param) {
  for (int i = 0; i < e->draws.n; i++)
    if (!strcmp(e->draws.v[i]->names.v[0].s, param->attr.name))
      return true;
  return false;
}

static bool has_gradient(const Ready *e, const Node *n) {
  return n->op == OP_PARAM ? !ready_draws(e, n)
                           : n->op == OP_INPUT && dtype_is_float((DType)n->dtype);
}

static bool add_gradients(Ready *e) {
  Graph *g = e->graph;
  int n;
  Node *loss = e->outs.v[0].node;
  graph_close_scans(g, &loss, 1);
  graph_rewrite(g, RULES_SIMPLIFY | RULES_CLAIM | RULES_TRAIN, &loss, 1, NULL);
  e->outs.v[0].node = loss;
  Node **live = graph_reachable(g, &loss, 1, &n);
  for (int i = 0; i < n; i++)
    if (has_gradient(e, live[i]))
      vec_push(e->arena, &e->wrt, live[i]);
  Node **grad = NEWN(e->arena, Node *, e->wrt.n + 1);
  graph_grad(g, loss, e->wrt.v, e->wrt.n, grad);
  for (int i = 0; i < e->wrt.n; i++) {
    Output out = {.name = arena_printf(e->arena, "gradient %d", i),
                  .node = grad[i],
                  .nax = e->wrt.v[i]->nax,
                  .ax = e->wrt.v[i]->ax};
    vec_push(e->arena, &e->outs, out);
  }
  return true;
}

bool ready_graph(Ready *e, bool gradients) {
  Output out = {0};
  if (gradients && (e->nax || !dtype_is_float(e->dtype))) {
    repl_fail(e->r, "a gradient is that of one number; this is %s: sum or average it",
              array_type(e->arena, e->dtype, e->axes, e->nax));
    return false;
  }
  e->graph = graph_new(e->arena, e->r->names);
  if (!model_build_entry(e->model, e->graph, RESULT, false, &out)) {
    repl_diags(e->r, &e->diags);
    return false;
  }
  vec_push(e->arena, &e->outs, out);
  return !gradients || add_gradients(e);
}
