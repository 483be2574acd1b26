// What other languages write and nothing else can be meant by: reported, and taken for what it means, so that the checker can tell what to
// write with the axes and types of the values at hand.
#include "base/bug.h"
#include "compiler/syntax/habits.h"
#include "compiler/syntax/parse_internal.h"
#include <string.h>

Diag *complain(Parser *p, int code, Span at, const char *fmt, ...) {
  va_list ap;
  p->bad = true;
  p->told = p->item;
  if (p->panic || item_reported(p, &p->tok[p->at]))
    return NULL;
  va_start(ap, fmt);
  const char *text = arena_vprintf(p->arena, fmt, ap);
  va_end(ap);
  return diag_error(p->diags, code, at, "%s", text);
}

const char *written(const Parser *p, Span at, const char *letter) {
  return span_text(p->arena, at, letter);
}

static Expr *foreign(Parser *p, ForeignKind kind, int first, Expr *a, Diag *g) {
  Expr *e = expr_node(p, EX_FOREIGN, first, a, NULL);
  e->foreign = NEW(p->arena, ForeignExpr);
  e->foreign->kind = kind;
  e->foreign->diag = g;
  return e;
}

static Expr *joined(Parser *p, Expr *e, Expr *part) {
  if (part) {
    vec_push(p->arena, &e->foreign->items, part);
    expr_raise(p, e, part->height);
  }
  return e;
}

// ---- places along axes that are counted: `x[:, 0]`
static bool starts_place(const Token *t) {
  return t->kind == T_NUM || t->kind == T_STR || t->kind == T_COLON || t->kind == T_MINUS ||
         t->kind == T_ELLIPSIS || t->kind == T_LBRACKET;
}

// One number or a sum alone is a place in a repeated child, `layer[3]`.
static bool several(const Parser *p) {
  uint32_t depth = peek(p, 1)->depth;
  for (int i = p->at + 1; i < p->ntok && p->tok[i].depth >= depth; i++)
    if (p->tok[i].depth == depth && (p->tok[i].kind == T_COMMA || p->tok[i].kind == T_COLON))
      return true;
  return false;
}

static bool is_sum(TokKind k) {
  return k == T_PLUS || k == T_MINUS || k == T_STAR || k == T_SLASH;
}

bool places_follow(const Parser *p) {
  const Token *t = peek(p, 1), *next = peek(p, 2);
  TokClass c = token_class(next->kind);
  if (t->kind == T_NUM || (t->kind == T_NAME && is_sum(next->kind)))
    return several(p);
  if (starts_place(t))
    return true;
  if (t->kind != T_NAME || next->kind == T_SET || next->kind == T_ARROW || next->kind == T_ELLIPSIS)
    return false;
  if (next->kind == T_COMMA)
    return starts_place(peek(p, 3));
  bool none = habit_find(HABIT_VALUE, t->s, NULL, NULL) && next->kind == T_RBRACKET;
  return none || next->kind == T_LPAREN || c == OPERATOR;
}

static bool ends_place(const Parser *p) {
  return is(p, T_COMMA) || is(p, T_RBRACKET) || is(p, T_COLON);
}

// [expr] ":" [expr] [":" [expr]] | expr | "..."
static ForeignPlace place(Parser *p, Expr *e) {
  ForeignPlace x = {.kind = PLACE_REST};
  if (accept(p, T_ELLIPSIS))
    return x;
  if (is_word(p, "None") || is_word(p, "newaxis")) {
    advance(p);
    return (ForeignPlace){.kind = PLACE_NEW};
  }
  x.lo = is(p, T_COLON) ? NULL : parse_expr(p);
  x.kind = PLACE_ONE;
  for (int i = 0; accept(p, T_COLON); i++) {
    Expr *hi = ends_place(p) ? NULL : parse_expr(p);
    x.hi = i ? x.hi : hi;
    x.kind = PLACE_PART;
    joined(p, e, hi);
  }
  if (x.kind == PLACE_PART && !x.lo && !x.hi)
    x.kind = PLACE_ALL;
  joined(p, e, x.lo);
  return x;
}

