// Models of several files: what `use` brings, and what goes on `from` it.
#include "compiler/sema/sema.h"
#include "tests/unit/suites.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_files(const char *dir, const char *const (*file)[2], int n) {
  char path[64];
  for (int i = 0; i < n; i++) {
    snprintf(path, sizeof path, "%s/%s", dir, file[i][0]);
    FILE *f = fopen(path, "w");
    fputs(file[i][1], f);
    fclose(f);
  }
}

START_TEST(used_files) {
  char dir[] = "/tmp/bigsc-sema-XXXXXX", path[64], cmd[64];
  ck_assert_ptr_nonnull(mkdtemp(dir));
  static const char *const file[][2] = {
      {"main.mdl", "use \"lib.mdl\"\nuse \"./lib.mdl\"\ndim H = 4\nmodel M(x : [H]) {\n  s : "
                   "Scale[H]\n  entry y : "
                   "[H] = x |> s |> twice\n}\n"},
      {"lib.mdl",
       "use \"more.mdl\"\nmodule Scale[X](x : [.., X]) -> [.., X] { twice(x) * half }\n"},
      {"more.mdl", "use \"lib.mdl\"\nlet half = 0.5\nfn twice(x) = x + x\n"},
      {"bad.mdl", "use \"none.mdl\"\nuse \"main.mdl\"\n\n"}};
  write_files(dir, file, COUNT(file));
  for (int bad = 0; bad < 2; bad++) {
    Arena *a = arena_new();
    Diags d = {.arena = a};
    snprintf(path, sizeof path, "%s/%s", dir, bad ? "bad.mdl" : "main.mdl");
    Model *m = model_load(a, intern_new(a), &d, path, NULL, NULL);
    const char *text = diags_string(a, &d, DIAG_TEXT, false);
    ck_assert_msg(model_ok(m) == !bad, "%s", text);
    if (bad)
      ck_assert(strstr(text, "cannot read"));
    arena_free(a);
  }
  snprintf(cmd, sizeof cmd, "rm -r %s", dir);
  ck_assert_int_eq(system(cmd), 0);
}
END_TEST

static const char *const extended_file[][2] = {
    {"base.mdl",
     "# base\ndim V = 9, H = 8, F = 2 * H, Depth = 2  # sizes\ndim B, L <= 16\nlet p = 0.5, q = p "
     "/ 2; init normal(p)\n"
     "module Block(x : [.., H]) -> [.., H] {\n  up, down : Linear[H -> H]\n  x |> up |> down\n}\n"
     "fn three(x) = (x, x, x)\n"
     "model Base(ids : i32[B, L]) {\n  word : Embedding[V, H]\n  layer : repeat Depth Block\n  a, "
     "b : Linear[H -> F]\n"
     "  one, two, _ = three(q)\n"
     "  entry hidden : [B, L, H] = ids |> word |> layer\n  entry out : [B, L, F] = a(hidden) + "
     "b(hidden) * one * two\n}\n"
     "checkpoint hf {\n  layout torch\n  config \"c.json\" { H = size; act == \"relu\"; F = wide "
     "}\n"
     "  word <-> \"w\"; layer.{i} <-> \"l.{i}\"; (a, b) <-> \"*\" or init\n  alias \"x\" = \"w\", "
     "\"\" = \"m\"; ignore \"z\"\n}\n"
     "train t { data ids, target : i32[B, L] = lm_text(\"x\")\n  loss = mean(out)\n  rate = 1; "
     "batch = 4\n  group @bias { decay = 0 }\n}\n"},
    {"main.mdl",
     "let r = 2\nuse \"base.mdl\"\ndim H = 6\nlet p = r / 4\n"
     "model More from Base(gate : f32 = 1) {\n  b, c : Linear[H -> F]\n  d : Linear[H -> H]\n"
     "  one = 3\n  five, _, _ = three(two)\n"
     "  entry hidden : [B, L, H] = ids |> word |> layer |> d\n  entry last : [B, L, F] = c(hidden) "
     "* gate * five\n}\n"
     "checkpoint hf from hf {\n  config \"c.json\" { act == \"gelu\"; F = wider }\n"
     "  layer.{i} <-> \"k.{i}\"; (c, d) <-> \"*\"; alias \"y\" = \"w\", \"x\" = \"k\"\n}\n"
     "train t from t { batch = 8; group @gain { decay = 1 } }\ntrain u from t { loss = mean(last) "
     "}\n"},
};

static void check_extended(Model *m) {
  const ModelDim *dims;
  const ModelLet *lets;
  const CkptTable *const *tables;
  ck_assert_int_eq(model_dims(m, &dims), 6);
  ck_assert_str_eq(dims[2].name, "F"); // follows the H that was declared again
  ck_assert_int_eq(dims[2].extent, 12);
  ck_assert_int_eq(model_lets(m, &lets), 3);
  ck_assert(lets[2].value == 0.25);
  ck_assert_int_eq(model_checkpoints(m, &tables), 1);
  const CkptTable *t = tables[0];
  ck_assert_int_eq(t->params.n, 1 + 8 + 8);
  ck_assert_str_eq(t->params.v[1].name, "k.0.up.weight");
  ck_assert_int_eq(t->config.n, 3);
  ck_assert_str_eq(t->config.v[1].text, "gelu");
  ck_assert_str_eq(t->config.v[2].key, "wider");
  ck_assert_int_eq(t->aliases.n, 3);
  const Recipe *r = model_train(m, "t"), *u = model_train(m, "u");
  ck_assert(r->batch == 8 && r->rate == 1 && r->has_loss && r->groups.n == 2);
  ck_assert(u->batch == 4 && u->has_loss && u->groups.n == 1); // of the used file, not of this one
}

// A model that goes on from one that is used; and its text in one piece means the same, and stays as it is.
START_TEST(extended_model) {
  char dir[] = "/tmp/bigsc-sema-XXXXXX", path[64], cmd[64];
  ck_assert_ptr_nonnull(mkdtemp(dir));
  write_files(dir, extended_file, COUNT(extended_file));
  snprintf(path, sizeof path, "%s/main.mdl", dir);
  Arena *a = arena_new();
  Diags d = {.arena = a};
  Model *m = model_load(a, intern_new(a), &d, path, NULL, NULL);
  ck_assert_msg(model_ok(m), "%s", diags_string(a, &d, DIAG_TEXT, false));
  check_extended(m);
  snprintf(cmd, sizeof cmd, "rm -r %s", dir);
  ck_assert_int_eq(system(cmd), 0);
  Model *alone = model_load(a, intern_new(a), &d, path, model_text(m), NULL);
  ck_assert_msg(model_ok(alone), "%s\n%s", model_text(m), diags_string(a, &d, DIAG_TEXT, false));
  check_extended(alone);
  ck_assert_str_eq(model_describe(a, m), model_describe(a, alone));
  ck_assert_str_eq(model_text(alone), model_text(m));
  arena_free(a);
}
END_TEST

Suite *uses_suite(void) {
  Suite *s = suite_create("uses");
  TCase *t = tcase_create("uses");
  tcase_set_timeout(t, 60);
  tcase_add_test(t, used_files);
  tcase_add_test(t, extended_model);
  suite_add_tcase(s, t);
  return s;
}
