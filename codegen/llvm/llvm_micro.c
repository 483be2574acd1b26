// The tile's inner loop: broadcasts of A times vectors of B into rows x nv accumulators.
// Accumulators and pointers are stack slots until mem2reg; constants take the place of every stride
// that is one, so that addresses need no arithmetic.
#include "codegen/llvm/micro.h"
#include <string.h>

enum {
  UNROLL = MICRO_UNROLL,
  PREFETCH_BYTES = 8192,
  LINE = 64,
  ACC_MAX = 64,
  ROWS_MAX = 16,
  NV_MAX = 4
};
enum {
  ARG_A,
  ARG_B,
  ARG_C,
  ARG_K,
  ARG_AM,
  ARG_AK,
  ARG_BK,
  ARG_COLS,
  ARG_LAST,
  ARG_PACK,
  ARG_RUN,
  ARG_AHEAD,
  ARG_STEP,
  ARG_COUNT
};

struct Micro {
  MicroKey key;
  Val fn;
  LLVMTypeRef type;
  Micro *next;
};

typedef struct Gen {
  LlvmUnit *u;
  LLVMBuilderRef b;
  const MicroKey *key;
  Val fn;
  LLVMTypeRef vec;
  Val acc[ACC_MAX];           // slots
  Val a, b_slot, pack, ahead; // slots of the running pointers
  Val row[ROWS_MAX];          // offsets of A's rows
  Val am, ak, bk, K;
  Val mask[NV_MAX];
} Gen;

static Val i64c(const Gen *g, int64_t v) {
  return LLVMConstInt(g->u->i64, (unsigned long long)v, true);
}

static Val argument(const Gen *g, int64_t known, int arg) {
  return known == MICRO_RUNTIME ? LLVMGetParam(g->fn, (unsigned)arg) : i64c(g, known);
}

static Val at(const Gen *g, Val p, Val index) {
  return LLVMBuildGEP2(g->b, g->u->f32, p, &index, 1, "");
}

// Of pairs am and ak count halves.
static Val at_a(const Gen *g, Val p, Val index) {
  return LLVMBuildGEP2(g->b, g->key->pairs ? g->u->i16 : g->u->f32, p, &index, 1, "");
}

static Val scaled(const Gen *g, Val stride, int64_t n) {
  return LLVMBuildMul(g->b, stride, i64c(g, n), "");
}

static LLVMBasicBlockRef block(const Gen *g, const char *name) {
  return LLVMAppendBasicBlockInContext(g->u->cx, g->fn, name);
}

static Val load_b(const Gen *g, Val p, int j) {
  int width = g->u->target->vector_floats;
  p = at(g, p, i64c(g, (int64_t)j * width));
  if (g->key->masked) {
    Val args[4] = {p, LLVMConstInt(g->u->i32, 4, false), g->mask[j], LLVMConstNull(g->vec)};
    LLVMTypeRef over[2] = {g->vec, g->u->ptr};
    return call_intrinsic(g->u, "llvm.masked.load", over, 2, args, 4);
  }
  Val v = LLVMBuildLoad2(g->b, g->vec, p, "");
  LLVMSetAlignment(v, 4);
  return v;
}

void micro_ask(LlvmUnit *u, Val p, int locality) {
  Val args[4] = {p, LLVMConstInt(u->i32, 0, false),
                 LLVMConstInt(u->i32, (unsigned long long)locality, false),
                 LLVMConstInt(u->i32, 1, false)};
  call_intrinsic(u, "llvm.prefetch", &u->ptr, 1, args, 4);
}

static void prefetch(const Gen *g, Val p) {
  int row_bytes = g->key->nv * g->u->target->vector_floats * 4;
  p = at(g, p, scaled(g, g->bk, PREFETCH_BYTES / row_bytes));
  for (int line = 0; line < row_bytes; line += LINE)
    micro_ask(g->u, at(g, p, i64c(g, line / 4)), 3);
}

static void prefetch_ahead(const Gen *g) {
  Val p = LLVMBuildLoad2(g->b, g->u->ptr, g->ahead, "");
  micro_ask(g->u, p, 2);
  LLVMBuildStore(g->b, at(g, p, LLVMGetParam(g->fn, ARG_STEP)), g->ahead);
}

