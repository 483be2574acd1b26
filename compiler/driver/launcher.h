// Which of several ranks this process is, as torchrun, mpirun or srun says in the environment.
#ifndef BIGSC_LAUNCHER_H
#define BIGSC_LAUNCHER_H
#include "base/error.h"
#include <stdbool.h>

typedef struct Launched {
  const char *by; // "torchrun"; NULL: nobody says anything, and the process is alone
  int rank, ranks;
  int local;  // rank among those of this computer
  int locals; // how many these are; 1, where it is not known
  bool mpi;   // it starts programs of MPI
} Launched;
// Status 2: the environment says it by halves, or what is no rank.
int launcher_find(Launched *out, BigsError *e);
#endif
