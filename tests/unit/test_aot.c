// Compiled models as files, from a module made by hand: the shared object runs, exports nothing
// else, its header compiles; other kinds of files; and what goes wrong without the tools, the
// runtime or a place to write.
//
//   entry scaled [N] = x * c[i mod 4] + bias, with x : f32[N], bias : f32[N] = 0.5
#include "codegen/api/api.h"
#include "codegen/llvm/aot.h"
#include "runtime/amalgam.h"
#include "runtime/bigs.h"
#include "tests/unit/command.h"
#include "tests/unit/suites.h"
#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const float table[4] = {1, 10, 100, 1000};

static LKernel *scaled(Arena *a) {
  LKernel *k = loop_kernel(a, "scaled");
  int x = loop_arg(a, k, "x", DT_F32, false), b = loop_arg(a, k, "bias", DT_F32, false),
      c = loop_arg(a, k, "c", DT_F32, false);
  int y = loop_arg(a, k, "y", DT_F32, true), task = loop_grid(k, poly_sym(0), 16), i = loop_var(k);
  LExpr *lo = lx_mul(a, lx_var(a, task), lx_int(a, 16)), *n = lx_poly(a, poly_sym(0)),
        *at = lx_var(a, i);
  LStmt *f = ls_for(a, i, lo, lx_iop(a, L_IMIN, lx_add(a, lo, lx_int(a, 16)), n), 1);
  LExpr *v = lx_op(a, L_MUL, DT_F32, lx_load(a, k, x, at),
                   lx_load(a, k, c, lx_iop(a, L_IMOD, at, lx_int(a, 4))), NULL);
  vec_push(a, &f->body, ls_store(a, y, at, lx_op(a, L_ADD, DT_F32, v, lx_load(a, k, b, at), NULL)));
  vec_push(a, &k->body, f);
  return k;
}

static BigsTensor tensor(const char *name, bool optional, double fallback) {
  BigsTensor t = {
      .name = name, .dtype = DT_F32, .rank = 1, .optional = optional, .fallback = fallback};
  t.extent[0] = poly_sym(0);
  t.axis[0] = "N";
  return t;
}

enum { ZERO, N, FOUR, NPOLY }; // sizes

static Poly *polys(Arena *a) {
  Poly *p = NEWN(a, Poly, NPOLY);
  p[N] = poly_sym(0);
  p[FOUR] = poly_const(4);
  return p;
}

static BigsBuffer *buffers(Arena *a) {
  BigsBuffer *b = NEWN(a, BigsBuffer, 4);
  for (int i = 0; i < 4; i++) {
    b[i] = (BigsBuffer){.where = BIGS_INPUT, .dtype = DT_F32, .index = i, .size = N};
  }
  b[2].where = BIGS_CONSTANT;
  b[2].size = FOUR;
  b[2].data = table;
  b[3].where = BIGS_OUTPUT;
  b[3].index = 0;
  return b;
}

static BigsStep *steps(Arena *a) {
  static const int32_t args[4] = {0, 1, 2, 3};
  BigsStep *s = NEW(a, BigsStep);
  *s = (BigsStep){.kind = BIGS_KERNEL,
                  .ngrid = 1,
                  .narg = 4,
                  .arg = args,
                  .label = "scaled",
                  .source = "toy.mdl:3"};
  s->grid[0] = (BigsGrid){N, 16};
  return s;
}

