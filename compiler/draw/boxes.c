// See boxes.h: sizes and places.
#include "compiler/draw/boxes.h"
#include <math.h>
#include <string.h>

enum { PORT = 6, GAP_X = 26, GAP_Y = 24, PILL_PAD = 10, PILL_WIDTH = 48 };

// ---- text: widths of DejaVu Sans, which is wide, by kinds of characters
static double char_width(unsigned char c) {
  if (strchr("ijl.,:;'|![]()I/ ", c))
    return 0.39;
  if (strchr("frt-\"{}", c))
    return 0.45;
  if (strchr("mwMW%@", c))
    return 0.98;
  return c >= 'A' && c <= 'Z' ? 0.72 : c >= 0x80 ? 0.84 : 0.64;
}

double box_text_width(const char *text, double size, bool bold) {
  double w = 0;
  for (const char *s = text ? text : ""; *s; s++)
    w += ((unsigned char)*s & 0xC0) == 0x80 ? 0 : char_width((unsigned char)*s);
  return w * size * (bold ? 1.1 : 1);
}

static double title_width(const DrawBox *b) {
  double w = box_text_width(b->title, BOX_TITLE, true);
  w += b->what ? 7 + box_text_width(b->what, BOX_SMALL, false) : 0;
  w += b->child.n ? 20 : 0; // for the sign of a page that folds it
  return w + (b->times ? 14 + box_text_width(b->times, BOX_SMALL, true) : 0);
}

static double lines_width(const DrawBox *b) {
  double w = 0;
  for (int i = 0; i < b->line.n; i++)
    w = fmax(w, box_text_width(b->line.v[i], BOX_SMALL, false));
  return w;
}

double box_head_width(const DrawBox *b) {
  double title = b->title ? title_width(b) : 0;
  title -= b->times ? 14 + box_text_width(b->times, BOX_SMALL, true) : 0;
  return BOX_PAD + fmax(title, lines_width(b));
}

// ---- a box alone
static void size_closed(DrawBox *b) {
  double pad = b->kind == BOX_OPS ? PILL_PAD : BOX_PAD, title = b->title ? BOX_LINE + 3 : 0;
  b->w = 2 * pad + fmax(b->title ? title_width(b) : 0, lines_width(b));
  b->w = b->kind == BOX_OPS ? fmax(b->w, PILL_WIDTH) : b->w;
  b->h = title + b->line.n * BOX_LINE + 10;
  b->head = b->h;
  if (b->kind == BOX_ENTER || b->kind == BOX_LEAVE)
    b->w = PORT, b->h = b->kind == BOX_ENTER ? PORT : 0;
}

// ---- a box with others in it
static double middle(const DrawBox *port) {
  return port->x + port->w / 2;
}

static double leaves_at(const DrawBox *b, const DrawBox *leave) {
  return leave ? BOX_PAD + middle(leave) : b->w / 2;
}

static LayerPin pin_of(const DrawBox *b) {
  return b->kind == BOX_INPUT || b->kind == BOX_ENTER    ? LAYER_TOP
         : b->kind == BOX_OUTPUT || b->kind == BOX_LEAVE ? LAYER_BOTTOM
                                                         : LAYER_FREE;
}

static LayerNode node_of(const DrawBox *b) {
  LayerNode n = {.w = b->w, .h = b->h, .pin = pin_of(b)};
  for (int i = 0; i < b->leaving.n; i++)
    n.reach = fmax(n.reach, leaves_at(b, b->leaving.v[i].leave) + 6 +
                                box_text_width(b->leaving.v[i].text, BOX_AXES, false));
  n.room = b->leaving.n ? BOX_AXES_ROOM : 0;
  return n;
}

static LayerEdge edge_of(const DrawBox *b, DrawLink *l) {
  l->out = leaves_at(b->child.v[l->from], l->leave);
  l->in = l->enter ? BOX_PAD + middle(l->enter) : -1;
  return (LayerEdge){.from = l->from, .to = l->to, .out = l->out, .in = l->in};
}

static void place_inside(Arena *a, DrawBox *b) {
  Layers *l = &b->in;
  *l = (Layers){.nnode = b->child.n, .nedge = b->link.n, .gap_x = GAP_X, .gap_y = GAP_Y};
  l->node = NEWN(a, LayerNode, l->nnode + 1);
  l->edge = NEWN(a, LayerEdge, l->nedge + 1);
  for (int i = 0; i < l->nnode; i++)
    l->node[i] = node_of(b->child.v[i]);
  for (int i = 0; i < l->nedge; i++)
    l->edge[i] = edge_of(b, &b->link.v[i]);
  layers_place(a, l);
  for (int i = 0; i < l->nnode; i++)
    b->child.v[i]->x = l->node[i].x, b->child.v[i]->y = l->node[i].y;
  for (int i = 0; i < l->nedge; i++)
    b->link.v[i].way = l->edge[i];
}

// What is narrower than the box's own text stands in its middle.
static void widen(DrawBox *b, double w) {
  double more = (w - b->in.w) / 2;
  if (more <= 0)
    return;
  for (int i = 0; i < b->child.n; i++)
    b->child.v[i]->x += more;
  for (int i = 0; i < b->link.n; i++)
    for (int k = 0; k < b->link.v[i].way.n; k++)
      b->link.v[i].way.piece[k].x += more;
  b->in.w = w;
}

static bool has_leave(const DrawBox *b) {
  return b->child.n && pin_of(b->child.v[b->child.n - 1]) == LAYER_BOTTOM;
}

void boxes_place(Arena *a, DrawBox *b) {
  for (int i = 0; i < b->child.n; i++)
    boxes_place(a, b->child.v[i]);
  size_closed(b);
  if (!b->child.n)
    return;
  place_inside(a, b);
  widen(b, b->w - 2 * BOX_PAD);
  b->w = b->in.w + 2 * BOX_PAD;
  b->h = b->head + b->in.h + (has_leave(b) ? 0 : BOX_PAD);
}