static void copy_b(const Gen *g, const Val *bv, int s) {
  int width = g->u->target->vector_floats;
  Val to = LLVMBuildLoad2(g->b, g->u->ptr, g->pack, "");
  for (int j = 0; j < g->key->nv; j++) {
    Val p = at(g, to, i64c(g, (int64_t)(s * g->key->nv + j) * width));
    LLVMSetAlignment(LLVMBuildStore(g->b, bv[j], p), 16);
  }
}

// A of row r, in all lanes.
static Val broadcast_a(const Gen *g, Val a, int r) {
  Val x = LLVMBuildLoad2(g->b, g->u->f32, at_a(g, a, g->row[r]), "");
  LLVMSetAlignment(x, g->key->pairs ? 2 : 4);
  return emit_splat(g->u, x, g->u->target->vector_floats);
}

static Val multiplied(const Gen *g, Val x, Val y, Val sum) {
  return g->key->pairs   ? pair_add(g->u, x, y, sum)
         : g->key->quads ? quad_add(g->u, x, y, sum)
                         : vm_fma(&g->u->vm, x, y, sum);
}

// One value of k: `s` steps past the running pointers.
static void one_k(const Gen *g, Val a, Val b, int s) {
  Val bv[NV_MAX];
  a = at_a(g, a, scaled(g, g->ak, s));
  b = at(g, b, scaled(g, g->bk, s));
  if (g->key->prefetch)
    prefetch(g, b);
  if (g->key->ahead)
    prefetch_ahead(g);
  for (int j = 0; j < g->key->nv; j++)
    bv[j] = load_b(g, b, j);
  if (g->key->copy_b)
    copy_b(g, bv, s);
  for (int r = 0; r < g->key->rows; r++) {
    Val x = broadcast_a(g, a, r);
    for (int j = 0; j < g->key->nv; j++) {
      Val slot = g->acc[r * g->key->nv + j], sum = LLVMBuildLoad2(g->b, g->vec, slot, "");
      LLVMBuildStore(g->b, multiplied(g, x, bv[j], sum), slot);
    }
  }
}

// for (; k < end; k += step): `step` values of k a turn.
static void k_loop(const Gen *g, Val count_slot, Val end, int step) {
  LLVMBasicBlockRef body = block(g, "k"), next = block(g, "next");
  int64_t n;
  Val k = LLVMBuildLoad2(g->b, g->u->i64, count_slot, "");
  if (emit_const(end, &n))
    LLVMBuildBr(g->b, body);
  else
    LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, k, end, ""), body, next);
  LLVMPositionBuilderAtEnd(g->b, body);
  Val a = LLVMBuildLoad2(g->b, g->u->ptr, g->a, ""),
      b = LLVMBuildLoad2(g->b, g->u->ptr, g->b_slot, "");
  for (int s = 0; s < step; s++)
    one_k(g, a, b, s);
  LLVMBuildStore(g->b, at_a(g, a, scaled(g, g->ak, step)), g->a);
  LLVMBuildStore(g->b, at(g, b, scaled(g, g->bk, step)), g->b_slot);
  if (g->key->copy_b) {
    Val to = LLVMBuildLoad2(g->b, g->u->ptr, g->pack, "");
    to = at(g, to, i64c(g, (int64_t)step * g->key->nv * g->u->target->vector_floats));
    LLVMBuildStore(g->b, to, g->pack);
  }
  k = LLVMBuildAdd(g->b, LLVMBuildLoad2(g->b, g->u->i64, count_slot, ""), i64c(g, step), "");
  LLVMBuildStore(g->b, k, count_slot);
  LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, k, end, ""), body, next);
  LLVMPositionBuilderAtEnd(g->b, next);
}

static Val c_ptr(const Gen *g, int i) {
  return at(g, LLVMGetParam(g->fn, ARG_C), i64c(g, (int64_t)i * g->u->target->vector_floats));
}

