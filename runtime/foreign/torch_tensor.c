// From a dictionary of tensors to those of a file, and the bytes of those that are views.
#include "base/alloc.h"
#include "runtime/foreign/torch_internal.h"
#include <string.h>

// ---- the dictionary
static bool is_tensor(const PyValue *v) {
  return v->kind == PY_TENSOR;
}

static const PyValue *first_tensor(const PyValue *v) {
  for (int i = 0; i < v->at.n; i++)
    if (is_tensor(v->at.v[i]))
      return v->at.v[i];
  return NULL;
}

// What training scripts put a state_dict under.
static const PyValue *state_dict(const PyValue *root) {
  static const char *const under[] = {"state_dict", "model_state_dict", "model"};
  for (int i = 0; i < COUNT(under); i++) {
    const PyValue *v = pickle_item(root, under[i]);
    if (v && v->kind == PY_DICT && first_tensor(v))
      return v;
  }
  return root;
}

// Rows lie behind each other, and so do the rows' parts.
static bool is_dense(const TorchTensor *t) {
  int64_t step = 1;
  for (int i = t->rank; i-- > 0;) {
    if (t->shape[i] == 0)
      return true;
    if (t->shape[i] != 1 && t->stride[i] != step)
      return false;
    if (__builtin_mul_overflow(step, t->shape[i], &step))
      return false;
  }
  return true;
}

static bool is_empty(const TorchTensor *t) {
  for (int i = 0; i < t->rank; i++)
    if (!t->shape[i])
      return true;
  return false;
}

static int add_tensor(Pickle *p, const PyValue *key, const TorchTensor *t) {
  if (key->kind != PY_TEXT)
    return foreign_fail(p->x, "%s: a tensor's name is %s", p->what, pickle_kind(key));
  StTensor out = {.name = foreign_name(p->x, key->is.text, key->n),
                  .dtype = t->storage->dtype,
                  .rank = t->rank,
                  .shape = t->shape};
  if (!out.name)
    return BIGS_EFILE;
  bool as_is = is_empty(t) || (is_dense(t) && !(t->storage->entry && t->storage->entry->deflated));
  out.made = as_is ? NULL : t;
  out.offset =
      is_empty(t) ? 0 : t->storage->at + (size_t)t->offset * (size_t)st_dtype_size(out.dtype);
  foreign_add(p->x, &out);
  return 0;
}

static int no_names(const Pickle *p, const PyValue *root) {
  return foreign_fail(p->x, "%s holds %s, not a dictionary of tensors", p->what, pickle_kind(root));
}

int torch_add_tensors(Pickle *p, const PyValue *root) {
  if (root->kind != PY_DICT)
    return no_names(p, root);
  const PyValue *d = state_dict(root);
  int status = 0;
  for (int i = 0; i + 1 < d->at.n && !status; i += 2) {
    const PyValue *key = d->at.v[i], *v = d->at.v[i + 1];
    if (is_tensor(v))
      status = add_tensor(p, key, v->is.object);
    else if (first_tensor(v))
      status = foreign_fail(
          p->x,
          "%s: tensors within \"%.*s\": only a dictionary of tensors is read, or one under "
          "\"state_dict\" or \"model\"",
          p->what, key->kind == PY_TEXT ? (int)(key->n < 80 ? key->n : 80) : 1,
          key->kind == PY_TEXT ? key->is.text : "?");
  }
  if (!status && !p->x->tensors.n)
    return foreign_fail(p->x, "%s holds no tensor", p->what);
  return status;
}

// ---- bytes
static int drop_unpacked(Foreign *x, int status) {
  free(x->unpacked);
  x->unpacked = NULL;
  x->unpacked_of = NULL;
  return status;
}

// All of a storage.  The tensors of one are mostly made one after another: it is unpacked once for them.
static int unpack_storage(Foreign *x, const ZipEntry *entry, BigsError *e) {
  if (x->unpacked_of == entry)
    return 0;
  drop_unpacked(x, 0);
  x->unpacked = MALLOC_N(char, entry->size + 1);
  int status =
      x->unpacked ? zip_unpack(x->file, entry, x->unpacked, e) : bigs_fail_memory(e, "a storage");
  x->unpacked_of = entry;
  return status ? drop_unpacked(x, status) : 0;
}

// Bytes [at, at + n) of a storage; *free_it is what to free.
static const char *storage_bytes(Foreign *x, const TorchStorage *s, size_t at, size_t n,
                                 char **free_it, BigsError *e) {
  bool packed = s->entry && s->entry->deflated;
  char *p = *free_it = packed ? NULL : MALLOC_N(char, n + 1);
  if (packed)
    return unpack_storage(x, s->entry, e) ? NULL : x->unpacked + at;
  int status = p ? st_bytes(x->file, s->at + at, p, n, e) : bigs_fail_memory(e, "a storage");
  return status ? NULL : p;
}

// Elements in the order of the shape from those in the order of the strides.
static void gather_elements(const TorchTensor *t, size_t elem, const char *from, char *to) {
  int64_t at[ST_MAX_RANK] = {0}, place = 0;
  for (int i = 0; i >= 0;) {
    memcpy(to, from + (size_t)place * elem, elem);
    to += elem;
    for (i = t->rank - 1; i >= 0; i--) {
      place += t->stride[i];
      if (++at[i] < t->shape[i])
        break;
      place -= t->stride[i] * t->shape[i];
      at[i] = 0;
    }
  }
}

int torch_make(Foreign *x, const StTensor *t, char *dense, BigsError *e) {
  const TorchTensor *v = t->made;
  size_t elem = (size_t)st_dtype_size(t->dtype);
  int64_t last = v->offset;
  for (int i = 0; i < v->rank; i++)
    last += (v->shape[i] - 1) * v->stride[i];
  char *own;
  const char *from = storage_bytes(x, v->storage, (size_t)v->offset * elem,
                                   (size_t)(last - v->offset + 1) * elem, &own, e);
  if (from)
    gather_elements(v, elem, from, dense);
  free(own);
  return from ? 0 : bigs_status(e, BIGS_EFILE);
}
