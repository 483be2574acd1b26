// How many threads do a task: a warp, or a block where it passes over long rows, or over many rows for sums of
// their columns: of such tasks there are few.
#include "codegen/cuda/cuda_internal.h"

enum {
  LANE_MOST = 32,   // elements of a row that a lane has, if there are lanes enough
  BLOCK_MOST = 512, // of more threads each has 64 registers, too few for half a row of 32768
};

int64_t cuda_exact_count(const LStmt *s) {
  bool known = s->lo->op == L_INT && s->hi->op == L_INT;
  return known ? s->hi->inum - s->lo->inum : -1;
}

static bool is_reduced(const LBody *all, const LBody *b) {
  for (int i = 0; i < b->n; i++)
    if ((b->v[i]->kind == LS_REDUCE && !cuda_declares(all, b->v[i]->reg)) ||
        is_reduced(all, &b->v[i]->body))
      return true;
  return false;
}

// The most elements of a loop that lanes reduce; 0: there is none.
static int64_t longest(const LBody *b) {
  int64_t most = 0, n;
  for (int i = 0; i < b->n; i++) {
    const LStmt *s = b->v[i];
    bool lanes = s->kind == LS_FOR && s->vec;
    n = !lanes ? longest(&s->body) : is_reduced(&s->body, &s->body) ? cuda_exact_count(s) : 0;
    most = n > most ? n : most;
  }
  return most;
}

// Products and what has memory of its own are a warp's, and sums that are rounded on their way.
static bool is_for_blocks(const LBody *b) {
  for (int i = 0; i < b->n; i++) {
    const LStmt *s = b->v[i];
    bool rounds = s->kind == LS_REDUCE && s->value->dtype == DT_BF16 && s->reduce == LR_SUM;
    if (rounds || s->kind == LS_TILE || s->kind == LS_TRANSPOSE || s->kind == LS_PAIRS ||
        s->kind == LS_QUADS || s->kind == LS_ATTENTION || !is_for_blocks(&s->body))
      return false;
  }
  return true;
}

// The most columns that are summed up; 0: none, or it is not known.
static int64_t columns_of(const LBody *b) {
  int64_t most = 0, n;
  for (int i = 0; i < b->n; i++) {
    const LStmt *s = b->v[i];
    bool sums = false;
    for (int j = 0; j < s->body.n; j++)
      sums |= s->body.v[j]->kind == LS_COLSUM;
    n = sums && s->vec ? cuda_exact_count(s) : columns_of(&s->body);
    most = n > most ? n : most;
  }
  return most;
}

int cuda_crew(const LKernel *k) {
  int64_t most = longest(&k->body), columns = columns_of(&k->body);
  if ((most <= 32 * LANE_MOST && columns < CUDA_BLOCK) || k->mem.n != k->nargs ||
      !is_for_blocks(&k->body))
    return 32;
  return most <= CUDA_BLOCK * LANE_MOST ? CUDA_BLOCK : BLOCK_MOST;
}
