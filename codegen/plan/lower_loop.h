// Private to the planner: loops over the steps of a scan as kernels.
//
// A task has a place along all axes that nothing in the region mixes, or a block of one of them, whose
// elements are the lanes of vectors.  It walks over the steps; in a step each value that is summed over
// something, or is read at many places, is computed into scratch, then what the loop gives and the next
// states.  A state is in memory as scratch only.
#ifndef BIGSC_LOWER_LOOP_H
#define BIGSC_LOWER_LOOP_H
#include "codegen/plan/lower_util.h"

// ---- loop_axes.c
bool loop_equals(const Node *a, const Node *b); // values of one loop?
Node **loop_nodes(Graph *g, const Scan *s, int *n);
void loop_live(const Scan *s, Node *const *nodes, int n, bool *live);
const Node *loop_unsupported(Graph *g, const Scan *s); // NULL: it can be compiled
// The axes that tasks have places of; `live` by id.
int loop_tasks(Graph *g, const Scan *s, const bool *live, Axis **out);
#endif
