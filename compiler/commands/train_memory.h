// How a run keeps to a size of memory: in how many pieces it takes a step, and what it computes again.
#ifndef BIGSC_TRAIN_MEMORY_H
#define BIGSC_TRAIN_MEMORY_H
#include "compiler/commands/ranks.h"

// --memory and --recompute.  Of a run whose pieces are free (told: they are not) the fewest in which a step keeps to --memory, or, where
// that is none, one row each; then, as in the pieces that are told, the fewest parts of the forward pass are computed again with
// which it does, or those that --recompute says.  An exit status; what went wrong has been printed.
int train_keep_to_memory(Session *s, const BigsTrain *t, bool told, const Ranks *ranks,
                         TrainPlan *plan);
// A batch that grows ends as large as its block says: is there room for it, and does the model take it?  What cannot be told here
// the step itself will.
int train_check_growth(Session *s, const BigsTrain *t, const Ranks *ranks, const TrainPlan *plan);
#endif
