// Rules of checkpoint blocks, `layer.{i}.(q, k) <-> "l.{i}.*"`: expanded into single paths.
#include "compiler/sema/sema_ckpt.h"
#include <stdlib.h>
#include <string.h>

// ---- the right side: text, {i}, (a, b), *
typedef enum PieceKind { PIECE_TEXT, PIECE_INDEX, PIECE_GROUP, PIECE_STAR } PieceKind;
typedef struct PathPiece {
  PieceKind kind;
  const char *text;        // of PIECE_TEXT and PIECE_INDEX
  VEC(const char *) names; // of PIECE_GROUP
} PathPiece;
typedef VEC(PathPiece) Pieces;

static const char *trimmed(Arena *a, const char *s, size_t n) {
  while (n && *s == ' ') {
    s++;
    n--;
  }
  while (n && s[n - 1] == ' ')
    n--;
  return arena_strndup(a, s, n);
}

static bool parse_right(Sema *s, const CkRule *r, Pieces *out) {
  const char *p = r->to.s;
  while (*p) {
    PathPiece piece = {.kind = PIECE_TEXT};
    size_t n = strcspn(p, "{(*");
    if (n) {
      piece.text = arena_strndup(s->a, p, n);
      p += n;
    } else if (*p == '*') {
      piece.kind = PIECE_STAR;
      p++;
    } else {
      char close = *p == '{' ? '}' : ')';
      const char *end = strchr(p, close);
      if (!end) {
        sema_error(s, ERR_BAD_PATH, r->to.span, "`%c` is not closed in \"%s\"", *p, r->to.s);
        return false;
      }
      piece.kind = *p == '{' ? PIECE_INDEX : PIECE_GROUP;
      piece.text = trimmed(s->a, p + 1, (size_t)(end - p - 1));
      for (const char *q = p + 1; piece.kind == PIECE_GROUP && q <= end;) {
        size_t m = strcspn(q, ",)");
        vec_push(s->a, &piece.names, trimmed(s->a, q, m));
        q += m + 1;
      }
      p = end + 1;
    }
    vec_push(s->a, out, piece);
  }
  return true;
}

static bool match_groups(Sema *s, const CkRule *r, const Pieces *right) {
  VEC(const Seg *) left = {0};
  VEC(const PathPiece *) other = {0};
  for (int i = 0; i < r->segs.n; i++)
    if (r->segs.v[i].kind == SEG_GROUP)
      vec_push(s->a, &left, &r->segs.v[i]);
  for (int i = 0; i < right->n; i++)
    if (right->v[i].kind == PIECE_GROUP || right->v[i].kind == PIECE_STAR)
      vec_push(s->a, &other, &right->v[i]);
  if (left.n != other.n) {
    sema_error(s, ERR_GROUPS_DO_NOT_ZIP, r->span,
               "%d group%s on the left, and %d group%s or star%s on the right", left.n,
               left.n == 1 ? "" : "s", other.n, other.n == 1 ? "" : "s", other.n == 1 ? "" : "s");
    return false;
  }
  for (int i = 0; i < left.n; i++)
    if (other.v[i]->kind == PIECE_GROUP && other.v[i]->names.n != left.v[i]->names.n) {
      Diag *g = sema_error(s, ERR_GROUPS_DO_NOT_ZIP, r->span,
                           "groups of different length: %d names on the left, %d on the right",
                           left.v[i]->names.n, other.v[i]->names.n);
      sema_label(s, g, left.v[i]->span, "%d names", left.v[i]->names.n);
      return false;
    }
  return true;
}

// ---- expansion of one rule
typedef struct RuleWalk {
  Expansion *e;
  const CkRule *rule;
  Pieces right;
  const char *lp, *rp; // prefixes, with their dots
  int group;
  int choice[16], nchoice;
} RuleWalk;

void ckpt_no_parameter(Sema *s, Span at, const char *path) {
  Diag *g = sema_error(s, ERR_RULE_FOR_NOTHING, at, "there is no parameter under `%s`", path);
  const char *dot = strrchr(path, '.');
  size_t above = dot ? (size_t)(dot + 1 - path) : 0;
  Suggest best = {.wanted = path + above};
  for (int i = 0; i < s->m->params.n; i++) {
    const char *p = s->m->params.v[i]->info.path;
    if (!strncmp(p, path, above))
      suggest_add(&best, arena_strndup(s->a, p + above, strcspn(p + above, ".")));
  }
  suggest_help(s, g, &best);
}

