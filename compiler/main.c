// bigsc: the command line.  Only here and in the cmd_*.c files is anything printed or the process
// ended.
#include "compiler/commands/cmd.h"
#include <llvm-c/ErrorHandling.h>
#include <dlfcn.h>
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

static void llvm_out_of_memory(void *ctx, const char *reason, bool diagnose) {
  (void)ctx, (void)reason, (void)diagnose;
  out_of_memory();
}

// LLVM takes memory by malloc and by C++'s `new`, and its C interface has no say in what happens
// when there is none.  Where these two functions are not exported, it aborts.
static void when_llvm_is_out_of_memory(void) {
  void (*of_malloc)(void (*)(void *, const char *, bool), void *);
  void (*(*of_new)(void (*)(void)))(void);
  void *p = dlsym(RTLD_DEFAULT, "_ZN4llvm31install_bad_alloc_error_handlerEPFvPvPKcbES0_");
  memcpy(&of_malloc, &p, sizeof p);
  if (p)
    of_malloc(llvm_out_of_memory, NULL);
  p = dlsym(RTLD_DEFAULT, "_ZSt15set_new_handlerPFvvE");
  memcpy(&of_new, &p, sizeof p);
  if (p)
    of_new(out_of_memory);
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
  LLVMInstallFatalErrorHandler(llvm_failed);
  when_llvm_is_out_of_memory();
  // A file size limit shows as a failed write, with a message, rather than as a signal.
  signal(SIGXFSZ, SIG_IGN);
  int status = options_parse(a, &o, argc, argv);
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
