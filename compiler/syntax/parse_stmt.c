// Statements of bodies.
#include "compiler/syntax/parse_internal.h"
#include <string.h>

// ["(" args ")"] with the brackets
static bool bracketed_args(Parser *p, Args *out) {
  if (!accept(p, T_LPAREN))
    return false;
  parse_args(p, out);
  expect(p, T_RPAREN, "");
  return true;
}

static void child(Parser *p, Stmt *s);

// Of layers each is one or the other, so the whole stands behind one `repeat`.
static void other_layer(const Stmt *s, Stmt *other) {
  other->repeat = s->repeat;
  other->count = s->count;
  other->index = s->index;
}

// "if" and "or" child
static void other_child(Parser *p, Stmt *s) {
  advance(p);
  s->cond = parse_and(p);
  if (!is_word(p, "or"))
    fail_expected(p, "`or`", " and what it is otherwise");
  advance(p);
  int first = p->at;
  s->other = NEW(p->arena, Stmt);
  s->other->names = s->names;
  if (s->index.s)
    other_layer(s, s->other);
  child(p, s->other);
  s->other->span = since(p, first);
}

// child = [("repeat" | "share") NAME ["as" NAME]] NAME [generics] ["(" args ")"] ["if" and "or" child]
static void child(Parser *p, Stmt *s) {
  s->kind = ST_CHILD;
  const Token *t = peek(p, 0), *next = peek(p, 1);
  bool repeat = is_word(p, "repeat"), share = is_word(p, "share");
  if ((repeat || share) && next->kind == T_NUM) {
    Diag *g = fail(p, ERR_COUNT_IS_DIM, next, "a count is a dim");
    diag_help(p->diags, g, "declare `dim Depth = %.*s` and write `%s Depth`",
              (int)(next->hi - next->lo < 40 ? next->hi - next->lo : 40), p->src->text + next->lo,
              t->s);
  }
  if ((repeat || share) && next->kind == T_NAME && s->index.s) {
    Diag *g = fail(p, ERR_EXPECTED, t, "`%s` within `%s`", t->s, repeat ? "repeat" : "share");
    diag_help(p->diags, g,
              "with `as %s` each layer is chosen for itself: `repeat N as %s A if %s == 0 or B`",
              s->index.s, s->index.s, s->index.s);
  } else if ((repeat || share) && next->kind == T_NAME) {
    s->repeat = repeat ? REPEAT_REPEAT : REPEAT_SHARE;
    advance(p);
    s->count = expect_name(p, "a dim");
    if (is_word(p, "as") && next_is(p, T_NAME)) {
      advance(p);
      s->index = expect_name(p, "a name for the number of a layer");
    }
  }
  if (is(p, T_NUM)) // `4 * Linear[H -> H]`
    diag_help(p->diags, fail_expected(p, "a type or a module", ""),
              "`repeat Depth Linear[H -> H]` makes several, with `dim Depth = 4`");
  s->module = expect_name(p, "a type or a module");
  if (is(p, T_DOT))
    foreign_package(p, s);
  s->generics = parse_generics(p);
  s->has_args = bracketed_args(p, &s->args);
  if (is_word(p, "if"))
    other_child(p, s);
}

// param = type ["~" expr] {TAG} ["if" and ["or" and]]
static void param(Parser *p, Stmt *s) {
  s->kind = ST_PARAM;
  s->type = parse_type(p);
  if (accept(p, T_TILDE)) {
    s->value = parse_expr(p);
  } else if (is(p, T_SET) && !value_with_type(p, s)) {
    return;
  }
  for (const Token *t = peek(p, 0); accept(p, T_TAG); t = peek(p, 0))
    vec_push(p->arena, &s->tags, (Name){t->s, tok_span(p, t)});
  if (!is_word(p, "if"))
    return;
  advance(p);
  s->cond = parse_and(p);
  if (!is_word(p, "or"))
    return;
  advance(p);
  s->absent = parse_and(p);
}

// names ":" (param | child) | names "=" expr, behind what tells them from an expression
static void named(Parser *p, Stmt *s) {
  parse_names(p, &s->names, "a name");
  if (accept(p, T_COLON)) {
    if (is(p, T_DTYPE) || is(p, T_LBRACKET) || dtype_lacks(p))
      param(p, s);
    else if (is(p, T_SET))
      foreign_walrus(p, s);
    else
      child(p, s);
    return;
  }
  if (!is(p, T_SET))
    fail_expected(p, "`=` or `:`", "");
  accept(p, T_SET);
  s->kind = ST_BIND;
  s->value = parse_expr(p);
  if (s->value->kind == EX_FOREIGN && s->value->foreign->kind == FOREIGN_MODULE)
    bound_module(p, s);
}

