// Text for training: the order of its rows, its tokens and where they are kept.
#include "base/rng.h"
#include "runtime/train/order.h"
#include "runtime/train/tokenize.h"
#include "tests/unit/rows_bed.h"
#include "tests/unit/suites.h"
#include "tests/unit/tmpdir.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define N(a) ((int)(sizeof(a) / sizeof *(a)))
enum { SHIFT = 11 };

// As the rows of a table that is filled group by group.
static void check_split(int64_t n) {
  RowSplit s = row_split(n, true);
  int64_t groups = n > 1 ? (n + 49) / 50 : 0, group = 0, end = 0, chosen = -1, held = 0, train = 0;
  for (int64_t i = 0; i < n; i++) {
    if (i == end && group < groups) {
      group++;
      end = n / groups * group + n % groups * group / groups;
      uint32_t r = rng_element(0, 0x6c617665u, (uint64_t)group); // "eval"
      chosen = i + rng_below(r, (uint32_t)(end - i));
    }
    ck_assert_int_eq(split_row(&s, i == chosen, i == chosen ? held++ : train++), i);
  }
  ck_assert_int_eq(split_count(&s, true), held);
  ck_assert_int_eq(split_count(&s, false), train);
}

START_TEST(rows_are_split_as_by_a_table) {
  for (int64_t n = 0; n < 400; n++)
    check_split(n);
  check_split(12345);
}
END_TEST

START_TEST(without_hold_out_all_rows_are_for_training) {
  RowSplit s = row_split(123, false);
  ck_assert_int_eq(split_count(&s, true), 0);
  for (int64_t i = 0; i < 123; i++)
    ck_assert_int_eq(split_row(&s, false, i), i);
}
END_TEST

// ---- tokens in chunks

START_TEST(tokens_and_lines_are_as_pushed) {
  enum { LINES = 5000 };
  int size = _i ? 70000 : 1000;
  TokenStream t;
  tokens_start(&t, size, 6);
  ck_assert_int_eq(t.narrow, !_i);
  int64_t at = 0;
  for (int i = 0; i < LINES; i++) { // some lines are longer than a chunk, some end with one
    int64_t n = i % 100 == 99 ? 0 : i % 37 == 5 ? 300 : i % 9 + 1;
    for (int64_t k = 0; k < n; k++, at++)
      ck_assert_int_eq(tokens_push(&t, (int32_t)(at * 7919 % size), NULL), 0);
    ck_assert_int_eq(tokens_mark(&t, n, NULL), 0);
  }
  ck_assert_int_eq(tokens_end(&t, NULL), 0);
  ck_assert_int_eq(t.n, at);
  for (int64_t i = 0; i < at; i++)
    ck_assert_int_eq(tokens_at(&t, i), i * 7919 % size);
  TokenLines l = {.tokens = &t};
  for (int i = 0; i < LINES; i++)
    ck_assert_int_eq(tokens_line(&l), i % 100 == 99 ? 0 : i % 37 == 5 ? 300 : i % 9 + 1);
  ck_assert_int_eq(tokens_line(&l), -1);
  tokens_free(&t);
}
END_TEST

// ---- the cache

static char cache[96], said[4096];
static Tokenizer *tok;

static void setup(void) {
  make_dir();
  snprintf(cache, sizeof cache, "%s/cache", dir);
  tok = rows_tokenizer();
}
static void teardown(void) {
  tok_free(tok);
  remove_dir();
}

static const char *put_text(int words, unsigned seed) {
  static char path[128];
  snprintf(path, sizeof path, "%s/text", dir);
  FILE *f = fopen(path, "w");
  for (int i = 0; i < words; i++)
    fprintf(f, "w%02u%s", 10 + (i * 2654435761u + seed) % 90,
            i % 37 == 36  ? "\n\n"
            : i % 11 == 7 ? "\n"
                          : " ");
  ck_assert_int_eq(fclose(f), 0);
  return path;
}

static void hear(void *ctx, const char *text) {
  (void)ctx;
  snprintf(said + strlen(said), sizeof said - strlen(said), "%s\n", text);
}

static TokenizeOptions kept(void) {
  return (TokenizeOptions){.place = {.folder = cache, .say = hear}, .shift = SHIFT};
}

// *found: they came from the cache.
static int cut(const char *path, const TokenizeOptions *o, TokenStream *t, bool *found,
               BigsError *e) {
  TextReader *r = text_open(&path, 1, e);
  ck_assert_ptr_nonnull(r);
  *said = 0;
  int status = tokenize(r, tok, o, t, found, e);
  text_close(r);
  return status;
}

