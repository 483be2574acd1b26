// Private to the planner: what its files share.  Read plan.h first.
#ifndef BIGSC_PLAN_INTERNAL_H
#define BIGSC_PLAN_INTERNAL_H
#include "codegen/plan/attention.h"
#include "codegen/plan/plan.h"
#include "codegen/plan/work.h"

typedef struct Prog Prog;
typedef struct Lower Lower;
typedef struct Inst Inst;

// Where a tensor's elements lie in a buffer: element (i_a) is at
//   base + sum i_a * stride[a] + (n / width) * panel + n % width,  n = nlo + sum i_a * nstep[a]
// with the last two terms for width > 0 only (a parameter in panels).  An axis lacking is one that
// the value is constant along.  In panels of pairs (a parameter of layout_pairs.c) the first sum is k * width, and the element at
//   (n / width) * panel + (k - k % 2) * width + n % width * 2 + k % 2
typedef struct Place {
  int buf;
  DType dtype;
  int nax;
  Axis **ax;
  Poly *stride;
  int64_t *nstep, width, panel, nlo;
  bool pairs;
  Poly base;
} Place;

typedef struct Buf {
  BigsWhere where;
  int index;   // INPUT, OUTPUT: the tensor; PIECE: the buffer
  int storage; // PARAM, GRAD: the storage object, from whose start `offset` counts
  DType dtype;
  Poly size, rows;
  int64_t block;
  Poly offset;
  const void *data;
  const Node *table; // CONSTANT
  const char *name;  // for printing
  int number;        // in the finished table, -1 unused
  int first, last;
} Buf;

// How a member of a kernel instance stands to its domain of rows x columns.
typedef enum Role {
  ROLE_FULL,   // an element per (row, column)
  ROLE_ROW,    // pointwise, an element per row
  ROLE_REDUCE, // reduction over the columns: an element per row
  ROLE_COLUMN, // sum over the rows: partial sums here, finished by another instance
} Role;
typedef struct Member {
  Node *node;
  Role role;
  Place *place; // destination; of a COLUMN the slots
  Place *slots; // FINISH: what it adds up
  bool copy;    // the node is stored elsewhere too: this writes one more copy
  bool derive;  // the node was computed again later: this instance derives it all the same
} Member;

typedef enum InstKind {
  IK_ROWS, // rows of pointwise work, reductions over columns, partial sums over rows: lower_row.c
  IK_TILE, // a contraction with its epilogue: lower_contract.c
  IK_TRANSPOSE, // a contraction's operand transposed into panels
  IK_BEHIND,    // a convolution's kernel, stored once more behind zeros: toeplitz.c
  IK_LAGS,      // the gradient of a convolution's kernel by diagonals of products: lags.c
  IK_TOTAL,     // a reduction to a scalar: partials of a fixed number of elements
  IK_FINISH,    // sums slots in order
  IK_LOOPS, // one element at a time: argmax, and convolution and scatter of shapes no builtin takes
  IK_BUILTIN,   // library code
  IK_SCATTER,   // a scatter by sorted ids, as several kernels: lower_scatter.c
  IK_ATTENTION, // attention, forward or backward, as one kernel
  IK_LOOP,      // the steps of a scan as one kernel: lower_loop.h
  IK_JOIN,      // nothing to do: the parts of a stored concatenation are complete
} InstKind;

typedef struct Tile Tile;
typedef struct
    LoopProduct { // of a loop's region, rows by weights that are held, as a tile: its n, k, batch and b
  Node *node;
  Tile *tile;
} LoopProduct;
typedef struct LoopRows { // loop_rows.c
  Axis *rows;             // of which a task takes several; NULL: one
  VEC(LoopProduct) product;
} LoopRows;
struct Inst {
  InstKind kind;
  int index; // in the program's list: the order of execution
  bool prologue,
      split;  // split: which axes are columns is decided (else all are in `row`, and `vec` last)
  bool lanes; // the vector axis is the last row axis; columns are walked one by one
  int nrow, ncol;
  Axis **row, **col; // the vector axis last
  VEC(Member) m;
  VEC(Node *) loads; // what the members read from memory
  Tile *tile;
  LoopRows rows;    // LOOP
  Place *src, *dst; // TRANSPOSE
  const Inst *of;   // FINISH: whose slots
  Place *arg[8];    // BUILTIN, ATTENTION: operands as they are read
  int slot_block;   // rows a slot
  Node *root;       // for labels
  bool accumulate;  // SCATTER: on top of what is there
  bool library;     // TILE: it ends in what a library of matrix products can do
  const Node *bias; // TILE: a parameter that it reads as the copy at bias_place
  Place *bias_place;
  const Node *operand
      [2]; // TILE of a convolution: what it reads, and where that was when it was planned: a value that is
  Place *operand_place[2]; // computed again later has another place then
};

