// tokenizer.json: each fixture's ids are those of the library that the files are of, and what is not known is refused by name.
#include "runtime/text/pattern.h"
#include "runtime/text/tokenizer.h"
#include "runtime/files/file.h"
#include "tests/unit/suites.h"
#include "tests/unit/tmpdir.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(a) ((int)(sizeof(a) / sizeof *(a)))

// ---- the fixtures: ids of texts.txt, then those of pairs.txt cut to 24 tokens

static const struct {
  const char *path, *ids;
} kinds[] = {
    {"wordpiece.json", "wordpiece"},
    {"vocab.txt", "wordpiece"},
    {"wordpiece_cased.json", "wordpiece_cased"},
    {"bpe.json", "bpe"},
    {"merges", "bpe"},
    {"gpt2.json", "gpt2"},
    {"pattern.json", "pattern"},
    {"bpe_parts.json", "bpe_parts"},
    {"unigram.json", "unigram"},
    {"unigram_bytes.json", "unigram_bytes"},
    {"words.json", "words"},
};

static char *fixture(const char *name, const char *suffix) {
  static char path[512];
  const char *root = getenv("srcdir");
  snprintf(path, sizeof path, "%s/tests/fixtures/tokenizers/%s%s", root ? root : ".", name, suffix);
  return path;
}

static char *read_all(const char *path) {
  BigsError e = {0};
  size_t n;
  char *text = file_read(path, 1 << 24, &n, &e);
  ck_assert_msg(text != NULL, "%s", e.text);
  return text;
}

static Tokenizer *open_or_fail(const char *path) {
  BigsError e = {0};
  Tokenizer *t;
  ck_assert_msg(!tok_open(path, true, &t, &e), "%s", e.text);
  return t;
}

static char *next_line(char **at) {
  char *line = *at, *end = strchr(line, '\n');
  ck_assert(end != NULL);
  *end = 0;
  *at = end + 1;
  return line;
}

// Compares the ids of a text, or of two, with the next line.
static void expect_line(TokEncoder *c, const char *const *text, int texts, size_t max,
                        char **want) {
  BigsError e = {0};
  TokIds ids = {0};
  size_t size[2] = {strlen(text[0]), texts > 1 ? strlen(text[1]) : 0}, i = 0;
  ck_assert_msg(!tok_whole(c, text, size, texts, max, &ids, NULL, NULL, &e), "%s", e.text);
  char *p = next_line(want);
  for (char *end; *p; p = end, i++)
    ck_assert_msg(i < ids.n && strtol(p, &end, 10) == ids.v[i], "token %zu of \"%s\": %d, not %s",
                  i, text[0], i < ids.n ? (int)ids.v[i] : -1, p);
  ck_assert_msg(i == ids.n, "%zu tokens, not %zu, of \"%s\"", ids.n, i, text[0]);
  free(ids.v);
}

START_TEST(the_ids_are_the_library_s) {
  BigsError e = {0};
  Tokenizer *t = open_or_fail(fixture(kinds[_i].path, ""));
  char *texts = read_all(fixture("texts", ".txt")), *pairs = read_all(fixture("pairs", ".txt"));
  char *ids = read_all(fixture(kinds[_i].ids, ".ids")), *want = ids;
  TokEncoder *c = tok_encoder_new(t, &e);
  int lines = 0;
  for (char *at = texts; *at; lines++)
    expect_line(c, (const char *[]){next_line(&at)}, 1, 0, &want);
  for (char *at = pairs; *at; lines++) {
    char *a = next_line(&at), *tab = strchr(a, '\t');
    *tab = 0;
    expect_line(c, (const char *[]){a, tab + 1}, 2, 24, &want);
  }
  ck_assert_str_eq(want, "");
  ck_assert_int_gt(lines, 300);
  tok_encoder_free(c);
  tok_free(t);
  free(texts);
  free(pairs);
  free(ids);
}
END_TEST

// ---- small files

#define MODEL                                                                                      \
  "\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"u\",\"vocab\":{\"u\":0,\"a\":1,\"b\":2,"      \
  "\"ab\":3,\"<m>\":4,\"#\":5}}"

static int parse(const char *text, Tokenizer **t, BigsError *e) {
  return tok_parse(TOKENIZER_FILE, text, strlen(text), "t.json", false, t, e);
}

