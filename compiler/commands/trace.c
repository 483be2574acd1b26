// See trace.h.  The format: "Trace Event Format", complete events (ph X), times in microseconds.
#include "compiler/commands/trace.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "compiler/commands/drawing.h"
#include "runtime/exec/exec.h"
#include "runtime/train/log.h"
#include <stdlib.h>
#include <string.h>

// ---- what happens
static bool make_room(TraceThread *x) {
  if (x->n < x->cap)
    return true;
  int cap = x->cap ? 2 * x->cap : 256;
  TraceSpan *v = realloc(x->span, (size_t)cap * sizeof *v);
  x->failed |= !v;
  if (!v)
    return false;
  x->span = v;
  x->cap = cap;
  return true;
}

static void add_span(TraceThread *x, TraceSpan span) {
  if (make_room(x))
    x->span[x->n++] = span;
}

// By the threads themselves, each in its own list.
static void watched(void *ctx, int thread, int64_t begin, int64_t end) {
  Trace *t = ctx;
  add_span(&t->thread[thread], (TraceSpan){t->call, t->s->handle->at_step, begin, end});
}

int trace_open(Trace *t) {
  t->threads = t->s->device ? 1 : t->s->handle->threads;
  t->thread = ALLOC_N(TraceThread, t->threads);
  t->step_ns = calloc((size_t)t->program->nstep + 1, sizeof *t->step_ns);
  return t->thread && t->step_ns ? 0 : session_error(t->s, EXIT_MODEL, "out of memory");
}

void trace_begin(Trace *t) {
  if (t->s->device)
    t->s->handle->step_ns = t->step_ns;
  else
    pool_watch(t->s->handle->pool, watched, t);
}

void trace_call(Trace *t, int call) {
  t->call = call;
  t->begun = clock_ns();
  memset(t->step_ns, 0, (size_t)t->program->nstep * sizeof *t->step_ns);
}

// A GPU's steps follow each other.
void trace_called(Trace *t) {
  int64_t at = t->begun;
  for (int i = 0; i < t->program->nstep && t->s->device; i++)
    if (t->step_ns[i] > 0) {
      add_span(&t->thread[0], (TraceSpan){t->call, i, at, at + t->step_ns[i]});
      at += t->step_ns[i];
    }
}

void trace_end(Trace *t) {
  if (t->s->device)
    t->s->handle->step_ns = NULL;
  else
    pool_watch(t->s->handle->pool, NULL, NULL);
}

void trace_free(Trace *t) {
  for (int i = 0; i < t->threads && t->thread; i++)
    free(t->thread[i].span);
  free(t->thread);
  free(t->step_ns);
}

// ---- as text
static double size_of(const Trace *t, BigsSize size) {
  return (double)poly_eval(module_poly(t->s->handle->module, size), t->dims);
}

// "layer.0.norm: sum+add"; a label that begins with the module says it already.
static const char *name_of(const Trace *t, const BigsStep *s) {
  const char *label = s->label ? s->label : "step";
  size_t n = s->module ? strlen(s->module) : 0;
  bool told = !n || (!strncmp(label, s->module, n) && strchr(" .", label[n]));
  return told ? label : session_text(t->s, "%s: %s", s->module, label);
}

static void put_args(const Trace *t, const TraceSpan *x, JsonText *j) {
  const BigsStep *s = &t->program->step[x->step];
  record_raw(j, "args", "");
  json_raw(j, "{");
  record_int(j, "call", x->call);
  record_int(j, "step", x->step);
  record_text(j, "module", s->module ? s->module : "");
  record_text(j, "source", s->source ? s->source : "");
  record_number(j, "flop", step_flops(t->s->handle->module, s, t->dims));
  record_number(j, "bytes", size_of(t, s->bytes));
  record_end(j);
}

static void put_span(const Trace *t, int thread, int64_t origin, const TraceSpan *x, JsonText *j) {
  const BigsStep *s = &t->program->step[x->step];
  json_raw(j, ",\n{");
  record_text(j, "name", name_of(t, s));
  record_text(j, "cat", s->kind == BIGS_KERNEL ? "kernel" : "library");
  record_text(j, "ph", "X");
  record_int(j, "pid", 1);
  record_int(j, "tid", thread);
  record_number(j, "ts", (double)(x->begin - origin) / 1e3);
  record_number(j, "dur", (double)(x->end - x->begin) / 1e3);
  put_args(t, x, j);
  record_end(j);
}

static void put_name(JsonText *j, const char *what, int thread, const char *name) {
  json_raw(j, "{");
  record_text(j, "name", what);
  record_text(j, "ph", "M");
  record_int(j, "pid", 1);
  record_int(j, "tid", thread);
  record_raw(j, "args", "");
  json_raw(j, "{");
  record_text(j, "name", name);
  record_end(j);
  record_end(j);
}

static int64_t first_of(const Trace *t) {
  int64_t first = INT64_MAX;
  for (int i = 0; i < t->threads; i++)
    if (t->thread[i].n && t->thread[i].span[0].begin < first)
      first = t->thread[i].span[0].begin;
  return first;
}

static void put_thread(const Trace *t, int i, int64_t origin, JsonText *j) {
  json_raw(j, ",\n");
  put_name(j, "thread_name", i, t->s->device ? "GPU" : session_text(t->s, "thread %d", i));
  for (int k = 0; k < t->thread[i].n; k++)
    put_span(t, i, origin, &t->thread[i].span[k], j);
  j->failed |= t->thread[i].failed;
}

int trace_write(const Trace *t, const char *path) {
  JsonText j = {0};
  Drawing d;
  json_raw(&j, "{\"displayTimeUnit\": \"ms\", \"traceEvents\": [\n");
  put_name(&j, "process_name", 0, t->name);
  for (int i = 0; i < t->threads; i++)
    put_thread(t, i, first_of(t), &j);
  json_raw(&j, "\n]}\n");
  int status =
      j.failed ? session_error(t->s, EXIT_MODEL, "out of memory") : drawing_begin(t->s, &d);
  if (!status) {
    fwrite(j.s, 1, j.n, d.f);
    status = drawing_write(t->s, &d, path);
  }
  free(j.s);
  return status;
}
