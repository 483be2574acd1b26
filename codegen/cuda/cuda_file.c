// NAME.cu: a compiled model as one source, which nvcc makes a library of: the runtime, the kernels,
// the tables, and the C functions of NAME.h.
#include "codegen/api/api.h"
#include "codegen/cuda/cuda_internal.h"
#include "runtime/amalgam.h"
#include <inttypes.h>
#include <string.h>

// A "register tile" is what a warp's lanes hold.
Target *cuda_target(Arena *a, int opt) {
  Target *t = NEW(a, Target);
  *t = (Target){.triple = "nvptx64-nvidia-cuda",
                .cpu = "CUDA",
                .tune = "CUDA",
                .features = "",
                .opt = opt,
                .vector_floats = 32,
                .has_fma = true,
                .mr = 8,
                .nr = 32};
  return t;
}

typedef struct CudaSource {
  FILE *f;
  Arena *arena;
  const CudaFile *in;
  const char *prefix;
} CudaSource;

static void put_head(const CudaSource *x, const char *path) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  size_t n = strlen(name) > 3 ? strlen(name) - 3 : strlen(name);
  fprintf(x->f,
          "// %s, compiled by bigsc %s for CUDA.  Build it for the GPU at hand, of compute "
          "capability 8.0\n"
          "// or above (for an H100 or H200):\n"
          "//\n"
          "//   nvcc -gencode arch=compute_90a,code=sm_90a -shared -Xcompiler -fPIC %s -o %.*s.so "
          "-lcublasLt\n"
          "//\n"
          "// The functions are those of %.*s.h.\n"
          "#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800\n"
          "#error \"kernels of bigsc need compute capability 8.0 or above: -gencode "
          "arch=compute_80,code=sm_80\"\n"
          "#endif\n",
          x->in->module->model, x->in->module->version, name, (int)n, name, (int)n, name);
}

// The lines of the runtime that are what the system declares, or the others, but for their numbers.
static void put_lines(FILE *f, bool system) {
  for (const char *s = runtime_text(), *end; *s; s = *end ? end + 1 : end) {
    end = s + strcspn(s, "\n");
    bool include = !strncmp(s, "#include <", 10), own = !strncmp(s, "#include <sanitizer/", 20);
    if (strncmp(s, "#line", 5) && (system ? include && !own : true))
      fprintf(f, "%.*s\n", (int)(end - s), s);
  }
}

// Hidden from whoever loads the library: two models in one program each have their own.  What the
// system declares comes first, since that is not hidden.
static void put_runtime(FILE *f) {
  fputs("\n// ---- the runtime\n"
        "#ifndef _GNU_SOURCE\n"
        "#define _GNU_SOURCE\n"
        "#endif\n"
        "#ifdef __CUDACC__\n"
        "#pragma nv_diag_suppress 177 // it declares more than this model uses\n"
        "#endif\n",
        f);
  put_lines(f, true);
  fputs("#pragma GCC visibility push(hidden)\n", f);
  put_lines(f, false);
}

static void put_kernels(const CudaSource *x) {
  const BigsModule *m = x->in->module;
  cuda_kernels(x->f, x->in->kernels, m->nkernel, m->ndim);
  fputs("\nstatic const void *const bg_kernels[] = {", x->f);
  for (int i = 0; i < m->nkernel; i++)
    fprintf(x->f, "%s(const void *)%s", i % 8 ? ", " : ",\n    " + !i, x->in->kernels[i]->name);
  fputs(",\n    (const void *)bg_words, (const void *)bg_decide};\n\n", x->f);
}

// int prefix_name(model, dims.., inputs.., last)
static void put_function(const CudaSource *x, const BigsProgram *p, const char *name,
                         const char *more, uint32_t without) {
  const BigsModule *m = x->in->module;
  fprintf(x->f, "BG_EXPORT int %s_%s(bigs_model *model%s", x->prefix, name, more);
  for (int i = 0; i < m->ndim; i++)
    if (p->syms >> i & 1)
      fprintf(x->f, ", int64_t d%d", i);
  for (int i = 0; i < p->ninput; i++)
    if (!api_without(without, p->input[i]))
      fprintf(x->f, ", const void *i%d", i);
  fputs(", void *out) {\n  const int64_t dims[] = {", x->f);
  for (int i = 0; i < m->ndim; i++)
    fprintf(x->f, p->syms >> i & 1 ? "d%d, " : "0, ", i);
  fputs("0};\n  const void *const inputs[] = {", x->f);
  for (int i = 0; i < p->ninput; i++)
    fprintf(x->f, api_without(without, p->input[i]) ? "NULL, " : "i%d, ", i);
  fputs("NULL};\n", x->f);
}

static void put_entries(const CudaSource *x) {
  const BigsModule *m = x->in->module;
  for (int i = 0; i < m->nprogram; i++)
    if (m->program[i].kind == BIGS_ENTRY) {
      put_function(x, &m->program[i], m->program[i].name, "", 0);
      fprintf(x->f, "  return bigs_model_run(model, %d, dims, inputs, &out);\n}\n", i);
      put_function(x, &m->program[i], arena_printf(x->arena, "%s_on", m->program[i].name),
                   ", void *stream", 0);
      fprintf(x->f, "  return bigs_model_run_on(model, %d, stream, dims, inputs, &out);\n}\n", i);
    }
  for (int i = 0; i < m->nprogram; i++)
    if (api_takes_text(m, &m->program[i]))
      fprintf(x->f,
              "BG_EXPORT int %s_text_%s(bigs_model *model, int64_t n, const char *const *texts, "
              "float *out) {\n  return bigs_model_text(model, %d, n, texts, out);\n}\n",
              x->prefix, m->program[i].name, i);
  for (int i = 0; i < m->ntrain; i++) {
    const BigsTrain *t = &m->train[i];
    put_function(x, &m->program[t->program], arena_printf(x->arena, "%s_step", t->name), "",
                 t->unpicked);
    fprintf(x->f, "  return bigs_model_step(model, %d, dims, inputs, (float *)out);\n}\n", i);
  }
}

