// A kernel as an LLVM function; units of kernels, their passes and machines.
#include "codegen/llvm/llvm.h"
#include "codegen/llvm/llvm_internal.h"
#include <llvm-c/Analysis.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <llvm/Config/llvm-config.h>
#include <string.h>

// ---- machines

LLVMTargetMachineRef llvm_machine(const Target *t, bool jit) {
  static const LLVMCodeGenOptLevel level[4] = {LLVMCodeGenLevelNone, LLVMCodeGenLevelLess,
                                               LLVMCodeGenLevelDefault, LLVMCodeGenLevelDefault};
  LLVMTargetRef target;
  char *error = NULL;
  if (LLVMGetTargetFromTriple(t->triple, &target, &error))
    BUG("LLVM: %s", error);
  return LLVMCreateTargetMachine(target, t->triple, t->cpu, "", level[t->opt], LLVMRelocPIC,
                                 jit ? LLVMCodeModelJITDefault : LLVMCodeModelDefault);
}

// ---- units

LlvmUnit *llvm_unit(Arena *a, const Target *t, LLVMContextRef cx, LLVMTargetMachineRef machine,
                    const char *name) {
  LlvmUnit *u = NEW(a, LlvmUnit);
  u->arena = a;
  u->target = t;
  u->cx = cx;
  u->module = LLVMModuleCreateWithNameInContext(name, cx);
  u->b = LLVMCreateBuilderInContext(cx);
  u->vm = (VecMath){
      .cx = cx, .module = u->module, .b = u->b, .has_fma = t->has_fma, .has_scalef = t->has_scalef};
  LLVMSetTarget(u->module, t->triple);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
  LLVMSetModuleDataLayout(u->module, layout);
  LLVMDisposeTargetData(layout);
  u->f32 = LLVMFloatTypeInContext(cx);
  u->f64 = LLVMDoubleTypeInContext(cx);
  u->i1 = LLVMInt1TypeInContext(cx);
  u->i8 = LLVMInt8TypeInContext(cx);
  u->i16 = LLVMInt16TypeInContext(cx);
  u->i32 = LLVMInt32TypeInContext(cx);
  u->i64 = LLVMInt64TypeInContext(cx);
  u->ptr = LLVMPointerTypeInContext(cx, 0);
  u->none = LLVMVoidTypeInContext(cx);
  return u;
}

// Named alone in a pipeline, the pass of LLVM 18 and later ends the process when one round leaves
// something to combine.
#if LLVM_VERSION_MAJOR >= 18
#define COMBINE "instcombine<no-verify-fixpoint>"
#else
#define COMBINE "instcombine"
#endif

// mem2reg and a common-subexpression pass do nearly all that generated kernels need: integers are
// hoisted as they are emitted, and vectors are explicit.  Kernels that differ in a register only are equal by then: one is left.
static const char *passes(int opt) {
  static const char *const list[4] = {
      "function(mem2reg)",
      "function(mem2reg,early-cse,dce),mergefunc",
      "function(mem2reg,early-cse,dce),mergefunc",
      "function(mem2reg,early-cse," COMBINE ",loop-mssa(licm),early-cse,dce),mergefunc",
  };
  return list[opt];
}

LLVMModuleRef llvm_finish(LlvmUnit *u, LLVMTargetMachineRef machine) {
  char *message = NULL;
  if (LLVMVerifyModule(u->module, LLVMReturnStatusAction, &message))
    BUG("LLVM module: %s", message);
  LLVMDisposeMessage(message);
  LLVMPassBuilderOptionsRef o = LLVMCreatePassBuilderOptions();
  LLVMErrorRef error = LLVMRunPasses(u->module, passes(u->target->opt), machine, o);
  if (error)
    BUG("LLVM passes: %s", LLVMGetErrorMessage(error));
  LLVMDisposePassBuilderOptions(o);
  LLVMDisposeBuilder(u->b);
  return u->module;
}

LLVMModuleRef llvm_unit_module(LlvmUnit *u) {
  return u->module;
}

static void attribute(LlvmUnit *u, Val fn, const char *key, const char *value) {
  LLVMAttributeRef a =
      LLVMCreateStringAttribute(u->cx, key, (unsigned)strlen(key), value, (unsigned)strlen(value));
  LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex, a);
}

static void enum_attribute(LlvmUnit *u, Val fn, const char *name, uint64_t value) {
  unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
  LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex,
                          LLVMCreateEnumAttribute(u->cx, kind, value));
}

void emit_attributes(LlvmUnit *u, Val fn) {
  enum { VSCALE_MOST = 16 };
  attribute(u, fn, "target-cpu", u->target->cpu);
  attribute(u, fn, "tune-cpu", u->target->tune);
  if (u->target->extra)
    attribute(u, fn, "target-features", u->target->extra);
  attribute(u, fn, "no-builtins", "");
  if (u->target->vector_floats == 16) {
    attribute(u, fn, "prefer-vector-width", "512");
    attribute(u, fn, "min-legal-vector-width", "512");
  }
  if (u->target->vscale)
    enum_attribute(u, fn, "vscale_range", (uint64_t)u->target->vscale << 32 | VSCALE_MOST);
  enum_attribute(u, fn, "nounwind", 0);
}

