// A module's tables as LLVM constants: runtime/abi.def says of each struct which of its fields are pointers and what they
// point to; all else is copied as bytes.
#include "codegen/llvm/aot_internal.h"
#include "base/map.h"
#include "runtime/builtin.h"
#include <string.h>

typedef struct Struct Struct;
typedef enum TableFieldKind {
  F_END,
  F_BYTES,
  F_TEXT,
  F_ARRAY,
  F_DATA,
  F_KERNELS,
  F_BUILTINS
} TableFieldKind;
enum { COUNT_PARAMS = -1 }; // as many as the module has parameters
typedef struct TableField {
  TableFieldKind kind;
  size_t offset;
  int64_t
      count; // TEXT: strings in a row; ARRAY: offset of the int32 that counts them, or COUNT_PARAMS
  const Struct *(*elem)(void); // ARRAY
} TableField;
struct Struct {
  size_t size;
  const TableField *field; // in the struct's order, behind them F_END
};

// clang-format off
// What may be copied as bytes: another type, a pointer say, does not compile.
#define PLAIN(type)                                                                                \
  _Generic((type){0}, uint8_t: 1, int32_t: 1, uint32_t: 1, int64_t: 1, uint64_t: 1, double: 1,     \
           Poly: 1, BigsGrid: 1)
#define COUNTED_BY(field) _Generic(((Self *)0)->field, int32_t: (int64_t)offsetof(Self, field))

// describe_T() for each struct, and for what else arrays hold.
#define BYTES(T)                                                                                   \
  static const Struct *describe_##T(void) {                                                        \
    static const TableField none = {.kind = F_END};                                                     \
    static const Struct s = {sizeof(T), &none};                                                    \
    return &s;                                                                                     \
  }
BYTES(uint8_t)
BYTES(int32_t)
BYTES(Poly)

static const Struct *describe_text(void) {
  static const TableField field[] = {{F_TEXT, 0, 1, NULL}, {.kind = F_END}};
  static const Struct s = {sizeof(char *), field};
  return &s;
}

#define STRUCT(T) static const Struct *describe_##T(void) { typedef T Self; static const TableField field[] = {
#define VALUE(type, f) {F_BYTES, offsetof(Self, f), PLAIN(type), NULL},
#define VALUES(type, f, n) VALUE(type, f)
#define TEXT(f) {F_TEXT, offsetof(Self, f), 1, NULL},
#define TEXT_EACH(f, n) {F_TEXT, offsetof(Self, f), n, NULL},
#define TEXTS(f, count) {F_ARRAY, offsetof(Self, f), COUNTED_BY(count), describe_text},
#define ARRAY(type, f, count) {F_ARRAY, offsetof(Self, f), COUNTED_BY(count), describe_##type},
#define PER_PARAM(type, f) {F_ARRAY, offsetof(Self, f), COUNT_PARAMS, describe_##type},
#define DATA(f) {F_DATA, offsetof(Self, f), 0, NULL},
#define KERNELS(f) {F_KERNELS, offsetof(Self, f), 0, NULL},
#define BUILTINS(f) {F_BUILTINS, offsetof(Self, f), 0, NULL},
#define END(T) {.kind = F_END}}; static const Struct s = {sizeof(Self), field}; return &s; }
#include "runtime/abi.def"
// clang-format on

typedef struct Writer {
  Arena *arena;
  const BigsModule *m;
  const LLVMValueRef *kernels;
  LLVMModuleRef module;
  LLVMContextRef cx;
  LLVMTypeRef i8, ptr;
  Map strings; // by address: names are interned
} Writer;

static LLVMValueRef constant(Writer *w, LLVMValueRef value, const char *label, unsigned align) {
  LLVMValueRef g = LLVMAddGlobal(w->module, LLVMTypeOf(value), label);
  LLVMSetInitializer(g, value);
  LLVMSetGlobalConstant(g, true);
  LLVMSetLinkage(g, LLVMPrivateLinkage);
  LLVMSetAlignment(g, align);
  return g;
}

static LLVMValueRef raw_bytes(Writer *w, const void *p, size_t n) {
  return LLVMConstStringInContext(w->cx, p, (unsigned)n, true);
}

static LLVMValueRef text_of(Writer *w, const char *s) {
  uint64_t seen;
  if (!s)
    return LLVMConstNull(w->ptr);
  if (map_get(&w->strings, s, &seen))
    return (LLVMValueRef)(uintptr_t)seen;
  LLVMValueRef g = constant(w, raw_bytes(w, s, strlen(s) + 1), "s", 1);
  LLVMSetUnnamedAddress(g, LLVMGlobalUnnamedAddr); // the linker merges equal ones
  map_put(&w->strings, s, (uintptr_t)g);
  return g;
}

static LLVMValueRef array_of(Writer *w, const Struct *t, const void *p, int64_t n);

static LLVMValueRef data_of(Writer *w, const BigsBuffer *b) {
  int64_t n = 0;
  if (!b->data)
    return LLVMConstNull(w->ptr);
  CHECK(poly_is_const(module_poly(w->m, b->size), &n));
  return constant(w, raw_bytes(w, b->data, (size_t)n * (size_t)dtype_size((DType)b->dtype)), "data",
                  64);
}

