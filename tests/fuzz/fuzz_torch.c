// libFuzzer: what torch.save writes.  An input that begins with Z is a pickle behind it, of an archive that is right: no
// checksum stands in its way.  Any other one is the file.  What opens is read.
#include "runtime/foreign/foreign.h"
#include "tests/fuzz/fuzz_foreign.h"
#include "tests/unit/foreign_files.h"

static void wrap(const char *path, const uint8_t *pickle, size_t n) {
  static const char zeros[48];
  MadeZip z = {.deflate = n % 2};
  zip_put(&z, "x/data.pkl", pickle, n);
  zip_put(&z, "x/data/0", zeros, 48);
  zip_put(&z, "x/data/1", zeros, 8);
  zip_finish(&z);
  grow_write(&z.file, path);
  grow_free(&z.file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static char path[64];
  if (!path[0])
    fuzz_path(path, "w.bin");
  if (size && *data == 'Z')
    wrap(path, data + 1, size - 1);
  else
    fuzz_write(path, data, size);
  fuzz_foreign(path, torch_open);
  return 0;
}
