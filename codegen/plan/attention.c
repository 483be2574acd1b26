// See attention.h.
//
// Forward, for a block of rows: keys come in blocks of KEYS; their transposed copy K' is staged
// once a block.  With x the scaled, masked scores of the block, m the running maximum and l the
// running sum,
//   m' = max(m, max x);  c = exp(m - m');  p = exp(x - m');  l = l c + sum p;  acc = acc c + p V;
//   at the end out = acc / l.
// Dropout acts on p after the sum, as on softmax's result.
//
// Backward, from lse = m + log l and delta = rowsum(dout * out), which equals rowsum(p * dp) also
// under dropout:
//   p = exp(x - lse);  dp = dout V' (dropped out alike);  ds = p (dp - delta);
//   dq += ds K scale;  dk += ds' q scale;  dv += p' dout (p dropped out).
// Products of pairs of bf16 take what they multiply in panels and rows of pairs, which are made of a block of keys once, of rows
// and of their probabilities in each block of rows.
#include "codegen/plan/attention.h"

enum { KEYS = 256, SCORE_ROW = KEYS + 16, BACK_ROWS = 48, BACK_PAIRS = 64 };

typedef struct AttentionBuild {
  Arena *a;
  LKernel *k;
  const AttentionShape *s;
  LExpr *s0, *ns;    // the block of keys
  LExpr *staged;     // the first key of the staged panels
  LExpr *r0, *nrows; // the block of rows
  int kt, vt, p, ds, acc, max, sum, delta;
  int narrow_p, narrow_ds, turned; // of pairs: scores as bf16, and those of a key in a row
  int kn, vn,
      rows_n; // of pairs: panels whose columns are features, of k, v, and of a block of rows
  int64_t acc_row;
} AttentionBuild;

static LExpr *num(const AttentionBuild *b, double v) {
  return lx_const(b->a, DT_F32, v);
}

static LExpr *ints(const AttentionBuild *b, int64_t v) {
  return lx_int(b->a, v);
}

static LExpr *var(const AttentionBuild *b, int v) {
  return lx_var(b->a, v);
}

static LExpr *op2(const AttentionBuild *b, LOp op, LExpr *x, LExpr *y) {
  return lx_op(b->a, op, DT_F32, x, y, NULL);
}

static LExpr *op1(const AttentionBuild *b, LOp op, LExpr *x) {
  return lx_op(b->a, op, DT_F32, x, NULL, NULL);
}

static LExpr *select3(const AttentionBuild *b, LExpr *c, LExpr *x, LExpr *y) {
  return lx_op(b->a, L_SELECT, DT_F32, c, x, y);
}

static LExpr *at(const AttentionBuild *b, const AttentionMatrix *m, LExpr *i) {
  return lx_add(b->a, m->base, lx_mul(b->a, i, m->row));
}

static LExpr *load(const AttentionBuild *b, int mem, LExpr *index) {
  LExpr *x = lx_load(b->a, b->k, mem, index);
  return x->dtype == DT_BF16 ? lx_op(b->a, L_CAST, DT_F32, x, NULL, NULL) : x;
}

static void put(const AttentionBuild *b, LBody *body, LStmt *s) {
  vec_push(b->a, body, s);
}

static void store(const AttentionBuild *b, LBody *body, int mem, LExpr *index, LExpr *value,
                  bool add) {
  DType t = b->k->mem.v[mem].dtype;
  if (t != value->dtype)
    value = lx_op(b->a, L_CAST, t, value, NULL, NULL);
  LStmt *s = ls_store(b->a, mem, index, value);
  s->add = add;
  put(b, body, s);
}

static LStmt *loop(const AttentionBuild *b, LBody *body, LExpr *count, int vec, LExpr **v) {
  int id = loop_var(b->k);
  LStmt *s = ls_for(b->a, id, ints(b, 0), count, vec);
  *v = var(b, id);
  put(b, body, s);
  return s;
}

static int scratch(const AttentionBuild *b, const char *name, int64_t n) {
  return loop_scratch(b->a, b->k, name, DT_F32, poly_const(n));
}

static int64_t panels(const AttentionBuild *b, int64_t n) {
  return (n + b->s->nr - 1) / b->s->nr * b->s->nr;
}

