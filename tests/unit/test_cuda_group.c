// Steps that a GPU does in one launch: which they are, and that none depends on another.
#include "codegen/cuda/cuda.h"
#include "compiler/driver/pipeline.h"
#include "tests/unit/command.h"
#include "tests/unit/suites.h"
#include <stdlib.h>
#include <string.h>

typedef struct Grouped {
  Arena *arena;
  Build build;
} Grouped;

// A model of models/ for GPUs, with so many layers.
static void build_for_gpu(Grouped *g, const char *name, const char *depth) {
  static const BuildWant want = {.nentries = -1, .ntrains = -1, .update = true, .init = true};
  const Define layers[] = {{"Depth", depth}};
  ModelOptions mo = {.defs = layers, .ndefs = depth ? 1 : 0};
  BuildOptions o = {.opt = 2, .gpu = true};
  Arena *a = g->arena = arena_new();
  Diags *d = NEW(a, Diags);
  Intern *names = intern_new(a);
  d->arena = a;
  const char *path = arena_printf(a, "%s/models/%s", test_source_dir(), name);
  Model *m = model_load(a, names, d, path, NULL, &mo);
  ck_assert_msg(!d->errors, "%s", diags_string(a, d, DIAG_TEXT, false));
  ck_assert_msg(build_module(&g->build, a, names, d, m, &want, &o), "%s",
                diags_string(a, d, DIAG_TEXT, false));
}

static int launches_of(const BigsProgram *p, int nstep) {
  int n = nstep;
  for (int s = 0; s < nstep; s++)
    n -= p->step[s].group ? p->step[s].group - 1 : 0;
  return n;
}

static const BigsProgram *program_of(const Grouped *g, const char *name) {
  const BigsModule *m = g->build.module;
  for (int i = 0; i < m->nprogram; i++)
    if (!strcmp(m->program[i].name, name))
      return &m->program[i];
  ck_abort_msg("there is no program %s", name);
}

// ---- what a group is
static int whole(const BigsProgram *p, int b) {
  return p->buffer[b].where == BIGS_PIECE ? whole(p, p->buffer[b].index) : b;
}

static bool writes(const Grouped *g, const BigsStep *s, int arg) {
  return g->build.kernels[s->index]->mem.v[arg].written;
}

// Arguments i of x and k of y: nothing that one writes is the other's.
static void are_apart(const Grouped *g, const BigsProgram *p, const BigsStep *x,
                      const BigsStep *y) {
  for (int i = 0; i < x->narg; i++)
    for (int k = 0; k < y->narg; k++)
      if (writes(g, x, i) || writes(g, y, k)) {
        int a = whole(p, x->arg[i]), b = whole(p, y->arg[k]);
        const BigsBuffer *u = &p->buffer[a], *v = &p->buffer[b];
        bool same =
            a == b || (u->where == BIGS_GRAD && v->where == BIGS_GRAD && u->offset == v->offset);
        ck_assert_msg(!same, "%s: %s and %s both use buffer %d", p->name, x->label, y->label, a);
      }
}

static void check_group(const Grouped *g, const BigsProgram *p, int s) {
  const BigsStep *first = &p->step[s];
  ck_assert_int_le(s + first->group, s < p->nprologue ? p->nprologue : p->nstep);
  ck_assert(g->build.module->launch[first->index].frames);
  for (int i = 0; i < first->group; i++) {
    const BigsStep *x = first + i;
    ck_assert(x->kind == BIGS_KERNEL && x->index == first->index && !x->gemm && !x->scratch);
    ck_assert(!i || !x->group);
    for (int k = 0; k < i; k++)
      are_apart(g, p, x, first + k);
  }
}

// Every temporary is written before it is read, wherever steps have moved.
static void check_order(const Grouped *g, const BigsProgram *p) {
  bool *made = NEWN(g->arena, bool, p->nbuffer + 1);
  for (int s = 0; s < p->nstep; s++) {
    const BigsStep *x = &p->step[s];
    for (int i = 0; i < x->narg; i++)
      if (writes(g, x, i))
        made[whole(p, x->arg[i])] = true;
    for (int i = 0; i < x->narg; i++) {
      int b = whole(p, x->arg[i]);
      ck_assert_msg(p->buffer[b].where != BIGS_ARENA || p->buffer[b].zeroed || made[b],
                    "%s: step %d (%s) reads buffer %d, which is made later", p->name, s, x->label,
                    b);
    }
  }
}

static const char *const grouped_models[] = {"bert.mdl", "bigs.mdl", "gpt.mdl", "fnet.mdl",
                                             "conv.mdl"};
START_TEST(groups_are_of_steps_that_are_apart) {
  Grouped g = {0};
  build_for_gpu(&g, grouped_models[_i], _i < 2 ? "4" : NULL);
  for (int i = 0; i < g.build.module->nprogram; i++) {
    const BigsProgram *p = &g.build.module->program[i];
    check_order(&g, p);
    for (int s = 0; s < p->nstep; s++)
      if (p->step[s].group)
        check_group(&g, p, s);
  }
  arena_free(g.arena);
}
END_TEST

// What each layer has of its own beside its stream of activations costs no more launches than that of one
// layer: the kernels of the SSMs, the sums of biases, the ends of sums.
START_TEST(layers_share_launches) {
  Grouped few = {0}, many = {0};
  build_for_gpu(&few, "bigs.mdl", "3");
  build_for_gpu(&many, "bigs.mdl", "8");
  const BigsProgram *p = program_of(&few, "pretrain"), *q = program_of(&many, "pretrain");
  double steps = (double)(q->nstep - p->nstep) / 5,
         launches = (double)(launches_of(q, q->nstep) - launches_of(p, p->nstep)) / 5;
  ck_assert_double_gt(steps, 55);
  ck_assert_double_lt(launches, 34);
  p = program_of(&few, "hidden"), q = program_of(&many, "hidden");
  ck_assert_int_gt(p->nprologue, 10);
  ck_assert_int_eq(launches_of(q, q->nprologue), launches_of(p, p->nprologue));
  arena_free(few.arena);
  arena_free(many.arena);
}
END_TEST

Suite *cuda_group_suite(void);
Suite *cuda_group_suite(void) {
  Suite *s = suite_create("cuda_group");
  TCase *t = tcase_create("cuda_group");
  tcase_set_timeout(t, 60);
  tcase_add_loop_test(t, groups_are_of_steps_that_are_apart, 0, COUNT(grouped_models));
  tcase_add_test(t, layers_share_launches);
  suite_add_tcase(s, t);
  return s;
}
