// Steps of several ranks: see team.h.
#include "runtime/exec/team.h"
#include "base/alloc.h"
#include "base/dtype.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// ---- pieces
enum { TEAM_LINE = 64, TEAM_PIECE = 32 << 20 };

static int storage_before(const void *a, const void *b) {
  const BigsStorage *x = (const BigsStorage *)a, *y = (const BigsStorage *)b;
  return (x->offset > y->offset) - (x->offset < y->offset);
}

// The bytes [from, to) of one dtype as pieces; out NULL: counts them.
static int cut(int64_t from, int64_t to, TeamShares by, uint8_t dtype, TeamPiece *out) {
  int64_t line = (int64_t)TEAM_LINE * by.all, most = TEAM_PIECE / line * line;
  int n = 0;
  for (int64_t bytes; from < to; from += bytes, n++) {
    bytes = to - from < most || !most ? to - from : most;
    int64_t share = bytes / line * TEAM_LINE;
    if (out)
      out[n] = (TeamPiece){from, share, share * by.own, bytes - share * by.all, dtype};
  }
  return n;
}

// Neighbours of one dtype are cut together: what lies between them is zero in all arenas.
static int cut_all(const BigsStorage *s, int n, TeamShares by, TeamPiece *out) {
  int count = 0;
  for (int i = 0, j; i < n; i = j) {
    for (j = i + 1; j < n && s[j].dtype == s[i].dtype;)
      j++;
    count += cut(s[i].offset, s[j - 1].offset + s[j - 1].bytes, by, s[i].dtype,
                 out ? out + count : NULL);
  }
  return count;
}

TeamShares team_shares(const bigs_model *m) {
  const Team *t = m->team;
  int ranks = t ? t->ranks : 1, all = m->team_shares ? m->team_shares : ranks;
  return (TeamShares){t ? all / ranks * t->rank : 0, all / ranks, all};
}

typedef struct TeamWord { // what one rank says
  int32_t status, rank;
  double number[TEAM_NUMBERS];
} TeamWord;

typedef struct TeamFault {
  int32_t status;
  char text[508];
} TeamFault;

// Words, or faults, or what does not divide of one piece.
size_t team_most(int ranks) {
  size_t rest = (size_t)TEAM_LINE * (size_t)ranks;
  return rest > sizeof(TeamFault) ? rest : sizeof(TeamFault);
}

// Memory for what one rank says and what all do, so that no rank lacks it while others wait.
static size_t room_for(int ranks, int shares) {
  return ((size_t)ranks + 1) * team_most(shares);
}

static void forget_cut(bigs_model *m) {
  free(m->team_piece);
  free(m->team_room);
  m->team_piece = NULL;
  m->team_room = NULL;
  m->team_pieces = m->team_shares = 0;
}

static int make_pieces(bigs_model *m, const BigsStorage *sorted, int n, int ranks, int shares) {
  TeamShares by = {0, shares / ranks, shares};
  int count = cut_all(sorted, n, by, NULL);
  TeamPiece *piece = MODEL_ALLOC(m, TeamPiece, count, "the slices of a team");
  char *room = MODEL_ALLOC(m, char, room_for(ranks, shares), "what the ranks of a team say");
  if (!piece || !room) {
    free(piece);
    free(room);
    return m->error.status;
  }
  forget_cut(m);
  cut_all(sorted, n, by, piece);
  m->team_piece = piece;
  m->team_pieces = count;
  m->team_room = room;
  m->team_shares = shares;
  return 0;
}

static int start_pieces(bigs_model *m, int ranks, int shares) {
  int n = m->module->nstorage;
  BigsStorage *sorted = MODEL_ALLOC(m, BigsStorage, n, "the slices of a team");
  if (!sorted)
    return m->error.status;
  if (n)
    memcpy(sorted, m->module->storage, (size_t)n * sizeof *sorted);
  qsort(sorted, (size_t)n, sizeof *sorted, storage_before);
  int err = make_pieces(m, sorted, n, ranks, shares);
  free(sorted);
  return err;
}

