// What -o model.svg and -o model.html show of an entry: its modules as boxes, what goes from one to the next, and what each
// costs.
#ifndef BIGSC_PICTURE_H
#define BIGSC_PICTURE_H
#include "compiler/commands/bench.h"
#include "compiler/draw/boxes.h"
#include "compiler/driver/session.h"

typedef struct PictureWant {
  const char *entry;
  const StepTime *time; // NULL: not measured
  int ntime;
  bool folds; // what is drawn can be folded: only its width is bounded
} PictureWant;
typedef struct ModelPicture {
  DrawBox *root;       // placed
  const char *title;   // "Bert.hidden"
  const char *note[2]; // dims; what all of it costs
  const int64_t *dims; // of the numbers, by symbol; MAX_SYMS
} ModelPicture;
// In the session's arena.  0, or an exit status with what is wrong printed.
int picture_make(Session *s, const PictureWant *want, ModelPicture *out);
// The file at `path`, .svg or .html, of the entry that --entry names, or the last one.
int picture_write(Session *s, const char *path);
#endif
