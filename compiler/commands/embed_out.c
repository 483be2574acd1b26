// See embed_out.h.
#include "compiler/commands/embed_out.h"
#include "compiler/commands/tensors.h"
#include "base/alloc.h"
#include "base/dtype.h"
#include "runtime/files/file.h"
#include "runtime/files/json.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef struct VectorForm {
  const char *name;
  int (*add)(VectorFile *f, const char *text, const float *v, int64_t n);
  int (*finish)(VectorFile *f, const float *v, int64_t width); // NULL: lines, written as they come
} VectorForm;
struct VectorFile {
  Session *s;
  const char *path;
  const VectorForm *form;
  FileOut *to;   // of lines
  FILE *numbers; // of the others, until it is known how many there are
  JsonText line;
  int64_t rows;
};

static int failed(VectorFile *f) {
  return session_fail(f->s, &f->s->error);
}

// ---- lines
static int put_line(VectorFile *f) {
  if (f->line.failed)
    return session_error(f->s, EXIT_MODEL, "out of memory");
  int err = file_write(f->to, f->line.s, f->line.n, &f->s->error);
  f->line.n = 0;
  return err ? failed(f) : 0;
}

// Nine digits tell floats apart.
static void put_numbers(JsonText *t, const float *v, int64_t n, const char *between) {
  char number[32];
  for (int64_t i = 0; i < n; i++) {
    snprintf(number, sizeof number, "%s%.9g", i ? between : "", (double)v[i]);
    json_raw(t, number);
  }
}

static int add_tsv(VectorFile *f, const char *text, const float *v, int64_t n) {
  (void)text;
  put_numbers(&f->line, v, n, "\t");
  json_raw(&f->line, "\n");
  return put_line(f);
}

static int add_jsonl(VectorFile *f, const char *text, const float *v, int64_t n) {
  json_raw(&f->line, "{\"text\": ");
  json_put_string(&f->line, text, strlen(text));
  json_raw(&f->line, ", \"embedding\": [");
  put_numbers(&f->line, v, n, ", ");
  json_raw(&f->line, "]}\n");
  return put_line(f);
}

// ---- a table of numbers
static int add_numbers(VectorFile *f, const char *text, const float *v, int64_t n) {
  (void)text;
  if (fwrite(v, sizeof *v, (size_t)n, f->numbers) == (size_t)n)
    return 0;
  bigs_fail_errno(&f->s->error, "write", "a temporary file");
  return failed(f);
}

// The header's length is a multiple of 64, as numpy writes it: numpy.lib.format, version 1.0.
static int finish_npy(VectorFile *f, const float *v, int64_t width) {
  char head[129] = "\x93NUMPY\x01\0\x76", shape[118];
  BigsError *e = &f->s->error;
  snprintf(shape, sizeof shape, "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %lld), }",
           (long long)f->rows, (long long)width);
  snprintf(head + 10, sizeof head - 10, "%-117s\n", shape);
  FileOut *to = file_create(f->path, e);
  int err = !to || file_write(to, head, 128, e) ||
            file_write(to, v, sizeof *v * (size_t)(f->rows * width), e);
  if (err)
    file_abort(to);
  else
    err = file_commit(to, e);
  return err ? failed(f) : 0;
}

static int finish_safetensors(VectorFile *f, const float *v, int64_t width) {
  Written w = {"embeddings", DT_F32, 2, (int64_t[]){f->rows, width}, v};
  return tensors_write(f->s, f->path, &w, 1);
}

static const VectorForm forms[] = {
    {"tsv", add_tsv, NULL},
    {"jsonl", add_jsonl, NULL},
    {"npy", add_numbers, finish_npy},
    {"safetensors", add_numbers, finish_safetensors},
};

// ---- any
static const VectorForm *form_named(const char *name) {
  for (int i = 0; i < COUNT(forms); i++)
    if (!strcmp(forms[i].name, name))
      return &forms[i];
  return NULL;
}

static const VectorForm *form_of(const char *path, const char *format) {
  const char *dot = strrchr(path, '.');
  const VectorForm *f = format || !dot ? NULL : form_named(dot + 1);
  return format ? form_named(format) : f ? f : &forms[0];
}

OutputKind vectors_kind(const char *path, const char *format) {
  const VectorForm *form = form_of(path, format);
  return form && form->finish ? OUTPUT_NUMBERS : OUTPUT_TEXT;
}

int vectors_create(Session *s, const char *path, const char *format, VectorFile **out) {
  const VectorForm *form = form_of(path, format);
  if (!form)
    return session_error(s, EXIT_USAGE, "--format %s: tsv, jsonl, npy or safetensors", format);
  VectorFile *f = *out = ALLOC(VectorFile);
  if (!f)
    return session_error(s, EXIT_MODEL, "out of memory");
  *f = (VectorFile){.s = s, .path = path, .form = form};
  if (form->finish && !(f->numbers = tmpfile()))
    bigs_fail_errno(&s->error, "make", "a temporary file");
  else if (!form->finish)
    f->to = file_create(path, &s->error);
  return f->to || f->numbers ? 0 : failed(f);
}

int vectors_add(VectorFile *f, const char *text, const float *v, int64_t n) {
  f->rows++;
  return f->form->add(f, text, v, n);
}

static int finish_table(VectorFile *f, int64_t width) {
  size_t bytes = sizeof(float) * (size_t)(f->rows * width);
  void *v = fflush(f->numbers) ? MAP_FAILED
            : !bytes           ? NULL
                               : mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fileno(f->numbers), 0);
  if (v == MAP_FAILED) {
    bigs_fail_errno(&f->s->error, "read", "a temporary file");
    return failed(f);
  }
  int status = f->form->finish(f, v, width);
  if (v)
    munmap(v, bytes);
  return status;
}

int vectors_finish(VectorFile *f, int64_t width) {
  int status = f->numbers ? finish_table(f, width) : 0;
  if (f->to && file_commit(f->to, &f->s->error))
    status = failed(f);
  f->to = NULL;
  vectors_abort(f);
  return status;
}

void vectors_abort(VectorFile *f) {
  if (!f)
    return;
  file_abort(f->to);
  if (f->numbers)
    fclose(f->numbers);
  free(f->line.s);
  free(f);
}