static const struct {
  const char *text, *error;
} refused[] = {
    {"[]", "t.json: byte 0: not a tokenizer.json: no object"},
    {"{}", "no \"model\": not a tokenizer.json?"},
    {"{\"model\":{\"type\":\"Neural\"}}",
     "the model \"Neural\" is not known; known: WordPiece BPE Unigram WordLevel"},
    {"{" MODEL ",\"normalizer\":{\"type\":\"Nmt\"}}",
     "byte 108: the normalizer \"Nmt\" is not known; known: BertNormalizer NFC"},
    {"{" MODEL ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{"
     "\"type\":\"Odd\"}]}}",
     "the normalizer \"Odd\" is not known"},
    {"{" MODEL ",\"normalizer\":{\"type\":\"NFC\",\"form\":1}}", "\"form\" of NFC is not known"},
    {"{" MODEL ",\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"}}",
     "the pre_tokenizer \"UnicodeScripts\" is not known; known: BertPreTokenizer"},
    {"{" MODEL ",\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a(?<=b)\"},"
     "\"behavior\":\"Isolated\"}}",
     "the expression \"a(?<=b)\": a group that is not known at byte 2"},
    {"{" MODEL
     ",\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"Odd\"}}",
     "\"behavior\" is \"Odd\", which is not known"},
    {"{" MODEL ",\"post_processor\":{\"type\":\"Odd\"}}",
     "the post_processor \"Odd\" is not known; known: BertProcessing"},
    {"{" MODEL
     ",\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"a\",1],\"cls\":[\"x\",9]}}",
     "\"cls\" is no token and its id in the vocabulary"},
    {"{" MODEL ",\"added_tokens\":[{\"id\":3,\"content\":\"a\"}]}",
     "\"a\" has the id 3 here, and 1 in the vocabulary"},
    {"{" MODEL ",\"added_tokens\":[{\"id\":3,\"content\":\"new\"}]}",
     "the id 3 is that of \"ab\" already"},
    {"{" MODEL ",\"spelling\":{}}", "\"spelling\" of the file is not known"},
    {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0,\"b\":0},\"unk_token\":\"a\"}}",
     "the id 0 is that of \"a\" already"},
    {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":99999999},\"unk_token\":\"a\"}}",
     "the id of \"a\" is no number from 0 to"},
    {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0}}}",
     "the unk_token \"<unk>\" is not in the vocabulary"},
    {"{\"model\":{\"type\":\"BPE\",\"dropout\":0.1,\"vocab\":{\"a\":0},\"merges\":[]}}",
     "\"dropout\" is not known"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}",
     "the merge of \"a b\" and \"b\": one is not in the vocabulary"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a a\"]}}",
     "makes what is not in the vocabulary"},
    {"{\"model\":{\"type\":\"Unigram\",\"unk_id\":2,\"vocab\":[[\"a\",0]]}}",
     "\"unk_id\" is no id of the vocabulary"},
    {"{" MODEL ",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"}}",
     "is not a map of characters"},
    {"{" MODEL ",\"\":1}", "\"\" of the file is not known"},
    {"{" MODEL ",\"type\":[],"
     "\"x\":1}",
     "\"x\" of the file is not known"},
    {"{" MODEL ",\"added_tokens\":[[1]]}", "an array where an object is wanted"},
    {"{" MODEL, "t.json: byte"},
};

START_TEST(what_is_not_known_is_refused) {
  BigsError e = {0};
  Tokenizer *t;
  ck_assert_int_eq(parse(refused[_i].text, &t, &e), BIGS_EFILE);
  ck_assert_ptr_null(t);
  ck_assert_msg(strstr(e.text, refused[_i].error), "%s", e.text);
}
END_TEST

static void expect_ids(const char *json, const char *text, bool specials, const char *want) {
  BigsError e = {0};
  Tokenizer *t;
  TokIds ids = {0};
  char got[256] = "";
  ck_assert_msg(!parse(json, &t, &e), "%s", e.text);
  TokEncoder *c = tok_encoder_new(t, &e);
  ck_assert_msg(!tok_encode(c, text, strlen(text), specials, &ids, &e), "%s", e.text);
  for (size_t i = 0; i < ids.n; i++)
    sprintf(got + strlen(got), "%d ", (int)ids.v[i]);
  ck_assert_str_eq(got, want);
  free(ids.v);
  tok_encoder_free(c);
  tok_free(t);
}

