// bench --trace: which thread did what when, as trace events that the viewers of Chrome and Perfetto open.
#ifndef BIGSC_TRACE_H
#define BIGSC_TRACE_H
#include "compiler/driver/session.h"

typedef struct TraceSpan { // what a thread did of a step, at once
  int call, step;
  int64_t begin, end; // of clock_ns()
} TraceSpan;
typedef struct TraceThread {
  TraceSpan *span;
  int n, cap;
  bool failed; // out of memory
} TraceThread;
typedef struct Trace {
  Session *s; // whose handle runs
  const BigsProgram *program;
  const int64_t *dims;
  const char *name;
  TraceThread *thread;
  int threads, call;
  int64_t begun;
  int64_t *step_ns; // of a GPU, which says of its steps only how long they took
} Trace;
// All return an exit status, with what is wrong printed.
int trace_open(Trace *t);
void trace_begin(Trace *t);
void trace_call(Trace *t, int call); // before each
void trace_called(Trace *t);         // after it
void trace_end(Trace *t);
int trace_write(const Trace *t, const char *path);
void trace_free(Trace *t);
#endif
