// Lexer and parser: shapes of trees, ends of lines, numbers, errors and recovery, limits, the
// REPL's input.
#include "tests/unit/suites.h"
#include "tests/unit/syntax_test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void no_errors(const char *text) {
  ck_assert_msg(!diags.errors, "%s\n%s", text, diags_string(arena, &diags, DIAG_TEXT, false));
}

// ---- expressions as (operator operands)
static char *shape(const Expr *e);

static char *list(const char *head, const Exprs *x) {
  char *s = arena_printf(arena, "(%s", head);
  for (int i = 0; i < x->n; i++)
    s = arena_printf(arena, "%s %s", s, shape(x->v[i]));
  return arena_printf(arena, "%s)", s);
}

static char *shape(const Expr *e) {
  const char *head = NULL;
  Exprs x = {0};
  if (e->a)
    vec_push(arena, &x, e->a);
  if (e->b)
    vec_push(arena, &x, e->b);
  switch (e->kind) {
  case EX_NEG: head = "-"; break;
  case EX_PIPE: head = "|>"; break;
  case EX_BIN: head = bin_op_name(e->bin); break;
  case EX_CONTRACT: head = arena_printf(arena, "@%d", e->axes.n); break;
  case EX_DOT: head = arena_printf(arena, ".%s", e->name.s); break;
  case EX_AXES: head = arena_printf(arena, "axes%d", e->axes.n); break;
  case EX_OPS: head = arena_printf(arena, "ops%d", e->ops.n); break;
  case EX_CALL:
    head = "call";
    for (int i = 0; i < e->args.n; i++)
      vec_push(arena, &x, e->args.v[i].value);
    break;
  case EX_TUPLE: return list(",", &e->items);
  case EX_THEN: return list("then", &e->items);
  default: return ast_print_expr(arena, e);
  }
  return list(head, &x);
}

START_TEST(precedence) {
  static const char *const table[][2] = {
      {"a + b * c", "(+ a (* b c))"},
      {"a - b - c", "(- (- a b) c)"},
      {"a / b * c", "(* (/ a b) c)"},
      {"a * b @[D] c", "(@1 (* a b) c)"},
      {"x @[] y", "(@0 x y)"},
      {"q @[D, E] k / s", "(/ (@2 q k) s)"},
      {"-a ^ b", "(- (^ a b))"},
      {"a ^ -b ^ c", "(^ a (- (^ b c)))"},
      {"2^-1", "(^ 2 (- 1))"},
      {"--a", "(- (- a))"},
      {"-a.b(c)", "(- (call (.b a) c))"},
      {"a < b + c", "(< a (+ b c))"},
      {"a == b |> f", "(|> (== a b) f)"},
      {"a |> f.g[H, S](b) |> h", "(|> (|> a (call (axes2 (.g f)) b)) h)"},
      {"x |> f32", "(|> x f32)"},
      {"(a + b) * c", "(* (+ a b) c)"},
      {"x[L = 0][H as (A, B), (C, D) as E, G as K]", "(ops3 (ops1 x))"},
      {"x[L = L - 1 : 2 * 3]", "(ops1 x)"},
      {"x[as as as]", "(ops1 x)"},
      {"f[as](x)", "(call (axes1 f) x)"},
      {"adamw(beta: (0.9, 0.95), eps: 1e-8)", "(call adamw (, 0.9 0.95) 1e-8)"},
      {"r * (warmup(1%) then cosine(to: 0.1) then c)",
       "(* r (then (call warmup 1%) (call cosine 0.1) c))"},
      {"f(\"a\", true, false)", "(call f \"a\" true false)"},
      {"repeat + share * init", "(+ repeat (* share init))"},
      {"1i * f64(x)", "(* 1i (call f64 x))"},
  };
  for (int i = 0; i < COUNT(table); i++) {
    const Expr *e = parse_expr_text(arena, names, &diags, source(table[i][0]));
    no_errors(table[i][0]);
    ck_assert_str_eq(shape(e), table[i][1]);
  }
}
END_TEST

