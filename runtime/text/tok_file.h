// The parts of a tokenizer.json, as what reads them and what runs them see them.  The files tok_*.c that read one share this.
#ifndef BIGSC_RUNTIME_TOK_FILE_H
#define BIGSC_RUNTIME_TOK_FILE_H
#include "base/map.h"
#include "runtime/files/json.h"
#include "runtime/text/forms.h"
#include "runtime/text/pattern.h"
#include "runtime/text/tok_internal.h"
#include "runtime/text/trie.h"
#include "runtime/text/words.h"

// Bytes that grow.
typedef struct Bytes {
  char *s;
  size_t n, cap;
} Bytes;
int bytes_grow(Bytes *b, size_t more, BigsError *e);
static inline int bytes_add(Bytes *b, const char *s, size_t n, BigsError *e) {
  if (b->cap - b->n < n && bytes_grow(b, n, e))
    return BIGS_EMODEL;
  for (size_t i = 0; i < n; i++)
    b->s[b->n + i] = s[i];
  b->n += n;
  return 0;
}
int bytes_add_char(Bytes *b, int32_t c, BigsError *e);

// A piece of the text in Bytes.
typedef struct TokPiece {
  size_t at, n;
} TokPiece;
typedef struct TokPieces {
  TokPiece *v;
  size_t n, cap;
} TokPieces;
int pieces_add(TokPieces *p, size_t at, size_t n, BigsError *e); // n 0: nothing

// What normalizers and splitters work on.
typedef struct TokWork {
  Bytes text, other;       // the present one, and the next
  TokPieces pieces, parts; // likewise
  Chars chars;
  bool first; // the text begins where the caller's begins
  BigsError *e;
} TokWork;

typedef enum TokStage {
  STAGE_NORMALIZER,
  STAGE_SPLITTER,
  STAGE_MODEL,
  STAGE_WRAPPER,
  STAGES
} TokStage;
typedef struct TokStep TokStep;
typedef struct TokReading TokReading;
typedef struct TokPart {
  TokStage stage;
  const char *type, *keys;
  int (*read)(TokReading *r, const JsonValue *v, TokStep *s);
  int (*run)(const TokStep *s, TokWork *w); // w->text to w->text, or also w->pieces to w->pieces
} TokPart;

typedef enum TokBehavior {
  SPLIT_REMOVED,
  SPLIT_ISOLATED,
  SPLIT_PREVIOUS,
  SPLIT_NEXT,
  SPLIT_CONTIGUOUS,
  SPLIT_BEHAVIORS
} TokBehavior;
typedef enum TokScheme { PREPEND_ALWAYS, PREPEND_NEVER, PREPEND_FIRST, PREPEND_SCHEMES } TokScheme;
// A part with its settings: those that its type has.
struct TokStep {
  const TokPart *part;
  bool clean, ideographs, strip, lower; // BertNormalizer
  bool left, right;                     // Strip
  bool prefix, regex, split, invert, each;
  TokBehavior behavior;
  TokScheme scheme;
  char *text; // Replace: the content; Prepend; Metaspace: the replacement; CharDelimiterSplit
  size_t text_size;
  TextPattern *pattern;
  char *map; // Precompiled: the bytes, decoded
  size_t map_size;
};
typedef struct TokSteps {
  TokStep *v;
  int n;
} TokSteps;

// An entry of added_tokens.
typedef struct TokAdded {
  char *text; // as it is looked for
  size_t size;
  int32_t id;
  bool special, single_word, lstrip, rstrip, normalized;
} TokAdded;

struct TokFile;
struct TokScratch;
typedef struct TokModel {
  const char *type, *keys;
  int (*read)(TokReading *r, const JsonValue *v, struct TokFile *t);
  // Pushes the tokens of one piece.
  int (*encode)(const struct TokFile *t, struct TokScratch *c, const char *s, size_t n);
} TokModel;

typedef struct TokFile {
  Tokenizer tok;    // first
  char *pool;       // texts of the tokens
  uint32_t *length; // of each: there may be NULs in it
  Map vocab;        // ids by the hash of their text
  TokSteps normalizers, splitters;
  const TokModel *model;
  Trie trie;     // WordPiece: roots 0 and 1 as in tok_wordpiece.c; Unigram
  Map merges;    // BPE: rank << 32 | what becomes of it, by pair
  double *score; // Unigram: of each token
  double least;
  int32_t unk, byte[256]; // -1: none
  bool fuse, fallback, whole;
  size_t max_chars;
  char *prefix, *suffix; // of what is inside a word, and of what ends one; NULL: none
  TokAdded *added;
  int nadded;
  Trie look[2];        // added tokens in the text as it is, and in normalized text
  bool starts[2][256]; // bytes that one may start with
} TokFile;

