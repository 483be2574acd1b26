// A team whose ranks are connected by a wire (wire.h), a power of two of them, which adds in a binary tree.
//
// All is made of swaps between two ranks whose numbers differ in one bit, so of log2(ranks) rounds.  Sums: in round d = 1, 2, 4, ...
// a rank and rank ^ d give each other the slices that are not theirs by that bit, and add: neighbours first, as pieces of a step are
// added, and (ranks - 1) / ranks of the bytes each way, the least there is.  x + y is y + x in every bit, so both could add.
#ifndef BIGSC_RUNTIME_WIRE_TEAM_H
#define BIGSC_RUNTIME_WIRE_TEAM_H
#include "runtime/exec/team.h"

typedef struct WireTeam WireTeam;
// Opens the plugin at `path` and waits for the other ranks.  seconds: who has not answered for so long is lost.  NULL with status 3 in
// e: the plugin cannot be loaded, is of another bigsc, or fails.  The number of ranks is not looked at.
WireTeam *wire_load(const char *path, double seconds, BigsError *e);
Team *wire_team(WireTeam *t); // that train_run takes
// Waits for the others to come here, too, but for a team that has lost one.  NULL is allowed.
void wire_close(WireTeam *t);
#endif