// At the `[` behind `a`.
Expr *foreign_places(Parser *p, int first, Expr *a) {
  const Token *t = peek(p, 1);
  Diag *g = complain(p, ERR_AXIS_IS_NAME, tok_span(p, t), "`[ ]` takes names of axes, not %s",
                     t->kind == T_NAME ? "values" : found(p, t));
  diag_help(p->diags, g, "`x[L = 0]` takes the first element along `L`");
  advance(p);
  Expr *e = foreign(p, FOREIGN_PLACES, first, a, g);
  do {
    ForeignPlace x = place(p, e);
    vec_push(p->arena, &e->foreign->places, x);
  } while (accept(p, T_COMMA) && !is(p, T_RBRACKET));
  expect(p, T_RBRACKET, "");
  e->span = span_join(a->span, since(p, first));
  return e;
}

// ---- lists: `[1, 2, 3]`, at their `[`
Expr *foreign_list(Parser *p) {
  int first = p->at;
  Diag *g = complain(p, ERR_EXPECTED, tok_span(p, peek(p, 0)), "there are no lists of values");
  diag_help(
      p->diags, g,
      "values are computed, as in `1 + iota[K]`, or they are inputs or parameters; `[ ]` stands "
      "behind a value or a function and names axes");
  advance(p);
  Expr *e = foreign(p, FOREIGN_LIST, first, NULL, g);
  while (!is(p, T_RBRACKET) && !p->panic) {
    joined(p, e, parse_expr(p));
    if (!accept(p, T_COMMA))
      break;
  }
  expect(p, T_RBRACKET, "");
  e->span = since(p, first);
  return e;
}

// ---- `Linear[H -> F]` where a value is wanted, at the arrow
// As it is written, where all of it was read.
static const char *module_text(Parser *p, Span at) {
  return p->panic ? "Linear[In -> Out]" : written(p, at, "Linear[In -> Out]");
}

Expr *foreign_module(Parser *p, int first, Expr *axes) {
  Expr *a = axes->a;
  Diag *g = complain(p, ERR_FUNCTION_OR_VALUE, a->span, "`%s` is a module, not a value",
                     written(p, a->span, "it"));
  Generics *of = NEW(p->arena, Generics);
  of->in = axes->axes;
  of->arrow = accept(p, T_ARROW);
  parse_axes(p, &of->out, "an axis");
  expect(p, T_RBRACKET, "");
  of->span = since(p, first);
  Expr *e = foreign(p, FOREIGN_MODULE, first, a, g);
  e->span = span_join(a->span, since(p, first));
  e->foreign->generics = of;
  diag_help(p->diags, g, "declare `f : %s` on a line of its own, and call `f(...)`",
            module_text(p, e->span));
  return e;
}

void bound_module(Parser *p, Stmt *s) {
  Expr *e = s->value;
  diag_help_instead(p->diags, e->foreign->diag, "write `%s : %s`", s->names.v[0].s,
                    module_text(p, e->span));
  s->kind = ST_CHILD;
  s->module = e->a->name;
  s->generics = e->foreign->generics;
  s->value = NULL;
}

// ---- `a @ b`, behind the `@`
Expr *foreign_product(Parser *p, int first, Expr *a, Expr *b, Span op) {
  Diag *g = complain(p, ERR_EXPECTED, op, "`@` sums along axes that are named: `@[H]`");
  diag_help(p->diags, g, "`a @[H] b` sums the products along `H`, whichever place it has");
  Expr *e = foreign(p, FOREIGN_PRODUCT, first, a, g);
  e->span = span_join(a->span, b->span);
  return joined(p, e, b);
}

// ---- choices
// Is there this word further on in the statement?
static bool word_ahead(const Parser *p, const char *word) {
  for (int i = p->at; i < p->ntok && p->tok[i].kind != T_EOL && p->tok[i].kind != T_EOF; i++)
    if (p->tok[i].kind == T_NAME && !strcmp(p->tok[i].s, word))
      return true;
  return false;
}

static Expr *choice(Parser *p, int first, Diag *g, Expr *cond, Expr *yes, Expr *no) {
  diag_help(p->diags, g, "write `select(%s, %s, %s)`", written(p, cond->span, "cond"),
            written(p, yes->span, "a"), written(p, no->span, "b"));
  Expr *e = foreign(p, FOREIGN_OTHER, first, NULL, g);
  joined(p, joined(p, joined(p, e, cond), yes), no);
  e->span = span_join(yes->span.lo < cond->span.lo ? yes->span : cond->span, no->span);
  return e;
}

