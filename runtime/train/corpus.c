// Reading text: see text.h.
#include "runtime/train/corpus.h"
#include "runtime/files/file.h"
#include "runtime/train/unpack.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = TEXT_MAX_LINE + 65536, MAX_DEPTH = 64 };

struct TextReader {
  char **path;
  int64_t *size; // bytes on disk
  int count, cap, at;
  int64_t total, before; // bytes of all files; of those already finished
  Unpack *file;          // file[at], or NULL
  size_t lo, hi, offset, line;
  bool end, blank, inside; // end of file[at]; a document ended; within a line that came in parts
  char buffer[BUFFER];
};

// ---- which files

static int add_file(TextReader *r, const char *path, int64_t size, BigsError *e) {
  if (r->count == r->cap) {
    int cap = r->cap * 2 + 16;
    char **paths = realloc(r->path, sizeof *paths * (size_t)cap);
    if (paths)
      r->path = paths;
    int64_t *sizes = paths ? realloc(r->size, sizeof *sizes * (size_t)cap) : NULL;
    if (!sizes)
      return bigs_fail_memory(e, path);
    r->size = sizes;
    r->cap = cap;
  }
  r->path[r->count] = strdup(path);
  if (!r->path[r->count])
    return bigs_fail_memory(e, path);
  r->size[r->count++] = size;
  r->total += size;
  return 0;
}

static int visible(const struct dirent *d) {
  return d->d_name[0] != '.';
}
static int by_bytes(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name); // alphasort would follow the locale
}

static int add_path(TextReader *r, const char *path, int depth, BigsError *e);

