// Rows that are neither a text with a class nor text alone: tagged words, answers in a text, two texts, several choices.
#include "runtime/train/data.h"
#include "base/bug.h"
#include "tests/unit/suites.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// WordPiece, and byte-level BPE, which tells by a blank where a word begins.
enum { PAD, UNK, CLS, SEP, A, B, C, PIECE_B, DOT, NEW };
static const char pieces[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\n##b\n.\nnew\n[MASK]\n";
static const char bytes[] =
    "{\"added_tokens\": [], \"normalizer\": null, \"pre_tokenizer\": {\"type\": \"ByteLevel\", "
    "\"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": true}, "
    "\"post_processor\": null, \"decoder\": null, \"model\": {\"type\": \"BPE\", \"dropout\": "
    "null, "
    "\"unk_token\": null, \"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, "
    "\"fuse_unk\": false, \"vocab\": {\"a\": 0, \"b\": 1, \"c\": 2, \".\": 3, \"\\u0120\": 4, "
    "\"\\u0120a\": 5, \"\\u0120b\": 6, \"\\u0120c\": 7, \"ab\": 8}, "
    "\"merges\": [\"\\u0120 a\", \"\\u0120 b\", \"\\u0120 c\", \"a b\"]}}";

static Tokenizer *tok;
static void open_tok(TokenizerKind kind, const char *text) {
  BigsError e = {0};
  ck_assert_msg(!tok_parse(kind, text, strlen(text), "tokenizer.json", true, &tok, &e), "%s",
                e.text);
}
static void setup_pieces(void) {
  open_tok(TOKENIZER_WORDPIECE, pieces);
}
static void setup_bytes(void) {
  open_tok(TOKENIZER_FILE, bytes);
}
static void teardown(void) {
  tok_free(tok);
}

static int try_text(const char *text, DataOptions o, Data **d, BigsError *e) {
  char path[] = "/tmp/bigs-rows-XXXXXX";
  const char *paths[] = {path};
  int fd = mkstemp(path);
  FILE *f = fdopen(fd, "w");
  fputs(text, f);
  fclose(f);
  int status = data_open(paths, 1, tok, &o, d, e);
  remove(path);
  return status;
}

static Data *open_text(const char *text, DataOptions o) {
  BigsError e = {0};
  Data *d;
  ck_assert_msg(!try_text(text, o, &d, &e), "%s", e.text);
  return d;
}

static DataBatch all_rows(Data *d) {
  DataBatch b;
  ck_assert_int_eq(data_at(d, DATA_TRAIN, 0, 100, &b, NULL), 0);
  return b;
}

static void same(const int32_t *v, const int32_t *want, int n) {
  for (int i = 0; i < n; i++)
    ck_assert_msg(v[i] == want[i], "%d at %d, not %d", v[i], i, want[i]);
}

// A word is judged at its first piece; what does not fit goes on in the next row of the sentence.
START_TEST(words_go_on_in_the_next_row) {
  static const int32_t ids[] = {CLS, NEW, A,   PIECE_B, SEP, CLS, DOT, SEP,
                                PAD, PAD, CLS, C,       SEP, PAD, PAD},
                       at[] = {1, 2, 6, 11}, target[] = {0, 1, 2, 0}, part[] = {0, 0, 1};
  Data *d = open_text("-DOCSTART- X\n\nNew x\nab y\n. z\n\nc x\n",
                      (DataOptions){.kind = DATA_TAGS, .length = 5});
  DataBatch b = all_rows(d);
  ck_assert(b.B == 3 && b.L == 5 && b.M == 4 && b.tokens == 11);
  same(b.ids, ids, 15);
  same(b.at, at, 4);
  same(b.target, target, 4);
  same(b.part, part, 3);
  size_t n;
  int32_t sentence;
  const char *word = data_word(d, 3, &n, &sentence);
  ck_assert(n == 1 && *word == 'c' && sentence == 1);
  word = data_word(d, 1, &n, &sentence);
  ck_assert(n == 2 && !memcmp(word, "ab", 2) && sentence == 0);
  data_free(d);
}
END_TEST

