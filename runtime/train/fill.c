// The best words for each gap: see fill.h.
#include "runtime/train/fill.h"
#include "base/dtype.h"
#include "runtime/train/feed.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int fill_encode(const Tokenizer *t, const char *text, TokIds *ids, BigsError *e) {
  size_t n = strlen(text);
  TokEncoder *c = tok_encoder_new(t, e);
  int err = c ? tok_whole(c, &text, &n, 1, 0, ids, NULL, NULL, e) : e->status;
  tok_encoder_free(c);
  return err;
}

static void insert(FillGap *g, int top, int32_t id, double score) {
  int i = g->n < top ? g->n++ : top;
  if (i == top && score <= g->word[top - 1].probability)
    return;
  i = i == top ? top - 1 : i;
  for (; i > 0 && g->word[i - 1].probability < score; i--)
    g->word[i] = g->word[i - 1];
  g->word[i] = (FillWord){id, score};
}

// Turns the scores of a row into the best words and their probabilities.  False: they have none.
static bool rank_words(const float *score, int64_t n, int top, FillGap *g) {
  double sum = 0, most = score[0];
  for (int64_t i = 0; i < n; i++) {
    most = score[i] > most ? score[i] : most;
    insert(g, top, (int32_t)i, score[i]);
  }
  for (int64_t i = 0; i < n; i++)
    sum += exp(score[i] - most);
  for (int i = 0; i < g->n; i++)
    g->word[i].probability = exp(g->word[i].probability - most) / sum;
  return !isnan(sum);
}

// Rows of L tokens, of which the first `used` are none that pad, through entry `logits`.
typedef struct FillRows {
  bigs_model *m;
  const Tokenizer *t;
  int entry;
  int64_t rows, L, used, classes;
  int32_t *ids;
  bool *mask;
  float *scores; // [rows, L, classes]
} FillRows;

// Arguments of so many rows, and how many classes there are.
static int logits_args(FillRows *r, int64_t rows, FeedArgs *args) {
  bigs_model *m = r->m;
  const BigsTensor *t = &m->module->program[r->entry].output[0];
  FeedField field[2] = {
      {.name = "ids", .dtype = DT_I32, .rank = 2, .shape = {rows, r->L}, .data = r->ids},
      {.name = "mask", .dtype = DT_BOOL, .rank = 2, .shape = {rows, r->L}, .data = r->mask}};
  FeedBatch batch = {.nfield = 2, .field = field};
  if (t->rank != 3 || t->dtype != DT_F32)
    return bigs_fail(&m->error, BIGS_EMODEL, "entry logits is not [B, L, V]");
  if (feed_args(m->module, r->entry, &batch, args, &m->error))
    return m->error.status;
  if (!poly_size(&t->extent[2], args->dims, &r->classes) || r->classes < 1)
    return bigs_fail(&m->error, BIGS_EMODEL, "entry logits has no classes");
  return 0;
}

static int run_logits(FillRows *r) {
  bigs_model *m = r->m;
  FeedArgs args;
  if (logits_args(r, r->rows, &args))
    return m->error.status;
  if (!r->scores)
    r->scores = model_alloc(m, (size_t)(r->rows * r->L * r->classes), sizeof *r->scores, "scores");
  return r->scores ? exec_run(m, r->entry, args.dims, args.input, (void *[]){r->scores},
                              (RunFlags){.seed = m->seed})
                   : m->error.status;
}

static void rows_free(FillRows *r) {
  free(r->ids);
  free(r->mask);
  free(r->scores);
}

// `rows` copies of one row of tokens, padded.
static int rows_make(FillRows *r, const int32_t *ids) {
  int32_t pad = tok_special(r->t, TOK_PAD) < 0 ? 0 : tok_special(r->t, TOK_PAD);
  size_t cells = (size_t)(r->rows * r->L);
  r->ids = model_alloc(r->m, cells, sizeof *r->ids, "tokens");
  r->mask = r->ids ? model_alloc(r->m, cells, sizeof *r->mask, "a mask") : NULL;
  for (int64_t i = 0; r->mask && i < (int64_t)cells; i++) {
    r->mask[i] = i % r->L < r->used;
    r->ids[i] = r->mask[i] ? ids[i % r->L] : pad;
  }
  return r->mask ? 0 : r->m->error.status;
}

