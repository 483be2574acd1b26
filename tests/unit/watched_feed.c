// See watched_feed.h.
#include "tests/unit/watched_feed.h"
#include <string.h>

static int watched_train(void *ctx, int64_t number, FeedBatch *out, BigsError *e) {
  WatchedFeed *w = ctx;
  int at = ++w->asked;
  if (at == w->stop_at)
    w->stop = 1;
  if (at == w->spoil_at)
    memcpy(w->m->param.p, &w->spoilt, sizeof w->spoilt);
  if (at == w->fail_at)
    return bigs_fail(e, BIGS_EFILE, "the disk is gone");
  return w->of.train(w->of.ctx, number, out, e);
}
static int watched_again(void *ctx, BigsError *e) {
  const WatchedFeed *w = ctx;
  return w->of.again(w->of.ctx, e);
}
static void watched_pace(void *ctx, FeedPace pace) {
  const WatchedFeed *w = ctx;
  w->of.pace(w->of.ctx, pace);
}
static int watched_held_out(void *ctx, int64_t i, FeedBatch *out, BigsError *e) {
  const WatchedFeed *w = ctx;
  return w->of.held_out(w->of.ctx, i, out, e);
}
static int watched_cursor(void *ctx, JsonText *out, BigsError *e) {
  const WatchedFeed *w = ctx;
  return w->of.cursor(w->of.ctx, out, e);
}
static int watched_seek(void *ctx, const JsonValue *cursor, int64_t step, BigsError *e) {
  const WatchedFeed *w = ctx;
  return w->of.seek(w->of.ctx, cursor, step, e);
}

static bool watched_doubt(void *ctx, char *text, size_t size) {
  const WatchedFeed *w = ctx;
  return w->of.doubt(w->of.ctx, text, size);
}
static int watched_answers(void *ctx, const SpanSaid *said, int64_t n, SpanAnswer **out,
                           int64_t *answers, BigsError *e) {
  const WatchedFeed *w = ctx;
  return w->of.answers(w->of.ctx, said, n, out, answers, e);
}

Feed watched_feed(WatchedFeed *w) {
  Feed f = w->of;
  f.ctx = w;
  f.train = watched_train;
  f.again = f.again ? watched_again : NULL;
  f.pace = f.pace ? watched_pace : NULL;
  f.held_out = f.held_out ? watched_held_out : NULL;
  f.cursor = f.cursor ? watched_cursor : NULL;
  f.seek = f.seek ? watched_seek : NULL;
  f.doubt = f.doubt ? watched_doubt : NULL;
  f.answers = f.answers ? watched_answers : NULL;
  return f;
}
