// A tokenizer by the folder or the file that somebody has: see tok_open.
#include "base/alloc.h"
#include "runtime/files/file.h"
#include "runtime/text/tok_internal.h"
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

// Case is folded unless the folder's files say that it is not.
static int open_as(TokenizerKind kind, const char *folder, const char *path, Tokenizer **out,
                   BigsError *e) {
  BigsError lowers, keeps;
  memset(&lowers, 0, sizeof lowers);
  memset(&keeps, 0, sizeof keeps);
  bool lower = !tok_folder_check(kind, folder, true, &lowers);
  if (!lower && tok_folder_check(kind, folder, false, &keeps))
    return bigs_fail(e, keeps.status, "%s", keeps.text);
  return tok_load(kind, path, lower, out, e);
}

static int open_in(const char *folder, Tokenizer **out, BigsError *e) {
  for (size_t i = 0; i < sizeof vocabulary_files / sizeof *vocabulary_files; i++) {
    char *path = file_join(folder, vocabulary_files[i].name, e);
    bool there = path && !access(path, F_OK);
    int status = !path   ? BIGS_EMODEL
                 : there ? open_as(vocabulary_files[i].kind, folder, path, out, e)
                         : 0;
    free(path);
    if (there || status)
      return status;
  }
  return bigs_fail(e, BIGS_EFILE, "%s: no tokenizer.json, vocab.txt or vocab.json in it", folder);
}

int tok_open(const char *path, Tokenizer **out, BigsError *e) {
  struct stat st;
  *out = NULL;
  if (stat(path, &st))
    return bigs_fail_errno(e, "open", path);
  if (S_ISDIR(st.st_mode))
    return open_in(path, out, e);
  const char *slash = strrchr(path, '/');
  size_t n = strlen(path);
  bool json = n > 5 && !strcmp(path + n - 5, ".json");
  char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
  int status = folder ? open_as(json ? TOKENIZER_FILE : TOKENIZER_WORDPIECE, folder, path, out, e)
                      : bigs_fail_memory(e, path);
  free(folder);
  return status;
}
