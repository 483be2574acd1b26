// bigsc embed: a vector for every line of standard input.
#include "compiler/commands/cmd.h"
#include "compiler/commands/embed_out.h"
#include "compiler/commands/lines.h"
#include "compiler/commands/outputs.h"
#include "compiler/commands/texts.h"
#include "compiler/commands/trained.h"
#include "compiler/driver/sentence.h"
#include "base/alloc.h"
#include "base/clock.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// A million lines are not held; what is held together is sorted by length.
enum { CHUNK_TEXTS = 8192, CHUNK_BYTES = 8 << 20 };

typedef struct Embedding {
  Session s;
  Texts texts;
  const char *entry;
  Pooling pool; // of `hidden`; POOL_AUTO: the entry gives the vectors
  bool normalize;
  int64_t longest;
  bool lower;
  const char *prompt; // in front of every text
  VectorFile *out;
  char **line;    // of a chunk
  float *vectors; // of it
  double began;
  int64_t done;
} Embedding;

// ---- which entry, and what becomes of its rows
static bool has_entry(Session *s, const char *name) {
  const ModelValue *entry = NULL;
  int n = s->model ? model_entries(s->model, &entry) : 0;
  for (int i = 0; i < n; i++)
    if (!strcmp(entry[i].name, name))
      return true;
  return !s->model && bigs_model_entry(s->module, name) >= 0;
}

// Number of `value` among three words, the first of which is the default; -1: a usage error.
static int chosen(Session *s, const char *option, const char *value, const char *const word[3]) {
  for (int i = 0; i < 3; i++)
    if (!value || !strcmp(value, word[i]))
      return i;
  session_error(s, EXIT_USAGE, "%s %s: it is %s, %s or %s", option, value, word[0], word[1],
                word[2]);
  return -1;
}

static int choose_entry(Embedding *e, int pool, int unit, const SentenceRules *r) {
  Session *s = &e->s;
  bool hidden = has_entry(s, "hidden"), embed = has_entry(s, "embed");
  if (embed && !pool && (!r->said || s->sentence)) {
    e->entry = "embed";
    e->normalize = unit == 1; // what is not said is as the entry has it
    return 0;
  }
  if (!hidden)
    return session_error(s, EXIT_MODEL,
                         "the model has no entry `hidden`%s: there is nothing to pool",
                         embed ? "" : ", nor `embed`");
  e->entry = "hidden";
  e->pool = pool ? (Pooling)pool : r->pool ? r->pool : POOL_MEAN;
  e->normalize = unit ? unit == 1 : r->said ? r->normalize : true;
  return 0;
}

static int choose(Embedding *e, const char *dir) {
  static const char *const pools[] = {"auto", "mean", "cls"}, *const units[] = {"auto", "yes",
                                                                                "no"};
  Session *s = &e->s;
  const char *folder = trained_folder(s, dir);
  int pool = chosen(s, "--pool", s->o->pool, pools),
      unit = chosen(s, "--normalize", s->o->normalize, units);
  if (pool < 0 || unit < 0)
    return EXIT_USAGE;
  SentenceRules r = {.chosen = pool > 0, .choice = "--pool mean or --pool cls", .prompt = ""};
  if (folder && sentence_rules(s->arena, folder, &r, &s->error))
    return session_fail(s, &s->error);
  e->prompt = r.prompt;
  e->longest = s->o->length > 0 ? s->o->length : r.longest;
  e->lower = r.lower;
  return choose_entry(e, pool, unit, &r);
}

// ---- vectors
static void pool_rows(const Embedding *e, const float *hidden, int64_t tokens, float *out) {
  int64_t H = e->texts.width, n = e->pool == POOL_CLS ? 1 : tokens;
  for (int64_t h = 0; h < H; h++) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
      sum += hidden[i * H + h];
    out[h] = (float)(sum / (double)n);
  }
}

// A vector of zeros stays one.
static void make_unit(float *v, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++)
    sum += (double)v[i] * v[i];
  for (int64_t i = 0; i < n && sum > 0; i++)
    v[i] = (float)(v[i] / sqrt(sum));
}

static int take_vector(void *ctx, const TextRow *row, const float *out, int64_t n) {
  Embedding *e = ctx;
  int64_t H = e->texts.width;
  float *v = e->vectors + row->number * H;
  if (e->pool)
    pool_rows(e, out, row->n, v);
  else
    memcpy(v, out, (size_t)n * sizeof *v);
  if (e->normalize)
    make_unit(v, H);
  for (int64_t i = 0; i < H; i++)
    if (!isfinite(v[i]))
      return session_error(&e->s, EXIT_NUMERIC, "the vector of text %lld is not finite",
                           (long long)(e->done + row->number + 1));
  return 0;
}

