// Text and task data as a feed of batches for the trainer: tokenizer, data source, and the adapter
// between them.
#ifndef BIGSC_FEEDING_H
#define BIGSC_FEEDING_H
#include "compiler/driver/session.h"
#include "runtime/train/evaluate.h"
#include "runtime/train/feed_data.h"

typedef struct Feeding {
  const BigsModule *module;
  const Options *o;
  Tokenizer *tokens;
  Data *data;
  Data *dev; // of --dev, or NULL
  DataKind kind;
  int64_t length;
  DataFeed from;
  Feed feed;
  Labels labels;     // of the model's classes, as its folder names them
  bool labels_fixed; // no others
} Feeding;

typedef struct FeedingRows {
  int64_t step, pieces; // of a batch, and in how many pieces it comes
} FeedingRows;

// What cuts the model's text; a model without a `tokenizer` line has WordPiece.  An error where this bigsc has no such tokenizer.
int feeding_kind(Session *s, const char *dir, TokenizerKind *kind);
// Is the block's data text, to be cut into tokens?  Other data has no vocabulary, and no length of rows.
bool feeding_of_tokens(const BigsTrain *train);
// Has each row a target, so that all are to be scored?
bool feeding_is_task(const BigsModule *m, const BigsTrain *train);
// What cuts text: --vocab, a file or a folder; else the folder `dir` (a run's; NULL: none) or that of the weights, where it has a
// tokenizer of its own, whose files say it all; else the file of the model's tokenizer line.  *path NULL: what a library carries.
int feeding_vocab(Session *s, const char *dir, const char **path);
int feeding_cut_by(Session *s, const char *path, Tokenizer **out);
// Both.
int feeding_tokenizer(Session *s, const char *dir, Tokenizer **out);
// A token for people, as tok_spelled has it, in the session's arena; "?": the table has more rows than the vocabulary.
const char *feeding_word(const Session *s, const Tokenizer *t, int32_t id);
// The names that folder/config.json has for classes; of a training folder or a model to be evaluated no others are allowed.
int feeding_labels(Session *s, Feeding *f, const char *folder, bool fixed);
// Opens the source of train block `train` (or, with kind given by `source`) over `paths`. hold_out:
// whether to keep rows for evaluation; without, everything is training data and can be walked as
// such.
int feeding_open(Session *s, Feeding *f, const BigsTrain *train, const char *const *paths,
                 int npaths, FeedingRows rows, int64_t length, uint64_t seed, bool hold_out);
// Evaluates by all rows of other files, with the labels of those that are trained on, instead of what is held out of them.
int feeding_open_dev(Session *s, Feeding *f, const BigsTrain *train, const char *const *paths,
                     int npaths, int64_t batch);
// A line for people: of a task its metrics; for text, one more with the unigram entropy.
void feeding_print_result(const Feeding *f, const EvalResult *r);
void feeding_close(Feeding *f);
int64_t fixed_length(const BigsModule *m); // of `ids`, known when compiled; 0: not
int64_t fixed_batch(const BigsModule *m);  // the same of its rows
// The dim of the choices of a row, known when it runs; NULL: none.
const char *open_choices(const BigsModule *m);
int64_t model_longest(const BigsModule *m); // bound of the length of `ids`; 0: none
#endif
