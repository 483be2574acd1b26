// See toy_bed.h.
#include "tests/unit/toy_bed.h"
#include "runtime/exec/exec.h"
#include <check.h>
#include <string.h>

const ToyBatch toy_step_batch = {{0, 1, 2, 3, 4, 5, 6, 0}, {0, 3, 7}, {2, 2, 5}};

bigs_model *toy_open(void) {
  char error[512];
  bigs_model *m = bigs_model_open_with(
      &toy_module, NULL, &(bigs_options){.size = sizeof(bigs_options), .seed = 3, .threads = 2},
      error, sizeof error);
  ck_assert_msg(m != NULL, "%s", error);
  return m;
}

void toy_fails(bigs_model *m, int status, int want, const char *text) {
  ck_assert_int_eq(status, want);
  ck_assert_msg(strstr(bigs_model_error(m), text) != NULL, "got: %s", bigs_model_error(m));
}

float toy_value(int param, int64_t i) {
  return (float)(param * 1000 + i + 1);
}
void toy_fill(bigs_model *m) {
  float v[64];
  for (int p = 0; p < TOY_NPARAM; p++) {
    for (int64_t i = 0; i < param_count(&toy_module.param[p]); i++)
      v[i] = toy_value(p, i);
    ck_assert_int_eq(bigs_model_set(m, BIGS_THE_WEIGHT, p, v), 0);
  }
}
void toy_is_filled(bigs_model *m, int from, int to) {
  float v[64];
  for (int p = from; p < to; p++) {
    ck_assert_int_eq(bigs_model_get(m, BIGS_THE_WEIGHT, p, v), 0);
    for (int64_t i = 0; i < param_count(&toy_module.param[p]); i++)
      ck_assert_float_eq(v[i], toy_value(p, i));
  }
}

void toy_scale(bigs_model *m, int64_t B, int64_t L, bool with_mask, float gain) {
  float x[64], y[64];
  bool mask[64];
  for (int i = 0; i < 64; i++) {
    x[i] = (float)i - 20;
    mask[i] = i % 3 == 0;
    y[i] = -7;
  }
  int status = bigs_model_run(m, TOY_SCALE, DIMS(B, L, 0),
                              (const void *[]){x, with_mask ? mask : NULL}, (void *[]){y});
  ck_assert_msg(status == 0, "%s", bigs_model_error(m));
  for (int64_t i = 0; i < B * L; i++)
    ck_assert_float_eq(y[i], 3 * gain * x[i] + (with_mask ? (float)mask[i] : 1));
  ck_assert_float_eq(y[B * L], -7);
}

int toy_ration(void *ctx, size_t bytes) {
  ToyRation *r = ctx;
  (void)bytes;
  return r->left-- > 0;
}
