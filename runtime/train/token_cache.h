// A folder with the tokens of texts that were cut before, by what they were made from: CACHE/KEY/ holds a text's chunks (tokens.h), a
// file each, and `index`, which is written last.  A folder without one is taken for nothing.  It only saves time and memory: where it
// cannot be read or written, that is said and the text is cut again, into memory.  Processes may share it: one writes, and the
// others wait for it.  Files are mapped, and never written to again: what is made anew gets new files.
#ifndef BIGSC_RUNTIME_TOKEN_CACHE_H
#define BIGSC_RUNTIME_TOKEN_CACHE_H
#include "runtime/text/tokenizer.h"
#include "runtime/train/corpus.h"
#include "runtime/train/tokens.h"

#define TOKEN_CACHE_MOST ((int64_t)64 << 30) // bytes in the folder

typedef struct TokenPlace {
  const char *folder; // CACHE; made where it is missing.  NULL: nothing is kept
  int64_t least;      // texts of fewer bytes are not kept: they are read as fast
  int64_t most; // bytes in the folder: what was not asked for the longest goes; 0: TOKEN_CACHE_MOST
  BigsProgress *progress;
  void (*say)(void *ctx, const char *text); // a line for people; may be NULL, as progress
  void *ctx;                                // of both
} TokenPlace;

// Looks for the tokens of the reader's files, of which none was read yet, by this tokenizer.  *found: *t has them.  Else t->keep is what
// keeps those that will be pushed, or NULL.  The key is made of the files' paths, sizes and times, and of the tokenizer; what is no
// regular file is not kept.  Fails only where waiting was cancelled: BIGS_EINTERRUPT.
int token_cache_find(const TokenPlace *p, const TextReader *r, const Tokenizer *tok, TokenStream *t,
                     bool *found, BigsError *e);
// Writes a whole chunk and maps it.  Where that fails, what was written so far comes back into memory: only that fails.
int token_cache_keep(struct TokenCache *c, TokenStream *t, int chunk, BigsError *e);
// All was pushed, or, with `failed`, not: then nothing is kept.  Also if the files have changed since.  Does nothing without t->keep.
void token_cache_close(TokenStream *t, bool failed);
#endif
