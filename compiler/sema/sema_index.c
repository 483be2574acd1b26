// x[L as S, H as (Heads, D), (B, L) as T, L = 0, L = 0 : 64]: all at once, all about x's own axes.
#include "compiler/sema/sema_eval.h"
#include <stdlib.h>
#include <string.h>

typedef struct Change {
  const DimOp *op;
  Ax *from[MAX_AXES]; // source axes: one, or the parts of a merge
  int nfrom;
  Ax *to[MAX_AXES]; // none for an index
  int nto;
  Poly lo, hi;
} Change;

static bool opaque(const Poly *p) {
  for (int i = 0; i < p->n; i++)
    for (int k = 0; k < POLY_FACTORS && p->t[i].sym[k] >= 0; k++)
      if (p->t[i].sym[k] >= SYM_GENERIC)
        return true;
  return false;
}

// For a message: 4, or how far the size is known.
static const char *size_words(Sema *s, const Poly *size) {
  Ax dim = {.size = *size};
  int64_t n;
  if (poly_is_const(size, &n))
    return size_str(s, size);
  n = ax_bound(s, &dim);
  return n >= 0         ? arena_printf(s->a, "at most %lld", (long long)n)
         : opaque(size) ? "known only where the module is used"
                        : "known only at run time";
}

// a == b, or a condition on the module's generics that is checked where it is used.
static bool sizes_equal(Sema *s, const Poly *a, const Poly *b, Span at, const char *text) {
  if (poly_eq(a, b))
    return true;
  Frame *f = frame_owner(s->frame);
  if (!checking(s) || !f || !f->mod || !(opaque(a) || opaque(b)))
    return false;
  vec_push(s->a, &f->mod->needs, (Need){NEED_EQUAL, *a, *b, text, at});
  return true;
}

static Ax *new_local(Sema *s, Name name, Poly size, bool poison) {
  Ax *a = ax_new(s, AX_LOCAL, name.s, size, name.span);
  a->depth = s->frame->depth;
  a->poison = poison;
  vec_push(s->a, &s->frame->locals, a);
  return a;
}

Ax *sema_target(Sema *s, Name name, const Poly *size, bool poison, const char *source) {
  bool found;
  AxList l = ax_lookup(s, name, &found);
  if (!found)
    return new_local(s, name, *size, poison);
  if (l.n != 1 || l.v[0]->pack) {
    sema_error(s, ERR_AXES_MISPLACED, name.span, "`%s` is a group of dimensions, not one", name.s);
    return NULL;
  }
  Ax *a = l.v[0];
  if (poison)
    return a;
  if (a->poison) {
    a->poison = false;
    a->size = *size;
  }
  const char *want = size_str(s, size), *text = arena_printf(s->a, "`%s as %s`", source, name.s);
  if (sizes_equal(s, &a->size, size, name.span, text))
    return a;
  bool given = a->kind == AX_DIM && dim_is_given(&s->m->dims.v[a->dim]->pub);
  const char *have = given ? "known only at run time" : size_str(s, &a->size);
  Diag *g = sema_error(s, ERR_SIZES_DIFFER, name.span, "`%s` is %s%s, not %s", name.s, have,
                       a->kind == AX_LOCAL ? " in this body" : "", want);
  if (a->kind == AX_LOCAL)
    sema_label(s, g, a->span, "`%s` starts here", name.s);
  sema_note_axes(s, g, &a, 1);
  return NULL;
}

