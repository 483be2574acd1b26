// bench --profile: what each step of a program took, against what it moves and multiplies.
#ifndef BIGSC_PROFILE_H
#define BIGSC_PROFILE_H
#include "compiler/commands/peak.h"
#include "runtime/abi.h"
#include "runtime/files/json.h"

// What a machine can do at most; NAN: not known.
typedef struct Roof {
  double bytes_s;    // of memory, a second
  double flops_s[2]; // with float32 operands, and with bf16
  bool measured;     // on this machine, else what its maker says
} Roof;
Roof roof_of_gpu(const char *name); // as the driver calls it
// Of a module's products, of which the peak is known; measures the rest.
Roof roof_of_cpu(int threads, PeakUnit unit, double gflop_s);

typedef struct Profile {
  const BigsModule *module;
  const BigsProgram *program;
  const int64_t *dims;
  const double *ms; // of each step, a call
  Roof roof;
} Profile;
// Prints the slowest `most` steps, then totals by kind of work and in all, to standard output.
void profile_print(const Profile *p, int most);
// Members "steps" and "kinds" of a record: arrays in the same order, of all steps.
void profile_json(const Profile *p, JsonText *t);
#endif
