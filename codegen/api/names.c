// Names of a compiled model's functions.
#include "codegen/api/api.h"
#include <ctype.h>
#include <string.h>

char *api_prefix(Arena *a, const BigsModule *m) {
  char *s = arena_strdup(a, m->model);
  for (char *p = s; *p; p++)
    *p = (char)tolower((unsigned char)*p);
  return s;
}

static const ApiFunction functions[] = {
#define API(name, result, params, arguments, runtime, forward, comment)                            \
  {#name, result, params, arguments, #runtime, forward, comment},
#include "base/c_api.def"
#undef API
};

const ApiFunction *api_function(int i) {
  return i < COUNT(functions) ? &functions[i] : NULL;
}

char *api_prefixed(Arena *a, const char *text, const char *prefix) {
  const char *mark = strchr(text, '@');
  return mark ? arena_printf(a, "%.*s%s%s", (int)(mark - text), text, prefix,
                             api_prefixed(a, mark + 1, prefix))
              : arena_strdup(a, text);
}

const char *api_weights_symbol(Arena *a, const BigsModule *m) {
  return arena_printf(a, "%s_weights_inside", api_prefix(a, m));
}

const char **api_exports(Arena *a, const BigsModule *m, int *n) {
  const char **out = NEWN(a, const char *, COUNT(functions) + 1 + m->nprogram + m->ntrain),
             *prefix = api_prefix(a, m);
  *n = 0;
  for (int i = 0; i < COUNT(functions); i++)
    out[(*n)++] = arena_printf(a, "%s_%s", prefix, functions[i].name);
  out[(*n)++] = arena_printf(a, "%s_info", prefix);
  for (int i = 0; i < m->nprogram; i++)
    if (m->program[i].kind == BIGS_ENTRY)
      out[(*n)++] = arena_printf(a, "%s_%s", prefix, m->program[i].name);
  for (int i = 0; i < m->ntrain; i++)
    out[(*n)++] = arena_printf(a, "%s_%s_step", prefix, m->train[i].name);
  return out;
}
