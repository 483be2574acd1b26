// See extend.h.
#include "runtime/exec/extend.h"
#include <stdio.h>
#include <string.h>

// ---- what is asked for
static const char *const extend_words[] = {NULL, "tile", "interpolate", "fresh"};

static ExtendHow extend_word(const char *s, size_t n) {
  for (int i = EXTEND_TILE; i <= EXTEND_FRESH; i++)
    if (strlen(extend_words[i]) == n && !memcmp(extend_words[i], s, n))
      return (ExtendHow)i;
  return EXTEND_NOT;
}

// Does the parameter's name begin with these segments?
static bool begins_with(const char *name, const char *segments, size_t n) {
  return !strncmp(name, segments, n) && (!name[n] || name[n] == '.');
}

static int read_one(const BigsModule *module, const char *s, size_t n, uint8_t *how, BigsError *e) {
  size_t name = strcspn(s, "=");
  ExtendHow word = name < n ? extend_word(s + name + 1, n - name - 1) : EXTEND_NOT;
  bool found = false;
  if (word == EXTEND_NOT)
    return bigs_fail(e, BIGS_EUSAGE,
                     "--extend %.*s: it takes NAME=tile, NAME=interpolate or NAME=fresh", (int)n,
                     s);
  for (int i = 0; i < module->nparam; i++)
    if (begins_with(module->param[i].name, s, name)) {
      how[i] = (uint8_t)word;
      found = true;
    }
  return found ? 0
               : bigs_fail(e, BIGS_EUSAGE,
                           "--extend %.*s: %s has no parameter whose name is, or begins with, %.*s",
                           (int)n, s, module->model, (int)name, s);
}

int extend_read(const BigsModule *module, const char *text, uint8_t *how, BigsError *e) {
  int err = 0;
  for (size_t n; text && *text && !err; text += n + (text[n] == ',')) {
    n = strcspn(text, ",");
    err = read_one(module, text, n, how, e);
  }
  return err;
}

// What --extend calls a parameter is its name, without the last segment where no other parameter's begins so.
const char *extend_hint(const BigsModule *module, int param, char *buf, size_t size) {
  const char *name = module->param[param].name, *dot = strrchr(name, '.');
  size_t n = dot ? (size_t)(dot - name) : strlen(name);
  int of = 0;
  for (int i = 0; i < module->nparam; i++)
    of += begins_with(module->param[i].name, name, n);
  snprintf(buf, size, " (`--extend %.*s=tile`, `=interpolate` or `=fresh` makes the table longer)",
           of == 1 ? (int)n : (int)strlen(name), name);
  return buf;
}

// ---- rows
// The stored axis along which the parameter's first one lies; -1: it has none of its own there.
static int axis_of_rows(const BigsParam *p, const StoredShape *s, int64_t *inner) {
  *inner = 1;
  for (int a = s->rank - 1; a >= 0 && p->rank > 0; a--) {
    if (*inner == s->stride[0] && s->shape[a] == p->extent[0])
      return a;
    *inner *= s->shape[a];
  }
  return -1;
}

bool extend_fits(const BigsParam *p, const StoredShape *s, const StTensor *t, TableGrowth *out) {
  TableGrowth g = {.outer = 1};
  g.axis = axis_of_rows(p, s, &g.inner);
  if (g.axis < 0 || t->rank != s->rank)
    return false;
  for (int a = 0; a < s->rank; a++)
    if (a != g.axis && t->shape[a] != s->shape[a])
      return false;
  for (int a = 0; a < g.axis; a++)
    g.outer *= s->shape[a];
  g.old = t->shape[g.axis];
  g.rows = s->shape[g.axis];
  *out = g;
  return g.old > 0 && g.old < g.rows;
}

static double value_at(const void *v, int elem, int64_t i) {
  return elem == 8 ? ((const double *)v)[i] : (double)((const float *)v)[i];
}

static void set_value(void *v, int elem, int64_t i, double x) {
  if (elem == 8)
    ((double *)v)[i] = x;
  else
    ((float *)v)[i] = (float)x;
}

// Row i of `to` on the line between two of `from`; a row is `inner` values.
static void between_rows(const TableGrowth *g, int elem, const char *from, int64_t i, char *to) {
  int64_t place = i * (g->old - 1), low = place / (g->rows - 1), past = place % (g->rows - 1);
  const char *a = from + low * g->inner * elem, *b = past ? a + g->inner * elem : a;
  double share = (double)past / (double)(g->rows - 1);
  for (int64_t k = 0; k < g->inner; k++) {
    double x = value_at(a, elem, k), y = value_at(b, elem, k);
    set_value(to + i * g->inner * elem, elem, k, x + (y - x) * share);
  }
}

static void fill_table(const TableGrowth *g, ExtendHow how, int elem, const char *from, char *to) {
  size_t row = (size_t)(g->inner * elem);
  for (int64_t i = 0; i < g->rows; i++)
    if (how == EXTEND_INTERPOLATE)
      between_rows(g, elem, from, i, to);
    else if (how == EXTEND_TILE || i < g->old)
      memcpy(to + (size_t)i * row, from + (size_t)(i % g->old) * row, row);
}

void extend_fill(const TableGrowth *g, ExtendHow how, int elem, const void *from, void *to) {
  for (int64_t i = 0; i < g->outer; i++)
    fill_table(g, how, elem, (const char *)from + i * g->old * g->inner * elem,
               (char *)to + i * g->rows * g->inner * elem);
}
