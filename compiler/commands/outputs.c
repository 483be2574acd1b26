// See outputs.h.
#include "compiler/commands/outputs.h"
#include "runtime/train/corpus.h"
#include <string.h>
#include <sys/stat.h>

// Devices and pipes are written to, never replaced.
static bool is_file(const char *path, struct stat *st) {
  bool there = strcmp(path, "-") ? !stat(path, st) : !fstat(0, st);
  return there && S_ISREG(st->st_mode);
}

// The file among those that `path` stands for that is `out`; NULL: none.  What cannot be read is
// told by who reads it.
static const char *same_file(Session *s, const char *path, const struct stat *out) {
  BigsError none = {0};
  TextReader *files = text_open(&path, 1, &none);
  const char *found = NULL;
  struct stat st;
  for (int i = 0; files && i < text_count(files) && !found; i++)
    if (is_file(text_file(files, i), &st) && st.st_dev == out->st_dev && st.st_ino == out->st_ino)
      found = arena_strdup(s->arena, text_file(files, i));
  text_close(files);
  return found;
}

static const char *among(Session *s, const char *const *paths, int n, const struct stat *out) {
  const char *found = NULL;
  for (int i = 0; i < n && !found; i++)
    found = paths[i] ? same_file(s, paths[i], out) : NULL;
  return found;
}

int session_check_output(Session *s, const char *out) {
  const Options *o = s->o;
  const char *const values[] = {o->in, o->weights}, *const *used = NULL;
  struct stat st;
  if (!out || !is_file(out, &st))
    return 0;
  int texts = o->verb == VERB_VOCAB ? o->args.n : 1,
      nused = s->model ? model_files(s->model, &used) : 0;
  const char *in = among(s, o->args.v, o->args.n < texts ? o->args.n : texts, &st);
  in = in ? in : among(s, values, COUNT(values), &st);
  in = in ? in : among(s, o->data.v, o->data.n, &st);
  in = in ? in : among(s, used, nused, &st);
  if (!in)
    return 0;
  return session_error(s, EXIT_USAGE,
                       "%s%s%s is read, and would be overwritten: choose another output", out,
                       strcmp(in, out) ? " is the same file as " : "", strcmp(in, out) ? in : "");
}
