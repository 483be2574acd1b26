// Loop IR: folding builders, text, hash and equality, and what the verifier refuses.
#include "codegen/loop/loop.h"
#include "tests/unit/suites.h"
#include <stdlib.h>
#include <string.h>

typedef struct Sample {
  LKernel *k;
  int x, y, scratch, row, col, acc;
  LStmt *loop, *reduce;
} Sample;

// y[row, :] = x[row, :] scaled by the sum of the row, in a vector loop.
static Sample sample(Arena *a) {
  Sample s = {.k = loop_kernel(a, "scale")};
  LKernel *k = s.k;
  s.x = loop_arg(a, k, "x", DT_F32, false);
  s.y = loop_arg(a, k, "y", DT_F32, true);
  s.scratch = loop_scratch(a, k, "t", DT_F32, poly_scale(poly_sym(1), 2));
  s.row = loop_grid(k, poly_mul(poly_sym(0), poly_sym(1)), 4);
  s.col = loop_var(k);
  s.acc = loop_reg(k);
  LExpr *at = lx_add(a, lx_mul(a, lx_var(a, s.row), lx_int(a, 768)), lx_var(a, s.col)),
        *v = lx_load(a, k, s.x, at);
  vec_push(a, &k->body, ls_reg(a, s.acc, DT_F32, lx_const(a, DT_F32, 0)));
  s.reduce = ls_for(a, s.col, lx_int(a, 0), lx_int(a, 768), 4);
  vec_push(a, &s.reduce->body, ls_reduce(a, s.acc, LR_SUM, v));
  vec_push(a, &k->body, s.reduce);
  s.loop = ls_for(a, s.col, lx_int(a, 0), lx_int(a, 768), 4);
  LExpr *scaled = lx_op(a, L_MUL, DT_F32, v,
                        lx_op(a, L_EXP, DT_F32, lx_reg(a, DT_F32, s.acc), NULL, NULL), NULL);
  vec_push(a, &s.loop->body, ls_store(a, s.y, at, scaled));
  vec_push(a, &k->body, s.loop);
  return s;
}

// Attention of 100 rows and s0 keys in matrices that lie one behind the other in y, under a mask.
typedef struct Attend {
  LKernel *k;
  LStmt *s;
  LAttention *t;
} Attend;

static Attend attend(Arena *a, LPart part) {
  Attend s = {.k = loop_kernel(a, "attend"), .s = ls_attention(a, part)};
  LAttention *t = s.t = s.s->attention;
  int y = loop_arg(a, s.k, "y", DT_F32, true), seen = loop_arg(a, s.k, "seen", DT_BOOL, false);
  t->first = lx_mul(a, lx_var(a, loop_grid(s.k, poly_const(100), 64)), lx_int(a, 64));
  t->rows = lx_int(a, 100);
  t->keys = lx_poly(a, poly_sym(0));
  t->d = 8, t->dv = 16, t->scale = 0.5;
  for (int i = 0; i < LM_COUNT; i++)
    if (loop_attention_use(part, i) != 'N')
      t->m[i] = (LMatrix){y, lx_int(a, i), lx_int(a, loop_attention_columns(t, i))};
  t->row = loop_var(s.k), t->key = loop_var(s.k);
  t->score = loop_reg(s.k), t->seen = loop_reg(s.k);
  LExpr *x = lx_op(a, L_MUL, DT_F32, lx_acc(a), lx_const(a, DT_F32, 0.5), NULL);
  vec_push(a, &s.s->body, ls_reg(a, t->score, DT_F32, x));
  vec_push(a, &s.s->body, ls_reg(a, t->seen, DT_BOOL, lx_load(a, s.k, seen, lx_var(a, t->key))));
  vec_push(a, &s.k->body, s.s);
  return s;
}

