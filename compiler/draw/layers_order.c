// In which order the cells of each row stand: barycenters, up and down, and of all orders the one with the fewest crossings.
#include "compiler/draw/layers_internal.h"
#include <string.h>

enum { ORDER_SWEEPS = 24 };

static void number_row(LayerPlan *p, int r) {
  for (int i = 0; i < p->row[r].n; i++)
    p->cell.v[p->row[r].v[i]].place = i;
}

// Where a seam leaves its upper cell, or ends in the lower one: finer than the cells' places.
static double upper_place(const LayerPlan *p, const LayerSeam *s) {
  const LayerCell *c = &p->cell.v[s->up];
  return c->place + (c->w > 0 ? 0.9 * s->out / c->w : 0);
}
static double lower_place(const LayerPlan *p, const LayerSeam *s) {
  const LayerCell *c = &p->cell.v[s->down];
  return c->place + (c->w > 0 && s->in >= 0 ? 0.9 * s->in / c->w : 0.45);
}

static bool seams_cross(const LayerPlan *p, const LayerSeam *s, const LayerSeam *t) {
  double up = upper_place(p, s) - upper_place(p, t), down = lower_place(p, s) - lower_place(p, t);
  return p->cell.v[s->up].row == p->cell.v[t->up].row && up * down < 0;
}

static int count_crossings(const LayerPlan *p) {
  int n = 0;
  for (int i = 0; i < p->seam.n; i++)
    for (int j = 0; j < i; j++)
      n += seams_cross(p, &p->seam.v[i], &p->seam.v[j]);
  return n;
}

// The mean place of what a cell is joined with above, or below; its own where that is nothing.
static double barycenter(const LayerPlan *p, int cell, bool above) {
  double sum = 0;
  int n = 0;
  for (int i = 0; i < p->seam.n; i++) {
    const LayerSeam *s = &p->seam.v[i];
    if ((above ? s->down : s->up) == cell) {
      sum += above ? upper_place(p, s) : lower_place(p, s);
      n++;
    }
  }
  return n ? sum / n : p->cell.v[cell].place;
}

static void sort_row(LayerPlan *p, int r, bool above) {
  LayerOrder *row = &p->row[r];
  double *key = NEWN(p->a, double, row->n + 1);
  for (int i = 0; i < row->n; i++)
    key[i] = barycenter(p, row->v[i], above);
  for (int i = 1; i < row->n; i++)
    for (int j = i; j && key[j] < key[j - 1]; j--) {
      double k = key[j];
      int c = row->v[j];
      key[j] = key[j - 1], key[j - 1] = k;
      row->v[j] = row->v[j - 1], row->v[j - 1] = c;
    }
  number_row(p, r);
}

static void sweep(LayerPlan *p, bool down) {
  for (int r = 1; r < p->l->nrow; r++)
    sort_row(p, down ? r : p->l->nrow - 1 - r, down);
}

static void swap_cells(LayerPlan *p, int r, int i) {
  int c = p->row[r].v[i];
  p->row[r].v[i] = p->row[r].v[i + 1];
  p->row[r].v[i + 1] = c;
  number_row(p, r);
}

// Neighbours change places where that helps.
static int exchange(LayerPlan *p, int best) {
  for (int r = 0; r < p->l->nrow; r++)
    for (int i = 0; best && i + 1 < p->row[r].n; i++) {
      swap_cells(p, r, i);
      int n = count_crossings(p);
      if (n < best)
        best = n;
      else
        swap_cells(p, r, i);
    }
  return best;
}

static void keep_order(const LayerPlan *p, LayerOrder *kept) {
  for (int r = 0; r < p->l->nrow; r++) {
    kept[r].n = 0;
    for (int i = 0; i < p->row[r].n; i++)
      vec_push(p->a, &kept[r], p->row[r].v[i]);
  }
}

void layers_order(LayerPlan *p) {
  LayerOrder *best = NEWN(p->a, LayerOrder, p->l->nrow + 1);
  for (int r = 0; r < p->l->nrow; r++)
    number_row(p, r);
  int least = count_crossings(p);
  keep_order(p, best);
  for (int i = 0; i < ORDER_SWEEPS && least; i++) {
    sweep(p, i % 2 == 0);
    int n = count_crossings(p);
    if (n < least) {
      least = n;
      keep_order(p, best);
    }
  }
  for (int r = 0; r < p->l->nrow; r++) {
    memcpy(p->row[r].v, best[r].v, sizeof(int) * (size_t)best[r].n);
    number_row(p, r);
  }
  p->l->crossings = exchange(p, least);
}
