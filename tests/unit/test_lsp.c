// The language server: what it answers, and that no text and no message ends it.
#include "base/arena.h"
#include "base/vec.h"
#include "compiler/editor/lsp.h"
#include "runtime/files/json.h"
#include "tests/unit/suites.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EDITS = 80, TEXT_ROOM = 1 << 16 };

// ---- a session: all messages, then all answers
typedef struct Conversation {
  Arena *a;
  FILE *in;
  char *said, *heard;
  size_t nsaid, nheard;
  int id, status;
} Conversation;

static void talk_start(Conversation *t) {
  *t = (Conversation){.a = arena_new()};
  t->in = open_memstream(&t->said, &t->nsaid);
}

static void say(Conversation *t, const char *text) {
  fprintf(t->in, "Content-Length: %zu\r\n\r\n%s", strlen(text), text);
}

static const char *quoted(Conversation *t, const char *text) {
  JsonText j = {0};
  json_put_string(&j, text, strlen(text));
  const char *s = arena_strdup(t->a, j.s);
  free(j.s);
  return s;
}

static void ask(Conversation *t, const char *method, const char *params) {
  say(t, arena_printf(t->a, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"%s\",\"params\":%s}",
                      ++t->id, method, params));
}

static void tell(Conversation *t, const char *method, const char *params) {
  say(t,
      arena_printf(t->a, "{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"params\":%s}", method, params));
}

static void open_text(Conversation *t, const char *uri, const char *text) {
  tell(t, "textDocument/didOpen",
       arena_printf(
           t->a,
           "{\"textDocument\":{\"uri\":\"%s\",\"languageId\":\"bigsc\",\"version\":1,\"text\":%s}}",
           uri, quoted(t, text)));
}

static void ask_at(Conversation *t, const char *what, const char *uri, int line, int unit) {
  ask(t, arena_printf(t->a, "textDocument/%s", what),
      arena_printf(t->a,
                   "{\"textDocument\":{\"uri\":\"%s\"},\"position\":{\"line\":%d,\"character\":%d},"
                   "\"options\":{}}",
                   uri, line, unit));
}

static void change(Conversation *t, const char *uri, const int at[4], const char *text) {
  tell(t, "textDocument/didChange",
       arena_printf(t->a,
                    "{\"textDocument\":{\"uri\":\"%s\",\"version\":2},\"contentChanges\":[{"
                    "\"range\":{\"start\":{\"line\":%d,\"character\":%d},"
                    "\"end\":{\"line\":%d,\"character\":%d}},\"text\":%s}]}",
                    uri, at[0], at[1], at[2], at[3], quoted(t, text)));
}

static void hear(Conversation *t) {
  fclose(t->in);
  FILE *in = fmemopen(t->said, t->nsaid, "rb"), *out = open_memstream(&t->heard, &t->nheard);
  t->status = lsp_serve(in, out, "1");
  fclose(in);
  fclose(out);
}

static void hear_all(Conversation *t) {
  ask(t, "shutdown", "null");
  tell(t, "exit", "null");
  hear(t);
  ck_assert_int_eq(t->status, 0);
}

static void begin(Conversation *t) {
  ask(t, "initialize", "{\"processId\":null,\"rootUri\":null,\"capabilities\":{}}");
  tell(t, "initialized", "{}");
}

static void talk_end(Conversation *t) {
  free(t->said);
  free(t->heard);
  arena_free(t->a);
}

static void in_heard(const Conversation *t, const char *text) {
  ck_assert_msg(strstr(t->heard, text) != NULL, "not heard: %s\nin:\n%s", text, t->heard);
}

static int count_heard(const Conversation *t, const char *text) {
  int n = 0;
  for (const char *at = t->heard; (at = strstr(at, text)); at += strlen(text))
    n++;
  return n;
}

// ---- one session of an editor
static const char model[] = "dim H = 4, F = 8\n"
                            "dim B\n"
                            "# a layer that widens\n"
                            "module Wide(x : [B, H]) -> [B, H] {\n"
                            "  up   : Linear[H -> F]\n"
                            "  down : Linear[F -> H]\n"
                            "  wide = up(x)\n"
                            "  wide |> gelu |> down\n"
                            "}\n"
                            "model M(x : [B, H]) {\n"
                            "  body  : Wide\n"
                            "  entry y : [B, H] = body(x) + body.down.bias\n"
                            "}\n";

