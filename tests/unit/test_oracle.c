// The models that read published files against independent implementations: values through the JIT and through a .so,
// losses and gradients. The fixtures are described in tests/fixtures/README.md.
#include "tests/unit/command.h"
#include "tests/unit/foreign_files.h"
#include "tests/unit/suites.h"
#include "compiler/driver/session.h"
#include "runtime/exec/exec.h"
#include "runtime/files/safetensors.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const folders[] = {"bert", "bert_one", "bigs", "bigs_long"};
static const char *const entries[] = {"hidden", "logits", "pooled", "scores", NULL};
static const char *const gpt_folders[] = {"gpt", "gpt_bare"};
static const char *const gpt_entries[] = {"hidden", "logits", "next", NULL};
// Of these a folder is called as its model is, and what expected.safetensors holds is compared.
static const char *const encoders[] = {"sentence",      "distilbert", "roberta", "electra",
                                       "electra_small", "modernbert", "m2bert"};
enum { PATH = TEST_PATH };
static char scratch[PATH];

static const char *model_of(const char *folder) {
  for (int i = 0; i < COUNT(encoders); i++)
    if (!strcmp(folder, encoders[i]))
      return folder;
  return !strncmp(folder, "bert", 4) ? "bert" : !strncmp(folder, "gpt", 3) ? "gpt" : "bigs";
}

// The caller frees them.
static float *numbers_of(const StTensor *t) {
  BigsError e = {0};
  float *x = calloc((size_t)t->elements + 1, sizeof *x);
  ck_assert_msg(!st_copy(t, ST_F32, x, &e), "%s", e.text);
  return x;
}

static double largest(const StTensor *t) {
  double most = 0;
  float *x = numbers_of(t);
  for (int64_t i = 0; i < t->elements; i++)
    most = fmax(most, fabs((double)x[i]));
  free(x);
  return most;
}

// Largest difference of got from want; both f32, of equal shape.
static double difference(const StTensor *got, const StTensor *want) {
  double most = 0;
  ck_assert_msg(got->dtype == ST_F32 && got->elements == want->elements, "%s has another size",
                want->name);
  for (int i = 0; i < want->rank && want->rank == got->rank; i++)
    ck_assert_int_eq(got->shape[i], want->shape[i]);
  float *x = numbers_of(got), *y = numbers_of(want);
  for (int64_t i = 0; i < want->elements; i++)
    most = fmax(most, isfinite(x[i]) ? fabs((double)x[i] - (double)y[i]) : INFINITY);
  free(x);
  free(y);
  return most;
}

static float *transposed(const float *x, int64_t rows, int64_t cols) {
  float *y = malloc(sizeof *y * (size_t)(rows * cols));
  for (int64_t i = 0; i < rows; i++)
    for (int64_t k = 0; k < cols; k++)
      y[k * rows + i] = x[i * cols + k];
  return y;
}

static StFile *must_open(const char *path) {
  StFile *f;
  BigsError e;
  ck_assert_msg(!st_open(path, &f, &e), "%s", e.text);
  return f;
}

typedef struct Paths {
  char weights[PATH], in[2 * PATH], out[2 * PATH], want[2 * PATH], mdl[PATH];
} Paths;

static void paths_for(Paths *p, const char *folder) {
  snprintf(p->weights, sizeof p->weights, "%s/tests/fixtures/%s", test_source_dir(), folder);
  snprintf(p->in, sizeof p->in, "%s/batch.safetensors", p->weights);
  snprintf(p->want, sizeof p->want, "%s/expected.safetensors", p->weights);
  snprintf(p->out, sizeof p->out, "%s/out.safetensors", scratch);
  snprintf(p->mdl, sizeof p->mdl, "%s/models/%s.mdl", test_source_dir(), model_of(folder));
}

// config.json says that the fixtures have three labels.
#define LABELS "-q"