// ---- chunks of lines
static void show_progress(const Embedding *e) {
  double s = clock_seconds() - e->began;
  if (!e->s.o->quiet && isatty(2))
    fprintf(stderr, "\r%lld texts, %.0f/s\033[K", (long long)e->done,
            s > 0 ? (double)e->done / s : 0);
}

static int embed_chunk(Embedding *e) {
  int64_t n = e->texts.rows.n, H = e->texts.width;
  int status = texts_run(&e->texts, take_vector, e);
  for (int64_t i = 0; i < n && !status; i++)
    status = vectors_add(e->out, e->line[i], e->vectors + i * H, H);
  for (int64_t i = 0; i < n; i++)
    free(e->line[i]);
  memset(e->line, 0, sizeof *e->line * CHUNK_TEXTS);
  e->done += n;
  show_progress(e);
  return status;
}

static int add_text(Embedding *e, const Lines *in) {
  size_t n = strlen(e->prompt);
  char *copy = e->line[e->texts.rows.n] = MALLOC_N(char, n + in->n + 1);
  if (!copy)
    return session_error(&e->s, EXIT_MODEL, "out of memory");
  memcpy(copy, e->prompt, n);
  memcpy(copy + n, in->line, in->n + 1);
  int status = texts_add(&e->texts, in, (const char *[]){copy}, 1);
  memmove(copy, copy + n, in->n + 1); // the line alone is what is shown
  return status;
}

static int embed_lines(Embedding *e) {
  Lines in = lines_of_stdin(&e->s);
  int status = 0;
  size_t bytes = 0;
  while (!status && !(status = lines_next(&in)) && in.line) {
    bytes += in.n;
    status = add_text(e, &in);
    if (!status && (e->texts.rows.n == CHUNK_TEXTS || bytes > CHUNK_BYTES)) {
      status = embed_chunk(e);
      bytes = 0;
    }
  }
  status = status ? status : embed_chunk(e);
  if (!e->s.o->quiet && isatty(2))
    fprintf(stderr, "\n");
  return status;
}

static int open_vectors(Embedding *e, const char *dir) {
  Session *s = &e->s;
  int status = texts_open(s, &e->texts, e->entry, dir, e->longest);
  const BigsTensor *t = status ? NULL : &s->module->program[e->texts.program].output[0];
  if (t && t->rank != (e->pool ? 3 : 2))
    status = session_error(s, EXIT_MODEL, "entry `%s` is not %s", e->entry,
                           e->pool ? "[B, L, H]" : "[B, H]");
  if (!status && (e->lower || e->s.module->lower_first))
    status = texts_lower_first(&e->texts);
  if (status)
    return status;
  e->line = ALLOC_N(char *, CHUNK_TEXTS);
  e->vectors = MALLOC_N(float, CHUNK_TEXTS * e->texts.width);
  return e->line && e->vectors ? 0 : session_error(s, EXIT_MODEL, "out of memory");
}

static int embed(Embedding *e) {
  const char *path = e->s.o->out ? e->s.o->out : OUT_STDOUT;
  int status = session_check_output(&e->s, path, vectors_kind(path, e->s.o->format));
  status = status ? status : vectors_create(&e->s, path, e->s.o->format, &e->out);
  e->began = clock_seconds();
  status = status ? status : embed_lines(e);
  if (status)
    vectors_abort(e->out);
  else
    status = vectors_finish(e->out, e->texts.width);
  return status;
}

static void close_embedding(Embedding *e) {
  for (int i = 0; e->line && i < CHUNK_TEXTS; i++)
    free(e->line[i]);
  free(e->line);
  free(e->vectors);
  texts_note_cut(&e->texts);
  texts_close(&e->texts);
  session_close(&e->s);
}

int cmd_EMBED(const Options *given) {
  Options o = *given;
  Embedding e = {0};
  const char *dir, *path;
  if (o.args.n != 1) {
    fprintf(stderr, "bigsc embed: give one FOLDER, RUN or MODEL, and texts on standard input; see "
                    "`bigsc embed --help`\n");
    return EXIT_USAGE;
  }
  Arena *a = arena_new();
  int status = trained_load(&e.s, &o, a, &dir, &path);
  status = status ? status : choose(&e, dir);
  BuildWant want = {.entries = &e.entry, .nentries = 1};
  status = status ? status : trained_compile(&e.s, &want);
  status = status ? status : open_vectors(&e, dir);
  status = status ? status : embed(&e);
  close_embedding(&e);
  arena_free(a);
  return status;
}
