// The canonical text: what it looks like, that it is its own, and that nothing of a text is lost in it.
#include "compiler/syntax/fmt.h"
#include "tests/unit/suites.h"
#include "tests/unit/syntax_test.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PATH = 1024, FILE_ROOM = 1 << 18, MUTATIONS = 30 };

static const char *formatted(const char *text) {
  char *out = fmt_text(arena, names, &diags, source(text));
  ck_assert_msg(out != NULL, "refused:\n%s\n%s", text,
                diags_string(arena, &diags, DIAG_TEXT, false));
  return out;
}

static const struct {
  const char *text, *want;
} looks[] = {
    {"", ""},
    {"\n\n# a\n\n\n\n  # b  \n", "# a\n\n# b\n"},
    {"dim   H=4 ,K   = H*2", "dim H = 4, K = H * 2\n"},
    {"\xef\xbb\xbf"
     "dim H = 4\r\ndim B # run-time\r\n",
     "dim H = 4\ndim B                                  # run-time\n"},
    {"fn f(x:[.., H],n=-1)->[..,H]=x*- n^ -2",
     "fn f(x : [.., H], n = -1) -> [.., H] = x * -n^-2\n"},
    {"fn g(x) = f(x ,n :2)[L=0 :4] @ [H](x) @[]- x",
     "fn g(x) = f(x, n: 2)[L = 0 : 4] @[H] (x) @[] -x\n"},
    {"fn f(x) = 2 .x", "fn f(x) = 2 .x\n"},
    {"fn h(x) = x[H as(A,D) ][ (A,D)as H]|>f (n: 1)",
     "fn h(x) = x[H as (A, D)][(A, D) as H] |> f(n: 1)\n"},
    {"model M(x:[H]){entry y:[H]=x;;entry z:[H]=x;}",
     "model M(x : [H]) { entry y : [H] = x; entry z : [H] = x }\n"},
    {"model M(x : [H]) {\nweight : [H]~ normal ( 1 ) @t,\n}", NULL},
    {"dim H = 4)", NULL},
    {"dim H = \"a", NULL},
    {"module M(x : [H]) -> [H] {\na:f32~0@t\nweight:c64[H]~ normal ( 1 ) @t @u\nk, "
     "v:Linear[H->H]\nx\n}",
     "module M(x : [H]) -> [H] {\n  a      : f32    ~ 0          @t\n  weight : c64[H] ~ normal(1) "
     " @t @u\n"
     "  k, v   : Linear[H -> H]\n  x\n}\n"},
    {"model M(x : [H]) {\n  entry y : [H] =\nx\n|> f\n|> g\n  entry long:[H]=x # why\n entry "
     "s:f32=sum(x\n+\n1)\n}",
     "model M(x : [H]) {\n  entry y : [H] =\n    x\n      |> f\n      |> g\n  entry long : [H] = x "
     "                # why\n"
     "  entry s    : f32 = sum(x\n    +\n    1)\n}\n"},
    {"model M(x : [H]) {\nforms y : [H] {\na = x\nother=scan[L](s:[H]=0){\n# in\ns=s+x\n\n\ns # "
     "end\n}\n# last\n}\nentry z:[H]=y |>\n f\n}",
     "model M(x : [H]) {\n  forms y : [H] {\n    a     = x\n    other = scan[L](s : [H] = 0) {\n   "
     "   # in\n      s = s + x\n\n"
     "      s                                # end\n    }\n    # last\n  }\n  entry z : [H] = y "
     "|>\n    f\n}\n"},
    {"checkpoint hf{layout torch\nlayer.{ i }<->\"l.{i}\"{\n(a,b).w<->\"*\"\n}\nconfig "
     "\"c.json\"{V=v;act==\"x\"}}",
     "checkpoint hf { layout torch\n  layer.{i} <-> \"l.{i}\" {\n    (a, b).w <-> \"*\"\n  }\n  "
     "config \"c.json\" { V = v; act == \"x\" } }\n"},
    {"train t "
     "{\nloss=1\noptimizer=adamw(beta:(0.9,0.98))\nrate=1e-3*(warmup(10%)then(cosine(to:0.1)))"
     "\ngroup @a,@b{rate*=0.1;decay=0}\n}",
     "train t {\n  loss      = 1\n  optimizer = adamw(beta: (0.9, 0.98))\n"
     "  rate      = 1e-3 * (warmup(10%) then (cosine(to: 0.1)))\n  group @a, @b { rate *= 0.1; "
     "decay = 0 }\n}\n"},
};

