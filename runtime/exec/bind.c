// Bindings: the sizes of a program for given dims, and the places of its buffers.
#include "runtime/exec/again.h"
#include "base/dtype.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int too_large(bigs_model *m, const BigsProgram *p) {
  return bigs_fail(&m->error, BIGS_EMODEL,
                   "%s: the given dims make a size negative or too large to count", p->name);
}

static void bind_sizes(const BigsModule *module, Binding *b) {
  for (int i = 0; i < module->npoly; i++)
    if (!poly_value(&module->poly[i], b->sym, &b->size[i]))
      b->size[i] = NO_SIZE;
}

static bool size_at(const Binding *b, BigsSize size, int64_t *out) {
  *out = size ? b->size[size] : 0;
  return *out >= 0;
}

static bool buffer_bytes(const Binding *b, const BigsBuffer *u, int64_t *bytes) {
  int64_t elements, rows;
  if (!size_at(b, u->size, &elements))
    return false;
  if (u->block > 0) {
    if (!size_at(b, u->rows, &rows) ||
        __builtin_mul_overflow(elements, rows / u->block + (rows % u->block != 0), &elements))
      return false;
  }
  return !__builtin_mul_overflow(elements, dtype_size((DType)u->dtype), bytes);
}

// What a buffer is in the end, and where within it, following pieces.
static int find_root(bigs_model *m, Binding *b, int i) {
  const BigsProgram *p = b->program;
  BoundBuffer *r = &b->buffer[i];
  int64_t offset = 0, size;
  int root = i;
  if (!buffer_bytes(b, &p->buffer[i], &r->bytes))
    return too_large(m, p);
  for (int hops = 0; p->buffer[root].where == BIGS_PIECE; hops++) {
    const BigsBuffer *piece = &p->buffer[root];
    if (!size_at(b, piece->offset, &size) ||
        __builtin_mul_overflow(size, dtype_size((DType)piece->dtype), &size) ||
        __builtin_add_overflow(offset, size, &offset))
      return too_large(m, p);
    root = piece->index;
    if (hops > p->nbuffer || root < 0 || root >= p->nbuffer)
      return bigs_fail(&m->error, BIGS_EBUG, "%s: buffer %d is a piece of nothing", p->name, i);
  }
  const BigsBuffer *whole = &p->buffer[root];
  r->where = whole->where;
  r->dtype = p->buffer[i].dtype;
  r->index = whole->where == BIGS_ARENA || whole->where == BIGS_KEPT ? root : whole->index;
  r->data = whole->data;
  if (whole->where == BIGS_PARAM || whole->where == BIGS_GRAD) {
    int64_t at;
    if (!size_at(b, whole->offset, &at) || __builtin_add_overflow(offset, at, &offset))
      return too_large(m, p);
  }
  r->offset = offset;
  return 0;
}

static int bind_buffers(bigs_model *m, Binding *b) {
  int err = 0;
  for (int i = 0; i < b->program->nbuffer && !err; i++)
    err = find_root(m, b, i);
  return err;
}

static int bind_scalars(bigs_model *m, Binding *b) {
  for (int s = 0, at = 0; s < b->program->nstep; s++) {
    const BigsStep *step = &b->program->step[s];
    b->step[s].scalar = at;
    for (int i = 0; i < step->nscalar; i++, at++) {
      const BigsScalar *v = &step->scalar[i];
      int64_t size = 0;
      if (v->kind == 2 && v->size) // a stride too, which is negative where a value is flipped
        size = b->size[v->size];
      if (size == NO_SIZE)
        return too_large(m, b->program);
      b->scalar[at] = v->kind == 2 ? (uint64_t)size : v->value;
    }
  }
  return 0;
}

static int64_t round_line(int64_t bytes) {
  return (bytes + 63) / 64 * 64;
}

// A builtin's tables, shared with an earlier step where the key is the same.
static int bind_tables(bigs_model *m, Binding *b, int s, const BigsBuiltinOps *ops,
                       const BigsFrame *f) {
  const BigsStep *step = b->program->step;
  b->step[s].key = ops->key ? ops->key(f) : 0;
  for (int i = 0; i < s; i++)
    if (step[i].kind == BIGS_BUILTIN && step[i].index == step[s].index &&
        b->step[i].key == b->step[s].key) {
      b->step[s].tables = b->step[i].tables;
      return 0;
    }
  b->step[s].tables = ops->open ? ops->open(f) : NULL;
  return ops->open && !b->step[s].tables
             ? bigs_fail(&m->error, BIGS_EMODEL, "%s: out of memory for the tables of %s",
                         b->program->name, step[s].label ? step[s].label : "a step")
             : 0;
}

