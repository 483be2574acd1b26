// BERT's basic tokenization: see words.h.
#include "runtime/text/words.h"
#include "base/alloc.h"
#include "base/utf8.h"
#include "runtime/text/forms.h"
#include "runtime/text/unicode.h"

// Between two places where text is split for certain (white space, ideographs) lies a chunk.  It is
// held as characters, since decomposition and the order of marks look at neighbours, and is cut at
// punctuation when it ends.
struct Words {
  WordsCase to;
  bool marks; // the chunk holds something that is not ASCII
  Chars chunk;
  char *bytes; // the UTF-8 of one word; room for 4 bytes a character of the chunk
  size_t room; // characters that this is for
  WordFn *fn;
  void *ctx;
  BigsError *e;
};

typedef enum WordClass { WORD_KEEP, WORD_DROP, WORD_SPACE, WORD_IDEOGRAPH } WordClass;

Words *words_new(WordsCase to, BigsError *e) {
  Words *w = ALLOC(Words);
  if (!w) {
    bigs_fail_memory(e, "the tokenizer");
    return NULL;
  }
  w->to = to;
  return w;
}

void words_free(Words *w) {
  if (!w)
    return;
  free(w->chunk.v);
  free(w->bytes);
  free(w);
}

bool is_ideograph(int32_t c) {
  static const struct {
    int32_t lo, hi;
  } blocks[] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0x20000, 0x2A6DF},
                {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F}};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
    if (c >= blocks[i].lo && c <= blocks[i].hi)
      return true;
  return false;
}

bool is_control(int32_t c) {
  UnicodeCategory k = unicode_bert_category(c);
  return k >= UNICODE_CC && k <= UNICODE_CO;
}

bool is_accent(int32_t c) {
  return c >= 0x300 && unicode_bert_category(c) == UNICODE_MN;
}

static WordClass classify(int32_t c) {
  if (c > ' ' && c < 0x7F)
    return WORD_KEEP;
  if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
    return WORD_SPACE;
  if (c == 0 || c == 0xFFFD)
    return WORD_DROP;
  if (is_ideograph(c))
    return WORD_IDEOGRAPH;
  if (is_control(c))
    return WORD_DROP;
  return unicode_is_space(c) ? WORD_SPACE : WORD_KEEP;
}

bool is_symbol_char(int32_t c) {
  if (c < 0x80)
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
           (c >= 123 && c <= 126);
  UnicodeCategory k = unicode_bert_category(c);
  return k >= UNICODE_PC && k <= UNICODE_PO;
}

// ---- the chunk

// Lower case, character by character (no rule for a final sigma; I with a dot keeps it), and then perhaps canonical decomposition.
static int push_lowered(Words *w, int32_t c) {
  enum { DOTTED_I = 0x130, DOT = 0x307 };
  bool plain = w->to == WORDS_PLAIN;
  if (c < 0x80)
    return chars_push(&w->chunk, c >= 'A' && c <= 'Z' ? c + 32 : c, w->e);
  w->marks |= plain;
  if (plain)
    return chars_push_decomposed(&w->chunk, unicode_lower(c), false, w->e);
  int status = chars_push(&w->chunk, unicode_lower(c), w->e);
  return status || c != DOTTED_I ? status : chars_push(&w->chunk, DOT, w->e);
}

static void drop_marks(Chars *t) {
  size_t n = 0;
  for (size_t i = 0; i < t->n; i++)
    if (!is_accent(t->v[i]))
      t->v[n++] = t->v[i];
  t->n = n;
}

static int emit_word(Words *w, size_t lo, size_t hi) {
  char *o = w->bytes;
  for (size_t i = lo; i < hi; i++) {
    int32_t c = w->chunk.v[i];
    if (c < 0x80)
      *o++ = (char)c;
    else
      o += utf8_put(o, c);
  }
  return w->fn(w->ctx, w->bytes, (size_t)(o - w->bytes), hi - lo);
}

static int make_room(Words *w) {
  if (w->chunk.n <= w->room)
    return 0;
  char *bytes = REALLOC_N(char, w->bytes, w->chunk.cap * 4);
  if (!bytes)
    return bigs_fail_memory(w->e, "a word");
  w->bytes = bytes;
  w->room = w->chunk.cap;
  return 0;
}

static int flush_words(Words *w) {
  if (w->marks) {
    chars_order(&w->chunk);
    drop_marks(&w->chunk);
  }
  size_t start = 0;
  int status = make_room(w);
  for (size_t i = 0; i < w->chunk.n && !status; i++) {
    if (!is_symbol_char(w->chunk.v[i]))
      continue;
    status = start < i ? emit_word(w, start, i) : 0;
    status = status ? status : emit_word(w, i, i + 1);
    start = i + 1;
  }
  if (!status && start < w->chunk.n)
    status = emit_word(w, start, w->chunk.n);
  w->chunk.n = 0;
  w->marks = false;
  return status;
}

static int take_char(Words *w, int32_t c) {
  WordClass k = classify(c);
  if (k == WORD_DROP)
    return 0;
  int status = k == WORD_KEEP ? 0 : flush_words(w);
  if (status || k == WORD_SPACE)
    return status;
  status = w->to == WORDS_KEPT ? chars_push(&w->chunk, c, w->e) : push_lowered(w, c);
  return status || k == WORD_KEEP ? status : flush_words(w);
}

int words_split(Words *w, const char *text, size_t n, WordFn *fn, void *ctx, BigsError *e) {
  size_t valid = utf8_valid(text, n);
  if (valid < n)
    return bigs_fail(e, BIGS_EMODEL, "byte %zu of the text is not UTF-8", valid);
  w->fn = fn;
  w->ctx = ctx;
  w->e = e;
  w->chunk.n = 0;
  int status = 0;
  for (const char *end = text + n; text < end && !status;)
    status = take_char(w, utf8_next(&text));
  return status ? status : flush_words(w);
}
