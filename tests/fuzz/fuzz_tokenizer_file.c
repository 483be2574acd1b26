// libFuzzer: up to "\n\n\n" a tokenizer.json, then a text, and behind a tab another.  Every id must lie in the vocabulary, no bound may be
// passed, and what is decoded must be readable.
#include "runtime/text/tokenizer.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok) {
  if (!ok)
    abort();
}

static void check(const Tokenizer *t, const char *const *text, const size_t *size, int texts,
                  size_t max) {
  TokIds ids = {0}, types = {0};
  BigsError e = {{0}, 0};
  TokEncoder *c = tok_encoder_new(t, &e);
  must(c != NULL);
  if (tok_whole(c, text, size, texts, max, &ids, &types, NULL, &e) == 0) {
    must(ids.n == types.n && (!max || ids.n <= max));
    for (size_t i = 0; i < ids.n; i++)
      must(ids.v[i] >= 0 && ids.v[i] < tok_size(t));
    char *back = tok_decode(t, ids.v, ids.n, false, &e);
    must(back != NULL);
    free(back);
  } else {
    must(e.status == BIGS_EMODEL || e.status == BIGS_EUSAGE);
  }
  tok_encoder_free(c);
  free(ids.v);
  free(types.v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *s = (const char *)data, *cut = size ? memmem(s, size, "\n\n\n", 3) : NULL;
  size_t n = cut ? (size_t)(cut - s) : size;
  const char *text[2] = {cut ? cut + 3 : "", ""}, *end = s + size;
  const char *tab = cut ? memchr(text[0], '\t', (size_t)(end - text[0])) : NULL;
  size_t sizes[2] = {tab ? (size_t)(tab - text[0]) : cut ? (size_t)(end - text[0]) : 0, 0};
  BigsError e = {{0}, 0};
  Tokenizer *t;
  if (tab) {
    text[1] = tab + 1;
    sizes[1] = (size_t)(end - tab) - 1;
  }
  if (tok_parse(TOKENIZER_FILE, s, n, "/nowhere/t.json", false, &t, &e) != 0) {
    must(e.status != 0 && e.text[0]);
    return 0;
  }
  check(t, text, sizes, 1, 0);
  check(t, text, sizes, 2, 9);
  tok_free(t);
  return 0;
}
