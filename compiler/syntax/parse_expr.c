// Expressions.  Recursion is bounded: every way back into an expression passes parse_unary, which
// counts the nesting.
#include "compiler/syntax/habits.h"
#include "compiler/syntax/parse_internal.h"
#include <string.h>

// ---- nodes
static int height_of(const Expr *e) {
  return e ? e->height : 0;
}

// Makes room in `e` for a child of this height.
void expr_raise(Parser *p, Expr *e, int child) {
  if (child < e->height)
    return;
  if (child < AST_MAX_HEIGHT)
    e->height = (uint16_t)(child + 1);
  else
    fail(p, ERR_TOO_DEEP, peek(p, 0),
         "nested too deeply: an expression more than %d operations high; name a part of it",
         AST_MAX_HEIGHT);
}

Expr *expr_node(Parser *p, ExprKind kind, int first, Expr *a, Expr *b) {
  Expr *e = NEW(p->arena, Expr);
  e->kind = kind;
  e->span = e->op = a ? span_join(a->span, since(p, first)) : since(p, first);
  e->height = 1;
  e->a = a;
  e->b = b;
  expr_raise(p, e, height_of(a));
  expr_raise(p, e, height_of(b));
  return e;
}

static int body_height(const Body *b) {
  int h = 0;
  for (int i = 0; i < b->stmts.n; i++) {
    const Stmt *s = b->stmts.v[i];
    h = height_of(s->value) > h ? height_of(s->value) : h;
    for (int k = 0; k < s->forms.n; k++)
      h = height_of(s->forms.v[k].value) > h ? height_of(s->forms.v[k].value) : h;
    h = height_of(s->cond) > h ? height_of(s->cond) : h;
    for (int k = 0; k < s->args.n; k++)
      h = height_of(s->args.v[k].value) > h ? height_of(s->args.v[k].value) : h;
  }
  return h;
}

// ---- brackets
// axes = NAME ["..."] {"," NAME ["..."]}
void parse_axes(Parser *p, AxisNames *out, const char *what) {
  do {
    int first = p->at;
    AxisName x = {.name = expect_name(p, what)};
    x.pack = accept(p, T_ELLIPSIS);
    x.span = since(p, first);
    vec_push(p->arena, out, x);
  } while (accept(p, T_COMMA));
}

static void axis_or_group(Parser *p, Names *out, bool *group) {
  *group = accept(p, T_LPAREN);
  if (*group) {
    parse_names(p, out, "an axis");
    expect(p, T_RPAREN, "");
  } else {
    Name n = expect_name(p, "an axis");
    vec_push(p->arena, out, n);
  }
}

// op = NAME "as" (NAME | "(" names ")") | "(" names ")" "as" NAME | NAME "=" sum [":" sum]
static DimOp dim_op(Parser *p) {
  DimOp op = {0};
  int first = p->at;
  bool from_group, to_group = false;
  axis_or_group(p, &op.from, &from_group);
  if (is_word(p, "as")) {
    advance(p);
    if (from_group && is(p, T_LPAREN))
      fail(p, ERR_AXES_AND_OPS, peek(p, 0), "a merge has one target: split it in a second step");
    axis_or_group(p, &op.to, &to_group);
    op.kind = from_group ? DIM_MERGE : to_group ? DIM_SPLIT : DIM_RENAME;
  } else if (!from_group && accept(p, T_SET)) {
    op.kind = DIM_INDEX;
    op.lo = parse_sum(p);
    if (accept(p, T_COLON)) {
      op.kind = DIM_SLICE;
      op.hi = parse_sum(p);
    }
  } else if (from_group) {
    fail_expected(p, "`as`", " after a group of axes");
  } else {
    fail(p, ERR_AXES_AND_OPS, &p->tok[first],
         "names of axes and operations on axes do not mix in one `[ ]`");
  }
  op.span = since(p, first);
  return op;
}

static bool op_follows(const Parser *p) {
  const Token *next = peek(p, 1);
  return is(p, T_LPAREN) || next->kind == T_SET || (next->kind == T_NAME && !strcmp(next->s, "as"));
}

