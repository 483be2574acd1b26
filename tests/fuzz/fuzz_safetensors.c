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

static void *bytes_of(const StTensor *t) {
  void *bytes = malloc(t->nbytes + 1);
  must(bytes && st_read(t, 0, bytes, t->nbytes, NULL) == 0);
  return bytes;
}

static void look(const StFile *f) {
  for (int i = 0; i < st_count(f); i++) {
    const StTensor *t = st_at(f, i);
    free(bytes_of(t));
    must(st_find(f, t->name) == t);
    size_t size = (size_t)st_dtype_size(t->dtype);
    must(size ? t->nbytes == (size_t)t->elements * size : t->nbytes <= (size_t)t->elements);
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
  for (int i = 0; i < st_count(f); i++) {
    void *bytes = bytes_of(st_at(f, i));
    status |= st_write(w, bytes, st_at(f, i)->nbytes, NULL);
    free(bytes);
  }
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
