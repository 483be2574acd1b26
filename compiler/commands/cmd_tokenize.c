// bigsc tokenize: texts of standard input to ids, a line each.
#include "compiler/commands/cmd.h"
#include "runtime/text/tokenizer.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct Tokenizing {
  const Options *o;
  TokEncoder *encoder;
  TokIds ids;
  long line, cut;
  BigsError *e;
} Tokenizing;

// The number, and what stands behind it.
static char *put_number(char *at, int32_t id, char behind) {
  char digits[12];
  int n = 0;
  do
    digits[n++] = (char)('0' + id % 10);
  while ((id /= 10) > 0);
  while (n)
    *at++ = digits[--n];
  *at++ = behind;
  return at;
}

static int print_ids(Tokenizing *t) {
  char buffer[4096], *at = buffer;
  for (size_t i = 0; i < t->ids.n; i++) {
    at = put_number(at, t->ids.v[i], i + 1 < t->ids.n ? ' ' : '\n');
    if (at - buffer > (long)sizeof buffer - 16 || i + 1 == t->ids.n) {
      fwrite(buffer, 1, (size_t)(at - buffer), stdout);
      at = buffer;
    }
  }
  if (!t->ids.n)
    putchar('\n');
  return ferror(stdout) ? bigs_fail_errno(t->e, "write", "standard output") : 0;
}

static int tokenize_line(Tokenizing *t, const char *s, size_t n) {
  const char *tab = t->o->pair ? memchr(s, '\t', n) : NULL;
  const char *text[2] = {s, tab ? tab + 1 : NULL};
  size_t size[2] = {tab ? (size_t)(tab - s) : n, tab ? n - (size_t)(tab + 1 - s) : 0};
  bool cut = false;
  t->line++;
  t->ids.n = 0;
  int status = t->o->pair && !tab ? bigs_fail(t->e, BIGS_EMODEL, "no tab between two texts") : 0;
  status = status
               ? status
               : tok_whole(t->encoder, text, size, tab ? 2 : 1,
                           t->o->length > 0 ? (size_t)t->o->length : 0, &t->ids, NULL, &cut, t->e);
  t->cut += cut;
  if (cut && options_whole(t->o))
    status = bigs_fail(t->e, BIGS_EMODEL, "more than %lld tokens (--long cut, the default, cuts)",
                       (long long)t->o->length);
  if (status)
    bigs_error_prefix(t->e, "line %ld", t->line);
  return status ? status : print_ids(t);
}

static int tokenize_lines(Tokenizing *t) {
  char *line = NULL;
  size_t cap = 0;
  int status = 0;
  ssize_t n;
  while (!status && (n = getline(&line, &cap, stdin)) >= 0)
    status = tokenize_line(t, line, (size_t)n - (n > 0 && line[n - 1] == '\n'));
  if (!status && ferror(stdin))
    status = bigs_fail_errno(t->e, "read", "standard input");
  if (!status && fflush(stdout))
    status = bigs_fail_errno(t->e, "write", "standard output");
  free(line);
  return status;
}

int cmd_TOKENIZE(const Options *o) {
  BigsError e = {{0}, 0};
  Tokenizer *tokens = NULL;
  if (o->args.n != 1) {
    fprintf(stderr, "bigsc tokenize: give one folder or vocabulary, and texts on standard input; "
                    "see `bigsc tokenize --help`\n");
    return EXIT_USAGE;
  }
  int status = tok_open(o->args.v[0], true, &tokens, &e);
  Tokenizing t = {.o = o, .e = &e};
  t.encoder = status ? NULL : tok_encoder_new(tokens, &e);
  status = status ? status : t.encoder ? tokenize_lines(&t) : e.status;
  if (t.cut && !o->quiet)
    fprintf(stderr, "bigsc: %ld of %ld texts were cut to %lld tokens\n", t.cut, t.line,
            (long long)o->length);
  if (status)
    fprintf(stderr, "bigsc: %s\n", e.text);
  free(t.ids.v);
  tok_encoder_free(t.encoder);
  tok_free(tokens);
  return status;
}
