// See unpack.h.  zlib's own reader of files takes what stands behind a stream for nothing.
#include "runtime/train/unpack.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { INPUT = 1 << 17, GZIP_ONLY = 15 + 16 };

struct Unpack {
  z_stream z; // next_in, avail_in: what was read of the file and not yet taken
  int fd;
  const char *path;
  bool begun, packed, end; // end: of the file
  bool between, done;      // behind a stream; behind the last one
  int64_t taken;           // bytes of the file that were read
  unsigned char input[INPUT];
};

Unpack *unpack_open(int fd, const char *path, BigsError *e) {
  Unpack *u = malloc(sizeof *u);
  if (!u) {
    close(fd);
    bigs_fail_memory(e, path);
    return NULL;
  }
  memset(u, 0, offsetof(Unpack, input));
  u->fd = fd;
  u->path = path;
  u->z.next_in = u->input;
  return u;
}

void unpack_close(Unpack *u) {
  if (!u)
    return;
  if (u->packed)
    inflateEnd(&u->z);
  close(u->fd);
  free(u);
}

bool unpack_is_packed(const Unpack *u) {
  return u->packed;
}

int64_t unpack_offset(const Unpack *u) {
  return u->taken - (int64_t)u->z.avail_in;
}

// Reads until n bytes wait, or the file ends.
static int await(Unpack *u, unsigned n, BigsError *e) {
  while (u->z.avail_in < n && !u->end) {
    memmove(u->input, u->z.next_in, u->z.avail_in);
    u->z.next_in = u->input;
    ssize_t got = read(u->fd, u->input + u->z.avail_in, INPUT - u->z.avail_in);
    if (got < 0 && errno != EINTR)
      return bigs_fail_errno(e, "read", u->path);
    u->end = got == 0;
    u->taken += got > 0 ? got : 0;
    u->z.avail_in += got > 0 ? (unsigned)got : 0;
  }
  return 0;
}

static bool at_stream(const Unpack *u) {
  return u->z.avail_in > 1 && u->z.next_in[0] == 0x1F && u->z.next_in[1] == 0x8B;
}

static int begin(Unpack *u, BigsError *e) {
  int err = await(u, 2, e);
  if (err || !at_stream(u)) {
    u->begun = !err;
    return err;
  }
  u->begun = u->packed = inflateInit2(&u->z, GZIP_ONLY) == Z_OK;
  return u->packed ? 0 : bigs_fail_memory(e, u->path);
}

static int damaged(const Unpack *u, const char *what, BigsError *e) {
  return bigs_fail(e, BIGS_EFILE, "%s: damaged gzip file: %s", u->path, what);
}

// Behind a stream: to the next one, or over zeros to the end.
static int next_stream(Unpack *u, BigsError *e) {
  int err = await(u, 2, e);
  if (err)
    return err;
  u->between = false;
  if (at_stream(u))
    return inflateReset(&u->z) == Z_OK ? 0 : damaged(u, "it cannot be read on", e);
  u->done = true;
  for (; !(err = await(u, 1, e)) && u->z.avail_in; u->z.next_in++, u->z.avail_in--)
    if (*u->z.next_in)
      return damaged(u, "what stands behind its end is not gzip's", e);
  return err;
}

static int inflate_some(Unpack *u, BigsError *e) {
  int err = await(u, 1, e);
  if (err)
    return err;
  int code = inflate(&u->z, Z_NO_FLUSH);
  u->between = code == Z_STREAM_END;
  if (code == Z_OK || code == Z_STREAM_END)
    return 0;
  if (code == Z_MEM_ERROR)
    return bigs_fail_memory(e, u->path);
  return code == Z_BUF_ERROR ? bigs_fail(e, BIGS_EFILE, "%s: the gzip file ends too early", u->path)
                             : damaged(u, u->z.msg ? u->z.msg : "its data is wrong", e);
}

static ssize_t read_plain(Unpack *u, char *to, size_t n, BigsError *e) {
  if (await(u, 1, e))
    return -1;
  size_t take = u->z.avail_in < n ? u->z.avail_in : n;
  memcpy(to, u->z.next_in, take);
  u->z.next_in += take;
  u->z.avail_in -= (unsigned)take;
  return (ssize_t)take;
}

ssize_t unpack_read(Unpack *u, char *to, size_t n, BigsError *e) {
  if (!u->begun && begin(u, e))
    return -1;
  if (!u->packed)
    return read_plain(u, to, n, e);
  unsigned room = n < INT_MAX ? (unsigned)n : INT_MAX;
  u->z.next_out = (unsigned char *)to;
  u->z.avail_out = room;
  while (u->z.avail_out == room && room && !u->done)
    if (u->between ? next_stream(u, e) : inflate_some(u, e))
      return -1;
  return (ssize_t)(room - u->z.avail_out);
}
