// The finished table of a program's buffers: those that steps use, with the steps they live in.
// Placing them is the runtime's, once sizes are known.
#include "codegen/plan/plan_internal.h"

typedef VEC(int) Ints;

static int number_buffer(Prog *g, Ints *used, int b) {
  if (g->buf.v[b].where == BIGS_PIECE)
    number_buffer(g, used, g->buf.v[b].index);
  if (g->buf.v[b].number < 0) {
    g->buf.v[b].number = used->n;
    g->buf.v[b].first = -1;
    vec_push(g->a, used, b);
  }
  return g->buf.v[b].number;
}

static void touch(Prog *g, int b, int step) {
  Buf *x = &g->buf.v[b];
  if (x->first < 0)
    x->first = step;
  x->last = step;
  if (x->where == BIGS_PIECE)
    touch(g, x->index, step);
}

static Poly offset_of(const Planner *p, const Buf *x) {
  bool stored = x->where == BIGS_PARAM || x->where == BIGS_GRAD;
  return stored ? poly_add(x->offset, poly_const(p->storage.v[x->storage].offset)) : x->offset;
}

static BigsBuffer finished(const Prog *g, const Buf *x) {
  BigsBuffer b = {.where = (uint8_t)x->where,
                  .dtype = (uint8_t)x->dtype,
                  .index = x->index,
                  .size = plan_size(g->p, x->size),
                  .offset = plan_size(g->p, offset_of(g->p, x)),
                  .first = x->first,
                  .last = x->last,
                  .data = x->data};
  if (x->block) {
    b.rows = plan_size(g->p, x->rows);
    b.block = x->block;
  }
  if (x->where == BIGS_PIECE)
    b.index = g->buf.v[x->index].number;
  return b;
}

void memplan(Prog *g) {
  Ints used = {0};
  for (int s = 0; s < g->step.n; s++) {
    int32_t *arg = NEWN(g->a, int32_t, g->step.v[s].narg + 1);
    for (int i = 0; i < g->step.v[s].narg; i++) {
      int b = g->step.v[s].arg[i];
      arg[i] = number_buffer(g, &used, b);
      touch(g, b, s);
    }
    g->step.v[s].arg = arg;
  }
  BigsBuffer *table = NEWN(g->a, BigsBuffer, used.n + 1);
  for (int i = 0; i < used.n; i++)
    table[i] = finished(g, &g->buf.v[used.v[i]]);
  g->out.buffer = table;
  g->out.nbuffer = used.n;
  g->out.gemm = g->gemm.v;
  g->out.ngemm = g->gemm.n;
  g->out.step = g->step.v;
  g->out.nstep = g->step.n;
}
