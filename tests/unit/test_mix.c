// Several sources of text, of which each gives its share of the samples.
#include "runtime/train/mix.h"
#include "tests/unit/rows_bed.h"
#include "tests/unit/suites.h"
#include "tests/unit/tmpdir.h"
#include <math.h>
#include <unistd.h>

#define N(a) ((int)(sizeof(a) / sizeof *(a)))
enum { MIDDLE = 50, L = 16 };

static Tokenizer *tok;

static void setup(void) {
  make_dir();
  ck_assert_int_eq(chdir(dir), 0);
  tok = rows_tokenizer();
}
static void teardown(void) {
  tok_free(tok);
  remove_dir();
}

// Words from `from` on, which are another source's not.
static void put_words(const char *name, int words, int from) {
  FILE *f = fopen(name, "w");
  for (int i = 0; i < words; i++)
    fprintf(f, "w%u%s", (unsigned)from + ((unsigned)i * 2654435761u >> 8) % 40,
            i % 30 == 29 ? "\n\n" : " ");
  ck_assert_int_eq(fclose(f), 0);
}

static Data *open_two(const char *a, const char *b, DataOptions o, int status, BigsError *e) {
  const char *paths[] = {a, b};
  Data *d;
  o.length = o.length ? o.length : L;
  ck_assert_int_eq(data_open(paths, 2, tok, &o, &d, e), status);
  return d;
}

START_TEST(weights_of_paths) {
  static const struct {
    const char *path;
    double weight;
    int bytes;
  } paths[] = {{"wiki.txt:0.7", 0.7, 8},
               {"a:b:3", 3, 3},
               {"wiki.txt", -1, 0},
               {"a:", -1, 0},
               {":1", -1, 0},
               {"a:0", -1, 0},
               {"a:-1", -1, 0},
               {"a:1x", -1, 0},
               {"a:inf", -1, 0},
               {"a: 1", -1, 0},
               {"x*:2e1", 20, 2},
               {"there:2", -1, 0}};
  put_words("there:2", 3, 5);
  for (int i = 0; i < N(paths); i++) {
    int n = 0;
    ck_assert_double_eq(mix_weight(paths[i].path, &n), paths[i].weight);
    ck_assert_int_eq(n, paths[i].bytes);
  }
}
END_TEST

START_TEST(shares_of_samples) {
  int32_t share[3];
  ck_assert_int_eq(mix_shares((double[]){7, 3}, 2, share), 0);
  ck_assert(share[0] == 2867 && share[1] == 1229);
  ck_assert_int_eq(mix_shares((double[]){1, 1, 1}, 3, share), 0);
  ck_assert_int_eq(share[0] + share[1] + share[2], MIX_BLOCK);
  ck_assert_int_eq(mix_shares((double[]){1e6, 1}, 2, share), -1);
  ck_assert_int_eq(mix_shares((double[]){2, 1, 1}, 3, share), 0);
  uint64_t next[3] = {0};
  bool seen[3][MIX_BLOCK];
  int changes = 0, before = -1;
  for (uint64_t s = 0; s < 3 * MIX_BLOCK; s++) {
    uint64_t own;
    int i = mix_source(share, 3, 11, s, &own);
    if (s % MIX_BLOCK == 0)
      memset(seen, 0, sizeof seen);
    ck_assert_uint_lt(own - s / MIX_BLOCK * (uint64_t)share[i], (uint64_t)share[i]);
    bool *was = &seen[i][own % (uint64_t)share[i]];
    ck_assert(!*was);
    *was = true;
    next[i]++;
    changes += i != before;
    before = i;
  }
  for (int i = 0; i < 3; i++)
    ck_assert_uint_eq(next[i], 3 * (uint64_t)share[i]);
  ck_assert_int_gt(changes, MIX_BLOCK); // they are mixed, not one behind the other
}
END_TEST

static int source_of_row(const DataBatch *b, int64_t row) {
  int first = 0, second = 0;
  for (int64_t i = 0; i < b->L; i++) {
    int32_t id = b->ids[row * b->L + i];
    first += id >= 5 && id < MIDDLE;
    second += id >= MIDDLE;
  }
  return second > first; // one of ten masked tokens becomes any
}

static void expect_shares(Data *d) {
  int count[2] = {0};
  for (int i = 0; i < 64; i++) {
    DataBatch b;
    ck_assert_int_eq(data_next(d, 64, &b, NULL), 0);
    for (int64_t r = 0; r < 64; r++)
      count[source_of_row(&b, r)]++;
  }
  ck_assert_int_eq(count[0], 3072);
  ck_assert_int_eq(count[1], 1024);
}

// Of a split the rows of one source behind those of the other.
static void expect_rows(Data *d, Data *one[2], DataSplit s, DataKind kind) {
  int64_t row = 0;
  for (int i = 0; i < 2; i++)
    for (int64_t k = 0; k < data_rows(one[i], s); k++) {
      DataBatch b, want;
      ck_assert_int_eq(data_at(d, s, row++, 1, &b, NULL), 0);
      ck_assert_int_eq(data_at(one[i], s, k, 1, &want, NULL), 0);
      ck_assert(b.B == 1 && b.L == want.L && source_of_row(&b, 0) == i);
      if (kind == DATA_LM)
        ck_assert_mem_eq(b.ids, want.ids, L * sizeof *b.ids);
    }
  ck_assert_int_eq(data_rows(d, s), row);
}

