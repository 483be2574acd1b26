// A training step whose batch is taken in pieces, one after another, so that it needs the memory of one: a piece's gradients,
// each times what its loss is the mean of, are added up, and the optimizer sees their sum as a mean.
//
// They are added in a binary tree that the number of pieces alone decides.  It is halved as long as it is even; an odd number of
// neighbours is added as 1 is added to a binary number: two sums of equally many become one as soon as both are there, and at the
// end what is left is put together, the smallest first.  So sums of log2(n) sizes are kept, and of any power of two of ranks that
// divides the pieces each owns a subtree: the ranks' sums, added in a binary tree too, are those of one that owns all.
#ifndef BIGSC_RUNTIME_PIECES_H
#define BIGSC_RUNTIME_PIECES_H
#include "runtime/exec/optim.h"

typedef struct PieceArgs { // of the gradient's program
  const int64_t *dims;
  const void *const *inputs;
  int64_t count; // what its loss is the mean of, at least 1
} PieceArgs;

typedef struct StepPieces {
  int64_t n;          // of the step, of all ranks together
  int64_t first, own; // this rank's: first, ..., first + own - 1; equally many of each
  void *ctx;
  // Piece i, in order; *out has to stay until the next call.  Returns 0, or a status with the reason in the handle's error:
  // BIGS_EINTERRUPT ends the step as if it had not begun.
  int (*next)(void *ctx, int64_t i, PieceArgs *out);
} StepPieces;

// As model_step, with draws of its own for each piece.  What goes wrong in one of them says which, and report->piece has its
// number; m->piece, too, until the next step: model_gradient draws the same.  The loss is the mean over all pieces.  Afterwards
// the handle's gradients are the sum, and not the mean.
int pieces_step(bigs_model *m, int train, const TrainRecipe *r, const StepPieces *p, float *loss,
                OptReport *report);
// Of what the ranks share, which are sums too, there are as many parts: the most ranks that can have a subtree each.
enum { SHARES_MOST = 1024 };
static inline int pieces_shares(int64_t n) {
  int64_t even = n < 1 ? 1 : n & -n;
  return even < SHARES_MOST ? (int)even : SHARES_MOST;
}
// Of a rank's own pieces, which take so many seconds each, how many lie between two looks at the other ranks: the same on all of them.
int64_t pieces_apart(int64_t own, double seconds);
// Memory that sums of so many pieces take, and what of it is still to be asked for.
int64_t pieces_bytes(const BigsModule *module, int64_t own);
int64_t pieces_missing(const bigs_model *m, int64_t own);
#endif