static void drop_tables(bigs_model *m, Binding *b) {
  const BigsStep *step = b->program->step;
  for (int s = b->program->nstep - 1; s >= 0; s--) {
    bool shared = false;
    for (int i = 0; i < s && b->step[s].tables; i++)
      shared = shared || b->step[i].tables == b->step[s].tables;
    if (b->step[s].tables && !shared)
      m->module->builtin[step[s].index]->close(b->step[s].tables);
    b->step[s].tables = NULL;
  }
}

static int bind_builtin(bigs_model *m, Binding *b, int s, int64_t *work) {
  int32_t index = b->program->step[s].index;
  const BigsBuiltinOps *ops = m->module->builtin ? m->module->builtin[index] : NULL;
  if (!ops)
    return bigs_fail(&m->error, BIGS_EBUG, "%s: the module lacks builtin %d", b->program->name,
                     index);
  if (!m->device->host)
    return bigs_fail(&m->error, BIGS_EMODEL, "%s: %s is not to be had on a %s", b->program->name,
                     b->program->step[s].label ? b->program->step[s].label : "a library step",
                     m->device->name);
  BigsFrame f = {.sym = b->sym, .scalar = b->scalar + b->step[s].scalar};
  if (bind_tables(m, b, s, ops, &f))
    return m->error.status;
  *work = round_line(ops->workspace(&f, b->step[s].tables, m->threads));
  return 0;
}

static int bind_step(bigs_model *m, Binding *b, int s) {
  const BigsStep *step = &b->program->step[s];
  BoundStep *bound = &b->step[s];
  int64_t extent;
  bound->tasks = 1;
  for (int i = 0; i < step->ngrid; i++)
    if (!size_at(b, step->grid[i].extent, &extent) ||
        __builtin_mul_overflow(bound->tasks,
                               extent / step->grid[i].block + (extent % step->grid[i].block != 0),
                               &bound->tasks))
      return too_large(m, b->program);
  if (!size_at(b, step->scratch, &bound->scratch) || bound->scratch > INT64_MAX / 4096)
    return too_large(m, b->program);
  bound->scratch = round_line(bound->scratch);
  int64_t total = bound->scratch * m->device->workers(m, bound->tasks, bound->scratch);
  if (step->kind == BIGS_BUILTIN && bind_builtin(m, b, s, &total))
    return m->error.status;
  if (total > b->scratch_bytes)
    b->scratch_bytes = total;
  return 0;
}

static int bind_steps(bigs_model *m, Binding *b) {
  int err = 0;
  b->scratch_bytes = 0;
  for (int s = 0; s < b->program->nstep && !err; s++)
    err = bind_step(m, b, s);
  return err;
}

static int at_least_one(int n) {
  return n > 1 ? n : 1;
}
static const BigsLaunch *step_launch(const BigsModule *module, const BigsStep *step) {
  return step->kind == BIGS_KERNEL && module->nlaunch ? &module->launch[step->index] : NULL;
}

// Of a frame on a GPU: see codegen/cuda/cuda.h.
static int frame_words(const BigsModule *module, const BigsStep *step) {
  const BigsLaunch *l = step_launch(module, step);
  int plain =
      3 + at_least_one(step->narg) + at_least_one(module->ndim) + at_least_one(step->nscalar);
  return bigs_frame_words(plain, l ? l->maps : 0);
}

// Where a step's frame begins behind `words` of others: those with maps at a multiple of a map's size.
static int frame_begin(const BigsLaunch *l, int words) {
  return l->maps ? bigs_map_word(words - 1) : words;
}

// Steps whose kernels read their frames from the device's memory: where those are, in order.
static void find_frames(const BigsModule *module, Binding *b) {
  b->nframe = 0;
  for (int s = 0; s < b->program->nstep; s++) {
    const BigsStep *step = &b->program->step[s];
    const BigsLaunch *l = step_launch(module, step);
    b->step[s].frame = l && l->frames ? frame_begin(l, b->nframe) : -1;
    if (b->step[s].frame >= 0)
      b->nframe = b->step[s].frame + frame_words(module, step);
  }
}

