// Open documents: their text, and what the front end says of it.
#include "compiler/editor/lsp_internal.h"
#include "compiler/sema/sema.h"
#include "compiler/syntax/parse.h"
#include <stdlib.h>
#include <string.h>

LspDoc *lsp_doc(const Lsp *l, const char *uri) {
  for (int i = 0; i < l->docs.n; i++)
    if (!strcmp(l->docs.v[i]->uri, uri))
      return l->docs.v[i];
  return NULL;
}

// The text [lo, hi) becomes another.
static void replace(LspDoc *d, size_t lo, size_t hi, const char *by, size_t n) {
  char *text = malloc(d->size - (hi - lo) + n + 1);
  if (!text)
    return;
  if (lo)
    memcpy(text, d->text, lo);
  memcpy(text + lo, by, n);
  if (d->size > hi)
    memcpy(text + lo + n, d->text + hi, d->size - hi);
  d->size = d->size - (hi - lo) + n;
  text[d->size] = '\0';
  free(d->text);
  d->text = text;
}

void lsp_doc_open(Lsp *l, const char *uri, int64_t version, const char *text, size_t size) {
  LspDoc *d = lsp_doc(l, uri);
  if (!d) {
    d = NEW(l->a, LspDoc);
    d->uri = arena_strdup(l->a, uri);
    d->path = lsp_path(l->a, uri);
    vec_push(l->a, &l->docs, d);
  }
  d->version = version;
  replace(d, 0, d->size, text, size);
}

static size_t offset_of(const LspDoc *d, const JsonValue *position) {
  int64_t line = 0, unit = 0;
  const JsonValue *x = position ? json_get(position, "line") : NULL,
                  *y = position ? json_get(position, "character") : NULL;
  if (x)
    json_int(x, &line);
  if (y)
    json_int(y, &unit);
  return lsp_offset(d->text, d->size, line, unit);
}

void lsp_doc_change(LspDoc *d, const JsonValue *change) {
  const JsonValue *text = json_get(change, "text"), *range = json_get(change, "range");
  size_t lo = 0, hi = d->size;
  if (!text || text->kind != JSON_STRING)
    return;
  if (range) {
    lo = offset_of(d, json_get(range, "start"));
    hi = offset_of(d, json_get(range, "end"));
  }
  replace(d, lo, hi < lo ? lo : hi, text->text, text->size);
}

static void forget(LspDoc *d) {
  if (d->a)
    arena_free(d->a);
  d->a = NULL;
  d->seen.n = d->seen.cap = 0;
  d->prelude = NULL;
}

void lsp_doc_close(Lsp *l, LspDoc *d) {
  forget(d);
  free(d->text);
  d->text = NULL;
  for (int i = 0; i < l->docs.n; i++)
    if (l->docs.v[i] == d)
      l->docs.v[i] = l->docs.v[--l->docs.n];
}

static void see(void *ctx, Span at, const char *type) {
  LspDoc *d = ctx;
  if (at.src && !strcmp(at.src->path, d->path))
    vec_push(d->a, &d->seen, (SeenType){at.lo, at.hi, type});
}

void lsp_doc_look(LspDoc *d) {
  forget(d);
  Arena *a = d->a = arena_new();
  Diags quiet = {.arena = a};
  ModelOptions how = {.see = see, .see_ctx = d};
  d->names = intern_new(a);
  d->diags = NEW(a, Diags);
  d->diags->arena = a;
  d->src = source_new(a, d->path, d->text, d->size);
  d->tokens = lex(a, d->names, &quiet, d->src, false);
  d->file = parse_file(a, d->names, &quiet, d->src);
  d->seen.v = NULL;
  model_load(a, d->names, d->diags, d->path, d->text, &how);
}

// ---- diagnostics
// Of another file: the place of the `use` that brought it, as far as this file tells.
static Span own_place(const LspDoc *d, Span at) {
  if (at.src && !strcmp(at.src->path, d->path))
    return at;
  for (int i = 0; at.src && i < d->file->decls.n; i++)
    if (d->file->decls.v[i]->kind == DECL_USE)
      return d->file->decls.v[i]->span;
  return (Span){0};
}

static void put_related(JsonText *t, Span at, const char *text, int *n) {
  json_raw(t, (*n)++ ? "," : ",\"relatedInformation\":[");
  json_raw(t, "{\"location\":{\"uri\":");
  lsp_put_uri(t, at.src->path);
  json_raw(t, ",\"range\":");
  lsp_put_range(t, at.src, at.lo, at.hi);
  json_raw(t, "},\"message\":");
  lsp_put_text(t, text);
  json_raw(t, "}");
}

static bool is_readable(Span at) {
  return at.src && at.src->path[0] != '<';
}

static void put_parts(JsonText *t, const LspDoc *d, const Diag *g) {
  int n = 0;
  if (own_place(d, g->span).src != g->span.src && is_readable(g->span))
    put_related(t, g->span, g->text, &n);
  for (int i = 0; i < g->parts.n; i++)
    if (is_readable(g->parts.v[i].span))
      put_related(t, g->parts.v[i].span, g->parts.v[i].text, &n);
  json_raw(t, n ? "]" : "");
}

// What has no place of its own stands in the message.
static const char *message(const LspDoc *d, const Diag *g) {
  const char *text = g->label ? arena_printf(d->a, "%s\n%s", g->text, g->label) : g->text;
  for (int i = 0; i < g->parts.n; i++) {
    const DiagPart *p = &g->parts.v[i];
    if (!is_readable(p->span))
      text = arena_printf(d->a, "%s\n%s: %s", text, p->kind == SEV_HELP ? "help" : "note", p->text);
  }
  return text;
}

static void put_diag(JsonText *t, const LspDoc *d, const Diag *g) {
  Span at = own_place(d, g->span);
  json_raw(t, "{\"range\":");
  lsp_put_range(t, d->src, at.src ? at.lo : 0, at.src ? at.hi : 0);
  lsp_put(t, ",\"severity\":%d,\"code\":\"E%04d\",\"source\":\"bigsc\",\"message\":",
          g->severity == SEV_ERROR ? 1 : 2, g->code);
  lsp_put_text(t, message(d, g));
  put_parts(t, d, g);
  json_raw(t, "}");
}

void lsp_doc_publish(Lsp *l, const LspDoc *d) {
  JsonText t = {0};
  json_raw(
      &t,
      "{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/publishDiagnostics\",\"params\":{\"uri\":");
  lsp_put_text(&t, d->uri);
  lsp_put(&t, ",\"version\":%lld,\"diagnostics\":[", (long long)d->version);
  for (int i = 0; i < d->diags->list.n; i++) {
    json_raw(&t, i ? "," : "");
    put_diag(&t, d, d->diags->list.v[i]);
  }
  json_raw(&t, "]}}");
  lsp_send(l->out, &t);
}
