// The canonical text of a file: docs/cli.md says how it looks.  Lines stay as they are cut, and so do comments; what changes is
// the blanks in them, empty lines beyond one, and a `;` that nothing follows on its line.
#ifndef BIGSC_FMT_H
#define BIGSC_FMT_H
#include "base/intern.h"
#include "compiler/syntax/ast.h"

// NUL-terminated, in `a`; NULL: the text does not parse, or would become larger than a file may be (reported).  Of a text that
// this made it makes the same text.  Has the tokens of `src`, which is looked at.
char *fmt_text(Arena *a, Intern *names, Diags *diags, const Source *src);
#endif