// What is printed parses to what prints the same.
START_TEST(print_parse_print) {
  static const char *const table[] = {
      "word(ids) + position(iota[L]) |> norm |> dropout(p) |> layer(mask)",
      "gather[T](hidden[(B, L) as T], at)",
      "mean(cross_entropy[V](head(x, word.weight), labels))",
      "(y * f32(cos(a)) @[Pair] -t^2)[(Half, Two) as D]",
      "scan[L](x : c64[.., H, N] = 0, y = 1) { x = c64(A) * x + u; real(sum[N](C * x)); }",
      "x[L = 0 : 64, H as (Heads, D), Q as R]",
      "f(\"s\", a: 1_000, b: (1 then 2))",
  };
  for (int i = 0; i < COUNT(table); i++) {
    const Expr *e = parse_expr_text(arena, names, &diags, source(table[i]));
    no_errors(table[i]);
    ck_assert_str_eq(ast_print_expr(arena, e), table[i]);
  }
}
END_TEST

START_TEST(spans) {
  const Source *s = source("let a = (x + yy) * f[H](z)\n");
  const File *f = parse_file(arena, names, &diags, s);
  const Expr *e = f->decls.v[0]->lets.v[0].value;
  ck_assert_int_eq(e->kind, EX_BIN);
  ck_assert(e->span.lo == 8 && e->span.hi == 26 && e->op.lo == 17 && e->op.hi == 18);
  ck_assert(e->a->span.lo == 8 && e->a->span.hi == 16 && e->a->parens && e->a->op.lo == 11);
  ck_assert(e->b->span.lo == 19 && e->b->op.lo == 23 && e->b->op.hi == 26);
  ck_assert(e->b->a->span.lo == 19 && e->b->a->op.lo == 20 && e->b->a->op.hi == 23);
  ck_assert(f->decls.v[0]->span.lo == 0 && f->decls.v[0]->span.hi == 26);
  ck_assert_int_eq(e->height, 4);
}
END_TEST

// ---- declarations
START_TEST(declarations) {
  const File *f = file("use \"a.mdl\"\n"
                       "dim H = 4, L <= 2 * H, B\n"
                       "let p = 0.1, q = p\n"
                       "init normal(0.02)\n"
                       "tokenizer wordpiece(\"v\")\n"
                       "fn f[S](x, m : bool[.., S], w = 2) -> [..] = x\n"
                       "module M[In... -> Out..., X](x : [.., In...]) -> [.., Out...] {\n"
                       "  a, b : i32[In..., X] ~ 0  @bias @gain\n"
                       "  c : repeat Depth Block[H -> K](eps: 1)\n"
                       "  d : share Depth Block; e : Block\n"
                       "  forms y : [..] { u = x; v = x }\n"
                       "  y\n"
                       "}\n"
                       "model T(x : [H]) { entry y : f64 = x }");
  no_errors("declarations");
  static const DeclKind kinds[] = {DECL_USE,       DECL_DIM, DECL_LET,    DECL_INIT,
                                   DECL_TOKENIZER, DECL_FN,  DECL_MODULE, DECL_MODEL};
  ck_assert_int_eq(f->decls.n, COUNT(kinds));
  for (int i = 0; i < COUNT(kinds); i++)
    ck_assert_int_eq(f->decls.v[i]->kind, kinds[i]);
  const Decl *dim = f->decls.v[1], *fn = f->decls.v[5], *module = f->decls.v[6];
  ck_assert(dim->dims.v[0].bind == DIM_EQUAL && dim->dims.v[1].bind == DIM_AT_MOST &&
            dim->dims.v[2].bind == DIM_OPEN);
  ck_assert_ptr_eq(dim->dims.v[0].name.s, intern(names, "H"));
  ck_assert(fn->short_form && fn->generics->in.n == 1 && fn->formals.n == 3 && fn->type &&
            fn->body->stmts.n == 1);
  ck_assert(!fn->formals.v[0].type && fn->formals.v[1].type->dtype == DT_BOOL &&
            fn->formals.v[2].preset);
  ck_assert(module->generics->arrow && module->generics->in.v[0].pack &&
            module->generics->out.n == 2);
  const Stmt *const *s = (const Stmt *const *)module->body->stmts.v;
  ck_assert(s[0]->kind == ST_PARAM && s[0]->names.n == 2 && s[0]->tags.n == 2 &&
            s[0]->type->dims.v[0].pack);
  ck_assert_str_eq(s[0]->tags.v[1].s, "gain");
  ck_assert(s[1]->kind == ST_CHILD && s[1]->repeat == REPEAT_REPEAT && s[1]->has_args &&
            s[1]->generics->arrow);
  ck_assert(s[2]->repeat == REPEAT_SHARE && s[3]->repeat == REPEAT_NONE && !s[3]->has_args &&
            !s[3]->generics);
  ck_assert(s[4]->kind == ST_FORMS && s[4]->forms.n == 2 && s[5]->kind == ST_EXPR);
  const Type *t = f->decls.v[7]->body->stmts.v[0]->type;
  ck_assert(t->dtype == DT_F64 && !t->has_axes && t->has_dtype);
}
END_TEST

