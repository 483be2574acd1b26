// What a run's model says of data that it was not trained on: words for masks, and the rows of a task that it is most wrong about.
#include "compiler/commands/report.h"
#include "compiler/commands/trained.h"
#include "compiler/draw/html.h"
#include "compiler/draw/svg.h"
#include "base/alloc.h"
#include "runtime/train/fill.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { EXAMPLES = 4, EXAMPLE_TOKENS = 64, SHOWN_WORDS = 3, SHOWN_GAPS = 8, WRONG_ROWS = 10 };
enum { UNASKED_BYTES = 64 << 20, UNASKED_ROWS = 1024 }; // of data that nobody asked to be read

// ---- data
typedef struct ReportData {
  Strings paths;
  bool hold_out; // some of its rows are those that were held out; else all are
  bool asked;    // by --data
} ReportData;

// The next word of a command line as options.c writes it into the log; NULL behind the last.
static char *next_word(Arena *a, const char **at) {
  const char *s = *at + strspn(*at, " ");
  bool quoted = *s == '\'';
  size_t n = strcspn(s + quoted, quoted ? "'" : " ");
  if (!*s)
    return NULL;
  *at = s + quoted + n + (quoted && s[1 + n]);
  return arena_strndup(a, s + quoted, n);
}

// What follows an option of several values.
static void logged_paths(Arena *a, const char *line, const char *option, Strings *out) {
  bool on = false;
  size_t n = strlen(option);
  for (char *word; (word = next_word(a, &line));) {
    bool named = !strncmp(word, option, n) && (!word[n] || word[n] == '=');
    on = *word == '-' && word[1] ? named : on;
    if (named && word[n])
      vec_push(a, out, word + n + 1);
    else if (!named && on)
      vec_push(a, out, word);
  }
}

static bool at_hand(const Strings *paths) {
  int64_t bytes = 0;
  struct stat st;
  for (int i = 0; i < paths->n; i++) {
    if (stat(paths->v[i], &st) || !S_ISREG(st.st_mode))
      return false;
    bytes += st.st_size;
  }
  return paths->n && bytes <= UNASKED_BYTES;
}

// What the options say, else what the run was judged by, where that is here.
static bool find_data(Report *r, bool task, ReportData *d) {
  const char *line = history_text(&r->h, "flags");
  *d = (ReportData){.paths = r->o.data, .hold_out = !task, .asked = r->o.data.n > 0};
  if (d->paths.n || !line)
    return d->paths.n > 0;
  logged_paths(r->s.arena, line, "--dev", &d->paths);
  d->hold_out = !d->paths.n;
  if (!d->paths.n)
    logged_paths(r->s.arena, line, "--data", &d->paths);
  return at_hand(&d->paths);
}

static int open_data(Report *r, const BigsTrain *t, const ReportData *d) {
  Session *s = &r->s;
  int64_t rows = fixed_batch(s->module), pieces = r->st.pieces > 0 ? r->st.pieces : 1;
  rows = rows ? rows : r->st.batch / pieces;
  int status = feeding_tokenizer(s, r->dir, &r->feeding.tokens);
  status = status ? status : feeding_labels(s, &r->feeding, r->dir, true);
  return status ? status
                : feeding_open(s, &r->feeding, t, d->paths.v, d->paths.n, (FeedingRows){rows, 1},
                               r->st.length, 0, d->hold_out);
}

static DataSplit split_of(const ReportData *d) {
  return d->hold_out ? DATA_HELD_OUT : DATA_TRAIN;
}

static const char *word(const Report *r, int32_t id) {
  return feeding_word(&r->s, r->feeding.tokens, id);
}

// As the vocabulary has it.
static const char *token(const Report *r, int32_t id) {
  const char *text = tok_text(r->feeding.tokens, id);
  return text ? text : "?";
}

// ---- masked sentences
typedef struct Example {
  int32_t *ids; // with masks
  int64_t used;
  int32_t truth[EXAMPLE_TOKENS]; // of the gaps, in order
  FillGap *gap;
  int n;
  double *change;
} Example;

