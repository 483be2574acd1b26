// Time for measuring durations: from some fixed point, never set back.
#ifndef BIGSC_CLOCK_H
#define BIGSC_CLOCK_H
#include <stdint.h>
#include <time.h>

static inline int64_t clock_ns(void) { // nanoseconds
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
static inline double clock_seconds(void) {
  return 1e-9 * (double)clock_ns();
}
static inline double clock_cpu_seconds(void) { // processor time of this process, all threads
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
#endif
