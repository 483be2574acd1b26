// Steps in pieces: see pieces.h.
#include "runtime/exec/pieces.h"
#include "base/clock.h"
#include "runtime/exec/optim_internal.h"
#include "runtime/exec/team.h"
#include "runtime/exec/weights.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct PieceNode { // sums over some pieces
  double loss, count;
} PieceNode;

typedef struct PieceTree {
  bigs_model *m;
  int train;
  const StepPieces *p;
  OptRange *range; // what is trained
  int n;
  PieceNode node[PIECE_LEVELS]; // level k: of 2^k pieces, whose gradients are in m->piece_sum[k]
  PieceNode all;                // in the end
} PieceTree;

// Bits of a number.
static int bits_of(int64_t i) {
  int n = 0;
  for (; i > 0; i >>= 1)
    n++;
  return n;
}

// The odd number of pieces that halving ends with: a block.  Of none, as where a step is not taken in pieces, one.
static int64_t block_of(int64_t own) {
  return own < 1 ? 1 : own / (own & -own);
}

// Levels that are in use before the last piece: those within a block, and behind them those of whole blocks.
static int piece_levels(int64_t own) {
  int64_t block = block_of(own);
  return bits_of(block - 1) + bits_of(own / block - 1);
}

// The ones at the end of a number, which 1 more turns into zeros.
static int64_t carried(int64_t i) {
  return i & ~(i + 1);
}

int64_t pieces_bytes(const BigsModule *module, int64_t own) {
  return piece_levels(own) * module->param_bytes;
}

int64_t pieces_missing(const bigs_model *m, int64_t own) {
  int64_t bytes = 0;
  for (int k = 0; k < piece_levels(own); k++)
    bytes += m->piece_sum[k].p ? 0 : m->module->param_bytes;
  return bytes;
}

// ---- sums
// to = sum + g, or, where sum is NULL, g times weight.
static int sum_range(PieceTree *t, const OptRange *range, const Region *sum, double weight,
                     const Region *to) {
  float w = (float)weight;
  bool leaf = !sum;
  Flat f = {.g = flat_at(&t->m->grad, range),
            .a = flat_at(leaf ? &t->m->grad : sum, range),
            .weight = &w,
            .leaf = &leaf,
            .result = flat_at(to, range)};
  return flat_run(t->m, t->m->module->train[t->train].sum, range, &f);
}

static int sum_ranges(PieceTree *t, const Region *sum, double weight, const Region *to) {
  int err = 0;
  for (int i = 0; i < t->n && !err; i++)
    err = sum_range(t, &t->range[i], sum, weight, to);
  return err;
}

// The gradients of all levels in `mask` are added to those of now; the last sum goes to `to`.
static int add_levels(PieceTree *t, int64_t mask, PieceNode *now, const Region *to) {
  int err = 0;
  for (int k = 0; k < PIECE_LEVELS && !err; k++)
    if (mask >> k & 1) {
      err = sum_ranges(t, &t->m->piece_sum[k], 1, mask >> k == 1 ? to : &t->m->grad);
      now->loss = t->node[k].loss + now->loss;
      now->count = t->node[k].count + now->count;
    }
  return err;
}

typedef struct PiecePlace {
  int64_t mask; // levels that it joins
  int level;    // that it makes
} PiecePlace;

// Number i of a block joins the levels of the ones at the end of i, and the last one all that are left; then the block joins
// others as a piece does.
static PiecePlace place_in_tree(int64_t own, int64_t j) {
  int64_t block = block_of(own), i = j % block, whole = carried(j / block);
  int inner = bits_of(block - 1);
  return i + 1 < block ? (PiecePlace){carried(i), bits_of(carried(i))}
                       : (PiecePlace){i | whole << inner, inner + bits_of(whole)};
}

// Number j of this rank's.
static int add_piece(PieceTree *t, int64_t j, PieceNode now) {
  bigs_model *m = t->m;
  bool last = j + 1 == t->p->own;
  PiecePlace at = place_in_tree(t->p->own, j);
  int64_t mask = at.mask;
  int level = at.level;
  Region *to = last ? &m->grad : &m->piece_sum[level];
  if (!to->p && region_set(m, to, (size_t)m->module->param_bytes, "sums of gradients"))
    return m->error.status;
  int err = sum_ranges(t, NULL, now.count, mask ? &m->grad : to);
  err = err ? err : add_levels(t, mask, &now, to);
  *(last ? &t->all : &t->node[level]) = now;
  return err;
}

