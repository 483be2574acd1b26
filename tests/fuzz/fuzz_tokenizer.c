// libFuzzer: the first line of the input says how, up to "\n\n\n" follows a vocabulary, then text.
// Every id must lie in the vocabulary, and what is decoded must encode again.
#include "runtime/text/tokenizer.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok) {
  if (!ok)
    abort();
}

// Five special tokens, then the fuzzer's lines.
static Tokenizer *vocabulary(const char *lines, size_t n, bool lower) {
  static const char head[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  char *text = malloc(sizeof head + n);
  must(text != NULL);
  memcpy(text, head, sizeof head - 1);
  memcpy(text + sizeof head - 1, lines, n);
  Tokenizer *t;
  BigsError e = {{0}, 0};
  if (tok_parse(TOKENIZER_WORDPIECE, text, sizeof head - 1 + n, "v", lower, &t, &e) != 0)
    must(e.status != 0 && e.text[0]);
  free(text);
  return t;
}

static void check(const Tokenizer *t, const char *text, size_t n, bool specials) {
  TokIds ids = {0}, again = {0};
  BigsError e = {{0}, 0};
  TokEncoder *c = tok_encoder_new(t, &e);
  must(c != NULL);
  if (tok_encode(c, text, n, specials, &ids, &e) == 0) {
    must(ids.n <= 4 * n + 4);
    for (size_t i = 0; i < ids.n; i++)
      must(ids.v[i] >= 0 && ids.v[i] < tok_size(t));
    char *back = tok_decode(t, ids.v, ids.n, false, &e);
    must(back != NULL);
    must(tok_encode(c, back, strlen(back), true, &again, &e) == 0);
    free(back);
  } else {
    must(e.status == BIGS_EMODEL);
  }
  tok_encoder_free(c);
  free(ids.v);
  free(again.v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1)
    return 0;
  int how = data[0];
  const char *s = (const char *)data + 1;
  size_t n = size - 1, cut = 0;
  const char *end = n ? memmem(s, n, "\n\n\n", 3) : NULL;
  cut = end ? (size_t)(end - s) : n / 2;
  Tokenizer *t = vocabulary(s, cut, how & 1);
  if (t)
    check(t, s + cut, n - cut, how & 2);
  tok_free(t);
  return 0;
}
