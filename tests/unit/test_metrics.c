// Measures of predictions, against what scikit-learn 1.9.1 and scipy 1.17.1 say of the same ones.
#include "runtime/train/metrics.h"
#include "runtime/train/spans.h"
#include "base/bug.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <string.h>

static const double two[] = {1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0,
                             1, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 1},
                    two_said[] = {1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0,
                                  1, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1},
                    three[] = {0, 2, 1, 0, 0, 1, 2, 1, 1, 2, 2, 1, 1, 1, 0,
                               0, 1, 1, 1, 0, 0, 0, 1, 2, 1, 1, 1, 2, 1, 1},
                    three_said[] = {2, 0, 2, 0, 0, 1, 2, 1, 1, 2, 1, 1, 0, 0, 0,
                                    1, 2, 0, 1, 0, 0, 2, 1, 2, 2, 1, 1, 2, 1, 1},
                    number[] = {1.8, 3.0, 3.4, 1.8, 2.6, 3.8, 4.6, 0.8, 4.6, 0.0, 3.8, 4.0,
                                0.6, 2.0, 4.0, 0.0, 3.2, 4.0, 2.6, 3.6, 1.2, 1.0, 1.8, 0.8},
                    number_said[] = {0.05, 3.76, 2.55, 2.58, 2.73, 2.72, 5.85, 2.24,
                                     4.53, 2.72, 3.64, 3.02, 1.7,  1.46, 3.95, -0.79,
                                     2.57, 2.72, 3.86, 3.45, 2.17, 1.01, 1.11, 0.47};
static const MetricTask last = {.classes = 2, .positive = 1}, first = {.classes = 2, .positive = 0},
                        many = {.classes = 3, .positive = 1}, numbers = {.numbers = true};

static const struct {
  MetricId id;
  const MetricTask *task;
  const double *target, *said;
  int n;
  double value;
} known[] = {
    {METRIC_accuracy, &last, two, two_said, 30, 0.7666666666666667},
    {METRIC_f1, &last, two, two_said, 30, 0.7407407407407407},
    {METRIC_f1, &first, two, two_said, 30, 0.7878787878787878},
    {METRIC_matthews, &last, two, two_said, 30, 0.5443310539518174},
    {METRIC_matthews, &first, two, two_said, 30, 0.5443310539518174},
    {METRIC_accuracy, &many, three, three_said, 30, 0.6333333333333333},
    {METRIC_pearson, &numbers, number, number_said, 24, 0.7452490006424989},
    {METRIC_spearman, &numbers, number, number_said, 24, 0.7558382455495959},
    // one class alone, and none said to be positive
    {METRIC_f1, &last, (const double[]){0, 0}, (const double[]){0, 0}, 2, 0},
    {METRIC_matthews, &last, (const double[]){1, 1}, (const double[]){1, 0}, 2, 0},
    {METRIC_pearson, &numbers, (const double[]){1, 2}, (const double[]){3, 3}, 2, NAN},
    {METRIC_spearman, &numbers, (const double[]){1, 2}, (const double[]){3, 3}, 2, NAN},
    {METRIC_accuracy, &last, NULL, NULL, 0, NAN},
};

START_TEST(values_are_as_known) {
  double x;
  ck_assert_int_eq(metric_compute(known[_i].id, known[_i].task, known[_i].target, known[_i].said,
                                  known[_i].n, &x, NULL),
                   0);
  if (isnan(known[_i].value))
    ck_assert(isnan(x));
  else
    ck_assert_double_eq_tol(x, known[_i].value, 1e-14);
}
END_TEST

START_TEST(metrics_fit_their_tasks) {
  static const struct {
    const MetricTask *task;
    bool fits[METRICS];
  } table[] = {{&last, {true, true, true, false, false}},
               {&many, {true, false, false, false, false}},
               {&numbers, {false, false, false, true, true}}};
  for (int t = 0; t < COUNT(table); t++)
    for (int i = 0; i < METRICS; i++)
      ck_assert_int_eq(metric_fits((MetricId)i, table[t].task), table[t].fits[i]);
}
END_TEST

