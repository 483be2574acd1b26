// See op_reference.h.
#include "tests/unit/op_reference.h"
#include "base/rng.h"
#include <math.h>

static int64_t size_of(Bed *b, const Axis *a) {
  return poly_eval(&a->extent, b->syms);
}

// Counts through the places of the axes, beginning with all zeros; false after the last.
static bool next_place(Bed *b, RefPlace *p, Axis *const *ax, int n) {
  for (int i = 0; i < n; i++) {
    if (++p->at[ax[i]->id] < size_of(b, ax[i]))
      return true;
    p->at[ax[i]->id] = 0;
  }
  return false;
}

static RefPlace from_zero(RefPlace p, Axis *const *ax, int n) {
  for (int i = 0; i < n; i++)
    p.at[ax[i]->id] = 0;
  return p;
}

static int64_t row_major(Bed *b, Axis *const *ax, int n, const RefPlace *p) {
  int64_t k = 0;
  for (int i = 0; i < n; i++)
    k = k * size_of(b, ax[i]) + p->at[ax[i]->id];
  return k;
}

static double leaf_value(Bed *b, const Node *n, const RefPlace *p) {
  for (int i = 0; i < b->n; i++)
    if (b->leaf[i] == n)
      return b->data[i][row_major(b, n->ax, n->nax, p)];
  ck_abort_msg("a leaf without values");
}

static double uniform(Bed *b, uint64_t site, Axis *const *ax, int n, const RefPlace *p) {
  uint32_t key[2];
  rng_site_keys(b->seed, b->step, site, key);
  return rng_uniform(rng_element(key[0], key[1], (uint64_t)row_major(b, ax, n, p)));
}

static double reduce(Bed *b, const Node *n, RefPlace p) {
  const Attr *at = &n->attr;
  double sum = n->op == OP_SUM ? 0 : n->op == OP_RMAX ? -INFINITY : INFINITY;
  p = from_zero(p, at->axes, at->naxes);
  do {
    double x = reference_value(b, n->in[0], p);
    sum = n->op == OP_SUM ? sum + x : n->op == OP_RMAX ? fmax(sum, x) : fmin(sum, x);
  } while (next_place(b, &p, at->axes, at->naxes));
  return sum;
}

static double argmax(Bed *b, const Node *n, RefPlace p) {
  int64_t best = 0;
  double top = -INFINITY;
  for (int64_t i = 0; i < size_of(b, n->attr.axis); i++) {
    p.at[n->attr.axis->id] = i;
    double x = reference_value(b, n->in[0], p);
    if (x > top)
      top = x, best = i;
  }
  return (double)best;
}

// The place that as many stand before as p says.
static double argsort(Bed *b, const Node *n, RefPlace p) {
  int axis = n->attr.axis->id;
  int64_t rank = p.at[n->attr.axis2->id];
  for (int64_t i = 0; i < size_of(b, n->attr.axis); i++) {
    int64_t before = 0;
    p.at[axis] = i;
    double x = reference_value(b, n->in[0], p);
    for (int64_t k = 0; k < size_of(b, n->attr.axis); k++) {
      p.at[axis] = k;
      double y = reference_value(b, n->in[0], p);
      before += y == x ? k < i : n->attr.reverse ? y > x : y < x;
    }
    if (before == rank)
      return (double)i;
  }
  ck_abort_msg("no place has this rank");
}

static double cumsum(Bed *b, const Node *n, RefPlace p) {
  int axis = n->attr.axis->id;
  int64_t here = p.at[axis], last = size_of(b, n->attr.axis) - 1;
  double sum = 0;
  for (int64_t i = n->attr.reverse ? here : 0; i <= (n->attr.reverse ? last : here); i++) {
    p.at[axis] = i;
    sum += reference_value(b, n->in[0], p);
  }
  return sum;
}

static double contract(Bed *b, const Node *n, RefPlace p) {
  double sum = 0;
  p = from_zero(p, n->attr.axes, n->attr.naxes);
  do
    sum += reference_value(b, n->in[0], p) * reference_value(b, n->in[1], p);
  while (next_place(b, &p, n->attr.axes, n->attr.naxes));
  return sum;
}

static double gather(Bed *b, const Node *n, RefPlace p) {
  RefPlace q = p;
  q.at[n->attr.axis->id] = (int64_t)reference_value(b, n->in[1], p);
  return reference_value(b, n->in[0], q);
}

static double scatter(Bed *b, const Node *n, RefPlace p) {
  const Attr *at = &n->attr;
  Axis *all[PLACE_AXES];
  int m = 0;
  double sum = 0;
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < n->in[k]->nax; i++)
      if (!k || !node_has(n->in[0], n->in[k]->ax[i]))
        all[m++] = n->in[k]->ax[i];
  RefPlace q = from_zero(p, all, m);
  do {
    bool here = (int64_t)reference_value(b, n->in[0], q) == p.at[at->axis->id];
    for (int i = 0; i < at->naxes; i++)
      here &= q.at[at->axes[i]->id] == p.at[at->axes[i]->id];
    if (here)
      sum += reference_value(b, n->in[1], q);
  } while (next_place(b, &q, all, m));
  return sum;
}

