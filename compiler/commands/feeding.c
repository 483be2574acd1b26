// See feeding.h.
#include "compiler/commands/feeding.h"
#include "codegen/cache.h"
#include "runtime/files/file.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEPT_TEXT = 8 << 20 }; // bytes of text from which tokens are kept without being asked

// [B, L], or, of choices, [B, C, L].
static const BigsTensor *ids_input(const BigsModule *m) {
  for (int i = 0; i < m->ninput; i++)
    if (!strcmp(m->input[i].name, "ids") && (m->input[i].rank == 2 || m->input[i].rank == 3))
      return &m->input[i];
  return NULL;
}

// axis -1: the last one.
static int64_t fixed_axis(const BigsModule *m, int axis) {
  const BigsTensor *t = ids_input(m);
  int64_t c;
  axis += t && axis < 0 ? t->rank : 0;
  return t && poly_is_const(&t->extent[axis], &c) ? c : 0;
}

// Rows of `ids`, known when compiled; 0: not.
int64_t fixed_batch(const BigsModule *m) {
  return fixed_axis(m, 0);
}

int64_t fixed_length(const BigsModule *m) {
  return fixed_axis(m, -1);
}

const char *open_choices(const BigsModule *m) {
  const BigsTensor *t = ids_input(m);
  return t && t->rank == 3 && !fixed_axis(m, 1) ? t->axis[1] : NULL;
}

// Bound of the length of `ids`; 0: none.
int64_t model_longest(const BigsModule *m) {
  const BigsTensor *t = ids_input(m);
  if (!t || fixed_length(m))
    return fixed_length(m);
  const Poly *p = &t->extent[t->rank - 1];
  return p->n == 1 && p->t[0].coef == 1 && p->t[0].sym[1] < 0 ? m->dim[p->t[0].sym[0]].bound : 0;
}

// What the values of an input lie below; 0: unknown.
static int64_t limit_of(const BigsTensor *t) {
  int64_t c = 0;
  return t && t->limit.n && poly_is_const(&t->limit, &c) ? c : 0;
}

// Rows of the table that `ids` index; 0: unknown.
static int64_t token_table(const BigsModule *m) {
  return limit_of(ids_input(m));
}

// What the block's loss is compared with; NULL: nothing.
static const BigsTensor *target_input(const BigsModule *m, const BigsTrain *t) {
  const BigsProgram *p = &m->program[t->program];
  for (int i = 0; i < p->ninput; i++)
    if (!strcmp(m->input[p->input[i]].name, "target"))
      return &m->input[p->input[i]];
  return NULL;
}

bool feeding_of_tokens(const BigsTrain *train) {
  int kind = train->source ? data_kind(train->source) : -1;
  return kind < 0 || data_of_tokens((DataKind)kind);
}

bool feeding_is_task(const BigsModule *m, const BigsTrain *train) {
  int kind = train->source ? data_kind(train->source) : -1;
  const BigsTensor *target = target_input(m, train);
  return kind >= 0 && (data_of_tokens((DataKind)kind) ? data_is_task((DataKind)kind)
                                                      : target && target->rank == 1);
}

static const char *existing(Session *s, const char *dir, const char *name) {
  const char *path = dir ? session_text(s, "%s/%s", dir, name) : name;
  return !access(path, R_OK) ? path : NULL;
}

static bool only_in(Session *s, const char *folder, TokenizerKind kind, TokenizerKind other) {
  return folder && existing(s, folder, tokenizer_files[kind]) &&
         !existing(s, folder, tokenizer_files[other]);
}

// Where the model does not say it: that of the vocabulary, of the run, or of the folder of weights.
static TokenizerKind kind_at_hand(Session *s, const char *dir) {
  const char *vocab = s->o->vocab;
  size_t n = vocab ? strlen(vocab) : 0;
  bool json = n > 5 && !strcmp(vocab + n - 5, ".json");
  const char *folder = dir ? dir : s->o->weights;
  return json || (!vocab && only_in(s, folder, TOKENIZER_FILE, TOKENIZER_WORDPIECE))
             ? TOKENIZER_FILE
             : TOKENIZER_WORDPIECE;
}

