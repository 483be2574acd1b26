// Every call that changes a file fails in turn, and the process ends before and behind each: no file
// is half the old and half the new, an error names the file, and the next run goes on.
#include "compiler/driver/session.h"
#include "runtime/files/file.h"
#include "tests/unit/fault_bed.h"
#include "tests/unit/suites.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
  FaultHow how;
  int error;
  const char *name;
} ways[] = {{FAULT_ONCE, ENOSPC, "no space"},
            {FAULT_ONCE, EIO, "an I/O error"},
            {FAULT_EVER_AFTER, ENOSPC, "no space any more"},
            {FAULT_KILL, 0, "killed before"},
            {FAULT_KILL_BEHIND, 0, "killed behind"}};

static bool kills(int way) {
  return !ways[way].error;
}

// Of 1 ... calls every stride-th, others for each way.
static bool tried(long n, int way, int stride) {
  return fault_all() || (n + way) % stride == 0;
}

static Fault fault_of(long n, int way) {
  return (Fault){FAULT_FILE, n, ways[way].how, ways[way].error};
}

static long calls_of(const char *const *words) {
  Outcome o = fault_run(words, (Fault){FAULT_FILE, 0, FAULT_ONCE, 0});
  ck_assert_msg(o.status == 0, "%s: status %d: %s", words[0], o.status, o.err);
  return o.calls;
}

static char where[256]; // for messages

static void check_error(const Outcome *o, int way, const char *file) {
  if (kills(way))
    ck_assert_msg(o->status == 128 + SIGKILL, "%s: status %d", where, o->status);
  else if (o->status)
    ck_assert_msg(o->status == EXIT_FILE && strstr(o->err, file) &&
                      strstr(o->err, strerror(ways[way].error)),
                  "%s: status %d: %s", where, o->status, o->err);
}

// ---- files

enum { FILES = 2 };

typedef struct Product {
  const char *words[FAULT_WORDS];
  const char *stem, *file[FILES];
  bool fresh; // there are no old files
  int stride;
} Product;

static const Product products[] = {
    {{"init", "m.so", "-o", "made.safetensors"}, "made", {"made.safetensors"}, false, 1},
    {{"init", "m.so", "-o", "made.safetensors"}, "made", {"made.safetensors"}, true, 2},
    {{"vocab", "t.txt", "-o", "made.txt", "--size", "30"}, "made", {"made.txt"}, false, 1},
    {{"m.mdl", "-O0", "-o", "made.so"}, "made", {"made.so", "made.h"}, false, 7},
    {{"m.mdl", "-O0", "-o", "made.so"}, "made", {"made.so", "made.h"}, true, 14},
};

typedef struct Text {
  char *s;
  size_t n;
} Text;

static Text text_of(const char *path) {
  Text t = {0};
  if (access(path, F_OK) == 0)
    ck_assert_ptr_nonnull(t.s = file_read(path, SIZE_MAX / 4, &t.n, NULL));
  return t;
}

static bool holds(const char *path, const char *s, size_t n) {
  Text t = text_of(path);
  bool same = t.s ? t.n == n && !memcmp(t.s, s, n) : !s;
  free(t.s);
  return same;
}

// Of the kind of what takes its place: others are not replaced.
static Text old_of(const char *path) {
  static char numbers[] = "\177ELF\0an old file", words[] = "an\nold\nfile\n";
  return file_has_suffix(path, ".txt") || file_has_suffix(path, ".h")
             ? (Text){words, sizeof words - 1}
             : (Text){numbers, sizeof numbers - 1};
}

static void put_old(const Product *c) {
  fault_drop("made*");
  for (int i = 0; i < FILES && c->file[i] && !c->fresh; i++) {
    Text old = old_of(c->file[i]);
    ck_assert_int_eq(file_put(c->file[i], old.s, old.n, NULL), 0);
  }
}

static bool is_new(const char *path, const Text *made) {
  return holds(path, made->s, made->n);
}

static bool is_old(const Product *c, const char *path) {
  Text old = old_of(path);
  return c->fresh ? holds(path, NULL, 0) : holds(path, old.s, old.n);
}

static void check_files(const Product *c, const Outcome *o, const Text *made) {
  for (int i = 0; i < FILES && c->file[i]; i++)
    ck_assert_msg(is_new(c->file[i], &made[i]) || (o->status && is_old(c, c->file[i])),
                  "%s: status %d, and %s is neither old nor new", where, o->status, c->file[i]);
}

// After an error a library has its header, or there is neither; after a kill the next run mends it.
static void check_pair(const Product *c, const Outcome *o) {
  if (c->fresh && o->status && c->file[1])
    ck_assert_msg(access(c->file[0], F_OK) == access(c->file[1], F_OK),
                  "%s: a library without its header, or the reverse", where);
}

static void check_next_run(const Product *c, const Text *made) {
  const Outcome good = {0};
  fault_must(c->words);
  check_files(c, &good, made);
}

static void try_output(const Product *c, long n, int way, const Text *made) {
  snprintf(where, sizeof where, "%s%s, call %ld: %s", c->file[0], c->fresh ? ", fresh" : "", n,
           ways[way].name);
  put_old(c);
  Outcome o = fault_run(c->words, fault_of(n, way));
  check_error(&o, way, c->stem);
  check_files(c, &o, made);
  if (kills(way)) {
    check_next_run(c, made);
    return;
  }
  ck_assert_msg(!fault_matches("*.tmp*"), "%s: a temporary is left", where);
  check_pair(c, &o);
}

