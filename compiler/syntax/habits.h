// What is written so in other languages and libraries, and what says the same here: the rows of habits.def.
#ifndef BIGSC_HABITS_H
#define BIGSC_HABITS_H
#include "base/arena.h"
#include <stdbool.h>

typedef enum HabitKind {
  HABIT_SIGN,     // a character that no token starts with
  HABIT_OPERATOR, // two signs in a row, without a blank
  HABIT_WORD,     // a name where a statement should have ended
  HABIT_DECL,     // a word where a declaration should start
  HABIT_CALL,     // a function, or what stands behind a point: `x.reshape`
  HABIT_MODULE,   // what a child is declared as
  HABIT_VALUE,    // a name that stands for a value
  HABIT_TYPE,     // a dtype
  HABIT_PACKAGE,  // a name before a point: `torch.exp`
  HABIT_AXIS,     // the name of an argument that counts axes: `dim=1`
  HABIT_IDLE,     // the name of an argument that nothing depends on here: `inplace=True`
  HABIT_SETTING   // of a train block
} HabitKind;
// Fields are never NULL; those that say nothing are "".
typedef struct Habit {
  HabitKind kind;
  const char *written, *needs, *line, *why;
} Habit;
// Does the language have this function?
typedef bool HabitHas(void *context, const char *name);
// The first row of that name whose needs are met; `has` NULL: the first.  NULL: none.
const Habit *habit_find(HabitKind kind, const char *written, HabitHas *has, void *context);
const char *habit_why(HabitKind kind, const char *written); // of the first row; NULL: none
// What stands in the place of `$x`, `$A`, ...; never NULL.  `alone`: between brackets or commas, where no operator binds it.
typedef const char *HabitField(void *context, char field, bool alone);
const char *habit_fill(Arena *a, const char *text, HabitField *field, void *context);
#endif
