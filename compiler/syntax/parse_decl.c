// Declarations, types, formals.
#include "compiler/syntax/habits.h"
#include "base/edit.h"
#include "compiler/syntax/parse_internal.h"
#include <string.h>

// names = NAME {"," NAME}
void parse_names(Parser *p, Names *out, const char *what) {
  do {
    Name n = expect_name(p, what);
    if (n.s)
      vec_push(p->arena, out, n);
  } while (accept(p, T_COMMA));
}

// bind = NAME "=" expr
Bind parse_bind(Parser *p) {
  int first = p->at;
  Bind b = {.name = expect_name(p, "a name"), .value = p->poison};
  if (is(p, T_COMMA))
    fail(p, ERR_SEVERAL_NAMES, peek(p, 0), "one name on the left of `=`");
  expect(p, T_SET, "");
  b.value = parse_expr(p);
  b.span = since(p, first);
  return b;
}

// ---- types
// What is written where an axis belongs: `4`, `H * 2`.
static bool is_operator(TokKind k) {
  return k == T_PLUS || k == T_MINUS || k == T_STAR || k == T_SLASH || k == T_CARET;
}

// `4 * H`: its text, from token `first` to what ends an axis.
static const char *sum_text(Parser *p, int first) {
  int end = first;
  for (uint32_t depth = p->tok[first].depth; end + 1 < p->ntok; end++) {
    const Token *t = &p->tok[end + 1];
    bool ends = t->kind == T_COMMA || t->kind == T_ARROW || t->kind == T_RBRACKET;
    if (t->kind == T_EOL || t->depth < depth || (ends && t->depth == depth))
      break;
  }
  return written(p, span_join(tok_span(p, &p->tok[first]), tok_span(p, &p->tok[end])), "...");
}

static void no_axis(Parser *p) {
  const Token *t = peek(p, 0);
  bool sum = is_operator(t->kind), before = sum && p->at && t[-1].kind == T_NAME;
  Diag *g;
  if (sum || (t->kind == T_NUM && is_operator(peek(p, 1)->kind))) {
    const char *text = sum_text(p, p->at - before);
    g = fail(p, ERR_AXIS_IS_NAME, t, "an axis is a name, not an expression");
    diag_help(p->diags, g, "declare `dim F = %s` above, and write `F`", text);
  } else if (t->kind == T_NUM) {
    g = fail(p, ERR_AXIS_IS_NAME, t, "an axis is a name; %s needs one", found(p, t));
    diag_help(p->diags, g, "declare `dim NAME = %.*s`",
              (int)(t->hi - t->lo < 40 ? t->hi - t->lo : 40), p->src->text + t->lo);
  } else if (t->kind == T_ELLIPSIS) {
    g = fail(p, ERR_AXIS_IS_NAME, t, "`...` follows a name; all other axes are `..`");
  }
}

// Of generic axes and those that are given for them.
static void named_axes(Parser *p, AxisNames *out) {
  no_axis(p);
  parse_axes(p, out, "an axis");
  no_axis(p);
}

// tdim = ".." | NAME ["..."]
static TDim tdim(Parser *p) {
  int first = p->at;
  TDim d = {.rest = accept(p, T_REST)};
  if (!d.rest) {
    no_axis(p);
    d.name = expect_name(p, "an axis");
    d.pack = accept(p, T_ELLIPSIS);
    if (!d.pack)
      no_axis(p);
  }
  d.span = since(p, first);
  return d;
}

// type = DTYPE | [DTYPE] "[" [tdim {"," tdim}] "]"
Type *parse_type(Parser *p) {
  int first = p->at;
  Type *t = NEW(p->arena, Type);
  t->dtype = DT_F32;
  const Token *d = peek(p, 0);
  if (dtype_lacks(p)) {
    t->has_dtype = true;
    t->dtype = foreign_dtype(p);
  } else if ((t->has_dtype = accept(p, T_DTYPE))) {
    t->dtype = d->dtype;
    t->dtype_span = tok_span(p, d);
  }
  if ((t->has_axes = accept(p, T_LBRACKET))) {
    if (!is(p, T_RBRACKET)) {
      do {
        TDim x = tdim(p);
        vec_push(p->arena, &t->dims, x);
      } while (accept(p, T_COMMA));
    }
    expect(p, T_RBRACKET, "");
  }
  if (!t->has_dtype && !t->has_axes)
    diag_help(p->diags, fail_expected(p, "a type", ""),
              "`[A, B]` for f32, or one of f32 bf16 f64 i32 bool c64 c128 in front");
  t->span = since(p, first);
  return t;
}

