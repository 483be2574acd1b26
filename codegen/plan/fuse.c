// Which nodes share a kernel.  Nodes are visited operands first; each one that is to be stored
// joins an instance with the same iteration domain when everything it reads is ready by then, or
// starts one of its own.  As an instance stands in the list where it was started, and members join
// it only with operands that are ready there, the list stays a valid order.
#include "codegen/plan/contract.h"
#include <string.h>

Inst *inst_new(Prog *g, InstKind kind, Node *root) {
  Inst *k = NEW(g->a, Inst);
  k->kind = kind;
  k->root = root;
  k->index = g->inst.n;
  k->prologue = g->prologue && info_of(g, root)->steady;
  vec_push(g->a, &g->inst, k);
  return k;
}

static int latest(Prog *g, const Deps *d) {
  int t = -1;
  for (int i = 0; i < d->v.n; i++) {
    Inst *k = info_of(g, d->v.v[i].node)->inst;
    if (k && k->index > t)
      t = k->index;
  }
  return t;
}

// ---- joining

static Member *member_of(Inst *k, const Node *n) {
  for (int i = 0; i < k->m.n; i++)
    if (k->m.v[i].node == n && !k->m.v[i].copy)
      return &k->m.v[i];
  return NULL;
}

static bool dep_fits(Prog *g, Inst *k, const Dep *d, Role role) {
  Inst *by = info_of(g, d->node)->inst;
  if (!by || by->index < k->index)
    return true;
  if (by != k || !d->aligned)
    return false;
  Member *m = member_of(k, d->node);
  if (!m || m->role == ROLE_COLUMN)
    return false;
  return role != ROLE_ROW || m->role != ROLE_FULL;
}

static bool reads_member(Prog *g, const Inst *k, const Deps *d) {
  for (int i = 0; i < d->v.n; i++)
    if (info_of(g, d->v.v[i].node)->inst == k)
      return true;
  return false;
}

static bool shares_load(const Inst *k, const Deps *d) {
  for (int i = 0; i < d->v.n; i++)
    for (int j = 0; j < k->loads.n; j++)
      if (k->loads.v[j] == d->v.v[i].node)
        return true;
  return false;
}

static bool is_domain(const Inst *k, Axis *const *ax, int n) {
  int total = k->nrow + k->ncol;
  Axis *all[2 * MAX_AXES];
  for (int i = 0; i < k->nrow; i++)
    all[i] = k->row[i];
  for (int i = 0; i < k->ncol; i++)
    all[k->nrow + i] = k->col[i];
  return axes_equal_sets(all, total, ax, n);
}

static bool among(Axis *const *ax, int n, const Axis *a) {
  for (int i = 0; i < n; i++)
    if (ax[i] == a)
      return true;
  return false;
}

// Splits an undecided domain (all in `row`, the vector axis last) so that `cols` are the columns.
static void split_domain(Prog *g, Inst *k, Axis *const *cols, int ncol) {
  Axis *vec = k->nrow ? k->row[k->nrow - 1] : NULL;
  Axis **row = NEWN(g->a, Axis *, k->nrow + 1), **col = NEWN(g->a, Axis *, ncol + 1);
  int nr = 0, nc = 0;
  for (int i = 0; i < k->nrow; i++)
    if (among(cols, ncol, k->row[i]))
      col[nc++] = k->row[i];
    else
      row[nr++] = k->row[i];
  k->row = row;
  k->nrow = nr;
  k->col = col;
  k->ncol = nc;
  k->split = true;
  k->lanes = vec && !among(cols, ncol, vec);
}

static bool all_features(Axis *const *ax, int n) {
  for (int i = 0; i < n; i++)
    if (!is_feature(ax[i]))
      return false;
  return true;
}

// A sum of many rows into few columns: done by chunks of rows, in parallel.
static bool is_column_sum(const Prog *g, const Node *n) {
  if (n->op != OP_SUM || !n->nax || !dtype_is_float((DType)n->dtype))
    return false;
  return all_features(n->ax, n->nax) &&
         size_estimate(n->attr.axes, n->attr.naxes) >= g->p->o.on->column_rows &&
         size_estimate(n->ax, n->nax) <= 1 << 16 &&
         (!all_features(n->attr.axes, n->attr.naxes) || size_estimate(n->ax, n->nax) < 4096);
}

