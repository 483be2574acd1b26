// Scalar lowering: the value of a node's element at given coordinates as an expression over the
// kernel's memories.  What is stored elsewhere is loaded; everything else is derived from its
// operands, at coordinates that index maps transform.  A value that several users or several
// iterations of an inner loop need is put into a register as far out as its coordinates allow.
#include "codegen/plan/plan_internal.h"
#include <math.h>
#include <string.h>

struct Memo {
  LExpr **key; // coordinates of the node's axes
  LowerVal v;
  Memo *next;
};

static Memo *memo_find(Lower *c, Node *n, LExpr *const *key) {
  for (Memo *m = map_pointer(map_at(&c->memo, n)); m; m = m->next)
    if (!memcmp(m->key, key, sizeof *key * (size_t)n->nax))
      return m;
  return NULL;
}

static void memo_add(Lower *c, Node *n, LExpr *const *key, LowerVal v) {
  Memo *m = NEW(c->a, Memo);
  m->key = NEWN(c->a, LExpr *, n->nax + 1);
  memcpy(m->key, key, sizeof *key * (size_t)n->nax);
  m->v = v;
  m->next = map_pointer(map_at(&c->memo, n));
  map_put(&c->memo, n, (uintptr_t)m);
}

static void node_key(Node *n, const Coords *at, LExpr **key) {
  for (int i = 0; i < n->nax; i++)
    if (!(key[i] = coords_get(at, n->ax[i])))
      BUG("%s: no coordinate along %s", op_name(n->op), n->ax[i]->name);
}

// bf16 is computed as f32, and rounded like a value that is stored whether it is or not.
LExpr *lower_rounded(Lower *c, const Node *n, LExpr *e) {
  if ((n->dtype != DT_BF16 && !is_rounded(c->g, n)) || e->dtype != DT_F32)
    return e;
  return lx_op(c->a, L_CAST, DT_F32, lx_op(c->a, L_CAST, DT_BF16, e, NULL, NULL), NULL, NULL);
}

void lower_define(Lower *c, Node *n, const Coords *at, LExpr *e) {
  LExpr *key[MAX_AXES];
  node_key(n, at, key);
  e = lower_rounded(c, n, e);
  memo_add(c, n, key, (LowerVal){e, c->scope.n - 1, 0});
}

// ---- scopes, variables, registers

void lower_push(Lower *c, LBody *b) {
  vec_push(c->a, &c->scope, b);
}

// What of a list was computed in a scope that is still open.
static Memo *memo_open(const Lower *c, Memo *head) {
  Memo **m = &head;
  while (*m)
    if ((*m)->v.depth >= c->scope.n)
      *m = (*m)->next;
    else
      m = &(*m)->next;
  return head;
}

void lower_pop(Lower *c) {
  c->scope.n--;
  for (int64_t i = 0; c->memo.n && i < (int64_t)1 << c->memo.bits; i++)
    if (c->memo.slot[i].key)
      c->memo.slot[i].value = (uintptr_t)memo_open(c, map_pointer(&c->memo.slot[i].value));
}

void lower_emit(Lower *c, LStmt *s) {
  LBody *b = c->scope.v[c->scope.n - 1];
  vec_push(c->a, b, s);
}

int lower_var(Lower *c, Poly range, int depth) {
  int v = loop_var(c->k);
  while (c->var_depth.n <= v) {
    vec_push(c->a, &c->var_depth, 0);
    vec_push(c->a, &c->var_range, (Poly){0});
  }
  c->var_depth.v[v] = depth;
  c->var_range.v[v] = range;
  return v;
}

int lower_grid(Lower *c, Poly extent, int64_t block) {
  int v = loop_grid(c->k, extent, block);
  while (c->var_depth.n <= v) {
    vec_push(c->a, &c->var_depth, 0);
    vec_push(c->a, &c->var_range, (Poly){0});
  }
  if (block == 1)
    c->var_range.v[v] = extent;
  return v;
}