// Adds the accumulators to C, or puts them there.
static void store_sums(const Gen *g, bool add) {
  for (int i = 0; i < g->key->rows * g->key->nv; i++) {
    Val sum = LLVMBuildLoad2(g->b, g->vec, g->acc[i], "");
    if (add)
      sum = LLVMBuildFAdd(g->b, LLVMBuildLoad2(g->b, g->vec, c_ptr(g, i), ""), sum, "");
    LLVMBuildStore(g->b, sum, c_ptr(g, i));
  }
}

static void start_sums(const Gen *g, bool from_c) {
  for (int i = 0; i < g->key->rows * g->key->nv; i++)
    LLVMBuildStore(g->b,
                   from_c ? LLVMBuildLoad2(g->b, g->vec, c_ptr(g, i), "") : LLVMConstNull(g->vec),
                   g->acc[i]);
}

// One run over all of k.
static void whole_loops(const Gen *g, Val k) {
  int64_t n, whole;
  bool known = emit_const(g->K, &n);
  Val end = LLVMBuildAnd(g->b, g->K, i64c(g, -UNROLL), "");
  start_sums(g, !g->key->first);
  if (!known || (emit_const(end, &whole) && whole))
    k_loop(g, k, end, UNROLL);
  if (!known || n % UNROLL)
    k_loop(g, k, g->K, 1);
  store_sums(g, false);
}

static void end_run(const Gen *g, Val from) {
  if (!g->key->first) {
    store_sums(g, true);
    return;
  }
  LLVMBasicBlockRef put = block(g, "put"), add = block(g, "add"), done = block(g, "stored");
  LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntEQ, from, i64c(g, 0), ""), put, add);
  LLVMPositionBuilderAtEnd(g->b, put);
  store_sums(g, false);
  LLVMBuildBr(g->b, done);
  LLVMPositionBuilderAtEnd(g->b, add);
  store_sums(g, true);
  LLVMBuildBr(g->b, done);
  LLVMPositionBuilderAtEnd(g->b, done);
}

// Run after run, at least one.
static void cut_loops(const Gen *g, Val k) {
  LLVMBasicBlockRef run = block(g, "run"), done = block(g, "summed");
  LLVMBuildBr(g->b, run);
  LLVMPositionBuilderAtEnd(g->b, run);
  Val from = LLVMBuildLoad2(g->b, g->u->i64, k, "");
  Val end = LLVMBuildAdd(g->b, from, LLVMGetParam(g->fn, ARG_RUN), "");
  end = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, end, g->K, ""), end, g->K, "");
  start_sums(g, false);
  k_loop(g, k, LLVMBuildAnd(g->b, end, i64c(g, -UNROLL), ""), UNROLL);
  k_loop(g, k, end, 1);
  end_run(g, from);
  LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, end, g->K, ""), run, done);
  LLVMPositionBuilderAtEnd(g->b, done);
}

static void loops(const Gen *g) {
  Val k = LLVMBuildAlloca(g->b, g->u->i64, "");
  LLVMBuildStore(g->b, i64c(g, 0), k);
  if (g->key->cut)
    cut_loops(g, k);
  else
    whole_loops(g, k);
}

static void prepare(Gen *g) {
  const MicroKey *key = g->key;
  int width = g->u->target->vector_floats;
  g->am = argument(g, key->am, ARG_AM);
  g->ak = argument(g, key->ak, ARG_AK);
  g->bk = argument(g, key->bk, ARG_BK);
  g->K = argument(g, key->K, ARG_K);
  for (int r = 0; r < key->rows; r++) {
    Val n = i64c(g, r), last = LLVMGetParam(g->fn, ARG_LAST);
    if (key->clamped)
      n = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, n, last, ""), n, last, "");
    g->row[r] = LLVMBuildMul(g->b, g->am, n, "");
  }
  for (int j = 0; j < key->nv && key->masked; j++) {
    Val lane[64], cols = LLVMBuildTrunc(g->b, LLVMGetParam(g->fn, ARG_COLS), g->u->i32, "");
    for (int l = 0; l < width; l++)
      lane[l] = LLVMConstInt(g->u->i32, (unsigned long long)(j * width + l), false);
    g->mask[j] = LLVMBuildICmp(g->b, LLVMIntSLT, LLVMConstVector(lane, (unsigned)width),
                               emit_splat(g->u, cols, width), "");
  }
}