static void compare_all(const Paths *p, char *model, const char *const *names, char *labels,
                        char *extra) {
  StFile *want = must_open(p->want);
  for (int i = 0; names[i]; i++) {
    char *argv[] = {"bigsc",
                    "run",
                    model,
                    "--entry",
                    (char *)names[i],
                    "--in",
                    (char *)p->in,
                    "--out",
                    (char *)p->out,
                    "--weights",
                    (char *)p->weights,
                    "-q",
                    labels ? labels : "-q",
                    extra ? extra : "-q"};
    ck_assert_int_eq(test_bigsc(COUNT(argv), argv), 0);
    StFile *got = must_open(p->out);
    const StTensor *t = st_find(want, names[i]), *g = st_find(got, names[i]);
    ck_assert_ptr_nonnull(g);
    double error = difference(g, t) / largest(t);
    ck_assert_msg(error <= 1e-5, "%s of %s is off by %.2g of its largest value", names[i],
                  p->weights, error);
    st_close(got);
  }
  st_close(want);
}

static void compare_entries(const Paths *p, char *model, bool mdl, char *extra) {
  compare_all(p, model, entries, mdl ? LABELS : NULL, extra);
}

START_TEST(jit_equals_the_oracle) {
  Paths p;
  test_make_dir(scratch);
  paths_for(&p, folders[_i]);
  compare_entries(&p, p.mdl, true, NULL);
  compare_entries(&p, p.mdl, true, "-O0");
  test_remove_dir(scratch);
}
END_TEST

// ---- the same weights in files of other programs
enum { FOREIGN_TENSORS = 128 };

// A storage a tensor; matrices are views of their transposes.
static MadeFile torch_file(const StFile *f) {
  MadeZip z = {.deflate = true};
  MadeFile pickle = {0};
  static const char *names[FOREIGN_TENSORS];
  static MadeTensor t[FOREIGN_TENSORS];
  static char key[FOREIGN_TENSORS][16];
  for (int i = 0; i < st_count(f); i++) {
    const StTensor *s = st_at(f, i);
    bool matrix = s->rank == 2;
    float *x = numbers_of(s), *y = matrix ? transposed(x, s->shape[0], s->shape[1]) : x;
    snprintf(key[i], sizeof key[i], "%d", i);
    names[i] = s->name;
    t[i] = (MadeTensor){"FloatStorage",
                        key[i],
                        s->elements,
                        0,
                        s->rank,
                        {s->shape[0], matrix ? s->shape[1] : 0},
                        {1, matrix ? s->shape[0] : 0}};
    char path[32];
    snprintf(path, sizeof path, "w/data/%d", i);
    zip_put(&z, path, y, s->nbytes);
    if (matrix)
      free(y);
    free(x);
  }
  pickle_start(&pickle);
  pickle_state_dict(&pickle, names, t, st_count(f));
  grow_text(&pickle, ".");
  zip_put(&z, "w/data.pkl", pickle.p, pickle.n);
  zip_finish(&z);
  grow_free(&pickle);
  return z.file;
}

// bigs.encoder.layer.0.fs4.kernel.C is s4_bert.encoder.layer.0.fs4.C, and `weight` has three names.
static void flax_name(const StTensor *t, char *out, size_t size) {
  const char *rest = strncmp(t->name, "bigs.", 5) ? t->name : t->name + 5,
             *kernel = strstr(rest, ".kernel.");
  const char *weight = strstr(rest, ".weight");
  bool table = strstr(rest, "_embeddings.weight") != NULL;
  snprintf(out, size, "%s%.*s%s", rest == t->name ? "" : "s4_bert.",
           (int)(kernel   ? kernel - rest
                 : weight ? weight - rest
                          : (ptrdiff_t)strlen(rest)),
           rest,
           kernel         ? kernel + strlen(".kernel")
           : !weight      ? ""
           : table        ? ".embedding"
           : t->rank == 2 ? ".kernel"
                          : ".scale");
}

// A map within a map for each tensor, as deep as its name has parts.
static void flax_entry(MadeFile *f, const StTensor *t) {
  char name[256];
  flax_name(t, name, sizeof name);
  bool kernel = strstr(name, ".kernel") != NULL;
  float *x = numbers_of(t), *y = kernel ? transposed(x, t->shape[0], t->shape[1]) : x;
  char *part = strtok(name, ".");
  for (char *next; part; part = next) {
    next = strtok(NULL, ".");
    msg_text(f, part);
    if (next)
      msg_map(f, 1);
  }
  msg_array(f, "float32", t->rank, kernel ? (int64_t[]){t->shape[1], t->shape[0]} : t->shape, y,
            t->nbytes);
  if (kernel)
    free(y);
  free(x);
}

