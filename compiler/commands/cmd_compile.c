// bigsc MODEL.mdl: checks a model, and compiles it to what the suffix of -o, or --emit, says.
#include "codegen/api/api.h"
#include "codegen/cuda/cuda.h"
#include "codegen/cuda/nvcc.h"
#include "codegen/llvm/aot.h"
#include "base/clock.h"
#include "compiler/commands/cmd.h"
#include "compiler/commands/outputs.h"
#include "compiler/commands/picture.h"
#include "compiler/syntax/lex.h"
#include "compiler/syntax/parse.h"
#include "compiler/driver/gpu.h"
#include "compiler/driver/session.h"
#include "runtime/exec/exec.h"
#include "runtime/files/file.h"
#include "runtime/text/tokenizer.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *suffix(const char *path) {
  const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
  return dot ? dot : "";
}

// `bert.so` for models/bert.mdl, in the current folder, as compilers do; for standard input as the
// C functions are named.
static const char *default_output(Session *s, const char *path) {
  const char *model = s->o->name ? s->o->name : s->model ? model_name(s->model) : NULL;
  if ((s->o->name || !strcmp(path, "-")) && model)
    return session_text(s, "%s.so", api_prefix(s->arena, &(BigsModule){.model = model}));
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  size_t n = strlen(name), m = strlen(suffix(name));
  return session_text(s, "%.*s.so", (int)(n - m), name);
}

static int write_text(Session *s, const char *path, const char *text, size_t n) {
  return file_put(path, text, n, &s->error) ? session_fail(s, &s->error) : 0;
}

// ---- the front end alone

static int read_source(Session *s, const char *path, Source **src) {
  const char *given;
  int status = session_source(s, path, &given);
  size_t n = given ? strlen(given) : 0;
  if (status || given) {
    *src = given ? source_new(s->arena, "<stdin>", given, n) : NULL;
    return status;
  }
  char *text = file_read(path, SOURCE_MAX, &n, &s->error);
  if (!text)
    return session_fail(s, &s->error);
  *src = source_new(s->arena, path, text, n);
  free(text);
  return 0;
}

static int emit_syntax(Session *s, const char *path, const char *what, FILE *to) {
  Source *src = NULL;
  int status = read_source(s, path, &src);
  if (status)
    return status;
  bool tokens = !strcmp(what, "tokens");
  const char *out = tokens ? tokens_print(s->arena, lex(s->arena, s->names, s->diags, src, false))
                           : ast_print(s->arena, parse_file(s->arena, s->names, s->diags, src));
  fputs(out, to);
  return session_diags(s, EXIT_MODEL);
}

// ---- the passes

// Words that only say what GPUs get, or only what processors do.
static bool says_gpu(const Options *o) {
  return o->emit ? !strcmp(o->emit, "cuda") : o->out && !strcmp(suffix(o->out), ".cu");
}
static bool says_cpu(const Options *o) {
  return o->emit ? !strcmp(o->emit, "llvm") || !strcmp(o->emit, "asm")
                 : o->out && aot_kind(o->out) != AOT_UNKNOWN && aot_kind(o->out) != AOT_SHARED;
}

static bool for_gpu(const Options *o) {
  return says_gpu(o) || (o->target && !strcmp(o->target, "cuda"));
}

static int check_target(Session *s) {
  const Options *o = s->o;
  if (says_gpu(o) && o->target && strcmp(o->target, "cuda"))
    return session_error(s, EXIT_USAGE, "CUDA source is for --target=cuda");
  if (for_gpu(o) && says_cpu(o) && !o->syntax_only)
    return session_error(
        s, EXIT_USAGE,
        "--target=cuda makes CUDA source, -o NAME.cu or --emit=cuda, and by nvcc a "
        "library, -o NAME.so");
  return 0;
}

static int build(Session *s, int last) {
  static const BuildWant want = {
      .nentries = -1, .ntrains = -1, .dropout = true, .update = true, .pieces = true, .init = true};
  const Options *o = s->o;
  int lacking = session_needs_model(s);
  if (lacking)
    return lacking;
  BuildOptions b = session_build_options(o);
  b.gpu = for_gpu(o);
  session_take_int8(s, &b);
  if (last >= PASS_target && session_needs_code(s, b.gpu))
    return EXIT_FILE;
  bool ok = build_until(&s->build, s->arena, s->names, s->diags, s->model, &want, &b, last);
  int status = session_diags(s, EXIT_MODEL);
  if (ok && s->build.module)
    s->build.module->lower_first = s->lower_first;
  return ok ? status : EXIT_MODEL;
}

