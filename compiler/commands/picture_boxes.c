// Modules and their elements as boxes to draw.
#include "compiler/commands/picture_internal.h"
#include <string.h>

enum { MOST_LINES = 6 };

// ---- what costs
static void add_line(Picture *p, DrawBox *b, const char *text) {
  vec_push(p->a, &b->line, text);
}

static const char *each(const PicModule *m) {
  return m->stands > 1 ? " each" : "";
}

static void add_flops(Picture *p, DrawBox *b, const PicModule *m) {
  if (m->flops <= 0)
    return;
  double share = 100 * m->flops / p->root->flops;
  for (const PicModule *x = m; x; x = x->up)
    share *= x->stands;
  const char *all = m->stands > 1 ? ", all " : " \xC2\xB7 ";
  add_line(p, b,
           arena_printf(p->a, "%s%s%s%.*f %%", pic_amount(p->a, m->flops, "FLOP"), each(m), all,
                        share < 9.95 ? 1 : 0, share));
}

static void add_facts(Picture *p, DrawBox *b, const PicModule *m) {
  const char *many = m->stands > 1 ? m->shared ? " shared" : " each" : "";
  if (m->elements > 0)
    add_line(p, b, arena_printf(p->a, "%s%s", pic_amount(p->a, m->elements, " parameters"), many));
  add_flops(p, b, m);
  if (m->varied)
    add_line(p, b, "numbers differ by layer");
  if (m->ms > 0)
    add_line(p, b, arena_printf(p->a, "%.3g ms%s", m->ms, each(m)));
}

// ---- modules
// "layer", "layer.0-3" where others are not like these, "query".
static const char *title_of(Picture *p, const PicModule *m) {
  const char *path = m->origin->path, *up = m->up->origin ? m->up->origin->path : "";
  size_t n = pic_is_of(path, up) ? strlen(up) : 0;
  const char *own = path + n + (path[n] == '.'), *dot = strrchr(own, '.');
  bool repeats = m->origin->turns > 1 && dot && !m->shared;
  if (!repeats)
    return own;
  if (m->stands == m->origin->turns)
    return arena_strndup(p->a, own, (size_t)(dot - own));
  return m->stands == 1
             ? own
             : arena_printf(p->a, "%s-%lld", own, (long long)m->origin->turn + m->stands - 1);
}

static const char *look_of(const PicModule *m) {
  return m->work & WORK_MIX       ? "mix"
         : m->work & WORK_PRODUCT ? "product"
         : m->work & WORK_TABLE   ? "table"
                                  : "rows";
}

static DrawBox *module_box(Picture *p, const PicModule *m) {
  DrawBox *b = NEW(p->a, DrawBox);
  *b = (DrawBox){.kind = BOX_MODULE,
                 .title = title_of(p, m),
                 .what = m->origin->module,
                 .path = m->origin->path,
                 .look = look_of(m)};
  if (m->stands > 1)
    b->times = arena_printf(p->a, "\xC3\x97 %d", m->stands);
  add_facts(p, b, m);
  return b;
}

// ---- operations
static const char *op_line(const Picture *p, const PicModule *m, const Node *n) {
  const char *call = pic_call(p, m, n);
  return call ? call : pic_op(p, n);
}

static void sort_nodes(PicElem *e) {
  for (int i = 1; i < e->nodes.n; i++)
    for (int j = i; j && e->nodes.v[j]->id < e->nodes.v[j - 1]->id; j--) {
      const Node *n = e->nodes.v[j];
      e->nodes.v[j] = e->nodes.v[j - 1];
      e->nodes.v[j - 1] = n;
    }
}

static void add_ops(Picture *p, DrawBox *b, const PicModule *m, PicElem *e) {
  const Node *last = NULL;
  sort_nodes(e);
  for (int i = 0; i < e->nodes.n; i++) {
    const Node *n = e->nodes.v[i];
    if (!last || !pic_one_call(p, m, last, n))
      add_line(p, b, op_line(p, m, n));
    last = n;
  }
  if (b->line.n <= MOST_LINES)
    return;
  b->line.v[MOST_LINES - 1] = arena_printf(p->a, "and %d more", b->line.n - MOST_LINES + 1);
  b->line.n = MOST_LINES;
}

