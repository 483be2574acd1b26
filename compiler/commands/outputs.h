// What a command reads is not what it writes.
#ifndef BIGSC_OUTPUTS_H
#define BIGSC_OUTPUTS_H
#include "compiler/driver/session.h"

// How a file begins that a command writes: an output takes the place of its own kind alone.
typedef enum OutputKind {
  OUTPUT_NUMBERS, // tensors, machine code
  OUTPUT_TEXT,
  OUTPUT_WORDS, // one a line
  OUTPUT_DRAWING
} OutputKind;
OutputKind output_kind(const char *path); // by its ending: .so, .npy, .svg, ...; else OUTPUT_TEXT
// What is at `path` when that is plainly no file of this kind, "a model", "a text"; NULL: it may be replaced.
const char *output_in_the_way(const char *path, OutputKind kind);

// 0, or a usage error: the file `out`, which is to be replaced, is one that the command reads, under
// whatever name, or one of another kind.  Of a model that was loaded the files it uses count, too.
int session_check_output(Session *s, const char *out, OutputKind kind);
int session_check_kind(Session *s, const char *out, OutputKind kind); // the second alone
#endif
