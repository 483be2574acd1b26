// Philox: see rng.h.
#include "base/rng.h"

void philox4x32(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c0 = ctr[0], c1 = ctr[1], c2 = ctr[2], c3 = ctr[3], k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    uint64_t p = (uint64_t)0xD2511F53u * c0, q = (uint64_t)0xCD9E8D57u * c2;
    uint32_t hi_p = (uint32_t)(p >> 32), hi_q = (uint32_t)(q >> 32);
    c0 = hi_q ^ c1 ^ k0;
    c1 = (uint32_t)q;
    c2 = hi_p ^ c3 ^ k1;
    c3 = (uint32_t)p;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

void rng_site_keys(uint64_t seed, uint64_t step, uint64_t site, uint32_t key[2]) {
  uint32_t counter[4] = {(uint32_t)step, (uint32_t)(step >> 32), (uint32_t)site,
                         (uint32_t)(site >> 32)};
  uint32_t seeds[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)}, out[4];
  philox4x32(counter, seeds, out);
  key[0] = out[0];
  key[1] = out[1];
}
