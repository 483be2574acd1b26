// The normal forms of text (Unicode Standard Annex 15), on characters.
#ifndef BIGSC_RUNTIME_FORMS_H
#define BIGSC_RUNTIME_FORMS_H
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Chars {
  int32_t *v; // the owner frees it
  size_t n, cap;
} Chars;
int chars_grow(Chars *t, BigsError *e);
// Appends one; only memory can fail.
static inline int chars_push(Chars *t, int32_t c, BigsError *e) {
  if (t->n == t->cap && chars_grow(t, e))
    return BIGS_EMODEL;
  t->v[t->n++] = c;
  return 0;
}

// Appends the decomposition of c, or c; the canonical order is then up to chars_order.
int chars_push_decomposed(Chars *t, int32_t c, bool compatible, BigsError *e);
// The canonical order: each run of characters whose combining class is above 0, stably by class.
void chars_order(Chars *t);
void chars_compose(Chars *t); // NFD to NFC, NFKD to NFKC
#endif