static void slots(Gen *g) {
  g->a = LLVMBuildAlloca(g->b, g->u->ptr, "");
  g->b_slot = LLVMBuildAlloca(g->b, g->u->ptr, "");
  LLVMBuildStore(g->b, LLVMGetParam(g->fn, ARG_A), g->a);
  LLVMBuildStore(g->b, LLVMGetParam(g->fn, ARG_B), g->b_slot);
  if (g->key->copy_b) {
    g->pack = LLVMBuildAlloca(g->b, g->u->ptr, "");
    LLVMBuildStore(g->b, LLVMGetParam(g->fn, ARG_PACK), g->pack);
  }
  if (g->key->ahead) {
    g->ahead = LLVMBuildAlloca(g->b, g->u->ptr, "");
    LLVMBuildStore(g->b, LLVMGetParam(g->fn, ARG_AHEAD), g->ahead);
  }
  for (int i = 0; i < g->key->rows * g->key->nv; i++)
    g->acc[i] = LLVMBuildAlloca(g->b, g->vec, "");
}

static void define(LlvmUnit *u, const Micro *m) {
  Gen g = {.u = u, .b = u->b, .key = &m->key, .fn = m->fn};
  CHECK(m->key.rows <= ROWS_MAX && m->key.nv <= NV_MAX && m->key.rows * m->key.nv <= ACC_MAX);
  g.vec = wide(u->f32, u->target->vector_floats);
  LLVMPositionBuilderAtEnd(u->b, block(&g, "entry"));
  prepare(&g);
  slots(&g);
  loops(&g);
  LLVMBuildRetVoid(u->b);
}

static bool same_key(const MicroKey *x, const MicroKey *y) {
  return x->am == y->am && x->ak == y->ak && x->bk == y->bk && x->K == y->K && x->rows == y->rows &&
         x->nv == y->nv && x->first == y->first && x->cut == y->cut && x->masked == y->masked &&
         x->clamped == y->clamped && x->copy_b == y->copy_b && x->prefetch == y->prefetch &&
         x->pairs == y->pairs && x->quads == y->quads && x->ahead == y->ahead;
}

static const Micro *micro(LlvmUnit *u, const MicroKey *key) {
  for (Micro *m = u->micros; m; m = m->next)
    if (same_key(&m->key, key))
      return m;
  LLVMTypeRef params[ARG_COUNT] = {u->ptr, u->ptr, u->ptr, u->i64, u->i64, u->i64, u->i64,
                                   u->i64, u->i64, u->ptr, u->i64, u->ptr, u->i64};
  Micro *m = NEW(u->arena, Micro);
  m->key = *key;
  m->type = LLVMFunctionType(u->none, params, ARG_COUNT, false);
  m->fn = emit_function(u, "tile", m->type);
  m->next = u->micros;
  u->micros = m;
  LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
  define(u, m);
  LLVMPositionBuilderAtEnd(u->b, here);
  return m;
}

void micro_call(LlvmUnit *u, const MicroKey *key, const MicroArgs *args) {
  const Micro *m = micro(u, key);
  Val unused = LLVMGetPoison(u->i64);
  Val v[ARG_COUNT] = {args->a,
                      args->b,
                      args->c,
                      key->K == MICRO_RUNTIME ? args->K : unused,
                      key->am == MICRO_RUNTIME ? args->am : unused,
                      key->ak == MICRO_RUNTIME ? args->ak : unused,
                      key->bk == MICRO_RUNTIME ? args->bk : unused,
                      key->masked ? args->cols : unused,
                      key->clamped ? args->last : unused,
                      key->copy_b ? args->pack : LLVMGetPoison(u->ptr),
                      key->cut ? args->run : unused,
                      key->ahead ? args->ahead : LLVMGetPoison(u->ptr),
                      key->ahead ? args->step : unused};
  LLVMBuildCall2(u->b, m->type, m->fn, v, ARG_COUNT, "");
}
