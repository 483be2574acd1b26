// The lexer: one pass over the text with a stack of open brackets.  See lex.h.
#include "compiler/syntax/lex.h"
#include "base/utf8.h"
#include "compiler/syntax/habits.h"
#include <stdio.h>
#include <string.h>

enum { BAD_UTF8_SHOWN = 5, UNCLOSED_SHOWN = 4 }; // reports of one kind from one cause

static const struct {
  const char *text;
  TokClass class;
} kinds[] = {
#define TOKEN(name, text, class) [name] = {text, class},
#include "compiler/syntax/tokens.def"
#undef TOKEN
};

const char *token_text(TokKind k) {
  return kinds[k].text;
}

TokClass token_class(TokKind k) {
  return kinds[k].class;
}

typedef struct Open {
  int token;
  bool doubted; // a closing bracket of the wrong kind was reported against it
} Open;
typedef struct Lexer {
  Arena *arena;
  Intern *names;
  Diags *diags;
  const Source *src;
  const char *s;
  uint32_t at, size;
  bool partial;
  VEC(Open) open;
  Tokens *out;
} Lexer;

static Diag *error(Lexer *l, int code, uint32_t lo, uint32_t hi, const char *text) {
  l->out->bad = true;
  return diag_error(l->diags, code, (Span){l->src, lo, hi}, "%s", text);
}

static char peek(const Lexer *l, uint32_t ahead) {
  return l->at + ahead < l->size ? l->s[l->at + ahead] : '\0';
}

static bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_word(char c) {
  return is_alpha(c) || (c >= '0' && c <= '9');
}

static Token *emit(Lexer *l, TokKind kind, uint32_t lo, uint32_t hi) {
  bool start = lo < l->size && (lo == 0 || l->s[lo - 1] == '\n');
  vec_push(l->arena, &l->out->list,
           (Token){.kind = (uint8_t)kind,
                   .lo = lo,
                   .hi = hi,
                   .depth = (uint32_t)l->open.n,
                   .line_start = start});
  return &l->out->list.v[l->out->list.n - 1];
}

static TokKind last(const Lexer *l) {
  return l->out->list.n ? l->out->list.v[l->out->list.n - 1].kind : T_EOL;
}

static void emit_eol(Lexer *l, uint32_t lo, uint32_t hi) {
  if (last(l) != T_EOL)
    emit(l, T_EOL, lo, hi);
}

static void emit_bad(Lexer *l, uint32_t lo, uint32_t hi) {
  emit(l, T_BAD, lo, hi)->reported = true;
}

// ---- brackets
static TokKind partner(TokKind k) {
  switch (k) {
  case T_LPAREN: return T_RPAREN;
  case T_LBRACKET: return T_RBRACKET;
  case T_LBRACE: return T_RBRACE;
  case T_RPAREN: return T_LPAREN;
  case T_RBRACKET: return T_LBRACKET;
  default: return T_LBRACE;
  }
}

static TokKind opener(const Lexer *l, int i) {
  return l->out->list.v[l->open.v[i].token].kind;
}

// Innermost open bracket; T_EOF when none is.
static TokKind innermost(const Lexer *l) {
  return l->open.n ? opener(l, l->open.n - 1) : T_EOF;
}

// Reports and closes all brackets inside the first `keep` before `what`, as if their partners stood
// here.
static void close_to(Lexer *l, int keep, const char *what, uint32_t lo, uint32_t hi) {
  if (l->open.n == keep)
    return;
  for (int shown = 0; l->open.n > keep; shown++) {
    Open o = l->open.v[--l->open.n];
    Token t = l->out->list.v[o.token];
    l->out->list.v[o.token].reported = true;
    l->out->bad = true;
    if (shown < UNCLOSED_SHOWN && !o.doubted) {
      Diag *g = diag_error(l->diags, ERR_BRACKET_NOT_CLOSED, (Span){l->src, t.lo, t.hi},
                           "`%s` is never closed", token_text(t.kind));
      diag_label(l->diags, g, (Span){l->src, lo, hi}, "%s comes first", what);
    }
    emit(l, partner(t.kind), l->at, l->at)->reported = true;
  }
  emit_eol(l, l->at, l->at);
  l->out->list.v[l->out->list.n - 1].reported = true;
}

static void close_nothing(Lexer *l, TokKind kind) {
  Diag *g = error(l, ERR_BRACKET_CLOSES_NOTHING, l->at, l->at + 1,
                  arena_printf(l->arena, "`%s` closes nothing", token_text(kind)));
  if (l->open.n) {
    Open *o = &l->open.v[l->open.n - 1];
    const Token *t = &l->out->list.v[o->token];
    o->doubted = kind != T_RBRACE && t->kind != T_LBRACE;
    if (o->doubted)
      diag_label(l->diags, g, (Span){l->src, t->lo, t->hi}, "the innermost open bracket");
  }
  emit_bad(l, l->at, l->at + 1);
}