// Tags, of which the words of each text stand together: tests/make_metrics.py.
static const double inside[] = {4, 4, 5, 0, 4, 3, 1, 5, 0, 3, 0, 0, 0, 5, 0, 4, 1, 4, 0, 5,
                                1, 4, 4, 5, 1, 3, 1, 1, 4, 3, 0, 4, 5, 0, 1, 3, 0, 3, 5, 4,
                                5, 1, 3, 3, 5, 4, 5, 4, 5, 0, 4, 1, 4, 4, 1, 3, 5, 3},
                    inside_said[] = {4, 4, 5, 0, 3, 3, 1, 5, 5, 3, 0, 0, 0, 1, 0, 1, 1, 4, 3, 5,
                                     1, 4, 0, 5, 5, 5, 1, 1, 4, 5, 0, 4, 5, 0, 1, 3, 0, 3, 5, 4,
                                     5, 1, 3, 5, 3, 4, 0, 4, 5, 0, 1, 1, 1, 4, 1, 3, 5, 3},
                    inside_part[] = {0, 0, 0, 1, 1,  2,  2,  2,  2,  2,  3,  3,  4, 4, 4,
                                     4, 4, 4, 4, 4,  5,  5,  5,  5,  5,  5,  5,  5, 6, 6,
                                     6, 6, 6, 6, 6,  6,  7,  7,  7,  7,  7,  7,  7, 8, 8,
                                     8, 8, 9, 9, 10, 10, 10, 10, 10, 10, 10, 10, 11},
                    ends[] = {6, 5, 6, 4, 2, 4, 3, 4, 2, 0, 6, 0, 2, 3, 2, 3, 3, 4, 1, 4, 1, 1, 1,
                              0, 1, 2, 1, 1, 4, 4, 2, 4, 5, 4, 1, 3, 6, 3, 5, 4, 6, 2, 6, 4, 2, 2},
                    ends_said[] = {3, 5, 5, 5, 2, 4, 4, 4, 5, 3, 6, 4, 3, 3, 6, 3,
                                   3, 2, 3, 4, 5, 4, 1, 0, 1, 2, 1, 1, 4, 6, 5, 4,
                                   5, 4, 1, 3, 6, 3, 6, 4, 1, 0, 6, 0, 2, 2},
                    ends_part[] = {0,  1,  1,  2,  2,  3,  3,  3,  3,  3,  3,  4,  4,  4, 5, 5,
                                   5,  5,  5,  6,  6,  6,  6,  6,  7,  7,  7,  7,  8,  9, 9, 9,
                                   10, 10, 10, 10, 10, 10, 10, 11, 11, 11, 11, 11, 11, 11};
static const Labels tag_names = {
    7, (char *[]){"B-LOC", "B-PER", "E-PER", "I-LOC", "I-PER", "O", "S-LOC"}};

static const struct {
  const double *target, *said, *part;
  int n;
  double f1;
} tagged[] = {{inside, inside_said, inside_part, COUNT(inside), 0.7631578947368421},
              {ends, ends_said, ends_part, COUNT(ends), 0.619718309859155},
              // none is, and none is said
              {(const double[]){5, 5}, (const double[]){5, 5}, (const double[]){0, 0}, 2, 0},
              // one text, and two: an entity ends with its text
              {(const double[]){1, 4}, (const double[]){1, 4}, (const double[]){0, 0}, 2, 1},
              {(const double[]){1, 4}, (const double[]){1, 1}, (const double[]){0, 0}, 2, 0},
              {(const double[]){1, 4}, (const double[]){1, 1}, (const double[]){0, 1}, 2, 1}};

START_TEST(entities_are_as_seqeval_has_them) {
  double x;
  MetricTask task = {.kind = OF_TAGS, .classes = 7, .names = &tag_names, .part = tagged[_i].part};
  ck_assert(metric_fits(METRIC_f1, &task) && metric_fits(METRIC_accuracy, &task));
  ck_assert(!metric_fits(METRIC_matthews, &task) && !metric_fits(METRIC_pearson, &task));
  ck_assert_int_eq(
      metric_compute(METRIC_f1, &task, tagged[_i].target, tagged[_i].said, tagged[_i].n, &x, NULL),
      0);
  ck_assert_double_eq_tol(x, tagged[_i].f1, 1e-14);
}
END_TEST

