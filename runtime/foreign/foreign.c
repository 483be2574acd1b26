// See foreign.h.
#include "base/alloc.h"
#include "runtime/files/file.h"
#include "runtime/foreign/foreign_internal.h"
#include <stdio.h>
#include <string.h>

const HubReaders foreign_readers = {
    {[FORM_SAFETENSORS] = st_open, [FORM_PICKLE] = torch_open, [FORM_MSGPACK] = flax_open}};

int foreign_fail(const Foreign *x, const char *fmt, ...) {
  BigsError e = {0};
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(e.text, sizeof e.text, fmt, ap);
  va_end(ap);
  return bigs_fail(x->e, BIGS_EFILE, "%s: %s", st_path(x->file), e.text);
}

void foreign_add(Foreign *x, const StTensor *t) {
  vec_push(x->arena, &x->tensors, *t);
}

const char *foreign_name(Foreign *x, const char *s, size_t n) {
  if (!memchr(s, 0, n) && utf8_valid(s, n) == n)
    return arena_strndup(x->arena, s, n);
  foreign_fail(x, "a name is no UTF-8, or has a NUL in it: \"%.*s\"", (int)(n < 80 ? n : 80), s);
  return NULL;
}

// ---- tensors whose bytes do not lie in the file as they are wanted: one is held at a time
static int hold(Foreign *x, const StTensor *t, BigsError *e) {
  if (x->held == t)
    return 0;
  free(x->dense);
  x->held = NULL;
  x->dense = MALLOC_N(char, t->nbytes + 1);
  int status = x->dense ? x->make(x, t, x->dense, e) : bigs_fail_memory(e, t->name);
  if (!status)
    x->held = t;
  return status;
}

static int read_made(void *own, const StTensor *t, size_t at, void *out, size_t size,
                     BigsError *e) {
  Foreign *x = own;
  pthread_mutex_lock(&x->lock);
  int status = hold(x, t, e);
  if (!status)
    memcpy(out, x->dense + at, size);
  pthread_mutex_unlock(&x->lock);
  return status;
}

static void close_foreign(void *own) {
  Foreign *x = own;
  free(x->dense);
  free(x->unpacked);
  pthread_mutex_destroy(&x->lock);
  arena_free(x->arena);
  free(x);
}

static const StSource source = {read_made, close_foreign};

// ---- opening
static int list_into(Foreign *x, int (*list)(Foreign *x)) {
  jmp_buf oom;
  if (setjmp(oom)) {
    bigs_fail_memory(x->e, st_path(x->file));
    close_foreign(x);
    return BIGS_EMODEL;
  }
  arena_on_oom(x->arena, &oom);
  int status = list(x);
  arena_on_oom(x->arena, NULL);
  if (!status)
    return st_fill(x->file, &source, x, x->tensors.v, x->tensors.n, x->e);
  close_foreign(x);
  return status;
}

static int open_started(StFile *f, int (*list)(Foreign *x), ForeignMake *make, BigsError *e) {
  Foreign *x = ALLOC(Foreign);
  Arena *a = x ? arena_try_new() : NULL;
  if (!a) {
    free(x);
    return bigs_fail_memory(e, st_path(f));
  }
  *x = (Foreign){.arena = a, .file = f, .e = e, .make = make};
  pthread_mutex_init(&x->lock, NULL);
  return list_into(x, list);
}

int foreign_open(const char *path, int (*list)(Foreign *x), ForeignMake *make, StFile **out,
                 BigsError *e) {
  BigsError own = {0};
  int status = st_start(path, out, e ? e : &own);
  if (status)
    return status;
  status = open_started(*out, list, make, e ? e : &own);
  if (status) {
    st_close(*out);
    *out = NULL;
  }
  return status;
}
