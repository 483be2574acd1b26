// Saving and resuming: see checkpoint.h.
#include "runtime/train/checkpoint.h"
#include "runtime/files/file.h"
#include "runtime/text/tokenizer.h"
#include "runtime/train/log.h"
#include "runtime/exec/weights.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const set_names[2] = {"model", "optimizer"};
enum { MODEL, OPTIMIZER };

static char *in_folder(const char *dir, int which, const char *suffix, BigsError *e) {
  char name[64];
  snprintf(name, sizeof name, "%s%s.safetensors", set_names[which], suffix);
  return file_join(dir, name, e);
}

// What is renamed onto a file behind links, on whatever disk, lies beside it.
static char *next_path(const char *dir, int which, const char *target, bool linked, BigsError *e) {
  size_t n = strlen(target) + 6;
  char *path = linked ? malloc(n) : in_folder(dir, which, ".next", e);
  if (linked && path)
    snprintf(path, n, "%s.next", target);
  else if (linked)
    bigs_fail_memory(e, target);
  return path;
}

// dir/NAME.safetensors, behind its links, or what will be renamed onto it: dir/NAME.next.safetensors, of a link TARGET.next.
// NULL where memory is short, or nothing can be put there.
static char *set_path(const char *dir, int which, bool next, BigsError *e) {
  bool in_place = false;
  char *name = in_folder(dir, which, "", e), *path = name ? file_target(name, &in_place, e) : NULL;
  if (path && in_place)
    bigs_fail(e, BIGS_EFILE, "%s: no regular file", name);
  if (path && (next || in_place)) {
    char *target = path;
    path = in_place ? NULL : next_path(dir, which, target, strcmp(target, name) != 0, e);
    free(target);
  }
  free(name);
  return path;
}

void state_free(TrainState *s) {
  json_free(s->doc);
  s->doc = NULL;
  s->cursor = NULL;
}

// ---- the folder
static int write_text(const char *dir, const char *name, const char *text, size_t size,
                      BigsError *e) {
  char *path = file_join(dir, name, e);
  if (!path)
    return e->status;
  int status = file_put(path, text, size, e);
  free(path);
  return status;
}

bool folder_has_run(const char *dir) {
  char *path = file_join(dir, "state.json", NULL);
  bool has = path && access(path, F_OK) == 0;
  free(path);
  return has;
}

static int refuse_run(const char *dir, BigsError *e) {
  return !folder_has_run(dir) ? 0
                              : bigs_fail(e, BIGS_EUSAGE,
                                          "%s holds a training run already: continue it with "
                                          "--resume, or choose another folder",
                                          dir);
}

// ---- what a folder holds that no run of ours wrote
static bool is_there(const char *path) {
  return !access(path, F_OK);
}

static bool is_config_of_ours(const char *path) {
  JsonDoc *doc = json_read_python(path, NULL);
  bool ours = doc && json_get(json_root(doc), "bigsc");
  json_free(doc);
  return ours;
}

static bool holds_other_text(const char *path, const FolderFile *f) {
  size_t n = 0;
  char *old = is_there(path) ? file_read(path, f->size, &n, NULL) : NULL;
  bool same = old && n == f->size && !memcmp(old, f->text, n);
  free(old);
  return is_there(path) && !same;
}

// name in dir would be lost.  text: what is written there, NULL: it is not known yet.
static int refuse_file(const char *dir, const char *name, const FolderFile *text, BigsError *e) {
  char *path = file_join(dir, name, e);
  if (!path)
    return e->status;
  int err = 0;
  if (text ? holds_other_text(path, text) : is_there(path))
    err = bigs_fail(e, BIGS_EUSAGE,
                    "%s is there and not of a training run: training would overwrite it; choose "
                    "another folder, or move the file away",
                    path);
  free(path);
  return err;
}

// A run that was killed before its first save left its config.json, and what goes with it, but no weights.
static int begun_here(const char *dir, bool *begun, BigsError *e) {
  char *config = file_join(dir, "config.json", e);
  *begun = config && is_config_of_ours(config);
  free(config);
  return config ? 0 : e->status;
}

