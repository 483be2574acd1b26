// Text to words, words to pieces, rows of tokens to groups.
#include "runtime/serve/text_rows.h"
#include "runtime/text/tokenizer.h"
#include "runtime/text/words.h"
#include "tests/unit/suites.h"
#include "tests/unit/tmpdir.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(a) ((int)(sizeof(a) / sizeof *(a)))

// ---- words: joined by '|'

static int join_word(void *ctx, const char *word, size_t n, size_t chars) {
  char *out = ctx;
  size_t at = strlen(out), counted = 0;
  for (size_t i = 0; i < n; i++)
    counted += ((unsigned char)word[i] & 0xC0) != 0x80;
  ck_assert_uint_eq(counted, chars);
  memcpy(out + at, word, n);
  memcpy(out + at + n, "|", 2);
  return 0;
}

static const struct {
  const char *text, *lower, *cased; // cased NULL: the same as lower
} word_cases[] = {
    {"", "", NULL},
    {" \t\r\n\f", "", NULL},
    {"Hello, World!", "hello|,|world|!|", "Hello|,|World|!|"},
    {"don't stop-it", "don|'|t|stop|-|it|", NULL},
    {"a^b`c$d+e=f|g~h<i>j", "a|^|b|`|c|$|d|+|e|=|f|||g|~|h|<|i|>|j|", NULL}, // ASCII symbols split
    {"x\xE2\x82\xACy \xC2\xA9z", "x\xE2\x82\xACy|\xC2\xA9z|", NULL},         // € and © do not
    {"\xE2\x80\x9Cquoted\xE2\x80\x9D\xE2\x80\x94"
     "dash",
     "\xE2\x80\x9C|quoted|\xE2\x80\x9D|\xE2\x80\x94|dash|", NULL},
    {"H\xC3\xA9llo na\xC3\xAFve \xC3\x85ngstr\xC3\xB6m", "hello|naive|angstrom|",
     "H\xC3\xA9llo|na\xC3\xAFve|\xC3\x85ngstr\xC3\xB6m|"},
    {"e\xCC\x81"
     "a\xCC\xA7\xCC\x81z",
     "eaz|",
     "e\xCC\x81"
     "a\xCC\xA7\xCC\x81z|"},       // combining marks
    {"\xCC\x81", "", "\xCC\x81|"}, // nothing but a mark
    {"STRA\xC3\x9F"
     "E \xC4\xB0I\xCC\x87",
     "stra\xC3\x9F"
     "e|ii|",
     "STRA\xC3\x9F"
     "E|\xC4\xB0I\xCC\x87|"},
    {"\xCE\xA3\xCE\x8A\xCE\xA3\xCE\xA5\xCE\xA6\xCE\x9F\xCE\xA3",
     "\xCF\x83\xCE\xB9\xCF\x83\xCF\x85\xCF\x86\xCE\xBF\xCF\x83|",
     "\xCE\xA3\xCE\x8A\xCE\xA3\xCE\xA5\xCE\xA6\xCE\x9F\xCE\xA3|"},
    {"\xD0\x99\xD0\x96", "\xD0\xB8\xD0\xB6|", "\xD0\x99\xD0\x96|"}, // Й loses its breve
    {"ab\xE4\xB8\xAD\xE5\x9B\xBD"
     "cd",
     "ab|\xE4\xB8\xAD|\xE5\x9B\xBD|cd|", NULL},
    {"\xF0\xAB\xA4\xA0x\xEF\xA4\x80", "\xF0\xAB\xA4\xA0|x|\xE8\xB1\x88|",
     "\xF0\xAB\xA4\xA0|x|\xEF\xA4\x80|"}, // U+2B920; U+F900
    {"a\xE1\x99\xAD"
     "b\xD8\x9D"
     "c",
     "a|\xE1\x99\xAD|b\xD8\x9D"
     "c|",
     NULL}, // Unicode 8 has U+166D, not U+61D
    {"a\xE1\x9C\xB4"
     "b\xDF\xBD"
     "c",
     "ab\xDF\xBD"
     "c|",
     "a\xE1\x9C\xB4"
     "b\xDF\xBD"
     "c|"}, // its marks: U+1734, not U+7FD
    {"a\xE0\xA2\x90"
     "b\xF0\xAB\xA0\xA0",
     "a\xE0\xA2\x90"
     "b\xF0\xAB\xA0\xA0|",
     NULL}, // U+890 stays; U+2B820 is apart nowhere
    {"\xE3\x81\x8B\xE3\x81\xAA", "\xE3\x81\x8B\xE3\x81\xAA|", NULL}, // kana stay together
    {"\xED\x95\x9C", "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB|", "\xED\x95\x9C|"}, // hangul decomposes
    {"a\xC2\xA0"
     "b\xE3\x80\x80"
     "c\xE2\x80\xA8"
     "d",
     "a|b|c|d|", NULL}, // U+A0, U+3000, U+2028
    {"a\xE2\x80\x8B"
     "b\xC2\xAD"
     "c\xEF\xBB\xBF\x07\xEF\xBF\xBD"
     "d\xEE\x80\x80",
     "abcd|", NULL},                     // controls vanish
    {"x\xCD\xB8y", "x\xCD\xB8y|", NULL}, // unassigned U+0378 stays
};

