// Products of pairs of bf16, and of quads of int8, by AMX: tiles of 32 rows and 32 columns, as two by two of the unit's, which has eight of 16 rows of 64
// bytes.  A's are 4 and 5, B's 6 and 7, the sums 0 to 3.
//
// The rows of the unit's tiles are set once for a TILE statement: where it has fewer than 32 those are not read.
#include "codegen/llvm/tile.h"

enum { SIDE = 16, ROW_BYTES = 64, SUMS = 4, A_TILES = 4, B_TILES = 6, TILES = 8 };
// The table that says what the tiles are: Intel 64 and IA-32 Architectures Software Developer's Manual, LDTILECFG.
enum { CONFIG_BYTES = 64, CONFIG_PALETTE = 0, CONFIG_ROW_BYTES = 16, CONFIG_ROWS = 48 };

static Val byte(LlvmUnit *u, int64_t v) {
  return LLVMConstInt(u->i8, (unsigned long long)v, false);
}

static void unit(LlvmUnit *u, const char *op, Val *args, int n) {
  call_intrinsic(u, op, NULL, 0, args, n);
}

static Val bytes_at(LlvmUnit *u, Val p, int64_t n) {
  Val at = LLVMConstInt(u->i64, (unsigned long long)n, false);
  return LLVMBuildGEP2(u->b, u->i8, p, &at, 1, "");
}

// ---- the loop over k

typedef struct Amx {
  LlvmUnit *u;
  Val fn, a, b, c, am; // am: bytes from row to row
  int halves;          // of rows: 1, 2
  bool quads;
} Amx;
enum { ARG_A, ARG_B, ARG_C, ARG_N, ARG_AM, ARG_COUNT };

static int64_t panel_row(const Amx *x) { // bytes of a row of sums, and of a k of B
  return 4 * x->u->target->nr;
}

static Val below(const Amx *x, Val p, int half) {
  Val bytes = LLVMBuildMul(x->u->b, x->am,
                           LLVMConstInt(x->u->i64, (unsigned long long)(half * SIDE), false), "");
  return LLVMBuildGEP2(x->u->b, x->u->i8, p, &bytes, 1, "");
}

static void load_tile(const Amx *x, int tile, Val p, Val step) {
  unit(x->u, "llvm.x86.tileloadd64", (Val[]){byte(x->u, tile), p, step}, 3);
}

static void one_piece(const Amx *x, Val a, Val b) {
  LlvmUnit *u = x->u;
  Val row = LLVMConstInt(u->i64, (unsigned long long)panel_row(x), false);
  for (int i = 0; i < x->halves; i++)
    load_tile(x, A_TILES + i, below(x, a, i), x->am);
  for (int j = 0; j < 2; j++)
    load_tile(x, B_TILES + j, bytes_at(u, b, j * ROW_BYTES), row);
  for (int i = 0; i < x->halves; i++)
    for (int j = 0; j < 2; j++)
      unit(u, x->quads ? "llvm.x86.tdpbssd" : "llvm.x86.tdpbf16ps",
           (Val[]){byte(u, 2 * i + j), byte(u, A_TILES + i), byte(u, B_TILES + j)}, 3);
}

// f of each of the sums, and where it lies.
static void each_sum(const Amx *x, const char *op) {
  Val row = LLVMConstInt(x->u->i64, (unsigned long long)panel_row(x), false);
  for (int i = 0; i < 2 * x->halves; i++) {
    Val at = bytes_at(x->u, x->c, i / 2 * SIDE * panel_row(x) + i % 2 * ROW_BYTES);
    unit(x->u, op, (Val[]){byte(x->u, i), at, row}, 3);
  }
}

static void start_sums(const Amx *x, bool first) {
  if (!first) {
    each_sum(x, "llvm.x86.tileloadd64");
    return;
  }
  for (int i = 0; i < 2 * x->halves; i++)
    unit(x->u, "llvm.x86.tilezero", (Val[]){byte(x->u, i)}, 1);
}

// for (; n > 0; n--), a and b moving on by a piece.
static void pieces(const Amx *x) {
  LlvmUnit *u = x->u;
  LLVMBasicBlockRef head = LLVMGetInsertBlock(u->b),
                    body = LLVMAppendBasicBlockInContext(u->cx, x->fn, "k"),
                    done = LLVMAppendBasicBlockInContext(u->cx, x->fn, "summed");
  Val zero = LLVMConstNull(u->i64), n = LLVMGetParam(x->fn, ARG_N);
  LLVMBuildCondBr(u->b, LLVMBuildICmp(u->b, LLVMIntSGT, n, zero, ""), body, done);
  LLVMPositionBuilderAtEnd(u->b, body);
  Val left = LLVMBuildPhi(u->b, u->i64, ""), a = LLVMBuildPhi(u->b, u->ptr, ""),
      b = LLVMBuildPhi(u->b, u->ptr, "");
  one_piece(x, a, b);
  Val next[3] = {LLVMBuildSub(u->b, left, LLVMConstInt(u->i64, 1, false), ""),
                 bytes_at(u, a, ROW_BYTES), bytes_at(u, b, SIDE * panel_row(x))};
  Val phi[3] = {left, a, b}, from[3] = {n, x->a, x->b};
  for (int i = 0; i < 3; i++)
    LLVMAddIncoming(phi[i], (Val[]){from[i], next[i]}, (LLVMBasicBlockRef[]){head, body}, 2);
  LLVMBuildCondBr(u->b, LLVMBuildICmp(u->b, LLVMIntSGT, next[0], zero, ""), body, done);
  LLVMPositionBuilderAtEnd(u->b, done);
}

