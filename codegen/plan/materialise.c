// Which nodes are stored: what has to be (outputs, results and operands of contractions,
// reductions), what a contraction's epilogue should end in, and, once the kernels are known, what
// would be derived too often.
#include "codegen/plan/contract.h"
#include "codegen/plan/lower_loop.h"
#include <string.h>

static bool is_pointwise(const Node *n) {
  return (op_flags(n->op) & F_POINTWISE) || is_outer(n) || is_one_hot(n);
}

static bool leaf_is_steady(const Node *n) {
  return n->op != OP_INPUT && n->op != OP_RANDOM && n->op != OP_STATE;
}

// First values have nothing to do with each other, and the order of ids may hold the first halves
// of all of them before the second halves: each is computed in one go, straight into its parameter.
// A node goes to the first root that reaches it; its operands then come before it.
static void root_by_root(Prog *g, Node *const *roots) {
  int *root = NEWN(g->a, int, g->g->nodes.n), *at = NEWN(g->a, int, g->nout + 2);
  Node **order = NEWN(g->a, Node *, g->nnode);
  for (int i = 0; i < g->nnode; i++)
    root[g->node[i]->id] = g->nout;
  for (int i = g->nout - 1; i >= 0; i--)
    root[roots[i]->id] = i;
  for (int i = g->nnode - 1; i >= 0; i--)
    for (int k = 0; k < g->node[i]->nin; k++) {
      int *below = &root[g->node[i]->in[k]->id], here = root[g->node[i]->id];
      *below = here < *below ? here : *below;
    }
  for (int i = 0; i < g->nnode; i++)
    at[root[g->node[i]->id] + 1]++;
  for (int i = 0; i < g->nout; i++)
    at[i + 1] += at[i];
  for (int i = 0; i < g->nnode; i++)
    order[at[root[g->node[i]->id]]++] = g->node[i];
  g->node = order;
}

// Nodes of loops' regions are no nodes of the program, and have no list of users: what lowering asks of
// them is how many there are.
static void note_use(Prog *g, const Node *n) {
  Info *f = info_of(g, n);
  f->nuse += !f->use;
}

static void note_region(Prog *g, const Scan *s) {
  int n;
  Node **nodes = loop_nodes(g->g, s, &n);
  for (int i = 0; i < n; i++)
    if (!info_of(g, nodes[i]))
      g->info[nodes[i]->id] = NEW(g->a, Info);
  for (int i = 0; i < n; i++) {
    for (int k = 0; k < nodes[i]->nin; k++)
      note_use(g, nodes[i]->in[k]);
    if (nodes[i]->op == OP_LOOP)
      note_region(g, nodes[i]->attr.scan);
  }
  for (int i = 0; i < s->nstate; i++)
    note_use(g, s->next[i]);
}

void mat_reach(Prog *g) {
  Node **roots = NEWN(g->a, Node *, g->nout);
  for (int i = 0; i < g->nout; i++)
    roots[i] = g->outs[i].node;
  g->node = graph_reachable(g->g, roots, g->nout, &g->nnode);
  if (g->kind == BIGS_INIT)
    root_by_root(g, roots);
  g->info = NEWN(g->a, Info *, g->g->nodes.n);
  g->ninfo = g->g->nodes.n;
  Info *info = NEWN(g->a, Info, g->nnode + 1);
  for (int i = 0; i < g->nnode; i++)
    g->info[g->node[i]->id] = &info[i];
  int total = 0;
  for (int i = 0; i < g->nnode; i++) {
    Node *n = g->node[i];
    Info *f = info_of(g, n);
    f->steady = op_flags(n->op) & F_LEAF ? leaf_is_steady(n) : true;
    for (int k = 0; k < n->nin; k++) {
      f->steady &= info_of(g, n->in[k])->steady;
      info_of(g, n->in[k])->nuse++;
      total++;
    }
  }
  Node **room = NEWN(g->a, Node *, total + 1);
  for (int i = 0; i < g->nnode; i++) {
    Info *f = info_of(g, g->node[i]);
    f->use = room;
    room += f->nuse;
    f->nuse = 0;
  }
  for (int i = 0; i < g->nnode; i++)
    for (int k = 0; k < g->node[i]->nin; k++) {
      Info *f = info_of(g, g->node[i]->in[k]);
      f->use[f->nuse++] = g->node[i];
    }
  for (int i = 0; i < g->nnode; i++)
    if (g->node[i]->op == OP_LOOP)
      note_region(g, g->node[i]->attr.scan);
}

