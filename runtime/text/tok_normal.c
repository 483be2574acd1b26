// Normalizers of a tokenizer.json: text to text, a step each.
#include "base/alloc.h"
#include "base/utf8.h"
#include "runtime/text/tok_file.h"
#include "runtime/text/unicode.h"
#include <string.h>

static void swap_texts(TokWork *w) {
  Bytes text = w->text;
  w->text = w->other;
  w->other = text;
}

static bool is_ascii(const char *s, size_t n) {
  unsigned char all = 0;
  for (size_t i = 0; i < n; i++)
    all |= (unsigned char)s[i];
  return all < 0x80;
}

int normalize(const TokFile *t, TokWork *w) {
  int status = 0;
  for (int i = 0; i < t->normalizers.n && !status; i++)
    status = t->normalizers.v[i].part->run(&t->normalizers.v[i], w);
  return status;
}

// ---- the normal forms

static int put_chars(TokWork *w) {
  int status = 0;
  w->other.n = 0;
  for (size_t i = 0; i < w->chars.n && !status; i++)
    status = bytes_add_char(&w->other, w->chars.v[i], w->e);
  swap_texts(w);
  return status;
}

static int apply_form(TokWork *w, bool compatible, bool compose) {
  const char *p = w->text.s, *end = p + w->text.n;
  int status = 0;
  if (is_ascii(p, w->text.n))
    return 0;
  w->chars.n = 0;
  while (p < end && !status)
    status = chars_push_decomposed(&w->chars, utf8_next(&p), compatible, w->e);
  chars_order(&w->chars);
  if (compose)
    chars_compose(&w->chars);
  return status ? status : put_chars(w);
}

#define FORM(name, compatible, compose)                                                            \
  int step_##name##_read(TokReading *r, const JsonValue *v, TokStep *s) {                          \
    return (void)r, (void)v, (void)s, 0;                                                           \
  }                                                                                                \
  int step_##name(const TokStep *s, TokWork *w) {                                                  \
    return (void)s, apply_form(w, compatible, compose);                                            \
  }
FORM(nfd, false, false)
FORM(nfc, false, true)
FORM(nfkd, true, false)
FORM(nfkc, true, true)
#undef FORM

// ---- character by character

// Appends the lower case of c.  One has two characters: I with a dot above.
static int add_lower(TokWork *w, int32_t c) {
  if (c < 0x80)
    return bytes_add_char(&w->other, c >= 'A' && c <= 'Z' ? c + 32 : c, w->e);
  if (c == 0x130)
    return bytes_add(&w->other, "i\xCC\x87", 3, w->e);
  return bytes_add_char(&w->other, unicode_lower(c), w->e);
}

int step_lowercase_read(TokReading *r, const JsonValue *v, TokStep *s) {
  return (void)r, (void)v, (void)s, 0;
}
int step_lowercase(const TokStep *s, TokWork *w) {
  const char *p = w->text.s, *end = p + w->text.n;
  int status = 0;
  (void)s;
  w->other.n = 0;
  while (p < end && !status)
    status = add_lower(w, utf8_next(&p));
  swap_texts(w);
  return status;
}

int step_strip_accents_read(TokReading *r, const JsonValue *v, TokStep *s) {
  return (void)r, (void)v, (void)s, 0;
}
int step_strip_accents(const TokStep *s, TokWork *w) {
  const char *p = w->text.s, *end = p + w->text.n;
  int status = 0;
  (void)s;
  w->other.n = 0;
  while (p < end && !status) {
    int32_t c = utf8_next(&p);
    if (c < 0x300 || !unicode_is_mark(c))
      status = bytes_add_char(&w->other, c, w->e);
  }
  swap_texts(w);
  return status;
}

// ---- BERT's: clean, ideographs apart, accents, case

int step_bert_read(TokReading *r, const JsonValue *v, TokStep *s) {
  s->clean = s->ideographs = s->lower = true;
  int status = read_bool(r, v, "clean_text", &s->clean);
  status = status ? status : read_bool(r, v, "handle_chinese_chars", &s->ideographs);
  status = status ? status : read_bool(r, v, "lowercase", &s->lower);
  s->strip = s->lower;
  return status ? status : read_bool(r, v, "strip_accents", &s->strip);
}

static int add_clean(const TokStep *s, TokWork *w, int32_t c) {
  Chars *out = &w->chars;
  if (s->clean && c < ' ' + 1)
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' ? chars_push(out, ' ', w->e) : 0;
  if (c < 0x7F)
    return chars_push(out, c, w->e);
  if (s->clean && (c == 0xFFFD || is_control(c)))
    return 0;
  if (s->clean && unicode_is_space(c))
    return chars_push(out, ' ', w->e);
  bool apart = s->ideographs && is_ideograph(c);
  int status = apart ? chars_push(out, ' ', w->e) : 0;
  status = status     ? status
           : s->strip ? chars_push_decomposed(out, c, false, w->e)
                      : chars_push(out, c, w->e);
  return status || !apart ? status : chars_push(out, ' ', w->e);
}

