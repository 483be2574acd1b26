// A host of any compiled model: it has no header of the model, but the library's path.
//
//   cc host.c -o host $(pkg-config --cflags --libs bigsrt)
//   ./host ./bert.so                            lists its entries
//   ./host ./bert.so hidden 2 6                 runs one, with run-time dims 2 and 6, fresh parameters, and inputs that are zero
//
// The runtime is the host's (libbigsrt.a); of the library it takes the tables and the kernels.
#include <bigsc/bigs.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 4, DIMS = 32, INPUTS = 64 };

// What the library says of itself, by the one name that is the same in all; NULL: it is no model.
static const bigs_info *load(const char *path) {
  const bigs_info *(*info)(void);
  void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL),
       *symbol = so ? dlsym(so, "bigs_module_info") : NULL;
  if (!symbol) {
    fprintf(stderr, "%s\n", so ? "this library is no model" : dlerror());
    return NULL;
  }
  memcpy(&info, &symbol, sizeof info);
  return info();
}

static void list(const bigs_info *info) {
  printf("%s, %lld parameters, compiled for %s\n", info->model, (long long)info->parameter_count,
         info->target);
  for (int i = 0; i < info->nentry; i++) {
    printf("  %s %s:", info->entry[i].trains ? "train" : "entry", info->entry[i].name);
    for (int k = 0; k < info->entry[i].ndim; k++)
      printf(" %s", info->dim[info->entry[i].dim[k]].name);
    printf("\n");
  }
}

static const bigs_info_entry *find(const bigs_info *info, const char *name) {
  for (int i = 0; i < info->nentry; i++)
    if (!info->entry[i].trains && !strcmp(info->entry[i].name, name))
      return &info->entry[i];
  fprintf(stderr, "%s has no entry %s\n", info->model, name);
  return NULL;
}

// The length of an axis: a number, or a run-time dim.  0: a sum or a product of those, which this
// program does not compute.
static int64_t extent(const bigs_info *info, const bigs_info_tensor *t, int axis,
                      const int64_t *dims) {
  for (int i = 0; i < info->ndim; i++)
    if (!strcmp(t->extent[axis], info->dim[i].name))
      return dims[i];
  return t->size[axis];
}

static size_t elements(const bigs_info *info, const bigs_info_tensor *t, const int64_t *dims) {
  size_t n = 1;
  for (int i = 0; i < t->rank; i++)
    n *= (size_t)extent(info, t, i, dims);
  return n;
}

// Zeros, 16 bytes for each element, which is enough for every dtype.
static void *tensor(const bigs_info *info, const bigs_info_tensor *t, const int64_t *dims) {
  size_t n = elements(info, t, dims);
  return n ? calloc(n, 16) : NULL;
}

// The first numbers of an output; of another dtype only which one that is.
static void show(const bigs_info_tensor *t, const void *data, size_t n) {
  bool shown = !strcmp(t->dtype, "f32");
  for (size_t i = 0; i < n && i < SHOWN && shown; i++)
    printf("%s%.6f", i ? " " : "", ((const float *)data)[i]);
  printf("%s\n", shown ? "" : t->dtype);
}

static int run(bigs_model *m, const bigs_info *info, const bigs_info_entry *e,
               const int64_t *dims) {
  void *in[INPUTS] = {NULL}, *out = tensor(info, &e->output, dims);
  int status = out && e->ninput <= INPUTS ? 0 : 1;
  for (int i = 0; i < e->ninput && !status; i++)
    if (!e->input[i].optional)
      status = !(in[i] = tensor(info, &e->input[i], dims));
  if (status)
    fprintf(stderr, "%s: memory is short, or an axis is neither a number nor a dim\n", e->name);
  else if ((status = bigs_model_run(m, e->program, dims, (const void *const *)in, &out)))
    fprintf(stderr, "%s: %s\n", e->name, bigs_model_error(m));
  else
    show(&e->output, out, elements(info, &e->output, dims));
  for (int i = 0; i < e->ninput && i < INPUTS; i++)
    free(in[i]);
  free(out);
  return status;
}

int main(int argc, char **argv) {
  char error[256];
  int64_t dims[DIMS] = {0};
  if (argc < 2)
    return fprintf(stderr, "usage: host LIBRARY [ENTRY DIM...]\n"), 2;
  const bigs_info *info = load(argv[1]);
  if (!info)
    return 2;
  if (argc == 2)
    return list(info), 0;
  const bigs_info_entry *e = find(info, argv[2]);
  if (!e || e->ndim != argc - 3 || info->ndim > DIMS)
    return fprintf(stderr, "give a number for each dim of the entry\n"), 2;
  for (int i = 0; i < e->ndim; i++)
    dims[e->dim[i]] = atoll(argv[3 + i]);
  bigs_model *m = bigs_model_open(info->module, NULL, error, sizeof error);
  if (!m)
    return fprintf(stderr, "%s\n", error), 3;
  int status = run(m, info, e, dims);
  bigs_model_close(m);
  return status;
}
