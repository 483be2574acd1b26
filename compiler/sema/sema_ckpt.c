// Checkpoint blocks: a total map from parameters to stored names, and what else a block says.
#include "compiler/sema/sema_ckpt.h"
#include "compiler/sema/sema_eval.h"
#include <string.h>

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

static size_t number_length(const char *p) {
  return strspn(p, "0123456789");
}

// The same but for the numbers of layers.
static bool same_in_layers(const char *a, const char *b) {
  for (; *a && *b; a++, b++) {
    size_t n = number_length(a), m = number_length(b);
    if (!n != !m || (!n && *a != *b))
      return false;
    a += n ? n - 1 : 0;
    b += m ? m - 1 : 0;
  }
  return *a == *b;
}

static bool is_absent(const Model *m, const char *path) {
  for (int i = 0; i < m->absent.n; i++)
    if (!strcmp(m->absent.v[i], path))
      return true;
  return false;
}

// An `if` leaves out what the rule is about, here or in this layer: another one has it.
static bool left_out(Sema *s, const Expansion *e, const Mapping *m) {
  bool out = is_absent(s->m, m->left);
  for (int i = 0; m->counted && i < e->out.n && !out; i++) {
    const Mapping *o = e->out.v[i];
    out = o->rule == m->rule && same_in_layers(o->left, m->left) &&
          (o->used || is_absent(s->m, o->left));
  }
  return out;
}

static bool rules_without_parameters(Sema *s, const Expansion *e) {
  VEC(const CkRule *) told = {0}; // a rule leads to several paths and is reported once
  for (int i = 0; i < e->out.n; i++) {
    const CkRule *rule = e->out.v[i]->rule;
    int k = 0;
    while (k < told.n && told.v[k] != rule)
      k++;
    if (e->out.v[i]->used || k < told.n || left_out(s, e, e->out.v[i]))
      continue;
    vec_push(s->a, &told, rule);
    ckpt_no_parameter(s, rule->span, e->out.v[i]->left);
  }
  return told.n > 0;
}

static void native_shape(const ModelParam *p, StoredParam *out) {
  out->nshape = 0;
  for (int i = 0; i < p->nax; i++)
    out->shape[out->nshape++] = p->extent[i];
  if (dtype_is_complex(p->dtype))
    out->shape[out->nshape++] = 2;
  if (!out->nshape)
    out->shape[out->nshape++] = 1;
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
      native_shape(p, &out);
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
  suggest_list(s, g, name->s, names, LAYOUTS);
}

static void set_layout(Sema *s, const CkItem *it, const CkItem **last, Layout *out) {
  static const char *const names[LAYOUTS] = {
      [LAYOUT_PLAIN] = "plain", [LAYOUT_FLAT] = "flat", [LAYOUT_TORCH] = "torch"};
  if (*last)
    sema_error(s, ERR_BAD_LAYOUT, it->span, "`layout` is given twice");
  *last = it;
  int i = name_place(names, LAYOUTS, it->layout.s);
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
  if (!ckpt_has_parameter(s->m, path)) {
    ckpt_no_parameter(s, at, path);
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
    case CK_RULE: ckpt_expand(&e, it->rule, "", "", -1); break;
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
    native_shape(&m->params.v[i]->info, &p);
    vec_push(m->a, &t->params, p);
  }
  return m->native = t;
}
