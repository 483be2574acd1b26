// bigsc new: a folder with a model that trains right away, on a text of its own.
#include "compiler/commands/cmd.h"
#include "compiler/driver/session.h"
#include "runtime/files/file.h"
#include "runtime/train/vocab.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define START(name, help) const char *start_##name(void);
#include "compiler/commands/start.def"
#undef START
const char *start_text(void);

enum { PIECES = 448 }; // dim V of the models

static const struct {
  const char *name, *help;
  const char *(*text)(void);
} starts[] = {
#define START(name, help) {#name, help, start_##name},
#include "compiler/commands/start.def"
#undef START
};

static const char readme[] =
    "# %s\n\n"
    "`bigsc train model.mdl` trains the model on `text.txt` into the folder `run`; `bigsc fill run "
    "\"the horse [MASK].\"` asks it.\n"
    "How good it became: `bigsc eval run --data text.txt`, `bigsc plot run`, `bigsc report run`. A "
    "prompt: `bigsc repl model.mdl`.\n"
    "With a text of yours in `text.txt`: `bigsc vocab text.txt -o vocab.txt --size 448`, which is "
    "`dim V` of the model, and train again.\n";

static int unknown_start(const char *like) {
  fprintf(stderr, "bigsc new: --like does not know `%s`; it takes\n", like);
  for (int i = 0; i < COUNT(starts); i++)
    fprintf(stderr, "  %-6s %s\n", starts[i].name, starts[i].help);
  return EXIT_USAGE;
}

static int start_named(const char *like) {
  int i = 0;
  while (like && i < COUNT(starts) && strcmp(like, starts[i].name))
    i++;
  return i;
}

static int put(Session *s, const char *folder, const char *name, const char *text, size_t n) {
  return file_put(session_text(s, "%s/%s", folder, name), text, n, &s->error);
}

static int put_vocabulary(Session *s, const char *folder) {
  const char *text = session_text(s, "%s/text.txt", folder);
  VocabOptions how = {.size = PIECES, .lower = true};
  Vocab v;
  if (vocab_learn(&text, 1, &how, &v, &s->error))
    return s->error.status;
  int status = put(s, folder, "vocab.txt", v.text, v.n);
  free(v.text);
  return status;
}

static const char *base_name(Session *s, const char *folder) {
  size_t n = strlen(folder);
  while (n > 1 && folder[n - 1] == '/')
    n--;
  const char *path = session_text(s, "%.*s", (int)n, folder), *slash = strrchr(path, '/');
  return slash && slash[1] ? slash + 1 : path;
}

static int fill_folder(Session *s, const char *folder, const char *model) {
  const char *text = start_text(), *about = session_text(s, readme, base_name(s, folder));
  int status = put(s, folder, "model.mdl", model, strlen(model));
  status = status ? status : put(s, folder, "text.txt", text, strlen(text));
  status = status ? status : put_vocabulary(s, folder);
  return status ? status : put(s, folder, "README.md", about, strlen(about));
}

// Half a folder is none.
static void take_back(Session *s, const char *folder) {
  static const char *const files[] = {"model.mdl", "text.txt", "vocab.txt", "README.md"};
  for (int i = 0; i < COUNT(files); i++)
    unlink(session_text(s, "%s/%s", folder, files[i]));
  rmdir(folder);
}

static int make_folder(Session *s, const char *folder, const char *model) {
  if (mkdir(folder, 0777)) {
    if (errno == EEXIST)
      return session_error(s, EXIT_FILE, "%s is there already: `new` overwrites nothing", folder);
    bigs_fail_errno(&s->error, "make", folder);
    return session_fail(s, &s->error);
  }
  int status = fill_folder(s, folder, model);
  if (status) {
    take_back(s, folder);
    return session_fail(s, &s->error);
  }
  if (!s->o->quiet)
    printf("%s holds model.mdl, text.txt, vocab.txt and README.md; next:\n  cd %s\n  bigsc train "
           "model.mdl\n",
           folder, folder);
  return 0;
}

int cmd_NEW(const Options *o) {
  Session s;
  int which = start_named(o->like);
  if (o->args.n != 1) {
    fprintf(stderr, "bigsc new: give the NAME of one folder to make\n");
    return EXIT_USAGE;
  }
  if (which == COUNT(starts))
    return unknown_start(o->like);
  int status = session_start(&s, o);
  status = status ? status : make_folder(&s, o->args.v[0], starts[o->like ? which : 0].text());
  session_close(&s);
  return status;
}
