// Parsing the command line: see options.def and verbs.def.
#include "compiler/driver/options_table.h"
#include "compiler/driver/manual.h"
#include "compiler/driver/words.h"
#include "base/edit.h"
#include "runtime/exec/pool.h"
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifndef PACKAGE_VERSION
#error "configure tells the version"
#endif
#ifdef BIGSC_LLVM_VERSION
#define WITH_LLVM "LLVM " BIGSC_LLVM_VERSION
#else
#define WITH_LLVM "without LLVM"
#endif

#define V(id) (1u << VERB_##id)
#define V_ALL (~0u)
#define V_TEXTS (V(EMBED) | V(CLASSIFY) | V(SCORE))
#define V_MODEL                                                                                    \
  (V(COMPILE) | V(RUN) | V(GRAD) | V(INIT) | V(CONVERT) | V(QUANTIZE) | V(TRAIN) | V(EVAL) |       \
   V(FILL) | V_TEXTS | V(BENCH) | V(CHECK) | V(INSPECT) | V(REPL) | V(REPORT))
#define V_CODE (V_MODEL & ~V(CHECK)) // what is checked is interpreted
#define V_BUILD (V_CODE & ~(V(REPL) | V(INSPECT)))
#define V_GPU                                                                                      \
  (V(RUN) | V(GRAD) | V(TRAIN) | V(EVAL) | V(FILL) | V_TEXTS | V(BENCH) | V(CHECK) | V(REPL))
#define V_WEIGHTS                                                                                  \
  (V(RUN) | V(GRAD) | V(BENCH) | V(EVAL) | V(FILL) | V_TEXTS | V(CONVERT) | V(QUANTIZE) |          \
   V(TRAIN) | V(REPL))

const OptionRow option_rows[] = {
#define OPT(name, kind, spelling, verbs, meta, help)                                               \
  {spelling, kind, verbs, offsetof(Options, name), meta, help},
#include "compiler/driver/options.def"
#undef OPT
};
const int option_count = COUNT(option_rows);
const VerbRow verb_rows[VERB_COUNT] = {
#define VERB(id, name, args, help) {name, args, help},
#include "compiler/driver/verbs.def"
#undef VERB
};

const char *option_join(const OptionRow *o) {
  static const char *const equals[] = {"-march", "--emit", "--dump-ir"};
  if (o->kind == FLAG || o->kind == LEVEL)
    return "";
  for (int i = 0; i < COUNT(equals); i++)
    if (!strcmp(o->spelling, equals[i]))
      return "=";
  return !strncmp(o->spelling, "-f", 2) || !strncmp(o->spelling, "-R", 2) ? "=" : " ";
}

// A program with FFTW falls under the GPL: it says so where it says what it is.
#ifdef BIGSC_FFTW
static const char with_fftw[] = ", FFTW";
#else
static const char with_fftw[] = "";
#endif

bool option_listed(const OptionRow *o, int verb) {
  return o->help && o->verbs & (1u << verb);
}

const char *bigsc_version(void) {
  return PACKAGE_VERSION;
}

static void print_help(FILE *f) {
  fprintf(f, "bigsc compiles neural-network architectures.\n\nusage:\n");
  for (int i = 0; i < VERB_COUNT; i++)
    fprintf(f, "  bigsc %s%s%s\n        %s\n", i ? verb_rows[i].name : "", i ? " " : "",
            verb_rows[i].args, verb_rows[i].help);
  fprintf(f, "\n`bigsc VERB --help` lists a command's options; --version; --explain CODE explains "
             "an error.\n"
             "exit status: 0 done, 1 the model or the data is wrong, 2 usage, 3 file or "
             "checkpoint, 4 numeric failure,\n"
             "70 a bug in bigsc, 130 interrupted\n");
}

static void print_verb_help(FILE *f, Verb v) {
  fprintf(f, "usage: bigsc %s%s%s\n%s\n\n", v ? verb_rows[v].name : "", v ? " " : "",
          verb_rows[v].args, verb_rows[v].help);
  for (int i = 0; i < option_count; i++) {
    const OptionRow *o = &option_rows[i];
    if (option_listed(o, v)) {
      int n = fprintf(f, "  %s%s%s", o->spelling, option_join(o), o->meta);
      fprintf(f, "%*s%s\n", n < 30 ? 30 - n : 1, "", o->help);
    }
  }
}

