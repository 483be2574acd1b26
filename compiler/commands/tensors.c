// Tensors at the command line: inputs read from safetensors files, results written to them.
#include "compiler/driver/session.h"
#include "compiler/commands/inspect.h"
#include "compiler/commands/tensors.h"
#include "base/edit.h"
#include "runtime/exec/exec.h"
#include "runtime/files/safetensors.h"
#include <stdlib.h>
#include <string.h>

enum { STRANGERS_SHOWN = 3 };

static StDType stored_dtype(int dtype) {
  static const StDType st[] = {
#define DTYPE(id, name, size, c, stored) ST_##stored,
#include "base/dtype.def"
#undef DTYPE
  };
  return st[dtype];
}

int64_t tensor_elements(const BigsTensor *t, const int64_t *dims) {
  int64_t n = 1, extent;
  for (int i = 0; i < t->rank; i++)
    if (!poly_size(&t->extent[i], dims, &extent) || __builtin_mul_overflow(n, extent, &n))
      return -1;
  return n <= INT64_MAX / 32 ? n : -1; // bytes of any dtype can be counted, too
}

static bool converts(const StTensor *t, int dtype) {
  StDType from = t->dtype;
  switch (dtype) {
  case DT_I32: return from == ST_I32 || from == ST_I64;
  case DT_BOOL: return from == ST_BOOL || from == ST_U8;
  case DT_F32: return from == ST_F32 || from == ST_F16 || from == ST_BF16;
  case DT_F64: return from == ST_F64 || from == ST_F32;
  default: return from == stored_dtype(dtype);
  }
}

static int wrong_rank(Session *s, const BigsTensor *t, const StTensor *in) {
  char found[256];
  const char *axes = "";
  for (int i = 0; i < t->rank; i++)
    axes = session_text(s, "%s%s%s", axes, i ? ", " : "", t->axis[i]);
  return session_error(s, EXIT_MODEL, "input `%s` has %d dimensions [%s], the file has %s", t->name,
                       t->rank, axes, st_describe(in, found, sizeof found));
}

// Takes run-time dims from one tensor's shape.
static int take_dims(Session *s, const BigsTensor *t, const StTensor *in, int64_t *dims,
                     const char **from) {
  const BigsModule *m = s->module;
  if (in->rank != t->rank)
    return wrong_rank(s, t, in);
  for (int i = 0; i < t->rank; i++) {
    int k = dim_of_size(m, &t->extent[i]);
    if (k < 0)
      continue;
    if (!in->shape[i])
      return session_error(s, EXIT_MODEL, "`%s` is 0 in input `%s`: it must be at least 1",
                           m->dim[k].name, t->name);
    if (dims[k] && dims[k] != in->shape[i])
      return session_error(s, EXIT_MODEL, "`%s` is %lld in input `%s`, but %lld %s", m->dim[k].name,
                           (long long)in->shape[i], t->name, (long long)dims[k], from[k]);
    dims[k] = in->shape[i];
    from[k] = session_text(s, "in input `%s`", t->name);
  }
  return 0;
}

// What the sizes that are made of dims say of those that stand nowhere alone.
static void take_more_dims(Session *s, StFile *f, const BigsProgram *p, int64_t *dims) {
  for (int i = 0; i < p->ninput; i++) {
    const BigsTensor *t = &s->module->input[p->input[i]];
    const StTensor *in = st_find(f, t->name);
    for (int k = 0; in && k < t->rank; k++)
      dim_from_size(s->module, &t->extent[k], in->shape[k], dims);
  }
}

static int check_shape(Session *s, const BigsTensor *t, const StTensor *in, const int64_t *dims) {
  for (int i = 0; i < t->rank; i++) {
    int64_t want = poly_eval(&t->extent[i], dims);
    if (want != in->shape[i])
      return session_error(s, EXIT_MODEL, "input `%s`: dimension `%s` is %lld, the file has %lld",
                           t->name, t->axis[i], (long long)want, (long long)in->shape[i]);
  }
  return 0;
}

// Any byte but 0 is true, whoever wrote it.
static int read_bools(const StTensor *in, unsigned char *out, BigsError *e) {
  int status = st_read(in, 0, out, in->nbytes, e);
  for (int64_t i = 0; i < in->elements; i++)
    out[i] = out[i] != 0;
  return status;
}

static int read_data(Session *s, const BigsTensor *t, const StTensor *in, const void **out) {
  char found[256];
  if (!converts(in, t->dtype))
    return session_error(s, EXIT_MODEL, "input `%s` is %s, the file has %s", t->name,
                         dtype_name(t->dtype), st_describe(in, found, sizeof found));
  void *data = arena_alloc(s->arena, (size_t)in->elements * (size_t)dtype_size(t->dtype) + 64);
  if (t->dtype == DT_BOOL && read_bools(in, data, &s->error))
    return session_fail(s, &s->error);
  if (t->dtype != DT_BOOL && st_copy(in, stored_dtype(t->dtype), data, &s->error))
    return session_error(s, EXIT_MODEL, "%s", s->error.text);
  *out = data;
  return 0;
}

