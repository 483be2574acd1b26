// How runtime/ reports failure: a text and an exit status in a BigsError of the caller's.  Nothing
// here prints, exits or keeps global state.
#ifndef BIGSC_RUNTIME_ERROR_H
#define BIGSC_RUNTIME_ERROR_H
#include <math.h>
#include <stddef.h>
#include <stdint.h>

// Exit statuses of the command line, returned as they are by the C interface.
enum {
  BIGS_OK = 0,
  BIGS_EMODEL = 1,   // the model or the data is wrong
  BIGS_EUSAGE = 2,   // wrong use of a command or of an interface
  BIGS_EFILE = 3,    // a file or a checkpoint: missing, unreadable, malformed, disk full
  BIGS_ENUMERIC = 4, // NaN or infinity where numbers were expected
  BIGS_EBUG = 70,
  BIGS_EINTERRUPT = 130
};

typedef struct BigsError {
  char text[2048]; // one line; cut with "..." when longer; "?" stands for control characters
  int status;      // one of the above; 0 while nothing has failed
} BigsError;

// Functions that return int return 0 or the status they stored in *e, so `return bigs_fail(e, ...)`
// reads naturally. Functions that return a pointer return NULL.  e may be NULL everywhere: then
// only the status is known.
int bigs_fail(BigsError *e, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
// "out of memory for WHAT", status BIGS_EMODEL: what was asked for is too large for this machine.
int bigs_fail_memory(BigsError *e, const char *what);
// "PATH: cannot DOING: strerror(errno)", status BIGS_EFILE; for example doing = "write".
// ENOMEM is bigs_fail_memory.
int bigs_fail_errno(BigsError *e, const char *doing, const char *path);
// The status that a failed call left in e; `otherwise` where e is NULL.
static inline int bigs_status(const BigsError *e, int otherwise) {
  return e && e->status ? e->status : otherwise;
}
// "[2, 3]" into buf, cut where it is too small; buf.
char *bigs_shape_text(const int64_t *shape, int rank, char *buf, size_t size);
// x for a message: the sign of what is not a number is the processor's whim.
static inline double bigs_shown(double x) {
  return isnan(x) ? fabs(x) : x;
}
// "5.5423", as many places as said; from 1e9 on "1.234e+15": for a message.
typedef struct BigsNumber {
  char text[32];
} BigsNumber;
BigsNumber bigs_number(double x, int places);
// "640 bytes", "1.5 KiB", "71.0 MiB", "148.74 GiB": for a message.
typedef struct BigsBytes {
  char text[32];
} BigsBytes;
BigsBytes bigs_bytes(double bytes);
// Puts "PREFIX: " before the text already there.
void bigs_error_prefix(BigsError *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#endif