static Role role_of(const Prog *g, const Node *n) {
  if (!is_reduction(n))
    return ROLE_FULL;
  return is_column_sum(g, n) ? ROLE_COLUMN : ROLE_REDUCE;
}

// How n could be a member of k's domain; false when it cannot.  `undecided` domains are split by
// the first that needs it.
static bool domain_fits(const Inst *k, const Node *n, Role *role) {
  if (*role == ROLE_FULL) {
    if (is_domain(k, n->ax, n->nax))
      return true;
    *role = ROLE_ROW;
    return k->kind == IK_ROWS && k->split && k->ncol &&
           axes_equal_sets(k->row, k->nrow, n->ax, n->nax);
  }
  const Node *x = n->in[0];
  if (!is_domain(k, x->ax, x->nax) || (k->kind == IK_TILE && *role != ROLE_COLUMN))
    return false;
  if (k->kind == IK_TILE)
    return !k->tile->outer.n && axes_equal_sets(k->row, k->nrow, n->attr.axes, n->attr.naxes);
  if (!k->split) {
    if (*role == ROLE_COLUMN)
      return k->nrow && !among(n->attr.axes, n->attr.naxes, k->row[k->nrow - 1]);
    return true;
  }
  if (*role == ROLE_COLUMN)
    return !k->lanes && axes_equal_sets(k->row, k->nrow, n->attr.axes, n->attr.naxes);
  return axes_equal_sets(k->col, k->ncol, n->attr.axes, n->attr.naxes);
}

// How many operations follow each other in k to get n.
static int depth_in(Prog *g, const Inst *k, const Node *n, const Deps *d) {
  int most = 0;
  for (int i = 0; i < d->v.n; i++) {
    const Info *x = info_of(g, d->v.v[i].node);
    if (x->inst == k && x->deep > most)
      most = x->deep;
  }
  return most + info_of(g, n)->depth;
}

// Code for an expression is written recursively.  A kernel with a longer chain gains nothing.
enum { KERNEL_DEPTH = 400 };

static bool can_join(Prog *g, Inst *k, Node *n, const Deps *d, Role *role) {
  if (depth_in(g, k, n, d) > KERNEL_DEPTH)
    return false;
  if ((k->kind != IK_ROWS && k->kind != IK_TILE) ||
      k->prologue != (g->prologue && info_of(g, n)->steady))
    return false;
  if (!domain_fits(k, n, role) ||
      (k->library && (*role != ROLE_FULL || n != library_end(g, k->root))))
    return false;
  for (int i = 0; i < d->v.n; i++)
    if (!dep_fits(g, k, &d->v.v[i], *role))
      return false;
  return true;
}

enum {
  JOIN_BACK = 12,
  JOIN_FAR = 48
}; // how many instances back a kernel is found to share loads with, or to go on with

static Inst *find_join(Prog *g, Node *n, const Deps *d, Role *role) {
  if (!g->p->o.fuse)
    return NULL;
  int t = latest(g, d);
  Role first = *role;
  if (t >= 0 && t >= g->inst.n - JOIN_FAR && reads_member(g, g->inst.v[t], d) &&
      can_join(g, g->inst.v[t], n, d, role))
    return g->inst.v[t];
  int from = g->inst.n - JOIN_BACK > t + 1 ? g->inst.n - JOIN_BACK : t + 1;
  for (int i = from; i < g->inst.n; i++) {
    *role = first;
    if (g->inst.v[i]->kind == IK_ROWS && shares_load(g->inst.v[i], d) &&
        can_join(g, g->inst.v[i], n, d, role))
      return g->inst.v[i];
  }
  *role = first;
  return NULL;
}

static void note_loads(Prog *g, Inst *k, const Deps *d) {
  for (int i = 0; i < d->v.n; i++)
    if (info_of(g, d->v.v[i].node)->inst != k)
      vec_push(g->a, &k->loads, d->v.v[i].node);
}

