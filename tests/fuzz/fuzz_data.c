// libFuzzer: the first two bytes say how, the rest is a file of text or TSV, plain, compressed here,
// or as bytes that claim to be gzip.  What opens gives batches in which every id is a token's.
#include "runtime/train/data.h"
#include "tests/fuzz/fuzz.h"
#include <zlib.h>

static const char vocabulary[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##a\n##b\nthe\ncat\n.\n1\n";

static const Tokenizer *tokenizer(void) {
  static Tokenizer *t;
  if (!t)
    must(tok_parse(TOKENIZER_WORDPIECE, vocabulary, sizeof vocabulary - 1, "v", true, &t, NULL) ==
         0);
  return t;
}

// Cut by up to three bytes: a download that broke off.
static void write_compressed(const char *path, const uint8_t *data, size_t size, size_t cut) {
  uLong room = compressBound(size) + 64;
  uint8_t *out = malloc(room);
  z_stream z = {.next_in = (Bytef *)(uintptr_t)data,
                .avail_in = (uInt)size,
                .next_out = out,
                .avail_out = (uInt)room};
  must(out && deflateInit2(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  must(deflate(&z, Z_FINISH) == Z_STREAM_END);
  fuzz_write(path, out, room - z.avail_out - cut);
  deflateEnd(&z);
  free(out);
}

static void write_file(char path[64], int how, const uint8_t *data, size_t size) {
  if (how & 1)
    fuzz_write(fuzz_path(path, how & 2 ? "x.gz" : "x.txt"), data, size);
  else
    write_compressed(fuzz_path(path, how & 2 ? "x.gz" : "x.txt"), data, size, how >> 2 & 3);
}

// Batches are of the shape that they say, and hold tokens, labels and places of theirs.
static void check_batch(const DataBatch *b, DataKind kind) {
  int64_t n = b->B * b->L * (b->C ? b->C : 1), used = 0;
  for (int64_t i = 0; i < n; i++) {
    must(b->ids[i] >= 0 && b->ids[i] < tok_size(tokenizer()));
    used += b->mask[i];
  }
  for (int64_t i = 0; b->ids_b && i < n; i++) {
    must(b->ids_b[i] >= 0 && b->ids_b[i] < tok_size(tokenizer()));
    used += b->mask_b[i];
  }
  must(used == b->tokens);
  for (int64_t i = 0; b->start && i < b->B; i++) {
    int64_t row = i * b->L;
    must(b->start[i] >= 0 && b->start[i] <= b->end[i] && b->end[i] < b->L);
    must(!b->end[i] || (b->context[row + b->start[i]] && b->context[row + b->end[i]]));
  }
  for (int64_t i = 0; kind == DATA_MLM && i < b->M; i++) {
    must(b->at[i] >= 0 && b->at[i] < n && (!i || b->at[i] > b->at[i - 1]) && b->mask[b->at[i]]);
    must(b->labels[i] >= 0 && b->labels[i] < tok_size(tokenizer()));
  }
  for (int64_t i = 0; kind == DATA_LM && i < n; i++)
    must(b->target[i] >= 0 && b->target[i] < tok_size(tokenizer()));
  for (int64_t i = 0; kind == DATA_CHOICES && i < b->B; i++)
    must(b->target[i] >= 0 && b->target[i] < b->C);
  for (int64_t i = 0; kind == DATA_TSV && i < b->B; i++)
    must(b->target[i] >= 0 && b->target[i] < 3);
  for (int64_t i = 0; kind == DATA_TAGS && i < b->M; i++) {
    must(b->at[i] >= 0 && b->at[i] < n && (!i || b->at[i] > b->at[i - 1]) && b->mask[b->at[i]]);
    must(b->target[i] >= 0 && b->target[i] < 3);
  }
}

static void check_split(Data *d, DataSplit s, DataKind kind) {
  DataBatch b;
  int64_t seen = 0;
  do {
    must(data_at(d, s, seen, 3, &b, NULL) == 0);
    check_batch(&b, kind);
    seen += b.B;
  } while (b.B && seen < 30);
  must(seen == 30 || seen == data_rows(d, s) || data_rows(d, s) > 30);
}

static void check_data(Data *d, DataKind kind) {
  DataBatch b;
  DataUnigram u;
  must(data_rows(d, DATA_TRAIN) > 0);
  for (int i = 0; i < 3; i++) {
    must(data_next(d, 1 + i, &b, NULL) == 0 && b.B == 1 + i);
    check_batch(&b, kind);
  }
  check_split(d, DATA_TRAIN, kind);
  check_split(d, DATA_HELD_OUT, kind);
  if (data_unigram(d, &u, NULL) == 0)
    must(u.targets > 0 && u.cross > 0 && u.entropy >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2)
    return 0;
  char path[64];
  const char *paths[] = {path};
  DataOptions o = {.kind = (DataKind)(data[0] % DATA_KINDS),
                   .length = 4 + data[0] / 16,
                   .classes = 3,
                   .hold_out = data[1] & 16,
                   .pad = data[1] & 32};
  if (!data_of_tokens(o.kind)) // no bytes of a text, and another fuzzer has the files
    return 0;
  write_file(path, data[1], data + 2, size - 2);
  BigsError e = {{0}, 0};
  Data *d;
  if (data_open(paths, 1, tokenizer(), &o, &d, &e))
    must_explain(&e);
  else
    check_data(d, o.kind);
  uint64_t print = d ? data_fingerprint(d) : 0;
  data_free(d);
  if (print) {
    must(data_open(paths, 1, tokenizer(), &o, &d, &e) == 0 && data_fingerprint(d) == print);
    data_free(d);
  }
  return 0;
}
