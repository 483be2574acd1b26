// Which member of `forms` runs at which sizes: the rule alone, on tables made by hand, and a compiled model beside those with one member
// each, whose bits are then the chosen member's.
#include "compiler/driver/session.h"
#include "runtime/exec/exec.h"
#include "tests/unit/compiled.h"
#include "tests/unit/suites.h"
#include <stdlib.h>
#include <string.h>

// ---- the rule

enum { ZERO, ONE, LENGTH, SQUARE, LESS, HUGE_SIZE, SIZES };
static Poly sizes[SIZES];

static void make_sizes(void) {
  sizes[ONE] = poly_const(1);
  sizes[LENGTH] = poly_sym(0);
  sizes[SQUARE] = poly_mul(sizes[LENGTH], sizes[LENGTH]);
  sizes[LESS] = poly_sub(sizes[LENGTH], poly_const(8));
  sizes[HUGE_SIZE] = poly_scale(sizes[SQUARE], INT64_MAX / 4);
}

static const BigsDim dims[] = {{.name = "L"}};
static const BigsRoom room_of_eight[] = {{.text = "`L` must be at least 8"}};

// By L: what is quadratic is less below 10, linear from there on; a transform takes its turn where it is one.
static const BigsCost squares[] = {{.ns = 1, .size = SQUARE}};
static const BigsCost lines[] = {{.ns = 10, .size = LENGTH}};
static const BigsCost logs[] = {
    {.ns = 30, .size = LENGTH, .length = LENGTH, .from = 1, .to = 64},
    {.ns = 1, .size = LENGTH, .length = LENGTH, .logs = 1, .from = 64, .to = INT64_MAX}};
static const BigsCost beyond[] = {{.ns = 0, .size = HUGE_SIZE}};

static const char *taken(const BigsProgram *other, int n, int64_t length) {
  const BigsProgram first = {.name = "y",
                             .syms = 1,
                             .forms = "square",
                             .cost = squares,
                             .ncost = 1,
                             .other = other,
                             .nother = n};
  const BigsModule m = {
      .ndim = 1, .dim = dims, .program = &first, .nprogram = 1, .poly = sizes, .npoly = SIZES};
  return program_for(&m, 0, &length)->forms;
}

