// The models that are installed beside bigsc, and which of them reads a folder.
#ifndef BIGSC_SHIPPED_H
#define BIGSC_SHIPPED_H
#include "compiler/driver/options.h"
#include "runtime/files/json.h"
#include "base/error.h"

// "roberta": the name of the model for a config.json; with `embed` the one that has that entry.  NULL: none.
const char *shipped_model(const JsonValue *config, bool embed);
// The file of a model of models/, in the arena; NULL: it is not where bigsc looks.
const char *shipped_file(Arena *a, const char *model);
// Where a command takes a model and is given a folder: the first argument becomes the model's file, and the folder its weights.
// Of a training folder that is its model.mdl, of others what its config.json names.  Returns 0, or a status in *e: the
// folder says of itself what no model is shipped for.
int shipped_folder(Arena *a, Options *o, BigsError *e);
#endif
