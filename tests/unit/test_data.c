// Batches of text: rows, masks, order, hold-out, resuming, statistics.
#include "runtime/train/feed_data.h"
#include "tests/unit/rows_bed.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// `n` words in documents of 37.
static const char *put_words(const char *name, int n) {
  char *text = malloc((size_t)n * 5 + 16), *p = text;
  *p = 0;
  for (int i = 0; i < n; i++)
    p += sprintf(p, "w%d%s", rows_word(i), i % 37 == 36 ? "\n\n" : i % 7 ? " " : "\n");
  const char *path = rows_put(name, text);
  free(text);
  return path;
}
// The stream that put_words becomes: a separator behind every 37 words and at the end.
static int32_t stream_at(int i, int words) {
  int doc = i / 38, at = i % 38, w = doc * 37 + at;
  return at == 37 || w >= words ? SEP : rows_word(w);
}

typedef struct Copy { // of a batch
  DataBatch b;
  int32_t *ids, *at, *labels;
} Copy;
static Copy copy(const DataBatch *b) {
  Copy c = {*b, malloc(4 * (size_t)(b->B * b->L)), malloc(4 * (size_t)b->M),
            malloc(4 * (size_t)b->M)};
  memcpy(c.ids, b->ids, 4 * (size_t)(b->B * b->L));
  memcpy(c.at, b->at, 4 * (size_t)b->M);
  memcpy(c.labels, b->labels, 4 * (size_t)b->M);
  return c;
}
static void expect_same(const Copy *c, const DataBatch *b) {
  ck_assert(c->b.B == b->B && c->b.L == b->L && c->b.M == b->M);
  ck_assert_mem_eq(c->ids, b->ids, 4 * (size_t)(b->B * b->L));
  ck_assert_mem_eq(c->at, b->at, 4 * (size_t)b->M);
  ck_assert_mem_eq(c->labels, b->labels, 4 * (size_t)b->M);
}
static void drop(Copy *c) {
  free(c->ids);
  free(c->at);
  free(c->labels);
}

// ---- masked rows

// Checks row r of a batch against words [from, from + n) of the stream; returns how many are
// chosen.
static int check_row(const DataBatch *b, int64_t r, int from, int words, int stream, int64_t *m,
                     int kinds[3]) {
  int64_t L = b->L;
  int n = stream - from < L - 2 ? stream - from : (int)L - 2, eligible = 0, chosen = 0;
  ck_assert_int_eq(b->ids[r * L], CLS);
  ck_assert_int_eq(b->ids[r * L + n + 1], SEP);
  for (int i = 0; i < L; i++) {
    int64_t cell = r * L + i;
    ck_assert(b->mask[cell] == (i < n + 2) && b->types[cell] == 0);
    if (i >= n + 2)
      ck_assert_int_eq(b->ids[cell], PAD);
    if (i == 0 || i > n)
      continue;
    int32_t want = stream_at(from + i - 1, words);
    eligible += want != SEP;
    if (*m < b->M && b->at[*m] == cell) {
      ck_assert_int_ne(want, SEP);
      ck_assert_int_eq(b->labels[(*m)++], want);
      kinds[b->ids[cell] == MASK ? 0 : b->ids[cell] == want ? 2 : 1]++;
      ck_assert(b->ids[cell] == MASK || b->ids[cell] >= 5);
      chosen++;
    } else {
      ck_assert_int_eq(b->ids[cell], want);
    }
  }
  int expected = (int)(0.15 * eligible + 0.5);
  ck_assert_int_eq(chosen, expected < 1 ? 1 : expected);
  return chosen;
}

// Which row of the stream is row r of this batch?  By its unmasked words.
static int find_row(const DataBatch *b, int64_t r, int rows, int words, int stream) {
  for (int row = 0; row < rows; row++) {
    int from = row * ((int)b->L - 2), differ = 0;
    for (int i = 1; i < b->L - 1; i++) {
      int32_t want = from + i - 1 < stream    ? stream_at(from + i - 1, words)
                     : from + i - 1 == stream ? SEP
                                              : PAD;
      differ += b->ids[r * b->L + i] != want;
    }
    if (differ <= b->L / 5)
      return row;
  }
  return -1;
}

