// Counter-based random numbers: every draw is a pure function of what identifies it, so that it
// depends on neither threads, nor memory order, nor what was drawn before.  The interpreter and the
// runtime share them; the functions that are not inline are in base/rng.c.
#ifndef BIGSC_RNG_H
#define BIGSC_RNG_H
#include <stdint.h>

// Philox4x32-10 of Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC
// 2011): a keyed bijection of 128-bit counters.  For draws whose quality matters more than their
// cost.
void philox4x32(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4]);

// The key of one place that draws (a dropout of one layer, a parameter's initializer, the data) in
// one step:
//   philox4x32({step, step >> 32, site, site >> 32}, {seed, seed >> 32}), its first two words.
void rng_site_keys(uint64_t seed, uint64_t step, uint64_t site, uint32_t key[2]);

// ---- the element hash of kernels.  Generated code computes exactly this, in vectors of 32-bit
// lanes:
//
//   a = (uint32)index * 0x9E3779B9 + k0 + (uint32)(index >> 32) * 0x85EBCA6B         (mod 2^32)
//   r = mix(mix(a) ^ k1)
//   mix(x): x ^= x >> 16;  x *= 0x7FEB352D;  x ^= x >> 15;  x *= 0x846CA68B;  x ^= x >> 16
//
// index is the element's logical index in declared axis order; k0, k1 come from rng_site_keys.  mix
// is the finalizer "lowbias32" found by C. Wellons' search for integer hashes of least avalanche
// bias (hash-prospector, 2018; bias 0.17); 0x9E3779B9 is 2^32 divided by the golden ratio, made
// odd, 0x85EBCA6B a multiplier of MurmurHash3's finalizer.
static inline uint32_t rng_mix(uint32_t x) {
  x ^= x >> 16;
  x *= 0x7FEB352Du;
  x ^= x >> 15;
  x *= 0x846CA68Bu;
  return x ^ x >> 16;
}
static inline uint32_t rng_element(uint32_t k0, uint32_t k1, uint64_t index) {
  uint32_t a = (uint32_t)index * 0x9E3779B9u + k0 + (uint32_t)(index >> 32) * 0x85EBCA6Bu;
  return rng_mix(rng_mix(a) ^ k1);
}
// Uniform in (0, 1), never 0 or 1: the 2^23 floats (n + 0.5) * 2^-23, all of them exact.  (With 24
// bits n + 0.5 would round, and the largest would become 1, which an inverse distribution function
// turns into infinity.)
static inline float rng_uniform(uint32_t r) {
  return ((float)(r >> 9) + 0.5f) * 0x1p-23f;
}

// A draw from {0, ..., n - 1} by the high half of a product; bias below n / 2^32.
static inline uint32_t rng_below(uint32_t r, uint32_t n) {
  return (uint32_t)((uint64_t)r * n >> 32);
}
#endif
