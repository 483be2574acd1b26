// Charts: their ticks, what is left of long curves, and texts in SVG.
#include "compiler/draw/chart.h"
#include "compiler/draw/spark.h"
#include "compiler/draw/svg.h"
#include "base/bug.h"
#include "base/rng.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  AxisRange range;
  int want;
  const char *labels;
} known[] = {
    {{0, 10, false}, 5, "0 2 4 6 8 10"},
    {{0, 100000, false}, 5, "0 20k 40k 60k 80k 100k"},
    {{1.23, 3.51, false}, 5, "1.5 2.0 2.5 3.0 3.5"},
    {{-1, 1, false}, 4, "-1.0 -0.5 0 0.5 1.0"},
    {{0, 2.5e6, false}, 5, "0 0.5M 1.0M 1.5M 2.0M 2.5M"},
    {{0.97, 1, false}, 3, "0.97 0.98 0.99 1.00"},
    {{0, 6e-4, false}, 3, "0 0.0002 0.0004 0.0006"},
    {{1e-5, 1e-2, true}, 5, "1e-05 0.0001 0.001 0.01"},
    {{1, 1e6, true}, 7, "1 10 100 1000 10k 100k 1M"},
    {{1, 1e12, true}, 5, "1 1000 1M 1G 1000G"},
    {{1.1, 12, true}, 5, "2 5 10"},
    {{2.1, 2.9, true}, 4, "2.2 2.4 2.6 2.8"},
};

START_TEST(ticks_are_round) {
  Ticks t = ticks_of(&known[_i].range, known[_i].want);
  char all[256] = "", one[32];
  for (int i = 0; i < t.n; i++) {
    tick_text(&t, t.at[i], one, sizeof one);
    strcat(strcat(all, i ? " " : ""), one);
  }
  ck_assert_str_eq(all, known[_i].labels);
}
END_TEST

static double draw(uint64_t i) {
  return rng_mix((uint32_t)i) / 4294967296.0;
}

// Of any range: ascending, within, at least two, no two with the same text.
START_TEST(ticks_of_any_range) {
  for (uint64_t i = 0; i < 4000; i++) {
    double scale = pow(10, 40 * draw(3 * i) - 20), lo = scale * (2 * draw(3 * i + 1) - 1);
    AxisRange r = {i % 2 ? fabs(lo) + scale * 1e-3 : lo, 0, i % 2};
    r.hi = r.lo + scale * pow(10, (r.log ? 8 : 3) * draw(3 * i + 2) - 2);
    Ticks t = ticks_of(&r, 2 + (int)(i % 9));
    char a[32], b[32] = "";
    ck_assert_msg(t.n >= (r.log ? 1 : 2) && t.n <= TICKS_MAX, "%d ticks in %g %g %d", t.n, r.lo,
                  r.hi, r.log);
    for (int k = 0; k < t.n; k++) {
      double share = range_share(&r, t.at[k]);
      ck_assert(share > -1e-6 && share < 1 + 1e-6);
      ck_assert(!k || t.at[k] > t.at[k - 1]);
      tick_text(&t, t.at[k], a, sizeof a);
      ck_assert_msg(strcmp(a, b), "two ticks are called %s in %g %g", a, r.lo, r.hi);
      strcpy(b, a);
    }
  }
}
END_TEST

START_TEST(ranges_of_odd_values) {
  RangeFinder f = {0}, none = {.range.log = true}, one = {0};
  const double v[] = {NAN, 3, INFINITY, -2, -INFINITY};
  for (int i = 0; i < COUNT(v); i++)
    range_take(&f, v[i]);
  ck_assert(range_done(&f) && f.range.lo == -2 && f.range.hi == 3);
  range_take(&none, 0);
  range_take(&none, -1);
  ck_assert(!range_done(&none));
  range_take(&one, 7);
  ck_assert(range_done(&one) && one.range.lo < 7 && one.range.hi > 7);
  RangeFinder tiny = {0}, near = {.range.log = true};
  range_take(&tiny, 5e-324);
  range_take(&tiny, -1e-310);
  ck_assert(range_done(&tiny) && tiny.range.lo < -0.5 && tiny.range.hi > 0.5);
  range_take(&near, 2e-300);
  ck_assert(range_done(&near) && near.range.lo > 0 && near.range.hi > near.range.lo);
}
END_TEST

// A spike and a gap of one point each survive, and so do the ends.
START_TEST(thinning_keeps_what_is_seen) {
  enum { N = 100000, COLUMNS = 100 };
  Arena *a = arena_new();
  ChartPoint *p = NEWN(a, ChartPoint, N);
  const ChartPoint *q;
  AxisRange x = {0, N - 1, false};
  bool high = false, low = false, gap = false;
  for (int i = 0; i < N; i++)
    p[i] = (ChartPoint){i, sin(i * 0.37)};
  p[4321].y = 50;
  p[4322].y = -50;
  p[70007].y = NAN;
  int n = points_thin(a, p, N, &x, COLUMNS, &q);
  ck_assert_int_le(n, 5 * (COLUMNS + 1));
  ck_assert(q[0].x == 0 && q[n - 1].x == N - 1);
  for (int i = 0; i < n; i++) {
    ck_assert(!i || q[i].x > q[i - 1].x);
    high |= q[i].y == 50;
    low |= q[i].y == -50;
    gap |= isnan(q[i].y);
  }
  ck_assert(high && low && gap);
  ck_assert_int_eq(points_thin(a, p, 300, &x, COLUMNS, &q), 300);
  ck_assert_ptr_eq(q, p);
  arena_free(a);
}
END_TEST

