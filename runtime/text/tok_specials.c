// Which tokens are special: what the files of a folder say, or what they are usually called.
#include "base/alloc.h"
#include "runtime/files/file.h"
#include "runtime/files/json.h"
#include "runtime/text/tok_internal.h"
#include <string.h>
#include <unistd.h>

// Of each special token its key, the one that stands in for it, and its usual names.
static const struct {
  const char *key, *otherwise, *name[3];
} special_table[TOK_SPECIALS] = {
    {"pad_token", NULL, {"[PAD]", "<pad>", NULL}},
    {"unk_token", NULL, {"[UNK]", "<unk>", NULL}},
    {"cls_token", "bos_token", {"[CLS]", "<s>", "<|endoftext|>"}},
    {"sep_token", "eos_token", {"[SEP]", "</s>", "<|endoftext|>"}},
    {"mask_token", NULL, {"[MASK]", "<mask>", NULL}},
};

const char *tok_special_name(TokSpecial s) {
  return special_table[s].name[0];
}

// "[MASK]", or {"content": "[MASK]", ...}; NULL: not said.
static const char *named_special(const JsonValue *root, const char *key) {
  const JsonValue *v = key ? json_get(root, key) : NULL, *content = json_get(v, "content");
  v = content ? content : v;
  return v && v->kind == JSON_STRING && strlen(v->text) == v->size ? v->text : NULL;
}

static int take_named(Tokenizer *t, const JsonValue *root, const char *path, BigsError *e) {
  for (int i = 0; i < TOK_SPECIALS; i++) {
    const char *name = t->special[i] < 0 ? named_special(root, special_table[i].key) : NULL;
    if (!name && t->special[i] < 0)
      name = named_special(root, special_table[i].otherwise);
    if (!name)
      continue;
    t->special[i] = tok_find(t, name, strlen(name));
    if (t->special[i] < 0)
      return bigs_fail(e, BIGS_EFILE, "%s: the %s \"%.60s\" is not in the vocabulary", path,
                       special_table[i].key, name);
  }
  return 0;
}

static int take_file(Tokenizer *t, const char *folder, const char *name, BigsError *e) {
  char *path = file_join(folder, name, e);
  int status = path ? 0 : BIGS_EMODEL;
  if (path && !access(path, F_OK)) {
    JsonDoc *doc = json_read_python(path, e);
    status = doc ? take_named(t, json_root(doc), path, e) : bigs_status(e, BIGS_EFILE);
    json_free(doc);
  }
  free(path);
  return status;
}

static void take_usual(Tokenizer *t) {
  for (int i = 0; i < TOK_SPECIALS; i++)
    for (int k = 0; k < 3 && special_table[i].name[k] && t->special[i] < 0; k++)
      t->special[i] = tok_find(t, special_table[i].name[k], strlen(special_table[i].name[k]));
}

int tok_find_specials(Tokenizer *t, const char *path, BigsError *e) {
  char *folder = file_folder(path, e);
  for (int i = 0; i < TOK_SPECIALS; i++)
    t->special[i] = -1;
  int status = folder ? 0 : BIGS_EMODEL;
  if (!status && !t->alone)
    status = take_file(t, folder, "special_tokens_map.json", e);
  if (!status && !t->alone)
    status = take_file(t, folder, "tokenizer_config.json", e);
  free(folder);
  take_usual(t);
  return status;
}