static void close_bracket(Lexer *l, TokKind kind) {
  int i = l->open.n - 1;
  while (i >= 0 && opener(l, i) != partner(kind) && (kind == T_RBRACE || opener(l, i) != T_LBRACE))
    i--;
  if (i < 0 || opener(l, i) != partner(kind)) {
    close_nothing(l, kind);
    return;
  }
  int inside = l->out->list.n;
  close_to(l, i + 1, arena_printf(l->arena, "`%s`", token_text(kind)), l->at, l->at + 1);
  if (kind != T_RBRACE && l->out->list.n > inside)
    l->out->list.n--; // the statement goes on after `)` and `]`
  l->open.n--;
  emit(l, kind, l->at, l->at + 1);
}

// ---- blanks and ends of lines
// Takes blanks, comments and newlines; the first newline among them may end a statement.
static void blanks(Lexer *l) {
  bool newline = false;
  uint32_t place = 0;
  for (; l->at < l->size; l->at++) {
    char c = l->s[l->at];
    if (c == '#') {
      while (l->at + 1 < l->size && l->s[l->at + 1] != '\n')
        l->at++;
    } else if (c == '\n') {
      place = newline ? place : l->at;
      newline = true;
    } else if (c != ' ' && c != '\t' && c != '\r') {
      break;
    }
  }
  TokClass c = token_class(last(l));
  bool ends = c == ENDER || c == CLOSE || c == WORD || c == DECL || last(l) == T_BAD;
  TokKind in = innermost(l);
  if (newline && ends && in != T_LPAREN && in != T_LBRACKET &&
      !(peek(l, 0) == '|' && peek(l, 1) == '>'))
    emit_eol(l, place, place + 1);
}

static void semicolon(Lexer *l) {
  TokKind in = innermost(l);
  if (in == T_LPAREN || in == T_LBRACKET) {
    const Token *t = &l->out->list.v[l->open.v[l->open.n - 1].token];
    int line, col;
    span_pos((Span){l->src, t->lo, t->hi}, &line, &col);
    Diag *g =
        error(l, ERR_SEMICOLON_INSIDE, l->at, l->at + 1,
              arena_printf(l->arena, "`;` inside `%s` opened at %d:%d", token_text(in), line, col));
    diag_label(l->diags, g, (Span){l->src, t->lo, t->hi}, "opened here");
    emit_bad(l, l->at, l->at + 1);
  } else {
    emit_eol(l, l->at, l->at + 1);
  }
  l->at++;
}

// ---- tokens
static void string(Lexer *l) {
  uint32_t lo = l->at, hi = lo + 1;
  while (hi < l->size && l->s[hi] != '"' && l->s[hi] != '\n')
    hi++;
  bool closed = hi < l->size && l->s[hi] == '"';
  if (!closed) {
    error(l, ERR_STRING_NOT_CLOSED, lo, hi, "string is not closed on its line");
    for (int i = l->open.n - 1; i >= 0 && opener(l, i) != T_LBRACE; i--)
      l->open.v[i].doubted = true; // the string may have swallowed its partner
  }
  Token *t = emit(l, T_STR, lo, hi + closed);
  t->reported = !closed;
  t->s = arena_strndup(l->arena, l->s + lo + 1, hi - lo - 1);
  l->at = hi + closed;
}

// `2x`, `1.`, `1.0f`
static void number_help(Lexer *l, Diag *g, const char *s, int n) {
  int digits = (int)strspn(s, "0123456789.");
  digits = digits < n ? digits : n;
  bool suffix = n - digits == 1 && strchr("fFdDlLuU", s[digits]);
  if (digits == n && s[n - 1] == '.')
    diag_help(l->diags, g, "write `%.*s0`", n, s);
  else if (suffix && s[digits - 1] != '.')
    diag_help(l->diags, g, "write `%.*s`: numbers take the dtype of what they meet", digits, s);
  else if (is_alpha(s[digits]) && s[digits] != 'e' && s[0] != '0' && s[digits - 1] != '.')
    diag_help(l->diags, g, "write `%.*s * %.*s`: a product has its sign", digits, s, n - digits,
              s + digits);
}

