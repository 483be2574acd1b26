// libFuzzer: any bytes as JSON.  What is read keeps its promises, and written again it reads the same.
#include "runtime/files/json.h"
#include "tests/fuzz/fuzz.h"
#include <math.h>

static void check_number(const JsonValue *v) {
  int64_t whole;
  double x;
  bool is_whole = json_int(v, &whole), is_double = json_double(v, &x);
  must(!is_double || isfinite(x));
  must(!is_whole || (is_double && fabs((double)whole - x) <= fabs(x) * 1e-15));
}

static void check(const JsonValue *v, size_t size, int depth) {
  int count = 0;
  must(v->offset < size && depth <= JSON_MAX_DEPTH);
  must(v->kind == JSON_ARRAY || v->kind == JSON_OBJECT || !v->child);
  if (v->kind == JSON_NUMBER)
    check_number(v);
  if (v->kind == JSON_STRING || v->kind == JSON_NUMBER)
    must(v->text[v->size] == 0);
  for (const JsonValue *c = v->child; c; c = c->next, count++) {
    must(c->offset > v->offset && (c->key != NULL) == (v->kind == JSON_OBJECT));
    if (c->key && strlen(c->key) == c->key_size)
      must(json_get(v, c->key) == c);
    check(c, size, depth + 1);
  }
  must(count == v->count);
}

static void put(JsonText *t, const JsonValue *v);

static void put_members(JsonText *t, const JsonValue *v) {
  json_raw(t, v->kind == JSON_OBJECT ? "{" : "[");
  for (const JsonValue *c = v->child; c; c = c->next) {
    if (c->key) {
      json_put_string(t, c->key, c->key_size);
      json_raw(t, ":");
    }
    put(t, c);
    json_raw(t, c->next ? "," : "");
  }
  json_raw(t, v->kind == JSON_OBJECT ? "}" : "]");
}

static void put(JsonText *t, const JsonValue *v) {
  double x;
  switch (v->kind) {
  case JSON_NULL: json_raw(t, "null"); return;
  case JSON_FALSE: json_raw(t, "false"); return;
  case JSON_TRUE: json_raw(t, "true"); return;
  case JSON_STRING: json_put_string(t, v->text, v->size); return;
  case JSON_NUMBER:
    if (json_double(v, &x))
      json_put_double(t, x);
    else
      json_raw(t, v->text);
    return;
  default: put_members(t, v);
  }
}

static bool same_text(const char *a, size_t n, const char *b, size_t m) {
  return n == m && (!n || !memcmp(a, b, n));
}

static void compare(const JsonValue *a, const JsonValue *b) {
  double x, y;
  must(a->kind == b->kind && a->count == b->count &&
       same_text(a->key, a->key_size, b->key, b->key_size));
  if (a->kind == JSON_STRING)
    must(same_text(a->text, a->size, b->text, b->size));
  if (a->kind == JSON_NUMBER && json_double(a, &x))
    must(json_double(b, &y) && x == y);
  for (a = a->child, b = b->child; a; a = a->next, b = b->next)
    compare(a, b);
}

// What is JSON reads as Python's too; what Python alone writes is checked, no more.
static void read_as_python(const uint8_t *data, size_t size, const JsonDoc *strict) {
  char path[64];
  BigsError e = {{0}, 0};
  fuzz_write(fuzz_path(path, "x.json"), data, size);
  JsonDoc *d = json_read_python(path, &e);
  if (!d)
    must_explain(&e);
  must(d || !strict);
  if (d && strict)
    compare(json_root(strict), json_root(d));
  else if (d)
    check(json_root(d), size, 0);
  json_free(d);
}

static void write_and_read(const JsonDoc *d) {
  JsonText t = {0};
  put(&t, json_root(d));
  JsonDoc *again = json_parse(t.s, t.n, "again.json", 0, NULL);
  must(again != NULL);
  compare(json_root(d), json_root(again));
  json_free(again);
  free(t.s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  BigsError e = {{0}, 0};
  JsonDoc *d = json_parse((const char *)data, size, "fuzz.json", 0, &e);
  read_as_python(data, size, d);
  if (d) {
    check(json_root(d), size, 0);
    write_and_read(d);
  } else {
    must_explain(&e);
  }
  json_free(d);
  return 0;
}
