// Text to abstract syntax.  Errors go to Diags, and what could be parsed is returned all the same.
#ifndef BIGSC_PARSE_H
#define BIGSC_PARSE_H
#include "base/intern.h"
#include "compiler/syntax/ast.h"

// A whole file.  Never NULL.  `a` owns the tree, `names` its names; `src` must outlive both.
File *parse_file(Arena *a, Intern *names, Diags *diags, const Source *src);

// What a line at the REPL may hold: declarations, and statements or expressions of a body, in any
// order.
//
// There, and nowhere else, a value may be written down: [NAME "="] literal [":" type], where literal is
// "[" (literal | ["-"] NUM | "true" | "false") {"," ...} "]".  A type behind a call says what its value is read as.
typedef struct LiteralNumber {
  Span span;
  double value;
  bool whole, truth; // as written; truth: `true` or `false`
} LiteralNumber;
typedef struct Literal {
  Span span;
  Name name; // s NULL: none
  int rank;
  int64_t *extent;           // `rank` of them, above 0
  VEC(LiteralNumber) number; // row-major
} Literal;
typedef struct ReplItem {
  Decl *decl; // or
  Stmt *stmt; // (ST_EXPR for an expression), or
  Literal *literal;
  Type *type; // behind a literal or a call; NULL: none
} ReplItem;
typedef struct ReplInput {
  VEC(ReplItem) items;
  bool incomplete; // an open bracket or a trailing operator: ask for another line; nothing is
                   // reported then
  bool bad;
} ReplInput;
ReplInput *parse_repl(Arena *a, Intern *names, Diags *diags, const Source *src);

// An expression alone, as after `-D NAME=` or `--set`; NULL when it does not parse (reported).
Expr *parse_expr_text(Arena *a, Intern *names, Diags *diags, const Source *src);
#endif
