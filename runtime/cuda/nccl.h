// NVIDIA's NCCL as a team of processes, each with a GPU: libnccl.so.2, looked for when there are several ranks and never linked with.
// The types are those of its ABI under names of our own.
#ifndef BIGSC_RUNTIME_NCCL_H
#define BIGSC_RUNTIME_NCCL_H
#include "runtime/cuda/driver.h"
#include "runtime/exec/team.h"

typedef int NcclResult;                      // ncclResult_t; 0: done
typedef int NcclType, NcclOp, NcclResidence; // ncclDataType_t, ncclRedOp_t, ncclScalarResidence_t
typedef struct ncclComm *NcclComm;           // ncclComm_t
typedef struct CUstream_st *NcclStream;      // cudaStream_t
typedef struct NcclId {                      // ncclUniqueId
  char bytes[128];
} NcclId;
enum { NCCL_BYTE = 1, NCCL_I32 = 2, NCCL_F32 = 7, NCCL_F64 = 8 }; // of NcclType
enum { NCCL_MAX = 2 };                                            // of NcclOp
enum { NCCL_ON_HOST = 1 };                                        // of NcclResidence
enum { NCCL_BUSY = 7 };                                           // of NcclResult: ncclInProgress
enum { NCCL_OLDEST = 21600 };                                     // 2.16, the first for CUDA 12

typedef struct NcclTeam NcclTeam;
// Loads the library, which the environment's BIGSC_LIBNCCL may name.  NULL with status 3 in e: there is none, or too old a one.
NcclTeam *nccl_load(BigsError *e);
// A name for the ranks to meet by, made by one of them and told to the others by other means.
int nccl_new_id(const NcclTeam *t, NcclId *id, BigsError *e);
// Joins the other ranks, which all call this with the same id, and waits for them.  m: a handle on a GPU of its own, which outlives
// the team.  0, or a status with the reason in m's error.
int nccl_join(NcclTeam *t, bigs_model *m, const NcclId *id, int rank, int ranks);
Team *nccl_team(NcclTeam *t); // that train_run takes, once it has joined
void nccl_close(NcclTeam *t); // NULL is allowed
#endif
