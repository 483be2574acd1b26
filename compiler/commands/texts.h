// Texts through an entry of a model: cut into tokens, run in groups of nearly equal length, and given back with the number under which
// they came (runtime/serve/text_rows.h).
#ifndef BIGSC_TEXTS_H
#define BIGSC_TEXTS_H
#include "compiler/commands/lines.h"
#include "compiler/driver/session.h"
#include "runtime/serve/text_rows.h"
#include "runtime/train/feed.h"

typedef struct Texts {
  Session *s;
  Tokenizer *tokens;
  TokEncoder *encoder;
  int program;
  TextRows rows;
  int64_t width; // of the last axis of the entry's output
  int64_t cut;   // texts that were too long, so far
  float *out;    // of a group
  int64_t nout;
} Texts;

// Takes an entry with a row a text, of f32 and at least two axes.  longest 0: what the model bounds.  texts_close in any case.
int texts_open(Session *s, Texts *t, const char *entry, const char *dir, int64_t longest);
int texts_lower_first(Texts *t); // see tok_lower_first; before the first text
void texts_close(Texts *t);
// One text, or two, of a line: a row of the tokens of both, or as much as may be; with --long error all, or an error.
int texts_add(Texts *t, const Lines *in, const char *const *text, int n);
// The same of tokens that are ready, of type 0.
int texts_add_ids(Texts *t, const int32_t *ids, int64_t n);
// Runs all that was added, and forgets it.  take: row's output, of `values` numbers; what it returns other than 0 ends the run.
typedef int TakeRow(void *ctx, const TextRow *row, const float *out, int64_t values);
int texts_run(Texts *t, TakeRow *take, void *ctx);
// The same, each group run by `take`, which gets what the program takes.
typedef int TakeGroup(void *ctx, const FeedArgs *args);
int texts_feed(Texts *t, TakeGroup *take, void *ctx);
// What was cut, for people; -q: nothing.
void texts_note_cut(const Texts *t);
#endif
