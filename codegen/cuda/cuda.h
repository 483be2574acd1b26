// Loop IR to CUDA C++: readable kernels, float32, one warp a task.
//
// A kernel takes its frame by value: the struct NAME_frame, whose members are words of eight bytes
// in this order:
//   tasks, stride, scratch, arg[nargs], sym[nsyms], scalar[nscalars]     (arrays: of at least one)
// tasks is the number of tasks of the grid, stride the bytes of scratch that a warp has (at least
// loop_scratch_bytes, a multiple of 64), scratch points to as many for each warp of the launch
// (aligned to 64), arg to the arguments.  A block has CUDA_BLOCK threads, a grid any number of
// blocks: warps walk on until all tasks are done.  The results depend on neither.
// With maps of operands in its BigsLaunch (cuda_operands) there follow a word that is 0 where they could not be made, and
// from the next multiple of 128 bytes on the maps: see bigs_frame_words.
// A kernel that is `grouped` takes the struct NAME_group, three words of which the first is the address of
// frames: blocks of blockIdx.z do what the frame of that number says.
#ifndef BIGSC_CUDA_H
#define BIGSC_CUDA_H
#include "codegen/loop/loop.h"
#include "codegen/target.h"
#include "runtime/abi.h"
#include <stdio.h>

enum { CUDA_BLOCK = 256 };

// What kernels are planned for: any GPU.
Target *cuda_target(Arena *a, int opt);

// Puts steps of a program that are one launch next to each other, and says in their kernels (`grouped`)
// and in the tables how many they are.
void cuda_groups(Arena *a, BigsModule *m, LKernel *const *kernels);

// How a kernel is launched: a task is a warp's, or, where all it does is one product, a block's.
BigsLaunch cuda_form(const LKernel *k);
// Maps that the host makes of the kernel's arguments, and their number: `maps` of its form, 2 at most.
int cuda_operands(const LKernel *k, BigsMap *map);
// The same of all kernels of a module, whose steps are grouped before, and who takes frames: its table.
void cuda_launches(Arena *a, BigsModule *m, LKernel *const *kernels);

// Prints the kernel: its frame's struct and the __global__ function, both named after k->name.
// Requires: the kernel verifies, its name is one of C.  nsyms: dims of the module.
void cuda_kernel(FILE *f, const LKernel *k, int nsyms);
// The device functions, then n kernels: a source that is complete but for what CUDA itself declares.
void cuda_kernels(FILE *f, LKernel *const *k, int n, int nsyms);
const char *cuda_prelude(void); // the device functions that kernels call; once, in front of them
int cuda_frame_words(const LKernel *k, int nsyms);

typedef struct CudaFile {
  const BigsModule
      *module; // finished, except for `kernel`, `target` and `features`, which are ignored
  LKernel *const *kernels; // module->nkernel of them
} CudaFile;
// Prints the source of a compiled model, which will be called `path`: its first lines say how it is
// built.  Kernels are planned for plan_on_gpu, without builtins.
void cuda_file(FILE *f, Arena *a, const CudaFile *in, const char *path);
#endif
