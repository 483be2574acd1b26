// A team whose ranks are threads of the test.
#ifndef BIGSC_THREAD_TEAM_H
#define BIGSC_THREAD_TEAM_H
#include "runtime/exec/team.h"
#include <pthread.h>

enum { TEAM_MOST = 4 };
typedef struct TeamHub TeamHub;
typedef struct TeamSeat {
  Team team; // the first member: what a rank is given
  TeamHub *hub;
  int calls; // of the table's functions by this rank
} TeamSeat;
struct TeamHub {
  TeamSeat seat[TEAM_MOST];
  int ranks;
  int lost_rank, lost_at; // this rank's connection breaks at its call of this number; 0: never
  // of the call under way
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int arrived;
  unsigned round;
  bool broken;
  struct {
    const void *data;
    double weight;
    int32_t flag[TEAM_FLAGS];
  } said[TEAM_MOST];
};
void hub_start(TeamHub *h, int ranks);
void hub_end(TeamHub *h);
// work(ctx, rank) in a thread for each rank.
void hub_run(TeamHub *h, void (*work)(void *ctx, int rank), void *ctx);
#endif
