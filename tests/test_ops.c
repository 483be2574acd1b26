// Every row of the op table, on small instances: shape rules by the verifier, values against the
// definitions of op_reference.c, gradients against central differences in float64 for losses that
// weigh the result fully, partly or not at all.  A row without an instance fails.
#include "tests/op_reference.h"
#include "tests/suites.h"
#include <math.h>
#include <string.h>

// ---- instances: axes by letters, one function a family

typedef struct Case {
  Bed b;
  int op, variant;
  Axis *named[128];
} Case;

// A2 B3 C4 D2 one-letter axes of constant extent; S = 6 splits into P = 2 and Q = 3; L, M = 5 are
// one run-time size.
static void open_case(Case *c, int op, int variant) {
  static const struct {
    const char *name;
    int extent;
  } axes[] = {{"A", 2}, {"B", 3}, {"C", 4}, {"D", 2}, {"K", 4},
              {"P", 2}, {"Q", 3}, {"S", 6}, {"X", 2}, {"Y", 7}};
  memset(c, 0, sizeof *c);
  c->b = bed_new((uint64_t)(op * 100 + variant));
  c->op = op;
  c->variant = variant;
  for (int i = 0; i < COUNT(axes); i++)
    c->named[(int)*axes[i].name] = bed_axis(&c->b, axes[i].name, axes[i].extent);
  c->named['L'] = bed_run_axis(&c->b, "L", 5);
  c->named['M'] = graph_axis(c->b.g, "M", 1, c->named['L']->extent);
}

typedef struct List {
  Axis *v[MAX_AXES];
  int n;
} List;

static List list(Case *c, const char *letters) {
  List l = {.n = (int)strlen(letters)};
  for (int i = 0; i < l.n; i++)
    l.v[i] = c->named[(int)letters[i]];
  return l;
}

static Axis *axis(Case *c, char letter) {
  return c->named[(int)letter];
}

static Node *leaf(Case *c, DType t, const char *letters, double lo, double hi) {
  List l = list(c, letters);
  return bed_leaf(&c->b, t, l.v, l.n, lo, hi);
}

static Node *values(Case *c, const char *letters) {
  return leaf(c, DT_F64, letters, -2, 2);
}

// Where the operands' values lie: in [-2, 2) but for what the op's flags say.
static Node *operand(Case *c, DType t, const char *letters, int i) {
  int flags = op_flags(c->op);
  if (i == 0 && (flags & F_POSITIVE))
    return leaf(c, t, letters, 0.3, 2);
  if (i == 1 && (flags & F_NONZERO))
    return leaf(c, t, letters, 0.5, 2);
  return leaf(c, t, letters, -2, 2);
}

static DType operand_dtype(int op, int i, int variant) {
  static const DType cast_from[] = {DT_F64, DT_F64, DT_F64, DT_I32, DT_BOOL, DT_F32, DT_BF16};
  if (op == OP_CAST)
    return cast_from[variant];
  if (op == OP_NOT || op == OP_AND || op == OP_OR || (op == OP_SELECT && i == 0))
    return DT_BOOL;
  return op == OP_EQ || op == OP_NE ? DT_I32 : DT_F64;
}

static Node *make_pointwise(Case *c) {
  static const char *const sets[][3] = {{"AB", "AB", "AB"}, {"AB", "B", "A"},   {"A", "AB", ""},
                                        {"", "AC", "C"},    {"AC", "BC", "AB"}, {"BL", "", "AB"},
                                        {"", "", ""}};
  static const DType cast_to[] = {DT_F32, DT_I32, DT_BOOL, DT_F64, DT_F64, DT_F64, DT_F32};
  Node *in[3];
  if (c->variant >= COUNT(sets))
    return NULL;
  for (int i = 0; i < op_arity(c->op); i++)
    in[i] = operand(c, operand_dtype(c->op, i, c->variant), sets[c->variant][i], i);
  DType t = c->op == OP_CAST ? cast_to[c->variant] : (DType)in[0]->dtype;
  return g_node(c->b.g, c->op, t, in, op_arity(c->op), NULL);
}

