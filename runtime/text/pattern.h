// Regular expressions as tokenizers use them: on characters, backtracking, the first alternative that matches wins.  Known:
//   abc  .  [a-z]  [^...]  \s \S \w \W \d \D  \p{L} \P{Nd} (general categories)  \r \n \t and escaped signs
//   a|b  (?:...)  (...)  (?i:...)  (?!...)  (?=...)  ^ $ (of the whole text)  ? * + {n} {n,} {n,m}, as greedy
#ifndef BIGSC_RUNTIME_PATTERN_H
#define BIGSC_RUNTIME_PATTERN_H
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct TextPattern TextPattern;
// NULL: out of memory, or what is not known, with its place in the expression; status BIGS_EFILE.
TextPattern *pattern_new(const char *text, size_t n, BigsError *e);
TextPattern *pattern_literal(const char *text, size_t n, BigsError *e); // the text itself
void pattern_free(TextPattern *p);                                      // NULL is allowed
// The first match in s[from, n), well-formed UTF-8; it may be empty.  False: none.  *status: where memory is out, or the expression
// took too many steps.
bool pattern_find(const TextPattern *p, const char *s, size_t n, size_t from, size_t *start,
                  size_t *end, int *status, BigsError *e);
#endif
