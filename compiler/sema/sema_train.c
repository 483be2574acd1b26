// Train blocks: the loss, and the settings that make a recipe.
#include "compiler/sema/sema_check.h"
#include "compiler/sema/sema_eval.h"
#include "compiler/syntax/habits.h"
#include "base/hash.h"
#include <float.h>
#include <math.h>
#include <string.h>

// A frame over the model's own (s->scope), with the block's new fields.
Frame *sema_train_frame(Sema *s, const Decl *d) {
  Scope *model = s->scope;
  Frame *f = frame_push(s, FR_TRAIN, d->name.s, d->name.span);
  s->scope->up = model;
  f->seq = INT32_MAX;
  f->depth = 2;
  f->key = hash_str("train");
  f->inst = s->m->root;
  f->mod = checking(s) ? s->m->model : NULL;
  if (!checking(s))
    for (int i = 0; i < d->train.n; i++)
      if (d->train.v[i].kind == TR_DATA)
        sema_train_data(s, &d->train.v[i], NULL);
  return f;
}

const Expr *sema_train_loss(const Decl *d) {
  for (int i = 0; i < d->train.n; i++)
    if (d->train.v[i].kind == TR_SETTING && !strcmp(d->train.v[i].setting.name.s, "loss"))
      return d->train.v[i].setting.value;
  return NULL;
}

// ---- values of settings
bool sema_number(Sema *s, const Expr *e, const char *what, double lo, double hi, double *out) {
  Value *v = sema_constant(s, e, what);
  double x;
  if (is_poison(v))
    return false;
  if (!v_const(v, &x)) {
    sema_error(s, ERR_BAD_SETTING, e->span, "%s is a number", what);
    return false;
  }
  if (!(x >= lo && x <= hi)) {
    if (isinf(hi))
      sema_error(s, ERR_BAD_SETTING, e->span, "%s is at least %g, not %s", what, lo,
                 double_said(s->a, x));
    else
      sema_error(s, ERR_BAD_SETTING, e->span, "%s lies between %g and %g, and this is %s", what, lo,
                 hi, double_said(s->a, x));
    return false;
  }
  *out = x;
  return true;
}

// What a kernel takes as f32: a number that f32 holds in full.  zero: may it be 0?
static bool f32_of(Sema *s, const Expr *e, const char *what, double hi, bool zero, double *out) {
  double x;
  if (!sema_number(s, e, what, 0, hi, &x))
    return false;
  bool ok = x >= FLT_MIN || (x == 0 && zero);
  if (!ok && x == 0)
    sema_error(s, ERR_BAD_SETTING, e->span, "%s is more than 0", what);
  else if (!ok)
    sema_error(s, ERR_BAD_SETTING, e->span,
               "%s is at least %.3g, the least number that f32 holds in full, not %g", what,
               (double)FLT_MIN, x);
  *out = ok ? x : *out;
  return ok;
}

// Below 1 in f32, too.
static void below_one(Sema *s, const Expr *e, const char *what, double *out) {
  const double most = 0.9999999;
  double x;
  if (!sema_number(s, e, what, 0, INFINITY, &x))
    return;
  if (x <= most)
    *out = x;
  else
    sema_error(s, ERR_BAD_SETTING, e->span, "%s is at most %.7g, not %.9g", what, most, x);
}

static void whole_of(Sema *s, const Expr *e, const char *what, int64_t *out) {
  double x;
  if (!sema_number(s, e, what, 1, 1e15, &x))
    return;
  if (x == floor(x))
    *out = (int64_t)x;
  else
    sema_error(s, ERR_BAD_SETTING, e->span, "%s is whole, not %s", what, double_said(s->a, x));
}

static void unknown_optimizer(Sema *s, const Expr *callee) {
  const char *known = suggest_text(s, optimizer_names, OPT_COUNT);
  if (callee->kind != EX_NAME) {
    sema_error(s, ERR_UNKNOWN_SOURCE, callee->span,
               "an optimizer is named, as in `adamw(eps: 1e-8)`: there are %s", known);
    return;
  }
  const char *name = callee->name.s;
  Diag *g = sema_error(s, ERR_UNKNOWN_SOURCE, callee->span, "unknown optimizer `%s`: there are %s",
                       name, known);
  suggest_list(s, g, name, optimizer_names, OPT_COUNT);
}

static void set_beta(Sema *s, const Expr *e, Optimizer *o) {
  if (e->kind != EX_TUPLE || e->items.n != 2) {
    sema_error(s, ERR_BAD_SETTING, e->span, "`beta` is a pair: `beta: (0.9, 0.999)`");
    return;
  }
  below_one(s, e->items.v[0], "`beta`", &o->beta1);
  below_one(s, e->items.v[1], "`beta`", &o->beta2);
}

