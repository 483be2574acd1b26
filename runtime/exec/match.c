// See match.h.
#include "runtime/exec/match.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/alloc.h"
#include <stdlib.h>
#include <string.h>

bool name_glob(const char *pattern, const char *name) {
  const char *star = NULL, *retry = NULL; // last star, and where its text would be longer by one
  while (*name) {
    if (*pattern == '*') {
      star = ++pattern;
      retry = name;
    } else if (*pattern == *name) {
      pattern++;
      name++;
    } else if (star) {
      pattern = star;
      name = ++retry;
    } else {
      return false;
    }
  }
  while (*pattern == '*')
    pattern++;
  return !*pattern;
}

NameSet name_set(const BigsModule *module, int block) {
  const BigsCheckpoint *c = block < 0 ? NULL : &module->checkpoint[block];
  return (NameSet){.n = module->nparam,
                   .param = module->param,
                   .block = c,
                   .rules = c ? c : module->checkpoint,
                   .nrules = c ? 1 : module->ncheckpoint};
}

static const char *name_stored(const NameSet *set, int param) {
  return set->block ? set->block->entry[param].stored : set->param[param].name;
}

// ---- aliases.  A place in a name is the start of a segment, or NULL behind the last one.
static const char *behind(const char *s, size_t n) {
  return s[n] ? s + n + 1 : NULL;
}

// The place behind `segments`, which begin at s; false: they do not.
static bool skip(const char *s, const char *segments, const char **after) {
  size_t n = strlen(segments);
  if (!n || strncmp(s, segments, n) || (s[n] && s[n] != '.'))
    return false;
  *after = behind(s, n);
  return true;
}

static int count_segments(const char *s) {
  int n = 1;
  for (; *s; s++)
    n += *s == '.';
  return n;
}

enum { MAX_SEGMENTS = 64 }; // of a name that an alias applies to

typedef struct Spelling {
  const BigsCheckpoint *c;
  uint64_t
      failed[MAX_SEGMENTS]; // tried in vain: segment of the stored name, bit: segment of the name
} Spelling;

// Are the segments from place s, the i-th, a spelling of those from place t, the k-th?
static bool rest_spells(Spelling *x, const char *s, int i, const char *t, int k) {
  if (!s || !t)
    return s == t;
  if (i >= MAX_SEGMENTS || k >= MAX_SEGMENTS || x->failed[k] >> i & 1)
    return false;
  const char *u, *v;
  for (int a = 0; a < x->c->nalias; a++) {
    const BigsAlias *alias = &x->c->alias[a];
    if (skip(t, alias->now, &v) && skip(s, alias->old, &u) &&
        rest_spells(x, u, i + count_segments(alias->old), v, k + count_segments(alias->now)))
      return true;
  }
  size_t n = strcspn(t, ".");
  if (n == strcspn(s, ".") && !memcmp(s, t, n) &&
      rest_spells(x, behind(s, n), i + 1, behind(t, n), k + 1))
    return true;
  x->failed[k] |= (uint64_t)1 << i;
  return false;
}

static bool spells_from(const BigsCheckpoint *c, const char *s, const char *t) {
  Spelling x = {.c = c};
  return s && t && rest_spells(&x, s, 0, t, 0);
}

// The name as it is, or without a prefix that an alias `prefix = ""` lets files add.
static bool spells_behind_added(const BigsCheckpoint *c, const char *name, const char *t) {
  const char *s;
  bool found = spells_from(c, name, t);
  for (int a = 0; a < c->nalias && !found; a++)
    found = !*c->alias[a].now && skip(name, c->alias[a].old, &s) && spells_from(c, s, t);
  return found;
}

bool name_spells(const BigsCheckpoint *c, const char *name, const char *stored) {
  const char *t;
  bool found = !strcmp(name, stored) || spells_behind_added(c, name, stored);
  for (int a = 0; a < c->nalias && !found; a++) // a prefix that "" = prefix lets files lack
    found =
        !*c->alias[a].old && skip(stored, c->alias[a].now, &t) && spells_behind_added(c, name, t);
  return found;
}

// ---- the match
typedef struct Wanted {
  const NameSet *set;
  const char *name;
} Wanted;

static bool is_stored(const void *wanted, uint64_t param) {
  const Wanted *w = (const Wanted *)wanted;
  return !strcmp(name_stored(w->set, (int)param), w->name);
}

static bool index_stored(const NameSet *set, Map *index) {
  for (int i = 0; i < set->n; i++)
    if (!map_add(index, hash_str(name_stored(set, i)), (uint64_t)i))
      return false;
  return true;
}

static void hold(NameMatch *m, int name, int param) {
  bool doubled = m->name[param] >= 0;
  m->found[name] = (NameFound){doubled ? NAME_DOUBLED : NAME_PARAM, {param}};
  if (!doubled)
    m->name[param] = name;
}

static void match_exact(const NameSet *set, const Map *index, const char *const *names, int count,
                        NameMatch *m) {
  for (int i = 0; i < count; i++) {
    Wanted wanted = {set, names[i]};
    const uint64_t *param = map_find(index, hash_str(names[i]), is_stored, &wanted);
    if (param)
      hold(m, i, (int)*param);
  }
}

// Is the parameter there by its own name?
static bool held_exactly(const NameSet *set, const char *const *names, const NameMatch *m,
                         int param) {
  return m->name[param] >= 0 && !strcmp(names[m->name[param]], name_stored(set, param));
}

