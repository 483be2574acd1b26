// JSON read and written, files replaced at once.
#include "runtime/files/file.h"
#include "runtime/files/json.h"
#include "tests/unit/suites.h"
#include "tests/unit/tmpdir.h"
#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// ---- JSON

static JsonDoc *parse(const char *text, BigsError *e) {
  char *copy = malloc(strlen(text) + 1); // exact size: the sanitizer sees reads past the end
  memcpy(copy, text, strlen(text));
  JsonDoc *d = json_parse(copy, strlen(text), "t", 0, e);
  free(copy);
  return d;
}

START_TEST(json_reads_values) {
  BigsError e = {0};
  JsonDoc *d = parse(" {\"a\": [1, -2.5e3, true, false, null, \"x\\u00e9\\ud83d\\ude00\\n\\\"\"],"
                     "\"b\": {}, \"c\":[] , \"\": 9223372036854775807} ",
                     &e);
  ck_assert_msg(d, "%s", e.text);
  const JsonValue *r = json_root(d), *a = json_get(r, "a");
  ck_assert_int_eq(r->kind, JSON_OBJECT);
  ck_assert_int_eq(r->count, 4);
  ck_assert_int_eq(a->count, 6);
  int64_t i;
  double x;
  ck_assert(json_int(a->child, &i) && i == 1);
  ck_assert(!json_int(a->child->next, &i));
  ck_assert(json_double(a->child->next, &x) && x == -2500);
  ck_assert_int_eq(a->child->next->next->kind, JSON_TRUE);
  const JsonValue *s = a->child->next->next->next->next->next;
  ck_assert(json_equals(s, "x\xc3\xa9\xf0\x9f\x98\x80\n\""));
  ck_assert_int_eq(json_get(r, "b")->count, 0);
  ck_assert(json_int(json_get(r, ""), &i) && i == INT64_MAX);
  ck_assert_ptr_null(json_get(r, "d"));
  ck_assert_ptr_null(json_get(a, "a"));
  json_free(d);
}
END_TEST

static const struct {
  const char *text, *error;
} bad_json[] = {
    {"", "byte 0: the text ends where a value should be"},
    {"{", "byte 1: a member's name"},
    {"[1", "byte 2: ',' or ']'"},
    {"[1,]", "byte 3: not a value"},
    {"{\"a\":1,}", "byte 7: a member's name"},
    {"{\"a\" 1}", "byte 5: ':'"},
    {"{a:1}", "byte 1: a member's name"},
    {"{\"a\":1 \"b\":2}", "byte 7: ',' or '}'"},
    {"[1 2]", "byte 3: ',' or ']'"},
    {"1 2", "byte 2: something follows"},
    {"01", "byte 0: a malformed number"},
    {"-", "byte 0: a malformed number"},
    {"1.", "byte 0: a malformed number"},
    {"[1e]", "byte 1: a malformed number"},
    {"+1", "byte 0: not a value"},
    {"NaN", "byte 0: not a value"},
    {"nul", "byte 0: not a value"},
    {"\"a", "byte 0: a string without its closing quote"},
    {"\"a\nb\"", "byte 2: a control character"},
    {"\"\\x\"", "byte 2: unknown escape"},
    {"\"\\", "unknown escape"},
    {"\"\\u12g4\"", "byte 5: \\u needs four"},
    {"\"\\ud800\"", "byte 1: a high surrogate"},
    {"\"\\ud800\\u0041\"", "byte 1: a high surrogate"},
    {"\"\\udc00\"", "byte 1: a low surrogate"},
    {"\"\xff\"", "byte 1: not UTF-8"},
    {"\"\xed\xa0\x80\"", "byte 1: not UTF-8"},
    {"\"\xc0\x80\"", "byte 1: not UTF-8"},
    {"\"\xf4\x90\x80\x80\"", "byte 1: not UTF-8"},
    {"{\"a\":1,\"b\":2,\"a\":3}", "bytes 5 and 17: the name \"a\" twice"},
};

START_TEST(json_refuses) {
  BigsError e = {0};
  ck_assert_ptr_null(parse(bad_json[_i].text, &e));
  ck_assert_int_eq(e.status, BIGS_EFILE);
  ck_assert_msg(strstr(e.text, bad_json[_i].error), "%s: %s", bad_json[_i].text, e.text);
}
END_TEST

START_TEST(json_depth) {
  char text[2 * JSON_MAX_DEPTH + 8] = {0};
  for (int more = 0; more < 2; more++) {
    int n = JSON_MAX_DEPTH + more;
    memset(text, '[', (size_t)n);
    memset(text + n, ']', (size_t)n);
    BigsError e = {0};
    JsonDoc *d = parse(text, &e);
    ck_assert_int_eq(d != NULL, !more);
    ck_assert(!more || strstr(e.text, "nested too deep"));
    json_free(d);
  }
}
END_TEST

