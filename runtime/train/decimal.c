// See decimal.h.
#include "runtime/train/decimal.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_CHARACTERS = 255 };

static size_t skip_digits(const char *s, size_t i) {
  while (s[i] >= '0' && s[i] <= '9')
    i++;
  return i;
}

static size_t skip_sign(const char *s, size_t i) {
  return i + (s[i] == '+' || s[i] == '-');
}

static bool is_decimal(const char *s) {
  size_t from = skip_sign(s, 0), point = skip_digits(s, from);
  size_t after = point + (s[point] == '.'), end = skip_digits(s, after);
  if (point == from && end == after)
    return false;
  if (s[end] != 'e' && s[end] != 'E')
    return !s[end];
  from = skip_sign(s, end + 1);
  end = skip_digits(s, from);
  return end > from && !s[end];
}

bool decimal_read(const char *s, size_t n, double *out) {
  char text[MOST_CHARACTERS + 1] = "";
  if (n > MOST_CHARACTERS || memchr(s, 0, n))
    return false;
  memcpy(text, s, n);
  if (!is_decimal(text))
    return false;
  *out = strtod(text, NULL);
  return true;
}
