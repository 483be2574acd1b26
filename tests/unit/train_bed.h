// Runs of the trainer on the toy (toy_module.h), each in a folder within one that fixtures make and remove.
#ifndef BIGSC_TRAIN_BED_H
#define BIGSC_TRAIN_BED_H
#include "runtime/train/train.h"
#include "tests/unit/toy_module.h"
#include <check.h>
#include <stdio.h>

void run_make_dir(void);
void run_remove_dir(void);
// The file b of folder a, or a itself where b is ""; one of four buffers in turn.
const char *run_path(const char *a, const char *b);
char *run_file(const char *path, size_t *n); // its bytes, which the caller frees
void run_same_file(const char *a, const char *b);
bool run_exists(const char *path);

// A source of batches that depend on the step alone: the ctx of a Feed.
typedef struct ToyFeed {
  int32_t ids[32], at[5], labels[5];
  FeedField field[3];
  sig_atomic_t stop;
  int64_t stop_after; // raises `stop` when that step's batch is asked for
} ToyFeed;
int toy_next(void *ctx, int64_t step, FeedBatch *out, BigsError *e);
int toy_held_out(void *ctx, int64_t i, FeedBatch *out, BigsError *e); // 3 batches of 5 places

typedef struct RunSpec {
  const char *folder, *set[3];
  int threads;
  bool resume;
  int64_t stop_after, save_every;
  FILE *progress;
  bool terminal;
} RunSpec;
// The status of the run, or of its plan; error: its message.
int run_toy(RunSpec s, TrainResult *result, char *error, size_t size);
void run_ok(RunSpec s, TrainResult *result);
void run_fails(RunSpec s, int want, const char *text);
// The records of an event in the folder's log (NULL: those of steps) that have the member; the first one's number and text, where
// value and text are not NULL.  Every line must be JSON.
int run_records(const char *folder, const char *event, const char *key, double *value, char *text,
                size_t size);
#endif
