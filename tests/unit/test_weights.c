// Files of weights for a handle: both spellings of names, what does not fit, what a file lacks, config.json.
#include "runtime/exec/weights.h"
#include "runtime/exec/match.h"
#include "tests/unit/foreign_bed.h"
#include "tests/unit/suites.h"
#include "tests/unit/tmpdir.h"
#include "tests/unit/toy_bed.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(weights_round_trip_in_both_names) {
  bigs_model *m = toy_open();
  toy_fill(m);
  ck_assert_int_eq(bigs_model_save(m, in_dir("native.safetensors"), NULL), 0);
  ck_assert_int_eq(bigs_model_save(m, in_dir("hf.safetensors"), "hf"), 0);
  toy_fails(m, bigs_model_save(m, in_dir("x"), "tf"), 2, "no checkpoint block tf");
  toy_fails(m, bigs_model_save(m, in_dir("no/such/folder"), NULL), 3, "no/such");
  bigs_model_close(m);
  for (int i = 0; i < 2; i++) {
    m = bigs_model_open(&toy_module, in_dir(i ? "hf.safetensors" : "native.safetensors"), NULL, 0);
    ck_assert_ptr_nonnull(m);
    toy_is_filled(m, 0, TOY_NPARAM);
    ck_assert_str_eq(bigs_model_notes(m), "");
    bigs_model_close(m);
  }
  StFile *f;
  ck_assert_int_eq(st_open(in_dir("hf.safetensors"), &f, NULL), 0);
  const StTensor *t = st_find(f, "emb.k.weight");
  ck_assert(t && t->rank == 2 && t->shape[0] == 4 && t->shape[1] == TOY_H);
  float v[24];
  st_copy(t, ST_F32, v, NULL);
  ck_assert_float_eq(v[3 * TOY_H + 5], toy_value(TOY_K, 5 * 4 + 3)); // [c = 1, d = 1][h = 5]
  st_close(f);
}
END_TEST

// A file with the block's names, changed: `skip` names are left out, `old` in a name is written as
// `now`, `extra` added.
typedef struct Edit {
  const char *skip[2], *old, *now, *extra, *wrong_shape;
  int extra_size; // 0: 2
  float extra_value;
} Edit;
static void write_edited(const char *path, Edit e) {
  StWriter *w = st_create(path, NULL);
  float zero = 0;
  int64_t total = 0;
  for (int i = 0; i < TOY_NPARAM; i++) {
    StoredShape s = stored_shape(&toy_module, 0, i);
    if ((e.skip[0] && !strcmp(s.name, e.skip[0])) || (e.skip[1] && !strcmp(s.name, e.skip[1])))
      continue;
    char name[128];
    const char *at = e.old ? strstr(s.name, e.old) : NULL;
    if (at)
      snprintf(name, sizeof name, "%.*s%s%s", (int)(at - s.name), s.name, e.now,
               at + strlen(e.old));
    else
      snprintf(name, sizeof name, "%s", s.name);
    if (e.wrong_shape && !strcmp(s.name, e.wrong_shape))
      s.shape[0]++;
    ck_assert_int_eq(st_declare(w, name, ST_F32, s.rank, s.shape, NULL), 0);
    for (int64_t n = 1, a = 0; a <= s.rank; a++)
      if (a == s.rank)
        total += n;
      else
        n *= s.shape[a];
  }
  int64_t more = !e.extra ? 0 : e.extra_size ? e.extra_size : 2;
  if (e.extra)
    ck_assert_int_eq(st_declare(w, e.extra, ST_F32, 1, &more, NULL), 0);
  for (int64_t i = 0; i < total + more; i++)
    ck_assert_int_eq(st_write(w, i < total ? &zero : &e.extra_value, sizeof zero, NULL), 0);
  ck_assert_int_eq(st_finish(w, NULL), 0);
}

static void expect_load(bigs_model *m, Edit e, int want, const char *text) {
  write_edited(in_dir("edited.safetensors"), e);
  int status = bigs_model_load(m, in_dir("edited.safetensors"));
  ck_assert_msg(status == want, "%s", bigs_model_error(m));
  const char *said = want ? bigs_model_error(m) : bigs_model_notes(m);
  ck_assert_msg(strstr(said, text) != NULL, "got: %s", said);
}

