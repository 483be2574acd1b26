// See ranks.h.
#include "compiler/commands/ranks.h"
#include "runtime/files/meet.h"
#include <stdlib.h>
#include <string.h>

enum { WAIT_SECONDS = 300 };

static int say(const BigsError *e) {
  fprintf(stderr, "bigsc: %s\n", e->text);
  return e->status;
}

static int for_gpus_only(const Ranks *r, BigsError *e) {
  return bigs_fail(e, BIGS_EUSAGE,
                   "%s has started %d ranks, and ranks train together on GPUs: give --target=cuda, "
                   "or --team=none, which lets "
                   "each train for itself",
                   r->place.by, r->place.ranks);
}

int ranks_find(const Options *o, Ranks *r) {
  BigsError e = {0};
  *r = (Ranks){.place = {.ranks = 1}};
  if (o->team && !strcmp(o->team, "none"))
    return 0;
  if (launcher_find(&r->place, &e))
    return say(&e);
  if (r->place.ranks == 1)
    return 0;
  if (!o->target || strcmp(o->target, "cuda"))
    for_gpus_only(r, &e);
  else
    r->nccl = nccl_load(&e);
  return r->nccl ? 0 : say(&e);
}

static double patience(void) {
  const char *s = getenv("BIGSC_TEAM_WAIT");
  double v = s ? strtod(s, NULL) : 0;
  return v > 0 ? v : WAIT_SECONDS;
}

int ranks_meet(Session *s, Ranks *r, Team **team) {
  NcclId id = {{0}};
  const Launched *p = &r->place;
  *team = NULL;
  if (p->ranks == 1)
    return 0;
  int err = p->rank ? 0 : nccl_new_id(r->nccl, &id, &s->error);
  err = err ? err : meet(s->o->out, p->rank, p->ranks, &id, sizeof id, patience(), &s->error);
  if (err)
    return session_fail(s, &s->error);
  if (nccl_join(r->nccl, s->handle, &id, p->rank, p->ranks))
    return session_error(s, s->handle->error.status, "%s", bigs_model_error(s->handle));
  *team = nccl_team(r->nccl);
  return 0;
}

void ranks_close(Ranks *r) {
  nccl_close(r->nccl);
  r->nccl = NULL;
}
