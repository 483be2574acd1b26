// Convolutions as a GPU does them, on the shim: values and gradients against the interpreter at lengths that no tile
// divides, in both directions, with one kernel for all channels and with one for each; and a state-space model's kernel.
#include "codegen/cuda/cuda.h"
#include "tests/unit/cuda_bed.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <string.h>

static CudaBed cuda;

// ---- convolutions; the axes of a case by their letters, which L is among

typedef struct ConvForm {
  const char *name, *u, *kernel;
  DType dtype;
  bool tile;    // is it a product, which a block does?
  int64_t most; // that L can be, where the operand is max(u, 1 / 4); 0: it is u, and L may be any
} ConvForm;
static const ConvForm forms[] = {
    {"of what is derived", "BLH", "L", DT_BF16, true, 192},
    {"of what is derived, in pieces of 16 bytes", "BLW", "L", DT_BF16, true, 192},
    {"one kernel", "BLH", "L", DT_F32, true, 0},
    {"places inside", "BHL", "L", DT_F32, true, 0},
    {"two axes of channels", "LGBH", "L", DT_F32, true, 0},
    {"no channels", "BL", "L", DT_F32, true, 0},
    {"nothing but places", "L", "L", DT_F32, false, 0},
    {"a kernel a channel", "BLH", "LH", DT_F32, false, 0},
    {"kernels inside out", "LBH", "HL", DT_F32, false, 0},
    {"in float64", "BLH", "L", DT_F64, false, 0},
    {"in bf16", "BLH", "L", DT_BF16, true, 0},
    {"in bf16, pieces of 16 bytes", "BLW", "L", DT_BF16, true, 0},
};
enum { ODD = 9 }; // the first so many are tested with what is not finite
static const int64_t lengths[] = {1, 7, 64, 65, 129, 200};

typedef struct ConvCase {
  PlanBed t;
  const ConvForm *form;
  Axis *axis[128];
  Node *u, *x, *kernel, *y; // x: the operand; y: as g_conv made it
} ConvCase;

// Numbers that bf16 has, too.
static Node *leaf_of(ConvCase *c, const char *axes) {
  Axis *ax[MAX_AXES];
  int n = (int)strlen(axes);
  for (int i = 0; i < n; i++)
    ax[i] = c->axis[(int)axes[i]];
  Bed *b = &c->t.b;
  Node *x = bed_leaf(b, c->form->dtype, ax, n, -1, 1);
  for (int64_t i = 0; i < b->size[b->n - 1]; i++)
    b->data[b->n - 1][i] = round(64 * b->data[b->n - 1][i]) / 64;
  return x;
}

static ConvCase open_case(const ConvForm *form, int64_t length, bool reverse) {
  ConvCase c = {.t = plan_bed_new((uint64_t)length), .form = form};
  Bed *b = &c.t.b;
  c.t.code = &cuda.code;
  c.axis['B'] = bed_run_axis(b, "B", length > 64 ? 1 : 3);
  c.axis['L'] = bed_run_axis(b, "L", form->most && length > form->most ? form->most : length);
  b->g->syms.v[b->g->syms.n - 1].bound = form->most;
  c.axis['G'] = bed_axis(b, "G", 3);
  c.axis['W'] = bed_axis(b, "W", 16);
  c.axis['H'] = bed_axis(b, "H", length == 7 ? 67 : 5);
  c.u = leaf_of(&c, form->u);
  c.kernel = leaf_of(&c, form->kernel);
  c.x = form->most ? g_binary(b->g, OP_MAX, c.u, g_const(b->g, form->dtype, 0.25))
                   : c.u; // of a 0 that is not there: no 0
  c.y = g_conv(b->g, c.x, c.kernel, c.axis['L'], reverse);
  return c;
}

// ---- kernels that blocks do, of the last plan

static bool (*make)(PlanCode *, const BigsModule *, LKernel *const *, int, BigsKernel **);
static int blocks, walks;

