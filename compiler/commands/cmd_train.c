// bigsc train: a recipe of the model, on text, into a folder.
#include "compiler/commands/cmd.h"
#include "compiler/commands/feeding.h"
#include "compiler/commands/ranks.h"
#include "compiler/commands/train_memory.h"
#include "compiler/commands/train_tokenizer.h"
#include "runtime/exec/pool.h"
#include "runtime/files/file.h"
#include "runtime/train/mix.h"
#include "runtime/train/train.h"
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_interrupt(int signal_number) {
  (void)signal_number;
  stop = 1;
}

// A second Ctrl-C ends the process at once: the saved state is whole at any moment.  A terminal that
// closes may tell so twice, by the kernel and by the shell, and is not in a hurry.
static const struct {
  int number, flags;
} saves[] = {{SIGINT, (int)SA_RESETHAND}, {SIGTERM, (int)SA_RESETHAND}, {SIGHUP, 0}, {SIGXCPU, 0}};

static void catch_interrupts(void) {
  for (int i = 0; i < COUNT(saves); i++) {
    struct sigaction sa = {.sa_handler = on_interrupt, .sa_flags = saves[i].flags}, was;
    sigaction(saves[i].number, NULL, &was);
    if (saves[i].number != SIGHUP || was.sa_handler != SIG_IGN) // nohup
      sigaction(saves[i].number, &sa, NULL);
  }
  // Nobody reads the progress any more: no reason to lose what was trained.
  signal(SIGPIPE, SIG_IGN);
}

static int changes_of(Session *s, TrainChanges *c) {
  const Options *o = s->o;
  *c = train_no_changes();
  for (int i = 0; i < o->sets.n; i++)
    if (train_change(c, session_text(s, "%s=%s", o->sets.v[i].name, o->sets.v[i].value), &s->error))
      return session_fail(s, &s->error);
  if (o->steps >= 0)
    c->steps = o->steps;
  if (o->batch >= 0)
    c->batch = o->batch;
  if (o->length >= 0)
    c->length = o->length;
  if (o->pieces >= 0)
    c->pieces = o->pieces;
  return 0;
}

// What the train block names, beside the model's file, where no option does.
static void block_defaults(Session *s, Options *o, const BigsTrain *t) {
  for (int i = 0, given = o->data.n; !given && t->path && *t->path && i <= t->nmore; i++)
    vec_push(s->arena, &o->data, i ? t->more[i - 1] : t->path);
  if (!o->weights && t->from && *t->from)
    s->weights = o->weights = t->from;
}

// What was judged: the average of the parameters, where there is one.
static const char *best_folder(Session *s, const TrainOptions *to) {
  const char *ema = session_text(s, "%s/best/ema", to->out);
  return folder_has_run(ema) ? ema : session_text(s, "%s/best", to->out);
}

static void print_best(Session *s, const TrainResult *r, const TrainOptions *to) {
  if (r->early)
    printf("ended early: of the last %lld evaluations none was better\n", (long long)to->patience);
  if (to->best_by && r->best_step >= 0)
    printf("best by %s at step %lld, %.4f: %s\n", to->best_by, (long long)r->best_step, r->best,
           best_folder(s, to));
}

static void print_result(Session *s, const TrainResult *r, const Feeding *f,
                         const TrainOptions *to) {
  if (r->first_step == r->step && r->early) {
    print_best(s, r, to);
    return;
  }
  if (r->first_step == r->step) {
    printf("step %lld: nothing is left to train; --steps N goes on to step N\n",
           (long long)r->step);
    return;
  }
  printf("step %lld: training loss %s, %.0f %s/s\n", (long long)r->step,
         bigs_number(r->loss, 4).text, r->tokens_per_second, f->tokens ? "tokens" : "rows");
  if (!r->evaluated)
    return;
  printf("held-out ");
  feeding_print_result(f, &r->held_out);
  print_best(s, r, to);
}

// The draws go on from the seed that the run began with, and the parameters from where they are.
static void note_unused(Session *s, const Options *given, const TrainPlan *plan) {
  if (s->o->resume && given->weights)
    fprintf(stderr,
            "bigsc: warning: --weights %s is not used: %s goes on with its own parameters\n",
            given->weights, s->o->out);
  if (s->o->resume && s->o->seed_given && (uint64_t)s->o->seed != plan->seed)
    fprintf(
        stderr,
        "bigsc: warning: --seed %lld is not used: %s goes on with seed %llu, which it began with\n",
        (long long)s->o->seed, s->o->out, (unsigned long long)plan->seed);
}

