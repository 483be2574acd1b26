// What sources of rows that are scored share: files, classes, texts with what stands around them.
#include "runtime/train/data_internal.h"
#include "base/alloc.h"
#include <stdio.h>
#include <string.h>

void *data_own(Data *d, size_t size, void (*own_free)(void *own), BigsError *e) {
  d->own = calloc(1, size);
  d->own_free = own_free;
  if (!d->own)
    bigs_fail_memory(e, "the rows of the data");
  return d->own;
}

int data_push_file(Data *d, const char *path, int64_t first, BigsError *e) {
  DataFile *f = REALLOC_N(DataFile, d->file, d->nfile + 1);
  d->file = f ? f : d->file;
  char *name = f ? strdup(path) : NULL;
  if (!name)
    return bigs_fail_memory(e, "the files of the data");
  d->file[d->nfile++] = (DataFile){name, first};
  return 0;
}

int data_push_text(Data *d, TokEncoder *c, TextField f, bool specials, DataText *out,
                   BigsError *e) {
  *out = (DataText){.from = d->ntoken};
  d->ids.n = 0;
  int status = tok_encode(c, f.s, f.n, specials, &d->ids, e);
  for (size_t i = 0; i < d->ids.n && !status; i++)
    status = data_push(d, d->ids.v[i], e);
  out->n = (int64_t)d->ids.n;
  return status;
}

int data_other_fields(Data *d, const TextLine *l, int n, int count, BigsError *e) {
  if (!d->o.skip_bad)
    return bigs_fail(
        e, BIGS_EMODEL,
        "%s:%zu: %d fields where the header has %d (--skip-bad-rows leaves such lines out)",
        l->path, l->line, n, count);
  if (!d->skipped++)
    snprintf(d->first_skipped, sizeof d->first_skipped, "%s:%zu", l->path, l->line);
  return 0;
}

static int read_progress(const Data *d, const TextReader *r, int64_t line, BigsError *e) {
  bool stop =
      line % 4096 == 0 && d->o.progress && d->o.progress(d->o.ctx, "reading rows", text_share(r));
  return stop ? bigs_fail(e, BIGS_EINTERRUPT, "interrupted") : 0;
}

int data_each_line(const Data *d, TextReader *r, DataTakeLine *take, void *reader, BigsError *e) {
  TextLine l;
  for (int64_t i = 0;; i++) {
    int status = text_next(r, &l, e);
    if (status || !l.s)
      return status;
    status = take(reader, &l, e);
    status = status ? status : read_progress(d, r, i, e);
    if (status)
      return status;
  }
}

int data_whole_line(const TextLine *l, BigsError *e) {
  return l->part ? bigs_fail(e, BIGS_EMODEL, "%s:%zu: a line of more than %d bytes", l->path,
                             l->line, TEXT_MAX_LINE)
                 : 0;
}

int data_classes(Data *d, const LabelWords *words, int32_t *label, int64_t n, BigsError *e) {
  LabelRules rules = {d->o.labels, d->o.labels_fixed, d->o.classes, d->o.dim};
  int32_t *class_of = MALLOC_N(int32_t, words->n + 1);
  if (!class_of)
    return bigs_fail_memory(e, "the labels of the data");
  int status = label_words_classes(words, &rules, class_of, &d->labels, e);
  for (int64_t i = 0; i < n && !status; i++)
    if (label[i] >= 0)
      label[i] = class_of[label[i]];
  free(class_of);
  return status;
}

void data_put_side(Data *d, const DataText *text, int texts, DataSide to, DataBatch *out,
                   int64_t at[2]) {
  int64_t L = out->L, n = 0;
  const TokSlot *slot;
  at[0] = at[1] = -1;
  memset(to.types, 0, sizeof *to.types * (size_t)L);
  for (int slots = tok_slots(d->tok, texts, &slot); slots--; slot++) {
    const DataText *t = slot->id >= 0 ? NULL : &text[slot->text];
    if (t)
      at[slot->text] = n;
    for (int64_t i = 0, all = t ? t->n : 1; i < all; i++) {
      to.types[n] = slot->type;
      to.ids[n++] = t ? data_token(d, t->from + i) : slot->id;
    }
  }
  out->tokens += n;
  for (int64_t i = 0; i < L; i++)
    to.mask[i] = i < n;
  for (int64_t i = n; i < L; i++)
    to.ids[i] = d->pad;
}

void data_put_texts(Data *d, const DataText *text, int texts, int64_t b, DataBatch *out,
                    int64_t at[2]) {
  int64_t cell = b * out->L;
  DataSide to = {d->buf.ids + cell, d->buf.types + cell, d->buf.mask + cell};
  data_put_side(d, text, texts, to, out, at);
}
