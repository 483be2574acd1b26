// The recipe of a run: its block, settings, seed, and the machine.
#include "compiler/commands/report.h"
#include "compiler/draw/html.h"
#include "compiler/draw/svg.h"
#include <math.h>
#include <string.h>

static void pair_text(Report *r, const char *name, const char *key) {
  const char *text = history_text(&r->h, key);
  if (text && *text)
    html_pair(r->f, name, "%s", text);
}

static void pair_number(Report *r, const char *name, const char *key) {
  double x = history_number(&r->h, key);
  if (!isnan(x) && (x || !strcmp(key, "seed"))) // a length of 0 is the model's
    html_pair(r->f, name, "%.10g", x);
}

static const Moment *last(const Moments *v) {
  return v->n ? &v->v[v->n - 1] : NULL;
}

static void put_reached(Report *r, const Moment *m) {
  double steps = history_number(&r->h, "steps");
  if (m && !isnan(steps))
    html_pair(r->f, "reached", "step %lld of %.0f", (long long)m->step, steps);
  else if (m)
    html_pair(r->f, "reached", "step %lld", (long long)m->step);
  if (m && isfinite(m->tokens) && isfinite(m->seconds))
    html_pair(r->f, "seen", "%.0f tokens in %.4g %s", m->tokens,
              m->seconds < 600 ? m->seconds : m->seconds / 3600,
              m->seconds < 600 ? "seconds" : "hours");
}

static void put_losses(Report *r, const Moment *m, const Moment *held) {
  if (m && isfinite(m->value[MEASURE_loss]))
    html_pair(r->f, "training loss", "%.4f", m->value[MEASURE_loss]);
  if (held && isfinite(held->value[MEASURE_loss]))
    html_pair(r->f, "held-out loss", "%.4f at step %lld", held->value[MEASURE_loss],
              (long long)held->step);
  if (r->saved && r->st.best_step >= 0)
    html_pair(r->f, "best", "%s %.4f at step %lld", r->st.best_by, r->st.best,
              (long long)r->st.best_step);
}

static void put_progress(Report *r) {
  const Moment *m = last(&r->h.train);
  put_reached(r, m);
  put_losses(r, m, last(&r->h.held));
  if (r->h.resumed)
    html_pair(r->f, "went on", "%lld times", (long long)r->h.resumed);
}

static void put_settings(Report *r) {
  pair_text(r, "model", "model");
  pair_text(r, "train block", "train");
  pair_number(r, "batch", "batch");
  pair_number(r, "in pieces", "pieces");
  pair_number(r, "length", "length");
  pair_number(r, "rate", "rate");
  if (r->saved)
    html_pair(r->f, "decay, clip", "%g, %g", r->st.recipe.decay, r->st.recipe.clip);
  pair_number(r, "seed", "seed");
  pair_text(r, "version", "version");
  pair_text(r, "processor", "cpu");
  pair_text(r, "compiled for", "target");
  pair_number(r, "threads", "threads");
  pair_number(r, "ranks", "ranks");
  pair_text(r, "command", "flags");
}

// "H = 128, Depth = 2": dims and lets.
static void put_dims(Report *r) {
  const JsonValue *dims = r->h.start ? json_get(json_root(r->h.start), "dims") : NULL;
  const char *text = "";
  for (const JsonValue *v = dims && dims->kind == JSON_OBJECT ? dims->child : NULL; v; v = v->next)
    if (v->kind == JSON_NUMBER)
      text = session_text(&r->s, "%s%s%s = %s", text, *text ? ", " : "", v->key, v->text);
  if (*text)
    html_pair(r->f, "dims", "%s", text);
}

// Behind a comment or a string that begins at s, else s + 1.
static const char *skip(const char *s) {
  if (*s == '#')
    return s + strcspn(s, "\n");
  if (*s != '"')
    return s + 1;
  for (s++; *s && *s != '"' && *s != '\n'; s++)
    s += *s == '\\' && s[1];
  return *s ? s + 1 : s;
}

// To the brace that closes the first one.
static const char *block_end(const char *s) {
  int depth = 0;
  while (*s) {
    depth += (*s == '{') - (*s == '}');
    if (*s == '}' && depth <= 0)
      return s + 1;
    s = skip(s);
  }
  return s;
}

static void put_block(Report *r) {
  const Recipe *t = r->saved && r->s.model ? model_train(r->s.model, r->train) : NULL;
  if (!t || !t->span.src)
    return;
  const char *text = t->span.src->text, *from = text + t->span.lo;
  while (from > text && from[-1] != '\n')
    from--;
  const char *to = block_end(from);
  fprintf(r->f, "<pre>");
  xml_text(r->f, arena_strndup(r->s.arena, from, (size_t)(to - from)));
  fprintf(r->f, "</pre>\n");
}

void report_recipe(Report *r) {
  html_section(r->f, "recipe", "Recipe");
  html_pairs(r->f);
  put_progress(r);
  put_settings(r);
  put_dims(r);
  html_close(r->f, "table");
  put_block(r);
  html_close(r->f, "section");
}
