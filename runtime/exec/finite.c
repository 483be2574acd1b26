// Looking for values that are not finite.
#include "runtime/exec/exec.h"
#include "base/dtype.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

int64_t first_not_finite(const void *data, int dtype, int64_t n) {
  if (dtype == DT_F32)
    for (int64_t i = 0; i < n; i++)
      if (!isfinite(((const float *)data)[i]))
        return i;
  if (dtype == DT_F64)
    for (int64_t i = 0; i < n; i++)
      if (!isfinite(((const double *)data)[i]))
        return i;
  if (dtype == DT_BF16)
    for (int64_t i = 0; i < n; i++)
      if ((((const uint16_t *)data)[i] & 0x7F80) == 0x7F80)
        return i;
  return -1;
}

static int64_t first_bad(const BoundBuffer *r, const void *data) {
  return first_not_finite(data, r->dtype, r->bytes / dtype_size((DType)r->dtype));
}

// 1: it holds a value that is not finite, 0: none, -1: that cannot be told, and the error is set.
static int arg_is_bad(bigs_model *m, const Binding *b, int buffer) {
  const BoundBuffer *r = &b->buffer[buffer];
  if (!b->base[buffer] || m->device->host)
    return b->base[buffer] && first_bad(r, b->base[buffer]) >= 0;
  void *copy = model_alloc(m, (size_t)r->bytes, 1, "a copy of the device's memory");
  int bad = !copy || m->device->get(m, copy, b->base[buffer], (size_t)r->bytes)
                ? -1
                : first_bad(r, copy) >= 0;
  free(copy);
  return bad;
}

// The first element of a parameter that is not finite, in its declared order; -1: none; -2: no memory.
static int64_t bad_element(bigs_model *m, const BigsParam *p, const char *arena) {
  int64_t n = param_count(p);
  void *dense = model_alloc(m, (size_t)n, (size_t)param_elem(p), p->name);
  if (!dense)
    return -2;
  param_get(p, arena, dense);
  int64_t at = first_not_finite(dense, param_elem(p) == 8 ? DT_F64 : DT_F32, n);
  free(dense);
  return at;
}

static const char *contents_of(const bigs_model *m, const Region *r) {
  return r == &m->grad                     ? "the gradient of "
         : r == &m->moment[0]              ? "the first moment of "
         : r == &m->moment[1]              ? "the second moment of "
         : r == &m->moment[MOMENT_AVERAGE] ? "the average of "
                                           : "";
}

int exec_check_finite(bigs_model *m, Region *r) {
  int64_t at = -1;
  const char *arena = r->p ? region_look(m, r) : NULL;
  if (r->p && !arena)
    return m->error.status;
  for (int i = 0; i < m->module->nparam && arena && at == -1; i++) {
    const BigsParam *p = &m->module->param[i];
    at = bad_element(m, p, arena);
    if (at >= 0)
      return bigs_fail(&m->error, BIGS_ENUMERIC,
                       "%sparameter %s holds a value that is not finite (element %" PRId64 ")",
                       contents_of(m, r), p->name, at);
  }
  return at == -1 ? 0 : m->error.status;
}

int exec_check_state(bigs_model *m) {
  int err = exec_check_finite(m, &m->param);
  for (int i = 0; i < MOMENTS && !err; i++)
    err = exec_check_finite(m, &m->moment[i]);
  return err;
}

// Memory that a step may read before it is written (padding) must not look like a bad result.
int check_clear(bigs_model *m, Binding *b, int s) {
  int err = 0;
  for (int i = 0; i < b->program->nbuffer && !err; i++)
    if (b->program->buffer[i].where == BIGS_ARENA && b->item[i].last >= 0 && b->item[i].first == s)
      err = exec_clear(m, b, i);
  return err;
}

static int check_input(bigs_model *m, const Binding *b, int i) {
  int bad = arg_is_bad(m, b, i);
  return bad > 0 ? bigs_fail(&m->error, BIGS_ENUMERIC, "input %s holds a value that is not finite",
                             m->module->input[b->program->input[b->buffer[i].index]].name)
         : bad   ? m->error.status
                 : 0;
}

int check_before(bigs_model *m, Binding *b) {
  int err = 0;
  for (int i = 0; i < b->program->nbuffer && !err; i++) {
    int where = b->program->buffer[i].where;
    err = where == BIGS_OUTPUT  ? exec_clear(m, b, i)
          : where == BIGS_INPUT ? check_input(m, b, i)
                                : 0;
  }
  if (!err && b->program->kind == BIGS_GRADIENT && m->grad.p)
    err = m->device->clear(m, m->grad.p, m->grad.bytes);
  return err ? err : exec_check_finite(m, &m->param);
}

int check_after(bigs_model *m, Binding *b, int s) {
  const BigsStep *step = &b->program->step[s];
  int bad = 0;
  for (int i = 0; i < step->narg && !bad; i++)
    bad = arg_is_bad(m, b, step->arg[i]);
  return bad > 0 ? bigs_fail(&m->error, BIGS_ENUMERIC,
                             "the first op with a result that is not finite is %s%s%s",
                             step->label ? step->label : "unnamed", step->source ? ", " : "",
                             step->source ? step->source : "")
         : bad   ? m->error.status
                 : 0;
}
