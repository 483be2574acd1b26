// What the files lsp*.c share: messages, documents, and what is known of a document's text.
#ifndef BIGSC_LSP_INTERNAL_H
#define BIGSC_LSP_INTERNAL_H
#include "base/intern.h"
#include "compiler/editor/lsp.h"
#include "compiler/sema/functions.h"
#include "compiler/syntax/lex.h"
#include "runtime/files/json.h"

// ---- messages (lsp_wire.c)
// The next message's text, malloc'd; NULL: the input ended, or is none of this protocol.
char *lsp_read(FILE *in, size_t *size);
void lsp_send(FILE *out, JsonText *message); // frees its text
void lsp_put(JsonText *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void lsp_put_text(JsonText *t,
                  const char *s); // as a JSON string; what is not UTF-8 is shown as U+FFFD

// ---- places (lsp_place.c): lines from 0, and in them units of UTF-16.  Lines end with \n, \r\n or \r.
size_t lsp_offset(const char *text, size_t size, int64_t line,
                  int64_t unit); // of what lies outside: the nearest
void lsp_put_range(JsonText *t, const Source *src, uint32_t lo, uint32_t hi);
char *lsp_path(Arena *a, const char *uri); // "file:///a%20b" is "/a b"; another URI is itself
void lsp_put_uri(JsonText *t, const char *path);

// ---- documents (lsp_doc.c)
typedef struct SeenType { // a name in the text that stands for a value
  uint32_t lo, hi;
  const char *type;
} SeenType;
typedef struct LspDoc {
  const char *uri; // as the client has it
  const char *path;
  int64_t version;
  char *text; // malloc'd
  size_t size;
  // What is known of the text, in an arena of its own that goes with the text.
  Arena *a;
  Intern *names;
  Diags *diags;
  const Source *src;
  Tokens *tokens;
  File *file, *prelude;
  VEC(SeenType) seen;
} LspDoc;
typedef struct Lsp {
  Arena *a;
  FILE *out;
  const char *version;
  VEC(LspDoc *) docs;
  bool ready, down, done;
} Lsp;
LspDoc *lsp_doc(const Lsp *l, const char *uri); // NULL: not open
void lsp_doc_open(Lsp *l, const char *uri, int64_t version, const char *text, size_t size);
// One item of contentChanges.
void lsp_doc_change(LspDoc *d, const JsonValue *change);
void lsp_doc_close(Lsp *l, LspDoc *d);
void lsp_doc_look(LspDoc *d); // once the text is another
void lsp_doc_publish(Lsp *l, const LspDoc *d);

// ---- names (lsp_names.c)
typedef struct LspName {
  const char *name;
  Span span;        // of the name where it is declared
  const Decl *decl; // what it declares, or
  const Stmt *stmt; // what binds it in a body, or both NULL: a formal, a generic, a state
  const Formal *formal;
} LspName;
typedef VEC(LspName) LspNames;
// All that a name at this byte may mean, what counts first in front.
void lsp_visible(LspDoc *d, uint32_t at, LspNames *out);
// What may stand behind the `.` that is token i: the parts of a child; nothing where it is none.
void lsp_parts(LspDoc *d, int dot, LspNames *out);
bool lsp_find(LspDoc *d, int token, LspName *out); // what the name that is this token means
// The file that a `use` names, seen from one that says so; NULL: it cannot be read.
File *lsp_used_file(LspDoc *d, const Decl *use);

// ---- answers (lsp_answers.c): the value of `result`
void lsp_hover(LspDoc *d, size_t at, JsonText *t);
void lsp_definition(LspDoc *d, size_t at, JsonText *t);
void lsp_complete(LspDoc *d, size_t at, JsonText *t);
void lsp_format(LspDoc *d, JsonText *t);
int lsp_token_at(const LspDoc *d, size_t at); // that the place lies in, or ends; -1: none
void lsp_put_location(JsonText *t, Span at);
// lsp_uses.c: likewise.
void lsp_references(LspDoc *d, size_t at, JsonText *t);
// null where that cannot be: the name is of another file, or the new one is none or is used already.
void lsp_rename(LspDoc *d, size_t at, const char *name, JsonText *t);
void lsp_symbols(LspDoc *d, JsonText *t);
#endif
