// Scans as loops: values and gradients of compiled code against the interpreter, at several lengths; as CUDA C++ on the shim.
#include "compiler/driver/pipeline.h"
#include "tests/unit/cuda_bed.h"
#include "tests/unit/suites.h"
#include <string.h>

typedef struct ScanCase {
  const char *name, *text;
} ScanCase;

static const ScanCase cases[] = {
    {"pointwise", "model M(u : [B, L, H]) { a : [H] ~ uniform(0.2, 0.9)\n"
                  " entry y : [B, L, H] = scan[L](s : [B, H] = 0.5) { s = a * s + u\n s * s } }"},
    {"decay that is seen",
     "model M(u : [B, L, H], v : [B, L, H]) {\n"
     " a = 1 / (1 + exp(v))\n"
     " entry y : [B, L, H] = scan[L](s : [B, H] = 0) { s = a * s + (1 - a) * u\n s } }"},
    {"lstm", "model M(x : [B, L, I]) { wi, wf, wo, wc : Linear[I -> H]\n ui, uf, uo, uc : [H, G]\n"
             " pi = wi(x)\n pf = wf(x)\n po = wo(x)\n pc = wc(x)\n"
             " entry y : [B, L, H] = scan[L](h : [B, H] = 0, c : [B, H] = 0) {\n"
             "  c2 = sigmoid(pf + (h @[H] uf)[G as H]) * c + sigmoid(pi + (h @[H] ui)[G as H]) * "
             "tanh(pc + (h @[H] uc)[G as H])\n"
             "  o = sigmoid(po + (h @[H] uo)[G as H])\n"
             "  c = c2\n  h = o * tanh(c)\n  h } }"},
    {"products in the step", "model M(x : [B, L, I]) { w : [I, H]\n u : [H, G]\n"
                             " entry y : [B, L, H] = scan[L](h : [B, H] = 0) {\n"
                             "  h = tanh(x @[I] w + (h @[H] u)[G as H])\n  h } }"},
    {"gated linear recurrence",
     "model M(q : [B, L, N], k : [B, L, N], v : [B, L, H]) { a : [N] ~ uniform(0.5, 0.9)\n"
     " entry y : [B, L, H] = scan[L](s : [B, N, H] = 0) { s = a * s + k @[] v\n q @[N] s } }"},
    {"decay of a key, in pieces",
     "model M(q : [B, L, K], k : [B, L, K], v : [B, L, T, Q], x : [B, L, T, K]) {\n"
     " u : [K]\n a = sigmoid(3 * x)\n"
     " entry y : [B, L, T, Q] = scan[L](s : [B, T, K, Q] = 0.1) {\n"
     "  o = q @[K] (s + (u * k) @[] v)\n  s = a * s + k @[] v\n  o } }"},
    {"diagonal, complex",
     "model M(u : [B, L, H]) { re : [H, N] ~ uniform(0.1, 1)\n im : [N]\n C : c64[H, N]\n"
     " A = exp(-re + 1i * im)\n"
     " entry y : [B, L, H] = real(scan[L](s : c64[B, H, N] = 0) { s = A * s + c64(u)\n sum[N](C * "
     "s) }) }"},
    {"complex result", "model M(u : [B, L, H]) { C : c64[H]\n"
                       " s = scan[L](s : c64[B, H] = 0) { s = 0.5i * s + C * u\n s }\n"
                       " entry y : [B, L, H] = real(s) * imag(s) }"},
    {"gates in one product",
     "model M(x : [B, L, T, H]) { u : [H, T, G]\n"
     " entry y : [B, L, H] = scan[L](h : [B, H] = 0, c : [B, G] = 0) {\n"
     "  a = x[H as G] + 0.1 * h @[H] u\n  c = 0.5 * tanh(a[T = 0]) * c + a[T = 1]\n  h "
     "= tanh(c)[G as H]\n  h } }"},
    {"f64", "model M(x : f64[B, L, I]) { w : f64[I, H]\n u : f64[H, G]\n"
            " entry y : f64[B, L, H] = scan[L](h : f64[B, H] = 0) {\n"
            "  h = tanh(x @[I] w + (h @[H] u)[G as H])\n  h } }"},
    {"states that swap", "model M(x : [B, L, H]) { w : [H]\n"
                         " entry y : [B, L, H] = scan[L](a : [B, H] = 1, b : [B, H] = 0) {\n"
                         "  t = a\n  a = b + x * w\n  b = t\n  a - b * w } }"},
    {"no batch",
     "model M(x : [L, H]) { w : [H, G]\n"
     " entry y : [L, H] = scan[L](h : [H] = 0) { h = tanh(x + (h @[H] w)[G as H])\n h } }"},
    {"one number", "model M(x : [L]) { w : f32\n"
                   " entry y : [L] = scan[L](h : f32 = 0) { h = tanh(x + h * w)\n h } }"},
    {"integers", "model M(x : [B, L, H]) { w : [H, G]\n"
                 " entry y : [B, L, H] = scan[L](h : [B, H] = 0, n : i32[B] = 0) {\n"
                 "  h = h * 0.5 + x * gather[G](w, n)\n  n = argmax[H](h)\n  h } }"},
    {"a flag", "model M(x : [B, L, H]) { w : [H]\n"
               " entry y : [B, L, H] = scan[L](h : [B, H] = 0, odd : bool[B, H] = true) {\n"
               "  h = select(odd, h * 0.5 + x * w, h + w)\n  odd = not odd or x > 0.5\n  h } }"},
    {"softmax in the step",
     "model M(x : [B, L, H]) { w : [H, G]\n"
     " entry y : [B, L, H] = scan[L](h : [B, H] = 0) {\n"
     "  p = exp(h + x - max[H](h + x))\n  h = (p / sum[H](p)) + 0.1 * (h @[H] w)[G as H]\n  h } }"},
    {"a scan in a scan", "model M(x : [B, L, H]) { w : [H]\n"
                         " entry y : [B, L, H] = scan[L](h : [B, H] = 0) {\n"
                         "  c = scan[H](s : [B] = 0) { s = 0.5 * s + tanh(h) * w + x\n s }\n  h = "
                         "0.3 * h + c\n  h * w } }"},
    {"first values that come from outside",
     "model M(x : [B, L, H], h0 : [B, H]) { w : [H]\n"
     " entry y : [B, L, H] = scan[L](h : [B, H] = h0 * w) { h = 0.7 * h + x\n tanh(h) } }"},
    {"several results, and last states",
     "model M(x : [B, L, H], h0 : [B, H]) { w : [H, G]\n"
     " hs, cs = scan[L](h : [B, H] = h0, c : [B, H] = 0) {\n"
     "  c2 = 0.5 * c + x\n  h2 = tanh((c2 @[H] w)[G as H] + h)\n  c = c2\n  h = h2\n  (h2, c2) }\n"
     " entry y : [B, L, H] = hs * cs[L = L - 1] + hs[L = L - 1] }"},
    {"modules in the body", "module Cell(x : [B, I], h : [B, H]) -> [B, H] { a : Linear[I -> H]\n "
                            "b : Linear[H -> H]\n tanh(a(x) + b(h)) }\n"
                            "model M(x : [B, L, I]) { cell : Cell\n entry y : [B, L, H] = "
                            "scan[L](h : [B, H] = 0) { h = cell(x, h)\n h } }"},
    {"decay of a head, in pieces",
     "model M(q : [B, L, K], k : [B, L, K], v : [B, L, T, P], x : [B, L, T]) {\n"
     " a = sigmoid(4 * x) * select(iota[L] == 5, 0, 1)\n w : [T, P]\n"
     " o = scan[L](s : [B, T, K, P] = 0.1) { s = a * s + (x @[] k) @[] v\n q @[K] s + w * v }\n"
     " entry y : [B, L, T, P] = o * o }"},
    {"decay of a head, the last state, and that before",
     "model M(q : [B, L, K], k : [B, L, K], v : [B, L, T, P], x : [B, L, T]) {\n"
     " a : [T] ~ uniform(0.3, 0.9)\n"
     " o, z = scan[L](s : [B, T, K, P] = 0) { o = q @[K] s\n s = s * a + k @[] v / 2\n (o, s) }\n"
     " entry y : [B, L, T, P] = o + sum[K](z[L = L - 1]) }"},
    {"delta rule", "model M(k : [B, L, N], v : [B, L, H], b : [B, L]) { w : [H]\n entry y : [B, L, "
                   "H] = scan[L](s : [B, N, H] = 0) { e = v - k @[N] s\n s = s + (0.1 * b * k) @[] "
                   "e\n (k @[N] s) * w } }"},
    {"delta rule, in pieces",
     "dim W = 67\nmodel M(k : [W, J], v : [W, T, R], x : [W, T]) { w : [J]\n"
     " a = sigmoid(4 * x)\n p = w * k / 4\n"
     " entry y : [W, T, R] = scan[W](s : [T, J, R] = 0.1) {\n"
     "  s = a * s + (x * p) @[] (v - p @[J] s)\n k @[J] s } }"},
    {"gather of weights",
     "model M(x : [B, L, H], i : i32[B, L]) { w : [H, G]\n entry y : [B, L, G] = scan[L](h : [B, "
     "G] = 0) { h = 0.5 * h + gather[H](w, i) * h + 1\n h } }"},
    {"running sums in the step",
     "model M(x : [B, L, H]) { w : [H]\n"
     " entry y : [B, L, H] = scan[L](h : [B, H] = 0) { h = 0.1 * cumsum[H](h * w) + x\n h } }"},
    {"a convolution of the state",
     "model M(x : [B, L, H]) { k : [H]\n"
     " entry y : [B, L, H] = scan[L](h : [B, H] = 0) { h = 0.1 * causal_conv[H](h, k) + x\n h } }"},
    {"a convolution between lanes", "model M(x : [B, L, S, H], k : [S, H]) {\n"
                                    " entry y : [B, L, S, H] = scan[L](h : [B, S, H] = 0) {\n"
                                    "  h = tanh(causal_conv[S](h, k)) + x\n  h * h } }"},
    {"kernels that the state is",
     "model M(x : [B, L, H], z : [B, L, H]) { w : [H]\n"
     " entry y : [B, L, H] = scan[L](h : [B, H] = 0.1) {\n"
     "  h = 0.1 * causal_conv[H](x * w, tanh(h)) + h\n  causal_conv[H](z, h) } }"},
    {"a sorted state", "model M(x : [B, L, H]) { w : [H]\n"
                       " entry y : [B, L, H] = scan[L](h : [B, H] = 0) {\n"
                       "  h = 0.5 * sort[H](h * w) + x\n  h } }"},
    {"the best of a state",
     "model M(x : [B, L, S, H]) { w : [H]\n"
     " entry y : [B, L, H] = scan[L](h : [B, S, H] = 0) {\n"
     "  best = top_k[S, T](tanh(h) * w + x)\n  h = 0.5 * h + best[T = 0] * x\n"
     "  best[T = 1] + f32(arg_top_k[S, T](x + h)[T = 1]) } }"},
    {"every step's number", "model M(x : [B, L, H]) { w : [H]\n"
                            " entry y : [B, L, H] = scan[L](h : [B, H] = 0) {\n"
                            "  h = select(iota[L] > 1, h + x * w, h - x)\n  h } }"},
    {"selective",
     "model M(x : [B, L, H]) { A : [H, N]\n toB, toC : Linear[H -> N]\n d : Linear[H -> H]\n"
     " t = exp(0.3 * d(x))\n"
     " entry y : [B, L, H] = scan[L](h : [B, H, N] = 0) {\n"
     "  h = exp(-t @[] A) * h + (t * x) @[] toB(x)\n  h @[N] toC(x) } }"},
    {"selective, of many features",
     "dim E = 150\nmodel M(x : [B, L, E]) { A : [E, N]\n toB, toC : Linear[E -> N]\n d : [E]\n"
     " t = exp(0.3 * d * x)\n"
     " entry y : [B, L, E] = scan[L](h : [B, E, N] = 0) {\n"
     "  h = exp(-t @[] A) * h + (t * x) @[] toB(x)\n  h @[N] toC(x) } }"},
};
static const int64_t lengths[] = {1, 2, 7, 33};

