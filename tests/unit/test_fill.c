// Filling gaps, and the dims that the shapes of inputs say.
#include "runtime/train/fill.h"
#include "runtime/train/feed.h"
#include "tests/unit/suites.h"
#include "tests/unit/toy_module.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

START_TEST(gaps_get_the_best_words) {
  static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n";
  BigsError e = {0};
  Tokenizer *tok;
  FillGap *gap;
  int n;
  bigs_model *m = bigs_model_open(&toy_module, NULL, NULL, 0);
  float bias[TOY_V] = {0, 0, -1, 0.5f, -4, 2, 1}, sum = 0;
  bigs_model_set(m, BIGS_THE_WEIGHT, TOY_BIAS, bias); // gain 1: [MASK] itself has -3
  ck_assert_int_eq(tok_parse(TOKENIZER_WORDPIECE, vocab, sizeof vocab - 1, "vocab", true, &tok, &e),
                   0);
  ck_assert_int_eq(fill_gaps(m, tok, "a [MASK] b [MASK].", 8, 3, &gap, &n), 0);
  ck_assert_int_eq(n, 2);
  ck_assert_int_eq(gap[1].position, 4);
  ck_assert_int_eq(gap[0].n, 3);
  for (int v = 0; v < TOY_V; v++)
    sum += expf(v == 4 ? -3 : bias[v]);
  for (int i = 0; i < 3; i++) {
    static const int32_t want[] = {5, 6, 3};
    ck_assert_int_eq(gap[0].word[i].id, want[i]);
    ck_assert_double_eq_tol(gap[0].word[i].probability, exp(bias[want[i]]) / sum, 1e-6);
  }
  free(gap);
  // A model that looks at nothing depends on nothing: of [CLS] a [MASK] b [SEP], a and b can be masked.
  const int32_t row[] = {2, 5, 4, 6, 3};
  double change[COUNT(row)];
  ck_assert_int_eq(fill_ids(m, tok, row, COUNT(row), 8, 3, &gap, &n), 0);
  ck_assert_int_eq(fill_why(m, tok, row, COUNT(row), 8, gap, n, change), 0);
  for (int i = 0; i < COUNT(row); i++)
    ck_assert(i == 1 || i == 3 ? fabs(change[i]) < 1e-6 : isnan(change[i]));
  free(gap);
  ck_assert_int_eq(fill_gaps(m, tok, "a b", 8, 3, &gap, &n), 1);
  ck_assert_int_eq(fill_gaps(m, tok, "a b a b a b a [MASK]", 8, 3, &gap, &n), 1);
  ck_assert_ptr_nonnull(strstr(bigs_model_error(m), "10 tokens long"));
  ck_assert_int_eq(fill_gaps(m, tok, "a b a b a b a [MASK]", 0, 3, &gap, &n),
                   1); // longer than the model's bound
  tok_free(tok);
  bigs_model_close(m);
}
END_TEST

START_TEST(dims_come_from_shapes) {
  BigsError e = {0};
  InputShape s[4] = {{2, {3, 4}}, {-1, {0}}, {1, {5}}, {1, {5}}};
  int64_t dims[MAX_SYMS] = {0};
  ck_assert_int_eq(dims_from_shapes(&toy_module, TOY_FIT, s, dims, &e), 0);
  ck_assert(dims[TOY_B] == 3 && dims[TOY_L] == 4 && dims[TOY_M] == 5);
  int64_t preset[MAX_SYMS] = {0, 9};
  ck_assert_int_eq(dims_from_shapes(&toy_module, TOY_FIT, s, preset, &e), 1);
  ck_assert_str_eq(e.text, "ids is [3, 4], so L would be 4, but -D says 9");
  s[3].shape[0] = 6;
  memset(dims, 0, sizeof dims);
  ck_assert_int_eq(dims_from_shapes(&toy_module, TOY_FIT, s, dims, &e), 1);
  ck_assert_str_eq(e.text, "labels is [6], so M would be 6, but at says 5");
  s[0].rank = 1;
  memset(dims, 0, sizeof dims);
  ck_assert_int_eq(dims_from_shapes(&toy_module, TOY_FIT, s, dims, &e), 1);
  ck_assert_str_eq(e.text, "ids is [3], but the model's has the axes [B, L]");
  s[0].rank = -1;
  s[2].rank = -1;
  memset(dims, 0, sizeof dims);
  ck_assert_int_eq(dims_from_shapes(&toy_module, TOY_FIT, s, dims, &e), 2);
  ck_assert_ptr_nonnull(strstr(e.text, "fit needs B"));
}
END_TEST

// 2L + BL - 3 is a size that says L once B is known.
START_TEST(dims_come_from_sizes_that_are_made_of_them) {
  Poly b = poly_sym(TOY_B), l = poly_sym(TOY_L), three = poly_const(3),
       p = poly_sub(poly_add(poly_scale(l, 2), poly_mul(b, l)), three), square = poly_mul(l, l),
       less = poly_sub(three, l);
  int64_t dims[MAX_SYMS] = {0};
  ck_assert(!dim_from_size(&toy_module, &p, 22, dims) && !dims[TOY_B] && !dims[TOY_L]);
  dims[TOY_B] = 3;
  ck_assert(!dim_from_size(&toy_module, &p, 21, dims) && !dims[TOY_L]); // no whole number
  ck_assert(!dim_from_size(&toy_module, &p, -3, dims) && !dims[TOY_L]); // 0
  ck_assert(!dim_from_size(&toy_module, &square, 25, dims) && !dims[TOY_L]);
  ck_assert(dim_from_size(&toy_module, &p, 22, dims) && dims[TOY_L] == 5);
  ck_assert(!dim_from_size(&toy_module, &p, 17, dims) && dims[TOY_L] == 5); // it is known
  dims[TOY_L] = 0;
  ck_assert(dim_from_size(&toy_module, &less, 1, dims) && dims[TOY_L] == 2);
}
END_TEST

Suite *fill_suite(void) {
  Suite *s = suite_create("fill");
  TCase *t = tcase_create("fill");
  tcase_add_test(t, gaps_get_the_best_words);
  tcase_add_test(t, dims_come_from_shapes);
  tcase_add_test(t, dims_come_from_sizes_that_are_made_of_them);
  suite_add_tcase(s, t);
  return s;
}