static void print_graph(Session *s, FILE *f, bool dot) {
  Node **roots;
  const char *const *names;
  int n = build_roots(&s->build, &roots, &names);
  dot ? graph_dot(f, s->build.graph, roots, names, n)
      : graph_print(f, s->build.graph, roots, names, n);
}

static void remarks(Session *s) {
  const Options *o = s->o;
  int n;
  const PlanRemark *r = plan_remarks(s->build.plan, &n);
  for (int i = 0; i < n; i++) {
    const char *asked = r[i].fused ? o->rpass : o->rpass_missed;
    int line = 0, col = 0;
    if (!asked || strcmp(asked, "fuse"))
      continue;
    if (r[i].span.src)
      span_pos(r[i].span, &line, &col);
    fprintf(stderr, "%s:%d:%d: remark: %s [-Rpass%s=fuse]\n",
            r[i].span.src ? r[i].span.src->path : "?", line, col, r[i].text,
            r[i].fused ? "" : "-missed");
  }
}

static AotInput aot_input(Session *s) {
  return (AotInput){.module = s->build.module,
                    .kernels = s->build.kernels,
                    .target = s->build.target,
                    .debug = s->o->debug};
}

static int emit_passes(Session *s, const char *what, FILE *to) {
  bool graph = !strcmp(what, "graph");
  int status = build(s, graph ? PASS_simplify : PASS_plan);
  if (status)
    return status;
  AotInput in = aot_input(s);
  if (graph)
    print_graph(s, to, false);
  else if (!strcmp(what, "fused"))
    plan_print(to, s->build.plan, s->build.module);
  else if (!strcmp(what, "loops"))
    for (int i = 0; i < s->build.nkernels; i++)
      loop_print(to, s->build.kernels[i]);
  else if (!strcmp(what, "cuda"))
    cuda_kernels(to, s->build.kernels, s->build.nkernels, s->build.module->ndim);
  else
    aot_print(to, &in, !strcmp(what, "asm") ? AOT_ASSEMBLY : AOT_LLVM);
  if (!graph)
    remarks(s);
  return 0;
}

static bool is_syntax(const char *what) {
  return !strcmp(what, "tokens") || !strcmp(what, "ast");
}

// --emit goes to standard output, or to the file of -o whatever its suffix.
static int emit(Session *s, const char *path, const char *what) {
  const char *out = s->o->out;
  bool file = out && strcmp(out, "-");
  char *text = NULL;
  size_t n = 0;
  int status = file ? session_check_output(s, out, OUTPUT_TEXT) : 0;
  FILE *to = status ? NULL : file ? open_memstream(&text, &n) : stdout;
  if (status)
    return status;
  if (!to)
    out_of_memory();
  status = is_syntax(what) ? emit_syntax(s, path, what, to) : emit_passes(s, what, to);
  if (file) {
    if (fclose(to))
      out_of_memory();
    status = status ? status : write_text(s, out, text, n);
    free(text);
  }
  return status;
}

static int write_dot(Session *s, const char *path) {
  char *text = NULL;
  size_t n = 0;
  int status = build(s, PASS_simplify);
  FILE *f = status ? NULL : open_memstream(&text, &n);
  if (!status && !f)
    out_of_memory();
  if (f) {
    print_graph(s, f, true);
    if (fclose(f))
      out_of_memory();
    status = write_text(s, path, text, n);
    free(text);
  }
  return status;
}

static int write_header(Session *s, const char *path) {
  const char *text = api_header(s->arena, s->build.module, for_gpu(s->o));
  return write_text(s, path, text, strlen(text));
}

// OUT.cu for CUDA.
static bool write_cuda(Session *s, const CudaFile *in, const char *path, const char **error) {
  char *text = NULL;
  size_t n = 0;
  FILE *f = open_memstream(&text, &n);
  if (!f)
    out_of_memory();
  cuda_file(f, s->arena, in, path);
  if (fclose(f))
    out_of_memory();
  int status = write_text(s, path, text, n);
  *error = s->error.text;
  free(text);
  return !status;
}

// OUT.so for the GPU at hand, by nvcc.  Without one, elsewhere two commands do the same.
static bool nvcc_cuda(Session *s, const CudaFile *in, const char *path, const char **error) {
  const char *sm = gpu_architecture(s->arena), *why;
  int n = (int)(strlen(path) - strlen(suffix(path)));
  if (nvcc_library(s->arena, in, sm, path, &why))
    return true;
  *error =
      strncmp(why, "cannot run", 10)
          ? why
          : session_text(s,
                         "%s; where there is one: bigsc %s --target=cuda -o %.*s.cu, then nvcc "
                         "-gencode arch=compute_%s,code=sm_%s -shared -Xcompiler -fPIC %.*s.cu "
                         "-o %s",
                         why, s->o->args.v[0], n, path, sm, sm, n, path, path);
  return false;
}

