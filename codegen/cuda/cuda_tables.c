// A module's tables as C++ constants: arrays of words of eight bytes, each a number or an address,
// since all structs of runtime/abi.def are made of such words and nobody reads them here.
#include "codegen/api/api.h"
#include "codegen/api/tables.h"
#include "codegen/cuda/cuda_internal.h"
#include <inttypes.h>
#include <string.h>

typedef struct Tables {
  FILE *f;
  Arena *arena;
  const BigsModule *m;
  int made; // arrays printed so far
} Tables;

static const char *text_of(Tables *t, const char *s) {
  char *out = arena_alloc(t->arena, 4 * strlen(s) + 3), *p = out;
  *p++ = '"';
  for (; *s; s++)
    if (*s == '"' || *s == '\\' || *s == '?' || (unsigned char)*s < ' ' || (unsigned char)*s > '~')
      p += sprintf(p, "\\%03o", (unsigned char)*s);
    else
      *p++ = *s;
  strcpy(p, "\"");
  return out;
}

static const char *array_of(Tables *t, const TableStruct *s, const void *data, int64_t n);

// An array of the words, printed; its name.
static const char *print_array(Tables *t, const char *const *word, int64_t n) {
  const char *name = arena_printf(t->arena, "t%d", t->made++);
  fprintf(t->f, "static const BgWord %s[] = {", name);
  for (int64_t i = 0; i < n; i++)
    fprintf(t->f, "%s%s", i % 16 ? ", " : ",\n    " + !i, word[i]);
  fputs("};\n", t->f);
  return name;
}

static const char *number(Tables *t, uint64_t v) {
  return v < 10 ? arena_printf(t->arena, "%du", (int)v)
                : arena_printf(t->arena, "0x%" PRIx64 "u", v);
}

static void numbers_of(Tables *t, const char *base, size_t bytes, const char **word) {
  for (size_t at = 0; at < bytes; at += 8) {
    uint64_t v = 0;
    memcpy(&v, base + at, bytes - at < 8 ? bytes - at : 8);
    word[at / 8] = number(t, v);
  }
}

static const char *data_of(Tables *t, const BigsBuffer *b) {
  int64_t n = 0;
  if (!b->data)
    return "0u";
  CHECK(poly_is_const(module_poly(t->m, b->size), &n));
  size_t bytes = (size_t)n * (size_t)dtype_size((DType)b->dtype);
  const char **word = NEWN(t->arena, const char *, bytes / 8 + 1);
  numbers_of(t, b->data, bytes, word);
  return print_array(t, word, (int64_t)(bytes + 7) / 8);
}

static const char *pointer_of(Tables *t, const TableField *f, const char *base,
                              const void *target) {
  if (f->kind == TABLE_DATA)
    return data_of(t, (const BigsBuffer *)base);
  if (f->kind == TABLE_KERNELS)
    return "bg_kernels";
  if (f->kind == TABLE_BUILTINS || !target)
    return "0u";
  if (f->kind == TABLE_WEIGHTS)
    return arena_printf(t->arena, "&%s", api_weights_symbol(t->arena, t->m));
  if (f->kind == TABLE_TEXT)
    return text_of(t, target);
  int32_t n = table_count(t->m, f, base);
  return n ? array_of(t, f->elem(), target, n) : "0u";
}

static void words_of(Tables *t, const TableStruct *s, const char *base, const char **word) {
  numbers_of(t, base, s->size, word);
  for (const TableField *f = s->field; f->kind != TABLE_END; f++)
    for (int64_t i = 0; f->kind != TABLE_BYTES && i < (f->kind == TABLE_TEXT ? f->count : 1); i++) {
      const void *target;
      size_t at = f->offset + (size_t)i * sizeof target;
      memcpy(&target, base + at, sizeof target);
      word[at / 8] = pointer_of(t, f, base, target);
    }
}

static const char *array_of(Tables *t, const TableStruct *s, const void *data, int64_t n) {
  size_t all = s->size * (size_t)n, each = s->size / 8;
  const char **word = NEWN(t->arena, const char *, all / 8 + 1);
  if (table_has_pointers(s))
    for (int64_t i = 0; i < n; i++)
      words_of(t, s, (const char *)data + (size_t)i * s->size, word + (size_t)i * each);
  else
    numbers_of(t, data, all, word);
  return print_array(t, word, (int64_t)(all + 7) / 8);
}

const char *cuda_tables(FILE *f, Arena *a, const BigsModule *m) {
  Tables t = {.f = f, .arena = a, .m = m};
  fputs("union BgWord {\n"
        "  unsigned long long n;\n"
        "  const void *p;\n"
        "  constexpr BgWord(unsigned v) : n(v) {}\n"
        "  constexpr BgWord(unsigned long v) : n(v) {}\n"
        "  constexpr BgWord(const void *v) : p(v) {}\n"
        "};\n",
        f);
  return array_of(&t, table_module(), m, 1);
}
