// Where threads meet: barriers of a block, and exchanges of a warp, which the last lane to come
// computes for all.
#ifndef SHIM_MEET_H
#define SHIM_MEET_H
#include "shim_fiber.h"

namespace shim {
namespace {
// mine[i] is what lane i brought, for every lane of the set `members`.
typedef void Together(void *const *mine, unsigned members);

struct WarpMeet {
  Place place;
  unsigned mask, members,
      here; // named by the caller; of these the lanes that exist; those that came
  void *mine[WARP];
};
// Lanes of disjoint masks may meet at the same time.
struct WarpState {
  int open;
  WarpMeet meet[WARP];
};
struct Barrier {
  Place place;
  int size, here;
  int yes, any; // votes of those who came; all that there were the last time
  uint64_t who[MAX_THREADS / 64];
};
enum { BARRIERS = 16 };
WarpState warps[MAX_WARPS];
Barrier barriers[BARRIERS];

inline bool same_place(const Place &a, const Place &b) {
  return a.line == b.line && a.what == b.what;
}

inline unsigned lanes_of(int warp) {
  int n = run.threads - warp * WARP;
  return n >= WARP ? ~0u : (1u << n) - 1;
}

[[noreturn]] inline void fail_apart(const Place &mine, const Place &theirs) {
  fail(&mine, "other threads wait for this one in %s at %s:%d; all must come to the same call",
       theirs.what, base_name(theirs.file), theirs.line);
}

inline WarpMeet &open_meet(WarpState &w, const Place &place, unsigned mask) {
  for (int i = 0; i < w.open; i++) {
    WarpMeet &m = w.meet[i];
    if (!(m.mask & mask))
      continue;
    if (!same_place(m.place, place))
      fail_apart(place, m.place);
    if (m.mask != mask)
      fail(&place, "the mask is 0x%08x here and 0x%08x in another lane", mask, m.mask);
    return m;
  }
  WarpMeet &m = w.meet[w.open++];
  m.place = place, m.mask = mask, m.members = mask & lanes_of(self().warp), m.here = 0;
  return m;
}

inline void close_meet(WarpState &w, WarpMeet &m, int warp) {
  for (int i = 0; i < WARP; i++)
    if (m.members >> i & 1)
      set_ready(warp * WARP + i);
  if (&m != &w.meet[--w.open])
    m = w.meet[w.open];
}

// All lanes of `mask` that exist come here; the last computes `together`.  Then they go on in the order of
// the run, so also the last one queues.
inline void meet_warp(const Place &place, unsigned mask, void *mine, Together *together) {
  Thread &t = self();
  WarpState &w = warps[t.warp];
  t.last = place;
  if (!(mask >> t.lane & 1))
    fail(&place, "the mask 0x%08x lacks the calling lane", mask);
  WarpMeet &m = open_meet(w, place, mask);
  m.mine[t.lane] = mine;
  m.here |= 1u << t.lane;
  if (m.here == m.members) {
    if (together)
      together(m.mine, m.members);
    close_meet(w, m, t.warp);
  }
  wait();
}

inline void open_barrier(Barrier &b, const Place &place, int size) {
  b.place = place, b.size = size;
  memset(b.who, 0, sizeof b.who);
}

// Waits until `size` threads are at barrier `id`.
inline void meet_block(const Place &place, int id, int size) {
  Barrier &b = barriers[id];
  self().last = place;
  if (!b.here)
    open_barrier(b, place, size);
  else if (!same_place(b.place, place))
    fail_apart(place, b.place);
  else if (b.size != size)
    fail(&place, "it is for %d threads here and for %d in another thread", size, b.size);
  b.who[run.current / 64] |= uint64_t(1) << run.current % 64;
  if (++b.here == size) {
    for (int w = 0; w < MAX_THREADS / 64; w++)
      run.ready[w] |= b.who[w];
    b.here = 0;
  }
  wait();
}

// The same with a vote: has any thread one?  It is read before the last can come again.
inline int meet_any(const Place &place, int yes) {
  Barrier &b = barriers[0];
  b.yes |= yes != 0;
  if (b.here + 1 == run.threads)
    b.any = b.yes, b.yes = 0;
  meet_block(place, 0, run.threads);
  return b.any;
}

// Says where a thread is.
inline void add_where(const char *before, int id) {
  const Thread &t = run.thread[id];
  add(run.error, "%sthread %d ", before, id);
  if (t.ended)
    add(run.error, "has ended");
  else if (t.last.what)
    add(run.error, "is in %s at %s:%d", t.last.what, base_name(t.last.file), t.last.line);
  else
    add(run.error, "came to no such place");
}

inline void add_waiting(const Place &p, int here, int size) {
  add(run.error, " %s at %s:%d has %d of %d threads", p.what, base_name(p.file), p.line, here,
      size);
}

inline void add_warp(int warp) {
  for (int i = 0; i < warps[warp].open; i++) {
    const WarpMeet &m = warps[warp].meet[i];
    add_waiting(m.place, __builtin_popcount(m.here), __builtin_popcount(m.members));
    add_where("; ", warp * WARP + __builtin_ctz(m.members & ~m.here));
    add(run.error, ".");
  }
}

inline void add_barrier(const Barrier &b) {
  if (!b.here)
    return;
  add_waiting(b.place, b.here, b.size);
  for (int i = 0; i < run.threads; i++)
    if (!(b.who[i / 64] >> i % 64 & 1)) {
      add_where("; ", i);
      break;
    }
  add(run.error, ".");
}

inline void add_mbarriers(); // shim_bulk.h

[[noreturn]] inline void no_thread_can_go_on() {
  run.current = -1;
  add_head();
  add(run.error, ": no thread can go on:");
  for (const Barrier &b : barriers)
    add_barrier(b);
  for (int w = 0; w < MAX_WARPS; w++)
    add_warp(w);
  add_mbarriers();
  run.failed = true;
  to_host();
}

inline void forget_meets() {
  for (WarpState &w : warps)
    w.open = 0;
  for (Barrier &b : barriers)
    b.here = 0;
}
} // namespace
} // namespace shim
#endif
