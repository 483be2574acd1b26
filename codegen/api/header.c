// NAME.h: the C interface of a compiled model.
#include "codegen/api/api.h"
#include "base/dtype.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct HeaderText {
  Arena *arena;
  FILE *f;
  const BigsModule *m;
  const char *prefix, *upper;
  const char *more; // parameters behind the model
  const char *dims[MAX_SYMS];
} HeaderText;

static const char *c_type(int dtype) {
  static const char *const name[] = {
#define DTYPE(id, name, size, c, stored) c,
#include "base/dtype.def"
#undef DTYPE
  };
  return name[dtype];
}

// Words, each between blanks, that cannot name an argument: those of C and C++, macros and types of
// common headers, the arguments that every function has.
static const char taken[] =
    " alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t"
    " char16_t char32_t class co_await co_return co_yield compl concept const const_cast"
    " consteval constexpr constinit continue decltype default delete do double dynamic_cast else"
    " enum explicit export extern false float for friend goto if inline int long mutable"
    " namespace new noexcept not not_eq nullptr operator or or_eq private protected public"
    " register reinterpret_cast requires restrict return short signed sizeof static"
    " static_assert static_cast struct switch template this thread_local throw true try typedef"
    " typeid typename typeof typeof_unqual union unsigned using virtual void volatile wchar_t"
    " while xor xor_eq NULL EOF INFINITY NAN I errno stdin stdout stderr assert complex"
    " imaginary unix linux int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t"
    " size_t model out loss stream ";

// A dim or an input as an argument; callers know it by its place only.
static const char *argument(const HeaderText *t, const char *name) {
  return strstr(taken, arena_printf(t->arena, " %s ", name)) ? arena_printf(t->arena, "%s_", name)
                                                             : name;
}

static void put_shape(const HeaderText *t, const BigsTensor *x) {
  fputs(dtype_name((DType)x->dtype), t->f);
  fputc('[', t->f);
  for (int i = 0; i < x->rank; i++) {
    const char *extent = poly_str(t->arena, &x->extent[i], t->dims);
    fputs(i ? ", " : "", t->f);
    if (x->axis[i] && strcmp(x->axis[i], extent))
      fprintf(t->f, "%s = ", x->axis[i]);
    fputs(extent, t->f);
  }
  fputc(']', t->f);
}

static void put_tensor(const HeaderText *t, const char *name, const BigsTensor *x) {
  fprintf(t->f, " *   %s: ", name);
  put_shape(t, x);
  if (x->optional && x->dtype == DT_BOOL)
    fprintf(t->f, ", may be NULL: all %s", x->fallback != 0 ? "true" : "false");
  else if (x->optional)
    fprintf(t->f, ", may be NULL: all %g", x->fallback);
  fputc('\n', t->f);
}

static void put_dims(const HeaderText *t, const BigsProgram *p, uint32_t without) {
  for (int i = 0; i < t->m->ndim; i++)
    if (p->syms >> i & 1 && t->m->dim[i].bound)
      fprintf(t->f, " *   %s: 1 to %" PRId64 "\n", argument(t, t->m->dim[i].name),
              t->m->dim[i].bound);
    else if (p->syms >> i & 1)
      fprintf(t->f, " *   %s: at least 1\n", argument(t, t->m->dim[i].name));
  for (int i = 0; i < p->ninput; i++)
    if (!api_without(without, p->input[i]))
      put_tensor(t, argument(t, t->m->input[p->input[i]].name), &t->m->input[p->input[i]]);
}

static void put_prototype(const HeaderText *t, const BigsProgram *p, const char *name,
                          uint32_t without, const char *last) {
  fprintf(t->f, "int %s_%s(%s_model *model%s", t->prefix, name, t->prefix, t->more);
  for (int i = 0; i < t->m->ndim; i++)
    if (p->syms >> i & 1)
      fprintf(t->f, ", int64_t %s", argument(t, t->m->dim[i].name));
  for (int i = 0; i < p->ninput; i++) {
    const BigsTensor *x = &t->m->input[p->input[i]];
    if (!api_without(without, p->input[i]))
      fprintf(t->f, ", const %s *%s", c_type(x->dtype), argument(t, x->name));
  }
  fprintf(t->f, ", %s);\n", last);
}

static void put_entry(const HeaderText *t, const BigsProgram *p) {
  fprintf(t->f, "\n/* %s.\n", p->name);
  put_dims(t, p, 0);
  put_tensor(t, "out", &p->output[0]);
  fputs(" */\n", t->f);
  put_prototype(t, p, p->name, 0, arena_printf(t->arena, "%s *out", c_type(p->output[0].dtype)));
}