// Axes of a temporary that stay innermost: the vector axis of the instance that writes it.
static Place *new_place(Prog *g, Inst *k, Node *n, Role role) {
  Info *f = info_of(g, n);
  if (f->dest)
    return f->dest;
  if (k->kind == IK_TILE && role == ROLE_FULL)
    return place_new(g, n, k->col, k->ncol, k->prologue);
  Axis *vec = NULL;
  if (k->kind == IK_ROWS)
    vec = k->lanes || !k->split ? (k->nrow ? k->row[k->nrow - 1] : NULL)
          : role == ROLE_FULL   ? k->col[k->ncol - 1]
                                : NULL;
  Axis *inner[MAX_AXES];
  int ninner = vec && node_has(n, vec) ? place_innermost(g, n, node_axis_index(n, vec), inner) : 0;
  return place_new(g, n, inner, ninner, k->prologue);
}

// What adds up the slots of k's sums, if they have such an instance already.
static Inst *finish_of(Prog *g, const Inst *k) {
  for (int i = k->index + 1; i < g->inst.n && g->p->o.on->finish_together; i++)
    if (g->inst.v[i]->kind == IK_FINISH && g->inst.v[i]->of == k)
      return g->inst.v[i];
  return NULL;
}

static Inst *finish_new(Prog *g, const Inst *k, Node *n) {
  Inst *fin = inst_new(g, IK_FINISH, n);
  fin->of = k;
  fin->slot_block = k->slot_block;
  fin->row = k->row;
  fin->nrow = k->nrow;
  fin->col = k->col;
  fin->ncol = k->ncol;
  return fin;
}

static void finish_column(Prog *g, Inst *k, Node *n, Member *m) {
  Info *f = info_of(g, n);
  Axis **col = k->col;
  DType t = computed_dtype(n);
  Place *slots = place_dense(g, -1, t, col, k->ncol);
  slots->buf =
      buf_add(g, k->prologue ? BIGS_KEPT : BIGS_ARENA, t, extents(col, k->ncol), "partial sums");
  Buf *b = &g->buf.v[slots->buf];
  b->rows = extents(k->row, k->nrow);
  b->block = k->slot_block;
  m->place = slots;
  Inst *fin = finish_of(g, k);
  if (!fin)
    fin = finish_new(g, k, n);
  f->place = f->dest ? f->dest : place_new(g, n, col, k->ncol, k->prologue);
  f->inst = fin;
  vec_push(g->a, &fin->m,
           (Member){.node = n, .role = ROLE_FULL, .place = f->place, .slots = slots});
}

// Rows a slot of n's sum takes.
static int rows_of_slot(Prog *g, const Inst *k, const Node *n) {
  enum { FEW_COLUMNS = 256, LEAST = 8 };
  int rows = g->p->o.on->slot_rows, most = g->p->o.on->slot_work;
  bool few = most && size_estimate(k->col, k->ncol) <= FEW_COLUMNS;
  while (few && rows > LEAST && rows * info_of(g, n)->flops > most)
    rows /= 2;
  return rows;
}

static void join(Prog *g, Inst *k, Node *n, Role role, const Deps *d) {
  Info *f = info_of(g, n);
  if (k->kind == IK_ROWS && !k->split && role == ROLE_REDUCE)
    split_domain(g, k, n->attr.axes, n->attr.naxes);
  if (k->kind == IK_ROWS && !k->split && role == ROLE_COLUMN)
    split_domain(g, k, n->ax, n->nax);
  note_loads(g, k, d);
  Member m = {.node = n, .role = role};
  f->inst = k;
  f->deep = depth_in(g, k, n, d);
  if (role == ROLE_COLUMN) {
    if (k->kind == IK_ROWS && !k->slot_block)
      k->slot_block = rows_of_slot(g, k, n);
    finish_column(g, k, n, &m);
  } else {
    m.place = f->place = new_place(g, k, n, role);
  }
  if (k->m.n)
    plan_remark(g->p, true, n->span, "%s%s%s shares a kernel with %s", n->fn ? n->fn : "",
                n->fn ? ": " : "", op_name(n->op), op_name(k->root->op));
  vec_push(g->a, &k->m, m);
}