START_TEST(blocks) {
  const File *f = file(
      "checkpoint hf {\n  layout torch\n  config \"c.json\" { V = vocab; act == \"gelu\"; k = m == "
      "\"x\" or \"y\" }\n"
      "  layer.{i}.(q, k) <-> \"l.{i}.*\" or init {\n    a <-> \"b\"; c <-> \"d\"\n  }\n"
      "  layout <-> \"x\"\n  alias \"a\" = \"b\", \"\" = \"c\"\n  ignore \"x*\", \"y\" = p.q\n}\n"
      "train t {\n  from \"run\"\n  data ids, at : i32[M] = src(\"f\")\n  rate *= 2; data = 3\n"
      "  group @a, @b { decay = 0; rate *= 0.1 }\n}\n");
  no_errors("blocks");
  const Decl *c = f->decls.v[0], *t = f->decls.v[1];
  static const CkKind kinds[] = {CK_LAYOUT, CK_CONFIG, CK_RULE, CK_RULE, CK_ALIAS, CK_IGNORE};
  ck_assert_int_eq(c->checkpoint.n, COUNT(kinds));
  for (int i = 0; i < COUNT(kinds); i++)
    ck_assert_int_eq(c->checkpoint.v[i].kind, kinds[i]);
  const ConfigItem *item = c->checkpoint.v[1].config.v;
  ck_assert(c->checkpoint.v[1].config.n == 3 && item[1].check && !item[2].check);
  ck_assert(!item[0].when[1].s && !strcmp(item[2].when[1].s, "x") &&
            !strcmp(item[2].when[0].s, "y"));
  const CkRule *r = c->checkpoint.v[2].rule;
  ck_assert(r->segs.n == 3 && r->segs.v[1].kind == SEG_INDEX && r->segs.v[2].kind == SEG_GROUP &&
            r->or_init);
  ck_assert(r->segs.v[2].names.n == 2 && r->rules.n == 2 && !strcmp(r->rules.v[1]->to.s, "d"));
  ck_assert(c->checkpoint.v[4].aliases.n == 2 && c->checkpoint.v[5].ignore.n == 2);
  ck_assert(!c->checkpoint.v[5].ignore.v[0].param.n && c->checkpoint.v[5].ignore.v[1].param.n == 2);
  ck_assert_int_eq(t->train.n, 5);
  ck_assert(t->train.v[0].kind == TR_FROM && t->train.v[1].kind == TR_DATA &&
            t->train.v[1].fields.n == 2);
  ck_assert(t->train.v[2].setting.times && t->train.v[3].kind == TR_SETTING &&
            t->train.v[4].kind == TR_GROUP);
  ck_assert(t->train.v[4].tags.n == 2 && t->train.v[4].settings.v[1].times);
}
END_TEST

// ---- errors: text, then code and place of each
typedef struct Bad {
  const char *text;
  int n;
  struct {
    int code, line, col;
  } want[7];
} Bad;

