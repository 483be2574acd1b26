// Reading text files, learning a vocabulary from them.
#include "runtime/files/file.h"
#include "runtime/train/corpus.h"
#include "runtime/text/tokenizer.h"
#include "runtime/train/vocab.h"
#include "tests/unit/suites.h"
#include "tests/unit/tmpdir.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define N(a) ((int)(sizeof(a) / sizeof *(a)))
#define HEAD "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"

// ---- files

static void put_bytes(const char *name, const char *s, size_t n) {
  FILE *f = fopen(in_dir(name), "w");
  ck_assert_ptr_nonnull(f);
  ck_assert_uint_eq(fwrite(s, 1, n, f), n);
  fclose(f);
}
static void put(const char *name, const char *text) {
  put_bytes(name, text, strlen(text));
}
static void put_gz(const char *name, const char *text) {
  gzFile f = gzopen(in_dir(name), "wb");
  gzwrite(f, text, (unsigned)strlen(text));
  gzclose(f);
}

// All lines of the given paths: "+" before each new document, "|" behind each line.
static void expect_text(const char *const *paths, int n, const char *want) {
  BigsError e = {0};
  TextReader *r = text_open(paths, n, &e);
  ck_assert_msg(r, "%s", e.text);
  char out[4096] = "";
  for (TextLine l; text_next(r, &l, &e) == 0 && l.s;) {
    ck_assert(text_share(r) >= 0 && text_share(r) <= 1);
    sprintf(out + strlen(out), "%s%.*s|", l.new_document ? "+" : "", (int)l.n, l.s);
  }
  ck_assert_msg(e.status == 0, "%s", e.text);
  ck_assert_str_eq(out, want);
  ck_assert_double_eq(text_share(r), 1);
  text_close(r);
}
#define PATHS(...) (const char *const[]){__VA_ARGS__}, N(((const char *const[]){__VA_ARGS__}))

START_TEST(text_documents) {
  put("a", "one\ntwo\n\n \t\nthree");
  put("b", "\n\nfour\r\n\r\nfive\r\n");
  put("c", "");
  put("d", "\xEF\xBB\xBFsix\n");
  expect_text(PATHS(in_dir("a"), in_dir("b"), in_dir("c"), in_dir("d")),
              "+one|two|+three|+four|+five|+six|");
}
END_TEST

START_TEST(text_directories_and_gzip) {
  ck_assert_int_eq(mkdir(in_dir("d"), 0755), 0);
  ck_assert_int_eq(mkdir(in_dir("d/B"), 0755), 0);
  put("d/c.txt", "c");
  put("d/a", "a");
  put("d/.hidden", "no");
  put("d/B/x", "x");
  put_gz("d/z.gz", "z\n\ny\n");
  expect_text(PATHS(in_dir("d")), "+x|+a|+c|+z|+y|"); // byte order: B, a, c.txt, z.gz
}
END_TEST

static void expect_text_error(const char *path, int status, const char *want) {
  BigsError e = {0};
  TextLine l;
  TextReader *r = text_open(&path, 1, &e);
  while (r && text_next(r, &l, &e) == 0 && l.s)
    ;
  text_close(r);
  ck_assert_int_eq(e.status, status);
  ck_assert_msg(strstr(e.text, want), "%s", e.text);
}