// `3`, `Depth - 1`: what no axis is.
static bool place_follows(const Parser *p) {
  TokKind t = peek(p, 1)->kind;
  bool goes_on = t == T_PLUS || t == T_MINUS || t == T_STAR || t == T_SLASH;
  return is(p, T_NUM) || (is(p, T_NAME) && goes_on);
}

// "[" sum "]" after a child that is repeated
static Expr *layer_at(Parser *p, int first, int open, Expr *a) {
  Expr *b = parse_sum(p), *e = expr_node(p, EX_AT, first, a, b);
  expect(p, T_RBRACKET, "");
  e->op = since(p, open);
  e->span = span_join(a->span, e->op);
  return e;
}

// "[" (axes | op {"," op} | sum) "]" after an expression
static Expr *brackets(Parser *p, int first, Expr *a) {
  int open = p->at;
  if (places_follow(p))
    return foreign_places(p, first, a);
  advance(p);
  if (place_follows(p))
    return layer_at(p, first, open, a);
  Expr *e = expr_node(p, op_follows(p) ? EX_OPS : EX_AXES, first, a, NULL);
  if (e->kind == EX_AXES) {
    parse_axes(p, &e->axes, "an axis");
    if (is(p, T_ARROW) && a->kind == EX_NAME)
      return foreign_module(p, first, e);
    if (is(p, T_SET) || is_word(p, "as"))
      fail(p, ERR_AXES_AND_OPS, peek(p, 0),
           "names of axes and operations on axes do not mix in one `[ ]`");
  } else {
    do {
      DimOp op = dim_op(p);
      expr_raise(p, e, height_of(op.lo));
      expr_raise(p, e, height_of(op.hi));
      vec_push(p->arena, &e->ops, op);
    } while (accept(p, T_COMMA));
  }
  expect(p, T_RBRACKET, "");
  e->op = since(p, open);
  e->span = span_join(a->span, e->op);
  return e;
}

// args = [[NAME ":"] expr {"," [NAME ":"] expr}]
void parse_args(Parser *p, Args *out) {
  if (is(p, T_RPAREN))
    return;
  do {
    int first = p->at;
    Arg arg = {0};
    bool other = foreign_arg_follows(p);
    if (other) {
      foreign_arg(p, &arg);
    } else if (next_is(p, T_COLON)) {
      arg.name = expect_name(p, "the name of an argument");
      accept(p, T_COLON);
    }
    arg.value = other ? arg.value : parse_expr(p);
    arg.span = since(p, first);
    vec_push(p->arena, out, arg);
  } while (accept(p, T_COMMA));
}

static Expr *call(Parser *p, int first, Expr *a) {
  int open = p->at;
  advance(p);
  Expr *e = expr_node(p, EX_CALL, first, a, NULL);
  parse_args(p, &e->args);
  for (int i = 0; i < e->args.n; i++)
    expr_raise(p, e, e->args.v[i].value->height);
  expect(p, T_RPAREN, "");
  e->op = since(p, open);
  e->span = span_join(a->span, e->op);
  return e;
}

static Expr *dot(Parser *p, int first, Expr *a) {
  advance(p);
  Name n = expect_name(p, "a name");
  Expr *e = expr_node(p, EX_DOT, first, a, NULL);
  e->name = n;
  return e;
}

// ---- primaries
static Body *scan_body(Parser *p, const Formals *states) {
  const Formals *around = p->states;
  p->states = states;
  Body *b = parse_body(p);
  p->states = around;
  return b;
}

// scan = "scan" "[" NAME "]" formals body
static Expr *scan(Parser *p) {
  int first = p->at;
  Span word = tok_span(p, advance(p));
  ScanExpr *s = NEW(p->arena, ScanExpr);
  expect(p, T_LBRACKET, " after `scan`");
  s->axis = expect_name(p, "an axis");
  expect(p, T_RBRACKET, "");
  parse_formals(p, &s->states);
  s->body = scan_body(p, &s->states);
  Expr *e = expr_node(p, EX_SCAN, first, NULL, NULL);
  e->op = word;
  e->scan = s;
  expr_raise(p, e, body_height(s->body));
  for (int i = 0; i < s->states.n; i++)
    expr_raise(p, e, height_of(s->states.v[i].preset));
  return e;
}