static Model *model_of(Arena *a, Intern *names, Diags *d, const char *text) {
  const char *whole = arena_printf(
      a,
      "dim H = 20, I = 7, G = H, N = 6, T = 2, K = 9, P = 31, Q = 64, J = 64, R = 128\ndim B, "
      "L <= 64, S\ninit normal(0.3)\n%s\n",
      text);
  Model *m = model_load(a, names, d, "scan.mdl", whole, &(ModelOptions){0});
  ck_assert_msg(!d->errors, "%s", diags_string(a, d, DIAG_TEXT, false));
  return m;
}

static void fill_bed(Bed *t, Graph *g, int64_t length, int64_t batch) {
  t->g = g;
  for (int i = 0; i < g->syms.n; i++)
    t->syms[i] = i == graph_sym(g, "L", 64)           ? length
                 : i == graph_sym(g, "B", 0) && batch ? batch
                                                      : 3;
  for (int i = 0; i < g->inputs.n; i++) {
    bool whole = g->inputs.v[i]->dtype == DT_I32;
    bed_fill(t, g->inputs.v[i]->node, whole ? 0 : -1, whole ? 5 : 1);
  }
  for (int i = 0; i < g->params.n; i++)
    bed_fill(t, g->params.v[i]->node, 0.1, 0.5);
}

