// See columns.h.
#include "runtime/train/columns.h"
#include "base/bug.h"
#include <string.h>

int cut_fields(const TextLine *l, TextField *field) {
  const char *s = l->s, *end = l->s + l->n;
  for (int n = 0; n < MAX_COLUMNS; n++) {
    const char *tab = memchr(s, '\t', (size_t)(end - s));
    field[n] = (TextField){s, (size_t)((tab ? tab : end) - s)};
    if (!tab)
      return n + 1;
    s = tab + 1;
  }
  return MAX_COLUMNS + 1;
}

int column_once(const TextLine *l, const TextField *field, int n, int i, BigsError *e) {
  for (int k = 0; k < n && i >= 0; k++)
    if (k != i && field[k].n == field[i].n && !memcmp(field[k].s, field[i].s, field[i].n))
      return bigs_fail(e, BIGS_EMODEL, "%s:%zu: the header has the column \"%.*s\" twice", l->path,
                       l->line, (int)(field[i].n < 40 ? field[i].n : 40), field[i].s);
  return 0;
}

#define PAIR(a, b)
#define TEXT(a)
#define LABEL(name)
static const struct {
  const char *a, *b;
} pairs[] = {
#undef PAIR
#define PAIR(a, b) {a, b},
#include "runtime/train/columns.def"
#undef PAIR
#define PAIR(a, b)
};
static const char *const texts[] = {
#undef TEXT
#define TEXT(a) a,
#include "runtime/train/columns.def"
#undef TEXT
#define TEXT(a)
};
static const char *const labels[] = {
#undef LABEL
#define LABEL(name) name,
#include "runtime/train/columns.def"
};
#undef PAIR
#undef TEXT
#undef LABEL

typedef struct TsvHeader {
  const TextField *field;
  int n;
} TsvHeader;

static bool is_text(const TextField *f, const char *text) {
  return f->n == strlen(text) && !memcmp(f->s, text, f->n);
}

static int find_column(const TsvHeader *h, const char *name) {
  for (int i = 0; i < h->n; i++)
    if (is_text(&h->field[i], name))
      return i;
  return -1;
}

static int first_column(const TsvHeader *h, const char *const *name, int n) {
  int found = -1;
  for (int i = 0; i < n && found < 0; i++)
    found = find_column(h, name[i]);
  return found;
}

// A row of CoLA: where it is from, the label, a star for what its author marked, the sentence.
static bool is_cola(const TsvHeader *h) {
  return h->n == 4 && (is_text(&h->field[1], "0") || is_text(&h->field[1], "1")) &&
         (is_text(&h->field[2], "") || is_text(&h->field[2], "*"));
}

static void find_texts(const TsvHeader *h, Columns *out) {
  out->a = out->b = -1;
  for (int i = 0; i < COUNT(pairs) && out->b < 0; i++) {
    int a = find_column(h, pairs[i].a), b = find_column(h, pairs[i].b);
    if (a >= 0 && b >= 0) {
      out->a = a;
      out->b = b;
    }
  }
  if (out->a < 0)
    out->a = first_column(h, texts, COUNT(texts));
}

static int no_texts(const TextLine *l, const TsvHeader *h, BigsError *e) {
  for (int i = 0; i < COUNT(pairs); i++)
    if (find_column(h, pairs[i].a) >= 0 || find_column(h, pairs[i].b) >= 0)
      return bigs_fail(e, BIGS_EMODEL, "%s:%zu: the header has one of %s and %s, not both", l->path,
                       l->line, pairs[i].a, pairs[i].b);
  return bigs_fail(e, BIGS_EMODEL,
                   "%s:%zu: the header has no column \"text\" or \"sentence\" (nor \"text_a\" and "
                   "\"text_b\", or another pair of those that tsv knows)",
                   l->path, l->line);
}

static int check_once(const TextLine *l, const TsvHeader *h, const Columns *c, BigsError *e) {
  int err = column_once(l, h->field, h->n, c->a, e);
  err = err ? err : column_once(l, h->field, h->n, c->b, e);
  return err ? err : column_once(l, h->field, h->n, c->label, e);
}

int columns_read(const TextLine *l, bool need_label, Columns *out, BigsError *e) {
  TextField field[MAX_COLUMNS];
  TsvHeader h = {field, cut_fields(l, field)};
  *out = (Columns){.count = h.n};
  if (h.n > MAX_COLUMNS)
    return bigs_fail(e, BIGS_EMODEL, "%s:%zu: more than %d columns", l->path, l->line, MAX_COLUMNS);
  find_texts(&h, out);
  out->label = first_column(&h, labels, COUNT(labels));
  out->scored = out->label >= 0 && is_text(&field[out->label], "score");
  if (out->a < 0 && out->label < 0 && is_cola(&h)) {
    *out = (Columns){.count = 4, .label = 1, .a = 3, .b = -1, .headless = true};
    return 0;
  }
  if (out->a < 0)
    return no_texts(l, &h, e);
  if (out->label >= 0 || !need_label)
    return check_once(l, &h, out, e);
  return bigs_fail(
      e, BIGS_EMODEL,
      "%s:%zu: the header has no column \"label\" (nor another of those that tsv knows); "
      "eval --predictions needs none",
      l->path, l->line);
}
