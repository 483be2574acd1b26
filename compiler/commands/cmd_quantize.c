// bigsc quantize: weights of a folder or a file with those that products of int8 alone read as int8, and their scales.
#include "base/dtype.h"
#include "base/int8.h"
#include "compiler/commands/cmd.h"
#include "compiler/commands/fitted.h"
#include "compiler/commands/outputs.h"
#include "compiler/driver/session.h"
#include "runtime/exec/exec.h"
#include "runtime/exec/weights.h"
#include "runtime/files/file.h"
#include "runtime/files/st_int8.h"
#include "runtime/foreign/foreign.h"
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct Quantize {
  Session s;
  int block; // of names
  Fitted fitted;
  const char *names; // of what stays int8 of what was fitted; NULL: nothing was
  StWriter *w;
  int64_t kept, packed; // bytes that were written as they were, and as int8
} Quantize;

// ---- a tensor as the file has it

typedef struct InFile {
  StoredShape shape;
  int64_t scales[ST_MAX_RANK]; // the scales' axes: 1 along what is summed up
  int64_t step[BIGS_MAX_RANK]; // by the parameter's axes, in the scales
  int64_t nscale, n;
} InFile;

// The axis of the file that one of the parameter, which has a stride there, is part of.
static int axis_in_file(const StoredShape *s, int64_t stride) {
  int64_t step = 1;
  int d = s->rank - 1;
  for (; d > 0 && stride >= step * s->shape[d]; d--)
    step *= s->shape[d];
  return d;
}

// Do axes of the file hold columns alone, or what is summed up alone?
static bool is_split(const BigsParam *p, InFile *x) {
  bool column[ST_MAX_RANK] = {0}, summed[ST_MAX_RANK] = {0}, fits = true;
  for (int i = 0; i < p->rank; i++)
    if (p->extent[i] > 1)
      (p->nstep[i] ? column : summed)[axis_in_file(&x->shape, x->shape.stride[i])] = true;
  x->nscale = 1;
  for (int d = 0; d < x->shape.rank; d++) {
    fits &= !(column[d] && summed[d]);
    x->scales[d] = column[d] ? x->shape.shape[d] : 1;
    x->nscale *= x->scales[d];
  }
  return fits;
}

// The stride of an axis in the file, less what is summed up within.
static void scale_steps(const BigsParam *p, InFile *x) {
  for (int i = 0; i < p->rank; i++) {
    int at = axis_in_file(&x->shape, x->shape.stride[i]);
    int64_t file = 1, own = 1;
    for (int d = x->shape.rank - 1; d > at; d--) {
      file *= x->shape.shape[d];
      own *= x->scales[d];
    }
    x->step[i] = p->nstep[i] ? x->shape.stride[i] / file * own : 0;
  }
}

static bool as_int8(const Quantize *q, int param, InFile *x) {
  const BigsParam *p = &q->s.module->param[param];
  x->shape = stored_shape(q->s.module, q->block, param);
  x->n = param_count(p);
  if (!p->quads || !is_split(p, x))
    return false;
  scale_steps(p, x);
  return true;
}

static bool is_lacking(const Quantize *q, int param) {
  return q->s.handle->unread && q->s.handle->unread[param];
}

// ---- what is written

static int declare(Quantize *q, int param, BigsError *e) {
  InFile x = {0};
  const BigsParam *p = &q->s.module->param[param];
  bool packed = as_int8(q, param, &x);
  StDType t = packed ? ST_I8 : param_elem(p) == 8 ? ST_F64 : ST_F32;
  int err = st_declare(q->w, x.shape.name, t, x.shape.rank, x.shape.shape, e);
  if (err || !packed)
    return err;
  const char *name = session_text(&q->s, "%s%s", x.shape.name, ST_INT8_SCALE);
  return st_declare(q->w, name, ST_F32, x.shape.rank, x.scales, e);
}

typedef void EachFn(const float *x, int64_t file, int64_t scale, void *ctx);

static void each(const BigsParam *p, const InFile *x, const float *dense, EachFn *f, void *ctx) {
  int64_t at[BIGS_MAX_RANK] = {0};
  for (int64_t k = 0; k < x->n; k++) {
    int64_t file = 0, scale = 0;
    for (int i = 0; i < p->rank; i++) {
      file += at[i] * x->shape.stride[i];
      scale += at[i] * x->step[i];
    }
    f(dense + k, file, scale, ctx);
    for (int i = p->rank - 1; i >= 0 && ++at[i] == p->extent[i]; i--)
      at[i] = 0;
  }
}

typedef struct Packed {
  uint32_t *most;
  int8_t *q;
  float *as;
} Packed;