static bool write_for_gpu(Session *s, const char *path, const char **error) {
  CudaFile in = {.module = s->build.module, .kernels = s->build.kernels};
  return says_gpu(s->o) ? write_cuda(s, &in, path, error) : nvcc_cuda(s, &in, path, error);
}

// ---- parameters inside

enum { VOCABULARY_MAX = 64 << 20 };

static int no_vocabulary(const Session *s, const char *why) {
  if (!s->o->quiet)
    fprintf(stderr, "bigsc: no vocabulary goes into the library: %s\n", why);
  return 0;
}

static const char *weights_folder(Session *s) {
  const char *slash = strrchr(s->weights, '/');
  if (file_is_folder(s->weights))
    return s->weights;
  return slash ? arena_strndup(s->arena, s->weights, (size_t)(slash - s->weights) + 1) : ".";
}

// Files beside it do not go into a library.  NULL: it says all that they do.
static const char *why_not_alone(Session *s, const TokPlace *p, const char *text) {
  BigsError e = {0};
  Tokenizer *beside = NULL, *alone = NULL;
  bool read = !tok_load(p->kind, p->path, p->lower, &beside, &e) &&
              !tok_parse(p->kind, text, strlen(text), p->path, p->lower, &alone, &e);
  const char *why = !read ? arena_strdup(s->arena, e.text)
                    : tok_hash(beside) == tok_hash(alone)
                        ? NULL
                        : session_text(s,
                                       "the files beside %s say of special tokens, or of case, "
                                       "what it does not say itself",
                                       p->path);
  tok_free(beside);
  tok_free(alone);
  return why;
}

static int embed_text(Session *s, BigsModule *m, const TokPlace *place) {
  const char *slash = strrchr(place->path, '/');
  size_t n;
  if (!strcmp(slash ? slash + 1 : place->path, "vocab.json")) // read with its merges.txt
    return no_vocabulary(
        s, "it is two files, vocab.json and merges.txt, where a tokenizer.json would be one");
  char *text = file_read(place->path, VOCABULARY_MAX, &n, &s->error);
  if (!text)
    return session_fail(s, &s->error);
  const char *why = why_not_alone(s, place, text);
  m->vocab_text = why ? NULL : arena_strdup(s->arena, text);
  m->vocab_kind = (int32_t)place->kind;
  m->vocab_lower = place->lower;
  free(text);
  return why ? no_vocabulary(s, why) : 0;
}

// The vocabulary beside the weights, for a model that has a tokenizer.
static int embed_vocabulary(Session *s, BigsModule *m) {
  BigsError why = {0};
  TokPlace place;
  if (!m->tokenizer)
    return 0;
  if (tok_locate(weights_folder(s), m->lower != 0, &place, &why))
    return no_vocabulary(s, why.text);
  int status = embed_text(s, m, &place);
  free(place.path);
  return status;
}

// The module with the values of --weights, as they lie in the memory of the session's handle.
static int embed(Session *s) {
  BigsModule *m = s->build.module, *values = NEW(s->arena, BigsModule);
  *values = *m; // without code, so that it opens wherever that is to run
  values->target = NULL;
  values->features = "";
  s->module = values;
  s->unset = true;
  s->lacking = "left out";
  int status = session_open(s);
  status = status ? status : session_check_finite(s);
  if (status)
    return status;
  m->weights = s->handle->param.p;
  m->unread = s->handle->unread;
  m->notes = s->handle->notes;
  return embed_vocabulary(s, m);
}

static int check_embedding(Session *s, AotKind kind) {
  if (!s->o->embed_weights)
    return 0;
  if (!s->weights)
    return session_error(s, EXIT_USAGE, "--embed-weights: which? --weights says them");
  return kind == AOT_SHARED || kind == AOT_ARCHIVE
             ? 0
             : session_error(s, EXIT_USAGE, "--embed-weights makes libraries, .so or .a");
}

// A library, or its source, and its header; neither without the other.  The header's text needs
// memory, for want of which the process ends: it comes first.
static int write_library(Session *s, const AotInput *in, AotKind kind, const char *path,
                         const char *header) {
  const char *error = NULL;
  const char *text = api_header(s->arena, s->build.module, for_gpu(s->o));
  struct stat st;
  bool fresh = lstat(path, &st) != 0, alone = lstat(header, &st) != 0;
  if (for_gpu(s->o) ? !write_for_gpu(s, path, &error)
                    : !aot_write(s->arena, in, kind, path, &error))
    return session_error(s, EXIT_FILE, "%s", error);
  int status = write_text(s, header, text, strlen(text));
  if (status && fresh)
    unlink(path);
  if (status && fresh && alone) // it stands already where only its folder could not be synced
    unlink(header);
  return status;
}