START_TEST(the_least_cost_is_taken) {
  make_sizes();
  const BigsProgram other[] = {{.forms = "line", .cost = lines, .ncost = 1},
                               {.forms = "log", .cost = logs, .ncost = 2}};
  const struct {
    int64_t length;
    const char *one, *two;
  } rows[] = {{1, "square", "square"}, {9, "square", "square"}, {10, "square", "square"},
              {11, "line", "line"},    {63, "line", "line"},    {64, "line", "log"},
              {1000, "line", "log"},   {2048, "line", "line"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    ck_assert_str_eq(taken(other, 0, rows[i].length), "square");
    ck_assert_str_eq(taken(other, 1, rows[i].length), rows[i].one);
    ck_assert_str_eq(taken(other, 2, rows[i].length), rows[i].two);
  }
}
END_TEST

// One that has no room for the sizes, or whose cost cannot be counted, is not taken.
START_TEST(what_does_not_fit_is_not_taken) {
  make_sizes();
  BigsRoom room = room_of_eight[0];
  room.room = sizes[LESS];
  const BigsProgram other[] = {{.forms = "free", .room = &room, .nroom = 1}},
                    huge[] = {{.forms = "huge", .cost = beyond, .ncost = 1}};
  ck_assert_str_eq(taken(other, 1, 7), "square");
  ck_assert_str_eq(taken(other, 1, 8), "free");
  ck_assert_str_eq(taken(huge, 1, 1), "huge");
  ck_assert_str_eq(taken(huge, 1, 2000), "square");
}
END_TEST

// ---- a compiled model

static const char text[] = //
    "dim N = 64, P = 64\n"
    "dim B, L\n"
    "init normal(0.2)\n"
    "model M(x : [B, L, P]) {\n"
    "  k, q : Linear[P -> N]\n"
    "  key = k(x)\n"
    "  query = q(x)\n"
    "  past = f32(iota[L] >= iota[L][L as S])\n"
    "  forms y : [B, L, P] {\n"
    "    pairs = past * (query @[N] key[L as S]) @[S] x[L as S]\n"
    "    steps = scan[L](h : [B, P, N] = 0) {\n"
    "      h = h + x @[] key\n"
    "      h @[N] query\n"
    "    }\n"
    "  }\n"
    "  entry out : [B, L, P] = y\n"
    "}\n"
    "train fit { data x, z : [B, L, P] = tensors(\"x.safetensors\"); loss = mean((out - z)^2) }\n";

typedef struct ChoiceModel {
  Arena *arena;
  Options options;
  Session s;
} ChoiceModel;

static void open_model(ChoiceModel *c, char *form) {
  static const BuildWant want = {.nentries = -1, .ntrains = -1, .init = true};
  char *argv[] = {"bigsc", "run", "-", "--entry=out", "--in=x", "--out=y", "--seed=3", "-q", form};
  c->arena = arena_new();
  ck_assert_int_eq(options_parse(c->arena, &c->options, form ? 9 : 8, argv), -1);
  c->options.text = text;
  ck_assert_int_eq(session_load(&c->s, &c->options, "-", false), 0);
  ck_assert_int_eq(session_compile(&c->s, &want), 0);
  ck_assert_int_eq(session_open(&c->s), 0);
}

static void close_model(ChoiceModel *c) {
  session_close(&c->s);
  arena_free(c->arena);
}

enum { P = 64, MOST = 2 * 400 * P, PARAMS = 4 };
typedef struct ChoiceResult {
  float out[MOST], loss;
  double *gradient[PARAMS];
} ChoiceResult;

static void compute(ChoiceModel *c, Arena *a, const int64_t *dim, ChoiceResult *r) {
  static float x[MOST], z[MOST];
  const void *in[2] = {x, z};
  void *out = r->out;
  uint64_t state = 7;
  for (int i = 0; i < MOST; i++) {
    x[i] = (float)(draw(&state) % 2001) / 1000 - 1;
    z[i] = x[i] / 2;
  }
  memset(r, 0, sizeof *r);
  ck_assert_int_eq(bigs_model_run(c->s.handle, 0, dim, in, &out), 0);
  ck_assert_int_eq(bigs_model_grad(c->s.handle, 0, dim, in, &r->loss), 0);
  Compiled of = {c->s.handle, c->s.module};
  ck_assert_int_eq(of.module->nparam, PARAMS);
  for (int i = 0; i < PARAMS; i++)
    r->gradient[i] = parameter_values(a, &of, BIGS_THE_GRADIENT, i);
}

static void equal_bits(const ChoiceModel *c, const ChoiceResult *x, const ChoiceResult *y) {
  ck_assert_mem_eq(x->out, y->out, sizeof x->out);
  ck_assert_mem_eq(&x->loss, &y->loss, sizeof x->loss);
  for (int i = 0; i < PARAMS; i++)
    ck_assert_mem_eq(x->gradient[i], y->gradient[i],
                     (size_t)parameter_size(&c->s.module->param[i]) * sizeof(double));
}

static void members_agree(const ChoiceModel *c, const ChoiceResult *x, const ChoiceResult *y,
                          const int64_t *dim) {
  Arena *a = arena_new();
  int64_t n = dim[0] * dim[1] * P;
  double *u = widened(a, x->out, DT_F32, n), *v = widened(a, y->out, DT_F32, n);
  near(u, v, n, 1e-5 * largest(v, n), "out", dim);
  for (int i = 0; i < PARAMS; i++) {
    int64_t size = parameter_size(&c->s.module->param[i]);
    near(x->gradient[i], y->gradient[i], size, 3e-4 * largest(y->gradient[i], size),
         c->s.module->param[i].name, dim);
  }
  arena_free(a);
}

// Lengths at which the members differ by far, up and down again, so that bindings of both change places; more of them than a
// gradient's bindings are kept.
START_TEST(the_chosen_member_runs) {
  static const int64_t size[][3] = {{1, 2, 0},   {1, 400, 0}, {2, 3, 0}, {2, 399, 0}, {1, 4, 0},
                                    {1, 398, 0}, {1, 5, 0},   {1, 2, 0}, {1, 400, 0}};
  ChoiceModel any, member[2];
  ChoiceResult *r = calloc(3, sizeof *r);
  open_model(&any, NULL);
  open_model(&member[0], "--form=y=pairs");
  open_model(&member[1], "--form=y=steps");
  for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
    bool is_long = size[i][1] > 100;
    for (int program = 0; program < 2; program++)
      ck_assert_str_eq(program_for(any.s.module, program, size[i])->forms,
                       is_long ? "y = steps" : "y = pairs");
    compute(&any, any.arena, size[i], &r[2]);
    for (int k = 0; k < 2; k++) {
      ck_assert_int_eq(member[k].s.module->program[0].nother, 0);
      compute(&member[k], any.arena, size[i], &r[k]);
    }
    equal_bits(&any, &r[2], &r[is_long]);
    members_agree(&any, &r[0], &r[1], size[i]);
  }
  for (int k = 0; k < 2; k++)
    close_model(&member[k]);
  close_model(&any);
  free(r);
}
END_TEST

// Sizes that are known leave one program.
START_TEST(known_sizes_choose_when_compiled) {
  static const BuildWant want = {.nentries = -1, .ntrains = -1};
  static char *const length[] = {"-DL=2", "-DL=400"};
  for (int i = 0; i < 2; i++) {
    char *argv[] = {"bigsc", "run", "-", "--entry=out", "--in=x", "--out=y", "-DB=1", length[i]};
    Arena *a = arena_new();
    Options o;
    Session s;
    ck_assert_int_eq(options_parse(a, &o, 8, argv), -1);
    o.text = text;
    ck_assert_int_eq(session_load(&s, &o, "-", true), 0);
    ck_assert_int_eq(session_compile(&s, &want), 0);
    for (int program = 0; program < 2; program++) {
      ck_assert_int_eq(s.module->program[program].nother, 0);
      ck_assert_str_eq(s.module->program[program].forms, i ? "y = steps" : "y = pairs");
    }
    session_close(&s);
    arena_free(a);
  }
}
END_TEST

Suite *choice_suite(void) {
  Suite *s = suite_create("choice");
  TCase *t = tcase_create("choice");
  tcase_set_timeout(t, 120);
  tcase_add_test(t, the_least_cost_is_taken);
  tcase_add_test(t, what_does_not_fit_is_not_taken);
  tcase_add_test(t, the_chosen_member_runs);
  tcase_add_test(t, known_sizes_choose_when_compiled);
  suite_add_tcase(s, t);
  return s;
}
