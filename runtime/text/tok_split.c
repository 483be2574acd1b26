// Splitters (pre_tokenizers) of a tokenizer.json: pieces to pieces, a step each.
#include "base/alloc.h"
#include "base/utf8.h"
#include "runtime/text/tok_file.h"
#include "runtime/text/unicode.h"
#include <string.h>

static const char *const behavior_names[SPLIT_BEHAVIORS] = {
    "Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"};

static void swap_pieces(TokWork *w) {
  TokPieces pieces = w->pieces;
  w->pieces = w->parts;
  w->parts = pieces;
}

// ---- what a piece is split at

// A part of a piece, and whether it is one that it is split at.
typedef struct SplitPart {
  size_t at, n;
  bool match;
} SplitPart;
// Joins parts as a behavior says, and adds what they come to; MergedWithNext is held back for what comes.
typedef struct Splitter {
  TokWork *w;
  TokBehavior behavior;
  SplitPart held; // n 0: none
  bool last;      // whether what was last was one to split at
} Splitter;

static int give_held(Splitter *s) {
  int status = pieces_add(&s->w->parts, s->held.at, s->held.n, s->w->e);
  s->held.n = 0;
  return status;
}

static bool joins_held(const Splitter *s, bool match) {
  switch (s->behavior) {
  case SPLIT_PREVIOUS: return match && !s->last;
  case SPLIT_NEXT: return s->last && !match;
  case SPLIT_CONTIGUOUS: return match == s->last;
  default: return false;
  }
}

static int add_split(Splitter *s, size_t at, size_t n, bool match) {
  int status = 0;
  if (n == 0 || (match && s->behavior == SPLIT_REMOVED))
    return 0;
  if (s->held.n && joins_held(s, match)) {
    s->held.n += n;
  } else {
    status = give_held(s);
    s->held.at = at;
    s->held.n = n;
  }
  s->last = match;
  return status;
}

// Splits each piece by a function that adds the parts of one.
typedef int SplitFn(const TokStep *step, Splitter *s, size_t at, size_t n);

static int split_pieces(const TokStep *step, TokWork *w, TokBehavior behavior, SplitFn *fn) {
  Splitter s;
  int status = 0;
  memset(&s, 0, sizeof s);
  s.w = w;
  s.behavior = behavior;
  w->parts.n = 0;
  for (size_t i = 0; i < w->pieces.n && !status; i++) {
    s.last = false;
    status = fn(step, &s, w->pieces.v[i].at, w->pieces.v[i].n);
    status = status ? status : give_held(&s);
  }
  swap_pieces(w);
  return status;
}

// Each character of a class is split at; what is between them is not.
typedef bool CharClass(int32_t c);
static inline int split_at_class(Splitter *s, size_t at, size_t n, CharClass *is) {
  const char *text = s->w->text.s, *p = text + at, *end = p + n, *start = p;
  int status = 0;
  while (p < end && !status) {
    const char *here = p;
    if (!is(utf8_next(&p)))
      continue;
    status = add_split(s, (size_t)(start - text), (size_t)(here - start), false);
    status = status ? status : add_split(s, (size_t)(here - text), (size_t)(p - here), true);
    start = p;
  }
  return status ? status : add_split(s, (size_t)(start - text), (size_t)(end - start), false);
}

static int at_spaces(const TokStep *step, Splitter *s, size_t at, size_t n) {
  return (void)step, split_at_class(s, at, n, unicode_is_space);
}
static int at_symbols(const TokStep *step, Splitter *s, size_t at, size_t n) {
  return (void)step, split_at_class(s, at, n, is_symbol_char);
}
static bool is_any_number(int32_t c) {
  return unicode_is_number(c);
}
static int at_numbers(const TokStep *step, Splitter *s, size_t at, size_t n) {
  return (void)step, split_at_class(s, at, n, is_any_number);
}

static int at_pattern(const TextPattern *pattern, bool invert, Splitter *s, size_t at, size_t n) {
  const char *text = s->w->text.s + at;
  size_t done = 0, from = 0, start, end;
  int status = 0;
  while (!status && from < n &&
         pattern_find(pattern, text, n, from, &start, &end, &status, s->w->e)) {
    from = end > start ? end : end + 1;
    while (from < n && (text[from] & 0xC0) == 0x80)
      from++;
    status = add_split(s, at + done, start - done, invert);
    status = status ? status : add_split(s, at + start, end - start, !invert);
    done = end;
  }
  return status ? status : add_split(s, at + done, n - done, invert);
}

// ---- the steps

