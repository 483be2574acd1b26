// See forms.h.
#include "runtime/text/forms.h"
#include "base/alloc.h"
#include "runtime/text/unicode.h"

int chars_grow(Chars *t, BigsError *e) {
  size_t cap = t->cap * 2 + 256;
  int32_t *v = REALLOC_N(int32_t, t->v, cap);
  if (!v)
    return bigs_fail_memory(e, "text");
  t->v = v;
  t->cap = cap;
  return 0;
}

int chars_push_decomposed(Chars *t, int32_t c, bool compatible, BigsError *e) {
  int32_t out[UNICODE_MAX_DECOMPOSED];
  int n = unicode_decompose(c, compatible, out), status = 0;
  if (!n)
    return chars_push(t, c, e);
  for (int i = 0; i < n && !status; i++)
    status = chars_push(t, out[i], e);
  return status;
}

// Insertion: runs are short, and hostile ones are cut by MAX_RUN since sorting them would take quadratic time.
void chars_order(Chars *t) {
  enum { MAX_RUN = 256 };
  for (size_t i = 1, start = 0; i < t->n; i++) {
    int32_t c = t->v[i];
    int k = unicode_combining(c);
    if (!k || i - start > MAX_RUN)
      start = i;
    size_t j = i;
    for (; k && j > start && unicode_combining(t->v[j - 1]) > k; j--)
      t->v[j] = t->v[j - 1];
    t->v[j] = c;
  }
}

// Each character goes to the last one of class 0 before it, unless one between them has its class or a higher one.
void chars_compose(Chars *t) {
  size_t n = 0, starter = 0;
  int before = -1; // class of what is between them; -1: nothing is
  for (size_t i = 0; i < t->n; i++) {
    int32_t c = t->v[i];
    int k = unicode_combining(c);
    int32_t both = n && before < k ? unicode_compose(t->v[starter], c) : 0;
    if (both) {
      t->v[starter] = both;
      continue;
    }
    before = k;
    if (!k) {
      starter = n;
      before = -1;
    }
    t->v[n++] = c;
  }
  t->n = n;
}