static const Bad broken[] = {
    {"dim H = \xff\n", 1, {{101, 1, 9}}},
    {"# \xc3\xa9\nlet s = \"\xe4\xb8\xad\"\nlet \xcf\x83 = 1\n", 1, {{102, 3, 5}}},
    {"let a = 2 \xe2\x88\x92 1\nlet b = $\n", 2, {{102, 1, 11}, {103, 2, 9}}},
    {"use \"a\nuse \"b\"\n", 1, {{104, 1, 5}}},
    // what is open is closed at `}` and at a declaration in column 1
    {"fn f(x) {\n  (x + [1\n}\nfn g(x) = x +\n", 3, {{107, 2, 3}, {107, 2, 8}, {110, 5, 1}}},
    {"fn f(x) {\n  x + (1\nfn g(x) = (x\nfn h(x) = x )\n",
     4,
     {{107, 1, 9}, {107, 2, 7}, {107, 3, 11}, {108, 4, 13}}},
    {"fn f(x) = g(x[L = 0)\nfn g(x) = 1 1\n", 2, {{107, 1, 14}, {110, 2, 13}}},
    {"fn f(x) = sum[S)(x)\nfn g(x) = 1 1\n", 2, {{108, 1, 16}, {110, 2, 13}}},
    {"model M(x : [H]) { entry y : [H] = (x; 1) }\n", 1, {{109, 1, 38}}},
    // every item of a block on its own
    {"module P(x : [H]) -> [H] {\n  a = = x\n  b = x x\n  c : [4]\n  forms y : [H] { u = ; v = "
     "x\n w = ) }\n  x\n}\n",
     5,
     {{110, 2, 7}, {110, 3, 9}, {117, 4, 8}, {110, 5, 23}, {108, 6, 6}}},
    {"checkpoint c {\n  layout\n  a <-> b\n"
     "  config \"x\" { A = 1; B == 2; C = c == \"x\"; D = d }\n"
     "  d <-> \"e\" or x\n}\n"
     "train t {\n  rate\n  a ~ 2\n}\n",
     7,
     {{110, 2, 9},
      {110, 3, 9},
      {110, 4, 20},
      {110, 4, 43},
      {110, 5, 16},
      {110, 8, 7},
      {110, 9, 5}}},
    // a broken header costs one error, and so does a body behind it
    {"module P x : [H] -> [H] {\n  x = =\n}\nfn f(x) = )\n", 2, {{110, 1, 10}, {108, 4, 11}}},
    {"modul P(x : [H]) -> [H] {\n  x\n}\nlet a = 1\n", 1, {{120, 1, 1}}},
    {"model M(x : [H])\n{ entry y : [H] = x }\n", 1, {{110, 1, 17}}},
    {"model M(x : [H]) {\n  entry y : [H]\n    = x\n  z = = 1\n}\n",
     2,
     {{110, 2, 16}, {110, 4, 7}}},
    {"fn f(x) {\n  module P\n  fn = 1\n  scan : [H]\n  entry = 2\n}\n",
     4,
     {{123, 2, 3}, {111, 3, 3}, {111, 4, 3}, {110, 5, 9}}},
    {"model M(entry : [H], f32 : [H]) { }\nmodel fn(x) { }\n", 2, {{111, 1, 9}, {111, 2, 7}}},
    {"fn f(x) {\n  y = x\n  - 1\n  |> g\n  + 2\n  z = y\n  @[H] x\n  y\n}\n",
     2,
     {{112, 3, 3}, {112, 7, 3}}},
    {"fn f(x) = x @H y\nfn g(x) = x @ y\n", 2, {{114, 1, 13}, {110, 2, 13}}},
    {"module P(x : [H]) -> [H] {\n  b : [H] = 0\n  a, b = x\n  c, d\n}\nlet a, b = 1\n",
     3,
     {{115, 2, 11}, {110, 4, 7}, {116, 6, 6}}},
    {"fn f(x : [H * 2], y : [3]) = x\nfn g(x : [...]) = x[3]\n", 2, {{117, 1, 13}, {117, 2, 11}}},
    {"fn f(x) = x |> g[L = 0]\nfn g(x) = x |> (f)\nfn h(x) = x |> f(x)(x)\n",
     3,
     {{118, 1, 17}, {110, 2, 16}, {118, 3, 20}}},
    {"fn f(x) = x[L = 0, H]\nfn g(x) = x[H, L = 0]\nfn h(x) = x[(A, B) as (C, D)]\n",
     3,
     {{119, 1, 20}, {119, 2, 18}, {119, 3, 23}}},
    {"module P(x : [H]) -> [H] {\n  l : repeat 3 Block\n  x\n}\n", 1, {{121, 2, 14}}},
    {"fn f(x) = x |> exp + 1\nfn g(x) = 1 < 2 < 3\n", 2, {{110, 1, 20}, {110, 2, 17}}},
    {"x = 1\n= 2\nlet a = .5\n", 2, {{120, 1, 1}, {110, 3, 9}}},
    {"let a = (1, 2 then 3)\nlet b = ()\nlet c = x[]\n",
     3,
     {{110, 1, 15}, {110, 2, 10}, {110, 3, 11}}},
    {"module P(x : [H]) { x }\nfn f(x) x\n", 2, {{110, 1, 19}, {110, 2, 9}}},
    {"train t { group @a, b { } }\n", 1, {{110, 1, 21}}},
    {"model M(x : [H]) {\nentry y : [H] = x\n}\n", 0, {{0, 0, 0}}},
};

