// See functions.h.
#include "compiler/sema/functions.h"
#include "compiler/sema/sema.h"
#include "compiler/syntax/parse.h"
#include <string.h>

#define NO_ROW(name, signature, text)
#define ROW(name, signature, text) {name, signature, text},
static const FunctionDoc rows[] = {
#define FUNCTION ROW
#define WORD NO_ROW
#include "compiler/sema/functions.def"
#undef FUNCTION
#undef WORD
};
static const FunctionDoc words[] = {
#define FUNCTION NO_ROW
#define WORD ROW
#include "compiler/sema/functions.def"
#undef FUNCTION
#undef WORD
};

const FunctionDoc *function_row(int i) {
  return i < COUNT(rows) ? &rows[i] : NULL;
}

const FunctionDoc *word_row(int i) {
  return i < COUNT(words) ? &words[i] : NULL;
}

static const FunctionDoc *row_of(const FunctionDoc *list, int n, const char *name) {
  for (int i = 0; i < n; i++)
    if (!strcmp(list[i].name, name))
      return &list[i];
  return NULL;
}

const FunctionDoc *function_doc(const char *name) {
  const FunctionDoc *f = row_of(rows, COUNT(rows), name);
  return f ? f : row_of(words, COUNT(words), name);
}

File *prelude_file(Arena *a, Intern *names, File **cache) {
  const char *text = prelude_text();
  Diags d = {.arena = a};
  if (!*cache)
    *cache = parse_file(a, names, &d, source_new(a, "<prelude>", text, strlen(text)));
  return *cache;
}

static const char *name_of(const Decl *d) {
  return d->lets.n ? d->lets.v[0].name.s : d->dims.n ? d->dims.v[0].name.s : d->name.s;
}

const Decl *prelude_decl(Arena *a, Intern *names, File **cache, const char *name) {
  const File *f = prelude_file(a, names, cache);
  for (int i = 0; i < f->decls.n; i++)
    if (name_of(f->decls.v[i]) && !strcmp(name_of(f->decls.v[i]), name))
      return f->decls.v[i];
  return NULL;
}

// ---- comments

static const char *line_start(const char *text, const char *at) {
  while (at > text && at[-1] != '\n')
    at--;
  return at;
}

static const char *skip_blanks(const char *s) {
  return s + strspn(s, " \t");
}

// What stands behind the `#` at `s`, up to the end of the line.
static const char *comment_text(Arena *a, const char *s) {
  s = skip_blanks(s + strspn(s, "#"));
  return arena_strndup(a, s, strcspn(s, "\n"));
}

// The lines above `start` that are nothing but a comment.
static const char *comment_above(Arena *a, const char *text, const char *start) {
  const char *out = "";
  for (const char *line = start; line > text;) {
    line = line_start(text, line - 1);
    const char *first = skip_blanks(line);
    if (*first != '#')
      break;
    out = arena_printf(a, "%s%s%s", comment_text(a, first), *out ? "\n" : "", out);
  }
  return out;
}

// That at the end of the line; a `#` within a string is none.
static const char *comment_behind(Arena *a, const char *s) {
  bool string = false;
  for (; *s && *s != '\n'; s++) {
    string ^= *s == '"';
    if (*s == '#' && !string)
      return comment_text(a, s);
  }
  return "";
}

// ---- declarations

static uint32_t header_end(const Decl *d) {
  uint32_t end = d->body && d->body->span.src ? d->body->span.lo : d->span.hi;
  const char *text = d->span.src->text;
  while (end > d->span.lo && strchr(" \t\n={", text[end - 1]))
    end--;
  return end;
}

// Without the word it starts with: what it is called by.
static const char *signature_of(Arena *a, const Decl *d) {
  const char *text = d->span.src->text;
  uint32_t lo = d->name.s ? d->name.span.lo : d->span.lo,
           hi = d->name.s ? header_end(d) : d->span.hi;
  return arena_strndup(a, text + lo, hi - lo);
}

FunctionDoc decl_doc(Arena *a, const Decl *d) {
  const char *text = d->span.src->text, *start = line_start(text, text + d->span.lo);
  const char *above = comment_above(a, text, start);
  return (FunctionDoc){.name = name_of(d),
                       .signature = signature_of(a, d),
                       .text = *above ? above : comment_behind(a, text + d->span.lo)};
}
