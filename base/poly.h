// Polynomials with integer coefficients in run-time symbols (sizes, strides, task counts).
// Plain data, the same in the graph, the loop IR and a compiled module.  Canonical: terms in
// ascending order of factors, no zero coefficient; so equal polynomials are equal bytes.
#ifndef BIGSC_POLY_H
#define BIGSC_POLY_H
#include "base/arena.h"
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

// POLY_FITS: terms of a size that is asked for; one more is for a constant that is added where nobody asks.
enum { POLY_TERMS = 7, POLY_FITS = POLY_TERMS - 1, POLY_FACTORS = 8, MAX_SYMS = 24 };
typedef struct PolyTerm {
  int64_t coef;
  int8_t sym[POLY_FACTORS]; // ascending indices of symbols, then -1
} PolyTerm;
// Terms are compared and hashed as bytes: none of them may be padding.
static_assert(sizeof(PolyTerm) == 16, "a term has padding");
typedef struct Poly {
  int32_t n, pad;
  PolyTerm t[POLY_TERMS];
} Poly;
Poly poly_const(int64_t c);
Poly poly_sym(int sym);
// Sums and products are a BUG past POLY_TERMS or POLY_FACTORS.
Poly poly_add(Poly a, Poly b);
Poly poly_sub(Poly a, Poly b);
Poly poly_mul(Poly a, Poly b);
bool poly_mul_fits(const Poly *a, const Poly *b);
bool poly_add_fits(const Poly *a, const Poly *b); // and a - b
Poly poly_scale(Poly a, int64_t c);
bool poly_eq(const Poly *a, const Poly *b);
bool poly_is_const(const Poly *a, int64_t *value); // value may be NULL
// a = q * b exactly, for a single-term b; false otherwise.
bool poly_div(const Poly *a, const Poly *b, Poly *q);
int64_t poly_eval(const Poly *p, const int64_t *sym);
// syms[i]: name for printing; NULL prints s0, s1, ...
const char *poly_str(Arena *a, const Poly *p, const char *const *syms);
uint64_t poly_hash(const Poly *p);
#endif
