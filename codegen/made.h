// Files that programs of the system make: compilers and linkers.
#ifndef BIGSC_MADE_H
#define BIGSC_MADE_H
#include "base/arena.h"
#include <stdbool.h>
#include <stddef.h>

// All return false, or NULL, with the reason in *error, in the arena.  What ends the process takes
// effect when nothing temporary is left.

bool made_write(Arena *a, const char *path, const char *bytes, size_t n, const char **error);

// Makes a file in `folder`, which is there for temporary ones; its path.
typedef const char *MakeFile(void *ctx, Arena *a, const char *folder, const char **error);
// The file at `path` becomes what `make` makes, whole or not at all; a pipe or a device gets the bytes.
bool made_file(Arena *a, const char *path, MakeFile *make, void *ctx, const char **error);

// The folder that this program lies in, or NULL.
const char *made_own_dir(Arena *a);

typedef struct Tool {
  const char *variable;  // of the environment: words to begin the command with
  const char *otherwise; // the program, where it is not set
  const char *what;      // "makes libraries from objects", for messages
} Tool;
// A tool of binutils or a compiler that makes files for Linux on `arch`; NULL: for this machine.  There variable CC and program
// cc are CROSS_CC and aarch64-linux-gnu-gcc.
Tool made_tool(Arena *a, const char *arch, const char *variable, const char *program,
               const char *what);
// Runs the program; a message quotes what it said, which goes to the file `log`.
bool made_run(Arena *a, const Tool *t, const char *const *args, int n, const char *log,
              const char **error);
#endif
