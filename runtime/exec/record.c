// Steps that a device does as one: see Recording in exec.h.
#include "runtime/exec/exec.h"
#include <stdlib.h>
#include <string.h>

void recording_forget(bigs_model *m, Recording *r) {
  if (r->made)
    m->device->forget(m, r->made);
  r->made = NULL;
  r->noted = false;
}

void recording_free(bigs_model *m, Recording *r) {
  recording_forget(m, r);
  free(r->at);
  r->at = NULL;
}

// What goes wrong here goes wrong again where the steps are done, and is told there.
static void *record(bigs_model *m, StepsFn *steps, void *ctx) {
  BigsError before = m->error;
  if (!m->device->record(m))
    return NULL;
  int err = steps(m, ctx);
  void *made = m->device->recorded(m);
  m->error = before;
  if (err && made)
    m->device->forget(m, made);
  return err ? NULL : made;
}

static int do_and_note(bigs_model *m, Recording *r, void *const *at, StepsFn *steps, void *ctx) {
  recording_forget(m, r);
  int err = steps(m, ctx);
  if (err)
    return err;
  memcpy(r->at, at, (size_t)r->n * sizeof *at);
  r->noted = true;
  return 0;
}

int exec_as_one(bigs_model *m, Recording *r, void *const *at, StepsFn *steps, void *ctx) {
  if (!m->device->record || m->step_ns)
    return steps(m, ctx);
  if (!r->noted || memcmp(r->at, at, (size_t)r->n * sizeof *at))
    return do_and_note(m, r, at, steps, ctx);
  if (m->cancel && *m->cancel)
    return exec_interrupted(m);
  if (!r->made)
    r->made = record(m, steps, ctx);
  return r->made ? m->device->replay(m, r->made) : steps(m, ctx);
}
