// Which keys a mask of attention leaves out for all rows before them: a comparison of places on both axes, or one of several.
#include "codegen/plan/plan_internal.h"

enum { FAR = 1 << 30 };

typedef struct Position { // the place on an axis, plus `more`
  const Axis *axis;
  int64_t more;
} Position;

static const Axis *renamed(const Node *n, const Axis *a, bool back) {
  Axis *const *from = back ? n->attr.to : n->attr.from, *const *to =
                                                            back ? n->attr.from : n->attr.to;
  for (int i = 0; i < n->attr.nmap; i++)
    if (from[i] == a)
      return to[i];
  return a;
}

static bool position_of(const Node *n, Position *p);

static bool moved(const Node *n, const Node *x, const Node *by, int sign, Position *p) {
  double v = 0;
  if (!node_is_const(by, &v) || !position_of(x, p) || v != (double)(int64_t)v || v > FAR ||
      v < -FAR)
    return false;
  p->more += sign * (int64_t)v;
  return n->dtype == DT_I32;
}

// Is n a place, plus a constant?
static bool position_of(const Node *n, Position *p) {
  switch (n->op) {
  case OP_IOTA: *p = (Position){n->attr.axis, 0}; return true;
  case OP_RENAME:
    if (!position_of(n->in[0], p))
      return false;
    p->axis = renamed(n, p->axis, false);
    return true;
  case OP_ADD: return moved(n, n->in[0], n->in[1], 1, p) || moved(n, n->in[1], n->in[0], 1, p);
  case OP_SUB: return moved(n, n->in[0], n->in[1], -1, p);
  default: return false;
  }
}

bool mask_is_causal(const Node *mask, const Axis *row, const Axis *key, int64_t *ahead) {
  Position x, y;
  int64_t other;
  switch (mask->op) {
  case OP_RENAME:
    return mask_is_causal(mask->in[0], renamed(mask, row, true), renamed(mask, key, true), ahead);
  case OP_AND:
    if (!mask_is_causal(mask->in[0], row, key, ahead))
      return mask_is_causal(mask->in[1], row, key, ahead);
    if (mask_is_causal(mask->in[1], row, key, &other) && other < *ahead)
      *ahead = other;
    return true;
  case OP_LE:
  case OP_LT:
    if (!position_of(mask->in[0], &x) || !position_of(mask->in[1], &y) || x.axis != key ||
        y.axis != row)
      return false;
    *ahead = y.more - x.more - (mask->op == OP_LT);
    return *ahead >= -FAR && *ahead <= FAR;
  default: return false;
  }
}

static double flops_of_places(const Node *n) {
  double flops = op_flops(n);
  if (n->op == OP_IOTA || n->op == OP_CONST)
    return 0;
  if (n->op != OP_RENAME && !(op_flags(n->op) & F_POINTWISE))
    return 1e9;
  for (int i = 0; i < n->nin && flops <= 8; i++)
    flops += flops_of_places(n->in[i]);
  return flops;
}

bool mask_is_derived(const Prog *g, const Node *attention) {
  enum { FLOPS = 8 }; // where it takes no more than a load does
  const Node *mask = attention->in[3];
  if (attention_is_statement(g, attention))
    return flops_of_places(mask) <= FLOPS;
  return mask_is_bounded(mask, attention_rows(attention), attention->attr.axis);
}
