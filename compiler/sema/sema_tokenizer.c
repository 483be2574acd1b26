// The tokenizer line of a file: tokenizer wordpiece("vocab.txt", lower: true, pad_to: P)
#include "compiler/sema/sema_check.h"
#include "compiler/sema/sema_eval.h"
#include <string.h>

static void unknown_tokenizer(Sema *s, const Expr *callee) {
  const char *name = callee->kind == EX_NAME ? callee->name.s : "";
  Diag *g = sema_error(s, ERR_BAD_TOKENIZER, callee->span, "unknown tokenizer `%s`; known: %s",
                       name, suggest_text(s, tokenizer_names, TOKENIZER_COUNT));
  suggest_list(s, g, name, tokenizer_names, TOKENIZER_COUNT);
}

static bool takes(TokenizerKind kind, const char *argument) {
  return strstr(tokenizer_arguments[kind], argument) != NULL;
}

// "`lower: true` or `false`, `pad_to: N`", of those that the kind has.
static void wrong_argument(Sema *s, const Arg *a, TokenizerKind kind) {
  sema_error(s, ERR_BAD_TOKENIZER, a->span, "`%s` takes the path of its vocabulary%s%s",
             tokenizer_names[kind], takes(kind, "lower") ? ", `lower: true` or `false`" : "",
             takes(kind, "pad_to") ? ", `pad_to: N`" : "");
}

static void named_argument(Sema *s, const Arg *a, TokenizerDecl *t) {
  Value *v = sema_constant(s, a->value, "an argument of a tokenizer");
  int64_t n;
  if (is_poison(v))
    return;
  if (!strcmp(a->name.s, "lower") && takes(t->kind, "lower") && is_tensor(v))
    t->lower = v->truth;
  else if (!strcmp(a->name.s, "pad_to") && takes(t->kind, "pad_to") && v_whole(v, &n) && n > 0)
    t->pad_to = n;
  else
    wrong_argument(s, a, t->kind);
}

static void arguments(Sema *s, const Expr *e, TokenizerDecl *t) {
  sema_args_once(s, e, tokenizer_names[t->kind]);
  for (int i = 0; e->kind == EX_CALL && i < e->args.n; i++) {
    const Arg *a = &e->args.v[i];
    if (a->name.s)
      named_argument(s, a, t);
    else if (a->value->kind == EX_STR && !t->vocab)
      t->vocab = a->value->str.s;
    else
      wrong_argument(s, a, t->kind);
  }
  if (!t->vocab)
    sema_error(s, ERR_BAD_TOKENIZER, e->span, "`%s` needs the path of its vocabulary",
               tokenizer_names[t->kind]);
}

void sema_check_tokenizer(Sema *s, const Expr *e) {
  const Expr *callee = e->kind == EX_CALL ? e->a : e;
  TokenizerDecl *t = &s->m->tokenizer;
  int kind = 0;
  while (kind < TOKENIZER_COUNT &&
         (callee->kind != EX_NAME || strcmp(callee->name.s, tokenizer_names[kind])))
    kind++;
  if (t->given) {
    sema_error(s, ERR_NAME_TWICE, e->span, "`tokenizer` is declared twice");
    return;
  }
  *t = (TokenizerDecl){.given = true, .kind = (TokenizerKind)kind, .span = e->span};
  if (kind == TOKENIZER_COUNT) {
    unknown_tokenizer(s, callee);
    return;
  }
  t->lower = takes(t->kind, "lower");
  arguments(s, e, t);
}
