// Dims and lets from what lies in the folder of weights: config.json, and files beside it.
#include "compiler/driver/sentence.h"
#include "compiler/driver/session.h"
#include "runtime/exec/match.h"
#include "runtime/files/st_int8.h"
#include "runtime/foreign/foreign.h"
#include <string.h>
#include <unistd.h>

static const char *define_value(const Defines *d, const char *name) {
  for (int i = 0; i < d->n; i++)
    if (!strcmp(d->v[i].name, name))
      return d->v[i].value;
  return NULL;
}

static bool is_dim(const Model *m, const char *name) {
  const ModelDim *dims;
  int n = model_dims(m, &dims), i = 0;
  while (i < n && strcmp(dims[i].name, name))
    i++;
  return i < n;
}

// `file` says v under `key`; the model calls it `name`.
typedef struct ConfigKey {
  const char *file, *key, *name;
  const char *const *when; // NULL, or two words that the key may say: see CkptConfig
} ConfigKey;

static const char *word_value(const ConfigKey *k, const JsonValue *v) {
  return json_equals(v, k->when[0]) ? "false" : json_equals(v, k->when[1]) ? "true" : NULL;
}

static int no_word(Session *s, const ConfigKey *k, const JsonValue *v) {
  return session_error(s, EXIT_FILE,
                       "%s/%s: %s is %s%.60s%s, and the model can follow \"%s\" or \"%s\"",
                       s->weights, k->file, k->key, v->kind == JSON_STRING ? "\"" : "",
                       v->kind == JSON_STRING ? v->text : json_kind_name(v->kind),
                       v->kind == JSON_STRING ? "\"" : "", k->when[1], k->when[0]);
}

static int add_config(Session *s, const Model *m, const Defines *own, Defines *defs, ConfigKey k,
                      const JsonValue *v) {
  const char *name = k.name, *key = k.key;
  int64_t whole;
  if (!v || v->kind == JSON_NULL || define_value(own, name) || define_value(defs, name))
    return 0;
  const char *text = k.when                   ? word_value(&k, v)
                     : v->kind == JSON_NUMBER ? arena_strdup(s->arena, v->text)
                     : v->kind == JSON_TRUE   ? "true"
                     : v->kind == JSON_FALSE  ? "false"
                                              : NULL;
  if (!text && k.when)
    return no_word(s, &k, v);
  if (!text)
    return session_error(s, EXIT_FILE, "%s/%s: %s is %s, not a number", s->weights, k.file, key,
                         json_kind_name(v->kind));
  double finite;
  if (!is_dim(m, name) && v->kind == JSON_NUMBER && !json_double(v, &finite))
    return session_error(s, EXIT_FILE, "%s/%s: %s is %s: `%s` needs a finite number", s->weights,
                         k.file, key, text, name);
  if (is_dim(m, name) && (!json_int(v, &whole) || whole < 1))
    return session_error(s, EXIT_FILE,
                         "%s/%s: %s is %s: the dim `%s` is a whole number, at least 1", s->weights,
                         k.file, key, text, name);
  vec_push(s->arena, defs, (Define){arena_strdup(s->arena, name), text});
  return 0;
}

// The table whose names tell most of the folder's tensors: whose config.json this is.  The native one is last, as for
// whatever another program wrote.  NULL: none knows a tensor.
static int config_table(Session *s, Model *m, const Hub *h, const CkptTable **best) {
  const CkptTable *const *tables;
  int n = model_checkpoints(m, &tables), count = hub_count(h), err = 0;
  BigsCheckpoint *block = NEWN(s->arena, BigsCheckpoint, n + 1);
  const char **names = NEWN(s->arena, const char *, count + 1);
  NameMatch most = {0};
  for (int i = 0; i < count; i++)
    names[i] = hub_at(h, i)->name;
  for (int i = 0; i <= n; i++)
    block[i] = checkpoint_table(s->arena, m, i < n ? tables[i] : model_native_table(m));
  for (int i = 0; i <= n && !err; i++) {
    NameSet set = {.n = model_native_table(m)->params.n,
                   .block = &block[i],
                   .rules = i < n ? &block[i] : block,
                   .nrules = i < n ? 1 : n};
    NameMatch match;
    err = name_match(&set, names, count, &match, &s->error);
    bool better = !err && (!i || name_match_better(&match, &most));
    name_match_free(better ? &most : &match);
    most = better ? match : most;
    *best = !better ? *best : i < n ? tables[i] : model_native_table(m);
  }
  if (!most.nknown)
    *best = NULL;
  name_match_free(&most);
  return err ? session_fail(s, &s->error) : 0;
}

