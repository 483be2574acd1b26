// The ranks of a run of `train`, as the program that started them says.
#ifndef BIGSC_RANKS_H
#define BIGSC_RANKS_H
#include "compiler/driver/launcher.h"
#include "compiler/driver/session.h"
#include "runtime/cuda/nccl.h"

typedef struct Ranks {
  Launched place; // ranks 1: the process trains alone
  NcclTeam *nccl;
} Ranks;
// Before anything else is done.  0, or a status; what went wrong has been printed.  ranks_close afterwards in any case.
int ranks_find(const Options *o, Ranks *r);
// Meets the other ranks in o->out, with the session's handle.  *team: for train_run, NULL where the process is alone.
int ranks_meet(Session *s, Ranks *r, Team **team);
void ranks_close(Ranks *r); // before the session
#endif
