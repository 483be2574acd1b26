// Text in, vectors out: see bigs.h.  Texts are run in groups of nearly equal length (text_rows.h); results go where the caller's order
// wants them.
#include "runtime/serve/text_entry.h"
#include "runtime/serve/text_rows.h"
#include "runtime/exec/exec.h"
#include "runtime/text/tokenizer.h"
#include "base/alloc.h"
#include "base/atomic.h"
#include "base/dtype.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// ---- the tokenizer of a handle, and of its clones
typedef struct Shared {
  ATOMIC(int) n;
  Tokenizer *tokens;
} Shared;
typedef struct ModelText {
  Shared *shared;
  TokEncoder *encoder; // this handle's
} ModelText;

static void shared_drop(Shared *shared) {
  if (atomic_sub(&shared->n, 1) != 1)
    return;
  tok_free(shared->tokens);
  free(shared);
}

static void text_close(void *text) {
  ModelText *x = (ModelText *)text;
  tok_encoder_free(x->encoder);
  shared_drop(x->shared);
  free(x);
}

static int text_share(bigs_model *m, void *of);
static const ModelTextOps text_ops = {text_close, text_share};

// Takes one count of `shared`, also when it fails.
static int text_new(bigs_model *m, Shared *shared) {
  ModelText *x = MODEL_ALLOC(m, ModelText, 1, "a tokenizer");
  if (!x) {
    shared_drop(shared);
    return m->error.status;
  }
  x->shared = shared;
  x->encoder = tok_encoder_new(shared->tokens, &m->error);
  if (!x->encoder) {
    text_close(x);
    return m->error.status;
  }
  m->text = x;
  m->text_ops = &text_ops;
  return 0;
}

static int text_share(bigs_model *m, void *of) {
  Shared *shared = ((ModelText *)of)->shared;
  atomic_add(&shared->n, 1);
  return text_new(m, shared);
}

// ---- opened when it is needed
static int vocab_inside(bigs_model *m, Tokenizer **out) {
  const BigsModule *module = m->module;
  return tok_parse((TokenizerKind)module->vocab_kind, module->vocab_text,
                   strlen(module->vocab_text), "the vocabulary in the library",
                   module->vocab_lower != 0, out, &m->error);
}

// The folder of a file; a folder is one already.
static char *folder_of(bigs_model *m, const char *path) {
  struct stat st;
  const char *slash = strrchr(path, '/');
  bool file = !stat(path, &st) && !S_ISDIR(st.st_mode);
  size_t n = !file ? strlen(path) : slash ? (size_t)(slash - path) + 1 : 0;
  char *out = MODEL_ALLOC(m, char, n + 2, "a path");
  if (out)
    memcpy(out, n ? path : ".", n ? n : 1);
  return out;
}

static int vocab_beside(bigs_model *m, Tokenizer **out) {
  char *folder = m->vocab || !m->files ? NULL : folder_of(m, m->files);
  const char *path = m->vocab ? m->vocab : folder;
  int err =
      path ? tok_open(path, m->module->lower != 0, out, &m->error)
      : m->files
          ? m->error.status
          : bigs_fail(&m->error, BIGS_EFILE,
                      "there is no vocabulary: open the model with a folder that has one beside "
                      "the weights, or name its file (bigs_options.vocab)");
  free(folder);
  return err;
}

// TextTokens that the model's table has no rows for would fail at some text only.
static int check_token_table(bigs_model *m, const Tokenizer *t) {
  for (int i = 0; i < m->module->ninput; i++) {
    const BigsTensor *x = &m->module->input[i];
    int64_t rows;
    if (!strcmp(x->name, "ids") && x->limit.n && poly_is_const(&x->limit, &rows) &&
        rows < tok_size(t))
      return bigs_fail(&m->error, BIGS_EFILE,
                       "the vocabulary has %d tokens, and %s takes ids below %" PRId64
                       ": it is that of another model",
                       tok_size(t), m->module->model, rows);
  }
  return 0;
}