// ---- text that is lowered before all else: ids of the library with a Lowercase before the file's normalizer

static const struct {
  const char *path, *text, *ids;
} lowered[] = {
    {"wordpiece_cased.json", "THE Cats [MASK] OF", "2 88 846 832 71 843 831 842 4 83 830 3"},
    {"wordpiece_cased.json", "\xC4\xB0STANBUL \xC3\x89T\xC3\x89 \xCE\xA3\xCE\x8A\xCE\xA3",
     "2 77 1274 842 831 843 833 852 847 844 113 831 901 260 1238 867 3"},
    {"pattern.json", "THE Cats [MASK] OF", "1 549 273 286 87 4 328 2"},
    {"pattern.json", "\xC4\xB0STANBUL \xC3\x89T\xC3\x89 \xCE\xA3\xCE\x8A\xCE\xA3",
     "1 702 350 88 350 225 567 143 112 567 2"},
    {"vocab.txt", "THE Cats [MASK] OF", "2 62 642 634 45 631 646 629 4 57 627 3"},
    {"vocab.txt", "\xC4\xB0STANBUL \xC3\x89T\xC3\x89 \xCE\xA3\xCE\x8A\xCE\xA3", "2 1 1 1 3"},
    {"vocab.txt",
     "A\xE4\xB8\xAD"
     "B\xC3\x80 1\xE2\x85\xA8",
     "2 43 477 1 1 3"},
};

START_TEST(text_is_lowered_first) {
  BigsError e = {0};
  Tokenizer *t;
  const char *path = fixture(lowered[_i].path, "");
  TokenizerKind kind = strstr(path, ".json") ? TOKENIZER_FILE : TOKENIZER_WORDPIECE;
  char want[256], *at = want;
  snprintf(want, sizeof want, "%s\n", lowered[_i].ids);
  ck_assert_msg(!tok_load(kind, path, false, &t, &e), "%s", e.text);
  uint64_t hash = tok_hash(t);
  ck_assert_int_eq(tok_lower_first(t, &e), 0);
  ck_assert(tok_hash(t) != hash);
  TokEncoder *c = tok_encoder_new(t, &e);
  expect_line(c, &lowered[_i].text, 1, 0, &at);
  tok_encoder_free(c);
  tok_free(t);
}
END_TEST

#define SPACES ",\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"}"
#define ADDED(more) ",\"added_tokens\":[{\"id\":4,\"content\":\"<m>\",\"special\":true" more "}]}"

START_TEST(added_tokens) {
  expect_ids("{" MODEL SPACES ADDED(""), "a<m>b", true, "1 4 2 ");
  expect_ids("{" MODEL SPACES ADDED(""), "a<m>b", false, "0 ");
  expect_ids("{" MODEL SPACES ADDED(",\"single_word\":true"), "a<m> <m> (<m>)", true, "0 4 0 4 0 ");
  expect_ids("{" MODEL ADDED(",\"lstrip\":true"), "a <m>b", true, "1 4 2 ");
  expect_ids("{" MODEL ADDED(""), "a <m>b", true, "0 4 2 ");
  expect_ids("{" MODEL ADDED(",\"rstrip\":true"), "a<m>  \tb", true, "1 4 2 ");
  expect_ids("{" MODEL ",\"normalizer\":{\"type\":\"Lowercase\"}" ADDED(",\"normalized\":true"),
             "a<M>A", true, "1 4 1 ");
  expect_ids("{" MODEL ",\"normalizer\":{\"type\":\"Lowercase\"}" ADDED(",\"normalized\":false"),
             "a<M>", true, "0 ");
}
END_TEST

#define SPLIT(pattern, behavior)                                                                   \
  "{" MODEL ",\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"" pattern            \
  "\"},\"behavior\":\"" behavior "\"}}"

START_TEST(behaviors_of_splits) {
  expect_ids(SPLIT("#", "Removed"), "a##b", true, "1 2 ");
  expect_ids(SPLIT("#", "Isolated"), "a##b", true, "1 5 5 2 ");
  expect_ids(SPLIT("b", "MergedWithPrevious"), "abb", true, "3 2 ");
  expect_ids(SPLIT("a", "MergedWithNext"), "aab", true, "1 3 ");
  expect_ids(SPLIT("#", "Contiguous"), "a##b", true, "1 0 2 ");
}
END_TEST

