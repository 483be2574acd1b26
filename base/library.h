// Libraries that are looked for at run time, and those functions of theirs that a table names.
#ifndef BIGSC_LIBRARY_H
#define BIGSC_LIBRARY_H
#include <stdbool.h>
#include <stddef.h>

typedef struct LibraryCall {
  size_t at; // of its pointer, in the struct of them
  const char *symbol;
  bool may_lack; // its pointer is NULL then
} LibraryCall;

// The name that this variable of the environment gives, or the other.
const char *library_name(const char *variable, const char *otherwise);
// For as long as the process lives: such a library has threads of its own, which would not survive that it is unloaded.
// NULL: dlerror says why.
void *library_open(const char *name);
// Sets the n pointers in the struct at `calls`.  NULL, or the symbol of one that the library lacks and must have.
const char *library_calls(void *library, void *calls, const LibraryCall *call, size_t n);
#endif
