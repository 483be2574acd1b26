// Completion at the prompt: names, commands, parts of children, paths of files.
#include "compiler/repl/repl.h"
#include "compiler/sema/functions.h"
#include <ctype.h>
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

typedef struct WordChoices {
  Repl *r;
  const char *word; // what they start with
  const char **out;
  int n, max;
} WordChoices;

static void add(WordChoices *c, const char *name) {
  for (int i = 0; i < c->n; i++)
    if (!strcmp(c->out[i], name))
      return;
  if (c->n < c->max && !strncmp(name, c->word, strlen(c->word)))
    c->out[c->n++] = name;
}

// ---- names

static void add_prelude(WordChoices *c) {
  Repl *r = c->r;
  const File *f = prelude_file(r->arena, r->names, &r->prelude);
  for (int i = 0; i < f->decls.n; i++)
    if (repl_decl_name(f->decls.v[i]))
      add(c, repl_decl_name(f->decls.v[i]));
}

static void add_own(WordChoices *c) {
  const Repl *r = c->r;
  for (int i = 0; i < r->items.n; i++)
    add(c, r->items.v[i]->name);
  for (int i = 0; i < r->decls.n; i++)
    if (repl_decl_name(r->decls.v[i].decl))
      add(c, repl_decl_name(r->decls.v[i].decl));
}

static void add_names(WordChoices *c) {
  static const char *const words[] = {
#define PRIM(id, name) name,
#include "compiler/sema/prims.def"
#undef PRIM
#define INITIALIZER(id, name) name,
#include "compiler/sema/initializers.def"
      "dim",  "let",   "use",    "fn",    "module", "model", "entry", "scan",
      "true", "false", "repeat", "share", "forms",  "init",  "train", "load",
  };
  for (int d = 0; d < DT_COUNT; d++)
    if (d != DT_I64) // of indices only
      add(c, dtype_name((DType)d));
  add_own(c);
  add_prelude(c);
  for (int i = 0; i < COUNT(words); i++)
    add(c, words[i]);
}

static void add_commands(WordChoices *c) {
  static const char *const words[] = {
#define COMMAND(id, name, args, help) ":" name,
#include "compiler/repl/repl_commands.def"
#undef COMMAND
  };
  for (int i = 0; i < COUNT(words); i++)
    add(c, words[i]);
}

// ---- parts of a child, by the paths of its parameters: "layer." has "layer.0", then "layer.0.up"

static void add_part(WordChoices *c, const char *path) {
  size_t n = strlen(c->word);
  if (!strncmp(path, c->word, n))
    add(c, intern_n(c->r->names, path, n + strcspn(path + n, ".")));
}

static void add_parts(WordChoices *c, Item *child) {
  Repl *r = c->r;
  const ModelParam *p;
  Ready e;
  FILE *err = r->err, *quiet = fopen("/dev/null", "w");
  int failures = r->failures;
  if (!quiet)
    return;
  r->err = quiet; // a child that no longer fits is no matter for a key
  if (ready_elaborate(&e, r, repl_zero(r, child->span), child))
    for (int i = 0, n = model_params(e.model, &p); i < n; i++)
      add_part(c, p[i].path);
  ready_free(&e);
  fclose(quiet);
  r->err = err;
  r->failures = failures;
}

// ---- paths

static bool is_folder(const char *path) {
  struct stat s;
  return !stat(path, &s) && S_ISDIR(s.st_mode);
}

// Hidden ones only where the word says so; folders end in a slash.
static void add_file(WordChoices *c, const char *folder, const char *name, bool hidden) {
  Repl *r = c->r;
  const char *path = arena_printf(r->arena, "%s%s", folder, name);
  if (*name == '.' && (!hidden || !strcmp(name, ".") || !strcmp(name, "..")))
    return;
  add(c, is_folder(path) ? arena_printf(r->arena, "%s/", path) : path);
}

static void add_files(WordChoices *c) {
  const char *slash = strrchr(c->word, '/'), *last = slash ? slash + 1 : c->word;
  const char *folder = arena_strndup(c->r->arena, c->word, (size_t)(last - c->word));
  DIR *d = opendir(*folder ? folder : ".");
  for (struct dirent *f; d && (f = readdir(d)) && c->n < c->max;)
    add_file(c, folder, f->d_name, *last == '.');
  if (d)
    closedir(d);
}

// ---- what stands before the cursor

static bool takes_path(const char *line) {
  static const char *const commands[] = {":load", ":data", ":save", ":compare"};
  size_t n = strcspn(line, " \t");
  for (int i = 0; n > 2 && line[n] && i < COUNT(commands); i++)
    if (!strncmp(commands[i], line, n))
      return true;
  return false;
}

// Of a string that is still open: behind its quote; NULL: none is.
static const char *open_string(const char *line) {
  const char *open = NULL;
  for (; *line; line++)
    if (*line == '"')
      open = open ? NULL : line + 1;
  return open;
}

static const char *word_before(const char *line, const char *end, const char *more) {
  while (end > line && (isalnum((unsigned char)end[-1]) || strchr(more, end[-1])))
    end--;
  return end;
}

static Item *child_of(const Repl *r, const char *word) {
  const char *dot = strchr(word, '.');
  Item *it = dot ? repl_item(r, intern_n(r->names, word, (size_t)(dot - word))) : NULL;
  return it && it->kind == ITEM_CHILD ? it : NULL;
}

static void add_words(WordChoices *c, const char *line, const char *end) {
  Item *child;
  c->word = word_before(line, end, "_.");
  if ((child = child_of(c->r, c->word))) {
    add_parts(c, child);
    return;
  }
  c->word = word_before(line, end, "_");
  if (c->word > line && c->word[-1] == ':' && (c->word == line + 1 || !strncmp(line, ":doc ", 5))) {
    c->word--;
    add_commands(c);
  } else if (*c->word)
    add_names(c);
}

int repl_complete(void *ctx, const char *line, size_t *start, const char **out, int max) {
  WordChoices c = {.r = ctx, .out = out, .max = max};
  const char *end = line + strlen(line), *string = open_string(line);
  const char *first = line + strspn(line, " \t");
  if (string || takes_path(first)) {
    c.word = string ? string : end;
    while (!string && c.word > first && !isspace((unsigned char)c.word[-1]))
      c.word--;
    add_files(&c);
  } else
    add_words(&c, first, end);
  *start = (size_t)(c.word - line);
  return c.n;
}