START_TEST(mlm_rows) {
  enum { WORDS_IN = 3700, STREAM = 3800, L = 32, ROWS = (STREAM + L - 3) / (L - 2) };
  Data *d =
      rows_open(put_words("t", WORDS_IN), (DataOptions){.kind = DATA_MLM, .length = L, .seed = 5});
  ck_assert_int_eq(data_tokens(d), STREAM);
  ck_assert_int_eq(data_rows(d, DATA_TRAIN), ROWS);
  ck_assert_int_eq(data_rows(d, DATA_HELD_OUT), 0);
  int kinds[3] = {0}, seen[2][ROWS] = {{0}}, total = 0, order[2][ROWS];
  for (int epoch = 0; epoch < 2; epoch++)
    for (int i = 0; i < ROWS; i++) {
      DataBatch b;
      int64_t m = 0;
      ck_assert_int_eq(data_next(d, 1, &b, NULL), 0);
      int row = find_row(&b, 0, ROWS, WORDS_IN, STREAM);
      ck_assert_int_ge(row, 0);
      seen[epoch][row]++;
      order[epoch][i] = row;
      total += check_row(&b, 0, row * (L - 2), WORDS_IN, STREAM, &m, kinds);
      ck_assert_int_eq(m, b.M);
    }
  for (int i = 0; i < ROWS; i++)
    ck_assert(seen[0][i] == 1 && seen[1][i] == 1);
  ck_assert(memcmp(order[0], order[1], sizeof order[0]) != 0);
  double n = total, sigma = sqrt(n * 0.1 * 0.9);
  ck_assert_double_lt(fabs(kinds[0] - 0.8 * n), 4 * sqrt(n * 0.8 * 0.2));
  ck_assert_double_lt(fabs(kinds[1] - 0.1 * n * 94 / 95),
                      4 * sigma); // one in 95 draws the word itself
  ck_assert_double_lt(fabs(kinds[2] - 0.1 * n), 4 * sigma);
  data_free(d);
}
END_TEST

// A short last row: [CLS], what is left, [SEP], padding.
START_TEST(mlm_short_row) {
  Data *d = rows_open(put_words("t", 20), (DataOptions){.kind = DATA_MLM, .length = 16});
  ck_assert_int_eq(data_rows(d, DATA_TRAIN), 2); // 21 tokens: 14 and 7
  DataBatch b;
  ck_assert_int_eq(data_at(d, DATA_TRAIN, 1, 5, &b, NULL), 0);
  int kinds[3] = {0};
  int64_t m = 0;
  ck_assert_int_eq(b.B, 1);
  check_row(&b, 0, 14, 20, 21, &m, kinds);
  ck_assert_int_eq(b.tokens, 9);
  ck_assert_int_eq(data_at(d, DATA_TRAIN, 2, 5, &b, NULL), 0);
  ck_assert_int_eq(b.B, 0);
  data_free(d);
  d = rows_open(put_words("t", 14), (DataOptions){.kind = DATA_MLM, .length = 16});
  ck_assert_int_eq(data_rows(d, DATA_TRAIN), 1); // the rest is a separator: no row of its own
  data_free(d);
}
END_TEST

START_TEST(mlm_positions_uniform) {
  Data *d =
      rows_open(put_words("t", 36000), (DataOptions){.kind = DATA_MLM, .length = 38, .seed = 1});
  int count[40] = {0}, total = 0;
  DataBatch b;
  for (int i = 0; i < 100; i++) {
    ck_assert_int_eq(data_next(d, 64, &b, NULL), 0);
    for (int64_t k = 0; k < b.M; k++) {
      ck_assert(k == 0 || b.at[k - 1] < b.at[k]);
      count[b.at[k] % 38]++;
      total++;
    }
  }
  for (int i = 1; i < 37; i++)
    ck_assert_double_lt(fabs(count[i] - total / 36.0), 5 * sqrt(total / 36.0));
  data_free(d);
}
END_TEST

// Ranks that share a batch have its rows, in order, and go on together.
START_TEST(parts_of_a_batch_are_its_rows) {
  const char *path = put_words("t", 2000);
  DataOptions o = {.kind = DATA_MLM, .length = 32, .seed = 9};
  Data *d = rows_open(path, o), *f = rows_open(path, o);
  DataBatch b, c;
  ck_assert_int_eq(data_next(d, 7, &b, NULL), 0);
  int64_t at = 0;
  for (int64_t from = 0; from < 7; from += 3) {
    int64_t rows = from + 3 > 7 ? 7 - from : 3;
    data_seek(f, 0);
    ck_assert_int_eq(data_next_part(f, 7, from, rows, &c, NULL), 0);
    ck_assert_uint_eq(data_cursor(f), 7);
    ck_assert_int_eq(c.B, rows);
    ck_assert_mem_eq(c.ids, b.ids + from * 32, (size_t)rows * 32 * 4);
    for (int64_t i = 0; i < c.M; i++, at++) {
      ck_assert_int_eq(c.at[i] + from * 32, b.at[at]);
      ck_assert_int_eq(c.labels[i], b.labels[at]);
    }
  }
  ck_assert_int_eq(at, b.M);
  BigsError e = {0};
  ck_assert_int_eq(data_next_part(f, 2, 0, 0, &c, &e), BIGS_EUSAGE);
  ck_assert_uint_eq(data_cursor(f), 7);
  data_free(d);
  data_free(f);
}
END_TEST

