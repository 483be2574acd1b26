// See habits.h.
#include "compiler/syntax/habits.h"
#include "base/bug.h"
#include <string.h>

static const Habit habits[] = {
#define HABIT(kind, written, needs, line, why) {HABIT_##kind, written, needs, line, why},
#include "compiler/syntax/habits.def"
#undef HABIT
};

static bool met(const Habit *h, HabitHas *has, void *context) {
  return !has || !*h->needs || has(context, h->needs);
}

const Habit *habit_find(HabitKind kind, const char *written, HabitHas *has, void *context) {
  for (int i = 0; i < COUNT(habits); i++)
    if (habits[i].kind == kind && !strcmp(habits[i].written, written) &&
        met(&habits[i], has, context))
      return &habits[i];
  return NULL;
}

const char *habit_why(HabitKind kind, const char *written) {
  const Habit *h = habit_find(kind, written, NULL, NULL);
  return h ? h->why : NULL;
}

// Between `(` or `, ` and `,` or `)`.
static bool stands_alone(const char *text, const char *p) {
  bool opens = p > text && (p[-1] == '(' || (p[-1] == ' ' && p - text > 1 && p[-2] == ','));
  return opens && (p[2] == ',' || p[2] == ')');
}

const char *habit_fill(Arena *a, const char *text, HabitField *field, void *context) {
  const char *out = "";
  for (const char *p = text; *p; p++) {
    if (*p == '$' && p[1]) {
      out = arena_printf(a, "%s%s", out, field(context, p[1], stands_alone(text, p)));
      p++;
    } else
      out = arena_printf(a, "%s%c", out, *p);
  }
  return out;
}
