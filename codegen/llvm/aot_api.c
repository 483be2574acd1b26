// The exported functions of a compiled model: thin wrappers around the runtime, which gets the
// tables and arrays of arguments.
//
// They are compiled for the baseline of the architecture: NAME_open must run, and refuse, on a CPU
// that lacks what the kernels need.
#include "codegen/llvm/aot_internal.h"
#include <string.h>

typedef LLVMValueRef ApiVal;
enum { PARAMS_MAX = MAX_SYMS + 64 };

typedef struct Api {
  LLVMModuleRef module;
  LLVMContextRef cx;
  LLVMBuilderRef b;
  LLVMTypeRef i32, i64, ptr, none;
  Arena *arena;
  const BigsModule *m;
  const char *prefix; // with the mark
  ApiVal tables, fn;
} Api;

// Begins the exported function prefix_name.
static void begin(Api *x, LLVMTypeRef result, LLVMTypeRef *params, int n, const char *name) {
  LLVMTypeRef type = LLVMFunctionType(result, params, (unsigned)n, false);
  x->fn = LLVMAddFunction(x->module, arena_printf(x->arena, "%s_%s", x->prefix, name), type);
  unsigned nounwind = LLVMGetEnumAttributeKindForName("nounwind", 8);
  LLVMAddAttributeAtIndex(x->fn, LLVMAttributeFunctionIndex,
                          LLVMCreateEnumAttribute(x->cx, nounwind, 0));
  if (!strncmp(LLVMGetTarget(x->module), "x86_64", 6)) {
    LLVMAttributeRef cpu = LLVMCreateStringAttribute(x->cx, "target-cpu", 10, "x86-64", 6);
    LLVMAddAttributeAtIndex(x->fn, LLVMAttributeFunctionIndex, cpu);
  }
  LLVMPositionBuilderAtEnd(x->b, LLVMAppendBasicBlockInContext(x->cx, x->fn, "entry"));
}

static ApiVal call(Api *x, LLVMTypeRef result, const char *name, ApiVal *args, int n) {
  LLVMTypeRef params[8];
  CHECK(n <= COUNT(params));
  for (int i = 0; i < n; i++)
    params[i] = LLVMTypeOf(args[i]);
  LLVMTypeRef type = LLVMFunctionType(result, params, (unsigned)n, false);
  ApiVal f = LLVMGetNamedFunction(x->module, name);
  if (!f)
    f = LLVMAddFunction(x->module, name, type);
  return LLVMBuildCall2(x->b, type, f, args, (unsigned)n, "");
}

static ApiVal param(const Api *x, int i) {
  return LLVMGetParam(x->fn, (unsigned)i);
}

static void put(Api *x, LLVMTypeRef t, ApiVal array, int at, ApiVal v) {
  ApiVal i = LLVMConstInt(x->i32, (unsigned long long)at, false);
  LLVMBuildStore(x->b, v, LLVMBuildGEP2(x->b, t, array, &i, 1, ""));
}

static ApiVal array(Api *x, LLVMTypeRef t, int n) {
  return LLVMBuildArrayAlloca(x->b, t, LLVMConstInt(x->i32, (unsigned long long)(n ? n : 1), false),
                              "");
}

// int prefix_name(model, dims.., inputs.., last): packs dims and inputs of program p.  Inputs among
// the bits of `without` are no parameters, but NULL.  Returns the number of parameters before
// `last`.
static int begin_entry(Api *x, const BigsProgram *p, const char *name, uint32_t without,
                       ApiVal *dims, ApiVal *inputs) {
  LLVMTypeRef params[PARAMS_MAX] = {x->ptr};
  int n = 1, at = 1;
  for (int i = 0; i < x->m->ndim; i++)
    if (p->syms >> i & 1)
      params[n++] = x->i64;
  CHECK(n + p->ninput + 1 <= PARAMS_MAX);
  for (int i = 0; i < p->ninput; i++)
    if (!api_without(without, p->input[i]))
      params[n++] = x->ptr;
  params[n++] = x->ptr;
  begin(x, x->i32, params, n, name);
  *dims = array(x, x->i64, x->m->ndim);
  *inputs = array(x, x->ptr, p->ninput);
  for (int i = 0; i < x->m->ndim; i++)
    put(x, x->i64, *dims, i, p->syms >> i & 1 ? param(x, at++) : LLVMConstInt(x->i64, 0, false));
  for (int i = 0; i < p->ninput; i++)
    put(x, x->ptr, *inputs, i,
        api_without(without, p->input[i]) ? LLVMConstNull(x->ptr) : param(x, at++));
  return at;
}

