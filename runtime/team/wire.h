// What connects the ranks of a team: functions of a plugin, in plain C, so that it needs nothing of bigsc, and bigsc nothing of it.
#ifndef BIGSC_RUNTIME_WIRE_H
#define BIGSC_RUNTIME_WIRE_H
#include <stddef.h>

enum { WIRE_VERSION = 1, WIRE_MOST = 16 << 20 };
typedef struct Wire Wire;
struct Wire {
  int version;
  int rank, ranks;
  char error[256]; // why something has failed
  // Begins to give bytes to another rank, which calls this with ours, and to take some from it, at most WIRE_MOST each way, none
  // where both say so.  0, or -1.  One at a time; the memory is the wire's until `done` says 1.
  int (*swap)(Wire *w, int other, const void *give, size_t ngive, void *take, size_t ntake);
  int (*done)(Wire *w); // 1; 0: not yet; -1
  // whole: all ranks call this, and wait for each other; else some are lost.
  void (*close)(Wire *w, int whole);
};
// The plugin's only symbol: waits for the other ranks.  NULL, with the reason in error[size].
#define WIRE_SYMBOL "bigsc_wire_open"
typedef Wire *WireOpen(char *error, size_t size);
#endif