static int tokenizer_load(bigs_model *m, Tokenizer **out) {
  bool inside = !m->vocab && m->module->vocab_text && !m->files;
  int err = inside ? vocab_inside(m, out) : vocab_beside(m, out);
  err = err ? err : check_token_table(m, *out);
  err = err || !m->module->lower_first ? err : tok_lower_first(*out, &m->error);
  if (err) {
    tok_free(*out);
    *out = NULL;
  }
  return err;
}

static int tokenizer_take(bigs_model *m, Tokenizer *tokens) {
  Shared *shared = MODEL_ALLOC(m, Shared, 1, "a tokenizer");
  if (!shared) {
    tok_free(tokens);
    return m->error.status;
  }
  shared->tokens = tokens;
  atomic_set(&shared->n, 1);
  return text_new(m, shared);
}

static int model_text_ready(bigs_model *m) {
  Tokenizer *tokens = NULL;
  int err = m->text ? 0 : tokenizer_load(m, &tokens);
  return err || m->text ? err : tokenizer_take(m, tokens);
}

static const ModelText *text_of(const bigs_model *m) {
  return (const ModelText *)m->text;
}

// ---- tokens
static void ids_give(const TokIds *from, int32_t *to) {
  if (to && from->n) // no tokens may be no memory
    memcpy(to, from->v, from->n * sizeof *to);
}

int64_t bigs_model_tokenize(bigs_model *m, const char *text, const char *pair, int64_t max,
                            int32_t *ids, int32_t *types) {
  TextRows r = {.takes = {.longest = max}};
  const char *const texts[2] = {text, pair};
  if (!model_begin(m))
    return -BIGS_EUSAGE;
  bool cut = false;
  int err = !text || max < 0
                ? bigs_fail(&m->error, BIGS_EUSAGE, text ? "max is negative" : "there is no text")
                : model_text_ready(m);
  err = err ? err : text_rows_add(&r, text_of(m)->encoder, texts, pair ? 2 : 1, &cut, &m->error);
  m->texts_cut = cut;
  if (!err && max)
    ids_give(&r.ids, ids), ids_give(&r.types, types);
  int64_t n = err ? -err : (int64_t)r.ids.n;
  text_rows_free(&r);
  return n;
}

const char *bigs_model_token(const bigs_model *m, int32_t id) {
  bigs_model *of = (bigs_model *)(uintptr_t)m;
  return !model_begin(of) || model_text_ready(of) ? NULL : tok_text(text_of(m)->shared->tokens, id);
}

int64_t bigs_model_cut(const bigs_model *m) {
  return m ? m->texts_cut : 0;
}

// ---- vectors of many texts
typedef struct TextRun {
  bigs_model *m;
  const BigsProgram *p;
  int program;
  TextEntry entry;
  TextRows rows;
  int64_t n, width;    // texts; numbers that become of each
  float *values, *out; // values: of a group
} TextRun;

static int64_t longest_text(const BigsModule *m, const TextEntry *x) {
  int64_t bound = m->dim[x->length].bound;
  return m->pad_to && (!bound || m->pad_to < bound) ? m->pad_to : bound;
}

static int64_t row_width(const BigsTensor *t) {
  int64_t n = 1, extent;
  for (int a = 1; a < t->rank; a++)
    n *= poly_is_const(&t->extent[a], &extent) ? extent : 1;
  return n;
}

// "text 3: ..."
static int text_failed(bigs_model *m, int64_t text) {
  char where[48];
  snprintf(where, sizeof where, "text %" PRId64, text);
  bigs_error_prefix(&m->error, where);
  return m->error.status;
}

