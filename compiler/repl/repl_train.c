// :train and :data: steps of a train block, or of any loss, on the parameters of the prompt.
#include "base/clock.h"
#include "base/error.h"
#include "compiler/commands/drawing.h"
#include "compiler/commands/train_tokenizer.h"
#include "compiler/draw/spark.h"
#include "compiler/repl/repl.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SPARK_COLUMNS = 40, MOST_STEPS = 100000000, LOSS_BATCHES = 8, LOSS_ROWS = 8 };
static const double SHOWN_EVERY = 0.1; // seconds

// What is being trained: compiled, with the optimizer's state, as long as nothing that it is made of changes.
struct ReplTrainer {
  Ready e;
  Session s;
  Options own;
  Feeding feeding;
  TrainPlan plan;
  bool fed;                 // by files; else by values of the prompt
  const char *of;           // what was asked for
  uint64_t changes, stamps; // of the prompt when it was made
  int64_t done;
};

void repl_train_end(Repl *r) {
  if (!r->trainer)
    return;
  feeding_close(&r->trainer->feeding);
  ready_free(&r->trainer->e);
  r->trainer = NULL;
}

static bool is_current(const Repl *r, const char *of) {
  const ReplTrainer *t = r->trainer;
  if (!t || t->changes != r->changes || strcmp(t->of, of) != 0)
    return false;
  for (int i = 0; i < t->e.used.n; i++) {
    const Item *it = t->e.used.v[i];
    if (repl_item(r, it->name) != it || (it->stamp > t->stamps && !ready_is_fed(&t->e, it)))
      return false;
  }
  return true;
}

// ---- what is asked for

static const char own_block[] =
    "train prompt {\n  loss = 0\n  optimizer = adamw(beta: (0.9, 0.999), eps: 1e-8)\n"
    "  rate = 1e-3\n  batch = 1\n}\n";

// A block of this loss.
static const Decl *block_of(Repl *r, Expr *loss) {
  Diags d = {.arena = r->arena};
  File *f = parse_file(r->arena, r->names, &d,
                       source_new(r->arena, "<train>", own_block, strlen(own_block)));
  Decl *block = f->decls.v[0];
  block->name.s = intern(r->names, "(train)");
  for (int i = 0; i < block->train.n; i++)
    if (!strcmp(block->train.v[i].setting.name.s, "loss"))
      block->train.v[i].setting.value = loss;
  return block;
}

static const Decl *known_block(const Repl *r, const char *name) {
  for (int i = 0; i < r->trains.n; i++)
    if (!*name || !strcmp(r->trains.v[i]->name.s, name))
      return r->trains.v[i];
  return NULL;
}

static const char *block_names(const Repl *r) {
  const char *text = "";
  for (int i = 0; i < r->trains.n; i++)
    text = arena_printf(r->arena, "%s%s%s", text, i ? ", " : "", r->trains.v[i]->name.s);
  return text;
}

// A value's name alone stands for what it was computed from: the value is a number by now.
static Expr *origin_of(const Repl *r, Expr *loss) {
  const Item *it = loss->kind == EX_NAME ? repl_item(r, loss->name.s) : NULL;
  return it && it->value && it->origin && it->origin->names.n == 1 ? it->origin->value : loss;
}

static const Decl *with_data(Repl *r, const Decl *block) {
  if (!train_has_data(block) || r->data.n)
    return block;
  repl_fail(r, "on what? `:data FILE` says which text or table `%s` learns from", block->name.s);
  return NULL;
}

typedef struct Fed { // the block among the names that files feed
  const Repl *r;
  const Decl *block;
} Fed;

static void find_fed(void *ctx, const char *name) {
  Fed *f = ctx;
  const Item *it = repl_item(f->r, name);
  const Decl *block = it && it->loss ? known_block(f->r, name) : NULL;
  f->block = block && train_has_data(block) ? block : f->block;
}

// Part of another loss it would be that of the prompt's values, and `:data` nothing.
static const Decl *block_around(Repl *r, Expr *loss) {
  Fed fed = {.r = r};
  if (loss->kind == EX_NAME && known_block(r, loss->name.s))
    return with_data(r, known_block(r, loss->name.s));
  names_of_expr(loss, find_fed, &fed);
  if (!fed.block)
    return block_of(r, loss);
  const char *name = fed.block->name.s;
  repl_fail(r,
            "`%s` learns from files, alone: `:train 100 %s`; another loss on them is written into "
            "the block, and `:reload` reads it",
            name, name);
  return NULL;
}