static void report_times(const Session *s, double front, double rest) {
  fprintf(stderr, "%-14s %8.1f ms   lex, parse, check\n", "front end", front * 1e3);
  for (int i = 0; i < PASS_COUNT; i++) {
    fprintf(stderr, "%-14s %8.1f ms   %s\n", pass_name(i), s->build.seconds[i] * 1e3, pass_help(i));
    rest -= s->build.seconds[i];
  }
  fprintf(stderr, "%-14s %8.1f ms   %d kernels to machine code, or printed\n", "output", rest * 1e3,
          s->build.nkernels);
}

// Of a library OUT.so the header is OUT.h.
static const char *header_of(Session *s, const char *path) {
  return session_text(s, "%.*s.h", (int)(strlen(path) - strlen(suffix(path))), path);
}

// Of what C is to call.
static int check_names(Session *s) {
  const char *clash = api_clash(s->arena, s->build.module, for_gpu(s->o));
  return clash ? session_error(s, EXIT_MODEL,
                               "the C interface declares %s for itself: call the model, the entry "
                               "or the dim otherwise (--name NAME)",
                               clash)
               : 0;
}

static bool is_picture(const char *path) {
  const char *end = suffix(path);
  return !strcmp(end, ".svg") || !strcmp(end, ".html");
}

static int check_picture(Session *s, const char *path) {
  return (s->o->entry || s->o->time) && !is_picture(path)
             ? session_error(s, EXIT_USAGE, "%s is for pictures: -o NAME.svg or -o NAME.html",
                             s->o->entry ? "--entry" : "--time")
             : 0;
}

static int write_output(Session *s, const char *path) {
  const char *end = suffix(path), *error = NULL;
  AotKind kind = aot_kind(path);
  if (!strcmp(path, "-"))
    return session_error(s, EXIT_USAGE, "-o - writes nothing by itself: say --emit=WHAT");
  int status = session_check_output(s, path, output_kind(path));
  status = status ? status : check_picture(s, path);
  if (status)
    return status;
  if (!strcmp(end, ".dot"))
    return write_dot(s, path);
  if (is_picture(path))
    return picture_write(s, path);
  bool header = !strcmp(end, ".h"), source = !strcmp(end, ".cu");
  if (kind == AOT_UNKNOWN && !header && !source)
    return session_error(
        s, EXIT_USAGE, "what is %s to be? -o takes .so .h .o .a .s .ll .bc .cu .dot .svg or .html",
        path);
  bool library = source || kind == AOT_SHARED || kind == AOT_ARCHIVE || kind == AOT_OBJECT;
  status = library ? session_check_output(s, header_of(s, path), OUTPUT_TEXT) : 0;
  status = status ? status : check_embedding(s, kind);
  status = status ? status : build(s, PASS_plan);
  status = status || !(library || header) ? status : check_names(s);
  status = status || !s->o->embed_weights ? status : embed(s);
  if (status)
    return status;
  remarks(s);
  AotInput in = aot_input(s);
  if (header)
    return write_header(s, path);
  if (!library)
    return aot_write(s->arena, &in, kind, path, &error) ? 0
                                                        : session_error(s, EXIT_FILE, "%s", error);
  return write_library(s, &in, kind, path, header_of(s, path));
}

// What C takes for a name, and bigsc for that of a model.
static bool is_name(const char *s) {
  size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
  return n && n < 100 && !s[n] && (*s < '0' || *s > '9');
}

int cmd_COMPILE(const Options *o) {
  Session s;
  if (o->name && !is_name(o->name)) {
    fprintf(stderr, "bigsc: --name takes letters, digits and `_`, not `%s`\n", o->name);
    return EXIT_USAGE;
  }
  if (o->args.n != 1) {
    fprintf(stderr, "bigsc: %s\n", o->args.n ? "one model at a time" : "which model?");
    return EXIT_USAGE;
  }
  const char *path = o->args.v[0];
  bool syntax = o->emit && is_syntax(o->emit);
  double start = clock_seconds();
  int status = syntax ? session_start(&s, o) : session_load(&s, o, path, true);
  double loaded = clock_seconds();
  status = status ? status : check_target(&s);
  if (!status && o->emit)
    status = emit(&s, path, o->emit);
  else if (!status && !o->syntax_only)
    status = write_output(&s, o->out ? o->out : default_output(&s, path));
  if (!status && o->time_report)
    report_times(&s, loaded - start, clock_seconds() - loaded);
  session_close(&s);
  return status;
}