START_TEST(tags_that_name_no_entities_have_no_f1) {
  const Labels speech = {3, (char *[]){"NN", "O", "B-X"}}, none = {1, (char *[]){"O"}};
  for (int i = 0; i < 3; i++) {
    MetricTask task = {.kind = OF_TAGS, .classes = 3, .names = i ? i > 1 ? NULL : &speech : &none};
    ck_assert(metric_fits(METRIC_accuracy, &task) && !metric_fits(METRIC_f1, &task));
  }
}
END_TEST

// tests/make_metrics.py
static const struct {
  const char *said, *right;
  double exact, f1;
} answers[] = {
    {"The Eiffel Tower!", "eiffel tower", 1, 1},
    {"in the city of Oslo, in Norway", "the city of oslo in the north", 0, 0.7272727272727272},
    {"a", "the", 1, 1},
    {"", "an answer", 0, 0},
    {"", "...", 1, 1},
    {"a theme, an anthem", "theme anthem", 1, 1},
    {"it's 1,000 $", "its 1000", 1, 1},
    {"the the cat the", "cat", 1, 1},
    {"cat cat dog", "cat dog dog", 0, 0.6666666666666666},
    {"\u00c5rhus \u2013 the \u00c9t\u00c9", "\u00e5rhus \u2013 \u00e9t\u00e9", 1, 1},
    {"an\u2013a x", "x", 0, 0.6666666666666666},
    {"co-operate\u00a0now", "cooperate now", 1, 1},
    {"nothing", "something else", 0, 0},
    {"th\u00e9", "the th\u00e9", 1, 1}};

START_TEST(answers_are_as_squad_has_them) {
  double exact, f1;
  const char *said = answers[_i].said, *right = answers[_i].right;
  ck_assert_int_eq(span_compare(said, strlen(said), right, strlen(right), &exact, &f1, NULL), 0);
  ck_assert_double_eq(exact, answers[_i].exact);
  ck_assert_double_eq_tol(f1, answers[_i].f1, 1e-15);
}
END_TEST

// The end is not before the start, both lie in the context, and not too far apart.
START_TEST(the_best_answer_is_a_valid_one) {
  enum { PLACES = 50 };
  float scores[2 * PLACES] = {[0] = 9,          [1] = 8,          [2 * 20] = 5,
                              [2 * 10 + 1] = 7, [2 * 30 + 1] = 3, [2 * 49 + 1] = 6};
  bool context[PLACES] = {false};
  for (int i = 5; i < PLACES; i++)
    context[i] = true;
  SpanSaid said = span_best(scores, context, PLACES);
  ck_assert(said.start == 20 && said.end == 49 && said.score == 11 && said.none == 17);
  scores[2 * 19] = 6; // from there 49 would be the 31st place
  said = span_best(scores, context, PLACES);
  ck_assert(said.start == 20 && said.end == 49);
  context[40] = false;
  said = span_best(scores, context, PLACES);
  ck_assert(said.start == 19 && said.end == 30 && said.score == 9);
  memset(context, 0, sizeof context);
  ck_assert_int_eq(span_best(scores, context, PLACES).start, -1);
}
END_TEST

Suite *metrics_suite(void) {
  Suite *s = suite_create("metrics");
  TCase *t = tcase_create("metrics");
  tcase_add_loop_test(t, values_are_as_known, 0, COUNT(known));
  tcase_add_test(t, metrics_fit_their_tasks);
  tcase_add_loop_test(t, entities_are_as_seqeval_has_them, 0, COUNT(tagged));
  tcase_add_loop_test(t, answers_are_as_squad_has_them, 0, COUNT(answers));
  tcase_add_test(t, the_best_answer_is_a_valid_one);
  tcase_add_test(t, tags_that_name_no_entities_have_no_f1);
  suite_add_tcase(s, t);
  return s;
}
