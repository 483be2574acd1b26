// Learning a WordPiece vocabulary from text.
//
// Words (words.h) are counted; each starts as its characters, those inside a word with "##"; then
// the pair of neighbouring pieces that occurs most often becomes one piece, everywhere, until the
// vocabulary is full: byte-pair encoding (Sennrich, Haddow, Birch, ACL 2016) on words, which is
// also what common trainers of BERT vocabularies do.  Ties go to the pair whose pieces are older.
// The same text gives the same vocabulary, whatever the order of files or lines.
#ifndef BIGSC_RUNTIME_VOCAB_H
#define BIGSC_RUNTIME_VOCAB_H
#include "base/error.h"
#include "runtime/train/corpus.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VOCAB_MIN_SIZE = 16, VOCAB_MAX_SIZE = 1 << 20 };

typedef struct VocabOptions {
  int size; // tokens wanted, VOCAB_MIN_SIZE to VOCAB_MAX_SIZE; fewer come of a small text
  bool lower;
  int min_count;          // a pair or character seen less often makes no piece; 0 means 2
  BigsProgress *progress; // may be NULL
  void *ctx;
} VocabOptions;

typedef struct Vocab {
  char *text; // vocab.txt: special tokens, characters in code order ("##" forms behind), then
  size_t n;   // pieces in the order they were made; a token a line.  The caller frees text.
  int size;   // tokens
  int64_t words, distinct; // words read, different ones
} Vocab;
int vocab_learn(const char *const *paths, int npaths, const VocabOptions *o, Vocab *out,
                BigsError *e);
#endif