int step_bert_words_read(TokReading *r, const JsonValue *v, TokStep *s) {
  return (void)r, (void)v, (void)s, 0;
}
int step_bert_words(const TokStep *s, TokWork *w) {
  int status = split_pieces(s, w, SPLIT_REMOVED, at_spaces);
  return status ? status : split_pieces(s, w, SPLIT_ISOLATED, at_symbols);
}

int step_whitespace_split_read(TokReading *r, const JsonValue *v, TokStep *s) {
  return (void)r, (void)v, (void)s, 0;
}
int step_whitespace_split(const TokStep *s, TokWork *w) {
  return split_pieces(s, w, SPLIT_REMOVED, at_spaces);
}

int step_punctuation_read(TokReading *r, const JsonValue *v, TokStep *s) {
  int behavior = SPLIT_ISOLATED;
  int status = read_choice(r, v, "behavior", behavior_names, SPLIT_BEHAVIORS, &behavior);
  s->behavior = (TokBehavior)behavior;
  return status;
}
int step_punctuation(const TokStep *s, TokWork *w) {
  return split_pieces(s, w, s->behavior, at_symbols);
}

int step_digits_read(TokReading *r, const JsonValue *v, TokStep *s) {
  return read_bool(r, v, "individual_digits", &s->each);
}
int step_digits(const TokStep *s, TokWork *w) {
  return split_pieces(s, w, s->each ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS, at_numbers);
}

static int by_own_pattern(const TokStep *step, Splitter *s, size_t at, size_t n) {
  return at_pattern(step->pattern, step->invert, s, at, n);
}

int step_split_read(TokReading *r, const JsonValue *v, TokStep *s) {
  int behavior = SPLIT_REMOVED;
  int status = read_choice(r, v, "behavior", behavior_names, SPLIT_BEHAVIORS, &behavior);
  s->behavior = (TokBehavior)behavior;
  status = status ? status : read_bool(r, v, "invert", &s->invert);
  if (!status && !json_get(v, "behavior"))
    status = read_fail(r, v, "a Split without \"behavior\"");
  return status ? status : read_pattern(r, v, s);
}
int step_split(const TokStep *s, TokWork *w) {
  return split_pieces(s, w, s->behavior, by_own_pattern);
}

int step_delimiter_read(TokReading *r, const JsonValue *v, TokStep *s) {
  int status = read_text(r, v, "delimiter", &s->text, &s->text_size);
  if (!status && !s->text)
    status = read_fail(r, v, "a CharDelimiterSplit without \"delimiter\"");
  if (!status && !(s->pattern = pattern_literal(s->text, s->text_size, r->e)))
    status = bigs_status(r->e, BIGS_EFILE);
  return status;
}
int step_delimiter(const TokStep *s, TokWork *w) {
  return split_pieces(s, w, SPLIT_REMOVED, by_own_pattern);
}

// 0: space, which goes; 1: of a word; 2: any other.
static int word_kind(int32_t c) {
  return unicode_is_space(c) ? 0 : is_within_word(c) ? 1 : 2;
}

// Runs of one kind.
static int at_words(const TokStep *step, Splitter *s, size_t at, size_t n) {
  const char *text = s->w->text.s, *p = text + at, *end = p + n;
  int status = 0;
  (void)step;
  while (p < end && !status) {
    const char *start = p, *next = p;
    int kind = word_kind(utf8_next(&next));
    do
      p = next;
    while (p < end && word_kind(utf8_next(&next)) == kind);
    status = add_split(s, (size_t)(start - text), (size_t)(p - start), kind == 0);
  }
  return status;
}

int step_whitespace_read(TokReading *r, const JsonValue *v, TokStep *s) {
  return (void)r, (void)v, (void)s, 0;
}
int step_whitespace(const TokStep *s, TokWork *w) {
  return split_pieces(s, w, SPLIT_REMOVED, at_words);
}

// ---- those that change the text

// Rewrites each piece: `fn` appends what becomes of one to w->other.
typedef int RewriteFn(const TokStep *step, TokWork *w, size_t at, size_t n);

static int rewrite_pieces(const TokStep *step, TokWork *w, RewriteFn *fn) {
  int status = 0;
  w->other.n = 0;
  w->parts.n = 0;
  for (size_t i = 0; i < w->pieces.n && !status; i++) {
    size_t at = w->other.n;
    status = fn(step, w, w->pieces.v[i].at, w->pieces.v[i].n);
    status = status ? status : pieces_add(&w->parts, at, w->other.n - at, w->e);
  }
  Bytes text = w->text;
  w->text = w->other;
  w->other = text;
  swap_pieces(w);
  return status;
}

