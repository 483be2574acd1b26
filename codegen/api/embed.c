// See embed.h.  An assembler includes the bytes as they are: as constants of LLVM they would be copied several times.
#include "codegen/api/embed.h"
#include "codegen/api/api.h"
#include "codegen/made.h"
#include <inttypes.h>
#include <string.h>

// At the start of a page, so that those who load the library share the file's; of no type that a linker may merge or move.
static const char *source_text(Arena *a, const BigsModule *m, const char *bytes) {
  const char *symbol = api_weights_symbol(a, m);
  return arena_printf(a,
                      "  .section .rodata.weights,\"a\",%%progbits\n"
                      "  .balign 4096\n"
                      "  .hidden %s\n"
                      "  .globl %s\n"
                      "  .type %s, %%object\n"
                      "  .size %s, %" PRId64 "\n"
                      "%s:\n"
                      "  .incbin \"%s\"\n"
                      "  .section .note.GNU-stack,\"\",%%progbits\n",
                      symbol, symbol, symbol, symbol, m->param_bytes, symbol, bytes);
}

const char *embed_object(Arena *a, const BigsModule *m, const char *arch, const char *folder,
                         const char **error) {
  Tool cc = made_tool(a, arch, "CC", "cc", "makes an object of the weights");
  const char *bytes = arena_printf(a, "%s/weights.bin", folder),
             *source = arena_printf(a, "%s/weights.s", folder),
             *object = arena_printf(a, "%s/weights.o", folder), *text = source_text(a, m, bytes);
  const char *args[] = {"-c", "-o", object, source};
  bool ok = made_write(a, bytes, m->weights, (size_t)m->param_bytes, error) &&
            made_write(a, source, text, strlen(text), error) &&
            made_run(a, &cc, args, COUNT(args), arena_printf(a, "%s/log", folder), error);
  return ok ? object : NULL;
}
