// bigsc report: a page about a run, one file that needs no network and no script.
#include "compiler/commands/cmd.h"
#include "compiler/commands/drawing.h"
#include "compiler/commands/report.h"
#include "compiler/commands/trained.h"
#include "compiler/draw/html.h"
#include "base/alloc.h"
#include "runtime/files/file.h"
#include <stdlib.h>
#include <string.h>

static int usage(const char *what) {
  fprintf(stderr, "bigsc report: %s; see `bigsc report --help`\n", what);
  return EXIT_USAGE;
}

// ---- the model, where there is a checkpoint
// By name the entries that data is compared with, else the first one.
static const char *judged_by(const Model *m) {
  static const char *const names[] = {"logits", "scores", "tags", "spans", "embed"};
  const ModelValue *entry;
  for (int i = 0; i < COUNT(names); i++)
    if (model_entry(m, names[i]))
      return names[i];
  return model_entries(m, &entry) ? entry[0].name : NULL;
}

static int read_state(Report *r) {
  if (state_read(r->dir, &r->st, r->train, sizeof r->train, &r->s.error))
    return session_fail(&r->s, &r->s.error);
  state_free(&r->st); // the numbers stay
  return 0;
}

// Does it predict masked words, by `logits` alone?
static bool is_masked(const Report *r) {
  const Recipe *t = model_train(r->s.model, r->train);
  return t && t->source && data_has_field(t->source, "labels") && model_entry(r->s.model, "logits");
}

static int compile(Report *r) {
  const char *train = r->train;
  r->entry = judged_by(r->s.model);
  BuildWant want = {
      .entries = &r->entry, .nentries = is_masked(r) ? 1 : -1, .trains = &train, .ntrains = 1};
  return trained_compile(&r->s, &want);
}

static int open_model(Report *r, Arena *a) {
  const char *path;
  int status = trained_load(&r->s, &r->o, a, &r->dir, &path);
  status = status ? status : session_needs_model(&r->s);
  status = status ? status : read_state(r);
  status = status ? status : compile(r);
  r->saved = !status;
  return status;
}

// ---- the page
static int put_page(Report *r) {
  html_begin(r->f, session_text(&r->s, "%s: a run of bigsc", r->h.name));
  if (!r->saved)
    html_note(r->f, "There is no checkpoint yet: this is what the log says.");
  report_recipe(r);
  report_curves(r);
  int status = report_examples(r);
  status = status ? status : report_kernels(r);
  html_end(r->f);
  return status;
}

static int write_page(Report *r, const char *out) {
  Drawing d;
  if (drawing_begin(&r->s, &d))
    return EXIT_MODEL;
  r->f = d.f;
  int status = put_page(r);
  if (status)
    drawing_drop(&d);
  else
    status = drawing_write(&r->s, &d, out);
  if (!status && !r->o.quiet && strcmp(out, OUT_STDOUT))
    printf("%s\n", out);
  return status;
}

static int report(Report *r, Arena *a, const char *run) {
  BigsError e = {0};
  const char *out = r->o.out;
  int status = history_read(a, run, &r->h, &e);
  bool folder = file_is_folder(run) && folder_has_run(run);
  if (status) {
    session_start(&r->s, &r->o);
    return session_fail(&r->s, &e);
  }
  if (folder)
    status = open_model(r, a);
  else
    session_start(&r->s, &r->o);
  out = out ? out : arena_printf(a, "%s.html", r->h.name);
  status = status ? status : drawing_check(&r->s, out, r->h.path);
  return status ? status : write_page(r, out);
}

int cmd_REPORT(const Options *given) {
  if (given->args.n != 1)
    return usage(given->args.n ? "one run at a time" : "which run?");
  if (given->out && strcmp(given->out, OUT_STDOUT) && !file_has_suffix(given->out, ".html"))
    return usage("-o takes a file.html, or - for standard output");
  Report *r = ALLOC(Report);
  Arena *a = arena_new();
  if (!r)
    out_of_memory();
  r->o = *given;
  int status = report(r, a, given->args.v[0]);
  feeding_close(&r->feeding);
  history_free(&r->h);
  session_close(&r->s);
  arena_free(a);
  free(r);
  return status;
}
