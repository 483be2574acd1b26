// A model's text in one piece: see model_text.
#include "compiler/sema/sema_internal.h"
#include <string.h>

typedef VEC(char) Text;

static void put(Arena *a, Text *t, const char *s, size_t n) {
  for (size_t i = 0; i < n; i++)
    vec_push(a, t, s[i]);
}

static const Inclusion *find(const Model *m, const Decl *d) {
  for (int i = 0; i < m->inclusions.n; i++)
    if (m->inclusions.v[i].decl == d)
      return &m->inclusions.v[i];
  return NULL;
}

// The declarations see each other in the order of the text, so what is used stands where its `use`
// stood.  A second `use` of a file brings nothing, and nothing is left of it.
static void put_file(const Model *m, const File *f, Text *out) {
  const Source *src = f->src;
  size_t at = 0;
  for (int i = 0; i < f->decls.n; i++) {
    const Decl *d = f->decls.v[i];
    if (d->kind != DECL_USE)
      continue;
    const Inclusion *x = find(m, d);
    put(m->a, out, src->text + at, d->span.lo - at);
    if (x) {
      put_file(m, x->file, out);
      put(m->a, out, "\n", 1); // its last line may be a comment
    }
    at = d->span.hi;
  }
  put(m->a, out, src->text + at, src->size - at);
}

const char *model_text(const Model *m) {
  Text out = {0};
  if (!m->inclusions.n)
    return m->file->src->text;
  put_file(m, m->file, &out);
  vec_push(m->a, &out, 0);
  return out.v;
}