static double renamed(Bed *b, const Node *n, RefPlace p) {
  RefPlace q = p;
  for (int i = 0; i < n->attr.nmap; i++)
    q.at[n->attr.from[i]->id] = p.at[n->attr.to[i]->id];
  return reference_value(b, n->in[0], q);
}

static double merge(Bed *b, const Node *n, RefPlace p) {
  int64_t k = p.at[n->attr.axis->id];
  for (int i = n->attr.naxes - 1; i >= 0; i--) {
    int64_t extent = size_of(b, n->attr.axes[i]);
    p.at[n->attr.axes[i]->id] = k % extent;
    k /= extent;
  }
  return reference_value(b, n->in[0], p);
}

static double moved(Bed *b, const Node *n, RefPlace p) {
  const Attr *at = &n->attr;
  int64_t lo = poly_eval(&at->lo, b->syms), *to = at->axis ? &p.at[at->axis->id] : NULL;
  switch ((Op)n->op) {
  case OP_SPLIT: *to = row_major(b, at->axes, at->naxes, &p); break;
  case OP_SLICE: *to = p.at[at->axis2->id] + lo; break;
  case OP_INDEX: *to = lo; break;
  case OP_FLIP:
    for (int i = 0; i < at->naxes; i++)
      p.at[at->axes[i]->id] = size_of(b, at->axes[i]) - 1 - p.at[at->axes[i]->id];
    break;
  default: // PAD
    *to = p.at[at->axis2->id] - lo;
    if (*to < 0 || *to >= size_of(b, at->axis))
      return 0;
  }
  return reference_value(b, n->in[0], p);
}

static double window(Bed *b, const Node *n, RefPlace p) {
  const Attr *at = &n->attr;
  int64_t place = at->i0 * p.at[at->axis2->id] + poly_eval(&at->lo, b->syms);
  place += poly_eval(&at->hi, b->syms) * p.at[at->axes[0]->id];
  p.at[at->axis->id] = place;
  return place < 0 || place >= size_of(b, at->axis) ? 0 : reference_value(b, n->in[0], p);
}

static double concat(Bed *b, const Node *n, RefPlace p) {
  int64_t k = p.at[n->attr.axis->id];
  for (int i = 0;; i++) {
    int64_t extent = size_of(b, n->attr.from[i]);
    if (k < extent) {
      p.at[n->attr.from[i]->id] = k;
      return reference_value(b, n->in[i], p);
    }
    k -= extent;
  }
}

static double conv(Bed *b, const Node *n, RefPlace p) {
  int axis = n->attr.axis->id;
  int64_t l = p.at[axis], extent = size_of(b, n->attr.axis);
  double sum = 0;
  for (int64_t j = 0; j < extent; j++) {
    int64_t from = n->attr.reverse ? l + j : l - j;
    RefPlace kernel = p, u = p;
    kernel.at[axis] = j;
    u.at[axis] = from;
    if (from >= 0 && from < extent)
      sum += reference_value(b, n->in[1], kernel) * reference_value(b, n->in[0], u);
  }
  return sum;
}

static double conv_grad(Bed *b, const Node *n, RefPlace p) {
  const Attr *at = &n->attr;
  Axis *over[PLACE_AXES] = {at->axis};
  int m = 1;
  double sum = 0;
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < n->in[k]->nax; i++)
      if (!node_has(n, n->in[k]->ax[i]) && !(k && node_has(n->in[0], n->in[k]->ax[i])))
        over[m++] = n->in[k]->ax[i];
  RefPlace dy = from_zero(p, over, m);
  do {
    RefPlace u = dy;
    int64_t j = p.at[at->axis->id];
    u.at[at->axis->id] += at->reverse ? j : -j;
    if (u.at[at->axis->id] >= 0 && u.at[at->axis->id] < size_of(b, at->axis))
      sum += reference_value(b, n->in[0], u) * reference_value(b, n->in[1], dy);
  } while (next_place(b, &dy, over, m));
  return sum;
}

static double score(Bed *b, const Node *n, RefPlace p) {
  const Attr *at = &n->attr;
  double sum = 0;
  for (int64_t i = 0; i < size_of(b, at->axis2); i++) {
    p.at[at->axis2->id] = i;
    sum += reference_value(b, n->in[0], p) * reference_value(b, n->in[1], p);
  }
  return reference_value(b, n->in[3], p) != 0 ? at->num * sum + reference_value(b, n->in[4], p)
                                              : -1e9;
}

