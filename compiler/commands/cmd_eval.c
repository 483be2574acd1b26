// bigsc eval and fill: how good a trained model is, and what it puts in the place of a [MASK].
#include "compiler/commands/cmd.h"
#include "compiler/commands/feeding.h"
#include "runtime/files/file.h"
#include "runtime/train/checkpoint.h"
#include "runtime/train/corpus.h"
#include "runtime/train/evaluate.h"
#include "runtime/train/fill.h"
#include "runtime/train/log.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The model of a training folder, or of `--weights` with a MODEL.mdl.
static int open_trained(Session *s, Options *o, Arena *a, const BuildWant *want, const char **dir) {
  const char *what = o->args.v[0];
  size_t n = strlen(what);
  bool file = (n > 4 && !strcmp(what + n - 4, ".mdl")) || (n > 3 && !strcmp(what + n - 3, ".so"));
  const char *path = file ? what : arena_printf(a, "%s/model.mdl", what);
  *dir = file ? NULL : what;
  if (!file && access(path, R_OK)) {
    fprintf(stderr, "bigsc: %s is no training folder: it has no model.mdl\n", what);
    *s = (Session){.o = o, .arena = arena_new()};
    return EXIT_FILE;
  }
  if (!file && !o->weights)
    o->weights = what;
  int status = session_load(s, o, path, true);
  status = status ? status : session_compile_trained(s, path, want);
  status = status ? status : session_open(s);
  return status ? status : session_check_finite(s);
}

// What is not finite (a perplexity beyond f64) is null, as in log.jsonl.
static int print_json(Session *s, const Feeding *f, const EvalResult *r) {
  DataUnigram u;
  BigsError none = {0};
  JsonText t = {0};
  record_begin(&t);
  record_number(&t, "loss", r->loss);
  record_number(&t, "perplexity", r->perplexity);
  record_number(&t, "accuracy", r->accuracy);
  record_int(&t, "count", r->count);
  if (!data_unigram(f->data, &u, &none)) {
    record_number(&t, "unigram", u.cross);
    record_number(&t, "below", u.cross - r->loss);
  }
  record_end(&t);
  int status = t.failed ? session_error(s, EXIT_MODEL, "out of memory") : 0;
  if (!status)
    printf("%s\n", t.s);
  free(t.s);
  return status;
}

// What is not given is as the model was trained: the block, the batch, the length.
static int eval(Session *s, const char *dir, Feeding *f) {
  const Options *o = s->o;
  TrainState st = {.batch = 16};
  EvalResult r;
  char name[128] = "";
  if (dir && folder_has_run(dir)) {
    if (state_read(dir, &st, name, sizeof name, &s->error))
      return session_fail(s, &s->error);
    state_free(&st); // of what it says the numbers stay
  }
  const char *train = o->train ? o->train : *name ? name : NULL;
  int index = session_train(s, train);
  if (index < 0)
    return train ? EXIT_MODEL : EXIT_USAGE;
  int status = feeding_tokenizer(s, dir, &f->tokens);
  status = status ? status : feeding_labels(s, f, dir ? dir : s->weights, true);
  if (!status)
    status = feeding_open(s, f, &s->module->train[index], o->data.v, o->data.n,
                          o->batch > 0 ? o->batch : st.batch, o->length > 0 ? o->length : st.length,
                          0, true);
  if (status)
    return status;
  if (f->from.whole && data_rows(f->data, DATA_HELD_OUT) % f->from.batch)
    return session_error(
        s, EXIT_MODEL,
        "%lld rows are held out, which batches of %lld rows do not divide, and the "
        "model is compiled for no other: leave the dim of the batch free",
        (long long)data_rows(f->data, DATA_HELD_OUT), (long long)f->from.batch);
  if (!f->feed.held_out)
    return session_error(s, EXIT_MODEL, "the data is too small: no row of it is held out");
  if ((status = evaluate(s->handle, &f->feed, 0, &r)))
    return session_error(s, status, "%s", bigs_model_error(s->handle));
  if ((status = session_check_loss(s, r.loss)))
    return status;
  if (o->json)
    return print_json(s, f, &r);
  feeding_print_result(f, &r);
  return 0;
}

int cmd_EVAL(const Options *given) {
  Options o = *given;
  Session s;
  Feeding f = {0};
  const char *dir;
  if (o.args.n != 1 || !o.data.n) {
    fprintf(stderr, "bigsc eval: give one DIR and --data PATH...; see `bigsc eval --help`\n");
    return EXIT_USAGE;
  }
  Arena *a = arena_new();
  BuildWant want = {.nentries = -1, .ntrains = -1};
  int status = open_trained(&s, &o, a, &want, &dir);
  status = status ? status : eval(&s, dir, &f);
  feeding_close(&f);
  session_close(&s);
  arena_free(a);
  return status;
}

// ---- fill

typedef struct Filling {
  Session s;
  Tokenizer *tokens;
  int64_t length; // to pad to
  bool echo;      // the texts, too
} Filling;

// The table may have more rows than the vocabulary.
static const char *word_text(const Filling *f, int32_t id) {
  const char *word = tok_text(f->tokens, id);
  return word ? word : "?";
}

static void print_gaps(const Filling *f, const FillGap *gap, int n) {
  for (int i = 0; i < n; i++) {
    if (n > 1)
      printf("  [MASK] %d:", i + 1);
    for (int k = 0; k < gap[i].n; k++)
      printf("  %s %.1f %%", word_text(f, gap[i].word[k].id), 100 * gap[i].word[k].probability);
    printf("\n");
  }
}