// All of a group live at once.
static int group_end(const BigsProgram *p, int s) {
  return p->step[s].group ? s + p->step[s].group - 1 : s;
}

// Lifetimes of the buffers in arena and kept region, from the steps that use them or their pieces.
static int find_lifetimes(bigs_model *m, Binding *b) {
  const BigsProgram *p = b->program;
  for (int i = 0; i < p->nbuffer; i++)
    b->item[i] = (PlaceItem){.first = INT32_MAX, .last = -1};
  for (int s = 0, begin = 0, end = -1; s < p->nstep; s++) {
    if (s > end)
      begin = s, end = group_end(p, s);
    for (int i = 0; i < p->step[s].narg; i++) {
      const BoundBuffer *r = &b->buffer[p->step[s].arg[i]];
      if (r->where != BIGS_ARENA)
        continue;
      PlaceItem *x = &b->item[r->index];
      if (x->last < 0)
        x->first = begin;
      x->last = end;
      x->bytes = b->buffer[r->index].bytes;
      if (x->first < p->nprologue && s >= p->nprologue)
        return bigs_fail(&m->error, BIGS_EBUG,
                         "%s: temporary %d is made by the prologue and used by step %d", p->name,
                         r->index, s);
    }
  }
  return 0;
}

static int place_buffers(bigs_model *m, Binding *b) {
  const BigsProgram *p = b->program;
  int err = find_lifetimes(m, b);
  if (err)
    return err;
  b->arena_bytes = place_items(b->item, p->nbuffer, b->order);
  if (b->arena_bytes < 0)
    return too_large(m, p);
  b->live_bytes = place_live(b->item, p->nbuffer);
  b->kept_bytes = 0;
  for (int i = 0; i < p->nbuffer; i++)
    if (p->buffer[i].where == BIGS_KEPT) {
      b->item[i].offset = b->kept_bytes;
      if (b->buffer[i].bytes > INT64_MAX - 64 ||
          __builtin_add_overflow(b->kept_bytes, round_line(b->buffer[i].bytes), &b->kept_bytes))
        return too_large(m, p);
    }
  for (int i = 0; i < p->nbuffer; i++)
    if (b->buffer[i].where == BIGS_ARENA || b->buffer[i].where == BIGS_KEPT)
      b->buffer[i].offset += b->item[b->buffer[i].index].offset;
  return 0;
}

// Which buffers are to be zeroed before which step: each before the first that uses it or a piece
// of it.
static void find_clears(Binding *b) {
  const BigsProgram *p = b->program;
  int n = 0;
  for (int i = 0; i < p->nbuffer; i++)
    b->order[i] = 0; // 1: done
  for (int s = 0; s < p->nstep; s++) {
    b->step[s].clear = n;
    for (int i = 0; i < p->step[s].narg; i++)
      for (int id = p->step[s].arg[i];; id = p->buffer[id].index) {
        if (p->buffer[id].zeroed && !b->order[id]) {
          b->order[id] = 1;
          b->clear[n++] = id;
        }
        if (p->buffer[id].where != BIGS_PIECE)
          break;
      }
    b->step[s].nclear = n - b->step[s].clear;
  }
}

static int staged_count(const BigsProgram *p) {
  return p->ninput + p->noutput + p->nbuffer;
}

static void drop_values(bigs_model *m, Binding *b) {
  for (int i = 0; i < COUNT(b->part); i++)
    recording_forget(m, &b->part[i]);
  recording_forget(m, &b->whole);
  region_free(m, &b->kept);
  region_free(m, &b->keys);
  region_free(m, &b->frames);
  b->has_frames = false;
  b->kept_version = 0;
  if (b->step)
    drop_tables(m, b);
  for (int i = 0; b->staged && i < staged_count(b->program);
       i++) // waits for copies of what follows
    region_free(m, &b->staged[i]);
  for (int i = 0; b->fallback && i < b->program->ninput; i++) {
    free(b->fallback[i]);
    b->fallback[i] = NULL;
  }
  b->fallback_bytes = 0;
}

