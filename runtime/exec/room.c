// Does a call fit into the device's memory?  Told before anything is allocated or launched for it, with
// the largest batch that would.
#include "runtime/exec/again.h"
#include "base/dtype.h"
#include "runtime/exec/pieces.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void add_bytes(int64_t *sum, int64_t bytes) {
  if (bytes < 0 || __builtin_add_overflow(*sum, bytes, sum))
    *sum = INT64_MAX;
}

// One more region, or a larger one in place of what there is, which goes first.
static void add_region(int64_t *need, int64_t *freed, const Region *r, int64_t bytes) {
  if (bytes <= (int64_t)r->bytes)
    return;
  add_bytes(need, bytes);
  *freed += (int64_t)r->bytes;
}

static int64_t bytes_of_tensor(const BigsTensor *t, const int64_t *sym) {
  int64_t n = poly_elements(t, sym), bytes;
  return n < 0 || __builtin_mul_overflow(n, dtype_size((DType)t->dtype), &bytes) ? -1 : bytes;
}

void needs_add(const Binding *b, Needs *n, int64_t *freed) {
  const BigsProgram *p = b->program;
  add_region(&n->bytes, freed, &b->kept, b->kept_bytes);
  add_region(&n->bytes, freed, &b->keys, (int64_t)((size_t)b->nkey * sizeof *b->key));
  add_region(&n->bytes, freed, &b->frames, (int64_t)((size_t)b->nframe * sizeof *b->frame));
  for (int i = 0; i < p->nbuffer; i++)
    if (b->buffer[i].where == BIGS_CONSTANT)
      add_region(&n->bytes, freed, &b->staged[p->ninput + p->noutput + i], b->buffer[i].bytes);
  n->arena = b->arena_bytes > n->arena ? b->arena_bytes : n->arena;
  n->scratch = b->scratch_bytes > n->scratch ? b->scratch_bytes : n->scratch;
}

// Copies of what the caller has on the host.
static void add_tensors(const bigs_model *m, const Binding *b, int64_t *need, int64_t *freed) {
  const BigsProgram *p = b->program;
  for (int i = 0; i < p->ninput && !m->far; i++)
    add_region(need, freed, &b->staged[i], bytes_of_tensor(&m->module->input[p->input[i]], b->sym));
  for (int i = 0; i < p->noutput && !m->far; i++)
    add_region(need, freed, &b->staged[p->ninput + i], bytes_of_tensor(&p->output[i], b->sym));
}

// What a call with these sizes asks for, but for a margin of the arena; *freed: what it gives back first.
static int64_t needed(const bigs_model *m, const Binding *b, int64_t *freed) {
  bool gradient = b->program->kind == BIGS_GRADIENT;
  Needs n = gradient ? m->later : (Needs){0};
  *freed = 0;
  needs_add(b, &n, freed);
  add_region(&n.bytes, freed, &m->arena, n.arena);
  add_region(&n.bytes, freed, &m->scratch, n.scratch);
  add_tensors(m, b, &n.bytes, freed);
  if (gradient)
    add_region(&n.bytes, freed, &m->grad, m->module->param_bytes);
  return n.bytes;
}

// ---- other sizes
// The dim that an input's rows are, -1: they are none alone.
static int rows_of(const BigsModule *m, const BigsProgram *p, int input) {
  const BigsTensor *t = input < p->ninput ? &m->input[p->input[input]] : NULL;
  return t && t->rank ? dim_of_size(m, &t->extent[0]) : -1;
}

int exec_batch_dim(const BigsModule *m, const BigsProgram *p) {
  return rows_of(m, p, 0);
}

static bool has_dim(const BigsTensor *t, int dim) {
  bool has = false;
  for (int a = 0; a < t->rank; a++)
    for (int i = 0; i < t->extent[a].n; i++)
      for (int k = 0; k < POLY_FACTORS; k++)
        has = has || t->extent[a].t[i].sym[k] == dim;
  return has;
}

