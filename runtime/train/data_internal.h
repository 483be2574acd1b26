// What the sources of batches, data_*.c, mix.c and masking.c share.
#ifndef BIGSC_RUNTIME_DATA_INTERNAL_H
#define BIGSC_RUNTIME_DATA_INTERNAL_H
#include "runtime/train/columns.h"
#include "runtime/train/data.h"
#include "runtime/train/mix.h"
#include "runtime/train/order.h"
#include "runtime/train/packs.h"
#include "runtime/train/sentences.h"
#include "runtime/train/tokenize.h"

// Sites of random draws (rng.h).
#define SITE_SHUFFLE 0x656c6666756873u // "shuffle"
#define SITE_MASK 0x6b73616du          // "mask"
#define SITE_SHORT 0x74726f6873u       // "short": lengths of rows, that depend on no seed either
#define SITE_MIX 0x78696du             // "mix"
#define SITE_EVAL 0x6c617665u          // "eval": masks that depend on no seed

// What a batch may have: of each place, and of each row.
#define DATA_ARRAYS(CELLS, ROWS)                                                                   \
  CELLS(int32_t, ids);                                                                             \
  CELLS(int32_t, types);                                                                           \
  CELLS(bool, mask);                                                                               \
  CELLS(bool, context);                                                                            \
  CELLS(int32_t, ids_b);                                                                           \
  CELLS(int32_t, types_b);                                                                         \
  CELLS(bool, mask_b);                                                                             \
  CELLS(int32_t, at);                                                                              \
  CELLS(int32_t, labels);                                                                          \
  CELLS(int32_t, target);                                                                          \
  CELLS(int32_t, doc);                                                                             \
  CELLS(int32_t, place);                                                                           \
  ROWS(float, value);                                                                              \
  ROWS(int32_t, part);                                                                             \
  ROWS(int32_t, start);                                                                            \
  ROWS(int32_t, end);                                                                              \
  ROWS(int64_t, row);
typedef struct DataBuffer { // of one batch
#define ARRAY(type, name) type *name
  DATA_ARRAYS(ARRAY, ARRAY)
#undef ARRAY
  int64_t cells, rows; // room: B * L, or B * C * L, and B
} DataBuffer;

typedef struct RowWord {
  uint32_t draw;
  int32_t from, n; // tokens in the row
} RowWord;
typedef struct RowWords { // of masking by whole words; NULLs where single tokens are masked
  bool *joins;            // of each id: it goes on with the word before it
  bool *taken;            // [length] of a row
  RowWord *word;          // [length]
} RowWords;

struct Data {
  DataOptions o;
  const Tokenizer *tok;
  int32_t special[TOK_SPECIALS]; // their ids, ascending, each once
  int nspecial;
  int32_t pad; // what stands behind a row: the tokenizer's own, or 0, which no mask lets through
  TokenStream text;       // the stream
  SentenceRows sentences; // where its rows begin, if they are not of equal length
  Packs packs;            // what is in its rows, if they are packed
  RowWords words;
  // Of several sources with weights: each is data of its own, and this has rows of none.
  Data **part;
  int parts;
  int32_t *share; // of MIX_BLOCK samples
  // TSV: the rows' tokens one after another, a's then b's
  uint16_t *narrow; // one of the two, by the size of the vocabulary
  int32_t *wide;
  int64_t ntoken, token_cap;
  TokIds ids; // of the text under way
  // TSV
  int64_t *start; // [rows + 1] in the stream
  int32_t *first; // [rows] tokens of a
  int32_t *label; // [rows]
  float *value;   // [rows], of numbers
  Labels labels;  // names of its classes
  int64_t row_cap;
  bool pair;
  DataFile *file;
  int nfile;
  // of a source's own; `notes`: numbers of its rows beside their tokens, which tell one data from another
  void *own;
  void (*own_free)(void *own);
  const int32_t *notes;
  int64_t nnote;
  int64_t choices; // of each row; 0: a row is no choice
  int64_t ncut;    // what it cut while reading
  int64_t skipped;
  char first_skipped[256];
  // rows
  int64_t rows;
  RowSplit split;
  uint64_t cursor;
  double mask_rate, masking; // of training rows to come; of the batch under way
  DataBuffer buf;
  BigsError late; // of a row of the batch under way that cannot be made
};

// A text of a row: n tokens of the stream.
typedef struct DataText {
  int64_t from, n;
} DataText;

static inline int32_t data_token(const Data *d, int64_t i) {
  return d->narrow ? d->narrow[i] : d->wide[i];
}
static inline bool data_ordinary(const Data *d, int32_t token) {
  return !tok_is_special(d->tok, token);
}

