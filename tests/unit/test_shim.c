// The shim on which printed CUDA kernels are tested (tests/cuda/shim.h): hand-written kernels give the
// same right bits in every order of threads, and every mistake that is planted in them is found.
#include "tests/cuda/frame.h"
#include "tests/unit/command.h"
#include "tests/unit/kernels.h"
#include "tests/unit/suites.h"
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ORDERS = 5, WORDS = sizeof(Frame) / 8 };

typedef int ShimLaunch(void (*kernel)(void), unsigned grid, unsigned block, size_t shared_bytes,
                       const void *params, size_t param_bytes, int order, char *error,
                       size_t error_size);

// One problem of a kernel: its frame, how much it writes, and what that should be.
typedef struct ShimWork {
  Frame f;
  size_t count;
  double *want;
} ShimWork;

// A kernel: its file, the name without the number of the mistake, how it is launched.
typedef struct ShimKernel {
  const char *file, *name;
  unsigned grid, block;
  size_t shared;
  void (*make)(ShimWork *w);
  double tolerance; // of what is computed, relative to 1 + |want|
} ShimKernel;

// A file of kernels, and the GPUs that nvcc compiles it for.
#define ARCH(n) " -gencode arch=compute_" n ",code=sm_" n
static const struct {
  const char *name, *arch;
} files[] = {
    {"reduce", ARCH("80") ARCH("90a")},
    {"transpose", ARCH("80") ARCH("90a")},
    {"tensor", ARCH("80") ARCH("90a")},
    {"hopper", ARCH("90a")},
};
enum { NFILES = sizeof files / sizeof *files };
static char dir[TEST_PATH];

static void *library(const char *file) {
  char path[TEST_PATH + 32];
  snprintf(path, sizeof path, "%s/%s.so", dir, file);
  void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  ck_assert_msg(so != NULL, "%s", dlerror());
  return so;
}

static void *symbol(void *so, const char *name) {
  void *p = dlsym(so, name);
  ck_assert_msg(p != NULL, "%s", dlerror());
  return p;
}

static float *numbers(long long n, uint64_t seed) {
  float *x = guarded((size_t)n * sizeof *x);
  for (long long i = 0; i < n; i++)
    x[i] = test_uniform(&seed);
  return x;
}

static void results(ShimWork *w, long long n) {
  w->count = (size_t)n;
  w->f.y = guarded((size_t)n * sizeof(float));
  w->want = calloc((size_t)n, sizeof *w->want);
}

static void make_block_sum(ShimWork *w) {
  const float *a = w->f.a = numbers(w->f.m * w->f.n, 1);
  results(w, w->f.m);
  for (long long m = 0; m < w->f.m; m++)
    for (long long n = 0; n < w->f.n; n++)
      w->want[m] += (double)a[m * w->f.n + n];
}

static void make_warp_max(ShimWork *w) {
  const float *a = w->f.a = numbers(w->f.m * w->f.n, 2);
  results(w, w->f.m);
  for (long long m = 0; m < w->f.m; m++) {
    const float *row = a + m * w->f.n;
    w->want[m] = -1e30;
    for (long long n = 1; n < w->f.n; n += 2)
      w->want[m] = fmax(w->want[m], (double)(row[n - 1] + row[n]));
  }
}

static void make_transpose(ShimWork *w) {
  const float *a = w->f.a = numbers(w->f.m * w->f.n, 3);
  results(w, w->f.m * w->f.n);
  for (long long m = 0; m < w->f.m; m++)
    for (long long n = 0; n < w->f.n; n++)
      w->want[n * w->f.m + m] = (double)a[m * w->f.n + n];
}

// What a number becomes with `bits` fewer bits of fraction.
static float rounded(float x, int bits) {
  uint32_t b;
  memcpy(&b, &x, sizeof b);
  b = (b + (1u << (bits - 1))) >> bits << bits;
  memcpy(&x, &b, sizeof b);
  return x;
}

