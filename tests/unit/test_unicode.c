// The tables of characters against the library that they were made from, over all characters; it knows one version of Unicode, and
// they several: what a version has not is counted.
#include "base/utf8.h"
#include "compiler/syntax/char_width.h"
#include "runtime/text/forms.h"
#include "runtime/text/unicode.h"
#include "tests/unit/suites.h"
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { LIMIT = 0x110000, MAX_TEXT = 64 };

// Of Unicode 8, so that everything here knows it.
static bool is_known(int32_t c) {
  return utf8proc_codepoint_valid(c) && utf8proc_category(c) != UTF8PROC_CATEGORY_CN &&
         unicode_bert_category(c) != UNICODE_CN;
}

static UnicodeCluster cluster_of(int32_t c) {
  switch (utf8proc_get_property(c)->boundclass) {
  case UTF8PROC_BOUNDCLASS_CR:
  case UTF8PROC_BOUNDCLASS_LF:
  case UTF8PROC_BOUNDCLASS_CONTROL: return UNICODE_CONTROL;
  case UTF8PROC_BOUNDCLASS_EXTEND:
  case UTF8PROC_BOUNDCLASS_ZWJ: return UNICODE_EXTENDS;
  case UTF8PROC_BOUNDCLASS_SPACINGMARK: return UNICODE_SPACING;
  case UTF8PROC_BOUNDCLASS_PREPEND: return UNICODE_PREPENDS;
  default: return UNICODE_ALONE;
  }
}

// Extending and spacing marks, which changed places, join alike.
static bool same_cluster(int32_t c) {
  int is = unicode_record(c)->flags & UNICODE_CLUSTER, other = (int)cluster_of(c);
  return (is == UNICODE_SPACING ? UNICODE_EXTENDS : is) ==
         (other == UNICODE_SPACING ? UNICODE_EXTENDS : other);
}

// What differs for c, which both know, or NULL.  U+295 and U+1171E changed their category behind Unicode 15.
static const char *differing(int32_t c) {
  const utf8proc_property_t *p = utf8proc_get_property(c);
  bool changed = c == 0x295 || c == 0x1171E;
  return (int)unicode_category(c) != (int)utf8proc_category(c) && !changed ? "category"
         : unicode_lower(c) != utf8proc_tolower(c)                         ? "lower case"
         : !same_cluster(c) && c != 0x11A3A                                ? "cluster"
         : is_known(c) && unicode_combining(c) != p->combining_class       ? "combining class"
                                                                           : NULL;
}

START_TEST(properties_of_all_characters) {
  int both = 0;
  for (int32_t c = 0; c < LIMIT; c++) {
    if ((c >= 0xD800 && c < 0xE000) || utf8proc_category(c) == UTF8PROC_CATEGORY_CN ||
        unicode_category(c) == UNICODE_CN)
      continue;
    both++;
    if (differing(c))
      ck_abort_msg("%s of U+%04X", differing(c), (unsigned)c);
  }
  ck_assert_int_gt(both, 250000);
}
END_TEST

START_TEST(widths_of_all_characters) {
  for (int32_t c = 0; c < LIMIT && !strcmp(utf8proc_unicode_version(), "15.0.0"); c++)
    if (char_width(c) != utf8proc_charwidth(c))
      ck_abort_msg("width of U+%04X", (unsigned)c);
}
END_TEST

// ---- how many characters each version has of what tokenizers ask for

static bool bert_between(int32_t c, UnicodeCategory lo, UnicodeCategory hi) {
  return unicode_bert_category(c) >= lo && unicode_bert_category(c) <= hi;
}
static bool is_bert_punctuation(int32_t c) {
  return bert_between(c, UNICODE_PC, UNICODE_PO);
}
static bool is_bert_accent(int32_t c) {
  return bert_between(c, UNICODE_MN, UNICODE_MN);
}
static bool is_bert_control(int32_t c) {
  return bert_between(c, UNICODE_CC, UNICODE_CF);
}
static bool is_canonical(int32_t c) {
  return unicode_record(c)->flags & UNICODE_CANONICAL;
}
static bool is_compatible(int32_t c) {
  return unicode_record(c)->flags & UNICODE_COMPATIBLE;
}
static bool is_assigned(int32_t c) {
  return unicode_category(c) != UNICODE_CN && unicode_category(c) < UNICODE_CS;
}

static const struct {
  bool (*is)(int32_t c);
  int many;
  int32_t first_without; // a character that later versions give the property
} counted[] = {
    {is_bert_punctuation, 717, 0x61D},  // Unicode 8
    {is_bert_accent, 1567, 0x7FD},      // 8
    {is_bert_control, 215, 0x8E2},      // 8
    {is_canonical, 2060, 0x11938},      // 9
    {is_compatible, 3662, 0x32FF},      // 9
    {unicode_is_mark, 2097, 0x7FD},     // 9
    {is_assigned, 155063, 0x11DE0},     // 16
    {unicode_is_number, 1924, 0x16FF7}, // 17
};

START_TEST(each_version_has_its_characters) {
  int many = 0;
  for (int32_t c = 0; c < LIMIT; c++)
    many += counted[_i].is(c);
  ck_assert_int_eq(many, counted[_i].many);
  ck_assert(!counted[_i].is(counted[_i].first_without));
}
END_TEST

