// Checkpoint blocks: rules are expanded into a total map from parameters to stored names.
#include "compiler/sema/sema_check.h"
#include "compiler/sema/sema_eval.h"
#include <stdlib.h>
#include <string.h>

typedef struct Mapping { // one left path after expansion
  const char *left, *right;
  const CkRule *rule;
  int group;            // `or init` group, or -1
  struct Mapping *same; // another one of the same left path
  bool used;
} Mapping;
typedef struct Expansion {
  Sema *s;
  CkptTable *table;
  VEC(Mapping *) out;
  Map by_left;
  VEC(Name) index; // `{i}` bound so far, with its value in `value`
  VEC(int) value;
  bool bad;
} Expansion;

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

// Suggests the names that stand where the last part of the path does.
static void no_parameter(Sema *s, Span at, const char *path) {
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

static bool has_parameter(const Model *m, const char *path) {
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

static void expand_rule(Expansion *e, const CkRule *r, const char *lp, const char *rp, int group);

static void add_mapping(Expansion *e, const char *left, const char *right, const CkRule *rule,
                        int group) {
  Mapping *m = NEW(e->s->a, Mapping);
  left = intern(e->s->m->names, left);
  *m = (Mapping){left, right, rule, group, names_get(&e->by_left, left), false};
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
    expand_rule(e, w->rule->rules.v[i], arena_printf(e->s->a, "%s.", l),
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
    if (!n && has_parameter(s->m, path))
      sema_error(s, ERR_BAD_PATH, g->span, "`%s` is not repeated", path);
    else if (!n)
      no_parameter(s, w->rule->span, path);
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

static void expand_rule(Expansion *e, const CkRule *r, const char *lp, const char *rp, int group) {
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

// ---- totality
// Rules that hold for a path: those of it and of the paths above it.  Their number; the first two.
static int rules_of(Sema *s, const Expansion *e, const char *path, const Mapping *hit[2]) {
  int n = 0;
  for (size_t k = 0;; k++) {
    if (path[k] && path[k] != '.')
      continue;
    for (Mapping *m = names_get(&e->by_left, intern_n(s->m->names, path, k)); m; m = m->same) {
      m->used = true;
      if (n++ < 2)
        hit[n - 1] = m;
    }
    if (!path[k])
      return n;
  }
}

static bool rules_without_parameters(Sema *s, const Expansion *e) {
  VEC(const CkRule *) told = {0}; // a rule leads to several paths and is reported once
  for (int i = 0; i < e->out.n; i++) {
    const CkRule *rule = e->out.v[i]->rule;
    int k = 0;
    while (k < told.n && told.v[k] != rule)
      k++;
    if (e->out.v[i]->used || k < told.n)
      continue;
    vec_push(s->a, &told, rule);
    no_parameter(s, rule->span, e->out.v[i]->left);
  }
  return told.n > 0;
}

static bool ckpt_native_shape(const ModelParam *p, StoredParam *out) {
  out->nshape = 0;
  for (int i = 0; i < p->nax; i++)
    out->shape[out->nshape++] = p->extent[i];
  if (dtype_is_complex(p->dtype))
    out->shape[out->nshape++] = 2;
  if (!out->nshape)
    out->shape[out->nshape++] = 1;
  return true;
}

// Generic groups flat; in the layout of torch [A..., B...] of a module [A -> B] with B first.
static void flat_shape(const ModelParam *p, bool torch, StoredParam *out) {
  int64_t flat[8];
  int side[8], n = 0;
  for (int i = 0; i < p->nax; i++) {
    if (i && p->group[i] == p->group[i - 1]) {
      flat[n - 1] *= p->extent[i];
      continue;
    }
    side[n] = p->side[i];
    flat[n++] = p->extent[i];
  }
  out->nshape = 0;
  out->transposed = torch && p->out_first;
  out->rows = out->cols = 1;
  for (int pass = 0; pass < (out->transposed ? 2 : 1); pass++)
    for (int i = 0; i < n; i++) {
      if (out->transposed && side[i] != !pass)
        continue;
      out->shape[out->nshape++] = flat[i];
      if (out->transposed)
        *(side[i] ? &out->cols : &out->rows) *= flat[i];
    }
  if (dtype_is_complex(p->dtype))
    out->shape[out->nshape++] = 2;
  if (!out->nshape)
    out->shape[out->nshape++] = 1;
}

typedef enum Layout { LAYOUT_PLAIN, LAYOUT_FLAT, LAYOUT_TORCH, LAYOUTS } Layout;

typedef struct Taken {
  const char *path;
  const CkRule *rule;
} Taken;

static const char *stored_name(Sema *s, const Mapping *m, const char *path) {
  const char *rest = path + strlen(m->left);
  return intern(s->m->names,
                arena_printf(s->a, "%s%s", m->right, rest + (!*m->right && *rest == '.')));
}

static void name_clash(Sema *s, const CkRule *r, const char *name, const Taken *other,
                       const char *path) {
  if (!other) {
    sema_error(s, ERR_BAD_PATH, r->span, "`%s` has no name: the right side is empty", path);
    return;
  }
  bool first = r->span.lo < other->rule->span.lo; // the later rule is the wrong one
  Diag *g = sema_error(s, ERR_ONE_TENSOR_TWICE, first ? other->rule->span : r->span,
                       "two parameters use `%s`: `%s` and `%s`", name, other->path, path);
  if (other->rule != r)
    sema_label(s, g, first ? r->span : other->rule->span, "`%s`", first ? path : other->path);
}

static void map_params(Sema *s, const Decl *d, const Expansion *e, Layout layout) {
  Map seen = {0}; // stored name -> Taken
  int unmapped = 0;
  const char *first = NULL;
  const CkRule *clash = NULL, *twice = NULL; // reported already
  for (int i = 0; i < s->m->params.n; i++) {
    const ModelParam *p = &s->m->params.v[i]->info;
    const Mapping *hit[2] = {NULL, NULL};
    int n = rules_of(s, e, p->path, hit);
    if (!n) {
      first = unmapped++ ? first : p->path;
      continue;
    }
    if (n > 1) {
      const CkRule *late =
          hit[1]->rule->span.lo > hit[0]->rule->span.lo ? hit[1]->rule : hit[0]->rule;
      if (twice == late)
        continue;
      twice = late;
      Diag *g = sema_error(s, ERR_MAP_NOT_TOTAL, late->span,
                           "the parameter `%s` is mapped %d times", p->path, n);
      sema_label(s, g, (late == hit[0]->rule ? hit[1] : hit[0])->rule->span, "here too");
      continue;
    }
    StoredParam out = {.param = i, .group = hit[0]->group};
    out.name = stored_name(s, hit[0], p->path);
    const Taken *other = names_get(&seen, out.name);
    if (other || !*out.name) {
      if (clash != hit[0]->rule)
        name_clash(s, hit[0]->rule, out.name, other, p->path);
      clash = hit[0]->rule;
      continue;
    }
    Taken *taken = NEW(s->a, Taken);
    *taken = (Taken){p->path, hit[0]->rule};
    names_put(s->a, &seen, out.name, taken);
    if (layout == LAYOUT_PLAIN)
      ckpt_native_shape(p, &out);
    else
      flat_shape(p, layout == LAYOUT_TORCH, &out);
    vec_push(s->a, &e->table->params, out);
  }
  if (rules_without_parameters(s, e) || !unmapped) // a slip in a rule's path is both
    return;
  const char *more = unmapped > 1 ? arena_printf(s->a, ", and so %s %d more",
                                                 unmapped > 2 ? "are" : "is", unmapped - 1)
                                  : "";
  Diag *g = sema_error(s, ERR_MAP_NOT_TOTAL, d->name.span, "the parameter `%s` is mapped 0 times%s",
                       first, more);
  diag_help(s->d, g, "every parameter has one rule: `%.*s <-> \"...\"`", (int)strcspn(first, "."),
            first);
}

// ---- config, layout, alias, ignore
static void check_words(Sema *s, const ConfigItem *c) {
  if (c->when[1].s && names_get(&s->m->dim_table, c->name.s))
    sema_error(
        s, ERR_BAD_CONFIG, c->name.span,
        "`%s` is a dim, and whether a key says one word or another is true or false: that is a let",
        c->name.s);
}

static void add_config(Sema *s, const CkItem *it, CkptTable *t) {
  for (int i = 0; i < it->config.n; i++) {
    const ConfigItem *c = &it->config.v[i];
    CkptConfig out = {.file = it->path.s, .span = c->span};
    if (!c->check) {
      out.name = c->name.s;
      out.key = c->key.s;
      out.when[0] = c->when[0].s;
      out.when[1] = c->when[1].s;
      check_words(s, c);
      if (!names_get(&s->m->dim_table, c->name.s) && !names_get(&s->m->let_table, c->name.s)) {
        Diag *g = sema_error(s, ERR_BAD_CONFIG, c->name.span, "the file has no dim and no let `%s`",
                             c->name.s);
        Suggest best = {.wanted = c->name.s};
        suggest_table(&best, &s->m->dim_table);
        suggest_table(&best, &s->m->let_table);
        suggest_help(s, g, &best);
      }
    } else {
      out.key = c->name.s;
      if (c->value->kind == EX_STR) {
        out.is_text = true;
        out.text = c->value->str.s;
      } else {
        Value *v = sema_constant(s, c->value, "what a configuration is compared with");
        if (is_poison(v))
          continue;
        out.is_bool = is_tensor(v);
        out.num = is_tensor(v) ? v->truth : v->num->re;
      }
    }
    vec_push(s->a, &t->config, out);
  }
}

static void unknown_layout(Sema *s, const Name *name, const char *const *names) {
  Diag *g = sema_error(s, ERR_BAD_LAYOUT, name->span,
                       "unknown layout `%s`: there are torch, flat and plain", name->s);
  Suggest best = {.wanted = name->s};
  for (int i = 0; i < LAYOUTS; i++)
    suggest_add(&best, names[i]);
  suggest_help(s, g, &best);
}

static void set_layout(Sema *s, const CkItem *it, const CkItem **last, Layout *out) {
  static const char *const names[LAYOUTS] = {
      [LAYOUT_PLAIN] = "plain", [LAYOUT_FLAT] = "flat", [LAYOUT_TORCH] = "torch"};
  if (*last)
    sema_error(s, ERR_BAD_LAYOUT, it->span, "`layout` is given twice");
  *last = it;
  int i = 0;
  while (i < LAYOUTS && strcmp(it->layout.s, names[i]))
    i++;
  if (i < LAYOUTS)
    *out = (Layout)i;
  else
    unknown_layout(s, &it->layout, names);
}

static int param_at(const Model *m, const char *path) {
  int i = m->params.n - 1;
  while (i >= 0 && strcmp(m->params.v[i]->info.path, path))
    i--;
  return i;
}

static void no_single_parameter(Sema *s, Span at, const char *path) {
  if (!has_parameter(s->m, path)) {
    no_parameter(s, at, path);
    return;
  }
  Diag *g = sema_error(s, ERR_RULE_FOR_NOTHING, at, "`%s` is no parameter", path);
  int i = 0;
  size_t n = strlen(path);
  while (strncmp(s->m->params.v[i]->info.path, path, n) || s->m->params.v[i]->info.path[n] != '.')
    i++;
  diag_help(s->d, g, "an ignored tensor repeats one parameter, such as `%s`",
            s->m->params.v[i]->info.path);
}

static void add_ignored(Sema *s, const Ignored *x, CkptTable *t) {
  CkptIgnore out = {.pattern = x->pattern.s, .param = -1};
  const char *path = "";
  for (int i = 0; i < x->param.n; i++)
    path = arena_printf(s->a, "%s%s%s", path, i ? "." : "", x->param.v[i].s);
  if (x->param.n && (out.param = param_at(s->m, path)) < 0) {
    Span at = x->param.v[0].span;
    at.hi = x->param.v[x->param.n - 1].span.hi;
    no_single_parameter(s, at, path);
  }
  vec_push(s->a, &t->ignore, out);
}

void sema_check_checkpoint(Sema *s, const Decl *d) {
  CkptTable *t = NEW(s->a, CkptTable);
  Expansion e = {.s = s, .table = t};
  const CkItem *last = NULL;
  Layout layout = LAYOUT_PLAIN;
  t->name = d->name.s;
  t->span = d->name.span;
  Frame *f = frame_push(s, FR_CONST, "", (Span){0});
  f->seq = INT32_MAX;
  for (int i = 0; i < d->checkpoint.n; i++) {
    const CkItem *it = &d->checkpoint.v[i];
    switch (it->kind) {
    case CK_LAYOUT: set_layout(s, it, &last, &layout); break;
    case CK_CONFIG: add_config(s, it, t); break;
    case CK_ALIAS:
      for (int k = 0; k < it->aliases.n; k++)
        vec_push(s->a, &t->aliases, it->aliases.v[k]);
      break;
    case CK_IGNORE:
      for (int k = 0; k < it->ignore.n; k++)
        add_ignored(s, &it->ignore.v[k], t);
      break;
    case CK_RULE: expand_rule(&e, it->rule, "", "", -1); break;
    }
  }
  if (!e.bad && !s->stopped) {
    map_params(s, d, &e, layout);
  }
  vec_push(s->a, &s->m->tables, t);
}

const CkptTable *model_native_table(Model *m) {
  if (m->native)
    return m->native;
  CkptTable *t = NEW(m->a, CkptTable);
  t->name = "";
  for (int i = 0; i < m->params.n; i++) {
    StoredParam p = {.name = m->params.v[i]->info.path, .param = i, .group = -1};
    ckpt_native_shape(&m->params.v[i]->info, &p);
    vec_push(m->a, &t->params, p);
  }
  return m->native = t;
}
