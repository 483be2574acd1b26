// Attention as blocks on the shim, values and gradients, against the interpreter: lengths around the blocks' sizes, masks
// that see nothing, biases, dropout, keys of another length; and barriers that are missing.
#include "codegen/cuda/cuda.h"
#include "codegen/plan/attention.h"
#include "tests/unit/cuda_bed.h"
#include "tests/unit/suites.h"
#include <stdlib.h>
#include <string.h>

static CudaBed cuda;

typedef enum See {
  SEE_ALL,
  SEE_SOME,
  SEE_ROWS,
  SEE_PAST
} See; // SOME: by key; ROWS: by row and key, of some rows nothing
typedef struct Way {
  int d, dv;
  See see;
  double rate;
  bool cross, bias;
} Way;
static const Way ways[] = {{8, 8, SEE_SOME, 0, false, false},
                           {20, 12, SEE_PAST, 0.25, false, false},
                           {64, 64, SEE_ROWS, 0.1, false, false},
                           {16, 72, SEE_ALL, 0, true, true},
                           {128, 128, SEE_ROWS, 0, true, false}};
static const struct {
  int way;
  int64_t rows, keys;
} sizes[] = {{0, 1, 1},   {0, 7, 7},     {0, 64, 64}, {0, 129, 129}, {1, 7, 7},
             {1, 65, 65}, {1, 129, 129}, {2, 1, 1},   {2, 64, 64},   {2, 65, 65},
             {3, 1, 129}, {3, 129, 1},   {3, 65, 7},  {3, 64, 65},   {4, 7, 65}};

typedef struct AttentionFix {
  PlanBed t;
  const Way *w;
  Axis *b, *l, *s, *a, *d, *e,
      *h; // batch, rows, keys, heads, columns of queries, of values, of the inputs
} AttentionFix;

static AttentionFix fix(const Way *w, int64_t rows, int64_t keys) {
  AttentionFix f = {.t = plan_bed_new((uint64_t)rows), .w = w};
  Bed *b = &f.t.b;
  f.b = bed_run_axis(b, "B", rows > 64 ? 1 : 2);
  f.l = bed_run_axis(b, "L", rows);
  f.s = w->cross ? bed_run_axis(b, "S", keys) : graph_axis(b->g, "S", 0, f.l->extent);
  f.a = bed_axis(b, "A", 2);
  f.d = bed_axis(b, "D", w->d);
  f.e = bed_axis(b, "E", w->dv);
  f.h = bed_axis(b, "H", 3);
  f.t.code = &cuda.code;
  f.t.tolerance = 1e-4;
  f.t.least = 0.1; // what cancels to nothing keeps the operands' rounding
  return f;
}

static Node *seen(AttentionFix *f) {
  Graph *g = f->t.b.g;
  Node *l = g_iota(g, f->l), *s = g_iota(g, f->s);
  Axis *all[] = {f->b, f->l, f->s}, *keys[] = {f->b, f->s};
  switch (f->w->see) {
  case SEE_SOME: return bed_leaf(&f->t.b, DT_BOOL, keys, 2, 0, 1);
  case SEE_PAST: return g_binary(g, OP_LE, s, l);
  case SEE_ROWS:
    return g_binary(g, OP_AND, bed_leaf(&f->t.b, DT_BOOL, all, 3, 0, 1),
                    bed_leaf(&f->t.b, DT_BOOL, &f->l, 1, 0, 1));
  default: return g_const(g, DT_BOOL, 1);
  }
}

// Queries, keys or values: a projection by a parameter, so that it is stored and has a gradient.
static Node *project(AttentionFix *f, const char *name, Axis *rows, Axis *columns, Param **p) {
  Graph *g = f->t.b.g;
  Node *x = bed_leaf(&f->t.b, DT_F32, (Axis *[]){f->b, rows, f->h}, 3, -1, 1);
  *p = plan_bed_param(&f->t, name, (Axis *[]){f->h, f->a, columns}, 3, -1, 1);
  return g_contract(g, x, (*p)->node, &f->h, 1);
}