// "(" expr ({"," expr} | {"then" expr}) ")"
static Expr *parenthesis(Parser *p) {
  int first = p->at;
  advance(p);
  Expr *one = parse_expr(p);
  if (equality_follows(p))
    one = foreign_equality(p, first + 1, one);
  bool then = is_word(p, "then");
  if (!then && !is(p, T_COMMA)) {
    expect(p, T_RPAREN, "");
    if (one != p->poison) {
      one->parens = true;
      one->span = since(p, first);
    }
    return one;
  }
  Exprs items = {0};
  vec_push(p->arena, &items, one);
  while (then ? is_word(p, "then") : is(p, T_COMMA)) {
    advance(p);
    vec_push(p->arena, &items, parse_expr(p));
  }
  expect(p, T_RPAREN, "");
  Expr *e = expr_node(p, then ? EX_THEN : EX_TUPLE, first, NULL, NULL);
  e->items = items;
  for (int i = 0; i < items.n; i++)
    expr_raise(p, e, items.v[i]->height);
  return e;
}

// `x ** 2`: the two signs, when nothing stands between them.
static const char *operators_help(const Parser *p) {
  const Token *t = peek(p, 0), *before = t - (p->at > 0);
  if (before->hi != t->lo || p->panic)
    return NULL;
  return habit_why(HABIT_OPERATOR, arena_printf(p->arena, "%.*s", (int)(t->hi - before->lo),
                                                p->src->text + before->lo));
}

static Expr *no_expr(Parser *p) {
  const Token *t = peek(p, 0);
  const char *help = operators_help(p), *written_so = no_expr_help(p);
  TokClass c = token_class(t->kind);
  if (c == WORD || c == DECL) {
    fail(p, ERR_RESERVED, t, "`%s` is a reserved word, not a value", t->s);
  } else {
    Diag *g = fail_expected(p, "an expression", "");
    if (written_so)
      diag_help(p->diags, g, "%s", written_so);
    else if (help)
      diag_help(p->diags, g, "%s", help);
  }
  return p->poison;
}

// primary = NUMBER | STRING | NAME | DTYPE | "(" ... ")" | scan
static Expr *primary(Parser *p) {
  static const uint8_t leaf[T_KIND_COUNT] = {
      [T_NUM] = 1 + EX_NUM,     [T_STR] = 1 + EX_STR,   [T_NAME] = 1 + EX_NAME,
      [T_DTYPE] = 1 + EX_DTYPE, [T_TRUE] = 1 + EX_BOOL, [T_FALSE] = 1 + EX_BOOL};
  int first = p->at;
  const Token *t = peek(p, 0);
  if (t->kind == T_SCAN)
    return scan(p);
  if (t->kind == T_LPAREN)
    return parenthesis(p);
  if (t->kind == T_LBRACKET)
    return foreign_list(p);
  if (if_follows(p))
    return foreign_if(p);
  if (!leaf[t->kind])
    return no_expr(p);
  advance(p);
  Expr *e = expr_node(p, (ExprKind)(leaf[t->kind] - 1), first, NULL, NULL);
  if (t->kind == T_NUM)
    e->num = *t->num;
  else if (t->kind == T_STR)
    e->str = (Str){t->s, tok_span(p, t)};
  else if (t->kind == T_NAME)
    e->name = (Name){t->s, tok_span(p, t)};
  else if (t->kind == T_DTYPE)
    e->dtype = t->dtype;
  else
    e->truth = t->kind == T_TRUE;
  return e;
}

// postfix = primary {"." NAME | "[" (axes | op {"," op} | sum) "]" | "(" args ")"}
static Expr *postfix(Parser *p) {
  int first = p->at;
  Expr *e = primary(p);
  for (;;) {
    if (is(p, T_DOT))
      e = dot(p, first, e);
    else if (is(p, T_LBRACKET))
      e = brackets(p, first, e);
    else if (is(p, T_LPAREN))
      e = call(p, first, e);
    else
      return e;
  }
}

