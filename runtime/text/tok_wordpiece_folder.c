// What a folder says of its WordPiece tokenizer, against what a model is told to do: by the first that speaks of case of
// tokenizer_config.json, tokenizer.json and config.json.
#include "runtime/text/tok_internal.h"
#include "runtime/files/file.h"
#include "runtime/files/json.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// A key of tokenizer_config.json and that of a BertNormalizer in tokenizer.json; the value that
// `lower: false` and `lower: true` can follow, and what they do.
static const struct {
  const char *key, *normalizer;
  bool follows[2];
  const char *but[2];
} rules[] = {
    {"do_lower_case",
     "lowercase",
     {false, true},
     {"keeps the case: it needs a `tokenizer` line with lower: true",
      "folds the case: it needs a `tokenizer` line with lower: false"}},
    {"strip_accents",
     "strip_accents",
     {false, true},
     {"keeps accents with lower: false", "strips accents with lower: true"}},
    {"tokenize_chinese_chars",
     "handle_chinese_chars",
     {true, true},
     {"takes each ideograph as a word", "takes each ideograph as a word"}},
    {"do_basic_tokenize",
     "clean_text",
     {true, true},
     {"drops control characters and splits at punctuation",
      "drops control characters and splits at punctuation"}},
};
enum { RULES = sizeof rules / sizeof *rules };

typedef struct Reading {
  const char *path;
  bool lower;
  bool said; // of case
  BigsError *e;
} Reading;

static bool is_bool(const JsonValue *v) {
  return v->kind == JSON_TRUE || v->kind == JSON_FALSE;
}

static int fold_contradiction(const Reading *r, const char *key, const char *value,
                              const char *but) {
  return bigs_fail(r->e, BIGS_EFILE, "%s: %s is %s, but the model %s", r->path, key, value, but);
}

static int check_keys(Reading *r, const JsonValue *object, bool normalizer) {
  for (int i = 0; i < RULES; i++) {
    const char *key = normalizer ? rules[i].normalizer : rules[i].key;
    const JsonValue *v = json_get(object, key);
    if (!v || v->kind == JSON_NULL)
      continue;
    r->said |= i == 0;
    if (!is_bool(v) || (v->kind == JSON_TRUE) != rules[i].follows[r->lower])
      return fold_contradiction(r, key, json_kind_name(v->kind), rules[i].but[r->lower]);
  }
  return 0;
}

// One step of a normalizer.  *folds: it folds the case, as far as is known.
static int check_step(Reading *r, const JsonValue *step, bool *folds) {
  const JsonValue *type = json_get(step, "type");
  bool bert = json_equals(type, "BertNormalizer");
  *folds |= json_equals(type, "Lowercase");
  return bert ? check_keys(r, step, true) : 0;
}

// "normalizer": null, a step, or {"type": "Sequence", "normalizers": [steps]}
static int check_normalizer(Reading *r, const JsonValue *root) {
  const JsonValue *n = json_get(root, "normalizer"), *many = json_get(n, "normalizers");
  bool folds = false;
  if (!n)
    return 0;
  int status = check_step(r, n, &folds);
  for (const JsonValue *x = many ? many->child : NULL; x && !status; x = x->next)
    status = check_step(r, x, &folds);
  if (status || r->said)
    return status;
  r->said = true;
  return folds == r->lower ? 0
                           : fold_contradiction(r, "normalizer",
                                                folds ? "one that folds the case" : "none of case",
                                                rules[0].but[r->lower]);
}

typedef int TokenizerCheck(Reading *r, const JsonValue *root);
static int check_case(Reading *r, const JsonValue *root) {
  return check_keys(r, root, false);
}

static int check_file(Reading *r, const char *folder, const char *name, TokenizerCheck *check) {
  char *path = file_join(folder, name, r->e);
  if (!path)
    return BIGS_EMODEL;
  int status = 0;
  if (!access(path, F_OK)) {
    JsonDoc *doc = json_read_python(path, r->e);
    r->path = path;
    status = doc ? check(r, json_root(doc)) : BIGS_EFILE;
    json_free(doc);
  }
  free(path);
  return status;
}

int tok_wordpiece_folder(const char *folder, bool lower, BigsError *e) {
  static const struct {
    const char *name;
    TokenizerCheck *check;
  } files[] = {{"tokenizer_config.json", check_case},
               {"tokenizer.json", check_normalizer},
               {"config.json", check_case}};
  Reading r = {.lower = lower, .e = e};
  int status = 0;
  for (int i = 0; i < 3 && !status && !r.said; i++)
    status = check_file(&r, folder, files[i].name, files[i].check);
  return status;
}
