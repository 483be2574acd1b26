// What is asked about a place.
#include "compiler/editor/lsp_internal.h"
#include "compiler/syntax/fmt.h"
#include <string.h>

int lsp_token_at(const LspDoc *d, size_t at) {
  int found = -1;
  for (int i = 0; i < d->tokens->list.n; i++) {
    const Token *t = &d->tokens->list.v[i];
    if (t->lo <= at && at <= t->hi && t->hi > t->lo && t->kind != T_EOL &&
        (found < 0 || t->lo == at))
      found = i;
  }
  return found;
}

// ---- hover
static const char *type_seen(const LspDoc *d, const Token *t) {
  for (int i = 0; i < d->seen.n; i++)
    if (d->seen.v[i].lo == t->lo && d->seen.v[i].hi == t->hi)
      return d->seen.v[i].type;
  return NULL;
}

// Its first line, with one blank for several.
static const char *text_of(Arena *a, Span at) {
  const char *from = at.src->text + at.lo;
  size_t n = at.hi - at.lo, end = strcspn(from, "\n#"), k = 0;
  char *text = NEWN(a, char, n + 1);
  for (size_t i = 0; i < (end < n ? end : n); i++)
    if (from[i] != ' ' || !k || text[k - 1] != ' ')
      text[k++] = from[i];
  while (k && strchr(" {=\r", text[k - 1]))
    k--;
  text[k] = '\0';
  return text;
}

static Span dim_span(const Decl *d, const char *name) {
  for (int i = 0; i < d->dims.n; i++)
    if (d->dims.v[i].name.s == name)
      return d->dims.v[i].span;
  return d->span;
}

static FunctionDoc doc_of(LspDoc *d, const LspName *n) {
  FunctionDoc doc = {n->name, n->name, "an axis of any size"};
  if (n->decl && n->decl->kind != DECL_DIM)
    return decl_doc(d->a, n->decl);
  if (n->decl)
    doc.signature = arena_printf(d->a, "dim %s", text_of(d->a, dim_span(n->decl, n->name)));
  else if (n->stmt || n->formal)
    doc.signature = text_of(d->a, n->stmt ? n->stmt->span : n->formal->span);
  if (n->decl || n->stmt || n->formal)
    doc.text = "";
  return doc;
}

// Of a child, of what module it is one.
static const char *about_child(LspDoc *d, const LspName *n) {
  LspNames all = {0};
  if (!n->stmt || n->stmt->kind != ST_CHILD || !n->stmt->module.s)
    return "";
  lsp_visible(d, 0, &all);
  for (int i = 0; i < all.n; i++)
    if (all.v[i].decl && !strcmp(all.v[i].name, n->stmt->module.s)) {
      FunctionDoc doc = decl_doc(d->a, all.v[i].decl);
      return arena_printf(d->a, "`%s`  \n%s", doc.signature, doc.text);
    }
  return "";
}

static bool describe(LspDoc *d, int i, const char **code, const char **text) {
  const Token *t = &d->tokens->list.v[i];
  const char *word = t->kind == T_NAME ? t->s : token_text((TokKind)t->kind),
             *type = type_seen(d, t);
  LspName n;
  bool found = lsp_find(d, i, &n);
  const FunctionDoc *row = found ? NULL : function_doc(word);
  FunctionDoc own = found ? doc_of(d, &n) : (FunctionDoc){word, word, ""};
  const FunctionDoc *doc = row ? row : &own;
  bool value = type && (!found || !n.decl);
  *code = value ? arena_printf(d->a, "%s : %s", word, type) : doc->signature;
  *text = found && *about_child(d, &n) ? about_child(d, &n)
          : value && found             ? arena_printf(d->a, "`%s`", doc->signature)
                                       : doc->text;
  return found || row || type;
}

void lsp_hover(LspDoc *d, size_t at, JsonText *t) {
  int i = lsp_token_at(d, at);
  const char *code, *text;
  if (i < 0 || !describe(d, i, &code, &text)) {
    json_raw(t, "null");
    return;
  }
  const Token *k = &d->tokens->list.v[i];
  json_raw(t, "{\"contents\":{\"kind\":\"markdown\",\"value\":");
  lsp_put_text(t, arena_printf(d->a, "```bigsc\n%s\n```\n%s", code, text));
  json_raw(t, "},\"range\":");
  lsp_put_range(t, d->src, k->lo, k->hi);
  json_raw(t, "}");
}

// ---- definition
void lsp_put_location(JsonText *t, Span at) {
  json_raw(t, "{\"uri\":");
  lsp_put_uri(t, at.src->path);
  json_raw(t, ",\"range\":");
  lsp_put_range(t, at.src, at.lo, at.hi);
  json_raw(t, "}");
}

