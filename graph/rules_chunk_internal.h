// What the files of the rule for recurrences in pieces share: see rules_chunk.c.
#ifndef BIGSC_GRAPH_RULES_CHUNK_INTERNAL_H
#define BIGSC_GRAPH_RULES_CHUNK_INTERNAL_H
#include "graph/op.h"
#include "graph/rewrite.h"

typedef VEC(Node *) NodeList;

// A product's factors that have N, and those that have not; NULL: none.
typedef struct Factors {
  Node *summed, *other;
} Factors;

// of = sum[N](q (f s + r)) = f sum[N](q s) + sum[N](q r); NULL: 1 and 0
typedef struct Read {
  const Node *of;
  Node *q, *factor, *rest;
  bool old;     // s is the state before its step
  Node *scores; // sum[N](q k d) of a piece; keyed: q is q p then
} Read;

typedef struct Recurrence {
  Graph *g;
  Node *loop;      // one of its values
  NodeList values; // all that are read
  bool wants_last; // the state behind the last step is one of them
  const Scan *c;
  Node **region;
  int nregion;
  Node **outside; // by id, of nodes of the region: what stands for them, NULL: depends on the state
  const Node *atom; // the state that formulas are taken apart by: before its step, or after
  Axis **sum;       // N
  int nsum;
  VEC(Read) read;
  bool old;   // one of them is of the state before its step
  bool keyed; // a has N
  // What is written is v + gain sum[N](q s), of this read of the state before its step; NULL: v alone.
  const Read *inner;
  // a, k, v, gain for all steps, then by piece; k and v along `from`
  Node *a, *k, *v, *gain;
  Axis *along, *piece, *step, *from;
  Node *decay[2], *since[2]; // d and p, not where keyed; [1]: of one step earlier
  Node *weighted, *fade;     // k d[C-1], and p[C-1]
  Node *known;               // w, where v + sum[N](w S) is written; NULL: v alone
  Node *before, *last;       // S, and that behind the last piece
} Recurrence;

static inline Node *chunk_outside(const Recurrence *c, const Node *n) {
  return c->outside[n->id];
}
static inline Node *chunk_times(Graph *g, Node *x, Node *y) {
  return x && y ? g_binary(g, OP_MUL, x, y) : x ? x : y;
}

// ---- rules_chunk_match.c: whether a loop is one

// Fills in sum, read, old, keyed, inner, and a, k, v, gain for all steps.
bool chunk_match(Recurrence *c);
int64_t chunk_steps(const Recurrence *c); // of a piece; 0: it does not pay

// ---- rules_chunk_pieces.c
bool chunk_axes(Recurrence *c, int64_t steps);
void chunk_build(Recurrence *c); // a, k, v by piece; the states before pieces
Node *chunk_value(Recurrence *c, const Read *r);
#endif
