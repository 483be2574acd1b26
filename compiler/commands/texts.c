// See texts.h.
#include "compiler/commands/texts.h"
#include "compiler/commands/feeding.h"
#include "compiler/commands/trained.h"
#include "base/alloc.h"
#include "base/dtype.h"
#include "runtime/train/feed.h"
#include <stdlib.h>
#include <string.h>

enum { GROUP_TOKENS = 1024, GROUP_LEAST = 256, GROUP_SCORES = 1 << 23 };

typedef struct TextCells { // of a group
  int32_t *ids, *types;
  bool *mask;
  int64_t ncell;
  float *out;
  int64_t nout;
} TextCells;

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

static int64_t bound_of(const Texts *t, int64_t longest) {
  int64_t bound = model_longest(t->s->module);
  bound = t->pad && (!bound || t->pad < bound) ? t->pad : bound;
  return longest && (!bound || longest < bound) ? longest : bound;
}

// As many tokens as there is room for: the scores of a vocabulary are many.
static int64_t group_tokens(const Texts *t) {
  const BigsTensor *out = &t->s->module->program[t->program].output[0];
  int64_t n = out->rank > 2 ? GROUP_SCORES / t->width : GROUP_TOKENS;
  return n < 1 ? 1 : n < GROUP_TOKENS ? n : GROUP_TOKENS;
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
  t->pad = trained_pad(s, dir);
  t->rows = fixed_batch(s->module);
  t->longest = bound_of(t, longest);
  t->group = group_tokens(t);
  t->masked = takes(s->module, program, "mask");
  t->encoder = tok_encoder_new(t->tokens, &s->error);
  t->cells = ALLOC(TextCells);
  return t->encoder && t->cells ? 0 : session_error(s, EXIT_MODEL, "out of memory");
}

void texts_close(Texts *t) {
  if (t->cells) {
    void *const part[] = {t->cells->ids, t->cells->types, t->cells->mask, t->cells->out, t->cells};
    for (int i = 0; i < COUNT(part); i++)
      free(part[i]);
  }
  free(t->ids.v);
  free(t->types.v);
  free(t->row);
  tok_encoder_free(t->encoder);
  tok_free(t->tokens);
}

// ---- texts to tokens
// NULL with the error set.
static TextRow *new_row(Texts *t) {
  if (t->nrow == t->cap) {
    int64_t cap = t->cap * 2 + 1024;
    TextRow *v = REALLOC_N(TextRow, t->row, cap);
    if (!v) {
      bigs_fail_memory(&t->s->error, "a table of texts");
      return NULL;
    }
    t->row = v;
    t->cap = cap;
  }
  t->row[t->nrow] = (TextRow){.number = t->nrow, .at = t->ids.n};
  return &t->row[t->nrow++];
}

static int push_typed(Texts *t, const int32_t *ids, size_t n, int32_t type) {
  int err = 0;
  for (size_t i = 0; i < n && !err; i++) {
    err = tok_push(&t->ids, ids[i], &t->s->error);
    err = err ? err : tok_push(&t->types, type, &t->s->error);
  }
  return err;
}

int texts_add(Texts *t, const char *const *text, int n) {
  const size_t size[2] = {strlen(text[0]), n > 1 ? strlen(text[1]) : 0};
  bool cut = false;
  TextRow *row = new_row(t);
  if (!row || tok_whole(t->encoder, text, size, n, (size_t)t->longest, &t->ids, &t->types, &cut,
                        &t->s->error))
    return session_fail(t->s, &t->s->error);
  row->n = (int64_t)(t->ids.n - row->at);
  t->cut += cut;
  return 0;
}

int texts_add_ids(Texts *t, const int32_t *ids, int64_t n) {
  TextRow *row = new_row(t);
  if (!row || push_typed(t, ids, (size_t)n, 0))
    return session_fail(t->s, &t->s->error);
  row->n = n;
  return 0;
}

void texts_note_cut(const Texts *t) {
  if (t->cut && !t->s->o->quiet)
    fprintf(stderr, "%lld %s more than %lld tokens, and lost what is behind them\n",
            (long long)t->cut, t->cut == 1 ? "text has" : "texts have", (long long)t->longest);
}

// ---- groups
static int by_length(const void *a, const void *b) {
  const TextRow *x = a, *y = b;
  return x->n != y->n ? (x->n < y->n) - (x->n > y->n)
                      : (x->number > y->number) - (x->number < y->number);
}

static int64_t row_length(const Texts *t, int64_t first) {
  return t->pad ? t->pad : t->row[first].n;
}

