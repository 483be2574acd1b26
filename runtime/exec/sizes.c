// Sizes: what dims, as callers give them, make of the module's polynomials, and which dims follow from sizes.
#include "runtime/exec/exec.h"
#include <inttypes.h>

bool poly_value(const Poly *p, const int64_t *sym, int64_t *out) {
  int64_t sum = 0;
  for (int i = 0; i < p->n; i++) {
    int64_t x = p->t[i].coef;
    for (int k = 0; k < POLY_FACTORS && p->t[i].sym[k] >= 0; k++)
      if (__builtin_mul_overflow(x, sym[p->t[i].sym[k]], &x))
        return false;
    if (__builtin_add_overflow(sum, x, &sum))
      return false;
  }
  *out = sum;
  return sum != NO_SIZE;
}

bool poly_size(const Poly *p, const int64_t *sym, int64_t *out) {
  return poly_value(p, sym, out) && *out >= 0;
}

int64_t poly_elements(const BigsTensor *t, const int64_t *sym) {
  int64_t n = 1, extent;
  for (int a = 0; a < t->rank; a++)
    if (!poly_size(&t->extent[a], sym, &extent) || __builtin_mul_overflow(n, extent, &n))
      return -1;
  return n;
}

int dim_of_size(const BigsModule *module, const Poly *p) {
  bool alone = p->n == 1 && p->t[0].coef == 1 && p->t[0].sym[0] >= 0 && p->t[0].sym[1] < 0;
  int sym = alone && p->t[0].sym[0] < module->ndim ? p->t[0].sym[0] : -1;
  return sym >= 0 && dim_is_brought(&module->dim[sym]) ? sym : -1;
}

// A term as `factor` times a dim that is not known, *dim, or as a number, -1; false: as neither.
static bool take_term(const BigsModule *module, const PolyTerm *t, const int64_t *dims, int *dim,
                      int64_t *factor) {
  *dim = -1;
  *factor = t->coef;
  for (int k = 0; k < POLY_FACTORS && t->sym[k] >= 0; k++) {
    int i = t->sym[k];
    bool known = dims[i] > 0;
    if (!dim_is_brought(&module->dim[i]) || (!known && *dim >= 0) ||
        (known && __builtin_mul_overflow(*factor, dims[i], factor)))
      return false;
    *dim = known ? *dim : i;
  }
  return true;
}

// size = slope * dim + rest, for the one dim that is not known.
bool dim_from_size(const BigsModule *module, const Poly *p, int64_t size, int64_t *dims) {
  int64_t factor, slope = 0, rest = 0;
  int dim, unknown = -1;
  for (int i = 0; i < p->n; i++) {
    bool fits = take_term(module, &p->t[i], dims, &dim, &factor) &&
                (dim < 0 || unknown < 0 || dim == unknown);
    int64_t *sum = dim < 0 ? &rest : &slope;
    if (!fits || __builtin_add_overflow(*sum, factor, sum))
      return false;
    unknown = dim < 0 ? unknown : dim;
  }
  if (!slope || __builtin_sub_overflow(size, rest, &rest) || rest == INT64_MIN || rest % slope ||
      rest / slope < 1)
    return false;
  dims[unknown] = rest / slope;
  return true;
}

// One that cannot be counted is too large for everything that is made of it.
void complete_sizes(const BigsModule *module, int64_t *sym) {
  int64_t of;
  for (int i = 0; i < module->ndim; i++) {
    const BigsDim *d = &module->dim[i];
    if (d->by)
      sym[i] = poly_size(&d->of, sym, &of) ? of / d->by : INT64_MAX;
  }
}

int bind_dims(const BigsModule *module, const BigsProgram *p, const int64_t *dims, int64_t *sym,
              BigsError *e) {
  for (int i = 0; i < MAX_SYMS; i++)
    sym[i] = 1;
  for (int i = 0; i < module->ndim; i++) {
    if (!(p->syms >> i & 1))
      continue;
    const BigsDim *d = &module->dim[i];
    if (!dims)
      return bigs_fail(e, BIGS_EUSAGE, "%s: no value for %s", p->name, d->name);
    if (dims[i] < 1)
      return bigs_fail(e, BIGS_EMODEL, "%s = %" PRId64 ": must be at least 1", d->name, dims[i]);
    if (d->bound && dims[i] > d->bound)
      return bigs_fail(e, BIGS_EMODEL, "%s = %" PRId64 ": the model allows at most %" PRId64,
                       d->name, dims[i], d->bound);
    sym[i] = dims[i];
  }
  complete_sizes(module, sym);
  int64_t room;
  for (int i = 0; i < p->nroom; i++)
    if (!poly_size(&p->room[i].room, sym, &room))
      return bigs_fail(e, BIGS_EMODEL, "%s: %s (%s)", p->name, p->room[i].text,
                       p->room[i].source ? p->room[i].source : "?");
  return 0;
}
