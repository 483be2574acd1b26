// The form of a kernel that is attention: a block does a task, by functions of cuda_attention.h, which call the scores' body.
#include "codegen/cuda/cuda_internal.h"

enum {
  SHARED_MOST = 48 << 10, // what a block has without asking for more
  WIDE = 160,             // columns of q and v together
};

const LStmt *cuda_attention(const LKernel *k) {
  const LStmt *s = k->body.n == 1 ? k->body.v[0] : NULL;
  return s && s->kind == LS_ATTENTION ? s : NULL;
}

// ---- sizes of blocks

typedef struct
    AttentionBlocks { // rows, or keys, of the side that a block owns, and of the other side at a time
  int own, other;
} AttentionBlocks;
typedef struct
    AttentionForm { // functions of the prelude, in sizes of which the first that fits is taken
  const char *suffix;
  int threads;
  int64_t (*shared)(const LAttention *t, AttentionBlocks b); // bytes
  AttentionBlocks sizes[6];
} AttentionForm;

static int64_t wide(int64_t columns) { // as bg_wide
  return (columns + 15) / 16 * 16 + 4;
}

static int64_t plain_shared(const LAttention *t, AttentionBlocks b) {
  int64_t both = wide(t->d) + wide(t->dv), own = t->part == LA_OUT ? wide(t->d) : both;
  return 4 * (b.own * own + b.other * both + b.own * (b.other + 4));
}

static int64_t most(int64_t a, int64_t b) {
  return a > b ? a : b;
}

// Two stages, which take the block's own rows first; of keys, three numbers of each row come with them, and values of wide
// heads stay behind them.
static int64_t tensor_shared(const LAttention *t, AttentionBlocks b) {
  int64_t d = wide(t->d) + 4, dv = wide(t->dv) + 4; // as bg_half_row
  int64_t stage = 2 * b.other * (d + dv) + (t->part == LA_KEYS ? 12 * b.other : 0);
  int64_t stays = t->part == LA_KEYS && b.other == 16 ? 2 * b.own * dv : 0;
  return most(2 * stage + stays, 2 * b.own * most(d, dv));
}

static const AttentionForm plain_form = {
    "", CUDA_BLOCK, plain_shared, {{64, 64}, {64, 32}, {32, 32}, {32, 16}, {16, 16}}};
static const AttentionForm tensor_form = {"_mma", 128, tensor_shared, {{64, 64}, {64, 32}}};
static const AttentionForm tensor_keys = {"_mma", 128, tensor_shared, {{64, 32}}};
static const AttentionForm tensor_wide = {"_mma", 128, tensor_shared, {{64, 16}}};

static bool is_bf16(const LKernel *k, const LAttention *t, int matrix) {
  int mem = t->m[matrix].mem;
  return mem < 0 || k->mem.v[mem].dtype == DT_BF16;
}

static const AttentionForm *form_of(const LKernel *k) {
  const LAttention *t = cuda_attention(k)->attention;
  if (!is_bf16(k, t, LM_Q) || !is_bf16(k, t, LM_K) || !is_bf16(k, t, LM_V) ||
      !is_bf16(k, t, LM_DOUT))
    return &plain_form;
  if (t->part != LA_KEYS)
    return &tensor_form;
  return t->d + t->dv > WIDE ? &tensor_wide : &tensor_keys; // two sums, in registers
}

// The largest that fit, in order of the traffic that they save.
static AttentionBlocks blocks_of(const AttentionForm *f, const LAttention *t) {
  int i = 0;
  while (f->sizes[i + 1].own && f->shared(t, f->sizes[i]) > SHARED_MOST)
    i++;
  return f->sizes[i];
}

BigsLaunch cuda_attention_form(const LKernel *k) {
  const LAttention *t = cuda_attention(k)->attention;
  const AttentionForm *f = form_of(k);
  int64_t shared = f->shared(t, blocks_of(f, t));
  CHECK(shared <= SHARED_MOST);
  return (BigsLaunch){.threads = f->threads, .tasks = 1, .shared = (int32_t)shared};
}

