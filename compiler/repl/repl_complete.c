// Completion of names at the prompt.
#include "compiler/repl/repl.h"
#include "compiler/sema/functions.h"
#include <string.h>

static bool starts(const char *name, const char *start) {
  return !strncmp(name, start, strlen(start));
}

static void add(const char *name, const char *start, const char **out, int *n, int max) {
  for (int i = 0; i < *n; i++)
    if (!strcmp(out[i], name))
      return;
  if (*n < max && starts(name, start))
    out[(*n)++] = name;
}

static void add_prelude(Repl *r, const char *start, const char **out, int *n, int max) {
  const File *f = prelude_file(r->arena, r->names, &r->prelude);
  for (int i = 0; i < f->decls.n; i++)
    if (repl_decl_name(f->decls.v[i]))
      add(repl_decl_name(f->decls.v[i]), start, out, n, max);
}

int repl_complete(void *ctx, const char *start, const char **out, int max) {
  Repl *r = ctx;
  static const char *const words[] = {
#define PRIM(id, name) name,
#include "compiler/sema/prims.def"
#undef PRIM
#define INITIALIZER(id, name) name,
#include "compiler/sema/initializers.def"
      "dim",  "let",   "use",    "fn",    "module", "model", "entry", "scan",
      "true", "false", "repeat", "share", "forms",  "init",  "train",
#define COMMAND(id, name, args, help) ":" name,
#include "compiler/repl/repl_commands.def"
#undef COMMAND
  };
  int n = 0;
  for (int d = 0; d < DT_COUNT; d++)
    if (d != DT_I64) // of indices only
      add(dtype_name((DType)d), start, out, &n, max);
  for (int i = 0; i < r->items.n; i++)
    add(r->items.v[i]->name, start, out, &n, max);
  for (int i = 0; i < r->decls.n; i++)
    if (repl_decl_name(r->decls.v[i].decl))
      add(repl_decl_name(r->decls.v[i].decl), start, out, &n, max);
  add_prelude(r, start, out, &n, max);
  for (int i = 0; i < COUNT(words); i++)
    add(words[i], start, out, &n, max);
  return n;
}