static AotInput toy(Arena *a) {
  static const int32_t inputs[2] = {0, 1};
  BigsModule *m = NEW(a, BigsModule);
  BigsDim *dim = NEW(a, BigsDim);
  BigsTensor *in = NEWN(a, BigsTensor, 2), *out = NEW(a, BigsTensor);
  BigsProgram *p = NEW(a, BigsProgram);
  BigsNamedValue *value = NEW(a, BigsNamedValue);
  *dim = (BigsDim){.name = "N", .bound = 1000};
  *value = (BigsNamedValue){"WIDTH", 4};
  in[0] = tensor("x", false, 0);
  in[1] = tensor("bias", true, 0.5);
  *out = tensor("scaled", false, 0);
  *p = (BigsProgram){.name = "scaled",
                     .kind = BIGS_ENTRY,
                     .syms = 1,
                     .ninput = 2,
                     .noutput = 1,
                     .nbuffer = 4,
                     .nstep = 1};
  p->input = inputs;
  p->output = out;
  p->buffer = buffers(a);
  p->step = steps(a);
  *m = (BigsModule){.abi = BIGS_ABI_VERSION,
                    .model = "Toy",
                    .version = "1",
                    .ndim = 1,
                    .ninput = 2,
                    .nprogram = 1,
                    .nkernel = 1,
                    .nconst = 1,
                    .npoly = NPOLY};
  m->poly = polys(a);
  m->dim = dim;
  m->input = in;
  m->program = p;
  m->constant = value;
  m->mdl = "model Toy() {\n}\n";
  LKernel **k = NEW(a, LKernel *);
  const char *error;
  k[0] = scaled(a);
  return (AotInput){.module = m, .kernels = k, .target = target_new(a, NULL, 2, 0, &error)};
}

// ---- a folder that disappears

static char dir[64];

static void make_dir(void) {
  strcpy(dir, "/tmp/bigsc-aot-XXXXXX");
  ck_assert(mkdtemp(dir) != NULL);
}

static void remove_dir(void) {
  DIR *d = opendir(dir);
  char path[512];
  for (struct dirent *e; d && (e = readdir(d));) {
    snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
    unlink(path);
  }
  if (d)
    closedir(d);
  rmdir(dir);
  unsetenv("CC");
  unsetenv("AR");
}

static int files_in_dir(void) {
  int n = 0;
  DIR *d = opendir(dir);
  for (struct dirent *e; d && (e = readdir(d));)
    n += e->d_name[0] != '.';
  if (d)
    closedir(d);
  return n;
}

static void put_text(const char *path, const char *text) {
  FILE *f = fopen(path, "w");
  ck_assert(f && fputs(text, f) >= 0 && !fclose(f));
}

static char *file_in(Arena *a, const char *name) {
  return arena_printf(a, "%s/%s", dir, name);
}

static char *write_as(Arena *a, const char *name) {
  AotInput in = toy(a);
  const char *error = NULL;
  char *path = file_in(a, name);
  ck_assert_msg(aot_write(a, &in, aot_kind(path), path, &error), "%s: %s", name, error);
  return path;
}

// ---- tests

START_TEST(shared_object) {
  Arena *a = arena_new();
  char error[200] = "", *path = write_as(a, "toy.so");
  ck_assert_int_eq(files_in_dir(), 1);
  void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  ck_assert_msg(so != NULL, "%s", dlerror());
  void *(*open)(const char *, char *, size_t);
  void (*close)(void *);
  int (*entry)(void *, int64_t, const float *, const float *, float *);
  const char *(*why)(const void *);
  const bigs_info *(*info)(void);
  *(void **)&open = dlsym(so, "toy_open");
  *(void **)&entry = dlsym(so, "toy_scaled");
  *(void **)&why = dlsym(so, "toy_error");
  *(void **)&close = dlsym(so, "toy_close");
  *(void **)&info = dlsym(so, "toy_info");
  ck_assert(open && entry && why && close && info && dlsym(so, "toy_save"));
  void *m = open(NULL, error, sizeof error);
  ck_assert_msg(m != NULL, "%s", error);
  for (int64_t n = 1; n < 60; n += 19) {
    float x[60], b[60], y[61];
    for (int i = 0; i < 60; i++) {
      x[i] = (float)i;
      b[i] = (float)-i;
    }
    y[n] = -7;
    ck_assert_msg(entry(m, n, x, b, y) == 0, "%s", why(m));
    for (int i = 0; i < n; i++)
      ck_assert_float_eq(y[i], x[i] * table[i % 4] + b[i]);
    ck_assert_msg(entry(m, n, x, NULL, y) == 0, "%s", why(m));
    for (int i = 0; i < n; i++)
      ck_assert_float_eq(y[i], x[i] * table[i % 4] + 0.5f);
    ck_assert_float_eq(y[n], -7);
  }
  ck_assert_int_eq(entry(m, 1001, NULL, NULL, NULL), 1);
  ck_assert(strstr(why(m), "N") != NULL);
  ck_assert_str_eq(info()->model, "Toy");
  ck_assert_str_eq(info()->value[0].name, "WIDTH");
  ck_assert_str_eq(info()->entry[0].input[1].name, "bias");
  ck_assert(info() == info());
  close(m);
  dlclose(so);
  arena_free(a);
}
END_TEST

