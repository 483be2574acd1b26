// What lies in memory as bf16 with --precision=bf16, by the planner's policy (codegen/plan/precision.c).
#include "codegen/plan/plan_internal.h"
#include "runtime/exec/exec.h"
#include "runtime/files/safetensors.h"
#include "tests/unit/plan_bed.h"
#include "tests/unit/suites.h"
#include "tests/unit/tmpdir.h"
#include <stdlib.h>
#include <string.h>

// What values are made of: B texts of L tokens, states of H, F features, an axis of two.
typedef struct Kinds {
  PlanBed t;
  Graph *g;
  Axis *B, *L, *S, *H, *F, *V, *two;
  Node *ids, *flag, *input, *table, *weight, *kernel; // leaves
} Kinds;

static Kinds kinds_new(void) {
  Kinds k = {.t = plan_bed_new(1)};
  Bed *b = &k.t.b;
  k.g = b->g;
  k.B = bed_run_axis(b, "B", 2), k.L = bed_run_axis(b, "L", 5);
  k.S = graph_axis(k.g, "S", 0, k.L->extent);
  k.H = bed_axis(b, "H", 24), k.F = bed_axis(b, "F", 32), k.two = bed_axis(b, "two", 2);
  k.V = bed_axis(b, "V", 7);
  k.ids = bed_leaf(b, DT_I32, AX(k.B, k.L), 0, 7);
  k.flag = bed_leaf(b, DT_BOOL, AX(k.B, k.L, k.H), 0, 2);
  k.input = bed_leaf(b, DT_F32, AX(k.B, k.L, k.H), -1, 1);
  k.table = plan_bed_param(&k.t, "table", AX(k.V, k.H), -1, 1)->node;
  k.weight = plan_bed_param(&k.t, "weight", AX(k.H, k.F), -1, 1)->node;
  k.kernel = plan_bed_param(&k.t, "kernel", AX(k.H), -1, 1)->node;
  return k;
}

// ---- a value of each kind

static Node *embedding(Kinds *k) {
  return g_gather(k->g, k->table, k->ids, k->V);
}
static Node *product(Kinds *k) {
  return g_contract(k->g, embedding(k), k->weight, &k->H, 1);
}
static Node *pointwise(Kinds *k) {
  return g_unary(k->g, OP_TANH, product(k));
}
static Node *of_input(Kinds *k) {
  return g_unary(k->g, OP_TANH, k->input);
}
static Node *row_sum(Kinds *k) {
  return g_reduce(k->g, OP_SUM, product(k), &k->F, 1);
}
static Node *row_most(Kinds *k) {
  return g_reduce(k->g, OP_RMAX, product(k), &k->F, 1);
}
static Node *deviation(Kinds *k) {
  return g_unary(k->g, OP_SQRT, row_sum(k));
}
static Node *row_loss(Kinds *k) {
  return g_binary(k->g, OP_SUB, row_sum(k), g_index(k->g, product(k), k->F, poly_const(3)));
}
static Node *normalised(Kinds *k) {
  return g_binary(k->g, OP_DIV, product(k), deviation(k));
}
static Node *pooled(Kinds *k) {
  return g_reduce(k->g, OP_SUM, product(k), &k->L, 1);
}
static Node *sum_of_two(Kinds *k) {
  Axis *half = bed_axis(&k->t.b, "half", 16);
  return g_reduce(k->g, OP_SUM, g_split(k->g, product(k), k->F, AX(k->two, half)), &k->two, 1);
}
static Node *column_sum(Kinds *k) {
  return g_reduce(k->g, OP_SUM, product(k), AX(k->B, k->L));
}
static Node *weight_gradient(Kinds *k) {
  return g_contract(k->g, embedding(k), product(k), AX(k->B, k->L));
}
static Node *total(Kinds *k) {
  return g_reduce(k->g, OP_SUM, product(k), AX(k->B, k->L, k->F));
}
static Node *of_parameters(Kinds *k) {
  return g_unary(k->g, OP_EXP,
                 g_binary(k->g, OP_MUL, k->kernel, g_cast(k->g, g_iota(k->g, k->L), DT_F32)));
}
static Node *convolution(Kinds *k) {
  return g_conv(k->g, embedding(k), of_parameters(k), k->L, false);
}
static Node *kernel_gradient(Kinds *k) {
  return g_conv_grad(k->g, embedding(k), convolution(k), k->L, AX(k->H), false);
}
static Node *of_kernel_gradient(Kinds *k) {
  return g_binary(k->g, OP_MUL, kernel_gradient(k), of_parameters(k));
}
static Node *attention(Kinds *k) {
  Node *q = embedding(k), *x = g_rename(k->g, q, &k->L, &k->S, 1);
  Node *v = g_rename(k->g, g_contract(k->g, q, k->weight, &k->H, 1), &k->L, &k->S, 1);
  Node *const in[] = {q, x, v, g_const(k->g, DT_BOOL, 1), g_const(k->g, DT_F32, 0)};
  return g_attention(k->g, in, k->S, k->H, 0.2, 0, 0, AX(k->B, k->L, k->S));
}
static Node *log_sum(Kinds *k) {
  return g_attention_lse(k->g, attention(k));
}
static Node *mask(Kinds *k) {
  return g_cast(k->g, k->flag, DT_F32);
}
static Node *places(Kinds *k) {
  return g_cast(k->g, k->ids, DT_F32);
}
static Node *random_numbers(Kinds *k) {
  return g_random(k->g, 3, AX(k->B, k->L, k->H));
}
static Node *dropped_out(Kinds *k) {
  Node *keep = g_binary(k->g, OP_LE, g_const(k->g, DT_F32, 0.1), random_numbers(k));
  return g_select(k->g, keep, embedding(k), g_const(k->g, DT_F32, 0));
}
static Node *wide(Kinds *k) {
  return g_cast(k->g, product(k), DT_F64);
}
static Node *narrow(Kinds *k) {
  return g_cast(k->g, product(k), DT_BF16);
}
static Node *first_of_row(Kinds *k) {
  return g_argmax(k->g, product(k), k->F);
}