static int refuse_files(const char *dir, const BigsModule *module, const FolderFile *file,
                        int nfile, BigsError *e) {
  bool begun = false;
  const FolderFile nothing = {.text = ""}, mdl = {.text = module->mdl ? module->mdl : "",
                                                  .size = module->mdl ? strlen(module->mdl) : 0};
  int err = refuse_file(dir, "model.safetensors", NULL, e);
  err = err ? err : refuse_file(dir, "optimizer.safetensors", NULL, e);
  err = err ? err : begun_here(dir, &begun, e);
  if (err || begun)
    return err;
  err = refuse_file(dir, "config.json", NULL, e);
  err =
      err ? err : refuse_file(dir, "model.next.safetensors", NULL, e); // removed as a killed run's
  err = err ? err : refuse_file(dir, "optimizer.next.safetensors", NULL, e);
  err = err || !module->mdl ? err : refuse_file(dir, "model.mdl", &mdl, e);
  err = err ? err : refuse_file(dir, "log.jsonl", &nothing, e); // made first, for its lock
  for (int i = 0; i < nfile && !err; i++)
    err = refuse_file(dir, file[i].name, &file[i], e);
  return err;
}

static int refuse(const char *dir, const BigsModule *module, const FolderFile *file, int nfile,
                  BigsError *e) {
  int err = refuse_run(dir, e);
  return err ? err : refuse_files(dir, module, file, nfile, e);
}

int folder_make(const char *dir, const BigsModule *module, const FolderFile *file, int nfile,
                BigsError *e) {
  int err = refuse(dir, module, file, nfile, e);
  return err ? err : file_make_folders(dir, e);
}

// ---- what a process that was killed left
static void drop_next(const char *dir) {
  for (int which = 0; which < 2; which++) {
    char *path = set_path(dir, which, true, NULL);
    if (path)
      unlink(path);
    free(path);
  }
}

static const char *const written[] = {
    "model.safetensors",
    "optimizer.safetensors",
    "model.next.safetensors",
    "optimizer.next.safetensors",
    "state.json",
    "log.jsonl",
    "config.json",
    "model.mdl",
};

// NAME.PID-N.tmp, as file_create calls them
static bool is_temporary_of(const char *file, const char *name) {
  size_t n = strlen(name);
  int used = -1;
  if (strncmp(file, name, n) || file[n] != '.')
    return false;
  sscanf(file + n, ".%*[0-9]-%*[0-9].tmp%n", &used);
  return used > 0 && !file[n + (size_t)used];
}

static void drop_temporaries(const char *dir) {
  DIR *d = opendir(dir);
  for (struct dirent *f; d && (f = readdir(d));) {
    bool left = false;
    for (int i = 0; i < COUNT(written); i++)
      left |= is_temporary_of(f->d_name, written[i]);
    for (int i = 0; i < TOK_FOLDER_FILES; i++)
      left |= is_temporary_of(f->d_name, tok_folder_files[i]);
    if (left)
      unlinkat(dirfd(d), f->d_name, 0);
  }
  if (d)
    closedir(d);
}

static char *config_with_labels(const BigsModule *module, const Labels *labels) {
  JsonText t = {0};
  if (labels)
    labels_put(&t, labels);
  char *text = t.failed ? NULL : config_text(module, t.s ? t.s : "");
  free(t.s);
  return text;
}

int folder_create(const char *dir, const BigsModule *module, const Labels *labels,
                  const FolderFile *file, int nfile, BigsError *e) {
  if (refuse(dir, module, file, nfile, e))
    return e->status;
  drop_next(dir);
  drop_temporaries(dir);
  char *config = config_with_labels(module, labels);
  if (!config)
    return bigs_fail_memory(e, "config.json");
  int err = write_text(dir, "config.json", config, strlen(config), e);
  free(config);
  if (!err && module->mdl)
    err = write_text(dir, "model.mdl", module->mdl, strlen(module->mdl), e);
  for (int i = 0; i < nfile && !err; i++)
    err = write_text(dir, file[i].name, file[i].text, file[i].size, e);
  return err;
}

// ---- saving
// What is behind a parameter's name, where it is a moment.
static const char *const moment_suffix[MOMENTS] = {".m", ".v", ".ema"};

