// Batches for training and evaluation, from text or from TSV files.
//
// Text is tokenized once and kept as one stream of ids, in memory or in mapped files (token_cache.h), 2 bytes each where they fit:
// the documents one after another, [SEP] behind each.  Rows are cut from the stream:
//   mlm_text  [CLS], length - 2 tokens, [SEP]; the last row may be short, and is padded with [PAD]
//             (mask false); a rest without an ordinary token is left out
//             DATA_ROWS_SENTENCES: whole lines of one document, as many as fit, and of `short_share` of the rows as many as fit into
//             a length drawn evenly from 2 to length - 2 (at least one line); a line that is longer than a row is cut; the rest is [PAD].
//             DATA_ROWS_PACKED: whole documents, [CLS], tokens, [SEP] each, as many as fit (packs.h)
//   lm_text   `length` tokens, and as target each one's successor; a short rest is left out
//   tensors   rows of the arrays in files, which stay there: data_tensors.c
//   tsv       [CLS] a [SEP], or [CLS] a [SEP] b [SEP] with types 0 and 1; texts too long are
//             cut, of a pair the longer one first
//   choices   for each choice of a row what tsv has: [CLS] context [SEP] choice [SEP], or [CLS] choice [SEP]
//   pairs     [CLS] a [SEP] and [CLS] b [SEP], of one length
//   spans     [CLS] question [SEP] context [SEP]; a context too long has several rows, which overlap by half
//   tags      [CLS] words [SEP], a target for each word, at its first token; a sentence too long goes on in the next row
// One row of about 50 is held out, chosen by a hash of its place and not by the seed, so that every
// run on the same text holds out the same rows.  All random choices are functions of (seed, sample
// number, position): the order of rows is a new permutation every epoch, sample s being row
// s mod rows of epoch s / rows.  So the cursor is the number of samples drawn, nothing else.
#ifndef BIGSC_RUNTIME_DATA_H
#define BIGSC_RUNTIME_DATA_H
#include "base/error.h"
#include "runtime/train/corpus.h"
#include "runtime/train/labels.h"
#include "runtime/train/spans.h"
#include "runtime/text/tokenizer.h"
#include <stdbool.h>
#include <stdint.h>

typedef enum DataKind {
#define SOURCE(ID, id, name, least) DATA_##ID,
#define FIELD(ID, FIELD, name, dtype, shape)
#include "base/sources.def"
#undef SOURCE
#undef FIELD
  DATA_KINDS
} DataKind;
// By its name in a train block; -1: there is none so called.
int data_kind(const char *source);
// May `data` pick this field of the source?
bool data_has_field(const char *source, const char *field);
bool data_is_task(DataKind kind); // every row is scored: it has a target, or its words do
// Are its rows texts, cut into tokens?  Of others there is no length, and no tokenizer.
bool data_of_tokens(DataKind kind);

typedef enum DataRows {
#define ARGUMENT(SOURCE, name, kind, what)
#define CHOICE_rows(ID) DATA_ROWS_##ID,
#define CHOICE(SOURCE, argument, ID, name) CHOICE_##argument(ID)
#include "base/arguments.def"
#undef ARGUMENT
#undef CHOICE
#undef CHOICE_rows
} DataRows;

typedef struct DataOptions {
  DataKind kind;
  int64_t length;       // L: mlm_text at least 3, lm_text 1, tsv 4; where rows are no tokens 1
  int64_t table;        // rows of the model's token table; 0: unknown
  int64_t classes;      // tsv: labels must lie below; 0: unknown
  const char *dim;      // what the model calls the classes' dim, for messages; NULL: unknown
  const Labels *labels; // tsv: the names of the model's classes; NULL: none
  bool labels_fixed;    // and no others, nor words where there are none
  bool numbers;         // tsv: targets are numbers
  bool unlabelled;      // tsv: files without a label are read, too: target -1, value NaN
  bool whole;       // of a task: a text that does not fit is an error; else it is cut, and counted
  bool skip_bad;    // tsv: lines with another number of fields than the header are left out
  double mask_rate; // mlm_text: share of the ordinary tokens to predict; 0 means 0.15
  DataRows rows;    // mlm_text
  double short_share; // of rows of sentences those that want fewer tokens than there is room for
  int64_t most;       // mlm_text: predictions in a row; 0: as many as mask_rate says
  bool words;         // mlm_text: whole words are masked
  uint64_t seed;
  const struct BigsModule *module; // tensors: whose inputs are read,
  const struct BigsTrain *train;   // those of this block's loss, and of the entry `scores`
  bool hold_out; // false: every row is for training, as when a whole file is evaluated
  bool pad;      // tsv: pad to `length` always, not to the longest row of a batch
  // text: the folder where tokens are kept (token_cache.h), of texts of so many bytes and more, so that the next start need not cut them
  // again, nor any hold them in memory; NULL: they are held there
  const char *cache;
  int64_t cache_least;
  int chunk;              // text: log2 of the tokens in a file of those; 0: as tokens.h says
  int threads;            // text: that cut it; 0 is as 1
  BigsProgress *progress; // may be NULL
  void (*say)(void *ctx, const char *text); // a line for people; may be NULL
  void *ctx;
} DataOptions;

typedef struct Data Data;
// `paths` as in corpus.h; those of text may all have weights (mix.h): then each is a source of its own, of which rows are held out.
// The tokenizer must outlive the data; NULL where rows are no tokens.  Errors: status BIGS_EMODEL for what the data says (empty;
// smaller than one row; a vocabulary larger than the table; a TSV line with the wrong number of fields or a bad label, with file and
// line), BIGS_EFILE for files.
int data_open(const char *const *paths, int npaths, const Tokenizer *t, const DataOptions *o,
              Data **out, BigsError *e);
