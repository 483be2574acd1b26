// Rows of whole lines of one document, and masking by whole words.
#include "tests/unit/rows_bed.h"
#include "tests/unit/suites.h"
#include "tests/unit/tmpdir.h"
#include <math.h>

enum { L = 32, ROOM = L - 2, LINES = 3000 };

static Tokenizer *tok;
static int line_words[LINES], line_document[LINES], lines;

static Tokenizer *learn(const char *words) {
  Tokenizer *t;
  char text[4096] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  strcat(text, words);
  ck_assert_int_eq(tok_parse(TOKENIZER_WORDPIECE, text, strlen(text), "v", false, &t, NULL), 0);
  return t;
}

static void setup(void) {
  make_dir();
  tok = rows_tokenizer();
}
static void teardown(void) {
  tok_free(tok);
  remove_dir();
}

// Documents of 1 to 12 lines of 1 to `longest` words.
static const char *put_lines(int longest) {
  const char *path = in_dir("text");
  FILE *f = fopen(path, "w");
  int word = 0, document = 0, left = 3;
  for (lines = 0; lines < LINES; lines++) {
    line_words[lines] = 1 + (int)((unsigned)lines * 40503u >> 4) % longest;
    line_document[lines] = document;
    for (int k = 0; k < line_words[lines]; k++)
      fprintf(f, "%sw%d", k ? " " : "", rows_word(word++));
    fputs(--left ? "\n" : "\n\n", f);
    document += !left;
    left = left ? left : 1 + (lines * 7 + 3) % 12;
  }
  ck_assert_int_eq(fclose(f), 0);
  return path;
}

static Data *open_rows(const char *path, DataOptions o) {
  BigsError e = {0};
  Data *d;
  o.kind = DATA_MLM;
  o.length = o.length ? o.length : L;
  o.rows = DATA_ROWS_SENTENCES;
  ck_assert_msg(data_open(&path, 1, tok, &o, &d, &e) == 0, "%s", e.text);
  return d;
}

// The row's words, as they were before masking, into `to`; how many.
static int words_of(const DataBatch *b, int32_t to[L]) {
  int n = 0;
  ck_assert_int_eq(b->ids[0], CLS);
  while (n < ROOM && b->mask[n + 2])
    n++;
  for (int i = 0; i < L; i++)
    ck_assert(b->mask[i] == (i < n + 2) && b->types[i] == 0 && (i < n + 2 || b->ids[i] == PAD));
  ck_assert_int_eq(b->ids[n + 1], SEP);
  ck_assert_int_eq(b->tokens, n + 2);
  memcpy(to, b->ids + 1, sizeof *to * (size_t)n);
  for (int64_t k = 0; k < b->M; k++)
    to[b->at[k] - 1] = b->labels[k];
  return n;
}

// All rows one after another are the text; each is whole lines of one document.  Returns how many might have taken the next line.
static int check_rows(Data *d, double share) {
  int line = 0, word = 0, early = 0;
  DataBatch b;
  for (int64_t row = 0; row < data_rows(d, DATA_TRAIN); row++) {
    int32_t have[L];
    ck_assert_int_eq(data_at(d, DATA_TRAIN, row, 1, &b, NULL), 0);
    int n = words_of(&b, have), document = line_document[line], taken = 0;
    for (int i = 0; i < n; i++)
      ck_assert_int_eq(have[i], rows_word(word++));
    for (; taken < n; line++) {
      ck_assert_int_eq(line_document[line], document);
      taken += line_words[line];
    }
    ck_assert_int_eq(taken, n);
    bool more = line < lines && line_document[line] == document;
    early += more && n + line_words[line] <= ROOM;
    ck_assert(share > 0 || !early);
  }
  ck_assert_int_eq(line, lines);
  return early;
}

START_TEST(rows_are_whole_lines_of_a_document) {
  Data *d = open_rows(put_lines(9), (DataOptions){0});
  check_rows(d, 0);
  data_free(d);
}
END_TEST