static int usage(const char *fmt, const char *x) {
  fprintf(stderr, "bigsc: ");
  fprintf(stderr, fmt, x);
  fprintf(stderr, "\n");
  return EXIT_USAGE;
}

static int explain(const char *code) {
  char *end;
  long n = strtol(code[0] == 'E' || code[0] == 'e' ? code + 1 : code, &end, 10);
  Arena *a = arena_new();
  const char *text = *end ? NULL : diag_explain(a, (int)n);
  if (text)
    printf("%s\n", text);
  arena_free(a);
  return text ? 0 : usage("no error has the code `%s`", code);
}

// Where an argument spells an option; *value is what follows `=`, or for -D, -O the rest of it,
// else NULL.
static const OptionRow *find_option(const char *arg, uint32_t verbs, const char **value,
                                    bool *other_verb) {
  *other_verb = false;
  for (int i = 0; i < option_count; i++) {
    const OptionRow *o = &option_rows[i];
    size_t n = strlen(o->spelling);
    bool glued = o->kind == LEVEL || !strcmp(o->spelling, "-D");
    if (strncmp(arg, o->spelling, n) || (arg[n] && arg[n] != '=' && !glued))
      continue;
    if (!(o->verbs & verbs)) {
      *other_verb = true;
      continue;
    }
    *value = arg[n] == '=' ? arg + n + 1 : arg[n] ? arg + n : NULL;
    return o;
  }
  return NULL;
}

static int set_number(const OptionRow *o, void *field, const char *text) {
  char *end;
  errno = 0;
  long long n = strtoll(text, &end, 10);
  if (errno || end == text || *end || n < (o->kind == SIZE)) {
    fprintf(stderr, "bigsc: %s takes a whole number%s, not `%s`\n", o->spelling,
            o->kind == SIZE ? ", at least 1" : "", text);
    return EXIT_USAGE;
  }
  *(int64_t *)field = n;
  return -1;
}

static int set_pair(Arena *a, const OptionRow *o, Defines *list, const char *text) {
  const char *eq = strchr(text, '=');
  if (!eq || eq == text) {
    fprintf(stderr, "bigsc: %s takes %s, not `%s`\n", o->spelling, o->meta, text);
    return EXIT_USAGE;
  }
  vec_push(a, list, (Define){arena_strndup(a, text, (size_t)(eq - text)), eq + 1});
  return -1;
}

// Two values for one thing: which was meant?  Of -O the last one counts, as in every compiler.
static bool again(Options *opts, const OptionRow *o) {
  bool *given = &opts->given[o - option_rows], before = *given;
  *given = true;
  return before && (o->kind == TEXT || o->kind == NUM || o->kind == SIZE);
}

static int set_option(Arena *a, Options *opts, const OptionRow *o, const char *value) {
  void *field = (char *)opts + o->field;
  if (again(opts, o))
    return usage("%s is given twice", o->spelling);
  switch (o->kind) {
  case FLAG: *(bool *)field = true; return -1;
  case TEXT: *(const char **)field = value; return -1;
  case LIST: vec_push(a, (Strings *)field, value); return -1;
  case PAIR: return set_pair(a, o, field, value);
  case NUM:
  case SIZE: return set_number(o, field, value);
  case LEVEL:
    if (strlen(value) != 1 || *value < '0' || *value > '3')
      return usage("-O takes 0 to 3, not `%s`", value);
    *(int64_t *)field = *value - '0';
    return -1;
  }
  return -1;
}

static bool is_option(const char *s) {
  return s[0] == '-' && s[1];
}

