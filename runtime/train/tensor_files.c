// The files of `tensors`: which there are, and whether they have what the model reads.  See data_tensors.h.
#include "runtime/train/data_tensors.h"
#include "base/alloc.h"
#include "base/bug.h"
#include "base/dtype.h"
#include "runtime/train/npy.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- which inputs
int tensors_input(const Tensors *t, const char *name, size_t n) {
  for (int i = 0; i < t->ninput; i++)
    if (strlen(t->input[i].t->name) == n && !memcmp(t->input[i].t->name, name, n))
      return i;
  return -1;
}

// The kinds of elements that rows can be made of; -1 for others.
static int stored(int dtype) {
  switch (dtype) {
  case DT_BOOL: return ST_BOOL;
  case DT_I32: return ST_I32;
  case DT_F32: return ST_F32;
  case DT_F64: return ST_F64;
  default: return -1;
  }
}

static int want(Tensors *t, const BigsTensor *in, BigsError *e) {
  int64_t limit = 0;
  if (tensors_input(t, in->name, strlen(in->name)) >= 0)
    return 0;
  if (t->ninput == FEED_INPUTS)
    return bigs_fail(e, BIGS_EMODEL, "the model has more than %d inputs", FEED_INPUTS);
  if (stored(in->dtype) < 0 || !in->rank)
    return bigs_fail(e, BIGS_EMODEL, "`%s` is %s, and `tensors` has bool, i32, f32 and f64",
                     in->name, in->rank ? dtype_name(in->dtype) : "one value");
  if (in->limit.n && !poly_is_const(&in->limit, &limit))
    limit = 0;
  t->input[t->ninput++] = (TensorInput){.t = in, .limit = limit};
  return 0;
}

// program -1: none.
static int want_all(Tensors *t, const DataOptions *o, int program, BigsError *e) {
  const BigsProgram *p = program < 0 ? NULL : &o->module->program[program];
  int status = 0;
  for (int i = 0; p && i < p->ninput && !status; i++)
    if (p->input[i] >= 32 || !(o->train->unpicked >> p->input[i] & 1))
      status = want(t, &o->module->input[p->input[i]], e);
  return status;
}

// ---- which files
static bool ends(const char *path, const char *with) {
  size_t n = strlen(path), k = strlen(with);
  return n >= k && !strcmp(path + n - k, with);
}

static int add_file(Tensors *t, StFile *f, BigsError *e) {
  StFile **all = REALLOC_N(StFile *, t->file, t->nfile + 1);
  if (!all) {
    st_close(f);
    return bigs_fail_memory(e, "the files of the data");
  }
  t->file = all;
  t->file[t->nfile++] = f;
  return 0;
}

static Shard *add_shard(Tensors *t, const char *path, size_t n, BigsError *e) {
  Shard *all = REALLOC_N(Shard, t->shard, t->nshard + 1);
  t->shard = all ? all : t->shard;
  char *name = all ? strndup(path, n) : NULL;
  if (!name) {
    bigs_fail_memory(e, "the files of the data");
    return NULL;
  }
  t->shard[t->nshard] = (Shard){.path = name};
  return &t->shard[t->nshard++];
}

static int open_tensors(Tensors *t, const char *path, BigsError *e) {
  StFile *f;
  int status = st_open(path, &f, e);
  status = status ? status : add_file(t, f, e);
  Shard *s = status ? NULL : add_shard(t, path, strlen(path), e);
  for (int i = 0; s && i < t->ninput; i++)
    s->tensor[i] = st_find(f, t->input[i].t->name);
  if (s)
    s->file = f;
  return s ? 0 : bigs_status(e, BIGS_EFILE);
}

// That of the arrays in one folder.
static Shard *shard_of(Tensors *t, const char *path, size_t n, BigsError *e) {
  for (int i = 0; i < t->nshard; i++)
    if (!t->shard[i].file && strlen(t->shard[i].path) == n && !memcmp(t->shard[i].path, path, n))
      return &t->shard[i];
  return add_shard(t, path, n, e);
}