static int rebind(bigs_model *m, Binding *b, const int64_t *sym) {
  if (m->device->frame)
    find_frames(m->module, b);
  drop_values(m, b);
  memcpy(b->sym, sym, sizeof b->sym);
  bind_sizes(m->module, b);
  int err = bind_buffers(m, b);
  err = err ? err : bind_scalars(m, b);
  err = err ? err : bind_steps(m, b);
  err = err ? err : place_buffers(m, b);
  if (!err)
    find_clears(b);
  return err;
}

void binding_free(bigs_model *m, Binding *b) {
  if (!b)
    return;
  drop_values(m, b);
  void *const part[] = {b->size,       b->buffer,   b->step,   b->frame, b->framed, b->part[0].at,
                        b->part[1].at, b->whole.at, b->scalar, b->key,   b->clear,  b->base,
                        b->arg,        b->fallback, b->staged, b->item,  b->order,  b};
  for (int i = 0; i < COUNT(part); i++)
    free(part[i]);
}

// A launch in a recording: a driver does not tell what it takes for one.
enum { BYTES_OF_LAUNCH = 4096 };

static void *table(bigs_model *m, Binding *b, size_t n, size_t size) {
  void *p = model_alloc(m, n, size, "the tables of a binding");
  b->table_bytes += p ? (int64_t)(n * size) : 0;
  return p;
}
#define TABLE(T, n) ((T *)table(m, b, (size_t)(n), sizeof(T)))

static Binding *binding_new(bigs_model *m, int index, const BigsProgram *p) {
  size_t nscalar = 0, narg = 0, nbuffer = (size_t)p->nbuffer;
  int nkey = 0;
  for (int s = 0; s < p->nstep; s++) {
    nscalar += (size_t)p->step[s].nscalar;
    for (int i = 0; i < p->step[s].nscalar; i++)
      nkey += p->step[s].scalar[i].kind == 1;
    if ((size_t)p->step[s].narg > narg)
      narg = (size_t)p->step[s].narg;
  }
  Binding *b = MODEL_ALLOC(m, Binding, 1, "a binding");
  if (!b)
    return NULL;
  b->program = p;
  b->index = index;
  b->nkey = nkey;
  b->table_bytes = m->device->record ? (int64_t)p->nstep * BYTES_OF_LAUNCH : 0;
  for (int s = 0; m->device->frame && s < p->nstep; s++)
    b->nframe += frame_words(m->module, &p->step[s]) + BIGS_MAP_WORDS;
  b->part[0].n = b->part[1].n = p->nbuffer + 1;
  b->whole.n = p->nbuffer + 1 + OPTIM_PLACES;
  if (!(b->size = TABLE(int64_t, m->module->npoly)) || !(b->buffer = TABLE(BoundBuffer, nbuffer)) ||
      !(b->step = TABLE(BoundStep, p->nstep)) || !(b->scalar = TABLE(uint64_t, nscalar)) ||
      !(b->part[0].at = TABLE(void *, nbuffer + 1)) ||
      !(b->part[1].at = TABLE(void *, nbuffer + 1)) || !(b->whole.at = TABLE(void *, b->whole.n)) ||
      !(b->frame = TABLE(uint64_t, 2 * b->nframe)) || !(b->framed = TABLE(void *, nbuffer + 1)) ||
      !(b->key = TABLE(uint64_t, nkey)) || !(b->clear = TABLE(int32_t, nbuffer)) ||
      !(b->base = TABLE(void *, b->whole.n)) || !(b->arg = TABLE(void *, narg)) ||
      !(b->fallback = TABLE(void *, p->ninput)) || !(b->staged = TABLE(Region, staged_count(p))) ||
      !(b->item = TABLE(PlaceItem, nbuffer)) || !(b->order = TABLE(int32_t, nbuffer))) {
    binding_free(m, b);
    return NULL;
  }
  return b;
}

Binding *bind_new(bigs_model *m, int program, const int64_t *sym) {
  Binding *b = binding_new(m, program, again_program(m, program, sym));
  if (b && !rebind(m, b, sym))
    return b;
  binding_free(m, b);
  return NULL;
}

