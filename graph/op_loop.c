// loop: a scan whose region is closed; several nodes are values of one.
#include "graph/op.h"
#include <string.h>

// x's axes are among those of `leaf`, and `axis` where that is not NULL.
static bool within(const Node *x, const Node *leaf, const Axis *axis) {
  for (int i = 0; i < x->nax; i++)
    if (x->ax[i] != axis && !node_has(leaf, x->ax[i]))
      return false;
  return x->dtype == leaf->dtype && node_is(leaf, OP_STATE) && (!axis || !node_has(leaf, axis));
}

void LOOP_shape(Shape *s) {
  const Scan *c = s->attr->scan;
  int64_t i0 = s->attr->i0;
  if (s->nin != c->nstate + c->nseen + c->nheld)
    shape_fail(s, "%d operands", s->nin);
  for (int i = 0; i < c->nstate && !s->error; i++)
    if (!within(s->in[i], c->state[i], NULL) || !within(c->next[i], c->state[i], NULL))
      shape_fail(s, "state %s does not keep its axes and dtype", c->state[i]->attr.name);
  for (int i = 0; i < c->nseen && !s->error; i++)
    if (!within(s->in[c->nstate + i], c->seen_leaf[i], c->axis))
      shape_fail(s, "outside value %d is not seen with its axes but %s", i, c->axis->name);
  for (int i = 0; i < c->nheld && !s->error; i++)
    if (!within(s->in[c->nstate + c->nseen + i], c->held_leaf[i], NULL))
      shape_fail(s, "outside value %d is not held with its axes", i);
  if (i0 >= c->nout || -1 - i0 >= c->nstate)
    shape_fail(s, "a loop has no value %d", (int)i0);
  if (s->error)
    return;
  const Node *value = i0 < 0 ? c->state[-1 - i0] : c->out[i0];
  s->dtype = value->dtype;
  shape_union(s, value);
  if (i0 >= 0)
    shape_put(s, c->axis);
}

// ---- evaluation

// x's values in the axes of `to` (perhaps fewer), at step l of `axis` where x has that.
static void load_leaf(EvalOp *o, const Node *to, const Node *x, const double *from,
                      const Axis *axis, int64_t l, double *out) {
  int64_t shift = axis ? l * eval_stride(o->e, x, axis) : 0;
  AxisWalk w;
  walk_init(&w, o->e, to->ax, to->nax);
  walk_operand(&w, x);
  for (walk_start(&w); w.more; walk_row(&w))
    for (int64_t i = 0; i < w.inner; i++)
      *out++ = from[shift + w.off[0] + i * w.step[0]];
}

static double *buffer(EvalOp *o, const Node *n) {
  return NEWN(eval_arena(o->e), double, eval_size(o->e, n->ax, n->nax));
}

static double **buffers(EvalOp *o, Node *const *leaf, int n) {
  double **v = NEWN(eval_arena(o->e), double *, n + 1);
  for (int i = 0; i < n; i++)
    eval_set(o->e, leaf[i], v[i] = buffer(o, leaf[i]));
  return v;
}

typedef struct LoopSteps {
  EvalOp *o;
  const Scan *c;
  Node **body;
  int nbody;
  double **now, **next, **seen;
} LoopSteps;

static LoopSteps begin_steps(EvalOp *o) {
  const Scan *c = o->n->attr.scan;
  LoopSteps s = {.o = o, .c = c, .body = eval_body(o->e, c, &s.nbody)};
  s.now = buffers(o, c->state, c->nstate);
  s.next = NEWN(eval_arena(o->e), double *, c->nstate + 1);
  s.seen = buffers(o, c->seen_leaf, c->nseen);
  double **held = buffers(o, c->held_leaf, c->nheld);
  for (int i = 0; i < c->nstate; i++) {
    s.next[i] = buffer(o, c->state[i]);
    load_leaf(o, c->state[i], o->n->in[i], o->in[i], NULL, 0, s.now[i]);
  }
  for (int i = 0, k = c->nstate + c->nseen; i < c->nheld; i++)
    load_leaf(o, c->held_leaf[i], o->n->in[k + i], o->in[k + i], NULL, 0, held[i]);
  return s;
}

static bool compute_step(LoopSteps *s, int64_t l) {
  const Scan *c = s->c;
  EvalOp *o = s->o;
  for (int i = 0; i < c->nseen; i++)
    load_leaf(o, c->seen_leaf[i], o->n->in[c->nstate + i], o->in[c->nstate + i], c->axis, l,
              s->seen[i]);
  for (int i = 0; i < s->nbody; i++)
    if (!eval_compute(o->e, s->body[i]))
      return false;
  return true;
}

static void advance(LoopSteps *s) {
  const Scan *c = s->c;
  for (int i = 0; i < c->nstate; i++)
    load_leaf(s->o, c->state[i], c->next[i], eval_value(s->o->e, c->next[i]), NULL, 0, s->next[i]);
  for (int i = 0; i < c->nstate; i++) { // all at once: one state's next may be another state
    double *t = s->now[i];
    eval_set(s->o->e, c->state[i], s->now[i] = s->next[i]);
    s->next[i] = t;
  }
}

void LOOP_eval(EvalOp *o) {
  LoopSteps s = begin_steps(o);
  const Scan *c = s.c;
  int64_t steps = eval_extent(o->e, c->axis), i0 = o->n->attr.i0;
  Node *out = i0 < 0 ? NULL : c->out[i0];
  int64_t size = out ? eval_size(o->e, out->ax, out->nax) : 0;
  for (int64_t k = 0; k < steps; k++) {
    int64_t l = c->reverse ? steps - 1 - k : k;
    if (!compute_step(&s, l))
      return;
    const double *v = out ? eval_value(o->e, out) : NULL;
    for (int64_t i = 0; i < size; i++) // the axis is the last of the value's
      o->out[i * steps + l] = v[i];
    advance(&s);
  }
  if (i0 < 0)
    memcpy(o->out, s.now[-1 - i0], (size_t)o->size * sizeof *o->out);
}
