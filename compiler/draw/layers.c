// See layers.h: rows, cells, and what is made of their places.
#include "compiler/draw/layers_internal.h"
#include <math.h>

// ---- rows
static void push_down(Layers *l, int first) {
  for (int i = 0; i < l->nnode; i++)
    l->node[i].row = l->node[i].pin == LAYER_TOP ? 0 : first;
  for (int v = 0; v < l->nnode; v++) // edges go to higher numbers
    for (int e = 0; e < l->nedge; e++)
      if (l->edge[e].to == v && l->node[v].row <= l->node[l->edge[e].from].row)
        l->node[v].row = l->node[l->edge[e].from].row + 1;
}

// The row above those that read it; -1: nobody does.
static int lowest_row(const Layers *l, int v, int *in, int *out) {
  int lowest = -1;
  *in = *out = 0;
  for (int e = 0; e < l->nedge; e++) {
    *in += l->edge[e].to == v;
    if (l->edge[e].from != v)
      continue;
    int row = l->node[l->edge[e].to].row - 1;
    lowest = !*out || row < lowest ? row : lowest;
    ++*out;
  }
  return lowest;
}

// What has few operands stands near those that read it: fewer edges are long so.
static void pull_down(Layers *l) {
  for (int v = l->nnode - 1; v >= 0; v--) {
    int in, out, lowest = lowest_row(l, v, &in, &out);
    if (l->node[v].pin == LAYER_FREE && lowest > l->node[v].row && in < out + (in == 0))
      l->node[v].row = lowest;
  }
}

// ---- tall boxes side by side
static double height_of_rows(const Layers *l) {
  double sum = 0;
  for (int r = 0; r < l->nrow; r++) {
    double h = 0;
    for (int i = 0; i < l->nnode; i++)
      h = l->node[i].row == r ? fmax(h, l->node[i].h + l->node[i].room) : h;
    sum += h;
  }
  return sum;
}

static int highest_row(const Layers *l, int v, int first) {
  int row = first;
  for (int e = 0; e < l->nedge; e++)
    if (l->edge[e].to == v && l->node[l->edge[e].from].row >= row)
      row = l->node[l->edge[e].from].row + 1;
  return row;
}

// The row, of those that its neighbours leave, in which it adds least to the height of all.
static bool move_node(Layers *l, int v, int first) {
  int in, out, old = l->node[v].row, best = old, lowest = lowest_row(l, v, &in, &out);
  double least = height_of_rows(l);
  for (int row = highest_row(l, v, first); row <= lowest; row++) {
    l->node[v].row = row;
    double h = height_of_rows(l);
    if (h < least - 1)
      best = row, least = h;
  }
  l->node[v].row = best;
  return best != old;
}

static void level_out(Layers *l, int first) {
  bool moved = true;
  for (int i = 0; i < 4 && moved; i++) {
    moved = false;
    for (int v = 0; v < l->nnode; v++)
      moved |= l->node[v].pin == LAYER_FREE && move_node(l, v, first);
  }
}

static void set_rows(Arena *a, Layers *l) {
  int first = 0, last = 0;
  for (int i = 0; i < l->nnode; i++)
    first |= l->node[i].pin == LAYER_TOP;
  push_down(l, first);
  for (int i = 0; i < l->nnode; i++)
    last = l->node[i].pin != LAYER_BOTTOM && l->node[i].row > last ? l->node[i].row : last;
  l->nrow = last + 1;
  for (int i = 0; i < l->nnode; i++)
    if (l->node[i].pin == LAYER_BOTTOM) {
      l->node[i].row = last + 1;
      l->nrow = last + 2;
    }
  pull_down(l);
  level_out(l, first);
  l->row = NEWN(a, LayerRow, l->nrow + 1);
}

// ---- cells
static int new_cell(LayerPlan *p, LayerCell c) {
  vec_push(p->a, &p->cell, c);
  vec_push(p->a, &p->row[c.row], p->cell.n - 1);
  return p->cell.n - 1;
}

// Edges from one place share what they pass, as long as they go together.
static int passing_cell(LayerPlan *p, const LayerEdge *e, int row) {
  for (int i = 0; i < p->row[row].n; i++) {
    const LayerCell *c = &p->cell.v[p->row[row].v[i]];
    if (c->node < 0 && c->from == e->from && c->out == e->out)
      return p->row[row].v[i];
  }
  return new_cell(p, (LayerCell){.node = -1, .from = e->from, .out = e->out, .row = row});
}

