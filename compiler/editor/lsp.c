// The server: one message after another.
#include "compiler/editor/lsp_internal.h"
#include <stdlib.h>
#include <string.h>

enum { PARSE_ERROR = -32700, BAD_REQUEST = -32600, NO_METHOD = -32601, NOT_READY = -32002 };

typedef struct Message {
  const char *method;
  const JsonValue *id; // NULL: a notification
  const JsonValue *params;
} Message;

// ---- answers
static void put_id(JsonText *t, const JsonValue *id) {
  json_raw(t, "{\"jsonrpc\":\"2.0\",\"id\":");
  if (id && id->kind == JSON_STRING)
    json_put_string(t, id->text, id->size);
  else
    json_raw(t, id && id->kind == JSON_NUMBER ? id->text : "null");
}

static void fail(Lsp *l, const JsonValue *id, int code, const char *text) {
  JsonText t = {0};
  put_id(&t, id);
  lsp_put(&t, ",\"error\":{\"code\":%d,\"message\":", code);
  lsp_put_text(&t, text);
  json_raw(&t, "}}");
  lsp_send(l->out, &t);
}

static const char *text_member(const JsonValue *object, const char *key) {
  const JsonValue *v = object ? json_get(object, key) : NULL;
  return v && v->kind == JSON_STRING ? v->text : NULL;
}

static int64_t number_member(const JsonValue *object, const char *key) {
  const JsonValue *v = object ? json_get(object, key) : NULL;
  int64_t n = 0;
  return v && json_int(v, &n) ? n : 0;
}

// ---- requests: each writes the value of `result`
static void initialize(Lsp *l, const Message *m, JsonText *t) {
  (void)m;
  l->ready = true;
  json_raw(t,
           "{\"capabilities\":{\"positionEncoding\":\"utf-16\",\"textDocumentSync\":{\"openClose\":"
           "true,\"change\":2},"
           "\"hoverProvider\":true,\"definitionProvider\":true,\"completionProvider\":{"
           "\"triggerCharacters\":[\".\"]},"
           "\"referencesProvider\":true,\"renameProvider\":true,\"documentSymbolProvider\":true,"
           "\"documentFormattingProvider\":true},\"serverInfo\":{\"name\":\"bigsc\",\"version\":");
  lsp_put_text(t, l->version);
  json_raw(t, "}}");
}

static void shut_down(Lsp *l, const Message *m, JsonText *t) {
  (void)m;
  l->down = true;
  json_raw(t, "null");
}

static LspDoc *doc_of(const Lsp *l, const Message *m) {
  const char *uri = m->params ? text_member(json_get(m->params, "textDocument"), "uri") : NULL;
  return uri ? lsp_doc(l, uri) : NULL;
}

// Of a document that is open, at a place; else the answer is null.
static void ask(Lsp *l, const Message *m, JsonText *t,
                void (*answer)(LspDoc *, size_t, JsonText *)) {
  LspDoc *d = doc_of(l, m);
  const JsonValue *at = d ? json_get(m->params, "position") : NULL;
  if (!at)
    json_raw(t, "null");
  else
    answer(d,
           lsp_offset(d->text, d->size, number_member(at, "line"), number_member(at, "character")),
           t);
}

static void hover(Lsp *l, const Message *m, JsonText *t) {
  ask(l, m, t, lsp_hover);
}

static void definition(Lsp *l, const Message *m, JsonText *t) {
  ask(l, m, t, lsp_definition);
}

static void completion(Lsp *l, const Message *m, JsonText *t) {
  ask(l, m, t, lsp_complete);
}

static void formatting(Lsp *l, const Message *m, JsonText *t) {
  LspDoc *d = doc_of(l, m);
  if (d)
    lsp_format(d, t);
  else
    json_raw(t, "null");
}

static void references(Lsp *l, const Message *m, JsonText *t) {
  ask(l, m, t, lsp_references);
}

static void renaming(Lsp *l, const Message *m, JsonText *t) {
  LspDoc *d = doc_of(l, m);
  const JsonValue *at = d ? json_get(m->params, "position") : NULL;
  const char *name = text_member(m->params, "newName");
  if (at && name)
    lsp_rename(
        d, lsp_offset(d->text, d->size, number_member(at, "line"), number_member(at, "character")),
        name, t);
  else
    json_raw(t, "null");
}

static void symbols(Lsp *l, const Message *m, JsonText *t) {
  LspDoc *d = doc_of(l, m);
  if (d)
    lsp_symbols(d, t);
  else
    json_raw(t, "null");
}