static Node *make_leaf(Case *c) {
  static const double table[3] = {1.5, -2, 0.25};
  Graph *g = c->b.g;
  List l = list(c, c->variant ? "LA" : "");
  if (c->variant > 1)
    return NULL;
  switch (c->op) {
  case OP_INPUT:
    return values(c, c->variant ? "LA" : "");
  case OP_PARAM: {
    Param *p = NEW(c->b.arena, Param);
    *p = (Param){.path = "weight", .dtype = c->variant ? DT_C128 : DT_F64, .nax = l.n, .ax = l.v};
    p->pair = c->variant ? axis(c, 'X') : NULL;
    return bed_fill(&c->b, g_param(g, p), -2, 2);
  }
  case OP_CONST:
    return g_full(g, DT_F64, -3.25, l.v, l.n);
  case OP_TABLE:
    return g_table(g, DT_F64, axis(c, 'B'), table);
  case OP_IOTA:
    return g_iota(g, axis(c, c->variant ? 'L' : 'C'));
  case OP_EXTENT:
    return g_extent(g, DT_F64, axis(c, c->variant ? 'L' : 'C')->extent);
  case OP_RANDOM:
    return g_random(g, 77, l.v, l.n);
  default:
    return NULL;
  }
}

static Node *make_reduce(Case *c) {
  static const char *const over[] = {"B", "CA", "LABC", "L"};
  if (c->variant >= COUNT(over))
    return NULL;
  List l = list(c, over[c->variant]);
  Node *x = values(c, "ALBC");
  return c->op == OP_ARGMAX ? g_argmax(c->b.g, x, l.v[0])
                            : g_reduce(c->b.g, (Op)c->op, x, l.v, l.n);
}

static Node *make_contract(Case *c) {
  static const char *const sets[][3] = {{"AB", "BC", "B"},  {"AB", "BC", ""}, {"LAB", "LBC", "B"},
                                        {"AB", "BA", "AB"}, {"A", "BC", ""},  {"ABC", "CB", "BC"},
                                        {"LB", "LC", "L"},  {"", "AB", ""},   {"ABL", "AL", "L"},
                                        {"", "", ""}};
  if (c->variant >= COUNT(sets))
    return NULL;
  const char *const *s = sets[c->variant];
  List over = list(c, s[2]);
  return g_contract(c->b.g, values(c, s[0]), values(c, s[1]), over.v, over.n);
}

// Index along K, the other operand, and (scatter) the axes kept.
static Node *make_gather(Case *c) {
  static const char *const gathers[][2] = {
      {"B", "KA"}, {"AB", "KA"}, {"", "AK"}, {"KB", "KA"}, {"LA", "AK"}};
  static const char *const scatters[][3] = {{"B", "BA", "A"},  {"AB", "B", "A"}, {"AB", "ABC", ""},
                                            {"KB", "KA", "A"}, {"", "A", "A"},   {"B", "A", "BA"},
                                            {"LA", "L", ""}};
  bool scatter = c->op == OP_SCATTER;
  if (c->variant >= (scatter ? COUNT(scatters) : COUNT(gathers)))
    return NULL;
  const char *const *s = scatter ? scatters[c->variant] : gathers[c->variant];
  Node *i = leaf(c, DT_I32, s[0], 0, 4), *x = values(c, s[1]);
  if (!scatter)
    return g_gather(c->b.g, x, i, axis(c, 'K'));
  List keep = list(c, s[2]);
  return g_scatter(c->b.g, i, x, axis(c, 'K'), keep.v, keep.n);
}

static Node *make_resized(Case *c) {
  Graph *g = c->b.g;
  Poly one = poly_const(1), two = poly_const(2), len = axis(c, 'L')->extent;
  Axis *shorter = graph_axis(g, "shorter", 0, poly_sub(len, one)),
       *longer = graph_axis(g, "longer", 0, poly_add(len, two));
  Node *x = values(c, "ALC");
  if (c->op == OP_SLICE)
    return c->variant ? g_slice(g, x, axis(c, 'L'), one, len, shorter)
                      : g_slice(g, x, axis(c, 'C'), one, poly_const(3), axis(c, 'X'));
  if (c->op == OP_INDEX)
    return c->variant ? g_index(g, x, axis(c, 'L'), poly_sub(len, one))
                      : g_index(g, x, axis(c, 'C'), two);
  return c->variant ? g_pad(g, x, axis(c, 'L'), two, longer)
                    : g_pad(g, x, axis(c, 'C'), one, axis(c, 'Y'));
}

