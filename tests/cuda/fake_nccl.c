// NCCL for the tests, without GPUs: a library that BIGSC_LIBNCCL names, whose ranks are processes of this computer that share a file.
// It works with the driver that BIGSC_LIBCUDA names: what is in the stream is done, numbers are copied to the file and back.  The
// environment may say what fails:
//   FAKE_NCCL_VERSION         the version, 22703
//   FAKE_NCCL_FAIL_RANK, _AT  that rank's collective of this number ends with an error
//   FAKE_NCCL_LOSE_RANK, _AT  with nothing: it says so only when it is asked for its state
//   FAKE_NCCL_LOG             a file that gets a line for each collective: RANK NAME BYTES
#define _GNU_SOURCE 1
#include "runtime/cuda/nccl.h"
#include "base/atomic.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))
enum { MOST = 8, SLOT = 1 << 20, WEIGHTS = 16, FIRST_WEIGHT = 100 };
enum { SYSTEM_ERROR = 2, INVALID_ARGUMENT = 4, REMOTE_ERROR = 6 };

typedef struct Board { // in the file
  ATOMIC(int) here, round, aborted;
  ATOMIC(int) process[MOST];
  char slot[MOST][SLOT];
} Board;

struct ncclComm {
  Board *board;
  int rank, ranks, calls;
  NcclResult state; // that it tells when it is asked
  struct {
    double weight;
    NcclType type; // 0: free
  } op[WEIGHTS];
  CudaResult (*wait)(CudaStream);
  CudaResult (*get)(void *to, CudaAddress from, size_t bytes, CudaStream);
  CudaResult (*put)(CudaAddress to, const void *from, size_t bytes, CudaStream);
};

static int number_of(const char *name, int otherwise) {
  const char *s = getenv(name);
  return s ? atoi(s) : otherwise;
}

// ---- the ranks
static bool somebody_died(const NcclComm c) {
  for (int k = 0; k < c->ranks; k++) {
    int process = atomic_get(&c->board->process[k]);
    if (process && kill(process, 0) && errno == ESRCH)
      return true;
  }
  return false;
}

static NcclResult all_here(NcclComm c) {
  Board *b = c->board;
  int round = atomic_get(&b->round);
  if (atomic_add(&b->here, 1) + 1 == c->ranks) {
    atomic_set(&b->here, 0);
    atomic_set(&b->round, round + 1);
  }
  while (atomic_get(&b->round) == round) {
    if (atomic_get(&b->aborted) || somebody_died(c))
      return REMOTE_ERROR;
    usleep(100);
  }
  return 0;
}

static size_t size_of(NcclType t) {
  return t == NCCL_BYTE ? 1 : t == NCCL_F64 ? 8 : 4;
}

static void note_call(const NcclComm c, const char *name, size_t bytes) {
  const char *path = getenv("FAKE_NCCL_LOG");
  FILE *f = path ? fopen(path, "a") : NULL;
  if (!f)
    return;
  fprintf(f, "%d %s %zu\n", c->rank, name, bytes);
  fclose(f);
}

// Before a collective: an error of this rank's, or 0.  *skip: it is lost and does nothing.
static NcclResult come(NcclComm c, const char *name, size_t bytes, bool *skip) {
  note_call(c, name, bytes);
  c->calls++;
  *skip = c->rank == number_of("FAKE_NCCL_LOSE_RANK", -1) &&
          c->calls >= number_of("FAKE_NCCL_LOSE_AT", 0);
  if (*skip)
    c->state = REMOTE_ERROR;
  return c->rank == number_of("FAKE_NCCL_FAIL_RANK", -1) &&
                 c->calls == number_of("FAKE_NCCL_FAIL_AT", 0)
             ? SYSTEM_ERROR
             : 0;
}

static CudaAddress address_of(const void *p, size_t at) {
  return (CudaAddress)(uintptr_t)p + at;
}

static NcclResult copy_in(NcclComm c, const void *from, size_t at, size_t bytes, CudaStream s) {
  return c->get(c->board->slot[c->rank], address_of(from, at), bytes, s) || c->wait(s)
             ? SYSTEM_ERROR
             : 0;
}
static NcclResult copy_out(NcclComm c, const void *slot, void *to, size_t at, size_t bytes,
                           CudaStream s) {
  return c->put(address_of(to, at), slot, bytes, s) || c->wait(s) ? SYSTEM_ERROR : 0;
}

