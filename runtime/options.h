// What NAME_open_with takes.  Headers made by bigsc carry this text.  0 in a field stands for its default.
#ifndef Bigs_options_H
#define Bigs_options_H
#include <stddef.h>
#include <stdint.h>

typedef struct bigs_options {
  size_t size;    // sizeof(bigs_options): later versions have more fields
  int threads;    // default: as many as the process may use
  int fresh;      // 1: parts that the files lack (`or init`) may be used with fresh values
  uint64_t seed;  // of fresh parameters and dropout
  int64_t memory; // bytes that may be kept for sizes of earlier calls; default: 64 MiB
  // A vocabulary for functions that take text; default: the one beside the weights, or inside the library.
  const char *vocab;
  int whole;   // 1: a text longer than the model takes is an error; default: its end is cut off
  int *status; // where to put why there is no model, as a status of its functions; default: nowhere
  // Asked before each large allocation; 0 refuses it, which fails the call that needed it.
  int (*may_allocate)(void *ctx, size_t bytes);
  void *ctx;
  int unset; // 1, and no weights: the parameters stay zero; they are set or loaded later
  // Where the kernels run (runtime/exec/device.h); default: what the model is compiled for.
  const struct BigsDevice *device;
  int fresh_head; // 1: parts that the files may lack (`or init`), and have in another size, count as lacking
  // What reads weights that are no safetensors (runtime/files/hub.h); default: nothing, such are refused.
  const struct HubReaders *readers;
  // Tables that may have more rows than the files: "NAME=HOW,...", HOW tile, interpolate or fresh; default: none.
  const char *extend;
} bigs_options;
#endif