static int check_shares(Session *s, const Ranks *r, int64_t batch, int64_t pieces) {
  if (r->by_mpi && pieces == 1)
    return session_error(s, EXIT_USAGE,
                         "%s has started %d ranks, which share the pieces of a step: give --pieces "
                         "%d, or more (equally many pieces give the same bits, whatever the ranks)",
                         r->place.by, r->place.ranks, r->place.ranks);
  if ((r->by_mpi || pieces > 1) && pieces % r->place.ranks)
    return session_error(s, EXIT_USAGE,
                         "%lld pieces cannot be shared by %d ranks: each has equally many",
                         (long long)pieces, r->place.ranks);
  return batch >= r->place.ranks
             ? 0
             : session_error(
                   s, EXIT_USAGE,
                   "a batch of %lld cannot be shared by %d ranks: give --batch %d, or more",
                   (long long)batch, r->place.ranks, r->place.ranks);
}

// "32 to 256", where it grows.
static const char *batch_text(Session *s, const TrainPlan *plan) {
  int64_t most = train_most_rows(&s->module->train[plan->train], plan->batch);
  return session_text(s, most > plan->batch ? "%lld to %lld" : "%lld", (long long)plan->batch,
                      (long long)most);
}

static void say_rows(Session *s, const Feeding *f, const TrainPlan *plan) {
  int64_t held = f->dev ? data_rows(f->dev, DATA_TRAIN) : data_rows(f->data, DATA_HELD_OUT);
  int64_t rows = data_rows(f->data, DATA_TRAIN) + (f->dev ? 0 : held);
  const char *tokens =
      session_text(s, "%lld tokens of text in %lld rows of %lld", (long long)data_tokens(f->data),
                   (long long)rows, (long long)f->length);
  if (!s->o->quiet)
    fprintf(stderr, "%s, %lld %s; batch %s%s, %s\n",
            f->tokens ? tokens : session_text(s, "%lld rows", (long long)rows), (long long)held,
            f->dev ? "of --dev" : "held out", batch_text(s, plan),
            plan->pieces > 1 ? session_text(s, " in %lld pieces", (long long)plan->pieces) : "",
            s->device ? "on the GPU" : session_text(s, "%d threads", s->handle->threads));
}

// What the best is chosen by, if one is kept: as the options ask, or as a resumed run did before.
static const char *best_by(Session *s) {
  const Options *o = s->o;
  TrainState st;
  BigsError none = {0};
  const char *by = o->best ? o->best : o->dev.n || o->patience > 0 ? "loss" : NULL;
  if (!o->resume || o->best || state_read(o->out, &st, NULL, 0, &none))
    return by;
  if (by || folder_has_run(session_text(s, "%s/best", o->out)))
    by = arena_strdup(s->arena, st.best_step >= 0 ? st.best_by : "loss");
  state_free(&st);
  return by;
}

// A run's files would be read as data by the next one.
static int refuse_out_in(Session *s, const char *const *path, int n, const char *option) {
  for (int i = 0; i < n; i++) {
    int used = (int)strlen(path[i]);
    mix_weight(path[i], &used);
    const char *dir = arena_strndup(s->arena, path[i], (size_t)used);
    if (file_is_folder(dir) && file_lies_in(s->o->out, dir))
      return session_error(s, EXIT_USAGE,
                           "--out %s lies in the folder %s of %s, whose files are all read: choose "
                           "another folder for the run",
                           s->o->out, dir, option);
  }
  return 0;
}

static int refuse_out(Session *s) {
  const Options *o = s->o;
  int status = o->resume ? 0 : refuse_out_in(s, o->data.v, o->data.n, "--data");
  return status || o->resume ? status : refuse_out_in(s, o->dev.v, o->dev.n, "--dev");
}

