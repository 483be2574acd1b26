// Kernels as CUDA C++ on the shim (tests/cuda/shim.h), in place of the JIT's code.
//
// Two passes: kernels of all tests are collected first and compiled once, then the tests run.  Each check runs in all
// orders of the shim's threads, with grids of several sizes.
#ifndef BIGSC_CUDA_BED_H
#define BIGSC_CUDA_BED_H
#include "tests/unit/command.h"
#include "tests/unit/kernels.h"
#include "tests/unit/plan_bed.h"

typedef struct CudaBed {
  PlanCode code; // first: for PlanBed.code
  char dir[TEST_PATH];
  FILE *source; // while kernels are collected
  Map known;    // by the hash of their text
  void *so;
} CudaBed;
// Is there a g++?  Else says that the suite is skipped.
bool cuda_bed_possible(const char *suite);
void cuda_bed_collect(CudaBed *c);
// Takes the n-th __syncthreads() (from 0) behind a text out of what was collected; false: there are not so many.
bool cuda_bed_unsync(CudaBed *c, const char *behind, int n);
void cuda_bed_compile(CudaBed *c); // with g++; the test fails when there is a warning
void cuda_bed_free(CudaBed *c);
// A kernel of the prelude, of one block of so many threads, with the words of its frame.
void cuda_bed_launch(const CudaBed *c, const char *name, unsigned threads, const uint64_t *frame,
                     size_t words, int order);
// For planted errors (tests/cuda/mutate.sh): the text of the kernels collected goes to `path`; instead of compiling it, a
// library is opened that was made of it; its table of mutants has so many rows; row i takes its kernel's place.
void cuda_bed_write(CudaBed *c, const char *path);
void cuda_bed_open(CudaBed *c, const char *so);
int cuda_bed_mutants(const CudaBed *c);
void cuda_bed_mutate(CudaBed *c, int i);
// As run_kernel, in one order.  false: the kernels are only collected.
bool cuda_bed_run(CudaBed *c, KernelRun *r, const LKernel *k, int order);
// Collects a copy of the kernel, under its name with `suffix`, in a namespace of its own with other device functions.
void cuda_bed_copy(CudaBed *c, const LKernel *k, const char *suffix, const char *device);
// The same of such a copy ("": of the kernel).  Of a copy, false: the shim has found a mistake in it.
bool cuda_bed_run_copy(CudaBed *c, KernelRun *r, const LKernel *k, const char *suffix, int order);
#endif
