// Entries and losses as graphs.
#include "compiler/sema/sema_check.h"
#include "compiler/sema/sema_eval.h"
#include "base/hash.h"
#include <string.h>

// A name that no program can write.
static Axis *pair_axis(Graph *g) {
  return graph_axis(g, "(re, im)", 0, poly_const(2));
}

Node *pair_join(Sema *s, Node *re, Node *im) {
  Graph *g = s->g;
  Node *second = im ? im : g_const(g, (DType)re->dtype, 0);
  return g_select(g, g_binary(g, OP_EQ, g_iota(g, pair_axis(g)), g_const(g, DT_I32, 0)), re,
                  second);
}

static void pair_split(Sema *s, Value *v, Node *n) {
  v->re = g_index(s->g, n, pair_axis(s->g), poly_const(0));
  v->im = g_index(s->g, n, pair_axis(s->g), poly_const(1));
}

Value *sema_param(Sema *s, const ParamDecl *p) {
  Value *v = v_tensor(s, p->info.dtype, p->ax);
  Node *n = s->g->params.v[p->index]->node;
  if (dtype_is_complex(v->dtype))
    pair_split(s, v, n);
  else
    v->re = g_cast(s->g, n, v->dtype);
  return v;
}

// ---- parameters
static void register_syms(Model *m, Graph *g) {
  for (int i = 0; i < m->syms.n; i++) {
    if (graph_sym(g, m->syms.v[i].name, m->syms.v[i].bound) != i)
      BUG("the graph has run-time dims of its own");
    g->syms.v[i] = m->syms.v[i];
  }
}

static Axis **graph_axes(Sema *s, const AxList *l) {
  Axis **v = NEWN(s->g->arena, Axis *, l->n + 1);
  ax_graphs(s, l, v);
  return v;
}

static void register_param(Sema *s, const ParamDecl *d) {
  Param *p = NEW(s->g->arena, Param);
  *p = (Param){.path = d->info.path,
               .dtype = d->info.dtype,
               .nax = d->info.nax,
               .ax = graph_axes(s, &d->ax),
               .pair = dtype_is_complex(d->info.dtype) ? pair_axis(s->g) : NULL,
               .tags = (const char **)d->info.tags,
               .ntags = d->info.ntags,
               .side = d->info.side,
               .group = d->info.group,
               .span = d->info.span};
  s->g->span = d->info.span;
  s->g->fn = NULL;
  s->g->origin = NULL;
  g_param(s->g, p);
}

static void register_inits(Sema *s, const ModuleInst *inst) {
  Frame *f = frame_push(s, FR_MODULE, inst->mod->name, inst->mod->decl->name.span);
  Saved here = frame_save(s);
  f->seq = inst->mod->seq;
  f->prelude = inst->mod->prelude;
  f->generics = inst->mod->generics;
  f->ngenerics = inst->mod->ngenerics;
  f->map = inst->inner;
  f->depth = inst->depth;
  f->caller = NULL;
  const Stmts *st = &inst->mod->decl->body->stmts;
  for (int i = 0; i < st->n; i++)
    for (int k = 0; k < st->v[i]->names.n; k++) {
      const ParamDecl *p = names_get(&inst->params, st->v[i]->names.v[k].s);
      const InstChild *c = names_get(&inst->children, st->v[i]->names.v[k].s);
      if (p)
        s->g->params.v[p->index]->init = sema_param_init(s, p);
      for (int j = 0; st->v[i]->kind == ST_CHILD && j < c->n; j++) {
        register_inits(s, c->inst[j]);
        frame_restore(s, here);
      }
    }
}

void model_register_params(Model *m, Graph *g) {
  Sema s;
  if (g->params.n || !m->ok || !m->root)
    return;
  sema_start(&s, m, g);
  register_syms(m, g);
  for (int i = 0; i < m->params.n; i++)
    register_param(&s, m->params.v[i]);
  register_inits(&s, m->root);
}

// ---- the model's body, lazily
Value *sema_input(Sema *s, const Formal *f, const Ty *t) {
  Axis *ax[MAX_AXES];
  bool cx = dtype_is_complex(t->dtype);
  ax_graphs(s, &t->ax, ax);
  if (cx)
    ax[t->ax.n] = pair_axis(s->g);
  s->g->span = f->span;
  s->g->fn = NULL;
  s->g->origin = NULL;
  Node *n = g_input(s->g, f->name.s, dtype_real(t->dtype), ax, t->ax.n + cx);
  Value *v = v_tensor(s, t->dtype, t->ax);
  if (cx)
    pair_split(s, v, n);
  else
    v->re = n;
  if (!f->preset)
    return v;
  for (int i = 0; i < s->g->inputs.n; i++)
    if (s->g->inputs.v[i]->node == n) {
      Value *preset = sema_constant(s, f->preset, "an input's default");
      s->g->inputs.v[i]->has_default = true;
      s->g->inputs.v[i]->fallback = is_number(preset) ? preset->num->re : preset->truth;
    }
  return v;
}