START_TEST(answers) {
  Conversation t;
  talk_start(&t);
  begin(&t);
  open_text(&t, "file:///a%20b/m.mdl", model);
  ask_at(&t, "hover", "file:///a%20b/m.mdl", 7, 3);
  ask_at(&t, "hover", "file:///a%20b/m.mdl", 10, 12);
  ask_at(&t, "hover", "file:///a%20b/m.mdl", 7, 12);
  ask_at(&t, "definition", "file:///a%20b/m.mdl", 7, 4);
  ask_at(&t, "definition", "file:///a%20b/m.mdl", 11, 37);
  ask_at(&t, "definition", "file:///a%20b/m.mdl", 7, 12);
  ask_at(&t, "completion", "file:///a%20b/m.mdl", 11, 36);
  ask_at(&t, "formatting", "file:///a%20b/m.mdl", 0, 0);
  ask_at(&t, "hover", "file:///a%20b/m.mdl", 11, 4);
  hear_all(&t);
  in_heard(&t, "\"version\":1,\"diagnostics\":[]");
  in_heard(&t, "wide : [B, F] with F = 8");
  in_heard(&t, "Wide(x : [B, H]) -> [B, H]\\n```\\na layer that widens");
  in_heard(&t, "gelu(x)");
  in_heard(&t, "\"id\":5,\"result\":{\"uri\":\"file:///a%20b/"
               "m.mdl\",\"range\":{\"start\":{\"line\":6,\"character\":2},\"end\":{\"line\":6,"
               "\"character\":6}}}");
  in_heard(&t, "\"id\":6,\"result\":{\"uri\":\"file:///a%20b/"
               "m.mdl\",\"range\":{\"start\":{\"line\":5,\"character\":2}");
  in_heard(&t, "\"id\":7,\"result\":null");
  in_heard(&t, "\"id\":8,\"result\":[{\"label\":\"up\",\"kind\":5,\"detail\":\"up : Linear[H -> "
               "F]\"},{\"label\":\"down\"");
  in_heard(&t, "  body : Wide\\n");
  in_heard(&t, "\"id\":11,\"result\":null");
  in_heard(&t, "entry y : [B, H] = expr\\n```\\nwhat a model computes");
  talk_end(&t);
}
END_TEST

START_TEST(diagnostics) {
  Conversation t;
  talk_start(&t);
  const char *uri = "file:///m.mdl";
  begin(&t);
  open_text(&t, uri, "dim H = 4\nmodel M(x : [H]) {\n  y = x\n  y = x\n  entry z : [H] = yy\n}\n");
  change(&t, uri, (int[]){3, 2, 3, 3}, "a");
  change(&t, uri, (int[]){4, 18, 4, 20}, "y + a");
  tell(&t, "textDocument/didClose", "{\"textDocument\":{\"uri\":\"file:///m.mdl\"}}");
  ask_at(&t, "hover", uri, 1, 1);
  hear_all(&t);
  in_heard(&t, "\"range\":{\"start\":{\"line\":3,\"character\":2},\"end\":{\"line\":3,"
               "\"character\":3}},\"severity\":1,\"code\":\"E0302\"");
  in_heard(&t, "\"relatedInformation\":[{\"location\":{\"uri\":\"file:///"
               "m.mdl\",\"range\":{\"start\":{\"line\":2,\"character\":2}");
  in_heard(&t, "\"code\":\"E0301\",\"source\":\"bigsc\",\"message\":\"unknown name `yy`");
  ck_assert_int_eq(count_heard(&t, "E0302"), 1);
  ck_assert_int_eq(count_heard(&t, "\"version\":2,\"diagnostics\":[]"), 2); // mended, and closed
  in_heard(&t, "\"id\":2,\"result\":null");
  talk_end(&t);
}
END_TEST

// A character beyond the first plane is two units, whatever it has of bytes; lines end in three ways.
START_TEST(places_in_utf16) {
  Conversation t;
  talk_start(&t);
  const char *uri = "file:///u.mdl";
  begin(&t);
  open_text(&t, uri,
            "dim V = 4 # \xf0\x9f\x98\x80\r\ntokenizer wordpiece(\"\xf0\x9f\x98\x80\xc3\xa9.txt\", "
            "lowr: true)\r# \xe4\xb8\xad\n");
  change(&t, uri, (int[]){1, 31, 1, 35}, "lower");
  hear_all(&t);
  in_heard(
      &t,
      "\"range\":{\"start\":{\"line\":1,\"character\":31},\"end\":{\"line\":1,\"character\":41}}");
  in_heard(&t, "\"version\":2,\"diagnostics\":[]");
  talk_end(&t);
}
END_TEST

