// See made.h.
#include "codegen/made.h"
#include "base/error.h"
#include "base/vec.h"
#include "runtime/files/file.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

// ---- files
// What ends the process waits; tools that run meanwhile end at once.  A fault of ours is not held, nor could SIGKILL be.
static void hold_signals(sigset_t *old) {
  static const int ends[] = {SIGINT,  SIGTERM, SIGHUP,    SIGQUIT, SIGXCPU, SIGALRM,
                             SIGUSR1, SIGUSR2, SIGVTALRM, SIGPROF, SIGPIPE};
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < COUNT(ends); i++)
    sigaddset(&set, ends[i]);
  pthread_sigmask(SIG_BLOCK, &set, old);
}

static bool cannot_write(Arena *a, const char *path, const char **error) {
  *error = arena_printf(a, "%s: cannot write: %s", path, strerror(errno));
  return false;
}

static bool failed(Arena *a, const BigsError *e, const char **error) {
  if (e->status == BIGS_EMODEL)
    arena_exhausted(a);
  *error = arena_strdup(a, e->text);
  return false;
}

static bool write_bytes(Arena *a, const char *path, const char *bytes, size_t n,
                        const char **error) {
  BigsError e = {0};
  FileOut *f = file_create(path, &e);
  if (f && file_write(f, bytes, n, &e))
    file_abort(f);
  else if (f)
    file_commit(f, &e);
  return e.status ? failed(a, &e, error) : true;
}

bool made_write(Arena *a, const char *path, const char *bytes, size_t n, const char **error) {
  sigset_t old;
  hold_signals(&old);
  bool ok = write_bytes(a, path, bytes, n, error);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  return ok;
}

// A pipe or a device gets the bytes.
static bool copy(Arena *a, const char *from, const char *to, const char **error) {
  BigsError e = {0};
  size_t n;
  char *bytes = file_read(from, SIZE_MAX / 4, &n, &e);
  bool ok = bytes ? write_bytes(a, to, bytes, n, error) : failed(a, &e, error);
  free(bytes);
  return ok;
}

static void remove_folder(const char *folder) {
  DIR *d = opendir(folder);
  for (const struct dirent *f; d && (f = readdir(d));)
    unlinkat(dirfd(d), f->d_name, 0);
  if (d)
    closedir(d);
  rmdir(folder);
}

// What is made, and where it goes.
typedef struct MadeTo {
  const char *path, *target; // as given; behind its links
  bool in_place;
  MakeFile *make;
  void *ctx;
} MadeTo;

static bool make_within(Arena *a, const MadeTo *to, const char *folder, const char **error) {
  const char *made = to->make(to->ctx, a, folder, error);
  if (!made)
    return false;
  if (to->in_place)
    return copy(a, made, to->path, error);
  return rename(made, to->target) ? cannot_write(a, to->path, error) : true;
}

// Temporary files lie in a folder beside the result, for the rename, in a path that no tool takes
// for an option.
static bool make_beside(Arena *a, const MadeTo *to, const char **error) {
  const char *beside = to->in_place ? to->path : to->target;
  char *folder = arena_printf(a, "%s%s.tmpXXXXXX", *beside == '/' ? "" : "./", beside);
  if (!mkdtemp(folder))
    return cannot_write(a, to->path, error);
  Arena *own = arena_try_new();
  jmp_buf oom;
  if (!own || setjmp(oom)) { // the folder goes in any case
    remove_folder(folder);
    arena_exhausted(a);
  }
  arena_on_oom(own, &oom);
  bool ok = make_within(own, to, folder, error);
  remove_folder(folder);
  if (!ok)
    *error = arena_strdup(a, *error);
  arena_free(own);
  return ok;
}

bool made_file(Arena *a, const char *path, MakeFile *make, void *ctx, const char **error) {
  BigsError e = {0};
  MadeTo to = {.path = path, .make = make, .ctx = ctx};
  sigset_t old;
  hold_signals(&old);
  char *target = file_target(path, &to.in_place, &e);
  to.target = target ? arena_strdup(a, target) : NULL;
  free(target);
  bool ok = to.target ? make_beside(a, &to, error) : failed(a, &e, error);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  return ok;
}

// ---- running a program
typedef VEC(char *) Words;

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

static const char *replaced(Arena *a, const char *s, char from, char to) {
  char *copy = arena_strdup(a, s);
  for (char *p = copy; *p; p++)
    *p = *p == from ? to : *p;
  return copy;
}

Tool made_tool(Arena *a, const char *arch, const char *variable, const char *program,
               const char *what) {
  if (!arch)
    return (Tool){variable, program, what};
  if (!strcmp(program, "cc"))
    program = "gcc";
  return (Tool){arena_printf(a, "CROSS_%s", variable),
                arena_printf(a, "%s-linux-gnu-%s", arch, program),
                arena_printf(a, "%s for %s and comes with Debian's gcc-%s-linux-gnu", what, arch,
                             replaced(a, arch, '_', '-'))};
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
static bool run(Arena *a, const Tool *t, Words *words, const char *log, const char **error) {
  posix_spawn_file_actions_t io;
  posix_spawnattr_t attr;
  sigset_t none;
  pid_t pid;
  int status = 0;
  vec_push(a, words, NULL);
  posix_spawn_file_actions_init(&io);
  posix_spawn_file_actions_addopen(&io, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&io, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&io, 1, 2);
  posix_spawnattr_init(&attr);
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attr, &none);
  posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
  int failed = posix_spawnp(&pid, words->v[0], &io, &attr, words->v, environ);
  posix_spawnattr_destroy(&attr);
  posix_spawn_file_actions_destroy(&io);
  if (failed) {
    *error = arena_printf(a,
                          "cannot run `%s`, which %s: %s (install it, or name another in the "
                          "environment variable %s)",
                          words->v[0], t->what, strerror(failed), t->variable);
    return false;
  }
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    ;
  if (WIFEXITED(status) && !WEXITSTATUS(status))
    return true;
  *error = WIFEXITED(status) && WEXITSTATUS(status) == 127
               ? arena_printf(a, "cannot run `%s`, which %s", words->v[0], t->what)
               : arena_printf(a, "`%s` failed: %s", words->v[0], contents(a, log, 4000));
  return false;
}

bool made_run(Arena *a, const Tool *t, const char *const *args, int n, const char *log,
              const char **error) {
  Words w = {.n = 0};
  command(a, &w, t->variable, t->otherwise);
  for (int i = 0; i < n; i++)
    vec_push(a, &w, (char *)(uintptr_t)args[i]);
  return run(a, t, &w, log, error);
}

const char *made_own_dir(Arena *a) {
  char path[4096];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  if (n <= 0)
    return NULL;
  path[n] = 0;
  char *slash = strrchr(path, '/');
  return slash ? arena_strndup(a, path, (size_t)(slash - path)) : NULL;
}