static const struct {
  Node *(*make)(Kinds *k);
  DType stored;
} kinds[] = {
    {embedding, DT_BF16},
    {product, DT_BF16},
    {pointwise, DT_BF16},
    {of_input, DT_BF16},
    {normalised, DT_BF16},
    {sum_of_two, DT_BF16},
    {convolution, DT_BF16},
    {attention, DT_BF16},
    {dropped_out, DT_BF16},
    {narrow, DT_BF16},
    // statistics and losses
    {row_sum, DT_F32},
    {row_most, DT_F32},
    {deviation, DT_F32},
    {row_loss, DT_F32},
    {pooled, DT_F32},
    {log_sum, DT_F32},
    {total, DT_F32},
    // gradients of parameters
    {column_sum, DT_F32},
    {weight_gradient, DT_F32},
    {kernel_gradient, DT_F32},
    {of_kernel_gradient, DT_F32},
    // numbers that bf16 does not hold
    {of_parameters, DT_F32},
    {mask, DT_F32},
    {places, DT_F32},
    {random_numbers, DT_F32},
    {wide, DT_F64},
    {first_of_row, DT_I32},
};

static const Prog *plan_kinds(Kinds *k, BigsProgramKind kind, bool bf16) {
  PlanOptions o = {.on = &plan_on_gpu, .nr = 32, .mr = 8, .vector_floats = 16, .bf16 = bf16};
  Planner *p = plan_new(k->t.b.arena, k->g, &o);
  Output *out = NEWN(k->t.b.arena, Output, COUNT(kinds));
  for (int i = 0; i < COUNT(kinds); i++) {
    Node *n = kinds[i].make(k);
    out[i] = (Output){.name = "y", .node = n, .ax = n->ax, .nax = n->nax};
  }
  plan_program(p, "kinds", kind, out, COUNT(kinds));
  ck_assert(plan_finish(p, NEW(k->t.b.arena, BigsModule)));
  return p->progs.v[0];
}

START_TEST(kinds_of_values) {
  static const BigsProgramKind programs[] = {BIGS_ENTRY, BIGS_GRADIENT};
  for (int i = 0; i < COUNT(programs); i++) {
    Kinds k = kinds_new();
    const Prog *g = plan_kinds(&k, programs[i], true);
    for (int x = 0; x < COUNT(kinds); x++)
      ck_assert_msg(stored_dtype(g, g->outs[x].node) == kinds[x].stored,
                    "row %d (%s) is stored as %s", x, op_name(g->outs[x].node->op),
                    dtype_name(stored_dtype(g, g->outs[x].node)));
    plan_bed_free(&k.t);
  }
}
END_TEST