START_TEST(text_errors) {
  expect_text_error(in_dir("none"), BIGS_EFILE, "none: cannot open: No such file");
  ck_assert_int_eq(mkdir(in_dir("d"), 0755), 0);
  expect_text_error(in_dir("d"), BIGS_EFILE, "d: no text files");
  put("bad", "good\nbad \xC3(\n");
  expect_text_error(in_dir("bad"), BIGS_EMODEL, "bad: byte 9 (line 2): not UTF-8");
  put("cut", "good\n\xE4\xB8");
  expect_text_error(in_dir("cut"), BIGS_EMODEL, "cut: byte 5 (line 2): not UTF-8");
  put("x.gz", "plain text\n");
  expect_text_error(in_dir("x.gz"), BIGS_EFILE, "x.gz: not a gzip file");
  char *big = malloc(100001);
  for (int i = 0; i < 100000; i++)
    big[i] = i % 61 == 60 ? '\n' : (char)('a' + i * 7919 / 13 % 26);
  big[100000] = 0;
  put_gz("y.gz", big);
  size_t n;
  char *packed = file_read(in_dir("y.gz"), 1 << 20, &n, NULL);
  put_bytes("y.gz", packed, n / 2);
  expect_text_error(in_dir("y.gz"), BIGS_EFILE, "y.gz: the gzip file ends too early");
  packed[n / 2] ^= 0x55;
  packed[n / 2 + 1] ^= 0x55;
  put_bytes("y.gz", packed, n);
  expect_text_error(in_dir("y.gz"), BIGS_EFILE, "y.gz: damaged gzip file");
  free(packed);
  free(big);
}
END_TEST

// What is behind a stream of gzip: another one, or zeros; else it may be the half of a file.
START_TEST(text_behind_gzip) {
  size_t n;
  put_gz("z.gz", "one\ntwo\n");
  char *packed = file_read(in_dir("z.gz"), 1 << 20, &n, NULL), *longer = calloc(1, 2 * n + 300000);
  memcpy(longer, packed, n);
  put_bytes("z.gz", longer, n + 300000);
  expect_text(PATHS(in_dir("z.gz")), "+one|two|");
  longer[n + 200000] = 'x';
  put_bytes("z.gz", longer, n + 300000);
  expect_text_error(in_dir("z.gz"), BIGS_EFILE, "z.gz: damaged gzip file: what stands behind");
  for (size_t k = 1; k < 3; k++) {
    memcpy(longer + n, "\x1F\x8Cgarbage", 9);
    put_bytes("z.gz", longer, n + k);
    expect_text_error(in_dir("z.gz"), BIGS_EFILE, "z.gz: damaged gzip file: what stands behind");
  }
  memcpy(longer + n, packed, n);
  put_bytes("z.gz", longer, 2 * n);
  expect_text(PATHS(in_dir("z.gz")), "+one|two|one|two|");
  for (size_t k = 2; k < n; k++) {
    put_bytes("z.gz", longer, n + k);
    expect_text_error(in_dir("z.gz"), BIGS_EFILE, "z.gz: the gzip file ends too early");
  }
  free(packed);
  free(longer);
}
END_TEST

// A line of 3 MB comes in parts cut between words, another without spaces between characters.
START_TEST(text_long_lines) {
  size_t n = 3 << 20;
  char *text = malloc(2 * n + 8), *p = text;
  for (size_t i = 0; i < n / 8; i++, p += 8)
    memcpy(p, "abcdefg ", 8);
  *p++ = '\n';
  for (size_t i = 0; i < n / 3; i++, p += 3)
    memcpy(p, "\xE4\xB8\xAD", 3);
  put_bytes("long", text, (size_t)(p - text));
  BigsError e = {0};
  const char *path = in_dir("long");
  TextReader *r = text_open(&path, 1, &e);
  size_t at = 0, parts = 0;
  for (TextLine l; text_next(r, &l, &e) == 0 && l.s; parts++) {
    ck_assert_uint_le(l.n, TEXT_MAX_LINE);
    ck_assert_uint_eq(l.offset, at + (at == n)); // behind the line feed
    ck_assert_mem_eq(l.s, text + l.offset, l.n);
    ck_assert_int_eq(l.line, at < n ? 1 : 2);
    ck_assert(l.new_document == (at == 0));
    at = l.offset + l.n;
    ck_assert(at >= n || text[at - 1] == ' ');
  }
  ck_assert_msg(e.status == 0, "%s", e.text);
  ck_assert_uint_eq(at, (size_t)(p - text));
  ck_assert_uint_ge(parts, 6);
  text_close(r);
  free(text);
}
END_TEST

