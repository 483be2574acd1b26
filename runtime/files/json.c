// A strict JSON reader without recursion: see json.h.
//
// Values live in blocks of the document and decoded strings in one buffer no longer than the text
// (decoding never lengthens), so that a document is a handful of allocations.
#include "runtime/files/json.h"
#include "runtime/files/file.h"
#include "base/alloc.h"
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512, MAX_FILE = 100 << 20 };

typedef struct JsonBlock {
  struct JsonBlock *next;
  int used;
  JsonValue v[BLOCK];
} JsonBlock;

struct JsonDoc {
  JsonBlock *blocks;
  char *strings;
  JsonValue *root;
};

typedef struct JsonParser {
  JsonDoc *doc;
  const char *start, *p, *end, *path;
  size_t base;
  bool python; // see json_read_python
  char *string_at;
  JsonValue *open[JSON_MAX_DEPTH], *last[JSON_MAX_DEPTH]; // containers under way, their last child
  int depth;
  BigsError *e;
} JsonParser;

static int fail_at(JsonParser *s, const char *at, const char *what) {
  size_t byte = (size_t)(at - s->start) + s->base;
  return bigs_fail(s->e, BIGS_EFILE, "%s: byte %zu: %s", s->path, byte, what);
}

static void skip_space(JsonParser *s) {
  while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
    s->p++;
}

static bool take(JsonParser *s, char c) {
  if (s->p < s->end && *s->p == c) {
    s->p++;
    return true;
  }
  return false;
}

static JsonValue *new_value(JsonParser *s) {
  JsonBlock *b = s->doc->blocks;
  if (!b || b->used == BLOCK) {
    if (!(b = ALLOC(JsonBlock))) {
      bigs_fail_memory(s->e, s->path);
      return NULL;
    }
    b->next = s->doc->blocks;
    s->doc->blocks = b;
  }
  JsonValue *v = &b->v[b->used++];
  v->offset = (size_t)(s->p - s->start) + s->base;
  return v;
}

// ---- strings

static int hex4(JsonParser *s, unsigned *out) {
  *out = 0;
  for (int i = 0; i < 4; i++, s->p++) {
    int c = s->p < s->end ? *s->p : 0, lower = c | 32;
    int digit = c >= '0' && c <= '9'           ? c - '0'
                : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                               : -1;
    if (digit < 0)
      return fail_at(s, s->p, "\\u needs four hexadecimal digits");
    *out = *out * 16 + (unsigned)digit;
  }
  return 0;
}

static char *put_utf8(char *o, unsigned c) {
  if (c < 0x80) {
    *o++ = (char)c;
    return o;
  }
  int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  static const unsigned char lead[4] = {0, 0xC0, 0xE0, 0xF0};
  *o++ = (char)(lead[more] | c >> (6 * more));
  while (more--)
    *o++ = (char)(0x80 | (c >> (6 * more) & 0x3F));
  return o;
}

// The low half behind a high one, when it is there.
static int low_surrogate(JsonParser *s, unsigned *low) {
  const char *behind = s->p;
  *low = 0;
  if (take(s, '\\') && take(s, 'u') && hex4(s, low))
    return BIGS_EFILE;
  if (*low < 0xDC00 || *low > 0xDFFF) {
    *low = 0;
    s->p = behind;
  }
  return 0;
}

// p stands behind "\u".
static int unicode_escape(JsonParser *s, char **o) {
  const char *at = s->p - 2;
  unsigned c, low = 0;
  if (hex4(s, &c))
    return BIGS_EFILE;
  bool high = c >= 0xD800 && c < 0xDC00;
  if (high && low_surrogate(s, &low))
    return BIGS_EFILE;
  if (low)
    c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
  else if (c >= 0xD800 && c < 0xE000 && s->python)
    c = 0xFFFD;
  else if (c >= 0xD800 && c < 0xE000)
    return fail_at(s, at,
                   high ? "a high surrogate without its low one"
                        : "a low surrogate without its high one");
  *o = put_utf8(*o, c);
  return 0;
}

static int escape(JsonParser *s, char **o) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  char c = s->p < s->end ? *s->p++ : 0;
  if (c == 'u')
    return unicode_escape(s, o);
  const char *at = c ? strchr(from, c) : NULL;
  if (!at)
    return fail_at(s, s->p - (c != 0), "unknown escape in a string");
  *(*o)++ = to[at - from];
  return 0;
}

// p stands at the opening quote.
static int string(JsonParser *s, const char **text, size_t *size) {
  const char *open = s->p++;
  char *o = s->string_at;
  for (;;) {
    if (s->p == s->end)
      return fail_at(s, open, "a string without its closing quote");
    unsigned char c = (unsigned char)*s->p;
    if (c == '"')
      break;
    if (c < 0x20)
      return fail_at(s, s->p, "a control character in a string");
    s->p++;
    if (c != '\\')
      *o++ = (char)c;
    else if (escape(s, &o))
      return BIGS_EFILE;
  }
  s->p++;
  *o = 0;
  *text = s->string_at;
  *size = (size_t)(o - s->string_at);
  s->string_at = o + 1;
  return 0;
}

