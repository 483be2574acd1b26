// Files of choices: see data_choices.h.
//
// Files have a header of columns between tabs, or commas with quotes around (SWAG), or are JSON: an object a line (COPA), or a whole
// file of one with lists of questions, options and answers (RACE).  columns_of says what columns and members are called.
#include "runtime/train/data_choices.h"
#include "base/alloc.h"
#include "base/bug.h"
#include "runtime/files/json.h"
#include <stdio.h>
#include <string.h>

enum { MOST_CHOICES = 26 };

// ---- a row as files have it
typedef struct RawRow {
  TextField context, before, label; // before: what each choice begins with
  TextField choice[MOST_CHOICES];
  uint32_t has; // bits of choices
} RawRow;

typedef struct ChoicesReader {
  Data *d;
  Choices *c;
  TextReader *from;
  TokEncoder *encoder;
  const char *path;
  TextField name[MAX_COLUMNS]; // of the header, in `header`
  int columns;
  char *header, *cells; // cells: room for the fields of a line
  bool commas, json;
  LIST(char) text;   // of a choice
  LIST(char) object; // of JSON, as far as it is read
  char where[512];
} ChoicesReader;

typedef enum ChoiceColumn {
  CHOICE_NONE,
  CHOICE_CONTEXT,
  CHOICE_BEFORE,
  CHOICE_LABEL,
  CHOICE_TEXT
} ChoiceColumn;
static const struct {
  const char *name;
  ChoiceColumn is;
} columns_of[] = {
    {"context", CHOICE_CONTEXT}, {"premise", CHOICE_CONTEXT}, {"sent1", CHOICE_CONTEXT},
    {"article", CHOICE_CONTEXT}, {"question", CHOICE_BEFORE}, {"sent2", CHOICE_BEFORE},
    {"label", CHOICE_LABEL},     {"answer", CHOICE_LABEL},    {"choice", CHOICE_TEXT},
    {"ending", CHOICE_TEXT},     {"option", CHOICE_TEXT}};

// One or two digits; -1: it is something else.
static int number_of(const char *s, size_t n) {
  int x = n == 1 || n == 2 ? 0 : -1;
  for (size_t i = 0; i < n && x >= 0; i++)
    x = s[i] >= '0' && s[i] <= '9' ? x * 10 + (s[i] - '0') : -1;
  return x;
}

// What a column holds; of a choice also which one, as it is counted there, from 0 or 1.
static ChoiceColumn column_of(TextField name, int *number) {
  for (int i = 0; i < COUNT(columns_of); i++) {
    size_t n = strlen(columns_of[i].name);
    if (name.n < n || memcmp(name.s, columns_of[i].name, n) != 0)
      continue;
    if (columns_of[i].is != CHOICE_TEXT && name.n == n)
      return columns_of[i].is;
    *number = number_of(name.s + n, name.n - n);
    if (columns_of[i].is == CHOICE_TEXT && *number >= 0)
      return CHOICE_TEXT;
  }
  return CHOICE_NONE;
}

// Choices may be counted from 1: choice[n] is at bit n.
static void put_field(RawRow *row, TextField name, TextField text) {
  int number = 0;
  switch (column_of(name, &number)) {
  case CHOICE_CONTEXT: row->context = text; break;
  case CHOICE_BEFORE: row->before = text; break;
  case CHOICE_LABEL: row->label = text; break;
  case CHOICE_TEXT:
    if (number < MOST_CHOICES) {
      row->choice[number] = text;
      row->has |= 1u << number;
    }
    break;
  case CHOICE_NONE: break;
  }
}

// Counted from 0, without gaps; how many; 0: it is not so.
static int count_choices(RawRow *row) {
  int n = 0;
  if (!(row->has & 1)) {
    memmove(row->choice, row->choice + 1, sizeof row->choice - sizeof *row->choice);
    row->has >>= 1;
  }
  while (row->has >> n & 1)
    n++;
  return row->has >> n ? 0 : n;
}

// ---- tokens
static int push_text(ChoicesReader *r, TextField f, DataText *out, BigsError *e) {
  return data_push_text(r->d, r->encoder, f, false, out, e);
}

