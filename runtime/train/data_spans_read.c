// Files of questions: SQuAD's JSON, and lines of columns.  See data_spans.h.
#include "runtime/train/data_spans.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/utf8.h"
#include "runtime/files/json.h"
#include "runtime/text/unicode.h"
#include "runtime/text/words.h"
#include <stdio.h>
#include <string.h>

typedef struct SpansReader {
  Data *d;
  Spans *s;
  TextReader *from;
  TokEncoder *encoder;
  const char *path;
  LIST(char) json; // of the file under way; n 0: it has columns
  Map ids; // numbers of questions: of the file, or of all where answers are written, which are told apart by them
  int column[5], columns;
  size_t line;
} SpansReader;

// What is said of a question, before it is cut into tokens.
typedef struct RawAnswer {
  TextField text;
  int64_t at; // its first character in the context, from 0; -1: where it stands first
} RawAnswer;

// ---- texts
static int keep_text(Spans *s, TextField text, SpanText *out, BigsError *e) {
  if (LIST_ROOM(&s->text, (int64_t)text.n, e))
    return BIGS_EMODEL;
  *out = (SpanText){s->text.n, (int64_t)text.n};
  if (text.n)
    memcpy(s->text.v + s->text.n, text.s, text.n);
  s->text.n += (int64_t)text.n;
  return 0;
}

static bool is_blank_char(int32_t c) {
  return c == '\t' || c == '\n' || c == '\r' || unicode_is_space(c);
}

static bool is_alone(int32_t c) {
  return is_symbol_char(c) || is_ideograph(c);
}

// The end of the unit that begins at `at`, where no blank stands.
static const char *unit_end(const char *at, const char *end) {
  bool alone = is_alone(utf8_next(&at));
  for (const char *next = at; !alone && at < end; at = next) {
    int32_t c = utf8_next(&next);
    if (is_blank_char(c) || is_alone(c))
      break;
  }
  return at;
}

// A blank before it belongs to what is cut: some tokenizers tell by it where a word begins.
static int push_unit(SpansReader *r, TextField context, const char *at, const char *end, bool blank,
                     BigsError *e) {
  SpanUnit u = {.from = (int32_t)(at - context.s), .to = (int32_t)(end - context.s)};
  DataText cut;
  char text[4096];
  size_t size = (size_t)(end - at);
  bool spaced = blank && size + 1 < sizeof text;
  if (spaced) {
    *text = ' ';
    memcpy(text + 1, at, size);
  }
  TextField whole = spaced ? (TextField){text, size + 1} : (TextField){at, size};
  int status = data_push_text(r->d, r->encoder, whole, false, &cut, e);
  u.token = cut.from;
  u.n = (int32_t)cut.n;
  return status ? status : LIST_ADD(&r->s->unit, u, e);
}

static int cut_units(SpansReader *r, TextField context, BigsError *e) {
  int status = 0;
  bool blank = false;
  for (const char *at = context.s, *end = at + context.n; at < end && !status;) {
    const char *next = at;
    if (is_blank_char(utf8_next(&next))) {
      blank = true;
      at = next;
      continue;
    }
    next = unit_end(at, end);
    status = push_unit(r, context, at, next, blank, e);
    blank = false;
    at = next;
  }
  return status;
}

static int push_context(SpansReader *r, TextField text, BigsError *e) {
  Spans *s = r->s;
  SpanText kept;
  SpanContext c = {.unit = s->unit.n, .token = r->d->ntoken};
  int status = text.n > INT32_MAX
                   ? bigs_fail(e, BIGS_EMODEL, "%s: a text of more than 2 GiB", r->path)
                   : keep_text(s, text, &kept, e);
  status = status ? status : cut_units(r, text, e);
  if (status)
    return status;
  c.text = kept.text;
  c.size = kept.size;
  c.units = s->unit.n - c.unit;
  c.tokens = r->d->ntoken - c.token;
  return LIST_ADD(&s->context, c, e);
}

// ---- answers
// The byte of a character; -1: the text is not so long.
static int64_t byte_of(TextField text, int64_t character) {
  const char *at = text.s, *end = text.s + text.n;
  for (; at < end && character > 0; character--)
    utf8_next(&at);
  return character ? -1 : at - text.s;
}

static int64_t find_text(TextField context, TextField text) {
  for (size_t i = 0; i + text.n <= context.n; i++)
    if (!memcmp(context.s + i, text.s, text.n))
      return (int64_t)i;
  return -1;
}