// Arrays that no input is called as are left alone.
static int open_array(Tensors *t, const char *path, BigsError *e) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  int input = tensors_input(t, name, strlen(name) - strlen(".npy"));
  StFile *f;
  if (input < 0)
    return 0;
  int status = npy_open(path, &f, e);
  status = status ? status : add_file(t, f, e);
  if (status)
    return status;
  Shard *s = shard_of(t, slash ? path : ".", slash ? (size_t)(slash - path) : 1, e);
  if (!s)
    return bigs_status(e, BIGS_EFILE);
  if (s->tensor[input])
    return bigs_fail(e, BIGS_EMODEL, "%s: it is given twice", path);
  s->tensor[input] = st_at(f, 0);
  return 0;
}

// Of a folder, other files are left alone; one that is named is none of them.
static int open_path(Tensors *t, const char *path, const char *const *named, int n, BigsError *e) {
  if (ends(path, ".safetensors"))
    return open_tensors(t, path, e);
  if (ends(path, ".npy"))
    return open_array(t, path, e);
  for (int i = 0; i < n; i++)
    if (!strcmp(path, named[i]))
      return bigs_fail(e, BIGS_EFILE, "%s: `tensors` reads .safetensors and .npy files%s", path,
                       ends(path, ".npz") ? ": an .npz is an archive of the latter, to be unpacked"
                                          : "");
  return 0;
}

static int open_all(Tensors *t, const char *const *paths, int n, BigsError *e) {
  TextReader *r = text_open(paths, n, e);
  int status = r ? 0 : bigs_status(e, BIGS_EFILE);
  for (int i = 0; r && i < text_count(r) && !status; i++)
    status = open_path(t, text_file(r, i), paths, n, e);
  text_close(r);
  return status || t->nshard
             ? status
             : bigs_fail(e, BIGS_EMODEL, "%s: no .safetensors file, nor an .npy file of an input",
                         paths[0]);
}

// ---- what they hold
// "x, labels"
static const char *names_in(const StFile *f, char *text, size_t size) {
  size_t n = 0;
  *text = 0;
  for (int i = 0; i < st_count(f) && n < size; i++)
    n += (size_t)snprintf(text + n, size - n, "%s%.60s", i ? ", " : "", st_at(f, i)->name);
  return text;
}

static int lacks(const Shard *s, const char *name, BigsError *e) {
  char names[400];
  const char *need = strcmp(name, "target") ? "" : " (eval --predictions needs none)";
  if (!s->file)
    return bigs_fail(e, BIGS_EMODEL, "%s: there is no file %s.npy for the input `%s`%s", s->path,
                     name, name, need);
  return bigs_fail(e, BIGS_EMODEL, "%s: it has no tensor `%s`%s; it has %s", s->path, name, need,
                   names_in(s->file, names, sizeof names));
}

static bool converts(StDType from, int to) {
  return to == DT_BOOL  ? from == ST_BOOL || from == ST_U8
         : to == DT_I32 ? st_is_whole(from)
                        : st_is_whole(from) || st_is_float(from);
}

static int check_tensor(const TensorInput *in, const StTensor *t, const Shard *s, BigsError *e) {
  char have[300];
  st_describe(t, have, sizeof have);
  if (!converts(t->dtype, in->t->dtype))
    return bigs_fail(e, BIGS_EMODEL,
                     "%s: `%s` is %s, and no %s, which the model has, is made of it", s->path,
                     t->name, have, dtype_name(in->t->dtype));
  if (t->rank != in->t->rank)
    return bigs_fail(e, BIGS_EMODEL, "%s: `%s` is %s, but the model's has %d axes, rows included",
                     s->path, t->name, have, in->t->rank);
  for (int a = 0; a < t->rank; a++)
    if (!t->shape[a])
      return bigs_fail(e, BIGS_EMODEL, "%s: `%s` is %s: it has no %s", s->path, t->name, have,
                       a ? "elements" : "rows");
  return 0;
}

static int check_rows(const StTensor *t, const StTensor *first, const Shard *s, BigsError *e) {
  return t->shape[0] == first->shape[0]
             ? 0
             : bigs_fail(e, BIGS_EMODEL, "%s: `%s` has %" PRId64 " rows, but `%s` %" PRId64,
                         s->path, first->name, first->shape[0], t->name, t->shape[0]);
}