static Node *make_renamed(Case *c) {
  List x = list(c, c->variant ? "ADL" : "ALD"), from = list(c, c->variant ? "DA" : "AL"),
       to = list(c, c->variant ? "AD" : "XM");
  return g_rename(c->b.g, bed_leaf(&c->b, DT_F64, x.v, x.n, -2, 2), from.v, to.v, 2);
}

static Node *make_concat(Case *c) {
  Graph *g = c->b.g;
  Axis *one = bed_axis(&c->b, "one", 1);
  if (c->variant)
    return g_concat(g, (Node *[]){values(c, "AL"), values(c, "LA"), values(c, "LA")},
                    (Axis *[]){axis(c, 'A'), axis(c, 'A'), axis(c, 'A')}, 3, axis(c, 'S'));
  Node *x = values(c, "L"), *wide = g_expand(g, x, &one, 1);
  return g_concat(g, (Node *[]){wide, wide, values(c, "XL")}, (Axis *[]){one, one, axis(c, 'X')}, 3,
                  axis(c, 'C'));
}

static Node *make_index(Case *c) {
  Graph *g = c->b.g;
  List parts = list(c, "PQ"), flips = list(c, c->variant ? "AL" : "B");
  if (c->variant > 1)
    return NULL;
  switch (c->op) {
  case OP_RENAME:
    return make_renamed(c);
  case OP_SPLIT:
    return g_split(g, values(c, c->variant ? "S" : "ASL"), axis(c, 'S'), parts.v, 2);
  case OP_MERGE:
    return g_merge(g, values(c, c->variant ? "PQ" : "QAPL"), parts.v, 2, axis(c, 'S'));
  case OP_FLIP:
    return g_flip(g, values(c, "ALB"), flips.v, flips.n);
  case OP_CONCAT:
    return make_concat(c);
  default:
    return make_resized(c);
  }
}

static Node *make_conv(Case *c) {
  static const char *const convs[][2] = {{"LA", "L"}, {"ALB", "LB"}, {"C", "C"}};
  static const char *const grads[][3] = {
      {"LA", "LA", ""}, {"LA", "LA", "A"}, {"L", "LA", "A"}, {"LAB", "AL", "B"}};
  bool grad = c->op == OP_CONV_GRAD, reverse = c->variant & 1;
  int v = c->variant / 2;
  if (v >= (grad ? COUNT(grads) : COUNT(convs)))
    return NULL;
  if (!grad)
    return g_conv(c->b.g, values(c, convs[v][0]), values(c, convs[v][1]), axis(c, *convs[v][1]),
                  reverse);
  List keep = list(c, grads[v][2]);
  return g_conv_grad(c->b.g, values(c, grads[v][0]), values(c, grads[v][1]), axis(c, 'L'), keep.v,
                     keep.n, reverse);
}

// Queries along C, keys along L, depth D, batch A and B.
static Node *make_attention(Case *c) {
  static const struct {
    const char *q, *k, *v, *mask, *bias, *w;
    double rate;
  } sets[] = {
      {"CD", "LD", "LD", NULL, NULL, "CL", 0},         {"ACD", "ALD", "ALD", "AL", NULL, "ACL", 0},
      {"ACBD", "ALBD", "ALBX", "AL", "CL", "CALB", 0}, {"ACD", "LD", "LX", "A", "AL", "LCA", 0.4},
      {"CD", "ALD", "LAX", NULL, "", "ACL", 0.4},
  };
  if (c->variant >= COUNT(sets))
    return NULL;
  Graph *g = c->b.g;
  Node *in[5] = {values(c, sets[c->variant].q), values(c, sets[c->variant].k),
                 values(c, sets[c->variant].v)};
  const char *mask = sets[c->variant].mask, *bias = sets[c->variant].bias;
  List w = list(c, sets[c->variant].w);
  in[3] = mask ? leaf(c, DT_BOOL, mask, 0, 1) : g_const(g, DT_BOOL, 1);
  in[4] = bias ? values(c, bias) : g_const(g, DT_F64, 0);
  Node *y =
      g_attention(g, in, axis(c, 'L'), axis(c, 'D'), 0.7, sets[c->variant].rate, 99, w.v, w.n);
  if (c->op == OP_ATTENTION_LSE)
    return g_attention_lse(g, y);
  if (c->op == OP_ATTENTION_GRAD) {
    Attr at = y->attr;
    Node *all[8] = {in[0], in[1], in[2], in[3], in[4], y, g_attention_lse(g, y), y};
    at.i0 = c->variant % 4;
    return g_node(g, OP_ATTENTION_GRAD, DT_F64, all, 8, &at);
  }
  return y;
}