// GPT-2's bytes as characters: those that show stand for themselves, the others are numbered from U+0100 on.
static int32_t byte_char(unsigned char b) {
  static const unsigned char hidden[] = {0x21, 0x7F, 0xA1,
                                         0xAD}; // bytes in [0, 21), [7F, A1) and AD are
  if (b >= hidden[0] && b < hidden[1])
    return b;
  if (b >= hidden[2] && b != hidden[3])
    return b;
  return 0x100 + (b < hidden[0] ? b : b == hidden[3] ? 0x43 : b - hidden[1] + hidden[0]);
}

int char_byte(const char **s) {
  const char *at = *s;
  int32_t c = utf8_next(&at);
  int b = c < 0x100    ? c
          : c <= 0x120 ? c - 0x100
          : c <= 0x142 ? c - 0x121 + 0x7F
          : c == 0x143 ? 0xAD
                       : -1;
  if (b < 0 || byte_char((unsigned char)b) != c)
    return -1;
  *s = at;
  return b;
}

static int put_byte_chars(const TokStep *step, TokWork *w, size_t at, size_t n) {
  int status = 0;
  (void)step;
  if (w->other.cap - w->other.n < 2 * n)
    status = bytes_grow(&w->other, 2 * n, w->e);
  for (size_t i = at; i < at + n && !status; i++)
    status = bytes_add_char(&w->other, byte_char((unsigned char)w->text.s[i]), w->e);
  return status;
}

static int put_spaced(const TokStep *step, TokWork *w, size_t at, size_t n) {
  int status = step->prefix && w->text.s[at] != ' ' ? bytes_add(&w->other, " ", 1, w->e) : 0;
  return status ? status : bytes_add(&w->other, w->text.s + at, n, w->e);
}

int step_byte_level_read(TokReading *r, const JsonValue *v, TokStep *s) {
  static const char words[] =
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
  bool trim;
  s->prefix = s->regex = true;
  int status = read_bool(r, v, "add_prefix_space", &s->prefix);
  status = status ? status : read_bool(r, v, "use_regex", &s->regex);
  status = status ? status : read_bool(r, v, "trim_offsets", &trim);
  if (!status && s->regex && !(s->pattern = pattern_new(words, sizeof words - 1, r->e)))
    status = bigs_status(r->e, BIGS_EMODEL);
  return status;
}
int step_byte_level(const TokStep *s, TokWork *w) {
  int status = s->prefix ? rewrite_pieces(s, w, put_spaced) : 0;
  if (!status && s->regex)
    status = split_pieces(s, w, SPLIT_ISOLATED, by_own_pattern);
  return status ? status : rewrite_pieces(s, w, put_byte_chars);
}

static bool is_marked(const TokStep *step, const TokWork *w, size_t at, size_t n) {
  return w->text.s[at] == ' ' ||
         (n >= step->text_size && !memcmp(w->text.s + at, step->text, step->text_size));
}

static int put_meta(const TokStep *step, TokWork *w, size_t at, size_t n) {
  bool wanted =
      step->scheme == PREPEND_ALWAYS || (step->scheme == PREPEND_FIRST && w->first && at == 0);
  int status = wanted && !is_marked(step, w, at, n)
                   ? bytes_add(&w->other, step->text, step->text_size, w->e)
                   : 0;
  for (size_t i = at; i < at + n && !status; i++)
    status = w->text.s[i] == ' ' ? bytes_add(&w->other, step->text, step->text_size, w->e)
                                 : bytes_add(&w->other, w->text.s + i, 1, w->e);
  return status;
}

int step_metaspace_read(TokReading *r, const JsonValue *v, TokStep *s) {
  static const char *const schemes[PREPEND_SCHEMES] = {"always", "never", "first"};
  bool prefix = true;
  int scheme = PREPEND_SCHEMES;
  s->split = true;
  int status = read_text(r, v, "replacement", &s->text, &s->text_size);
  if (!status && (!s->text || !s->text_size))
    status = read_fail(r, v, "a Metaspace without \"replacement\"");
  status = status ? status : read_bool(r, v, "split", &s->split);
  status = status ? status : read_bool(r, v, "add_prefix_space", &prefix);
  status = status ? status : read_choice(r, v, "prepend_scheme", schemes, PREPEND_SCHEMES, &scheme);
  s->scheme = scheme < PREPEND_SCHEMES ? (TokScheme)scheme
              : prefix                 ? PREPEND_ALWAYS
                                       : PREPEND_NEVER;
  if (!status && !(s->pattern = pattern_literal(s->text, s->text_size, r->e)))
    status = bigs_status(r->e, BIGS_EFILE);
  return status;
}
int step_metaspace(const TokStep *s, TokWork *w) {
  int status = rewrite_pieces(s, w, put_meta);
  return status || !s->split ? status : split_pieces(s, w, SPLIT_NEXT, by_own_pattern);
}