// Of the tokens that there are: the table may have more rows.
static int64_t words(const FillRows *r) {
  return tok_size(r->t) < r->classes ? tok_size(r->t) : r->classes;
}

static int not_finite(bigs_model *m) {
  return bigs_fail(&m->error, BIGS_ENUMERIC, "the scores of [MASK] are not finite");
}

static int64_t count_masks(const Tokenizer *t, const int32_t *ids, int64_t n) {
  int64_t masks = 0;
  for (int64_t i = 0; i < n; i++)
    masks += ids[i] == tok_special(t, TOK_MASK);
  return masks;
}

static int collect(FillRows *r, int top, FillGap **out, int *n) {
  FillGap *g = *out = model_alloc(r->m, (size_t)*n, sizeof *g, "words");
  bool ranked = true;
  for (int64_t i = 0; g && i < r->used; i++)
    if (r->ids[i] == tok_special(r->t, TOK_MASK)) {
      g->position = i;
      ranked = rank_words(r->scores + i * r->classes, words(r), top, g++) && ranked;
    }
  return !g ? r->m->error.status : ranked ? 0 : not_finite(r->m);
}

// What a row must have, and the model.
static int check_row(FillRows *r, int64_t masks) {
  BigsError *e = &r->m->error;
  if (r->entry < 0)
    return bigs_fail(e, BIGS_EMODEL, "the model has no entry `logits`");
  if (tok_special(r->t, TOK_MASK) < 0)
    return bigs_fail(e, BIGS_EMODEL,
                     "the tokenizer has no token like [MASK]: there is nothing to fill");
  if (!masks)
    return bigs_fail(e, BIGS_EMODEL, "the text has no %s",
                     tok_text(r->t, tok_special(r->t, TOK_MASK)));
  if (r->used > r->L)
    return bigs_fail(e, BIGS_EMODEL,
                     "the text is %" PRId64 " tokens long, and the model takes %" PRId64, r->used,
                     r->L);
  return 0;
}

static FillRows rows_of(bigs_model *m, const Tokenizer *t, int64_t used, int64_t length) {
  m->error.status = 0;
  m->error.text[0] = 0;
  return (FillRows){.m = m,
                    .t = t,
                    .entry = bigs_model_entry(m->module, "logits"),
                    .rows = 1,
                    .L = length ? length : used,
                    .used = used};
}

int fill_ids(bigs_model *m, const Tokenizer *t, const int32_t *ids, int64_t used, int64_t length,
             int top, FillGap **out, int *n) {
  FillRows r = rows_of(m, t, used, length);
  top = top < 1 ? 1 : top > FILL_TOP ? FILL_TOP : top;
  *out = NULL;
  *n = (int)count_masks(t, ids, used);
  int err = check_row(&r, *n);
  err = err ? err : rows_make(&r, ids);
  err = err ? err : run_logits(&r);
  err = err ? err : collect(&r, top, out, n);
  rows_free(&r);
  if (err) {
    free(*out);
    *out = NULL;
  }
  return err;
}

int fill_gaps(bigs_model *m, const Tokenizer *t, const char *text, int64_t length, int top,
              FillGap **out, int *n) {
  TokIds ids = {0};
  *out = NULL;
  *n = 0;
  int err = fill_encode(t, text, &ids, &m->error);
  err = err ? err : fill_ids(m, t, ids.v, (int64_t)ids.n, length, top, out, n);
  free(ids.v);
  return err;
}

// ---- why
enum { WHY_BYTES = 1 << 26 }; // of the scores of rows that are run together

// Tokens of the text itself that are no masks yet.
static bool can_be_masked(const Tokenizer *t, int32_t id) {
  return id == tok_special(t, TOK_UNK) || !tok_is_special(t, id);
}

