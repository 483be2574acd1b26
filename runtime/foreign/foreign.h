// Weights that other programs wrote, as files of tensors like those of runtime/files/safetensors.h.  What is read is tensors and
// the containers that hold them; nothing in a file is ever run.  Of the compiler only: libbigsrt.a has none of this.
#ifndef BIGSC_RUNTIME_FOREIGN_H
#define BIGSC_RUNTIME_FOREIGN_H
#include "runtime/files/hub.h"

extern const HubReaders foreign_readers; // of all rows of runtime/files/forms.def
// What torch.save wrote, pytorch_model.bin, .pt and .pth: an archive or, before torch 1.6, pickles and storages in a row.  A
// dictionary of tensors, or one under "state_dict", "model_state_dict" or "model".  Tensors that are views come dense.
int torch_open(const char *path, StFile **out, BigsError *e);
// What flax.serialization wrote, flax_model.msgpack: names of nested maps are joined by dots.
int flax_open(const char *path, StFile **out, BigsError *e);
#endif