static bool is_reported(int code, int at_line, int at_col) {
  for (int i = 0; i < diags.list.n; i++) {
    int line, col;
    span_pos(diags.list.v[i]->span, &line, &col);
    if (diags.list.v[i]->code == code && line == at_line && col == at_col)
      return true;
  }
  return false;
}

START_TEST(errors_and_recovery) {
  const Bad *b = &broken[_i];
  const File *f = file(b->text);
  const char *all = diags_string(arena, &diags, DIAG_TEXT, false);
  ck_assert_msg(diags.errors == b->n, "%s\n%s", b->text, all);
  ck_assert_int_eq(f->bad, b->n > 0);
  for (int k = 0; k < b->n; k++)
    ck_assert_msg(is_reported(b->want[k].code, b->want[k].line, b->want[k].col),
                  "no E0%d at %d:%d\n%s", b->want[k].code, b->want[k].line, b->want[k].col, all);
}
END_TEST

// What is lost keeps its names, so that the checker can stay silent about them.
START_TEST(lost_names) {
  const File *f = file("dim A = 1, B = = 2, C\nmodule P(x : [H) -> [H] { x }\nfn f(x) {\n  y = x "
                       "x\n  a, b : Linear[\n  z = 1\n  y\n}\nfn g(x) = 3x\n");
  ck_assert_int_eq(f->decls.n, 4);
  const Decl *dims = f->decls.v[0], *module = f->decls.v[1], *fn = f->decls.v[2],
             *g = f->decls.v[3];
  ck_assert(dims->kind == DECL_BAD && dims->names.n == 2 && !strcmp(dims->names.v[1].s, "B"));
  ck_assert(module->names.n == 1 && !strcmp(module->names.v[0].s, "P") && module->bad);
  ck_assert(fn->kind == DECL_FN && fn->bad && fn->body->bad);
  ck_assert(fn->body->stmts.v[0]->kind == ST_BAD && fn->body->stmts.v[0]->names.n == 1);
  ck_assert(fn->body->stmts.v[1]->kind == ST_BAD && fn->body->stmts.v[1]->names.n == 2);
  ck_assert(g->kind == DECL_FN && g->bad && g->body->bad && g->body->stmts.v[0]->kind == ST_BAD);
}
END_TEST

START_TEST(file_too_large) {
  char *text = arena_alloc(arena, SOURCE_MAX + 2);
  memset(text, ' ', SOURCE_MAX + 1);
  parse_file(arena, names, &diags, source_new(arena, "t", text, SOURCE_MAX + 1));
  ck_assert(diags.errors == 1 && diags.list.v[0]->code == 122);
}
END_TEST