int team_cut(bigs_model *m, int shares) {
  const Team *t = m->team;
  if (t && (!t->tree || shares < t->ranks))
    shares = t->ranks;
  if (!t && shares == 1)
    forget_cut(m);
  return (!t && shares == 1) || shares == m->team_shares
             ? 0
             : start_pieces(m, t ? t->ranks : 1, shares);
}

int team_join(bigs_model *m, Team *t) {
  int err = start_pieces(m, t->ranks, t->ranks);
  int32_t all = err;
  m->team_apart = 0;
  int lost = t->agree(t, m, &all, 1);
  if (!err && !lost && all)
    err = bigs_fail(&m->error, all, "another rank of the team lacks memory");
  if (!err && !lost)
    m->team = t;
  else
    team_leave(m);
  return err ? err : lost;
}

void team_leave(bigs_model *m) {
  m->team = NULL;
  m->team_told = false;
  forget_cut(m);
}

// ---- what one rank alone knows
// Some rank has failed, this one with `err`, or not: what the first one says.  From then on all ranks
// have the same to say, and none has to be asked.
static int fail_together(bigs_model *m, int err) {
  Team *t = m->team;
  TeamFault mine = {.status = err}, *all = (TeamFault *)(void *)m->team_room;
  snprintf(mine.text, sizeof mine.text, "%.500s", err ? m->error.text : "");
  int lost = t->exchange(t, m, &mine, all, sizeof mine), first = 0;
  if (lost)
    return lost;
  while (first + 1 < t->ranks && !all[first].status)
    first++;
  if (first != t->rank)
    bigs_fail(&m->error, all[first].status, "rank %d: %.500s", first, all[first].text);
  m->team_told = true;
  return m->error.status;
}

// Rank 0 gets the sum of what all have said, neighbours first.
static void add_words(TeamWord *all, int ranks) {
  for (int d = 1; d < ranks; d *= 2)
    for (int k = 0; k + d < ranks; k += 2 * d)
      for (int i = 0; i < TEAM_NUMBERS; i++)
        all[k].number[i] += all[k + d].number[i];
}

static int hear_all(bigs_model *m, int err, double *number, int n) {
  Team *t = m->team;
  TeamWord mine = {.status = err, .rank = t->rank}, *all = (TeamWord *)(void *)m->team_room;
  for (int i = 0; i < n; i++)
    mine.number[i] = number[i];
  int lost = t->exchange(t, m, &mine, all, sizeof mine), failed = 0;
  if (lost)
    return lost;
  for (int k = 0; k < t->ranks; k++)
    failed |= all[k].status;
  add_words(all, t->ranks);
  for (int i = 0; i < n; i++)
    number[i] = all[0].number[i];
  return failed ? fail_together(m, err) : 0;
}

int team_together(bigs_model *m, int err, double *number, int n) {
  return !m->team ? err : m->team_told ? m->error.status : hear_all(m, err, number, n);
}

static int agree(bigs_model *m, int err, bool *flag) {
  Team *t = m->team;
  int32_t v[2] = {err, flag && *flag};
  int lost = t->agree(t, m, v, 2);
  if (flag)
    *flag = v[1] != 0;
  return lost ? lost : v[0] ? fail_together(m, err) : 0;
}

int team_agree(bigs_model *m, int err, bool *flag) {
  return !m->team ? err : m->team_told ? m->error.status : agree(m, err, flag);
}

int team_loss(bigs_model *m, int err, double count, float *loss, double *weight) {
  double number[2 + TEAM_BESIDES] = {err ? 0 : *loss * count, count};
  *weight = 1;
  if (!m->team)
    return err;
  memcpy(number + 2, m->besides, sizeof m->besides);
  err = team_together(m, err, number, 2 + TEAM_BESIDES);
  memcpy(m->besides, number + 2, sizeof m->besides);
  if (!err) {
    *loss = (float)(number[0] / number[1]);
    *weight = count / number[1];
  }
  return err;
}