// The rate of training rows may change from draw to draw; what is held out is masked as ever.
START_TEST(mask_rates_change) {
  const char *path = put_words("t", 2000);
  Data *d = rows_open(path, (DataOptions){.kind = DATA_MLM, .length = 42, .hold_out = true});
  DataBatch b;
  ck_assert_int_eq(data_at(d, DATA_HELD_OUT, 0, 1, &b, NULL), 0);
  Copy held = copy(&b);
  ck_assert_int_eq(data_next(d, 1, &b, NULL), 0);
  ck_assert_int_eq(b.M, 6); // of 39 words: a row of 40 tokens has one separator or two
  data_seek(d, 0);
  data_mask_rate(d, 0.5);
  ck_assert_int_eq(data_next(d, 1, &b, NULL), 0);
  ck_assert(b.M == 19 || b.M == 20);
  ck_assert_int_eq(data_at(d, DATA_HELD_OUT, 0, 1, &b, NULL), 0);
  expect_same(&held, &b);
  data_mask_rate(d, 0.15);
  data_seek(d, 0);
  ck_assert_int_eq(data_next(d, 1, &b, NULL), 0);
  ck_assert_int_eq(b.M, 6);
  drop(&held);
  data_free(d);
}
END_TEST

static const FeedField *field_of(const FeedBatch *b, const char *name) {
  const FeedField *f = feed_find(b, name);
  ck_assert_ptr_nonnull(f);
  return f;
}

// As many times the rows of a batch, whole or in pieces, and as many masked tokens as the pace says.
START_TEST(a_feed_keeps_the_pace) {
  Data *d = rows_open(put_words("t", 3000), (DataOptions){.kind = DATA_MLM, .length = 22});
  DataFeed from;
  Feed feed;
  FeedBatch b;
  feed_from_data(&from, d, 3, DATA_TRAIN, &feed);
  ck_assert_int_eq(feed.epoch_rows, data_rows(d, DATA_TRAIN));
  from.pieces = _i ? 2 : 1;
  uint64_t seen = 0;
  for (int64_t step = 0; step < 4; step++) {
    feed.pace(&from, (FeedPace){.times = 1 + step, .masked = 0.2 + 0.1 * (double)step});
    for (int64_t piece = 0; piece < from.pieces; piece++) {
      ck_assert_int_eq(feed.train(&from, step * from.pieces + piece, &b, NULL), 0);
      ck_assert_int_eq(field_of(&b, "ids")->shape[0], 3 * (1 + step));
      double of_row = (double)field_of(&b, "labels")->shape[0] / (3 * (1 + (double)step));
      ck_assert_double_eq_tol(of_row, (0.2 + 0.1 * (double)step) * 20, 0.6); // but for separators
    }
    seen += (uint64_t)(3 * (1 + step) * from.pieces);
    ck_assert_uint_eq(data_cursor(d), seen);
  }
  ck_assert_int_eq(feed.held_out(&from, 0, &b, NULL), 0);
  ck_assert_int_eq(field_of(&b, "ids")->shape[0], 3);
  data_free(d);
}
END_TEST

START_TEST(resumes_and_ignores_batch_size) {
  const char *path = put_words("t", 2000);
  DataOptions o = {.kind = DATA_MLM, .length = 32, .seed = 9, .hold_out = true};
  Data *d = rows_open(path, o), *f = rows_open(path, o);
  DataBatch b, c;
  for (int i = 0; i < 40; i++) // over the end of an epoch
    ck_assert_int_eq(data_next(d, 3, &b, NULL), 0);
  ck_assert_uint_eq(data_cursor(d), 120);
  Copy before = copy(&b);
  data_seek(f, 117);
  ck_assert_int_eq(data_next(f, 3, &c, NULL), 0);
  expect_same(&before, &c);
  ck_assert_uint_eq(data_fingerprint(d), data_fingerprint(f));
  data_seek(f, 119); // the third row alone
  ck_assert_int_eq(data_next(f, 1, &c, NULL), 0);
  ck_assert_mem_eq(c.ids, before.ids + 2 * 32, 4 * 32);
  drop(&before);
  data_free(f);
  o.seed = 10;
  f = rows_open(path, o);
  data_seek(f, 117);
  ck_assert_int_eq(data_next(f, 3, &c, NULL), 0);
  ck_assert(memcmp(b.ids, c.ids, 4 * 96) != 0);
  ck_assert_int_eq(data_at(d, DATA_HELD_OUT, 0, 2, &b, NULL), 0); // no seed here
  before = copy(&b);
  ck_assert_int_eq(data_at(f, DATA_HELD_OUT, 0, 1, &c, NULL), 0);
  ck_assert_mem_eq(c.ids, before.ids, 4 * 32);
  ck_assert_int_eq(data_at(f, DATA_HELD_OUT, 0, 2, &c, NULL), 0);
  expect_same(&before, &c);
  drop(&before);
  data_free(d);
  data_free(f);
}
END_TEST

