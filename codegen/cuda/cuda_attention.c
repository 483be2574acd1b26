// The form of a kernel that is attention: a block does a task, by functions of cuda_attention.h, which call the scores' body.
#include "codegen/cuda/cuda_internal.h"

enum { SHARED_MOST = 48 << 10 }; // what a block has without asking for more

const LStmt *cuda_attention(const LKernel *k) {
  const LStmt *s = k->body.n == 1 ? k->body.v[0] : NULL;
  return s && s->kind == LS_ATTENTION ? s : NULL;
}

// ---- sizes of blocks

typedef struct
    AttentionBlocks { // rows, or keys, of the side that a block owns, and of the other side at a time
  int own, other;
} AttentionBlocks;

static int64_t wide(int64_t columns) { // as bg_wide
  return (columns + 15) / 16 * 16 + 4;
}

static int64_t shared_bytes(const LAttention *t, AttentionBlocks b) {
  int64_t both = wide(t->d) + wide(t->dv), own = t->part == LA_OUT ? wide(t->d) : both;
  return 4 * (b.own * own + b.other * both + b.own * (b.other + 4));
}

// The largest that fit, in order of the traffic that they save.
static AttentionBlocks blocks_of(const LAttention *t) {
  static const AttentionBlocks sizes[] = {{64, 64}, {64, 32}, {32, 32}, {32, 16}, {16, 16}};
  int i = 0;
  while (i < COUNT(sizes) - 1 && shared_bytes(t, sizes[i]) > SHARED_MOST)
    i++;
  return sizes[i];
}

BigsLaunch cuda_attention_form(const LKernel *k) {
  const LAttention *t = cuda_attention(k)->attention;
  int64_t shared = shared_bytes(t, blocks_of(t));
  CHECK(shared <= SHARED_MOST);
  return (BigsLaunch){.threads = CUDA_BLOCK, .tasks = 1, .shared = (int32_t)shared};
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
static void put_call(CudaCx *c, const LAttention *t, AttentionBlocks b) {
  static const char *const part[] = {"out", "rows", "keys"};
  const LExpr *of = t->part == LA_KEYS ? t->keys : t->rows;
  const LExpr *end = lx_add(c->arena, t->first, lx_int(c->arena, LOOP_ATTENTION_BLOCK));
  const LExpr *x[] = {t->first, lx_iop(c->arena, L_IMIN, (LExpr *)end, (LExpr *)of), t->rows,
                      t->keys};
  LExpr *scale = lx_const(c->arena, DT_F32, t->scale);
  LExpr *boost = lx_const(c->arena, DT_F32, 1 / (1 - t->rate));
  cuda_begin(c, x, COUNT(x));
  cuda_line(c, "for (long long first = $; first < $; first += %d)", x[0], x[1], b.own);
  cuda_put(c, "%s  bg_attention_%s<%d, %d, %d, %d>(", "    ", part[t->part], b.own, b.other,
           (int)t->d, (int)t->dv);
  for (int i = 0; i < LM_COUNT; i++)
    if (loop_attention_use(t->part, i) != 'N')
      cuda_put(c, "%s, ", loop_attention_name(i));
  cuda_put(c, "first, $, $, ", t->rows, t->keys);
  if (t->part != LA_OUT)
    cuda_put(c, "$, ", scale);
  cuda_put(c, "$, score);\n", boost);
}

void cuda_put_attention(CudaCx *c, const LStmt *s) {
  const LAttention *t = s->attention;
  for (int i = 0; i < LM_COUNT; i++)
    if (loop_attention_use(t->part, i) != 'N')
      put_matrix(c, t, i);
  put_score(c, s);
  put_call(c, t, blocks_of(t));
}