// ---- numbers and words

static bool digits(JsonParser *s) {
  const char *at = s->p;
  while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
    s->p++;
  return s->p > at;
}

static int number_text(JsonParser *s, JsonValue *v, const char *at) {
  v->kind = JSON_NUMBER;
  v->size = (size_t)(s->p - at);
  v->text = (const char *)memcpy(s->string_at, at, v->size);
  s->string_at[v->size] = 0;
  s->string_at += v->size + 1;
  return 0;
}

static bool is_word(JsonParser *s, const char *word) {
  size_t n = strlen(word);
  bool yes = (size_t)(s->end - s->p) >= n && !memcmp(s->p, word, n);
  s->p += yes ? n : 0;
  return yes;
}

static bool not_finite(JsonParser *s) {
  return s->python && (is_word(s, "NaN") || is_word(s, "Infinity") || is_word(s, "-Infinity"));
}

static int number(JsonParser *s, JsonValue *v) {
  const char *at = s->p;
  take(s, '-');
  bool ok = take(s, '0') || digits(s);
  if (ok && take(s, '.'))
    ok = digits(s);
  if (ok && (take(s, 'e') || take(s, 'E'))) {
    if (!take(s, '+'))
      take(s, '-');
    ok = digits(s);
  }
  if (!ok || (s->p < s->end && *s->p >= '0' && *s->p <= '9'))
    return fail_at(s, at, "a malformed number");
  return number_text(s, v, at);
}

static int word(JsonParser *s, JsonValue *v) {
  static const char *const words[] = {"null", "false", "true"};
  for (int i = 0; i < 3; i++)
    if (is_word(s, words[i])) {
      v->kind = (JsonKind)i;
      return 0;
    }
  return fail_at(s, s->p, s->p == s->end ? "the text ends where a value should be" : "not a value");
}

// ---- containers

static int by_key(const void *a, const void *b) {
  const JsonValue *x = *(JsonValue *const *)a, *y = *(JsonValue *const *)b;
  size_t n = x->key_size < y->key_size ? x->key_size : y->key_size;
  int c = memcmp(x->key, y->key, n);
  return c ? c : (x->key_size > y->key_size) - (x->key_size < y->key_size);
}

static int check_unique(JsonParser *s, const JsonValue *object) {
  if (object->count < 2)
    return 0;
  JsonValue **sorted = MALLOC_N(JsonValue *, object->count);
  if (!sorted)
    return bigs_fail_memory(s->e, s->path);
  int n = 0, status = 0;
  for (JsonValue *m = object->child; m; m = m->next)
    sorted[n++] = m;
  qsort(sorted, (size_t)n, sizeof *sorted, by_key);
  for (int i = 1; i < n && !status; i++)
    if (!by_key(&sorted[i - 1], &sorted[i])) {
      const JsonValue *a = sorted[i - 1], *b = sorted[i];
      size_t first = a->offset < b->offset ? a->offset : b->offset;
      status = bigs_fail(s->e, BIGS_EFILE,
                         "%s: bytes %zu and %zu: the name \"%.200s\" twice in one object", s->path,
                         first, a->offset + b->offset - first, a->key);
    }
  free(sorted);
  return status;
}

static int open_container(JsonParser *s, JsonValue *v, JsonKind kind) {
  if (s->depth == JSON_MAX_DEPTH)
    return fail_at(s, s->p, "nested too deep");
  v->kind = kind;
  s->open[s->depth] = v;
  s->last[s->depth++] = NULL;
  s->p++;
  return 0;
}

static int scalar_or_open(JsonParser *s, JsonValue *v) {
  char c = s->p < s->end ? *s->p : 0;
  v->offset = (size_t)(s->p - s->start) + s->base;
  if (c == '{' || c == '[')
    return open_container(s, v, c == '{' ? JSON_OBJECT : JSON_ARRAY);
  if (c == '"') {
    v->kind = JSON_STRING;
    return string(s, &v->text, &v->size);
  }
  const char *at = s->p;
  if (not_finite(s))
    return number_text(s, v, at);
  return c == '-' || (c >= '0' && c <= '9') ? number(s, v) : word(s, v);
}

// The name and colon before a member's value.
static int member_name(JsonParser *s, JsonValue *v) {
  if (s->p == s->end || *s->p != '"')
    return fail_at(s, s->p, "a member's name in quotes should be here");
  if (string(s, &v->key, &v->key_size))
    return BIGS_EFILE;
  skip_space(s);
  if (!take(s, ':'))
    return fail_at(s, s->p, "':' should follow the member's name");
  skip_space(s);
  return 0;
}

