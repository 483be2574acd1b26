// Storage of parameters, decided once over all programs: panels [N / width][K][width] where
// contractions take the parameter as their vector side, else plain.
#include "codegen/plan/contract.h"
#include <string.h>

static ParamPlace *place_of(Planner *p, const Param *x) {
  return &p->param[x->index];
}

static int position(const Node *n, const Axis *a) {
  return node_axis_index(n, a);
}

bool param_names(const Node *operand, const Node *w, Axis **names) {
  if (operand == w) {
    memcpy(names, w->ax, sizeof *names * (size_t)w->nax);
    return true;
  }
  if (operand->op != OP_RENAME || !param_names(operand->in[0], w, names))
    return false;
  for (int i = 0; i < w->nax; i++) {
    const Axis *old = names[i];
    for (int k = 0; k < operand->attr.nmap; k++)
      if (operand->attr.from[k] == old)
        names[i] = operand->attr.to[k];
  }
  return true;
}

static int *copied(Arena *a, const int *v, int n) {
  int *out = NEWN(a, int, n + 1);
  memcpy(out, v, sizeof *v * (size_t)n);
  return out;
}

// Sorts x's axes into reduced ones and the rest if n is a contraction of the parameter itself;
// false when it is not.
static bool note_use(Planner *p, Param *x, const Node *n, const Node *operand, const Node *other) {
  ParamPlace *s = place_of(p, x);
  const Node *w = x->node;
  Axis *axis[BIGS_MAX_RANK];
  if (!param_names(operand, w, axis))
    return false;
  int kax[BIGS_MAX_RANK], nax[BIGS_MAX_RANK], nk = 0, nn = 0;
  for (int i = 0; i < w->nax; i++) {
    bool reduced = false;
    for (int k = 0; k < n->attr.naxes; k++)
      reduced |= n->attr.axes[k] == axis[i];
    if (reduced)
      kax[nk++] = i;
    else if (position(other, axis[i]) >= 0)
      return false;
    else
      nax[nn++] = i;
  }
  if (!nk || !nn)
    return false;
  s->decided = true;
  s->panels = true;
  s->nk = nk;
  s->nn = nn;
  s->kax = copied(p->a, kax, nk);
  s->nax = copied(p->a, nax, nn);
  return true;
}

static Param *param_of(Planner *p, Node *n) {
  n = view_base(n);
  if (n->op != OP_PARAM)
    return NULL;
  for (int i = 0; i < p->g->params.n; i++)
    if (p->g->params.v[i]->node == n)
      return p->g->params.v[i];
  return NULL;
}

static void note_node(Planner *p, const Node *n) {
  if (n->op == OP_GATHER) {
    Param *x = param_of(p, n->in[0]);
    if (x)
      *place_of(p, x) = (ParamPlace){.decided = true};
  }
  if (n->op != OP_CONTRACT || !n->attr.naxes || n->dtype != DT_F32)
    return;
  for (int i = 0; i < 2; i++) {
    Param *x = param_of(p, n->in[i]);
    if (x && x->dtype == DT_F32 && !place_of(p, x)->decided)
      note_use(p, x, n, n->in[i], n->in[1 - i]);
  }
}

static int64_t extent_at(const Node *w, int i) {
  int64_t e = 0;
  if (!extent_is(w->ax[i], &e))
    BUG("a parameter's axis %s is not constant", w->ax[i]->name);
  return e;
}

static int64_t padded_row(const Planner *p, int64_t n) {
  return n >= 256 && n % 32 == 0 ? n + p->o.on->table_gap : n;
}

static void plain_layout(const Planner *p, ParamPlace *s, const Node *w) {
  int64_t step = 1;
  int order[BIGS_MAX_RANK], n = 0;
  if (s->nk) {
    for (int i = 0; i < s->nk; i++)
      order[n++] = s->kax[i];
    for (int i = 0; i < s->nn; i++)
      order[n++] = s->nax[i];
  } else {
    for (int i = 0; i < w->nax; i++)
      order[n++] = i;
  }
  for (int i = n - 1; i >= 0; i--) {
    s->kstep[order[i]] = step;
    step *= extent_at(w, order[i]);
    if (i == n - 1 && n > 1)
      step = padded_row(p, step);
  }
  s->kstride = 1;
  s->bytes = step;
}

static void panel_layout(ParamPlace *s, const Node *w, int64_t width) {
  int64_t k = 1, n = 1;
  for (int i = s->nk - 1; i >= 0; i--) {
    s->kstep[s->kax[i]] = k;
    k *= extent_at(w, s->kax[i]);
  }
  for (int i = s->nn - 1; i >= 0; i--) {
    s->nstep[s->nax[i]] = n;
    n *= extent_at(w, s->nax[i]);
  }
  s->width = s->kstride = width;
  s->panel = s->quads ? quads_panel(k, width) : (s->pairs ? pairs_padded_to(k) : k) * width;
  s->bytes = (n + width - 1) / width * s->panel;
}

static int64_t count_columns(const ParamPlace *s, const Node *w) {
  int64_t n = 1;
  for (int i = 0; i < s->nn; i++)
    n *= extent_at(w, s->nax[i]);
  return n;
}

static DType stored_as(const ParamPlace *s, const Node *w) {
  return s->pairs ? DT_BF16 : s->quads ? DT_I32 : (DType)w->dtype;
}

