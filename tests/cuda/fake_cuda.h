// A driver of CUDA for the tests, on the CPU: fake_cuda.c, made a library that BIGSC_LIBCUDA names.
// Memory of its GPU cannot be touched by the host, has anything but zeros in it when it is new, and
// ends where a page without access begins.  Copies, fills and kernels run when somebody waits for
// them and not before, each stream by itself, so that a missing wait is seen.
#ifndef BIGSC_FAKE_CUDA_H
#define BIGSC_FAKE_CUDA_H
#include <stddef.h>
#include <stdint.h>

// `depth` grids of `blocks` of `threads`, each block with bytes of shared memory.
typedef struct FakeGrid {
  unsigned blocks, depth, threads, shared;
} FakeGrid;
// What a CUfunction points to.
typedef struct FakeFunction {
  // All warps of all blocks, with the words of the launch's parameter.
  void (*run)(const void *ctx, const uint64_t *word, const FakeGrid *grid);
  const void *ctx;
  int words; // of the parameter
} FakeFunction;
// A "cubin": functions k0, k1, ..., bg_words and bg_decide.  Or it is a library that fake_nvrtc.c made of CUDA C++.
typedef struct FakeImage {
  int count;
  const FakeFunction *function, *words, *decide;
} FakeImage;

// What the tests choose, and what they may look at.
typedef struct FakeCuda {
  int version, gpus, major, minor, processors, threads;
  size_t memory, taken; // bytes in all, and of them
  int no_memory_at;     // the n-th allocation fails, and those after it; 0: none
  int refuse_at;        // the n-th launch is refused, and nothing else
  int fault_at;         // the n-th launch touches what is not its own, which ends all
  int no_graph;         // no capture begins (1), or ends (2), or is made a graph (3)
  int contexts, current, streams, events, graphs, modules, areas; // there are so many now
  int launches, replays, allocations, waits, maps;                // there were so many
  int64_t fetched;                                                // bytes, to the host
} FakeCuda;
// The library's fake_cuda: the one of this process, set to what an H200 is like, but smaller.  A
// program that does not call it has that one too, but for what the environment says: FAKE_CUDA_GPUS,
// FAKE_CUDA_VERSION, FAKE_CUDA_MAJOR, FAKE_CUDA_FAULT_AT, FAKE_CUDA_NO_GRAPH,
// FAKE_CUDA_KIB.
typedef FakeCuda *FakeCudaNew(void);
#endif