// NULL: reported.
static const Decl *choose_block(Repl *r, const char *of) {
  const Decl *block = known_block(r, of);
  if (block && (*of || r->trains.n == 1))
    return with_data(r, block);
  if (block)
    repl_fail(r, "which block? `:train 100 NAME`, of %s", block_names(r));
  else if (!*of)
    repl_fail(r, "train what? `:train 100 LOSS`, a number, or load a model with a train block");
  Expr *loss = *of ? repl_argument(r, of) : NULL;
  return loss ? block_around(r, origin_of(r, loss)) : NULL;
}

// ---- made ready

static Session session_of(ReplTrainer *t, Repl *r) {
  t->own = *r->o;
  if (r->vocab)
    t->own.vocab = r->vocab;
  return (Session){.o = &t->own,
                   .arena = t->e.arena,
                   .names = r->names,
                   .model = t->e.model,
                   .module = t->e.module,
                   .handle = t->e.handle,
                   .weights = r->o->weights,
                   .beside = r->loaded ? r->loaded : "",
                   .color = r->color};
}

static bool open_feeding(ReplTrainer *t) {
  Session *s = &t->s;
  const BigsTrain *block = &s->module->train[0];
  TrainOptions kept = {0}; // what a folder of the run would have of the tokenizer
  Repl *r = t->e.r;
  int status = feeding_of_tokens(block) ? train_tokenizer(s, &t->feeding, &kept) : 0;
  status = status ? status : feeding_labels(s, &t->feeding, s->weights, false);
  if (!status)
    status = feeding_open(s, &t->feeding, block, r->data.v, r->data.n,
                          (FeedingRows){t->plan.batch, 1}, t->plan.length, t->plan.seed, false);
  r->failures += status != 0;
  return !status;
}

static bool has_batch(const ReplTrainer *t, const TrainChanges *changes) {
  const BigsTrain *block = &t->e.module->train[0];
  if (block->batch > 0 || changes->batch > 0)
    return true;
  repl_fail(t->e.r, "`%s` has no batch size: `batch = 32` in the block, or `:train 100 batch=32`",
            block->name);
  return false;
}

// Of a loss alone, whatever the block has: the same rows for all, but where -D says how many there are.
static TrainChanges loss_rows(const BigsModule *m) {
  const BigsProgram *p = &m->program[m->train[0].program];
  const BigsTensor *t = p->ninput ? &m->input[p->input[0]] : NULL;
  TrainChanges c = train_no_changes();
  int64_t fixed;
  c.batch = t && t->rank && poly_is_const(&t->extent[0], &fixed) ? fixed : LOSS_ROWS;
  c.length = fixed_length(m) > 0 ? fixed_length(m) : c.length;
  return c;
}

// changes NULL: a loss alone.
static bool make_plan(ReplTrainer *t, const TrainChanges *changes) {
  BigsError e = {0};
  TrainChanges whole = changes ? *changes : loss_rows(t->e.module);
  whole.pieces = 1;
  if (!has_batch(t, &whole))
    return false;
  if (!train_plan(t->e.module, 0, &whole, (uint64_t)t->e.r->o->seed, NULL, &t->plan, &e))
    return true;
  repl_fail(t->e.r, "%s", e.text);
  return false;
}

static bool begin(Repl *r, const char *of, const Decl *block, const TrainChanges *changes) {
  ReplTrainer *t = NEW(r->arena, ReplTrainer);
  bool again = r->trainer && r->trainer->done && !strcmp(r->trainer->of, of);
  repl_train_end(r);
  r->trainer = t;
  t->fed = train_has_data(block);
  t->of = arena_strdup(r->arena, of);
  bool ok = ready_train(&t->e, r, block, changes != NULL) && make_plan(t, changes);
  if (ok) {
    t->s = session_of(t, r);
    t->e.handle->cancel = NULL; // between steps alone: half a step would be in the parameters
  }
  ok = ok && (!t->fed || open_feeding(t));
  t->changes = r->changes;
  t->stamps = r->stamps;
  if (ok && again)
    repl_note(r, "something changed: the optimizer starts anew, with the parameters as they are");
  if (!ok)
    repl_train_end(r);
  return ok;
}

// ---- steps

