// A text as tokens: its documents one after another, a separator behind each.
#ifndef BIGSC_RUNTIME_TOKENIZE_H
#define BIGSC_RUNTIME_TOKENIZE_H
#include "runtime/train/token_cache.h"

typedef struct TokenizeOptions {
  TokenPlace place; // where tokens are kept, and whom to tell
  int threads;      // that cut text; 0 is as 1.  The tokens are the same for any number
  int shift;        // of tokens_start
} TokenizeOptions;
// All files of the reader, which nobody has read from yet, into *out, for tokens_free; also where it fails.  *kept, NULL allowed: they
// come from the cache, no text was read.  Errors: of text_next; memory; BIGS_EINTERRUPT where the progress says so: then nothing
// is kept.
int tokenize(TextReader *r, const Tokenizer *tok, const TokenizeOptions *o, TokenStream *out,
             bool *kept, BigsError *e);
#endif