// How the runtime comes by a kernel.
static void put_device(const CudaSource *x) {
  fputs("static int bg_function(bigs_model *m, int kernel, void **out) {\n"
        "  cudaFunction_t f = NULL;\n"
        "  const cudaError_t r = cudaGetFuncBySymbol(&f, bg_kernels[kernel]);\n"
        "  *out = (void *)f;\n"
        "  return r == cudaSuccess ? 0\n"
        "                          : bigs_fail(&m->error, BIGS_EFILE, \"the library has no kernel "
        "for this GPU (%s): \"\n"
        "                                      \"build it with nvcc's -gencode for it\", "
        "cudaGetErrorString(r));\n"
        "}\n"
        "// GPU number i of those that the driver shows.\n"
        "static const BigsDevice *bg_device(int i) {\n"
        "  static const struct Devices {\n"
        "    CudaDevice d[64];\n"
        "    Devices() {\n"
        "      for (int k = 0; k < 64; k++)\n"
        "        d[k] = cuda_device(k, CUDART_VERSION / 1000 * 1000, NULL, bg_function);\n"
        "    }\n"
        "  } all;\n"
        "  return i >= 0 && i < 64 ? &all.d[i].base : NULL;\n"
        "}\n",
        x->f);
}

// The name of parameter number `at` of a declaration: the word before a comma, or the end.
static const char *argument(const CudaSource *x, const char *declared, int at) {
  const char *end = declared + strcspn(declared, ","), *s;
  for (; at; at--)
    end += 1 + strcspn(end + 1, ",");
  for (s = end; s > declared && s[-1] != ' ' && s[-1] != '*'; s--)
    ;
  return arena_strndup(x->arena, s, (size_t)(end - s));
}

// An argument by its character in FORWARD.
static const char *forwarded(const CudaSource *x, const ApiFunction *f, char what) {
  switch (what) {
  case 'T': return "bg_module()";
  case 'D': return "bg_device(0)";
  case 'I': return arena_printf(x->arena, "0x%" PRIx64 "u", api_interface(x->arena, x->in->module));
  case 'N': return "NULL";
  default: return argument(x, f->arguments, what - '0');
  }
}

static void put_fixed(const CudaSource *x, const ApiFunction *f) {
  fprintf(x->f, "BG_EXPORT %s%s_%s(%s) {\n  %s%s(", api_prefixed(x->arena, f->result, "bigs"),
          x->prefix, f->name, api_prefixed(x->arena, f->arguments, "bigs"),
          strcmp(f->result, "void ") ? "return " : "", f->runtime);
  for (const char *c = f->forward; *c; c++)
    fprintf(x->f, "%s%s", c > f->forward ? ", " : "", forwarded(x, f, *c));
  fputs(");\n}\n", x->f);
}

static void put_handles(const CudaSource *x, const char *tables) {
  const char *p = x->prefix;
  put_device(x);
  fprintf(x->f,
          "\n#define BG_EXPORT extern \"C\" __attribute__((visibility(\"default\")))\n"
          "static const BigsModule *bg_module() {\n"
          "  return (const BigsModule *)(const void *)%s;\n"
          "}\n"
          "static const bigs_info *bg_info() {\n"
          "  static void *cache;\n"
          "  return bigs_info_once(bg_module(), &cache);\n"
          "}\n",
          tables);
  fprintf(
      x->f,
      "BG_EXPORT bigs_model *%s_open_on(const char *weights, int device, char *error, size_t "
      "size) {\n"
      "  bigs_options o = {};\n"
      "  o.size = sizeof o;\n"
      "  o.device = bg_device(device);\n"
      "  if (!o.device && error && size)\n"
      "    snprintf(error, size, \"there is no GPU %%d\", device);\n"
      "  return o.device ? bigs_model_open_with(bg_module(), weights, &o, error, size) : NULL;\n"
      "}\n",
      p);
  for (int i = 0; api_function(x->in->module, i); i++)
    put_fixed(x, api_function(x->in->module, i));
  // A model named BiGS has a function of the name that is the type's.
  fprintf(x->f,
          "BG_EXPORT const bigs_info *bg_info_of_model(void) __asm__(\"%s_info\");\n"
          "const bigs_info *bg_info_of_model(void) {\n  return bg_info();\n}\n"
          "BG_EXPORT const bigs_info *bigs_module_info(void) {\n  return bg_info();\n}\n",
          p);
}

void cuda_file(FILE *f, Arena *a, const CudaFile *in, const char *path) {
  CudaSource x = {.f = f, .arena = a, .in = in, .prefix = api_prefix(a, in->module)};
  BigsModule m = *in->module;
  m.abi = BIGS_ABI_VERSION;
  m.target = "CUDA";
  m.features = "";
  put_head(&x, path);
  put_runtime(f);
  fputs("\n// ---- the kernels\n", f);
  put_kernels(&x);
  fputs("// ---- the tables\n", f);
  if (m.weights)
    fprintf(f, "extern \"C\" const unsigned char %s;\n", api_weights_symbol(a, &m));
  const char *tables = cuda_tables(f, a, &m);
  fputs("\n// ---- the functions\n", f);
  put_handles(&x, tables);
  put_entries(&x);
  fputs("#pragma GCC visibility pop\n", f);
}
