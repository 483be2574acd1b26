// Names of a compiled model's functions.
#include "codegen/api/api.h"
#include "runtime/serve/text_entry.h"
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
  {#name, result, params, arguments, #runtime, forward, comment, false},
#define API_TEXT(name, result, params, arguments, runtime, forward, comment)                       \
  {#name, result, params, arguments, #runtime, forward, comment, true},
#include "base/c_api.def"
#undef API
};

// Those of text are the last.
const ApiFunction *api_function(const BigsModule *m, int i) {
  return i < COUNT(functions) && (m->tokenizer || !functions[i].text) ? &functions[i] : NULL;
}

bool api_takes_text(const BigsModule *m, const BigsProgram *p) {
  TextEntry x;
  return m->tokenizer && text_entry(m, p, &x);
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
  const char **out = NEWN(a, const char *, COUNT(functions) + 1 + 2 * m->nprogram + m->ntrain),
             *prefix = api_prefix(a, m);
  *n = 0;
  for (const ApiFunction *f; (f = api_function(m, *n)) != NULL;)
    out[(*n)++] = arena_printf(a, "%s_%s", prefix, f->name);
  out[(*n)++] = arena_printf(a, "%s_info", prefix);
  for (int i = 0; i < m->nprogram; i++)
    if (m->program[i].kind == BIGS_ENTRY)
      out[(*n)++] = arena_printf(a, "%s_%s", prefix, m->program[i].name);
  for (int i = 0; i < m->nprogram; i++)
    if (api_takes_text(m, &m->program[i]))
      out[(*n)++] = arena_printf(a, "%s_text_%s", prefix, m->program[i].name);
  for (int i = 0; i < m->ntrain; i++)
    out[(*n)++] = arena_printf(a, "%s_%s_step", prefix, m->train[i].name);
  return out;
}