static LExpr *reg_at(Lower *c, int depth, LExpr *first) {
  int r = loop_reg(c->k);
  while (c->reg_depth.n <= r)
    vec_push(c->a, &c->reg_depth, 0);
  c->reg_depth.v[r] = depth;
  LBody *b = c->scope.v[depth];
  vec_push(c->a, b, ls_reg(c->a, r, first->dtype, first));
  return lx_reg(c->a, first->dtype, r);
}

static bool is_widened(const LExpr *e) { // what bf16 holds, as f32
  return e->op == L_CAST && e->dtype == DT_F32 && e->a->dtype == DT_BF16;
}

// A register that is written once.  Of what was rounded to bf16 it is that, so that a store need not round again.
static LExpr *kept_at(Lower *c, int depth, LExpr *e) {
  if (!is_widened(e))
    return reg_at(c, depth, e);
  return lx_op(c->a, L_CAST, DT_F32, reg_at(c, depth, e->a), NULL, NULL);
}

static bool is_kept(const LExpr *e) {
  return e->op == L_REG || (is_widened(e) && e->a->op == L_REG);
}

int lower_reg(Lower *c, DType t, LExpr *first) {
  if (first->dtype != t)
    BUG("a register of another dtype");
  return (int)reg_at(c, c->scope.n - 1, first)->inum;
}

LExpr *lower_settled(Lower *c, LExpr *e) {
  return is_kept(e) || e->op == L_CONST ? e : kept_at(c, c->scope.n - 1, e);
}

static int max2(int a, int b) {
  return a > b ? a : b;
}

int lower_depth(const Lower *c, const LExpr *e) {
  if (!e)
    return 0;
  if (e->op == L_VAR)
    return e->inum < c->var_depth.n ? c->var_depth.v[e->inum] : 0;
  if (e->op == L_REG)
    return e->inum < c->reg_depth.n ? c->reg_depth.v[e->inum] : 0;
  if (e->op == L_ACC)
    return c->scope.n - 1;
  return max2(lower_depth(c, e->a), max2(lower_depth(c, e->b), lower_depth(c, e->c)));
}

Lower *lower_new(Prog *g, Inst *inst, const char *name) {
  Arena *a = arena_new();
  Lower *c = NEW(a, Lower);
  c->g = g;
  c->inst = inst;
  c->a = c->memo.arena = c->ints.arena = a;
  c->k = loop_kernel(a, name);
  lower_push(c, &c->k->body);
  return c;
}

int lower_mem(Lower *c, int buf, Poly base, bool write) {
  int i = 0;
  while (i < c->arg.n && (c->arg.v[i].buf != buf || !poly_eq(&c->arg.v[i].base, &base)))
    i++;
  if (i == c->arg.n) {
    vec_push(c->a, &c->arg, (struct LowerArg){buf, base});
    if (loop_arg(c->a, c->k, c->g->buf.v[buf].name, c->g->buf.v[buf].dtype, write) != i)
      BUG("an argument after scratch");
    c->k->mem.v[i].read = false;
  }
  LMem *m = &c->k->mem.v[i];
  m->written |= write;
  m->read |= !write;
  return i;
}

int lower_scalar(Lower *c, uint8_t kind, uint64_t value, Poly poly) {
  BigsSize size = plan_size(c->g->p, poly);
  for (int i = 0; i < c->scalar.n; i++)
    if (c->scalar.v[i].kind == kind && c->scalar.v[i].value == value && c->scalar.v[i].size == size)
      return i;
  vec_push(c->a, &c->scalar, (BigsScalar){.kind = kind, .size = size, .value = value});
  return c->k->nscalars++;
}

// ---- loads and stores