static int add_bytes(ChoicesReader *r, const char *s, size_t n, BigsError *e) {
  if (LIST_ROOM(&r->text, (int64_t)n + 1, e))
    return BIGS_EMODEL;
  if (n)
    memcpy(r->text.v + r->text.n, s, n);
  r->text.n += (int64_t)n;
  return 0;
}

// A choice stands behind what is before it, or in the place of a `_` there, as RACE has it.
static int push_choice(ChoicesReader *r, TextField before, TextField choice, BigsError *e) {
  DataText text;
  const char *gap = before.n ? memchr(before.s, '_', before.n) : NULL;
  size_t left = gap ? (size_t)(gap - before.s) : before.n;
  r->text.n = 0;
  int status = add_bytes(r, before.s, left, e);
  status = status || gap || !before.n ? status : add_bytes(r, " ", 1, e);
  status = status ? status : add_bytes(r, choice.s, choice.n, e);
  for (; gap && gap < before.s + before.n && *gap == '_'; gap++)
    left++;
  if (!status && gap)
    status = add_bytes(r, gap, before.n - left, e);
  status = status ? status : push_text(r, (TextField){r->text.v, (size_t)r->text.n}, &text, e);
  return status ? status : LIST_ADD(&r->c->text, text, e);
}

// A number from 0, or a letter from A; -1, and an error, where it is none of n.
static int read_label(const ChoicesReader *r, TextField f, int n, int32_t *out, BigsError *e) {
  int64_t x = f.n ? 0 : -1;
  for (size_t i = 0; i < f.n && x >= 0; i++)
    x = f.s[i] >= '0' && f.s[i] <= '9' && i < 9 ? x * 10 + (f.s[i] - '0') : -1;
  if (f.n == 1 && *f.s >= 'A' && *f.s <= 'Z')
    x = *f.s - 'A';
  *out = x >= 0 && x < n ? (int32_t)x : -1;
  if (*out >= 0 || r->d->o.unlabelled)
    return 0;
  return bigs_fail(e, BIGS_EMODEL,
                   "%s: label \"%.*s\", but there are %d choices: it is 0 to %d, or A to %c",
                   r->where, (int)(f.n < 40 ? f.n : 40), f.s ? f.s : "", n, n - 1, 'A' + n - 1);
}

static int check_choices(ChoicesReader *r, int n, BigsError *e) {
  if (n < 2)
    return bigs_fail(e, BIGS_EMODEL,
                     "%s: no choices: they are called choice0, choice1 ... (or ending, option), at "
                     "least two and at most %d, without gaps",
                     r->where, MOST_CHOICES);
  if (r->c->n && n != r->c->n)
    return bigs_fail(e, BIGS_EMODEL, "%s: %d choices where the rows before have %d", r->where, n,
                     r->c->n);
  r->c->n = n;
  return 0;
}

static int push_row(ChoicesReader *r, RawRow *raw, BigsError *e) {
  ChoiceRow row = {.choice = r->c->text.n, .pair = raw->context.n > 0};
  int n = count_choices(raw);
  int status = check_choices(r, n, e);
  status = status ? status : read_label(r, raw->label, n, &row.label, e);
  status = status ? status : push_text(r, raw->context, &row.context, e);
  for (int i = 0; i < n && !status; i++)
    status = push_choice(r, raw->before, raw->choice[i], e);
  status = status ? status : LIST_ADD(&r->c->note, row.label, e);
  return status ? status : LIST_ADD(&r->c->row, row, e);
}

// ---- lines of columns
// Behind an opening quote: as far as the closing one, two of them in between being one.
static const char *cut_quoted(const char *s, const char *end, char **to) {
  while (s < end) {
    if (*s == '"' && !(s + 1 < end && s[1] == '"'))
      return s + 1;
    s += *s == '"';
    *(*to)++ = *s++;
  }
  return s;
}

