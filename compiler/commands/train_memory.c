// See train_memory.h.
#include "compiler/commands/train_memory.h"
#include "compiler/commands/recompute.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// 4G, 512M, 1.5G, or bytes.
static int memory_of(Session *s, int64_t *out) {
  static const char units[] = "KMGT";
  const char *text = s->o->memory;
  char *end = NULL;
  double v = strtod(text, &end);
  const char *unit = *end ? strchr(units, *end) : NULL;
  for (; unit && unit >= units; unit--)
    v *= 1024;
  end += unit != NULL;
  if (end == text || *end || !(v >= 1 && v < 1e18))
    return session_error(s, EXIT_USAGE, "--memory %s: must be a size, as 4G, 512M or 1.5G", text);
  *out = (int64_t)v;
  return 0;
}

// Of a step of arrays, whose other axes only the files tell.  NULL: all is known.
static const char *step_dims_of_arrays(Session *s, const BigsTrain *t, const TrainPlan *plan,
                                       int64_t *dims) {
  const BigsModule *m = s->module;
  int batch = exec_batch_dim(m, &m->program[t->program]);
  const char *unknown = NULL;
  for (int i = 0; i < MAX_SYMS; i++) {
    dims[i] = i == batch ? train_most_rows(t, plan->batch) : 1;
    if (i < m->ndim && i != batch && (m->program[t->program].syms >> i & 1) && !unknown)
      unknown = session_text(
          s, "--memory: how large %s is only the data tells: give --pieces, or -D %s=N",
          m->dim[i].name, m->dim[i].name);
  }
  return unknown;
}

// Of the tokens of a row those that may be predicted: all, where they are words with a tag each.
static double share_of_places(const BigsTrain *t) {
  bool words = t->source && data_has_field(t->source, "at") && !data_has_field(t->source, "labels");
  double masked = train_most_masked(t);
  return words ? 1 : masked > 0 ? masked : 0.15;
}

// As many labels as its rows may have.
static const char *step_dims_of_tokens(Session *s, const BigsTrain *t, const TrainPlan *plan,
                                       int64_t *dims) {
  const BigsModule *m = s->module;
  int64_t L = plan->length > 0 ? plan->length : model_longest(m);
  int64_t rows = train_most_rows(t, plan->batch);
  double labels = floor(share_of_places(t) * (double)(L - 2) + 0.5);
  int batch = exec_batch_dim(m, &m->program[t->program]);
  for (int i = 0; i < MAX_SYMS; i++)
    dims[i] = i >= m->ndim                           ? 1
              : i == batch                           ? rows
              : !strcmp(m->dim[i].name, "L")         ? (L > 0 ? L : 1)
              : m->program[t->program].syms >> i & 1 ? rows * (int64_t)fmax(labels, 1)
                                                     : 1;
  if (open_choices(m))
    return session_text(s, "how many choices has a row? Give -D %s=N", open_choices(m));
  return L > 0 ? NULL : "the model bounds no length: give --length L";
}

// Of the whole step, the largest of the run.  NULL, or what is not known.
static const char *step_dims(Session *s, const BigsTrain *t, const TrainPlan *plan, int64_t *dims) {
  return feeding_of_tokens(t) ? step_dims_of_tokens(s, t, plan, dims)
                              : step_dims_of_arrays(s, t, plan, dims);
}

// Pieces in which the largest step fits, 0: in none, -1: an error is set.  They divide the smallest batch, too.
static int64_t pieces_for(Session *s, const BigsTrain *t, const Ranks *ranks, const TrainPlan *plan,
                          const int64_t *dims) {
  Needs later;
  int64_t ranks_too = ranks->place.ranks;
  StepSize size = {train_most_rows(t, plan->batch), 0, ranks_too};
  if (optim_needs(s->handle, plan->train, &plan->recipe, &later))
    return -1;
  int64_t n = exec_pieces(s->handle, t->program, dims, size, later.bytes);
  while (n > 0 && n <= plan->batch && (plan->batch % n || n % ranks_too))
    n++;
  return n > plan->batch ? 0 : n;
}

static const char *in_pieces(Session *s, const TrainPlan *plan, bool told) {
  int64_t n = plan->pieces;
  return n == 1  ? ""
         : !told ? " a row at a time"
                 : session_text(s, " in %lld pieces", (long long)n);
}

// A batch that grows is taken in no more pieces than it has rows at first.
static int too_little(Session *s, const BigsTrain *t, const TrainPlan *plan, bool told,
                      int64_t least) {
  int64_t most = train_most_rows(t, plan->batch);
  const Again *a = s->handle->again;
  const char *with = session_text(s, "%s%s", bigs_bytes((double)least).text,
                                  a && a->n ? ", with all that can be computed again" : "");
  return most == plan->batch || told
             ? session_error(s, EXIT_MODEL, "--memory %s is less than a step of %s takes%s: %s",
                             s->o->memory, t->name, in_pieces(s, plan, told), with)
             : session_error(
                   s, EXIT_MODEL,
                   "--memory %s is less than a step of %s takes whose batch has grown to %lld "
                   "rows, in the %lld pieces that the first one has rows for: %s",
                   s->o->memory, t->name, (long long)most, (long long)plan->batch, with);
}

