// Items of checkpoint and train blocks.
#include "compiler/syntax/parse_internal.h"
#include <string.h>

// ---- checkpoint
// seg = NAME | "{" NAME "}" | "(" names ")"
static Seg seg(Parser *p) {
  int first = p->at;
  Seg s = {.kind = SEG_NAME};
  TokKind close = T_EOF;
  if (accept(p, T_LBRACE)) {
    s.kind = SEG_INDEX;
    close = T_RBRACE;
  } else if (accept(p, T_LPAREN)) {
    s.kind = SEG_GROUP;
    close = T_RPAREN;
  }
  if (s.kind == SEG_GROUP) {
    parse_names(p, &s.names, "a name");
  } else if (is(p, T_NUM)) {
    diag_help(p->diags, fail_expected(p, "a name", ""),
              "`{i}` stands for the numbers of a `repeat`, on both sides");
  } else {
    Name n = expect_name(p, "a name");
    vec_push(p->arena, &s.names, n);
  }
  if (close != T_EOF)
    expect(p, close, "");
  s.span = since(p, first);
  return s;
}

static void rule_item(Parser *p, void *out, bool failed);

// rule = seg {"." seg} "<->" STRING ["or" "init"] ["{" {rule EOL} "}"]
static CkRule *rule(Parser *p) {
  int first = p->at;
  CkRule *r = NEW(p->arena, CkRule);
  do {
    Seg s = seg(p);
    vec_push(p->arena, &r->segs, s);
  } while (accept(p, T_DOT));
  expect(p, T_MAPS, "");
  r->to = expect_string(p);
  if (is_word(p, "or")) {
    advance(p);
    r->or_init = is_word(p, "init");
    if (!r->or_init)
      fail_expected(p, "`init`", " after `or`");
    advance(p);
  }
  if (is(p, T_LBRACE))
    parse_block(p, rule_item, r);
  r->span = since(p, first);
  return r;
}

static void rule_item(Parser *p, void *out, bool failed) {
  CkRule *outer = out;
  if (failed) {
    outer->rules.n--;
    return;
  }
  CkRule *r = rule(p);
  vec_push(p->arena, &outer->rules, r);
}

// A key that is a word of the language stands as a string.
static Name config_key(Parser *p) {
  if (!is(p, T_STR))
    return expect_name(p, "a key of the file");
  Str s = expect_string(p);
  return (Name){intern(p->names, s.s), s.span};
}

// "==" STRING "or" STRING: where a let is true, and where it is false
static void config_words(Parser *p, ConfigItem *x) {
  if (!accept(p, T_EQ))
    return;
  x->when[1] = expect_string(p);
  if (!is_word(p, "or"))
    fail_expected(p, "`or`, and what the key says where the let is false", "");
  p->at++;
  x->when[0] = expect_string(p);
}

// NAME ("=" (NAME | STRING) ["==" STRING "or" STRING] | "==" sum)
static void config_item(Parser *p, void *out, bool failed) {
  CkItem *c = out;
  if (failed) {
    c->config.n--;
    return;
  }
  int first = p->at;
  ConfigItem x = {.name = expect_name(p, "a dim or a key")};
  x.check = accept(p, T_EQ);
  if (x.check) {
    x.value = parse_sum(p);
  } else {
    if (!is(p, T_SET))
      fail_expected(p, "`=` or `==`", "");
    accept(p, T_SET);
    x.key = config_key(p);
    config_words(p, &x);
  }
  x.span = since(p, first);
  vec_push(p->arena, &c->config, x);
}

static void aliases(Parser *p, CkItem *c) {
  do {
    AliasPair a = {.old_name = expect_string(p)};
    expect(p, T_SET, "");
    a.new_name = expect_string(p);
    vec_push(p->arena, &c->aliases, a);
  } while (accept(p, T_COMMA));
}

// ignored = STRING ["=" NAME {"." NAME}]
static Ignored ignored(Parser *p) {
  Ignored x = {.pattern = expect_string(p)};
  if (!accept(p, T_SET))
    return x;
  do {
    Name n = expect_name(p, "a parameter");
    vec_push(p->arena, &x.param, n);
  } while (accept(p, T_DOT));
  return x;
}

static void ignores(Parser *p, CkItem *c) {
  do {
    Ignored x = ignored(p);
    vec_push(p->arena, &c->ignore, x);
  } while (accept(p, T_COMMA));
}