static double attention(Bed *b, const Node *n, RefPlace p) {
  const Attr *at = &n->attr;
  double below = 0, above = 0, top = -INFINITY;
  for (int pass = 0; pass < 2; pass++)
    for (int64_t i = 0; i < size_of(b, at->axis); i++) {
      RefPlace q = p;
      q.at[at->axis->id] = i;
      double s = score(b, n, q);
      if (!pass) {
        top = fmax(top, s);
        continue;
      }
      below += exp(s - top);
      if (n->op == OP_ATTENTION &&
          !(at->num2 > 0 && uniform(b, at->site, at->axes, at->naxes, &q) < at->num2))
        above += exp(s - top) * reference_value(b, n->in[2], q) / (1 - at->num2);
    }
  return n->op == OP_ATTENTION ? above / below : log(below) + top;
}

static double cast(const Node *n, double x) {
  return n->dtype == DT_BOOL ? x != 0 : n->dtype == DT_I32 ? (double)(int32_t)x : x;
}

static double floor_division(int64_t a, int64_t b) {
  return b ? (double)((a - (a % b + b) % b) / b) : 0;
}

static double pointwise(Bed *b, const Node *n, RefPlace p) {
  double x[3] = {0};
  for (int i = 0; i < n->nin; i++)
    x[i] = reference_value(b, n->in[i], p);
  switch ((Op)n->op) {
    // clang-format off
  case OP_NEG: return -x[0];
  case OP_ABS: return x[0] < 0 ? -x[0] : x[0];
  case OP_EXP: return exp(x[0]);
  case OP_LOG: return log(x[0]);
  case OP_SQRT: return sqrt(x[0]);
  case OP_TANH: return 1 - 2 / (exp(2 * x[0]) + 1);
  case OP_ERF: return 1 - erfc(x[0]);
  case OP_SIN: return sin(x[0]);
  case OP_COS: return cos(x[0]);
  case OP_ROUND: return x[0] - remainder(x[0], 1);
  case OP_FLOOR: return -ceil(-x[0]);
  case OP_CEIL: return -floor(-x[0]);
  case OP_LOG1P: return log(1 + x[0]);
  case OP_EXPM1: return exp(x[0]) - 1;
  case OP_STOP: return x[0];
  case OP_CAST: return cast(n, x[0]);
  case OP_NOT: return x[0] == 0;
  case OP_ADD: return x[0] + x[1];
  case OP_SUB: return x[0] - x[1];
  case OP_MUL: return x[0] * x[1];
  case OP_DIV: return x[0] / x[1];
  case OP_FLOORDIV: return floor_division((int64_t)x[0], (int64_t)x[1]);
  case OP_FLOORMOD: return x[0] - x[1] * floor_division((int64_t)x[0], (int64_t)x[1]);
  case OP_POW: return pow(x[0], x[1]);
  case OP_MIN: return fmin(x[0], x[1]);
  case OP_MAX: return fmax(x[0], x[1]);
  case OP_LT: return x[0] < x[1];
  case OP_LE: return x[0] <= x[1];
  case OP_EQ: return x[0] == x[1];
  case OP_NE: return x[0] != x[1];
  case OP_AND: return x[0] != 0 && x[1] != 0;
  case OP_OR: return x[0] != 0 || x[1] != 0;
  case OP_SELECT: return x[0] != 0 ? x[1] : x[2];
  default: return NAN;
    // clang-format on
  }
}

double reference_value(Bed *b, const Node *n, RefPlace p) {
  const Attr *at = &n->attr;
  if (op_flags(n->op) & F_POINTWISE)
    return pointwise(b, n, p);
  switch ((Op)n->op) {
    // clang-format off
  case OP_INPUT: case OP_PARAM: return leaf_value(b, n, &p);
  case OP_CONST: return at->num;
  case OP_TABLE: return at->data[p.at[at->axis->id]];
  case OP_IOTA: return (double)p.at[at->axis->id];
  case OP_EXTENT: return (double)poly_eval(&at->lo, b->syms);
  case OP_RANDOM: return uniform(b, at->site, at->axes, at->naxes, &p);
  case OP_SUM: case OP_RMAX: case OP_RMIN: return reduce(b, n, p);
  case OP_ARGMAX: return argmax(b, n, p);
  case OP_ARGSORT: return argsort(b, n, p);
  case OP_CUMSUM: return cumsum(b, n, p);
  case OP_CONTRACT: return contract(b, n, p);
  case OP_GATHER: return gather(b, n, p);
  case OP_SCATTER: return scatter(b, n, p);
  case OP_RENAME: return renamed(b, n, p);
  case OP_MERGE: return merge(b, n, p);
  case OP_SPLIT: case OP_SLICE: case OP_INDEX: case OP_FLIP: case OP_PAD: return moved(b, n, p);
  case OP_WINDOW: return window(b, n, p);
  case OP_CONCAT: return concat(b, n, p);
  case OP_CAUSAL_CONV: return conv(b, n, p);
  case OP_CONV_GRAD: return conv_grad(b, n, p);
  case OP_ATTENTION: case OP_ATTENTION_LSE: return attention(b, n, p);
  default: return NAN;
    // clang-format on
  }
}