typedef struct Staged { // a transposed copy
  Node *node;
  Place *place;
  Inst *inst;
  uint64_t key;
} Staged;

typedef struct
    LoopPieces { // a loop of whose states some are stored for the starts of pieces alone: loop_pieces.c
  Node *loop;    // one of its values
  int64_t steps; // of a piece
  bool whole;    // all steps are one, whose first states are numbers: they have no place
  // by state: loops that go back see it, and compute it again; for that it is stored; where
  bool *kept;
  Node **seen; // its value for all steps; NULL: it is not seen
  Place **place;
  Axis *lane; // whose elements were lanes
} LoopPieces;

// What the planner knows about a node within one program.
typedef struct Info {
  bool steady;           // depends on parameters and sizes only
  bool statistic, exact; // see precision.c: exact values keep their dtype in memory
  bool must;             // stored in any case (if anything uses it)
  bool want;             // stored if it fits into a kernel next to its operands
  bool pulled;           // a contraction's result that its epilogue replaces
  bool light;            // never stored, though convolutions read it: see light.c
  bool alias; // `whole`, its place, was decided first, and its operands were told where to go in it
  Place *whole, *inner; // inner: where the operand of an index map was told to go
  int nuse;
  Node **use;
  Place *place;        // NULL: derived where it is used
  Place *dest;         // where it has to go in the end, if anywhere
  Place **piece;       // CONCAT: where each operand was told to go, NULL if it was not
  Node *scatter;       // of a sum: the operand that adds to what the other left in place
  bool delayed;        // that operand: done where the sum is
  Inst *inst;          // that computes it; NULL for leaves and what is derived
  bool needed;         // read from memory by another instance, or an output
  int level;           // scratch of a lowering: see lower_row.c
  double flops, loads; // to derive one element
  int depth, deep;     // operations that follow each other to derive it; in the kernel it is in
  int kernels;         // instances that derive it
  int stamp[2];
} Info;

struct Prog {
  Planner *p;
  Arena *a;
  Graph *g;
  const char *name;
  BigsProgramKind kind;
  Output *outs;
  int nout;
  Prog *of;          // of one more way: the program that it does the work of
  const char *forms; // BigsProgram.forms
  uint8_t *reads;    // by input: 1 when it, or another way, reaches it
  bool prologue;     // steady work is done once
  Node **node;       // reached, operands first
  int nnode;
  Info **info; // by node id; NULL where not reached
  int ninfo;
  VEC(Buf) buf;
  VEC(Inst *) inst;
  VEC(Staged) staged;
  VEC(LoopPieces *) pieces;
  Place **outplace; // by output
  int stamp;
  // results
  VEC(BigsStep) step;
  VEC(BigsGemm) gemm;
  VEC(WorkTerm) work;
  VEC(BigsCost) conv;
  bool uncounted; // work that is no polynomial of few terms
  BigsProgram out;
};

typedef struct ParamPlace {
  bool decided, panels;
  bool pairs, quads; // it is stored as bf16, as int8: layout_pairs.c
  int nk, nn;
  int *kax, *nax;                                     // positions in the parameter's node axes
  int64_t kstep[BIGS_MAX_RANK], nstep[BIGS_MAX_RANK]; // by axis
  int64_t width, kstride, panel, nlo,
      shift; // shift: elements from the storage's start (stacked ones)
  int storage;
  int64_t bytes;
} ParamPlace;

