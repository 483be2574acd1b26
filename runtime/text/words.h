// BERT's basic tokenization (Devlin et al., 2018: tokenization.py of the published code): text to
// words, before any vocabulary.  Characters go through these steps:
//   drop     U+0000, U+FFFD, categories Cc, Cf, Co, Cs except tab, line feed, carriage return
//   split    at tab, line feed, carriage return, Zs, Zl, Zp, which vanish
//   isolate  each CJK ideograph (the blocks of Unified Ideographs, extensions A to E, and the
//            compatibility ideographs), as a word of its own; of extension E from U+2B920 on, as
//            the library `tokenizers` has it
//   lower    when asked for: lower-case, canonical decomposition (NFD), then marks (Mn) dropped
//   isolate  each punctuation character: ASCII's symbols all count, and categories P*
// Unassigned characters are kept.  Categories are those of Unicode 8 (runtime/text/unicode.h).
#ifndef BIGSC_RUNTIME_WORDS_H
#define BIGSC_RUNTIME_WORDS_H
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool is_ideograph(int32_t c);   // of the blocks above
bool is_control(int32_t c);     // of Cc, Cf, Co, Cs
bool is_accent(int32_t c);      // of Mn
bool is_symbol_char(int32_t c); // is isolated as punctuation

// Called once a word, in order: `n` bytes of UTF-8, `chars` characters.  A result other than 0 ends
// the walk and is returned by words_split.
typedef int WordFn(void *ctx, const char *word, size_t n, size_t chars);

typedef struct Words Words; // buffers, reusable from call to call, by one thread at a time
typedef enum WordsCase {
  WORDS_KEPT,
  WORDS_LOWERED, // but with their marks
  WORDS_PLAIN    // lower, without marks: the fourth step
} WordsCase;
Words *words_new(WordsCase to, BigsError *e);
void words_free(Words *w); // NULL is allowed
// Bad UTF-8 is an error of status BIGS_EMODEL that tells the byte's offset in `text`.
int words_split(Words *w, const char *text, size_t n, WordFn *fn, void *ctx, BigsError *e);
#endif