START_TEST(an_output_is_old_or_new) {
  const Product *c = &products[_i];
  Text made[FILES] = {{0}};
  put_old(c);
  long calls = calls_of(c->words);
  ck_assert_int_gt(calls, 5);
  for (int i = 0; i < FILES && c->file[i]; i++)
    made[i] = text_of(c->file[i]);
  for (int way = 0; way < COUNT(ways); way++)
    for (long n = 1; n <= calls; n++)
      if (tried(n, way, c->stride))
        try_output(c, n, way, made);
  for (int i = 0; i < FILES; i++)
    free(made[i].s);
  fault_drop("made*");
}
END_TEST

// ---- a training run

typedef struct Training {
  const char *words[FAULT_WORDS], *next[FAULT_WORDS];
  const char *before; // a shell command
  const char *record; // how the last step's begins
  int stride;
} Training;

#define DATA "--data", "t.txt", "--out", "made"
// The log of `run` goes on behind what was saved: it is cut.
static const Training trainings[] = {
    {{"train", "m.so", DATA, "--vocab", "v.txt", "--length", "8"},
     {"train", "m.so", DATA, "--resume"},
     "true",
     "{\"step\": 2,",
     11},
    {{"train", "m.so", DATA, "--resume", "--steps", "4"},
     {"train", "m.so", DATA, "--resume", "--steps", "4"},
     "cp -r run made && echo '{\"step\": 4, \"loss\": 9}' >>made/log.jsonl",
     "{\"step\": 4,",
     11},
};

static const char *const kept[] = {"made/model.safetensors", "made/optimizer.safetensors",
                                   "made/model.mdl", "made/vocab.txt", "made/config.json"};

static void before(const Training *t) {
  fault_drop("made");
  ck_assert_int_eq(system(t->before), 0);
}

// Every line is whole, and the record of the last step is there once.
static void check_log(const Training *t) {
  Text log = text_of("made/log.jsonl");
  int last = 0;
  for (char *line = log.s, *end; line < log.s + log.n; line = end + 1) {
    end = strchr(line, '\n');
    ck_assert_msg(*line == '{' && end && end[-1] == '}', "%s: a line of the log: %s", where, line);
    last += !strncmp(line, t->record, strlen(t->record));
  }
  ck_assert_msg(last == 1, "%s: the record of the last step is in the log %d times", where, last);
  free(log.s);
}

// What comes next ends as if nothing had happened: what was not saved is trained anew.
static void check_run(const Training *t, const Text *made) {
  fault_must(access("made/state.json", F_OK) ? t->words : t->next);
  for (int i = 0; i < COUNT(kept); i++)
    ck_assert_msg(is_new(kept[i], &made[i]), "%s: %s differs after the next run", where, kept[i]);
  ck_assert_msg(!fault_matches("made/*.tmp") && !fault_matches("made/*.next.*"),
                "%s: a temporary is left by the next run", where);
  check_log(t);
}

static void try_training(const Training *t, long n, int way, const Text *made) {
  snprintf(where, sizeof where, "training %d, call %ld: %s", (int)(t - trainings), n,
           ways[way].name);
  before(t);
  Outcome o = fault_run(t->words, fault_of(n, way));
  check_error(&o, way, "made");
  ck_assert_msg(kills(way) || !fault_matches("made/*.tmp"), "%s: a temporary is left", where);
  check_run(t, made);
}

START_TEST(a_training_run_goes_on) {
  const Training *t = &trainings[_i];
  Text made[COUNT(kept)];
  before(t);
  long calls = calls_of(t->words);
  for (int i = 0; i < COUNT(kept); i++)
    made[i] = text_of(kept[i]);
  for (int way = 0; way < COUNT(ways); way++)
    for (long n = 1; n <= calls; n++)
      if (tried(n, way, t->stride))
        try_training(t, n, way, made);
  for (int i = 0; i < COUNT(kept); i++)
    free(made[i].s);
  fault_drop("made");
}
END_TEST

// What may be lost when the power fails is said: of a file, and of the folder that has its name.
START_TEST(a_sync_that_fails_is_an_error) {
  const Training *t = &trainings[_i];
  before(t);
  long calls = fault_run(t->words, (Fault){FAULT_SYNC, 0, FAULT_ONCE, 0}).calls;
  ck_assert_int_ge(calls, 6);
  for (long n = 1; n <= calls; n++) {
    before(t);
    Outcome o = fault_run(t->words, (Fault){FAULT_SYNC, n, FAULT_ONCE, EIO});
    ck_assert_msg(o.status == EXIT_FILE && strstr(o.err, "cannot sync") &&
                      strstr(o.err, strerror(EIO)),
                  "training %d, sync %ld of %ld: status %d: %s", _i, n, calls, o.status, o.err);
  }
  fault_drop("made");
}
END_TEST

TCase *faults_files_case(void) {
  TCase *t = fault_case("files");
  tcase_add_loop_test(t, an_output_is_old_or_new, 0, COUNT(products));
  tcase_add_loop_test(t, a_training_run_goes_on, 0, COUNT(trainings));
  tcase_add_loop_test(t, a_sync_that_fails_is_an_error, 0, COUNT(trainings));
  return t;
}
