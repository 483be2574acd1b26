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
  bool said;        // of case
  Tokenizer *vocab; // the folder's vocab.txt
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

// ---- words and tokens of another making
// As BertJapaneseTokenizer has them.
static int check_words(Reading *r, const JsonValue *root) {
  static const char *const rule[][2] = {{"word_tokenizer_type", "basic"},
                                        {"subword_tokenizer_type", "wordpiece"}};
  for (size_t i = 0; i < sizeof rule / sizeof *rule; i++) {
    const JsonValue *v = json_get(root, rule[i][0]);
    if (v && v->kind != JSON_NULL && !json_equals(v, rule[i][1]))
      return bigs_fail(r->e, BIGS_EFILE,
                       "%s: %s is %s%.40s, and a vocab.txt is read by \"%s\" only", r->path,
                       rule[i][0], v->kind == JSON_STRING ? "" : json_kind_name(v->kind),
                       v->kind == JSON_STRING ? v->text : "", rule[i][1]);
  }
  const JsonValue *whole = json_get(root, "never_split");
  return whole && whole->count
             ? bigs_fail(r->e, BIGS_EFILE, "%s: never_split has words, and WordPiece splits all",
                         r->path)
             : 0;
}

// What is added behind a vocab.txt is looked for before text becomes words, which a tokenizer.json alone can tell of.
static int check_added(const Reading *r, const char *token, size_t n) {
  return tok_find(r->vocab, token, n) >= 0
             ? 0
             : bigs_fail(r->e, BIGS_EFILE,
                         "%s: the token \"%.60s\" is not in vocab.txt: save the tokenizer with "
                         "transformers' fast one, whose tokenizer.json has both",
                         r->path, token);
}

// tokenizer_config.json: {"added_tokens_decoder": {"ID": {"content": TOKEN}}}
static int check_decoder(Reading *r, const JsonValue *root) {
  const JsonValue *all = json_get(root, "added_tokens_decoder");
  int status = 0;
  for (const JsonValue *v = all ? all->child : NULL; v && !status; v = v->next) {
    const JsonValue *token = json_get(v, "content");
    if (token && token->kind == JSON_STRING)
      status = check_added(r, token->text, token->size);
  }
  return status;
}

// added_tokens.json: {TOKEN: ID}
static int check_added_file(Reading *r, const JsonValue *root) {
  int status = 0;
  for (const JsonValue *v = root->child; v && !status; v = v->next)
    status = check_added(r, v->key, v->key_size);
  return status;
}

static int check_file(Reading *r, const char *folder, const char *name, TokenizerCheck *check) {
  char *path = file_join(folder, name, r->e);
  if (!path)
    return BIGS_EMODEL;
  int status = 0;
  if (!access(path, F_OK)) {
    JsonDoc *doc = json_read_python(path, r->e);
    r->path = path;
    status = !doc ? BIGS_EFILE
             : json_root(doc)->kind == JSON_OBJECT
                 ? check(r, json_root(doc))
                 : bigs_fail(r->e, BIGS_EFILE, "%s: %s, not an object", path,
                             json_kind_name(json_root(doc)->kind));
    json_free(doc);
  }
  free(path);
  return status;
}

// A vocab.txt that is damaged is left to who needs it.
static int check_all_added(Reading *r, const char *folder) {
  BigsError none = {0};
  char *path = file_join(folder, "vocab.txt", r->e);
  int status = path ? 0 : BIGS_EMODEL;
  if (path && tok_load(TOKENIZER_WORDPIECE, path, r->lower, &r->vocab, &none))
    r->vocab = NULL;
  if (!status && r->vocab)
    status = check_file(r, folder, "tokenizer_config.json", check_decoder);
  if (!status && r->vocab)
    status = check_file(r, folder, "added_tokens.json", check_added_file);
  tok_free(r->vocab);
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
  int status = check_file(&r, folder, "tokenizer_config.json", check_words);
  for (int i = 0; i < 3 && !status && !r.said; i++)
    status = check_file(&r, folder, files[i].name, files[i].check);
  return status ? status : check_all_added(&r, folder);
}
