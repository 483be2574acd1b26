// What --explain says of a code: its text, and an example that is wrong and mended.
#include "compiler/syntax/diag.h"
#include <string.h>

static const DiagExample examples[] = {
#define EXAMPLE(name, wrong, mended) {ERR_##name, false, wrong, mended},
#define SESSION(name, wrong, mended) {ERR_##name, true, wrong, mended},
#include "compiler/syntax/examples.def"
#undef EXAMPLE
#undef SESSION
};

const DiagExample *diag_example(int code) {
  for (int i = 0; i < COUNT(examples); i++)
    if (examples[i].code == code)
      return &examples[i];
  return NULL;
}

// Four blanks before each line that is not empty.
static const char *indented(Arena *a, const char *text) {
  const char *out = "";
  for (const char *p = text, *end; *p; p = end + 1) {
    end = strchr(p, '\n');
    out = arena_printf(a, "%s%s%.*s\n", out, end > p ? "    " : "", (int)(end - p), p);
  }
  return out;
}

const char *diag_explain(Arena *a, int code) {
  static const struct {
    int number;
    const char *text;
  } known[] = {
#define ERROR(name, number, title, text) {number, "E0" #number ": " title "\n\n" text "\n"},
#include "compiler/syntax/errors.def"
#undef ERROR
  };
  const DiagExample *e = diag_example(code);
  for (int i = 0; i < COUNT(known); i++)
    if (known[i].number == code)
      return e ? arena_printf(a, "%s\nWrong:\n\n%s\nMended:\n\n%s", known[i].text,
                              indented(a, e->wrong), indented(a, e->mended))
               : known[i].text;
  return NULL;
}
