// See edit.h.
#include "base/edit.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int edit_distance(const char *a, const char *b, int limit) {
  int na = (int)strlen(a), nb = (int)strlen(b),
      row[3][64]; // row i % 3 is about a's first i letters
  if (na > 63 || nb > 63 || abs(na - nb) > limit)
    return limit + 1;
  for (int j = 0; j <= nb; j++)
    row[0][j] = j;
  for (int i = 1; i <= na; i++) {
    int *now = row[i % 3], *up = row[(i + 2) % 3], *above = row[(i + 1) % 3];
    now[0] = i;
    for (int j = 1; j <= nb; j++) {
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      int change = up[j - 1] + (a[i - 1] != b[j - 1]), best = up[j] + 1;
      best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
      best = change < best ? change : best;
      now[j] = swapped && above[j - 2] + 1 < best ? above[j - 2] + 1 : best;
    }
  }
  return row[na % 3][nb] > limit ? limit + 1 : row[na % 3][nb];
}

void nearest_add(Nearest *n, const char *name) {
  int limit = strlen(n->wanted) <= 4 ? 1 : 2; // of a short name two letters are most of it
  int d = strcasecmp(n->wanted, name) ? edit_distance(n->wanted, name, limit) : 0;
  if (d > limit || d >= (int)strlen(n->wanted))
    return;
  if (!n->best || d < n->distance || (d == n->distance && strcmp(name, n->best) < 0)) {
    n->best = name;
    n->distance = d;
  }
}
