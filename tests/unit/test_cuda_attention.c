// Attention as blocks on the shim, values and gradients, against the interpreter: lengths around the blocks' sizes, masks
// that see nothing, biases, dropout, keys of another length; and barriers that are missing.
#include "codegen/cuda/cuda.h"
#include "codegen/plan/attention.h"
#include "tests/unit/cuda_bed.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static CudaBed cuda;

typedef enum See {
  SEE_ALL,
  SEE_SOME,
  SEE_ROWS,
  SEE_NEAR
} See; // SOME: by key; ROWS: by row and key, of some rows nothing; NEAR: a window before the row
typedef struct Way {
  int d, dv;
  See see;
  double rate;
  bool cross, bias;
} Way;
static const Way ways[] = {{8, 8, SEE_SOME, 0, false, false},
                           {20, 12, SEE_NEAR, 0.25, false, false},
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
  case SEE_NEAR:
    return g_binary(g, OP_AND, g_binary(g, OP_LE, s, l),
                    g_binary(g, OP_LT, g_binary(g, OP_SUB, l, s), g_const(g, DT_I32, 40)));
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

// ---- parts by themselves: of bf16 on tensor cores against those of float32

enum { LONGEST = 129, WIDEST = 128, HEADS = 2, SIZE = HEADS * LONGEST * WIDEST, SEEN = LM_COUNT };
typedef struct Memory {
  float m[LM_COUNT][SIZE];
  unsigned char seen[LONGEST * LONGEST];
} Memory;
typedef struct Past { // a mask of keys from row - behind up to row + ahead
  int ahead, behind;
  bool skips;  // does the kernel know it?
  bool gaps;   // are there rows that see nothing?
  bool spoils; // is the first key, to a block of keys the last row, no number?
} Past;
typedef struct PartShape {
  int d, dv;
  bool mask;
  double rate;
  const Past *past; // NULL: another mask
} PartShape;
static const PartShape shapes[] = {{20, 20, false, 0, NULL},
                                   {8, 8, true, 0, NULL},
                                   {20, 12, false, 0.25, NULL},
                                   {64, 64, true, 0.1, NULL},
                                   {128, 128, false, 0, NULL}};
typedef struct PartCx {
  Arena *a;
  LKernel *k;
} PartCx;

static bool is_number(int matrix) {
  return matrix == LM_LSE || matrix == LM_DELTA;
}

static LExpr *pair_of(PartCx *x, LExpr *row, LExpr *key) {
  return lx_add(x->a, lx_mul(x->a, row, lx_poly(x->a, poly_sym(1))), key);
}

static LExpr *part_mask(void *ctx, LBody *body, LExpr *row, LExpr *key) {
  PartCx *x = ctx;
  (void)body;
  return lx_load(x->a, x->k, SEEN, pair_of(x, row, key));
}

static LExpr *part_random(void *ctx, LBody *body, LExpr *row, LExpr *key) {
  PartCx *x = ctx;
  (void)body;
  return lx_random(x->a, 0, pair_of(x, row, key));
}

static int64_t part_columns(const PartShape *s, int matrix) {
  LAttention t = {.d = s->d, .dv = s->dv};
  return loop_attention_columns(&t, matrix);
}

// sym[0] rows, sym[1] keys, of HEADS heads that lie one behind the other.
static LKernel *part_kernel(Arena *a, LPart part, const PartShape *w, DType t) {
  PartCx x = {a, loop_kernel(a, "part")};
  LKernel *k = x.k;
  AttentionMatrix m[LM_COUNT];
  Poly rows = poly_sym(0), keys = poly_sym(1);
  for (int i = 0; i < LM_COUNT; i++)
    loop_arg(a, k, loop_attention_name(i), is_number(i) ? DT_F32 : t, true);
  loop_arg(a, k, "seen", DT_BOOL, false);
  k->nscalars = w->rate > 0;
  LExpr *head = lx_var(a, loop_grid(k, poly_const(HEADS), 1));
  LExpr *block = lx_var(a, loop_grid(k, part == LA_KEYS ? keys : rows, LOOP_ATTENTION_BLOCK));
  for (int i = 0; i < LM_COUNT; i++) {
    Poly size = poly_scale(loop_attention_of_keys(i) ? keys : rows, part_columns(w, i));
    m[i] = (AttentionMatrix){i, lx_mul(a, head, lx_poly(a, size)), lx_int(a, part_columns(w, i))};
  }
  AttentionShape s = {.rows = lx_poly(a, rows),
                      .keys = lx_poly(a, keys),
                      .d = w->d,
                      .dv = w->dv,
                      .scale = 0.3,
                      .rate = w->rate,
                      .random = part_random,
                      .ctx = &x};
  s.mask = w->mask ? part_mask : NULL;
  s.near = w->past && w->past->skips;
  s.ahead = s.near ? w->past->ahead : 0;
  s.behind = s.near ? w->past->behind : 0;
  s.q = m[LM_Q], s.k = m[LM_K], s.v = m[LM_V], s.out = m[LM_OUT], s.lse = m[LM_LSE];
  s.dout = m[LM_DOUT], s.delta = m[LM_DELTA], s.dq = m[LM_DQ], s.dk = m[LM_DK], s.dv_ = m[LM_DV];
  attention_block(a, k, &k->body, &s, part, lx_mul(a, block, lx_int(a, LOOP_ATTENTION_BLOCK)));
  return k;
}

static float cut(float x) { // of numbers below 2^8 with 16 bits: cut to 8
  uint32_t bits;
  memcpy(&bits, &x, 4);
  bits &= 0xffff0000u;
  memcpy(&x, &bits, 4);
  return x;
}

static void set_past(Memory *x, const Past *p, int rows, int keys) {
  for (int i = 0; i < rows; i++) {
    for (int k = 0; k < keys; k++)
      x->seen[i * keys + k] = k <= i + p->ahead && k >= i - p->behind && !(p->gaps && i % 5 == 0);
    for (int h = 0; h < HEADS; h++)
      if (i + p->ahead < 0 || (p->gaps && i % 5 == 0))
        x->m[LM_LSE][h * rows + i] = -1e9f;
  }
}

// Of every fifth row nothing is seen, and lse says so.
static Memory *part_memory(const PartShape *w, int rows, int keys) {
  Memory *x = calloc(1, sizeof *x);
  uint64_t seed = 5;
  for (int i = 0; i < LM_COUNT; i++)
    for (int k = 0; k < SIZE; k++)
      x->m[i][k] = cut(test_uniform(&seed));
  for (int i = 0; i < rows * keys; i++)
    x->seen[i] = i / keys % 5 && test_random(&seed) % 3;
  for (int i = 0; i < HEADS * rows && w->mask && !w->past; i++)
    x->m[LM_LSE][i] = i % rows % 5 ? x->m[LM_LSE][i] : -1e9f;
  if (w->past)
    set_past(x, w->past, rows, keys);
  return x;
}

static void spoil(Memory *x, LPart part, const PartShape *w, int rows) {
  int row = part == LA_KEYS ? rows - 1 : 0;
  for (int i = 0; i < 2; i++) {
    int m = part == LA_KEYS ? (i ? LM_DOUT : LM_Q) : i ? LM_V : LM_K;
    for (int k = 0; k < part_columns(w, m); k++)
      x->m[m][row * part_columns(w, m) + k] = NAN;
  }
}

static void to_halves(float *m, bool back) {
  uint16_t *half = (uint16_t *)m;
  for (int i = 0; i < SIZE && !back; i++)
    memcpy(&half[i], (char *)&m[i] + 2, 2);
  for (int i = SIZE - 1; i >= 0 && back; i--) {
    uint32_t bits = (uint32_t)half[i] << 16;
    memcpy(&m[i], &bits, 4);
  }
}

// NULL: the shim has found a mistake in the kernel with that suffix, or it is only collected.
static Memory *run_part(const char *suffix, LPart part, const PartShape *w, DType t, int rows,
                        int keys, int order) {
  Arena *a = arena_new();
  KernelRun r = {.arena = a, .sym = {rows, keys}, .scalar = {0x1234567890abcdefu}};
  Memory *x = part_memory(w, rows, keys);
  if (w->past && w->past->spoils)
    spoil(x, part, w, rows);
  for (int i = 0; i < LM_COUNT; i++) {
    if (t == DT_BF16 && !is_number(i))
      to_halves(x->m[i], false);
    r.arg[i] = x->m[i];
  }
  r.arg[SEEN] = x->seen;
  bool right = cuda_bed_run_copy(&cuda, &r, part_kernel(a, part, w, t), suffix, order);
  for (int i = 0; i < LM_COUNT && t == DT_BF16; i++)
    if (!is_number(i))
      to_halves(x->m[i], true);
  arena_free(a);
  free(right ? NULL : x);
  return right ? x : NULL;
}

static void compare(const Memory *got, const Memory *want, LPart part, const PartShape *w, int rows,
                    int keys) {
  for (int i = 0; i < LM_COUNT; i++) {
    int n = (int)part_columns(w, i) * HEADS * (loop_attention_of_keys(i) ? keys : rows);
    float most = 0.1f;
    for (int k = 0; k < n; k++)
      most = fmaxf(most, fabsf(want->m[i][k]) < 1e8f ? fabsf(want->m[i][k]) : 0);
    for (int k = 0; k < n; k++)
      ck_assert_msg(fabsf(got->m[i][k] - want->m[i][k]) <= (is_number(i) ? 1e-5f : 1e-2f) * most,
                    "part %d, %d x %d of %d: %s[%d] is %g, not %g", part, rows, keys, w->d,
                    loop_attention_name(i), k, (double)got->m[i][k], (double)want->m[i][k]);
  }
}

static const int lengths[][2] = {{1, 1}, {7, 65}, {64, 64}, {65, 129}, {129, 7}};

static void check_part(LPart part, const PartShape *w, int rows, int keys) {
  Memory *want = run_part("", part, w, DT_F32, rows, keys, 0), *first = NULL;
  for (int order = 0; order < cuda.code.runs; order++) {
    Memory *got = run_part("", part, w, DT_BF16, rows, keys, order);
    compare(got, want, part, w, rows, keys);
    ck_assert_msg(!first || !memcmp(first, got, sizeof *got), "other bits in order %d", order);
    free(order ? got : NULL);
    first = order ? first : got;
  }
  free(first);
  free(want);
}

START_TEST(attention_on_tensor_cores) {
  const int *n = lengths[_i % COUNT(lengths)];
  for (LPart part = LA_OUT; part <= LA_KEYS; part++)
    check_part(part, &shapes[_i / COUNT(lengths)], n[0], n[1]);
}
END_TEST

// ---- blocks of keys that no row sees

enum { FAR = 1 << 30 };
static const Past past[] = {{0, FAR, true, false, false},
                            {0, FAR, true, true, false},
                            {-20, FAR, true, false, false},
                            {0, 20, true, true, false},
                            {10, 25, true, false, false}};
enum { PAST_ROWS = 129, PAST_FORMS = COUNT(past) * 3 * 2 };

static PartShape past_shape(const Past *p) {
  return (PartShape){p->ahead ? 64 : 8, p->ahead ? 64 : 8, true, p->ahead ? 0.1 : 0, p};
}

static Memory *run_past(const Past *p, LPart part, DType t, int order) {
  PartShape w = past_shape(p);
  return run_part("", part, &w, t, PAST_ROWS, PAST_ROWS, order);
}

static void collect_past(void) {
  for (int i = 0; i < PAST_FORMS; i++)
    free(run_past(&past[i / 6], (LPart)(i % 3), i / 3 % 2 ? DT_BF16 : DT_F32, 0));
}

START_TEST(blocks_that_nobody_sees_change_no_bit) {
  Past all = past[_i / 6];
  LPart part = (LPart)(_i % 3);
  DType t = _i / 3 % 2 ? DT_BF16 : DT_F32;
  all.skips = false;
  PartShape w = past_shape(&past[_i / 6]);
  w.past = &all;
  Memory *want = run_part("", part, &w, t, PAST_ROWS, PAST_ROWS, 0);
  for (int order = 0; order < cuda.code.runs; order++) {
    Memory *got = run_past(&past[_i / 6], part, t, order);
    ck_assert_msg(got && !memcmp(got, want, sizeof *got), "other bits in order %d", order);
    free(got);
  }
  free(want);
}
END_TEST

// What lies beyond what a block's rows, or keys, see is not multiplied by 0, but left out: it may be no number.
START_TEST(blocks_beside_a_window_are_left_out) {
  Past p = past[COUNT(past) - 1];
  p.spoils = true;
  PartShape w = past_shape(&p);
  LPart part = (LPart)(_i % 3);
  Memory *got = run_part("", part, &w, _i / 3 ? DT_BF16 : DT_F32, PAST_ROWS, PAST_ROWS, 0);
  int m = part == LA_OUT ? LM_OUT : part == LA_ROWS ? LM_DQ : LM_DK;
  ck_assert_ptr_nonnull(got);
  for (int i = 0; i < w.d; i++)
    ck_assert(isfinite(got->m[m][(part == LA_KEYS ? 0 : PAST_ROWS - 1) * w.d + i]));
  free(got);
}
END_TEST

// ---- planted errors: a barrier too few, a wrong edge

enum {
  ODD,
  WHOLE = 3,
  BEFORE = COUNT(shapes),
  BESIDE
}; // shapes: of odd columns, or of pieces that are copied as they are, under a mask and dropout; of past[0], of past[4]
static const struct {
  LPart part;
  DType t;
  int shape;
  const char *behind, *what, *with;
  int number;
} mistakes[] = {
    {LA_OUT, DT_F32, ODD, "void bg_attention_out(", "__syncthreads();", ";", 0},
    {LA_OUT, DT_F32, ODD, "void bg_attention_out(", "__syncthreads();", ";", 1},
    {LA_OUT, DT_F32, ODD, "void bg_attention_out(", "__syncthreads();", ";", 2},
    {LA_ROWS, DT_F32, ODD, "void bg_attention_rows(", "__syncthreads();", ";", 0},
    {LA_ROWS, DT_F32, ODD, "void bg_attention_rows(", "__syncthreads();", ";", 1},
    {LA_ROWS, DT_F32, ODD, "void bg_attention_rows(", "__syncthreads();", ";", 2},
    {LA_KEYS, DT_F32, ODD, "void bg_attention_keys(", "__syncthreads();", ";", 0},
    {LA_KEYS, DT_F32, ODD, "void bg_attention_keys(", "__syncthreads();", ";", 1},
    {LA_KEYS, DT_F32, ODD, "void bg_attention_keys(", "__syncthreads();", ";", 2},
    {LA_KEYS, DT_F32, ODD, "void bg_keep(", "__syncwarp();", ";", 0},
    {LA_OUT, DT_F32, ODD, "void bg_keep(", "__syncwarp();", ";", 1},
    {LA_OUT, DT_F32, WHOLE, "void bg_attention_out(", " < keys ? bg_exp", " <= keys ? bg_exp", 0},
    {LA_OUT, DT_F32, WHOLE, "void bg_attention_out(", "s[i][j] * boost", "s[i][j] / boost", 0},
    {LA_OUT, DT_BF16, ODD, "void bg_hold(", "__syncthreads();", ";", 0},
    {LA_KEYS, DT_BF16, WHOLE, "void bg_hold(", "__syncthreads();", ";", 1},
    {LA_ROWS, DT_BF16, WHOLE, "void bg_hold(", "__syncthreads();", ";", 2},
    {LA_OUT, DT_BF16, ODD, "void bg_attention_out_mma(", "__syncthreads();", ";", 0},
    {LA_ROWS, DT_BF16, ODD, "void bg_attention_rows_mma(", "__syncthreads();", ";", 0},
    {LA_KEYS, DT_BF16, WHOLE, "void bg_attention_keys_mma(", "__syncthreads();", ";", 0},
    {LA_OUT, DT_BF16, WHOLE, "void bg_attention_out_mma(", "bg_cp_async_wait<0>();", ";", 0},
    {LA_KEYS, DT_BF16, WHOLE, "void bg_attention_keys_mma(", "bg_cp_async_wait<0>();", ";", 0},
    {LA_OUT, DT_BF16, WHOLE, "void bg_attention_out_mma(", " < keys ? bg_weight",
     " <= keys ? bg_weight", 0},
    {LA_KEYS, DT_BF16, WHOLE, "void bg_attention_keys_mma(", " - number[N + at]",
     " + number[N + at]", 0},
    {LA_ROWS, DT_BF16, WHOLE, "void bg_attention_rows_mma(", "seen ? ds : 0.0f", "ds", 0},
    {LA_KEYS, DT_BF16, WHOLE, "void bg_attention_keys_mma(", "kept ? p : 0.0f", "p", 0},
    {LA_KEYS, DT_BF16, BEFORE, "struct bg_sees_near", "first - ahead", "first - ahead + 64", 0},
    {LA_OUT, DT_F32, BEFORE, "struct bg_sees_near", "last + ahead + 1", "last + ahead - 40", 0},
    {LA_OUT, DT_BF16, BESIDE, "struct bg_sees_near", "first - behind", "first - behind + 64", 0},
    {LA_KEYS, DT_F32, BESIDE, "struct bg_sees_near", "last + behind + 1", "last + behind - 40", 0}};
enum { MISTAKE_ROWS = 129 };

static PartShape mistake_shape(int i) {
  return mistakes[i].shape == BEFORE   ? past_shape(&past[0])
         : mistakes[i].shape == BESIDE ? past_shape(&past[4])
                                       : shapes[mistakes[i].shape];
}

static Memory *run_mistake(int i, const char *suffix, int order) {
  PartShape w = mistake_shape(i);
  return run_part(suffix, mistakes[i].part, &w, mistakes[i].t, MISTAKE_ROWS, MISTAKE_ROWS, order);
}

static const char *mistake_name(Arena *a, int i) {
  return arena_printf(a, "_%d", i);
}

// The device functions of attention with the mistake.
static const char *mistaken(Arena *a, int i) {
  const char *text = strstr(cuda_prelude(), "// ---- attention by a block, float32");
  ck_assert_ptr_nonnull(text);
  const char *at = strstr(text, mistakes[i].behind);
  for (int n = 0; n <= mistakes[i].number && at; n++)
    at = strstr(at + 1, mistakes[i].what);
  ck_assert_msg(at != NULL, "what mistake %d is about is not there", i);
  return arena_printf(a, "%.*s%s%s", (int)(at - text), text, mistakes[i].with,
                      at + strlen(mistakes[i].what));
}

static bool is_tried(int i) {
  return i % 8 == 2 || suites_full();
}

static void collect_mistake(int i) {
  Arena *a = arena_new();
  PartShape w = mistake_shape(i);
  LKernel *k = part_kernel(a, mistakes[i].part, &w, mistakes[i].t);
  cuda_bed_copy(&cuda, k, mistake_name(a, i), mistaken(a, i));
  arena_free(a);
}

// Of the right code all orders give these bits.
static bool is_noticed(int i, const char *suffix, const Memory *right) {
  bool noticed = false;
  for (int order = 0; order < cuda.code.runs; order++) {
    Memory *x = run_mistake(i, suffix, order);
    noticed |= !x || memcmp(x, right, sizeof *x);
    free(x);
  }
  return noticed;
}

START_TEST(a_mistake_is_noticed) {
  Arena *a = arena_new();
  Memory *right = run_mistake(_i, "", 0);
  ck_assert(!is_noticed(_i, "", right));
  ck_assert(is_noticed(_i, mistake_name(a, _i), right));
  free(right);
  arena_free(a);
}
END_TEST

// ---- all kernels in one compilation

static void compile_all(void) {
  cuda_bed_collect(&cuda);
  for (int i = 0; i < COUNT(ways); i++)
    check_way(&ways[i], 1, 1);
  for (int i = 0; i < 3 * COUNT(shapes); i++) {
    free(run_part("", (LPart)(i % 3), &shapes[i / 3], DT_F32, 1, 1, 0));
    free(run_part("", (LPart)(i % 3), &shapes[i / 3], DT_BF16, 1, 1, 0));
  }
  collect_past();
  for (int i = 0; i < COUNT(mistakes); i++)
    if (is_tried(i))
      collect_mistake(i);
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
  for (int i = 0; i < COUNT(shapes) * COUNT(lengths); i++)
    if (i % 2 || suites_full())
      tcase_add_loop_test(t, attention_on_tensor_cores, i, i + 1);
  for (int i = 0; i < PAST_FORMS; i++)
    if (i / 6 % 2 == i % 2 || suites_full())
      tcase_add_loop_test(t, blocks_that_nobody_sees_change_no_bit, i, i + 1);
  tcase_add_loop_test(t, blocks_beside_a_window_are_left_out, 0, 6);
  for (int i = 0; i < COUNT(mistakes); i++)
    if (is_tried(i))
      tcase_add_loop_test(t, a_mistake_is_noticed, i, i + 1);
  return s;
}