// As much of a row as is shown: all chosen tokens of it are masks, the first ones are shown.
static void cut_row(const Report *r, const DataBatch *b, Example *x) {
  int gaps = 0;
  x->used = 0;
  while (x->used < b->L && b->mask[x->used] && x->used < EXAMPLE_TOKENS)
    x->used++;
  for (int64_t i = 0; i < x->used; i++)
    x->ids[i] = b->ids[i];
  for (int64_t i = 0; i < b->M; i++)
    if (b->at[i] < x->used && gaps < SHOWN_GAPS) {
      x->ids[b->at[i]] = tok_special(r->feeding.tokens, TOK_MASK);
      x->truth[gaps++] = b->labels[i];
    } else if (b->at[i] < x->used) {
      x->ids[b->at[i]] = b->labels[i];
    }
}

static int ask(Report *r, Example *x) {
  Session *s = &r->s;
  int64_t length = trained_pad(s, r->dir);
  int status =
      fill_ids(s->handle, r->feeding.tokens, x->ids, x->used, length, FILL_TOP, &x->gap, &x->n);
  x->change = status ? NULL : MALLOC_N(double, x->used + 1);
  if (!status)
    status = fill_why(s->handle, r->feeding.tokens, x->ids, x->used, length, x->gap, 1, x->change);
  return status ? session_error(s, status, "%s", bigs_model_error(s->handle)) : 0;
}

static double greatest(const Example *x) {
  double most = 0;
  for (int64_t i = 0; i < x->used; i++)
    most = isnan(x->change[i]) ? most : fmax(most, fabs(x->change[i]));
  return most;
}

// What begins a word in vocabularies that mark that, and else what goes on with one.
static const char *const word_marks[] = {"\xC4\xA0", "\xE2\x96\x81"};

static size_t word_mark(const char *text) {
  for (int i = 0; i < COUNT(word_marks); i++)
    if (!strncmp(text, word_marks[i], strlen(word_marks[i])))
      return strlen(word_marks[i]);
  return 0;
}

static bool marks_words(const Report *r) {
  for (int i = 0, n = tok_size(r->feeding.tokens); i < n; i++)
    if (word_mark(token(r, i)))
      return true;
  return false;
}

// A token as it stands in a text, behind the blank.
static void put_word(const Report *r, int32_t id, bool marked) {
  const char *text = word(r, id);
  size_t mark = *text == ' ' ? 1 : marked ? word_mark(text) : strncmp(text, "##", 2) ? 0 : 2;
  xml_text(r->f, text + mark);
}

static bool begins_word(const char *text, bool marked) {
  return marked ? word_mark(text) > 0 : strncmp(text, "##", 2) != 0;
}

// A token with its share of why the first mask is filled so: blue where the word is less likely without it, else orange.
static void put_token(const Report *r, const Example *x, int64_t i, double most, bool marked) {
  double change = x->change[i];
  if (i && begins_word(token(r, x->ids[i]), marked))
    fputc(' ', r->f);
  if (isnan(change))
    fprintf(r->f, "<span>");
  else
    fprintf(r->f, "<span title=\"%.3f nats\" style=\"background:rgba(%s,%.2f)\">", change,
            change > 0 ? "0,114,178" : "213,94,0", most > 0 ? 0.6 * fabs(change) / most : 0);
  put_word(r, x->ids[i], marked);
  fprintf(r->f, "</span>");
}

static void put_sentence(const Report *r, const Example *x) {
  double most = greatest(x);
  bool marked = marks_words(r);
  int gap = 0;
  fprintf(r->f, "<p class=\"text\">");
  for (int64_t i = 0; i < x->used; i++)
    if (gap < x->n && x->gap[gap].position == i)
      fprintf(r->f, " <span class=\"gap\">%d</span>", ++gap);
    else if (!tok_is_special(r->feeding.tokens, x->ids[i]) ||
             x->ids[i] == tok_special(r->feeding.tokens, TOK_UNK))
      put_token(r, x, i, most, marked);
  fprintf(r->f, "</p>\n");
}

static void put_gap(const Report *r, const FillGap *g, int number, int32_t truth) {
  char words[512] = "";
  size_t n = 0;
  double p = NAN;
  for (int k = 0; k < g->n; k++) {
    if (g->word[k].id == truth)
      p = g->word[k].probability;
    if (k < SHOWN_WORDS && n < sizeof words)
      n += (size_t)snprintf(words + n, sizeof words - n, "%s%s %.1f %%", k ? ", " : "",
                            word(r, g->word[k].id), 100 * g->word[k].probability);
  }
  fprintf(r->f, "<tr%s>", g->word[0].id == truth ? "" : " class=\"wrong\"");
  html_cell(r->f, "%d", number);
  html_cell(r->f, "%s", word(r, truth));
  if (isnan(p))
    html_cell(r->f, "below %.2g %%", 100 * g->word[g->n - 1].probability);
  else
    html_cell(r->f, "%.1f %%", 100 * p);
  html_cell(r->f, "%s", words);
  fprintf(r->f, "</tr>\n");
}