// ---- a piece
static int say_piece(PieceTree *t, int64_t i, int err, OptReport *report) {
  if (!err || err == BIGS_EINTERRUPT)
    return err;
  bigs_error_prefix(&t->m->error, "piece %" PRId64 " of %" PRId64, i + 1, t->p->n);
  report->piece = i;
  return err;
}

static int one_piece(PieceTree *t, int64_t i, const Needs *optimizer, OptReport *report) {
  bigs_model *m = t->m;
  PieceArgs a;
  float loss = 0;
  m->piece = i;
  m->later = *optimizer;
  m->later.bytes += pieces_missing(m, t->p->own);
  int err = t->p->next(t->p->ctx, i, &a);
  err = err ? err : model_gradient(m, t->train, a.dims, a.inputs, &loss, false);
  m->later = (Needs){0};
  err = err ? err : optim_loss(m, loss);
  if (!err) {
    PieceNode now = {(double)loss * (double)a.count, (double)a.count};
    err = add_piece(t, i - t->p->first, now);
  }
  return say_piece(t, i, err, report);
}

// Between two of its pieces, this one and the next?  What fails on one rank, and a signal to one, is known to all about a second later.
static bool looks_behind(const PieceTree *t, int64_t j) {
  int64_t apart = t->m->team_apart > 0 ? t->m->team_apart : 1;
  return (j + 1) % apart == 0 && j + 1 < t->p->own;
}

int64_t pieces_apart(int64_t own, double seconds) {
  return seconds * (double)own < 1 ? own : seconds < 1 ? (int64_t)(1 / seconds) : 1;
}

// A rank that has failed goes on to take part in what the others do.
static int own_pieces(PieceTree *t, int err, const Needs *optimizer, OptReport *report) {
  for (int64_t j = 0; j < t->p->own && !t->m->team_told; j++) {
    err = err ? err : one_piece(t, t->p->first + j, optimizer, report);
    if (looks_behind(t, j))
      err = team_agree(t->m, err, NULL);
  }
  return err;
}

static int all_pieces(PieceTree *t, int err, const Needs *optimizer, float *loss,
                      OptReport *report) {
  bigs_model *m = t->m;
  double begin = clock_seconds();
  err = own_pieces(t, err, optimizer, report);
  double sums[TEAM_NUMBERS] = {t->all.loss, t->all.count, clock_seconds() - begin};
  memcpy(sums + 3, m->besides, sizeof m->besides);
  err = team_together(m, err, sums, TEAM_NUMBERS);
  memcpy(m->besides, sums + 3, sizeof m->besides);
  t->all.count = sums[1];
  m->team_apart = pieces_apart(t->p->own, sums[2] / (double)t->p->n);
  if (!err)
    *loss = (float)(sums[0] / sums[1]);
  return err;
}

// ---- the step
static int step_begin(PieceTree *t, const TrainRecipe *r, Needs *later) {
  bigs_model *m = t->m;
  int err = recipe_check(&m->module->train[t->train], r, &m->error);
  err = err ? err : region_own(m, &m->param, "parameters");
  err = err ? err : optim_needs(m, t->train, r, later);
  err = err ? err : optim_ranges(m, t->train, r, &t->range, &t->n);
  if (!err)
    t->n = optim_join(t->range, t->n);
  m->pieces = t->p->n;
  return err ? err : team_cut(m, pieces_shares(t->p->n));
}

int pieces_step(bigs_model *m, int train, const TrainRecipe *r, const StepPieces *p, float *loss,
                OptReport *report) {
  PieceTree t = {.m = m, .train = train, .p = p};
  OptReport unused, *out = report ? report : &unused;
  Needs later = {0};
  *out = (OptReport){.piece = -1};
  float value = 0;
  int err = step_begin(&t, r, &later);
  err = all_pieces(&t, err, &later, &value, out);
  free(t.range);
  if (!err && loss)
    *loss = value;
  err = err ? err : optim_loss(m, value);
  OptShare share = {.weight = 1, .unit = 1 / t.all.count};
  err = err ? err : optim_step(m, train, r, share, out);
  if (err)
    return err;
  m->pieces = m->piece = 0;
  weights_trained(m, train);
  return 0;
}