START_TEST(words_of_text) {
  for (int lower = 0; lower < 2; lower++) {
    BigsError e = {0};
    Words *w = words_new(lower ? WORDS_PLAIN : WORDS_KEPT, &e);
    char out[256] = "";
    ck_assert_int_eq(
        words_split(w, word_cases[_i].text, strlen(word_cases[_i].text), join_word, out, &e), 0);
    ck_assert_str_eq(out,
                     lower || !word_cases[_i].cased ? word_cases[_i].lower : word_cases[_i].cased);
    words_free(w);
  }
}
END_TEST

START_TEST(words_nul_and_bad_utf8) {
  BigsError e = {0};
  Words *w = words_new(WORDS_PLAIN, &e);
  char out[64] = "";
  ck_assert_int_eq(words_split(w, "a\0b", 3, join_word, out, &e), 0);
  ck_assert_str_eq(out, "ab|");
  ck_assert_int_eq(words_split(w, "ok \xff", 4, join_word, out, &e), BIGS_EMODEL);
  ck_assert_str_eq(e.text, "byte 3 of the text is not UTF-8");
  words_free(w);
}
END_TEST

static int stop_early(void *ctx, const char *word, size_t n, size_t chars) {
  (void)word, (void)n, (void)chars;
  return ++*(int *)ctx == 2 ? 42 : 0;
}

START_TEST(words_callback_stops) {
  Words *w = words_new(WORDS_PLAIN, NULL);
  int calls = 0;
  ck_assert_int_eq(words_split(w, "a b c", 5, stop_early, &calls, NULL), 42);
  ck_assert_int_eq(calls, 2);
  words_free(w);
}
END_TEST

// ---- the tokenizer

