// See trained.h.
#include "compiler/commands/trained.h"
#include "compiler/commands/feeding.h"
#include "runtime/train/checkpoint.h"
#include <string.h>
#include <unistd.h>

int trained_load(Session *s, Options *o, Arena *a, const char **dir, const char **out) {
  const char *what = o->args.v[0];
  size_t n = strlen(what);
  bool file = (n > 4 && !strcmp(what + n - 4, ".mdl")) || (n > 3 && !strcmp(what + n - 3, ".so"));
  const char *path = *out = file ? what : arena_printf(a, "%s/model.mdl", what);
  *dir = file ? NULL : what;
  if (!file && access(path, R_OK)) {
    fprintf(stderr, "bigsc: %s is no training folder: it has no model.mdl\n", what);
    *s = (Session){.o = o, .arena = arena_new()};
    return EXIT_FILE;
  }
  if (!file && !o->weights)
    o->weights = what;
  return session_load(s, o, path, true);
}

int trained_compile(Session *s, const BuildWant *want) {
  int status = session_compile(s, want);
  s->unnoted = !s->o->verbose; // what is computed reaches no such part, or is refused
  s->lacking = "left out";
  status = status ? status : session_open(s);
  return status ? status : session_check_finite(s);
}

int trained_open(Session *s, Options *o, Arena *a, const BuildWant *want, const char **dir) {
  const char *path;
  int status = trained_load(s, o, a, dir, &path);
  return status ? status : trained_compile(s, want);
}

int64_t trained_length(const char *dir) {
  TrainState st;
  char name[128];
  if (!dir || !folder_has_run(dir) || state_read(dir, &st, name, sizeof name, NULL))
    return 0;
  state_free(&st);
  return st.length > 0 ? st.length : 0;
}

int64_t trained_pad(Session *s, const char *dir) {
  if (fixed_length(s->module))
    return fixed_length(s->module);
  if (!s->module->pad_to || s->o->length > 0)
    return s->o->length > 0 ? s->o->length : 0;
  int64_t length = trained_length(dir);
  return length ? length : s->module->pad_to;
}

const char *trained_folder(const Session *s, const char *dir) {
  return dir ? dir : s->o->weights;
}

// Does a train block predict what stood in the place of a [MASK]?
static bool is_masked(const Recipe *r) {
  bool labels = r->source && data_has_field(r->source, "labels");
  for (int i = 0; i < r->fields.n; i++)
    labels |= r->fields.v[i].kind == FIELD_LABELS;
  return labels;
}

int trained_on_masks(Session *s) {
  const Recipe *const *train = NULL;
  int n = s->model ? model_trains(s->model, &train) : 0, masked = 0, others = 0;
  for (int i = 0; i < n; i++)
    is_masked(train[i]) ? masked++ : others++;
  for (int i = 0; !s->model && i < s->module->ntrain; i++)
    data_has_field(s->module->train[i].source, "labels") ? masked++ : others++;
  if (masked || !others)
    return 0;
  return session_error(
      s, EXIT_MODEL,
      "%s never saw a [MASK]: no train block of it predicts masked tokens (mlm_text), "
      "so there is nothing to fill",
      s->module->model);
}
