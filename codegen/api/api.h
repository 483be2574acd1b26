// What C sees of a compiled model, whatever its kernels are compiled for: its functions, their header, and the number
// of its interface.
#ifndef BIGSC_API_H
#define BIGSC_API_H
#include "base/arena.h"
#include "runtime/abi.h"

// Is module->input[i] among the bits?  See BigsTrain.unpicked.
static inline bool api_without(uint32_t bits, int32_t input) {
  return input < 32 && bits >> input & 1;
}
// Is this dim or let an enum constant of NAME.h?
static inline bool api_in_header(const BigsNamedValue *v) {
  return v->value >= INT32_MIN && v->value <= INT32_MAX && v->value == (double)(int32_t)v->value;
}
// A row of base/c_api.def.
typedef struct ApiFunction {
  const char *name, *result, *params, *arguments, *runtime, *forward, *comment;
  bool text; // of models with a tokenizer
} ApiFunction;
const ApiFunction *api_function(const BigsModule *m, int i); // NULL: m has no more
// Has entry p a function `text_p`?
bool api_takes_text(const BigsModule *m, const BigsProgram *p);
// `text` with the prefix in place of each @.
char *api_prefixed(Arena *a, const char *text, const char *prefix);
// The symbol of the weights that are linked with the module, where it has any.
const char *api_weights_symbol(Arena *a, const BigsModule *m);
// The model's name in lower case.
char *api_prefix(Arena *a, const BigsModule *m);
// Names of the exported functions, in order.
const char **api_exports(Arena *a, const BigsModule *m, int *n);
// NULL, or the name of a function or a constant of NAME.h that the header declares for something else.
const char *api_clash(Arena *a, const BigsModule *m, bool gpu);
// The text of NAME.h.  gpu: with the functions that take a GPU's pointers, NAME_open_on and NAME_ENTRY_on.
char *api_header(Arena *a, const BigsModule *m, bool gpu);
// A number that two modules share when a program that was compiled with the header of one may use the other.  The header
// and the library carry it, and NAME_open compares.
uint64_t api_interface(Arena *a, const BigsModule *m);
// The texts of runtime/info.h and of runtime/options.h.
const char *info_text(void);
const char *options_text(void);
#endif
