// Ranks that differ in what they would train have no bits in common: they are refused before a step is done.
#include "compiler/commands/ranks_internal.h"
#include "base/hash.h"
#include "runtime/exec/cpu.h"
#include <inttypes.h>
#include <string.h>

typedef enum RankFact {
  FACT_VERSION,
  FACT_CPU,
  FACT_MODEL,
  FACT_DATA,
  FACT_RECIPE,
  FACTS
} RankFact;
static const char *const fact_names[FACTS] = {"bigsc", "processor", "model", "data", "recipe"};
enum { FACT_SIZE = 192 };
typedef struct RankFacts {
  char text[FACTS][FACT_SIZE];
} RankFacts;

static uint64_t add_text(uint64_t h, const char *s) {
  return hash_mix(h, s ? hash_str(s) : 0);
}

static uint64_t hash_of_program(const BigsProgram *p) {
  uint64_t h = hash_mix((uint64_t)p->kind, (uint64_t)p->nstep);
  for (int i = 0; i < p->nstep; i++)
    h = add_text(add_text(h, p->step[i].label), p->step[i].source);
  return h;
}

// Its text, the dims it was compiled with, what its steps are, and where its parameters lie.
static uint64_t hash_of_model(const BigsModule *m) {
  uint64_t h = add_text(hash_mix(1, (uint64_t)m->param_bytes), m->mdl);
  for (int i = 0; i < m->nconst; i++)
    h = hash_mix(add_text(h, m->constant[i].name),
                 hash_bytes(0, &m->constant[i].value, sizeof m->constant[i].value));
  for (int i = 0; i < m->nparam; i++)
    h = hash_mix(add_text(h, m->param[i].name), (uint64_t)m->param[i].storage);
  for (int i = 0; i < m->nstorage; i++)
    h = hash_mix(h, (uint64_t)m->storage[i].offset);
  for (int i = 0; i < m->nprogram; i++)
    h = hash_mix(h, hash_of_program(&m->program[i]));
  return h;
}

// Transforms are chosen by the processor that runs them, other code by the one that it was compiled for.
static const char *conv_isa(void) {
  char missing[32];
  return cpu_has("+avx512f", missing, sizeof missing)     ? "avx512"
         : cpu_has("+avx2,+fma", missing, sizeof missing) ? "avx2"
                                                          : "generic";
}

static void make_facts(const Session *s, const TrainPlan *p, const Feeding *f, RankFacts *out) {
  const BigsModule *m = s->module;
  uint64_t data = hash_mix(data_fingerprint(f->data), f->dev ? data_fingerprint(f->dev) : 0);
  snprintf(out->text[FACT_VERSION], FACT_SIZE, "%s", m->version);
  snprintf(out->text[FACT_CPU], FACT_SIZE, "%.120s (%08x), %s", m->target,
           (unsigned)add_text(0, m->features), conv_isa());
  snprintf(out->text[FACT_MODEL], FACT_SIZE, "%.120s (%016" PRIx64 ")", m->model, hash_of_model(m));
  snprintf(out->text[FACT_DATA], FACT_SIZE, "%016" PRIx64, data);
  snprintf(out->text[FACT_RECIPE], FACT_SIZE,
           "%s, batch %" PRId64 ", pieces %" PRId64 ", length %" PRId64 ", steps %" PRId64
           ", seed %" PRIu64 ", rate %g, decay %g, clip %g",
           m->train[p->train].name, p->batch, p->pieces, p->length, p->recipe.steps, p->seed,
           p->recipe.rate, p->recipe.decay, p->recipe.clip);
}

// All ranks know all facts, and say the same.
static int compare(Session *s, const RankFacts *all, int ranks) {
  for (int k = 1; k < ranks; k++)
    for (int i = 0; i < FACTS; i++)
      if (memcmp(all[k].text[i], all[0].text[i], FACT_SIZE))
        return session_error(s, EXIT_USAGE,
                             "rank %d has another %s than rank 0, so that they cannot train "
                             "together: %s, and %s",
                             k, fact_names[i], all[k].text[i], all[0].text[i]);
  return 0;
}

int ranks_same(Session *s, Team *t, const TrainPlan *plan, const Feeding *f) {
  RankFacts mine = {{{0}}};
  RankFacts *all = NEWN(s->arena, RankFacts, t->ranks);
  make_facts(s, plan, f, &mine);
  if (t->exchange(t, s->handle, &mine, all, sizeof mine))
    return session_error(s, s->handle->error.status, "%s", bigs_model_error(s->handle));
  return compare(s, all, t->ranks);
}