struct Planner {
  Arena *a;
  Graph *g;
  PlanOptions o;
  VEC(Prog *) progs;
  ParamPlace *param; // by index in graph->params
  VEC(BigsStorage) storage;
  VEC(LKernel *) kernels;
  Map kernel_at;   // indices in `kernels` by hash
  VEC(Poly) polys; // distinct sizes, the first is zero
  Map poly_at;     // indices in `polys` by hash
  VEC(PlanError) errors;
  VEC(PlanRemark) remarks;
};

static inline Info *info_of(const Prog *g, const Node *n) {
  return g->info[n->id];
}

// ---- plan.c
void plan_error(Planner *p, Span at, const char *fmt, ...) PRINTF_LIKE(3, 4);
void plan_remark(Planner *p, bool fused, Span at, const char *fmt, ...) PRINTF_LIKE(4, 5);
BigsSize plan_size(Planner *p, Poly x); // index of the equal polynomial

// ---- facts.c: of nodes and axes
bool is_map(const Node *n); // computes an element from elements of its operands: pointwise, gather,
                            // index map
bool is_reduction(const Node *n);
bool is_one_hot(const Node *n);      // a scatter that sums nothing
bool is_outer(const Node *n);        // contraction over nothing: a pointwise product
double op_flops(const Node *n);      // rough, in vector instructions an element
DType computed_dtype(const Node *n); // bf16 is computed in f32
Node *view_base(Node *n);            // below RENAME SPLIT MERGE SLICE INDEX FLIP
// A conversion of bf16 to f32 that a product need not see.
bool widens_product(const Prog *g, const Node *n);
bool extent_is(const Axis *a, int64_t *v); // constant extent
bool is_feature(const Axis *a);            // not rows: constant in the text, too
Poly extents(Axis *const *ax, int n);      // their product
double size_estimate(Axis *const *ax,
                     int n); // elements, with 64 for every run-time dim: only to compare costs

// ---- deps.c: what a node reads
typedef struct Dep {
  Node *node;
  bool aligned; // read at the place of the reader's own element
} Dep;
typedef struct Deps {
  VEC(Dep) v;
} Deps;
void deps_of(Prog *g, Node *n, Deps *out);    // what is stored, or a leaf in memory, and n reads
void deps_below(Prog *g, Node *n, Deps *out); // the same with n itself when it is stored

// ---- canon.c: replaces the outputs' nodes by equal ones under names that make most renames
// nothing
void canon_names(Planner *p);
bool axis_is_kept(const Node *n, int i,
                  const Axis *a); // axis a of operand i is the result's axis of that name

// ---- materialise.c: which nodes are stored
void mat_reach(Prog *g);  // reached, uses, steady
void mat_mark(Prog *g);   // must, want, dest
bool mat_refine(Prog *g); // after a schedule: more to store; false when nothing changed
int outputs_of(const Prog *g, const Node *n); // how many of the program's outputs n is

// ---- windows.c: puts windows that products derive, too, where something reads them from memory
void windows_late(Prog *g);

// ---- precision.c: as what they are stored
void precision_mark(Prog *g);                     // after mat_reach
DType stored_dtype(const Prog *g, const Node *n); // of n's elements in a temporary
DType copied_dtype(Prog *g, Node *n);             // of one more copy of it
// A product's operand x that is a parameter as the product reads it: a view of a copy in bf16.  NULL: as it is.
Place *shadow_view(Prog *g, const Node *product, Node *x);
Place *shadow_param(Prog *g, const Node *product, Node *w); // the copy itself, of the parameter w
// Is n of f32 stored as bf16?  Then it has no other value, in its own kernel neither.
bool is_rounded(const Prog *g, const Node *n);

// ---- layout.c: where they are stored
void layout_params(Planner *p);
int param_elem_bytes(const ParamPlace *s,
                     const Node *w); // of the parameter with the node w, as it is stored
// What the operand calls w's axes, of which there are at most BIGS_MAX_RANK; false when it is no mere renaming of w.
bool param_names(const Node *operand, const Node *w, Axis **names);
// x, and what is stacked in it, becomes panels of pairs, or of quads; layout_storages then says anew where all storage objects lie.
void layout_as_pairs(Planner *p, const Param *x, bool quads, const int *kax, int nk, const int *nax,
                     int nn);
void layout_storages(Planner *p);
void layout_pairs(
    Planner *p); // layout_pairs.c: after the products' plans, before those of first values
