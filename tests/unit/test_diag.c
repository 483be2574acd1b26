// Diagnostics: the text of each part of the layout, JSON, order, limits.
#include "compiler/syntax/diag.h"
#include "tests/unit/suites.h"
#include <stdio.h>
#include <string.h>

static Arena *arena;
static Diags diags;

static void setup(void) {
  arena = arena_new();
  diags = (Diags){.arena = arena};
}

static void teardown(void) {
  arena_free(arena);
}

static const Source *source(const char *path, const char *text) {
  return source_new(arena, path, text, strlen(text));
}

// The first place of `needle`.
static Span at(const Source *s, const char *needle) {
  const char *p = strstr(s->text, needle);
  ck_assert_ptr_nonnull(p);
  uint32_t lo = (uint32_t)(p - s->text);
  return (Span){s, lo, lo + (uint32_t)strlen(needle)};
}

static void shows(const char *want) {
  ck_assert_str_eq(diags_string(arena, &diags, DIAG_TEXT, false), want);
}

START_TEST(layout) {
  const Source *s =
      source("bert.mdl",
             "dim H = 768, F = 3072\n\n\n\n\n\n\n\n\n  out_norm(a + (a |> down |> dropout(p)))\n");
  Span a = at(s, "a |>");
  a.hi = a.lo + 1;
  Diag *g = diag_error(&diags, 204, at(s, "down"),
                       "`down` contracts `%s`, but `a` has no dimension `%s`", "F", "F");
  diag_primary(&diags, g, "needs F = %d", 3072);
  diag_label(&diags, g, a, "[B, L, H] with H = 768");
  diag_note(&diags, g, (Span){0}, "`F` and `H` are declared at bert.mdl:1");
  diag_help(&diags, g, "`up` produces `F`: write `a |> up |> gelu |> down`");
  shows("error[E0204]: `down` contracts `F`, but `a` has no dimension `F`\n"
        "  --> bert.mdl:10:22\n"
        "   |\n"
        "10 |   out_norm(a + (a |> down |> dropout(p)))\n"
        "   |                 -    ^^^^ needs F = 3072\n"
        "   |                 |\n"
        "   |                 [B, L, H] with H = 768\n"
        "note: `F` and `H` are declared at bert.mdl:1\n"
        "help: `up` produces `F`: write `a |> up |> gelu |> down`\n");
}
END_TEST

START_TEST(three_labels_on_a_line) {
  const Source *s = source("x", "ab cd ef\n");
  Diag *g = diag_error(&diags, 0, at(s, "cd"), "m");
  diag_primary(&diags, g, "two");
  diag_label(&diags, g, at(s, "ef"), "three");
  diag_label(&diags, g, at(s, "ab"), "one");
  shows("error: m\n"
        " --> x:1:4\n"
        "  |\n"
        "1 | ab cd ef\n"
        "  | -- ^^ -- three\n"
        "  | |  |\n"
        "  | |  two\n"
        "  | one\n");
}
END_TEST

START_TEST(one_place_twice) {
  const Source *s = source("x", "ab\n");
  Diag *g = diag_error(&diags, 0, at(s, "ab"), "m");
  diag_primary(&diags, g, "first");
  diag_label(&diags, g, at(s, "ab"), "second");
  shows("error: m\n --> x:1:1\n  |\n1 | ab\n  | ^^ first\n  | |\n  | second\n");
}
END_TEST

START_TEST(several_lines) {
  const Source *s = source("x", "one = f(\n  a,\n  b,\n  c)\nend\n");
  Diag *g = diag_error(&diags, 0, at(s, "f(\n  a,\n  b,\n  c)"), "m");
  diag_primary(&diags, g, "here");
  shows("error: m\n"
        " --> x:1:7\n"
        "  |\n"
        "1 | one = f(\n"
        "  |       ^^\n"
        "...\n"
        "4 |   c)\n"
        "  |   ^^ here\n");
}
END_TEST

START_TEST(one_line_between) {
  const Source *s = source("x", "ab\n\tmid\ncd\n");
  Diag *g = diag_error(&diags, 0, at(s, "cd"), "m");
  diag_label(&diags, g, at(s, "ab"), "from here");
  shows("error: m\n"
        " --> x:3:1\n"
        "  |\n"
        "1 | ab\n"
        "  | -- from here\n"
        "2 |     mid\n"
        "3 | cd\n"
        "  | ^^\n");
}
END_TEST

