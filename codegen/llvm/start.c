// What is told of LLVM's own failures: see codegen/target.h.
#include "codegen/target.h"
#include <llvm-c/ErrorHandling.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

typedef struct NoMemory {
  void (*call)(void);
} NoMemory;
static void llvm_out_of_memory(void *ctx, const char *reason, bool diagnose) {
  (void)reason, (void)diagnose;
  ((const NoMemory *)ctx)->call();
}

// LLVM takes memory by malloc and by C++'s `new`, and its C interface has no say in what happens
// when there is none.  Where these two functions are not exported, it aborts.
static void install(void (*no_memory)(void)) {
  static NoMemory kept; // as long as LLVM's
  kept.call = no_memory;
  void (*of_malloc)(void (*)(void *, const char *, bool), void *);
  void (*(*of_new)(void (*)(void)))(void);
  void *p = dlsym(RTLD_DEFAULT, "_ZN4llvm31install_bad_alloc_error_handlerEPFvPvPKcbES0_");
  memcpy(&of_malloc, &p, sizeof p);
  if (p)
    of_malloc(llvm_out_of_memory, &kept);
  p = dlsym(RTLD_DEFAULT, "_ZSt15set_new_handlerPFvvE");
  memcpy(&of_new, &p, sizeof p);
  if (p)
    of_new(no_memory);
}

void target_start(void (*failed)(const char *reason), void (*no_memory)(void)) {
  LLVMInstallFatalErrorHandler(failed);
  install(no_memory);
}
