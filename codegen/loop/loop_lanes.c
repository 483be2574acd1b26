// Lane variance, by iterating over the registers of a body until nothing changes: at most one round
// a register.
#include "codegen/loop/loop_lanes.h"

// Malformed registers are left to the verifier, which asks about bodies that it has not checked
// yet.
bool lanes_vary(const Lanes *l, const LExpr *e) {
  uint64_t vary;
  if (!e || l->var < 0)
    return false;
  if (e->op == L_VAR)
    return e->inum == l->var;
  if (e->op == L_REG)
    return e->inum >= 0 && e->inum < l->nregs && l->reg[e->inum];
  if (e->op == L_ACC)
    return l->acc;
  if (!e->a || map_get(l->seen, e, &vary))
    return e->a && vary;
  vary = lanes_vary(l, e->a) || lanes_vary(l, e->b) || lanes_vary(l, e->c);
  map_put(l->seen, e, vary);
  return vary;
}

static bool spread(Lanes *l, const LBody *b, bool *own) {
  bool changed = false;
  for (int i = 0; i < b->n; i++) {
    const LStmt *s = b->v[i];
    bool known = s->reg >= 0 && s->reg < l->nregs;
    if (s->kind == LS_REG && known)
      own[s->reg] = true;
    bool assigns =
        known && (s->kind == LS_REG || s->kind == LS_SET || s->kind == LS_REDUCE) && own[s->reg];
    if (assigns && !l->reg[s->reg] && lanes_vary(l, s->value)) {
      l->reg[s->reg] = changed = true;
      map_clear(l->seen);
    }
    changed |= spread(l, &s->body, own);
  }
  return changed;
}

Lanes lanes_of(Arena *a, const LKernel *k, int var, const LBody *body) {
  Lanes l = {.var = var,
             .acc = true,
             .nregs = k->nregs,
             .reg = NEWN(a, bool, k->nregs + 1),
             .seen = NEW(a, Map)};
  l.seen->arena = a;
  // declared in the body: others keep lane partials elsewhere
  bool *own = NEWN(a, bool, k->nregs + 1);
  while (spread(&l, body, own))
    ;
  return l;
}