// The hash of the tokens.  `found`: whether they must come from the cache.
static uint64_t expect_tokens(const char *path, const TokenizeOptions *o, bool found) {
  TokenStream t;
  BigsError e = {0};
  bool was;
  ck_assert_msg(!cut(path, o, &t, &was, &e), "%s", e.text);
  ck_assert_msg(was == found, "%s", said);
  uint64_t h = tokens_hash(&t);
  for (int i = 0; i < t.chunks; i++) // what is mapped is read
    ck_assert_uint_eq(t.chunk[i].hash, token_chunk_hash(&t, &t.chunk[i]));
  tokens_free(&t);
  return h;
}

static uint64_t in_memory(const char *path) {
  TokenizeOptions o = kept();
  o.place.folder = NULL;
  return expect_tokens(path, &o, false);
}

static void expect_said(const char *text) {
  ck_assert_msg(strstr(said, text), "\"%s\" does not say \"%s\"", said, text);
}

START_TEST(kept_tokens_are_those_in_memory) {
  const char *path = put_text(5000, 1);
  TokenizeOptions o = kept();
  uint64_t h = in_memory(path);
  ck_assert_uint_eq(expect_tokens(path, &o, false), h);
  expect_said("tokens of the text are kept in");
  ck_assert_uint_eq(expect_tokens(path, &o, true), h);
  expect_said("tokens of the text come from");
}
END_TEST

START_TEST(threads_cut_the_same_tokens) {
  const char *path = put_text(600000, 3); // 2.4 MB: several rounds of batches
  TokenizeOptions o = {.threads = 1};
  uint64_t h = expect_tokens(path, &o, false);
  for (o.threads = 2; o.threads < 8; o.threads += 3)
    ck_assert_uint_eq(expect_tokens(path, &o, false), h);
}
END_TEST

