// The training loop: see train.h.
#include "runtime/train/train.h"
#include "base/clock.h"
#include "runtime/exec/pieces.h"
#include "runtime/exec/team.h"
#include "runtime/files/file.h"
#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t at_least_one(int64_t n) {
  return n < 1 ? 1 : n;
}

// ---- the plan
TrainChanges train_no_changes(void) {
  return (TrainChanges){NAN, NAN, NAN, -1, -1, -1, -1};
}

static int bad_value(BigsError *e, const char *assignment, const char *want) {
  return bigs_fail(e, BIGS_EUSAGE, "--set %s: %s", assignment, want);
}

int train_change(TrainChanges *c, const char *assignment, BigsError *e) {
  const struct {
    const char *name;
    double *number;
    int64_t *whole;
    bool positive;
  } known[] = {{.name = "rate", .number = &c->rate},
               {.name = "decay", .number = &c->decay},
               {.name = "clip", .number = &c->clip, .positive = true},
               {.name = "steps", .whole = &c->steps},
               {.name = "batch", .whole = &c->batch},
               {.name = "length", .whole = &c->length},
               {.name = "pieces", .whole = &c->pieces}};
  size_t n = strcspn(assignment, "=");
  for (int i = 0; i < COUNT(known); i++) {
    if (strlen(known[i].name) != n || memcmp(known[i].name, assignment, n))
      continue;
    char *end = NULL;
    const char *value = assignment + n + (assignment[n] == '=');
    errno = 0;
    double x = strtod(value, &end);
    if (end == value || *end || !isfinite(x) || x < 0)
      return bad_value(e, assignment, "must be a number, 0 or more");
    if (known[i].whole && (x != floor(x) || x < 1 || x > 1e15))
      return bad_value(e, assignment, "must be a whole number, at least 1");
    if (known[i].positive && x == 0)
      return bad_value(e, assignment, "must be more than 0; a very large one clips nothing");
    if (known[i].number && x != 0 && !(x >= FLT_MIN && x <= FLT_MAX))
      return bad_value(e, assignment, "must be a number that f32 holds: 1.18e-38 to 3.4e38");
    if (known[i].whole)
      *known[i].whole = (int64_t)x;
    else
      *known[i].number = x;
    return 0;
  }
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

int train_plan(const BigsModule *module, int train, const TrainChanges *c, uint64_t seed,
               const char *dir, TrainPlan *out, BigsError *e) {
  const BigsTrain *t = &module->train[train];
  TrainState s = {0};
  *out = (TrainPlan){
      .train = train, .recipe = recipe_of(t), .batch = t->batch, .pieces = t->pieces, .seed = seed};
  if (dir) {
    int err = state_read(dir, &s, NULL, 0, e);
    if (err)
      return err;
    *out = (TrainPlan){.train = train,
                       .recipe = s.recipe,
                       .batch = s.batch,
                       .length = s.length,
                       .pieces = s.pieces,
                       .seed = s.seed};
    state_free(&s);
  }
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
  if (recipe_check(t, &out->recipe, e))
    return bigs_status(e, BIGS_EMODEL);
  if (out->batch <= 0)
    return bigs_fail(e, BIGS_EMODEL, "%s sets no batch size: give --batch", t->name);
  return out->batch % out->pieces ? refuse_pieces(t, out, e) : 0;
}

// ---- a run under way
typedef struct TrainRun {
  bigs_model *m;
  const TrainPlan *plan;
  const Feed *feed;
  const TrainOptions *o;
  TrainResult *result;
  TrainRecipe recipe;
  TrainState state;
  RunLog *log;
  JsonText record;
  Progress progress;
  int64_t save_every, eval_every, log_every;
  int64_t saved; // step of the last checkpoint, or -1
  bool can_evaluate;
  int64_t pieces;      // of a step
  FeedArgs args;       // of the batch, or piece, under way
  int64_t step_tokens; // of the pieces so far
  bool cut;            // the step under way is dropped: the run has to stop
  // since this process began, and since the last record
  double begin, before, first_seconds, sum_loss, rate, norm;
  int64_t first_step, tokens, nsum;
} TrainRun;

static void say_event(TrainRun *r, const char *event) {
  record_begin(&r->record);
  record_text(&r->record, "event", event);
  record_int(&r->record, "step", r->m->step);
}

// Of a team the first rank has the log, and all else that is in the folder.
static int put_record(TrainRun *r, BigsError *e) {
  return r->log ? log_write(r->log, &r->record, e) : 0;
}

static void put_dims(TrainRun *r) {
  const BigsModule *module = r->m->module;
  JsonText t = {0};
  record_begin(&t);
  for (int i = 0; i < module->nconst; i++)
    record_number(&t, module->constant[i].name, module->constant[i].value);
  record_end(&t);
  record_raw(&r->record, "dims", t.s ? t.s : "null");
  free(t.s);
}

static int log_start(TrainRun *r) {
  char cpu[128];
  cpu_name(cpu, sizeof cpu);
  say_event(r, r->o->resume ? "resume" : "start");
  record_text(&r->record, "version", r->m->module->version);
  record_text(&r->record, "model", r->m->module->model);
  record_text(&r->record, "train", r->m->module->train[r->plan->train].name);
  record_text(&r->record, "flags", r->o->flags);
  record_int(&r->record, "seed", (int64_t)r->m->seed);
  record_text(&r->record, "cpu", cpu);
  record_text(&r->record, "target", r->m->module->target);
  record_int(&r->record, "threads", r->m->threads);
  if (r->m->team)
    record_int(&r->record, "ranks", r->m->team->ranks);
  record_int(&r->record, "steps", r->recipe.steps);
  record_int(&r->record, "batch", r->plan->batch);
  record_int(&r->record, "pieces", r->pieces);
  record_int(&r->record, "length", r->plan->length);
  record_number(&r->record, "rate", r->recipe.rate);
  put_dims(r);
  return put_record(r, &r->m->error);
}

// Of the steps alone: saving and evaluating apart.
static double speed(const TrainRun *r) {
  double t = r->state.seconds - r->first_seconds;
  return t > 0 ? (double)r->tokens / t : 0;
}

static int log_steps(TrainRun *r) {
  record_begin(&r->record);
  record_int(&r->record, "step", r->m->step);
  record_number(&r->record, "loss", r->sum_loss / (double)r->nsum);
  record_number(&r->record, "rate", r->rate);
  record_number(&r->record, "norm", r->norm);
  record_number(&r->record, "tokens_s", speed(r));
  record_int(&r->record, "tokens", r->state.tokens);
  record_number(&r->record, "seconds", r->state.seconds);
  record_int(&r->record, "memory", process_bytes());
  r->result->loss = r->sum_loss / (double)r->nsum;
  r->sum_loss = 0;
  r->nsum = 0;
  return put_record(r, &r->m->error);
}

static void show(TrainRun *r, double loss, double now, bool force) {
  int64_t done = r->m->step - r->first_step, left = r->recipe.steps - r->m->step;
  ProgressNow v = {.step = r->m->step,
                   .steps = r->recipe.steps,
                   .loss = loss,
                   .rate = r->rate,
                   .tokens_per_second = speed(r),
                   .seconds_left = done > 0 ? (now - r->begin) / (double)done * (double)left : 0};
  bool due = force ||
             (r->progress.terminal ? now >= r->progress.next : r->m->step % r->progress.every == 0);
  if (r->progress.to && due) {
    v.memory = process_bytes();
    progress_show(&r->progress, &v, now, true);
  }
}

static int write_checkpoint(TrainRun *r, const char *dir, const char *event) {
  r->state.recipe = r->recipe;
  r->state.batch = r->plan->batch;
  r->state.pieces = r->pieces;
  r->state.length = r->plan->length;
  if (checkpoint_save(r->m, dir, r->plan->train, &r->state, r->feed)) {
    bigs_error_prefix(&r->m->error, "step %" PRId64 " is not saved", r->m->step);
    return r->m->error.status;
  }
  say_event(r, event);
  return put_record(r, &r->m->error);
}

// Each rank of a team has its own slices of the moments.
static int gather_moments(TrainRun *r) {
  int err = r->m->team ? optim_ready(r->m, r->plan->train) : 0;
  err = team_agree(r->m, err, NULL);
  for (int i = 0; i < 2 && !err; i++)
    err = team_gather(r->m, &r->m->moment[i]);
  return err;
}

static int save(TrainRun *r) {
  if (r->saved == r->m->step)
    return 0;
  int err = gather_moments(r);
  err = err || !team_first(r->m) ? err : write_checkpoint(r, r->o->out, "save");
  err = team_agree(r->m, err, NULL);
  if (!err)
    r->saved = r->m->step;
  return err;
}

// ---- the best of the run
static int write_best(TrainRun *r, const char *dir) {
  bigs_model *m = r->m;
  const TrainOptions *o = r->o;
  if (!folder_has_run(dir) &&
      (folder_make(dir, m->module, o->file, o->nfile, &m->error) ||
       folder_create(dir, m->module, o->labels, o->file, o->nfile, &m->error)))
    return m->error.status;
  return write_checkpoint(r, dir, "best");
}

static int save_best(TrainRun *r) {
  char *dir = file_join(r->o->out, "best", &r->m->error);
  int err = team_agree(r->m, dir ? 0 : r->m->error.status, NULL);
  err = err ? err : gather_moments(r);
  err = err || !team_first(r->m) ? err : write_best(r, dir);
  free(dir);
  return team_agree(r->m, err, NULL);
}

// Is it better than all before?  A metric is the better the greater it is.
static bool note_best(TrainRun *r, const EvalResult *v) {
  int metric = metric_find(r->state.best_by);
  double x = metric < 0 ? v->loss : v->metric[metric], best = r->state.best;
  if (isnan(x) || (r->state.best_step >= 0 && !(metric < 0 ? x < best : x > best)))
    return false;
  r->state.best = x;
  r->state.best_step = r->m->step;
  return true;
}

// After an evaluation: has there been no better one for long enough?
static bool stalled(const TrainRun *r) {
  int64_t best = r->state.best_step > 0 ? r->state.best_step : 0;
  return r->o->patience > 0 && r->eval_every > 0 && r->m->step % r->eval_every == 0 &&
         (r->m->step - best) / r->eval_every >= r->o->patience;
}

static int check_measure_name(bigs_model *m, const char *name) {
  char known[128] = "loss";
  size_t n = strlen(known);
  if (!name || !strcmp(name, known) || metric_find(name) >= 0)
    return 0;
  for (int i = 0; i < METRICS; i++)
    n += (size_t)snprintf(known + n, sizeof known - n, ", %s", metric_names[i]);
  return bigs_fail(&m->error, BIGS_EUSAGE, "the best by `%.40s`: there are %s", name, known);
}

// By what the best is chosen, which a resumed run cannot change.
static int choose_measure(TrainRun *r) {
  const char *by = r->o->best_by ? r->o->best_by : r->o->resume ? r->state.best_by : "loss";
  if (r->o->resume && r->state.best_step >= 0 && strcmp(by, r->state.best_by) != 0)
    return bigs_fail(&r->m->error, BIGS_EUSAGE,
                     "this run chose its best by %s so far, and cannot go on by %s",
                     r->state.best_by, by);
  snprintf(r->state.best_by, sizeof r->state.best_by, "%s", by);
  return 0;
}

// A first look at what is held out: does the metric fit it?
static int check_measure(TrainRun *r) {
  int metric = metric_find(r->state.best_by);
  EvalResult v;
  if (!r->o->best_by)
    return 0;
  if (!r->can_evaluate)
    return bigs_fail(&r->m->error, BIGS_EMODEL,
                     "nothing is held out that the best could be chosen by");
  if (metric < 0)
    return 0;
  int err = evaluate(r->m, r->feed, 1, &v);
  if (!err && (!v.rows || !metric_fits((MetricId)metric, &v.task)))
    err = bigs_fail(&r->m->error, BIGS_EUSAGE, "%s does not fit what is held out: %s",
                    r->state.best_by,
                    !v.rows          ? "it has no rows with a target each"
                    : v.task.numbers ? "its targets are numbers"
                                     : "its targets are classes, and f1 and matthews want two");
  return err;
}

// ---- values that are not finite
static void clear_error(bigs_model *m) {
  m->error.status = 0;
  m->error.text[0] = 0;
  m->team_told = false;
}

// Ends the run: what was `said` of step `step`, and what is saved.  looked: the work was repeated with a look at every op's
// results, and ended with `status`.
static int end_numeric(TrainRun *r, int64_t step, const char *said, bool looked, int status) {
  bigs_model *m = r->m;
  char found[256] = "", last[96];
  if (r->saved >= 0)
    snprintf(last, sizeof last, "the last good checkpoint is of step %" PRId64, r->saved);
  else
    snprintf(last, sizeof last, "there is no checkpoint yet");
  if (looked)
    snprintf(found, sizeof found, "; %.250s",
             status == BIGS_ENUMERIC ? m->error.text : "no single op's result shows why");
  bigs_fail(&m->error, BIGS_ENUMERIC, "step %" PRId64 ": %s%s; %s", step, said, found, last);
  say_event(r, "numeric");
  record_text(&r->record, "error", m->error.text);
  put_record(r, NULL);
  return BIGS_ENUMERIC;
}

// On the way a few batches tell the trend, always the same ones; the last step is judged by all.
enum { EVAL_BATCHES = 16 };

static int spoilt_evaluation(TrainRun *r, int64_t batches, double loss) {
  char said[64];
  snprintf(said, sizeof said, "the held-out loss is %g", bigs_shown(loss));
  clear_error(r->m);
  return end_numeric(r, r->m->step, said, true, evaluate_explain(r->m, r->feed, batches));
}

static void say_held_out(TrainRun *r, const EvalResult *v) {
  char text[256];
  size_t n = (size_t)snprintf(text, sizeof text, "held-out loss %.4f", v->loss);
  if (!v->task.numbers)
    n += (size_t)snprintf(text + n, sizeof text - n, "  perplexity %.2f  accuracy %.1f %%",
                          v->perplexity, 100 * v->accuracy);
  for (int i = 0; i < METRICS && v->rows && n < sizeof text; i++)
    if (i != METRIC_accuracy && metric_fits((MetricId)i, &v->task))
      n += (size_t)snprintf(text + n, sizeof text - n, "  %s %.4f", metric_names[i], v->metric[i]);
  progress_say(&r->progress, "step %" PRId64 "  %s", r->m->step, text);
}

static int held_out(TrainRun *r) {
  EvalResult v;
  int64_t batches = r->m->step == r->recipe.steps || r->o->best_by ? 0 : EVAL_BATCHES * r->pieces;
  if (!r->can_evaluate)
    return 0;
  int err = evaluate(r->m, r->feed, batches, &v);
  if (err || !isfinite(v.loss))
    return err ? err : spoilt_evaluation(r, batches, v.loss);
  r->result->evaluated = true;
  r->result->held_out = v;
  bool better = note_best(r, &v);
  say_held_out(r, &v);
  say_event(r, "held_out");
  record_number(&r->record, "loss", v.loss);
  if (!v.task.numbers) {
    record_number(&r->record, "perplexity", v.perplexity);
    record_number(&r->record, "accuracy", v.accuracy);
  }
  for (int i = 0; i < METRICS && v.rows; i++)
    if (i != METRIC_accuracy && metric_fits((MetricId)i, &v.task))
      record_number(&r->record, metric_names[i], v.metric[i]);
  record_int(&r->record, "count", v.count);
  err = put_record(r, &r->m->error);
  return err || !better || !r->o->best_by ? err : save_best(r);
}

// The same batch again, looking at every op's results.
static int repeat_batch(TrainRun *r, const FeedArgs *args) {
  float loss;
  return model_gradient(r->m, r->plan->train, args->dims, args->input, &loss, true);
}

// What there is to compute a gradient of: a batch, or a piece of it.
static int next_args(TrainRun *r, int64_t number, FeedBatch *batch) {
  bigs_model *m = r->m;
  int program = m->module->train[r->plan->train].program;
  int err = r->feed->train(r->feed->ctx, number, batch, &m->error);
  return err ? err : feed_args(m->module, program, batch, &r->args, &m->error);
}

// This rank's pieces are neighbours.
static StepPieces pieces_of(TrainRun *r) {
  const Team *t = r->m->team;
  int64_t own = r->pieces / (t ? t->ranks : 1);
  return (StepPieces){.n = r->pieces, .first = t ? own * t->rank : 0, .own = own, .ctx = r};
}

// Which piece it was is not known: the first one with a result that is not finite is.
static int repeat_pieces(TrainRun *r) {
  bigs_model *m = r->m;
  StepPieces p = pieces_of(r);
  FeedBatch batch = {0};
  int err = r->feed->again ? r->feed->again(r->feed->ctx, &m->error) : 0;
  for (int64_t i = p.first; i < p.first + p.own && !err; i++) {
    m->piece = i;
    err = next_args(r, m->step * p.n + i, &batch);
    err = err ? err : repeat_batch(r, &r->args);
    if (err)
      bigs_error_prefix(&m->error, "in piece %" PRId64 " of %" PRId64, i + 1, p.n);
  }
  return err;
}

static int explain_numeric(TrainRun *r, const OptReport *report) {
  char said[256];
  int status = 0;
  snprintf(said, sizeof said, "%.250s", r->m->error.text);
  if (!report->spoilt) {
    clear_error(r->m);
    status = r->pieces > 1 && report->piece < 0 ? repeat_pieces(r) : repeat_batch(r, &r->args);
    status = team_agree(r->m, status, NULL);
  }
  return end_numeric(r, r->m->step + 1, said, !report->spoilt, status);
}

static bool stopped(const TrainRun *r) {
  return r->o->stop && *r->o->stop;
}

static int next_piece(void *ctx, int64_t i, PieceArgs *out) {
  TrainRun *r = ctx;
  FeedBatch batch = {0};
  if (stopped(r))
    return bigs_fail(&r->m->error, BIGS_EINTERRUPT, "interrupted");
  int err = next_args(r, r->m->step * r->pieces + i, &batch);
  *out = (PieceArgs){r->args.dims, r->args.input, at_least_one(batch.count)};
  r->step_tokens += batch.tokens;
  return err;
}

static int step_of_pieces(TrainRun *r, float *loss, OptReport *report) {
  StepPieces p = pieces_of(r);
  p.next = next_piece;
  return pieces_step(r->m, r->plan->train, &r->recipe, &p, loss, report);
}

static int step_at_once(TrainRun *r, float *loss, OptReport *report) {
  FeedBatch batch = {0};
  int err = team_agree(r->m, next_args(r, r->m->step, &batch), NULL);
  r->step_tokens = batch.tokens;
  return err ? err
             : model_step(r->m, r->plan->train, &r->recipe, r->args.dims, r->args.input,
                          at_least_one(batch.count), loss, report);
}

// Some pieces of the step are done, and lost: the run goes on from the step's beginning.
static int drop_step(TrainRun *r) {
  clear_error(r->m);
  r->cut = true;
  int err = r->feed->again ? r->feed->again(r->feed->ctx, &r->m->error) : 0;
  return team_agree(r->m, err, NULL);
}

static int take_step(TrainRun *r, float *loss, OptReport *report) {
  r->step_tokens = 0;
  int err = r->pieces > 1 ? step_of_pieces(r, loss, report) : step_at_once(r, loss, report);
  if (err == BIGS_EINTERRUPT && r->pieces > 1)
    return drop_step(r);
  if (err == BIGS_ENUMERIC)
    return explain_numeric(r, report);
  double tokens = (double)r->step_tokens;
  err = err ? err : team_together(r->m, 0, &tokens, 1);
  r->step_tokens = (int64_t)tokens;
  return err;
}

static int one_step(TrainRun *r) {
  bigs_model *m = r->m;
  OptReport report = {.piece = -1};
  float loss;
  int err = take_step(r, &loss, &report);
  if (err || r->cut)
    return err;
  double now = clock_seconds();
  r->state.seconds += now - r->before;
  r->before = now;
  r->state.tokens += r->step_tokens;
  r->tokens += r->step_tokens;
  r->sum_loss += loss;
  r->nsum++;
  r->rate = report.rate;
  r->norm = report.norm;
  show(r, loss, now, false);
  bool last = m->step == r->recipe.steps;
  return m->step % r->log_every == 0 || last ? log_steps(r) : 0;
}

static int steps_and_saves(TrainRun *r) {
  int err = one_step(r);
  if (err || r->cut)
    return err;
  if (r->eval_every > 0 && (r->m->step % r->eval_every == 0 || r->m->step == r->recipe.steps))
    err = held_out(r);
  if (!err && r->m->step % r->save_every == 0)
    err = save(r);
  r->before = clock_seconds();
  return err;
}

static int stop_early(TrainRun *r) {
  r->result->early = true;
  say_event(r, "early");
  record_int(&r->record, "best_step", r->state.best_step);
  return put_record(r, &r->m->error);
}

// A team stops when one of its ranks is to.
static int loop(TrainRun *r) {
  bool stop = stopped(r);
  int err = team_agree(r->m, 0, &stop);
  while (r->m->step < r->recipe.steps && !stop && !err && !stalled(r)) {
    err = steps_and_saves(r);
    stop = stopped(r) || r->cut;
    err = team_agree(r->m, err, &stop);
  }
  if (err)
    return err;
  err = save(r);
  if (err || r->m->step >= r->recipe.steps)
    return err;
  if (!stop)
    return stop_early(r);
  say_event(r, "interrupted");
  put_record(r, NULL);
  return bigs_fail(&r->m->error, BIGS_EINTERRUPT, "interrupted; step %" PRId64 " is saved",
                   r->m->step);
}

static int choose_lengths(TrainRun *r) {
  const BigsTrain *t = &r->m->module->train[r->plan->train];
  r->recipe = r->plan->recipe;
  if (!r->recipe.steps && t->epochs > 0 && r->feed->epoch_steps > 0)
    r->recipe.steps = at_least_one((int64_t)(t->epochs * (double)r->feed->epoch_steps + 0.5));
  if (!r->recipe.steps)
    return bigs_fail(&r->m->error, BIGS_EUSAGE, "%s does not say how long to train: give --steps",
                     t->name);
  int64_t tenth = at_least_one(r->recipe.steps / 10);
  r->save_every = r->o->save_every > 0 ? r->o->save_every : tenth < 1000 ? tenth : 1000;
  r->eval_every = r->o->eval_every ? r->o->eval_every : r->save_every;
  r->log_every = r->o->log_every > 0 ? r->o->log_every : 10;
  r->progress = r->o->progress;
  if (r->progress.every <= 0)
    r->progress.every = at_least_one(r->recipe.steps / 30);
  return 0;
}

static int find_out_about_evaluation(TrainRun *r) {
  FeedBatch batch = {0};
  if (!r->feed->held_out || r->eval_every < 0)
    return 0;
  int err = r->feed->held_out(r->feed->ctx, 0, &batch, &r->m->error);
  r->can_evaluate = !err && batch.nfield && evaluate_possible(r->m->module, &batch);
  return r->can_evaluate ? evaluate_reserve(r->m, &batch) : err;
}

static int check_start(bigs_model *m) {
  int err = exec_check_state(m);
  if (err)
    bigs_error_prefix(&m->error, "nothing can be trained from this");
  return err;
}

// ---- the start
// What an earlier run left would be taken for this one's.
static int best_is_there(TrainRun *r) {
  char *dir = file_join(r->o->out, "best", &r->m->error);
  if (!dir)
    return r->m->error.status;
  int err = !folder_has_run(dir) ? 0
                                 : bigs_fail(&r->m->error, BIGS_EUSAGE,
                                             "%s holds the best of another run: choose another "
                                             "folder",
                                             dir);
  free(dir);
  return err;
}

// The log first: its lock keeps others out of the folder.
static int begin_folder(TrainRun *r) {
  bigs_model *m = r->m;
  const char *dir = r->o->out;
  if (!r->o->resume && r->o->best_by && best_is_there(r))
    return m->error.status;
  if (!r->o->resume && folder_make(dir, m->module, r->o->file, r->o->nfile, &m->error))
    return m->error.status;
  if ((!r->o->resume || folder_has_run(dir)) && !(r->log = log_open(dir, &m->error)))
    return m->error.status;
  if (r->o->resume)
    return 0;
  return folder_create(dir, m->module, r->o->labels, r->o->file, r->o->nfile, &m->error) ||
                 log_clear(r->log, &m->error)
             ? m->error.status
             : 0;
}

static int load_checkpoint(TrainRun *r) {
  bigs_model *m = r->m;
  const char *dir = r->o->out;
  int train = r->plan->train;
  int err = team_first(m) ? checkpoint_load(m, dir, train, &r->state)
                          : checkpoint_join(m, dir, train, &r->state);
  err = err || !team_first(m) ? err : check_start(m);
  err = err || !r->log ? err : log_cut(r->log, m->step, &m->error);
  return err || !r->feed->seek ? err
                               : r->feed->seek(r->feed->ctx, r->state.cursor, m->step, &m->error);
}

static void begin_from_nothing(TrainRun *r) {
  r->m->step = 0;
  r->m->moment_train = -1; // moments start from zero
  r->m->seed = r->plan->seed;
}

// All ranks have what the first one has.
static int share_state(bigs_model *m, bool moments) {
  int err = region_own(m, &m->param, "parameters");
  err = err ? err : team_share(m, &m->param);
  for (int i = 0; i < 2 && !err && moments; i++)
    err = team_share(m, &m->moment[i]);
  m->weights_version++;
  return err;
}

// The first rank opens the folder before others look into it.
static int begin(TrainRun *r) {
  bigs_model *m = r->m;
  int err = choose_lengths(r);
  err = err || r->o->resume ? err : check_start(m);
  err = err || !team_first(m) ? err : begin_folder(r);
  err = team_agree(m, err, NULL);
  if (!err && r->o->resume) {
    err = team_agree(m, load_checkpoint(r), NULL);
    r->saved = m->step;
  } else if (!err)
    begin_from_nothing(r);
  return err || !m->team ? err : share_state(m, r->o->resume);
}

static int start(TrainRun *r) {
  bigs_model *m = r->m;
  r->saved = -1;
  r->state.best_step = -1;
  int err = check_measure_name(m, r->o->best_by);
  err = err ? err : begin(r);
  err = err ? err : choose_measure(r);
  err = err ? err : log_start(r);
  err = err ? err : find_out_about_evaluation(r);
  err = err ? err : check_measure(r);
  err = team_agree(m, err, NULL);
  if (err)
    return err;
  r->first_step = r->result->first_step = m->step;
  r->first_seconds = r->state.seconds;
  r->begin = r->before = clock_seconds();
  return 0;
}

int train_run(bigs_model *m, const TrainPlan *plan, const Feed *feed, const TrainOptions *o,
              TrainResult *result) {
  TrainResult unused;
  TrainRun r = {.m = m,
                .plan = plan,
                .feed = feed,
                .o = o,
                .result = result ? result : &unused,
                .pieces = at_least_one(plan->pieces)};
  *r.result = (TrainResult){0};
  clear_error(m);
  m->asked_step = (StepSize){plan->batch, r.pieces, o->team ? o->team->ranks : 1};
  int err = o->team ? team_join(m, o->team) : 0;
  err = err ? err : start(&r);
  err = err ? err : loop(&r);
  double now = clock_seconds();
  r.result->step = m->step;
  r.result->best = r.state.best;
  r.result->best_step = r.state.best_step;
  r.result->seconds = r.begin > 0 ? now - r.begin : 0;
  r.result->tokens_per_second = r.begin > 0 ? speed(&r) : 0;
  progress_end(&r.progress);
  if (r.log && !err) {
    say_event(&r, "end");
    err = log_write(r.log, &r.record, &m->error);
  }
  log_close(r.log);
  team_leave(m);
  m->asked_step = (StepSize){0};
  m->pieces = m->piece = 0;
  free(r.record.s);
  state_free(&r.state);
  return err;
}
