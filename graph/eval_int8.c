// An operand of a contraction as int8 (base/int8.h): a row is what is summed up for one element of the result.
#include "base/int8.h"
#include "graph/op.h"

// The largest magnitude on that side of 0, what is no number above all.
static uint32_t end_of(const double *x, int64_t n, float side) {
  int32_t most = 0;
  for (int64_t i = 0; i < n; i++) {
    int32_t is = (int32_t)int8_bits((float)x[i] * side);
    most = is > most ? is : most;
  }
  return (uint32_t)most;
}

static void round_row(double *x, int64_t n, bool row) {
  uint32_t above = end_of(x, n, 1), below = end_of(x, n, -1), most = above > below ? above : below;
  most = row ? int8_middle(above, below) : most;
  float scale = int8_scale(most), inverse = int8_inverse(most);
  for (int64_t i = 0; i < n; i++)
    x[i] = (double)int8_steps((float)x[i], inverse) * (double)scale;
}

// x's axes, those that n sums over last.
static int rows_first(const Node *n, const Node *x, Axis **order) {
  int at = 0;
  for (int summed = 0; summed < 2; summed++)
    for (int i = 0; i < x->nax; i++)
      if (axis_in(n->attr.axes, n->attr.naxes, x->ax[i]) == (summed == 1))
        order[at++] = x->ax[i];
  return at;
}

static void move(Eval *e, const Node *x, Axis *const *order, double *v, double *rows, bool back) {
  AxisWalk w;
  walk_init(&w, e, order, x->nax);
  walk_operand(&w, x);
  for (walk_start(&w); w.more; walk_row(&w))
    for (int64_t i = 0; i < w.inner; i++, rows++) {
      double *at = v + w.off[0] + i * w.step[0];
      *(back ? at : rows) = *(back ? rows : at);
    }
}

void eval_int8(Eval *e, const Node *n, int operand, bool row, double *v) {
  const Node *x = n->in[operand];
  Axis *order[MAX_AXES];
  rows_first(n, x, order);
  int64_t size = eval_size(e, x->ax, x->nax), sum = eval_size(e, n->attr.axes, n->attr.naxes);
  double *rows = NEWN(eval_arena(e), double, size + 1);
  move(e, x, order, v, rows, false);
  for (int64_t i = 0; sum && i < size; i += sum)
    round_row(rows + i, sum, row);
  move(e, x, order, v, rows, true);
}
