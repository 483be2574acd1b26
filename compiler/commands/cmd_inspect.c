// bigsc inspect: what a model, a compiled model, a weights file or a folder holds.
#include "compiler/commands/cmd.h"
#include "compiler/commands/inspect.h"
#include "compiler/syntax/lex.h"
#include "runtime/files/file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *inspect_grouped(Session *s, int64_t n) {
  const char *digits = session_text(s, "%lld", (long long)n), *text = "";
  size_t len = strlen(digits), first = len % 3 ? len % 3 : 3;
  text = arena_strndup(s->arena, digits, first);
  for (size_t i = first; i < len; i += 3)
    text = session_text(s, "%s,%.3s", text, digits + i);
  return text;
}

const char *inspect_bytes(Session *s, int64_t n) {
  return session_text(s, "%s", bigs_bytes((double)n).text);
}

// Bytes of the control character (C0, DEL, C1 in UTF-8) at s; 0: it is none.
static int control(const char *s) {
  unsigned char c = (unsigned char)*s, next = c ? (unsigned char)s[1] : 0;
  if (c == 0xC2 && next >= 0x80 && next < 0xA0)
    return 2;
  return (c && c < 0x20) || c == 0x7F;
}

const char *inspect_shown(Session *s, const char *text) {
  size_t n = 0;
  char *shown = arena_alloc(s->arena, 4 * strlen(text) + 1); // "\x1b" for a byte
  for (int k; *text; text += k ? k : 1)
    if ((k = control(text)))
      n += (size_t)sprintf(shown + n, "\\x%02x", (unsigned char)text[k - 1]);
    else
      shown[n++] = *text;
  return shown;
}

int inspect_json(Session *s, JsonText *t) {
  record_end(t);
  int status = t->failed ? session_error(s, EXIT_MODEL, "out of memory") : 0;
  if (!status)
    printf("%s\n", t->s);
  free(t->s);
  return status;
}

void inspect_member(JsonText *t, const char *key, JsonText *value) {
  record_raw(t, key, value->n ? value->s : "null");
  t->failed |= value->failed;
  free(value->s);
}

void inspect_list(JsonText *t, const char *key, JsonText *items) {
  JsonText whole = {0};
  json_raw(&whole, "[");
  json_raw(&whole, items->n ? items->s : "");
  json_raw(&whole, "]");
  whole.failed |= items->failed;
  free(items->s);
  inspect_member(t, key, &whole);
}

void inspect_item(JsonText *items, JsonText *value) {
  if (items->n)
    json_raw(items, ", ");
  json_raw(items, value->n ? value->s : "null");
  items->failed |= value->failed;
  free(value->s);
}

static int without_model(Session *s, const Options *o, const char *path, bool folder) {
  int status = session_start(s, o);
  if (status)
    return status;
  return folder ? inspect_folder(s, path) : inspect_weights(s, path, path);
}

static int with_model(Session *s, const Options *o, const char *path) {
  int status = session_load(s, o, path, false);
  if (status)
    return status;
  return s->so ? inspect_module(s, path) : inspect_model(s, path);
}

// Standard input: weights, whose header follows a length of 8 bytes that a text does not start
// with, or a model's text.
static int inspect_stdin(Session *s, Options *o) {
  const char *path = "-";
  size_t n = 0;
  int status = session_start(s, o);
  status = status ? status : session_stdin(s, &path);
  if (status)
    return status;
  if (session_stdin_holds_tensors(s))
    return inspect_weights(s, path, "<stdin>");
  char *text = file_read(path, SOURCE_MAX + 1, &n, &s->error);
  if (!text)
    return session_fail(s, &s->error);
  if (memchr(text, 0, n)) {
    free(text);
    return session_error(s, EXIT_FILE, "<stdin> is neither a model's text nor safetensors");
  }
  o->text = text;
  session_close(s);
  status = session_load(s, o, "-", false);
  status = status ? status : inspect_model(s, "<stdin>");
  free(text);
  return status;
}

int cmd_INSPECT(const Options *o) {
  Session s;
  Options own = *o;
  struct stat st;
  if (o->args.n != 1) {
    fprintf(stderr, "bigsc inspect: %s; see `bigsc inspect --help`\n",
            o->args.n ? "one thing at a time" : "what?");
    return EXIT_USAGE;
  }
  const char *path = o->args.v[0];
  bool pipe = !strcmp(path, "-");
  if (!pipe && stat(path, &st)) {
    fprintf(stderr, "bigsc: %s: %s\n", path, strerror(errno));
    return EXIT_FILE;
  }
  bool model = file_has_suffix(path, ".mdl") || file_has_suffix(path, ".so");
  int status = pipe    ? inspect_stdin(&s, &own)
               : model ? with_model(&s, o, path)
                       : without_model(&s, o, path, S_ISDIR(st.st_mode));
  session_close(&s);
  return status;
}
