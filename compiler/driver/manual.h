// The manual page and the shells' completions, printed from the tables of the command line.
#ifndef BIGSC_MANUAL_H
#define BIGSC_MANUAL_H

// form: "manual" (troff, section 1), "bash" or "zsh".  To standard output; an exit status.
int manual_print(const char *form);
#endif
