// The lexer: ends of lines, operators, numbers.
#include "tests/unit/suites.h"
#include "tests/unit/syntax_test.h"
#include <float.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- tokens
static char *kinds_of(const char *text) {
  const Tokens *t = lex(arena, names, &diags, source(text), false);
  char *s = "";
  for (int i = 0; i < t->list.n - 1; i++)
    s = arena_printf(arena, "%s%s%s", s, i ? " " : "",
                     t->list.v[i].kind == T_EOL ? "EOL"
                                                : arena_strndup(arena, text + t->list.v[i].lo,
                                                                t->list.v[i].hi - t->list.v[i].lo));
  return s;
}

START_TEST(ends_of_lines) {
  static const char *const table[][2] = {
      {"a\nb", "a EOL b EOL"},
      {"a +\nb", "a + b EOL"},
      {"a\n\n# c\n  \n|> b", "a |> b EOL"},
      {"a # c\nb", "a EOL b EOL"},
      {"(a\nb)\nc", "( a b ) EOL c EOL"},
      {"({a\nb})\n", "( { a EOL b } ) EOL"},
      {"{\na\n}\n", "{ a EOL } EOL"},
      {"a;;\n;b;", "a EOL b EOL"},
      {"true\n1\n\"s\"\n@t\nf32\n]", "true EOL 1 EOL \"s\" EOL @t EOL f32 EOL ] EOL"},
      {"a\r\nb\r\n", "a EOL b EOL"},
      {"\xef\xbb\xbf"
       "a",
       "a EOL"},
      {"\n\n  a", "a EOL"},
      {"", "EOL"},
      {"# c", "EOL"},
  };
  for (int i = 0; i < COUNT(table); i++)
    ck_assert_str_eq(kinds_of(table[i][0]), i == 12 || i == 13 ? "" : table[i][1]);
  ck_assert_int_eq(diags.errors, 1); // the `]` that closes nothing
}
END_TEST

START_TEST(operators_longest_first) {
  ck_assert_str_eq(kinds_of("<-> <- -> |> <= >= == != *= .. ... @[@a1]"),
                   "<-> < - -> |> <= >= == != *= .. ... @ [ @a1 ] EOL");
}
END_TEST

START_TEST(token_list) {
  ck_assert_str_eq(tokens_print(arena, lex(arena, names, &diags, source("x = f32(1)\n"), false)),
                   "1:1 NAME x\n1:3 SET =\n1:5 DTYPE f32\n1:8 LPAREN (\n1:9 NUM 1\n1:10 RPAREN "
                   ")\n1:11 EOL\n2:1 EOF\n");
}
END_TEST

// ---- numbers
static Num number(const char *text) {
  Num n;
  NumberFault fault;
  uint32_t size = lex_number(text, (uint32_t)strlen(text), &n, &fault);
  ck_assert_msg(size == strlen(text) && !fault.code, "%s", text);
  return n;
}

