// Writing safetensors: see safetensors.h.
#include "runtime/files/file.h"
#include "runtime/files/safetensors.h"
#include "base/alloc.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct StWriter {
  FileOut *file;
  char *path;
  JsonText metadata, tensors;
  int64_t declared, written; // bytes of data
  char **names;
  int count, cap;
  bool started; // the header is out
  BigsError failed;
};

static int stick(StWriter *w, BigsError *e) {
  if (e)
    *e = w->failed;
  return w->failed.status;
}

StWriter *st_create(const char *path, BigsError *e) {
  StWriter *w = ALLOC(StWriter);
  if (!w || !(w->path = strdup(path))) {
    st_cancel(w);
    bigs_fail_memory(e, path);
    return NULL;
  }
  w->file = file_create(path, e);
  if (!w->file) {
    st_cancel(w);
    return NULL;
  }
  json_raw(&w->metadata, "{\"__metadata__\":{\"format\":\"pt\"");
  return w;
}

static int check_open(StWriter *w, const char *name) {
  if (w->failed.status)
    return w->failed.status;
  if (w->started)
    return bigs_fail(&w->failed, BIGS_EUSAGE, "%s: \"%s\" is declared behind the first data",
                     w->path, name);
  if (utf8_valid(name, strlen(name)) != strlen(name))
    return bigs_fail(&w->failed, BIGS_EUSAGE, "%s: the name \"%s\" is not UTF-8", w->path, name);
  return 0;
}

int st_add_metadata(StWriter *w, const char *key, const char *value, BigsError *e) {
  if (check_open(w, key) || check_open(w, value))
    return stick(w, e);
  json_raw(&w->metadata, ",");
  json_put_string(&w->metadata, key, strlen(key));
  json_raw(&w->metadata, ":");
  json_put_string(&w->metadata, value, strlen(value));
  return 0;
}

static int remember(StWriter *w, const char *name) {
  if (w->count == w->cap) {
    int cap = w->cap * 2 + 64;
    char **grown = REALLOC_N(char *, w->names, cap);
    if (!grown)
      return bigs_fail_memory(&w->failed, w->path);
    w->names = grown;
    w->cap = cap;
  }
  w->names[w->count] = strdup(name);
  if (!w->names[w->count])
    return bigs_fail_memory(&w->failed, w->path);
  w->count++;
  return 0;
}

static int tensor_bytes(StWriter *w, const char *name, StDType dtype, int rank,
                        const int64_t *shape, int64_t *bytes) {
  if (!*name || !strcmp(name, "__metadata__"))
    return bigs_fail(&w->failed, BIGS_EUSAGE, "%s: \"%s\" cannot be a tensor's name", w->path,
                     name);
  if (rank < 0 || rank > ST_MAX_RANK)
    return bigs_fail(&w->failed, BIGS_EUSAGE, "%s: tensor \"%s\" has %d axes", w->path, name, rank);
  *bytes = st_dtype_size(dtype);
  if (!*bytes)
    return bigs_fail(&w->failed, BIGS_EUSAGE, "%s: tensor \"%s\": %s is not written", w->path, name,
                     st_dtype_name(dtype));
  for (int i = 0; i < rank; i++)
    if (shape[i] < 0 || __builtin_mul_overflow(*bytes, shape[i], bytes))
      return bigs_fail(&w->failed, BIGS_EUSAGE, "%s: tensor \"%s\" has an impossible size", w->path,
                       name);
  return 0;
}

