// What a module says of itself in public: see bigs_info in bigs.h.
#include "runtime/exec/optim.h"
#include "base/dtype.h"
#include "base/alloc.h"
#include <stdlib.h>
#include <string.h>

typedef struct Box { // `info` is what the caller has
  bigs_info info;
  Arena *arena;
  struct Box *next; // those that bigs_info_once made
  void **cache;
} Box;

static Box *once; // the latest

static void fill_axis(Arena *a, bigs_info_tensor *out, int i, const char *axis, const Poly *extent,
                      const char *const *dims) {
  int64_t size;
  out->axis[i] = axis;
  out->size[i] = poly_is_const(extent, &size) ? size : 0;
  out->extent[i] = poly_str(a, extent, dims);
}

static bigs_info_tensor tensor_info(Arena *a, const BigsTensor *t, const char *const *dims) {
  bigs_info_tensor out = {.name = t->name,
                          .dtype = dtype_name((DType)t->dtype),
                          .rank = t->rank,
                          .optional = t->optional,
                          .fallback = t->fallback};
  for (int i = 0; i < t->rank; i++)
    fill_axis(a, &out, i, t->axis[i], &t->extent[i], dims);
  return out;
}

static bigs_info_tensor param_info(Arena *a, const BigsParam *p) {
  bigs_info_tensor out = {.name = p->name, .rank = p->rank};
  DType dtype = (DType)p->dtype;
  if (p->is_complex) { // in memory a last axis of 2
    dtype = param_elem(p) == 8 ? DT_C128 : DT_C64;
    out.rank--;
  }
  out.dtype = dtype_name(dtype);
  for (int i = 0; i < out.rank; i++) {
    Poly size = poly_const(p->extent[i]);
    fill_axis(a, &out, i, p->axis[i], &size, NULL);
  }
  return out;
}

static void fill_entry(Arena *a, bigs_info_entry *e, const BigsModule *m, int program,
                       const char *const *dims) {
  const BigsProgram *p = &m->program[program];
  bigs_info_tensor *input = NEWN(a, bigs_info_tensor, p->ninput);
  int *dim = NEWN(a, int, m->ndim);
  for (int i = 0; i < m->ndim; i++)
    if (p->syms >> i & 1)
      dim[e->ndim++] = i;
  for (int i = 0; i < p->ninput; i++)
    input[i] = tensor_info(a, &m->input[p->input[i]], dims);
  e->name = p->name;
  e->program = program;
  e->dim = dim;
  e->ninput = p->ninput;
  e->input = input;
  if (p->noutput)
    e->output = tensor_info(a, &p->output[0], dims);
}

static void fill_entries(Arena *a, bigs_info *info, const BigsModule *m, const char *const *dims) {
  bigs_info_entry *e = NEWN(a, bigs_info_entry, m->nprogram + m->ntrain);
  for (int i = 0; i < m->nprogram; i++)
    if (m->program[i].kind == BIGS_ENTRY)
      fill_entry(a, &e[info->nentry++], m, i, dims);
  for (int i = 0; i < m->ntrain; i++) {
    e[info->nentry].trains = 1;
    fill_entry(a, &e[info->nentry], m, m->train[i].program, dims);
    e[info->nentry++].name = m->train[i].name;
  }
  info->entry = e;
}

static void fill_parameters(Arena *a, bigs_info *info, const BigsModule *m) {
  bigs_info_tensor *t = NEWN(a, bigs_info_tensor, m->nparam);
  for (int i = 0; i < m->nparam; i++) {
    t[i] = param_info(a, &m->param[i]);
    info->parameter_count += param_count(&m->param[i]);
  }
  info->parameter = t;
  info->nparameter = m->nparam;
  info->parameter_bytes = m->param_bytes;
}

static const BigsProgram *measured(const bigs_info *info, int program, const int64_t *dims,
                                   int64_t *sym) {
  const BigsModule *m = (const BigsModule *)info->module;
  if (program < 0 || program >= m->nprogram || bind_dims(m, &m->program[program], dims, sym, NULL))
    return NULL;
  return program_at(m, program, sym);
}

double step_flops(const BigsModule *m, const BigsStep *s, const int64_t *sym) {
  int64_t all, seen;
  if (!poly_size(module_poly(m, s->flops), sym, &all))
    return -1;
  bool bound = s->seen && poly_size(module_poly(m, s->seen - 1), sym, &seen) && seen < all;
  return (double)(bound ? seen : all);
}

