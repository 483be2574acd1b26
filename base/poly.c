// Polynomials in run-time symbols: see base.h.  Canonical form is kept by one function,
// accumulate().
#include "base/arena.h"
#include "base/bug.h"
#include "base/hash.h"
#include "base/poly.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int compare_terms(const PolyTerm *a, const PolyTerm *b) {
  for (int i = 0; i < POLY_FACTORS; i++)
    if (a->sym[i] != b->sym[i])
      return a->sym[i] < b->sym[i] ? -1 : 1;
  return 0;
}

static bool accumulate(Poly *p, PolyTerm t) {
  int i = 0;
  while (i < p->n && compare_terms(&p->t[i], &t) < 0)
    i++;
  if (i < p->n && !compare_terms(&p->t[i], &t)) {
    p->t[i].coef += t.coef;
    if (!p->t[i].coef) {
      p->n--;
      memmove(&p->t[i], &p->t[i + 1], (size_t)(p->n - i) * sizeof *p->t);
      memset(&p->t[p->n], 0, sizeof *p->t);
    }
    return true;
  }
  if (!t.coef)
    return true;
  if (p->n == POLY_TERMS)
    return false;
  memmove(&p->t[i + 1], &p->t[i], (size_t)(p->n - i) * sizeof *p->t);
  p->t[i] = t;
  p->n++;
  return true;
}

static PolyTerm unit(int64_t c) {
  PolyTerm t = {.coef = c};
  memset(t.sym, -1, sizeof t.sym);
  return t;
}

Poly poly_const(int64_t c) {
  Poly p = {0};
  accumulate(&p, unit(c));
  return p;
}

Poly poly_sym(int sym) {
  Poly p = {0};
  PolyTerm t = unit(1);
  t.sym[0] = (int8_t)sym;
  accumulate(&p, t);
  return p;
}

Poly poly_add(Poly a, Poly b) {
  for (int i = 0; i < b.n; i++)
    if (!accumulate(&a, b.t[i]))
      BUG("a size has more than %d terms", POLY_TERMS);
  return a;
}

Poly poly_scale(Poly a, int64_t c) {
  if (!c)
    return poly_const(0);
  for (int i = 0; i < a.n; i++)
    a.t[i].coef *= c;
  return a;
}

Poly poly_sub(Poly a, Poly b) {
  return poly_add(a, poly_scale(b, -1));
}

static bool multiply_terms(PolyTerm a, PolyTerm b, PolyTerm *out) {
  int i = 0, j = 0, n = 0;
  *out = unit(a.coef * b.coef);
  for (;;) {
    int x = i < POLY_FACTORS ? a.sym[i] : -1, y = j < POLY_FACTORS ? b.sym[j] : -1;
    if (x < 0 && y < 0)
      return true;
    if (n == POLY_FACTORS)
      return false;
    if (y < 0 || (x >= 0 && x <= y))
      out->sym[n++] = (int8_t)x, i++;
    else
      out->sym[n++] = (int8_t)y, j++;
  }
}

static bool multiply(const Poly *a, const Poly *b, Poly *out) {
  PolyTerm t;
  *out = (Poly){0};
  for (int i = 0; i < a->n; i++)
    for (int j = 0; j < b->n; j++)
      if (!multiply_terms(a->t[i], b->t[j], &t) || !accumulate(out, t))
        return false;
  return true;
}

bool poly_mul_fits(const Poly *a, const Poly *b) {
  Poly p;
  return multiply(a, b, &p) && p.n <= POLY_FITS;
}

bool poly_add_fits(const Poly *a, const Poly *b) {
  int n = b->n;
  for (int i = 0; i < a->n; i++) {
    int k = 0;
    while (k < b->n && compare_terms(&a->t[i], &b->t[k]))
      k++;
    n += k == b->n;
  }
  return n <= POLY_FITS;
}

Poly poly_mul(Poly a, Poly b) {
  Poly p;
  if (!multiply(&a, &b, &p))
    BUG("a size has more than %d terms of %d factors", POLY_TERMS, POLY_FACTORS);
  return p;
}

bool poly_eq(const Poly *a, const Poly *b) {
  return a->n == b->n && !memcmp(a->t, b->t, (size_t)a->n * sizeof *a->t);
}

bool poly_is_const(const Poly *a, int64_t *value) {
  bool is = !a->n || (a->n == 1 && a->t[0].sym[0] < 0);
  if (is && value)
    *value = a->n ? a->t[0].coef : 0;
  return is;
}

static bool divide_terms(PolyTerm a, PolyTerm b, PolyTerm *q) {
  if (!b.coef || a.coef % b.coef)
    return false;
  *q = unit(a.coef / b.coef);
  int j = 0, n = 0;
  for (int i = 0; i < POLY_FACTORS && a.sym[i] >= 0; i++)
    if (j < POLY_FACTORS && b.sym[j] == a.sym[i])
      j++;
    else
      q->sym[n++] = a.sym[i];
  return j == POLY_FACTORS || b.sym[j] < 0;
}

bool poly_div(const Poly *a, const Poly *b, Poly *q) {
  PolyTerm t;
  *q = (Poly){0};
  if (b->n != 1)
    return false;
  for (int i = 0; i < a->n; i++)
    if (!divide_terms(a->t[i], b->t[0], &t) || !accumulate(q, t))
      return false;
  return true;
}

int64_t poly_eval(const Poly *p, const int64_t *sym) {
  int64_t sum = 0;
  for (int i = 0; i < p->n; i++) {
    int64_t x = p->t[i].coef;
    for (int k = 0; k < POLY_FACTORS && p->t[i].sym[k] >= 0; k++)
      x *= sym[p->t[i].sym[k]];
    sum += x;
  }
  return sum;
}

const char *poly_str(Arena *a, const Poly *p, const char *const *syms) {
  const char *s = p->n ? "" : "0";
  for (int i = p->n - 1; i >= 0; i--) {
    const PolyTerm *t = &p->t[i];
    bool bare = t->sym[0] < 0;
    s = arena_printf(a, "%s%s", s,
                     i == p->n - 1 ? (t->coef < 0 ? "-" : "")
                     : t->coef < 0 ? " - "
                                   : " + ");
    uint64_t c = t->coef < 0 ? -(uint64_t)t->coef : (uint64_t)t->coef;
    if (bare || c != 1)
      s = arena_printf(a, "%s%" PRIu64 "%s", s, c, bare ? "" : "*");
    for (int k = 0; k < POLY_FACTORS && t->sym[k] >= 0; k++)
      s = syms ? arena_printf(a, "%s%s%s", s, k ? "*" : "", syms[t->sym[k]])
               : arena_printf(a, "%s%ss%d", s, k ? "*" : "", t->sym[k]);
  }
  return s;
}

uint64_t poly_hash(const Poly *p) {
  return hash_bytes((uint64_t)p->n, p->t, (size_t)p->n * sizeof *p->t);
}
