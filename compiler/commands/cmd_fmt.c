// bigsc fmt: models in the canonical form.
#include "compiler/commands/cmd.h"
#include "compiler/driver/session.h"
#include "compiler/syntax/fmt.h"
#include "compiler/syntax/lex.h"
#include "runtime/files/file.h"
#include <stdlib.h>
#include <string.h>

static int read_source(Session *s, const char *path, const Source **src) {
  const char *given = NULL;
  size_t n = 0;
  int status = strcmp(path, "-") ? 0 : session_source(s, path, &given);
  char *text = given || status ? NULL : file_read(path, SOURCE_MAX, &n, &s->error);
  if (!given && !text)
    return status ? status : session_fail(s, &s->error);
  *src = given ? source_new(s->arena, "<stdin>", given, strlen(given))
               : source_new(s->arena, path, text, n);
  free(text);
  return 0;
}

static int replace(Session *s, const char *path, const char *text) {
  return file_put(path, text, strlen(text), &s->error) ? session_fail(s, &s->error) : 0;
}

static bool is_formatted(const Source *src, const char *text) {
  return strlen(text) == src->size && !memcmp(text, src->text, src->size);
}

// A name of each file that was, or would be, changed.
static void say(const Options *o, const char *path) {
  if (!o->quiet)
    fprintf(o->check ? stdout : stderr, o->check ? "%s\n" : "formatted %s\n", path);
}

static int put(Session *s, const char *path, const Source *src, const char *text) {
  const Options *o = s->o;
  bool same = is_formatted(src, text);
  if (!strcmp(path, "-") && !o->check)
    return fputs(text, stdout) < 0 ? EXIT_FILE : 0;
  if (same)
    return 0;
  int status = o->check ? EXIT_MODEL : replace(s, path, text);
  if (o->check || !status)
    say(o, src->path);
  return status;
}

static int format(const Options *o, const char *path) {
  Session s;
  const Source *src = NULL;
  int status = session_start(&s, o);
  status = status ? status : read_source(&s, path, &src);
  const char *text = status ? NULL : fmt_text(s.arena, s.names, s.diags, src);
  int bad = session_diags(&s, EXIT_MODEL);
  status = status ? status : bad;
  if (!status && text)
    status = put(&s, path, src, text);
  session_close(&s);
  return status;
}

int cmd_FMT(const Options *o) {
  int worst = 0;
  if (!o->args.n) {
    fprintf(stderr, "bigsc fmt: which FILE, or - for standard input?\n");
    return EXIT_USAGE;
  }
  for (int i = 0; i < o->args.n; i++) {
    int status = format(o, o->args.v[i]);
    worst = status > worst ? status : worst;
  }
  return worst;
}