START_TEST(looks_so) {
  const char *want = looks[_i].want;
  if (!want)
    ck_assert_ptr_null(fmt_text(arena, names, &diags, source(looks[_i].text)));
  else
    ck_assert_str_eq(formatted(looks[_i].text), want);
}
END_TEST

// ---- nothing is lost
// The tree, without the places that lines of it end with.
static const char *tree_of(const char *text) {
  char *tree = ast_print(arena, file(text)), *to = tree;
  for (const char *at = tree; *at; at++) {
    size_t place = strncmp(at, "  # ", 4) ? 0 : strspn(at + 4, "0123456789:") + 4;
    at += place > 4 && (!at[place] || at[place] == '\n') ? place : 0;
    *to++ = *at;
    if (!*at)
      break;
  }
  *to = '\0';
  return tree;
}

// The tokens, a line each; ends of statements are of no interest.
static const char *tokens_of(const char *text) {
  Tokens *t = lex(arena, names, &diags, source(text), false);
  char *all = arena_alloc(arena, 2 * strlen(text) + 1), *at = all;
  for (int i = 0; i < t->list.n; i++) {
    const Token *k = &t->list.v[i];
    if (k->kind != T_EOL && k->kind != T_EOF)
      at += sprintf(at, "%.*s\n", (int)(k->hi - k->lo), text + k->lo);
  }
  return all;
}

// The comments, a line each, without blanks behind them.
static const char *comments_of(const char *text) {
  char *all = arena_alloc(arena, 2 * strlen(text) + 2), *at = all;
  bool quoted = false;
  for (; *text; text++) {
    quoted = *text == '\n' ? false : quoted != (*text == '"');
    if (quoted || *text != '#')
      continue;
    for (; *text && *text != '\n'; text++)
      *at++ = *text;
    while (strchr(" \t\r", at[-1]))
      at--;
    *at++ = '\n';
    text--;
  }
  *at = '\0';
  return all;
}

static void keeps_all(const char *text) {
  const char *out = formatted(text);
  ck_assert_str_eq(tokens_of(out), tokens_of(text));
  ck_assert_str_eq(comments_of(out), comments_of(text));
  ck_assert_str_eq(tree_of(out), tree_of(text));
  ck_assert_str_eq(formatted(out), out);
}

static bool parses(const char *text) {
  Diags none = {.arena = arena};
  parse_file(arena, names, &none, source(text));
  return !none.errors;
}

// One mistake, or an odd but good piece of text, somewhere.
static char *mutated(const char *text, uint32_t r) {
  static const char *const pieces[] = {" ", "\n", "\n\n\n", " # x\n", "\n#y \n", ";",  "\t", " - ",
                                       "(", ")",  ", ",     "@",      "=",       "a ", "."};
  size_t n = strlen(text), at = n ? r % n : 0, cut = r >> 24 & 3;
  const char *piece = pieces[(r >> 16 & 0xff) % COUNT(pieces)];
  cut = at + cut > n ? 0 : cut;
  return arena_printf(arena, "%.*s%s%s", (int)at, text, piece, text + at + cut);
}

// Of texts that differ from a good one in a few places some are good, too.
static int mutations(const char *text, uint32_t *seed) {
  int good = 0;
  for (int i = 0; i < MUTATIONS; i++) {
    const char *now = text;
    for (int k = 0; k <= i % 3; k++)
      now = mutated(now, *seed = *seed * 1664525 + 1013904223);
    if (!parses(now))
      continue;
    keeps_all(now);
    good++;
  }
  return good;
}

