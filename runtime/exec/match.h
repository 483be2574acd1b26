// The names of a file's tensors against those that a model stores its parameters by: one matcher, for the compiler, the
// commands and compiled models.  docs/language.md, "Checkpoint blocks", says what an alias means.
#ifndef BIGSC_RUNTIME_MATCH_H
#define BIGSC_RUNTIME_MATCH_H
#include "base/error.h"
#include "runtime/abi.h"
#include <stdbool.h>

// One set of names.  Nothing is owned.
typedef struct NameSet {
  int n;                       // parameters
  const BigsParam *param;      // read where `block` is NULL: the native names
  const BigsCheckpoint *block; // n entries, and aliases and ignored names
  // The blocks whose `or init` rules say what a file may lack: of native names all of the model, else the one.
  const BigsCheckpoint *rules;
  int nrules;
} NameSet;
// That of a module's block; -1: the native one.
NameSet name_set(const BigsModule *module, int block);

typedef enum NameRole {
  NAME_SURPLUS,   // of nothing in the model
  NAME_PARAM,     // holds param[0]
  NAME_IGNORED,   // of nothing, and listed as such
  NAME_DOUBLED,   // spells param[0], which another name holds
  NAME_AMBIGUOUS, // spells param[0] and param[1]
  NAME_DROPPED    // of a part that starts fresh, whatever the file has
} NameRole;
typedef struct NameFound {
  NameRole role;
  int param[2];
} NameFound;

typedef enum NameLack {
  LACK_NOT,
  LACK_FRESH, // all that its `or init` rule covers
  LACK_PART,  // and others of its `or init` rule are there
  LACK_MUST
} NameLack;

typedef struct NameMatch {
  NameFound *found; // per name
  int *name;        // per parameter: the name that holds it, or -1
  NameLack *lack;   // per parameter
  int nknown;       // names that spell a parameter
  int nwrong; // parameters that must be there and are not, and names that stand for no parameter or not for one
} NameMatch;
// Matches `count` names.  An exact name wins over aliases, an alias over ignored names.  Fails when memory is short only.
int name_match(const NameSet *set, const char *const *names, int count, NameMatch *out,
               BigsError *e);
void name_match_free(NameMatch *m);
// What becomes of the parameters that are missing, 1 each: lack[set->n].
int name_lacks(const NameSet *set, const uint8_t *missing, NameLack *lack, BigsError *e);
// Does one `or init` rule cover both?
bool name_same_rule(const NameSet *set, int a, int b);
// Does `a` tell more of the file than `b`?  It knows more names, or as many and less is wrong.
bool name_match_better(const NameMatch *a, const NameMatch *b);

// Is it a spelling of the stored name under the block's aliases?  (The name itself is one.)
bool name_spells(const BigsCheckpoint *c, const char *name, const char *stored);
// Is it `pattern`, where * is any text?
bool name_glob(const char *pattern, const char *name);
#endif