// ---- text

static void put_matrix(CudaCx *c, const LAttention *t, int i) {
  const LMatrix *m = &t->m[i];
  const char *name = loop_attention_name(i);
  if (m->mem < 0) {
    cuda_line(c, "const bg_matrix<float> %s = {};", name);
    return;
  }
  const LMem *mem = &c->k->mem.v[m->mem];
  bool reads = loop_attention_use(t->part, i) == 'R';
  cuda_begin(c, (const LExpr *const[]){m->base, m->row}, 2);
  cuda_line(c, "const auto %s = bg_rows_of<%s%s>(%s + @, $);", name, reads ? "const " : "",
            cuda_memory(mem->dtype), cuda_mem(c, m->mem), m->base, m->row);
}

static void put_yields(CudaCx *c, const LAttention *t) {
  if (t->seen >= 0)
    cuda_line(c, "seen = r%d;", t->seen);
  if (t->kept >= 0)
    cuda_line(c, "kept = r%d;", t->kept);
  cuda_line(c, "return r%d;", t->score);
}

static void put_score(CudaCx *c, const LStmt *s) {
  const LAttention *t = s->attention;
  cuda_line(
      c,
      "const auto score = [&](long long i%d, long long i%d, float acc, bool &seen, bool &kept) {",
      t->row, t->key);
  c->depth++;
  cuda_line(c, "(void)i%d, (void)i%d, (void)seen, (void)kept;", t->row, t->key);
  cuda_body(c, &s->body);
  put_yields(c, t);
  c->depth--;
  cuda_line(c, "};");
}

// The matrices in the order of loop_attention.def, then the block and the sizes.
static void put_call(CudaCx *c, const LAttention *t) {
  const AttentionForm *f = form_of(c->k);
  AttentionBlocks b = blocks_of(f, t);
  static const char *const part[] = {"out", "rows", "keys"};
  const LExpr *of = t->part == LA_KEYS ? t->keys : t->rows;
  const LExpr *end = lx_add(c->arena, t->first, lx_int(c->arena, LOOP_ATTENTION_BLOCK));
  const LExpr *x[] = {t->first, lx_iop(c->arena, L_IMIN, (LExpr *)end, (LExpr *)of), t->rows,
                      t->keys};
  LExpr *scale = lx_const(c->arena, DT_F32, t->scale);
  LExpr *boost = lx_const(c->arena, DT_F32, 1 / (1 - t->rate));
  cuda_begin(c, x, COUNT(x));
  cuda_line(c, "for (long long first = $; first < $; first += %d)", x[0], x[1], b.own);
  cuda_put(c, "%s  bg_attention_%s%s<", "    ", part[t->part], f->suffix);
  if (f == &plain_form)
    cuda_put(c, "%d, ", b.own);
  cuda_put(c, "%d, %d, %d>(", b.other, (int)t->d, (int)t->dv);
  for (int i = 0; i < LM_COUNT; i++)
    if (loop_attention_use(t->part, i) != 'N')
      cuda_put(c, "%s, ", loop_attention_name(i));
  cuda_put(c, "first, $, $, ", t->rows, t->keys);
  if (t->part != LA_OUT)
    cuda_put(c, "$, ", scale);
  cuda_put(c, "$, score, ", boost);
  if (t->near)
    cuda_put(c, "bg_sees_near{%d, %d});\n", (int)t->behind, (int)t->ahead);
  else
    cuda_put(c, "bg_sees_all());\n");
}

void cuda_put_attention(CudaCx *c, const LStmt *s) {
  const LAttention *t = s->attention;
  for (int i = 0; i < LM_COUNT; i++)
    if (loop_attention_use(t->part, i) != 'N')
      put_matrix(c, t, i);
  put_score(c, s);
  put_call(c, t);
}