// ---- starting an instance

// All axes of the domain in `row`: as they would be stored, the vector axis last.
static Inst *new_rows(Prog *g, Node *root, Node *domain, Axis *vec) {
  Inst *k = inst_new(g, IK_ROWS, root);
  k->row = NEWN(g->a, Axis *, domain->nax + 1);
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < domain->nax; i++)
      if (domain->ax[i] != vec && is_feature(domain->ax[i]) == (pass == 1))
        k->row[k->nrow++] = domain->ax[i];
  if (vec)
    k->row[k->nrow++] = vec;
  return k;
}

// A reduction, or a sum of products, to one number.
static void start_total(Prog *g, Node *n, const Deps *d) {
  Info *f = info_of(g, n);
  Inst *k = inst_new(g, IK_TOTAL, n);
  Node all = *n;
  all.ax = n->attr.axes;
  all.nax = n->attr.naxes;
  Axis *vec = vector_axis(g, &all, NULL);
  k->row = NEWN(g->a, Axis *, all.nax + 1);
  for (int i = 0; i < all.nax; i++)
    if (all.ax[i] != vec)
      k->row[k->nrow++] = all.ax[i];
  if (vec)
    k->row[k->nrow++] = vec;
  note_loads(g, k, d);
  f->inst = k;
  f->place = f->dest ? f->dest : place_new(g, n, NULL, 0, k->prologue);
  vec_push(g->a, &k->m, (Member){.node = n, .role = ROLE_REDUCE, .place = f->place});
}

static void start_reduction(Prog *g, Node *n, const Deps *d, Role role) {
  if (!n->nax) {
    start_total(g, n, d);
    return;
  }
  Axis *vec = vector_axis(g, n->in[0], NULL);
  if (role == ROLE_COLUMN && among(n->attr.axes, n->attr.naxes, vec))
    role = ROLE_REDUCE;
  join(g, new_rows(g, n, n->in[0], vec), n, role, d);
}

static void start_map(Prog *g, Node *n, const Deps *d) {
  join(g, new_rows(g, n, n, vector_axis(g, n, info_of(g, n)->dest)), n, ROLE_FULL, d);
}

void fuse_again(Prog *g, Node *n, const Deps *d, int back) {
  Role role = ROLE_FULL;
  for (int i = g->inst.n - 1; i >= 0 && i >= g->inst.n - back; i--) {
    Inst *k = g->inst.v[i];
    if ((k->kind == IK_TILE || shares_load(k, d)) && can_join(g, k, n, d, &role) &&
        role == ROLE_FULL) {
      join(g, k, n, role, d);
      return;
    }
    role = ROLE_FULL;
  }
  start_map(g, n, d);
}

// The sum of products as a reduction of a derived product: contractions without a tile.
static void start_products(Prog *g, Node *n, const Deps *d) {
  Info *f = info_of(g, n);
  if (!n->nax) {
    start_total(g, n, d);
    return;
  }
  Inst *k = inst_new(g, IK_ROWS, n);
  Node all = *n; // domain: the result's axes and the reduced ones
  Axis **ax = NEWN(g->a, Axis *, n->nax + n->attr.naxes + 1);
  memcpy(ax, n->ax, sizeof *ax * (size_t)n->nax);
  memcpy(ax + n->nax, n->attr.axes, sizeof *ax * (size_t)n->attr.naxes);
  all.ax = ax;
  all.nax = n->nax + n->attr.naxes;
  Axis *vec = vector_axis(g, &all, NULL);
  k->row = NEWN(g->a, Axis *, all.nax + 1);
  for (int i = 0; i < all.nax; i++)
    if (ax[i] != vec)
      k->row[k->nrow++] = ax[i];
  if (vec)
    k->row[k->nrow++] = vec;
  split_domain(g, k, n->attr.axes, n->attr.naxes);
  note_loads(g, k, d);
  f->inst = k;
  f->place = new_place(g, k, n, ROLE_REDUCE);
  vec_push(g->a, &k->m, (Member){.node = n, .role = ROLE_REDUCE, .place = f->place});
}