// What the run does, and its pieces.
static int make_plan(Session *s, const Options *given, int index, const Ranks *ranks,
                     TrainPlan *plan) {
  const Options *o = s->o;
  const BigsTrain *t = &s->module->train[index];
  TrainChanges changes;
  int status = changes_of(s, &changes);
  if (!status && !o->data.n)
    status = session_error(s, EXIT_USAGE, "what data? --data PATH...");
  status = status ? status : refuse_out(s);
  if (status)
    return status;
  if (train_plan(s->module, index, &changes, (uint64_t)o->seed, o->resume ? o->out : NULL, plan,
                 &s->error))
    return session_fail(s, &s->error);
  note_unused(s, given, plan);
  status = train_keep_to_memory(s, t, o->resume || changes.pieces > 0, ranks, plan);
  return status ? status : train_check_growth(s, t, ranks, plan);
}

static TrainOptions train_options(Session *s, const BigsTrain *t) {
  const Options *o = s->o;
  return (TrainOptions){.out = o->out,
                        .resume = o->resume,
                        .flags = o->line,
                        .stop = &stop,
                        .best_by = best_by(s),
                        .patience = o->patience > 0 ? o->patience : 0,
                        .eval_every = o->eval_every > 0 ? o->eval_every : 0,
                        .log_every = o->log_every > 0 ? o->log_every : 0,
                        .progress = {.to = o->quiet ? NULL : stderr,
                                     .terminal = isatty(2),
                                     .unit = feeding_of_tokens(t) ? "tokens" : "rows"}};
}

static int open_data(Session *s, const BigsTrain *t, const TrainPlan *plan, const Ranks *ranks,
                     Feeding *f, TrainOptions *to) {
  const Options *o = s->o;
  int status = feeding_of_tokens(t) ? train_tokenizer(s, f, to) : 0;
  status = status ? status : feeding_labels(s, f, o->resume ? o->out : s->weights, o->resume);
  status = status ? status : check_shares(s, ranks, plan->batch, plan->pieces);
  if (!status)
    status = feeding_open(s, f, t, o->data.v, o->data.n, (FeedingRows){plan->batch, plan->pieces},
                          plan->length, plan->seed, !o->dev.n);
  if (!status && o->dev.n)
    status = feeding_open_dev(s, f, t, o->dev.v, o->dev.n, plan->batch / plan->pieces);
  if (status)
    return status;
  to->labels = data_labels(f->data);
  f->from.rank = ranks->place.rank;
  f->from.ranks = ranks->place.ranks;
  return 0;
}

// Who says little is told more.
static void say_next(const Session *s, const Options *given, const BigsTrain *t) {
  const char *out = s->o->out;
  if (s->o->quiet || given->out || stop)
    return;
  printf("next: bigsc eval %s --data %s; bigsc plot %s", out, s->o->data.v[0], out);
  if (t->source && !strcmp(t->source, "mlm_text"))
    printf("; bigsc fill %s \"a text with a [MASK]\"", out);
  printf("\n");
}

// Rows that are held out and stand in no whole batch, where the model has no other.
static void note_left(const Session *s, const Feeding *f) {
  int64_t batch = f->from.batch, rows = data_rows(f->data, DATA_HELD_OUT);
  if (s->o->quiet || f->dev || !f->from.whole || rows % batch == 0)
    return;
  fprintf(stderr,
          "bigsc: note: of %lld rows held out %lld are not evaluated: the model is compiled for "
          "batches of %lld rows\n",
          (long long)rows, (long long)(rows % batch), (long long)batch);
}

// A rate that is still on its way up when the run ends trains little, whatever it is set to.
static void warn_warmup(const Session *s, const BigsTrain *t, const TrainPlan *plan) {
  int64_t steps = plan->recipe.steps, warm = schedule_warm(t->piece, t->npiece, steps);
  if (s->o->quiet || steps < 1 || warm < steps + (steps == 1))
    return;
  fprintf(stderr,
          "bigsc: warning: the rate warms up for %lld steps, and the run has %lld: it ends at %g "
          "of %g; --steps N, or a share, `warmup(10%%)`, in the train block\n",
          (long long)warm, (long long)steps,
          plan->recipe.rate * schedule_factor(t->piece, t->npiece, steps - 1, steps),
          plan->recipe.rate);
}

