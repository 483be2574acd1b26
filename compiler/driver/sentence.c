// See sentence.h.
#include "compiler/driver/sentence.h"
#include "base/vec.h"
#include "runtime/files/file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// *doc NULL: there is no such file.
static int read_beside(const char *folder, const char *name, JsonKind kind, JsonDoc **doc,
                       BigsError *e) {
  char *path = file_join(folder, name, e);
  *doc = path && !access(path, F_OK) ? json_read_python(path, e) : NULL;
  int err = *doc || !e->status ? 0 : e->status;
  if (*doc && json_root(*doc)->kind != kind)
    err = bigs_fail(e, BIGS_EFILE, "%s: %s, not %s", path, json_kind_name(json_root(*doc)->kind),
                    json_kind_name(kind));
  free(path);
  return err;
}

static int not_done(const SentenceRules *r, const char *folder, const char *what, const char *name,
                    BigsError *e) {
  if (r->chosen)
    return 0;
  return bigs_fail(e, BIGS_EFILE,
                   "%s asks for %s `%.80s`, which is not done here: %s chooses what is", folder,
                   what, name, r->choice);
}

// ---- pooling
static int take_pooling(SentenceRules *r, const char *folder, const char *mode, BigsError *e) {
  Pooling p = !strcmp(mode, "mean") || !strcmp(mode, "mean_tokens") ? POOL_MEAN
              : !strcmp(mode, "cls") || !strcmp(mode, "cls_token")  ? POOL_CLS
                                                                    : POOL_AUTO;
  if (p == POOL_AUTO || r->pool != POOL_AUTO)
    return not_done(r, folder, r->pool != POOL_AUTO ? "a second pooling" : "the pooling", mode, e);
  r->pool = p;
  return 0;
}

static int no_truth(const SentenceRules *r, const char *folder, const JsonValue *v, BigsError *e) {
  return r->chosen ? 0
                   : bigs_fail(e, BIGS_EFILE, "%s/config.json: %s is %s, neither true nor false",
                               folder, v->key, json_kind_name(v->kind));
}

static int read_modes(const JsonValue *config, const char *folder, SentenceRules *r, BigsError *e) {
  static const char prefix[] = "pooling_mode_";
  const size_t n = sizeof prefix - 1;
  const JsonValue *mode = json_get(config, "pooling_mode");
  int err = 0;
  if (mode && mode->kind == JSON_STRING)
    return take_pooling(r, folder, mode->text, e);
  for (const JsonValue *v = config->child; v && !err; v = v->next) {
    if (strncmp(v->key, prefix, n) != 0 || v->kind == JSON_FALSE || v->kind == JSON_NULL)
      continue;
    err = v->kind == JSON_TRUE ? take_pooling(r, folder, v->key + n, e) : no_truth(r, folder, v, e);
  }
  return err;
}

// Words of the prompt count for the mean, unless it says otherwise.
static int check_prompt(const JsonValue *config, const char *folder, const SentenceRules *r,
                        BigsError *e) {
  const JsonValue *include = json_get(config, "include_prompt");
  bool without = *r->prompt && include && include->kind == JSON_FALSE;
  return without ? not_done(r, folder, "a pooling without the words of the prompt", r->prompt, e)
                 : 0;
}

static int read_pooling(const char *folder, SentenceRules *r, BigsError *e) {
  JsonDoc *doc;
  int err = read_beside(folder, "config.json", JSON_OBJECT, &doc, e);
  if (!err && !doc)
    return r->said
               ? bigs_fail(e, BIGS_EFILE, "%s has no config.json, which says how to pool", folder)
               : 0;
  err = err ? err : read_modes(json_root(doc), folder, r, e);
  err = err ? err : check_prompt(json_root(doc), folder, r, e);
  json_free(doc);
  if (!err && !r->pool && !r->chosen)
    err = bigs_fail(e, BIGS_EFILE, "%s: config.json names no pooling", folder);
  return err;
}

static int read_pooling_in(const char *folder, const char *path, SentenceRules *r, BigsError *e) {
  char *at = file_join(folder, path, e);
  int err = at ? read_pooling(at, r, e) : e->status;
  free(at);
  return err;
}