// The block's rows of x [keys x cols], transposed into panels of nr keys.
static void stage(const AttentionBuild *b, LBody *body, const AttentionMatrix *x, int64_t cols,
                  int dst) {
  LStmt *t = NEW(b->a, LStmt);
  t->kind = LS_TRANSPOSE;
  t->tr.src = x->mem;
  t->tr.dst = dst;
  t->tr.rows = b->ns;
  t->tr.cols = ints(b, cols);
  t->tr.sbase = at(b, x, b->s0);
  t->tr.srow = x->row;
  t->tr.dbase = ints(b, 0);
  t->tr.dpanel = ints(b, cols * b->s->nr);
  t->tr.dcol = ints(b, b->s->nr);
  t->tr.dwidth = b->s->nr;
  put(b, body, t);
}

static int64_t whole_pairs(int64_t n) {
  return (n + LOOP_PAIR_K - 1) / LOOP_PAIR_K * LOOP_PAIR_K;
}

static int narrow_scratch(const AttentionBuild *b, const char *name, int64_t n) {
  return loop_scratch(b->a, b->k, name, DT_BF16, poly_const(n));
}

// Elements of mem from base on, `srow` from row to row and `scol` from k to k, as panels or, of width 1, rows of `room` values of k.
static void make_pairs(const AttentionBuild *b, LBody *body, int mem, LExpr *base, LExpr *rows,
                       LExpr *cols, LExpr *srow, LExpr *scol, int dst, int64_t width,
                       int64_t room) {
  LStmt *t = NEW(b->a, LStmt);
  t->kind = LS_PAIRS;
  t->tr.src = mem;
  t->tr.dst = dst;
  t->tr.rows = rows;
  t->tr.cols = cols;
  t->tr.sbase = base;
  t->tr.srow = srow;
  t->tr.scol = scol;
  t->tr.dbase = ints(b, 0);
  t->tr.dpanel = ints(b, width * room);
  t->tr.dwidth = width;
  put(b, body, t);
}

// Panels whose columns are the features of n rows of x from `first` on.
static void stage_features(const AttentionBuild *b, LBody *body, const AttentionMatrix *x,
                           LExpr *first, LExpr *n, int64_t cols, int dst, int64_t room) {
  make_pairs(b, body, x->mem, at(b, x, first), ints(b, cols), n, ints(b, 1), x->row, dst, b->s->nr,
             room);
}

// Panels whose columns are the block's keys.
static void stage_keys(AttentionBuild *b, LBody *body, const AttentionMatrix *x, int64_t cols,
                       int dst) {
  if (b->s->pair_rows)
    make_pairs(b, body, x->mem, at(b, x, b->s0), b->ns, ints(b, cols), x->row, ints(b, 1), dst,
               b->s->nr, whole_pairs(cols));
  else
    stage(b, body, x, cols, dst);
  b->staged = b->s0;
}

static LTile *tile(const AttentionBuild *b, LBody *body, LExpr *m, LExpr *n, LExpr **mv,
                   LExpr **nv) {
  int i = loop_var(b->k), j = loop_var(b->k);
  LStmt *t = ls_tile(b->a, i, j, m, n);
  *mv = var(b, i);
  *nv = var(b, j);
  put(b, body, t);
  return t->tile;
}

// Keys of the staged ones that lie before the block's.
static LExpr *past_keys(const AttentionBuild *b) {
  return b->s0 == b->staged ? ints(b, 0) : lx_iop(b->a, L_ISUB, b->s0, b->staged);
}

// rows of x (row block) times the staged panels of a block of keys, which begins at a panel
static void against_panels(const AttentionBuild *b, LTile *t, const AttentionMatrix *x, int64_t k,
                           int staged) {
  int64_t column = b->s->pair_rows ? whole_pairs(k) : k;
  t->prod[t->nprod++] = (LProduct){.amem = x->mem,
                                   .abase = at(b, x, b->r0),
                                   .am = x->row,
                                   .ak = ints(b, 1),
                                   .bmem = staged,
                                   .bbase = lx_mul(b->a, past_keys(b), ints(b, column)),
                                   .bk = ints(b, b->s->nr),
                                   .bwidth = b->s->nr,
                                   .bpanel = ints(b, column * b->s->nr),
                                   .K = ints(b, k),
                                   .pairs = b->s->pair_rows > 0};
}

