// The weights of a module as an object that is linked with it: their bytes under api_weights_symbol.
#ifndef BIGSC_EMBED_H
#define BIGSC_EMBED_H
#include "base/arena.h"
#include "runtime/abi.h"

// Makes it in `folder`, which is there for temporary files, with the assembler of made_tool's CC for `arch`; its path.  NULL with
// the reason, a sentence in the arena, in *error.  m->weights is not NULL.
const char *embed_object(Arena *a, const BigsModule *m, const char *arch, const char *folder,
                         const char **error);
#endif
