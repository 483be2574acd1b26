// See small_bert.h.
#include "tests/unit/small_bert.h"
#include "base/rng.h"
#include "tests/unit/command.h"
#include <check.h>
#include <stdio.h>

void small_bert_compile(Session *s, Options *o, Arena *a, const char *level,
                        const BuildWant *want) {
  char *path = arena_printf(a, "%s/models/bert.mdl", test_source_dir());
  char *opt = arena_printf(a, "%s", level);
  char *line[] = {"bigsc", "train",   path, "--out",   "unused", "-D",   "H=24", "-D", "F=40",
                  "-D",    "Heads=3", "-D", "Depth=1", "-D",     "V=11", opt,    "-D", "P=20"};
  ck_assert_int_eq(options_parse(a, o, COUNT(line), line), -1);
  ck_assert_int_eq(session_load(s, o, path, true), 0);
  ck_assert_int_eq(session_compile(s, want), 0);
}

Tokenizer *small_bert_tokenizer(void) {
  static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\ne\nf\n";
  Tokenizer *t;
  ck_assert_int_eq(tok_parse(TOKENIZER_WORDPIECE, vocab, sizeof vocab - 1, "vocab", true, &t, NULL),
                   0);
  return t;
}

void small_bert_text(const char *path, uint32_t words, uint32_t from, uint32_t to) {
  FILE *f = fopen(path, "w");
  ck_assert_ptr_nonnull(f);
  for (uint32_t i = 0; i < words; i++) {
    bool ends = i % 23 >= from && i % 23 < to;
    fprintf(f, "%c%s", 'a' + (int)rng_below(rng_mix(i), 6), ends ? "\n\n" : " ");
  }
  ck_assert_int_eq(fclose(f), 0);
}
