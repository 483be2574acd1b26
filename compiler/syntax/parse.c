// The parser's core: tokens, errors, blocks and recovery, whole files, the REPL's lines.
#include "compiler/syntax/habits.h"
#include "compiler/syntax/parse_internal.h"
#include <string.h>

static const Token stop = {.kind = T_BAD, .reported = true};

const Token *peek(const Parser *p, int ahead) {
  if (p->panic)
    return &stop;
  int i = p->at + ahead;
  return &p->tok[i < p->ntok ? i : p->ntok - 1];
}

const Token *advance(Parser *p) {
  const Token *t = peek(p, 0);
  if (!p->panic && p->at < p->ntok - 1)
    p->at++;
  return t;
}

bool is_word(const Parser *p, const char *s) {
  const Token *t = peek(p, 0);
  return t->kind == T_NAME && !strcmp(t->s, s);
}

bool accept(Parser *p, TokKind k) {
  if (!is(p, k))
    return false;
  advance(p);
  return true;
}

Span tok_span(const Parser *p, const Token *t) {
  return (Span){p->src, t->lo, t->hi};
}

Span since(const Parser *p, int first) {
  int end = p->at > first ? p->at - 1 : first;
  return (Span){p->src, p->tok[first].lo, p->tok[end].hi};
}

const char *found(const Parser *p, const Token *t) {
  if (t->kind == T_EOL && t->hi > t->lo && p->src->text[t->lo] == ';')
    return "`;`";
  if (t->kind == T_EOL || t->kind == T_EOF)
    return token_text(t->kind);
  if (t->kind == T_STR)
    return "a string";
  int n = (int)(t->hi - t->lo);
  return arena_printf(p->arena, "`%.*s`", n < 60 ? n : 60, p->src->text + t->lo);
}

// ---- errors
bool item_reported(const Parser *p, const Token *upto) {
  for (const Token *k = p->tok + p->item; k <= upto; k++)
    if (k->reported)
      return true;
  return false;
}

Diag *fail(Parser *p, int code, const Token *t, const char *fmt, ...) {
  if (p->panic)
    return NULL;
  p->panic = p->bad = true;
  if (p->told == p->item || item_reported(p, t)) // which may well have caused this one
    return NULL;
  va_list ap;
  va_start(ap, fmt);
  const char *text = arena_vprintf(p->arena, fmt, ap);
  va_end(ap);
  return diag_error(p->diags, code, tok_span(p, t), "%s", text);
}

Diag *fail_expected(Parser *p, const char *what, const char *where) {
  if (p->panic)
    return NULL;
  const Token *t = peek(p, 0), *next = peek(p, 1);
  Diag *g = fail(p, ERR_EXPECTED, t, "expected %s%s, found %s", what, where, found(p, t));
  if (t->kind == T_EOL && next->kind == T_LBRACE)
    diag_help(p->diags, g, "`{` stands at the end of its header's line");
  else if (t->kind == T_EOL && token_class(next->kind) == OPERATOR)
    diag_help(p->diags, g, "end the line with %s: what follows goes on on the next",
              found(p, next));
  return g;
}

void expect(Parser *p, TokKind k, const char *where) {
  if (!accept(p, k))
    fail_expected(p, arena_printf(p->arena, "`%s`", token_text(k)), where);
}

Name expect_name(Parser *p, const char *what) {
  const Token *t = peek(p, 0);
  TokClass c = token_class(t->kind);
  if (t->kind == T_NAME) {
    advance(p);
    return (Name){t->s, tok_span(p, t)};
  }
  if (c == WORD || c == DECL || t->kind == T_DTYPE)
    fail(p, ERR_RESERVED, t, "`%s` is a reserved word, not %s", t->s, what);
  else
    fail_expected(p, what, "");
  return (Name){NULL, tok_span(p, t)};
}

Str expect_string(Parser *p) {
  const Token *t = peek(p, 0);
  if (!accept(p, T_STR)) {
    fail_expected(p, "a string", "");
    return (Str){"", tok_span(p, t)};
  }
  return (Str){t->s, tok_span(p, t)};
}

bool deeper(Parser *p) {
  if (p->nesting++ < AST_MAX_NESTING)
    return true;
  fail(p, ERR_TOO_DEEP, peek(p, 0), "nested too deeply: more than %d levels", AST_MAX_NESTING);
  return false;
}

// ---- blocks and recovery
static bool starts_item(const Token *t) {
  TokClass c = token_class(t->kind);
  return c == WORD || c == DECL || t->kind == T_NAME || t->kind == T_DTYPE || t->kind == T_NUM ||
         t->kind == T_STR || t->kind == T_LPAREN || t->kind == T_RBRACE || t->kind == T_EOF;
}

// Skips to the end of the item in a block whose inside has `depth` open brackets, or to the block's
// `}`.  A line that cannot start an item belongs to the broken one.
static void recover(Parser *p, uint32_t depth) {
  p->panic = false;
  for (;; p->at++) {
    const Token *t = &p->tok[p->at];
    if (t->kind == T_EOF || (t->kind == T_RBRACE && t->depth < depth))
      return;
    if (t->kind == T_EOL && t->depth == depth && starts_item(&p->tok[p->at + 1]))
      return;
  }
}

static const char *stray_help(const Token *t) {
  switch (t->kind) {
  case T_PLUS:
  case T_MINUS:
  case T_STAR:
  case T_SLASH:
  case T_CARET:
  case T_AT: return " (put a pipeline that goes on in parentheses)";
  case T_EQ:
  case T_NE:
  case T_LT:
  case T_LE:
  case T_GT:
  case T_GE: return " (comparisons do not chain)";
  default: return "";
  }
}

