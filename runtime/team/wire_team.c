// See wire_team.h.
#include "runtime/team/wire_team.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/dtype.h"
#include "runtime/team/wire.h"
#include <dlfcn.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WIRE_ROOM = 4 << 20 }; // bytes of a round of sums, each way

struct WireTeam {
  Team base; // the first member
  Wire *wire;
  double seconds; // of patience
  bool broken;
  char *give, *take; // WIRE_ROOM of each
};

// ---- the plugin
static Wire *open_wire(const char *path, BigsError *e) {
  char error[256] = "";
  // MPI's own plugins look for its functions among all that are loaded.
  void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
  void *p = library ? dlsym(library, WIRE_SYMBOL) : NULL;
  WireOpen *open;
  memcpy(&open, &p, sizeof p);
  Wire *w = p ? open(error, sizeof error) : NULL;
  if (!w)
    bigs_fail(e, BIGS_EFILE, "%s: %s", path, p ? error : dlerror());
  else if (w->version != WIRE_VERSION) {
    w = NULL;
    bigs_fail(e, BIGS_EFILE, "%s is of another version of bigsc", path);
  }
  return w;
}

// ---- two ranks
static int is_lost(WireTeam *t, bigs_model *m, int other) {
  t->broken = true;
  return bigs_fail(&m->error, BIGS_EFILE,
                   "rank %d is lost: it has not answered for %g seconds (BIGSC_TEAM_WAIT)", other,
                   t->seconds);
}

static int give_up(WireTeam *t, bigs_model *m, int other) {
  t->broken = true;
  return bigs_fail(&m->error, BIGS_EFILE, "rank %d is lost: %s", other, t->wire->error);
}

static int is_broken(bigs_model *m) {
  return m->error.status ? m->error.status
                         : bigs_fail(&m->error, BIGS_EFILE,
                                     "the other ranks are lost since an earlier failure");
}

static void rest_a_little(int turn) {
  enum { EAGER = 2000, PAUSE_NS = 50000 };
  const struct timespec pause = {.tv_nsec = PAUSE_NS};
  if (turn > EAGER)
    nanosleep(&pause, NULL);
  else
    sched_yield();
}

static int wait_for(WireTeam *t, bigs_model *m, int other) {
  double until = clock_seconds() + t->seconds;
  int done = 0;
  for (int turn = 0; !done; turn += turn < INT32_MAX) {
    done = t->wire->done(t->wire);
    if (!done && clock_seconds() > until)
      return is_lost(t, m, other);
    if (!done)
      rest_a_little(turn);
  }
  return done < 0 ? give_up(t, m, other) : 0;
}

// Bytes at, ..., of n that a call of the wire takes.
static size_t part_of(size_t n, size_t at) {
  return n <= at ? 0 : n - at < WIRE_MOST ? n - at : WIRE_MOST;
}

static int swap(WireTeam *t, bigs_model *m, int other, const char *give, size_t ngive, char *take,
                size_t ntake) {
  size_t most = ngive > ntake ? ngive : ntake;
  int err = t->broken ? is_broken(m) : 0;
  t->base.sent += (int64_t)ngive;
  for (size_t at = 0; at < most && !err; at += WIRE_MOST) {
    size_t gives = part_of(ngive, at), takes = part_of(ntake, at);
    err = t->wire->swap(t->wire, other, gives ? give + at : NULL, gives, takes ? take + at : NULL,
                        takes)
              ? give_up(t, m, other)
              : wait_for(t, m, other);
  }
  return err;
}

// ---- all ranks
static int wire_all_gather(Team *team, bigs_model *m, void *data, size_t bytes) {
  char *p = data;
  int err = 0;
  for (int d = 1; d < team->ranks && !err; d *= 2) {
    size_t mine = (size_t)(team->rank & -d), n = (size_t)d;
    err = swap((WireTeam *)team, m, team->rank ^ d, p + mine * bytes, n * bytes,
               p + (mine ^ n) * bytes, n * bytes);
  }
  return err;
}

static int wire_exchange(Team *team, bigs_model *m, const void *mine, void *all, size_t bytes) {
  memcpy((char *)all + (size_t)team->rank * bytes, mine, bytes);
  return wire_all_gather(team, m, all, bytes);
}

static int wire_agree(Team *team, bigs_model *m, int32_t *v, int n) {
  int32_t theirs[TEAM_FLAGS];
  size_t bytes = (size_t)n * sizeof *v;
  int err = 0;
  for (int d = 1; d < team->ranks && !err; d *= 2) {
    err = swap((WireTeam *)team, m, team->rank ^ d, (const char *)v, bytes, (char *)theirs, bytes);
    for (int i = 0; i < n && !err; i++)
      v[i] = theirs[i] > v[i] ? theirs[i] : v[i];
  }
  return err;
}

