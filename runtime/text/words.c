// BERT's basic tokenization: see words.h.
#include "runtime/text/words.h"
#include "runtime/files/file.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

// Between two places where text is split for certain (white space, ideographs) lies a chunk.  It is
// held as characters, since decomposition and the order of marks look at neighbours, and is cut at
// punctuation when it ends.
struct Words {
  bool lower, marks; // marks: the chunk holds something that is not ASCII
  int32_t *chunk;
  char *bytes; // the UTF-8 of one word; room for 4 bytes a character of the chunk
  size_t n, cap;
  WordFn *fn;
  void *ctx;
  BigsError *e;
};

enum { MAX_DECOMPOSED = 32 }; // the longest canonical decomposition has 4 characters
typedef enum Class { KEEP, DROP, SPACE, IDEOGRAPH } Class;

Words *words_new(bool lower, BigsError *e) {
  Words *w = calloc(1, sizeof *w);
  if (!w) {
    bigs_fail_memory(e, "the tokenizer");
    return NULL;
  }
  w->lower = lower;
  return w;
}

void words_free(Words *w) {
  if (!w)
    return;
  free(w->chunk);
  free(w->bytes);
  free(w);
}

static bool is_ideograph(int32_t c) {
  static const struct {
    int32_t lo, hi;
  } blocks[] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0x20000, 0x2A6DF},
                {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B820, 0x2CEAF}, {0x2F800, 0x2FA1F}};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
    if (c >= blocks[i].lo && c <= blocks[i].hi)
      return true;
  return false;
}

static Class classify(int32_t c) {
  if (c > ' ' && c < 0x7F)
    return KEEP;
  if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
    return SPACE;
  if (c == 0 || c == 0xFFFD)
    return DROP;
  if (is_ideograph(c))
    return IDEOGRAPH;
  switch (utf8proc_category(c)) {
  case UTF8PROC_CATEGORY_ZS:
  case UTF8PROC_CATEGORY_ZL:
  case UTF8PROC_CATEGORY_ZP: return SPACE;
  case UTF8PROC_CATEGORY_CC:
  case UTF8PROC_CATEGORY_CF:
  case UTF8PROC_CATEGORY_CS:
  case UTF8PROC_CATEGORY_CO: return DROP;
  default: return KEEP;
  }
}

static bool is_punctuation(int32_t c) {
  if (c < 0x80)
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
           (c >= 123 && c <= 126);
  utf8proc_category_t k = utf8proc_category(c);
  return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

// ---- the chunk

static int push(Words *w, int32_t c) {
  if (w->n == w->cap) {
    size_t cap = w->cap * 2 + 256;
    int32_t *chunk = realloc(w->chunk, cap * sizeof *chunk);
    if (chunk)
      w->chunk = chunk;
    char *bytes = chunk ? realloc(w->bytes, cap * 4) : NULL;
    if (!bytes)
      return bigs_fail_memory(w->e, "a word");
    w->bytes = bytes;
    w->cap = cap;
  }
  w->chunk[w->n++] = c;
  return 0;
}

// Lower case, character by character (no rule for a final sigma), then canonical decomposition.
static int push_lowered(Words *w, int32_t c) {
  if (c < 0x80)
    return push(w, c >= 'A' && c <= 'Z' ? c + 32 : c);
  w->marks = true;
  int32_t out[MAX_DECOMPOSED];
  utf8proc_ssize_t n =
      utf8proc_decompose_char(utf8proc_tolower(c), out, MAX_DECOMPOSED, UTF8PROC_DECOMPOSE, NULL);
  if (n < 0 || n > MAX_DECOMPOSED) // unassigned characters decompose to themselves
    return push(w, c);
  int status = 0;
  for (utf8proc_ssize_t i = 0; i < n && !status; i++)
    status = push(w, out[i]);
  return status;
}

static int combining(int32_t c) {
  return c < 0x300 ? 0 : utf8proc_get_property(c)->combining_class;
}

// The canonical order: each run of characters of classes above 0, stably by class (insertion: runs
// are short, and hostile ones are cut by MAX_RUN since sorting them would take quadratic time).
static void order_marks(Words *w) {
  enum { MAX_RUN = 256 };
  for (size_t i = 1, start = 0; i < w->n; i++) {
    int32_t c = w->chunk[i];
    int class = combining(c);
    if (!class || i - start > MAX_RUN)
      start = i;
    size_t j = i;
    for (; class && j > start && combining(w->chunk[j - 1]) > class; j--)
      w->chunk[j] = w->chunk[j - 1];
    w->chunk[j] = c;
  }
}

static void drop_marks(Words *w) {
  size_t n = 0;
  for (size_t i = 0; i < w->n; i++)
    if (w->chunk[i] < 0x300 || utf8proc_category(w->chunk[i]) != UTF8PROC_CATEGORY_MN)
      w->chunk[n++] = w->chunk[i];
  w->n = n;
}

static int emit(Words *w, size_t lo, size_t hi) {
  char *o = w->bytes;
  for (size_t i = lo; i < hi; i++) {
    int32_t c = w->chunk[i];
    if (c < 0x80)
      *o++ = (char)c;
    else
      o += utf8proc_encode_char(c, (utf8proc_uint8_t *)o);
  }
  return w->fn(w->ctx, w->bytes, (size_t)(o - w->bytes), hi - lo);
}

static int flush(Words *w) {
  if (w->marks) {
    order_marks(w);
    drop_marks(w);
  }
  size_t start = 0;
  int status = 0;
  for (size_t i = 0; i < w->n && !status; i++) {
    if (!is_punctuation(w->chunk[i]))
      continue;
    status = start < i ? emit(w, start, i) : 0;
    status = status ? status : emit(w, i, i + 1);
    start = i + 1;
  }
  if (!status && start < w->n)
    status = emit(w, start, w->n);
  w->n = 0;
  w->marks = false;
  return status;
}

static int take(Words *w, int32_t c) {
  Class k = classify(c);
  if (k == DROP)
    return 0;
  int status = k == KEEP ? 0 : flush(w);
  if (status || k == SPACE)
    return status;
  status = w->lower ? push_lowered(w, c) : push(w, c);
  return status || k == KEEP ? status : flush(w);
}

int words_split(Words *w, const char *text, size_t n, WordFn *fn, void *ctx, BigsError *e) {
  size_t valid = utf8_valid(text, n);
  if (valid < n)
    return bigs_fail(e, BIGS_EMODEL, "byte %zu of the text is not UTF-8", valid);
  w->fn = fn;
  w->ctx = ctx;
  w->e = e;
  w->n = 0;
  int status = 0;
  for (size_t i = 0; i < n && !status;) {
    int32_t c = (unsigned char)text[i];
    if (c < 0x80)
      i++;
    else
      i += (size_t)utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(n - i),
                                    &c);
    status = take(w, c);
  }
  return status ? status : flush(w);
}
