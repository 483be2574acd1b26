// Labelled rows from TSV files: texts and pairs, how they are cut, columns, labels, and what is refused.
#include "base/bug.h"
#include "tests/unit/rows_bed.h"
#include "tests/unit/suites.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(tsv_single) {
  const char *path = rows_put(
      "t.tsv", "id\tsentence\tlabel\r\n1\tw5 w6\t0\r\n2\tw7 W8 w9 w10 w11 w12\t2\r\n\n3\t\t1\n");
  Data *d = rows_open(path, (DataOptions){.kind = DATA_TSV, .length = 6, .classes = 3});
  DataBatch b;
  ck_assert_int_eq(data_at(d, DATA_TRAIN, 0, 3, &b, NULL), 0);
  static const int32_t want[18] = {CLS, 5,  6,   SEP, PAD, PAD, CLS, 7,   8,
                                   9,   10, SEP, CLS, SEP, PAD, PAD, PAD, PAD};
  ck_assert(b.B == 3 && b.L == 6 && b.tokens == 4 + 6 + 2 && !b.at);
  ck_assert_mem_eq(b.ids, want, sizeof want);
  ck_assert(b.target[0] == 0 && b.target[1] == 2 && b.target[2] == 1);
  ck_assert(b.mask[3] && !b.mask[4] && b.mask[11] && !b.mask[14]);
  ck_assert_int_eq(data_at(d, DATA_TRAIN, 2, 3, &b, NULL), 0);
  ck_assert_int_eq(b.L, 2); // as long as the longest
  data_free(d);
  d = rows_open(path, (DataOptions){.kind = DATA_TSV, .length = 6, .pad = true});
  ck_assert_int_eq(data_at(d, DATA_TRAIN, 2, 3, &b, NULL), 0);
  ck_assert_int_eq(b.L, 6);
  int count[3] = {0};
  for (int i = 0; i < 6; i++) {
    ck_assert_int_eq(data_next(d, 2, &b, NULL), 0);
    count[b.target[0]]++;
    count[b.target[1]]++;
  }
  ck_assert(count[0] == 4 && count[1] == 4 && count[2] == 4);
  data_free(d);
}
END_TEST

START_TEST(tsv_pairs) {
  Data *d = rows_open(rows_put("t.tsv", "label\ttext_b\ttext_a\n"
                                        "0\tw6\tw5\n"
                                        "1\tw20 w21 w22 w23\tw10 w11 w12 w13\n"
                                        "1\tw20\tw10 w11 w12 w13 w14 w15\n"
                                        "1\tw20 w21 w22 w23 w24 w25\tw10\n"),
                      (DataOptions){.kind = DATA_TSV, .length = 8, .pad = true});
  DataBatch b;
  ck_assert_int_eq(data_at(d, DATA_TRAIN, 0, 4, &b, NULL), 0);
  static const int32_t ids[32] = {CLS, 5,   SEP, 6,  SEP, PAD, PAD, PAD, CLS, 10, 11,
                                  SEP, 20,  21,  22, SEP, CLS, 10,  11,  12,  13, SEP,
                                  20,  SEP, CLS, 10, SEP, 20,  21,  22,  23,  SEP};
  static const int32_t types[32] = {0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1,
                                    0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1};
  ck_assert_mem_eq(b.ids, ids, sizeof ids);
  ck_assert_mem_eq(b.types, types, sizeof types);
  data_free(d);
}
END_TEST

// Texts of a and b words, as the column or the text of a caller.
static void words_of_pair(int a, int b, char text[2][64]) {
  for (int side = 0; side < 2; side++) {
    text[side][0] = 0;
    for (int i = 0; i < (side ? b : a); i++)
      sprintf(text[side] + strlen(text[side]), "w%d ", (side ? 50 : 10) + i);
  }
}

// Training, and all that takes texts from a caller, cut a pair at the same place.
static void check_pair_cut(TokEncoder *c, int a, int b, int length) {
  char text[2][64], file[192];
  words_of_pair(a, b, text);
  snprintf(file, sizeof file, "label\ttext_a\ttext_b\n0\t%s\t%s\n", text[0], text[1]);
  Data *d = rows_open(rows_put("t.tsv", file), (DataOptions){.kind = DATA_TSV, .length = length});
  DataBatch batch;
  TokIds ids = {0}, types = {0};
  ck_assert_int_eq(data_at(d, DATA_TRAIN, 0, 1, &batch, NULL), 0);
  ck_assert_int_eq(tok_whole(c, (const char *const[]){text[0], text[1]},
                             (size_t[]){strlen(text[0]), strlen(text[1])}, 2, (size_t)length, &ids,
                             &types, NULL, NULL),
                   0);
  ck_assert_msg((size_t)batch.L == ids.n, "%d and %d in %d: %d tokens, %d", a, b, length,
                (int)batch.L, (int)ids.n);
  ck_assert_mem_eq(batch.ids, ids.v, ids.n * sizeof *ids.v);
  ck_assert_mem_eq(batch.types, types.v, ids.n * sizeof *types.v);
  free(ids.v);
  free(types.v);
  data_free(d);
}

