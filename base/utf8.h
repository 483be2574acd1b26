// Characters of UTF-8 text (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF).
#ifndef BIGSC_UTF8_H
#define BIGSC_UTF8_H
#include <stddef.h>
#include <stdint.h>

// Bytes of the well-formed character at s, which has n bytes; 0 where there is none.
size_t utf8_char(const char *s, size_t n);
// The same, and the character.
size_t utf8_read(const char *s, size_t n, int32_t *c);
// Length of the longest prefix of s[0, n) that is well-formed; n when all of it is.
size_t utf8_valid(const char *s, size_t n);
// Writes c, at most 4 bytes: how many.
size_t utf8_put(char *out, int32_t c);

// The next character of text that is known to be well-formed.
static inline int32_t utf8_next(const char **at) {
  const unsigned char *p = (const unsigned char *)*at;
  int32_t c = p[0];
  int more = c < 0x80 ? 0 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
  *at += more + 1;
  if (more)
    c &= 0x3F >> more;
  for (int i = 1; i <= more; i++)
    c = c << 6 | (p[i] & 0x3F);
  return c;
}
#endif
