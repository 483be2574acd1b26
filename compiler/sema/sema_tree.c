// The module tree with concrete dims: instances and their parameters, in order of declaration.
#include "compiler/sema/sema_internal.h"
#include <string.h>

enum { MAX_PARAM_AXES = 7 }; // with the pair of a complex one: StoredParam.shape

// Axes of one generic as the instance's body sees them: the generic's name and the instance's
// depth.
static AxList inner_axes(Sema *s, const Generic *g, const AxList *outer, int depth) {
  AxList l = {NEWN(s->a, Ax *, outer->n), outer->n};
  for (int i = 0; i < outer->n; i++) {
    const char *name =
        g->pack ? arena_printf(s->a, "%s.%s", g->name.s, outer->v[i]->name) : g->name.s;
    l.v[i] = ax_new(s, AX_GENERIC, name, outer->v[i]->size, outer->v[i]->span);
    l.v[i]->depth = depth;
    l.v[i]->open = outer->v[i]->open;
  }
  return l;
}

static int generic_index(const Module *m, const char *name) {
  for (int i = 0; i < m->ngenerics; i++)
    if (m->generics[i].name.s == name)
      return i;
  return -1;
}

// Declared exactly [A..., B...] in a module [A -> B].
static bool is_out_first(const Module *m, const Type *t) {
  if (m->nleft == m->ngenerics || t->dims.n != m->ngenerics)
    return false;
  for (int i = 0; i < t->dims.n; i++)
    if (t->dims.v[i].rest || t->dims.v[i].name.s != m->generics[i].name.s)
      return false;
  return m->nleft > 0;
}

static bool count_elements(Sema *s, ModelParam *p) {
  p->elements = dtype_is_complex(p->dtype) ? 2 : 1;
  for (int i = 0; i < p->nax; i++)
    if (__builtin_mul_overflow(p->elements, p->extent[i], &p->elements) ||
        p->elements > INT64_MAX / 16) {
      sema_error(s, ERR_TOO_MANY_DIMS, p->span, "the parameter `%s` has too many elements",
                 p->path);
      return false;
    }
  return true;
}

// Axes of a parameter, side by side: as declared dims and as its body sees them.
typedef struct ParamAxes {
  AxList outer, inner;
  int *side, *group;
} ParamAxes;

static ParamAxes param_axes(Sema *s, const ModuleInst *inst, const Type *t) {
  const Module *m = inst->mod;
  ParamAxes p = {
      {NEWN(s->a, Ax *, MAX_AXES), 0}, {0}, NEWN(s->a, int, MAX_AXES), NEWN(s->a, int, MAX_AXES)};
  for (int i = 0; i < t->dims.n; i++) {
    const TDim *d = &t->dims.v[i];
    int k = generic_index(m, d->name.s);
    bool found;
    AxList out = ax_lookup(s, d->name, &found);
    CHECK(found);
    p.inner = ax_join(s, p.inner, k < 0 ? out : inst->inner[k]);
    for (int j = 0; j < out.n && p.outer.n < MAX_AXES; j++) {
      p.side[p.outer.n] = k < 0 || m->nleft == m->ngenerics ? -1 : m->generics[k].side;
      p.group[p.outer.n] = i;
      p.outer.v[p.outer.n++] = out.v[j];
    }
  }
  return p;
}

static const char **tag_names(Sema *s, const Stmt *st) {
  const char **tags = NEWN(s->a, const char *, st->tags.n + 1);
  for (int i = 0; i < st->tags.n; i++)
    tags[i] = st->tags.v[i].s;
  return tags;
}

static const char *path_in(Sema *s, const ModuleInst *inst, const char *name) {
  return inst->path[0] ? arena_printf(s->a, "%s.%s", inst->path, name) : name;
}

