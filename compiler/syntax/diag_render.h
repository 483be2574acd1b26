// One diagnostic as text with the user's lines and carets.  Private to diag.c and diag_render.c.
#ifndef BIGSC_DIAG_RENDER_H
#define BIGSC_DIAG_RENDER_H
#include "compiler/syntax/diag.h"

const char *severity_name(Severity s);
void diag_render(FILE *f, Arena *scratch, const Diag *g, bool color);
#endif
