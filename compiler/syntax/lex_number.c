// Number literals: digits {"_" digits} ["." digits] [("e" | "E") ["+" | "-"] digits] ["%" | "i"],
// and no letter after.
#include "compiler/syntax/lex.h"
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
  NUMBER_MAX = 400,
  EXPONENT_MAX = 100000
}; // characters; what an exponent is cut to (overflows all the same)

// A number while it is read.  The decimal value is mantissa * 10^(zeros + exponent); trailing zeros
// are held back in `zeros`, so that 1.500 and 1e18 stay small.
typedef struct Reader {
  const char *s;
  uint32_t at, size;
  bool exact;
  int64_t mantissa;
  int zeros, exponent;
  char plain[NUMBER_MAX + 32]; // the same without `_`, for strtod
  uint32_t n;
} Reader;

static char now(const Reader *r) {
  return r->at < r->size ? r->s[r->at] : '\0';
}

static char after(const Reader *r) {
  return r->at + 1 < r->size ? r->s[r->at + 1] : '\0';
}

static bool digit(char c) {
  return c >= '0' && c <= '9';
}

static bool word(char c) {
  return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static void take(Reader *r) {
  if (r->n < NUMBER_MAX)
    r->plain[r->n++] = now(r);
  r->at++;
}

static void add_digit(Reader *r, int d) {
  if (!d) {
    r->zeros += r->mantissa != 0;
    return;
  }
  for (; r->zeros >= 0 && r->exact; r->zeros--)
    r->exact = !__builtin_mul_overflow(r->mantissa, (int64_t)10, &r->mantissa);
  r->exact = r->exact && !__builtin_add_overflow(r->mantissa, (int64_t)d, &r->mantissa);
  r->zeros = 0;
}

// digits = DIGIT {["_"] DIGIT}
static void digits(Reader *r, bool fraction) {
  while (digit(now(r)) || (now(r) == '_' && digit(after(r)) && r->n)) {
    if (now(r) == '_') {
      r->at++;
      continue;
    }
    add_digit(r, now(r) - '0');
    r->exponent -= fraction;
    take(r);
  }
}

// Returns whether there was an exponent.
static bool exponent(Reader *r) {
  uint32_t sign = r->at + 1 < r->size && (r->s[r->at + 1] == '+' || r->s[r->at + 1] == '-');
  if ((now(r) != 'e' && now(r) != 'E') || r->at + 1 + sign >= r->size ||
      !digit(r->s[r->at + 1 + sign]))
    return false;
  bool negative = sign && r->s[r->at + 1] == '-';
  int e = 0;
  for (r->at += 1 + sign; digit(now(r)); r->at++)
    e = e < EXPONENT_MAX ? e * 10 + (now(r) - '0') : e;
  r->exponent += negative ? -e : e;
  return true;
}

// Correctly rounded mantissa * 10^exponent: both factors exact for short numbers, else the C
// library's conversion.
static double to_double(Reader *r, int scale) {
  static const double ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                               1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                               1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  int e = r->zeros + r->exponent;
  if (r->exact && r->mantissa <= (int64_t)1 << 53 && abs(e) < COUNT(ten))
    return e < 0 ? (double)r->mantissa / ten[-e] : (double)r->mantissa * ten[e];
  char *p = r->plain + r->n;
  *p++ = 'e';
  *p++ = scale < 0 ? '-' : '+';
  char reversed[16];
  int k = 0;
  for (int v = abs(scale); v || !k; v /= 10)
    reversed[k++] = (char)('0' + v % 10);
  while (k)
    *p++ = reversed[--k];
  *p = '\0';
  locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0); // the point is a point in every locale
  double x = c ? strtod_l(r->plain, NULL, c) : strtod(r->plain, NULL);
  if (c)
    freelocale(c);
  return x;
}

static bool fill(Reader *r, Num *num) {
  if (!r->mantissa)
    r->exponent = r->zeros = 0;
  num->exact = r->exact;
  num->mantissa = r->exact ? r->mantissa : 0;
  num->exponent = r->exact ? r->zeros + r->exponent : 0;
  if (num->kind != NUM_WHOLE)
    return true;
  for (num->whole = r->mantissa; r->zeros > 0 && r->exact; r->zeros--)
    r->exact = !__builtin_mul_overflow(num->whole, (int64_t)10, &num->whole);
  num->mantissa = num->whole;
  num->exponent = 0;
  return r->exact;
}

// At the sign of `1e+`.
static bool unfinished_exponent(const Reader *r) {
  char before = r->s[r->at - 1];
  return (before == 'e' || before == 'E') && (now(r) == '+' || now(r) == '-');
}

// What follows a number and must not: takes it in and says what is wrong.
static NumberFault tail(Reader *r) {
  NumberFault fault = {0};
  if (now(r) == '.' && after(r) != '.') {
    fault = (NumberFault){ERR_BAD_NUMBER, "digits stand on both sides of a point"};
    r->at++;
  } else if (now(r) == '_') {
    fault = (NumberFault){ERR_BAD_NUMBER, "digits stand on both sides of `_`"};
  } else if (word(now(r))) {
    fault = (NumberFault){ERR_BAD_NUMBER, "no letter follows a number"};
  } else if (r->at > NUMBER_MAX) {
    fault = (NumberFault){ERR_BAD_NUMBER, "it is too long"};
  }
  while (fault.code &&
         (word(now(r)) || (now(r) == '.' && digit(after(r))) || unfinished_exponent(r)))
    r->at++;
  return fault;
}

uint32_t lex_number(const char *text, uint32_t size, Num *num, NumberFault *fault) {
  Reader r = {.s = text, .size = size, .exact = true};
  *num = (Num){0};
  *fault = (NumberFault){0};
  if (!digit(now(&r)))
    return 0;
  digits(&r, false);
  bool real = false;
  if (now(&r) == '.' && digit(after(&r))) {
    real = true;
    take(&r);
    digits(&r, true);
  }
  int fraction = r.exponent;
  real = exponent(&r) || real;
  num->kind = real ? NUM_REAL : NUM_WHOLE;
  if (now(&r) == '%') {
    num->kind = NUM_REAL;
    r.exponent -= 2;
    r.at++;
  } else if (now(&r) == 'i' && !word(after(&r))) {
    num->kind = NUM_IMAG;
    r.at++;
  }
  *fault = tail(&r);
  if (fault->code)
    return r.at;
  int scale = r.exponent - fraction;
  bool zero = !r.mantissa && r.exact;
  if (!fill(&r, num)) {
    *fault = (NumberFault){ERR_NUMBER_RANGE, "a whole number goes up to 9223372036854775807"};
    return r.at;
  }
  r.exact = num->exact;
  num->value = zero ? 0 : num->kind == NUM_WHOLE ? (double)num->whole : to_double(&r, scale);
  if (!isfinite(num->value) || (num->value == 0 && !zero))
    *fault = (NumberFault){ERR_NUMBER_RANGE, "it is beyond double precision"};
  return r.at;
}
