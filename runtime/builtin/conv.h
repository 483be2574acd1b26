// Causal convolution along a sequence, and its gradients: library steps of a program.
//
//   y[b][l][c] = sum_{j = 0..l}     k[j] u[b][l - j][c]
//   y[b][l][c] = sum_{j = 0..L-1-l} k[j] u[b][l + j][c]      with `reverse`
//
// in float32, 0 <= l < L, any L >= 1, any number of batch rows and channels, one kernel for all
// channels or one a channel. The gradient with respect to u is the same operation on dy with
// `reverse` flipped; that with respect to k is conv_grad below.
//
// Short sequences use a tile over the Toeplitz matrix, long ones an FFT that carries channels in
// vector lanes: two real signals share a complex lane, which is exact because kernels are real
// (Cooley and Tukey 1965; Oppenheim and Schafer, "Discrete-Time Signal Processing", 8.7).  Results
// agree with exact sums to about 1e-6 of the largest value.
// What is not finite spoils the sums that it has a part in, and no others; that costs time, only where it occurs.
//
// Work is cut into phases of independent tasks.  The caller owns the threads and all memory:
//
//   for (int p = 0; p < CONV_PHASES; p++)
//     pool_run(pool, conv_tasks(&args, p), call_conv_task, ...);
//
// where call_conv_task calls conv_task(&args, p, task, u, k, y, shared, scratch[thread]).
//
// `shared` is one block of conv_shared_bytes, kept from phase to phase; `scratch` one of
// conv_scratch_bytes a thread, garbage between tasks.  Both are 64-byte aligned.  The bits of the
// results do not depend on threads or on the order of tasks; they do depend on the plan's
// instruction set.
#ifndef BIGSC_RUNTIME_CONV_H
#define BIGSC_RUNTIME_CONV_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Tables for one L.  Immutable once made: threads and steps may share one.
typedef struct ConvPlan ConvPlan;
typedef enum ConvIsa { CONV_BEST, CONV_GENERIC, CONV_AVX2, CONV_AVX512 } ConvIsa;
// NULL when memory is short, when L < 1 or L > CONV_MAX_LENGTH, or when this CPU lacks `isa`.
enum { CONV_MAX_LENGTH = 1 << 24 };
ConvPlan *conv_plan_new(int64_t L, ConvIsa isa);
void conv_plan_free(ConvPlan *p); // NULL is allowed

// Strides count elements; channels of u and y are adjacent.
typedef struct ConvArgs {
  const ConvPlan *plan;
  int64_t nbatch, channels;
  int64_t u_batch, u_row, y_batch, y_row;
  int64_t k_row, k_channel; // element j of channel c's kernel is k[j k_row + c k_channel];
                            // k_channel 0: one for all
  bool reverse;
} ConvArgs;

enum { CONV_PHASES = 2 };                     // transform the kernel; convolve
size_t conv_shared_bytes(const ConvArgs *a);  // in all
size_t conv_scratch_bytes(const ConvArgs *a); // of one thread
int64_t conv_tasks(const ConvArgs *a, int phase);
// One task of a phase.  u and y are [nbatch][L][channels], k is [L][channels] or [L], by the
// strides of `a`.  y may be u when their strides are equal; else they must not overlap.  Nothing
// is allocated and nothing fails.
void conv_task(const ConvArgs *a, int phase, int64_t task, const float *u, const float *k, float *y,
               void *shared, void *scratch);

// dk[j] = sum over b, l (and c, when k_channel is 0) of
// dy[b][l][c] u[b][l - j][c], with `reverse` u[b][l + j][c].  It is written, not added.  In the
// arguments y_ strides are dy's and k_ strides are dk's.
enum { CONV_GRAD_PHASES = 2 }; // correlate by groups; add the groups' sums in order
size_t conv_grad_shared_bytes(const ConvArgs *a);
size_t conv_grad_scratch_bytes(const ConvArgs *a);
int64_t conv_grad_tasks(const ConvArgs *a, int phase);
void conv_grad_task(const ConvArgs *a, int phase, int64_t task, const float *u, const float *dy,
                    float *dk, void *shared, void *scratch);
#endif