static void add_seam(LayerPlan *p, LayerSeam s) {
  for (int i = 0; i < p->seam.n; i++)
    if (p->seam.v[i].up == s.up && p->seam.v[i].down == s.down && p->seam.v[i].out == s.out &&
        p->seam.v[i].in == s.in)
      return;
  vec_push(p->a, &p->seam, s);
}

static void add_edge(LayerPlan *p, int i) {
  const LayerEdge *e = &p->l->edge[i];
  int from = p->l->node[e->from].row, to = p->l->node[e->to].row, up = e->from;
  int *way = p->way[i] = NEWN(p->a, int, to - from + 1);
  way[0] = up;
  for (int row = from + 1; row <= to; row++) {
    int down = row < to ? passing_cell(p, e, row) : e->to;
    add_seam(p, (LayerSeam){up, down, row == from + 1 ? e->out : 0, row < to ? 0 : e->in});
    way[row - from] = up = down;
  }
}

static void make_cells(LayerPlan *p) {
  Layers *l = p->l;
  p->row = NEWN(p->a, LayerOrder, l->nrow + 1);
  p->way = NEWN(p->a, int *, l->nedge + 1);
  for (int i = 0; i < l->nnode; i++)
    new_cell(p, (LayerCell){.node = i,
                            .from = i,
                            .w = fmax(l->node[i].w, l->node[i].reach),
                            .row = l->node[i].row});
  for (int i = 0; i < l->nedge; i++)
    add_edge(p, i);
}

// ---- heights
// Edges that go far to the side get more room for it.
static double gap_under(const LayerPlan *p, int row) {
  double far = 0;
  for (int i = 0; i < p->seam.n; i++) {
    const LayerSeam *s = &p->seam.v[i];
    const LayerCell *up = &p->cell.v[s->up], *down = &p->cell.v[s->down];
    if (up->row == row)
      far = fmax(far, fabs(down->x + fmax(s->in, 0) - up->x - s->out));
  }
  return p->l->gap_y + fmin(far / 10, 36);
}

static void set_heights(LayerPlan *p) {
  Layers *l = p->l;
  double y = 0;
  for (int r = 0; r < l->nrow; r++) {
    double h = 0;
    for (int i = 0; i < l->nnode; i++)
      h = l->node[i].row == r ? fmax(h, l->node[i].h + l->node[i].room) : h;
    l->row[r] = (LayerRow){y, y + h};
    l->h = y + h;
    y += h + gap_under(p, r);
  }
  for (int i = 0; i < l->nnode; i++)
    l->node[i].y = l->row[l->node[i].row].top;
}

// ---- edges
static void set_way(const LayerPlan *p, int i) {
  Layers *l = p->l;
  LayerEdge *e = &l->edge[i];
  const LayerNode *from = &l->node[e->from], *to = &l->node[e->to];
  e->n = to->row - from->row + 1;
  e->piece = NEWN(p->a, LayerPiece, e->n);
  for (int k = 0; k < e->n; k++) {
    const LayerRow *row = &l->row[from->row + k];
    e->piece[k] = (LayerPiece){p->cell.v[p->way[i][k]].x, row->top, row->bottom, from->row + k};
  }
  e->piece[0].x = from->x + e->out;
  e->piece[0].y0 = from->y + from->h;
  e->piece[e->n - 1].x = to->x + e->in;
  e->piece[e->n - 1].y1 = to->y;
}

static void take_places(LayerPlan *p) {
  Layers *l = p->l;
  double left = INFINITY;
  for (int i = 0; i < p->cell.n; i++)
    left = fmin(left, p->cell.v[i].x);
  for (int i = 0; i < p->cell.n; i++) {
    p->cell.v[i].x -= left;
    l->w = fmax(l->w, p->cell.v[i].x + p->cell.v[i].w);
  }
  for (int i = 0; i < l->nnode; i++)
    l->node[i].x = p->cell.v[i].x;
}

void layers_place(Arena *a, Layers *l) {
  LayerPlan p = {.a = a, .l = l};
  l->w = l->h = 0;
  if (!l->nnode)
    return;
  set_rows(a, l);
  make_cells(&p);
  layers_order(&p);
  layers_columns(&p);
  take_places(&p);
  set_heights(&p);
  for (int i = 0; i < l->nedge; i++)
    set_way(&p, i);
}
