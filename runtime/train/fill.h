// Filling the gaps of a sentence: the best words for each [MASK].
#ifndef BIGSC_RUNTIME_FILL_H
#define BIGSC_RUNTIME_FILL_H
#include "runtime/exec/exec.h"
#include "runtime/text/tokenizer.h"

enum { FILL_TOP = 100 };
typedef struct FillWord {
  int32_t id;
  double probability; // softmax over all tokens
} FillWord;
typedef struct FillGap {
  int64_t position; // in the row of tokens, [CLS] being 0
  int n;            // words, at most FILL_TOP, best first
  FillWord word[FILL_TOP];
} FillGap;
// Runs entry `logits` on [CLS] text [SEP], padded with [PAD] to `length` (0: not at all; a model
// that mixes padding into its output wants the length it was trained with).  "[MASK]" in the text
// marks a gap; a text without one is an error, as is one that is too long.  *out: malloc'd, in
// order.
int fill_gaps(bigs_model *m, const Tokenizer *t, const char *text, int64_t length, int top,
              FillGap **out, int *n);
#endif
