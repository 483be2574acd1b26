// First values of parameters, of all or of some.
#include "runtime/exec/exec.h"
#include <stdlib.h>
#include <string.h>

static bool meet_bytes(int64_t a, int64_t an, int64_t b, int64_t bn) {
  return a < b + bn && b < a + an;
}

// May what is written to one be read from the other?
static bool share_memory(const BoundBuffer *a, const BoundBuffer *b) {
  if (a->where != b->where)
    return false;
  if (a->where == BIGS_PARAM)
    return meet_bytes(a->offset, a->bytes, b->offset, b->bytes);
  return (a->where == BIGS_ARENA || a->where == BIGS_KEPT) && a->index == b->index;
}

static bool holds_some(const BigsModule *module, const BoundBuffer *r, const uint8_t *wanted) {
  for (int i = 0; r->where == BIGS_PARAM && i < module->nparam; i++) {
    const BigsStorage *s = &module->storage[module->param[i].storage];
    if (wanted[i] && meet_bytes(r->offset, r->bytes, s->offset, s->bytes))
      return true;
  }
  return false;
}

// Which of the steps and buffers are needed; a step may add to what it writes, so that it needs all.
typedef struct Needed {
  const Binding *b;
  uint8_t *step, *buffer;
} Needed;

static bool touches_needed(const Needed *x, const BigsStep *s) {
  for (int i = 0; i < s->narg; i++)
    if (x->buffer[s->arg[i]])
      return true;
  return false;
}

static void need_step(Needed *x, int s) {
  const BigsProgram *p = x->b->program;
  x->step[s] = 1;
  for (int i = 0; i < p->step[s].narg; i++)
    for (int k = 0; k < p->nbuffer; k++)
      x->buffer[k] |= share_memory(&x->b->buffer[p->step[s].arg[i]], &x->b->buffer[k]);
}

static void spread(Needed *x) {
  const BigsProgram *p = x->b->program;
  for (bool more = true; more;) {
    more = false;
    for (int s = 0; s < p->nstep; s++)
      if (!x->step[s] && touches_needed(x, &p->step[s])) {
        need_step(x, s);
        more = true;
      }
  }
}

uint8_t *exec_steps_for(bigs_model *m, const Binding *b, const uint8_t *wanted) {
  const BigsProgram *p = b->program;
  Needed x = {.b = b,
              .step = MODEL_ALLOC(m, uint8_t, p->nstep + 1, "steps"),
              .buffer = MODEL_ALLOC(m, uint8_t, p->nbuffer + 1, "steps")};
  if (x.step && x.buffer) {
    for (int i = 0; i < p->nbuffer; i++)
      x.buffer[i] = holds_some(m->module, &b->buffer[i], wanted);
    spread(&x);
  }
  bool whole = x.step && x.buffer;
  free(x.buffer);
  if (whole)
    return x.step;
  free(x.step);
  return NULL;
}

int exec_init(bigs_model *m, const uint8_t *wanted) {
  int program = module_program(m->module, BIGS_INIT, NULL);
  if (region_own(m, &m->param, "parameters"))
    return m->error.status;
  if (m->param.p && m->device->clear(m, m->param.p, m->param.bytes))
    return m->error.status;
  m->weights_version++;
  if (program < 0)
    return 0;
  int err = exec_run(m, program, NULL, NULL, NULL, (RunFlags){.seed = m->seed, .wanted = wanted});
  m->weights_version++;
  return err;
}
