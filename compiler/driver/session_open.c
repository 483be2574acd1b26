// A session's handle of its model, with the weights that the command line names.
#include "compiler/driver/session.h"
#include "runtime/exec/exec.h"
#include "runtime/foreign/foreign.h"
#include <string.h>

static void print_notes(const Session *s, const char *notes) {
  const char *what = s->lacking ? s->lacking : "fresh values";
  for (size_t n; *notes; notes += n + 1) {
    n = strcspn(notes, "\n");
    fprintf(stderr, "%.*s, %s\n", (int)n, notes, what);
    if (!notes[n])
      return;
  }
}

// "position=tile,word=fresh", or NULL.
static const char *extend_text(Session *s) {
  const char *text = NULL;
  for (int i = 0; i < s->o->extends.n; i++) {
    const Define *d = &s->o->extends.v[i];
    text = session_text(s, "%s%s%s=%s", text ? text : "", text ? "," : "", d->name, d->value);
  }
  return text;
}

int session_open(Session *s) {
  char error[sizeof s->error.text];
  int status = 0;
  if (s->o->extends.n && !s->o->weights)
    return session_error(s, EXIT_USAGE,
                         "--extend is for --weights: fresh parameters have all rows");
  bigs_options o = {.size = sizeof(bigs_options),
                    .seed = (uint64_t)s->o->seed,
                    .threads = (int)s->o->threads,
                    .fresh = s->fresh,
                    .fresh_head = s->o->fresh_head,
                    .unset = s->unset,
                    .device = s->device,
                    .readers = &foreign_readers,
                    .extend = extend_text(s),
                    .status = &status};
  s->handle = bigs_model_open_with(s->module, s->weights, &o, error, sizeof error);
  if (!s->handle)
    return session_error(s, status, "%s", error);
  if (!s->o->quiet && !s->unnoted)
    print_notes(s, bigs_model_notes(s->handle));
  return 0;
}
