// A diagnostic as text: header, place, the user's lines with carets and labels, notes, help.
//
// Labels of one line: the rightmost stands behind its carets, the others hang below theirs from a
// `|`:
//
//   28 |   out_norm(a + (a |> down |> dropout(p)))
//      |                 -    ^^^^ needs F = 3072
//      |                 |
//      |                 [B, L, H] with H = 768
//
// A span of several lines is marked on its first and its last line.
#include "compiler/syntax/diag_render.h"
#include "base/utf8.h"
#include "compiler/syntax/char_width.h"
#include <stdlib.h>
#include <string.h>

enum {
  TAB = 4,
  WINDOW = 160,
  LEAD = 60
}; // columns: tab stops; of a long line shown; of it before the first mark

typedef enum Style { PLAIN, BOLD, BLUE, CYAN, RED, YELLOW } Style;
typedef struct Mark {
  int line;   // from 0
  int lo, hi; // display columns [lo, hi), never empty
  bool primary;
  const char *label; // NULL: none
} Mark;
typedef VEC(Mark) Marks;
typedef struct Render {
  FILE *f;
  Arena *arena;
  bool color;
  int gutter;    // width of the line numbers
  Style primary; // of the carets and the header
} Render;

static void style(Render *r, Style s) {
  static const char *const code[] = {"\033[0m",    "\033[1m",    "\033[1;34m",
                                     "\033[1;36m", "\033[1;31m", "\033[1;33m"};
  if (r->color)
    fputs(code[s], r->f);
}

static void put(Render *r, Style s, const char *text) {
  style(r, s);
  fputs(text, r->f);
  style(r, PLAIN);
}

// ---- columns
static uint32_t line_end(const Source *src, int line) {
  uint32_t end = line + 1 < src->nlines ? src->line[line + 1] - 1 : (uint32_t)src->size;
  if (end > src->line[line] && src->text[end - 1] == '\r')
    end--;
  return end;
}

// Reads the character at `at`, which stands in column `col`: its bytes and its columns.  What
// cannot be shown as it stands (control characters, bytes that are no UTF-8) gets one column; *show
// is then false.
static uint32_t char_at(const Source *src, uint32_t at, uint32_t end, int col, int *columns,
                        bool *show) {
  int32_t c = 0;
  size_t n = utf8_read(src->text + at, end - at, &c);
  *show = n > 0 && c >= 0x20 && c != 0x7f && !(c >= 0x80 && c < 0xa0);
  *columns = 1;
  if (n > 0 && c == '\t')
    *columns = TAB - col % TAB;
  else if (*show)
    *columns = char_width(c);
  return n > 0 ? (uint32_t)n : 1;
}

static int column_of(const Source *src, int line, uint32_t at) {
  uint32_t end = line_end(src, line);
  int col = 0, columns;
  bool show;
  for (uint32_t i = src->line[line]; i < at && i < end; col += columns)
    i += char_at(src, i, end, col, &columns, &show);
  return col;
}

static void put_line(Render *r, const Source *src, int line, int cut, int stop) {
  uint32_t end = line_end(src, line);
  int col = 0, columns;
  bool show;
  for (uint32_t i = src->line[line]; i < end && col < stop; col += columns) {
    uint32_t n = char_at(src, i, end, col, &columns, &show);
    if (col >= cut) {
      if (show)
        fwrite(src->text + i, 1, n, r->f);
      else if (src->text[i] == '\t')
        fprintf(r->f, "%*s", columns, "");
      else
        fputs("\xef\xbf\xbd", r->f);
    }
    i += n;
  }
}

// ---- marks
static uint32_t clamp_to(const Source *src, uint32_t at) {
  return at < src->size ? at : (uint32_t)src->size;
}

static int line_index(const Source *src, uint32_t at) {
  int line, col;
  span_pos((Span){src, at, at}, &line, &col);
  return line - 1;
}

static uint32_t first_nonblank(const Source *src, int line) {
  uint32_t at = src->line[line], end = line_end(src, line);
  while (at < end && (src->text[at] == ' ' || src->text[at] == '\t'))
    at++;
  return at;
}

static void mark_line(Render *r, Marks *marks, const Source *src, int line, uint32_t lo,
                      uint32_t hi, Mark m) {
  m.line = line;
  m.lo = column_of(src, line, lo);
  m.hi = column_of(src, line, hi);
  if (m.hi <= m.lo)
    m.hi = m.lo + 1;
  vec_push(r->arena, marks, m);
}