// Where an answer begins in its context, or -1: it is not what stands there.
static int64_t place_of(TextField context, const RawAnswer *a) {
  int64_t at = a->at < 0 ? find_text(context, a->text) : byte_of(context, a->at);
  bool there = at >= 0 && (size_t)at + a->text.n <= context.n &&
               !memcmp(context.s + at, a->text.s, a->text.n);
  return there ? at : -1;
}

// The tokens of the units that an answer has part in.
static void mark_answer(const Spans *s, const SpanContext *c, int64_t from, int64_t to,
                        SpanQuestion *q) {
  q->start = q->end = -1;
  for (int64_t i = c->unit; i < c->unit + c->units; i++) {
    const SpanUnit *u = &s->unit.v[i];
    if (u->to <= from || u->from >= to || !u->n)
      continue;
    q->start = q->start < 0 ? u->token : q->start;
    q->end = u->token + u->n - 1;
  }
}

// what: "line 3", or of which question.
static int push_answer(SpansReader *r, SpanQuestion *q, TextField context, const RawAnswer *a,
                       const char *what, BigsError *e) {
  SpanText kept;
  int64_t at = place_of(context, a);
  if (at < 0)
    return bigs_fail(e, BIGS_EMODEL, "%s: the answer \"%.*s\" is not in its context%s", what,
                     (int)(a->text.n < 60 ? a->text.n : 60), a->text.s,
                     a->at < 0 ? "" : " where it is said to begin, in characters from 0");
  if (!q->answers++)
    mark_answer(r->s, &r->s->context.v[q->context], at, at + (int64_t)a->text.n, q);
  if (q->start < 0)
    return bigs_fail(e, BIGS_EMODEL, "%s: the tokenizer leaves nothing of the answer \"%.*s\"",
                     what, (int)(a->text.n < 60 ? a->text.n : 60), a->text.s);
  int status = keep_text(r->s, a->text, &kept, e);
  return status ? status : LIST_ADD(&r->s->answer, kept, e);
}

// ---- lines
static const char *const columns[] = {"question", "context", "answer", "start", "id"};
enum { COLUMN_QUESTION, COLUMN_CONTEXT, COLUMN_ANSWER, COLUMN_START, COLUMN_ID, COLUMNS };

static int read_header(SpansReader *r, const TextLine *l, BigsError *e) {
  TextField field[MAX_COLUMNS];
  r->columns = cut_fields(l, field);
  if (r->columns > MAX_COLUMNS)
    return bigs_fail(e, BIGS_EMODEL, "%s:%zu: more than %d columns", l->path, l->line, MAX_COLUMNS);
  for (int i = 0; i < COLUMNS; i++) {
    r->column[i] = -1;
    for (int k = r->columns - 1; k >= 0; k--)
      if (field[k].n == strlen(columns[i]) && !memcmp(field[k].s, columns[i], field[k].n))
        r->column[i] = k;
    if (r->column[i] < 0 && i <= (r->d->o.unlabelled ? COLUMN_CONTEXT : COLUMN_ANSWER))
      return bigs_fail(
          e, BIGS_EMODEL,
          "%s:%zu: the header has no column \"%s\": there are to be question, context, "
          "answer, and perhaps start and id, or the file is SQuAD's JSON",
          l->path, l->line, columns[i]);
    if (column_once(l, field, r->columns, r->column[i], e))
      return BIGS_EMODEL;
  }
  return 0;
}

static TextField field_text(const SpansReader *r, const TextField *field, int column) {
  return r->column[column] < 0 ? (TextField){"", 0} : field[r->column[column]];
}

static int read_start(const TextLine *l, TextField text, int64_t *out, BigsError *e) {
  int64_t at = 0;
  for (size_t i = 0; i < text.n; i++)
    if (text.s[i] < '0' || text.s[i] > '9' || text.n > 12)
      return bigs_fail(e, BIGS_EMODEL, "%s:%zu: start \"%.*s\" is not a whole number from 0",
                       l->path, l->line, (int)(text.n < 40 ? text.n : 40), text.s);
    else
      at = at * 10 + (text.s[i] - '0');
  *out = text.n ? at : -1;
  return 0;
}

// An empty answer is none.
static int read_line_answer(SpansReader *r, const TextLine *l, const TextField *field,
                            SpanQuestion *q, BigsError *e) {
  char what[512];
  RawAnswer a = {.text = field_text(r, field, COLUMN_ANSWER)};
  snprintf(what, sizeof what, "%s:%zu", l->path, l->line);
  q->known = r->column[COLUMN_ANSWER] >= 0;
  r->s->may_lack |= q->known && !a.text.n;
  int status = read_start(l, field_text(r, field, COLUMN_START), &a.at, e);
  return status || !a.text.n ? status
                             : push_answer(r, q, field_text(r, field, COLUMN_CONTEXT), &a, what, e);
}