static void put_example(const Report *r, const Example *x) {
  static const char *const head[] = {"gap", "truth", "its probability", "the model's words"};
  fprintf(r->f, "<div class=\"example\">\n");
  put_sentence(r, x);
  html_head(r->f, head, COUNT(head));
  for (int i = 0; i < x->n; i++)
    put_gap(r, &x->gap[i], i + 1, x->truth[i]);
  html_close(r->f, "table");
  html_close(r->f, "div");
}

static int one_example(Report *r, const ReportData *d, int64_t row) {
  DataBatch b = {0};
  int32_t ids[EXAMPLE_TOKENS];
  Example x = {.ids = ids};
  if (data_at(r->feeding.data, split_of(d), row, 1, &b, &r->s.error))
    return session_fail(&r->s, &r->s.error);
  cut_row(r, &b, &x);
  int status = b.M && b.at[0] < x.used ? ask(r, &x) : 0;
  if (!status && x.n)
    put_example(r, &x);
  free(x.gap);
  free(x.change);
  return status;
}

static int put_masked(Report *r, const ReportData *d) {
  int64_t rows = data_rows(r->feeding.data, split_of(d));
  int64_t n = rows < EXAMPLES ? rows : EXAMPLES;
  int status = 0;
  html_note(r->f, "Blue: the best word of gap 1 is less likely when this token is masked, too; "
                  "orange: more likely.");
  for (int64_t i = 0; i < n && !status; i++)
    status = one_example(r, d, rows * i / n);
  return status;
}

// ---- rows of a task
static const char *said(Report *r, const EvalRows *rows, double x) {
  const Labels *l = data_labels(r->feeding.data);
  if (isnan(x))
    return "not a number";
  if (rows->task.numbers || x < 0 || x >= l->n)
    return session_text(&r->s, "%.6g", x);
  return l->name[(int)x];
}

// The texts of L tokens, with a bar between two.
static void put_texts(Report *r, const int32_t *ids, const bool *mask, int64_t L) {
  int32_t sep = tok_special(r->feeding.tokens, TOK_SEP);
  int shown = 0;
  for (int64_t from = 0, to; from < L && mask[from]; from = to + 1) {
    for (to = from; to < L && mask[to] && ids[to] != sep; to++)
      ;
    char *text = tok_decode(r->feeding.tokens, ids + from, (size_t)(to - from), true, NULL);
    fprintf(r->f, text && *text && shown++ ? " | " : "");
    xml_text(r->f, text ? text : "?");
    free(text);
  }
}

// Of several choices with the right one.
static int put_text(Report *r, const ReportData *d, int64_t row, double target) {
  DataBatch b = {0};
  if (data_at(r->feeding.data, split_of(d), row, 1, &b, &r->s.error))
    return session_fail(&r->s, &r->s.error);
  int64_t at = target >= 0 && target < (double)b.C ? (int64_t)target * b.L : 0;
  fprintf(r->f, "<td>");
  if (b.ids && b.mask)
    put_texts(r, b.ids + at, b.mask + at, b.L);
  fprintf(r->f, "</td>");
  return 0;
}

static bool is_wrong(const EvalRows *rows, int64_t i) {
  const EvalRow *w = &rows->v[i];
  return !isnan(w->target) && (rows->task.numbers ? w->loss > 0 : w->said != w->target);
}

// The row that is wrong by most, of those that are wrong by less than `below`, or as much and stand behind `after`; -1: none.
static int64_t next_wrong(const EvalRows *rows, double below, int64_t after) {
  int64_t best = -1;
  for (int64_t i = 0; i < rows->n; i++) {
    double loss = rows->v[i].loss;
    if (is_wrong(rows, i) && (loss < below || (loss == below && i > after)) &&
        (best < 0 || loss > rows->v[best].loss))
      best = i;
  }
  return best;
}

static int put_wrong(Report *r, const ReportData *d, const EvalRows *rows, int64_t i) {
  const EvalRow *w = &rows->v[i];
  fprintf(r->f, "<tr>");
  html_cell(r->f, "%lld", (long long)i + 1);
  int status = put_text(r, d, i, w->target);
  html_cell(r->f, "%s", said(r, rows, w->target));
  html_cell(r->f, "%s", said(r, rows, w->said));
  if (rows->task.numbers)
    html_cell(r->f, "%.4g", w->loss);
  else
    html_cell(r->f, "%.2g %%", 100 * exp(-w->loss));
  fprintf(r->f, "</tr>\n");
  return status;
}