static void number(Lexer *l) {
  Num *num = NEW(l->arena, Num);
  NumberFault fault;
  uint32_t lo = l->at, n = lex_number(l->s + lo, l->size - lo, num, &fault);
  if (fault.code) {
    int shown = n < 40 ? (int)n : 40;
    Diag *g = error(l, fault.code, lo, lo + n,
                    arena_printf(l->arena, "bad number `%.*s`", shown, l->s + lo));
    diag_primary(l->diags, g, "%s", fault.why);
    number_help(l, g, l->s + lo, shown);
  }
  Token *t = emit(l, T_NUM, lo, lo + n);
  t->reported = fault.code != 0;
  t->num = num;
  l->at += n;
}

static TokKind reserved(const char *s, uint32_t n, DType *dtype) {
  for (int k = 0; k < T_KIND_COUNT; k++)
    if ((kinds[k].class == WORD || kinds[k].class == DECL) && strlen(kinds[k].text) == n &&
        !memcmp(kinds[k].text, s, n))
      return (TokKind)k;
  for (int d = 0; d < DT_COUNT; d++) {
    const char *name = dtype_name((DType)d);
    if (d != DT_I64 && strlen(name) == n && !memcmp(name, s, n)) {
      *dtype = (DType)d;
      return T_DTYPE;
    }
  }
  return T_NAME;
}

static void word(Lexer *l) {
  uint32_t lo = l->at, hi = lo + 1;
  while (hi < l->size && is_word(l->s[hi]))
    hi++;
  DType dtype = DT_BOOL;
  TokKind kind = reserved(l->s + lo, hi - lo, &dtype);
  bool start = lo == 0 || l->s[lo - 1] == '\n';
  if (start && token_class(kind) == DECL)
    close_to(l, 0, "a declaration", lo, hi);
  Token *t = emit(l, kind, lo, hi);
  t->s = intern_n(l->names, l->s + lo, hi - lo);
  t->dtype = dtype;
  l->at = hi;
}

static void tag(Lexer *l) {
  uint32_t lo = l->at, hi = lo + 1;
  while (hi < l->size && is_word(l->s[hi]))
    hi++;
  emit(l, T_TAG, lo, hi)->s = intern_n(l->names, l->s + lo + 1, hi - lo - 1);
  l->at = hi;
}

// What a pasted typographic character was meant to be; NULL: no idea.
static const char *meant(int32_t c) {
  static const struct {
    int32_t c;
    const char *ascii;
  } table[] = {
      {0x2212, "-"},   {0x2013, "-"},  {0x2014, "-"},  {0xd7, "*"},       {0xb7, "*"},
      {0xf7, "/"},     {0x2264, "<="}, {0x2265, ">="}, {0x2260, "!="},    {0x2192, "->"},
      {0x2194, "<->"}, {0x201c, "\""}, {0x201d, "\""}, {0xa0, "a space"}, {0x2026, "..."},
  };
  for (int i = 0; i < COUNT(table); i++)
    if (table[i].c == c)
      return table[i].ascii;
  return NULL;
}

// 'text': taken for the string that it is.
static bool quoted(Lexer *l) {
  uint32_t lo = l->at, hi = lo + 1;
  while (hi < l->size && l->s[hi] != '\'' && l->s[hi] != '\n' && l->s[hi] != '"')
    hi++;
  if (hi >= l->size || l->s[hi] != '\'')
    return false;
  const char *text = arena_strndup(l->arena, l->s + lo + 1, hi - lo - 1);
  Diag *g = error(l, ERR_STRAY_CHARACTER, lo, hi + 1, "stray character `'`");
  diag_help(l->diags, g, "write `\"%.40s\"`: a string stands in `\"`", text);
  emit(l, T_STR, lo, hi + 1)->s = text;
  l->at = hi + 1;
  return true;
}

// The name that a blank or nothing parts from here; "" where none does.
static const char *name_at(Lexer *l, uint32_t at) {
  while (at < l->size && l->s[at] == ' ')
    at++;
  uint32_t end = at;
  while (end < l->size && is_word(l->s[end]))
    end++;
  return is_alpha(l->s[at]) ? arena_strndup(l->arena, l->s + at, end - at) : "";
}

// `a && b`, `!a` with the names around the sign; NULL: there are none.
static const char *sign_line(Lexer *l, char c, uint32_t behind) {
  const Token *before = l->out->list.n ? &l->out->list.v[l->out->list.n - 1] : NULL;
  const char *b = name_at(l, behind), *word = c == '&' ? "and" : c == '|' ? "or" : NULL;
  if (c == '!' && *b)
    return arena_printf(l->arena, "not %s", b);
  if (!word || !*b || !before || before->kind != T_NAME || (c == '|' && behind == l->at + 1))
    return NULL;
  return arena_printf(l->arena, "%s %s %s", before->s, word, b);
}

