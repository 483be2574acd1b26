// JSON (RFC 8259), read strictly: UTF-8 only, no duplicate names in an object, no lone surrogates,
// nothing behind the value, at most JSON_MAX_DEPTH levels.  The one reader of the project:
// safetensors headers, config.json, state.json.  What others' programs write beside weights is read
// as they read it: see json_read_python.
#ifndef BIGSC_RUNTIME_JSON_H
#define BIGSC_RUNTIME_JSON_H
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_MAX_DEPTH = 64 };
typedef enum JsonKind {
  JSON_NULL,
  JSON_FALSE,
  JSON_TRUE,
  JSON_NUMBER,
  JSON_STRING,
  JSON_ARRAY,
  JSON_OBJECT
} JsonKind;

typedef struct JsonValue JsonValue;
struct JsonValue {
  JsonKind kind;
  int count;        // items of an array, members of an object
  size_t offset;    // byte of the text where the value starts
  const char *key;  // member of an object: its name, decoded; else NULL
  size_t key_size;  // a name or a string may hold NUL characters
  const char *text; // string, decoded and NUL-terminated; number, as written
  size_t size;      // bytes of text
  JsonValue *child; // first item or member, in the order of the text
  JsonValue *next;  // next sibling
};

typedef struct JsonDoc JsonDoc;
// Parses text[0, size).  Errors name `path` and the byte: "config.json: byte 17: ...", status
// BIGS_EFILE.  Offsets count from `base`, the text's place in its file.  The text may go; the
// document owns all it points to.  NULL on failure.
JsonDoc *json_parse(const char *text, size_t size, const char *path, size_t base, BigsError *e);
JsonDoc *json_read(const char *path, BigsError *e); // a file of at most 100 MB
// The same, and what Python's json writes and reads besides: NaN, Infinity and -Infinity are numbers
// (that no function below takes for one), a byte order mark in front is skipped, and a lone
// surrogate in a string reads as U+FFFD.
JsonDoc *json_read_python(const char *path, BigsError *e);
const JsonValue *json_root(const JsonDoc *d);
void json_free(JsonDoc *d); // NULL is allowed

const char *json_kind_name(JsonKind k);                              // "an object", for messages
const JsonValue *json_get(const JsonValue *object, const char *key); // NULL: none, or no object
// False: not a number; not written as an integer, or beyond int64; beyond double's range.
bool json_int(const JsonValue *v, int64_t *out);
bool json_double(const JsonValue *v, double *out);
bool json_equals(const JsonValue *v, const char *text); // is it this string?

// ---- writing: append to a growing string of the caller's
typedef struct JsonText {
  char *s; // NUL-terminated once anything was added; the caller frees it
  size_t n, cap;
  bool failed; // out of memory; s is still valid, and cut
} JsonText;
void json_raw(JsonText *t, const char *text);
// Quoted; valid UTF-8 passes as it is, quotes, backslashes and controls are escaped.
void json_put_string(JsonText *t, const char *s, size_t n);
// The shortest of %.15g, %.16g, %.17g that reads back the same; NaN and infinities, which JSON
// lacks, become null.  Independent of the locale.
void json_put_double(JsonText *t, double x);
// The shortest text of 15 to 17 digits that reads as x; size: 32 and more.
void json_double_text(double x, char *text, size_t size);
void json_put_int(JsonText *t, int64_t x);
#endif