static MadeFile flax_file(const StFile *f) {
  MadeFile out = {0};
  msg_map(&out, (unsigned)st_count(f));
  for (int i = 0; i < st_count(f); i++)
    flax_entry(&out, st_at(f, i));
  return out;
}

// scratch/w has the configuration and the weights in the other form.
static void write_foreign(Paths *p, const char *name, MadeFile make(const StFile *f)) {
  char path[3 * PATH], command[4 * PATH];
  snprintf(path, sizeof path, "%s/model.safetensors", p->weights);
  StFile *f = must_open(path);
  ck_assert_int_le(st_count(f), FOREIGN_TENSORS);
  MadeFile made = make(f);
  st_close(f);
  // Transformers lists the labels and leaves out their number.
  snprintf(command, sizeof command,
           "mkdir '%s/w' && sed 's/\"num_labels\": 3/\"id2label\": {\"0\": \"a\", \"1\": \"b\", "
           "\"2\": \"c\"}/' "
           "'%s/config.json' >'%s/w/config.json'",
           scratch, p->weights, scratch);
  ck_assert_int_eq(system(command), 0);
  snprintf(p->weights, sizeof p->weights, "%.500s/w", scratch);
  snprintf(path, sizeof path, "%s/%s", p->weights, name);
  grow_write(&made, path);
  grow_free(&made);
}

static const struct {
  const char *folder, *name;
  MadeFile (*make)(const StFile *f);
} foreign[] = {{"bigs", "flax_model.msgpack", flax_file},
               {"bigs", "pytorch_model.bin", torch_file},
               {"bert", "pytorch_model.bin", torch_file}};

START_TEST(weights_of_other_programs_equal_the_oracle) {
  Paths p;
  test_make_dir(scratch);
  paths_for(&p, foreign[_i].folder);
  write_foreign(&p, foreign[_i].name, foreign[_i].make);
  compare_all(&p, p.mdl, (const char *const[]){"logits", NULL}, LABELS, NULL);
  test_remove_dir(scratch);
}
END_TEST

static void same_tensors(const StFile *a, const StFile *b) {
  ck_assert_int_eq(st_count(a), st_count(b));
  for (int i = 0; i < st_count(a); i++) {
    const StTensor *t = st_at(a, i), *u = st_find(b, t->name);
    ck_assert_msg(u != NULL, "%s is missing", t->name);
    ck_assert_msg(difference(u, t) == 0, "%s differs", t->name);
  }
}

static int convert(const Paths *p, const char *weights, const char *names) {
  char *argv[] = {"bigsc",        "convert", (char *)p->mdl, "--weights", (char *)weights, "-o",
                  (char *)p->out, "--names", (char *)names,  "-q",        LABELS};
  return test_bigsc(COUNT(argv), argv);
}

// What another program wrote, as safetensors in the names of torch, which are those of the fixture; and there and back.
START_TEST(convert_from_other_programs) {
  Paths p;
  test_make_dir(scratch);
  paths_for(&p, foreign[_i].folder);
  char path[3 * PATH], back[PATH];
  snprintf(path, sizeof path, "%s/model.safetensors", p.weights);
  StFile *want = must_open(path);
  write_foreign(&p, foreign[_i].name, foreign[_i].make);
  ck_assert_int_eq(convert(&p, p.weights, "hf"), 0);
  StFile *got = must_open(p.out);
  same_tensors(want, got);
  st_close(got);
  if (!strcmp(foreign[_i].folder, "bigs")) {
    ck_assert_int_eq(convert(&p, p.weights, "flax"), 0);
    got = must_open(p.out);
    const StTensor *t = st_find(got, "s4_bert.encoder.layer.1.dol.kernel");
    ck_assert(t && t->shape[0] == 16 && t->shape[1] == 24 &&
              st_find(got, "s4_bert.encoder.layer.1.bs4.log_step"));
    st_close(got);
    snprintf(back, sizeof back, "%.400s/flax.safetensors", scratch);
    ck_assert_int_eq(rename(p.out, back), 0);
    char *argv[] = {"bigsc",  "convert", p.mdl,    "--weights", back,         "-o",
                    p.out,    "--names", "hf",     "-q",        "-DLabels=3", "-DV=61",
                    "-DP=20", "-DH=16",  "-DI=24", "-DN=4",     "-DDepth=2"};
    ck_assert_int_eq(test_bigsc(COUNT(argv), argv), 0);
    got = must_open(p.out);
    same_tensors(want, got);
    st_close(got);
  }
  st_close(want);
  test_remove_dir(scratch);
}
END_TEST

