// Batches for programs: named arrays with shapes, from which run-time dims follow.
#ifndef BIGSC_RUNTIME_FEED_H
#define BIGSC_RUNTIME_FEED_H
#include "runtime/exec/exec.h"
#include "runtime/files/json.h"
#include "runtime/train/labels.h"
#include "runtime/train/spans.h"

// Run-time dims from the shapes of a program's inputs.  shape[i] is that of the program's input i;
// rank -1: absent.  dims has one value for each of the module's, 0 where nothing is known yet;
// those found are filled in.  A dim that two inputs, or an input and a given value, make different
// is an error that names both, as is a dim that the program uses and nothing tells.
typedef struct InputShape {
  int rank;
  int64_t shape[BIGS_MAX_RANK];
} InputShape;
int dims_from_shapes(const BigsModule *module, int program, const InputShape *shape, int64_t *dims,
                     BigsError *e);

typedef struct FeedField {
  const char *name; // of an input: "ids"
  int dtype;        // DType: DT_I32, DT_BOOL, DT_F32, DT_F64
  int rank;
  int64_t shape[BIGS_MAX_RANK];
  const void *data; // dense, row-major
} FeedField;
typedef struct FeedBatch {
  int nfield;
  const FeedField *field; // memory of the source, valid until its next call
  int64_t tokens;         // for counting: not padding
  int64_t count;          // what its loss is the mean of: labels, or rows; 0 is as 1
  int64_t choices;        // of each row; 0: rows are no choices
  const int64_t *row;     // the number of each, in the data
  const int32_t *part;    // of each, the number of the text that it is a part of; NULL: none
} FeedBatch;

// How a training step is, where the block has schedules.
typedef struct FeedPace {
  int64_t times; // as many times the rows of a batch
  double masked; // share of masked tokens; 0: as the source has it
} FeedPace;

// Where batches come from.  Training batches are asked for in order of steps; of a step in pieces (pieces.h) each of this rank's
// on its own, number step * pieces + piece.  In a team the source of each rank gives its rows
// of the batch alone, and of what is held out all.
typedef struct Feed {
  void *ctx;
  int (*train)(void *ctx, int64_t number, FeedBatch *out, BigsError *e);
  // The pieces of the step under way, or just done, are asked for again.  NULL: they depend on their numbers alone.
  int (*again)(void *ctx, BigsError *e);
  // Comes before the first call of `train` of each step, with how it is.  NULL: steps are all alike.
  void (*pace)(void *ctx, FeedPace pace);
  // The same batches every time; nfield 0 behind the last.  NULL: nothing is held out.
  int (*held_out)(void *ctx, int64_t i, FeedBatch *out, BigsError *e);
  // What of the batch given last is not finite, where the source looks at that: "x[17] of train.npy is nan".  NULL: it never does.
  bool (*doubt)(void *ctx, char *text, size_t size);
  // Where the source is, as JSON text to be written to state.json; and back there, so that the next
  // call of train gives what it would have given.  NULL: batches depend on the step alone.
  int (*cursor)(void *ctx, JsonText *out, BigsError *e);
  int (*seek)(void *ctx, const JsonValue *cursor, int64_t step, BigsError *e);
  int64_t epoch_steps; // steps that see all data once, in batches that do not grow; 0: not known
  int64_t epoch_rows;  // rows to train on; 0: not known
  // Of a task whose classes have names: how many, and which is the last of them in the order of their bytes.  0: numbers, 0 to
  // as many as the model has.
  int64_t classes, last_class;
  // Of rows of questions: what a model's words on them come to, as data_answers says.  NULL: it has none.
  int (*answers)(void *ctx, const SpanSaid *said, int64_t n, SpanAnswer **out, int64_t *answers,
                 BigsError *e);
  const Labels *labels; // their names; NULL, or none: numbers
} Feed;

// Arguments of a program from a batch's fields.  Fields that the program does not take are left
// out.
enum { FEED_INPUTS = 32 };
typedef struct FeedArgs {
  const void *input[FEED_INPUTS];
  int64_t dims[MAX_SYMS];
} FeedArgs;
int feed_args(const BigsModule *module, int program, const FeedBatch *batch, FeedArgs *out,
              BigsError *e);
const FeedField *feed_find(const FeedBatch *batch, const char *name); // NULL: none
#endif