static int no_context(const char *what, const SpanContext *c, BigsError *e) {
  return c->tokens ? 0 : bigs_fail(e, BIGS_EMODEL, "%s: the context is empty", what);
}

typedef struct WantedId {
  const Spans *s;
  TextField id;
} WantedId;

static bool is_wanted_id(const void *wanted, uint64_t value) {
  const WantedId *w = wanted;
  SpanText id = w->s->question.v[value].id;
  return (size_t)id.size == w->id.n && !memcmp(w->s->text.v + id.text, w->id.s, w->id.n);
}

// Of the question that comes next.
static int keep_id(SpansReader *r, TextField id, const char *what, SpanText *out, BigsError *e) {
  uint64_t key = hash_bytes(0, id.s, id.n) | 1; // 0 is no key
  if (id.n && map_find(&r->ids, key, is_wanted_id, &(WantedId){r->s, id}))
    return bigs_fail(e, BIGS_EMODEL, "%s: another question has the id \"%.*s\" already", what,
                     (int)(id.n < 60 ? id.n : 60), id.s);
  if (id.n && !map_add(&r->ids, key, (uint64_t)r->s->question.n))
    return bigs_fail_memory(e, "ids of questions");
  return keep_text(r->s, id, out, e);
}

static int push_question(SpansReader *r, TextField text, SpanQuestion *q, BigsError *e) {
  q->context = r->s->context.n - 1;
  q->answer = r->s->answer.n;
  q->start = q->end = -1;
  return data_push_text(r->d, r->encoder, text, false, &q->words, e);
}

static int read_columns(SpansReader *r, const TextLine *l, BigsError *e) {
  TextField field[MAX_COLUMNS];
  char what[512];
  SpanQuestion q = {0};
  int n = cut_fields(l, field);
  if (n != r->columns)
    return data_other_fields(r->d, l, n, r->columns, e);
  snprintf(what, sizeof what, "%s:%zu", l->path, l->line);
  int status = push_context(r, field_text(r, field, COLUMN_CONTEXT), e);
  status = status ? status : no_context(what, &r->s->context.v[r->s->context.n - 1], e);
  status = status ? status : push_question(r, field_text(r, field, COLUMN_QUESTION), &q, e);
  status = status ? status : keep_id(r, field_text(r, field, COLUMN_ID), what, &q.id, e);
  status = status ? status : read_line_answer(r, l, field, &q, e);
  return status ? status : LIST_ADD(&r->s->question, q, e);
}

// ---- JSON
static const JsonValue *member_text(const JsonValue *v, const char *key) {
  const JsonValue *x = json_get(v, key);
  return x && x->kind == JSON_STRING ? x : NULL;
}

static const JsonValue *member_list(const JsonValue *v, const char *key) {
  const JsonValue *x = json_get(v, key);
  return x && x->kind == JSON_ARRAY ? x->child : NULL;
}

static int lacks(const SpansReader *r, const JsonValue *v, const char *key, BigsError *e) {
  return bigs_fail(e, BIGS_EMODEL, "%s: byte %zu: no \"%s\" here, as SQuAD's files have it",
                   r->path, v->offset, key);
}

static int read_json_answers(SpansReader *r, const JsonValue *v, TextField context, SpanQuestion *q,
                             BigsError *e) {
  char what[512];
  const JsonValue *id = member_text(v, "id");
  snprintf(what, sizeof what, "%s: byte %zu: question %.60s", r->path, v->offset,
           id ? id->text : "");
  for (const JsonValue *a = member_list(v, "answers"); a; a = a->next) {
    const JsonValue *text = member_text(a, "text");
    RawAnswer raw = {.text = {text ? text->text : "", text ? text->size : 0}};
    if (!raw.text.n)
      return lacks(r, a, "text", e);
    if (!json_int(json_get(a, "answer_start"), &raw.at) || raw.at < 0)
      return lacks(r, a, "answer_start", e);
    int status = push_answer(r, q, context, &raw, what, e);
    if (status)
      return status;
  }
  return 0;
}

