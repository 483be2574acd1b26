// Floating point as the language says (to the nearest, with denormal numbers) for what a call computes
// in the caller's own thread, whatever mode the caller has set.
#ifndef BIGSC_FLOAT_MODE_H
#define BIGSC_FLOAT_MODE_H
#include <fenv.h>

static inline fenv_t float_mode_default(void) { // the caller's, to be restored
  fenv_t caller;
  fegetenv(&caller);
  fesetenv(FE_DFL_ENV);
  return caller;
}
static inline void float_mode_restore(fenv_t caller) {
  fesetenv(&caller);
}
#endif
