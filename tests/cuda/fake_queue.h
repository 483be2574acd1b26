// The streams, events and graphs of fake_cuda.c.  What is put into a stream is done when somebody waits
// for that stream, and so is what it waits for; what lies in other streams is not.
#ifndef BIGSC_FAKE_QUEUE_H
#define BIGSC_FAKE_QUEUE_H
#include "runtime/cuda/driver.h"
#include "tests/cuda/fake_cuda.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STREAMS = 32, EVENTS = 64, JOBS = 512, WORDS = 128 };

typedef struct FakeStream {
  bool live;
  struct FakeGraph *capture; // NULL: what is put into it will be done
} FakeStream;
typedef struct FakeEvent {
  bool live;
  int job; // at which it was recorded last, -1: done
  unsigned flags;
  long long ns; // when it was done, 0: it was not
} FakeEvent;
typedef struct FakeJob {
  enum { FAKE_COPY, FAKE_FILL, FAKE_KERNEL, FAKE_CALL, FAKE_FAULT, FAKE_RECORD, FAKE_JOIN } what;
  bool done;
  const FakeStream *stream;
  char *to;
  const void *from;
  size_t bytes;
  int value; // of a fill; the job that a join waits for, -1: none
  FakeGrid grid;
  const FakeFunction *f;
  void (*call)(const void *data); // of `word`
  uint64_t word[WORDS];
} FakeJob;

// What was captured: kernels, with copies of their parameters, and fills.
typedef struct FakeGraph {
  FakeJob *job;
  int jobs;
  bool broken; // something was done that a capture does not allow
} FakeGraph;

static FakeStream fake_stream[STREAMS];
static FakeEvent fake_event[EVENTS];
static FakeJob fake_job[JOBS];
static int fake_jobs;
static CudaResult lost; // the answer to all that follows

static FakeStream *stream_of(CudaStream s) {
  for (int i = 0; i < STREAMS; i++)
    if ((void *)s == (void *)&fake_stream[i] && fake_stream[i].live)
      return &fake_stream[i];
  return NULL;
}

static FakeEvent *event_of(CudaEvent e) {
  for (int i = 0; i < EVENTS; i++)
    if ((void *)e == (void *)&fake_event[i] && fake_event[i].live)
      return &fake_event[i];
  return NULL;
}

static long long fake_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

// ---- doing it
static void run_stream(const FakeStream *s, int end);

static void run_job(FakeJob *j) {
  switch (j->what) {
  case FAKE_COPY: memcpy(j->to, j->from, j->bytes); break;
  case FAKE_FILL: memset(j->to, j->value, j->bytes); break;
  case FAKE_KERNEL: j->f->run(j->f->ctx, j->word, &j->grid); break;
  case FAKE_CALL: j->call(j->word); break;
  case FAKE_FAULT: lost = 700; break; // an illegal address
  case FAKE_RECORD: fake_event[j->value].ns = fake_now(); break;
  case FAKE_JOIN:
    if (j->value >= 0)
      run_stream(fake_job[j->value].stream, j->value + 1);
  }
}

// The jobs of this stream that were put before the `end`-th of all.
static void run_stream(const FakeStream *s, int end) {
  for (int i = 0; i < end && !lost; i++)
    if (fake_job[i].stream == s && !fake_job[i].done) {
      fake_job[i].done = true;
      run_job(&fake_job[i]);
    }
}

static void run_all(void) {
  for (int i = 0; i < fake_jobs; i++)
    run_stream(fake_job[i].stream, i + 1);
  fake_jobs = 0;
  for (int i = 0; i < EVENTS; i++)
    fake_event[i].job = -1;
}

// ---- putting it there
static FakeJob *new_job(const FakeStream *s, int what) {
  FakeJob *j = &fake_job[fake_jobs++];
  memset(j, 0, sizeof *j);
  j->what = what, j->stream = s;
  return j;
}

// ---- graphs
enum { UNSUPPORTED = 900, INVALIDATED = 901 };

static FakeJob *capture_job(FakeGraph *g, int what) {
  if (what != FAKE_KERNEL && what != FAKE_FAULT && what != FAKE_FILL) {
    g->broken = true;
    return NULL;
  }
  g->job = realloc(g->job, (size_t)(g->jobs + 1) * sizeof *g->job);
  if (!g->job)
    abort();
  FakeJob *j = &g->job[g->jobs++];
  memset(j, 0, sizeof *j);
  j->what = what;
  return j;
}

// What a thread may not do while it captures, which spoils the capture.
static CudaResult not_in_capture(void) {
  CudaResult r = 0;
  for (int i = 0; i < STREAMS; i++)
    if (fake_stream[i].live && fake_stream[i].capture) {
      fake_stream[i].capture->broken = true;
      r = UNSUPPORTED;
    }
  return r;
}

static FakeGraph *graph_copy(const FakeGraph *from) {
  FakeGraph *g = calloc(1, sizeof *g);
  if (!g || !(g->job = malloc((size_t)from->jobs * sizeof *g->job + 1)))
    abort();
  memcpy(g->job, from->job, (size_t)from->jobs * sizeof *g->job);
  g->jobs = from->jobs;
  return g;
}

static void graph_end(FakeGraph *g) {
  free(g->job);
  free(g);
}

static void forget_queues(void) {
  memset(fake_stream, 0, sizeof fake_stream);
  memset(fake_event, 0, sizeof fake_event);
  fake_jobs = lost = 0;
}
#endif