static void look(const float *x, int64_t file, int64_t scale, void *ctx) {
  Packed *p = ctx;
  uint32_t is = int8_magnitude(*x);
  (void)file;
  p->most[scale] = is > p->most[scale] ? is : p->most[scale];
}
static void pack(const float *x, int64_t file, int64_t scale, void *ctx) {
  Packed *p = ctx;
  p->q[file] = int8_round(*x, int8_inverse(p->most[scale]));
}
static void lay(const float *x, int64_t file, int64_t scale, void *ctx) {
  (void)scale;
  ((Packed *)ctx)->as[file] = *x;
}

static int write_packed(Quantize *q, const BigsParam *p, const InFile *x, const float *dense,
                        BigsError *e) {
  Arena *a = arena_new();
  Packed t = {.most = NEWN(a, uint32_t, x->nscale), .q = NEWN(a, int8_t, x->n)};
  float *scale = NEWN(a, float, x->nscale);
  each(p, x, dense, look, &t);
  each(p, x, dense, pack, &t);
  for (int64_t i = 0; i < x->nscale; i++)
    scale[i] = int8_scale(t.most[i]);
  int err = st_write(q->w, t.q, (size_t)x->n, e);
  err = err ? err : st_write(q->w, scale, (size_t)x->nscale * sizeof *scale, e);
  q->packed += x->n + x->nscale * 4;
  arena_free(a);
  return err;
}

static int write_whole(Quantize *q, const BigsParam *p, const InFile *x, const float *dense,
                       BigsError *e) {
  Arena *a = arena_new();
  size_t bytes = (size_t)x->n * (size_t)param_elem(p);
  Packed t = {.as = NEWN(a, float, x->n)};
  if (param_elem(p) == 4)
    each(p, x, dense, lay, &t);
  int err = st_write(q->w, param_elem(p) == 4 ? t.as : dense, bytes, e);
  q->kept += (int64_t)bytes;
  arena_free(a);
  return err;
}

static int write_tensor(Quantize *q, int param, BigsError *e) {
  const BigsParam *p = &q->s.module->param[param];
  InFile x = {0};
  bool packed = as_int8(q, param, &x);
  void *dense = calloc((size_t)x.n + 1, (size_t)param_elem(p));
  if (!dense)
    return bigs_fail_memory(e, p->name);
  int err = bigs_model_get(q->s.handle, BIGS_THE_WEIGHT, param, dense);
  DType t = param_elem(p) == 8 ? DT_F64 : DT_F32;
  if (!err && first_not_finite(dense, t, x.n) >= 0)
    err = exec_check_finite(q->s.handle, &q->s.handle->param);
  if (!err && packed && q->names)
    fitted_get(&q->fitted, p, param, dense);
  err = err ? bigs_fail(e, err, "%s", bigs_model_error(q->s.handle))
            : (packed ? write_packed : write_whole)(q, p, &x, dense, e);
  free(dense);
  return err;
}

// The names of those that are int8, which planning goes by.
static const char *names_of_int8(Quantize *q) {
  const char *text = "";
  InFile x;
  for (int i = 0; i < q->s.module->nparam; i++)
    if (!is_lacking(q, i) && as_int8(q, i, &x))
      text = session_text(&q->s, "%s%s%s", text, *text ? " " : "", q->s.module->param[i].name);
  return text;
}

static int write_all(Quantize *q, const char *path, BigsError *e) {
  const BigsModule *m = q->s.module;
  q->w = st_create(path, e);
  int err = q->w ? st_add_metadata(q->w, ST_INT8, names_of_int8(q), e) : e->status;
  for (int i = 0; i < m->nparam && !err; i++)
    err = is_lacking(q, i) ? 0 : declare(q, i, e);
  for (int i = 0; i < m->nparam && !err; i++)
    err = is_lacking(q, i) ? 0 : write_tensor(q, i, e);
  if (!err)
    return st_finish(q->w, e);
  st_cancel(q->w);
  return err;
}

// ---- the folder's other files

static bool is_of_weights(const char *name) {
  static const char *const ending[] = {".safetensors", ".bin", ".pt",   ".pth",       ".msgpack",
                                       ".h5",          ".ot",  ".onnx", ".index.json"};
  bool is = false;
  for (int i = 0; i < COUNT(ending); i++)
    is |= file_has_suffix(name, ending[i]);
  return is;
}

static int copy_folder(Quantize *q, const char *from, const char *to, int depth, BigsError *e);

static int copy_entry(Quantize *q, const char *from, const char *to, const char *name, int depth,
                      BigsError *e) {
  enum { LARGEST = 1 << 28, DEEPEST = 4 };
  const char *path = session_text(&q->s, "%s/%s", from, name),
             *out = session_text(&q->s, "%s/%s", to, name);
  struct stat st;
  size_t size;
  if (*name == '.' || is_of_weights(name) || stat(path, &st))
    return 0;
  if (S_ISDIR(st.st_mode))
    return depth < DEEPEST ? copy_folder(q, path, out, depth + 1, e) : 0;
  if (!S_ISREG(st.st_mode))
    return 0;
  char *text = file_read(path, LARGEST, &size, e);
  int err = text ? file_put(out, text, size, e) : e->status;
  free(text);
  return err;
}