// Rows that are run together: as many as there is room for; a model that is compiled for some takes those alone.
static int64_t rows_together(const FillRows *r, int64_t places) {
  const BigsModule *module = r->m->module;
  int64_t fixed = 0, room = WHY_BYTES / (int64_t)sizeof(float) / r->L / r->classes;
  for (int i = 0; i < module->ninput; i++)
    if (!strcmp(module->input[i].name, "ids") && module->input[i].rank == 2 &&
        poly_is_const(&module->input[i].extent[0], &fixed))
      return fixed;
  return room < 1 ? 1 : room < places ? room : places;
}

static double log_probability(const float *score, int64_t n, int32_t id) {
  double sum = 0, most = score[0];
  for (int64_t i = 1; i < n; i++)
    most = score[i] > most ? score[i] : most;
  for (int64_t i = 0; i < n; i++)
    sum += exp(score[i] - most);
  return score[id] - most - log(sum);
}

// Row k has place[k] masked.
static int take_changes(const FillRows *r, const int64_t *place, int64_t rows, const FillGap *gap,
                        int n, double *change) {
  for (int64_t k = 0; k < rows; k++)
    for (int g = 0; g < n; g++) {
      const float *score = r->scores + (k * r->L + gap[g].position) * r->classes;
      double now = log_probability(score, words(r), gap[g].word[0].id);
      if (isnan(now))
        return not_finite(r->m);
      change[g * r->used + place[k]] = log(gap[g].word[0].probability) - now;
    }
  return 0;
}

// Masks the places of some rows, or puts back what stood there.
static void set_places(FillRows *r, const int32_t *ids, const int64_t *place, int64_t rows,
                       bool masked) {
  for (int64_t k = 0; k < rows; k++)
    r->ids[k * r->L + place[k]] = masked ? tok_special(r->t, TOK_MASK) : ids[place[k]];
}

static int run_changes(FillRows *r, const int32_t *ids, const int64_t *place, int64_t places,
                       const FillGap *gap, int n, double *change) {
  int err = 0;
  for (int64_t at = 0; at < places && !err; at += r->rows) {
    int64_t rows = places - at < r->rows ? places - at : r->rows;
    set_places(r, ids, place + at, rows, true);
    err = run_logits(r);
    err = err ? err : take_changes(r, place + at, rows, gap, n, change);
    set_places(r, ids, place + at, rows, false);
  }
  return err;
}

static int64_t find_places(const FillRows *r, const int32_t *ids, int64_t *place) {
  int64_t n = 0;
  for (int64_t i = 0; i < r->used; i++)
    if (can_be_masked(r->t, ids[i]))
      place[n++] = i;
  return n;
}

static int why(FillRows *r, const int32_t *ids, const int64_t *place, int64_t places,
               const FillGap *gap, int n, double *change) {
  FeedArgs args;
  int err = rows_make(r, ids); // one, which tells how many classes there are
  err = err ? err : logits_args(r, 1, &args);
  rows_free(r);
  r->ids = NULL;
  r->mask = NULL;
  r->rows = err ? 1 : rows_together(r, places);
  err = err ? err : rows_make(r, ids);
  return err ? err : run_changes(r, ids, place, places, gap, n, change);
}

int fill_why(bigs_model *m, const Tokenizer *t, const int32_t *ids, int64_t used, int64_t length,
             const FillGap *gap, int n, double *change) {
  FillRows r = rows_of(m, t, used, length);
  int64_t *place = model_alloc(m, (size_t)used + 1, sizeof *place, "places");
  int64_t places = place ? find_places(&r, ids, place) : 0;
  int err = place ? check_row(&r, n) : m->error.status;
  for (int64_t i = 0; i < n * used; i++)
    change[i] = NAN;
  if (!err && places)
    err = why(&r, ids, place, places, gap, n, change);
  rows_free(&r);
  free(place);
  return err;
}
