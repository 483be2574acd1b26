// The names that torch's pickles ask for: types of storages, and what makes tensors of them.
#include "base/hash.h"
#include "runtime/foreign/torch_internal.h"
#include <string.h>

static const PyValue *wrong_arguments(Pickle *p, const char *name) {
  return pickle_fail(p, "arguments of %s that it does not have: damaged", name);
}

static const PyValue *argument(const PyValue *args, int i, PyKind kind) {
  return i < args->at.n && args->at.v[i]->kind == kind ? args->at.v[i] : NULL;
}

// OrderedDict(), or OrderedDict([[key, value], ...]).
static const PyValue *call_dict(Pickle *p, const PyValue *args) {
  PyValue *v = pickle_value(p, PY_DICT);
  const PyValue *list = argument(args, 0, PY_LIST);
  if (args->at.n > 1 || (args->at.n && !list))
    return wrong_arguments(p, "OrderedDict");
  for (int i = 0; list && i < list->at.n; i++) {
    const PyValue *pair = list->at.v[i];
    if ((pair->kind != PY_LIST && pair->kind != PY_TUPLE) || pair->at.n != 2)
      return wrong_arguments(p, "OrderedDict");
    vec_push(p->x->arena, &v->at, pair->at.v[0]);
    vec_push(p->x->arena, &v->at, pair->at.v[1]);
  }
  return v;
}

// ---- tensors
static bool read_extents(Pickle *p, const PyValue *v, int64_t *out) {
  for (int i = 0; i < v->at.n; i++) {
    if (v->at.v[i]->kind != PY_INT || v->at.v[i]->is.whole < 0)
      return pickle_fail(p, "a tensor whose sizes are not whole, or negative: damaged");
    out[i] = v->at.v[i]->is.whole;
  }
  return true;
}

// All its elements lie within what it looks at.
static bool lies_within(const TorchTensor *t, int64_t offset, const TorchRange *r) {
  int64_t last = offset, step;
  for (int i = 0; i < t->rank; i++)
    if (!t->shape[i])
      return true;
  for (int i = 0; i < t->rank; i++)
    if (__builtin_mul_overflow(t->shape[i] - 1, t->stride[i], &step) ||
        __builtin_add_overflow(last, step, &last))
      return false;
  return last < r->numel;
}

static const PyValue *make_tensor(Pickle *p, const TorchRange *r, int64_t offset,
                                  const PyValue *shape, const PyValue *stride) {
  TorchTensor *t = NEW(p->x->arena, TorchTensor);
  *t = (TorchTensor){.storage = r->storage, .rank = shape->at.n};
  if (t->rank != stride->at.n || t->rank > ST_MAX_RANK || offset < 0)
    return wrong_arguments(p, "a tensor");
  t->shape = NEWN(p->x->arena, int64_t, t->rank + 1);
  t->stride = NEWN(p->x->arena, int64_t, t->rank + 1);
  if (!read_extents(p, shape, t->shape) || !read_extents(p, stride, t->stride))
    return NULL;
  if (!lies_within(t, offset, r))
    return pickle_fail(p, "a tensor that ends behind its storage of %lld elements: damaged",
                       (long long)r->numel);
  t->offset = r->first + offset;
  PyValue *v = pickle_value(p, PY_TENSOR);
  v->is.object = t;
  return v;
}

// (storage, offset, shape, stride), and what is of no matter here: whether it is trained, and hooks.
static const PyValue *call_tensor(Pickle *p, const PyValue *args) {
  const PyValue *storage = argument(args, 0, PY_STORAGE), *offset = argument(args, 1, PY_INT),
                *shape = argument(args, 2, PY_TUPLE), *stride = argument(args, 3, PY_TUPLE);
  if (!storage || !offset || !shape || !stride || args->at.n > 7)
    return wrong_arguments(p, "a tensor");
  const PyValue *bits =
      argument(args, 6, PY_DICT); // "conj", "neg": its numbers are not as they stand
  if (bits && bits->at.n)
    return pickle_fail(
        p, "a tensor that is a conjugate or negative view: not read; save a copy of it");
  return make_tensor(p, storage->is.object, offset->is.whole, shape, stride);
}

// (tensor, whether it is trained, hooks, and perhaps a state)
static const PyValue *call_parameter(Pickle *p, const PyValue *args) {
  const PyValue *tensor = argument(args, 0, PY_TENSOR);
  return tensor ? tensor : wrong_arguments(p, "a parameter");
}

