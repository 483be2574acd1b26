// The examples of docs/*.md: a block ```mdl is accepted, a block ```mdl-error E0204 is refused with that error first.
#include "compiler/driver/options_table.h"
#include "compiler/sema/sema.h"
#include "tests/unit/suites.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BLOCKS = 200, MAX_PATH = 1024, FILE_ROOM = 1 << 18 };

typedef struct DocBlock {
  const char *file;
  int line, code; // code 0: accepted
  char *text;
} DocBlock;
static DocBlock blocks[MAX_BLOCKS]; // filled once by docs_suite
static int nblocks;
static const char *const files[] = {
    "docs/language.md", "docs/adding-an-op.md", "docs/architecture.md",
    "docs/cli.md",      "docs/c-interface.md",  "docs/tasks.md",
    "README.md",        "docs/tutorial.md",     "docs/from-pytorch.md",
    "docs/cookbook.md"};

static char *read_text(const char *name) {
  char path[MAX_PATH];
  const char *root = getenv("srcdir");
  snprintf(path, sizeof path, "%s/%s", root ? root : ".", name);
  FILE *f = fopen(path, "rb");
  if (!f)
    return NULL;
  char *text = calloc(FILE_ROOM, 1);
  size_t n = text ? fread(text, 1, FILE_ROOM - 1, f) : 0;
  fclose(f);
  return n && n < FILE_ROOM - 1 ? text : NULL;
}

// 0: no block of ours; else where its text starts
static const char *opens(const char *line, int *code) {
  const char *end = strchr(line, '\n');
  *code = 0;
  if (!end)
    return NULL;
  if (!strncmp(line, "```mdl\n", 7))
    return end + 1;
  return sscanf(line, "```mdl-error E%d", code) == 1 ? end + 1 : NULL;
}

static int line_of(const char *text, const char *p) {
  int n = 1;
  while (text < p)
    n += *text++ == '\n';
  return n;
}

static void find_blocks(const char *file) {
  char *text = read_text(file);
  for (const char *p = text; p && *p;) {
    int code;
    const char *start = opens(p, &code), *end = start ? strstr(start, "\n```") : NULL;
    if (end && nblocks < MAX_BLOCKS)
      blocks[nblocks++] =
          (DocBlock){file, line_of(text, p), code, strndup(start, (size_t)(end + 1 - start))};
    p = strchr(end ? end + 1 : p, '\n');
    p += p != NULL;
  }
  free(text);
}

START_TEST(block_is_as_said) {
  const DocBlock *b = &blocks[_i];
  Arena *a = arena_new();
  Diags d = {.arena = a};
  const char *root = getenv("srcdir"), *path = arena_printf(a, "%s/%s", root ? root : ".", b->file);
  Model *m = model_load(a, intern_new(a), &d, path, b->text, NULL);
  if (!b->code)
    ck_assert_msg(model_ok(m), "%s:%d is refused:\n%s", b->file, b->line,
                  diags_string(a, &d, DIAG_TEXT, false));
  else
    ck_assert_msg(d.list.n && d.list.v[0]->code == b->code, "%s:%d is not refused with E%04d:\n%s",
                  b->file, b->line, b->code, diags_string(a, &d, DIAG_TEXT, false));
  arena_free(a);
}
END_TEST

// Every code of errors.def stands in the reference, with its title.
START_TEST(codes_are_listed) {
  static const struct {
    int code;
    const char *title;
  } errors[] = {
#define ERROR(name, code, title, text) {code, title},
#include "compiler/syntax/errors.def"
#undef ERROR
  };
  char *text = read_text("docs/language.md"), row[200];
  ck_assert_ptr_nonnull(text);
  for (int i = 0; i < COUNT(errors); i++) {
    snprintf(row, sizeof row, "| E%04d | %s |\n", errors[i].code, errors[i].title);
    ck_assert_msg(strstr(text, row) != NULL, "docs/language.md lacks: %s", row);
  }
  free(text);
}
END_TEST

// Does the name stand in the text, alone or before what it takes?
static bool names(const char *text, const char *name) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  size_t n = strlen(name);
  for (const char *p = text; (p = strstr(p, name)); p += n)
    if (p > text && !strchr(letters, p[-1]) && p[n] && !strchr(letters, p[n]))
      return true;
  return false;
}

// What users may write is a row of a table; who adds one tells them of it.
START_TEST(names_are_listed) {
  static const char *const listed[] = {
#define PRIM(ID, name) name,
#include "compiler/sema/prims.def"
#undef PRIM
#define INITIALIZER(ID, name) name,
#include "compiler/sema/initializers.def"
#define SOURCE(ID, id, name, least) name,
#define FIELD(ID, FIELD, name, dtype, shape) name,
#include "base/sources.def"
#undef SOURCE
#undef FIELD
#define ARGUMENT(SOURCE, name, kind, what) #name,
#define CHOICE(SOURCE, argument, ID, name) name,
#include "base/arguments.def"
#undef ARGUMENT
#undef CHOICE
#define OPTIMIZER(ID, name, arguments, beta2) #name,
#include "base/optimizers.def"
#undef OPTIMIZER
#define SCHEDULE(ID, name, falls) #name,
#include "base/schedules.def"
#undef SCHEDULE
#define TOKENIZER(ID, name, file, arguments) #name,
#include "base/tokenizers.def"
#undef TOKENIZER
  };
  char *text = read_text("docs/language.md");
  ck_assert_ptr_nonnull(text);
  for (int i = 0; i < COUNT(listed); i++)
    ck_assert_msg(names(text, listed[i]), "docs/language.md lacks `%s`", listed[i]);
  free(text);
}
END_TEST

START_TEST(options_are_listed) {
  char *text = read_text("docs/cli.md");
  ck_assert_ptr_nonnull(text);
  for (int i = 0; i < option_count; i++) {
    const OptionRow *o = &option_rows[i];
    ck_assert_msg(!o->help || o->kind == LEVEL || names(text, o->spelling),
                  "docs/cli.md lacks `%s`", o->spelling);
  }
  free(text);
}
END_TEST

START_TEST(found_blocks) {
  int refused = 0;
  for (int i = 0; i < nblocks; i++)
    refused += blocks[i].code != 0;
  ck_assert_int_gt(nblocks, 20);
  ck_assert_int_gt(refused, 8);
}
END_TEST

Suite *docs_suite(void) {
  Suite *s = suite_create("docs");
  TCase *t = tcase_create("docs");
  for (int i = 0; i < COUNT(files); i++)
    find_blocks(files[i]);
  tcase_add_test(t, found_blocks);
  tcase_add_test(t, codes_are_listed);
  tcase_add_test(t, names_are_listed);
  tcase_add_test(t, options_are_listed);
  tcase_add_loop_test(t, block_is_as_said, 0, nblocks);
  suite_add_tcase(s, t);
  return s;
}
