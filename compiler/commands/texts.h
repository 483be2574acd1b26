// Texts through an entry of a model: cut into tokens, sorted by their number, run in groups of nearly equal length, and given back
// in the order in which they came.
#ifndef BIGSC_TEXTS_H
#define BIGSC_TEXTS_H
#include "compiler/driver/session.h"
#include "runtime/text/tokenizer.h"

typedef struct TextRow {
  int64_t number; // in the order of texts_add
  size_t at;      // of its first token
  int64_t n;      // tokens
} TextRow;
typedef struct Texts {
  Session *s;
  Tokenizer *tokens;
  TokEncoder *encoder;
  int program;
  int64_t longest; // tokens of a text at most; 0: any number
  int64_t pad;     // to this length always; 0: to the longest of a group
  int64_t rows;    // that the model takes, no more and no less; 0: any number
  int64_t group;   // tokens that are run together
  int64_t width;   // of the last axis of the entry's output
  bool masked;     // the entry knows padding: lengths may differ in a group
  int64_t cut;     // texts that were too long, so far
  TokIds ids, types;
  TextRow *row;
  int64_t nrow, cap;
  struct TextCells *cells;
} Texts;

// Takes an entry with a row a text, of f32 and at least two axes.  longest 0: what the model bounds.  texts_close in any case.
int texts_open(Session *s, Texts *t, const char *entry, const char *dir, int64_t longest);
void texts_close(Texts *t);
// One text, or two: a row of the tokens of both, or as much as may be.
int texts_add(Texts *t, const char *const *text, int n);
// The same of tokens that are ready, of type 0.
int texts_add_ids(Texts *t, const int32_t *ids, int64_t n);
// Runs all that was added, and forgets it.  take: row's output, of `values` numbers; what it returns other than 0 ends the run.
typedef int TakeRow(void *ctx, const TextRow *row, const float *out, int64_t values);
int texts_run(Texts *t, TakeRow *take, void *ctx);
// What was cut, for people; -q: nothing.
void texts_note_cut(const Texts *t);
#endif
