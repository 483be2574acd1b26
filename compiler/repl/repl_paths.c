// Paths of parameters in the text of an input.  `layer.0.up.weight` is no expression of the language, where a number names no
// part, a square `layer[0].up.weight` no value, and `layer.up.weight = e` no statement: both become names of the same length before the text is parsed, so that
// places in messages stay, and mean their parameter while the input runs.
#include "compiler/repl/repl.h"
#include <ctype.h>
#include <string.h>

static bool name_character(char c) {
  return isalnum((unsigned char)c) || c == '_';
}

// "[12]": how long it is; 0: something else.
static size_t index_length(const char *s) {
  size_t n = 1;
  while (*s == '[' && isdigit((unsigned char)s[n]))
    n++;
  return *s == '[' && n > 1 && s[n] == ']' ? n + 1 : 0;
}

typedef struct PathSeen {
  size_t length;
  bool numbered, bracket; // a part is a number: layer.0.up, layer[0].up
} PathSeen;

// "layer.0.up.weight", "layer[0].up.weight": length 0: no path stands here.
static PathSeen path_at(const char *s) {
  PathSeen p = {0};
  for (size_t n = 0, parts = 0;; n++, parts++) {
    size_t k = 0;
    while (name_character(s[n + k]))
      k++;
    if (!k)
      return (PathSeen){0};
    p.numbered |= parts && isdigit((unsigned char)s[n]);
    n += k;
    p.bracket |= index_length(s + n) > 0;
    n += index_length(s + n);
    p.length = parts ? n : 0;
    if (s[n] != '.' || !name_character(s[n + 1]))
      return p;
  }
}

static bool is_assigned(const char *behind) {
  behind += strspn(behind, " \t");
  return *behind == '=' && behind[1] != '=';
}

// Up to the end of its statement nothing else stands there.
static bool is_alone(const char *behind) {
  behind += strspn(behind, " \t\r");
  return !*behind || strchr("\n;#", *behind);
}

const char *repl_native_path(Repl *r, const char *text, size_t n) {
  char *path = arena_alloc(r->arena, n + 1);
  size_t k = 0;
  for (size_t i = 0; i < n; i++)
    if (text[i] != ']')
      path[k++] = text[i] == '[' ? '.' : text[i];
  path[k] = 0;
  return path;
}

static void put_alias(Repl *r, char *at, size_t n, bool assigned) {
  Alias *x = NEW(r->arena, Alias);
  *x = (Alias){.path = repl_native_path(r, at, n), .assigned = assigned};
  for (size_t i = 0; i < n; i++)
    at[i] = strchr(".[]", at[i]) ? '_' : at[i];
  x->name = intern_n(r->names, at, n);
  vec_push(r->arena, &r->aliases, x);
}

// Behind a string or a comment that starts here; s itself: none does.
static char *skip_text(char *s) {
  char end = *s == '#' ? '\n' : '"';
  if (*s != '#' && *s != '"')
    return s;
  s++;
  while (*s && *s != end && *s != '\n')
    s++;
  return *s == '"' ? s + 1 : s;
}

static bool of_child(const Repl *r, const char *path) {
  const Item *it = repl_item(r, intern_n(r->names, path, strcspn(path, ".[")));
  return it && it->kind == ITEM_CHILD;
}

// `layer[0].up.weight` within an expression is the language's own, which knows what it depends on.
static bool needs_name(const PathSeen *p, const char *s, bool starts) {
  bool assigned = starts && is_assigned(s + p->length);
  return p->length && (assigned || (p->bracket ? starts && is_alone(s + p->length) : p->numbered));
}

static char *walk_word(Repl *r, char *s, bool starts) {
  PathSeen p = path_at(s);
  size_t word = 0;
  if (needs_name(&p, s, starts) && of_child(r, s)) {
    put_alias(r, s, p.length, starts && is_assigned(s + p.length));
    return s + p.length;
  }
  while (name_character(s[word]) || s[word] == '.')
    word++;
  return s + word;
}

static void walk(Repl *r, char *s) {
  int depth = 0;
  bool starts = true; // a statement may start here
  while (*s) {
    char *behind = skip_text(s);
    if (behind == s && name_character(*s)) {
      s = depth ? s + 1 : walk_word(r, s, starts);
      starts = false;
      continue;
    }
    depth += (*s == '{') - (*s == '}');
    starts = *s == '\n' || *s == ';' || (starts && isspace((unsigned char)*s));
    s = behind > s ? behind : s + 1;
  }
}

// A parameter that is read has its value in an item of the name.
static bool put_value(Repl *r, Alias *x) {
  if (x->assigned)
    return true;
  Array *value = repl_param(r, x->path);
  if (!value) {
    repl_fail(r, "there is no parameter `%s`; `:info %.*s` lists what there is", x->path,
              (int)strcspn(x->path, "."), x->path);
    return false;
  }
  repl_value(r, repl_put(r, x->name, ITEM_VALUE, (Span){0}), value);
  return true;
}

const char *repl_paths(Repl *r, const char *text) {
  char *own = arena_strdup(r->arena, text);
  r->aliases.n = 0;
  walk(r, own);
  for (int i = 0; i < r->aliases.n; i++)
    if (repl_item(r, r->aliases.v[i]->name)) {
      repl_fail(r, "`%s` cannot be told from `%s` here: call that otherwise", r->aliases.v[i]->path,
                r->aliases.v[i]->name);
      r->aliases.n = 0;
      return NULL;
    }
  return own;
}

bool repl_paths_begin(Repl *r) {
  for (int i = 0; i < r->aliases.n; i++)
    if (!put_value(r, r->aliases.v[i]))
      return false;
  return true;
}

void repl_paths_again(Repl *r, const char *path) {
  for (int i = 0; i < r->aliases.n; i++)
    if (!strcmp(r->aliases.v[i]->path, path))
      put_value(r, r->aliases.v[i]);
}

void repl_paths_end(Repl *r) {
  for (int i = 0; i < r->aliases.n; i++)
    repl_forget(r, r->aliases.v[i]->name);
  r->aliases.n = 0;
}

const char *repl_assigned(const Repl *r, const char *name) {
  for (int i = 0; i < r->aliases.n; i++)
    if (r->aliases.v[i]->assigned && r->aliases.v[i]->name == name)
      return r->aliases.v[i]->path;
  return NULL;
}

bool repl_is_alias(const Repl *r, const char *name) {
  for (int i = 0; i < r->aliases.n; i++)
    if (r->aliases.v[i]->name == name)
      return true;
  return false;
}