typedef struct ScanRun {
  int64_t length, batch; // batch 0: 3
  int threads;           // 0: 2
  bool no_fuse;
  int steps; // PlanOptions.scan_steps
  PlanCode *code;
} ScanRun;

// What was planned.
typedef struct ScanPlan {
  int replays, blocks; // as those of a PlanBed
} ScanPlan;

// The bits of values and gradients.
static uint64_t run_case(const ScanCase *c, ScanRun r, ScanPlan *plan) {
  PlanBed t = plan_bed_new(5);
  Arena *a = t.b.arena;
  Diags d = {.arena = a};
  Build b;
  BuildWant want = {.nentries = -1, .ntrains = -1};
  BuildOptions o = {.opt = 2, .verify = true};
  Intern *names = intern_new(a);
  Model *m = model_of(a, names, &d, c->text);
  ck_assert(build_until(&b, a, names, &d, m, &want, &o, PASS_structure));
  t.no_fuse = r.no_fuse;
  t.code = r.code;
  t.scan_steps = r.steps;
  t.tolerance = 5e-5;
  t.threads = r.threads;
  fill_bed(&t.b, b.graph, r.length, r.batch);
  const char *what = arena_printf(a, "%s, %lld steps", c->name, (long long)r.length);
  plan_bed_check_gradients(&t, &b.entries.v[0], what);
  uint64_t bits = t.bits;
  if (plan)
    *plan = (ScanPlan){t.replays, t.blocks};
  plan_bed_free(&t);
  return bits;
}