START_TEST(folding) {
  Arena *a = arena_new();
  LExpr *v = lx_var(a, 0), *b = lx_poly(a, poly_sym(0)), *n;
  ck_assert(lx_add(a, v, lx_int(a, 0)) == v && lx_add(a, lx_int(a, 0), v) == v);
  ck_assert(lx_mul(a, v, lx_int(a, 1)) == v && lx_mul(a, lx_int(a, 1), v) == v);
  n = lx_mul(a, v, lx_int(a, 0));
  ck_assert(n->op == L_INT && n->inum == 0);
  n = lx_add(a, lx_mul(a, b, lx_int(a, 3)), lx_int(a, 5));
  ck_assert(n->op == L_POLY && poly_eval(&n->poly, (int64_t[]){7}) == 26);
  ck_assert(lx_iop(a, L_ISUB, b, b)->op == L_INT);
  ck_assert(lx_iop(a, L_IDIV, lx_int(a, 17), lx_int(a, 5))->inum == 3 &&
            lx_iop(a, L_IMOD, lx_int(a, 17), lx_int(a, 5))->inum == 2);
  ck_assert(lx_iop(a, L_IMIN, lx_int(a, 17), lx_int(a, 5))->inum == 5 &&
            lx_iop(a, L_IMAX, lx_int(a, 17), lx_int(a, 5))->inum == 17);
  ck_assert(lx_iop(a, L_IMOD, v, lx_int(a, 1))->inum == 0 &&
            lx_iop(a, L_IDIV, v, lx_int(a, 1)) == v);
  ck_assert(lx_iop(a, L_IMIN, v, lx_int(a, 5))->op == L_IMIN);
  arena_free(a);
}
END_TEST

START_TEST(text) {
  Arena *a = arena_new();
  char *out = NULL;
  size_t size;
  FILE *f = open_memstream(&out, &size);
  loop_print(f, sample(a).k);
  fclose(f);
  ck_assert_str_eq(out, "kernel scale {\n"
                        "  arg x.0 : f32\n"
                        "  arg y.1 : f32 written\n"
                        "  scratch t.2 : f32[2*s1]\n"
                        "  grid i0 < ceil((s0*s1) / 4)\n"
                        "  r0 : f32 = 0\n"
                        "  for i1 in [0, 768) vector x4 {\n"
                        "    r0 sum= x.0[(i0 * 768) + i1]\n"
                        "  }\n"
                        "  for i1 in [0, 768) vector x4 {\n"
                        "    y.1[(i0 * 768) + i1] = x.0[(i0 * 768) + i1] * exp(r0)\n"
                        "  }\n"
                        "}\n");
  free(out);
  arena_free(a);
}
END_TEST

START_TEST(text_of_attention) {
  Arena *a = arena_new();
  char *out = NULL;
  size_t size;
  FILE *f = open_memstream(&out, &size);
  loop_print(f, attend(a, LA_OUT).k);
  fclose(f);
  ck_assert_str_eq(out, "kernel attend {\n"
                        "  arg y.0 : f32 written\n"
                        "  arg seen.1 : bool\n"
                        "  grid i0 < ceil((100) / 64)\n"
                        "  attention out from i0 * 64, i1 < 100, i2 < {s0}, d = 8, dv = 16, "
                        "scale 0.5, rate 0 {\n"
                        "    q = y.0[0 + i*8 + j]\n"
                        "    k = y.0[1 + i*8 + j]\n"
                        "    v = y.0[2 + i*16 + j]\n"
                        "    out -> y.0[3 + i*16 + j]\n"
                        "    lse -> y.0[4 + i*1 + j]\n"
                        "    r0 : f32 = acc * 0.5\n"
                        "    r1 : bool = seen.1[i2]\n"
                        "  } score r0 seen r1\n"
                        "}\n");
  free(out);
  arena_free(a);
}
END_TEST

START_TEST(structure_of_attention) {
  Arena *a = arena_new(), *b = arena_new();
  LKernel *x = attend(a, LA_ROWS).k, *y = attend(b, LA_ROWS).k;
  ck_assert(loop_equal(x, y) && loop_hash(x) == loop_hash(y));
  for (int change = 0; change < 8; change++) {
    Attend s = attend(b, LA_ROWS);
    switch (change) {
    case 0: s.t->part = LA_OUT; break;
    case 1: s.t->first = lx_int(b, 64); break;
    case 2: s.t->scale = 1; break;
    case 3: s.t->rate = 0.1; break;
    case 4: s.t->m[LM_DQ].mem = -1; break;
    case 5: s.t->m[LM_K].row = lx_int(b, 9); break;
    case 6: s.t->seen = -1; break;
    case 7: s.t->dv = 15; break;
    }
    ck_assert_msg(!loop_equal(x, s.k), "change %d", change);
    ck_assert_msg(loop_hash(x) != loop_hash(s.k), "hash of change %d", change);
  }
  arena_free(a);
  arena_free(b);
}
END_TEST