static LLVMValueRef kernels_of(Writer *w) {
  LLVMValueRef all =
      LLVMConstArray(w->ptr, (LLVMValueRef *)(uintptr_t)w->kernels, (unsigned)w->m->nkernel);
  return constant(w, all, "kernels", 8);
}

static LLVMValueRef builtins_of(Writer *w) {
  static const char *const symbol[BIGS_BUILTIN_COUNT] = {
#define BUILTIN(id, name) [BIGS_##id] = "bigs_builtin_" #name,
#include "runtime/builtin.def"
#undef BUILTIN
  };
  LLVMValueRef v[BIGS_BUILTIN_COUNT];
  bool used[BIGS_BUILTIN_COUNT] = {false}, any = false;
  for (int i = 0; i < w->m->nprogram; i++)
    for (int j = 0; j < w->m->program[i].nstep; j++)
      if (w->m->program[i].step[j].kind == BIGS_BUILTIN)
        any = used[w->m->program[i].step[j].index] = true;
  for (int i = 0; i < BIGS_BUILTIN_COUNT; i++) {
    v[i] = LLVMConstNull(w->ptr);
    if (used[i])
      LLVMSetGlobalConstant(v[i] = LLVMAddGlobal(w->module, w->i8, symbol[i]), true);
  }
  return any ? constant(w, LLVMConstArray(w->ptr, v, BIGS_BUILTIN_COUNT), "builtins", 8)
             : LLVMConstNull(w->ptr);
}

static LLVMValueRef elements_of(Writer *w, const TableField *f, const char *base,
                                const void *target) {
  int32_t n = w->m->nparam;
  if (f->count != COUNT_PARAMS)
    memcpy(&n, base + f->count, sizeof n);
  return target && n ? array_of(w, f->elem(), target, n) : LLVMConstNull(w->ptr);
}

static LLVMValueRef pointer_of(Writer *w, const TableField *f, const char *base,
                               const void *target) {
  switch (f->kind) {
  case F_TEXT: return text_of(w, target);
  case F_ARRAY: return elements_of(w, f, base, target);
  case F_DATA: return data_of(w, (const BigsBuffer *)base);
  case F_KERNELS: return kernels_of(w);
  case F_BUILTINS: return builtins_of(w);
  case F_END:
  case F_BYTES: break;
  }
  BUG("a field of kind %d is no pointer", f->kind);
}

// A packed struct of runs of bytes and pointers.
typedef struct Pieces {
  LLVMValueRef v[64];
  unsigned n;
  size_t at; // bytes done
} Pieces;

// The bytes up to offset `end`.
static void add_bytes(Writer *w, const char *base, size_t end, Pieces *p) {
  CHECK(p->n + 2 < COUNT(p->v) && end >= p->at);
  if (end > p->at)
    p->v[p->n++] = raw_bytes(w, base + p->at, end - p->at);
  p->at = end;
}

static void add_pointers(Writer *w, const TableField *f, const char *base, Pieces *p) {
  int64_t n = f->kind == F_TEXT ? f->count : 1;
  add_bytes(w, base, f->offset, p);
  for (int64_t i = 0; i < n; i++, p->at += sizeof(void *)) {
    const void *target;
    CHECK(p->n + 2 < COUNT(p->v));
    memcpy(&target, base + p->at, sizeof target);
    p->v[p->n++] = pointer_of(w, f, base, target);
  }
}

static LLVMValueRef struct_of(Writer *w, const Struct *t, const char *base) {
  Pieces p = {.n = 0};
  for (const TableField *f = t->field; f->kind != F_END; f++)
    if (f->kind != F_BYTES)
      add_pointers(w, f, base, &p);
  add_bytes(w, base, t->size, &p);
  return LLVMConstStructInContext(w->cx, p.v, p.n, true);
}

static bool has_pointers(const Struct *t) {
  const TableField *f = t->field;
  while (f->kind == F_BYTES)
    f++;
  return f->kind != F_END;
}

static LLVMValueRef array_of(Writer *w, const Struct *t, const void *data, int64_t n) {
  if (!has_pointers(t))
    return constant(w, raw_bytes(w, data, t->size * (size_t)n), "bytes", 8);
  LLVMValueRef *v = NEWN(w->arena, LLVMValueRef, n);
  for (int64_t i = 0; i < n; i++)
    v[i] = struct_of(w, t, (const char *)data + (size_t)i * t->size);
  return constant(w, LLVMConstArray(LLVMTypeOf(v[0]), v, (unsigned)n), "table", 8);
}

LLVMValueRef aot_tables(LLVMModuleRef module, Arena *a, const BigsModule *m,
                        const LLVMValueRef *kernels) {
  LLVMContextRef cx = LLVMGetModuleContext(module);
  Writer w = {
      .arena = a, .m = m, .kernels = kernels, .module = module, .cx = cx, .strings.arena = a};
  w.i8 = LLVMInt8TypeInContext(cx);
  w.ptr = LLVMPointerTypeInContext(cx, 0);
  LLVMValueRef tables =
      constant(&w, struct_of(&w, describe_BigsModule(), (const char *)m), "module", 8);
  LLVMSetLinkage(tables, LLVMInternalLinkage);
  return tables;
}