// What reads a file.
struct TokReading {
  TokFile *t;
  const char *path;
  BigsError *e;
};
int read_fail(const TokReading *r, const JsonValue *v, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int read_bool(const TokReading *r, const JsonValue *object, const char *key,
              bool *out); // missing or null: stays
// A string without NUL, malloc'd; NULL where it is missing or null.
int read_text(const TokReading *r, const JsonValue *object, const char *key, char **out,
              size_t *size);
// One of `names`, its index.
int read_choice(const TokReading *r, const JsonValue *object, const char *key,
                const char *const *names, int n, int *out);
int read_pattern(const TokReading *r, const JsonValue *object, TokStep *s);
// Steps of one stage: null, a part, or a Sequence of them.
int read_steps(TokReading *r, const JsonValue *v, TokStage stage, TokSteps *out);
int read_models(TokReading *r, const JsonValue *v);
int read_added(TokReading *r, const JsonValue *list);
int read_wraps(TokReading *r, const JsonValue *v);
// A vocab.json, of n bytes of text, with the merges.txt beside it as a tokenizer.json.
int tok_merges_join(const JsonValue *vocab, const char *text, size_t n, const char *path,
                    JsonText *out, BigsError *e);
int look_for_added(TokFile *t, BigsError *e); // once normalizers are known, and when they change
// The normalizer as the class has it that tokenizer_config.json beside `path` names.
int tok_follow_class(TokFile *t, const char *path, BigsError *e);
int read_vocab(TokReading *r, const JsonValue *object); // {"token": id}
const TokPart *find_part(TokStage stage, const char *type);
int refuse_part(const TokReading *r, const JsonValue *v, TokStage stage);
int check_part_keys(const TokReading *r, const JsonValue *v, const char *keys);
void steps_free(TokSteps *s);

int32_t vocab_find(const TokFile *t, const char *s, size_t n);
int vocab_add(TokReading *r, int32_t id, const char *s, size_t n, const JsonValue *v);
int vocab_reserve(TokReading *r, int size, size_t bytes); // before any is added
bool is_word_char(int32_t c);                             // \w of regular expressions, in brackets
bool is_within_word(int32_t c);              // the same, and the two joiners (U+200C, U+200D)
int normalize(const TokFile *t, TokWork *w); // w->text
int char_byte(
    const char *
        *s); // the byte that GPT-2's next character stands for, which it goes past; -1: none

// ---- encoding

enum { CACHE_BITS = 14, CACHE_KEY = 27, CACHE_IDS = 8 };
typedef struct TokCached {
  uint8_t size, n;
  char key[CACHE_KEY];
  int32_t id[CACHE_IDS];
} TokCached;

// A symbol of a word that BPE merges: a list, and a heap of the pairs that may be merged.
typedef struct BpeSymbol {
  int32_t id, before, behind; // id -1: merged into what was before it
} BpeSymbol;
typedef struct BpePair {
  uint32_t rank, at;
  int32_t id;
} BpePair;
// The best way to a place of a piece.
typedef struct UnigramNode {
  double score;
  int32_t id;
  size_t from;
} UnigramNode;

typedef struct TokScratch {
  TokEncoder enc; // first
  TokWork work;
  TokCached *cache; // [1 << CACHE_BITS]
  BpeSymbol *symbol;
  BpePair *heap;
  size_t nsymbol, nheap, symbol_cap, heap_cap;
  UnigramNode *node;
  size_t node_cap;
} TokScratch;
#define MODEL(type, name, keys)                                                                    \
  int model_##name##_read(TokReading *r, const JsonValue *v, TokFile *t);                          \
  int model_##name##_encode(const TokFile *t, TokScratch *c, const char *s, size_t n);
#define NORMALIZER(type, name, keys)                                                               \
  int step_##name##_read(TokReading *r, const JsonValue *v, TokStep *s);                           \
  int step_##name(const TokStep *s, TokWork *w);
#define SPLITTER(type, name, keys) NORMALIZER(type, name, keys)
#define WRAPPER(type, name, keys) int wrap_##name(TokReading *r, const JsonValue *v, TokWrap *wrap);
#include "runtime/text/tok_parts.def"
#undef MODEL
#undef NORMALIZER
#undef SPLITTER
#undef WRAPPER
#endif