START_TEST(tabs_and_wide_characters) {
  const Source *s = source("x", "a\tbc # \xe4\xb8\xad\xc3\xa9z\n");
  diag_error(&diags, 0, at(s, "bc"), "m");
  diag_error(&diags, 0, at(s, "z"), "n");
  shows("error: m\n --> x:1:3\n  |\n1 | a   bc # \xe4\xb8\xad\xc3\xa9z\n  |     ^^\n"
        "error: n\n --> x:1:10\n  |\n1 | a   bc # \xe4\xb8\xad\xc3\xa9z\n  |             ^\n");
}
END_TEST

START_TEST(bytes_that_cannot_be_shown) {
  const Source *s = source("x", "a\033\xff"
                                "b\r\n");
  diag_error(&diags, 0, at(s, "b"), "m");
  shows("error: m\n --> x:1:4\n  |\n1 | a\xef\xbf\xbd\xef\xbf\xbd"
        "b\n  |    ^\n");
}
END_TEST

START_TEST(end_of_file) {
  const Source *s = source("x", "ab\n");
  diag_error(&diags, 0, (Span){s, 3, 3}, "m");
  diag_error(&diags, 0, (Span){s, 2, 3}, "n");
  shows("error: n\n --> x:1:3\n  |\n1 | ab\n  |   ^\n"
        "error: m\n --> x:2:1\n  |\n2 |\n  | ^\n");
}
END_TEST

START_TEST(long_line) {
  char text[3000];
  memset(text, 'a', sizeof text);
  memcpy(text + 1500, "<here>", 6);
  text[sizeof text - 1] = '\0';
  diag_error(&diags, 0, at(source("x", text), "<here>"), "m");
  const char *shown = diags_string(arena, &diags, DIAG_TEXT, false);
  ck_assert_uint_lt(strlen(shown), 400);
  const char *word = strstr(shown, "<here>"), *caret = strstr(shown, "^^^^^^\n");
  ck_assert(word && caret);
  const char *line1 = strstr(shown, "\n1 | ") + 1, *line2 = strchr(line1, '\n') + 1;
  ck_assert_int_eq((int)(word - line1), (int)(caret - line2));
}
END_TEST

START_TEST(other_file) {
  const Source *s = source("x", "ab\n"), *t = source("y", "cd\n");
  Diag *g = diag_error(&diags, 1, at(s, "ab"), "m");
  diag_label(&diags, g, at(t, "cd"), "there");
  diag_note(&diags, g, at(t, "d"), "and there");
  shows("error[E0001]: m\n --> x:1:1\n  |\n1 | ab\n  | ^^\n"
        " ::: y:1:1\n  |\n1 | cd\n  | -- there\n"
        "note: and there\n --> y:1:2\n  |\n1 | cd\n  |  -\n");
}
END_TEST

START_TEST(labels_of_a_note) {
  const Source *s = source("x", "f(a)\n"), *t = source("y", "g = b + c\n");
  Diag *g = diag_error(&diags, 1, at(s, "f"), "m");
  diag_note(&diags, g, at(t, "+"), "in the body");
  diag_note_label(&diags, g, at(t, "b"), "left");
  diag_note_label(&diags, g, at(t, "c"), "right");
  diag_note_label(&diags, g, at(s, "a"), "elsewhere");
  shows("error[E0001]: m\n --> x:1:1\n  |\n1 | f(a)\n  | ^\n"
        "note: in the body\n --> y:1:7\n  |\n1 | g = b + c\n  |     - - - right\n  |     |\n"
        "  |     left\n"
        "note: elsewhere\n --> x:1:3\n  |\n1 | f(a)\n  |   -\n");
}
END_TEST

START_TEST(order) {
  const Source *s = source("x", "ab\ncd\n"), *t = source("y", "ef\n");
  diag_error(&diags, 0, at(s, "cd"), "third");
  diag_error(&diags, 0, at(t, "ef"), "fourth");
  diag_error(&diags, 0, at(s, "ab"), "second");
  diag_warning(&diags, 0, (Span){0}, "first");
  const char *shown = diags_string(arena, &diags, DIAG_TEXT, false);
  const char *const words[] = {"warning: first", "second", "third", "fourth"};
  for (int i = 1; i < COUNT(words); i++)
    ck_assert(strstr(shown, words[i - 1]) && strstr(shown, words[i - 1]) < strstr(shown, words[i]));
  ck_assert_int_eq(diags.errors, 3);
}
END_TEST

