// bigsc score: how often a model prefers what is right.
//
// A row has a text with one [MASK], a right and a wrong word: each word's score is the sum of the log probabilities of its tokens,
// at as many masks as it has.  Without a [MASK], or with two columns, they are sentences, behind the text where there is one: the
// score is the pseudo-likelihood, the sum over their tokens of the log probability of each where it alone is masked (Salazar et al.,
// 2020).
#include "compiler/commands/cmd.h"
#include "compiler/commands/texts.h"
#include "compiler/commands/trained.h"
#include "base/alloc.h"
#include "runtime/train/corpus.h"
#include "runtime/train/log.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_PAIRS = 64, SIDES = 2, SCORE_COLUMNS = 256 };

// A token that stands behind a mask: which row of tokens, where, and whose score it adds to.
typedef struct Asked {
  int64_t row, at;
  int32_t token;
  int pair, side;
} Asked;
typedef struct Scoring {
  Session s;
  Texts texts;
  int column[3]; // text, right, wrong; -1: there is no text
  int columns;
  Asked *asked; // by row
  int64_t nasked, cap;
  double score[CHUNK_PAIRS][SIDES];
  int pairs;
  int64_t rows, right;
  TextLine line; // of the pair under way
} Scoring;

static int pair_error(const Scoring *c, const char *what) {
  return session_error(&c->s, EXIT_MODEL, "%s:%zu: %s", c->line.path, c->line.line, what);
}

// ---- rows of tokens, with masks
static int ask(Scoring *c, int64_t at, int32_t token, int side) {
  if (c->nasked == c->cap) {
    int64_t cap = c->cap * 2 + 1024;
    Asked *v = REALLOC_N(Asked, c->asked, cap);
    if (!v)
      return session_error(&c->s, EXIT_MODEL, "out of memory");
    c->asked = v;
    c->cap = cap;
  }
  c->asked[c->nasked++] = (Asked){c->texts.rows.n, at, token, c->pairs, side};
  return 0;
}

static int check_room(const Scoring *c, int64_t n) {
  return !c->texts.rows.takes.longest || n <= c->texts.rows.takes.longest
             ? 0
             : pair_error(c, session_text((Session *)(uintptr_t)&c->s,
                                          "%lld tokens, and the model takes %lld", (long long)n,
                                          (long long)c->texts.rows.takes.longest));
}

static int encode(Scoring *c, const char *text, size_t n, TokIds *ids) {
  ids->n = 0;
  return tok_encode(c->texts.encoder, text, n, true, ids, &c->s.error)
             ? pair_error(c, c->s.error.text)
             : 0;
}

// The text with what goes around it; its own tokens are ids[*from, *to).
static int encode_sentence(Scoring *c, const char *text, TokIds *ids, int64_t *from, int64_t *to) {
  const TokSlot *slot;
  int slots = tok_slots(c->texts.tokens, 1, &slot);
  TokIds inner = {0};
  int status = encode(c, text, strlen(text), &inner), err = 0;
  ids->n = 0;
  for (; slots-- && !status && !err; slot++) {
    if (slot->id < 0)
      *from = (int64_t)ids->n, *to = *from + (int64_t)inner.n;
    for (size_t i = 0, n = slot->id >= 0 ? 1 : inner.n; i < n && !err; i++)
      err = tok_push(ids, slot->id >= 0 ? slot->id : inner.v[i], &c->s.error);
  }
  free(inner.v);
  return status ? status : err ? session_fail(&c->s, &c->s.error) : 0;
}

// ---- words at a mask
static int mask_of(const Scoring *c, const TokIds *ids) {
  int at = -1, n = 0;
  for (size_t i = 0; i < ids->n; i++)
    if (ids->v[i] == tok_special(c->texts.tokens, TOK_MASK))
      at = (int)i, n++;
  return n == 1 ? at : -1;
}

// The row of `text` with the masks of a word of n tokens at `at`.
static int add_masked(Scoring *c, const TokIds *text, int64_t at, const TokIds *word, int side) {
  int64_t n = (int64_t)(text->n + word->n) - 1;
  int status = check_room(c, n);
  int32_t *ids = status ? NULL : MALLOC_N(int32_t, n + 1);
  if (!ids)
    return status ? status : session_error(&c->s, EXIT_MODEL, "out of memory");
  for (int64_t i = 0; i < n; i++) {
    bool masked = i >= at && i < at + (int64_t)word->n;
    ids[i] = masked ? text->v[at] : text->v[i < at ? i : i - (int64_t)word->n + 1];
    if (masked && !status)
      status = ask(c, i, word->v[i - at], side);
  }
  status = status ? status : texts_add_ids(&c->texts, ids, n);
  free(ids);
  return status;
}