// Parameters, or moments.
static int save_set(bigs_model *m, StWriter *w, int which, const uint8_t *skip) {
  int err = which == MODEL ? weights_declare(m->module, w, -1, "", skip, &m->error) : 0;
  for (int i = 0; i < MOMENTS && which == OPTIMIZER && !err; i++)
    if (m->moment[i].p)
      err = weights_declare(m->module, w, -1, moment_suffix[i], NULL, &m->error);
  if (which == MODEL && !err)
    err = weights_write(m, w, -1, skip, &m->param);
  for (int i = 0; i < MOMENTS && which == OPTIMIZER && !err; i++)
    if (m->moment[i].p)
      err = weights_write(m, w, -1, NULL, &m->moment[i]);
  return err;
}

static int save_next(bigs_model *m, const char *dir, int which, int64_t step, const uint8_t *skip) {
  char number[32];
  char *path = set_path(dir, which, true, &m->error);
  StWriter *w = path ? st_create(path, &m->error) : NULL;
  free(path);
  if (!w)
    return m->error.status;
  snprintf(number, sizeof number, "%" PRId64, step);
  int err = st_add_metadata(w, "step", number, &m->error);
  err = err ? err : save_set(m, w, which, skip);
  if (!err)
    return st_finish(w, &m->error);
  st_cancel(w);
  return err;
}

static void put_recipe(JsonText *t, const BigsTrain *train, const TrainState *s) {
  JsonText r = {0};
  record_begin(&r);
  record_text(&r, "optimizer", train->optimizer);
  record_number(&r, "rate", s->recipe.rate);
  record_number(&r, "decay", s->recipe.decay);
  record_number(&r, "clip", s->recipe.clip);
  record_int(&r, "steps", s->recipe.steps);
  record_int(&r, "batch", s->batch);
  record_int(&r, "pieces", s->pieces);
  if (s->eval_every > 0)
    record_int(&r, "eval_every", s->eval_every);
  record_int(&r, "length", s->length);
  record_end(&r);
  record_raw(t, "recipe", r.s ? r.s : "null");
  t->failed = t->failed || r.failed;
  free(r.s);
}

static int put_cursor(JsonText *t, const Feed *feed, BigsError *e) {
  JsonText c = {0};
  int err = feed && feed->cursor ? feed->cursor(feed->ctx, &c, e) : 0;
  if (!err)
    record_raw(t, "cursor", c.s ? c.s : "null");
  t->failed = t->failed || c.failed;
  free(c.s);
  return err;
}

static int save_state(bigs_model *m, const char *dir, int train, const TrainState *s,
                      const Feed *feed) {
  const BigsTrain *b = &m->module->train[train];
  JsonText t = {0};
  record_begin(&t);
  record_text(&t, "version", m->module->version);
  record_text(&t, "model", m->module->model);
  record_text(&t, "train", b->name);
  record_int(&t, "step", m->step);
  record_int(&t, "moment_steps", m->moment_steps);
  record_int(&t, "seed", (int64_t)m->seed);
  record_int(&t, "tokens", s->tokens);
  record_number(&t, "seconds", s->seconds);
  if (s->average)
    record_int(&t, "average", 1);
  if (s->best_step >= 0) {
    record_number(&t, "best", s->best);
    record_int(&t, "best_step", s->best_step);
    record_text(&t, "best_by", *s->best_by ? s->best_by : "loss");
  }
  put_recipe(&t, b, s);
  int err = put_cursor(&t, feed, &m->error);
  record_end(&t);
  json_raw(&t, "\n");
  if (!err && t.failed)
    err = bigs_fail_memory(&m->error, "state.json");
  err = err ? err : write_text(dir, "state.json", t.s, t.n, &m->error);
  free(t.s);
  return err;
}

// Of an average there is the model alone.
static int sets_of(const TrainState *s) {
  return s->average ? OPTIMIZER : OPTIMIZER + 1;
}

static int finish_set(const char *dir, int sets, BigsError *e) {
  int err = 0;
  for (int which = 0; which < sets && !err; which++) {
    char *from = set_path(dir, which, true, e), *to = set_path(dir, which, false, e);
    if (!from || !to)
      err = e->status;
    else if (rename(from, to))
      err = bigs_fail_errno(e, "replace", to);
    else if (file_sync_folder(to))
      err = bigs_fail_errno(e, "sync the directory of", to);
    free(from);
    free(to);
  }
  return err;
}