// Without the option, and in an optimizer's program, a value has its own dtype in memory.
START_TEST(values_as_they_are) {
  static const BigsProgramKind programs[] = {BIGS_ENTRY, BIGS_UPDATE};
  for (int i = 0; i < COUNT(programs); i++) {
    Kinds k = kinds_new();
    const Prog *g = plan_kinds(&k, programs[i], i == 1);
    for (int x = 0; x < COUNT(kinds); x++)
      ck_assert_int_eq(stored_dtype(g, g->outs[x].node), g->outs[x].node->dtype);
    plan_bed_free(&k.t);
  }
}
END_TEST

// ---- parameters as products read them

// Bytes of bf16 with that name and kind of memory in the program.
static int64_t bytes_of(const Prog *g, const char *name, BigsWhere where) {
  int64_t bytes = 0, n;
  for (int i = 0; i < g->buf.n; i++) {
    const Buf *b = &g->buf.v[i];
    if (b->number >= 0 && b->where == where && b->dtype == DT_BF16 && !strcmp(b->name, name) &&
        poly_is_const(&b->size, &n))
      bytes += 2 * n;
  }
  return bytes;
}

static const Prog *plan_value(Kinds *k, Node *n, BigsProgramKind kind, bool bf16) {
  PlanOptions o = {
      .on = &plan_on_gpu, .nr = 32, .mr = 8, .vector_floats = 16, .bf16 = bf16, .fuse = true};
  Planner *p = plan_new(k->t.b.arena, k->g, &o);
  Output out = {.name = "y", .node = n, .ax = n->ax, .nax = n->nax};
  plan_program(p, "value", kind, &out, 1);
  ck_assert(plan_finish(p, NEW(k->t.b.arena, BigsModule)));
  return p->progs.v[0];
}

// Two products read one copy.  An entry keeps it, a gradient program has it as long as a step takes.
START_TEST(shadows_of_parameters) {
  static const struct {
    BigsProgramKind kind;
    BigsWhere where;
  } row[] = {{BIGS_ENTRY, BIGS_KEPT}, {BIGS_GRADIENT, BIGS_ARENA}};
  for (int i = 0; i < COUNT(row); i++) {
    Kinds k = kinds_new();
    Node *twice =
        g_binary(k.g, OP_MUL, pointwise(&k), g_contract(k.g, of_input(&k), k.weight, &k.H, 1));
    const Prog *g = plan_value(&k, twice, row[i].kind, true);
    ck_assert_int_eq(bytes_of(g, "shadow", row[i].where), 2 * 24 * 32);
    ck_assert_int_eq(g->out.nprologue, row[i].kind == BIGS_ENTRY);
    g = plan_value(&k, twice, row[i].kind, false);
    ck_assert_int_eq(bytes_of(g, "shadow", row[i].where), 0);
    plan_bed_free(&k.t);
  }
}
END_TEST

// A table that is only looked up in, and a product of what stays f32.
START_TEST(no_shadow_where_none_is_read) {
  Kinds k = kinds_new();
  Node *steady = g_contract(k.g, of_parameters(&k), k.weight, &k.H, 1);
  ck_assert_int_eq(bytes_of(plan_value(&k, embedding(&k), BIGS_ENTRY, true), "shadow", BIGS_KEPT),
                   0);
  ck_assert_int_eq(bytes_of(plan_value(&k, steady, BIGS_ENTRY, true), "shadow", BIGS_KEPT), 0);
  plan_bed_free(&k.t);
}
END_TEST

// ---- parameters that lie as products of pairs read them

typedef struct PairReader {
  const char *what;
  Node *(*make)(Kinds *k, Node *w);
  BigsProgramKind kind;
  bool pairs; // is w, [H, F], stored so?
} PairReader;

static Node *multiplied(Kinds *k, Node *w) {
  return g_contract(k->g, of_input(k), w, &k->H, 1);
}
static Node *multiplied_twice(Kinds *k, Node *w) {
  return g_binary(k->g, OP_MUL, multiplied(k, w), g_contract(k->g, embedding(k), w, &k->H, 1));
}
static Node *there_and_back(Kinds *k, Node *w) {
  return g_contract(k->g, multiplied(k, w), w, &k->F, 1);
}
static Node *multiplied_and_added(Kinds *k, Node *w) {
  return g_binary(k->g, OP_ADD, multiplied(k, w), g_index(k->g, w, k->H, poly_const(3)));
}
static Node *of_a_part(Kinds *k, Node *w) {
  Axis *half = bed_axis(&k->t.b, "half", 16);
  return g_contract(k->g, of_input(k), g_slice(k->g, w, k->F, poly_const(16), poly_const(32), half),
                    &k->H, 1);
}
static Node *not_multiplied(Kinds *k, Node *w) {
  return g_binary(k->g, OP_MUL, of_input(k), w);
}

