// The ranks of a run of `train`, as the program that started them says.
#ifndef BIGSC_RANKS_H
#define BIGSC_RANKS_H
#include "compiler/commands/feeding.h"
#include "compiler/driver/launcher.h"
#include "compiler/driver/session.h"
#include "runtime/cuda/nccl.h"
#include "runtime/team/wire_team.h"
#include "runtime/train/train.h"

typedef struct Ranks {
  Launched place; // ranks 1: the process trains alone
  NcclTeam *nccl;
  bool by_mpi; // they share the pieces of a step
  const char *plugin;
  WireTeam *mpi;
} Ranks;
// Before anything else is done.  0, or a status; what went wrong has been printed.  ranks_close afterwards in any case.
int ranks_find(Arena *a, const Options *o, Ranks *r);
// Meets the other ranks, of NCCL in o->out, with the session's handle.  *team: for train_run, NULL where the process is alone.  Ranks of
// MPI that differ in what they would train are refused.
int ranks_meet(Session *s, Ranks *r, const TrainPlan *plan, const Feeding *f, Team **team);
void ranks_close(Ranks *r); // before the session
#endif