static Node *attend(AttentionFix *f, Param *p[3]) {
  Graph *g = f->t.b.g;
  Axis *over[] = {f->b, f->l, f->a, f->s}, *heads[] = {f->a, f->s};
  Node *in[5];
  in[0] = project(f, "q", f->l, f->d, &p[0]);
  in[1] = project(f, "k", f->s, f->d, &p[1]);
  in[2] = project(f, "v", f->s, f->e, &p[2]);
  in[3] = seen(f);
  in[4] = f->w->bias ? bed_leaf(&f->t.b, DT_F32, heads, 2, -1, 1) : g_const(g, DT_F32, 0);
  return g_attention(g, in, f->s, f->d, 0.3, f->w->rate, 5, over, 4);
}

// The loss, and the gradients of q, k and v.
static void check_gradients(AttentionFix *f, Node *y, Param *const p[3]) {
  Graph *g = f->t.b.g;
  Node *weight = bed_leaf(&f->t.b, DT_F32, y->ax, y->nax, -1, 1), *grad[3];
  Node *loss = g_reduce(g, OP_SUM, g_binary(g, OP_MUL, y, weight), y->ax, y->nax);
  Node *wrt[] = {p[0]->node, p[1]->node, p[2]->node};
  graph_grad(g, loss, wrt, 3, grad);
  Node *root[] = {loss, grad[0], grad[1], grad[2]};
  graph_rewrite(g, RULES_SIMPLIFY, root, 4, NULL);
  Output o[4] = {{.name = "loss", .node = root[0]}};
  for (int i = 0; i < 3; i++)
    o[i + 1] = (Output){
        .name = p[i]->path, .node = root[i + 1], .nax = 3, .ax = wrt[i]->ax, .param = p[i]};
  plan_bed_check(&f->t, BIGS_GRADIENT, o, 4, "gradients of attention");
}

static void check_way(const Way *w, int64_t rows, int64_t keys) {
  AttentionFix f = fix(w, rows, keys);
  Param *p[3];
  Node *y = attend(&f, p);
  plan_bed_check1(&f.t, y, "attention");
  check_gradients(&f, y, p);
  plan_bed_free(&f.t);
}

START_TEST(attention_in_blocks) {
  check_way(&ways[sizes[_i].way], sizes[_i].rows, sizes[_i].keys);
}
END_TEST

// ---- a barrier too few

enum { ROWS = 70, COLUMNS = 20, HEADS = 3, SIZE = HEADS * ROWS * COLUMNS };
typedef struct Memory {
  float m[LM_COUNT][SIZE];
} Memory;

// A part by itself, of HEADS heads that lie one behind the other.
static LKernel *part_kernel(Arena *a, LPart part) {
  LKernel *k = loop_kernel(a, "part");
  AttentionMatrix m[LM_COUNT];
  for (int i = 0; i < LM_COUNT; i++)
    loop_arg(a, k, loop_attention_name(i), DT_F32, true);
  LExpr *head = lx_var(a, loop_grid(k, poly_const(HEADS), 1));
  LExpr *block = lx_var(a, loop_grid(k, poly_const(ROWS), LOOP_ATTENTION_BLOCK));
  for (int i = 0; i < LM_COUNT; i++)
    m[i] = (AttentionMatrix){i, lx_mul(a, head, lx_int(a, ROWS * COLUMNS)), lx_int(a, COLUMNS)};
  AttentionShape s = {
      .rows = lx_int(a, ROWS), .keys = lx_int(a, ROWS), .d = COLUMNS, .dv = COLUMNS, .scale = 0.3};
  s.q = m[LM_Q], s.k = m[LM_K], s.v = m[LM_V], s.out = m[LM_OUT], s.lse = m[LM_LSE];
  s.dout = m[LM_DOUT], s.delta = m[LM_DELTA], s.dq = m[LM_DQ], s.dk = m[LM_DK], s.dv_ = m[LM_DV];
  attention_block(a, k, &k->body, &s, part, lx_mul(a, block, lx_int(a, LOOP_ATTENTION_BLOCK)));
  return k;
}

