// See hash.h.
#include "base/hash.h"
#include <string.h>

uint64_t hash_bytes(uint64_t seed, const void *p, size_t n) {
  const unsigned char *s = (const unsigned char *)p;
  uint64_t h = 0xcbf29ce484222325u ^ seed;
  for (size_t i = 0; i < n; i++)
    h = (h ^ s[i]) * 0x100000001b3u;
  return hash_mix(h, n);
}

uint64_t hash_words(uint64_t seed, const void *p, size_t n) {
  const unsigned char *s = (const unsigned char *)p;
  uint64_t h = hash_mix(seed, n), word = 0;
  for (; n >= sizeof word; n -= sizeof word, s += sizeof word) {
    memcpy(&word, s, sizeof word);
    h = hash_mix(h, word);
  }
  word = 0;
  if (n)
    memcpy(&word, s, n);
  return hash_mix(h, word);
}

uint64_t hash_str(const char *s) {
  return hash_bytes(0, s, strlen(s));
}
