// Runs CUDA C++ on the CPU, for tests.  A kernel is compiled as it is by
//   g++ -std=c++17 -O1 -ffp-contract=off -include tests/cuda/shim.h -x c++ X.cu -shared -fPIC -o X.so
// and run from C by shim_launch, which is found in X.so by dlsym.
//
// Every CUDA thread is a fiber on one thread of the system; a block ends before the next one starts.
// The shim makes visible what hardware leaves undefined:
//  - the five orders of threads and blocks: a kernel without a race gives the same bits in all;
//  - dynamic shared memory begins as NaN (all bits set), as does the target of a copy that nobody has
//    waited for: asynchronous copies take place at the wait;
//  - behind shared memory lie bytes that may not change, then pages that may not be touched;
//  - a barrier or an exchange that part of its threads reach, or that threads reach at different
//    lines, is an error that names kernel, block, thread and line, not a hang.
// It does not see the memory model's reordering, bank conflicts, or the rounding inside of tensor cores.
//
// Kernels take one struct by value, of more than 16 bytes, or nothing.  Shared memory is dynamic and
// declared outside of functions: `extern __shared__ float name[];`.  There are no atomics.
#ifndef SHIM_H
#define SHIM_H
#define BG_SHIM 1
#ifdef SHIM_OPTIMIZED // at -O0, where kernels run for longer than it takes to compile the shim with more
#pragma GCC push_options
#pragma GCC optimize("O1")
#endif
#include "shim_fiber.h"
#include "shim_meet.h"
#include "shim_cuda.h"
#include "shim_copy.h"
#include "shim_tensor.h"
#include "shim_bulk.h"
#include "shim_wgmma.h"
#include "shim_launch.h"
#ifdef SHIM_OPTIMIZED
#pragma GCC pop_options
#endif
#endif
