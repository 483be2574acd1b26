// The threads of a block as fibers: stacks, the switch between them, whose turn is next, and the end
// of a launch by an error.
#ifndef SHIM_FIBER_H
#define SHIM_FIBER_H
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {
  }
};
// What a kernel sees; not macros, so that a field may be called so.
static uint3 threadIdx, blockIdx;
static dim3 blockDim, gridDim;

namespace shim {
namespace {
enum { WARP = 32, MAX_THREADS = 1024, MAX_WARPS = MAX_THREADS / WARP, ERROR_BYTES = 1024 };
constexpr size_t PAGE = 4096, STACK_BYTES = 128 << 10;

// A call in a kernel's source.
struct Place {
  const char *what, *file;
  int line;
};

struct Thread {
  void *sp; // of a fiber that is not running; what it keeps lies there
  char *stack;
  int id, lane, warp;
  bool ended;
  Place last; // its latest barrier or exchange; what is NULL before the first
};

struct Run {
  Thread thread[MAX_THREADS];
  int threads, alive, stacks;
  int current; // -1: none, the host runs
  uint64_t ready[MAX_THREADS / 64];
  int order; // 0 forward, 1 backward, 2 the first as far as it comes, 3 the last so, else by chance
  uint64_t chance;
  size_t shared_bytes; // of dynamic shared memory
  void *host;          // the stack of shim_launch
  void (*body)();      // calls the kernel
  const char *name;    // of the kernel
  bool failed;
  char error[ERROR_BYTES];
};
Run run;

extern "C" __attribute__((visibility("hidden"))) void shim_switch(void **save, void *load);
#if defined __x86_64__
// The registers that a callee keeps go onto the old stack and come from the new one.
asm(".text\n"
    ".hidden shim_switch\n"
    ".globl shim_switch\n"
    ".type shim_switch, @function\n"
    "shim_switch:\n"
    "  push %rbx\n  push %rbp\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp, (%rdi)\n"
    "  mov %rsi, %rsp\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbp\n  pop %rbx\n"
    "  ret\n"
    ".size shim_switch, . - shim_switch\n");
enum { KEPT_WORDS = 6 };
#else
#error "the shim knows how to switch stacks on x86-64 only"
#endif

inline Thread &self() {
  return run.thread[run.current];
}
inline void set_ready(int id) {
  run.ready[id / 64] |= uint64_t(1) << id % 64;
}

// Abandons the launch: its fibers are never resumed.
[[noreturn]] inline void to_host() {
  void *abandoned;
  run.current = -1;
  shim_switch(&abandoned, run.host);
  abort();
}

inline const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

inline void add(char *text, const char *format, ...) {
  size_t n = strlen(text);
  va_list args;
  va_start(args, format);
  vsnprintf(text + n, ERROR_BYTES - n, format, args);
  va_end(args);
}

inline void add_head() {
  snprintf(run.error, ERROR_BYTES, "kernel %s, block %u", run.name, blockIdx.x);
  if (run.current >= 0)
    add(run.error, ", thread %d (warp %d, lane %d)", run.current, self().warp, self().lane);
}

// Ends the launch.  at: where, or NULL.
[[noreturn]] __attribute__((format(printf, 2, 3))) inline void fail(const Place *at,
                                                                    const char *format, ...) {
  char text[ERROR_BYTES];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  add_head();
  if (at)
    add(run.error, ", %s at %s:%d", at->what, base_name(at->file), at->line);
  add(run.error, ": %s", text);
  run.failed = true;
  to_host();
}

// The first thread that may run at or behind `from`, or the last at or before it; -1 when none is there.
inline int ready_up(int from) {
  for (int w = from / 64; w < MAX_THREADS / 64; w++) {
    uint64_t bits = run.ready[w] & (w == from / 64 ? ~uint64_t(0) << from % 64 : ~uint64_t(0));
    if (bits)
      return w * 64 + __builtin_ctzll(bits);
  }
  return -1;
}
inline int ready_down(int from) {
  for (int w = from / 64; from >= 0 && w >= 0; w--) {
    uint64_t bits =
        run.ready[w] & (w == from / 64 ? ~uint64_t(0) >> (63 - from % 64) : ~uint64_t(0));
    if (bits)
      return w * 64 + 63 - __builtin_clzll(bits);
  }
  return -1;
}

inline unsigned by_chance(unsigned n) {
  run.chance = run.chance * 6364136223846793005u + 1442695040888963407u;
  return unsigned(run.chance >> 33) % n;
}

inline int pick_from(int start, bool up) {
  int id = -1;
  if (start >= 0 && start < run.threads)
    id = up ? ready_up(start) : ready_down(start);
  return id >= 0 ? id : up ? ready_up(0) : ready_down(run.threads - 1);
}

inline int pick() {
  switch (run.order) {
  case 0: return pick_from(run.current + 1, true);
  case 1: return pick_from(run.current - 1, false);
  case 2: return pick_from(0, true);
  case 3: return pick_from(run.threads - 1, false);
  default: return pick_from(int(by_chance(unsigned(run.threads))), true);
  }
}

[[noreturn]] inline void no_thread_can_go_on();
inline bool something_arrives(); // shim_bulk.h

// The thread whose turn is next.
inline int next_thread() {
  int id = pick();
  while (id < 0) {
    if (!something_arrives())
      no_thread_can_go_on();
    id = pick();
  }
  return id;
}

// Switches to thread `id`, which is ready; the present stack is kept in *save.
inline void resume(int id, void **save) {
  run.ready[id / 64] &= ~(uint64_t(1) << id % 64);
  run.current = id;
  unsigned i = unsigned(id), row = i / blockDim.x;
  threadIdx = {i % blockDim.x, row % blockDim.y, row / blockDim.y};
  shim_switch(save, run.thread[id].sp);
}

// Another thread's turn, until someone makes this one ready and it is picked.
inline void wait() {
  Thread &t = self();
  int id = next_thread();
  if (id != t.id)
    resume(id, &t.sp);
  else
    run.ready[id / 64] &= ~(uint64_t(1) << id % 64);
}

// shim_launch.h: of what threads may not leave behind
inline void thread_ends();
inline void block_ends();

// Where a fiber begins.
inline void fiber_main() {
  run.body();
  thread_ends();
  Thread &t = self();
  t.ended = true;
  if (--run.alive == 0) {
    block_ends();
    to_host();
  }
  resume(next_thread(), &t.sp);
  abort();
}

// A stack with a page below it that may not be touched.
inline bool make_stacks(int n) {
  for (; run.stacks < n; run.stacks++) {
    void *p = mmap(nullptr, STACK_BYTES + PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED || mprotect(p, PAGE, PROT_NONE))
      return false;
    run.thread[run.stacks].stack = (char *)p + PAGE;
  }
  return true;
}

struct FreesStacks {
  ~FreesStacks() {
    for (int i = 0; i < run.stacks; i++)
      munmap(run.thread[i].stack - PAGE, STACK_BYTES + PAGE);
  }
} frees_stacks;

inline void make_thread(int id) {
  Thread &t = run.thread[id];
  // The switch returns into fiber_main, with the stack as after a call.
  void **sp = (void **)(t.stack + STACK_BYTES - 16);
  *sp = (void *)fiber_main;
  for (int i = 0; i < KEPT_WORDS; i++)
    *--sp = nullptr;
  t.sp = sp;
  t.id = id, t.lane = id % WARP, t.warp = id / WARP, t.ended = false;
  t.last = {nullptr, nullptr, 0};
  set_ready(id);
}
} // namespace
} // namespace shim
#endif
