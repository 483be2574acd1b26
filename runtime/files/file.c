// Whole files and their atomic replacement: see file.h.
#include "runtime/files/file.h"
#include "base/alloc.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROC_FD "/proc/self/fd/%d"
enum { BUFFER = 1 << 18 };

struct FileOut {
  int fd;
  bool in_place;
  char *path, *temporary; // path: what is replaced, behind all links
  size_t used;
  BigsError failed; // the first failure
  char buffer[BUFFER];
};

int file_open(const char *path, int flags) {
  int fd = open(path, flags | O_CLOEXEC, 0666);
  if (fd < 0 || fd > STDERR_FILENO)
    return fd;
  int high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), why = errno;
  close(fd);
  errno = why;
  return high;
}

static char *read_open(int fd, const char *path, size_t limit, size_t *size, BigsError *e) {
  struct stat st;
  if (fstat(fd, &st) != 0) {
    bigs_fail_errno(e, "read", path);
    return NULL;
  }
  size_t cap = st.st_size > 0 ? (size_t)st.st_size + 1 : 4096, n = 0;
  char *text = NULL;
  for (;;) {
    if (cap - 1 > limit)
      cap = limit + 2; // one byte more than allowed tells whether the file is too long
    char *grown = REALLOC_N(char, text, cap);
    if (!grown) {
      free(text);
      bigs_fail_memory(e, path);
      return NULL;
    }
    text = grown;
    ssize_t got = read(fd, text + n, cap - 1 - n > FILE_MAX_IO ? FILE_MAX_IO : cap - 1 - n);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0 || (n += (size_t)got) > limit) {
      if (got < 0)
        bigs_fail_errno(e, "read", path);
      else
        bigs_fail(e, BIGS_EFILE, "%s: larger than the %zu bytes allowed here", path, limit);
      free(text);
      return NULL;
    }
    if (got == 0) {
      text[ *size = n] = 0;
      return text;
    }
    if (n + 1 == cap)
      cap = cap * 2;
  }
}

int file_fail_lfs(const char *path, BigsError *e) {
  return bigs_fail(
      e, BIGS_EFILE,
      "%s: stands for a file that git-lfs keeps, which was not fetched: `git lfs pull` "
      "brings it",
      path);
}

static char *refuse_lfs(char *text, const char *path, BigsError *e) {
  if (!text || strncmp(text, FILE_LFS, sizeof FILE_LFS - 1) != 0)
    return text;
  file_fail_lfs(path, e);
  free(text);
  return NULL;
}

char *file_read(const char *path, size_t limit, size_t *size, BigsError *e) {
  int fd = file_open(path, O_RDONLY);
  if (fd < 0) {
    bigs_fail_errno(e, "open", path);
    return NULL;
  }
  char *text = read_open(fd, path, limit, size, e);
  close(fd);
  return refuse_lfs(text, path, e);
}

static int fail(FileOut *f, const char *doing, BigsError *e) {
  if (!f->failed.status)
    bigs_fail_errno(&f->failed, doing, f->path);
  if (e)
    *e = f->failed;
  return f->failed.status;
}

char *file_folder(const char *path, BigsError *e) {
  const char *slash = strrchr(path, '/');
  char *folder = strndup(slash ? path : ".", slash ? (size_t)(slash - path) + 1 : 1);
  if (!folder)
    bigs_fail_memory(e, path);
  return folder;
}

// A file without a name, which vanishes with the process however that ends; it gets one when it is
// whole.  Not every filesystem has them.
static int open_unnamed(FileOut *f) {
  char link[32], *dir = file_folder(f->path, NULL);
  f->fd = dir ? file_open(dir, O_WRONLY | O_TMPFILE) : -1;
  free(dir);
  snprintf(link, sizeof link, PROC_FD, f->fd);
  if (f->fd >= 0 && access(link, F_OK) != 0) {
    close(f->fd);
    f->fd = -1;
  }
  return f->fd;
}

// Calls make(f) with f->temporary set to free names until one is taken.
static int with_temporary(FileOut *f, int (*make)(FileOut *)) {
  size_t room = strlen(f->path) + 48;
  if (!f->temporary && !(f->temporary = MALLOC_N(char, room)))
    return -1;
  int made = -1;
  for (int i = 0; i < 1000; i++) {
    snprintf(f->temporary, room, "%s.%ld-%d.tmp", f->path, (long)getpid(), i);
    made = make(f);
    if (made >= 0 || errno != EEXIST)
      break;
  }
  if (made < 0) { // nothing to unlink
    free(f->temporary);
    f->temporary = NULL;
  }
  return made;
}