// The option of a command that a misspelt one was meant for, or NULL; what follows `=` is no part of it.  `-entry` is `--entry`.
static const char *nearest_option(Arena *a, const char *arg, int verb) {
  static const char *const always[] = {"--help", "--version", "--explain"};
  bool one = strncmp(arg, "--", 2) != 0;
  Nearest near = {.wanted = arena_printf(a, "%s%.*s", one ? "-" : "", (int)strcspn(arg, "="), arg)};
  if (strlen(near.wanted) < 5)
    return NULL;
  for (int i = 0; i < option_count; i++)
    if (option_listed(&option_rows[i], verb))
      nearest_add(&near, option_rows[i].spelling);
  for (int i = 0; i < COUNT(always); i++)
    nearest_add(&near, always[i]);
  return near.best;
}

// What says here what other trainers call so; NULL: nothing.
static const char *said_here(const char *arg, int verb) {
  static const struct {
    const char *written;
    unsigned verbs;
    const char *line;
  } habits[] = {
#define OPTION_HABIT(written, verbs, line) {written, verbs, line},
#include "compiler/driver/option_habits.def"
#undef OPTION_HABIT
  };
  size_t n = strcspn(arg, "=");
  for (int i = 0; i < COUNT(habits); i++)
    if (habits[i].verbs >> verb & 1 && strlen(habits[i].written) == n &&
        !strncmp(habits[i].written, arg, n))
      return habits[i].line;
  return NULL;
}

static int unknown_option(Arena *a, const char *arg, int verb) {
  const char *near = nearest_option(a, arg, verb), *here = said_here(arg, verb);
  if (here)
    return usage("unknown option %s", arena_printf(a, "%s; here it is %s", arg, here));
  return usage("unknown option %s",
               near ? arena_printf(a, "%s; did you mean %s?", arg, near) : arg);
}

static int parse_one(Arena *a, Options *o, int argc, char **argv, int verb_at, int *i) {
  const char *arg = argv[*i], *value = NULL;
  bool other;
  const OptionRow *opt = find_option(arg, 1u << o->verb, &value, &other);
  if (!opt) {
    if (other)
      fprintf(stderr, "bigsc: `%s` has no option %s\n", verb_rows[o->verb].name, arg);
    return other ? EXIT_USAGE : unknown_option(a, arg, (int)o->verb);
  }
  if (opt->kind == FLAG && value)
    return usage("%s takes no value", opt->spelling);
  if (opt->kind != FLAG && !value) {
    if (*i + 1 >= argc)
      return usage("%s needs a value", opt->spelling);
    value = argv[++*i];
  }
  int status = set_option(a, o, opt, value);
  while (status < 0 && opt->kind == LIST && *i + 1 < argc && *i + 1 != verb_at &&
         !is_option(argv[*i + 1]))
    vec_push(a, (Strings *)(void *)((char *)o + opt->field), argv[++*i]);
  return status;
}

// What an option takes when it takes a few words only.
static const struct {
  const char *name;
  size_t field;
  const char *choice[10];
} choices[] = {
    {"-fdiagnostics-format", offsetof(Options, diag_format), {"text", "json"}},
    {"-fdiagnostics-color", offsetof(Options, diag_color), {"auto", "always", "never"}},
    {"--emit",
     offsetof(Options, emit),
     {"tokens", "ast", "graph", "fused", "loops", "cuda", "llvm", "asm"}},
    {"--target", offsetof(Options, target), {"cpu", "cuda"}},
    {"--precision", offsetof(Options, precision), {"f32", "bf16", "int8"}},
    {"--long", offsetof(Options, too_long), {"cut", "error"}},
    {"--team", offsetof(Options, team), {"mpi", "nccl", "none"}},
    {"--x", offsetof(Options, x), {"steps", "tokens", "hours"}},
    {"--log", offsetof(Options, log_axes), {"x", "y", "xy", "yx"}},
    {"-Rpass", offsetof(Options, rpass), {"fuse"}},
    {"-Rpass-missed", offsetof(Options, rpass_missed), {"fuse"}},
    {"--dump-ir",
     offsetof(Options, dump_ir),
     {
         "all",
#define PASS(id, name, what) name,
#include "compiler/driver/passes.def"
#undef PASS
     }},
};

