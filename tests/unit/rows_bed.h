// Rows of data from files of the words w5 ... w99, in a folder that fixtures make and remove.
#ifndef BIGSC_ROWS_BED_H
#define BIGSC_ROWS_BED_H
#include "runtime/train/data.h"
#include <check.h>

enum { PAD, UNK, CLS, SEP, MASK, WORDS = 95, VOCAB = 100 }; // w5 ... w99 are the ordinary tokens
Tokenizer *rows_tokenizer(void);                            // of these; the caller's to free
int32_t rows_word(int i); // the token of word i of a text that looks random

extern Tokenizer *rows_tok; // from rows_setup to rows_teardown
void rows_setup(void);
void rows_teardown(void);
// Writes a file of the folder; its path is one of four buffers in turn.
const char *rows_put(const char *name, const char *text);
Data *rows_open(const char *path, DataOptions o); // must succeed; for data_free
// Must fail so, with this in the message.
void rows_refused(const char *path, DataOptions o, int status, const char *text);
#endif