int feeding_kind(Session *s, const char *dir, TokenizerKind *kind) {
  const char *name = s->module->tokenizer, *known = "";
  int i = name ? tok_kind(name) : (int)kind_at_hand(s, dir);
  *kind = (TokenizerKind)i;
  if (i >= 0)
    return 0;
  for (int k = 0; k < TOKENIZER_COUNT; k++)
    known = session_text(s, "%s%s%s", known, k ? ", " : "", tokenizer_names[k]);
  return session_error(s, EXIT_MODEL,
                       "%s has the tokenizer `%s`, which this bigsc does not know; known: %s",
                       s->module->model, name, known);
}

// The folder whose files say how text is cut: the run's, or that of the weights, where it has any.  They are asked before the model: a
// tokenizer.json has tokens that the vocab.txt beside it lacks, and a folder tells whether its words keep their case.
static const char *folder_of_tokens(Session *s, const char *dir) {
  const char *folder = dir ? dir : s->o->weights;
  return folder && file_is_folder(folder) && tok_in_folder(folder) ? folder : NULL;
}

// The vocabulary that a library carries.
static int load_inside(Session *s, Tokenizer **out) {
  const BigsModule *m = s->module;
  int status = tok_parse((TokenizerKind)m->vocab_kind, m->vocab_text, strlen(m->vocab_text),
                         "the vocabulary in the library", m->vocab_lower != 0, out, &s->error);
  return status ? session_fail(s, &s->error) : 0;
}

int feeding_vocab(Session *s, const char *dir, const char **path) {
  const char *folder = folder_of_tokens(s, dir);
  TokenizerKind kind; // one that is not known here is an error
  *path = NULL;
  int status = feeding_kind(s, dir, &kind);
  if (status || (s->module->vocab_text && !s->o->vocab && !s->o->weights))
    return status;
  *path = s->o->vocab ? s->o->vocab : folder ? folder : s->module->vocab;
  if (!*path || (!s->o->vocab && access(*path, R_OK)))
    return session_error(s, EXIT_USAGE, "which vocabulary? --vocab FILE (bigsc vocab learns one)");
  return 0;
}

int feeding_cut_by(Session *s, const char *path, Tokenizer **out) {
  bool lower = !s->module->tokenizer || s->module->lower;
  if (!path)
    return load_inside(s, out);
  return tok_open(path, lower, out, &s->error) ? session_fail(s, &s->error) : 0;
}

int feeding_tokenizer(Session *s, const char *dir, Tokenizer **out) {
  const char *path;
  int status = feeding_vocab(s, dir, &path);
  return status ? status : feeding_cut_by(s, path, out);
}

const char *feeding_word(const Session *s, const Tokenizer *t, int32_t id) {
  BigsError none = {0};
  char *word = tok_text(t, id) ? tok_spelled(t, id, &none) : NULL;
  const char *text = word ? arena_strdup(s->arena, word) : "?";
  free(word);
  return text;
}

static int show(void *ctx, const char *what, double share) {
  Feeding *f = ctx;
  if (!f->o->quiet && isatty(2))
    fprintf(stderr, "\r%-32s %3.0f %%\033[K", what, 100 * share);
  return 0;
}

// The rows of a batch that is no text: all inputs have as many.
static int check_rows(Session *s, const BigsTrain *train, int64_t batch, int64_t pieces,
                      int64_t *fixed) {
  const BigsProgram *p = &s->module->program[train->program];
  const BigsTensor *t = p->ninput ? &s->module->input[p->input[0]] : NULL;
  if (!t || !t->rank || !poly_is_const(&t->extent[0], fixed) || *fixed == batch)
    return 0;
  return session_error(s, EXIT_MODEL,
                       "%s is %lld rows, but the model is compiled for %s = %lld: --batch %lld",
                       pieces > 1 ? "a piece" : "the batch", (long long)batch, t->axis[0],
                       (long long)*fixed, (long long)(*fixed * pieces));
}