static int encode_text_row(TextRun *x, const char *const *texts, int64_t i) {
  bigs_model *m = x->m;
  bool cut = false;
  if (!texts[i])
    return bigs_fail(&m->error, BIGS_EUSAGE, "text %" PRId64 " is NULL", i);
  if (text_rows_add(&x->rows, text_of(m)->encoder, &texts[i], 1, &cut, &m->error))
    return text_failed(m, i);
  m->texts_cut += cut;
  return cut && m->asked.whole ? bigs_fail(&m->error, BIGS_EMODEL,
                                           "text %" PRId64 " is longer than the %" PRId64
                                           " tokens that %s takes (bigs_options.whole)",
                                           i, x->rows.takes.longest, m->module->model)
                               : 0;
}

static int run_group(TextRun *x, const TextGroup *g) {
  int64_t dims[MAX_SYMS] = {0};
  const void *in[3] = {NULL, NULL, NULL};
  dims[x->entry.batch] = g->B;
  dims[x->entry.length] = g->L;
  in[x->entry.ids] = g->ids;
  if (x->entry.types >= 0)
    in[x->entry.types] = g->types;
  if (x->entry.mask >= 0)
    in[x->entry.mask] = g->mask;
  void *out[1] = {x->values};
  int err = bigs_model_run(x->m, x->program, dims, in, out);
  for (int64_t i = 0; i < g->n && !err; i++)
    memcpy(x->out + g->row[i].number * x->width, x->values + i * x->width,
           (size_t)x->width * sizeof *x->out);
  return err;
}

// Room for the results of the largest group.
static int group_results(TextRun *x) {
  int64_t rows = 1;
  for (int64_t i = 0, n; i < x->n; i += n)
    rows = (n = text_rows_together(&x->rows, i)) > rows ? n : rows;
  x->values = MODEL_ALLOC(x->m, float, rows * x->width, "results of texts");
  return x->values ? 0 : x->m->error.status;
}

static int run_groups(TextRun *x) {
  TextGroup g;
  text_rows_sort(&x->rows);
  int err = group_results(x);
  for (int64_t i = 0; i < x->n && !err; i += g.n) {
    err = text_rows_group(&x->rows, i, &g, &x->m->error);
    err = err ? err : run_group(x, &g);
  }
  return err;
}

static void take_shape(TextRun *x) {
  const BigsModule *module = x->m->module;
  TextTakes *t = &x->rows.takes;
  int32_t filler = tok_special(text_of(x->m)->shared->tokens, TOK_PAD);
  x->rows.filler = filler < 0 ? 0 : filler;
  t->longest = longest_text(module, &x->entry);
  t->pad = module->pad_to ? t->longest : 0;
  t->tokens = TEXT_GROUP_TOKENS;
  t->masked = x->entry.mask >= 0;
}

static int run_texts(TextRun *x, const char *const *texts) {
  int err = model_text_ready(x->m);
  x->rows.row = err ? NULL : MODEL_ALLOC(x->m, TextRow, x->n, "a table of texts");
  if (!x->rows.row)
    return x->m->error.status;
  x->rows.cap = x->n;
  take_shape(x);
  x->m->texts_cut = 0;
  for (int64_t i = 0; i < x->n && !err; i++)
    err = encode_text_row(x, texts, i);
  return err ? err : run_groups(x);
}

int bigs_model_text(bigs_model *m, int program, int64_t n, const char *const *texts, float *out) {
  if (!model_begin(m))
    return BIGS_EUSAGE;
  if (n < 0 || (n && (!texts || !out)))
    return bigs_fail(&m->error, BIGS_EUSAGE,
                     n < 0 ? "a negative number of texts"
                           : "there are no texts, or no place for results");
  TextRun x = {.m = m, .program = program, .n = n, .out = out};
  bool known = program >= 0 && program < m->module->nprogram;
  x.p = known ? &m->module->program[program] : NULL;
  if (!known || !text_entry(m->module, x.p, &x.entry))
    return bigs_fail(&m->error, BIGS_EUSAGE, "program %d is no entry that takes texts", program);
  x.width = row_width(&x.p->output[0]);
  int err = run_texts(&x, texts);
  text_rows_free(&x.rows);
  free(x.values);
  return err;
}
