// How far rows of attention see by a mask that compares places on both axes, or by one of several conditions.
#include "codegen/plan/plan_internal.h"

enum { FAR = 1 << 30 };

typedef struct PlaceLine { // row * (place of the row) + key * (place of the key) + more
  int row, key;
  int64_t more;
} PlaceLine;
typedef struct Pairing { // the names of the two axes, which renames change; NULL: lacking
  const Axis *row, *key;
} Pairing;

static const Axis *renamed(const Node *n, const Axis *a) {
  return a && node_has(n, a) ? axis_before(n, a) : NULL;
}

static Pairing below(const Node *n, Pairing p) {
  return (Pairing){renamed(n, p.row), renamed(n, p.key)};
}

static bool line_of(const Node *n, Pairing p, PlaceLine *x);

static bool combined(const Node *n, Pairing p, int sign, PlaceLine *x) {
  PlaceLine y;
  if (n->dtype != DT_I32 || !line_of(n->in[0], p, x) || !line_of(n->in[1], p, &y))
    return false;
  *x = (PlaceLine){x->row + sign * y.row, x->key + sign * y.key, x->more + sign * y.more};
  return x->more > -FAR && x->more < FAR;
}

// Is n a sum of places and constants?
static bool line_of(const Node *n, Pairing p, PlaceLine *x) {
  double v;
  if (node_is_const(n, &v)) {
    *x = (PlaceLine){0, 0, v > -FAR && v < FAR ? (int64_t)v : FAR};
    return x->more < FAR && v == (double)x->more;
  }
  switch (n->op) {
  case OP_IOTA:
    *x = (PlaceLine){n->attr.axis == p.row, n->attr.axis == p.key, 0};
    return x->row != x->key;
  case OP_RENAME: return line_of(n->in[0], below(n, p), x);
  case OP_ADD: return combined(n, p, 1, x);
  case OP_SUB: return combined(n, p, -1, x);
  default: return false;
  }
}

static const Reach everything = {FAR, FAR, FAR};

static int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b) {
  return a > b ? a : b;
}

// x + more <= 0 of lines: key - row <= -more, or row - key <= -more.
static Reach at_most_nothing(PlaceLine x) {
  Reach r = everything;
  if (x.key == 1 && x.row == -1)
    r.ahead = -x.more;
  if (x.key == -1 && x.row == 1)
    r.behind = -x.more;
  return r;
}

static Reach both(Reach a, Reach b) {
  return (Reach){least(a.behind, b.behind), least(a.ahead, b.ahead), least(a.keys, b.keys)};
}

static Reach either(Reach a, Reach b) {
  return (Reach){most(a.behind, b.behind), most(a.ahead, b.ahead), least(FAR, a.keys + b.keys)};
}

// |x| <= y, y being a constant.
static Reach within(const Node *x, Pairing p, PlaceLine y, int64_t less) {
  PlaceLine d;
  if (y.row || y.key || !line_of(x, p, &d))
    return everything;
  PlaceLine up = {d.row, d.key, d.more - y.more + less},
            down = {-d.row, -d.key, -d.more - y.more + less};
  return both(at_most_nothing(up), at_most_nothing(down));
}

// x <= y, or x < y
static Reach ordered(const Node *n, Pairing p) {
  const Node *a = n->in[0];
  PlaceLine x, y;
  int64_t less = n->op == OP_LT;
  if (!line_of(n->in[1], p, &y))
    return everything;
  if (a->op == OP_ABS)
    return within(a->in[0], p, y, less);
  if (!line_of(a, p, &x))
    return everything;
  return at_most_nothing((PlaceLine){x.row - y.row, x.key - y.key, x.more - y.more + less});
}

// The length of the blocks of places on p that n numbers; 0: it does not.
static int64_t block_of(const Node *n, const Axis *a) {
  double by;
  while (n->op == OP_RENAME)
    a = renamed(n, a), n = n->in[0];
  if (n->op != OP_FLOORDIV || !node_is_const(n->in[1], &by) || by < 1 || by > FAR)
    return 0;
  PlaceLine x;
  return line_of(n->in[0], (Pairing){a, NULL}, &x) && x.row == 1 ? (int64_t)by : 0;
}

// Blocks of equal number
static Reach same_block(const Node *n, Pairing p) {
  int64_t a = block_of(n->in[0], p.row), b = block_of(n->in[1], p.key);
  if (!a)
    a = block_of(n->in[0], p.key), b = block_of(n->in[1], p.row);
  Reach r = everything;
  r.keys = a && b ? least(a, b) : FAR;
  return r;
}

static Reach reach_of(const Node *mask, Pairing p) {
  switch (mask->op) {
  case OP_RENAME: return reach_of(mask->in[0], below(mask, p));
  case OP_AND: return both(reach_of(mask->in[0], p), reach_of(mask->in[1], p));
  case OP_OR: return either(reach_of(mask->in[0], p), reach_of(mask->in[1], p));
  case OP_LE:
  case OP_LT: return ordered(mask, p);
  case OP_EQ: return same_block(mask, p);
  default: return everything;
  }
}

Reach mask_reach(const Node *mask, const Axis *row, const Axis *key) {
  Reach r = reach_of(mask, (Pairing){row, key});
  if (r.behind < FAR && r.ahead < FAR)
    r.keys = least(r.keys, most(0, r.behind + r.ahead + 1));
  return r;
}

bool reach_is_bound(int64_t places) {
  return places < FAR;
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
