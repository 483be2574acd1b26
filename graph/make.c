// Constructors of the ops: each packs its attributes and calls g_node.
#include "graph/op.h"
#include <string.h>

static Node *make0(Graph *g, Op op, DType t, const Attr *at) {
  return g_node(g, op, t, NULL, 0, at);
}

static Node *make1(Graph *g, Op op, Node *x, const Attr *at) {
  return g_node(g, op, (DType)x->dtype, &x, 1, at);
}

// ---- leaves

static bool same_input(const Input *x, const char *name, DType t, Axis *const *ax, int nax) {
  bool same = x->name == name && x->dtype == t && x->nax == nax;
  for (int i = 0; i < nax && same; i++)
    same = x->ax[i] == ax[i];
  return same;
}

// Train blocks may have fields of one name and of several types: each is an input of its own.
Node *g_input(Graph *g, const char *name, DType t, Axis *const *ax, int nax) {
  name = intern(g->intern, name);
  int i = 0;
  while (i < g->inputs.n && !same_input(g->inputs.v[i], name, t, ax, nax))
    i++;
  Node *n =
      make0(g, OP_INPUT, t, &(Attr){.name = name, .axes = (Axis **)ax, .naxes = nax, .i0 = i});
  if (i < g->inputs.n) {
    CHECK(g->inputs.v[i]->node == n);
    return n;
  }
  Input *input = NEW(g->arena, Input);
  *input = (Input){.name = name, .dtype = t, .nax = nax, .ax = n->attr.axes, .node = n};
  vec_push(g->arena, &g->inputs, input);
  return n;
}

DType param_storage(DType t) {
  return t == DT_C64 || t == DT_BF16 ? DT_F32 : t == DT_C128 ? DT_F64 : t;
}

Node *g_param(Graph *g, Param *p) {
  DType real = param_storage(p->dtype);
  Axis *ax[MAX_AXES];
  if (p->nax >= MAX_AXES)
    BUG("parameter %s has more than %d axes", p->path, MAX_AXES - 1);
  if (p->nax)
    memcpy(ax, p->ax, (size_t)p->nax * sizeof *ax);
  if (p->pair)
    ax[p->nax] = p->pair;
  p->index = g->params.n;
  vec_push(g->arena, &g->params, p);
  return p->node = make0(
             g, OP_PARAM, real,
             &(Attr){
                 .name = p->path, .axes = ax, .naxes = p->nax + (p->pair != NULL), .i0 = p->index});
}

Node *g_const(Graph *g, DType t, double v) {
  return g_full(g, t, v, NULL, 0);
}

Node *g_full(Graph *g, DType t, double v, Axis *const *ax, int nax) {
  return make0(g, OP_CONST, t, &(Attr){.num = v, .axes = nax ? (Axis **)ax : NULL, .naxes = nax});
}

Node *g_table(Graph *g, DType t, Axis *a, const double *v) {
  return make0(g, OP_TABLE, t, &(Attr){.axis = a, .data = v});
}

Node *g_iota(Graph *g, Axis *a) {
  return make0(g, OP_IOTA, DT_I32, &(Attr){.axis = a});
}

Node *g_extent(Graph *g, DType t, Poly p) {
  return make0(g, OP_EXTENT, t, &(Attr){.lo = p});
}

Node *g_random(Graph *g, uint64_t site, Axis *const *ax, int nax) {
  return make0(g, OP_RANDOM, DT_F32,
               &(Attr){.site = site, .axes = nax ? (Axis **)ax : NULL, .naxes = nax});
}

Node *g_state(Graph *g, DType t, const char *name, Axis *const *ax, int nax) {
  return make0(
      g, OP_STATE, t,
      &(Attr){.name = name, .axes = nax ? (Axis **)ax : NULL, .naxes = nax, .i0 = g->nodes.n});
}

// ---- pointwise

Node *g_unary(Graph *g, Op op, Node *x) {
  return make1(g, op, x, NULL);
}

Node *g_binary(Graph *g, Op op, Node *a, Node *b) {
  return g_node(g, op, (DType)a->dtype, (Node *[]){a, b}, 2, NULL);
}

Node *g_select(Graph *g, Node *cond, Node *a, Node *b) {
  return g_node(g, OP_SELECT, (DType)a->dtype, (Node *[]){cond, a, b}, 3, NULL);
}

Node *g_cast(Graph *g, Node *x, DType t) {
  return x->dtype == t ? x : g_node(g, OP_CAST, t, &x, 1, NULL);
}