// One step inside the innermost container: its end, or one more item (which may open another).
static int take_item(JsonParser *s) {
  JsonValue *in = s->open[s->depth - 1], **last = &s->last[s->depth - 1];
  bool object = in->kind == JSON_OBJECT;
  skip_space(s);
  if (take(s, object ? '}' : ']')) {
    s->depth--;
    return object ? check_unique(s, in) : 0;
  }
  if (*last && !take(s, ','))
    return fail_at(s, s->p, object ? "',' or '}' should be here" : "',' or ']' should be here");
  skip_space(s);
  JsonValue *v = new_value(s);
  if (!v)
    return BIGS_EMODEL;
  if (*last)
    (*last)->next = v;
  else
    in->child = v;
  *last = v;
  in->count++;
  int status = object ? member_name(s, v) : 0;
  return status ? status : scalar_or_open(s, v);
}

static int parse(JsonParser *s) {
  size_t size = (size_t)(s->end - s->start), valid = utf8_valid(s->start, size);
  if (valid < size)
    return fail_at(s, s->start + valid, "not UTF-8");
  if (s->python)
    is_word(s, "\xEF\xBB\xBF");
  skip_space(s);
  s->doc->root = new_value(s);
  int status = s->doc->root ? scalar_or_open(s, s->doc->root) : BIGS_EMODEL;
  while (!status && s->depth)
    status = take_item(s);
  skip_space(s);
  if (!status && s->p < s->end)
    status = fail_at(s, s->p, "something follows the value");
  return status;
}

static JsonDoc *document(const char *text, size_t size, const char *path, size_t base, bool python,
                         BigsError *e) {
  JsonDoc *d = ALLOC(JsonDoc);
  // A number needs one byte more than its text, for the NUL, and all but the last one of a text
  // have a delimiter behind them; a string needs one byte less.
  if (!d || !(d->strings = MALLOC_N(char, size + 1))) {
    free(d);
    bigs_fail_memory(e, path);
    return NULL;
  }
  JsonParser s = {
      .doc = d, .start = text, .p = text, .end = text + size, .path = path, .base = base};
  s.python = python;
  s.string_at = d->strings;
  s.e = e;
  if (parse(&s)) {
    json_free(d);
    return NULL;
  }
  return d;
}

JsonDoc *json_parse(const char *text, size_t size, const char *path, size_t base, BigsError *e) {
  return document(text, size, path, base, false, e);
}

static JsonDoc *read_document(const char *path, bool python, BigsError *e) {
  size_t size;
  char *text = file_read(path, MAX_FILE, &size, e);
  JsonDoc *d = text ? document(text, size, path, 0, python, e) : NULL;
  free(text);
  return d;
}

JsonDoc *json_read(const char *path, BigsError *e) {
  return read_document(path, false, e);
}
JsonDoc *json_read_python(const char *path, BigsError *e) {
  return read_document(path, true, e);
}

const JsonValue *json_root(const JsonDoc *d) {
  return d->root;
}

void json_free(JsonDoc *d) {
  if (!d)
    return;
  for (JsonBlock *b = d->blocks, *next; b; b = next) {
    next = b->next;
    free(b);
  }
  free(d->strings);
  free(d);
}

// ---- looking at values

const char *json_kind_name(JsonKind k) {
  static const char *const names[] = {"null",     "false",    "true",     "a number",
                                      "a string", "an array", "an object"};
  return names[k];
}

const JsonValue *json_get(const JsonValue *object, const char *key) {
  if (!object || object->kind != JSON_OBJECT)
    return NULL;
  size_t n = strlen(key);
  for (const JsonValue *m = object->child; m; m = m->next)
    if (m->key_size == n && !memcmp(m->key, key, n))
      return m;
  return NULL;
}

bool json_int(const JsonValue *v, int64_t *out) {
  if (!v || v->kind != JSON_NUMBER)
    return false;
  bool negative = v->text[0] == '-';
  uint64_t x = 0, limit = (uint64_t)INT64_MAX + negative;
  for (const char *p = v->text + negative; *p; p++) {
    unsigned digit = (unsigned)*p - '0';
    if (digit > 9 || x > (limit - digit) / 10)
      return false;
    x = x * 10 + digit;
  }
  *out = negative ? (int64_t)(0 - x) : (int64_t)x;
  return true;
}

// strtod reads the locale's decimal point, which the host program may have set.
static double parse_double(const char *text) {
  const char *point = localeconv()->decimal_point, *dot = strchr(text, '.');
  size_t n = strlen(text), m = strlen(point), before = dot ? (size_t)(dot - text) : 0;
  char copy[512];
  if (!dot || !strcmp(point, ".") || n + m > sizeof copy)
    return strtod(text, NULL);
  memcpy(copy, text, before);
  memcpy(copy + before, point, m);
  memcpy(copy + before + m, dot + 1, n - before);
  return strtod(copy, NULL);
}

bool json_double(const JsonValue *v, double *out) {
  if (!v || v->kind != JSON_NUMBER)
    return false;
  double x = parse_double(v->text);
  *out = x;
  return x - x == 0; // finite
}

bool json_equals(const JsonValue *v, const char *text) {
  return v && v->kind == JSON_STRING && v->size == strlen(text) && !memcmp(v->text, text, v->size);
}
