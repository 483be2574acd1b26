// bigsc plot: curves of what runs did, or of a table, as SVG or on the terminal.
#include "compiler/commands/cmd.h"
#include "base/edit.h"
#include "compiler/commands/curves.h"
#include "compiler/commands/drawing.h"
#include "compiler/commands/table_chart.h"
#include "compiler/driver/session.h"
#include "runtime/files/file.h"
#include <stdlib.h>
#include <string.h>

enum { PLOT_WIDTH = 760, PLOT_HEIGHT = 420 };

static int usage(const char *what) {
  fprintf(stderr, "bigsc plot: %s; see `bigsc plot --help`\n", what);
  return EXIT_USAGE;
}

static int take_y(const char *name, CurveOptions *c) {
  int i = name ? measure_find(name) : MEASURE_loss;
  c->y = (LogMeasure)i;
  if (i >= 0)
    return 0;
  fprintf(stderr, "bigsc plot: --y does not know `%s`; it takes ", name);
  Nearest near = {.wanted = name};
  for (i = 0; i < MEASURES; i++) {
    fprintf(stderr, "%s%s", i ? ", " : "", measure_names[i]);
    nearest_add(&near, measure_names[i]);
  }
  fprintf(stderr, near.best ? "; did you mean %s?\n" : "\n", near.best);
  return EXIT_USAGE;
}

static bool is_log(const Options *o, char axis) {
  return o->log_axes && strchr(o->log_axes, axis);
}

static int take_curves(const Options *o, CurveOptions *c) {
  *c = (CurveOptions){.smooth = o->smooth > 0 ? o->smooth : 0};
  c->x = !o->x || !strcmp(o->x, "steps") ? CURVE_STEPS
         : !strcmp(o->x, "tokens")       ? CURVE_TOKENS
                                         : CURVE_HOURS;
  c->log_x = is_log(o, 'x');
  c->log_y = is_log(o, 'y');
  return take_y(o->y, c);
}

// What of a log was left out.
static void note(const Options *o, const History *h) {
  if (h->damaged)
    fprintf(stderr, "bigsc: warning: %s: lines that are no records, and are left out: %lld\n",
            h->path, (long long)h->damaged);
  if (h->not_numbers && !o->quiet)
    fprintf(stderr, "bigsc: note: %s: losses that are not finite, and are left out: %lld\n",
            h->path, (long long)h->not_numbers);
}

static int draw(Session *s, const Chart *c) {
  Drawing d;
  if (!s->o->out) {
    chart_text(stdout, c, drawing_screen(s->o));
    return 0;
  }
  if (drawing_begin(s, &d))
    return EXIT_MODEL;
  chart_svg(d.f, c, (SvgSize){.width = PLOT_WIDTH, .height = PLOT_HEIGHT});
  return drawing_write(s, &d, s->o->out);
}

static int draw_runs(Session *s) {
  const Options *o = s->o;
  CurveOptions c;
  Chart chart;
  int status = take_curves(o, &c);
  if (status)
    return status;
  History *h = NEWN(s->arena, History, o->args.n);
  for (int i = 0; i < o->args.n && !status; i++) {
    status = history_read(s->arena, o->args.v[i], &h[i], &s->error);
    status = status ? session_fail(s, &s->error) : drawing_check(s, o->out, h[i].path);
    note(o, &h[i]);
  }
  if (!status && curves_chart(s->arena, h, o->args.n, &c, &chart, &s->error))
    status = session_fail(s, &s->error);
  status = status ? status : draw(s, &chart);
  for (int i = 0; i < o->args.n; i++)
    history_free(&h[i]);
  return status;
}

static int draw_table(Session *s) {
  const Options *o = s->o;
  const TableAxes axes = {.y = o->y, .log_x = is_log(o, 'x'), .log_y = is_log(o, 'y')};
  Chart chart;
  if (o->args.n > 1)
    return usage("one table at a time");
  if (o->x || o->smooth > 0)
    return usage("--x and --smooth go with runs; of a table the first column is x");
  int status = drawing_check(s, o->out, o->args.v[0]);
  if (!status && table_chart(s->arena, o->args.v[0], &axes, &chart, &s->error))
    status = session_fail(s, &s->error);
  return status ? status : draw(s, &chart);
}

int cmd_PLOT(const Options *o) {
  Session s;
  if (!o->args.n)
    return usage("which run?");
  if (o->out && strcmp(o->out, OUT_STDOUT) && !file_has_suffix(o->out, ".svg"))
    return usage("-o takes a file.svg, or - for standard output");
  session_start(&s, o);
  int status = file_has_suffix(o->args.v[0], ".tsv") ? draw_table(&s) : draw_runs(&s);
  session_close(&s);
  return status;
}
