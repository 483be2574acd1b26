// Where the cells of rows stand from left to right: each below the median of what it is joined with, as far as its neighbours leave
// room, so that chains are straight.
#include "compiler/draw/layers_internal.h"
#include <math.h>

static const double FIRST = 1000; // boxes move edges that pass, and not the other way
enum { COLUMN_SWEEPS = 40, PASSING_GAP = 12, END_GAP = 10, END_SIDE = 8 };

// ---- values in order, as near as they can be to what they want: blocks of neighbours that touch move together
typedef struct SettleBlock {
  double sum, weight; // of what its members want, less what stands before them in it
  int n;
} SettleBlock;

static double block_at(const SettleBlock *b) {
  return b->sum / b->weight;
}

void layers_settle(Arena *a, const double *want, const double *weight, const double *gap, int n,
                   double *out) {
  SettleBlock *b = NEWN(a, SettleBlock, n + 1);
  double before = 0;
  int m = 0;
  for (int i = 0; i < n; i++) {
    before += gap[i];
    b[m++] = (SettleBlock){(want[i] - before) * weight[i], weight[i], 1};
    for (; m > 1 && block_at(&b[m - 2]) >= block_at(&b[m - 1]); m--)
      b[m - 2] = (SettleBlock){b[m - 2].sum + b[m - 1].sum, b[m - 2].weight + b[m - 1].weight,
                               b[m - 2].n + b[m - 1].n};
  }
  before = 0;
  for (int k = 0, i = 0; k < m; k++)
    for (int j = 0; j < b[k].n; j++, i++) {
      before += gap[i];
      out[i] = block_at(&b[k]) + before;
    }
}

// ---- what a cell wants
typedef struct Pull {
  double at, weight;
} Pull;
typedef VEC(Pull) Pulls;

static void add_pull(Arena *a, Pulls *v, Pull x) {
  vec_push(a, v, x);
  for (int i = v->n - 1; i && v->v[i].at < v->v[i - 1].at; i--) {
    Pull y = v->v[i];
    v->v[i] = v->v[i - 1];
    v->v[i - 1] = y;
  }
}

// Between the two in the middle where both are as good.
static double median_of(const Pulls *v) {
  double all = 0, sum = 0;
  for (int i = 0; i < v->n; i++)
    all += v->v[i].weight;
  for (int i = 0; i < v->n; i++) {
    sum += v->v[i].weight;
    if (fabs(2 * sum - all) < 1e-9)
      return (v->v[i].at + v->v[i + 1].at) / 2;
    if (2 * sum > all)
      return v->v[i].at;
  }
  return 0;
}

static double end_offset(const LayerPlan *p, const LayerSeam *s) {
  const LayerCell *c = &p->cell.v[s->down];
  return c->node < 0 ? 0 : s->in >= 0 ? s->in : p->l->node[c->node].w / 2;
}

// Boxes are to stand under boxes, and edges that pass are to be straight; where both meet, the edge gives way.
static double seam_weight(const LayerPlan *p, const LayerSeam *s) {
  bool up = p->cell.v[s->up].node >= 0, down = p->cell.v[s->down].node >= 0;
  return up && down ? 4 : up || down ? 0.5 : 8;
}

typedef enum Side { ABOVE = 1, BELOW = 2 } Side;
static double wanted_x(const LayerPlan *p, int cell, int sides, double *weight) {
  Pulls v = {0};
  *weight = 0.01;
  for (int i = 0; i < p->seam.n; i++) {
    const LayerSeam *s = &p->seam.v[i];
    double w = seam_weight(p, s), apart = s->out - end_offset(p, s);
    if (s->down == cell && sides & ABOVE)
      add_pull(p->a, &v, (Pull){p->cell.v[s->up].x + apart, w});
    if (s->up == cell && sides & BELOW)
      add_pull(p->a, &v, (Pull){p->cell.v[s->down].x - apart, w});
  }
  for (int i = 0; i < v.n; i++)
    *weight += v.v[i].weight;
  *weight *= p->cell.v[cell].node < 0 ? 1 : FIRST;
  return v.n ? median_of(&v) : p->cell.v[cell].x;
}

// From the left side of a cell to that of the next.
static double apart(const LayerPlan *p, const LayerCell *left, const LayerCell *right) {
  return left->w + (left->node < 0 || right->node < 0 ? PASSING_GAP : p->l->gap_x);
}

static void settle_row(LayerPlan *p, int r, int sides) {
  int n = p->row[r].n;
  double *want = NEWN(p->a, double, n + 1), *weight = NEWN(p->a, double, n + 1);
  double *gap = NEWN(p->a, double, n + 1), *x = NEWN(p->a, double, n + 1);
  for (int i = 0; i < n; i++) {
    int c = p->row[r].v[i];
    want[i] = wanted_x(p, c, sides, &weight[i]);
    gap[i] = i ? apart(p, &p->cell.v[p->row[r].v[i - 1]], &p->cell.v[c]) : 0;
  }
  layers_settle(p->a, want, weight, gap, n, x);
  for (int i = 0; i < n; i++)
    p->cell.v[p->row[r].v[i]].x = x[i];
}

static void pack_row(LayerPlan *p, int r) {
  double x = 0;
  for (int i = 0; i < p->row[r].n; i++) {
    LayerCell *c = &p->cell.v[p->row[r].v[i]];
    if (i)
      x += apart(p, &p->cell.v[p->row[r].v[i - 1]], c);
    c->x = x;
  }
}