START_TEST(words_are_cut_as_in_a_text) {
  static const int32_t ids[] = {0, 6, 5, 1};
  Data *d = open_text("a x\nb x\nab x\n", (DataOptions){.kind = DATA_TAGS, .length = 8});
  DataBatch b = all_rows(d);
  ck_assert(b.B == 1 && b.L == 4 && b.M == 3);
  same(b.ids, ids, 4); // "a b ab", whose last word the merges have as " a" and "b"
  same(b.at, (const int32_t[]){0, 1, 2}, 3);
  data_free(d);
}
END_TEST

// Rows of a long context overlap by half, and an answer that is not whole in one is at its first place there.
START_TEST(contexts_have_several_rows) {
  Data *d = open_text("question\tcontext\tanswer\tstart\nc\ta b c a b c.\tb c\t8\n",
                      (DataOptions){.kind = DATA_SPANS, .length = 8});
  DataBatch b = all_rows(d);
  ck_assert(b.B == 3 && b.L == 8 && data_longer(d) == 1);
  static const int32_t ids[] = {CLS, C, SEP, A,   B,   C, A,   SEP, CLS, C,   SEP, C,
                                A,   B, C,   SEP, CLS, C, SEP, B,   C,   DOT, SEP, PAD};
  same(b.ids, ids, 24);
  same(b.start, (const int32_t[]){0, 5, 3}, 3);
  same(b.end, (const int32_t[]){0, 6, 4}, 3);
  for (int i = 0; i < 24; i++)
    ck_assert_int_eq(b.context[i], i % 8 >= 3 && i % 8 < (i < 16 ? 7 : 6));
  data_free(d);
}
END_TEST

// What is said, by place, is the text between the ends of words and symbols, of the row with the best score.
static void expect_answer(Data *d, SpanSaid said, const char *text, double exact) {
  SpanAnswer *a;
  int64_t n;
  ck_assert_int_eq(data_answers(d, &said, 1, &a, &n, NULL), 0);
  ck_assert_msg(n == 1 && a->n == strlen(text) && !memcmp(a->text, text, a->n), "%.*s", (int)a->n,
                a->text);
  ck_assert_double_eq(a->exact, exact);
  free(a);
}

START_TEST(answers_are_parts_of_the_text) {
  bool pieced = !_i;
  Data *d = open_text("question\tcontext\tanswer\nc\ta  ab.b; a.b\tab.b\n",
                      (DataOptions){.kind = DATA_SPANS, .length = 20});
  DataBatch b = all_rows(d);
  int64_t first = pieced ? 3 : 1; // behind [CLS] c [SEP], or c
  ck_assert(b.context[first] && !b.context[first - 1]);
  SpanSaid said = {.start = b.start[0], .end = b.end[0], .score = 1};
  expect_answer(d, said, "ab.b", 1);
  said.start = said.end = first;
  expect_answer(d, said, "a", 0);
  said.none = 2; // every question has an answer here
  expect_answer(d, said, "a", 0);
  data_free(d);
}
END_TEST

// As SQuAD's script has it: an article is no answer where there is another one.
START_TEST(articles_are_no_answers) {
  static const char *const answers[] = {
      "{\"text\": \"a\", \"answer_start\": 0}, {\"text\": \"b c\", \"answer_start\": 2}",
      "{\"text\": \"a\", \"answer_start\": 0}"};
  char text[512];
  snprintf(text, sizeof text,
           "{\"data\": [{\"paragraphs\": [{\"context\": \"a b c\", \"qas\": [{\"id\": \"x\", "
           "\"question\": \"c\", \"answers\": [%s]}]}]}]}",
           answers[_i]);
  Data *d = open_text(text, (DataOptions){.kind = DATA_SPANS, .length = 20});
  expect_answer(d, (SpanSaid){.start = 3, .end = 3}, "a", _i);
  expect_answer(d, (SpanSaid){.start = 4, .end = 5}, "b c", !_i);
  data_free(d);
}
END_TEST

