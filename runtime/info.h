// What a compiled model says of itself.  Headers made by bigsc carry this text, so that a program
// needs no other file.
#ifndef Bigs_info_H
#define Bigs_info_H
#include <stdint.h>

enum { BIGS_INFO_RANK = 8 };

typedef struct bigs_info_dim { // a dim that is known at run time only
  const char *name;
  int64_t bound; // largest allowed value; 0: none
} bigs_info_dim;
typedef struct bigs_info_value { // a dim or a let that was fixed when the model was compiled
  const char *name;
  double value;
} bigs_info_value;
typedef struct bigs_info_tensor { // dense, row-major, in the order of its axes
  const char *name;
  const char *dtype;  // "f32", "i32", "bool", "f64", "c64"
  int rank, optional; // optional: NULL may be passed, and stands for `fallback` everywhere
  double fallback;
  const char *axis[BIGS_INFO_RANK];
  int64_t size[BIGS_INFO_RANK];       // 0: known at run time, see `extent`
  const char *extent[BIGS_INFO_RANK]; // "768", "B", "B*L"
} bigs_info_tensor;
typedef struct bigs_info_entry { // an entry, or a train block
  const char *name;
  int program; // its number, for bigs_model_run and for flops and memory below
  int trains;  // 1: a train block; its output is the loss
  int ndim, ninput;
  const int *dim; // arguments: indices into bigs_info.dim, ascending
  const bigs_info_tensor *input;
  bigs_info_tensor output;
} bigs_info_entry;

typedef struct bigs_info bigs_info;
struct bigs_info {
  const char *model;   // "Bert"
  const char *version; // of the bigsc that compiled it
  const char *target;  // the CPU that it was compiled for, and the features it needs: "+avx2,+fma"
  const char *features;
  int ndim, nvalue, nentry, nparameter;
  const bigs_info_dim *dim;
  const bigs_info_value *value;
  const bigs_info_entry *entry;
  // names as in a native checkpoint; no axis is known at run time only
  const bigs_info_tensor *parameter;
  int64_t parameter_count; // numbers in all parameters together (a complex one is two)
  int64_t parameter_bytes; // memory for them
  // Model FLOPs of one call: 2mnk a contraction, attention in full, a training step three times its
  // forward pass.  dims: one for each of info->dim, in that order; those the entry does not use are
  // ignored.  Negative when a dim is out of bounds or a size too large to count.
  double (*flops)(const bigs_info *info, int program, const int64_t *dims);
  // Bytes that a call keeps besides the parameters: activations as placed (a training step:
  // gradients and moments too). Scratch memory of threads is not in it.  Negative when a dim is out
  // of bounds or memory is short.
  int64_t (*memory)(const bigs_info *info, int program, const int64_t *dims);
  const void *module; // internal
};
#endif
