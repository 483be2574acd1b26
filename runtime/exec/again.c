// See again.h.
#include "runtime/exec/again.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char label_end[] = " (again)";
enum { PARTS_MOST = 64 };

typedef struct Life {  // of a buffer in the arena
  int32_t first, last; // steps of the forward part that first write it (-1: none), that last use it
  bool late;           // a step behind uses it
  bool read;           // so far
  bool fixed;          // it is not what one run of its writers makes
  bool wanted, made;   // by what is computed again; all of it is
} Life;

typedef struct Redo {
  bigs_model *m;
  const Binding *b;
  const BigsProgram *p;
  Again *out;
  int forward; // steps of the forward part
  Life *life;  // by buffer
  int32_t *ends,
      *next;      // by step: the buffers that it is the last to use, as a list; 1 + their numbers
  int64_t *cross; // by step: bytes that pass to it and those behind it, -1: no place to cut
  int32_t *part, *trial; // by step
  int64_t *saved;        // by part of a trial
  uint8_t *again, *done; // by step
  int32_t *copy;         // by buffer: 1 + the number of what stands for it behind the forward part
  int32_t *arg;          // room for arguments
  char *text;            // and for labels
} Redo;

// ---- what lives how long
static int arena_buffer(const Redo *r, int buffer) {
  const BoundBuffer *x = &r->b->buffer[buffer];
  return x->where == BIGS_ARENA ? x->index : -1;
}

static bool writes(const BigsStep *s, int i) {
  return !s->written || s->written[i];
}

static int64_t root_bytes(const Redo *r, int root) {
  return (r->b->buffer[root].bytes + PLACE_ALIGN - 1) / PLACE_ALIGN * PLACE_ALIGN;
}

static int behind_group(const BigsProgram *p, int s) {
  return s + (p->step[s].group > 1 ? p->step[s].group : 1);
}

static bool makes_loss(const Redo *r, const BigsStep *s) {
  bool makes = false;
  for (int i = 0; i < s->narg; i++) {
    const BoundBuffer *x = &r->b->buffer[s->arg[i]];
    makes |= writes(s, i) && x->where == BIGS_OUTPUT && x->index == 0;
  }
  return makes;
}

static void find_forward(Redo *r) {
  for (int s = 0, end; s < r->p->nstep; s = end) {
    end = behind_group(r->p, s);
    for (int i = s; i < end; i++)
      if (makes_loss(r, &r->p->step[i]))
        r->forward = end;
  }
}

static bool writes_elsewhere(const Redo *r, const BigsStep *s) {
  bool any = false;
  for (int i = 0; i < s->narg; i++)
    any |= writes(s, i) && arena_buffer(r, s->arg[i]) < 0;
  return any;
}

static void note_use(Redo *r, int s, int i, bool elsewhere) {
  const BigsStep *step = &r->p->step[s];
  int root = arena_buffer(r, step->arg[i]);
  bool early = s < r->forward, write = writes(step, i);
  if (root < 0)
    return;
  Life *x = &r->life[root];
  x->fixed |= write ? x->read || !early || elsewhere : x->first < 0;
  x->first = write && early && x->first < 0 ? s : x->first;
  x->last = early ? s : x->last;
  x->late |= !early;
  x->read |= !write;
}

static void find_lives(Redo *r) {
  for (int i = 0; i < r->p->nbuffer; i++)
    r->life[i].first = -1;
  for (int s = 0; s < r->p->nstep; s++) {
    bool elsewhere = writes_elsewhere(r, &r->p->step[s]);
    for (int i = 0; i < r->p->step[s].narg; i++)
      note_use(r, s, i, elsewhere);
  }
}

static void find_ends(Redo *r) {
  for (int i = 0; i < r->p->nbuffer; i++) {
    const Life *x = &r->life[i];
    if (x->first < 0)
      continue;
    r->next[i] = r->ends[x->last];
    r->ends[x->last] = i + 1;
    r->cross[x->first + 1] += root_bytes(r, i);
    r->cross[x->last + 1] -= root_bytes(r, i);
  }
  for (int s = 1; s <= r->forward; s++)
    r->cross[s] += r->cross[s - 1];
  for (int s = 0; s < r->forward; s = behind_group(r->p, s))
    for (int i = s + 1; i < behind_group(r->p, s); i++)
      r->cross[i] = -1;
}

// ---- parts
// What the backward part reads of values that are made from step `begin` on and used last in step s.
static int64_t saved_until(const Redo *r, int begin, int s) {
  int64_t sum = 0;
  for (int i = r->ends[s]; i; i = r->next[i - 1])
    sum += r->life[i - 1].late && r->life[i - 1].first >= begin ? root_bytes(r, i - 1) : 0;
  return sum;
}

// The end of the part that begins there and saves about `most` bytes: the last of the places to cut where about the least passes.
static int part_end(const Redo *r, int begin, int64_t most) {
  int64_t saved = 0, least = 0;
  int best = 0;
  for (int s = begin + 1; s < r->forward; s++) {
    saved += saved_until(r, begin, s - 1);
    if (best && saved > most)
      return best;
    if (r->cross[s] < 0 || (best && r->cross[s] > least + least / 8))
      continue;
    least = best && least < r->cross[s] ? least : r->cross[s];
    best = s;
  }
  return r->forward;
}