// generics = "[" axes ["->" axes] "]"
Generics *parse_generics(Parser *p) {
  int first = p->at;
  if (!accept(p, T_LBRACKET))
    return NULL;
  Generics *g = NEW(p->arena, Generics);
  named_axes(p, &g->in);
  g->arrow = accept(p, T_ARROW);
  if (g->arrow)
    named_axes(p, &g->out);
  expect(p, T_RBRACKET, "");
  g->span = since(p, first);
  return g;
}

// formals = "(" [formal {"," formal}] ")";  formal = NAME [":" type] ["=" expr]
void parse_formals(Parser *p, Formals *out) {
  expect(p, T_LPAREN, "");
  if (!is(p, T_RPAREN)) {
    do {
      int first = p->at;
      Formal f = {.name = expect_name(p, "the name of an argument")};
      if (accept(p, T_COLON))
        f.type = parse_type(p);
      if (accept(p, T_SET))
        f.preset = parse_expr(p);
      f.span = since(p, first);
      vec_push(p->arena, out, f);
    } while (accept(p, T_COMMA));
  }
  expect(p, T_RPAREN, "");
}

// ---- one function for each kind of declaration, called behind its first word
// "use" [names "from"] STRING
static void use(Parser *p, Decl *d) {
  if (is(p, T_NAME)) {
    parse_names(p, &d->only, "a name");
    if (!is_word(p, "from"))
      fail_expected(p, "`from`", " and the file that declares them");
    advance(p);
  }
  d->path = expect_string(p);
}

// dim = NAME [("=" | "<=") sum]
static void dims(Parser *p, Decl *d) {
  do {
    int first = p->at;
    Dim x = {.name = expect_name(p, "a dimension")};
    if (x.name.s)
      vec_push(p->arena, &d->names, x.name);
    x.bind = accept(p, T_SET) ? DIM_EQUAL : accept(p, T_LE) ? DIM_AT_MOST : DIM_OPEN;
    if (x.bind != DIM_OPEN)
      x.value = parse_sum(p);
    x.span = since(p, first);
    vec_push(p->arena, &d->dims, x);
  } while (accept(p, T_COMMA));
}

static void lets(Parser *p, Decl *d) {
  do {
    if (is(p, T_NAME))
      vec_push(p->arena, &d->names, (Name){peek(p, 0)->s, tok_span(p, peek(p, 0))});
    Bind b = parse_bind(p);
    vec_push(p->arena, &d->lets, b);
  } while (accept(p, T_COMMA));
}

static void value(Parser *p, Decl *d) {
  d->value = parse_expr(p);
}

static void name_of(Parser *p, Decl *d, const char *what) {
  d->name = expect_name(p, what);
  if (d->name.s)
    vec_push(p->arena, &d->names, d->name);
}

// ["from" NAME]
static bool from(Parser *p, Decl *d, const char *what) {
  if (!is_word(p, "from"))
    return false;
  advance(p);
  d->from = expect_name(p, what);
  return true;
}

static Body *short_body(Parser *p) {
  int first = p->at;
  Body *b = NEW(p->arena, Body);
  Stmt *s = NEW(p->arena, Stmt);
  s->value = parse_expr(p);
  s->span = b->span = since(p, first);
  b->bad = item_reported(p, p->tok + p->at - (p->at > first));
  s->kind = b->bad ? ST_BAD : ST_EXPR;
  vec_push(p->arena, &b->stmts, s);
  return b;
}

// results = type | "(" type {"," type} ")"
static void results(Parser *p, Decl *d) {
  if (!accept(p, T_LPAREN)) {
    d->type = parse_type(p);
    return;
  }
  d->type = parse_type(p);
  while (accept(p, T_COMMA)) {
    Type *t = parse_type(p);
    vec_push(p->arena, &d->more, t);
  }
  expect(p, T_RPAREN, "");
}

// "fn" NAME [generics] formals ["->" results] ("=" expr | body)
static void fn(Parser *p, Decl *d) {
  name_of(p, d, "the name of a function");
  d->generics = parse_generics(p);
  parse_formals(p, &d->formals);
  if (accept(p, T_ARROW))
    results(p, d);
  if ((d->short_form = accept(p, T_SET)))
    d->body = short_body(p);
  else if (is(p, T_LBRACE))
    d->body = parse_body(p);
  else {
    bool colon = is(p, T_COLON);
    Diag *g = fail_expected(p, "`=` or `{`", "");
    if (colon)
      diag_help(p->diags, g, "the type of the result stands behind `->`");
  }
}

