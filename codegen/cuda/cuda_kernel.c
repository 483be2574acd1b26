// A kernel as CUDA C++: its frame, its warps' walk over the tasks, and its memories.
#include "codegen/cuda/cuda_internal.h"
#include <inttypes.h>
#include <stdlib.h>

const char *cuda_text(void);

const char *cuda_prelude(void) {
  return cuda_text();
}

static int at_least_one(int n) {
  return n > 1 ? n : 1;
}

static int plain_words(const LKernel *k, int nsyms) {
  return 3 + at_least_one(k->nargs) + at_least_one(nsyms) + at_least_one(k->nscalars);
}

int cuda_frame_words(const LKernel *k, int nsyms) {
  return bigs_frame_words(plain_words(k, nsyms), cuda_form(k).maps);
}

static bool has_maps(const CudaCx *c) {
  return c->micro && c->micro->copiers;
}

static void put_frame(CudaCx *c, int nsyms) {
  const LKernel *k = c->k;
  cuda_line(c, "struct %s_frame {", k->name);
  cuda_line(c, "  long long tasks, stride;");
  cuda_line(c, "  char *scratch;");
  cuda_line(c, "  void *arg[%d];", at_least_one(k->nargs));
  cuda_line(c, "  long long sym[%d];", at_least_one(nsyms));
  cuda_line(c, "  unsigned long long scalar[%d];", at_least_one(k->nscalars));
  if (has_maps(c)) {
    int plain = plain_words(k, nsyms);
    cuda_line(c, "  unsigned long long mapped[%d];", bigs_map_word(plain) - plain);
    cuda_line(c, "  bg_tensor_map map[%d];", CUDA_MAPS);
  }
  cuda_line(c, "};");
  if (k->grouped) {
    cuda_line(c, "struct %s_group {", k->name);
    cuda_line(c, "  const %s_frame *frame;", k->name);
    cuda_line(c, "  unsigned long long none[2];");
    cuda_line(c, "};");
  }
}

static void put_args(CudaCx *c) {
  for (int i = 0; i < c->k->nargs; i++) {
    const LMem *m = &c->k->mem.v[i];
    const char *type = cuda_memory(m->dtype), *only = m->written ? "" : "const ";
    if (c->used_mem[i])
      cuda_line(c, "%s%s *const %s = (%s%s *)f.arg[%d];", only, type, cuda_mem(c, i), only, type,
                i);
  }
}

// One after the other, each from a multiple of 64 bytes on: see loop_scratch_bytes.
static void put_scratch(CudaCx *c) {
  int last = c->k->mem.n - 1;
  while (last >= c->k->nargs && !c->used_mem[last])
    last--;
  if (last >= c->k->nargs)
    cuda_line(c, "char *scratch = f.scratch + warp * f.stride;");
  for (int i = c->k->nargs; i <= last; i++) {
    const LMem *m = &c->k->mem.v[i];
    const char *type = cuda_memory(m->dtype);
    if (c->used_mem[i])
      cuda_line(c, "%s *const %s = (%s *)scratch;", type, cuda_mem(c, i), type);
    Poly bytes = poly_scale(m->size, dtype_size(m->dtype));
    if (i < last)
      cuda_line(c, "scratch += bg_room($);", lx_poly(c->arena, bytes));
  }
}

static const LExpr *count_of(CudaCx *c, const LGrid *g) {
  Poly up = poly_add(g->extent, poly_const(g->block - 1));
  return lx_iop(c->arena, L_IDIV, lx_poly(c->arena, up), lx_int(c->arena, g->block));
}

// Task number to grid variables, the last dimension fastest.
static void put_grid(CudaCx *c) {
  const LGrid *g = c->k->grid;
  const char *task = "task";
  int first = 0; // what nobody names needs no quotient either
  while (first < c->k->ngrid && !c->used[g[first].var])
    first++;
  for (int i = c->k->ngrid - 1; i >= first && i > 0; i--) {
    if (c->used[g[i].var])
      cuda_line(c, "const long long i%d = %s % @;", g[i].var, task, count_of(c, &g[i]));
    if (i == first)
      return;
    const char *rest =
        i > 1 ? arena_printf(c->arena, "task%d", i) : arena_printf(c->arena, "i%d", g[0].var);
    cuda_line(c, "const long long %s = %s / @;", rest, task, count_of(c, &g[i]));
    task = rest;
  }
  if (c->k->ngrid == 1 && !first)
    cuda_line(c, "const long long i%d = task;", g[0].var);
}