static int cut_parts(Redo *r, int64_t most) {
  int parts = 0;
  for (int begin = 0, end; begin < r->forward; begin = end, parts++) {
    end = part_end(r, begin, most);
    for (int s = begin; s < end; s++)
      r->trial[s] = parts;
  }
  return parts;
}

// About the most memory with all parts computed again: what passes between parts, and the largest part.
static int64_t peak_of(Redo *r) {
  int64_t kept = 0, most = 0;
  memset(r->saved, 0, sizeof *r->saved * (size_t)(r->forward + 1));
  for (int i = 0; i < r->p->nbuffer; i++) {
    const Life *x = &r->life[i];
    if (x->first < 0)
      continue;
    int64_t *in = &r->saved[r->trial[x->first]], bytes = root_bytes(r, i);
    if (r->trial[x->first] != r->trial[x->last])
      kept += bytes;
    else
      *in += x->late ? bytes : 0;
    most = *in > most ? *in : most;
  }
  return kept + most;
}

static void choose_parts(Redo *r) {
  int64_t all = 0, least = 0;
  for (int s = 0; s < r->forward; s++)
    all += saved_until(r, 0, s);
  for (int k = 1; k <= PARTS_MOST && r->forward; k++) {
    int parts = cut_parts(r, all / k);
    int64_t peak = peak_of(r);
    if (k > 1 && peak >= least)
      continue;
    least = peak;
    r->out->parts = parts;
    memcpy(r->part, r->trial, sizeof *r->part * (size_t)r->forward);
  }
}

// ---- the program
static bool is_again(const Redo *r, int root) {
  const Life *x = root < 0 ? NULL : &r->life[root];
  return x && x->first >= 0 && !x->fixed && r->part[x->first] == r->part[x->last] &&
         r->part[x->first] < r->out->n;
}

static int copy_of(Redo *r, int buffer) {
  if (r->copy[buffer])
    return r->copy[buffer] - 1;
  BigsBuffer x = r->p->buffer[buffer];
  if (x.where == BIGS_PIECE)
    x.index = copy_of(r, x.index);
  int n = r->out->program.nbuffer++;
  r->out->buffer[n] = x;
  r->copy[buffer] = n + 1;
  return n;
}

static bool writes_root(const Redo *r, const BigsStep *s, int root) {
  bool any = false;
  for (int i = 0; i < s->narg; i++)
    any |= writes(s, i) && arena_buffer(r, s->arg[i]) == root;
  return any;
}

static void put_args(Redo *r, BigsStep *s, bool again) {
  const int32_t *from = s->arg;
  int32_t *to = r->arg;
  for (int i = 0; i < s->narg; i++) {
    int root = arena_buffer(r, from[i]);
    bool other = root >= 0 && (is_again(r, root) || (again && writes_root(r, s, root)));
    to[i] = other ? copy_of(r, from[i]) : from[i];
  }
  s->arg = to;
  r->arg += s->narg;
}

static const char *label_again(Redo *r, const char *label) {
  char *at = r->text;
  if (label)
    r->text += 1 + snprintf(at, strlen(label) + sizeof label_end, "%s%s", label, label_end);
  return label ? at : NULL;
}

static void put_step(Redo *r, int s, bool again) {
  BigsStep x = r->p->step[s];
  if (again || s >= r->forward)
    put_args(r, &x, again);
  if (again) {
    double flops = step_flops(r->m->module, &x, r->b->sym);
    x.label = label_again(r, x.label);
    x.group = 0;
    r->out->more += flops > 0 ? flops : 0;
    r->done[s] = 1;
  }
  r->out->step[r->out->program.nstep++] = x;
}

// A value that is read is wanted whole, one that is written as it was before.
static bool want(Redo *r, const BigsStep *s, int i, bool again) {
  int root = arena_buffer(r, s->arg[i]);
  bool whole = is_again(r, root) && (!again || !writes(s, i));
  bool more = whole && !r->life[root].made;
  if (whole)
    r->life[root].made = true;
  if (whole || (again && root >= 0 && writes(s, i)))
    r->life[root].wanted = true;
  return more;
}

static bool writes_wanted(const Redo *r, const BigsStep *s) {
  bool any = false;
  for (int i = 0; i < s->narg; i++) {
    int root = arena_buffer(r, s->arg[i]);
    any |= root >= 0 && writes(s, i) && r->life[root].wanted;
  }
  return any;
}

// From what is wanted back to what passes into the part; then forth.
static void compute_again(Redo *r) {
  for (int s = r->forward - 1; s >= 0; s--) {
    const BigsStep *step = &r->p->step[s];
    r->again[s] = !r->done[s] && writes_wanted(r, step);
    for (int i = 0; i < step->narg && r->again[s]; i++)
      want(r, step, i, true);
  }
  for (int s = 0; s < r->forward; s++)
    if (r->again[s])
      put_step(r, s, true);
  for (int i = 0; i < r->p->nbuffer; i++)
    r->life[i].wanted = false;
}

