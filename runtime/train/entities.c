// See entities.h.
#include "runtime/train/entities.h"
#include <string.h>

static bool is_tag(const char *name) {
  return name[0] && strchr("BIES", name[0]) && name[1] == '-';
}

bool entities_named(const Labels *names) {
  int n = 0;
  for (int i = 0; names && i < names->n; i++) {
    if (!is_tag(names->name[i]) && strcmp(names->name[i], "O") != 0)
      return false;
    n += is_tag(names->name[i]);
  }
  return n > 0;
}

// Around a place: 'O' and "" outside of a text.
typedef struct EntityTag {
  char mark;
  const char *kind;
} EntityTag;

static EntityTag tag_of(const Labels *names, double class) {
  const char *name = class >= 0 && class < names->n ? names->name[(int)class] : "O";
  return is_tag(name) ? (EntityTag){name[0], name + 2} : (EntityTag){'O', ""};
}

static bool ends_between(EntityTag a, EntityTag b) {
  return a.mark != 'O' &&
         (strchr("ES", a.mark) || strchr("BSO", b.mark) || strcmp(a.kind, b.kind) != 0);
}

static bool begins_between(EntityTag a, EntityTag b) {
  return b.mark != 'O' &&
         (strchr("BS", b.mark) || strchr("ESO", a.mark) || strcmp(a.kind, b.kind) != 0);
}

// One side's tags, word by word: where its entity under way began, -1: there is none.
typedef struct EntityWalk {
  EntityTag before;
  int64_t began, ended; // ended: where the one that ends before this word began, -1: none does
  const char *kind;     // of that one
} EntityWalk;

static void walk_to(EntityWalk *w, int64_t i, EntityTag tag) {
  w->ended = ends_between(w->before, tag) ? w->began : -1;
  w->kind = w->before.kind;
  w->began = begins_between(w->before, tag) ? i : tag.mark == 'O' ? -1 : w->began;
  w->before = tag;
}

static void count_ended(const EntityWalk *is, const EntityWalk *said, EntityCount *out) {
  out->is += is->ended >= 0;
  out->said += said->ended >= 0;
  out->both += is->ended >= 0 && is->ended == said->ended && !strcmp(is->kind, said->kind);
}

void entities_count(const Labels *names, const double *target, const double *said,
                    const double *part, int64_t n, EntityCount *out) {
  const EntityTag outside = {'O', ""};
  EntityWalk is = {.before = outside, .began = -1}, say = is;
  *out = (EntityCount){0};
  for (int64_t i = 0; i <= n; i++) {
    if (i == n || (i && part[i] != part[i - 1])) {
      walk_to(&is, i, outside);
      walk_to(&say, i, outside);
      count_ended(&is, &say, out);
    }
    if (i == n)
      return;
    walk_to(&is, i, tag_of(names, target[i]));
    walk_to(&say, i, tag_of(names, said[i]));
    count_ended(&is, &say, out);
  }
}
