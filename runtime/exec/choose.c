// Which of the programs that compute the same is run: a function of the module and of sizes alone, so that it is the same for
// any number of threads and when a run goes on.
#include "runtime/exec/exec.h"

// The base-2 logarithm, linear between powers of 2: alike with every mathematical library.
static double rough_log2(int64_t n) {
  if (n < 1)
    return 0;
  int whole = 63 - __builtin_clzll((unsigned long long)n);
  double power = (double)(1ull << whole);
  return whole + ((double)n - power) / power;
}

// False: a size is too large to count.
static bool add_cost(const BigsModule *m, const BigsCost *c, const int64_t *sym, double *sum) {
  int64_t size, length;
  if (!poly_size(module_poly(m, c->size), sym, &size) ||
      !poly_size(module_poly(m, c->length), sym, &length))
    return false;
  if (!c->length || (length >= c->from && length < c->to))
    *sum += c->ns * (double)size * (c->logs ? rough_log2(length) : 1);
  return true;
}

double program_cost(const BigsModule *m, const BigsProgram *p, const int64_t *sym) {
  double sum = 0;
  int64_t room;
  for (int i = 0; i < p->nroom; i++)
    if (!poly_size(&p->room[i].room, sym, &room))
      return -1;
  for (int i = 0; i < p->ncost; i++)
    if (!add_cost(m, &p->cost[i], sym, &sum))
      return -1;
  return sum;
}

const BigsProgram *program_at(const BigsModule *m, int program, const int64_t *sym) {
  const BigsProgram *first = &m->program[program], *best = first;
  double least = first->nother ? program_cost(m, first, sym) : -1;
  for (int i = 0; i < first->nother && least >= 0; i++) {
    double cost = program_cost(m, &first->other[i], sym);
    if (cost >= 0 && cost < least) {
      least = cost;
      best = &first->other[i];
    }
  }
  return best;
}

const BigsProgram *program_for(const BigsModule *m, int program, const int64_t *dims) {
  int64_t sym[MAX_SYMS];
  const BigsProgram *first = &m->program[program];
  return bind_dims(m, first, dims, sym, NULL) ? first : program_at(m, program, sym);
}
