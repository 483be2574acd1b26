// Reading text for training: UTF-8 files, plain or gzip, documents separated by blank lines, in
// bounded memory.
#ifndef BIGSC_RUNTIME_TEXT_H
#define BIGSC_RUNTIME_TEXT_H
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

enum { TEXT_MAX_LINE = 1 << 20 };

// Called now and then with what is being done and the share done, 0 to 1.  A result other than 0
// cancels: the caller gets status BIGS_EINTERRUPT.
typedef int BigsProgress(void *ctx, const char *what, double share);

// Every path: a file, a directory (all its regular files and directories, hidden ones apart, in
// byte order of their names, depth first), "-" for standard input, or a pattern of the shell's like
// "corpus/*.txt", which stands for all that match, in byte order.  A path that is missing or
// unreadable fails here, not halfway through.  Status BIGS_EFILE.
typedef struct TextReader TextReader;
TextReader *text_open(const char *const *paths, int n, BigsError *e);
void text_close(TextReader *r);      // NULL is allowed
int text_count(const TextReader *r); // of files
const char *text_file(const TextReader *r, int i);

typedef struct TextLine {
  const char *s; // n bytes of valid UTF-8, without the end of line; NULL at the end of all files
  size_t n;
  bool new_document; // the first line of a document; a file starts one
  bool part;         // of a line over TEXT_MAX_LINE bytes
  const char *path;
  size_t line;   // number in its file, from 1; parts of one line share it
  size_t offset; // of s in its (uncompressed) file
} TextLine;
// The next line that is not blank (LF or CRLF).  Lines over TEXT_MAX_LINE bytes come in parts, cut
// at a space where there is one.  `s` lives until the next call.  Bad UTF-8 is an error of status
// BIGS_EMODEL with file and offset; damaged gzip files are of status BIGS_EFILE.
int text_next(TextReader *r, TextLine *out, BigsError *e);
// Share of all bytes read so far, 0 to 1.
double text_share(const TextReader *r);
#endif