static bool find_sources(Sema *s, const Value *t, Change *c) {
  bool poison = is_poison(t), ok = true;
  for (int i = 0; i < c->op->from.n && i < MAX_AXES; i++) {
    Name name = c->op->from.v[i];
    bool found;
    if (poison) {
      ax_lookup(s, name, &found);
      continue; // a slice of what is unknown may have any name
    }
    Ax *a = ax_ref(s, name, t);
    if (a && !ax_in(&t->ax, a)) {
      Diag *g = sema_error(s, ERR_MISSING_DIM, name.span, "%s has no dimension `%s`",
                           v_type_str(s, t), name.s);
      sema_why_lost(s, g, t, a, name.span);
      sema_note_axes(s, g, &a, 1);
      a = NULL;
    }
    for (int k = 0; a && k < c->nfrom; k++)
      if (c->from[k] == a) {
        sema_error(s, ERR_DIM_TWICE, name.span, "`%s` stands twice here", name.s);
        a = NULL;
      }
    if (a)
      c->from[c->nfrom++] = a;
    else
      ok = false;
  }
  return ok;
}

static bool product(Sema *s, Ax *const *v, int n, Span at, Poly *out) {
  *out = poly_const(1);
  for (int i = 0; i < n; i++) {
    if (!poly_mul_fits(out, &v[i]->size)) {
      sema_error(s, ERR_TOO_MANY_DIMS, at,
                 "the product of these dimensions is too complicated: at most %d run-time dims",
                 POLY_FACTORS);
      return false;
    }
    *out = poly_mul(*out, v[i]->size);
  }
  return true;
}

static bool do_rename(Sema *s, const Value *t, Change *c) {
  Poly size = is_poison(t) || !c->nfrom ? poly_const(1) : c->from[0]->size;
  Name to = c->op->to.v[0];
  bool same = c->nfrom && c->from[0]->name == to.s && c->from[0]->kind != AX_SLICE;
  Ax *a = same ? c->from[0] : sema_target(s, to, &size, is_poison(t), c->op->from.v[0].s);
  if (a)
    c->to[c->nto++] = a;
  return a != NULL;
}

static const char *names_product(Sema *s, const Names *n) {
  const char *t = "";
  for (int i = 0; i < n->n; i++)
    t = arena_printf(s->a, "%s%s%s", t, i ? " * " : "", n->v[i].s);
  return t;
}

// At most one part is new: it takes what is left.
static bool do_split(Sema *s, const Value *t, Change *c) {
  const Names *to = &c->op->to;
  int fresh = -1;
  bool found, poison = is_poison(t);
  for (int i = 0; i < to->n; i++) {
    ax_lookup(s, to->v[i], &found);
    if (found)
      c->to[i] = ax_ref(s, to->v[i], NULL);
    else if (poison)
      c->to[i] = new_local(s, to->v[i], poly_const(1), true);
    else if (fresh < 0)
      fresh = i;
    else {
      sema_error(s, ERR_UNKNOWN_DIM, to->v[i].span,
                 "unknown dimension `%s`: one part of a split may be new", to->v[i].s);
      return false;
    }
    if (i != fresh && !c->to[i])
      return false;
  }
  c->nto = to->n;
  if (poison)
    return true;
  Poly size = poly_const(1), rest;
  Ax *known[MAX_AXES];
  int n = 0;
  for (int i = 0; i < to->n; i++)
    if (i != fresh)
      known[n++] = c->to[i];
  if (!product(s, known, n, c->op->span, &size))
    return false;
  const Ax *from = c->from[0];
  if (fresh >= 0) {
    if (!poly_div(&from->size, &size, &rest)) {
      int64_t extent;
      bool fixed = poly_is_const(&from->size, &extent);
      sema_error(s, ERR_SIZES_DIFFER, to->v[fresh].span,
                 fixed ? "`%s` is %s, which %s does not divide"
                       : "`%s` is %s: %s may not divide it",
                 from->name, size_words(s, &from->size), size_str(s, &size));
      return false;
    }
    c->to[fresh] = new_local(s, to->v[fresh], rest, false);
    return true;
  }
  const char *text = arena_printf(s->a, "`%s as (...)`", from->name);
  if (sizes_equal(s, &from->size, &size, c->op->span, text))
    return true;
  Diag *g = sema_error(s, ERR_SIZES_DIFFER, c->op->span, "`%s` is %s, but %s is %s", from->name,
                       size_str(s, &from->size), names_product(s, to), size_str(s, &size));
  AxList all = ax_join(s, (AxList){c->from, 1}, (AxList){c->to, c->nto});
  sema_note_axes(s, g, all.v, all.n);
  return false;
}

