// Files that torch.save wrote: archives, and before torch 1.6 pickles and storages in a row.
#include "runtime/foreign/torch_internal.h"
#include <string.h>

enum { MAX_PICKLE = 1 << 23 }; // bytes: that of a thousand tensors has 300 kB

static bool storage_size(const TorchStorage *s, uint64_t *out) {
  return !__builtin_mul_overflow((uint64_t)s->numel, (uint64_t)st_dtype_size(s->dtype), out);
}

// ---- archives: PREFIX/data.pkl, PREFIX/data/KEY
static const ZipEntry *find_pickle(const Zip *z) {
  static const char end[] = "/data.pkl";
  for (int i = 0; i < z->entries.n; i++) {
    const char *name = z->entries.v[i]->name;
    size_t n = strlen(name), m = sizeof end - 1;
    if (n >= m && !strcmp(name + n - m, end) && !memchr(name, '/', n - m))
      return z->entries.v[i];
  }
  return NULL;
}

static const ZipEntry *find_beside(Foreign *x, const ZipEntry *pickle, const char *name) {
  const char *path = arena_printf(
      x->arena, "%.*s%s", (int)(strlen(pickle->name) - strlen("data.pkl")), pickle->name, name);
  return zip_find(&((Torch *)x->own)->zip, path);
}

static int check_byte_order(Foreign *x, const ZipEntry *pickle) {
  const ZipEntry *z = find_beside(x, pickle, "byteorder");
  char text[8] = "";
  if (!z)
    return 0;
  int status = z->size < sizeof text ? zip_unpack(x->file, z, text, x->e) : BIGS_OK;
  if (!status && strcmp(text, "little") != 0)
    return foreign_fail(
        x, "its numbers are not little-endian: save it again on this kind of computer");
  return status;
}

static int place_entry(Foreign *x, const ZipEntry *pickle, TorchStorage *s) {
  uint64_t size;
  s->entry = find_beside(x, pickle, arena_printf(x->arena, "data/%s", s->key));
  if (!s->entry)
    return foreign_fail(x, "the archive lacks storage %.80s", s->key);
  if (!storage_size(s, &size) || size != s->entry->size)
    return foreign_fail(x, "storage %.80s has %lld elements of %s, but %s has %llu bytes", s->key,
                        (long long)s->numel, st_dtype_name(s->dtype), s->entry->name,
                        (unsigned long long)s->entry->size);
  return s->entry->deflated ? 0 : zip_place(x->file, s->entry, &s->at, x->e);
}

static int list_pickle(Foreign *x, const ZipEntry *z) {
  Torch *t = x->own;
  char *bytes = arena_alloc(x->arena, (size_t)z->size + 1);
  if (zip_unpack(x->file, z, bytes, x->e))
    return bigs_status(x->e, BIGS_EFILE);
  Pickle p = torch_pickle(x, z->name, (unsigned char *)bytes, (size_t)z->size);
  const PyValue *root = pickle_read(&p);
  int status = root ? 0 : BIGS_EFILE;
  for (int i = 0; i < t->storages.n && !status; i++)
    status = place_entry(x, z, t->storages.v[i]);
  return status ? status : torch_add_tensors(&p, root);
}

static int list_archive(Foreign *x) {
  Torch *t = x->own;
  if (zip_list(x, &t->zip))
    return bigs_status(x->e, BIGS_EFILE);
  const ZipEntry *z = find_pickle(&t->zip);
  if (!z)
    return foreign_fail(x, "an archive without data.pkl: not one of torch.save");
  if (z->size > MAX_PICKLE)
    return foreign_fail(x, "%s has %llu bytes, more than %d: no list of tensors", z->name,
                        (unsigned long long)z->size, MAX_PICKLE);
  int status = check_byte_order(x, z);
  return status ? status : list_pickle(x, z);
}

