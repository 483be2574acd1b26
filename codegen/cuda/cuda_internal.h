// Inside of the CUDA backend: the state of one kernel's printing, shared by the cuda_*.c files.
//
// All 32 lanes of a warp run everything alike but vector loops, whose iterations they share out.
// What a lane reads after another one wrote it lies behind a __syncwarp(), and so does what a lane
// writes after others read it: `synced` says that nothing was printed since the last one.
#ifndef BIGSC_CUDA_INTERNAL_H
#define BIGSC_CUDA_INTERNAL_H
#include "codegen/cuda/cuda.h"
#include "base/map.h"

typedef struct CudaCx CudaCx;
// How the threads of a block sum up a product, and leave the sums in bg_shared, rows `row` floats apart.
typedef struct CudaMicro {
  bool (*suits)(const LKernel *k, const LTile *t);
  void (*put)(CudaCx *c);
  int rows, columns, row; // of a tile, at most
  int shared;             // bytes
  int blocks;             // that a multiprocessor has room for, by their registers
  int copiers; // threads of a block behind its CUDA_BLOCK, which copy by maps of the operands; 0: there are no maps
} CudaMicro;

// An operand's map, and the grid's dimensions whose variables are the number of a task's rows, in blocks, and of its plane, or -1.
typedef struct CudaMap {
  BigsMap map;
  int row, plane;
} CudaMap;
enum { CUDA_MAPS = 2 }; // of a product

// Elements of a memory, in registers of each lane: see cuda_wide.c.
typedef struct CudaArray {
  int mem, number;
  const LExpr *first; // index of the loop's first element
  bool kept, old;     // it is the row's; from an earlier pass
} CudaArray;
typedef VEC(CudaArray) CudaArrays;
typedef struct CudaRow { // that a body passes over several times
  int64_t count, cost;   // its elements; what an element costs in all passes
  int elements, passes;  // elements of a lane
  CudaArrays kept;       // number 0: not yet
} CudaRow;
typedef struct CudaWide { // a vector loop
  const LStmt *loop;
  int64_t count;       // of its elements; -1: not known
  bool small;          // an int holds it
  int group, elements; // neighbours; a lane's elements in a step
  bool row;            // a step takes all
  bool partly;         // a step may take less than all lanes' elements
  bool gathers;        // loads what lies apart
  bool reduces;
  bool *apart; // memories that are so loaded
  CudaArrays take, give;
} CudaWide;

struct CudaCx {
  FILE *f;
  Arena *arena;
  const LKernel *k;
  int depth;              // of indentation
  bool block;             // tasks are blocks', not warps'
  const LTile *tile;      // what a block does, NULL: something else
  const CudaMicro *micro; // how
  int ncolumn;            // sums of columns in its epilogue so far
  int crew;               // threads that do a task: a warp's 32, or a block's
  CudaWide *wide;         // the loop whose elements are being printed, if it has arrays
  CudaRow *row;           // of the body that is being printed, if it has one
  int lane_var;           // the lanes' variable; -1 outside of vector loops
  bool *partial;          // registers that lanes reduce into
  bool *used;             // grid variables and memories that the body names: by variable, by memory
  bool *used_mem, lanes;  // does it name `lane`?
  bool synced;
  int nnamed;        // values that got a name so far
  Map counts, names; // of the current statement: uses of a node; its name's number, 0: none
};

// cuda_expr.c
// Prints: % followed by d, s as in printf, @ for an expression as an operand of another, $ for one
// alone.
void cuda_put(CudaCx *c, const char *format, ...);
void cuda_line(CudaCx *c, const char *format, ...); // cuda_put on a line of its own
// Begins a statement that evaluates these: what is used more than once gets a name before it.
void cuda_begin(CudaCx *c, const LExpr *const *roots, int n);
void cuda_expr(CudaCx *c, const LExpr *x, bool operand);
void cuda_poly(CudaCx *c, const Poly *p, bool operand);
const char *cuda_type(DType t);   // as a value: bf16 as the float of equal value
const char *cuda_memory(DType t); // as an element of memory
const char *cuda_mem(CudaCx *c, int mem);

// cuda_scalar.c
// A pattern of operands A, B, C for an op of base/scalar.def, its first operand of dtype `from`, to t.
const char *cuda_scalar(LOp op, DType t, DType from);
const char *cuda_cast(DType from, DType to);