static int add_directory(TextReader *r, const char *path, int depth, BigsError *e) {
  struct dirent **entry;
  if (depth > MAX_DEPTH)
    return bigs_fail(e, BIGS_EFILE, "%s: directories nested deeper than %d", path, MAX_DEPTH);
  int n = scandir(path, &entry, visible, by_bytes), status = 0;
  if (n < 0)
    return bigs_fail_errno(e, "read the directory", path);
  for (int i = 0; i < n; i++) {
    char *child = status ? NULL : file_join(path, entry[i]->d_name, e);
    if (!status)
      status = child ? add_path(r, child, depth + 1, e) : BIGS_EMODEL;
    free(child);
    free(entry[i]);
  }
  free(entry);
  return status;
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_pattern(TextReader *r, const char *pattern, BigsError *e) {
  glob_t g = {0};
  int status = 0, failed = glob(pattern, GLOB_NOSORT, NULL, &g);
  if (failed == GLOB_NOSPACE)
    status = bigs_fail_memory(e, pattern);
  else if (failed)
    status = bigs_fail(e, BIGS_EFILE, "%s: no file of such a name", pattern);
  if (g.gl_pathc) // as for directories: the locale has no say
    qsort(g.gl_pathv, g.gl_pathc, sizeof *g.gl_pathv, by_name);
  for (size_t i = 0; i < g.gl_pathc && !status; i++)
    status = add_path(r, g.gl_pathv[i], 1, e);
  globfree(&g);
  return status;
}

static int add_path(TextReader *r, const char *path, int depth, BigsError *e) {
  struct stat st;
  if (!strcmp(path, "-") && depth == 0)
    return add_file(r, path, 0, e);
  if (stat(path, &st) != 0)
    return depth == 0 && errno == ENOENT && strpbrk(path, "*?[") ? add_pattern(r, path, e)
                                                                 : bigs_fail_errno(e, "open", path);
  if (S_ISDIR(st.st_mode))
    return add_directory(r, path, depth, e);
  if (depth && !S_ISREG(st.st_mode))
    return 0;
  return access(path, R_OK) == 0 ? add_file(r, path, st.st_size, e)
                                 : bigs_fail_errno(e, "open", path);
}

TextReader *text_open(const char *const *paths, int n, BigsError *e) {
  TextReader *r = malloc(sizeof *r);
  if (!r) {
    bigs_fail_memory(e, "reading text");
    return NULL;
  }
  memset(r, 0, offsetof(TextReader, buffer));
  int status = 0;
  for (int i = 0; i < n && !status; i++)
    status = add_path(r, paths[i], 0, e);
  if (!status && r->count == 0)
    status = bigs_fail(e, BIGS_EFILE, "%s: no text files", n ? paths[0] : "no path given");
  if (status) {
    text_close(r);
    return NULL;
  }
  return r;
}

void text_close(TextReader *r) {
  if (!r)
    return;
  unpack_close(r->file);
  for (int i = 0; i < r->count; i++)
    free(r->path[i]);
  free(r->path);
  free(r->size);
  free(r);
}

int text_count(const TextReader *r) {
  return r->count;
}

const char *text_file(const TextReader *r, int i) {
  return r->path[i];
}

double text_share(const TextReader *r) {
  int64_t done = r->before + (r->file ? unpack_offset(r->file) : 0);
  return r->at == r->count ? 1 : r->total > 0 ? (double)done / (double)r->total : 0;
}

// ---- one file's bytes

static int open_file(TextReader *r, BigsError *e) {
  const char *path = r->path[r->at];
  int fd = strcmp(path, "-") != 0 ? open(path, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);
  if (fd < 0)
    return bigs_fail_errno(e, "open", path);
  r->file = unpack_open(fd, path, e);
  if (!r->file)
    return bigs_status(e, BIGS_EMODEL);
  r->lo = r->hi = r->offset = r->line = 0;
  r->end = r->inside = false;
  r->blank = true;
  return 0;
}

// Moves what is left to the front and reads behind it.
static int refill(TextReader *r, BigsError *e) {
  memmove(r->buffer, r->buffer + r->lo, r->hi - r->lo);
  r->offset += r->lo;
  r->hi -= r->lo;
  r->lo = 0;
  ssize_t n = unpack_read(r->file, r->buffer + r->hi, BUFFER - r->hi, e);
  if (n < 0)
    return bigs_status(e, BIGS_EFILE);
  r->end = n == 0;
  const char *path = r->path[r->at];
  size_t len = strlen(path);
  if (r->offset == 0 && n > 0 && len > 3 && !strcmp(path + len - 3, ".gz") &&
      !unpack_is_packed(r->file))
    return bigs_fail(e, BIGS_EFILE, "%s: not a gzip file", path);
  r->hi += (size_t)n;
  return 0;
}

static void close_file(TextReader *r) {
  unpack_close(r->file);
  r->file = NULL;
  r->before += r->size[r->at++];
}

// ---- lines

// Where to cut a line that fills the buffer: behind the last space, else between two characters.
static size_t cut(const char *s, size_t n) {
  for (size_t i = n; i > n / 2; i--)
    if (s[i - 1] == ' ' || s[i - 1] == '\t')
      return i;
  while (n > 1 && ((unsigned char)s[n] & 0xC0) == 0x80)
    n--;
  return n;
}

static bool is_blank(const char *s, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (s[i] != ' ' && s[i] != '\t' && s[i] != '\r' && s[i] != '\f' && s[i] != '\v')
      return false;
  return true;
}

static int give(TextReader *r, size_t n, bool whole, TextLine *out, BigsError *e) {
  const char *s = r->buffer + r->lo;
  size_t at = r->offset + r->lo, valid = utf8_valid(s, n);
  if (valid < n)
    return bigs_fail(e, BIGS_EMODEL, "%s: byte %zu (line %zu): not UTF-8", r->path[r->at],
                     at + valid, r->line);
  size_t skip = at == 0 ? bom_length(s, n) : 0;
  s += skip;
  n -= skip;
  if (whole && n && s[n - 1] == '\r')
    n--;
  if (is_blank(s, n)) {
    r->blank |= whole && !r->inside;
    return 0;
  }
  *out = (TextLine){s, n, r->blank, !whole || r->inside, r->path[r->at], r->line, at + skip};
  r->blank = false;
  return 0;
}

// One line or part of a line of the open file, or its end.  out->s stays NULL for blank lines.
static int step(TextReader *r, TextLine *out, BigsError *e) {
  size_t have = r->hi - r->lo;
  char *s = r->buffer + r->lo, *eol = memchr(s, '\n', have);
  if (!eol && !r->end && have <= TEXT_MAX_LINE)
    return refill(r, e);
  if (!have) {
    close_file(r);
    return 0;
  }
  bool whole = eol || have <= TEXT_MAX_LINE;
  size_t n = eol ? (size_t)(eol - s) : have;
  if (n > TEXT_MAX_LINE) {
    n = cut(s, TEXT_MAX_LINE);
    whole = false;
  }
  r->line += !r->inside;
  int status = give(r, n, whole, out, e);
  r->inside = !whole;
  r->lo += n + (whole && eol);
  return status;
}

int text_next(TextReader *r, TextLine *out, BigsError *e) {
  int status = 0;
  out->s = NULL;
  while (!status && !out->s && r->at < r->count)
    status = r->file ? step(r, out, e) : open_file(r, e);
  return status;
}
