// A model's text in one piece: see model_text.
#include "compiler/sema/sema_internal.h"
#include <string.h>

typedef VEC(char) Text;
typedef struct TextWriter {
  Arena *a;
  Text out;
} TextWriter;

static void put(TextWriter *w, const char *s, size_t n) {
  for (size_t i = 0; i < n; i++)
    vec_push(w->a, &w->out, s[i]);
}

static void word(TextWriter *w, const char *s) {
  put(w, s, strlen(s));
}

static void span(TextWriter *w, Span s) {
  put(w, s.src->text + s.lo, s.hi - s.lo);
}

// ---- statements: some of the names on the left may be bound elsewhere by now
static size_t past_names(const Source *src, size_t at, char stop) {
  for (bool comment = false; src->text[at] != stop || comment; at++)
    comment = src->text[at] == '#' || (comment && src->text[at] != '\n');
  return at;
}

static void statement(TextWriter *w, const Stmt *st) {
  Span rest = st->span;
  bool results = st->kind == ST_BIND && st->names.n > 1;
  bool named = st->kind == ST_PARAM || st->kind == ST_CHILD || results;
  word(w, "\n  ");
  for (int i = 0; named && i < st->names.n; i++) {
    word(w, i ? ", " : "");
    word(w, st->names.v[i].s);
  }
  if (named)
    rest.lo =
        (uint32_t)past_names(rest.src, st->names.v[st->names.n - 1].span.hi, results ? '=' : ':');
  word(w, named ? " " : "");
  span(w, rest);
}

static void model(TextWriter *w, const Decl *d) {
  word(w, "(");
  for (int i = 0; i < d->formals.n; i++) {
    word(w, i ? ", " : "");
    span(w, d->formals.v[i].span);
  }
  word(w, ") {");
  for (int i = 0; i < d->body->stmts.n; i++)
    statement(w, d->body->stmts.v[i]);
  word(w, "\n}");
}

// ---- blocks
static void config(TextWriter *w, const CkItem *it) {
  word(w, "config \"");
  word(w, it->path.s);
  word(w, "\" {");
  for (int i = 0; i < it->config.n; i++) {
    word(w, "\n    ");
    span(w, it->config.v[i].span);
  }
  word(w, "\n  }");
}

static void aliases(TextWriter *w, const CkItem *it) {
  word(w, "alias ");
  for (int i = 0; i < it->aliases.n; i++) {
    const AliasPair *p = &it->aliases.v[i];
    word(w, arena_printf(w->a, "%s\"%s\" = \"%s\"", i ? ", " : "", p->old_name.s, p->new_name.s));
  }
}

static void block(TextWriter *w, const Decl *d) {
  word(w, " {");
  for (int i = 0; i < d->checkpoint.n; i++) {
    const CkItem *it = &d->checkpoint.v[i];
    word(w, "\n  ");
    if (it->kind == CK_CONFIG)
      config(w, it);
    else if (it->kind == CK_ALIAS)
      aliases(w, it);
    else
      span(w, it->span);
  }
  for (int i = 0; i < d->train.n; i++) {
    word(w, "\n  ");
    span(w, d->train.v[i].span);
  }
  word(w, "\n}");
}

// ---- declarations
static void made(TextWriter *w, const Decl *d) {
  span(w, d->keyword);
  word(w, " ");
  if (d->kind == DECL_DIM)
    span(w, d->dims.v[0].span);
  else if (d->kind == DECL_LET)
    span(w, d->lets.v[0].span);
  else
    word(w, d->name.s);
  if (d->kind == DECL_MODEL)
    model(w, d);
  else if (d->kind == DECL_CHECKPOINT || d->kind == DECL_TRAIN)
    block(w, d);
}

const char *model_text(const Model *m) {
  TextWriter w = {.a = m->a};
  if (!m->decls.n)
    return m->file->src->text;
  for (int i = 0; i < m->decls.n; i++) {
    word(&w, m->decls.v[i].lead);
    if (m->decls.v[i].made)
      made(&w, m->decls.v[i].decl);
    else
      span(&w, m->decls.v[i].decl->span);
    word(&w, "\n"); // what is next may have stood in another file
  }
  put(&w, "", 1);
  return w.out.v;
}
