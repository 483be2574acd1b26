// See train_tokenizer.h.
#include "compiler/commands/train_tokenizer.h"
#include "runtime/files/file.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- its files for the folder
static int keep_text(Session *s, const char *name, const char *text, size_t n, TrainOptions *to) {
  FolderFile *f = NEWN(s->arena, FolderFile, to->nfile + 1);
  for (int i = 0; i < to->nfile; i++)
    f[i] = to->file[i];
  f[to->nfile++] = (FolderFile){name, arena_strndup(s->arena, text, n), n};
  to->file = f;
  return 0;
}

static int keep_file(Session *s, const char *path, const char *name, TrainOptions *to) {
  size_t n;
  char *text = file_read(path, (size_t)1 << 30, &n, &s->error);
  int status = text ? keep_text(s, name, text, n, to) : session_fail(s, &s->error);
  free(text);
  return status;
}

// Of a file that is named, what is beside it is read with it where it says which tokens are special, and what becomes of case.
static bool goes_along(const char *name, bool beside) {
  return (beside && !strcmp(name, "merges.txt")) || !strcmp(name, "special_tokens_map.json") ||
         !strcmp(name, "tokenizer_config.json");
}

// The files of a folder that there are.
static int keep_folder(Session *s, const char *folder, bool whole, bool beside, TrainOptions *to) {
  int status = 0;
  for (int i = 0; i < TOK_FOLDER_FILES && !status; i++) {
    const char *name = tok_folder_files[i], *path = session_text(s, "%s/%s", folder, name);
    if ((whole || goes_along(name, beside)) && !access(path, F_OK))
      status = keep_file(s, path, name, to);
  }
  return status;
}

// Where no file tells whether the tokenizer keeps case, and it is not as the model's line has it (a config.json may have told).
static int keep_case(Session *s, TokenizerKind kind, const Tokenizer *t, TrainOptions *to) {
  const char *text = tok_lower(t) ? "{\"do_lower_case\": true}\n" : "{\"do_lower_case\": false}\n";
  bool said =
      kind != TOKENIZER_WORDPIECE || tok_lower(t) == (!s->module->tokenizer || s->module->lower);
  for (int i = 0; i < to->nfile; i++)
    said = said || !strcmp(to->file[i].name, "tokenizer_config.json") ||
           !strcmp(to->file[i].name, "tokenizer.json");
  return said ? 0 : keep_text(s, "tokenizer_config.json", text, strlen(text), to);
}

static int keep_named(Session *s, const char *path, const Tokenizer *t, TrainOptions *to) {
  const char *slash = strrchr(path, '/');
  const char *folder = slash ? arena_strndup(s->arena, path, (size_t)(slash - path) + 1) : ".";
  const char *name = tok_beside(t) ? "vocab.json" : tokenizer_files[tok_kind_of(t)];
  int status = keep_file(s, path, name, to);
  return status ? status : keep_folder(s, folder, false, tok_beside(t), to);
}

// A run's folder has what its tokenizer came with, so that it is opened as the folder that the run began with.
static int keep_tokenizer(Session *s, const char *path, const Tokenizer *t, TrainOptions *to) {
  const BigsModule *m = s->module;
  int status =
      !path ? keep_text(s, tokenizer_files[m->vocab_kind], m->vocab_text, strlen(m->vocab_text), to)
      : file_is_folder(path) ? keep_folder(s, path, true, true, to)
                             : keep_named(s, path, t, to);
  return status ? status : keep_case(s, tok_kind_of(t), t, to);
}

// ---- which one
static int no_vocabulary(Session *s, const char *path) {
  return session_error(s, EXIT_FILE,
                       "%s: cannot open: there is no vocabulary of this name; %s names one, "
                       "`bigsc vocab TEXT -o FILE` learns one",
                       path, s->beside ? "`:data vocab=FILE`" : "--vocab FILE");
}

// The prompt's file may lie elsewhere, with what belongs to it.
static const char *own_or_beside(Session *s, const char *path) {
  const char *slash = s->beside && *path != '/' ? strrchr(s->beside, '/') : NULL;
  const char *other =
      slash ? session_text(s, "%.*s%s", (int)(slash - s->beside + 1), s->beside, path) : path;
  return access(path, F_OK) && !access(other, F_OK) ? other : path;
}

// As for a model that is used; where neither folders nor the model name one, the current folder's file of the usual name.
static int find_vocabulary(Session *s, const char *run, const char **path) {
  const Options *o = s->o;
  const BigsModule *m = s->module;
  const char *folder = run ? run : o->weights;
  TokenizerKind kind;
  int status = feeding_kind(s, run, &kind);
  if (status || o->vocab || m->vocab_text || (folder && tok_in_folder(folder)))
    return status ? status : feeding_vocab(s, run, path);
  *path = run ? session_text(s, "%s/%s", run, tokenizer_files[kind])
              : own_or_beside(s, m->vocab ? m->vocab : tokenizer_files[kind]);
  return access(*path, F_OK) ? no_vocabulary(s, *path) : 0;
}

// Of a file that is named and a folder of weights that says something else, none is taken.
static int check_weights(Session *s, const Tokenizer *t) {
  const Options *o = s->o;
  if (o->vocab && o->weights &&
      tok_folder_check(tok_kind_of(t), o->weights, tok_lower(t), &s->error))
    return session_fail(s, &s->error);
  return 0;
}

int train_tokenizer(Session *s, Feeding *f, TrainOptions *to) {
  const char *run = s->o->resume ? s->o->out : NULL, *path = NULL;
  int status = find_vocabulary(s, run, &path);
  status = status ? status : feeding_cut_by(s, path, &f->tokens);
  status = status ? status : check_weights(s, f->tokens);
  return status ? status : keep_tokenizer(s, path, f->tokens, to);
}