START_TEST(decompositions_of_all_characters) {
  for (int32_t c = 0; c < LIMIT; c++)
    for (int compatible = 0; compatible < 2 && is_known(c); compatible++) {
      int32_t want[MAX_TEXT], got[MAX_TEXT];
      utf8proc_option_t o = UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0);
      int n = (int)utf8proc_decompose_char(c, want, MAX_TEXT, o, NULL),
          m = unicode_decompose(c, compatible, got);
      if (!m)
        got[m++] = c;
      if (n != m || memcmp(want, got, sizeof *got * (size_t)n))
        ck_abort_msg("U+%04X", (unsigned)c);
    }
}
END_TEST

START_TEST(compositions_of_all_characters) {
  int pairs = 0;
  for (int32_t c = 0; c < LIMIT; c++) {
    int32_t v[MAX_TEXT], copy[MAX_TEXT];
    int n = is_known(c) ? unicode_decompose(c, false, v) : 0;
    if (n < 2)
      continue;
    memcpy(copy, v, sizeof v);
    Chars t = {v, (size_t)n, MAX_TEXT};
    chars_compose(&t);
    int m = (int)utf8proc_normalize_utf32(copy, n, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    ck_assert_msg(t.n == (size_t)m && !memcmp(v, copy, sizeof *v * t.n), "U+%04X", (unsigned)c);
    pairs += m == 1;
  }
  ck_assert_int_gt(pairs, 12000); // 11172 of them Hangul
}
END_TEST

// A character that has something to do with normal forms, or any.
static int32_t some_character(uint32_t *seed) {
  static const int32_t from[][2] = {{0x300, 112},  {0x41, 64},    {0x1100, 0x100},
                                    {0xAC00, 200}, {0xC0, 0x200}, {0x1E00, 0x200},
                                    {0x5B0, 32},   {0, 0x30000},  {0x1D400, 0x400}};
  *seed = *seed * 1664525 + 1013904223;
  const int32_t *r = from[(*seed >> 20) % (sizeof from / sizeof *from)];
  *seed = *seed * 1664525 + 1013904223;
  int32_t c = r[0] + (int32_t)((*seed >> 8) % (uint32_t)r[1]);
  return is_known(c) && c != 0x11A7 ? c : 'x'; // which utf8proc 2.8 drops behind a syllable
}

START_TEST(forms_of_text) {
  bool compatible = _i & 1, compose = _i & 2;
  uint32_t seed = (uint32_t)_i + 1;
  for (int round = 0; round < 20000; round++) {
    int32_t text[9], want[9 * UNICODE_MAX_DECOMPOSED];
    Chars t = {0};
    for (int i = 0; i < 8; i++) {
      text[i] = some_character(&seed);
      chars_push_decomposed(&t, text[i], compatible, NULL);
    }
    chars_order(&t);
    if (compose)
      chars_compose(&t);
    char utf8[64];
    size_t size = 0;
    for (int i = 0; i < 8; i++)
      size += utf8_put(utf8 + size, text[i]);
    utf8proc_option_t o = (compatible ? UTF8PROC_COMPAT : 0) | UTF8PROC_STABLE |
                          (compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE);
    utf8proc_ssize_t n = utf8proc_decompose((const utf8proc_uint8_t *)utf8, (utf8proc_ssize_t)size,
                                            want, 9 * UNICODE_MAX_DECOMPOSED, o);
    n = utf8proc_normalize_utf32(want, n, o);
    if (t.n != (size_t)n || memcmp(want, t.v, sizeof *want * t.n))
      ck_abort_msg("U+%04X U+%04X U+%04X U+%04X U+%04X U+%04X U+%04X U+%04X", (unsigned)text[0],
                   (unsigned)text[1], (unsigned)text[2], (unsigned)text[3], (unsigned)text[4],
                   (unsigned)text[5], (unsigned)text[6], (unsigned)text[7]);
    free(t.v);
  }
}
END_TEST

// Written, read again, and not read when its last byte is cut off.
static bool is_utf8(int32_t c) {
  char s[8] = {0};
  int32_t back = -1;
  size_t n = utf8_put(s, c);
  bool surrogate = c >= 0xD800 && c < 0xE000;
  return utf8_read(s, 8, &back) == (surrogate ? 0 : n) && back == (surrogate ? -1 : c) &&
         utf8_read(s, n - 1, &back) == 0;
}

START_TEST(characters_of_utf8) {
  for (int32_t c = 0; c < LIMIT; c++)
    if (!is_utf8(c))
      ck_abort_msg("U+%04X", (unsigned)c);
  static const char *const bad[] = {"\x80",
                                    "\xC1\xBF",
                                    "\xE0\x9F\xBF",
                                    "\xED\xA0\x80",
                                    "\xF0\x8F\xBF\xBF",
                                    "\xF4\x90\x80\x80",
                                    "\xF5\x80\x80\x80",
                                    "\xC3x"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    ck_assert_uint_eq(utf8_char(bad[i], strlen(bad[i])), 0);
    ck_assert_uint_eq(utf8_valid(bad[i], strlen(bad[i])), 0);
  }
}
END_TEST

Suite *unicode_suite(void) {
  Suite *s = suite_create("unicode");
  TCase *t = tcase_create("unicode");
  tcase_add_test(t, properties_of_all_characters);
  tcase_add_test(t, widths_of_all_characters);
  tcase_add_loop_test(t, each_version_has_its_characters, 0, sizeof counted / sizeof *counted);
  tcase_add_test(t, decompositions_of_all_characters);
  tcase_add_test(t, compositions_of_all_characters);
  tcase_add_loop_test(t, forms_of_text, 0, 4);
  tcase_add_test(t, characters_of_utf8);
  suite_add_tcase(s, t);
  return s;
}