// Index within the buffer from pl->base on.
LExpr *place_index(Lower *c, const Place *pl, const Coords *at) {
  LExpr *v[MAX_AXES];
  Poly step[MAX_AXES];
  int n = 0;
  for (int i = 0; i < pl->nax; i++) {
    v[n] = coords_get(at, pl->ax[i]);
    step[n] = pl->stride[i];
    if (!v[n])
      BUG("no coordinate along %s", pl->ax[i]->name);
    n++;
  }
  LExpr *index = llinear(c, v, step, n, poly_const(0));
  if (!pl->width)
    return index;
  for (int i = 0; i < n; i++)
    step[i] = poly_const(pl->nstep[i]);
  LExpr *column = llinear(c, v, step, n, poly_const(0));
  if (pl->nlo) {
    int slot = lower_scalar(c, 0, (uint64_t)pl->nlo, (Poly){0});
    column = liop(c, L_IADD, column, lint(c, lx_scalar_int(c->a, slot)));
  }
  Poly w = poly_const(pl->width);
  LExpr *odd = pl->pairs ? lmod(c, ldiv_(c, index, w), poly_const(2)) : li(c, 0);
  LExpr *terms[4] = {ldiv_(c, column, w), lmod(c, column, w), index, odd};
  Poly steps[4] = {poly_const(pl->panel), poly_const(pl->pairs ? 2 : 1), poly_const(1),
                   poly_const(1 - pl->width)};
  return llinear(c, terms, steps, 4, poly_const(0));
}

LExpr *lower_load(Lower *c, const Place *pl, const Coords *at) {
  LExpr *index = place_index(c, pl, at);
  return lx_load(c->a, c->k, lower_mem(c, pl->buf, pl->base, false), index);
}

static LExpr *stored_as(Lower *c, DType t, LExpr *e) {
  if (t == DT_BF16 && is_widened(e))
    return e->a;
  return e->dtype == t ? e : lx_op(c->a, L_CAST, t, e, NULL, NULL);
}

void lower_store(Lower *c, const Place *pl, const Coords *at, LExpr *value, bool add) {
  LExpr *index = place_index(c, pl, at);
  int mem = lower_mem(c, pl->buf, pl->base, true);
  if (add)
    c->k->mem.v[mem].read = true;
  LStmt *s = ls_store(c->a, mem, index, stored_as(c, c->k->mem.v[mem].dtype, value));
  s->add = add;
  lower_emit(c, s);
}

// ---- values

static LowerVal constant(Lower *c, DType t, double v) {
  return (LowerVal){lx_const(c->a, t, v), 0, 0};
}

static LowerVal of_index(Lower *c, DType t, LExpr *i) {
  if (i->op == L_INT)
    return constant(c, t, (double)i->inum);
  return (LowerVal){lx_from_int(c->a, t, i), lower_depth(c, i), 1};
}

static LowerVal op2(Lower *c, LOp op, DType t, LowerVal x, LowerVal y) {
  return (LowerVal){lx_op(c->a, op, t, x.e, y.e, NULL), max2(x.depth, y.depth),
                    x.cost + y.cost + 1};
}

static LowerVal select_value(Lower *c, LowerVal cond, LowerVal x, LowerVal y) {
  return (LowerVal){lx_op(c->a, L_SELECT, x.e->dtype, cond.e, x.e, y.e),
                    max2(cond.depth, max2(x.depth, y.depth)), cond.cost + x.cost + y.cost + 1};
}

static const LOp scalar_op[OP_COUNT] = {
#define SCALAR(id, name, arity, domain, flags, cost) [OP_##id] = L_##id,
#include "base/scalar.def"
#undef SCALAR
    [OP_CONTRACT] = L_MUL,
};

LExpr *lower_operation(Lower *c, Node *n, LExpr *const x[3]) {
  DType t = computed_dtype(n);
  if (n->op == OP_CAST && x[0]->dtype == t)
    return x[0];
  return lx_op(c->a, scalar_op[n->op], t, x[0], x[1], x[2]);
}

static LowerVal pointwise(Lower *c, Node *n, const Coords *at) {
  LExpr *x[3] = {0};
  LowerVal v = {.cost = 1};
  for (int i = 0; i < n->nin; i++) {
    LowerVal a = lower_value(c, n->in[i], at);
    x[i] = a.e;
    v.depth = max2(v.depth, a.depth);
    v.cost += a.cost;
  }
  v.e = lower_operation(c, n, x);
  return v;
}

static LowerVal random_value(Lower *c, Node *n, const Coords *at) {
  LExpr *v[MAX_AXES];
  Poly step[MAX_AXES], s = poly_const(1);
  for (int i = n->nax - 1; i >= 0; i--) {
    v[i] = coords_get(at, n->ax[i]);
    step[i] = s;
    s = poly_mul(s, n->ax[i]->extent);
  }
  LExpr *element = llinear(c, v, step, n->nax, poly_const(0));
  int slot = lower_scalar(c, 1, n->attr.site, (Poly){0});
  return (LowerVal){lx_random(c->a, slot, element), lower_depth(c, element), 8};
}