// `f Linear[H -> F]`: as if it had its colon.
static void child_without_colon(Parser *p, Stmt *s) {
  int first = p->at;
  Name n = expect_name(p, "a name");
  vec_push(p->arena, &s->names, n);
  child(p, s);
  colon_told(p, n.span, since(p, first));
}

static void name_and_type(Parser *p, Stmt *s, const char *what) {
  advance(p);
  Name n = expect_name(p, what);
  if (n.s)
    vec_push(p->arena, &s->names, n);
  if (s->kind == ST_ENTRY && is(p, T_SET))
    return;
  expect(p, T_COLON, " and a type");
  s->type = parse_type(p);
}

// entry = "entry" NAME ":" type "=" expr
static void entry(Parser *p, Stmt *s) {
  s->kind = ST_ENTRY;
  name_and_type(p, s, "the name of an entry");
  if (!s->type && is(p, T_SET)) {
    foreign_entry(p, s);
    return;
  }
  expect(p, T_SET, "");
  s->value = parse_expr(p);
}

static void form(Parser *p, void *out, bool failed) {
  Stmt *s = out;
  if (failed) {
    s->forms.n--;
    s->kind = ST_BAD;
    return;
  }
  Bind b = parse_bind(p);
  vec_push(p->arena, &s->forms, b);
}

// forms = "forms" NAME ":" type "{" {bind EOL} "}"
static void forms(Parser *p, Stmt *s) {
  s->kind = ST_FORMS;
  name_and_type(p, s, "the name of a value");
  parse_block(p, form, s);
}

static bool starts_with_operator(Parser *p) {
  const Token *t = peek(p, 0);
  if (token_class(t->kind) != OPERATOR || t->kind == T_DOT || t->kind == T_REST ||
      t->kind == T_ELLIPSIS)
    return false;
  Diag *g = fail(p, ERR_STARTS_WITH_OPERATOR, t, "a statement does not start with %s", found(p, t));
  if (t->kind != T_SET && t->kind != T_TILDE && t->kind != T_COLON && t->kind != T_COMMA)
    diag_help(p->diags, g, "end the line above with %s, or put the expression in parentheses",
              found(p, t));
  return true;
}

// stmt = names ":" (param | child) | names "=" expr | entry | forms | expr
Stmt *parse_stmt(Parser *p, Stmt *s) {
  int first = p->at;
  const Token *t = peek(p, 0), *next = peek(p, 1);
  bool name_first = next->kind == T_COMMA || next->kind == T_COLON || next->kind == T_SET;
  if (update_follows(p)) {
    foreign_update(p, s);
  } else if (binding_follows(p)) {
    foreign_binding(p, s);
  } else if (return_follows(p)) {
    foreign_return(p, s);
  } else if (colon_lacks(p)) {
    child_without_colon(p, s);
  } else if (t->kind == T_ENTRY) {
    entry(p, s);
  } else if (is_word(p, "forms") && next->kind == T_NAME) {
    forms(p, s);
  } else if (starts_decl(t) && !name_first) {
    fail(p, ERR_DECLARATION_INSIDE, t,
         "`%s` belongs at the top of the file, at the start of a line", t->s);
  } else if (name_first && (t->kind == T_NAME || t->kind == T_DTYPE ||
                            token_class(t->kind) == WORD || starts_decl(t))) {
    named(p, s);
  } else if (!starts_with_operator(p)) {
    s->kind = ST_EXPR;
    s->value = parse_expr(p);
  }
  s->span = since(p, first);
  return s;
}

static void body_item(Parser *p, void *out, bool failed) {
  Body *b = out;
  if (failed) {
    b->stmts.v[b->stmts.n - 1]->kind = ST_BAD;
    b->bad = true;
    return;
  }
  Stmt *s = NEW(p->arena, Stmt);
  vec_push(p->arena, &b->stmts, s);
  parse_stmt(p, s);
  if (s->kind == ST_BAD || item_reported(p, p->tok + p->at - (p->at > p->item))) {
    s->kind = ST_BAD;
    b->bad = true;
  }
}

// body = "{" {stmt EOL} "}"
Body *parse_body(Parser *p) {
  Body *b = NEW(p->arena, Body);
  b->span = parse_block(p, body_item, b);
  return b;
}
