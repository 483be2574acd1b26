// Objects to archives and shared objects by the system's tools, with the runtime inside.
#include "codegen/aot_internal.h"
#include "runtime/builtin.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
typedef VEC(char *) Words;

// ---- running a program

// The words of environment variable `name`, or of `otherwise`.
static void command(Arena *a, Words *out, const char *name, const char *otherwise) {
  const char *s = getenv(name);
  if (!s || !*s)
    s = otherwise;
  while (*s) {
    size_t n = strcspn(s, " \t");
    if (n)
      vec_push(a, out, arena_strndup(a, s, n));
    s += n + (s[n] != 0);
  }
}

static char *contents(Arena *a, const char *path, size_t limit) {
  char *text = NEWN(a, char, limit + 1);
  FILE *f = fopen(path, "r");
  if (f) {
    text[fread(text, 1, limit, f)] = 0;
    fclose(f);
  }
  for (size_t n = strlen(text); n && isspace((unsigned char)text[n - 1]); n--)
    text[n - 1] = 0;
  return text;
}

// Runs words[0] with its output in the file `log`.
static bool run(Arena *a, Words *words, const char *log, const char **error) {
  posix_spawn_file_actions_t io;
  pid_t pid;
  int status = 0;
  vec_push(a, words, NULL);
  posix_spawn_file_actions_init(&io);
  posix_spawn_file_actions_addopen(&io, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&io, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&io, 1, 2);
  int failed = posix_spawnp(&pid, words->v[0], &io, NULL, words->v, environ);
  posix_spawn_file_actions_destroy(&io);
  if (failed) {
    *error = arena_printf(a,
                          "cannot run `%s`, which makes libraries from objects: %s (install it, or "
                          "name another in the "
                          "environment variable CC, LD, OBJCOPY or AR)",
                          words->v[0], strerror(failed));
    return false;
  }
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    ;
  if (WIFEXITED(status) && !WEXITSTATUS(status))
    return true;
  *error = WIFEXITED(status) && WEXITSTATUS(status) == 127
               ? arena_printf(a, "cannot run `%s`, which makes libraries from objects", words->v[0])
               : arena_printf(a, "`%s` failed: %s", words->v[0], contents(a, log, 4000));
  return false;
}

// ---- where things are

char *aot_temporary(Arena *a, const char *path, const char *suffix, const char **error) {
  char *name = arena_printf(a, "%s.tmpXXXXXX%s", path, suffix);
  int fd = mkstemps(name, (int)strlen(suffix));
  if (fd < 0) {
    *error = arena_printf(a, "cannot write `%s`: %s", path, strerror(errno));
    return NULL;
  }
  mode_t mask = umask(0);
  umask(mask);
  fchmod(fd, 0666 & ~mask);
  close(fd);
  return name;
}

static bool has_runtime(Arena *a, const char *dir) {
  return dir && !access(arena_printf(a, "%s/libbigsrt.a", dir), R_OK);
}

static const char *own_dir(Arena *a) {
  char path[4096];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  if (n <= 0)
    return NULL;
  path[n] = 0;
  char *slash = strrchr(path, '/');
  return slash ? arena_strndup(a, path, (size_t)(slash - path)) : NULL;
}

const char *aot_runtime_dir(Arena *a) {
  const char *own = own_dir(a);
  const char *dirs[] = {getenv("BIGSC_RUNTIME_DIR"), own,
                        // libtool's and the tests' place below it
                        own ? arena_printf(a, "%s/..", own) : NULL,
                        own ? arena_printf(a, "%s/../lib/bigsc", own) : NULL,
#ifdef BIGSC_PKGLIBDIR
                        BIGSC_PKGLIBDIR,
#endif
                        NULL};
  if (dirs[0] && *dirs[0]) // said: no other will do
    return has_runtime(a, dirs[0]) ? arena_strdup(a, dirs[0]) : NULL;
  for (int i = 1; i < COUNT(dirs); i++)
    if (has_runtime(a, dirs[i]))
      return dirs[i];
  return NULL;
}

// ---- archives and shared objects

static bool write_text(Arena *a, const char *path, const char *text, const char **error) {
  FILE *f = fopen(path, "w");
  bool ok = f && fputs(text, f) >= 0;
  ok = f && !fclose(f) && ok;
  if (!ok)
    *error = arena_printf(a, "cannot write `%s`: %s", path, strerror(errno));
  return ok;
}

