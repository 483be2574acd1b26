// See op_cases.h.
#include "tests/unit/op_cases.h"
#include <string.h>

// ---- instances: axes by letters, one function a family

// A2 B3 C4 D2 one-letter axes of constant extent; S = 6 splits into P = 2 and Q = 3; L, M = 5 are
// one run-time size.
void op_case_open(OpCase *c, int op, int variant, DType real) {
  static const struct {
    const char *name;
    int extent;
  } axes[] = {{"A", 2}, {"B", 3}, {"C", 4}, {"D", 2}, {"K", 4},
              {"P", 2}, {"Q", 3}, {"S", 6}, {"X", 2}, {"Y", 7}};
  memset(c, 0, sizeof *c);
  c->b = bed_new((uint64_t)(op * 100 + variant));
  c->op = op;
  c->real = real;
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

static List list(OpCase *c, const char *letters) {
  List l = {.n = (int)strlen(letters)};
  for (int i = 0; i < l.n; i++)
    l.v[i] = c->named[(int)letters[i]];
  return l;
}

static Axis *axis(OpCase *c, char letter) {
  return c->named[(int)letter];
}

static Node *leaf(OpCase *c, DType t, const char *letters, double lo, double hi) {
  List l = list(c, letters);
  return bed_leaf(&c->b, t, l.v, l.n, lo, hi);
}

static Node *values(OpCase *c, const char *letters) {
  return leaf(c, c->real, letters, -2, 2);
}

// Where the operands' values lie: in [-2, 2) but for what the op's flags say.
static Node *operand(OpCase *c, DType t, const char *letters, int i) {
  int flags = op_flags(c->op);
  if (i == 0 && (flags & F_POSITIVE))
    return leaf(c, t, letters, 0.3, 2);
  if (i == 1 && (flags & F_NONZERO))
    return leaf(c, t, letters, 0.5, 2);
  return leaf(c, t, letters, -2, 2);
}

static DType operand_dtype(const OpCase *c, int i) {
  int op = c->op;
  static const DType cast_from[] = {DT_F64, DT_F64, DT_F64, DT_I32, DT_BOOL, DT_F32, DT_BF16};
  if (op == OP_CAST)
    return cast_from[c->variant];
  if (op == OP_NOT || op == OP_AND || op == OP_OR || (op == OP_SELECT && i == 0))
    return DT_BOOL;
  bool whole = op == OP_EQ || op == OP_NE || op == OP_FLOORDIV || op == OP_FLOORMOD;
  return whole ? DT_I32 : c->real;
}

static Node *make_pointwise(OpCase *c) {
  static const char *const sets[][3] = {{"AB", "AB", "AB"}, {"AB", "B", "A"},   {"A", "AB", ""},
                                        {"", "AC", "C"},    {"AC", "BC", "AB"}, {"BL", "", "AB"},
                                        {"", "", ""}};
  static const DType cast_to[] = {DT_F32, DT_I32, DT_BOOL, DT_F64, DT_F64, DT_F64, DT_F32};
  Node *in[3];
  if (c->variant >= COUNT(sets))
    return NULL;
  for (int i = 0; i < op_arity(c->op); i++)
    in[i] = operand(c, operand_dtype(c, i), sets[c->variant][i], i);
  DType t = c->op == OP_CAST ? cast_to[c->variant] : (DType)in[0]->dtype;
  return g_node(c->b.g, c->op, t, in, op_arity(c->op), NULL);
}

static Node *make_leaf(OpCase *c) {
  static const double table[3] = {1.5, -2, 0.25};
  Graph *g = c->b.g;
  List l = list(c, !c->variant ? "" : c->op == OP_PARAM ? "CA" : "LA");
  if (c->variant > 1)
    return NULL;
  switch (c->op) {
  case OP_INPUT: return values(c, c->variant ? "LA" : "");
  case OP_PARAM: {
    Param *p = NEW(c->b.arena, Param);
    *p = (Param){.path = "weight",
                 .dtype = !c->variant         ? c->real
                          : c->real == DT_F64 ? DT_C128
                                              : DT_C64,
                 .nax = l.n,
                 .ax = l.v};
    p->pair = c->variant ? axis(c, 'X') : NULL;
    return bed_fill(&c->b, g_param(g, p), -2, 2);
  }
  case OP_CONST: return g_full(g, c->real, -3.25, l.v, l.n);
  case OP_TABLE: return g_table(g, c->real, axis(c, 'B'), table);
  case OP_IOTA: return g_iota(g, axis(c, c->variant ? 'L' : 'C'));
  case OP_EXTENT: return g_extent(g, c->real, axis(c, c->variant ? 'L' : 'C')->extent);
  case OP_RANDOM: return g_random(g, 77, l.v, l.n);
  default: return NULL;
  }
}

static Node *make_reduce(OpCase *c) {
  static const char *const over[] = {"B", "CA", "LABC", "L"};
  if (c->variant >= COUNT(over))
    return NULL;
  List l = list(c, over[c->variant]);
  Node *x = values(c, "ALBC");
  if (c->op == OP_ARGSORT) // all of them, or the first two
    return g_argsort(c->b.g, x, l.v[0], c->variant % 2 ? axis(c, 'X') : l.v[0], c->variant % 2);
  if (c->op == OP_CUMSUM)
    return g_cumsum(c->b.g, x, l.v[0], c->variant % 2);
  return c->op == OP_ARGMAX ? g_argmax(c->b.g, x, l.v[0])
                            : g_reduce(c->b.g, (Op)c->op, x, l.v, l.n);
}

static Node *make_contract(OpCase *c) {
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
static Node *make_gather(OpCase *c) {
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

static Node *make_resized(OpCase *c) {
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

static Node *make_renamed(OpCase *c) {
  List x = list(c, c->variant ? "ADL" : "ALD"), from = list(c, c->variant ? "DA" : "AL"),
       to = list(c, c->variant ? "AD" : "XM");
  return g_rename(c->b.g, bed_leaf(&c->b, c->real, x.v, x.n, -2, 2), from.v, to.v, 2);
}

static Node *make_concat(OpCase *c) {
  Graph *g = c->b.g;
  Axis *one = bed_axis(&c->b, "one", 1);
  if (c->variant)
    return g_concat(g, (Node *[]){values(c, "AL"), values(c, "LA"), values(c, "LA")},
                    (Axis *[]){axis(c, 'A'), axis(c, 'A'), axis(c, 'A')}, 3, axis(c, 'S'));
  Node *x = values(c, "L"), *wide = g_expand(g, x, &one, 1);
  return g_concat(g, (Node *[]){wide, wide, values(c, "XL")}, (Axis *[]){one, one, axis(c, 'X')}, 3,
                  axis(c, 'C'));
}

// x along the first letter's axis, read along the second and third: in place, with strides, of an x that has the inner axis itself.
static Node *make_window(OpCase *c) {
  static const struct {
    const char *x, *axes;
    int stride, step, first;
  } sets[] = {{"ALC", "LLB", 1, 1, -1},
              {"CA", "CDB", 2, 1, -1},
              {"ALB", "LMB", 1, -1, 1},
              {"QSA", "SYQ", 2, -1, 0}};
  if (c->variant >= COUNT(sets))
    return NULL;
  List l = list(c, sets[c->variant].axes);
  Window w = {sets[c->variant].stride, poly_const(sets[c->variant].step),
              poly_const(sets[c->variant].first)};
  return g_window(c->b.g, values(c, sets[c->variant].x), l.v[0], l.v[1], l.v[2], w);
}

static Node *make_index(OpCase *c) {
  Graph *g = c->b.g;
  List parts = list(c, "PQ"), flips = list(c, c->variant ? "AL" : "B");
  if (c->op == OP_WINDOW)
    return make_window(c);
  if (c->variant > 1)
    return NULL;
  switch (c->op) {
  case OP_RENAME: return make_renamed(c);
  case OP_SPLIT: return g_split(g, values(c, c->variant ? "S" : "ASL"), axis(c, 'S'), parts.v, 2);
  case OP_MERGE: return g_merge(g, values(c, c->variant ? "PQ" : "QAPL"), parts.v, 2, axis(c, 'S'));
  case OP_FLIP: return g_flip(g, values(c, "ALB"), flips.v, flips.n);
  case OP_CONCAT: return make_concat(c);
  default: return make_resized(c);
  }
}

static Node *make_conv(OpCase *c) {
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
static Node *make_attention(OpCase *c) {
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
  in[4] = bias ? values(c, bias) : g_const(g, c->real, 0);
  Node *y =
      g_attention(g, in, axis(c, 'L'), axis(c, 'D'), 0.7, sets[c->variant].rate, 99, w.v, w.n);
  if (c->op == OP_ATTENTION_LSE)
    return g_attention_lse(g, y);
  if (c->op == OP_ATTENTION_GRAD) {
    Attr at = y->attr;
    Node *all[8] = {in[0], in[1], in[2], in[3], in[4], y, g_attention_lse(g, y), y};
    at.i0 = c->variant % 4;
    return g_node(g, OP_ATTENTION_GRAD, c->real, all, 8, &at);
  }
  return y;
}

// x = p x + u w, first 0.5; result x w
static Node *make_scan(OpCase *c) {
  Graph *g = c->b.g;
  List ab = list(c, "AB"), a = list(c, "A");
  if (c->variant > 1)
    return NULL;
  char along = c->variant ? 'C' : 'K';
  Node *u = values(c, c->variant ? "CA" : "AKB"), *w = values(c, "B"),
       *p = values(c, c->variant ? "A" : "");
  List seen = c->variant ? a : ab;
  Node *x = g_state(g, c->real, "x", ab.v, ab.n), *at = g_state(g, c->real, "u", seen.v, seen.n);
  Node *next = g_binary(g, OP_ADD, g_binary(g, OP_MUL, p, x), g_binary(g, OP_MUL, at, w));
  Node *first = g_const(g, c->real, 0.5);
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

static Node *make_loop(OpCase *c) {
  Node *y = make_scan(c);
  if (y)
    graph_close_scans(c->b.g, &y, 1);
  return y;
}

Node *op_case_make(OpCase *c) {
#define OP(id, name, arity, flags, family) [OP_##id] = make_##family,
  static Node *(*const of[OP_COUNT])(OpCase *) = {
#include "graph/ops.def"
  };
#undef OP
  return of[c->op](c);
}
