// The tensors of a file against a model's parameters: in which names it is written, and what does not fit.
#include "runtime/exec/extend.h"
#include "runtime/exec/match.h"
#include "base/edit.h"
#include "base/alloc.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- shapes
StoredShape stored_shape(const BigsModule *module, int block, int param) {
  const BigsParam *p = &module->param[param];
  StoredShape s = {.name = p->name, .rank = p->rank};
  if (block >= 0) {
    const BigsName *n = &module->checkpoint[block].entry[param];
    s.name = n->stored;
    s.rank = n->rank;
    memcpy(s.shape, n->shape, sizeof s.shape);
    memcpy(s.stride, n->stride, sizeof s.stride);
  } else {
    int64_t step = 1;
    for (int a = p->rank - 1; a >= 0; a--) {
      s.shape[a] = p->extent[a];
      s.stride[a] = step;
      step *= p->extent[a];
    }
  }
  if (s.rank == 0) { // a scalar is [1]
    s.rank = 1;
    s.shape[0] = 1;
  }
  return s;
}

static bool same_shape(const StTensor *t, const StoredShape *s) {
  if (t->rank == 0 && s->rank == 1 && s->shape[0] == 1)
    return true;
  if (t->rank != s->rank)
    return false;
  for (int a = 0; a < s->rank; a++)
    if (t->shape[a] != s->shape[a])
      return false;
  return true;
}

// ---- the match under way
typedef struct Match {
  const BigsModule *module;
  const Hub *hub;
  int block;
  const char **names; // of the hub's tensors
  NameSet set;
  NameMatch m;
  const StTensor **tensor; // per parameter
  uint8_t *resized;        // of NameMap
  TableGrowth *growth;     // of NameMap
  const uint8_t *extend;   // of NameAsk
  bool told, told_extend;  // how a part starts fresh, and a table grows
  BigsError *e;            // everything that does not fit, as far as there is room
  int complaints, untold;
  int err; // a file that cannot be read: then nothing else is said
} Match;

enum { ROOM_FOR_COUNT = 32 }; // "; and 12345 more"

static bool has_room(const Match *x) {
  return !x->e || strlen(x->e->text) + ROOM_FOR_COUNT < sizeof x->e->text;
}

