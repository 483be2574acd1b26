// Barriers in shared memory, and copies of boxes that they count (TMA).  A copy takes place when no thread can go on
// without one, one at a time.
#ifndef SHIM_BULK_H
#define SHIM_BULK_H
#include "shim_tensor.h"
#include "tensor_map.h"

namespace shim {
namespace {
// What stands in the barrier's 8 bytes is never read, only looked after.
const uint64_t MBARRIER_MARK = 0x6d62617272696572;
struct Mbarrier {
  uint64_t *at;
  int count, missing; // arrivals
  long long bytes;    // missing; negative when they came before they were expected
  unsigned parity;    // of the present phase
};
List<Mbarrier> mbarriers;
uint64_t polling[MAX_THREADS / 64]; // threads that wait for any of them

struct Bulk {
  size_t to;
  TensorMap map;
  int x, y, z;
  uint64_t *barrier;
};
List<Bulk> bulk;

inline Mbarrier &mbarrier(const Place &place, void *at) {
  shared_offset(place, at, 8, 8);
  self().last = place;
  for (int i = 0; i < mbarriers.n; i++)
    if (mbarriers.at[i].at == at && *(uint64_t *)at == MBARRIER_MARK)
      return mbarriers.at[i];
  fail(&place, "the barrier is not initialised, or was overwritten");
}

inline void mbarrier_init(const Place &place, void *at, int count) {
  shared_offset(place, at, 8, 8);
  if (count < 1)
    fail(&place, "a barrier for %d arrivals", count);
  for (int i = 0; i < mbarriers.n; i++)
    if (mbarriers.at[i].at == at && *(uint64_t *)at == MBARRIER_MARK)
      fail(&place, "the barrier is initialised already");
  *(uint64_t *)at = MBARRIER_MARK;
  mbarriers.push({(uint64_t *)at, count, count, 0, 0});
}

inline void end_phase(Mbarrier &b) {
  if (b.missing || b.bytes)
    return;
  b.missing = b.count, b.parity ^= 1;
  for (int w = 0; w < MAX_THREADS / 64; w++)
    run.ready[w] |= polling[w], polling[w] = 0;
}

inline void mbarrier_end(const Place &place, void *at) {
  Mbarrier &b = mbarrier(place, at);
  if (b.bytes)
    fail(&place, "the barrier ends while it lacks %lld bytes", b.bytes);
  *(uint64_t *)at = ~uint64_t(0);
  b = mbarriers.at[--mbarriers.n];
}

inline void mbarrier_arrive(const Place &place, void *at, int bytes) {
  Mbarrier &b = mbarrier(place, at);
  if (!b.missing)
    fail(&place, "one arrival more than the %d of this phase", b.count);
  b.missing--, b.bytes += bytes;
  end_phase(b);
}

inline void mbarrier_wait(const Place &place, void *at, unsigned parity) {
  while (mbarrier(place, at).parity == (parity & 1)) {
    polling[run.current / 64] |= uint64_t(1) << run.current % 64;
    wait();
  }
}

inline void tma_load(const Place &place, void *to, const void *map, int x, int y, int z,
                     void *barrier) {
  TensorMap m;
  memcpy(&m, map, sizeof m);
  size_t offset = shared_offset(place, to, size_t(tensor_map_bytes(&m)), 128);
  mbarrier(place, barrier);
  memset(to, 0xff, size_t(tensor_map_bytes(&m)));
  bulk.push({offset, m, x, y, z, (uint64_t *)barrier});
}

// Where 16-byte pieces lie: bits of the number of the row of 128 bytes are added to the piece's number in the row.
inline size_t swizzled(size_t offset, int swizzle) {
  return offset ^ (offset >> 7 & size_t(swizzle / 16 - (swizzle ? 1 : 0))) << 4;
}

inline void deliver_element(const Bulk &b, int row, int column) {
  const TensorMap &m = b.map;
  size_t n = size_t(m.element), at = b.to + size_t(row * m.box[0] + column) * n;
  unsigned char *to = shim_shared + swizzled(at, m.swizzle);
  long long x = b.x + column, y = b.y + row;
  if (x < 0 || x >= m.extent[0] || y < 0 || y >= m.extent[1] || b.z < 0 || b.z >= m.extent[2])
    memset(to, 0, n);
  else
    memcpy(to, m.base + b.z * m.stride[1] + y * m.stride[0] + x * m.element, n);
}

inline void deliver(const Bulk &b) {
  for (int row = 0; row < b.map.box[1]; row++)
    for (int column = 0; column < b.map.box[0]; column++)
      deliver_element(b, row, column);
  for (int i = 0; i < mbarriers.n; i++)
    if (mbarriers.at[i].at == b.barrier) {
      mbarriers.at[i].bytes -= tensor_map_bytes(&b.map);
      end_phase(mbarriers.at[i]);
    }
}

// The copy that comes next: the first, the last, or one by chance.
inline bool something_arrives() {
  if (!bulk.n)
    return false;
  int i = run.order % 2 ? bulk.n - 1 : run.order < 4 ? 0 : int(by_chance(unsigned(bulk.n)));
  Bulk b = bulk.at[i];
  bulk.n--;
  memmove((void *)&bulk.at[i], (void *)&bulk.at[i + 1], sizeof b * size_t(bulk.n - i));
  deliver(b);
  return true;
}

// Of threads that wait for such barriers the first, and what the barriers wait for.
inline void add_mbarriers() {
  int id = 0;
  while (id < run.threads && !(polling[id / 64] >> id % 64 & 1))
    id++;
  if (id == run.threads)
    return;
  add_where(" ", id);
  add(run.error, ".");
  for (int i = 0; i < mbarriers.n; i++)
    add(run.error, " The barrier at byte %zu lacks %d of %d arrivals and %lld bytes.",
        size_t((unsigned char *)mbarriers.at[i].at - shim_shared), mbarriers.at[i].missing,
        mbarriers.at[i].count, mbarriers.at[i].bytes);
}

inline void check_bulk() {
  if (bulk.n)
    fail(nullptr, "the block ends with %d copies that nobody has waited for", bulk.n);
}

inline void forget_bulk() {
  mbarriers.n = bulk.n = 0;
  memset(polling, 0, sizeof polling);
}
} // namespace
} // namespace shim

// Fills a bg_tensor_map with a matrix of one plane: see tensor_map.h.  NULL, or what is wrong.
extern "C" __attribute__((visibility("default"))) const char *
shim_tensor_map(void *map, const void *base, int element, long long columns, long long rows,
                long long stride, int box_columns, int box_rows, int swizzle) {
  TensorMap m = {(const unsigned char *)base,
                 {columns, rows, 1},
                 {stride, 16},
                 element,
                 {box_columns, box_rows},
                 swizzle};
  return tensor_map_put(&m, map);
}
#endif
