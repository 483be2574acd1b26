// What tests of the lexer and the parser work in: made by setup for each test.
#ifndef BIGSC_SYNTAX_TEST_H
#define BIGSC_SYNTAX_TEST_H
#include "compiler/syntax/lex.h"
#include "compiler/syntax/parse.h"

extern Arena *arena;
extern Intern *names;
extern Diags diags;
void setup(void);
void teardown(void);
void fresh(void); // between the rows of a table
const Source *source(const char *text);
File *file(const char *text);
#endif
