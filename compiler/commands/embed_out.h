// Vectors on their way into a file, in one of four forms.
#ifndef BIGSC_EMBED_OUT_H
#define BIGSC_EMBED_OUT_H
#include "compiler/commands/outputs.h"

typedef struct VectorFile VectorFile;
// format: "tsv", "jsonl", "npy" or "safetensors"; NULL: by the suffix of `path`, else tsv.  What cannot be is a usage error.
int vectors_create(Session *s, const char *path, const char *format, VectorFile **out);
OutputKind vectors_kind(const char *path, const char *format); // of what it writes
// The next one, of n numbers, as all.  text: what it stands for.
int vectors_add(VectorFile *f, const char *text, const float *v, int64_t n);
// Ends the file: npy and safetensors say in front how many there are.  Frees f, also when it fails.
int vectors_finish(VectorFile *f, int64_t width);
void vectors_abort(VectorFile *f); // nothing is left of it; NULL is allowed
#endif