static void put_text(const HeaderText *t, const BigsProgram *p) {
  fprintf(t->f,
          "\n/* %s of n texts, in the order of the texts; they are cut into tokens, sorted and put "
          "together by length.\n",
          p->name);
  put_tensor(t, "out, where B is n", &p->output[0]);
  fprintf(
      t->f,
      " */\nint %s_text_%s(%s_model *model, int64_t n, const char *const *texts, float *out);\n",
      t->prefix, p->name, t->prefix);
}

static void put_gpu(HeaderText *t) {
  fprintf(
      t->f,
      "\n/* GPU `device` of those that the driver shows; %s_open takes the first. */\n"
      "%s_model *%s_open_on(const char *weights, int device, char *error, size_t error_size);\n"
      "\n/* The entries with tensors in that GPU's memory.  The work is put into `stream`, a "
      "CUstream or\n"
      " * cudaStream_t of its primary context (NULL: the model's own, and the call waits for it), "
      "behind what is\n"
      " * there; it may be destroyed when the call has returned.  Ids are not\n"
      " * checked: one that no table has reads its first or last row. */\n",
      t->prefix, t->prefix, t->prefix);
  t->more = ", void *stream";
  for (int i = 0; i < t->m->nprogram; i++)
    if (t->m->program[i].kind == BIGS_ENTRY)
      put_prototype(t, &t->m->program[i], arena_printf(t->arena, "%s_on", t->m->program[i].name), 0,
                    arena_printf(t->arena, "%s *out", c_type(t->m->program[i].output[0].dtype)));
  t->more = "";
}

static void put_step(const HeaderText *t, const BigsTrain *train) {
  const BigsProgram *p = &t->m->program[train->program];
  fprintf(t->f,
          "\n/* One step of `train %s`: forward, backward, optimizer.  *loss is the loss before "
          "the step.\n",
          train->name);
  put_dims(t, p, train->unpicked);
  fputs(" */\n", t->f);
  put_prototype(t, p, arena_printf(t->arena, "%s_step", train->name), train->unpicked,
                "float *loss");
}

static void put_constants(const HeaderText *t) {
  int n = 0;
  for (int i = 0; i < t->m->nconst; i++) {
    double v = t->m->constant[i].value;
    if (api_in_header(&t->m->constant[i]))
      fprintf(t->f, "%s  %s_%s = %d",
              n++ ? ",\n" : "\n/* Dims that were fixed when the model was compiled. */\nenum {\n",
              t->upper, t->m->constant[i].name, (int)v);
  }
  fputs(n ? "\n};\n" : "", t->f);
}

static void put_fixed(const HeaderText *t, const ApiFunction *f) {
  if (*f->comment)
    fprintf(t->f, "/* %s */\n", f->comment);
  fprintf(t->f, "%s%s_%s(%s);\n", api_prefixed(t->arena, f->result, t->prefix), t->prefix, f->name,
          api_prefixed(t->arena, f->arguments, t->prefix));
}

static void put_checked(const HeaderText *t, const char *name) {
  fprintf(t->f, "#define %s_%s(...) %s_%s_checked(0x%" PRIx64 "u, __VA_ARGS__)\n", t->prefix, name,
          t->prefix, name, api_interface(t->arena, t->m));
}

static void put_handles(const HeaderText *t) {
  const char *p = t->prefix;
  fprintf(t->f, "\ntypedef struct bigs_model %s_model;\n\n", p);
  for (int i = 0; api_function(t->m, i); i++)
    put_fixed(t, api_function(t->m, i));
  put_checked(t, "open");
  put_checked(t, "open_with");
  // A model named BiGS has a function of the name that is the type's.
  bool hidden = !strcmp(p, "bigs");
  fprintf(t->f, "const bigs_info *%s_info%s(void)%s;\n", p, hidden ? "_" : "",
          hidden ? " __asm__(\"bigs_info\")" : "");
  if (hidden)
    fputs("#define bigs_info() bigs_info_()\n", t->f);
}