// Loops over all of an axis whose size is known at run time alone, one value after the other.
static int walks_in(const LBody *b) {
  int n = 0;
  for (int i = 0; i < b->n; i++) {
    const LStmt *s = b->v[i];
    n += s->kind == LS_FOR && !s->vec && s->hi->op == L_POLY && !poly_is_const(&s->hi->poly, NULL);
    n += walks_in(&s->body);
  }
  return n;
}

static bool make_and_count(PlanCode *c, const BigsModule *m, LKernel *const *k, int n,
                           BigsKernel **code) {
  blocks = walks = 0;
  for (int i = 0; i < n; i++) {
    blocks += cuda_form(k[i]).tasks == 1;
    walks += walks_in(&k[i]->body);
  }
  return make(c, m, k, n, code);
}

static void count_blocks(void) {
  make = cuda.code.make;
  cuda.code.make = make_and_count;
}

// ---- checks

// All of it at once: y behind a pointwise op, and what comes back to both operands.
static void check_case(const ConvForm *form, int64_t length, bool reverse) {
  ConvCase c = open_case(form, length, reverse);
  Graph *g = c.t.b.g;
  Node *dy = leaf_of(&c, form->u);
  Node *of[] = {c.u, c.kernel}, *grad[2];
  Node *loss = g_reduce(g, OP_SUM, g_binary(g, OP_MUL, c.y, dy), c.y->ax, c.y->nax);
  graph_grad(g, loss, of, 2, grad);
  plan_bed_check1(&c.t, g_unary(g, OP_TANH, c.y), form->name);
  ck_assert_int_eq(blocks, form->tile);
  ck_assert_int_eq(walks, 0);
  plan_bed_check1(&c.t, grad[0], form->name);
  ck_assert_int_eq(blocks, form->tile);
  ck_assert_int_eq(walks, 0);
  plan_bed_check1(&c.t, grad[1], form->name);
  ck_assert_int_eq(blocks, form->tile);
  plan_bed_free(&c.t);
}

START_TEST(convolution_on_the_shim) {
  const ConvForm *form = &forms[_i / (2 * COUNT(lengths))];
  check_case(form, lengths[_i / 2 % COUNT(lengths)], _i % 2);
}
END_TEST

// How many steps y takes of a derived operand where L is `most` at most; *bits: of its values.
static int steps_of(int64_t most, uint64_t *bits) {
  const ConvForm form = {"derived or stored", "BLH", "L", DT_BF16, true, most};
  ConvCase c = open_case(&form, 65, false);
  plan_bed_check1(&c.t, c.y, form.name);
  *bits = c.t.bits;
  plan_bed_free(&c.t);
  return c.t.steps;
}

// It is stored where blocks would derive it again too often.
START_TEST(what_is_cheap_is_derived_by_few_blocks) {
  uint64_t derived, stored;
  ck_assert_int_eq(steps_of(192, &derived), 2); // the kernel behind zeros, the product
  ck_assert_int_eq(steps_of(193, &stored), 3);
  ck_assert(derived == stored);
}
END_TEST

static void check_odd(const ConvForm *form, bool reverse) {
  static const double odd[] = {INFINITY, -INFINITY, NAN};
  ConvCase c = open_case(form, 129, reverse);
  Bed *b = &c.t.b;
  for (int i = 0; i < b->n; i++)
    if (b->leaf[i] == c.u)
      for (int k = 0; k < COUNT(odd); k++)
        b->data[i][(k + 1) * b->size[i] / 4] = odd[k];
  plan_bed_check1(&c.t, c.y, "what is not finite");
  plan_bed_free(&c.t);
}

// It spoils the places that depend on it, and no other.
START_TEST(what_is_not_finite_stays_where_it_is) {
  check_odd(&forms[_i / 2], _i % 2);
}
END_TEST

// ---- the kernel of a state-space model: k[l] = sum over modes of a e^(p l) cos(q l) - b e^(p l) sin(q l)