static double info_flops(const bigs_info *info, int program, const int64_t *dims) {
  int64_t sym[MAX_SYMS];
  const BigsProgram *p = measured(info, program, dims, sym);
  double sum = 0;
  for (int s = 0; p && s < p->nstep; s++) {
    double flops = step_flops((const BigsModule *)info->module, &p->step[s], sym);
    if (flops < 0)
      return -1;
    sum += flops;
  }
  return p ? sum : -1;
}

static int64_t info_memory(const bigs_info *info, int program, const int64_t *dims) {
  int64_t sym[MAX_SYMS], arena, kept;
  const BigsProgram *p = measured(info, program, dims, sym);
  const BigsModule *m = (const BigsModule *)info->module;
  if (!p || bind_measure(m, program, sym, &arena, &kept, NULL))
    return -1;
  int64_t moments = 0;
  for (int t = 0; t < m->ntrain; t++)
    if (m->train[t].program == program)
      moments += optim_kept(m, m->train[t].update);
  return arena + kept + (p->kind == BIGS_GRADIENT ? (1 + moments) * m->param_bytes : 0);
}

// The others come behind those that callers bring.
static int public_dims(const BigsModule *m) {
  int n = m->ndim;
  while (n > 0 && !dim_is_brought(&m->dim[n - 1]))
    n--;
  return n;
}

static void fill_info(Arena *a, bigs_info *info, const BigsModule *m) {
  const char **dims = NEWN(a, const char *, MAX_SYMS);
  bigs_info_dim *dim = NEWN(a, bigs_info_dim, m->ndim);
  bigs_info_value *value = NEWN(a, bigs_info_value, m->nconst);
  for (int i = 0; i < m->ndim; i++) {
    dims[i] = m->dim[i].name;
    dim[i] = (bigs_info_dim){m->dim[i].name, m->dim[i].bound};
  }
  for (int i = 0; i < m->nconst; i++)
    value[i] = (bigs_info_value){m->constant[i].name, m->constant[i].value};
  *info = (bigs_info){.model = m->model,
                      .version = m->version,
                      .target = m->target,
                      .features = m->features,
                      .ndim = public_dims(m),
                      .nvalue = m->nconst,
                      .dim = dim,
                      .value = value,
                      .flops = info_flops,
                      .memory = info_memory,
                      .module = m};
  fill_entries(a, info, m, dims);
  fill_parameters(a, info, m);
}

bigs_info *bigs_info_new(const BigsModule *module) {
  Box *box = ALLOC(Box);
  jmp_buf oom;
  if (!box)
    return NULL;
  box->arena = arena_try_new();
  if (!box->arena || setjmp(oom)) {
    bigs_info_free(&box->info);
    return NULL;
  }
  arena_on_oom(box->arena, &oom);
  fill_info(box->arena, &box->info, module);
  return &box->info;
}

void bigs_info_free(bigs_info *info) {
  Box *box = (Box *)info;
  if (!box)
    return;
  arena_free(box->arena);
  free(box);
}

static void keep(Box *box, void **cache) {
  box->cache = cache;
  box->next = __atomic_load_n(&once, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(&once, &box->next, box, true, __ATOMIC_RELEASE,
                                      __ATOMIC_RELAXED))
    ;
}

const bigs_info *bigs_info_once(const BigsModule *module, void **cache) {
  bigs_info *known = (bigs_info *)__atomic_load_n(cache, __ATOMIC_ACQUIRE);
  if (known)
    return known;
  bigs_info *made = bigs_info_new(module);
  void *expected = NULL;
  if (!made)
    return NULL;
  if (!__atomic_compare_exchange_n(cache, &expected, (void *)made, false, __ATOMIC_ACQ_REL,
                                   __ATOMIC_ACQUIRE)) {
    bigs_info_free(made); // another thread was first
    return (bigs_info *)expected;
  }
  keep((Box *)made, cache);
  return made;
}

// A program may load and unload models for as long as it runs: what a model.so keeps goes with it.
__attribute__((destructor)) static void forget_infos(void) {
  for (Box *box = once, *next; box; box = next) {
    next = box->next;
    *box->cache = NULL;
    bigs_info_free(&box->info);
  }
  once = NULL;
}
