// What the functions of a compiled model are made of: the handle behind them, the tables of info.h
// and options.h.
//
// Functions that return int return 0 or an exit status: 1 the model or the data is wrong, 2 wrong
// use, 3 a file or a checkpoint, 4 not-a-number or infinity, 70 a bug in bigsc.  Handles are
// independent of each other; each is used by one thread at a time.  Nothing here prints, exits or
// keeps global state.
#ifndef BIGSC_RUNTIME_BIGS_H
#define BIGSC_RUNTIME_BIGS_H
#include "info.h" // beside it, in the tree and where they are installed
#include "options.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

// ---- what the functions of a model.h are made of
typedef struct BigsModule BigsModule;
typedef struct bigs_model bigs_model;

// A handle, or NULL with the reason in `error` (at most error_size bytes, terminated; may be NULL).
// A CPU that lacks module->features is a reason.  weights: file or folder, as bigs_model_load; NULL:
// fresh parameters, of options' seed.  options: NULL stands for the defaults.
bigs_model *bigs_model_open(const BigsModule *module, const char *weights, char *error,
                            size_t error_size);
bigs_model *bigs_model_open_with(const BigsModule *module, const char *weights,
                                 const bigs_options *options, char *error, size_t error_size);
// The same for a program whose header has the number `header`; a module of another interface is
// refused.  device: for options without one; NULL: the processors.
bigs_model *bigs_model_open_checked(const BigsModule *module, const struct BigsDevice *device,
                                    uint64_t interface, uint64_t header, const char *weights,
                                    const bigs_options *options, char *error, size_t error_size);
// One more handle of m's weights, which then are in memory once: with m's options, m's step of training and no optimizer's moments.
// A handle whose weights are trained, set or loaded gets weights of its own first; the others keep theirs.  This is a call on m;
// afterwards the two are independent, and either may be closed first.
bigs_model *bigs_model_clone(const bigs_model *m, char *error, size_t error_size);
void bigs_model_close(bigs_model *m); // NULL is allowed
// Why the last call on m failed: one line; "" when it did not.  Valid until the next call.
const char *bigs_model_error(const bigs_model *m);
// What the last load has to say ("head.bias and 4 more: not in FILE"), lines ended by \n; "" when
// nothing.
const char *bigs_model_notes(const bigs_model *m);

// Number of the entry or train block so named, or -1.
int bigs_model_entry(const BigsModule *module, const char *name);
int bigs_model_train(const BigsModule *module, const char *name);

// ---- text, by the vocabulary of bigs_options.vocab, beside the weights, or in the library; it is read at the first call.
// The tokens of a text, or of two, with the special ones around them, at most `max` (0: as many as there are): ids and types, each NULL
// or room for max of them, are written unless max is 0.  Their number, or minus a status.  What is too long is cut.
int64_t bigs_model_tokenize(bigs_model *m, const char *text, const char *pair, int64_t max,
                            int32_t *ids, int32_t *types);
// A token's text, valid until m is closed; NULL: there is none of this id, or no vocabulary.
const char *bigs_model_token(const bigs_model *m, int32_t id);
// Entry `program` of n texts, whose inputs are ids, and perhaps types and mask, and whose output has one row a text: out gets the
// rows in the texts' order.  Texts are put together by length; what is longer than the model takes is cut, or an error by
// bigs_options.whole.
int bigs_model_text(bigs_model *m, int program, int64_t n, const char *const *texts, float *out);
// Texts that the last call of these cut.
int64_t bigs_model_cut(const bigs_model *m);

// Runs program `program` (of bigs_model_entry) forward.  dims: one for every dim of the module, in
// its order (ignored where the entry does not use it); inputs and outputs: in the program's order.
// A NULL optional input takes its default.  An entry that reaches a parameter which the weights
// lack, and which was neither trained nor set since, is refused with its name (status 3).
int bigs_model_run(bigs_model *m, int program, const int64_t *dims, const void *const *inputs,
                   void *const *outputs);
// The same with tensors in the memory of the handle's device.  queue: a queue of that device's, a
// CUstream say, behind whose work this is put, without waiting for it; NULL: the handle's own, and the
// call waits.  What the handle does later comes behind this work by itself; the queue is not kept, and
// may be destroyed when the call has returned.
// The ids in inputs are not checked: what no table has counts as its first or last row.
int bigs_model_run_on(bigs_model *m, int program, void *queue, const int64_t *dims,
                      const void *const *inputs, void *const *outputs);
// Loss and gradients of train block `train` (bigs_model_train); nothing is updated.  Dropout draws
// as in the step that bigs_model_step would do next.
int bigs_model_grad(bigs_model *m, int train, const int64_t *dims, const void *const *inputs,
                    float *loss);
// Forward, backward, clipping, optimizer, by the block's own recipe.  *loss: before the update.
// A block without a rate is refused (status 1).
// When the loss or a gradient is not finite, the status is 4 and the parameters are as before.  When
// the update makes a parameter that is not, the status is 4 too, the error names it, and the
// parameters are spoilt: load good ones.
int bigs_model_step(bigs_model *m, int train, const int64_t *dims, const void *const *inputs,
                    float *loss);

// Parameters as safetensors, replaced at once.  names: a checkpoint block whose names and layout to
// write; NULL: native.  What the weights lacked and nothing has set or trained is left out; where the
// names must have it, the status is 3.  A parameter that is not finite is not saved: status 4, and path is as before.
int bigs_model_save(bigs_model *m, const char *path, const char *names);
// path: a safetensors file, or a folder that holds model.safetensors and perhaps config.json.  Names
// are native or those of a checkpoint block, told apart by themselves.  On failure the parameters
// may be partly changed.
int bigs_model_load(bigs_model *m, const char *path);

// Parameter number `index`, dense and row-major in its declared order, as its dtype (f32, or f64;
// complex as pairs), or its gradient, or its moments: nothing but the layout changes.  A weight that
// the module stores as bf16 (entries alone, compiled with --precision=bf16) is rounded when it is set.
// A gradient is there after bigs_model_grad or step.
typedef enum {
  BIGS_THE_WEIGHT,
  BIGS_THE_GRADIENT,
  BIGS_THE_MOMENT1,
  BIGS_THE_MOMENT2,
  BIGS_THE_AVERAGE // of the weights, where the train block has `ema`
} bigs_what;
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
