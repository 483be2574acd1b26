// What people are told of a name: of the language itself, of its prelude, of a declaration of their own.
#ifndef BIGSC_FUNCTIONS_H
#define BIGSC_FUNCTIONS_H
#include "base/intern.h"
#include "compiler/syntax/ast.h"

typedef struct FunctionDoc {
  const char *name;
  const char *signature; // "softmax[S](x : [.., S]) -> [.., S]", as the text has it
  const char *text;      // one or more lines without a last newline; "": nothing is said
} FunctionDoc;
// Row i of functions.def; NULL behind the last.
const FunctionDoc *function_row(int i);
// Likewise, of what nobody calls: the words of models, checkpoint and train blocks.
const FunctionDoc *word_row(int i);
// That of a name of the language, of either kind; NULL: no row.
const FunctionDoc *function_doc(const char *name);
// Of a dim, let, fn or module: its header, and what the comment above it or, without one, at the end of its first line says.
FunctionDoc decl_doc(Arena *a, const Decl *d);
// The prelude's declaration of this name; NULL: none.  *cache starts NULL and is filled by the first call, in `a`.
const Decl *prelude_decl(Arena *a, Intern *names, File **cache, const char *name);
File *prelude_file(Arena *a, Intern *names, File **cache);
#endif