// `return x`, `a and b`: the first word is a name of its own, and then the line should end.
static const char *word_help(const Parser *p) {
  const Token *t = peek(p, 0), *before = &p->tok[p->at - (p->at > p->item)];
  const char *help = t->kind == T_NAME ? habit_why(HABIT_WORD, t->s) : NULL;
  return help || before->kind != T_NAME ? help : habit_why(HABIT_WORD, before->s);
}

static const char *compared_help(const Token *t) {
  bool order = t->kind == T_LT || t->kind == T_LE || t->kind == T_GT || t->kind == T_GE;
  return order ? "write `a < b and b < c`" : NULL;
}

static void end_of_item(Parser *p) {
  if (is(p, T_RBRACE) || is(p, T_EOF) || accept(p, T_EOL) || p->panic)
    return;
  const Token *t = peek(p, 0);
  if (t->kind == T_LBRACE)
    fail(p, ERR_EXPECTED, t, "`{` does not belong here: it stands at the end of its header's line");
  else {
    const char *help = word_help(p);
    help = help ? help : item_end_help(p, t - (p->at > p->item));
    help = help || !*stray_help(t) ? help : compared_help(t);
    Diag *g =
        fail(p, ERR_EXPECTED, t, "expected end of line, found %s%s", found(p, t), stray_help(t));
    if (help)
      diag_help(p->diags, g, "%s", help);
  }
}

Span parse_block(Parser *p, ParseItem *item, void *out) {
  int first = p->at, outer = p->item;
  uint32_t depth = peek(p, 0)->depth + 1;
  expect(p, T_LBRACE, "");
  if (p->panic)
    return since(p, first);
  if (deeper(p)) {
    for (;;) {
      while (accept(p, T_EOL))
        ;
      if (is(p, T_RBRACE) || is(p, T_EOF))
        break;
      p->item = p->at;
      item(p, out, false);
      end_of_item(p);
      if (p->panic) {
        recover(p, depth);
        item(p, out, true);
      }
    }
  }
  p->nesting--;
  p->item = outer;
  expect(p, T_RBRACE, "");
  return since(p, first);
}

// ---- a whole file
static Parser parser_new(Arena *a, Intern *names, Diags *diags, const Source *src,
                         const Tokens *t) {
  Parser p = {
      .arena = a, .names = names, .diags = diags, .src = src, .tok = t->list.v, .ntok = t->list.n};
  p.bad = t->bad;
  p.told = -1;
  p.poison = NEW(a, Expr);
  p.poison->kind = EX_BOOL;
  p.poison->height = 1;
  p.no_type = NEW(a, Type);
  p.no_type->dtype = DT_F32;
  return p;
}

// To a declaration at the start of a line.
static void recover_top(Parser *p) {
  p->panic = false;
  for (p->at += p->at < p->ntok - 1; !is(p, T_EOF); p->at++)
    if (peek(p, 0)->depth == 0 && peek(p, 0)->line_start && at_decl(p))
      return;
}

// file = { decl EOL }
File *parse_file(Arena *a, Intern *names, Diags *diags, const Source *src) {
  Parser p = parser_new(a, names, diags, src, lex(a, names, diags, src, false));
  File *f = NEW(a, File);
  f->src = src;
  for (;;) {
    while (accept(&p, T_EOL))
      ;
    if (is(&p, T_EOF))
      break;
    p.item = p.at;
    Decl *d = parse_decl(&p);
    end_of_item(&p);
    if (p.panic) {
      decl_lost(&p, d);
      recover_top(&p);
    }
    vec_push(a, &f->decls, d);
  }
  f->bad = p.bad;
  return f;
}

// ---- parts of a file
// At the REPL `init` and `tokenizer` declare only before what cannot follow a value.
static bool repl_decl(const Parser *p) {
  if (is(p, T_NAME) && token_class(peek(p, 1)->kind) != ENDER)
    return false;
  return at_decl(p);
}

static bool is_call(const Stmt *s) {
  return s && (s->kind == ST_EXPR || s->kind == ST_BIND) && s->value->kind == EX_CALL;
}

ReplInput *parse_repl(Arena *a, Intern *names, Diags *diags, const Source *src) {
  ReplInput *in = NEW(a, ReplInput);
  const Tokens *t = lex(a, names, diags, src, true);
  if ((in->incomplete = t->incomplete))
    return in;
  Parser p = parser_new(a, names, diags, src, t);
  for (;;) {
    while (accept(&p, T_EOL))
      ;
    if (is(&p, T_EOF))
      break;
    p.item = p.at;
    ReplItem item = {0};
    if (repl_decl(&p))
      item.decl = parse_decl(&p);
    else if (at_literal(&p))
      item.literal = parse_literal(&p);
    else
      item.stmt = parse_stmt(&p, NEW(a, Stmt));
    if ((item.literal || is_call(item.stmt)) && accept(&p, T_COLON))
      item.type = parse_type(&p);
    end_of_item(&p);
    if (p.panic)
      recover(&p, 0);
    else
      vec_push(a, &in->items, item);
  }
  in->bad = p.bad;
  return in;
}

Expr *parse_expr_text(Arena *a, Intern *names, Diags *diags, const Source *src) {
  Parser p = parser_new(a, names, diags, src, lex(a, names, diags, src, false));
  Expr *e = parse_expr(&p);
  end_of_item(&p);
  if (!p.panic && !is(&p, T_EOF))
    fail_expected(&p, "one expression", "");
  return p.bad ? NULL : e;
}