static void entry(Api *x, int program) {
  const BigsProgram *p = &x->m->program[program];
  ApiVal dims, inputs;
  int at = begin_entry(x, p, p->name, 0, &dims, &inputs);
  ApiVal outputs = array(x, x->ptr, 1);
  put(x, x->ptr, outputs, 0, param(x, at));
  ApiVal args[] = {param(x, 0), LLVMConstInt(x->i32, (unsigned long long)program, false), dims,
                   inputs, outputs};
  LLVMBuildRet(x->b, call(x, x->i32, "bigs_model_run", args, COUNT(args)));
}

static void step(Api *x, int train) {
  const BigsTrain *t = &x->m->train[train];
  ApiVal dims, inputs;
  const char *name = arena_printf(x->arena, "%s_step", t->name);
  int at = begin_entry(x, &x->m->program[t->program], name, t->unpicked, &dims, &inputs);
  ApiVal args[] = {param(x, 0), LLVMConstInt(x->i32, (unsigned long long)train, false), dims,
                   inputs, param(x, at)};
  LLVMBuildRet(x->b, call(x, x->i32, "bigs_model_step", args, COUNT(args)));
}

static LLVMTypeRef type_of(const Api *x, char letter) {
  return letter == 'p' ? x->ptr : letter == 'l' ? x->i64 : x->i32;
}

static LLVMTypeRef result_of(const Api *x, const char *text) {
  return !strcmp(text, "void ")      ? x->none
         : !strcmp(text, "int ")     ? x->i32
         : !strcmp(text, "int64_t ") ? x->i64
                                     : x->ptr;
}

// An argument by its character in FORWARD.
static ApiVal forwarded(const Api *x, char what) {
  switch (what) {
  case 'T': return x->tables;
  case 'I': return LLVMConstInt(x->i64, api_interface(x->arena, x->m), false);
  case 'D':
  case 'N': return LLVMConstNull(x->ptr);
  default: return param(x, what - '0');
  }
}

static void fixed(Api *x, const ApiFunction *f) {
  LLVMTypeRef params[8], result = result_of(x, f->result);
  ApiVal args[8];
  int n = 0;
  CHECK(strlen(f->params) <= COUNT(params) && strlen(f->forward) <= COUNT(args));
  for (; f->params[n]; n++)
    params[n] = type_of(x, f->params[n]);
  begin(x, result, params, n, f->name);
  for (n = 0; f->forward[n]; n++)
    args[n] = forwarded(x, f->forward[n]);
  ApiVal v = call(x, result, f->runtime, args, n);
  if (result == x->none)
    LLVMBuildRetVoid(x->b);
  else
    LLVMBuildRet(x->b, v);
}

static void text(Api *x, int program) {
  LLVMTypeRef params[4] = {x->ptr, x->i64, x->ptr, x->ptr};
  begin(x, x->i32, params, 4, arena_printf(x->arena, "text_%s", x->m->program[program].name));
  ApiVal args[5] = {param(x, 0), LLVMConstInt(x->i32, (unsigned long long)program, false),
                    param(x, 1), param(x, 2), param(x, 3)};
  LLVMBuildRet(x->b, call(x, x->i32, "bigs_model_text", args, 5));
}

static void info(Api *x) {
  ApiVal cache = LLVMAddGlobal(x->module, x->ptr, "info_cache");
  LLVMSetInitializer(cache, LLVMConstNull(x->ptr));
  LLVMSetLinkage(cache, LLVMInternalLinkage);
  begin(x, x->ptr, NULL, 0, "info");
  ApiVal args[2] = {x->tables, cache};
  LLVMBuildRet(x->b, call(x, x->ptr, "bigs_info_once", args, 2));
}

void aot_api(LLVMModuleRef module, Arena *a, const BigsModule *m, LLVMValueRef tables,
             const char *mark) {
  LLVMContextRef cx = LLVMGetModuleContext(module);
  Api x = {.module = module,
           .cx = cx,
           .b = LLVMCreateBuilderInContext(cx),
           .arena = a,
           .m = m,
           .tables = tables};
  x.prefix = arena_printf(a, "%s%s", mark, api_prefix(a, m));
  x.i32 = LLVMInt32TypeInContext(cx);
  x.i64 = LLVMInt64TypeInContext(cx);
  x.ptr = LLVMPointerTypeInContext(cx, 0);
  x.none = LLVMVoidTypeInContext(cx);
  for (int i = 0; api_function(m, i); i++)
    fixed(&x, api_function(m, i));
  info(&x);
  for (int i = 0; i < m->nprogram; i++)
    if (m->program[i].kind == BIGS_ENTRY)
      entry(&x, i);
  for (int i = 0; i < m->nprogram; i++)
    if (api_takes_text(m, &m->program[i]))
      text(&x, i);
  for (int i = 0; i < m->ntrain; i++)
    step(&x, i);
  LLVMDisposeBuilder(x.b);
}