// Between commas, into `to`, which may be the line itself.
static int cut_commas(const TextLine *l, char *to, TextField *field) {
  const char *s = l->s, *end = l->s + l->n;
  for (int n = 0; n < MAX_COLUMNS; n++) {
    char *from = to;
    if (s < end && *s == '"')
      s = cut_quoted(s + 1, end, &to);
    while (s < end && *s != ',')
      *to++ = *s++;
    field[n] = (TextField){from, (size_t)(to - from)};
    if (s++ == end)
      return n + 1;
  }
  return MAX_COLUMNS + 1;
}

static int cut_line(const ChoicesReader *r, const TextLine *l, char *room, TextField *field) {
  return r->commas ? cut_commas(l, room, field) : cut_fields(l, field);
}

// The names are kept: the line goes.
static int keep_header(ChoicesReader *r, const TextLine *l, BigsError *e) {
  free(r->header);
  r->header = MALLOC_N(char, l->n + 1);
  if (!r->header)
    return bigs_fail_memory(e, "a header");
  memcpy(r->header, l->s, l->n);
  TextLine kept = *l;
  kept.s = r->header;
  r->commas = !memchr(l->s, '\t', l->n) && memchr(l->s, ',', l->n);
  r->columns = cut_line(r, &kept, r->header, r->name);
  return r->columns <= MAX_COLUMNS
             ? 0
             : bigs_fail(e, BIGS_EMODEL, "%s: more than %d columns", r->where, MAX_COLUMNS);
}

// Columns that hold the same: of one name, or of two.
static bool same_column(TextField a, TextField b) {
  int x = 0, y = 0;
  ChoiceColumn is = column_of(a, &x);
  return is != CHOICE_NONE && is == column_of(b, &y) && x == y;
}

static int check_twice(const ChoicesReader *r, BigsError *e) {
  for (int i = 0; i < r->columns; i++)
    for (int k = i + 1; k < r->columns; k++)
      if (same_column(r->name[i], r->name[k]))
        return bigs_fail(
            e, BIGS_EMODEL, "%s: the columns \"%.*s\" and \"%.*s\" of the header hold the same",
            r->where, (int)r->name[i].n, r->name[i].s, (int)r->name[k].n, r->name[k].s);
  return 0;
}

// Its columns are those of a row.
static int read_header(ChoicesReader *r, const TextLine *l, BigsError *e) {
  RawRow row = {0};
  int status = keep_header(r, l, e);
  bool label = false;
  for (int i = 0; i < r->columns && !status; i++) {
    int number;
    put_field(&row, r->name[i], (TextField){"", 0});
    label |= column_of(r->name[i], &number) == CHOICE_LABEL;
  }
  status = status ? status : check_twice(r, e);
  status = status ? status : check_choices(r, count_choices(&row), e);
  if (!status && !label && !r->d->o.unlabelled)
    status = bigs_fail(e, BIGS_EMODEL, "%s: the header has no column \"label\"", r->where);
  return status;
}

static int read_columns(ChoicesReader *r, const TextLine *l, BigsError *e) {
  TextField field[MAX_COLUMNS];
  RawRow row = {0};
  int n = cut_line(r, l, r->cells, field);
  if (n != r->columns)
    return data_other_fields(r->d, l, n, r->columns, e);
  for (int i = 0; i < n; i++)
    put_field(&row, r->name[i], field[i]);
  return push_row(r, &row, e);
}

// ---- JSON
static TextField json_field(const JsonValue *v) {
  bool text = v && (v->kind == JSON_STRING || v->kind == JSON_NUMBER);
  return text ? (TextField){v->text, v->size} : (TextField){"", 0};
}

static const JsonValue *item_of(const JsonValue *list, int i) {
  const JsonValue *v = list && list->kind == JSON_ARRAY ? list->child : NULL;
  while (v && i--)
    v = v->next;
  return v;
}

static void put_options(RawRow *row, const JsonValue *option) {
  for (int k = 0; option && k < MOST_CHOICES; k++, option = option->next) {
    row->choice[k] = json_field(option);
    row->has |= 1u << k;
  }
}

