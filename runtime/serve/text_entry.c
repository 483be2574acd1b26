// See text_entry.h.
#include "runtime/serve/text_entry.h"
#include "runtime/exec/exec.h"
#include "base/dtype.h"
#include <string.h>

static int argument_named(const BigsModule *m, const BigsProgram *p, const char *name) {
  int i = p->ninput - 1;
  while (i >= 0 && strcmp(m->input[p->input[i]].name, name) != 0)
    i--;
  return i;
}

static bool is_rows(const BigsModule *m, const BigsProgram *p, int argument, DType dtype,
                    const TextEntry *x) {
  const BigsTensor *t = argument < 0 ? NULL : &m->input[p->input[argument]];
  return !t || (t->dtype == dtype && t->rank == 2 && dim_of_size(m, &t->extent[0]) == x->batch &&
                dim_of_size(m, &t->extent[1]) == x->length);
}

static bool is_row_a_text(const BigsModule *m, const BigsTensor *t, const TextEntry *x) {
  int64_t n;
  bool rows = t->dtype == DT_F32 && t->rank >= 1 && dim_of_size(m, &t->extent[0]) == x->batch;
  for (int a = 1; a < t->rank; a++)
    rows = rows && poly_is_const(&t->extent[a], &n);
  return rows;
}

bool text_entry(const BigsModule *m, const BigsProgram *p, TextEntry *out) {
  TextEntry x = {.ids = argument_named(m, p, "ids"),
                 .types = argument_named(m, p, "types"),
                 .mask = argument_named(m, p, "mask")};
  if (p->kind != BIGS_ENTRY || x.ids < 0 || m->input[p->input[x.ids]].rank != 2)
    return false;
  const BigsTensor *ids = &m->input[p->input[x.ids]];
  x.batch = dim_of_size(m, &ids->extent[0]);
  x.length = dim_of_size(m, &ids->extent[1]);
  *out = x;
  return x.batch >= 0 && x.length >= 0 && x.batch != x.length &&
         p->syms == (1u << x.batch | 1u << x.length) &&
         p->ninput == 1 + (x.types >= 0) + (x.mask >= 0) && is_rows(m, p, x.ids, DT_I32, &x) &&
         is_rows(m, p, x.types, DT_I32, &x) && is_rows(m, p, x.mask, DT_BOOL, &x) &&
         is_row_a_text(m, &p->output[0], &x);
}
