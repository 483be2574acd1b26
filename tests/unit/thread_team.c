// See thread_team.h.
#include "tests/unit/thread_team.h"
#include "base/dtype.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATIENCE = 60 }; // seconds

// Until all ranks are here; false when one never will be.
static bool all_here(TeamHub *h) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += PATIENCE;
  pthread_mutex_lock(&h->lock);
  unsigned round = h->round;
  if (!h->broken && ++h->arrived == h->ranks) {
    h->arrived = 0;
    h->round++;
    pthread_cond_broadcast(&h->changed);
  }
  while (round == h->round && !h->broken)
    if (pthread_cond_timedwait(&h->changed, &h->lock, &until) == ETIMEDOUT)
      h->broken = true;
  bool here = round != h->round;
  pthread_mutex_unlock(&h->lock);
  return here;
}

static void leave_for_ever(TeamHub *h) {
  pthread_mutex_lock(&h->lock);
  h->broken = true;
  pthread_cond_broadcast(&h->changed);
  pthread_mutex_unlock(&h->lock);
}

static int lost(bigs_model *m) {
  return bigs_fail(&m->error, BIGS_EFILE, "the other ranks are gone");
}

static TeamHub *come(Team *t, const void *data, double weight) {
  TeamSeat *s = (TeamSeat *)t;
  TeamHub *h = s->hub;
  if (++s->calls == h->lost_at && t->rank == h->lost_rank)
    leave_for_ever(h);
  h->said[t->rank].data = data;
  h->said[t->rank].weight = weight;
  return h;
}

static int thread_exchange(Team *t, bigs_model *m, const void *mine, void *all, size_t bytes) {
  TeamHub *h = come(t, mine, 1);
  if (!all_here(h))
    return lost(m);
  for (int k = 0; k < t->ranks; k++)
    memcpy((char *)all + (size_t)k * bytes, h->said[k].data, bytes);
  return all_here(h) ? 0 : lost(m);
}

static int thread_agree(Team *t, bigs_model *m, int32_t *v, int n) {
  TeamHub *h = come(t, NULL, 1);
  memcpy(h->said[t->rank].flag, v, (size_t)n * sizeof *v);
  if (!all_here(h))
    return lost(m);
  for (int k = 0; k < t->ranks; k++)
    for (int i = 0; i < n; i++)
      v[i] = h->said[k].flag[i] > v[i] ? h->said[k].flag[i] : v[i];
  return all_here(h) ? 0 : lost(m);
}

static int thread_share(Team *t, bigs_model *m, void *data, size_t bytes) {
  TeamHub *h = come(t, data, 1);
  if (!all_here(h))
    return lost(m);
  if (t->rank)
    memcpy(data, h->said[0].data, bytes);
  return all_here(h) ? 0 : lost(m);
}

// Slice `rank` is written by this rank, and read by no other one.
static int thread_reduce_scatter(Team *t, bigs_model *m, void *data, int64_t n, int dtype,
                                 double weight) {
  TeamHub *h = come(t, data, weight);
  size_t bytes = (size_t)n * (size_t)dtype_size((DType)dtype);
  char *part = malloc(bytes * (size_t)t->ranks + 1);
  bool here = all_here(h);
  for (int k = 0; k < t->ranks && here; k++) {
    char *to = part + (size_t)k * bytes;
    memcpy(to, (const char *)h->said[k].data + (size_t)t->rank * bytes, bytes);
    team_scale(to, n, dtype, h->said[k].weight);
  }
  for (int d = 1; d < t->ranks; d *= 2)
    for (int k = 0; k + d < t->ranks && here; k += 2 * d)
      team_add(part + (size_t)k * bytes, part + (size_t)(k + d) * bytes, n, dtype);
  if (here)
    memcpy((char *)data + (size_t)t->rank * bytes, part, bytes);
  free(part);
  return here && all_here(h) ? 0 : lost(m);
}

static int thread_all_gather(Team *t, bigs_model *m, void *data, size_t bytes) {
  TeamHub *h = come(t, data, 1);
  if (!all_here(h))
    return lost(m);
  for (size_t k = 0; k < (size_t)t->ranks; k++)
    if (k != (size_t)t->rank)
      memcpy((char *)data + k * bytes, (const char *)h->said[k].data + k * bytes, bytes);
  return all_here(h) ? 0 : lost(m);
}

void hub_start(TeamHub *h, int ranks) {
  *h = (TeamHub){.ranks = ranks};
  pthread_mutex_init(&h->lock, NULL);
  pthread_cond_init(&h->changed, NULL);
  for (int k = 0; k < ranks; k++)
    h->seat[k] = (TeamSeat){.team = {.name = "threads",
                                     .rank = k,
                                     .ranks = ranks,
                                     .host = true,
                                     .tree = !(ranks & (ranks - 1)),
                                     .exchange = thread_exchange,
                                     .agree = thread_agree,
                                     .share = thread_share,
                                     .reduce_scatter = thread_reduce_scatter,
                                     .all_gather = thread_all_gather},
                            .hub = h};
}

void hub_end(TeamHub *h) {
  pthread_cond_destroy(&h->changed);
  pthread_mutex_destroy(&h->lock);
}

typedef struct HubThread {
  pthread_t thread;
  void (*work)(void *ctx, int rank);
  void *ctx;
  int rank;
} HubThread;

static void *hub_thread(void *p) {
  HubThread *t = p;
  t->work(t->ctx, t->rank);
  return NULL;
}

void hub_run(TeamHub *h, void (*work)(void *ctx, int rank), void *ctx) {
  HubThread t[TEAM_MOST];
  for (int k = 0; k < h->ranks; k++) {
    t[k] = (HubThread){.work = work, .ctx = ctx, .rank = k};
    ck_assert_int_eq(pthread_create(&t[k].thread, NULL, hub_thread, &t[k]), 0);
  }
  for (int k = 0; k < h->ranks; k++)
    pthread_join(t[k].thread, NULL);
}
