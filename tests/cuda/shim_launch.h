// Runs a grid, and what makes an error of a signal.
#ifndef SHIM_LAUNCH_H
#define SHIM_LAUNCH_H
#include "shim_wgmma.h"
#include <dlfcn.h>
#include <signal.h>
#include <sys/time.h>

// gridDim.z of the next launches.
extern "C" {
extern __attribute__((visibility("default"))) unsigned shim_depth;
unsigned shim_depth = 1;
}

namespace shim {
namespace {
enum { PARAM_WORDS = 512, SECONDS = 100 }; // CUDA's limit is 4096 bytes
struct Launch {
  void (*kernel)();
  size_t grid;
  alignas(16) uint64_t params[PARAM_WORDS];
};
Launch launch;

// A struct of more than 16 bytes lies on the stack by the ABI of x86-64 (by address on aarch64), so that
// a kernel whose struct is shorter than this one finds its own at the beginning.
template <int words> struct Params {
  uint64_t word[words];
};
template <int words> void call_kernel() {
  typedef void Kernel(Params<words>);
  ((Kernel *)launch.kernel)(*(const Params<words> *)launch.params);
}

inline const char *kernel_name(void (*kernel)()) {
  Dl_info info;
  return dladdr((void *)kernel, &info) && info.dli_sname ? info.dli_sname : "(without a name)";
}

// ---- signals
const struct {
  int number;
  const char *what;
} signals[] = {
    {SIGSEGV, "touches memory that is not its own"},
    {SIGBUS, "touches memory that is not its own"},
    {SIGFPE, "divides an integer by 0"},
    {SIGILL, "executes __trap"},
    {SIGVTALRM, "the kernel has run for too long: a loop without an end?"},
};
enum { SIGNALS = sizeof signals / sizeof *signals };
struct sigaction old_action[SIGNALS];
alignas(16) unsigned char signal_stack[64 << 10];
stack_t old_stack;

inline void add_address(char *text, const char *p) {
  const char *shared = (const char *)shim_shared, *stack = self().stack;
  if (p >= shared && p < shared + SHARED_ROOM)
    add(text, ": byte %zu of shared memory, which has %zu", size_t(p - shared), run.shared_bytes);
  else if (p >= stack - PAGE && p < stack)
    add(text, ": its stack of %zu KB is full", STACK_BYTES >> 10);
  else
    add(text, ": address %p", (const void *)p);
}

// The signal comes back from nowhere else: the launch ends here.
inline void on_signal(int number, siginfo_t *info, void *) {
  int i = 0;
  while (signals[i].number != number)
    i++;
  if (run.current < 0) { // not a kernel's: as if there were no shim
    sigaction(number, &old_action[i], nullptr);
    return;
  }
  char text[ERROR_BYTES];
  snprintf(text, sizeof text, "%s", signals[i].what);
  if (number == SIGSEGV || number == SIGBUS)
    add_address(text, (const char *)info->si_addr);
  const Place &last = self().last;
  if (last.what)
    add(text, " (after %s at %s:%d)", last.what, base_name(last.file), last.line);
  fail(nullptr, "%s", text);
}

inline void set_timer(int seconds) {
  struct itimerval t = {};
  t.it_value.tv_sec = seconds;
  setitimer(ITIMER_VIRTUAL, &t, nullptr);
}

inline void catch_signals() {
  stack_t stack = {};
  stack.ss_sp = signal_stack, stack.ss_size = sizeof signal_stack;
  sigaltstack(&stack, &old_stack);
  struct sigaction a = {};
  a.sa_sigaction = on_signal;
  a.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (int i = 0; i < SIGNALS; i++)
    sigaction(signals[i].number, &a, &old_action[i]);
  set_timer(SECONDS);
}

inline void release_signals() {
  set_timer(0);
  for (int i = 0; i < SIGNALS; i++)
    sigaction(signals[i].number, &old_action[i], nullptr);
  sigaltstack(&old_stack, nullptr);
}

// ---- shared memory
// Bytes up to the end of its last page, or of one more page when it ends near there.
inline size_t guarded_bytes() {
  return (run.shared_bytes + 64 + PAGE - 1) / PAGE * PAGE;
}

inline void protect_shared(int how) {
  size_t n = guarded_bytes();
  mprotect(shim_shared + n, SHARED_ROOM - n, how);
}

inline bool check_guard() {
  size_t i = run.shared_bytes, end = guarded_bytes();
  while (i < end && shim_shared[i] == 0xff)
    i++;
  if (i == end)
    return true;
  add_head();
  add(run.error, ": byte %zu of shared memory was written, which has %zu", i, run.shared_bytes);
  return false;
}

// ---- the grid
inline void thread_ends() {
  check_copies();
  check_wgmmas();
}
inline void block_ends() {
  check_bulk();
}

inline size_t all_blocks() {
  return launch.grid * shim_depth;
}

// Blocks in the order of the run: forward, backward, or in steps of a prime.
inline unsigned nth_block(size_t i) {
  const size_t prime = 7919, n = all_blocks();
  if (run.order > 3 && n % prime)
    return unsigned((i * prime + size_t(run.order)) % n);
  return unsigned(run.order == 1 || run.order == 3 ? n - 1 - i : i);
}

inline bool run_block(unsigned block) {
  memset(shim_shared, 0xff, guarded_bytes());
  memset(run.ready, 0, sizeof run.ready);
  forget_meets();
  forget_copies();
  forget_bulk();
  forget_wgmmas();
  blockIdx = {unsigned(block % launch.grid), 0, unsigned(block / launch.grid)};
  run.alive = run.threads, run.current = -1, run.failed = false;
  for (int i = 0; i < run.threads; i++)
    make_thread(i);
  resume(pick(), &run.host);
  return !run.failed && check_guard();
}

inline bool refuse(const char *why, size_t number) {
  snprintf(run.error, ERROR_BYTES, "kernel %s: ", run.name);
  add(run.error, why, number);
  return false;
}

inline bool check_sizes(size_t block, size_t param_bytes) {
  if (!launch.grid || !block || block > MAX_THREADS)
    return refuse("a grid of 0 blocks, or blocks of %zu threads; there are 1 to 1024", block);
  if (run.shared_bytes > SHARED_BYTES)
    return refuse("%zu bytes of shared memory are more than there are (232448)", run.shared_bytes);
  if ((param_bytes && param_bytes <= 16) || param_bytes > sizeof launch.params)
    return refuse("parameters of %zu bytes; a struct has more than 16, to 4096", param_bytes);
  return make_stacks(int(block)) || refuse("no memory for %zu stacks", block);
}

inline void prepare(unsigned block, const void *params, size_t param_bytes, int order) {
  memset(launch.params, 0xff, sizeof launch.params);
  if (param_bytes)
    memcpy(launch.params, params, param_bytes);
  run.body = param_bytes <= 256 ? call_kernel<32> : call_kernel<PARAM_WORDS>;
  run.threads = int(block), run.order = order;
  run.chance = uint64_t(order);
  blockDim = dim3(block), gridDim = dim3(unsigned(launch.grid), 1, shim_depth);
}

inline bool run_grid() {
  bool ok = true;
  protect_shared(PROT_NONE);
  catch_signals();
  for (size_t i = 0; ok && i < all_blocks(); i++)
    ok = run_block(nth_block(i));
  release_signals();
  protect_shared(PROT_READ | PROT_WRITE);
  return ok;
}
} // namespace
} // namespace shim

// Runs a kernel with the struct of param_bytes at params as its parameter.  order: 0 forward, 1 backward, 2 the
// first threads as far ahead as barriers let them, 3 the last ones so, 4 and more by chance, with that seed.
// 0, or 1 with what went wrong in error; then memory may hold part of the results.  Not for two threads at once.
extern "C" __attribute__((visibility("default"))) int
shim_launch(void (*kernel)(void), unsigned grid, unsigned block, size_t shared_bytes,
            const void *params, size_t param_bytes, int order, char *error, size_t error_size) {
  shim::launch.kernel = kernel, shim::launch.grid = grid;
  shim::run.shared_bytes = shared_bytes;
  shim::run.name = shim::kernel_name(kernel);
  bool ok = shim::check_sizes(block, param_bytes);
  if (ok) {
    shim::prepare(block, params, param_bytes, order);
    ok = shim::run_grid();
  }
  snprintf(error, error_size, "%s", ok ? "" : shim::run.error);
  return !ok;
}
#endif