START_TEST(smoothing_is_a_mean) {
  Arena *a = arena_new();
  const ChartPoint p[] = {{0, 1}, {1, 2}, {2, 6}, {3, NAN}, {4, 8}, {5, 3}};
  const double want[] = {1, 3, 4, NAN, 5.5, 3};
  ChartPoint *q = points_smooth(a, p, COUNT(p), 3);
  for (int i = 0; i < COUNT(p); i++)
    ck_assert(isnan(want[i]) ? isnan(q[i].y) : fabs(q[i].y - want[i]) < 1e-12);
  q = points_smooth(a, p, COUNT(p), 1);
  ck_assert(q[2].y == 6 && q[4].y == 8);
  arena_free(a);
}
END_TEST

static const char *const texts[][2] = {
    {"a < b & \"c\" > d", "a &lt; b &amp; &quot;c&quot; &gt; d"},
    {"\xC3\xA4\xE2\x82\xAC", "\xC3\xA4\xE2\x82\xAC"},
    {"x\x01y\x1Bz", "x\xEF\xBF\xBDy\xEF\xBF\xBDz"},
    {"\xFFok\xC3", "\xEF\xBF\xBDok\xEF\xBF\xBD"},
    {"\xEF\xBF\xBF", "\xEF\xBF\xBD"},
    {"", ""},
};

START_TEST(texts_are_escaped) {
  char *text;
  size_t n;
  FILE *f = open_memstream(&text, &n);
  xml_text(f, texts[_i][0]);
  fclose(f);
  ck_assert_str_eq(text, texts[_i][1]);
  free(text);
}
END_TEST

// Points beyond a gap are not joined, and one between two gaps is still seen.
START_TEST(rows_as_characters) {
  static const double up[] = {0, 1, 2, 3, 4, 5, 6, 7}, odd[] = {1, NAN, 3, INFINITY};
  Arena *a = arena_new();
  ck_assert_str_eq(spark_text(a, up, 8, 20, true),
                   "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588");
  ck_assert_str_eq(spark_text(a, up, 8, 2, false), "_#");
  ck_assert_str_eq(spark_text(a, odd, 4, 20, false), "_ # ");
  ck_assert_str_eq(spark_text(a, odd, 1, 20, false), "_"); // all are the same
  ck_assert_str_eq(spark_text(a, odd + 1, 1, 20, false), "");
  ck_assert_str_eq(spark_text(a, up, 0, 20, false), "");
  arena_free(a);
}
END_TEST

START_TEST(curves_have_gaps) {
  const ChartPoint p[] = {{0, 1}, {1, 2}, {2, NAN}, {3, 4}, {4, INFINITY}, {5, 6}, {6, 1}};
  const Series s = {.name = "a<b", .point = p, .n = COUNT(p)};
  const Chart c = {.x_name = "x", .y_name = "y", .series = &s, .n = 1};
  char *text;
  size_t n;
  ChartFrame frame;
  FILE *f = open_memstream(&text, &n);
  ck_assert(chart_frame(&c, &frame));
  chart_svg(f, &c, (SvgSize){400, 300, false});
  fclose(f);
  const char *d = strstr(strstr(text, "a&lt;b</title>"), " d=\"M");
  ck_assert_ptr_nonnull(d);
  int moves = 0;
  for (d += 4; *d != '"'; d++)
    moves += *d == 'M';
  ck_assert_int_eq(moves, 3);
  ck_assert_ptr_null(strstr(text, "nan"));
  ck_assert_ptr_null(strstr(text, "inf"));
  free(text);
}
END_TEST

// Every line of the picture is as wide as the screen, or less; ASCII has no other bytes, and no color is no escape.
START_TEST(terminals_get_what_they_show) {
  const ChartPoint p[] = {{0, 1}, {1e5, 2}, {3e5, -1}}, q[] = {{1, 3}};
  const Series s[] = {{.name = "one", .point = p, .n = 3, .style = 0},
                      {.name = "two", .point = q, .n = 1, .style = 1, .drawn = DRAWN_POINTS}};
  const Chart c = {.x_name = "step", .y_name = "loss", .series = s, .n = 2};
  for (int wide = SCREEN_MIN; wide < 130; wide += 13) {
    char *text;
    size_t n;
    int lines = 0;
    FILE *f = open_memstream(&text, &n);
    chart_text(f, &c, (Screen){wide, 24, false, false});
    fclose(f);
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1, lines++)
      ck_assert_int_le((int)(end - line), wide);
    ck_assert_int_eq(lines, 24);
    for (size_t i = 0; i < n; i++)
      ck_assert(text[i] == '\n' || (text[i] >= ' ' && text[i] < 127));
    ck_assert(strchr(text, 'a') && strchr(text, 'B'));
    free(text);
  }
}
END_TEST

Suite *chart_suite(void) {
  Suite *s = suite_create("chart");
  TCase *t = tcase_create("chart");
  tcase_add_loop_test(t, ticks_are_round, 0, COUNT(known));
  tcase_add_test(t, ticks_of_any_range);
  tcase_add_test(t, ranges_of_odd_values);
  tcase_add_test(t, thinning_keeps_what_is_seen);
  tcase_add_test(t, smoothing_is_a_mean);
  tcase_add_loop_test(t, texts_are_escaped, 0, COUNT(texts));
  tcase_add_test(t, rows_as_characters);
  tcase_add_test(t, curves_have_gaps);
  tcase_add_test(t, terminals_get_what_they_show);
  suite_add_tcase(s, t);
  return s;
}