static void add_mark(Render *r, Marks *marks, Span s, bool primary, const char *label) {
  const Source *src = s.src;
  uint32_t lo = clamp_to(src, s.lo), hi = clamp_to(src, s.hi);
  if (hi > lo && src->text[hi - 1] == '\n')
    hi--;
  int first = line_index(src, lo), last = hi > lo ? line_index(src, hi) : first;
  if (last == first) {
    mark_line(r, marks, src, first, lo, hi, (Mark){.primary = primary, .label = label});
    return;
  }
  mark_line(r, marks, src, first, lo, line_end(src, first), (Mark){.primary = primary});
  mark_line(r, marks, src, last, first_nonblank(src, last), hi,
            (Mark){.primary = primary, .label = label});
}

static int by_line(const void *x, const void *y) {
  const Mark *a = x, *b = y;
  if (a->line != b->line)
    return a->line < b->line ? -1 : 1;
  if (a->lo != b->lo)
    return a->lo < b->lo ? -1 : 1;
  return a->hi < b->hi ? -1 : a->hi > b->hi;
}

// ---- rows
static void gutter(Render *r, int line, bool space) {
  style(r, BLUE);
  if (line >= 0)
    fprintf(r->f, "%*d |", r->gutter, line + 1);
  else
    fprintf(r->f, "%*s |", r->gutter, "");
  style(r, PLAIN);
  if (space)
    fputc(' ', r->f);
}

static Style mark_style(const Render *r, const Mark *m) {
  return m->primary ? r->primary : BLUE;
}

// The mark over column `col`: a primary one wins.
static const Mark *mark_over(const Mark *m, int n, int col) {
  const Mark *found = NULL;
  for (int i = 0; i < n; i++)
    if (m[i].lo <= col && col < m[i].hi && (!found || m[i].primary))
      found = &m[i];
  return found;
}

// Carets of one line, then the label of the mark that ends last, whose index is returned.
static int underline(Render *r, const Mark *m, int n) {
  int last = 0;
  for (int i = 1; i < n; i++)
    if (m[i].hi > m[last].hi || (m[i].hi == m[last].hi && (m[i].lo > m[last].lo || !m[last].label)))
      last = i;
  gutter(r, -1, true);
  const Mark *now = NULL;
  for (int col = 0; col < m[last].hi; col++) {
    const Mark *over = mark_over(m, n, col);
    if (over != now)
      style(r, over ? mark_style(r, over) : PLAIN);
    now = over;
    fputc(!over ? ' ' : over->primary ? '^' : '-', r->f);
  }
  style(r, mark_style(r, &m[last]));
  if (m[last].label)
    fprintf(r->f, " %s", m[last].label);
  style(r, PLAIN);
  fputc('\n', r->f);
  return last;
}

// One row of `|` under the hanging marks h[0..n), and, when `text`, the label of h[n] at its
// column.
static void hang_row(Render *r, const Mark *h, int n, bool text) {
  gutter(r, -1, true);
  int col = 0;
  for (int i = 0; i < n; i++) {
    if (h[i].lo < col || (text && h[i].lo >= h[n].lo))
      continue;
    fprintf(r->f, "%*s", h[i].lo - col, "");
    put(r, mark_style(r, &h[i]), "|");
    col = h[i].lo + 1;
  }
  if (text) {
    fprintf(r->f, "%*s", h[n].lo - col, "");
    put(r, mark_style(r, &h[n]), h[n].label);
  }
  fputc('\n', r->f);
}

static void marked_line(Render *r, const Source *src, const Mark *marks, int n) {
  int line = marks[0].line, width = column_of(src, line, line_end(src, line)), cut = 0;
  if (width > WINDOW && marks[0].lo > LEAD)
    cut = marks[0].lo - LEAD;
  Mark *m = NEWN(r->arena, Mark, n);
  for (int i = 0; i < n; i++) {
    m[i] = marks[i];
    m[i].lo = m[i].lo - cut < WINDOW ? m[i].lo - cut : WINDOW;
    m[i].hi = m[i].hi - cut < WINDOW ? m[i].hi - cut : WINDOW + (m[i].lo == WINDOW);
  }
  gutter(r, line, width > 0);
  put_line(r, src, line, cut, cut + WINDOW);
  fputc('\n', r->f);
  int last = underline(r, m, n), hanging = 0;
  Mark *h = NEWN(r->arena, Mark, n);
  for (int i = 0; i < n; i++)
    if (i != last && m[i].label)
      h[hanging++] = m[i];
  if (hanging)
    hang_row(r, h, hanging, false);
  while (hanging-- > 0)
    hang_row(r, h, hanging, true);
}