static void say(void *ctx, const char *text) {
  Feeding *f = ctx;
  if (!f->o->quiet)
    fprintf(stderr, "%sbigsc: note: %s\n", isatty(2) ? "\r\033[K" : "", text);
}

// Tokens of large texts are kept, of all where a folder is given.
static void choose_cache(Session *s, DataOptions *o) {
  const char *folder = s->o->cache;
  o->cache_least = folder ? 0 : KEPT_TEXT;
  o->cache = !folder ? cache_place(s->arena, "tokens") : strcmp(folder, "none") ? folder : NULL;
}

// Sizes of `ids` that the model has for good, against those of the batches.
static int check_fixed(Session *s, int64_t batch, int64_t pieces, int64_t length) {
  int64_t B = fixed_batch(s->module), L = fixed_length(s->module);
  const BigsTensor *t = ids_input(s->module);
  if (B && B != batch)
    return session_error(s, EXIT_MODEL,
                         "%s is %lld rows, but the model is compiled for %s = %lld: --batch %lld",
                         pieces > 1 ? "a piece" : "the batch", (long long)batch, t->axis[0],
                         (long long)B, (long long)(B * pieces));
  if (L && L != length)
    return session_error(
        s, EXIT_MODEL, "the length is %lld, but the model is compiled for %s = %lld: --length %lld",
        (long long)length, t->axis[t->rank - 1], (long long)L, (long long)L);
  return 0;
}

int feeding_labels(Session *s, Feeding *f, const char *folder, bool fixed) {
  f->labels_fixed = fixed;
  return folder && labels_of_folder(folder, &f->labels, &s->error) ? session_fail(s, &s->error) : 0;
}

// What of a task's rows is not as the files have it.
static int note_rows(Session *s, const Feeding *f, const Data *d) {
  const char *first;
  long long skipped = data_skipped(d, &first), cut = data_cut(d);
  if (skipped)
    fprintf(stderr,
            "bigsc: warning: lines left out, whose fields are not those of the header: %lld, the "
            "first %s\n",
            skipped, first);
  if (data_longer(d) && !s->o->quiet)
    fprintf(stderr,
            "bigsc: note: contexts that do not fit into %lld tokens, and are in several rows: of "
            "%lld questions\n",
            (long long)f->length, (long long)data_longer(d));
  long long rows = data_rows(d, DATA_TRAIN) + data_rows(d, DATA_HELD_OUT);
  if (cut && options_whole(s->o))
    return session_error(
        s, EXIT_MODEL,
        "of %lld rows %lld have texts of more than %lld tokens (--long cut, the default, cuts)",
        rows, cut, (long long)f->length);
  if (cut && !s->o->quiet)
    fprintf(stderr, "bigsc: note: texts that are cut to %lld tokens: %lld of %lld rows\n",
            (long long)f->length, cut, rows);
  return 0;
}

// What the block's data line says to its source by this name (base/arguments.def); 0: nothing.
static double argument(const BigsTrain *t, const char *name) {
  for (int i = 0; i < t->nargument; i++)
    if (!strcmp(t->argument[i].name, name))
      return t->argument[i].value;
  return 0;
}

// What the outputs call an axis of so many classes; NULL: none has them.
static const char *dim_of_classes(const BigsModule *m, int64_t classes) {
  for (int i = 0; i < m->nprogram; i++)
    for (int k = 0; k < m->program[i].noutput; k++) {
      const BigsTensor *t = &m->program[i].output[k];
      int64_t c;
      if (t->rank && poly_is_const(&t->extent[t->rank - 1], &c) && c == classes)
        return t->axis[t->rank - 1];
    }
  return NULL;
}