static int create_named(FileOut *f) {
  return f->fd = file_open(f->temporary, O_WRONLY | O_CREAT | O_EXCL);
}

static int name_unnamed(FileOut *f) {
  char link[32];
  snprintf(link, sizeof link, PROC_FD, f->fd);
  return linkat(AT_FDCWD, link, AT_FDCWD, f->temporary, AT_SYMLINK_FOLLOW);
}

// The file keeps the mode of the one it replaces; a new one gets what the umask leaves of 0666.
static void open_temporary(FileOut *f, const struct stat *old) {
  if (open_unnamed(f) < 0 && with_temporary(f, create_named) < 0)
    return;
  if (old && fchmod(f->fd, old->st_mode & 07777) != 0 && errno != EPERM) {
    int why = errno;
    close(f->fd);
    f->fd = -1;
    errno = why;
  }
}

// ---- what a path stands for
enum { MAX_LINKS = 40 }; // as Linux follows

static bool names_descriptor(const char *path) {
  static const char *const names[] = {"/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/self/fd/"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!strncmp(path, names[i], strlen(names[i])))
      return true;
  return false;
}

// What links of /proc lead to need not be what their text says: they name open files.
static bool is_of_proc(const struct stat *st) {
  struct stat proc;
  return lstat("/proc/self", &proc) == 0 && proc.st_dev == st->st_dev;
}

// What the link says, from where it stands.  NULL with errno.
static char *read_link(const char *path) {
  char text[4096];
  ssize_t n = readlink(path, text, sizeof text);
  const char *slash = strrchr(path, '/');
  size_t dir = slash && n > 0 && text[0] != '/' ? (size_t)(slash + 1 - path) : 0;
  errno = n == sizeof text ? ENAMETOOLONG : errno;
  char *to = n > 0 && n < (ssize_t)sizeof text ? MALLOC_N(char, dir + (size_t)n + 1) : NULL;
  if (!to)
    return NULL;
  memcpy(to, path, dir);
  memcpy(to + dir, text, (size_t)n);
  to[dir + (size_t)n] = 0;
  return to;
}

// *path, malloc'd, becomes what stands behind its links, or the name that a link without a target gives to it; *in_place is
// set where that is an open descriptor, which may be a regular file for once, or no regular file.  -1 with errno.
static int follow(char **path, bool *in_place) {
  struct stat st;
  for (int i = 0; i <= MAX_LINKS; i++) {
    bool exists = lstat(*path, &st) == 0, link = exists && S_ISLNK(st.st_mode);
    if (exists && S_ISDIR(st.st_mode))
      return errno = EISDIR, -1;
    *in_place =
        exists && (names_descriptor(*path) || (link ? is_of_proc(&st) : !S_ISREG(st.st_mode)));
    if (*in_place || !link)
      return 0;
    char *to = read_link(*path);
    if (!to)
      return -1;
    free(*path);
    *path = to;
  }
  return errno = ELOOP, -1;
}

char *file_target(const char *path, bool *in_place, BigsError *e) {
  char *to = strdup(path);
  if (!to) {
    bigs_fail_memory(e, path);
    return NULL;
  }
  if (follow(&to, in_place)) {
    bigs_fail_errno(e, "write", path);
    free(to);
    return NULL;
  }
  return to;
}

FileOut *file_create(const char *path, BigsError *e) {
  FileOut *f = ALLOC(FileOut);
  if (!f) {
    bigs_fail_memory(e, path);
    return NULL;
  }
  f->fd = -1;
  f->path = file_target(path, &f->in_place, e);
  if (!f->path) {
    free(f);
    return NULL;
  }
  struct stat st;
  if (f->in_place)
    f->fd = file_open(path, O_WRONLY | O_APPEND);
  else
    open_temporary(f, stat(f->path, &st) == 0 ? &st : NULL);
  if (f->fd >= 0)
    return f;
  fail(f, "write", e);
  file_abort(f);
  return NULL;
}

static int write_all(FileOut *f, const char *data, size_t size, BigsError *e) {
  while (size) {
    ssize_t n = write(f->fd, data, size > FILE_MAX_IO ? FILE_MAX_IO : size);
    if (n < 0 && errno == EINTR)
      continue;
    if (n == 0)
      errno = ENOSPC;
    if (n <= 0)
      return fail(f, "write", e);
    data += n;
    size -= (size_t)n;
  }
  return 0;
}

static int flush(FileOut *f, BigsError *e) {
  size_t n = f->used;
  f->used = 0;
  return write_all(f, f->buffer, n, e);
}