static void word(Parser *p, const char *w) {
  if (is_word(p, w))
    advance(p);
  else
    fail_expected(p, arena_printf(p->arena, "`%s`", w), "");
}

// `yes if cond else no`, at the `if`
bool choice_follows(const Parser *p) {
  return is_word(p, "if") && word_ahead(p, "else");
}

Expr *foreign_choice(Parser *p, int first, Expr *yes) {
  Diag *g = complain(p, ERR_EXPECTED, tok_span(p, peek(p, 0)), "values are not chosen by `if`");
  advance(p);
  Expr *cond = parse_expr(p);
  word(p, "else");
  return choice(p, first, g, cond, yes, parse_expr(p));
}

// `if cond then yes else no`, at the `if`
bool if_follows(const Parser *p) {
  return is_word(p, "if") && word_ahead(p, "then") && word_ahead(p, "else");
}

Expr *foreign_if(Parser *p) {
  int first = p->at;
  Diag *g = complain(p, ERR_EXPECTED, tok_span(p, peek(p, 0)), "values are not chosen by `if`");
  advance(p);
  Expr *cond = parse_expr(p);
  word(p, "then");
  Expr *yes = parse_expr(p);
  word(p, "else");
  return choice(p, first, g, cond, yes, parse_expr(p));
}

// ---- operators
static bool adjacent(const Parser *p, TokKind a, TokKind b) {
  return is(p, a) && next_is(p, b) && peek(p, 0)->hi == peek(p, 1)->lo;
}

bool power_follows(const Parser *p) {
  return adjacent(p, T_STAR, T_STAR);
}

Expr *foreign_power(Parser *p, Expr *a, Expr *b, Span op) {
  Diag *g = complain(p, ERR_EXPECTED, op, "a power is written with `^`");
  diag_help(p->diags, g, "write `%s^%s`", written(p, a->span, "x"), written(p, b->span, "2"));
  return a;
}

// Where an expression should start.
const char *no_expr_help(Parser *p) {
  const Token *t = peek(p, 0), *next = peek(p, 1);
  const char *text = written(p, tok_span(p, next), "x");
  if (t->kind == T_DOT && next->kind == T_NUM)
    return arena_printf(p->arena, "write `0.%s`: digits stand on both sides of a point", text);
  if (t->kind == T_TILDE && next->kind == T_NAME)
    return arena_printf(p->arena, "write `not %s`; behind `~` stands where a parameter starts",
                        text);
  return NULL;
}

// `(a = b)`: nothing is bound within an expression.
bool equality_follows(const Parser *p) {
  return is(p, T_SET);
}

Expr *foreign_equality(Parser *p, int first, Expr *a) {
  Diag *g = complain(p, ERR_EXPECTED, tok_span(p, advance(p)), "values are compared by `==`");
  Expr *b = parse_expr(p);
  diag_help(p->diags, g, "write `%s == %s`", written(p, a->span, "a"), written(p, b->span, "b"));
  return joined(p, joined(p, foreign(p, FOREIGN_OTHER, first, NULL, g), a), b);
}

// ---- types
bool dtype_lacks(const Parser *p) {
  const Token *t = peek(p, 0);
  return t->kind == T_NAME && habit_find(HABIT_TYPE, t->s, NULL, NULL);
}

static DType dtype_of(const char *name) {
  for (int t = 0; t < DT_COUNT; t++)
    if (!strcmp(dtype_name((DType)t), name))
      return (DType)t;
  return DT_F32;
}

DType foreign_dtype(Parser *p) {
  const Token *t = advance(p);
  const char *line = habit_find(HABIT_TYPE, t->s, NULL, NULL)->line;
  Diag *g = complain(p, ERR_EXPECTED, tok_span(p, t), "unknown dtype `%s`", t->s);
  diag_help(p->diags, g,
            !strcmp(line, "f32") ? "write `%s`, or the axes alone: `[B, L]` is of f32"
                                 : "write `%s`; there are bool, i32, bf16, f32, f64, c64 and c128",
            line);
  return dtype_of(line);
}