START_TEST(some_rows_are_short) {
  Data *d = open_rows(put_lines(5), (DataOptions){.short_share = 0.3});
  int early = check_rows(d, 0.3);
  double rows = (double)data_rows(d, DATA_TRAIN);
  ck_assert_double_gt(early, 0.1 * rows); // of those that want less some end with their document
  ck_assert_double_lt(early, 0.3 * rows);
  data_free(d);
}
END_TEST

// A line of 100 words: three rows of it alone, and one of its rest and the next line.
START_TEST(long_lines_are_cut) {
  const char *path = in_dir("text");
  FILE *f = fopen(path, "w");
  for (int i = 0; i < 112; i++)
    fprintf(f, "w%d%s", rows_word(i), i == 99 ? "\n" : " ");
  fclose(f);
  Data *d = open_rows(path, (DataOptions){0});
  static const int want[] = {30, 30, 30, 22};
  ck_assert_int_eq(data_rows(d, DATA_TRAIN), 4);
  int word = 0;
  for (int row = 0; row < 4; row++) {
    DataBatch b;
    int32_t have[L];
    ck_assert_int_eq(data_at(d, DATA_TRAIN, row, 1, &b, NULL), 0);
    int n = words_of(&b, have);
    ck_assert_int_eq(n, want[row]);
    for (int i = 0; i < n; i++)
      ck_assert_int_eq(have[i], rows_word(word++));
  }
  data_free(d);
}
END_TEST

// Rows are the text's, masks the sample's: a resume finds both, whatever the batch.
START_TEST(rows_resume) {
  const char *path = put_lines(9);
  DataOptions o = {.short_share = 0.1, .seed = 3, .hold_out = true};
  Data *d = open_rows(path, o), *f = open_rows(path, o);
  DataBatch b, c;
  for (int i = 0; i < 300; i++)
    ck_assert_int_eq(data_next(d, 3, &b, NULL), 0);
  data_seek(f, 898);
  ck_assert_int_eq(data_next(f, 1, &c, NULL), 0);
  ck_assert_mem_eq(c.ids, b.ids + L, L * sizeof *b.ids);
  ck_assert_uint_eq(data_fingerprint(d), data_fingerprint(f));
  data_free(f);
  o.short_share = 0.2;
  f = open_rows(path, o);
  ck_assert_uint_ne(data_fingerprint(d), data_fingerprint(f));
  data_free(f);
  data_free(d);
}
END_TEST

START_TEST(predictions_are_bounded) {
  Data *d = open_rows(put_lines(9), (DataOptions){.mask_rate = 0.5, .most = 7, .words = _i});
  DataBatch b;
  int full = 0;
  for (int64_t row = 0; row < data_rows(d, DATA_TRAIN); row++) {
    ck_assert_int_eq(data_at(d, DATA_TRAIN, row, 1, &b, NULL), 0);
    ck_assert(b.M >= 1 && b.M <= 7);
    full += b.M == 7;
  }
  ck_assert_int_gt(full, 100);
  data_free(d);
}
END_TEST

// ---- whole words

// 1 to 3 pieces a word.
static int pieces_of(int word) {
  return 1 + word * 7 % 10 % 3;
}

// The three conventions: pieces that go on are marked, or those that begin, by one of two signs.
static const struct {
  const char *vocabulary, *first, *next;
} conventions[] = {
    {"a\nb\nc\n##d\n##e\n##f\n##g\n", "", ""},
    {"\u0120a\n\u0120b\n\u0120c\n\u0120h\nd\ne\n", "\u0120", " "},
    {"\u2581a\n\u2581b\n\u2581c\n\u2581h\nd\ne\n", "\u2581", " "},
};

