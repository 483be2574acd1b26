// See words.h.  What is added to the tables of the language shows here by itself.
#include "compiler/driver/words.h"
#include "compiler/driver/options.h"
#include "compiler/sema/functions.h"
#include "compiler/syntax/lex.h"
#include <stdio.h>
#include <string.h>

typedef VEC(const char *) WordList;
typedef struct WordKinds { // by how they are coloured
  Arena *arena;
  WordList keywords, constants, types, functions, modules;
} WordKinds;

// WordKinds that mean themselves only where the grammar expects them.
static const char *const in_places[] = {"alias", "as",     "config", "data", "forms",    "from",
                                        "group", "if",     "ignore", "init", "layout",   "next",
                                        "or",    "repeat", "share",  "then", "tokenizer"};

// Of tables that only say names.
static const char *const named[] = {
#define PRIM(ID, name) name,
#include "compiler/sema/prims.def"
#undef PRIM
#define INITIALIZER(ID, name) name,
#include "compiler/sema/initializers.def"
#define SOURCE(ID, id, name, least) name,
#define FIELD(ID, FIELD, name, dtype, shape)
#include "base/sources.def"
#undef SOURCE
#undef FIELD
#define OPTIMIZER(ID, name, arguments, beta2) #name,
#include "base/optimizers.def"
#undef OPTIMIZER
#define SCHEDULE(ID, name, falls) #name,
#include "base/schedules.def"
#undef SCHEDULE
#define TOKENIZER(ID, name, file, arguments) #name,
#include "base/tokenizers.def"
#undef TOKENIZER
};

static void add_tokens(WordKinds *w) {
  for (int k = 0; k < T_KIND_COUNT; k++) {
    TokClass c = token_class((TokKind)k);
    bool constant = k == T_TRUE || k == T_FALSE;
    if (c == WORD || c == DECL)
      vec_push(w->arena, constant ? &w->constants : &w->keywords, token_text((TokKind)k));
  }
  for (int i = 0; i < COUNT(in_places); i++)
    vec_push(w->arena, &w->keywords, in_places[i]);
  for (int d = 0; d < DT_COUNT; d++)
    if (d != DT_I64) // of indices only
      vec_push(w->arena, &w->types, dtype_name((DType)d));
}

static void add_prelude(WordKinds *w, Intern *names) {
  File *cache = NULL;
  const File *f = prelude_file(w->arena, names, &cache);
  for (int i = 0; i < f->decls.n; i++) {
    const Decl *d = f->decls.v[i];
    const char *name = decl_doc(w->arena, d).name;
    WordList *to = d->kind == DECL_FN       ? &w->functions
                   : d->kind == DECL_MODULE ? &w->modules
                                            : &w->constants;
    vec_push(w->arena, to, name);
  }
}

static WordKinds words(Arena *a) {
  WordKinds w = {.arena = a};
  add_tokens(&w);
  for (int i = 0; i < COUNT(named); i++)
    vec_push(a, &w.functions, named[i]);
  add_prelude(&w, intern_new(a));
  return w;
}

static void list(const WordList *w, const char *between) {
  for (int i = 0; i < w->n; i++)
    printf("%s%s", i ? between : "", w->v[i]);
}

// ---- Vim
static void vim_words(const char *group, const WordList *w) {
  printf("syn keyword bigsc%s ", group);
  list(w, " ");
  printf("\n");
}

static void vim(const WordKinds *w) {
  printf("\" Vim syntax file of bigsc's models, printed by bigsc --words=vim.\n"
         "if exists(\"b:current_syntax\")\n  finish\nendif\n"
         "syn case match\n");
  vim_words("Keyword", &w->keywords);
  vim_words("Constant", &w->constants);
  vim_words("Type", &w->types);
  vim_words("Function", &w->functions);
  vim_words("Module", &w->modules);
  printf("syn match bigscNumber "
         "\"\\<\\d[0-9_]*\\(\\.\\d[0-9_]*\\)\\=\\([eE][-+]\\=\\d\\+\\)\\=i\\=%%\\=\"\n"
         "syn match bigscOperator \"|>\\|<->\\|->\\|@\\ze\\[\\|[-+*/^~=<>]\"\n"
         "syn match bigscTag \"@\\h\\w*\"\n"
         "syn region bigscString start=+\"+ end=+\"+ oneline\n"
         "syn keyword bigscTodo TODO FIXME contained\n"
         "syn match bigscComment \"#.*$\" contains=bigscTodo,@Spell\n");
  printf("hi def link bigscKeyword Keyword\nhi def link bigscConstant Constant\nhi def link "
         "bigscType Type\n"
         "hi def link bigscFunction Function\nhi def link bigscModule Structure\nhi def link "
         "bigscNumber Number\n"
         "hi def link bigscOperator Operator\nhi def link bigscTag PreProc\nhi def link "
         "bigscString String\n"
         "hi def link bigscTodo Todo\nhi def link bigscComment Comment\n"
         "let b:current_syntax = \"bigsc\"\n");
}