Val emit_function(LlvmUnit *u, const char *name, LLVMTypeRef type) {
  Val fn = LLVMAddFunction(u->module, name, type);
  LLVMSetLinkage(fn, LLVMInternalLinkage);
  emit_attributes(u, fn);
  return fn;
}

// ---- kernels

static Val load_pointer(Emit *e, Val base, int slot) {
  Val p = LLVMBuildGEP2(e->b, e->u->ptr, base, (Val[]){iconst(e, slot)}, 1, "");
  return LLVMBuildLoad2(e->b, e->u->ptr, p, "");
}

static void load_frame(Emit *e) {
  Val args = load_pointer(e, e->frame, 0);
  e->syms = load_pointer(e, e->frame, 1);
  e->scalars = load_pointer(e, e->frame, 2);
  for (int i = 0; i < e->k->nargs; i++)
    e->mem[i] = load_pointer(e, args, i);
}

// Polynomials go to the entry block; emit_poly then returns to the end of the current one, which
// here is not its place.
static Val entry_poly(Emit *e, const Poly *p) {
  Val v = emit_poly(e, p);
  LLVMPositionBuilderBefore(e->b, e->anchor[1]);
  return v;
}

// Scratch memories one after the other, each on a line of its own: see loop_scratch_bytes.
static void place_scratch(Emit *e, Val scratch) {
  Val offset = iconst(e, 0);
  for (int i = e->k->nargs; i < e->k->mem.n; i++) {
    const LMem *m = &e->k->mem.v[i];
    e->mem[i] = LLVMBuildGEP2(e->b, e->u->i8, scratch, &offset, 1, m->name ? m->name : "");
    Val bytes = LLVMBuildMul(e->b, entry_poly(e, &m->size), iconst(e, dtype_size(m->dtype)), "");
    bytes = LLVMBuildAnd(e->b, LLVMBuildAdd(e->b, bytes, iconst(e, 63), ""), iconst(e, -64), "");
    offset = LLVMBuildAdd(e->b, offset, bytes, "");
  }
  e->workspace = LLVMBuildGEP2(e->b, e->u->i8, scratch, &offset, 1, "workspace");
}

// Task number to grid variables, the last dimension fastest.
static void place_task(Emit *e, Val task) {
  for (int i = e->k->ngrid - 1; i >= 0; i--) {
    const LGrid *g = &e->k->grid[i];
    Poly up = poly_add(g->extent, poly_const(g->block - 1));
    Val count = entry_poly(e, &up);
    count = LLVMBuildUDiv(e->b, count, iconst(e, g->block), "");
    e->var[g->var] = i ? LLVMBuildURem(e->b, task, count, "") : task;
    e->var_level[g->var] = 0;
    e->var_multiple[g->var] = 1;
    if (i)
      task = LLVMBuildUDiv(e->b, task, count, "");
  }
}

static Emit emission(LlvmUnit *u, Arena *scratch, const LKernel *k, Val fn) {
  Emit e = {.u = u,
            .arena = scratch,
            .b = u->b,
            .k = k,
            .fn = fn,
            .frame = LLVMGetParam(fn, 0),
            .level = 1};
  e.mem = NEWN(scratch, Val, k->mem.n + 1);
  e.var = NEWN(scratch, Val, k->nvars + 1);
  e.var_level = NEWN(scratch, int, k->nvars + 1);
  e.var_multiple = NEWN(scratch, int64_t, k->nvars + 1);
  e.reg = NEWN(scratch, EmitReg, k->nregs + 1);
  e.ints.arena = e.int_levels.arena = e.data.arena = scratch;
  return e;
}

LLVMValueRef llvm_kernel(LlvmUnit *u, const LKernel *k, const char *symbol, bool exported) {
  LLVMTypeRef params[3] = {u->ptr, u->i64, u->ptr};
  Val fn = LLVMAddFunction(u->module, symbol, LLVMFunctionType(u->none, params, 3, false));
  LLVMSetLinkage(fn, exported ? LLVMExternalLinkage : LLVMInternalLinkage);
  LLVMSetUnnamedAddress(fn, LLVMGlobalUnnamedAddr);
  emit_attributes(u, fn);
  Arena *scratch = arena_new();
  Emit e = emission(u, scratch, k, fn);
  LLVMBasicBlockRef entry = LLVMAppendBasicBlockInContext(u->cx, fn, "entry"),
                    body = new_block(&e, "body");
  LLVMPositionBuilderAtEnd(u->b, entry);
  e.anchor[0] = e.anchor[1] = LLVMBuildBr(u->b, body);
  LLVMPositionBuilderBefore(u->b, e.anchor[1]);
  load_frame(&e);
  place_scratch(&e, LLVMGetParam(fn, 2));
  place_task(&e, LLVMGetParam(fn, 1));
  LLVMPositionBuilderAtEnd(u->b, body);
  emit_body(&e, &k->body);
  LLVMBuildRetVoid(u->b);
  arena_free(scratch);
  return fn;
}
