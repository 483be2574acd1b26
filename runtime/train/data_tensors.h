// Rows of arrays: safetensors files, whose tensors are called as the inputs, and NumPy's, of which the files are.  What
// tensor_files.c, which opens them, and data_tensors.c, which reads rows, share.
//
// The rows stay in their files, and each is read when a batch wants it: as everywhere, no file is mapped, since one that another
// process cuts would kill this one.
#ifndef BIGSC_RUNTIME_DATA_TENSORS_H
#define BIGSC_RUNTIME_DATA_TENSORS_H
#include "runtime/files/safetensors.h"
#include "runtime/train/data_internal.h"
#include "runtime/train/feed.h"

typedef struct TensorInput {
  const BigsTensor *t;
  int64_t limit; // i32: values lie below; 0: any
  int64_t row;   // elements of a row
  char *batch;   // the rows of a batch
} TensorInput;

// A file of tensors, or the arrays of a folder: of each input equally many rows.  Shards follow one another.
typedef struct Shard {
  char *path;         // of the file, or of the folder
  const StFile *file; // NULL: a folder
  int64_t first, rows;
  const StTensor *tensor[FEED_INPUTS]; // of each input; NULL: it lacks what is to be predicted
} Shard;

enum { TENSORS_CHUNK = 1 << 13 };
typedef struct Tensors {
  StFile **file;
  int nfile, ninput, nshard;
  Shard *shard;
  TensorInput input[FEED_INPUTS];
  FeedField field[FEED_INPUTS];
  int64_t *scratch; // whole numbers of a row, or TENSORS_CHUNK, on their way to another dtype
  int64_t *of;      // numbers of the rows of the batch made last
  int64_t nof, room;
  int32_t print[2]; // of what the files hold: notes of the data
} Tensors;

static inline Tensors *tensors_of(const Data *d) {
  return d->own;
}
void tensors_free(void *own);
int tensors_input(const Tensors *t, const char *name, size_t n); // -1: none so called
// Looks at all numbers that index something, as labels do, but for the largest arrays: an error that comes with the first batch
// that has it may come late.
int tensors_check_ids(Data *d, BigsError *e);
// Sets t->print: of all bytes, or of so many that a start stays quick.
int tensors_hash(Tensors *t, BigsError *e);
#endif
