// See rows_bed.h.
#include "tests/unit/rows_bed.h"
#include "tests/unit/tmpdir.h"
#include <stdio.h>
#include <string.h>

Tokenizer *rows_tok;

Tokenizer *rows_tokenizer(void) {
  Tokenizer *t;
  char text[2048] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (int i = MASK + 1; i < VOCAB; i++)
    sprintf(text + strlen(text), "w%d\n", i);
  ck_assert_int_eq(tok_parse(TOKENIZER_WORDPIECE, text, strlen(text), "v", true, &t, NULL), 0);
  return t;
}

int32_t rows_word(int i) {
  return MASK + 1 + (int32_t)((unsigned)i * 2654435761u >> 8) % WORDS;
}

void rows_setup(void) {
  make_dir();
  rows_tok = rows_tokenizer();
}
void rows_teardown(void) {
  tok_free(rows_tok);
  remove_dir();
}

const char *rows_put(const char *name, const char *text) {
  const char *path = in_dir(name);
  FILE *f = fopen(path, "w");
  ck_assert_ptr_nonnull(f);
  fputs(text, f);
  ck_assert_int_eq(fclose(f), 0);
  return path;
}

Data *rows_open(const char *path, DataOptions o) {
  BigsError e = {0};
  Data *d;
  ck_assert_msg(data_open(&path, 1, rows_tok, &o, &d, &e) == 0, "%s", e.text);
  return d;
}

void rows_refused(const char *path, DataOptions o, int status, const char *text) {
  BigsError e = {0};
  Data *d;
  ck_assert_int_eq(data_open(&path, 1, rows_tok, &o, &d, &e), status);
  ck_assert_ptr_null(d);
  ck_assert_int_eq(e.status, status);
  ck_assert_msg(strstr(e.text, text), "%s", e.text);
}