static LowerVal table_value(Lower *c, Node *n, const Coords *at) {
  int buf = -1;
  for (int i = 0; i < c->g->buf.n && buf < 0; i++)
    if (c->g->buf.v[i].where == BIGS_CONSTANT && c->g->buf.v[i].table == n)
      buf = i;
  if (buf < 0)
    buf = table_buffer(c->g, n);
  Place *pl = place_dense(c->g, buf, (DType)n->dtype, n->ax, n->nax);
  LExpr *e = lower_load(c, pl, at);
  return (LowerVal){e, lower_depth(c, e->a), 1};
}

static LowerVal compare(Lower *c, LOp op, LExpr *i, LExpr *j) {
  return op2(c, op, DT_BOOL, of_index(c, DT_I32, i), of_index(c, DT_I32, j));
}

static LowerVal clamp_index(Lower *c, LExpr *i, Poly extent, LExpr **out) {
  LExpr *last = lpoly(c, poly_sub(extent, poly_const(1)));
  *out = liop(c, L_IMAX, liop(c, L_IMIN, i, last), li(c, 0));
  return (LowerVal){0};
}

// An axis may have no element; who reads one of it all the same, and leaves it, has made a place of 0 by clamp_index.  So
// what that is on an axis below, `in`, is to be one of its.
static LExpr *still_there(Lower *c, const Axis *a, const LExpr *at, LExpr *in, const Axis *below) {
  if (at->op == L_IMAX && may_be_empty(c->g->g, a))
    clamp_index(c, in, below->extent, &in);
  return in;
}

static LExpr *in_slice(Lower *c, const Attr *t, LExpr *at) {
  const Poly one = poly_const(1);
  return still_there(c, t->axis2, at, llinear(c, &at, &one, 1, t->lo), t->axis);
}

// Nothing is divided by the length of an axis without elements.
static void in_parts(Lower *c, const Attr *t, LExpr *at, Coords *in) {
  if (at->op != L_IMAX || !may_be_empty(c->g->g, t->axis)) {
    lower_unflatten(c, at, t->axes, t->naxes, in);
    return;
  }
  for (int i = t->naxes - 1; i >= 0; i--) {
    LExpr *by = liop(c, L_IMAX, lpoly(c, t->axes[i]->extent), li(c, 1));
    coords_set(in, t->axes[i], liop(c, L_IMAX, liop(c, L_IMOD, at, by), li(c, 0)));
    at = liop(c, L_IDIV, at, by);
  }
}

static LExpr *in_flip(Lower *c, const Axis *a, LExpr *at) {
  const Poly minus = poly_const(-1);
  return still_there(c, a, at, llinear(c, &at, &minus, 1, poly_sub(a->extent, poly_const(1))), a);
}

// What stands for an element that is not there.
static LowerVal nothing(Lower *c, DType t) {
  return constant(c, t, t == DT_BOOL ? 0 : t == DT_I32 ? -2147483648.0 : NAN);
}

static LowerVal is_inside(Lower *c, LExpr *i, Poly extent) {
  return op2(c, L_AND, DT_BOOL, compare(c, L_LE, li(c, 0), i),
             compare(c, L_LT, i, lpoly(c, extent)));
}

// Is it known that the gather's index is one of the axis?
static bool is_there(const Node *n, const LExpr *index) {
  int64_t extent;
  if (index->op == L_INT && poly_is_const(&n->attr.axis->extent, &extent))
    return index->inum >= 0 && index->inum < extent;
  return !index_is_computed(n->in[1]);
}

