// What tokenizers know of characters, by tables of about 80 kB (tools/unicode.c makes them).  A character is a code point from 0 to
// 0x10FFFF.
//
// Tokens are those of the library `tokenizers`, whose parts know Unicode in different versions: a character that is younger than the
// version of a part is unassigned there.  So do the tables here:
//   8   BERT's punctuation, accents and controls: unicode_bert_category
//   9   normal forms and marks: unicode_combining, unicode_decompose, unicode_compose, unicode_is_mark
//   16  categories in regular expressions: unicode_category
//   17  lower case, numbers, clusters: unicode_lower, unicode_is_number
#ifndef BIGSC_RUNTIME_UNICODE_H
#define BIGSC_RUNTIME_UNICODE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The general categories; classes of them are neighbours.
typedef enum UnicodeCategory {
  UNICODE_CN, // not assigned
  UNICODE_LU,
  UNICODE_LL,
  UNICODE_LT,
  UNICODE_LM,
  UNICODE_LO,
  UNICODE_MN,
  UNICODE_MC,
  UNICODE_ME,
  UNICODE_ND,
  UNICODE_NL,
  UNICODE_NO,
  UNICODE_PC,
  UNICODE_PD,
  UNICODE_PS,
  UNICODE_PE,
  UNICODE_PI,
  UNICODE_PF,
  UNICODE_PO,
  UNICODE_SM,
  UNICODE_SC,
  UNICODE_SK,
  UNICODE_SO,
  UNICODE_ZS,
  UNICODE_ZL,
  UNICODE_ZP,
  UNICODE_CC,
  UNICODE_CF,
  UNICODE_CS,
  UNICODE_CO,
  UNICODE_CATEGORIES
} UnicodeCategory;

// Of a cluster of UAX 29, what a character does.
typedef enum UnicodeCluster {
  UNICODE_ALONE,
  UNICODE_CONTROL, // nothing joins it
  UNICODE_EXTENDS, // joins what is before it; a joiner, too
  UNICODE_SPACING, // likewise
  UNICODE_PREPENDS // joins what is behind it
} UnicodeCluster;

// A character's record in the tables.  flags: its UnicodeCluster in the low bits, and the rest.
typedef struct UnicodeRecord {
  uint8_t category, bert, combining, flags;
} UnicodeRecord;
enum {
  UNICODE_CLUSTER = 7,
  UNICODE_LOWERS = 1 << 3,
  UNICODE_CANONICAL = 1 << 4,
  UNICODE_COMPATIBLE = 1 << 5,
  UNICODE_NUMBER = 1 << 6,
  UNICODE_MARK = 1 << 7
};
enum { UNICODE_MAX_DECOMPOSED = 18 };

const UnicodeRecord *unicode_record(int32_t c);
static inline UnicodeCategory unicode_category(int32_t c) {
  return (UnicodeCategory)unicode_record(c)->category;
}
static inline int unicode_combining(int32_t c) { // the canonical combining class
  return c < 0x300 ? 0 : unicode_record(c)->combining;
}
static inline UnicodeCategory unicode_bert_category(int32_t c) {
  return (UnicodeCategory)unicode_record(c)->bert;
}
static inline bool unicode_is_number(int32_t c) {
  return unicode_record(c)->flags & UNICODE_NUMBER;
}
static inline bool unicode_is_mark(int32_t c) {
  return unicode_record(c)->flags & UNICODE_MARK;
}
bool unicode_is_space(int32_t c); // the property White_Space
int32_t unicode_lower(int32_t c); // the simple mapping; c where there is none
// The full decomposition of c, canonical (NFD) or compatible (NFKD), in out: its characters, at most UNICODE_MAX_DECOMPOSED; 0: c
// stays.
int unicode_decompose(int32_t c, bool compatible, int32_t *out);
// What a and b are together (NFC); 0: they stay two.
int32_t unicode_compose(int32_t a, int32_t b);
#endif
