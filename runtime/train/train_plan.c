// What a run is going to be: the block's recipe, what was saved, and what `--set` and other options change.
#include "runtime/train/train_internal.h"
#include "runtime/train/decimal.h"
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TrainChanges train_no_changes(void) {
  return (TrainChanges){NAN, NAN, NAN, -1, -1, -1, -1};
}

static int bad_value(BigsError *e, const char *assignment, const char *want) {
  return bigs_fail(e, BIGS_EUSAGE, "--set %s: %s", assignment, want);
}

typedef struct Settable {
  const char *name;
  double *number; // one of the two
  int64_t *whole;
  bool positive;
} Settable;

// What is wrong with the value; NULL: nothing.
static const char *set_fault(const Settable *s, double x) {
  if (!isfinite(x) || x < 0)
    return "must be a number, 0 or more";
  if (s->whole && (x != floor(x) || x < 1 || x > 1e15))
    return "must be a whole number, at least 1";
  if (s->positive && x == 0)
    return "must be more than 0; a very large one clips nothing";
  if (s->number && x != 0 && !(x >= FLT_MIN && x <= FLT_MAX))
    return "must be a number that f32 holds: 1.18e-38 to 3.4e38";
  return NULL;
}

static int set_value(const Settable *s, const char *assignment, BigsError *e) {
  size_t n = strlen(s->name);
  const char *value = assignment + n + (assignment[n] == '=');
  double x = NAN;
  decimal_read(value, strlen(value), &x);
  const char *fault = set_fault(s, x);
  if (fault)
    return bad_value(e, assignment, fault);
  if (s->whole)
    *s->whole = (int64_t)x;
  else
    *s->number = x;
  return 0;
}

int train_change(TrainChanges *c, const char *assignment, BigsError *e) {
  const Settable known[] = {{.name = "rate", .number = &c->rate},
                            {.name = "decay", .number = &c->decay},
                            {.name = "clip", .number = &c->clip, .positive = true},
                            {.name = "steps", .whole = &c->steps},
                            {.name = "batch", .whole = &c->batch},
                            {.name = "length", .whole = &c->length},
                            {.name = "pieces", .whole = &c->pieces}};
  size_t n = strcspn(assignment, "=");
  for (int i = 0; i < COUNT(known); i++)
    if (strlen(known[i].name) == n && !memcmp(known[i].name, assignment, n))
      return set_value(&known[i], assignment, e);
  return bad_value(e, assignment,
                   "only rate, decay, clip, steps, batch, length and pieces can be set; the rest "
                   "is compiled in");
}

// The divisors of the batch on either side of what was asked for.
static int refuse_pieces(const BigsTrain *t, const TrainPlan *p, BigsError *e) {
  int64_t below = p->pieces < p->batch ? p->pieces : p->batch, above = p->pieces;
  char more[64] = "";
  while (p->batch % below)
    below--;
  while (above < p->batch && p->batch % above)
    above++;
  if (above < p->batch)
    snprintf(more, sizeof more, " or --pieces %" PRId64, above);
  return bigs_fail(e, BIGS_EUSAGE,
                   "%s: a batch of %" PRId64 " rows cannot be taken in %" PRId64
                   " equal pieces: --pieces %" PRId64 "%s would divide it",
                   t->name, p->batch, p->pieces, below, more);
}

// What the folder says that is resumed.
static int saved_plan(const char *dir, int train, TrainPlan *out, BigsError *e) {
  TrainState s = {0};
  int err = state_read(dir, &s, NULL, 0, e);
  if (err)
    return err;
  *out = (TrainPlan){.train = train,
                     .recipe = s.recipe,
                     .batch = s.batch,
                     .length = s.length,
                     .pieces = s.pieces,
                     .eval_every = s.eval_every,
                     .seed = s.seed};
  state_free(&s);
  return 0;
}

static void change_plan(const TrainChanges *c, TrainPlan *out) {
  if (!isnan(c->rate))
    out->recipe.rate = c->rate;
  if (!isnan(c->decay))
    out->recipe.decay = c->decay;
  if (!isnan(c->clip))
    out->recipe.clip = c->clip;
  if (c->steps > 0)
    out->recipe.steps = c->steps;
  if (c->batch > 0 && c->batch != out->batch)
    out->pieces = 1;
  if (c->batch > 0)
    out->batch = c->batch;
  if (c->pieces > 0)
    out->pieces = c->pieces;
  out->pieces = at_least_one(out->pieces);
  if (c->length > 0)
    out->length = c->length;
}

int train_plan(const BigsModule *module, int train, const TrainChanges *c, uint64_t seed,
               const char *dir, TrainPlan *out, BigsError *e) {
  const BigsTrain *t = &module->train[train];
  *out = (TrainPlan){
      .train = train, .recipe = recipe_of(t), .batch = t->batch, .pieces = t->pieces, .seed = seed};
  int err = dir ? saved_plan(dir, train, out, e) : 0;
  if (err)
    return err;
  change_plan(c, out);
  if (recipe_check(t, &out->recipe, e))
    return bigs_status(e, BIGS_EMODEL);
  if (out->batch <= 0)
    return bigs_fail(e, BIGS_EMODEL,
                     "%s has no batch size: `batch = 32` in the train block, or --batch 32",
                     t->name);
  return out->batch % out->pieces ? refuse_pieces(t, out, e) : 0;
}