// Rows of k values each, `row` apart, times panels that have room for `room` of them, from `first` on.
static void pairs_times(const AttentionBuild *b, LTile *t, int rows, int64_t row, int panels,
                        int64_t room, LExpr *first, LExpr *k) {
  t->prod[t->nprod++] = (LProduct){.amem = rows,
                                   .abase = ints(b, 0),
                                   .am = ints(b, row),
                                   .ak = ints(b, 1),
                                   .bmem = panels,
                                   .bbase = lx_mul(b->a, first, ints(b, b->s->nr)),
                                   .bk = ints(b, b->s->nr),
                                   .bwidth = b->s->nr,
                                   .bpanel = ints(b, room * b->s->nr),
                                   .K = k,
                                   .pairs = true};
}

// scores (or their transpose) in scratch times rows of x in place
static void scores_times(const AttentionBuild *b, LTile *t, int scores, bool transposed,
                         const AttentionMatrix *x, LExpr *row0, LExpr *k) {
  t->prod[t->nprod++] = (LProduct){.amem = scores,
                                   .abase = ints(b, 0),
                                   .am = ints(b, transposed ? 1 : SCORE_ROW),
                                   .ak = ints(b, transposed ? SCORE_ROW : 1),
                                   .bmem = x->mem,
                                   .bbase = at(b, x, row0),
                                   .bk = x->row,
                                   .bpanel = ints(b, 0),
                                   .K = k};
}

static LExpr *score_index(const AttentionBuild *b, LExpr *i, LExpr *j) {
  return lx_add(b->a, lx_mul(b->a, i, ints(b, SCORE_ROW)), j);
}

// scale * sum + bias, -1e9 where masked
static LExpr *scored(const AttentionBuild *b, LBody *body, LExpr *i, LExpr *j) {
  const AttentionShape *s = b->s;
  LExpr *row = lx_add(b->a, b->r0, i), *key = lx_add(b->a, b->s0, j);
  LExpr *x = op2(b, L_MUL, lx_acc(b->a), num(b, s->scale));
  if (s->bias)
    x = op2(b, L_ADD, x, s->bias(s->ctx, body, row, key));
  return s->mask ? select3(b, s->mask(s->ctx, body, row, key), x, num(b, -1e9)) : x;
}

static LExpr *kept(const AttentionBuild *b, LBody *body, LExpr *i, LExpr *j) {
  const AttentionShape *s = b->s;
  LExpr *r = s->random(s->ctx, body, lx_add(b->a, b->r0, i), lx_add(b->a, b->s0, j));
  return lx_op(b->a, L_LE, DT_BOOL, num(b, s->rate), r, NULL);
}

static LExpr *dropped(const AttentionBuild *b, LExpr *keep, LExpr *x) {
  return select3(b, keep, op2(b, L_MUL, x, num(b, 1 / (1 - b->s->rate))), num(b, 0));
}

// for s0 in steps of KEYS: the loop's body
static LBody *key_blocks(AttentionBuild *b, LBody *body) {
  LExpr *v,
      *blocks = lx_iop(b->a, L_IDIV, lx_add(b->a, b->s->keys, ints(b, KEYS - 1)), ints(b, KEYS));
  LStmt *f = loop(b, body, blocks, 0, &v);
  b->s0 = lx_mul(b->a, v, ints(b, KEYS));
  b->ns = lx_iop(b->a, L_IMIN, ints(b, KEYS), lx_iop(b->a, L_ISUB, b->s->keys, b->s0));
  return &f->body;
}

static int reg(const AttentionBuild *b, LBody *body, LExpr *first) {
  int r = loop_reg(b->k);
  put(b, body, ls_reg(b->a, r, DT_F32, first));
  return r;
}

static LExpr *rd(const AttentionBuild *b, int r) {
  return lx_reg(b->a, DT_F32, r);
}

// ---- keys that a mask leaves

static LExpr *whole(const AttentionBuild *b, int64_t v) {
  return lx_const(b->a, DT_I32, (double)v);
}

static LExpr *whole_op(const AttentionBuild *b, LOp op, LExpr *x, LExpr *y) {
  return lx_op(b->a, op, DT_I32, x, y, NULL);
}

static LExpr *is(const AttentionBuild *b, LOp op, LExpr *x, LExpr *y) {
  return lx_op(b->a, op, DT_BOOL, x, y, NULL);
}

static LExpr *choose(const AttentionBuild *b, LExpr *c, LExpr *x, LExpr *y) {
  return lx_op(b->a, L_SELECT, DT_I32, c, x, y);
}