// Question i of several about one article.
static int push_question(ChoicesReader *r, const JsonValue *v, int i, BigsError *e) {
  RawRow row = {.context = json_field(json_get(v, "article")),
                .before = json_field(item_of(json_get(v, "questions"), i)),
                .label = json_field(item_of(json_get(v, "answers"), i))};
  put_options(&row, item_of(item_of(json_get(v, "options"), i), 0));
  return push_row(r, &row, e);
}

static int push_object(ChoicesReader *r, const JsonValue *v, BigsError *e) {
  RawRow row = {0};
  const JsonValue *questions = json_get(v, "questions");
  int status = 0;
  if (v->kind != JSON_OBJECT)
    return bigs_fail(e, BIGS_EMODEL, "%s: no object", r->where);
  if (questions) {
    for (int i = 0; item_of(questions, i) && !status; i++)
      status = push_question(r, v, i, e);
    return status;
  }
  put_options(&row, item_of(json_get(v, "options"), 0));
  for (const JsonValue *x = v->child; x; x = x->next)
    put_field(&row, (TextField){x->key, x->key_size}, json_field(x));
  return push_row(r, &row, e);
}

// Lines until they are an object.
static int read_json(ChoicesReader *r, const TextLine *l, BigsError *e) {
  BigsError unfinished = {0};
  if (LIST_ROOM(&r->object, (int64_t)l->n, e))
    return BIGS_EMODEL;
  memcpy(r->object.v + r->object.n, l->s, l->n);
  r->object.n += (int64_t)l->n;
  JsonDoc *doc = json_parse(r->object.v, (size_t)r->object.n, r->path, 0, &unfinished);
  if (!doc)
    return 0;
  r->object.n = 0;
  int status = push_object(r, json_root(doc), e);
  json_free(doc);
  return status;
}

// What is left is no object.
static int end_json(ChoicesReader *r, BigsError *e) {
  JsonDoc *doc = r->object.n ? json_parse(r->object.v, (size_t)r->object.n, r->where, 0, e) : NULL;
  int status = r->object.n && !doc ? bigs_status(e, BIGS_EFILE) : 0;
  json_free(doc);
  r->object.n = 0;
  return status;
}

// ---- files
static int begin_file(ChoicesReader *r, const TextLine *l, BigsError *e) {
  int status = end_json(r, e);
  r->path = l->path;
  r->json = l->s[strspn(l->s, " \t")] == '{';
  status = status ? status : data_push_file(r->d, l->path, r->c->row.n, e);
  return status || r->json ? status : read_header(r, l, e);
}

static int take_line(void *reader, const TextLine *l, BigsError *e) {
  ChoicesReader *r = reader;
  bool first = l->path != r->path;
  snprintf(r->where, sizeof r->where, "%s:%zu", l->path, l->line);
  int status = first ? begin_file(r, l, e) : 0;
  if (!status && !r->json)
    status = data_whole_line(l, e);
  return status ? status : r->json ? read_json(r, l, e) : first ? 0 : read_columns(r, l, e);
}

static int read_all(ChoicesReader *r, BigsError *e) {
  int status = data_each_line(r->d, r->from, take_line, r, e);
  return status ? status : end_json(r, e);
}

int choices_read(Data *d, Choices *c, const char *const *paths, int n, BigsError *e) {
  ChoicesReader r = {.d = d, .c = c, .cells = MALLOC_N(char, 2 * TEXT_MAX_LINE)};
  r.from = r.cells ? text_open(paths, n, e) : NULL;
  r.encoder = r.from ? tok_encoder_new(d->tok, e) : NULL;
  int status = !r.cells     ? bigs_fail_memory(e, "the rows of the data")
               : !r.from    ? bigs_status(e, BIGS_EFILE)
               : !r.encoder ? BIGS_EMODEL
                            : read_all(&r, e);
  if (!status && !r.c->row.n)
    status = bigs_fail(e, BIGS_EMODEL, "%s: no rows behind the header", text_file(r.from, 0));
  free(r.text.v);
  free(r.object.v);
  free(r.header);
  free(r.cells);
  tok_encoder_free(r.encoder);
  text_close(r.from);
  return status;
}
