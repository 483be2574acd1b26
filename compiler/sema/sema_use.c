// Files that use files: one list of the declarations of all.  What a file declares again takes the place of what it used.
#include "compiler/sema/sema_check.h"
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void read_list(Sema *s, const File *f, DeclaredList *out);

// ---- the files
static const char *beside(Arena *a, const char *from, const char *path) {
  const char *slash = strrchr(from, '/');
  if (path[0] == '/' || !slash)
    return path;
  return arena_printf(a, "%.*s%s", (int)(slash - from + 1), from, path);
}

// However it is spelled: `./lib.mdl`, or through a link.
static bool same_file(const char *a, const char *b) {
  struct stat x, y;
  return a == b || (!stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

// NULL: it is the main file, or one that uses this one, or cannot be read.
static UsedFile *used_file(Sema *s, const Decl *d) {
  Model *m = s->m;
  const char *path = intern(m->names, beside(s->a, d->span.src->path, d->path.s));
  for (int i = 0; i < m->used_files.n; i++)
    if (same_file(m->used_files.v[i], path))
      return i && !m->used.v[i - 1]->open ? m->used.v[i - 1] : NULL;
  vec_push(s->a, &m->used_files, path);
  UsedFile *u = NEW(s->a, UsedFile);
  u->path = path;
  vec_push(s->a, &m->used, u);
  size_t size;
  if (m->file->bad && access(path, R_OK))
    return NULL; // the name itself may be what is wrong
  char *text = sema_read_text(m, path, d->path.span, &size);
  if (!text)
    return NULL;
  u->open = true;
  read_list(s, parse_file(s->a, m->names, m->d, source_new(s->a, path, text, size)), &u->decls);
  u->open = false;
  return u;
}

// ---- what a `use` brings
static const char *decl_name(const Decl *d) {
  return d->kind == DECL_DIM   ? d->dims.v[0].name.s
         : d->kind == DECL_LET ? d->lets.v[0].name.s
                               : d->name.s;
}

static bool can_be_named(const Decl *d) {
  return d->kind == DECL_DIM || d->kind == DECL_LET || d->kind == DECL_FN || d->kind == DECL_MODULE;
}

static const char *kind_word(DeclKind k) {
  return k == DECL_MODEL ? "model" : k == DECL_TRAIN ? "train block" : "checkpoint block";
}

static bool among(const Names *n, const char *name) {
  for (int i = 0; i < n->n; i++)
    if (n->v[i].s == name)
      return true;
  return false;
}

// A file that declares the name, and of which others were brought.
bool sema_left_out(Sema *s, Diag *g, const char *name) {
  for (int i = 0; i < s->m->used.n; i++) {
    const UsedFile *u = s->m->used.v[i];
    for (int k = 0; k < u->decls.n && !u->whole; k++) {
      const Decl *d = u->decls.v[k].decl;
      if (!can_be_named(d) || decl_name(d) != name)
        continue;
      diag_help(s->d, g,
                "`%s` declares `%s`, and `use` brings what it names alone: `use %s, ... from`",
                u->path, name, name);
      return true;
    }
  }
  return false;
}

// Of what a name that cannot be brought alone is.
static bool is_of_the_whole(Sema *s, Diag *g, const Decl *use, const UsedFile *u,
                            const char *name) {
  for (int k = 0; k < u->decls.n; k++) {
    const Decl *d = u->decls.v[k].decl;
    if (can_be_named(d) || d->name.s != name)
      continue;
    diag_help(s->d, g, "`use \"%s\"` brings all of it, the %s `%s`, too", use->path.s,
              kind_word(d->kind), name);
    return true;
  }
  return false;
}

static void names_are_there(Sema *s, const Decl *use, const UsedFile *u) {
  for (int i = 0; i < use->only.n; i++) {
    Name name = use->only.v[i];
    Suggest best = {.wanted = name.s};
    bool found = false;
    for (int k = 0; k < u->decls.n && !found; k++) {
      const Decl *d = u->decls.v[k].decl;
      if (!can_be_named(d))
        continue;
      suggest_add(&best, decl_name(d));
      found = decl_name(d) == name.s;
    }
    if (found)
      continue;
    Diag *g = sema_error(s, ERR_UNKNOWN_NAME, name.span, "`%s` has no dim, let, fn or module `%s`",
                         u->path, name.s);
    if (!is_of_the_whole(s, g, use, u, name.s))
      suggest_help(s, g, &best);
  }
}

static bool brings(const Decl *use, const UsedFile *u, const Decl *d) {
  bool named = can_be_named(d);
  if (u->whole || (named && among(&u->taken, decl_name(d))))
    return false;
  return !use->only.n || (named && among(&use->only, decl_name(d)));
}

static void bring(Sema *s, const Decl *use, const char *lead, DeclaredList *out) {
  UsedFile *u = used_file(s, use);
  if (!u)
    return;
  names_are_there(s, use, u);
  for (int i = 0; i < u->decls.n; i++) {
    Declared x = u->decls.v[i];
    if (!brings(use, u, x.decl))
      continue;
    x.own = false;
    x.lead = arena_printf(s->a, "%s%s", lead, x.lead);
    lead = "";
    vec_push(s->a, out, x);
  }
  for (int i = 0; i < use->only.n; i++)
    vec_push(s->a, &u->taken, use->only.v[i]);
  u->whole |= !use->only.n;
}

// ---- what is declared again
static bool is_again(const Decl *d, const Decl *u) {
  bool one = d->kind == DECL_INIT || d->kind == DECL_TOKENIZER || d->kind == DECL_MODEL;
  return d->kind == u->kind &&
         (one || (can_be_named(d) && decl_name(d) == decl_name(u)) ||
          ((d->kind == DECL_CHECKPOINT || d->kind == DECL_TRAIN) && d->name.s == u->name.s));
}

// The blocks of a model go with it.
static bool is_left_behind(const Decl *d, const Decl *u) {
  return is_again(d, u) || (d->kind == DECL_MODEL && !d->from.s &&
                            (u->kind == DECL_CHECKPOINT || u->kind == DECL_TRAIN));
}

static void drop(DeclaredList *l, int i) {
  memmove(l->v + i, l->v + i + 1, sizeof *l->v * (size_t)(l->n - i - 1));
  l->n--;
}

// Dims and lets stand where the used ones stood, so that what follows from those follows from them.
static void put_in_place(DeclaredList *l, int own) {
  const Decl *d = l->v[own].decl;
  for (int i = 0; (d->kind == DECL_DIM || d->kind == DECL_LET) && i < own; i++)
    if (!l->v[i].own && is_again(d, l->v[i].decl)) {
      l->v[i] = l->v[own];
      drop(l, own);
      return;
    }
}

static void leave_behind(DeclaredList *l, const Decl *d) {
  for (int i = l->n - 1; i >= 0; i--)
    if (!l->v[i].own && is_left_behind(d, l->v[i].decl))
      drop(l, i);
}

// ---- what goes on from something
static void nothing_to_extend(Sema *s, const Decl *d, const DeclaredList *l) {
  Diag *g = sema_error(s, ERR_NOTHING_TO_EXTEND, d->from.span, "no file that is used has a %s `%s`",
                       kind_word(d->kind), d->from.s);
  Suggest best = {.wanted = d->from.s};
  for (int i = 0; i < l->n; i++)
    if (l->v[i].decl->kind == d->kind && !l->v[i].own)
      suggest_add(&best, l->v[i].decl->name.s);
  suggest_help(s, g, &best);
}

static void extend(Sema *s, DeclaredList *l, Declared *x) {
  for (int i = 0; i < l->n; i++) {
    const Decl *u = l->v[i].decl;
    if (l->v[i].own || u->kind != x->decl->kind || u->name.s != x->decl->from.s)
      continue;
    x->decl = sema_extend(s, x->decl, u);
    x->made = true;
    return;
  }
  nothing_to_extend(s, x->decl, l);
  Decl *bad = NEW(s->a, Decl);
  *bad = *x->decl;
  bad->kind = DECL_BAD;
  x->decl = bad;
}

static void settle(Sema *s, DeclaredList *l) {
  VEC(const Decl *) own = {0};
  for (int i = 0; i < l->n; i++)
    if (l->v[i].own && l->v[i].decl->from.s)
      extend(s, l, &l->v[i]);
  for (int i = 0; i < l->n; i++)
    if (l->v[i].own)
      vec_push(s->a, &own, l->v[i].decl);
  for (int i = l->n - 1; i >= 0; i--)
    if (l->v[i].own)
      put_in_place(l, i);
  for (int i = 0; i < own.n; i++)
    leave_behind(l, own.v[i]);
}

// ---- one file
// Between declarations there are comments, blanks and `;`.
static const char *comments(Sema *s, const Source *src, size_t lo, size_t hi) {
  VEC(char) out = {0};
  for (size_t i = lo; i < hi; i++) {
    bool comment = src->text[i] == '#';
    for (; comment && i < hi && src->text[i] != '\n'; i++)
      vec_push(s->a, &out, src->text[i]);
    if (i < hi && src->text[i] == '\n')
      vec_push(s->a, &out, '\n');
  }
  vec_push(s->a, &out, 0);
  return out.v;
}

// Dims and lets each by itself.
static void add(Sema *s, Decl *d, const char *lead, DeclaredList *out) {
  int n = d->kind == DECL_DIM ? d->dims.n : d->kind == DECL_LET ? d->lets.n : 0;
  if (!n)
    vec_push(s->a, out, (Declared){.decl = d, .lead = lead, .own = true});
  for (int i = 0; i < n; i++) {
    Decl *one = NEW(s->a, Decl);
    *one = *d;
    memset(&one->dims, 0, sizeof one->dims);
    memset(&one->lets, 0, sizeof one->lets);
    if (d->kind == DECL_DIM)
      vec_push(s->a, &one->dims, d->dims.v[i]);
    else
      vec_push(s->a, &one->lets, d->lets.v[i]);
    vec_push(s->a, out, (Declared){.decl = one, .lead = i ? "" : lead, .own = true, .made = true});
  }
}

static void read_list(Sema *s, const File *f, DeclaredList *out) {
  size_t at = 0;
  for (int i = 0; i < f->decls.n; i++) {
    Decl *d = f->decls.v[i];
    const char *lead = comments(s, f->src, at, d->span.lo);
    at = d->span.hi;
    if (d->kind == DECL_USE)
      bring(s, d, lead, out);
    else
      add(s, d, lead, out);
  }
  settle(s, out);
}

static bool stands_alone(const File *f) {
  for (int i = 0; i < f->decls.n; i++)
    if (f->decls.v[i]->kind == DECL_USE || f->decls.v[i]->from.s)
      return false;
  return true;
}

void sema_use_files(Sema *s) {
  Model *m = s->m;
  if (stands_alone(m->file))
    return;
  File *all = NEW(s->a, File);
  read_list(s, m->file, &m->decls);
  *all = (File){.src = m->file->src, .bad = m->file->bad};
  for (int i = 0; i < m->decls.n; i++)
    vec_push(s->a, &all->decls, m->decls.v[i].decl);
  m->file = all;
}