static LExpr *declared(const AttentionBuild *b, LBody *body, LExpr *first) {
  int r = loop_reg(b->k);
  put(b, body, ls_reg(b->a, r, first->dtype, first));
  return lx_reg(b->a, first->dtype, r);
}

static void set(const AttentionBuild *b, LBody *body, const LExpr *reg, LExpr *value) {
  put(b, body, ls_set(b->a, (int)reg->inum, value));
}

// Whether the block sees any of keys [key, key + keys), or takes `all` in any case.
static LExpr *taken(const AttentionBuild *b, LBody *body, LExpr *key, LExpr *keys, LExpr *all) {
  const PairBlock block = {b->r0, b->nrows, key, keys};
  return declared(b, body, is(b, L_OR, all, b->s->sees(b->s->ctx, body, &block)));
}

// Runs of keys of `count` from `first` on that the block's rows may see, at most KEYS long, begin and end at multiples of
// this.
static int64_t stride(const AttentionBuild *b) {
  return panels(b, 32);
}

typedef struct
    KeyRuns { // over pieces of keys: pieces of the current run, and whether the next one is taken
  LExpr *run, *taken, *piece, *pieces;
} KeyRuns;

// A run ends at a piece that is not taken, where it is long enough, and with the last one; then it has this many pieces,
// else 0.
static LExpr *ended(const AttentionBuild *b, LBody *body, const KeyRuns *r) {
  LExpr *next = whole_op(b, L_ADD, lx_from_int(b->a, DT_I32, r->piece), whole(b, 1));
  LExpr *last = is(b, L_LE, lx_from_int(b->a, DT_I32, r->pieces), next),
        *full = is(b, L_LE, whole(b, KEYS / stride(b)), r->run),
        *gap = lx_op(b->a, L_NOT, DT_BOOL, r->taken, NULL, NULL);
  LExpr *end = is(b, L_OR, gap, is(b, L_OR, full, last));
  return declared(b, body, choose(b, end, r->run, whole(b, 0)));
}

// Sets b->s0 and b->ns; the body of each run.
static LBody *key_runs(AttentionBuild *b, LBody *body, LExpr *first, LExpr *count, LExpr *all) {
  LExpr *width = ints(b, stride(b)), *once;
  KeyRuns r = {.run = declared(b, body, whole(b, 0))};
  r.pieces = lx_iop(b->a, L_IDIV, lx_add(b->a, count, ints(b, stride(b) - 1)), width);
  LBody *in = &loop(b, body, r.pieces, 0, &r.piece)->body;
  LExpr *from = lx_mul(b->a, r.piece, width);
  LExpr *left = lx_iop(b->a, L_IMIN, width, lx_iop(b->a, L_ISUB, count, from));
  r.taken = taken(b, in, lx_add(b->a, first, from), left, all);
  LExpr *one = choose(b, r.taken, whole(b, 1), whole(b, 0));
  set(b, in, r.run, whole_op(b, L_ADD, r.run, one));
  LExpr *take = ended(b, in, &r),
        *end = whole_op(b, L_ADD, lx_from_int(b->a, DT_I32, r.piece), one);
  LExpr *start = declared(b, in, whole_op(b, L_SUB, end, take));
  set(b, in, r.run, whole_op(b, L_SUB, r.run, take));
  LStmt *f = loop(b, in, lx_iop(b->a, L_IMIN, ints(b, 1), lx_to_int(b->a, take)), 0, &once);
  from = lx_mul(b->a, lx_to_int(b->a, start), width);
  left = lx_iop(b->a, L_IMIN, lx_mul(b->a, lx_to_int(b->a, take), width),
                lx_iop(b->a, L_ISUB, count, from));
  b->s0 = lx_add(b->a, first, from);
  b->ns = lx_iop(b->a, L_IMIN, ints(b, KEYS), left);
  return &f->body;
}

// Is there a row in the block that has seen nothing, by its largest score or by lse?  Then x(row) is below any score.
static LExpr *any_lost(const AttentionBuild *b, LBody *body, int mem, const AttentionMatrix *m) {
  LExpr *i, *lost = declared(b, body, whole(b, 0));
  LStmt *rows = loop(b, body, b->nrows, 1, &i);
  LExpr *index = m ? at(b, m, lx_add(b->a, b->r0, i)) : i;
  LExpr *below = is(b, L_LT, load(b, mem, index), num(b, -5e8));
  put(b, &rows->body,
      ls_reduce(b->a, (int)lost->inum, LR_MAX, choose(b, below, whole(b, 1), whole(b, 0))));
  return lost;
}

