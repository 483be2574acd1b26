// A training folder: model.mdl, config.json, vocab.txt, model.safetensors, optimizer.safetensors,
// state.json.
//
// The three last are one set, of one step.  A save writes model.next.safetensors and
// optimizer.next.safetensors, both synced, then replaces state.json: from there on the new set
// counts; then the two are renamed over the old ones.  Whatever moment a crash picks, the step in
// state.json has its files, under the one name or the other, and a reader of model.safetensors
// alone finds whole weights.
#ifndef BIGSC_RUNTIME_CHECKPOINT_H
#define BIGSC_RUNTIME_CHECKPOINT_H
#include "runtime/train/feed.h"
#include "runtime/train/labels.h"
#include "runtime/exec/optim.h"

typedef struct TrainState {
  int64_t step; // optimizer steps done
  int64_t moment_steps;
  uint64_t seed;
  TrainRecipe recipe;
  int64_t batch, pieces; // rows of a step, and in how many pieces it takes them
  int64_t length;        // of the data; 0: the model's longest
  int64_t eval_every;    // steps between evaluations as options said; 0: nothing was said
  int64_t tokens;        // seen so far
  double seconds;        // of training so far
  // Least held-out loss so far, or greatest value of a metric, at best_step; best_step -1: none yet.
  double best;
  int64_t best_step;
  char best_by[16]; // the metric; "loss" where it is none
  bool average; // the folder has the average of a run's parameters, and no moments: it cannot go on
  JsonDoc *doc; // of a state that was read: holds `cursor`
  const JsonValue *cursor;
} TrainState;
void state_free(TrainState *s);

typedef struct FolderFile {
  const char *name, *text;
  size_t size;
} FolderFile;
// Makes the folder where it is missing.  It must not hold a run already (status BIGS_EUSAGE), nor a file that folder_create or a
// save would replace by another and that no run wrote.
int folder_make(const char *dir, const BigsModule *module, const FolderFile *file, int nfile,
                BigsError *e);
// Writes model.mdl, config.json with the names of classes and `file` into it; neither may it hold a run now.  What a run that
// was killed before its first save left there goes.
int folder_create(const char *dir, const BigsModule *module, const Labels *labels,
                  const FolderFile *file, int nfile, BigsError *e);
bool folder_has_run(const char *dir); // is there a state.json?

int checkpoint_save(bigs_model *m, const char *dir, int train, const TrainState *s,
                    const Feed *feed);
// Reads the set of state.json into the handle: parameters, moments, step, seed.  Finishes what an
// interrupted save left.
int checkpoint_load(bigs_model *m, const char *dir, int train, TrainState *out);
// The same but for the values of parameters and moments, which another rank of a team reads, and finishes nothing: for memory
// that is to get them from it.
int checkpoint_join(bigs_model *m, const char *dir, int train, TrainState *out);
// Are the files of state.json's step there?  Fails when there is no run in `dir`.
int checkpoint_check(const char *dir, BigsError *e);
// Finishes what an interrupted save left, if anything: afterwards model.safetensors and
// optimizer.safetensors are those of state.json.  For callers that look at the files before they
// have a handle.  Fails, too, while another process trains in `dir`.
int checkpoint_repair(const char *dir, BigsError *e);
// state.json alone.
int state_read(const char *dir, TrainState *out, char *train, size_t train_size, BigsError *e);
#endif