int place_axis(const Place *pl, const Axis *a);    // -1
Poly place_stride(const Place *pl, const Axis *a); // 0 along an axis that it lacks
Place *place_dense(Prog *g, int buf, DType t, Axis *const *ax, int nax); // row-major in that order
Place *place_new(Prog *g, const Node *n, Axis *const *inner, int ninner,
                 bool kept); // a temporary; `inner` innermost
// The axes of n that lie innermost where its number `vec` is the innermost of all: that one, and before it those which the
// products that read n sum over together with it, in their order, so that they are one index and no copy is made.  How many.
int place_innermost(const Prog *g, const Node *n, int vec, Axis **out);
// The same with elements of dtype t.
Place *place_new_of(Prog *g, const Node *n, DType t, Axis *const *inner, int ninner, bool kept);
Place *place_view(Prog *g,
                  Node *n); // through index maps (and casts that widen a product's operand) down to
                            // something stored; NULL when it is no view
Place *place_through(Prog *g, const Node *map,
                     const Place *dest); // where map's operand goes if map goes to dest; NULL
Place *place_piece(Prog *g, const Node *concat, int i, const Place *whole);
Place *place_param(Prog *g, const Param *p, bool grad);
int buf_add(Prog *g, BigsWhere where, DType t, Poly size, const char *name);
int table_buffer(Prog *g, const Node *table); // its values in memory
Axis *vector_axis(Prog *g, Node *n, const Place *dest);

// ---- fuse.c: which nodes share a kernel
void fuse_schedule(Prog *g);
void fuse_needed(Prog *g);
Inst *inst_new(Prog *g, InstKind kind, Node *root);
// An instance that writes n's value, derived or loaded, to dest.
void fuse_copy(Prog *g, Node *n, Place *dest, bool prologue);
void fuse_shadow(Prog *g, Node *n, Place *dest, bool prologue); // without a remark
// Computes n anew: in one of the last `back` instances, if it suits one, else in its own.  From
// here on n is there.
void fuse_again(Prog *g, Node *n, const Deps *d, int back);

// ---- recompute.c: an operand of `reader` that is better derived again than kept since the forward
// pass
void recompute_operand(Prog *g, Node *operand, const Node *reader);

// ---- light.c: what convolutions derive as they load it
// Lets what convolutions read be stored, but for what is light.
void light_mark(Prog *g);
// u, a view of something light, as what that is made of lies in memory, and in *of what is light; NULL: it is none, or does
// not lie so.
Place *light_view(Prog *g, Node *u, Node **of);
// An element of n (NULL: none) as an expression of L_ACC, that of what it is made of.
LExpr *light_value(Lower *c, Node *n);

// ---- lower.c: scalar lowering
typedef struct Coord {
  Axis *ax;
  LExpr *at;
} Coord;
enum { COORDS_MAX = 96 };
typedef struct Coords { // also of axes that index maps below gave names to
  int n;
  Coord v[COORDS_MAX];
} Coords;
typedef struct LowerVal {
  LExpr *e;
  int depth; // scopes that it needs: 0 is the task
  int cost;  // 0: no need for a register
} LowerVal;
typedef struct Memo Memo;
struct LowerArg { // a buffer, from an element on
  int buf;
  Poly base;
};
struct Lower {
  Prog *g;
  Inst *inst;
  Arena *a;
  LKernel *k;
  VEC(LBody *) scope; // bodies being filled, outermost first
  VEC(int) var_depth;
  VEC(Poly) var_range; // values are in [0, range); n == 0: unknown
  VEC(int) reg_depth;
  Map memo; // values so far, a list by node; dropped as scopes close
  VEC(struct LowerArg) arg;
  VEC(BigsScalar) scalar;
  Map ints;               // interned integer expressions, by hash: equal ones are one pointer
  const Node *acc;        // the contraction that L_ACC stands for
  const Node *own;        // derived even if it is stored elsewhere
  struct LoopLower *loop; // LOOP: the region that is being written
};
Lower *lower_new(Prog *g, Inst *inst, const char *name);
int lower_mem(Lower *c, int buf, Poly base,
              bool write); // the argument that is the buffer from element `base` on