// x = p x + u w, first 0.5; result x w
static Node *make_scan(Case *c) {
  Graph *g = c->b.g;
  List ab = list(c, "AB"), a = list(c, "A");
  if (c->variant > 1)
    return NULL;
  char along = c->variant ? 'C' : 'K';
  Node *u = values(c, c->variant ? "CA" : "AKB"), *w = values(c, "B"),
       *p = values(c, c->variant ? "A" : "");
  List seen = c->variant ? a : ab;
  Node *x = g_state(g, DT_F64, "x", ab.v, ab.n), *at = g_state(g, DT_F64, "u", seen.v, seen.n);
  Node *next = g_binary(g, OP_ADD, g_binary(g, OP_MUL, p, x), g_binary(g, OP_MUL, at, w));
  Node *first = g_const(g, DT_F64, 0.5);
  return g_scan(g, &(Scan){.axis = axis(c, along),
                           .nstate = 1,
                           .nseen = 1,
                           .first = &first,
                           .state = &x,
                           .next = &next,
                           .seen = &u,
                           .seen_leaf = &at,
                           .result = g_binary(g, OP_MUL, next, w)});
}

static Node *make(Case *c) {
#define OP(id, name, arity, flags, family) [OP_##id] = make_##family,
  static Node *(*const of[OP_COUNT])(Case *) = {
#include "graph/ops.def"
  };
#undef OP
  return of[c->op](c);
}

// ---- checks

static char *label(Case *c, const char *what) {
  return arena_printf(c->b.arena, "%s, instance %d, %s", op_name(c->op), c->variant, what);
}

static void check_values(Case *c, Node *n) {
  const double *v = bed_value(&c->b, n);
  Place p = {{0}};
  int64_t size = bed_size(&c->b, n->ax, n->nax);
  for (int64_t k = 0; k < size; k++) {
    int64_t rest = k;
    for (int i = n->nax - 1; i >= 0; i--) {
      int64_t extent = poly_eval(&n->ax[i]->extent, c->b.syms);
      p.at[n->ax[i]->id] = rest % extent;
      rest /= extent;
    }
    double expected = reference_value(&c->b, n, p);
    if (isnan(expected))  // the op has no second definition: its gradient and the compiled code are checked all the same
      expected = v[k];
    ck_assert_msg(fabs(v[k] - expected) <= 1e-12 * (1 + fabs(expected)),
                  "%s: element %lld is %.17g, not %.17g", label(c, "value"), (long long)k, v[k],
                  expected);
  }
}

// loss = sum of y times random weights with the first, the last, all or none of y's axes
static void check_gradient(Case *c, Node *y) {
  Graph *g = c->b.g;
  int leaves = c->b.n;
  static const char *const names[] = {"unweighted", "weighted", "weighted along the first axis",
                                      "weighted along the last axis"};
  if (node_is(y, OP_SCAN) || (c->op == OP_SCAN)) {
    Node *at;
    ck_assert_msg(graph_unroll_scans(g, &y, 1, 8, &at), "%s", label(c, "unrolling"));
  }
  for (int weight = 0; weight < (y->nax ? 4 : 2); weight++) {
    Axis *const *ax = weight == 3 ? y->ax + y->nax - 1 : y->ax;
    Node *loss = y;
    c->b.n = leaves + weight; // names of leaves must differ
    if (weight) {
      c->b.n--;
      loss = g_binary(g, OP_MUL, y,
                      bed_leaf(&c->b, (DType)y->dtype, ax, weight == 1 ? y->nax : 1, -2, 2));
    }
    loss = y->nax ? g_reduce(g, OP_SUM, loss, y->ax, y->nax) : loss;
    bed_check_grads(&c->b, loss, label(c, names[weight]));
  }
}

