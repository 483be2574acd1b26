// Drawing in rows: boxes and edges that do not touch, chains that are straight.
#include "compiler/draw/layers.h"
#include "base/rng.h"
#include "tests/unit/suites.h"
#include <math.h>

enum { MAX_NODES = 24, MAX_EDGES = 60 };
typedef struct DrawnGraph {
  Arena *a;
  Layers l;
  LayerNode node[MAX_NODES];
  LayerEdge edge[MAX_EDGES];
} DrawnGraph;

static void start(DrawnGraph *d) {
  *d = (DrawnGraph){.a = arena_new(), .l = {.gap_x = 20, .gap_y = 24}};
  d->l.node = d->node;
  d->l.edge = d->edge;
}

static int add(DrawnGraph *d, double w, double h) {
  d->node[d->l.nnode] = (LayerNode){.w = w, .h = h};
  return d->l.nnode++;
}

static void join(DrawnGraph *d, int from, int to) {
  d->edge[d->l.nedge++] = (LayerEdge){from, to, d->node[from].w / 2, -1, NULL, 0};
}

static bool overlap(const LayerNode *a, const LayerNode *b) {
  return a->x < b->x + b->w && b->x < a->x + a->w && a->y < b->y + b->h && b->y < a->y + a->h;
}

// Between rows are no boxes, so an edge meets one in its vertical pieces or nowhere.
static bool passes(const LayerEdge *e, const LayerNode *n) {
  for (int i = 0; i < e->n; i++) {
    const LayerPiece *p = &e->piece[i];
    if (p->x > n->x && p->x < n->x + n->w && p->y0 < n->y + n->h - 0.01 && p->y1 > n->y + 0.01)
      return true;
  }
  return false;
}

static void check_places(const DrawnGraph *d) {
  const Layers *l = &d->l;
  for (int i = 0; i < l->nnode; i++) {
    ck_assert(l->node[i].x >= 0 && l->node[i].x + l->node[i].w <= l->w + 0.01);
    ck_assert(l->node[i].y >= 0 && l->node[i].y + l->node[i].h <= l->h + 0.01);
    for (int j = 0; j < i; j++)
      ck_assert_msg(!overlap(&l->node[i], &l->node[j]), "boxes %d and %d", i, j);
    for (int e = 0; e < l->nedge; e++)
      ck_assert_msg(!passes(&l->edge[e], &l->node[i]), "edge %d through box %d", e, i);
  }
}

static void check_ends(const DrawnGraph *d) {
  for (int i = 0; i < d->l.nedge; i++) {
    const LayerEdge *e = &d->edge[i];
    const LayerNode *from = &d->node[e->from], *to = &d->node[e->to];
    ck_assert_double_eq_tol(e->piece[0].x, from->x + e->out, 1e-6);
    ck_assert_double_eq_tol(e->piece[0].y0, from->y + from->h, 1e-6);
    ck_assert_double_eq_tol(e->piece[e->n - 1].y1, to->y, 1e-6);
    ck_assert(e->in >= 0 && e->in <= to->w);
    for (int k = 0; k < e->n; k++)
      ck_assert_int_eq(e->piece[k].row, from->row + k);
  }
}

START_TEST(chains_are_straight) {
  DrawnGraph d;
  start(&d);
  for (int i = 0; i < 8; i++) {
    add(&d, 40 + 20 * (i % 3), 20);
    if (i)
      join(&d, i - 1, i);
  }
  join(&d, 0, 3); // residual ones, at the side
  join(&d, 3, 7);
  layers_place(d.a, &d.l);
  check_places(&d);
  check_ends(&d);
  ck_assert_int_eq(d.l.crossings, 0);
  for (int i = 0; i < 7; i++) // the chain's own edges
    ck_assert_double_eq_tol(d.edge[i].piece[0].x, d.edge[i].piece[1].x, 0.5);
  for (int i = 7; i < 9; i++)
    for (int k = 2; k + 1 < d.edge[i].n; k++)
      ck_assert_double_eq_tol(d.edge[i].piece[k].x, d.edge[i].piece[k - 1].x, 1e-6);
  arena_free(d.a);
}
END_TEST

START_TEST(first_and_last_rows) {
  DrawnGraph d;
  start(&d);
  int in = add(&d, 6, 6), source = add(&d, 50, 20), sum = add(&d, 30, 20), out = add(&d, 6, 0);
  d.node[in].pin = LAYER_TOP;
  d.node[out].pin = LAYER_BOTTOM;
  int unread = add(&d, 30, 20);
  join(&d, in, sum);
  join(&d, source, sum);
  join(&d, sum, out);
  layers_place(d.a, &d.l);
  check_places(&d);
  ck_assert(d.node[in].row == 0 && d.node[source].row == 1 && d.node[sum].row == 2);
  ck_assert(d.node[out].row == 3 && d.node[unread].row > 0 && d.node[unread].row < 3);
  arena_free(d.a);
}
END_TEST

// Two tall boxes that may stand side by side do, though one has a small one before it.
START_TEST(tall_boxes_side_by_side) {
  DrawnGraph d;
  start(&d);
  int in = add(&d, 30, 20), flip = add(&d, 30, 20), left = add(&d, 90, 400),
      right = add(&d, 90, 400);
  int sum = add(&d, 30, 20);
  join(&d, in, flip);
  join(&d, in, left);
  join(&d, flip, right);
  join(&d, left, sum);
  join(&d, right, sum);
  layers_place(d.a, &d.l);
  check_places(&d);
  ck_assert_int_eq(d.node[left].row, d.node[right].row);
  ck_assert(d.l.h < 700);
  arena_free(d.a);
}
END_TEST

static uint32_t draw(uint64_t seed, uint64_t i, uint32_t below) {
  return rng_below(rng_element((uint32_t)seed, 77, i), below);
}

static void random_graph(DrawnGraph *d, uint64_t seed) {
  start(d);
  int n = 4 + (int)draw(seed, 0, MAX_NODES - 4);
  for (int i = 0; i < n; i++) {
    add(d, 20 + draw(seed, 10 + (uint64_t)i, 120), 16 + draw(seed, 100 + (uint64_t)i, 60));
    d->node[i].room = i % 3 ? 0 : 12;
    d->node[i].reach = i % 4 ? 0 : d->node[i].w + 20;
  }
  for (int i = 0; i < 2 * n; i++) {
    int to = 1 + (int)draw(seed, 200 + (uint64_t)i, (uint32_t)n - 1);
    join(d, (int)draw(seed, 300 + (uint64_t)i, (uint32_t)to), to);
  }
}

START_TEST(any_graph) {
  DrawnGraph d, again;
  random_graph(&d, (uint64_t)_i);
  random_graph(&again, (uint64_t)_i);
  layers_place(d.a, &d.l);
  layers_place(again.a, &again.l);
  check_places(&d);
  check_ends(&d);
  for (int i = 0; i < d.l.nnode; i++)
    ck_assert(d.node[i].x == again.node[i].x && d.node[i].y == again.node[i].y);
  arena_free(d.a);
  arena_free(again.a);
}
END_TEST

Suite *layers_suite(void) {
  Suite *s = suite_create("layers");
  TCase *t = tcase_create("layers");
  tcase_add_test(t, chains_are_straight);
  tcase_add_test(t, first_and_last_rows);
  tcase_add_test(t, tall_boxes_side_by_side);
  tcase_add_loop_test(t, any_graph, 0, 60);
  suite_add_tcase(s, t);
  return s;
}