START_TEST(structure) {
  Arena *a = arena_new(), *b = arena_new();
  LKernel *x = sample(a).k, *y = sample(b).k;
  y->name = "other";
  ck_assert(loop_equal(x, y) && loop_hash(x) == loop_hash(y));
  for (int change = 0; change < 11; change++) {
    Sample s = sample(b);
    switch (change) {
    case 0: s.loop->vec = 2; break;
    case 1: s.loop->body.v[0]->value->op = L_ADD; break;
    case 2: s.loop->body.v[0]->add = true; break;
    case 3: s.k->grid[0].block = 8; break;
    case 4: s.k->mem.v[s.scratch].size = poly_sym(1); break;
    case 5: s.reduce->body.v[0]->reduce = LR_MAX; break;
    case 6: s.loop->hi = lx_int(b, 769); break;
    case 7: s.k->body.v[0]->value->num = 1; break;
    case 8: s.loop->body.v[0]->kind = LS_COLSUM; break;
    case 9: s.loop->apart = true; break;
    case 10: s.loop->body.v[0]->diagonal = true; break;
    }
    ck_assert_msg(!loop_equal(x, s.k), "change %d", change);
    ck_assert_msg(loop_hash(x) != loop_hash(s.k), "hash of change %d", change);
  }
  arena_free(a);
  arena_free(b);
}
END_TEST

// Shared subexpressions are seen once each: a chain of x = x + x has 2^60 paths.
START_TEST(shared_nodes) {
  Arena *a = arena_new();
  Sample s = sample(a), t = sample(a);
  for (int i = 0; i < 60; i++) {
    LExpr **v = &s.loop->body.v[0]->value, **w = &t.loop->body.v[0]->value;
    *v = lx_op(a, L_ADD, DT_F32, *v, *v, NULL);
    *w = lx_op(a, L_ADD, DT_F32, *w, *w, NULL);
  }
  ck_assert(loop_hash(s.k) == loop_hash(t.k) && loop_equal(s.k, t.k));
  ck_assert(!loop_verify(a, s.k));
  arena_free(a);
}
END_TEST

START_TEST(scratch) {
  Arena *a = arena_new();
  LKernel *k = sample(a).k;
  loop_scratch(a, k, "small", DT_BOOL, poly_const(3));
  Poly p = loop_scratch_bytes(k);
  int64_t sym[2] = {1, 10};
  ck_assert_int_eq(poly_eval(&p, sym), 2 * 10 * 4 + 64 + 64);
  arena_free(a);
}
END_TEST

// ---- the verifier: each case spoils the sample in one way