// One after another: it is rank 0's cable that they wait for.
static int wire_collect(Team *team, bigs_model *m, void *data, size_t bytes) {
  WireTeam *t = (WireTeam *)team;
  char *p = data;
  int err = 0;
  if (team->rank)
    return swap(t, m, 0, p + (size_t)team->rank * bytes, bytes, NULL, 0);
  for (int k = 1; k < team->ranks && !err; k++)
    err = swap(t, m, k, NULL, 0, p + (size_t)k * bytes, bytes);
  return err;
}

// Before round d the ranks below d have it.
static int wire_share(Team *team, bigs_model *m, void *data, size_t bytes) {
  int err = 0, rank = team->rank;
  for (int d = 1; d < team->ranks && !err; d *= 2)
    if (rank < 2 * d)
      err = swap((WireTeam *)team, m, rank ^ d, data, rank < d ? bytes : 0, data,
                 rank < d ? 0 : bytes);
  return err;
}

// ---- sums
typedef struct WireColumns { // of all slices the same elements
  char *first;               // those of slice 0
  size_t slice, bytes;       // from slice to slice; of a column
  int ranks;
} WireColumns;

// What goes to that rank in round d: the slices whose numbers end as its own does.
static size_t pack(const WireColumns *c, int rank, int d, char *to) {
  size_t n = 0;
  for (int k = rank & (2 * d - 1); k < c->ranks; k += 2 * d, n += c->bytes)
    memcpy(to + n, c->first + (size_t)k * c->slice, c->bytes);
  return n;
}

static void add_packed(const WireColumns *c, int rank, int d, int dtype, const char *from) {
  int64_t n = (int64_t)c->bytes / dtype_size((DType)dtype);
  for (int k = rank & (2 * d - 1); k < c->ranks; k += 2 * d, from += c->bytes)
    team_add(c->first + (size_t)k * c->slice, from, n, dtype);
}

static int reduce_columns(WireTeam *t, bigs_model *m, const WireColumns *c, int dtype) {
  int err = 0, rank = t->base.rank;
  for (int d = 1; d < c->ranks && !err; d *= 2) {
    size_t n = pack(c, rank ^ d, d, t->give);
    err = swap(t, m, rank ^ d, t->give, n, t->take, n);
    if (!err)
      add_packed(c, rank, d, dtype, t->take);
  }
  return err;
}

static int wire_reduce_scatter(Team *team, bigs_model *m, void *data, int64_t n, int dtype,
                               double weight) {
  size_t size = (size_t)dtype_size((DType)dtype), ranks = (size_t)team->ranks;
  size_t most = 2 * WIRE_ROOM / ranks / size * size, slice = (size_t)n * size;
  int err = 0;
  if (weight != 1)
    team_scale(data, n * team->ranks, dtype, weight);
  for (size_t at = 0; at < slice && !err; at += most) {
    WireColumns c = {(char *)data + at, slice, slice - at < most ? slice - at : most, team->ranks};
    err = reduce_columns((WireTeam *)team, m, &c, dtype);
  }
  return err;
}

// ----
static void make_table(WireTeam *t) {
  t->base = (Team){.name = "MPI",
                   .rank = t->wire->rank,
                   .ranks = t->wire->ranks,
                   .tree = true,
                   .host = true,
                   .exchange = wire_exchange,
                   .agree = wire_agree,
                   .share = wire_share,
                   .reduce_scatter = wire_reduce_scatter,
                   .all_gather = wire_all_gather,
                   .collect = wire_collect};
}

WireTeam *wire_load(const char *path, double seconds, BigsError *e) {
  WireTeam *t = ALLOC(WireTeam);
  if (t) {
    t->seconds = seconds;
    t->give = ALLOC_N(char, WIRE_ROOM);
    t->take = ALLOC_N(char, WIRE_ROOM);
  }
  if (!t || !t->give || !t->take)
    bigs_fail_memory(e, "a team");
  else if ((t->wire = open_wire(path, e))) {
    make_table(t);
    return t;
  }
  wire_close(t);
  return NULL;
}

Team *wire_team(WireTeam *t) {
  return &t->base;
}

void wire_close(WireTeam *t) {
  if (!t)
    return;
  if (t->wire)
    t->wire->close(t->wire, !t->broken);
  free(t->give);
  free(t->take);
  free(t);
}
