// Operations that belong together become one element: those of one call of a function of the prelude, what depends on parameters
// alone, chains; and where there are very many, all that may.
#include "compiler/commands/picture_internal.h"
#include <string.h>

enum { MANY_OPS = 18, FEW_NODES = 3 };

PicElem *elem_find(PicElem *e) {
  while (e->into)
    e = e->into;
  return e;
}

// ---- is there another way from one to the other than an edge?  Merged, they would read themselves.
static bool reaches(PicModule *m, PicElem *from, const PicElem *to, const PicElem *but, int mark) {
  if (from == to)
    return true;
  if (from->mark == mark)
    return false;
  from->mark = mark;
  for (int i = 0; i < m->edges.n; i++) {
    const PicEdge *e = &m->edges.v[i];
    if (elem_find(e->from) == from && !(from == but && elem_find(e->to) == to) &&
        reaches(m, elem_find(e->to), to, but, mark))
      return true;
  }
  return false;
}

static bool another_way(PicModule *m, PicElem *from, const PicElem *to) {
  for (int i = 0; i < m->elems.n; i++)
    m->elems.v[i]->mark = 0;
  return reaches(m, from, to, from, 1);
}

static void join(Picture *p, PicElem *u, PicElem *v, bool stray) {
  if (stray) {
    u->nodes.n = 0;
    u->node = v->node;
  }
  for (int i = 0; i < v->nodes.n; i++)
    vec_push(p->a, &u->nodes, v->nodes.v[i]);
  u->data |= v->data;
  u->random |= v->random;
  v->into = u;
}

// ---- what may be joined
typedef bool JoinRule(const Picture *p, const PicModule *m, const PicElem *u, const PicElem *v);

static bool is_one_call(const Picture *p, const PicModule *m, const PicElem *u, const PicElem *v) {
  return pic_one_call(p, m, u->node, v->node);
}

static bool is_constant(const Picture *p, const PicModule *m, const PicElem *u, const PicElem *v) {
  (void)p, (void)m;
  return !u->data && !v->data && u->random == v->random;
}

static bool counts(const PicElem *e) {
  return e->data && !e->dropped;
}

static bool is_chain(const Picture *p, const PicModule *m, const PicElem *u, const PicElem *v) {
  (void)p;
  if (!counts(u) || !counts(v))
    return false;
  for (int i = 0; i < m->edges.n; i++) {
    const PicElem *from = elem_find(m->edges.v[i].from), *to = elem_find(m->edges.v[i].to);
    if (from != to && ((from == u && to != v) || (to == v && from != u && counts(from))))
      return false;
  }
  return true;
}

static bool is_any(const Picture *p, const PicModule *m, const PicElem *u, const PicElem *v) {
  (void)p, (void)m;
  return counts(u) && counts(v);
}

static bool reads_too(const PicModule *m, const PicElem *v, const PicElem *x) {
  for (int i = 0; i < m->edges.n; i++)
    if (elem_find(m->edges.v[i].to) == v && elem_find(m->edges.v[i].from) == x)
      return true;
  return false;
}

// A node of a call that another call, of which nothing else is left, made first: read by that call alone, of what it reads.
static bool is_stray(const Picture *p, const PicModule *m, const PicElem *u, const PicElem *v) {
  const char *a = pic_call(p, m, u->node), *b = pic_call(p, m, v->node);
  bool stray = u->nodes.n == 1 && a && b && strcmp(a, b);
  for (int i = 0; i < m->edges.n && stray; i++) {
    const PicElem *from = elem_find(m->edges.v[i].from), *to = elem_find(m->edges.v[i].to);
    stray = (from != u || to == v) && (to != u || from == u || reads_too(m, v, from));
  }
  return stray;
}

static bool is_op(const PicElem *e) {
  return e->kind == ELEM_OPS && e->nodes.n;
}

static void join_by(Picture *p, PicModule *m, JoinRule *rule) {
  for (bool again = true; again;) {
    again = false;
    for (int i = 0; i < m->edges.n; i++) {
      PicElem *u = elem_find(m->edges.v[i].from), *v = elem_find(m->edges.v[i].to);
      if (u != v && is_op(u) && is_op(v) && rule(p, m, u, v) && !another_way(m, u, v)) {
        join(p, u, v, rule == is_stray);
        again = true;
      }
    }
  }
}

static bool is_source(const PicModule *m, const PicElem *e) {
  for (int i = 0; i < m->edges.n; i++)
    if (elem_find(m->edges.v[i].to) == e && elem_find(m->edges.v[i].from) != e)
      return false;
  return is_op(e) && !e->into && !e->data;
}

// What depends on no input, nor on what another module makes of its parameters, is one box.
static void join_sources(Picture *p, PicModule *m, bool random) {
  PicElem *first = NULL;
  for (int i = 0; i < m->elems.n; i++) {
    PicElem *e = m->elems.v[i];
    if (!is_source(m, e) || e->random != random)
      continue;
    if (first)
      join(p, first, e, false);
    first = first ? first : e;
  }
}

// A factor, a mask of places: not worth a box.
static void drop_small(PicModule *m) {
  for (int i = 0; i < m->elems.n; i++) {
    PicElem *e = m->elems.v[i];
    e->dropped = is_op(e) && !e->into && !e->data && !e->random && e->nodes.n <= FEW_NODES;
  }
}

static int count_ops(const PicModule *m) {
  int n = 0;
  for (int i = 0; i < m->elems.n; i++)
    n += is_op(m->elems.v[i]) && !m->elems.v[i]->into && !m->elems.v[i]->dropped;
  return n;
}

void picture_merge(Picture *p, PicModule *m) {
  join_by(p, m, is_one_call);
  join_by(p, m, is_stray);
  join_by(p, m, is_constant);
  join_sources(p, m, false);
  join_sources(p, m, true);
  drop_small(m);
  join_by(p, m, is_chain);
  if (count_ops(m) > MANY_OPS)
    join_by(p, m, is_any);
}
