// libFuzzer: flax_model.msgpack.  What opens is read.
#include "runtime/foreign/foreign.h"
#include "tests/fuzz/fuzz_foreign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static char path[64];
  if (!path[0])
    fuzz_path(path, "w.msgpack");
  fuzz_write(path, data, size);
  fuzz_foreign(path, flax_open);
  return 0;
}