// ---- parts that a file lacks
// A module of a shipped model, small; the session keeps it.
static const BigsModule *small_module(Session *s, Arena *a, char *mdl) {
  static Options o;
  bool bigs = strstr(mdl, "bigs.mdl") != NULL;
  char *argv[] = {"bigsc",
                  "init",
                  mdl,
                  "-o",
                  "x",
                  "-DV=40",
                  "-DP=8",
                  "-DH=16",
                  "-DDepth=2",
                  bigs ? "-DI=24" : "-DF=24",
                  bigs ? "-DN=4" : "-DHeads=2"};
  BuildWant want = {.nentries = -1, .init = true};
  ck_assert_int_lt(options_parse(a, &o, COUNT(argv), argv), 0);
  ck_assert_int_eq(session_load(s, &o, mdl, true) | session_compile(s, &want), 0);
  return s->module;
}

static bool of_a_head(const char *name) {
  return strstr(name, "pooler") || strstr(name, "cls.") || strstr(name, "classifier");
}

// The tensors of a file but for heads.
static void write_body(const char *from, const char *to) {
  BigsError e = {0};
  StFile *f = must_open(from);
  StWriter *w = st_create(to, &e);
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < st_count(f); i++) {
      const StTensor *t = st_at(f, i);
      float *x = numbers_of(t);
      if (!of_a_head(t->name))
        ck_assert_int_eq(pass ? st_write(w, x, t->nbytes, &e)
                              : st_declare(w, t->name, ST_F32, t->rank, t->shape, &e),
                         0);
      free(x);
    }
  ck_assert_int_eq(st_finish(w, &e), 0);
  st_close(f);
}

static bigs_model *opened(const BigsModule *module, const char *weights) {
  char error[512] = "";
  bigs_options o = {.size = sizeof o, .seed = 7, .fresh = 1};
  bigs_model *m = bigs_model_open_with(module, weights, &o, error, sizeof error);
  ck_assert_msg(m != NULL, "%s", error);
  return m;
}

static void same_parameters(bigs_model *a, bigs_model *b) {
  static float x[8192], y[8192];
  for (int i = 0; i < a->module->nparam; i++) {
    ck_assert_int_eq(
        bigs_model_get(a, BIGS_THE_WEIGHT, i, x) | bigs_model_get(b, BIGS_THE_WEIGHT, i, y), 0);
    ck_assert_msg(!memcmp(x, y, sizeof x), "%s differs", a->module->param[i].name);
  }
}

// What a file lacks has the values that it has in a fresh model, and nothing else is made for it.
START_TEST(only_what_is_lacking_is_made) {
  static int64_t ns[4096];
  char full[2 * PATH], body[2 * PATH];
  Arena *a = arena_new();
  Session s;
  Paths p;
  test_make_dir(scratch);
  paths_for(&p, _i ? "bert" : "bigs");
  const BigsModule *module = small_module(&s, a, p.mdl);
  int init = module_program(module, BIGS_INIT, NULL), made = 0, steps = module->program[init].nstep;
  snprintf(full, sizeof full, "%s/full", scratch);
  snprintf(body, sizeof body, "%s/body", scratch);
  bigs_model *fresh = opened(module, NULL), *m = opened(module, NULL);
  ck_assert_int_eq(bigs_model_save(fresh, full, "hf"), 0);
  write_body(full, body);
  m->step_ns = ns;
  ck_assert_msg(bigs_model_load(m, body) == 0, "%s", bigs_model_error(m));
  ck_assert_ptr_nonnull(strstr(bigs_model_notes(m), "head.transform.weight and 4 more: not in"));
  same_parameters(fresh, m);
  for (int i = 0; i < steps; i++)
    made += ns[i] != 0;
  ck_assert_msg(made > 0 && made < steps / 2, "%d of %d steps", made, steps);
  memset(ns, 0, sizeof ns);
  ck_assert_int_eq(bigs_model_load(m, full), 0);
  same_parameters(fresh, m);
  for (int i = 0; i < steps; i++)
    ck_assert_int_eq(ns[i], 0);
  bigs_model_close(m);
  bigs_model_close(fresh);
  session_close(&s);
  arena_free(a);
  test_remove_dir(scratch);
}
END_TEST