START_TEST(two_texts_are_rows_of_one_length) {
  static const int32_t a[] = {CLS, A, SEP, PAD}, second[] = {CLS, B, C, SEP};
  Data *d = open_text("text_a\ttext_b\tlabel\na\tb c a\tx\n",
                      (DataOptions){.kind = DATA_PAIRS, .length = 4});
  DataBatch b = all_rows(d);
  ck_assert(b.B == 1 && b.L == 4 && !b.value && !b.target && b.tokens == 7 && data_cut(d) == 1);
  same(b.ids, a, 4);
  same(b.ids_b, second, 4);
  for (int i = 0; i < 4; i++)
    ck_assert(b.mask[i] == (i < 3) && b.mask_b[i]);
  data_free(d);
}
END_TEST

START_TEST(choices_are_rows_of_a_row) {
  static const int32_t ids[] = {CLS, A, SEP, B, SEP, CLS, A, SEP, C, SEP};
  Data *d =
      open_text("{\"premise\": \"a\", \"choice1\": \"b\", \"choice2\": \"c\", \"label\": 1}\n",
                (DataOptions){.kind = DATA_CHOICES, .length = 6});
  DataBatch b = all_rows(d);
  ck_assert(b.B == 1 && b.C == 2 && b.L == 5 && b.tokens == 10 && b.target[0] == 1);
  same(b.ids, ids, 10);
  ck_assert(b.types[2] == 0 && b.types[3] == 1 && b.types[9] == 1);
  data_free(d);
}
END_TEST

// RACE's gap, SWAG's quotes, and choices with nothing before them.
START_TEST(choices_as_others_have_them) {
  static const struct {
    const char *text;
    int32_t ids[12];
    int n;
  } files[] = {{"{\"article\": \"a\", \"questions\": [\"b __ c\"], \"options\": [[\"new\", "
                "\".\"]], \"answers\": [\"B\"]}",
                {CLS, A, SEP, B, NEW, C, SEP, CLS, A, SEP, B, DOT},
                12},
               {"sent1,sent2,ending0,ending1,label\n\"a, \"\"b\"\"\",c,b,new,1\n",
                {CLS, A, UNK, UNK, B, UNK, SEP, C, B, SEP},
                10},
               {"choice0\tchoice1\tlabel\na\tb\t1\n", {CLS, A, SEP, CLS, B, SEP}, 6}};
  Data *d = open_text(files[_i].text, (DataOptions){.kind = DATA_CHOICES, .length = 12});
  DataBatch b = all_rows(d);
  same(b.ids, files[_i].ids, files[_i].n);
  ck_assert(b.C == 2 && b.target[0] == 1);
  data_free(d);
}
END_TEST

