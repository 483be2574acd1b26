// Which values lie in memory as bf16.  Arithmetic is f32 either way: loads widen, stores round to the nearest even, and a
// value that is stored so is that number wherever its kernel goes on with it.
//
// Activations and their gradients are bf16.  What is few numbers, or is summed up to become few, stays as it is: what depends on
// parameters and sizes alone (a state-space model's kernel), gradients of parameters, statistics of rows, losses.
#include "codegen/plan/contract.h"
#include <string.h>

// A sum of fewer is an addition, whose result is as large as its operands.
enum { FEW = 16 };

static bool has_run_time_axis(const Node *n) {
  for (int i = 0; i < n->nax; i++)
    if (!is_feature(n->ax[i]))
      return true;
  return false;
}

static bool reduces(const Node *n) {
  return n->op == OP_ATTENTION_LSE || n->op == OP_RMAX || n->op == OP_RMIN ||
         (n->op == OP_SUM && size_estimate(n->attr.axes, n->attr.naxes) >= FEW);
}

// A reduction's result, or what is made of one along its own axes: a row's loss, its variance.
static bool is_statistic(Prog *g, const Node *n) {
  bool is = reduces(n);
  for (int i = 0; i < n->nin && !is && is_map(n) && n->op != OP_GATHER; i++)
    is = info_of(g, n->in[i])->statistic &&
         axes_equal_sets(n->in[i]->ax, n->in[i]->nax, n->ax, n->nax);
  return is;
}

static bool operands_are_exact(Prog *g, const Node *n) {
  bool exact = true;
  for (int i = n->op == OP_SCATTER; i < n->nin && exact; i++)
    exact = info_of(g, n->in[i])->exact;
  return exact;
}

// Is it of the values that keep their dtype?
static bool is_exact(Prog *g, const Node *n) {
  const Info *f = info_of(g, n);
  if (n->dtype != DT_F32 || f->steady || f->statistic || !has_run_time_axis(n))
    return n->dtype != DT_BF16;
  switch (n->op) {
  case OP_INPUT: return false; // the caller's; what is made of it is an activation
  case OP_RANDOM: return true; // compared with a rate
  case OP_GATHER: return !info_of(g, n->in[0])->steady && info_of(g, n->in[0])->exact;
  case OP_CONV_GRAD: return true; // of a kernel
  default: return operands_are_exact(g, n);
  }
}

void precision_mark(Prog *g) {
  for (int i = 0; i < g->nnode; i++) {
    Info *f = info_of(g, g->node[i]);
    f->statistic = is_statistic(g, g->node[i]);
    f->exact = loop_is_replayed(g, g->node[i]) || is_exact(g, g->node[i]);
  }
}

// Does code that is not generated write it?
static bool is_of_library(const Prog *g, const Node *n) {
  return g->p->o.on->builtins && (n->op == OP_CAUSAL_CONV || n->op == OP_SCATTER);
}

DType stored_dtype(const Prog *g, const Node *n) {
  bool narrow = g->p->o.bf16 && (g->kind == BIGS_ENTRY || g->kind == BIGS_GRADIENT);
  bool summed = n->op == OP_ATTENTION_GRAD && !attention_is_statement(g, n); // where it lies
  summed |= is_of_library(g, n);
  return narrow && n->dtype == DT_F32 && !summed && !info_of(g, n)->exact ? DT_BF16
                                                                          : (DType)n->dtype;
}

bool is_rounded(const Prog *g, const Node *n) {
  const Info *f = info_of(g, n);
  return n->dtype == DT_F32 && (f->light || (f->needed && f->place && f->place->dtype == DT_BF16));
}

DType copied_dtype(Prog *g, Node *n) {
  const Place *from = place_view(g, n);
  return from ? from->dtype : stored_dtype(g, n);
}

// ---- shadows of parameters: an entry makes them once for its weights, a gradient program in each step

enum { SHADOW = 0x5ad }; // key of a staged copy

// In the parameter's own order, dense.
static Place *shadow_place(Prog *g, const Node *w, bool kept) {
  Axis *order[BIGS_MAX_RANK];
  memcpy(order, w->ax, sizeof *order * (size_t)w->nax);
  contract_sort_axes(info_of(g, w)->place, order, w->nax);
  int buf = buf_add(g, kept ? BIGS_KEPT : BIGS_ARENA, DT_BF16, extents(order, w->nax), "shadow");
  return place_dense(g, buf, DT_BF16, order, w->nax);
}

static Place *shadow_of(Prog *g, Node *w) {
  for (int i = 0; i < g->staged.n; i++)
    if (g->staged.v[i].node == w && g->staged.v[i].key == SHADOW)
      return g->staged.v[i].place;
  Place *pl = shadow_place(g, w, g->prologue);
  fuse_shadow(g, w, pl, g->prologue);
  vec_push(g->a, &g->staged, (Staged){w, pl, g->inst.v[g->inst.n - 1], SHADOW});
  return pl;
}

// Of products that make activations.
Place *shadow_param(Prog *g, const Node *product, Node *w) {
  bool has = w->op == OP_PARAM && w->dtype == DT_F32 && stored_dtype(g, product) == DT_BF16 &&
             product->dtype == DT_F32 && g->p->o.on->bf16_products;
  return has ? shadow_of(g, w) : NULL;
}

Place *shadow_view(Prog *g, const Node *product, Node *x) {
  Node *w = view_base(x);
  Place *shadow = shadow_param(g, product, w);
  if (!shadow)
    return NULL;
  Info *f = info_of(g, w);
  Place *own = f->place;
  f->place = shadow;
  Place *view = place_view(g, x);
  f->place = own;
  return view;
}

// A tile may read a copy.
bool plan_rounds(const Planner *p, int program, const Node *n, int operand) {
  const Prog *g = p->progs.v[program];
  if (n->id >= g->ninfo || !info_of(g, n))
    return false;
  const Inst *k = info_of(g, n)->inst;
  if (operand < 0 || !k || k->kind != IK_TILE || k->root != n)
    return operand < 0 && is_rounded(g, n);
  return (operand == k->tile->side ? k->tile->b : k->tile->a)->dtype == DT_BF16;
}
