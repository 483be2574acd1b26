// A module's tables as LLVM constants.  One description of each struct of runtime/abi.h says which
// of its fields are pointers and what they point to; all else is copied as bytes.
#include "codegen/llvm/aot_internal.h"
#include "base/map.h"
#include "runtime/builtin.h"
#include <string.h>

typedef struct Struct Struct;
typedef enum FieldKind { F_STRING, F_ARRAY, F_DATA, F_KERNELS, F_BUILTINS } FieldKind;
enum { COUNT_PARAMS = -1 }; // as many as the module has parameters
typedef struct Field {
  FieldKind kind;
  size_t offset;
  const Struct *elem; // ARRAY
  int64_t count;      // ARRAY: offset of the int32 that counts them, or COUNT_PARAMS
} Field;
struct Struct {
  size_t size;
  Field field[16]; // ascending offsets; an empty one ends the list
};

#define STRING(T, f)                                                                               \
  { F_STRING, offsetof(T, f), NULL, 0 }
#define ARRAY(T, f, E, n)                                                                          \
  { F_ARRAY, offsetof(T, f), &E, (int64_t)offsetof(T, n) }
#define PER_PARAM(T, f, E)                                                                         \
  { F_ARRAY, offsetof(T, f), &E, COUNT_PARAMS }
#define END                                                                                        \
  { F_STRING, (size_t)-1, NULL, 0 }

static const Struct byte = {1, {END}}, int32 = {sizeof(int32_t), {END}},
                    storage = {sizeof(BigsStorage), {END}};
static const Struct poly = {sizeof(Poly), {END}}, scalar = {sizeof(BigsScalar), {END}},
                    group = {sizeof(BigsGroup), {END}};
static const Struct string = {sizeof(char *), {{F_STRING, 0, NULL, 0}, END}};
static const Struct dim = {sizeof(BigsDim), {STRING(BigsDim, name), END}};
static const Struct piece = {sizeof(BigsPiece), {STRING(BigsPiece, kind), END}};
static const Struct name = {sizeof(BigsName), {STRING(BigsName, stored), END}};
static const Struct alias = {sizeof(BigsAlias),
                             {STRING(BigsAlias, old), STRING(BigsAlias, now), END}};
static const Struct named_value = {sizeof(BigsNamedValue), {STRING(BigsNamedValue, name), END}};
static const Struct config = {
    sizeof(BigsConfig),
    {STRING(BigsConfig, key), STRING(BigsConfig, name), STRING(BigsConfig, text), END}};
#define AXES(T)                                                                                    \
  STRING(T, axis[0]), STRING(T, axis[1]), STRING(T, axis[2]), STRING(T, axis[3]),                  \
      STRING(T, axis[4]), STRING(T, axis[5]), STRING(T, axis[6]), STRING(T, axis[7])
static const Struct tensor = {sizeof(BigsTensor),
                              {STRING(BigsTensor, name), AXES(BigsTensor), END}};
static const Struct param = {sizeof(BigsParam), {STRING(BigsParam, name), AXES(BigsParam), END}};
static const Struct buffer = {sizeof(BigsBuffer),
                              {{F_DATA, offsetof(BigsBuffer, data), NULL, 0}, END}};
static const Struct step = {sizeof(BigsStep),
                            {ARRAY(BigsStep, arg, int32, narg),
                             ARRAY(BigsStep, scalar, scalar, nscalar), STRING(BigsStep, label),
                             STRING(BigsStep, source), END}};
static const Struct room = {sizeof(BigsRoom),
                            {STRING(BigsRoom, text), STRING(BigsRoom, source), END}};
static const Struct program = {
    sizeof(BigsProgram),
    {STRING(BigsProgram, name), ARRAY(BigsProgram, input, int32, ninput),
     ARRAY(BigsProgram, output, tensor, noutput), ARRAY(BigsProgram, buffer, buffer, nbuffer),
     ARRAY(BigsProgram, step, step, nstep), ARRAY(BigsProgram, room, room, nroom),
     PER_PARAM(BigsProgram, param_used, byte), END}};
static const Struct train = {
    sizeof(BigsTrain),
    {STRING(BigsTrain, name), STRING(BigsTrain, source), STRING(BigsTrain, path),
     STRING(BigsTrain, optimizer), ARRAY(BigsTrain, piece, piece, npiece),
     ARRAY(BigsTrain, group, group, ngroup), STRING(BigsTrain, from), END}};
static const Struct checkpoint = {
    sizeof(BigsCheckpoint),
    {STRING(BigsCheckpoint, name), PER_PARAM(BigsCheckpoint, entry, name),
     ARRAY(BigsCheckpoint, alias, alias, nalias), ARRAY(BigsCheckpoint, ignore, string, nignore),
     ARRAY(BigsCheckpoint, config, config, nconfig), END}};