static void place(Render *r, const char *arrow, Span at) {
  int line, col;
  span_pos(at, &line, &col);
  fprintf(r->f, "%*s", r->gutter, "");
  put(r, BLUE, arrow);
  fprintf(r->f, " %s:%d:%d\n", at.src->path, line, col);
}

// The place and the marked lines of one file.
static void snippet(Render *r, const char *arrow, Span at, Marks *marks) {
  place(r, arrow, at);
  gutter(r, -1, false);
  fputc('\n', r->f);
  qsort(marks->v, (size_t)marks->n, sizeof *marks->v, by_line);
  for (int i = 0, n; i < marks->n; i += n) {
    for (n = 1; i + n < marks->n && marks->v[i + n].line == marks->v[i].line;)
      n++;
    int gap = i ? marks->v[i].line - marks->v[i - 1].line : 0;
    if (gap == 2) {
      int between = marks->v[i].line - 1,
          width = column_of(at.src, between, line_end(at.src, between));
      gutter(r, between, width > 0);
      put_line(r, at.src, between, 0, WINDOW);
      fputc('\n', r->f);
    } else if (gap > 2) {
      put(r, BLUE, "...\n");
    }
    marked_line(r, at.src, marks->v + i, n);
  }
}

// ---- the whole
static int digits(int n) {
  int d = 1;
  for (; n > 9; n /= 10)
    d++;
  return d;
}

static void widen(Render *r, Span s) {
  if (!s.src)
    return;
  int d = digits(line_index(s.src, clamp_to(s.src, s.hi)) + 1);
  if (d > r->gutter)
    r->gutter = d;
}

// parts[i] with the labels of its snippet that follow; how many parts these are.
static int part(Render *r, const Diag *g, int i) {
  const DiagPart *p = &g->parts.v[i], *q = p + 1, *end = g->parts.v + g->parts.n;
  put(r, CYAN, severity_name(p->kind));
  fprintf(r->f, ": %s\n", p->text);
  if (!p->span.src)
    return 1;
  Marks marks = {0};
  add_mark(r, &marks, p->span, false, NULL);
  for (; q < end && q->label && q->span.src == p->span.src; q++)
    add_mark(r, &marks, q->span, false, q->text);
  snippet(r, "-->", p->span, &marks);
  return (int)(q - p);
}

static void main_snippet(Render *r, const Diag *g) {
  Marks marks = {0};
  add_mark(r, &marks, g->span, true, g->label);
  for (int i = 0; i < g->parts.n; i++)
    if (g->parts.v[i].kind == SEV_ERROR && g->parts.v[i].span.src == g->span.src)
      add_mark(r, &marks, g->parts.v[i].span, false, g->parts.v[i].text);
  snippet(r, "-->", g->span, &marks);
}

void diag_render(FILE *f, Arena *scratch, const Diag *g, bool color) {
  Render r = {f, scratch, color, 1, g->severity == SEV_WARNING ? YELLOW : RED};
  widen(&r, g->span);
  for (int i = 0; i < g->parts.n; i++)
    widen(&r, g->parts.v[i].span);
  style(&r, r.primary);
  fputs(severity_name(g->severity), f);
  if (g->code)
    fprintf(f, "[E%04d]", g->code);
  style(&r, BOLD);
  fprintf(f, ": %s", g->text);
  style(&r, PLAIN);
  fputc('\n', f);
  if (g->span.src)
    main_snippet(&r, g);
  for (int i = 0, n; i < g->parts.n; i += n) {
    const DiagPart *p = &g->parts.v[i];
    n = 1;
    if (p->kind != SEV_ERROR) {
      n = part(&r, g, i);
    } else if (p->span.src && p->span.src != g->span.src) {
      Marks marks = {0};
      add_mark(&r, &marks, p->span, false, p->text);
      snippet(&r, ":::", p->span, &marks);
    }
  }
}
