// The bytes of a file that is plain or packed by gzip; its first two bytes tell which.
#ifndef BIGSC_RUNTIME_UNPACK_H
#define BIGSC_RUNTIME_UNPACK_H
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct Unpack Unpack;
// Takes fd, whose file messages call `path`, which has to outlive it.  NULL where memory is short: fd
// is closed then, too.
Unpack *unpack_open(int fd, const char *path, BigsError *e);
void unpack_close(Unpack *u); // NULL is allowed
// Up to n bytes; 0 at the end, -1 on failure, of status BIGS_EFILE or for want of memory.  Streams of
// gzip one behind the other are one; zeros may follow, as from tapes; anything else is a failure.
ssize_t unpack_read(Unpack *u, char *to, size_t n, BigsError *e);
bool unpack_is_packed(const Unpack *u); // known after the first read
int64_t unpack_offset(const Unpack *u); // bytes of the file, not of what it unpacks to, so far
#endif
