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
// The same in steps: the tokens of a text with what goes around it, and a row of `used` tokens.
int fill_encode(const Tokenizer *t, const char *text, TokIds *ids, BigsError *e);
int fill_ids(bigs_model *m, const Tokenizer *t, const int32_t *ids, int64_t used, int64_t length,
             int top, FillGap **out, int *n);
// What the n gaps of such a row depend on.  change, [n, used]: by how much (nats) the log probability of a gap's best word falls when
// the token there is replaced by [MASK], too; NaN for special tokens and for the gaps.  As many rows are run together as there is room
// for.
int fill_why(bigs_model *m, const Tokenizer *t, const int32_t *ids, int64_t used, int64_t length,
             const FillGap *gap, int n, double *change);
#endif
