// A program with two compiled models: every allocation of the runtime fails in turn.  The call says so
// and changes nothing, the other model does not notice, and the same call succeeds when memory is back.
// The libraries give tables and kernels; the runtime is that of the tests, as in docs/host.c.
#include "runtime/abi.h"
#include "runtime/bigs.h"
#include "tests/unit/fault_bed.h"
#include "tests/unit/suites.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { MODELS = 2, B = 2, L = 8, V = 24, M = 3, PARAMETERS = 1024 };

static const char second[] =
    "dim V = 24, H = 4\n"
    "dim B, L, M\n"
    "init normal(0.2)\n"
    "tokenizer wordpiece(\"v.txt\", lower: true)\n"
    "model Second(ids : i32[B, L], mask : bool[B, L] = true) {\n"
    "  word : Embedding[V, H]\n"
    "  entry logits : [B, L, V] = silu(word(ids)) @[H] word.weight\n"
    "}\n"
    "train t {\n"
    "  data ids, mask, at : i32[M], labels : i32[M] = mlm_text(\"t.txt\", rate: 0.15)\n"
    "  loss = mean(cross_entropy[V](gather[T](logits[(B, L) as T], at), labels))\n"
    "  optimizer = adamw(beta: (0.9, 0.999), eps: 1e-6)\n"
    "  rate = 1e-2; batch = 2; steps = 2\n"
    "}\n";

static const BigsModule *module[MODELS];

typedef struct Host {
  bigs_model *model[MODELS];
  struct {
    float before[B * L * V], after[B * L * V], loss, parameter[PARAMETERS];
    char info[32];
  } result[MODELS];
  char said[256], error[256]; // where there is no model; of the call that failed
  long calls;                 // allocations
  int failed, again;          // statuses of the call that failed, and when it was called again
} Host;

// ---- what is given to the models

static const struct {
  const char *name;
  int64_t size;
} sizes[] = {{"B", B}, {"L", L}, {"M", M}};

static const int64_t *dims_of(const BigsModule *m) {
  static int64_t dims[16];
  for (int i = 0; i < m->ndim && i < COUNT(dims); i++)
    for (int k = 0; k < COUNT(sizes); k++)
      if (!strcmp(m->dim[i].name, sizes[k].name))
        dims[i] = sizes[k].size;
  return dims;
}

static const void *input_of(const char *name) {
  static const int32_t ids[B * L] = {2, 7, 9, 11, 13, 8, 6, 3, 2, 5, 15, 10, 12, 9, 8, 3},
                               at[M] = {1, 5, 12}, labels[M] = {7, 6, 16};
  return !strcmp(name, "ids")      ? (const void *)ids
         : !strcmp(name, "at")     ? (const void *)at
         : !strcmp(name, "labels") ? (const void *)labels
                                   : NULL; // mask: its default
}

static const void *const *inputs_of(const BigsModule *m, int program) {
  static const void *inputs[8];
  const BigsProgram *p = &m->program[program];
  for (int i = 0; i < p->ninput && i < COUNT(inputs); i++)
    inputs[i] = input_of(m->input[p->input[i]].name);
  return inputs;
}

// ---- calls, each for model k

static int call_open(Host *h, int k) {
  int status = 0;
  bigs_options o = {.size = sizeof(bigs_options), .seed = 3, .threads = 2, .status = &status};
  h->model[k] = bigs_model_open_with(module[k], NULL, &o, h->said, sizeof h->said);
  return h->model[k] ? 0 : status ? status : 1;
}

static int call_info(Host *h, int k) {
  bigs_info *info = bigs_info_new(module[k]);
  if (!info)
    return strcpy(h->said, "out of memory"), 1; // it has no words of its own
  snprintf(h->result[k].info, sizeof h->result[k].info, "%s", info->model);
  bigs_info_free(info);
  return 0;
}

static int run_logits(Host *h, int k, float *out) {
  int entry = bigs_model_entry(module[k], "logits");
  return bigs_model_run(h->model[k], entry, dims_of(module[k]), inputs_of(module[k], entry),
                        (void *[]){out});
}

static int call_run(Host *h, int k) {
  return run_logits(h, k, h->result[k].before);
}