static void start_contraction(Prog *g, Node *n) {
  Info *f = info_of(g, n);
  Deps d = {0};
  for (int i = 0; i < 2; i++)
    recompute_operand(g, n->in[i], n);
  Inst *k = contract_plan(g, n);
  deps_of(g, n, &d);
  if (!k) {
    start_products(g, n, &d);
    return;
  }
  f->inst = k;
  f->place = new_place(g, k, n, ROLE_FULL);
  vec_push(g->a, &k->m, (Member){.node = n, .role = ROLE_FULL, .place = f->place});
}

// What has a step of its own.
static void start_other(Prog *g, Node *n) {
  Info *f = info_of(g, n);
  if (n->op == OP_ATTENTION || n->op == OP_ATTENTION_LSE || n->op == OP_ATTENTION_GRAD) {
    attention_plan(g, n);
    return;
  }
  if (n->op == OP_LOOP) {
    Deps read = {0};
    deps_of(g, n, &read);
    note_loads(g, loop_plan(g, n), &read);
    return;
  }
  Inst *k;
  if (n->op == OP_ARGMAX || n->op == OP_ARGSORT || n->op == OP_CUMSUM) {
    k = inst_new(g, IK_LOOPS, n);
    f->place = f->dest ? f->dest : place_new(g, n, NULL, 0, k->prologue);
  } else if (n->op == OP_CAUSAL_CONV || n->op == OP_CONV_GRAD || n->op == OP_SCATTER) {
    for (int i = 0; i < 2 && n->op == OP_CONV_GRAD; i++)
      recompute_operand(g, n->in[i], n);
    k = builtin_plan(g, n);
  } else {
    plan_error(g->p, n->span, "%s is not compiled yet", op_name(n->op));
    return;
  }
  Deps d = {0};
  deps_of(g, n, &d);
  note_loads(g, k, &d);
  f->inst = k;
  vec_push(g->a, &k->m, (Member){.node = n, .role = ROLE_FULL, .place = f->place});
}

// n's value once more, at dest.
void fuse_shadow(Prog *g, Node *n, Place *dest, bool prologue) {
  Deps d = {0};
  deps_below(g, n, &d);
  Node domain = *n;
  domain.ax = dest->ax;
  domain.nax = dest->nax;
  Inst *k = new_rows(g, n, &domain, vector_axis(g, &domain, dest));
  k->prologue = prologue;
  note_loads(g, k, &d);
  vec_push(g->a, &k->m, (Member){.node = n, .role = ROLE_FULL, .place = dest, .copy = true});
}

void fuse_copy(Prog *g, Node *n, Place *dest, bool prologue) {
  fuse_shadow(g, n, dest, prologue);
  plan_remark(g->p, false, n->span, "%s is stored once more for another layout", op_name(n->op));
}

// The value at `dest` if it was computed there, else a copy.
static void ensure_at(Prog *g, Node *n, Place *dest, bool prologue) {
  if (info_of(g, n)->place != dest)
    fuse_copy(g, n, dest, prologue);
}

static void start_scatter(Prog *g, Node *sum) {
  Info *f = info_of(g, sum);
  Node *x = view_base(sum->in[0]) == f->scatter ? sum->in[1] : sum->in[0];
  ensure_at(g, x, f->whole, g->prologue && f->steady);
  start_other(g, f->scatter);
  g->inst.v[g->inst.n - 1]->accumulate = true;
}

// What was told to be computed at its place within a larger one is there, or is copied now.
static void start_join(Prog *g, Node *n) {
  Info *f = info_of(g, n);
  bool prologue = g->prologue && f->steady;
  if (n->op == OP_CONCAT) {
    for (int i = 0; i < n->nin; i++)
      ensure_at(g, n->in[i], f->piece[i], prologue);
  } else if (n->op == OP_ADD) {
    start_scatter(g, n);
  } else if (info_of(g, n->in[0])->place != f->inner) {
    f->dest = f->place; // its operand went elsewhere
    f->place = NULL;
    Deps d = {0};
    deps_of(g, n, &d);
    start_map(g, n, &d);
    return;
  }
  Inst *k = inst_new(g, IK_JOIN, n);
  f->inst = k;
  vec_push(g->a, &k->m, (Member){.node = n, .role = ROLE_FULL, .place = f->place});
}

