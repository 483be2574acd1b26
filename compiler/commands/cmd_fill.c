// bigsc fill: what a trained model puts in the place of a [MASK], and what of the text that depends on.
#include "compiler/commands/cmd.h"
#include "compiler/commands/feeding.h"
#include "compiler/commands/lines.h"
#include "compiler/commands/trained.h"
#include "base/alloc.h"
#include "runtime/train/fill.h"
#include "runtime/train/log.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Filling {
  Session s;
  Tokenizer *tokens;
  int64_t length; // to pad to
  bool echo;      // the texts, too
} Filling;

// A text, as it was filled.
typedef struct Filled {
  const char *text;
  TokIds ids;
  FillGap *gap;
  int n;
  double *change; // see fill_why; NULL: not asked for
} Filled;

static const char *word_text(const Filling *f, int32_t id) {
  return feeding_word(&f->s, f->tokens, id);
}

// By how much gap i is less sure of its word without the token there; false: it is none of the others.
static bool change_at(const Filled *v, int i, size_t at, double *change) {
  *change = v->change[(size_t)i * v->ids.n + at];
  return !isnan(*change);
}

static void print_why(const Filling *f, const Filled *v, int i) {
  double change;
  const char *before = "    without";
  for (size_t at = 0; at < v->ids.n; at++)
    if (change_at(v, i, at, &change)) {
      printf("%s  %s %+.3f", before, word_text(f, v->ids.v[at]), -change);
      before = "";
    }
  printf("%s", *before ? "" : "\n");
}

static void print_gaps(const Filling *f, const Filled *v) {
  for (int i = 0; i < v->n; i++) {
    if (v->n > 1)
      printf("  %s %d:", word_text(f, tok_special(f->tokens, TOK_MASK)), i + 1);
    for (int k = 0; k < v->gap[i].n; k++)
      printf("  %s %.1f %%", word_text(f, v->gap[i].word[k].id),
             100 * v->gap[i].word[k].probability);
    printf("\n");
    if (v->change)
      print_why(f, v, i);
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

static void put_change(JsonText *t, const Filling *f, const Filled *v, int i, size_t at) {
  record_text(t, "token", word_text(f, v->ids.v[at]));
  record_number(t, "change", v->change[(size_t)i * v->ids.n + at]);
  record_int(t, "distance", (int64_t)at - v->gap[i].position);
}

// {"token": "the", "change": 0.12, "distance": -1}, ...
static void put_why(JsonText *t, const Filling *f, const Filled *v, int i) {
  double change;
  bool first = true;
  for (size_t at = 0; at < v->ids.n; at++)
    if (change_at(v, i, at, &change)) {
      json_raw(t, first ? "{" : ", {");
      put_change(t, f, v, i, at);
      json_raw(t, "}");
      first = false;
    }
}

// {"text": "the [MASK]", "masks": [[{"word": "cat", "probability": 0.5}, ...], ...]}, and "why", a list for every mask, too
static int print_json(Filling *f, const Filled *v) {
  JsonText t = {0};
  json_raw(&t, "{\"text\": ");
  json_put_string(&t, v->text, strlen(v->text));
  json_raw(&t, ", \"masks\": [");
  for (int i = 0; i < v->n; i++) {
    json_raw(&t, i ? ", [" : "[");
    put_words(&t, f, &v->gap[i]);
    json_raw(&t, "]");
  }
  json_raw(&t, v->change ? "], \"why\": [" : "]");
  for (int i = 0; i < v->n && v->change; i++) {
    json_raw(&t, i ? ", [" : "[");
    put_why(&t, f, v, i);
    json_raw(&t, "]");
  }
  json_raw(&t, v->change ? "]}" : "}");
  if (!t.failed)
    printf("%s\n", t.s);
  free(t.s);
  return t.failed ? session_error(&f->s, EXIT_MODEL, "out of memory") : 0;
}

static int model_failed(Session *s, int status) {
  return status ? session_error(s, status, "%s", bigs_model_error(s->handle)) : 0;
}

static int ask_why(Filling *f, Filled *v) {
  Session *s = &f->s;
  v->change = MALLOC_N(double, (size_t)v->n * v->ids.n + 1);
  if (!v->change)
    return session_error(s, EXIT_MODEL, "out of memory");
  return model_failed(s, fill_why(s->handle, f->tokens, v->ids.v, (int64_t)v->ids.n, f->length,
                                  v->gap, v->n, v->change));
}

static int fill_text(Filling *f, Filled *v) {
  Session *s = &f->s;
  int top = s->o->top > 0 ? (int)s->o->top : 5;
  if (fill_encode(f->tokens, v->text, &v->ids, &s->error))
    return session_fail(s, &s->error);
  int status = model_failed(s, fill_ids(s->handle, f->tokens, v->ids.v, (int64_t)v->ids.n,
                                        f->length, top, &v->gap, &v->n));
  return status || !s->o->why ? status : ask_why(f, v);
}

static int fill_one(Filling *f, const char *text) {
  Filled v = {.text = text};
  int status = fill_text(f, &v);
  if (!status && f->s.o->json) {
    status = print_json(f, &v);
  } else if (!status) {
    if (f->echo)
      printf("%s\n", text);
    print_gaps(f, &v);
  }
  fflush(stdout); // an error of the next text comes behind it
  free(v.gap);
  free(v.change);
  free(v.ids.v);
  return status;
}

// Every line of standard input that holds something.
static int fill_lines(Filling *f) {
  Lines in = lines_of_stdin(&f->s);
  int status;
  while (!(status = lines_next(&in)) && in.line)
    if (*in.line && (status = fill_one(f, in.line)))
      break;
  return status;
}

int cmd_FILL(const Options *given) {
  Options o = *given;
  Filling f = {0};
  const char *dir, *entry = "logits";
  if (o.args.n < 2) {
    fprintf(stderr, "bigsc fill: give one FOLDER, RUN or MODEL and a text with [MASK]; see `bigsc "
                    "fill --help`\n");
    return EXIT_USAGE;
  }
  if (o.top > FILL_TOP) {
    fprintf(stderr, "bigsc fill: --top is 1 to %d\n", FILL_TOP);
    return EXIT_USAGE;
  }
  Arena *a = arena_new();
  BuildWant want = {.entries = &entry, .nentries = 1};
  int status = trained_open(&f.s, &o, a, &want, &dir);
  status = status ? status : trained_on_masks(&f.s);
  status = status ? status : feeding_tokenizer(&f.s, dir, &f.tokens);
  f.length = status ? 0 : trained_pad(&f.s, dir);
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