// "module" NAME [generics] formals "->" results body
static void module(Parser *p, Decl *d) {
  name_of(p, d, "the name of a module");
  d->generics = parse_generics(p);
  parse_formals(p, &d->formals);
  if (!is(p, T_ARROW))
    diag_help(p->diags, fail_expected(p, "`->`", " and the type of the result"),
              "write `module %s(...) -> [.., H] {`, with the axes that it makes",
              d->name.s ? d->name.s : "NAME");
  accept(p, T_ARROW);
  results(p, d);
  d->body = parse_body(p);
}

// "model" NAME (formals | "from" NAME [formals]) body
static void model(Parser *p, Decl *d) {
  name_of(p, d, "the name of a model");
  if (!from(p, d, "the model that it goes on from") || is(p, T_LPAREN))
    parse_formals(p, &d->formals);
  d->body = parse_body(p);
}

// "checkpoint" NAME ["from" NAME] "{" {ckitem EOL} "}"
static void checkpoint(Parser *p, Decl *d) {
  name_of(p, d, "the name of a checkpoint block");
  from(p, d, "the block that it goes on from");
  parse_block(p, parse_ckitem, d);
}

// "train" NAME ["from" NAME] "{" {tritem EOL} "}"
static void train(Parser *p, Decl *d) {
  name_of(p, d, "the name of a train block");
  from(p, d, "the block that it goes on from");
  parse_block(p, parse_tritem, d);
}

static const struct {
  const char *word;
  DeclKind kind;
  void (*parse)(Parser *p, Decl *d);
} decls[] = {
    {"use", DECL_USE, use},
    {"dim", DECL_DIM, dims},
    {"let", DECL_LET, lets},
    {"init", DECL_INIT, value},
    {"tokenizer", DECL_TOKENIZER, value},
    {"fn", DECL_FN, fn},
    {"module", DECL_MODULE, module},
    {"model", DECL_MODEL, model},
    {"checkpoint", DECL_CHECKPOINT, checkpoint},
    {"train", DECL_TRAIN, train},
};

static int decl_index(const Token *t) {
  if (t->kind != T_NAME && !starts_decl(t))
    return -1;
  for (int i = 0; i < COUNT(decls); i++)
    if (!strcmp(t->s, decls[i].word))
      return i;
  return -1;
}

bool at_decl(const Parser *p) {
  return decl_index(peek(p, 0)) >= 0;
}

static void no_decl(Parser *p, Decl *d) {
  const Token *t = peek(p, 0), *next = peek(p, 1);
  if (t->kind != T_NAME && t->kind != T_ENTRY && t->kind != T_SCAN) {
    Diag *g = fail_expected(p, "a declaration", "");
    const char *help =
        next->lo == t->hi
            ? habit_why(HABIT_OPERATOR, arena_printf(p->arena, "%.*s", (int)(next->hi - t->lo),
                                                     p->src->text + t->lo))
            : NULL;
    if (help)
      diag_help(p->diags, g, "%s", help);
    return;
  }
  Diag *g = fail(p, ERR_NOT_DECLARATION, t, "`%s` does not start a declaration", t->s);
  const Habit *meant = habit_find(HABIT_DECL, t->s, NULL, NULL);
  if (meant)
    foreign_decl_help(p, g, meant, next);
  else if (next->kind == T_SET)
    diag_help(p->diags, g, "write `dim %s = ...` for a size, or `let %s = ...` for another number",
              t->s, t->s);
  for (int i = 0; i < COUNT(decls) && !meant; i++)
    if (edit_distance(t->s, decls[i].word, 2) <= 2 && next->kind == T_NAME) {
      diag_help(p->diags, g, "did you mean `%s`?", decls[i].word);
      break;
    }
  if (next->kind == T_NAME)
    vec_push(p->arena, &d->names, (Name){next->s, tok_span(p, next)});
}

void decl_lost(Parser *p, Decl *d) {
  d->kind = DECL_BAD;
  d->bad = true;
  p->bad = true;
}

// decl = "use" STRING | "dim" dim {"," dim} | "let" bind {"," bind} | "init" expr | "tokenizer"
// expr
//      | fn | module | model | checkpoint | train
Decl *parse_decl(Parser *p) {
  Decl *d = NEW(p->arena, Decl);
  int first = p->at, i = decl_index(peek(p, 0));
  bool bad = p->bad;
  p->bad = false;
  d->keyword = tok_span(p, peek(p, 0));
  d->kind = DECL_BAD;
  if (i < 0) {
    no_decl(p, d);
  } else {
    d->kind = decls[i].kind;
    advance(p);
    decls[i].parse(p, d);
  }
  d->span = since(p, first);
  d->bad = p->bad || item_reported(p, p->tok + p->at - (p->at > first));
  p->bad = p->bad || bad;
  if (d->bad && !d->name.s) // one bad number, say, is no value to go on with
    decl_lost(p, d);
  return d;
}