static void must(Prog *g, Node *n) {
  if (n->op != OP_INPUT && n->op != OP_PARAM)
    info_of(g, n)->must = true;
}

static bool has_own_axis(const Node *a, const Node *b) {
  for (int i = 0; i < a->nax; i++)
    if (!node_has(b, a->ax[i]))
      return true;
  return false;
}

static bool multiplies(const Prog *g, const Node *n) {
  return n->dtype == DT_F32 || (n->dtype == DT_BF16 && g->p->o.on->bf16_products);
}

// Worth a register tile: sums of products over something, with columns.
bool contract_fits_tile(const Prog *g, const Node *n) {
  return n->op == OP_CONTRACT && n->attr.naxes && multiplies(g, n) && multiplies(g, n->in[0]) &&
         multiplies(g, n->in[1]) &&
         (has_own_axis(n->in[0], n->in[1]) || has_own_axis(n->in[1], n->in[0]));
}

// What has to be stored for an operand: of one that was bf16, that, where the machine multiplies it.
static Node *operand_base(const Prog *g, Node *n) {
  n = view_base(n);
  while (widens_product(g, n))
    n = view_base(n->in[0]);
  return n;
}

static void mark_operands(Prog *g, Node *n) {
  switch (n->op) {
  case OP_CONTRACT:
    if (!contract_fits_tile(g, n))
      return;
    for (int i = 0; i < 2; i++)
      if (!rows_derived(g, n, i))
        must(g, operand_base(g, n->in[i]));
    return;
  case OP_SCATTER:
    if (is_one_hot(n))
      return;
    // fall through
  case OP_CAUSAL_CONV:
  case OP_CONV_GRAD:
    if (g->p->o.on->derived_loads)
      return; // light_mark does it
    must(g, view_base(n->in[0]));
    must(g, view_base(n->in[1]));
    return;
  case OP_LOOP:
    for (int i = 0; i < n->nin; i++)
      if (!(op_flags(view_base(n->in[i])->op) & F_LEAF) && !loop_is_replayed(g, n->in[i]))
        must(g, view_base(n->in[i]));
    return;
  case OP_ATTENTION:
  case OP_ATTENTION_LSE:
  case OP_ATTENTION_GRAD:
    for (int i = 0; i < n->nin; i++)
      if (!node_is_const(n->in[i], NULL) && !(i == 3 && mask_is_derived(g, n)))
        must(g, view_base(n->in[i]));
    return;
  case OP_ARGSORT: // its elements are compared many times
  case OP_WINDOW:
  case OP_GATHER: {
    Node *x = view_base(n->in[0]);
    if (!(op_flags(x->op) & F_LEAF) && x->op != OP_WINDOW)
      must(g, x);
    return;
  }
  default: return;
  }
}

static void mark_node(Prog *g, Node *n) {
  Info *f = info_of(g, n);
  int flags = op_flags(n->op);
  if (flags & F_LEAF || loop_is_replayed(g, n))
    return;
  if (!is_map(n) || n->op == OP_CONCAT)
    f->must = true;
  if (!g->p->o.fuse && !(flags & F_INDEX))
    f->must = true;
  mark_operands(g, n);
}