static int add_word(Scoring *c, const TokIds *text, int at, bool spaced, const char *word,
                    int side) {
  TokIds ids = {0};
  const char *in = spaced ? session_text(&c->s, " %s", word) : word; // as it stands in the text
  int status = encode(c, in, strlen(in), &ids);
  if (!status && !ids.n)
    status = pair_error(c, "there is no word");
  status = status ? status : add_masked(c, text, at, &ids, side);
  free(ids.v);
  return status;
}

static int add_words(Scoring *c, const char *text, const char *const word[SIDES]) {
  TokIds ids = {0};
  int64_t from = 0, to = 0;
  const char *gap = strstr(text, "[MASK]");
  const char *own = tok_text(c->texts.tokens, tok_special(c->texts.tokens, TOK_MASK));
  const char *whole = session_text(&c->s, "%.*s%s%s", (int)(gap - text), text, own, gap + 6);
  int status = encode_sentence(c, whole, &ids, &from, &to), at = status ? -1 : mask_of(c, &ids);
  if (!status && at < 0)
    status = pair_error(c, "more than one [MASK]: there is one word to compare");
  for (int side = 0; side < SIDES && !status; side++)
    status = add_word(c, &ids, at, gap > text && gap[-1] == ' ', word[side], side);
  free(ids.v);
  return status;
}

// ---- sentences
// A row for each of its tokens, but the special ones around it, with that one masked.
static int add_sentence(Scoring *c, const char *text, int side) {
  TokIds ids = {0};
  int64_t from = 0, to = 0;
  int status = encode_sentence(c, text, &ids, &from, &to);
  status = status ? status : check_room(c, (int64_t)ids.n);
  if (!status && from == to)
    status = pair_error(c, "there is no sentence");
  for (int64_t i = from; !status && i < to; i++) {
    int32_t token = ids.v[i];
    ids.v[i] = tok_special(c->texts.tokens, TOK_MASK);
    status = ask(c, i, token, side);
    status = status ? status : texts_add_ids(&c->texts, ids.v, (int64_t)ids.n);
    ids.v[i] = token;
  }
  free(ids.v);
  return status;
}

static int add_pair(Scoring *c, const char *text, const char *const side[SIDES]) {
  int status = 0;
  if (text && strstr(text, "[MASK]"))
    return add_words(c, text, side);
  for (int i = 0; i < SIDES && !status; i++) {
    const char *whole = text && *text ? session_text(&c->s, "%s %s", text, side[i]) : side[i];
    status = add_sentence(c, whole, i);
  }
  return status;
}

// ---- scores
static double log_sum(const float *v, int64_t n) {
  double most = v[0], sum = 0;
  for (int64_t i = 1; i < n; i++)
    most = v[i] > most ? v[i] : most;
  for (int64_t i = 0; i < n; i++)
    sum += exp(v[i] - most);
  return most + log(sum);
}

// Those of one row lie together.
static int64_t first_asked(const Scoring *c, int64_t row) {
  int64_t low = 0, high = c->nasked;
  while (low < high) {
    int64_t mid = low + (high - low) / 2;
    if (c->asked[mid].row < row)
      low = mid + 1;
    else
      high = mid;
  }
  return low;
}

static int take_logits(void *ctx, const TextRow *row, const float *out, int64_t values) {
  Scoring *c = ctx;
  int64_t V = c->texts.width, words = tok_size(c->texts.tokens);
  (void)values;
  words = words < V ? words : V;
  for (int64_t i = first_asked(c, row->number); i < c->nasked && c->asked[i].row == row->number;
       i++) {
    const Asked *a = &c->asked[i];
    const float *v = out + a->at * V;
    double p = v[a->token] - log_sum(v, words);
    if (!isfinite(p))
      return session_error(&c->s, EXIT_NUMERIC, "the scores of a [MASK] are not finite");
    c->score[a->pair][a->side] += p;
  }
  return 0;
}

static int score_chunk(Scoring *c) {
  int status = texts_run(&c->texts, take_logits, c);
  for (int i = 0; i < c->pairs; i++)
    c->right += c->score[i][0] > c->score[i][1];
  c->rows += c->pairs;
  c->pairs = 0;
  c->nasked = 0;
  memset(c->score, 0, sizeof c->score);
  return status;
}

// ---- the file
static int split(const TextLine *l, char *copy, char **field) {
  int n = 0;
  memcpy(copy, l->s, l->n);
  copy[l->n] = 0;
  for (char *s = copy; s && n < SCORE_COLUMNS; n++) {
    char *tab = strchr(s, '\t');
    field[n] = s;
    if (tab)
      *tab = 0;
    s = tab ? tab + 1 : NULL;
  }
  return n;
}

