// Programs that carry their expectation in comments: tests/cases and tests/errors, format in
// tests/cases/README.md.
#include "compiler/sema/sema.h"
#include "tests/unit/suites.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 1000, MAX_EXPECT = 32, MAX_DEFINES = 8, MAX_PATH = 1024, FILE_ROOM = 1 << 16 };

static char *files[2][MAX_FILES]; // sorted names; filled once by cases_suite
static int nfiles[2];
static const char *const folders[2] = {"tests/cases", "tests/errors"};

static const char *root(void) {
  const char *s = getenv("srcdir");
  return s ? s : ".";
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_files(int which) {
  char path[MAX_PATH];
  snprintf(path, sizeof path, "%s/%s", root(), folders[which]);
  DIR *d = opendir(path);
  if (!d)
    return;
  for (struct dirent *e; (e = readdir(d)) && nfiles[which] < MAX_FILES;) {
    size_t n = strlen(e->d_name);
    if (n > 4 && !strcmp(e->d_name + n - 4, ".mdl"))
      files[which][nfiles[which]++] = strdup(e->d_name);
  }
  closedir(d);
  qsort(files[which], (size_t)nfiles[which], sizeof *files[which], by_name);
}

// ---- expectations
typedef struct Expect {
  Severity severity;
  int line, col; // 0: anywhere
  const char *words;
  bool met;
} Expect;
typedef struct FileCase {
  bool ok;
  Define defs[MAX_DEFINES];
  int ndefs;
  Expect want[MAX_EXPECT];
  int n;
} FileCase;

static void read_expectation(FileCase *c, char *s) {
  Expect e = {.severity = SEV_ERROR};
  int used = 0;
  if (!strcmp(s, "expect ok")) {
    c->ok = true;
    return;
  }
  if (!strncmp(s, "expect warning", 14)) {
    e.severity = SEV_WARNING;
    s += 14;
  } else if (!strncmp(s, "expect error", 12)) {
    s += 12;
  } else {
    ck_abort_msg("no expectation: `#! %s`", s);
  }
  if (sscanf(s, " at %d:%d%n", &e.line, &e.col, &used) == 2)
    s += used;
  ck_assert_msg(s[0] == ':' && s[1] == ' ' && s[2], "expected `: WORDS` at `%s`", s);
  ck_assert_int_lt(c->n, MAX_EXPECT);
  e.words = s + 2;
  c->want[c->n++] = e;
}

static void read_define(FileCase *c, char *s) {
  char *value = strchr(s, '=');
  ck_assert_msg(value && c->ndefs < MAX_DEFINES, "a bad `#! define %s`", s);
  *value = 0;
  c->defs[c->ndefs++] = (Define){s, value + 1};
}

// Reads the `#!` lines of `text`, which it cuts into lines.
static void read_case(FileCase *c, char *text) {
  for (char *line = strtok(text, "\r\n"); line; line = strtok(NULL, "\r\n"))
    if (!strncmp(line, "#! define ", 10))
      read_define(c, line + 10);
    else if (!strncmp(line, "#! ", 3))
      read_expectation(c, line + 3);
}

static bool has_words(const Diag *g, const char *words) {
  if (strstr(g->text, words) || (g->label && strstr(g->label, words)))
    return true;
  for (int i = 0; i < g->parts.n; i++)
    if (strstr(g->parts.v[i].text, words))
      return true;
  return false;
}

static bool meets(const Diag *g, const Expect *e) {
  int line, col;
  span_pos(g->span, &line, &col);
  return g->severity == e->severity && (!e->line || (e->line == line && e->col == col)) &&
         has_words(g, e->words);
}

// Diagnostics and expectations meet one to one.
static bool all_met(FileCase *c, const Diags *d) {
  bool ok = true;
  for (int i = 0; i < d->list.n; i++) {
    bool met = false;
    for (int k = 0; k < c->n && !met; k++)
      if (!c->want[k].met && meets(d->list.v[i], &c->want[k]))
        met = c->want[k].met = true;
    ok = ok && met;
  }
  for (int k = 0; k < c->n; k++)
    ok = ok && c->want[k].met;
  return ok;
}

static char *read_text(Arena *a, const char *path, size_t *size) {
  FILE *f = fopen(path, "rb");
  ck_assert_msg(f != NULL, "cannot read %s", path);
  char *text = arena_alloc(a, FILE_ROOM);
  *size = fread(text, 1, FILE_ROOM - 1, f);
  fclose(f);
  return text;
}

static void run_case(int which, int index) {
  char path[MAX_PATH];
  size_t size;
  snprintf(path, sizeof path, "%s/%s/%s", root(), folders[which], files[which][index]);
  Arena *a = arena_new();
  Diags d = {.arena = a};
  char *text = read_text(a, path, &size);
  FileCase c = {0};
  char *lines = arena_strdup(a, text);
  read_case(&c, lines);
  ck_assert_msg(c.ok == (which == 0) && (c.n > 0) == (which == 1),
                "%s: no expectation, or one of the wrong folder", path);
  ModelOptions opt = {.defs = c.defs, .ndefs = c.ndefs};
  Model *m = model_load(a, intern_new(a), &d, path, text, &opt);
  if (!all_met(&c, &d) || model_ok(m) != c.ok)
    ck_abort_msg("%s: not as expected\n%s", path, diags_string(a, &d, DIAG_TEXT, false));
  arena_free(a);
}

START_TEST(accepted) {
  run_case(0, _i);
}
END_TEST

START_TEST(refused) {
  run_case(1, _i);
}
END_TEST

START_TEST(found_files) {
  ck_assert_int_gt(nfiles[0], 30);
  ck_assert_int_gt(nfiles[1], 50);
}
END_TEST

Suite *cases_suite(void) {
  Suite *s = suite_create("cases");
  TCase *t = tcase_create("cases");
  list_files(0);
  list_files(1);
  tcase_add_test(t, found_files);
  tcase_add_loop_test(t, accepted, 0, nfiles[0]);
  tcase_add_loop_test(t, refused, 0, nfiles[1]);
  suite_add_tcase(s, t);
  return s;
}
