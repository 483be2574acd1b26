// Compiled models as shared objects: opening one whose model's name is not known beforehand.
#ifndef BIGSC_SO_H
#define BIGSC_SO_H
#include "runtime/abi.h"
#include "base/error.h"

// Loads path and finds its module through the one exported function NAME_info.  Returns 0, or the
// status in *e.
int so_open(Arena *a, const char *path, void **so, const BigsModule **module, BigsError *e);
void so_close(void *so);
#endif