static int put_bert(const TokStep *s, TokWork *w, bool ascii) {
  int status = 0;
  w->other.n = 0;
  for (size_t i = 0; i < w->chars.n && !status; i++) {
    int32_t c = w->chars.v[i];
    if (s->strip && !ascii && is_accent(c))
      continue;
    status = s->lower ? add_lower(w, c) : bytes_add_char(&w->other, c, w->e);
  }
  swap_texts(w);
  return status;
}

int step_bert(const TokStep *s, TokWork *w) {
  const char *p = w->text.s, *end = p + w->text.n;
  bool ascii = is_ascii(p, w->text.n);
  int status = 0;
  w->chars.n = 0;
  while (p < end && !status)
    status = add_clean(s, w, utf8_next(&p));
  if (s->strip && !ascii)
    chars_order(&w->chars);
  return status ? status : put_bert(s, w, ascii);
}

// ---- Strip, Prepend, Replace

int step_strip_read(TokReading *r, const JsonValue *v, TokStep *s) {
  s->left = s->right = true;
  int status = read_bool(r, v, "strip_left", &s->left);
  return status ? status : read_bool(r, v, "strip_right", &s->right);
}
int step_strip(const TokStep *s, TokWork *w) {
  const char *p = w->text.s, *end = p + w->text.n, *first = NULL, *last = p;
  while (p < end) {
    const char *at = p;
    if (unicode_is_space(utf8_next(&p)))
      continue;
    first = first ? first : at;
    last = p;
  }
  const char *lo = !s->left ? w->text.s : first ? first : end, *hi = s->right ? last : end;
  size_t n = hi > lo ? (size_t)(hi - lo) : 0;
  if (n)
    memmove(w->text.s, lo, n);
  w->text.n = n;
  return 0;
}

int step_prepend_read(TokReading *r, const JsonValue *v, TokStep *s) {
  int status = read_text(r, v, "prepend", &s->text, &s->text_size);
  return status || s->text ? status : read_fail(r, v, "a Prepend without \"prepend\"");
}
int step_prepend(const TokStep *s, TokWork *w) {
  if (!w->text.n)
    return 0;
  w->other.n = 0;
  int status = bytes_add(&w->other, s->text, s->text_size, w->e);
  status = status ? status : bytes_add(&w->other, w->text.s, w->text.n, w->e);
  swap_texts(w);
  return status;
}

int step_replace_read(TokReading *r, const JsonValue *v, TokStep *s) {
  int status = read_text(r, v, "content", &s->text, &s->text_size);
  if (!status && !s->text)
    status = read_fail(r, v, "a Replace without \"content\"");
  return status ? status : read_pattern(r, v, s);
}
int step_replace(const TokStep *s, TokWork *w) {
  size_t at = 0, start, end;
  int status = 0;
  w->other.n = 0;
  while (!status && at < w->text.n &&
         pattern_find(s->pattern, w->text.s, w->text.n, at, &start, &end, &status, w->e) &&
         end > start) {
    status = bytes_add(&w->other, w->text.s + at, start - at, w->e);
    status = status ? status : bytes_add(&w->other, s->text, s->text_size, w->e);
    at = end;
  }
  status = status ? status : bytes_add(&w->other, w->text.s + at, w->text.n - at, w->e);
  swap_texts(w);
  return status;
}

// ---- SentencePiece's map of characters: a double-array trie of 32-bit units (its bytes, then they), and behind it the texts that it
// leads to, each ended by a NUL.

static int base64_digit(char c) {
  return c >= 'A' && c <= 'Z'   ? c - 'A'
         : c >= 'a' && c <= 'z' ? c - 'a' + 26
         : c >= '0' && c <= '9' ? c - '0' + 52
         : c == '+'             ? 62
         : c == '/'             ? 63
                                : -1;
}

static bool decode_base64(const char *s, size_t n, char *out, size_t *size) {
  unsigned bits = 0;
  int have = 0;
  *size = 0;
  while (n && s[n - 1] == '=')
    n--;
  for (size_t i = 0; i < n; i++) {
    int digit = base64_digit(s[i]);
    if (digit < 0)
      return false;
    bits = (bits << 6 | (unsigned)digit) & 0xFFFF;
    have += 6;
    if (have >= 8) {
      have -= 8;
      out[(*size)++] = (char)(bits >> have);
    }
  }
  return true;
}