// ---- arguments: `p=0.1`, `dim=-1`, `dim: 1`
bool foreign_arg_follows(const Parser *p) {
  const Token *t = peek(p, 0);
  bool named = t->kind == T_NAME || starts_decl(t);
  return named && (next_is(p, T_SET) || (starts_decl(t) && next_is(p, T_COLON)));
}

void foreign_arg(Parser *p, Arg *arg) {
  const Token *t = advance(p);
  Span at = tok_span(p, t);
  arg->name = (Name){t->s, at};
  bool axis = habit_find(HABIT_AXIS, t->s, NULL, NULL);
  Span sign = tok_span(p, advance(p));
  arg->diag =
      axis ? complain(p, ERR_AXES_MISPLACED, at, "`%s` counts axes, which have names here", t->s)
           : complain(p, ERR_EXPECTED, sign, "an argument by name is written with `:`");
  arg->value = parse_expr(p);
  if (axis)
    diag_help(p->diags, arg->diag, "axes stand in `[ ]` behind the function: `mean[L](x)`");
  else
    diag_help(p->diags, arg->diag, "write `%s: %s`", t->s, written(p, arg->value->span, "..."));
}

// ---- statements
// `nn.Linear(...)`, at the point
void foreign_package(Parser *p, Stmt *s) {
  Diag *g = complain(p, ERR_UNKNOWN_NAME, s->module.span,
                     "unknown name `%s`: there are no packages here", s->module.s);
  while (accept(p, T_DOT))
    s->module = expect_name(p, "a module");
  diag_help(p->diags, g, "write `%s` alone", s->module.s ? s->module.s : "Linear");
}

void foreign_walrus(Parser *p, Stmt *s) {
  Diag *g = complain(p, ERR_EXPECTED, tok_span(p, advance(p)), "a value is bound by `=`");
  s->kind = ST_BIND;
  s->value = parse_expr(p);
  diag_help(p->diags, g, "write `%s = %s`", s->names.v[0].s, written(p, s->value->span, "..."));
}

// `0`, `normal(0.02)`: made of numbers alone, as first values are.
static bool first_value(const Expr *e) {
  bool numbers = e->kind == EX_NUM || e->kind == EX_CALL;
  for (int i = 0; e->kind == EX_CALL && i < e->args.n; i++)
    numbers &= e->args.v[i].value->kind == EX_NUM;
  return numbers;
}

bool value_with_type(Parser *p, Stmt *s) {
  Diag *g = complain(p, ERR_PARAM_AND_VALUE, tok_span(p, advance(p)),
                     "a parameter starts with `~`; a value has no `:`");
  s->value = parse_expr(p);
  const char *text = written(p, s->value->span, "...");
  bool param = first_value(s->value) || s->names.n > 1;
  if (param)
    diag_help(p->diags, g, "write `%s : %s ~ %s`: where a parameter starts stands behind `~`",
              s->names.v[0].s, written(p, s->type->span, "[H]"), text);
  else
    diag_help(p->diags, g,
              "write `%s = %s` for a value, which has its type of itself; `~ ...` in place of `= "
              "...` for a parameter",
              s->names.v[0].s, text);
  s->kind = param ? ST_PARAM : ST_BIND;
  return param;
}

void foreign_entry(Parser *p, Stmt *s) {
  Diag *g =
      complain(p, ERR_EXPECTED, tok_span(p, advance(p)), "expected `:` and a type, found `=`");
  s->value = parse_expr(p);
  s->diag = g;
  diag_help(p->diags, g, "write `entry %s : [B, L, H] = %s`, with its axes",
            s->names.n ? s->names.v[0].s : "y", written(p, s->value->span, "..."));
}

// `f Linear[H -> F]`
bool colon_lacks(const Parser *p) {
  const Token *t = peek(p, 0), *next = peek(p, 1), *third = peek(p, 2);
  return t->kind == T_NAME && next->kind == T_NAME && third->kind == T_LBRACKET &&
         !habit_find(HABIT_WORD, t->s, NULL, NULL) && !habit_find(HABIT_DECL, t->s, NULL, NULL);
}