// A text of the same size is another one, and so is a text under another tokenizer.
START_TEST(what_has_changed_is_cut_again) {
  TokenizeOptions o = kept();
  uint64_t h = expect_tokens(put_text(5000, 1), &o, false), other;
  ck_assert_uint_ne(other = expect_tokens(put_text(5000, 2), &o, false), h);
  ck_assert_uint_eq(expect_tokens(put_text(5000, 1), &o, false), h);
  Tokenizer *was = tok;
  static const char text[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nw10\nw11\n";
  ck_assert_int_eq(tok_parse(TOKENIZER_WORDPIECE, text, strlen(text), "v", true, &tok, NULL), 0);
  char path[128];
  snprintf(path, sizeof path, "%s/text", dir);
  ck_assert_uint_ne(expect_tokens(path, &o, false), h);
  tok_free(tok);
  tok = was;
  ck_assert_uint_eq(expect_tokens(path, &o, true), h);
}
END_TEST

START_TEST(small_texts_and_pipes_are_not_kept) {
  TokenizeOptions o = kept();
  o.place.least = 1 << 20;
  const char *path = put_text(5000, 1);
  expect_tokens(path, &o, false);
  ck_assert_int_ne(access(cache, F_OK), 0);
  o.place.least = 0;
  char fifo[128], cmd[300];
  snprintf(fifo, sizeof fifo, "%s/fifo", dir);
  ck_assert_int_eq(mkfifo(fifo, 0600), 0);
  for (int i = 0; i < 2; i++) {
    snprintf(cmd, sizeof cmd, "cat '%s' >'%s' &", path, fifo);
    ck_assert_int_eq(system(cmd), 0);
    expect_tokens(fifo, &o, false);
  }
  ck_assert_str_eq(said, "");
}
END_TEST

// ---- files that are not as they were written

static void damage(const char *command) {
  char cmd[400];
  snprintf(cmd, sizeof cmd, "cd '%s'/* && { %s; }", cache, command);
  ck_assert_int_eq(system(cmd), 0);
}

// The complement of a byte: a fixed one would now and then be what stands there.
#define FLIP(at, file)                                                                             \
  "b=$(od -An -tu1 -j" at " -N1 " file ") && printf \"\\\\$(printf %o $((255 - b)))\" | "          \
  "dd bs=1 conv=notrunc status=none seek=" at " of=" file
static const struct {
  const char *command, *said;
} damages[] = {
    {"truncate -s 100 00002.ids", "cut off"},
    {"truncate -s 0 00002.ids", "cut off"},
    {"truncate -s +8 00002.ids", "damaged"},
    {"truncate -s 20 index", "cut off"},
    {"truncate -s 0 index", "cut off"},
    {"rm 00001.ids", "not whole"},
    {"mv 00001.ids x && mv 00000.ids 00001.ids && mv x 00000.ids", "damaged"},
    {"cp 00001.ids 00000.ids", "damaged"},
    {FLIP("500", "00001.ids"), "damaged"},  // a token
    {FLIP("4170", "00001.ids"), "damaged"}, // a line's length, behind 72 + 4096 bytes
    {FLIP("0", "00000.ids"), "damaged"},
    {FLIP("24", "00000.ids"), "damaged"}, // the key
    {FLIP("50", "index"), "damaged"},     // the number of tokens
    {"printf '\\1\\2\\3\\4' | dd bs=1 conv=notrunc status=none seek=16 of=00000.ids", "byte order"},
    {"printf '\\1\\2\\3\\4' | dd bs=1 conv=notrunc status=none seek=16 of=index", "byte order"},
    {"rm index", ""}, // as a writer leaves it that was killed
};

START_TEST(damaged_files_are_made_anew) {
  const char *path = put_text(5000, 1);
  TokenizeOptions o = kept();
  uint64_t h = expect_tokens(path, &o, false);
  damage(damages[_i].command);
  ck_assert_uint_eq(expect_tokens(path, &o, false), h);
  expect_said(damages[_i].said);
  ck_assert_int_eq(strstr(said, "again") != NULL, *damages[_i].said != 0);
  ck_assert_uint_eq(expect_tokens(path, &o, true), h);
}
END_TEST

// ---- writers that end early

static int kept_files(const char *name) {
  char cmd[300];
  int n = -1;
  snprintf(cmd, sizeof cmd, "find '%s' -name '%s' 2>/dev/null | wc -l", cache, name);
  FILE *f = popen(cmd, "r");
  ck_assert_int_eq(fscanf(f, "%d", &n), 1);
  pclose(f);
  return n;
}

static int die_later(void *ctx, const char *what, double share) {
  (void)ctx;
  if (!strcmp(what, "reading text") && share > 0.5)
    raise(SIGKILL);
  return 0;
}

START_TEST(a_killed_writer_leaves_nothing_whole) {
  const char *path = put_text(300000, 1);
  TokenizeOptions o = kept();
  o.shift = 14;
  TokenizeOptions dying = o;
  uint64_t h = expect_tokens(path, &(TokenizeOptions){.shift = 14}, false);
  dying.place.progress = die_later;
  pid_t child = fork();
  if (!child) {
    TokenStream t;
    cut(path, &dying, &t, NULL, NULL);
    _exit(0);
  }
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  ck_assert_int_gt(kept_files("*.ids"), 5);
  ck_assert_int_eq(kept_files("index"), 0);
  ck_assert_uint_eq(expect_tokens(path, &o, false), h);
  ck_assert_uint_eq(expect_tokens(path, &o, true), h);
}
END_TEST

// What a killed writer left of another text goes when one is kept.
START_TEST(leavings_go) {
  TokenizeOptions o = kept();
  expect_tokens(put_text(5000, 1), &o, false);
  damage("rm index");
  ck_assert_int_eq(kept_files("00000.ids"), 1);
  expect_tokens(put_text(5000, 2), &o, false);
  ck_assert_int_eq(kept_files("00000.ids"), 1);
  ck_assert_int_eq(kept_files("index"), 1);
}
END_TEST

START_TEST(the_folder_keeps_to_its_size) {
  TokenizeOptions o = kept();
  o.place.most = 30000; // of each text there are some 11 000 bytes
  for (unsigned i = 1; i <= 4; i++) {
    expect_tokens(put_text(5000, i), &o, false);
    ck_assert_int_eq(kept_files("index"), i < 2 ? (int)i : 2);
  }
}
END_TEST

static int stop_now(void *ctx, const char *what, double share) {
  (void)ctx;
  return !strcmp(what, "reading text") && share > 0.5;
}

START_TEST(what_is_interrupted_is_not_kept) {
  TokenizeOptions o = kept();
  TokenStream t;
  o.shift = 14;
  o.place.progress = stop_now;
  ck_assert_int_eq(cut(put_text(300000, 1), &o, &t, NULL, NULL), BIGS_EINTERRUPT);
  tokens_free(&t);
  ck_assert_int_eq(kept_files("*.ids"), 0);
}
END_TEST

// Where the disk is full, tokens stay in memory, those written before come back there, and the disk gets its room back.
START_TEST(a_full_disk_is_said) {
  const char *path = put_text(300000, 1);
  TokenizeOptions o = kept();
  o.shift = 16;
  uint64_t h = expect_tokens(path, &(TokenizeOptions){.shift = 16}, false);
  signal(SIGXFSZ, SIG_IGN);
  const struct rlimit some = {100000, 100000}; // a file of a chunk has 131072 bytes
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &some), 0);
  ck_assert_uint_eq(expect_tokens(path, &o, false), h);
  expect_said("tokens are not kept, they stay in memory");
  expect_said("File too large");
  ck_assert_int_eq(kept_files("*.ids"), 0);
}
END_TEST