// ---- limits
static char *repeated(const char *head, const char *unit, int n, const char *middle,
                      const char *close, const char *tail) {
  size_t size = strlen(head) + strlen(unit) * (size_t)n + strlen(middle) +
                strlen(close) * (size_t)n + strlen(tail);
  char *s = arena_alloc(arena, size + 1), *p = stpcpy(s, head);
  for (int i = 0; i < n; i++)
    p = stpcpy(p, unit);
  p = stpcpy(p, middle);
  for (int i = 0; i < n; i++)
    p = stpcpy(p, close);
  stpcpy(p, tail);
  return s;
}

START_TEST(nesting) {
  static const struct {
    const char *head, *unit, *middle, *close, *tail;
    int most;
  } table[] = {
      {"let a = ", "(", "x", ")", "\n", AST_MAX_NESTING - 1},
      {"let a = ", "-", "x", "", "\n", AST_MAX_NESTING - 1},
      {"let a = ", "x^", "x", "", "\n", AST_MAX_NESTING - 1},
      {"let a = ", "f(", "x", ")", "\n", AST_MAX_NESTING - 1},
      {"let a = x", "[L = x", "", "]", "\n", AST_MAX_NESTING - 1},
      {"let a = ", "scan[L](x) { ", "x", " }", "\n", AST_MAX_NESTING / 2 - 1},
      {"checkpoint c { ", "a <-> \"b\" { ", "c <-> \"d\"", " }", " }\n", AST_MAX_NESTING - 1},
      {"let a = x", " + x", "", "", "\n", AST_MAX_HEIGHT - 1},
      {"let a = x", " |> f", "", "", "\n", AST_MAX_HEIGHT - 1},
      {"let a = x", ".f", "", "", "\n", AST_MAX_HEIGHT - 1},
      {"let a = x", "(y)", "", "", "\n", AST_MAX_HEIGHT - 1},
  };
  static const int beyond[] = {1, 100000};
  for (int i = 0; i < COUNT(table); i++)
    for (int k = -1; k < COUNT(beyond); k++) {
      fresh();
      int n = table[i].most + (k < 0 ? 0 : beyond[k]);
      const File *f = file(repeated(table[i].head, table[i].unit, n, table[i].middle,
                                    table[i].close, table[i].tail));
      ck_assert_msg(diags.errors == (k >= 0), "row %d, %d deep: %d errors\n%.2000s", i, n,
                    diags.errors, diags_string(arena, &diags, DIAG_TEXT, false));
      if (k >= 0)
        ck_assert(diags.list.v[0]->code == 113 && strstr(diags.list.v[0]->text, "deep"));
      ast_print(arena, f);
    }
}
END_TEST

// Work stays linear in the size of the text.
START_TEST(hostile_sizes) {
  static const char *const units[] = {"(",  "}",      "\n", "# c\n", "let a = (\n", "x |>\n", ")(",
                                      "\"", "a = 1;", "$",  "\xff",  "fn f(x) {\n", "1"};
  for (int i = 0; i < COUNT(units); i++) {
    fresh();
    file(repeated("fn f(x) {\n", units[i], 200000 / (int)strlen(units[i]), "", "", ""));
    ck_assert(i == 2 || i == 3 ? diags.errors == 1 : diags.errors >= 1);
    ck_assert_int_le(diags.list.n, 100);
  }
}
END_TEST

// ---- the REPL
static ReplInput *repl(const char *text) {
  return parse_repl(arena, names, &diags, source(text));
}

