// Scatter-add by a stable counting sort.  Runs of more than SCATTER_CUT sources are summed in
// pieces by the tasks of phase 0; phase 1 walks the rows of out: nothing, a short run, or the
// pieces of a long one.
#include "runtime/builtin/scatter.h"
#include <string.h>

enum { ROWS_PER_TASK = 16 };

typedef struct ScatterPiece {
  int64_t from, end; // sources order[from..end), all of one id
} ScatterPiece;
// The parts of `shared`.
typedef struct ScatterBlock {
  int64_t *pieces;      // how many there are
  int64_t *start;       // [rows + 1]: the run of id r is order[start[r]..start[r + 1])
  int64_t *first_piece; // [rows], of long runs
  int64_t *order;       // [n]: indices of sources, by id, stable
  ScatterPiece *piece;
  float *sums; // [pieces][width], row stride sum_row
  int64_t sum_row;
  size_t bytes;
} ScatterBlock;

static size_t place(size_t *at, int64_t count, size_t size) {
  size_t here = *at;
  *at += ((size_t)count * size + 63) / 64 * 64;
  return here;
}

static ScatterBlock layout(const ScatterArgs *a, void *shared) {
  int64_t most = 2 * (a->n / SCATTER_CUT) + 1; // c > CUT sources make at most 2 c / CUT pieces
  ScatterBlock b = {.sum_row = (a->width + 15) / 16 * 16};
  size_t pieces = place(&b.bytes, 1, sizeof *b.pieces),
         start = place(&b.bytes, a->rows + 1, sizeof *b.start);
  size_t first = place(&b.bytes, a->rows, sizeof *b.first_piece),
         order = place(&b.bytes, a->n, sizeof *b.order);
  size_t piece = place(&b.bytes, most, sizeof *b.piece);
  size_t sums = place(&b.bytes, most * b.sum_row, sizeof *b.sums);
  char *base = shared;
  if (!base)
    return b;
  b.pieces = (int64_t *)(base + pieces);
  b.start = (int64_t *)(base + start);
  b.first_piece = (int64_t *)(base + first);
  b.order = (int64_t *)(base + order);
  b.piece = (ScatterPiece *)(base + piece);
  b.sums = (float *)(base + sums);
  return b;
}

size_t scatter_shared_bytes(const ScatterArgs *a) {
  return layout(a, NULL).bytes;
}

static bool is_row(const ScatterArgs *a, int32_t id) {
  return id >= 0 && id < a->rows;
}

// start[r] becomes the end of run r while sources are placed; then all move up by one.
static void sort(const ScatterArgs *a, const int32_t *id, const ScatterBlock *b) {
  memset(b->start, 0, (size_t)(a->rows + 1) * sizeof *b->start);
  for (int64_t i = 0; i < a->n; i++)
    if (is_row(a, id[i]))
      b->start[id[i]]++;
  int64_t at = 0;
  for (int64_t r = 0; r <= a->rows; r++) {
    int64_t count = b->start[r];
    b->start[r] = at;
    at += count;
  }
  for (int64_t i = 0; i < a->n; i++)
    if (is_row(a, id[i]))
      b->order[b->start[id[i]]++] = i;
  memmove(b->start + 1, b->start, (size_t)a->rows * sizeof *b->start);
  b->start[0] = 0;
}

static bool is_long(const ScatterBlock *b, int64_t row) {
  return b->start[row + 1] - b->start[row] > SCATTER_CUT;
}

void scatter_prepare(const ScatterArgs *a, const int32_t *id, void *shared) {
  ScatterBlock b = layout(a, shared);
  int64_t n = 0;
  sort(a, id, &b);
  for (int64_t r = 0; r < a->rows; r++) {
    if (!is_long(&b, r))
      continue;
    b.first_piece[r] = n;
    for (int64_t from = b.start[r], end = b.start[r + 1]; from < end; from += SCATTER_CUT)
      b.piece[n++] = (ScatterPiece){from, from + SCATTER_CUT < end ? from + SCATTER_CUT : end};
  }
  *b.pieces = n;
}

int64_t scatter_tasks(const ScatterArgs *a, int phase, const void *shared) {
  if (phase == 0)
    return *layout(a, (void *)shared).pieces;
  return (a->rows + ROWS_PER_TASK - 1) / ROWS_PER_TASK;
}

// ---- sums of rows
typedef float V __attribute__((vector_size(16), aligned(4), may_alias));
enum { STRIP = 32, VECTORS = STRIP / 4 };

// STRIP columns in registers over all rows.
static void add_strip(float *out, const float *src, int64_t row, const int64_t *order, int64_t n,
                      bool add) {
  V s[VECTORS] = {{0}};
  for (int64_t i = 0; i < n; i++) {
    const float *x = src + order[i] * row;
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS; v++)
      s[v] += *(const V *)(x + 4 * v);
  }
#pragma GCC unroll 8
  for (int v = 0; v < VECTORS; v++) {
    V *o = (V *)(out + 4 * v);
    if (add)
      s[v] += *o;
    *o = s[v];
  }
}

// out[0..width) = (or, with add, +=) the sum over i of src[order[i]], in order.
static void add_rows(float *out, const float *src, int64_t row, const int64_t *order, int64_t n,
                     int64_t width, bool add) {
  int64_t c = 0;
  for (; c + STRIP <= width; c += STRIP)
    add_strip(out + c, src + c, row, order, n, add);
  for (; c < width; c++) {
    float s = 0;
    for (int64_t i = 0; i < n; i++)
      s += src[order[i] * row + c];
    out[c] = add ? out[c] + s : s;
  }
}

// The same of the sums of a run's pieces, which may be many: in float64.
static void add_pieces(float *out, const float *sums, int64_t row, int64_t n, int64_t width,
                       bool add) {
  double s[STRIP];
  for (int64_t c0 = 0; c0 < width; c0 += STRIP) {
    int64_t w = width - c0 < STRIP ? width - c0 : STRIP;
    memset(s, 0, sizeof s);
    for (int64_t i = 0; i < n; i++)
      for (int64_t c = 0; c < w; c++)
        s[c] += (double)sums[i * row + c0 + c];
    for (int64_t c = 0; c < w; c++)
      out[c0 + c] = add ? out[c0 + c] + (float)s[c] : (float)s[c];
  }
}

static void finish_row(const ScatterArgs *a, const ScatterBlock *b, int64_t r, const float *src,
                       float *out) {
  int64_t n = b->start[r + 1] - b->start[r];
  if (is_long(b, r))
    add_pieces(out, b->sums + b->first_piece[r] * b->sum_row, b->sum_row,
               (n + SCATTER_CUT - 1) / SCATTER_CUT, a->width, a->accumulate);
  else if (n || !a->accumulate)
    add_rows(out, src, a->src_row, b->order + b->start[r], n, a->width, a->accumulate);
}

void scatter_task(const ScatterArgs *a, int phase, int64_t task, const float *src, float *out,
                  void *shared) {
  ScatterBlock b = layout(a, shared);
  if (phase == 0) {
    ScatterPiece p = b.piece[task];
    add_rows(b.sums + task * b.sum_row, src, a->src_row, b.order + p.from, p.end - p.from, a->width,
             false);
    return;
  }
  int64_t end = (task + 1) * ROWS_PER_TASK < a->rows ? (task + 1) * ROWS_PER_TASK : a->rows;
  for (int64_t r = task * ROWS_PER_TASK; r < end; r++)
    finish_row(a, &b, r, src, out + r * a->out_row);
}
