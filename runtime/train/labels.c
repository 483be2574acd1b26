// See labels.h.
#include "runtime/train/labels.h"
#include "base/alloc.h"
#include "base/hash.h"
#include "runtime/files/file.h"
#include "runtime/train/decimal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void labels_free(Labels *l) {
  for (int i = 0; i < l->n; i++)
    free(l->name[i]);
  free(l->name);
  *l = (Labels){0};
}

static int labels_room(Labels *l, int n, BigsError *e) {
  *l = (Labels){.name = ALLOC_N(char *, n + 1)};
  l->n = l->name ? n : 0;
  return l->name ? 0 : bigs_fail_memory(e, "names of labels");
}

static int labels_set(Labels *l, int i, const char *name, BigsError *e) {
  l->name[i] = strdup(name);
  return l->name[i] ? 0 : bigs_fail_memory(e, "names of labels");
}

int labels_copy(const Labels *from, Labels *out, BigsError *e) {
  int err = labels_room(out, from->n, e);
  for (int i = 0; i < from->n && !err; i++)
    err = labels_set(out, i, from->name[i], e);
  if (err)
    labels_free(out);
  return err;
}

// ---- config.json
static bool is_made_up(const Labels *l) {
  char name[32];
  for (int i = 0; i < l->n; i++) {
    snprintf(name, sizeof name, "LABEL_%d", i);
    if (strcmp(name, l->name[i]))
      return false;
  }
  return true;
}

// The class that a key of id2label is, or -1.
static int class_of_key(const char *key, int n) {
  char *end;
  long i = strtol(key, &end, 10);
  return *key >= '0' && *key <= '9' && !*end && i < n ? (int)i : -1;
}

static int labels_parse(const JsonValue *v, const char *path, Labels *out, BigsError *e) {
  int err = v->kind == JSON_OBJECT ? labels_room(out, v->count, e) : BIGS_EFILE;
  for (const JsonValue *x = v->child; x && !err; x = x->next) {
    int i = class_of_key(x->key, v->count);
    bool name = i >= 0 && !out->name[i] && x->kind == JSON_STRING && strlen(x->text) == x->size;
    err = name ? labels_set(out, i, x->text, e) : BIGS_EFILE;
  }
  if (err == BIGS_EFILE && !e->status)
    bigs_fail(e, BIGS_EFILE, "%s: id2label does not name the classes \"0\", \"1\", ...", path);
  if (err || is_made_up(out))
    labels_free(out);
  return err;
}

int labels_of_folder(const char *folder, Labels *out, BigsError *e) {
  *out = (Labels){0};
  char *path = file_join(folder, "config.json", e);
  if (!path)
    return e->status;
  JsonDoc *doc = access(path, F_OK) ? NULL : json_read_python(path, e);
  const JsonValue *v = doc ? json_get(json_root(doc), "id2label") : NULL;
  int err = v && v->kind != JSON_NULL ? labels_parse(v, path, out, e) : e->status;
  json_free(doc);
  free(path);
  return err;
}

static void put_number_key(JsonText *t, int i) {
  char key[32];
  snprintf(key, sizeof key, "\"%d\": ", i);
  json_raw(t, key);
}

void labels_put(JsonText *t, const Labels *l) {
  for (int back = 0; back < 2 && l->n; back++) {
    json_raw(t, back ? "  \"label2id\": {" : "  \"id2label\": {");
    for (int i = 0; i < l->n; i++) {
      json_raw(t, i ? ", " : "");
      if (!back)
        put_number_key(t, i);
      json_put_string(t, l->name[i], strlen(l->name[i]));
      json_raw(t, back ? ": " : "");
      if (back)
        json_put_int(t, i);
    }
    json_raw(t, "},\n");
  }
}

// ---- words of data
void label_words_free(LabelWords *w) {
  for (int i = 0; i < w->n; i++)
    free(w->v[i].text);
  free(w->v);
  map_free(&w->map);
  *w = (LabelWords){0};
}

typedef struct WantedLabel {
  const LabelWords *words;
  const char *s;
  size_t n;
} WantedLabel;

static bool is_wanted_label(const void *wanted, uint64_t value) {
  const WantedLabel *w = wanted;
  const char *text = w->words->v[value].text;
  return strlen(text) == w->n && !memcmp(text, w->s, w->n);
}

static int label_words_grow(LabelWords *w, BigsError *e) {
  if (w->n < w->cap)
    return 0;
  int cap = w->cap * 2 + 16;
  LabelWord *v = REALLOC_N(LabelWord, w->v, cap);
  if (!v)
    return bigs_fail_memory(e, "the labels of the data");
  w->v = v;
  w->cap = cap;
  return 0;
}

int label_words_add(LabelWords *w, const char *s, size_t n, LabelWord at, int32_t *number,
                    BigsError *e) {
  if (n && memchr(s, 0, n))
    return bigs_fail(e, BIGS_EMODEL, "%s:%zu: a label with a NUL byte", at.path, at.line);
  uint64_t key = hash_bytes(0, s, n) | 1; // 0 is no key
  const uint64_t *found = map_find(&w->map, key, is_wanted_label, &(WantedLabel){w, s, n});
  *number = found ? (int32_t)*found : w->n;
  if (found)
    return 0;
  if (label_words_grow(w, e))
    return e->status;
  at.text = strndup(s, n);
  if (!at.text || !map_add(&w->map, key, (uint64_t)w->n)) {
    free(at.text);
    return bigs_fail_memory(e, "the labels of the data");
  }
  w->v[w->n++] = at;
  return 0;
}

