// What torch.save writes: storages, and tensors that are views of them.
#ifndef BIGSC_RUNTIME_TORCH_INTERNAL_H
#define BIGSC_RUNTIME_TORCH_INTERNAL_H
#include "runtime/foreign/pickle_internal.h"

// The numbers that tensors look at.
typedef struct TorchStorage {
  const char *key;
  StDType dtype;
  int64_t numel;
  size_t at;             // of its first byte in the file
  const ZipEntry *entry; // of an archive
  bool placed;           // the file has it
} TorchStorage;
// What a pickle says of one: elements [first, first + numel) of it.
typedef struct TorchRange {
  TorchStorage *storage;
  int64_t first, numel;
} TorchRange;
typedef struct TorchTensor {
  const TorchStorage *storage;
  int64_t offset; // of its first element in the storage
  int rank;
  int64_t *shape, *stride; // in elements
} TorchTensor;
typedef struct Torch {
  Zip zip;
  VEC(TorchStorage *) storages;
  Map by_key;
} Torch;

// A pickle that may make tensors, of storages that x->own, a Torch, gathers.
Pickle torch_pickle(Foreign *x, const char *what, const unsigned char *bytes, size_t n);
// The storage of a key, or NULL.
TorchStorage *torch_storage(const Torch *t, const char *key);
// The tensors of a dictionary, once their storages are placed, into x.
int torch_add_tensors(Pickle *p, const PyValue *root);
// As ForeignMake.
int torch_make(Foreign *x, const StTensor *t, char *dense, BigsError *e);
#endif