// Of a file beside config.json, which only what is compiled here is compared with.
static int check_config(Session *s, const CkptConfig *c, const JsonValue *v) {
  double x;
  bool same = !v || (c->is_text   ? json_equals(v, c->text)
                     : c->is_bool ? v->kind == (c->num != 0 ? JSON_TRUE : JSON_FALSE)
                                  : json_double(v, &x) && x == c->num);
  const char *want = c->is_text   ? session_text(s, "\"%s\"", c->text)
                     : c->is_bool ? (c->num != 0 ? "true" : "false")
                                  : session_text(s, "%.10g", c->num);
  return same ? 0
              : session_error(s, EXIT_FILE,
                              "%s/%s: %s is not %s, which is all that the model can follow",
                              s->weights, c->file, c->key, want);
}

static bool in_main_config(const CkptConfig *c) {
  return !strcmp(c->file, "config.json");
}

// *doc: the file of the row, where that of the row before was another one; NULL: config.json, or a file that is not there.
static int other_config(Session *s, const CkptConfig *c, const CkptConfig *before, JsonDoc **doc) {
  const char *path = session_text(s, "%s/%s", s->weights, c->file);
  if (before && !strcmp(before->file, c->file))
    return 0;
  json_free(*doc);
  *doc = NULL;
  if (in_main_config(c) || access(path, F_OK))
    return 0;
  *doc = json_read_python(path, &s->error);
  return *doc ? 0 : session_fail(s, &s->error);
}

// ---- vectors of sentences
static const CkptConfig *sentence_row(const CkptTable *t) {
  for (int i = 0; t && i < t->config.n; i++)
    if (sentence_has_key(t->config.v[i].file, t->config.v[i].key))
      return &t->config.v[i];
  return NULL;
}

// Does `embed` of the model do what the folder says?
static bool follows(const CkptTable *t) {
  bool pools = false, normalizes = false;
  for (int i = 0; t && i < t->config.n; i++) {
    const CkptConfig *c = &t->config.v[i];
    bool row = c->name && sentence_has_key(c->file, c->key);
    pools |= row && !strcmp(c->key, "pooling_mode_cls_token");
    normalizes |= row && !strcmp(c->key, "Normalize");
  }
  return pools && normalizes;
}

// Is the vector of a text made of it?  Then what the folder asks for besides is asked of this model.
static bool makes_vectors(const Options *o) {
  return o->verb == VERB_COMPILE || o->verb == VERB_EMBED ||
         (o->entry && !strcmp(o->entry, "embed"));
}

static void note_prompt(const Session *s, const SentenceRules *r) {
  if (s->o->verb == VERB_COMPILE && *r->prompt && !s->o->quiet)
    fprintf(stderr,
            "bigsc: note: %s puts \"%s\" in front of every text; "
            "in front of the library's texts its caller does\n",
            s->weights, r->prompt);
}

