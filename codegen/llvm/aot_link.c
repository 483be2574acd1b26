// Objects to archives and shared objects by the system's tools, with the runtime inside.
#include "codegen/llvm/aot_internal.h"
#include "codegen/api/embed.h"
#include "codegen/made.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- where things are

static bool has_runtime(Arena *a, const char *dir) {
  return dir && !access(arena_printf(a, "%s/libbigsrt.a", dir), R_OK);
}

// The folder of libbigsrt.a: environment BIGSC_RUNTIME_DIR, the folder of this program (a build
// folder), the installed one; for another architecture, the folder of its name in one of these.  NULL: none has it.
static const char *aot_runtime_dir(Arena *a, const char *within) {
  const char *own = made_own_dir(a);
  const char *dirs[] = {getenv("BIGSC_RUNTIME_DIR"), own,
                        // libtool's and the tests' place below it
                        own ? arena_printf(a, "%s/..", own) : NULL,
                        own ? arena_printf(a, "%s/../lib/bigsc", own) : NULL,
#ifdef BIGSC_PKGLIBDIR
                        BIGSC_PKGLIBDIR,
#endif
                        NULL};
  bool said = dirs[0] && *dirs[0]; // no other will do
  for (int i = !said; i < (said ? 1 : COUNT(dirs)); i++) {
    const char *dir = dirs[i] ? arena_printf(a, "%s%s", dirs[i], within) : NULL;
    if (has_runtime(a, dir))
      return dir;
  }
  return NULL;
}

// ---- archives and shared objects

static bool write_text(Arena *a, const char *path, const char *text, const char **error) {
  FILE *f = fopen(path, "w");
  bool ok = f && fputs(text, f) >= 0;
  ok = f && !fclose(f) && ok;
  if (!ok)
    *error = arena_printf(a, "%s: cannot write: %s", path, strerror(errno));
  return ok;
}

typedef struct Link {
  Arena *arena;
  const AotInput *in;
  AotKind kind;
  const char *folder, *path, *log, **error;
} Link;

static const char *place(const Link *k, const char *name) {
  return arena_printf(k->arena, "%s/%s", k->folder, name);
}

// NULL: this machine's.
static const char *other_arch(const AotInput *in) {
  return in->target->cross ? in->target->arch : NULL;
}

static bool tool(const Link *k, const char *name, const char *otherwise, const char *const *args,
                 int n) {
  Tool t = made_tool(k->arena, other_arch(k->in), name, otherwise, "makes libraries from objects");
  return made_run(k->arena, &t, args, n, k->log, k->error);
}

// A shared object is stripped at last: then lines of the runtime are not carried through all steps.
static bool drops_debug(const Link *k) {
  return k->kind == AOT_SHARED && !k->in->debug;
}

// One object of the model and what it needs of the runtime, in which nothing but the interface is
// global: several models, and a program's own functions, do not meet.  The interface loses its mark
// when all else has become local, so that `model Hub` may have a hub_open as the runtime does.
static const char *whole(const Link *k, const char *lib, const char *object) {
  int n;
  Arena *a = k->arena;
  const char **names = api_exports(a, k->in->module, &n), *marked = "", *renamed = "";
  for (int i = 0; i < n; i++) {
    marked = arena_printf(a, "%s" AOT_MARK "%s\n", marked, names[i]);
    renamed = arena_printf(a, "%s" AOT_MARK "%s %s\n", renamed, names[i], names[i]);
  }
  const char *out = place(k, arena_printf(a, "%s.o", api_prefix(a, k->in->module))),
             *keep = place(k, "keep.txt"), *rename = place(k, "rename.txt"),
             *keep_option = arena_printf(a, "--keep-global-symbols=%s", keep),
             *rename_option = arena_printf(a, "--redefine-syms=%s", rename);
  const char *join[] = {"-r", "-o", out, object, lib, "--strip-debug"};
  bool ok = write_text(a, keep, marked, k->error) && write_text(a, rename, renamed, k->error) &&
            tool(k, "LD", "ld", join, COUNT(join) - !drops_debug(k)) &&
            tool(k, "OBJCOPY", "objcopy", (const char *[]){keep_option, out}, 2) &&
            tool(k, "OBJCOPY", "objcopy", (const char *[]){rename_option, out}, 2);
  return ok ? out : NULL;
}

static const char *shared(const Link *k, const char *object, const char *weights) {
  const char *out = place(k, "made.so"), *slash = strrchr(k->path, '/');
  const char *args[] = {"-shared", "-o", out, object, "-Wl,--gc-sections", "-Wl,-z,defs",
                        "-Wl,-z,relro",
                        "-Xlinker", // -Wl would split a name at its commas
                        arena_printf(k->arena, "-soname=%s", slash ? slash + 1 : k->path),
                        // the one name that is the same in every model, for programs that load them
                        arena_printf(k->arena, "-Wl,--defsym=bigs_module_info=%s_info",
                                     api_prefix(k->arena, k->in->module)),
                        k->in->debug ? "-Wl,-S" : "-Wl,-s", "-lm", "-lpthread", weights};
  return tool(k, "CC", "cc", args, COUNT(args) - !weights) ? out : NULL;
}

static const char *archive(const Link *k, const char *object, const char *weights) {
  const char *out = place(k, "made.a");
  return tool(k, "AR", "ar", (const char *[]){"rcsD", out, object, weights}, weights ? 4 : 3)
             ? out
             : NULL;
}

static const char *link_all(const Link *k, const char *object) {
  const char *weights =
      k->in->module->weights
          ? embed_object(k->arena, k->in->module, other_arch(k->in), k->folder, k->error)
          : NULL;
  if (k->in->module->weights && !weights)
    return NULL;
  return k->kind == AOT_SHARED ? shared(k, object, weights) : archive(k, object, weights);
}

static const char *no_runtime(Arena *a, const char *arch) {
  const char *said = getenv("BIGSC_RUNTIME_DIR"), *within = arch ? arch : "",
             *slash = arch ? "/" : "";
  if (said && *said)
    return arena_printf(a, "no %s%slibbigsrt.a in `%s` (BIGSC_RUNTIME_DIR)", within, slash, said);
  const char *what = arena_printf(a,
                                  "%s%slibbigsrt.a, which compiled models carry, is neither "
                                  "installed nor beside bigsc: ",
                                  within, slash);
  return arch ? arena_printf(a,
                             "%sbuild bigsc where %s-linux-gnu-gcc is, or name the folder that has "
                             "it in the environment variable BIGSC_RUNTIME_DIR",
                             what, arch)
              : arena_printf(a, "%sname its folder in the environment variable BIGSC_RUNTIME_DIR",
                             what);
}

const char *aot_link(Arena *a, const AotInput *in, AotKind kind, const char *object,
                     const char *folder, const char *path, const char **error) {
  const char *arch = other_arch(in), *within = arch ? arena_printf(a, "/%s", arch) : "",
             *dir = in->runtime_dir ? in->runtime_dir : aot_runtime_dir(a, within);
  if (!dir) {
    *error = no_runtime(a, arch);
    return NULL;
  }
  Link k = {.arena = a, .in = in, .kind = kind, .folder = folder, .path = path, .error = error};
  k.log = place(&k, "log");
  object = whole(&k, arena_printf(a, "%s/libbigsrt.a", dir), object);
  return object ? link_all(&k, object) : NULL;
}