// ---- forward

static void clear_state(const AttentionBuild *b, LBody *body) {
  LExpr *i, *j;
  LStmt *rows = loop(b, body, b->nrows, 0, &i);
  store(b, &rows->body, b->max, i, num(b, -3e38), false);
  store(b, &rows->body, b->sum, i, num(b, 0), false);
  LStmt *cols = loop(b, &rows->body, ints(b, b->s->dv), 1, &j);
  store(b, &cols->body, b->acc, lx_add(b->a, lx_mul(b->a, i, ints(b, b->acc_row)), j), num(b, 0),
        false);
}

static void softmax_block(const AttentionBuild *b, LBody *body) {
  LExpr *i, *j;
  LStmt *rows = loop(b, body, b->nrows, 0, &i);
  LBody *r = &rows->body;
  int before = reg(b, r, load(b, b->max, i)), m = reg(b, r, rd(b, before)),
      sum = reg(b, r, num(b, 0));
  LStmt *most = loop(b, r, b->ns, 4, &j);
  put(b, &most->body, ls_reduce(b->a, m, LR_MAX, load(b, b->p, score_index(b, i, j))));
  LStmt *exps = loop(b, r, b->ns, 2, &j);
  int e = reg(b, &exps->body,
              op1(b, L_EXP, op2(b, L_SUB, load(b, b->p, score_index(b, i, j)), rd(b, m))));
  put(b, &exps->body, ls_reduce(b->a, sum, LR_SUM, rd(b, e)));
  LExpr *value = rd(b, e);
  if (b->s->rate > 0)
    value = dropped(b, kept(b, &exps->body, i, j), value);
  store(b, &exps->body, b->s->pair_rows ? b->narrow_p : b->p, score_index(b, i, j), value, false);
  int c = reg(b, r, op1(b, L_EXP, op2(b, L_SUB, rd(b, before), rd(b, m))));
  store(b, r, b->max, i, rd(b, m), false);
  store(b, r, b->sum, i, op2(b, L_ADD, op2(b, L_MUL, load(b, b->sum, i), rd(b, c)), rd(b, sum)),
        false);
  LStmt *cols = loop(b, r, ints(b, b->s->dv), 1, &j);
  LExpr *place = lx_add(b->a, lx_mul(b->a, i, ints(b, b->acc_row)), j);
  store(b, &cols->body, b->acc, place, op2(b, L_MUL, load(b, b->acc, place), rd(b, c)), false);
}

static void finish_rows(const AttentionBuild *b, LBody *body) {
  const AttentionShape *s = b->s;
  LExpr *i, *j;
  LStmt *rows = loop(b, body, b->nrows, 0, &i);
  LExpr *row = lx_add(b->a, b->r0, i);
  int inv = reg(b, &rows->body, op2(b, L_DIV, num(b, 1), load(b, b->sum, i)));
  LStmt *cols = loop(b, &rows->body, ints(b, s->dv), 1, &j);
  LExpr *place = lx_add(b->a, lx_mul(b->a, i, ints(b, b->acc_row)), j);
  store(b, &cols->body, s->out.mem, lx_add(b->a, at(b, &s->out, row), j),
        op2(b, L_MUL, load(b, b->acc, place), rd(b, inv)), false);
  if (s->lse.mem >= 0)
    store(b, &rows->body, s->lse.mem, at(b, &s->lse, row),
          op2(b, L_ADD, load(b, b->max, i), op1(b, L_LOG, load(b, b->sum, i))), false);
}

// Twice over the keys: those that may be seen, and all where that leaves a row with nothing.
static LBody *seen_keys(AttentionBuild *b, LBody *body) {
  LExpr *pass, *once, *i;
  LStmt *rows = loop(b, body, b->nrows, 0, &i);
  store(b, &rows->body, b->max, i, num(b, -3e38), false);
  LBody *in = &loop(b, body, ints(b, 2), 0, &pass)->body;
  LExpr *lost = any_lost(b, in, b->max, NULL);
  in = &loop(b, in, lx_to_int(b->a, lost), 0, &once)->body;
  clear_state(b, in);
  LExpr *all = is(b, L_LT, whole(b, 0), lx_from_int(b->a, DT_I32, pass));
  return key_runs(b, in, ints(b, 0), b->s->keys, declared(b, in, all));
}