static int check_choice(const char *name, const char *value, const char *const *choice) {
  const char *const *c = choice;
  Nearest near = {.wanted = value};
  for (; *c && strcmp(*c, value); c++)
    nearest_add(&near, *c);
  if (*c)
    return -1;
  fprintf(stderr, "bigsc: %s does not know `%s`; it takes ", name, value);
  for (c = choice; *c; c++)
    fprintf(stderr, "%s%s", c == choice ? "" : ", ", *c);
  fprintf(stderr, near.best ? "; did you mean %s?\n" : "\n", near.best);
  return EXIT_USAGE;
}

static bool is(const char *value, const char *word) {
  return value && !strcmp(value, word);
}

// CUDA source says so without --target.
static bool is_for_gpu(const Options *o) {
  size_t n = o->out ? strlen(o->out) : 0;
  return is(o->target, "cuda") || is(o->emit, "cuda") || (n > 3 && !strcmp(o->out + n - 3, ".cu"));
}

bool options_bf16(const Options *o) {
  return is_for_gpu(o) ? !is(o->precision, "f32") : is(o->precision, "bf16");
}

bool options_int8(const Options *o) {
  return !is_for_gpu(o) && is(o->precision, "int8");
}

bool options_whole(const Options *o) {
  return is(o->too_long, "error");
}

// Nothing trains in int8, and GPUs multiply none.
static int check_int8(const Options *o) {
  bool trains = o->verb == VERB_TRAIN || o->verb == VERB_GRAD;
  if (!is(o->precision, "int8") || (!trains && !is_for_gpu(o)))
    return -1;
  fprintf(stderr, "bigsc: --precision=int8 is for entries on processors%s\n",
          trains ? ": what trains is f32, or bf16" : ", not for --target=cuda");
  return EXIT_USAGE;
}

static int check_values(const Options *o) {
  for (int i = 0; i < COUNT(choices); i++) {
    const char *value = *(const char *const *)((const char *)o + choices[i].field);
    int status = value ? check_choice(choices[i].name, value, choices[i].choice) : -1;
    if (status >= 0)
      return status;
  }
  int int8 = check_int8(o);
  if (int8 >= 0)
    return int8;
  if (o->threads > POOL_MAX_THREADS) {
    fprintf(stderr, "bigsc: --threads takes at most %d\n", POOL_MAX_THREADS);
    return EXIT_USAGE;
  }
  return -1;
}

// For logs: words in quotes where a shell would read more into them.
static const char *command_line(Arena *a, int argc, char **argv) {
  const char *line = "";
  for (int i = 1; i < argc; i++) {
    bool plain = *argv[i] && !strpbrk(argv[i], " \t\n\"'\\$`*?[]{}()<>|&;#~!");
    line = arena_printf(a, plain ? "%s%s%s" : "%s%s'%s'", line, i > 1 ? " " : "", argv[i]);
  }
  return line;
}

static Verb verb_named(const char *name) {
  int v = VERB_COUNT;
  while (--v > 0 && strcmp(name, verb_rows[v].name))
    ;
  return (Verb)v;
}

// Place of the command: the first argument that is no option and no option's value, where it names
// one.  0: a bare file, or nothing.
static int find_verb(int argc, char **argv) {
  bool other;
  for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
    const char *value = NULL;
    if (!is_option(argv[i]))
      return verb_named(argv[i]) ? i : 0;
    const OptionRow *opt = find_option(argv[i], V_ALL, &value, &other);
    bool takes = opt ? opt->kind != FLAG : !strcmp(argv[i], "--explain");
    i += takes && !value;
    while (opt && opt->kind == LIST && i + 1 < argc && !is_option(argv[i + 1]) &&
           !verb_named(argv[i + 1]))
      i++;
  }
  return 0;
}

// Where a model is wanted: a word that is no file is a command that is not there, whatever follows it.
static bool no_command(const char *word) {
  return strcmp(word, "-") && !strpbrk(word, "./") && access(word, R_OK);
}

static int unknown_command(Arena *a, const char *word) {
  static const char *const compiles[] = {"compile", "build", "make"};
  Nearest near = {.wanted = word};
  for (int i = 0; i < COUNT(compiles); i++)
    if (!strcmp(word, compiles[i]))
      return usage(
          "there is no command and no file `%s`; compiling needs no word: bigsc MODEL.mdl -o OUT",
          word);
  for (int v = 1; v < VERB_COUNT; v++)
    nearest_add(&near, verb_rows[v].name);
  if (!near.best)
    return usage("there is no command and no file `%s`; see `bigsc --help`", word);
  return usage("there is no command and no file `%s",
               arena_printf(a, "%s`; did you mean `%s`?", word, near.best));
}

