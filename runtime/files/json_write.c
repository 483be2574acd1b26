// Writing JSON: see json.h.
#include "runtime/files/json.h"
#include "base/alloc.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(JsonText *t, const char *s, size_t n) {
  if (t->failed)
    return;
  if (t->cap - t->n <= n) {
    size_t cap = (t->n + n) * 2 + 64;
    char *grown = REALLOC_N(char, t->s, cap);
    if (!grown) {
      t->failed = true;
      return;
    }
    t->s = grown;
    t->cap = cap;
  }
  memcpy(t->s + t->n, s, n);
  t->s[t->n += n] = 0;
}

void json_raw(JsonText *t, const char *text) {
  add(t, text, strlen(text));
}

void json_put_string(JsonText *t, const char *s, size_t n) {
  add(t, "\"", 1);
  size_t from = 0;
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)s[i];
    if (c >= 0x20 && c != '"' && c != '\\')
      continue;
    static const char plain[] = "\"\\\n\r\t", letter[] = "\"\\nrt";
    const char *at = c ? strchr(plain, c) : NULL;
    char text[8];
    if (at)
      snprintf(text, sizeof text, "\\%c", letter[at - plain]);
    else
      snprintf(text, sizeof text, "\\u%04x", c);
    add(t, s + from, i - from);
    json_raw(t, text);
    from = i + 1;
  }
  add(t, s + from, n - from);
  add(t, "\"", 1);
}

// printf writes the locale's decimal point, of one byte or several: whatever is no part of a number
// in the C locale becomes one '.'.
static void plain_point(char *s) {
  char *to = s;
  for (; *s; s++) {
    if (strchr("0123456789+-e", *s))
      *to++ = *s;
    else if (to[-1] != '.')
      *to++ = '.';
  }
  *to = 0;
}

void json_double_text(double x, char *text, size_t size) {
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, size, "%.*g", digits, x);
    if (strtod(text, NULL) == x)
      break;
  }
  plain_point(text);
}

void json_put_double(JsonText *t, double x) {
  char text[64];
  if (x - x == 0)
    json_double_text(x, text, sizeof text);
  json_raw(t, x - x == 0 ? text : "null");
}

void json_put_int(JsonText *t, int64_t x) {
  char text[32];
  snprintf(text, sizeof text, "%" PRId64, x);
  json_raw(t, text);
}