// The end of the chain of pointwise nodes that a tile's result flows into, and nothing else uses.
static void mark_chain(Prog *g, Node *c) {
  Node *v = c;
  if (!g->p->o.fuse || !(contract_fits_tile(g, c) || toeplitz_fits(g, c)))
    return;
  if (library_wants(g, c))
    v = library_end(g, c);
  while (!library_wants(g, c) && info_of(g, v)->nuse == 1 && !info_of(g, v)->dest) {
    Node *u = info_of(g, v)->use[0];
    if (!is_pointwise(u) || !axes_equal_sets(u->ax, u->nax, c->ax, c->nax))
      break;
    v = u;
  }
  if (v != c) {
    info_of(g, v)->want = true;
    info_of(g, c)->pulled = true;
  }
}

// What the prologue computes stays in kept memory, and nothing else does.
static bool same_life(Prog *g, const Node *n, const Place *dest) {
  return (g->prologue && info_of(g, n)->steady) == (g->buf.v[dest->buf].where == BIGS_KEPT);
}

int outputs_of(const Prog *g, const Node *n) {
  int count = 0;
  for (int i = 0; i < g->nout; i++)
    count += g->outs[i].node == n;
  return count;
}

// Passes its operands on, element by element.
static bool is_arrangement(const Node *n) {
  return n->op == OP_RENAME || n->op == OP_SPLIT || n->op == OP_MERGE || n->op == OP_CONCAT;
}

// Is it the first value of one parameter, or of a part of it, and nothing else?
static bool is_first_value(const Prog *g, const Node *n) {
  const Info *f = info_of(g, n);
  int is = outputs_of(g, n);
  if (!is && f->nuse == 1 && is_arrangement(f->use[0]))
    return is_first_value(g, f->use[0]);
  return g->kind == BIGS_INIT && is == 1 && !f->nuse;
}

// May a first value be rounded as it is computed?  In pairs a part has columns of its own, and no k.
static bool may_be_rounded(const Prog *g, const Node *n, const Place *dest) {
  if (dest->dtype != DT_BF16 || n->dtype != DT_F32 || !is_first_value(g, n))
    return false;
  return n->op == OP_CONCAT ? dest->nstep[place_axis(dest, n->attr.axis)] != 0
                            : is_pointwise(n) || is_arrangement(n);
}

static bool may_be_stored_at(const Prog *g, const Node *n, const Place *dest) {
  return dest->dtype == n->dtype || dest->dtype == stored_dtype(g, n) || may_be_rounded(g, n, dest);
}

// Lets n be computed at dest; false when it has another place already, or is not computed at all.
static bool assign_dest(Prog *g, Node *n, Place *dest) {
  Info *f = info_of(g, n);
  if ((op_flags(n->op) & F_LEAF) || f->dest || f->alias || !may_be_stored_at(g, n, dest) ||
      !same_life(g, n, dest))
    return false;
  if (n->op == OP_RENAME || n->op == OP_SPLIT || n->op == OP_MERGE) {
    Place *inner = place_through(g, n, dest);
    if (inner && assign_dest(g, n->in[0], inner)) {
      f->whole = dest;
      f->inner = inner;
      f->alias = true;
      return true;
    }
  }
  f->dest = dest;
  f->must = true;
  return true;
}

static Place *output_place(Prog *g, const Output *o, int index) {
  if (o->param) {
    Place *pl = place_param(g, o->param, g->kind != BIGS_INIT);
    if (pl->nax != o->nax)
      BUG("%s: an output in the storage of a parameter of %d axes has %d", o->name, pl->nax,
          o->nax);
    pl->ax = o->ax;
    return pl;
  }
  int buf = buf_add(g, BIGS_OUTPUT, o->node->dtype, extents(o->ax, o->nax), o->name);
  g->buf.v[buf].index = index;
  return place_dense(g, buf, o->node->dtype, o->ax, o->nax);
}