void colon_told(Parser *p, Span names, Span whole) {
  Diag *g = complain(p, ERR_EXPECTED, (Span){p->src, names.hi, names.hi},
                     "a `:` stands between a name and what it is");
  Span behind = {p->src, names.hi + 1, whole.hi};
  diag_help(p->diags, g, "write `%s : %s`", written(p, names, "f"),
            written(p, behind, "Linear[In -> Out]"));
}

// `x += 1`, at the first sign
bool update_follows(const Parser *p) {
  const Token *sign = peek(p, 1), *set = peek(p, 2);
  bool two = set->kind == T_SET && set->lo == sign->hi &&
             (sign->kind == T_PLUS || sign->kind == T_MINUS || sign->kind == T_SLASH);
  return is(p, T_NAME) && (sign->kind == T_TIMES_SET || two);
}

static const struct {
  char sign;
  BinOp op;
} updates[] = {{'+', BIN_ADD}, {'-', BIN_SUB}, {'*', BIN_MUL}, {'/', BIN_DIV}};

static BinOp update_op(const Parser *p, const Token *sign) {
  for (int i = 0; i < COUNT(updates); i++)
    if (updates[i].sign == p->src->text[sign->lo])
      return updates[i].op;
  BUG("no update starts with this sign");
}

// All of `e` is the right operand: what binds less gets parentheses.
static const char *operand(Parser *p, const Expr *e, BinOp op) {
  const char *text = written(p, e->span, "...");
  bool sum = e->kind == EX_BIN && op == BIN_ADD && e->bin < BIN_EQ;
  bool bare = e->parens || sum || (e->kind == EX_BIN && e->bin == BIN_POW) ||
              (e->kind != EX_BIN && e->kind != EX_CONTRACT && e->kind != EX_PIPE);
  return bare ? text : arena_printf(p->arena, "(%s)", text);
}

static bool is_state(const Parser *p, const char *name) {
  for (int i = 0; p->states && i < p->states->n; i++)
    if (p->states->v[i].name.s == name)
      return true;
  return false;
}

static Expr *updated(Parser *p, Name n, BinOp op, Span at, Expr *add) {
  Expr *old = expr_node(p, EX_NAME, p->at, NULL, NULL);
  old->name = n;
  old->span = old->op = n.span;
  Expr *e = expr_node(p, EX_BIN, p->at, old, add);
  e->bin = op;
  e->span = span_join(n.span, add->span);
  e->op = at;
  return e;
}

// It is taken for `s = s + x`, which a scan writes.
static void update_state(Parser *p, Stmt *s, Name n, BinOp op, Span at) {
  Diag *g = complain(p, ERR_EXPECTED, at, "the new value of a state is bound by `=`");
  Expr *add = parse_expr(p);
  diag_help(p->diags, g, "write `%s = %s %s %s`", n.s, n.s, bin_op_name(op), operand(p, add, op));
  s->kind = ST_BIND;
  s->value = updated(p, n, op, at, add);
  vec_push(p->arena, &s->names, n);
}

// The new value is read, for its own errors; the name keeps the old one.
void foreign_update(Parser *p, Stmt *s) {
  Name n = expect_name(p, "a name");
  const Token *sign = advance(p);
  bool times = sign->kind == T_TIMES_SET;
  Span at = times ? tok_span(p, sign) : span_join(tok_span(p, sign), tok_span(p, advance(p)));
  BinOp op = update_op(p, sign);
  if (is_state(p, n.s)) {
    update_state(p, s, n, op, at);
    return;
  }
  Diag *g = complain(p, ERR_NAME_TWICE, at, "a name is bound once: `%s` keeps its value", n.s);
  s->kind = ST_BAD;
  s->value = parse_expr(p);
  diag_help(p->diags, g, "write `%s2 = %s %s %s`, and `%s2` from there on", n.s, n.s,
            bin_op_name(op), operand(p, s->value, op), n.s);
}

// `let a = e`, `const a = e`, `let mut a = e` in a body, at the first word
bool binding_follows(const Parser *p) {
  static const char *const words[] = {"let", "const", "var", "val", "auto"};
  const Token *t = peek(p, 0), *next = peek(p, 1);
  bool mut = next->kind == T_NAME && !strcmp(next->s, "mut");
  for (int i = 0; i < COUNT(words); i++)
    if ((t->kind == T_NAME || t->kind == T_LET) && !strcmp(t->s, words[i]))
      return next->kind == T_NAME && peek(p, mut ? 3 : 2)->kind == T_SET;
  return false;
}