// ---- operators
enum { LEVEL_OR = 1, LEVEL_AND, LEVEL_NOT, LEVEL_CMP, LEVEL_SUM, LEVEL_PROD };
typedef struct Binary {
  uint8_t level; // 0: no binary operator
  BinOp op;
} Binary;
static const Binary binary[T_KIND_COUNT] = {
    [T_EQ] = {LEVEL_CMP, BIN_EQ},     [T_NE] = {LEVEL_CMP, BIN_NE},
    [T_LT] = {LEVEL_CMP, BIN_LT},     [T_LE] = {LEVEL_CMP, BIN_LE},
    [T_GT] = {LEVEL_CMP, BIN_GT},     [T_GE] = {LEVEL_CMP, BIN_GE},
    [T_PLUS] = {LEVEL_SUM, BIN_ADD},  [T_MINUS] = {LEVEL_SUM, BIN_SUB},
    [T_STAR] = {LEVEL_PROD, BIN_MUL}, [T_SLASH] = {LEVEL_PROD, BIN_DIV},
    [T_AT] = {LEVEL_PROD, BIN_COUNT}, // contracts
};

const char *bin_op_name(BinOp op) {
  static const char *const names[BIN_COUNT] = {
      "+", "-", "*", "/", "^", "==", "!=", "<", "<=", ">", ">=", "and", "or"};
  return names[op];
}

// unary = "-" unary | postfix ["^" unary]
static Expr *parse_unary(Parser *p) {
  int first = p->at;
  Expr *e = p->poison;
  if (!deeper(p)) {
    p->nesting--;
    return e;
  }
  const Token *t = peek(p, 0);
  if (accept(p, T_MINUS)) {
    Expr *a = parse_unary(p);
    e = expr_node(p, EX_NEG, first, NULL, NULL);
    e->a = a;
    expr_raise(p, e, a->height);
    e->op = tok_span(p, t);
  } else {
    e = postfix(p);
    t = peek(p, 0);
    if (power_follows(p)) {
      advance(p);
      Span op = span_join(tok_span(p, t), tok_span(p, advance(p)));
      e = foreign_power(p, e, parse_unary(p), op);
    } else if (accept(p, T_CARET)) {
      Expr *b = parse_unary(p);
      e = expr_node(p, EX_BIN, first, e, b);
      e->bin = BIN_POW;
      e->op = tok_span(p, t);
    }
  }
  p->nesting--;
  return e;
}

// A tag where a factor could go on: `x @H z`.
static void no_tag(Parser *p) {
  const Token *t = peek(p, 0), *next = peek(p, 1);
  bool choice = next->kind == T_NAME && !strcmp(next->s, "if");
  if (t->kind != T_TAG || choice || next->kind == T_TAG || next->kind == T_EOL ||
      next->kind == T_RBRACE || next->kind == T_LBRACE)
    return;
  fail(p, ERR_TAG_OR_CONTRACTION, t, "`@%s` is a tag: write `@[%s]` to contract", t->s, t->s);
}

// `and` and `or` are names where no operator can stand.
static Binary operator_here(const Parser *p) {
  if (is_word(p, "and"))
    return (Binary){LEVEL_AND, BIN_AND};
  if (is_word(p, "or"))
    return (Binary){LEVEL_OR, BIN_OR};
  return binary[peek(p, 0)->kind];
}

// A line that ends with one goes on, as with the other operators.
static void skip_line_end(Parser *p) {
  const Token *t = peek(p, 0);
  if (t->kind == T_EOL && !(t->hi > t->lo && p->src->text[t->lo] == ';'))
    advance(p);
}

// `not` is a name, too, but in front of what an expression starts with.
static bool is_not(const Parser *p) {
  static const bool starts[T_KIND_COUNT] = {
      [T_NAME] = true,  [T_NUM] = true,  [T_STR] = true,    [T_DTYPE] = true, [T_TRUE] = true,
      [T_FALSE] = true, [T_SCAN] = true, [T_LPAREN] = true, [T_MINUS] = false};
  const Token *next = peek(p, 1);
  bool joins = next->kind == T_NAME && (!strcmp(next->s, "and") || !strcmp(next->s, "or"));
  return is_word(p, "not") && starts[next->kind] && !joins;
}

