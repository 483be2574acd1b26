// See cuda_bed.h.
#include "tests/unit/cuda_bed.h"
#include "tests/unit/suites.h"
#include "base/hash.h"
#include "base/map.h"
#include "codegen/cuda/cuda.h"
#include "runtime/cuda/device_internal.h"
#include "runtime/files/file.h"
#include "tests/cuda/tensor_map.h"
#include <dlfcn.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef int ShimLaunchFn(void (*kernel)(void), unsigned grid, unsigned block, size_t shared_bytes,
                         const void *params, size_t param_bytes, int order, char *error,
                         size_t error_size);
// Beside each printed kernel, what the test knows of it.
typedef struct CudaInfo {
  void (*kernel)(void);
  const LKernel *loop;
} CudaInfo;
typedef void CudaRunFn(CudaInfo *info, const BigsFrame *f, int64_t task);

enum { ORDERS = 5 };
static CudaBed *bed; // whose kernels run; tests are processes
static int ndim;     // of the module that runs

// ---- collecting

static const char head[] = "extern \"C\" {\n"
                           "struct CudaInfo { void (*kernel)(); const void *loop; };\n"
                           "void (*cuda_run)(CudaInfo *, const void *, long long);\n"
                           "}\n";

static char *text_of(const LKernel *k, const char *name, size_t *n) {
  LKernel named = *k;
  char *text = NULL;
  FILE *f = open_memstream(&text, n);
  named.name = name;
  named.from = NULL;
  named.grouped = false; // steps are done one by one here
  cuda_kernel(f, &named, MAX_SYMS);
  fclose(f);
  return text;
}

// Equal text is one kernel.
static uint64_t identity_of(const LKernel *k) {
  size_t n;
  char *text = text_of(k, "kernel", &n);
  uint64_t h = hash_bytes(0, text, n);
  free(text);
  return h | 1;
}

static void name_of(const LKernel *k, char name[32]) {
  snprintf(name, 32, "k_%016" PRIx64, identity_of(k));
}

static void put_kernel(CudaBed *c, const LKernel *k, const char *name) {
  size_t n;
  char *text = text_of(k, name, &n);
  fprintf(c->source, "%sextern \"C\" {\nCudaInfo %s_info = {(void (*)())%s, 0};\n", text, name,
          name);
  fprintf(c->source, "void %s_task(const void *f, long long task, void *) {\n", name);
  fprintf(c->source, "  cuda_run(&%s_info, f, task);\n}\n}\n", name);
  free(text);
}

static void collect(CudaBed *c, const LKernel *k) {
  char name[32];
  uint64_t h = identity_of(k);
  if (map_find(&c->known, h, NULL, NULL))
    return;
  map_add(&c->known, h, 1);
  name_of(k, name);
  put_kernel(c, k, name);
}

void cuda_bed_copy(CudaBed *c, const LKernel *k, const char *suffix, const char *device) {
  char name[32], full[48];
  name_of(k, name);
  snprintf(full, sizeof full, "%s%s", name, suffix);
  fprintf(c->source, "namespace in_%s {\n%s\n", full, device);
  put_kernel(c, k, full);
  fputs("}\n", c->source);
}

// ---- running

static int64_t tasks_of(const LKernel *k, const int64_t *sym) {
  int64_t n = 1;
  for (int i = 0; i < k->ngrid; i++)
    n *= (poly_eval(&k->grid[i].extent, sym) + k->grid[i].block - 1) / k->grid[i].block;
  return n;
}

// Kernels find the keys of what they draw where the scalar says.
static void take_scalars(const LKernel *k, const uint64_t *scalar, uint64_t *out) {
  size_t n;
  char *text = k->nscalars ? text_of(k, "kernel", &n) : NULL, use[48];
  for (int i = 0; i < k->nscalars; i++) {
    snprintf(use, sizeof use, "bg_random(f.scalar[%d],", i);
    out[i] = strstr(text, use) ? (uintptr_t)&scalar[i] : scalar[i];
  }
  free(text);
}

// By the runtime, for a GPU that has them.
static void put_maps(const LKernel *k, const BigsFrame *f, uint64_t *word, int plain) {
  BigsMap map[2];
  int maps = cuda_operands(k, map);
  CudaState state = {.driver = {.tensor_map = tensor_map_encode}, .gpu = {.capability = 90}};
  const BigsModule module = {.map = map};
  const bigs_model m = {.module = &module, .device_state = &state};
  const BigsLaunch how = {.maps = maps};
  const DeviceLaunch l = {.frame = *f};
  if (maps)
    cuda_put_maps(&m, &l, &how, word + plain, word + bigs_map_word(plain));
}