START_TEST(json_integers) {
  static const char *const text[] = {"[9223372036854775808]", "[-9223372036854775809]", "[1.0]",
                                     "[1e2]", "[\"1\"]"};
  int64_t x;
  for (int i = 0; i < 5; i++) {
    JsonDoc *d = parse(text[i], NULL);
    ck_assert(!json_int(json_root(d)->child, &x));
    json_free(d);
  }
  JsonDoc *d = parse("[-9223372036854775808, 1e999]", NULL);
  ck_assert(json_int(json_root(d)->child, &x) && x == INT64_MIN);
  double y;
  ck_assert(!json_double(json_root(d)->child->next, &y));
  json_free(d);
}
END_TEST

static void check_round_trip(double x) {
  JsonText t = {0};
  json_put_double(&t, x);
  JsonDoc *d = json_parse(t.s, t.n, "t", 0, NULL);
  double y;
  ck_assert_msg(d && json_double(json_root(d), &y) && y == x, "%.17g became %s", x, t.s);
  json_free(d);
  free(t.s);
}

START_TEST(json_numbers_round_trip) {
  static const double x[] = {
      0, 0.1, -1e-300, 5e-324, 1.7976931348623157e308, 1.0 / 3, 123456789012345678.0, 1e-4};
  const char *locale[] = {"C", "de_DE.UTF-8", "de_DE", "fr_FR.UTF-8"}; // those that are installed
  for (int l = 0; l < 4; l++)
    if (setlocale(LC_ALL, locale[l]))
      for (int i = 0; i < 8; i++)
        check_round_trip(x[i]);
  setlocale(LC_ALL, "C");
  JsonText t = {0};
  json_put_double(&t, 0.1);
  json_put_double(&t, NAN);
  json_put_double(&t, INFINITY);
  json_put_int(&t, INT64_MIN);
  ck_assert_str_eq(t.s, "0.1nullnull-9223372036854775808");
  free(t.s);
}
END_TEST

START_TEST(json_strings_round_trip) {
  char all[300];
  int n = 0;
  for (int c = 0; c < 128; c++)
    all[n++] = (char)c;
  memcpy(all + n, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9);
  n += 9;
  JsonText t = {0};
  json_put_string(&t, all, (size_t)n);
  JsonDoc *d = json_parse(t.s, t.n, "t", 0, NULL);
  ck_assert_ptr_nonnull(d);
  ck_assert_uint_eq(json_root(d)->size, (size_t)n);
  ck_assert_mem_eq(json_root(d)->text, all, (size_t)n);
  json_free(d);
  free(t.s);
}
END_TEST

// ---- files

// Not every filesystem has files without a name.
static bool has_unnamed(void) {
  int fd = open(dir, O_WRONLY | O_TMPFILE, 0600);
  if (fd >= 0)
    close(fd);
  return fd >= 0;
}

START_TEST(file_of_a_killed_process) {
  if (!has_unnamed())
    return;
  pid_t child = fork();
  if (child == 0) {
    FileOut *f = file_create(in_dir("a"), NULL);
    static const char data[1 << 20];
    if (f && !file_write(f, data, sizeof data, NULL))
      kill(getpid(), SIGKILL);
    _exit(1);
  }
  int status = 0;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  ck_assert_int_eq(files_in_dir(), 0);
}
END_TEST

START_TEST(file_replaces) {
  size_t n;
  BigsError e = {0};
  for (int i = 0; i < 2; i++) {
    FileOut *f = file_create(in_dir("a"), &e);
    ck_assert_int_eq(file_write(f, i ? "new" : "old", 3, &e), 0);
    if (i) { // until the commit the old file is what a reader sees
      char *old = file_read(in_dir("a"), 100, &n, &e);
      ck_assert_str_eq(old, "old");
      free(old);
      ck_assert_int_eq(files_in_dir(), has_unnamed() ? 1 : 2);
    }
    ck_assert_int_eq(file_commit(f, &e), 0);
  }
  ck_assert_int_eq(files_in_dir(), 1);
  char *text = file_read(in_dir("a"), 3, &n, &e);
  ck_assert_str_eq(text, "new");
  free(text);
  ck_assert_ptr_null(file_read(in_dir("a"), 2, &n, &e));
  ck_assert_ptr_nonnull(strstr(e.text, "larger than the 2 bytes"));
  ck_assert_int_eq(chmod(in_dir("a"), 0600), 0); // the mode is kept
  ck_assert_int_eq(file_commit(file_create(in_dir("a"), &e), &e), 0);
  struct stat st;
  ck_assert_int_eq(stat(in_dir("a"), &st), 0);
  ck_assert_int_eq(st.st_mode & 0777, 0600);
}
END_TEST

START_TEST(file_abort_leaves_nothing) {
  FileOut *f = file_create(in_dir("a"), NULL);
  ck_assert_int_eq(file_write(f, "x", 1, NULL), 0);
  file_abort(f);
  file_abort(NULL);
  ck_assert_int_eq(files_in_dir(), 0);
}
END_TEST

