// Where blanks stand between two tokens of one line.
#include "compiler/syntax/fmt_internal.h"
#include <string.h>

static const Token *token(const Fmt *f, int i) {
  return &f->t->list.v[i];
}

bool fmt_starts(const Fmt *f, int i) {
  if (!i || token(f, i - 1)->kind == T_EOL)
    return true;
  return f->open.n && f->open.v[f->open.n - 1].block && token(f, i - 1)->kind == T_LBRACE;
}

bool fmt_is_block(const Fmt *f, int i) {
  TokKind before = i ? token(f, i - 1)->kind : T_EOL;
  return before != T_DOT && before != T_LPAREN && before != T_COMMA && !fmt_starts(f, i);
}

// A word of the grammar that is a name elsewhere: behind an operand it stands between two.
static bool joins(const Fmt *f, int i) {
  static const char *const words[] = {"as", "then", "or", "and", "if", "else"};
  if (token(f, i)->kind != T_NAME || f->operand)
    return false;
  for (int k = 0; k < COUNT(words); k++)
    if (!strcmp(token(f, i)->s, words[k]))
      return true;
  return false;
}

// `init -0.5`, `if (...)`: begins a statement, and is no function.
static bool leads(const Fmt *f, int i) {
  const Token *t = token(f, i);
  return t->kind == T_NAME && fmt_starts(f, i) &&
         ((!t->depth && !strcmp(t->s, "init")) || !strcmp(t->s, "if"));
}

// What a bracket may stand behind without a blank.
static bool is_callee(TokKind k) {
  return k == T_NAME || k == T_DTYPE || k == T_RPAREN || k == T_RBRACKET || k == T_ELLIPSIS ||
         k == T_SCAN;
}

static bool behind_callee(const Fmt *f, int i) {
  return !fmt_starts(f, i) && !f->operand && is_callee(token(f, i - 1)->kind);
}

bool fmt_is_call(const Fmt *f, int i) {
  const FmtStmt *s = &f->stmts.v[f->stmts.n - 1];
  TokKind first = token(f, s->first)->kind;
  bool header = (first == T_FN || first == T_MODULE || first == T_MODEL) && !s->formals &&
                token(f, i)->depth == token(f, s->first)->depth;
  return behind_callee(f, i) && !header && !f->after_scan;
}

static bool in_arguments(const Fmt *f) {
  return f->open.n && f->open.v[f->open.n - 1].call;
}

static bool closes_block(const Fmt *f) {
  return f->open.n && f->open.v[f->open.n - 1].block;
}

bool fmt_blank(const Fmt *f, int i) {
  if (f->tight)
    return false;
  switch (token(f, i)->kind) {
  case T_RPAREN:
  case T_RBRACKET:
  case T_COMMA:
  case T_CARET:
  case T_ELLIPSIS: return false;
  case T_DOT: return token(f, f->last)->kind == T_NUM; // `2 .x` is no number with a fraction
  case T_COLON: return !in_arguments(f);
  case T_RBRACE: return closes_block(f) && token(f, f->last)->kind != T_LBRACE;
  case T_LPAREN:
  case T_LBRACKET: return !behind_callee(f, i);
  default: return true;
  }
}

void fmt_passed(Fmt *f, int i) {
  TokKind k = token(f, i)->kind;
  TokClass c = token_class(k);
  bool sign = k == T_MINUS && (f->operand || fmt_starts(f, i));
  bool brace = k == T_LBRACE && !f->open.v[f->open.n - 1].block;
  bool joined = joins(f, i) || leads(f, i);
  f->tight =
      k == T_LPAREN || k == T_LBRACKET || brace || k == T_DOT || k == T_CARET || k == T_AT || sign;
  f->operand = (c == OPERATOR && k != T_ELLIPSIS && k != T_REST) || c == OPEN || joined ||
               (k == T_RBRACKET && f->contracted);
}