START_TEST(tokens_of_texts_with_nul) {
  const char *json = "{\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"u\",\"vocab\":{\"u\":0,"
                     "\"a\":1,\"a\\u0000b\":2}}}";
  BigsError e = {0};
  Tokenizer *t;
  TokIds ids = {0};
  ck_assert_msg(!parse(json, &t, &e), "%s", e.text);
  TokEncoder *c = tok_encoder_new(t, &e);
  ck_assert_int_eq(tok_encode(c, "a\0b", 3, true, &ids, &e), 0);
  ck_assert_int_eq(tok_encode(c, "a", 1, true, &ids, &e), 0);
  ck_assert_int_eq(tok_encode(c, "a\xff", 2, true, &ids, &e), BIGS_EMODEL);
  ck_assert_str_eq(e.text, "byte 1 of the text is not UTF-8");
  ck_assert_uint_eq(ids.n, 2);
  ck_assert_int_eq(ids.v[0], 2);
  ck_assert_int_eq(ids.v[1], 1);
  free(ids.v);
  tok_encoder_free(c);
  tok_free(t);
}
END_TEST

// ---- decoding

START_TEST(texts_come_back) {
  static const char *const paths[] = {"wordpiece.json", "bpe.json", "gpt2.json",
                                      "unigram_bytes.json"};
  BigsError e = {0};
  for (int i = 0; i < N(paths); i++) {
    Tokenizer *t = open_or_fail(fixture(paths[i], ""));
    TokEncoder *c = tok_encoder_new(t, &e);
    TokIds ids = {0};
    ck_assert_int_eq(tok_encode(c, "the same words", 14, true, &ids, &e), 0);
    char *text = tok_decode(t, ids.v, ids.n, true, &e);
    ck_assert_msg(!strcmp(text + (*text == ' '), "the same words"), "%s: %s", paths[i], text);
    free(text);
    free(ids.v);
    tok_encoder_free(c);
    tok_free(t);
  }
}
END_TEST

// What a token stands for, for people; its name, where it is a part of a character.
START_TEST(tokens_are_spelled) {
  static const struct {
    const char *file, *token, *spelled;
  } cases[] = {{"bpe.json", "\u0120the", " the"},
               {"bpe.json", "the", "the"},
               {"bpe.json", "\u00f0\u0141\u0131", "\u00f0\u0141\u0131"},
               {"bpe.json", "\u00e2\u0122\u012f", "\u200d"},
               {"unigram.json", "\u2581the", " the"},
               {"unigram.json", "the", "the"},
               {"wordpiece.json", "##\u0441", "##\u0441"},
               {"wordpiece.json", "[MASK]", "[MASK]"}};
  BigsError e = {0};
  for (int i = 0; i < N(cases); i++) {
    Tokenizer *t = open_or_fail(fixture(cases[i].file, ""));
    int32_t id = tok_find(t, cases[i].token, strlen(cases[i].token));
    char *text = tok_spelled(t, id, &e);
    ck_assert_msg(text && !strcmp(text, cases[i].spelled), "%s: %s", cases[i].token,
                  text ? text : e.text);
    free(text);
    ck_assert_ptr_null(tok_spelled(t, -1, &e));
    tok_free(t);
  }
}
END_TEST

// ---- which tokens are special

static void put(const char *name, const char *text) {
  FILE *f = fopen(in_dir(name), "w");
  ck_assert(f && fputs(text, f) >= 0 && !fclose(f));
}

START_TEST(special_tokens_of_a_folder) {
  BigsError e = {0};
  put("tokenizer.json", "{" MODEL "}");
  put("special_tokens_map.json", "{\"mask_token\":{\"content\":\"<m>\"},\"bos_token\":\"a\"}");
  put("tokenizer_config.json", "{\"pad_token\":\"b\",\"mask_token\":\"ab\"}");
  Tokenizer *t = open_or_fail(dir);
  ck_assert_int_eq(tok_special(t, TOK_MASK), 4);
  ck_assert_int_eq(tok_special(t, TOK_CLS), 1);
  ck_assert_int_eq(tok_special(t, TOK_PAD), 2);
  ck_assert_int_eq(tok_special(t, TOK_SEP), -1);
  ck_assert(tok_is_special(t, 4) && !tok_is_special(t, 3));
  tok_free(t);
  put("special_tokens_map.json", "{\"mask_token\":\"[MASK]\"}");
  ck_assert_int_eq(tok_open(dir, true, &t, &e), BIGS_EFILE);
  ck_assert_msg(
      strstr(e.text, "special_tokens_map.json: the mask_token \"[MASK]\" is not in the vocabulary"),
      "%s", e.text);
}
END_TEST