static int next_batch(ReplTrainer *t, FeedArgs *args, int64_t *count) {
  const BigsModule *m = t->e.module;
  Feed *feed = &t->feeding.feed;
  FeedBatch batch = {0};
  *count = 1;
  if (!t->fed)
    return ready_train_inputs(&t->e, args->input, FEED_INPUTS);
  int status = feed->train(feed->ctx, t->e.handle->step, &batch, &t->e.handle->error);
  *count = batch.count > 0 ? batch.count : 1;
  return status ? status : feed_args(m, m->train[0].program, &batch, args, &t->e.handle->error);
}

static int one_step(ReplTrainer *t, double *loss) {
  FeedArgs args = {0};
  OptReport report = {.piece = -1};
  int64_t count;
  float x = NAN;
  int status = next_batch(t, &args, &count);
  status = status ? status
                  : model_step(t->e.handle, 0, &t->plan.recipe, args.dims, args.input, count, &x,
                               &report);
  *loss = x;
  return status;
}

// ---- a loss to compare

bool repl_data_loss(Repl *r, double *loss) {
  *loss = 0;
  if (r->trains.n != 1 || !train_has_data(r->trains.v[0]) || !r->data.n ||
      !begin(r, "", r->trains.v[0], NULL))
    return false;
  ReplTrainer *t = r->trainer;
  int status = 0;
  for (int i = 0; i < LOSS_BATCHES && !status; i++) {
    FeedArgs args = {0};
    int64_t count;
    float x = NAN;
    status = next_batch(t, &args, &count);
    status = status ? status : model_gradient(t->e.handle, 0, args.dims, args.input, &x, false);
    *loss += (double)x / LOSS_BATCHES;
  }
  if (status)
    repl_fail(r, "%s", bigs_model_error(t->e.handle));
  repl_train_end(r);
  return !status;
}

// ---- what is shown

typedef struct Course { // of one :train
  double *loss, begin, shown;
  int64_t n, first;
} Course;

static const char *course_text(Repl *r, Arena *a, const Course *c) {
  return arena_printf(a, "step %lld  loss %.4f  %s", (long long)(c->first + c->n),
                      c->loss[c->n - 1],
                      spark_text(a, c->loss, (int)c->n, SPARK_COLUMNS, drawing_screen(r->o).utf8));
}

// On a terminal, now and then: a line that the next one takes the place of.
static void show_course(Repl *r, Course *c) {
  double now = clock_seconds();
  if (r->out != stdout || r->o->quiet || !isatty(STDOUT_FILENO) || now - c->shown < SHOWN_EVERY)
    return;
  Arena *a = arena_new();
  c->shown = now;
  fprintf(r->out, "\r%s\033[K", course_text(r, a, c));
  fflush(r->out);
  arena_free(a);
}

static void show_end(Repl *r, const Course *c) {
  Arena *a = arena_new();
  if (c->shown > 0)
    fprintf(r->out, "\r\033[K");
  if (c->n)
    fprintf(r->out, "steps %lld to %lld in %s: loss %.4f to %.4f  %s\n", (long long)c->first + 1,
            (long long)(c->first + c->n), repl_duration(a, clock_seconds() - c->begin), c->loss[0],
            c->loss[c->n - 1],
            spark_text(a, c->loss, (int)c->n, SPARK_COLUMNS, drawing_screen(r->o).utf8));
  arena_free(a);
}

static bool stopped(const Repl *r) {
  return r->cancel && *r->cancel;
}

// Keeps what it reached, whatever ends it.
static void run_steps(Repl *r, int64_t n) {
  ReplTrainer *t = r->trainer;
  Course c = {
      .loss = calloc((size_t)n, sizeof *c.loss), .begin = clock_seconds(), .first = t->done};
  int status = 0;
  if (!c.loss)
    out_of_memory();
  if (t->plan.recipe.steps < t->done + n)
    t->plan.recipe.steps = t->done + n;
  while (c.n < n && !stopped(r) && !(status = one_step(t, &c.loss[c.n]))) {
    c.n++;
    show_course(r, &c);
  }
  t->done += c.n;
  show_end(r, &c);
  if (status)
    repl_fail(r, "step %lld: %s", (long long)t->done + 1, bigs_model_error(t->e.handle));
  else if (c.n < n)
    repl_note(r, "stopped; what was reached is kept");
  ready_keep_params(&t->e);
  free(c.loss);
  if (status)
    repl_train_end(r);
}

