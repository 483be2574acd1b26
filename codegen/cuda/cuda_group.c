// Which steps of a program a GPU does in one launch: those of one kernel that do not depend on each other.
// A launch costs some microseconds, which is more than many small steps take.
//
// Steps stand in a line of places; a group has one.  A step may move to any gap between the last place
// that it depends on and the first that depends on it, while all others stay.  Kernel by kernel, steps
// whose gaps have one in common move there together.  What moves make live for longer is bounded, at
// sizes that are as good as any.
#include "codegen/cuda/cuda_internal.h"
#include "base/dtype.h"
#include <stdlib.h>
#include <string.h>

enum {
  DIM = 64,
  SHARE = 16,
  GROUP_MOST = 128,
  PASSES = 2
}; // SHARE: of the peak, that moves may add

typedef VEC(int32_t) Ints;
typedef struct Grouping {
  Arena *arena;
  const BigsModule *m;
  LKernel *const *kernels;
  const BigsProgram *p;
  int32_t *root;         // of each buffer: the one that stands for the memory that it shares
  int64_t *bytes;        // of a root in the arena; 0: it lies elsewhere
  Ints *before, *after;  // of each step
  int32_t *place;        // of each step
  int32_t *first, *last; // places where a root is used
  Ints *line;            // steps at each place
  int nline, nprologue;  // places in all, and of the prologue
  int64_t room;          // bytes that moves may still add
} Grouping;

// ---- memory
static int whole_of(const BigsProgram *p, int b) {
  while (p->buffer[b].where == BIGS_PIECE)
    b = p->buffer[b].index;
  return b;
}

static int64_t size_of(const Grouping *g, BigsSize size) {
  int64_t sym[MAX_SYMS];
  for (int i = 0; i < MAX_SYMS; i++) {
    int64_t bound = i < g->m->ndim ? g->m->dim[i].bound : 0;
    sym[i] = bound && bound < DIM ? bound : DIM;
  }
  return size ? poly_eval(&g->m->poly[size], sym) : 0;
}

static int64_t bytes_of(const Grouping *g, const BigsBuffer *b) {
  int64_t n = size_of(g, b->size);
  if (b->block > 0)
    n *= (size_of(g, b->rows) + b->block - 1) / b->block;
  return n * dtype_size((DType)b->dtype);
}

static bool same_memory(const Grouping *g, const BigsBuffer *a, const BigsBuffer *b) {
  if (a->where != b->where)
    return false;
  if (a->where == BIGS_INPUT || a->where == BIGS_OUTPUT)
    return a->index == b->index;
  if (a->where != BIGS_PARAM && a->where != BIGS_GRAD)
    return false;
  int64_t x = size_of(g, a->offset), y = size_of(g, b->offset);
  return x < y + bytes_of(g, b) && y < x + bytes_of(g, a);
}

static void join_roots(Grouping *g, int a, int b) {
  int from = g->root[b], to = g->root[a];
  for (int i = 0; i < g->p->nbuffer && from != to; i++)
    if (g->root[i] == from)
      g->root[i] = to;
}

static void find_roots(Grouping *g) {
  const BigsProgram *p = g->p;
  for (int i = 0; i < p->nbuffer; i++) {
    g->root[i] = whole_of(p, i);
    g->bytes[i] = p->buffer[i].where == BIGS_ARENA ? bytes_of(g, &p->buffer[i]) : 0;
  }
  for (int i = 0; i < p->nbuffer; i++)
    for (int k = 0; k < i; k++)
      if (same_memory(g, &p->buffer[k], &p->buffer[i]))
        join_roots(g, k, i);
}

// ---- what depends on what
static void add_edge(Grouping *g, int from, int to) {
  if (from < 0 || from == to)
    return;
  vec_push(g->arena, &g->after[from], to);
  vec_push(g->arena, &g->before[to], from);
}

// Of argument i of step s; `writer` and `readers` of each root so far.
static void add_use(Grouping *g, int s, int i, int32_t *writer, Ints *readers) {
  const BigsStep *step = &g->p->step[s];
  int r = g->root[step->arg[i]];
  add_edge(g, writer[r], s);
  if (!g->kernels[step->index]->mem.v[i].written) {
    vec_push(g->arena, &readers[r], s);
    return;
  }
  for (int k = 0; k < readers[r].n; k++)
    add_edge(g, readers[r].v[k], s);
  readers[r].n = 0;
  writer[r] = s;
}

