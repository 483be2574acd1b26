// The form of a kernel whose work is one product: a block does a task.  Its threads sum up, by one of the table's ways, and
// leave the sums in shared memory; the epilogue walks over them with a thread on each column, whose rows it takes in order.
#include "codegen/cuda/cuda_internal.h"

// ---- ways to sum up

// Bytes of two stages of both operands.
#define STAGES(side, deep) (2 * 2 * (deep) * ((side) + 4) * 4)

// The first of them that suits a kernel is taken.
static const CudaMicro micros[] = {
#define MMA(rows, columns)                                                                         \
  {cuda_mma_suits, cuda_put_mma, rows, columns, columns + 8, CUDA_MMA_SHARED(rows, columns), 2, 0}
    MMA(64, 64),
    MMA(64, 128),
    MMA(128, 64),
    {cuda_tma_suits, cuda_put_tma, 128, 128, 128 + 8, CUDA_TMA_SHARED, 2, 32},
    {cuda_wgmma_suits, cuda_put_wgmma, 128, 128, 128 + 8, CUDA_WGMMA_SHARED, 2, 0},
    MMA(128, 128),
#undef MMA
    {cuda_plain_suits, cuda_put_plain, 64, 64, 64, STAGES(64, 16), 2, 0},
    {cuda_wide_suits, cuda_put_wide, 128, 128, 128, 128 * 128 * 4 + STAGES(128, 8), 1, 0},
};

static bool fits(const LExpr *x, int most) {
  int64_t bound = loop_upper_bound(x);
  return bound >= 0 && bound <= most;
}

static const CudaMicro *micro_of(const LKernel *k, const LTile *t) {
  for (int i = 0; i < COUNT(micros); i++)
    if (fits(t->M, micros[i].rows) && fits(t->N, micros[i].columns) && micros[i].suits(k, t))
      return &micros[i];
  return NULL;
}

// ---- which kernels

// Sets elements from 0 on to constants, which nobody but a sum of columns looks at.
static bool is_clearing(const LStmt *s) {
  bool clears = s->kind == LS_FOR && s->vec && s->lo->op == L_INT && !s->lo->inum;
  for (int i = 0; i < s->body.n && clears; i++)
    clears =
        s->body.v[i]->kind == LS_STORE && !s->body.v[i]->add && s->body.v[i]->value->op == L_CONST;
  return clears;
}

enum {
  COLUMNS_MOST = 64 * 64 / CUDA_BLOCK
}; // sums of columns that have room where the sums of the least tile were

// Can a thread run it for its own elements, in any order of rows?  Sums of columns stand at its top.
static bool is_own(const LBody *all, const LBody *b, int *columns) {
  bool own = true;
  for (int i = 0; i < b->n && own; i++) {
    const LStmt *s = b->v[i];
    switch (s->kind) {
    case LS_REG: break;
    case LS_SET:
    case LS_REDUCE: own = cuda_declares(all, s->reg); break;
    case LS_STORE: own = !s->add; break;
    case LS_COLSUM:
      own = s->diagonal ? b == all && all->n == 1 && s->value->op == L_ACC
                        : b == all && s->value->dtype == DT_F32 && ++*columns <= COLUMNS_MOST;
      break;
    case LS_FOR: own = !s->vec && is_own(all, &s->body, columns); break;
    default: own = false; break;
    }
  }
  return own;
}

static const CudaMicro *micro_of_block(const LKernel *k, const LTile *t) {
  int columns = 0;
  return t->nprod == 1 && !t->prod[0].bwidth && is_own(&t->body, &t->body, &columns)
             ? micro_of(k, t)
             : NULL;
}

const LTile *cuda_block_tile(const LKernel *k, const CudaMicro **micro) {
  int last = k->body.n - 1;
  *micro = NULL;
  if (last < 0 || k->mem.n != k->nargs || k->body.v[last]->kind != LS_TILE)
    return NULL;
  for (int i = 0; i < last; i++)
    if (!is_clearing(k->body.v[i]))
      return NULL;
  const LTile *t = k->body.v[last]->tile;
  *micro = micro_of_block(k, t);
  return *micro ? t : NULL;
}

