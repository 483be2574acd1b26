// Variables that threads share, for sources that are C11 and C++17 alike: neither's own atomics are known to the other.  All
// operations are sequentially consistent but those that say otherwise; `a` is the address of an ATOMIC.
#ifndef BIGSC_ATOMIC_H
#define BIGSC_ATOMIC_H

// In a struct, so that nobody reads or writes one by accident as if it were a plain variable.
#define ATOMIC(T)                                                                                  \
  struct {                                                                                         \
    T shared;                                                                                      \
  }
#define atomic_get(a) __atomic_load_n(&(a)->shared, __ATOMIC_SEQ_CST)
#define atomic_set(a, x) __atomic_store_n(&(a)->shared, (x), __ATOMIC_SEQ_CST)
// The value before.
#define atomic_add(a, x) __atomic_fetch_add(&(a)->shared, (x), __ATOMIC_SEQ_CST)
#define atomic_sub(a, x) __atomic_fetch_sub(&(a)->shared, (x), __ATOMIC_SEQ_CST)
#define atomic_and(a, x) __atomic_fetch_and(&(a)->shared, (x), __ATOMIC_SEQ_CST)
#define atomic_add_relaxed(a, x) __atomic_fetch_add(&(a)->shared, (x), __ATOMIC_RELAXED)
// x where it is *was, and true; else false, and *was is what it is.  May fail for no reason.
#define atomic_replace(a, was, x)                                                                  \
  __atomic_compare_exchange_n(&(a)->shared, (was), (x), 1, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#endif
