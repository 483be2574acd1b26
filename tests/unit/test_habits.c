// What is answered to those who write as they do elsewhere: tests/errors/habits.txt, a case a block, with the whole answer.
#include "compiler/sema/sema.h"
#include "tests/unit/suites.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HABITS = 400, FILE_ROOM = 1 << 18 };

// `=== TITLE`, the text, `---`, the answer.  A text that starts with two blanks stands in the body of the first block's model.
typedef struct HabitCase {
  const char *title, *text, *answer;
} HabitCase;
static HabitCase habit_cases[MAX_HABITS]; // filled once by habits_suite
static int nhabits;
static const char *model_head;

static char *read_file(const char *name) {
  char path[1024];
  const char *root = getenv("srcdir");
  snprintf(path, sizeof path, "%s/%s", root ? root : ".", name);
  FILE *f = fopen(path, "rb");
  char *text = f ? calloc(FILE_ROOM, 1) : NULL;
  size_t n = text ? fread(text, 1, FILE_ROOM - 1, f) : 0;
  if (f)
    fclose(f);
  return n && n < FILE_ROOM - 1 ? text : NULL;
}

// Cuts `text` behind the first `keep` bytes of the mark; what is behind all of it, or NULL.
static char *cut(char *text, const char *mark, size_t keep) {
  char *at = text ? strstr(text, mark) : NULL, *behind = at ? at + strlen(mark) : NULL;
  if (at)
    at[keep] = '\0';
  return behind;
}

static void find_habits(void) {
  char *text = read_file("tests/errors/habits.txt"), *next;
  for (text = cut(text, "\n=== ", 0); text && nhabits < MAX_HABITS; text = next) {
    next = cut(text, "\n\n=== ", 1);
    char *body = cut(text, "\n", 0), *answer = cut(body, "\n---\n", 1);
    if (!model_head)
      model_head = body;
    else
      habit_cases[nhabits++] = (HabitCase){text, body, answer ? answer : ""};
  }
}

START_TEST(answer_is_as_said) {
  const HabitCase *c = &habit_cases[_i];
  Arena *a = arena_new();
  Diags d = {.arena = a};
  bool whole = strncmp(c->text, "  ", 2);
  const char *text = whole ? c->text : arena_printf(a, "%s%s}\n", model_head, c->text);
  Model *m = model_load(a, intern_new(a), &d, "m.mdl", text, NULL);
  char *said = diags_string(a, &d, DIAG_TEXT, false);
  ck_assert_msg(!model_ok(m), "accepted: %s", c->title);
  ck_assert_msg(!strcmp(said, c->answer), "%s is answered by\n%s", c->title, said);
  arena_free(a);
}
END_TEST

START_TEST(found_habits) {
  ck_assert_ptr_nonnull(model_head);
  ck_assert_int_ge(nhabits, 150);
}
END_TEST

Suite *habits_suite(void) {
  Suite *s = suite_create("habits");
  TCase *t = tcase_create("habits");
  find_habits();
  tcase_add_test(t, found_habits);
  tcase_add_loop_test(t, answer_is_as_said, 0, nhabits);
  suite_add_tcase(s, t);
  return s;
}
