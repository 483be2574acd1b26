// See texts.h.
#include "compiler/commands/texts.h"
#include "compiler/commands/feeding.h"
#include "compiler/commands/trained.h"
#include "base/alloc.h"
#include "base/dtype.h"
#include <stdlib.h>
#include <string.h>

enum { GROUP_SCORES = 1 << 23 };

// ---- what the model takes
static bool takes(const BigsModule *m, int program, const char *name) {
  const BigsProgram *p = &m->program[program];
  for (int i = 0; i < p->ninput; i++)
    if (!strcmp(m->input[p->input[i]].name, name))
      return true;
  return false;
}

static int check_entry(Session *s, int program) {
  const BigsProgram *p = &s->module->program[program];
  const BigsTensor *t = &p->output[0];
  if (t->rank >= 2 && t->dtype == DT_F32 && takes(s->module, program, "ids"))
    return 0;
  return session_error(s, EXIT_MODEL, "entry `%s` of %s has no row of f32 a text", p->name,
                       s->module->model);
}

static int64_t bound_of(const Texts *t, int64_t pad, int64_t longest) {
  int64_t bound = model_longest(t->s->module);
  bound = pad && (!bound || pad < bound) ? pad : bound;
  return longest && (!bound || longest < bound) ? longest : bound;
}

// As many tokens as there is room for: the scores of a vocabulary are many.
static int64_t group_tokens(const Texts *t) {
  const BigsTensor *out = &t->s->module->program[t->program].output[0];
  int64_t n = out->rank > 2 ? GROUP_SCORES / t->width : TEXT_GROUP_TOKENS;
  return n < 1 ? 1 : n < TEXT_GROUP_TOKENS ? n : TEXT_GROUP_TOKENS;
}

static void take_shape(Texts *t, const char *dir, int64_t longest) {
  int64_t pad = trained_pad(t->s, dir);
  int32_t filler = tok_special(t->tokens, TOK_PAD);
  t->rows.filler = filler < 0 ? 0 : filler;
  t->rows.takes = (TextTakes){.pad = pad,
                              .longest = bound_of(t, pad, longest),
                              .batch = fixed_batch(t->s->module),
                              .tokens = group_tokens(t),
                              .masked = takes(t->s->module, t->program, "mask")};
}

int texts_open(Session *s, Texts *t, const char *entry, const char *dir, int64_t longest) {
  int program = session_entry(s, entry);
  *t = (Texts){.s = s, .program = program};
  int status = program < 0 ? EXIT_MODEL : check_entry(s, program);
  status = status ? status : feeding_tokenizer(s, dir, &t->tokens);
  if (status)
    return status;
  const BigsTensor *out = &s->module->program[program].output[0];
  if (!poly_is_const(&out->extent[out->rank - 1], &t->width) || t->width < 1)
    return session_error(s, EXIT_MODEL, "entry `%s` has rows of no fixed size", entry);
  take_shape(t, dir, longest);
  t->encoder = tok_encoder_new(t->tokens, &s->error);
  return t->encoder ? 0 : session_fail(s, &s->error);
}

int texts_lower_first(Texts *t) {
  tok_encoder_free(t->encoder);
  t->encoder = NULL;
  if (!tok_lower_first(t->tokens, &t->s->error))
    t->encoder = tok_encoder_new(t->tokens, &t->s->error);
  return t->encoder ? 0 : session_fail(t->s, &t->s->error);
}

void texts_close(Texts *t) {
  text_rows_free(&t->rows);
  free(t->out);
  tok_encoder_free(t->encoder);
  tok_free(t->tokens);
}

// ---- rows
int texts_add(Texts *t, const Lines *in, const char *const *text, int n) {
  bool cut = false;
  if (text_rows_add(&t->rows, t->encoder, text, n, &cut, &t->s->error))
    return session_fail(t->s, &t->s->error);
  t->cut += cut;
  if (!cut || !options_whole(t->s->o))
    return 0;
  return lines_error(in, EXIT_MODEL,
                     session_text(t->s, "more than %lld tokens (--long cut, the default, cuts)",
                                  (long long)t->rows.takes.longest));
}

