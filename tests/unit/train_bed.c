// See train_bed.h.
#include "tests/unit/train_bed.h"
#include "base/dtype.h"
#include "base/rng.h"
#include "runtime/files/file.h"
#include "tests/unit/tmpdir.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void run_make_dir(void) {
  make_dir();
}
void run_remove_dir(void) {
  remove_dir();
}

const char *run_path(const char *a, const char *b) {
  static char path[4][256];
  static int turn;
  turn = (turn + 1) % 4;
  snprintf(path[turn], sizeof path[turn], "%s/%s%s%s", dir, a, *b ? "/" : "", b);
  return path[turn];
}
char *run_file(const char *path, size_t *n) {
  BigsError e = {0};
  char *s = file_read(path, 1 << 20, n, &e);
  ck_assert_msg(s != NULL, "%s", e.text);
  return s;
}
void run_same_file(const char *a, const char *b) {
  size_t na, nb;
  char *sa = run_file(a, &na), *sb = run_file(b, &nb);
  ck_assert_msg(na == nb && !memcmp(sa, sb, na), "%s and %s differ", a, b);
  free(sa);
  free(sb);
}
bool run_exists(const char *path) {
  return access(path, F_OK) == 0;
}

// ---- a source of batches that depend on the step alone
enum { B = 4, L = 8 };
static void toy_batch(ToyFeed *t, uint32_t seed, int64_t M, FeedBatch *out) {
  for (int i = 0; i < B * L; i++)
    t->ids[i] = (int32_t)rng_below(rng_mix(seed * 64 + (uint32_t)i), TOY_V);
  for (int i = 0; i < M; i++) {
    t->at[i] = i * 6;
    t->labels[i] = (int32_t)(rng_mix(seed + 7) % 4 ? 5 : t->ids[t->at[i]]);
  }
  t->field[0] =
      (FeedField){.name = "ids", .dtype = DT_I32, .rank = 2, .shape = {B, L}, .data = t->ids};
  t->field[1] = (FeedField){.name = "at", .dtype = DT_I32, .rank = 1, .shape = {M}, .data = t->at};
  t->field[2] =
      (FeedField){.name = "labels", .dtype = DT_I32, .rank = 1, .shape = {M}, .data = t->labels};
  *out = (FeedBatch){.nfield = 3, .field = t->field, .tokens = B * L};
}
int toy_next(void *ctx, int64_t step, FeedBatch *out, BigsError *e) {
  ToyFeed *t = ctx;
  (void)e;
  if (step + 1 == t->stop_after)
    t->stop = 1;
  toy_batch(t, (uint32_t)step, 3 + step % 3, out);
  return 0;
}
int toy_held_out(void *ctx, int64_t i, FeedBatch *out, BigsError *e) {
  (void)e;
  *out = (FeedBatch){0};
  if (i < 3)
    toy_batch(ctx, 1000 + (uint32_t)i, 5, out);
  return 0;
}

int run_toy(RunSpec s, TrainResult *result, char *error, size_t size) {
  BigsError e = {0};
  ToyFeed toy = {.stop_after = s.stop_after};
  Feed feed = {.ctx = &toy, .train = toy_next, .held_out = toy_held_out};
  TrainChanges changes = train_no_changes();
  TrainPlan plan;
  const char *out = run_path(s.folder, "");
  for (int i = 0; i < 3 && s.set[i]; i++)
    ck_assert_int_eq(train_change(&changes, s.set[i], &e), 0);
  int status = train_plan(&toy_module, 0, &changes, 11, s.resume ? out : NULL, &plan, &e);
  snprintf(error, size, "%s", e.text);
  if (status)
    return status;
  bigs_model *m = bigs_model_open_with(&toy_module, NULL,
                                       &(bigs_options){.size = sizeof(bigs_options),
                                                       .seed = 11,
                                                       .threads = s.threads ? s.threads : 1},
                                       error, size);
  ck_assert_ptr_nonnull(m);
  TrainOptions o = {.out = out,
                    .resume = s.resume,
                    .flags = "train toy.mdl \xff",
                    .save_every = s.save_every,
                    .log_every = 3,
                    .progress = {.to = s.progress, .terminal = s.terminal, .every = 5},
                    .stop = &toy.stop};
  status = train_run(m, &plan, &feed, &o, result);
  snprintf(error, size, "%s", bigs_model_error(m));
  bigs_model_close(m);
  return status;
}
void run_ok(RunSpec s, TrainResult *result) {
  char error[sizeof(((BigsError *)0)->text)];
  int status = run_toy(s, result, error, sizeof error);
  ck_assert_msg(status == 0, "%d: %s", status, error);
}
void run_fails(RunSpec s, int want, const char *text) {
  char error[sizeof(((BigsError *)0)->text)];
  TrainResult r;
  int status = run_toy(s, &r, error, sizeof error);
  ck_assert_msg(status == want && strstr(error, text), "%d: %s", status, error);
}

int run_records(const char *folder, const char *event, const char *key, double *value, char *text,
                size_t size) {
  size_t n;
  int found = 0;
  char *log = run_file(run_path(folder, "log.jsonl"), &n);
  for (char *line = log; *line;) {
    char *end = strchr(line, '\n');
    ck_assert_ptr_nonnull(end);
    BigsError e = {0};
    JsonDoc *d = json_parse(line, (size_t)(end - line), "log", 0, &e);
    ck_assert_msg(d != NULL, "%s", e.text);
    const JsonValue *ev = json_get(json_root(d), "event"), *v = json_get(json_root(d), key);
    if (v && (event ? ev && json_equals(ev, event) : !ev)) {
      if (!found && value)
        json_double(v, value);
      if (!found && text && v->text)
        snprintf(text, size, "%s", v->text);
      found++;
    }
    json_free(d);
    line = end + 1;
  }
  free(log);
  return found;
}
