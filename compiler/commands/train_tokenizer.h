// What cuts the text that a run is trained on, and goes into its folder.
#ifndef BIGSC_TRAIN_TOKENIZER_H
#define BIGSC_TRAIN_TOKENIZER_H
#include "compiler/commands/feeding.h"
#include "runtime/train/train.h"

// f->tokens: as for a model that is used, or where neither folders nor the model name one, from the current folder's file of the
// usual name; of a run that goes on from its own folder.  Adds the files that it came with to to->file, in the session's arena.
// Returns an exit status; what went wrong has been printed.
int train_tokenizer(Session *s, Feeding *f, TrainOptions *to);
#endif