START_TEST(file_unwritable) {
  BigsError e = {0};
  ck_assert_ptr_null(file_create(in_dir("no/such"), &e));
  ck_assert_ptr_nonnull(strstr(e.text, "No such file"));
  ck_assert_int_eq(e.status, BIGS_EFILE);
  ck_assert_ptr_null(file_create(dir, &e));
  ck_assert_ptr_nonnull(strstr(e.text, "Is a directory"));
  size_t n;
  ck_assert_ptr_null(file_read(in_dir("none"), 10, &n, &e));
  ck_assert_ptr_nonnull(strstr(e.text, "none: cannot open: No such file"));
  ck_assert_ptr_null(file_read(dir, 10, &n, &e));
  ck_assert_ptr_nonnull(strstr(e.text, "Is a directory"));
}
END_TEST

// A device is written in place, not replaced by a file.
START_TEST(file_device_full) {
  BigsError e = {0};
  FileOut *f = file_create("/dev/full", &e);
  ck_assert_ptr_nonnull(f);
  ck_assert_int_eq(file_write(f, "x", 1, &e), 0);
  ck_assert_int_eq(file_commit(f, &e), BIGS_EFILE);
  ck_assert_str_eq(e.text, "/dev/full: cannot write: No space left on device");
  struct stat st;
  ck_assert_int_eq(stat("/dev/full", &st), 0);
  ck_assert(S_ISCHR(st.st_mode));
}
END_TEST

static JsonDoc *python(const char *text, BigsError *e) {
  FILE *f = fopen(in_dir("p.json"), "w");
  ck_assert(f && fputs(text, f) >= 0 && !fclose(f));
  return json_read_python(in_dir("p.json"), e);
}

START_TEST(json_of_python) {
  static const char text[] = "\xEF\xBB\xBF {\"a\": [0.0, Infinity, -Infinity, NaN, -1],"
                             "\"s\": \"x\\ud800y\\udc00\\ud83d\\ude00\\ud800\\u0041\", \"n\": NaN}";
  BigsError e = {0};
  double x;
  int64_t i;
  JsonDoc *d = python(text, &e);
  ck_assert_msg(d, "%s", e.text);
  const JsonValue *r = json_root(d), *a = json_get(r, "a");
  ck_assert_int_eq(a->count, 5);
  const JsonValue *inf = a->child->next, *minus = inf->next, *nan = minus->next;
  ck_assert_str_eq(inf->text, "Infinity");
  ck_assert_str_eq(minus->text, "-Infinity");
  ck_assert_str_eq(nan->text, "NaN");
  for (const JsonValue *v = inf; v != nan->next; v = v->next)
    ck_assert(v->kind == JSON_NUMBER && !json_double(v, &x) && !json_int(v, &i));
  ck_assert(json_int(nan->next, &i) && i == -1);
  ck_assert(json_equals(json_get(r, "s"), "x\xEF\xBF\xBDy\xEF\xBF\xBD\xF0\x9F\x98\x80\xEF\xBF\xBD"
                                          "A"));
  ck_assert_uint_eq(json_get(r, "n")->offset, strlen(text) - 4);
  json_free(d);
  static const char *const bad[] = {"+Infinity", "-NaN", "Inf",
                                    "Infinityx", "nan",  "\"\\ud800\\u00zz\""};
  for (int k = 0; k < (int)(sizeof bad / sizeof *bad); k++)
    ck_assert_msg(!python(bad[k], &e), "%s", bad[k]);
  ck_assert(!parse("[Infinity]", &e) && !parse("-Infinity", &e) && !parse("\xEF\xBB\xBF[]", &e));
}
END_TEST

// /dev/shm holds files as any folder does: a second one stands in the first one's place.
START_TEST(files_of_dev_shm_are_replaced) {
  char path[64];
  snprintf(path, sizeof path, "/dev/shm/bigs-test-%ld", (long)getpid());
  size_t n = 0;
  for (int i = 0; i < 2; i++) {
    FileOut *f = file_create(path, NULL);
    if (!f && access("/dev/shm", W_OK))
      return; // no such folder here
    ck_assert_int_eq(file_write(f, "abc", 3, NULL), 0);
    ck_assert_int_eq(file_commit(f, NULL), 0);
  }
  char *text = file_read(path, 100, &n, NULL);
  unlink(path);
  ck_assert_str_eq(text, "abc");
  free(text);
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof *(a)))
Suite *json_suite(void) {
  Suite *s = suite_create("json");
  TCase *t = tcase_create("json");
  tcase_add_checked_fixture(t, make_dir, remove_dir);
  tcase_add_test(t, json_reads_values);
  tcase_add_loop_test(t, json_refuses, 0, N(bad_json));
  tcase_add_test(t, json_of_python);
  tcase_add_test(t, json_depth);
  tcase_add_test(t, json_integers);
  tcase_add_test(t, json_numbers_round_trip);
  tcase_add_test(t, json_strings_round_trip);
  tcase_add_test(t, file_replaces);
  tcase_add_test(t, file_of_a_killed_process);
  tcase_add_test(t, file_abort_leaves_nothing);
  tcase_add_test(t, file_unwritable);
  tcase_add_test(t, file_device_full);
  tcase_add_test(t, files_of_dev_shm_are_replaced);
  suite_add_tcase(s, t);
  return s;
}
