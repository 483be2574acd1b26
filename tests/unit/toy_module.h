// A compiled module made by hand, whose kernels are plain C functions: for tests of the runtime
// without a compiler.
//
//   table.weight [V, H]            panels of 4 columns            V = 7, H = 6
//   q.weight [H, A], k.weight [H, C, D]   stacked in one storage  A = 3, C = D = 2
//   modes c64 [N]  @mode           N = 3
//   bias [V] @bias, gain [] @bias
//
//   entry scale [B, L]  = 3 gain x + mask             (3 gain is kept between calls)
//   entry lookup [B, L] = bias[ids]
//   entry logits [B, L, V] = bias, and gain more for the token itself
//   train fit: loss = mean over m of cross_entropy(bias, labels[m]) + u sqrt(gain), u uniform per
//   step;
//              the gradients of table, q, k, modes are their values / 16
#ifndef BIGSC_TOY_MODULE_H
#define BIGSC_TOY_MODULE_H
#include "runtime/abi.h"
#include "runtime/bigs.h"

enum { TOY_V = 7, TOY_H = 6 };
enum {
  TOY_SCALE,
  TOY_LOOKUP,
  TOY_FIT,
  TOY_UPDATE,
  TOY_NORM,
  TOY_INIT,
  TOY_LOGITS,
  TOY_SUM
}; // programs
enum { TOY_TABLE, TOY_Q, TOY_K, TOY_MODES, TOY_BIAS, TOY_GAIN, TOY_NPARAM }; // parameters
enum { TOY_B, TOY_L, TOY_M, TOY_N, TOY_NDIM };                               // dims: L <= 8
extern const BigsModule toy_module;
extern int toy_prologues; // how often the kept value was computed
#endif