int st_declare(StWriter *w, const char *name, StDType dtype, int rank, const int64_t *shape,
               BigsError *e) {
  int64_t bytes = 0, end;
  if (check_open(w, name) || tensor_bytes(w, name, dtype, rank, shape, &bytes) || remember(w, name))
    return stick(w, e);
  if (__builtin_add_overflow(w->declared, bytes, &end)) {
    bigs_fail(&w->failed, BIGS_EUSAGE, "%s: tensor \"%s\" makes the file impossibly large", w->path,
              name);
    return stick(w, e);
  }
  JsonText *t = &w->tensors;
  json_raw(t, ",");
  json_put_string(t, name, strlen(name));
  json_raw(t, ":{\"dtype\":\"");
  json_raw(t, st_dtype_name(dtype));
  json_raw(t, "\",\"shape\":[");
  for (int i = 0; i < rank; i++) {
    json_raw(t, i ? "," : "");
    json_put_int(t, shape[i]);
  }
  json_raw(t, "],\"data_offsets\":[");
  json_put_int(t, w->declared);
  json_raw(t, ",");
  json_put_int(t, w->declared = end);
  json_raw(t, "]}");
  return 0;
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static int check_declared(StWriter *w) {
  if (w->count)
    qsort(w->names, (size_t)w->count, sizeof *w->names, by_text);
  for (int i = 1; i < w->count; i++)
    if (!strcmp(w->names[i - 1], w->names[i]))
      return bigs_fail(&w->failed, BIGS_EUSAGE, "%s: tensor \"%s\" is declared twice", w->path,
                       w->names[i]);
  return 0;
}

static int put_bytes(StWriter *w, const void *data, size_t n) {
  return file_write(w->file, data, n, &w->failed);
}

// The header's length is a multiple of 8, so that data of 8 bytes is aligned in the mapped file.
static int start(StWriter *w) {
  w->started = true;
  if (check_declared(w))
    return w->failed.status;
  json_raw(&w->tensors, "}");
  json_raw(&w->metadata, "}");
  for (size_t n = w->metadata.n + w->tensors.n; n % 8; n++)
    json_raw(&w->tensors, " ");
  if (w->metadata.failed || w->tensors.failed)
    return bigs_fail_memory(&w->failed, w->path);
  uint64_t n = w->metadata.n + w->tensors.n;
  if (n > ST_MAX_HEADER)
    return bigs_fail(&w->failed, BIGS_EFILE, "%s: a header of %llu bytes is over the limit of %d",
                     w->path, (unsigned long long)n, ST_MAX_HEADER);
  uint8_t length[8];
  for (int i = 0; i < 8; i++)
    length[i] = (uint8_t)(n >> (8 * i));
  if (put_bytes(w, length, 8) || put_bytes(w, w->metadata.s, w->metadata.n))
    return w->failed.status;
  return put_bytes(w, w->tensors.s, w->tensors.n);
}

int st_write(StWriter *w, const void *data, size_t nbytes, BigsError *e) {
  if (w->failed.status || (!w->started && start(w)))
    return stick(w, e);
  if (nbytes > (uint64_t)(w->declared - w->written)) {
    bigs_fail(&w->failed, BIGS_EUSAGE, "%s: more data than was declared", w->path);
    return stick(w, e);
  }
  w->written += (int64_t)nbytes;
  return put_bytes(w, data, nbytes) ? stick(w, e) : 0;
}

static void free_writer(StWriter *w) {
  for (int i = 0; i < w->count; i++)
    free(w->names[i]);
  free(w->names);
  free(w->metadata.s);
  free(w->tensors.s);
  free(w->path);
  free(w);
}

int st_finish(StWriter *w, BigsError *e) {
  if (!w->failed.status && !w->started)
    start(w);
  if (!w->failed.status && w->written != w->declared)
    bigs_fail(&w->failed, BIGS_EUSAGE, "%s: %lld of %lld declared bytes were written", w->path,
              (long long)w->written, (long long)w->declared);
  int status = w->failed.status;
  if (status) {
    stick(w, e);
    file_abort(w->file);
  } else {
    status = file_commit(w->file, e);
  }
  free_writer(w);
  return status;
}

void st_cancel(StWriter *w) {
  if (!w)
    return;
  file_abort(w->file);
  free_writer(w);
}
