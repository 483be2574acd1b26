// See tokenize.h.  Text is read into batches of lines; threads cut a batch each, and the tokens follow one another in the order of the
// batches.
#include "runtime/train/tokenize.h"
#include "base/alloc.h"
#include "runtime/train/list.h"
#include <pthread.h>
#include <string.h>

enum { BATCH_TEXT = 1 << 18, MOST_THREADS = 64 };

typedef struct BatchLine {
  int64_t from; // in the batch's text
  size_t n, tokens;
  bool new_document;
} BatchLine;

typedef struct LineBatch {
  LIST(char) text;
  LIST(BatchLine) line;
  TokEncoder *encoder;
  TokIds ids;
  int status;
  BigsError e;
} LineBatch;

typedef struct TextCutter {
  TextReader *from;
  const Tokenizer *tok;
  const TokenizeOptions *o;
  TokenStream *out;
  LineBatch batch[MOST_THREADS];
  int batches;
  bool end;
} TextCutter;

// ---- reading

static int add_line(LineBatch *b, const TextLine *l, BigsError *e) {
  BatchLine line = {.from = b->text.n, .n = l->n, .new_document = l->new_document};
  if (LIST_ROOM(&b->text, (int64_t)l->n, e) || LIST_ADD(&b->line, line, e))
    return BIGS_EMODEL;
  memcpy(b->text.v + b->text.n, l->s, l->n);
  b->text.n += (int64_t)l->n;
  return 0;
}

static int fill_batch(TextCutter *c, LineBatch *b, BigsError *e) {
  TextLine l;
  b->text.n = b->line.n = 0;
  while (b->text.n < BATCH_TEXT && !c->end) {
    int status = text_next(c->from, &l, e);
    c->end = !status && !l.s;
    status = status || c->end ? status : add_line(b, &l, e);
    if (status)
      return status;
  }
  return 0;
}

// ---- cutting

static void *cut_batch(void *arg) {
  LineBatch *b = arg;
  b->status = 0;
  b->ids.n = 0;
  for (int64_t i = 0; i < b->line.n && !b->status; i++) {
    BatchLine *l = &b->line.v[i];
    size_t before = b->ids.n;
    b->status = tok_encode(b->encoder, b->text.v + l->from, l->n, false, &b->ids, &b->e);
    l->tokens = b->ids.n - before;
  }
  return NULL;
}

// What no thread can be had for is done here.
static void cut_all(TextCutter *c) {
  pthread_t thread[MOST_THREADS];
  bool started[MOST_THREADS] = {false};
  for (int i = 1; i < c->batches; i++)
    started[i] = c->batch[i].line.n && !pthread_create(&thread[i], NULL, cut_batch, &c->batch[i]);
  for (int i = 0; i < c->batches; i++)
    if (!started[i])
      cut_batch(&c->batch[i]);
  for (int i = 1; i < c->batches; i++)
    if (started[i])
      pthread_join(thread[i], NULL);
}

static int end_document(TextCutter *c, BigsError *e) {
  if (!c->out->n)
    return 0;
  int status = tokens_mark(c->out, 0, e);
  return status ? status : tokens_push(c->out, tok_special(c->tok, TOK_SEP), e);
}

static int push_batch(TextCutter *c, const LineBatch *b, BigsError *e) {
  const int32_t *id = b->ids.v;
  int status = 0;
  if (b->status && e)
    *e = b->e;
  for (int64_t i = 0; i < b->line.n && !b->status && !status; i++) {
    const BatchLine *l = &b->line.v[i];
    status = l->new_document ? end_document(c, e) : 0;
    for (size_t k = 0; k < l->tokens && !status; k++)
      status = tokens_push(c->out, *id++, e);
    if (!status && l->tokens)
      status = tokens_mark(c->out, (int64_t)l->tokens, e);
  }
  return b->status ? b->status : status;
}

static int cut_text(TextCutter *c, BigsError *e) {
  const TokenPlace *p = &c->o->place;
  int status = 0;
  while (!c->end && !status) {
    for (int i = 0; i < c->batches && !status; i++)
      status = fill_batch(c, &c->batch[i], e);
    if (!status)
      cut_all(c);
    for (int i = 0; i < c->batches && !status; i++)
      status = push_batch(c, &c->batch[i], e);
    if (!status && p->progress && p->progress(p->ctx, "reading text", text_share(c->from)))
      status = bigs_fail(e, BIGS_EINTERRUPT, "interrupted");
  }
  status = status ? status : end_document(c, e);
  return status ? status : tokens_end(c->out, e);
}

// ---- all of it

static int start_cutting(TextCutter *c, BigsError *e) {
  int n = c->o->threads;
  c->batches = n < 1 ? 1 : n > MOST_THREADS ? MOST_THREADS : n;
  for (int i = 0; i < c->batches; i++)
    if (!(c->batch[i].encoder = tok_encoder_new(c->tok, e)))
      return bigs_status(e, BIGS_EMODEL);
  return 0;
}

static void end_cutting(TextCutter *c) {
  for (int i = 0; i < c->batches; i++) {
    free(c->batch[i].text.v);
    free(c->batch[i].line.v);
    free(c->batch[i].ids.v);
    tok_encoder_free(c->batch[i].encoder);
  }
  free(c);
}

static int cut_reader(TextReader *r, const Tokenizer *tok, const TokenizeOptions *o,
                      TokenStream *out, BigsError *e) {
  TextCutter *c = ALLOC(TextCutter);
  if (!c)
    return bigs_fail_memory(e, "reading text");
  c->from = r;
  c->tok = tok;
  c->o = o;
  c->out = out;
  int status = start_cutting(c, e);
  status = status ? status : cut_text(c, e);
  end_cutting(c);
  return status;
}

int tokenize(TextReader *r, const Tokenizer *tok, const TokenizeOptions *o, TokenStream *out,
             bool *kept, BigsError *e) {
  bool found = false;
  tokens_start(out, tok_size(tok), o->shift);
  int status = token_cache_find(&o->place, r, tok, out, &found, e);
  if (!status && !found)
    status = cut_reader(r, tok, o, out, e);
  token_cache_close(out, status != 0);
  if (kept)
    *kept = found;
  return status;
}