int lower_var(Lower *c, Poly range, int depth);
int lower_grid(Lower *c, Poly extent, int64_t block);
void lower_push(Lower *c, LBody *b);
void lower_pop(Lower *c);
void lower_emit(Lower *c, LStmt *s);            // into the innermost scope
int lower_reg(Lower *c, DType t, LExpr *first); // declared in the innermost scope
LExpr *
lower_settled(Lower *c,
              LExpr *e); // e's value now: a constant, or of a register that nothing else writes
void lower_define(Lower *c, Node *n, const Coords *at, LExpr *e); // from here on n's value there
LExpr *lint(Lower *c, LExpr *e);      // the one equal expression; operands are interned
LExpr *lint_deep(Lower *c, LExpr *e); // the same for an expression from outside
LExpr *li(Lower *c, int64_t v);
LExpr *lpoly(Lower *c, Poly p);
LExpr *lvar(Lower *c, int var);
LExpr *liop(Lower *c, LOp op, LExpr *x, LExpr *y);
// Sum of at[i] * stride[i], plus base: quotients and remainders of one value join again.
LExpr *llinear(Lower *c, LExpr *const *at, const Poly *stride, int n, Poly base);
LExpr *ldiv_(Lower *c, LExpr *x, Poly by);
LExpr *lmod(Lower *c, LExpr *x, Poly by);
// Coordinates of `ax` (last fastest) from one flat index.
void lower_unflatten(Lower *c, LExpr *flat, Axis *const *ax, int n, Coords *out);
void coords_set(Coords *co, Axis *a, LExpr *at);
LExpr *coords_get(const Coords *co, const Axis *a);
LExpr *place_index(Lower *c, const Place *pl, const Coords *at);
LowerVal lower_value(Lower *c, Node *n, const Coords *at);
int lower_depth(const Lower *c, const LExpr *e); // scopes that it needs
// A value of a loop's region that is in scratch or stands for one outside.
bool lower_loop_value(Lower *c, Node *n, const Coords *at, LowerVal *v);
// e, n's value, as it is stored, where that is rounded.
LExpr *lower_rounded(Lower *c, const Node *n, LExpr *e);
// The pointwise op n of its operands' values x.
LExpr *lower_operation(Lower *c, Node *n, LExpr *const x[3]);
// what is stored for it; of a COLUMN the summand
LExpr *lower_member(Lower *c, const Member *m, const Coords *at);
LExpr *lower_load(Lower *c, const Place *pl, const Coords *at);
void lower_store(Lower *c, const Place *pl, const Coords *at, LExpr *value, bool add);
void lower_finish(Lower *c, Poly flops); // verifies, shares the kernel, adds the step
int lower_scalar(Lower *c, uint8_t kind, uint64_t value, Poly poly);

// ---- work.c: the account of a program's work, where there is something to choose
static inline bool is_counted(const Prog *g) {
  return g->forms || g->p->o.costs;
}
void work_kernel(Prog *g, const Lower *c,
                 const Poly *bytes); // a step of it, and what that reads and writes
void work_conv(Prog *g, const Node *n, Poly all, Poly kernels,
               const Poly *bytes); // elements of its operand and of its kernels
void work_scatter(Prog *g, Poly rows, Poly width, const Poly *bytes);
const BigsCost *work_table(Prog *g, int32_t *n);

// ---- lower_*.c: one step an instance
void lower_rows(Prog *g, Inst *inst);
bool lower_is_columns(
    Prog *g,
    const Inst *inst); // of ROWS: is it nothing but sums of columns that can be in registers?
void lower_columns(Prog *g, Inst *inst);
void lower_tile(Prog *g, Inst *inst);
void lower_transpose(Prog *g, Inst *inst);
void lower_behind(Prog *g, Inst *inst);
void lower_lags(Prog *g, Inst *inst);
// n's value in the epilogue of its tile.  A zero of the matrix times what is not finite is no number, though n does not
// depend on it: such a sum is taken once more, of what it depends on.
void lower_toeplitz_sum(Lower *c, Node *n, const Coords *at);
void lower_total(Prog *g, Inst *inst);
void lower_finish_slots(Prog *g, Inst *inst);
void lower_loops(Prog *g, Inst *inst);
void lower_builtin(Prog *g, Inst *inst);
void lower_scatter(Prog *g, Inst *inst);
void lower_attention(Prog *g, Inst *inst);
void lower_loop(Prog *g, Inst *inst);
void lower_attention_bias(Lower *c, Node *n, const Place *dst);
// traffic.c: bytes that a step of the kernel reads and writes, and one of library code with these arguments
Poly plan_traffic(const Lower *c);
Poly plan_traffic_of(const Prog *g, const int32_t *arg, int n);
BigsWork inst_work(const Inst *inst);
const char *inst_label(Prog *g, const Inst *inst);
const char *inst_module(const Inst *inst);        // see BigsStep.module
const char *node_source(Arena *a, const Node *n); // "bert.mdl:28", or NULL
const char *inst_source(Prog *g, const Inst *inst);

