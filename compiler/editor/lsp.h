// The language server protocol (3.17) for models: diagnostics, hover, definition, references, renaming, symbols,
// completion, formatting.
#ifndef BIGSC_LSP_H
#define BIGSC_LSP_H
#include <stdio.h>

// Answers what `in` says on `out` until it ends.  An exit status: 0 after `shutdown` and `exit`, else 1.
int lsp_serve(FILE *in, FILE *out, const char *version);
#endif