BigsLaunch cuda_form(const LKernel *k) {
  const CudaMicro *micro;
  if (cuda_attention(k))
    return cuda_attention_form(k);
  bool block = cuda_block_tile(k, &micro) != NULL;
  int crew = cuda_crew(k);
  if (crew > 32)
    return (BigsLaunch){.threads = crew, .tasks = 1, .shared = crew / 32 * 8};
  return (BigsLaunch){.threads = CUDA_BLOCK + (block ? micro->copiers : 0),
                      .tasks = block ? 1 : CUDA_BLOCK / 32,
                      .shared = block ? micro->shared : 0,
                      .maps = block && micro->copiers ? CUDA_MAPS : 0};
}

int cuda_operands(const LKernel *k, BigsMap *map) {
  const CudaMicro *micro;
  const LTile *t = cuda_block_tile(k, &micro);
  CudaMap both[CUDA_MAPS];
  if (!t || !micro->copiers)
    return 0;
  CHECK(cuda_maps(k, t, both));
  for (int i = 0; i < CUDA_MAPS; i++)
    map[i] = both[i].map;
  return CUDA_MAPS;
}

void cuda_launches(Arena *a, BigsModule *m, LKernel *const *kernels) {
  BigsLaunch *l = NEWN(a, BigsLaunch, m->nkernel + 1);
  BigsMap *map = NEWN(a, BigsMap, CUDA_MAPS * m->nkernel + 1);
  cuda_groups(a, m, kernels);
  for (int i = 0; i < m->nkernel; i++) {
    l[i] = cuda_form(kernels[i]);
    l[i].frames = kernels[i]->grouped;
    l[i].map = m->nmap;
    m->nmap += cuda_operands(kernels[i], map + m->nmap);
  }
  m->map = map;
  m->launch = l;
  m->nlaunch = m->nkernel;
}

// ---- its text

// Neighbouring threads read along the operand's stride of 1.
static const char *way(const LExpr *along_k) {
  return along_k->op == L_INT && along_k->inum == 1 ? "true" : "false";
}

// Functions of an operand's element, and where there is one, the arguments that name them.
static const char *put_first(CudaCx *c, const LExpr *x, const char *name) {
  if (!x)
    return "bg_same()";
  cuda_line(c, "const auto %s = [&](float acc) {", name);
  c->depth++;
  cuda_begin(c, (const LExpr *const[]){x}, 1);
  cuda_line(c, "return $;", x);
  c->depth--;
  cuda_line(c, "};");
  return name;
}

const char *cuda_put_firsts(CudaCx *c, const LProduct *p) {
  if (!p->afirst && !p->bfirst)
    return "";
  const char *a = put_first(c, p->afirst, "first_a"), *b = put_first(c, p->bfirst, "first_b");
  return arena_printf(c->arena, ", %s, %s", a, b);
}

void cuda_put_sums(CudaCx *c, const char *function, const char *maps) {
  const LTile *t = c->tile;
  const LProduct *p = &t->prod[0];
  const char *firsts = cuda_put_firsts(c, p);
  const LExpr *bn = p->bn ? p->bn : lx_int(c->arena, 1);
  const LExpr *x[] = {p->abase, p->am, p->ak, p->bbase, bn, p->bk, t->M, t->N, p->K};
  cuda_begin(c, x, COUNT(x));
  cuda_line(c, "%s%s, %s>(%s%s + @, $, $, %s + @, $, $, $, $, $%s);", function, way(p->ak),
            way(p->bk), maps, cuda_mem(c, p->amem), x[0], x[1], x[2], cuda_mem(c, p->bmem), x[3],
            x[4], x[5], x[6], x[7], x[8], firsts);
}

bool cuda_plain_suits(const LKernel *k, const LTile *t) {
  (void)k;
  return !t->prod[0].afirst && !t->prod[0].bfirst;
}

// Its sums are float32.
bool cuda_wide_suits(const LKernel *k, const LTile *t) {
  return !cuda_is_long(t) && cuda_plain_suits(k, t);
}

void cuda_put_wide(CudaCx *c) {
  cuda_put_sums(c, "bg_wide_tile<", "");
}

