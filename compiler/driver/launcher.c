// See launcher.h.
#include "compiler/driver/launcher.h"
#include "base/bug.h"
#include <stdlib.h>

static const struct Launcher {
  const char *name, *rank, *ranks, *local;
  bool mpi;
} launchers[] = {
#define LAUNCHER(name, rank, ranks, local, mpi) {name, rank, ranks, local, mpi},
#include "compiler/driver/launchers.def"
#undef LAUNCHER
};

enum { RANKS_MOST = 1 << 16 };

// A whole number from least to most.
static int variable(const char *launcher, const char *name, int least, int most, int *out,
                    BigsError *e) {
  const char *s = getenv(name);
  char *end = NULL;
  long v = s ? strtol(s, &end, 10) : 0;
  if (!s || !*s || *end || v < least || v > most)
    return bigs_fail(e, BIGS_EUSAGE,
                     "%s=%s in the environment: %s says there which of its ranks this is, %d to %d",
                     name, s ? s : "", launcher, least, most);
  *out = (int)v;
  return 0;
}

static int read_launcher(const struct Launcher *l, Launched *out, BigsError *e) {
  out->by = l->name;
  out->mpi = l->mpi;
  int err = variable(l->name, l->ranks, 1, RANKS_MOST, &out->ranks, e);
  err = err || out->ranks == 1 ? err : variable(l->name, l->rank, 0, out->ranks - 1, &out->rank, e);
  return err || out->ranks == 1 ? err
                                : variable(l->name, l->local, 0, out->ranks - 1, &out->local, e);
}

int launcher_find(Launched *out, BigsError *e) {
  *out = (Launched){.ranks = 1};
  for (int i = 0; i < COUNT(launchers); i++)
    if (getenv(launchers[i].ranks))
      return read_launcher(&launchers[i], out, e);
  return 0;
}
