// Matching the names of a file's tensors with a model's parameters.
#include "runtime/exec/weights.h"
#include "base/edit.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
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

// ---- aliases.  A position in a name is the start of a segment, or its end "".
static const char *after_segments(const char *s, const char *segments) {
  size_t n = strlen(segments);
  if (n == 0)
    return s;
  if (strncmp(s, segments, n) || (s[n] && s[n] != '.'))
    return NULL;
  return s[n] ? s + n + 1 : s + n;
}

static bool match_from(const BigsCheckpoint *c, const char *name, const char *expected) {
  if (!*name && !*expected)
    return true;
  for (int i = 0; i < c->nalias; i++) {
    const char *e =
        *expected && *c->alias[i].now ? after_segments(expected, c->alias[i].now) : NULL;
    const char *s = e ? after_segments(name, c->alias[i].old) : NULL;
    if (s && match_from(c, s, e))
      return true;
  }
  size_t n = strcspn(expected, "."), k = strcspn(name, ".");
  if (n != k || memcmp(name, expected, n) || !*expected)
    return false;
  return match_from(c, name + n + (name[n] == '.'), expected + n + (expected[n] == '.'));
}

bool name_matches(const BigsCheckpoint *c, const char *name, const char *expected) {
  return !strcmp(name, expected) || match_from(c, name, expected);
}

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
  const StTensor **tensor; // per parameter
  uint8_t *taken;          // per tensor of the hub
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

static const StTensor *find_tensor(const Match *x, const StoredShape *s) {
  const StTensor *exact = hub_find(x->hub, s->name);
  if (exact || x->block < 0)
    return exact;
  const BigsCheckpoint *c = &x->module->checkpoint[x->block];
  for (int i = 0; i < hub_count(x->hub) && c->nalias; i++)
    if (name_matches(c, hub_at(x->hub, i)->name, s->name))
      return hub_at(x->hub, i);
  return NULL;
}

static int count_found(Match *x, int block) {
  int found = 0;
  x->block = block;
  for (int i = 0; i < x->module->nparam; i++) {
    StoredShape s = stored_shape(x->module, block, i);
    found += find_tensor(x, &s) != NULL;
  }
  return found;
}

static int choose_names(Match *x, int *block) {
  int best = -1, most = count_found(x, -1);
  for (int i = 0; i < x->module->ncheckpoint && most < x->module->nparam; i++) {
    int found = count_found(x, i);
    if (found > most) {
      best = i;
      most = found;
    }
  }
  *block = best;
  if (most || !x->module->nparam)
    return 0;
  StoredShape s = stored_shape(x->module, -1, 0);
  return bigs_fail(x->e, BIGS_EFILE,
                   "%s: no tensor has a name that the model knows; it holds %s, the model %s",
                   hub_path(x->hub), hub_count(x->hub) ? hub_at(x->hub, 0)->name : "none", s.name);
}

static int index_of(const Match *x, const StTensor *t) {
  for (int i = 0; i < hub_count(x->hub); i++)
    if (hub_at(x->hub, i) == t)
      return i;
  return -1;
}

static bool same_numbers(Match *x, const StTensor *a, const StTensor *b) {
  bool same = true;
  if (!x->err)
    x->err = st_same_floats(a, b, &same, x->e);
  return same;
}

// A tensor that repeats a parameter: a tied layer that the file holds twice.
static void check_repeated(Match *x, const StTensor *t, int param) {
  char want[128], have[128];
  StoredShape s = stored_shape(x->module, x->block, param);
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

static bool ignored(Match *x, const StTensor *t) {
  bool found = false;
  if (x->block < 0)
    return false;
  const BigsCheckpoint *c = &x->module->checkpoint[x->block];
  for (int i = 0; i < c->nignore; i++) {
    bool fits = name_glob(c->ignore[i].pattern, t->name);
    found |= fits;
    if (fits && c->ignore[i].param >= 0)
      check_repeated(x, t, c->ignore[i].param);
  }
  return found;
}

static void match_parameters(Match *x) {
  char have[128], want[128];
  for (int i = 0; i < x->module->nparam; i++) {
    StoredShape s = stored_shape(x->module, x->block, i);
    const StTensor *t = find_tensor(x, &s);
    int at = t ? index_of(x, t) : -1;
    if (!t)
      continue;
    if (!same_shape(t, &s) || !st_is_float(t->dtype))
      complain(x, "tensor %s is %s, but parameter %s needs %s%s", t->name,
               st_describe(t, have, sizeof have), x->module->param[i].name,
               st_is_float(t->dtype) ? "" : "F32 ",
               bigs_shape_text(s.shape, s.rank, want, sizeof want));
    else if (at >= 0 && x->taken[at])
      complain(x, "tensor %s stands for two parameters, one of them %s", t->name,
               x->module->param[i].name);
    if (at >= 0)
      x->taken[at] = 1;
    x->tensor[i] = t;
  }
}

// The unused tensor whose name is nearest, for "did you mean".
static const char *nearest_unused(const Match *x, const char *name) {
  const char *best = NULL;
  int least = 4;
  for (int i = 0; i < hub_count(x->hub); i++) {
    const char *other = hub_at(x->hub, i)->name;
    int d = x->taken[i] ? least : edit_distance(other, name, least - 1);
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

// Parameters of one `or init` rule are all there or all missing.
static void check_groups(Match *x, const BigsName *name) {
  for (int i = 0; i < x->module->nparam; i++)
    for (int k = 0; !x->tensor[i] && k < x->module->nparam; k++)
      if (name[i].may_init && name[k].may_init && name[k].init_group == name[i].init_group &&
          x->tensor[k]) {
        complain(x, "tensor %s is missing although %s is there: all of them or none",
                 name[i].stored, x->tensor[k]->name);
        break;
      }
}

static void check_missing(Match *x) {
  const BigsName *name = x->block >= 0 ? x->module->checkpoint[x->block].entry : NULL;
  for (int i = 0; i < x->module->nparam; i++)
    if (!x->tensor[i] && !(name && name[i].may_init))
      report_missing(x, i);
  if (name)
    check_groups(x, name);
}

static void check_surplus(Match *x) {
  char have[128];
  for (int i = 0; i < hub_count(x->hub); i++) {
    const StTensor *t = hub_at(x->hub, i);
    if (!x->taken[i] && !ignored(x, t))
      complain(x, "tensor %s, %s, is not part of the model", t->name,
               st_describe(t, have, sizeof have));
  }
}

int name_choose(const BigsModule *module, const Hub *hub, int *block, BigsError *e) {
  Match x = {.module = module, .hub = hub, .e = e};
  return choose_names(&x, block);
}

int name_map(const BigsModule *module, const Hub *hub, int block, NameMap *out, BigsError *e) {
  Match x = {.module = module, .hub = hub, .block = block, .e = e};
  *out = (NameMap){.block = -1};
  x.tensor = calloc((size_t)module->nparam + 1, sizeof *x.tensor);
  x.taken = calloc((size_t)hub_count(hub) + 1, 1);
  int err = x.tensor && x.taken ? 0 : bigs_fail_memory(e, "names of tensors");
  if (!err) {
    match_parameters(&x);
    check_missing(&x);
    check_surplus(&x);
    err = verdict(&x);
  }
  free(x.taken);
  if (err) {
    free(x.tensor);
    return err;
  }
  *out = (NameMap){.block = x.block, .tensor = x.tensor};
  for (int i = 0; i < module->nparam; i++)
    out->fresh += !x.tensor[i];
  return 0;
}

void name_map_free(NameMap *map) {
  free(map->tensor);
  map->tensor = NULL;
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