static const char *put_words(int convention, int words) {
  const char *path = in_dir("text");
  FILE *f = fopen(path, "w");
  for (int i = 0; i < words; i++) {
    fprintf(f, "%s%c", conventions[convention].first, 'a' + i % 3);
    for (int k = 1; k < pieces_of(i); k++)
      fprintf(f, "%s%c", conventions[convention].next, 'd' + (i + k) % 2);
    fputs(i % 12 == 11 ? "\n" : " ", f);
  }
  ck_assert_int_eq(fclose(f), 0);
  return path;
}

// Of the pieces of row 0, which word each is of.
static int list_pieces(int word[L]) {
  int n = 0;
  for (int i = 0; n + pieces_of(i) <= ROOM && i < 12; i++)
    for (int k = 0; k < pieces_of(i); k++)
      word[n++] = i;
  return n;
}

START_TEST(words_are_masked_whole) {
  tok_free(tok);
  tok = learn(conventions[_i].vocabulary);
  Data *d = open_rows(put_words(_i, 12), (DataOptions){.mask_rate = 0.3, .words = true});
  int word[L], n = list_pieces(word), chosen[12] = {0}, total = 0;
  ck_assert_int_eq(data_rows(d, DATA_TRAIN), 1);
  for (int draw = 0; draw < 4000; draw++) {
    DataBatch b;
    ck_assert_int_eq(data_next(d, 1, &b, NULL), 0);
    ck_assert_int_eq(b.tokens, n + 2);
    bool taken[L] = {false};
    for (int64_t k = 0; k < b.M; k++)
      taken[b.at[k] - 1] = true;
    for (int i = 1; i < n; i++)
      ck_assert(word[i] != word[i - 1] || taken[i] == taken[i - 1]);
    ck_assert_int_le(b.M, (int)(0.3 * n + 0.5));
    for (int i = 0; i < n; i++)
      chosen[word[i]] += taken[i] && (!i || word[i] != word[i - 1]);
    total += (int)b.M;
  }
  ck_assert_double_gt(total, 4000 * 0.25 * n);
  for (int i = 0; i < 12; i++)
    for (int k = 0; k < i; k++) // of equally long words none is preferred
      if (pieces_of(i) == pieces_of(k))
        ck_assert_double_lt(fabs((double)chosen[i] - chosen[k]), 5 * sqrt(2 * 1200));
  data_free(d);
}
END_TEST

// A word that is longer than what may be predicted is predicted in part.
START_TEST(words_longer_than_the_bound) {
  tok_free(tok);
  tok = learn("a\n##d\n");
  const char *path = in_dir("text");
  FILE *f = fopen(path, "w");
  fputs("adddddddd\n", f);
  fclose(f);
  Data *d = open_rows(path, (DataOptions){.most = 4, .words = true});
  DataBatch b;
  ck_assert_int_eq(data_next(d, 1, &b, NULL), 0);
  ck_assert_int_eq(b.M, 4);
  data_free(d);
}
END_TEST

START_TEST(row_options_that_cannot_be) {
  const char *path = put_lines(9);
  static const DataOptions bad[] = {{.short_share = -0.5}, {.short_share = 1.5}, {.most = -1}};
  DataOptions o = bad[_i];
  BigsError e = {0};
  Data *d;
  o.length = L;
  ck_assert_int_eq(data_open(&path, 1, tok, &o, &d, &e), BIGS_EUSAGE);
}
END_TEST

Suite *sentences_suite(void) {
  Suite *s = suite_create("sentences");
  TCase *t = tcase_create("sentences");
  tcase_set_timeout(t, 60);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, rows_are_whole_lines_of_a_document);
  tcase_add_test(t, some_rows_are_short);
  tcase_add_test(t, long_lines_are_cut);
  tcase_add_test(t, rows_resume);
  tcase_add_loop_test(t, predictions_are_bounded, 0, 2);
  tcase_add_loop_test(t, words_are_masked_whole, 0, 3);
  tcase_add_test(t, words_longer_than_the_bound);
  tcase_add_loop_test(t, row_options_that_cannot_be, 0, 3);
  suite_add_tcase(s, t);
  return s;
}