typedef void Spoil(Arena *a, Sample *s);
static void no_variable(Arena *a, Sample *s) {
  s->loop->body.v[0]->index = lx_var(a, 7);
}
static void out_of_scope(Arena *a, Sample *s) {
  vec_push(a, &s->k->body, ls_store(a, s->y, lx_var(a, s->col), lx_const(a, DT_F32, 0)));
}
static void twice(Arena *a, Sample *s) {
  (void)a;
  s->loop->var = s->row;
}
static void no_register(Arena *a, Sample *s) {
  s->loop->body.v[0]->value = lx_reg(a, DT_F32, 3);
}
static void wrong_register(Arena *a, Sample *s) {
  s->loop->body.v[0]->value = lx_reg(a, DT_F64, s->acc);
}
static void no_memory(Arena *a, Sample *s) {
  (void)a;
  s->loop->body.v[0]->mem = 9;
}
static void read_only(Arena *a, Sample *s) {
  (void)a;
  s->loop->body.v[0]->mem = s->x;
}
static void stored_dtype(Arena *a, Sample *s) {
  s->loop->body.v[0]->value = lx_const(a, DT_I32, 1);
}
static void operand_dtype(Arena *a, Sample *s) {
  s->loop->body.v[0]->value->b = lx_const(a, DT_F64, 1);
}
static void missing_operand(Arena *a, Sample *s) {
  (void)a;
  s->loop->body.v[0]->value->b = NULL;
}
static void data_as_index(Arena *a, Sample *s) {
  s->loop->body.v[0]->index = lx_const(a, DT_F32, 1);
}
static void stray_acc(Arena *a, Sample *s) {
  s->loop->body.v[0]->value = lx_acc(a);
}
static void no_scalar(Arena *a, Sample *s) {
  s->loop->body.v[0]->value = lx_scalar(a, DT_F32, 0);
}
static void one_element(Arena *a, Sample *s) {
  s->loop->body.v[0]->index = lx_int(a, 0);
}
static void lanes_set(Arena *a, Sample *s) {
  vec_push(a, &s->loop->body, ls_set(a, s->acc, lx_const(a, DT_F32, 1)));
}
static void read_partial(Arena *a, Sample *s) {
  vec_push(a, &s->reduce->body, ls_store(a, s->y, lx_var(a, s->col), lx_reg(a, DT_F32, s->acc)));
}
static void nested_lanes(Arena *a, Sample *s) {
  vec_push(a, &s->loop->body, ls_for(a, loop_var(s->k), lx_int(a, 0), lx_int(a, 4), 1));
}
static void lane_bound(Arena *a, Sample *s) {
  vec_push(a, &s->loop->body, ls_for(a, loop_var(s->k), lx_int(a, 0), lx_var(a, s->col), 0));
}
static void lanes_apart(Arena *a, Sample *s) {
  (void)a;
  s->loop->apart = true;
}
static void wide_loop(Arena *a, Sample *s) {
  (void)a;
  s->loop->vec = 5;
}
static void empty_tile(Arena *a, Sample *s) {
  vec_push(a, &s->k->body, ls_tile(a, loop_var(s->k), loop_var(s->k), lx_int(a, 1), lx_int(a, 1)));
}
static void own_operand(Arena *a, Sample *s) {
  LStmt *t = ls_tile(a, loop_var(s->k), loop_var(s->k), lx_int(a, 4), lx_int(a, 4));
  LExpr *one = lx_int(a, 1);
  t->tile->nprod = 1;
  t->tile->prod[0] = (LProduct){.amem = s->x,
                                .bmem = s->y,
                                .abase = one,
                                .am = one,
                                .ak = one,
                                .bbase = one,
                                .bk = one,
                                .K = one};
  vec_push(a, &t->tile->body, ls_store(a, s->y, lx_var(a, t->tile->nvar), lx_acc(a)));
  vec_push(a, &s->k->body, t);
}
static void loaded_sum(Arena *a, Sample *s) {
  LExpr *at = s->loop->body.v[0]->index, *v = lx_load(a, s->k, s->y, at);
  vec_push(a, &s->loop->body, ls_colsum(a, s->y, at, v));
}
static void set_sum(Arena *a, Sample *s) {
  LStmt *sum = ls_colsum(a, s->y, s->loop->body.v[0]->index, lx_const(a, DT_F32, 1));
  sum->add = false;
  vec_push(a, &s->loop->body, sum);
}
// A tile whose epilogue adds its sums where they say, of the row and the column.
static void spoil_sum(Arena *a, Sample *s, LOp op, bool diagonal) {
  LStmt *t = ls_tile(a, loop_var(s->k), loop_var(s->k), lx_int(a, 4), lx_int(a, 4));
  LExpr *one = lx_int(a, 1), *row = lx_var(a, t->tile->mvar), *column = lx_var(a, t->tile->nvar);
  t->tile->nprod = 1;
  t->tile->prod[0] = (LProduct){.amem = s->x,
                                .bmem = s->x,
                                .abase = one,
                                .am = one,
                                .ak = one,
                                .bbase = one,
                                .bk = one,
                                .K = one};
  LStmt *sum = ls_colsum(a, s->y, lx_iop(a, op, row, column), lx_acc(a));
  sum->diagonal = diagonal;
  vec_push(a, &t->tile->body, sum);
  vec_push(a, &s->k->body, t);
}
static void sum_of_a_row(Arena *a, Sample *s) {
  spoil_sum(a, s, L_IADD, false);
}
static void sum_across(Arena *a, Sample *s) {
  spoil_sum(a, s, L_IADD, true);
}
static void math_of_int(Arena *a, Sample *s) {
  LExpr *i = lx_const(a, DT_I32, 1);
  s->loop->body.v[0]->value =
      lx_op(a, L_CAST, DT_F32, lx_op(a, L_EXP, DT_I32, i, NULL, NULL), NULL, NULL);
}

