// Generates, from the utf8proc library, what tokenizers need to know of characters and what messages do: tables in the form that
// runtime/text/unicode.c and compiler/syntax/char_width.c read.
//
//   gcc -std=gnu11 -O2 -o /tmp/unicode tools/unicode.c -lutf8proc
//   /tmp/unicode text > runtime/text/unicode_tables.h
//   /tmp/unicode width > compiler/syntax/char_widths.h
//   sh tools/format.sh -i runtime/text/unicode_tables.h compiler/syntax/char_widths.h
//
// Not part of the build: the headers are committed, and tests/unit/test_unicode.c compares them with utf8proc.
//
// A character's properties are a record, found in three steps of equal kind: its block of SIDE * SIDE characters, the block of SIDE
// characters there, its place in that.  Equal blocks are one.
// Mappings are runs of neighbours (`decompose_run`, `lower_run`) in order of their first character.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { LIMIT = 0x110000, SIDE = 64, MAX_TEXT = 32 };
enum { HANGUL = 0xAC00, HANGUL_END = 0xD7A4 };

// As in runtime/text/unicode.h.
typedef struct Record {
  unsigned char category, combining, flags;
} Record;
enum { CLUSTER = 7, LOWERS = 1 << 3, CANONICAL = 1 << 4, COMPATIBLE = 1 << 5 };

static Record records[256];
static int nrecord;
typedef struct Blocks {
  int block[LIMIT / SIDE][SIDE], n;
} Blocks;
static Blocks fine, coarse;

static void put(const char *type, const char *name, int n) {
  printf("static const %s %s[%d] = {", type, name, n);
}

// ---- mappings

// The characters that c decomposes into, in out; 0: it does not.
static int decomposed(int32_t c, bool compatible, int32_t *out) {
  utf8proc_option_t o = UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0);
  if ((c >= HANGUL && c < HANGUL_END) || !utf8proc_codepoint_valid(c))
    return 0;
  utf8proc_ssize_t n = utf8proc_decompose_char(c, out, MAX_TEXT, o, NULL);
  return n < 1 || (n == 1 && out[0] == c) ? 0 : (int)n;
}

// A table has the full canonical decomposition where there is one, else the full compatible one.
static int mapping(int32_t c, int32_t *out) {
  int n = decomposed(c, false, out);
  return n ? n : decomposed(c, true, out);
}

static int put_units(const int32_t *v, int n) {
  int units = 0;
  for (int i = 0; i < n; i++) {
    if (v[i] >= 0x10000) {
      printf("%d,", 0xD800 + ((v[i] - 0x10000) >> 10));
      units++;
    }
    printf("%d,", v[i] >= 0x10000 ? 0xDC00 + ((v[i] - 0x10000) & 0x3FF) : v[i]);
    units++;
  }
  return units;
}

static void put_decompositions(void) {
  static int at[LIMIT];
  static int32_t from[LIMIT];
  int32_t v[MAX_TEXT];
  int n = 0, units = 0, runs = 0;
  printf("static const uint16_t decompose_unit[] = {");
  for (int32_t c = 0; c < LIMIT; c++) {
    int len = mapping(c, v);
    if (!len)
      continue;
    from[n] = c;
    at[n++] = units;
    units += put_units(v, len);
  }
  at[n] = units;
  printf("};\n");
  put("uint16_t", "decompose_at", n + 1);
  for (int i = 0; i <= n; i++)
    printf("%d,", at[i]);
  printf("};\n");
  for (int i = 0; i < n; i++)
    runs += i == 0 || from[i] != from[i - 1] + 1;
  printf("// Its first character, and its index in decompose_at.\n");
  put("uint32_t", "decompose_run", runs);
  for (int i = 0; i < n; i++)
    if (i == 0 || from[i] != from[i - 1] + 1)
      printf("0x%x,", (unsigned)from[i]);
  printf("};\n");
  put("uint16_t", "decompose_first", runs);
  for (int i = 0; i < n; i++)
    if (i == 0 || from[i] != from[i - 1] + 1)
      printf("%d,", i);
  printf("};\n");
}

// Composes v[0, n) and says whether it is one character, *c.
static bool composes(const int32_t *v, int n, int32_t *c) {
  int32_t copy[MAX_TEXT];
  memcpy(copy, v, sizeof *v * (size_t)n);
  *c = copy[0];
  return utf8proc_normalize_utf32(copy, n, UTF8PROC_STABLE | UTF8PROC_COMPOSE) == 1 &&
         (*c = copy[0], true);
}

typedef struct Pair {
  int32_t first, second, both;
} Pair;

static int by_pair(const void *x, const void *y) {
  const Pair *a = x, *b = y;
  return a->first != b->first ? (a->first > b->first) - (a->first < b->first)
                              : (a->second > b->second) - (a->second < b->second);
}

static void put_compositions(void) {
  static Pair pairs[4096];
  int32_t v[MAX_TEXT], c;
  int n = 0;
  for (int32_t x = 0; x < LIMIT; x++) {
    int len = decomposed(x, false, v);
    if (len < 2 || !composes(v, len, &c) || c != x || !composes(v, len - 1, &c))
      continue;
    pairs[n++] = (Pair){c, v[len - 1], x};
  }
  qsort(pairs, (size_t)n, sizeof *pairs, by_pair);
  int far = n;
  while (far > 0 && pairs[far - 1].first >= 0x10000)
    far--;
  printf("// First, second, and what they compose to, in order; the far ones have a first that is "
         "U+10000 and above.\n");
  printf("static const uint16_t compose_near[%d][3] = {", far);
  for (int i = 0; i < far; i++)
    printf("{%d,%d,%d},", pairs[i].first, pairs[i].second, pairs[i].both);
  printf("};\nstatic const uint32_t compose_far[%d][3] = {", n - far);
  for (int i = far; i < n; i++)
    printf("{%d,%d,%d},", pairs[i].first, pairs[i].second, pairs[i].both);
  printf("};\n");
}

