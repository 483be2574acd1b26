// Answers that are parts of a text: which part a model means, and how well it agrees with the right ones.
#ifndef BIGSC_RUNTIME_SPANS_H
#define BIGSC_RUNTIME_SPANS_H
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SPAN_MOST = 30 }; // places of an answer

// What a model says of one row, in places of the row.
typedef struct SpanSaid {
  int64_t row; // its number
  // The best part of the context: start <= end, at most SPAN_MOST places; -1: the row has no context.
  int64_t start, end;
  double loss;  // NaN: not known
  double score; // the sum of its two scores
  double none;  // that of the first place, which means that there is no answer here
} SpanSaid;
// scores: [L, 2], of being the start and the end; context: [L], where an answer may lie.
SpanSaid span_best(const float *scores, const bool *context, int64_t L);

// One question's answer, from all its rows.
typedef struct SpanAnswer {
  const char *text; // n bytes of the data's; n 0: that there is none
  size_t n;
  bool known;       // the right answers are, and this is how it compares
  double exact, f1; // 0 or 1; 0 to 1
  double loss;      // the mean of its rows'; NaN where a score is not finite
  bool finite;      // all scores are
} SpanAnswer;

// How an answer compares with a right one, as SQuAD's script evaluate-v2.0.py has it: both in lower case, without ASCII punctuation and
// the articles a, an, the; f1 is that of the words they share, each as often as in both.  Fails for want of memory.
int span_compare(const char *said, size_t nsaid, const char *right, size_t nright, double *exact,
                 double *f1, BigsError *e);
#endif
