// Where a handle's numbers lie and its kernels run: this computer's processors, or a GPU.  All that
// exec.c does to memory of a handle goes through this table.
#ifndef BIGSC_RUNTIME_DEVICE_H
#define BIGSC_RUNTIME_DEVICE_H
#include "base/dtype.h"
#include "runtime/abi.h"
#include "runtime/bigs.h"
#include <stddef.h>

// A BigsGemm with its sizes: see runtime/abi.def.
typedef struct DeviceMatrix {
  int arg; // of the launch's frame; -1: none
  DType dtype;
  int64_t row, column, batch;
} DeviceMatrix;
typedef struct DeviceGemm {
  int64_t m, n, k, count;
  DeviceMatrix matrix[BIGS_GEMM_MATRICES];
} DeviceGemm;

typedef struct DeviceLaunch {
  int kernel; // of the module's
  int64_t tasks;
  BigsFrame frame; // pointers of the device; the arrays themselves are the host's
  int narg, nscalar;
  char *scratch; // `stride` bytes for each of the step's workers
  int64_t stride;
  int group; // steps in one, with as many frames; 1 but for kernels with `frames` in their BigsLaunch
  void *frames; // of the device, where such a kernel reads them: all of the above but `kernel`
  const DeviceGemm *gemm;               // what the kernel does, as one product; NULL: it is none
  const char *program, *label, *source; // for messages; the last two may be NULL
} DeviceLaunch;

// Whether a training step may change anything, decided on the device from what lies in its memory: with sums added up in order,
// norm = sqrt(sum[0] + sum[1] + ...), it may where loss and norm are finite.  VERDICT_WORDS words of eight bytes get: scale
// (float), which is clip / norm where that is less than 1 and clip is above 0; whether it may (1, 0); loss (float); norm (double).
enum { VERDICT_SCALE, VERDICT_GO, VERDICT_LOSS, VERDICT_NORM, VERDICT_WORDS };
typedef struct DeviceVerdict {
  const void *loss; // float
  const void *sum;  // n double, of squares of gradients
  int n;
  const void *clip; // double
  void *out;
} DeviceVerdict;

// Functions with a status return 0, or an exit status with the reason in m's error.  They act in the
// order in which they are called.
enum { DEVICE_MARKS = 48 };
typedef struct BigsDevice {
  const char *name;
  bool host; // its memory is the host's: put and get are never called
  // Sets up m->device_state, m->threads (tasks that are under way at once) and what the others need.
  int (*open)(bigs_model *m, int threads);
  void (*close)(bigs_model *m); // also after an open that failed
  // Tasks of such a step that are under way at once, each with so many bytes of scratch memory.
  int (*workers)(const bigs_model *m, int64_t tasks, int64_t scratch);
  // Zeroed memory, 64-byte aligned; NULL: there is none, or m's error says why.
  char *(*alloc)(bigs_model *m, size_t bytes);
  // Bytes that alloc may still give; -1: not known.  NULL: as many as may be asked for.
  int64_t (*room)(bigs_model *m);
  void (*release)(bigs_model *m, char *p, size_t bytes);
  int (*put)(bigs_model *m, void *to, const void *from, size_t bytes); // from the host
  int (*get)(bigs_model *m, void *to, const void *from,
             size_t bytes); // to the host, when all before is done
  int (*clear)(bigs_model *m, void *p, size_t bytes);
  // n numbers of eight bytes, which may be others as soon as this has returned.  NULL: kernels find the
  // keys of what they draw in their scalars; else there is the address of them.
  int (*words)(bigs_model *m, void *to, const uint64_t *word, int n);
  // NULL: the host decides.
  int (*decide)(bigs_model *m, const DeviceVerdict *v);
  int (*launch)(bigs_model *m, const DeviceLaunch *l);
  // The launch's frame, as kernels with `frames` read it; the words that it has.  NULL: steps are launched
  // one by one.
  int (*frame)(const bigs_model *m, const DeviceLaunch *l, uint64_t *word);
  int (*wait)(bigs_model *m); // until all is done
  // mark notes the device's time, when it has done all before, as number i below DEVICE_MARKS; marked waits, and adds the
  // time from mark i to mark i + 1 to ns[i], of n.  false: the device cannot, or m's error says why.  NULL: it cannot.
  bool (*mark)(bigs_model *m, int i);
  int (*marked)(bigs_model *m, int n, int64_t *ns);
  // What is launched and cleared between record and recorded is noted and not done; replay does all of it
  // again, with what lies in the same memory then.  record is false, and the result of recorded NULL,
  // where the device cannot: m's remark may say why, and it has to be done the plain way.  NULL: the
  // device has none of it.
  bool (*record)(bigs_model *m);
  void *(*recorded)(bigs_model *m);
  int (*replay)(bigs_model *m, void *recording);
  void (*forget)(bigs_model *m, void *recording);
  // What follows goes into this queue of the caller's, behind all before, NULL: back into the handle's
  // own.  Nothing waits here.  After the way back the caller may end its queue.  NULL: the device has
  // none.
  int (*queue)(bigs_model *m, void *queue);
} BigsDevice;
extern const BigsDevice device_cpu;
#endif
