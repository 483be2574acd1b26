// bigsc lsp: the language server, for editors.
#include "compiler/commands/cmd.h"
#include "compiler/editor/lsp.h"
#include <stdio.h>

int cmd_LSP(const Options *o) {
  if (o->args.n) {
    fprintf(stderr, "bigsc lsp: takes no files: an editor starts it, and says on standard input "
                    "what is open\n");
    return EXIT_USAGE;
  }
  return lsp_serve(stdin, stdout, bigsc_version());
}