START_TEST(each_source_has_its_share_and_its_epochs) {
  DataOptions o = {.kind = _i ? DATA_LM : DATA_MLM, .length = L, .seed = 4, .hold_out = true};
  put_words("a", 1400, 5);
  put_words("b", 700, MIDDLE);
  Data *d = open_two("a:3", "b:1", o, 0, NULL), *one[2];
  expect_shares(d);
  for (int i = 0; i < 2; i++) {
    const char *path = i ? "b" : "a";
    ck_assert_int_eq(data_open(&path, 1, tok, &o, &one[i], NULL), 0);
  }
  ck_assert_int_eq(data_tokens(d), data_tokens(one[0]) + data_tokens(one[1]));
  expect_rows(d, one, DATA_TRAIN, o.kind);
  expect_rows(d, one, DATA_HELD_OUT, o.kind);
  DataUnigram u;
  ck_assert_int_eq(data_unigram(d, &u, NULL), 0);
  ck_assert(u.targets > 0 && u.cross > u.entropy);
  for (int i = 0; i < 2; i++)
    data_free(one[i]);
  data_free(d);
}
END_TEST

// A source that is small comes again and again: each of its rows as often as any other, to one.
START_TEST(small_sources_come_again) {
  put_words("a", 3000, 5);
  put_words("b", 160, MIDDLE);
  Data *d = open_two("a:1", "b:1", (DataOptions){.kind = DATA_LM, .seed = 4}, 0, NULL);
  int count[16] = {0}, rows = 0;
  int32_t first[16][L];
  DataBatch b;
  for (int i = 0; i < MIX_BLOCK; i++) {
    ck_assert_int_eq(data_next(d, 1, &b, NULL), 0);
    if (!source_of_row(&b, 0))
      continue;
    int k = 0;
    while (k < rows && memcmp(first[k], b.ids, sizeof first[k]))
      k++;
    ck_assert_int_lt(k, 16);
    if (k == rows)
      memcpy(first[rows++], b.ids, sizeof *first);
    count[k]++;
  }
  ck_assert_int_eq(rows, 10); // 160 words and 6 separators
  for (int k = 0; k < rows; k++)
    ck_assert(count[k] == 2048 / 10 || count[k] == 2048 / 10 + 1);
  data_free(d);
}
END_TEST

START_TEST(mixtures_resume) {
  put_words("a", 1400, 5);
  put_words("b", 700, MIDDLE);
  DataOptions o = {.kind = DATA_MLM, .seed = 4, .rows = DATA_ROWS_SENTENCES, .words = true};
  Data *d = open_two("a:3", "b:1", o, 0, NULL), *f = open_two("a:3", "b:1", o, 0, NULL);
  DataBatch b, c;
  for (int i = 0; i < 1000; i++)
    ck_assert_int_eq(data_next(d, 5, &b, NULL), 0);
  ck_assert_uint_eq(data_fingerprint(d), data_fingerprint(f));
  data_seek(f, 4995);
  ck_assert_int_eq(data_next_part(f, 5, 2, 3, &c, NULL), 0);
  ck_assert_mem_eq(c.ids, b.ids + 2 * L, 3 * L * sizeof *c.ids);
  ck_assert_uint_eq(data_cursor(f), 5000);
  data_free(f);
  f = open_two("a:2", "b:1", o, 0, NULL);
  ck_assert_uint_ne(data_fingerprint(d), data_fingerprint(f));
  data_free(f);
  data_free(d);
}
END_TEST

START_TEST(mixtures_that_cannot_be) {
  static const struct {
    const char *a, *b, *text;
    DataKind kind;
    int status;
  } bad[] = {
      {"a:1", "b", "b has no weight, and others have", DATA_MLM, BIGS_EUSAGE},
      {"a", "b:1", "a has no weight, and others have", DATA_LM, BIGS_EUSAGE},
      {"a:1", "b:1e9", "a weight is below", DATA_MLM, BIGS_EUSAGE},
      {"a:1", "b:1", "only text is mixed", DATA_TSV, BIGS_EUSAGE},
      {"a:1", "none:1", "none: cannot open", DATA_MLM, BIGS_EFILE},
      {"a:1", "short:1", "short: 3 tokens of text are fewer than one row", DATA_MLM, BIGS_EMODEL},
  };
  BigsError e = {0};
  put_words("a", 300, 5);
  put_words("b", 300, MIDDLE);
  put_words("short", 2, 5);
  ck_assert_ptr_null(
      open_two(bad[_i].a, bad[_i].b, (DataOptions){.kind = bad[_i].kind}, bad[_i].status, &e));
  ck_assert_msg(strstr(e.text, bad[_i].text), "%s", e.text);
}
END_TEST

Suite *mix_suite(void) {
  Suite *s = suite_create("mix");
  TCase *t = tcase_create("mix");
  tcase_set_timeout(t, 60);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, weights_of_paths);
  tcase_add_test(t, shares_of_samples);
  tcase_add_loop_test(t, each_source_has_its_share_and_its_epochs, 0, 2);
  tcase_add_test(t, small_sources_come_again);
  tcase_add_test(t, mixtures_resume);
  tcase_add_loop_test(t, mixtures_that_cannot_be, 0, 6);
  suite_add_tcase(s, t);
  return s;
}