uint64_t team_seed(const bigs_model *m) {
  uint64_t part = (uint64_t)(m->pieces ? m->piece : m->team ? m->team->rank : 0);
  return m->seed + part * 0x9E3779B97F4A7C15u;
}

// ---- what does not divide.  A rank that fails goes on to take part, since the others wait for it: it tells them later.
typedef struct TeamArena {
  bigs_model *m;
  Team *team;
  char *p;
  bool host; // p is memory of the host
} TeamArena;

static char *rest_of(const TeamArena *a, const TeamPiece *p) {
  return a->p + p->offset + p->slice * a->team->ranks;
}

static int read_rest(const TeamArena *a, const TeamPiece *p, char *to) {
  if (!a->host)
    return a->m->device->get(a->m, to, rest_of(a, p), (size_t)p->rest);
  memcpy(to, rest_of(a, p), (size_t)p->rest);
  return 0;
}

static int write_rest(const TeamArena *a, const TeamPiece *p, const char *from) {
  if (!a->host)
    return a->m->device->put(a->m, rest_of(a, p), from, (size_t)p->rest);
  memcpy(rest_of(a, p), from, (size_t)p->rest);
  return 0;
}

void team_add(void *sum, const void *x, int64_t n, int dtype) {
  for (int64_t i = 0; i < n; i++)
    if (dtype == DT_F64)
      ((double *)sum)[i] += ((const double *)x)[i];
    else
      ((float *)sum)[i] += ((const float *)x)[i];
}

void team_scale(void *x, int64_t n, int dtype, double weight) {
  for (int64_t i = 0; i < n; i++)
    if (dtype == DT_F64)
      ((double *)x)[i] *= weight;
    else
      ((float *)x)[i] *= (float)weight;
}

static int reduce_rest(const TeamArena *a, const TeamPiece *p, double weight) {
  Team *t = a->team;
  int64_t n = p->rest / dtype_size((DType)p->dtype);
  char *mine = a->m->team_room, *all = mine + team_most(a->m->team_shares);
  int err = read_rest(a, p, mine);
  team_scale(mine, n, p->dtype, weight);
  int lost = t->exchange(t, a->m, mine, all, (size_t)p->rest);
  for (int d = 1; d < t->ranks && !lost; d *= 2)
    for (int k = 0; k + d < t->ranks; k += 2 * d)
      team_add(all + k * p->rest, all + (k + d) * p->rest, n, p->dtype);
  return err || lost ? a->m->error.status : write_rest(a, p, all);
}

static int gather_rest(const TeamArena *a, const TeamPiece *p) {
  char *mine = a->m->team_room, *all = mine + team_most(a->m->team_shares);
  int err = read_rest(a, p, mine);
  int lost = a->team->exchange(a->team, a->m, mine, all, (size_t)p->rest);
  return err || lost ? a->m->error.status : write_rest(a, p, all);
}

// ---- whole arenas
typedef int TeamWork(const TeamArena *a, const TeamPiece *p, double weight);

static int reduce_piece(const TeamArena *a, const TeamPiece *p, double weight) {
  int64_t n = p->slice / dtype_size((DType)p->dtype);
  int err = n ? a->team->reduce_scatter(a->team, a->m, a->p + p->offset, n, p->dtype, weight) : 0;
  int rest = p->rest ? reduce_rest(a, p, weight) : 0;
  return err ? err : rest;
}

static int gather_piece(const TeamArena *a, const TeamPiece *p, double weight) {
  Team *t = a->team;
  (void)weight;
  int err = p->slice ? t->all_gather(t, a->m, a->p + p->offset, (size_t)p->slice) : 0;
  int rest = p->rest ? gather_rest(a, p) : 0;
  return err ? err : rest;
}

static int collect_piece(const TeamArena *a, const TeamPiece *p, double weight) {
  Team *t = a->team;
  if (!t->collect)
    return gather_piece(a, p, weight);
  int err = p->slice ? t->collect(t, a->m, a->p + p->offset, (size_t)p->slice) : 0;
  int rest = p->rest ? gather_rest(a, p) : 0;
  return err ? err : rest;
}