int param_elem_bytes(const ParamPlace *s, const Node *w) {
  return dtype_size(stored_as(s, w));
}

// Elements become bytes, of whole lines.
static void measure(Planner *p, ParamPlace *s, const Node *w) {
  s->bytes = (s->bytes * param_elem_bytes(s, w) + 63) / 64 * 64;
  p->storage.v[s->storage] = (BigsStorage){.bytes = s->bytes, .dtype = (uint8_t)stored_as(s, w)};
}

static void own_layout(Planner *p, Param *x) {
  ParamPlace *s = place_of(p, x);
  const Node *w = x->node;
  if (p->o.on->panels && s->panels && count_columns(s, w) >= p->o.nr)
    panel_layout(s, w, p->o.nr);
  else
    plain_layout(p, s, w);
  s->storage = p->storage.n;
  vec_push(p->a, &p->storage, (BigsStorage){0});
  measure(p, s, w);
}

// x is columns of a stack: its axes that are axes of the stack lie as these do, the others together
// along the stack's last axis.
static void stacked_layout(Planner *p, Param *x) {
  const ParamPlace *t = place_of(p, x->stack);
  const Node *w = x->node, *sw = x->stack->node;
  ParamPlace *s = place_of(p, x);
  int column = position(sw, x->stack->ax[x->stack->nax - 1]);
  *s = (ParamPlace){.decided = true,
                    .panels = t->panels,
                    .pairs = t->pairs,
                    .quads = t->quads,
                    .width = t->width,
                    .kstride = t->kstride,
                    .panel = t->panel,
                    .storage = t->storage,
                    .bytes = t->bytes};
  int64_t columns = 1;
  for (int i = w->nax - 1; i >= 0; i--) {
    int at = x->stack_ax[i] ? position(sw, x->stack_ax[i]) : -1;
    if (at >= 0) {
      s->kstep[i] = t->kstep[at];
      s->nstep[i] = t->nstep[at];
    } else {
      s->kstep[i] = t->kstep[column] * columns;
      s->nstep[i] = t->nstep[column] * columns;
      columns *= extent_at(w, i);
    }
  }
  s->nlo = x->stack_lo * t->nstep[column];
  s->shift = x->stack_lo * t->kstep[column] * t->kstride;
}

void layout_params(Planner *p) {
  Graph *g = p->g;
  p->param = NEWN(p->a, ParamPlace, g->params.n + 1);
  for (int i = 0; i < p->progs.n; i++)
    for (int k = 0; k < p->progs.v[i]->nnode; k++)
      note_node(p, p->progs.v[i]->node[k]);
  for (int i = 0; i < g->params.n; i++)
    if (!g->params.v[i]->stack)
      own_layout(p, g->params.v[i]);
  for (int i = 0; i < g->params.n; i++)
    if (g->params.v[i]->stack)
      stacked_layout(p, g->params.v[i]);
  layout_storages(p);
}

void layout_storages(Planner *p) {
  int64_t at = 0;
  for (int i = 0; i < p->storage.n; i++) {
    p->storage.v[i].offset = at;
    at += p->storage.v[i].bytes;
  }
}

void layout_as_pairs(Planner *p, const Param *x, bool quads, const int *kax, int nk, const int *nax,
                     int nn) {
  ParamPlace *s = place_of(p, x);
  *s = (ParamPlace){.decided = true,
                    .panels = true,
                    .pairs = !quads,
                    .quads = quads,
                    .nk = nk,
                    .nn = nn,
                    .kax = copied(p->a, kax, nk),
                    .nax = copied(p->a, nax, nn),
                    .storage = s->storage};
  panel_layout(s, x->node, p->o.nr);
  measure(p, s, x->node);
  for (int i = 0; i < p->g->params.n; i++)
    if (p->g->params.v[i]->stack == x)
      stacked_layout(p, p->g->params.v[i]);
}

// As a place: strides of the k side are in elements.
Place *place_param(Prog *g, const Param *x, bool grad) {
  const ParamPlace *s = &g->p->param[x->index];
  const Node *w = x->node;
  int elem = param_elem_bytes(s, w);
  Place *pl = NEW(g->a, Place);
  pl->dtype = stored_as(s, w);
  pl->pairs = s->pairs;
  pl->nax = w->nax;
  pl->ax = w->ax;
  pl->stride = NEWN(g->a, Poly, w->nax + 1);
  pl->nstep = NEWN(g->a, int64_t, w->nax + 1);
  for (int i = 0; i < w->nax; i++) {
    pl->stride[i] = poly_const(s->kstep[i] * s->kstride);
    pl->nstep[i] = s->nstep[i];
  }
  pl->width = s->width;
  pl->panel = s->panel;
  pl->nlo = s->nlo;
  if (s->width && s->nlo % s->width == 0)
    pl->nlo = 0;
  int64_t at = (s->shift + (s->nlo - pl->nlo) / (s->width ? s->width : 1) * s->panel) * elem;
  pl->buf =
      buf_add(g, grad ? BIGS_GRAD : BIGS_PARAM, pl->dtype, poly_const(s->bytes / elem), x->path);
  g->buf.v[pl->buf].storage = s->storage;
  g->buf.v[pl->buf].offset = poly_const(at);
  return pl;
}
