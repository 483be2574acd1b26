// What the files ranks*.c share.
#ifndef BIGSC_RANKS_INTERNAL_H
#define BIGSC_RANKS_INTERNAL_H
#include "compiler/commands/ranks.h"
#include "runtime/exec/pieces.h"

// Do all ranks train the same?  Else status 2 on each, with the first rank that differs and in what.
int ranks_same(Session *s, Team *t, const TrainPlan *plan, const Feeding *f);
#endif