static void find_edges(Grouping *g) {
  int32_t *writer = NEWN(g->arena, int32_t, g->p->nbuffer + 1);
  Ints *readers = NEWN(g->arena, Ints, g->p->nbuffer + 1);
  for (int i = 0; i < g->p->nbuffer; i++)
    writer[i] = -1;
  for (int s = 0; s < g->p->nstep; s++)
    for (int i = 0; i < g->p->step[s].narg; i++)
      add_use(g, s, i, writer, readers);
}

// ---- places
static void note_places(Grouping *g) {
  for (int i = 0; i < g->p->nbuffer; i++)
    g->first[i] = INT32_MAX, g->last[i] = -1;
  g->nprologue = 0;
  for (int at = 0; at < g->nline; at++)
    for (int k = 0; k < g->line[at].n; k++) {
      int s = g->line[at].v[k];
      g->place[s] = at;
      g->nprologue += !k && s < g->p->nprologue;
      for (int i = 0; i < g->p->step[s].narg; i++) {
        int r = g->root[g->p->step[s].arg[i]];
        g->first[r] = g->first[r] < at ? g->first[r] : at;
        g->last[r] = at;
      }
    }
}

static int first_gap(const Grouping *g, int s) {
  int gap = s < g->p->nprologue ? 0 : g->nprologue;
  for (int i = 0; i < g->before[s].n; i++)
    if (g->place[g->before[s].v[i]] >= gap)
      gap = g->place[g->before[s].v[i]] + 1;
  return gap;
}

static int last_gap(const Grouping *g, int s) {
  int gap = s < g->p->nprologue ? g->nprologue : g->nline;
  for (int i = 0; i < g->after[s].n; i++)
    if (g->place[g->after[s].v[i]] < gap)
      gap = g->place[g->after[s].v[i]];
  return gap;
}

// Bytes that live longer when the step moves there.
static int64_t cost_of(const Grouping *g, int s, int gap) {
  const BigsStep *step = &g->p->step[s];
  int64_t cost = 0;
  if (gap == g->place[s] || gap == g->place[s] + 1)
    return 0;
  for (int i = 0; i < step->narg; i++) {
    int r = g->root[step->arg[i]];
    if (gap > g->place[s] ? g->last[r] < gap : g->first[r] >= gap)
      cost += g->bytes[r];
  }
  return cost;
}

static int64_t peak_bytes(const Grouping *g) {
  int64_t peak = 0, live = 0;
  int64_t *change = NEWN(g->arena, int64_t, g->nline + 2);
  for (int i = 0; i < g->p->nbuffer; i++)
    if (g->bytes[i] && g->last[i] >= 0) {
      change[g->first[i]] += g->bytes[i];
      change[g->last[i] + 1] -= g->bytes[i];
    }
  for (int at = 0; at < g->nline; at++) {
    live += change[at];
    peak = live > peak ? live : peak;
  }
  return peak;
}

// ---- groups
typedef struct Mover {
  int step, first, last;
} Mover;

static int by_last_gap(const void *a, const void *b) {
  const Mover *x = a, *y = b;
  return x->last != y->last ? x->last - y->last : x->step - y->step;
}

// Steps of the kernel that stand alone.
static int find_movers(const Grouping *g, int kernel, Mover *v) {
  int n = 0;
  for (int s = 0; s < g->p->nstep; s++) {
    const BigsStep *step = &g->p->step[s];
    if (step->kind == BIGS_KERNEL && step->index == kernel && !step->gemm && !step->scratch &&
        g->line[g->place[s]].n == 1)
      v[n++] = (Mover){s, first_gap(g, s), last_gap(g, s)};
  }
  qsort(v, (size_t)n, sizeof *v, by_last_gap);
  return n;
}

static bool is_apart(const Grouping *g, int s, const Ints *group) {
  bool apart = true;
  for (int i = 0; i < group->n && apart; i++) {
    int other = group->v[i];
    for (int k = 0; k < g->before[s].n; k++)
      apart = apart && g->before[s].v[k] != other;
    for (int k = 0; k < g->after[s].n; k++)
      apart = apart && g->after[s].v[k] != other;
  }
  return apart;
}

