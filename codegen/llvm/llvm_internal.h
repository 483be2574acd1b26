// Inside of the LLVM backend: the state of one kernel's emission, shared by the llvm_*.c files.
//
// Integers are hoisted as they are emitted: each is placed before the loops that it does not depend
// on, so no pass has to find that out.  Level 0 is the entry block (grid variables, sizes,
// scalars), level 1 the body outside of loops, and each loop adds one; what depends on nothing
// above level l goes before the loop of level l + 1.  Registers are stack slots that mem2reg
// removes.
#ifndef BIGSC_LLVM_INTERNAL_H
#define BIGSC_LLVM_INTERNAL_H
#include "codegen/llvm/llvm.h"
#include "codegen/loop/loop_lanes.h"
#include "codegen/llvm/vecmath.h"

enum { LEVELS_MAX = 40 };
typedef LLVMValueRef Val;

typedef struct EmitReg {
  Val slot; // scalar, or a vector of lanes when it varies
  LLVMTypeRef type;
  Val partial; // lane partials while a vector loop reduces into it
  LLVMTypeRef partial_type;
} EmitReg;

// The lanes that a body is being emitted for: values base, base + 1, ... of the lane variable.
typedef struct LaneCx {
  Lanes lanes;
  int width;
  int64_t base_multiple; // a known divisor of base
  Val mask;              // valid lanes; NULL: all
  Val acc;               // finished sums of a tile's row
} LaneCx;

typedef struct EmitPoly {
  Poly poly;
  Val value;
} EmitPoly;

typedef struct MicroKey MicroKey;
typedef struct Micro Micro;

// What the kernels of one LLVM module share.
struct LlvmUnit {
  Arena *arena;
  const Target *target;
  LLVMContextRef cx;
  LLVMModuleRef module;
  LLVMBuilderRef b;
  VecMath vm;
  LLVMTypeRef f32, f64, i1, i8, i16, i32, i64, ptr, none;
  Micro *micros; // the tile loops emitted so far
};

typedef struct Emit {
  LlvmUnit *u;
  Arena *arena; // of this kernel
  LLVMBuilderRef b;
  const LKernel *k;
  Val fn, frame;
  Val *mem; // base pointers
  Val *var; // current values; of a lane variable: that of lane 0
  int *var_level;
  int64_t *var_multiple; // a known divisor of each variable's value
  EmitReg *reg;
  int level;
  // [l]: the instruction before which values of level l - 1 go; [1]: the entry's terminator
  Val anchor[LEVELS_MAX];
  LaneCx *lane;               // NULL outside of vector loops
  Map ints, int_levels, data; // values of expressions within the current statement
  VEC(EmitPoly) polys;
  Val workspace; // scratch behind the kernel's own, of the largest loop_tile_workspace
  Val scalars;   // pointer to the frame's scalars, syms: to its symbols
  Val syms;
} Emit;

// llvm.c
void emit_attributes(LlvmUnit *u, Val fn);
Val emit_function(LlvmUnit *u, const char *name,
                  LLVMTypeRef type); // that kernels share, without a body yet

// llvm_int.c
Val emit_int(Emit *e, const LExpr *x);       // i64; varying ones: of lane 0
Val emit_int_lanes(Emit *e, const LExpr *x); // <width x i64>
Val emit_poly(Emit *e, const Poly *p);
bool emit_const(Val v, int64_t *n); // is it a constant integer?
// constant difference between lanes
bool lane_stride(const Emit *e, const LExpr *x, int64_t *stride);
// a known divisor of x (of lane 0); 0 when x is 0
int64_t emit_multiple(const Emit *e, const LExpr *x);
void emit_forget(Emit *e); // at each statement: memory and registers may have changed
Val iconst(const Emit *e, int64_t v);
Val imin(Emit *e, Val x, Val y);
Val emit_scalar_slot(Emit *e, int64_t slot); // i64

typedef struct LoopCx {
  LLVMBasicBlockRef pre, body, exit; // exit NULL: straight-line code
  Val i, hi, step;
} LoopCx;
// for (i = lo; i < hi; i += step).  In between, *i is the variable.  Values known to be constant
// make it straight-line or skip the test before the first iteration; false: there is none, and
// nothing was begun.
bool loop_begin(Emit *e, LoopCx *c, Val lo, Val hi, int64_t step);
void loop_end(Emit *e, LoopCx *c);
void emit_set_var(Emit *e, int var, Val value, int64_t multiple);
LLVMBasicBlockRef new_block(const Emit *e, const char *name);
Val entry_alloca(Emit *e, LLVMTypeRef t, unsigned align); // align 0: natural
Val call_intrinsic(LlvmUnit *u, const char *name, LLVMTypeRef *types, int ntypes, Val *args,
                   int nargs);

// llvm_expr.c
Val emit_data(Emit *e, const LExpr *x);  // a vector of lanes when it varies, else a scalar
Val emit_lanes(Emit *e, const LExpr *x); // a vector in any case (inside of lanes)
Val emit_splat(LlvmUnit *u, Val scalar, int width);
Val emit_add(Emit *e, DType t, const LExpr *x, Val acc); // x + acc, fused when x is a product
Val emit_reduce(Emit *e, LReduce op, DType t, Val x, Val y);
LLVMTypeRef wide(LLVMTypeRef scalar, int width);
int width_of(Val v); // 0: scalar
LLVMTypeRef same_width(LLVMTypeRef scalar, Val like);
Val uconst(LlvmUnit *u, Val like, uint32_t n); // i32, as wide as `like`

// llvm_scalar.c
// An op of base/scalar.def, its operands of one width, the first of dtype `from`, to dtype t.
Val emit_scalar(LlvmUnit *u, LOp op, DType t, DType from, const Val x[3]);
Val emit_bf16_round(LlvmUnit *u, Val x);           // to a float that bf16 holds
LLVMTypeRef data_type(const LlvmUnit *u, DType t); // as a value: bool i1, bf16 float

// llvm_mem.c
Val emit_load(Emit *e, int mem, const LExpr *index);
void emit_store(Emit *e, const LStmt *s);
Val elem_ptr(Emit *e, LLVMTypeRef t, Val base, Val index);

// llvm_stmt.c
void emit_body(Emit *e, const LBody *b);
// Lane partials of the registers that `body` reduces into from outside; widths may differ between
// phases of one loop.
void partials_begin(Emit *e, const LBody *body, int width);
void partials_end(Emit *e, const LBody *body);
Val lane_mask(Emit *e, Val base, Val hi, int width); // lanes l with base + l < hi

// llvm_tile.c, llvm_micro.c, llvm_transpose.c, llvm_pairs.c, llvm_quads.c
void emit_tile(Emit *e, const LTile *t);
void emit_transpose(Emit *e, const LStmt *s);
void emit_square(Emit *e, Val *v, int n); // transposes n vectors of n 32-bit lanes
void emit_pairs(Emit *e, const LStmt *s);
void emit_quads(Emit *e, const LStmt *s);
#endif
