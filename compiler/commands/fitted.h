// Weights as int8 by what a text brings to their products (calibrate.h, int8_fit.h), what that costs each, and which stay int8.
#ifndef BIGSC_FITTED_H
#define BIGSC_FITTED_H
#include "compiler/commands/calibrate.h"
#include "compiler/commands/int8_fit.h"

typedef struct FittedParam {
  int64_t K, N;
  int8_t *q;      // [N][K]; NULL: no text reached its product
  uint32_t *most; // [N]: the largest magnitudes of columns
  Int8Error error;
  bool int8; // and not float32
} FittedParam;
typedef struct Fitted {
  Arena *a;
  const BigsModule *module; // until fitted_open's session is closed, and so is `of`
  FittedParam *param;       // of each of the module's
  const CalibrateParam *of;
} Fitted;

// Calibrates those of s's module that `of` wants, by s->o->data; `bound`: of the products' relative error, 0: none.  Returns an exit
// status, with the error printed; fitted_close in any case.
int fitted_open(Fitted *f, Session *s, const CalibrateParam *of, double bound);
void fitted_close(Fitted *f);
// Needs the module: a line a parameter, what its products are off by, of themselves.
void fitted_print(const Fitted *f, FILE *to);
// The names of those that stay int8, with blanks between them; in memory of f.
const char *fitted_names(const Fitted *f);
// The numbers of p, the module's or that of another one like it, in the order of its axes; false: they stay what they are.
bool fitted_get(const Fitted *f, const BigsParam *p, int param, float *dense);
#endif