static void add_param(Sema *s, ModuleInst *inst, const Stmt *st, Name name) {
  if (!param_is_there(s, st)) {
    vec_push(s->a, &s->m->absent, path_in(s, inst, name.s));
    return;
  }
  ParamAxes ax = param_axes(s, inst, st->type);
  if (ax.outer.n > MAX_PARAM_AXES) {
    sema_error(s, ERR_TOO_MANY_DIMS, name.span, "a parameter has at most %d dimensions",
               MAX_PARAM_AXES);
    s->stopped = true;
    return;
  }
  ParamDecl *p = NEW(s->a, ParamDecl);
  const char **names = NEWN(s->a, const char *, ax.outer.n + 1);
  int64_t *extent = NEWN(s->a, int64_t, ax.outer.n + 1);
  for (int i = 0; i < ax.outer.n; i++) {
    names[i] = ax.outer.v[i]->name;
    CHECK(ax_const(ax.outer.v[i], &extent[i]));
  }
  p->info = (ModelParam){.path = path_in(s, inst, name.s),
                         .dtype = st->type->dtype,
                         .nax = ax.outer.n,
                         .axes = names,
                         .extent = extent,
                         .tags = tag_names(s, st),
                         .ntags = st->tags.n,
                         .side = ax.side,
                         .group = ax.group,
                         .out_first = is_out_first(inst->mod, st->type),
                         .span = name.span};
  p->stmt = st;
  p->ax = ax.inner;
  p->index = s->m->params.n;
  if (!count_elements(s, &p->info))
    s->stopped = true;
  names_put(s->a, &inst->params, name.s, p);
  vec_push(s->a, &s->m->params, p);
}

static ModuleInst *build_inst(Sema *s, Module *m, const char *path, int depth, AxList *outer,
                              Value *const *args);

// Of what is given at the declaration, what decides how the module is made.
static Value **deciding_args(Sema *s, const Stmt *st, const Module *m, int64_t layer) {
  const Formals *f = &m->decl->formals;
  Value **args = NEWN(s->a, Value *, f->n + 1);
  bool varies = false;
  for (int i = 0; i < st->args.n; i++)
    for (int k = 0; k < f->n; k++)
      if (m->deciding[k] && f->v[k].name.s == st->args.v[i].name.s)
        args[k] = sema_decide(s, st, st->args.v[i].value, layer, &varies);
  return args;
}

static ModuleInst *add_child(Sema *s, ModuleInst *inst, const Stmt *st, const char *path,
                             int64_t i) {
  bool varies = false;
  st = child_chosen(s, st, i, &varies);
  Module *m = module_find(s, st->module.s);
  AxList *map = m ? child_axes(s, st, m) : NULL;
  return map ? build_inst(s, m, path, inst->depth + 1, map, deciding_args(s, st, m, i)) : NULL;
}

static int64_t instances(Sema *s, const Stmt *st) {
  bool found;
  int64_t count = 1;
  if (st->repeat != REPEAT_REPEAT)
    return 1;
  AxList l = ax_lookup(s, st->count, &found);
  CHECK(found && l.n == 1 && ax_const(l.v[0], &count));
  if (count <= MAX_WORK)
    return count;
  s->work = MAX_WORK;
  sema_step(s, st->span);
  return 0;
}

// Which of two statements it is, with a `repeat` of its own or without, is chosen once; of layers each by itself.
static void add_children(Sema *s, ModuleInst *inst, const Stmt *st) {
  const Names *names = &st->names;
  bool varies = false;
  if (!st->index.s)
    st = child_chosen(s, st, 0, &varies);
  int64_t count = instances(s, st);
  for (int i = 0; i < names->n && count && !s->stopped; i++) {
    InstChild *c = NEW(s->a, InstChild);
    const char *name = names->v[i].s,
               *base = inst->path[0] ? arena_printf(s->a, "%s.%s", inst->path, name) : name;
    *c =
        (InstChild){name, NEWN(s->a, ModuleInst *, count), (int)count, st->repeat == REPEAT_REPEAT};
    for (int64_t k = 0; k < count && !s->stopped; k++) {
      const char *p = c->repeated ? arena_printf(s->a, "%s.%lld", base, (long long)k) : base;
      if (!(c->inst[k] = add_child(s, inst, st, p, k)))
        return;
    }
    names_put(s->a, &inst->children, name, c);
  }
}