static void put_words(JsonText *t, const Filling *f, const FillGap *gap) {
  for (int k = 0; k < gap->n; k++) {
    const char *word = word_text(f, gap->word[k].id);
    json_raw(t, k ? ", {\"word\": " : "{\"word\": ");
    json_put_string(t, word, strlen(word));
    json_raw(t, ", \"probability\": ");
    json_put_double(t, gap->word[k].probability);
    json_raw(t, "}");
  }
}

// {"text": "the [MASK]", "masks": [[{"word": "cat", "probability": 0.5}, ...], ...]}
static int print_gaps_json(Filling *f, const char *text, const FillGap *gap, int n) {
  JsonText t = {0};
  json_raw(&t, "{\"text\": ");
  json_put_string(&t, text, strlen(text));
  json_raw(&t, ", \"masks\": [");
  for (int i = 0; i < n; i++) {
    json_raw(&t, i ? ", [" : "[");
    put_words(&t, f, &gap[i]);
    json_raw(&t, "]");
  }
  json_raw(&t, "]}");
  if (!t.failed)
    printf("%s\n", t.s);
  free(t.s);
  return t.failed ? session_error(&f->s, EXIT_MODEL, "out of memory") : 0;
}

static int fill_one(Filling *f, const char *text) {
  Session *s = &f->s;
  FillGap *gap;
  int n, top = s->o->top > 0 ? (int)s->o->top : 5;
  int status = fill_gaps(s->handle, f->tokens, text, f->length, top, &gap, &n);
  if (status)
    return session_error(s, status, "%s", bigs_model_error(s->handle));
  if (s->o->json) {
    status = print_gaps_json(f, text, gap, n);
  } else {
    if (f->echo)
      printf("%s\n", text);
    print_gaps(f, gap, n);
  }
  fflush(stdout); // an error of the next text comes behind it
  free(gap);
  return status;
}

// The next line of standard input, of which no more is held than a line of a text may have.
static int next_line(Filling *f, char *line, int number, bool *end) {
  size_t n = 0;
  int c;
  while ((c = getchar()) != EOF && c != '\n') {
    if (!c || n == TEXT_MAX_LINE)
      return session_error(&f->s, EXIT_MODEL, "<stdin>:%d: %s", number,
                           c ? "the line is longer than 1 MiB" : "not text: it holds a zero byte");
    line[n++] = (char)c;
  }
  line[n] = 0;
  *end = c == EOF && !n;
  if (!ferror(stdin))
    return 0;
  bigs_fail_errno(&f->s.error, "read", "standard input");
  return session_fail(&f->s, &f->s.error);
}

// Every line of standard input that holds something.
static int fill_lines(Filling *f) {
  char *line = arena_alloc(f->s.arena, TEXT_MAX_LINE + 1);
  bool end = false;
  int status = 0;
  for (int i = 1; !status && !(status = next_line(f, line, i, &end)) && !end; i++) {
    line[strcspn(line, "\r")] = 0;
    const char *text = line + (i == 1 ? bom_length(line, strlen(line)) : 0);
    if (*text)
      status = fill_one(f, text);
  }
  return status;
}

// The length to pad to: the only one that the model takes, or as it was trained, when it says that
// padding matters.
static int64_t pad_length(Session *s, const char *dir) {
  TrainState st;
  char name[128];
  int64_t length = s->o->length > 0 ? s->o->length : s->module->pad_to;
  if (fixed_length(s->module))
    return fixed_length(s->module);
  if (s->o->length <= 0 && s->module->pad_to && dir &&
      !state_read(dir, &st, name, sizeof name, &s->error)) {
    length = st.length > 0 ? st.length : length;
    state_free(&st);
  }
  return length;
}

// Does a train block predict what stood in the place of a [MASK]?
static bool is_masked(const Recipe *r) {
  bool labels = r->source && data_has_field(r->source, "labels");
  for (int i = 0; i < r->fields.n; i++)
    labels |= r->fields.v[i].kind == FIELD_LABELS;
  return labels;
}

// A model that is trained, but not on masks, would give the words that follow.
static int needs_masks(Session *s) {
  const Recipe *const *train = NULL;
  int n = s->model ? model_trains(s->model, &train) : 0, masked = 0, others = 0;
  for (int i = 0; i < n; i++)
    is_masked(train[i]) ? masked++ : others++;
  for (int i = 0; !s->model && i < s->module->ntrain; i++)
    data_has_field(s->module->train[i].source, "labels") ? masked++ : others++;
  if (masked || !others)
    return 0;
  return session_error(
      s, EXIT_MODEL,
      "%s never saw a [MASK]: no train block of it predicts masked tokens (mlm_text), "
      "so there is nothing to fill",
      s->module->model);
}

int cmd_FILL(const Options *given) {
  Options o = *given;
  Filling f = {0};
  const char *dir, *entry = "logits";
  if (o.args.n < 2) {
    fprintf(stderr, "bigsc fill: give one DIR and a text with [MASK]; see `bigsc fill --help`\n");
    return EXIT_USAGE;
  }
  if (o.top > FILL_TOP) {
    fprintf(stderr, "bigsc fill: --top is 1 to %d\n", FILL_TOP);
    return EXIT_USAGE;
  }
  Arena *a = arena_new();
  BuildWant want = {.entries = &entry, .nentries = 1};
  int status = open_trained(&f.s, &o, a, &want, &dir);
  status = status ? status : needs_masks(&f.s);
  status = status ? status : feeding_tokenizer(&f.s, dir, &f.tokens);
  f.length = status ? 0 : pad_length(&f.s, dir);
  for (int i = 1; i < o.args.n && !status; i++) {
    bool lines = !strcmp(o.args.v[i], "-");
    f.echo = !o.quiet || o.args.n > 2 || lines;
    status = lines ? fill_lines(&f) : fill_one(&f, o.args.v[i]);
  }
  tok_free(f.tokens);
  session_close(&f.s);
  arena_free(a);
  return status;
}
