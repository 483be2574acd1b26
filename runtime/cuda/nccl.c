// See nccl.h.  All goes into the stream of the handle, behind its kernels.  The host waits where numbers come back to it, and while
// it does it asks the library whether the other ranks are still there: one that is lost would never be waited for to the end.
#include "runtime/cuda/nccl.h"
#include "base/alloc.h"
#include "base/dtype.h"
#include "base/library.h"
#include "runtime/cuda/device_internal.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct NcclCalls {
#define CALL(returns, name, symbol, ...) returns (*name)(__VA_ARGS__);
#include "runtime/cuda/nccl.def"
#undef CALL
} NcclCalls;
static const LibraryCall nccl_calls[] = {
#define CALL(returns, name, symbol, ...) {offsetof(NcclCalls, name), symbol, false},
#include "runtime/cuda/nccl.def"
#undef CALL
};

struct NcclTeam {
  Team base; // the first member
  void *library;
  NcclCalls call;
  NcclComm comm;
  bigs_model *m;
  Region room; // for what the ranks exchange
  // sums with this rank's weight, of f32 and of f64
  NcclOp op[2];
  bool has_op[2];
  double weight[2];
  bool broken;
};

// ---- the library
static const char *nccl_name(void) {
  return library_name("BIGSC_LIBNCCL", "libnccl.so.2");
}

static int too_old(BigsError *e, const char *how) {
  return bigs_fail(e, BIGS_EFILE, "%s is too old: it %s; NCCL %d.%d or a later one is needed",
                   nccl_name(), how, NCCL_OLDEST / 10000, NCCL_OLDEST % 10000 / 100);
}

static int find_nccl_calls(NcclTeam *t, BigsError *e) {
  char lacks[64];
  const char *symbol =
      library_calls(t->library, &t->call, nccl_calls, sizeof nccl_calls / sizeof *nccl_calls);
  snprintf(lacks, sizeof lacks, "lacks %s", symbol ? symbol : "");
  return symbol ? too_old(e, lacks) : 0;
}

static int check_nccl_version(const NcclTeam *t, BigsError *e) {
  int known = 0;
  char is[64];
  NcclResult r = t->call.version(&known);
  snprintf(is, sizeof is, "is version %d.%d", known / 10000, known % 10000 / 100);
  return r || known < NCCL_OLDEST ? too_old(e, is) : 0;
}

NcclTeam *nccl_load(BigsError *e) {
  NcclTeam *t = ALLOC(NcclTeam);
  if (!t) {
    bigs_fail_memory(e, "a team");
    return NULL;
  }
  t->library = library_open(nccl_name());
  if (!t->library)
    bigs_fail(e, BIGS_EFILE, "there is no NCCL, by which several GPUs train together: %s",
              dlerror());
  if (t->library && !find_nccl_calls(t, e) && !check_nccl_version(t, e))
    return t;
  nccl_close(t);
  return NULL;
}

// ---- errors
static const char *nccl_text(const NcclTeam *t, NcclResult r, char *buf, size_t size) {
  const char *text = t->call.text(r), *last = t->call.last(t->comm);
  snprintf(buf, size, "%s%s%.400s", text ? text : "an unknown error", last && *last ? ": " : "",
           last ? last : "");
  for (char *s = buf; *s; s++)
    if (*s == '\n')
      *s = ' ';
  return buf;
}

static int nccl_fail(const NcclTeam *t, NcclResult r, BigsError *e, const char *what) {
  char text[512];
  return bigs_fail(e, BIGS_EFILE, "NCCL: %s: %s", what, nccl_text(t, r, text, sizeof text));
}

// What is under way is given up, on the other ranks too, once they ask.
static int give_up(NcclTeam *t, bigs_model *m, NcclResult r, const char *what) {
  int err = nccl_fail(t, r, &m->error, what);
  t->broken = true;
  if (t->comm)
    t->call.abort(t->comm);
  t->comm = NULL;
  return err;
}

static int is_broken(bigs_model *m) {
  return m->error.status ? m->error.status
                         : bigs_fail(&m->error, BIGS_EFILE,
                                     "NCCL: the other ranks are lost since an earlier failure");
}

// ---- waiting
static NcclResult others_state(const NcclTeam *t) {
  NcclResult state = 0;
  NcclResult r = t->call.state(t->comm, &state);
  return r ? r : state == NCCL_BUSY ? 0 : state;
}

static void rest_a_little(int turn) {
  enum { EAGER = 2000, PAUSE_NS = 50000 };
  const struct timespec pause = {.tv_nsec = PAUSE_NS};
  if (turn > EAGER)
    nanosleep(&pause, NULL);
}

// Until what was put into the stream is done.  The context is current.
static int wait_for_all(NcclTeam *t, bigs_model *m, CudaResult *r) {
  const CudaDriver *d = cuda_driver(m);
  NcclResult state = others_state(t);
  for (int turn = 0; !state && (*r = d->stream_query(cuda_stream(m))) == CUDA_NOT_READY;
       turn += turn < INT32_MAX) {
    rest_a_little(turn);
    state = others_state(t);
  }
  state = state ? state : others_state(t);
  return state ? give_up(t, m, state, "a rank is lost") : 0;
}

// ---- calls.  Each is begun and ended so; `r` is what NCCL said, and wait: numbers come back to the host.
static int nccl_begin(NcclTeam *t, bigs_model *m) {
  return t->broken ? is_broken(m) : cuda_enter(m);
}

static int nccl_end(NcclTeam *t, bigs_model *m, NcclResult r, bool wait, const char *what) {
  CudaResult fault = 0;
  int err = r ? give_up(t, m, r, what) : wait ? wait_for_all(t, m, &fault) : 0;
  int left = cuda_leave(m, err ? 0 : fault, what);
  if (left && !err)
    t->broken = true; // the GPU has failed: nothing reaches the others any more
  return err ? err : left;
}