START_TEST(files_that_do_not_fit_are_named) {
  bigs_model *m = toy_open();
  expect_load(m, (Edit){.extra = "a.position_ids"}, 0, "");
  expect_load(m, (Edit){.old = "weight", .now = "gamma"}, 0, "");
  expect_load(m, (Edit){.old = "emb.", .now = ""}, 0, "");
  expect_load(m, (Edit){.skip = {"cls.bias", "cls.gain"}}, 0, "bias and 1 more: not in ");
  float gain;
  bigs_model_get(m, BIGS_THE_WEIGHT, TOY_GAIN, &gain);
  ck_assert_float_eq(gain, 1); // fresh
  expect_load(m, (Edit){.skip = {"cls.bias"}}, 3, "cls.bias is missing although cls.gain is there");
  expect_load(m, (Edit){.skip = {"emb.q.weight"}}, 3, "tensor emb.q.weight [3, 6] is missing");
  expect_load(m, (Edit){.old = "modes", .now = "mode"}, 3, "the file has emb.mode, which");
  expect_load(m, (Edit){.extra = "emb.nothing"}, 3,
              "tensor emb.nothing, F32 [2], is not part of the model");
  Edit twice = {.extra = "out.bias", .extra_size = 7};
  expect_load(m, twice, 0, "");
  twice.extra_value = 1;
  expect_load(m, twice, 3, "tensor out.bias differs from cls.bias: the model has one parameter");
  twice.extra_size = 6;
  expect_load(m, twice, 3, "tensor out.bias is F32 [6], but cls.bias, parameter bias, which it");
  twice.skip[0] = "cls.bias";
  twice.skip[1] = "cls.gain";
  expect_load(m, twice, 3, "tensor out.bias repeats cls.bias, parameter bias, which is missing");
  expect_load(m, (Edit){.wrong_shape = "emb.q.weight"}, 3,
              "tensor emb.q.weight is F32 [4, 6], but parameter q.weight needs [3, 6]");
  Edit all = {.skip = {"emb.k.weight"}, .wrong_shape = "emb.q.weight", .extra = "emb.nothing"};
  expect_load(m, all, 3, "tensor emb.q.weight is F32 [4, 6], but");
  expect_load(m, all, 3, "; tensor emb.k.weight [");
  expect_load(m, all, 3, "; tensor emb.nothing, F32 [2], is not");
  toy_fails(m, bigs_model_load(m, in_dir("none.safetensors")), 3, "none.safetensors");
  bigs_model_close(m);
}
END_TEST

static int count_saved(bigs_model *m, const char *names) {
  StFile *f;
  ck_assert_msg(!bigs_model_save(m, in_dir("saved.safetensors"), names), "%s", bigs_model_error(m));
  ck_assert(!st_open(in_dir("saved.safetensors"), &f, NULL));
  int n = st_count(f);
  st_close(f);
  return n;
}

START_TEST(what_a_file_lacked_is_not_saved) {
  bigs_model *m = toy_open();
  for (int i = 0; i < 2; i++) {
    expect_load(m, (Edit){.skip = {"cls.bias", "cls.gain"}}, 0, "bias and 1 more: not in ");
    ck_assert_int_eq(count_saved(m, i ? "hf" : NULL), TOY_NPARAM - 2);
    ck_assert_int_eq(bigs_model_load(m, in_dir("saved.safetensors")), 0);
    ck_assert_ptr_nonnull(strstr(bigs_model_notes(m), "bias and 1 more: not in "));
    float gain = 2;
    ck_assert_int_eq(bigs_model_set(m, BIGS_THE_WEIGHT, TOY_GAIN, &gain), 0);
    ck_assert_int_eq(count_saved(m, i ? "hf" : NULL), TOY_NPARAM); // all of a rule, or nothing
  }
  bigs_model_close(m);
}
END_TEST

