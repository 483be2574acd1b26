// The words of the language for those who write it: files for editors, and the page of functions, printed from the tables.
#ifndef BIGSC_WORDS_H
#define BIGSC_WORDS_H

// form: "vim" and "vscode" (a TextMate grammar) colour a model's text, "markdown" is docs/functions.md.  To standard output; an
// exit status.
int words_print(const char *form);
#endif