static bool of_parameters(const Picture *p, const PicElem *e) {
  for (int i = 0; i < e->nodes.n; i++)
    if (p->of[e->nodes.v[i]->id].param)
      return true;
  return false;
}

static DrawBox *ops_box(Picture *p, const PicModule *m, PicElem *e) {
  DrawBox *b = NEW(p->a, DrawBox);
  *b = (DrawBox){.kind = BOX_OPS, .look = ""};
  if (!e->nodes.n)
    add_line(p, b, pic_op(p, e->node));
  else if (e->data)
    add_ops(p, b, m, e);
  else
    add_line(p, b, e->random ? "random" : of_parameters(p, e) ? "of parameters" : "of places");
  return b;
}

static DrawBox *end_box(Picture *p, const PicElem *e) {
  DrawBox *b = NEW(p->a, DrawBox);
  *b = (DrawBox){.kind = e->kind == ELEM_INPUT ? BOX_INPUT : BOX_OUTPUT,
                 .title = e->kind == ELEM_INPUT ? e->node->attr.name : p->want->entry,
                 .look = ""};
  if (e->kind == ELEM_OUTPUT)
    b->what = pic_axes(p, e->node);
  return b;
}

static DrawBox *port_box(Picture *p, const PicElem *e) {
  DrawBox *b = NEW(p->a, DrawBox);
  *b = (DrawBox){.kind = e->kind == ELEM_ENTER ? BOX_ENTER : BOX_LEAVE, .look = ""};
  return b;
}

// ---- the inside of a module
static void put_level(Picture *p, PicModule *m, DrawBox *b);

static bool is_drawn(const PicElem *e) {
  return !e->into && !e->dropped;
}

// A module of one operation is a box that says it; one without a product, a norm, is not opened.
static bool is_plain(const PicModule *m) {
  int ops = 0, others = 0;
  for (int i = 0; i < m->elems.n; i++) {
    const PicElem *e = m->elems.v[i];
    ops += is_drawn(e) && e->kind == ELEM_OPS;
    others += is_drawn(e) && e->kind == ELEM_MODULE;
  }
  return !others && (ops <= 1 || !m->work);
}

static int depth_of(const PicModule *m) {
  int n = 0;
  while ((m = m->up))
    n++;
  return n;
}

static DrawBox *inner_box(Picture *p, PicModule *m) {
  DrawBox *b = module_box(p, m);
  bool again = m->origin->turns > 1 && !p->want->folds;
  if (!m->closed && !is_plain(m) && m->as)
    b->as = title_of(p, m->as);
  if ((p->brief || again) && b->as)
    b->what = arena_printf(p->a, "%s, as %s%s", b->what, b->as,
                           m->exact == m->as->exact ? "" : " with other numbers");
  else if (!m->closed && !is_plain(m) && depth_of(m) <= p->deepest)
    put_level(p, m, b);
  else if (m->work && (m->closed || is_plain(m)))
    for (int i = 0; i < m->elems.n; i++)
      if (is_drawn(m->elems.v[i]) && m->elems.v[i]->kind == ELEM_OPS)
        add_ops(p, b, m, m->elems.v[i]);
  return b;
}

static DrawBox *box_of(Picture *p, const PicModule *m, PicElem *e) {
  switch (e->kind) {
  case ELEM_OPS: return ops_box(p, m, e);
  case ELEM_MODULE: return inner_box(p, e->module);
  case ELEM_INPUT:
  case ELEM_OUTPUT: return end_box(p, e);
  default: return port_box(p, e);
  }
}

// Elements in an order in which edges go forwards: those that are ready, the first made first.
static bool is_ready(const PicModule *m, const PicElem *e) {
  for (int i = 0; i < m->edges.n; i++) {
    const PicElem *from = elem_find(m->edges.v[i].from), *to = elem_find(m->edges.v[i].to);
    if (to == e && from != e && is_drawn(from) && from->number < 0)
      return false;
  }
  return true;
}

static PicElem *next_elem(const PicModule *m) {
  PicElem *best = NULL;
  for (int i = 0; i < m->elems.n; i++) {
    PicElem *e = m->elems.v[i];
    bool end = e->kind == ELEM_OUTPUT || e->kind == ELEM_LEAVE;
    if (is_drawn(e) && e->number < 0 && !end && is_ready(m, e) && (!best || e->key < best->key))
      best = e;
  }
  for (int i = 0; i < m->elems.n && !best; i++)
    if (is_drawn(m->elems.v[i]) && m->elems.v[i]->number < 0)
      best = m->elems.v[i];
  return best;
}