static char *exported(Arena *a, const BigsModule *m) {
  int n;
  const char **names = aot_exports(a, m, &n);
  char *text = arena_strdup(a, "{ global:");
  for (int i = 0; i < n; i++)
    text = arena_printf(a, "%s %s;", text, names[i]);
  return arena_printf(a, "%s local: *; };\n", text);
}

// Convolutions make their spectra with FFTW.
static bool convolves(const BigsModule *m) {
  for (int i = 0; i < m->nprogram; i++)
    for (int j = 0; j < m->program[i].nstep; j++) {
      const BigsStep *s = &m->program[i].step[j];
      if (s->kind == BIGS_BUILTIN && (s->index == BIGS_CONV || s->index == BIGS_CONV_GRAD))
        return true;
    }
  return false;
}

static bool shared(Arena *a, const AotInput *in, const char *lib, const char *object,
                   const char *out, const char *extra, const char *log, const char **error) {
  Words w = {.n = 0};
  if (!write_text(a, extra, exported(a, in->module), error))
    return false;
  command(a, &w, "CC", "cc");
  const char *args[] = {"-shared",
                        "-o",
                        out,
                        object,
                        lib,
                        "-Wl,--exclude-libs,ALL",
                        "-Wl,--gc-sections",
                        "-Wl,-z,defs",
                        "-Wl,-z,relro",
                        "-Wl,-S",
                        arena_printf(a, "-Wl,--version-script=%s", extra),
                        "-lm",
                        "-lpthread"};
  for (int i = 0; i < COUNT(args); i++)
    vec_push(a, &w, (char *)(uintptr_t)args[i]);
  if (convolves(in->module))
    vec_push(a, &w, (char *)(uintptr_t) "-lfftw3");
  return run(a, &w, log, error);
}

static bool tool(Arena *a, const char *name, const char *otherwise, const char *const *args, int n,
                 const char *log, const char **error) {
  Words w = {.n = 0};
  command(a, &w, name, otherwise);
  for (int i = 0; i < n; i++)
    vec_push(a, &w, (char *)(uintptr_t)args[i]);
  return run(a, &w, log, error);
}

// One object of the model and what it needs of the runtime, in which nothing but the interface is
// global: several models, and a program's own functions, do not meet.
static bool archive(Arena *a, const AotInput *in, const char *lib, const char *object,
                    const char *out, const char *extra, const char *log, const char **error) {
  int n;
  const char **names = aot_exports(a, in->module, &n), *list = "";
  for (int i = 0; i < n; i++)
    list = arena_printf(a, "%s%s\n", list, names[i]);
  char *dir = arena_printf(a, "%s.tmpXXXXXX", out);
  if (!write_text(a, extra, list, error))
    return false;
  if (!mkdtemp(dir)) {
    *error = arena_printf(a, "cannot write `%s`: %s", out, strerror(errno));
    return false;
  }
  const char *whole = arena_printf(a, "%s/%s.o", dir, aot_prefix(a, in->module)),
             *keep = arena_printf(a, "--keep-global-symbols=%s", extra);
  unlink(out);
  bool ok = tool(a, "LD", "ld", (const char *[]){"-r", "-o", whole, object, lib}, 5, log, error) &&
            tool(a, "OBJCOPY", "objcopy", (const char *[]){keep, whole}, 2, log, error) &&
            tool(a, "AR", "ar", (const char *[]){"rcsD", out, whole}, 3, log, error);
  unlink(whole);
  rmdir(dir);
  return ok;
}

bool aot_link(Arena *a, const AotInput *in, AotKind kind, const char *object, const char *out,
              const char **error) {
  const char *dir = in->runtime_dir ? in->runtime_dir : aot_runtime_dir(a);
  if (!dir) {
    const char *said = getenv("BIGSC_RUNTIME_DIR");
    *error = said && *said ? arena_printf(a, "no libbigsrt.a in `%s` (BIGSC_RUNTIME_DIR)", said)
                           : "libbigsrt.a, which compiled models carry, is neither installed nor "
                             "beside bigsc: name its folder "
                             "in the environment variable BIGSC_RUNTIME_DIR";
    return false;
  }
  const char *lib = arena_printf(a, "%s/libbigsrt.a", dir);
  char *extra = aot_temporary(a, out, ".txt", error),
       *log = extra ? aot_temporary(a, out, ".log", error) : NULL;
  bool ok = log && (kind == AOT_SHARED ? shared(a, in, lib, object, out, extra, log, error)
                                       : archive(a, in, lib, object, out, extra, log, error));
  if (extra)
    unlink(extra);
  if (log)
    unlink(log);
  return ok;
}
