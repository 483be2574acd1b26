// Hashes of bytes and of hashes.  Not for keys that an enemy may choose.
#ifndef BIGSC_HASH_H
#define BIGSC_HASH_H
#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(uint64_t seed, const void *p, size_t n); // FNV-1a, finalized
// For much of it: 8 bytes at a time, as this processor has numbers in memory.
uint64_t hash_words(uint64_t seed, const void *p, size_t n);
uint64_t hash_str(const char *s); // the same for a NUL-terminated string
static inline uint64_t hash_mix(uint64_t h, uint64_t x) {
  h ^= x + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
  h *= 0xff51afd7ed558ccdu;
  return h ^ (h >> 32);
}
#endif