static int call_step(Host *h, int k) {
  int train = bigs_model_train(module[k], "t");
  return bigs_model_step(h->model[k], train, dims_of(module[k]),
                         inputs_of(module[k], module[k]->train[train].program), &h->result[k].loss);
}

static const char *const saved[MODELS] = {"made.0.safetensors", "made.1.safetensors"};

static int call_save(Host *h, int k) {
  return bigs_model_save(h->model[k], saved[k], NULL);
}

static int call_load(Host *h, int k) {
  return bigs_model_load(h->model[k], saved[k]);
}

static int call_run_again(Host *h, int k) {
  return run_logits(h, k, h->result[k].after);
}

static int call_get(Host *h, int k) {
  return bigs_model_get(h->model[k], BIGS_THE_WEIGHT, 0, h->result[k].parameter);
}

static int (*const calls[])(Host *, int) = {call_info, call_open, call_run,       call_step,
                                            call_save, call_load, call_run_again, call_get};

// ---- the program

// Memory is back from the first failure on.
static int call(Host *h, int which, int k) {
  int status = calls[which](h, k);
  if (!status)
    return 0;
  h->calls = fault_disarm();
  h->failed = status;
  snprintf(h->error, sizeof h->error, "%s", h->model[k] ? bigs_model_error(h->model[k]) : h->said);
  return h->again = calls[which](h, k);
}

static void host(Host *h, Fault f) {
  *h = (Host){.calls = -1};
  fault_arm(f.kind, f.n, f.how, f.error);
  bool goes_on = true;
  for (int which = 0; which < COUNT(calls) && goes_on; which++)
    for (int k = 0; k < MODELS && goes_on; k++)
      goes_on = !call(h, which, k);
  long n = fault_disarm();
  h->calls = h->calls < 0 ? n : h->calls;
  for (int k = 0; k < MODELS; k++)
    bigs_model_close(h->model[k]);
}

static void *load(const char *path, const BigsModule **m) {
  void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  ck_assert_msg(so != NULL, "%s", dlerror());
  const bigs_info *(*info)(void);
  *(void **)&info = dlsym(so, "bigs_module_info");
  ck_assert(info && info());
  *m = info()->module;
  return so;
}

static void check_host(const Host *h, const Host *good, long n, long leaked) {
  ck_assert_msg(!h->failed || (h->failed == 1 && strstr(h->error, "out of memory")),
                "allocation %ld: status %d: %s", n, h->failed, h->error);
  ck_assert_msg(!h->again, "allocation %ld: status %d again, with memory", n, h->again);
  ck_assert_msg(!memcmp(h->result, good->result, sizeof h->result),
                "allocation %ld: the results are others", n);
  ck_assert_msg(!leaked, "allocation %ld: %ld blocks are not freed", n, leaked);
}

START_TEST(every_allocation_of_two_models_may_fail) {
  static Host good, h;
  int failures = 0;
  fault_put_file("second.mdl", second);
  fault_must((const char *[]){"second.mdl", "-O0", "-o", "./made.so", NULL});
  void *so[MODELS] = {load("./m.so", &module[0]), load("./made.so", &module[1])};
  host(&good, (Fault){FAULT_MEMORY, 0, FAULT_ONCE, 0});
  ck_assert_msg(!good.failed && good.calls > 40, "status %d: %s", good.failed, good.error);
  ck_assert_float_gt(good.result[0].loss, 1);
  ck_assert(memcmp(good.result[1].before, good.result[1].after, sizeof good.result[1].after));
  for (long n = 1; n <= good.calls; n++)
    for (int how = FAULT_ONCE; how <= FAULT_EVER_AFTER; how++) {
      long blocks = fault_blocks();
      host(&h, (Fault){FAULT_MEMORY, n, (FaultHow)how, ENOMEM});
      check_host(&h, &good, n, fault_blocks() - blocks);
      failures += h.failed != 0;
    }
  ck_assert_int_gt(failures, good.calls);
  for (int k = 0; k < MODELS; k++)
    dlclose(so[k]);
  fault_drop("made* second.mdl");
}
END_TEST

TCase *faults_models_case(void) {
  TCase *t = fault_case("models");
  tcase_add_test(t, every_allocation_of_two_models_may_fail);
  return t;
}