START_TEST(fingerprints_differ) {
  DataOptions o = {.kind = DATA_MLM, .length = 32};
  Data *d = rows_open(put_words("a", 500), o), *f = rows_open(put_words("b", 501), o);
  ck_assert_uint_ne(data_fingerprint(d), data_fingerprint(f));
  data_free(f);
  o.length = 31;
  f = rows_open(put_words("a", 500), o);
  ck_assert_uint_ne(data_fingerprint(d), data_fingerprint(f));
  data_free(f);
  data_free(d);
}
END_TEST

static int held_rows(int words) {
  Data *d = rows_open(put_words("t", words),
                      (DataOptions){.kind = DATA_MLM, .length = 12, .hold_out = true});
  int64_t held = data_rows(d, DATA_HELD_OUT), train = data_rows(d, DATA_TRAIN);
  Data *all = rows_open(put_words("t", words), (DataOptions){.kind = DATA_MLM, .length = 12});
  ck_assert_int_eq(held + train, data_rows(all, DATA_TRAIN));
  // Every row is in one of the two: equal to the same row of the unsplit data.
  DataBatch b, c;
  int64_t h = 0, t = 0;
  for (int64_t i = 0; i < held + train; i++) {
    ck_assert_int_eq(data_at(all, DATA_TRAIN, i, 1, &b, NULL), 0);
    Copy want = copy(&b);
    ck_assert_int_eq(data_at(d, DATA_HELD_OUT, h, 1, &c, NULL), 0);
    if (c.B && !memcmp(c.ids, want.ids, 4 * 12) &&
        !memcmp(c.labels, want.labels, 4 * (size_t)c.M)) {
      h++;
    } else {
      ck_assert_int_eq(data_at(d, DATA_TRAIN, t++, 1, &c, NULL), 0);
      expect_same(&want, &c);
    }
    drop(&want);
  }
  ck_assert_int_eq(h, held);
  data_free(all);
  data_free(d);
  return (int)held;
}

START_TEST(holds_out_rows) {
  ck_assert_int_eq(held_rows(10), 0); // a single row is for training
  ck_assert_int_eq(held_rows(20), 1);
  ck_assert_int_eq(held_rows(400), 1);
  ck_assert_int_eq(held_rows(1000), 3); // 103 rows
}
END_TEST

// ---- next-token rows

START_TEST(lm_rows) {
  Data *d = rows_open(put_words("t", 100), (DataOptions){.kind = DATA_LM, .length = 10});
  ck_assert_int_eq(data_rows(d, DATA_TRAIN), 10); // 103 tokens, one of them only a target
  DataBatch b;
  ck_assert_int_eq(data_at(d, DATA_TRAIN, 0, 20, &b, NULL), 0);
  ck_assert(b.B == 10 && b.L == 10 && b.M == 0 && !b.at && b.tokens == 100);
  for (int i = 0; i < 100; i++) {
    ck_assert_int_eq(b.ids[i], stream_at(i, 100));
    ck_assert_int_eq(b.target[i], stream_at(i + 1, 100));
    ck_assert(b.mask[i]);
  }
  data_free(d);
}
END_TEST

// ---- what cannot be

