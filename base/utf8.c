// See utf8.h.
#include "base/utf8.h"
#include <string.h>

size_t utf8_char(const char *text, size_t n) {
  const unsigned char *s = (const unsigned char *)text;
  unsigned c = n ? s[0] : 0xFF;
  size_t len = c < 0x80 ? 1 : c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 0;
  if (len > n || len < 2)
    return len > n ? 0 : len;
  unsigned lo = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
  unsigned hi = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
  if (s[1] < lo || s[1] > hi)
    return 0;
  for (size_t i = 2; i < len; i++)
    if ((s[i] & 0xC0) != 0x80)
      return 0;
  return len;
}

size_t utf8_read(const char *s, size_t n, int32_t *c) {
  size_t len = utf8_char(s, n);
  if (len)
    *c = utf8_next(&s);
  return len;
}

size_t utf8_valid(const char *s, size_t n) {
  size_t i = 0;
  while (i < n) {
    uint64_t word;
    if (n - i >= 8 && (memcpy(&word, s + i, 8), !(word & 0x8080808080808080u))) {
      i += 8;
      continue;
    }
    size_t len = utf8_char(s + i, n - i);
    if (!len)
      return i;
    i += len;
  }
  return n;
}

size_t utf8_put(char *out, int32_t c) {
  static const unsigned char first[] = {0, 0, 0xC0, 0xE0, 0xF0};
  size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  for (size_t i = n; i-- > 1; c >>= 6)
    out[i] = (char)(0x80 | (c & 0x3F));
  out[0] = (char)(first[n == 1 ? 0 : n] | c);
  return n;
}