// ---- modules, each of which takes what the one before it makes
typedef enum Stage { STAGE_START, STAGE_TRANSFORMER, STAGE_POOLING, STAGE_NORMALIZE } Stage;

// Modules of other packages may do anything, under these names too.
static Stage stage_of(const char *type) {
  static const char package[] = "sentence_transformers.";
  const char *dot = strrchr(type, '.'), *name = dot ? dot + 1 : "";
  return strncmp(type, package, sizeof package - 1) ? STAGE_START
         : !strcmp(name, "Transformer")             ? STAGE_TRANSFORMER
         : !strcmp(name, "Pooling")                 ? STAGE_POOLING
         : !strcmp(name, "Normalize")               ? STAGE_NORMALIZE
                                                    : STAGE_START;
}

static int enter_stage(const SentenceRules *r, const char *folder, const char *type, Stage *at,
                       BigsError *e) {
  Stage next = stage_of(type);
  if (next == STAGE_START)
    return not_done(r, folder, "a module", type, e);
  if (next <= *at || (next == STAGE_NORMALIZE && *at != STAGE_POOLING))
    return not_done(r, folder, "a module out of order,", type, e);
  *at = next;
  return 0;
}

// The transformer's own files are looked for in the folder itself.
static int check_transformer(const char *folder, const char *path, BigsError *e) {
  return !*path ? 0
                : bigs_fail(e, BIGS_EFILE,
                            "%s/modules.json: the Transformer is in \"%.60s\": move its files "
                            "beside modules.json, and say \"\" there",
                            folder, path);
}

static int read_module(const char *folder, const JsonValue *m, SentenceRules *r, Stage *at,
                       BigsError *e) {
  const JsonValue *type = json_get(m, "type"), *path = json_get(m, "path");
  if (!type || type->kind != JSON_STRING || !path || path->kind != JSON_STRING)
    return bigs_fail(e, BIGS_EFILE, "%s/modules.json: a module has no type, or no path", folder);
  Stage was = *at;
  int err = enter_stage(r, folder, type->text, at, e);
  if (err || *at == was)
    return err;
  r->normalize |= *at == STAGE_NORMALIZE;
  return *at == STAGE_POOLING       ? read_pooling_in(folder, path->text, r, e)
         : *at == STAGE_TRANSFORMER ? check_transformer(folder, path->text, e)
                                    : 0;
}

static int read_list(const char *folder, const JsonValue *list, SentenceRules *r, BigsError *e) {
  Stage at = STAGE_START;
  int err = 0;
  for (const JsonValue *m = list->child; m && !err; m = m->next)
    err = read_module(folder, m, r, &at, e);
  if (!err && at < STAGE_POOLING && !r->chosen)
    err = bigs_fail(e, BIGS_EFILE, "%s/modules.json: no module pools: %s chooses how", folder,
                    r->choice);
  return err;
}

static int read_modules(const char *folder, SentenceRules *r, BigsError *e) {
  JsonDoc *doc;
  int err = read_beside(folder, "modules.json", JSON_ARRAY, &doc, e);
  r->said = doc != NULL;
  if (!err)
    err =
        doc ? read_list(folder, json_root(doc), r, e) : read_pooling_in(folder, "1_Pooling", r, e);
  json_free(doc);
  return err;
}

// ---- texts
static int read_prompt(Arena *a, const char *folder, SentenceRules *r, BigsError *e) {
  static const char file[] = "config_sentence_transformers.json";
  JsonDoc *doc;
  int err = read_beside(folder, file, JSON_OBJECT, &doc, e);
  const JsonValue *root = doc ? json_root(doc) : NULL,
                  *name = json_get(root, "default_prompt_name");
  if (!err && name && name->kind != JSON_NULL) {
    const JsonValue *prompt =
        name->kind == JSON_STRING ? json_get(json_get(root, "prompts"), name->text) : NULL;
    if (prompt && prompt->kind == JSON_STRING)
      r->prompt = arena_strdup(a, prompt->text);
    else
      err = bigs_fail(e, BIGS_EFILE, "%s/%s: default_prompt_name names none of its prompts", folder,
                      file);
  }
  json_free(doc);
  return err;
}