// ---- learning a vocabulary

static Vocab learn(const char *const *paths, int n, int size) {
  BigsError e = {0};
  Vocab v;
  ck_assert_msg(vocab_learn(paths, n, &(VocabOptions){.size = size, .lower = true}, &v, &e) == 0,
                "%s", e.text);
  return v;
}

START_TEST(vocab_small_example) {
  // hug 10, pug 5, pun 12, bun 4, hugs 5: u-g 20, then u-n 16, then h-ug 15
  for (int i = 0; i < 2; i++) {
    char text[1024] = "";
    for (int k = 0; k < 12; k++)
      sprintf(text + strlen(text), "%s pun %s %s %s\n", k < 10 ? "HUG" : "", k < 5 ? "pug" : "",
              k < 4 ? "bun," : "", k < 5 ? "hugs" : "");
    put(i ? "b" : "a", text);
  }
  Vocab v = learn(PATHS(in_dir("a")), 26);
  const char *want = HEAD ",\nb\nh\np\n##g\n##n\n##s\n##u\n##ug\n##un\nhug\npun\npug\nhugs\nbun\n";
  ck_assert_str_eq(v.text, want);
  ck_assert_int_eq(v.size, 20);
  ck_assert_int_eq(v.words, 40);
  ck_assert_int_eq(v.distinct, 6);
  ck_assert_uint_eq(v.n, strlen(want));
  free(v.text);
  v = learn(PATHS(in_dir("a"), in_dir("b")), 1000); // nothing is left to merge
  ck_assert_int_eq(v.size, 20);
  free(v.text);
}
END_TEST

// The same by recounting everything before each merge, on text with runs such as "aaaa".
typedef struct Naive {
  char piece[400][32];
  int npiece;
  char word[200][16][32];
  int len[200];
  int64_t count[200];
  int nword;
} Naive;

static int find_piece(const Naive *v, const char *s) {
  for (int i = 0; i < v->npiece; i++)
    if (!strcmp(v->piece[i], s))
      return i;
  return -1;
}

static int64_t pair_count(const Naive *v, const char *a, const char *b) {
  int64_t n = 0;
  for (int w = 0; w < v->nword; w++)
    for (int i = 0; i + 1 < v->len[w]; i++)
      n += !strcmp(v->word[w][i], a) && !strcmp(v->word[w][i + 1], b) ? v->count[w] : 0;
  return n;
}

static bool naive_merge(Naive *v) {
  int64_t best = 1;
  int ba = -1, bb = -1;
  for (int a = 0; a < v->npiece; a++)
    for (int b = 0; b < v->npiece; b++) {
      int64_t n = strncmp(v->piece[b], "##", 2) ? 0 : pair_count(v, v->piece[a], v->piece[b]);
      if (n > best)
        best = n, ba = a, bb = b;
    }
  if (ba < 0)
    return false;
  char made[64];
  snprintf(made, sizeof made, "%s%s", v->piece[ba], v->piece[bb] + 2);
  for (int w = 0; w < v->nword; w++) {
    int n = 0;
    for (int i = 0; i < v->len[w]; n++) {
      bool hit = i + 1 < v->len[w] && !strcmp(v->word[w][i], v->piece[ba]) &&
                 !strcmp(v->word[w][i + 1], v->piece[bb]);
      memmove(v->word[w][n], hit ? made : v->word[w][i], 32);
      i += hit ? 2 : 1;
    }
    v->len[w] = n;
  }
  if (find_piece(v, made) < 0)
    strcpy(v->piece[v->npiece++], made);
  return true;
}

static void naive_word(Naive *v, const char *s) {
  int w = v->nword++;
  v->count[w] = 1;
  v->len[w] = (int)strlen(s);
  for (int i = 0; s[i]; i++)
    sprintf(v->word[w][i], "%s%c", i ? "##" : "", s[i]);
}