static bool do_merge(Sema *s, const Value *t, Change *c) {
  Poly size = poly_const(1);
  if (!is_poison(t) && !product(s, c->from, c->nfrom, c->op->span, &size))
    return false;
  Ax *a = sema_target(s, c->op->to.v[0], &size, is_poison(t),
                      arena_printf(s->a, "(%s)", names_product(s, &c->op->from)));
  if (a)
    c->to[c->nto++] = a;
  return a != NULL;
}

// ---- positions
static bool position(Sema *s, const Expr *e, const char *what, Poly *out) {
  Operand x = {sema_value(s, e), e->span};
  return sema_position(s, &x, what, out);
}

bool sema_position(Sema *s, const Operand *x, const char *what, Poly *out) {
  const Value *v = x->v;
  int64_t n;
  if (is_poison(v))
    return false;
  if (v->kind == V_NUMBER && v->num->kind == NUMBER_SIZE) {
    *out = *v->num->size;
    return true;
  }
  if (v_whole(v, &n) && v->num->whole) {
    *out = poly_const(n);
    return true;
  }
  Diag *g = sema_error(s, ERR_BAD_INDEX, x->span, "%s is a whole constant, not %s", what,
                       is_number(v) ? "a fraction" : v_type_str(s, v));
  if (is_tensor(v))
    diag_help(s->d, g, "use `gather` to index by a tensor");
  return false;
}

bool sema_within(Sema *s, Poly p, const Poly *size, bool equal_too, Span at, const char *text) {
  int64_t n;
  if (poly_add_fits(&p, size)) {
    Poly d = poly_sub(*size, p);
    if (poly_is_const(&d, &n))
      return n > 0 || (n == 0 && equal_too);
  }
  Ax dim = {.size = *size};
  int64_t most = poly_is_const(&p, &n) ? ax_bound(s, &dim) : -1;
  if (most >= 0 && (n > most || (n == most && !equal_too)))
    return false;
  Frame *f = frame_owner(s->frame);
  if (checking(s) && f && f->mod && (opaque(&p) || opaque(size)))
    vec_push(s->a, &f->mod->needs,
             (Need){equal_too ? NEED_AT_MOST : NEED_LESS, p, *size, text, at});
  return true;
}

static bool do_index(Sema *s, const Value *t, Change *c) {
  int64_t n;
  if (!position(s, c->op->lo, "an index", &c->lo))
    return is_poison(t) ? true : false;
  const char *name = c->op->from.v[0].s;
  if (poly_is_const(&c->lo, &n) && n < 0) {
    Diag *g = sema_error(s, ERR_BAD_INDEX, c->op->lo->span, "index %lld is below 0", (long long)n);
    diag_help(s->d, g, "to count from the end write `[%s = %s - %lld]`", name, name, (long long)-n);
    return false;
  }
  if (is_poison(t) || sema_within(s, c->lo, &c->from[0]->size, false, c->op->span,
                                  arena_printf(s->a, "`[%s = %s]`", name, size_str(s, &c->lo))))
    return true;
  Diag *g =
      sema_error(s, ERR_BAD_INDEX, c->op->lo->span, "index %s is past the end of `%s`, which is %s",
                 size_str(s, &c->lo), name, size_words(s, &c->from[0]->size));
  sema_note_axes(s, g, c->from, 1);
  return false;
}