static int take_longest(const char *folder, const char *file, const JsonValue *v, SentenceRules *r,
                        BigsError *e) {
  bool good = !v || v->kind == JSON_NULL || (json_int(v, &r->longest) && r->longest >= 3);
  return good ? 0
              : bigs_fail(e, BIGS_EFILE, "%s/%s: max_seq_length is no number of tokens", folder,
                          file);
}

// The tokenizer's own bound holds where nothing else is said; a number beyond any, where it has none.
static int read_own_length(const char *folder, SentenceRules *r, BigsError *e) {
  JsonDoc *doc;
  int err = read_beside(folder, "tokenizer_config.json", JSON_OBJECT, &doc, e);
  int64_t n;
  if (doc && !r->longest && json_int(json_get(json_root(doc), "model_max_length"), &n) && n >= 3)
    r->longest = n;
  json_free(doc);
  return err;
}

// Of these names the first that is there.
static int read_length(const char *folder, SentenceRules *r, BigsError *e) {
  static const char *const name[] = {
      "sentence_bert_config.json",       "sentence_roberta_config.json",
      "sentence_distilbert_config.json", "sentence_camembert_config.json",
      "sentence_albert_config.json",     "sentence_xlm-roberta_config.json",
      "sentence_xlnet_config.json"};
  JsonDoc *doc = NULL;
  int err = 0, i = 0;
  while (i < COUNT(name) && !doc && !err)
    err = read_beside(folder, name[i++], JSON_OBJECT, &doc, e);
  if (doc && !err) {
    const JsonValue *lower = json_get(json_root(doc), "do_lower_case");
    err = take_longest(folder, name[i - 1], json_get(json_root(doc), "max_seq_length"), r, e);
    r->lower = lower && lower->kind == JSON_TRUE;
  }
  json_free(doc);
  return err || !r->said ? err : read_own_length(folder, r, e);
}

int sentence_rules(Arena *a, const char *folder, SentenceRules *r, BigsError *e) {
  *r = (SentenceRules){.chosen = r->chosen, .choice = r->choice, .prompt = ""};
  int err = read_prompt(a, folder, r, e);
  err = err ? err : read_modules(folder, r, e);
  return err ? err : read_length(folder, r, e);
}

// ---- `config` lines of a model
typedef enum RowKind { ROW_CLS, ROW_NORMALIZE, ROW_LONGEST, ROWS } RowKind;
static const struct {
  const char *file, *key;
} rows[ROWS] = {{"1_Pooling/config.json", "pooling_mode_cls_token"},
                {"modules.json", "Normalize"},
                {"sentence_bert_config.json", "max_seq_length"}};

bool sentence_has_key(const char *file, const char *key) {
  for (int i = 0; i < ROWS; i++)
    if (!strcmp(file, rows[i].file) && !strcmp(key, rows[i].key))
      return true;
  return false;
}

static const JsonValue *truth(bool said, bool is) {
  static const JsonValue yes = {.kind = JSON_TRUE}, no = {.kind = JSON_FALSE};
  return !said ? NULL : is ? &yes : &no;
}

static const JsonValue *length_value(SentenceRules *r) {
  HubNumber *n = &r->number;
  int most = r->longest < INT32_MAX ? (int)r->longest : INT32_MAX, // more than any model's
      size = snprintf(n->text, sizeof n->text, "%d", most);
  n->value = (JsonValue){.kind = JSON_NUMBER, .text = n->text, .size = (size_t)size};
  return r->longest ? &n->value : NULL;
}

const JsonValue *sentence_value(SentenceRules *r, const char *key) {
  return !strcmp(key, rows[ROW_CLS].key)         ? truth(r->pool != POOL_AUTO, r->pool == POOL_CLS)
         : !strcmp(key, rows[ROW_NORMALIZE].key) ? truth(r->said, r->normalize)
                                                 : length_value(r);
}