// ---- edges that pass several rows: as straight as their neighbours leave them room
typedef struct Room {
  double lo, hi;
} Room;

static Room room_of(const LayerPlan *p, int cell) {
  const LayerCell *c = &p->cell.v[cell];
  const LayerOrder *row = &p->row[c->row];
  Room r = {-INFINITY, INFINITY};
  if (c->place) {
    const LayerCell *left = &p->cell.v[row->v[c->place - 1]];
    r.lo = left->x + apart(p, left, c);
  }
  if (c->place + 1 < row->n) {
    const LayerCell *right = &p->cell.v[row->v[c->place + 1]];
    r.hi = right->x - apart(p, c, right);
  }
  return r;
}

// The next cells of the way that can stand where the first of them does; *room: where all can.
static int straight_run(const LayerPlan *p, const int *way, int n, Room *room) {
  int i = 0;
  *room = (Room){-INFINITY, INFINITY};
  for (; i < n; i++) {
    Room r = room_of(p, way[i]);
    double lo = fmax(r.lo, room->lo), hi = fmin(r.hi, room->hi);
    if (lo > hi && i)
      break;
    *room = (Room){lo, hi};
  }
  return i;
}

// Below where the edge leaves, if it can; else where they are on the average.
static double run_x(const LayerPlan *p, const LayerEdge *e, const int *way, int n,
                    const Room *room) {
  double x = 0, leaves = p->cell.v[e->from].x + e->out;
  for (int j = 0; j < n; j++)
    x += p->cell.v[way[j]].x / n;
  return leaves >= room->lo && leaves <= room->hi ? leaves : x;
}

static void straighten(LayerPlan *p, const LayerEdge *e, const int *way, int n) {
  for (int i = 0, k; i < n; i += k) {
    Room room;
    k = straight_run(p, way + i, n - i, &room);
    double x = run_x(p, e, way + i, k, &room);
    for (int j = i; j < i + k; j++)
      p->cell.v[way[j]].x = fmin(fmax(x, room.lo), room.hi);
  }
}

static void straighten_all(LayerPlan *p) {
  for (int turn = 0; turn < 2; turn++)
    for (int i = 0; i < p->l->nedge; i++) {
      const LayerEdge *e = &p->l->edge[i];
      int n = p->l->node[e->to].row - p->l->node[e->from].row;
      if (n > 1)
        straighten(p, e, p->way[i] + 1, n - 1);
    }
}

// ---- where edges end that may end anywhere: as near to where they come from as the box allows
static double source_x(const LayerPlan *p, int edge) {
  const LayerEdge *e = &p->l->edge[edge];
  const int *way = p->way[edge];
  int n = p->l->node[e->to].row - p->l->node[e->from].row;
  return p->cell.v[way[n - 1]].x + (n == 1 ? e->out : 0);
}

static bool is_open(const LayerPlan *p, int edge, int node) {
  return p->l->edge[edge].to == node && p->l->edge[edge].in < 0;
}

static int open_ends(const LayerPlan *p, int node, int *edge) {
  int n = 0;
  for (int i = 0; i < p->l->nedge; i++)
    if (is_open(p, i, node)) {
      int j = n++;
      for (; j && source_x(p, edge[j - 1]) > source_x(p, i); j--)
        edge[j] = edge[j - 1];
      edge[j] = i;
    }
  return n;
}

// A value that is between lo and hi, or the middle of what is no range.
static double within(double x, double lo, double hi) {
  return lo > hi ? (lo + hi) / 2 : fmin(fmax(x, lo), hi);
}

static void set_ends(LayerPlan *p, int node, int *edge) {
  int n = open_ends(p, node, edge);
  double w = p->l->node[node].w, step = n > 1 ? fmin(END_GAP, (w - 2 * END_SIDE) / (n - 1)) : 0;
  double *want = NEWN(p->a, double, n + 1), *one = NEWN(p->a, double, n + 1);
  double *gap = NEWN(p->a, double, n + 1), *at = NEWN(p->a, double, n + 1);
  for (int i = 0; i < n; i++) {
    double before = END_SIDE + step * i, behind = w - END_SIDE - step * (n - 1 - i);
    want[i] = within(source_x(p, edge[i]) - p->cell.v[node].x, before, behind);
    one[i] = 1;
    gap[i] = i ? step : 0;
  }
  layers_settle(p->a, want, one, gap, n, at);
  for (int i = 0; i < n; i++)
    p->l->edge[edge[i]].in = at[i];
}

void layers_columns(LayerPlan *p) {
  int nrow = p->l->nrow, *edge = NEWN(p->a, int, p->l->nedge + 1);
  for (int r = 0; r < nrow; r++)
    pack_row(p, r);
  for (int i = 0; i < COLUMN_SWEEPS; i++) {
    int sides = i + 4 > COLUMN_SWEEPS ? ABOVE | BELOW : i % 2 ? BELOW : ABOVE;
    for (int r = 0; r < nrow; r++)
      settle_row(p, i % 2 ? nrow - 1 - r : r, sides);
  }
  straighten_all(p);
  for (int i = 0; i < p->l->nnode; i++)
    set_ends(p, i, edge);
}