static double largest_gradient(StFile *f) {
  double most = 0;
  for (int i = 0; i < st_count(f); i++)
    if (!strncmp(st_at(f, i)->name, "grad.", 5))
      most = fmax(most, largest(st_at(f, i)));
  return most;
}

static void compare_gradients(const Paths *p, char *model, bool mdl) {
  char *argv[] = {"bigsc",
                  "grad",
                  model,
                  "--train",
                  "pretrain",
                  "--in",
                  (char *)p->in,
                  "--out",
                  (char *)p->out,
                  "--weights",
                  (char *)p->weights,
                  "--names",
                  "hf",
                  "-q",
                  mdl ? LABELS : "-q"};
  ck_assert_int_eq(test_bigsc(COUNT(argv), argv), 0);
  StFile *got = must_open(p->out), *want = must_open(p->want);
  double all = largest_gradient(want);
  int seen = 0;
  for (int i = 0; i < st_count(want); i++) {
    const StTensor *t = st_at(want, i), *g = st_find(got, t->name);
    bool loss = !strcmp(t->name, "loss");
    if (!loss && strncmp(t->name, "grad.", 5))
      continue;
    ck_assert_msg(g != NULL, "%s is missing", t->name);
    double scale = fmax(largest(t), loss ? 0 : all / 1000), error = difference(g, t) / scale;
    ck_assert_msg(error <= (loss ? 1e-5 : 3e-4), "%s of %s is off by %.2g", t->name, p->weights,
                  error);
    seen++;
  }
  ck_assert_int_eq(st_count(got), seen);
  st_close(got);
  st_close(want);
}

START_TEST(gradients_equal_the_oracle) {
  Paths p;
  test_make_dir(scratch);
  paths_for(&p, folders[_i]);
  compare_gradients(&p, p.mdl, true);
  test_remove_dir(scratch);
}
END_TEST

START_TEST(shared_object_equals_the_oracle) {
  Paths p;
  char so[2 * PATH], defs[8][64] = {{0}};
  static const char *const bert[] = {"V=61",    "P=20",    "H=16",    "F=24",
                                     "Heads=2", "Depth=2", "Labels=3"};
  static const char *const bigs[] = {"V=61", "P=20", "H=16", "I=24", "N=4", "Depth=2", "Labels=3"};
  const char *folder = _i ? "bigs" : "bert";
  test_make_dir(scratch);
  paths_for(&p, folder);
  snprintf(so, sizeof so, "%s/%s.so", scratch, folder);
  char *argv[12] = {"bigsc", p.mdl, "-o", so};
  for (int i = 0; i < 7; i++) {
    snprintf(defs[i], sizeof defs[i], "-D%s", (_i ? bigs : bert)[i]);
    argv[4 + i] = defs[i];
  }
  ck_assert_int_eq(test_bigsc(11, argv), 0);
  compare_entries(&p, so, false, NULL);
  compare_gradients(&p, so, false); // without dropout, though it was compiled with it
  test_remove_dir(scratch);
}
END_TEST

// Both spellings of GPT-2's names, with the prefix and without it; the second without config.json,
// with the buffers and the output layer that old files have.
START_TEST(gpt_equals_the_oracle) {
  Paths p;
  char so[2 * PATH];
  test_make_dir(scratch);
  paths_for(&p, gpt_folders[_i]);
  snprintf(so, sizeof so, "%s/gpt.so", scratch);
  char *argv[] = {"bigsc", p.mdl, "-o", so, "-DV=31", "-DP=12", "-DH=12", "-DHeads=3", "-DDepth=2"};
  if (!_i) {
    compare_all(&p, p.mdl, gpt_entries, NULL, NULL);
    compare_all(&p, p.mdl, gpt_entries, NULL, "-O0");
  }
  ck_assert_int_eq(test_bigsc(COUNT(argv), argv), 0);
  compare_all(&p, so, gpt_entries, NULL, NULL);
  test_remove_dir(scratch);
}
END_TEST

