// BERT so small that a test trains it in a second, with words of one letter, and a text of them.
#ifndef BIGSC_SMALL_BERT_H
#define BIGSC_SMALL_BERT_H
#include "compiler/driver/session.h"
#include "runtime/text/tokenizer.h"

// Compiles it at a level such as "-O2".  The caller closes the session; what the options say lies in a.
void small_bert_compile(Session *s, Options *o, Arena *a, const char *level, const BuildWant *want);
Tokenizer *small_bert_tokenizer(void); // the caller frees it
// A file of so many words; of each 23 the numbers from, ..., to - 1 end their document.
void small_bert_text(const char *path, uint32_t words, uint32_t from, uint32_t to);
#endif