// ---- the library
API NcclResult ncclGetVersion(int *version) {
  *version = number_of("FAKE_NCCL_VERSION", 22703);
  return 0;
}

API NcclResult ncclGetUniqueId(NcclId *id) {
  const char *dir = getenv("TMPDIR");
  snprintf(id->bytes, sizeof id->bytes, "%.90s/fake-nccl-XXXXXX", dir && *dir ? dir : "/tmp");
  int fd = mkstemp(id->bytes);
  bool made = fd >= 0 && !ftruncate(fd, sizeof(Board));
  if (fd >= 0)
    close(fd);
  return made ? 0 : SYSTEM_ERROR;
}

static bool find_driver(NcclComm c) {
  void *driver = dlopen(getenv("BIGSC_LIBCUDA"), RTLD_NOW);
  void *at[3] = {driver ? dlsym(driver, "cuStreamSynchronize") : NULL,
                 driver ? dlsym(driver, "cuMemcpyDtoHAsync_v2") : NULL,
                 driver ? dlsym(driver, "cuMemcpyHtoDAsync_v2") : NULL};
  memcpy(&c->wait, &at[0], sizeof at[0]);
  memcpy(&c->get, &at[1], sizeof at[1]);
  memcpy(&c->put, &at[2], sizeof at[2]);
  return at[0] && at[1] && at[2];
}