static const struct {
  const char *method;
  void (*answer)(Lsp *l, const Message *m, JsonText *result);
} requests[] = {
    {"initialize", initialize},
    {"shutdown", shut_down},
    {"textDocument/hover", hover},
    {"textDocument/definition", definition},
    {"textDocument/completion", completion},
    {"textDocument/formatting", formatting},
    {"textDocument/references", references},
    {"textDocument/rename", renaming},
    {"textDocument/documentSymbol", symbols},
};

static void request(Lsp *l, const Message *m) {
  int i = 0;
  JsonText t = {0};
  while (i < COUNT(requests) && strcmp(m->method, requests[i].method))
    i++;
  if (l->down)
    fail(l, m->id, BAD_REQUEST, "the server was shut down");
  else if (!l->ready && i)
    fail(l, m->id, NOT_READY, "initialize comes first");
  else if (i == COUNT(requests))
    fail(l, m->id, NO_METHOD, "no such method");
  else {
    put_id(&t, m->id);
    json_raw(&t, ",\"result\":");
    requests[i].answer(l, m, &t);
    json_raw(&t, "}");
    lsp_send(l->out, &t);
  }
}

// ---- notifications
static void look(Lsp *l, LspDoc *d) {
  lsp_doc_look(d);
  lsp_doc_publish(l, d);
}

static void opened(Lsp *l, const Message *m) {
  const JsonValue *doc = m->params ? json_get(m->params, "textDocument") : NULL,
                  *text = doc ? json_get(doc, "text") : NULL;
  const char *uri = text_member(doc, "uri");
  if (!uri || !text || text->kind != JSON_STRING)
    return;
  lsp_doc_open(l, uri, number_member(doc, "version"), text->text, text->size);
  look(l, lsp_doc(l, uri));
}

static void changed(Lsp *l, const Message *m) {
  LspDoc *d = doc_of(l, m);
  const JsonValue *changes = d ? json_get(m->params, "contentChanges") : NULL;
  if (!changes || changes->kind != JSON_ARRAY)
    return;
  d->version = number_member(json_get(m->params, "textDocument"), "version");
  for (const JsonValue *c = changes->child; c; c = c->next)
    lsp_doc_change(d, c);
  look(l, d);
}

// A file that is not open has no diagnostics.
static void closed(Lsp *l, const Message *m) {
  LspDoc *d = doc_of(l, m);
  if (!d)
    return;
  d->diags->list.n = 0;
  lsp_doc_publish(l, d);
  lsp_doc_close(l, d);
}

static void leave(Lsp *l, const Message *m) {
  (void)m;
  l->done = true;
}

static const struct {
  const char *method;
  void (*take)(Lsp *l, const Message *m);
} notices[] = {
    {"textDocument/didOpen", opened},
    {"textDocument/didChange", changed},
    {"textDocument/didClose", closed},
    {"exit", leave},
};

static void notice(Lsp *l, const Message *m) {
  for (int i = 0; i < COUNT(notices); i++)
    if (!strcmp(m->method, notices[i].method) && (l->ready || notices[i].take == leave))
      notices[i].take(l, m);
}

// ---- messages
static void take(Lsp *l, const JsonValue *v) {
  const JsonValue *params = json_get(v, "params");
  Message m = {text_member(v, "method"), json_get(v, "id"),
               params && params->kind == JSON_OBJECT ? params : NULL};
  if (!m.method) { // an answer to what was never asked, or nothing at all
    if (m.id && !json_get(v, "result") && !json_get(v, "error"))
      fail(l, m.id, BAD_REQUEST, "no method");
  } else if (m.id)
    request(l, &m);
  else
    notice(l, &m);
}

static void take_text(Lsp *l, const char *text, size_t n) {
  BigsError e = {0};
  JsonDoc *d = json_parse(text, n, "message", 0, &e);
  if (d)
    take(l, json_root(d));
  else
    fail(l, NULL, PARSE_ERROR, e.text);
  json_free(d);
}

int lsp_serve(FILE *in, FILE *out, const char *version) {
  Lsp l = {.a = arena_new(), .out = out, .version = version};
  size_t n;
  for (char *text; !l.done && (text = lsp_read(in, &n)); free(text))
    take_text(&l, text, n);
  bool well = l.done && l.down;
  while (l.docs.n)
    lsp_doc_close(&l, l.docs.v[0]);
  arena_free(l.a);
  return well ? 0 : 1;
}