// A matrix of bf16 whose rows lie at multiples of 8 numbers; NaN between them.
static uint16_t *bf16_rows(const float *x, long long rows, long long columns) {
  long long stride = (columns + 7) / 8 * 8;
  uint16_t *y = guarded((size_t)(rows * stride) * sizeof *y);
  memset(y, 0xff, (size_t)(rows * stride) * sizeof *y);
  for (long long i = 0; i < rows * columns; i++) {
    uint32_t b;
    memcpy(&b, &x[i], sizeof b);
    y[i / columns * stride + i % columns] = (uint16_t)(b >> 16);
  }
  return y;
}

static float *rounded_numbers(long long n, uint64_t seed, int bits) {
  float *x = numbers(n, seed);
  for (long long i = 0; i < n; i++)
    x[i] = rounded(x[i], bits);
  return x;
}

static void want_product(ShimWork *w, const float *a, const float *b) {
  results(w, w->f.m * w->f.n);
  for (long long m = 0; m < w->f.m; m++)
    for (long long n = 0; n < w->f.n; n++)
      for (long long k = 0; k < w->f.k; k++)
        w->want[m * w->f.n + n] += (double)a[m * w->f.k + k] * (double)b[k * w->f.n + n];
}

static void make_product(ShimWork *w) {
  const float *a = rounded_numbers(w->f.m * w->f.k, 4, 16);
  const float *b = rounded_numbers(w->f.k * w->f.n, 5, 16);
  w->f.a = bf16_rows(a, w->f.m, w->f.k);
  w->f.b = bf16_rows(b, w->f.k, w->f.n);
  want_product(w, a, b);
}

static void make_product_tf32(ShimWork *w) {
  w->f.a = numbers(w->f.m * w->f.k, 6);
  w->f.b = numbers(w->f.k * w->f.n, 7);
  want_product(w, rounded_numbers(w->f.m * w->f.k, 6, 13), rounded_numbers(w->f.k * w->f.n, 7, 13));
}

typedef const char *ShimMap(void *map, const void *base, int element, long long columns,
                            long long rows, long long stride, int box_columns, int box_rows,
                            int swizzle);

// A map of boxes of 64 x 64, with rows of 128 bytes that are swizzled.
static void *map_of(const uint16_t *x, long long rows, long long columns) {
  void *so = library("hopper"), *map = guarded(128);
  ShimMap *make;
  *(void **)&make = symbol(so, "shim_tensor_map");
  const char *wrong = make(map, x, 2, columns, rows, (columns + 7) / 8 * 16, 64, 64, 128);
  ck_assert_msg(!wrong, "%s", wrong);
  dlclose(so);
  return map;
}

// The same, of b transposed.
static void make_product_wgmma(ShimWork *w) {
  const Frame f = w->f;
  float *a = rounded_numbers(f.m * f.k, 8, 16), *b = rounded_numbers(f.k * f.n, 9, 16);
  float *columns = numbers(f.n * f.k, 0);
  for (long long n = 0; n < f.n; n++)
    for (long long k = 0; k < f.k; k++)
      columns[n * f.k + k] = b[k * f.n + n];
  w->f.a = map_of(bf16_rows(a, f.m, f.k), f.m, f.k);
  w->f.b = map_of(bf16_rows(columns, f.n, f.k), f.n, f.k);
  want_product(w, a, b);
}