// ---- the commands

// `... rate=1e-2 batch=8`: cuts the settings off.  False: refused, reported.
static bool take_changes(Repl *r, char *text, TrainChanges *c, bool *any) {
  BigsError e = {0};
  *c = train_no_changes();
  for (;;) {
    char *end = text + strlen(text), *word;
    while (end > text && isspace((unsigned char)end[-1]))
      *--end = 0;
    for (word = end; word > text && !isspace((unsigned char)word[-1]);)
      word--;
    char *equal = strchr(word, '=');
    if (!equal || equal == word || equal[1] == '=' || !islower((unsigned char)*word) ||
        strcspn(word, "([<>!") < (size_t)(equal - word))
      return true;
    if (train_change(c, word, &e)) {
      repl_fail(r, "%s", strncmp(e.text, "--set ", 6) ? e.text : e.text + 6);
      return false;
    }
    *any = true;
    *word = 0;
  }
}

static void change_recipe(ReplTrainer *t, const TrainChanges *c) {
  TrainRecipe *now = &t->plan.recipe;
  now->rate = isnan(c->rate) ? now->rate : c->rate;
  now->decay = isnan(c->decay) ? now->decay : c->decay;
  now->clip = isnan(c->clip) ? now->clip : c->clip;
}

static bool wants_other_data(const ReplTrainer *t, const TrainChanges *c) {
  return (c->batch > 0 && c->batch != t->plan.batch) ||
         (c->length > 0 && c->length != t->plan.length);
}

void repl_train_steps(Repl *r, char *text) {
  char *rest;
  TrainChanges changes;
  bool any = false;
  long long n = strtoll(text, &rest, 10);
  if (rest == text || n < 1 || n > MOST_STEPS || (*rest && !isspace((unsigned char)*rest))) {
    repl_fail(r, "how many steps? `:train 100`, `:train 100 mean((b(x) - y)^2) rate=1e-2`");
    return;
  }
  rest += strspn(rest, " \t\n");
  if (!take_changes(r, rest, &changes, &any))
    return;
  if (!*rest && r->trains.n == 1)
    rest = arena_strdup(r->arena, r->trains.v[0]->name.s);
  if (is_current(r, rest) && !wants_other_data(r->trainer, &changes))
    change_recipe(r->trainer, &changes);
  else {
    const Decl *block = choose_block(r, rest);
    if (!block || !begin(r, rest, block, &changes))
      return;
  }
  run_steps(r, n);
}

static void show_data(Repl *r) {
  for (int i = 0; i < r->data.n; i++)
    fprintf(r->out, "  %s\n", r->data.v[i]);
  if (!r->data.n)
    repl_note(r, "no data yet: `:data FILE...` says what train blocks learn from");
}

// "wiki.txt:0.7" is wiki.txt with a weight.
static bool is_there(Repl *r, const char *path) {
  const char *file = arena_strndup(r->arena, path, strcspn(path, ":"));
  if (!access(path, R_OK) || !access(file, R_OK) || strpbrk(path, "*?["))
    return true;
  repl_fail(r, "%s: cannot open it", path);
  return false;
}

// The next word, which may stand in quotes, as `"a b.txt"` or `vocab="a b.txt"`; NULL: there is none.
static char *next_word(char **text) {
  char *word = *text + strspn(*text, " \t\n"), *to = word, *from = word;
  bool quoted = false;
  for (; *from && (quoted || !isspace((unsigned char)*from)); from++)
    if (*from == '"')
      quoted = !quoted;
    else
      *to++ = *from;
  *text = from + (*from != 0);
  *to = 0;
  return from > word ? word : NULL;
}

void repl_data(Repl *r, char *text) {
  const char *vocab = NULL;
  VEC(const char *) paths = {0};
  for (char *word; (word = next_word(&text));) {
    bool is_vocab = !strncmp(word, "vocab=", 6);
    if (!is_there(r, is_vocab ? word + 6 : word))
      return;
    if (is_vocab)
      vocab = word + 6;
    else
      vec_push(r->arena, &paths, word);
  }
  if (!paths.n && !vocab) {
    show_data(r);
    return;
  }
  r->changes++;
  r->vocab = vocab ? vocab : r->vocab;
  if (paths.n)
    r->data.n = 0;
  for (int i = 0; i < paths.n; i++)
    vec_push(r->arena, &r->data, paths.v[i]);
}
