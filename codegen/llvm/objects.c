// See objects.h.
#include "codegen/llvm/objects.h"
#include "base/hash.h"
#include <elf.h>
#include <link.h>
#include <string.h>

// ---- which program this is

typedef struct Identity {
  uint64_t hash;
  bool lacking;
} Identity;

// The build ID among the notes, as the gABI lays them out in 4 bytes each.
static bool add_build_id(Identity *id, const char *notes, size_t n) {
  ElfW(Nhdr) h;
  for (size_t at = 0; at + sizeof h <= n;) {
    memcpy(&h, notes + at, sizeof h);
    size_t name = at + sizeof h, what = name + (h.n_namesz + 3) / 4 * 4;
    at = what + (h.n_descsz + 3) / 4 * 4;
    if (h.n_type != NT_GNU_BUILD_ID || at > n || strncmp(notes + name, "GNU", h.n_namesz))
      continue;
    id->hash = hash_mix(id->hash, hash_bytes(1, notes + what, h.n_descsz));
    return true;
  }
  return false;
}

static bool has_code_of_ours(const struct dl_phdr_info *of) {
  return !*of->dlpi_name || strstr(of->dlpi_name, "libLLVM");
}

static int look_at_program(struct dl_phdr_info *of, size_t size, void *ctx) {
  Identity *id = ctx;
  bool found = !has_code_of_ours(of);
  (void)size;
  for (int i = 0; i < of->dlpi_phnum && !found; i++) {
    const ElfW(Phdr) *p = &of->dlpi_phdr[i];
    if (p->p_type == PT_NOTE && p->p_align == 4)
      found = add_build_id(id, (const char *)of->dlpi_addr + p->p_vaddr, p->p_memsz);
  }
  id->lacking |= !found;
  return 0;
}

static Identity identity(void) {
  Identity id = {0};
  dl_iterate_phdr(look_at_program, &id);
  return id;
}

Cache objects_open(Arena *a) {
  return identity().lacking ? (Cache){NULL, "object"} : cache_open(a, "object");
}

// ---- keys

static uint64_t hash_text(uint64_t h, const char *s) {
  return hash_mix(h, s ? hash_str(s) : 0);
}

static uint64_t hash_target(uint64_t h, const Target *t) {
  const char *const text[] = {t->triple, t->cpu, t->tune, t->features, t->extra};
  const int number[] = {t->opt, t->vector_floats, t->registers,  t->has_fma,   t->has_scalef, t->mr,
                        t->nr,  (int)t->pairs,    (int)t->quads, t->pair_rows, t->vscale};
  for (size_t i = 0; i < sizeof text / sizeof *text; i++)
    h = hash_text(h, text[i]);
  for (size_t i = 0; i < sizeof number / sizeof *number; i++)
    h = hash_mix(h, (uint64_t)number[i]);
  return h;
}

static uint64_t hash_kernel(uint64_t h, const LKernel *k, const char *symbol) {
  h = hash_mix(hash_mix(h, loop_hash(k)), (uint64_t)k->nargs);
  h = hash_mix(hash_mix(h, (uint64_t)k->nvars), (uint64_t)k->nregs);
  return hash_text(h, symbol);
}

CacheKey objects_key(const Target *t, LKernel *const *kernels, const char *const *symbols, int n) {
  CacheKey key;
  uint64_t program = identity().hash;
  for (uint64_t i = 0; i < 2; i++) {
    uint64_t h = hash_target(hash_mix(i, program), t);
    for (int k = 0; k < n; k++)
      h = hash_kernel(h, kernels[k], symbols[k]);
    key.word[i] = h;
  }
  return key;
}
