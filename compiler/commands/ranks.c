// See ranks.h.
#include "compiler/commands/ranks.h"
#include "compiler/commands/ranks_internal.h"
#include "codegen/made.h"
#include "runtime/files/meet.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_SECONDS = 300 };

static int say(const BigsError *e) {
  fprintf(stderr, "bigsc: %s\n", e->text);
  return e->status;
}

static bool is(const char *value, const char *word) {
  return value && !strcmp(value, word);
}

static double patience(void) {
  const char *s = getenv("BIGSC_TEAM_WAIT");
  double v = s ? strtod(s, NULL) : 0;
  return v > 0 ? v : WAIT_SECONDS;
}

// ---- MPI
// The environment's BIGSC_TEAM_MPI, a file; else beside this program, or installed.
static const char *find_plugin(Arena *a, BigsError *e) {
  const char *said = getenv("BIGSC_TEAM_MPI"), *own = made_own_dir(a);
  const char *dirs[] = {own, own ? arena_printf(a, "%s/../lib/bigsc", own) : NULL, BIGSC_PKGLIBDIR};
  if (said && *said)
    return said;
  for (int i = 0; i < COUNT(dirs); i++) {
    const char *path = dirs[i] ? arena_printf(a, "%s/team-mpi.so", dirs[i]) : NULL;
    if (path && !access(path, R_OK))
      return path;
  }
  bigs_fail(e, BIGS_EFILE,
            "team-mpi.so, by which ranks on processors train together, is neither installed nor "
            "beside bigsc: build bigsc where mpicc is, or name the file in the environment "
            "variable BIGSC_TEAM_MPI");
  return NULL;
}

static int refuse_number(const Ranks *r, BigsError *e) {
  return bigs_fail(e, BIGS_EUSAGE,
                   "%s has started %d ranks; on processors they are a power of two, at most %d, "
                   "which divides the pieces of a step",
                   r->place.by, r->place.ranks, SHARES_MOST);
}

static int not_of_mpi(const Ranks *r, BigsError *e) {
  return bigs_fail(e, BIGS_EUSAGE,
                   "%s has started %d ranks, which train together on GPUs only: give "
                   "--target=cuda; or start them by mpirun; or --team=none, which lets each train "
                   "for itself",
                   r->place.by, r->place.ranks);
}

static int open_mpi(Ranks *r, BigsError *e) {
  r->mpi = wire_load(r->plugin, patience(), e);
  return r->mpi ? 0 : e->status;
}

// A launcher that says nothing in the environment: MPI itself has to be asked.
static int ask_mpi(Ranks *r, BigsError *e) {
  if (open_mpi(r, e))
    return e->status;
  const Team *t = wire_team(r->mpi);
  r->place = (Launched){.by = "MPI", .rank = t->rank, .ranks = t->ranks, .locals = 1, .mpi = true};
  return 0;
}

static int find_by_mpi(Arena *a, bool asked, Ranks *r, BigsError *e) {
  bool alone = r->place.by && r->place.ranks == 1;
  if (alone || (!asked && r->place.ranks == 1))
    return 0;
  if (r->place.by && !r->place.mpi && !asked)
    return not_of_mpi(r, e);
  r->plugin = find_plugin(a, e);
  int err = !r->plugin ? e->status : r->place.by ? 0 : ask_mpi(r, e);
  int n = r->place.ranks;
  r->by_mpi = n > 1;
  return err ? err : n & (n - 1) || n > SHARES_MOST ? refuse_number(r, e) : 0;
}

// The launcher and MPI have to say the same.
static int join_by_mpi(Ranks *r, BigsError *e) {
  const Launched *p = &r->place;
  if (!r->mpi && open_mpi(r, e))
    return e->status;
  const Team *t = wire_team(r->mpi);
  return t->rank == p->rank && t->ranks == p->ranks
             ? 0
             : bigs_fail(e, BIGS_EUSAGE,
                         "%s says that this is rank %d of %d, and MPI that it is %d of %d: is %s "
                         "of another MPI than the launcher?  (srun wants --mpi=pmix, or pmi2)",
                         p->by, p->rank, p->ranks, t->rank, t->ranks, r->plugin);
}

// ----
int ranks_find(Arena *a, const Options *o, Ranks *r) {
  BigsError e = {0};
  bool cuda = is(o->target, "cuda"), mpi = is(o->team, "mpi");
  *r = (Ranks){.place = {.ranks = 1, .locals = 1}};
  if (is(o->team, "none"))
    return 0;
  int err = launcher_find(&r->place, &e);
  if (!err && mpi && cuda)
    err = bigs_fail(&e, BIGS_EUSAGE, "--team=mpi is for processors; GPUs train together by NCCL");
  else if (!err && !cuda && !is(o->team, "nccl"))
    err = find_by_mpi(a, mpi, r, &e);
  else if (!err && r->place.ranks > 1 && !cuda)
    err = not_of_mpi(r, &e);
  else if (!err && r->place.ranks > 1 && !(r->nccl = nccl_load(&e)))
    err = e.status;
  return err ? say(&e) : 0;
}

static int meet_by_mpi(Session *s, Ranks *r, const TrainPlan *plan, const Feeding *f, Team **team) {
  if (join_by_mpi(r, &s->error))
    return session_fail(s, &s->error);
  *team = wire_team(r->mpi);
  return ranks_same(s, *team, plan, f);
}

static int meet_by_nccl(Session *s, Ranks *r, Team **team) {
  NcclId id = {{0}};
  const Launched *p = &r->place;
  int err = p->rank ? 0 : nccl_new_id(r->nccl, &id, &s->error);
  err = err ? err : meet(s->o->out, p->rank, p->ranks, &id, sizeof id, patience(), &s->error);
  if (err)
    return session_fail(s, &s->error);
  if (nccl_join(r->nccl, s->handle, &id, p->rank, p->ranks))
    return session_error(s, s->handle->error.status, "%s", bigs_model_error(s->handle));
  *team = nccl_team(r->nccl);
  return 0;
}

int ranks_meet(Session *s, Ranks *r, const TrainPlan *plan, const Feeding *f, Team **team) {
  *team = NULL;
  if (r->place.ranks == 1)
    return 0;
  return r->by_mpi ? meet_by_mpi(s, r, plan, f, team) : meet_by_nccl(s, r, team);
}

void ranks_close(Ranks *r) {
  nccl_close(r->nccl);
  wire_close(r->mpi);
  r->nccl = NULL;
  r->mpi = NULL;
}
