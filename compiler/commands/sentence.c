// See sentence.h.
#include "compiler/commands/sentence.h"
#include "runtime/files/file.h"
#include "runtime/files/json.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// *doc NULL: there is no such file.
static int read_beside(const char *folder, const char *name, JsonDoc **doc, BigsError *e) {
  char *path = file_join(folder, name, e);
  *doc = path && !access(path, F_OK) ? json_read_python(path, e) : NULL;
  free(path);
  return *doc ? 0 : e->status;
}

static int not_done(const SentenceRules *r, const char *folder, const char *what, const char *name,
                    BigsError *e) {
  if (r->chosen)
    return 0;
  return bigs_fail(e, BIGS_EFILE,
                   "%s asks for %s `%.60s`, which `bigsc embed` does not do: --pool mean or --pool "
                   "cls chooses",
                   folder, what, name);
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

static int read_modes(const JsonValue *config, const char *folder, SentenceRules *r, BigsError *e) {
  static const char prefix[] = "pooling_mode_";
  const size_t n = sizeof prefix - 1;
  const JsonValue *mode = json_get(config, "pooling_mode");
  int err = 0;
  if (mode && mode->kind == JSON_STRING)
    return take_pooling(r, folder, mode->text, e);
  for (const JsonValue *v = config->child; v && !err; v = v->next)
    if (v->kind == JSON_TRUE && v->key && !strncmp(v->key, prefix, n))
      err = take_pooling(r, folder, v->key + n, e);
  return err ? err
         : r->pool || r->chosen
             ? 0
             : bigs_fail(e, BIGS_EFILE, "%s: config.json names no pooling", folder);
}

static int read_pooling(const char *folder, SentenceRules *r, BigsError *e) {
  JsonDoc *doc;
  int err = read_beside(folder, "config.json", &doc, e);
  if (!err && !doc)
    return bigs_fail(e, BIGS_EFILE, "%s has no config.json, which says how to pool", folder);
  err = err ? err : read_modes(json_root(doc), folder, r, e);
  json_free(doc);
  return err;
}

// ---- modules
static int read_module(const char *folder, const JsonValue *m, SentenceRules *r, BigsError *e) {
  const JsonValue *type = json_get(m, "type"), *path = json_get(m, "path");
  if (!type || type->kind != JSON_STRING || !path || path->kind != JSON_STRING)
    return bigs_fail(e, BIGS_EFILE, "%s/modules.json: a module has no type, or no path", folder);
  const char *dot = strrchr(type->text, '.'), *name = dot ? dot + 1 : type->text;
  if (!strcmp(name, "Transformer"))
    return 0;
  if (!strcmp(name, "Normalize")) {
    r->normalize = true;
    return 0;
  }
  if (strcmp(name, "Pooling") != 0)
    return not_done(r, folder, "a module", name, e);
  char *at = file_join(folder, path->text, e);
  int err = at ? read_pooling(at, r, e) : e->status;
  free(at);
  return err;
}

static int read_modules(const char *folder, SentenceRules *r, BigsError *e) {
  JsonDoc *doc;
  int err = read_beside(folder, "modules.json", &doc, e);
  r->said = doc != NULL;
  for (const JsonValue *m = doc ? json_root(doc)->child : NULL; m && !err; m = m->next)
    err = read_module(folder, m, r, e);
  json_free(doc);
  return err;
}

static int read_length(const char *folder, SentenceRules *r, BigsError *e) {
  JsonDoc *doc;
  int err = read_beside(folder, "sentence_bert_config.json", &doc, e);
  const JsonValue *longest = doc ? json_get(json_root(doc), "max_seq_length") : NULL,
                  *lower = doc ? json_get(json_root(doc), "do_lower_case") : NULL;
  if (longest && longest->kind != JSON_NULL && (!json_int(longest, &r->longest) || r->longest < 3))
    err = bigs_fail(e, BIGS_EFILE,
                    "%s/sentence_bert_config.json: max_seq_length is no number of tokens", folder);
  r->lower = lower && lower->kind == JSON_TRUE;
  json_free(doc);
  return err;
}

int sentence_rules(const char *folder, SentenceRules *out, BigsError *e) {
  *out = (SentenceRules){.chosen = out->chosen};
  int err = read_modules(folder, out, e);
  return err ? err : read_length(folder, out, e);
}
