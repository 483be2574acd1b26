// What a kind of tokenizer does, and what all kinds share.
#ifndef BIGSC_RUNTIME_TOK_INTERNAL_H
#define BIGSC_RUNTIME_TOK_INTERNAL_H
#include "runtime/text/tokenizer.h"

enum { TOK_MAX_SLOTS = 16 };
typedef struct TokWrap {
  TokSlot v[TOK_MAX_SLOTS];
  int n;
} TokWrap;

// A kind's own struct begins with one of these.
struct Tokenizer {
  TokenizerKind kind;
  bool lower, beside; // beside: its vocabulary is not all in one file
  bool alone;         // it comes from memory: there are no files beside it
  int size;
  uint64_t hash;                 // of the texts that it was read from
  const char **token;            // [size] text of each
  int32_t special[TOK_SPECIALS]; // -1: none
  TokWrap wrap[2];               // of one text, of two
};

struct TokEncoder {
  const Tokenizer *tok;
  TokIds *ids;
  BigsError *e;
};

// The functions of row `name` are tok_name_new, tok_name_read, ...: one that is missing is an error of the linker.
typedef struct TokFunctions {
  Tokenizer *(*make)(void); // zeros, of the kind's own size; NULL: out of memory
  // Sets size, token, all of special, and wrap from the n bytes of file `path`.  What it made before it failed, free takes.
  int (*read)(Tokenizer *t, const char *text, size_t n, const char *path, BigsError *e);
  void (*free)(Tokenizer *t);
  int32_t (*find)(const Tokenizer *t, const char *token, size_t n); // see tok_find
  TokEncoder *(*encoder)(const Tokenizer *t, BigsError *e); // likewise; `tok` is set by the caller
  void (*encoder_free)(TokEncoder *c);
  // Pushes the tokens of text[0, n), which is UTF-8, onto c->ids: see tok_encode.  Called once a line: the loop over bytes is the kind's.
  int (*encode)(TokEncoder *c, const char *text, size_t n, bool specials);
  // Writes the token behind what is before it, `first`: nothing.  Returns its bytes: at most one more than the token has.
  size_t (*join)(const Tokenizer *t, int32_t id, bool first, char *out);
  int (*folder)(const char *folder, bool lower, BigsError *e); // see tok_folder_check
  int (*lower_first)(Tokenizer *t, BigsError *e);              // see tok_lower_first
} TokFunctions;
#define TOKENIZER(ID, name, file, arguments)                                                       \
  Tokenizer *tok_##name##_new(void);                                                               \
  int tok_##name##_read(Tokenizer *t, const char *text, size_t n, const char *path, BigsError *e); \
  void tok_##name##_free(Tokenizer *t);                                                            \
  int32_t tok_##name##_find(const Tokenizer *t, const char *token, size_t n);                      \
  TokEncoder *tok_##name##_encoder(const Tokenizer *t, BigsError *e);                              \
  void tok_##name##_encoder_free(TokEncoder *c);                                                   \
  int tok_##name##_encode(TokEncoder *c, const char *text, size_t n, bool specials);               \
  size_t tok_##name##_join(const Tokenizer *t, int32_t id, bool first, char *out);                 \
  int tok_##name##_folder(const char *folder, bool lower, BigsError *e);                           \
  int tok_##name##_lower_first(Tokenizer *t, BigsError *e);
#include "base/tokenizers.def"
#undef TOKENIZER

// The special ids, by what the files beside `path` name (special_tokens_map.json, tokenizer_config.json) and else by the usual names.
int tok_find_specials(Tokenizer *t, const char *path, BigsError *e);
void tok_wrap_bert(Tokenizer *t); // [CLS] A [SEP], [CLS] A [SEP] B [SEP] with types 0 and 1
#endif