static void bind_lazily(Sema *s, const Decl *d) {
  for (int i = 0; i < d->body->stmts.n; i++) {
    const Stmt *st = d->body->stmts.v[i];
    for (int k = 0; k < st->names.n; k++) {
      Bound *b = is_no_name(st, k) ? NULL : scope_bind(s, st->names.v[k], NULL);
      if (b) {
        b->stmt = st;
        b->index = i;
      }
    }
  }
}

// Values of one graph are built once, however often they are asked for.
static GraphBuild *sema_session(Sema *s, Graph *g, bool dropout) {
  Model *m = s->m;
  for (int i = 0; i < m->sessions.n; i++)
    if (m->sessions.v[i]->g == g && m->sessions.v[i]->dropout == dropout &&
        m->sessions.v[i]->choice == m->choice)
      return m->sessions.v[i];
  model_register_params(m, g);
  register_syms(m, g);
  GraphBuild *ss = NEW(s->a, GraphBuild);
  const Decl *d = m->model->decl;
  s->frame = NULL;
  Frame *f = frame_push(s, FR_MODEL, m->model->name, d->name.span);
  f->seq = m->model->seq;
  f->mod = m->model;
  f->inst = m->root;
  f->depth = 1;
  f->key = hash_str("model");
  *ss =
      (GraphBuild){.g = g, .dropout = dropout, .choice = m->choice, .frame = f, .scope = s->scope};
  for (int i = 0; i < d->formals.n; i++) {
    Ty t = ty_eval(s, d->formals.v[i].type, false);
    scope_bind(s, d->formals.v[i].name, sema_input(s, &d->formals.v[i], &t));
  }
  bind_lazily(s, d);
  vec_push(s->a, &m->sessions, ss);
  return ss;
}

bool sema_build_start(Sema *s, Model *m, Graph *g, bool dropout) {
  sema_start(s, m, g);
  if (!m->ok || !m->model)
    return false;
  s->dropout = dropout;
  s->session = sema_session(s, g, dropout);
  s->frame = s->session->frame;
  s->scope = s->session->scope;
  return true;
}

static const Stmt *entry_stmt(const Model *m, const char *name) {
  const Stmts *st = &m->model->decl->body->stmts;
  for (int i = 0; i < st->n; i++)
    if (st->v[i]->kind == ST_ENTRY && !strcmp(st->v[i]->names.v[0].s, name))
      return st->v[i];
  return NULL;
}

bool model_build_entry(Model *m, Graph *g, const char *entry, bool dropout, Output *out) {
  Sema s;
  const Stmt *st = m->ok && m->model ? entry_stmt(m, entry) : NULL;
  if (!st || !sema_build_start(&s, m, g, dropout))
    return false;
  Expr name = {.kind = EX_NAME, .span = st->names.v[0].span, .name = st->names.v[0]};
  Value *v = sema_value(&s, &name);
  Ty t = sema_entry_type(&s, st, &v);
  if (!is_tensor(v) || s.stopped)
    return false;
  bool cx = dtype_is_complex(t.dtype);
  AxList ax = t.ax;
  Axis **order = NEWN(g->arena, Axis *, ax.n + 1);
  ax_graphs(&s, &ax, order);
  if (cx)
    order[ax.n] = pair_axis(g);
  s.g->span = st->value->span;
  s.g->fn = NULL;
  s.g->origin = NULL;
  *out = (Output){.name = st->names.v[0].s,
                  .node = cx ? pair_join(&s, v->re, v->im) : v->re,
                  .nax = ax.n + cx,
                  .ax = order};
  return true;
}

Node *model_build_loss(Model *m, Graph *g, const char *train, bool dropout) {
  Sema s;
  const Decl *d = NULL;
  for (int i = 0; m->ok && i < m->trains.n; i++)
    if (!strcmp(m->trains.v[i]->name.s, train))
      d = m->trains.v[i];
  const Expr *loss = d ? sema_train_loss(d) : NULL;
  if (!loss || !sema_build_start(&s, m, g, dropout))
    return NULL;
  sema_train_frame(&s, d);
  Value *v = sema_value(&s, loss);
  return is_tensor(v) && !s.stopped ? v->re : NULL;
}