// The guard is no name of any model's: those begin with one case throughout.
static void put_all(HeaderText *t, bool gpu) {
  fprintf(t->f, "/* %s, compiled by bigsc%s%s for %s.\n", t->m->model, t->m->version ? " " : "",
          t->m->version ? t->m->version : "", t->m->target ? t->m->target : "this machine");
  fputs(" *\n"
        " * Functions that return int return 0, or: 1 the data is wrong, 2 wrong use, 3 a file or "
        "a checkpoint,\n"
        " * 4 not-a-number or infinity, 70 a bug.  Tensors are dense, row-major in the order of "
        "their axes.\n"
        " * Handles are independent of each other; each is used by one thread at a time. */\n",
        t->f);
  fprintf(t->f,
          "#ifndef Bigs_%s_H\n#define Bigs_%s_H\n#include <stdbool.h>\n#include "
          "<stddef.h>\n#include <stdint.h>\n"
          "#ifdef __cplusplus\nextern \"C\" {\n#endif\n",
          t->upper, t->upper);
  fprintf(t->f, "\n%s\n%s", info_text(), options_text());
  put_constants(t);
  put_handles(t);
  for (int i = 0; i < t->m->nprogram; i++)
    if (t->m->program[i].kind == BIGS_ENTRY)
      put_entry(t, &t->m->program[i]);
  for (int i = 0; i < t->m->nprogram; i++)
    if (api_takes_text(t->m, &t->m->program[i]))
      put_text(t, &t->m->program[i]);
  for (int i = 0; i < t->m->ntrain; i++)
    put_step(t, &t->m->train[i]);
  if (gpu)
    put_gpu(t);
  fputs("\n#ifdef __cplusplus\n}\n#endif\n#endif\n", t->f);
}

// The names that a header declares whatever the model: those of info.h and options.h, and what stands for the
// function `bigs_info`.
static bool is_taken(const char *name) {
  static const char *const names[] = {
      "bigs_model",      "bigs_module_info", "bigs_info",       "bigs_info_",     "bigs_info_dim",
      "bigs_info_value", "bigs_info_tensor", "bigs_info_entry", "BIGS_INFO_RANK", "bigs_options"};
  int i = COUNT(names);
  while (--i >= 0 && strcmp(names[i], name))
    ;
  return i >= 0;
}

static char *upper_prefix(Arena *a, const BigsModule *m) {
  char *upper = api_prefix(a, m);
  for (char *p = upper; *p; p++)
    *p = (char)toupper((unsigned char)*p);
  return upper;
}

static bool is_entry(const BigsModule *m, const char *name, size_t n) {
  for (int i = 0; i < m->nprogram; i++)
    if (m->program[i].kind == BIGS_ENTRY && strlen(m->program[i].name) == n &&
        !memcmp(m->program[i].name, name, n))
      return true;
  return false;
}

// An entry `x_on` beside an entry `x`, or `open_on`.
static bool is_on(const BigsModule *m, const char *name) {
  size_t n = strlen(name);
  return n > 3 && !strcmp(name + n - 3, "_on") &&
         (is_entry(m, name, n - 3) || !strcmp(name, "open_on"));
}

// An entry `text_x` beside an entry `x` of texts.
static bool is_text(const BigsModule *m, const char *name) {
  bool is = false;
  for (int i = 0; i < m->nprogram; i++)
    is = is || (!strncmp(name, "text_", 5) && m->program[i].kind == BIGS_ENTRY &&
                !strcmp(m->program[i].name, name + 5) && api_takes_text(m, &m->program[i]));
  return is;
}

const char *api_clash(Arena *a, const BigsModule *m, bool gpu) {
  const char *lower = api_prefix(a, m), *upper = upper_prefix(a, m), *name;
  for (int i = 0; i < m->nprogram; i++)
    if (m->program[i].kind == BIGS_ENTRY &&
        (is_taken(name = arena_printf(a, "%s_%s", lower, m->program[i].name)) ||
         is_text(m, m->program[i].name) || (gpu && is_on(m, m->program[i].name))))
      return name;
  for (int i = 0; i < m->nconst; i++)
    if (api_in_header(&m->constant[i]) &&
        is_taken(name = arena_printf(a, "%s_%s", upper, m->constant[i].name)))
      return name;
  return NULL;
}

char *api_header(Arena *a, const BigsModule *m, bool gpu) {
  char *text = NULL;
  size_t size = 0;
  HeaderText t = {.arena = a,
                  .f = open_memstream(&text, &size),
                  .m = m,
                  .prefix = api_prefix(a, m),
                  .more = ""};
  if (!t.f)
    out_of_memory();
  t.upper = upper_prefix(a, m);
  for (int i = 0; i < m->ndim && i < MAX_SYMS; i++)
    t.dims[i] = m->dim[i].name;
  put_all(&t, gpu);
  if (fclose(t.f))
    out_of_memory();
  char *out = arena_strdup(a, text);
  free(text);
  return out;
}
