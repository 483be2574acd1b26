// A folder with what the commands need, and one command run there with one fault.
#ifndef BIGSC_TESTS_FAULT_BED_H
#define BIGSC_TESTS_FAULT_BED_H
#include "tests/unit/faults.h"
#include <check.h>

typedef struct Fault {
  FaultKind kind;
  long n;
  FaultHow how;
  int error;
} Fault;

typedef struct Outcome {
  int status; // 128 + signal when it was ended by one
  long calls; // -1: it did not come to its end
  char err[4096];
} Outcome;

enum { FAULT_WORDS = 16 };

// Environment BIGSC_FAULTS=all: every fault is tried, not a choice.
bool fault_all(void);

// A case whose folder is the current one, made once for all its tests: m.mdl, m.so, its text t.txt and
// vocabulary v.txt, and a training run `run`.  What a test makes, it drops itself.
TCase *fault_case(const char *name);
void fault_put_file(const char *name, const char *text);
void fault_drop(const char *names); // files and folders, as the shell reads them
bool fault_matches(const char *pattern);

// bigsc WORD... NULL in a process of its own, which SIGALRM ends when it hangs.
Outcome fault_run(const char *const *words, Fault f);
// Without a fault; its status must be 0.
void fault_must(const char *const *words);

// The tests of test_faults_files.c and test_faults_models.c.
TCase *faults_files_case(void);
TCase *faults_models_case(void);
#endif