// Gives every output its place; outs[i]'s node either is computed there or copied.
static void mark_outputs(Prog *g) {
  for (int i = 0, k = 0; i < g->nout; i++) {
    const Output *o = &g->outs[i];
    Place *pl = output_place(g, o, k);
    k += !o->param;
    bool whole = axes_equal_sets(o->ax, o->nax, o->node->ax, o->node->nax);
    if (!whole || !assign_dest(g, o->node, pl))
      must(g, view_base(o->node));
    g->outplace[i] = pl;
  }
}

// A stored concatenation: each operand goes straight to its part where it can.
static void mark_concat(Prog *g, Node *n) {
  Info *f = info_of(g, n);
  bool kept = g->prologue && f->steady;
  f->whole = f->dest ? f->dest : place_new(g, n, NULL, 0, kept);
  f->alias = true;
  f->piece = NEWN(g->a, Place *, n->nin);
  for (int i = 0; i < n->nin; i++) {
    f->piece[i] = place_piece(g, n, i, f->whole);
    if (!f->piece[i])
      BUG("a concatenation has no axis %s", n->attr.axis->name);
    assign_dest(g, n->in[i], f->piece[i]);
  }
}

// The scatter below renames that nothing else uses, or NULL; *pl, where the renamed value goes,
// becomes where the scatter does.
static Node *sole_scatter(Prog *g, Node *n, Place **pl) {
  while (n->op == OP_RENAME && info_of(g, n)->nuse == 1 && !info_of(g, n)->dest && *pl) {
    *pl = place_through(g, n, *pl);
    n = n->in[0];
  }
  return *pl && n->op == OP_SCATTER && !is_one_hot(n) && info_of(g, n)->nuse == 1 &&
                 !info_of(g, n)->dest
             ? n
             : NULL;
}

// x + scatter(..): the scatter adds to what x left in the same place.
static void mark_scatter(Prog *g, Node *n) {
  Info *f = info_of(g, n);
  if (n->op != OP_ADD || !g->p->o.fuse || f->alias || (f->dest && f->dest->dtype != n->dtype))
    return;
  for (int i = 0; i < 2; i++) {
    Node *x = n->in[1 - i];
    Place *whole = f->dest ? f->dest : place_new(g, n, NULL, 0, g->prologue && f->steady),
          *pl = whole;
    Node *s = sole_scatter(g, n->in[i], &pl);
    if (!s || view_base(x)->op == OP_SCATTER ||
        !axes_equal_sets(n->in[i]->ax, n->in[i]->nax, x->ax, x->nax) || info_of(g, x)->nuse > 1 ||
        !assign_dest(g, x, whole))
      continue;
    f->whole = whole;
    f->scatter = s;
    f->alias = f->must = true;
    info_of(g, s)->dest = pl;
    info_of(g, s)->delayed = true;
    return;
  }
}

static bool feeds_more_axes(const Info *f, const Node *n) {
  for (int i = 0; i < f->nuse; i++)
    if (is_pointwise(f->use[i]) && f->use[i]->nax > n->nax)
      return true;
  return false;
}

static bool feeds_unsteady(Prog *g, const Info *f) {
  for (int i = 0; i < f->nuse; i++)
    if (!info_of(g, f->use[i])->steady)
      return true;
  return false;
}

// A value that is costly to derive and then used along axes that it lacks would be derived once for
// each of their elements.
static void mark_costly(Prog *g) {
  for (int i = 0; i < g->nnode; i++) {
    Node *n = g->node[i];
    Info *f = info_of(g, n);
    f->flops = op_flags(n->op) & F_LEAF && n->op != OP_RANDOM ? 0 : op_flops(n);
    f->depth = 0;
    for (int k = 0; k < n->nin; k++) {
      Info *x = info_of(g, n->in[k]);
      f->flops += x->must ? 0.5 : x->flops;
      f->depth = !x->must && x->depth > f->depth ? x->depth : f->depth;
    }
    f->depth++;
    if (f->must || f->light || !is_pointwise(n))
      continue;
    if (g->prologue && f->steady && f->flops >= 4 && n->nax && feeds_unsteady(g, f))
      f->must = true;
    if ((f->flops >= 8 && n->nax && feeds_more_axes(f, n)) || f->flops > 400 ||
        (f->flops > 100 && f->nuse > 1))
      f->must = true;
  }
}