int checkpoint_save(bigs_model *m, const char *dir, int train, const TrainState *s,
                    const Feed *feed) {
  uint8_t *skip;
  if (optim_ready(m, train) || weights_skip(m, -1, train, &skip))
    return m->error.status;
  int err = save_next(m, dir, MODEL, m->step, skip);
  err = err || s->average ? err : save_next(m, dir, OPTIMIZER, m->step, NULL);
  free(skip);
  if (err)
    drop_next(dir);
  // From here on the new files may be the ones that count, even when an error is reported.
  err = err ? err : save_state(m, dir, train, s, feed);
  return err ? err : finish_set(dir, sets_of(s), &m->error);
}

// ---- loading
static bool number_of(const JsonValue *o, const char *key, double *out) {
  return json_double(json_get(o, key), out);
}
static bool int_of(const JsonValue *o, const char *key, int64_t *out) {
  return json_int(json_get(o, key), out);
}

static bool parse_state(const JsonValue *root, TrainState *s) {
  const JsonValue *r = json_get(root, "recipe");
  int64_t seed;
  if (!int_of(root, "step", &s->step) || !int_of(root, "moment_steps", &s->moment_steps) ||
      !int_of(root, "seed", &seed) || !int_of(root, "tokens", &s->tokens) ||
      !number_of(root, "seconds", &s->seconds) || !r || !number_of(r, "rate", &s->recipe.rate) ||
      !number_of(r, "decay", &s->recipe.decay) || !number_of(r, "clip", &s->recipe.clip) ||
      !int_of(r, "steps", &s->recipe.steps) || !int_of(r, "batch", &s->batch) ||
      !int_of(r, "length", &s->length) || s->step < 0 || s->moment_steps < 0 || s->batch < 1 ||
      s->length < 0 || s->recipe.steps < 0)
    return false;
  if (!json_get(r, "pieces"))
    s->pieces = 1; // of a version that had none
  else if (!int_of(r, "pieces", &s->pieces) || s->pieces < 1)
    return false;
  if (!int_of(r, "eval_every", &s->eval_every) || s->eval_every < 0)
    s->eval_every = 0;
  int64_t average = 0;
  s->average = int_of(root, "average", &average) && average;
  s->seed = (uint64_t)seed;
  s->cursor = json_get(root, "cursor");
  if (!number_of(root, "best", &s->best) || !int_of(root, "best_step", &s->best_step))
    s->best_step = -1;
  const JsonValue *by = json_get(root, "best_by");
  snprintf(s->best_by, sizeof s->best_by, "%s", by && by->kind == JSON_STRING ? by->text : "loss");
  return true;
}

int state_read(const char *dir, TrainState *out, char *train, size_t train_size, BigsError *e) {
  *out = (TrainState){.best_step = -1};
  char *path = file_join(dir, "state.json", e);
  if (!path)
    return bigs_status(e, BIGS_EMODEL);
  out->doc = json_read(path, e);
  int err = out->doc ? 0 : bigs_status(e, BIGS_EFILE);
  const JsonValue *root = err ? NULL : json_root(out->doc), *name = json_get(root, "train");
  if (!err && (!name || name->kind != JSON_STRING || !parse_state(root, out)))
    err = bigs_fail(e, BIGS_EFILE, "%s: not the state of a training run", path);
  if (!err && train)
    snprintf(train, train_size, "%s", name->text);
  if (err)
    state_free(out);
  free(path);
  return err;
}

// The file of a set whose step is the wanted one; *was: the step of the other when there is none.
static int open_step(const char *path, int64_t step, StFile **out, int64_t *was, BigsError *e) {
  *out = NULL;
  if (access(path, F_OK))
    return 0;
  int err = st_open(path, out, e);
  const JsonValue *v = err ? NULL : json_get(st_metadata(*out), "step");
  *was = v && v->kind == JSON_STRING ? strtoll(v->text, NULL, 10) : -1;
  if (!err && *was != step) {
    st_close(*out);
    *out = NULL;
  }
  return err;
}