static void put_lower(void) {
  printf("// First and last character of a run, their distance, and what is added to each.\n");
  printf("static const int32_t lower_run[][4] = {");
  for (int32_t c = 0; c < LIMIT; c++) {
    int32_t add = utf8proc_tolower(c) - c, step = 1, last = c;
    if (!add)
      continue;
    if (utf8proc_tolower(c + 1) - c - 1 != add && utf8proc_tolower(c + 2) - c - 2 == add)
      step = 2;
    while (last + step < LIMIT && utf8proc_tolower(last + step) - last - step == add &&
           (step == 1 || utf8proc_tolower(last + 1) == last + 1))
      last += step;
    printf("{%d,%d,%d,%d},", c, last, step, add);
    c = last;
  }
  printf("};\n");
}

// ---- properties

// The classes of UAX 29 as far as clusters of few bytes need them: `UnicodeCluster` in runtime/text/unicode.h.
static int cluster(int32_t c) {
  switch (utf8proc_get_property(c)->boundclass) {
  case UTF8PROC_BOUNDCLASS_CR:
  case UTF8PROC_BOUNDCLASS_LF:
  case UTF8PROC_BOUNDCLASS_CONTROL: return 1;
  case UTF8PROC_BOUNDCLASS_EXTEND:
  case UTF8PROC_BOUNDCLASS_ZWJ: return 2;
  case UTF8PROC_BOUNDCLASS_SPACINGMARK: return 3;
  case UTF8PROC_BOUNDCLASS_PREPEND: return 4;
  default: return 0;
  }
}

static int record_of(int32_t c) {
  int32_t v[MAX_TEXT];
  bool canonical = decomposed(c, false, v), compatible = !canonical && decomposed(c, true, v);
  Record r = {(unsigned char)utf8proc_category(c),
              (unsigned char)utf8proc_get_property(c)->combining_class,
              (unsigned char)(cluster(c) | (utf8proc_tolower(c) != c ? LOWERS : 0) |
                              (canonical ? CANONICAL : 0) | (compatible ? COMPATIBLE : 0))};
  for (int i = 0; i < nrecord; i++)
    if (!memcmp(&records[i], &r, sizeof r))
      return i;
  if (nrecord == 256)
    abort();
  records[nrecord] = r;
  return nrecord++;
}

static int same_block(Blocks *t, const int *b) {
  for (int i = 0; i < t->n; i++)
    if (!memcmp(t->block[i], b, sizeof t->block[i]))
      return i;
  memcpy(t->block[t->n], b, sizeof t->block[0]);
  return t->n++;
}

static void put_blocks(const char *type, const char *name, const Blocks *t) {
  printf("static const %s %s[%d][%d] = {", type, name, t->n, SIDE);
  for (int i = 0; i < t->n; i++) {
    printf("{");
    for (int j = 0; j < SIDE; j++)
      printf("%d,", t->block[i][j]);
    printf("},");
  }
  printf("};\n");
}

static int fine_of(int32_t c) {
  int b[SIDE];
  for (int i = 0; i < SIDE; i++)
    b[i] = record_of(c + i);
  return same_block(&fine, b);
}

static void put_properties(void) {
  put("uint8_t", "coarse_of", LIMIT / SIDE / SIDE);
  for (int32_t c = 0; c < LIMIT; c += SIDE * SIDE) {
    int b[SIDE];
    for (int i = 0; i < SIDE; i++)
      b[i] = fine_of(c + i * SIDE);
    printf("%d,", same_block(&coarse, b));
  }
  printf("};\n");
  put_blocks("uint16_t", "fine_of", &coarse);
  put_blocks("uint8_t", "record_of", &fine);
  put("UnicodeRecord", "records", nrecord);
  for (int i = 0; i < nrecord; i++)
    printf("{%d,%d,%d},", records[i].category, records[i].combining, records[i].flags);
  printf("};\n");
}

static void put_text(void) {
  printf("#ifndef BIGSC_RUNTIME_UNICODE_TABLES_H\n#define BIGSC_RUNTIME_UNICODE_TABLES_H\n#include "
         "\"runtime/text/unicode.h\"\n");
  printf("// Of Unicode.\n#define UNICODE_VERSION \"%s\"\n", utf8proc_unicode_version());
  put_properties();
  put_decompositions();
  put_compositions();
  put_lower();
}

// ---- columns of a terminal

static void put_width(void) {
  printf("#ifndef BIGSC_CHAR_WIDTHS_H\n#define BIGSC_CHAR_WIDTHS_H\n#include <stdint.h>\n");
  printf("// First and last of those that take no column, or two.\n");
  printf("static const struct {\nint32_t first, last, columns;\n} widths[] = {");
  for (int32_t c = 0, last; c < LIMIT; c = last + 1) {
    int columns = utf8proc_charwidth(c);
    last = c;
    while (last + 1 < LIMIT && utf8proc_charwidth(last + 1) == columns)
      last++;
    if (columns != 1)
      printf("{0x%x,0x%x,%d},", (unsigned)c, (unsigned)last, columns);
  }
  printf("};\n");
}

int main(int argc, char **argv) {
  bool width = argc == 2 && !strcmp(argv[1], "width");
  if (argc != 2 || (!width && strcmp(argv[1], "text"))) {
    fprintf(stderr, "usage: unicode text|width\n");
    return 2;
  }
  printf("// Generated by tools/unicode.c; do not edit.\n");
  width ? put_width() : put_text();
  printf("#endif\n");
  return 0;
}