// ---- those that are kept
int64_t binding_bytes(const Binding *b) {
  const BigsProgram *p = b->program;
  int64_t sum = b->table_bytes + b->fallback_bytes + b->kept_bytes +
                (int64_t)(b->keys.bytes + b->frames.bytes);
  for (int i = 0; i < staged_count(p); i++)
    sum += (int64_t)b->staged[i].bytes;
  return sum;
}

static void take_out(Binding **list, Binding *b) {
  while (*list != b)
    list = &(*list)->next;
  *list = b->next;
}

static void drop(bigs_model *m, Binding *b) {
  take_out(&m->binding[b->index], b);
  binding_free(m, b);
}

void bindings_drop(bigs_model *m, int program) {
  while (m->binding[program])
    drop(m, m->binding[program]);
}

void bindings_free(bigs_model *m) {
  for (int i = 0; m->binding && i < m->module->nprogram; i++)
    bindings_drop(m, i);
  free(m->binding);
  m->binding = NULL;
}

static Binding *older(Binding *a, Binding *b) {
  return !a || (b && b->used < a->used) ? b : a;
}

// Of entries, the least recently used one but `newest`; NULL: there is no other.  *bytes: of all of these.  Training binds
// few sizes, and all before a step changes anything.
static Binding *oldest_of_entries(const bigs_model *m, const Binding *newest, int64_t *bytes) {
  Binding *oldest = NULL;
  *bytes = 0;
  for (int i = 0; i < m->module->nprogram; i++)
    for (Binding *b = m->module->program[i].kind == BIGS_ENTRY ? m->binding[i] : NULL; b;
         b = b->next) {
      *bytes += binding_bytes(b);
      oldest = b == newest ? oldest : older(oldest, b);
    }
  return oldest;
}

static void keep_within(bigs_model *m, const Binding *newest) {
  int64_t most = m->asked.memory ? m->asked.memory : BINDINGS_MEMORY, bytes;
  for (Binding *b; (b = oldest_of_entries(m, newest, &bytes)) && bytes > most;)
    drop(m, b);
}

static Binding *oldest_of(Binding *b, int *n) {
  Binding *oldest = NULL;
  for (*n = 0; b; b = b->next, ++*n)
    oldest = older(oldest, b);
  return oldest;
}

// One to bind anew, in the list: of a gradient perhaps one that is there.
static Binding *one_more(bigs_model *m, int program, const BigsProgram *p) {
  int n;
  Binding **list = &m->binding[program], *b = oldest_of(*list, &n);
  bool full = p->kind == BIGS_GRADIENT && n >= BINDINGS_OF_GRADIENT;
  bool again = full && b->program == p;
  if (full && !again)
    drop(m, b);
  if (again)
    take_out(list, b);
  else
    b = binding_new(m, program, p);
  if (b) {
    b->next = *list;
    *list = b;
  }
  return b;
}

static Binding *find_bound(Binding *b, const int64_t *sym) {
  while (b && memcmp(b->sym, sym, sizeof b->sym) != 0)
    b = b->next;
  return b;
}

// In front, where it is found at once.
static void use(bigs_model *m, Binding *b) {
  Binding **list = &m->binding[b->index];
  take_out(list, b);
  b->next = *list;
  *list = b;
  b->used = ++m->clock;
}

Binding *bind_program(bigs_model *m, int program, const int64_t *sym) {
  Binding *b = find_bound(m->binding[program], sym);
  bool found = b != NULL;
  if (!found && !(b = one_more(m, program, again_program(m, program, sym))))
    return NULL;
  use(m, b);
  if (!found && rebind(m, b, sym)) {
    drop(m, b);
    return NULL;
  }
  if (!found)
    keep_within(m, b);
  return b;
}

int bind_measure(const BigsModule *module, int program, const int64_t *sym, int64_t *arena_bytes,
                 int64_t *kept_bytes, BigsError *e) {
  bigs_model m = {.module = module, .device = &device_cpu, .threads = 1};
  Binding *b = binding_new(&m, program, program_at(module, program, sym));
  if (b && !rebind(&m, b, sym)) {
    *arena_bytes = b->arena_bytes;
    *kept_bytes = b->kept_bytes;
  }
  binding_free(&m, b);
  if (m.error.status)
    bigs_fail(e, m.error.status, "%s", m.error.text);
  return m.error.status;
}
