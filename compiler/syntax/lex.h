// Text to tokens.  Brackets come out balanced: what is never closed is reported and closed, what
// closes nothing is reported and becomes T_BAD, so the parser can skip by depth alone.  Newlines
// that end a statement are T_EOL.
#ifndef BIGSC_LEX_H
#define BIGSC_LEX_H
#include "base/intern.h"
#include "compiler/syntax/ast.h"

typedef enum TokKind {
#define TOKEN(name, text, class) name,
#include "compiler/syntax/tokens.def"
#undef TOKEN
  T_KIND_COUNT
} TokKind;
typedef enum TokClass { OTHER, ENDER, OPEN, CLOSE, OPERATOR, WORD, DECL } TokClass;
const char *token_text(TokKind k);
TokClass token_class(TokKind k);

typedef struct Token {
  uint8_t kind;    // TokKind
  bool reported;   // an error was reported here: say no more about it.  Inserted brackets are empty
                   // and reported.
  bool line_start; // stands in column 1
  DType dtype;     // T_DTYPE
  uint32_t lo, hi; // bytes of the source
  uint32_t depth;  // brackets open around it; an opening one and its partner have the depth outside
  union {
    const char
        *s; // T_NAME, T_TAG (without `@`), reserved words: interned.  T_STR: between the quotes
    const Num *num; // T_NUM
  };
} Token;
typedef struct Tokens {
  const Source *src;
  VEC(Token) list; // ends with T_EOF
  bool incomplete; // only with `partial`
  bool bad;        // an error was reported
} Tokens;

enum { SOURCE_MAX = 4 << 20 }; // bytes of a file

// With `partial`, text that ends inside brackets or after an operator is not reported: `incomplete`
// is set.
Tokens *lex(Arena *a, Intern *names, Diags *diags, const Source *src, bool partial);

// One token a line, for --emit=tokens: line:column, kind, text.
char *tokens_print(Arena *a, const Tokens *t);

// Reads the number at text[0..size): returns its length, 0 when it is no number.  What is wrong
// with it goes to *fault (code 0: nothing); the length then covers all of the wrong text.
typedef struct NumberFault {
  int code; // 105, 106
  const char *why;
} NumberFault;
uint32_t lex_number(const char *text, uint32_t size, Num *num, NumberFault *fault);
#endif