// ---- classes of words
static int label_at(const LabelWord *w, BigsError *e, const char *what) {
  return bigs_fail(e, BIGS_EMODEL, "%s:%zu: label \"%.40s\" %s", w->path, w->line, w->text, what);
}

static bool whole_number(const char *s, int64_t *x) {
  size_t n = strspn(s, "0123456789");
  *x = n && n < 10 && !s[n] ? strtoll(s, NULL, 10) : -1;
  return *x >= 0;
}

static bool any_number(const char *s) {
  double x;
  return decimal_read(s, strlen(s), &x);
}

static int label_of_name(const Labels *l, const char *name) {
  int i = l ? l->n - 1 : -1;
  while (i >= 0 && strcmp(l->name[i], name) != 0)
    i--;
  return i;
}

// Files whose labels are the numbers of classes that have names, which are words.
static int class_of_word(const Labels *known, const char *word) {
  int64_t x;
  int i = label_of_name(known, word);
  for (int k = 0; i < 0 && known && k < known->n; k++)
    if (any_number(known->name[k]))
      return -1;
  return i < 0 && known && whole_number(word, &x) && x < known->n ? (int)x : i;
}

static int numbers_of_words(const LabelWords *w, const LabelRules *r, int32_t *class_of,
                            BigsError *e) {
  for (int i = 0; i < w->n; i++) {
    int64_t x;
    if (!whole_number(w->v[i].text, &x))
      return label_at(&w->v[i], e, "is not a whole number from 0");
    if (r->classes > 0 && x >= r->classes)
      return bigs_fail(e, BIGS_EMODEL,
                       "%s:%zu: label %lld, but the model has %lld classes, 0 to %lld",
                       w->v[i].path, w->v[i].line, (long long)x, (long long)r->classes,
                       (long long)r->classes - 1);
    class_of[i] = (int32_t)x;
  }
  return 0;
}

static int by_bytes(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

// Each class has a name, so that what is trained can say it: the first word too many is blamed, or, of too few, the last one.
static int other_count(const LabelWords *w, const LabelRules *r, BigsError *e) {
  const LabelWord *at = &w->v[w->n > r->classes ? r->classes : w->n - 1];
  char fix[128] = "";
  if (r->dim)
    snprintf(fix, sizeof fix, ": -D %.64s=%d", r->dim, w->n);
  return bigs_fail(e, BIGS_EMODEL,
                   "%s:%zu: label \"%.40s\" is one of %d, but the model has %lld classes%s",
                   at->path, at->line, at->text, w->n, (long long)r->classes, fix);
}

static int names_of_words(const LabelWords *w, const LabelRules *r, int32_t *class_of,
                          Labels *names, BigsError *e) {
  for (int i = 0; i < w->n; i++)
    if (any_number(w->v[i].text))
      return label_at(&w->v[i], e, "is a number, and others are words");
  if (r->classes > 0 && w->n > 0 && w->n != r->classes)
    return other_count(w, r, e);
  int err = labels_room(names, w->n, e);
  for (int i = 0; i < w->n && !err; i++)
    err = labels_set(names, i, w->v[i].text, e);
  if (err)
    return err;
  qsort(names->name, (size_t)names->n, sizeof *names->name, by_bytes);
  for (int i = 0; i < w->n; i++)
    class_of[i] = label_of_name(names, w->v[i].text);
  return 0;
}

// The first word that is none of the known names; NULL: all are.
static const LabelWord *known_classes(const LabelWords *w, const Labels *known, int32_t *class_of) {
  for (int i = 0; i < w->n; i++)
    if ((class_of[i] = class_of_word(known, w->v[i].text)) < 0)
      return &w->v[i];
  return NULL;
}

int label_words_classes(const LabelWords *w, const LabelRules *r, int32_t *class_of, Labels *names,
                        BigsError *e) {
  int64_t x;
  bool known = r->known && r->known->n, numbers = w->n && any_number(w->v[0].text);
  if (known && !r->fixed && r->classes > 0 && r->known->n != r->classes)
    known = false; // of a head that starts fresh
  const LabelWord *unknown = known ? known_classes(w, r->known, class_of) : NULL;
  if (known && !unknown)
    return labels_copy(r->known, names, e);
  if (known && r->fixed)
    return label_at(unknown, e, "is none of those that the model was trained with (id2label)");
  if (r->fixed && w->n && !whole_number(w->v[0].text, &x))
    return label_at(&w->v[0], e,
                    "is not a whole number from 0, and the model's config.json names no labels "
                    "(id2label)");
  for (int i = 0; i < w->n; i++)
    if (!*w->v[i].text)
      return label_at(&w->v[i], e, "is empty");
  return numbers ? numbers_of_words(w, r, class_of, e) : names_of_words(w, r, class_of, names, e);
}
