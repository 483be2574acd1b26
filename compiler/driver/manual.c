// See manual.h.  A row that is added to verbs.def or options.def shows here by itself.
#include "compiler/driver/manual.h"
#include "compiler/driver/options_table.h"
#include <stdio.h>
#include <string.h>

static bool common(const OptionRow *o) {
  return o->verbs == ~0u;
}

// Text in troff: `\`, `-`, and a `.` or `'` at the start of a line mean something there.
static void troff(const char *s) {
  for (; *s; s++)
    switch (*s) {
    case '\\': fputs("\\e", stdout); break;
    case '-': fputs("\\-", stdout); break;
    case '.': fputs("\\&.", stdout); break;
    case '\'': fputs("\\(aq", stdout); break;
    default: putchar(*s);
    }
}

static void man_option(const OptionRow *o) {
  printf(".TP\n.B ");
  troff(o->spelling);
  fputs(option_join(o), stdout);
  troff(o->meta);
  printf("\n");
  troff(o->help);
  printf("\n");
}

// How a command is called, as the argument of a macro.
static void man_call(const char *macro, int v) {
  printf(".%s \"bigsc %s%s", macro, v ? verb_rows[v].name : "", v ? " " : "");
  for (const char *s = verb_rows[v].args; *s; s++)
    fputs(*s == '"' ? "\\(dq" : *s == '-' ? "\\-" : (char[]){*s, 0}, stdout);
  printf("\"\n");
}

static void man_verb(int v) {
  man_call("SS", v);
  troff(verb_rows[v].help);
  printf(".\n");
  for (int i = 0; i < option_count; i++)
    if (option_listed(&option_rows[i], v) && !common(&option_rows[i]))
      man_option(&option_rows[i]);
}

static void man_head(void) {
  printf(".TH BIGSC 1 \"\" \"bigsc %s\"\n.SH NAME\nbigsc \\- compiles neural\\-network "
         "architectures\n.SH SYNOPSIS\n.nf\n",
         bigsc_version());
  for (int v = 0; v < VERB_COUNT; v++)
    man_call("B", v);
  printf(".fi\n.SH DESCRIPTION\nbigsc compiles architectures that are written in a small language "
         "to native code, as a library "
         "with a header for C, and trains and runs them. The language, the commands, the files and "
         "the C interface are described "
         "in the documents that are installed with it.\n");
}

static void man(void) {
  man_head();
  printf(".SH COMMANDS\n");
  for (int v = 0; v < VERB_COUNT; v++)
    man_verb(v);
  printf(".SH OPTIONS OF EVERY COMMAND\n");
  for (int i = 0; i < option_count; i++)
    if (common(&option_rows[i]))
      man_option(&option_rows[i]);
  printf(
      ".SH EXIT STATUS\n0 done, 1 the model or the data is wrong, 2 usage, 3 file or checkpoint, "
      "4 numeric failure, 70 a bug in bigsc, 130 interrupted.\n"
      ".SH ENVIRONMENT\n.TP\n.B CC, LD, OBJCOPY, AR\nthe tools that make libraries (cc, ld, "
      "objcopy, ar)\n"
      ".TP\n.B BIGSC_RUNTIME_DIR\nthe folder of libbigsrt.a, which compiled models carry\n"
      ".TP\n.B NO_COLOR\ndiagnostics have no color\n");
}

// The options of a command, each behind `before`; values that follow `=` are the user's to write.
static void options_of(int verb, const char *before) {
  for (int i = 0; i < option_count; i++)
    if (option_listed(&option_rows[i], verb))
      printf("%s%s%s", before, option_rows[i].spelling,
             *option_join(&option_rows[i]) == '=' ? "=" : "");
}

static void verbs_with(const char *before) {
  for (int v = 1; v < VERB_COUNT; v++)
    printf("%s%s", before, verb_rows[v].name);
}

// Files complete where no option does; the first word may be a command.
static void bash(void) {
  printf("# Completion of bigsc's command line for bash.\n_bigsc() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} words\n  case ${COMP_WORDS[1]} in\n");
  for (int v = 1; v < VERB_COUNT; v++) {
    printf("  %s) words=\"", verb_rows[v].name);
    options_of(v, " ");
    printf("\" ;;\n");
  }
  printf("  *) words=\"--help --version --explain");
  options_of(VERB_COMPILE, " ");
  printf("\" ;;\n  esac\n  [ \"$COMP_CWORD\" != 1 ] || words=\"$words");
  verbs_with(" ");
  printf("\"\n  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "  [[ ${COMPREPLY[0]} != *= ]] || compopt -o nospace\n}\n"
         "complete -o default -F _bigsc bigsc\n");
}

static void zsh(void) {
  printf("#compdef bigsc\n# Completion of bigsc's command line for zsh.\nlocal -a mine\n"
         "case $words[2] in\n");
  for (int v = 1; v < VERB_COUNT; v++) {
    printf("%s) mine=(", verb_rows[v].name);
    options_of(v, " ");
    printf(" ) ;;\n");
  }
  printf("*) mine=(--help --version --explain");
  options_of(VERB_COMPILE, " ");
  printf(" ) ;;\nesac\n(( CURRENT == 2 )) && mine+=(");
  verbs_with(" ");
  printf(" )\ncompadd -a mine\n_files\n");
}

int manual_print(const char *form) {
  static const struct {
    const char *name;
    void (*print)(void);
  } forms[] = {{"manual", man}, {"bash", bash}, {"zsh", zsh}};
  for (int i = 0; i < COUNT(forms); i++)
    if (!strcmp(form, forms[i].name)) {
      forms[i].print();
      return 0;
    }
  fprintf(stderr, "bigsc: --completion takes bash or zsh, not `%s`\n", form);
  return EXIT_USAGE;
}
