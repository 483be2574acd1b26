// WordPiece as BERT uses it: words by words.h, each cut into the longest pieces that the vocabulary
// holds, from the left; pieces inside a word carry "##".  A word with a part in no piece, or of
// more than TOK_MAX_CHARS characters, is [UNK].
#ifndef BIGSC_RUNTIME_TOKENIZER_H
#define BIGSC_RUNTIME_TOKENIZER_H
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TOK_MAX_CHARS = 100 };
typedef enum TokSpecial { TOK_PAD, TOK_UNK, TOK_CLS, TOK_SEP, TOK_MASK, TOK_SPECIALS } TokSpecial;
const char *tok_special_name(TokSpecial s); // "[PAD]"

// Immutable once made: any number of threads may use one.
typedef struct Tokenizer Tokenizer;
// vocab.txt: a token a line, its id the line's number from 0; LF or CRLF.  Errors (status
// BIGS_EFILE) name the line: an empty line, bad UTF-8, a token twice; or a special token that is
// missing.  lower: fold case and strip accents before looking up, as for "uncased" models.
int tok_load(const char *path, bool lower, Tokenizer **out, BigsError *e);
int tok_parse(const char *text, size_t n, const char *path, bool lower, Tokenizer **out,
              BigsError *e);
void tok_free(Tokenizer *t); // NULL is allowed
int tok_size(const Tokenizer *t);
bool tok_lower(const Tokenizer *t);
int32_t tok_special(const Tokenizer *t, TokSpecial s); // its id
bool tok_is_special(const Tokenizer *t, int32_t id);
// The id of exactly the token of these n bytes, or -1.
int32_t tok_find(const Tokenizer *t, const char *token, size_t n);
const char *tok_text(const Tokenizer *t, int32_t id); // NULL outside [0, size)

typedef struct TokIds {
  int32_t *v; // the caller frees it
  size_t n, cap;
} TokIds;
// Appends one id; only memory can fail.
int tok_push(TokIds *ids, int32_t id, BigsError *e);

// An encoder holds buffers for one thread; it must not outlive its tokenizer.
typedef struct TokEncoder TokEncoder;
TokEncoder *tok_encoder_new(const Tokenizer *t, BigsError *e);
void tok_encoder_free(TokEncoder *c);
// Appends the tokens of text[0, n) to ids; no [CLS] or [SEP] is added.  With `specials`, "[MASK]"
// and its like in the text, spelled exactly so, become their ids; else they are text.  Bad UTF-8:
// status BIGS_EMODEL and the byte's offset.
int tok_encode(TokEncoder *c, const char *text, size_t n, bool specials, TokIds *ids, BigsError *e);

// Tokens joined by spaces, pieces with "##" joined to what is before them; [PAD], [CLS], [SEP] are
// left out with skip_special.  Malloc'd; ids outside the vocabulary are an error (NULL).
char *tok_decode(const Tokenizer *t, const int32_t *ids, size_t n, bool skip_special, BigsError *e);
#endif