START_TEST(same_twice) {
  const Source *s = source("x", "ab\n");
  ck_assert_ptr_nonnull(diag_error(&diags, 5, at(s, "ab"), "m"));
  ck_assert_ptr_null(diag_error(&diags, 5, at(s, "ab"), "m"));
  ck_assert_ptr_nonnull(diag_error(&diags, 5, at(s, "b"), "m"));
  ck_assert_int_eq(diags.errors, 2);
}
END_TEST

START_TEST(limit) {
  const Source *s = source("x", "0123456789\n");
  diags.limit = 3;
  for (uint32_t i = 0; i < 8; i++)
    diag_help(&diags, diag_error(&diags, 0, (Span){s, i, i + 1}, "m"), "h");
  ck_assert_int_eq(diags.errors, 8);
  ck_assert_int_eq(diags.list.n, 3);
  ck_assert_ptr_nonnull(
      strstr(diags_string(arena, &diags, DIAG_TEXT, false), "note: 5 more errors are not shown\n"));
  ck_assert_ptr_nonnull(
      strstr(diags_string(arena, &diags, DIAG_JSON, false), "5 more errors are not shown"));
}
END_TEST

START_TEST(json) {
  const Source *s = source("a\"b", "\xc3\xa9 ab\ncd\n");
  Diag *g = diag_error(&diags, 12, at(s, "ab\ncd"), "say \"x\"\n\\\xff");
  diag_primary(&diags, g, "l");
  diag_label(&diags, g, at(s, "cd"), "s");
  diag_help(&diags, g, "h");
  ck_assert_str_eq(
      diags_string(arena, &diags, DIAG_JSON, false),
      "{\"severity\":\"error\",\"code\":\"E0012\",\"message\":\"say \\\"x\\\"\\u000a\\\\\\ufffd\","
      "\"file\":\"a\\\"b\",\"line\":1,\"column\":3,\"end_line\":2,\"end_column\":3,\"label\":\"l\","
      "\"children\":[{\"severity\":\"label\",\"message\":\"s\",\"file\":\"a\\\"b\",\"line\":2,"
      "\"column\":1,"
      "\"end_line\":2,\"end_column\":3},{\"severity\":\"help\",\"message\":\"h\"}]}\n");
}
END_TEST

// The plain text with the escapes taken out.
START_TEST(color) {
  const Source *s = source("x", "ab cd\n");
  Diag *g = diag_error(&diags, 12, at(s, "cd"), "m");
  diag_primary(&diags, g, "l");
  diag_label(&diags, g, at(s, "ab"), "s");
  char *colored = diags_string(arena, &diags, DIAG_TEXT, true), *to = colored;
  ck_assert_ptr_nonnull(strstr(colored, "\033[1;31m^^"));
  for (const char *p = colored; *p;) {
    if (*p == '\033')
      p = strchr(p, 'm') + 1;
    else
      *to++ = *p++;
  }
  *to = '\0';
  ck_assert_str_eq(colored, diags_string(arena, &diags, DIAG_TEXT, false));
}
END_TEST

START_TEST(explain) {
  ck_assert_ptr_null(diag_explain(arena, 99999));
  ck_assert_int_eq(strncmp(diag_explain(arena, 107), "E0107: a bracket is never closed\n\n", 34),
                   0);
  int last = 0;
#define ERROR(name, number, title, text)                                                           \
  ck_assert_int_gt(number, last);                                                                  \
  last = number;                                                                                   \
  ck_assert(strlen(title) < 80 && strlen(text) > 30);
#include "compiler/syntax/errors.def"
#undef ERROR
}
END_TEST

Suite *diag_suite(void) {
  Suite *s = suite_create("diag");
  TCase *t = tcase_create("diag");
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, layout);
  tcase_add_test(t, three_labels_on_a_line);
  tcase_add_test(t, one_place_twice);
  tcase_add_test(t, several_lines);
  tcase_add_test(t, one_line_between);
  tcase_add_test(t, tabs_and_wide_characters);
  tcase_add_test(t, bytes_that_cannot_be_shown);
  tcase_add_test(t, end_of_file);
  tcase_add_test(t, long_line);
  tcase_add_test(t, other_file);
  tcase_add_test(t, labels_of_a_note);
  tcase_add_test(t, order);
  tcase_add_test(t, same_twice);
  tcase_add_test(t, limit);
  tcase_add_test(t, json);
  tcase_add_test(t, color);
  tcase_add_test(t, explain);
  suite_add_tcase(s, t);
  return s;
}