static uint64_t *fill_frame(const LKernel *k, const BigsFrame *f, int64_t tasks, int64_t stride,
                            void *scratch) {
  size_t nargs = (size_t)(k->nargs > 1 ? k->nargs : 1);
  uint64_t *word = calloc((size_t)cuda_frame_words(k, MAX_SYMS), 8);
  word[0] = (uint64_t)tasks;
  word[1] = (uint64_t)stride;
  word[2] = (uintptr_t)scratch;
  for (int i = 0; i < k->nargs; i++)
    word[3 + i] = (uintptr_t)f->arg[i];
  memcpy(&word[3 + nargs], f->sym, (size_t)ndim * 8);
  take_scalars(k, f->scalar, &word[3 + nargs + MAX_SYMS]);
  put_maps(k, f, word, (int)(3 + nargs + MAX_SYMS) + (k->nscalars > 1 ? k->nscalars : 1));
  return word;
}

// All tasks at once.  Scratch begins as what is no number.  NULL, or what is wrong.
static const char *launch(CudaInfo *info, const BigsFrame *f, int order) {
  static char error[1024];
  const LKernel *k = info->loop;
  Poly bytes = loop_scratch_bytes(k);
  int64_t stride = (poly_eval(&bytes, f->sym) + 63) / 64 * 64, tasks = tasks_of(k, f->sym);
  BigsLaunch how = cuda_form(k);
  unsigned grid = tasks > how.tasks ? 1 + (unsigned)order % 3 : 1;
  size_t room = (size_t)stride * grid * (CUDA_BLOCK / 32) + 64;
  void *scratch = NULL;
  ck_assert_int_eq(posix_memalign(&scratch, 64, room), 0);
  memset(scratch, 0xff, room);
  uint64_t *word = fill_frame(k, f, tasks, stride, scratch);
  ShimLaunchFn *shim;
  *(void **)&shim = dlsym(bed->so, "shim_launch");
  int bad = shim(info->kernel, grid, (unsigned)how.threads, (size_t)how.shared, word,
                 (size_t)cuda_frame_words(k, MAX_SYMS) * 8, order, error, sizeof error);
  free(word);
  free(scratch);
  return bad ? error : NULL;
}

static void run_task(CudaInfo *info, const BigsFrame *f, int64_t task) {
  const char *wrong = task ? NULL : launch(info, f, bed->code.run);
  ck_assert_msg(!wrong, "%s: %s", info->loop->name, wrong);
}

static void *symbol_of(CudaBed *c, const LKernel *k, const char *suffix) {
  char name[32], full[48];
  name_of(k, name);
  snprintf(full, sizeof full, "%s%s", name, suffix);
  void *p = dlsym(c->so, full);
  ck_assert_msg(p != NULL, "%s was not collected", k->name);
  return p;
}

static CudaInfo *info_of_kernel(CudaBed *c, const LKernel *k, const char *suffix) {
  char full[32];
  snprintf(full, sizeof full, "%s_info", suffix);
  CudaInfo *info = symbol_of(c, k, full);
  info->loop = k;
  return info;
}

static bool make(PlanCode *code, const BigsModule *m, LKernel *const *k, int n, BigsKernel **out) {
  CudaBed *c = (CudaBed *)code;
  for (int i = 0; i < n; i++)
    if (c->source) {
      collect(c, k[i]);
    } else {
      info_of_kernel(c, k[i], "");
      *(void **)&out[i] = symbol_of(c, k[i], "_task");
    }
  bed = c;
  ndim = m->ndim;
  return !c->source;
}

bool cuda_bed_run_copy(CudaBed *c, KernelRun *r, const LKernel *k, const char *suffix, int order) {
  BigsFrame f = {r->arg, r->sym, r->scalar};
  const char *wrong = loop_verify(r->arena, k);
  ck_assert_msg(!wrong, "%s", wrong);
  bed = c;
  ndim = MAX_SYMS;
  if (c->source) {
    collect(c, k);
    return false;
  }
  wrong = launch(info_of_kernel(c, k, suffix), &f, order);
  ck_assert_msg(!wrong || *suffix, "%s: %s", k->name, wrong);
  return !wrong;
}

bool cuda_bed_run(CudaBed *c, KernelRun *r, const LKernel *k, int order) {
  return cuda_bed_run_copy(c, r, k, "", order);
}

// ---- compiling

