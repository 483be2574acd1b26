// bigsc eval and fill: how good a trained model is, and what it puts in the place of a [MASK].
#include "compiler/cmd.h"
#include "compiler/feeding.h"
#include "runtime/checkpoint.h"
#include "runtime/evaluate.h"
#include "runtime/fill.h"
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
  int status = session_load(s, o, path, false);
  status = status ? status : session_compile(s, want);
  return status ? status : session_open(s);
}

// The block whose data the model was trained on: --train, else the one of state.json, else the only
// one.
static int trained_block(Session *s, const char *dir) {
  char name[128] = "";
  TrainState st;
  if (s->o->train || !dir)
    return session_train(s, s->o->train);
  if (!state_read(dir, &st, name, sizeof name, &s->error))
    state_free(&st);
  return session_train(s, *name ? name : NULL);
}

static void print_eval(const Options *o, const EvalResult *r, const DataUnigram *u) {
  if (o->json) {
    printf("{\"loss\": %.9g, \"perplexity\": %.9g, \"accuracy\": %.9g, \"count\": %lld", r->loss,
           r->perplexity, r->accuracy, (long long)r->count);
    if (u)
      printf(", \"unigram\": %.9g, \"below\": %.9g", u->cross, u->cross - r->loss);
    printf("}\n");
    return;
  }
  printf("loss %.4f nats, perplexity %.2f, accuracy %.2f %% of %lld predictions\n", r->loss,
         r->perplexity, 100 * r->accuracy, (long long)r->count);
  if (u)
    printf("unigram entropy of the same tokens %.4f nats: the model is %.4f nats below\n", u->cross,
           u->cross - r->loss);
}

static int eval(Session *s, const char *dir, Feeding *f) {
  const Options *o = s->o;
  TrainState st = {.batch = 16};
  char name[128];
  int index = trained_block(s, dir);
  if (index < 0)
    return EXIT_USAGE;
  bool state = dir && !state_read(dir, &st, name, sizeof name, &s->error);
  int status = feeding_tokenizer(s, dir, &f->tokens);
  if (!status)
    status = feeding_open(s, f, &s->module->train[index], o->data.v, o->data.n,
                          o->batch > 0   ? o->batch
                          : st.batch > 0 ? st.batch
                                         : 16,
                          o->length > 0 ? o->length
                          : state       ? st.length
                                        : 0,
                          0, true);
  if (state)
    state_free(&st);
  EvalResult r;
  DataUnigram u;
  if (status)
    return status;
  if (!f->feed.held_out)
    return session_error(s, EXIT_MODEL, "the data is too small: no row of it is held out");
  if ((status = evaluate(s->handle, &f->feed, 0, &r)))
    return session_error(s, status, "%s", bigs_model_error(s->handle));
  bool unigram = f->kind != DATA_TSV && !data_unigram(f->data, &u, &s->error);
  print_eval(o, &r, unigram ? &u : NULL);
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

static int fill_one(Session *s, const Tokenizer *t, const char *text, int64_t length) {
  FillGap *gap;
  int n, top = s->o->top > 0 ? (int)s->o->top : 5;
  int status = fill_gaps(s->handle, t, text, length, top, &gap, &n);
  if (status)
    return session_error(s, status, "%s", bigs_model_error(s->handle));
  for (int i = 0; i < n; i++) {
    if (n > 1)
      printf("  [MASK] %d:", i + 1);
    for (int k = 0; k < gap[i].n; k++) {
      const char *word =
          tok_text(t, gap[i].word[k].id); // the table may have more rows than the vocabulary
      printf("  %s %.1f %%", word ? word : "?", 100 * gap[i].word[k].probability);
    }
    printf("\n");
  }
  free(gap);
  return 0;
}

// The length to pad to: as the model was trained, when it says that padding matters.
static int64_t pad_length(Session *s, const char *dir) {
  TrainState st;
  char name[128];
  int64_t length = s->o->length > 0 ? s->o->length : s->module->pad_to;
  if (s->o->length <= 0 && s->module->pad_to && dir &&
      !state_read(dir, &st, name, sizeof name, &s->error)) {
    length = st.length > 0 ? st.length : length;
    state_free(&st);
  }
  return length;
}

int cmd_FILL(const Options *given) {
  Options o = *given;
  Session s;
  Tokenizer *t = NULL;
  const char *dir, *entry = "logits";
  if (o.args.n < 2) {
    fprintf(stderr, "bigsc fill: give one DIR and a text with [MASK]; see `bigsc fill --help`\n");
    return EXIT_USAGE;
  }
  Arena *a = arena_new();
  BuildWant want = {.entries = &entry, .nentries = 1};
  int status = open_trained(&s, &o, a, &want, &dir);
  status = status ? status : feeding_tokenizer(&s, dir, &t);
  int64_t pad = status ? 0 : pad_length(&s, dir);
  for (int i = 1; i < o.args.n && !status; i++) {
    if (o.args.n > 2 || !o.quiet)
      printf("%s\n", o.args.v[i]);
    status = fill_one(&s, t, o.args.v[i], pad);
  }
  tok_free(t);
  session_close(&s);
  arena_free(a);
  return status;
}
