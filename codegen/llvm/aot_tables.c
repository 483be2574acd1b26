// A module's tables as LLVM constants: runtime/abi.def says of each struct which of its fields are pointers and what they
// point to; all else is copied as bytes.
#include "codegen/llvm/aot_internal.h"
#include "codegen/api/tables.h"
#include "base/map.h"
#include "runtime/builtin.h"
#include <string.h>

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

static LLVMValueRef array_of(Writer *w, const TableStruct *t, const void *p, int64_t n);

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

static bool note_builtins(const BigsProgram *p, bool *used) {
  bool any = false;
  for (int i = 0; i < p->nstep; i++)
    if (p->step[i].kind == BIGS_BUILTIN)
      any = used[p->step[i].index] = true;
  for (int i = 0; i < p->nother; i++)
    any |= note_builtins(&p->other[i], used);
  return any;
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
    any |= note_builtins(&w->m->program[i], used);
  for (int i = 0; i < BIGS_BUILTIN_COUNT; i++) {
    v[i] = LLVMConstNull(w->ptr);
    if (used[i])
      LLVMSetGlobalConstant(v[i] = LLVMAddGlobal(w->module, w->i8, symbol[i]), true);
  }
  return any ? constant(w, LLVMConstArray(w->ptr, v, BIGS_BUILTIN_COUNT), "builtins", 8)
             : LLVMConstNull(w->ptr);
}

// Beside the module: see codegen/api/embed.h.
static LLVMValueRef weights_of(Writer *w, const void *weights) {
  if (!weights)
    return LLVMConstNull(w->ptr);
  LLVMValueRef g = LLVMAddGlobal(w->module, w->i8, api_weights_symbol(w->arena, w->m));
  LLVMSetGlobalConstant(g, true);
  LLVMSetVisibility(g, LLVMHiddenVisibility);
  return g;
}

static LLVMValueRef elements_of(Writer *w, const TableField *f, const char *base,
                                const void *target) {
  int32_t n = table_count(w->m, f, base);
  return target && n ? array_of(w, f->elem(), target, n) : LLVMConstNull(w->ptr);
}

static LLVMValueRef pointer_of(Writer *w, const TableField *f, const char *base,
                               const void *target) {
  switch (f->kind) {
  case TABLE_TEXT: return text_of(w, target);
  case TABLE_ARRAY: return elements_of(w, f, base, target);
  case TABLE_DATA: return data_of(w, (const BigsBuffer *)base);
  case TABLE_KERNELS: return kernels_of(w);
  case TABLE_BUILTINS: return builtins_of(w);
  case TABLE_WEIGHTS: return weights_of(w, target);
  case TABLE_END:
  case TABLE_BYTES: break;
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
  int64_t n = f->kind == TABLE_TEXT ? f->count : 1;
  add_bytes(w, base, f->offset, p);
  for (int64_t i = 0; i < n; i++, p->at += sizeof(void *)) {
    const void *target;
    CHECK(p->n + 2 < COUNT(p->v));
    memcpy(&target, base + p->at, sizeof target);
    p->v[p->n++] = pointer_of(w, f, base, target);
  }
}

static LLVMValueRef struct_of(Writer *w, const TableStruct *t, const char *base) {
  Pieces p = {.n = 0};
  for (const TableField *f = t->field; f->kind != TABLE_END; f++)
    if (f->kind != TABLE_BYTES)
      add_pointers(w, f, base, &p);
  add_bytes(w, base, t->size, &p);
  return LLVMConstStructInContext(w->cx, p.v, p.n, true);
}

static LLVMValueRef array_of(Writer *w, const TableStruct *t, const void *data, int64_t n) {
  if (!table_has_pointers(t))
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
  LLVMValueRef tables = constant(&w, struct_of(&w, table_module(), (const char *)m), "module", 8);
  LLVMSetLinkage(tables, LLVMInternalLinkage);
  return tables;
}
