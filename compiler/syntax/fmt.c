// The lines of a formatted text: one pass over the tokens, with a stack of open brackets.  See fmt.h.
#include "compiler/syntax/fmt.h"
#include "compiler/syntax/fmt_internal.h"
#include "compiler/syntax/parse.h"
#include <string.h>

enum { STEP = 2 }; // of indentation

static const Token *token(const Fmt *f, int i) {
  return &f->t->list.v[i];
}

static FmtStmt *statement(Fmt *f) {
  return &f->stmts.v[f->stmts.n - 1];
}

static FmtOpen *innermost(Fmt *f) {
  return f->open.n ? &f->open.v[f->open.n - 1] : NULL;
}

static FmtLine *line(Fmt *f) {
  return &f->lines.v[f->lines.n - 1];
}

// ---- indentation
static int inside(Fmt *f) {
  return f->open.n ? innermost(f)->inside : 0;
}

static bool goes_on_plainly(Fmt *f, int i) {
  return !fmt_starts(f, i) && (!f->open.n || innermost(f)->block) &&
         token_class(token(f, i)->kind) != CLOSE;
}

// Of a line that begins with token i.
static int indentation(Fmt *f, int i) {
  TokKind k = token(f, i)->kind;
  if (token_class(k) == CLOSE)
    return innermost(f)->outside;
  if (!goes_on_plainly(f, i))
    return inside(f);
  return statement(f)->indent + (k == T_PIPE && statement(f)->went_on ? 2 : 1) * STEP;
}

// ---- what stands between two tokens
static void new_line(Fmt *f, int indent, bool blank) {
  vec_push(f->a, &f->lines, (FmtLine){.indent = indent, .blank = blank, .ncell = 1});
}

static const char *comment_text(const Fmt *f, uint32_t lo, uint32_t *hi) {
  const char *s = f->t->src->text;
  uint32_t end = lo;
  while (*hi = end, end < f->t->src->size && s[end] != '\n')
    end++;
  while (end > lo && strchr(" \t\r", s[end - 1]))
    end--;
  return arena_strndup(f->a, s + lo, end - lo);
}

typedef struct FmtGap {
  int newlines;
  bool semicolon; // on the line of what stands before
} FmtGap;

static void comment(Fmt *f, FmtGap *g, uint32_t *at, int indent) {
  if (g->newlines || !f->lines.n)
    new_line(f, indent, g->newlines > 1);
  line(f)->comment = comment_text(f, *at, at);
  *at -= 1;
  g->newlines = 0;
}

// Comments go where they stand; the last of the newlines are counted.
static FmtGap between(Fmt *f, uint32_t lo, uint32_t hi, int indent) {
  FmtGap g = {0};
  const char *s = f->t->src->text;
  for (uint32_t at = lo; at < hi; at++) {
    if (s[at] == '#')
      comment(f, &g, &at, indent);
    else if (s[at] == '\n')
      g.newlines++;
    else if (s[at] == ';' && !g.newlines)
      g.semicolon = true;
  }
  return g;
}

static void put(Fmt *f, const char *s, uint32_t n) {
  FmtLine *l = line(f);
  for (uint32_t i = 0; i < n; i++)
    vec_push(f->a, &l->cell[l->ncell - 1], s[i]);
}

// Two statements on one line: they stand in no columns.
static void flatten(Fmt *f) {
  FmtLine *l = line(f);
  int n = l->ncell;
  l->ncell = 1;
  l->kind = FMT_NONE;
  for (int i = 1; i < n; i++) {
    put(f, " ", l->cell[i].n > 0);
    put(f, l->cell[i].v, (uint32_t)l->cell[i].n);
    l->cell[i].n = 0;
  }
}

static void put_semicolon(Fmt *f) {
  if (statement(f)->line == f->lines.n - 1)
    flatten(f);
  put(f, ";", 1);
}

// ---- one token
static void start_statement(Fmt *f, int i, bool first_of_line) {
  FmtStmt *s = statement(f);
  *s = (FmtStmt){.first = i, .indent = inside(f), .line = first_of_line ? f->lines.n - 1 : -1};
  f->operand = false;
  if (first_of_line)
    line(f)->kind = fmt_kind(f, i);
}

static void open_bracket(Fmt *f, int i) {
  FmtStmt *s = statement(f);
  FmtOpen o = {.kind = token(f, i)->kind, .outside = line(f)->indent};
  TokKind before = f->last < 0 ? T_EOL : token(f, f->last)->kind;
  o.block = o.kind == T_LBRACE && fmt_is_block(f, i);
  o.call = o.kind == T_LPAREN && fmt_is_call(f, i);
  o.contracts = o.kind == T_LBRACKET && before == T_AT;
  o.scan = o.kind == T_LBRACKET && before == T_SCAN;
  if (o.block)
    o.outside = s->scan_indent ? s->scan_indent - 1 : s->indent;
  o.inside = o.outside + STEP;
  s->formals |= o.kind == T_LPAREN && token(f, i)->depth == token(f, s->first)->depth;
  vec_push(f->a, &f->open, o);
  if (o.block) {
    s->scan_indent = 0;
    vec_push(f->a, &f->stmts, (FmtStmt){.first = i, .line = -1});
  }
}

