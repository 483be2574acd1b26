// Memory of a handle: see exec.h.
#include "runtime/exec/exec.h"
#include "base/atomic.h"
#include <stdlib.h>
#include <string.h>

static int refuse(bigs_model *m, size_t bytes, const char *what) {
  return bigs_fail(&m->error, BIGS_EMODEL, "out of memory for %s (%s)", what,
                   bigs_bytes((double)bytes).text);
}

// Memory is accounted for, so that a size beyond all of it is refused here, and does not end the
// process when it is touched.
int region_set(bigs_model *m, Region *r, size_t bytes, const char *what) {
  region_free(m, r);
  if (bytes == 0)
    return 0;
  if (bytes > SIZE_MAX / 4 || (m->may_allocate && !m->may_allocate(m->ctx, bytes)))
    return refuse(m, bytes, what);
  r->p = m->device->alloc(m, bytes);
  if (!r->p)
    return m->error.status ? m->error.status : refuse(m, bytes, what);
  r->bytes = bytes;
  m->allocated += (int64_t)bytes;
  return 0;
}

struct RegionShares {
  ATOMIC(int) n;
};

// The last one who has it frees it.
static bool is_last(const Region *r) {
  return !r->shares || atomic_sub(&r->shares->n, 1) == 1;
}

void region_free(bigs_model *m, Region *r) {
  if (r->p && !r->constant && is_last(r)) {
    m->device->release(m, r->p, r->bytes);
    free(r->shares);
  }
  free(r->copy);
  m->allocated -= r->lent ? 0 : (int64_t)r->bytes;
  *r = (Region){0};
}

int region_sharable(bigs_model *m, Region *r) {
  r->shares = r->p ? MODEL_ALLOC(m, RegionShares, 1, "a counter") : NULL;
  if (r->p && !r->shares)
    return m->error.status;
  if (r->shares)
    atomic_set(&r->shares->n, 1);
  return 0;
}

void region_share(const Region *r, Region *out) {
  *out = (Region){
      .p = r->p, .bytes = r->bytes, .shares = r->shares, .lent = true, .constant = r->constant};
  if (r->shares)
    atomic_add(&r->shares->n, 1);
}

int region_copy(bigs_model *m, Region *from, Region *to, const char *what) {
  const char *data = region_look(m, from);
  if (!data || region_set(m, to, from->bytes, what) || region_sharable(m, to))
    return m->error.status;
  if (m->device->host)
    memcpy(to->p, data, to->bytes);
  else if (m->device->put(m, to->p, data, to->bytes) || m->device->wait(m))
    return m->error.status;
  return 0;
}

int region_own(bigs_model *m, Region *r, const char *what) {
  Region own = {0};
  if (!r->constant && (!r->shares || atomic_get(&r->shares->n) == 1))
    return 0;
  int err = region_copy(m, r, &own, what);
  region_free(m, err ? &own : r);
  if (!err)
    *r = own;
  return err;
}

char *region_look(bigs_model *m, Region *r) {
  if (m->device->host)
    return r->p;
  if (!r->copy && !(r->copy = MODEL_ALLOC(m, char, r->bytes, "a copy of the device's memory")))
    return NULL;
  return m->device->get(m, r->copy, r->p, r->bytes) ? NULL : r->copy;
}

int region_put(bigs_model *m, Region *r) {
  return m->device->host ? 0 : m->device->put(m, r->p, r->copy, r->bytes);
}

const Region *region_at(const bigs_model *m, const void *p) {
  const Region *const region[] = {&m->param, &m->grad, &m->moment[0], &m->moment[1],
                                  &m->moment[MOMENT_AVERAGE]};
  const char *at = (const char *)p;
  for (int i = 0; i < COUNT(region); i++)
    if (region[i]->p && at >= region[i]->p && at < region[i]->p + region[i]->bytes)
      return region[i];
  for (int i = 0; i < PIECE_LEVELS; i++)
    if (m->piece_sum[i].p && at >= m->piece_sum[i].p &&
        at < m->piece_sum[i].p + m->piece_sum[i].bytes)
      return &m->piece_sum[i];
  return NULL;
}

void *model_alloc(bigs_model *m, size_t count, size_t size, const char *what) {
  void *p = NULL;
  if (!m->may_allocate || m->may_allocate(m->ctx, count * size))
    p = calloc(count ? count : 1, size);
  if (!p)
    refuse(m, count * size, what);
  return p;
}
