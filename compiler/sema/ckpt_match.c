// The names of a file against a checkpoint table: exact names, aliases, what is missing, what is
// too much.
#include "compiler/sema/sema.h"
#include "base/hash.h"
#include <string.h>

// ---- names of the table, hashed
typedef struct NameIndex {
  const CkptTable *t;
  int *slot; // index of a parameter + 1
  int cap;
} NameIndex;

static int slot_of(const NameIndex *x, const char *name) {
  int i = (int)(hash_str(name) & (uint64_t)(x->cap - 1));
  while (x->slot[i] && strcmp(x->t->params.v[x->slot[i] - 1].name, name))
    i = (i + 1) & (x->cap - 1);
  return i;
}

static void index_names(Arena *a, NameIndex *x, const CkptTable *t) {
  *x = (NameIndex){.t = t, .cap = 16};
  while (x->cap < 2 * (t->params.n + 1))
    x->cap *= 2;
  x->slot = NEWN(a, int, x->cap);
  for (int i = 0; i < t->params.n; i++)
    x->slot[slot_of(x, t->params.v[i].name)] = i + 1;
}

// ---- aliases
static bool segment_at(const char *name, size_t at, const char *seg) {
  size_t n = strlen(seg);
  return (!at || name[at - 1] == '.') && !strncmp(name + at, seg, n) &&
         (!name[at + n] || name[at + n] == '.');
}

// Every whole segment (or run of segments) `from` becomes `to`.
static const char *replaced(Arena *a, const char *name, const char *from, const char *to) {
  const char *out = "";
  size_t start = 0, n = strlen(from), i = 0;
  while (name[i])
    if (segment_at(name, i, from)) {
      out = arena_printf(a, "%s%.*s%s", out, (int)(i - start), name + start, to);
      start = i += n;
    } else
      i++;
  return start ? arena_printf(a, "%s%s", out, name + start) : name;
}

// What a name of a file means under one alias: `old` read as `new`; an empty side is a prefix that
// is absent.
static const char *meant(Arena *a, const char *name, const AliasPair *p) {
  const char *from = p->old_name.s, *to = p->new_name.s;
  if (from[0] && to[0])
    return replaced(a, name, from, to);
  const char *prefix = from[0] ? from : to;
  size_t n = strlen(prefix);
  if (!n)
    return name;
  if (segment_at(name, 0, prefix) && name[n] == '.')
    return name + n + 1;
  return arena_printf(a, "%s.%s", prefix, name);
}

enum { MAX_ALIASES = 10 };

// The parameter that a name spells under some of the aliases, fewest first; -1: none.
static int spelled(Arena *a, const NameIndex *x, const char *name) {
  int n = x->t->aliases.n < MAX_ALIASES ? x->t->aliases.n : MAX_ALIASES;
  for (int want = 0; want <= n; want++)
    for (unsigned set = 0; set < 1u << n; set++) {
      const char *s = name;
      if (__builtin_popcount(set) != want)
        continue;
      for (int i = 0; i < n; i++)
        if (set >> i & 1)
          s = meant(a, s, &x->t->aliases.v[i]);
      int k = x->slot[slot_of(x, s)];
      if (k)
        return k - 1;
    }
  return -1;
}

// ---- ignore patterns: `*` is any text
static bool matches(const char *pattern, const char *s) {
  const char *star = NULL, *back = NULL;
  while (*s)
    if (*pattern == '*') {
      star = ++pattern;
      back = s;
    } else if (*pattern == *s) {
      pattern++;
      s++;
    } else if (star) {
      pattern = star;
      s = ++back;
    } else
      return false;
  while (*pattern == '*')
    pattern++;
  return !*pattern;
}

static bool ignored(const CkptTable *t, const char *name) {
  for (int i = 0; i < t->ignore.n; i++)
    if (matches(t->ignore.v[i].pattern, name))
      return true;
  return false;
}

static void find_missing(Arena *a, const CkptTable *t, CkptMatch *m) {
  int *have = NEWN(a, int, t->groups.n + 1), *want = NEWN(a, int, t->groups.n + 1);
  for (int i = 0; i < t->params.n; i++)
    if (t->params.v[i].group >= 0) {
      want[t->params.v[i].group]++;
      have[t->params.v[i].group] += m->file[i] >= 0;
    }
  for (int g = 0; g < t->groups.n; g++)
    if (!have[g] && want[g])
      vec_push(a, &m->fresh, g);
    else if (have[g] < want[g])
      vec_push(a, &m->partial, g);
  for (int i = 0; i < t->params.n; i++) {
    int g = t->params.v[i].group;
    if (m->file[i] < 0 && (g < 0 || have[g]))
      vec_push(a, &m->missing, t->params.v[i].name);
  }
}

CkptMatch *ckpt_match(Arena *a, const CkptTable *t, const char *const *names, int n) {
  CkptMatch *m = NEW(a, CkptMatch);
  NameIndex x;
  int *taken = NEWN(a, int, n + 1);
  index_names(a, &x, t);
  m->file = NEWN(a, int, t->params.n + 1);
  for (int i = 0; i < t->params.n; i++)
    m->file[i] = -1;
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < n; i++) {
      if (taken[i])
        continue;
      int k = pass ? spelled(a, &x, names[i]) : x.slot[slot_of(&x, names[i])] - 1;
      if (k < 0)
        continue;
      taken[i] = 1;
      if (m->file[k] >= 0) {
        vec_push(a, &m->doubled, i);
        continue;
      }
      m->file[k] = i;
      m->nmatched++;
    }
  for (int i = 0; i < n; i++)
    if (!taken[i] && !ignored(t, names[i]))
      vec_push(a, &m->extra, i);
  find_missing(a, t, m);
  return m;
}