static DataOptions data_options(Session *s, Feeding *f, const BigsTrain *train) {
  const BigsTensor *target = target_input(s->module, train);
  return (DataOptions){.kind = f->kind,
                       .length = f->length,
                       .table = token_table(s->module),
                       .classes = limit_of(target),
                       .dim = dim_of_classes(s->module, limit_of(target)),
                       .labels = &f->labels,
                       .labels_fixed = f->labels_fixed,
                       .numbers = target && target->dtype == DT_F32,
                       .unlabelled = s->o->predictions != NULL,
                       .skip_bad = s->o->skip_bad,
                       .whole = options_whole(s->o),
                       .mask_rate = train->mask_rate,
                       .rows = (DataRows)argument(train, "rows"),
                       .short_share = argument(train, "short"),
                       .most = (int64_t)argument(train, "most"),
                       .words = argument(train, "words") != 0,
                       .module = s->module,
                       .train = train,
                       .pad = s->module->pad_to > 0 || fixed_length(s->module),
                       .threads = s->handle->threads,
                       .progress = show,
                       .say = say,
                       .ctx = f};
}

// Of choices: as many in a row as the model has for good.
static int check_choices(Session *s, const Data *d) {
  const BigsTensor *t = ids_input(s->module);
  int64_t n = data_choices(d), c = n && t && t->rank == 3 ? fixed_axis(s->module, 1) : 0;
  return !c || c == n
             ? 0
             : session_error(s, EXIT_MODEL,
                             "rows have %lld choices, but the model is compiled for %s = %lld",
                             (long long)n, t->axis[1], (long long)c);
}

static int open_rows(Session *s, Feeding *f, const char *const *paths, int npaths,
                     const DataOptions *o, Data **out) {
  int status = data_open(paths, npaths, f->tokens, o, out, &s->error);
  if (!f->o->quiet && isatty(2))
    fprintf(stderr, "\r\033[K");
  return status ? session_fail(s, &s->error) : check_choices(s, *out);
}

// What only text has.
static int refuse_options(Session *s) {
  const char *given = s->o->length > 0 ? "--length" : s->o->vocab ? "--vocab" : NULL;
  return given ? session_error(s, EXIT_USAGE, "%s is for text: the block's data are arrays", given)
               : 0;
}

static int check_arrays(Session *s, const BigsTrain *train, int64_t batch, int64_t pieces,
                        int64_t *fixed) {
  int status = refuse_options(s);
  return status ? status : check_rows(s, train, batch, pieces, fixed);
}

static int check_length(Session *s, const Feeding *f, int64_t batch, int64_t pieces) {
  if (f->length <= 0)
    return session_error(s, EXIT_USAGE, "the model bounds no length: give --length L");
  if (check_fixed(s, batch, pieces, f->length))
    return EXIT_MODEL;
  if (model_longest(s->module) && f->length > model_longest(s->module))
    return session_error(s, EXIT_MODEL, "--length %lld is above the model's bound of %lld",
                         (long long)f->length, (long long)model_longest(s->module));
  return 0;
}

// whole: every batch has as many rows.
static void start_feed(Feeding *f, const BigsTrain *train, FeedingRows rows, bool whole,
                       bool hold_out) {
  int64_t batch = rows.step / rows.pieces;
  feed_from_data(&f->from, f->data, batch, hold_out ? DATA_HELD_OUT : DATA_TRAIN, &f->feed);
  feed_leave_unpicked(&f->from, f->module, train->unpicked);
  f->from.pieces = rows.pieces;
  f->from.whole = whole;
  if (hold_out && data_rows(f->data, DATA_HELD_OUT) < (whole ? batch : 1))
    f->feed.held_out = NULL;
  f->feed.epoch_steps = (data_rows(f->data, DATA_TRAIN) + rows.step - 1) / rows.step;
}

// Files of rows are text to who reads text: their headers and labels would be learned, and judged, without a word.
static void note_columns(const Feeding *f, const BigsTrain *train, const char *const *paths,
                         int npaths) {
  static const char *const of_rows[] = {".tsv", ".csv", ".conll", ".json", ".jsonl"};
  for (int i = 0; i < npaths && !f->o->quiet; i++)
    for (int k = 0; k < COUNT(of_rows); k++)
      if (file_has_suffix(paths[i], of_rows[k])) {
        fprintf(stderr,
                "bigsc: warning: %s is read as running text, columns and all, by block `%s` "
                "(%s): --train names a block that reads rows\n",
                paths[i], train->name, train->source);
        return;
      }
}

