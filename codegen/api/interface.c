// The number of a model's interface: equal numbers, equal signatures, sizes and structs.
//
// It is the hash of a text that holds what a program compiles into itself when it includes NAME.h,
// and what its arguments mean; not what may change beneath it: values, the CPU, the version.
#include "codegen/api/api.h"
#include "base/dtype.h"
#include "base/hash.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Facts {
  FILE *f;
  Arena *arena;
  const BigsModule *m;
  const char *dims[MAX_SYMS];
} Facts;

// The public structs, whose layout the program has: their text without comments and blanks.
static void put_structs(const Facts *x) {
  for (const char *s = info_text(); *s; s++)
    if (s[0] == '/' && s[1] == '/')
      s += strcspn(s, "\n") - 1;
    else if (!isspace((unsigned char)*s))
      fputc(*s, x->f);
}

static void put_dims(const Facts *x) {
  for (int i = 0; i < x->m->ndim; i++)
    if (dim_is_brought(&x->m->dim[i]))
      fprintf(x->f, "\ndim %s %" PRId64, x->m->dim[i].name, x->m->dim[i].bound);
  for (int i = 0; i < x->m->nconst; i++)
    if (api_in_header(&x->m->constant[i]))
      fprintf(x->f, "\nfixed %s %.0f", x->m->constant[i].name, x->m->constant[i].value);
}

static void put_tensor(const Facts *x, const BigsTensor *t) {
  fprintf(x->f, "\n  %s %d", t->name, t->dtype);
  for (int i = 0; i < t->rank; i++)
    fprintf(x->f, " %s=%s", t->axis[i] ? t->axis[i] : "",
            poly_str(x->arena, &t->extent[i], x->dims));
  if (t->optional)
    fprintf(x->f, " default %.17g", t->fallback);
}

static void put_function(const Facts *x, const char *name, const BigsProgram *p, uint32_t without) {
  fprintf(x->f, "\n%s", name);
  for (int i = 0; i < x->m->ndim; i++)
    if (p->syms >> i & 1)
      fprintf(x->f, " %s", x->m->dim[i].name);
  for (int i = 0; i < p->ninput; i++)
    if (!api_without(without, p->input[i]))
      put_tensor(x, &x->m->input[p->input[i]]);
  for (int i = 0; i < p->noutput; i++)
    put_tensor(x, &p->output[i]);
}

static void put_functions(const Facts *x) {
  const BigsModule *m = x->m;
  for (int i = 0; i < m->nprogram; i++)
    if (m->program[i].kind == BIGS_ENTRY)
      put_function(x, m->program[i].name, &m->program[i], 0);
  for (int i = 0; i < m->ntrain; i++)
    put_function(x, arena_printf(x->arena, "train %s", m->train[i].name),
                 &m->program[m->train[i].program], m->train[i].unpicked);
}

static void put_parameters(const Facts *x) {
  for (int i = 0; i < x->m->nparam; i++) {
    const BigsParam *p = &x->m->param[i];
    fprintf(x->f, "\nparam %s %d %d", p->name, p->dtype, p->is_complex);
    for (int k = 0; k < p->rank; k++)
      fprintf(x->f, " %" PRId64, p->extent[k]);
  }
}

uint64_t api_interface(Arena *a, const BigsModule *m) {
  char *text = NULL;
  size_t size = 0;
  Facts x = {.f = open_memstream(&text, &size), .arena = a, .m = m};
  if (!x.f)
    out_of_memory();
  for (int i = 0; i < m->ndim && i < MAX_SYMS; i++)
    x.dims[i] = m->dim[i].name;
  put_structs(&x);
  put_dims(&x);
  put_functions(&x);
  put_parameters(&x);
  if (fclose(x.f))
    out_of_memory();
  uint64_t hash = hash_bytes(0, text, size);
  free(text);
  return hash;
}