// The names between blanks that `nm` lists as defined.
START_TEST(exports) {
  Arena *a = arena_new();
  char line[256];
  FILE *nm = popen(arena_printf(a, "nm -D --defined-only %s", write_as(a, "toy.so")), "r");
  int n = 0;
  while (nm && fgets(line, sizeof line, nm)) {
    char *name = strrchr(line, ' ');
    ck_assert_msg(name && (!strncmp(name + 1, "toy_", 4) || !strcmp(name, " bigs_module_info\n")),
                  "exported: %s", line);
    n++;
  }
  ck_assert(nm && pclose(nm) == 0);
  int fixed = 0;
  while (api_function(&(BigsModule){0}, fixed))
    fixed++;
  ck_assert_int_eq(n, fixed + 3); // toy_info, bigs_module_info, its entry
  arena_free(a);
}
END_TEST

START_TEST(header) {
  Arena *a = arena_new();
  AotInput in = toy(a);
  char *text = api_header(a, in.module, false), *h = file_in(a, "toy.h"), *c = file_in(a, "use.c"),
       *run;
  ck_assert(strstr(text, "int toy_scaled(toy_model *model, int64_t N, const float *x, const float "
                         "*bias, float *out);"));
  ck_assert(strstr(text, "TOY_WIDTH = 4") && strstr(text, "N: 1 to 1000") &&
            strstr(text, "may be NULL: all 0.5"));
  put_text(h, text);
  put_text(c, "#include \"toy.h\"\n"
              "int main(void) {\n  char e[9];\n  float x = 1, y = TOY_WIDTH;\n  toy_model *m = "
              "toy_open(0, e, sizeof e);\n"
              "  int s = m ? toy_scaled(m, 1, &x, 0, &y) : 1;\n  toy_close(m);\n"
              "  return !(s == 0 && y == 1.5f && toy_info()->nentry == 1);\n}\n");
  char *archive = write_as(a, "libtoy.a"), *exe = file_in(a, "use");
  const char *cc = getenv("CC"), *src = getenv("srcdir");
  run =
      arena_printf(a, "%s -std=c11 -Wall -Wextra -Werror -I%s -I%s -o %s %s %s -lm -lpthread && %s",
                   cc ? cc : "cc", dir, src ? src : ".", exe, c, archive, exe);
  ck_assert_msg(system(run) == 0, "%s", run);
  if (!system("c++ --version >/dev/null 2>&1"))
    ck_assert_int_eq(
        system(arena_printf(a, "c++ -std=c++17 -Wall -Werror -I%s -I%s -fsyntax-only -x c++ %s",
                            dir, src ? src : ".", c)),
        0);
  arena_free(a);
}
END_TEST