// The file that a `use` on this place names.
static const File *file_at(LspDoc *d, size_t at) {
  for (int i = 0; i < d->file->decls.n; i++) {
    const Decl *u = d->file->decls.v[i];
    if (u->kind == DECL_USE && u->path.span.src && u->path.span.lo <= at && at <= u->path.span.hi)
      return lsp_used_file(d, u);
  }
  return NULL;
}

void lsp_definition(LspDoc *d, size_t at, JsonText *t) {
  int i = lsp_token_at(d, at);
  const File *f = file_at(d, at);
  LspName n;
  if (f)
    lsp_put_location(t, (Span){f->src, 0, 0});
  else if (i >= 0 && lsp_find(d, i, &n) && n.span.src && n.span.src->path[0] != '<')
    lsp_put_location(t, n.span);
  else
    json_raw(t, "null");
}

// ---- completion
enum { MOST_ITEMS = 2000 };
enum {
  KIND_FUNCTION = 3,
  KIND_FIELD = 5,
  KIND_VARIABLE = 6,
  KIND_CLASS = 7,
  KIND_KEYWORD = 14,
  KIND_CONSTANT = 21
};

typedef struct Items {
  LspDoc *d;
  JsonText *t;
  VEC(const char *) said;
} Items;

static void item(Items *x, const char *label, int kind, const char *detail) {
  for (int i = 0; i < x->said.n; i++)
    if (!strcmp(x->said.v[i], label))
      return;
  if (x->said.n == MOST_ITEMS)
    return;
  json_raw(x->t, x->said.n ? ",{\"label\":" : "{\"label\":");
  lsp_put_text(x->t, label);
  lsp_put(x->t, ",\"kind\":%d,\"detail\":", kind);
  lsp_put_text(x->t, detail);
  json_raw(x->t, "}");
  vec_push(x->d->a, &x->said, label);
}

static int kind_of(const LspName *n) {
  if (!n->decl)
    return n->stmt && (n->stmt->kind == ST_PARAM || n->stmt->kind == ST_CHILD) ? KIND_FIELD
                                                                               : KIND_VARIABLE;
  switch (n->decl->kind) {
  case DECL_FN: return KIND_FUNCTION;
  case DECL_MODULE:
  case DECL_MODEL: return KIND_CLASS;
  default: return KIND_CONSTANT;
  }
}

static void words(Items *x) {
  for (int i = 0; word_row(i); i++)
    item(x, word_row(i)->name, KIND_KEYWORD, word_row(i)->signature);
  for (int i = 0; function_row(i); i++)
    item(x, function_row(i)->name, KIND_FUNCTION, function_row(i)->signature);
  for (int k = 0; k < T_KIND_COUNT; k++)
    if (token_class((TokKind)k) == WORD || token_class((TokKind)k) == DECL)
      item(x, token_text((TokKind)k), KIND_KEYWORD, "");
  for (int k = 0; k < DT_COUNT; k++)
    if (k != DT_I64) // of indices only
      item(x, dtype_name((DType)k), KIND_KEYWORD, "");
}

// The `.` before the word that is being written; -1: there is none.
static int dot_before(const LspDoc *d, size_t at) {
  int last = -1;
  for (int i = 0; i < d->tokens->list.n && d->tokens->list.v[i].lo < at; i++)
    if (d->tokens->list.v[i].hi > d->tokens->list.v[i].lo && d->tokens->list.v[i].kind != T_EOL)
      last = i;
  const Token *t = d->tokens->list.v;
  if (last > 0 && t[last].kind == T_NAME && t[last].hi >= at)
    last--;
  return last >= 0 && t[last].kind == T_DOT ? last : -1;
}

void lsp_complete(LspDoc *d, size_t at, JsonText *t) {
  Items x = {.d = d, .t = t};
  LspNames all = {0};
  int dot = dot_before(d, at);
  if (dot >= 0)
    lsp_parts(d, dot, &all);
  else
    lsp_visible(d, (uint32_t)at, &all);
  json_raw(t, "[");
  for (int i = 0; i < all.n; i++)
    item(&x, all.v[i].name, kind_of(&all.v[i]), doc_of(d, &all.v[i]).signature);
  if (dot < 0)
    words(&x);
  json_raw(t, "]");
}

// ---- formatting
void lsp_format(LspDoc *d, JsonText *t) {
  Diags quiet = {.arena = d->a};
  const char *text = fmt_text(d->a, d->names, &quiet, d->src);
  if (!text) {
    json_raw(t, "null");
    return;
  }
  json_raw(t, "[{\"range\":");
  lsp_put_range(t, d->src, 0, (uint32_t)d->src->size);
  json_raw(t, ",\"newText\":");
  lsp_put_text(t, text);
  json_raw(t, "}]");
}
