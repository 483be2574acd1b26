// The command line: verbs.def and options.def, parsed into one struct.
#ifndef BIGSC_OPTIONS_H
#define BIGSC_OPTIONS_H
#include "compiler/syntax/diag.h"
#include "compiler/sema/sema.h"

typedef enum Verb {
#define VERB(id, name, args, help) VERB_##id,
#include "compiler/driver/verbs.def"
#undef VERB
  VERB_COUNT
} Verb;
// Exit statuses of the command line.
enum {
  EXIT_MODEL = 1,
  EXIT_USAGE = 2,
  EXIT_FILE = 3,
  EXIT_NUMERIC = 4,
  EXIT_BUG = 70,
  EXIT_INTERRUPTED = 130
};

#define OUT_STDOUT "/dev/stdout" // Options.out for `-`, but when compiling

enum {
  OPTION_ROWS = 0 // of options.def
#define OPT(field, kind, spelling, verbs, metavar, help) +1
#include "compiler/driver/options.def"
#undef OPT
};

typedef VEC(Define) Defines;
typedef VEC(const char *) Strings;
typedef struct Options {
  Verb verb;
  Strings args; // what is no option: the model, texts, ...
  const char *out, *march, *target, *precision, *emit, *dump_ir, *rpass, *rpass_missed,
      *diag_format, *diag_color;
  const char *line; // all of it, without the program's name
  const char *name, *entry, *train, *in, *weights, *names, *vocab, *team, *memory, *recompute,
      *format, *pool, *normalize, *predictions, *best, *x, *y, *log_axes, *too_long, *like;
  const char *cache, *trace, *bound;
  Defines defs, sets, extends, forms;
  Strings data, dev;
  const char *text; // the model's, once it was read from standard input
  int64_t opt, steps, patience, eval_every, log_every, batch, pieces, length, size, top, smooth,
      repeat, threads, seed; // -1: not given (opt: 2, seed: 0, threads: 0)
  bool seed_given, debug, embed_weights, verify_ir, time_report, syntax_only, resume, fresh_head,
      cased, check, pair, profile, time, json, why, skip_bad, verbose, quiet;
  int gpu; // no option: which of the GPUs, counted on from the first when there are fewer
  bool given[OPTION_ROWS]; // is that row of options.def on the command line?
} Options;

// Fills *o.  Returns -1 to go on, else the exit status (help and version print to standard output
// and give 0; mistakes go to standard error and give EXIT_USAGE).
int options_parse(Arena *a, Options *o, int argc, char **argv);
// Where a command says what it did: standard output, unless its result goes there.
FILE *options_log(const Options *o);
bool options_bf16(const Options *o); // --precision, or its default
bool options_int8(const Options *o);
bool options_whole(const Options *o); // --long error: texts lose no tokens
const char *bigsc_version(void);      // "0.1.0"
bool options_color(const Options *o);
DiagFormat options_format(const Options *o);
#endif