static void stray(Lexer *l) {
  uint32_t lo = l->at, hi = lo + 1;
  unsigned char c = (unsigned char)l->s[lo];
  if (c >= 0x80) {
    int32_t point = 0;
    size_t n = utf8_read(l->s + lo, l->size - lo, &point);
    while (hi < l->size && (unsigned char)l->s[hi] >= 0x80)
      hi++;
    if (n) { // else not UTF-8: reported at the start
      Diag *g =
          error(l, ERR_NOT_ASCII, lo, hi,
                arena_printf(l->arena,
                             "`%.*s` (U+%04X) outside a string or comment: only ASCII stands here",
                             (int)n, l->s + lo, (unsigned)point));
      if (meant(point))
        diag_help(l->diags, g, "write `%s`", meant(point));
    }
  } else if (c < 0x20 || c == 0x7f) {
    error(l, ERR_STRAY_CHARACTER, lo, hi, arena_printf(l->arena, "stray character 0x%02x", c));
  } else {
    if (c == '\'' && quoted(l))
      return;
    hi += (c == '&' || c == '|') && peek(l, 1) == (char)c; // `&&`, `||`
    Diag *g =
        error(l, ERR_STRAY_CHARACTER, lo, hi, arena_printf(l->arena, "stray character `%c`", c));
    const char *help = habit_why(HABIT_SIGN, arena_printf(l->arena, "%c", c)),
               *line = sign_line(l, (char)c, hi);
    if (line)
      diag_help(l->diags, g, "write `%s`", line);
    else if (help)
      diag_help(l->diags, g, "%s", help);
  }
  emit_bad(l, lo, hi);
  l->at = hi;
}

static void operator_or_bracket(Lexer *l) {
  for (int k = 0; k < T_KIND_COUNT; k++) {
    TokClass c = kinds[k].class;
    size_t n = strlen(kinds[k].text);
    if ((c != OPERATOR && c != OPEN && c != CLOSE) || n > l->size - l->at ||
        memcmp(l->s + l->at, kinds[k].text, n))
      continue;
    if (c == CLOSE) {
      close_bracket(l, (TokKind)k);
    } else {
      emit(l, (TokKind)k, l->at, l->at + (uint32_t)n);
      if (c == OPEN)
        vec_push(l->arena, &l->open, (Open){l->out->list.n - 1, false});
    }
    l->at += (uint32_t)n;
    return;
  }
  stray(l);
}

// ---- comments of other languages: skipped, so that what follows is read
// Nothing but blanks before it on its line.
static bool at_line_start(const Lexer *l) {
  uint32_t i = l->at;
  while (i > 0 && (l->s[i - 1] == ' ' || l->s[i - 1] == '\t'))
    i--;
  return i == 0 || l->s[i - 1] == '\n';
}

// Words behind one another are no expression.  `s` ends with NUL.
static bool is_prose(const char *s) {
  while (*s == ' ')
    s++;
  while (is_alpha(*s))
    s++;
  return *s == ' ' && is_alpha(s[1]);
}

static uint32_t line_rest(const Lexer *l, uint32_t at) {
  uint32_t i = at;
  while (i < l->size && l->s[i] != '\n')
    i++;
  return i - at;
}

// `// text`, `-- text`
static uint32_t line_comment(const Lexer *l, bool minus) {
  bool first = at_line_start(l), prose = is_prose(l->s + l->at + 2),
       apart = l->at > 1 && l->s[l->at - 1] == ' ' && l->s[l->at - 2] == ' ';
  return (minus ? first && prose : first || apart || prose) ? line_rest(l, l->at) : 0;
}

// Up to the closing sign; of what is never closed up to the end.
static uint32_t long_comment(const Lexer *l, const char *open, const char *close) {
  const char *s = l->s + l->at, *end = strstr(s + strlen(open), close);
  return end ? (uint32_t)(end + strlen(close) - s) : l->size - l->at;
}

// How long the comment is; 0: none starts here.
static uint32_t foreign_comment(const Lexer *l) {
  char a = peek(l, 0), b = peek(l, 1);
  if ((a == '/' || a == '-') && b == a)
    return line_comment(l, a == '-');
  if (a == '/' && b == '*')
    return long_comment(l, "/*", "*/");
  bool quoted = a == '"' && b == a && peek(l, 2) == a && at_line_start(l);
  return quoted ? long_comment(l, "\"\"\"", "\"\"\"") : 0;
}