static void print_all_help(void) {
  print_help(stdout);
  printf("\n");
  print_verb_help(stdout, VERB_COMPILE);
}

// `bigsc help`, and `bigsc help VERB`, unless there is such a file.
static bool asks_for_help(int argc, char **argv) {
  return argc <= 3 && !strcmp(argv[1], "help") && no_command(argv[1]);
}

static int help_of(Arena *a, const char *verb) {
  Verb v = verb ? verb_named(verb) : VERB_COMPILE;
  if (!v && verb && strcmp(verb, verb_rows[VERB_COMPILE].name) != 0)
    return unknown_command(a, verb);
  if (verb)
    print_verb_help(stdout, v);
  else
    print_all_help();
  return 0;
}

int options_parse(Arena *a, Options *o, int argc, char **argv) {
  *o = (Options){.opt = 2,
                 .steps = -1,
                 .batch = -1,
                 .pieces = -1,
                 .length = -1,
                 .size = -1,
                 .top = -1,
                 .smooth = -1,
                 .repeat = -1,
                 .seed = -1};
  o->line = command_line(a, argc, argv);
  if (argc < 2) {
    print_help(stderr);
    return EXIT_USAGE;
  }
  if (asks_for_help(argc, argv))
    return help_of(a, argc == 3 ? argv[2] : NULL);
  int verb_at = find_verb(argc, argv);
  if (verb_at)
    o->verb = verb_named(argv[verb_at]);
  bool rest = false;
  for (int i = 1; i < argc; i++) {
    if (i == verb_at)
      continue;
    if (!rest && !strcmp(argv[i], "--")) {
      rest = true;
    } else if (!o->verb && (rest || !is_option(argv[i])) && no_command(argv[i])) {
      return unknown_command(a, argv[i]);
    } else if (rest || !is_option(argv[i])) {
      vec_push(a, &o->args, argv[i]);
    } else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
      if (o->verb)
        print_verb_help(stdout, o->verb);
      else
        print_all_help();
      return 0;
    } else if (!strcmp(argv[i], "--manual") || !strncmp(argv[i], "--completion=", 13)) {
      return manual_print(argv[i] + (argv[i][2] == 'm' ? 2 : 13));
    } else if (!strncmp(argv[i], "--words=", 8)) {
      return words_print(argv[i] + 8);
    } else if (!strcmp(argv[i], "--version")) {
      printf("bigsc %s (%s%s)\n", bigsc_version(), WITH_LLVM, with_fftw);
      return 0;
    } else if (!strncmp(argv[i], "--explain", 9) &&
               (argv[i][9] == '=' || (!argv[i][9] && i + 1 < argc))) {
      return explain(argv[i][9] ? argv[i] + 10 : argv[i + 1]);
    } else {
      int status = parse_one(a, o, argc, argv, verb_at, &i);
      if (status >= 0)
        return status;
    }
  }
  if (o->verb != VERB_COMPILE && o->out && !strcmp(o->out, "-"))
    o->out = OUT_STDOUT;
  if (o->predictions && !strcmp(o->predictions, "-"))
    o->predictions = OUT_STDOUT;
  o->seed_given = o->seed >= 0;
  o->seed = o->seed_given ? o->seed : 0;
  return check_values(o);
}

FILE *options_log(const Options *o) {
  return o->out && !strcmp(o->out, OUT_STDOUT) ? stderr : stdout;
}

bool options_color(const Options *o) {
  if (o->diag_color && strcmp(o->diag_color, "auto"))
    return !strcmp(o->diag_color, "always");
  const char *term = getenv("TERM");
  return isatty(2) && term && strcmp(term, "dumb") && !getenv("NO_COLOR");
}

DiagFormat options_format(const Options *o) {
  return o->diag_format && !strcmp(o->diag_format, "json") ? DIAG_JSON : DIAG_TEXT;
}
