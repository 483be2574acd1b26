// Messages: a header with Content-Length, an empty line, JSON.
#include "compiler/editor/lsp_internal.h"
#include "base/utf8.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEADER_ROOM = 1024, LARGEST = 64 << 20 };

// -1: the input ended, or a length that nobody would send.
static long content_length(FILE *in) {
  char line[HEADER_ROOM];
  long length = -1;
  while (fgets(line, sizeof line, in)) {
    if (line[strspn(line, "\r\n")] == '\0')
      return length <= LARGEST ? length : -1;
    if (!strncasecmp(line, "Content-Length:", 15))
      length = strtol(line + 15, NULL, 10);
  }
  return -1;
}

char *lsp_read(FILE *in, size_t *size) {
  long n = content_length(in);
  char *text = n < 0 ? NULL : malloc((size_t)n + 1);
  if (!text)
    return NULL;
  *size = fread(text, 1, (size_t)n, in);
  text[*size] = '\0';
  if (*size == (size_t)n)
    return text;
  free(text);
  return NULL;
}

void lsp_send(FILE *out, JsonText *message) {
  fprintf(out, "Content-Length: %zu\r\n\r\n", message->n);
  fwrite(message->s, 1, message->n, out);
  fflush(out);
  free(message->s);
  *message = (JsonText){0};
}

void lsp_put(JsonText *t, const char *fmt, ...) {
  va_list ap;
  char *text = NULL;
  va_start(ap, fmt);
  if (vasprintf(&text, fmt, ap) >= 0) {
    json_raw(t, text);
    free(text);
  }
  va_end(ap);
}

void lsp_put_text(JsonText *t, const char *s) {
  size_t n = strlen(s), good = utf8_valid(s, n);
  if (good == n) {
    json_put_string(t, s, n);
    return;
  }
  char *mended = malloc(3 * n + 1);
  size_t m = 0;
  for (size_t i = 0; mended && i < n;) {
    size_t k = utf8_char(s + i, n - i);
    memcpy(mended + m, k ? s + i : "\xef\xbf\xbd", k ? k : 3);
    m += k ? k : 3;
    i += k ? k : 1;
  }
  json_put_string(t, mended ? mended : "", m);
  free(mended);
}
