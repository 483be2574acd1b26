// See recompute.h.
#include "compiler/commands/recompute.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

int recompute_option(Session *s, int *n) {
  const char *text = s->o->recompute;
  char *end;
  *n = -1;
  if (!text)
    return 0;
  long long v = !strcmp(text, "all") ? INT_MAX : strtoll(text, &end, 10);
  if (strcmp(text, "all") && (end == text || *end || v < 0))
    return session_error(
        s, EXIT_USAGE,
        "--recompute %s: must be a number of parts of the forward pass, from the first on, or all",
        text);
  *n = v > INT_MAX ? INT_MAX : (int)v;
  return 0;
}

int recompute_set(Session *s, int program, const int64_t *dims, int n) {
  bigs_model *m = s->handle;
  return again_set(m, program, dims, n)
             ? session_error(s, m->error.status, "%s", bigs_model_error(m))
             : 0;
}

const char *recompute_text(Arena *arena, const Again *a) {
  if (!a || !a->n)
    return "nothing is computed again";
  return arena_printf(
      arena, "%d of %d parts of the forward pass are computed again%s%s: %.*f %% more work", a->n,
      a->parts, a->upto ? ", to " : "", a->upto ? a->upto : "", a->more < 0.1, 100 * a->more);
}
