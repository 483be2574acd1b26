// Measures what codegen/plan/costs.def says, and prints it; not a test.
//
//   make tests/bench_costs && tests/bench_costs BIGSC MODELS tests/bench_costs.mdl
//
// Programs of that file, and of models with `forms` by each member, are timed at several sizes by `bigsc bench` in processor time of one thread, and
// counted by the planner with one kind of work alone having a cost.  The costs are those that are not negative and give the least sum of
// squares of relative errors; what they say of each program is printed beside its time.
#include "codegen/plan/work.h"
#include "compiler/driver/session.h"
#include "runtime/exec/exec.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct CostModel {
  const char *name, *options, *value, *member[2];
  int most; // of L
} CostModel;
static const CostModel models[] = {
    {"retnet", "-D V=99 -D H=256 -D Depth=1", "y", {"parallel", "recurrent"}, 512},
    {"mamba2", "-D V=99 -D H=128 -D Depth=1", "y", {"recurrent", "dual"}, 512},
    {"mega", "-D V=99 -D H=128 -D Depth=1", "y", {"conv", "recur"}, 512},
    {"bigs", "-D V=99 -D H=64 -D I=128 -D Depth=1 -D P=512", "y", {"conv", "recur"}, 512},
};
static const char *const kinds[] = {
#define COST(name, ns) #name,
#include "codegen/plan/costs.def"
#undef COST
};

enum { SAMPLES_MAX = 256, WORDS_MAX = 40 };
typedef struct CostSample {
  char line[512];
  double ns, count[COST_COUNT];
} CostSample;

static CostSample samples[SAMPLES_MAX];
static int nsample;

// Nanoseconds of one thread that a call takes; below 0: it cannot be measured.
static double time_of(const char *bigsc, const char *line) {
  char command[1024], text[4096] = "";
  snprintf(command, sizeof command, "%s bench %s --json --threads 1 --repeat 12 2>/dev/null", bigsc,
           line);
  FILE *f = popen(command, "r");
  if (f && fgets(text, sizeof text, f) == NULL)
    *text = 0;
  if (f)
    pclose(f);
  const char *at = strstr(text, "\"cpu_ms\": ");
  return at ? atof(at + 10) * 1e6 : -1;
}

static void count_kind(Session *s, CostKind kind, bool entry, double *count) {
  static const int64_t sizes[MAX_SYMS] = {0}; // all are known
  double costs[COST_COUNT] = {0};
  BuildWant want = {.entries = &s->o->entry,
                    .nentries = entry,
                    .trains = &s->o->train,
                    .ntrains = !entry,
                    .dropout = true};
  BuildOptions o = session_build_options(s->o);
  Build b;
  costs[kind] = 1;
  o.costs = costs;
  *count = build_module(&b, s->arena, s->names, s->diags, s->model, &want, &o)
               ? program_cost(b.module, &b.module->program[0], sizes)
               : NAN;
}

static bool count_all(char *line, double *count) {
  char *word[WORDS_MAX] = {"bigsc", "bench"};
  int n = 2;
  Arena *a = arena_new();
  Options o;
  Session s;
  for (char *w = strtok(line, " "); w; w = strtok(NULL, " "))
    word[n++] = w;
  bool ok = options_parse(a, &o, n, word) < 0;
  ok = ok && !session_load(&s, &o, o.args.v[0], true);
  for (int k = 0; k < COST_COUNT && ok; k++)
    count_kind(&s, (CostKind)k, o.entry != NULL, &count[k]);
  if (ok)
    session_close(&s);
  arena_free(a);
  return ok;
}

static void add_sample(const char *bigsc, const char *line) {
  CostSample *x = &samples[nsample];
  char words[512];
  snprintf(x->line, sizeof x->line, "%s", line);
  snprintf(words, sizeof words, "%s", line);
  x->ns = time_of(bigsc, line);
  if (x->ns > 0 && count_all(words, x->count))
    nsample++;
}

static void add_programs(const char *bigsc, const char *folder, const CostModel *m, int rows,
                         int length) {
  static const char *const what[] = {"--entry hidden", "--train pretrain"};
  for (int i = 0; i < 4; i++) {
    char line[512];
    snprintf(line, sizeof line, "%s/%s.mdl %s -D B=%d -D L=%d %s --form %s=%s", folder, m->name,
             m->options, rows, length, what[i / 2], m->value, m->member[i % 2]);
    add_sample(bigsc, line);
  }
}

// One kind of work at a time.
static void add_kinds(const char *bigsc, const char *file) {
  static const char *const what[] = {"--entry adds",     "--entry functions", "--entry product",
                                     "--entry turns",    "--entry states",    "--entry conv",
                                     "--train conv_grad"};
  for (size_t i = 0; i < sizeof what / sizeof *what; i++)
    for (int length = 4; length <= 1024; length *= 4) {
      char line[512];
      snprintf(line, sizeof line, "%s -D B=2 -D L=%d %s", file, length, what[i]);
      add_sample(bigsc, line);
    }
}

static void add_model(const char *bigsc, const char *folder, const CostModel *m) {
  for (int length = 4; length <= m->most; length *= 4)
    for (int rows = 1; rows <= 4; rows *= 4)
      add_programs(bigsc, folder, m, rows, length);
}

// One cost after the other as all others are, until they stay.
static void fit(double *cost) {
  for (int turn = 0; turn < 20000; turn++)
    for (int k = 0; k < COST_COUNT; k++) {
      double above = 0, below = 0;
      for (int i = 0; i < nsample; i++) {
        const CostSample *x = &samples[i];
        double rest = x->ns;
        for (int j = 0; j < COST_COUNT; j++)
          rest -= j == k ? 0 : cost[j] * x->count[j];
        above += x->count[k] / x->ns * (rest / x->ns);
        below += x->count[k] / x->ns * (x->count[k] / x->ns);
      }
      cost[k] = below > 0 ? fmax(0, above / below) : 0;
    }
}

static void report(const double *cost) {
  for (int i = 0; i < nsample; i++) {
    double sum = 0;
    for (int k = 0; k < COST_COUNT; k++)
      sum += cost[k] * samples[i].count[k];
    printf("%10.3f ms, said %10.3f  %s\n", samples[i].ns / 1e6, sum / 1e6, samples[i].line);
  }
  for (int k = 0; k < COST_COUNT; k++)
    printf("COST(%s, %.4g)\n", kinds[k], cost[k]);
}

int main(int argc, char **argv) {
  double cost[COST_COUNT] = {0};
  if (argc != 4)
    return 2;
  add_kinds(argv[1], argv[3]);
  for (size_t i = 0; i < sizeof models / sizeof *models; i++)
    add_model(argv[1], argv[2], &models[i]);
  fit(cost);
  report(cost);
  return 0;
}
