// Leaves: values from outside, constants, random numbers.
#include "graph/op.h"
#include <inttypes.h>
#include <string.h>

static void declared_axes(Shape *s) {
  if (s->dtype == DT_C64 || s->dtype == DT_C128 || s->dtype == DT_I64)
    shape_fail(s, "no %s in the graph", dtype_name((DType)s->dtype));
  shape_list(s, s->attr->axes, s->attr->naxes);
}

static void copy_bound(EvalOp *o) {
  const double *bound = eval_leaf(o->e, o->n);
  if (bound)
    memcpy(o->out, bound, (size_t)o->size * sizeof *bound);
  else
    eval_fail(o->e, o->n, "`%s` has no value", o->n->attr.name);
}

static void no_operands(Grad *r) {
  (void)r;
}

void INPUT_shape(Shape *s) {
  declared_axes(s);
}
void INPUT_eval(EvalOp *o) {
  copy_bound(o);
}
void INPUT_grad(Grad *r) {
  no_operands(r);
}

void PARAM_shape(Shape *s) {
  declared_axes(s);
}
void PARAM_eval(EvalOp *o) {
  copy_bound(o);
}
void PARAM_grad(Grad *r) {
  no_operands(r);
}

void STATE_shape(Shape *s) {
  declared_axes(s);
}
void STATE_eval(EvalOp *o) {
  BUG("state %s outside of its scan", o->n->attr.name);
}
void STATE_grad(Grad *r) {
  no_operands(r);
}

void CONST_shape(Shape *s) {
  declared_axes(s);
}
void CONST_eval(EvalOp *o) {
  for (int64_t i = 0; i < o->size; i++)
    o->out[i] = o->n->attr.num;
}

void TABLE_shape(Shape *s) {
  if (!poly_is_const(&s->attr->axis->extent, NULL))
    shape_fail(s, "the extent of a table is a run-time size");
  shape_put(s, s->attr->axis);
}
void TABLE_eval(EvalOp *o) {
  memcpy(o->out, o->n->attr.data, (size_t)o->size * sizeof *o->out);
}

void IOTA_shape(Shape *s) {
  s->dtype = DT_I32;
  shape_put(s, s->attr->axis);
}
void IOTA_eval(EvalOp *o) {
  for (int64_t i = 0; i < o->size; i++)
    o->out[i] = (double)i;
}

void EXTENT_shape(Shape *s) {
  if (s->dtype == DT_BOOL)
    shape_fail(s, "a size is a number");
}
void EXTENT_eval(EvalOp *o) {
  int64_t n = eval_poly(o->e, &o->n->attr.lo);
  if (o->n->dtype == DT_I32 && n > INT32_MAX)
    eval_fail(o->e, o->n, "%" PRId64 " does not fit i32", n);
  o->out[0] = (double)n;
}

void RANDOM_shape(Shape *s) {
  s->dtype = DT_F32;
  declared_axes(s);
}
void RANDOM_eval(EvalOp *o) {
  uint32_t key[2];
  eval_site(o->e, o->n->attr.site, key);
  for (int64_t i = 0; i < o->size; i++)
    o->out[i] = eval_uniform(key, i);
}