enum {
  BLOCK_SUM,
  WARP_MAX,
  TRANSPOSE,
  PRODUCT,
  PRODUCT_TF32,
  PRODUCT_WGMMA,
  PRODUCT_WGMMA_128,
  PRODUCT_WGMMA_256,
  NKERNELS
};
static const ShimKernel kernels[NKERNELS] = {
    {"reduce", "block_sum", 3, 256, 8 * 4, make_block_sum, 1e-5},
    {"reduce", "warp_max", 2, 64, 2 * 32 * 4, make_warp_max, 1e-7},
    {"transpose", "transpose", 2, 256, 32 * 33 * 4, make_transpose, 0},
    {"tensor", "product", 40, 64, 2 * (32 + 16) * 24 * 2, make_product, 4e-6},
    {"tensor", "product_tf32", 80, 32, 0, make_product_tf32, 4e-6},
    {"hopper", "product_wgmma", 10, 160, 2 * (64 + 64) * 128 + 1024 + 32, make_product_wgmma, 4e-6},
    {"hopper", "product_wgmma_128", 5, 160, 2 * (64 + 128) * 128 + 1024 + 32, make_product_wgmma,
     4e-6},
    {"hopper", "product_wgmma_256", 3, 160, 2 * (64 + 256) * 128 + 1024 + 32, make_product_wgmma,
     4e-6},
};

// Ragged, and with more rows than the grid has blocks.
static const long long sizes[][3] = {{1, 2, 3},    {7, 66, 16}, {34, 40, 49},
                                     {65, 33, 70}, {9, 600, 8}, {70, 70, 300}};
enum { NSIZES = sizeof sizes / sizeof *sizes };

// The number of a mistake, and what the shim says of it; NULL: nothing, the results are wrong.
typedef struct Planted {
  int kernel, error;
  const char *says;
} Planted;
static const Planted planted[] = {
    {BLOCK_SUM, 1, NULL},
    {BLOCK_SUM, 2, NULL},
    {BLOCK_SUM, 3, "other threads wait for this one in __syncthreads at reduce.cu:"},
    {BLOCK_SUM, 4, "byte 32 of shared memory was written, which has 32"},
    {BLOCK_SUM, 5, "touches memory that is not its own: address"},
    {BLOCK_SUM, 6, "has 255 of 256 threads; thread 77 has ended"},
    {WARP_MAX, 1, NULL},
    {WARP_MAX, 2, NULL},
    {WARP_MAX, 3, "__shfl_xor_sync at reduce.cu:"},
    {WARP_MAX, 4, "other threads wait for this one in __shfl_xor_sync at reduce.cu:"},
    {WARP_MAX, 5, "__shfl_xor_sync at reduce.cu:"},
    {TRANSPOSE, 1, NULL},
    {TRANSPOSE, 2, NULL},
    {TRANSPOSE, 3, "touches memory that is not its own: address"},
    {TRANSPOSE, 4, "of shared memory was written, which has 4224"},
    {TRANSPOSE, 5, "of shared memory, which has 4224"},
    {PRODUCT, 1, NULL},
    {PRODUCT, 2, NULL},
    {PRODUCT, 3, NULL},
    {PRODUCT, 4, NULL},
    {PRODUCT, 5, "touches memory that is not its own: address"},
    {PRODUCT, 6, NULL},
    {PRODUCT, 7, NULL},
    {PRODUCT, 8, "bg_ldmatrix_x4 at tensor.cu:"},
    {PRODUCT, 9, "bg_mma_16816 at tensor.cu:"},
    {PRODUCT, 10, "of shared memory, which has 4608"},
    {PRODUCT, 11, "copies that it has not waited for"},
    {PRODUCT_TF32, 1, NULL},
    {PRODUCT_TF32, 2, "touches memory that is not its own: address"},
    {PRODUCT_TF32, 3, NULL},
    {PRODUCT_WGMMA, 1, NULL},
    {PRODUCT_WGMMA, 2, "one arrival more than the 1 of this phase"},
    {PRODUCT_WGMMA, 3, "one arrival more than the 1 of this phase"},
    {PRODUCT_WGMMA, 4, "no thread can go on: thread 0 is in bg_mbarrier_wait at hopper.cu:"},
    {PRODUCT_WGMMA, 5, "copies that nobody has waited for"},
    {PRODUCT_WGMMA, 6, "lacks 0 of 1 arrivals and 16 bytes"},
    {PRODUCT_WGMMA, 7, "begins no matrix"},
    {PRODUCT_WGMMA, 8, "lacks 1 of 2 arrivals and 0 bytes"},
    {PRODUCT_WGMMA, 9, NULL},
    {PRODUCT_WGMMA, 10, "the barrier is not initialised"},
    {PRODUCT_WGMMA, 11, NULL},
    {PRODUCT_WGMMA, 12, "begins no matrix"},
    {PRODUCT_WGMMA, 13, "bg_barrier at hopper.cu:"},
};