void data_free(Data *d); // NULL is allowed

// Every row is of one split; without hold_out all are for training.
typedef enum DataSplit { DATA_TRAIN, DATA_HELD_OUT } DataSplit;
int64_t data_rows(const Data *d, DataSplit s);
int64_t data_tokens(const Data *d);       // of the text, separators included; of all TSV rows
const Labels *data_labels(const Data *d); // tsv: names of its classes, n 0 where labels are numbers
// The files that rows (of tags: words; of spans: questions) are of, in order: from first on, as far as the next one's.  Of tasks only.
typedef struct DataFile {
  char *path;
  int64_t first;
} DataFile;
int data_files(const Data *d, const DataFile **out);
// tsv: lines left out (skip_bad), of which `at` names the first one, and rows whose texts do not fit and lose tokens.
int64_t data_skipped(const Data *d, const char **at);
int64_t data_cut(const Data *d);
// A hash of ids, labels, kind and length: to refuse a resume on other data.
uint64_t data_fingerprint(const Data *d);

// Owned by the data, valid until the next batch.  Fields a kind lacks are NULL.
typedef struct DataBatch {
  int64_t B, C, L, M; // C: choices of a row, 0: none; then ids, types and mask are [B, C, L]
  const int32_t *ids, *types; // [B, L]
  const bool *mask;           // [B, L]: false on padding
  const int32_t *at;     // [M] mlm_text: chosen places in B * L, ascending; M >= B; tags: of words
  const int32_t *labels; // [M]: the tokens that stood there
  const int32_t *target; // lm_text [B, L]; tsv [B]; tags [M]
  const float *value;    // [B]: tsv with `numbers`, and pairs, instead of target
  int target_rank;
  const struct FeedField *field; // tensors: all that there is, and nothing of the above
  int nfield;
  const int32_t *part;        // [B]: tags: the sentence that a row is of, from 0
  const int32_t *start, *end; // [B]: spans: places in the row, the last included; -1: not known
  const bool *context;        // [B, L]: spans: where an answer may lie
  // text: [B, L]: the document in the row, and the place in it, both from 0; padding is a document of its own.
  const int32_t *doc, *place;
  const int64_t *row; // [B]: the number of each row
  // pairs: [B, L] of the second text; ids, types and mask are the first one's.
  const int32_t *ids_b, *types_b;
  const bool *mask_b;
  int64_t tokens; // positions with mask true; tensors: rows
} DataBatch;
// What of the batch made last is not finite: "x[17, 3] of train.safetensors is nan"; false: nothing, or it is not looked at.
bool data_doubt(const Data *d, char *text, size_t size);

// choices: of each row; 0: another kind.
int64_t data_choices(const Data *d);
// spans: questions whose contexts have several rows.
int64_t data_longer(const Data *d);
// spans: the answers to the questions that these rows, n of ascending numbers, are of: malloc'd, *answers of them; NULL on failure.
int data_answers(const Data *d, const SpanSaid *said, int64_t n, SpanAnswer **out, int64_t *answers,
                 BigsError *e);
// spans: the id of a question, n bytes, as JSON has it; n 0: none.
const char *data_question_id(const Data *d, int64_t question, size_t *n);
// tags: word i of all, n bytes, and the sentence that it is of.
const char *data_word(const Data *d, int64_t i, size_t *n, int32_t *sentence);

// The next B training rows at the cursor, which moves on; epochs follow one another without a gap.
// mlm_text: of a row's ordinary tokens max(1, round(mask_rate * count)) are chosen; each becomes
// [MASK] with probability 0.8, an ordinary token drawn evenly with 0.1, and stays with 0.1.  A row
// of special tokens alone has one of those chosen.  `most` bounds their number; with `words` whole words are chosen, in an order that is
// drawn, of which one that would be too many is passed over.  Words are told by the mark of pieces that most of the vocabulary has:
// "##" of those that go on, or a space (U+0120, U+2581) of those that begin.
int data_next(Data *d, int64_t B, DataBatch *out, BigsError *e);
// The same, of which rows from, ..., from + rows - 1 are made: at least one.
int data_next_part(Data *d, int64_t B, int64_t from, int64_t rows, DataBatch *out, BigsError *e);
// Rows first, ..., first + B - 1 of a split, in order; fewer at its end, and B = 0 behind it.
// Always the same choices, independent of seed, B and cursor: losses of different runs compare.
int data_at(Data *d, DataSplit s, int64_t first, int64_t B, DataBatch *out, BigsError *e);
uint64_t data_cursor(const Data *d); // training samples drawn
void data_seek(Data *d, uint64_t samples);
// mlm_text: the share of masked tokens, above 0 and at most 1, of the training rows that are drawn from now on.  data_at keeps to
// that of the options, so that held-out losses compare.
void data_mask_rate(Data *d, double rate);

// What predicting each held-out target (the labels of mlm_text, the targets of lm_text, as data_at
// gives them) costs without looking at its context, in nats a token:
//   cross     -mean log p(target), p(v) = (n(v) + 1) / (N + V): n(v) counts v among the N training
//             tokens that could be a target, V is the size of the vocabulary
//   entropy   -sum q log q, q the targets' own distribution: no predictor blind to context is
//             better on these very targets (and with few targets it is far too low)
typedef struct DataUnigram {
  double cross, entropy;
  int64_t targets;
} DataUnigram;
// Sources that predict no tokens (tsv) have none: status BIGS_EUSAGE.
int data_unigram(Data *d, DataUnigram *out, BigsError *e);
#endif