static int put_wrong_rows(Report *r, const ReportData *d, const EvalRows *rows) {
  const char *head[] = {"row", "text", "truth", "the model",
                        rows->task.numbers ? "squared error" : "probability of the truth"};
  int status = 0;
  int64_t i = next_wrong(rows, INFINITY, -1);
  if (i < 0) {
    html_note(r->f, "Every row is right.");
    return 0;
  }
  html_note(r->f, "The rows that it is most wrong about:");
  html_head(r->f, head, COUNT(head));
  for (int n = 0; n < WRONG_ROWS && i >= 0 && !status; n++) {
    status = put_wrong(r, d, rows, i);
    i = next_wrong(rows, rows->v[i].loss, i);
  }
  html_close(r->f, "table");
  return status;
}

static void put_scores(Report *r, const EvalResult *v) {
  html_pairs(r->f);
  html_pair(r->f, "rows", "%lld", (long long)v->rows);
  html_pair(r->f, v->task.numbers ? "squared error" : "loss", "%.4f", v->loss);
  for (int i = 0; i < METRICS; i++)
    if (metric_fits((MetricId)i, &v->task))
      html_pair(r->f, metric_names[i], "%.4f", v->metric[i]);
  html_close(r->f, "table");
}

// Is there one of these for each row of the data, which is right or wrong?
static bool of_rows(const EvalRows *rows) {
  return rows->task.kind == OF_CLASSES || rows->task.kind == OF_CHOICES;
}

static int put_rows(Report *r, const ReportData *d, const EvalRows *rows, const EvalResult *v) {
  int64_t all = data_rows(r->feeding.data, split_of(d));
  put_scores(r, v);
  if (!of_rows(rows))
    return 0;
  if (rows->n < all)
    html_note(r->f, "These are the first of %lld rows: --data PATH... takes all.", (long long)all);
  return put_wrong_rows(r, d, rows);
}

static int put_task(Report *r, const ReportData *d) {
  EvalRows rows = {0};
  EvalResult v;
  int64_t batch = r->feeding.from.batch;
  int64_t batches = d->asked ? 0 : (UNASKED_ROWS + batch - 1) / batch;
  int status = evaluate_rows(r->s.handle, &r->feeding.feed, batches, &rows, &v);
  status = status ? session_error(&r->s, status, "%s", bigs_model_error(r->s.handle))
                  : put_rows(r, d, &rows, &v);
  eval_rows_free(&rows);
  return status;
}

// ---- the section
static const char *paths_text(Report *r, const Strings *paths) {
  const char *text = "";
  for (int i = 0; i < paths->n; i++)
    text = session_text(&r->s, "%s%s%s", text, i ? ", " : "", paths->v[i]);
  return text;
}

static int put_section(Report *r, const BigsTrain *t, const ReportData *d) {
  bool task = feeding_is_task(r->s.module, t);
  int status = open_data(r, t, d);
  if (status)
    return status;
  html_note(r->f, "%s %s", d->hold_out ? "Rows held out of" : "All rows of",
            paths_text(r, &d->paths));
  if (!data_rows(r->feeding.data, split_of(d)) || !r->feeding.feed.held_out)
    html_note(r->f, "No row of it is held out.");
  else if (task)
    status = put_task(r, d);
  else if (data_has_field(t->source, "labels") && tok_special(r->feeding.tokens, TOK_MASK) >= 0)
    status = put_masked(r, d);
  else
    html_note(r->f, "The model fills no masks: there are no examples.");
  return status;
}

int report_examples(Report *r) {
  ReportData d;
  int index = r->saved && r->entry ? session_train(&r->s, r->train) : -1, status = 0;
  if (index < 0)
    return 0;
  const BigsTrain *t = &r->s.module->train[index];
  html_section(r->f, "examples", "Examples");
  if (!t->source || !feeding_of_tokens(t))
    html_note(r->f, "The data of this run is no text.");
  else if (find_data(r, feeding_is_task(r->s.module, t), &d))
    status = put_section(r, t, &d);
  else
    html_note(r->f, "The data of the run is not at hand, or large: --data PATH... shows what the "
                    "model says of it.");
  html_close(r->f, "section");
  return status;
}
