// Places: bytes of a text, and lines and units of UTF-16; paths and URIs.
#include "compiler/editor/lsp_internal.h"
#include "base/utf8.h"
#include <string.h>

// Bytes of the end of line that stands here; 0: none.
static size_t end_of_line(const char *s, size_t n) {
  if (!n || (s[0] != '\n' && s[0] != '\r'))
    return 0;
  return s[0] == '\r' && n > 1 && s[1] == '\n' ? 2 : 1;
}

// Bytes of the character that stands here, and its units; what is not UTF-8 counts a byte at a time.
static size_t character(const char *s, size_t n, int *units) {
  size_t k = utf8_char(s, n);
  *units = k == 4 ? 2 : 1;
  return k ? k : 1;
}

size_t lsp_offset(const char *text, size_t size, int64_t line, int64_t unit) {
  size_t at = 0;
  for (; line > 0 && at < size; line--) {
    while (at < size && !end_of_line(text + at, size - at))
      at++;
    at += end_of_line(text + at, size - at);
  }
  for (int units; line <= 0 && at < size && !end_of_line(text + at, size - at); unit -= units) {
    size_t k = character(text + at, size - at, &units);
    if (unit < units)
      break;
    at += k;
  }
  return at;
}

static void put_position(JsonText *t, const Source *src, size_t want) {
  int64_t line = 0, unit = 0;
  int units;
  want = want > src->size ? src->size : want;
  for (size_t at = 0; at < want;) {
    size_t end = end_of_line(src->text + at, src->size - at);
    if (end && at + end > want) // between \r and \n
      break;
    line += end > 0;
    unit = end ? 0 : unit;
    at += end ? end : character(src->text + at, src->size - at, &units);
    unit += end ? 0 : units;
  }
  lsp_put(t, "{\"line\":%lld,\"character\":%lld}", (long long)line, (long long)unit);
}

void lsp_put_range(JsonText *t, const Source *src, uint32_t lo, uint32_t hi) {
  json_raw(t, "{\"start\":");
  put_position(t, src, lo);
  json_raw(t, ",\"end\":");
  put_position(t, src, hi);
  json_raw(t, "}");
}

static int hex(char c) {
  static const char digits[] = "0123456789abcdef";
  const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 'a' - 'A' : c) : NULL;
  return at ? (int)(at - digits) : -1;
}

char *lsp_path(Arena *a, const char *uri) {
  bool file = !strncmp(uri, "file://", 7);
  char *path = arena_strdup(a, file ? uri + 7 : uri), *to = path;
  for (const char *s = path; *s; s++) {
    bool coded = file && *s == '%' && hex(s[1]) >= 0 && hex(s[2]) >= 0;
    *to++ = coded ? (char)(hex(s[1]) * 16 + hex(s[2])) : *s;
    s += coded ? 2 : 0;
  }
  *to = '\0';
  return path;
}

void lsp_put_uri(JsonText *t, const char *path) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-_.~";
  json_raw(t, path[0] == '/' ? "\"file://" : "\"");
  for (; *path; path++)
    lsp_put(t, strchr(plain, *path) || *path == ':' ? "%c" : "%%%02X", (unsigned char)*path);
  json_raw(t, "\"");
}