static void write_text(const char *path, const char *text) {
  FILE *f = fopen(path, "w");
  ck_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

START_TEST(config_must_agree) {
  bigs_model *m = toy_open();
  toy_fill(m);
  char *text = config_text(&toy_module, "  \"id2label\": {\"0\": \"no\"},\n");
  ck_assert_ptr_nonnull(strstr(text, "\"vocab_size\": 7"));
  ck_assert_ptr_nonnull(strstr(text, "\"H\": 6"));
  ck_assert_int_eq(bigs_model_save(m, in_dir("model.safetensors"), "hf"), 0);
  write_text(in_dir("config.json"), text);
  free(text);
  ck_assert_msg(bigs_model_load(m, dir) == 0, "%s", bigs_model_error(m));
  write_text(in_dir("config.json"), "{\"vocab_size\": 8, \"other\": []}");
  toy_fails(m, bigs_model_load(m, dir), 3,
            "vocab_size is 8, but the model was compiled with V = 7");
  write_text(in_dir("config.json"), "{\"act\": \"relu\"}");
  toy_fails(m, bigs_model_load(m, dir), 3,
            "act is \"relu\", but the model can only follow \"gelu\"");
  write_text(in_dir("config.json"), "{\"pre_norm\": false}");
  toy_fails(m, bigs_model_load(m, dir), 3, "only follow true");
  write_text(in_dir("config.json"), "{\"eps\": 1e-5}");
  toy_fails(m, bigs_model_load(m, dir), 3, "eps is 1e-5");
  write_text(in_dir("config.json"), "{\"vocab_size\": 5}"); // the table and the bias: which one?
  toy_fails(m, bigs_model_load(m, dir), 3, "compiled with V = 7");
  ck_assert_ptr_null(strstr(bigs_model_error(m), "--extend"));
  unlink(in_dir("config.json"));
  unlink(in_dir("model.safetensors"));
  toy_fails(m, bigs_model_load(m, dir), 3, "no weights");
  bigs_model_close(m);
}
END_TEST

// ---- tables that are longer than in the file: of `param` the file has `rows` rows, value row * 100 + element * element
static float short_value(int64_t row, int64_t element) {
  return (float)(row * 100 + element * element);
}

typedef struct ShortTable {
  StoredShape s;
  int64_t n, rows;
  bool last; // its rows are the last axis: it is transposed
} ShortTable;

// rows 0: as many as the parameter has.
static ShortTable short_table(int block, int param, int64_t rows) {
  const BigsParam *p = &toy_module.param[param];
  int64_t all = p->rank ? p->extent[0] : 1;
  ShortTable t = {.s = stored_shape(&toy_module, block, param), .n = 1, .rows = rows ? rows : all};
  t.last = block >= 0 && p->rank && t.s.rank == 2 && t.s.shape[1] == all;
  if (rows)
    t.s.shape[t.last] = rows;
  for (int a = 0; a < t.s.rank; a++)
    t.n *= t.s.shape[a];
  return t;
}

static void write_table(StWriter *w, const ShortTable *t, bool zero) {
  int64_t inner = t->n / t->rows;
  for (int64_t k = 0; k < t->n; k++) {
    float v = zero      ? 0
              : t->last ? short_value(k % t->rows, k / t->rows)
                        : short_value(k / inner, k % inner);
    ck_assert_int_eq(st_write(w, &v, sizeof v, NULL), 0);
  }
}

static void write_short(int block, int param, int64_t rows) {
  StWriter *w = st_create(in_dir("short.safetensors"), NULL);
  ShortTable t[TOY_NPARAM];
  for (int i = 0; i < TOY_NPARAM; i++) {
    t[i] = short_table(block, i, i == param ? rows : 0);
    ck_assert_int_eq(st_declare(w, t[i].s.name, ST_F32, t[i].s.rank, t[i].s.shape, NULL), 0);
  }
  for (int i = 0; i < TOY_NPARAM; i++)
    write_table(w, &t[i], i != param);
  ck_assert_int_eq(st_finish(w, NULL), 0);
}

static bigs_model *open_longer(const char *extend, int want, const char *said) {
  char error[512];
  int status = 0;
  bigs_options o = {
      .size = sizeof o, .extend = extend, .readers = &foreign_readers, .status = &status};
  bigs_model *m =
      bigs_model_open_with(&toy_module, in_dir("short.safetensors"), &o, error, sizeof error);
  ck_assert_msg(status == want && !m == (want != 0), "status %d: %s", status, error);
  ck_assert_msg(strstr(error, said) != NULL, "got: %s", error);
  return m;
}

static double longer_value(const char *how, int64_t i, int64_t old, int64_t rows, int64_t k) {
  if (how[0] == 't')
    return (double)short_value(i % old, k);
  double at = (double)i * (double)(old - 1) / (double)(rows - 1);
  int64_t low = (int64_t)at, high = low + 1 < old ? low + 1 : low;
  return (double)short_value(low, k) +
         (at - (double)low) * (double)(short_value(high, k) - short_value(low, k));
}

static void check_longer(bigs_model *m, int param, const char *how, int64_t old) {
  float got[64], fresh[64];
  const BigsParam *p = &toy_module.param[param];
  int64_t rows = p->extent[0], inner = param_count(p) / rows;
  bigs_model *drawn = bigs_model_open(&toy_module, NULL, NULL, 0);
  bigs_model_get(drawn, BIGS_THE_WEIGHT, param, fresh);
  bigs_model_get(m, BIGS_THE_WEIGHT, param, got);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t k = 0; k < inner; k++) {
      double want = how[0] != 'f' ? longer_value(how, i, old, rows, k)
                    : i < old     ? (double)short_value(i, k)
                                  : (double)fresh[i * inner + k];
      ck_assert_double_eq_tol((double)got[i * inner + k], want, 1e-4);
    }
  bigs_model_close(drawn);
  bigs_model_close(m);
}

