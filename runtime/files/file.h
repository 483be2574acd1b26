// Reading whole files, and replacing files so that a reader sees the old or the new content, never
// half of one.
#ifndef BIGSC_RUNTIME_FILE_H
#define BIGSC_RUNTIME_FILE_H
#include "base/error.h"
#include "base/utf8.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FILE_MAX_IO = 1 << 30 }; // bytes that one read(2) or write(2) may be asked for

// As open(2), closed on exec and with mode 0666, but never descriptor 0, 1 or 2: where the host
// closed those, what it prints must not land in a file of ours.  -1 with errno.
int file_open(const char *path, int flags);

// Of a repository that was cloned without its large files: what stands in the place of one begins with these bytes, which no file
// of weights or tokens does.
#define FILE_LFS "version https://git-lfs.github.com/spec/"
int file_fail_lfs(const char *path, BigsError *e); // says so

// The whole file in malloc'd memory with a NUL added behind its *size bytes; the caller frees it.
// Files over `limit` bytes are refused, and those that begin with FILE_LFS.  NULL on failure, status BIGS_EFILE.
char *file_read(const char *path, size_t limit, size_t *size, BigsError *e);

// A file being written without a name, or under a temporary one, in the same directory.  The first
// failure sticks: later calls return it again, the temporary is removed and what stood at `path`
// stays.  A link stays, too: what it leads to is replaced.  A path that names a device, a pipe or an
// open descriptor ("/dev/stdout") is written in place instead.
typedef struct FileOut FileOut;
FileOut *file_create(const char *path, BigsError *e);
int file_write(FileOut *f, const void *data, size_t size, BigsError *e);
// Writes what is buffered, syncs, renames onto the path and syncs the directory.  Frees f, also
// when it fails.
int file_commit(FileOut *f, BigsError *e);
// Removes the temporary and frees f; NULL is allowed.
void file_abort(FileOut *f);
// A whole file at once, by the three.
int file_put(const char *path, const void *data, size_t size, BigsError *e);
void file_touch(
    const char *path); // it was written now, as its time says; nothing, where that cannot be
// Makes the names in the folder of `path` last: without it a rename may be lost when the power fails.
// -1 with errno.  A filesystem that cannot sync a folder says EINVAL, and has nothing to be synced.
int file_sync_folder(const char *path);

// What a writer of `path` replaces: the path behind all links, malloc'd, or with *in_place what is only written to.  NULL on
// failure.
char *file_target(const char *path, bool *in_place, BigsError *e);

// dir + "/" + name, malloc'd; NULL when out of memory (reported).
char *file_join(const char *dir, const char *name, BigsError *e);
// The folder of a file, malloc'd: "." or a prefix of its path that ends in '/'.  NULL when out of memory (reported).
char *file_folder(const char *path, BigsError *e);
// Makes the folder where it is missing, and those that it lies in.
int file_make_folders(const char *dir, BigsError *e);
bool file_is_folder(const char *path); // or a link to one
// Is path, which need not be there yet, the folder dir, or in it?
bool file_lies_in(const char *path, const char *dir);
bool file_has_suffix(const char *path, const char *suffix); // ".so"
// 3 where a text begins with a byte order mark, which some editors write, else 0.
size_t bom_length(const char *s, size_t n);
#endif