static void put_children(Picture *p, PicModule *m, DrawBox *b) {
  PicElem *e;
  for (int i = 0; i < m->elems.n; i++)
    m->elems.v[i]->number = -1;
  while ((e = next_elem(m))) {
    e->number = b->child.n;
    e->box = box_of(p, m, e);
    vec_push(p->a, &b->child, e->box);
  }
}

// Where a value of a turn leaves that is not drawn: as those of the one that is.
static const DrawBox *leave_of(const PicElem *from, const PicElem *leave) {
  if (!from->box->child.n)
    return NULL;
  if (leave)
    return leave->box;
  for (int i = 0; i < from->box->child.n; i++)
    if (from->box->child.v[i]->kind == BOX_LEAVE)
      return from->box->child.v[i];
  return NULL;
}

static bool has_link(const DrawBox *b, const DrawLink *l) {
  for (int i = 0; i < b->link.n; i++) {
    const DrawLink *x = &b->link.v[i];
    if (x->from == l->from && x->to == l->to && x->leave == l->leave && x->enter == l->enter)
      return true;
  }
  return false;
}

// Turns that are not drawn read what the drawn one does: from outside it comes in once.
static bool enters_elsewhere(const PicModule *m, const PicEdge *e) {
  for (int i = 0; i < m->edges.n && !e->enter && e->to->kind == ELEM_MODULE; i++) {
    const PicEdge *x = &m->edges.v[i];
    if (x->to == e->to && x->enter && elem_find(x->from) == elem_find(e->from))
      return true;
  }
  return false;
}

static void put_links(Picture *p, const PicModule *m, DrawBox *b) {
  for (int i = 0; i < m->edges.n; i++) {
    const PicEdge *e = &m->edges.v[i];
    const PicElem *from = elem_find(e->from), *to = elem_find(e->to);
    if (from == to || !is_drawn(from) || !is_drawn(to) || enters_elsewhere(m, e))
      continue;
    DrawLink l = {.from = from->number, .to = to->number, .leave = leave_of(from, e->leave)};
    l.enter = e->enter && to->box->child.n ? e->enter->box : NULL;
    if (!has_link(b, &l))
      vec_push(p->a, &b->link, l);
  }
}

// ---- axes beside edges
static bool has_text(const DrawBox *b, const DrawBox *leave) {
  for (int i = 0; i < b->leaving.n; i++)
    if (b->leaving.v[i].leave == leave)
      return true;
  return false;
}

// An operation whose operands have the same axes says nothing new.
static bool is_new(Picture *p, const PicModule *m, const PicElem *from, const char *text) {
  bool any = false, other = from->kind != ELEM_OPS;
  for (int i = 0; i < m->edges.n; i++)
    if (elem_find(m->edges.v[i].to) == from && is_drawn(elem_find(m->edges.v[i].from))) {
      any = true;
      other |= strcmp(pic_axes(p, m->edges.v[i].value), text) != 0;
    }
  return other || !any;
}

static void put_axes(Picture *p, const PicModule *m) {
  for (int i = 0; i < m->edges.n; i++) {
    const PicEdge *e = &m->edges.v[i];
    const PicElem *from = elem_find(e->from), *to = elem_find(e->to);
    if (from == to || !is_drawn(from) || !is_drawn(to) || to->kind == ELEM_LEAVE ||
        to->kind == ELEM_OUTPUT || from->kind == ELEM_ENTER || !from->data)
      continue;
    const DrawBox *leave = leave_of(from, e->leave);
    const char *text = pic_axes(p, e->value);
    if (!has_text(from->box, leave) && is_new(p, m, from, text))
      vec_push(p->a, &from->box->leaving, (DrawText){leave, text});
  }
}

static void put_level(Picture *p, PicModule *m, DrawBox *b) {
  put_children(p, m, b);
  put_links(p, m, b);
  put_axes(p, m);
}

DrawBox *picture_boxes(Picture *p) {
  DrawBox *b = NEW(p->a, DrawBox);
  *b = (DrawBox){.kind = BOX_MODULE, .look = ""};
  put_level(p, p->root, b);
  return b;
}