static const ScanCase *case_of(const char *name) {
  int i = 0;
  while (strcmp(cases[i].name, name))
    i++;
  return &cases[i];
}

// A model's graph, of loops.
static Graph *loops_of(Bed *t, Build *b, const char *text) {
  Diags d = {.arena = t->arena};
  BuildWant want = {.nentries = -1, .ntrains = -1};
  BuildOptions o = {.opt = 2, .verify = true};
  Intern *names = intern_new(t->arena);
  Model *m = model_of(t->arena, names, &d, text);
  ck_assert(build_until(b, t->arena, names, &d, m, &want, &o, PASS_loops));
  return b->graph;
}

// What a product outside gives is stored for all steps, and not what it is multiplied out to.
START_TEST(outer_products_stay_in_the_step) {
  Bed t = bed_new(7);
  Build b;
  int n, loops = 0;
  Graph *g = loops_of(&t, &b, case_of("selective")->text);
  Node **nodes = graph_reachable(g, &b.entries.v[0].node, 1, &n);
  for (int i = 0; i < n; i++)
    for (int k = 0; nodes[i]->op == OP_LOOP && k < nodes[i]->nin; k++, loops++)
      ck_assert_int_lt(k < nodes[i]->attr.scan->nstate ? 0 : nodes[i]->in[k]->nax, 4);
  ck_assert(loops);
  bed_free(&t);
}
END_TEST

