// A tokenizer by the folder or the file that somebody has: see tok_open.
#include "base/alloc.h"
#include "runtime/files/file.h"
#include "runtime/text/tok_internal.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// What a folder may hold, the best first.
static const struct {
  const char *name;
  TokenizerKind kind;
} vocabulary_files[] = {{"tokenizer.json", TOKENIZER_FILE},
                        {"vocab.txt", TOKENIZER_WORDPIECE},
                        {"vocab.json", TOKENIZER_FILE}};

const char *const tok_folder_files[TOK_FOLDER_FILES] = {
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer_config.json",
    "added_tokens.json",
};

// Case is as the folder's files say, or as the caller does.
static int locate_as(TokenizerKind kind, const char *folder, bool lower, TokPlace *out,
                     BigsError *e) {
  BigsError first;
  memset(&first, 0, sizeof first);
  out->kind = kind;
  out->lower = lower;
  if (!tok_folder_check(kind, folder, lower, &first))
    return 0;
  out->lower = !lower;
  return tok_folder_check(kind, folder, !lower, e);
}

static bool is_in(const char *folder, const char *name) {
  BigsError none = {0};
  char *path = file_join(folder, name, &none);
  bool is = path && !access(path, F_OK);
  free(path);
  return is;
}

bool tok_in_folder(const char *folder) {
  for (size_t i = 0; i < sizeof vocabulary_files / sizeof *vocabulary_files; i++)
    if (is_in(folder, vocabulary_files[i].name))
      return true;
  return false;
}

static int locate_in(const char *folder, bool lower, TokPlace *out, BigsError *e) {
  for (size_t i = 0; i < sizeof vocabulary_files / sizeof *vocabulary_files; i++) {
    out->path = file_join(folder, vocabulary_files[i].name, e);
    if (!out->path)
      return BIGS_EMODEL;
    if (!access(out->path, F_OK))
      return locate_as(vocabulary_files[i].kind, folder, lower, out, e);
    free(out->path);
    out->path = NULL;
  }
  return bigs_fail(e, BIGS_EFILE, "%s: no tokenizer.json, vocab.txt or vocab.json in it", folder);
}

static int locate_file(const char *path, bool lower, TokPlace *out, BigsError *e) {
  size_t n = strlen(path);
  bool json = n > 5 && !strcmp(path + n - 5, ".json");
  char *folder = file_folder(path, e);
  out->path = strdup(path);
  int status = folder && out->path
                   ? locate_as(json ? TOKENIZER_FILE : TOKENIZER_WORDPIECE, folder, lower, out, e)
                   : bigs_fail_memory(e, path);
  free(folder);
  return status;
}

int tok_locate(const char *path, bool lower, TokPlace *out, BigsError *e) {
  struct stat st;
  memset(out, 0, sizeof *out);
  if (stat(path, &st))
    return bigs_fail_errno(e, "open", path);
  int status =
      S_ISDIR(st.st_mode) ? locate_in(path, lower, out, e) : locate_file(path, lower, out, e);
  if (status) {
    free(out->path);
    out->path = NULL;
  }
  return status;
}

int tok_open(const char *path, bool lower, Tokenizer **out, BigsError *e) {
  TokPlace file;
  *out = NULL;
  int status = tok_locate(path, lower, &file, e);
  status = status ? status : tok_load(file.kind, file.path, file.lower, out, e);
  free(file.path);
  return status;
}