// Decides how to compute a contraction as register tiles and adds its instance (after those that
// stage operands); NULL when no tile fits, with nothing added.
Inst *contract_plan(Prog *g, Node *n);
// The same for convolutions and scatters: as library code, or loops where the shapes do not suit
// it.
Inst *builtin_plan(Prog *g, Node *n);
// Can lower_scatter do it?  Then how many ids it sorts, and among how many rows.
bool scatter_counts(const Node *n, Poly *ids, Poly *rows);
// A loop: starts an instance, or finds the one of the loop's other values.
Inst *loop_plan(Prog *g, Node *n);
// loop_pieces.c: which loops are taken in pieces; after mat_reach.
void loop_pieces_mark(Prog *g);
LoopPieces *loop_pieces_of(const Prog *g, const Node *n); // of the loop that n is a value of; NULL
// That whose states the loop of n goes back through; NULL
const LoopPieces *loop_pieces_behind(const Prog *g, const Node *n);
bool loop_is_replayed(const Prog *g,
                      const Node *n); // a loop's states that are not stored for all steps
// Attention and its gradients: starts an instance, or finds the one of the other results of the
// same attention.  NULL with an error recorded when no kernel does it.
Inst *attention_plan(Prog *g, Node *n);
// Its axis of queries; NULL: none.
Axis *attention_rows(const Node *n);
// Is it one statement of the loop IR, which writes its results once?
bool attention_is_statement(const Prog *g, const Node *n);
// reach.c: rows see no keys but those of places [row - behind, row + ahead], and no more than `keys` of them, as far as these
// bound anything.
typedef struct Reach {
  int64_t behind, ahead, keys;
} Reach;
Reach mask_reach(const Node *mask, const Axis *row, const Axis *key);
bool reach_is_bound(int64_t places);
// sight.c: may a row of the block see a key of it?  A condition, of statements in the innermost scope; `at` has the axes of
// the weights but rows and keys.
LExpr *mask_may_see(Lower *c, Node *mask, const Coords *at, Axis *row, Axis *key,
                    const PairBlock *block);
// Is it made of places and conditions on rows and keys, cheaply enough to be derived in the kernel?
bool mask_is_bounded(const Node *mask, const Axis *row, const Axis *key);
// Is its mask so cheap to derive from rows and keys that it is not stored?
bool mask_is_derived(const Prog *g, const Node *attention);
// n as a view in which `inner` has stride 1 and the other axes any strides; copied when it is not
// stored that way.
Place *staged_rows(Prog *g, Node *n, Axis *const *order, int norder, int ninner);
// The same, of elements of dtype t.
Place *staged_rows_of(Prog *g, Node *n, DType t, Axis *const *order, int norder, int ninner);

// ---- memplan.c, module.c
void memplan(Prog *g);
void module_fill(Planner *p, BigsModule *m);
void input_limits(const Planner *p, BigsTensor *input); // limits.c: fills BigsTensor.limit
void program_limits(Planner *p, const Prog *g, BigsProgram *out);
bool may_be_empty(const Graph *g, const Axis *a); // for some sizes
// Are n's values computed, so that nobody has checked them as places on an axis?
bool index_is_computed(const Node *n);
// What is wrong where *room is negative: n is a count or a position that i32 has to hold, and cannot.
// NULL: n is neither.
const char *i32_room(Arena *a, const Node *n, Poly *room);
void program_rooms(Planner *p, const Prog *g,
                   BigsProgram *out); // what sizes must leave for indices and slices
#endif