static int open_set(const char *dir, int which, int64_t step, bool repair, StFile **out,
                    BigsError *e) {
  char *now = set_path(dir, which, false, e), *next = set_path(dir, which, true, e);
  int64_t was = -1, unused;
  int err = now && next ? 0 : e->status;
  if (!err)
    err = open_step(now, step, out, &was, e);
  if (!err && !*out) { // a save was interrupted behind its state.json, or never got there
    err = open_step(next, step, out, &unused, e);
    if (!err && *out && repair && rename(next, now))
      err = bigs_fail_errno(e, "replace", now);
  }
  if (!err && !*out && access(now, F_OK))
    err = bigs_fail_errno(e, "open", now);
  if (!err && !*out)
    err = bigs_fail(e, BIGS_EFILE, "%s: is of step %" PRId64 ", but state.json is of step %" PRId64,
                    now, was, step);
  free(now);
  free(next);
  return err;
}

static int check_sets(const char *dir, bool repair, BigsError *e) {
  TrainState s;
  int err = state_read(dir, &s, NULL, 0, e);
  for (int which = 0; which < sets_of(&s) && !err; which++) {
    StFile *f = NULL;
    err = open_set(dir, which, s.step, repair, &f, e);
    st_close(f);
  }
  state_free(&s);
  return err;
}

int checkpoint_check(const char *dir, BigsError *e) {
  BigsError own = {0};
  return check_sets(dir, false, e ? e : &own);
}

int checkpoint_repair(const char *dir, BigsError *e) {
  BigsError own = {0};
  int fd, err = log_lock(dir, &fd, e = e ? e : &own);
  if (err)
    return err;
  err = check_sets(dir, true, e);
  if (fd >= 0)
    close(fd);
  return err;
}

static int read_set(bigs_model *m, const char *dir, const TrainState *s) {
  StFile *f = NULL;
  int err = open_set(dir, MODEL, s->step, true, &f, &m->error);
  err = err ? err : weights_read(m, f, "", true, &m->param);
  st_close(f);
  f = NULL;
  err = err ? err : open_set(dir, OPTIMIZER, s->step, true, &f, &m->error);
  for (int i = 0; i < MOMENTS && !err; i++)
    if (m->moment[i].p)
      err = weights_read(m, f, moment_suffix[i], false, &m->moment[i]);
  st_close(f);
  return err;
}

// The moments of one optimizer are no use to another.
static int check_optimizer(const BigsTrain *t, const char *dir, const TrainState *s, BigsError *e) {
  const JsonValue *was = json_get(json_get(json_root(s->doc), "recipe"), "optimizer");
  if (!was || was->kind != JSON_STRING || !t->optimizer || json_equals(was, t->optimizer))
    return 0;
  return bigs_fail(
      e, BIGS_EUSAGE,
      "%s was trained by %s, and the model now says %s: start a new folder from its weights", dir,
      was->text, t->optimizer);
}

static int load(bigs_model *m, const char *dir, int train, bool values, TrainState *out) {
  char name[128];
  int err = state_read(dir, out, name, sizeof name, &m->error);
  if (err)
    return err;
  if (strcmp(name, m->module->train[train].name))
    err = bigs_fail(&m->error, BIGS_EUSAGE, "%s was trained by the block %s, not %s", dir, name,
                    m->module->train[train].name);
  if (!err && out->average)
    err = bigs_fail(
        &m->error, BIGS_EUSAGE,
        "%s has the average of a run's parameters: resume the run itself, or start another "
        "from these --weights",
        dir);
  err = err ? err : check_optimizer(&m->module->train[train], dir, out, &m->error);
  err = err ? err : optim_ready(m, train);
  err = err || !values ? err : read_set(m, dir, out);
  m->weights_version++;
  if (err) {
    state_free(out);
    return err;
  }
  m->step = out->step;
  m->moment_steps = out->moment_steps;
  m->seed = out->seed;
  return 0;
}

int checkpoint_load(bigs_model *m, const char *dir, int train, TrainState *out) {
  int err = load(m, dir, train, true, out);
  if (!err) {
    drop_next(dir);
    drop_temporaries(dir);
  }
  return err;
}

int checkpoint_join(bigs_model *m, const char *dir, int train, TrainState *out) {
  return load(m, dir, train, false, out);
}
