// What a compiled model computes, as numbers in a file, for comparing the code of one machine with that of another:
//   peer values LIBRARY FILE     of fresh parameters and several sizes: every entry, gradients, and the losses of some steps
//   peer compare FILE FILE ROOM  status 1: they differ by more than code may differ from the interpreter, or, of float32, by ROOM
// It is linked with the runtime of the machine that it is for, and loads libraries by their path.
#include "base/dtype.h"
#include "runtime/abi.h"
#include "runtime/bigs.h"
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS = 64, STEPS = 3, MOST_IDS = 11 };

// A loss is compared to 1 at least, a gradient to a thousandth of the largest one so far.
typedef enum Kind { AN_ENTRY, A_LOSS, A_GRADIENT } Kind;

typedef struct Header {
  char name[96];
  int64_t n;
  double room; // of the largest number
  Kind kind;
} Header;

typedef struct Values {
  FILE *out;
  bigs_model *handle;
  const BigsModule *module;
  int64_t dim[MAX_SYMS];
  void *input[INPUTS];
} Values;

static _Noreturn void fail(const char *what, const char *why) {
  fprintf(stderr, "peer: %s: %s\n", what, why);
  exit(2);
}

static void *memory(size_t n) {
  void *p = calloc(n + 64, 1);
  if (!p)
    fail("memory", "none");
  return p;
}

// ---- numbers

static double number_at(const void *p, int dtype, int64_t i) {
  switch (dtype) {
  case DT_BOOL: return ((const uint8_t *)p)[i];
  case DT_I32: return ((const int32_t *)p)[i];
  case DT_F64: return ((const double *)p)[i];
  case DT_F32: return (double)((const float *)p)[i];
  default: return bf16_value(((const uint16_t *)p)[i]);
  }
}

static void put_number(void *p, int dtype, int64_t i, double v) {
  switch (dtype) {
  case DT_BOOL: ((uint8_t *)p)[i] = v != 0; break;
  case DT_I32: ((int32_t *)p)[i] = (int32_t)v; break;
  case DT_F64: ((double *)p)[i] = v; break;
  default: ((float *)p)[i] = (float)v;
  }
}

static void put(const Values *x, const char *name, const void *data, int dtype, int64_t n,
                double room, Kind kind) {
  Header h = {.n = n, .kind = kind, .room = dtype == DT_I32 || dtype == DT_BOOL ? 0 : room};
  snprintf(h.name, sizeof h.name, "%s at %d, %d", name, (int)x->dim[0], (int)x->dim[1]);
  fwrite(&h, sizeof h, 1, x->out);
  for (int64_t i = 0; i < n; i++) {
    double v = number_at(data, dtype, i);
    fwrite(&v, sizeof v, 1, x->out);
  }
}

// ---- inputs

static double drawn(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (double)(*state >> 33) / (double)(1u << 31);
}

static int64_t elements(const BigsTensor *t, const int64_t *dim) {
  int64_t n = 1;
  for (int i = 0; i < t->rank; i++)
    n *= poly_eval(&t->extent[i], dim);
  return n;
}

static double input_value(const Values *x, const BigsTensor *t, int64_t k, uint64_t *state) {
  int64_t limit = t->limit.n ? poly_eval(&t->limit, x->dim) : MOST_IDS;
  double u = drawn(state);
  if (t->dtype == DT_BOOL)
    return k % 3 == 0 || u < 0.5;
  return t->dtype == DT_I32 ? floor(u * (double)(limit < MOST_IDS ? limit : MOST_IDS)) : 2 * u - 1;
}

static void fill(Values *x, int i, uint64_t *state) {
  const BigsTensor *t = &x->module->input[i];
  int64_t n = elements(t, x->dim);
  x->input[i] = memory((size_t)n * 8);
  for (int64_t k = 0; k < n; k++)
    put_number(x->input[i], t->dtype, k, input_value(x, t, k, state));
}

static void begin(Values *x, const int64_t *size, uint64_t state) {
  const BigsModule *m = x->module;
  for (int i = 0; i < m->ndim; i++) {
    const BigsDim *d = &m->dim[i];
    x->dim[i] = d->by ? poly_eval(&d->of, x->dim) / d->by : i < 3 ? size[i] : i % 2 + 1;
    if (d->bound && x->dim[i] > d->bound)
      x->dim[i] = d->bound;
  }
  for (int i = 0; i < m->ninput && i < INPUTS; i++)
    if (*m->input[i].name != '#') // of the optimizer
      fill(x, i, &state);
}

static void end(Values *x) {
  for (int i = 0; i < x->module->ninput && i < INPUTS; i++) {
    free(x->input[i]);
    x->input[i] = NULL;
  }
}

static const void *const *inputs_of(const Values *x, const BigsProgram *p, const void **in) {
  for (int i = 0; i < p->ninput; i++)
    in[i] = x->input[p->input[i]];
  return in;
}

// ---- values

static void check(const Values *x, const char *what, int status) {
  if (status)
    fail(what, bigs_model_error(x->handle));
}

static void entry(const Values *x, int program) {
  const BigsProgram *p = &x->module->program[program];
  const BigsTensor *t = p->output;
  int64_t n = elements(t, x->dim);
  const void *in[INPUTS];
  void *out = memory((size_t)n * 8);
  check(x, p->name, bigs_model_run(x->handle, program, x->dim, inputs_of(x, p, in), &out));
  put(x, p->name, out, t->dtype, n, t->dtype == DT_F64 ? 1e-12 : 2e-5, AN_ENTRY);
  free(out);
}