// ckitem = "layout" NAME | "config" STRING "{" {NAME ("=" (NAME | STRING) ["==" STRING "or" STRING] | "==" sum) EOL} "}"
//        | "alias" STRING "=" STRING {"," STRING "=" STRING} | "ignore" ignored {"," ignored} | rule
void parse_ckitem(Parser *p, void *decl, bool failed) {
  Decl *d = decl;
  if (failed) {
    d->checkpoint.n--;
    return;
  }
  int first = p->at;
  CkItem c = {.kind = CK_RULE};
  bool word = !next_is(p, T_MAPS) && !next_is(p, T_DOT); // else a path may start with it
  if (word && is_word(p, "layout")) {
    c.kind = CK_LAYOUT;
    advance(p);
    c.layout = expect_name(p, "a layout");
  } else if (word && is_word(p, "config")) {
    c.kind = CK_CONFIG;
    advance(p);
    c.path = expect_string(p);
    parse_block(p, config_item, &c);
  } else if (word && is_word(p, "alias")) {
    c.kind = CK_ALIAS;
    advance(p);
    aliases(p, &c);
  } else if (word && is_word(p, "ignore")) {
    c.kind = CK_IGNORE;
    advance(p);
    ignores(p, &c);
  } else {
    c.rule = rule(p);
  }
  c.span = since(p, first);
  vec_push(p->arena, &d->checkpoint, c);
}

// ---- train
// setting = NAME ("=" | "*=") expr
static Setting setting(Parser *p) {
  int first = p->at;
  Setting s = {.name = expect_name(p, "a setting"), .value = p->poison};
  s.times = accept(p, T_TIMES_SET);
  if (!s.times) {
    if (!is(p, T_SET))
      fail_expected(p, "`=` or `*=`", "");
    accept(p, T_SET);
  }
  s.value = parse_expr(p);
  s.span = since(p, first);
  return s;
}

static void group_item(Parser *p, void *out, bool failed) {
  TrItem *g = out;
  if (failed) {
    g->settings.n--;
    return;
  }
  Setting s = setting(p);
  vec_push(p->arena, &g->settings, s);
}

// "group" TAG {"," TAG} "{" {setting EOL} "}"
static void group(Parser *p, TrItem *g) {
  g->kind = TR_GROUP;
  do {
    const Token *t = peek(p, 0);
    if (!accept(p, T_TAG))
      fail_expected(p, "a tag", "");
    vec_push(p->arena, &g->tags, (Name){t->s, tok_span(p, t)});
  } while (accept(p, T_COMMA));
  parse_block(p, group_item, g);
}

// "data" field {"," field} "=" expr;  field = NAME [":" type]
static void data(Parser *p, TrItem *x) {
  x->kind = TR_DATA;
  do {
    int first = p->at;
    Field f = {.name = expect_name(p, "a field")};
    if (accept(p, T_COLON))
      f.type = parse_type(p);
    f.span = since(p, first);
    vec_push(p->arena, &x->fields, f);
  } while (accept(p, T_COMMA));
  expect(p, T_SET, "");
  x->source = parse_expr(p);
}

// "next" sum "=" expr
static void next_state(Parser *p, TrItem *x) {
  x->kind = TR_NEXT;
  x->state = parse_sum(p);
  expect(p, T_SET, " and the value after a step");
  x->next = parse_expr(p);
}

// tritem = "from" STRING | "data" field {"," field} "=" expr | setting | group | "next" sum "=" expr
void parse_tritem(Parser *p, void *decl, bool failed) {
  Decl *d = decl;
  if (failed) {
    d->train.n--;
    return;
  }
  int first = p->at;
  TrItem x = {.kind = TR_SETTING};
  bool word = !next_is(p, T_SET) && !next_is(p, T_TIMES_SET); // else a setting of that name
  if (word && is_word(p, "from")) {
    x.kind = TR_FROM;
    advance(p);
    x.from = expect_string(p);
  } else if (word && is_word(p, "data")) {
    advance(p);
    data(p, &x);
  } else if (word && is_word(p, "group")) {
    advance(p);
    group(p, &x);
  } else if (word && is_word(p, "next")) {
    advance(p);
    next_state(p, &x);
  } else {
    x.setting = setting(p);
  }
  x.span = since(p, first);
  vec_push(p->arena, &d->train, x);
}
