// Entities that tags of words say: B-PER I-PER O.
#ifndef BIGSC_RUNTIME_ENTITIES_H
#define BIGSC_RUNTIME_ENTITIES_H
#include "runtime/train/labels.h"
#include <stdbool.h>

// Are these names such tags: `O`, and those with one of B- I- E- S- in front?  NULL, or none: no.
bool entities_named(const Labels *names);

// An entity is a run of words of one kind (what stands behind the `-`), as the CoNLL-2000 script conlleval and seqeval's default
// have it: it begins at B- or S-, at any tag whose kind is another than the one before, and at I- or E- behind O; it ends before B-,
// S- and O, behind E- and S-, where the kind changes, and with its text.
typedef struct EntityCount {
  int64_t is, said, both; // both: of the same words and kind
} EntityCount;
// target, said: classes; part: which text each word is of.
void entities_count(const Labels *names, const double *target, const double *said,
                    const double *part, int64_t n, EntityCount *out);
#endif