START_TEST(tables_get_longer) {
  static const char *const how[] = {"tile", "interpolate", "fresh"};
  static const int params[] = {TOY_TABLE, TOY_K, TOY_BIAS};
  char extend[64];
  for (int i = 0; i < 3 * 3 * 2; i++) {
    int block = i / 9 - 1, param = params[i % 9 / 3];
    const char *name = toy_module.param[param].name;
    write_short(block, param, 2);
    snprintf(extend, sizeof extend, "q=tile,%.*s=%s", (int)strcspn(name, "."), name, how[i % 3]);
    check_longer(open_longer(extend, 0, ""), param, how[i % 3], 2);
    write_short(block, param, 1); // between one row and itself
    check_longer(open_longer(extend, 0, ""), param, how[i % 3], 1);
  }
  write_short(-1, TOY_BIAS, TOY_V);
  bigs_model_close(open_longer("bias=tile", 0, "")); // as long: nothing to do
}
END_TEST

// Of the forms of other programs, too: two rows of six numbers; all else is one number.
START_TEST(tables_get_longer_from_torch_files) {
  static const MadeTensor stored[TOY_NPARAM] = {
      {"FloatStorage", "0", 12, 0, 2, {2, 6}, {6, 1}},
      {"FloatStorage", "0", 12, 0, 2, {6, 3}, {0, 0}},
      {"FloatStorage", "0", 12, 0, 3, {6, 2, 2}, {0, 0, 0}},
      {"FloatStorage", "0", 12, 0, 2, {3, 2}, {0, 0}},
      {"FloatStorage", "0", 12, 0, 1, {7}, {0}},
      {"FloatStorage", "0", 12, 0, 1, {1}, {0}}};
  const char *names[TOY_NPARAM];
  float got[TOY_V * TOY_H];
  MadeFile pickle = {0};
  for (int i = 0; i < TOY_NPARAM; i++)
    names[i] = toy_module.param[i].name;
  pickle_start(&pickle);
  pickle_state_dict(&pickle, names, stored, TOY_NPARAM);
  grow_text(&pickle, ".");
  MadeFile f = made_archive_of(&pickle, false, false);
  grow_write(&f, in_dir("short.safetensors"));
  bigs_model *m = open_longer("table=tile", 0, "");
  ck_assert_int_eq(bigs_model_get(m, BIGS_THE_WEIGHT, TOY_TABLE, got), 0);
  for (int i = 0; i < TOY_V * TOY_H; i++)
    ck_assert_float_eq(got[i], made_floats[i % 12]);
  bigs_model_close(m);
  grow_free(&pickle);
  grow_free(&f);
}
END_TEST

START_TEST(tables_that_cannot_get_longer) {
  write_short(-1, TOY_TABLE, 3);
  open_longer(
      NULL, 3,
      "tensor table.weight is F32 [3, 6], but parameter table.weight needs [7, 6] (`--extend "
      "table=tile`, `=interpolate` or `=fresh` makes the table longer)");
  open_longer("q=tile", 3, "needs [7, 6] (`--extend table=tile`");
  open_longer("table=stretch", 2,
              "--extend table=stretch: it takes NAME=tile, NAME=interpolate or");
  open_longer("table", 2, "--extend table: it takes");
  open_longer("tab=tile", 2,
              "--extend tab=tile: Toy has no parameter whose name is, or begins with,");
  write_short(-1, TOY_TABLE, 8);
  open_longer("table=tile", 3, "needs [7, 6] (--extend makes a table longer");
}
END_TEST

START_TEST(patterns_of_names) {
  ck_assert(name_glob("*.position_ids", "a.b.position_ids"));
  ck_assert(name_glob("a*b*c", "aXbbYc") && name_glob("*", "") && name_glob("abc", "abc"));
  ck_assert(!name_glob("a*b", "ac") && !name_glob("abc", "abcd") && !name_glob("", "x"));
}
END_TEST

Suite *weights_suite(void);
Suite *weights_suite(void) {
  Suite *s = suite_create("weights");
  TCase *t = tcase_create("weights");
  tcase_add_checked_fixture(t, make_dir, remove_dir);
  tcase_add_test(t, weights_round_trip_in_both_names);
  tcase_add_test(t, files_that_do_not_fit_are_named);
  tcase_add_test(t, what_a_file_lacked_is_not_saved);
  tcase_add_test(t, config_must_agree);
  tcase_add_test(t, tables_get_longer);
  tcase_add_test(t, tables_get_longer_from_torch_files);
  tcase_add_test(t, tables_that_cannot_get_longer);
  tcase_add_test(t, patterns_of_names);
  suite_add_tcase(s, t);
  return s;
}