static LBody *all_keys(AttentionBuild *b, LBody *body) {
  clear_state(b, body);
  return key_blocks(b, body);
}

static void scratch_of_forward(AttentionBuild *b) {
  const AttentionShape *s = b->s;
  b->kt = s->pair_rows ? narrow_scratch(b, "kt", KEYS * whole_pairs(s->d))
                       : scratch(b, "kt", KEYS * s->d);
  b->p = scratch(b, "p", ATTENTION_ROWS * SCORE_ROW);
  b->acc = scratch(b, "acc", ATTENTION_ROWS * b->acc_row);
  b->max = scratch(b, "max", ATTENTION_ROWS);
  b->sum = scratch(b, "sum", ATTENTION_ROWS);
  if (!s->pair_rows)
    return;
  b->vn = narrow_scratch(b, "vn", panels(b, s->dv) * KEYS);
  b->narrow_p = narrow_scratch(b, "narrow p", ATTENTION_ROWS * SCORE_ROW);
}

void attention_forward(Arena *a, LKernel *k, LBody *body, const AttentionShape *s, LExpr *row0,
                       LExpr *nrows) {
  AttentionBuild b = {.a = a, .k = k, .s = s, .r0 = row0, .nrows = nrows};
  LExpr *i, *j;
  b.acc_row = panels(&b, s->dv) + 16;
  scratch_of_forward(&b);
  LBody *keys = (s->sees ? seen_keys : all_keys)(&b, body);
  stage_keys(&b, keys, &s->k, s->d, b.kt);
  if (s->pair_rows)
    stage_features(&b, keys, &s->v, b.s0, b.ns, s->dv, b.vn, KEYS);
  LTile *t = tile(&b, keys, nrows, b.ns, &i, &j);
  against_panels(&b, t, &s->q, s->d, b.kt);
  store(&b, &t->body, b.p, score_index(&b, i, j), scored(&b, &t->body, i, j), false);
  softmax_block(&b, keys);
  t = tile(&b, keys, nrows, ints(&b, s->dv), &i, &j);
  if (s->pair_rows)
    pairs_times(&b, t, b.narrow_p, SCORE_ROW, b.vn, KEYS, ints(&b, 0), b.ns);
  else
    scores_times(&b, t, b.p, false, &s->v, b.s0, b.ns);
  store(&b, &t->body, b.acc, lx_add(a, lx_mul(a, i, ints(&b, b.acc_row)), j), lx_acc(a), true);
  finish_rows(&b, body);
}

// ---- backward

static void clear_matrix(const AttentionBuild *b, LBody *body, const AttentionMatrix *m,
                         LExpr *rows, int64_t cols) {
  LExpr *i, *j;
  LStmt *r = loop(b, body, rows, 0, &i);
  LStmt *c = loop(b, &r->body, ints(b, cols), 1, &j);
  store(b, &c->body, m->mem, lx_add(b->a, at(b, m, i), j), num(b, 0), false);
}

static void row_deltas(const AttentionBuild *b, LBody *body) {
  const AttentionShape *s = b->s;
  LExpr *i, *j;
  LStmt *rows = loop(b, body, s->rows, 0, &i);
  int sum = reg(b, &rows->body, num(b, 0));
  LStmt *cols = loop(b, &rows->body, ints(b, s->dv), 1, &j);
  LExpr *o = load(b, s->out.mem, lx_add(b->a, at(b, &s->out, i), j)),
        *d = load(b, s->dout.mem, lx_add(b->a, at(b, &s->dout, i), j));
  put(b, &cols->body, ls_reduce(b->a, sum, LR_SUM, op2(b, L_MUL, o, d)));
  store(b, &rows->body, b->delta, i, rd(b, sum), false);
}

static void probabilities(const AttentionBuild *b, LBody *body) {
  LExpr *i, *j;
  LTile *t = tile(b, body, b->nrows, b->ns, &i, &j);
  against_panels(b, t, &b->s->q, b->s->d, b->kt);
  int lse = reg(b, &t->body, load(b, b->s->lse.mem, at(b, &b->s->lse, lx_add(b->a, b->r0, i))));
  LExpr *x = op2(b, L_SUB, scored(b, &t->body, i, j), rd(b, lse));
  if (b->s->mask) {
    // Where every key is masked, lse is -1e9 + log(keys), of which f32 keeps -1e9 only.
    LExpr *all = lx_op(b->a, L_LT, DT_BOOL, rd(b, lse), num(b, -5e8), NULL);
    x = op2(b, L_SUB, x,
            select3(b, all, op1(b, L_LOG, lx_from_int(b->a, DT_F32, b->s->keys)), num(b, 0)));
  }
  store(b, &t->body, b->p, score_index(b, i, j), op1(b, L_EXP, x), false);
}

