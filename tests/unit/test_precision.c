// What lies in memory as bf16 with --precision=bf16, by the planner's policy (codegen/plan/precision.c).
#include "codegen/plan/plan_internal.h"
#include "tests/unit/plan_bed.h"
#include "tests/unit/suites.h"
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

Suite *precision_suite(void) {
  Suite *s = suite_create("precision");
  TCase *t = tcase_create("precision");
  suite_add_tcase(s, t);
  tcase_add_test(t, kinds_of_values);
  tcase_add_test(t, values_as_they_are);
  tcase_add_test(t, shadows_of_parameters);
  tcase_add_test(t, no_shadow_where_none_is_read);
  return s;
}