bool ckpt_has_parameter(const Model *m, const char *path) {
  size_t n = strlen(path);
  for (int i = 0; i < m->params.n; i++) {
    const char *p = m->params.v[i]->info.path;
    if (!strncmp(p, path, n) && (!p[n] || p[n] == '.'))
      return true;
  }
  return false;
}

static int repeats(const Model *m, const char *path) {
  size_t n = strlen(path);
  int count = 0;
  for (int i = 0; i < m->params.n; i++) {
    const char *p = m->params.v[i]->info.path;
    if (strncmp(p, path, n) || p[n] != '.')
      continue;
    int k = 0, digits = 0;
    for (const char *q = p + n + 1; *q >= '0' && *q <= '9' && digits < 9; q++, digits++)
      k = k * 10 + (*q - '0');
    if (digits && p[n + 1 + digits] == '.' && k >= count)
      count = k + 1;
  }
  return count;
}

// "{i}", "{3i + 1}": [NUMBER] NAME ["+" NUMBER], without the braces.  NULL: reported.
static const char *index_text(RuleWalk *w, const char *text) {
  Sema *s = w->e->s;
  char *end;
  bool scaled = *text >= '0' && *text <= '9';
  long long times = scaled ? strtoll(text, &end, 10) : 1, plus = 0;
  const char *name = scaled ? end : text, *sign = strchr(name, '+');
  if (sign) {
    plus = strtoll(sign + 1, &end, 10);
    sign = *end || end == sign + 1 ? NULL : sign;
    name = trimmed(s->a, name, strcspn(name, "+"));
  }
  int k = w->e->index.n - 1;
  while (k >= 0 && strcmp(w->e->index.v[k].s, name))
    k--;
  bool bad =
      (strchr(text, '+') && !sign) || times < 1 || times > 1000 || plus < 0 || plus > 1000000;
  if (k >= 0 && !bad)
    return arena_printf(s->a, "%lld", times * w->e->value.v[k] + plus);
  if (bad)
    sema_error(s, ERR_BAD_PATH, w->rule->to.span,
               "`{%s}` is no index: there are `{i}` and `{3i + 1}`", text);
  else
    sema_error(s, ERR_BAD_PATH, w->rule->to.span, "`{%s}` is not on the left", text);
  w->e->bad = true;
  return NULL;
}

// A name of a group on the right: text, or an index alone.
static const char *group_text(RuleWalk *w, const char *name) {
  size_t n = strlen(name);
  return *name == '{' && name[n - 1] == '}' ? index_text(w, trimmed(w->e->s->a, name + 1, n - 2))
                                            : name;
}

static const char *right_text(RuleWalk *w) {
  Sema *s = w->e->s;
  const char *text = w->rp;
  int group = 0;
  const Seg *segs[16];
  int n = 0;
  for (int i = 0; i < w->rule->segs.n; i++)
    if (w->rule->segs.v[i].kind == SEG_GROUP && n < COUNT(segs))
      segs[n++] = &w->rule->segs.v[i];
  for (int i = 0; i < w->right.n; i++) {
    const PathPiece *p = &w->right.v[i];
    const char *add = p->text;
    if (p->kind == PIECE_GROUP || p->kind == PIECE_STAR) {
      int c = w->choice[group];
      add = p->kind == PIECE_STAR ? segs[group]->names.v[c].s : group_text(w, p->names.v[c]);
      group++;
    } else if (p->kind == PIECE_INDEX)
      add = index_text(w, p->text);
    if (!add)
      return text;
    text = arena_printf(s->a, "%s%s", text, add);
  }
  return text;
}

static void add_mapping(Expansion *e, const char *left, const char *right, const CkRule *rule,
                        int group) {
  Mapping *m = NEW(e->s->a, Mapping);
  left = intern(e->s->m->names, left);
  *m = (Mapping){left, right, rule, group, names_get(&e->by_left, left), false, e->index.n > 0};
  names_put(e->s->a, &e->by_left, left, m);
  vec_push(e->s->a, &e->out, m);
}