static uint32_t map_unit(const TokStep *s, size_t i) {
  uint32_t u = 0;
  for (int k = 4; k-- > 0;)
    u = u << 8 | (unsigned char)s->map[4 + 4 * i + (size_t)k];
  return u;
}
static size_t map_units(const TokStep *s) {
  size_t n = 0;
  for (int k = 4; k-- > 0;)
    n = n << 8 | (unsigned char)s->map[k];
  return n / 4;
}

int step_precompiled_read(TokReading *r, const JsonValue *v, TokStep *s) {
  const JsonValue *text = json_get(v, "precompiled_charsmap");
  if (!text || text->kind != JSON_STRING)
    return read_fail(r, v, "a Precompiled without \"precompiled_charsmap\"");
  s->map = MALLOC_N(char, text->size + 4);
  if (!s->map)
    return bigs_fail_memory(r->e, r->path);
  bool good = decode_base64(text->text, text->size, s->map, &s->map_size) && s->map_size > 8;
  good = good && map_units(s) > 0 && map_units(s) <= (s->map_size - 4) / 4;
  // Texts end, since the last one does.
  size_t texts = good ? 4 + 4 * map_units(s) : 0;
  good = good && texts < s->map_size && !s->map[s->map_size - 1] &&
         utf8_valid(s->map + texts, s->map_size - texts) == s->map_size - texts;
  return good ? 0 : read_fail(r, text, "\"precompiled_charsmap\" is not a map of characters");
}

static size_t unit_offset(uint32_t unit) {
  return (size_t)(unit >> 10) << ((unit & 512) >> 6);
}

// What the shortest string of the map that s[0, n) begins with becomes; NULL: there is none.
static const char *mapped(const TokStep *s, const char *p, size_t n) {
  size_t units = map_units(s), at = unit_offset(map_unit(s, 0)), texts = 4 + 4 * units;
  for (size_t i = 0; i < n && p[i]; i++) {
    at ^= (unsigned char)p[i];
    uint32_t unit = at < units ? map_unit(s, at) : 0;
    if (at >= units || (unit & 0x800000FF) != (unsigned char)p[i])
      return NULL;
    at ^= unit_offset(unit);
    if (unit >> 8 & 1) {
      size_t text = at < units ? map_unit(s, at) & 0x7FFFFFFF : s->map_size;
      bool begins = text < s->map_size - texts && (s->map[texts + text] & 0xC0) != 0x80;
      return begins ? s->map + texts + text : NULL;
    }
  }
  return NULL;
}

static UnicodeCluster cluster_class(int32_t c) {
  return (UnicodeCluster)(unicode_record(c)->flags & UNICODE_CLUSTER);
}

// The end of the cluster of p (UAX 29), where it is of few bytes: Hangul and emoji, which join too, have more than the map looks at.
static const char *cluster_end(const char *p, const char *end) {
  const char *next = p;
  int32_t c = utf8_next(&next);
  UnicodeCluster k = cluster_class(c);
  if (c == '\r' && next < end && *next == '\n')
    return next + 1;
  while (k != UNICODE_CONTROL && next < end) {
    const char *at = next;
    UnicodeCluster more = cluster_class(utf8_next(&at));
    if (more == UNICODE_CONTROL ||
        (k != UNICODE_PREPENDS && more != UNICODE_EXTENDS && more != UNICODE_SPACING))
      break;
    k = more == UNICODE_PREPENDS ? UNICODE_PREPENDS : UNICODE_ALONE;
    next = at;
  }
  return next;
}

// A cluster of less than 6 bytes is looked up as a whole first: by what it begins with.
static int add_mapped(const TokStep *s, TokWork *w, const char *p, const char *stop) {
  const char *whole = stop - p < 6 ? mapped(s, p, (size_t)(stop - p)) : NULL;
  int status = whole ? bytes_add(&w->other, whole, strlen(whole), w->e) : 0;
  while (!whole && !status && p < stop) {
    const char *at = p;
    utf8_next(&p);
    const char *text = mapped(s, at, (size_t)(p - at));
    status = text ? bytes_add(&w->other, text, strlen(text), w->e)
                  : bytes_add(&w->other, at, (size_t)(p - at), w->e);
  }
  return status;
}

int step_precompiled(const TokStep *s, TokWork *w) {
  const char *p = w->text.s, *end = p + w->text.n;
  int status = 0;
  w->other.n = 0;
  while (p < end && !status) {
    bool plain = *p >= ' ' && *p < 0x7F && (end - p == 1 || (p[1] >= ' ' && p[1] < 0x7F));
    const char *stop = plain ? p + 1 : cluster_end(p, end);
    status = add_mapped(s, w, p, stop);
    p = stop;
  }
  swap_texts(w);
  return status;
}