static int read_columns(Scoring *c, char *const *field, int n) {
  static const char *const name[3] = {"text", "right", "wrong"};
  c->columns = n;
  for (int k = 0; k < 3; k++) {
    c->column[k] = -1;
    for (int i = 0; i < n; i++)
      if (!strcmp(field[i], name[k])) {
        if (c->column[k] >= 0)
          return pair_error(c,
                            session_text(&c->s, "the header has the column \"%s\" twice", name[k]));
        c->column[k] = i;
      }
  }
  if (c->column[1] >= 0 && c->column[2] >= 0)
    return 0;
  return pair_error(
      c, "the header has no columns \"right\" and \"wrong\" (and \"text\", where there is one)");
}

static int read_pair(Scoring *c, char *const *field, int n) {
  if (n != c->columns)
    return pair_error(c, session_text(&c->s, "%d fields where the header has %d", n, c->columns));
  const char *side[SIDES] = {field[c->column[1]], field[c->column[2]]};
  int status = add_pair(c, c->column[0] < 0 ? NULL : field[c->column[0]], side);
  if (!status && ++c->pairs == CHUNK_PAIRS)
    status = score_chunk(c);
  return status;
}

static int take_line(Scoring *c, char *copy, char **field, bool header) {
  if (memchr(c->line.s, 0, c->line.n))
    return pair_error(c, "not text: it holds a zero byte");
  if (c->line.part)
    return pair_error(c, "the line is longer than 1 MiB");
  int n = split(&c->line, copy, field);
  return header ? read_columns(c, field, n) : read_pair(c, field, n);
}

static int read_pairs(Scoring *c, TextReader *r) {
  char *copy = arena_alloc(c->s.arena, TEXT_MAX_LINE + 1), *field[SCORE_COLUMNS];
  const char *path = NULL;
  int status = 0;
  while (!status) {
    if (text_next(r, &c->line, &c->s.error))
      return session_fail(&c->s, &c->s.error);
    if (!c->line.s)
      return score_chunk(c);
    status = take_line(c, copy, field, c->line.path != path);
    path = c->line.path;
  }
  return status;
}

static int print_share(const Scoring *c) {
  double share = (double)c->right / (double)c->rows;
  JsonText t = {0};
  if (!c->s.o->json) {
    printf("%lld of %lld rows prefer the right one: %.1f %%\n", (long long)c->right,
           (long long)c->rows, 100 * share);
    return 0;
  }
  record_begin(&t);
  record_int(&t, "rows", c->rows);
  record_int(&t, "right", c->right);
  record_number(&t, "share", share);
  record_end(&t);
  printf("%s\n", t.s);
  free(t.s);
  return 0;
}

static int score(Scoring *c, const char *path) {
  TextReader *r = text_open(&path, 1, &c->s.error);
  if (!r)
    return session_fail(&c->s, &c->s.error);
  int status = read_pairs(c, r);
  text_close(r);
  if (!status && !c->rows)
    status = session_error(&c->s, EXIT_MODEL, "%s: no rows behind the header", path);
  return status ? status : print_share(c);
}

static int open_scores(Scoring *c, const char *dir) {
  int status = trained_on_masks(&c->s);
  status =
      status ? status
             : texts_open(&c->s, &c->texts, "logits", dir, c->s.o->length > 0 ? c->s.o->length : 0);
  if (!status && tok_special(c->texts.tokens, TOK_MASK) < 0)
    status = session_error(&c->s, EXIT_FILE, "the tokenizer has no [MASK]");
  if (!status && c->s.module->program[c->texts.program].output[0].rank != 3)
    status = session_error(&c->s, EXIT_MODEL, "entry `logits` is not [B, L, V]");
  if (!status && tok_size(c->texts.tokens) > c->texts.width)
    status =
        session_error(&c->s, EXIT_FILE, "the vocabulary has %d tokens, and entry `logits` %lld",
                      tok_size(c->texts.tokens), (long long)c->texts.width);
  return status;
}

int cmd_SCORE(const Options *given) {
  Options o = *given;
  Scoring *c = ALLOC(Scoring);
  const char *dir, *entry = "logits";
  if (!c || o.args.n != 2) {
    fprintf(stderr, "bigsc score: give one FOLDER, RUN or MODEL and one PAIRS.tsv; "
                    "see `bigsc score --help`\n");
    free(c);
    return EXIT_USAGE;
  }
  Arena *a = arena_new();
  BuildWant want = {.entries = &entry, .nentries = 1};
  int status = trained_open(&c->s, &o, a, &want, &dir);
  status = status ? status : open_scores(c, dir);
  status = status ? status : score(c, o.args.v[1]);
  free(c->asked);
  texts_close(&c->texts);
  session_close(&c->s);
  arena_free(a);
  free(c);
  return status;
}