static int check_dims(Session *s, const BigsProgram *p, int64_t *dims) {
  int64_t sym[MAX_SYMS];
  for (int k = 0; k < s->module->ndim; k++)
    if ((p->syms >> k & 1) && !dims[k])
      return session_error(s, EXIT_MODEL, "no input carries `%s`: give it with -D %s=N",
                           s->module->dim[k].name, s->module->dim[k].name);
  if (bind_dims(s->module, p, dims, sym, &s->error))
    return session_fail(s, &s->error);
  memcpy(dims, sym, sizeof sym);
  return 0;
}

static int read_open(Session *s, StFile *f, const BigsProgram *p, int64_t *dims,
                     const void **inputs) {
  const char *from[MAX_SYMS];
  for (int k = 0; k < MAX_SYMS; k++) {
    dims[k] = s->given[k];
    from[k] = "by -D";
  }
  int status = 0;
  for (int pass = 0; pass < 2 && !status; pass++) {
    for (int i = 0; i < p->ninput && !status; i++) {
      const BigsTensor *t = &s->module->input[p->input[i]];
      const StTensor *in = st_find(f, t->name);
      if (!in && !t->optional)
        status = session_error(s, EXIT_MODEL, "%s lacks the input `%s`", st_path(f), t->name);
      else if (in && !pass)
        status = take_dims(s, t, in, dims, from);
      else if (in && !(status = check_shape(s, t, in, dims)))
        status = read_data(s, t, in, &inputs[i]);
    }
    if (!status && !pass) {
      take_more_dims(s, f, p, dims);
      status = check_dims(s, p, dims);
    }
  }
  return status;
}

// Is this a name of an input, or of a field of a train block?  A .mdl is asked itself: its module has what one command compiled.
static bool is_input(const Session *s, const char *name) {
  const ModelValue *in;
  const Recipe *const *train;
  for (int i = 0; i < s->module->ninput; i++)
    if (!strcmp(s->module->input[i].name, name))
      return true;
  for (int i = s->model ? model_inputs(s->model, &in) : 0; i-- > 0;)
    if (!strcmp(in[i].name, name))
      return true;
  for (int i = s->model ? model_trains(s->model, &train) : 0; i-- > 0;)
    for (int k = 0; k < train[i]->fields.n; k++)
      if (!strcmp(train[i]->fields.v[k].value.name, name))
        return true;
  return false;
}

// The input that a misspelt name was meant for: of those that the program takes and the file lacks.
static const char *meant(const Session *s, const StFile *f, const BigsProgram *p,
                         const char *name) {
  for (int limit = 1; limit <= 2; limit++)
    for (int i = 0; i < p->ninput; i++) {
      const char *of = s->module->input[p->input[i]].name;
      if (!st_find(f, of) && edit_distance(name, of, limit) <= limit)
        return of;
    }
  return NULL;
}

// A name that no input has is told of: where an input has a default, a slip would change values in silence.
static void warn_of_strangers(Session *s, const StFile *f, const BigsProgram *p) {
  int more = 0;
  for (int i = 0; i < st_count(f); i++) {
    const char *name = st_at(f, i)->name, *of = meant(s, f, p, name);
    if (!is_input(s, name) && ++more <= STRANGERS_SHOWN)
      session_error(s, 0, "warning: %s: `%s` is not read, as the model has no input of this name%s",
                    st_path(f), inspect_shown(s, name),
                    of ? session_text(s, "; did you mean `%s`?", of) : "");
  }
  if (more > STRANGERS_SHOWN)
    session_error(s, 0, "warning: %s: %d more tensors are no inputs", st_path(f),
                  more - STRANGERS_SHOWN);
}

int session_read_inputs(Session *s, const char *path, const BigsProgram *p, int64_t *dims,
                        const void **inputs) {
  StFile *f;
  memset(inputs, 0, sizeof *inputs * (size_t)p->ninput);
  int status = session_stdin(s, &path);
  if (status)
    return status;
  if (st_open(path, &f, &s->error))
    return session_fail(s, &s->error);
  warn_of_strangers(s, f, p);
  status = read_open(s, f, p, dims, inputs);
  st_close(f);
  return status;
}

int tensors_write(Session *s, const char *path, const Written *t, int n) {
  BigsError *e = &s->error;
  StWriter *w = st_create(path, e);
  if (!w)
    return session_fail(s, e);
  int status = 0;
  for (int i = 0; i < n && !status; i++)
    status = st_declare(w, t[i].name, stored_dtype(t[i].dtype), t[i].rank, t[i].shape, e);
  for (int i = 0; i < n && !status; i++) {
    int64_t size = dtype_size((DType)t[i].dtype);
    for (int k = 0; k < t[i].rank; k++)
      size *= t[i].shape[k];
    status = st_write(w, t[i].data, (size_t)size, e);
  }
  if (status)
    st_cancel(w);
  else
    status = st_finish(w, e);
  return status ? session_fail(s, e) : 0;
}
