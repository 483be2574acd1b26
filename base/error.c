// Error texts: see error.h.
#include "base/error.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// Names that come from files may hold control characters (C0, DEL, C1 in UTF-8).
static void keep_one_line(char *s) {
  for (; *s; s++) {
    unsigned char c = (unsigned char)*s, next = (unsigned char)s[1];
    if (c < 0x20 || c == 0x7F)
      *s = '?';
    else if (c == 0xC2 && next >= 0x80 && next < 0xA0)
      s[0] = s[1] = '?';
  }
}

static void set_text(BigsError *e, const char *fmt, va_list ap) {
  int n = vsnprintf(e->text, sizeof e->text, fmt, ap);
  if (n >= (int)sizeof e->text)
    memcpy(e->text + sizeof e->text - 4, "...", 4);
  keep_one_line(e->text);
}

int bigs_fail(BigsError *e, int status, const char *fmt, ...) {
  if (!e)
    return status;
  va_list ap;
  va_start(ap, fmt);
  set_text(e, fmt, ap);
  va_end(ap);
  e->status = status;
  return status;
}

int bigs_fail_memory(BigsError *e, const char *what) {
  return bigs_fail(e, BIGS_EMODEL, "out of memory for %s", what);
}

int bigs_fail_errno(BigsError *e, const char *doing, const char *path) {
  char buf[128];
  int saved = errno;
  if (saved == ENOMEM)
    return bigs_fail_memory(e, path);
  return bigs_fail(e, BIGS_EFILE, "%s: cannot %s: %s", path, doing,
                   strerror_r(saved, buf, sizeof buf));
}

void bigs_error_prefix(BigsError *e, const char *fmt, ...) {
  if (!e)
    return;
  char old[sizeof e->text];
  memcpy(old, e->text, sizeof old);
  va_list ap;
  va_start(ap, fmt);
  set_text(e, fmt, ap);
  va_end(ap);
  size_t n = strlen(e->text);
  snprintf(e->text + n, sizeof e->text - n, ": %.*s", (int)sizeof old, old);
}

char *bigs_shape_text(const int64_t *shape, int rank, char *buf, size_t size) {
  size_t n = (size_t)snprintf(buf, size, "[");
  for (int a = 0; a < rank && n < size; a++)
    n += (size_t)snprintf(buf + n, size - n, "%s%" PRId64, a ? ", " : "", shape[a]);
  if (n < size)
    snprintf(buf + n, size - n, "]");
  return buf;
}

// What follows from the room of a GPU is seen in its hundredths of a GiB.
BigsNumber bigs_number(double x, int places) {
  BigsNumber n;
  snprintf(n.text, sizeof n.text, fabs(x) < 1e9 ? "%.*f" : "%.*g", fabs(x) < 1e9 ? places : 4,
           bigs_shown(x));
  return n;
}

BigsBytes bigs_bytes(double bytes) {
  static const struct {
    const char *name;
    int places;
  } unit[] = {{"bytes", 0}, {"KiB", 1}, {"MiB", 1}, {"GiB", 2}, {"TiB", 2}};
  const int last = (int)(sizeof unit / sizeof *unit) - 1;
  BigsBytes b;
  int k = 0;
  for (; bytes >= 1024 && k < last; k++)
    bytes /= 1024;
  snprintf(b.text, sizeof b.text, "%.*f %s", unit[k].places, bytes, unit[k].name);
  return b;
}