static void score_gradients(const AttentionBuild *b, LBody *body) {
  const AttentionShape *s = b->s;
  LExpr *i, *j;
  LTile *t = tile(b, body, b->nrows, b->ns, &i, &j);
  against_panels(b, t, &s->dout, s->dv, b->vt);
  LBody *e = &t->body;
  LExpr *place = score_index(b, i, j), *keep = NULL, *dp = lx_acc(b->a);
  int p = reg(b, e, load(b, b->p, place));
  if (s->rate > 0) {
    int k = loop_reg(b->k);
    put(b, e, ls_reg(b->a, k, DT_BOOL, kept(b, e, i, j)));
    keep = lx_reg(b->a, DT_BOOL, k);
    dp = dropped(b, keep, dp);
  }
  LExpr *row = lx_add(b->a, b->r0, i);
  LExpr *ds = op2(b, L_MUL, rd(b, p), op2(b, L_SUB, dp, load(b, b->delta, row)));
  ds = op2(b, L_MUL, ds, num(b, s->scale));
  if (s->mask)
    ds = select3(b, s->mask(s->ctx, e, row, lx_add(b->a, b->s0, j)), ds, num(b, 0));
  store(b, e, s->pair_rows ? b->narrow_ds : b->ds, place, ds, false);
  if (keep || s->pair_rows)
    store(b, e, s->pair_rows ? b->narrow_p : b->p, place,
          keep ? dropped(b, keep, rd(b, p)) : rd(b, p), false);
}

// dst (from row `first` on) += scores (or their transpose) times x
static void accumulate(const AttentionBuild *b, LBody *body, int scores, bool transposed,
                       const AttentionMatrix *x, LExpr *xrow, LExpr *k, const AttentionMatrix *dst,
                       LExpr *first, LExpr *rows, int64_t cols) {
  LExpr *i, *j;
  LTile *t = tile(b, body, rows, ints(b, cols), &i, &j);
  scores_times(b, t, scores, transposed, x, xrow, k);
  store(b, &t->body, dst->mem, lx_add(b->a, at(b, dst, lx_add(b->a, first, i)), j), lx_acc(b->a),
        true);
}

// The same of pairs.
static void add_to(const AttentionBuild *b, LBody *body, const AttentionMatrix *dst, LExpr *row,
                   LExpr *j) {
  store(b, body, dst->mem, lx_add(b->a, at(b, dst, row), j), lx_acc(b->a), true);
}

static void accumulate_rows(const AttentionBuild *b, LBody *body) {
  LExpr *i, *j;
  LTile *t = tile(b, body, b->nrows, ints(b, b->s->d), &i, &j);
  pairs_times(b, t, b->narrow_ds, SCORE_ROW, b->kn, KEYS, past_keys(b), b->ns);
  add_to(b, &t->body, &b->s->dq, lx_add(b->a, b->r0, i), j);
}

// dst += the transpose of scores, whose zeros reach up to whole pieces of rows, times the block's rows of x.
static void accumulate_keys(const AttentionBuild *b, LBody *body, int scores,
                            const AttentionMatrix *x, const AttentionMatrix *dst, int64_t cols) {
  LExpr *i, *j, *piece = ints(b, LOOP_PAIR_K);
  LExpr *k = lx_iop(b->a, L_IDIV, lx_add(b->a, b->nrows, ints(b, LOOP_PAIR_K - 1)), piece);
  make_pairs(b, body, scores, ints(b, 0), b->ns, b->nrows, ints(b, 1), ints(b, SCORE_ROW),
             b->turned, 1, BACK_PAIRS);
  stage_features(b, body, x, b->r0, b->nrows, cols, b->rows_n, BACK_PAIRS);
  LTile *t = tile(b, body, b->ns, ints(b, cols), &i, &j);
  pairs_times(b, t, b->turned, BACK_PAIRS, b->rows_n, BACK_PAIRS, ints(b, 0),
              lx_mul(b->a, k, piece));
  add_to(b, &t->body, dst, lx_add(b->a, b->s0, i), j);
}