// ---- pickles in a row: a magic number, a version, the system's sizes, the object, the keys of storages; then each
// storage's count of elements, of 8 bytes, and the elements
static bool has_magic(const PyValue *v) {
  static const unsigned char magic[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
  return v->kind == PY_LONG && v->n == sizeof magic && !memcmp(v->is.text, magic, sizeof magic);
}

static int read_front(Pickle *p) {
  const PyValue *magic = pickle_read(p), *version = magic ? pickle_read(p) : NULL;
  if (!magic || !has_magic(magic))
    return magic ? foreign_fail(p->x, "a pickle, but not one of torch.save") : BIGS_EFILE;
  const PyValue *system = version ? pickle_read(p) : NULL;
  if (!system)
    return BIGS_EFILE;
  const PyValue *little = pickle_item(system, "little_endian");
  if (system->kind == PY_DICT && little && little->kind == PY_BOOL && little->is.whole)
    return 0;
  return foreign_fail(p->x,
                      "its numbers are not little-endian: save it again on this kind of computer");
}

static int place_behind(Foreign *x, const PyValue *key, size_t *at) {
  unsigned char count[8];
  const char *name = key->kind == PY_TEXT ? foreign_name(x, key->is.text, key->n) : NULL;
  TorchStorage *s = name ? torch_storage(x->own, name) : NULL;
  uint64_t size;
  if (!s || s->placed)
    return foreign_fail(x, "a storage that no tensor uses, or one twice: damaged");
  int status = st_bytes(x->file, *at, count, sizeof count, x->e);
  if (status)
    return status;
  if (little_endian(count, 8) != (uint64_t)s->numel || !storage_size(s, &size))
    return foreign_fail(
        x, "storage %.80s has %lld elements in the list, and %llu where it lies: damaged", s->key,
        (long long)s->numel, (unsigned long long)little_endian(count, 8));
  s->at = *at + sizeof count;
  s->placed = true;
  if (size > st_size(x->file) - s->at)
    return foreign_fail(x, "storage %.80s ends behind the file: it is cut", s->key);
  *at = s->at + (size_t)size;
  return 0;
}

static int place_all(Pickle *p, const PyValue *keys) {
  Torch *t = p->x->own;
  size_t at = p->at;
  int status = 0;
  for (int i = 0; i < keys->at.n && !status; i++)
    status = place_behind(p->x, keys->at.v[i], &at);
  for (int i = 0; i < t->storages.n && !status; i++)
    if (!t->storages.v[i]->placed)
      status = foreign_fail(p->x, "it lacks storage %.80s", t->storages.v[i]->key);
  return status;
}

static int list_row(Foreign *x) {
  size_t size = st_size(x->file), n = size < MAX_PICKLE ? size : MAX_PICKLE;
  unsigned char *bytes = arena_alloc(x->arena, n + 1);
  if (st_bytes(x->file, 0, bytes, n, x->e))
    return bigs_status(x->e, BIGS_EFILE);
  Pickle p = torch_pickle(x, "pickle", bytes, n);
  if (read_front(&p))
    return BIGS_EFILE;
  const PyValue *root = pickle_read(&p), *keys = root ? pickle_read(&p) : NULL;
  if (!keys)
    return BIGS_EFILE;
  if (keys->kind != PY_LIST)
    return foreign_fail(x, "its list of storages is %s: damaged", pickle_kind(keys));
  int status = place_all(&p, keys);
  return status ? status : torch_add_tensors(&p, root);
}

static int list_torch(Foreign *x) {
  unsigned char head[4] = {0};
  Torch *t = NEW(x->arena, Torch);
  t->by_key.arena = x->arena;
  x->own = t;
  if (st_size(x->file) >= 4 && st_bytes(x->file, 0, head, sizeof head, x->e))
    return bigs_status(x->e, BIGS_EFILE);
  return memcmp(head, "PK\3\4", 4) ? list_row(x) : list_archive(x);
}

int torch_open(const char *path, StFile **out, BigsError *e) {
  return foreign_open(path, list_torch, torch_make, out, e);
}