static bool do_slice(Sema *s, const Value *t, Change *c) {
  int64_t n, len;
  if (!position(s, c->op->lo, "the start of a slice", &c->lo) ||
      !position(s, c->op->hi, "the end of a slice", &c->hi))
    return false;
  if (is_poison(t))
    return true;
  const Ax *from = c->from[0];
  if (!poly_add_fits(&c->lo, &c->hi)) {
    sema_error(s, ERR_TOO_MANY_DIMS, c->op->span, "the length of this slice is too complicated");
    return false;
  }
  Poly d = poly_sub(c->hi, c->lo);
  bool empty = poly_is_const(&d, &len)
                   ? len < 1
                   : !sema_within(s, c->lo, &c->hi, false, c->op->span,
                                  arena_printf(s->a, "the slice of `%s`", from->name));
  if ((poly_is_const(&c->lo, &n) && n < 0) || empty) {
    sema_error(s, ERR_BAD_INDEX, c->op->span,
               empty ? "an empty slice" : "a slice starts at 0 or later");
    return false;
  }
  if (!sema_within(s, c->hi, &from->size, true, c->op->span,
                   arena_printf(s->a, "the slice of `%s`", from->name))) {
    sema_error(s, ERR_BAD_INDEX, c->op->hi->span,
               "the slice ends at %s, past the end of `%s`, which is %s", size_str(s, &c->hi),
               from->name, size_words(s, &from->size));
    return false;
  }
  Ax *a = ax_new(s, AX_SLICE, from->name, d, c->op->span);
  a->depth = s->frame->depth;
  c->to[c->nto++] = a;
  return true;
}

static bool make_axes(Sema *s, const Value *t, Change *c) {
  if (c->op->from.n > MAX_AXES - 4 || c->op->to.n > MAX_AXES - 4) {
    sema_error(s, ERR_TOO_MANY_DIMS, c->op->span, "a tensor has at most %d dimensions",
               MAX_AXES - 4);
    return false;
  }
  if (!find_sources(s, t, c))
    return false;
  switch (c->op->kind) {
  case DIM_RENAME: return do_rename(s, t, c);
  case DIM_SPLIT: return do_split(s, t, c);
  case DIM_MERGE: return do_merge(s, t, c);
  case DIM_INDEX: return do_index(s, t, c);
  default: return do_slice(s, t, c);
  }
}

// What is made of an open axis is open, unless its size is written there.
static void stay_open(Change *c) {
  bool open = false;
  for (int i = 0; i < c->nfrom; i++)
    open |= c->from[i]->open;
  for (int i = 0; i < c->nto; i++)
    if (c->to[i]->kind == AX_LOCAL || (c->to[i]->kind == AX_SLICE && !c->op->hi))
      c->to[i]->open |= open;
}

static bool prepare(Sema *s, const Value *t, Change *c) {
  bool ok = make_axes(s, t, c);
  if (ok)
    stay_open(c);
  return ok;
}

// ---- the result
static const Change *change_of(const Change *c, int n, const Ax *a, bool *first) {
  for (int i = 0; i < n; i++)
    for (int k = 0; k < c[i].nfrom; k++)
      if (c[i].from[k] == a) {
        *first = k == 0;
        return &c[i];
      }
  return NULL;
}

static bool result_axes(Sema *s, const Expr *e, const Value *t, const Change *c, int n,
                        AxList *out) {
  int cap = t->ax.n + 1;
  for (int i = 0; i < n; i++)
    cap += c[i].nto;
  *out = (AxList){NEWN(s->a, Ax *, cap), 0};
  for (int i = 0; i < t->ax.n; i++) {
    bool first = false;
    const Change *ch = change_of(c, n, t->ax.v[i], &first);
    if (!ch)
      out->v[out->n++] = t->ax.v[i];
    for (int k = 0; ch && first && k < ch->nto; k++)
      out->v[out->n++] = ch->to[k];
  }
  for (int i = 0; i < out->n; i++)
    for (int k = 0; k < i; k++)
      if (out->v[i] == out->v[k] ||
          (out->v[i]->name == out->v[k]->name &&
           (out->v[i]->kind == AX_SLICE || out->v[k]->kind == AX_SLICE))) {
        Diag *g = sema_error(s, ERR_DIM_TWICE, e->op, "`%s` would stand twice in one tensor",
                             ax_str(s, out->v[i]));
        sema_label_type(s, g, e->a->span, t);
        return false;
      }
  if (out->n > MAX_AXES - 4) {
    sema_error(s, ERR_TOO_MANY_DIMS, e->span, "a tensor has at most %d dimensions", MAX_AXES - 4);
    return false;
  }
  return true;
}

