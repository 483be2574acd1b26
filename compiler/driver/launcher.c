// See launcher.h.
#include "compiler/driver/launcher.h"
#include "base/bug.h"
#include <stdlib.h>
#include <string.h>

static const struct Launcher {
  const char *name, *rank, *ranks, *local, *locals;
  bool mpi;
} launchers[] = {
#define LAUNCHER(name, rank, ranks, local, locals, mpi) {name, rank, ranks, local, locals, mpi},
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

// Of "4", or of Slurm's list of nodes, "2(x3),1": the number that stands for this node, 0: none does.
static long at_node(const char *list, long node) {
  for (char *end; *list; list = *end == ',' ? end + 1 : end) {
    long v = strtol(list, &end, 10), times = 1;
    if (end == list)
      return 0;
    if (!strncmp(end, "(x", 2)) {
      times = strtol(end + 2, &end, 10);
      end += *end == ')';
    }
    if (node < times || !*end)
      return v;
    node -= times;
  }
  return 0;
}

// What the launcher does not say is no error: then the ranks are taken for alone on their computers.
static int ranks_here(const struct Launcher *l, int ranks) {
  const char *list = getenv(l->locals), *node = getenv("SLURM_NODEID");
  long n = list ? at_node(list, node ? strtol(node, NULL, 10) : 0) : 1;
  return n < 1 ? 1 : n < ranks ? (int)n : ranks;
}

static int read_launcher(const struct Launcher *l, Launched *out, BigsError *e) {
  out->by = l->name;
  out->mpi = l->mpi;
  out->locals = 1;
  int err = variable(l->name, l->ranks, 1, RANKS_MOST, &out->ranks, e);
  if (err || out->ranks == 1)
    return err;
  out->locals = ranks_here(l, out->ranks);
  err = variable(l->name, l->rank, 0, out->ranks - 1, &out->rank, e);
  return err ? err : variable(l->name, l->local, 0, out->ranks - 1, &out->local, e);
}

// whole: one that says all of it.  Slurm says ranks as MPICH does, too, with --mpi=pmi2, but not those of a computer.
static const struct Launcher *find(bool whole) {
  for (int i = 0; i < COUNT(launchers); i++)
    if (getenv(launchers[i].ranks) && (!whole || getenv(launchers[i].local)))
      return &launchers[i];
  return NULL;
}

int launcher_find(Launched *out, BigsError *e) {
  const struct Launcher *l = find(true);
  *out = (Launched){.ranks = 1, .locals = 1};
  l = l ? l : find(false);
  return l ? read_launcher(l, out, e) : 0;
}