// What is wrong is told with its place: behind the name of the file.
static const struct {
  DataKind kind;
  const char *text;
  int status;
  const char *message;
} wrong[] = {
    {DATA_TAGS, "a NN x\nb y\n", 1, ":2: 2 columns where the lines before have 3"},
    {DATA_TAGS, "-DOCSTART-\n\n", 1, ": no words in it"},
    {DATA_TAGS, "a\n", 1, ":1: a word without a tag"},
    {DATA_TAGS, "a x\nb 1\n", 1, ":2: label \"1\" is a number, and others are words"},
    {DATA_PAIRS, "text\tscore\na\t1\n", 1, ":1: the header has no two columns of texts"},
    {DATA_PAIRS, "text_a\ttext_b\tscore\na\tb\tgood\n", 1, ":2: label \"good\" is not a number"},
    {DATA_PAIRS, "text_a\ttext_b\tscore\na\tb\t0x10\n", 1, ":2: label \"0x10\" is not a number"},
    {DATA_PAIRS, "text_a\ttext_b\tscore\na\tb\t1\na\tb\t 3\n", 1,
     ":3: label \" 3\" is not a number"},
    {DATA_PAIRS, "text_a\ttext_b\tscore\na\tb\tinf\n", 1, ":2: label \"inf\" is not a number"},
    {DATA_PAIRS, "text_a\ttext_b\tscore\na\tb\t1e\n", 1, ":2: label \"1e\" is not a number"},
    {DATA_PAIRS, "text_a\ttext_b\tscore\na\tb\t1e400\n", 1,
     ":2: label \"1e400\" is more than f32 holds"},
    {DATA_PAIRS, "text_a\ttext_b\ttext_b\tscore\na\tb\tb\t1\n", 1,
     ":1: the header has the column \"text_b\" twice"},
    {DATA_PAIRS, "text_a\ttext_b\n", 1, ": no rows behind the header"},
    {DATA_SPANS, "question\tcontext\n", 1, ":1: the header has no column \"answer\""},
    {DATA_SPANS, "question\tanswer\n", 1, ":1: the header has no column \"context\""},
    {DATA_SPANS, "question\tcontext\tanswer\n", 1, ": no questions in it"},
    {DATA_SPANS, "question\tcontext\tanswer\nwho\tanna\tben\n", 1,
     ":2: the answer \"ben\" is not in its context"},
    {DATA_SPANS, "question\tcontext\tanswer\tstart\nwho\tanna anna\tanna\t4\n", 1,
     ":2: the answer \"anna\" is not in its context where it is said to begin"},
    {DATA_SPANS, "question\tcontext\tanswer\tstart\nwho\tanna anna\tanna\tx\n", 1,
     ":2: start \"x\" is not a whole number"},
    {DATA_SPANS, "question\tcontext\tanswer\nwho\tanna\n", 1,
     ":2: 2 fields where the header has 3"},
    {DATA_SPANS, "question\tcontext\tanswer\nwho\t\t\n", 1, ":2: the context is empty"},
    {DATA_SPANS, "{\"data\": [{\"paragraphs\": [{\"context\": \"anna\"}]}]}", 1,
     ": byte 26: no \"qas\" here"},
    {DATA_SPANS, "question\tcontext\tanswer\tcontext\nwho\tanna\tanna\tanna\n", 1,
     ":1: the header has the column \"context\" twice"},
    {DATA_SPANS,
     "question\tcontext\tanswer\tid\nwho\tanna\tanna\ta\nwho\tben\tben\tb\nwho\tben\tben\ta\n", 1,
     ":4: another question has the id \"a\" already"},
    {DATA_SPANS,
     "{\"data\": [{\"paragraphs\": [{\"context\": \"anna\", \"qas\": [{\"question\": \"who\", "
     "\"id\": "
     "\"a\", \"answers\": [{\"text\": \"anna\", \"answer_start\": 0}]}, {\"question\": \"who\", "
     "\"id\": "
     "\"a\", \"answers\": []}]}]}]}",
     1, ": byte 136: another question has the id \"a\" already"},
    {DATA_SPANS, "{\"data\": 1}", 1, ": byte 0: no \"data\" here"},
    {DATA_CHOICES, "context\tending0\tlabel\n", 1,
     ":1: no choices: they are called choice0, choice1"},
    {DATA_CHOICES, "context\tending0\tending2\tlabel\n", 1, ":1: no choices"},
    {DATA_CHOICES, "context\tending0\tchoice0\tending1\tlabel\n", 1,
     ":1: the columns \"ending0\" and \"choice0\" of the header hold the same"},
    {DATA_CHOICES, "context\tending0\tending1\n", 1, ":1: the header has no column \"label\""},
    {DATA_CHOICES, "context\tending0\tending1\tlabel\n", 1, ": no rows behind the header"},
    {DATA_CHOICES, "context\tending0\tending1\tlabel\nanna\ta\tb\t2\n", 1,
     ":2: label \"2\", but there are 2 choices: it is 0 to 1, or A to B"},
    {DATA_CHOICES, "context\tending0\tending1\tlabel\nanna\ta\tb\tC\n", 1, ":2: label \"C\""},
    {DATA_CHOICES, "context\tending0\tending1\tlabel\nanna\ta\tb\n", 1,
     ":2: 3 fields where the header has 4"},
    {DATA_CHOICES,
     "{\"premise\": \"a\", \"choice1\": \"b\", \"choice2\": \"c\", \"label\": 0}\n{\"choice0\": "
     "\"b\", \"choice1\": \"c\", \"choice2\": \"d\", \"label\": 0}\n",
     1, ":2: 3 choices where the rows before have 2"},
    {DATA_CHOICES, "{\"premise\": \"a\", \"choice1\": \"b\", \"choice2\": \"c\"}\n", 1,
     ":1: label \"\""},
    {DATA_CHOICES, "{\"premise\": \"a\",", 3, ":1: byte 16"},
    {DATA_SPANS, "{\"data\": [", 3, ": byte 10"}};