// What a block of rows may see of the keys that are staged, or all of them for the sake of rows that see nothing.
static LBody *seen_of_block(AttentionBuild *b, LBody *body) {
  if (!b->s->sees)
    return body;
  LExpr *lost = any_lost(b, body, b->s->lse.mem, &b->s->lse);
  return key_runs(b, body, b->s0, b->ns, declared(b, body, is(b, L_LT, whole(b, 0), lost)));
}

static void add_gradients(AttentionBuild *b, LBody *body) {
  const AttentionShape *s = b->s;
  probabilities(b, body);
  score_gradients(b, body);
  if (s->pair_rows) {
    accumulate_rows(b, body);
    accumulate_keys(b, body, b->narrow_p, &s->dout, &s->dv_, s->dv);
    accumulate_keys(b, body, b->narrow_ds, &s->q, &s->dk, s->d);
    return;
  }
  accumulate(b, body, b->ds, false, &s->k, b->s0, b->ns, &s->dq, b->r0, b->nrows, s->d);
  accumulate(b, body, b->p, true, &s->dout, b->r0, b->nrows, &s->dv_, b->s0, b->ns, s->dv);
  accumulate(b, body, b->ds, true, &s->q, b->r0, b->nrows, &s->dk, b->s0, b->ns, s->d);
}

// Rows of a block: whole tiles.
static int64_t back_rows(const AttentionShape *s) {
  return s->pair_rows ? BACK_PAIRS / s->pair_rows * s->pair_rows : BACK_ROWS;
}

static void scratch_of_backward(AttentionBuild *b) {
  const AttentionShape *s = b->s;
  b->p = scratch(b, "p", back_rows(s) * SCORE_ROW);
  if (!s->pair_rows) {
    b->kt = scratch(b, "kt", KEYS * s->d);
    b->vt = scratch(b, "vt", KEYS * s->dv);
    b->ds = scratch(b, "ds", BACK_ROWS * SCORE_ROW);
    return;
  }
  int64_t most = s->d > s->dv ? s->d : s->dv;
  b->kt = narrow_scratch(b, "kt", KEYS * whole_pairs(s->d));
  b->vt = narrow_scratch(b, "vt", KEYS * whole_pairs(s->dv));
  b->kn = narrow_scratch(b, "kn", panels(b, s->d) * KEYS);
  b->rows_n = narrow_scratch(b, "rows", panels(b, most) * BACK_PAIRS);
  b->narrow_p = narrow_scratch(b, "narrow p", BACK_PAIRS * SCORE_ROW);
  b->narrow_ds = narrow_scratch(b, "narrow ds", BACK_PAIRS * SCORE_ROW);
  b->turned = narrow_scratch(b, "turned", (KEYS + LOOP_PAIR_ROWS) * BACK_PAIRS);
}

void attention_backward(Arena *a, LKernel *k, LBody *body, const AttentionShape *s) {
  AttentionBuild b = {.a = a, .k = k, .s = s};
  LExpr *v;
  scratch_of_backward(&b);
  b.delta = loop_scratch(a, k, "delta", DT_F32, s->rows_size);
  clear_matrix(&b, body, &s->dq, s->rows, s->d);
  clear_matrix(&b, body, &s->dk, s->keys, s->d);
  clear_matrix(&b, body, &s->dv_, s->keys, s->dv);
  row_deltas(&b, body);
  LBody *keys = key_blocks(&b, body);
  stage_keys(&b, keys, &s->k, s->d, b.kt);
  stage_keys(&b, keys, &s->v, s->dv, b.vt);
  if (s->pair_rows)
    stage_features(&b, keys, &s->k, b.s0, b.ns, s->d, b.kn, KEYS);
  int64_t most = back_rows(s);
  LExpr *blocks = lx_iop(a, L_IDIV, lx_add(a, s->rows, ints(&b, most - 1)), ints(&b, most));
  LStmt *rows = loop(&b, keys, blocks, 0, &v);
  b.r0 = lx_mul(a, v, ints(&b, most));
  b.nrows = lx_iop(a, L_IMIN, ints(&b, most), lx_iop(a, L_ISUB, s->rows, b.r0));
  add_gradients(&b, seen_of_block(&b, &rows->body));
}
