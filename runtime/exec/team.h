// Several handles that train one model together, each by a rank of its own: a process with its GPU, or a thread.  What they say
// to each other goes through one table of functions; bigs_model.team NULL: the handle is alone.
//
// A step: each rank computes the gradient of its rows of the batch.  The gradients, each times its rank's share of what the loss
// is the mean of, are added up, and rank k gets the sums of slice k of the arena; it updates that slice of the parameters, and
// gives it to the others.  The loss has to be a mean over the batch: what is a sum over its rows comes out as the ranks' mean.
// Sums are in an order that the number of ranks decides, so two runs of equally many have the same bits.  Where a table adds in a
// tree, and the step comes in pieces (pieces.h), it is the order of the pieces, and any number of ranks has the same bits: what else
// ranks add up is cut into as many shares as pieces can be halved, whatever the ranks, and these are added in a tree, too.
//
// All ranks call the same functions in the same order.  What fails on one of them alone is told to all by team_together or
// team_agree; until then this rank takes part in what the others do, and afterwards none calls the table any more.  A step has three
// places for that: behind the gradients, with their norm, and behind the update.
#ifndef BIGSC_RUNTIME_TEAM_H
#define BIGSC_RUNTIME_TEAM_H
#include "runtime/exec/optim.h"

// Functions return 0, or an exit status with the reason in m's error.  When one has failed, so do all that are called later, at
// once, and none of the other ranks waits for this one for ever.
struct Team {
  const char *name; // "NCCL"
  int rank, ranks;  // 0, ..., ranks - 1
  int64_t sent;     // bytes to other ranks, where it counts them
  bool tree; // reduce_scatter adds in a binary tree, neighbours first; ranks is a power of two
  bool
      host; // `data` is memory of the host; else of the handle's device, and calls are in order with its other work
  // mine of all ranks into all[ranks * bytes], in order of ranks, on every rank.  Memory of the host; bytes are equal everywhere.
  int (*exchange)(Team *t, bigs_model *m, const void *mine, void *all, size_t bytes);
  // Each of v[n] becomes the largest of the ranks', n at most TEAM_FLAGS.  Memory of the host.
  int (*agree)(Team *t, bigs_model *m, int32_t *v, int n);
  // data[bytes] of rank 0 to all others.
  int (*share)(Team *t, bigs_model *m, void *data, size_t bytes);
  // data[ranks * n] of dtype DT_F32 or DT_F64: on rank k data[k * n, (k + 1) * n) becomes the sum over ranks of weight * data.
  // The rest of data stays: what lies between parameters is zero.
  int (*reduce_scatter)(Team *t, bigs_model *m, void *data, int64_t n, int dtype, double weight);
  // data[ranks * bytes]: slice k of rank k to all others.
  int (*all_gather)(Team *t, bigs_model *m, void *data, size_t bytes);
  // The same to rank 0 alone; NULL: all have to have it.
  int (*collect)(Team *t, bigs_model *m, void *data, size_t bytes);
};
enum { TEAM_FLAGS = 4 };
// Most bytes that a rank gives in one exchange.
size_t team_most(int ranks);
// Cuts the arenas into so many shares, where the handle is alone or its team adds in a tree; else they are as many as its ranks.
int team_cut(bigs_model *m, int shares);
// Those that are this rank's, and how many there are in all; one, where nothing was cut.
typedef struct TeamShares {
  int first, own, all;
} TeamShares;
TeamShares team_shares(const bigs_model *m);
// What of n ranges is of a share, n + 2 * m->team_pieces of them at most; returns how many.
int team_share_of(const bigs_model *m, const OptRange *range, int n, int share, OptRange *out);

// A piece of the arenas, of one dtype: shares of equal size, of which each rank has equally many neighbours, a slice, and a rest of
// less than 64 bytes a share, which belongs to the first one.
struct TeamPiece {
  int64_t offset, share, slice, rest; // bytes: of a share, of a rank's shares, behind all of them
  uint8_t dtype;
};

// The handle joins, with those of all other ranks, until it leaves; t outlives that.
int team_join(bigs_model *m, Team *t);
void team_leave(bigs_model *m);

// ---- each of these does nothing, and returns err or 0, where the handle is alone
// Before this, ranks may have failed on their own: err of each.  Every rank returns the status of the first one that has, and
// others' errors begin with its number.  number[n], n at most TEAM_NUMBERS: becomes the sum over ranks, added in a tree.
enum { TEAM_NUMBERS = 3 + TEAM_BESIDES };
int team_together(bigs_model *m, int err, double *number, int n);
// The same without numbers.  *flag, where it is not NULL, becomes true when it is on one rank.
int team_agree(bigs_model *m, int err, bool *flag);
// As team_together at the end of a gradient, with m->besides: *loss becomes the mean of the ranks', each with `count` as its weight,
// and *weight this rank's share.
int team_loss(bigs_model *m, int err, double count, float *loss, double *weight);
int team_reduce(bigs_model *m, double weight); // the gradients
// What of the ranges is this rank's, in place of them (malloc'd).
int team_own(bigs_model *m, OptRange **range, int *n);
int team_gather(bigs_model *m, Region *r);  // whole again, from all ranks' slices
int team_collect(bigs_model *m, Region *r); // on the first rank; on others it may be
// What is of others' slices need not take memory: as pages that nobody has touched, it reads as zeros.
void team_forget(bigs_model *m, Region *r);
int team_share(bigs_model *m, Region *r); // as on rank 0
uint64_t
team_seed(const bigs_model *m); // of random draws: each piece of a step has its own, or each rank
// For tables: sum[n] += x[n], x[n] *= weight, of DT_F32 or DT_F64.
void team_add(void *sum, const void *x, int64_t n, int dtype);
void team_scale(void *x, int64_t n, int dtype, double weight);
static inline bool team_first(const bigs_model *m) {
  return !m->team || m->team->rank == 0;
}
#endif
