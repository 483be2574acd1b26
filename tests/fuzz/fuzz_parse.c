// libFuzzer target: any bytes as a file, as a line of the REPL and as one expression; every tree
// and diagnostic is printed, every file formatted.
#include "compiler/syntax/fmt.h"
#include "compiler/syntax/lex.h"
#include "compiler/syntax/parse.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// What every token list promises: balanced brackets, places in order, one end.
static void check_tokens(const Tokens *t) {
  uint32_t depth = 0, at = 0;
  for (int i = 0; i < t->list.n; i++) {
    const Token *k = &t->list.v[i];
    TokClass c = token_class(k->kind);
    CHECK(k->lo >= at && k->hi >= k->lo && k->hi <= t->src->size);
    CHECK((k->kind == T_EOF) == (i == t->list.n - 1));
    depth -= c == CLOSE;
    CHECK(k->depth == depth);
    depth += c == OPEN;
    at = k->hi;
  }
  CHECK(depth == 0 || t->incomplete);
}

// What parses has a canonical form, whose own is itself; that no token is lost in it fmt_text looks at.
static void check_format(Arena *a, Intern *names, const Source *s, bool bad) {
  Diags d = {.arena = a};
  const char *text = fmt_text(a, names, &d, s), *again;
  CHECK((text == NULL) == bad);
  if (text) {
    again = fmt_text(a, names, &d, source_new(a, "formatted.mdl", text, strlen(text)));
    CHECK(again && !strcmp(again, text));
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *a = arena_new();
  Intern *names = intern_new(a);
  Diags d[3] = {{.arena = a}, {.arena = a}, {.arena = a}};
  const Source *s = source_new(a, "fuzz.mdl", (const char *)data, size);
  check_tokens(lex(a, names, &d[1], s, false));
  d[1] = (Diags){.arena = a};
  const File *f = parse_file(a, names, &d[0], s);
  CHECK(f->bad == (d[0].errors > 0));
  ast_print(a, f);
  check_format(a, names, s, f->bad);
  const ReplInput *in = parse_repl(a, names, &d[1], s);
  CHECK(in->bad == (d[1].errors > 0) && !(in->incomplete && in->bad));
  const Expr *e = parse_expr_text(a, names, &d[2], s);
  CHECK((e == NULL) == (d[2].errors > 0));
  if (e) {
    // Printing and parsing again gives the same text: what is printed says what was understood.
    const char *text = ast_print_expr(a, e);
    const Expr *again =
        parse_expr_text(a, names, &d[2], source_new(a, "again", text, strlen(text)));
    CHECK(again && !strcmp(ast_print_expr(a, again), text));
  }
  for (int i = 0; i < 3; i++) {
    diags_string(a, &d[i], DIAG_TEXT, i == 1);
    diags_string(a, &d[i], DIAG_JSON, false);
  }
  arena_free(a);
  return 0;
}
