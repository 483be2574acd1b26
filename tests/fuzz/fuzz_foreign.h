// What the targets of other programs' files do with one: it opens and holds what it says, or tells why not.
#ifndef BIGSC_TESTS_FUZZ_FOREIGN_H
#define BIGSC_TESTS_FUZZ_FOREIGN_H
#include "runtime/files/file.h"
#include "runtime/files/safetensors.h"
#include "tests/fuzz/fuzz.h"

enum {
  FUZZ_MOST = 1 << 20
}; // bytes of a tensor that is read: a view of one number may be of any size

// Whole, and its last byte alone: the same.
static inline void fuzz_read(const StTensor *t) {
  BigsError e = {{0}, 0};
  char *p = malloc(t->nbytes + 1), last;
  must(p != NULL);
  int status = st_read(t, 0, p, t->nbytes, &e);
  if (status)
    must_explain(&e);
  else if (t->nbytes)
    must(st_read(t, t->nbytes - 1, &last, 1, &e) == 0 && last == p[t->nbytes - 1]);
  free(p);
}

static inline void fuzz_foreign(const char *path,
                                int (*open)(const char *path, StFile **out, BigsError *e)) {
  BigsError e = {{0}, 0};
  StFile *f;
  if (open(path, &f, &e)) {
    must_explain(&e);
    must(e.status == BIGS_EFILE && !f && strstr(e.text, path));
    return;
  }
  must(st_count(f) > 0);
  for (int i = 0; i < st_count(f); i++) {
    const StTensor *t = st_at(f, i);
    must(st_find(f, t->name) == t && utf8_valid(t->name, strlen(t->name)) == strlen(t->name));
    must(t->rank <= ST_MAX_RANK &&
         t->nbytes == (size_t)t->elements * (size_t)st_dtype_size(t->dtype));
    if (t->nbytes <= FUZZ_MOST)
      fuzz_read(t);
  }
  st_close(f);
}
#endif
