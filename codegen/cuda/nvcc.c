// See nvcc.h.
#include "codegen/cuda/nvcc.h"
#include "codegen/api/embed.h"
#include "codegen/made.h"
#include "base/vec.h"
#include <stdlib.h>
#include <string.h>

typedef struct Nvcc {
  const CudaFile *in;
  const char *architecture, *path;
} Nvcc;

static const char *name_of(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static bool write_source(const Nvcc *n, Arena *a, const char *path, const char **error) {
  char *text = NULL;
  size_t size = 0;
  FILE *f = open_memstream(&text, &size);
  if (!f)
    arena_exhausted(a);
  cuda_file(f, a, n->in, name_of(path));
  bool whole = !fclose(f);
  bool ok = whole && made_write(a, path, text, size, error);
  free(text);
  if (!whole)
    arena_exhausted(a);
  return ok;
}

// nvcc takes a comma for the end of an option's value: a name with one is not told to the linker.
static const char *make(void *ctx, Arena *a, const char *folder, const char **error) {
  const Nvcc *n = ctx;
  static const Tool nvcc = {"NVCC", "nvcc", "makes libraries of CUDA source"};
  const char *source = arena_printf(a, "%s/model.cu", folder);
  const char *made = arena_printf(a, "%s/made.so", folder);
  const char *args[] = {
      "-gencode", arena_printf(a, "arch=compute_%s,code=sm_%s", n->architecture, n->architecture),
      "-shared",  "-Xcompiler",
      "-fPIC",    source,
      "-o",       made,
      "-Xlinker", arena_printf(a, "-soname=%s", name_of(n->path)),
      NULL};
  int count = COUNT(args) - 1 - (strchr(n->path, ',') ? 2 : 0);
  const BigsModule *m = n->in->module;
  const char *weights = m->weights ? embed_object(a, m, NULL, folder, error) : NULL;
  if (weights)
    args[count++] = weights;
  bool ok = !weights == !m->weights && write_source(n, a, source, error) &&
            made_run(a, &nvcc, args, count, arena_printf(a, "%s/log", folder), error);
  return ok ? made : NULL;
}

bool nvcc_library(Arena *a, const CudaFile *in, const char *architecture, const char *path,
                  const char **error) {
  Nvcc n = {in, architecture, path};
  return made_file(a, path, make, &n, error);
}