static const char vocab[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\n##a\nthe\n##b\n##\xC3\xA9\n"
    "caf\n.\n\xE4\xB8\xAD\n##ab\nunaff\n##x\nT\n";
enum {
  PAD,
  UNK,
  CLS,
  SEP,
  MASK,
  UN,
  AFF,
  ABLE,
  A,
  THE,
  B,
  EACUTE,
  CAF,
  DOT,
  ZHONG,
  AB,
  UNAFF,
  X,
  T
};

static Tokenizer *make(bool lower) {
  BigsError e = {0};
  Tokenizer *t;
  ck_assert_msg(tok_parse(TOKENIZER_WORDPIECE, vocab, strlen(vocab), "vocab.txt", lower, &t, &e) ==
                    0,
                "%s", e.text);
  return t;
}

static void expect(bool lower, bool specials, const char *text, size_t n, const int32_t *want) {
  BigsError e = {0};
  Tokenizer *t = make(lower);
  TokEncoder *c = tok_encoder_new(t, &e);
  TokIds ids = {0};
  ck_assert_int_eq(tok_encode(c, text, strlen(text), specials, &ids, &e), 0);
  ck_assert_uint_eq(ids.n, n);
  for (size_t i = 0; i < n; i++)
    ck_assert_int_eq(ids.v[i], want[i]);
  free(ids.v);
  tok_encoder_free(c);
  tok_free(t);
}
#define EXPECT(lower, specials, text, ...)                                                         \
  expect(lower, specials, text, sizeof((int32_t[]){__VA_ARGS__}) / 4, (int32_t[]){__VA_ARGS__})

START_TEST(longest_match_first) {
  EXPECT(true, false, "unaffable", UNAFF, ABLE); // not un ##aff ##able
  EXPECT(true, false, "Una", UN, A);
  EXPECT(true, false, "unab", UN, AB); // ##ab before ##a ##b
  EXPECT(true, false, "the thex unz the.", THE, THE, X, UNK, THE, DOT);
  EXPECT(true, false, "affable", UNK);     // no piece starts it
  EXPECT(true, false, "caf\xC3\xA9", UNK); // accents go: no ##e
  EXPECT(false, false, "caf\xC3\xA9 The T", CAF, EACUTE, UNK, T);
  EXPECT(true, false, "\xE4\xB8\xADthe", ZHONG, THE);
}
END_TEST

START_TEST(words_too_long) {
  char text[300] = "un";
  memset(text + 2, 'x', 98);
  int32_t want[99] = {UN};
  for (int i = 1; i < 99; i++)
    want[i] = X;
  expect(true, false, text, 99, want);
  text[100] = 'x';
  EXPECT(true, false, text, UNK); // 101 characters
}
END_TEST

START_TEST(special_tokens_in_text) {
  EXPECT(true, true, "the [MASK]the[SEP].", THE, MASK, THE, SEP, DOT);
  EXPECT(true, true, "[mask] [MASK", UNK, UNK, UNK, UNK, UNK);
  EXPECT(true, false, "[MASK]", UNK, UNK, UNK);
  EXPECT(true, true, "[PAD][UNK][CLS]", PAD, UNK, CLS);
}
END_TEST

START_TEST(looks_up_and_decodes) {
  BigsError e = {0};
  Tokenizer *t = make(true);
  ck_assert_int_eq(tok_size(t), 19);
  ck_assert(tok_lower(t));
  ck_assert_int_eq(tok_special(t, TOK_MASK), MASK);
  ck_assert(tok_is_special(t, SEP) && !tok_is_special(t, UN));
  ck_assert_int_eq(tok_find(t, "##able", 6), ABLE);
  ck_assert_int_eq(tok_find(t, "able", 4), -1);
  ck_assert_int_eq(tok_find(t, "una", 3), -1);
  ck_assert_str_eq(tok_text(t, AFF), "##aff");
  ck_assert_ptr_null(tok_text(t, 19));
  ck_assert_ptr_null(tok_text(t, -1));
  int32_t ids[] = {CLS, THE, UN, AFF, ABLE, MASK, DOT, SEP, PAD};
  char *text = tok_decode(t, ids, 9, true, &e);
  ck_assert_str_eq(text, "the unaffable [MASK] .");
  free(text);
  text = tok_decode(t, ids, 2, false, &e);
  ck_assert_str_eq(text, "[CLS] the");
  free(text);
  ids[3] = 19;
  ck_assert_ptr_null(tok_decode(t, ids, 9, true, &e));
  ck_assert_str_eq(e.text, "token id 19 is outside the vocabulary of 19");
  tok_free(t);
}
END_TEST

START_TEST(kinds_have_names) {
  for (int i = 0; i < TOKENIZER_COUNT; i++)
    ck_assert_int_eq(tok_kind(tokenizer_names[i]), i);
  ck_assert_int_eq(tok_kind("wordpieces"), -1);
  ck_assert_int_eq(tok_kind(""), -1);
}
END_TEST

#define HEAD "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"
static const struct {
  const char *text, *error;
} bad_vocabs[] = {
    {HEAD "a\nb\na\n", "v:8: the token \"a\" again, first on line 6"},
    {HEAD "a\n\nb\n", "v:7: an empty line"},
    {HEAD "a\n\r\n", "v:7: an empty line"},
    {HEAD "\xff\n", "v:6: not UTF-8"},
    {"[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n", "v: no line \"[MASK]\""},
    {"", "v: no line \"[PAD]\""},
};

START_TEST(bad_vocabularies) {
  BigsError e = {0};
  Tokenizer *t;
  ck_assert_int_eq(tok_parse(TOKENIZER_WORDPIECE, bad_vocabs[_i].text, strlen(bad_vocabs[_i].text),
                             "v", true, &t, &e),
                   BIGS_EFILE);
  ck_assert_ptr_null(t);
  ck_assert_msg(strstr(e.text, bad_vocabs[_i].error), "%s", e.text);
}
END_TEST

START_TEST(vocabulary_line_ends) {
  static const char text[] = "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\nlast";
  BigsError e = {0};
  Tokenizer *t;
  ck_assert_msg(tok_parse(TOKENIZER_WORDPIECE, text, strlen(text), "v", true, &t, &e) == 0, "%s",
                e.text);
  ck_assert_int_eq(tok_find(t, "last", 4), 5);
  tok_free(t);
  ck_assert_int_eq(tok_load(TOKENIZER_WORDPIECE, "/no/such/vocab.txt", true, &t, &e), BIGS_EFILE);
  ck_assert_str_eq(e.text, "/no/such/vocab.txt: cannot open: No such file or directory");
}
END_TEST

START_TEST(many_tokens) {
  char *text = malloc(1 << 20);
  size_t n = (size_t)sprintf(text, HEAD);
  for (int i = 0; i < 20000; i++)
    n += (size_t)sprintf(text + n, "%sw%d\n", i % 2 ? "##" : "", i);
  BigsError e = {0};
  Tokenizer *t;
  ck_assert_msg(tok_parse(TOKENIZER_WORDPIECE, text, n, "v", true, &t, &e) == 0, "%s", e.text);
  for (int i = 0; i < 20000; i++) {
    char name[16];
    int len = sprintf(name, "%sw%d", i % 2 ? "##" : "", i);
    ck_assert_int_eq(tok_find(t, name, (size_t)len), i + TOK_SPECIALS);
  }
  tok_free(t);
  free(text);
}
END_TEST

// What a folder's files say, and the part of the message for `lower: false` and `lower: true`; NULL:
// both agree.
static const struct {
  const char *config, *fast, *main, *error[2];
} folders[] = {
    {NULL, NULL, NULL, {NULL, NULL}},
    {"{\"do_lower_case\": false}",
     NULL,
     NULL,
     {NULL, "tokenizer_config.json: do_lower_case is false, but the model folds the case"}},
    {"{\"do_lower_case\": true}",
     NULL,
     NULL,
     {"tokenizer_config.json: do_lower_case is true, but the model keeps the case", NULL}},
    {"{\"do_lower_case\": true, \"strip_accents\": false}",
     NULL,
     NULL,
     {"do_lower_case is true", "strip_accents is false, but the model strips accents"}},
    {"{\"strip_accents\": true}", NULL, NULL, {"strip_accents is true, but", NULL}},
    {"{\"strip_accents\": null}", NULL, NULL, {NULL, NULL}},
    {"{\"tokenize_chinese_chars\": false}",
     NULL,
     NULL,
     {"tokenize_chinese_chars is false", "takes each ideograph as a word"}},
    {"{\"do_lower_case\": \"no\"}", NULL, NULL, {"is a string", "is a string"}},
    {"{\"do_lower_case\":", NULL, NULL, {"tokenizer_config.json: byte", "byte"}},
    {"{}",
     "{\"normalizer\": {\"type\": \"BertNormalizer\", \"lowercase\": false}}",
     NULL,
     {NULL, "tokenizer.json: lowercase is false"}},
    {"{\"do_lower_case\": true}", // wins
     "{\"normalizer\": {\"type\": \"BertNormalizer\", \"lowercase\": false}}",
     NULL,
     {"do_lower_case is true", NULL}},
    {NULL,
     "{\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFD\"}, "
     "{\"type\": \"Lowercase\"}]}}",
     NULL,
     {"tokenizer.json: normalizer is one that folds the case, but the model keeps", NULL}},
    {NULL,
     "{\"normalizer\": null}",
     "{\"do_lower_case\": true}",
     {NULL, "tokenizer.json: normalizer is none of case, but the model folds"}},
    {"{}", NULL, "{\"do_lower_case\": false}", {NULL, "/config.json: do_lower_case is false"}},
};

static void put(const char *name, const char *text) {
  FILE *f = text ? fopen(in_dir(name), "w") : NULL;
  ck_assert(!text || (f && fputs(text, f) >= 0 && !fclose(f)));
}

START_TEST(folders_of_another_case) {
  put("tokenizer_config.json", folders[_i].config);
  put("tokenizer.json", folders[_i].fast);
  put("config.json", folders[_i].main);
  for (int lower = 0; lower < 2; lower++) {
    BigsError e = {0};
    const char *want = folders[_i].error[lower];
    int status = tok_folder_check(TOKENIZER_WORDPIECE, dir, lower, &e);
    ck_assert_msg(want ? status == BIGS_EFILE && strstr(e.text, want) : !status, "%s", e.text);
  }
}
END_TEST

// What vocab.txt does not hold, or is not cut by: tokenizer_config.json, added_tokens.json, and the error.
static const struct {
  const char *config, *added, *error;
} folders_of_more[] = {
    {"{\"never_split\": null, \"word_tokenizer_type\": \"basic\"}", "{\"[MASK]\": 4}", NULL},
    {"{\"added_tokens_decoder\": {\"5\": {\"content\": \"cat\"}}}", "{}", NULL},
    {NULL, "{\"cat\": 5, \"zebra\": 6}",
     "added_tokens.json: the token \"zebra\" is not in vocab.txt"},
    {"{\"added_tokens_decoder\": {\"0\": {\"content\": \"[PAD]\"}, \"6\": {\"content\": \"a b\"}}}",
     NULL, "tokenizer_config.json: the token \"a b\" is not in vocab.txt"},
    {"{\"word_tokenizer_type\": \"mecab\"}", NULL, "word_tokenizer_type is mecab"},
    {"{\"subword_tokenizer_type\": false}", NULL, "subword_tokenizer_type is false"},
    {"{\"never_split\": [\"a b\"]}", NULL, "never_split has words"},
    {"[]", NULL, "tokenizer_config.json: an array, not an object"},
    {NULL, "[]", "added_tokens.json: an array, not an object"},
};

START_TEST(folders_of_more_than_a_vocabulary) {
  put("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ncat\n");
  put("tokenizer_config.json", folders_of_more[_i].config);
  put("added_tokens.json", folders_of_more[_i].added);
  for (int lower = 0; lower < 2; lower++) {
    BigsError e = {0};
    const char *want = folders_of_more[_i].error;
    int status = tok_folder_check(TOKENIZER_WORDPIECE, dir, lower, &e);
    ck_assert_msg(want ? status == BIGS_EFILE && strstr(e.text, want) : !status, "%s", e.text);
  }
  put("vocab.txt", "damaged");
  BigsError e = {0};
  bool of_tokens = folders_of_more[_i].error && strstr(folders_of_more[_i].error, "is not in");
  ck_assert(!of_tokens || !tok_folder_check(TOKENIZER_WORDPIECE, dir, false, &e));
}
END_TEST

// ---- rows of tokens in groups

// Tokens of each row, ended by a 0, what the model takes, and the groups: B x L, and the numbers of their rows.
static const struct {
  int tokens[8];
  TextTakes takes;
  const char *groups;
} groupings[] = {
    {{0}, {.tokens = 1024, .masked = true}, ""},
    {{4, 5, 4, 5, 5}, {.tokens = 1024, .masked = true}, "5x5: 1 3 4 0 2|"},
    {{4, 5, 4, 5, 5}, {.tokens = 1024}, "3x5: 1 3 4|2x4: 0 2|"}, // padding would be text
    {{4, 12, 4, 4}, {.tokens = 10, .masked = true}, "1x12: 1|2x4: 0 2|1x4: 3|"},
    {{3, 300, 149, 150, 3}, {.tokens = 1024, .masked = true}, "2x300: 1 3|2x149: 2 0|1x3: 4|"},
    {{3, 2, 1, 3, 3}, {.longest = 6, .pad = 6, .tokens = 14}, "2x6: 0 3|2x6: 4 1|1x6: 2|"},
    {{3, 2, 1, 3, 3}, {.batch = 4, .tokens = 2, .masked = true}, "4x3: 0 3 4 1|4x1: 2|"},
    {{9, 4, 9}, {.batch = 2, .tokens = 1024}, "2x9: 0 2|2x4: 1|"},
};
enum { FILLER = -7 };

// Token k of row r is 1000 r + k; in a fixed batch the first row stands in for those that lack.
static void check_cells(const TextGroup *g) {
  for (int64_t cell = 0; cell < g->B * g->L; cell++) {
    int64_t i = cell / g->L, k = cell % g->L;
    const TextRow *row = &g->row[i < g->n ? i : 0];
    ck_assert_int_eq(g->mask[cell], k < row->n);
    ck_assert_int_eq(g->ids[cell], k < row->n ? 1000 * row->number + k : FILLER);
    ck_assert_int_eq(g->types[cell], 0);
  }
}

static void add_rows(TextRows *r, const int *tokens) {
  int32_t ids[512];
  for (int row = 0; tokens[row]; row++) {
    for (int k = 0; k < tokens[row]; k++)
      ids[k] = 1000 * row + k;
    ck_assert_int_eq(text_rows_add_ids(r, ids, tokens[row], NULL), 0);
  }
}

static void check_groups(TextRows *r, const char *want) {
  char got[256] = "", *out = got;
  TextGroup g;
  text_rows_sort(r);
  for (int64_t first = 0; first < r->n; first += g.n) {
    ck_assert_int_eq(text_rows_group(r, first, &g, NULL), 0);
    check_cells(&g);
    out += sprintf(out, "%dx%d:", (int)g.B, (int)g.L);
    for (int64_t i = 0; i < g.n; i++)
      out += sprintf(out, " %d", (int)g.row[i].number);
    out += sprintf(out, "|");
  }
  ck_assert_str_eq(got, want);
}

START_TEST(rows_in_groups) {
  TextRows r = {.takes = groupings[_i].takes, .filler = FILLER};
  for (int again = 0; again < 2; again++) {
    add_rows(&r, groupings[_i].tokens);
    check_groups(&r, groupings[_i].groups);
    text_rows_clear(&r);
  }
  text_rows_free(&r);
}
END_TEST

Suite *tokenizer_suite(void) {
  Suite *s = suite_create("tokenizer");
  TCase *t = tcase_create("tokenizer");
  tcase_add_loop_test(t, words_of_text, 0, N(word_cases));
  tcase_add_test(t, words_nul_and_bad_utf8);
  tcase_add_test(t, words_callback_stops);
  tcase_add_test(t, longest_match_first);
  tcase_add_test(t, words_too_long);
  tcase_add_test(t, special_tokens_in_text);
  tcase_add_test(t, looks_up_and_decodes);
  tcase_add_test(t, kinds_have_names);
  tcase_add_loop_test(t, bad_vocabularies, 0, N(bad_vocabs));
  tcase_add_test(t, vocabulary_line_ends);
  tcase_add_test(t, many_tokens);
  tcase_add_loop_test(t, rows_in_groups, 0, N(groupings));
  suite_add_tcase(s, t);
  t = tcase_create("folders");
  tcase_add_checked_fixture(t, make_dir, remove_dir);
  tcase_add_loop_test(t, folders_of_another_case, 0, N(folders));
  tcase_add_loop_test(t, folders_of_more_than_a_vocabulary, 0, N(folders_of_more));
  suite_add_tcase(s, t);
  return s;
}