static const PyGlobal torch_globals[] = {
    {"collections.OrderedDict", call_dict, ST_DTYPES},
    {"torch._utils._rebuild_tensor", call_tensor, ST_DTYPES},
    {"torch._utils._rebuild_tensor_v2", call_tensor, ST_DTYPES},
    {"torch._utils._rebuild_parameter", call_parameter, ST_DTYPES},
    {"torch._utils._rebuild_parameter_with_state", call_parameter, ST_DTYPES},
    {"torch.FloatStorage", NULL, ST_F32},
    {"torch.HalfStorage", NULL, ST_F16},
    {"torch.BFloat16Storage", NULL, ST_BF16},
    {"torch.DoubleStorage", NULL, ST_F64},
    {"torch.LongStorage", NULL, ST_I64},
    {"torch.IntStorage", NULL, ST_I32},
    {"torch.ShortStorage", NULL, ST_I16},
    {"torch.CharStorage", NULL, ST_I8},
    {"torch.ByteStorage", NULL, ST_U8},
    {"torch.BoolStorage", NULL, ST_BOOL},
};

// ---- storages
static bool same_key(const void *wanted, uint64_t value) {
  return !strcmp(((const TorchStorage *)(uintptr_t)value)->key, (const char *)wanted);
}

TorchStorage *torch_storage(const Torch *t, const char *key) {
  return map_pointer(map_find(&t->by_key, hash_str(key), same_key, key));
}

static TorchStorage *new_storage(Foreign *x, const char *key, StDType dtype, int64_t numel) {
  Torch *t = x->own;
  TorchStorage *s = NEW(x->arena, TorchStorage);
  *s = (TorchStorage){.key = key, .dtype = dtype, .numel = numel};
  vec_push(x->arena, &t->storages, s);
  map_add(&t->by_key, hash_str(key), (uintptr_t)s);
  return s;
}

// Elements [first, first + n) of a storage: what a view of it is called in files of before torch 1.6.
static bool read_view(Pickle *p, const PyValue *view, TorchRange *r) {
  const PyValue *first = argument(view, 1, PY_INT), *n = argument(view, 2, PY_INT);
  int64_t numel = r->numel;
  if (!first || !n || first->is.whole < 0 || n->is.whole < 0 || first->is.whole > numel ||
      n->is.whole > numel - first->is.whole)
    return wrong_arguments(p, "a view of a storage");
  r->first = first->is.whole;
  r->numel = n->is.whole;
  return true;
}

// ('storage', type, key, place, elements[, view])
static const PyValue *persistent(Pickle *p, const PyValue *id) {
  const PyValue *type = argument(id, 1, PY_GLOBAL), *key = argument(id, 2, PY_TEXT),
                *numel = argument(id, 4, PY_INT), *view = argument(id, 5, PY_TUPLE);
  if (id->kind != PY_TUPLE || !argument(id, 0, PY_TEXT) ||
      !pickle_is_text(id->at.v[0], "storage") || !type || !key || !numel || numel->is.whole < 0)
    return pickle_fail(p, "a reference to something that is no storage: damaged");
  const char *name = foreign_name(p->x, key->is.text, key->n);
  if (!name)
    return NULL;
  StDType dtype = type->is.global->dtype;
  if (dtype == ST_DTYPES)
    return pickle_fail(p, "%s is no type of a storage: damaged", type->is.global->name);
  TorchStorage *s = torch_storage(p->x->own, name);
  s = s ? s : new_storage(p->x, name, dtype, numel->is.whole);
  if (s->dtype != dtype || s->numel != numel->is.whole)
    return pickle_fail(p, "storage %.80s is of two types or sizes: damaged", name);
  TorchRange *r = NEW(p->x->arena, TorchRange);
  *r = (TorchRange){s, 0, s->numel};
  if (view && !read_view(p, view, r))
    return NULL;
  PyValue *v = pickle_value(p, PY_STORAGE);
  v->is.object = r;
  return v;
}

Pickle torch_pickle(Foreign *x, const char *what, const unsigned char *bytes, size_t n) {
  return (Pickle){.x = x,
                  .what = what,
                  .bytes = bytes,
                  .n = n,
                  .globals = torch_globals,
                  .nglobals = COUNT(torch_globals),
                  .persistent = persistent};
}