START_TEST(a_folder_decides_about_case) {
  BigsError e = {0};
  Tokenizer *t;
  put("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n");
  for (int lower = 0; lower < 2; lower++) {
    put("tokenizer_config.json", lower ? "{\"do_lower_case\":true}" : "{\"do_lower_case\":false}");
    t = open_or_fail(dir);
    ck_assert_int_eq(tok_lower(t), lower);
    tok_free(t);
  }
  put("tokenizer_config.json", "{\"do_lower_case\":true,\"strip_accents\":false}");
  ck_assert_int_eq(tok_open(dir, true, &t, &e), BIGS_EFILE);
  remove(in_dir("vocab.txt"));
  ck_assert_int_eq(tok_open(dir, true, &t, &e), BIGS_EFILE);
  ck_assert_msg(strstr(e.text, "no tokenizer.json, vocab.txt or vocab.json in it"), "%s", e.text);
}
END_TEST

// ---- inputs

START_TEST(whole_inputs_are_cut) {
  static const struct {
    const char *a, *b;
    size_t max;
    const char *want; // CLS 2, SEP 3; types behind the bar
    bool cut;
  } table[] = {
      {"a a", NULL, 0, "2 5 5 3 |0 0 0 0 ", false},
      {"a a a", NULL, 4, "2 5 5 3 |0 0 0 0 ", true},
      {"a a", "a", 0, "2 5 5 3 5 3 |0 0 0 0 1 1 ", false},
      {"a a a a", "a", 7, "2 5 5 5 3 5 3 |0 0 0 0 0 1 1 ", true}, // the longer one is cut
      {"a", "a a a a", 7, "2 5 3 5 5 5 3 |0 0 0 1 1 1 1 ", true},
      {"a a a a", "a a a a", 8, "2 5 5 3 5 5 5 3 |0 0 0 0 1 1 1 1 ", true},
      {"a", "a", 3, "2 3 3 |0 0 1 ", true},
  };
  BigsError e = {0};
  Tokenizer *t;
  const char *vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n";
  ck_assert_int_eq(tok_parse(TOKENIZER_WORDPIECE, vocab, strlen(vocab), "v", true, &t, &e), 0);
  TokEncoder *c = tok_encoder_new(t, &e);
  for (int i = 0; i < N(table); i++) {
    TokIds ids = {0}, types = {0};
    bool cut;
    char got[128] = "";
    const char *text[2] = {table[i].a, table[i].b};
    size_t size[2] = {strlen(text[0]), text[1] ? strlen(text[1]) : 0};
    ck_assert_int_eq(
        tok_whole(c, text, size, text[1] ? 2 : 1, table[i].max, &ids, &types, &cut, &e), 0);
    for (size_t k = 0; k < ids.n; k++)
      sprintf(got + strlen(got), "%d ", (int)ids.v[k]);
    strcat(got, "|");
    for (size_t k = 0; k < types.n; k++)
      sprintf(got + strlen(got), "%d ", (int)types.v[k]);
    ck_assert_str_eq(got, table[i].want);
    ck_assert_int_eq(cut, table[i].cut);
    free(ids.v);
    free(types.v);
  }
  TokIds ids = {0};
  ck_assert_int_eq(tok_whole(c, &(const char *){"a"}, &(size_t){1}, 1, 1, &ids, NULL, NULL, &e),
                   BIGS_EUSAGE);
  tok_encoder_free(c);
  tok_free(t);
}
END_TEST

// ---- expressions