// ---- mix.c
// Where the paths have weights (mix.h) each is opened as a part; *mixed: they have.
int data_open_parts(Data *d, const char *const *paths, int n, bool *mixed, BigsError *e);
void data_free_parts(Data *d);
// Rows of all parts are numbered one after another: whose one is, and *row becomes its number there.  Without parts it is d's.
Data *data_part(Data *d, int64_t *row);
int64_t data_split_row(const Data *d, bool held, int64_t i); // as split_row, over all parts
int64_t data_sample_row(const Data *d, uint64_t sample);     // of a sample of training
// While it makes rows, a part writes into the buffer of the whole.
void data_lend_buffer(Data *d, bool lend);

// ---- masking.c
// Masks some of the n cells from `cell` of the batch's ids on: see data_next.
void data_choose_tokens(Data *d, int64_t cell, int64_t n, const uint32_t key[2], DataBatch *out);
int data_find_words(Data *d, BigsError *e); // for masking by whole words
void data_free_words(RowWords *w);

// ---- data.c
int data_push(Data *d, int32_t token, BigsError *e); // onto the stream

// ---- data_rows.c
// d->own, of zeros, which data_free gives to `own_free`; NULL: no memory.
void *data_own(Data *d, size_t size, void (*own_free)(void *own), BigsError *e);
// A text as tokens onto the stream, *out being where they are; specials: as tok_encode has them.
int data_push_text(Data *d, TokEncoder *c, TextField f, bool specials, DataText *out, BigsError *e);
// A line that comes in parts is an error: a row is a line.
int data_whole_line(const TextLine *l, BigsError *e);
// A line of n fields where the header has another `count`: an error, or, with skip_bad, left out and counted.
int data_other_fields(Data *d, const TextLine *l, int n, int count, BigsError *e);
// A file begins with row (of tags: word) `first`.
int data_push_file(Data *d, const char *path, int64_t first, BigsError *e);
// The classes of words, which label[n] numbers: they become classes, and their names d->labels.
int data_classes(Data *d, const LabelWords *words, int32_t *label, int64_t n, BigsError *e);
// Gives each line to `take`, as long as that returns 0, and tells the progress now and then.
typedef int DataTakeLine(void *reader, const TextLine *l, BigsError *e);
int data_each_line(const Data *d, TextReader *r, DataTakeLine *take, void *reader, BigsError *e);

// Row b of a batch: one text or two, with what the tokenizer puts around them, which has room, and what pads it.  at[i]: where text i
// begins in the row, -1: the tokenizer leaves it out.  Adds to out->tokens.
void data_put_texts(Data *d, const DataText *text, int texts, int64_t b, DataBatch *out,
                    int64_t at[2]);
typedef struct DataSide { // where a row goes
  int32_t *ids, *types;
  bool *mask;
} DataSide;
// The same into a row of any buffer.
void data_put_side(Data *d, const DataText *text, int texts, DataSide to, DataBatch *out,
                   int64_t at[2]);

// ---- data_tensors.c
// Begins a batch of rows that are no tokens.
int data_tensors_start(Data *d, int64_t B, DataBatch *out, BigsError *e);

// ---- the sources
// What a source does.  The functions of source `id` are data_id_read, data_id_length, ...: one that is missing is an error of the linker.
typedef struct DataSource {
  // Reads everything into d and sets d->rows.
  int (*read)(Data *d, const char *const *paths, int n, BigsError *e);
  int64_t (*length)(const Data *d, int64_t row); // with its special tokens; at most o.length
  // Fills row `b` of a batch with row `row`; key: of the row's draws.  Adds to *out's M and tokens.
  void (*row)(Data *d, int64_t row, int64_t b, const uint32_t key[2], DataBatch *out);
  // Counts the tokens of the training rows that could be targets, by id; how many there are.  -1: this source predicts no tokens.
  int64_t (*count)(const Data *d, int64_t *count);
} DataSource;
#define SOURCE(ID, id, name, least)                                                                \
  int data_##id##_read(Data *d, const char *const *paths, int n, BigsError *e);                    \
  int64_t data_##id##_length(const Data *d, int64_t row);                                          \
  void data_##id##_row(Data *d, int64_t row, int64_t b, const uint32_t key[2], DataBatch *out);    \
  int64_t data_##id##_count(const Data *d, int64_t *count);
#define FIELD(ID, FIELD, name, dtype, shape)
#include "base/sources.def"
#undef SOURCE
#undef FIELD
#endif