// Those of v[0..n), which stand by their last gaps, that can move to the gap; *cost: what that adds.
static Ints gather(const Grouping *g, const Mover *v, int n, int gap, int64_t *cost) {
  Ints out = {0};
  *cost = 0;
  for (int i = 0; i < n && out.n < GROUP_MOST; i++) {
    int64_t more = cost_of(g, v[i].step, gap);
    if (v[i].first > gap || v[i].last < gap || *cost + more > g->room ||
        !is_apart(g, v[i].step, &out))
      continue;
    vec_push(g->arena, &out, v[i].step);
    *cost += more;
  }
  return out;
}

static bool is_in(const Ints *group, int s) {
  bool in = false;
  for (int i = 0; i < group->n && !in; i++)
    in = group->v[i] == s;
  return in;
}

static void move_to(Grouping *g, const Ints *group, int gap) {
  Ints *line = NEWN(g->arena, Ints, g->nline + 2);
  int n = 0;
  for (int at = 0; at <= g->nline; at++) {
    if (at == gap)
      line[n++] = *group;
    if (at < g->nline && !is_in(group, g->line[at].v[0])) // who moves stood alone
      line[n++] = g->line[at];
  }
  g->line = line;
  g->nline = n;
  note_places(g);
}

// At the last gap of v[0], or at the first one that all who can be there have in common: where it costs
// less.
static bool group_first(Grouping *g, const Mover *v, int n) {
  int64_t late, early;
  int gap = v[0].last, common = 0;
  Ints group = gather(g, v, n, gap, &late);
  for (int i = 0; i < n; i++)
    if (is_in(&group, v[i].step) && v[i].first > common)
      common = v[i].first;
  Ints other = gather(g, v, n, common, &early);
  if (other.n > group.n || (other.n == group.n && early < late))
    group = other, gap = common, late = early;
  if (group.n < 2 || !is_in(&group, v[0].step))
    return false;
  g->room -= late;
  move_to(g, &group, gap);
  return true;
}

static void group_kernel(Grouping *g, int kernel) {
  Mover *v = NEWN(g->arena, Mover, g->p->nstep + 1);
  int n = find_movers(g, kernel, v), alone = 0;
  while (n - alone > 1)
    if (group_first(g, v + alone, n - alone))
      n = find_movers(g, kernel, v), alone = 0;
    else
      alone++;
}

// ---- a program
static void start(Grouping *g) {
  int n = g->p->nstep, nb = g->p->nbuffer + 1;
  g->root = NEWN(g->arena, int32_t, nb);
  g->bytes = NEWN(g->arena, int64_t, nb);
  g->first = NEWN(g->arena, int32_t, nb);
  g->last = NEWN(g->arena, int32_t, nb);
  g->before = NEWN(g->arena, Ints, n + 1);
  g->after = NEWN(g->arena, Ints, n + 1);
  g->place = NEWN(g->arena, int32_t, n + 1);
  g->line = NEWN(g->arena, Ints, n + 1);
  g->nline = n;
  for (int s = 0; s < n; s++)
    vec_push(g->arena, &g->line[s], s);
  find_roots(g);
  find_edges(g);
  note_places(g);
  g->room = peak_bytes(g) / SHARE;
}

static const BigsStep *steps_of(const Grouping *g) {
  BigsStep *out = NEWN(g->arena, BigsStep, g->p->nstep + 1), *to = out;
  for (int at = 0; at < g->nline; at++)
    for (int k = 0; k < g->line[at].n; k++) {
      *to = g->p->step[g->line[at].v[k]];
      to->group = (uint8_t)(!k && g->line[at].n > 1 ? g->line[at].n : 0);
      if (g->line[at].n > 1)
        g->kernels[to->index]->grouped = true;
      to++;
    }
  return out;
}

static void group_program(Arena *a, const BigsModule *m, LKernel *const *kernels, BigsProgram *p) {
  Grouping g = {.arena = a, .m = m, .kernels = kernels, .p = p};
  start(&g);
  for (int pass = 0; pass < PASSES; pass++)
    for (int k = 0; k < m->nkernel; k++)
      group_kernel(&g, k);
  p->step = steps_of(&g);
}

void cuda_groups(Arena *a, BigsModule *m, LKernel *const *kernels) {
  BigsProgram *p = NEWN(a, BigsProgram, m->nprogram + 1);
  memcpy(p, m->program, (size_t)m->nprogram * sizeof *p);
  for (int i = 0; i < m->nprogram; i++)
    if (p[i].kind == BIGS_ENTRY || p[i].kind == BIGS_GRADIENT)
      group_program(a, m, kernels, &p[i]);
  m->program = p;
}
