// `einsum("bld,bsd->bls", x, x)`: the product or sum that it is, from the letters of its text.
#include "compiler/sema/sema_said.h"
#include <ctype.h>
#include <string.h>

typedef struct Einsum {
  Sema *s;
  const char *in[2], *out; // letters; in[1] "": one operand
  const Value *of[2];
  const char *text[2];
} Einsum;

// The letters up to `stop`, each once; NULL: something else is among them.
static const char *letters(Arena *a, const char **p, const char *stop) {
  const char *t = "";
  for (; **p && !strchr(stop, **p); (*p)++) {
    if (**p == ' ')
      continue;
    if (!isalpha((unsigned char)**p) || strchr(t, **p))
      return NULL;
    t = arena_printf(a, "%s%c", t, **p);
  }
  return t;
}

// `bld,bsd->bls`; false: it has another form.
static bool einsum_read(Einsum *e, const char *p) {
  Arena *a = e->s->a;
  e->in[1] = "";
  if (!(e->in[0] = letters(a, &p, ",-")))
    return false;
  if (*p == ',' && (p++, !(e->in[1] = letters(a, &p, ",-"))))
    return false;
  if (strncmp(p, "->", 2))
    return false;
  p += 2;
  return (e->out = letters(a, &p, "")) != NULL;
}

// Each letter is an axis that has a name.
static bool fits(const char *in, const Value *of) {
  if (!*in)
    return !of;
  for (int i = 0; of && i < of->ax.n; i++)
    if (!said_single(of->ax.v[i]))
      return false;
  return of && (int)strlen(in) == of->ax.n;
}

static const char *name_of(const Einsum *e, int k, char letter) {
  const char *at = strchr(e->in[k], letter);
  return at ? e->of[k]->ax.v[at - e->in[k]]->name : NULL;
}

static const char *append(Arena *a, const char *t, const char *name) {
  return arena_printf(a, "%s%s%s", t, *t ? ", " : "", name);
}

// The axes that are summed; NULL: one of them only one of two operands has, or the result has another letter.
static const char *summed(const Einsum *e) {
  bool two = *e->in[1];
  const char *t = "";
  for (const char *p = e->in[0]; *p; p++)
    if (!strchr(e->out, *p)) {
      if (two && !strchr(e->in[1], *p))
        return NULL;
      t = append(e->s->a, t, name_of(e, 0, *p));
    }
  for (const char *p = e->in[1]; *p; p++)
    if (!strchr(e->out, *p) && !strchr(e->in[0], *p))
      return NULL;
  for (const char *p = e->out; *p; p++)
    if (!strchr(e->in[0], *p) && !strchr(e->in[1], *p))
      return NULL;
  return t;
}

static bool has_name(const Value *v, const char *name) {
  for (int i = 0; i < v->ax.n; i++)
    if (!strcmp(v->ax.v[i]->name, name))
      return true;
  return false;
}

// A name that nothing has yet.
static const char *new_name(const Einsum *e) {
  static const char *const names[] = {"S", "T", "U", "P", "Q"};
  for (int i = 0; i < COUNT(names); i++) {
    bool found;
    ax_lookup(e->s, (Name){intern_n(e->s->m->names, names[i], 1), {0}}, &found);
    if (!found && !has_name(e->of[0], names[i]) && !has_name(e->of[1], names[i]))
      return names[i];
  }
  return "S";
}

// How the second operand's axes meet those of the first as the letters do.
static const char *renamed(const Einsum *e) {
  const char *t = "";
  for (const char *p = e->in[1]; *p; p++) {
    const char *name = name_of(e, 1, *p), *same = name_of(e, 0, *p);
    const char *to = same ? same : has_name(e->of[0], name) ? new_name(e) : name;
    if (strcmp(name, to))
      t = append(e->s->a, t, arena_printf(e->s->a, "%s as %s", name, to));
  }
  return *t ? arena_printf(e->s->a, "%s[%s]", e->text[1], t) : e->text[1];
}

static const char *line_of(const Einsum *e) {
  Arena *a = e->s->a;
  const char *sum = summed(e);
  if (!sum)
    return "";
  if (*e->in[1])
    return arena_printf(a, "%s @[%s] %s", e->text[0], sum, renamed(e));
  return *sum ? arena_printf(a, "sum[%s](%s)", sum, e->text[0]) : e->text[0];
}

const char *habit_einsum(const Said *x) {
  Einsum e = {.s = x->s, .of = {said_tensor(x, 0), said_tensor(x, 1)}};
  const Expr *text = x->n ? x->arg[0].expr : NULL;
  if (!text || text->kind != EX_STR || !einsum_read(&e, text->str.s) || said_tensor(x, 2))
    return "";
  for (int k = 0; k < 2; k++) {
    e.text[k] = said_arg_text(x, k + 1, !*e.in[1]);
    if (!fits(e.in[k], e.of[k]))
      return "";
  }
  const char *line = line_of(&e);
  return *line && habit_try(x->s, line) ? line : "";
}
