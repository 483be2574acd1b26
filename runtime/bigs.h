// The interface of compiled models, for C and C++: what a model.so describes of itself (bigs_info),
// and the handle behind it. A model.h made by bigsc includes nothing but this.
//
// Functions that return int return 0 or an exit status: 1 the model or the data is wrong, 2 wrong
// use, 3 a file or a checkpoint, 4 not-a-number or infinity, 70 a bug in bigsc.  Handles are
// independent of each other; each is used by one thread at a time.  Nothing here prints, exits or
// keeps global state.
#ifndef BIGS_H
#define BIGS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

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
  const bigs_info_tensor
      *parameter;          // names as in a native checkpoint; no axis is known at run time only
  int64_t parameter_count; // numbers in all parameters together (a complex one is two)
  int64_t parameter_bytes; // memory for them
  // Model FLOPs of one call: 2mnk a contraction, attention in full, a training step three times its
  // forward pass.  dims: one for each of info->dim, in that order; those the entry does not use are
  // ignored.  Negative when a dim is out of bounds.
  double (*flops)(const bigs_info *info, int program, const int64_t *dims);
  // Bytes that a call keeps besides the parameters: activations as placed (a training step:
  // gradients and moments too). Scratch memory of threads is not in it.  Negative when a dim is out
  // of bounds or memory is short.
  int64_t (*memory)(const bigs_info *info, int program, const int64_t *dims);
  const void *module; // internal
};

// ---- what the functions of a model.h are made of
typedef struct BigsModule BigsModule;
typedef struct bigs_model bigs_model;

typedef struct bigs_options {
  uint64_t seed;       // of fresh parameters, dropout, data
  int threads;         // 0: as many as the process may use
  const char *weights; // file or folder, as bigs_model_load; NULL: fresh parameters
  int unset; // 1: leave the parameters zero (weights NULL): they are set or loaded by and by
  // Asked before each large allocation; 0 refuses it, which fails the call that needed it.  NULL:
  // all are allowed.
  int (*may_allocate)(void *ctx, size_t bytes);
  void *ctx;
} bigs_options;

// A handle, or NULL with the reason in `error` (at most error_size bytes, terminated; may be NULL).
// A CPU that lacks module->features is a reason.
bigs_model *bigs_model_open(const BigsModule *module, const char *weights, char *error,
                            size_t error_size);
bigs_model *bigs_model_open_with(const BigsModule *module, const bigs_options *options, char *error,
                                 size_t error_size);
void bigs_model_close(bigs_model *m); // NULL is allowed
// Why the last call on m failed: one line; "" when it did not.  Valid until the next call.
const char *bigs_model_error(const bigs_model *m);
// What the last load has to say ("head.*: not in FILE, starts fresh"), lines ended by \n; "" when
// nothing.
const char *bigs_model_notes(const bigs_model *m);

// Number of the entry or train block so named, or -1.
int bigs_model_entry(const BigsModule *module, const char *name);
int bigs_model_train(const BigsModule *module, const char *name);

// Runs program `program` (an entry) forward.  dims: one for every dim of the module, in its order
// (ignored where the entry does not use it); inputs and outputs: in the program's order.  A NULL
// optional input takes its default.
int bigs_model_run(bigs_model *m, int program, const int64_t *dims, const void *const *inputs,
                   void *const *outputs);
// Loss and gradients of train block `train` (bigs_model_train); nothing is updated.  Dropout draws
// as in the step that bigs_model_step would do next.
int bigs_model_grad(bigs_model *m, int train, const int64_t *dims, const void *const *inputs,
                    float *loss);
// Forward, backward, clipping, optimizer, by the block's own recipe.  *loss: before the update.
// When the loss or a gradient is not finite, the status is 4 and the parameters are as before.
int bigs_model_step(bigs_model *m, int train, const int64_t *dims, const void *const *inputs,
                    float *loss);

// Parameters as safetensors, replaced at once.  names: a checkpoint block whose names and layout to
// write; NULL: native.
int bigs_model_save(bigs_model *m, const char *path, const char *names);
// path: a safetensors file, or a folder that holds model.safetensors and perhaps config.json. Names
// are native or those of a checkpoint block, told apart by themselves.  On failure the parameters
// may be partly changed.
int bigs_model_load(bigs_model *m, const char *path);

// Parameter number `index`, dense and row-major in its declared order, as its dtype (f32, or f64;
// complex as pairs), or its gradient, or its moments: nothing but the layout changes.  The
// gradient: after bigs_model_grad or step.
typedef enum { BIGS_THE_WEIGHT, BIGS_THE_GRADIENT, BIGS_THE_MOMENT1, BIGS_THE_MOMENT2 } bigs_what;
int bigs_model_parameter(const BigsModule *module, const char *name); // its number, or -1
int bigs_model_get(bigs_model *m, bigs_what what, int index, void *dense);
int bigs_model_set(bigs_model *m, bigs_what what, int index, const void *dense);

// Tables of a module in public form.  The first form is freed by the caller.  The second keeps it
// in *cache, which starts NULL, is static data, and may be raced for; it is freed when the program
// ends or the library that holds it is unloaded.
bigs_info *bigs_info_new(const BigsModule *module);
void bigs_info_free(bigs_info *info);
const bigs_info *bigs_info_once(const BigsModule *module, void **cache);

#ifdef __cplusplus
}
#endif
#endif