void mat_mark(Prog *g) {
  g->outplace = NEWN(g->a, Place *, g->nout + 1);
  for (int i = 0; i < g->nnode; i++)
    mark_node(g, g->node[i]);
  mark_outputs(g);
  light_mark(g);
  for (int i = g->nnode - 1; i >= 0; i--) {
    mark_scatter(g, g->node[i]);
    if (g->node[i]->op == OP_CONCAT && info_of(g, g->node[i])->must &&
        !info_of(g, g->node[i])->alias)
      mark_concat(g, g->node[i]);
  }
  for (int i = 0; i < g->nnode; i++)
    mark_chain(g, g->node[i]);
  if (g->p->o.fuse)
    mark_costly(g);
  windows_late(g);
}

// ---- after a schedule

// Counts the kernels that derive n, and n's cost down to what is stored.
static void count_derived(Prog *g, Node *n, const Inst *k) {
  Info *f = info_of(g, n);
  if (f->stamp[0] == g->stamp || (op_flags(n->op) & F_LEAF) || (f->place && f->inst != k) ||
      f->light)
    return;
  f->stamp[0] = g->stamp;
  if (f->inst != k)
    f->kernels++;
  for (int i = 0; i < n->nin; i++)
    count_derived(g, n->in[i], k);
}

static void add_cost(Prog *g, Node *n, const Node *top, double *flops, double *loads) {
  Info *f = info_of(g, n);
  if (f->stamp[0] == g->stamp)
    return;
  f->stamp[0] = g->stamp;
  if ((f->place && n != top) || n->op == OP_TABLE) {
    *loads += n->nax >= top->nax ? 1 : 0.1;
    return;
  }
  *flops += op_flops(n);
  for (int i = 0; i < n->nin; i++)
    add_cost(g, n->in[i], top, flops, loads);
}

// Deriving n again in every kernel against storing it once: in units of a vector instruction, where
// a load or store of an element costs about LOAD.  What a training step would keep from its forward
// part until its backward part has to be clearly cheaper.
static bool worth_storing(Prog *g, Node *n) {
  enum { LOAD = 8 };
  double flops = 0, loads = 0;
  Info *f = info_of(g, n);
  g->stamp++;
  add_cost(g, n, n, &flops, &loads);
  double once = flops + LOAD * loads, again = f->kernels * once,
         store = once + LOAD * (1 + f->kernels);
  return again > store * (g->kind == BIGS_GRADIENT ? 1.5 : 1);
}

bool mat_refine(Prog *g) {
  bool changed = false;
  if (!g->p->o.fuse)
    return false;
  for (int i = 0; i < g->nnode; i++)
    info_of(g, g->node[i])->kernels = 0;
  for (int i = 0; i < g->inst.n; i++) {
    Inst *k = g->inst.v[i];
    g->stamp++;
    for (int j = 0; j < k->m.n; j++)
      if (!k->m.v[j].copy && k->kind != IK_FINISH && k->kind != IK_BUILTIN)
        for (int x = 0; x < k->m.v[j].node->nin; x++)
          count_derived(g, k->m.v[j].node->in[x], k);
  }
  for (int i = g->nnode - 1; i >= 0; i--) {
    Node *n = g->node[i];
    Info *f = info_of(g, n);
    if (f->place || f->kernels < 2 || !(is_pointwise(n) || n->op == OP_GATHER) || f->must ||
        !n->nax)
      continue;
    if (f->nuse == 1 && !info_of(g, f->use[0])->place && is_pointwise(f->use[0]))
      continue; // its user is the better choice
    if (worth_storing(g, n))
      f->must = changed = true;
  }
  return changed;
}
