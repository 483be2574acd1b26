// bigsc classify: the class of every text, or pair of texts.
#include "compiler/commands/cmd.h"
#include "compiler/commands/feeding.h"
#include "compiler/commands/lines.h"
#include "compiler/commands/texts.h"
#include "compiler/commands/trained.h"
#include "base/alloc.h"
#include "runtime/files/json.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK_TEXTS = 4096, CHUNK_BYTES = 4 << 20 };

// What the scores of a text are.
typedef enum ScoreKind {
  SCORE_CLASS,  // one class of several
  SCORE_LABELS, // any number of labels, each by itself
  SCORE_NUMBER  // one number, as it is
} ScoreKind;

typedef struct Classifying {
  Session s;
  Texts texts;
  Labels labels;
  ScoreKind kind;
  float *scores; // of a chunk, by text
  int64_t done;  // texts before it
} Classifying;

static int take_scores(void *ctx, const TextRow *row, const float *out, int64_t n) {
  Classifying *c = ctx;
  for (int64_t i = 0; i < n; i++)
    if (!isfinite(out[i]))
      return session_error(&c->s, EXIT_NUMERIC, "the scores of text %lld are not finite",
                           (long long)(c->done + row->number + 1));
  memcpy(c->scores + row->number * n, out, (size_t)n * sizeof *out);
  return 0;
}

static int64_t likeliest(const float *score, int64_t n) {
  int64_t best = 0;
  for (int64_t i = 1; i < n; i++)
    best = score[i] > score[best] ? i : best;
  return best;
}

// Probabilities in the place of scores.
static void softmax(float *score, int64_t n, double most) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++)
    sum += exp(score[i] - most);
  for (int64_t i = 0; i < n; i++)
    score[i] = (float)(exp(score[i] - most) / sum);
}

static void sigmoid(float *score, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    score[i] = (float)(1 / (1 + exp(-(double)score[i])));
}

// Classes without a name are called by their number.
static const char *label_name(const Classifying *c, int64_t i, char number[32]) {
  snprintf(number, 32, "%lld", (long long)i);
  return i < c->labels.n ? c->labels.name[i] : number;
}

static void print_object(const Classifying *c, const float *p, int64_t best) {
  JsonText t = {0};
  char number[32];
  const char *name = label_name(c, best, number);
  json_raw(&t, "{\"label\": ");
  json_put_string(&t, name, strlen(name));
  json_raw(&t, ", \"probabilities\": {");
  for (int64_t i = 0; i < c->texts.width; i++) {
    name = label_name(c, i, number);
    json_raw(&t, i ? ", " : "");
    json_put_string(&t, name, strlen(name));
    json_raw(&t, ": ");
    json_put_double(&t, p[i]);
  }
  printf("%s}}\n", t.s);
  free(t.s);
}

// A label stays one field of one line.
static void put_label(const char *name) {
  for (; *name; name++)
    if ((unsigned char)*name < ' ' || *name == 0x7f)
      printf("\\x%02x", (unsigned char)*name);
    else
      putchar(*name);
}

static void print_class(const Classifying *c, float *scores) {
  char number[32];
  int64_t n = c->texts.width, best = likeliest(scores, n);
  if (c->kind == SCORE_LABELS)
    sigmoid(scores, n);
  else
    softmax(scores, n, scores[best]);
  if (c->s.o->json)
    print_object(c, scores, best);
  else
    put_label(label_name(c, best, number)), printf("\t%.6f\n", (double)scores[best]);
}

static void print_number(const Classifying *c, float score) {
  JsonText t = {0};
  json_put_double(&t, score);
  printf(c->s.o->json ? "{\"score\": %s}\n" : "%s\n", t.s ? t.s : "");
  free(t.s);
}

static int classify_chunk(Classifying *c) {
  int64_t n = c->texts.rows.n;
  int status = texts_run(&c->texts, take_scores, c);
  for (int64_t i = 0; i < n && !status; i++)
    if (c->kind == SCORE_NUMBER)
      print_number(c, c->scores[i]);
    else
      print_class(c, c->scores + i * c->texts.width);
  c->done += n;
  fflush(stdout);
  return status;
}

