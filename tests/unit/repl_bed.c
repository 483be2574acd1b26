// See repl_bed.h.
#include "tests/unit/repl_bed.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ReplRun repl_run(const char *script) {
  ReplRun out = {0};
  Options o;
  char *argv[] = {"bigsc", "repl", "--threads", "2", NULL};
  const char *error = NULL;
  Arena *a = arena_new();
  ck_assert_int_eq(options_parse(a, &o, 4, argv), -1);
  FILE *to = open_memstream(&out.text, &out.size);
  FILE *from = fmemopen((void *)(uintptr_t)script, strlen(script), "r");
  ck_assert(to && from);
  Repl *r = repl_new(&o, to, to, "<test>", &error);
  ck_assert_msg(r != NULL, "%s", error);
  repl_script(r, from);
  out.failures = r->failures;
  repl_free(r);
  fclose(from);
  fclose(to);
  arena_free(a);
  return out;
}

// A script that was just run is not run again, so that several parts of what it prints can be asked for.
static const ReplRun *run_once(const char *script) {
  static char *last;
  static ReplRun r;
  if (last && !strcmp(last, script))
    return &r;
  free(last);
  free(r.text);
  last = strdup(script);
  r = repl_run(script);
  return &r;
}

void prints(const char *script, const char *want) {
  const ReplRun *r = run_once(script);
  ck_assert_msg(!strcmp(r->text, want), "%s\nprints\n%s\nnot\n%s", script, r->text, want);
}

void succeeds_with(const char *script, const char *part) {
  const ReplRun *r = run_once(script);
  ck_assert_msg(r->failures == 0 && strstr(r->text, part), "%s\nprints\n%s\nwithout `%s`", script,
                r->text, part);
}

void fails_with(const char *script, int failures, const char *part) {
  const ReplRun *r = run_once(script);
  ck_assert_msg(r->failures == failures && strstr(r->text, part),
                "%s\nprints\n%s\n(%d failures)\nwithout `%s`", script, r->text, r->failures, part);
}