// ---- VS Code
static void pattern(const char *scope, const char *match) {
  printf("    {\"name\": \"%s.bigsc\", \"match\": \"%s\"},\n", scope, match);
}

static void pattern_of_words(const char *scope, const WordList *w) {
  printf("    {\"name\": \"%s.bigsc\", \"match\": \"\\\\b(", scope);
  list(w, "|");
  printf(")\\\\b\"},\n");
}

static void vscode(const WordKinds *w) {
  printf("{\n  \"name\": \"bigsc\",\n  \"scopeName\": \"source.bigsc\",\n  \"fileTypes\": "
         "[\"mdl\"],\n  \"patterns\": [\n");
  pattern("comment.line.number-sign", "#.*$");
  pattern("string.quoted.double", "\\\"[^\\\"\\n]*\\\"");
  pattern("entity.other.attribute-name", "@[A-Za-z_]\\\\w*");
  pattern_of_words("keyword.control", &w->keywords);
  pattern_of_words("constant.language", &w->constants);
  pattern_of_words("storage.type", &w->types);
  pattern_of_words("support.function", &w->functions);
  pattern_of_words("support.class", &w->modules);
  pattern("constant.numeric", "\\\\b\\\\d[0-9_]*(\\\\.\\\\d[0-9_]*)?([eE][-+]?\\\\d+)?i?%?");
  printf("    {\"name\": \"keyword.operator.bigsc\", \"match\": "
         "\"\\\\|>|<->|->|@(?=\\\\[)|[-+*/^~=<>]\"}\n  ]\n}\n");
}

// ---- the page of functions
static void cell(const char *s) {
  for (; *s; s++)
    fputs(*s == '\n' ? " " : *s == '|' ? "\\|" : (char[]){*s, 0}, stdout);
}

static void row(const FunctionDoc *d) {
  printf("| `");
  cell(d->signature);
  printf("` | ");
  cell(d->text);
  printf(" |\n");
}

static void built_in(void) {
  printf("## Of the language\n\n| | |\n|---|---|\n");
  for (int i = 0; function_row(i); i++)
    row(function_row(i));
}

static void of_blocks(void) {
  printf("\n## Words of models and blocks\n\nThey mean this where they stand, and nothing "
         "elsewhere.\n\n| | |\n|---|---|\n");
  for (int i = 0; word_row(i); i++)
    row(word_row(i));
}

static void of_prelude(const WordKinds *w) {
  File *cache = NULL;
  const File *f = prelude_file(w->arena, intern_new(w->arena), &cache);
  printf("\n## Of the prelude\n\nText of the language itself, in `compiler/sema/prelude.mdl`: a "
         "file may declare its own under the same name.\n\n| | |\n|---|---|\n");
  for (int i = 0; i < f->decls.n; i++) {
    FunctionDoc d = decl_doc(w->arena, f->decls.v[i]);
    row(&d);
  }
}

static void markdown(const WordKinds *w) {
  printf("# Functions\n\nWhat a model may call. `bigsc --words=markdown` prints this page, and a "
         "test compares; the prompt's `:doc NAME` says a line of it.\n"
         "[language.md](language.md) is the reference, which says more of each.\n\n");
  built_in();
  of_prelude(w);
  of_blocks();
}

int words_print(const char *form) {
  static const struct {
    const char *name;
    void (*print)(const WordKinds *);
  } forms[] = {{"vim", vim}, {"vscode", vscode}, {"markdown", markdown}};
  Arena *a = arena_new();
  WordKinds w = words(a);
  int i = 0;
  while (i < COUNT(forms) && strcmp(form, forms[i].name))
    i++;
  if (i < COUNT(forms))
    forms[i].print(&w);
  else
    fprintf(stderr, "bigsc: --words takes vim, vscode or markdown, not `%s`\n", form);
  arena_free(a);
  return i < COUNT(forms) ? 0 : EXIT_USAGE;
}