static int add_line(Classifying *c, Lines *in) {
  char *tab = strchr(in->line, '\t');
  if (tab && strchr(tab + 1, '\t'))
    return lines_error(in, EXIT_MODEL, "more than two texts: a line is a text, or two by a tab");
  if (tab)
    *tab = 0;
  return texts_add(&c->texts, in, (const char *[]){in->line, tab ? tab + 1 : NULL}, tab ? 2 : 1);
}

static int classify_lines(Classifying *c) {
  Lines in = lines_of_stdin(&c->s);
  int status = 0;
  size_t bytes = 0;
  while (!status && !(status = lines_next(&in)) && in.line) {
    bytes += in.n;
    status = add_line(c, &in);
    if (!status && (c->texts.rows.n == CHUNK_TEXTS || bytes > CHUNK_BYTES)) {
      status = classify_chunk(c);
      bytes = 0;
    }
  }
  return status ? status : classify_chunk(c);
}

static bool kind_named(const Classifying *c, const JsonValue *v) {
  return !v || v->kind == JSON_NULL || c->kind == SCORE_LABELS ||
         json_equals(v, "single_label_classification") ||
         (c->kind == SCORE_NUMBER && json_equals(v, "regression"));
}

// What a folder of transformers says that its head was trained for: v, of the file at `path`, or NULL.
static int take_kind(Classifying *c, const JsonValue *v, const char *path) {
  c->kind = json_equals(v, "multi_label_classification") ? SCORE_LABELS
            : c->texts.width == 1                        ? SCORE_NUMBER
                                                         : SCORE_CLASS;
  if (kind_named(c, v))
    return 0;
  return session_error(&c->s, EXIT_FILE,
                       "%s: problem_type is %.60s: a text has no class of these; `bigsc run "
                       "--entry scores` gives the scores",
                       path, v->kind == JSON_STRING ? v->text : json_kind_name(v->kind));
}

static int find_kind(Classifying *c, const char *folder) {
  const char *path = folder ? session_text(&c->s, "%s/config.json", folder) : NULL;
  JsonDoc *doc = path && !access(path, F_OK) ? json_read_python(path, &c->s.error) : NULL;
  const JsonValue *v = doc ? json_get(json_root(doc), "problem_type") : NULL;
  int status = c->s.error.status ? session_fail(&c->s, &c->s.error) : take_kind(c, v, path);
  json_free(doc);
  return status;
}

static int find_labels(Classifying *c, const char *dir) {
  const char *folder = trained_folder(&c->s, dir);
  int status = find_kind(c, folder);
  if (status)
    return status;
  if (folder && labels_of_folder(folder, &c->labels, &c->s.error))
    return session_fail(&c->s, &c->s.error);
  if (c->labels.n && c->labels.n != c->texts.width)
    return session_error(&c->s, EXIT_FILE,
                         "%s/config.json names %d label%s (id2label), and %s has %lld classes",
                         folder, c->labels.n, c->labels.n == 1 ? "" : "s", c->s.module->model,
                         (long long)c->texts.width);
  c->scores = MALLOC_N(float, CHUNK_TEXTS * c->texts.width);
  return c->scores ? 0 : session_error(&c->s, EXIT_MODEL, "out of memory");
}

static int open_classes(Classifying *c, const char *dir) {
  int64_t longest = c->s.o->length > 0 ? c->s.o->length : trained_length(dir);
  int status = texts_open(&c->s, &c->texts, "scores", dir, longest);
  if (!status && c->s.module->program[c->texts.program].output[0].rank != 2)
    status = session_error(&c->s, EXIT_MODEL, "entry `scores` is not [B, Labels]");
  return status ? status : find_labels(c, dir);
}

int cmd_CLASSIFY(const Options *given) {
  Options o = *given;
  Classifying c = {0};
  const char *dir, *entry = "scores";
  if (o.args.n != 1) {
    fprintf(stderr, "bigsc classify: give one FOLDER, RUN or MODEL, and texts on standard input; "
                    "see `bigsc classify --help`\n");
    return EXIT_USAGE;
  }
  Arena *a = arena_new();
  BuildWant want = {.entries = &entry, .nentries = 1};
  int status = trained_open(&c.s, &o, a, &want, &dir);
  status = status ? status : open_classes(&c, dir);
  status = status ? status : classify_lines(&c);
  texts_note_cut(&c.texts);
  free(c.scores);
  labels_free(&c.labels);
  texts_close(&c.texts);
  session_close(&c.s);
  arena_free(a);
  return status;
}