// ---- nodes
typedef struct Steps {
  Sema *s;
  const Change *c;
  int n;
} Steps;

// Axes that are split, merged or sliced step aside first when names may collide, so that the order
// does not matter.
static Node *apply(Graph *g, Node *x, void *ctx) {
  const Steps *st = ctx;
  Axis *from[MAX_AXES], *to[MAX_AXES], *src[MAX_AXES], *dst[MAX_AXES];
  int nmap = 0, shaped = 0;
  for (int i = 0; i < st->n; i++)
    if (st->c[i].op->kind == DIM_INDEX)
      x = g_index(g, x, ax_graph(st->s, st->c[i].from[0]), st->c[i].lo);
    else
      shaped++;
  for (int i = 0; i < st->n; i++) {
    const Change *c = &st->c[i];
    if (c->op->kind == DIM_INDEX || (c->op->kind != DIM_RENAME && shaped == 1))
      continue;
    for (int k = 0; k < c->nfrom; k++) {
      Axis *a = ax_graph(st->s, c->from[k]);
      from[nmap] = a;
      to[nmap++] = c->op->kind == DIM_RENAME
                       ? ax_graph(st->s, c->to[0])
                       : graph_axis(g, arena_printf(g->arena, "%s'", a->name), a->depth, a->extent);
      if (c->op->kind != DIM_RENAME)
        to[nmap - 1]->open |= a->open;
    }
  }
  if (nmap)
    x = g_rename(g, x, from, to, nmap);
  for (int i = 0; i < st->n; i++) {
    const Change *c = &st->c[i];
    for (int k = 0; k < c->nfrom; k++) {
      src[k] = ax_graph(st->s, c->from[k]);
      for (int m = 0; m < nmap; m++)
        if (from[m] == src[k] && c->op->kind != DIM_RENAME)
          src[k] = to[m];
    }
    for (int k = 0; k < c->nto; k++)
      dst[k] = ax_graph(st->s, c->to[k]);
    if (c->op->kind == DIM_SPLIT)
      x = g_split(g, x, src[0], dst, c->nto);
    else if (c->op->kind == DIM_MERGE)
      x = g_merge(g, x, src, c->nfrom, dst[0]);
    else if (c->op->kind == DIM_SLICE)
      x = g_slice(g, x, src[0], c->lo, c->hi, dst[0]);
  }
  return x;
}

Value *sema_index(Sema *s, const Expr *e) {
  Value *t = sema_value(s, e->a);
  int n = e->ops.n;
  if (is_number(t))
    return sema_fail(s, ERR_MISSING_DIM, e->span, "a number has no dimensions");
  Change *c = NEWN(s->a, Change, n);
  bool ok = true;
  for (int i = 0; i < n; i++) {
    c[i].op = &e->ops.v[i];
    ok &= prepare(s, t, &c[i]);
  }
  if (is_poison(t) || !ok)
    return v_poison(s);
  for (int i = 0; i < n; i++)
    for (int k = 0; k < i; k++)
      for (int p = 0; p < c[i].nfrom; p++)
        for (int q = 0; q < c[k].nfrom; q++)
          if (c[i].from[p] == c[k].from[q])
            return sema_fail(s, ERR_DIM_TWICE, c[i].op->span, "`%s` stands twice here",
                             c[i].from[p]->name);
  AxList ax;
  if (!result_axes(s, e, t, c, n, &ax))
    return v_poison(s);
  Value *v = v_tensor(s, t->dtype, ax);
  if (!checking(s)) {
    sema_mark(s, e->span);
    pair_map(s, v, t, apply, &(Steps){s, c, n});
  }
  return v;
}
