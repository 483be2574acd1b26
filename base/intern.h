// Interned strings: equal text, equal pointer (within one table).
#ifndef BIGSC_INTERN_H
#define BIGSC_INTERN_H
#include "base/arena.h"

typedef struct Intern Intern;
Intern *intern_new(Arena *a);
const char *intern(Intern *t, const char *s);
const char *intern_n(Intern *t, const char *s, size_t n);

#endif
