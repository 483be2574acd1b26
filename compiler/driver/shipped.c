// See shipped.h.
#include "compiler/driver/shipped.h"
#include "codegen/made.h"
#include "runtime/files/file.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
  const char *type, *model, *embed, *key[2];
} shipped[] = {
#define SHIPPED(type, model, embed, one, other) {type, model, embed, {one, other}},
#include "compiler/driver/shipped.def"
#undef SHIPPED
};

static bool fits(const JsonValue *config, const char *const *key) {
  const JsonValue *a = key[0] ? json_get(config, key[0]) : NULL,
                  *b = key[1] ? json_get(config, key[1]) : NULL;
  if (!key[1])
    return !key[0] || (a && a->kind == JSON_TRUE);
  return !a || !b || (a->kind == b->kind && a->text && b->text && !strcmp(a->text, b->text));
}

const char *shipped_model(const JsonValue *config, bool embed) {
  const JsonValue *type = json_get(config, "model_type");
  for (int i = 0; type && i < COUNT(shipped); i++)
    if (json_equals(type, shipped[i].type) && fits(config, shipped[i].key))
      return embed ? shipped[i].embed : shipped[i].model;
  return NULL;
}

const char *shipped_file(Arena *a, const char *model) {
  const char *own = made_own_dir(a), *said = getenv("BIGSC_MODELS_DIR");
  const char *dirs[] = {own ? arena_printf(a, "%s/../share/bigsc/models", own) : NULL,
#ifdef BIGSC_PKGDATADIR
                        BIGSC_PKGDATADIR "/models",
#endif
                        // built in the source, or in a folder or two below it
                        own ? arena_printf(a, "%s/models", own) : NULL,
                        own ? arena_printf(a, "%s/../models", own) : NULL,
                        own ? arena_printf(a, "%s/../../models", own) : NULL, NULL};
  if (said && *said) // no other will do
    dirs[0] = said;
  for (int i = 0; i < COUNT(dirs) && !(i && dirs[0] == said); i++) {
    const char *path = dirs[i] ? arena_printf(a, "%s/%s.mdl", dirs[i], model) : NULL;
    if (path && !access(path, R_OK))
      return path;
  }
  return NULL;
}

// ---- folders in the place of a model
static int not_shipped(const char *folder, const JsonValue *config, bool embed, BigsError *e) {
  const JsonValue *type = json_get(config, "model_type");
  const char *what = embed ? " that has an entry `embed`" : "";
  if (!type || type->kind != JSON_STRING)
    return bigs_fail(e, BIGS_EFILE,
                     "%s/config.json names no model_type: give a model, and --weights %s", folder,
                     folder);
  return bigs_fail(
      e, BIGS_EFILE,
      "%s: no model%s is shipped for the model_type \"%.60s\": give one, and --weights %s", folder,
      what, type->text, folder);
}

static int config_file(Arena *a, const char *folder, const JsonValue *config, bool embed,
                       const char **path, BigsError *e) {
  const char *model = shipped_model(config, embed);
  if (!model)
    return not_shipped(folder, config, embed, e);
  *path = shipped_file(a, model);
  if (!*path)
    return bigs_fail(
        e, BIGS_EFILE,
        "%s is read by %s.mdl, which is not installed: BIGSC_MODELS_DIR names the folder of models",
        folder, model);
  return 0;
}

// Asks a training folder for more than its model.
static bool takes_a_run(Verb v) {
  return v == VERB_FILL || v == VERB_EMBED || v == VERB_CLASSIFY || v == VERB_SCORE;
}

static bool takes_a_model(Verb v) {
  return v == VERB_COMPILE || v == VERB_RUN || v == VERB_GRAD || v == VERB_CONVERT ||
         v == VERB_QUANTIZE || takes_a_run(v) || v == VERB_BENCH || v == VERB_CHECK ||
         v == VERB_REPL;
}

// One of sentence-transformers is compiled for its vectors; such a model has the other entries, too.
static bool wants_vectors(Arena *a, const Options *o, const char *folder) {
  return o->verb == VERB_EMBED || (o->entry && !strcmp(o->entry, "embed")) ||
         (o->verb == VERB_COMPILE && !access(arena_printf(a, "%s/modules.json", folder), R_OK));
}

// NULL, and no error: the folder says nothing, and the command will.
static int model_of_folder(Arena *a, const Options *o, const char *folder, const char **path,
                           BigsError *e) {
  const char *config = arena_printf(a, "%s/config.json", folder),
             *own = arena_printf(a, "%s/model.mdl", folder);
  bool embed = wants_vectors(a, o, folder);
  *path = access(own, R_OK) ? NULL : own;
  if (*path || access(config, R_OK))
    return 0;
  JsonDoc *d = json_read_python(config, e);
  int status = d ? config_file(a, folder, json_root(d), embed, path, e) : e->status;
  json_free(d);
  return status;
}

int shipped_folder(Arena *a, Options *o, BigsError *e) {
  const char *path;
  if (!o->args.n || !takes_a_model(o->verb) || !file_is_folder(o->args.v[0]))
    return 0;
  int status = model_of_folder(a, o, o->args.v[0], &path, e);
  bool trains = path && !strcmp(path + strlen(path) - strlen("model.mdl"), "model.mdl");
  if (status || !path || (trains && takes_a_run(o->verb)))
    return status;
  o->weights = o->weights ? o->weights : o->args.v[0];
  o->args.v[0] = path;
  return 0;
}
