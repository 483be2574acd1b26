// A class for each word: see data.h.
//
// Files are those of CoNLL's shared tasks: a word a line, in columns between tabs or spaces, the last of which is its tag, and a
// blank line behind each sentence.  Lines of -DOCSTART- are no words.
#include "runtime/train/data_internal.h"
#include "runtime/train/list.h"
#include "base/alloc.h"
#include <string.h>

typedef struct TagWord {
  int64_t token, text; // where its tokens and its text begin
} TagWord;
typedef struct TagRow {
  int64_t word; // its first
  int32_t sentence;
} TagRow;
typedef struct Tags {
  LIST(TagWord) word;  // and one behind the last
  LIST(int32_t) label; // of each word; of the reader the number of its tag
  LIST(TagRow) row;    // and one behind the last
  LIST(char) text;
} Tags;

static void tags_free(void *own) {
  Tags *t = own;
  free(t->word.v);
  free(t->label.v);
  free(t->row.v);
  free(t->text.v);
  free(t);
}

// ---- reading
typedef struct TagsReader {
  Data *d;
  Tags *tags;
  TextReader *from;
  TokEncoder *encoder;
  TokIds ids;
  LabelWords words;
  const char *path;
  int columns;    // of the file
  int64_t filled; // tokens of the row under way, the last one
  int32_t sentence;
  bool begins; // the next word begins a sentence
} TagsReader;

typedef struct TagLine {
  const char *word, *tag; // tag NULL: none
  size_t nword, ntag;
  int columns;
} TagLine;

static bool is_gap(char c) {
  return c == ' ' || c == '\t';
}

static TagLine cut_line(const TextLine *l) {
  TagLine out = {0};
  const char *s = l->s, *end = l->s + l->n;
  while (s < end) {
    const char *from = s;
    while (s < end && !is_gap(*s))
      s++;
    if (s > from && !out.columns++) {
      out.word = from;
      out.nword = (size_t)(s - from);
    } else if (s > from) {
      out.tag = from;
      out.ntag = (size_t)(s - from);
    }
    while (s < end && is_gap(*s))
      s++;
  }
  return out;
}

static int check_columns(TagsReader *t, const TextLine *l, const TagLine *c, BigsError *e) {
  t->columns = t->columns ? t->columns : c->columns;
  if (c->columns != t->columns)
    return bigs_fail(e, BIGS_EMODEL, "%s:%zu: %d columns where the lines before have %d", l->path,
                     l->line, c->columns, t->columns);
  if (c->tag || t->d->o.unlabelled)
    return 0;
  return bigs_fail(e, BIGS_EMODEL,
                   "%s:%zu: a word without a tag: a line is a word, perhaps other columns, and its "
                   "tag, between tabs or spaces (eval --predictions needs no tags)",
                   l->path, l->line);
}

// A word that the tokenizer leaves nothing of is an unknown one.
static int word_tokens(TagsReader *t, const TextLine *l, const TagLine *c, bool first,
                       BigsError *e) {
  char *text = MALLOC_N(char, c->nword + 2);
  int32_t unknown = tok_special(t->d->tok, TOK_UNK);
  if (!text)
    return bigs_fail_memory(e, "a word");
  *text = ' '; // some tokenizers tell by it where a word begins
  memcpy(text + 1, c->word, c->nword);
  t->ids.n = 0;
  int status = tok_encode(t->encoder, text + first, c->nword + !first, true, &t->ids, e);
  free(text);
  if (status || t->ids.n)
    return status;
  return unknown >= 0
             ? tok_push(&t->ids, unknown, e)
             : bigs_fail(e, BIGS_EMODEL, "%s:%zu: the tokenizer leaves nothing of \"%.*s\"",
                         l->path, l->line, (int)(c->nword < 40 ? c->nword : 40), c->word);
}

// The word goes into the row under way where it fits, else into a new one of the same sentence.
static int place_word(TagsReader *t, bool begins, BigsError *e) {
  int64_t most = t->d->o.length - tok_around(t->d->tok, 1);
  if ((int64_t)t->ids.n > most) {
    t->ids.n = (size_t)most;
    t->d->ncut++;
  }
  t->sentence += begins;
  if (!begins && t->filled + (int64_t)t->ids.n <= most) {
    t->filled += (int64_t)t->ids.n;
    return 0;
  }
  t->filled = (int64_t)t->ids.n;
  return LIST_ADD(&t->tags->row, ((TagRow){t->tags->label.n, t->sentence}), e);
}

static int push_word(TagsReader *t, const TextLine *l, const TagLine *c, BigsError *e) {
  Tags *tags = t->tags;
  TagWord word = {t->d->ntoken, tags->text.n};
  int32_t tag = -1;
  int status = c->tag ? label_words_add(&t->words, c->tag, c->ntag,
                                        (LabelWord){NULL, l->path, l->line}, &tag, e)
                      : 0;
  status = status ? status : LIST_ADD(&tags->word, word, e);
  status = status ? status : LIST_ADD(&tags->label, tag, e);
  status = status ? status : LIST_ROOM(&tags->text, (int64_t)c->nword, e);
  if (status)
    return status;
  memcpy(tags->text.v + tags->text.n, c->word, c->nword);
  tags->text.n += (int64_t)c->nword;
  for (size_t i = 0; i < t->ids.n && !status; i++)
    status = data_push(t->d, t->ids.v[i], e);
  return status;
}