START_TEST(values_and_gradients) {
  run_case(&cases[_i], (ScanRun){.length = lengths[_i % COUNT(lengths)]}, NULL);
  run_case(&cases[_i], (ScanRun){.length = lengths[(_i + 2) % COUNT(lengths)], .no_fuse = true},
           NULL);
}
END_TEST

// More than the bits of a word.
START_TEST(many_scans_in_a_scan) {
  enum { MANY = 66 };
  Arena *a = arena_new();
  const char *inner = "", *sum = "x";
  for (int i = 0; i < MANY; i++) {
    inner = arena_printf(a, "%sa%d = scan[T](t : f32 = 0) { t = 0.5 * t + 0.01 * s * %d\n t }\n",
                         inner, i, i);
    sum = arena_printf(a, "%s + a%d[T = 1]", sum, i);
  }
  ScanCase c = {"many scans in a scan",
                arena_printf(a,
                             "model M(x : [L]) {\n entry y : [L] = scan[L](s : f32 = 0) {\n"
                             " %s s = tanh(%s)\n s } }",
                             inner, sum)};
  run_case(&c, (ScanRun){.length = 2}, NULL);
  arena_free(a);
}
END_TEST

// States that are computed again from the first one of a piece are those of before.
static const char *const replayed[] = {
    "decay that is seen", "diagonal, complex",        "a flag",    "a scan in a scan",
    "delta rule",         "running sums in the step", "selective", "selective, of many features"};

START_TEST(gradients_in_pieces) {
  const ScanCase *c = case_of(replayed[_i]);
  int64_t length = lengths[_i % COUNT(lengths)];
  ScanPlan none, some;
  uint64_t all = run_case(c, (ScanRun){.length = length, .steps = -1}, &none),
           again = run_case(c, (ScanRun){.length = length, .steps = 3}, &some);
  ck_assert_int_eq(none.replays, 0);
  ck_assert_int_gt(some.replays, 0);
  ck_assert_msg(all == again, "%s, %d steps: other bits", c->name, (int)length);
}
END_TEST

// Gradients that are sums over features leave tasks blocks of these.
START_TEST(features_in_blocks) {
  ScanRun r = {.length = 7, .threads = 1};
  ScanPlan plan;
  const ScanCase *c = case_of("selective, of many features");
  uint64_t one = run_case(c, r, &plan);
  ck_assert_int_gt(plan.blocks, 0);
  r.threads = 3;
  ck_assert(run_case(c, r, NULL) == one);
  run_case(case_of("selective"), r, &plan);
  ck_assert_int_eq(plan.blocks, 0);
}
END_TEST

// Products with weights take blocks of 8 rows, or fewer: the last one is not whole.
static const char *const in_blocks[] = {"lstm", "gates in one product", "products in the step",
                                        "modules in the body"};

START_TEST(rows_in_blocks) {
  const ScanCase *c = case_of(in_blocks[_i]);
  ScanRun r = {.length = 3, .batch = 11, .threads = 1};
  uint64_t one = run_case(c, r, NULL);
  r.threads = 3;
  ck_assert(run_case(c, r, NULL) == one);
}
END_TEST

// ---- as CUDA C++

// The last ones have what no model of the zoo has; BIGSC_FULL=1: all.
enum { OF_THEIR_OWN = 9 };
static CudaBed cuda;

static int first_on_the_shim(void) {
  return suites_full() ? 0 : COUNT(cases) - OF_THEIR_OWN;
}

static void compile_all(void) {
  cuda_bed_collect(&cuda);
  for (int i = first_on_the_shim(); i < COUNT(cases); i++)
    run_case(&cases[i], (ScanRun){.length = 1, .steps = 3, .code = &cuda.code}, NULL);
  cuda_bed_compile(&cuda);
}

static void remove_all(void) {
  cuda_bed_free(&cuda);
}

START_TEST(on_the_shim) {
  ScanRun r = {.length = lengths[(_i + 1) % COUNT(lengths)], .steps = 3, .code = &cuda.code};
  run_case(&cases[_i], r, NULL);
}
END_TEST

static void add_shim(Suite *s) {
  TCase *t = tcase_create("cuda");
  if (!cuda_bed_possible("scans"))
    return;
  tcase_add_unchecked_fixture(t, compile_all, remove_all);
  tcase_set_timeout(t, 60);
  tcase_add_loop_test(t, on_the_shim, first_on_the_shim(), COUNT(cases));
  suite_add_tcase(s, t);
}