// The last one that comes takes the file's name away.
API NcclResult ncclCommInitRank(NcclComm *out, int ranks, NcclId id, int rank) {
  NcclComm c = calloc(1, sizeof *c);
  int fd = open(id.bytes, O_RDWR);
  if (!c || fd < 0 || ranks > MOST || !find_driver(c))
    return INVALID_ARGUMENT;
  c->board = mmap(NULL, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (c->board == MAP_FAILED)
    return SYSTEM_ERROR;
  c->rank = rank, c->ranks = ranks;
  atomic_set(&c->board->process[rank], (int)getpid());
  *out = c;
  NcclResult r = all_here(c);
  if (!rank)
    unlink(id.bytes);
  return r;
}

API NcclResult ncclCommAbort(NcclComm c) {
  atomic_set(&c->board->aborted, 1);
  return 0;
}
API NcclResult ncclCommDestroy(NcclComm c) {
  munmap(c->board, sizeof(Board));
  free(c);
  return 0;
}
API NcclResult ncclCommGetAsyncError(NcclComm c, NcclResult *r) {
  *r = c->state ? c->state : atomic_get(&c->board->aborted) ? REMOTE_ERROR : 0;
  return 0;
}
API const char *ncclGetErrorString(NcclResult r) {
  return r == SYSTEM_ERROR   ? "unhandled system error"
         : r == REMOTE_ERROR ? "remote process exited or there was a network error"
                             : "invalid argument";
}
API const char *ncclGetLastError(NcclComm c) {
  return c ? "" : "no communicator";
}

API NcclResult ncclRedOpCreatePreMulSum(NcclOp *op, void *weight, NcclType type,
                                        NcclResidence where, NcclComm c) {
  int i = 0;
  while (i < WEIGHTS && c->op[i].type)
    i++;
  if (i == WEIGHTS || where != NCCL_ON_HOST || (type != NCCL_F32 && type != NCCL_F64))
    return INVALID_ARGUMENT;
  c->op[i].weight = type == NCCL_F64 ? *(double *)weight : *(float *)weight;
  c->op[i].type = type;
  *op = FIRST_WEIGHT + i;
  return 0;
}
API NcclResult ncclRedOpDestroy(NcclOp op, NcclComm c) {
  c->op[op - FIRST_WEIGHT].type = 0;
  return 0;
}

// ---- collectives, in parts that fit into a slot
static void largest(void *sum, const void *x, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (((const int32_t *)x)[i] > ((int32_t *)sum)[i])
      ((int32_t *)sum)[i] = ((const int32_t *)x)[i];
}

API NcclResult ncclAllReduce(const void *from, void *to, size_t n, NcclType type, NcclOp op,
                             NcclComm c, NcclStream s) {
  static char result[SLOT];
  bool skip;
  NcclResult r = come(c, "AllReduce", n * size_of(type), &skip);
  if (r || skip)
    return r;
  if (type != NCCL_I32 || op != NCCL_MAX || n * 4 > SLOT)
    return INVALID_ARGUMENT;
  r = copy_in(c, from, 0, n * 4, s);
  r = r ? r : all_here(c);
  memcpy(result, c->board->slot[0], n * 4);
  for (int k = 1; k < c->ranks; k++)
    largest(result, c->board->slot[k], n);
  r = r ? r : copy_out(c, result, to, 0, n * 4, s);
  return r ? r : all_here(c);
}

// data: its slot holds this rank's weighted numbers of slice k, and so do the others'.
static void weigh_slot(NcclComm c, size_t n, NcclType type, double weight) {
  char *slot = c->board->slot[c->rank];
  for (size_t i = 0; i < n; i++)
    if (type == NCCL_F64)
      ((double *)(void *)slot)[i] *= weight;
    else
      ((float *)(void *)slot)[i] *= (float)weight;
}

static void add_slots(NcclComm c, char *sum, size_t n, NcclType type) {
  memset(sum, 0, n * size_of(type));
  for (int k = 0; k < c->ranks; k++)
    for (size_t i = 0; i < n; i++)
      if (type == NCCL_F64)
        ((double *)(void *)sum)[i] += ((double *)(void *)c->board->slot[k])[i];
      else
        ((float *)(void *)sum)[i] += ((float *)(void *)c->board->slot[k])[i];
}

// The part [at, at + bytes) of slice `owner`, whose rank gets the sum.
static NcclResult reduce_part(NcclComm c, int owner, const void *from, size_t slice, void *to,
                              size_t at, size_t bytes, NcclType type, double weight, CudaStream s) {
  static char sum[SLOT];
  size_t n = bytes / size_of(type);
  NcclResult r = copy_in(c, from, (size_t)owner * slice + at, bytes, s);
  weigh_slot(c, n, type, weight);
  r = r ? r : all_here(c);
  if (!r && c->rank == owner) {
    add_slots(c, sum, n, type);
    r = copy_out(c, sum, to, at, bytes, s);
  }
  return r ? r : all_here(c);
}

API NcclResult ncclReduceScatter(const void *from, void *to, size_t n, NcclType type, NcclOp op,
                                 NcclComm c, NcclStream s) {
  size_t slice = n * size_of(type);
  bool skip;
  NcclResult r = come(c, "ReduceScatter", slice * (size_t)c->ranks, &skip);
  if (r || skip)
    return r;
  if (op < FIRST_WEIGHT || c->op[op - FIRST_WEIGHT].type != type)
    return INVALID_ARGUMENT;
  for (int owner = 0; owner < c->ranks; owner++)
    for (size_t at = 0; at < slice && !r; at += SLOT)
      r = reduce_part(c, owner, from, slice, to, at, slice - at < SLOT ? slice - at : SLOT, type,
                      c->op[op - FIRST_WEIGHT].weight, s);
  return r;
}

API NcclResult ncclAllGather(const void *from, void *to, size_t n, NcclType type, NcclComm c,
                             NcclStream s) {
  size_t bytes = n * size_of(type);
  bool skip;
  NcclResult r = come(c, "AllGather", bytes * (size_t)c->ranks, &skip);
  if (r || skip)
    return r;
  for (size_t at = 0, part; at < bytes && !r; at += part) {
    part = bytes - at < SLOT ? bytes - at : SLOT;
    r = copy_in(c, from, at, part, s);
    r = r ? r : all_here(c);
    for (int k = 0; k < c->ranks && !r; k++)
      r = copy_out(c, c->board->slot[k], to, (size_t)k * bytes + at, part, s);
    r = r ? r : all_here(c);
  }
  return r;
}

API NcclResult ncclBroadcast(const void *from, void *to, size_t n, NcclType type, int root,
                             NcclComm c, NcclStream s) {
  size_t bytes = n * size_of(type);
  bool skip;
  NcclResult r = come(c, "Broadcast", bytes, &skip);
  if (r || skip)
    return r;
  for (size_t at = 0, part; at < bytes && !r; at += part) {
    part = bytes - at < SLOT ? bytes - at : SLOT;
    r = c->rank == root ? copy_in(c, from, at, part, s) : 0;
    r = r ? r : all_here(c);
    r = r || c->rank == root ? r : copy_out(c, c->board->slot[root], to, at, part, s);
    r = r ? r : all_here(c);
  }
  return r;
}