static int failed(Session *s) {
  bigs_model *m = s->handle;
  return session_error(s, m->error.status, "--memory %s: %s", s->o->memory, bigs_model_error(m));
}

// takes: what a step does, where it is known.
static void say_parts(const Session *s, int64_t takes) {
  const Again *a = s->handle->again;
  const char *of =
      takes ? arena_printf(s->arena, "memory: %s of %s: ", bigs_bytes((double)takes).text,
                           s->o->memory)
            : "";
  if (a && (a->n || s->o->recompute) && !s->o->quiet)
    fprintf(stderr, "%s%s\n", of, recompute_text(s->arena, a));
}

// The fewest parts with which a step in plan->pieces pieces does; n >= 0: those.
static int fewest_parts(Session *s, const BigsTrain *t, const Ranks *ranks, const TrainPlan *plan,
                        bool told, const int64_t *dims, int n) {
  StepSize size = {train_most_rows(t, plan->batch), plan->pieces, ranks->place.ranks};
  bigs_model *m = s->handle;
  Needs later;
  int64_t takes;
  if (optim_needs(m, plan->train, &plan->recipe, &later))
    return failed(s);
  int fits = exec_parts(m, t->program, dims, size, later.bytes, n, &takes);
  if (fits < 0)
    return failed(s);
  if (!fits)
    return too_little(s, t, plan, told, takes);
  say_parts(s, takes);
  return 0;
}

// 0 of them: none is few enough.
static int fewest_pieces(Session *s, const BigsTrain *t, const Ranks *ranks, TrainPlan *plan,
                         const int64_t *dims) {
  bool one_size = exec_batch_dim(s->module, &s->module->program[t->program]) < 0;
  int64_t n = one_size ? plan->pieces : pieces_for(s, t, ranks, plan, dims);
  if (n < 0)
    return failed(s);
  plan->pieces = n ? n : plan->batch % ranks->place.ranks == 0 ? plan->batch : ranks->place.ranks;
  return 0;
}

// The pieces are the run's: one that goes on, or is told, keeps to them.  What is computed again is not: it changes no bit.
int train_keep_to_memory(Session *s, const BigsTrain *t, bool told, const Ranks *ranks,
                         TrainPlan *plan) {
  int64_t dims[MAX_SYMS];
  int n, status = recompute_option(s, &n);
  if (!status && s->o->memory)
    status = memory_of(s, &s->handle->memory_limit);
  const char *unknown = status ? NULL : step_dims(s, t, plan, dims);
  if (!status && n >= 0)
    status = recompute_set(s, t->program, dims, n);
  if (!status && (!s->o->memory || (told && unknown)))
    say_parts(s, 0);
  if (status || !s->o->memory || (told && unknown))
    return status;
  if (unknown)
    return session_error(s, EXIT_USAGE, "%s", unknown);
  status = told ? 0 : fewest_pieces(s, t, ranks, plan, dims);
  return status ? status : fewest_parts(s, t, ranks, plan, told, dims, n);
}

static int no_room(Session *s, const TrainPlan *plan, int64_t most, int64_t pieces) {
  if (!pieces)
    return session_error(s, EXIT_MODEL,
                         "the batch grows to %lld rows, for which there is no memory, even in the "
                         "%lld pieces that the first one has rows for",
                         (long long)most, (long long)plan->batch);
  return session_error(s, EXIT_MODEL,
                       "the batch grows to %lld rows, for which there is no memory: "
                       "--pieces %lld takes it in pieces of %lld",
                       (long long)most, (long long)pieces, (long long)(most / pieces));
}

int train_check_growth(Session *s, const BigsTrain *t, const Ranks *ranks, const TrainPlan *plan) {
  int64_t dims[MAX_SYMS], most = train_most_rows(t, plan->batch);
  if (most == plan->batch)
    return 0;
  if (fixed_batch(s->module))
    return session_error(
        s, EXIT_MODEL,
        "the batch grows from %lld to %lld, but the model is compiled for one: leave "
        "the dim of the batch free",
        (long long)plan->batch, (long long)most);
  if (!feeding_of_tokens(t)) // how large their rows are is not known yet
    return 0;
  const char *unknown = step_dims(s, t, plan, dims);
  if (unknown)
    return session_error(s, EXIT_USAGE, "%s", unknown);
  int64_t n = pieces_for(s, t, ranks, plan, dims);
  return n && n <= plan->pieces ? 0 : no_room(s, plan, most, n);
}