char *cuda_text_of(CudaCx *c, const LBody *b) {
  char *text = NULL;
  size_t n;
  FILE *to = c->f;
  c->f = open_memstream(&text, &n);
  if (!c->f)
    out_of_memory();
  cuda_body(c, b);
  if (fclose(c->f))
    out_of_memory();
  c->f = to;
  return text;
}

// Who would copy is not needed where a GPU has no such copies.
static void put_maps(CudaCx *c) {
  cuda_line(c, "if (threadIdx.x >= BG_TMA_THREADS)");
  cuda_line(c, "  return;");
  cuda_line(c, "const bg_tensor_map *const map = %s;",
            c->k->grouped ? "bg_tma_maps(group.frame[blockIdx.z].map)" : "f.map");
}

// Two blocks a multiprocessor are asked for: with a bound of its own choice ptxas spills around divisions.
static const char *blocks_of(CudaCx *c, int threads) {
  int blocks = c->micro ? c->micro->blocks : threads > CUDA_BLOCK ? 1 : 2;
  return has_maps(c) ? "BG_TMA_BLOCKS" : arena_printf(c->arena, "%d", blocks);
}

static void put_function(CudaCx *c, const char *body) {
  const char *name = c->k->name;
  int threads = cuda_form(c->k).threads;
  cuda_line(c, "extern \"C\" __global__ void __launch_bounds__(%d, %s) %s(const %s%s_%s) {",
            threads, blocks_of(c, threads), name, has_maps(c) ? "__grid_constant__ " : "", name,
            c->k->grouped ? "group group" : "frame f");
  c->depth = 1;
  if (c->k->grouped)
    cuda_line(c, "const %s_frame f = group.frame[blockIdx.z];", name);
  if (has_maps(c))
    put_maps(c);
  if (c->lanes) // the rest tells the compiler how large it is
    cuda_line(c, "const int lane = (int)(threadIdx.x % %d);", c->crew);
  if (!c->block && c->crew == 32)
    cuda_line(c, "const long long warp = bg_warp(), warps = bg_warps();");
  put_args(c);
  put_scratch(c);
  cuda_line(c, c->block || c->crew > 32
                   ? "for (long long task = blockIdx.x; task < f.tasks; task += gridDim.x) {"
                   : "for (long long task = warp; task < f.tasks; task += warps) {");
  c->depth = 2;
  put_grid(c);
  fputs(body, c->f);
  c->depth = 1;
  cuda_line(c, "}");
  c->depth = 0;
  cuda_line(c, "}");
}

// The body first: what it names is declared before it.
void cuda_kernel(FILE *f, const LKernel *k, int nsyms) {
  Arena *a = arena_new();
  CudaCx c = {.f = f, .arena = a, .k = k, .lane_var = -1, .crew = cuda_crew(k)};
  c.tile = cuda_block_tile(k, &c.micro);
  c.block = c.tile || cuda_attention(k);
  c.partial = NEWN(a, bool, k->nregs + 1);
  c.used = NEWN(a, bool, k->nvars + 1);
  c.used_mem = NEWN(a, bool, k->mem.n + 1);
  c.counts.arena = c.names.arena = a;
  c.depth = 2;
  char *body = cuda_text_of(&c, &k->body);
  c.depth = 0;
  map_clear(&c.names);
  fprintf(f, "\n// %s%s%s\n", k->name, k->from ? "  " : "", k->from ? k->from : "");
  put_frame(&c, nsyms);
  put_function(&c, body);
  free(body);
  arena_free(a);
}

void cuda_kernels(FILE *f, LKernel *const *k, int n, int nsyms) {
  fputs(cuda_prelude(), f);
  for (int i = 0; i < n; i++)
    cuda_kernel(f, k[i], nsyms);
}
