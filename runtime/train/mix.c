// See mix.h.
#include "runtime/train/mix.h"
#include "base/alloc.h"
#include "base/rng.h"
#include "runtime/train/data_internal.h"
#include "runtime/train/decimal.h"
#include <math.h>
#include <string.h>
#include <unistd.h>

double mix_weight(const char *path, int *n) {
  const char *colon = strrchr(path, ':');
  double w = 0;
  bool number = colon && colon > path && decimal_read(colon + 1, strlen(colon + 1), &w);
  if (!number || colon[1] == '+' || !(w > 0 && isfinite(w)) || !access(path, F_OK))
    return -1;
  *n = (int)(colon - path);
  return w;
}

// The largest is what rounding leaves.
int mix_shares(const double *weight, int n, int32_t *share) {
  double sum = 0;
  int largest = 0, left = MIX_BLOCK;
  for (int i = 0; i < n; i++) {
    sum += weight[i];
    largest = weight[i] > weight[largest] ? i : largest;
  }
  for (int i = 0; i < n; i++) {
    share[i] = (int32_t)(weight[i] / sum * MIX_BLOCK + 0.5);
    left -= share[i];
    if (share[i] < 1)
      return -1;
  }
  share[largest] += left;
  return share[largest] < 1 ? -1 : 0;
}

int mix_source(const int32_t *share, int n, uint64_t seed, uint64_t sample, uint64_t *own) {
  uint32_t key[2];
  uint64_t block = sample / MIX_BLOCK;
  rng_site_keys(seed, block, SITE_MIX, key);
  int64_t place = (int64_t)permuted(key, sample % MIX_BLOCK, MIX_BLOCK);
  int i = 0;
  for (; i + 1 < n && place >= share[i]; i++)
    place -= share[i];
  *own = block * (uint64_t)share[i] + (uint64_t)place;
  return i;
}

// ---- data of several sources

static int weights_of(const char *const *paths, int n, double *weight, int *bytes, BigsError *e) {
  int weighted = 0;
  const char *without = NULL;
  for (int i = 0; i < n; i++) {
    weight[i] = mix_weight(paths[i], &bytes[i]);
    weighted += weight[i] > 0;
    without = weight[i] > 0 ? without : paths[i];
  }
  if (weighted && weighted < n)
    return bigs_fail(e, BIGS_EUSAGE,
                     "%s has no weight, and others have: all paths have one, as in wiki.txt:0.7, "
                     "or none",
                     without);
  return 0;
}

static int open_part(Data *d, const char *path, int bytes, BigsError *e) {
  char *name = strndup(path, (size_t)bytes);
  const char *one = name;
  if (!name)
    return bigs_fail_memory(e, "the data");
  int status = data_open(&one, 1, d->tok, &d->o, &d->part[d->parts], e);
  d->parts += !status;
  free(name);
  return status;
}

static int open_parts(Data *d, const char *const *paths, const int *bytes, int n, BigsError *e) {
  int status = 0;
  d->part = ALLOC_N(Data *, n);
  if (!d->part)
    return bigs_fail_memory(e, "the data");
  for (int i = 0; i < n && !status; i++)
    status = open_part(d, paths[i], bytes[i], e);
  return status;
}

static int open_weighted(Data *d, const char *const *paths, const double *weight, const int *bytes,
                         int n, BigsError *e) {
  d->share = ALLOC_N(int32_t, n);
  if (!d->share)
    return bigs_fail_memory(e, "the data");
  if (d->o.kind != DATA_MLM && d->o.kind != DATA_LM)
    return bigs_fail(e, BIGS_EUSAGE, "%s: only text is mixed by weights", paths[0]);
  if (mix_shares(weight, n, d->share))
    return bigs_fail(e, BIGS_EUSAGE, "%s and others: a weight is below 1/%d of all of them",
                     paths[0], 2 * MIX_BLOCK);
  return open_parts(d, paths, bytes, n, e);
}

int data_open_parts(Data *d, const char *const *paths, int n, bool *mixed, BigsError *e) {
  double *weight = ALLOC_N(double, n + 1);
  int *bytes = ALLOC_N(int, n + 1);
  int status =
      weight && bytes ? weights_of(paths, n, weight, bytes, e) : bigs_fail_memory(e, "the data");
  *mixed = !status && n > 0 && weight[0] > 0;
  if (*mixed)
    status = open_weighted(d, paths, weight, bytes, n, e);
  free(weight);
  free(bytes);
  return status;
}

void data_free_parts(Data *d) {
  for (int i = 0; i < d->parts; i++)
    data_free(d->part[i]);
  free(d->part);
  free(d->share);
}

Data *data_part(Data *d, int64_t *row) {
  int i = 0;
  for (; i + 1 < d->parts && *row >= d->part[i]->rows; i++)
    *row -= d->part[i]->rows;
  return d->parts ? d->part[i] : d;
}

int64_t data_split_row(const Data *d, bool held, int64_t i) {
  int64_t first = 0;
  for (int k = 0; k < d->parts; k++) {
    const Data *p = d->part[k];
    int64_t n = split_count(&p->split, held);
    if (i < n)
      return first + split_row(&p->split, held, i);
    i -= n;
    first += p->rows;
  }
  return split_row(&d->split, held, i);
}

// Sample s of training: every source has epochs of its own.
int64_t data_sample_row(const Data *d, uint64_t sample) {
  uint32_t key[2];
  int64_t first = 0;
  int source = d->parts ? mix_source(d->share, d->parts, d->o.seed, sample, &sample) : 0;
  const Data *p = d->parts ? d->part[source] : d;
  for (int k = 0; k < source; k++)
    first += d->part[k]->rows;
  uint64_t n = (uint64_t)split_count(&p->split, false);
  rng_site_keys(d->o.seed, sample / n, SITE_SHUFFLE + (uint64_t)source, key);
  return first + split_row(&p->split, false, (int64_t)permuted(key, sample % n, n));
}

void data_lend_buffer(Data *d, bool lend) {
  for (int i = 0; i < d->parts; i++) {
    d->part[i]->buf = lend ? d->buf : (DataBuffer){0};
    d->part[i]->masking = d->masking;
  }
}