// A question without a list of answers is one of a test.
static int read_json_question(SpansReader *r, const JsonValue *v, TextField context, BigsError *e) {
  const JsonValue *text = member_text(v, "question"), *id = member_text(v, "id"),
                  *lack = json_get(v, "is_impossible");
  SpanQuestion q = {.known = json_get(v, "answers") != NULL};
  char what[512];
  if (!text || !id)
    return lacks(r, v, text ? "id" : "question", e);
  snprintf(what, sizeof what, "%s: byte %zu", r->path, v->offset);
  r->s->may_lack |= lack != NULL;
  if (!q.known && !r->d->o.unlabelled)
    return lacks(r, v, "answers", e);
  int status = push_question(r, (TextField){text->text, text->size}, &q, e);
  status = status ? status : keep_id(r, (TextField){id->text, id->size}, what, &q.id, e);
  if (!status && !(lack && lack->kind == JSON_TRUE))
    status = read_json_answers(r, v, context, &q, e);
  if (!status && q.known && !q.answers && !lack)
    status = bigs_fail(e, BIGS_EMODEL, "%s: byte %zu: question %.60s has no answer", r->path,
                       v->offset, id->text);
  return status ? status : LIST_ADD(&r->s->question, q, e);
}

static int read_paragraph(SpansReader *r, const JsonValue *v, BigsError *e) {
  char what[512];
  const JsonValue *context = member_text(v, "context"), *list = json_get(v, "qas");
  if (!context || !list || list->kind != JSON_ARRAY)
    return lacks(r, v, context ? "qas" : "context", e);
  TextField text = {context->text, context->size};
  snprintf(what, sizeof what, "%s: byte %zu", r->path, v->offset);
  int status = push_context(r, text, e);
  status = status ? status : no_context(what, &r->s->context.v[r->s->context.n - 1], e);
  for (const JsonValue *q = list->child; q && !status; q = q->next)
    status = read_json_question(r, q, text, e);
  return status;
}

static int read_json(SpansReader *r, BigsError *e) {
  JsonDoc *doc = json_parse(r->json.v, (size_t)r->json.n, r->path, 0, e);
  const JsonValue *data = doc ? json_get(json_root(doc), "data") : NULL;
  int status = !doc                                ? bigs_status(e, BIGS_EFILE)
               : !data || data->kind != JSON_ARRAY ? lacks(r, json_root(doc), "data", e)
                                                   : 0;
  for (const JsonValue *a = data ? data->child : NULL; a && !status; a = a->next) {
    const JsonValue *list = json_get(a, "paragraphs");
    if (!list || list->kind != JSON_ARRAY)
      status = lacks(r, a, "paragraphs", e);
    for (const JsonValue *p = status ? NULL : list->child; p && !status; p = p->next)
      status = read_paragraph(r, p, e);
  }
  json_free(doc);
  r->json.n = 0;
  return status;
}

// ---- files
static int begin_file(SpansReader *r, const TextLine *l, BigsError *e) {
  r->path = l->path;
  r->line = 0;
  r->columns = 0;
  if (!r->d->o.unlabelled)
    map_clear(&r->ids);
  return data_push_file(r->d, l->path, r->s->question.n, e);
}

// Parts of one line join again.
static int keep_json(SpansReader *r, const TextLine *l, BigsError *e) {
  if (LIST_ROOM(&r->json, (int64_t)l->n + 1, e))
    return BIGS_EMODEL;
  if (r->json.n && l->line != r->line)
    r->json.v[r->json.n++] = '\n';
  memcpy(r->json.v + r->json.n, l->s, l->n);
  r->json.n += (int64_t)l->n;
  return 0;
}

static int take_line(void *reader, const TextLine *l, BigsError *e) {
  SpansReader *r = reader;
  bool first = l->path != r->path;
  int status = first && r->json.n ? read_json(r, e) : 0;
  status = status || !first ? status : begin_file(r, l, e);
  bool json = r->json.n || (first && l->s[strspn(l->s, " \t")] == '{');
  if (!status && !json)
    status = data_whole_line(l, e);
  if (!status)
    status = json ? keep_json(r, l, e) : first ? read_header(r, l, e) : read_columns(r, l, e);
  r->line = l->line;
  return status;
}

static int read_all(SpansReader *r, BigsError *e) {
  int status = data_each_line(r->d, r->from, take_line, r, e);
  return status || !r->json.n ? status : read_json(r, e);
}

int spans_read(Data *d, Spans *s, const char *const *paths, int n, BigsError *e) {
  SpansReader r = {.d = d, .s = s, .from = text_open(paths, n, e)};
  r.encoder = r.from ? tok_encoder_new(d->tok, e) : NULL;
  int status = !r.from ? bigs_status(e, BIGS_EFILE) : !r.encoder ? BIGS_EMODEL : read_all(&r, e);
  if (!status && !s->question.n)
    status = bigs_fail(e, BIGS_EMODEL, "%s: no questions in it", text_file(r.from, 0));
  free(r.json.v);
  map_free(&r.ids);
  tok_encoder_free(r.encoder);
  text_close(r.from);
  return status;
}
