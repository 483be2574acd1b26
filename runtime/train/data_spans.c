// Rows of questions, [CLS] question [SEP] context [SEP], and the answers that are said of them: see data_spans.h.
#include "runtime/train/data_spans.h"
#include "base/alloc.h"
#include <math.h>
#include <string.h>

enum { QUESTION_MOST = 64 }; // tokens, as BERT's code has it

static void spans_free(void *own) {
  Spans *s = own;
  free(s->text.v);
  free(s->unit.v);
  free(s->context.v);
  free(s->question.v);
  free(s->answer.v);
  free(s->row.v);
  free(s->note.v);
  free(s);
}

// ---- rows
static int64_t room_of(const Data *d) {
  return d->o.length - tok_around(d->tok, 2);
}

static void cut_question(Data *d, SpanQuestion *q) {
  int64_t most = room_of(d) / 2 < QUESTION_MOST ? room_of(d) / 2 : QUESTION_MOST;
  d->ncut += q->words.n > most;
  q->words.n = q->words.n > most ? most : q->words.n;
}

// A context that is too long has several rows, each of which shares half of its tokens with the next one.
static int cut_rows(Data *d, Spans *s, int64_t i, BigsError *e) {
  SpanQuestion *q = &s->question.v[i];
  const SpanContext *c = &s->context.v[q->context];
  cut_question(d, q);
  int64_t room = room_of(d) - q->words.n, step = room / 2 > 0 ? room / 2 : 1, at = 0;
  s->longer += c->tokens > room;
  for (;; at += step) {
    int64_t n = c->tokens - at < room ? c->tokens - at : room;
    if (LIST_ADD(&s->row, ((SpanRow){i, {c->token + at, n}}), e))
      return BIGS_EMODEL;
    if (at + n == c->tokens)
      return 0;
  }
}

// What tells one data from another, beside its tokens.
static int note_answers(Spans *s, BigsError *e) {
  int status = 0;
  for (int64_t i = 0; i < s->question.n && !status; i++) {
    const SpanQuestion *q = &s->question.v[i];
    int64_t number[] = {q->start, q->end, q->context};
    for (int k = 0; k < 3 && !status; k++)
      status = LIST_ADD(&s->note, (int32_t)number[k], e);
  }
  return status;
}

int data_spans_read(Data *d, const char *const *paths, int n, BigsError *e) {
  Spans *s = data_own(d, sizeof *s, spans_free, e);
  if (!s)
    return BIGS_EMODEL;
  int status = spans_read(d, s, paths, n, e);
  for (int64_t i = 0; i < s->question.n && !status; i++)
    status = cut_rows(d, s, i, e);
  status = status ? status : note_answers(s, e);
  d->rows = s->row.n;
  d->notes = s->note.v;
  d->nnote = s->note.n;
  return status;
}

int64_t data_longer(const Data *d) {
  return d->o.kind == DATA_SPANS ? ((const Spans *)d->own)->longer : 0;
}

int64_t data_spans_length(const Data *d, int64_t row) {
  const Spans *s = d->own;
  return s->row.v[row].words.n + s->question.v[s->row.v[row].question].words.n +
         tok_around(d->tok, 2);
}

// A place is no token.
int64_t data_spans_count(const Data *d, int64_t *count) {
  (void)d;
  (void)count;
  return -1;
}

// Where the context begins in a row.
static int64_t context_place(const Data *d, const SpanQuestion *q) {
  const TokSlot *slot;
  int slots = tok_slots(d->tok, 2, &slot);
  int64_t at = 0;
  for (; slots-- && !(slot->id < 0 && slot->text == 1); slot++)
    at += slot->id >= 0 ? 1 : q->words.n;
  return at;
}

// An answer that is not whole in a row is at its first place there, as is none.
static void put_answer(Data *d, const SpanQuestion *q, const SpanRow *r, int64_t place, int64_t b) {
  int32_t without = q->known ? 0 : -1;
  bool in = q->start >= r->words.from && q->start >= 0 && q->end < r->words.from + r->words.n;
  d->buf.start[b] = in ? (int32_t)(place + q->start - r->words.from) : without;
  d->buf.end[b] = in ? (int32_t)(place + q->end - r->words.from) : without;
}

