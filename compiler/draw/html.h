// Pieces of an HTML page that needs nothing from elsewhere, and no script.
#ifndef BIGSC_HTML_H
#define BIGSC_HTML_H
#include "base/bug.h"
#include <stdio.h>

// The head, its style for screens and for paper, and the title.
void html_begin(FILE *f, const char *title);
void html_end(FILE *f);
// Ends with html_close(f, "section").
void html_section(FILE *f, const char *id, const char *heading);
void html_close(FILE *f, const char *tag);
void html_note(FILE *f, const char *fmt, ...) PRINTF_LIKE(2, 3); // a paragraph, escaped
// A table of names and values: rows between.
void html_pairs(FILE *f); // ends with html_close(f, "table")
void html_pair(FILE *f, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
void html_head(FILE *f, const char *const *name, int n); // of any table: its first row
void html_cell(FILE *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
#endif
