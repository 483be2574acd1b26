// What people write who come from other languages, and what says the same here: for the help lines
// of the lexer and the parser.
#include "compiler/syntax/habits.h"
#include "base/bug.h"
#include <string.h>

typedef struct Habit {
  const char *written, *help;
} Habit;

static const char *look_up(const Habit *v, int n, const char *s) {
  for (int i = 0; i < n; i++)
    if (!strcmp(v[i].written, s))
      return v[i].help;
  return NULL;
}

#define CHOICE "`select(cond, a, b)` chooses element by element"
#define AND "`a and b` is `select(a, b, false)`"
#define OR "`a or b` is `select(a, true, b)`"
#define NOT "`not a` is `a == false`"
#define LOOP "`repeat` and `share` make depth, `scan` goes along a dimension"

const char *habit_sign(const char *sign) {
  static const Habit table[] = {
      {"&", AND},
      {"|", OR "; a pipe is `|>`"},
      {"!", NOT},
      {"?", CHOICE},
      {"%", "`%` stands behind a number: `10%`"},
      {"'", "a string stands in `\"`"},
      {"\\", "a line that ends with an operator or a comma goes on by itself"},
  };
  return look_up(table, COUNT(table), sign);
}

const char *habit_word(const char *word) {
  static const Habit table[] = {
      {"if", CHOICE},
      {"else", CHOICE},
      {"and", AND},
      {"or", OR},
      {"not", NOT},
      {"for", LOOP},
      {"while", LOOP},
      {"return", "the last line of a body is its result: leave `return` out"},
      {"var", "a value is bound by `name = ...` alone"},
  };
  return look_up(table, COUNT(table), word);
}

const char *habit_operator(const char *operator) {
  static const Habit table[] = {
      {"**", "a power is `x^2`"},
      {"//", "a comment starts with `#`"},
      {"/*", "a comment starts with `#`"},
      {"+=", "a name is bound once: give the new value a name of its own"},
      {"-=", "a name is bound once: give the new value a name of its own"},
  };
  return look_up(table, COUNT(table), operator);
}

#define BY_NAME                                                                                    \
  "tensors meet by the names of their axes: the order of axes is that of the written type"
#define PARTS "`x[H as (Heads, D)]` splits an axis, `x[(B, L) as T]` merges two"
#define EXTENT "a dim is a number too: `x / L`"
#define CONSTANT "a tensor is constant along the axes that it lacks"

const char *habit_method(const char *name) {
  static const Habit table[] = {
      {"T", BY_NAME},   {"mT", BY_NAME},         {"transpose", BY_NAME}, {"permute", BY_NAME},
      {"view", PARTS},  {"reshape", PARTS},      {"flatten", PARTS},     {"shape", EXTENT},
      {"size", EXTENT}, {"unsqueeze", CONSTANT}, {"expand", CONSTANT},   {"repeat", CONSTANT},
  };
  return look_up(table, COUNT(table), name);
}

const char *habit_decl(const char *word) {
  static const Habit table[] = {
      {"def", "fn"},     {"func", "fn"},     {"function", "fn"}, {"class", "module"},
      {"import", "use"}, {"include", "use"}, {"const", "let"},   {"var", "let"},
  };
  return look_up(table, COUNT(table), word);
}