// ---- files that use files
static char *read_model(Conversation *t, const char *name, const char **uri) {
  const char *root = getenv("srcdir");
  char *path = realpath(arena_printf(t->a, "%s/models/%s", root ? root : ".", name), NULL);
  ck_assert_ptr_nonnull(path);
  *uri = arena_printf(t->a, "file://%s", path);
  FILE *f = fopen(path, "rb");
  char *text = arena_alloc(t->a, TEXT_ROOM);
  ck_assert_ptr_nonnull(f);
  ck_assert_uint_lt(fread(text, 1, TEXT_ROOM - 1, f), TEXT_ROOM - 1);
  fclose(f);
  free(path);
  return text;
}

START_TEST(names_of_used_files) {
  Conversation t;
  talk_start(&t);
  const char *uri;
  char *text = read_model(&t, "gated.mdl", &uri), *at = strstr(text, ": Route\n");
  int line = 0;
  for (char *c = text; c < at; c++)
    line += *c == '\n';
  begin(&t);
  open_text(&t, uri, text);
  ask_at(&t, "definition", uri, line, 14);
  ask_at(&t, "definition", uri, 2, 8);
  hear_all(&t);
  in_heard(&t, "\"diagnostics\":[]");
  in_heard(&t, "bigs.mdl\",\"range\":{\"start\":{\"line\":");
  in_heard(&t, "bigs.mdl\",\"range\":{\"start\":{\"line\":0,\"character\":0}");
  talk_end(&t);
}
END_TEST

// ---- uses, renaming, symbols, rules within rules
static const char folder_model[] = "dim H = 4, Depth = 2\n"
                                   "module Two(x : [H], k = 2) -> [H] {\n"
                                   "  up, down : Linear[H -> H]\n"
                                   "  up(x) + down(x) * k\n"
                                   "}\n"
                                   "module Block(x : [H]) -> [H] {\n"
                                   "  two : Two(k: 3)\n"
                                   "  two(x)\n"
                                   "}\n"
                                   "model M(x : [H]) {\n"
                                   "  layer : repeat Depth Block\n"
                                   "  entry y : [H] = layer(x)\n"
                                   "}\n"
                                   "checkpoint hf {\n"
                                   "  layer.{i} <-> \"enc.{i}\" {\n"
                                   "    two <-> \"t\" {\n"
                                   "      up.weight <-> \"u.w\"\n"
                                   "    }\n"
                                   "    two.(up, down) <-> \"*\"\n"
                                   "  }\n"
                                   "}\n";

static void ask_rename(Conversation *t, const char *uri, int line, int unit, const char *name) {
  ask(t, "textDocument/rename",
      arena_printf(t->a,
                   "{\"textDocument\":{\"uri\":\"%s\"},\"position\":{\"line\":%d,\"character\":%d},"
                   "\"newName\":\"%s\"}",
                   uri, line, unit, name));
}

START_TEST(uses) {
  Conversation t;
  const char *uri = "file:///m.mdl";
  talk_start(&t);
  begin(&t);
  open_text(&t, uri, folder_model);
  ask_at(&t, "definition", uri, 16, 7);  // `up` within two rules
  ask_at(&t, "definition", uri, 18, 14); // `down` in a group
  ask_at(&t, "references", uri, 2, 2);
  ask_rename(&t, uri, 6, 2, "pair");
  ask_rename(&t, uri, 6, 2, "layer");  // is used
  ask_rename(&t, uri, 1, 21, "times"); // a call names it
  ask_at(&t, "documentSymbol", uri, 0, 0);
  hear_all(&t);
  in_heard(&t, "\"id\":2,\"result\":{\"uri\":\"file:///m.mdl\",\"range\":{\"start\":{\"line\":2,"
               "\"character\":2}");
  in_heard(&t, "\"id\":3,\"result\":{\"uri\":\"file:///m.mdl\",\"range\":{\"start\":{\"line\":2,"
               "\"character\":6}");
  ck_assert_int_eq(count_heard(&t, "\"newText\":\"pair\""), 4);
  in_heard(&t, "\"id\":6,\"result\":null");
  in_heard(&t, "\"id\":7,\"result\":null");
  in_heard(&t, "{\"name\":\"Depth\",\"kind\":14,");
  in_heard(&t, "{\"name\":\"y\",\"kind\":6,");
  talk_end(&t);
}
END_TEST