static const PairReader pair_reader[] = {
    {"of a product", multiplied, BIGS_ENTRY, true},
    {"of two products", multiplied_twice, BIGS_ENTRY, true},
    {"of a gradient program", multiplied, BIGS_GRADIENT, false},
    {"whose rows and columns are summed over", there_and_back, BIGS_ENTRY, false},
    {"that is added, too", multiplied_and_added, BIGS_ENTRY, false},
    {"of which a part is multiplied", of_a_part, BIGS_ENTRY, false},
    {"that no product reads", not_multiplied, BIGS_ENTRY, false},
};

static const PlanOptions on_cpu = {
    .on = &plan_on_cpu, .nr = 32, .mr = 8, .vector_floats = 16, .bf16 = true, .fuse = true};

// A module of programs of one output each.
static BigsModule *plan_outputs_of(Kinds *k, const Output *out, const BigsProgramKind *kind,
                                   int n) {
  Planner *p = plan_new(k->t.b.arena, k->g, &on_cpu);
  BigsModule *m = NEW(k->t.b.arena, BigsModule);
  for (int i = 0; i < n; i++)
    plan_program(p, "value", kind[i], &out[i], 1);
  ck_assert(plan_finish(p, m));
  ck_assert_ptr_null(params_verify(m));
  return m;
}

static int64_t kept_bytes(const BigsModule *m) {
  int64_t bytes = 0;
  for (int i = 0; i < m->program[0].nbuffer; i++) {
    const BigsBuffer *b = &m->program[0].buffer[i];
    if (b->where == BIGS_KEPT)
      bytes +=
          dtype_size((DType)b->dtype) * poly_eval(module_poly(m, b->size), (int64_t[MAX_SYMS]){0});
  }
  return bytes;
}

static const BigsParam *parameter(const BigsModule *m, const char *name) {
  int i = 0;
  while (strcmp(m->param[i].name, name) != 0)
    ck_assert_int_lt(++i, m->nparam);
  return &m->param[i];
}

// There is one copy of it, or the float32 and what is made of them.
START_TEST(parameters_of_pairs) {
  const PairReader *row = &pair_reader[_i];
  Kinds k = kinds_new();
  Output out = plan_bed_output(&k.t, row->make(&k, k.weight));
  const BigsModule *m = plan_outputs_of(&k, &out, &row->kind, 1);
  const BigsParam *p = parameter(m, "weight");
  ck_assert_msg(p->pairs == row->pairs, "a parameter %s: pairs %d", row->what, p->pairs);
  ck_assert_int_eq(m->storage[p->storage].bytes, row->pairs ? 2 * 32 * 32 : 4 * 24 * 32);
  ck_assert_int_eq(m->storage[p->storage].dtype, row->pairs ? DT_BF16 : DT_F32);
  if (row->pairs)
    ck_assert_int_eq(kept_bytes(m), 0);
  plan_bed_free(&k.t);
}
END_TEST

// Another entry that returns it, and one that trains it, want float32.
START_TEST(parameters_of_other_programs) {
  static const BigsProgramKind kind[][2] = {{BIGS_ENTRY, BIGS_ENTRY}, {BIGS_ENTRY, BIGS_GRADIENT}};
  Kinds k = kinds_new();
  Output out[] = {plan_bed_output(&k.t, multiplied(&k, k.weight)),
                  plan_bed_output(&k.t, _i ? total(&k) : k.weight)};
  ck_assert(!parameter(plan_outputs_of(&k, out, kind[_i], 2), "weight")->pairs);
  plan_bed_free(&k.t);
}
END_TEST

// A module of a product that sums over two axes, of an odd number, into columns that fill no panel; without code.
static BigsModule *odd_module(Kinds *k) {
  Axis *a = bed_axis(&k->t.b, "a", 5), *b = bed_axis(&k->t.b, "b", 7),
       *c = bed_axis(&k->t.b, "c", 13), *d = bed_axis(&k->t.b, "d", 3);
  Node *x = bed_leaf(&k->t.b, DT_F32, AX(k->B, a, b), -1, 1);
  Node *w = plan_bed_param(&k->t, "odd", AX(c, a, d, b), -1, 1)->node;
  Output out = plan_bed_output(&k->t, g_contract(k->g, x, w, AX(a, b)));
  BigsModule *m = plan_outputs_of(k, &out, &(BigsProgramKind){BIGS_ENTRY}, 1);
  ck_assert(parameter(m, "odd")->pairs);
  m->abi = BIGS_ABI_VERSION;
  m->model = "Test";
  m->version = m->features = "";
  return m;
}

