// The structs of runtime/abi.def as data.
#include "codegen/api/tables.h"
#include <string.h>

// clang-format off
// What may be copied as bytes: another type, a pointer say, does not compile.
#define PLAIN(type)                                                                                \
  _Generic((type){0}, uint8_t: 1, int32_t: 1, uint32_t: 1, int64_t: 1, uint64_t: 1, double: 1,     \
           Poly: 1, BigsGrid: 1)
#define COUNTED_BY(field) _Generic(((Self *)0)->field, int32_t: (int64_t)offsetof(Self, field))

// describe_T() for each struct, and for what else arrays hold.
#define BYTES(T)                                                                                   \
  static const TableStruct *describe_##T(void) {                                                        \
    static const TableField none = {.kind = TABLE_END};                                                     \
    static const TableStruct s = {sizeof(T), &none};                                                    \
    return &s;                                                                                     \
  }
BYTES(uint8_t)
BYTES(int32_t)
BYTES(Poly)

static const TableStruct *describe_text(void) {
  static const TableField field[] = {{TABLE_TEXT, 0, 1, NULL}, {.kind = TABLE_END}};
  static const TableStruct s = {sizeof(char *), field};
  return &s;
}

#define STRUCT(T) static const TableStruct *describe_##T(void) { typedef T Self; static const TableField field[] = {
#define VALUE(type, f) {TABLE_BYTES, offsetof(Self, f), PLAIN(type), NULL},
#define VALUES(type, f, n) VALUE(type, f)
#define TEXT(f) {TABLE_TEXT, offsetof(Self, f), 1, NULL},
#define TEXT_EACH(f, n) {TABLE_TEXT, offsetof(Self, f), n, NULL},
#define TEXTS(f, count) {TABLE_ARRAY, offsetof(Self, f), COUNTED_BY(count), describe_text},
#define ARRAY(type, f, count) {TABLE_ARRAY, offsetof(Self, f), COUNTED_BY(count), describe_##type},
#define PER_PARAM(type, f) {TABLE_ARRAY, offsetof(Self, f), TABLE_PER_PARAM, describe_##type},
#define DATA(f) {TABLE_DATA, offsetof(Self, f), 0, NULL},
#define KERNELS(f) {TABLE_KERNELS, offsetof(Self, f), 0, NULL},
#define WEIGHTS(f) {TABLE_WEIGHTS, offsetof(Self, f), 0, NULL},
#define BUILTINS(f) {TABLE_BUILTINS, offsetof(Self, f), 0, NULL},
#define END(T) {.kind = TABLE_END}}; static const TableStruct s = {sizeof(Self), field}; return &s; }
#include "runtime/abi.def"
// clang-format on

const TableStruct *table_module(void) {
  return describe_BigsModule();
}

bool table_has_pointers(const TableStruct *t) {
  const TableField *f = t->field;
  while (f->kind == TABLE_BYTES)
    f++;
  return f->kind != TABLE_END;
}

int32_t table_count(const BigsModule *m, const TableField *f, const char *base) {
  int32_t n = m->nparam;
  if (f->count != TABLE_PER_PARAM)
    memcpy(&n, base + f->count, sizeof n);
  return n;
}
