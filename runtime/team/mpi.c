// MPI as a wire: the plugin team-mpi.so, which is compiled by mpicc.  It sends bytes from one rank to another and nothing else:
// MPI's own sums are in an order that it chooses.
#include "runtime/team/wire.h"
#include <mpi.h>
#include <stdio.h>

typedef struct MpiWire {
  Wire base; // the first member
  MPI_Comm comm;
  MPI_Request request[2];
} MpiWire;

static MpiWire mpi;

static int mpi_fail(Wire *w, int code) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int n = 0;
  MPI_Error_string(code, text, &n);
  snprintf(w->error, sizeof w->error, "%.250s", text);
  return -1;
}

static int mpi_swap(Wire *w, int other, const void *give, size_t ngive, void *take, size_t ntake) {
  int code = MPI_SUCCESS;
  mpi.request[0] = mpi.request[1] = MPI_REQUEST_NULL;
  if (ntake)
    code = MPI_Irecv(take, (int)ntake, MPI_BYTE, other, 0, mpi.comm, &mpi.request[0]);
  if (!code && ngive)
    code = MPI_Isend(give, (int)ngive, MPI_BYTE, other, 0, mpi.comm, &mpi.request[1]);
  return code ? mpi_fail(w, code) : 0;
}

static int mpi_done(Wire *w) {
  MPI_Status status[2];
  int done = 0, code = MPI_Testall(2, mpi.request, &done, status);
  return code ? mpi_fail(w, code) : done;
}

static void mpi_close(Wire *w, int whole) {
  (void)w;
  if (whole)
    MPI_Finalize();
}

static int mpi_start(void) {
  int given = 0, code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &given);
  code = code ? code : MPI_Comm_dup(MPI_COMM_WORLD, &mpi.comm);
  code = code ? code : MPI_Comm_set_errhandler(mpi.comm, MPI_ERRORS_RETURN);
  code = code ? code : MPI_Comm_rank(mpi.comm, &mpi.base.rank);
  return code ? code : MPI_Comm_size(mpi.comm, &mpi.base.ranks);
}

__attribute__((visibility("default"))) Wire *bigsc_wire_open(char *error, size_t size);
Wire *bigsc_wire_open(char *error, size_t size) {
  mpi.base =
      (Wire){.version = WIRE_VERSION, .swap = mpi_swap, .done = mpi_done, .close = mpi_close};
  int code = mpi_start();
  if (!code)
    return &mpi.base;
  mpi_fail(&mpi.base, code);
  snprintf(error, size, "%s", mpi.base.error);
  return NULL;
}