static void match_spelling(const NameSet *set, const char *const *names, int i, NameMatch *m) {
  int hit[2], nhit = 0, doubled = -1;
  for (int p = 0; p < set->n && nhit < 2; p++)
    if (name_spells(set->block, names[i], name_stored(set, p))) {
      if (held_exactly(set, names, m, p))
        doubled = p;
      else
        hit[nhit++] = p;
    }
  if (nhit == 2)
    m->found[i] = (NameFound){NAME_AMBIGUOUS, {hit[0], hit[1]}};
  else if (nhit)
    hold(m, i, hit[0]);
  else if (doubled >= 0)
    m->found[i] = (NameFound){NAME_DOUBLED, {doubled}};
}

static bool listed(const BigsCheckpoint *c, const char *name) {
  for (int i = 0; i < c->nignore; i++)
    if (name_glob(c->ignore[i].pattern, name))
      return true;
  return false;
}

static void match_block(const NameSet *set, const char *const *names, int count, NameMatch *m) {
  for (int i = 0; i < count && set->block->nalias; i++)
    if (m->found[i].role == NAME_SURPLUS)
      match_spelling(set, names, i, m);
  for (int i = 0; i < count; i++)
    if (m->found[i].role != NAME_PARAM && listed(set->block, names[i]))
      m->found[i].role = NAME_IGNORED;
}

// ---- what is missing.  `or init` rules of a block are numbered from 1; one whose parts have rules of their own has a number
// and no parameter.
static size_t count_rules(const NameSet *set) {
  int32_t most = 0;
  for (int b = 0; b < set->nrules; b++)
    for (int i = 0; i < set->n; i++)
      if (set->rules[b].entry[i].init_group > most)
        most = set->rules[b].entry[i].init_group;
  return (size_t)most;
}

// Where several blocks have a rule for it, the mildest holds.  `held`: of every rule, how many of its parameters are there.
static void add_block_lacks(const BigsName *entry, int n, const uint8_t *missing, int *held,
                            NameLack *lack) {
  for (int i = 0; i < n; i++)
    held[entry[i].init_group] += !missing[i];
  for (int i = 0; i < n; i++) {
    NameLack own = held[entry[i].init_group] ? LACK_PART : LACK_FRESH;
    if (entry[i].may_init && own < lack[i])
      lack[i] = own;
  }
}

int name_lacks(const NameSet *set, const uint8_t *missing, NameLack *lack, BigsError *e) {
  size_t rules = count_rules(set) + 1;
  int *held = MALLOC_N(int, rules);
  if (!held)
    return bigs_fail_memory(e, "names of tensors");
  for (int i = 0; i < set->n; i++)
    lack[i] = missing[i] ? LACK_MUST : LACK_NOT;
  for (int b = 0; b < set->nrules; b++) {
    memset(held, 0, rules * sizeof *held);
    add_block_lacks(set->rules[b].entry, set->n, missing, held, lack);
  }
  free(held);
  return 0;
}

bool name_same_rule(const NameSet *set, int a, int b) {
  for (int i = 0; i < set->nrules; i++) {
    const BigsName *x = &set->rules[i].entry[a], *y = &set->rules[i].entry[b];
    if (x->may_init && y->may_init && x->init_group == y->init_group)
      return true;
  }
  return false;
}

static void count_match(const NameSet *set, int count, NameMatch *m) {
  for (int i = 0; i < set->n; i++)
    m->nwrong += m->lack[i] >= LACK_PART;
  for (int i = 0; i < count; i++) {
    bool twice = m->found[i].role >= NAME_DOUBLED;
    m->nwrong += twice || m->found[i].role == NAME_SURPLUS;
    m->nknown += twice || m->found[i].role == NAME_PARAM;
  }
}

static int finish_match(const NameSet *set, int count, NameMatch *m, BigsError *e) {
  uint8_t *missing = MALLOC_N(uint8_t, set->n + 1);
  if (!missing)
    return bigs_fail_memory(e, "names of tensors");
  for (int i = 0; i < set->n; i++)
    missing[i] = m->name[i] < 0;
  int err = name_lacks(set, missing, m->lack, e);
  free(missing);
  if (!err)
    count_match(set, count, m);
  return err;
}

int name_match(const NameSet *set, const char *const *names, int count, NameMatch *out,
               BigsError *e) {
  size_t n = (size_t)set->n + 1;
  Map index = {0};
  *out = (NameMatch){.found = ALLOC_N(NameFound, count + 1),
                     .name = MALLOC_N(int, n),
                     .lack = ALLOC_N(NameLack, n)};
  bool room = out->found && out->name && out->lack && index_stored(set, &index);
  int err = room ? 0 : bigs_fail_memory(e, "names of tensors");
  if (room) {
    memset(out->name, -1, n * sizeof *out->name);
    match_exact(set, &index, names, count, out);
    if (set->block)
      match_block(set, names, count, out);
    err = finish_match(set, count, out, e);
  }
  map_free(&index);
  if (err)
    name_match_free(out);
  return err;
}

void name_match_free(NameMatch *m) {
  free(m->found);
  free(m->name);
  free(m->lack);
  *m = (NameMatch){0};
}

bool name_match_better(const NameMatch *a, const NameMatch *b) {
  return a->nknown > b->nknown || (a->nknown == b->nknown && a->nwrong < b->nwrong);
}