static Memory *run_part(CudaBed *bed, LPart part, int order) {
  Arena *a = arena_new();
  KernelRun r = {.arena = a};
  Memory *x = calloc(1, sizeof *x);
  uint64_t seed = 5;
  for (int i = 0; i < LM_COUNT; i++) {
    r.arg[i] = x->m[i];
    for (int k = 0; k < SIZE; k++)
      x->m[i][k] = test_uniform(&seed);
  }
  cuda_bed_run(bed, &r, part_kernel(a, part), order);
  arena_free(a);
  return x;
}

static const struct {
  LPart part;
  const char *behind, *sync;
  int number;
} barriers[] = {{LA_OUT, "void bg_attention_out(", "__syncthreads();", 0},
                {LA_OUT, "void bg_attention_out(", "__syncthreads();", 1},
                {LA_OUT, "void bg_attention_out(", "__syncthreads();", 2},
                {LA_ROWS, "void bg_attention_rows(", "__syncthreads();", 0},
                {LA_ROWS, "void bg_attention_rows(", "__syncthreads();", 1},
                {LA_ROWS, "void bg_attention_rows(", "__syncthreads();", 2},
                {LA_KEYS, "void bg_attention_keys(", "__syncthreads();", 0},
                {LA_KEYS, "void bg_attention_keys(", "__syncthreads();", 1},
                {LA_KEYS, "void bg_attention_keys(", "__syncthreads();", 2},
                {LA_KEYS, "void bg_keep(", "__syncwarp();", 0},
                {LA_OUT, "void bg_keep(", "__syncwarp();", 1}};

// Of the right code all orders give these bits.
static bool is_noticed(CudaBed *bed, LPart part, const Memory *right) {
  bool noticed = false;
  for (int order = 0; order < bed->code.runs; order++) {
    Memory *x = run_part(bed, part, order);
    noticed |= memcmp(x, right, sizeof *x) != 0;
    free(x);
  }
  return noticed;
}

START_TEST(a_barrier_too_few_is_noticed) {
  CudaBed bed;
  LPart part = barriers[_i].part;
  Memory *right = run_part(&cuda, part, 0);
  ck_assert(!is_noticed(&cuda, part, right));
  cuda_bed_collect(&bed);
  free(run_part(&bed, part, 0));
  ck_assert(cuda_bed_unsync(&bed, barriers[_i].behind, barriers[_i].sync, barriers[_i].number));
  cuda_bed_compile(&bed);
  ck_assert(is_noticed(&bed, part, right));
  cuda_bed_free(&bed);
  free(right);
}
END_TEST

// ---- all kernels in one compilation

static void compile_all(void) {
  cuda_bed_collect(&cuda);
  for (int i = 0; i < COUNT(ways); i++)
    check_way(&ways[i], 1, 1);
  for (LPart part = LA_OUT; part <= LA_KEYS; part++)
    free(run_part(&cuda, part, 0));
  cuda_bed_compile(&cuda);
}

static void remove_all(void) {
  cuda_bed_free(&cuda);
}

Suite *cuda_attention_suite(void) {
  Suite *s = suite_create("cuda_attention");
  TCase *t = tcase_create("cuda_attention");
  suite_add_tcase(s, t);
  if (!cuda_bed_possible("cuda_attention"))
    return s;
  tcase_add_unchecked_fixture(t, compile_all, remove_all);
  tcase_set_timeout(t, 120);
  tcase_add_loop_test(t, attention_in_blocks, 0, COUNT(sizes));
  for (int i = 0; i < COUNT(barriers); i++) // each is a compilation
    if (i % 4 == 1 || getenv("BIGSC_CUDA_FULL"))
      tcase_add_loop_test(t, a_barrier_too_few_is_noticed, i, i + 1);
  return s;
}