// `adamw(lr: 1e-3)`: what is no argument of it may be a setting of the block.
static bool setting_help(Sema *s, Diag *g, const Arg *a) {
  static const char *const beside[] = {"rate", "decay", "clip"};
  const Habit *h = habit_find(HABIT_SETTING, a->name.s, NULL, NULL);
  const char *line = h ? h->line : name_listed(beside, COUNT(beside), a->name.s) ? a->name.s : NULL;
  if (!line)
    return false;
  if (strchr(line, '='))
    diag_help(s->d, g, "write `%s`", line);
  else
    diag_help(s->d, g, "write `%s = %s` on a line of the block, beside `optimizer`", line,
              span_text(s->a, a->value->span, "..."));
  return true;
}

static void optimizer_argument(Sema *s, const Arg *a, Optimizer *o) {
  static const char *const known[] = {"beta", "eps", "momentum"};
  const char *taken[COUNT(known)];
  int n = 0;
  for (int i = 0; i < COUNT(known); i++)
    if (strstr(optimizer_arguments[o->kind], known[i]))
      taken[n++] = known[i];
  if (!a->name.s || !name_listed(taken, n, a->name.s)) {
    Diag *g = sema_error(s, ERR_WRONG_ARGUMENTS, a->span,
                         a->name.s ? "`%s` has no argument `%s`" : "arguments of `%s` are named",
                         optimizer_names[o->kind], a->name.s ? a->name.s : "");
    if (a->name.s && !setting_help(s, g, a))
      suggest_list(s, g, a->name.s, taken, n);
    return;
  }
  switch (name_place(known, COUNT(known), a->name.s)) {
  case 0: set_beta(s, a->value, o); break;
  case 1: f32_of(s, a->value, "`eps`", 1, false, &o->eps); break;
  default: below_one(s, a->value, "`momentum`", &o->momentum);
  }
}

static void set_optimizer(Sema *s, const Expr *e, Recipe *r) {
  const Expr *callee = e->kind == EX_CALL ? e->a : e;
  int kind =
      callee->kind == EX_NAME ? name_place(optimizer_names, OPT_COUNT, callee->name.s) : OPT_COUNT;
  if (kind == OPT_COUNT) {
    unknown_optimizer(s, callee);
    return;
  }
  r->optimizer.kind = (OptimizerKind)kind;
  r->optimizer.beta2 = optimizer_beta2[kind];
  r->has_optimizer = true;
  sema_args_once(s, e, callee->name.s);
  for (int i = 0; e->kind == EX_CALL && i < e->args.n; i++)
    optimizer_argument(s, &e->args.v[i], &r->optimizer);
}

// ---- groups
static void add_group(Sema *s, const TrItem *it, Recipe *r) {
  static const char *const names[] = {"rate", "decay", "frozen"};
  const char **tags = NEWN(s->a, const char *, it->tags.n + 1);
  TagGroup g = {.tags = tags, .ntags = it->tags.n};
  for (int i = 0; i < it->tags.n; i++)
    tags[i] = it->tags.v[i].s;
  for (int i = 0; i < it->settings.n; i++) {
    const Setting *st = &it->settings.v[i];
    for (int k = 0; k < i; k++)
      if (it->settings.v[k].name.s == st->name.s)
        sema_error(s, ERR_UNKNOWN_SETTING, st->span, "`%s` is given twice", st->name.s);
    if (!name_listed(names, COUNT(names), st->name.s)) {
      Diag *d = sema_error(s, ERR_UNKNOWN_SETTING, st->name.span,
                           "unknown setting `%s` of a group: there are %s", st->name.s,
                           suggest_text(s, names, COUNT(names)));
      suggest_list(s, d, st->name.s, names, COUNT(names));
    } else if (!strcmp(st->name.s, "rate") && sema_is_schedule(s, st->value)) {
      sema_error(s, ERR_BAD_SETTING, st->value->span,
                 "the rate of a group is a number: it goes through the schedule of the block");
    } else if (!strcmp(st->name.s, "rate")) {
      g.rate_times = st->times;
      g.has_rate = f32_of(s, st->value, "a rate", FLT_MAX, true, &g.rate);
    } else if (st->times) {
      sema_error(s, ERR_UNKNOWN_SETTING, st->span, "`*=` is for `rate`");
    } else if (!strcmp(st->name.s, "decay")) {
      g.has_decay = f32_of(s, st->value, "`decay`", FLT_MAX, true, &g.decay);
    } else {
      Value *v = sema_constant(s, st->value, "`frozen`");
      if (is_tensor(v) && v->known) {
        g.has_frozen = true;
        g.frozen = v->truth;
      } else if (!is_poison(v))
        sema_error(s, ERR_BAD_SETTING, st->value->span, "`frozen` is true or false");
    }
  }
  vec_push(s->a, &r->groups, g);
}