// ---- the texts of the tree
static char *read_text(const char *folder, const char *name) {
  const char *root = getenv("srcdir");
  FILE *f = fopen(arena_printf(arena, "%s/%s/%s", root ? root : ".", folder, name), "rb");
  char *text = arena_alloc(arena, FILE_ROOM);
  ck_assert_ptr_nonnull(f);
  size_t n = fread(text, 1, FILE_ROOM - 1, f);
  fclose(f);
  ck_assert_uint_lt(n, FILE_ROOM - 1);
  return text;
}

static int each_text(const char *folder, void (*see)(const char *folder, const char *name)) {
  const char *root = getenv("srcdir");
  char path[MAX_PATH];
  int n = 0;
  snprintf(path, sizeof path, "%s/%s", root ? root : ".", folder);
  DIR *d = opendir(path);
  for (struct dirent *e; d && (e = readdir(d));) {
    const char *dot = strrchr(e->d_name, '.');
    if (!dot || strcmp(dot, ".mdl"))
      continue;
    fresh();
    see(folder, e->d_name);
    n++;
  }
  closedir(d);
  return n;
}

static void see_case(const char *folder, const char *name) {
  const char *text = read_text(folder, name);
  uint32_t seed = (uint32_t)strlen(text);
  if (parses(text)) {
    keeps_all(text);
    mutations(text, &seed);
  }
}

static void see_model(const char *folder, const char *name) {
  const char *text = read_text(folder, name);
  keeps_all(text);
  ck_assert_msg(!strcmp(formatted(text), text), "not formatted: %s/%s", folder, name);
}

START_TEST(keeps_programs) {
  ck_assert_int_gt(each_text("tests/cases", see_case), 40);
  each_text("tests/errors", see_case);
}
END_TEST

// The blocks ```mdl of a document.
static int see_document(const char *name) {
  int n = 0;
  for (char *at = read_text("docs", name); (at = strstr(at, "\n```mdl\n")); n++) {
    char *end = strstr(at + 8, "\n```");
    ck_assert_ptr_nonnull(end);
    keeps_all(arena_strndup(arena, at + 8, (size_t)(end + 1 - (at + 8))));
    at = end;
  }
  return n;
}

START_TEST(keeps_examples) {
  ck_assert_int_gt(see_document("language.md"), 20);
  ck_assert_int_gt(see_document("tasks.md"), 2);
}
END_TEST

START_TEST(models_are_formatted) {
  ck_assert_int_gt(each_text("models", see_model), 15);
  fresh();
  keeps_all(read_text("compiler/sema", "prelude.mdl"));
}
END_TEST

START_TEST(some_mutations_are_good) {
  uint32_t seed = 1;
  ck_assert_int_gt(mutations(read_text("models", "rotary.mdl"), &seed), 0);
}
END_TEST

// Names of a length that no column has room for do not fill the file with blanks.
START_TEST(long_names_stand_out) {
  char *name = arena_alloc(arena, 300);
  memset(name, 'n', 200);
  const char *text =
      arena_printf(arena, "model M(x : [H]) {\n  a = x\n  bc = x\n  %s = a\n}\n", name);
  ck_assert_str_eq(
      formatted(text),
      arena_printf(arena, "model M(x : [H]) {\n  a  = x\n  bc = x\n  %s = a\n}\n", name));
}
END_TEST

Suite *fmt_suite(void) {
  Suite *s = suite_create("fmt");
  TCase *t = tcase_create("fmt");
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_set_timeout(t, 60);
  tcase_add_loop_test(t, looks_so, 0, COUNT(looks));
  tcase_add_test(t, keeps_programs);
  tcase_add_test(t, keeps_examples);
  tcase_add_test(t, models_are_formatted);
  tcase_add_test(t, some_mutations_are_good);
  tcase_add_test(t, long_names_stand_out);
  suite_add_tcase(s, t);
  return s;
}
