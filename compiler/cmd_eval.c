// bigsc eval and fill: how good a trained model is, and what it puts in the place of a [MASK].
#include "compiler/cmd.h"
#include "compiler/feeding.h"
#include "runtime/checkpoint.h"
#include "runtime/evaluate.h"
#include "runtime/hub.h"
#include <math.h>
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

// The block whose data the model was trained on: --train, else the one of state.json, else the only one.
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
    printf("{\"loss\": %.9g, \"perplexity\": %.9g, \"accuracy\": %.9g, \"count\": %lld", r->loss, r->perplexity, r->accuracy, (long long)r->count);
    if (u)
      printf(", \"unigram\": %.9g, \"below\": %.9g", u->cross, u->cross - r->loss);
    printf("}\n");
    return;
  }
  printf("loss %.4f nats, perplexity %.2f, accuracy %.2f %% of %lld predictions\n", r->loss, r->perplexity, 100 * r->accuracy, (long long)r->count);
  if (u)
    printf("unigram entropy of the same tokens %.4f nats: the model is %.4f nats below\n", u->cross, u->cross - r->loss);
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
    status = feeding_open(s, f, &s->module->train[index], o->data.v, o->data.n, o->batch > 0 ? o->batch : st.batch > 0 ? st.batch : 16,
                          o->length > 0 ? o->length : state ? st.length : 0, 0, true);
  if (state)
    state_free(&st);
  EvalResult r;
  DataUnigram u;
  if (status)
    return status;
  f->feed.held_out = f->feed.held_out ? f->feed.held_out : NULL;
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

typedef struct Guess {
  int32_t id;
  float score;
} Guess;

static void best_of(const float *scores, int64_t n, Guess *best, int top) {
  for (int i = 0; i < top; i++)
    best[i] = (Guess){-1, -INFINITY};
  for (int64_t v = 0; v < n; v++) {
    int k = top;
    while (k > 0 && scores[v] > best[k - 1].score)
      k--;
    if (k < top) {
      memmove(&best[k + 1], &best[k], sizeof *best * (size_t)(top - 1 - k));
      best[k] = (Guess){(int32_t)v, scores[v]};
    }
  }
}

static double log_sum(const float *scores, int64_t n) {
  double most = -INFINITY, sum = 0;
  for (int64_t v = 0; v < n; v++)
    most = fmax(most, scores[v]);
  for (int64_t v = 0; v < n; v++)
    sum += exp(scores[v] - most);
  return most + log(sum);
}

static void print_guesses(Session *s, const Tokenizer *t, const float *scores, int64_t classes, int nth, bool many) {
  int top = s->o->top > 0 ? (int)s->o->top : 5;
  if (top > classes)
    top = (int)classes;
  Guess *best = NEWN(s->arena, Guess, top + 1);
  double all = log_sum(scores, classes);
  best_of(scores, classes, best, top);
  if (many)
    printf("  [MASK] %d:", nth + 1);
  for (int i = 0; i < top; i++)
    printf("  %s %.1f %%", best[i].id < tok_size(t) ? tok_text(t, best[i].id) : "?", 100 * exp(best[i].score - all));
  printf("\n");
}

static int fill_ids(Session *s, const Tokenizer *t, int program, const TokIds *ids, int64_t length) {
  const BigsModule *m = s->module;
  const BigsProgram *p = &m->program[program];
  int32_t *padded = NEWN(s->arena, int32_t, length), *types = NEWN(s->arena, int32_t, length);
  bool *mask = NEWN(s->arena, bool, length);
  int64_t B = 1, dims[MAX_SYMS], shape[2] = {B, length};
  int masks = 0, nth = 0;
  for (int64_t i = 0; i < length; i++) {
    padded[i] = i < (int64_t)ids->n ? ids->v[i] : tok_special(t, TOK_PAD);
    mask[i] = i < (int64_t)ids->n;
    masks += padded[i] == tok_special(t, TOK_MASK);
  }
  if (!masks)
    return session_error(s, EXIT_MODEL, "there is no [MASK] in the text");
  FeedField field[] = {{"ids", DT_I32, 2, {shape[0], shape[1]}, padded}, {"types", DT_I32, 2, {shape[0], shape[1]}, types}, {"mask", DT_BOOL, 2, {shape[0], shape[1]}, mask}};
  FeedBatch batch = {.nfield = 3, .field = field};
  FeedArgs args = {.dims = {0}};
  if (feed_args(m, program, &batch, &args, &s->error))
    return session_fail(s, &s->error);
  memcpy(dims, args.dims, sizeof dims);
  const BigsTensor *out = &p->output[0];
  int64_t classes = poly_eval(&out->extent[out->rank - 1], dims);
  if (out->rank != 3 || tensor_elements(out, dims) != length * classes)
    return session_error(s, EXIT_MODEL, "entry `logits` is not [B, L, V]");
  float *scores = calloc((size_t)(length * classes) + 1, sizeof *scores);
  if (!scores)
    return session_error(s, EXIT_FILE, "out of memory");
  int status = bigs_model_run(s->handle, program, dims, args.input, (void *[]){scores});
  if (status)
    session_error(s, status, "%s", bigs_model_error(s->handle));
  for (int64_t i = 0; i < length && !status; i++)
    if (padded[i] == tok_special(t, TOK_MASK))
      print_guesses(s, t, scores + i * classes, classes, nth++, masks > 1);
  free(scores);
  return status;
}

static int fill_one(Session *s, const Tokenizer *t, int program, const char *text, int64_t pad) {
  TokIds ids = {0};
  BigsError *e = &s->error;
  TokEncoder *c = tok_encoder_new(t, e);
  int status = !c || tok_push(&ids, tok_special(t, TOK_CLS), e) || tok_encode(c, text, strlen(text), true, &ids, e) || tok_push(&ids, tok_special(t, TOK_SEP), e);
  int64_t bound = longest_length(s->module), length = pad > (int64_t)ids.n ? pad : (int64_t)ids.n;
  if (status)
    status = session_fail(s, e);
  else if (bound && (int64_t)ids.n > bound)
    status = session_error(s, EXIT_MODEL, "the text has %zu tokens, the model takes %lld", ids.n, (long long)bound);
  else
    status = fill_ids(s, t, program, &ids, bound && length > bound ? bound : length);
  tok_encoder_free(c);
  free(ids.v);
  return status;
}

// The length to pad to: as the model was trained, when it says that padding matters.
static int64_t pad_length(Session *s, const char *dir) {
  TrainState st;
  char name[128];
  int64_t length = s->o->length > 0 ? s->o->length : s->module->pad_to;
  if (s->o->length <= 0 && s->module->pad_to && dir && !state_read(dir, &st, name, sizeof name, &s->error)) {
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
  int program = status ? -1 : session_entry(&s, "logits");
  if (!status)
    status = program < 0 ? EXIT_MODEL : feeding_tokenizer(&s, dir, &t);
  int64_t pad = status ? 0 : pad_length(&s, dir);
  for (int i = 1; i < o.args.n && !status; i++) {
    if (o.args.n > 2 || !o.quiet)
      printf("%s\n", o.args.v[i]);
    status = fill_one(&s, t, program, o.args.v[i], pad);
  }
  tok_free(t);
  session_close(&s);
  arena_free(a);
  return status;
}
