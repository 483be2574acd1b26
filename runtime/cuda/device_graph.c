// Steps that a GPU has recorded, as graphs of the driver.
#include "base/alloc.h"
#include "runtime/cuda/device_internal.h"
#include <stdio.h>

typedef struct CudaRecording {
  CudaGraphExec exec;
  DeviceLaunch last;
} CudaRecording;

static bool has_graphs(const CudaDriver *d) {
  return d->capture_begin && d->capture_end && d->graph_free && d->graph_ready && d->graph_launch &&
         d->graph_drop;
}

static void go_plain(bigs_model *m, CudaResult r) {
  CudaState *s = cuda_state(m);
  char text[128];
  s->plain = true;
  snprintf(m->remark, sizeof m->remark,
           "%s: steps are launched one by one, since the driver makes no graph of them: %s",
           s->gpu.name, r ? driver_text(&s->driver, r, text, sizeof text) : "it is too old");
}

// In the handle's own stream, which nobody else looks at.
bool cuda_record(bigs_model *m) {
  enum {
    THREAD_LOCAL = 1
  }; // what this thread may not do meanwhile is an error; others may do anything
  CudaState *s = cuda_state(m);
  if (s->plain || s->lost || cuda_enter(m))
    return false;
  CudaResult r = has_graphs(&s->driver) ? s->driver.capture_begin(s->own, THREAD_LOCAL) : 0;
  if (r || !has_graphs(&s->driver))
    go_plain(m, r);
  s->outer = s->stream;
  if (!s->plain)
    s->stream = s->own;
  return !cuda_leave(m, 0, "") && !s->plain;
}

static CudaResult make_exec(CudaState *s, CudaGraphExec *exec) {
  CudaGraph graph = NULL;
  CudaResult r = s->driver.capture_end(s->own, &graph);
  r = r ? r : s->driver.graph_ready(exec, graph, 0);
  if (graph)
    s->driver.graph_free(graph);
  return r;
}

void *cuda_recorded(bigs_model *m) {
  CudaState *s = cuda_state(m);
  CudaRecording *made = ALLOC(CudaRecording);
  CudaGraphExec exec = NULL;
  s->stream = s->outer;
  if (cuda_enter(m)) {
    free(made);
    return NULL;
  }
  CudaResult r = make_exec(s, &exec);
  if (r)
    go_plain(m, r);
  else if (made)
    *made = (CudaRecording){.exec = exec, .last = s->last};
  else
    s->driver.graph_drop(exec);
  cuda_leave(m, 0, "");
  if (r)
    free(made);
  return r ? NULL : made;
}

int cuda_replay(bigs_model *m, void *recording) {
  CudaState *s = cuda_state(m);
  const CudaRecording *x = (const CudaRecording *)recording;
  int err = cuda_enter(m);
  s->last = x->last;
  return err ? err
             : cuda_leave(m, s->driver.graph_launch(x->exec, s->stream),
                          "its steps cannot be launched");
}

// Work that is under way is not waited for, and ends by itself.
void cuda_recording_free(bigs_model *m, void *recording) {
  CudaState *s = cuda_state(m);
  CudaRecording *x = (CudaRecording *)recording;
  CudaContext mine;
  if (!s->driver.context_push(s->context)) {
    s->driver.graph_drop(x->exec);
    s->driver.context_pop(&mine);
  }
  free(x);
}