bool cuda_bed_possible(const char *suite) {
  bool found = system("command -v g++ >/dev/null") == 0;
  if (!found)
    fprintf(stderr, "%s: skipped, g++ is not installed\n", suite);
  return found;
}

static char *path_of(const CudaBed *c, const char *name, char *path) {
  snprintf(path, TEST_PATH + 32, "%s/%s", c->dir, name);
  return path;
}

void cuda_bed_collect(CudaBed *c) {
  char path[TEST_PATH + 32];
  *c = (CudaBed){.code = {.make = make, .runs = ORDERS}};
  test_make_dir(c->dir);
  c->source = fopen(path_of(c, "kernels.cu", path), "w");
  ck_assert_ptr_nonnull(c->source);
  fputs(cuda_prelude(), c->source);
  fputs(head, c->source);
}

bool cuda_bed_unsync(CudaBed *c, const char *behind, int n) {
  static const char sync[] = "__syncthreads();";
  char path[TEST_PATH + 32];
  size_t size;
  BigsError e = {0};
  fflush(c->source);
  char *text = file_read(path_of(c, "kernels.cu", path), 1 << 24, &size, &e);
  ck_assert_msg(text != NULL, "%s", e.text);
  char *at = strstr(text, behind);
  at = at ? strstr(at, sync) : NULL;
  while (at && n--)
    at = strstr(at + 1, sync);
  if (at)
    fseek(c->source, at - text, SEEK_SET);
  bool found = at && fprintf(c->source, "%*s", (int)sizeof sync - 1, ";") > 0;
  free(text);
  return found;
}

void cuda_bed_open(CudaBed *c, const char *so) {
  c->code = (PlanCode){.make = make, .runs = ORDERS};
  c->so = dlopen(so, RTLD_NOW | RTLD_LOCAL);
  ck_assert_msg(c->so != NULL, "%s", dlerror());
  CudaRunFn **run;
  *(void **)&run = dlsym(c->so, "cuda_run");
  *run = run_task;
}

void cuda_bed_compile(CudaBed *c) {
  char command[4 * TEST_PATH], path[TEST_PATH + 32];
  const char *src = test_source_dir();
  fclose(c->source);
  c->source = NULL;
  snprintf(command, sizeof command,
           "g++ -std=c++17 %s -ffp-contract=off -Wall -Wextra -Werror -I'%s' -include "
           "'%s/tests/cuda/shim.h' -x c++ '%s/kernels.cu' -shared -fPIC -o '%s/kernels.so'",
           suites_full() ? "-O1" : "-O0 -DSHIM_OPTIMIZED", src, src, c->dir,
           c->dir); // g++ takes longer than the tests
  ck_assert_msg(system(command) == 0, "%s", command);
  cuda_bed_open(c, path_of(c, "kernels.so", path));
}

void cuda_bed_free(CudaBed *c) {
  if (c->so)
    dlclose(c->so);
  map_free(&c->known);
  if (*c->dir)
    test_remove_dir(c->dir);
}

void cuda_bed_launch(const CudaBed *c, const char *name, unsigned threads, const uint64_t *frame,
                     size_t words, int order) {
  ShimLaunchFn *start;
  void (*kernel)(void);
  char error[1024];
  *(void **)&start = dlsym(c->so, "shim_launch");
  *(void **)&kernel = dlsym(c->so, name);
  ck_assert_msg(start && kernel, "there is no %s", name);
  ck_assert_msg(
      !start(kernel, 1, threads, 0, frame, words * sizeof *frame, order, error, sizeof error), "%s",
      error);
}

// ---- mutants

typedef struct CudaMutant {
  CudaInfo *info;
  void (*kernel)(void);
} CudaMutant;

void cuda_bed_write(CudaBed *c, const char *path) {
  char command[4 * TEST_PATH], from[TEST_PATH + 32];
  fclose(c->source);
  c->source = NULL;
  snprintf(command, sizeof command, "cp '%s' '%s'", path_of(c, "kernels.cu", from), path);
  ck_assert_msg(system(command) == 0, "%s", command);
}

int cuda_bed_mutants(const CudaBed *c) {
  const int *n = dlsym(c->so, "cuda_mutant_count");
  ck_assert_ptr_nonnull(n);
  return *n;
}

void cuda_bed_mutate(CudaBed *c, int i) {
  const CudaMutant *m = dlsym(c->so, "cuda_mutants");
  ck_assert_ptr_nonnull(m);
  m[i].info->kernel = m[i].kernel;
}