static void compile(const char *file) {
  char command[4 * TEST_PATH];
  const char *src = test_source_dir();
  snprintf(command, sizeof command,
           "g++ -std=c++17 -O1 -ffp-contract=off -Wall -Wextra -Wno-unknown-pragmas -Werror -I'%s' "
           "-include "
           "'%s/tests/cuda/shim.h' -x c++ '%s/tests/cuda/%s.cu' -shared -fPIC -o '%s/%s.so'",
           src, src, src, file, dir, file);
  ck_assert_msg(system(command) == 0, "%s", command);
}

// Each file once, for all tests.
static void compile_all(void) {
  test_make_dir(dir);
  for (int i = 0; i < NFILES; i++)
    compile(files[i].name);
}

static void remove_all(void) {
  test_remove_dir(dir);
}

static ShimWork work(const ShimKernel *k, int size) {
  ShimWork w = {.f = {.m = sizes[size][0], .n = sizes[size][1], .k = sizes[size][2]}};
  k->make(&w);
  return w;
}

// Launches variant `error`; y begins as NaN.
static int launch(const ShimKernel *k, int error, const ShimWork *w, int order, char *text,
                  size_t room) {
  char name[64];
  void *so = library(k->file);
  snprintf(name, sizeof name, "%s_%d", k->name, error);
  ShimLaunch *run;
  void (*kernel)(void);
  *(void **)&run = symbol(so, "shim_launch");
  *(void **)&kernel = symbol(so, name);
  memset(w->f.y, 0xff, w->count * sizeof(float));
  int bad = run(kernel, k->grid, k->block, k->shared, &w->f, sizeof w->f, order, text, room);
  dlclose(so);
  return bad;
}

static bool right(const ShimKernel *k, const ShimWork *w) {
  for (size_t i = 0; i < w->count; i++)
    if (!(fabs((double)w->f.y[i] - w->want[i]) <= k->tolerance * (1 + fabs(w->want[i]))))
      return false;
  return true;
}

START_TEST(right_kernels_give_equal_bits_in_every_order) {
  const ShimKernel *k = &kernels[_i];
  for (int s = 0; s < NSIZES; s++) {
    ShimWork w = work(k, s);
    float *first = malloc(w.count * sizeof *first);
    char text[1024];
    for (int order = 0; order < ORDERS; order++) {
      ck_assert_msg(!launch(k, 0, &w, order, text, sizeof text), "order %d: %s", order, text);
      ck_assert_msg(right(k, &w), "%s of size %d is wrong in order %d", k->name, s, order);
      if (!order)
        memcpy(first, w.f.y, w.count * sizeof *first);
      ck_assert_msg(!memcmp(first, w.f.y, w.count * sizeof *first), "other bits in order %d",
                    order);
    }
    free(first);
    free(w.want);
  }
}
END_TEST

// What a GPU has no room for is refused before it runs.
static const struct {
  unsigned grid, block;
  size_t shared, bytes;
  const char *says;
} refused[] = {
    {0, 32, 0, 48, "a grid of 0 blocks"},
    {1, 0, 0, 48, "blocks of 0 threads"},
    {1, 1025, 0, 48, "blocks of 1025 threads"},
    {1, 32, 232449, 48, "232449 bytes of shared memory"},
    {1, 32, 0, 16, "parameters of 16 bytes"},
    {1, 32, 0, 4097, "parameters of 4097 bytes"},
};

