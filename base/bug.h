// Mistakes of our own: what no input may cause.
#ifndef BIGSC_BUG_H
#define BIGSC_BUG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))
#define NORETURN __attribute__((noreturn))
#else
#define PRINTF_LIKE(fmt, first)
#define NORETURN
#endif
#define COUNT(a) ((int)(sizeof(a) / sizeof(*(a))))

// A bug in bigsc itself, never a user's error: prints file:line to standard error and exits with
// status 70.
NORETURN void bug_at(const char *file, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);
// "bigsc: out of memory" on standard error, status 1: what was asked for is too large for this
// machine.  For the compiler; the runtime returns errors.
NORETURN void out_of_memory(void);
#define BUG(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(cond) ((cond) ? (void)0 : BUG("%s", #cond))

#endif