START_TEST(kinds) {
  static const struct {
    const char *name, *magic;
  } v[] = {{"t.o", "\177ELF"},     {"t.s", "\t"},      {"t.ll", "; ModuleID"},
           {"t.bc", "BC\xC0\xDE"}, {"t.a", "!<arch>"}, {"t.so", "\177ELF"}};
  Arena *a = arena_new();
  for (int i = 0; i < COUNT(v); i++) {
    char head[16] = "", *path = write_as(a, v[i].name);
    FILE *f = fopen(path, "rb");
    struct stat st;
    ck_assert(f && fread(head, 1, 15, f) > 0);
    fclose(f);
    ck_assert_msg(!strncmp(head, v[i].magic, strlen(v[i].magic)), "%s", v[i].name);
    ck_assert(!stat(path, &st) && (st.st_mode & 0777 & 0444) == 0444);
  }
  ck_assert_int_eq(files_in_dir(), COUNT(v));
  ck_assert(aot_kind("model.txt") == AOT_UNKNOWN && aot_kind(".so") == AOT_UNKNOWN &&
            aot_kind("so") == AOT_UNKNOWN);
  arena_free(a);
}
END_TEST

static void fails(Arena *a, const AotInput *in, const char *path, const char *text) {
  const char *error = NULL;
  ck_assert(!aot_write(a, in, aot_kind(path), path, &error));
  ck_assert_msg(error && strstr(error, text), "`%s` instead of `%s`", error ? error : "", text);
  ck_assert_int_eq(files_in_dir(), 0);
}

START_TEST(failures) {
  Arena *a = arena_new();
  AotInput in = toy(a);
  char *so = file_in(a, "t.so");
  fails(a, &in, "/nonexistent/t.o", "/nonexistent/t.o: cannot write: No such file");
  fails(a, &in, "/nonexistent/t.so", "/nonexistent/t.so: cannot write: No such file");
  setenv("CC", "/nonexistent/cc", 1);
  fails(a, &in, so, "cannot run `/nonexistent/cc`");
  setenv("CC", "false", 1);
  fails(a, &in, so, "`false` failed");
  unsetenv("CC");
  in.runtime_dir = dir; // the linker's own words
  fails(a, &in, so, "libbigsrt.a");
  in.runtime_dir = NULL;
  char *was = getenv("BIGSC_RUNTIME_DIR") ? arena_strdup(a, getenv("BIGSC_RUNTIME_DIR")) : NULL;
  setenv("BIGSC_RUNTIME_DIR", dir, 1);
  fails(a, &in, so, "BIGSC_RUNTIME_DIR");
  if (was)
    setenv("BIGSC_RUNTIME_DIR", was, 1);
  else
    unsetenv("BIGSC_RUNTIME_DIR");
  arena_free(a);
}
END_TEST

// Nothing in a file depends on anything but its input.
START_TEST(reproducible) {
  Arena *a = arena_new();
  char *one = write_as(a, "a.o"), *two = write_as(a, "b.o");
  ck_assert_int_eq(system(arena_printf(a, "cmp %s %s", one, two)), 0);
  arena_free(a);
}
END_TEST

// The text in bigsc is what the script prints: of these sources, whole.
START_TEST(amalgam) {
  Arena *a = arena_new();
  const char *p = runtime_text();
  FILE *f = popen(arena_printf(a, "sh '%s/tools/amalgamate.sh' cuda text", test_source_dir()), "r");
  ck_assert_ptr_nonnull(f);
  int c;
  while ((c = fgetc(f)) != EOF)
    ck_assert_int_eq(*p++, (char)c);
  ck_assert_int_eq(*p, 0);
  ck_assert_int_gt(p - runtime_text(), 100000);
  ck_assert_int_eq(pclose(f), 0);
  arena_free(a);
}
END_TEST

Suite *aot_suite(void) {
  Suite *s = suite_create("aot");
  TCase *t = tcase_create("aot");
  tcase_add_checked_fixture(t, make_dir, remove_dir);
  tcase_set_timeout(t, 60);
  tcase_add_test(t, shared_object);
  tcase_add_test(t, exports);
  tcase_add_test(t, header);
  tcase_add_test(t, kinds);
  tcase_add_test(t, failures);
  tcase_add_test(t, reproducible);
  tcase_add_test(t, amalgam);
  suite_add_tcase(s, t);
  return s;
}
