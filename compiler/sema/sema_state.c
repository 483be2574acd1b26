// States: parameters with the tag `@state`, which `next` of a train block changes in place of an optimizer.
#include "compiler/sema/sema_check.h"
#include "compiler/sema/sema_eval.h"
#include <string.h>

static const char state_tag[] = "state";

bool param_is_state(const Param *p) {
  for (int i = 0; i < p->ntags; i++)
    if (!strcmp(p->tags[i], state_tag))
      return true;
  return false;
}

bool model_has_states(const Model *m) {
  for (int i = 0; i < m->params.n; i++) {
    const ModelParam *p = &m->params.v[i]->info;
    for (int k = 0; k < p->ntags; k++)
      if (!strcmp(p->tags[k], state_tag))
        return true;
  }
  return false;
}

static bool has_tag(const Stmt *st) {
  for (int i = 0; i < st->tags.n; i++)
    if (!strcmp(st->tags.v[i].s, state_tag))
      return true;
  return false;
}

// ---- the check
static bool is_state(Sema *s, const Expr *e, const Value *v) {
  bool named = e->kind == EX_NAME || e->kind == EX_DOT;
  if (is_poison(v) || (named && v->param && has_tag(v->param) && v->dtype == DT_F32))
    return !is_poison(v);
  Diag *g = sema_error(s, ERR_BAD_SETTING, e->span,
                       "`next` is about a parameter of f32 with the tag `@state`");
  if (named && v->param && !has_tag(v->param))
    sema_label(s, g, v->param->span, "declared here, without the tag");
  else
    diag_help(s->d, g, "declare `mean : [H] ~ 0 @state`");
  return false;
}

static void said_once(Sema *s, const Decl *d, int i) {
  const Expr *e = d->train.v[i].state;
  for (int k = 0; k < i; k++)
    if (d->train.v[k].kind == TR_NEXT && span_same_text(d->train.v[k].state->span, e->span))
      sema_label(
          s,
          sema_error(s, ERR_UNKNOWN_SETTING, e->span, "the next value of a state is given twice"),
          d->train.v[k].state->span, "first here");
}

void sema_check_next(Sema *s, const Decl *d, int i) {
  const TrItem *it = &d->train.v[i];
  Value *state = sema_value(s, it->state), *next = sema_value(s, it->next);
  said_once(s, d, i);
  if (!is_state(s, it->state, state) || is_poison(next))
    return;
  Ty want = {.dtype = state->dtype, .ax = state->ax};
  if (is_number(next))
    sema_number_fits(s, it->next->span, next->num, want.dtype);
  else
    ty_same(s, it->next->span, next, &want, "the next value of the state", it->state->span);
}

// ---- graphs
// The value has the axes that the parameter has where it is read from: below the RENAME those of the leaf.
static const Node *leaf_of(const Node *read) {
  return read->op == OP_RENAME ? read->in[0] : read;
}

static Node *as_stored(Sema *s, const Node *read, Node *next) {
  next = g_expand(s->g, next, read->ax, read->nax);
  return read == leaf_of(read)
             ? next
             : g_rename(s->g, next, read->attr.to, read->attr.from, read->attr.nmap);
}

static void build_next(Sema *s, const TrItem *it, StateNexts *out) {
  Value *state = sema_value(s, it->state), *next = sema_value(s, it->next);
  if (is_poison(state) || is_poison(next))
    return;
  const Node *read = state->re, *leaf = leaf_of(read);
  if (leaf->op != OP_PARAM)
    return; // an `if` left it out
  sema_mark(s, it->next->span);
  NodePair p = pair_of(s, next, state->dtype);
  StateNext one = {s->g->params.v[leaf->attr.i0], as_stored(s, read, p.re)};
  vec_push(s->g->arena, out, one);
}

static bool says_next(const Decl *d) {
  for (int i = 0; i < d->train.n; i++)
    if (d->train.v[i].kind == TR_NEXT)
      return true;
  return false;
}

bool model_build_states(Model *m, Graph *g, const char *train, bool dropout, StateNexts *out) {
  Sema s;
  const Decl *d = NULL;
  for (int i = 0; m->ok && i < m->trains.n; i++)
    if (!strcmp(m->trains.v[i]->name.s, train))
      d = m->trains.v[i];
  if (!d || !says_next(d))
    return d != NULL;
  if (!sema_build_start(&s, m, g, dropout))
    return false;
  sema_train_frame(&s, d);
  for (int i = 0; i < d->train.n && !s.stopped; i++)
    if (d->train.v[i].kind == TR_NEXT)
      build_next(&s, &d->train.v[i], out);
  return !s.stopped;
}
