// See outputs.h.
#include "compiler/commands/outputs.h"
#include "runtime/files/file.h"
#include "runtime/train/corpus.h"
#include <stdio.h>
#include <stdlib.h>
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

// ---- kinds

enum { HEAD = 512 };

OutputKind output_kind(const char *path) {
  static const char *const numbers[] = {".so", ".o", ".a", ".bc", ".npy", ".safetensors"};
  for (int i = 0; i < COUNT(numbers); i++)
    if (file_has_suffix(path, numbers[i]))
      return OUTPUT_NUMBERS;
  bool drawing = file_has_suffix(path, ".svg") || file_has_suffix(path, ".html");
  return drawing ? OUTPUT_DRAWING : OUTPUT_TEXT;
}

static OutputKind kind_of_head(const char *head, size_t n) {
  if (memchr(head, 0, n))
    return OUTPUT_NUMBERS;
  if (head[0] == '<')
    return OUTPUT_DRAWING;
  return memchr(head, ' ', n) || memchr(head, '\t', n) ? OUTPUT_TEXT : OUTPUT_WORDS;
}

// Not an open file, as /dev/stdout, which is written to where it stands.
static bool is_replaced(const char *path) {
  bool in_place = true;
  struct stat st;
  free(strcmp(path, "-") && is_file(path, &st) ? file_target(path, &in_place, NULL) : NULL);
  return !in_place;
}

const char *output_in_the_way(const char *path, OutputKind kind) {
  static const char *const names[] = {"no text", "a text", "a text", "a drawing"};
  char head[HEAD];
  FILE *f = is_replaced(path) ? fopen(path, "rb") : NULL;
  size_t n = f ? fread(head, 1, sizeof head, f) : 0;
  if (f)
    fclose(f);
  OutputKind there = n ? kind_of_head(head, n) : kind;
  if (n && file_has_suffix(path, ".mdl"))
    return "a model";
  bool fits = there == kind || (there == OUTPUT_WORDS && kind == OUTPUT_TEXT);
  return fits ? NULL : names[there];
}

int session_check_kind(Session *s, const char *out, OutputKind kind) {
  const char *what = out ? output_in_the_way(out, kind) : NULL;
  return what ? session_error(s, EXIT_USAGE,
                              "%s is %s, and would be overwritten: choose another output, or "
                              "remove it first",
                              out, what)
              : 0;
}

int session_check_output(Session *s, const char *out, OutputKind kind) {
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
    return session_check_kind(s, out, kind);
  return session_error(s, EXIT_USAGE,
                       "%s%s%s is read, and would be overwritten: choose another output", out,
                       strcmp(in, out) ? " is the same file as " : "",
                       strcmp(in, out) ? session_text(s, "%s, which", in) : "");
}
