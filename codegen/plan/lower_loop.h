// Private to the planner: loops over the steps of a scan as kernels.
//
// A task has a place along all axes that nothing in the region mixes, or a block of one of them, whose
// elements are the lanes of vectors.  It walks over the steps; in a step each value that is summed over
// something, or is read at many places, is computed into scratch, then what the loop gives and the next
// states.  A state is in memory as scratch only.
#ifndef BIGSC_LOWER_LOOP_H
#define BIGSC_LOWER_LOOP_H
#include "codegen/plan/contract.h"
#include "codegen/plan/lower_util.h"

// ---- loop_axes.c
bool loop_equals(const Node *a, const Node *b); // values of one loop?
Node **loop_nodes(Graph *g, const Scan *s, int *n);
void loop_live(const Scan *s, Node *const *nodes, int n, bool *live);
// The axes that tasks have places of; `live` by id, NULL: all are.
int loop_tasks(Graph *g, const Scan *s, const bool *live, Axis **out);
// The same, and axes that are mixed by nothing but sums over them that a step gives.
int loop_summed_tasks(Graph *g, const Scan *s, const bool *live, Axis **out);

typedef struct Result Result;
typedef struct Slot { // a value in scratch
  const Node *node;
  int mem, nax;
  Axis **ax;               // without those of tasks; the last one has stride 1, but for lanes
  struct LoopRegion *home; // where it is computed
  const Result *given;     // NULL, or in place of scratch: where a sum over lanes goes
} Slot;

typedef struct LoopRegion { // one loop, perhaps in another one
  struct LoopRegion *up;
  const Scan *s;
  Node *const *in;
  Node **node;
  int nnode, depth; // depth: the scope of a step
  bool *live;       // by id
  bool *shared;     // by id: goes into scratch since several nests derive it
  LExpr *step;
  int *now, *next; // by state: scratch
} LoopRegion;

struct Result {       // what a step gives: a value, and where it goes
  Node *node, *value; // value: what the loop's node outside is
  Slot slot;          // scratch, where place is NULL
  const Place *place; // memory
  Place *slots;       // of a sum over lanes' axis: a task's, which are added up afterwards
  bool stepped;       // has the loop's axis
  bool next;          // is a state's next value
};
typedef VEC(Result) Results;

struct LoopLower {
  Lower *c;
  Inst *k;
  Axis *task[MAX_AXES], *lane;
  int ntask, vec;
  LExpr *lane_lo, *lane_hi; // the block of lanes
  int64_t width;            // its elements
  LExpr *block;             // its number
  const Results *out;       // of the outermost loop
  Axis *rows;               // or a block of rows, an axis of what is in scratch
  LExpr *rows_lo, *rows_hi;
  int64_t nrows;
  Coords at; // places of the task
  VEC(Slot) slot;
  LoopRegion *region; // the innermost
  // The outermost loop stores first states of pieces, or goes back through those of another one.
  LoopPieces *forward;
  const LoopPieces *back;
  Axis *within; // the place in a piece
  bool again;   // the states of one are being computed
};
typedef struct LoopLower LoopLower;

typedef struct Nest { // loops, open
  LStmt *open[2 * MAX_AXES];
  int n;
  Coords at;
} Nest;

// ---- loop_values.c
int loop_own_axes(const LoopLower *x, Axis *const *ax, int n,
                  Axis **out); // those that are no tasks'
Slot loop_scratch_slot(LoopLower *x, const Node *n, Axis *const *ax, int nax, const char *name);
Slot loop_state_slot(const LoopLower *x, const LoopRegion *r, int i,
                     int mem); // of state i, in `mem`
LExpr *loop_slot_load(LoopLower *x, const Slot *s, const Coords *at);
void loop_slot_store(LoopLower *x, const Slot *s, const Coords *at, LExpr *v);
const Slot *loop_slot_of(const LoopLower *x, const Node *n); // NULL: n is not in scratch
// Loops over axes that are no tasks', one of them or the lanes as a vector.
Nest loop_open_nest(LoopLower *x, Axis *const *ax, int n, bool vector);
void loop_close_nest(LoopLower *x, Nest *t);
// 2: the places of n along a lie side by side, -2: apart, 0: it is not in memory, or lacks a.
int loop_unit_along(Prog *g, Node *n, const Axis *a);
int loop_axes_but(const Slot *s, const Axis *but, Axis **out); // the slot's axes without one
// Computes what of the region is summed or read at many places, into scratch.
void loop_store_values(LoopLower *x, LoopRegion *r);

bool loop_is_stored(const LoopRegion *r, Node *n); // in any case

// ---- loop_shared.c
void loop_find_shared(LoopLower *x, LoopRegion *r);

// ---- loop_sums.c
// An axis for lanes, beside those n of tasks, that is summed over in what a step gives alone; `live` by id.
Axis *loop_sums_lane(LoopLower *x, Axis *const *task, int n, const bool *live);
void loop_sums_place(LoopLower *x, Results *out);
const Result *loop_sums_given(const LoopLower *x, const Node *n); // NULL: n is no such sum
void loop_sums_store(LoopLower *x, const Result *r, const Coords *at, LExpr *v);
void loop_sums_add(LoopLower *x); // after the loop's kernel

// ---- loop_mixed.c
void loop_conv_nest(LoopLower *x, const Slot *s, Node *n); // also of a kernel's gradient
void loop_sort_nest(LoopLower *x, const Slot *s, Node *n);

// ---- loop_pieces.c
// States that the loop needs to go on from the start of a piece, and what of its region that takes; by id.
bool *loop_pieces_live(Prog *g, const LoopPieces *p);
void loop_pieces_place(LoopLower *x);
void loop_pieces_name(LoopLower *x);
int loop_pieces_tasks(LoopLower *x, Axis **ax, int n);
void loop_run_forward(LoopLower *x, LoopRegion *r, const Results *out);
void loop_run_back(LoopLower *x, LoopRegion *r, const Results *out);

// ---- loop_rows.c
// Which products with weights are tiles; their operands are put into panels by instances of their own.
LoopRows loop_rows_plan(Prog *g, Node *n);
void loop_rows_name(LoopLower *x);
void loop_rows_open(LoopLower *x, Axis *const *task, int n); // the block, where a task has one
int loop_slot_order(const LoopLower *x, const Node *n,
                    Axis **out); // the axes of n in the order that its slot has
bool loop_rows_product(LoopLower *x, const Slot *s,
                       Node *n); // n into its slot; false: it is no such product

// ---- lower_loop.c
// The axis of tasks that most of what is read has at stride 1.
Axis *loop_lane(Prog *g, const Node *n, Axis *const *ax, int nax);
Axis *loop_value_inner(
    Prog *g,
    Node *n); // the axis along which the elements of a step's value lie side by side; NULL: any
// The step that comes after `count` others.
void loop_step(LoopLower *x, LoopRegion *r, LExpr *count, const Results *out);
void loop_nest(LoopLower *x, Node *n); // all values of a loop in a loop, into scratch
#endif
