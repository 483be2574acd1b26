// Text to ids and back, by one of the kinds of base/tokenizers.def.  How a kind is added: docs/adding-a-source.md.
#ifndef BIGSC_RUNTIME_TOKENIZER_H
#define BIGSC_RUNTIME_TOKENIZER_H
#include "base/error.h"
#include "base/recipe.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Ids that most kinds have; -1 of one that has none.
typedef enum TokSpecial { TOK_PAD, TOK_UNK, TOK_CLS, TOK_SEP, TOK_MASK, TOK_SPECIALS } TokSpecial;

// WordPiece's limit of a word, and its name for a special token: "[PAD]".
enum { TOK_MAX_CHARS = 100 };
const char *tok_special_name(TokSpecial s);

int tok_kind(const char *name); // a TokenizerKind, or -1: there is none of this name

// Immutable once made: any number of threads may use one.
typedef struct Tokenizer Tokenizer;
// Reads a vocabulary.  WordPiece's vocab.txt: a token a line, its id the line's number from 0; LF or CRLF.  Errors (status
// BIGS_EFILE) name the line: an empty line, bad UTF-8, a token twice; or a special token that is
// missing.  lower: fold case and strip accents before looking up, as for "uncased" models.
// tok_parse has it in memory, `path` is what messages call it, and no file is read.
int tok_load(TokenizerKind kind, const char *path, bool lower, Tokenizer **out, BigsError *e);
int tok_parse(TokenizerKind kind, const char *text, size_t n, const char *path, bool lower,
              Tokenizer **out, BigsError *e);
// Where a folder's tokenizer is, or of what kind a file is: a tokenizer.json, a vocab.txt whose case the files beside it tell (`lower`,
// where they do not), or a vocab.json with a merges.txt.  tok_open reads it, too.
typedef struct TokPlace {
  TokenizerKind kind;
  bool lower;
  char *path; // the caller frees it
} TokPlace;
int tok_locate(const char *path, bool lower, TokPlace *out, BigsError *e);
bool tok_in_folder(const char *folder); // whether it has a file of a tokenizer
// What a folder may have of its tokenizer, here and in `transformers`.
enum { TOK_FOLDER_FILES = 7 };
extern const char *const tok_folder_files[TOK_FOLDER_FILES];
int tok_open(const char *path, bool lower, Tokenizer **out, BigsError *e);
// Fails, with status BIGS_EFILE, the file and its key, where what the files of a folder say of its tokenizer differs from what this
// kind does with this `lower`.  What they do not say changes nothing.
int tok_folder_check(TokenizerKind kind, const char *folder, bool lower, BigsError *e);
// Lowers text before all else, character by character, but no special tokens in it: what sentence-transformers do where
// sentence_bert_config.json says do_lower_case.  Before the first encoder is made.
int tok_lower_first(Tokenizer *t, BigsError *e);
void tok_free(Tokenizer *t); // NULL is allowed
TokenizerKind tok_kind_of(const Tokenizer *t);
int tok_size(const Tokenizer *t);
bool tok_lower(const Tokenizer *t);
// Of all that decides which ids a text becomes: what it was read from, and its special tokens.
uint64_t tok_hash(const Tokenizer *t);
bool tok_beside(const Tokenizer *t); // whether it was read from more than the one file
int32_t tok_special(const Tokenizer *t, TokSpecial s); // its id, or -1
bool tok_is_special(const Tokenizer *t, int32_t id);
// The id of exactly the token of these n bytes, or -1.
int32_t tok_find(const Tokenizer *t, const char *token, size_t n);
const char *tok_text(const Tokenizer *t, int32_t id); // NULL outside [0, size)

typedef struct TokIds {
  int32_t *v; // the caller frees it
  size_t n, cap;
} TokIds;
int tok_grow(TokIds *ids, BigsError *e);
// Appends one id; only memory can fail.
static inline int tok_push(TokIds *ids, int32_t id, BigsError *e) {
  if (ids->n == ids->cap && tok_grow(ids, e))
    return BIGS_EMODEL;
  ids->v[ids->n++] = id;
  return 0;
}

// An encoder holds buffers for one thread; it must not outlive its tokenizer.
typedef struct TokEncoder TokEncoder;
TokEncoder *tok_encoder_new(const Tokenizer *t, BigsError *e);
void tok_encoder_free(TokEncoder *c);
// Appends the tokens of text[0, n) to ids; no special one is added.  With `specials`, "[MASK]"
// and its like in the text, spelled exactly so, become their ids; else they are text.  Bad UTF-8:
// status BIGS_EMODEL and the byte's offset.
int tok_encode(TokEncoder *c, const char *text, size_t n, bool specials, TokIds *ids, BigsError *e);

// What stands around one text or two: a token (id >= 0), or text 0 or 1; and its type.
typedef struct TokSlot {
  int32_t id;
  int text, type;
} TokSlot;
int tok_slots(const Tokenizer *t, int texts, const TokSlot **slots); // how many
int tok_around(const Tokenizer *t, int texts);                       // how many of them are tokens

// Where texts that are too long are cut, in training and wherever a model is used: n[0], and of two texts n[1], are their numbers of
// tokens, and become those of which an input of `max` tokens has room, with what stands around them; max >= tok_around.  The longer
// text loses tokens first; of two that lose to the same length the shorter one, of equals the first, loses the odd one.
void tok_cut(const Tokenizer *t, int texts, size_t max, size_t n[2]);

// The input of a model for `texts` texts, 1 or 2: their tokens, those of special tokens in them, and the special ones that the tokenizer
// puts around them, appended to ids; the type of each to types, NULL: not wanted.  Above `max` tokens (0: no bound) the texts' ends are
// cut off, as tok_cut says; *cut, NULL: not wanted.  Errors: as above; a bound that is too small (BIGS_EUSAGE).
int tok_whole(TokEncoder *c, const char *const *text, const size_t *size, int texts, size_t max,
              TokIds *ids, TokIds *types, bool *cut, BigsError *e);

// The text of tokens (WordPiece: joined by spaces, pieces with "##" joined to what is before them);
// [PAD], [CLS], [SEP] are left out with skip_special.  Malloc'd; ids outside the vocabulary are an error (NULL).
char *tok_decode(const Tokenizer *t, const int32_t *ids, size_t n, bool skip_special, BigsError *e);
// A token for people: "##ing" is "##ing", and where characters stand for bytes, or one for a blank, these: " the" for "\u0120the".  Its
// name where that is no UTF-8 alone.  Malloc'd; NULL: as above.
char *tok_spelled(const Tokenizer *t, int32_t id, BigsError *e);
#endif
