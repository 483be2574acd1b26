// Lines from a terminal: editing, history, completion, by libedit.
#ifndef BIGSC_REPL_LINE_H
#define BIGSC_REPL_LINE_H
#include "base/arena.h"
#include <signal.h>
#include <stdio.h>

typedef struct Editor Editor;
// line: what stands before the cursor.  What its last word, from *start on, may become: at most `max` into `out`, which stay
// valid until the next call; how many.
typedef int Complete(void *ctx, const char *line, size_t *start, const char **out, int max);
// *cancel: set by the handler of SIGINT, which must not restart reads.  The history comes from and
// goes to the file `history` (NULL: none is kept).  NULL when the terminal cannot be used.
Editor *editor_new(FILE *out, const volatile sig_atomic_t *cancel, Complete *names, void *ctx,
                   const char *history);
void editor_free(Editor *e); // saves the history
// The next line, with its newline, until the next call; NULL at the end of the input.  `more`: of
// an input that is not complete yet.  *interrupted: Ctrl-C, and the text is "".
const char *editor_line(Editor *e, bool more, bool *interrupted);
void editor_remember(Editor *e, const char *text); // a whole input, for the history
// The file of the history, its folder made; NULL when there is no place for it.  In the arena.
const char *editor_history_path(Arena *a);
#endif