START_TEST(what_has_no_room_is_refused) {
  char text[1024];
  void *so = library("reduce");
  ShimLaunch *run;
  void (*kernel)(void);
  *(void **)&run = symbol(so, "shim_launch");
  *(void **)&kernel = symbol(so, "block_sum_0");
  static const uint64_t params[513];
  int bad = run(kernel, refused[_i].grid, refused[_i].block, refused[_i].shared, params,
                refused[_i].bytes, 0, text, sizeof text);
  ck_assert_msg(bad && strstr(text, refused[_i].says) && strstr(text, "kernel block_sum_0: "),
                "\"%s\", not \"%s\"", text, refused[_i].says);
  dlclose(so);
}
END_TEST

// The CUDA compiler, or NULL.
static const char *nvcc(void) {
  static const char *const names[] = {"nvcc", "/usr/local/cuda/bin/nvcc"};
  char command[64];
  for (int i = 0; i < 2; i++) {
    snprintf(command, sizeof command, "%s --version >/dev/null 2>&1", names[i]);
    if (!system(command))
      return names[i];
  }
  return NULL;
}

static void check_silent(const char *command) {
  char text[4096];
  FILE *f = popen(command, "r");
  ck_assert_ptr_nonnull(f);
  size_t n = fread(text, 1, sizeof text - 1, f);
  text[n] = 0;
  ck_assert_msg(pclose(f) == 0 && !n, "%s: %s", command, text);
}

// The same sources for GPUs: no warning, and no register is spilled.  Where there is no nvcc, this shows nothing.
START_TEST(nvcc_takes_the_kernels) {
  char command[4 * TEST_PATH];
  const char *compiler = nvcc(), *src = test_source_dir();
  if (!compiler)
    return;
  snprintf(command, sizeof command,
           "%s -std=c++17 -I'%s'%s -Werror all-warnings -Xptxas -warn-spills,-warn-lmem-usage "
           "-fatbin '%s/tests/cuda/%s.cu' -o '%s/%s.fatbin' 2>&1",
           compiler, src, files[_i].arch, src, files[_i].name, dir, files[_i].name);
  check_silent(command);
}
END_TEST

// Is the mistake seen at this size, as the table says?
static bool found(const Planted *p, int size, char *text, size_t room) {
  const ShimKernel *k = &kernels[p->kernel];
  ShimWork w = work(k, size);
  bool seen = false;
  for (int order = 0; order < ORDERS && !seen; order++) {
    int bad = launch(k, p->error, &w, order, text, room);
    seen = p->says ? bad && strstr(text, p->says) : !bad && !right(k, &w);
  }
  free(w.want);
  return seen;
}

START_TEST(a_planted_mistake_is_found) {
  const Planted *p = &planted[_i];
  char text[1024] = "";
  bool seen = false;
  for (int s = 0; s < NSIZES && !seen; s++)
    seen = found(p, s, text, sizeof text);
  ck_assert_msg(seen, "%s_%d: \"%s\", not \"%s\"", kernels[p->kernel].name, p->error, text,
                p->says ? p->says : "(wrong results)");
  if (getenv("SHIM_SHOW"))
    fprintf(stderr, "%s_%d: %s\n", kernels[p->kernel].name, p->error, p->says ? text : "wrong");
}
END_TEST

Suite *shim_suite(void) {
  Suite *s = suite_create("shim");
  TCase *t = tcase_create("shim");
  tcase_add_unchecked_fixture(t, compile_all, remove_all);
  tcase_set_timeout(t, 120);
  tcase_add_loop_test(t, right_kernels_give_equal_bits_in_every_order, 0, NKERNELS);
  tcase_add_loop_test(t, what_has_no_room_is_refused, 0, sizeof refused / sizeof *refused);
  tcase_add_loop_test(t, nvcc_takes_the_kernels, 0, NFILES);
  tcase_add_loop_test(t, a_planted_mistake_is_found, 0, sizeof planted / sizeof *planted);
  suite_add_tcase(s, t);
  return s;
}
