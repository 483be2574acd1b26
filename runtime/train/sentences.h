// Rows of whole lines: see data.h.
#ifndef BIGSC_RUNTIME_SENTENCES_H
#define BIGSC_RUNTIME_SENTENCES_H
#include "runtime/train/tokens.h"

// Where each row begins; some 4 bytes a row.
typedef struct SentenceRows {
  int64_t n;
  int64_t *base; // of each 64 rows, in the stream
  // Of each row, and behind the last one, from there: twice that, and 1 more where a separator stands before it.
  uint32_t *from;
  int64_t room;
} SentenceRows;
enum { SENTENCE_ROOM = 1 << 24 }; // tokens that a row may have

// Lines of one document are joined as long as they fit into `room` tokens, or into as many as the row wants: of `share` of the rows
// that is a number drawn evenly from 2 to room, by the row's number alone.  At least one line is in a row; a line of more than `room`
// tokens is cut into pieces of so many, whose last is a line like others.  Frees *out before it fails; only memory can.
int sentence_rows(const TokenStream *t, int64_t room, double share, SentenceRows *out,
                  BigsError *e);
void sentence_rows_free(SentenceRows *r);
// The row's first token in the stream, and how many it has.  separator: what stands behind documents.
int64_t sentence_row(const SentenceRows *r, const TokenStream *t, int32_t separator, int64_t row,
                     int64_t *n);
#endif
