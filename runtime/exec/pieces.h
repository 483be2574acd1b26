// A training step whose batch is taken in pieces, one after another, so that it needs the memory of one: a piece's gradients,
// each times what its loss is the mean of, are added up, and the optimizer sees their sum as a mean.
//
// They are added in a binary tree that the number of pieces alone decides, as 1 is added to a binary number: two sums of equally
// many neighbours become one as soon as both are there, and at the end what is left is put together, the smallest first.  So sums
// of log2(n) sizes are kept.  Neighbouring pieces whose number is a power of two, and divides that of the first one, are a subtree:
// a rank that owns such has the same sums as one that owns all.
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
// Memory that sums of so many pieces take, and what of it is still to be asked for.
int64_t pieces_bytes(const BigsModule *module, int64_t own);
int64_t pieces_missing(const bigs_model *m, int64_t own);
#endif