// ---- what nobody should send
START_TEST(odd_messages) {
  Conversation t;
  talk_start(&t);
  ask(&t, "textDocument/hover", "{}");
  say(&t, "{\"jsonrpc\":\"2.0\",");
  say(&t, "[1, 2]");
  begin(&t);
  ask(&t, "textDocument/implementation", "{}");
  tell(&t, "$/cancelRequest", "{\"id\":1}");
  tell(&t, "textDocument/didOpen", "{\"textDocument\":{\"uri\":7,\"text\":null}}");
  tell(&t, "textDocument/didChange", "{\"textDocument\":\"x\",\"contentChanges\":{}}");
  tell(&t, "textDocument/didClose", "[]");
  open_text(&t, "untitled:1", "dim H = 4\n");
  change(&t, "untitled:1", (int[]){9, 9, -3, -3}, "dim K = 2\n");
  ask(&t, "textDocument/hover", "{\"textDocument\":{\"uri\":\"untitled:1\"},\"position\":[3]}");
  ask_at(&t, "completion", "untitled:1", 1000000, 1000000);
  ask_at(&t, "definition", "untitled:1", -1, -1);
  hear_all(&t);
  in_heard(&t, "\"id\":1,\"error\":{\"code\":-32002");
  in_heard(&t, "\"id\":null,\"error\":{\"code\":-32700");
  in_heard(&t, "\"id\":3,\"error\":{\"code\":-32601");
  ck_assert_int_eq(count_heard(&t, "\"id\":"), t.id + 1);
  talk_end(&t);
}
END_TEST

START_TEST(ends_that_are_none) {
  static const char *const texts[] = {
      "",         "Content-Length: 5\r\n\r\n{}", "Content-Length: 99999999999\r\n\r\n{}",
      "\r\n\r\n", "Content-Length: -4\r\n\r\n",  "hello\n"};
  for (int i = 0; i < COUNT(texts); i++) {
    Conversation t;
    talk_start(&t);
    fputs(texts[i], t.in);
    hear(&t);
    ck_assert_int_eq(t.status, 1);
    talk_end(&t);
  }
}
END_TEST

// ---- whatever is typed
static const char *const pieces[] = {"",
                                     "x",
                                     "(",
                                     ")",
                                     "{",
                                     "}",
                                     "[",
                                     "\n",
                                     "\"",
                                     "#",
                                     ".",
                                     " : ",
                                     " = ",
                                     "scan[L](s : [B] = 0) {",
                                     "@[",
                                     "\xf0\x9f\x98\x80",
                                     "model N from M {",
                                     "use \"bert.mdl\"\n",
                                     "|>",
                                     "\r",
                                     "repeat Depth ",
                                     "dim ",
                                     "train t {\n"};

START_TEST(random_edits) {
  static const char *const names[] = {"bert.mdl", "bigs.mdl", "gated.mdl", "rotary.mdl"};
  static const char *const questions[] = {"hover", "definition", "completion", "formatting"};
  uint32_t r = (uint32_t)_i + 1;
  Conversation t;
  talk_start(&t);
  const char *uri;
  char *text = read_model(&t, names[_i], &uri);
  begin(&t);
  open_text(&t, uri, text);
  for (int i = 0; i < EDITS; i++) {
    r = r * 1664525 + 1013904223;
    int line = (int)(r >> 8) % 100, unit = (int)(r >> 16) % 60, more = (int)(r >> 24) % 8;
    change(&t, uri, (int[]){line, unit, line + (more == 7), unit + more},
           pieces[(r >> 5) % COUNT(pieces)]);
    ask_at(&t, questions[i % COUNT(questions)], uri, line, unit + 1);
  }
  hear_all(&t);
  ck_assert_int_eq(count_heard(&t, "\"id\":"), t.id);
  ck_assert_int_eq(count_heard(&t, "publishDiagnostics"), EDITS + 1);
  talk_end(&t);
}
END_TEST

Suite *lsp_suite(void) {
  Suite *s = suite_create("lsp");
  TCase *c = tcase_create("lsp");
  tcase_set_timeout(c, 60);
  tcase_add_test(c, answers);
  tcase_add_test(c, diagnostics);
  tcase_add_test(c, places_in_utf16);
  tcase_add_test(c, names_of_used_files);
  tcase_add_test(c, uses);
  tcase_add_test(c, odd_messages);
  tcase_add_test(c, ends_that_are_none);
  tcase_add_loop_test(c, random_edits, 0, 4);
  suite_add_tcase(s, c);
  return s;
}