static void gradient(const Values *x, int i) {
  const BigsParam *p = &x->module->param[i];
  int64_t n = 1;
  for (int k = 0; k < p->rank; k++)
    n *= p->extent[k];
  void *dense = memory((size_t)n * 8);
  check(x, p->name, bigs_model_get(x->handle, BIGS_THE_GRADIENT, i, dense));
  put(x, p->name, dense, p->dtype, n, 3e-4, A_GRADIENT);
  free(dense);
}

// Optimizers are for parameters of float32.
static bool steps(const Values *x, const BigsTrain *t) {
  bool all = t->rate >= 0;
  for (int i = 0; i < x->module->nparam; i++)
    all &= x->module->param[i].dtype == DT_F32;
  return all;
}

static void gradients(const Values *x, int train) {
  const BigsTrain *t = &x->module->train[train];
  const void *in[INPUTS];
  float loss;
  inputs_of(x, &x->module->program[t->program], in);
  check(x, t->name, bigs_model_grad(x->handle, train, x->dim, in, &loss));
  put(x, t->name, &loss, DT_F32, 1, 3e-5, A_LOSS);
  for (int i = 0; i < x->module->nparam; i++)
    gradient(x, i);
}

static void train(const Values *x, int train) {
  const BigsTrain *t = &x->module->train[train];
  const void *in[INPUTS];
  float loss;
  inputs_of(x, &x->module->program[t->program], in);
  for (int i = 0; i < STEPS && steps(x, t); i++) {
    check(x, t->name, bigs_model_step(x->handle, train, x->dim, in, &loss));
    put(x, "step", &loss, DT_F32, 1, 3e-4, A_LOSS);
  }
}

static void values_at(Values *x, const int64_t *size) {
  begin(x, size, (uint64_t)(size[0] * 1000 + size[1]));
  for (int i = 0; i < x->module->nprogram; i++)
    if (x->module->program[i].kind == BIGS_ENTRY)
      entry(x, i);
  for (int i = 0; i < x->module->ntrain; i++)
    gradients(x, i);
  end(x);
}

// The first train block, behind all else: where a gradient is nothing but rounding, an optimizer makes a step of it, and what is
// computed of parameters after some of those differs by more.
static void training(Values *x, const int64_t *size) {
  begin(x, size, 1);
  if (x->module->ntrain)
    train(x, 0);
  end(x);
}

// What the library says of itself, by the one name that is the same in all.
static const BigsModule *load(const char *path) {
  const bigs_info *(*info)(void);
  void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL),
       *symbol = so ? dlsym(so, "bigs_module_info") : NULL;
  if (!symbol)
    fail(path, dlerror());
  memcpy(&info, &symbol, sizeof info);
  return info()->module;
}

static int values(const char *library, const char *path) {
  static const int64_t sizes[][3] = {{2, 7, 3}, {1, 1, 1}, {3, 17, 5}};
  char why[256];
  Values x = {.module = load(library), .out = fopen(path, "wb")};
  bigs_options o = {.size = sizeof o, .threads = 1};
  if (!x.out)
    fail(path, "cannot be written");
  if (!(x.handle = bigs_model_open_with(x.module, NULL, &o, why, sizeof why)))
    fail(library, why);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    values_at(&x, sizes[i]);
  training(&x, sizes[0]);
  bigs_model_close(x.handle);
  return fclose(x.out) ? 2 : 0;
}

// ---- comparison

static double *read_values(FILE *f, Header *h) {
  if (fread(h, sizeof *h, 1, f) != 1)
    return NULL;
  double *v = memory((size_t)h->n * sizeof *v);
  if (fread(v, sizeof *v, (size_t)h->n, f) != (size_t)h->n)
    fail(h->name, "the file is cut");
  return v;
}

// What is no number has to be none in both.
static bool same(double a, double b, double room) {
  return isfinite(a) && isfinite(b) ? fabs(a - b) <= room : a == b || (isnan(a) && isnan(b));
}

static bool agree(const Header *h, const double *a, const double *b) {
  static double all;
  double most = h->kind == A_LOSS, worst = 0;
  int64_t bad = 0;
  for (int64_t i = 0; i < h->n; i++)
    most = isfinite(a[i]) ? fmax(most, fabs(a[i])) : most;
  if (h->kind == A_GRADIENT) {
    all = fmax(all, most);
    most = fmax(most, all / 1000);
  }
  for (int64_t i = 0; i < h->n; i++) {
    bad += !same(a[i], b[i], h->room * most);
    worst = fmax(worst, fabs(a[i] - b[i]));
  }
  if (bad)
    printf("%s: %lld of %lld differ, the most by %.3g of %.3g\n", h->name, (long long)bad,
           (long long)h->n, worst, most);
  return !bad;
}

static int compare(const char *one, const char *other, double room) {
  FILE *f = fopen(one, "rb"), *g = fopen(other, "rb");
  Header h, k;
  double *a, *b;
  int bad = 0;
  long long n = 0;
  if (!f || !g)
    fail(f ? other : one, "cannot be read");
  while ((a = read_values(f, &h))) {
    if (!(b = read_values(g, &k)) || memcmp(&h, &k, sizeof h) != 0)
      fail(h.name, "the other file has something else");
    h.room = h.room > 1e-12 ? fmax(h.room, room) : h.room;
    bad += !agree(&h, a, b);
    n += h.n;
    free(a);
    free(b);
  }
  printf("%lld numbers\n", n);
  return bad || !n || read_values(g, &k);
}

int main(int argc, char **argv) {
  if (argc == 4 && !strcmp(argv[1], "values"))
    return values(argv[2], argv[3]);
  if (argc == 5 && !strcmp(argv[1], "compare"))
    return compare(argv[2], argv[3], atof(argv[4]));
  fprintf(stderr, "usage: peer values LIBRARY FILE | peer compare FILE FILE ROOM\n");
  return 2;
}
