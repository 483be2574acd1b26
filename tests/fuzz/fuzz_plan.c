// libFuzzer: any text as a model, through every pass up to the plan of its kernels, for gradients and updates
// too; each pass is verified.  Texts of an even size are planned as -O0 does, the others as -O2.
#include "compiler/driver/pipeline.h"
#include "tests/fuzz/fuzz.h"

enum { LONGEST = 4096 }; // the sizes that matter come from few lines

// Text that may read other files is left alone.
static bool uses_files(const char *text) {
  return strstr(text, "use") != NULL;
}

// Every step of a scan and every instance of a module is planned: a handful shows what hundreds would.
static bool unrolls_much(const Model *m) {
  const ModelDim *dims;
  int n = model_dims(m, &dims);
  for (int i = 0; i < n; i++)
    if (dims[i].fixed && dims[i].extent > 64)
      return strstr(model_text(m), "scan") || strstr(model_text(m), "repeat");
  return false;
}

static void plan(Arena *a, Intern *names, Diags *d, Model *m, int opt) {
  const char *error = NULL;
  BuildWant want = {.nentries = -1, .ntrains = -1, .dropout = true, .update = true, .init = true};
  BuildOptions o = {
      .opt = opt, .verify = true, .target = target_new(a, "x86-64-v3", opt, 0, &error)};
  Build b;
  must(o.target != NULL);
  bool ok = build_module(&b, a, names, d, m, &want, &o);
  must(ok == !d->errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (memchr(data, 0, size) || size > LONGEST)
    return 0;
  Arena *a = arena_new();
  Intern *names = intern_new(a);
  Diags d = {.arena = a};
  const char *text = arena_strndup(a, (const char *)data, size);
  if (!uses_files(text)) {
    Model *m = model_load(a, names, &d, "fuzz.mdl", text, NULL);
    if (model_ok(m) && model_name(m) && !unrolls_much(m))
      plan(a, names, &d, m, size % 2 ? 2 : 0);
    diags_string(a, &d, DIAG_TEXT, false);
  }
  arena_free(a);
  return 0;
}
