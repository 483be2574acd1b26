// Names of a compiled model's functions.
#include "codegen/api/api.h"
#include <ctype.h>

char *api_prefix(Arena *a, const BigsModule *m) {
  char *s = arena_strdup(a, m->model);
  for (char *p = s; *p; p++)
    *p = (char)tolower((unsigned char)*p);
  return s;
}

const char **api_exports(Arena *a, const BigsModule *m, int *n) {
  static const char *const fixed[] = {"open", "open_checked", "close", "error", "save", "info"};
  const char **out = NEWN(a, const char *, COUNT(fixed) + m->nprogram + m->ntrain),
             *prefix = api_prefix(a, m);
  *n = 0;
  for (int i = 0; i < COUNT(fixed); i++)
    out[(*n)++] = arena_printf(a, "%s_%s", prefix, fixed[i]);
  for (int i = 0; i < m->nprogram; i++)
    if (m->program[i].kind == BIGS_ENTRY)
      out[(*n)++] = arena_printf(a, "%s_%s", prefix, m->program[i].name);
  for (int i = 0; i < m->ntrain; i++)
    out[(*n)++] = arena_printf(a, "%s_%s_step", prefix, m->train[i].name);
  return out;
}
