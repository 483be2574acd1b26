// What the rewrite rules share.  A rule is a small named function under its equation; it returns
// NULL when it does not apply, else a node with the same axes (as a set), dtype and values.
//
// Termination: every SIMPLIFY rule makes the expression smaller (fewer nodes, or constants nearer
// the root, or a cheaper op that no rule turns back) or, in rules_stable.c, makes an exp that they do
// not match; STRUCTURAL flips move towards the roots only;
// stacking and claiming remove the contractions they match.
#ifndef BIGSC_REWRITE_H
#define BIGSC_REWRITE_H
#include "graph/ir.h"

typedef struct Rewrite {
  Graph *g;
  Node **roots; // of GLOBAL rules: replaced in place
  int nroots;
  Node **live; // reachable from the roots, operands first
  int nlive;
  int *uses; // by node id: reads by live nodes and roots; nodes made since have none
  int nuses;
} Rewrite;
typedef Node *LocalRule(Rewrite *r, Node *n);
typedef int GlobalRule(Rewrite *r); // how often it fired

#define LOCAL(id, set, equation) LocalRule rule_##id;
#define GLOBAL(id, set, equation) GlobalRule rule_##id;
#include "graph/rules.def"
#undef LOCAL
#undef GLOBAL

static inline int rewrite_uses(const Rewrite *r, const Node *n) {
  return n->id < r->nuses ? r->uses[n->id] : 0;
}
bool node_covers(const Node *n, Axis *const *ax, int nax); // n has all these axes
bool same_axes(const Node *a, const Node *b);
bool node_is_scalar_const(const Node *n, double *v); // CONST without axes
// Matches n = op(x, scalar constant) in either order of a commutative op.
bool match_with_const(const Node *n, Op op, Node **x, double *c);
// Replaces node old[i] by new[i] everywhere above them, up to the roots.
void rewrite_replace(Rewrite *r, Node *const *old, Node *const *by, int n);
#endif