static bool has_values(int op) {
  return op != OP_ATTENTION_GRAD && op != OP_SCAN;
}

START_TEST(op_matches_its_definition) {
  int op = _i, variant = 0;
  Case c;
  for (;; variant++) {
    open_case(&c, op, variant);
    Node *y = make(&c);
    if (!y)
      break;
    const char *wrong = graph_verify(c.b.g, &y, 1);
    ck_assert_msg(!wrong, "%s: %s", label(&c, "verifier"), wrong);
    if (has_values(op))
      check_values(&c, y);
    else
      bed_value(&c.b, y);
    if (!(op_flags(op) & F_NOGRAD) && dtype_is_float((DType)y->dtype))
      check_gradient(&c, y);
    bed_free(&c.b);
  }
  bed_free(&c.b);
  // A state has a value within its scan only.
  ck_assert_msg(variant > 0 || op == OP_STATE, "%s has no instance in the tests", op_name(op));
}
END_TEST

START_TEST(op_names_are_found) {
  for (int i = 0; i < OP_COUNT; i++)
    ck_assert_int_eq(op_by_name(op_name(i)), i);
  ck_assert_int_eq(op_by_name("no such op"), -1);
}
END_TEST

// ---- values that the table's instances do not reach

static double scalar(Bed *b, Node *n) {
  ck_assert_int_eq(n->nax, 0);
  return *bed_value(b, n);
}

START_TEST(integers_wrap_and_casts_saturate) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Node *big = g_const(g, DT_I32, INT32_MAX), *two = g_const(g, DT_I32, 2);
  ck_assert_double_eq(scalar(&b, g_binary(g, OP_ADD, big, two)), (double)INT32_MIN + 1);
  ck_assert_double_eq(scalar(&b, g_binary(g, OP_MUL, big, big)), 1);
  ck_assert_double_eq(scalar(&b, g_cast(g, g_const(g, DT_F64, 1e12), DT_I32)), INT32_MAX);
  ck_assert_double_eq(scalar(&b, g_cast(g, g_const(g, DT_F64, -2.9), DT_I32)), -2);
  ck_assert_double_eq(scalar(&b, g_cast(g, g_const(g, DT_F64, NAN), DT_I32)), 0);
  ck_assert_double_eq(scalar(&b, g_cast(g, g_const(g, DT_F64, 0.1), DT_BOOL)), 1);
  bed_free(&b);
}
END_TEST

START_TEST(argmax_takes_the_first_of_equals) {
  Bed b = bed_new(1);
  static const double v[4] = {1, 3, 3, 2};
  Axis *a = bed_axis(&b, "A", 4);
  ck_assert_double_eq(scalar(&b, g_argmax(b.g, g_table(b.g, DT_F64, a, v), a)), 1);
  bed_free(&b);
}
END_TEST

START_TEST(ties_share_the_gradient) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Axis *a = bed_axis(&b, "A", 4);
  Node *x = bed_leaf(&b, DT_F64, &a, 1, 0, 1), *y = bed_leaf(&b, DT_F64, &a, 1, 0, 1), *grad[2];
  static const double v[4] = {1, 3, 3, 2}, w[4] = {1, 0, 3, 5};
  memcpy(b.data[0], v, sizeof v);
  memcpy(b.data[1], w, sizeof w);
  graph_grad(g, g_reduce(g, OP_RMAX, x, &a, 1), &x, 1, grad);
  const double *d = bed_value(&b, grad[0]);
  static const double shared[4] = {0, 0.5, 0.5, 0}, of_x[4] = {0.5, 1, 0.5, 0};
  for (int i = 0; i < 4; i++)
    ck_assert_double_eq(d[i], shared[i]);
  graph_grad(g, g_reduce(g, OP_SUM, g_binary(g, OP_MAX, x, y), &a, 1), (Node *[]){x, y}, 2, grad);
  for (int i = 0; i < 4; i++) {
    ck_assert_double_eq(bed_value(&b, grad[0])[i], of_x[i]);
    ck_assert_double_eq(bed_value(&b, grad[1])[i], 1 - of_x[i]);
  }
  bed_free(&b);
}
END_TEST

