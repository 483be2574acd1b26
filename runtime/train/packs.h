// Rows of whole documents: see data.h.
#ifndef BIGSC_RUNTIME_PACKS_H
#define BIGSC_RUNTIME_PACKS_H
#include "runtime/train/tokens.h"

typedef struct PackPiece { // a document, or a piece of one that is longer than a row
  int64_t from;            // in the stream
  int32_t n, row;
} PackPiece;
// 16 bytes a document and 8 a row.
typedef struct Packs {
  int64_t n; // rows
  PackPiece *piece;
  int64_t *first; // [n + 1] of each row
} Packs;

// Each document, in the text's order, goes into the first row that has room for it: its tokens and `around` more, of `length`.  One
// that no row has room for is cut into pieces that fill rows, and a rest.  Documents without a token are in none.  Frees *out before it
// fails.
int packs_make(const TokenStream *t, int64_t length, int64_t around, Packs *out, BigsError *e);
void packs_free(Packs *p);
// Piece i of a row; NULL behind the last one.  In the order of the text.
static inline const PackPiece *packs_piece(const Packs *p, int64_t row, int64_t i) {
  return p->first[row] + i < p->first[row + 1] ? &p->piece[p->first[row] + i] : NULL;
}
#endif