// `<-> ""` adds nothing, and no dot.
static void finish(RuleWalk *w, const char *left) {
  Expansion *e = w->e;
  const char *l = arena_printf(e->s->a, "%s%s", w->lp, left), *r = right_text(w);
  size_t n = strlen(r);
  if (n && n == strlen(w->rp))
    r = arena_strndup(e->s->a, r, n - 1);
  if (e->bad || !sema_step(e->s, w->rule->span))
    return;
  for (int i = 0; i < w->rule->rules.n; i++)
    ckpt_expand(e, w->rule->rules.v[i], arena_printf(e->s->a, "%s.", l),
                *r ? arena_printf(e->s->a, "%s.", r) : "", w->group);
  if (!w->rule->rules.n)
    add_mapping(e, l, r, w->rule, w->group);
}

static void walk_segs(RuleWalk *w, int k, const char *left) {
  Expansion *e = w->e;
  Sema *s = e->s;
  if (e->bad || s->stopped)
    return;
  if (k == w->rule->segs.n) {
    finish(w, left);
    return;
  }
  const Seg *g = &w->rule->segs.v[k];
  const char *dot = *left ? "." : "";
  if (g->kind == SEG_NAME) {
    walk_segs(w, k + 1, arena_printf(s->a, "%s%s%s", left, dot, g->names.v[0].s));
  } else if (g->kind == SEG_GROUP) {
    int slot = w->nchoice++;
    for (int i = 0; i < g->names.n && slot < COUNT(w->choice); i++) {
      w->choice[slot] = i;
      walk_segs(w, k + 1, arena_printf(s->a, "%s%s%s", left, dot, g->names.v[i].s));
    }
    w->nchoice--;
  } else {
    const char *path = arena_printf(s->a, "%s%s", w->lp, left);
    int n = repeats(s->m, path);
    if (!n && ckpt_has_parameter(s->m, path))
      sema_error(s, ERR_BAD_PATH, g->span, "`%s` is not repeated", path);
    else if (!n)
      ckpt_no_parameter(s, w->rule->span, path);
    e->bad |= !n;
    vec_push(s->a, &e->index, g->names.v[0]);
    vec_push(s->a, &e->value, 0);
    for (int i = 0; i < n && !e->bad; i++) {
      e->value.v[e->value.n - 1] = i;
      walk_segs(w, k + 1, arena_printf(s->a, "%s%s%d", left, dot, i));
    }
    e->index.n--;
    e->value.n--;
  }
}

static const char *rule_str(Sema *s, const CkRule *r) {
  const char *t = "";
  for (int i = 0; i < r->segs.n; i++) {
    const Seg *g = &r->segs.v[i];
    t = arena_printf(s->a, "%s%s%s", t, i ? "." : "",
                     g->kind == SEG_GROUP   ? "("
                     : g->kind == SEG_INDEX ? "{"
                                            : "");
    for (int k = 0; k < g->names.n; k++)
      t = arena_printf(s->a, "%s%s%s", t, k ? ", " : "", g->names.v[k].s);
    t = arena_printf(s->a, "%s%s", t, g->kind == SEG_GROUP ? ")" : g->kind == SEG_INDEX ? "}" : "");
  }
  return t;
}

void ckpt_expand(Expansion *e, const CkRule *r, const char *lp, const char *rp, int group) {
  RuleWalk w = {.e = e, .rule = r, .lp = lp, .rp = rp, .group = group};
  int groups = 0;
  for (int i = 0; i < r->segs.n; i++)
    groups += r->segs.v[i].kind == SEG_GROUP;
  if (groups > COUNT(w.choice)) {
    sema_error(e->s, ERR_GROUPS_DO_NOT_ZIP, r->span, "a rule has at most %d groups",
               COUNT(w.choice));
    e->bad = true;
  }
  if (e->bad || !parse_right(e->s, r, &w.right) || !match_groups(e->s, r, &w.right)) {
    e->bad = true;
    return;
  }
  if (r->or_init && group < 0) {
    w.group = e->table->groups.n;
    vec_push(e->s->a, &e->table->groups, arena_printf(e->s->a, "%s%s", lp, rule_str(e->s, r)));
  }
  walk_segs(&w, 0, "");
}
