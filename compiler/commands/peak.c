// The FMA peak: independent chains of multiply-adds in registers, long enough to hide their
// latency.
#include "compiler/commands/peak.h"
#include "base/bug.h"
#include "base/clock.h"
#include "compiler/sema/blas.h"
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { CHAINS = 12, LENGTH = 2000000, RUNS = 5 };

#if defined(__x86_64__)
#include <immintrin.h>
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
// Floating-point operations done; `sink` and the empty asm keep the compiler from folding the
// chains, which have names so that every compiler keeps them in registers.
#define CHAIN_FUNCTION(name, isa, lanes, Lanes, set1)                                              \
  __attribute__((target(isa))) static double name(float *sink) {                                   \
    Lanes x = set1(0.9999999f), y = set1(1e-9f);                                                   \
    EACH(DECLARE_##Lanes)                                                                          \
    for (long n = 0; n < LENGTH; n++) {                                                            \
      EACH(STEP_##Lanes)                                                                           \
    }                                                                                              \
    float out[lanes];                                                                              \
    EACH(SUM_##Lanes)                                                                              \
    return 2.0 * (lanes) * CHAINS * LENGTH;                                                        \
  }
#define DECLARE(k, Lanes, set1) Lanes a##k = set1((float)k);
#define STEP(k, fma, constraint)                                                                   \
  a##k = fma(a##k, x, y);                                                                          \
  __asm__("" : constraint(a##k));
#define SUM(k, store)                                                                              \
  store(out, a##k);                                                                                \
  *sink += out[0];
#define DECLARE___m512(k) DECLARE(k, __m512, _mm512_set1_ps)
#define STEP___m512(k) STEP(k, _mm512_fmadd_ps, "+v")
#define SUM___m512(k) SUM(k, _mm512_storeu_ps)
#define DECLARE___m256(k) DECLARE(k, __m256, _mm256_set1_ps)
#define STEP___m256(k) STEP(k, _mm256_fmadd_ps, "+x")
#define SUM___m256(k) SUM(k, _mm256_storeu_ps)
#define DECLARE___m128(k) DECLARE(k, __m128, _mm_set1_ps)
#define STEP___m128(k) STEP(k, multiply_add, "+x")
#define SUM___m128(k) SUM(k, _mm_storeu_ps)
static inline __m128 multiply_add(__m128 a, __m128 x, __m128 y) {
  return _mm_add_ps(_mm_mul_ps(a, x), y);
}
#define DOT(a, x, y) _mm512_dpbf16_ps(a, (__m512bh)(x), (__m512bh)(y))
#define DECLARE_Dots(k) DECLARE___m512(k)
#define STEP_Dots(k) STEP(k, DOT, "+v")
#define SUM_Dots(k) SUM___m512(k)
typedef __m512 Dots;
CHAIN_FUNCTION(chain_dot, "avx512f,avx512bf16", 32, Dots, _mm512_set1_ps)
CHAIN_FUNCTION(chain_v4, "avx512f", 16, __m512, _mm512_set1_ps)
CHAIN_FUNCTION(chain_v3, "avx2,fma", 8, __m256, _mm256_set1_ps)
CHAIN_FUNCTION(chain_v1, "sse2", 4, __m128, _mm_set1_ps)
#endif

// AMX: four tiles of sums, 16 x 16 x 32 multiplications each.
#if defined(__x86_64__)
__attribute__((target("amx-tile,amx-bf16"))) static double chain_tiles(void) {
  struct {
    unsigned char palette, start, none[14];
    unsigned short row_bytes[16];
    unsigned char rows[16];
  } config = {.palette = 1};
  for (int i = 0; i < 6; i++)
    config.row_bytes[i] = 64, config.rows[i] = 16;
  __asm__ volatile("" : : "r"(&config) : "memory"); // some compilers take the table for unread
  _tile_loadconfig(&config);
  _tile_zero(4);
  _tile_zero(5);
  for (long n = 0; n < LENGTH / 4; n++) {
    _tile_dpbf16ps(0, 4, 5);
    _tile_dpbf16ps(1, 4, 5);
    _tile_dpbf16ps(2, 4, 5);
    _tile_dpbf16ps(3, 4, 5);
  }
  _tile_release();
  return 2.0 * 16 * 16 * 32 * LENGTH;
}
#endif

PeakUnit peak_unit(const char *features) {
  if (!features)
    return PEAK_F32;
  return strstr(features, "amx-bf16")     ? PEAK_TILES
         : strstr(features, "avx512bf16") ? PEAK_DOT
                                          : PEAK_F32;
}

static double chains(PeakUnit unit, float *sink) {
#if defined(__x86_64__)
  if (unit == PEAK_TILES)
    return chain_tiles();
  if (unit == PEAK_DOT)
    return chain_dot(sink);
  if (__builtin_cpu_supports("avx512f"))
    return chain_v4(sink);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return chain_v3(sink);
  return chain_v1(sink);
#else
  (void)unit;
  float acc[CHAINS] = {0};
  for (long n = 0; n < LENGTH; n++)
    for (int k = 0; k < CHAINS; k++)
      acc[k] = fmaf(acc[k], 0.999f, 1e-9f);
  for (int k = 0; k < CHAINS; k++)
    *sink += acc[k];
  return 2.0 * CHAINS * LENGTH;
#endif
}

typedef struct PeakJob {
  PeakUnit unit;
  double flops;
  float sink;
} PeakJob;

static void *job(void *p) {
  PeakJob *j = p;
  j->flops = chains(j->unit, &j->sink);
  return NULL;
}

double peak_gflops(PeakUnit unit, int threads, double *got) {
  pthread_t *t = calloc((size_t)threads, sizeof *t);
  PeakJob *jobs = calloc((size_t)threads, sizeof *jobs);
  double best = 0, wall = 0, cpu = clock_cpu_seconds();
  if (!t || !jobs)
    out_of_memory();
  for (int i = 0; i < threads; i++)
    jobs[i].unit = unit;
  for (int run = 0; run < RUNS; run++) {
    double start = clock_seconds(), flops = 0;
    int n = 0;
    while (n < threads && !pthread_create(&t[n], NULL, job, &jobs[n]))
      n++;
    for (int i = 0; i < n; i++) {
      pthread_join(t[i], NULL);
      flops += jobs[i].flops;
    }
    double seconds = clock_seconds() - start, rate = flops / seconds / 1e9;
    wall += n * seconds;
    best = rate > best ? rate : best;
  }
  *got = wall > 0 ? (clock_cpu_seconds() - cpu) / wall : 1;
  free(t);
  free(jobs);
  return best;
}

double blas_gflops_here(int threads) {
  Blas blas;
  const char *why;
  return blas_load(&blas, threads, &why) ? blas_gflops(&blas, 1024, 768, 768) : 0;
}

// ---- memory

double peak_mib(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)u.ru_maxrss / 1024;
}

enum { COPY_BYTES = 48 << 20 }; // a thread: more than its share of any cache

typedef struct CopyJob {
  char *from, *to;
} CopyJob;

static void *copy_job(void *p) {
  CopyJob *j = p;
  memcpy(j->to, j->from, COPY_BYTES);
  return NULL;
}

// Seconds that all copies took together, started as one.
static double copy_seconds(pthread_t *t, CopyJob *jobs, int threads, int *ran) {
  double start = clock_seconds();
  *ran = 0;
  while (*ran < threads && !pthread_create(&t[*ran], NULL, copy_job, &jobs[*ran]))
    ++*ran;
  for (int i = 0; i < *ran; i++)
    pthread_join(t[i], NULL);
  return clock_seconds() - start;
}

double copy_gbytes(int threads) {
  pthread_t *t = calloc((size_t)threads, sizeof *t);
  CopyJob *jobs = calloc((size_t)threads, sizeof *jobs);
  char *all = malloc(2 * (size_t)threads * COPY_BYTES);
  double best = 0;
  if (!t || !jobs || !all)
    out_of_memory();
  memset(all, 1, 2 * (size_t)threads * COPY_BYTES);
  for (int i = 0; i < threads; i++)
    jobs[i] = (CopyJob){all + 2 * (size_t)i * COPY_BYTES, all + (2 * (size_t)i + 1) * COPY_BYTES};
  for (int run = 0; run < RUNS; run++) {
    int n;
    double seconds = copy_seconds(t, jobs, threads, &n), rate = 2e-9 * n * COPY_BYTES / seconds;
    best = rate > best ? rate : best;
  }
  free(all);
  free(t);
  free(jobs);
  return best;
}