// ---- linear recurrences in pieces, against the plain loop, by the interpreter in f64; constants
// are exact in f32, to which folding rounds them

static const char *const linear[] = {
    // decays of 0, and of 30 orders of magnitude
    "model M(q : [B, L, K], k : [B, L, K], v : [B, L, T, P], x : [B, L, T]) {\n"
    " a = select(iota[L] == 17, 0, exp(-70 * x * x))\n"
    " entry y : [B, L, T, P] = scan[L](s : [B, T, K, P] = 0.125) { s = a * s + k @[] v\n q @[K] s "
    "} "
    "}",
    // negative ones and ones that grow; the state before its step, and the last one
    "model M(q : [B, L, K], k : [B, L, K], v : [B, L, P], x : [B, L], s0 : [B, K, P]) {\n"
    " w : [P]\n"
    " o, z = scan[L](s : [B, K, P] = s0) {\n"
    "  e = q @[K] s\n s = (s - k @[] v) * (8 * x) / 4 + s / 8\n (e * v + sum[K](s * k), s) }\n"
    " entry y : [B, L, P] = o * w + sum[K](z[L = L - 1]) }",
    // keys of a head, one decay for all steps
    "model M(q : [L, T, K], k : [L, T, K], v : [L, T, P]) { a : [T]\n"
    " entry y : [L, T, P] = scan[L](s : [T, K, P] = 0) { s = a * s + k @[] (0.5 * v)\n "
    "q @[K] s } }",
};
static const int64_t piece_lengths[] = {1, 15, 16, 17, 40};

// decays that differ along the keys
static const char *const keyed[] = {
    // of all orders of magnitude, 0, negative; the state behind its step; one vector for all heads
    "model M(q : [B, L, T, K], k : [B, L, T, K], v : [B, L, T, Q], x : [B, L, K]) {\n"
    " a = select(iota[L] == 17, 0, 2 * x * exp(-40 * x * x * x * x))\n"
    " o = scan[L](s : [B, Q, K, T] = 0.125) { s = a * s + k @[] v\n q @[K] s }\n"
    " entry y : [B, L, T, Q] = o[L = L - 1] * o }",
    // that of all steps, a bonus for the present key, a first state and the last one, both ways to read
    "model M(q : [B, L, K], k : [B, L, K], v : [B, L, Q], s0 : [B, K, Q]) { a, u : [K]\n w : [Q]\n"
    " o, z = scan[L](s : [B, K, Q] = s0) {\n"
    "  e = (w * s + (u * k) @[] v) @[K] q\n  s = s - a * s + k @[] v\n  (e + s @[K] q / 2, s) }\n"
    " entry y : [B, L, Q] = o * o + sum[K](z[L = L - 1]) }",
    // above 1; from the end to the start
    "model M(q : [L, K], k : [L, K], v : [L, Q], x : [L, K]) {\n"
    " kr = flip[L](k)\n vr = flip[L](v)\n qr = flip[L](q)\n a = 1.5 * flip[L](x)\n"
    " entry y : [L, Q] = flip[L](scan[L](s : [K, Q] = 0) { s = a * s + kr @[] vr\n qr @[K] s }) }",
};
// states that are read for what is written: the delta rule
static const char *const solved[] = {
    // as it is written, with decays of 0, and negative, and rates above 1; a first state and the last one
    "model M(q : [B, L, H], k : [B, L, J], v : [B, L, R], x : [B, L], s0 : [B, J, R]) { w : [H, "
    "J]\n"
    " b = x / 8\n a = select(iota[L] == 17, 0, 1.5 * x * x - 0.5)\n p = q @[H] w\n"
    " o, z = scan[L](s : [B, J, R] = s0) {\n"
    "  d = a * s\n s = d + (b * k) @[] (v - k @[J] d)\n (p @[J] s, s) }\n"
    " entry y : [B, L, R] = o * o + sum[J](z[L = L - 1]) }",
    // without decay, for heads; what was read is a value, too
    "model M(k : [L, T, J], v : [L, T, R], b : [L, T]) {\n"
    " entry y : [L, T, R] = scan[L](s : [T, J, R] = 0) {\n"
    "  e = v - (k @[J] s) / 4\n  s = s - b / 8 * k @[] e\n  e * v } }",
};
static const int64_t keyed_lengths[] = {1, 31, 32, 33, 67}, solved_lengths[] = {1, 63, 64, 65, 131};

