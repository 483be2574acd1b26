// The examples of --explain: what is wrong gets that code and no other, what is mended is accepted.  Those of a shell: tests/cli/explain.test.
#include "compiler/sema/sema.h"
#include "tests/unit/suites.h"
#include <string.h>

static const struct {
  int code;
  const char *name;
} codes[] = {
#define ERROR(name, number, title, text) {number, #name},
#include "compiler/syntax/errors.def"
#undef ERROR
};

static bool loads(Arena *a, Diags *d, const char *text) {
  *d = (Diags){.arena = a};
  return model_ok(model_load(a, intern_new(a), d, "m.mdl", text, NULL));
}

START_TEST(wrong_and_mended) {
  const DiagExample *e = diag_example(codes[_i].code);
  Arena *a = arena_new();
  Diags d;
  ck_assert_msg(e != NULL, "examples.def has no row for %s", codes[_i].name);
  if (!e->session) {
    loads(a, &d, e->wrong);
    ck_assert_msg(d.list.n > 0, "nothing is said of %s", e->wrong);
    for (int i = 0; i < d.list.n; i++)
      ck_assert_msg(d.list.v[i]->code == e->code, "%s:\n%s", codes[_i].name,
                    diags_string(a, &d, DIAG_TEXT, false));
    ck_assert_msg(loads(a, &d, e->mended) && !d.list.n, "%s is not mended:\n%s", codes[_i].name,
                  diags_string(a, &d, DIAG_TEXT, false));
  }
  arena_free(a);
}
END_TEST

// Every page ends with both, so that a reader sees what to change.
START_TEST(pages_show_both) {
  Arena *a = arena_new();
  const char *page = diag_explain(a, codes[_i].code), *wrong = strstr(page, "\nWrong:\n\n    ");
  ck_assert_ptr_nonnull(wrong);
  ck_assert_ptr_nonnull(strstr(wrong, "\nMended:\n\n    "));
  arena_free(a);
}
END_TEST

Suite *explain_suite(void) {
  Suite *s = suite_create("explain");
  TCase *t = tcase_create("explain");
  tcase_add_loop_test(t, wrong_and_mended, 0, COUNT(codes));
  tcase_add_loop_test(t, pages_show_both, 0, COUNT(codes));
  suite_add_tcase(s, t);
  return s;
}