typedef struct Modes {
  PlanBed t;
  Axis *l;
  Node *of[4], *grad[4], *kernel; // a, b, p, q
} Modes;

static Modes open_modes(int64_t length) {
  Modes m = {.t = plan_bed_new((uint64_t)length)};
  Graph *g = m.t.b.g;
  Axis *n = bed_axis(&m.t.b, "N", 67);
  m.t.code = &cuda.code;
  m.l = bed_run_axis(&m.t.b, "L", length);
  for (int i = 0; i < 4; i++)
    m.of[i] = bed_leaf(&m.t.b, DT_F64, &n, 1, i == 2 ? -0.1 : -3, i == 2 ? -0.01 : 3);
  Node *l = g_cast(g, g_iota(g, m.l), DT_F64), *angle = g_binary(g, OP_MUL, m.of[3], l);
  Node *size = g_unary(g, OP_EXP, g_binary(g, OP_MUL, m.of[2], l)), *part[2];
  for (int i = 0; i < 2; i++) {
    Node *wave = g_binary(g, OP_MUL, size, g_unary(g, i ? OP_SIN : OP_COS, angle));
    part[i] = g_binary(g, OP_MUL, m.of[i], wave);
  }
  Node *sum = g_reduce(g, OP_SUM, g_binary(g, OP_SUB, part[0], part[1]), &n, 1);
  m.kernel = g_cast(g, sum, DT_F32);
  Node *dk = bed_leaf(&m.t.b, DT_F32, &m.l, 1, -1, 1);
  Node *loss = g_reduce(g, OP_SUM, g_binary(g, OP_MUL, m.kernel, dk), &m.l, 1);
  graph_grad(g, loss, m.of, 4, m.grad);
  return m;
}

static void check_modes(int64_t length) {
  Modes m = open_modes(length);
  Output out[4];
  plan_bed_check1(&m.t, m.kernel, "kernel");
  for (int i = 0; i < 4; i++)
    out[i] = plan_bed_output(&m.t, m.grad[i]);
  plan_bed_check(&m.t, BIGS_ENTRY, out, 4, "gradients of modes");
  ck_assert_int_eq(walks, 0);
  ck_assert_int_eq(m.t.steps, 2); // slots of all four sums, and what adds them up
  plan_bed_free(&m.t);
}

START_TEST(modes_on_the_shim) {
  check_modes(lengths[_i]);
}
END_TEST

// ---- all kernels in one compilation

static void compile_all(void) {
  cuda_bed_collect(&cuda);
  count_blocks();
  for (int i = 0; i < COUNT(forms) * 2; i++) {
    check_case(&forms[i / 2], 7, i % 2);
    check_case(&forms[i / 2], 65, i % 2);
  }
  for (int i = 0; i < ODD * 2; i++)
    check_odd(&forms[i / 2], i % 2);
  uint64_t unused;
  steps_of(192, &unused);
  steps_of(193, &unused);
  check_modes(7);
  cuda_bed_compile(&cuda);
  count_blocks();
}

static void remove_all(void) {
  cuda_bed_free(&cuda);
}

Suite *cuda_conv_suite(void) {
  Suite *s = suite_create("cuda_conv");
  TCase *t = tcase_create("cuda_conv");
  suite_add_tcase(s, t);
  if (!cuda_bed_possible("cuda_conv"))
    return s;
  tcase_add_unchecked_fixture(t, compile_all, remove_all);
  tcase_set_timeout(t, 120);
  tcase_add_loop_test(t, convolution_on_the_shim, 0, COUNT(forms) * COUNT(lengths) * 2);
  tcase_add_test(t, what_is_cheap_is_derived_by_few_blocks);
  tcase_add_loop_test(t, modes_on_the_shim, 0, COUNT(lengths));
  tcase_add_loop_test(t, what_is_not_finite_stays_where_it_is, 0, ODD * 2);
  return s;
}