int file_write(FileOut *f, const void *data, size_t size, BigsError *e) {
  if (f->failed.status)
    return fail(f, "write", e);
  if (size > BUFFER - f->used) {
    int status = flush(f, e);
    if (status || size > BUFFER)
      return status ? status : write_all(f, (const char *)data, size, e);
  }
  if (size)
    memcpy(f->buffer + f->used, data, size);
  f->used += size;
  return 0;
}

// A folder that may not be opened is synced with all else.
int file_sync_folder(const char *path) {
  char *dir = file_folder(path, NULL);
  int fd = dir ? file_open(dir, O_RDONLY | O_DIRECTORY) : -1, status = 0;
  free(dir);
  if (fd < 0)
    return sync(), 0;
  if (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP)
    status = errno;
  close(fd);
  errno = status;
  return status ? -1 : 0;
}

static int finish(FileOut *f, BigsError *e) {
  if (f->failed.status)
    return fail(f, "write", e);
  if (flush(f, e))
    return f->failed.status;
  if (!f->in_place && fsync(f->fd) != 0)
    return fail(f, "sync", e);
  if (!f->in_place && !f->temporary && with_temporary(f, name_unnamed) < 0)
    return fail(f, "write", e);
  int fd = f->fd;
  f->fd = -1;
  if (close(fd) != 0)
    return fail(f, "close", e);
  if (f->in_place)
    return 0;
  if (rename(f->temporary, f->path) != 0)
    return fail(f, "replace", e);
  free(f->temporary);
  f->temporary = NULL;
  return file_sync_folder(f->path) ? fail(f, "sync the directory of", e) : 0;
}

int file_commit(FileOut *f, BigsError *e) {
  int status = finish(f, e);
  file_abort(f);
  return status;
}

void file_abort(FileOut *f) {
  if (!f)
    return;
  if (f->fd >= 0)
    close(f->fd);
  if (f->temporary)
    unlink(f->temporary);
  free(f->temporary);
  free(f->path);
  free(f);
}

int file_put(const char *path, const void *data, size_t size, BigsError *e) {
  FileOut *f = file_create(path, e);
  if (!f)
    return bigs_status(e, BIGS_EFILE);
  file_write(f, data, size, e); // a failure sticks
  return file_commit(f, e);
}

void file_touch(const char *path) {
  utimensat(AT_FDCWD, path, NULL, 0);
}

char *file_join(const char *dir, const char *name, BigsError *e) {
  size_t n = strlen(dir), m = strlen(name);
  char *s = MALLOC_N(char, n + m + 2);
  if (!s) {
    bigs_fail_memory(e, "a path");
    return NULL;
  }
  memcpy(s, dir, n);
  if (n && dir[n - 1] != '/')
    s[n++] = '/';
  memcpy(s + n, name, m + 1);
  return s;
}

bool file_is_folder(const char *path) {
  struct stat st;
  return !stat(path, &st) && S_ISDIR(st.st_mode);
}

// To the folder that the path lies in; it has room for ".".
static void up(char *path) {
  char *slash = strrchr(path, '/');
  if (!slash)
    strcpy(path, ".");
  else
    slash[slash == path] = 0;
}

// What of path is there, without links.
static char *there_of(const char *path) {
  char *p = MALLOC_N(char, strlen(path) + 2), *real = NULL;
  if (p)
    strcpy(p, path);
  while (p && !(real = realpath(p, NULL)) && strcmp(p, ".") && strcmp(p, "/"))
    up(p);
  free(p);
  return real;
}

bool file_lies_in(const char *path, const char *dir) {
  char *in = realpath(dir, NULL), *real = there_of(path);
  size_t n = in ? strlen(in) : 0;
  bool lies = in && real && !strncmp(real, in, n) && (!real[n] || real[n] == '/' || n == 1);
  free(in);
  free(real);
  return lies;
}

bool file_has_suffix(const char *path, const char *suffix) {
  size_t n = strlen(path), m = strlen(suffix);
  return n >= m && !strcmp(path + n - m, suffix);
}

size_t bom_length(const char *s, size_t n) {
  return n >= 3 && !memcmp(s, "\xEF\xBB\xBF", 3) ? 3 : 0;
}

int file_make_folders(const char *dir, BigsError *e) {
  char *path = file_join(dir, "", e);
  if (!path)
    return e->status;
  for (char *s = path + 1; *s; s++)
    if (*s == '/') {
      *s = 0;
      if (mkdir(path, 0777) && errno != EEXIST) {
        bigs_fail_errno(e, "make the folder", path);
        free(path);
        return e->status;
      }
      *s = '/';
    }
  free(path);
  return 0;
}
