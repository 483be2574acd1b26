// A model with the weights that a command is about: a training folder, or a model and --weights.
#ifndef BIGSC_TRAINED_H
#define BIGSC_TRAINED_H
#include "compiler/driver/session.h"

// Opens what o->args.v[0] names and compiles what is wanted of it.  *dir: the training folder, or NULL.  The session is to be closed
// in any case.
int trained_open(Session *s, Options *o, Arena *a, const BuildWant *want, const char **dir);
// The same in two steps, between which the session has its model, or its module, and no code yet.  *path: of the model.
int trained_load(Session *s, Options *o, Arena *a, const char **dir, const char **path);
int trained_compile(Session *s, const BuildWant *want);
// The length that texts are padded to: the only one that the model takes, or as it was trained, where it says that padding matters;
// 0: none.
int64_t trained_pad(Session *s, const char *dir);
// The length that the training of `dir` cut its rows at; 0: not known.
int64_t trained_length(const char *dir);
// The folder of config.json and such: that of the run, else of the weights; NULL: none.
const char *trained_folder(const Session *s, const char *dir);
// 0, or an error: it is trained, but not on masks, and would give the words that follow.
int trained_on_masks(Session *s);
#endif
