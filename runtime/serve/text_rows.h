// Rows of tokens for a model: those of texts are added, sorted by how many tokens there are, and filled in groups of nearly equal length,
// so that little padding is computed.  Who runs a group, and where results go, is the caller's.
#ifndef BIGSC_TEXT_ROWS_H
#define BIGSC_TEXT_ROWS_H
#include "runtime/text/tokenizer.h"

enum { TEXT_GROUP_TOKENS = 1024 }; // what a group usually has together

// What the model takes.
typedef struct TextTakes {
  int64_t longest; // tokens of a row at most; 0: any number
  // The length of all rows, which longest is no more than; 0: that of the longest of their group.
  int64_t pad;
  int64_t batch;  // rows of a group, no more and no less; 0: any number
  int64_t tokens; // of a group at most, with padding; a row alone may have more
  bool masked;    // it is told what is padding: lengths may differ in a group
} TextTakes;
typedef struct TextRow {
  int64_t number; // from 0, in the order in which they were added
  size_t at;      // of its first token
  int64_t n;      // tokens
} TextRow;
// The caller sets `takes` and `filler`, and perhaps `row` to malloc'd memory of `cap` rows; all else is zero at the beginning.
// text_rows_free frees what is in it.
typedef struct TextRows {
  TextTakes takes;
  int32_t filler;    // the id of padding
  TokIds ids, types; // of all rows, one behind the other
  TextRow *row;
  int64_t n, cap;
  int32_t *cell_ids, *cell_types; // [cells], of a group
  bool *cell_mask;
  int64_t cells;
} TextRows;
void text_rows_free(TextRows *r);
void text_rows_clear(TextRows *r); // no rows; memory is kept

// Appends the row of one text, or two, behind `c`'s special tokens and cut where it is too long (*cut), as tok_whole does; errors are
// tok_whole's, or memory.  After an error r is only to be cleared or freed.
int text_rows_add(TextRows *r, TokEncoder *c, const char *const *text, int texts, bool *cut,
                  BigsError *e);
// The same of n tokens that are ready, of type 0: n <= longest.
int text_rows_add_ids(TextRows *r, const int32_t *ids, int64_t n, BigsError *e);

// By falling numbers of tokens, of equal ones in the order in which they were added.
void text_rows_sort(TextRows *r);
// Rows from `first` on, all in order, that are run together: at least one.
int64_t text_rows_together(const TextRows *r, int64_t first);
// A group: rows [0, n) of [B, L] are `row`, in that order; n < B only where the batch is fixed, and row 0 stands in for the others.
typedef struct TextGroup {
  const TextRow *row;
  int64_t n, B, L;
  const int32_t *ids, *types; // [B, L]
  const bool *mask;           // [B, L]
} TextGroup;
// Fills the group of sorted rows that begins with `first`, in memory of r that lasts until the next.  Only memory can fail.
int text_rows_group(TextRows *r, int64_t first, TextGroup *out, BigsError *e);
#endif
