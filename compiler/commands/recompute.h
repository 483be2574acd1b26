// What commands say of values that training computes again instead of keeping them: runtime/exec/again.h.
#ifndef BIGSC_RECOMPUTE_H
#define BIGSC_RECOMPUTE_H
#include "compiler/driver/session.h"
#include "runtime/exec/again.h"

// Of --recompute N|all the parts, as again_set takes them; -1: it is not given.  An exit status; what went wrong has been printed.
int recompute_option(Session *s, int *n);
// Has the session's handle do so, for these sizes.
int recompute_set(Session *s, int program, const int64_t *dims, int n);
// "2 of 13 parts of the forward pass are computed again, to layer.1.output: 6 % more work", of a, which may be NULL.
const char *recompute_text(Arena *arena, const Again *a);
#endif