static void put_behind(Redo *r, int s, int end) {
  bool more = false;
  for (int k = s; k < end; k++)
    for (int i = 0; i < r->p->step[k].narg; i++)
      more |= want(r, &r->p->step[k], i, false);
  if (more)
    compute_again(r);
  for (int i = 0; i < r->p->nbuffer && !more; i++)
    r->life[i].wanted = false;
  for (int k = s; k < end; k++)
    put_step(r, k, false);
}

static void put_program(Redo *r) {
  for (int s = 0; s < r->forward; s++)
    put_step(r, s, false);
  for (int s = r->forward, end; s < r->p->nstep; s = end) {
    end = behind_group(r->p, s);
    put_behind(r, s, end);
  }
  r->out->program.buffer = r->out->buffer;
  r->out->program.step = r->out->step;
}

static void note_more(Redo *r) {
  Again *a = r->out;
  double own = 0;
  for (int s = 0; s < r->p->nstep; s++) {
    double flops = step_flops(r->m->module, &r->p->step[s], r->b->sym);
    own += flops > 0 ? flops : 0;
    if (s < r->forward && r->part[s] < a->n && r->p->step[s].module)
      a->upto = r->p->step[s].module;
  }
  a->more = own > 0 ? a->more / own : 0;
}

// ---- memory
static void free_again(Again *a) {
  if (!a)
    return;
  free(a->step);
  free(a->buffer);
  free(a->arg);
  free(a->text);
  free(a);
}

void again_free(bigs_model *m) {
  free_again(m->again);
  m->again = NULL;
}

static void free_redo(Redo *r) {
  void *const part[] = {r->life,  r->ends,  r->next,  r->cross, r->part,
                        r->trial, r->saved, r->again, r->done,  r->copy};
  for (size_t i = 0; i < sizeof part / sizeof *part; i++)
    free(part[i]);
}

#define ROOM(T, n) MODEL_ALLOC(r->m, T, n, "the tables of what is computed again")
static bool open_redo(Redo *r) {
  int n = r->p->nstep + 2, nb = r->p->nbuffer + 1;
  return (r->life = ROOM(Life, nb)) && (r->ends = ROOM(int32_t, n)) &&
         (r->next = ROOM(int32_t, nb)) && (r->cross = ROOM(int64_t, n)) &&
         (r->part = ROOM(int32_t, n)) && (r->trial = ROOM(int32_t, n)) &&
         (r->saved = ROOM(int64_t, n)) && (r->again = ROOM(uint8_t, n)) &&
         (r->done = ROOM(uint8_t, n)) && (r->copy = ROOM(int32_t, nb));
}

static bool open_tables(Redo *r, Again *a) {
  size_t args = 1, text = 1;
  for (int s = 0; s < r->p->nstep; s++) {
    const BigsStep *step = &r->p->step[s];
    args += (size_t)step->narg;
    text += step->label ? strlen(step->label) + sizeof label_end : 0;
  }
  return (a->step = ROOM(BigsStep, 2 * r->p->nstep + 1)) &&
         (a->buffer = ROOM(BigsBuffer, 2 * r->p->nbuffer + 1)) &&
         (a->arg = r->arg = ROOM(int32_t, 2 * args)) && (a->text = r->text = ROOM(char, text));
}
#undef ROOM

static void build(Redo *r, int n) {
  Again *a = r->out;
  a->of = r->p;
  a->program = *r->p;
  a->program.nstep = 0;
  if (r->p->nbuffer)
    memcpy(a->buffer, r->p->buffer, sizeof *a->buffer * (size_t)r->p->nbuffer);
  find_forward(r);
  find_lives(r);
  find_ends(r);
  choose_parts(r);
  a->n = n < a->parts ? n : a->parts > 0 ? a->parts - 1 : 0;
  put_program(r);
  note_more(r);
}

static int set_for(bigs_model *m, Binding *b, int n) {
  Redo r = {.m = m, .b = b, .p = b->program};
  r.out = MODEL_ALLOC(m, Again, 1, "the tables of what is computed again");
  bool there = r.out && open_redo(&r) && open_tables(&r, r.out);
  if (there)
    build(&r, n);
  free_redo(&r);
  if (there)
    m->again = r.out;
  else
    free_again(r.out);
  return there ? 0 : m->error.status;
}

int again_set(bigs_model *m, int program, const int64_t *dims, int n) {
  int64_t sym[MAX_SYMS];
  const BigsProgram *p = &m->module->program[program];
  bindings_drop(m, program);
  m->grad_program = NULL; // it may be this one
  again_free(m);
  if (p->kind != BIGS_GRADIENT || bind_dims(m->module, p, dims, sym, &m->error))
    return m->error.status;
  Binding *b = bind_new(m, program, sym);
  int status = b ? set_for(m, b, n) : m->error.status;
  binding_free(m, b);
  return status;
}

const BigsProgram *again_program(const bigs_model *m, int program, const int64_t *sym) {
  const BigsProgram *p = program_at(m->module, program, sym);
  return m->again && m->again->of == p && m->again->n ? &m->again->program : p;
}