static int read_word(TagsReader *t, const TextLine *l, bool begins, BigsError *e) {
  TagLine c = cut_line(l);
  int status = check_columns(t, l, &c, e);
  status = status ? status : word_tokens(t, l, &c, begins, e);
  status = status ? status : place_word(t, begins, e);
  return status ? status : push_word(t, l, &c, e);
}

static int begin_file(TagsReader *t, const TextLine *l, BigsError *e) {
  t->path = l->path;
  t->columns = 0;
  return data_push_file(t->d, l->path, t->tags->label.n, e);
}

static bool is_start_of_document(const TextLine *l) {
  static const char mark[] = "-DOCSTART-";
  return l->n >= strlen(mark) && !memcmp(l->s, mark, strlen(mark));
}

static int take_line(void *reader, const TextLine *l, BigsError *e) {
  TagsReader *t = reader;
  int status = data_whole_line(l, e);
  if (!status && l->path != t->path)
    status = begin_file(t, l, e);
  t->begins |= l->new_document;
  if (status || is_start_of_document(l)) {
    t->begins = true;
    return status;
  }
  status = read_word(t, l, t->begins, e);
  t->begins = false;
  return status;
}

// What stands behind the last word and the last row.
static int end_lists(TagsReader *t, BigsError *e) {
  Tags *tags = t->tags;
  if (!tags->row.n)
    return bigs_fail(e, BIGS_EMODEL, "%s: no words in it", text_file(t->from, 0));
  t->d->rows = tags->row.n;
  t->d->notes = tags->label.v;
  t->d->nnote = tags->label.n;
  int status = LIST_ADD(&tags->word, ((TagWord){t->d->ntoken, tags->text.n}), e);
  return status ? status : LIST_ADD(&tags->row, ((TagRow){tags->label.n, -1}), e);
}

int data_tags_read(Data *d, const char *const *paths, int n, BigsError *e) {
  TagsReader t = {.d = d, .sentence = -1, .begins = true};
  t.tags = data_own(d, sizeof *t.tags, tags_free, e);
  if (!t.tags)
    return BIGS_EMODEL;
  t.from = text_open(paths, n, e);
  t.encoder = t.from ? tok_encoder_new(d->tok, e) : NULL;
  int status = !t.from      ? bigs_status(e, BIGS_EFILE)
               : !t.encoder ? BIGS_EMODEL
                            : data_each_line(d, t.from, take_line, &t, e);
  status = status ? status : end_lists(&t, e);
  status = status ? status : data_classes(d, &t.words, t.tags->label.v, t.tags->label.n, e);
  free(t.ids.v);
  label_words_free(&t.words);
  tok_encoder_free(t.encoder);
  text_close(t.from);
  return status;
}

const char *data_word(const Data *d, int64_t i, size_t *n, int32_t *sentence) {
  const Tags *t = d->own;
  int64_t lo = 0, hi = d->rows;
  while (hi - lo > 1) { // the last row that begins at the word or before it
    int64_t mid = lo + (hi - lo) / 2;
    *(t->row.v[mid].word <= i ? &lo : &hi) = mid;
  }
  *sentence = t->row.v[lo].sentence;
  *n = (size_t)(t->word.v[i + 1].text - t->word.v[i].text);
  return t->text.v + t->word.v[i].text;
}

// ---- rows
static int64_t row_tokens(const Data *d, int64_t row) {
  const Tags *t = d->own;
  return t->word.v[t->row.v[row + 1].word].token - t->word.v[t->row.v[row].word].token;
}

int64_t data_tags_length(const Data *d, int64_t row) {
  return row_tokens(d, row) + tok_around(d->tok, 1);
}

// A tag is no token.
int64_t data_tags_count(const Data *d, int64_t *count) {
  (void)d;
  (void)count;
  return -1;
}

// The words of a row whose tokens begin at this place of the batch.
static void put_words(Data *d, int64_t row, int64_t cell, DataBatch *out) {
  const Tags *t = d->own;
  int64_t first = t->row.v[row].word, end = t->row.v[row + 1].word;
  for (int64_t w = first; w < end; w++) {
    d->buf.at[out->M] = (int32_t)(cell + t->word.v[w].token - t->word.v[first].token);
    d->buf.target[out->M++] = t->label.v[w];
  }
}

void data_tags_row(Data *d, int64_t row, int64_t b, const uint32_t key[2], DataBatch *out) {
  (void)key;
  const Tags *t = d->own;
  DataText text = {t->word.v[t->row.v[row].word].token, row_tokens(d, row)};
  int64_t at[2];
  data_put_texts(d, &text, 1, b, out, at);
  put_words(d, row, b * out->L + at[0], out);
  d->buf.part[b] = t->row.v[row].sentence;
}