static void complain(Match *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void complain(Match *x, const char *fmt, ...) {
  char text[sizeof x->e->text];
  va_list ap;
  if (x->err)
    return;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  if (!x->complaints++) {
    bigs_fail(x->e, BIGS_EFILE, "%s: %s", hub_path(x->hub), text);
    return;
  }
  if (!x->e)
    return;
  size_t n = strlen(x->e->text), room = sizeof x->e->text - n;
  if (x->untold || strlen(text) + ROOM_FOR_COUNT > room)
    x->untold++;
  else
    snprintf(x->e->text + n, room, "; %s", text);
}

static int verdict(const Match *x) {
  if (x->err)
    return x->err;
  size_t n = x->untold ? strlen(x->e->text) : 0;
  if (n && n < sizeof x->e->text)
    snprintf(x->e->text + n, sizeof x->e->text - n, "; and %d more", x->untold);
  return x->complaints ? BIGS_EFILE : 0;
}

static int list_names(Match *x) {
  int n = hub_count(x->hub);
  x->names = MALLOC_N(const char *, n + 1);
  if (!x->names)
    return bigs_fail_memory(x->e, "names of tensors");
  for (int i = 0; i < n; i++)
    x->names[i] = hub_at(x->hub, i)->name;
  return 0;
}

static int match_set(Match *x, int block) {
  x->block = block;
  x->set = name_set(x->module, block);
  name_match_free(&x->m);
  return name_match(&x->set, x->names, hub_count(x->hub), &x->m, x->e);
}

static bool fits(const StTensor *t, const StoredShape *s) {
  return same_shape(t, s) && st_is_float(t->dtype);
}

static int count_misfits(const Match *x) {
  int n = 0;
  for (int i = 0; i < x->module->nparam; i++) {
    StoredShape s = stored_shape(x->module, x->block, i);
    n += x->m.name[i] >= 0 && !fits(hub_at(x->hub, x->m.name[i]), &s);
  }
  return n;
}

// Of two sets that tell as much, the native one comes first, but not for a folder of another program.
static int choose_names(Match *x, int *block) {
  NameMatch best = {0};
  int n = x->module->ncheckpoint, err = 0;
  for (int i = 0; i <= n && !err; i++) {
    int k = hub_is_foreign(x->hub) ? (i < n ? i : -1) : i - 1;
    err = match_set(x, k);
    x->m.nwrong += err ? 0 : count_misfits(x);
    if (err || (i && !name_match_better(&x->m, &best)))
      continue;
    NameMatch worse = best;
    best = x->m;
    x->m = worse;
    *block = k;
  }
  bool none = !best.nknown && x->module->nparam;
  name_match_free(&best);
  if (err || !none)
    return err;
  StoredShape s = stored_shape(x->module, -1, 0);
  return bigs_fail(x->e, BIGS_EFILE,
                   "%s: no tensor has a name that the model knows; it holds %s, the model %s",
                   hub_path(x->hub), hub_count(x->hub) ? hub_at(x->hub, 0)->name : "none", s.name);
}

static bool same_numbers(Match *x, const StTensor *a, const StTensor *b) {
  bool same = true;
  if (!x->err)
    x->err = st_same_floats(a, b, &same, x->e);
  return same;
}

// What the file has to hold of the parameter.
static StoredShape shape_in_file(const Match *x, int param) {
  StoredShape s = stored_shape(x->module, x->block, param);
  const TableGrowth *g = x->growth ? &x->growth[param] : NULL;
  if (g && g->old)
    s.shape[g->axis] = g->old;
  return s;
}

// A tensor that repeats a parameter: a tied layer that the file holds twice.
static void check_repeated(Match *x, const StTensor *t, int param) {
  char want[128], have[128];
  StoredShape s = shape_in_file(x, param);
  const StTensor *other = x->tensor[param];
  const char *path = x->module->param[param].name;
  if (!other)
    complain(x, "tensor %s repeats %s, parameter %s, which is missing", t->name, s.name, path);
  else if (!same_shape(t, &s) || !st_is_float(t->dtype))
    complain(x, "tensor %s is %s, but %s, parameter %s, which it repeats, is %s", t->name,
             st_describe(t, have, sizeof have), other->name, path,
             bigs_shape_text(s.shape, s.rank, want, sizeof want));
  else if (same_shape(other, &s) && st_is_float(other->dtype) && !same_numbers(x, t, other))
    complain(x,
             "tensor %s differs from %s: the model has one parameter, %s, for both, and cannot "
             "follow a file where they are not tied",
             t->name, other->name, path);
}

static void check_ignored(Match *x, const StTensor *t) {
  const BigsCheckpoint *c = &x->module->checkpoint[x->block];
  for (int i = 0; i < c->nignore; i++) {
    int param = c->ignore[i].param;
    bool fresh = param >= 0 && x->resized && x->resized[param];
    if (param >= 0 && !fresh && name_glob(c->ignore[i].pattern, t->name))
      check_repeated(x, t, param);
  }
}

// What to do about a parameter of another size, once.
static const char *size_hint(Match *x, int param, const StTensor *t, char *buf, size_t size) {
  StoredShape s = stored_shape(x->module, x->block, param);
  TableGrowth g;
  if (x->extend && x->extend[param])
    return " (--extend makes a table longer, along its first axis: no shorter, and along no other)";
  bool fresh = name_same_rule(&x->set, param, param), told = x->told && fresh;
  x->told |= fresh;
  if (fresh)
    return told ? "" : " (`train --fresh-head` starts this part fresh)";
  if (x->told_extend || !st_is_float(t->dtype) || !extend_fits(&x->module->param[param], &s, t, &g))
    return "";
  x->told_extend = true;
  return extend_hint(x->module, param, buf, size);
}

// Is it a table that is asked to grow, and can?
static bool grows(Match *x, int param, const StTensor *t, const StoredShape *s) {
  TableGrowth g;
  bool does = x->extend && x->extend[param] && st_is_float(t->dtype) &&
              extend_fits(&x->module->param[param], s, t, &g);
  if (does)
    x->growth[param] = g;
  return does;
}

static void match_parameters(Match *x) {
  char have[128], want[128], hint[256];
  for (int i = 0; i < x->module->nparam; i++) {
    StoredShape s = stored_shape(x->module, x->block, i);
    if (x->m.name[i] < 0)
      continue;
    const StTensor *t = x->tensor[i] = hub_at(x->hub, x->m.name[i]);
    if (!fits(t, &s) && !grows(x, i, t, &s))
      complain(x, "tensor %s is %s, but parameter %s needs %s%s%s", t->name,
               st_describe(t, have, sizeof have), x->module->param[i].name,
               st_is_float(t->dtype) ? "" : "F32 ",
               bigs_shape_text(s.shape, s.rank, want, sizeof want),
               size_hint(x, i, t, hint, sizeof hint));
  }
}

// The unused tensor whose name is nearest, for "did you mean".
static const char *nearest_unused(const Match *x, const char *name) {
  const char *best = NULL;
  int least = 4;
  for (int i = 0; i < hub_count(x->hub); i++) {
    const char *other = hub_at(x->hub, i)->name;
    int d = x->m.found[i].role != NAME_SURPLUS ? least : edit_distance(other, name, least - 1);
    if (d < least) {
      least = d;
      best = other;
    }
  }
  return best;
}

static void report_missing(Match *x, int param) {
  char want[128];
  StoredShape s = stored_shape(x->module, x->block, param);
  const char *near = has_room(x) && !x->untold ? nearest_unused(x, s.name) : NULL;
  complain(x, "tensor %s %s is missing%s%s%s", s.name,
           bigs_shape_text(s.shape, s.rank, want, sizeof want), near ? ", the file has " : "",
           near ? near : "", near ? ", which the model does not know" : "");
}

// Another parameter of its `or init` rule that is there.
static int neighbour(const Match *x, int param) {
  int k = 0;
  while (!x->tensor[k] || !name_same_rule(&x->set, k, param))
    k++;
  return k;
}

// Parameters of one `or init` rule are all there or all missing.
static void check_missing(Match *x) {
  for (int i = 0; i < x->module->nparam; i++)
    if (x->m.lack[i] == LACK_MUST)
      report_missing(x, i);
  for (int i = 0; i < x->module->nparam; i++)
    if (x->m.lack[i] == LACK_PART)
      complain(x, "tensor %s is missing although %s is there: all of them or none",
               stored_shape(x->module, x->block, i).name, x->tensor[neighbour(x, i)]->name);
}

static void check_name(Match *x, const StTensor *t, const NameFound *f) {
  char have[128];
  const BigsParam *p = x->module->param;
  switch (f->role) {
  case NAME_PARAM:
  case NAME_DROPPED: break;
  case NAME_IGNORED: check_ignored(x, t); break;
  case NAME_DOUBLED:
    complain(x, "tensor %s spells %s, parameter %s, which the file holds besides", t->name,
             x->tensor[f->param[0]]->name, p[f->param[0]].name);
    break;
  case NAME_AMBIGUOUS:
    complain(x, "tensor %s stands for two parameters, %s and %s", t->name, p[f->param[0]].name,
             p[f->param[1]].name);
    break;
  case NAME_SURPLUS:
    complain(x, "tensor %s, %s, is not part of the model", t->name,
             st_describe(t, have, sizeof have));
    break;
  }
}

static void check_names(Match *x) {
  for (int i = 0; i < hub_count(x->hub); i++)
    check_name(x, hub_at(x->hub, i), &x->m.found[i]);
}

static void end_match(Match *x) {
  free(x->names);
  name_match_free(&x->m);
}

int name_choose(const BigsModule *module, const Hub *hub, int *block, BigsError *e) {
  Match x = {.module = module, .hub = hub, .e = e};
  int err = list_names(&x);
  err = err ? err : choose_names(&x, block);
  end_match(&x);
  return err;
}

// ---- parts that start fresh because the file has them in another size
static void mark_resized(Match *x) {
  for (int i = 0; i < x->set.n; i++) {
    StoredShape s = stored_shape(x->module, x->block, i);
    const StTensor *t = x->m.name[i] < 0 ? NULL : hub_at(x->hub, x->m.name[i]);
    if (!t || fits(t, &s) || grows(x, i, t, &s))
      continue;
    for (int k = 0; k < x->set.n; k++)
      x->resized[k] |= name_same_rule(&x->set, i, k);
  }
}

static void drop_resized(Match *x) {
  for (int i = 0; i < hub_count(x->hub); i++) {
    NameFound *f = &x->m.found[i];
    if ((f->role == NAME_PARAM || f->role == NAME_DOUBLED) && x->resized[f->param[0]])
      f->role = NAME_DROPPED;
  }
  for (int i = 0; i < x->set.n; i++)
    x->m.name[i] = x->resized[i] ? -1 : x->m.name[i];
}

static int fresh_heads(Match *x) {
  uint8_t *missing = ALLOC_N(uint8_t, x->set.n + 1);
  x->resized = ALLOC_N(uint8_t, x->set.n + 1);
  if (!missing || !x->resized) {
    free(missing);
    return bigs_fail_memory(x->e, "names of tensors");
  }
  mark_resized(x);
  drop_resized(x);
  for (int i = 0; i < x->set.n; i++)
    missing[i] = x->m.name[i] < 0;
  int err = name_lacks(&x->set, missing, x->m.lack, x->e);
  free(missing);
  return err;
}

static int fill_map(Match *x, int block, bool fresh) {
  x->tensor = ALLOC_N(const StTensor *, x->module->nparam + 1);
  x->growth = ALLOC_N(TableGrowth, x->module->nparam + 1);
  if (!x->tensor || !x->growth)
    return bigs_fail_memory(x->e, "names of tensors");
  int err = list_names(x);
  err = err ? err : match_set(x, block);
  err = err || !fresh ? err : fresh_heads(x);
  if (err)
    return err;
  match_parameters(x);
  check_missing(x);
  check_names(x);
  return verdict(x);
}

int name_map(const BigsModule *module, const Hub *hub, int block, NameAsk ask, NameMap *out,
             BigsError *e) {
  Match x = {.module = module, .hub = hub, .extend = ask.extend, .e = e};
  *out = (NameMap){.block = -1};
  int err = fill_map(&x, block, ask.fresh_heads);
  end_match(&x);
  NameMap map = {.block = block, .tensor = x.tensor, .resized = x.resized, .growth = x.growth};
  if (err) {
    name_map_free(&map);
    return err;
  }
  *out = map;
  for (int i = 0; i < module->nparam; i++)
    out->fresh += !x.tensor[i];
  return 0;
}

void name_map_free(NameMap *map) {
  free(map->tensor);
  free(map->resized);
  free(map->growth);
  *map = (NameMap){.block = map->block};
}

int name_block(const BigsModule *module, const char *names, BigsError *e) {
  if (!names || !strcmp(names, "native"))
    return -1;
  for (int i = 0; i < module->ncheckpoint; i++)
    if (!strcmp(module->checkpoint[i].name, names))
      return i;
  bigs_fail(e, BIGS_EUSAGE, "the model has no checkpoint block %s", names);
  return -2;
}