// Numbers that f32 holds, and bf16 not.
static float *some_values(Kinds *k, int64_t n) {
  float *v = NEWN(k->t.b.arena, float, n);
  for (int64_t i = 0; i < n; i++)
    v[i] = (float)(1 + (double)i) / 3.0f * (i % 2 ? -1 : 1);
  return v;
}

static void holds(Kinds *k, bigs_model *m, int param, const float *want) {
  const BigsParam *p = &m->module->param[param];
  float *got = NEWN(k->t.b.arena, float, param_count(p));
  ck_assert_int_eq(bigs_model_get(m, BIGS_THE_WEIGHT, param, got), 0);
  for (int64_t i = 0; i < param_count(p); i++) {
    float rounded = p->pairs ? bf16_to_float(bf16_of_float(want[i])) : want[i];
    ck_assert_msg(!memcmp(&got[i], &rounded, sizeof rounded), "%s, element %d: %.9g, not %.9g",
                  p->name, (int)i, (double)got[i], (double)rounded);
  }
}

// All parameters, as bf16.
static void write_narrow(Kinds *k, const BigsModule *m, const char *path) {
  StWriter *w = st_create(path, NULL);
  for (int i = 0; i < m->nparam; i++)
    ck_assert_int_eq(
        st_declare(w, m->param[i].name, ST_BF16, m->param[i].rank, m->param[i].extent, NULL), 0);
  for (int i = 0; i < m->nparam; i++) {
    float *v = some_values(k, param_count(&m->param[i]));
    for (int64_t e = 0; e < param_count(&m->param[i]); e++) {
      uint16_t x = bf16_of_float(v[e]);
      ck_assert_int_eq(st_write(w, &x, sizeof x, NULL), 0);
    }
  }
  ck_assert_int_eq(st_finish(w, NULL), 0);
}

static void holds_all(Kinds *k, bigs_model *m) {
  for (int i = 0; i < m->module->nparam; i++) {
    float *v = some_values(k, param_count(&m->module->param[i]));
    for (int64_t e = 0; e < param_count(&m->module->param[i]); e++)
      v[e] = bf16_to_float(bf16_of_float(v[e]));
    holds(k, m, i, v);
  }
}

// What is set is rounded once; a file of bf16 comes in, and as float32 goes out and in again, as it is.
START_TEST(values_of_pairs) {
  Kinds k = kinds_new();
  BigsModule *module = odd_module(&k);
  bigs_options o = {.size = sizeof o, .threads = 1, .unset = 1};
  char error[256];
  bigs_model *m = bigs_model_open_with(module, NULL, &o, error, sizeof error);
  ck_assert_msg(m != NULL, "%s", error);
  for (int i = 0; i < module->nparam; i++) {
    float *v = some_values(&k, param_count(&module->param[i]));
    ck_assert_int_eq(bigs_model_set(m, BIGS_THE_WEIGHT, i, v), 0);
    holds(&k, m, i, v);
  }
  write_narrow(&k, module, in_dir("narrow.safetensors"));
  ck_assert_msg(!bigs_model_load(m, in_dir("narrow.safetensors")), "%s", bigs_model_error(m));
  holds_all(&k, m);
  ck_assert_int_eq(bigs_model_save(m, in_dir("wide.safetensors"), NULL), 0);
  bigs_model_close(m);
  m = bigs_model_open_with(module, in_dir("wide.safetensors"), &o, error, sizeof error);
  ck_assert_msg(m != NULL, "%s", error);
  holds_all(&k, m);
  bigs_model_close(m);
  plan_bed_free(&k.t);
}
END_TEST

Suite *precision_suite(void) {
  Suite *s = suite_create("precision");
  TCase *t = tcase_create("precision");
  suite_add_tcase(s, t);
  tcase_add_test(t, kinds_of_values);
  tcase_add_test(t, values_as_they_are);
  tcase_add_test(t, shadows_of_parameters);
  tcase_add_test(t, no_shadow_where_none_is_read);
  tcase_add_loop_test(t, parameters_of_pairs, 0, COUNT(pair_reader));
  tcase_add_loop_test(t, parameters_of_other_programs, 0, 2);
  TCase *files = tcase_create("parameters of pairs in files");
  tcase_add_checked_fixture(files, make_dir, remove_dir);
  tcase_add_test(files, values_of_pairs);
  suite_add_tcase(s, files);
  return s;
}
