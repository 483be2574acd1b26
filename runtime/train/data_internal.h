// Between the sources of batches (text, TSV) and what they share.
#ifndef BIGSC_RUNTIME_DATA_INTERNAL_H
#define BIGSC_RUNTIME_DATA_INTERNAL_H
#include "runtime/train/data.h"

// Sites of random draws (rng.h).
#define SITE_SHUFFLE 0x656c6666756873u // "shuffle"
#define SITE_MASK 0x6b73616du          // "mask"
#define SITE_EVAL 0x6c617665u          // "eval": masks that depend on no seed

typedef struct DataBuffer { // of one batch
  int32_t *ids, *types, *at, *labels, *target;
  bool *mask;
  int64_t cells, rows; // room: B * L, B
} DataBuffer;

struct Data {
  DataOptions o;
  const Tokenizer *tok;
  int32_t special[TOK_SPECIALS]; // their ids, ascending
  // text: the stream.  TSV: the rows' tokens one after another, a's then b's
  uint16_t *narrow; // one of the two, by the size of the vocabulary
  int32_t *wide;
  int64_t ntoken, token_cap;
  // TSV
  int64_t *start; // [rows + 1] in the stream
  int32_t *first; // [rows] tokens of a
  int32_t *label; // [rows]
  int64_t row_cap;
  bool pair;
  // rows
  int64_t rows, ntrain, nheld;
  int64_t *train, *held; // row numbers, ascending
  uint64_t cursor;
  DataBuffer buf;
};

static inline int32_t data_token(const Data *d, int64_t i) {
  return d->narrow ? d->narrow[i] : d->wide[i];
}
int data_push(Data *d, int32_t token, BigsError *e); // onto the stream

// Read everything into d and set d->rows.
int data_read_text(Data *d, const char *const *paths, int n, BigsError *e);
int data_read_tsv(Data *d, const char *const *paths, int n, BigsError *e);

// Fill row `b` of a batch with row `row`; key: of the row's draws.  They add to *out's M and
// tokens.
void data_mlm_row(Data *d, int64_t row, int64_t b, const uint32_t key[2], DataBatch *out);
void data_lm_row(Data *d, int64_t row, int64_t b, DataBatch *out);
void data_tsv_row(Data *d, int64_t row, int64_t b, DataBatch *out);
int64_t data_tsv_length(const Data *d, int64_t row); // with its special tokens, cut to o.length
#endif
