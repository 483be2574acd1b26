// Rules of a checkpoint block, expanded: what sema_ckpt_rules.c hands to sema_ckpt.c.
#ifndef BIGSC_SEMA_CKPT_H
#define BIGSC_SEMA_CKPT_H
#include "compiler/sema/sema_check.h"

typedef struct Mapping { // one left path after expansion
  const char *left, *right;
  const CkRule *rule;
  int group;            // `or init` group, or -1
  struct Mapping *same; // another one of the same left path
  bool used;
  bool counted; // one of the layers that a `{i}` stands for
} Mapping;
typedef struct Expansion {
  Sema *s;
  CkptTable *table;
  VEC(Mapping *) out;
  Map by_left;
  VEC(Name) index; // `{i}` bound so far, with its value in `value`
  VEC(int) value;
  bool bad;
} Expansion;

// Adds to e->out the paths that the rule leads to, below the prefixes lp and rp, which are "" or end with a dot; group: of `or init`
// that it lies in, or -1.  What is wrong is reported, and e->bad set.
void ckpt_expand(Expansion *e, const CkRule *r, const char *lp, const char *rp, int group);
bool ckpt_has_parameter(const Model *m, const char *path); // of that path, or below it
// Reports that, and suggests the names that stand where the last part of the path does.
void ckpt_no_parameter(Sema *s, Span at, const char *path);
#endif