// Sizes with another batch: rows that are picked from it, as masked places are, go with it.
static void resize(const bigs_model *m, const Binding *b, int dim, int64_t value, int64_t *sym) {
  const BigsProgram *p = b->program;
  double share = (double)value / (double)b->sym[dim];
  memcpy(sym, b->sym, sizeof b->sym);
  sym[dim] = value;
  for (int i = 1; i < p->ninput; i++) {
    int rows = rows_of(m->module, p, i);
    if (rows >= 0 && !has_dim(&m->module->input[p->input[0]], rows))
      sym[rows] = 1 + (int64_t)(share * (double)(b->sym[rows] - 1));
  }
  complete_sizes(m->module, sym);
}

static bool fits_with(bigs_model *m, const Binding *b, int dim, int64_t value, int64_t room) {
  BigsError before = m->error;
  int64_t sym[MAX_SYMS], freed;
  resize(m, b, dim, value, sym);
  Binding *other = bind_new(m, b->index, sym);
  bool fits = other && needed(m, other, &freed) - freed <= room;
  binding_free(m, other);
  m->error = before;
  return fits;
}

// 0: not even 1 does.
static int64_t largest_that_fits(bigs_model *m, const Binding *b, int dim, int64_t room) {
  int64_t fits = 0, not_so = b->sym[dim];
  while (not_so - fits > 1) {
    int64_t middle = fits + (not_so - fits) / 2;
    if (fits_with(m, b, dim, middle, room))
      fits = middle;
    else
      not_so = middle;
  }
  return fits;
}

// The least number of pieces in which a step that was asked for fits, with the sums that it keeps; 0: in none.
static int64_t pieces_that_fit(bigs_model *m, const Binding *b, int dim, int64_t fits,
                               int64_t room) {
  const StepSize *s = &m->asked_step;
  for (int64_t n = s->pieces + 1; n <= s->rows && fits > 0; n++) {
    int64_t own = n / s->ranks,
            more = pieces_missing(m, own) - pieces_missing(m, s->pieces / s->ranks);
    if (s->rows % n == 0 && n % s->ranks == 0 && s->rows / n <= fits &&
        fits_with(m, b, dim, s->rows / n, room - more))
      return n;
  }
  return 0;
}

static void say_pieces(bigs_model *m, const Binding *b, int dim, int64_t fits, int64_t room,
                       char *out, size_t size) {
  int64_t n = dim >= 0 && m->asked_step.rows ? pieces_that_fit(m, b, dim, fits, room) : 0;
  if (n)
    snprintf(out, size,
             "; --pieces %" PRId64 " takes the step of %" PRId64 " rows in pieces of %" PRId64, n,
             m->asked_step.rows, m->asked_step.rows / n);
}

static int does_not_fit(bigs_model *m, const Binding *b, int64_t need, int64_t room) {
  char asked[96] = "", largest[96] = "", pieces[128] = "";
  int dim = exec_batch_dim(m->module, b->program);
  const char *name = dim < 0 ? "" : m->module->dim[dim].name;
  int64_t fits = dim < 0 ? 0 : largest_that_fits(m, b, dim, room);
  if (dim >= 0)
    snprintf(asked, sizeof asked, " with %s = %" PRId64, name, b->sym[dim]);
  if (fits)
    snprintf(largest, sizeof largest, ": %s = %" PRId64 " is the largest that fits", name, fits);
  else if (dim >= 0)
    snprintf(largest, sizeof largest, ": not even %s = 1 fits", name);
  say_pieces(m, b, dim, fits, room, pieces, sizeof pieces);
  return bigs_fail(&m->error, BIGS_EMODEL,
                   "%s%s needs %s more of the %s's memory, of which %s are free%s%s",
                   b->program->name, asked, bigs_bytes((double)need).text,
                   m->device->host ? "computer" : m->device->name, bigs_bytes((double)room).text,
                   largest, pieces);
}