int texts_add_ids(Texts *t, const int32_t *ids, int64_t n) {
  return text_rows_add_ids(&t->rows, ids, n, &t->s->error) ? session_fail(t->s, &t->s->error) : 0;
}

void texts_note_cut(const Texts *t) {
  if (t->cut && !t->s->o->quiet)
    fprintf(stderr, "%lld %s more than %lld tokens, and lost what is behind them\n",
            (long long)t->cut, t->cut == 1 ? "text has" : "texts have",
            (long long)t->rows.takes.longest);
}

// ---- groups
static int out_room(Texts *t, int64_t n) {
  if (n <= t->nout)
    return 0;
  free(t->out);
  t->out = MALLOC_N(float, n);
  t->nout = t->out ? n : 0;
  return t->out ? 0
                : session_error(t->s, EXIT_MODEL, "out of memory for %lld results", (long long)n);
}

// Numbers of the entry's output for these sizes; -1: too many.
static int64_t output_numbers(const Texts *t, const int64_t *dims) {
  const BigsTensor *out = &t->s->module->program[t->program].output[0];
  int64_t n = 1, extent;
  for (int a = 0; a < out->rank; a++)
    if (!poly_size(&out->extent[a], dims, &extent) || __builtin_mul_overflow(n, extent, &n))
      return -1;
  return n;
}

static int group_args(Texts *t, const TextGroup *g, FeedArgs *args) {
  FeedField field[3] = {{.name = "ids", .dtype = DT_I32, .rank = 2, .data = g->ids},
                        {.name = "types", .dtype = DT_I32, .rank = 2, .data = g->types},
                        {.name = "mask", .dtype = DT_BOOL, .rank = 2, .data = g->mask}};
  for (int i = 0; i < COUNT(field); i++)
    field[i].shape[0] = g->B, field[i].shape[1] = g->L;
  FeedBatch batch = {.nfield = COUNT(field), .field = field};
  return feed_args(t->s->module, t->program, &batch, args, &t->s->error)
             ? session_fail(t->s, &t->s->error)
             : 0;
}

// *values: of a row.
static int compute_group(Texts *t, const TextGroup *g, int64_t *values) {
  bigs_model *m = t->s->handle;
  FeedArgs args;
  int status = group_args(t, g, &args);
  if (status)
    return status;
  int64_t n = output_numbers(t, args.dims);
  if (n < 0 || n % g->B)
    return session_error(t->s, EXIT_MODEL, "entry `%s` has no row a text",
                         m->module->program[t->program].name);
  *values = n / g->B;
  status = out_room(t, n);
  if (status)
    return status;
  status = bigs_model_run(m, t->program, args.dims, args.input, (void *[]){t->out});
  return status ? session_error(t->s, status, "%s", bigs_model_error(m)) : 0;
}

static int run_group(Texts *t, const TextGroup *g, TakeRow *take, void *ctx) {
  int64_t values = 0;
  int status = compute_group(t, g, &values);
  for (int64_t i = 0; i < g->n && !status; i++)
    status = take(ctx, &g->row[i], t->out + i * values, values);
  return status;
}

int texts_feed(Texts *t, TakeGroup *take, void *ctx) {
  int status = 0;
  TextGroup g;
  FeedArgs args;
  text_rows_sort(&t->rows);
  for (int64_t i = 0; i < t->rows.n && !status; i += g.n) {
    if (text_rows_group(&t->rows, i, &g, &t->s->error))
      return session_fail(t->s, &t->s->error);
    status = group_args(t, &g, &args);
    status = status ? status : take(ctx, &args);
  }
  text_rows_clear(&t->rows);
  return status;
}

int texts_run(Texts *t, TakeRow *take, void *ctx) {
  int status = 0;
  TextGroup g;
  text_rows_sort(&t->rows);
  for (int64_t i = 0; i < t->rows.n && !status; i += g.n)
    status = text_rows_group(&t->rows, i, &g, &t->s->error) ? session_fail(t->s, &t->s->error)
                                                            : run_group(t, &g, take, ctx);
  text_rows_clear(&t->rows);
  return status;
}
