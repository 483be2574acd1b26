// A model made ready to run for a command: loaded from .mdl and compiled by the JIT, or from a .so,
// with its weights.
#ifndef BIGSC_SESSION_H
#define BIGSC_SESSION_H
#include "compiler/driver/options.h"
#include "compiler/driver/pipeline.h"
#include "runtime/bigs.h"
#include "runtime/cuda/device_cuda.h"
#include "base/error.h"
#include "runtime/files/json.h"

typedef struct Jit Jit;
typedef struct Session {
  const Options *o;
  Arena *arena;
  Intern *names;
  Diags *diags;
  Model *model; // NULL for a .so
  Build build;
  Jit *jit;
  CudaDevice gpu;           // with --target=cuda, once it is compiled
  char gpu_name[64];        // as the driver calls it
  const BigsDevice *device; // of handles; NULL: the processors
  void *so;
  const BigsModule *module;
  bigs_model *handle;      // opened by session_weights
  int64_t given[MAX_SYMS]; // -D of dims that stay run-time; 0: not given
  VEC(ModelDim) fixed; // run-time dims of the text that are fixed here, by -D or by a resumed run
  Defines forms;       // members to take: what a resumed run was begun with, or --form
  bool color;
  FILE *stdin_copy;       // a file without a name, with what standard input held
  const char *stdin_path; // that it can be opened by; messages say <stdin>
  bool fresh;             // parts that the weights lack may be used with fresh values
  bool sentence;          // the entry `embed` is as a folder of sentence-transformers says
  bool lower_first;       // and puts texts in lower case before its tokenizer
  bool unnoted;           // parts that they lack go without a word: what reaches one is refused
  const char *lacking;    // what becomes of them, for the note; NULL: they get fresh values
  bool unset;             // parameters without weights stay zero
  const char *weights;    // o->weights, or stdin_path
  const char *
      int8; // the parameters that these have as int8, by names with blanks between them; NULL: none
  const char *
      beside; // of the prompt: the file it has, "" for none; what the current folder lacks is looked for beside it
  BigsError error;
} Session;

// All return an exit status, 0 for success; what went wrong has been printed to standard error.
// `path` is a .mdl or a .so.  With `fix`, -D of a run-time dim fixes it at compile time, else it
// becomes s->given, as with a .so, whose dims are what they are.
int session_start(Session *s, const Options *o); // an empty session
int session_load(Session *s, const Options *o, const char *path, bool fix);
// Adds to `defs` what the files in the folder of weights say of the dims and lets of `m`, but of those that `own` gives.
int session_config(Session *s, Model *m, const Defines *own, Defines *defs);
// Those of a run that goes on, as its config.json says (NULL: it names none): --form names no others.
int session_forms_again(Session *s, const JsonValue *forms);
int session_forms(Session *s); // 0, or status 2: --form names what the model does not have
// *text: what standard input holds, when path is "-", of which no more than SOURCE_MAX bytes and one
// are read; else NULL, once path is seen to be a readable file.
int session_source(Session *s, const char *path, const char **text);
// The path "-" becomes one of a file that holds what standard input held: as much as the header of
// its tensors announces, of anything else SOURCE_MAX bytes, and a byte that tells of more.
int session_stdin(Session *s, const char **path);
bool session_stdin_holds_tensors(const Session *s); // once session_stdin was there
// What the options say of building, whatever is built.
BuildOptions session_build_options(const Options *o);
// Entries multiply what the weights have as int8, unless --precision says otherwise.
void session_take_int8(const Session *s, BuildOptions *b);
int session_needs_model(Session *s); // 0, or an error: the .mdl declares none
// 0, or status 3: this bigsc makes no code for processors.
int session_needs_code(Session *s, bool gpu);
int session_compile(Session *s, const BuildWant *want); // .mdl: builds and jits; .so: nothing
// A .so again from the source text that it carries, at the same dims and lets: for what was not
// compiled into it.
int session_recompile(Session *s, const BuildWant *want);
// Machine code of what was built, into its module, which can run then; false: *error says why not.
bool session_code(Build *b, Jit *jit, const char **error);
// For a module's table: those that any program may use.
const struct BigsBuiltinOps *const *session_builtins(void);
// Opens the handle: --weights, else fresh ones from --seed.
int session_open(Session *s);
int session_check_finite(Session *s); // of the handle's parameters: 0, or status 4 that names one
// The same of the gradients that bigs_model_grad left in the handle.
int session_check_gradients(Session *s);
int session_check_loss(Session *s, double loss); // 0, or status 4 where it is not finite
void session_close(Session *s);

int session_fail(const Session *s, const BigsError *e); // prints "bigsc: text"; its status
int session_error(const Session *s, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
// Prints and empties the diagnostics; status if there were errors, else 0.
int session_diags(Session *s, int status);

// "; did you mean `hidden`?" of a list with commas; "" where none is near.
const char *session_near(Session *s, const char *wanted, const char *list);
// Number of the program of an entry or of the train block named (NULL: the only one); -1 with the
// error printed.
int session_no_entry(Session *s, const char *model,
                     const char *name); // says so, with what there is; the status
int session_entry(Session *s, const char *name);
int session_train(Session *s, const char *name); // index in module->train

// Inputs of program p read from a safetensors file: fills dims (one a module dim) from their shapes
// and s->given, data in the arena, as the program wants them.  NULL where the file lacks an
// optional one.
int session_read_inputs(Session *s, const char *path, const BigsProgram *p, int64_t *dims,
                        const void **inputs);
// Elements of a tensor at these dims; -1: too many to count.
int64_t tensor_elements(const BigsTensor *t, const int64_t *dims);
const char *session_text(Session *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
#endif