START_TEST(open_errors) {
  DataOptions o = {.kind = DATA_MLM, .length = 32};
  rows_refused(rows_put("t", ""), o, BIGS_EMODEL, "the text is empty");
  rows_refused(rows_put("t", "\n \n\n"), o, BIGS_EMODEL, "the text is empty");
  rows_refused(rows_put("t", "what is this"), o, BIGS_EMODEL, "no words of the vocabulary");
  rows_refused(put_words("t", 20), o, BIGS_EMODEL,
               "21 tokens of text are fewer than one row of 32");
  rows_refused("/no/such", o, BIGS_EFILE, "/no/such: cannot open");
  o.table = 99;
  rows_refused(put_words("t", 100), o, BIGS_EMODEL,
               "100 tokens, the model's table 99 rows: token id 99 (\"w99\") lies outside");
  o = (DataOptions){.kind = DATA_MLM, .length = 2};
  rows_refused(put_words("t", 100), o, BIGS_EUSAGE, "at least 3");
  o = (DataOptions){.kind = DATA_MLM, .length = 8, .mask_rate = 1.5};
  rows_refused(put_words("t", 100), o, BIGS_EUSAGE, "mask rate of 1.5");
  o = (DataOptions){.kind = DATA_LM, .length = 20};
  rows_refused(put_words("t", 19), o, BIGS_EMODEL, "fewer than one row");
  ck_assert_int_eq(data_kind("mlm_text"), DATA_MLM);
  ck_assert_int_eq(data_kind("tsv"), DATA_TSV);
  ck_assert_int_eq(data_kind("csv"), -1);
}
END_TEST

START_TEST(batch_errors) {
  Data *d = rows_open(put_words("t", 100), (DataOptions){.kind = DATA_MLM, .length = 16});
  DataBatch b;
  BigsError e = {0};
  ck_assert_int_eq(data_next(d, 0, &b, &e), BIGS_EUSAGE);
  ck_assert_int_eq(data_next(d, 1 << 30, &b, &e), BIGS_EUSAGE);
  ck_assert_uint_eq(data_cursor(d), 0);
  DataUnigram u;
  ck_assert_int_eq(data_unigram(d, &u, &e), BIGS_EUSAGE);
  data_free(d);
}
END_TEST

// ---- statistics

// Counted again from the batches themselves.
START_TEST(unigram_cost) {
  DataKind kind = _i ? DATA_LM : DATA_MLM;
  Data *d =
      rows_open(put_words("t", 3000), (DataOptions){.kind = kind, .length = 20, .hold_out = true});
  double train[VOCAB] = {0}, held[VOCAB] = {0}, n = 0, m = 0;
  DataBatch b;
  for (int64_t r = 0; r < data_rows(d, DATA_TRAIN); r++) {
    ck_assert_int_eq(data_at(d, DATA_TRAIN, r, 1, &b, NULL), 0);
    int32_t ids[20];
    memcpy(ids, kind == DATA_LM ? b.target : b.ids, sizeof ids);
    for (int64_t k = 0; k < b.M; k++)
      ids[b.at[k]] = b.labels[k];
    for (int i = 0; i < 20; i++)
      if (kind == DATA_LM || ids[i] >= 5)
        train[ids[i]]++, n++;
  }
  for (int64_t r = 0; r < data_rows(d, DATA_HELD_OUT); r++) {
    ck_assert_int_eq(data_at(d, DATA_HELD_OUT, r, 1, &b, NULL), 0);
    for (int64_t k = 0; k < (kind == DATA_LM ? 20 : b.M); k++)
      held[kind == DATA_LM ? b.target[k] : b.labels[k]]++, m++;
  }
  double cross = 0, entropy = 0;
  for (int v = 0; v < VOCAB; v++) {
    cross -= held[v] / m * log((train[v] + 1) / (n + VOCAB));
    entropy -= held[v] ? held[v] / m * log(held[v] / m) : 0;
  }
  DataUnigram u;
  ck_assert_int_eq(data_unigram(d, &u, NULL), 0);
  ck_assert_int_eq(u.targets, (int64_t)m);
  ck_assert_double_lt(fabs(u.cross - cross), 1e-12);
  ck_assert_double_lt(fabs(u.entropy - entropy), 1e-12);
  ck_assert_double_lt(u.entropy, u.cross);
  data_free(d);
}
END_TEST

Suite *data_suite(void) {
  Suite *s = suite_create("data");
  TCase *t = tcase_create("data");
  tcase_set_timeout(t, 60);
  tcase_add_checked_fixture(t, rows_setup, rows_teardown);
  tcase_add_test(t, mlm_rows);
  tcase_add_test(t, mlm_short_row);
  tcase_add_test(t, mlm_positions_uniform);
  tcase_add_test(t, parts_of_a_batch_are_its_rows);
  tcase_add_test(t, mask_rates_change);
  tcase_add_loop_test(t, a_feed_keeps_the_pace, 0, 2);
  tcase_add_test(t, resumes_and_ignores_batch_size);
  tcase_add_test(t, fingerprints_differ);
  tcase_add_test(t, holds_out_rows);
  tcase_add_test(t, lm_rows);
  tcase_add_test(t, open_errors);
  tcase_add_test(t, batch_errors);
  tcase_add_loop_test(t, unigram_cost, 0, 2);
  suite_add_tcase(s, t);
  return s;
}