static const struct {
  const char *pattern, *text, *want; // the matches, with bars between them
} expressions[] = {
    {"ab|a", "abaa", "ab|a|a|"},
    {"a|ab", "ab", "a|"},
    {"[a-c]+", "xabcdca", "abc|ca|"},
    {"[^a-c ]+", "ab xy", "xy|"},
    {"\\s+(?!\\S)|\\s+", "a   b  ", "  | |  |"},
    {"(?i:'S|k)x?", "'sx 'S K\xE2\x84\xAA '\xC5\xBF", "'sx|'S|K|\xE2\x84\xAA|'\xC5\xBF|"},
    {"\\p{L}+|\\p{N}{1,3}", "ab12345\xC3\xA9", "ab|123|45|\xC3\xA9|"},
    {"\\P{L}+", "a1.b", "1.|"},
    {"(?:ab)+c?", "ababcab", "ababc|ab|"},
    {"(a|b)*c", "abac", "abac|"},
    {"x(?=y)", "xxy", "x|"},
    {"^a|b$", "aab", "a|b|"},
    {" {2,}", "a b  c    d", "  |    |"},
    {"\\d\\.\\d", "1.2 3x4", "1.2|"},
    {"[\\r\\n\\]-]+", "a\r\n]-b", "\r\n]-|"},
    {".", "\xE4\xB8\xAD\n", "\xE4\xB8\xAD|"},
    {"a{2}", "aaaaa", "aa|aa|"},
    {"\\w+", "a\xC2\xB2-\xC2\xBC", "a\xC2\xB2|\xC2\xBC|"}, // Oniguruma's, outside of brackets
    {"[\\w]+", "a\xC2\xB2-\xC2\xBC", "a|"},
};

START_TEST(expressions_match) {
  BigsError e = {0};
  TextPattern *p = pattern_new(expressions[_i].pattern, strlen(expressions[_i].pattern), &e);
  ck_assert_msg(p != NULL, "%s", e.text);
  const char *text = expressions[_i].text;
  char got[128] = "";
  size_t start, end = 0;
  int status = 0;
  while (pattern_find(p, text, strlen(text), end, &start, &end, &status, &e) && end > start)
    sprintf(got + strlen(got), "%.*s|", (int)(end - start), text + start);
  ck_assert_str_eq(got, expressions[_i].want);
  ck_assert_int_eq(status, 0);
  pattern_free(p);
}
END_TEST

START_TEST(expressions_that_are_not_known) {
  static const char *const bad[] = {"(",       ")",        "[a",    "a**",     "*",
                                    "\\q",     "\\p{Han}", "\\pL",  "(?<a>b)", "a{2,1}",
                                    "(ab){2}", "[b-a]",    "[[a]]", "\\",      "a?+"};
  for (int i = 0; i < N(bad); i++) {
    BigsError e = {0};
    ck_assert_msg(!pattern_new(bad[i], strlen(bad[i]), &e), "%s", bad[i]);
    ck_assert_int_eq(e.status, BIGS_EFILE);
  }
}
END_TEST

// What would take exponential time ends with an error.
START_TEST(expressions_that_take_too_long) {
  BigsError e = {0};
  TextPattern *p = pattern_new("(a*)*b", 6, &e);
  size_t start, end;
  int status = 0;
  ck_assert_msg(p != NULL, "%s", e.text);
  ck_assert(!pattern_find(p, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 32, 0, &start, &end, &status, &e));
  ck_assert_int_eq(status, BIGS_EMODEL);
  pattern_free(p);
}
END_TEST

Suite *tokenizer_file_suite(void) {
  Suite *s = suite_create("tokenizer_file");
  TCase *t = tcase_create("fixtures");
  tcase_add_loop_test(t, the_ids_are_the_library_s, 0, N(kinds));
  tcase_add_test(t, texts_come_back);
  tcase_add_loop_test(t, text_is_lowered_first, 0, N(lowered));
  tcase_add_test(t, tokens_are_spelled);
  suite_add_tcase(s, t);
  t = tcase_create("files");
  tcase_add_loop_test(t, what_is_not_known_is_refused, 0, N(refused));
  tcase_add_test(t, added_tokens);
  tcase_add_test(t, behaviors_of_splits);
  tcase_add_test(t, tokens_of_texts_with_nul);
  tcase_add_test(t, whole_inputs_are_cut);
  suite_add_tcase(s, t);
  t = tcase_create("folders");
  tcase_add_checked_fixture(t, make_dir, remove_dir);
  tcase_add_test(t, special_tokens_of_a_folder);
  tcase_add_test(t, a_folder_decides_about_case);
  suite_add_tcase(s, t);
  t = tcase_create("expressions");
  tcase_add_loop_test(t, expressions_match, 0, N(expressions));
  tcase_add_test(t, expressions_that_are_not_known);
  tcase_add_test(t, expressions_that_take_too_long);
  suite_add_tcase(s, t);
  return s;
}
