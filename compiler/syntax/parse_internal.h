// What the parse_*.c files share.  Errors: the first one in an item is reported and sets `panic`;
// from then on the next token reads as T_BAD, so everything that waits for a token gives up in
// silence, until the block around the item skips to where the next one starts.  Parse functions
// never return NULL for an expression or a type.
#ifndef BIGSC_PARSE_INTERNAL_H
#define BIGSC_PARSE_INTERNAL_H
#include "compiler/syntax/lex.h"
#include "compiler/syntax/parse.h"

typedef struct Parser {
  Arena *arena;
  Intern *names;
  Diags *diags;
  const Source *src;
  const Token *tok;
  int at, ntok;
  int item;    // the first token of the item that recovery would drop
  int nesting; // brackets, unary operators, blocks and rules around this place
  int told; // the item, by its first token, that complain() was about; what follows from it is not told
  const Formals *states; // of the scan whose body is being read; NULL: none
  bool panic, bad;
  Expr *poison; // what stands for an expression that did not parse
  Type *no_type;
} Parser;

// ---- tokens (parse.c)
const Token *peek(const Parser *p, int ahead); // 0 or 1: the language is LL(2)
static inline bool is(const Parser *p, TokKind k) {
  return peek(p, 0)->kind == k;
}
static inline bool next_is(const Parser *p, TokKind k) {
  return peek(p, 1)->kind == k;
}
bool is_word(const Parser *p, const char *s); // a name that means something here: `repeat`, `as`
bool accept(Parser *p, TokKind k);
const Token *advance(Parser *p);
void expect(Parser *p, TokKind k, const char *where); // where: "" or " after ..."
Name expect_name(Parser *p, const char *what);
Str expect_string(Parser *p);
Span tok_span(const Parser *p, const Token *t);
Span since(const Parser *p, int first);             // from token `first` to the last one taken
const char *found(const Parser *p, const Token *t); // "`+`", "end of line"
// Reports at token `t`, unless something in the item is reported already, and panics.  May return
// NULL.
Diag *fail(Parser *p, int code, const Token *t, const char *fmt, ...) PRINTF_LIKE(4, 5);
Diag *fail_expected(Parser *p, const char *what, const char *where);
bool item_reported(const Parser *p,
                   const Token *upto); // an error stands in this item, also one of the lexer's
bool deeper(Parser *p); // one level of nesting more; false (and failed) past AST_MAX_NESTING.  Undo
                        // with p->nesting--.
static inline bool starts_decl(const Token *t) {
  return token_class(t->kind) == DECL;
}

// "{" {item EOL} "}".  `item` parses one item and stores it; it is called with `out`, and again
// told of a failure (failed = true) after a panic, so that it can leave a trace of what is lost.
typedef void ParseItem(Parser *p, void *out, bool failed);
Span parse_block(Parser *p, ParseItem *item, void *out);

// ---- parse_decl.c
Decl *parse_decl(Parser *p);
void decl_lost(Parser *p, Decl *d); // it did not parse: makes it a DECL_BAD that keeps its names
bool at_decl(const Parser *p);
Type *parse_type(Parser *p);
Generics *parse_generics(Parser *p);
void parse_formals(Parser *p, Formals *out);
Bind parse_bind(Parser *p);
void parse_names(Parser *p, Names *out, const char *what);

// ---- parse_stmt.c, parse_checkpoint.c, parse_train.c
Body *parse_body(Parser *p);
Stmt *parse_stmt(Parser *p, Stmt *s);
void parse_ckitem(Parser *p, void *decl, bool failed);
void parse_tritem(Parser *p, void *decl, bool failed);

// ---- parse_literal.c
bool at_literal(const Parser *p);
Literal *parse_literal(Parser *p);

// ---- parse_expr.c
Expr *parse_expr(Parser *p);
Expr *parse_sum(Parser *p);
Expr *parse_and(Parser *p);
void parse_axes(Parser *p, AxisNames *out, const char *what);
void parse_args(Parser *p, Args *out);
Expr *expr_node(Parser *p, ExprKind kind, int first, Expr *a, Expr *b);
void expr_raise(Parser *p, Expr *e, int child); // makes room for a child of this height

// ---- parse_foreign.c
// An error that the parser goes on behind, as what is meant is clear.  May return NULL.
Diag *complain(Parser *p, int code, Span at, const char *fmt, ...) PRINTF_LIKE(4, 5);
const char *written(const Parser *p, Span at, const char *letter); // span_text
bool places_follow(const Parser *p);
Expr *foreign_places(Parser *p, int first, Expr *a);
Expr *foreign_list(Parser *p);
Expr *foreign_module(Parser *p, int first, Expr *axes);
Expr *foreign_product(Parser *p, int first, Expr *a, Expr *b, Span op);
bool choice_follows(const Parser *p);
Expr *foreign_choice(Parser *p, int first, Expr *yes);
bool if_follows(const Parser *p);
Expr *foreign_if(Parser *p);
bool foreign_arg_follows(const Parser *p);
void foreign_arg(Parser *p, Arg *arg);
void bound_module(Parser *p, Stmt *s); // `f = Linear[H -> F]`: makes it the child that is meant
const char *no_expr_help(Parser *p);   // `.5`, `~mask`, `===`: NULL: none
bool power_follows(const Parser *p);   // `**`
Expr *foreign_power(Parser *p, Expr *a, Expr *b, Span op);
bool equality_follows(const Parser *p); // `(a = b)`, at the sign
Expr *foreign_equality(Parser *p, int first, Expr *a);
bool dtype_lacks(const Parser *p); // `float32`
DType foreign_dtype(Parser *p);
void foreign_package(Parser *p, Stmt *s); // `nn.` before a module
void foreign_walrus(Parser *p, Stmt *s);  // `:=`, at the `=`
bool value_with_type(Parser *p,
                     Stmt *s); // `a : [H] = e`, at the `=`; true: a parameter that starts there
void foreign_entry(Parser *p, Stmt *s); // without a type
struct Habit;
void foreign_decl_help(Parser *p, Diag *g, const struct Habit *h, const Token *next);
const char *item_end_help(Parser *p, const Token *before); // `exp x`, `2 x`; NULL: none
bool colon_lacks(const Parser *p);
void colon_told(Parser *p, Span names, Span whole);
bool update_follows(const Parser *p);
void foreign_update(Parser *p, Stmt *s);
bool binding_follows(const Parser *p);
void foreign_binding(Parser *p, Stmt *s);
bool return_follows(const Parser *p);
void foreign_return(Parser *p, Stmt *s);
#endif
