// Parameters from and to files: native names, or those of a checkpoint block.
#ifndef BIGSC_RUNTIME_WEIGHTS_H
#define BIGSC_RUNTIME_WEIGHTS_H
#include "runtime/exec/exec.h"
#include "runtime/files/hub.h"

// A table, [outer, rows, inner] as it is stored, of which a file has the first, or other, `old` rows.  See extend.h.
typedef struct TableGrowth {
  int axis; // of the stored shape
  int64_t outer, old, rows, inner;
} TableGrowth;

// Which tensor of a file holds which parameter.
typedef struct NameMap {
  int block;               // index into module->checkpoint; -1: native names
  const StTensor **tensor; // one per parameter; NULL: the file may lack it (`or init`) and does
  int fresh;               // how many lack
  uint8_t
      *resized; // per parameter: it is there, in another size, and counts as lacking; NULL: none
  TableGrowth *growth; // per parameter; old 0: it is as long as in the file.  NULL: all are
} NameMap;
// What of a file may be otherwise than the model has it.
typedef struct NameAsk {
  // A part that the file may lack (`or init`), and that has another size there, counts as lacking.
  bool fresh_heads;
  const uint8_t *extend; // per parameter, an ExtendHow: its table may be shorter there; NULL: none
} NameAsk;
// The names that the file is written in: a checkpoint block, or -1, the native ones.
int name_choose(const BigsModule *module, const Hub *hub, int *block, BigsError *e);
// Matches every parameter and every tensor.  Missing, surplus and misshapen tensors are errors that
// name them.  The map's memory is freed by name_map_free.
int name_map(const BigsModule *module, const Hub *hub, int block, NameAsk ask, NameMap *out,
             BigsError *e);
void name_map_free(NameMap *map);
// Index of the block named `names`; -1 for NULL or "native"; -2 with the error set when there is
// none.
int name_block(const BigsModule *module, const char *names, BigsError *e);

// A dense copy of a parameter under a name: what a file holds.
typedef struct StoredShape {
  const char *name;
  int rank;
  int64_t shape[BIGS_MAX_RANK], stride[BIGS_MAX_RANK]; // stride: per logical axis
} StoredShape;
StoredShape stored_shape(const BigsModule *module, int block, int param);

// What config.json says against what was compiled in; block -1: nothing is checked.  extend: as in NameAsk; the rows of such a table
// may be more than it says.
int config_check(const BigsModule *module, int block, const JsonValue *config, const char *path,
                 const uint8_t *extend, BigsError *e);
// The keys of all blocks, other members (text, each with a comma behind it) and the constants, as a config.json.  NULL: out of
// memory.
char *config_text(const BigsModule *module, const char *members);

// Behind bigs_model_load and bigs_model_save.
int weights_load(bigs_model *m, const char *path);
// The parameters that m->unread does not name, from an arena that lies as m's does.
int weights_take(bigs_model *m, const char *arena);
// What the train block reaches has values of its own now: entries may use it.
void weights_trained(bigs_model *m, int train);
int weights_save(bigs_model *m, const char *path, const char *names);
// Values of one region (weights, gradients, moments) as tensors of names and layout of `block`:
// declares them, then writes them.  suffix goes behind the names (".m").  skip: 1 for parameters to leave out; NULL: none.
int weights_declare(const BigsModule *module, StWriter *w, int block, const char *suffix,
                    const uint8_t *skip, BigsError *e);
// A value that is not finite is not written: status 4.
int weights_write(bigs_model *m, StWriter *w, int block, const uint8_t *skip, Region *r);
// What a file lacked and nothing has set or trained since is not written as if it were known: *skip, malloc'ed, says what to
// leave out of a file of `block`, NULL: nothing.  `train`: a block of which all that it reaches is written; -1: none.  A
// parameter that such a file cannot lack is an error.
int weights_skip(bigs_model *m, int block, int train, uint8_t **skip);
// All parameters' values from tensors of native names with suffix, into the region.  lacks: the file may lack what native names
// may, which becomes unread.
int weights_read(bigs_model *m, const StFile *f, const char *suffix, bool lacks, Region *r);
#endif