static char *room_of(const NcclTeam *t, size_t bytes) {
  return t->room.p + bytes * (size_t)t->base.rank;
}

static int nccl_exchange(Team *team, bigs_model *m, const void *mine, void *all, size_t bytes) {
  NcclTeam *t = (NcclTeam *)team;
  int err = t->broken ? is_broken(m) : m->device->put(m, room_of(t, bytes), mine, bytes);
  err = err ? err : nccl_begin(t, m);
  if (err)
    return err;
  NcclResult r =
      t->call.all_gather(room_of(t, bytes), t->room.p, bytes, NCCL_BYTE, t->comm, cuda_stream(m));
  err = nccl_end(t, m, r, true, "the ranks cannot talk to each other");
  return err ? err : m->device->get(m, all, t->room.p, bytes * (size_t)t->base.ranks);
}

static int nccl_agree(Team *team, bigs_model *m, int32_t *v, int n) {
  NcclTeam *t = (NcclTeam *)team;
  size_t count = (size_t)n, bytes = count * sizeof *v;
  int err = t->broken ? is_broken(m) : m->device->put(m, t->room.p, v, bytes);
  err = err ? err : nccl_begin(t, m);
  if (err)
    return err;
  NcclResult r =
      t->call.all_reduce(t->room.p, t->room.p, count, NCCL_I32, NCCL_MAX, t->comm, cuda_stream(m));
  err = nccl_end(t, m, r, true, "the ranks cannot agree");
  return err ? err : m->device->get(m, v, t->room.p, bytes);
}

static int nccl_share(Team *team, bigs_model *m, void *data, size_t bytes) {
  NcclTeam *t = (NcclTeam *)team;
  int err = nccl_begin(t, m);
  if (err)
    return err;
  NcclResult r = t->call.broadcast(data, data, bytes, NCCL_BYTE, 0, t->comm, cuda_stream(m));
  return nccl_end(t, m, r, true, "the first rank's numbers do not arrive");
}

// The sum in which this rank's numbers have that weight; which: 0 of f32, 1 of f64.
static NcclResult weigh(NcclTeam *t, int which, double weight) {
  float narrow = (float)weight;
  if (t->has_op[which] && t->weight[which] == weight)
    return 0;
  NcclResult r = t->has_op[which] ? t->call.op_free(t->op[which], t->comm) : 0;
  t->has_op[which] = false;
  if (!r)
    r = t->call.weighted(&t->op[which], which ? (void *)&weight : (void *)&narrow,
                         which ? NCCL_F64 : NCCL_F32, NCCL_ON_HOST, t->comm);
  t->has_op[which] = !r;
  t->weight[which] = weight;
  return r;
}

static int nccl_reduce_scatter(Team *team, bigs_model *m, void *data, int64_t n, int dtype,
                               double weight) {
  NcclTeam *t = (NcclTeam *)team;
  int which = dtype == DT_F64, err = nccl_begin(t, m);
  if (err)
    return err;
  char *own = (char *)data + (size_t)n * (size_t)dtype_size((DType)dtype) * (size_t)t->base.rank;
  NcclResult r = weigh(t, which, weight);
  r = r ? r
        : t->call.reduce_scatter(data, own, (size_t)n, which ? NCCL_F64 : NCCL_F32, t->op[which],
                                 t->comm, cuda_stream(m));
  return nccl_end(t, m, r, false, "gradients cannot be added up");
}

static int nccl_all_gather(Team *team, bigs_model *m, void *data, size_t bytes) {
  NcclTeam *t = (NcclTeam *)team;
  int err = nccl_begin(t, m);
  if (err)
    return err;
  NcclResult r = t->call.all_gather((char *)data + bytes * (size_t)t->base.rank, data, bytes,
                                    NCCL_BYTE, t->comm, cuda_stream(m));
  return nccl_end(t, m, r, false, "parameters cannot be gathered");
}

// ---- joining
int nccl_new_id(const NcclTeam *t, NcclId *id, BigsError *e) {
  NcclResult r = t->call.new_id(id);
  return r ? nccl_fail(t, r, e, "a team cannot be begun") : 0;
}

int nccl_join(NcclTeam *t, bigs_model *m, const NcclId *id, int rank, int ranks) {
  t->m = m;
  t->base = (Team){.name = "NCCL",
                   .rank = rank,
                   .ranks = ranks,
                   .exchange = nccl_exchange,
                   .agree = nccl_agree,
                   .share = nccl_share,
                   .reduce_scatter = nccl_reduce_scatter,
                   .all_gather = nccl_all_gather};
  int err = region_set(m, &t->room, team_most(ranks) * (size_t)ranks, "what the ranks say");
  err = err ? err : cuda_enter(m);
  if (err)
    return err;
  NcclResult r = t->call.init(&t->comm, ranks, *id, rank);
  return nccl_end(t, m, r, false, "the ranks do not find each other");
}

Team *nccl_team(NcclTeam *t) {
  return &t->base;
}

static void end_comm(NcclTeam *t) {
  if (!t->comm || cuda_enter(t->m))
    return;
  for (int i = 0; i < 2; i++)
    if (t->has_op[i])
      t->call.op_free(t->op[i], t->comm);
  t->call.destroy(t->comm);
  cuda_leave(t->m, 0, "");
}

void nccl_close(NcclTeam *t) {
  if (!t)
    return;
  end_comm(t);
  if (t->m)
    region_free(t->m, &t->room);
  if (t->library)
    dlclose(t->library);
  free(t);
}
