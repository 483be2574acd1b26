// What transformers' classes of BERT's kind do to a tokenizer.json: its normalizer follows tokenizer_config.json, and what that does not say
// is as the class has it, whatever the file's own settings are.
#include "runtime/text/tok_file.h"
#include "base/hash.h"
#include "runtime/files/file.h"
#include "base/alloc.h"
#include <string.h>
#include <unistd.h>

// Each with and without "Fast".
static const char *const bert_classes[] = {
    "BertTokenizer",     "DistilBertTokenizer", "ElectraTokenizer",  "MPNetTokenizer",
    "ConvBertTokenizer", "FunnelTokenizer",     "LayoutLMTokenizer", "LxmertTokenizer",
    "RealmTokenizer",    "SqueezeBertTokenizer"};

static bool is_bert_class(const JsonValue *v) {
  for (size_t i = 0; i < sizeof bert_classes / sizeof *bert_classes; i++) {
    size_t n = strlen(bert_classes[i]);
    if (v && v->kind == JSON_STRING && !strncmp(v->text, bert_classes[i], n) &&
        (!v->text[n] || !strcmp(v->text + n, "Fast")))
      return true;
  }
  return false;
}

static int follow_config(TokReading *r, TokStep *s, const JsonValue *config) {
  s->lower = s->ideographs = true;
  int status = read_bool(r, config, "do_lower_case", &s->lower);
  status = status ? status : read_bool(r, config, "tokenize_chinese_chars", &s->ideographs);
  s->strip = s->lower;
  return status ? status : read_bool(r, config, "strip_accents", &s->strip);
}

static int follow_file(TokFile *t, const char *path, BigsError *e) {
  TokReading r = {t, path, e};
  JsonDoc *doc = json_read_python(path, e);
  int status = doc ? 0 : bigs_status(e, BIGS_EFILE);
  if (doc && is_bert_class(json_get(json_root(doc), "tokenizer_class")))
    status = follow_config(&r, t->normalizers.v, json_root(doc));
  json_free(doc);
  return status;
}

int tok_follow_class(TokFile *t, const char *path, BigsError *e) {
  const TokStep *s = t->normalizers.v;
  if (t->normalizers.n != 1 || strcmp(s->part->type, "BertNormalizer") != 0)
    return 0;
  char *folder = file_folder(path, e);
  char *config = folder ? file_join(folder, "tokenizer_config.json", e) : NULL;
  int status = config ? 0 : BIGS_EMODEL;
  if (config && !t->tok.alone && !access(config, F_OK))
    status = follow_file(t, config, e);
  const bool now[] = {s->lower, s->ideographs, s->strip};
  t->tok.hash = hash_words(t->tok.hash, now, sizeof now);
  free(config);
  free(folder);
  return status;
}