void foreign_binding(Parser *p, Stmt *s) {
  const Token *t = advance(p);
  if (is_word(p, "mut"))
    advance(p);
  Name n = expect_name(p, "a name");
  Diag *g =
      complain(p, ERR_DECLARATION_INSIDE, tok_span(p, t), "a value is bound by its name alone");
  accept(p, T_SET);
  vec_push(p->arena, &s->names, n);
  s->kind = ST_BIND;
  s->value = parse_expr(p);
  diag_help(p->diags, g, "write `%s = %s`", n.s, written(p, s->value->span, "..."));
}

// `return e`, at the word
bool return_follows(const Parser *p) {
  const Token *next = peek(p, 1);
  return is_word(p, "return") && token_class(next->kind) != OPERATOR && next->kind != T_EOL;
}

void foreign_return(Parser *p, Stmt *s) {
  int first = p->at;
  Diag *g =
      complain(p, ERR_EXPECTED, tok_span(p, advance(p)), "the last line of a body is its result");
  Expr *e = foreign(p, FOREIGN_OTHER, first, NULL, g), *of = parse_expr(p);
  s->kind = ST_EXPR;
  s->value = joined(p, e, of);
  diag_help(p->diags, g, "write `%s`: leave `return` out", written(p, of->span, "..."));
}

// ---- declarations, and ends of lines
// `def f(x):`, `class Net(...)`, `import torch`
void foreign_decl_help(Parser *p, Diag *g, const Habit *h, const Token *next) {
  bool named = next->kind == T_NAME && strstr(h->line, "NAME");
  const char *at = named ? strstr(h->line, "NAME") : NULL;
  const char *line =
      at ? arena_printf(p->arena, "%.*s%s%s", (int)(at - h->line), h->line, next->s, at + 4)
         : h->line;
  if (*line)
    diag_help(p->diags, g, *h->why ? "write `%s`: %s" : "write `%s`%s", line, h->why);
  else
    diag_help(p->diags, g, "%s", h->why);
}

// `rate = 1e-3 * warmup(10%) then cosine`, at the `then`: the pieces in parentheses; NULL: it is something else.
static const char *pieces_help(Parser *p) {
  int star = p->at - 1, end = p->at;
  while (star > p->item && p->tok[star].kind != T_STAR && p->tok[star].kind != T_SET)
    star--;
  while (end + 2 < p->ntok && p->tok[end + 1].kind != T_EOL && p->tok[end + 1].kind != T_RBRACE)
    end++;
  if (!is_word(p, "then") || star == p->item || star == p->at - 1 || end == p->at)
    return NULL;
  Span pieces = {p->src, p->tok[star + 1].lo, p->tok[end].hi};
  return arena_printf(p->arena, "pieces stand in parentheses: write `%s(%s)`",
                      p->tok[star].kind == T_SET ? "1e-3 * " : "... * ",
                      written(p, pieces, "warmup(10%) then cosine(to: 0)"));
}

// Did this word stand in the item so far?
static bool word_behind(const Parser *p, const char *word) {
  for (int i = p->item; i < p->at; i++)
    if (p->tok[i].kind == T_NAME && !strcmp(p->tok[i].s, word))
      return true;
  return false;
}

const char *item_end_help(Parser *p, const Token *before) {
  const Token *t = peek(p, 0);
  const char *pieces = pieces_help(p);
  if (pieces)
    return pieces;
  const char *a = written(p, tok_span(p, before), "f"), *b = written(p, tok_span(p, t), "x");
  bool value = t->kind == T_NAME || t->kind == T_NUM;
  if (is_word(p, "or") && word_behind(p, "if"))
    return "an `or` within the condition or the number of an `if` stands in parentheses";
  if (before->kind == T_NUM && t->kind == T_NAME)
    return arena_printf(p->arena, "write `%s * %s`: a product has its sign", a, b);
  if (before->kind == T_NAME && value && before->hi < t->lo)
    return arena_printf(p->arena,
                        "write `%s(%s)` to call a function; every statement has a line of its own, "
                        "or `;` before it",
                        a, b);
  return NULL;
}