static const Struct module_fields[] = {
    {sizeof(BigsModule),
     {STRING(BigsModule, model),
      STRING(BigsModule, version),
      STRING(BigsModule, target),
      STRING(BigsModule, features),
      ARRAY(BigsModule, poly, poly, npoly),
      ARRAY(BigsModule, dim, dim, ndim),
      ARRAY(BigsModule, input, tensor, ninput),
      ARRAY(BigsModule, param, param, nparam),
      ARRAY(BigsModule, storage, storage, nstorage),
      ARRAY(BigsModule, tag, string, ntag),
      ARRAY(BigsModule, program, program, nprogram),
      ARRAY(BigsModule, train, train, ntrain),
      ARRAY(BigsModule, checkpoint, checkpoint, ncheckpoint),
      {F_KERNELS, offsetof(BigsModule, kernel), NULL, 0},
      {F_BUILTINS, offsetof(BigsModule, builtin), NULL, 0},
      END}},
    // the rest of the same struct, which has more pointers than one row holds
    {sizeof(BigsModule),
     {ARRAY(BigsModule, constant, named_value, nconst), STRING(BigsModule, tokenizer),
      STRING(BigsModule, vocab), STRING(BigsModule, mdl), END}}};

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
  static const char *const symbol[BIGS_BUILTIN_COUNT] = {[BIGS_CONV] = "bigs_builtin_conv",
                                                         [BIGS_CONV_GRAD] =
                                                             "bigs_builtin_conv_grad",
                                                         [BIGS_SCATTER] = "bigs_builtin_scatter"};
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

static LLVMValueRef field_value(Writer *w, const Field *f, const char *base) {
  const void *target;
  memcpy(&target, base + f->offset, sizeof target);
  switch (f->kind) {
  case F_STRING: return text_of(w, target);
  case F_DATA: return data_of(w, (const BigsBuffer *)base);
  case F_KERNELS: return kernels_of(w);
  case F_BUILTINS: return builtins_of(w);
  case F_ARRAY: break;
  }
  int32_t n = w->m->nparam;
  if (f->count != COUNT_PARAMS)
    memcpy(&n, base + f->count, sizeof n);
  return target && n ? array_of(w, f->elem, target, n) : LLVMConstNull(w->ptr);
}

// A packed struct of runs of bytes and pointers.
typedef struct Pieces {
  LLVMValueRef v[64];
  unsigned n;
  size_t at; // bytes done
} Pieces;

static void add_fields(Writer *w, const Struct *t, const char *base, Pieces *p) {
  for (const Field *f = t->field; f->offset != (size_t)-1; f++) {
    CHECK(p->n + 3 < COUNT(p->v) && f->offset >= p->at);
    if (f->offset > p->at)
      p->v[p->n++] = raw_bytes(w, base + p->at, f->offset - p->at);
    p->v[p->n++] = field_value(w, f, base);
    p->at = f->offset + sizeof(void *);
  }
}

static LLVMValueRef end_fields(Writer *w, const Struct *t, const char *base, Pieces *p) {
  if (t->size > p->at)
    p->v[p->n++] = raw_bytes(w, base + p->at, t->size - p->at);
  return LLVMConstStructInContext(w->cx, p->v, p->n, true);
}

static LLVMValueRef array_of(Writer *w, const Struct *t, const void *data, int64_t n) {
  if (t->field[0].offset == (size_t)-1)
    return constant(w, raw_bytes(w, data, t->size * (size_t)n), "bytes", 8);
  LLVMValueRef *v = NEWN(w->arena, LLVMValueRef, n);
  for (int64_t i = 0; i < n; i++) {
    const char *base = (const char *)data + (size_t)i * t->size;
    Pieces p = {.n = 0};
    add_fields(w, t, base, &p);
    v[i] = end_fields(w, t, base, &p);
  }
  return constant(w, LLVMConstArray(LLVMTypeOf(v[0]), v, (unsigned)n), "table", 8);
}

LLVMValueRef aot_tables(LLVMModuleRef module, Arena *a, const BigsModule *m,
                        const LLVMValueRef *kernels) {
  LLVMContextRef cx = LLVMGetModuleContext(module);
  Writer w = {
      .arena = a, .m = m, .kernels = kernels, .module = module, .cx = cx, .strings.arena = a};
  w.i8 = LLVMInt8TypeInContext(cx);
  w.ptr = LLVMPointerTypeInContext(cx, 0);
  Pieces p = {.n = 0};
  for (int i = 0; i < COUNT(module_fields); i++)
    add_fields(&w, &module_fields[i], (const char *)m, &p);
  LLVMValueRef tables =
      constant(&w, end_fields(&w, &module_fields[0], (const char *)m, &p), "module", 8);
  LLVMSetLinkage(tables, LLVMInternalLinkage);
  return tables;
}