START_TEST(vocab_equals_naive) {
  Naive *v = calloc(1, sizeof *v);
  char text[8192] = "";
  unsigned x = 12345u + (unsigned)_i;
  for (int i = 0; i < 120; i++) {
    char word[16];
    int len = 0;
    do
      x = x * 1664525u + 1013904223u;
    while (word[len++] = (char)('a' + (x >> 16) % 3), len < 14 && (x >> 24) % 8);
    word[len] = 0;
    naive_word(v, word);
    sprintf(text + strlen(text), "%s ", word);
  }
  put("t", text);
  Vocab learned = learn(PATHS(in_dir("t")), 60);
  for (int i = 0; i < 5; i++)
    strcpy(v->piece[v->npiece++], tok_special_name((TokSpecial)i));
  for (int inside = 0; inside < 2; inside++)
    for (int c = 'a'; c <= 'c'; c++)
      sprintf(v->piece[v->npiece++], "%s%c", inside ? "##" : "", c);
  while (v->npiece < 60 && naive_merge(v))
    ;
  char want[4096] = "";
  for (int i = 0; i < v->npiece; i++)
    sprintf(want + strlen(want), "%s\n", v->piece[i]);
  ck_assert_str_eq(learned.text, want);
  free(learned.text);
  free(v);
}
END_TEST

START_TEST(vocab_order_of_text_is_nothing) {
  put("a", "the cat sat on the mat\n\nthe dog \xC3\xA9t\xC3\xA9 \xE4\xB8\xAD");
  put("b", "a cat and a dog and a mat\n");
  Vocab v = learn(PATHS(in_dir("a"), in_dir("b")), 60),
        w = learn(PATHS(in_dir("b"), in_dir("a")), 60);
  ck_assert_str_eq(v.text, w.text);
  Tokenizer *t;
  BigsError e = {0};
  ck_assert_msg(tok_parse(TOKENIZER_WORDPIECE, v.text, v.n, "v", true, &t, &e) == 0, "%s",
                e.text); // it loads
  tok_free(t);
  free(v.text);
  free(w.text);
}
END_TEST

static int cancel(void *ctx, const char *what, double share) {
  (void)ctx, (void)what, (void)share;
  return 1;
}

START_TEST(vocab_errors) {
  BigsError e = {0};
  Vocab v;
  put("a", " \n\n");
  const char *path = in_dir("a");
  ck_assert_int_eq(vocab_learn(&path, 1, &(VocabOptions){.size = 100}, &v, &e), BIGS_EMODEL);
  ck_assert_ptr_nonnull(strstr(e.text, "no words in the text"));
  ck_assert_int_eq(vocab_learn(&path, 1, &(VocabOptions){.size = 3}, &v, &e), BIGS_EUSAGE);
  ck_assert_ptr_nonnull(strstr(e.text, "must be 16 to"));
  put("a", "x\n");
  ck_assert_int_eq(vocab_learn(&path, 1, &(VocabOptions){.size = 100, .progress = cancel}, &v, &e),
                   BIGS_EINTERRUPT);
}
END_TEST

Suite *vocab_suite(void) {
  Suite *s = suite_create("vocab");
  TCase *t = tcase_create("text");
  tcase_set_timeout(t, 60);
  tcase_add_checked_fixture(t, make_dir, remove_dir);
  tcase_add_test(t, text_documents);
  tcase_add_test(t, text_directories_and_gzip);
  tcase_add_test(t, text_errors);
  tcase_add_test(t, text_behind_gzip);
  tcase_add_test(t, text_long_lines);
  tcase_add_test(t, vocab_small_example);
  tcase_add_loop_test(t, vocab_equals_naive, 0, 3);
  tcase_add_test(t, vocab_order_of_text_is_nothing);
  tcase_add_test(t, vocab_errors);
  suite_add_tcase(s, t);
  return s;
}