// cuda_tables.c: prints the module's tables; the name of the array that is the BigsModule.  It refers
// to bg_kernels.
const char *cuda_tables(FILE *f, Arena *a, const BigsModule *m);

// cuda_form.c
int cuda_crew(const LKernel *k);          // threads that do a task together: 32, 256 or 512
int64_t cuda_exact_count(const LStmt *s); // a loop's elements; -1: not known

// cuda_wide.c
bool cuda_put_vector(CudaCx *c, const LStmt *s); // false: nothing is printed, as it is not one
const CudaArray *cuda_array(CudaCx *c,
                            const LExpr *x); // where the element that x loads lies; NULL: in memory
int cuda_given(CudaCx *c, const LStmt *s);   // the number of the array that it stores to
CudaRow *cuda_row(CudaCx *c, const LBody *b);
void cuda_forget(CudaCx *c, const LStmt *s); // what was kept, where the statement stores

// cuda_kernel.c
char *cuda_text_of(CudaCx *c, const LBody *b); // its statements' text; the caller frees it

// cuda_stmt.c
void cuda_body(CudaCx *c, const LBody *b);
bool cuda_declares(const LBody *b, int reg); // does it, inside?
bool cuda_is_long(const LTile *t);           // are its sums added up in float64?

// cuda_tile.c
// What a block does in each task, and how; NULL: warps do it.
const LTile *cuda_block_tile(const LKernel *k, const CudaMicro **micro);
void cuda_put_block_tile(CudaCx *c);
void cuda_put_column(CudaCx *c, const LStmt *s); // a COLSUM in its epilogue
// Calls a template of the prelude, whose last arguments are the operands' ways: a and b along k or not.
// `maps` are arguments that come before the operands.
void cuda_put_sums(CudaCx *c, const char *function, const char *maps);
// Prints what turns the elements of a product's operands into others; the arguments behind the others, or nothing.
const char *cuda_put_firsts(CudaCx *c, const LProduct *p);
bool cuda_plain_suits(const LKernel *k, const LTile *t);
void cuda_put_plain(CudaCx *c);
bool cuda_wide_suits(const LKernel *k, const LTile *t);
void cuda_put_wide(CudaCx *c);

// cuda_micro_mma.c: tensor cores, by mma.sync
// Bytes that its stages take, or the sums.
#define CUDA_MMA_SHARED(rows, columns)                                                             \
  (4 * 32 * 2 * ((rows) + (columns)) > 4 * (rows) * ((columns) + 8)                                \
       ? 4 * 32 * 2 * ((rows) + (columns))                                                         \
       : 4 * (rows) * ((columns) + 8))
bool cuda_mma_suits(const LKernel *k, const LTile *t);
void cuda_put_mma(CudaCx *c);

// cuda_attention.c
const LStmt *cuda_attention(
    const LKernel *k); // what a block does in each task; NULL: the kernel does something else
BigsLaunch cuda_attention_form(const LKernel *k);
void cuda_put_attention(CudaCx *c, const LStmt *s);

// cuda_micro_wgmma.c: the same by wgmma, where the GPU has it.  Bytes of its stages.
enum { CUDA_WGMMA_SHARED = 3 * 64 * 2 * (128 + 128) };
typedef enum CudaWay { // of products of bf16, in the order of cuda_costs.def
#define COST(name, tflops) CUDA_BY_##name,
#include "codegen/cuda/cuda_costs.def"
#undef COST
  CUDA_WAYS
} CudaWay;
bool cuda_way_is(CudaWay way); // is it the one that is taken where the sizes are large?
bool cuda_wgmma_suits(const LKernel *k, const LTile *t);
void cuda_put_wgmma(CudaCx *c);

// cuda_micro_tma.c: the same from copies of boxes, where the host can make maps of the operands.  Its stages and their barriers.
enum { CUDA_TMA_SHARED = CUDA_WGMMA_SHARED + 2 * 3 * 8 };
bool cuda_tma_suits(const LKernel *k, const LTile *t);
void cuda_put_tma(CudaCx *c);
// cuda_maps.c: of a and b; false: they have none.
bool cuda_maps(const LKernel *k, const LTile *t, CudaMap map[CUDA_MAPS]);
#endif