static ModuleInst *build_inst(Sema *s, Module *m, const char *path, int depth, AxList *outer,
                              Value *const *args) {
  ModuleInst *inst = NEW(s->a, ModuleInst);
  *inst = (ModuleInst){.mod = m,
                       .path = path,
                       .depth = depth,
                       .outer = outer,
                       .inner = NEWN(s->a, AxList, m->ngenerics + 1)};
  for (int i = 0; i < m->ngenerics; i++)
    inst->inner[i] = inner_axes(s, &m->generics[i], &outer[i], depth);
  Saved old = frame_save(s);
  Frame *f = frame_push(s, FR_MODULE, m->name, m->decl->name.span);
  f->seq = m->seq;
  f->prelude = m->prelude;
  f->generics = m->generics;
  f->ngenerics = m->ngenerics;
  f->map = outer;
  f->mod = m;
  sema_bind_numbers(s, m, args);
  const Stmts *st = &m->decl->body->stmts;
  for (int i = 0; i < st->n && !s->stopped; i++) {
    if (!sema_step(s, st->v[i]->span))
      break;
    if (st->v[i]->kind == ST_PARAM)
      for (int k = 0; k < st->v[i]->names.n; k++)
        add_param(s, inst, st->v[i], st->v[i]->names.v[k]);
    else if (st->v[i]->kind == ST_CHILD)
      add_children(s, inst, st->v[i]);
  }
  frame_restore(s, old);
  return inst;
}

void sema_tree(Sema *s) {
  s->m->root = build_inst(s, s->m->model, "", 1, NULL, NULL);
}

// ---- which parameters entries and losses reach
typedef VEC(const char *) Parts;

static bool in_parts(const Parts *p, const char *name) {
  for (int i = 0; i < p->n; i++)
    if (!strcmp(p->v[i], name))
      return true;
  return false;
}

// What is read of child `name`: parts that start with its name and a dot, without these.
static void parts_under(Sema *s, const Parts *p, const char *name, Parts *out, bool *called) {
  size_t n = strlen(name);
  for (int i = 0; i < p->n; i++) {
    if (strncmp(p->v[i], name, n) || p->v[i][n] != '.')
      continue;
    if (!p->v[i][n + 1])
      *called = true;
    else
      vec_push(s->a, out, p->v[i] + n + 1);
  }
}

static void reach(Sema *s, const ModuleInst *inst, bool called, const Parts *parts, bool *reached);

// `layer` reaches every layer, `layer[3]` one: its parts start with the number.
static void reach_all(Sema *s, const InstChild *c, bool called, const Parts *parts, bool *reached) {
  for (int j = 0; j < c->n; j++) {
    Parts sub = {0};
    bool this_one = called;
    if (c->repeated)
      parts_under(s, parts, arena_printf(s->a, "%d", j), &sub, &this_one);
    reach(s, c->inst[j], this_one, c->repeated ? &sub : parts, reached);
  }
}

static void reach(Sema *s, const ModuleInst *inst, bool called, const Parts *parts, bool *reached) {
  const Stmts *st = &inst->mod->decl->body->stmts;
  for (int i = 0; i < st->n; i++)
    for (int k = 0; k < st->v[i]->names.n; k++) {
      const char *name = st->v[i]->names.v[k].s;
      const Bound *b = scope_find(inst->mod->scope, name);
      if (st->v[i]->kind == ST_PARAM) {
        const ParamDecl *p = names_get(&inst->params, name);
        if (p)
          reached[p->index] |= (called && b->used) || in_parts(parts, name);
      } else if (st->v[i]->kind == ST_CHILD) {
        const InstChild *c = names_get(&inst->children, name);
        bool child_called = called && b->called;
        Parts sub = {0};
        for (int j = 0; called && j < b->parts.n; j++)
          vec_push(s->a, &sub, b->parts.v[j]);
        parts_under(s, parts, name, &sub, &child_called);
        reach_all(s, c, child_called, &sub, reached);
      }
    }
}

void sema_check_reached(Sema *s) {
  bool *reached = NEWN(s->a, bool, s->m->params.n + 1);
  Parts none = {0};
  Span last = {0};
  reach(s, s->m->root, true, &none, reached);
  for (int i = 0; i < s->m->params.n; i++) {
    const ModelParam *p = &s->m->params.v[i]->info;
    if (reached[i] || (p->span.src == last.src && p->span.lo == last.lo))
      continue;
    last = p->span;
    sema_error(s, ERR_OUT_OF_REACH, p->span,
               "the parameter `%s` is reached by no entry and no loss", p->path);
  }
}
