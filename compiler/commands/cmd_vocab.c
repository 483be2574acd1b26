// bigsc vocab: learns a WordPiece vocabulary from text.
#include "compiler/commands/cmd.h"
#include "compiler/commands/outputs.h"
#include "runtime/files/file.h"
#include "runtime/train/vocab.h"
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number) {
  (void)signal_number;
  interrupted = 1;
}

static int progress(void *ctx, const char *what, double share) {
  const Options *o = ctx;
  if (!o->quiet && isatty(2))
    fprintf(stderr, "\r%-32s %3.0f %%\033[K", what, 100 * share);
  return interrupted;
}

static int check_output(const Options *o) {
  Session s = {.o = o, .arena = arena_new(), .color = options_color(o)};
  int status = session_check_output(&s, o->out, OUTPUT_WORDS);
  arena_free(s.arena);
  return status;
}

int cmd_VOCAB(const Options *o) {
  BigsError e = {{0}, 0};
  Vocab v;
  if (!o->args.n || !o->out) {
    fprintf(stderr, "bigsc vocab: give one TEXT or more, and -o FILE; see `bigsc vocab --help`\n");
    return EXIT_USAGE;
  }
  VocabOptions opt = {.size = o->size < 0 ? 30000 : (int)o->size,
                      .lower = !o->cased,
                      .progress = progress,
                      .ctx = (void *)o};
  if (opt.size < VOCAB_MIN_SIZE || opt.size > VOCAB_MAX_SIZE) {
    fprintf(stderr, "bigsc vocab: --size is %d to %d\n", VOCAB_MIN_SIZE, VOCAB_MAX_SIZE);
    return EXIT_USAGE;
  }
  int status = check_output(o);
  if (status)
    return status;
  signal(SIGINT, on_interrupt);
  status = vocab_learn(o->args.v, o->args.n, &opt, &v, &e);
  if (!o->quiet && isatty(2))
    fprintf(stderr, "\r\033[K");
  if (!status) {
    status = file_put(o->out, v.text, v.n, &e);
    if (!status && !o->quiet)
      fprintf(options_log(o), "%d pieces from %lld words (%lld different) in %s\n", v.size,
              (long long)v.words, (long long)v.distinct, o->out);
    free(v.text);
  }
  if (status)
    fprintf(stderr, "bigsc: %s\n", e.text);
  return status;
}
