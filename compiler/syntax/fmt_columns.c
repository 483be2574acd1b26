// The columns of lines that follow one another, and the text of all lines.
#include "base/utf8.h"
#include "compiler/syntax/fmt_internal.h"
#include <string.h>

enum {
  COMMENT_COLUMN = 39, // from 0
  COMMENT_GAP = 3,     // behind code that is longer
  WIDEST = 80,         // what is longer stands in no column
  FAR = 12             // nor what is so much longer than the rest
};

// ---- what a statement is
static const Token *token(const Fmt *f, int i) {
  return &f->t->list.v[i];
}

// The first token of its own depth that tells: `:`, `=`, `*=`, `<->`.
static TokKind telling(const Fmt *f, int first) {
  uint32_t depth = token(f, first)->depth;
  for (int i = first; token(f, i)->kind != T_EOL && token(f, i)->kind != T_EOF; i++) {
    TokKind k = token(f, i)->kind;
    if (token(f, i)->depth == depth &&
        (k == T_COLON || k == T_SET || k == T_TIMES_SET || k == T_MAPS))
      return k;
  }
  return T_EOF;
}

// `data ids = ...`, `config "..." {`: two words in a row.
static bool has_keyword(const Fmt *f, int first) {
  TokKind next = token(f, first + 1)->kind;
  return token(f, first)->kind == T_NAME && (next == T_NAME || next == T_STR || next == T_TAG);
}

FmtKind fmt_kind(const Fmt *f, int first) {
  TokKind k = token(f, first)->kind;
  if (k == T_ENTRY)
    return FMT_ENTRY;
  if ((k != T_NAME && k != T_LPAREN && k != T_LBRACE) || has_keyword(f, first))
    return FMT_NONE;
  switch (telling(f, first)) {
  case T_COLON: return FMT_DECL;
  case T_SET:
  case T_TIMES_SET: return FMT_BIND;
  case T_MAPS: return FMT_RULE;
  default: return FMT_NONE;
  }
}

bool fmt_begins_column(const Fmt *f, const FmtLine *l, int i) {
  TokKind k = token(f, i)->kind;
  switch (l->kind) {
  case FMT_DECL:
    return (k == T_COLON && l->ncell == 1) || (k == T_TILDE && l->ncell == 2) ||
           (k == T_TAG && l->ncell >= 2 && l->ncell < 4);
  case FMT_ENTRY: return (k == T_COLON && l->ncell == 1) || (k == T_SET && l->ncell == 2);
  case FMT_BIND: return (k == T_SET || k == T_TIMES_SET) && l->ncell == 1;
  case FMT_RULE: return k == T_MAPS && l->ncell == 1;
  default: return false;
  }
}

// ---- columns
static int characters(const FmtText *t) {
  int n = 0;
  for (int i = 0; i < t->n; i++)
    n += ((unsigned char)t->v[i] & 0xC0) != 0x80;
  return n;
}

static int gap(const FmtLine *l, int column) {
  return l->kind == FMT_DECL && column == 3 ? 2 : 1; // before tags
}

static bool same_block(const FmtLine *l, const FmtLine *next) {
  return !next->blank && next->indent == l->indent && next->cell[0].n && l->cell[0].n;
}

// The longest that a line of [lo, hi) of this kind comes to before this column, of those below a limit; 0: none.
static int longest(const FmtLine *l, const int *at, int lo, int hi, FmtKind kind, int column,
                   int limit) {
  int most = 0;
  for (int i = lo; i < hi; i++) {
    int own = at[i] + gap(&l[i], column);
    if (l[i].kind == kind && l[i].cell[column].n && own < limit && own > most)
      most = own;
  }
  return most;
}

// Where the column begins.  What is much longer than all the rest stands out of it.
static int column_start(const FmtLine *l, const int *at, int lo, int hi, FmtKind kind, int column) {
  int start = longest(l, at, lo, hi, kind, column, WIDEST);
  for (int next; (next = longest(l, at, lo, hi, kind, column, start)); start = next)
    if (start - next <= FAR)
      break;
  return start;
}

static void add(Arena *a, FmtText *t, const char *s, int n) {
  for (int i = 0; i < n; i++)
    vec_push(a, t, s[i]);
}

static void pad(Arena *a, FmtText *t, int n) {
  while (n-- > 0)
    vec_push(a, t, ' ');
}

// Joins a cell to the first one.
static void join(Arena *a, FmtLine *l, int *at, int column, int start) {
  FmtText *cell = &l->cell[column], *to = &l->cell[0];
  int own = *at + gap(l, column), blanks = (own <= start ? start : own) - *at;
  if (!cell->n)
    return;
  pad(a, to, blanks);
  add(a, to, cell->v, cell->n);
  *at += blanks + characters(cell);
}

static void align(Arena *a, FmtLine *l, int *at, int lo, int hi, FmtKind kind) {
  for (int column = 1; column < FMT_COLUMNS; column++) {
    int start = column_start(l, at, lo, hi, kind, column);
    for (int i = lo; i < hi; i++)
      if (l[i].kind == kind)
        join(a, &l[i], &at[i], column, start);
  }
}

static void align_all(Arena *a, const FmtLines *lines, int *at) {
  for (int lo = 0, hi; lo < lines->n; lo = hi) {
    for (hi = lo + 1; hi < lines->n && same_block(&lines->v[hi - 1], &lines->v[hi]); hi++)
      ;
    for (FmtKind k = FMT_NONE; k <= FMT_RULE; k++)
      align(a, lines->v, at, lo, hi, k);
  }
}

// ---- text
static bool is_long(const FmtLine *l, int at) {
  return l->comment && l->cell[0].n && at > COMMENT_COLUMN - 2;
}

// Lines that follow one another and reach beyond the column of comments have one of their own.
static int comment_column(const FmtLines *lines, const int *at, int i) {
  const FmtLine *l = lines->v;
  int lo = i, hi = i, most = 0;
  if (!l[i].cell[0].n || !is_long(&l[i], at[i]))
    return l[i].cell[0].n ? COMMENT_COLUMN : at[i];
  while (lo > 0 && is_long(&l[lo - 1], at[lo - 1]) && !l[lo].blank)
    lo--;
  while (hi < lines->n && is_long(&l[hi], at[hi]) && (hi == i || !l[hi].blank))
    hi++;
  for (int k = lo; k < hi; k++)
    most = at[k] > most && at[k] <= at[i] + FAR ? at[k] : most;
  return most + COMMENT_GAP;
}

static void put_line(Arena *a, FmtText *out, const FmtLines *lines, const int *at, int i) {
  const FmtLine *l = &lines->v[i];
  if (l->blank && out->n)
    vec_push(a, out, '\n');
  pad(a, out, l->indent);
  add(a, out, l->cell[0].v, l->cell[0].n);
  if (l->comment) {
    pad(a, out, comment_column(lines, at, i) - at[i]);
    add(a, out, l->comment, (int)strlen(l->comment));
  }
  vec_push(a, out, '\n');
}

char *fmt_render(Arena *a, const FmtLines *lines) {
  FmtText out = {0};
  int *at = NEWN(a, int, lines->n + 1);
  for (int i = 0; i < lines->n; i++)
    at[i] = lines->v[i].indent + characters(&lines->v[i].cell[0]);
  align_all(a, lines, at);
  for (int i = 0; i < lines->n; i++)
    put_line(a, &out, lines, at, i);
  vec_push(a, &out, '\0');
  return out.v;
}