START_TEST(tsv_pairs_are_cut_as_texts_are) {
  TokEncoder *c = tok_encoder_new(rows_tok, NULL);
  for (int a = 0; a < 6; a++)
    for (int b = 0; b < 6; b++)
      for (int length = 4; length < 12; length++)
        check_pair_cut(c, a, b, length);
  tok_encoder_free(c);
}
END_TEST

// Rows of 1 to 12 letters, the second text with one less.
static const char *put_letters(bool pair) {
  char file[1024];
  int n = sprintf(file, pair ? "label\ttext_a\ttext_b\n" : "label\ttext\n");
  for (int letters = 1; letters <= 12; letters++) {
    n += sprintf(file + n, "0\t%.*s", 2 * letters, "a b c d e f g h i j k l ");
    n += sprintf(file + n, pair ? "\t%.*s\n" : "\n", 2 * letters - 2, "a b c d e f g h i j k l ");
  }
  return rows_put("t.tsv", file);
}

static int64_t cut_rows(TokEncoder *c, bool pair, size_t max) {
  static const char all[] = "a b c d e f g h i j k l ";
  const char *const text[2] = {all, all};
  int64_t rows = 0;
  for (size_t letters = 1; letters <= 12; letters++) {
    TokIds ids = {0};
    bool cut;
    ck_assert_int_eq(tok_whole(c, text, (size_t[]){2 * letters, 2 * letters - 2}, pair ? 2 : 1, max,
                               &ids, NULL, &cut, NULL),
                     0);
    rows += cut;
    free(ids.v);
  }
  return rows;
}

// What stands around a text is the tokenizer's: nothing, or four tokens around two.
START_TEST(tsv_cut_rows_are_counted) {
  static const char *const name[] = {"gpt2.json", "bpe.json", "wordpiece.json"};
  char path[512];
  const char *root = getenv("srcdir");
  snprintf(path, sizeof path, "%s/tests/fixtures/tokenizers/%s", root ? root : ".", name[_i]);
  tok_free(rows_tok);
  ck_assert_int_eq(tok_open(path, true, &rows_tok, NULL), 0);
  TokEncoder *c = tok_encoder_new(rows_tok, NULL);
  for (int pair = 0; pair < 2; pair++)
    for (int length = 8; length < 24; length++) {
      Data *d = rows_open(put_letters(pair), (DataOptions){.kind = DATA_TSV, .length = length});
      ck_assert_int_eq(data_cut(d), cut_rows(c, pair, (size_t)length));
      data_free(d);
    }
  tok_encoder_free(c);
}
END_TEST

// Whatever the columns are called: w5 of label 1, and of a pair w6 behind it.
static const struct {
  const char *text;
  bool pair;
} columns[] = {
    {"a\t1\t\tw5\na\t1\t*\tw5\n", false}, // no header
    {"sentence\tlabel\nw5\t1\n", false},
    {"\357\273\277Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t2\t3\tw5\tw6\n", true},
    {"id\tquestion2\tquestion1\tis_duplicate\n0\tw6\tw5\t1\n", true},
    {"label\tsentence\tquestion\n1\tw6\tw5\n", true},
    {"sentence1\tsentence2\tlabel1\tgold_label\nw5\tw6\t0\t1\n", true},
    {"score\tsentence2\tsentence1\n1\tw6\tw5\n", true},
    {"premise\thypothesis\ttext\tscore\tlabel\ttext\nw5\tw6\tw7\t0\t1\tw7\n", true},
};

START_TEST(tsv_columns) {
  static const int32_t want[] = {CLS, 5, SEP, 6, SEP};
  Data *d = rows_open(rows_put("t.tsv", columns[_i].text),
                      (DataOptions){.kind = DATA_TSV, .length = 8, .classes = 2});
  DataBatch b;
  ck_assert_int_eq(data_at(d, DATA_TRAIN, 0, 1, &b, NULL), 0);
  ck_assert_int_eq(b.L, columns[_i].pair ? 5 : 3);
  ck_assert_mem_eq(b.ids, want, sizeof *want * (size_t)b.L);
  ck_assert_int_eq(b.target[0], 1);
  data_free(d);
}
END_TEST