// All shards are alike.
static int check_same(const StTensor *t, const StTensor *first, const Shard *s, const Shard *before,
                      BigsError *e) {
  char have[300], was[300];
  for (int a = 1; a < t->rank; a++)
    if (t->shape[a] != first->shape[a])
      return bigs_fail(e, BIGS_EMODEL, "%s: `%s` is %s, but in %s %s", s->path, t->name,
                       st_describe(t, have, sizeof have), before->path,
                       st_describe(first, was, sizeof was));
  return 0;
}

// Whether an input may be missing: what is to be predicted, where it is only predicted.
static bool may_lack(const Data *d, const TensorInput *in) {
  return d->o.unlabelled && !strcmp(in->t->name, "target") && in->t->rank == 1;
}

// The axes behind the rows against the model's.
static int check_dims(const Data *d, const Shard *s, int program, BigsError *e) {
  const BigsModule *m = d->o.module;
  const BigsProgram *p = program < 0 ? NULL : &m->program[program];
  InputShape shape[FEED_INPUTS];
  int64_t dims[MAX_SYMS] = {0};
  for (int i = 0; p && i < p->ninput && i < FEED_INPUTS; i++) {
    const BigsTensor *in = &m->input[p->input[i]];
    int k = tensors_input(tensors_of(d), in->name, strlen(in->name));
    const StTensor *t = k < 0 ? NULL : s->tensor[k];
    shape[i].rank = t ? t->rank : -1;
    for (int a = 0; t && a < t->rank; a++)
      shape[i].shape[a] = t->shape[a];
    if (t)
      poly_is_const(&in->extent[0], &shape[i].shape[0]);
  }
  if (p && dims_from_shapes(m, program, shape, dims, e)) {
    bigs_error_prefix(e, "%s", s->path);
    return bigs_status(e, BIGS_EMODEL);
  }
  return 0;
}

static int check_inputs(Data *d, Shard *s, BigsError *e) {
  Tensors *t = tensors_of(d);
  const StTensor *first = NULL;
  int status = 0;
  for (int i = 0; i < t->ninput && !status; i++) {
    const StTensor *x = s->tensor[i], *before = t->shard[0].tensor[i];
    if (!x && may_lack(d, &t->input[i]) && (s == t->shard || !before))
      continue;
    status = !x ? lacks(s, t->input[i].t->name, e) : check_tensor(&t->input[i], x, s, e);
    first = first ? first : x;
    status = status ? status : check_rows(x, first, s, e);
    status = status || !before ? status : check_same(x, before, s, t->shard, e);
  }
  s->rows = status || !first ? 0 : first->shape[0];
  return status;
}

static int measure(Tensors *t, BigsError *e) {
  int64_t most = TENSORS_CHUNK;
  for (int i = 0; i < t->ninput; i++) {
    const StTensor *x = t->shard[0].tensor[i];
    t->input[i].row = x ? x->elements / x->shape[0] : 1;
    most = t->input[i].row > most ? t->input[i].row : most;
  }
  t->scratch = MALLOC_N(int64_t, most);
  return t->scratch ? 0 : bigs_fail_memory(e, "a row of the data");
}

// The entry that is evaluated reads its own inputs; -1: there is none.
static int scores_of(const BigsModule *m) {
  return bigs_model_entry(m, "scores");
}

static int check_shard(Data *d, Shard *s, BigsError *e) {
  const DataOptions *o = &d->o;
  int status = check_inputs(d, s, e);
  status = status ? status : check_dims(d, s, o->train->program, e);
  status = status ? status : check_dims(d, s, scores_of(o->module), e);
  status = status ? status : data_push_file(d, s->path, d->rows, e);
  s->first = d->rows;
  d->rows += s->rows;
  return status;
}

int data_tensors_read(Data *d, const char *const *paths, int n, BigsError *e) {
  Tensors *t = data_own(d, sizeof *t, tensors_free, e);
  if (!t)
    return BIGS_EMODEL;
  d->o.length = 1;
  int status = want_all(t, &d->o, d->o.train->program, e);
  status = status ? status : want_all(t, &d->o, scores_of(d->o.module), e);
  status = status ? status : open_all(t, paths, n, e);
  for (int i = 0; i < t->nshard && !status; i++)
    status = check_shard(d, &t->shard[i], e);
  status = status ? status : measure(t, e);
  status = status ? status : tensors_check_ids(d, e);
  status = status ? status : tensors_hash(t, e);
  d->notes = t->print;
  d->nnote = COUNT(t->print);
  return status;
}