// ---- the block
static void check_loss(Sema *s, const Expr *e, Recipe *r) {
  Value *v = sema_value(s, e);
  if (is_poison(v))
    return;
  if (is_tensor(v) && !v->ax.n && v->dtype == DT_F32) {
    r->has_loss = true;
    return;
  }
  Diag *g = sema_error(s, ERR_NO_LOSS, e->span, "the loss is one f32, not %s", v_type_str(s, v));
  if (is_tensor(v) && v->ax.n)
    diag_help(s->d, g, "reduce it: `mean(...)`");
}

// The product of the rate's factors, at the schedule's highest.
static void check_rate(Sema *s, const Expr *e, const Recipe *r) {
  double most = schedule_most(&r->schedule);
  if (r->rate * most > FLT_MAX || (r->rate > 0 && r->rate < FLT_MIN))
    sema_error(s, ERR_BAD_SETTING, e->span,
               "a rate is 0, or lies between %.3g and %.3g, and this is %g", (double)FLT_MIN,
               (double)FLT_MAX, r->rate * most);
}

// Rows of a step: a number, or one that grows in whole multiples of itself.
static void set_batch(Sema *s, const Expr *e, Recipe *r) {
  double x;
  if (!sema_is_schedule(s, e)) {
    whole_of(s, e, "`batch`", &r->batch);
    return;
  }
  if (!sema_schedule(s, e, "a batch", &x, &r->growth))
    return;
  bool least = true;
  for (int i = 0; i < r->growth.n; i++)
    least &= r->growth.v[i].kind != SCHED_WARMUP && r->growth.v[i].to >= 1;
  if (!least)
    sema_error(s, ERR_BAD_SETTING, e->span,
               "a batch grows from the number that stands there: without `warmup`, and `to` is at "
               "least 1");
  else if (!(x >= 1 && x == floor(x) && x * schedule_most(&r->growth) <= 1e15))
    sema_error(s, ERR_BAD_SETTING, e->span, "`batch` is whole, at least 1, not %s",
               double_said(s->a, x));
  else
    r->batch = (int64_t)x;
}

static void set_ema(Sema *s, const Expr *e, Recipe *r) {
  double x = 0.5;
  below_one(s, e, "`ema`", &x);
  if (x <= 0)
    sema_error(s, ERR_BAD_SETTING, e->span,
               "`ema` is more than 0: the average would be the parameters");
  else
    r->ema = x;
}

static void setting(Sema *s, const Setting *st, Recipe *r) {
  static const char *const names[] = {"loss",   "optimizer", "rate",   "decay", "batch",
                                      "pieces", "steps",     "epochs", "clip",  "ema"};
  int k = name_place(names, COUNT(names), st->name.s);
  if (st->times && k < COUNT(names)) {
    sema_error(s, ERR_UNKNOWN_SETTING, st->span, "`*=` is for the `rate` of a group");
    return;
  }
  switch (k) {
  case 0: check_loss(s, st->value, r); break;
  case 1: set_optimizer(s, st->value, r); break;
  case 2:
    r->has_rate = true;
    sema_schedule(s, st->value, "a rate", &r->rate, &r->schedule);
    check_rate(s, st->value, r);
    break;
  case 3: f32_of(s, st->value, "`decay`", FLT_MAX, true, &r->decay); break;
  case 4: set_batch(s, st->value, r); break;
  case 5: whole_of(s, st->value, "`pieces`", &r->pieces); break;
  case 6: whole_of(s, st->value, "`steps`", &r->steps); break;
  case 7: whole_of(s, st->value, "`epochs`", &r->epochs); break;
  case 8: f32_of(s, st->value, "`clip`", FLT_MAX, false, &r->clip); break;
  case 9: set_ema(s, st->value, r); break;
  default: {
    Diag *g =
        sema_error(s, ERR_UNKNOWN_SETTING, st->name.span, "unknown setting `%s`: there are %s",
                   st->name.s, suggest_text(s, names, COUNT(names)));
    const Habit *h = habit_find(HABIT_SETTING, st->name.s, NULL, NULL);
    if (h)
      diag_help(s->d, g, "write `%s`%s", h->line, h->why);
    else
      suggest_list(s, g, st->name.s, names, COUNT(names));
  }
  }
}

static bool has_tag(const ModelParam *p, const char *tag) {
  for (int i = 0; i < p->ntags; i++)
    if (!strcmp(p->tags[i], tag))
      return true;
  return false;
}