static void skip_comment(Lexer *l, uint32_t n) {
  uint32_t mark = l->s[l->at] == '"' ? 3 : 2, shown = line_rest(l, l->at + mark), blank = 0;
  Diag *g = error(l, ERR_STRAY_CHARACTER, l->at, l->at + mark,
                  arena_printf(l->arena, "`%.*s` starts no comment here", (int)mark, l->s + l->at));
  shown = shown < n - mark ? shown : n - mark;
  while (blank < shown && l->s[l->at + mark + blank] == ' ')
    blank++;
  bool short_line = shown == n - mark && shown < 60 && l->s[l->at] != '"' && peek(l, 1) != '*';
  diag_help(l->diags, g,
            short_line ? "a comment starts with `#`: `# %.*s`"
                       : "a comment starts with `#`, on each of its lines",
            (int)(shown - blank), l->s + l->at + mark + blank);
  l->at += n;
}

static void token(Lexer *l) {
  char c = peek(l, 0);
  uint32_t comment = c == '/' || c == '-' || c == '"' ? foreign_comment(l) : 0;
  if (comment)
    skip_comment(l, comment);
  else if (c == ';')
    semicolon(l);
  else if (c == '"')
    string(l);
  else if (c >= '0' && c <= '9')
    number(l);
  else if (is_alpha(c))
    word(l);
  else if (c == '@' && is_alpha(peek(l, 1)))
    tag(l);
  else
    operator_or_bracket(l);
}

// ---- the whole text
static void check_utf8(Lexer *l) {
  int shown = 0;
  for (uint32_t i = 0; i < l->size && shown < BAD_UTF8_SHOWN;) {
    size_t n = utf8_char(l->s + i, l->size - i);
    if (n) {
      i += (uint32_t)n;
      continue;
    }
    error(l, ERR_NOT_UTF8, i, i + 1,
          arena_printf(l->arena, "not UTF-8: byte 0x%02x", (unsigned char)l->s[i]));
    shown++;
    while (i < l->size && (unsigned char)l->s[i] >= 0x80)
      i++;
  }
}

static void finish(Lexer *l) {
  if (l->partial && !l->out->bad && (l->open.n || token_class(last(l)) == OPERATOR)) {
    l->out->incomplete = true;
    l->open.n = 0;
  }
  close_to(l, 0, "the end of the file", l->size, l->size);
  emit_eol(l, l->size, l->size);
  emit(l, T_EOF, l->size, l->size);
}

// A file with a zero byte is of another kind: one error instead of one for each of its bytes.
static void not_text(Lexer *l, uint32_t at) {
  Diag *g = error(l, ERR_NOT_TEXT, at, at + 1, "not text: the file holds a zero byte");
  diag_help(l->diags, g, "`bigsc inspect FILE` tells what weights and compiled models hold");
}

Tokens *lex(Arena *a, Intern *names, Diags *diags, const Source *src, bool partial) {
  Lexer l = {
      .arena = a, .names = names, .diags = diags, .src = src, .s = src->text, .partial = partial};
  l.out = NEW(a, Tokens);
  l.out->src = src;
  const char *zero = memchr(src->text, 0, src->size);
  if (src->size > SOURCE_MAX)
    error(&l, ERR_FILE_TOO_LARGE, 0, 0, "the file is larger than 4 MiB");
  else if (zero)
    not_text(&l, (uint32_t)(zero - src->text));
  else
    l.size = (uint32_t)src->size;
  check_utf8(&l);
  if (l.size >= 3 && !memcmp(l.s, "\xef\xbb\xbf", 3))
    l.at = 3; // a byte order mark
  for (blanks(&l); l.at < l.size; blanks(&l))
    token(&l);
  finish(&l);
  return l.out;
}

static const char *kind_name(TokKind k) {
  static const char *const names[] = {
#define TOKEN(name, text, class) [name] = #name,
#include "compiler/syntax/tokens.def"
#undef TOKEN
  };
  return names[k] + 2;
}

char *tokens_print(Arena *a, const Tokens *t) {
  VEC(char) text = {0};
  for (int i = 0; i < t->list.n; i++) {
    const Token *k = &t->list.v[i];
    int line, col;
    span_pos((Span){t->src, k->lo, k->hi}, &line, &col);
    bool shown = k->kind != T_EOL && k->kind != T_EOF && k->hi > k->lo;
    const char *row =
        arena_printf(a, "%d:%d %s%s%.*s\n", line, col, kind_name(k->kind), shown ? " " : "",
                     shown ? (int)(k->hi - k->lo) : 0, t->src->text + k->lo);
    for (const char *p = row; *p; p++)
      vec_push(a, &text, *p);
  }
  vec_push(a, &text, '\0');
  return text.v;
}