// What may still be asked for; below 0: it is not known.
static int64_t room_left(bigs_model *m) {
  int64_t room = m->device->room ? m->device->room(m) : host_memory() - m->allocated;
  int64_t left = m->memory_limit - m->allocated;
  bool less = m->memory_limit && (room < 0 || left < room);
  return !less ? room : left > 0 ? left : 0;
}

int64_t exec_pieces(bigs_model *m, int program, const int64_t *dims, StepSize s, int64_t later) {
  int64_t sym[MAX_SYMS], n;
  const BigsProgram *p = &m->module->program[program];
  int dim = exec_batch_dim(m->module, p);
  if (dim < 0) {
    bigs_fail(&m->error, BIGS_EUSAGE, "%s is compiled for one size of a batch", p->name);
    return -1;
  }
  Binding *b = bind_dims(m->module, p, dims, sym, &m->error) ? NULL : bind_new(m, program, sym);
  if (!b)
    return -1;
  m->asked_step = (StepSize){.rows = s.rows, .ranks = s.ranks};
  n = pieces_that_fit(m, b, dim, s.rows, room_left(m) - later);
  m->asked_step = (StepSize){0};
  binding_free(m, b);
  return n;
}

// The sizes of one of so many pieces of a step.
static int piece_sizes(bigs_model *m, int program, const int64_t *dims, StepSize s, int64_t *sym) {
  const BigsProgram *p = &m->module->program[program];
  int dim = exec_batch_dim(m->module, p);
  if (bind_dims(m->module, p, dims, sym, &m->error) || s.pieces <= 1 || dim < 0)
    return m->error.status;
  Binding *b = bind_new(m, program, sym);
  if (b)
    resize(m, b, dim, s.rows / s.pieces, sym);
  binding_free(m, b);
  return m->error.status;
}

// All that is asked for in a step of these sizes, with what there is; -1: an error is set.
static int64_t taken(bigs_model *m, int program, const int64_t *sym, int64_t besides) {
  int64_t freed, bytes = m->allocated;
  Binding *b = bind_new(m, program, sym);
  if (!b)
    return -1;
  add_bytes(&bytes, needed(m, b, &freed));
  add_bytes(&bytes, besides);
  binding_free(m, b);
  return bytes - freed;
}

int exec_parts(bigs_model *m, int program, const int64_t *dims, StepSize s, int64_t later, int n,
               int64_t *takes) {
  int64_t sym[MAX_SYMS], besides = later + pieces_missing(m, s.pieces / s.ranks);
  bool more = true, fits = false;
  if (piece_sizes(m, program, dims, s, sym))
    return -1;
  *takes = INT64_MAX;
  for (int i = n < 0 ? 0 : n; more && !fits; i++) {
    int64_t bytes = again_set(m, program, sym, i) ? -1 : taken(m, program, sym, besides);
    int64_t room = room_left(m);
    if (bytes < 0)
      return -1;
    fits = room < 0 || bytes <= room + m->allocated;
    *takes = fits || bytes < *takes ? bytes : *takes;
    more = n < 0 && m->again->n == i;
  }
  return fits;
}

// On processors that of a training step alone, which can be taken in pieces: what a computer gives is not known to the byte.
static bool has_end(const bigs_model *m, const Binding *b) {
  return m->device->room ||
         (m->device->host && m->asked_step.rows && b->program->kind == BIGS_GRADIENT);
}

int exec_room(bigs_model *m, const Binding *b, int64_t *spare) {
  int64_t freed, need = needed(m, b, &freed), room;
  *spare = INT64_MAX;
  if (!need || !has_end(m, b))
    return 0;
  room = room_left(m);
  *spare = room + freed - need;
  return room < 0 || *spare >= 0 ? 0 : does_not_fit(m, b, need - freed, room);
}