static int each_piece(const TeamArena *a, TeamWork *work, double weight) {
  int err = 0;
  for (int i = 0; i < a->m->team_pieces; i++) {
    int now = work(a, &a->m->team_piece[i], weight);
    err = err ? err : now;
  }
  return err;
}

// The region where the team can have it: where it is, or its copy on the host.
static int reach(bigs_model *m, Region *r, TeamArena *a) {
  bool copy = m->team->host && !m->device->host;
  *a = (TeamArena){.m = m, .team = m->team, .p = r->p, .host = m->team->host || m->device->host};
  if (!copy)
    return 0;
  a->p = region_look(m, r);
  return team_agree(m, a->p ? 0 : m->error.status, NULL);
}

static int put_back(const TeamArena *a, Region *r) {
  return a->p == r->p ? 0 : region_put(a->m, r);
}

static int on_region(bigs_model *m, Region *r, TeamWork *work, double weight) {
  TeamArena a;
  if (!m->team || !r->p)
    return 0;
  int err = m->team_told ? m->error.status : reach(m, r, &a);
  err = err ? err : each_piece(&a, work, weight);
  return err ? err : put_back(&a, r);
}

int team_reduce(bigs_model *m, double weight) {
  return on_region(m, &m->grad, reduce_piece, weight);
}

int team_gather(bigs_model *m, Region *r) {
  return on_region(m, r, gather_piece, 1);
}

int team_collect(bigs_model *m, Region *r) {
  return on_region(m, r, collect_piece, 1);
}

// Whole pages between two addresses.
static void give_back(char *from, char *to) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *first = from + (page - (uintptr_t)from % page) % page, *last = to - (uintptr_t)to % page;
  if (first < last)
    madvise(first, (size_t)(last - first), MADV_DONTNEED);
}

void team_forget(bigs_model *m, Region *r) {
  const Team *t = m->team;
  for (int i = 0; i < m->team_pieces && t && r->p && m->device->host; i++) {
    const TeamPiece *p = &m->team_piece[i];
    char *own = r->p + p->offset + p->slice * t->rank;
    give_back(r->p + p->offset, own);
    give_back(own + p->slice, r->p + p->offset + p->slice * t->ranks);
  }
}

int team_share(bigs_model *m, Region *r) {
  TeamArena a;
  if (!m->team || !r->p)
    return 0;
  int err = m->team_told ? m->error.status : reach(m, r, &a);
  err = err ? err : m->team->share(m->team, m, a.p, r->bytes);
  return err ? err : put_back(&a, r);
}

// ---- the rank's own part
static void add_common(const OptRange *r, int64_t from, int64_t to, OptRange *out, int *n) {
  from = from > r->offset ? from : r->offset;
  to = to < r->offset + r->bytes ? to : r->offset + r->bytes;
  if (from >= to)
    return;
  out[*n] = *r;
  out[*n].offset = from;
  out[(*n)++].bytes = to - from;
}

// What of the ranges is of `count` shares.
static int parts_of(const bigs_model *m, const OptRange *range, int n, int share, int count,
                    OptRange *out) {
  int parts = 0, all = m->team_shares;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < m->team_pieces; k++) {
      const TeamPiece *p = &m->team_piece[k];
      int64_t from = p->offset + p->share * share, rest = p->offset + p->share * all;
      add_common(&range[i], from, from + p->share * count, out, &parts);
      if (share == 0)
        add_common(&range[i], rest, rest + p->rest, out, &parts);
    }
  return parts;
}

int team_share_of(const bigs_model *m, const OptRange *range, int n, int share, OptRange *out) {
  return parts_of(m, range, n, share, 1, out);
}

int team_own(bigs_model *m, OptRange **range, int *n) {
  TeamShares by = team_shares(m);
  if (!m->team)
    return 0;
  OptRange *own = MODEL_ALLOC(m, OptRange, *n + 2 * m->team_pieces, "parameter groups");
  if (!own)
    return m->error.status;
  *n = parts_of(m, *range, *n, by.first, by.own, own);
  free(*range);
  *range = own;
  return 0;
}
