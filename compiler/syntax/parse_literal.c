// Values written down at the prompt: nested lists of numbers.
#include "compiler/syntax/parse_internal.h"

enum { MAX_RANK = 16 };

typedef struct LiteralRows { // what is known of the extents so far
  Literal *out;
  int64_t extent[MAX_RANK]; // 0: no list of this depth is closed yet
  int rank;                 // 0: no number was read yet
} LiteralRows;

bool at_literal(const Parser *p) {
  return is(p, T_LBRACKET) ||
         (is(p, T_NAME) && next_is(p, T_SET) && peek(p, 2)->kind == T_LBRACKET);
}

static void push(Parser *p, LiteralRows *r, int depth, LiteralNumber x) {
  if (!r->rank)
    r->rank = depth;
  if (depth != r->rank)
    fail(p, ERR_EXPECTED, peek(p, 0), "a number in %d brackets, the ones before stand in %d", depth,
         r->rank);
  vec_push(p->arena, &r->out->number, x);
}

// ["-"] NUM | "true" | "false"
static void number(Parser *p, LiteralRows *r, int depth) {
  int first = p->at;
  bool minus = accept(p, T_MINUS);
  const Token *t = peek(p, 0);
  LiteralNumber x = {.truth = t->kind == T_TRUE || t->kind == T_FALSE};
  if (t->kind == T_NUM && t->num->kind == NUM_IMAG)
    fail(p, ERR_EXPECTED, t, "a list holds real numbers, not %s", found(p, t));
  else if (t->kind != T_NUM && (!x.truth || minus))
    fail_expected(p, minus ? "a number" : "a number, `true`, `false` or a list", "");
  advance(p);
  x.value = t->kind == T_NUM ? (minus ? -t->num->value : t->num->value) : t->kind == T_TRUE;
  x.whole = t->kind == T_NUM && t->num->kind == NUM_WHOLE;
  x.span = since(p, first);
  push(p, r, depth, x);
}

static void close(Parser *p, LiteralRows *r, const Token *open, int depth, int64_t n) {
  int64_t *extent = &r->extent[depth - 1];
  if (*extent && *extent != n)
    fail(p, ERR_EXPECTED, open, "a list of %lld, the ones before have %lld elements", (long long)n,
         (long long)*extent);
  *extent = n;
}

// literal = "[" (literal | number) {"," (literal | number)} "]"
static void list(Parser *p, LiteralRows *r, int depth) {
  const Token *open = advance(p);
  int64_t n = 0;
  if (depth > MAX_RANK)
    fail(p, ERR_TOO_DEEP, open, "more than %d brackets deep", MAX_RANK);
  else if (is(p, T_RBRACKET))
    fail_expected(p, "an element", ": an axis has at least one");
  do {
    if (n++ && is(p, T_RBRACKET)) { // a comma at the end
      n--;
      break;
    }
    if (is(p, T_LBRACKET))
      list(p, r, depth + 1);
    else
      number(p, r, depth);
  } while (accept(p, T_COMMA));
  expect(p, T_RBRACKET, "");
  if (!p->panic)
    close(p, r, open, depth, n);
}

Literal *parse_literal(Parser *p) {
  Literal *l = NEW(p->arena, Literal);
  LiteralRows r = {.out = l};
  int first = p->at;
  if (is(p, T_NAME)) {
    l->name = expect_name(p, "a name");
    expect(p, T_SET, "");
  }
  list(p, &r, 1);
  l->span = since(p, first);
  l->rank = r.rank;
  l->extent = NEWN(p->arena, int64_t, MAX_RANK);
  for (int i = 0; i < r.rank; i++)
    l->extent[i] = r.extent[i];
  return l;
}