static int train(Session *s, const Options *given, int index, Ranks *ranks, Feeding *f) {
  const BigsTrain *t = &s->module->train[index];
  TrainPlan plan;
  TrainResult result = {0};
  int status = make_plan(s, given, index, ranks, &plan);
  if (status)
    return status;
  TrainOptions to = train_options(s, t);
  if ((status = open_data(s, t, &plan, ranks, f, &to)))
    return status;
  say_rows(s, f, &plan);
  note_left(s, f);
  warn_warmup(s, t, &plan);
  if ((status = ranks_meet(s, ranks, &plan, f, &to.team)))
    return status;
  catch_interrupts();
  status = train_run(s->handle, &plan, &f->feed, &to, &result);
  if (status)
    session_error(s, status, "%s", bigs_model_error(s->handle));
  else if (!s->o->quiet)
    print_result(s, &result, f, &to);
  if (!status)
    say_next(s, given, t);
  return status;
}

// A resumed run is of the folder's own model and train block, with the dims of its config.json.
// The first rank finishes what an interrupted save left.
static int resume_options(Options *o, const Ranks *r, Arena *a) {
  BigsError e = {0};
  TrainState state;
  char train[256];
  const char *mdl = arena_printf(a, "%s/model.mdl", o->out);
  if (!o->resume)
    return 0;
  if ((r->place.rank == 0 && checkpoint_repair(o->out, &e)) ||
      state_read(o->out, &state, train, sizeof train, &e)) {
    fprintf(stderr, "bigsc: no run to resume: %s\n", e.text);
    return EXIT_FILE;
  }
  state_free(&state);
  if (!o->train)
    o->train = arena_strdup(a, train);
  o->weights = o->out;
  if (!o->args.n)
    vec_push(a, &o->args, mdl);
  return 0;
}

static int usage_of_train(void) {
  fprintf(stderr, "bigsc train: give one MODEL, or --resume; see `bigsc train --help`\n");
  return EXIT_USAGE;
}

// A run stands in --out, whether it is begun or gone on with.
static int refuse_runs(const Options *o) {
  for (int i = 0; i < o->args.n; i++)
    if (folder_has_run(o->args.v[i])) {
      fprintf(stderr, "bigsc train: %s is a run: `bigsc train --resume --out %s` goes on with it\n",
              o->args.v[i], o->args.v[i]);
      return EXIT_USAGE;
    }
  return 0;
}

// Which GPU a rank has, or how many threads; and the first one alone says how it goes.
static void rank_options(Options *o, const Ranks *r) {
  o->gpu = r->place.local;
  if (!o->threads && r->by_mpi)
    o->threads = pool_shared_threads(r->place.locals);
  o->quiet = o->quiet || r->place.rank > 0;
}

// Of a resumed run the other ranks get the parameters from the first one.
static void forget_weights(Session *s, const Ranks *r) {
  if (s->o->resume && r->place.rank > 0)
    s->weights = NULL;
}

static int train_model(const Options *given, Options *o, Ranks *ranks) {
  Session s;
  Feeding f = {0};
  BuildWant want = {.nentries = -1,
                    .trains = o->train ? &o->train : NULL,
                    .ntrains = o->train ? 1 : -1,
                    .dropout = true,
                    .update = true,
                    .pieces = true,
                    .init = true};
  int status = session_load(&s, o, o->args.v[0], true);
  status = status ? status : session_compile(&s, &want);
  int index = status ? -1 : session_train(&s, o->train);
  if (!status && index < 0)
    status = o->train ? EXIT_MODEL : EXIT_USAGE;
  if (!status)
    block_defaults(&s, o, &s.module->train[index]);
  forget_weights(&s, ranks);
  status = status ? status : session_open(&s);
  status = status ? status : train(&s, given, index, ranks, &f);
  feeding_close(&f);
  ranks_close(ranks);
  session_close(&s);
  return status;
}

int cmd_TRAIN(const Options *given) {
  Arena *a = arena_new();
  Options o = *given;
  Ranks ranks;
  int status = ranks_find(a, given, &ranks);
  rank_options(&o, &ranks);
  if (!o.out)
    o.out = "run";
  status = status ? status : refuse_runs(given);
  status = status ? status : resume_options(&o, &ranks, a);
  if (!status && o.args.n != 1)
    status = usage_of_train();
  status = status ? status : train_model(given, &o, &ranks);
  ranks_close(&ranks);
  arena_free(a);
  return status;
}