// What callers give as an index is checked before programs run; of a computed one nothing is outside
// of the axis.
static LowerVal gathered(Lower *c, Node *n, const Coords *at) {
  Node *x = n->in[0];
  LowerVal i = lower_value(c, n->in[1], at);
  if (i.e->op != L_REG && i.e->op != L_CONST)
    i.e = reg_at(c, i.depth, i.e);
  LExpr *index = i.e->op == L_CONST ? li(c, (int64_t)i.e->num) : lint(c, lx_to_int(c->a, i.e)),
        *near;
  clamp_index(c, index, n->attr.axis->extent, &near);
  Coords inner = *at;
  coords_set(&inner, n->attr.axis, near);
  LowerVal v = lower_value(c, x, &inner);
  return is_there(n, index) ? v
                            : select_value(c, is_inside(c, index, n->attr.axis->extent), v,
                                           nothing(c, computed_dtype(n)));
}

static LowerVal padded(Lower *c, Node *n, const Coords *at) {
  const Attr *t = &n->attr;
  LExpr *out = coords_get(at, t->axis2), *lo = lpoly(c, t->lo),
        *end = lpoly(c, poly_add(t->lo, t->axis->extent)), *i;
  Poly one = poly_const(1);
  LowerVal inside = op2(c, L_AND, DT_BOOL, compare(c, L_LE, lo, out), compare(c, L_LT, out, end));
  clamp_index(c, llinear(c, &out, &one, 1, poly_scale(t->lo, -1)), t->axis->extent, &i);
  Coords inner = *at;
  coords_set(&inner, t->axis, i);
  return select_value(c, inside, lower_value(c, n->in[0], &inner),
                      constant(c, computed_dtype(n), 0));
}

static LowerVal windowed(Lower *c, Node *n, const Coords *at) {
  const Attr *t = &n->attr;
  LExpr *v[2] = {coords_get(at, t->axis2), coords_get(at, t->axes[0])}, *near;
  const Poly step[2] = {poly_const(t->i0), t->hi};
  LExpr *place = llinear(c, v, step, 2, t->lo);
  clamp_index(c, place, t->axis->extent, &near);
  Coords inner = *at;
  coords_set(&inner, t->axis, near);
  return select_value(c, is_inside(c, place, t->axis->extent), lower_value(c, n->in[0], &inner),
                      constant(c, computed_dtype(n), 0));
}

static LowerVal concatenated(Lower *c, Node *n, const Coords *at) {
  LExpr *out = coords_get(at, n->attr.axis);
  Poly end = n->attr.axis->extent, one = poly_const(1);
  LowerVal v = {0};
  for (int i = n->nin - 1; i >= 0; i--) {
    LExpr *j;
    Poly lo = poly_sub(end, n->attr.from[i]->extent);
    clamp_index(c, llinear(c, &out, &one, 1, poly_scale(lo, -1)), n->attr.from[i]->extent, &j);
    Coords inner = *at;
    coords_set(&inner, n->attr.from[i], j);
    LowerVal x = lower_value(c, n->in[i], &inner);
    v = i == n->nin - 1 ? x : select_value(c, compare(c, L_LT, out, lpoly(c, end)), x, v);
    end = lo;
  }
  return v;
}

static LowerVal one_hot(Lower *c, Node *n, const Coords *at) {
  LowerVal id = lower_value(c, n->in[0], at), x = lower_value(c, n->in[1], at);
  LowerVal here = op2(c, L_EQ, DT_BOOL, of_index(c, DT_I32, coords_get(at, n->attr.axis)), id);
  return select_value(c, here, x, constant(c, computed_dtype(n), 0));
}

static LowerVal mapped(Lower *c, Node *n, const Coords *at) {
  const Attr *t = &n->attr;
  Coords in = *at;
  LExpr *v[MAX_AXES];
  Poly step[MAX_AXES], s = poly_const(1);
  switch (n->op) {
  case OP_RENAME:
    for (int i = 0; i < t->nmap; i++)
      coords_set(&in, t->from[i], coords_get(at, t->to[i]));
    break;
  case OP_SPLIT:
    for (int i = t->naxes - 1; i >= 0; i--) {
      v[i] = coords_get(at, t->axes[i]);
      step[i] = s;
      s = poly_mul(s, t->axes[i]->extent);
    }
    coords_set(&in, t->axis, llinear(c, v, step, t->naxes, poly_const(0)));
    break;
  case OP_MERGE: in_parts(c, t, coords_get(at, t->axis), &in); break;
  case OP_SLICE: coords_set(&in, t->axis, in_slice(c, t, coords_get(at, t->axis2))); break;
  case OP_INDEX: coords_set(&in, t->axis, lpoly(c, t->lo)); break;
  case OP_FLIP:
    for (int i = 0; i < t->naxes; i++)
      coords_set(&in, t->axes[i], in_flip(c, t->axes[i], coords_get(at, t->axes[i])));
    break;
  default: BUG("no index map");
  }
  return lower_value(c, n->in[0], &in);
}

