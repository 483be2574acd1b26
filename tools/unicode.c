// Generates, from the utf8proc library, what tokenizers need to know of characters and what messages do: tables in the form that
// runtime/text/unicode.c and compiler/syntax/char_width.c read.
//
// Not part of the build: the headers are committed, and tests/unit/test_unicode.c compares them with utf8proc.
//
// The widths are those of the library at hand:
//   gcc -std=gnu11 -O2 -o /tmp/unicode tools/unicode.c -lutf8proc && /tmp/unicode width > compiler/syntax/char_widths.h
//
// A text's tokens are what the library `tokenizers` makes of it, whose parts know Unicode in different versions (`Age`).  utf8proc has
// had each in a release of its own, whose sources this is compiled with to say what it knows:
//   for v in 1.3.1:8 2.0.2:9 2.10.0:16 2.11.3:17; do # release of https://github.com/JuliaStrings/utf8proc, and its Unicode
//     gcc -std=gnu11 -O2 -DUTF8PROC_STATIC -Iutf8proc-${v%:*} -o /tmp/unicode tools/unicode.c utf8proc-${v%:*}/utf8proc.c
//     /tmp/unicode known > /tmp/${v#*:}.txt
//   done
//   /tmp/unicode text /tmp/8.txt /tmp/9.txt /tmp/16.txt /tmp/17.txt > runtime/text/unicode_tables.h
//   sh tools/format.sh -i runtime/text/unicode_tables.h compiler/syntax/char_widths.h
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

// Who knows what, in the order of the arguments of `text`.
typedef enum Age {
  OF_BERT,     // Unicode 8: BERT's punctuation, accents, controls (the crate unicode_categories)
  OF_FORMS,    // 9: normal forms, marks (unicode-normalization-alignments)
  OF_PATTERNS, // 16: categories in regular expressions (Oniguruma; the crate regex)
  OF_LANGUAGE, // 17: lower case, numbers (Rust), clusters (unicode-segmentation)
  AGES
} Age;

// What a version of Unicode says of a character.
typedef struct Known {
  int category, combining, cluster, lower;
  int canonical[MAX_TEXT], compatible[MAX_TEXT]; // what it decomposes into: their number, and they
  int pair[2];                                   // what composes to it
} Known;
static Known *known[AGES];

// As in runtime/text/unicode.h.
typedef struct Record {
  unsigned char category, bert, combining, flags;
} Record;
enum { LOWERS = 1 << 3, CANONICAL = 1 << 4, COMPATIBLE = 1 << 5, NUMBER = 1 << 6, MARK = 1 << 7 };

static Record records[256];
static int nrecord;
typedef struct Blocks {
  int block[LIMIT / SIDE][SIDE], n;
} Blocks;
static Blocks fine, coarse;

// ---- what the library at hand knows, as lines of numbers

// The characters that c decomposes into, in out; 0: it does not.
static int decomposed(int32_t c, bool compatible, int32_t *out) {
  utf8proc_option_t o = UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0);
  if ((c >= HANGUL && c < HANGUL_END) || !utf8proc_codepoint_valid(c))
    return 0;
  utf8proc_ssize_t n = utf8proc_decompose_char(c, out, MAX_TEXT, o, NULL);
  return n < 1 || (n == 1 && out[0] == c) ? 0 : (int)n;
}

