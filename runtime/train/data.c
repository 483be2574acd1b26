// What all sources of batches share: rows and their order, the split, the cursor.  See data.h.
#include "runtime/train/data.h"
#include "runtime/train/data_internal.h"
#include "base/alloc.h"
#include "base/bug.h"
#include "base/rng.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- the table of sources
#define FIELD(ID, FIELD, name, dtype, shape)
static const struct {
  const char *name;
  int64_t least;
  DataSource does;
} sources[DATA_KINDS] = {
#define SOURCE(ID, id, name, least)                                                                \
  {name, least, {data_##id##_read, data_##id##_length, data_##id##_row, data_##id##_count}},
#include "base/sources.def"
#undef SOURCE
};
#undef FIELD

typedef enum FieldShape { FIELD_NONE, FIELD_BL, FIELD_BCL, FIELD_B, FIELD_M } FieldShape;
static FieldShape field_shape(DataKind kind, const char *name) {
  static const struct {
    DataKind kind;
    FieldShape shape;
    const char *name;
  } fields[] = {
#define SOURCE(ID, id, name, least)
#define FIELD(ID, FIELD, name, dtype, shape) {DATA_##ID, FIELD_##shape, name},
#include "base/sources.def"
#undef SOURCE
#undef FIELD
  };
  for (int i = 0; i < COUNT(fields); i++)
    if (fields[i].kind == kind && !strcmp(fields[i].name, name))
      return fields[i].shape;
  return FIELD_NONE;
}

int data_kind(const char *source) {
  for (int i = 0; i < DATA_KINDS; i++)
    if (!strcmp(source, sources[i].name))
      return i;
  return -1;
}

bool data_has_field(const char *source, const char *field) {
  int kind = data_kind(source);
  return kind >= 0 && field_shape((DataKind)kind, field) != FIELD_NONE;
}

bool data_is_task(DataKind kind) {
  FieldShape target = field_shape(kind, "target");
  return target == FIELD_B || target == FIELD_M || field_shape(kind, "start") != FIELD_NONE;
}

bool data_of_tokens(DataKind kind) {
  return sources[kind].least > 0;
}

static const DataSource *source_of(const Data *d) {
  return &sources[d->o.kind].does;
}

int data_push(Data *d, int32_t token, BigsError *e) {
  if (d->ntoken == d->token_cap) {
    int64_t cap = d->token_cap + d->token_cap / 2 + (1 << 16);
    bool narrow = tok_size(d->tok) <= 1 << 16;
    size_t size = (size_t)cap * (narrow ? sizeof *d->narrow : sizeof *d->wide);
    void *grown = realloc(narrow ? (void *)d->narrow : d->wide, size);
    if (!grown)
      return bigs_fail_memory(e, "the tokens of the text");
    if (narrow)
      d->narrow = grown;
    else
      d->wide = grown;
    d->token_cap = cap;
  }
  if (d->narrow)
    d->narrow[d->ntoken++] = (uint16_t)token;
  else
    d->wide[d->ntoken++] = token;
  return 0;
}

// ---- opening

static int check_options(const Data *d, BigsError *e) {
  const DataOptions *o = &d->o;
  int64_t least = sources[o->kind].least, around = tok_around(d->tok, 2) + 1;
  if (data_is_task(o->kind) && least < around)
    least = around;
  if (o->length < least || o->length > INT32_MAX / 2)
    return bigs_fail(e, BIGS_EUSAGE, "rows of %lld tokens: at least %lld", (long long)o->length,
                     (long long)least);
  if (!(o->mask_rate > 0 && o->mask_rate <= 1))
    return bigs_fail(e, BIGS_EUSAGE, "a mask rate of %g: must lie above 0 and not above 1",
                     o->mask_rate);
  if (!(o->short_share >= 0 && o->short_share <= 1) || o->most < 0)
    return bigs_fail(e, BIGS_EUSAGE, "a share of short rows of %g, at most %lld predictions a row",
                     o->short_share, (long long)o->most);
  int size = tok_size(d->tok);
  if (o->table > 0 && size > o->table)
    return bigs_fail(
        e, BIGS_EMODEL,
        "the vocabulary has %d tokens, the model's table %lld rows: token id %d (\"%.60s\") "
        "lies outside",
        size, (long long)o->table, size - 1, tok_text(d->tok, size - 1));
  return 0;
}

static int ascending(const void *a, const void *b) {
  int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

// One token may be special in two ways, and a way may have none.
static void list_specials(Data *d) {
  int n = 0;
  for (int i = 0; i < TOK_SPECIALS; i++)
    if (tok_special(d->tok, (TokSpecial)i) >= 0)
      d->special[n++] = tok_special(d->tok, (TokSpecial)i);
  qsort(d->special, (size_t)n, sizeof *d->special, ascending);
  for (int i = 0; i < n; i++)
    if (!i || d->special[i] != d->special[d->nspecial - 1])
      d->special[d->nspecial++] = d->special[i];
  d->pad = tok_special(d->tok, TOK_PAD) < 0 ? 0 : tok_special(d->tok, TOK_PAD);
}

// What a source puts into its rows.
static int check_specials(const Data *d, BigsError *e) {
  static const bool needs[DATA_KINDS][TOK_SPECIALS] = {
      [DATA_MLM] = {[TOK_CLS] = true, [TOK_SEP] = true, [TOK_MASK] = true},
      [DATA_LM] = {[TOK_SEP] = true}};
  for (int i = 0; i < TOK_SPECIALS; i++)
    if (needs[d->o.kind][i] && tok_special(d->tok, (TokSpecial)i) < 0)
      return bigs_fail(e, BIGS_EMODEL, "%s needs a token %s, and the tokenizer has none like it",
                       sources[d->o.kind].name, tok_special_name((TokSpecial)i));
  return 0;
}

static int check_tokens(Data *d, BigsError *e) {
  list_specials(d);
  int status = check_options(d, e);
  return status ? status : check_specials(d, e);
}

int data_open(const char *const *paths, int npaths, const Tokenizer *t, const DataOptions *o,
              Data **out, BigsError *e) {
  *out = NULL;
  Data *d = calloc(1, sizeof *d);
  if (!d)
    return bigs_fail_memory(e, "the data");
  d->o = *o;
  d->tok = t;
  if (d->o.mask_rate == 0)
    d->o.mask_rate = 0.15;
  d->mask_rate = d->o.mask_rate;
  int status = data_of_tokens(d->o.kind) ? check_tokens(d, e) : 0;
  bool mixed = false;
  status = status ? status : data_open_parts(d, paths, npaths, &mixed, e);
  if (!status && !mixed)
    status = source_of(d)->read(d, paths, npaths, e);
  d->split = row_split(d->rows, o->hold_out);
  if (status)
    data_free(d);
  else
    *out = d;
  return status;
}

static void free_buffer(DataBuffer *b) {
#define ARRAY(type, name) free(b->name)
  DATA_ARRAYS(ARRAY, ARRAY)
#undef ARRAY
  *b = (DataBuffer){0};
}

void data_free(Data *d) {
  if (!d)
    return;
  free_buffer(&d->buf);
  data_free_parts(d);
  tokens_free(&d->text);
  sentence_rows_free(&d->sentences);
  packs_free(&d->packs);
  data_free_words(&d->words);
  free(d->narrow);
  free(d->wide);
  free(d->ids.v);
  free(d->start);
  free(d->first);
  free(d->label);
  free(d->value);
  if (d->own)
    d->own_free(d->own);
  for (int i = 0; i < d->nfile; i++)
    free(d->file[i].path);
  free(d->file);
  labels_free(&d->labels);
  free(d);
}

int64_t data_rows(const Data *d, DataSplit s) {
  int64_t n = split_count(&d->split, s == DATA_HELD_OUT);
  for (int i = 0; i < d->parts; i++)
    n += data_rows(d->part[i], s);
  return n;
}
int64_t data_tokens(const Data *d) {
  int64_t n = d->ntoken + d->text.n;
  for (int i = 0; i < d->parts; i++)
    n += data_tokens(d->part[i]);
  return n;
}
const Labels *data_labels(const Data *d) {
  return &d->labels;
}
int data_files(const Data *d, const DataFile **out) {
  *out = d->file;
  return d->nfile;
}
int64_t data_skipped(const Data *d, const char **at) {
  *at = d->first_skipped;
  return d->skipped;
}
int64_t data_cut(const Data *d) {
  return d->ncut;
}
uint64_t data_cursor(const Data *d) {
  return d->cursor;
}
void data_seek(Data *d, uint64_t samples) {
  d->cursor = samples;
}
void data_mask_rate(Data *d, double rate) {
  d->mask_rate = rate;
}

static uint64_t mix(uint64_t h, uint64_t x) {
  h = (h ^ x) * 0x100000001b3u;
  return h ^ h >> 29;
}

static uint64_t target_bits(const Data *d, int64_t row) {
  uint32_t bits;
  if (!d->o.numbers)
    return (uint64_t)d->label[row];
  memcpy(&bits, &d->value[row], sizeof bits);
  return bits;
}

uint64_t data_fingerprint(const Data *d) {
  uint64_t h = mix(0xcbf29ce484222325u, (uint64_t)d->o.kind);
  h = mix(h, (uint64_t)d->o.length);
  if (!d->o.hold_out) // other rows are trained on
    h = mix(h, 1);
  if (d->o.rows == DATA_ROWS_SENTENCES)
    h = mix(mix(h, 2), (uint64_t)(d->o.short_share * 1e9));
  if (d->o.rows == DATA_ROWS_PACKED)
    h = mix(h, 3);
  h = d->text.n ? mix(h, tokens_hash(&d->text)) : h;
  for (int64_t i = 0; i < d->ntoken; i++)
    h = mix(h, (uint64_t)data_token(d, i));
  for (int64_t i = 0; d->start && i < d->rows; i++)
    h = mix(h, mix(target_bits(d, i), mix((uint64_t)d->first[i], (uint64_t)d->start[i])));
  for (int64_t i = 0; i < d->nnote; i++)
    h = mix(h, (uint64_t)d->notes[i]);
  for (int i = 0; i < d->parts; i++)
    h = mix(mix(h, (uint64_t)d->share[i]), data_fingerprint(d->part[i]));
  return mix(h, (uint64_t)d->rows);
}

// ---- batches

// Rows of tokens that one of a batch has.
static int64_t choices_of(const Data *d) {
  return d->choices ? d->choices : 1;
}

// One of them more than there is room for: a batch may have none.
static bool allocate(DataBuffer *b) {
  size_t cells = (size_t)b->cells + 1, rows = (size_t)b->rows + 1;
  bool ok = true;
#define CELLS(type, name) ok &= (b->name = malloc(sizeof(type) * cells)) != NULL
#define ROWS(type, name) ok &= (b->name = malloc(sizeof(type) * rows)) != NULL
  DATA_ARRAYS(CELLS, ROWS)
#undef CELLS
#undef ROWS
  return ok;
}

static int make_room(Data *d, int64_t B, int64_t L, BigsError *e) {
  DataBuffer *b = &d->buf;
  int64_t cells = B * L * choices_of(d); // checked by make_chosen
  if (cells <= b->cells && B <= b->rows)
    return 0;
  free_buffer(b);
  *b = (DataBuffer){.cells = cells, .rows = B};
  if (allocate(b))
    return 0;
  free_buffer(b);
  return bigs_fail_memory(e, "a batch");
}

static void start_batch(Data *d, int64_t B, int64_t L, DataBatch *out) {
  const DataBuffer *b = &d->buf;
  FieldShape target = field_shape(d->o.kind, "target");
  *out = (DataBatch){
      .B = B, .C = d->choices, .L = L, .ids = b->ids, .types = b->types, .mask = b->mask};
  out->at = field_shape(d->o.kind, "at") ? b->at : NULL;
  out->labels = field_shape(d->o.kind, "labels") ? b->labels : NULL;
  bool classes = !d->o.numbers && d->o.kind != DATA_PAIRS; // pairs have numbers or nothing
  out->target = target && classes ? b->target : NULL;
  out->value = target && d->o.numbers ? b->value : NULL;
  out->target_rank = target == FIELD_BL ? 2 : 1;
  out->part = target == FIELD_M ? b->part : NULL;
  out->row = b->row;
  if (field_shape(d->o.kind, "doc")) {
    out->doc = b->doc;
    out->place = b->place;
  }
  if (field_shape(d->o.kind, "ids_b")) {
    out->ids_b = b->ids_b;
    out->types_b = b->types_b;
    out->mask_b = b->mask_b;
  }
  if (field_shape(d->o.kind, "start")) {
    out->start = b->start;
    out->end = b->end;
    out->context = b->context;
  }
}

// Rows by number; draws[b] is what sample number b's draws are keyed with.
static int make_batch(Data *d, const int64_t *row, const uint64_t *draw, bool eval, int64_t B,
                      DataBatch *out, BigsError *e) {
  int64_t L = d->o.length, longest = 0;
  for (int64_t b = 0; b < B; b++) {
    int64_t at = row[b];
    const Data *part = data_part(d, &at);
    int64_t n = source_of(d)->length(part, at);
    longest = n > longest ? n : longest;
  }
  if (!d->o.pad)
    L = longest;
  int status = make_room(d, B, L, e);
  if (!status && data_of_tokens(d->o.kind))
    start_batch(d, B, L, out);
  else if (!status)
    status = data_tensors_start(d, B, out, e);
  if (status)
    return status;
  d->masking = eval ? d->o.mask_rate : d->mask_rate;
  d->late.status = 0;
  data_lend_buffer(d, true);
  for (int64_t b = 0; b < B; b++) {
    uint32_t key[2];
    int64_t at = row[b];
    Data *part = data_part(d, &at);
    rng_site_keys(eval ? 0 : d->o.seed, draw[b], eval ? SITE_EVAL : SITE_MASK, key);
    d->buf.row[b] = row[b];
    source_of(d)->row(part, at, b, key, out);
  }
  data_lend_buffer(d, false);
  return d->late.status ? bigs_fail(e, d->late.status, "%s", d->late.text) : 0;
}

static int make_chosen(Data *d, int64_t B,
                       int64_t (*choose)(Data *d, uint64_t from, int64_t b, uint64_t *draw),
                       uint64_t from, bool eval, DataBatch *out, BigsError *e) {
  if (B > INT32_MAX / (d->o.length * choices_of(d)))
    return bigs_fail(e, BIGS_EUSAGE, "a batch of %lld rows of %lld tokens is too large",
                     (long long)B, (long long)d->o.length);
  int64_t *row = malloc(sizeof *row * (size_t)(B + 1));
  uint64_t *draw = malloc(sizeof *draw * (size_t)(B + 1));
  int status = row && draw ? 0 : bigs_fail_memory(e, "a batch");
  for (int64_t b = 0; b < B && !status; b++)
    row[b] = choose(d, from, b, &draw[b]);
  status = status ? status : make_batch(d, row, draw, eval, B, out, e);
  free(row);
  free(draw);
  return status;
}

static int64_t choose_sample(Data *d, uint64_t from, int64_t b, uint64_t *draw) {
  *draw = from + (uint64_t)b;
  return data_sample_row(d, *draw);
}
static int64_t choose_train(Data *d, uint64_t from, int64_t b, uint64_t *draw) {
  return (int64_t)(*draw = (uint64_t)data_split_row(d, false, (int64_t)from + b));
}
static int64_t choose_held(Data *d, uint64_t from, int64_t b, uint64_t *draw) {
  return (int64_t)(*draw = (uint64_t)data_split_row(d, true, (int64_t)from + b));
}

int data_next(Data *d, int64_t B, DataBatch *out, BigsError *e) {
  return data_next_part(d, B, 0, B, out, e);
}

int data_next_part(Data *d, int64_t B, int64_t from, int64_t rows, DataBatch *out, BigsError *e) {
  if (B < 1 || B > INT32_MAX || rows < 1)
    return bigs_fail(e, BIGS_EUSAGE, "a batch of %lld rows", (long long)(rows < 1 ? rows : B));
  int status = make_chosen(d, rows, choose_sample, d->cursor + (uint64_t)from, false, out, e);
  d->cursor += status ? 0 : (uint64_t)B;
  return status;
}

int data_at(Data *d, DataSplit s, int64_t first, int64_t B, DataBatch *out, BigsError *e) {
  int64_t rows = data_rows(d, s);
  if (B < 1 || B > INT32_MAX || first < 0)
    return bigs_fail(e, BIGS_EUSAGE, "a batch of %lld rows from row %lld", (long long)B,
                     (long long)first);
  if (first > rows)
    first = rows;
  if (B > rows - first)
    B = rows - first;
  return make_chosen(d, B, s == DATA_TRAIN ? choose_train : choose_held, (uint64_t)first, true, out,
                     e);
}

// ---- statistics

static int count_targets(Data *d, int64_t *count, int64_t *total, BigsError *e) {
  DataBatch b;
  *total = 0;
  for (int64_t row = 0; row < data_rows(d, DATA_HELD_OUT); row += b.B) {
    int status = data_at(d, DATA_HELD_OUT, row, 64, &b, e);
    if (status)
      return status;
    int64_t n = b.labels ? b.M : b.B * b.L;
    for (int64_t i = 0; i < n; i++)
      count[b.labels ? b.labels[i] : b.target[i]]++;
    *total += n;
  }
  return 0;
}

static int64_t count_train(const Data *d, int64_t *count) {
  int64_t total = d->parts ? 0 : source_of(d)->count(d, count);
  for (int i = 0; i < d->parts; i++)
    total += count_train(d->part[i], count);
  return total;
}

static void cross_entropy(const int64_t *train, int64_t total, const int64_t *held, size_t V,
                          DataUnigram *out) {
  for (size_t v = 0; v < V; v++)
    if (held[v]) {
      double q = (double)held[v] / (double)out->targets;
      out->cross -= q * log(((double)train[v] + 1) / ((double)total + (double)V));
      out->entropy -= q * log(q);
    }
}

int data_unigram(Data *d, DataUnigram *out, BigsError *e) {
  *out = (DataUnigram){0};
  if (!data_of_tokens(d->o.kind))
    return bigs_fail(e, BIGS_EUSAGE, "no tokens are predicted");
  size_t V = (size_t)tok_size(d->tok);
  int64_t *train = calloc(V, sizeof *train), *held = calloc(V, sizeof *held), total = 0;
  int status = train && held ? 0 : bigs_fail_memory(e, "counts");
  if (!status && (!data_rows(d, DATA_HELD_OUT) || (total = count_train(d, train)) < 0))
    status = bigs_fail(e, BIGS_EUSAGE, "no tokens are held out to predict");
  status = status ? status : count_targets(d, held, &out->targets, e);
  if (!status)
    cross_entropy(train, total, held, V, out);
  free(train);
  free(held);
  return status;
}
