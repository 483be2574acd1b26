// Curves of a run, and the table of its evaluations.
#include "compiler/commands/curves.h"
#include "compiler/commands/report.h"
#include "compiler/draw/html.h"
#include <math.h>

enum { WIDE = 760, HALF = 370, TALL = 360, LOW = 240, EVALUATIONS = 40 };

static void put_curve(Report *r, LogMeasure y, SvgSize size) {
  const CurveOptions o = {.y = y};
  BigsError none = {0};
  Chart c;
  size.inside = true;
  if (!history_has(&r->h, y) || curves_chart(r->s.arena, &r->h, 1, &o, &c, &none))
    return;
  fprintf(r->f, "<figure id=\"curve-%s\">\n", measure_names[y]);
  chart_svg(r->f, &c, size);
  html_close(r->f, "figure");
}

// ---- evaluations
// What is not there, or no number, is a dash.
static void put_number(Report *r, double x, int decimals) {
  if (!isfinite(x))
    html_cell(r->f, "\u2013");
  else if (fabs(x) < (decimals ? 1e6 : 1e15))
    html_cell(r->f, "%.*f", decimals, x);
  else
    html_cell(r->f, "%.5g", x);
}

static void put_evaluation(Report *r, const Moment *m, const bool *shown) {
  fprintf(r->f, "<tr>");
  html_cell(r->f, "%lld", (long long)m->step);
  put_number(r, m->tokens, 0);
  for (int k = 0; k < MEASURES; k++)
    if (shown[k])
      put_number(r, m->value[k], 4);
  fprintf(r->f, "</tr>\n");
}

// Of many every so manieth, and the last.
static void put_evaluations(Report *r) {
  const char *name[MEASURES + 2] = {"step", "tokens"};
  bool shown[MEASURES];
  int n = 2, held = r->h.held.n, skip = 1 + held / EVALUATIONS;
  for (int k = 0; k < MEASURES; k++)
    if ((shown[k] = moments_have(&r->h.held, (LogMeasure)k)))
      name[n++] = k == MEASURE_loss ? "held-out loss" : measure_names[k];
  html_head(r->f, name, n);
  for (int i = 0; i < held; i++)
    if (i % skip == 0 || i + 1 == held)
      put_evaluation(r, &r->h.held.v[i], shown);
  html_close(r->f, "table");
  if (skip > 1)
    html_note(r->f, "Every %d. of %d evaluations.", skip, held);
}

void report_curves(Report *r) {
  html_section(r->f, "curves", "Curves");
  put_curve(r, MEASURE_loss, (SvgSize){.width = WIDE, .height = TALL});
  fprintf(r->f, "<div class=\"row\">\n");
  for (int k = 0; k < MEASURES; k++)
    if (k != MEASURE_loss && k != MEASURE_perplexity)
      put_curve(r, (LogMeasure)k, (SvgSize){.width = HALF, .height = LOW});
  html_close(r->f, "div");
  html_close(r->f, "section");
  html_section(r->f, "evaluations", "Evaluations");
  if (r->h.held.n)
    put_evaluations(r);
  else
    html_note(r->f, "There is no evaluation in the log.");
  html_close(r->f, "section");
}
