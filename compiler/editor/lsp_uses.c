// Where a name of the document is used: references and renaming; and what the document declares.
#include "compiler/editor/lsp_internal.h"
#include <string.h>

// ---- uses

// `p: 0.1` in a call is the name of an argument, whatever else is called so.
static bool is_argument(const LspDoc *d, int i) {
  const Token *t = d->tokens->list.v;
  bool open = i > 0 && (t[i - 1].kind == T_LPAREN || t[i - 1].kind == T_COMMA);
  return open && i + 1 < d->tokens->list.n && t[i + 1].kind == T_COLON && t[i].hi == t[i + 1].lo;
}

static bool is_use(LspDoc *d, int i, const LspName *of) {
  LspName n;
  const Token *t = &d->tokens->list.v[i];
  return t->kind == T_NAME && !strcmp(t->s, of->name) && !is_argument(d, i) && lsp_find(d, i, &n) &&
         n.span.src && !strcmp(n.span.src->path, of->span.src->path) && n.span.lo == of->span.lo;
}

static bool name_at(LspDoc *d, size_t at, LspName *out) {
  int i = lsp_token_at(d, at);
  return i >= 0 && lsp_find(d, i, out) && out->span.src;
}

void lsp_references(LspDoc *d, size_t at, JsonText *t) {
  LspName of;
  int n = 0;
  bool found = name_at(d, at, &of);
  json_raw(t, "[");
  for (int i = 0; found && i < d->tokens->list.n; i++) {
    const Token *k = &d->tokens->list.v[i];
    if (!is_use(d, i, &of))
      continue;
    json_raw(t, n++ ? "," : "");
    lsp_put_location(t, (Span){d->src, k->lo, k->hi});
  }
  json_raw(t, "]");
}

// ---- renaming

static bool is_free_name(LspDoc *d, const char *name) {
  Diags quiet = {.arena = d->a};
  const Tokens *t =
      lex(d->a, d->names, &quiet, source_new(d->a, "<name>", name, strlen(name)), false);
  bool one = t->list.n && t->list.v[0].kind == T_NAME && t->list.v[0].hi == strlen(name);
  for (int i = 0; one && i < d->tokens->list.n; i++)
    one = d->tokens->list.v[i].kind != T_NAME || strcmp(d->tokens->list.v[i].s, name);
  return one;
}

// Not what other files declare, nor an argument that a call names.
static bool may_rename(LspDoc *d, const LspName *of) {
  bool own = !strcmp(of->span.src->path, d->path);
  for (int i = 0; own && i < d->tokens->list.n; i++)
    own = !is_argument(d, i) || strcmp(d->tokens->list.v[i].s, of->name) != 0;
  return own;
}

void lsp_rename(LspDoc *d, size_t at, const char *name, JsonText *t) {
  LspName of;
  int n = 0;
  if (!name_at(d, at, &of) || !may_rename(d, &of) || !is_free_name(d, name)) {
    json_raw(t, "null");
    return;
  }
  json_raw(t, "{\"changes\":{");
  lsp_put_text(t, d->uri);
  json_raw(t, ":[");
  for (int i = 0; i < d->tokens->list.n; i++) {
    const Token *k = &d->tokens->list.v[i];
    if (!is_use(d, i, &of))
      continue;
    json_raw(t, n++ ? ",{\"range\":" : "{\"range\":");
    lsp_put_range(t, d->src, k->lo, k->hi);
    json_raw(t, ",\"newText\":");
    lsp_put_text(t, name);
    json_raw(t, "}");
  }
  json_raw(t, "]}}");
}

// ---- symbols

enum {
  SYMBOL_MODULE = 2,
  SYMBOL_CLASS = 5,
  SYMBOL_METHOD,
  SYMBOL_FIELD = 8,
  SYMBOL_FUNCTION = 12,
  SYMBOL_CONSTANT = 14
};

static void put_symbol(JsonText *t, const char *name, int kind, Span whole, Span own, int *n) {
  json_raw(t, (*n)++ ? ",{\"name\":" : "{\"name\":");
  lsp_put_text(t, name);
  lsp_put(t, ",\"kind\":%d,\"range\":", kind);
  lsp_put_range(t, whole.src, whole.lo, whole.hi);
  json_raw(t, ",\"selectionRange\":");
  lsp_put_range(t, own.src, own.lo, own.hi);
}

// Parameters, children and entries.
static void put_parts(JsonText *t, const Body *b) {
  int n = 0;
  json_raw(t, ",\"children\":[");
  for (int i = 0; b && i < b->stmts.n; i++) {
    const Stmt *st = b->stmts.v[i];
    int kind = st->kind == ST_ENTRY                           ? SYMBOL_METHOD
               : st->kind == ST_PARAM || st->kind == ST_CHILD ? SYMBOL_FIELD
                                                              : 0;
    for (int k = 0; kind && k < st->names.n; k++) {
      put_symbol(t, st->names.v[k].s, kind, st->span, st->names.v[k].span, &n);
      json_raw(t, "}");
    }
  }
  json_raw(t, "]}");
}

static int symbol_of(const Decl *d) {
  return d->kind == DECL_FN                                ? SYMBOL_FUNCTION
         : d->kind == DECL_MODULE || d->kind == DECL_MODEL ? SYMBOL_CLASS
                                                           : SYMBOL_MODULE;
}

static void put_constants(JsonText *t, const Decl *d, int *n) {
  for (int i = 0; i < d->dims.n + d->lets.n; i++) {
    bool dim = i < d->dims.n;
    const Name *name = dim ? &d->dims.v[i].name : &d->lets.v[i - d->dims.n].name;
    Span whole = dim ? d->dims.v[i].span : d->lets.v[i - d->dims.n].span;
    if (!name->s)
      continue;
    put_symbol(t, name->s, SYMBOL_CONSTANT, whole, name->span, n);
    json_raw(t, "}");
  }
}

void lsp_symbols(LspDoc *d, JsonText *t) {
  int n = 0;
  json_raw(t, "[");
  for (int i = 0; i < d->file->decls.n; i++) {
    const Decl *x = d->file->decls.v[i];
    put_constants(t, x, &n);
    if (!x->name.s || x->kind == DECL_BAD)
      continue;
    put_symbol(t, x->name.s, symbol_of(x), x->span, x->name.span, &n);
    put_parts(t, x->body);
  }
  json_raw(t, "]");
}