// ---- reductions, contraction, gather

Node *g_reduce(Graph *g, Op op, Node *x, Axis *const *ax, int nax) {
  return make1(g, op, x, &(Attr){.axes = (Axis **)ax, .naxes = nax});
}

Node *g_argmax(Graph *g, Node *x, Axis *a) {
  return make1(g, OP_ARGMAX, x, &(Attr){.axis = a});
}

Node *g_argsort(Graph *g, Node *x, Axis *a, Axis *to, bool greatest_first) {
  return g_node(g, OP_ARGSORT, DT_I32, &x, 1,
                &(Attr){.axis = a, .axis2 = to, .reverse = greatest_first});
}

Node *g_cumsum(Graph *g, Node *x, Axis *a, bool reverse) {
  return make1(g, OP_CUMSUM, x, &(Attr){.axis = a, .reverse = reverse});
}

Node *g_contract(Graph *g, Node *a, Node *b, Axis *const *ax, int nax) {
  return g_node(g, OP_CONTRACT, (DType)a->dtype, (Node *[]){a, b}, 2,
                &(Attr){.axes = nax ? (Axis **)ax : NULL, .naxes = nax});
}

Node *g_gather(Graph *g, Node *x, Node *i, Axis *a) {
  return g_node(g, OP_GATHER, (DType)x->dtype, (Node *[]){x, i}, 2, &(Attr){.axis = a});
}

Node *g_scatter(Graph *g, Node *i, Node *src, Axis *a, Axis *const *keep, int nkeep) {
  return g_node(g, OP_SCATTER, (DType)src->dtype, (Node *[]){i, src}, 2,
                &(Attr){.axis = a, .axes = nkeep ? (Axis **)keep : NULL, .naxes = nkeep});
}

// ---- index maps

// The map in the order of x's axes, without identities, so that equal renames are equal nodes.
Node *g_rename(Graph *g, Node *x, Axis *const *from, Axis *const *to, int n) {
  Axis *f[MAX_AXES], *t[MAX_AXES];
  int m = 0;
  for (int k = 0; k < n; k++)
    if (!node_has(x, from[k]))
      BUG("rename: no axis %s", from[k]->name);
  for (int i = 0; i < x->nax; i++)
    for (int k = 0; k < n; k++)
      if (x->ax[i] == from[k] && from[k] != to[k]) {
        CHECK(m < MAX_AXES);
        f[m] = from[k];
        t[m++] = to[k];
      }
  return m ? make1(g, OP_RENAME, x, &(Attr){.from = f, .to = t, .nmap = m}) : x;
}

Node *g_split(Graph *g, Node *x, Axis *a, Axis *const *parts, int n) {
  return make1(g, OP_SPLIT, x, &(Attr){.axis = a, .axes = (Axis **)parts, .naxes = n});
}

Node *g_merge(Graph *g, Node *x, Axis *const *parts, int n, Axis *to) {
  return make1(g, OP_MERGE, x, &(Attr){.axis = to, .axes = (Axis **)parts, .naxes = n});
}

Node *g_slice(Graph *g, Node *x, Axis *a, Poly lo, Poly hi, Axis *to) {
  return make1(g, OP_SLICE, x, &(Attr){.axis = a, .lo = lo, .hi = hi, .axis2 = to});
}

Node *g_index(Graph *g, Node *x, Axis *a, Poly at) {
  return make1(g, OP_INDEX, x, &(Attr){.axis = a, .lo = at});
}

Node *g_flip(Graph *g, Node *x, Axis *const *ax, int n) {
  return make1(g, OP_FLIP, x, &(Attr){.axes = (Axis **)ax, .naxes = n});
}

Node *g_pad(Graph *g, Node *x, Axis *a, Poly before, Axis *to) {
  return make1(g, OP_PAD, x, &(Attr){.axis = a, .lo = before, .axis2 = to});
}

Node *g_window(Graph *g, Node *x, Axis *a, Axis *to, Axis *inner, Window w) {
  return make1(g, OP_WINDOW, x,
               &(Attr){.axis = a,
                       .axis2 = to,
                       .axes = &inner,
                       .naxes = 1,
                       .i0 = w.stride,
                       .hi = w.step,
                       .lo = w.first});
}

Node *g_concat(Graph *g, Node *const *in, Axis *const *from, int n, Axis *to) {
  CHECK(n > 0);
  return g_node(g, OP_CONCAT, (DType)in[0]->dtype, in, n,
                &(Attr){.from = (Axis **)from, .nmap = n, .axis = to});
}