static int copy_folder(Quantize *q, const char *from, const char *to, int depth, BigsError *e) {
  DIR *d = opendir(from);
  if (!d)
    return bigs_fail_errno(e, "read", from);
  int err = file_make_folders(to, e);
  for (struct dirent *x; !err && (x = readdir(d));)
    err = copy_entry(q, from, to, x->d_name, depth, e);
  closedir(d);
  return err;
}

// ---- the command

// In the names that the weights have.
static int choose_names(Quantize *q, BigsError *e) {
  Hub *hub;
  int err = hub_open(q->s.weights, &foreign_readers, &hub, e);
  if (err)
    return err;
  err = name_choose(q->s.module, hub, &q->block, e);
  hub_close(hub);
  return err;
}

static bool is_same_folder(const char *a, const char *b) {
  struct stat x, y;
  return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int write_out(Quantize *q) {
  Session *s = &q->s;
  BigsError *e = &s->error;
  const char *out = s->o->out;
  bool folder = file_is_folder(s->weights);
  if (folder && is_same_folder(s->weights, out))
    return session_error(s, EXIT_USAGE, "%s is what is read: give another folder to -o", out);
  int err = folder ? copy_folder(q, s->weights, out, 0, e) : 0;
  err = err ? err : write_all(q, folder ? session_text(s, "%s/model.safetensors", out) : out, e);
  if (err)
    return session_fail(s, e);
  if (!s->o->quiet)
    fprintf(stderr, "%s: %.1f MB as int8 with scales, %.1f MB as before\n", out,
            (double)q->packed / 1e6, (double)q->kept / 1e6);
  return 0;
}

static int compile(Quantize *q) {
  BuildWant want = {.nentries = -1};
  Session *s = &q->s;
  int status = session_compile(s, &want);
  s->lacking = "left out";
  status = status ? status : session_open(s);
  return status || !choose_names(q, &s->error) ? status : session_fail(s, &s->error);
}

static int open_weights(Quantize *q, const Options *o) {
  int status = session_load(&q->s, o, o->args.v[0], true);
  status = status ? status : session_needs_model(&q->s);
  if (!status && !q->s.model)
    return session_error(&q->s, EXIT_USAGE, "quantize takes a folder or a .mdl, not a .so");
  status = status ? status : session_check_output(&q->s, o->out, OUTPUT_NUMBERS);
  return status ? status : compile(q);
}

// ---- by a text

// Once more, with those as int8 that stay so: the others are read as they are.
static int open_again(Quantize *q, Options *o) {
  session_close(&q->s);
  o->precision = NULL;
  int status = session_load(&q->s, o, o->args.v[0], true);
  q->s.int8 = q->names;
  q->s.unnoted = true;
  return status ? status : compile(q);
}

static int fit(Quantize *q, Options *o, double bound) {
  const BigsModule *m = q->s.module;
  CalibrateParam *of = NEWN(q->s.arena, CalibrateParam, m->nparam + 1);
  InFile x;
  for (int i = 0; i < m->nparam; i++)
    of[i] = (CalibrateParam){!is_lacking(q, i) && as_int8(q, i, &x), is_lacking(q, i)};
  int status = fitted_open(&q->fitted, &q->s, of, bound);
  if (status)
    return status;
  if (!o->quiet)
    fitted_print(&q->fitted, stdout);
  q->names = fitted_names(&q->fitted);
  return open_again(q, o);
}

// *bound: of --bound, 0: there is none.
static int take_bound(const Options *o, double *bound) {
  char *end = NULL;
  *bound = o->bound ? strtod(o->bound, &end) : 0;
  if (!o->bound || (o->data.n && end != o->bound && !*end && *bound > 0 && isfinite(*bound)))
    return 0;
  fprintf(stderr, "bigsc quantize: %s\n",
          o->data.n ? "--bound is a share of a product's results, as 0.02"
                    : "--bound needs --data: what a product is off by is seen on a text");
  return EXIT_USAGE;
}

int cmd_QUANTIZE(const Options *o) {
  Quantize q = {.block = -1};
  Options as = *o;
  double bound;
  as.precision = "int8";
  if (o->args.n != 1 || !o->out || !o->weights) {
    fprintf(stderr, "bigsc quantize: %s; see `bigsc quantize --help`\n",
            o->args.n != 1 ? "which folder or model?"
            : o->out       ? "--weights is missing"
                           : "-o is missing");
    return EXIT_USAGE;
  }
  if (take_bound(o, &bound))
    return EXIT_USAGE;
  int status = open_weights(&q, &as);
  status = status || !o->data.n ? status : fit(&q, &as, bound);
  status = status ? status : write_out(&q);
  fitted_close(&q.fitted);
  session_close(&q.s);
  return status;
}
