// Diagnostics: the user's own text, one primary span that stands alone, secondary spans that say
// why, a code, a hint.  Nothing here prints by itself: errors gather in a Diags and the driver
// renders them.
#ifndef BIGSC_DIAG_H
#define BIGSC_DIAG_H
#include "base/arena.h"
#include "base/bug.h"
#include "base/vec.h"
#include "base/source.h"
#include <stdio.h>

typedef enum Severity { SEV_ERROR, SEV_WARNING, SEV_NOTE, SEV_HELP } Severity;
// The codes of errors.def: ERR_MISSING_DIM is E0204.
typedef enum ErrorCode {
#define ERROR(name, number, title, text) ERR_##name = number,
#include "compiler/syntax/errors.def"
#undef ERROR
} ErrorCode;
typedef struct DiagPart {
  Severity kind; // SEV_NOTE, SEV_HELP; SEV_ERROR marks a secondary label of the main snippet
  Span span;     // may be empty for notes and help
  const char *text;
  bool label; // of a note: stands in the snippet of the note with a place before it
} DiagPart;
typedef struct Diag {
  Severity severity;
  int code;          // an ErrorCode; ERR_MISSING_DIM prints as E0204
  Span span;         // primary
  const char *label; // under the carets; may be NULL
  const char *text;
  VEC(DiagPart) parts;
  bool dropped; // another error says it better: not shown
} Diag;
typedef struct Diags {
  Arena *arena;
  VEC(Diag *) list;
  int errors, limit; // past `limit` errors (0: 100) the rest are dropped and counted
} Diags;
Diag *diag_error(Diags *d, int code, Span at, const char *fmt, ...) PRINTF_LIKE(4, 5);
Diag *diag_warning(Diags *d, int code, Span at, const char *fmt, ...) PRINTF_LIKE(4, 5);
// Each returns `g` so that calls chain; g may be NULL (then nothing happens).
// The label of the primary span:
Diag *diag_primary(Diags *d, Diag *g, const char *fmt, ...) PRINTF_LIKE(3, 4);
// A secondary span with its label:
Diag *diag_label(Diags *d, Diag *g, Span at, const char *fmt, ...) PRINTF_LIKE(4, 5);
// A sentence below the snippet, with a snippet of its own when it has a place:
Diag *diag_note(Diags *d, Diag *g, Span at, const char *fmt, ...) PRINTF_LIKE(4, 5);
// Behind a note: a label in its snippet:
Diag *diag_note_label(Diags *d, Diag *g, Span at, const char *fmt, ...) PRINTF_LIKE(4, 5);
// What to do about it:
Diag *diag_help(Diags *d, Diag *g, const char *fmt, ...) PRINTF_LIKE(3, 4);
// Instead of the help that it has, by who knows more:
Diag *diag_help_instead(Diags *d, Diag *g, const char *fmt, ...) PRINTF_LIKE(3, 4);
// Takes an error back, which another one about the same text says better; NULL: nothing.
void diag_drop(Diags *d, Diag *g);
typedef enum DiagFormat { DIAG_TEXT, DIAG_JSON } DiagFormat;
// Sorted by place; one line of JSON per diagnostic in DIAG_JSON.
void diags_print(FILE *f, const Diags *d, DiagFormat format, bool color);
char *diags_string(Arena *a, const Diags *d, DiagFormat format, bool color);
// The long text of --explain, with an example; NULL for an unknown code.
const char *diag_explain(Arena *a, int code);
typedef struct DiagExample {
  int code;
  bool session;               // lines of a shell behind `$ `, else a model
  const char *wrong, *mended; // lines, each with its end
} DiagExample;
const DiagExample *diag_example(int code); // NULL for an unknown code
#endif