static int sentence_config(Session *s, const CkptTable *t, const Defines *own, SentenceRules *r) {
  const CkptConfig *row = sentence_row(t);
  const char *name = row && row->name ? row->name : "";
  bool embeds = s->o->verb == VERB_EMBED, strict = makes_vectors(s->o);
  bool pools = s->o->pool && strcmp(s->o->pool, "auto") != 0;
  BigsError e = {0};
  *r = (SentenceRules){.chosen = !strict || (embeds && pools) || define_value(own, name),
                       .prompt = "",
                       .choice = embeds ? "--pool mean or --pool cls"
                                        : session_text(s, "-D %s=true or -D %s=false", name, name)};
  s->sentence = follows(t);
  int err = row ? sentence_rules(s->arena, s->weights, r, &e) : 0;
  if (!strict || s->o->length > 0) // the length that the user gives counts
    r->longest = 0;
  if (err && strict)
    return session_fail(s, &e);
  s->lower_first = strict && r->lower;
  note_prompt(s, r);
  return 0;
}

static int config_defines(Session *s, Model *m, const Hub *h, const Defines *own, Defines *defs) {
  const CkptTable *best = NULL;
  JsonDoc *doc = NULL;
  SentenceRules rules;
  const CkptConfig *read = NULL; // whose file is *doc
  int status = config_table(s, m, h, &best);
  status = status ? status : sentence_config(s, best, own, &rules);
  for (int i = 0; best && i < best->config.n && !status; i++) {
    const CkptConfig *c = &best->config.v[i];
    HubNumber room;
    bool sentence = sentence_has_key(c->file, c->key);
    status = sentence ? 0 : other_config(s, c, read, &doc);
    read = sentence ? read : c;
    const JsonValue *v = in_main_config(c) ? hub_config_value(hub_config(h), c->key, &room)
                         : sentence        ? sentence_value(&rules, c->key)
                         : doc             ? json_get(json_root(doc), c->key)
                                           : NULL;
    if (c->name && !status)
      status = add_config(s, m, own, defs,
                          (ConfigKey){c->file, c->key, c->name, c->when[1] ? c->when : NULL}, v);
    else if (!in_main_config(c) && !status)
      status = check_config(s, c, v);
  }
  json_free(doc);
  return status;
}

// A training folder says the dims and lets that it was made with under their own names.  What -D
// fixed of the run-time dims stays fixed when the run goes on; for other uses the weights fit any
// size.
static int folder_defines(Session *s, Model *m, const JsonValue *constants, const Defines *own,
                          Defines *defs) {
  const ModelDim *dims;
  const ModelLet *lets;
  int nd = model_dims(m, &dims), nl = model_lets(m, &lets), status = 0;
  for (int i = 0; i < nd && !status; i++)
    if (dims[i].fixed || s->o->resume)
      status =
          add_config(s, m, own, defs, (ConfigKey){"config.json", dims[i].name, dims[i].name, NULL},
                     json_get(constants, dims[i].name));
  for (int i = 0; i < nl && !status; i++)
    status =
        add_config(s, m, own, defs, (ConfigKey){"config.json", lets[i].name, lets[i].name, NULL},
                   json_get(constants, lets[i].name));
  return status;
}

static const char *names_of_int8(Session *s, const Hub *h) {
  const StFile *f = hub_count(h) ? hub_file(h, hub_at(h, 0)) : NULL;
  const JsonValue *names = f && st_metadata(f) ? json_get(st_metadata(f), ST_INT8) : NULL;
  return names ? session_text(s, "%s", names->text) : NULL;
}

int session_config(Session *s, Model *m, const Defines *own, Defines *defs) {
  Hub *h;
  if (!s->weights || !model_ok(m))
    return 0;
  if (hub_open(s->weights, &foreign_readers, &h, &s->error))
    return session_fail(s, &s->error);
  s->int8 = names_of_int8(s, h);
  const JsonValue *bigsc = json_get(hub_config(h), "bigsc"),
                  *constants = json_get(bigsc, "constants");
  int status = constants       ? folder_defines(s, m, constants, own, defs)
               : hub_config(h) ? config_defines(s, m, h, own, defs)
                               : 0;
  if (!status && s->o->resume)
    status = session_forms_again(s, json_get(bigsc, "forms"));
  hub_close(h);
  return status;
}