// ---- convolution, attention, scan

Node *g_conv(Graph *g, Node *u, Node *k, Axis *a, bool reverse) {
  return g_node(g, OP_CAUSAL_CONV, (DType)u->dtype, (Node *[]){u, k}, 2,
                &(Attr){.axis = a, .reverse = reverse});
}

Node *g_conv_grad(Graph *g, Node *u, Node *dy, Axis *a, Axis *const *keep, int nkeep,
                  bool reverse) {
  return g_node(
      g, OP_CONV_GRAD, (DType)u->dtype, (Node *[]){u, dy}, 2,
      &(Attr){.axis = a, .reverse = reverse, .axes = nkeep ? (Axis **)keep : NULL, .naxes = nkeep});
}

Node *g_attention(Graph *g, Node *const in[5], Axis *axis, Axis *axis2, double scale, double rate,
                  uint64_t site, Axis *const *w, int nw) {
  return g_node(g, OP_ATTENTION, (DType)in[0]->dtype, in, 5,
                &(Attr){.axis = axis,
                        .axis2 = axis2,
                        .num = scale,
                        .num2 = rate,
                        .site = site,
                        .axes = (Axis **)w,
                        .naxes = nw});
}

Node *g_attention_lse(Graph *g, const Node *attention) {
  return g_node(g, OP_ATTENTION_LSE, (DType)attention->dtype, attention->in, 5, &attention->attr);
}

static Node **copy_nodes(Graph *g, Node *const *v, int n) {
  Node **p = NEWN(g->arena, Node *, n);
  if (n)
    memcpy(p, v, (size_t)n * sizeof *p);
  return p;
}

Node *g_scan(Graph *g, const Scan *scan) {
  Scan *s = NEW(g->arena, Scan);
  *s = *scan;
  s->first = copy_nodes(g, scan->first, s->nstate);
  s->state = copy_nodes(g, scan->state, s->nstate);
  s->next = copy_nodes(g, scan->next, s->nstate);
  s->seen = copy_nodes(g, scan->seen, s->nseen);
  s->seen_leaf = copy_nodes(g, scan->seen_leaf, s->nseen);
  Node **in = NEWN(g->arena, Node *, s->nstate + s->nseen);
  for (int i = 0; i < s->nstate; i++)
    in[i] = s->first[i];
  for (int i = 0; i < s->nseen; i++)
    in[s->nstate + i] = s->seen[i];
  return g_node(g, OP_SCAN, (DType)s->result->dtype, in, s->nstate + s->nseen, &(Attr){.scan = s});
}

Node *g_loop(Graph *g, Scan *s, Node *const *in, int i0) {
  const Node *value = i0 < 0 ? s->state[-1 - i0] : s->out[i0];
  return g_node(g, OP_LOOP, (DType)value->dtype, in, s->nstate + s->nseen + s->nheld,
                &(Attr){.scan = s, .i0 = i0});
}

// ---- helpers

Node *g_expand(Graph *g, Node *x, Axis *const *ax, int n) {
  Axis *lacking[MAX_AXES];
  int m = 0;
  for (int i = 0; i < n; i++)
    if (!node_has(x, ax[i]) && !axis_in(lacking, m, ax[i])) {
      CHECK(m < MAX_AXES);
      lacking[m++] = ax[i];
    }
  if (!m)
    return x;
  return g_binary(g, x->dtype == DT_BOOL ? OP_OR : OP_ADD, x,
                  g_full(g, (DType)x->dtype, 0, lacking, m));
}

static Node *times_extent(Graph *g, Node *x, const Axis *a) {
  int64_t v;
  Node *size = poly_is_const(&a->extent, &v) ? g_const(g, (DType)x->dtype, (double)v)
                                             : g_extent(g, (DType)x->dtype, a->extent);
  return g_binary(g, OP_MUL, x, size);
}

Node *g_sum_over(Graph *g, Node *x, Axis *const *ax, int n) {
  Axis *has[MAX_AXES];
  int m = 0;
  for (int i = 0; i < n; i++)
    if (node_has(x, ax[i]))
      has[m++] = ax[i];
  Node *y = m ? g_reduce(g, OP_SUM, x, has, m) : x;
  for (int i = 0; i < n; i++)
    if (!node_has(x, ax[i]))
      y = times_extent(g, y, ax[i]);
  return y;
}