static const struct {
  Spoil *spoil;
  const char *text;
} bad[] = {
    {no_variable, "not in scope"},
    {out_of_scope, "not in scope"},
    {twice, "declared twice"},
    {no_register, "not in scope"},
    {wrong_register, "read as f64"},
    {no_memory, "memory 9"},
    {read_only, "read-only"},
    {stored_dtype, "is i32, not f32"},
    {operand_dtype, "is f64, not f32"},
    {missing_operand, "missing"},
    {data_as_index, "is f32"},
    {stray_acc, "outside of an epilogue"},
    {no_scalar, "scalar 0"},
    {one_element, "one element"},
    {lanes_set, "lanes set"},
    {read_partial, "is read while"},
    {nested_lanes, "inside of a vector loop"},
    {lane_bound, "differs between lanes"},
    {lanes_apart, "end apart"},
    {wide_loop, "5 vectors"},
    {empty_tile, "without products"},
    {own_operand, "writes an operand"},
    {loaded_sum, "loaded while columns"},
    {set_sum, "does not add"},
    {sum_of_a_row, "depends on a row"},
    {sum_across, "not the diagonal's"},
    {math_of_int, "function of i32"},
};

START_TEST(verifier) {
  Arena *a = arena_new();
  Sample s = sample(a);
  ck_assert_msg(!loop_verify(a, s.k), "%s", loop_verify(a, s.k));
  bad[_i].spoil(a, &s);
  const char *error = loop_verify(a, s.k);
  ck_assert_msg(error && strstr(error, bad[_i].text), "case %d: %s instead of %s", _i,
                error ? error : "(nothing)", bad[_i].text);
  arena_free(a);
}
END_TEST

typedef void SpoilAttention(Arena *a, Attend *s);
static void beside_others(Arena *a, Attend *s) {
  vec_push(a, &s->k->body, ls_store(a, 0, lx_int(a, 0), lx_const(a, DT_F32, 0)));
}
static void no_operand(Arena *a, Attend *s) {
  (void)a;
  s->t->m[LM_V].mem = -1;
}
static void operand_too_many(Arena *a, Attend *s) {
  (void)a;
  s->t->m[LM_DK] = s->t->m[LM_K];
}
static void operand_of_bools(Arena *a, Attend *s) {
  (void)a;
  s->t->m[LM_Q].mem = 1;
}
static void read_only_result(Arena *a, Attend *s) {
  (void)a;
  s->k->mem.v[0].written = false;
}
static void storing_score(Arena *a, Attend *s) {
  vec_push(a, &s->s->body, ls_store(a, 0, lx_var(a, s->t->key), lx_const(a, DT_F32, 0)));
}
static void no_score(Arena *a, Attend *s) {
  (void)a;
  s->t->score = s->t->seen;
}
static void no_columns(Arena *a, Attend *s) {
  (void)a;
  s->t->d = 0;
}
static void nothing_kept(Arena *a, Attend *s) {
  (void)a;
  s->t->rate = 0.5;
}

static const struct {
  SpoilAttention *spoil;
  const char *text;
} bad_attention[] = {{beside_others, "beside other"},   {no_operand, "memory -1"},
                     {operand_too_many, "dk where"},    {operand_of_bools, "q of bool"},
                     {read_only_result, "read-only"},   {storing_score, "have effects"},
                     {no_score, "score is no f32"},     {no_columns, "no columns"},
                     {nothing_kept, "at a rate of 0.5"}};

START_TEST(verifier_of_attention) {
  Arena *a = arena_new();
  Attend s = attend(a, LA_ROWS);
  ck_assert_msg(!loop_verify(a, s.k), "%s", loop_verify(a, s.k));
  bad_attention[_i].spoil(a, &s);
  const char *error = loop_verify(a, s.k);
  ck_assert_msg(error && strstr(error, bad_attention[_i].text), "case %d: %s instead of %s", _i,
                error ? error : "(nothing)", bad_attention[_i].text);
  arena_free(a);
}
END_TEST

Suite *loop_suite(void) {
  Suite *s = suite_create("loop");
  TCase *t = tcase_create("loop");
  tcase_add_test(t, folding);
  tcase_add_test(t, text);
  tcase_add_test(t, structure);
  tcase_add_test(t, shared_nodes);
  tcase_add_test(t, scratch);
  tcase_add_loop_test(t, verifier, 0, COUNT(bad));
  tcase_add_test(t, text_of_attention);
  tcase_add_test(t, structure_of_attention);
  tcase_add_loop_test(t, verifier_of_attention, 0, COUNT(bad_attention));
  suite_add_tcase(s, t);
  return s;
}
