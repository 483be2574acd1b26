// A C program around a compiled model.
//
//   bigsc models/bert.mdl -o bert.so            makes bert.so and bert.h
//   cc example.c -o example bert.so -Wl,-rpath,'$ORIGIN'
//   ./example [WEIGHTS]                         a safetensors file or a folder; without it fresh parameters
//
// It runs the entry `hidden` on two sentences of different length and prints the first numbers of each.
#include "bert.h"
#include <stdio.h>
#include <stdlib.h>

enum { B = 2, L = 6, SHOWN = 4 };

static int run(bert_model *model) {
  // Token ids of [CLS] ... [SEP], padded with 0; `mask` says what is text.
  static const int32_t ids[B][L] = {{2, 11, 12, 13, 14, 3}, {2, 21, 22, 3, 0, 0}};
  static const bool mask[B][L] = {{1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 0, 0}};
  float *out = malloc(sizeof *out * B * L * BERT_H);
  if (!out) {
    fprintf(stderr, "out of memory\n");
    return 1;
  }
  // `types` is optional: NULL takes its default.
  int status = bert_hidden(model, B, L, &ids[0][0], NULL, &mask[0][0], out);
  if (status)
    fprintf(stderr, "hidden: %s\n", bert_error(model));
  for (int b = 0; b < B && !status; b++) {
    printf("sentence %d:", b);
    for (int i = 0; i < SHOWN; i++)
      printf(" %.6f", out[b * L * BERT_H + i]);
    printf("\n");
  }
  // A token that is not in the table: an error with its place, and the handle goes on working.
  int32_t wrong[1] = {-1};
  if (!status && bert_hidden(model, 1, 1, wrong, NULL, NULL, out) == 0)
    status = 70;
  else if (!status)
    printf("refused: %s\n", bert_error(model));
  free(out);
  return status;
}

int main(int argc, char **argv) {
  char error[256];
  const bigs_info *info = bert_info();
  printf("%s, %lld parameters, compiled for %s\n", info->model, (long long)info->parameter_count,
         info->target);
  bert_model *model = bert_open(argc > 1 ? argv[1] : NULL, error, sizeof error);
  if (!model) {
    fprintf(stderr, "%s\n", error);
    return 3;
  }
  int status = run(model);
  bert_close(model);
  return status;
}