// Rows from `first` on that are run together.  Padding that the model does not know of would be text; where many tokens are together
// already, much shorter rows begin a group of their own.
static int64_t rows_together(const Texts *t, int64_t first) {
  int64_t L = row_length(t, first), n = 1;
  for (; first + n < t->nrow && (t->rows ? n < t->rows : (n + 1) * L <= t->group); n++) {
    int64_t own = t->row[first + n].n;
    if (!t->pad && ((!t->masked && own != L) || (n * L >= GROUP_LEAST && own < L / 2)))
      break;
  }
  return n;
}

static int cells_room(Texts *t, int64_t cells) {
  TextCells *c = t->cells;
  if (cells <= c->ncell)
    return 0;
  int32_t *ids = REALLOC_N(int32_t, c->ids, cells);
  c->ids = ids ? ids : c->ids;
  int32_t *types = REALLOC_N(int32_t, c->types, cells);
  c->types = types ? types : c->types;
  bool *mask = REALLOC_N(bool, c->mask, cells);
  c->mask = mask ? mask : c->mask;
  c->ncell = ids && types && mask ? cells : 0;
  return c->ncell
             ? 0
             : session_error(t->s, EXIT_MODEL, "out of memory for %lld tokens", (long long)cells);
}

static int out_room(Texts *t, int64_t n) {
  TextCells *c = t->cells;
  if (n <= c->nout)
    return 0;
  free(c->out);
  c->out = MALLOC_N(float, n);
  c->nout = c->out ? n : 0;
  return c->out ? 0
                : session_error(t->s, EXIT_MODEL, "out of memory for %lld results", (long long)n);
}

static void fill_row(Texts *t, const TextRow *r, int64_t at, int64_t L) {
  TextCells *c = t->cells;
  int32_t pad = tok_special(t->tokens, TOK_PAD);
  memcpy(c->ids + at, t->ids.v + r->at, (size_t)r->n * sizeof *c->ids);
  memcpy(c->types + at, t->types.v + r->at, (size_t)r->n * sizeof *c->types);
  for (int64_t i = 0; i < L; i++) {
    c->mask[at + i] = i < r->n;
    if (i >= r->n)
      c->ids[at + i] = pad < 0 ? 0 : pad, c->types[at + i] = 0;
  }
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

// *values: of a row.
static int compute_group(Texts *t, int64_t B, int64_t L, int64_t *values) {
  bigs_model *m = t->s->handle;
  const TextCells *c = t->cells;
  FeedField field[3] = {{.name = "ids", .dtype = DT_I32, .rank = 2, .data = c->ids},
                        {.name = "types", .dtype = DT_I32, .rank = 2, .data = c->types},
                        {.name = "mask", .dtype = DT_BOOL, .rank = 2, .data = c->mask}};
  for (int i = 0; i < COUNT(field); i++)
    field[i].shape[0] = B, field[i].shape[1] = L;
  FeedBatch batch = {.nfield = COUNT(field), .field = field};
  FeedArgs args;
  if (feed_args(m->module, t->program, &batch, &args, &t->s->error))
    return session_fail(t->s, &t->s->error);
  int64_t n = output_numbers(t, args.dims);
  if (n < 0 || n % B)
    return session_error(t->s, EXIT_MODEL, "entry `%s` has no row a text",
                         m->module->program[t->program].name);
  *values = n / B;
  int status = out_room(t, n);
  if (status)
    return status;
  status = bigs_model_run(m, t->program, args.dims, args.input, (void *[]){c->out});
  return status ? session_error(t->s, status, "%s", bigs_model_error(m)) : 0;
}

static int run_group(Texts *t, int64_t first, int64_t n, TakeRow *take, void *ctx) {
  int64_t L = row_length(t, first), B = t->rows ? t->rows : n, values;
  int status = cells_room(t, B * L);
  for (int64_t i = 0; i < B && !status; i++)
    fill_row(t, &t->row[first + (i < n ? i : 0)], i * L, L);
  status = status ? status : compute_group(t, B, L, &values);
  for (int64_t i = 0; i < n && !status; i++)
    status = take(ctx, &t->row[first + i], t->cells->out + i * values, values);
  return status;
}

int texts_run(Texts *t, TakeRow *take, void *ctx) {
  int status = 0;
  if (t->nrow)
    qsort(t->row, (size_t)t->nrow, sizeof *t->row, by_length);
  for (int64_t i = 0, n; i < t->nrow && !status; i += n)
    status = run_group(t, i, n = rows_together(t, i), take, ctx);
  t->nrow = 0;
  t->ids.n = t->types.n = 0;
  return status;
}