static int remove_later(void *ctx, const char *what, double share) {
  (void)ctx;
  if (!strcmp(what, "reading text") && share > 0.5 && kept_files("00000.ids"))
    damage("rm -r \"$PWD\"");
  return 0;
}

START_TEST(tokens_written_before_come_back) {
  const char *path = put_text(600000, 1);
  TokenizeOptions o = kept();
  o.shift = 14;
  uint64_t h = expect_tokens(path, &(TokenizeOptions){.shift = 14}, false);
  o.place.progress = remove_later;
  ck_assert_uint_eq(expect_tokens(path, &o, false), h);
  expect_said("they stay in memory");
}
END_TEST

START_TEST(a_folder_that_cannot_be_made_is_said) {
  const char *path = put_text(5000, 1);
  TokenizeOptions o = kept();
  o.place.folder = path; // a file
  ck_assert_uint_eq(expect_tokens(path, &o, false), in_memory(path));
  expect_tokens(path, &o, false);
  expect_said("tokens are not kept");
}
END_TEST

static int change_later(void *ctx, const char *what, double share) {
  (void)ctx;
  (void)share;
  char cmd[128];
  snprintf(cmd, sizeof cmd, "touch '%s/text'", dir);
  return !strcmp(what, "reading text") && system(cmd) != 0;
}

START_TEST(a_text_changed_meanwhile_is_not_kept) {
  TokenizeOptions o = kept(), changing = o;
  changing.place.progress = change_later;
  const char *path = put_text(5000, 1);
  expect_tokens(path, &changing, false);
  expect_said("was changed while it was read");
  ck_assert_int_eq(kept_files("*.ids"), 0);
  expect_tokens(path, &o, false);
}
END_TEST

// Of several at once one cuts the text, and the others have its tokens.
START_TEST(processes_at_once) {
  enum { PROCESSES = 4 };
  const char *path = put_text(300000, 1);
  TokenizeOptions o = kept();
  o.shift = 14;
  uint64_t h = expect_tokens(path, &(TokenizeOptions){.shift = 14}, false);
  int found = 0;
  pid_t child[PROCESSES];
  for (int i = 0; i < PROCESSES; i++)
    if (!(child[i] = fork())) {
      TokenStream t;
      bool was = false;
      int status = cut(path, &o, &t, &was, NULL);
      _exit(status || tokens_hash(&t) != h ? 9 : was);
    }
  for (int i = 0; i < PROCESSES; i++) {
    int status;
    ck_assert_int_eq(waitpid(child[i], &status, 0), child[i]);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    found += WEXITSTATUS(status);
  }
  ck_assert_int_eq(found, PROCESSES - 1);
  ck_assert_int_eq(kept_files("index"), 1);
}
END_TEST

static TCase *cache_case(void) {
  TCase *t = tcase_create("cache");
  tcase_set_timeout(t, 60);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, kept_tokens_are_those_in_memory);
  tcase_add_test(t, threads_cut_the_same_tokens);
  tcase_add_test(t, what_has_changed_is_cut_again);
  tcase_add_test(t, small_texts_and_pipes_are_not_kept);
  tcase_add_loop_test(t, damaged_files_are_made_anew, 0, N(damages));
  tcase_add_test(t, a_killed_writer_leaves_nothing_whole);
  tcase_add_test(t, leavings_go);
  tcase_add_test(t, the_folder_keeps_to_its_size);
  tcase_add_test(t, what_is_interrupted_is_not_kept);
  tcase_add_test(t, a_full_disk_is_said);
  tcase_add_test(t, tokens_written_before_come_back);
  tcase_add_test(t, a_folder_that_cannot_be_made_is_said);
  tcase_add_test(t, a_text_changed_meanwhile_is_not_kept);
  tcase_add_test(t, processes_at_once);
  return t;
}

Suite *corpus_suite(void) {
  Suite *s = suite_create("corpus");
  TCase *t = tcase_create("order");
  tcase_add_test(t, rows_are_split_as_by_a_table);
  tcase_add_test(t, without_hold_out_all_rows_are_for_training);
  tcase_add_loop_test(t, tokens_and_lines_are_as_pushed, 0, 2);
  suite_add_tcase(s, t);
  suite_add_tcase(s, cache_case());
  return s;
}