static void define(LlvmUnit *u, Val fn, int halves, bool first, bool quads) {
  Amx x = {.u = u,
           .fn = fn,
           .a = LLVMGetParam(fn, ARG_A),
           .b = LLVMGetParam(fn, ARG_B),
           .c = LLVMGetParam(fn, ARG_C),
           .am = LLVMGetParam(fn, ARG_AM),
           .halves = halves,
           .quads = quads};
  LLVMPositionBuilderAtEnd(u->b, LLVMAppendBasicBlockInContext(u->cx, fn, "entry"));
  start_sums(&x, first);
  pieces(&x);
  each_sum(&x, "llvm.x86.tilestored64");
  LLVMBuildRetVoid(u->b);
}

static Val sums_of(LlvmUnit *u, int halves, bool first, bool quads, LLVMTypeRef type) {
  char name[32];
  snprintf(name, sizeof name, "amx%d%s%s", SIDE * halves, quads ? "_int8" : "",
           first ? "" : "_add");
  Val fn = LLVMGetNamedFunction(u->module, name);
  if (fn)
    return fn;
  fn = emit_function(u, name, type);
  LLVMBasicBlockRef here = LLVMGetInsertBlock(u->b);
  define(u, fn, halves, first, quads);
  LLVMPositionBuilderAtEnd(u->b, here);
  return fn;
}

static void call(TileCx *c, const MicroArgs *a, int halves, bool first) {
  Emit *e = c->e;
  LlvmUnit *u = e->u;
  LLVMTypeRef params[ARG_COUNT] = {u->ptr, u->ptr, u->ptr, u->i64, u->i64};
  LLVMTypeRef type = LLVMFunctionType(u->none, params, ARG_COUNT, false);
  bool quads = c->t->prod[0].quads;
  Val args[ARG_COUNT] = {a->a, a->b, a->c, LLVMBuildLShr(e->b, a->K, iconst(e, 4), ""),
                         LLVMBuildMul(e->b, a->am, iconst(e, quads ? 4 : 2), "")};
  LLVMBuildCall2(e->b, type, sums_of(u, halves, first, quads, type), args, ARG_COUNT, "");
}

// Of no more than 16 rows the second tiles have none.
void amx_multiply(TileCx *c, const MicroArgs *a, bool first, bool few) {
  Emit *e = c->e;
  if (!few) {
    call(c, a, c->mr > SIDE ? 2 : 1, first);
    return;
  }
  LLVMBasicBlockRef one = new_block(e, "one"), two = new_block(e, "two"),
                    done = new_block(e, "done");
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLE, c->M, iconst(e, SIDE), ""), one, two);
  LLVMPositionBuilderAtEnd(e->b, one);
  call(c, a, 1, first);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, two);
  call(c, a, 2, first);
  LLVMBuildBr(e->b, done);
  LLVMPositionBuilderAtEnd(e->b, done);
}

// ---- the unit's tiles

// Rows of the tiles' lower half, or upper: those of a statement with M rows, at least one.
static Val rows_of(TileCx *c, int half) {
  Emit *e = c->e;
  Val n = LLVMBuildSub(e->b, c->M, iconst(e, half * SIDE), "");
  n = imin(e, n, iconst(e, SIDE));
  n = LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSGT, n, iconst(e, 1), ""), n, iconst(e, 1),
                      "");
  return LLVMBuildTrunc(e->b, n, e->u->i8, "");
}

static void set_byte(Emit *e, Val config, int at, Val v) {
  LLVMBuildStore(e->b, v, bytes_at(e->u, config, at));
}

void amx_begin(TileCx *c) {
  Emit *e = c->e;
  LlvmUnit *u = e->u;
  Val config = entry_alloca(e, LLVMArrayType(u->i8, CONFIG_BYTES), CONFIG_BYTES);
  Val rows[2] = {rows_of(c, 0), rows_of(c, 1)};
  LLVMBuildStore(e->b, LLVMConstNull(LLVMArrayType(u->i8, CONFIG_BYTES)), config);
  set_byte(e, config, CONFIG_PALETTE, byte(u, 1));
  for (int i = 0; i < TILES; i++) {
    int half = i < SUMS ? i / 2 : i - A_TILES;
    set_byte(e, config, CONFIG_ROW_BYTES + 2 * i, byte(u, ROW_BYTES));
    set_byte(e, config, CONFIG_ROWS + i, i < B_TILES ? rows[half] : byte(u, SIDE));
  }
  unit(u, "llvm.x86.ldtilecfg", &config, 1);
}

void amx_end(TileCx *c) {
  unit(c->e->u, "llvm.x86.tilerelease", NULL, 0);
}