START_TEST(power_of_a_negative_base) {
  Bed b = bed_new(1);
  Axis *a = bed_axis(&b, "A", 4);
  Node *x = bed_leaf(&b, DT_F64, &a, 1, -2, -1);
  Node *cube = g_binary(b.g, OP_POW, x, g_const(b.g, DT_F64, 3));
  bed_check_grads(&b, g_reduce(b.g, OP_SUM, cube, &a, 1), "x^3");
  bed_free(&b);
}
END_TEST

START_TEST(indices_out_of_range_are_errors_with_a_place) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Axis *a = bed_axis(&b, "A", 4), *n = bed_axis(&b, "N", 3);
  Source *src = source_new(b.arena, "bert.mdl", "one\ntwo three\n", 14);
  Node *x = bed_leaf(&b, DT_F64, &a, 1, 0, 1), *i = bed_leaf(&b, DT_I32, &n, 1, 0, 4);
  g->span = (Span){src, 8, 13};
  Node *y = g_gather(g, x, i, a), *s = g_scatter(g, i, g_const(g, DT_F64, 1), a, NULL, 0);
  ck_assert_ptr_null(bed_error(&b, y));
  b.data[1][2] = 4;
  ck_assert_str_eq(bed_error(&b, y), "bert.mdl:2:5: index 4 is outside of A, which has 4 elements");
  b.data[1][2] = -1;
  ck_assert_str_eq(bed_error(&b, s),
                   "bert.mdl:2:5: index -1 is outside of A, which has 4 elements");
  bed_free(&b);
}
END_TEST

START_TEST(unbound_leaves_and_sizes_that_do_not_fit_are_errors) {
  Bed b = bed_new(1);
  Graph *g = b.g;
  Axis *l = bed_run_axis(&b, "L", 2), *to = bed_axis(&b, "T", 3), *over = bed_axis(&b, "over", 4);
  Node *x = bed_leaf(&b, DT_F64, &l, 1, 0, 1);
  ck_assert_ptr_nonnull(bed_error(&b, g_input(g, "absent", DT_F64, NULL, 0)));
  Node *y = g_slice(g, x, l, poly_const(0), poly_const(3), to),
       *p = g_pad(g, x, l, poly_const(1), over);
  ck_assert_str_eq(bed_error(&b, y), "[0, 3) is outside of L, which has 2 elements");
  ck_assert_ptr_null(bed_error(&b, p));
  b.syms[0] = 5;
  ck_assert_ptr_nonnull(bed_error(&b, p));
  bed_free(&b);
}
END_TEST

START_TEST(random_draws_depend_on_seed_step_site_and_element) {
  Bed b = bed_new(1);
  Axis *a = bed_axis(&b, "A", 1000), *c = bed_axis(&b, "C", 2);
  Node *r = g_random(b.g, 5, (Axis *[]){a, c}, 2), *other = g_random(b.g, 6, (Axis *[]){a, c}, 2);
  const double *x = bed_value(&b, r), *y = bed_value(&b, other);
  double mean = 0;
  int equal = 0;
  for (int i = 0; i < 2000; i++) {
    ck_assert(x[i] > 0 && x[i] < 1);
    mean += x[i] / 2000;
    equal += x[i] == y[i];
  }
  ck_assert(fabs(mean - 0.5) < 0.03);
  ck_assert_int_lt(equal, 5);
  b.step++;
  ck_assert_double_ne(bed_value(&b, r)[0], x[0]);
  bed_free(&b);
}
END_TEST

Suite *ops_suite(void) {
  Suite *s = suite_create("ops");
  TCase *t = tcase_create("ops");
  tcase_set_timeout(t, 60);
  tcase_add_loop_test(t, op_matches_its_definition, 0, OP_COUNT);
  tcase_add_test(t, op_names_are_found);
  tcase_add_test(t, integers_wrap_and_casts_saturate);
  tcase_add_test(t, argmax_takes_the_first_of_equals);
  tcase_add_test(t, ties_share_the_gradient);
  tcase_add_test(t, power_of_a_negative_base);
  tcase_add_test(t, indices_out_of_range_are_errors_with_a_place);
  tcase_add_test(t, unbound_leaves_and_sizes_that_do_not_fit_are_errors);
  tcase_add_test(t, random_draws_depend_on_seed_step_site_and_element);
  suite_add_tcase(s, t);
  return s;
}
