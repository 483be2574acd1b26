// Calls of the C library that fail when a test says so.  The tests are linked with --wrap (see
// tests/local.mk), so that the project's own calls come here first; those of LLVM and of the C
// library itself go past.
#ifndef BIGSC_TESTS_FAULTS_H
#define BIGSC_TESTS_FAULTS_H
#include <stdbool.h>

// Of calls that change a file those are some that make it last.
typedef enum FaultKind {
  FAULT_MEMORY = 1,
  FAULT_STREAM = 2,
  FAULT_FILE = 4,
  FAULT_SYNC = 8
} FaultKind;
typedef enum FaultHow {
  FAULT_ONCE,        // the n-th call fails
  FAULT_EVER_AFTER,  // and all that follow it
  FAULT_KILL,        // the process ends where the n-th call begins
  FAULT_KILL_BEHIND, // or where it returns
} FaultHow;

// From here on the n-th call of the kind fails, with this errno; n = 0: calls are only counted.
void fault_arm(FaultKind kind, long n, FaultHow how, int error);
// Calls since fault_arm.
long fault_disarm(void);
// Allocations not freed yet.
long fault_blocks(void);
#endif
