// Shapes to dims, fields to arguments: see feed.h.
#include "runtime/train/feed.h"
#include "base/dtype.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static char *axes_text(const BigsTensor *t, char *buf, size_t size) {
  size_t n = (size_t)snprintf(buf, size, "[");
  for (int a = 0; a < t->rank && n < size; a++)
    n += (size_t)snprintf(buf + n, size - n, "%s%s", a ? ", " : "", t->axis[a]);
  if (n < size)
    snprintf(buf + n, size - n, "]");
  return buf;
}

// `origin`: per dim the input that told it, or NULL.
static int learn_dims(const BigsModule *m, const BigsTensor *t, const InputShape *s, int64_t *dims,
                      const char **origin, BigsError *e) {
  char have[96], want[96];
  if (s->rank != t->rank)
    return bigs_fail(e, BIGS_EMODEL, "%s is %s, but the model's has the axes %s", t->name,
                     bigs_shape_text(s->shape, s->rank, have, sizeof have),
                     axes_text(t, want, sizeof want));
  for (int a = 0; a < t->rank; a++) {
    int sym = dim_of_size(m, &t->extent[a]);
    if (sym < 0)
      continue;
    if (dims[sym] && dims[sym] != s->shape[a])
      return bigs_fail(e, BIGS_EMODEL, "%s is %s, so %s would be %" PRId64 ", but %s says %" PRId64,
                       t->name, bigs_shape_text(s->shape, s->rank, have, sizeof have),
                       m->dim[sym].name, s->shape[a], origin[sym] ? origin[sym] : "-D", dims[sym]);
    dims[sym] = s->shape[a];
    if (!origin[sym])
      origin[sym] = t->name;
  }
  return 0;
}

// What the sizes that are made of dims say of those that stand nowhere alone.
static void learn_more(const BigsModule *m, const BigsTensor *t, const InputShape *s,
                       int64_t *dims) {
  for (int a = 0; a < t->rank; a++)
    dim_from_size(m, &t->extent[a], s->shape[a], dims);
}

static int check_extents(const BigsModule *m, const BigsTensor *t, const InputShape *s,
                         const int64_t *dims, BigsError *e) {
  char have[96];
  int64_t size;
  (void)m;
  for (int a = 0; a < t->rank; a++)
    if (!poly_size(&t->extent[a], dims, &size) || size != s->shape[a])
      return bigs_fail(e, BIGS_EMODEL, "%s is %s, but its axis %s must have extent %" PRId64,
                       t->name, bigs_shape_text(s->shape, s->rank, have, sizeof have), t->axis[a],
                       size);
  return 0;
}

static int complete_dims(const BigsModule *m, const BigsProgram *p, int64_t *dims, BigsError *e) {
  int64_t sym[MAX_SYMS];
  int err = bind_dims(m, p, dims, sym, e);
  if (!err)
    memcpy(dims, sym, sizeof sym);
  return err;
}

int dims_from_shapes(const BigsModule *m, int program, const InputShape *shape, int64_t *dims,
                     BigsError *e) {
  const BigsProgram *p = &m->program[program];
  const char *origin[MAX_SYMS] = {0};
  int err = 0;
  for (int i = 0; i < p->ninput && !err; i++)
    if (shape[i].rank >= 0)
      err = learn_dims(m, &m->input[p->input[i]], &shape[i], dims, origin, e);
  for (int i = 0; i < p->ninput && !err; i++)
    if (shape[i].rank >= 0)
      learn_more(m, &m->input[p->input[i]], &shape[i], dims);
  for (int i = 0; i < m->ndim && !err; i++)
    if ((p->syms >> i & 1) && !dims[i])
      err = bigs_fail(e, BIGS_EUSAGE, "%s needs %s, and no input tells it: give -D %s=N", p->name,
                      m->dim[i].name, m->dim[i].name);
  err = err ? err : complete_dims(m, p, dims, e);
  for (int i = 0; i < p->ninput && !err; i++)
    if (shape[i].rank >= 0)
      err = check_extents(m, &m->input[p->input[i]], &shape[i], dims, e);
  return err;
}

const FeedField *feed_find(const FeedBatch *batch, const char *name) {
  for (int i = 0; i < batch->nfield; i++)
    if (!strcmp(batch->field[i].name, name))
      return &batch->field[i];
  return NULL;
}

int feed_args(const BigsModule *m, int program, const FeedBatch *batch, FeedArgs *out,
              BigsError *e) {
  const BigsProgram *p = &m->program[program];
  InputShape shape[FEED_INPUTS];
  *out = (FeedArgs){0};
  if (p->ninput > FEED_INPUTS)
    return bigs_fail(e, BIGS_EMODEL, "%s has more than %d inputs", p->name, FEED_INPUTS);
  for (int i = 0; i < p->ninput; i++) {
    const BigsTensor *t = &m->input[p->input[i]];
    const FeedField *f = feed_find(batch, t->name);
    shape[i].rank = -1;
    if (!f && !t->optional)
      return bigs_fail(e, BIGS_EMODEL, "%s needs an input %s, which the data does not have",
                       p->name, t->name);
    if (!f)
      continue;
    if (f->dtype != t->dtype)
      return bigs_fail(e, BIGS_EMODEL, "%s is %s in the data, and %s in the model", t->name,
                       dtype_name(f->dtype), dtype_name(t->dtype));
    shape[i].rank = f->rank;
    memcpy(shape[i].shape, f->shape, sizeof shape[i].shape);
    out->input[i] = f->data;
  }
  return dims_from_shapes(m, program, shape, out->dims, e);
}