START_TEST(files_that_are_refused) {
  Data *d;
  BigsError e = {0};
  int status =
      try_text(wrong[_i].text, (DataOptions){.kind = wrong[_i].kind, .length = 16}, &d, &e);
  ck_assert_ptr_null(d);
  ck_assert_msg(status == wrong[_i].status && strstr(e.text, wrong[_i].message), "%d: %s", status,
                e.text);
}
END_TEST

// A line that comes in parts is told as one from its first part on, which would else be a row with too few fields.
static const struct {
  DataKind kind;
  const char *header;
} long_rows[] = {{DATA_TSV, "text\tlabel\n"},
                 {DATA_TAGS, "a x\n"},
                 {DATA_SPANS, "question\tcontext\tanswer\n"},
                 {DATA_CHOICES, "choice0\tchoice1\tlabel\n"}};

START_TEST(lines_of_more_than_a_part_are_refused) {
  enum { LONG = TEXT_MAX_LINE + 100 };
  Data *d;
  BigsError e = {0};
  size_t n = strlen(long_rows[_i].header);
  char *text = malloc(n + LONG + 8);
  memcpy(text, long_rows[_i].header, n);
  memset(text + n, 'a', LONG);
  strcpy(text + n + LONG, "\tb\t0\n");
  int status = try_text(
      text, (DataOptions){.kind = long_rows[_i].kind, .length = 16, .skip_bad = true}, &d, &e);
  free(text);
  ck_assert_ptr_null(d);
  ck_assert_msg(status == 1 && strstr(e.text, ":2: a line of more than 1048576 bytes"), "%d: %s",
                status, e.text);
}
END_TEST

Suite *rows_suite(void) {
  Suite *s = suite_create("rows");
  TCase *t = tcase_create("pieces"), *u = tcase_create("bytes");
  tcase_add_checked_fixture(t, setup_pieces, teardown);
  tcase_add_checked_fixture(u, setup_bytes, teardown);
  tcase_add_test(t, words_go_on_in_the_next_row);
  tcase_add_test(t, contexts_have_several_rows);
  tcase_add_loop_test(t, answers_are_parts_of_the_text, 0, 1);
  tcase_add_loop_test(t, articles_are_no_answers, 0, 2);
  tcase_add_test(t, two_texts_are_rows_of_one_length);
  tcase_add_test(t, choices_are_rows_of_a_row);
  tcase_add_loop_test(t, choices_as_others_have_them, 0, 3);
  tcase_add_loop_test(t, files_that_are_refused, 0, COUNT(wrong));
  tcase_add_loop_test(t, lines_of_more_than_a_part_are_refused, 0, COUNT(long_rows));
  tcase_add_test(u, words_are_cut_as_in_a_text);
  tcase_add_loop_test(u, answers_are_parts_of_the_text, 1, 2);
  suite_add_tcase(s, t);
  suite_add_tcase(s, u);
  return s;
}