START_TEST(numbers) {
  static const struct {
    const char *text;
    NumKind kind;
    double value;
    int64_t mantissa;
    int exponent;
  } table[] = {
      {"0", NUM_WHOLE, 0, 0, 0},
      {"007", NUM_WHOLE, 7, 7, 0},
      {"1_000", NUM_WHOLE, 1000, 1000, 0},
      {"9223372036854775807", NUM_WHOLE, 9223372036854775807.0, INT64_MAX, 0},
      {"0.5", NUM_REAL, 0.5, 5, -1},
      {"1.500", NUM_REAL, 1.5, 15, -1},
      {"2.0", NUM_REAL, 2, 2, 0},
      {"1e-4", NUM_REAL, 1e-4, 1, -4},
      {"1e-12", NUM_REAL, 1e-12, 1, -12},
      {"2.5E+3", NUM_REAL, 2500, 25, 2},
      {"10%", NUM_REAL, 0.1, 1, -1},
      {"0.1%", NUM_REAL, 0.001, 1, -3},
      {"1i", NUM_IMAG, 1, 1, 0},
      {"2.5i", NUM_IMAG, 2.5, 25, -1},
      {"0.0", NUM_REAL, 0, 0, 0},
      {"0e9", NUM_REAL, 0, 0, 0},
      {"3.141592653589793", NUM_REAL, 3.141592653589793, 3141592653589793, -15},
      {"1.7976931348623157e308", NUM_REAL, DBL_MAX, 17976931348623157, 292},
      {"4.9406564584124654e-324", NUM_REAL, 4.9406564584124654e-324, 49406564584124654, -340},
      {"1_0.0_1", NUM_REAL, 10.01, 1001, -2},
      {"123456789012345678e-30", NUM_REAL, 123456789012345678e-30, 123456789012345678, -30},
  };
  for (int i = 0; i < COUNT(table); i++) {
    Num n = number(table[i].text);
    ck_assert_msg(n.kind == table[i].kind && n.value == table[i].value && n.exact &&
                      n.mantissa == table[i].mantissa && n.exponent == table[i].exponent,
                  "%s: %d %.17g %lld e %d", table[i].text, n.kind, n.value, (long long)n.mantissa,
                  n.exponent);
    ck_assert(n.kind != NUM_WHOLE || n.whole == n.mantissa);
  }
  Num long_one = number("0.12345678901234567890123456789");
  ck_assert(!long_one.exact && long_one.value == 0.12345678901234567890123456789);
}
END_TEST

// Against the C library on many spellings.
START_TEST(numbers_round_correctly) {
  uint64_t state = 1;
  for (int i = 0; i < 20000; i++) {
    char text[128], plain[64];
    uint64_t r[3];
    for (int k = 0; k < 3; k++)
      r[k] = state = state * 6364136223846793005u + 1442695040888963407u;
    int digits = 1 + (int)(r[0] >> 40) % 18;
    snprintf(plain, sizeof plain, "%.*s", digits,
             arena_printf(arena, "%018llu", (unsigned long long)(r[1] >> 5)));
    snprintf(text, sizeof text, "%s.%llue%d", plain, (unsigned long long)(r[2] >> (20 + r[0] % 40)),
             (int)(r[2] % 500) - 250);
    double want = strtod(text, NULL);
    ck_assert_msg(number(text).value == want, "%s", text);
  }
}
END_TEST

START_TEST(locale_does_not_matter) {
  static const char *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8"};
  for (int i = 0; i < COUNT(locales); i++)
    setlocale(LC_NUMERIC, locales[i]); // where none is installed the test shows nothing
  ck_assert(number("0.12345678901234567890123456789").value == 0.12345678901234567890123456789);
  setlocale(LC_NUMERIC, "C");
}
END_TEST

START_TEST(bad_numbers) {
  static const char *const table[] = {"3x",
                                      "1_",
                                      "1__0",
                                      "1.",
                                      "1.x",
                                      "1.2.3",
                                      "1e",
                                      "1e+",
                                      "1ii",
                                      "1i2",
                                      "0x1f",
                                      "10%x",
                                      "9223372036854775808",
                                      "1e309",
                                      "1e-400",
                                      "99999999999999999999"};
  for (int i = 0; i < COUNT(table); i++) {
    fresh();
    char *text = arena_printf(arena, "let a = %s\nlet b = 1\n", table[i]);
    const File *f = file(text);
    ck_assert_msg(diags.errors == 1, "%s: %s", text, diags_string(arena, &diags, DIAG_TEXT, false));
    ck_assert_ptr_nonnull(strstr(diags.list.v[0]->text, "bad number"));
    ck_assert_msg(f->decls.n == 2, "%s", text);
  }
}
END_TEST

Suite *lex_suite(void) {
  Suite *s = suite_create("lex");
  TCase *t = tcase_create("lex");
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, ends_of_lines);
  tcase_add_test(t, operators_longest_first);
  tcase_add_test(t, token_list);
  tcase_add_test(t, numbers);
  tcase_add_test(t, numbers_round_correctly);
  tcase_add_test(t, locale_does_not_matter);
  tcase_add_test(t, bad_numbers);
  suite_add_tcase(s, t);
  return s;
}
