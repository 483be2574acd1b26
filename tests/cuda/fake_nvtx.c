// A profiler for the tests, as NVTX_INJECTION64_PATH names one: it notes ranges in the file that FAKE_NVTX_LOG names, a line
// with the name for each that is opened, "end" for each that is closed.
//   cc -I TOP -shared -fPIC tests/cuda/fake_nvtx.c -o libnvtx.so
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef void Call(void);
typedef struct Callbacks {
  size_t size;
  int (*table)(int module, Call ****out, unsigned *count);
} Callbacks;
enum { CALLBACKS = 1, CORE = 1, PUSH = 9, POP = 11 };

static int note(const char *text) {
  const char *path = getenv("FAKE_NVTX_LOG");
  FILE *f = path ? fopen(path, "a") : NULL;
  if (f) {
    fprintf(f, "%s\n", text);
    fclose(f);
  }
  return 0;
}

static int pop(void) {
  return note("end");
}

__attribute__((visibility("default"))) int
InitializeInjectionNvtx2(const void *(*tables)(uint32_t)) {
  const Callbacks *c = tables(CALLBACKS);
  Call ***table = NULL;
  unsigned count = 0;
  if (tables(2) || !c || c->size < sizeof *c || c->table(2, &table, &count) ||
      !c->table(CORE, &table, &count) || count <= POP)
    abort();
  *table[PUSH] = (Call *)note;
  *table[POP] = (Call *)pop;
  return 1;
}
