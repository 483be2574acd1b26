// What tests of the lexer and the parser work in: see syntax_test.h.
#include "tests/unit/syntax_test.h"
#include <string.h>

Arena *arena;
Intern *names;
Diags diags;

void setup(void) {
  arena = arena_new();
  names = intern_new(arena);
  diags = (Diags){.arena = arena};
}

void teardown(void) {
  arena_free(arena);
}

void fresh(void) {
  teardown();
  setup();
}

const Source *source(const char *text) {
  return source_new(arena, "t.mdl", text, strlen(text));
}

File *file(const char *text) {
  return parse_file(arena, names, &diags, source(text));
}