static void place_leaf(Prog *g, Node *n) {
  Info *f = info_of(g, n);
  if (n->op == OP_PARAM) {
    for (int i = 0; i < g->g->params.n && !f->place; i++)
      if (g->g->params.v[i]->node == n)
        f->place = place_param(g, g->g->params.v[i], false);
  } else if (n->op == OP_INPUT) {
    int i = 0, number = 0; // among those that the program reads
    for (; i < g->g->inputs.n && g->g->inputs.v[i]->node != n; i++)
      number += g->reads[i];
    if (i == g->g->inputs.n)
      BUG("input %s is not in the graph's list", n->attr.name);
    const Input *in = g->g->inputs.v[i];
    int buf = buf_add(g, BIGS_INPUT, (DType)n->dtype, extents(in->ax, in->nax), in->name);
    g->buf.v[buf].index = number;
    f->place = place_dense(g, buf, (DType)n->dtype, in->ax, in->nax);
  }
}

static void schedule_node(Prog *g, Node *n) {
  Info *f = info_of(g, n);
  if (f->delayed)
    return;
  if (f->alias) {
    start_join(g, n);
    return;
  }
  if (op_flags(n->op) & F_LEAF && !f->must)
    return;
  if (!f->must && !f->want)
    return;
  if (n->op == OP_CONTRACT && n->attr.naxes) {
    start_contraction(g, n);
    return;
  }
  if (!is_map(n) && !is_reduction(n) && !(op_flags(n->op) & F_LEAF)) {
    start_other(g, n);
    return;
  }
  Deps d = {0};
  deps_of(g, n, &d);
  Role role = role_of(g, n);
  Inst *k = find_join(g, n, &d, &role);
  if (k)
    join(g, k, n, role, &d);
  else if (is_reduction(n))
    start_reduction(g, n, &d, role);
  else if (f->must)
    start_map(g, n, &d);
}

void fuse_schedule(Prog *g) {
  g->inst.n = 0;
  g->staged.n = 0;
  for (int i = 0; i < g->nnode; i++) {
    Info *f = info_of(g, g->node[i]);
    f->inst = NULL;
    f->needed = false;
    bool memory = g->node[i]->op == OP_PARAM || g->node[i]->op == OP_INPUT;
    f->place = f->alias ? f->whole : memory ? f->place : NULL;
    if (memory && !f->place)
      place_leaf(g, g->node[i]);
  }
  for (int i = 0; i < g->nnode; i++)
    schedule_node(g, g->node[i]);
  for (int i = 0; i < g->nout; i++) {
    Info *f = info_of(g, g->outs[i].node);
    if (f->place != g->outplace[i])
      fuse_copy(g, g->outs[i].node, g->outplace[i], false);
  }
}

// ---- what has to be in memory

static void need_below(Prog *g, Node *n, const Inst *k) {
  Deps d = {0};
  deps_below(g, n, &d);
  for (int i = 0; i < d.v.n; i++)
    if (info_of(g, d.v.v[i].node)->inst != k)
      info_of(g, d.v.v[i].node)->needed = true;
}

void fuse_needed(Prog *g) {
  for (int i = 0; i < g->inst.n; i++) {
    Inst *k = g->inst.v[i];
    for (int j = 0; j < k->m.n && k->kind != IK_FINISH; j++) {
      Member *m = &k->m.v[j];
      if (m->copy)
        need_below(g, m->node, k);
      else
        for (int x = 0; x < m->node->nin; x++)
          need_below(g, m->node->in[x], k);
    }
  }
  for (int i = 0; i < g->nout; i++)
    if (info_of(g, g->outs[i].node)->place == g->outplace[i])
      info_of(g, g->outs[i].node)->needed = true;
}