void data_spans_row(Data *d, int64_t row, int64_t b, const uint32_t key[2], DataBatch *out) {
  (void)key;
  const Spans *s = d->own;
  const SpanRow *r = &s->row.v[row];
  const SpanQuestion *q = &s->question.v[r->question];
  int64_t at[2];
  data_put_texts(d, (DataText[]){q->words, r->words}, 2, b, out, at);
  for (int64_t i = 0; i < out->L; i++)
    d->buf.context[b * out->L + i] = i >= at[1] && i < at[1] + r->words.n;
  put_answer(d, q, r, at[1], b);
}

// ---- what is said
// The unit that a token of a context is of.
static const SpanUnit *unit_of(const Spans *s, const SpanContext *c, int64_t token) {
  int64_t lo = c->unit, hi = c->unit + c->units;
  while (hi - lo > 1) {
    int64_t mid = lo + (hi - lo) / 2;
    *(s->unit.v[mid].token <= token ? &lo : &hi) = mid;
  }
  return &s->unit.v[lo];
}

static void text_said(const Data *d, const SpanRow *r, const SpanSaid *said, SpanAnswer *out) {
  const Spans *s = d->own;
  const SpanQuestion *q = &s->question.v[r->question];
  const SpanContext *c = &s->context.v[q->context];
  int64_t first = r->words.from - context_place(d, q);
  const SpanUnit *from = unit_of(s, c, first + said->start), *to = unit_of(s, c, first + said->end);
  out->text = s->text.v + c->text + from->from;
  out->n = (size_t)(to->to - from->from);
}

static int compare_with(SpanAnswer *a, const char *right, size_t n, BigsError *e) {
  double exact, f1;
  if (span_compare(a->text, a->n, right, n, &exact, &f1, e))
    return BIGS_EMODEL;
  a->exact = exact > a->exact ? exact : a->exact;
  a->f1 = f1 > a->f1 ? f1 : a->f1;
  return 0;
}

// The best of all right answers counts, those of articles and punctuation alone left out; without any, none is right.
static int judge(const Spans *s, const SpanQuestion *q, SpanAnswer *a, BigsError *e) {
  int64_t compared = 0;
  int status = 0;
  a->known = q->known;
  for (int64_t i = 0; i < q->answers && !status; i++) {
    const SpanText *t = &s->answer.v[q->answer + i];
    const char *right = s->text.v + t->text;
    double blank, f1;
    status = span_compare(right, (size_t)t->size, "", 0, &blank, &f1, e);
    if (status || blank > 0)
      continue;
    compared++;
    status = compare_with(a, right, (size_t)t->size, e);
  }
  return status || compared || !q->known ? status : compare_with(a, "", 0, e);
}

// Of one question's rows.  That there is no answer is said where no part of any row is better.
static int answer_question(const Data *d, const SpanSaid *said, int64_t n, SpanAnswer *out,
                           BigsError *e) {
  const Spans *s = d->own;
  int64_t best = 0;
  double none = said[0].none;
  *out = (SpanAnswer){.text = "", .finite = true};
  for (int64_t i = 0; i < n; i++) {
    best = said[i].score > said[best].score ? i : best;
    none = said[i].none < none ? said[i].none : none;
    out->finite &= isfinite(said[i].score) && isfinite(said[i].none);
    out->loss += said[i].loss / (double)n;
  }
  const SpanRow *row = &s->row.v[said[best].row];
  if (!(s->may_lack && none > said[best].score))
    text_said(d, row, &said[best], out);
  return judge(s, &s->question.v[row->question], out, e);
}

int data_answers(const Data *d, const SpanSaid *said, int64_t n, SpanAnswer **out, int64_t *answers,
                 BigsError *e) {
  const SpanRow *row = ((const Spans *)d->own)->row.v;
  int status = 0;
  *answers = 0;
  *out = MALLOC_N(SpanAnswer, n + 1);
  if (!*out)
    return bigs_fail_memory(e, "answers");
  for (int64_t i = 0, end; i < n && !status; i = end) {
    for (end = i + 1; end < n && row[said[end].row].question == row[said[i].row].question;)
      end++;
    status = answer_question(d, said + i, end - i, &(*out)[(*answers)++], e);
  }
  if (status) {
    free(*out);
    *out = NULL;
  }
  return status;
}

const char *data_question_id(const Data *d, int64_t question, size_t *n) {
  const Spans *s = d->own;
  const SpanText *id = &s->question.v[question].id;
  *n = (size_t)id->size;
  return s->text.v + id->text;
}