// Of a module that this model has none of, by its lets or by what it goes on from.
static bool is_tag_of_module(const Model *m, const char *tag) {
  for (int i = 0; i < m->mods.n; i++) {
    const Body *b = m->mods.v[i]->decl->body;
    for (int k = 0; b && k < b->stmts.n; k++)
      for (int j = 0; j < b->stmts.v[k]->tags.n && !m->mods.v[i]->prelude; j++)
        if (b->stmts.v[k]->tags.v[j].s == tag)
          return true;
  }
  return false;
}

static void check_tag(Sema *s, Name tag) {
  const Model *m = s->m;
  if (is_tag_of_module(m, tag.s))
    return;
  Suggest best = {.wanted = tag.s, .sigil = "@"};
  for (int i = 0; i < m->params.n; i++) {
    const ModelParam *p = &m->params.v[i]->info;
    if (has_tag(p, tag.s))
      return;
    for (int k = 0; k < p->ntags; k++)
      suggest_add(&best, p->tags[k]);
  }
  suggest_help(
      s, diag_warning(s->d, ERR_UNKNOWN_TAG, tag.span, "no parameter has the tag `@%s`", tag.s),
      &best);
}

// Their names are collected until there are too many.
static void count_tags(Sema *s) {
  const char *seen[MAX_TAGS];
  int n = 0;
  for (int i = 0; i < s->m->params.n; i++) {
    const ModelParam *p = &s->m->params.v[i]->info;
    for (int k = 0; k < p->ntags; k++)
      if (!name_listed(seen, n, p->tags[k])) {
        if (n == MAX_TAGS) {
          sema_error(s, ERR_TOO_LARGE, p->span,
                     "a model has at most %d tags, and `@%s` is one more", MAX_TAGS, p->tags[k]);
          return;
        }
        seen[n++] = p->tags[k];
      }
  }
}

static void check_has_loss(Sema *s, const Decl *d) {
  if (!sema_train_loss(d))
    diag_warning(s->d, ERR_NO_LOSS, d->name.span, "`%s` has no `loss`: nothing is trained by it",
                 d->name.s);
}

// Once the parameters are known.
void sema_check_tags(Sema *s) {
  count_tags(s);
  for (int i = 0; i < s->m->trains.n; i++)
    check_has_loss(s, s->m->trains.v[i]);
  for (int i = 0; i < s->m->trains.n; i++)
    for (int k = 0; k < s->m->trains.v[i]->train.n; k++) {
      const TrItem *it = &s->m->trains.v[i]->train.v[k];
      for (int j = 0; it->kind == TR_GROUP && j < it->tags.n; j++)
        check_tag(s, it->tags.v[j]);
    }
}

static bool once(Sema *s, Span at, const char *what, bool *seen) {
  bool first = !*seen;
  if (!first)
    sema_error(s, ERR_UNKNOWN_SETTING, at, "%s is given twice", what);
  *seen = true;
  return first;
}

void sema_check_train(Sema *s, const Decl *d) {
  Recipe *r = NEW(s->a, Recipe);
  bool from = false, data = false;
  *r = (Recipe){.name = d->name.s,
                .span = d->name.span,
                .optimizer = {OPT_ADAMW, 0.9, optimizer_beta2[OPT_ADAMW], 1e-8, 0}};
  sema_train_frame(s, d);
  for (int i = 0; i < d->train.n; i++)
    if (d->train.v[i].kind == TR_DATA) {
      if (once(s, d->train.v[i].span, "`data`", &data))
        sema_train_data(s, &d->train.v[i], r);
    }
  for (int i = 0; i < d->train.n; i++) {
    const TrItem *it = &d->train.v[i];
    if (it->kind == TR_FROM) {
      once(s, it->span, "`from`", &from);
      r->from = it->from.s;
    } else if (it->kind == TR_NEXT)
      sema_check_next(s, d, i);
    else if (it->kind == TR_GROUP)
      add_group(s, it, r);
    else if (it->kind == TR_SETTING) {
      for (int k = 0; k < i && !it->setting.times; k++)
        if (d->train.v[k].kind == TR_SETTING && d->train.v[k].setting.name.s == it->setting.name.s)
          sema_error(s, ERR_UNKNOWN_SETTING, it->span, "`%s` is given twice", it->setting.name.s);
      setting(s, &it->setting, r);
    }
  }
  if (r->batch && r->pieces && r->batch % r->pieces)
    sema_error(s, ERR_BAD_SETTING, d->name.span,
               "`pieces` has to divide `batch`, and %lld does not divide %lld",
               (long long)r->pieces, (long long)r->batch);
  if (r->steps && r->epochs)
    sema_error(s, ERR_UNKNOWN_SETTING, d->name.span,
               "`steps` and `epochs` are both given: one of them says how long the run is");
  vec_push(s->a, &s->m->recipes, r);
}
