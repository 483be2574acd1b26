// libFuzzer target: any text as a model, through parser and checker; what is accepted is described
// too.
#include "compiler/sema/sema.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Text that may read other files is left alone.
static bool uses_files(const uint8_t *data, size_t size) {
  for (size_t i = 0; i + 3 <= size; i++)
    if (!memcmp(data + i, "use", 3))
      return true;
  return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (memchr(data, 0, size) || uses_files(data, size))
    return 0;
  Arena *a = arena_new();
  Diags d = {.arena = a};
  const char *text = arena_strndup(a, (const char *)data, size);
  const Model *m = model_load(a, intern_new(a), &d, "fuzz.mdl", text, &(ModelOptions){0});
  CHECK(model_ok(m) == !d.errors);
  if (model_ok(m))
    model_describe(a, m);
  diags_string(a, &d, DIAG_TEXT, false);
  arena_free(a);
  return 0;
}