static const struct {
  const char *text, *error;
} bad_tsv[] = {
    {"text\tlabel\nw5\t0\nw5\n", "t.tsv:3: 1 fields where the header has 2"},
    {"text\tlabel\nw5\t1\nw6\t2.5\n", "t.tsv:3: label \"2.5\" is not a whole number from 0"},
    {"text\tlabel\nw5\t1\nw6\tx\n", "t.tsv:3: label \"x\" is not a whole number from 0"},
    {"text\tlabel\nw5\tx\nw6\t1\n", "t.tsv:3: label \"1\" is a number, and others are words"},
    {"text\tlabel\nw5\td\nw5\tc\nw5\td\nw5\tb\nw5\ta\n",
     "t.tsv:6: label \"a\" is one of 4, but the model has 3 classes"},
    {"text\tlabel\nw5\tb\nw6\ta\n",
     "t.tsv:3: label \"a\" is one of 2, but the model has 3 classes"},
    {"text\tlabel\ttext\nw5\t1\tw6\n", "t.tsv:1: the header has the column \"text\" twice"},
    {"label\ttext\tlabel\n1\tw5\t0\n", "t.tsv:1: the header has the column \"label\" twice"},
    {"text\tlabel\nw5\t-1\n", "label \"-1\""},
    {"text\tlabel\nw5\t\n", "label \"\""},
    {"text\tlabel\nw5\t99999999999\n", "label \"99999999999\""},
    {"text\tlabel\nw5\t3\n", "t.tsv:2: label 3, but the model has 3 classes, 0 to 2"},
    {"text\nw5\n", "t.tsv:1: the header has no column \"label\""},
    {"words\tlabel\nw5\t0\n", "no column \"text\" or \"sentence\""},
    {"text_a\tlabel\nw5\t0\n", "one of text_a and text_b, not both"},
    {"question1\tlabel\nw5\t0\n", "one of question1 and question2, not both"},
    {"text\tlabel\n", "no rows behind the header"},
    {"", "no rows behind the header"},
    {"text\tlabel\nw5 \xff\t0\n", "t.tsv: byte 14 (line 2): not UTF-8"},
};

START_TEST(tsv_errors) {
  rows_refused(rows_put("t.tsv", bad_tsv[_i].text),
               (DataOptions){.kind = DATA_TSV, .length = 8, .classes = 3}, BIGS_EMODEL,
               bad_tsv[_i].error);
}
END_TEST

// Words are classes in the order of their bytes, or as the model names them.
static void expect_classes(const char *rows, const Labels *known, bool fixed, const int *want) {
  Data *d = rows_open(
      rows_put("t.tsv", rows),
      (DataOptions){
          .kind = DATA_TSV, .length = 8, .classes = 3, .labels = known, .labels_fixed = fixed});
  DataBatch b;
  ck_assert_int_eq(data_at(d, DATA_TRAIN, 0, 4, &b, NULL), 0);
  for (int i = 0; i < 4; i++)
    ck_assert_int_eq(b.target[i], want[i]);
  data_free(d);
}

START_TEST(tsv_words) {
  static const char rows[] = "text\tlabel\nw5\tno\nw6\tyes\nw7\tmay be\nw8\tyes\n",
                    numbers[] = "text\tlabel\nw5\t2\nw6\t1\nw7\t0\nw8\t1\n";
  char *name[] = {"yes", "may be", "no"}, *digits[] = {"2", "0", "1"};
  const Labels known = {3, name}, figures = {3, digits};
  expect_classes(rows, NULL, false, (int[]){1, 2, 0, 2});
  expect_classes(rows, &known, true, (int[]){2, 0, 1, 0});
  expect_classes(rows, &figures, false, (int[]){1, 2, 0, 2});
  expect_classes(numbers, &known, true, (int[]){2, 1, 0, 1});
  expect_classes(numbers, &figures, true, (int[]){0, 2, 1, 2});
  rows_refused(
      rows_put("t.tsv", rows),
      (DataOptions){.kind = DATA_TSV, .length = 8, .labels = &figures, .labels_fixed = true},
      BIGS_EMODEL, "t.tsv:2: label \"no\" is none of those that the model was trained with");
  rows_refused(rows_put("t.tsv", rows),
               (DataOptions){.kind = DATA_TSV, .length = 8, .labels_fixed = true}, BIGS_EMODEL,
               "names no labels");
}
END_TEST

Suite *tsv_suite(void) {
  Suite *s = suite_create("tsv");
  TCase *t = tcase_create("tsv");
  tcase_set_timeout(t, 60);
  tcase_add_checked_fixture(t, rows_setup, rows_teardown);
  tcase_add_test(t, tsv_single);
  tcase_add_test(t, tsv_pairs);
  tcase_add_test(t, tsv_pairs_are_cut_as_texts_are);
  tcase_add_loop_test(t, tsv_cut_rows_are_counted, 0, 3);
  tcase_add_loop_test(t, tsv_columns, 0, COUNT(columns));
  tcase_add_test(t, tsv_words);
  tcase_add_loop_test(t, tsv_errors, 0, COUNT(bad_tsv));
  suite_add_tcase(s, t);
  return s;
}