static bool is_gradient(const StTensor *t) {
  return !strcmp(t->name, "loss") || !strncmp(t->name, "grad.", 5);
}

static void compare_encoder(const Paths *p, char *model, char *level, int most) {
  StFile *want = must_open(p->want);
  const char *names[16] = {0};
  int n = 0;
  for (int i = 0; i < st_count(want) && n < most; i++)
    if (!is_gradient(st_at(want, i)))
      names[n++] = st_at(want, i)->name;
  ck_assert_int_gt(n, 0);
  compare_all(p, model, names, NULL, level);
  st_close(want);
}

// A few of the gradients, and the loss.
static void compare_some_gradients(const Paths *p, char *model) {
  char *argv[] = {
      "bigsc", "grad",         model,       "--train",          "pretrain", "--in", (char *)p->in,
      "--out", (char *)p->out, "--weights", (char *)p->weights, "--names",  "hf",   "-q"};
  StFile *want = must_open(p->want);
  if (!st_find(want, "loss")) {
    st_close(want);
    return;
  }
  ck_assert_int_eq(test_bigsc(COUNT(argv), argv), 0);
  StFile *got = must_open(p->out);
  for (int i = 0; i < st_count(want); i++) {
    const StTensor *t = st_at(want, i), *g = st_find(got, t->name);
    if (!is_gradient(t))
      continue;
    ck_assert_msg(g != NULL, "%s is missing", t->name);
    double error = difference(g, t) / largest(t);
    ck_assert_msg(error <= 1e-5, "%s of %s is off by %.2g", t->name, p->weights, error);
  }
  st_close(got);
  st_close(want);
}

START_TEST(encoder_equals_the_oracle) {
  Paths p;
  test_make_dir(scratch);
  paths_for(&p, encoders[_i]);
  compare_encoder(&p, p.mdl, NULL, 15);
  if (_i >= COUNT(encoders) - 2) // without fusion too what is not made of BERT's parts
    compare_encoder(&p, p.mdl, "-O0", 1);
  compare_some_gradients(&p, p.mdl);
  test_remove_dir(scratch);
}
END_TEST

// Of the layouts that the others have not.
START_TEST(compiled_encoder_equals_the_oracle) {
  static const char *const small[] = {"-DV=24",    "-DP=32",    "-DH=12",    "-DF=20",
                                      "-DHeads=3", "-DDepth=4", "-Dwindow=4"};
  Paths p;
  char so[2 * PATH], *argv[4 + COUNT(small)] = {"bigsc", p.mdl, "-o", so};
  test_make_dir(scratch);
  paths_for(&p, "modernbert");
  snprintf(so, sizeof so, "%s/modernbert.so", scratch);
  for (int i = 0; i < COUNT(small); i++)
    argv[4 + i] = (char *)small[i];
  ck_assert_int_eq(test_bigsc(COUNT(argv), argv), 0);
  compare_encoder(&p, so, NULL, 15);
  test_remove_dir(scratch);
}
END_TEST

Suite *oracle_suite(void) {
  Suite *s = suite_create("oracle");
  TCase *t = tcase_create("oracle");
  tcase_set_timeout(t, 300);
  tcase_add_loop_test(t, jit_equals_the_oracle, 0, COUNT(folders));
  tcase_add_loop_test(t, shared_object_equals_the_oracle, 0, 2);
  tcase_add_loop_test(t, gradients_equal_the_oracle, 0, COUNT(folders));
  tcase_add_loop_test(t, weights_of_other_programs_equal_the_oracle, 0, COUNT(foreign));
  tcase_add_loop_test(t, only_what_is_lacking_is_made, 0, 2);
  tcase_add_loop_test(t, convert_from_other_programs, 0, COUNT(foreign));
  tcase_add_loop_test(t, gpt_equals_the_oracle, 0, COUNT(gpt_folders));
  tcase_add_loop_test(t, encoder_equals_the_oracle, 0, COUNT(encoders));
  tcase_add_test(t, compiled_encoder_equals_the_oracle);
  suite_add_tcase(s, t);
  return s;
}