START_TEST(repl_items) {
  const ReplInput *in = repl("dim H = 4; x = 1 + 2\nx |> f\na, b : Linear[H -> H]\ninit "
                             "normal(1)\ninit(3)\nfn f(x) = x\n");
  no_errors("repl");
  ck_assert_int_eq(in->items.n, 7);
  ck_assert(!in->incomplete && !in->bad);
  ck_assert(in->items.v[0].decl && in->items.v[0].decl->kind == DECL_DIM);
  ck_assert(in->items.v[1].stmt && in->items.v[1].stmt->kind == ST_BIND);
  ck_assert(in->items.v[2].stmt->kind == ST_EXPR && in->items.v[3].stmt->kind == ST_CHILD);
  ck_assert(in->items.v[4].decl->kind == DECL_INIT && in->items.v[5].stmt->kind == ST_EXPR &&
            in->items.v[6].decl);
  ck_assert_int_eq(repl("")->items.n, 0);
  ck_assert_int_eq(repl(" # c\n")->items.n, 0);
}
END_TEST

START_TEST(repl_incomplete) {
  static const char *const open[] = {"f(",     "x = ", "fn f(x) {", "fn f(x) {\n  y = 1\n", "x +\n",
                                     "a, b :", "x |>", "x[L",       "module M(x : [H]) ->"};
  static const char *const closed[] = {"f(x)", "x", "fn f(x) { x }", "", "x\n"};
  for (int i = 0; i < COUNT(open); i++)
    ck_assert_msg(repl(open[i])->incomplete, "%s", open[i]);
  for (int i = 0; i < COUNT(closed); i++)
    ck_assert_msg(!repl(closed[i])->incomplete, "%s", closed[i]);
  no_errors("repl");
  ck_assert(!repl("x ) (")->incomplete && diags.errors == 2);
}
END_TEST

START_TEST(repl_errors) {
  const ReplInput *in = repl("x = = 1\ny = 2; z z\nmodule P x\nw = 3\n");
  ck_assert_int_eq(diags.errors, 3);
  ck_assert(in->bad && in->items.n == 2);
}
END_TEST

START_TEST(single_expression) {
  ck_assert_ptr_nonnull(parse_expr_text(arena, names, &diags, source(" 1 + 2 \n")));
  no_errors("1 + 2");
  static const char *const bad[] = {"", "1 2", "1; 2", "dim H", "x)", "(1"};
  for (int i = 0; i < COUNT(bad); i++) {
    ck_assert_msg(!parse_expr_text(arena, names, &diags, source(bad[i])), "%s", bad[i]);
    ck_assert_int_eq(diags.errors, i + 1);
  }
}
END_TEST

// ---- the models that come with bigsc
START_TEST(models) {
  static const char *const paths[] = {
      "models/bert.mdl", "models/bigs.mdl",   "models/conv.mdl",
      "models/fnet.mdl", "models/gau.mdl",    "models/gpt.mdl",
      "models/s4d.mdl",  "models/rotary.mdl", "compiler/sema/prelude.mdl"};
  const char *root = getenv("srcdir");
  for (int i = 0; i < COUNT(paths); i++) {
    FILE *f = fopen(arena_printf(arena, "%s/%s", root ? root : ".", paths[i]), "rb");
    ck_assert_msg(f != NULL, "%s", paths[i]);
    char text[1 << 14];
    size_t n = fread(text, 1, sizeof text, f);
    fclose(f);
    const File *parsed = parse_file(arena, names, &diags, source_new(arena, paths[i], text, n));
    no_errors(paths[i]);
    ck_assert_uint_gt(strlen(ast_print(arena, parsed)), n);
  }
}
END_TEST

Suite *parse_suite(void) {
  Suite *s = suite_create("parse");
  TCase *t = tcase_create("parse");
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_set_timeout(t, 60);
  tcase_add_test(t, precedence);
  tcase_add_test(t, print_parse_print);
  tcase_add_test(t, spans);
  tcase_add_test(t, declarations);
  tcase_add_test(t, blocks);
  tcase_add_loop_test(t, errors_and_recovery, 0, COUNT(broken));
  tcase_add_test(t, lost_names);
  tcase_add_test(t, file_too_large);
  tcase_add_test(t, nesting);
  tcase_add_test(t, hostile_sizes);
  tcase_add_test(t, repl_items);
  tcase_add_test(t, repl_incomplete);
  tcase_add_test(t, repl_errors);
  tcase_add_test(t, single_expression);
  tcase_add_test(t, models);
  suite_add_tcase(s, t);
  return s;
}