int feeding_open(Session *s, Feeding *f, const BigsTrain *train, const char *const *paths,
                 int npaths, FeedingRows rows, int64_t length, uint64_t seed, bool hold_out) {
  int64_t batch = rows.step / rows.pieces;
  f->module = s->module;
  f->o = s->o;
  f->length = length > 0 ? length : model_longest(s->module);
  int kind = train->source ? data_kind(train->source) : -1;
  if (kind < 0)
    return session_error(s, EXIT_MODEL, "train block `%s` has no data source that can be read here",
                         train->name);
  f->kind = (DataKind)kind;
  if (data_of_tokens(f->kind) && !data_is_task(f->kind))
    note_columns(f, train, paths, npaths);
  int64_t fixed = fixed_batch(s->module);
  int status = data_of_tokens(f->kind) ? check_length(s, f, batch, rows.pieces)
                                       : check_arrays(s, train, batch, rows.pieces, &fixed);
  if (status)
    return status;
  DataOptions o = data_options(s, f, train);
  o.seed = seed;
  o.hold_out = hold_out;
  choose_cache(s, &o);
  status = open_rows(s, f, paths, npaths, &o, &f->data);
  status = status ? status : note_rows(s, f, f->data);
  if (!status)
    start_feed(f, train, rows, fixed > 0, hold_out);
  return status;
}

int feeding_open_dev(Session *s, Feeding *f, const BigsTrain *train, const char *const *paths,
                     int npaths, int64_t batch) {
  DataOptions o = data_options(s, f, train);
  o.labels = data_labels(f->data);
  o.labels_fixed = true;
  int status = open_rows(s, f, paths, npaths, &o, &f->dev);
  status = status ? status : note_rows(s, f, f->dev);
  if (status)
    return status;
  long long rows = data_rows(f->dev, DATA_TRAIN);
  if (f->from.whole && rows % batch)
    return session_error(s, EXIT_MODEL,
                         "--dev has %lld rows, which batches of %lld rows do not divide, and the "
                         "model is compiled for no other: leave the dim of the batch free",
                         rows, (long long)batch);
  feed_evaluate_by(&f->from, f->dev, &f->feed);
  return 0;
}

static const char *const row_words[] = {[OF_CLASSES] = "rows",
                                        [OF_CHOICES] = "rows",
                                        [OF_TAGS] = "words",
                                        [OF_SPANS] = "questions",
                                        [OF_PAIRS] = "pairs"};

static void print_metrics(const EvalResult *r) {
  if (!r->count) {
    printf("%lld rows without labels\n", (long long)r->rows);
    return;
  }
  printf("loss %s", bigs_number(r->loss, 4).text);
  for (int i = 0; i < METRICS; i++)
    if (metric_fits((MetricId)i, &r->task) && i == METRIC_accuracy)
      printf(", accuracy %.1f %%", 100 * r->accuracy);
    else if (metric_fits((MetricId)i, &r->task))
      printf(", %s %s", metric_names[i], bigs_number(r->metric[i], 4).text);
  printf(" of %lld %s\n", (long long)r->rows, row_words[r->task.kind]);
}

void feeding_print_result(const Feeding *f, const EvalResult *r) {
  DataUnigram u;
  BigsError none = {0};
  if (r->rows) {
    print_metrics(r);
    return;
  }
  printf("loss %s nats, perplexity %s, accuracy %.1f %% of %lld predictions\n",
         bigs_number(r->loss, 4).text, bigs_number(r->perplexity, 2).text, 100 * r->accuracy,
         (long long)r->count);
  if (!data_unigram(f->data, &u, &none))
    printf("unigram entropy of the same tokens %.4f nats: the model is %.4f nats %s\n", u.cross,
           fabs(u.cross - r->loss), r->loss <= u.cross ? "below" : "above");
}

void feeding_close(Feeding *f) {
  data_free(f->data);
  data_free(f->dev);
  tok_free(f->tokens);
  labels_free(&f->labels);
}