void cuda_put_plain(CudaCx *c) {
  cuda_put_sums(c, cuda_is_long(c->tile) ? "bg_tile<double, " : "bg_tile<float, ", "");
}

static void open_elements(CudaCx *c, const LTile *t) {
  const CudaMicro *u = c->micro;
  cuda_begin(c, (const LExpr *const[]){t->M, t->N}, 2);
  cuda_line(c, "const long long i%d = threadIdx.x % %d, rows = %si%d < $ ? $ : 0;", t->nvar,
            u->columns, u->copiers ? "threadIdx.x < 256 && " : "", t->nvar, t->N, t->M);
  for (int i = 0, n = 0; i < t->body.n; i++)
    if (t->body.v[i]->kind == LS_COLSUM)
      cuda_line(c, "float column%d = 0.0f;", n++);
  cuda_line(c, "for (long long i%d = threadIdx.x / %d; i%d < rows; i%d += %d) {", t->mvar,
            u->columns, t->mvar, t->mvar, CUDA_BLOCK / u->columns);
  c->depth++;
  cuda_line(c, "const float acc = bg_shared[i%d * %d + i%d];", t->mvar, u->row, t->nvar);
}

void cuda_put_column(CudaCx *c, const LStmt *s) {
  cuda_begin(c, (const LExpr *const[]){s->value}, 1);
  cuda_line(c, "column%d += $;", c->ncolumn++, s->value);
}

static void put_column_sum(CudaCx *c, const LStmt *s, int number) {
  cuda_begin(c, (const LExpr *const[]){s->index}, 1);
  cuda_line(c, "if (threadIdx.x < %d && rows > 0)", c->micro->columns);
  cuda_line(c, "  %s[$] += bg_column<%d>(%d);", cuda_mem(c, s->mem), s->index, c->micro->columns,
            number);
}

// They go where the sums of elements were: without a gap between rows there each thread's place is one that it alone has read.
static void put_column_sums(CudaCx *c, const LTile *t) {
  if (c->micro->row != c->micro->columns)
    cuda_line(c, "__syncthreads();");
  for (int i = 0; i < c->ncolumn; i++)
    cuda_line(c, "%sbg_shared[%d + threadIdx.x] = column%d;",
              c->micro->copiers ? "if (threadIdx.x < 256) " : "", i * CUDA_BLOCK, i);
  cuda_line(c, "__syncthreads();");
  for (int i = 0, n = 0; i < t->body.n; i++)
    if (t->body.v[i]->kind == LS_COLSUM)
      put_column_sum(c, t->body.v[i], n++);
}

// Each thread has a diagonal of those that there are.
static void put_diagonals(CudaCx *c, const LTile *t, const LStmt *s) {
  const int first = 1 - c->micro->columns;
  cuda_begin(c, (const LExpr *const[]){t->M, t->N}, 2);
  cuda_line(c, "const long long diagonal = (int)threadIdx.x + %d;", first);
  cuda_line(c, "const long long i%d = bg_most(diagonal, 0), i%d = bg_most(-diagonal, 0);", t->mvar,
            t->nvar);
  cuda_line(c, "if (i%d < $ && i%d < $) {", t->mvar, t->M, t->nvar, t->N);
  c->depth++;
  cuda_line(c, "const float sum = bg_diagonal<%d>(diagonal, $, $);", c->micro->row, t->M, t->N);
  cuda_begin(c, (const LExpr *const[]){s->index}, 1);
  cuda_line(c, "%s[$] += sum;", cuda_mem(c, s->mem), s->index);
  c->depth--;
  cuda_line(c, "}");
}

void cuda_put_block_tile(CudaCx *c) {
  const LTile *t = c->tile;
  c->micro->put(c);
  if (t->body.n && t->body.v[0]->diagonal) {
    put_diagonals(c, t, t->body.v[0]);
    return;
  }
  c->lane_var = t->nvar;
  open_elements(c, t);
  cuda_body(c, &t->body);
  c->depth--;
  cuda_line(c, "}");
  c->lane_var = -1;
  if (c->ncolumn)
    put_column_sums(c, t);
}