static LowerVal loaded(Lower *c, Node *n, const Place *pl, const Coords *at) {
  LExpr *e = lower_load(c, pl, at);
  LowerVal v = {e, lower_depth(c, e->a), 1};
  if (e->dtype != computed_dtype(n))
    v.e = lx_op(c->a, L_CAST, computed_dtype(n), e, NULL, NULL);
  return v;
}

static LowerVal derived(Lower *c, Node *n, const Coords *at) {
  switch (n->op) {
  case OP_CONST: return constant(c, computed_dtype(n), n->attr.num);
  case OP_IOTA: return of_index(c, DT_I32, coords_get(at, n->attr.axis));
  case OP_EXTENT: return of_index(c, computed_dtype(n), lpoly(c, n->attr.lo));
  case OP_TABLE: return table_value(c, n, at);
  case OP_RANDOM: return random_value(c, n, at);
  case OP_GATHER: return gathered(c, n, at);
  case OP_PAD: return padded(c, n, at);
  case OP_WINDOW: return windowed(c, n, at);
  case OP_CONCAT: return concatenated(c, n, at);
  case OP_SCATTER: return one_hot(c, n, at);
  default: break;
  }
  if (op_flags(n->op) & F_INDEX)
    return mapped(c, n, at);
  if ((op_flags(n->op) & F_POINTWISE) || is_outer(n)) {
    LowerVal v = pointwise(c, n, at);
    v.e = n->dtype == DT_BF16 ? lower_rounded(c, n, v.e) : v.e;
    return v;
  }
  BUG("%s has no value here", op_name(n->op));
}

static LowerVal compute(Lower *c, Node *n, const Coords *at) {
  Info *f = info_of(c->g, n);
  LowerVal of_loop;
  if (c->loop && lower_loop_value(c, n, at, &of_loop))
    return of_loop;
  if (c->inst->bias_place && n == c->inst->bias)
    return loaded(c, n, c->inst->bias_place, at);
  for (int i = 0; i < COUNT(c->inst->operand); i++)
    if (c->inst->operand_place[i] && n == c->inst->operand[i])
      return loaded(c, n, c->inst->operand_place[i], at);
  if (n != c->acc && f->place && f->inst != c->inst && n != c->own)
    return loaded(c, n, f->place, at);
  if (n == c->acc)
    return (LowerVal){lower_rounded(c, n, lx_acc(c->a)), c->scope.n - 1, 0};
  LowerVal v = derived(c, n, at);
  if (is_rounded(c->g, n)) {
    v.e = lower_rounded(c, n, v.e);
    v.cost++;
  }
  return v;
}

LowerVal lower_value(Lower *c, Node *n, const Coords *at) {
  LExpr *key[MAX_AXES];
  node_key(n, at, key);
  Memo *m = memo_find(c, n, key);
  if (m)
    return m->v;
  LowerVal v = compute(c, n, at);
  bool shared = info_of(c->g, n)->nuse > 1 && !(op_flags(n->op) & F_INDEX),
       outer = v.depth < c->scope.n - 1;
  if (v.cost && (shared || outer) && !is_kept(v.e))
    v = (LowerVal){kept_at(c, v.depth, v.e), v.depth, 0};
  if (is_kept(v.e))
    v.cost = 0;
  memo_add(c, n, key, v);
  return v;
}

LExpr *lower_member(Lower *c, const Member *m, const Coords *at) {
  c->own = m->derive ? m->node : NULL;
  LExpr *e = lower_value(c, m->role == ROLE_COLUMN ? m->node->in[0] : m->node, at).e;
  c->own = NULL;
  return e;
}
