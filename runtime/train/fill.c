// The best words for each gap: see fill.h.
#include "runtime/train/fill.h"
#include "base/dtype.h"
#include "runtime/train/feed.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// The text with what goes around it.
static int encode(const Tokenizer *t, const char *text, TokIds *ids, BigsError *e) {
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

static int run_logits(bigs_model *m, int entry, const int32_t *ids, const bool *mask, int64_t L,
                      float **out, int64_t *classes) {
  const BigsProgram *p = &m->module->program[entry];
  const BigsTensor *t = &p->output[0];
  FeedField field[2] = {
      {.name = "ids", .dtype = DT_I32, .rank = 2, .shape = {1, L}, .data = ids},
      {.name = "mask", .dtype = DT_BOOL, .rank = 2, .shape = {1, L}, .data = mask}};
  FeedBatch batch = {.nfield = 2, .field = field};
  FeedArgs args;
  if (t->rank != 3 || t->dtype != DT_F32)
    return bigs_fail(&m->error, BIGS_EMODEL, "entry logits is not [B, L, V]");
  if (feed_args(m->module, entry, &batch, &args, &m->error))
    return m->error.status;
  if (!poly_size(&t->extent[2], args.dims, classes) || *classes < 1)
    return bigs_fail(&m->error, BIGS_EMODEL, "entry logits has no classes");
  *out = model_alloc(m, (size_t)(L * *classes), sizeof **out, "scores");
  return *out ? exec_run(m, entry, args.dims, args.input, (void *[]){*out},
                         (RunFlags){.seed = m->seed})
              : m->error.status;
}

static int collect(bigs_model *m, const Tokenizer *t, const TokIds *ids, const float *scores,
                   int64_t classes, int top, FillGap **out, int *n) {
  int gaps = 0;
  for (size_t i = 0; i < ids->n; i++)
    gaps += ids->v[i] == tok_special(t, TOK_MASK);
  FillGap *g = model_alloc(m, (size_t)gaps, sizeof *g, "words");
  if (!g)
    return m->error.status;
  int64_t words = tok_size(t) < classes ? tok_size(t) : classes;
  bool ranked = true;
  *out = g;
  *n = gaps;
  for (size_t i = 0; i < ids->n; i++)
    if (ids->v[i] == tok_special(t, TOK_MASK)) {
      g->position = (int64_t)i;
      ranked = rank_words(scores + (int64_t)i * classes, words, top, g++) && ranked;
    }
  return ranked ? 0 : bigs_fail(&m->error, BIGS_ENUMERIC, "the scores of [MASK] are not finite");
}

static int fill_row(bigs_model *m, const Tokenizer *t, TokIds *ids, int64_t length, int top,
                    FillGap **out, int *n) {
  int entry = bigs_model_entry(m->module, "logits");
  size_t used = ids->n, masks = 0;
  for (size_t i = 0; i < used; i++)
    masks += ids->v[i] == tok_special(t, TOK_MASK);
  if (entry < 0)
    return bigs_fail(&m->error, BIGS_EMODEL, "the model has no entry `logits`");
  if (tok_special(t, TOK_MASK) < 0)
    return bigs_fail(&m->error, BIGS_EMODEL,
                     "the tokenizer has no token like [MASK]: there is nothing to fill");
  if (!masks)
    return bigs_fail(&m->error, BIGS_EMODEL, "the text has no %s",
                     tok_text(t, tok_special(t, TOK_MASK)));
  if (length && used > (size_t)length)
    return bigs_fail(&m->error, BIGS_EMODEL,
                     "the text is %zu tokens long, and the model takes %" PRId64, used, length);
  while (ids->n < (size_t)length)
    if (tok_push(ids, tok_special(t, TOK_PAD) < 0 ? 0 : tok_special(t, TOK_PAD), &m->error))
      return m->error.status;
  bool *mask = model_alloc(m, ids->n, sizeof *mask, "a mask");
  float *scores = NULL;
  int64_t classes = 0;
  if (!mask)
    return m->error.status;
  for (size_t i = 0; i < used; i++)
    mask[i] = true;
  int err = run_logits(m, entry, ids->v, mask, (int64_t)ids->n, &scores, &classes);
  err = err ? err : collect(m, t, ids, scores, classes, top, out, n);
  free(scores);
  free(mask);
  return err;
}

int fill_gaps(bigs_model *m, const Tokenizer *t, const char *text, int64_t length, int top,
              FillGap **out, int *n) {
  TokIds ids = {0};
  *out = NULL;
  *n = 0;
  m->error.status = 0;
  m->error.text[0] = 0;
  top = top < 1 ? 1 : top > FILL_TOP ? FILL_TOP : top;
  int err = encode(t, text, &ids, &m->error);
  err = err ? err : fill_row(m, t, &ids, length, top, out, n);
  if (err) {
    free(*out);
    *out = NULL;
  }
  free(ids.v);
  return err;
}