static Expr *operators(Parser *p, int level);

// The operand of `not` may be another one: each is a level of nesting.
static Expr *parse_not(Parser *p) {
  int first = p->at;
  Expr *e = p->poison;
  Span at = tok_span(p, advance(p));
  if (deeper(p)) {
    Expr *a = operators(p, LEVEL_NOT);
    e = expr_node(p, EX_NOT, first, NULL, NULL);
    e->a = a;
    expr_raise(p, e, a->height);
    e->op = at;
  }
  p->nesting--;
  return e;
}

// or   = and {"or" and}
// and  = not {"and" not}
// not  = "not" not | cmp
// cmp  = sum [("==" | "!=" | "<" | "<=" | ">" | ">=") sum]
// sum  = prod {("+" | "-") prod}
// prod = unary {("*" | "/" | "@" "[" [axes] "]") unary}
static Expr *operators(Parser *p, int level) {
  int first = p->at;
  bool compared = false;
  Expr *e = level <= LEVEL_NOT && is_not(p) ? parse_not(p) : parse_unary(p);
  for (;;) {
    const Token *t = peek(p, 0);
    Binary op = operator_here(p);
    int now = op.level;
    if (!now || now < level || (compared && now >= LEVEL_CMP))
      break;
    advance(p);
    if (now <= LEVEL_AND)
      skip_line_end(p);
    AxisNames axes = {0};
    bool bare = t->kind == T_AT && !accept(p, T_LBRACKET);
    if (t->kind == T_AT && !bare) {
      if (!is(p, T_RBRACKET))
        parse_axes(p, &axes, "an axis");
      expect(p, T_RBRACKET, "");
    }
    Expr *b = operators(p, now + 1);
    if (bare) {
      e = foreign_product(p, first, e, b, tok_span(p, t));
      continue;
    }
    e = expr_node(p, t->kind == T_AT ? EX_CONTRACT : EX_BIN, first, e, b);
    e->op = tok_span(p, t);
    if (t->kind == T_AT)
      e->axes = axes;
    else
      e->bin = op.op;
    compared = now == LEVEL_CMP;
  }
  no_tag(p);
  return e;
}

Expr *parse_and(Parser *p) {
  return operators(p, LEVEL_AND);
}

Expr *parse_sum(Parser *p) {
  return operators(p, LEVEL_SUM);
}

// stage = (NAME | DTYPE) {"." NAME} ["[" (axes | sum) "]"] ["(" args ")"]
static Expr *stage(Parser *p) {
  int first = p->at;
  Expr *e = p->poison;
  if (is(p, T_NAME) || is(p, T_DTYPE))
    e = primary(p);
  else
    expect_name(p, "a function or a child");
  while (is(p, T_DOT))
    e = dot(p, first, e);
  if (is(p, T_LBRACKET)) {
    int open = p->at;
    e = brackets(p, first, e);
    if (e->kind == EX_OPS)
      fail(p, ERR_PIPE_STAGE, &p->tok[open],
           "a pipe ends in a function or a call; put what goes on in parentheses");
  }
  if (is(p, T_LPAREN))
    e = call(p, first, e);
  if (is(p, T_LBRACKET) || is(p, T_DOT) || is(p, T_LPAREN))
    fail(p, ERR_PIPE_STAGE, peek(p, 0),
         "a pipe ends in a function or a call; put what goes on in parentheses");
  return e;
}

// expr = or {"|>" stage}
Expr *parse_expr(Parser *p) {
  int first = p->at;
  Expr *e = operators(p, LEVEL_OR);
  if (choice_follows(p))
    e = foreign_choice(p, first, e);
  for (const Token *t = peek(p, 0); accept(p, T_PIPE); t = peek(p, 0)) {
    Expr *b = stage(p);
    e = expr_node(p, EX_PIPE, first, e, b);
    e->op = tok_span(p, t);
  }
  return e;
}
