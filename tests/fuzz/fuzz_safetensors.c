// libFuzzer: any bytes as a safetensors file.  What opens must be consistent: every tensor inside
// the file, every byte of data readable, and written again it must open again.
#include "runtime/files/safetensors.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok) {
  if (!ok)
    abort();
}

static int memory_file(char *path, size_t room) {
  int fd = memfd_create("fuzz", 0);
  must(fd >= 0);
  snprintf(path, room, "/proc/self/fd/%d", fd);
  return fd;
}

static void look(const StFile *f) {
  for (int i = 0; i < st_count(f); i++) {
    const StTensor *t = st_at(f, i);
    uint64_t sum = 0;
    for (size_t b = 0; b < t->nbytes; b++)
      sum += ((const uint8_t *)t->data)[b];
    must(st_find(f, t->name) == t);
    must(t->nbytes == (size_t)t->elements * (size_t)st_dtype_size(t->dtype));
    must(sum <= 255 * t->nbytes);
    for (int to = 0; to < ST_DTYPES; to++) {
      void *out = malloc((size_t)t->elements * 8 + 1);
      must(out != NULL);
      st_copy(t, (StDType)to, out, NULL);
      free(out);
    }
  }
}

// Names that cannot be written are those of no tensor; everything else survives.
static void rewrite(const StFile *f) {
  char path[64] = "/tmp/bigs-fuzz-XXXXXX";
  int fd = mkstemp(path);
  must(fd >= 0);
  close(fd);
  StWriter *w = st_create(path, NULL);
  must(w != NULL);
  int status = 0;
  for (int i = 0; i < st_count(f); i++)
    status |= st_declare(w, st_at(f, i)->name, st_at(f, i)->dtype, st_at(f, i)->rank,
                         st_at(f, i)->shape, NULL);
  for (int i = 0; i < st_count(f); i++)
    status |= st_write(w, st_at(f, i)->data, st_at(f, i)->nbytes, NULL);
  status |= st_finish(w, NULL);
  StFile *g;
  if (!status) {
    must(st_open(path, &g, NULL) == 0);
    must(st_count(g) == st_count(f));
    st_close(g);
  }
  unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char path[64];
  int fd = memory_file(path, sizeof path);
  must(write(fd, data, size) == (ssize_t)size);
  StFile *f;
  BigsError e = {{0}, 0};
  if (st_open(path, &f, &e) == 0) {
    look(f);
    rewrite(f);
    st_close(f);
  } else {
    must(e.status != 0 && e.text[0] && strlen(e.text) < sizeof e.text);
  }
  close(fd);
  return 0;
}
