// Line editing: see repl_line.h.
#include "compiler/repl/repl_line.h"
#include <errno.h>
#include <histedit.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

enum { HISTORY = 1000, CHOICES = 200 };
struct Editor {
  FILE *out;
  const volatile sig_atomic_t *cancel;
  Complete *names;
  void *ctx;
  EditLine *el;
  History *history;
  HistEvent event;
  const char *path;
  bool more, interrupted;
};

static Editor *editor_of(EditLine *el) {
  Editor *e = NULL;
  el_get(el, EL_CLIENTDATA, &e);
  return e;
}

static char *prompt(EditLine *el) {
  static char first[] = "bigs> ", next[] = "....> ";
  return editor_of(el)->more ? next : first;
}

// One character; Ctrl-C, which is a signal, ends the line.
static int read_character(EditLine *el, wchar_t *out) {
  Editor *e = editor_of(el);
  mbstate_t state = {0};
  for (;;) {
    char c;
    ssize_t n = read(STDIN_FILENO, &c, 1);
    if (n == 0)
      return 0;
    if (n < 0 && errno == EINTR && *e->cancel) {
      e->interrupted = true;
      return -1;
    }
    if (n < 0 && errno != EINTR)
      return -1;
    if (n < 0)
      continue;
    size_t got = mbrtowc(out, &c, 1, &state);
    if (got == (size_t)-1)
      memset(&state, 0, sizeof state); // no character of this encoding: dropped
    else if (got != (size_t)-2)
      return 1;
  }
}

// ---- completion

// How much all have alike.
static size_t common_length(const char *const *names, int count) {
  size_t common = strlen(names[0]);
  for (int i = 1; i < count; i++)
    for (size_t k = 0; k < common; k++)
      if (names[i][k] != names[0][k])
        common = k;
  return common;
}

static void list_names(Editor *e, const char *const *names, int count) {
  fprintf(e->out, "\n");
  for (int i = 0; i < count; i++)
    fprintf(e->out, "%s%s", names[i], i + 1 < count ? "  " : "\n");
  fflush(e->out);
}

static unsigned char complete_text(EditLine *el, const char *text) {
  Editor *e = editor_of(el);
  const char *names[CHOICES];
  size_t start = 0, n = strlen(text);
  int count = e->names(e->ctx, text, &start, names, CHOICES);
  size_t have = n - start, common = count ? common_length(names, count) : 0;
  if (!count || (count == 1 && common == have))
    return CC_ERROR;
  if (common > have) {
    char *more = strndup(names[0] + have, common - have);
    if (more)
      el_insertstr(el, more);
    free(more);
    return CC_REFRESH;
  }
  list_names(e, names, count);
  return CC_REDISPLAY;
}

static unsigned char complete(EditLine *el, int key) {
  const LineInfo *line = el_line(el);
  char *text = strndup(line->buffer, (size_t)(line->cursor - line->buffer));
  unsigned char what = text ? complete_text(el, text) : CC_ERROR;
  (void)key;
  free(text);
  return what;
}

// ---- history

static bool make_folders(char *path) {
  for (char *p = path + 1; *p; p++)
    if (*p == '/') {
      *p = 0;
      bool ok = !mkdir(path, 0700) || errno == EEXIST;
      *p = '/';
      if (!ok)
        return false;
    }
  return true;
}

const char *editor_history_path(Arena *a) {
  const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
  char *path = NULL;
  if (state && *state == '/')
    path = arena_printf(a, "%s/bigsc/history", state);
  else if (home && *home == '/')
    path = arena_printf(a, "%s/.local/state/bigsc/history", home);
  return path && make_folders(path) ? path : NULL;
}

void editor_remember(Editor *e, const char *text) {
  size_t n = strlen(text);
  while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
    n--;
  if (!n || !e->history)
    return;
  char *line = strndup(text, n);
  if (line)
    history(e->history, &e->event, H_ENTER, line);
  free(line);
}

// ---- life

Editor *editor_new(FILE *out, const volatile sig_atomic_t *cancel, Complete *names, void *ctx,
                   const char *path) {
  Editor *e = calloc(1, sizeof *e);
  if (!e)
    return NULL;
  *e = (Editor){.out = out,
                .cancel = cancel,
                .names = names,
                .ctx = ctx,
                .path = path,
                .el = el_init("bigsc", stdin, stdout, stderr),
                .history = history_init()};
  if (!e->el) {
    editor_free(e);
    return NULL;
  }
  el_set(e->el, EL_CLIENTDATA, e);
  el_set(e->el, EL_PROMPT, prompt);
  el_set(e->el, EL_EDITOR, "emacs");
  el_set(e->el, EL_SIGNAL, 0);
  el_set(e->el, EL_GETCFN, read_character);
  el_set(e->el, EL_ADDFN, "complete", "Completes a name", complete);
  el_set(e->el, EL_BIND, "^I", "complete", NULL);
  el_source(e->el, NULL);
  if (e->history) {
    history(e->history, &e->event, H_SETSIZE, HISTORY);
    history(e->history, &e->event, H_SETUNIQUE, 1);
    el_set(e->el, EL_HIST, history, e->history);
    if (path)
      history(e->history, &e->event, H_LOAD, path);
  }
  return e;
}

void editor_free(Editor *e) {
  if (e->history && e->path)
    history(e->history, &e->event, H_SAVE, e->path);
  if (e->history)
    history_end(e->history);
  if (e->el)
    el_end(e->el);
  free(e);
}

const char *editor_line(Editor *e, bool more, bool *interrupted) {
  int n = 0;
  e->more = more;
  e->interrupted = false;
  const char *line = el_gets(e->el, &n);
  *interrupted = e->interrupted;
  if (e->interrupted) {
    el_reset(e->el);
    fprintf(e->out, "\n");
    return "";
  }
  return n > 0 ? line : NULL;
}
