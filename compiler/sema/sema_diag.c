// Errors of the checker: where they are reported, what they say about axes, and names that were
// nearly right.
#include "compiler/sema/sema_internal.h"
#include "base/edit.h"
#include "base/hash.h"
#include <string.h>

// The call in a module (or in the model) that led to the body of a fn, or `at` itself outside of
// calls.
static Span outermost(const Sema *s, Span at, Frame **call) {
  *call = NULL;
  for (Frame *f = s->frame; f && f->kind == FR_FN && f->is_call; f = f->caller) {
    at = f->call;
    *call = f;
  }
  return at;
}

// One error a call: others in the same body are most often its consequences.
static Diag *report(Sema *s, int code, Span at, const char *fmt, va_list ap) {
  Frame *call;
  Span outer = outermost(s, at, &call);
  if (call && call->failed)
    return NULL;
  char *text = arena_vprintf(s->a, fmt, ap);
  Diag *g = diag_error(s->d, code, outer, "%s", text);
  if (call) {
    call->failed = true;
    diag_note(s->d, g, at, "in the body of `%s`", s->frame->name);
  }
  return g;
}

Diag *sema_error(Sema *s, int code, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  Diag *g = report(s, code, at, fmt, ap);
  va_end(ap);
  return g;
}

Value *sema_fail(Sema *s, int code, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  report(s, code, at, fmt, ap);
  va_end(ap);
  return v_poison(s);
}

// A secondary label; a note when the error is reported elsewhere, at a call.
void sema_label(Sema *s, Diag *g, Span at, const char *fmt, ...) {
  Frame *call;
  va_list ap;
  va_start(ap, fmt);
  char *text = arena_vprintf(s->a, fmt, ap);
  va_end(ap);
  outermost(s, at, &call);
  if (call)
    diag_note_label(s->d, g, at, "%s", text);
  else
    diag_label(s->d, g, at, "%s", text);
}

// "bert.mdl:5"
static const char *sema_place(Arena *a, Span at) {
  int line = 0, col = 0;
  if (!at.src)
    return "an unknown place";
  span_pos(at, &line, &col);
  return arena_printf(a, "%s:%d", at.src->path, line);
}

// "[B, L, H] with H = 768"
static const char *sized_type(Sema *s, const Value *v) {
  const char *with = "";
  int64_t n;
  for (int i = 0; i < v->ax.n; i++)
    if (ax_const(v->ax.v[i], &n))
      with = arena_printf(s->a, "%s%s%s = %lld", with, *with ? ", " : " with ", v->ax.v[i]->name,
                          (long long)n);
  return arena_printf(s->a, "%s%s", v_type_str(s, v), with);
}

void sema_label_type(Sema *s, Diag *g, Span at, const Value *v) {
  sema_label(s, g, at, "%s", sized_type(s, v));
}

void sema_see(Sema *s, Span at, const Value *v) {
  if (s->m->opt.see && checking(s) && !s->trying && v && (is_tensor(v) || is_number(v)))
    s->m->opt.see(s->m->opt.see_ctx, at, sized_type(s, v));
}

void sema_note_axes(Sema *s, Diag *g, Ax *const *v, int n) {
  bool done[MAX_AXES] = {0};
  for (int i = 0; i < n && i < MAX_AXES; i++) {
    if (done[i] || v[i]->kind != AX_DIM || !v[i]->span.src)
      continue;
    const char *place = sema_place(s->a, v[i]->span),
               *names = arena_printf(s->a, "`%s`", v[i]->name);
    int count = 1;
    for (int k = i + 1; k < n && k < MAX_AXES; k++)
      if (v[k]->kind == AX_DIM && !strcmp(sema_place(s->a, v[k]->span), place)) {
        done[k] = true;
        if (v[k] != v[i]) {
          names = arena_printf(s->a, "%s and `%s`", names, v[k]->name);
          count++;
        }
      }
    diag_note(s->d, g, (Span){0}, "%s %s declared at %s", names, count > 1 ? "are" : "is", place);
  }
}

// Tables have no order of their own.
void suggest_add(Suggest *g, const char *name) {
  Nearest n = {g->wanted, g->best, g->distance};
  nearest_add(&n, name);
  g->best = n.best;
  g->distance = n.distance;
}

void suggest_table(Suggest *g, const Map *t) {
  for (int64_t i = 0; t->n && i < (int64_t)1 << t->bits; i++)
    if (t->slot[i].key)
      suggest_add(g, map_pointer(&t->slot[i].key));
}

void suggest_help(Sema *s, Diag *d, const Suggest *g) {
  if (g->best)
    diag_help(s->d, d, "did you mean `%s%s`?", g->sigil ? g->sigil : "", g->best);
}

int name_place(const char *const *v, int n, const char *name) {
  int i = 0;
  while (i < n && strcmp(v[i], name))
    i++;
  return i;
}

bool name_listed(const char *const *v, int n, const char *name) {
  return name_place(v, n, name) < n;
}

const char *suggest_text(Sema *s, const char *const *v, int n) {
  const char *text = n ? v[0] : "";
  for (int i = 1; i < n; i++)
    text = arena_printf(s->a, "%s%s%s", text, i + 1 < n ? ", " : " and ", v[i]);
  return text;
}

void suggest_list(Sema *s, Diag *g, const char *wanted, const char *const *v, int n) {
  Suggest best = {.wanted = wanted};
  for (int i = 0; i < n; i++)
    suggest_add(&best, v[i]);
  suggest_help(s, g, &best);
}

bool sema_enter_definition(Sema *s, Span at) {
  if (++s->nested <= MAX_DEPTH)
    return true;
  s->stopped = true;
  if (!s->m->too_deep)
    sema_error(s, ERR_TOO_LARGE, at, "modules and fns are nested more than %d deep", MAX_DEPTH);
  s->m->too_deep = true;
  return false;
}

bool sema_step(Sema *s, Span at) {
  if (s->stopped)
    return false;
  if (++s->work <= MAX_WORK)
    return true;
  s->stopped = true;
  sema_error(s, ERR_TOO_LARGE, at, "the model is too large: elaboration passes %d million nodes",
             MAX_WORK / 1000000);
  return false;
}

// ---- tables
void *names_get(const Map *t, const char *key) {
  return map_pointer(map_at(t, key));
}

void names_put(Arena *a, Map *t, const char *key, void *val) {
  t->arena = a;
  map_put(t, key, (uintptr_t)val);
}
