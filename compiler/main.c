// bigsc: the command line.  Only here and in the cmd_*.c files is anything printed or the process
// ended.
#include "compiler/commands/cmd.h"
#include "codegen/target.h"
#include "compiler/driver/shipped.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void llvm_failed(const char *reason) {
  BUG("LLVM: %s", reason);
}

// A file of ours that took the place of a closed standard output would get what is printed.  Reading
// and writing fail as on a closed one.
static void keep_standard_descriptors(void) {
  for (int fd = 0; fd <= 2; fd++)
    if (fcntl(fd, F_GETFD) < 0 &&
        open(fd ? "/dev/full" : "/dev/null", fd ? O_RDONLY : O_WRONLY) < 0)
      open("/dev/null", fd ? O_RDONLY : O_WRONLY);
}

// -1 to go on.
static int folder_for_model(Arena *a, Options *o) {
  BigsError e = {0};
  if (!shipped_folder(a, o, &e))
    return -1;
  fprintf(stderr, "bigsc: %s\n", e.text);
  return e.status;
}

int main(int argc, char **argv) {
  static int (*const run[VERB_COUNT])(const Options *) = {
#define VERB(id, name, args, help) cmd_##id,
#include "compiler/driver/verbs.def"
#undef VERB
  };
  keep_standard_descriptors();
  Arena *a = arena_new();
  Options o;
  target_start(llvm_failed, out_of_memory);
  // A file size limit shows as a failed write, with a message, rather than as a signal.
  signal(SIGXFSZ, SIG_IGN);
  int status = options_parse(a, &o, argc, argv);
  if (status < 0)
    status = folder_for_model(a, &o);
  if (status < 0)
    status = run[o.verb](&o);
  arena_free(a);
  // A large write that failed before leaves nothing to flush, and no errno.
  const char *why = fflush(stdout) ? strerror(errno) : ferror(stdout) ? "cannot write" : NULL;
  if (why && !status) {
    fprintf(stderr, "bigsc: standard output: %s\n", why);
    status = EXIT_FILE;
  }
  return status;
}