static void close_bracket(Fmt *f) {
  FmtOpen o = f->open.v[--f->open.n];
  f->contracted = o.contracts;
  f->after_scan = o.scan;
  f->stmts.n -= o.block;
}

static void put_token(Fmt *f, int i, bool first_of_line) {
  const Token *t = token(f, i);
  FmtLine *l = line(f);
  FmtStmt *s = statement(f);
  bool column = s->line == f->lines.n - 1 && t->depth == token(f, s->first)->depth &&
                fmt_begins_column(f, l, i);
  if (column)
    l->ncell = t->kind == T_TAG ? FMT_COLUMNS : l->ncell + 1;
  else if (!first_of_line && fmt_blank(f, i))
    put(f, " ", 1);
  put(f, f->t->src->text + t->lo, t->hi - t->lo);
}

static void bracket(Fmt *f, int i) {
  TokClass c = token_class(token(f, i)->kind);
  if (token(f, i)->kind == T_SCAN)
    statement(f)->scan_indent = line(f)->indent + 1;
  if (c == OPEN)
    open_bracket(f, i);
  f->contracted = f->after_scan = false;
  if (c == CLOSE)
    close_bracket(f);
}

static void step(Fmt *f, int i, uint32_t from) {
  const Token *t = token(f, i);
  bool closes = token_class(t->kind) == CLOSE;
  int indent = indentation(f, i);
  FmtGap g = between(f, from, t->lo, closes ? inside(f) : indent);
  bool first = g.newlines || !f->lines.n;
  if (!first && g.semicolon && !closes && token(f, f->last)->kind != T_LBRACE)
    put_semicolon(f);
  if (first && goes_on_plainly(f, i) && t->kind != T_PIPE)
    statement(f)->went_on = true;
  if (first)
    new_line(f, indent, g.newlines > 1);
  if (fmt_starts(f, i) && !closes)
    start_statement(f, i, first);
  put_token(f, i, first);
  bracket(f, i);
  fmt_passed(f, i);
  f->last = i;
}

static void lines_of(Fmt *f) {
  uint32_t from = f->t->src->size >= 3 && !memcmp(f->t->src->text, "\xef\xbb\xbf", 3) ? 3 : 0;
  vec_push(f->a, &f->stmts, (FmtStmt){.line = -1});
  for (int i = 0; i < f->t->list.n; i++) {
    const Token *t = token(f, i);
    if (t->kind == T_EOL || t->kind == T_EOF)
      continue;
    step(f, i, from);
    from = t->hi;
  }
  between(f, from, (uint32_t)f->t->src->size, 0);
}

// ---- what was made is what was there
// The next token that tells something: ends of statements at the ends of blocks and of the file do not.
static const Token *next_token(const Tokens *t, int *at) {
  for (;; ++*at) {
    const Token *k = &t->list.v[*at];
    TokKind before = *at ? k[-1].kind : T_LBRACE;
    if (k->kind != T_EOL || (before != T_LBRACE && k[1].kind != T_RBRACE && k[1].kind != T_EOF))
      return ++*at, k;
  }
}

static bool same_token(const Tokens *x, const Token *p, const Tokens *y, const Token *q) {
  return p->kind == q->kind &&
         (p->kind == T_EOL || (p->hi - p->lo == q->hi - q->lo &&
                               !memcmp(x->src->text + p->lo, y->src->text + q->lo, p->hi - p->lo)));
}

static bool same_tokens(const Tokens *x, const Tokens *y) {
  for (int i = 0, j = 0;;) {
    const Token *p = next_token(x, &i), *q = next_token(y, &j);
    if (!same_token(x, p, y, q))
      return false;
    if (p->kind == T_EOF)
      return true;
  }
}

static bool is_filler(char c) {
  return c && strchr(" \t\r\n;", c);
}

// Comments included.
static bool same_letters(const char *x, const char *y) {
  x += strncmp(x, "\xef\xbb\xbf", 3) ? 0 : 3;
  for (;; x++, y++) {
    while (is_filler(*x))
      x++;
    while (is_filler(*y))
      y++;
    if (*x != *y || !*x)
      return *x == *y;
  }
}

static bool too_large(Diags *diags, const Source *src, size_t n) {
  if (n > SOURCE_MAX)
    diag_error(diags, ERR_FILE_TOO_LARGE, (Span){src, 0, 0},
               "formatted, the file is larger than 4 MiB");
  return n > SOURCE_MAX;
}

char *fmt_text(Arena *a, Intern *names, Diags *diags, const Source *src) {
  Diags none = {.arena = a};
  int before = diags->errors;
  parse_file(a, names, diags, src);
  if (diags->errors > before)
    return NULL;
  Fmt f = {.a = a, .t = lex(a, names, &none, src, false), .last = -1};
  lines_of(&f);
  char *text = fmt_render(a, &f.lines);
  size_t n = strlen(text);
  if (too_large(diags, src, n))
    return NULL;
  const Tokens *made = lex(a, names, &none, source_new(a, src->path, text, n), false);
  if (none.errors || !same_tokens(f.t, made) || !same_letters(src->text, text))
    BUG("formatting %s would change what it says", src->path);
  return text;
}