// Composes v[0, n) and says whether it is one character, *c.
static bool composes(const int32_t *v, int n, int32_t *c) {
  utf8proc_uint8_t text[4 * MAX_TEXT + 1], *whole = NULL;
  utf8proc_ssize_t size = 0;
  for (int i = 0; i < n; i++)
    size += utf8proc_encode_char(v[i], text + size);
  size = utf8proc_map(text, size, &whole, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  bool one = size > 0 && utf8proc_iterate(whole, size, c) == size;
  free(whole);
  return one;
}

// The two characters that compose to c, in out; or 0, 0.
static void composed(int32_t c, int32_t *out) {
  int32_t v[MAX_TEXT], both, first;
  int n = decomposed(c, false, v);
  bool is = n > 1 && composes(v, n, &both) && both == c && composes(v, n - 1, &first);
  out[0] = is ? first : 0;
  out[1] = is ? v[n - 1] : 0;
}

// The classes of UAX 29 as far as clusters of few bytes need them: `UnicodeCluster` in runtime/text/unicode.h.
static int cluster(int32_t c) {
  enum { JOINER = 0x200D, PREPEND = 13 }; // classes of their own since Unicode 9
  switch (utf8proc_get_property(c)->boundclass) {
  case UTF8PROC_BOUNDCLASS_CR:
  case UTF8PROC_BOUNDCLASS_LF:
  case UTF8PROC_BOUNDCLASS_CONTROL: return 1;
  case UTF8PROC_BOUNDCLASS_EXTEND: return 2;
  case UTF8PROC_BOUNDCLASS_SPACINGMARK: return 3;
  case PREPEND: return 4;
  default: return c == JOINER ? 2 : 0;
  }
}

static void put_list(const int32_t *v, int n) {
  printf(" %d", n);
  for (int i = 0; i < n; i++)
    printf(" %d", (int)v[i]);
}

static void put_known(void) {
  int32_t v[MAX_TEXT];
  for (int32_t c = 0; c < LIMIT; c++) {
    printf("%d %d %d %d", (int)utf8proc_category(c), (int)utf8proc_get_property(c)->combining_class,
           cluster(c), (int)utf8proc_tolower(c));
    put_list(v, decomposed(c, false, v));
    put_list(v, decomposed(c, true, v));
    composed(c, v);
    printf(" %d %d\n", (int)v[0], (int)v[1]);
  }
}

static int number(FILE *f) {
  int n;
  if (fscanf(f, "%d", &n) != 1) {
    fprintf(stderr, "unicode: not what `unicode known` writes\n");
    exit(1);
  }
  return n;
}

static void read_list(FILE *f, int *list) {
  list[0] = number(f);
  for (int i = 1; i <= list[0]; i++)
    list[i] = number(f);
}

static void read_known(Age age, const char *path) {
  FILE *f = fopen(path, "r");
  known[age] = calloc(LIMIT + 2, sizeof **known);
  if (!f || !known[age]) {
    perror(path);
    exit(1);
  }
  for (Known *k = known[age]; k < known[age] + LIMIT; k++) {
    k->category = number(f);
    k->combining = number(f);
    k->cluster = number(f);
    k->lower = number(f);
    read_list(f, k->canonical);
    read_list(f, k->compatible);
    k->pair[0] = number(f);
    k->pair[1] = number(f);
  }
  fclose(f);
}

static void put(const char *type, const char *name, int n) {
  printf("static const %s %s[%d] = {", type, name, n);
}

// ---- mappings

// A table has the full canonical decomposition where there is one, else the full compatible one: their number, and they.
static const int *mapping(int32_t c) {
  const Known *k = &known[OF_FORMS][c];
  return k->canonical[0] ? k->canonical : k->compatible;
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
  int n = 0, units = 0, runs = 0;
  printf("static const uint16_t decompose_unit[] = {");
  for (int32_t c = 0; c < LIMIT; c++) {
    const int *list = mapping(c);
    if (!list[0])
      continue;
    from[n] = c;
    at[n++] = units;
    units += put_units(list + 1, list[0]);
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
  int n = 0;
  for (int32_t c = 0; c < LIMIT; c++) {
    const int *pair = known[OF_FORMS][c].pair;
    if (pair[1])
      pairs[n++] = (Pair){pair[0], pair[1], c};
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

// What is added to c for its lower case.
static int32_t lowered(int32_t c) {
  return c < LIMIT ? known[OF_LANGUAGE][c].lower - c : 0;
}

static void put_lower(void) {
  printf("// First and last character of a run, their distance, and what is added to each.\n");
  printf("static const int32_t lower_run[][4] = {");
  for (int32_t c = 0; c < LIMIT; c++) {
    int32_t add = lowered(c), step = 1, last = c;
    if (!add)
      continue;
    if (lowered(c + 1) != add && lowered(c + 2) == add)
      step = 2;
    while (lowered(last + step) == add && (step == 1 || !lowered(last + 1)))
      last += step;
    printf("{%d,%d,%d,%d},", c, last, step, add);
    c = last;
  }
  printf("};\n");
}

// ---- properties

static bool is_between(const Known *k, int lo, int hi) {
  return k->category >= lo && k->category <= hi;
}

static int record_of(int32_t c) {
  const Known *forms = &known[OF_FORMS][c], *language = &known[OF_LANGUAGE][c];
  bool canonical = forms->canonical[0], compatible = !canonical && forms->compatible[0];
  bool numeric = is_between(language, UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO),
       mark = is_between(forms, UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME);
  Record r = {(unsigned char)known[OF_PATTERNS][c].category,
              (unsigned char)known[OF_BERT][c].category, (unsigned char)forms->combining,
              (unsigned char)(language->cluster | (lowered(c) ? LOWERS : 0) |
                              (canonical ? CANONICAL : 0) | (compatible ? COMPATIBLE : 0) |
                              (numeric ? NUMBER : 0) | (mark ? MARK : 0))};
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
    printf("{%d,%d,%d,%d},", records[i].category, records[i].bert, records[i].combining,
           records[i].flags);
  printf("};\n");
}

static void put_text(void) {
  printf("#ifndef BIGSC_RUNTIME_UNICODE_TABLES_H\n#define BIGSC_RUNTIME_UNICODE_TABLES_H\n#include "
         "\"runtime/text/unicode.h\"\n");
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
  const char *what = argc > 1 ? argv[1] : "";
  bool text = !strcmp(what, "text") && argc == 2 + AGES,
       width = !strcmp(what, "width") && argc == 2;
  if (!strcmp(what, "known") && argc == 2)
    return put_known(), 0;
  if (!text && !width) {
    fprintf(stderr, "usage: unicode width | known | text 8.txt 9.txt 16.txt 17.txt\n");
    return 2;
  }
  for (int i = 0; text && i < AGES; i++)
    read_known((Age)i, argv[2 + i]);
  printf("// Generated by tools/unicode.c; do not edit.\n");
  width ? put_width() : put_text();
  printf("#endif\n");
  return 0;
}