static int fired(const RewriteStats *s, const char *rule) {
  for (int i = 0; rule_name(i); i++)
    if (!strcmp(rule_name(i), rule))
      return s->fired[i];
  return 0;
}

static void same_in_pieces(Bed *t, Node *loss, const char *what) {
  Graph *g = t->g;
  RewriteStats stats = {0};
  Node *in_pieces = loss, **wrt;
  int n;
  graph_rewrite(g, RULES_TRAIN | RULES_SIMPLIFY, &in_pieces, 1, &stats);
  ck_assert_msg(fired(&stats, "chunk_recurrence") == 1, "%s is not taken in pieces", what);
  plan_bed_leaves(g, &loss, t->arena, &wrt, &n);
  Node **plain = NEWN(t->arena, Node *, n + 1), **grad = NEWN(t->arena, Node *, n + 1);
  graph_grad(g, loss, wrt, n, plain);
  graph_grad(g, in_pieces, wrt, n, grad);
  bed_same(t, loss, in_pieces, 1e-11, what);
  for (int i = 0; i < n; i++)
    bed_same(t, plain[i], grad[i], 1e-11, what);
}

static void run_linear(const char *text, int64_t length) {
  Bed t = bed_new(7);
  Build b;
  Graph *g = loops_of(&t, &b, text);
  fill_bed(&t, g, length, 0);
  same_in_pieces(&t, plan_bed_loss(g, b.entries.v[0].node),
                 arena_printf(t.arena, "%s, %lld steps", text, (long long)length));
  bed_free(&t);
}

START_TEST(pieces_are_the_plain_loop) {
  for (int i = 0; i < COUNT(linear); i++)
    run_linear(linear[i], piece_lengths[_i]);
}
END_TEST

START_TEST(pieces_of_keys_are_the_plain_loop) {
  for (int i = 0; i < COUNT(keyed); i++)
    run_linear(keyed[i], keyed_lengths[_i]);
}
END_TEST

START_TEST(pieces_that_are_solved_are_the_plain_loop) {
  for (int i = 0; i < COUNT(solved); i++)
    run_linear(solved[i], solved_lengths[_i]);
}
END_TEST

// What the gradient needs of a short loop that starts with numbers is not stored at all.
START_TEST(weights_of_keys_are_computed_again) {
  ScanPlan plan;
  run_case(case_of("decay of a key, in pieces"), (ScanRun){.length = 33}, &plan);
  ck_assert_int_eq(plan.replays, 1);
}
END_TEST

static void add_pieces(Suite *s) {
  TCase *t = tcase_create("pieces");
  tcase_set_timeout(t, 60);
  tcase_add_loop_test(t, pieces_are_the_plain_loop, 0, COUNT(piece_lengths));
  tcase_add_loop_test(t, pieces_of_keys_are_the_plain_loop, 0, COUNT(keyed_lengths));
  tcase_add_loop_test(t, pieces_that_are_solved_are_the_plain_loop, 0, COUNT(solved_lengths));
  tcase_add_test(t, weights_of_keys_are_computed_again);
  suite_add_tcase(s, t);
}

Suite *scans_suite(void) {
  Suite *s = suite_create("scans");
  TCase *t = tcase_create("scans");
  tcase_set_timeout(t, 60);
  tcase_add_loop_test(t, values_and_gradients, 0, COUNT(cases));
  tcase_add_test(t, outer_products_stay_in_the_step);
  tcase_add_test(t, many_scans_in_a_scan);
  tcase_add_loop_test(t, rows_in_blocks, 0, COUNT(in_blocks));
  tcase_add_test(t, features_in_blocks);
  tcase_add_loop_test(t, gradients_in_pieces, 0, COUNT(replayed));
  suite_add_tcase(s, t);
  add_pieces(s);
  add_shim(s);
  return s;
}
